//! undo against real repositories and real test runners.

use kaizen_ci::fixer::undo::Undo;
use kaizen_ci::words::{Ended, Label};

use crate::case::{Bench, changes, log, pytest, suite};
use crate::project::{Project, has};
use kaizen_ci::suite::Runner;

/// A module of `n` small functions, all of them tested; `change` says what function `k` adds.
fn module(n: usize, change: impl Fn(usize) -> String) -> String {
    (0..n).map(|k| format!("def f{k}(x):\n    y = x * 2\n    z = {}\n    return z\n\n\n", change(k))).collect()
}

fn tests(n: usize) -> String {
    let tests: String = (0..n).map(|k| format!("def test_f{k}():\n    assert f{k}(1) == {}\n\n\n", 2 + k)).collect();
    format!("from shop import *\n\n\n{tests}")
}

async fn only_patch(project: &Project, green: &str) -> (Bench, Vec<String>) {
    let bench = Bench::new(project, pytest(), Some(green)).await;
    let (candidates, findings) = bench.propose(&Undo).await;
    let first = candidates.first().unwrap_or_else(|| panic!("nothing found: {findings:?}"));
    assert!(first.labels.contains(&Label::Undo));
    let run = bench.with(first).await;
    assert!(run.is_green(), "{}\n{}", first.idea, log(&run));
    let runs = findings.tried;
    assert!(runs <= 60, "{runs} runs");
    let lines = changes(first);
    (bench, lines)
}

fn commit(project: &Project, subject: &str) -> String {
    project.commit(subject);
    project.git(&["rev-parse", "HEAD"])
}

fn project() -> Project {
    let project = Project::empty();
    project.write(".gitignore", "__pycache__\n");
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_hunk_of_twenty_is_put_back_and_nothing_else() {
    let project = project();
    project.write("shop.py", &module(20, |k| format!("y + {k}")));
    project.write("tests/test_shop.py", &tests(20));
    let green = commit(&project, "Green");
    // every function is written differently now, and one of them wrongly
    project.write("shop.py", &module(20, |k| if k == 13 { "y - 13".into() } else { format!("{k} + y") }));
    let (bench, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["-    z = y - 13", "+    z = y + 13"]);
    assert!(bench.lab().runs() <= 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hunks_that_are_needed_together_are_put_back_together() {
    let project = project();
    let shop = |scale: &str, unscale: &str, extra: &str| {
        format!(
            "def pack(x):\n    return x * {scale}\n\n\ndef label(x):\n    return {extra}\n\n\ndef unpack(x):\n    return x / {unscale}\n\n\ndef total(x):\n    return unpack(pack(x)) + pack(1) + unpack(100)\n"
        )
    };
    project.write("shop.py", &shop("100", "100", "'a'"));
    project.write(
        "tests/test_shop.py",
        "from shop import *\n\n\ndef test_pack():\n    assert pack(1) == 100\n    assert unpack(100) == 1\n",
    );
    let green = commit(&project, "Green");
    project.write("shop.py", &shop("10", "10", "'b'"));
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(!lines.iter().any(|l| l.contains("'b'")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_line_the_wrong_operator_is_put_back_and_the_wanted_name_stays() {
    let project = project();
    project.write("shop.py", "def total(p, tax, discount):\n    return (p + tax) * (1 - discount)\n");
    project.write(
        "tests/test_shop.py",
        "from shop import total\n\n\ndef test_total():\n    assert total(100, 20, 0.5) == 60\n",
    );
    let green = commit(&project, "Green");
    project.write("shop.py", "def total(price, tax, discount):\n    return (price - tax) * (1 - discount)\n");
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["-    return (price - tax) * (1 - discount)", "+    return (price + tax) * (1 - discount)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_also_brings_a_wanted_function_and_its_tests_loses_neither() {
    let project = project();
    project.write("shop.py", "RATE = 2\n\n\ndef total(p):\n    return p * RATE\n");
    project.write("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(3) == 6\n");
    let green = commit(&project, "Green");
    // the new function touches the changed line: one hunk
    project.write(
        "shop.py",
        "RATE = 2\n\n\ndef total(p):\n    return p + RATE\n\n\ndef refund(p):\n    return -(p * RATE)\n",
    );
    project.write(
        "tests/test_shop.py",
        "from shop import refund, total\n\n\ndef test_total():\n    assert total(3) == 6\n\n\ndef test_refund():\n    assert refund(3) == -6\n",
    );
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["-    return p + RATE", "+    return p * RATE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_under_later_innocent_commits_is_undone_alone() {
    let project = project();
    project.write("shop.py", &module(6, |k| format!("y + {k}")));
    project.write("tests/test_shop.py", &tests(6));
    let green = commit(&project, "Green");
    project.write("shop.py", &module(6, |k| if k == 2 { "y - 2".into() } else { format!("y + {k}") }));
    project.commit("Bug");
    let later = module(6, |k| match k {
        2 => "y - 2".into(),
        _ => format!("{k} + y"),
    });
    project.write("shop.py", &later.replace("return z", "return z  # done"));
    project.commit("Innocent");
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["-    z = y - 2", "+    z = y + 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_that_is_needed_comes_back() {
    let project = project();
    project.write("shop/__init__.py", "");
    project.write("shop/rates.py", "RATE = 2\n");
    project.write("shop/cart.py", "def total(p):\n    from shop.rates import RATE\n    return p * RATE\n");
    project
        .write("tests/test_shop.py", "from shop.cart import total\n\n\ndef test_total():\n    assert total(3) == 6\n");
    let green = commit(&project, "Green");
    std::fs::remove_file(project.root().join("shop/rates.py")).unwrap();
    project.write("shop/notes.py", "NOTE = 'wanted'\n");
    project.commit("Clean up");
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["+RATE = 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_test_that_asks_for_more_is_not_blamed_on_the_change() {
    let project = project();
    project.write("shop.py", "def total(p):\n    return p * 2\n");
    project.write("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(3) == 6\n");
    let green = commit(&project, "Green");
    project.write("shop.py", "def total(p):\n    return 2 * p\n");
    project.write("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(3) == 7\n");
    let bench = Bench::new(&project, pytest(), Some(&green)).await;
    let (candidates, findings) = bench.propose(&Undo).await;
    assert!(candidates.is_empty(), "{candidates:?}");
    let Ended::NothingToDo { why } = &findings.ended else { panic!("{findings:?}") };
    assert!(why.contains("not caused by the product code of this change"), "{why}");
    assert!(findings.notes.iter().any(|n| n.contains("tests/test_shop.py")), "{:?}", findings.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_known_green_commit_history_is_searched() {
    let project = project();
    let version = |bug: &str, n: usize| format!("VERSION = {n}\n\n\ndef total(p):\n    return p {bug} 2\n");
    project.write("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(3) == 6\n");
    for n in 0..10 {
        project.write("shop.py", &version(if n < 6 { "*" } else { "+" }, n));
        project.commit(&format!("Version {n}"));
    }
    let bench = Bench::new(&project, pytest(), None).await;
    let (candidates, findings) = bench.propose(&Undo).await;
    assert_eq!(changes(&candidates[0]), ["-    return p + 2", "+    return p * 2"], "{findings:?}");
    assert!(findings.notes.iter().any(|n| n.contains("\"Version 5\"")), "{:?}", findings.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn uncommitted_changes_are_part_of_the_change() {
    let project = project();
    project.write("shop.py", "def total(p):\n    return p * 2\n\n\ndef other():\n    return 1\n");
    project.write("tests/test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total(3) == 6\n");
    let green = commit(&project, "Green");
    project.write("shop.py", "def total(p):\n    return p * 3\n\n\ndef other():\n    return 2\n");
    let (_, lines) = only_patch(&project, &green).await;
    assert_eq!(lines, ["-    return p * 3", "+    return p * 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hunks_that_only_build_together_are_undone_in_rust_too() {
    let project = Project::empty();
    project.write(".gitignore", "target\n");
    project.write("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\n");
    project.write("src/lib.rs", "pub fn rate(p: i32) -> i32 {\n    p * 2\n}\n\npub fn total(p: i32) -> i32 {\n    rate(p) + 1\n}\n\npub fn name() -> &'static str {\n    \"shop\"\n}\n");
    project.write("tests/shop.rs", "#[test]\nfn total_is_right() {\n    assert_eq!(shop::total(3), 7);\n}\n");
    let green = commit(&project, "Green");
    project.write("src/lib.rs", "pub fn rate(p: i32, by: i32) -> i32 {\n    p + by\n}\n\npub fn total(p: i32) -> i32 {\n    rate(p, 2) + 1\n}\n\npub fn name() -> &'static str {\n    \"Shop\"\n}\n");
    let bench = Bench::new(&project, suite("cargo test --offline", Runner::CargoTest), Some(&green)).await;
    let (candidates, findings) = bench.propose(&Undo).await;
    let first = candidates.first().unwrap_or_else(|| panic!("{findings:?}"));
    let run = bench.with(first).await;
    assert!(run.is_green(), "{}", log(&run));
    assert!(!changes(first).iter().any(|l| l.contains("Shop")), "{:?}", changes(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_is_undone_by_node_itself() {
    if !has("node") {
        return;
    }
    let project = Project::empty();
    project.write("package.json", "{\"type\": \"module\", \"scripts\": {\"test\": \"node --test\"}}\n");
    project.write("src/cart.js", "export function total(p) {\n  return p * 2;\n}\n\nexport const name = 'a';\n");
    project.write("test/cart.test.js", "import test from 'node:test';\nimport assert from 'node:assert';\nimport { total } from '../src/cart.js';\ntest('total', () => assert.equal(total(3), 6));\n");
    let green = commit(&project, "Green");
    project
        .write("src/cart.js", "export function total(price) {\n  return price / 2;\n}\n\nexport const name = 'b';\n");
    let bench = Bench::new(&project, suite("node --test", Runner::NodeTest), Some(&green)).await;
    let (candidates, findings) = bench.propose(&Undo).await;
    let first = candidates.first().unwrap_or_else(|| panic!("{findings:?}"));
    assert_eq!(changes(first), ["-  return price / 2;", "+  return price * 2;"]);
}
