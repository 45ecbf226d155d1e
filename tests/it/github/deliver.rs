//! Ways of delivering beside the pull request, clones without history, logs that are kept as a zip.

use std::io::Write as _;

use serde_json::json;

use super::fake::Fake;
use super::{job, of_pull, pushed, red_shop};
use crate::project::Project;

/// A pull request of our own repository whose diff is what `shown` says.
fn pull_request(fake: &Fake, shown: &str) -> (Project, u64) {
    let (project, head) = red_shop(fake, "tap-bounds-regressed");
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/feature"]);
    let number = fake.opens("feature", &head, false);
    fake.state().files = vec![json!({"filename": "search.py", "status": "modified", "patch": shown})];
    (project, number)
}

#[test]
fn a_heal_on_lines_that_the_pull_request_shows_is_suggested_there_once() {
    let fake = Fake::start();
    let lines = Project::fixture("tap-bounds-regressed").read("search.py");
    let whole: String = lines.lines().map(|line| format!("+{line}\n")).collect();
    let (project, number) = pull_request(&fake, &format!("@@ -0,0 +1,{} @@\n{whole}", lines.lines().count()));
    for _ in 0..2 {
        let ran = job(&project, &fake, "pull_request", &of_pull(&fake, number), &["run", "--deliver", "suggest"]);
        assert!(ran.ok && ran.said.contains("1 suggestion under"), "{}", ran.said);
    }
    fake.assert_as_described();
    let state = fake.state();
    assert_eq!(state.reviews.len(), 1);
    let review = &state.reviews[0];
    let comment = &review["comments"][0];
    assert_eq!((&comment["path"], &comment["side"]), (&json!("search.py"), &json!("RIGHT")));
    let text = comment["body"].as_str().unwrap();
    assert!(text.starts_with("```suggestion\n"), "{text}");
    let line = usize::try_from(comment["line"].as_u64().unwrap()).unwrap();
    let suggested = text.lines().nth(1).unwrap();
    let old = lines.lines().nth(line - 1).unwrap();
    assert!(
        suggested != old && suggested.trim_start().split(' ').next() == old.trim_start().split(' ').next(),
        "{old}\n{text}"
    );
    assert!(state.pulls.len() == 1 && state.comments.is_empty(), "{:#?}", state.comments);
}

#[test]
fn a_heal_on_other_lines_is_reported_with_its_patch_and_why_it_is_not_suggested() {
    let fake = Fake::start();
    let (project, number) = pull_request(&fake, "@@ -1 +1 @@\n+x");
    let ran = job(&project, &fake, "pull_request", &of_pull(&fake, number), &["run", "--deliver", "suggest"]);
    assert!(ran.ok, "{}", ran.said);
    let state = fake.state();
    let text = state.comments[0]["body"].as_str().unwrap();
    assert!(text.contains("Not suggested") && text.contains("does not show") && text.contains("```diff"), "{text}");
    assert!(state.reviews.is_empty());
}

#[test]
fn where_no_check_run_may_be_made_the_suspects_are_marked_in_the_log() {
    let fake = Fake::start();
    fake.state().may_make_checks = false;
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let ran = job(&project, &fake, "push", &pushed(&head), &["run", "--deliver", "report"]);
    assert!(ran.ok && ran.said.contains("::warning file=search.py,line="), "{}", ran.said);
    assert!(fake.state().pulls.is_empty());
    fake.state().may_make_checks = true;
    // not left alone: it did heal
    let ran = job(&project, &fake, "push", &pushed(&head), &["run", "--deliver", "report"]);
    assert!(ran.ok && !ran.said.contains("::warning"), "{}", ran.said);
    let again = job(&project, &fake, "push", &pushed(&head), &["run", "--deliver", "report"]);
    assert!(again.ok);
    assert_eq!(fake.state().checks.len(), 1, "a second check run on one commit");
    fake.assert_as_described();
}

#[test]
fn a_clone_without_history_gets_it_and_keeps_its_branches() {
    let fake = Fake::start();
    let (whole, head) = red_shop(&fake, "py-cart");
    let project = Project::empty();
    let url = format!("file://{}", fake.repo().display());
    project.git(&["fetch", "-q", "--depth=1", &url, "main"]);
    project.git(&["checkout", "-q", "--detach", "FETCH_HEAD"]);
    assert_eq!(project.git(&["rev-parse", "--is-shallow-repository"]), "true");
    let refs = project.git(&["for-each-ref"]);
    let ran = job(&project, &fake, "push", &pushed(&head), &["run"]);
    assert!(ran.ok && ran.outputs.contains("/pull/"), "{}", ran.said);
    assert_eq!(project.git(&["rev-list", "--count", "HEAD"]), whole.git(&["rev-list", "--count", "HEAD"]));
    assert_eq!(project.git(&["for-each-ref"]), refs);
    fake.assert_as_described();
}

#[test]
fn logs_are_taken_from_the_zip_of_the_run_when_those_of_the_job_are_gone() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    fake.opens("feature", &head, true);
    let log = "2026-01-01T00:00:00.0000000Z FAILED test_search.py::test_last - boom\n";
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("0_unit.txt", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(log.as_bytes()).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    {
        let mut state = fake.state();
        state.jobs = vec![json!({"id": 71, "name": "unit", "conclusion": "failure"})];
        state.logs.insert(5, zip);
    }
    let event = json!({
        "action": "completed",
        "workflow_run": {
            "id": 5, "name": "ci", "conclusion": "failure", "head_sha": head, "head_branch": "feature",
            "head_repository": {"full_name": "mallory/shop"}, "pull_requests": [], "actor": {"login": "mallory"},
        },
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    });
    let ran = job(&project, &fake, "workflow_run", &event, &["run"]);
    assert!(ran.ok && ran.summary.contains("test_search.py::test_last"), "{}\n{}", ran.said, ran.summary);
    assert_eq!(fake.state().comments.len(), 1);
    // the same workflow, green: what it had found red is over
    let green = |name: &str| {
        let mut green = event.clone();
        green["workflow_run"]["conclusion"] = "success".into();
        green["workflow_run"]["head_repository"]["full_name"] = name.into();
        green
    };
    assert!(job(&project, &fake, "workflow_run", &green("mallory/shop"), &["run"]).said.contains("nothing to do"));
    assert!(job(&project, &fake, "workflow_run", &green("octo/shop"), &["run"]).outputs.contains("already_green"));
    fake.assert_as_described();
}
