//! suggest against real repositories, real runners and a real compiler.

use kaizen_ci::fixer::suggest::Suggest;
use kaizen_ci::suite::Runner;
use kaizen_ci::words::{Ended, Label};

use crate::case::{Bench, changes, log, pytest, suite};
use crate::project::{Project, has};

/// The first candidate that turns everything green must be among the first three.
async fn healed(project: &Project, suite: kaizen_ci::suite::Suite) -> Vec<String> {
    let bench = Bench::new(project, suite, None).await;
    let (candidates, findings) = bench.propose(&Suggest).await;
    assert!(candidates.len() <= 8);
    assert!(candidates.iter().all(|c| !c.idea.contains('\n')));
    for candidate in candidates.iter().take(3) {
        if bench.with(candidate).await.is_green() {
            return changes(candidate);
        }
    }
    panic!("{findings:?}\n{}", log(&bench.case.red));
}

fn python(shop: &str, test: &str) -> Project {
    let project = Project::empty();
    project.write(".gitignore", "__pycache__\n");
    project.write("shop.py", shop);
    project.write("tests/test_shop.py", test);
    project.commit("Start");
    project
}

const TEST: &str = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_name_in_python() {
    let project = python("def total(items):\n    return sum(itmes)\n", TEST);
    assert_eq!(healed(&project, pytest()).await, ["-    return sum(itmes)", "+    return sum(items)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_import_in_python() {
    let project = python("def total(items):\n    return functools.reduce(lambda a, b: a + b, items)\n", TEST);
    assert_eq!(healed(&project, pytest()).await[0], "+import functools");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mistakes_of_different_kinds_are_mended_together() {
    let project = python(
        "def total(items):\n    return math.fsum(items)\n\n\ndef label(name):\n    return name.titel()\n",
        &format!("{TEST}\n\ndef test_label():\n    from shop import label\n    assert label('a b') == 'A B'\n"),
    );
    let lines = healed(&project, pytest()).await;
    assert!(
        lines.contains(&"+import math".to_owned()) && lines.contains(&"+    return name.title()".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_colon_in_python() {
    let project = python("def total(items)\n    return sum(items)\n", TEST);
    assert_eq!(healed(&project, pytest()).await, ["-def total(items)", "+def total(items):"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_lost_the_name_that_tests_use() {
    let project = python("def totall(items):\n    return sum(items)\n", TEST);
    assert_eq!(healed(&project, pytest()).await, ["-def totall(items):", "+def total(items):"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compile_errors_in_rust_one_after_the_other() {
    let project = Project::empty();
    project.write(".gitignore", "target\n");
    project.write("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\n");
    // a missing import first; only then is the borrow checker's turn: `mut` is missing
    let lib = "pub fn total(items: &[u32]) -> u32 {\n    let sums: HashMap<u32, u32> = HashMap::new();\n    for item in items {\n        *sums.entry(0).or_default() += item;\n    }\n    sums[&0]\n}\n";
    project.write("src/lib.rs", lib);
    project.write("tests/shop.rs", "#[test]\nfn total_is_right() {\n    assert_eq!(shop::total(&[1, 2]), 3);\n}\n");
    project.commit("Start");
    let lines = healed(&project, suite("cargo test --offline", Runner::CargoTest)).await;
    assert!(lines.contains(&"+use std::collections::HashMap;".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("let mut sums")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_method_in_javascript() {
    if !has("node") {
        return;
    }
    let project = Project::empty();
    project.write("package.json", "{\"type\": \"module\"}\n");
    project.write("src/cart.js", "export function label(name) {\n  return name.toUpperCas();\n}\n");
    project.write(
        "test/cart.test.js",
        "import test from 'node:test';\nimport assert from 'node:assert';\nimport { label } from '../src/cart.js';\ntest('label', () => assert.equal(label('a'), 'A'));\n",
    );
    project.commit("Start");
    let lines = healed(&project, suite("node --test", Runner::NodeTest)).await;
    assert_eq!(lines, ["-  return name.toUpperCas();", "+  return name.toUpperCase();"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_healed_before_comes_first_and_an_ordinary_bug_has_nothing_to_suggest() {
    let project = python("def total(items):\n    return sum(items) + 1\n", TEST);
    let mut bench = Bench::new(&project, pytest(), None).await;
    let (candidates, findings) = bench.propose(&Suggest).await;
    assert!(candidates.is_empty(), "{candidates:?}");
    assert!(matches!(findings.ended, Ended::NothingToDo { .. }));
    let old = project.read("shop.py");
    let patch = kaizen_ci::patch::Patch::of_text(b"shop.py", old.as_bytes(), old.replace(" + 1", "").as_bytes());
    bench.case.remembered.push(patch);
    let (candidates, _) = bench.propose(&Suggest).await;
    assert_eq!(candidates.len(), 1);
    assert!(candidates[0].labels.contains(&Label::Remembered));
    assert!(bench.with(&candidates[0]).await.is_green());
}
