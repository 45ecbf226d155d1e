//! The document `kaizen-ci/heal/v1`: everything about one run. Its fields only grow; a change of meaning is a `v2`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The document's name and version.
pub const SCHEMA: &str = "kaizen-ci/heal/v1";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The tests were green already.
    AlreadyGreen,
    /// Healed, and the patch is in the working tree.
    Healed,
    /// Healed; the patch is written and not applied.
    HealedNotApplied,
    /// Green candidates behave differently, or the only one is doubtful: a person has to choose.
    Ambiguous,
    /// The red tests pass when run again.
    Flaky,
    /// Red on the base branch too, and not healed.
    BrokenOnBase,
    /// The suite can't run here.
    Environment,
    /// Not healed: for a person.
    Escalated,
    /// Left alone: it did not heal a short time ago.
    LeftAlone,
    /// Stopped by the user.
    Interrupted,
    /// Ended by an error.
    Error,
    /// There is no end: the run is still going on, or it was killed.
    Unfinished,
}

/// Everything about one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// `kaizen-ci/heal/v1`.
    pub schema: String,
    /// The run's name.
    pub run: String,
    /// Version of kaizen-ci.
    pub version: String,
    /// The subcommand.
    pub command: String,
    /// Top of the working tree.
    pub repository: String,
    /// Seed for everything random.
    pub seed: u64,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Exit code; none while there is no end.
    pub exit: Option<u8>,
    /// The answer, in one sentence.
    pub headline: String,
    /// The suite.
    pub suite: Option<SuiteInfo>,
    /// What was frozen.
    pub snapshot: Option<SnapshotInfo>,
    /// Who is to blame.
    pub blame: Option<BlameInfo>,
    /// What is red.
    pub failure: Option<FailureInfo>,
    /// The verified heal.
    pub heal: Option<HealInfo>,
    /// Every candidate that was proposed, in order.
    pub attempts: Vec<Attempt>,
    /// Every fixer that ran, in order of ending.
    pub fixers: Vec<FixerInfo>,
    /// Tiers that were entered.
    pub tiers: Vec<TierInfo>,
    /// The commit that made it red.
    pub culprit: Option<Culprit>,
    /// Why no culprit could be named.
    pub no_culprit: Option<String>,
    /// Reverts that were tried.
    pub reverts: Vec<Revert>,
    /// What the supervisor said of stalls, in order, and what came of it.
    #[serde(default)]
    pub stalls: Vec<StallInfo>,
    /// The likely diagnosis in plain words.
    pub diagnosis: Vec<String>,
    /// What to try next.
    pub next: Vec<String>,
    /// Commands that reproduce the failure.
    pub reproduce: Vec<String>,
    /// Remarks.
    pub notes: Vec<String>,
    /// Path of the report for a person, where one was written.
    pub report: Option<String>,
    /// Runs of the suite, in order.
    pub suite_runs: Vec<SuiteRun>,
    /// Runs of the suite, counted by purpose or fixer.
    pub runs: BTreeMap<String, u64>,
    /// What happened when.
    pub timeline: Vec<Span>,
    /// The models that were asked, and what they took.
    #[serde(default)]
    pub models: Vec<ModelUse>,
    /// Who was asked each time and why, in order; at most 1,000.
    #[serde(default)]
    pub routing: Vec<Routing>,
}

/// The suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteInfo {
    /// Name.
    pub name: String,
    /// Command.
    pub command: String,
    /// Runner.
    pub runner: String,
    /// How it was found.
    pub found_by: String,
    /// Others that were not chosen.
    pub others: Vec<String>,
}

/// What was frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotInfo {
    /// Commit.
    pub commit: String,
    /// Tree.
    pub tree: String,
    /// HEAD underneath.
    pub parent: Option<String>,
    /// Ignored folders that were carried over.
    pub carried: Vec<String>,
}

/// Who is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlameInfo {
    /// `flaky`, `broken_on_base`, `environment`, `this_change`, `unknown`.
    pub kind: String,
    /// In words.
    pub evidence: String,
    /// Flaky tests.
    pub tests: Vec<String>,
    /// What is missing in the environment.
    pub what: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What is red.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailureInfo {
    /// The red tests.
    pub red: Vec<String>,
    /// Fingerprint: survives line numbers, paths, addresses, times and colours.
    pub fingerprint: String,
    /// Most suspicious first.
    pub suspects: Vec<SuspectInfo>,
    /// The part of the log that matters.
    pub excerpt: String,
    /// Failure messages by test.
    pub messages: BTreeMap<String, String>,
}

/// A place that may be at fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectInfo {
    /// File.
    pub file: String,
    /// First line, from 1.
    pub line: usize,
    /// Last line.
    pub end_line: usize,
    /// Enclosing function or class.
    pub symbol: Option<String>,
    /// 1.0 is the top.
    pub score: f64,
    /// Why.
    pub reason: String,
}

/// The verified heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealInfo {
    /// The candidate.
    pub candidate: String,
    /// Its fixer.
    pub fixer: String,
    /// What it does.
    pub idea: String,
    /// The tier.
    pub tier: u8,
    /// Remarks: `deletion_only`, `condition_to_constant`, `undo`, `remembered`.
    pub labels: Vec<String>,
    /// Path of the receipt.
    pub receipt: String,
    /// Path of the patch.
    pub patch: String,
    /// Unified diff as it was verified.
    pub diff: String,
    /// Files of the diff.
    pub files: Vec<FileDelta>,
    /// Counted tests.
    pub tests: TestCounts,
    /// Guards that were asked and had nothing to say.
    pub guards_passed: Vec<String>,
    /// Paths whose changes were put back before judging.
    pub set_aside: Vec<String>,
    /// Tests that the patch changes (only where that was allowed).
    pub tests_changed: Vec<String>,
    /// Tests that fail now and then without the patch, too: runs in which they did were done over.
    #[serde(default)]
    pub flaky: Vec<String>,
    /// Green rivals that behave differently, or another reason to leave the patch to a person.
    pub disagreement: Option<DisagreementInfo>,
    /// Files written to the working tree; empty while it is not applied.
    pub applied: Vec<String>,
    /// From the start of the run until it was verified, in milliseconds.
    pub after_ms: u64,
}

/// Counted tests, before and after a heal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TestCounts {
    /// Red before.
    pub red_before: usize,
    /// Passed before.
    pub passed_before: usize,
    /// Passed after.
    pub passed_after: usize,
    /// Red after.
    pub red_after: usize,
    /// Tests with a result (skipped ones included) before.
    pub collected_before: usize,
    /// The same after.
    pub collected_after: usize,
    /// Whole-suite runs with the patch.
    pub runs: usize,
}

/// Lines of one file of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileDelta {
    /// Path.
    pub path: String,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
}

/// Why the patch is left to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisagreementInfo {
    /// How green rivals differ, or what is wrong with the only patch.
    pub what: String,
    /// The rivals' diffs.
    pub rivals: Vec<String>,
}

impl DisagreementInfo {
    /// Nothing shows that green patches differ; this one is doubtful all the same.
    pub fn is_doubt(&self) -> bool {
        self.rivals.is_empty()
    }
    /// For people: what comes before it.
    pub fn heading(&self) -> &'static str {
        if self.is_doubt() { "Doubtful" } else { "Green rivals behave differently" }
    }
}

/// One candidate and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Its id.
    pub candidate: String,
    /// Its fixer.
    pub fixer: String,
    /// The tier it was proposed in.
    pub tier: u8,
    /// What it does.
    pub idea: String,
    /// Remarks.
    pub labels: Vec<String>,
    /// Unified diff.
    pub diff: String,
    /// Hash of the patch.
    pub hash: String,
    /// The verdict; none when it was not judged to the end.
    pub verdict: Option<String>,
    /// Why.
    pub reasons: Vec<ReasonInfo>,
    /// What the tests that decided against it printed.
    pub output: String,
    /// Paths whose changes were put back before judging.
    pub set_aside: Vec<String>,
    /// Time of the judge in milliseconds.
    pub judge_ms: u64,
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonInfo {
    /// Stable name.
    pub rule: String,
    /// In words.
    pub what: String,
}

/// What a fixer did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FixerInfo {
    /// Its name.
    pub fixer: String,
    /// The tier.
    pub tier: u8,
    /// `done`, `exhausted`, `nothing_to_do`, `out_of_time`, `cancelled`, `failed`.
    pub ended: String,
    /// Why, where it says.
    pub why: Option<String>,
    /// Candidates tried.
    pub tried: u64,
    /// Where it looked and what came close.
    pub notes: Vec<String>,
    /// The closest misses.
    pub closest: Vec<Miss>,
    /// Wall time in milliseconds.
    pub ms: u64,
}

/// A candidate that was not good enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Miss {
    /// Unified diff.
    pub diff: String,
    /// Still red with it.
    pub still_red: Vec<String>,
}

/// A tier that was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TierInfo {
    /// 1, 2 or 3.
    pub tier: u8,
    /// Why it ended; none while it goes on.
    pub why: Option<String>,
    /// Wall time in milliseconds.
    pub ms: u64,
}

/// The commit that made it red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// Commit.
    pub commit: String,
    /// First line of its message.
    pub subject: String,
    /// Who wrote it.
    pub author: String,
    /// When.
    pub date: String,
    /// How it was found.
    pub how: String,
}

/// What the supervisor said of a stall, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StallInfo {
    /// The same stall has the same one.
    pub fingerprint: String,
    /// Who says it: `rules`, `free`, `paid`.
    pub tier: String,
    /// What is stuck: `ambiguous_prompt`, …
    pub cause: String,
    /// The one change to try: `switch_model`, …
    pub change: String,
    /// The events that say so.
    pub evidence: Vec<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// The change was made.
    pub applied: bool,
    /// The judge let a patch pass after it.
    pub resolved: bool,
}

/// A revert that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revert {
    /// What was to be reverted.
    pub commit: String,
    /// The revert commit, when it was clean.
    pub revert: Option<String>,
    /// Paths in conflict, when it was not.
    pub conflicts: Vec<String>,
}

/// One run of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteRun {
    /// What for.
    pub purpose: String,
    /// What exactly.
    pub subject: String,
    /// Passed tests.
    pub passed: usize,
    /// Failed tests.
    pub failed: usize,
    /// Skipped tests.
    pub skipped: usize,
    /// How the command ended: `exited 1`, `timed out`, …
    pub end: String,
    /// Wall time in milliseconds.
    pub ms: u64,
}

/// What one model took.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelUse {
    /// `provider/model` as asked.
    pub model: String,
    /// `local`, `free` or `paid`.
    pub tier: String,
    /// Turns, those served from the cache included.
    pub turns: u64,
    /// Turns served from the cache.
    pub cached: u64,
    /// Turns that ended without an answer.
    pub failed: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub answer_tokens: u64,
    /// Billionths of a dollar.
    pub nano_dollars: u64,
    /// Wall time of its turns in milliseconds.
    pub ms: u64,
}

/// One decision about who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routing {
    /// Who asked.
    pub fixer: String,
    /// Tokens of the prompt, estimated.
    pub prompt_tokens: u64,
    /// Who is asked, why, and why not the others.
    pub line: String,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Its row: `suite`, `tier`, `judge`, or a fixer's name.
    pub lane: String,
    /// What.
    pub label: String,
    /// From the start of the run, in milliseconds.
    pub start_ms: u64,
    /// From the start of the run, in milliseconds.
    pub end_ms: u64,
    /// `good`, `bad`, `neutral`, or `open` when its end was not recorded.
    pub state: String,
}

/// The JSON schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}
