//! The words of the design as plain data that every room shares: names of tests and commits, blame, verdicts, findings.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how", content = "value")]
pub enum End {
    /// It exited by itself with this code.
    Exited(i32),
    /// A signal that was not ours ended it.
    Signaled(i32),
    /// The time limit ran out and the tree was killed.
    TimedOut,
    /// We were asked to stop and the tree was killed.
    Cancelled,
    /// The program was not found.
    NotFound,
    /// The program could not be started (permission, format).
    NotStarted,
}

/// A full object name in hexadecimal. Commits, trees and blobs are passed around as text: no lifetime, no lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Sha(pub String);

impl Sha {
    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(7)]
    }
}

impl std::fmt::Display for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One commit, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Commit {
    /// Its name.
    pub sha: Sha,
    /// First line of its message.
    pub subject: String,
    /// Who wrote it: `Name <mail>`.
    pub author: String,
    /// When it was written, RFC 3339.
    pub date: String,
    /// Its parents, first parent first.
    pub parents: Vec<Sha>,
}

/// The name of one test: unique in a suite, stable from run to run (`tests/test_cart.py::test_total[3]`,
/// `kaizen-ci repo::tests::name` and `kaizen-ci::it suite::name` (nextest's names), `cart.test.js > total > with discount`).
/// `(build)`, `(suite)` and `(crash)` stand for the suite as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct TestId(pub String);

impl std::fmt::Display for TestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in the code that may be at fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Suspect {
    /// File relative to the top of the tree, `/`-separated.
    pub file: String,
    /// First line, from 1.
    pub line: usize,
    /// Last line, included.
    pub end_line: usize,
    /// Enclosing function or class, where known.
    pub symbol: Option<String>,
    /// Higher is more suspicious; 1.0 is the top of a list.
    pub score: f64,
    /// Why: `stack trace of test_total, frame 1`, `compiler error E0308`, `changed since base`, …
    pub reason: String,
}

/// Why the run is red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "blame")]
pub enum Blame {
    /// Red tests pass when run again.
    Flaky {
        /// Tests that were red once and green once.
        tests: Vec<TestId>,
    },
    /// Red at the merge base too.
    BrokenOnBase,
    /// The suite can't run here.
    Environment {
        /// What is missing.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// Green at the merge base, red now.
    ThisChange,
    /// No base to compare with.
    Unknown,
}

/// A remark that travels with a candidate to the judge's ranking and the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Only deletes code.
    DeletionOnly,
    /// Fixes a condition to a constant.
    ConditionToConstant,
    /// Only undoes (part of) a change.
    Undo,
    /// Healed the same fingerprint before.
    Remembered,
}

/// Why a green candidate is left to a person: others behave differently, or hardly anything but the tests speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Disagreement {
    /// How the rivals differ, in plain words: an input and what each answers; or what is wrong with the only one.
    pub what: String,
    /// The rivals' unified diffs; none where it is the only one.
    pub rivals: Vec<String>,
}

/// How a fixer's search ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "ended")]
pub enum Ended {
    /// Nothing in this failure is for this fixer.
    NothingToDo {
        /// Why.
        why: String,
    },
    /// All that it can think of was tried.
    Exhausted,
    /// It proposed what it had and is done.
    Done,
    /// Its time ran out.
    OutOfTime,
    /// The budget does not hold another question to a model.
    OutOfBudget {
        /// What is spent.
        what: String,
    },
    /// No model answers it (any more).
    NoModelNow {
        /// Why.
        why: String,
        /// When one does again, RFC 3339, where somebody says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back: Option<String>,
    },
    /// Another fixer won.
    Cancelled,
    /// It failed itself.
    Failed {
        /// How.
        why: String,
    },
}

/// What a fixer learned, kept also when it loses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Findings {
    /// How it ended.
    pub ended: Ended,
    /// Candidates tried, judged or not.
    pub tried: u64,
    /// Notes for the report: where it looked and why, what came close.
    pub notes: Vec<String>,
    /// The closest misses: unified diff, and the tests still red with it.
    pub closest: Vec<Close>,
}

/// A candidate that was not good enough, as a hint for whoever tries next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Close {
    /// Unified diff against the snapshot.
    pub diff: String,
    /// Still red with it.
    pub still_red: BTreeSet<TestId>,
}

impl Findings {
    /// Nothing but how it ended.
    pub fn ended(ended: Ended) -> Self {
        Self { ended, tried: 0, notes: Vec::new(), closest: Vec::new() }
    }
}

/// What the judge says of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every red test is green, every green one stayed green, none is missing; red again without the patch.
    Healed,
    /// A red test is still red.
    StillRed,
    /// A test that passed fails, is missing or is skipped.
    Regressed,
    /// The patch cheats, or touches what it may not.
    Tampered,
    /// Results differ from run to run.
    Unstable,
    /// The patch does not apply to the snapshot.
    DoesNotApply,
    /// The suite did not end in time with the patch.
    TimedOut,
}

/// One reason of a verdict: a guard that spoke, a test, a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reason {
    /// Stable name: `guard.skip-added`, `test.still-red`, `test.missing`, …
    pub rule: String,
    /// In words, with the place.
    pub what: String,
}

/// What a run of the suite was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Is it red?
    Red,
    /// Red again? (flaky tests)
    Rerun,
    /// Red at the merge base?
    Base,
    /// A step of a bisection.
    Bisect,
    /// The judge, with a candidate.
    Judge,
    /// The judge, with the candidate taken out.
    Without,
    /// After applying to the user's tree.
    Applied,
}
