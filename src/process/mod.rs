//! Running commands: own process tree, time limit, TERM then KILL for all of it, clean environment, capped logs.

mod capture;
pub mod environment;
mod reach;
mod supervisor;
pub mod table;
mod tree;
mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Result;

pub use capture::DROPPED;
pub use supervisor::{set_supervisor, supervisor_main_if_asked};

pub use crate::words::End;

/// How much of each output stream is kept on disk when nothing else is said: head and tail, the middle is dropped.
pub const LOG_CAP_BYTES: u64 = 16 * 1024 * 1024;

/// How long a process tree may take to end after TERM before it gets KILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// One command to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Program and arguments; never through a shell unless the program is one.
    pub argv: Vec<OsString>,
    /// Working directory.
    pub cwd: PathBuf,
    /// The whole environment of the child: nothing else is inherited.
    pub env: BTreeMap<OsString, OsString>,
    /// Wall time after which the tree is stopped.
    pub time_limit: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
    /// Where standard output goes.
    pub stdout: PathBuf,
    /// Where standard error goes.
    pub stderr: PathBuf,
    /// The most that is kept of each stream, in bytes.
    pub log_cap_bytes: u64,
}

/// A finished command. Nothing of its process tree is running any more.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Wall time.
    pub duration: Duration,
    /// Bytes written to standard output, dropped ones included.
    pub stdout_bytes: u64,
    /// Bytes written to standard error, dropped ones included.
    pub stderr_bytes: u64,
}

/// Runs `spec` to its end. When this returns, by whatever way, no process of its tree is left: not the ones that
/// ignore TERM, not those that moved to sessions of their own, not what was left in the background. Standard input is
/// empty. When both logs are one path, both streams go there in the order in which they were written.
///
/// When `cancel` fires the tree gets TERM and 50 ms later KILL, whatever the grace of `spec`. Dropping the future does the
/// same, but nobody waits for it.
///
/// # Errors
/// Only when our own side fails (the log can't be written, no process can be made); a command that fails, hangs or
/// does not exist is an [`End`].
pub async fn run(spec: &Spec, cancel: &CancellationToken) -> Result<Finished> {
    if cancel.is_cancelled() {
        return Ok(Finished { end: End::Cancelled, duration: Duration::ZERO, stdout_bytes: 0, stderr_bytes: 0 });
    }
    let mut job = supervisor::Job::start(spec)?;
    tokio::select! {
        finished = job.finished() => return finished,
        () = cancel.cancelled() => job.cancel(),
    }
    job.finished().await
}
