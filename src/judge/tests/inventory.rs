//! Tests of comparing runs.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::suite::LogFiles;

fn run(end: End, tests: &[(&str, Status, Scope)]) -> Run {
    let result = |status: Status, scope: Scope, file: Option<String>| TestResult {
        status,
        scope,
        duration_ms: None,
        message: None,
        file,
    };
    Run {
        tests: tests
            .iter()
            .map(|(id, status, scope)| {
                let file = id.split("::").next().filter(|f| f.ends_with(".py")).map(str::to_owned);
                (TestId((*id).to_owned()), result(*status, *scope, file))
            })
            .collect(),
        end,
        duration: Duration::ZERO,
        log: LogFiles { stdout: PathBuf::new(), stderr: PathBuf::new() },
        contradictions: Vec::new(),
    }
}

use Scope::{File, Suite as Whole, Test};
use Status::{ExpectedFailure, Failed, Passed, Skipped};

const OK: End = End::Exited(0);
const BAD: End = End::Exited(1);

fn before() -> Run {
    run(
        BAD,
        &[
            ("t.py::red", Failed, Test),
            ("t.py::green", Passed, Test),
            ("t.py::skipped", Skipped, Test),
            ("t.py::xfail", ExpectedFailure, Test),
        ],
    )
}

/// The run before with every test as `change` says, all others green as they should be.
fn after(change: &[(&str, Option<Status>)]) -> Run {
    let mut now = before();
    now.end = OK;
    now.tests.get_mut(&TestId("t.py::red".into())).unwrap().status = Passed;
    for (id, status) in change {
        match status {
            None => drop(now.tests.remove(&TestId((*id).into()))),
            Some(status) => now.tests.get_mut(&TestId((*id).into())).unwrap().status = *status,
        }
    }
    now
}

fn said(before: &Run, run: &Run) -> Option<(Verdict, String)> {
    after_all(before, run, Runner::Pytest).verdict().map(|(v, r)| (v, r[0].rule.clone()))
}

#[test]
fn every_red_test_green_and_all_others_as_before_has_no_objection() {
    assert_eq!(said(&before(), &after(&[])), None);
    // an expected failure that passes now is no harm
    assert_eq!(said(&before(), &after(&[("t.py::xfail", Some(Passed))])), None);
}

#[test]
fn each_way_to_lose_a_test_has_its_name() {
    use Verdict::{Regressed, StillRed};
    let table: &[(&str, Option<Status>, Verdict, &str)] = &[
        ("t.py::red", Some(Failed), StillRed, "test.still-red"),
        ("t.py::red", Some(Skipped), StillRed, "test.skipped"),
        ("t.py::red", Some(ExpectedFailure), StillRed, "test.skipped"),
        ("t.py::red", None, StillRed, "test.missing"),
        ("t.py::green", Some(Failed), Regressed, "test.fails"),
        ("t.py::green", Some(Skipped), Regressed, "test.skipped"),
        ("t.py::green", Some(ExpectedFailure), Regressed, "test.expected-failure"),
        ("t.py::green", None, Regressed, "test.missing"),
        ("t.py::skipped", Some(Failed), Regressed, "test.fails"),
        ("t.py::skipped", None, Regressed, "test.missing"),
    ];
    for (id, status, verdict, rule) in table {
        assert_eq!(said(&before(), &after(&[(id, *status)])), Some((*verdict, (*rule).to_owned())), "{id} {status:?}");
    }
}

#[test]
fn a_new_test_that_fails_is_a_regression_and_one_that_passes_is_not() {
    let mut now = after(&[]);
    now.tests.extend(run(OK, &[("t.py::new", Passed, Test)]).tests);
    assert_eq!(said(&before(), &now), None);
    now.tests.extend(run(OK, &[("t.py::new", Failed, Test)]).tests);
    assert_eq!(said(&before(), &now), Some((Verdict::Regressed, "test.new-fails".into())));
}

#[test]
fn a_red_exit_code_with_green_tests_is_still_red() {
    let mut now = after(&[]);
    now.end = BAD;
    assert_eq!(said(&before(), &now), Some((Verdict::StillRed, "suite.exit-code".into())));
    now.end = End::TimedOut;
    assert_eq!(said(&before(), &now), Some((Verdict::TimedOut, "suite.timed-out".into())));
}

#[test]
fn a_green_run_that_contradicts_itself_was_tampered_with() {
    let mut now = after(&[]);
    now.contradictions = vec!["announced 37, reported 32".into()];
    assert_eq!(said(&before(), &now), Some((Verdict::Tampered, "run.contradiction".into())));
    now.end = BAD;
    assert_eq!(said(&before(), &now).unwrap().0, Verdict::Unstable);
    // what the red run already said against itself is not the patch's doing
    let mut then = before();
    then.contradictions = now.contradictions.clone();
    now.end = OK;
    assert_eq!(said(&then, &now), None);
}

#[test]
fn a_file_that_could_not_be_loaded_is_healed_when_its_tests_run_and_none_fails() {
    let then = run(BAD, &[("t.py", Failed, File), ("u.py::a", Passed, Test)]);
    let green = run(OK, &[("t.py::a", Passed, Test), ("t.py::b", Skipped, Test), ("u.py::a", Passed, Test)]);
    assert_eq!(said(&then, &green), None);
    let nothing_ran = run(OK, &[("u.py::a", Passed, Test)]);
    assert_eq!(said(&then, &nothing_ran), Some((Verdict::StillRed, "test.missing".into())));
    let all_skipped = run(OK, &[("t.py::a", Skipped, Test), ("u.py::a", Passed, Test)]);
    assert_eq!(said(&then, &all_skipped), Some((Verdict::StillRed, "test.missing".into())));
    let one_fails = run(BAD, &[("t.py::a", Failed, Test), ("t.py::b", Passed, Test), ("u.py::a", Passed, Test)]);
    assert_eq!(said(&then, &one_fails), Some((Verdict::StillRed, "test.still-red".into())));
    // a file whose name only begins the same is another file
    let then = run(BAD, &[("a/t", Failed, File)]);
    let other = run(OK, &[("a/t2::x", Passed, Test)]);
    assert_eq!(said(&then, &other), Some((Verdict::StillRed, "test.missing".into())));
}

#[test]
fn a_build_is_healed_when_tests_run_and_the_command_ends_well() {
    let then = run(BAD, &[("build", Failed, Whole)]);
    assert_eq!(said(&then, &run(OK, &[("a", Passed, Test)])), None);
    assert_eq!(said(&then, &run(OK, &[])), Some((Verdict::StillRed, "test.missing".into())));
    assert_eq!(said(&then, &run(BAD, &[("a", Passed, Test)])).unwrap().0, Verdict::StillRed);
    assert_eq!(said(&then, &run(BAD, &[("build", Failed, Whole)])).unwrap().0, Verdict::StillRed);
    let command = run(OK, &[("make check", Passed, Whole)]);
    let red_command = run(BAD, &[("make check", Failed, Whole)]);
    assert_eq!(after_all(&red_command, &command, Runner::Command).verdict(), None);
}

#[test]
fn without_the_patch_every_red_test_must_be_red_again() {
    let names = |set: BTreeSet<TestId>| set.into_iter().map(|id| id.0).collect::<Vec<_>>();
    assert!(not_red_again(&before(), &before()).is_empty());
    assert_eq!(names(not_red_again(&before(), &after(&[]))), ["t.py::red"]);
    assert_eq!(names(not_red_again(&before(), &after(&[("t.py::red", None)]))), ["t.py::red"]);
    let mut hung = after(&[("t.py::red", None)]);
    hung.end = End::TimedOut;
    assert!(not_red_again(&before(), &hung).is_empty());
    let build = run(BAD, &[("build", Failed, Whole)]);
    assert!(not_red_again(&build, &build).is_empty());
    assert_eq!(names(not_red_again(&build, &run(OK, &[("a", Passed, Test)]))), ["build"]);
}

#[test]
fn many_objections_are_counted_and_the_heaviest_decides() {
    let ids: Vec<String> = (0..50).map(|i| format!("t.py::g{i}")).collect();
    let mut list: Vec<(&str, Status, Scope)> = ids.iter().map(|id| (id.as_str(), Passed, Test)).collect();
    list.push(("t.py::red", Failed, Test));
    let then = run(BAD, &list);
    let now = run(BAD, &[("t.py::red", Failed, Test)]);
    let (verdict, reasons) = after_all(&then, &now, Runner::Pytest).verdict().unwrap();
    assert_eq!(verdict, Verdict::Regressed);
    assert_eq!(reasons.len(), 21);
    assert_eq!(reasons[20].what, "and 31 more");
}
