//! The suite's adapter with real runners: exact names and results, selections, and results that can't be faked by printing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kaizen_ci::process::{self, Spec};
use kaizen_ci::suite::{CommandLine, LogFiles, Run, Runner, Selection, Status, Suite, TestId, adapter, detect};
use tokio_util::sync::CancellationToken;

/// A project in a folder with a blank in its name, and a place for reports beside it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self { dir: tempfile::Builder::new().prefix("kaizen suite ").tempdir().unwrap() };
        for (name, text) in files {
            place.write(name, text);
        }
        place
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.top().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn detected(&self) -> Suite {
        let suites = detect::detect(&self.top());
        assert_eq!(suites.len(), 1, "{suites:?}");
        suites[0].clone()
    }

    fn run(&self, suite: &Suite, selection: &Selection) -> Run {
        self.run_for(suite, selection, Duration::from_secs(120))
    }

    #[tokio::main]
    async fn run_for(&self, suite: &Suite, selection: &Selection, time_limit: Duration) -> Run {
        process::set_supervisor(env!("CARGO_BIN_EXE_kaizen-ci"));
        let reports = tempfile::Builder::new().prefix("reports ").tempdir_in(self.dir.path()).unwrap();
        let prepared = adapter::prepare(suite, selection, &self.top(), reports.path());
        let mut env = process::environment::clean(std::env::vars_os(), &[]);
        env.extend(prepared.env.clone());
        let log = LogFiles { stdout: reports.path().join("stdout.log"), stderr: reports.path().join("stderr.log") };
        let spec = Spec {
            argv: prepared.argv.clone(),
            cwd: prepared.cwd.clone(),
            env,
            time_limit,
            grace: Duration::from_millis(200),
            stdout: log.stdout.clone(),
            stderr: log.stderr.clone(),
            log_cap_bytes: process::LOG_CAP_BYTES,
            background: false,
            silence: None,
        };
        let finished = process::run(&spec, &CancellationToken::new()).await.unwrap();
        adapter::collect(suite, &prepared, &finished, &log, &self.top())
    }
}

fn shell(runner: Runner, line: &str) -> Suite {
    Suite {
        name: "s".into(),
        dir: PathBuf::new(),
        command: CommandLine::Shell(line.into()),
        runner,
        found_by: "--cmd".into(),
    }
}

/// `id=status` lines in order.
fn lines(run: &Run) -> Vec<String> {
    let status = |s: Status| match s {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
        Status::ExpectedFailure => "xfail",
    };
    run.tests.iter().map(|(id, r)| format!("{id} = {}", status(r.status))).collect()
}

fn only(ids: &[&str]) -> Selection {
    Selection::Only(ids.iter().map(|id| TestId((*id).to_owned())).collect::<BTreeSet<_>>())
}

fn message<'a>(run: &'a Run, id: &str) -> &'a str {
    run.tests[&TestId(id.to_owned())].message.as_deref().unwrap_or_default()
}

/// Whether a program is there; says so when not.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|d| Path::new(&d).join(program).is_file());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

const PYTHON_TESTS: &str = r#"
import pytest, unittest

def test_good(): pass

def test_bad():
    total = 1 + 1
    assert total == 3

@pytest.mark.skip(reason="later")
def test_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_known(): assert False

@pytest.mark.parametrize("x", ["a b", "é::ü", "x/y", "[1]"])
def test_odd(x): assert x != "x/y"

@pytest.fixture
def broken(): raise RuntimeError("no fixture")

def test_setup(broken): pass

class TestBox:
    def test_in_class(self): pass

class Old(unittest.TestCase):
    def test_old(self): self.assertEqual(1, 1)
"#;

const PYTHON_RESULTS: [&str; 11] = [
    r"tests/test_a.py::Old::test_old = passed",
    r"tests/test_a.py::TestBox::test_in_class = passed",
    r"tests/test_a.py::test_bad = failed",
    r"tests/test_a.py::test_good = passed",
    r"tests/test_a.py::test_known = xfail",
    r"tests/test_a.py::test_odd[[1]] = passed",
    r"tests/test_a.py::test_odd[\xe9::\xfc] = passed",
    r"tests/test_a.py::test_odd[a b] = passed",
    r"tests/test_a.py::test_odd[x/y] = failed",
    r"tests/test_a.py::test_setup = failed",
    r"tests/test_a.py::test_skipped = skipped",
];

#[test]
fn pytest_gives_exact_names_and_results_with_the_place_of_the_failure() {
    let place = Place::new(&[("tests/test_a.py", PYTHON_TESTS)]);
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), PYTHON_RESULTS);
    assert_eq!(run.contradictions, [""; 0]);
    assert!(message(&run, "tests/test_a.py::test_bad").contains("tests/test_a.py:8: AssertionError"));
    assert!(message(&run, "tests/test_a.py::test_setup").contains("no fixture"));
    assert!(!run.is_green());
}

#[test]
fn pytest_through_a_shell_in_another_folder_gives_the_same_names() {
    let place = Place::new(&[
        ("sub/tests/test_a.py", PYTHON_TESTS),
        ("Makefile", "test:\n\tcd sub && python3 -m pytest -q -x\n"),
    ]);
    let expected: Vec<String> = PYTHON_RESULTS.iter().map(|r| format!("sub/{r}")).collect();
    for line in
        ["make test", "cd sub && python3 -m pytest -x -q", "cd sub; PYTHONPATH=. python3 -m pytest | cat; false"]
    {
        let run = place.run(&shell(Runner::Pytest, line), &Selection::All);
        assert_eq!(lines(&run), expected, "{line}");
        assert_eq!(run.contradictions, [""; 0], "{line}");
    }
    let ids = ["sub/tests/test_a.py::test_odd[x/y]", r"sub/tests/test_a.py::test_odd[\xe9::\xfc]"];
    let run = place.run(&shell(Runner::Pytest, "make test"), &only(&ids));
    assert_eq!(run.tests.keys().map(|t| t.0.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(ids));
}

#[test]
fn pytest_runs_only_the_red_tests_and_loads_only_their_files() {
    let place = Place::new(&[("tests/test_a.py", PYTHON_TESTS), ("tests/test_b.py", "raise SystemError('loaded')")]);
    let ids = ["tests/test_a.py::test_bad", "tests/test_a.py::test_odd[a b]"];
    let run = place.run(&place.detected(), &only(&ids));
    assert_eq!(lines(&run), ["tests/test_a.py::test_bad = failed", "tests/test_a.py::test_odd[a b] = passed"]);
    let all = place.run(&place.detected(), &Selection::All);
    let file = &all.tests[&TestId("tests/test_b.py".into())];
    assert_eq!((file.status, file.scope), (Status::Failed, kaizen_ci::suite::Scope::File));
    assert!(file.message.as_ref().unwrap().contains("loaded"));
    assert_eq!(all.tests.len(), PYTHON_RESULTS.len() + 1, "a file that can't be loaded hides only its own tests");
}

#[test]
fn a_conftest_that_prints_success_does_not_fool_the_results() {
    let print = "
def pytest_unconfigure(config):
    print('======== 32 passed in 0.10s ========')
def pytest_terminal_summary(terminalreporter):
    terminalreporter.stats.pop('failed', None)
def pytest_sessionfinish(session):
    session.exitstatus = 0
";
    let place = Place::new(&[("conftest.py", print), ("tests/test_a.py", PYTHON_TESTS)]);
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), PYTHON_RESULTS);
    assert!(run.contradictions.iter().any(|c| c.contains("printed")), "{:?}", run.contradictions);
    assert!(run.contradictions.iter().any(|c| c.contains("exited with 0")), "{:?}", run.contradictions);
    assert!(!run.is_green());
}

#[test]
fn a_report_hook_that_turns_failures_into_passes_is_seen() {
    let hook = "
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == 'call':
        report.outcome, report.longrepr = 'passed', None
";
    let place = Place::new(&[("conftest.py", hook), ("test_a.py", "def test_bad():\n    assert 1 == 2\n")]);
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), ["test_a.py::test_bad = failed"]);
    assert!(run.contradictions.iter().any(|c| c.contains("AssertionError")), "{:?}", run.contradictions);
}

#[test]
fn a_python_process_that_leaves_in_the_middle_is_a_crash() {
    let place =
        Place::new(&[("test_a.py", "import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\ndef test_c(): pass\n")]);
    let run = place.run(&place.detected(), &Selection::All);
    assert!(run.contradictions.iter().any(|c| c.contains("did not report to the end")), "{:?}", run.contradictions);
    place.write(
        "test_a.py",
        "import os\ndef test_a(): pass\ndef test_b(): os.kill(os.getpid(), 11)\ndef test_c(): pass\n",
    );
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), ["(crash) = failed", "test_a.py::test_a = passed"]);
    assert!(message(&run, "(crash)").contains("test_a.py::test_b"));
}

#[test]
fn a_python_test_that_hangs_is_named() {
    let place = Place::new(&[(
        "test_a.py",
        "import time\ndef test_a(): pass\ndef test_b(): time.sleep(60)\ndef test_c(): pass\n",
    )]);
    let run = place.run_for(&place.detected(), &Selection::All, Duration::from_secs(3));
    assert_eq!(lines(&run), ["(suite) = failed", "test_a.py::test_a = passed", "test_a.py::test_b = failed"]);
    assert_eq!(message(&run, "test_a.py::test_b"), "timed out");
}

#[test]
fn no_tests_and_no_command_are_said_in_words() {
    let place = Place::new(&[("pytest.ini", "[pytest]\n")]);
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(message(&run, "(suite)"), "pytest collected no tests");
    let run = place.run(&shell(Runner::Command, "no-such-program-here"), &Selection::All);
    assert!(message(&run, "(suite)").starts_with("command not found"), "{run:?}");
    let run = place.run(&shell(Runner::Command, "echo fine; exit 3"), &Selection::All);
    assert!(message(&run, "(suite)").contains("exited with 3\nfine"), "{run:?}");
    let run = place.run(&shell(Runner::Command, "true"), &Selection::All);
    assert_eq!(lines(&run), ["(suite) = passed"]);
    assert!(run.is_green());
}

#[test]
fn a_command_that_prints_tap_has_the_tests_that_it_names_unless_its_exit_code_says_otherwise() {
    let place = Place::new(&[("README", "")]);
    let of = |line: &str| lines(&place.run(&shell(Runner::Command, line), &Selection::All));
    let stream = "echo building; printf '1..2\\nok 1 - adds\\nnot ok 2 - takes away\\n'";
    assert_eq!(of(&format!("{stream}; exit 1")), ["adds = passed", "takes away = failed"]);
    assert_eq!(of(&format!("{stream}; exit 0")), ["(suite) = passed"], "the exit code has the last word");
    assert_eq!(of(&format!("{stream}; {stream}; exit 1")), ["(suite) = failed"], "two plans");
    assert_eq!(of("echo 'ok then'; exit 1"), ["(suite) = failed"], "no plan");
    assert_eq!(of("printf '1..1\\nok 1 - adds\\n'"), ["adds = passed"]);
    let linted = of("printf '1..1\\nok 1 - adds\\n'; exit 2");
    assert_eq!(linted, ["(suite) = failed", "adds = passed"], "what failed behind the tests is no test");
}

const RUST_LIB: &str = r#"
//! Cart.
/// Adds.
/// ```
/// assert_eq!(cart_box::add(1, 2), 3);
/// ```
///
/// ```
/// assert_eq!(cart_box::add(1, 2), 4);
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)]
mod tests {
    #[test] fn adds() { assert_eq!(super::add(1, 2), 3); }
    #[test] fn fails() { println!("some output"); assert_eq!(super::add(1, 2), 4, "odd sum"); }
    #[test] #[ignore = "slow"] fn ignored() {}
    #[test] #[should_panic] fn panics() { panic!("test tests::nothing ... ok"); }
}
"#;
const RUST_IT: &str = "#[test] fn outer() {}\nmod deep { #[test] fn inner() { assert!(cart_box::add(2, 2) == 5); } }\n";
const RUST_MAIN: &str = "fn main() {}\n#[test] fn in_main() {}\n";

#[test]
fn cargo_test_gives_exact_names_and_results() {
    let manifest = "[package]\nname = \"cart-box\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    let place = Place::new(&[
        ("Cargo.toml", manifest),
        ("src/lib.rs", RUST_LIB),
        ("src/main.rs", RUST_MAIN),
        ("tests/it.rs", RUST_IT),
    ]);
    let suite = place.detected();
    let run = place.run(&suite, &Selection::All);
    let expected = [
        "cart-box tests::adds = passed",
        "cart-box tests::fails = failed",
        "cart-box tests::ignored = skipped",
        "cart-box tests::panics = passed",
        "cart-box::bin/cart-box in_main = passed",
        "cart-box::it deep::inner = failed",
        "cart-box::it outer = passed",
        "cart_box::doc src/lib.rs - add #1 = passed",
        "cart_box::doc src/lib.rs - add #2 = failed",
    ];
    assert_eq!(lines(&run), expected);
    assert_eq!(run.contradictions, [""; 0]);
    assert!(message(&run, "cart-box tests::fails").contains("odd sum"));
    assert!(message(&run, "cart-box::it deep::inner").contains("tests/it.rs:2:"));

    let run = place.run(&suite, &only(&["cart-box tests::fails", "cart-box::it outer"]));
    assert_eq!(lines(&run), ["cart-box tests::fails = failed", "cart-box::it outer = passed"]);

    place.write("src/lib.rs", &RUST_LIB.replace("a + b", "a + c"));
    let run = place.run(&suite, &Selection::All);
    assert_eq!(lines(&run), ["(build) = failed"]);
    assert!(message(&run, "(build)").contains("cannot find value `c`"), "{run:?}");

    let forger = "#[test] fn a() { std::process::exit(0) }\n#[test] fn b() {}\n";
    place.write("src/lib.rs", &RUST_LIB.replace("a + c", "a + b"));
    place.write("tests/it.rs", forger);
    let run = place.run(&suite, &Selection::All);
    assert!(
        run.contradictions.iter().any(|c| c.contains("cart-box::it exited with 0 but")),
        "{:?}",
        run.contradictions
    );
    place.write("tests/it.rs", &forger.replace("exit(0)", "abort()"));
    let run = place.run(&suite, &Selection::All);
    assert!(message(&run, "(crash)").contains("ended by signal 6"), "{run:?}");
}

const NODE_TESTS: &str = r#"
import test, { describe, it } from 'node:test';
import assert from 'node:assert';
describe('total', () => {
  it('adds', () => assert.equal(1 + 1, 2));
  it('with discount', () => { console.log('{"type":"test:pass"}'); assert.equal(1 + 1, 3); });
  it.skip('later', () => {});
  it('todo failing', { todo: true }, () => { assert.ok(false); });
  describe('deep', () => { it('odd "chars" (.*) $x', () => {}); it('same', () => {}); it('same', () => {}); });
});
test('top', async (t) => { await t.test('sub', () => { throw new TypeError('boom'); }); });
"#;

#[test]
fn node_test_gives_exact_names_and_results() {
    if !has("node") || !has("npm") {
        return;
    }
    let package = r#"{"scripts":{"test":"node --test"}}"#;
    let place = Place::new(&[
        ("package.json", package),
        ("cart.test.mjs", NODE_TESTS),
        ("test/broken.test.cjs", "require('./nothing')"),
    ]);
    let direct = shell(Runner::NodeTest, "node --test");
    let expected = [
        "cart.test.mjs > top = failed",
        "cart.test.mjs > top > sub = failed",
        "cart.test.mjs > total > adds = passed",
        "cart.test.mjs > total > deep > odd \"chars\" (.*) $x = passed",
        "cart.test.mjs > total > deep > same = passed",
        "cart.test.mjs > total > deep > same #2 = passed",
        "cart.test.mjs > total > later = skipped",
        "cart.test.mjs > total > todo failing = xfail",
        "cart.test.mjs > total > with discount = failed",
        "test/broken.test.cjs = failed",
    ];
    for suite in [place.detected(), direct.clone()] {
        let run = place.run(&suite, &Selection::All);
        assert_eq!(lines(&run), expected, "{suite:?}");
        assert_eq!(run.contradictions, [""; 0]);
        assert!(message(&run, "cart.test.mjs > total > with discount").contains("cart.test.mjs:6:"));
    }
    let ids = ["cart.test.mjs > total > with discount", "cart.test.mjs > total > deep > odd \"chars\" (.*) $x"];
    let run = place.run(&direct, &only(&ids));
    let ran: BTreeSet<_> = run.tests.keys().map(|t| t.0.as_str()).collect();
    // a suite whose name is asked for runs whole; what is outside of it does not run
    assert!(ran.is_superset(&BTreeSet::from(ids)), "{ran:?}");
    assert!(ran.iter().all(|id| id.starts_with("cart.test.mjs > total > ")), "{ran:?}");
}

const NODE_ENDLESS: &str = r#"
import test, { describe, it } from 'node:test';
test('fine', () => {});
describe('outer', () => { it('hangs', () => { END }); });
test('never begun', () => {});
"#;

#[test]
fn a_test_that_computes_without_end_or_takes_node_along_is_named() {
    if !has("node") {
        return;
    }
    let suite = shell(Runner::NodeTest, "node --test");
    for (end, why) in [("for (;;) {}", "timed out"), ("process.exit(3);", "its process ended while it ran")] {
        let place = Place::new(&[("cart.test.mjs", &NODE_ENDLESS.replace("END", end))]);
        let run = place.run_for(&suite, &Selection::All, Duration::from_secs(4));
        assert_eq!(message(&run, "cart.test.mjs > outer > hangs"), why, "{run:#?}");
        assert!(run.contradictions.is_empty(), "{run:#?}");
    }
}

const GO_TESTS: &str = r#"package cart
import ("fmt"; "testing")
func TestGood(t *testing.T) {}
func TestBad(t *testing.T) { if Add(1, 1) != 3 { t.Errorf("expected %d, got %d", 3, Add(1, 1)) } }
func TestSkip(t *testing.T) { t.Skip("later") }
func TestTable(t *testing.T) {
	for _, n := range []string{"a b", "x/y"} { t.Run(n, func(t *testing.T) { if n == "x/y" { t.Fatal("sub failed") } }) }
}
func ExampleAdd() {
	fmt.Println(Add(1, 2))
	// Output: 3
}
"#;

#[test]
fn go_test_gives_exact_names_and_results() {
    if !has("go") {
        return;
    }
    let cart = "package cart\nfunc Add(a, b int) int { return a + b }\n";
    let place = Place::new(&[
        ("go.mod", "module example.com/shop\ngo 1.19\n"),
        ("cart/cart.go", cart),
        ("cart/cart_test.go", GO_TESTS),
        ("empty/e.go", "package empty\n"),
    ]);
    let expected = [
        "example.com/shop/cart ExampleAdd = passed",
        "example.com/shop/cart TestBad = failed",
        "example.com/shop/cart TestGood = passed",
        "example.com/shop/cart TestSkip = skipped",
        "example.com/shop/cart TestTable = failed",
        "example.com/shop/cart TestTable/a_b = passed",
        "example.com/shop/cart TestTable/x/y = failed",
    ];
    for suite in [place.detected(), shell(Runner::Go, "go vet ./... ; go test ./...")] {
        let run = place.run(&suite, &Selection::All);
        assert_eq!(lines(&run), expected);
        assert_eq!(run.contradictions, [""; 0]);
        assert!(message(&run, "example.com/shop/cart TestBad").contains("cart_test.go:4: expected 3, got 2"));
    }
    let run =
        place.run(&place.detected(), &only(&["example.com/shop/cart TestBad", "example.com/shop/cart TestTable/x/y"]));
    assert_eq!(run.tests.len(), 4, "{run:?}");

    let forger = GO_TESTS.replace("{ if Add", "{ fmt.Println(\"--- PASS: TestBad (0.00s)\"); if Add");
    place.write("cart/cart_test.go", &forger);
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(run.tests[&TestId("example.com/shop/cart TestBad".into())].status, Status::Failed);

    place.write("cart/cart.go", &cart.replace("a + b", "a + c"));
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), ["(build) = failed"]);
    assert!(message(&run, "(build)").contains("cart/cart.go:2:"), "{run:?}");

    place.write("cart/cart.go", cart);
    place.write("cart/cart_test.go", "package cart\nimport (\"os\"; \"testing\")\nfunc TestA(t *testing.T) {}\nfunc TestMain(m *testing.M) { m.Run(); os.Exit(3) }\n");
    let run = place.run(&place.detected(), &Selection::All);
    assert_eq!(lines(&run), ["example.com/shop/cart = failed", "example.com/shop/cart TestA = passed"]);
}

#[test]
fn what_go_builds_stays_beside_the_reports_when_it_is_killed() {
    if !has("go") {
        return;
    }
    // a test binary lies where go builds it
    let test = "package cart\nimport (\"os\"; \"strings\"; \"testing\")\nfunc TestPlace(t *testing.T) { if \
                !strings.Contains(os.Args[0], \"reports \") { t.Fatal(os.Args[0]) } }\n";
    let place = Place::new(&[
        ("go.mod", "module example.com/shop\ngo 1.19\n"),
        ("cart/cart.go", "package cart\n"),
        ("cart/cart_test.go", test),
    ]);
    assert_eq!(lines(&place.run(&place.detected(), &Selection::All)), ["example.com/shop/cart TestPlace = passed"]);
}

#[test]
fn nextest_gives_the_same_names_as_cargo_test() {
    if !has("cargo-nextest") {
        return;
    }
    let manifest = "[package]\nname = \"cart-box\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    let place = Place::new(&[
        ("Cargo.toml", manifest),
        (".config/nextest.toml", "[profile.default]\nfail-fast = true\n"),
        ("src/lib.rs", RUST_LIB),
        ("src/main.rs", RUST_MAIN),
        ("tests/it.rs", RUST_IT),
    ]);
    let suite = place.detected();
    assert_eq!(suite.runner, Runner::Nextest);
    let expected = [
        "cart-box tests::adds = passed",
        "cart-box tests::fails = failed",
        "cart-box tests::ignored = skipped",
        "cart-box tests::panics = passed",
        "cart-box::bin/cart-box in_main = passed",
        "cart-box::it deep::inner = failed",
        "cart-box::it outer = passed",
    ];
    for suite in [suite.clone(), shell(Runner::Nextest, "cargo build; cargo nextest run")] {
        let run = place.run(&suite, &Selection::All);
        assert_eq!(lines(&run), expected);
        assert_eq!(run.contradictions, [""; 0]);
        assert!(message(&run, "cart-box tests::fails").contains("odd sum"));
    }
    let run = place.run(&suite, &only(&["cart-box tests::fails", "cart-box::it outer"]));
    assert_eq!(lines(&run), ["cart-box tests::fails = failed", "cart-box::it outer = passed"]);
    place.write("src/lib.rs", &RUST_LIB.replace("a + b", "a + c"));
    let run = place.run(&suite, &Selection::All);
    assert_eq!(lines(&run), ["(build) = failed"]);
}

#[test]
fn unittest_gives_exact_names_and_results() {
    let tests = r#"
import unittest
class Cart(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1 + 1, 3)
    @unittest.skip("later")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_known(self): self.fail()
    def test_parts(self):
        for n in (1, 2):
            with self.subTest(n=n): self.assertEqual(n, 1)
"#;
    let place = Place::new(&[
        ("tests/__init__.py", ""),
        ("tests/test_a.py", tests),
        ("tests/test_b.py", "import nothing_here"),
    ]);
    let expected = [
        "tests.test_a.Cart.test_bad = failed",
        "tests.test_a.Cart.test_good = passed",
        "tests.test_a.Cart.test_known = xfail",
        "tests.test_a.Cart.test_parts = failed",
        "tests.test_a.Cart.test_skipped = skipped",
        "tests.test_b = failed",
    ];
    for line in ["python3 -m unittest", "python3 -m unittest discover -f | cat; false"] {
        let run = place.run(&shell(Runner::Unittest, line), &Selection::All);
        assert_eq!(lines(&run), expected, "{line}");
        assert_eq!(run.contradictions, [""; 0]);
        assert!(message(&run, "tests.test_b").contains("nothing_here"));
    }
    let run = place.run(&shell(Runner::Unittest, "python3 -m unittest"), &only(&["tests.test_a.Cart.test_bad"]));
    assert_eq!(lines(&run), ["tests.test_a.Cart.test_bad = failed"]);
}

#[test]
fn prove_gives_results_by_file_and_name() {
    if !has("prove") {
        return;
    }
    let t = "print \"1..3\\nok 1 - adds\\nnot ok 2 - subtracts\\n# got 3\\nok 3 - later # SKIP why\\n\"; exit 1;\n";
    let place = Place::new(&[("t/basic.t", t)]);
    let suite = place.detected();
    let run = place.run(&suite, &Selection::All);
    assert_eq!(
        lines(&run),
        ["t/basic.t > adds = passed", "t/basic.t > later = skipped", "t/basic.t > subtracts = failed"]
    );
    assert_eq!(run.contradictions, [""; 0]);
}

/// jest, vitest and mocha are not part of this repository: with KAIZEN_TEST_NODE_MODULES naming a folder that has them,
/// they are run; the recorded reports in `fixtures/formats` are read in any case.
#[test]
fn jest_vitest_and_mocha_give_exact_names_and_results() {
    let Some(modules) = std::env::var_os("KAIZEN_TEST_NODE_MODULES") else {
        eprintln!("skipped: KAIZEN_TEST_NODE_MODULES is not set");
        return;
    };
    let body = "describe('total', () => {\n it('adds', () => {});\n it('with > discount', () => { throw new Error('odd sum'); });\n it.skip('later', () => {});\n it('same', () => {}); it('same', () => {});\n});\n";
    let cases = [
        (Runner::Jest, "jest", "cart.test.js", ""),
        (Runner::Vitest, "vitest run", "cart.test.mjs", "import { describe, it } from 'vitest';"),
        (Runner::Mocha, "mocha cart.test.js", "cart.test.js", ""),
    ];
    for (runner, script, file, first) in cases {
        let package = format!(r#"{{"scripts":{{"test":"{script}"}}}}"#);
        let place = Place::new(&[("package.json", &package), (file, &format!("{first}{body}"))]);
        std::os::unix::fs::symlink(&modules, place.top().join("node_modules")).unwrap();
        let suite = place.detected();
        assert_eq!(suite.runner, runner);
        let id = |name: &str| format!("{file} > total > {name}");
        let expected = [
            ("adds", "passed"),
            ("later", "skipped"),
            ("same", "passed"),
            ("same #2", "passed"),
            ("with > discount", "failed"),
        ];
        let expected: Vec<String> = expected.iter().map(|(n, s)| format!("{} = {s}", id(n))).collect();
        let npx = shell(runner, &format!("npx {script} && echo done"));
        for suite in [&suite, &npx] {
            let run = place.run(suite, &Selection::All);
            assert_eq!(lines(&run), expected, "{suite:?}");
            assert_eq!(run.contradictions, [""; 0]);
            assert!(message(&run, &id("with > discount")).contains("odd sum"));
        }
        let run = place.run(&suite, &only(&[&id("with > discount"), &id("adds")]));
        assert_eq!(lines(&run), [expected[0].clone(), expected[4].clone()], "{runner:?}");
        place.write("package.json", &format!(r#"{{"scripts":{{"test":"NODE_OPTIONS=--no-warnings {script}"}}}}"#));
        let run = place.run(&place.detected(), &Selection::All);
        assert_eq!(lines(&run), expected, "{runner:?} with NODE_OPTIONS of its own");
    }
}

#[test]
fn for_some_tests_a_script_runs_without_its_linter_and_without_what_follows_and_only_their_files_are_loaded() {
    if !has("node") || !has("npm") {
        return;
    }
    let package = r#"{"scripts": {"pretest": "node build.js", "lint": "eslint .",
        "test": "npm run lint && node --test t/*.test.js && node after.js"}}"#;
    let place = Place::new(&[
        ("package.json", package),
        ("build.js", "require('fs').writeFileSync('built', 'yes')"),
        ("after.js", "process.exit(3)"),
        (
            "t/a.test.js",
            "const { test } = require('node:test');
             const fs = require('fs');
             test('built', () => { if (!fs.existsSync('built')) throw new Error('not built'); });
             test('colours', () => { if (process.env.NO_COLOR || process.env.FORCE_COLOR) throw new Error('set'); });
             test('red', () => { throw new Error('\\u001b[31mno\\u001b[0m'); });",
        ),
        ("t/b.test.js", "throw new Error('loaded')"),
    ]);
    let suite = place.detected();
    assert_eq!((suite.runner, suite.command.display().as_str()), (Runner::NodeTest, "npm test"));
    let ids = ["t/a.test.js > built", "t/a.test.js > colours", "t/a.test.js > red"];
    let run = place.run(&suite, &only(&ids));
    assert_eq!(
        lines(&run),
        ["t/a.test.js > built = passed", "t/a.test.js > colours = passed", "t/a.test.js > red = failed"]
    );
    assert!(message(&run, ids[2]).starts_with("Error: no\n"), "{}", message(&run, ids[2]));
    assert!(!place.run(&suite, &Selection::All).is_green(), "everything is the user's own command");
}

#[test]
fn what_a_command_checks_besides_its_tests_counts_for_whole_runs_only() {
    if !has("node") {
        return;
    }
    // as a threshold of coverage does, which a few tests can't reach
    let place = Place::new(&[("package.json", r#"{"scripts": {"test": "mocha"}}"#)]);
    let mocha = "#!/usr/bin/env node
        const fs = require('fs');
        const line = (l) => fs.appendFileSync(process.env.KAIZEN_MOCHA_REPORT, JSON.stringify(l) + '\\n');
        line({ event: 'start', total: 1 });
        line({ event: 'pass', file: process.cwd() + '/a.test.js', names: ['one'], kind: 'test' });
        line({ event: 'end', stats: { passes: 1, failures: 0, pending: 0 } });
        process.exitCode = 1;";
    place.write("node_modules/.bin/mocha", mocha);
    let program = place.top().join("node_modules/.bin/mocha");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let suite = place.detected();
    let run = place.run(&suite, &only(&["a.test.js > one"]));
    assert_eq!((lines(&run), run.contradictions), (vec!["a.test.js > one = passed".to_owned()], vec![]));
    let all = place.run(&suite, &Selection::All);
    assert!(!all.is_green() && all.red().iter().any(|id| id.0 == "(suite)"), "{:?}", lines(&all));
}
