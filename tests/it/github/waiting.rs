//! A heal that waits for somebody, a failure that went away or became another one: what is there is gone on with, and nothing is
//! said that is not so.

use serde_json::{Value, json};

use super::attacks::{failed_run, pull_request};
use super::fake::Fake;
use super::two_jobs::{handed_over, publish};
use super::{job, job_with, of_pull, pushed, red_shop};
use crate::project::Project;

/// One more commit on `branch` that has nothing to do with what is red; its name.
fn more(project: &Project, fake: &Fake, branch: &str) -> String {
    let n = project.git(&["rev-list", "--count", "HEAD"]);
    project.write(&format!("notes-{n}.txt"), "something else\n");
    project.commit("Something else");
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), &format!("HEAD:refs/heads/{branch}")]);
    project.git(&["rev-parse", "HEAD"])
}

/// Runs as on a fresh machine.
fn heal(project: &Project, fake: &Fake, head: &str) -> super::Ran {
    let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
    // enough for a machine with other work: it ends with the heal
    let ran = job(project, fake, "push", &pushed(head), &["run", "--time-limit", "120s"]);
    assert!(ran.ok, "{}", ran.said);
    ran
}

#[test]
fn a_heal_that_waits_is_brought_up_to_date_in_its_one_pull_request() {
    let fake = Fake::start();
    let (project, first) = red_shop(&fake, "tap-bounds-regressed");
    heal(&project, &fake, &first);
    let branch = fake.state().pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    let old = fake.git(&["rev-parse", &branch]);
    let second = more(&project, &fake, "main");
    assert!(heal(&project, &fake, &second).outputs.contains("/pull/"));
    assert_eq!(fake.state().pulls.len(), 1, "{:#?}", fake.state().requests);
    assert!(fake.state().pulls[0]["body"].as_str().unwrap().contains(&second[..12]), "the body is an old one");
    assert_eq!(fake.git(&["rev-parse", &format!("{branch}^1"), &format!("{branch}^2")]), format!("{old}\n{second}"));
    assert_eq!(fake.git(&["diff", "--name-only", &second, &branch]), "search.py");
    // the same again changes nothing
    let tip = fake.git(&["rev-parse", &branch]);
    heal(&project, &fake, &second);
    assert_eq!(fake.git(&["rev-parse", &branch]), tip);
}

#[test]
fn a_heal_that_a_person_goes_on_with_is_left_to_them() {
    let fake = Fake::start();
    let (project, first) = red_shop(&fake, "tap-bounds-regressed");
    heal(&project, &fake, &first);
    let branch = fake.state().pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    let theirs = Project::empty();
    theirs.git(&["fetch", "-q", fake.repo().to_str().unwrap(), &branch]);
    theirs.git(&["checkout", "-q", "--detach", "FETCH_HEAD"]);
    theirs.write("more.txt", "by hand\n");
    theirs.commit("By hand");
    theirs.git(&["push", "-q", fake.repo().to_str().unwrap(), &format!("HEAD:refs/heads/{branch}")]);
    let tip = fake.git(&["rev-parse", &branch]);
    for _ in 0..2 {
        let next = more(&project, &fake, "main");
        heal(&project, &fake, &next);
        let state = fake.state();
        assert_eq!((state.pulls.len(), state.comments.len()), (1, 1), "{:#?}", state.comments);
        let said = state.comments[0]["body"].as_str().unwrap();
        assert!(said.contains("somebody else's commits") && said.contains(&next), "{said}");
    }
    assert_eq!(fake.git(&["rev-parse", &branch]), tip, "somebody's branch was moved");
}

#[test]
fn a_heal_that_a_person_closed_is_not_opened_again() {
    let fake = Fake::start();
    let (project, first) = red_shop(&fake, "tap-bounds-regressed");
    heal(&project, &fake, &first);
    fake.state().pulls[0]["state"] = "closed".into();
    let last = more(&project, &fake, "main");
    assert!(heal(&project, &fake, &last).outputs.contains("/issues/"));
    let state = fake.state();
    assert_eq!((state.pulls.len(), &state.pulls[0]["state"]), (1, &json!("closed")));
    let (number, body) = (&state.pulls[0]["number"], state.issues[0]["body"].as_str().unwrap());
    assert!(body.contains(&format!("#{number} was closed")) && body.contains("```diff"), "{body}");
}

#[test]
fn a_heal_of_an_earlier_commit_is_not_put_over_that_of_a_later_one() {
    let fake = Fake::start();
    let (project, first) = red_shop(&fake, "tap-bounds-regressed");
    let second = more(&project, &fake, "main");
    heal(&project, &fake, &second);
    let branch = fake.state().pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    let tip = fake.git(&["rev-parse", &branch]);
    project.git(&["checkout", "-q", "--detach", &first]);
    heal(&project, &fake, &first);
    assert_eq!(fake.git(&["rev-parse", &branch]), tip, "what came later was taken back");
    let state = fake.state();
    let said = state.comments[0]["body"].as_str().unwrap();
    assert!(state.pulls.len() == 1 && said.contains("later commits") && said.contains(&first), "{said}");
}

#[test]
fn the_same_failure_on_another_branch_has_a_heal_of_its_own_that_brings_no_commit_from_here_to_there() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    heal(&project, &fake, &head);
    let other = more(&project, &fake, "feature");
    let mut event = pushed(&other);
    event["ref"] = "refs/heads/feature".into();
    for _ in 0..2 {
        let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
        let ran = job(&project, &fake, "push", &event, &["run"]);
        assert!(ran.ok, "{}", ran.said);
    }
    let state = fake.state();
    assert_eq!(state.pulls.len(), 2);
    assert_eq!((&state.pulls[0]["base"]["ref"], &state.pulls[1]["base"]["ref"]), (&json!("main"), &json!("feature")));
    let branch = state.pulls[1]["head"]["ref"].as_str().unwrap().to_owned();
    drop(state);
    assert_eq!(fake.git(&["rev-parse", &format!("{branch}^")]), other);
}

#[test]
fn the_red_pull_request_is_told_once_that_there_is_a_heal_and_the_heal_what_it_is_for() {
    let fake = Fake::start();
    let (project, number) = pull_request(&fake, |_| {});
    for _ in 0..2 {
        let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
        let ran = job(&project, &fake, "pull_request", &of_pull(&fake, number), &["run"]);
        assert!(ran.ok, "{}", ran.said);
    }
    let state = fake.state();
    let heals: Vec<_> = state.pulls.iter().filter(|pull| pull["number"] != number).collect();
    assert_eq!((heals.len(), state.comments.len()), (1, 1), "{:#?}", state.comments);
    assert!(heals[0]["body"].as_str().unwrap().contains(&format!("For #{number}.")), "{}", heals[0]["body"]);
    assert_eq!(state.comments[0]["number"], number);
    let said = state.comments[0]["body"].as_str().unwrap();
    assert!(said.contains(&format!("[#{}](", heals[0]["number"])), "{said}");
}

#[test]
fn a_heal_of_a_branch_that_moved_on_says_which_commit_it_was_verified_at() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    more(&project, &fake, "main");
    project.git(&["checkout", "-q", "--detach", &head]);
    heal(&project, &fake, &head);
    let state = fake.state();
    let body = state.pulls[0]["body"].as_str().unwrap();
    assert!(body.contains("`main` has moved on") && body.contains(&format!("verified at {head}")), "{body}");
}

/// An open issue of ours about something else that is red at the place of `body`.
fn issue(number: u64, body: &str) -> Value {
    json!({"title": "Tests are red", "labels": ["kaizen-ci"], "number": number, "state": "open",
        "user": {"login": "github-actions[bot]", "type": "Bot"}, "body": body})
}

/// The lines of places of the first issue.
fn places(fake: &Fake) -> String {
    let state = fake.state();
    let body = state.issues[0]["body"].as_str().unwrap();
    body.lines().filter(|line| line.starts_with("<!-- kaizen-ci:place=")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_is_red_for_another_reason_now_is_taken_out_of_the_issue_that_it_was_in() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-contradiction");
    let run = || job(&project, &fake, "push", &pushed(&head), &["run", "--time-limit", "10s"]);
    assert!(run().ok);
    let here = places(&fake);
    let earlier = format!("<!-- kaizen-ci:fingerprint=00aabbccddee -->\n{here}");
    let elsewhere =
        format!("<!-- kaizen-ci:fingerprint=11aabbccddee -->\n{here}<!-- kaizen-ci:place=0123456789ab_other -->\n");
    // found anew, and left alone because of the issue that is there then
    for outcome in ["escalated", "left_alone"] {
        {
            let mut state = fake.state();
            state.comments.clear();
            state.issues.retain(|issue| outcome == "left_alone" && issue["number"].as_u64() < Some(900));
            state.issues.extend([issue(900, &earlier), issue(901, &elsewhere)]);
        }
        let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
        let ran = run();
        assert!(ran.outputs.contains(outcome), "{}", ran.outputs);
        let state = fake.state();
        let find = |number: u64| state.issues.iter().find(|issue| issue["number"] == number).unwrap();
        assert_eq!((&find(900)["state"], &find(901)["state"]), (&json!("closed"), &json!("open")));
        assert!(!find(901)["body"].as_str().unwrap().contains(here.trim()), "{}", find(901));
        let ours = state.issues.iter().find(|issue| issue["number"].as_u64() < Some(900)).unwrap();
        assert_eq!(ours["state"], "open");
        let said = |number: u64| {
            let all = state.comments.iter().filter(|comment| comment["number"] == number);
            all.map(|comment| comment["body"].as_str().unwrap()).collect::<String>()
        };
        let now = format!("see #{}", ours["number"]);
        for number in [900, 901] {
            assert!(said(number).contains("No longer red at") && said(number).contains(&now), "{}", said(number));
        }
    }
}

/// A repository whose only test is red while a file beside it is there; that file.
fn moody(fake: &Fake) -> (Project, String, std::path::PathBuf) {
    let project = Project::empty();
    let flag = project.tmp().join("../home/flag");
    std::fs::write(&flag, "").unwrap();
    let text =
        format!("import os\n\n\ndef test_mood():\n    assert not os.path.exists({:?})\n", flag.to_str().unwrap());
    project.write("test_mood.py", &text);
    project.commit("A mood");
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    let head = project.git(&["rev-parse", "HEAD"]);
    fake.state().roles.insert("mona".into(), "write");
    (project, head, flag)
}

/// What is said when it is red there and green here.
fn assert_not_reproduced(fake: &Fake, ran: &super::Ran) {
    assert!(ran.ok && ran.outputs.contains("not_reproduced"), "{}\n{}", ran.said, ran.outputs);
    assert!(ran.summary.contains("Red there, green here") && ran.summary.contains("pytest"), "{}", ran.summary);
    assert!(!ran.said.contains("the tests are green"), "{}", ran.said);
    assert_eq!(fake.state().issues[0]["state"], "open", "{}", ran.said);
}

#[test]
fn a_job_that_is_red_there_and_green_here_closes_nothing_and_says_what_was_run() {
    for event in ["push", "workflow_run"] {
        let fake = Fake::start();
        let (project, head, flag) = moody(&fake);
        let red = if event == "push" { pushed(&head) } else { failed_run(&head, "main", "mona", "User") };
        let mut green = red.clone();
        if event == "workflow_run" {
            green["workflow_run"]["conclusion"] = "success".into();
        }
        let run = |payload: &Value, more: &[&str]| {
            let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
            job(&project, &fake, event, payload, &[&["run", "--time-limit", "10s"], more].concat())
        };
        assert!(run(&red, &[]).outputs.contains("/issues/"));
        std::fs::remove_file(&flag).unwrap();
        assert_not_reproduced(&fake, &run(&red, &[]));
        let status: &[&str] = if event == "push" { &["--status", "success"] } else { &[] };
        assert!(run(&green, status).said.contains("closed #"), "{event}");
    }
}

#[test]
fn what_was_handed_over_as_green_closes_nothing_either() {
    let fake = Fake::start();
    let (project, head, flag) = moody(&fake);
    let hand_over = || {
        let folder = project.tmp().join("../found");
        let _ = std::fs::remove_dir_all(project.root().join(".git/kaizen"));
        let args = ["run", "--time-limit", "10s", "--hand-over", folder.to_str().unwrap()];
        (job(&project, &fake, "push", &pushed(&head), &args), folder)
    };
    let (_, folder) = hand_over();
    assert!(publish(&project, &fake, &head, &folder, &[]).outputs.contains("/issues/"));
    std::fs::remove_file(&flag).unwrap();
    let (ran, folder) = hand_over();
    assert_not_reproduced(&fake, &ran);
    assert_not_reproduced(&fake, &publish(&project, &fake, &head, &folder, &[]));
    assert!(publish(&project, &fake, &head, &folder, &["--status", "success"]).said.contains("closed #"));
}

#[test]
fn a_push_to_the_branch_of_an_open_pull_request_is_left_to_the_event_of_that() {
    let fake = Fake::start();
    let (project, number) = pull_request(&fake, |_| {});
    let head = project.git(&["rev-parse", "HEAD"]);
    let mut event = pushed(&head);
    event["ref"] = "refs/heads/feature".into();
    for args in [&["run"][..], &["publish", "--from", "nowhere"]] {
        let ran = job(&project, &fake, "push", &event, args);
        assert!(ran.ok && ran.said.contains(&format!("the tip of pull request {number}")), "{}", ran.said);
    }
    let state = fake.state();
    assert!(state.requests.iter().all(|request| request.starts_with("GET")), "{:#?}", state.requests);
}

#[test]
fn what_the_jobs_of_a_matrix_hand_over_is_published_by_one_job() {
    let fake = Fake::start();
    let (project, head, first) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let all = project.tmp().join("../all");
    std::fs::create_dir(&all).unwrap();
    std::fs::rename(&first, all.join("kaizen-handover-0")).unwrap();
    // one job of it came to no end that can be believed
    std::fs::create_dir(all.join("kaizen-handover-1")).unwrap();
    std::fs::write(all.join("kaizen-handover-1/handover.json"), "{").unwrap();
    // and one found another failure
    let other = Project::fixture("py-contradiction");
    other.git(&["fetch", "-q", fake.repo().to_str().unwrap(), "main"]);
    let to = all.join("kaizen-handover-2");
    let ran = job(
        &other,
        &fake,
        "push",
        &pushed(&other.git(&["rev-parse", "HEAD"])),
        &["run", "--time-limit", "10s", "--hand-over", to.to_str().unwrap()],
    );
    assert!(ran.ok, "{}", ran.said);
    let list = std::fs::read_to_string(to.join("handover.json")).unwrap();
    std::fs::write(to.join("handover.json"), list.replace(&other.git(&["rev-parse", "HEAD"]), &head)).unwrap();
    for _ in 0..2 {
        let ran = publish(&project, &fake, &head, &all, &[]);
        assert!(!ran.ok && ran.said.contains("nothing is published"), "{}", ran.said);
        assert!(ran.outputs.contains("/pull/") && ran.outputs.contains("/issues/"), "{}", ran.outputs);
        let state = fake.state();
        // what one job found is not over because another one found something else
        assert_eq!((state.pulls.len(), state.issues.len(), &state.issues[0]["state"]), (1, 1, &json!("open")));
    }
}

#[test]
fn a_revert_speaks_git_s_own_words_and_names_the_commit_and_who_wrote_it() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let culprit = project.git(&["rev-parse", "HEAD"]);
    let (subject, author) = (project.git(&["log", "-1", "--format=%s"]), project.git(&["log", "-1", "--format=%an"]));
    let ran = job_with(&project, &fake, "push", &pushed(&head), &["run"], &[("KAIZEN_FIXERS", "suggest")]);
    assert!(ran.ok && ran.outputs.contains("tier<<"), "{}", ran.outputs);
    let state = fake.state();
    let (title, body) = (state.pulls[0]["title"].as_str().unwrap(), state.pulls[0]["body"].as_str().unwrap());
    assert_eq!(title, format!("Revert \"{subject}\""), "{body}");
    assert!(body.contains(&format!("This reverts commit `{culprit}`, written by {author} ")), "{body}");
    let branch = state.pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    drop(state);
    let message = fake.git(&["log", "-1", "--format=%B", &branch]);
    assert!(message.starts_with(&format!("Revert \"{subject}\"\n\nThis reverts commit {culprit}.")), "{message}");
}

#[test]
fn an_enterprise_server_is_asked_below_its_prefix_and_its_links_are_its_own() {
    let fake = Fake::start();
    fake.state().enterprise = true;
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let ran = heal(&project, &fake, &head);
    assert!(ran.outputs.contains(&format!("{}/octo/shop/pull/", fake.url)), "{}", ran.outputs);
    let state = fake.state();
    assert_eq!(state.pulls.len(), 1);
    assert!(state.pulls[0]["body"].as_str().unwrap().contains(&format!("{}/octo/shop/actions/runs/77", fake.url)));
}
