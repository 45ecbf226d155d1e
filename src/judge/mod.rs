//! The judge: decides on a patch from the snapshot and the patch alone. Never a fixer, never a model.

mod bench;
mod flakes;
pub mod guard;
pub mod inventory;
pub mod receipt;
pub mod replay;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::lab::{Lab, Limits};
use crate::patch::{self, Patch};
use crate::repo::Snapshot;
use crate::state::kill_point;
use crate::suite::protected::Protected;
use crate::suite::{Run, Status, Suite, TestId};
use crate::trajectory::{Event, Recorder};
use crate::words::Label;

pub use crate::words::{Reason, Verdict};

/// How much of what failed tests printed goes into the event.
const MOST_OUTPUT_BYTES: usize = 4096;

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
    /// Tests that the patch changes, where that is allowed.
    #[serde(default)]
    pub tests_changed: Vec<String>,
    /// Tests that failed in a run with the patch, and in one without it: a run with such a failure was done over.
    #[serde(default)]
    pub flaky: BTreeSet<TestId>,
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

impl Judgement {
    /// A judgement that was reached without running anything.
    pub fn unheard(verdict: Verdict, reasons: Vec<Reason>) -> Self {
        Self {
            verdict,
            reasons,
            set_aside: Vec::new(),
            tests_changed: Vec::new(),
            flaky: BTreeSet::new(),
            labels: BTreeSet::new(),
            guards_passed: Vec::new(),
            healed: BTreeSet::new(),
            runs: Vec::new(),
            without: None,
            duration_ms: 0,
        }
    }

    /// The event that says it.
    fn event(&self, candidate: &str) -> Event {
        Event::JudgeEnded {
            candidate: candidate.to_owned(),
            verdict: self.verdict,
            reasons: self.reasons.clone(),
            ms: self.duration_ms,
            output: self.output(),
            guards_passed: self.guards_passed.clone(),
            set_aside: self.set_aside.clone(),
            tests_changed: self.tests_changed.clone(),
            flaky: self.flaky.iter().map(|id| id.0.clone()).collect(),
        }
    }

    /// What the tests that decided against the patch printed, at most [`MOST_OUTPUT_BYTES`]; empty when none did.
    fn output(&self) -> String {
        let Some(run) = self.runs.last().filter(|_| self.verdict != Verdict::Healed) else { return String::new() };
        let mut text = String::new();
        for (id, result) in run.tests.iter().filter(|(_, r)| r.status == Status::Failed) {
            text.push_str(&format!("{id}\n{}\n\n", result.message.as_deref().unwrap_or("").trim_end()));
            if text.len() > MOST_OUTPUT_BYTES {
                break;
            }
        }
        let mut end = text.len().min(MOST_OUTPUT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.trim_end().to_owned()
    }
}

/// Judges a patch that came as text (a diff file): one that can't be read or does not apply is a judgement, too.
///
/// # Errors
/// Only when our own side fails or `cancel` fires.
pub async fn judge_text(
    lab: &Arc<Lab>,
    docket: &Docket,
    candidate: &str,
    text: &[u8],
    recorder: &Recorder,
    cancel: &CancellationToken,
) -> Result<(Patch, Judgement)> {
    let (store, tree, text) = (lab.store.clone(), docket.snapshot.tree.clone(), text.to_vec());
    let parsed = tokio::task::spawn_blocking(move || patch::parse(&store, &tree, &text))
        .await
        .map_err(|e| Error::internal("reading the patch panicked").source(e))?;
    match parsed {
        Ok(patch) => judge(lab, docket, candidate, &patch, recorder, cancel).await,
        Err(refusal) => {
            let (verdict, reason) = refusal.verdict()?;
            recorder.record(Event::JudgeStarted { candidate: candidate.to_owned() });
            let judgement = Judgement::unheard(verdict, vec![reason]);
            recorder.record(judgement.event(candidate));
            Ok((Patch::default(), judgement))
        }
    }
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
    let started = Instant::now();
    kill_point("judge-started");
    recorder.record(Event::JudgeStarted { candidate: candidate.to_owned() });
    let court = bench::Court { lab, docket, candidate, recorder, cancel };
    let (judged, mut judgement) = court.hear(patch).await?;
    kill_point("judge-ended");
    judgement.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    recorder.record(judgement.event(candidate));
    Ok((judged, judgement))
}
