//! Running commands: own process tree, time limit, TERM then KILL for all of it, clean environment, capped logs.

mod capture;
pub mod environment;
#[cfg(unix)]
mod fence;
#[cfg(unix)]
mod reach;
pub mod sandbox;
#[cfg(unix)]
mod silence;
#[cfg_attr(windows, path = "windows/mod.rs")]
mod supervisor;
pub mod table;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Result;

pub use capture::DROPPED;
#[cfg(unix)]
pub use supervisor::stand_back;
pub use supervisor::{set_supervisor, stand_back_as_session, supervisor_main_if_asked};

pub use crate::words::End;

/// How much of each output stream is kept on disk when nothing else is said: head and tail, the middle is dropped.
pub const LOG_CAP_BYTES: u64 = 16 * 1024 * 1024;

/// How long a process tree may take to end after TERM before it gets KILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long a command may compute without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Processor time that one process may spend while nothing is printed and nothing is reported.
    pub most: Duration,
    /// What grows in this folder is a word, too.
    pub reports: PathBuf,
}

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
    /// Others have the cores first (`nice` 5).
    pub background: bool,
    /// Computing without a word for longer than this is a time limit, too. Only where there is a supervisor program, on
    /// Linux.
    pub silence: Option<Silence>,
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
    /// It was cut because it computed without a word.
    pub silent: bool,
}

/// Runs `spec` to its end. When this returns, by whatever way, no process of its tree is left: not the ones that
/// ignore TERM, not those that moved to sessions of their own, not what was left in the background. Standard input is
/// empty. When both logs are one path, both streams go there in the order in which they were written.
///
/// When `cancel` fires the tree gets TERM and 50 ms later KILL, whatever the grace of `spec`. Dropping the future does the
/// same, but nobody waits for it. Windows has no TERM: there a tree is ended at once, at its time limit too.
///
/// # Errors
/// Only when our own side fails (the log can't be written, no process can be made); a command that fails, hangs or
/// does not exist is an [`End`].
pub async fn run(spec: &Spec, cancel: &CancellationToken) -> Result<Finished> {
    if cancel.is_cancelled() {
        let (end, duration) = (End::Cancelled, Duration::ZERO);
        return Ok(Finished { end, duration, stdout_bytes: 0, stderr_bytes: 0, silent: false });
    }
    let mut job = supervisor::Job::start(spec)?;
    tokio::select! {
        finished = job.finished() => return finished,
        () = cancel.cancelled() => job.cancel(),
    }
    job.finished().await
}

#[cfg(test)]
mod tests {
    //! Without a supervisor program, as unit tests are; `tests/it/process.rs` has all of it with one.
    use super::*;
    use std::path::Path;

    fn shell(dir: &Path, script: &str) -> Spec {
        Spec {
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            cwd: dir.to_owned(),
            env: BTreeMap::from([("PATH".into(), std::env::var_os("PATH").unwrap())]),
            time_limit: Duration::from_secs(10),
            grace: Duration::from_millis(100),
            stdout: dir.join("out"),
            stderr: dir.join("err"),
            background: false,
            silence: None,
            log_cap_bytes: 1000,
        }
    }

    fn is_alive(dir: &Path) -> bool {
        let pid = std::fs::read_to_string(dir.join("pid")).unwrap();
        table::of(pid.trim().parse().unwrap()).is_some_and(|row| row.state != 'Z')
    }

    #[tokio::test]
    async fn commands_run_without_a_supervisor_program_too() {
        let dir = tempfile::tempdir().unwrap();
        let (time_limit, grace) = (Duration::MAX, Duration::MAX);
        let spec = Spec { time_limit, grace, ..shell(dir.path(), "echo out; echo err >&2; exit 3") };
        let finished = run(&spec, &CancellationToken::new()).await.unwrap();
        assert_eq!(finished.end, End::Exited(3));
        assert_eq!(std::fs::read(&spec.stdout).unwrap(), b"out\n");
        assert_eq!(std::fs::read(&spec.stderr).unwrap(), b"err\n");
    }

    #[tokio::test]
    async fn a_tree_that_ignores_term_and_leaves_its_session_ends_without_a_supervisor_too() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; setsid sh -c 'echo $$ > pid; sleep 100' & while :; do sleep 0.05; done";
        let spec = Spec { time_limit: Duration::from_millis(400), ..shell(dir.path(), script) };
        let finished = run(&spec, &CancellationToken::new()).await.unwrap();
        assert_eq!(finished.end, End::TimedOut);
        assert!(!is_alive(dir.path()));
    }

    #[tokio::test]
    async fn a_run_cancelled_before_it_began_starts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let finished = run(&shell(dir.path(), "touch started"), &cancel).await.unwrap();
        assert_eq!(finished.end, End::Cancelled);
        assert!(!dir.path().join("started").exists());
    }

    #[tokio::test]
    async fn a_command_without_words_is_bad_usage() {
        let dir = tempfile::tempdir().unwrap();
        let spec = Spec { argv: Vec::new(), ..shell(dir.path(), "") };
        assert!(run(&spec, &CancellationToken::new()).await.is_err());
    }
}
