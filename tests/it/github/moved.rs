//! The branch moved while we worked: merged and judged again, or left behind; nobody's commit is ever pushed over.

use std::process::Stdio;

use super::fake::Fake;
use super::{in_job, pushed, red_shop};
use crate::project::Project;

/// Runs `action run --deliver push` on `head` after `more` was committed on top of it on GitHub.
fn moved(fake: &Fake, project: &Project, head: &str, path: &str, text: &str) -> (String, String) {
    moved_with(fake, project, head, path, text, &[])
}

/// The same with more variables.
fn moved_with(
    fake: &Fake,
    project: &Project,
    head: &str,
    path: &str,
    text: &str,
    env: &[(&str, &str)],
) -> (String, String) {
    let elsewhere = tempfile::tempdir().unwrap();
    let at = elsewhere.path().to_str().unwrap().to_owned();
    let git = |args: &[&str]| {
        let out = project.command("git").current_dir(&at).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    git(&["clone", "-q", fake.repo().to_str().unwrap(), "."]);
    std::fs::write(elsewhere.path().join(path), text).unwrap();
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "Somebody else's work"]);
    git(&["push", "-q", "origin", "HEAD:main"]);
    let theirs = fake.git(&["rev-parse", "main"]);
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(["action", "run", "--deliver", "push"]).stdin(Stdio::null());
    in_job(&mut command, project, fake, "push", &pushed(head));
    let out = command.envs(env.iter().copied()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}");
    fake.assert_as_described();
    (theirs, said)
}

#[test]
fn a_heal_is_pushed_onto_a_branch_that_did_not_move() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let ran = super::job(&project, &fake, "push", &pushed(&head), &["run", "--deliver", "push"]);
    assert!(ran.ok && ran.said.contains("pushed "), "{}", ran.said);
    assert_eq!(fake.git(&["rev-parse", "main^"]), head);
    assert!(fake.state().pulls.is_empty());
}

#[test]
fn a_heal_is_merged_with_what_came_meanwhile_judged_again_and_pushed_on_top() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let (theirs, said) = moved(&fake, &project, &head, "NOTES.md", "something else\n");
    assert!(said.contains("pushed "), "{said}");
    assert_eq!(fake.git(&["rev-parse", "main^"]), theirs, "their commit is not underneath");
    assert_eq!(fake.git(&["show", "main:NOTES.md"]), "something else");
    assert!(!fake.git(&["diff", "--name-only", "main^", "main"]).is_empty());
}

#[test]
fn a_heal_that_is_none_for_what_came_meanwhile_is_left_behind_with_the_command_that_applies_it() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-bounds-regressed");
    // merges cleanly, and makes another test red
    let broken = "def test_that_nobody_can_heal():\n    assert 1 == 2\n";
    let (theirs, said) = moved(&fake, &project, &head, "test_more.py", broken);
    assert!(said.contains("pull request "), "{said}");
    assert_eq!(fake.git(&["rev-parse", "main"]), theirs, "somebody's branch was moved");
    let state = fake.state();
    let body = state.pulls[0]["body"].as_str().unwrap();
    assert!(body.contains("Not pushed") && body.contains("git cherry-pick FETCH_HEAD"), "{body}");
    assert!(body.starts_with("<!-- kaizen-ci:fingerprint="), "{body}");
    let branch = state.pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    drop(state);
    assert_eq!(fake.git(&["rev-parse", &format!("{branch}^")]), head);
}

#[test]
fn what_tests_write_into_the_git_directory_while_a_moved_heal_is_judged_again_turns_no_push_away() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-bounds-regressed");
    let folder = project.tmp().join("../home");
    // whoever goes on from there is sent somewhere else, with the token
    let planting = format!(
        "import glob, pathlib\n\n\ndef test_plant():\n    for at in glob.glob({folder:?} + '/kaizen-pristine-*/repo.git'):\n        \
         with open(at + '/config', 'a') as f:\n            f.write('[url \"http://127.0.0.1:9/\"]\\n\\tinsteadOf = http://\\n')\n        \
         pathlib.Path({folder:?}, 'planted').touch()\n",
        folder = folder.to_str().unwrap()
    );
    let (theirs, said) = moved_with(&fake, &project, &head, "test_plant.py", &planting, &[("KAIZEN_SANDBOX", "false")]);
    assert!(folder.join("planted").exists(), "nothing was there to write into: {said}");
    assert!(said.contains("pushed "), "{said}");
    assert_eq!(fake.git(&["rev-parse", "main^"]), theirs);
}
