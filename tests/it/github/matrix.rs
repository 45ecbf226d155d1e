//! Jobs of a matrix that report the same failure: one issue, one pull request, and none writes over what another one wrote.

use kaizen_ci::github::body::marker;
use kaizen_ci::github::places::{self, Place};

use super::fake::Fake;
use super::{Ran, client, job_with, pushed, red_shop};
use crate::project::Project;

const LINUX: &str = r#"{"os": "ubuntu-24.04"}"#;
const MACOS: &str = r#"{"os": "macos-15"}"#;

fn in_matrix(project: &Project, fake: &Fake, head: &str, matrix: &str, args: &[&str]) -> Ran {
    let env = [("INPUT_MATRIX", matrix), ("RUNNER_OS", "Linux")];
    let ran = job_with(project, fake, "push", &pushed(head), &[&["run"], args].concat(), &env);
    assert!(ran.ok, "{}", ran.said);
    // each job has a clone of its own
    let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
    ran
}

fn jobs(body: &str) -> Vec<String> {
    places::of(body).into_iter().map(|place| place.job).collect()
}

#[test]
fn jobs_that_are_red_for_the_same_reason_share_an_issue_until_the_last_one_is_green() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-contradiction");
    let text = || fake.state().issues[0]["body"].as_str().unwrap().to_owned();
    in_matrix(&project, &fake, &head, LINUX, &["--time-limit", "10s"]);
    let first = text();
    let second = in_matrix(&project, &fake, &head, MACOS, &["--time-limit", "10s"]);
    assert!(second.outputs.contains("left_alone") && second.outputs.contains("/issues/"), "{}", second.outputs);
    assert_eq!(fake.state().issues.len(), 1);
    assert_eq!(jobs(&text()), ["test-ubuntu-24.04", "test-macos-15"]);
    assert!(text().contains("Red in 2 jobs") && text().len() > first.len(), "{}", text());
    assert!(text().contains("What is red"), "the report was written over:\n{}", text());
    in_matrix(&project, &fake, &head, LINUX, &["--status", "success"]);
    assert_eq!(fake.state().issues[0]["state"], "open", "it is still red elsewhere");
    assert_eq!(jobs(&text()), ["test-macos-15"]);
    let said = fake.state().comments.last().unwrap()["body"].as_str().unwrap().to_owned();
    assert!(said.contains(&head) && said.contains("Still red in `test-macos-15`"), "{said}");
    in_matrix(&project, &fake, &head, MACOS, &["--status", "success"]);
    assert_eq!(fake.state().issues[0]["state"], "closed");
    fake.assert_as_described();
}

#[test]
fn jobs_that_write_at_the_same_moment_leave_one_open_issue_with_all_their_places() {
    let fake = Fake::start();
    let all: Vec<String> = (0..6).map(|n| format!("{n}{n}aabbccddee")).collect();
    std::thread::scope(|scope| {
        for id in &all {
            let client = client(&fake);
            scope.spawn(move || {
                let text = format!("{}\nthe text of {id}\n", marker("fingerprint", "0011223344"));
                let text = places::with(&text, &[Place::new(id, id)]);
                tokio::runtime::Runtime::new().unwrap().block_on(client.put_issue("0011223344", id, &text)).unwrap();
            });
        }
    });
    let state = fake.state();
    let open: Vec<_> = state.issues.iter().filter(|issue| issue["state"] == "open").collect();
    assert_eq!(open.len(), 1, "{:#?}", state.issues);
    let mut found = jobs(open[0]["body"].as_str().unwrap());
    found.sort();
    assert_eq!(found, all, "{:#?}", state.issues);
    drop(state);
    fake.assert_as_described();
}

#[test]
fn jobs_that_find_the_same_heal_share_a_pull_request_and_another_heal_is_a_comment_under_it() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let text = || fake.state().pulls[0]["body"].as_str().unwrap().to_owned();
    in_matrix(&project, &fake, &head, LINUX, &["--time-limit", "30s"]);
    let first = text();
    in_matrix(&project, &fake, &head, MACOS, &["--time-limit", "30s"]);
    assert_eq!(fake.state().pulls.len(), 1);
    assert_eq!(jobs(&text()), ["test-ubuntu-24.04", "test-macos-15"]);
    let last_line = |text: &str| text.trim_end().lines().last().unwrap().to_owned();
    assert_eq!(last_line(&text()), last_line(&first));
    // a third job finds that something else is proposed for the same commit
    let branch = fake.state().pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    project.write("search.py", "# healed in another way\n");
    project.git(&["checkout", "-q", "-b", "other"]);
    project.commit("Another heal");
    project.git(&["push", "-q", "-f", fake.repo().to_str().unwrap(), &format!("HEAD:refs/heads/{branch}")]);
    project.git(&["checkout", "-q", "--detach", &head]);
    let ran = in_matrix(&project, &fake, &head, r#"{"os": "windows"}"#, &["--time-limit", "30s"]);
    let state = fake.state();
    assert_eq!(state.pulls.len(), 1, "{}", ran.said);
    let said = state.comments.last().unwrap()["body"].as_str().unwrap();
    assert!(said.contains("Another heal of the same failure") && said.contains("`test-windows`"), "{said}");
    assert!(said.contains("```diff"), "{said}");
    drop(state);
    fake.assert_as_described();
}
