"""A warm test runner for kaizen-ci's search-based repair. Started once per core; speaks JSON lines.

Two processes wait for work: the *stem*, which has imported the test framework and third-party modules but nothing of the
project, and its child the *bud*, which has collected the whole suite with the unpatched project loaded. Every request
runs in a fresh fork of one of them, in a session of its own, with limits on time and memory. A candidate that changes
only the bodies of functions is swapped into a fork of the bud (milliseconds); anything else, and every verification, is
imported from disk by a fork of the stem. The fork's whole process tree is killed afterwards, and files that it changed
in the workspace are put back.

What tests print never reaches the protocol: descriptors 1 and 2 are the null device, the protocol has its own.
"""
import base64
import copy
import ctypes
import gc
import hashlib
import json
import math
import os
import pickle
import random
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import sys
import threading
import time
import types

TOP = ""
CONF = {}
LIBC = None
if sys.platform == "linux":
    try:
        LIBC = ctypes.CDLL(None, use_errno=True)
    except OSError:
        LIBC = None
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def prctl(option, value):
    if LIBC is not None:
        LIBC.prctl(option, value, 0, 0, 0)


# ---------------------------------------------------------------- channel


def stand_back():
    """Linux weighs sessions against each other, not only processes: this one lets others go first."""
    try:
        with open("/proc/self/autogroup", "w") as group:
            group.write("10")
    except OSError:
        pass


class Channel:
    """JSON lines over a pair of descriptors that no child keeps."""

    def __init__(self, inp, out):
        self.inp, self.out, self.buffer = inp, out, b""

    def send(self, message):
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        view = memoryview(data)
        while view:
            view = view[os.write(self.out, view):]

    def receive(self, timeout=None):
        """The next message; None at the end of input; raises TimeoutError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self.buffer:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            ready = select.select([self.inp], [], [], left)[0]
            if not ready:
                raise TimeoutError
            data = os.read(self.inp, 1 << 16)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def close(self):
        for fd in {self.inp, self.out}:
            os.close(fd)


# ---------------------------------------------------------------- forks


class Ended(Exception):
    """The other side is gone."""


def descendants():
    """Our children, whoever made them: escapees are handed to us because we are a subreaper."""
    found = []
    try:
        for task in os.listdir("/proc/self/task"):
            with open("/proc/self/task/%s/children" % task) as f:
                found += [int(pid) for pid in f.read().split()]
    except OSError:
        pass
    return found


def reap(keep):
    """Kills and reaps every child but those in `keep`, and what they leave behind."""
    for _ in range(200):
        left = [pid for pid in descendants() if pid not in keep]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for pid in left:
            try:
                os.waitpid(pid, 0)
            except OSError:
                pass


class Fork:
    """One forked run: reads its report lines until it ends or its time is up."""

    def __init__(self, work, control, keep, memory):
        """`work(report)` runs in the child; `control` is watched for the end of input."""
        self.control, self.keep = control, keep
        self.results, self.extra, self.current, self.stage = [], {}, None, None
        self.end = "crash"
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                stand_back()
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(read)
                control.close()
                if memory:
                    limit(resource.RLIMIT_DATA, memory)
                limit(resource.RLIMIT_CORE, 0)
                work(Report(write))
            except BaseException as error:  # noqa: the child must never return
                try:
                    Report(write).line("X", "%s: %s" % (type(error).__name__, str(error)[:300]))
                except BaseException:
                    pass
            finally:
                os._exit(0)
        os.close(write)
        self.pid, self.read = pid, read

    def wait(self, wall):
        """Until the child says that it is done, dies, or `wall` seconds have passed (a new stage renews them)."""
        buffer, deadline, over = b"", time.monotonic() + wall, False
        poll = select.poll()
        poll.register(self.read, select.POLLIN)
        poll.register(self.control.inp, 0)
        try:
            watch = os.pidfd_open(self.pid)
            poll.register(watch, select.POLLIN)
        except (AttributeError, OSError):
            watch = None
        try:
            while not over:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.end = "timeout"
                    break
                events = dict(poll.poll(min(left, 0.2 if watch is not None else 0.01) * 1000 + 1))
                if events.get(self.control.inp, 0) & (select.POLLHUP | select.POLLERR):
                    raise Ended
                if self.read in events:
                    data = os.read(self.read, 1 << 16)
                    if not data:
                        over = True
                    buffer += data
                    while b"\n" in buffer:
                        line, buffer = buffer.split(b"\n", 1)
                        wall = self.take(line)
                        if wall is True:
                            over = True
                        elif wall:
                            deadline = time.monotonic() + wall
                elif watch is not None and watch in events:
                    over = True
        finally:
            if watch is not None:
                os.close(watch)
            os.close(self.read)
            self.kill()
        return self

    def take(self, line):
        """One report line. True: done; a number: a new stage with so many seconds."""
        try:
            kind, value = json.loads(line)
        except ValueError:
            return None
        if kind == "S":
            self.current = value
        elif kind == "R":
            self.results.append(value)
            self.current = None
        elif kind == "G":
            self.stage, self.current = value[0], None
            return value[1]
        elif kind == "D":
            self.extra.update(value)
        elif kind == "X":
            self.end, self.extra["error"] = "crash", value
            return True
        elif kind == "E":
            self.end = value
            return True
        return None

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            status = os.waitpid(self.pid, 0)[1]
            if self.end == "crash" and os.WIFSIGNALED(status):
                number = os.WTERMSIG(status)
                if number in (signal.SIGPROF, signal.SIGXCPU):
                    self.end = "timeout"
                self.extra.setdefault("signal", int(number))
        except OSError:
            pass
        reap(self.keep)

    def answer(self):
        out = {"end": self.end, "results": self.results, "current": self.current, "stage": self.stage}
        out.update(self.extra)
        return out


def limit(what, value):
    try:
        hard = resource.getrlimit(what)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(what, (value, value))
    except (OSError, ValueError):
        pass


class Report:
    """The child's side of a fork: one line per event, in one write each."""

    def __init__(self, fd):
        self.fd, self.pid = fd, os.getpid()

    def line(self, kind, value):
        if os.getpid() != self.pid:
            return
        view = memoryview(json.dumps([kind, value], separators=(",", ":"), default=str).encode() + b"\n")
        while view:
            view = view[os.write(self.fd, view):]


def arm(cpu, gently=False):
    """At most `cpu` seconds of processor time from now on, then SIGPROF ends the child (or, gently, the test)."""
    signal.signal(signal.SIGPROF, time_up if gently else signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu or 0)


# ---------------------------------------------------------------- the workspace


SKIP = {".git", ".hg", "__pycache__", ".pytest_cache", "node_modules", ".venv", "venv", ".mypy_cache", ".ruff_cache",
        ".tox", ".nox", "target", ".eggs", "site-packages", ".hypothesis"}
KEEP_FILE_BYTES, KEEP_ALL_BYTES = 1 << 20, 64 << 20
WATCH = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x01000000
OVERFLOW = 0x4000


class Tree:
    """Knows every file of the workspace and puts back what a run changed, at no cost when nothing changed."""

    def __init__(self, top):
        self.top, self.files, self.dirs, self.kept = top, {}, set(), 0
        self.fd, self.watches, self.lost = None, {}, False
        if LIBC is not None:
            fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self.fd = fd if fd >= 0 else None
        for folder, dirs, files in os.walk(top):
            dirs[:] = [d for d in dirs if d not in SKIP]
            self.dirs.add(folder)
            for name in files:
                self.learn(os.path.join(folder, name))
            self.watch(folder)

    def learn(self, path):
        try:
            info = os.lstat(path)
            content = None
            if stat.S_ISREG(info.st_mode):
                if info.st_size <= KEEP_FILE_BYTES and self.kept + info.st_size <= KEEP_ALL_BYTES:
                    with open(path, "rb") as f:
                        content = f.read()
                    self.kept += len(content)
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            self.files[path] = (info.st_mode, info.st_size, info.st_mtime_ns, content)
        except OSError:
            pass

    def watch(self, folder):
        if self.fd is None:
            return
        number = LIBC.inotify_add_watch(self.fd, os.fsencode(folder), WATCH)
        if number < 0:
            os.close(self.fd)
            self.fd = None
        else:
            self.watches[number] = folder

    def touched(self):
        """Paths that something happened to; None: unknown, look at everything."""
        if self.fd is None:
            return None
        paths, everything = set(), False
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                break
            except OSError:
                return None
            at = 0
            while at < len(data):
                number, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16:at + 16 + size].rstrip(b"\0")
                at += 16 + size
                folder = self.watches.get(number)
                if mask & OVERFLOW or folder is None or mask & (0x400 | 0x800):
                    everything = True
                elif name:
                    name = os.fsdecode(name)
                    if name not in SKIP:
                        paths.add(os.path.join(folder, name))
        return None if everything else paths

    def restore(self):
        """Puts the workspace back; the number of paths that had to be."""
        paths = self.touched()
        if paths is None:
            paths = set(self.files)
            for folder in sorted(self.dirs):
                try:
                    names = os.listdir(folder)
                except OSError:
                    os.makedirs(folder, exist_ok=True)
                    self.watch(folder)
                    names = []
                paths.update(os.path.join(folder, n) for n in names if n not in SKIP)
        changed = 0
        for path in paths:
            changed += self.put_back(path)
        if changed:
            self.touched()
        return changed

    def put_back(self, path):
        known = self.files.get(path)
        try:
            info = os.lstat(path)
        except OSError:
            info = None
        if known is None:
            if info is None or path in self.dirs:
                return 0
            if stat.S_ISDIR(info.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                remove(path)
            return 1
        mode, size, mtime, content = known
        if info is not None and (info.st_mode, info.st_size, info.st_mtime_ns) == (mode, size, mtime):
            return 0
        if content is None:
            self.lost = True
            return 1
        self.write(path, content, mode, mtime)
        return 1

    def write(self, path, content, mode, mtime):
        if os.path.islink(path) or isinstance(content, str):
            remove(path)
        elif os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(content, str):
            os.symlink(content, path)
            return
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, stat.S_IMODE(mode))
        os.utime(path, ns=(mtime, mtime))

    def put(self, changes):
        """Writes a candidate's files."""
        for path, text in changes:
            with open(os.path.join(self.top, path), "w", encoding="utf-8", errors="surrogateescape", newline="") as f:
                f.write(text)


def remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def empty(folder):
    """Empties the private temporary folder."""
    try:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                remove(path)
    except OSError:
        pass


# ---------------------------------------------------------------- which code is the project's


class Project:
    """Tells files of the project from everything else, quickly."""

    def __init__(self, top):
        self.top, self.known = os.path.realpath(top) + os.sep, {}

    def path(self, filename):
        """The path relative to the top, or None."""
        try:
            return self.known[filename]
        except KeyError:
            real = "" if filename.startswith("<") else os.path.realpath(filename)
            inside = None
            if real.startswith(self.top):
                inside = real[len(self.top):]
                if any(part in SKIP for part in inside.split(os.sep)):
                    inside = None
            self.known[filename] = inside
            return inside


PROJECT = None


def codes(code):
    """Every code object in `code`, itself first."""
    out, todo = [], [code]
    while todo:
        one = todo.pop()
        out.append(one)
        todo += [c for c in one.co_consts if isinstance(c, types.CodeType)]
    return out


def executable_lines(path):
    """Lines in bodies of functions that can be reached by the tracer, and lines outside of functions."""
    try:
        with open(os.path.join(TOP, path), "rb") as f:
            module = compile(f.read(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return None
    inside, outside = set(), set()
    for code in codes(module):
        lines = {line for _, _, line in code.co_lines() if line} if hasattr(code, "co_lines") else set()
        (inside if code.co_flags & 0x2 else outside).update(lines)
    return sorted(inside), sorted(outside - inside)


def own_shape(code):
    """Everything of a code object but its lines and the code inside of it."""
    consts = tuple((type(c).__name__, repr(c)) for c in code.co_consts if not isinstance(c, types.CodeType))
    return (code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags,
            code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, getattr(code, "co_exceptiontable", b""))


class CantSwap(Exception):
    """The change reaches beyond the bodies of functions."""


def differing(old, new, out):
    """Collects (old, new) for every function whose body, or a function inside of it, differs. True: differs."""
    inner_old = [c for c in old.co_consts if isinstance(c, types.CodeType)]
    inner_new = [c for c in new.co_consts if isinstance(c, types.CodeType)]
    is_function = bool(old.co_flags & 0x2)
    same = own_shape(old) == own_shape(new)
    if len(inner_old) != len(inner_new) or [c.co_name for c in inner_old] != [c.co_name for c in inner_new]:
        if not is_function:
            raise CantSwap
        out.append((old, new))
        return True
    changed = False
    for a, b in zip(inner_old, inner_new):
        changed |= differing(a, b, out)
    if not is_function:
        if not same:
            raise CantSwap
        return False
    if changed or not same:
        out.append((old, new))
        return True
    return False


# ---------------------------------------------------------------- pytest


def pytest_args(conf, paths=None):
    """The user's arguments, with everything that writes, reorders or distributes switched off."""
    from importlib.util import find_spec

    args = list(conf["args"])
    args += ["-p", "no:cacheprovider"]
    if find_spec("xdist") is not None:
        args += ["-n", "0"]
    if find_spec("pytest_cov") is not None:
        args += ["--no-cov"]
    if find_spec("pytest_randomly") is not None:
        args += ["-p", "no:randomly"]
    args += ["--basetemp", os.path.join(conf["temp"], "pytest")]
    return args + list(paths or [])


def light_failures():
    """Failing is the normal case here: no traceback is drawn, no difference of long lists computed."""
    try:
        from _pytest import nodes

        def brief(self, excinfo, *args, **kwargs):
            return message_of(excinfo.value)

        nodes.Node._repr_failure_py = brief
    except Exception:
        pass
    try:
        from _pytest.assertion import util

        util.assertrepr_compare = lambda *args, **kwargs: None
    except Exception:
        pass


def message_of(error):
    try:
        text = str(error)[:300]
    except BaseException:
        text = ""
    return "%s: %s" % (type(error).__name__, text) if text else type(error).__name__


class Plugin:
    """Sits in the suite's own pytest session: waits in the run loop for work instead of running tests."""

    def __init__(self, loop, wanted=None):
        self.loop, self.wanted = loop, wanted
        self.broken, self.phases, self.message, self.session = [], {}, None, None

    def hooks(self):
        import pytest

        plugin = self

        class Hooks:
            @pytest.hookimpl(tryfirst=True)
            def pytest_runtestloop(self, session):
                plugin.session = session
                plugin.loop(plugin, session)
                return True

            @pytest.hookimpl(tryfirst=True)
            def pytest_collection_modifyitems(self, session, config, items):
                if plugin.wanted is not None:
                    items[:] = [item for item in items if item.nodeid in plugin.wanted]

            def pytest_collectreport(self, report):
                if report.failed:
                    plugin.broken.append((str(report.nodeid), str(report.longrepr)[:300]))

            @pytest.hookimpl(tryfirst=True)
            def pytest_runtest_logreport(self, report):
                plugin.note(report)

        return Hooks()

    def note(self, report):
        if report.failed:
            outcome = "f"
            self.message = str(report.longrepr)[:300]
        elif report.skipped:
            outcome = "x" if hasattr(report, "wasxfail") else "s"
        else:
            outcome = "p"
        self.phases[report.when] = outcome

    def run(self, item, following, name, report):
        """Runs one item and reports it; its outcome."""
        self.phases, self.message = {}, None
        report.line("S", name)
        start = time.perf_counter()
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self.phases["call"], self.message = "f", message_of(error)
        except BaseException as error:  # pytest.exit and the like
            self.phases["call"], self.message = "f", message_of(error)
        took = (time.perf_counter() - start) * 1000
        seen = set(self.phases.values())
        outcome = "f" if "f" in seen or not seen else "x" if "x" in seen else "s" if "s" in seen else "p"
        report.line("R", [name, outcome, round(took, 2), self.message])
        return outcome


def followers(chosen, simple):
    """For each test the next one that goes through the framework: what it shares with that one is not torn down. Simple
    tests are called past the framework, which would never tear down for them."""
    out, following = [], None
    for name, item in reversed(chosen):
        out.append(following)
        if name not in simple:
            following = item
    return out[::-1]


def run_stages(items, stages, run, report, tracer=None, simple=()):
    """Runs the stages one after the other as long as everything passes; how it ended."""
    for number, stage in enumerate(stages):
        names = stage["tests"]
        report.line("G", [number, stage["wall"]])
        arm(stage["cpu"], tracer is not None)
        chosen = [(name, items[name]) for name in names if name in items]
        good = len(chosen) == len(names)
        for (name, item), following in zip(chosen, followers(chosen, simple)):
            if tracer is not None:
                tracer.start(name)
            outcome = run(item, following, name, report)
            if tracer is not None:
                tracer.stop()
            if outcome == "f":
                good = False
                if stage.get("stop"):
                    break
        arm(0)
        if not good and tracer is None:
            return "done"
    return "done"


# ---------------------------------------------------------------- coverage


class Tracer:
    """Line coverage of project files by test."""

    def __init__(self):
        self.by_test, self.lines, self.codes = {}, None, {}

    def start(self, name):
        self.lines = {}
        self.by_test[name] = self.lines
        threading.settrace(self.call)
        sys.settrace(self.call)

    def stop(self):
        sys.settrace(None)
        threading.settrace(None)

    def call(self, frame, event, arg):
        code = frame.f_code
        try:
            local = self.codes[code]
        except KeyError:
            path = PROJECT.path(code.co_filename)
            local = self.codes[code] = None if path is None else path
        if local is None:
            return None
        seen = self.lines.setdefault(local, set())
        add = seen.add

        def line(frame, event, arg):
            if event == "line":
                add(frame.f_lineno)
            return line

        return line

    def answer(self):
        return {t: {p: sorted(lines) for p, lines in files.items()} for t, files in self.by_test.items()}


# ---------------------------------------------------------------- sessions


class PytestBench:
    """A collected pytest session."""

    def __init__(self, plugin, session):
        self.plugin = plugin
        self.items = {item.nodeid: item for item in session.items}
        self.broken = plugin.broken
        config = session.config
        source = getattr(config, "args_source", None)
        given = getattr(source, "name", "ARGS") == "ARGS"
        self.about = {"rootdir": str(config.rootpath), "positional": list(config.args) if given else []}
        self.files = {}
        for item in session.items:
            path = getattr(item, "path", None) or getattr(item, "fspath", None)
            self.files[item.nodeid] = str(path)

    def run(self, item, following, name, report):
        return self.plugin.run(item, following, name, report)

    def learn_simple(self):
        """Finds the tests that are nothing but a function and values: they can be called without the framework, which
        takes longer than they do. What is green that way is run again by the framework before it counts."""
        self.simple = {}
        hooks = ("pytest_runtest_protocol", "pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown",
                 "pytest_runtest_makereport", "pytest_pyfunc_call", "pytest_fixture_setup")
        for item in self.items.values():
            manager = item.ihook
            try:
                for hook in hooks:
                    for implementation in getattr(manager, hook).get_hookimpls():
                        module = getattr(implementation.function, "__module__", "")
                        if not module.startswith("_pytest.") and module != "__main__" and not harmless(module):
                            raise LookupError
                call = simple_call(item)
                if call is not None:
                    self.simple[item.nodeid] = call
            except Exception:
                continue

    @staticmethod
    def session(conf, loop, wanted=None, paths=None, about=None):
        """Collects, then calls `loop(bench)` in place of running the tests."""
        import pytest

        light_failures()
        plugin = Plugin(lambda plugin, session: loop(PytestBench(plugin, session)), wanted)
        args = pytest_args(conf)
        if paths is not None and about is not None:
            positional = set(about["positional"])
            args = [a for a in args if a not in positional]
            if not any(a.startswith("--rootdir") for a in args):
                args += ["--rootdir", about["rootdir"]]
            args += paths
        return pytest.main(args, plugins=[plugin.hooks()])


def harmless(module):
    """Plug-ins that do nothing to a test that does not ask for them."""
    return module.split(".")[0] in {"anyio", "pytest_asyncio", "pytest_mock", "pytest_cov", "xdist", "pytest_timeout",
                                    "hypothesis", "_hypothesis_pytestplugin", "pytest_randomly", "faker", "typeguard"}


def simple_call(item):
    """(function, values) when the item is a plain function, or method, with values of its own."""
    import inspect

    import pytest

    if type(item) is not pytest.Function or any(m.name != "parametrize" for m in item.iter_markers()):
        return None
    function = item.obj
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return None
    callspec = getattr(item, "callspec", None)
    values = {}
    for name in item._fixtureinfo.names_closure:
        definitions = item._fixtureinfo.name2fixturedefs.get(name)
        if callspec is None or name not in callspec.params and name not in getattr(callspec, "funcargs", {}):
            return None
        if definitions and definitions[-1].func.__name__ != "get_direct_param_fixture_func":
            return None
        values[name] = callspec.params[name] if name in callspec.params else callspec.funcargs[name]
    wanted = {n: values[n] for n in item._fixtureinfo.argnames}
    return function, wanted


def run_simple(call, name, report):
    """Runs a simple test and reports it; its outcome."""
    function, values = call
    report.line("S", name)
    start, outcome, message = time.perf_counter(), "p", None
    try:
        function(**values)
    except BaseException as error:
        outcome, message = "f", message_of(error)
        if type(error).__name__ == "Skipped":
            outcome = "s"
        elif type(error).__name__ == "XFailed":
            outcome = "x"
    report.line("R", [name, outcome, round((time.perf_counter() - start) * 1000, 2), message])
    return outcome


class UnittestBench:
    """A loaded unittest suite."""

    def __init__(self, suite):
        self.items, self.broken, self.files = {}, [], {}
        self.about = {"rootdir": TOP, "positional": []}
        todo = [suite]
        while todo:
            one = todo.pop(0)
            if hasattr(one, "__iter__"):
                todo = list(one) + todo
            elif type(one).__name__ == "_FailedTest":
                self.broken.append((one.id().rsplit(".", 1)[-1], str(getattr(one, "_exception", ""))[-300:]))
            else:
                self.items[one.id()] = one
                module = sys.modules.get(type(one).__module__)
                self.files[one.id()] = str(getattr(module, "__file__", "") or "")

    def run(self, item, following, name, report):
        import unittest

        report.line("S", name)
        seen = {"outcome": "p", "message": None}

        class Result(unittest.TestResult):
            def bad(self, err):
                seen["outcome"], seen["message"] = "f", message_of(err[1])

            def addError(self, test, err):
                self.bad(err)

            def addFailure(self, test, err):
                self.bad(err)

            def addSubTest(self, test, subtest, err):
                if err is not None:
                    self.bad(err)

            def addSkip(self, test, reason):
                seen["outcome"] = "s"

            def addExpectedFailure(self, test, err):
                seen["outcome"] = "x"

            def addUnexpectedSuccess(self, test):
                seen["outcome"] = "f"

        start = time.perf_counter()
        try:
            unittest.TestSuite([item]).run(Result())
        except BaseException as error:
            seen["outcome"], seen["message"] = "f", message_of(error)
        report.line("R", [name, seen["outcome"], round((time.perf_counter() - start) * 1000, 2), seen["message"]])
        return seen["outcome"]

    @staticmethod
    def session(conf, loop, wanted=None, paths=None, about=None):
        import unittest

        class Runner:
            def run(self, suite):
                loop(UnittestBench(suite))
                return unittest.TestResult()

        unittest.main(module=None, argv=["python -m unittest"] + list(conf["args"]), testRunner=Runner(), exit=False)


def bench_of(conf):
    return UnittestBench if conf["mode"] == "unittest" else PytestBench


# ---------------------------------------------------------------- the bud: swapping code into a loaded project


class ImportCalls:
    """Functions of the project that run while it is being imported: what they computed can't be swapped afterwards."""

    def __init__(self):
        self.keys, self.seen = set(), set()

    def __call__(self, frame, event, arg):
        if event == "call":
            code = frame.f_code
            if code not in self.seen:
                self.seen.add(code)
                if PROJECT.path(code.co_filename) is not None:
                    self.keys.add((PROJECT.path(code.co_filename), code.co_name, code.co_firstlineno))


class Swapper:
    """Finds the live functions of the project and gives them other bodies."""

    def __init__(self, imported):
        self.imported, self.live, self.original = imported, {}, {}
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType):
                code = thing.__code__
                path = PROJECT.path(code.co_filename)
                if path is not None:
                    self.live.setdefault((path, code.co_name, code.co_firstlineno), []).append(thing)
        self.loaded = {}
        for module in list(sys.modules.values()):
            name = getattr(module, "__file__", None)
            if isinstance(name, str) and PROJECT.path(name) is not None:
                self.loaded.setdefault(PROJECT.path(name), name)

    def source(self, path, tree):
        """The compiled original of a loaded file, and how many functions share a name and line."""
        if path not in self.original:
            with open(os.path.join(TOP, path), "rb") as f:
                text = f.read()
            module = compile(text, self.loaded[path], "exec", dont_inherit=True)
            counts = {}
            for code in codes(module):
                key = (path, code.co_name, code.co_firstlineno)
                counts[key] = counts.get(key, 0) + 1
            self.original[path] = (module, counts)
        return self.original[path]

    def plan(self, changes, tree):
        """(function, new code) pairs; raises CantSwap or SyntaxError."""
        pairs = []
        for path, text in changes:
            if path not in self.loaded:
                compile(text, path, "exec", dont_inherit=True)
                continue
            if not path.endswith(".py"):
                raise CantSwap
            old, counts = tree[path]
            new = compile(text, self.loaded[path], "exec", dont_inherit=True)
            different = []
            differing(old, new, different)
            for a, b in different:
                key = (path, a.co_name, a.co_firstlineno)
                if counts.get(key, 0) != 1 or key in self.imported:
                    raise CantSwap
                for function in self.live.get(key, ()):
                    if len(function.__code__.co_freevars) != len(b.co_freevars):
                        raise CantSwap
                    pairs.append((function, b))
        return pairs


class Bud:
    """Runs in the process that has collected the whole suite."""

    def __init__(self, conf, channel, imported):
        self.conf, self.channel, self.imported = conf, channel, imported

    def loop(self, bench):
        sys.setprofile(None)
        threading.setprofile(None)
        self.bench = bench
        self.names = list(bench.items)
        self.simple = {}
        if isinstance(bench, PytestBench):
            bench.learn_simple()
            self.simple = {number: bench.simple.get(name) for number, name in enumerate(self.names)}
        self.items = {number: bench.items[name] for number, name in enumerate(self.names)}
        self.swapper = Swapper(self.imported.keys)
        root = os.path.realpath(TOP) + os.sep
        outside = [name for name in list(sys.modules) if name != "__main__" and not self.brings_project(name)]
        test_files = sorted({PROJECT.path(f) for f in bench.files.values() if f and PROJECT.path(f)})
        self.originals = {}
        for path in self.swapper.loaded:
            if path.endswith(".py"):
                try:
                    self.originals[path] = self.swapper.source(path, None)
                except (OSError, SyntaxError, ValueError):
                    pass
        product = [p for p in self.swapper.loaded if p not in test_files]
        lines = {p: executable_lines(p) for p in product}
        self.channel.send({
            "collected": self.names, "files": [PROJECT.path(bench.files[n] or "/") for n in self.names],
            "broken": bench.broken, "about": bench.about, "modules": outside, "path": list(sys.path),
            "loaded": sorted(product), "lines": {p: l for p, l in lines.items() if l is not None},
            "threads": threading.active_count(), "root": root})
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()
        self.serve()
        os._exit(0)

    @staticmethod
    def brings_project(name):
        """Is the module, or a package around it, of the project? A built part of a package may lie elsewhere."""
        parts = name.split(".")
        around = [sys.modules.get(".".join(parts[: n + 1])) for n in range(len(parts))]
        paths = [getattr(module, "__file__", None) for module in around]
        return any(path is not None and PROJECT.path(path) is not None for path in paths)

    def serve(self):
        while True:
            request = self.channel.receive()
            if request is None:
                return
            self.channel.send(self.handle(request))

    def handle(self, request):
        started = time.perf_counter()
        try:
            pairs = self.swapper.plan(request["changes"], self.originals)
        except CantSwap:
            return {"end": "cant_swap"}
        except (SyntaxError, ValueError, KeyError) as error:
            return {"end": "build", "error": message_of(error), "results": []}

        def work(report):
            for function, code in pairs:
                function.__code__ = code
            execute(self.bench, self.items, request, report, self.simple if request.get("quick") else {})

        fork = Fork(work, self.channel, set(), request.get("memory"))
        fork.wait(request["stages"][0]["wall"])
        answer = fork.answer()
        answer["ms"] = round((time.perf_counter() - started) * 1000, 2)
        return answer


def execute(bench, items, request, report, simple=None):
    """What a fork with a collected session does for a request."""

    def run(item, following, name, report):
        call = simple.get(name) if simple else None
        if call is not None:
            return run_simple(call, name, report)
        return bench.run(item, following, name, report)

    tracer = Tracer() if request.get("cover") else None
    recorder = Recorder(request["record"]) if request.get("record") else None
    listener = tracer or recorder
    called = {name for name, call in (simple or {}).items() if call is not None}
    end = run_stages(items, request["stages"], run, report, listener, called)
    if bench.broken:
        report.line("D", {"broken": bench.broken})
    if tracer is not None:
        report.line("D", {"coverage": tracer.answer()})
    if recorder is not None:
        arm(10)
        report.line("D", recorder.answer())
    report.line("E", end)


# ---------------------------------------------------------------- the stem


class Stem:
    """The first process: nothing of the project is loaded here."""

    def __init__(self, conf, channel):
        self.conf, self.channel, self.bud, self.pid = conf, channel, None, None
        self.tree = Tree(TOP)
        self.names, self.about, self.path = {}, None, None
        self.tests_of = []

    def plant(self, wall):
        """Forks the bud and lets it collect; what it found, or why not."""
        mine, its = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                mine.close()
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                prctl(PR_SET_CHILD_SUBREAPER, 1)
                self.channel.close()
                if self.tree.fd is not None:
                    os.close(self.tree.fd)
                channel = Channel(its.fileno(), its.fileno())
                channel.close = its.close
                imported = ImportCalls()
                sys.setprofile(imported)
                bud = Bud(self.conf, channel, imported)
                bench_of(self.conf).session(self.conf, bud.loop)
                sys.setprofile(None)
                channel.send({"error": "nothing was collected"})
            except BaseException as error:
                sys.setprofile(None)
                try:
                    channel.send({"error": message_of(error)})
                except BaseException:
                    pass
            finally:
                os._exit(0)
        its.close()
        self.bud, self.pid, self.socket = Channel(mine.fileno(), mine.fileno()), pid, mine
        try:
            found = self.bud_answer(wall)
        except TimeoutError:
            found = {"error": "collecting took longer than %.1f s" % wall}
        if found is None:
            found = {"error": "the collecting process died"}
        if "collected" in found:
            self.names = {name: number for number, name in enumerate(found["collected"])}
            self.tests_of, self.about, self.path = found["collected"], found["about"], found["path"]
            if found["threads"] > 1:
                self.uproot()
                found["cold"] = "threads are running after the import"
            self.preload(found.pop("modules"))
        else:
            self.uproot()
        self.tree.restore()
        return found

    def bud_answer(self, wall):
        """The bud's next message, while the end of our own input is watched."""
        deadline = time.monotonic() + wall
        while True:
            poll = select.poll()
            poll.register(self.bud.inp, select.POLLIN)
            poll.register(self.channel.inp, 0)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            events = dict(poll.poll(left * 1000))
            if events.get(self.channel.inp, 0) & (select.POLLHUP | select.POLLERR):
                raise Ended
            if self.bud.inp in events:
                return self.bud.receive(max(0.01, left))

    def uproot(self):
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except OSError:
                pass
            self.socket.close()
        self.pid = self.bud = None
        reap(set())

    def preload(self, modules):
        """Third-party and standard modules that the tests needed, so that later forks have them."""
        import importlib

        for name in modules:
            if name in sys.modules or name.startswith("_") and "." not in name:
                continue
            if name.split(".")[0] in ("conftest", "__main__", "__mp_main__"):
                continue
            try:
                importlib.import_module(name)
            except BaseException:
                pass
        if threading.active_count() > 1:
            self.conf["threads"] = True
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()

    def run(self, request):
        self.tree.put(request["changes"])
        answer = None
        if request.get("hot") and self.pid is not None:
            self.bud.send(request)
            wall = sum(s["wall"] for s in request["stages"]) + 20
            try:
                answer = self.bud_answer(wall)
            except TimeoutError:
                answer = None
            if answer is None:
                self.uproot()
                answer = {"end": "cant_swap"}
        if request.get("hot") and (answer is None or answer["end"] == "cant_swap"):
            answer = None
        if answer is None:
            answer = self.run_cold(request)
            answer["hot"] = False
        else:
            answer["hot"] = True
        return self.tidy(answer)

    def tidy(self, answer):
        """The workspace and the private temporary folder are as before when the answer is sent."""
        answer["dirty"] = self.tree.restore()
        if self.tree.lost:
            self.tree.lost, answer["lost"] = False, True
        for name in ("tmp", "pytest"):
            empty(os.path.join(self.conf["temp"], name))
        return answer

    def run_cold(self, request):
        for path, text in request["changes"]:
            if path.endswith(".py"):
                try:
                    compile(text, path, "exec", dont_inherit=True)
                except (SyntaxError, ValueError) as error:
                    return {"end": "build", "error": message_of(error), "results": []}
        started = time.perf_counter()
        numbers = set()
        everything = any(stage["tests"] is None for stage in request["stages"])
        for stage in request["stages"]:
            numbers.update(stage["tests"] or ())
        wanted = paths = None
        if not everything and self.about is not None:
            wanted = {self.tests_of[n] for n in numbers}
            paths = request.get("paths")

        def work(report):
            # importing what is red may hang as well: the limits hold from here on
            report.line("G", [-1, request["stages"][0]["wall"] + 5])
            arm(request["stages"][0]["cpu"] + 2)

            def loop(bench):
                items = {self.names.get(name, name): item for name, item in bench.items.items()}
                stages = [dict(s, tests=list(items) if s["tests"] is None else s["tests"])
                          for s in request["stages"]]
                execute(bench, items, dict(request, stages=stages), report)
                os._exit(0)

            bench_of(self.conf).session(self.conf, loop, wanted, paths, self.about)
            report.line("E", "nothing collected")

        fork = Fork(work, self.channel, {self.pid}, request.get("memory"))
        fork.wait(request["stages"][0]["wall"] + 5)
        answer = fork.answer()
        answer["ms"] = round((time.perf_counter() - started) * 1000, 2)
        return answer

    def behave(self, request):
        """Calls recorded functions of a candidate on further inputs."""
        self.tree.put(request["changes"])

        def work(report):
            if self.path:
                sys.path[:] = self.path
            arm(request["cpu"])
            answers = []
            for number, blob in enumerate(request["calls"]):
                report.line("S", number)
                report.line("R", [number] + call_once(blob, request["each"]))
            report.line("E", "done")

        fork = Fork(work, self.channel, {self.pid}, request.get("memory"))
        fork.wait(request["wall"])
        return self.tidy(fork.answer())

    def serve(self):
        while True:
            request = self.channel.receive()
            if request is None:
                return
            op = request["op"]
            if op == "plant":
                answer = self.plant(request["wall"])
            elif op == "run":
                answer = self.run(request)
            elif op == "behave":
                answer = self.behave(request)
            else:
                answer = {"error": "unknown request"}
            self.channel.send(answer)


# ---------------------------------------------------------------- behaviour on further inputs


RECORD_CALLS, RECORD_BYTES = 120, 1 << 16


class Recorder:
    """Records the calls that tests make into the project: function and arguments, as they were when it was called."""

    def __init__(self, options):
        self.tests = set(options["test_files"])
        self.most, self.seed = options.get("variants", 120), options.get("seed", 0)
        self.calls, self.seen, self.kinds, self.count = [], set(), {}, {}

    def start(self, name):
        sys.setprofile(self.event)

    def stop(self):
        sys.setprofile(None)

    def product(self, code):
        try:
            return self.kinds[code]
        except KeyError:
            path = PROJECT.path(code.co_filename)
            kind = path is not None and path not in self.tests and os.path.basename(path) != "conftest.py"
            self.kinds[code] = kind
            return kind

    def event(self, frame, event, arg):
        if event != "call":
            return
        code = frame.f_code
        if not self.product(code) or not code.co_flags & 0x2 or code.co_name.startswith("<"):
            return
        if frame.f_back is not None and self.product(frame.f_back.f_code):
            return
        if frame.f_lasti > 30 and code.co_flags & 0x20:
            return
        sys.setprofile(None)
        try:
            self.note(frame, code)
        except BaseException:
            pass
        finally:
            sys.setprofile(self.event)

    def note(self, frame, code):
        module = frame.f_globals.get("__name__")
        name = qualified(code, frame)
        if module is None or name is None or "<locals>" in name:
            return
        if self.count.get(name, 0) >= RECORD_CALLS:
            return
        names = code.co_varnames
        plain = code.co_argcount
        only = code.co_kwonlyargcount
        values = frame.f_locals
        args = [values[n] for n in names[:plain]]
        kwargs = {n: values[n] for n in names[plain:plain + only]}
        at = plain + only
        if code.co_flags & 0x4:
            args += list(values[names[at]])
            at += 1
        if code.co_flags & 0x8:
            kwargs.update(values[names[at]])
        blob = pickle.dumps((module, name, args, kwargs), 4)
        if len(blob) > RECORD_BYTES or blob in self.seen:
            return
        self.seen.add(blob)
        self.count[name] = self.count.get(name, 0) + 1
        self.calls.append(blob)

    def answer(self):
        base = self.calls[:400]
        more = further(base, self.most, self.seed)
        return {"base": [base64.b64encode(b).decode() for b in base],
                "further": [base64.b64encode(b).decode() for b in more]}


def qualified(code, frame):
    """The name by which a function is reached from its module."""
    name = getattr(code, "co_qualname", None)
    if name is not None:
        return name
    first = frame.f_locals.get("self")
    if first is not None and hasattr(type(first), code.co_name):
        return type(first).__qualname__ + "." + code.co_name
    return code.co_name


def further(base, most, seed):
    """Arguments near those of the tests, that keep what all of the tests' own arguments have in common."""
    groups = {}
    for blob in base:
        try:
            module, name, args, kwargs = pickle.loads(blob)
        except BaseException:
            continue
        groups.setdefault((module, name, len(args), tuple(sorted(kwargs))), []).append((args, kwargs))
    out, seen = [], set(base)
    for (module, name, size, keys), calls in sorted(groups.items(), key=lambda g: str(g[0])):
        rng = random.Random("%s/%s/%d/%d" % (module, name, size, seed))
        shapes = [Shape([call[0][i] for call in calls]) for i in range(size)]
        together = Together([call[0] for call in calls])
        share, tries = max(10, most // max(1, len(groups))), 0
        made = 0
        while made < share and tries < share * 12:
            tries += 1
            args, kwargs = copied(rng.choice(calls))
            if size == 0 and not keys:
                break
            for _ in range(1 if rng.random() < 0.7 else 2):
                at = rng.randrange(size + len(keys))
                if at < size:
                    if rng.random() < 0.2 and len(calls) > 1:
                        args[at] = copied(rng.choice(calls)[0][at])
                    else:
                        args[at] = mutated(args[at], rng, shapes[at])
                else:
                    key = keys[at - size]
                    kwargs[key] = mutated(kwargs[key], rng, None)
            try:
                if not all(shape.fits(arg) for shape, arg in zip(shapes, args)) or not together.fits(args):
                    continue
                blob = pickle.dumps((module, name, args, kwargs), 4)
            except BaseException:
                continue
            if blob in seen or len(blob) > RECORD_BYTES:
                continue
            seen.add(blob)
            out.append(blob)
            made += 1
    return out[: most * 3]


def copied(value):
    return copy.deepcopy(value)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def flat(value, depth=0):
    """The numbers and strings in a nested list."""
    if isinstance(value, (list, tuple)) and depth < 4:
        for one in value:
            yield from flat(one, depth + 1)
    else:
        yield value


class Shape:
    """What all values of one argument in the tests have in common; a further input keeps it."""

    def __init__(self, values):
        self.values = values
        self.enough = len(values) >= 2
        self.kinds = {type(v) for v in values}
        leaves = [leaf for v in values for leaf in flat(v)]
        numbers = [n for n in leaves if is_number(n)]
        self.least = min(numbers) if numbers else None
        self.most = max(numbers) if numbers else None
        self.strings = [s for s in leaves if isinstance(s, str)]
        self.letters = set("".join(self.strings))
        sequences = [v for v in values if isinstance(v, (list, tuple))]
        long = [v for v in sequences if len(v) > 1]
        self.sorted = bool(long) and all(in_order(v) for v in long)
        self.falling = bool(long) and all(in_order(v[::-1]) for v in long)
        self.distinct = bool(long) and all(all_different(v) for v in long)
        sized = [v for v in values if hasattr(v, "__len__")]
        self.filled = bool(sized) and all(len(v) > 0 for v in sized)
        self.lengths = {len(v) for v in sized}
        grids = [v for v in sequences if v and all(isinstance(r, (list, tuple)) for r in v)]
        self.square = bool(grids) and all(all(len(r) == len(v) for r in v) for v in grids)
        self.even_rows = bool(grids) and all(len({len(r) for r in v}) == 1 for v in grids)

    def fits(self, value):
        if type(value) not in self.kinds:
            return False
        for leaf in flat(value):
            if is_number(leaf) and self.least is not None:
                if self.least >= 1 and leaf < 1 or self.least >= 0 and leaf < 0:
                    return False
                if self.most <= 1 and self.least >= 0 and leaf > 1 or abs(leaf) > 4 * max(abs(self.most), abs(self.least), 8):
                    return False
            if isinstance(leaf, str) and self.enough and self.letters and not set(leaf) <= self.letters:
                return False
        if hasattr(value, "__len__"):
            if self.filled and len(value) == 0:
                return False
            if self.enough and len(self.lengths) == 1 and len(self.values) > 2 and len(value) not in self.lengths:
                return False
        if isinstance(value, (list, tuple)):
            if self.sorted and not in_order(value) or self.falling and not self.sorted and not in_order(value[::-1]):
                return False
            if self.distinct and not all_different(value):
                return False
            if self.square and any(not hasattr(r, "__len__") or len(r) != len(value) for r in value):
                return False
            if self.even_rows and len({len(r) if hasattr(r, "__len__") else -1 for r in value}) != 1:
                return False
        return True


def in_order(values):
    try:
        return all(a <= b for a, b in zip(values, values[1:]))
    except TypeError:
        return False


def all_different(values):
    try:
        return len({repr(v) for v in values}) == len(values)
    except Exception:
        return False


class Together:
    """What holds between two arguments in every call of the tests."""

    def __init__(self, calls):
        self.rules = []
        if len(calls) < 2:
            return
        size = len(calls[0])
        for i in range(size):
            for j in range(size):
                if i == j:
                    continue
                for rule in (self.same_length, self.below_length, self.inside, self.at_most):
                    try:
                        if all(rule(call[i], call[j]) for call in calls):
                            self.rules.append((rule, i, j))
                    except Exception:
                        pass

    @staticmethod
    def same_length(a, b):
        return len(a) == len(b) and hasattr(a, "__len__")

    @staticmethod
    def below_length(a, b):
        return is_number(a) and hasattr(b, "__len__") and a <= len(b)

    @staticmethod
    def inside(a, b):
        return not isinstance(b, (str, bytes)) and a in b

    @staticmethod
    def at_most(a, b):
        return is_number(a) and is_number(b) and a <= b

    def fits(self, args):
        for rule, i, j in self.rules:
            try:
                if not rule(args[i], args[j]):
                    return False
            except Exception:
                return False
        return True


def mutated(value, rng, shape, depth=0):
    """A value like `value`, a little different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        pool = [value + 1, value - 1, 0, 1, -value, value * 2, value + rng.randrange(2, 9), value // 2]
        if shape is not None and shape.most is not None and isinstance(shape.least, int) and isinstance(shape.most, int):
            pool += [rng.randint(shape.least, shape.most)] * 4
        return rng.choice(pool)
    if isinstance(value, float):
        return rng.choice([value + 1, value - 1, 0.0, -value, value * 2, value / 2, value + 0.5])
    if isinstance(value, str):
        return mutated_text(value, rng, shape)
    if isinstance(value, (list, tuple)):
        return type(value)(mutated_list(list(value), rng, shape, depth)) if type(value) in (list, tuple) else value
    if isinstance(value, dict):
        out = dict(value)
        if out and depth < 4:
            key = rng.choice(list(out))
            if rng.random() < 0.4:
                del out[key]
            else:
                out[key] = mutated(out[key], rng, None, depth + 1)
        return out if type(value) is dict else value
    if isinstance(value, (set, frozenset)):
        items = sorted(value, key=repr)
        if items:
            if rng.random() < 0.5:
                items.pop(rng.randrange(len(items)))
            else:
                items.append(mutated(rng.choice(items), rng, None, depth + 1))
        return type(value)(items)
    state = getattr(value, "__dict__", None)
    if isinstance(state, dict) and state and depth < 4:
        key = rng.choice(sorted(state))
        try:
            setattr(value, key, mutated(state[key], rng, None, depth + 1))
        except Exception:
            pass
    return value


def mutated_text(value, rng, shape):
    letters = sorted(shape.letters) if shape is not None and shape.letters else sorted(set(value)) or ["a"]
    at = rng.randrange(len(value) + 1)
    other = rng.choice(shape.strings) if shape is not None and shape.strings else value
    return rng.choice([
        value[:-1], value[1:], value * 2, value[::-1], "", value[:at] + rng.choice(letters) + value[at:],
        value[:at] + value[at + 1:], value[:at] + other[at:], value + other, value.strip(),
        "".join(rng.choice(letters) for _ in range(rng.randrange(1, len(value) + 3)))])


def mutated_list(value, rng, shape, depth):
    kind = rng.randrange(9)
    if not value or depth > 4:
        return value
    if kind == 0:
        value.pop(rng.randrange(len(value)))
    elif kind == 1:
        value.insert(rng.randrange(len(value) + 1), copied(rng.choice(value)))
    elif kind == 2:
        value.reverse()
    elif kind == 3:
        rng.shuffle(value)
    elif kind == 4:
        value = value + copied(value)
    elif kind == 5:
        value = value[: rng.randrange(len(value) + 1)]
    else:
        for _ in range(rng.choice([1, 1, 2, len(value)])):
            at = rng.randrange(len(value))
            value[at] = mutated(value[at], rng, shape, depth + 1)
    if shape is not None and depth == 0:
        try:
            if shape.distinct:
                value = list({repr(v): v for v in value}.values())
            if shape.sorted:
                value.sort()
            elif shape.falling:
                value.sort(reverse=True)
        except TypeError:
            pass
    return value


class TimeUp(BaseException):
    """One call took too long."""


def time_up(signum, frame):
    raise TimeUp


def call_once(blob, each):
    """[digest, short text] of one call: result or exception, and what became of the arguments."""
    try:
        module, name, args, kwargs = pickle.loads(base64.b64decode(blob))
        import importlib

        target = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
    except BaseException as error:
        return ["?", message_of(error)[:120]]
    asked = shown((args, kwargs))
    signal.signal(signal.SIGVTALRM, time_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, each)
    try:
        result = target(*args, **kwargs)
        text = canon(result)
        short = text[:120]
    except TimeUp:
        text = short = "~ does not end"
    except BaseException as error:
        text = short = "! " + type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    try:
        after = canon((args, kwargs))
    except BaseException:
        after = ""
    digest = hashlib.sha1((text + "\0" + (after if text[:1] != "~" else "")).encode("utf-8", "replace")).hexdigest()[:12]
    return [text[:1] if text[:1] in "!~" else "=", digest, name + asked, short]


def shown(call):
    args, kwargs = call
    parts = [canon(a) for a in args] + ["%s=%s" % (k, canon(v)) for k, v in kwargs.items()]
    return ("(" + ", ".join(parts) + ")")[:160]


def canon(value, depth=0, seen=None):
    """Text that is equal for values that tests would call equal."""
    seen = seen or ()
    if depth > 12 or id(value) in seen:
        return "..."
    if value is None or isinstance(value, (str, bytes, complex)):
        return repr(value)
    if isinstance(value, bool):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 4000 else "int%d" % hash(value)
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
            return repr(int(value))
        return "%.9g" % value
    inner = seen + (id(value),)
    if isinstance(value, (list, tuple)):
        body = ", ".join(canon(v, depth + 1, inner) for v in value[:10000])
        return "[%s]" % body if isinstance(value, list) else "(%s)" % body
    if isinstance(value, (set, frozenset)):
        return "{%s}" % ", ".join(sorted(canon(v, depth + 1, inner) for v in value))
    if isinstance(value, dict):
        return "{%s}" % ", ".join(sorted(
            "%s: %s" % (canon(k, depth + 1, inner), canon(v, depth + 1, inner)) for k, v in value.items()))
    if hasattr(value, "__next__"):
        out = []
        for one in value:
            out.append(canon(one, depth + 1, inner))
            if len(out) >= 1000:
                break
        return "iter[%s]" % ", ".join(out)
    if isinstance(value, (types.FunctionType, type, types.ModuleType, types.BuiltinFunctionType)):
        return "<%s>" % getattr(value, "__name__", "")
    state = getattr(value, "__dict__", None)
    if isinstance(state, dict):
        return type(value).__name__ + canon(state, depth + 1, inner)
    slots = getattr(type(value), "__slots__", None)
    if slots:
        slots = [slots] if isinstance(slots, str) else slots
        return type(value).__name__ + canon({s: getattr(value, s, None) for s in slots}, depth + 1, inner)
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text


# ---------------------------------------------------------------- start


def main():
    global TOP, CONF, PROJECT
    inp, out = os.dup(0), os.dup(1)
    channel = Channel(inp, out)
    CONF = channel.receive()
    if CONF is None:
        return
    TOP = CONF["top"]
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    sys.dont_write_bytecode = True
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("tmp", "pytest"):
        os.makedirs(os.path.join(CONF["temp"], name), exist_ok=True)
    os.chdir(CONF["cwd"])
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.realpath(p or ".") != here]
    sys.path[:0] = CONF["path"]
    sys.argv = [CONF.get("argv0", "pytest")] + list(CONF["args"])
    PROJECT = Project(TOP)
    try:
        if CONF["mode"] == "pytest":
            import _pytest.assertion.rewrite
            import _pytest.config
            import pytest

            channel.send({"ready": pytest.__version__, "python": sys.version.split()[0]})
        else:
            import unittest
            import unittest.main

            channel.send({"ready": "unittest", "python": sys.version.split()[0]})
    except BaseException as error:
        channel.send({"error": message_of(error)})
        return
    stem = Stem(CONF, channel)
    try:
        stem.serve()
    except (Ended, BrokenPipeError):
        pass
    finally:
        stem.uproot()
        reap(set())


if __name__ == "__main__":
    main()
