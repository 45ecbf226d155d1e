//! Comparing runs test by test: what the red run had against what a run with the patch has. Pure.

use std::collections::BTreeSet;

use crate::process::End;
use crate::suite::{Run, Runner, Scope, Status, TestId, TestResult};
use crate::words::{Reason, Verdict};

/// How many tests are named before the rest is only counted.
const MOST_NAMED: usize = 20;

/// What a run says against a patch; empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objections {
    /// Each with its verdict; the heaviest decides.
    pub found: Vec<(Verdict, Reason)>,
    /// Tests that passed before and do not now: worth a second look before the word *regressed* is said.
    pub regressed: BTreeSet<TestId>,
}

impl Objections {
    fn add(&mut self, verdict: Verdict, rule: &str, what: impl Into<String>) {
        self.found.push((verdict, Reason { rule: rule.to_owned(), what: what.into() }));
    }

    /// The verdict and the reasons for it; `None` when there is no objection.
    pub fn verdict(&self) -> Option<(Verdict, Vec<Reason>)> {
        let verdict = self.found.iter().map(|(v, _)| *v).max_by_key(|v| weight(*v))?;
        let mut reasons: Vec<Reason> = Vec::new();
        // the deciding ones first, the others after them: they help a person all the same
        for deciding in [true, false] {
            reasons.extend(self.found.iter().filter(|(v, _)| (*v == verdict) == deciding).map(|(_, r)| r.clone()));
        }
        let more = reasons.len().saturating_sub(MOST_NAMED);
        reasons.truncate(MOST_NAMED);
        if more > 0 {
            reasons.push(Reason { rule: "test.more".to_owned(), what: format!("and {more} more") });
        }
        Some((verdict, reasons))
    }
}

/// Which verdict decides when a run gives cause for several.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Healed => 0,
        Verdict::Unstable => 1,
        Verdict::StillRed => 2,
        Verdict::Regressed => 3,
        Verdict::TimedOut => 4,
        Verdict::DoesNotApply => 5,
        Verdict::Tampered => 6,
    }
}

/// Is `id` a test of the file (or module) that the red result `file_id` is about?
fn belongs(file_id: &TestId, file: &TestResult, id: &TestId, result: &TestResult) -> bool {
    if result.scope != Scope::Test {
        return false;
    }
    if file.file.is_some() && file.file == result.file {
        return true;
    }
    id.0.strip_prefix(&file_id.0).is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// How a red result of the red run stands in `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Green,
    Red(String),
    Missing,
    Skipped,
}

fn standing(id: &TestId, red: &TestResult, run: &Run) -> Standing {
    let now = run.tests.get(id).map(|r| r.status);
    match (now, red.scope) {
        (Some(Status::Failed), _) => Standing::Red("it still fails".to_owned()),
        (Some(Status::Skipped | Status::ExpectedFailure), _) => Standing::Skipped,
        (Some(Status::Passed), Scope::Test) => Standing::Green,
        (None, Scope::Test) => Standing::Missing,
        (_, Scope::File) => inside(run, |other, result| belongs(id, red, other, result)),
        (Some(Status::Passed), Scope::Suite) if run.end == End::Exited(0) => Standing::Green,
        (_, Scope::Suite) if run.end != End::Exited(0) => Standing::Red(format!("the command {}", ended(run.end))),
        (_, Scope::Suite) => inside(run, |_, result| result.scope == Scope::Test),
    }
}

/// A file or build is healed when at least one test in it passes and none fails.
fn inside(run: &Run, mut of: impl FnMut(&TestId, &TestResult) -> bool) -> Standing {
    let tests: Vec<_> = run.tests.iter().filter(|(id, result)| of(id, result)).collect();
    let failed: Vec<_> =
        tests.iter().filter(|(_, r)| r.status == Status::Failed).map(|(id, _)| id.0.as_str()).collect();
    if !failed.is_empty() {
        return Standing::Red(format!("in it fails {}", failed.join(", ")));
    }
    if tests.iter().any(|(_, r)| r.status == Status::Passed) { Standing::Green } else { Standing::Missing }
}

/// In words: `exited with 1`.
pub fn ended(end: End) -> String {
    match end {
        End::Exited(code) => format!("exited with {code}"),
        End::Signaled(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => "did not end in time".to_owned(),
        End::Cancelled => "was cancelled".to_owned(),
        End::NotFound => "was not found".to_owned(),
        End::NotStarted => "could not be started".to_owned(),
    }
}

/// What speaks against a run as a whole, whatever its tests are.
fn object_to_run(objections: &mut Objections, before: &Run, run: &Run) {
    match run.end {
        End::TimedOut => objections.add(Verdict::TimedOut, "suite.timed-out", "the suite did not end in time"),
        End::NotFound | End::NotStarted => {
            objections.add(Verdict::Unstable, "suite.not-started", format!("the command {}", ended(run.end)));
        }
        End::Exited(_) | End::Signaled(_) | End::Cancelled => {}
    }
    for what in run.contradictions.iter().filter(|c| !before.contradictions.contains(c)) {
        // a run that claims success and contradicts itself was made to: that is how report hooks and early exits look
        let verdict = if run.end == End::Exited(0) { Verdict::Tampered } else { Verdict::Unstable };
        objections.add(verdict, "run.contradiction", what.clone());
    }
}

fn object_to_red(objections: &mut Objections, before: &Run, run: &Run) {
    for (id, red) in before.tests.iter().filter(|(_, r)| r.status == Status::Failed) {
        match standing(id, red, run) {
            Standing::Green => {}
            Standing::Red(why) => objections.add(Verdict::StillRed, "test.still-red", format!("{id}: {why}")),
            Standing::Missing => objections.add(Verdict::StillRed, "test.missing", format!("{id} did not run")),
            Standing::Skipped => {
                objections.add(Verdict::StillRed, "test.skipped", format!("{id} is skipped instead of green"));
            }
        }
    }
}

/// What a run of (at least) the red tests says against the patch.
pub fn after_red(before: &Run, run: &Run) -> Objections {
    let mut objections = Objections::default();
    object_to_run(&mut objections, before, run);
    object_to_red(&mut objections, before, run);
    objections
}

/// What a run of the whole suite says against the patch.
pub fn after_all(before: &Run, run: &Run, runner: Runner) -> Objections {
    let mut objections = after_red(before, run);
    for (id, old) in before.tests.iter().filter(|(_, r)| r.status != Status::Failed) {
        let (rule, how) = match (old.status, run.tests.get(id).map(|r| r.status)) {
            (Status::Passed, Some(Status::Passed)) => continue,
            (_, None) if old.scope != Scope::Test => continue,
            (_, None) => ("test.missing", "did not run any more"),
            (_, Some(Status::Failed)) => ("test.fails", "fails"),
            (Status::Passed, Some(Status::Skipped)) => ("test.skipped", "passed and is skipped now"),
            (Status::Passed, Some(Status::ExpectedFailure)) => {
                ("test.expected-failure", "passed and is an expected failure now")
            }
            (Status::Skipped | Status::ExpectedFailure | Status::Failed, Some(_)) => continue,
        };
        objections.add(Verdict::Regressed, rule, format!("{id} {how}"));
        objections.regressed.insert(id.clone());
    }
    let hidden = |id: &TestId, result: &TestResult| {
        before.tests.iter().any(|(red_id, red)| {
            red.status == Status::Failed
                && (red.scope == Scope::Suite || red.scope == Scope::File && belongs(red_id, red, id, result))
        })
    };
    for (id, result) in run.tests.iter().filter(|(id, r)| r.status == Status::Failed && !before.tests.contains_key(id))
    {
        if !hidden(id, result) {
            objections.add(Verdict::Regressed, "test.new-fails", format!("{id} is new and fails"));
            objections.regressed.insert(id.clone());
        }
    }
    if objections.found.is_empty() && run.end != End::Exited(0) {
        let what = format!("every test is green, and yet the command {}", ended(run.end));
        objections.add(Verdict::StillRed, "suite.exit-code", what);
    }
    if objections.found.is_empty()
        && runner != Runner::Command
        && !run.tests.values().any(|r| r.status == Status::Passed)
    {
        objections.add(Verdict::StillRed, "suite.nothing-ran", "no test ran");
    }
    objections
}

/// Tests whose result differs between two runs that should be the same.
pub fn differing(one: &Run, other: &Run) -> BTreeSet<TestId> {
    one.tests
        .iter()
        .filter(|(id, result)| other.tests.get(id).is_some_and(|o| o.status != result.status))
        .map(|(id, _)| id.clone())
        .collect()
}

/// The red tests that are not red in `run`, a run without the patch.
pub fn not_red_again(before: &Run, run: &Run) -> BTreeSet<TestId> {
    let ran_out = run.end == End::TimedOut;
    let red = |id: &TestId, result: &TestResult| match run.tests.get(id).map(|r| r.status) {
        Some(Status::Failed) => true,
        Some(_) if result.scope == Scope::Test => false,
        None if result.scope == Scope::Test => ran_out,
        _ => !matches!(standing(id, result, run), Standing::Green) || ran_out,
    };
    before
        .tests
        .iter()
        .filter(|(_, r)| r.status == Status::Failed)
        .filter(|(id, result)| !red(id, result))
        .map(|(id, _)| id.clone())
        .collect()
}

#[cfg(test)]
#[path = "tests/inventory.rs"]
mod tests;
