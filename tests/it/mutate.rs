//! The mutate fixer on small broken projects, directly: without the judge and the race.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kaizen_ci::fixer::Ended;
use kaizen_ci::fixer::mutate::Mutate;
use kaizen_ci::fixer::mutate::edits::Project as Sources;
use kaizen_ci::fixer::mutate::probe::node::NodeProbe;
use kaizen_ci::fixer::mutate::probe::{Ask, Change, Probe as _, arms, hits};
use kaizen_ci::suite::adapter::{Built, RECORD};
use kaizen_ci::suite::{Run, Runner, Selection, Status, TestId};
use tokio_util::sync::CancellationToken;

use crate::case::{Bench, changes, pytest};
use crate::project::{Project, has};

fn python(program: &str, tests: &str) -> Project {
    let project = Project::empty();
    project.write("program.py", program);
    project.write("test_program.py", tests);
    project.commit("A program");
    project
}

const ABOVE: &str = "
def above(values, limit):
    found = []
    for value in values:
        if value >= limit:
            found.append(value)
    return found
";
const ABOVE_TEST: &str = "
from program import above

def test_equal():
    assert above([1, 2, 3], 2) == [3]

def test_all():
    assert above([4, 5], 1) == [4, 5]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_comparison_in_python_is_healed() {
    let project = python(ABOVE, ABOVE_TEST);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(60);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert_eq!(changes(&candidates[0]), ["-        if value >= limit:", "+        if value > limit:"]);
    assert_eq!(findings.ended, Ended::Done);
    assert!(bench.with(&candidates[0]).await.is_green());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_close_is_left_for_those_who_ask_models() {
    // the second test contradicts the first: there is no heal, but one of them can be made green
    let tests = "\nfrom program import above\n\ndef test_one():\n    assert above([1, 2, 3], 2) == [3]\n\n\
        def test_other():\n    assert above([1, 2, 3], 2) == [1]\n";
    let project = python(ABOVE, tests);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(8);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert!(candidates.is_empty() && !findings.closest.is_empty(), "{findings:#?}");
    let told = bench.hints.told();
    assert!(told.contains("+        if value > limit:") && told.contains("still red with it: "), "{told}");
    assert!(told.contains("test_program.py::test_other"), "{told}");
}

const IN_CLASSES: &str = "
import pytest
from program import above

class TestFirst:
    @pytest.fixture(params=[1, 2])
    def limit(self, request):
        return request.param

    def test_with_a_fixture(self, limit):
        assert above([limit, 3], limit) == [3]

    def test_plain(self):
        assert above([2, 3], 2) == [3]

class TestSecond:
    def test_plain(self):
        assert above([4, 5], 1) == [4, 5]

    @pytest.mark.parametrize('limit', [1, 2])
    def test_of_cases(self, limit):
        assert above([limit], limit) == []
";

#[tokio::test(flavor = "multi_thread")]
async fn plain_tests_between_tests_with_fixtures_of_other_classes_do_not_hide_a_heal_in_python() {
    let project = python(ABOVE, IN_CLASSES);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(60);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert_eq!(changes(&candidates[0]), ["-        if value >= limit:", "+        if value > limit:"]);
}

const TITLES: &str = r#"
export function titles(text, small) {
  return text.split(" ").map((word, i) => (i >= 0 && small.includes(word) ? word : word.toUpperCase())).join(" ");
}
"#;
const TITLES_TEST: &str = r#"
import assert from "node:assert/strict";
import { test } from "node:test";
import { titles } from "./titles.js";
test("first", () => assert.equal(titles("of mice and men", ["of", "and"]), "OF MICE and MEN"));
test("none", () => assert.equal(titles("a b", []), "A B"));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn green_candidates_in_node_are_compared_on_further_inputs() {
    if std::process::Command::new("node").arg("--version").output().is_err() {
        return;
    }
    let project = Project::empty();
    project.write("package.json", "{ \"name\": \"titles\", \"type\": \"module\" }\n");
    project.write("titles.js", TITLES);
    project.write("titles.test.js", TITLES_TEST);
    project.commit("Titles");
    let mut bench = Bench::new(&project, crate::case::suite("node --test", Runner::NodeTest), None).await;
    bench.case.time_left = Duration::from_secs(60);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    let compared = findings.notes.iter().any(|n| n.contains("further inputs") && !n.contains(" 0 further"));
    assert!(compared, "{findings:#?}");
    assert!(changes(&candidates[0]).iter().any(|line| line.contains("i > 0")), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_cut_still_says_what_it_tried() {
    let tests = "from program import above\n\ndef test_never():\n    assert above([1], 0) == [1, 2, 3, 'x']\n";
    let project = python(ABOVE, tests);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(8);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert!(candidates.is_empty(), "{findings:#?}");
    assert!(findings.tried > 0, "{findings:#?}");
    assert!(matches!(findings.ended, Ended::OutOfTime | Ended::Exhausted), "{findings:#?}");
}

const HALVINGS: &str = "
def halvings(number):
    count = 0
    while number > 1:
        number -= -2
        count += 1
    return count
";
const HALVINGS_TEST: &str = "
from program import halvings

def test_one():
    assert halvings(1) == 0

def test_four():
    assert halvings(4) == 2

def test_nine():
    assert halvings(9) == 3

def test_forty():
    assert halvings(40) == 5
";

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_hung_in_the_red_run_do_not_take_the_time_of_the_search() {
    let project = python(HALVINGS, HALVINGS_TEST);
    let mut bench = Bench::new(&project, pytest(), None).await;
    assert!(bench.case.red.has_hung());
    bench.case.time_left = Duration::from_secs(18);
    let (_, findings) = bench.propose(&Mutate).await;
    assert!(findings.tried > 20, "{findings:#?}");
}

const KEEP: &str = "
def keep(values, least):
    found = []
    for value in values:
        if value < least:
            found.append(value)
    return found
";
const KEEP_TEST: &str = "
from program import keep

def test_one():
    assert keep([5, 1], 3) == [5]

def test_none():
    assert keep([], 3) == []
";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_last_green_commit_answered_decides_between_rivals() {
    // the tests don't tell one from the other
    for good in ["value > least", "value >= least"] {
        let project = python(&KEEP.replace("value < least", good), KEEP_TEST);
        let green = project.git(&["rev-parse", "HEAD"]);
        project.write("program.py", KEEP);
        project.commit("A slip");
        let mut bench = Bench::new(&project, pytest(), Some(green.trim())).await;
        bench.case.time_left = Duration::from_secs(60);
        let (candidates, findings) = bench.propose(&Mutate).await;
        assert!(findings.notes.iter().any(|n| n.contains("last green commit")), "{findings:#?}");
        assert_eq!(changes(&candidates[0])[1], format!("+        if {good}:"), "{findings:#?}");
        assert!(candidates[0].disagreement.is_none(), "{findings:#?}");
    }
}

const RING: &str = "\
pub struct Ring {
    items: Vec<u32>,
    most: usize,
}

impl Ring {
    pub fn new(most: usize) -> Self {
        Self { items: Vec::new(), most }
    }

    pub fn push(&mut self, item: u32) -> bool {
        if self.items.len() > self.most {
            return false;
        }
        self.items.push(item);
        true
    }
}
";
const RING_TEST: &str = "\
use ring::Ring;

#[test]
fn no_more_than_it_holds() {
    let mut ring = Ring::new(2);
    assert_eq!([1, 2, 3].map(|n| ring.push(n)), [true, true, false]);
}

#[test]
fn one() {
    assert!(Ring::new(1).push(7));
}
";

fn ring() -> Project {
    let project = Project::empty();
    project.write("Cargo.toml", "[package]\nname = \"ring\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n");
    project.write(".gitignore", "target\nCargo.lock\n");
    project.write("src/lib.rs", RING);
    project.write("tests/ring.rs", RING_TEST);
    project.commit("A ring");
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_candidates_share_builds_and_coverage_says_where_to_look() {
    let project = ring();
    let mut bench = Bench::new(&project, crate::case::suite("cargo test --offline", Runner::CargoTest), None).await;
    bench.case.time_left = Duration::from_secs(90);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert!(changes(&candidates[0]).iter().any(|line| line.contains(">= self.most")), "{findings:#?}");
    assert!(findings.notes.iter().any(|n| n.contains("coverage of red and green tests")), "{findings:#?}");
    assert!(findings.notes.iter().any(|n| n.contains("a build")), "{findings:#?}");
    assert!(bench.with(&candidates[0]).await.is_green());
}

const UNBUILT: &str = "\
pub struct Shelf {
    pub books: Vec<String>,
}

impl Shelf {
    pub fn longest(&self) -> usize {
        let mut most = 0;
        for book in &self.boks {
            most = most.max(book.len());
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::Shelf;

    #[test]
    fn the_longest_counts() {
        assert_eq!(Shelf { books: vec![\"a\".into(), \"abc\".into()] }.longest(), 3);
    }
}
";

#[tokio::test(flavor = "multi_thread")]
async fn candidates_for_a_red_build_share_builds_too() {
    let project = Project::empty();
    let builds = tempfile::NamedTempFile::new().unwrap();
    let count =
        format!("#!/bin/sh\ncase \"$*\" in *--test*) echo build >> {} ;; esac\nexec \"$@\"\n", builds.path().display());
    project
        .write("Cargo.toml", "[package]\nname = \"shelf\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n");
    project.write("src/lib.rs", UNBUILT);
    project.write("count.sh", &count);
    project.write(".cargo/config.toml", "[build]\nrustc-wrapper = \"./count.sh\"\n");
    std::fs::set_permissions(project.root().join("count.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    project.commit("Shelf");
    let mut bench = Bench::new(&project, crate::case::suite("cargo test --offline", Runner::CargoTest), None).await;
    bench.case.time_left = Duration::from_secs(90);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert!(changes(&candidates[0]).iter().any(|line| line.contains("self.books")), "{findings:#?}");
    let built = std::fs::read_to_string(builds.path()).unwrap().lines().count();
    // one by one, each would be built
    assert!(built > 0 && findings.tried > built as u64, "{built} builds: {findings:#?}");
}

const RUST_KEEP: &str = "\
pub fn keep(values: &[i32], least: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for value in values {
        if *value < least {
            found.push(*value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::keep;

    #[test]
    fn one() {
        assert_eq!(keep(&[5, 1], 3), [5]);
    }

    #[test]
    fn none() {
        assert_eq!(keep(&[], 3), []);
    }
}
";

const GO_KEEP: &str = "\
package keep

func Keep(values []int, least int) []int {
	found := []int{}
	for _, value := range values {
		if value < least {
			found = append(found, value)
		}
	}
	return found
}
";
const GO_KEEP_TEST: &str = "\
package keep

import (
	\"fmt\"
	\"testing\"
)

func TestOne(t *testing.T) {
	if got := Keep([]int{5, 1}, 3); fmt.Sprint(got) != \"[5]\" {
		t.Errorf(\"got %v\", got)
	}
}
";

/// Heals a slip that the tests tell from nothing near it; what was there before decides, by what variants of tests do.
async fn what_was_before_decides(
    files: &[(&str, &str)],
    program: &str,
    slip: &str,
    goods: &[&str],
    suite: (&str, Runner),
) {
    for good in goods {
        let project = Project::empty();
        for (path, text) in files {
            project.write(path, &if *path == program { text.replace(slip, good) } else { (*text).to_owned() });
        }
        project.commit("Good");
        let green = project.git(&["rev-parse", "HEAD"]);
        let broken = files.iter().find(|(path, _)| *path == program).unwrap().1;
        project.write(program, broken);
        project.commit("A slip");
        let mut bench = Bench::new(&project, crate::case::suite(suite.0, suite.1), Some(green.trim())).await;
        bench.case.time_left = Duration::from_secs(120);
        let (candidates, findings) = bench.propose(&Mutate).await;
        assert!(findings.notes.iter().any(|n| n.contains("last green commit")), "{findings:#?}");
        assert!(changes(&candidates[0]).iter().any(|line| line.contains(good)), "{findings:#?}");
        assert!(candidates[0].disagreement.is_none(), "{findings:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn green_candidates_in_rust_are_compared_by_what_variants_of_the_tests_do() {
    let manifest = "[package]\nname = \"keep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    let files = [("Cargo.toml", manifest), (".gitignore", "target\nCargo.lock\n"), ("src/lib.rs", RUST_KEEP)];
    let suite = ("cargo test --offline", Runner::CargoTest);
    what_was_before_decides(&files, "src/lib.rs", "*value < least", &["*value > least", "*value >= least"], suite)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn green_candidates_in_go_are_compared_by_what_variants_of_the_tests_do() {
    if !has("go") {
        return;
    }
    let manifest = "module example.org/keep\n\ngo 1.18\n";
    let files = [("go.mod", manifest), ("keep.go", GO_KEEP), ("keep_test.go", GO_KEEP_TEST)];
    let suite = ("go test ./...", Runner::Go);
    // one of them: where Go builds and links, a search takes its time
    what_was_before_decides(&files, "keep.go", "value < least", &["value >= least"], suite).await;
}

const GO_RING: &str =
    "package ring\n\nfunc Next(at, size int) int {\n\tif at == size {\n\t\treturn 0\n\t}\n\treturn at + 1\n}\n";
const GO_RING_TEST: &str = "package ring\n\nimport \"testing\"\n\nfunc TestNext(t *testing.T) {\n\tif Next(2, 3) != 0 {\n\t\tt.Fatal(\"no ring\")\n\t}\n}\n";

#[test]
fn what_is_put_into_go_packages_builds_with_go_and_does_what_its_variable_says() {
    if !has("go") {
        return;
    }
    let project = Project::empty();
    project.write("go.mod", "module example.org/ring\n\ngo 1.18\n");
    project.write("ring.go", GO_RING);
    project.write("ring_test.go", GO_RING_TEST);
    let put = |changes: &[Change]| {
        changes.iter().for_each(|c| project.write(std::str::from_utf8(&c.path).unwrap(), &c.text));
    };
    let passes = |variable: &str, value: &Path| {
        let mut go: Command = project.command("go");
        let go = go.args(["test", "-count=1", "./..."]).env(variable, value);
        go.output().unwrap().status.success()
    };
    let path = b"ring.go".to_vec();
    let sources = Sources::load(vec![(path.clone(), GO_RING.into())], |_| true);
    let arm = |new: &str| {
        let change = Change { path: path.clone(), text: GO_RING.replace("at == size", new) };
        arms::Arm::of(&sources, &[change]).unwrap()
    };
    let (bad, good) = (arm("at == size+1"), arm("at+1 == size"));
    put(&arms::compose(&sources, &[(1, &bad), (2, &good)], arms::Otherwise::AsItWas).changes);
    let green: Vec<bool> = ["0", "1", "2"].iter().map(|n| passes(arms::VARIABLE, Path::new(n))).collect();
    assert_eq!(green, [false, false, true], "the code as it was, an arm that is wrong too, an arm that is right");

    let traced = hits::trace(&[(path, GO_RING.to_owned())]);
    put(&traced.changes);
    let written = project.tmp().join("hits");
    assert!(!passes(hits::VARIABLE, &written));
    let reached = traced.reached(&std::fs::read_to_string(&written).unwrap());
    assert_eq!(reached["ring.go"], std::collections::BTreeSet::from([4, 7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cargo_built_in_the_first_workspace_is_in_those_that_come_after_it() {
    let project = ring();
    let bench = Bench::new(&project, crate::case::suite("cargo test --offline", Runner::CargoTest), None).await;
    let (lab, case) = (bench.lab(), &bench.case);
    let first = lab.workspace(&case.snapshot, "first").await.unwrap();
    assert!(!first.path.join("target").exists());
    std::fs::create_dir(first.path.join("target")).unwrap();
    std::fs::write(first.path.join("target/CACHEDIR.TAG"), "built").unwrap();
    lab.keep_warm(first, &case.suite).unwrap();
    let second = lab.workspace(&case.snapshot, "second").await.unwrap();
    assert_eq!(std::fs::read_to_string(second.path.join("target/CACHEDIR.TAG")).unwrap(), "built");
    assert_eq!(second.tree_now().unwrap(), case.snapshot.tree);
}

const TWICE: &str = "\
#[cfg(test)]
mod tests {
    #[test]
    fn unit() {
        assert_eq!(std::env::var(\"ARM\").as_deref(), Ok(\"2\"));
        assert!(std::env::vars().all(|(name, _)| !name.starts_with(\"KAIZEN_CARGO\")));
    }

    #[test]
    fn other() {
        panic!(\"never\");
    }
}
";
const TWICE_OUTSIDE: &str = "\
#[test]
fn place() {
    assert_eq!(std::env::current_dir().unwrap(), std::path::Path::new(env!(\"CARGO_MANIFEST_DIR\")));
    assert_eq!(std::env::var(\"CARGO_PKG_NAME\").as_deref(), Ok(\"twice\"));
    assert_eq!(std::env::var(\"ARM\").as_deref(), Ok(\"2\"));
}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_cargo_built_is_started_again_without_it_as_it_was_with_other_variables_and_fewer_tests() {
    let project = Project::empty();
    project.write("Cargo.toml", "[package]\nname = \"twice\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    project.write("src/lib.rs", TWICE);
    project.write("tests/outside.rs", TWICE_OUTSIDE);
    project.write(".gitignore", "target\n");
    project.commit("Twice");
    let bench = Bench::new(&project, crate::case::suite("cargo test --offline", Runner::CargoTest), None).await;
    let (lab, case, cancel) = (bench.lab(), &bench.case, CancellationToken::new());
    let only = |names: &[&str]| Selection::Only(names.iter().map(|name| TestId((*name).into())).collect());
    let arm = |number: &str| BTreeMap::from([("ARM".into(), number.into()), (RECORD.into(), "1".into())]);
    let both = only(&["twice tests::unit", "twice::outside place"]);
    let workspace = lab.workspace(&case.snapshot, "twice").await.unwrap();
    let first = lab.run_with(&workspace, &case.suite, &both, case.limits, &arm("1"), &cancel).await.unwrap();
    let statuses = |run: &Run| run.tests.iter().map(|(id, r)| (id.0.clone(), r.status)).collect::<Vec<_>>();
    let of_both = |status| vec![("twice tests::unit".to_owned(), status), ("twice::outside place".to_owned(), status)];
    assert_eq!(statuses(&first), of_both(Status::Failed));
    let built = Built::of(&case.suite, &both, &first.log).unwrap();
    let plain = lab.run(&workspace, &case.suite, &both, case.limits, &cancel).await.unwrap();
    // cargo would have nothing to go by
    std::fs::remove_file(workspace.path.join("Cargo.toml")).unwrap();
    let again = async |selection: &Selection, number: &str| {
        lab.run_built(&workspace, &built, selection, case.limits, &arm(number), &cancel).await.unwrap()
    };
    for (number, status) in [("1", Status::Failed), ("2", Status::Passed)] {
        let run = again(&both, number).await.unwrap();
        assert_eq!(statuses(&run), of_both(status), "{}", crate::case::log(&run));
        assert_eq!((run.is_green(), &run.contradictions), (status == Status::Passed, &Vec::new()));
    }
    let run = again(&only(&["twice::outside place"]), "2").await.unwrap();
    assert_eq!(statuses(&run), [("twice::outside place".to_owned(), Status::Passed)]);
    let run = again(&only(&["twice tests::other"]), "2").await.unwrap();
    assert_eq!(statuses(&run), [("twice tests::other".to_owned(), Status::Failed)]);
    for unknown in
        [Selection::All, only(&["twice::elsewhere a", "twice tests::unit"]), only(&["twice::doc src/lib.rs #1"])]
    {
        assert!(again(&unknown, "2").await.is_none());
    }
    // a run that was not to write down what it started, and one whose names are the user's own
    assert_eq!(Built::of(&case.suite, &both, &plain.log), None);
    assert_eq!(Built::of(&case.suite, &only(&["twice tests::unit"]), &first.log), None);
}

const DEEP: &str = "\
/// How often a number can be halved before nothing is left.
pub fn halvings(number: i32) -> u32 {
    if number < 0 {
        return 0;
    }
    1 + halvings(number / 2)
}
";
const DEEP_TEST: &str = "\
use deep::halvings;

#[test]
fn nothing() {
    assert_eq!(halvings(0), 0);
}

#[test]
fn some() {
    assert_eq!((halvings(1), halvings(8)), (1, 4));
}

#[test]
fn less() {
    assert_eq!(halvings(-3), 0);
}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_recursion_in_rust_that_lost_its_base_case_is_healed() {
    let project = Project::empty();
    project.write("Cargo.toml", "[package]\nname = \"deep\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n");
    project.write(".gitignore", "target\nCargo.lock\n");
    project.write("src/lib.rs", DEEP);
    project.write("tests/deep.rs", DEEP_TEST);
    project.commit("Halvings");
    let mut bench = Bench::new(&project, crate::case::suite("cargo test --offline", Runner::CargoTest), None).await;
    let red: Vec<&str> = bench.case.failure.red.iter().map(|id| id.0.as_str()).collect();
    assert!(red.len() > 1 && red[0] == "(crash)" && red[1].starts_with("deep::deep "), "{red:?}");
    bench.case.time_left = Duration::from_secs(90);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert!(changes(&candidates[0])[1].contains("if number <= 0"), "{findings:#?}");
    assert!(findings.notes.iter().any(|n| n.contains("coverage of red and green tests")), "{findings:#?}");
    assert!(findings.notes.iter().any(|n| n.contains("a build")), "{findings:#?}");
    assert!(bench.with(&candidates[0]).await.is_green());
}

const GO_DIGITS: &str = "\
package digits

// Digits is how many digits a number has that is not negative.
func Digits(number int) int {
	count := 0
	for number >= 0 {
		number /= 10
		count++
	}
	return count
}

// First is the first digit of a number.
func First(number int) int {
	if number < 10 {
		return number
	}
	return First(number / 10)
}
";
const GO_DIGITS_TEST: &str = "\
package digits

import \"testing\"

func TestFirst(t *testing.T) {
	if got := First(738); got != 7 {
		t.Fatal(got)
	}
}

func TestDigits(t *testing.T) {
	for number, want := range map[int]int{0: 0, 7: 1, 10: 2, 738: 3} {
		if got := Digits(number); got != want {
			t.Errorf(\"%d: got %d\", number, got)
		}
	}
}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_in_go_without_end_is_healed_and_costs_each_candidate_little() {
    if !has("go") {
        return;
    }
    let project = Project::empty();
    project.write("go.mod", "module example.org/digits\n\ngo 1.18\n");
    project.write("digits.go", GO_DIGITS);
    project.write("digits_test.go", GO_DIGITS_TEST);
    project.commit("Digits");
    let suite = crate::case::suite("go test -timeout 4s ./...", Runner::Go);
    let mut bench = Bench::timed(&project, suite, Duration::from_secs(60)).await;
    assert!(bench.case.red.has_hung(), "{:#?}", bench.case.red);
    let digits = |id: &kaizen_ci::suite::TestId| id.0 == "example.org/digits TestDigits";
    assert!(bench.case.failure.red.iter().any(digits), "{:#?}", bench.case.failure.red);
    bench.case.time_left = Duration::from_secs(90);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert!(changes(&candidates[0])[1].contains("for number > 0"), "{findings:#?}");
    assert!(findings.notes.iter().any(|n| n.contains("a build")), "{findings:#?}");
}

const DICE_TEST: &str = r#"
import assert from "node:assert/strict";
import { test } from "node:test";
import { roll } from "./dice.js";
test("one", () => assert.equal(roll(), 1));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_candidate_does_to_globals_and_packages_does_not_reach_the_next_one_in_node() {
    if !has("node") {
        return;
    }
    let project = Project::empty();
    project.write("package.json", "{ \"name\": \"dice\", \"type\": \"module\" }\n");
    project.write("node_modules/sides/package.json", "{ \"name\": \"sides\", \"main\": \"index.js\" }\n");
    project.write("node_modules/sides/index.js", "exports.least = 2;\n");
    let dice = |before: &str, value: &str| {
        format!(
            "import fs from \"node:fs\";\nimport sides from \"sides\";\n{before}\nexport const roll = () => {value};\nfs.existsSync(\"x\", sides);\n"
        )
    };
    project.write("dice.js", &dice("", "2"));
    project.write("dice.test.js", DICE_TEST);
    project.commit("Dice");
    let bench = Bench::new(&project, crate::case::suite("node --test", Runner::NodeTest), None).await;
    let cancel = tokio_util::sync::CancellationToken::new();
    let probe = NodeProbe::start(&bench.case, &cancel).await.unwrap();
    let change = |before: &str, value: &str| vec![Change { path: b"dice.js".to_vec(), text: dice(before, value) }];
    let table = [
        ("Math.random = () => 7;", "Math.random() === 7 ? 1 : 2"),
        ("Array.prototype.at = () => 7;", "[1].at(0) === 7 ? 1 : 2"),
        ("process.env.PATH = '7';", "process.env.PATH === '7' ? 1 : 2"),
        ("sides.least = 1;", "sides.least"),
        ("fs.readFileSync = () => 7;", "fs.readFileSync.length === 0 ? 1 : 2"),
    ];
    assert!(probe.probe(0, &change("", "1"), Ask::Quick).await.unwrap().is_green());
    for (before, value) in table {
        let patched = probe.probe(0, &change(before, value), Ask::Quick).await.unwrap();
        assert!(patched.is_green(), "{before} {patched:?}");
        let next = probe.probe(0, &change("", value), Ask::Quick).await.unwrap();
        assert!(!next.is_green(), "{before} reached the next candidate");
    }
    probe.stop().await;
}

const SLOW_KEEP: &str = "
import time

def keep(values, least):
    time.sleep(0.1)
    found = []
    for value in values:
        if value < least:
            found.append(value)
    return found
";

#[tokio::test(flavor = "multi_thread")]
async fn green_candidates_whose_comparison_takes_too_long_are_not_lost() {
    let project = python(SLOW_KEEP, KEEP_TEST);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(24);
    let began = std::time::Instant::now();
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert!(began.elapsed() < bench.case.time_left, "{:?} {findings:#?}", began.elapsed());
}

const GO_LABEL: &str = "\
package label

import (
	\"fmt\"
	\"strings\"
)

// Label is what is printed on a box.
func Label(name string, count int) string {
	return fmt.Sprintf(\"%s x%d\", strings.ToUpper(name), count)
}
";
const GO_LABEL_TEST: &str = "\
package label

import \"testing\"

func TestLabel(t *testing.T) {
	for name, want := range map[string]string{\"Tea\": \"Tea x2\", \"rum\": \"rum x2\"} {
		if got := Label(name, 2); got != want {
			t.Errorf(\"got %q, want %q\", got, want)
		}
	}
}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_go_candidate_that_needs_no_import_any_more_builds_without_it() {
    if !has("go") {
        return;
    }
    let project = Project::empty();
    project.write("go.mod", "module example.org/label\n\ngo 1.18\n");
    project.write("label.go", GO_LABEL);
    project.write("label_test.go", GO_LABEL_TEST);
    project.commit("Labels");
    let mut bench = Bench::new(&project, crate::case::suite("go test ./...", Runner::Go), None).await;
    bench.case.time_left = Duration::from_secs(90);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert!(
        changes(&candidates[0]).iter().any(|line| line.starts_with('-') && line.contains("\"strings\"")),
        "{findings:#?}"
    );
    assert!(bench.with(&candidates[0]).await.is_green());
}
