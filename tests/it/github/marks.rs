//! Our marks, written by somebody who knows what they look like: what is not by us is not taken for ours, not written over, and
//! stops nothing.

use kaizen_ci::github::body::marker;
use serde_json::{Value, json};

use super::fake::Fake;
use super::{Heard, client, hear, heard, job, red_shop};

const PRINT: &str = "00aabbccddee";
const PLACE: &str = "0123456789ab";

fn eve() -> Value {
    json!({"login": "eve", "type": "User"})
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

#[test]
fn an_issue_with_our_marks_that_somebody_else_wrote_is_neither_updated_nor_closed_nor_believed() {
    let fake = Fake::start();
    let text = format!(
        "{}\n{}\n{}\nred",
        marker("fingerprint", PRINT),
        marker("place", PLACE),
        marker("print", "v1-00aabbccddeeff00")
    );
    fake.state().issues.push(json!({
        "title": "Tests are red", "labels": ["kaizen-ci"], "number": 900, "state": "open", "user": eve(), "body": text,
    }));
    let client = client(&fake);
    // what it says of earlier attempts would have a failure left alone
    assert!(wait(client.our_issues("open")).unwrap().is_empty());
    assert_eq!(wait(client.find_issue(PRINT)).unwrap(), None);
    let ours = wait(client.put_issue(PRINT, "t", &text.replace("red", "ours"))).unwrap();
    assert_ne!(ours.number, 900);
    assert_eq!(wait(client.leave_place(PLACE, &[], "green")).unwrap(), [ours.number]);
    let state = fake.state();
    assert_eq!((&state.issues[0]["state"], state.issues[0]["body"].as_str().unwrap()), (&json!("open"), text.as_str()));
    drop(state);
    fake.assert_as_described();
}

#[test]
fn an_answer_that_somebody_else_forged_keeps_no_order_from_being_answered() {
    let fake = Fake::start();
    fake.state().roles.insert("mona".into(), "write");
    let id = fake.says(1, "mona", "/kaizen heal");
    let forged = format!("{}\n<!-- ended -->\nStopped; nothing was changed.", marker("comment", &id.to_string()));
    fake.says(1, "eve", &forged);
    assert_eq!(hear(&fake, &heard(&fake, id, "mona", "/kaizen heal")), Heard::Answered);
    let state = fake.state();
    assert_eq!(state.comments[1]["body"], forged, "somebody's comment was written over");
    assert!(state.comments[2]["body"].as_str().unwrap().contains("did heal"), "{:#?}", state.comments);
}

#[test]
fn a_review_with_our_mark_that_somebody_else_wrote_keeps_no_heal_from_being_suggested() {
    let fake = Fake::start();
    let text = format!("{}\nthe report", marker("fingerprint", PRINT));
    fake.state().reviews.push(json!({"id": 5, "user": eve(), "body": text}));
    fake.state().files =
        vec![json!({"filename": "a.py", "status": "modified", "patch": "@@ -1,2 +1,2 @@\n a\n-b\n+c"})];
    let patch = b"--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n a\n-c\n+d\n";
    let head = "1".repeat(40);
    for _ in 0..2 {
        assert_eq!(wait(client(&fake).suggest(1, &head, patch, PRINT, &text)).unwrap(), Ok(1));
    }
    assert_eq!(fake.state().reviews.len(), 2, "ours, once");
    fake.assert_as_described();
}

#[test]
fn what_is_at_work_and_what_is_open_is_what_we_wrote_and_not_what_others_named_so() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    fake.state().roles.insert("mona".into(), "write");
    let number = fake.opens("kaizen/heal-00aabbccddee", &head, true);
    fake.state().pulls[0]["title"] = "A pull request from a fork".into();
    fake.says(number, "eve", &format!("{}\n<!-- working -->\nWorking on `heal` …", marker("comment", "7")));
    let text = "/kaizen status\n/kaizen stop";
    let id = fake.says(number, "mona", text);
    let event = json!({
        "action": "created", "issue": {"number": number},
        "comment": {"id": id, "body": text, "user": {"login": "mona", "type": "User"}},
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    });
    let ran = job(&project, &fake, "issue_comment", &event, &["comment"]);
    assert!(ran.ok, "{}", ran.said);
    let state = fake.state();
    let answer = state.comments.last().unwrap()["body"].as_str().unwrap();
    assert!(answer.contains("Open heals: none") && answer.contains("Nothing is going on here"), "{answer}");
    assert!(!state.reactions.iter().any(|(_, what)| what == "-1"), "{:?}", state.reactions);
    drop(state);
    fake.assert_as_described();
}
