//! Law 5: killed at any moment, the user's repository is as it was, what was learned can be read, the next start cleans up.

use std::os::unix::process::ExitStatusExt as _;

use crate::project::Project;

/// A suite of a shell script, so that a heal takes a moment: the last commit spoils one of two lines.
fn project() -> Project {
    let project = Project::empty();
    project.write("answer.txt", "41\nforty-one\n");
    project.write("test.sh", "grep -q '^42$' answer.txt && grep -q two answer.txt && echo fine\n");
    project.commit("Begin");
    project.write("answer.txt", "42\nforty-two\n");
    project.commit("The answer");
    project.write("answer.txt", "43\nforty-two\nindeed\n");
    project.commit("A better answer");
    // Something staged, something not, something untracked: all of it has to be there afterwards.
    project.write("staged.txt", "staged\n");
    project.git(&["add", "staged.txt"]);
    project.write("staged.txt", "staged and then changed\n");
    project.write("untracked.txt", "untracked\n");
    project.git(&["stash", "store", "-m", "kept", &project.git(&["stash", "create"])]);
    project.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    project
}

/// Runs a heal that dies at `point`; whether it got there.
fn dies_at(project: &Project, point: &str, args: &[&str]) -> bool {
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .args(["heal", "--cmd", "sh test.sh", "--json"])
        .args(args)
        .env("KAIZEN_TEST_KILL_AT", point)
        .output()
        .unwrap();
    out.status.signal() == Some(9)
}

/// No process is left that runs for a repository under this folder.
fn no_process_left(project: &Project) {
    let marker = project.tmp().display().to_string();
    for _ in 0..50 {
        let alive = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|e| std::fs::read(e.ok()?.path().join("environ")).ok())
            .filter(|environ| String::from_utf8_lossy(environ).contains(&marker))
            .count();
        if alive == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("processes are left");
}

fn survives(point: &str, args: &[&str]) {
    survives_in(&project(), point, args);
}

fn survives_in(project: &Project, point: &str, args: &[&str]) {
    // status first: it may refresh the time stamps that the index holds
    let status = project.git(&["status", "--porcelain=v2"]);
    let before = project.sacred();
    assert!(dies_at(project, point, args), "the heal never came to `{point}`");
    no_process_left(project);
    if !matches!(point, "apply-half" | "after-apply") {
        project.unchanged_since(&before);
        assert_eq!(project.git(&["status", "--porcelain=v2"]), status, "killed at {point}");
    }
    // The next start cleans up, whatever it does.
    let out = project.kaizen(&["clean"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    project.nothing_left();
    if point != "run-folder-made" {
        let out = project.kaizen(&["show", "latest"]);
        assert!(out.status.success(), "killed at {point}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

#[test]
fn a_heal_that_is_killed_leaves_the_repository_as_it_was_at_every_point_of_tier_one() {
    let slow = project();
    slow.write("test.sh", "sleep 2; grep -q '^42$' answer.txt\n");
    survives_in(&slow, "during-red-run", &["--fixers", "undo"]);
    let skip = [
        "during-red-run",
        "carry-half",
        "after-base-run",
        "tier2-started",
        "reverted",
        "report-written",
        "before-apply",
    ];
    let points = kaizen_ci::state::KILL_POINTS.iter().filter(|p| !skip.contains(p));
    let mut tried = 1;
    for point in points {
        let args: &[&str] = match *point {
            "apply-half" | "after-apply" => &["--fixers", "undo", "--apply"],
            _ => &["--fixers", "undo"],
        };
        survives(point, args);
        tried += 1;
    }
    assert!(tried >= 20, "only {tried} points");
}

#[test]
fn a_heal_that_is_killed_while_it_reverts_escalates_or_applies_leaves_the_repository_as_it_was() {
    survives("tier2-started", &["--fixers", "suggest"]);
    survives("reverted", &["--fixers", "suggest"]);
    survives("before-apply", &["--fixers", "undo", "--apply"]);
    // never green, so that nothing is left but a report
    let hopeless = project();
    hopeless.write("test.sh", "grep -q never answer.txt\n");
    survives_in(&hopeless, "report-written", &["--fixers", "suggest"]);
}

#[test]
fn a_search_that_is_killed_leaves_no_process_and_nothing_on_disk() {
    let script = Project::empty();
    script.write("package.json", "{ \"type\": \"module\" }\n");
    script.write("half.js", "export function half(n) {\n  return Math.floor(n / 2);\n}\n");
    script.write(
        "half.test.js",
        "import assert from 'node:assert';\nimport { test } from 'node:test';\nimport { half } from './half.js';\n\
         test('one', () => assert.equal(half(3), 1));\ntest('two', () => assert.equal(half(3), 2));\n",
    );
    script.commit("Contradictory");
    for project in [Project::fixture("py-contradiction"), script] {
        let before = project.sacred();
        let mut heal = project
            .command(env!("CARGO_BIN_EXE_kaizen-ci"))
            .args(["heal", "--fixers", "mutate", "--json"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        assert!(searches(&project), "the search never began");
        std::thread::sleep(std::time::Duration::from_millis(700));
        heal.kill().unwrap();
        heal.wait().unwrap();
        no_process_left(&project);
        project.unchanged_since(&before);
        assert!(project.kaizen(&["clean"]).status.success());
        project.nothing_left();
        project.unchanged_since(&before);
    }
}

/// Waits until the trajectory of the only run says that candidates are being tried.
fn searches(project: &Project) -> bool {
    let says = |folder: std::fs::DirEntry| {
        std::fs::read_to_string(folder.path().join("events.jsonl")).is_ok_and(|t| t.contains("fixer_progress"))
    };
    (0..300).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let runs = std::fs::read_dir(project.root().join(".git/kaizen/runs"));
        runs.is_ok_and(|runs| runs.flatten().any(says))
    })
}
