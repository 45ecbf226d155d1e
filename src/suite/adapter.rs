//! From a suite and a selection to the command that is really run, and from what it left behind to results.
//!
//! Results are read out of process: from a report file (JUnit XML, JSON) outside the workspace that the runner writes,
//! or from its machine-readable output; from text only where a runner offers nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Finished;
use crate::suite::{LogFiles, Run, Selection, Suite};

/// A command made ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Variables to set on top of the clean environment.
    pub env: BTreeMap<OsString, OsString>,
    /// The folder in the workspace to run in.
    pub cwd: PathBuf,
    /// Report files that the runner will write, if any.
    pub reports: Vec<PathBuf>,
    /// The selection was honoured (otherwise everything runs).
    pub selected: bool,
}

/// The command for `suite` in the workspace at `top`, with report files in `reports_dir` (empty, outside the workspace).
/// `runner_args` of the user stay as they are.
pub fn prepare(suite: &Suite, selection: &Selection, top: &Path, reports_dir: &Path) -> Prepared {
    let _ = (suite, selection, top, reports_dir);
    unimplemented!()
}

/// The results of a finished command.
pub fn collect(suite: &Suite, prepared: &Prepared, finished: &Finished, log: &LogFiles, top: &Path) -> Run {
    let _ = (suite, prepared, top);
    Run {
        tests: BTreeMap::new(),
        end: finished.end,
        duration: Duration::from_secs(0),
        log: log.clone(),
        contradictions: Vec::new(),
    }
}
