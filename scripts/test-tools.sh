#!/usr/bin/env bash
# Before the tests: a Python with pytest in front of the PATH, from below `target` when this machine's has none.
set -euo pipefail
here=$PWD/target/test-python
if python3 -c 'import pytest' 2>/dev/null; then
  # the interpreter itself: a version manager's script before it takes longer to start than the tests that it runs
  bin=$(dirname "$(python3 -c 'import sys; print(sys.executable)')")
else
  bin=$here/bin
  if [ ! -x "$bin/pytest" ]; then
    python3 -m venv "$here"
    "$bin/pip" install -q --disable-pip-version-check pytest==9.2.0
  fi
fi
echo "PATH=$bin:$PATH" >> "$NEXTEST_ENV"
# thousands of small repositories are made and thrown away: in memory where there is enough of it and programs may run there
memory=/dev/shm/kaizen-ci-tests
enough_kb=$((4 * 1024 * 1024))
if [ -d /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt "$enough_kb" ] && mkdir -p "$memory" \
  && printf '#!/bin/sh\n' > "$memory/runs" && chmod +x "$memory/runs" && "$memory/runs" 2>/dev/null; then
  echo "TMPDIR=$memory" >> "$NEXTEST_ENV"
fi
# a compiler around this crate is none around what the tests build
[ -z "${RUSTC_WORKSPACE_WRAPPER-}" ] || echo "RUSTC_WORKSPACE_WRAPPER=" >> "$NEXTEST_ENV"
