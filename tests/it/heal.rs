//! The whole way: `kaizen-ci heal` in real repositories whose tests fail.

use crate::project::{Project, has};

/// Heals the fixture with `--apply` and checks that its own tests are green in the tree, that only `changed` was
/// changed, and that nothing of ours is left.
fn heals(project: &Project, test_command: &[&str], changed: &[&str], args: &[&str]) -> serde_json::Value {
    let (code, document) = project.heal(&[&["--apply"], args].concat());
    assert_eq!(code, 0, "{document:#}");
    let out = project.command(test_command[0]).args(&test_command[1..]).output().unwrap();
    assert!(out.status.success(), "red after the heal: {}", String::from_utf8_lossy(&out.stdout));
    let mut touched: Vec<String> =
        project.git(&["status", "--porcelain", "-uno"]).lines().map(|l| l[2..].trim().to_owned()).collect();
    touched.sort();
    assert_eq!(touched, changed, "{document:#}");
    project.nothing_left();
    document
}

const PYTEST: &[&str] = &["python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"];

#[test]
fn a_regression_under_wanted_code_is_undone_without_losing_any_of_it() {
    let project = Project::fixture("py-cart");
    let document = heals(&project, PYTEST, &["cart.py"], &["--fixers", "undo"]);
    assert_eq!(document["outcome"], "healed");
    let cart = project.read("cart.py");
    assert!(cart.contains("price * (1 - discount) + tax"), "{cart}");
    assert!(cart.contains("def shipping") && cart.contains("def count"), "{cart}");
}

#[test]
fn where_git_turns_line_ends_a_heal_is_proven_and_keeps_them() {
    let project = Project::fixture("py-cart");
    project.git(&["config", "core.autocrlf", "true"]);
    std::fs::remove_file(project.root().join("cart.py")).unwrap();
    project.git(&["checkout", "--", "cart.py"]);
    let lines = |text: &str| (text.matches('\n').count(), text.matches("\r\n").count());
    assert!(lines(&project.read("cart.py")).1 > 5);
    heals(&project, PYTEST, &["cart.py"], &["--fixers", "undo"]);
    let cart = project.read("cart.py");
    let (all, turned) = lines(&cart);
    assert!(all == turned && cart.contains("price * (1 - discount) + tax"), "{cart:?}");
}

#[test]
fn a_one_line_bug_without_history_is_healed_by_search() {
    let project = Project::fixture("py-bounds");
    heals(&project, PYTEST, &["search.py"], &["--fixers", "mutate", "--time-limit", "40s"]);
    assert!(project.read("search.py").contains("low <= high"));
}

#[test]
fn a_misspelt_name_is_mended_as_the_interpreter_suggests() {
    let project = Project::fixture("py-typo");
    heals(&project, PYTEST, &["slugs.py"], &["--fixers", "suggest"]);
    assert!(project.read("slugs.py").contains("normalise(title)"));
}

#[test]
fn a_compile_error_is_mended_as_rustc_suggests() {
    let project = Project::fixture("rust-compile");
    heals(&project, &["cargo", "test", "-q", "--offline"], &["src/lib.rs"], &["--fixers", "suggest"]);
}

#[test]
fn a_wrong_index_in_rust_is_healed() {
    let project = Project::fixture("rust-median");
    heals(
        &project,
        &["cargo", "test", "-q", "--offline"],
        &["src/lib.rs"],
        &["--fixers", "mutate", "--time-limit", "60s"],
    );
    assert!(project.read("src/lib.rs").contains("middle - 1"));
}

#[test]
fn an_endless_loop_in_javascript_is_healed_long_before_the_time_is_over() {
    if !has("node") {
        return;
    }
    let project = Project::empty();
    project.write("package.json", "{ \"type\": \"module\" }\n");
    project.write(
        "halve.js",
        "export function halvings(n) {\n  let count = 0;\n  while (n > 1) {\n    n = Math.floor(n / 1);\n    count += 1;\n  }\n\
         \x20 return count;\n}\n",
    );
    project.write(
        "halve.test.js",
        "import assert from 'node:assert';\nimport { test } from 'node:test';\nimport { halvings } from './halve.js';\n\
         test('of one', () => assert.equal(halvings(1), 0));\ntest('of nine', () => assert.equal(halvings(9), 3));\n\
         test('of two', () => assert.equal(halvings(2), 1));\n",
    );
    project.commit("Halvings");
    heals(&project, &["node", "--test"], &["halve.js"], &["--fixers", "mutate", "--time-limit", "60s"]);
    assert!(project.read("halve.js").contains("n / 2"), "{}", project.read("halve.js"));
}

#[test]
fn a_regression_in_javascript_is_healed() {
    if !has("node") {
        return;
    }
    let project = Project::fixture("js-retry");
    heals(&project, &["node", "--test"], &["retry.js"], &[]);
    let text = project.read("retry.js");
    assert!(text.contains("attempt <= attempts") && text.contains("pause(wait)"), "{text}");
}

#[test]
fn a_bug_in_go_is_healed() {
    if !has("go") {
        return;
    }
    heals(&Project::fixture("go-ring"), &["go", "test", "./..."], &["ring.go"], &["--time-limit", "45s"]);
}

#[test]
fn a_bug_in_java_with_nothing_but_make_and_tap_is_healed() {
    if !has("javac") || !has("make") {
        return;
    }
    heals(&Project::fixture("java-leap"), &["make", "test"], &["Calendar.java"], &["--time-limit", "45s"]);
}

#[test]
fn a_bug_in_typescript_is_healed() {
    if !has("node") || !has("tsc") {
        return;
    }
    heals(&Project::fixture("ts-queue"), &["npm", "test", "--silent"], &["queue.ts"], &["--time-limit", "60s"]);
}

#[test]
fn without_apply_nothing_in_the_repository_changes_and_the_exit_code_says_so() {
    let project = Project::fixture("py-bounds");
    let before = project.sacred();
    let (code, document) = project.heal(&["--time-limit", "40s"]);
    assert_eq!(code, 10, "{document:#}");
    project.unchanged_since(&before);
    project.nothing_left();
    let patch = document["heal"]["patch"].as_str().unwrap();
    project.git(&["apply", "--check", patch]);
}

#[test]
fn flaky_tests_are_named_and_left_alone() {
    let project = Project::fixture("py-flaky");
    let (code, document) = project.heal(&[]);
    assert_eq!(code, 20, "{document:#}");
    assert_eq!(document["outcome"], "flaky");
}

#[test]
fn contradictory_tests_end_in_a_report_and_no_patch() {
    let project = Project::fixture("py-contradiction");
    let before = project.sacred();
    let (code, document) = project.heal(&["--time-limit", "10s"]);
    assert_eq!(code, 30, "{document:#}");
    project.unchanged_since(&before);
    let report = std::fs::read_to_string(document["report"].as_str().unwrap()).unwrap();
    assert!(report.contains("test_half_of_three_is_rounded_down"), "{report}");
    let (again, _) = project.heal(&[]);
    assert_eq!(again, 31, "a failure that did not heal is left alone for a while");
}

#[test]
fn a_missing_package_is_the_machines_fault() {
    let project = Project::fixture("py-environment");
    let (code, document) = project.heal(&[]);
    assert_eq!(code, 22, "{document:#}");
}

#[test]
fn green_tests_need_no_healing() {
    let project = Project::empty();
    project.write("test_ok.py", "def test_ok():\n    assert True\n");
    project.commit("Green");
    let (code, document) = project.heal(&[]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["outcome"], "already_green");
}
