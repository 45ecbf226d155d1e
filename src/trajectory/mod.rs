//! The trajectory: every event of a run, as one enum, in an append-only log that survives a kill and many writers.

mod kept;
pub mod log;
pub mod loops;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

pub use crate::words::Purpose;
use crate::words::{Blame, Commit, Disagreement, End, Findings, Label, Reason, Suspect, Verdict};
pub use kept::Kept;
pub use loops::{Loop, LoopEvent, TurnTaken};

/// Version of the event schema; a reader refuses what is newer.
pub const SCHEMA_VERSION: u32 = 1;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// [`SCHEMA_VERSION`] of the writer.
    pub v: u32,
    /// The run of kaizen-ci.
    pub run: String,
    /// Counts up within one writer.
    pub step: u64,
    /// When, RFC 3339 in UTC with milliseconds.
    #[schemars(with = "String")]
    pub time: jiff::Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Everything that can happen. Loops speak in these; consoles, logs and reports are made from them alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A run of kaizen-ci begins.
    RunStarted {
        /// Version of kaizen-ci.
        version: String,
        /// The subcommand.
        command: String,
        /// Top of the working tree.
        repository: String,
        /// Seed for everything random.
        seed: u64,
    },
    /// The suite that will be healed.
    SuiteFound {
        /// Its name.
        name: String,
        /// Its command.
        command: String,
        /// Its runner.
        runner: String,
        /// How it was found.
        found_by: String,
        /// Others that were found and not chosen.
        others: Vec<String>,
    },
    /// The user's tree is frozen.
    SnapshotTaken {
        /// Commit.
        commit: String,
        /// Tree.
        tree: String,
        /// HEAD underneath.
        parent: Option<String>,
        /// Folders carried over.
        carried: Vec<String>,
        /// Wall time.
        ms: u64,
    },
    /// A run of the suite begins.
    SuiteStarted {
        /// What for.
        purpose: Purpose,
        /// What exactly: a commit, a candidate.
        subject: String,
        /// Tests selected; `None`: all.
        selected: Option<usize>,
    },
    /// A run of the suite ended.
    SuiteEnded {
        /// What for.
        purpose: Purpose,
        /// What exactly.
        subject: String,
        /// Passed tests.
        passed: usize,
        /// Failed tests.
        failed: usize,
        /// Skipped tests.
        skipped: usize,
        /// How the command ended.
        end: End,
        /// Wall time.
        ms: u64,
        /// The red tests, at most 50.
        red: Vec<String>,
    },
    /// Who is to blame.
    Triaged {
        /// Blame and what belongs to it.
        blame: Blame,
        /// In words: `red again 2/2 · green on main@4f2c1d9`.
        evidence: String,
    },
    /// What is wrong.
    FailureDescribed {
        /// Fingerprint.
        fingerprint: String,
        /// The red tests.
        red: Vec<String>,
        /// The first suspects.
        suspects: Vec<Suspect>,
        /// The part of the log that matters, at most 16 KiB.
        #[serde(default)]
        excerpt: String,
        /// Failure messages by test, at most 2 KiB each, for at most 20 tests.
        #[serde(default)]
        messages: BTreeMap<String, String>,
    },
    /// A tier begins.
    TierStarted {
        /// 1, 2 or 3.
        tier: u8,
    },
    /// A tier ended.
    TierEnded {
        /// 1, 2 or 3.
        tier: u8,
        /// Why it ended: `healed`, `exhausted`, `out of time`, `flaky`, `cancelled`.
        why: String,
        /// Wall time.
        ms: u64,
    },
    /// A fixer begins.
    FixerStarted {
        /// Its name.
        fixer: String,
    },
    /// How far a fixer is; at most a few a second.
    FixerProgress {
        /// Its name.
        fixer: String,
        /// For people: `5 of 12 hunks left · 7 runs`.
        text: String,
        /// Candidates tried so far.
        tried: u64,
        /// Fewest red tests seen with a candidate.
        best_red: Option<usize>,
    },
    /// The router chose a model for a turn.
    ModelRouted {
        /// Who asks.
        fixer: String,
        /// What for: `fix`, `answer`, …
        role: String,
        /// `provider/model`.
        model: String,
        /// `local`, `free` or `paid`.
        tier: String,
        /// Tokens of the prompt, estimated.
        prompt_tokens: u64,
        /// Why a larger or paid model may be asked.
        evidence: Option<String>,
        /// The whole decision in one line: who, why, and why not the others.
        line: String,
    },
    /// A turn with a model ended.
    ModelAnswered {
        /// Who asked.
        fixer: String,
        /// `provider/model` as asked.
        model: String,
        /// The model that answered, as the server names it.
        answered_by: Option<String>,
        /// `answered`, or the name of the trouble.
        outcome: String,
        /// Tokens of the prompt.
        prompt_tokens: u64,
        /// Tokens of the answer.
        answer_tokens: u64,
        /// What it cost, in billionths of a dollar.
        nano_dollars: u64,
        /// Requests sent for it.
        requests: u32,
        /// Wall time.
        ms: u64,
        /// Served without asking: `exact`, `semantic` or `shared` (with a call in flight); then nothing was spent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cached: Option<String>,
        /// What the answer had cost when it was asked, in billionths of a dollar, where it was served without asking and that is
        /// known: so much was saved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        saved_nano_dollars: Option<u64>,
        /// Hash of the answer's words, so that repeated answers are seen; empty without an answer.
        #[serde(default)]
        answer_hash: String,
    },
    /// Another number of turns runs at the same time at a server or for an account.
    SlotsChanged {
        /// Which.
        server: String,
        /// Turns at the same time.
        slots: usize,
    },
    /// A fixer ended.
    FixerEnded {
        /// Its name.
        fixer: String,
        /// What it learned.
        findings: Findings,
        /// Wall time.
        ms: u64,
    },
    /// A candidate was proposed.
    CandidateProposed {
        /// Its id.
        candidate: String,
        /// Its fixer.
        fixer: String,
        /// What it does.
        idea: String,
        /// Unified diff, at most 64 KiB.
        diff: String,
        /// Hash of the patch.
        hash: String,
        /// Remarks.
        labels: Vec<Label>,
        /// Set when the fixer saw green rivals that behave differently, or doubts its own patch.
        #[serde(default)]
        disagreement: Option<Disagreement>,
    },
    /// The judge begins with a candidate.
    JudgeStarted {
        /// The candidate.
        candidate: String,
    },
    /// The judge is at a step.
    JudgeStep {
        /// The candidate.
        candidate: String,
        /// `guards`, `red tests`, `whole suite 1/2`, `without the patch`. (In JSON `doing`: `step` is the entry's own.)
        #[serde(rename = "doing")]
        step: String,
    },
    /// The judge has decided.
    JudgeEnded {
        /// The candidate.
        candidate: String,
        /// The verdict.
        verdict: Verdict,
        /// Why.
        reasons: Vec<Reason>,
        /// Wall time.
        ms: u64,
        /// What the tests that decided against it printed, at most 4 KiB; empty when no test had a say.
        #[serde(default)]
        output: String,
        /// Guards that were asked and had nothing to say.
        #[serde(default)]
        guards_passed: Vec<String>,
        /// Paths whose changes were put back before judging.
        #[serde(default)]
        set_aside: Vec<String>,
        /// Tests that the patch changes (only where that was allowed).
        #[serde(default)]
        tests_changed: Vec<String>,
        /// Tests that fail now and then without the patch, too.
        #[serde(default)]
        flaky: Vec<String>,
    },
    /// The commit that made it red.
    CulpritFound {
        /// The commit.
        commit: Commit,
        /// How: `bisected, 4 steps`.
        how: String,
    },
    /// No culprit could be named.
    NoCulprit {
        /// Why.
        why: String,
    },
    /// The culprit was reverted on top of the snapshot.
    Reverted {
        /// Culprit.
        commit: String,
        /// The revert commit.
        revert: String,
    },
    /// The culprit can't be reverted cleanly.
    RevertRefused {
        /// Culprit.
        commit: String,
        /// Paths in conflict.
        conflicts: Vec<String>,
    },
    /// A patch is verified.
    Healed {
        /// The candidate.
        candidate: String,
        /// The tier.
        tier: u8,
        /// Path of the receipt.
        receipt: String,
        /// Path of the patch.
        patch: String,
        /// The patch as it was verified (without what was set aside), unified diff, at most 64 KiB.
        #[serde(default)]
        diff: String,
    },
    /// The patch is in the user's working tree.
    Applied {
        /// Files written.
        files: Vec<String>,
    },
    /// Nobody could heal it; a person has to look.
    Escalated {
        /// Path of the report.
        report: String,
    },
    /// Something worth saying that changes nothing.
    Note {
        /// In words.
        text: String,
    },
    /// Leftovers of a killed run were removed.
    Cleaned {
        /// Which run. (In JSON `of_run`: `run` is the entry's own.)
        #[serde(rename = "of_run")]
        run: String,
        /// What was removed.
        what: Vec<String>,
    },
    /// Something in a loop that thinks in turns.
    Loop(LoopEvent),
    /// The run of kaizen-ci ends.
    RunEnded {
        /// Name of the ending.
        outcome: String,
        /// Exit code.
        exit: u8,
        /// Wall time.
        ms: u64,
        /// Runs of the suite by purpose or fixer.
        runs: BTreeMap<String, u64>,
    },
}

/// Somewhere that entries go.
pub trait Sink: Send {
    /// Takes one entry. Must not fail loudly: a full disk may not stop a heal.
    fn take(&mut self, entry: &Entry);
}

struct Shared {
    run: String,
    step: u64,
    sinks: Vec<Box<dyn Sink>>,
}

/// Hands events to all sinks, numbered and dated. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Shared>>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder for `run` into `sinks`.
    pub fn new(run: impl Into<String>, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self(Arc::new(Mutex::new(Shared { run: run.into(), step: 0, sinks })))
    }
    /// A recorder that forgets: for tests and for tools without a run.
    pub fn forgetful() -> Self {
        Self::new("", Vec::new())
    }
    /// Records one event.
    pub fn record(&self, event: Event) {
        let mut shared = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.step += 1;
        let entry = Entry {
            v: SCHEMA_VERSION,
            run: shared.run.clone(),
            step: shared.step,
            time: jiff::Timestamp::now(),
            event,
        };
        for sink in &mut shared.sinks {
            sink.take(&entry);
        }
    }
    /// The run's id.
    pub fn run(&self) -> String {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).run.clone()
    }
}
