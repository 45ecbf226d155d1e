//! The judge: decides on a patch from the snapshot and the patch alone. Never a fixer, never a model.

pub mod guard;
pub mod receipt;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::lab::{Lab, Limits};
use crate::patch::Patch;
use crate::repo::Snapshot;
use crate::suite::protected::Protected;
use crate::suite::{Run, Suite, TestId};
use crate::trajectory::Recorder;
use crate::words::Label;

pub use crate::words::{Reason, Verdict};

/// The rules of judging.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How often the whole suite is run with the patch. At least 1.
    pub repeat: u32,
    /// Tests may be changed; the report then says so in its first line.
    pub allow_test_changes: bool,
    /// What no patch may touch.
    pub protected: Protected,
}

/// What the judge starts from.
#[derive(Debug, Clone)]
pub struct Docket {
    /// The tree without the patch.
    pub snapshot: Snapshot,
    /// The suite.
    pub suite: Suite,
    /// The red run on that tree: confirmed red, the inventory that may not shrink.
    pub red: Run,
    /// Limits for one full run.
    pub limits: Limits,
    /// Rules.
    pub policy: Policy,
}

/// A verdict with its reasons and everything that proves it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why; empty only for `Healed`.
    pub reasons: Vec<Reason>,
    /// Paths whose changes were put back before judging (honest additions to tests, lock files): the healed patch is
    /// without them.
    pub set_aside: Vec<String>,
    /// Remarks found by reading the patch.
    pub labels: BTreeSet<Label>,
    /// Names of the guards that were asked and had nothing to say.
    pub guards_passed: Vec<String>,
    /// Tests that turned green.
    pub healed: BTreeSet<TestId>,
    /// Runs with the patch: the red tests, then the whole suite `repeat` times.
    pub runs: Vec<Run>,
    /// The run of the red tests with the patch taken out again.
    pub without: Option<Run>,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
}

/// Judges `patch`. Returns the patch that was really judged (without what was set aside) and the judgement.
///
/// # Errors
/// Only when our own side fails or `cancel` fires.
pub async fn judge(
    lab: &Arc<Lab>,
    docket: &Docket,
    candidate: &str,
    patch: &Patch,
    recorder: &Recorder,
    cancel: &CancellationToken,
) -> Result<(Patch, Judgement)> {
    let _ = (lab, docket, candidate, patch, recorder, cancel);
    unimplemented!()
}
