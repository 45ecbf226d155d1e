//! How a test that is red in one run stands in another: results may be hidden by a file or a build that broke.

use crate::suite::{Run, Scope, Status, TestId, TestResult};

/// How a test that was red ended in another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Red again.
    Red,
    /// Green: it passed, or what could not be loaded was loaded and its tests pass.
    Green,
    /// It is not there, or was skipped.
    Absent,
    /// Its file or the whole suite could not be loaded, so nobody knows.
    Hidden,
}

/// How `id`, red in `first`, stands in `run`.
pub fn standing(run: &Run, first: &Run, id: &TestId) -> Standing {
    let before = first.tests.get(id);
    match run.tests.get(id).map(|r| r.status) {
        Some(Status::Failed) => return Standing::Red,
        Some(Status::Passed) => return Standing::Green,
        Some(Status::Skipped | Status::ExpectedFailure) => return Standing::Absent,
        None => {}
    }
    match before.map_or(Scope::Test, |r| r.scope) {
        Scope::Suite => suite(run),
        Scope::File => file(run, id, before),
        Scope::Test => test(run, id, before),
    }
}

/// A suite that could not be built stands green when it can: that some of its tests fail is another matter, which
/// [`all_green`] looks at.
fn suite(run: &Run) -> Standing {
    if run.is_green() || run.tests.values().any(|r| r.scope == Scope::Test) {
        Standing::Green
    } else {
        Standing::Absent
    }
}

fn file(run: &Run, id: &TestId, before: Option<&TestResult>) -> Standing {
    let of = before.and_then(|r| r.file.clone());
    let inside = |(other, r): &(&TestId, &TestResult)| {
        of.is_some() && r.file == of
            || other.0.strip_prefix(&id.0).is_some_and(|rest| rest.starts_with([':', ' ', '.', '/']))
    };
    let found: Vec<&TestResult> = run.tests.iter().filter(inside).map(|(_, r)| r).collect();
    let broken = |r: &TestResult| r.status == Status::Failed && r.scope == Scope::Suite;
    if found.iter().any(|r| r.status == Status::Failed) {
        Standing::Red
    } else if !found.is_empty() {
        Standing::Green
    } else if run.tests.values().any(broken) {
        Standing::Hidden
    } else {
        Standing::Absent
    }
}

fn test(run: &Run, id: &TestId, before: Option<&TestResult>) -> Standing {
    let of = before.and_then(|r| r.file.clone());
    let hides = |(other, r): (&TestId, &TestResult)| {
        r.status == Status::Failed
            && match r.scope {
                Scope::Suite => true,
                Scope::File => r.file.is_some() && r.file == of || id.0.starts_with(&other.0),
                Scope::Test => false,
            }
    };
    if run.tests.iter().any(hides) { Standing::Hidden } else { Standing::Absent }
}

/// Every red test of `first` stands green in `run`, and where a build was broken no test of it fails.
pub fn all_green(run: &Run, first: &Run) -> bool {
    let red = first.red();
    let built = first.tests.values().any(|r| r.status == Status::Failed && r.scope == Scope::Suite);
    let quiet = !built || run.tests.values().all(|r| r.status != Status::Failed);
    let silent = red.is_empty() && !run.is_green();
    quiet
        && !silent
        && run.contradictions.is_empty()
        && red.iter().all(|id| standing(run, first, id) == Standing::Green)
}

/// Red tests of `first` that are not green in `run`.
pub fn still_red(run: &Run, first: &Run) -> std::collections::BTreeSet<TestId> {
    first.red().into_iter().filter(|id| standing(run, first, id) != Standing::Green).collect()
}
