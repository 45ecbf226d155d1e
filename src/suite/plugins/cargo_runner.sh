#!/bin/sh
# Started by cargo in place of every test binary (CARGO_TARGET_*_RUNNER): keeps the binary's output and exit code apart
# from everything else that is printed, so that results are known binary by binary. What people read goes to stderr;
# doc tests, which rustdoc runs, have stdout for themselves.
dir=$KAIZEN_CARGO_REPORTS
starts=$KAIZEN_CARGO_STARTS
unset KAIZEN_CARGO_REPORTS KAIZEN_CARGO_RUNNER KAIZEN_CARGO_STARTS
case ${1##*/} in
rust_out | rustdoctest* | doctest_bundle* | doctest_runner*) exec "$@" ;;
esac
n=$dir/$$
printf '%s\0%s\0%s\0' "$1" "$CARGO_PKG_NAME" "$CARGO_MANIFEST_DIR" >"$n.meta"
# how to start it once more without cargo
if [ -n "$starts" ]; then
    env -0 >"$n.env"
    printf '%s\0' "$PWD" "$@" >"$n.start"
fi
# only libtest (and what speaks its language) has this sentence; other harnesses would run everything on --list
if grep -aq 'Write logs to the specified file' "$1"; then
    "$@" --list --format terse >"$n.list" 2>/dev/null
fi
"$@" >"$n.out"
code=$?
printf '%s' "$code" >"$n.code"
cat "$n.out" >&2
exit "$code"
