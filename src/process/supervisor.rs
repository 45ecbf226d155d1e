//! From kaizen-ci to the supervisor of one process tree and back: starting it, asking it to stop, surviving its death.
//!
//! The supervisor is this same program, started again with a hidden argument. A process of its own can be the reaper of
//! all orphans below it, so that no descendant gets away, and it lives on when kaizen-ci is killed: the socket between
//! them closes, and it kills the tree. (The parent-death signal would not do: it fires when the *thread* that started the
//! child ends, and threads of a runtime come and go.)

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Context as _, Error, Result};
use crate::process::reach::Arm;
use crate::process::wire::{self, Outcome, Report};
use crate::process::{End, Finished, Silence, Spec, fence, sandbox, tree};

/// The hidden argument.
const ARGUMENT: &str = "__tree";

/// How much longer than asked a supervisor may take before it is given up: it was stopped, or the disk hangs.
const OVERTIME: Duration = Duration::from_secs(25);

/// The same after a cancellation, which nobody wants to wait for.
const OVERTIME_CANCELLED: Duration = Duration::from_secs(3);

/// Longer limits are cut to this: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

static SUPERVISOR: OnceLock<PathBuf> = OnceLock::new();

/// Says which program to start as a supervisor: one whose `main` begins with [`supervisor_main_if_asked`]. The first
/// call counts. Without it commands are run from this process, where descendants that leave their session and lose
/// their parent can get away: good enough for unit tests only.
///
/// This process becomes the reaper of last resort, for the case that somebody kills a supervisor: children of this
/// process in foreign sessions are then taken for what is left of the tree, and killed.
pub fn set_supervisor(path: impl Into<PathBuf>) {
    if SUPERVISOR.set(path.into()).is_ok() {
        #[cfg(target_os = "linux")]
        let _ = nix::sys::prctl::set_child_subreaper(true);
    }
}

/// The first thing that `main` does. When this process was started as a supervisor: does that and returns the exit code.
/// Otherwise: from now on this program supervises its commands, and other processes of the same user (code under test)
/// may not read its environment or memory; returns `None`.
pub fn supervisor_main_if_asked() -> Option<u8> {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ARGUMENT) {
        return Some(u8::from(supervisor_main().is_err()));
    }
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sandbox::ARGUMENT) {
        return Some(fence::main());
    }
    #[cfg(target_os = "linux")]
    {
        let _ = nix::sys::prctl::set_dumpable(false);
        // right also when the file was replaced meanwhile by a build
        set_supervisor("/proc/self/exe");
    }
    #[cfg(not(target_os = "linux"))]
    if let Ok(path) = std::env::current_exe() {
        set_supervisor(path);
    }
    None
}

/// The program that supervises; none in unit tests.
pub(super) fn program() -> Option<&'static Path> {
    SUPERVISOR.get().map(PathBuf::as_path)
}

fn supervisor_main() -> io::Result<()> {
    let mut control = take_control()?;
    #[cfg(target_os = "linux")]
    {
        use nix::sys::prctl;
        prctl::set_child_subreaper(true)?;
        // a program with more rights than ours could not be killed by us
        prctl::set_no_new_privs()?;
        prctl::set_dumpable(false)?;
        // SAFETY: marks descriptors as close-on-exec and touches nothing else. It fails on old kernels, which is no harm:
        // then a descriptor that our own parent left open stays open in the command, as without us.
        unsafe {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, 4 /* CLOSE_RANGE_CLOEXEC */)
        };
    }
    let spec = wire::receive(&control)?;
    if spec.background {
        stand_back();
    }
    #[cfg(target_os = "linux")]
    let report = tree::supervise(&spec, &control, Arm::Reaper);
    #[cfg(not(target_os = "linux"))]
    let report = tree::supervise(&spec, &control, Arm::Session);
    control.write_all(&serde_json::to_vec(&report)?)
}

/// How far code under test that nobody waits for stands back: a quarter of a core that others want, all of one that nobody
/// wants. At 10 (a tenth) a search beside a local model or a busy editor stood still.
const BACKGROUND: libc::c_int = 5;

/// Lets other processes have the cores first; what is started from here on inherits it. May be called between fork and
/// exec.
pub fn stand_back() {
    // SAFETY: one call with a plain number. That it fails is no harm.
    unsafe { libc::nice(BACKGROUND) };
}

/// Lets other sessions have the cores before the session of `pid`: where Linux groups processes by session
/// (`sched_autogroup`), `nice` only counts inside of one. Elsewhere this does nothing.
pub fn stand_back_as_session(pid: u32) {
    let _ = std::fs::write(format!("/proc/{pid}/autogroup"), BACKGROUND.to_string());
}

/// The socket comes as standard input; the command must not inherit it.
fn take_control() -> io::Result<UnixStream> {
    use std::os::fd::AsFd as _;
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let null = std::fs::File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    Ok(control)
}

/// A command that runs under a supervisor. Dropping it cancels it.
pub(super) struct Job {
    line: UnixStream,
    cancelled: Arc<AtomicBool>,
    result: oneshot::Receiver<Result<Finished>>,
}

impl Job {
    pub fn start(spec: &Spec) -> Result<Self> {
        let spec = absolute(spec)?;
        let (ours, theirs) = UnixStream::pair().context(|| "can't make a socket pair".into())?;
        let line = ours.try_clone().context(|| "can't make a socket pair".into())?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let (tell, result) = oneshot::channel();
        let attendant = Attendant { spec, line: ours, cancelled: Arc::clone(&cancelled) };
        std::thread::Builder::new()
            .name("process".into())
            .spawn(move || tell.send(attendant.attend(theirs)))
            .context(|| "can't start a thread".into())?;
        Ok(Self { line, cancelled, result })
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        let _ = self.line.shutdown(Shutdown::Write);
    }

    pub async fn finished(&mut self) -> Result<Finished> {
        match (&mut self.result).await {
            Ok(result) => result,
            Err(_) => Err(Error::internal("the thread that attends to a command panicked")),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Makes the paths right for the supervisor, which may have another working directory by then.
fn absolute(spec: &Spec) -> Result<Spec> {
    let full = |path: &Path| std::path::absolute(path).context(|| format!("can't find out where {path:?} is"));
    let (cwd, stdout, stderr) = (full(&spec.cwd)?, full(&spec.stdout)?, full(&spec.stderr)?);
    if spec.argv.is_empty() {
        return Err(Error::usage("there is no command to run"));
    }
    let silence = spec.silence.as_ref().map(|s| full(&s.reports).map(|reports| Silence { reports, ..s.clone() }));
    let silence = silence.transpose()?;
    // a clock can't hold more than it can hold
    let (time_limit, grace) = (spec.time_limit.min(LONGEST), spec.grace.min(LONGEST));
    Ok(Spec { cwd, stdout, stderr, time_limit, grace, silence, ..spec.clone() })
}

/// A thread on our side that waits for one supervisor.
struct Attendant {
    spec: Spec,
    line: UnixStream,
    cancelled: Arc<AtomicBool>,
}

impl Attendant {
    fn attend(mut self, theirs: UnixStream) -> Result<Finished> {
        let started = Instant::now();
        let Some(program) = SUPERVISOR.get() else { return self.attend_here(theirs) };
        let mut child = start(program, theirs).context(|| "can't start the process supervisor".into())?;
        // a supervisor that dies at once is seen below, by its missing answer
        let _ = wire::send(&self.spec, &self.line);
        let report = self.answer(started);
        if report.is_none() {
            let _ = child.kill();
        }
        let status = child.wait().context(|| "can't wait for the process supervisor".into())?;
        match report {
            Some(report) => finished(report),
            None => {
                mop_up();
                Ok(self.without_answer(started.elapsed(), status.signal()))
            }
        }
    }

    /// No supervisor program: the same loop in a thread of this process.
    fn attend_here(mut self, theirs: UnixStream) -> Result<Finished> {
        let spec = self.spec.clone();
        let other = std::thread::spawn(move || {
            let report = tree::supervise(&spec, &theirs, Arm::Session);
            let _ = serde_json::to_writer(&theirs, &report);
        });
        let report = self.answer(Instant::now());
        let _ = other.join();
        report.map_or_else(|| Err(Error::internal("a command ended without a report")), finished)
    }

    /// The supervisor's report; `None` when it has died or does not answer in time.
    fn answer(&mut self, started: Instant) -> Option<Report> {
        /// How often is looked whether we were cancelled.
        const TURN: Duration = Duration::from_millis(500);
        self.line.set_read_timeout(Some(TURN)).ok()?;
        let mut cancelled_at = None;
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match self.line.read(&mut buffer) {
                Ok(0) => return serde_json::from_slice(&answer).ok(),
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.cancelled.load(Ordering::SeqCst) {
                        cancelled_at.get_or_insert_with(Instant::now);
                    }
                    let late = started.elapsed().checked_sub(OVERTIME + self.spec.grace);
                    let overdue = late.is_some_and(|late| late > self.spec.time_limit)
                        || cancelled_at.is_some_and(|at| at.elapsed() > OVERTIME_CANCELLED);
                    if overdue {
                        return None;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Somebody killed or stopped the supervisor: the code under test, most likely. The tree is gone, the result is lost.
    fn without_answer(&self, duration: Duration, signal: Option<i32>) -> Finished {
        let end = if self.cancelled.load(Ordering::SeqCst) {
            End::Cancelled
        } else if duration >= self.spec.time_limit {
            End::TimedOut
        } else {
            End::Signaled(signal.unwrap_or(libc::SIGKILL))
        };
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        let (stdout_bytes, stderr_bytes) = (length(&self.spec.stdout), length(&self.spec.stderr));
        Finished { end, duration, stdout_bytes, stderr_bytes, silent: false }
    }
}

fn start(program: &Path, theirs: UnixStream) -> io::Result<Child> {
    Command::new(program)
        .arg0("kaizen-ci")
        .arg(ARGUMENT)
        .env_clear()
        // Ctrl-C in the terminal is for us; what becomes of the tree is our decision
        .process_group(0)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn finished(report: Report) -> Result<Finished> {
    let Report { outcome, micros, stdout_bytes, stderr_bytes, silent } = report;
    match outcome {
        Outcome::Ended(end) => {
            Ok(Finished { end, duration: Duration::from_micros(micros), stdout_bytes, stderr_bytes, silent })
        }
        Outcome::Trouble { what, errno: Some(errno) } => Err(io::Error::from_raw_os_error(errno)).context(|| what),
        Outcome::Trouble { what, errno: None } => Err(Error::internal(what)),
    }
}

/// A supervisor has died before its tree: the orphans are our children now. Kills them. Our other children (git,
/// supervisors) are in our own session; a command's tree never is.
#[cfg(target_os = "linux")]
fn mop_up() {
    use crate::process::table;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, waitpid};
    use nix::unistd::{Pid, getpid, getsid};
    let (me, session) = (getpid().as_raw(), getsid(None).map_or(0, Pid::as_raw));
    let deadline = Instant::now() + OVERTIME_CANCELLED;
    while Instant::now() < deadline {
        let rows = table::all();
        let strays: Vec<i32> =
            rows.iter().filter(|row| row.parent == me && row.session != session).map(|row| row.pid).collect();
        if strays.is_empty() {
            return;
        }
        for row in table::descendants(&rows, &strays) {
            let _ = kill(Pid::from_raw(row.pid), Signal::SIGKILL);
        }
        for stray in strays {
            let _ = kill(Pid::from_raw(stray), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(stray), Some(WaitPidFlag::WNOHANG));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(not(target_os = "linux"))]
fn mop_up() {}
