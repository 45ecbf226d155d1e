"""Writes what pytest ran, one JSON object a line, to a folder outside the tree under test.

Loaded with `-p kaizen_report`. Works with pytest 6 and later, and with pytest-xdist: workers mark and send reports, the
controller writes. The environment is read once and cleaned, so that neither code under test nor a pytest that a test
starts can write here by accident.
"""
import hashlib
import json
import os
import signal
import sys
import threading
import time

import pytest

_DIR = os.environ.pop("KAIZEN_REPORT_DIR", None)
_TOP = os.environ.pop("KAIZEN_SUITE_DIR", None)
_ONLY = os.environ.pop("KAIZEN_ONLY", None)
_COMPUTES = os.environ.pop("KAIZEN_COMPUTES_S", None)
_WANTED = None
_CAP = 64 * 1024
_dumps, _open, _relpath, _join, _clock = json.dumps, open, os.path.relpath, os.path.join, time.time
if _ONLY:
    with open(_ONLY, encoding="utf-8") as _lines:
        _WANTED = set(_lines.read().split("\0"))


class _Out:
    """The report file: every line is flushed, so that a crash loses nothing, and the last line seals the others."""

    def __init__(self, folder):
        path = _join(folder, "pytest-%d.jsonl" % os.getpid())
        self.file = _open(path, "a", encoding="utf-8", errors="backslashreplace")
        self.seal = hashlib.sha256()
        self.lines = 0

    def write(self, **fields):
        line = _dumps(fields, ensure_ascii=True)
        self.seal.update(line.encode("ascii"))
        self.lines += 1
        self.file.write(line + "\n")
        self.file.flush()


_out = None
_root = None


def _id(nodeid):
    """The node id with its path relative to the suite's folder instead of pytest's root."""
    path, sep, rest = nodeid.partition("::")
    if _root and _TOP and path:
        try:
            path = _relpath(_join(_root, path), _TOP).replace(os.sep, "/")
        except ValueError:
            pass
    return path + sep + rest


def _cut(text):
    return text if len(text) <= _CAP else text[: _CAP // 2] + "\n[...]\n" + text[-_CAP // 2 :]


def _text(longrepr):
    if longrepr is None:
        return None
    if isinstance(longrepr, tuple):
        return _cut("%s:%s: %s" % longrepr) if len(longrepr) == 3 else _cut(str(longrepr))
    try:
        return _cut(str(longrepr))
    except Exception as error:  # a representation of the code under test may itself fail
        return "no representation: %r" % (error,)


def _is_worker(config):
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    global _out, _root, _WANTED
    if getattr(config.option, "maxfail", None):
        config.option.maxfail = 0  # run everything: what comes after the first failure is wanted too
    config.option.continue_on_collection_errors = True  # a file that can't be loaded hides only its own tests
    _root = str(getattr(config, "rootpath", None) or config.rootdir)
    if _is_worker(config):
        wanted = config.workerinput.get("kaizen_only")
        _WANTED = None if wanted is None else set(wanted)
        globals()["_TOP"] = config.workerinput.get("kaizen_top")
    elif _DIR and _out is None:
        _out = _Out(_DIR)
        _out.write(kind="start", pytest=pytest.__version__, python=sys.version.split()[0], root=_root)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["kaizen_only"] = None if _WANTED is None else sorted(_WANTED)
    node.workerinput["kaizen_top"] = _TOP


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if _WANTED is None:
        return
    keep, drop = [], []
    for item in items:
        name = _id(item.nodeid)
        wanted = name in _WANTED or name.partition("::")[0] in _WANTED
        (keep if wanted else drop).append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
        items[:] = keep


def pytest_collectreport(report):
    if _out and report.outcome != "passed":
        _out.write(kind="collect", id=_id(report.nodeid), outcome=report.outcome, text=_text(report.longrepr))


def pytest_collection_finish(session):
    if _out and not _is_worker(session.config):
        _out.write(kind="collected", ids=[_id(item.nodeid) for item in session.items])


class _Watch:
    """Cuts a test that computes or waits without end, so that one loop does not take the results of all others along.

    Computing is measured in processor time, so that a slow machine, a sleep or a subprocess is never mistaken for a
    loop. After the first cut the next ones come sooner: tests of one broken function hang together.
    """

    # processor seconds: hardly a test computes for ten, and waiting does not count
    COMPUTES_S = float(_COMPUTES) if _COMPUTES else 10.0
    WAITS_S = 120.0  # seconds of wall time; tests that wait for services take a while
    SLOWEST = 20.0  # a test may take this many times what the slowest test took that passed
    LEAST_S = 0.5
    SOONER = 5.0  # each cut divides the next limit by this
    AGAIN_S = 0.5  # raised again and again: a bare `except` may have swallowed it

    def __init__(self):
        self.slowest = {"computes": 0.0, "waits": 0.0}
        self.cuts = 0
        self.began = None

    def limit(self, what, most):
        sooner = max(most / self.SOONER**self.cuts, self.LEAST_S)
        return max(sooner, self.SLOWEST * self.slowest[what])

    def possible(self):
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
            return False
        free = (signal.SIG_DFL, signal.SIG_IGN, None)
        return signal.getsignal(signal.SIGVTALRM) in free and signal.getsignal(signal.SIGALRM) in free

    def start(self):
        if not self.possible():
            return
        computes, waits = self.limit("computes", self.COMPUTES_S), self.limit("waits", self.WAITS_S)
        self.began = (time.process_time(), _clock())

        def cut(number, _frame):
            __tracebackhide__ = True
            kind, limit = ("computes", computes) if number == signal.SIGVTALRM else ("waits", waits)
            if self.began is not None:
                self.began = None
                self.cuts += 1
            pytest.fail("the test %s without end: cut after %.1f s" % (kind, limit))

        signal.signal(signal.SIGVTALRM, cut)
        signal.signal(signal.SIGALRM, cut)
        signal.setitimer(signal.ITIMER_VIRTUAL, computes, self.AGAIN_S)
        signal.setitimer(signal.ITIMER_REAL, waits, self.AGAIN_S)

    def stop(self, passed):
        if signal.getsignal(signal.SIGVTALRM) in (signal.SIG_DFL, None):
            return
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if passed and self.began is not None:
            took = {"computes": time.process_time() - self.began[0], "waits": _clock() - self.began[1]}
            self.slowest = {what: max(self.slowest[what], took[what]) for what in took}
        self.began = None


_watch = _Watch()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    _watch.start()
    outcome = yield
    _watch.stop(passed=outcome.excinfo is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart(nodeid, location):
    if _out:
        _out.write(kind="begin", id=_id(nodeid), at=_clock())


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    # What was raised, before any other plug-in can change the report: a report that passed although something was
    # raised is a contradiction.
    raised = None if call.excinfo is None else call.excinfo.typename
    outcome = yield
    try:
        outcome.get_result()._kaizen_raised = raised
    except Exception:
        pass


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report):
    if not _out:
        return
    _out.write(
        kind="result",
        id=_id(report.nodeid),
        when=report.when,
        outcome=report.outcome,
        xfail=getattr(report, "wasxfail", None),
        raised=getattr(report, "_kaizen_raised", None),
        sub=hasattr(report, "context"),
        seconds=getattr(report, "duration", None),
        file=_id((report.location or ("",))[0]) or None,
        text=_text(report.longrepr) if report.outcome != "passed" else None,
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if _out:
        _out.write(kind="finish", exit=int(exitstatus), testscollected=getattr(session, "testscollected", None))
        line = _dumps({"kind": "end", "lines": _out.lines, "seal": _out.seal.hexdigest()})
        _out.file.write(line + "\n")
        _out.file.flush()
