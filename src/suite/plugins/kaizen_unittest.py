"""`python -m kaizen_unittest` is `python -m unittest`, and writes what ran, one JSON object a line, to a folder outside
the tree under test."""
import json
import os
import sys
import time
import unittest

_DIR = os.environ.pop("KAIZEN_REPORT_DIR", None)
_ONLY = os.environ.pop("KAIZEN_ONLY", None)
_CAP = 64 * 1024
_dumps, _clock = json.dumps, time.time
_out = open(os.path.join(_DIR, "unittest-%d.jsonl" % os.getpid()), "a", encoding="utf-8") if _DIR else None
_wanted = None
if _ONLY:
    with open(_ONLY, encoding="utf-8") as _lines:
        _wanted = set(_lines.read().split("\0"))


def _write(**fields):
    if _out:
        _out.write(_dumps(fields) + "\n")
        _out.flush()


def _flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _cut(text):
    return text if len(text) <= _CAP else text[: _CAP // 2] + "\n[...]\n" + text[-_CAP // 2 :]


class _Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self._began = _clock()
        _write(event="begin", id=test.id())

    def _say(self, event, test, text=None, sub=False):
        seconds = _clock() - getattr(self, "_began", _clock())
        _write(event=event, id=test.id(), seconds=seconds, text=text, sub=sub)

    def _error(self, test, err):
        return _cut(self._exc_info_to_string(err, test))

    def addSuccess(self, test):
        super().addSuccess(test)
        self._say("pass", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._say("fail", test, self._error(test, err))

    def addError(self, test, err):
        super().addError(test, err)
        self._say("fail", test, self._error(test, err))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._say("skip", test, str(reason))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._say("xfail", test, self._error(test, err))

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._say("fail", test, "unexpected success")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._say("fail", test, "%s\n%s" % (subtest.id(), self._error(test, err)), sub=True)


class _Runner(unittest.TextTestRunner):
    resultclass = _Result

    def __init__(self, *args, **options):
        options["failfast"] = False
        super().__init__(*args, **options)

    def run(self, suite):
        tests = list(_flat(suite))
        if _wanted is not None:
            kept = [t for t in tests if t.id() in _wanted or t.id().split("_FailedTest.")[-1] in _wanted]
            if len(kept) < len(tests):
                tests, suite = kept, unittest.TestSuite(kept)
        _write(event="collected", ids=[t.id() for t in tests])
        result = super().run(suite)
        _write(event="end", run=result.testsRun)
        return result


if __name__ == "__main__":
    sys.argv[0] = "python -m unittest"
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
    unittest.main(module=None, testRunner=_Runner)
