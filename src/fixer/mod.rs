//! Fixers: each proposes edits for a failure. One file and one line in the registry per strategy.

pub mod command;
mod hints;
pub mod model;
pub mod mutate;
pub mod registry;
pub mod suggest;
pub mod undo;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::lab::{Lab, Limits};
use crate::model::Models;
use crate::patch::Patch;
use crate::repo::{Sha, Snapshot};
use crate::suite::{Run, Suite};
use crate::trajectory::Recorder;
use model::retune::Retuned;
use model::trial::Trials;

pub use hints::Hints;

pub use crate::words::{Close, Disagreement, Ended, Findings, Label};

/// Everything that a fixer may look at. Nothing in it changes while fixers run.
#[derive(Debug)]
pub struct Case {
    /// The tree to fix. At tier 2 this is the snapshot with the culprit reverted.
    pub snapshot: Snapshot,
    /// The suite that must turn green.
    pub suite: Suite,
    /// What is wrong.
    pub failure: Failure,
    /// The red run on `snapshot`.
    pub red: Run,
    /// The last commit known (or found) to be green, if any: the merge base, or what bisection found.
    pub green: Option<Sha>,
    /// At tier 2: the snapshot before the revert, whose wanted parts should come back.
    pub wanted: Option<Snapshot>,
    /// Whose house rules hold, where not the snapshot's own: a change that is judged does not write them.
    pub rules_of: Option<Sha>,
    /// Workspaces and test runs.
    pub lab: Arc<Lab>,
    /// Limits for a full run, derived from the red run's duration.
    pub limits: Limits,
    /// Protected paths (globs over `/`-separated paths): no fixer edits them.
    pub protected: crate::suite::protected::Protected,
    /// Patches that healed this fingerprint before.
    pub remembered: Vec<Patch>,
    /// Seed for everything random.
    pub seed: u64,
    /// Time that this tier may still take.
    pub time_left: Duration,
    /// Language models.
    pub models: Arc<Models>,
    /// Where their patches are tried out, shared by all who ask models.
    pub trials: Trials,
    /// What is another way than in the rounds before this one, for those who ask models.
    pub retuned: Retuned,
}

/// One proposed patch.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// `undo#1`
    pub id: String,
    /// The fixer's name.
    pub fixer: &'static str,
    /// Against the case's snapshot.
    pub patch: Patch,
    /// What it does, in one line for people.
    pub idea: String,
    /// Remarks.
    pub labels: BTreeSet<Label>,
    /// Set when the fixer saw rivals that behave differently, or doubts its own patch.
    pub disagreement: Option<Disagreement>,
}

/// Where a fixer puts its candidates and says how far it is.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The fixer's name.
    pub fixer: &'static str,
    /// To the race, which hands candidates to the judge.
    pub candidates: mpsc::Sender<Candidate>,
    /// Events.
    pub recorder: Recorder,
    /// Cancelled when another fixer won or the time is up: stop within 100 ms.
    pub cancel: CancellationToken,
    /// How many fixers that need no model are still at work: asking one that costs something waits for them.
    pub model_free: watch::Receiver<usize>,
    /// What came close so far, for those who ask models.
    pub hints: Hints,
}

impl Desk {
    /// Hands a candidate to the race, unless it is over.
    ///
    /// # Errors
    /// [`Kind::Interrupted`](crate::error::Kind) when another fixer won or the time is up.
    pub async fn offer(&self, candidate: Candidate) -> Result<()> {
        tokio::select! {
            // nobody waits for candidates any more: that is as good as cancelled
            sent = self.candidates.send(candidate) => sent.map_err(|_| Error::interrupted()),
            () = self.cancel.cancelled() => Err(Error::interrupted()),
        }
    }
}

/// Something that proposes edits for a failure.
pub trait Fixer: Send + Sync {
    /// Its name in the registry, on the command line and in events.
    fn name(&self) -> &'static str;
    /// One line for `--help` and the report.
    fn about(&self) -> &'static str;
    /// It asks language models.
    fn asks_models(&self) -> bool {
        false
    }
    /// A further round can be another one than the last: it goes by [`Case::retuned`].
    fn is_tunable(&self) -> bool {
        false
    }
    /// Searches until done, out of time or cancelled, sending candidates to the desk. Candidates need not be verified:
    /// the judge does that; a fixer that runs tests itself only sends what turned its red tests green.
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>>;
}
