#!/usr/bin/env bash
# Before the tests: pytest for those that run it, in an environment below `target`, when this machine's Python has none.
set -euo pipefail
python3 -c 'import pytest' 2>/dev/null && exit 0
here=$PWD/target/test-python
if [ ! -x "$here/bin/pytest" ]; then
  python3 -m venv "$here"
  "$here/bin/pip" install -q --disable-pip-version-check pytest==9.2.0
fi
echo "PATH=$here/bin:$PATH" >> "$NEXTEST_ENV"
