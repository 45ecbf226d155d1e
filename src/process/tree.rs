//! The supervisor's loop: runs one command, moves its output to disk, and ends its whole tree when it is time.
//!
//! Synchronous and single-threaded on purpose. Normally it runs in a process of its own (see
//! [`super::supervisor_main_if_asked`]), which outlives a killed kaizen-ci just long enough to kill the tree.

use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::process::capture::Capture;
use crate::process::reach::{Arm, Reach};
use crate::process::silence::Watch;
use crate::process::wire::{Outcome, Report};
use crate::process::{End, Spec};

/// From TERM to KILL when the run was cancelled: nobody wants its result any more.
pub(super) const CANCEL_GRACE: Duration = Duration::from_millis(50);

/// How long what a command left behind in the background may take to end by itself: a `tee` behind a pipe has to write
/// what it has.
const SETTLE: Duration = Duration::from_millis(100);

/// From TERM to KILL for what a command left behind in the background.
const LEFT_BEHIND_GRACE: Duration = Duration::from_millis(200);

/// How long killed processes may take to be gone before we give up: only a hanging disk takes longer.
const KILL_MOST: Duration = Duration::from_secs(20);

/// How often a tree is looked at where no signal tells of its changes.
const LOOK: Duration = Duration::from_millis(5);

/// Wanted size of the output pipes: fewer turns for a child that writes much.
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1024 * 1024;

/// Where the run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The command runs.
    Running,
    /// The command ended, something it started did not.
    Settling,
    /// TERM was sent.
    Terminating,
    /// KILL is sent until nobody is left.
    Killing,
}

struct Stream {
    pipe: Option<PipeReader>,
    capture: Capture,
}

struct Tree<'a> {
    spec: &'a Spec,
    control: Option<&'a UnixStream>,
    signals: Option<Signals>,
    reach: Reach,
    streams: Vec<Stream>,
    buffer: Vec<u8>,
    phase: Phase,
    /// When the phase is over.
    until: Instant,
    started: Instant,
    ended: Option<(ExitStatus, Duration)>,
    /// TimedOut or Cancelled, when that ended it.
    stopped: Option<End>,
    watch: Option<Watch>,
    silent: bool,
    trouble: Option<(String, io::Error)>,
}

/// Runs `spec` until nothing of its tree is left. A `control` that is closed at the far side cancels.
pub(super) fn supervise(spec: &Spec, control: &UnixStream, arm: Arm) -> Report {
    match Tree::start(spec, control, arm) {
        Ok(tree) => tree.run(),
        Err(report) => report,
    }
}

impl<'a> Tree<'a> {
    fn start(spec: &'a Spec, control: &'a UnixStream, arm: Arm) -> Result<Self, Report> {
        let trouble = |what: String| move |e: io::Error| Report::trouble(what, &e);
        let signals = Signals::new(arm).map_err(trouble("can't watch for signals".into()))?;
        let mut command = command(spec);
        let mut streams = Vec::new();
        // one file for both: one pipe, so that the order of the lines is kept
        let shared = spec.stdout == spec.stderr;
        for (path, is_stdout) in [(&spec.stdout, true), (&spec.stderr, false)] {
            if shared && !is_stdout {
                break;
            }
            let no_log = trouble(format!("can't write the log {}", path.display()));
            let capture = Capture::create(path, spec.log_cap_bytes).map_err(no_log)?;
            let (pipe, end) = output_pipe().map_err(trouble("can't make a pipe".into()))?;
            if shared {
                let second = end.try_clone().map_err(trouble("can't make a pipe".into()))?;
                command.stderr(second);
            }
            if is_stdout {
                command.stdout(end)
            } else {
                command.stderr(end)
            };
            streams.push(Stream { pipe: Some(pipe), capture });
        }
        let mut reach = Reach::new(arm);
        let started = Instant::now();
        if let Err(error) = reach.spawn(&mut command, spec.background) {
            return Err(not_started(spec, &error));
        }
        let until = started + spec.time_limit;
        Ok(Self {
            spec,
            control: Some(control),
            signals,
            reach,
            streams,
            buffer: vec![0; 256 * 1024],
            phase: Phase::Running,
            until,
            started,
            ended: None,
            stopped: None,
            watch: spec.silence.as_ref().filter(|_| arm == Arm::Reaper).map(Watch::new),
            silent: false,
            trouble: None,
        })
    }

    fn run(mut self) -> Report {
        loop {
            self.wait();
            if self.ended.is_none()
                && let Some(status) = self.reach.reap()
            {
                self.ended = Some((status, self.started.elapsed()));
            }
            if self.ended.is_some() && self.reach.is_empty() {
                break;
            }
            self.advance();
            if self.phase == Phase::Killing && Instant::now() > self.until {
                let error = io::Error::from(io::ErrorKind::TimedOut);
                self.trouble.get_or_insert(("processes do not end although they were killed".into(), error));
                break;
            }
        }
        self.drain_rest();
        self.report()
    }

    /// Moves to the next phase when it is time.
    fn advance(&mut self) {
        let now = Instant::now();
        let hangs = self.phase == Phase::Running && self.ended.is_none() && self.computes_without_a_word();
        match self.phase {
            Phase::Running if self.ended.is_some() => self.enter(Phase::Settling, SETTLE),
            Phase::Running if now >= self.until => {
                self.stopped = Some(End::TimedOut);
                self.terminate(self.spec.grace);
            }
            Phase::Running if hangs => {
                (self.stopped, self.silent) = (Some(End::TimedOut), true);
                self.terminate(self.spec.grace);
            }
            Phase::Settling if now >= self.until => self.terminate(LEFT_BEHIND_GRACE),
            Phase::Terminating if now >= self.until => {
                self.enter(Phase::Killing, KILL_MOST);
                self.reach.signal(Signal::SIGKILL);
            }
            Phase::Killing => self.reach.signal(Signal::SIGKILL),
            Phase::Running | Phase::Settling | Phase::Terminating => {}
        }
    }

    fn computes_without_a_word(&mut self) -> bool {
        let printed = self.streams.iter().map(|stream| stream.capture.total()).sum();
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.next() <= Instant::now()) else { return false };
        let pids: Vec<i32> = self.reach.members().iter().map(|row| row.pid).collect();
        watch.is_over(printed, &pids)
    }

    fn enter(&mut self, phase: Phase, most: Duration) {
        self.phase = phase;
        self.until = Instant::now() + most;
    }

    fn terminate(&mut self, grace: Duration) {
        self.reach.signal(Signal::SIGTERM);
        self.enter(Phase::Terminating, grace);
    }

    /// Somebody asked us to stop.
    fn cancel(&mut self) {
        match self.phase {
            Phase::Running | Phase::Settling => {
                if self.ended.is_none() {
                    self.stopped = Some(End::Cancelled);
                }
                self.terminate(CANCEL_GRACE);
            }
            Phase::Terminating => self.until = self.until.min(Instant::now() + CANCEL_GRACE),
            Phase::Killing => {}
        }
    }

    /// Sleeps until something happens or it is time for the next phase, and takes what has come.
    fn wait(&mut self) {
        let mut most = self.until.saturating_duration_since(Instant::now());
        if let Some(watch) = self.watch.as_ref().filter(|_| self.phase == Phase::Running) {
            most = most.min(watch.next().saturating_duration_since(Instant::now()));
        }
        if self.signals.is_none() || self.phase == Phase::Killing {
            most = most.min(LOOK);
            self.reach.look_around();
        }
        // round up: waking a little early would only spin
        let timeout = PollTimeout::try_from(most + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let (mut asked, mut ready) = (false, Vec::new());
        let control = self.control.map(|control| control.as_fd());
        let signals = self.signals.as_ref().map(Signals::fd);
        let pipes: Vec<usize> = (0..self.streams.len()).filter(|n| self.streams[*n].pipe.is_some()).collect();
        {
            let pipe_fds = pipes.iter().filter_map(|n| self.streams[*n].pipe.as_ref().map(|pipe| pipe.as_fd()));
            let mut fds: Vec<PollFd> =
                pipe_fds.chain(signals).chain(control).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
            if poll(&mut fds, timeout).unwrap_or(0) > 0 {
                ready = pipes.iter().zip(&fds).filter(|(_, fd)| fd.any() == Some(true)).map(|(n, _)| *n).collect();
                asked = control.is_some() && fds.last().is_some_and(|fd| fd.any() == Some(true));
            }
        }
        for n in ready {
            self.read(n);
        }
        if asked {
            // nothing is ever sent after the request: whatever makes it readable is the end
            self.control = None;
        }
        if asked || self.signals.as_mut().is_some_and(Signals::asked_to_stop) {
            self.cancel();
        }
    }

    /// Reads what is there of a stream, a bounded amount; forgets the pipe at its end.
    fn read(&mut self, n: usize) {
        /// Turns of one stream before the others and the clock are looked at again.
        const TURNS: usize = 8;
        for _ in 0..TURNS {
            let stream = &mut self.streams[n];
            let Some(pipe) = &mut stream.pipe else { return };
            match pipe.read(&mut self.buffer) {
                Ok(0) => stream.pipe = None,
                Ok(length) => {
                    if self.trouble.is_none()
                        && let Err(error) = stream.capture.write(&self.buffer[..length])
                    {
                        self.trouble = Some(("can't write a log of the test command".into(), error));
                        self.cancel();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => stream.pipe = None,
            }
        }
    }

    /// Takes what is left in the pipes. Everybody who could write is dead, but for one who got the pipe by other ways
    /// (sent through a socket); there we don't wait, and don't read for ever.
    fn drain_rest(&mut self) {
        /// More than the largest pipe holds.
        const MOST_BYTES: u64 = 64 * 1024 * 1024;
        for n in 0..self.streams.len() {
            let before = self.streams[n].capture.total();
            loop {
                let at = self.streams[n].capture.total();
                self.read(n);
                if self.streams[n].capture.total() == at || at - before > MOST_BYTES {
                    break;
                }
            }
        }
    }

    fn report(self) -> Report {
        let mut totals = [0; 2];
        let mut trouble = self.trouble;
        for (total, stream) in totals.iter_mut().zip(self.streams) {
            match stream.capture.finish() {
                Ok(bytes) => *total = bytes,
                Err(error) => {
                    trouble.get_or_insert(("can't write a log of the test command".into(), error));
                }
            }
        }
        let (status, duration) = match self.ended {
            Some((status, duration)) => (Some(status), duration),
            None => (None, self.started.elapsed()),
        };
        let outcome = match (trouble, self.stopped, status) {
            (Some((what, error)), _, _) => Outcome::Trouble { what, errno: error.raw_os_error() },
            (None, Some(end), _) => Outcome::Ended(end),
            (None, None, Some(status)) => Outcome::Ended(end_of(status)),
            (None, None, None) => Outcome::Trouble { what: "the command's end was not seen".into(), errno: None },
        };
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Report { outcome, micros, stdout_bytes: totals[0], stderr_bytes: totals[1], silent: self.silent }
    }
}

fn command(spec: &Spec) -> Command {
    let mut command = Command::new(spec.argv.first().map_or_else(Default::default, Clone::clone));
    command.args(spec.argv.iter().skip(1)).env_clear().envs(&spec.env).current_dir(&spec.cwd).stdin(Stdio::null());
    command
}

/// A pipe whose reading end never blocks and whose writing end is an ordinary one.
fn output_pipe() -> io::Result<(PipeReader, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let flags = OFlag::from_bits_truncate(fcntl(&reader, FcntlArg::F_GETFL)?);
    fcntl(&reader, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    #[cfg(target_os = "linux")]
    let _ = fcntl(&reader, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    Ok((reader, writer))
}

/// Why nothing was started: the command's fault (not found, not executable) or ours.
fn not_started(spec: &Spec, error: &io::Error) -> Report {
    if !spec.cwd.is_dir() {
        return Report::trouble(format!("can't run a command in {}", spec.cwd.display()), error);
    }
    let end = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR) => End::NotFound,
        Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::ESRCH) => {
            return Report::trouble("can't make a process", error);
        }
        _ => End::NotStarted,
    };
    Report { outcome: Outcome::Ended(end), micros: 0, stdout_bytes: 0, stderr_bytes: 0, silent: false }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signaled(signal.unwrap_or(0)),
    }
}

/// The signals of a supervisor process: deaths of children, and requests to stop. As a file, so that they wait their
/// turn in the same `poll` as the output.
struct Signals {
    #[cfg(target_os = "linux")]
    fd: nix::sys::signalfd::SignalFd,
    #[cfg(not(target_os = "linux"))]
    never: std::convert::Infallible,
}

#[cfg(target_os = "linux")]
impl Signals {
    fn new(arm: Arm) -> io::Result<Option<Self>> {
        use nix::sys::signal::SigSet;
        use nix::sys::signalfd::{SfdFlags, SignalFd};
        if arm != Arm::Reaper {
            return Ok(None);
        }
        let mut set = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
            set.add(signal);
        }
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Some(Self { fd }))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes all that are waiting; was one of them a request to stop?
    fn asked_to_stop(&mut self) -> bool {
        let mut asked = false;
        while let Ok(Some(signal)) = self.fd.read_signal() {
            asked |= signal.ssi_signo != Signal::SIGCHLD as u32;
        }
        asked
    }
}

#[cfg(not(target_os = "linux"))]
impl Signals {
    fn new(_arm: Arm) -> io::Result<Option<Self>> {
        Ok(None)
    }
    fn fd(&self) -> BorrowedFd<'_> {
        match self.never {}
    }
    fn asked_to_stop(&mut self) -> bool {
        false
    }
}
