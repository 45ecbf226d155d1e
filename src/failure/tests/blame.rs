//! Who is to blame, case by case.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::failure::scene::tests::suite;
use crate::suite::{LogFiles, Runner, Status, TestResult};

fn run(results: &[(&str, Status, Scope, &str)]) -> Run {
    let tests: BTreeMap<TestId, TestResult> = results
        .iter()
        .map(|(id, status, scope, message)| {
            let message = (!message.is_empty()).then(|| (*message).to_string());
            let result = TestResult { status: *status, scope: *scope, duration_ms: None, message, file: None };
            (TestId((*id).into()), result)
        })
        .collect();
    let red = tests.values().any(|r| r.status == Status::Failed);
    Run {
        tests,
        end: End::Exited(i32::from(red)),
        duration: Duration::from_secs(1),
        log: LogFiles { stdout: "".into(), stderr: "".into() },
        contradictions: Vec::new(),
    }
}

fn red(ids: &[&str]) -> Run {
    run(&ids.iter().map(|id| (*id, Status::Failed, Scope::Test, "E   assert 1 == 2")).collect::<Vec<_>>())
}

fn green(ids: &[&str]) -> Run {
    run(&ids.iter().map(|id| (*id, Status::Passed, Scope::Test, "")).collect::<Vec<_>>())
}

fn ask(first: &Run, reruns: &[Run], base: Option<&Run>) -> Decision {
    ask_with(first, reruns, base, "")
}

fn ask_with(first: &Run, reruns: &[Run], base: Option<&Run>, excerpt: &str) -> Decision {
    let suite = suite(Runner::Pytest);
    let project = Project { paths: &[], read: &|_| None };
    decide(&Evidence {
        suite: &suite,
        first,
        reruns,
        base: base.map(|b| (b, "main@4f2c1d9")),
        excerpt,
        project,
        offline: false,
    })
}

#[test]
fn red_now_and_green_on_base_is_this_change() {
    let decision = ask(&red(&["a"]), &[red(&["a"]), red(&["a"])], Some(&green(&["a"])));
    assert_eq!(decision.blame, Blame::ThisChange);
    assert_eq!(decision.evidence, "red again 2/2 · green on main@4f2c1d9");
    assert_eq!(decision.red.len(), 1);
}

#[test]
fn green_in_a_rerun_is_flaky() {
    let decision = ask(&red(&["a", "b"]), &[red(&["a"]), green(&["a", "b"])], Some(&green(&["a", "b"])));
    assert!(matches!(&decision.blame, Blame::Flaky { tests } if tests.len() == 2), "{decision:?}");
}

#[test]
fn a_flaky_test_beside_a_real_one_does_not_end_the_heal() {
    let rerun = run(&[("a", Status::Failed, Scope::Test, "x"), ("b", Status::Passed, Scope::Test, "")]);
    let decision = ask(&red(&["a", "b"]), &[rerun], Some(&green(&["a", "b"])));
    assert_eq!(decision.blame, Blame::ThisChange);
    assert_eq!(decision.flaky, BTreeSet::from([TestId("b".into())]));
    assert_eq!(decision.red, BTreeSet::from([TestId("a".into())]));
    assert!(decision.evidence.contains("1 of 2 red tests flaky"), "{}", decision.evidence);
}

#[test]
fn a_suite_that_was_cut_once_is_no_flaky_test_beside_tests_that_stay_red() {
    let first = run(&[("a", Status::Failed, Scope::Test, "x"), ("(suite)", Status::Failed, Scope::Suite, "cut")]);
    let rerun = run(&[("a", Status::Failed, Scope::Test, "x")]);
    let decision = ask(&first, &[rerun], Some(&green(&["a"])));
    assert_eq!((decision.flaky, decision.red), (BTreeSet::new(), BTreeSet::from([TestId("a".into())])));
    assert!(!decision.evidence.contains("flaky"), "{}", decision.evidence);
}

#[test]
fn red_on_base_too_is_broken_on_base_and_partly_red_is_not() {
    assert_eq!(ask(&red(&["a"]), &[], Some(&red(&["a"]))).blame, Blame::BrokenOnBase);
    let decision = ask(&red(&["a", "b"]), &[], Some(&red(&["a"])));
    assert_eq!(decision.blame, Blame::ThisChange);
    assert!(decision.evidence.contains("1 of 2 red on main@4f2c1d9 too"), "{}", decision.evidence);
}

#[test]
fn a_test_that_base_does_not_have_is_this_change() {
    let base = run(&[("other", Status::Failed, Scope::Test, "x")]);
    assert_eq!(ask(&red(&["new"]), &[], Some(&base)).blame, Blame::ThisChange);
}

#[test]
fn without_base_nobody_is_blamed() {
    assert_eq!(ask(&red(&["a"]), &[], None).blame, Blame::Unknown);
}

#[test]
fn a_base_that_does_not_build_tells_nothing_about_a_test() {
    let base = run(&[("build", Status::Failed, Scope::Suite, "error: x")]);
    assert_eq!(ask(&red(&["a"]), &[], Some(&base)).blame, Blame::Unknown);
    let now = run(&[("build", Status::Failed, Scope::Suite, "error: x")]);
    assert_eq!(ask(&now, &[], Some(&base)).blame, Blame::BrokenOnBase);
}

#[test]
fn a_build_that_fails_now_and_ran_on_base_is_this_change() {
    let now = run(&[("build", Status::Failed, Scope::Suite, "error[E0425]: x")]);
    let base = run(&[("a", Status::Passed, Scope::Test, ""), ("b", Status::Failed, Scope::Test, "x")]);
    assert_eq!(ask(&now, &[], Some(&base)).blame, Blame::ThisChange);
}

#[test]
fn a_file_that_fails_to_load_once_and_then_runs_is_flaky() {
    let now = run(&[("tests/a.py", Status::Failed, Scope::File, "ImportError: x")]);
    let again = green(&["tests/a.py::t"]);
    assert!(matches!(ask(&now, &[again], None).blame, Blame::Flaky { .. }));
}

#[test]
fn the_environment_is_blamed_only_when_everything_says_so() {
    let module = "E   ModuleNotFoundError: No module named 'numpy'";
    let all = run(&[("a.py", Status::Failed, Scope::File, module), ("b.py", Status::Failed, Scope::File, module)]);
    assert!(matches!(ask(&all, &[], None).blame, Blame::Environment { .. }));
    // red on base for the same reason: still the environment
    assert!(matches!(ask(&all, &[], Some(&all)).blame, Blame::Environment { .. }));
    // green on base in this environment: the change brought the import
    assert_eq!(ask(&all, &[], Some(&green(&["c"]))).blame, Blame::ThisChange);
    let some =
        run(&[("a.py", Status::Failed, Scope::File, module), ("b", Status::Failed, Scope::Test, "E   assert 1 == 2")]);
    assert_eq!(ask(&some, &[], None).blame, Blame::Unknown);
}

#[test]
fn a_command_that_is_not_there_is_the_environment_unless_base_ran() {
    let mut missing = run(&[("suite", Status::Failed, Scope::Suite, "")]);
    missing.end = End::NotFound;
    assert!(matches!(ask(&missing, &[], None).blame, Blame::Environment { .. }));
    assert!(matches!(ask(&missing, &[missing.clone()], Some(&missing)).blame, Blame::Environment { .. }));
    assert_eq!(ask(&missing, &[], Some(&green(&["a"]))).blame, Blame::ThisChange);
}

#[test]
fn killed_for_memory_is_the_environment_but_not_after_a_test_failed_by_itself() {
    let mut killed = run(&[("suite", Status::Failed, Scope::Suite, "")]);
    killed.end = End::Signaled(9);
    assert!(matches!(ask(&killed, &[], None).blame, Blame::Environment { .. }));
    let mut failed = red(&["a"]);
    failed.end = End::Signaled(9);
    assert_eq!(ask(&failed, &[], None).blame, Blame::Unknown);
}

#[test]
fn a_failed_build_is_read_with_its_log() {
    let build = run(&[("suite", Status::Failed, Scope::Suite, "exit code 101")]);
    let decision = ask_with(&build, &[], None, "error: linker `cc` not found\n");
    assert!(matches!(decision.blame, Blame::Environment { .. }), "{decision:?}");
    let decision = ask_with(&build, &[], None, "error[E0425]: cannot find value `x` in this scope\n");
    assert_eq!(decision.blame, Blame::Unknown);
}

#[test]
fn a_timeout_on_both_sides_is_broken_on_base() {
    let mut hang = red(&["a"]);
    hang.end = End::TimedOut;
    assert_eq!(ask(&hang, &[], Some(&hang)).blame, Blame::BrokenOnBase);
    assert_eq!(ask(&red(&["a"]), &[], Some(&hang)).blame, Blame::Unknown);
}

#[test]
fn what_tests_reach_through_a_network_that_they_were_not_given_is_told_as_that() {
    let suite = suite(Runner::Pytest);
    for (message, of_network) in [
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", true),
        (
            "psycopg.OperationalError: connection to server at 127.0.0.1, port 5432 failed: Connection refused 5432",
            true,
        ),
        ("OSError: [Errno 28] No space left on device", false),
    ] {
        let first = run(&[("a", Status::Failed, Scope::Test, message)]);
        for offline in [true, false] {
            let project = Project { paths: &[], read: &|_| None };
            let decision = decide(&Evidence {
                suite: &suite,
                first: &first,
                reruns: &[],
                base: None,
                excerpt: "",
                project,
                offline,
            });
            let Blame::Environment { what, hint } = decision.blame else { panic!("{message}: {decision:?}") };
            assert_eq!(what.contains("without a network"), of_network && offline, "{message}: {what}");
            assert_eq!(hint.contains("`network: true`"), of_network && offline, "{message}: {hint}");
        }
    }
}

#[test]
fn a_test_that_wants_a_network_keeps_nobody_from_healing_the_others() {
    let suite = suite(Runner::Pytest);
    let refused = "ConnectionRefusedError: [Errno 111] Connection refused";
    let first = run(&[
        ("a", Status::Failed, Scope::Test, "E   assert 1 == 2"),
        ("far", Status::Failed, Scope::Test, refused),
        ("said", Status::Failed, Scope::Test, "AssertionError: 'Connection refused' != 'done'"),
    ]);
    for offline in [true, false] {
        let project = Project { paths: &[], read: &|_| None };
        let decision =
            decide(&Evidence { suite: &suite, first: &first, reruns: &[], base: None, excerpt: "", project, offline });
        let far: Vec<&str> = decision.out_of_reach.iter().map(|id| id.0.as_str()).collect();
        assert_eq!(far, if offline { vec!["far"] } else { vec![] });
        assert_eq!(decision.red.len(), if offline { 2 } else { 3 });
        assert_eq!(decision.evidence.contains("want of a network"), offline, "{}", decision.evidence);
    }
}
