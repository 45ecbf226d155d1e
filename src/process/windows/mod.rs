//! Process trees on Windows: each command in a job object of its own, which ends everybody in it, also when we are killed.
//!
//! There is no supervisor program here: whoever is started by the command is in its job from its first moment and can't
//! leave it, and the system closes the job with us. There is no TERM either: a tree is ended at once.

mod group;
mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::group::Group;
use self::stream::Streams;
use crate::error::{Context as _, Error, Result};
use crate::process::{End, Finished, Spec};

/// How long what a command left behind in the background may take to end by itself.
const SETTLE: Duration = Duration::from_millis(100);

/// How long killed processes may take to be gone before we give up.
const KILL_MOST: Duration = Duration::from_secs(20);

/// How often is looked whether the command has ended, or we were cancelled.
const LOOK: Duration = Duration::from_millis(5);

/// Longer limits are cut to this: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Nothing to say here: a job object needs no program beside us.
pub fn set_supervisor(_path: impl Into<PathBuf>) {}

/// No process is started as a supervisor here.
pub fn supervisor_main_if_asked() -> Option<u8> {
    None
}

/// The program that supervises, and that could put up a fence: there is none.
pub(super) fn program() -> Option<&'static Path> {
    None
}

/// Lets other processes have the cores before the process `pid`, and before what it starts from here on.
pub fn stand_back_as_session(pid: u32) {
    group::stand_back(pid);
}

/// A command that runs in a job. Dropping it cancels it.
pub(super) struct Job {
    cancelled: Arc<AtomicBool>,
    result: oneshot::Receiver<Result<Finished>>,
}

impl Job {
    pub fn start(spec: &Spec) -> Result<Self> {
        let spec = absolute(spec)?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let (tell, result) = oneshot::channel();
        let asked = Arc::clone(&cancelled);
        std::thread::Builder::new()
            .name("process".into())
            .spawn(move || tell.send(supervise(&spec, &asked)))
            .context(|| "can't start a thread".into())?;
        Ok(Self { cancelled, result })
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
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

/// Makes the paths right wherever we go meanwhile.
fn absolute(spec: &Spec) -> Result<Spec> {
    let full = |path: &Path| std::path::absolute(path).context(|| format!("can't find out where {path:?} is"));
    let (cwd, stdout, stderr) = (full(&spec.cwd)?, full(&spec.stdout)?, full(&spec.stderr)?);
    if spec.argv.is_empty() {
        return Err(Error::usage("there is no command to run"));
    }
    Ok(Spec { cwd, stdout, stderr, time_limit: spec.time_limit.min(LONGEST), ..spec.clone() })
}

/// Runs `spec` until nothing of its tree is left.
fn supervise(spec: &Spec, cancelled: &AtomicBool) -> Result<Finished> {
    let group = Group::new().context(|| "can't make a job for processes".into())?;
    let mut command = stream::command(spec);
    let streams = Streams::connect(spec, &mut command)?;
    let started = Instant::now();
    let mut child = match group.spawn(&mut command, spec.background) {
        Ok(child) => child,
        Err(error) => return not_started(spec, error),
    };
    // our ends of the pipes: with them open the output would never end
    drop(command);
    let until = started + spec.time_limit;
    let (mut stopped, mut duration) = (None, None);
    while stopped.is_none() && duration.is_none() {
        if child.try_wait().context(|| "can't wait for a command".into())?.is_some() {
            duration = Some(started.elapsed());
        } else if cancelled.load(Ordering::SeqCst) || streams.trouble() {
            stopped = Some(End::Cancelled);
        } else if Instant::now() >= until {
            stopped = Some(End::TimedOut);
        } else {
            std::thread::sleep(LOOK);
        }
    }
    if stopped.is_none() {
        settle(&group, cancelled);
    }
    end(&group)?;
    let status = child.wait().context(|| "can't wait for a command".into())?;
    let duration = duration.unwrap_or_else(|| started.elapsed());
    let (stdout_bytes, stderr_bytes) = streams.finish()?;
    let end = stopped.unwrap_or(End::Exited(status.code().unwrap_or(-1)));
    Ok(Finished { end, duration, stdout_bytes, stderr_bytes, silent: false })
}

/// A `tee` behind a pipe has to write what it has.
fn settle(group: &Group, cancelled: &AtomicBool) {
    let since = Instant::now();
    while group.count() > 0 && since.elapsed() < SETTLE && !cancelled.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK);
    }
}

/// Ends everybody, and waits until they are gone.
fn end(group: &Group) -> Result<()> {
    let since = Instant::now();
    while group.count() > 0 {
        if since.elapsed() > KILL_MOST {
            return Err(Error::internal("processes do not end although they were killed"));
        }
        group.kill();
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Why nothing was started: the command's fault (not found, not a program) or ours.
fn not_started(spec: &Spec, error: io::Error) -> Result<Finished> {
    if !spec.cwd.is_dir() {
        return Err(error).context(|| format!("can't run a command in {}", spec.cwd.display()));
    }
    let end = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => End::NotFound,
        io::ErrorKind::OutOfMemory => return Err(error).context(|| "can't make a process".into()),
        _ => End::NotStarted,
    };
    Ok(Finished { end, duration: Duration::ZERO, stdout_bytes: 0, stderr_bytes: 0, silent: false })
}
