//! GitHub from end to end: the program against a GitHub of our own that keeps state and speaks real HTTP and git.

mod attacks;
mod comments;
mod composite;
mod deliver;
mod fake;
mod forged;
mod install;
mod marks;
mod matrix;
mod moved;
mod openapi;
mod orders;
mod reports;
mod revise;
mod two_jobs;
mod waiting;

use std::time::Duration;

use futures::future::BoxFuture;
use kaizen_ci::cli::action::asked::CommandLine;
use kaizen_ci::github::allow::Policy;
use kaizen_ci::github::client::{Client, Place, Token};
use kaizen_ci::github::event::{Comment, Place as Where, Pull};
use kaizen_ci::github::names::Slug;
use kaizen_ci::github::order::{Order, Word};
use kaizen_ci::github::pace::Pace;
use kaizen_ci::github::talk::{self, CommandRunner, Done, Heard, Progress};
use kaizen_ci::mask::Mask;

use crate::project::Project;
use fake::{Fake, Fault, TOKEN, What};

fn client(fake: &Fake) -> Client {
    let ms = Duration::from_millis;
    let (most, answer) = (Duration::from_secs(5), Duration::from_secs(60));
    patient(fake, Pace { secondary: ms(20), first: ms(5), most, attempts: 5, settle: ms(200), answer })
}

fn patient(fake: &Fake, pace: Pace) -> Client {
    let place = Place { api: fake.api(), server: fake.url.clone() };
    Client::new(place, Slug::parse("octo/shop").unwrap(), Token::new(TOKEN), pace).unwrap()
}

/// A red shop, pushed to the fake, and the event of that push.
fn red_shop(fake: &Fake, fixture: &str) -> (Project, String) {
    let project = Project::fixture(fixture);
    project.git(&["add", "-A"]);
    let _ = project.command("git").args(["commit", "-q", "-m", "Work in progress"]).output();
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    let head = project.git(&["rev-parse", "HEAD"]);
    (project, head)
}

/// The event of a push to `main`.
fn pushed(head: &str) -> serde_json::Value {
    serde_json::json!({
        "ref": "refs/heads/main", "after": head, "deleted": false,
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    })
}

/// The event of the pull request `number`, as the fake knows it.
fn of_pull(fake: &Fake, number: u64) -> serde_json::Value {
    let pull = fake.state().pulls.iter().find(|pull| pull["number"] == number).unwrap().clone();
    serde_json::json!({
        "action": "synchronize", "number": number, "pull_request": pull,
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    })
}

/// The environment of a job of GitHub Actions for this event; the files that it writes are beside the repository.
fn in_job(
    command: &mut std::process::Command,
    project: &Project,
    fake: &Fake,
    event: &str,
    payload: &serde_json::Value,
) {
    let file = project.tmp().join("../event.json");
    std::fs::write(&file, payload.to_string()).unwrap();
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", event)
        .env("GITHUB_EVENT_PATH", &file)
        .env("GITHUB_REPOSITORY", "octo/shop")
        .env("GITHUB_API_URL", fake.api())
        .env("GITHUB_SERVER_URL", &fake.url)
        .env("GITHUB_RUN_ID", "77")
        .env("GITHUB_WORKFLOW", "ci")
        .env("GITHUB_JOB", "test")
        // what is tested here is what becomes of a heal: the search would take both cores for longer than all the rest
        .env("KAIZEN_FIXERS", "suggest,undo")
        .env("GITHUB_TOKEN", TOKEN)
        .env("GITHUB_ENV", project.tmp().join("../env"))
        .env("GITHUB_PATH", project.tmp().join("../path"))
        .env("ACTIONS_RUNTIME_TOKEN", "a-token-of-the-runner")
        .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another-one")
        .env("GITHUB_OUTPUT", project.tmp().join("../outputs"))
        .env("GITHUB_STEP_SUMMARY", project.tmp().join("../summary.md"));
}

/// What a job said, and the outputs that it set.
struct Ran {
    ok: bool,
    said: String,
    outputs: String,
    summary: String,
}

/// Little time, where a test does not say how much: the search for rivals takes a part of what there is.
fn hurry(args: &[&str]) -> &'static [&'static str] {
    let heals = !args.iter().any(|arg| matches!(*arg, "publish" | "--time-limit" | "--hand-on"));
    if heals { &["--time-limit", "30s"] } else { &[] }
}

/// Runs `kaizen-ci action …` in a job for this event.
fn job(project: &Project, fake: &Fake, event: &str, payload: &serde_json::Value, args: &[&str]) -> Ran {
    job_with(project, fake, event, payload, args, &[])
}

/// The same with more variables.
fn job_with(
    project: &Project,
    fake: &Fake,
    event: &str,
    payload: &serde_json::Value,
    args: &[&str],
    env: &[(&str, &str)],
) -> Ran {
    let read = |name: &str| std::fs::read_to_string(project.tmp().join("..").join(name)).unwrap_or_default();
    for name in ["outputs", "summary.md"] {
        let _ = std::fs::remove_file(project.tmp().join("..").join(name));
    }
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.arg("action").args(args).args(hurry(args));
    in_job(&mut command, project, fake, event, payload);
    let out = command.envs(env.iter().copied()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!said.contains(TOKEN), "{said}");
    Ran { ok: out.status.success(), said, outputs: read("outputs"), summary: read("summary.md") }
}

fn action(project: &Project, fake: &Fake, head: &str, args: &[&str]) -> (std::process::Output, String) {
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(["action", "run"]).args(args).args(hurry(args));
    in_job(&mut command, project, fake, "push", &pushed(head));
    let out = command.output().unwrap();
    (out, std::fs::read_to_string(project.tmp().join("../outputs")).unwrap_or_default())
}

#[test]
fn a_heal_is_pushed_once_also_when_the_git_server_is_away_for_a_moment_and_when_only_its_answer_is_lost() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    fake.state().faults.extend([
        Fault { method: "GET", ends: ".git/info/refs", what: What::Status(503, "away") },
        Fault { method: "POST", ends: ".git/git-receive-pack", what: What::DoneAnd502 },
    ]);
    let (out, outputs) = action(&project, &fake, &head, &[]);
    assert!(out.status.success() && outputs.contains("/octo/shop/pull/"), "{}", String::from_utf8_lossy(&out.stderr));
    let state = fake.state();
    assert!(state.faults.is_empty() && state.pulls.len() == 1, "{:#?}", state.requests);
    let branch = state.pulls[0]["head"]["ref"].as_str().unwrap().to_owned();
    drop(state);
    let parents = std::process::Command::new("git")
        .args(["-c", "safe.directory=*", "-C", fake.repo().to_str().unwrap(), "log", "--format=%P", "-1", &branch])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&parents.stdout).trim(), head);
}

#[test]
fn a_red_push_becomes_one_draft_pull_request_with_the_verified_heal_also_when_run_twice() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    for _ in 0..2 {
        let (out, outputs) = action(&project, &fake, &head, &[]);
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{said}");
        assert!(outputs.contains("/octo/shop/pull/"), "{outputs}\n{said}");
        assert!(said.contains("::stop-commands::kaizen-"), "{said}");
    }
    fake.assert_as_described();
    let state = fake.state();
    assert_eq!(state.pulls.len(), 1, "{:#?}", state.requests);
    let pull = &state.pulls[0];
    assert_eq!((&pull["draft"], pull["base"]["ref"].as_str()), (&true.into(), Some("main")));
    let branch = pull["head"]["ref"].as_str().unwrap().to_owned();
    assert!(branch.starts_with("kaizen/heal-"), "{branch}");
    let body = pull["body"].as_str().unwrap();
    for part in [
        "<!-- kaizen-ci:fingerprint=",
        "Receipt",
        "How it was verified",
        "Approve",
        "Cost: $0.00, no model",
        "/runs/77",
    ] {
        assert!(body.contains(part), "no {part} in\n{body}");
    }
    assert!(!body.contains(TOKEN));
    drop(state);
    // The branch is one commit on top of what was red, and nobody's branch moved.
    assert_eq!(fake.git(&["rev-parse", &format!("{branch}^")]), head);
    assert_eq!(fake.git(&["rev-parse", "main"]), head);
}

#[test]
fn where_actions_may_not_make_pull_requests_the_branch_is_there_and_an_issue_has_the_link() {
    let fake = Fake::start();
    fake.state().may_make_pulls = false;
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let (out, outputs) = action(&project, &fake, &head, &[]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(outputs.contains("/issues/"), "{outputs}");
    fake.assert_as_described();
    let state = fake.state();
    let body = state.issues[0]["body"].as_str().unwrap();
    assert!(body.contains("/compare/main...kaizen/heal-") && body.contains("Allow GitHub Actions"), "{body}");
}

#[test]
fn what_does_not_heal_becomes_one_issue_that_is_opened_again() {
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-contradiction");
    let (out, outputs) = action(&project, &fake, &head, &["--time-limit", "10s"]);
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}");
    assert!(outputs.contains("/issues/"), "{outputs}\n{said}");
    fake.assert_as_described();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (client, body) = (client(&fake), fake.state().issues[0]["body"].as_str().unwrap().to_owned());
    let print = body.split("fingerprint=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(runtime.block_on(client.close_issue(&print, "Green again.")).unwrap().is_some());
    assert_eq!(fake.state().issues[0]["state"], "closed");
    runtime.block_on(client.put_issue(&print, "t", &body)).unwrap();
    assert_eq!(fake.state().issues.len(), 1);
    assert_eq!(fake.state().issues[0]["state"], "open");
}

/// Answers everything with a word.
struct Echo;

impl CommandRunner for Echo {
    fn run<'a>(&'a self, order: &'a Order, _: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move {
            progress.say("half way").await;
            match order.word {
                Word::Council | Word::Prd => talk::not_configured(order),
                word => Done { text: format!("did {}", word.name()), good: true },
            }
        })
    }
}

fn heard(fake: &Fake, id: u64, author: &str, body: &str) -> Comment {
    let bot = author.ends_with("[bot]");
    let _ = fake;
    let (author, body) = (author.into(), body.into());
    Comment { id, number: 1, on_pull: false, place: Where::Conversation, author, bot, body, created: None }
}

fn hear(fake: &Fake, comment: &Comment) -> Heard {
    let (client, mask) = (client(fake), Mask::new([TOKEN]));
    let (policy, reader) = (Policy::default(), CommandLine::new());
    let work = talk::hear(&client, comment, &policy, &reader, &Echo, &mask);
    tokio::runtime::Runtime::new().unwrap().block_on(work).unwrap()
}

#[test]
fn orders_are_obeyed_refused_or_ignored_by_who_gave_them_and_what_the_comment_says_now() {
    let fake = Fake::start();
    for (login, role) in [("mona", "write"), ("ted", "triage"), ("nils", "none"), ("reed", "read")] {
        fake.state().roles.insert(login.into(), role);
    }
    for (login, said, now, expected, part) in [
        ("mona", "/kaizen heal", "/kaizen heal", Heard::Answered, "did heal"),
        ("ted", "/kaizen heal", "/kaizen heal", Heard::Refused, "Sorry"),
        ("eve", "/kaizen heal", "/kaizen heal", Heard::Refused, "did not say"),
        ("evil[bot]", "/kaizen heal", "/kaizen heal", Heard::Silent, ""),
        ("evil[bot]", "/kaizen foo", "/kaizen foo", Heard::Silent, ""),
        ("eve", "/kaizen hael", "/kaizen hael", Heard::Silent, ""),
        ("nils", "/kaizen hael", "/kaizen hael", Heard::Silent, ""),
        ("reed", "/kaizen hael", "/kaizen hael", Heard::Refused, "Did you mean"),
        ("mona", "/kaizen heal", "/kaizen stop", Heard::Changed, ""),
        ("mona", "/kaizen hael", "/kaizen hael", Heard::Refused, "Did you mean"),
        ("mona", "/kaizen council why?", "/kaizen council why?", Heard::Refused, "not configured"),
        ("mona", "> /kaizen heal", "> /kaizen heal", Heard::Nothing, ""),
    ] {
        let id = fake.says(1, login, now);
        assert_eq!(hear(&fake, &heard(&fake, id, login, said)), expected, "{login}: {said}");
        let state = fake.state();
        let ours: Vec<_> = state
            .comments
            .iter()
            .filter(|c| c["body"].as_str().unwrap().starts_with(&format!("<!-- kaizen-ci:comment={id} -->")))
            .collect();
        assert_eq!(ours.len(), usize::from(!part.is_empty()), "{login}: {said}");
        assert!(ours.iter().all(|c| c["body"].as_str().unwrap().contains(part)), "{ours:?}");
    }
    fake.assert_as_described();
}

#[test]
fn a_conversation_of_more_than_a_thousand_comments_gets_one_answer_that_is_edited() {
    let fake = Fake::start();
    fake.state().roles.insert("mona".into(), "admin");
    for _ in 0..1100 {
        let id = fake.says(1, "ted", "Me too.");
        fake.state().comments.iter_mut().find(|c| c["id"] == id).unwrap()["updated_at"] = "2026-01-01T00:00:00Z".into();
    }
    let id = fake.says(1, "mona", "/kaizen heal");
    let created = Some("2026-02-01T12:00:00Z".parse().unwrap());
    let comment = Comment { created, ..heard(&fake, id, "mona", "/kaizen heal") };
    // the event arrives a second time
    for expected in [Heard::Answered, Heard::Before] {
        assert_eq!(hear(&fake, &comment), expected);
        let state = fake.state();
        let answers: Vec<_> = state.comments.iter().filter(|c| c["user"]["type"] == "Bot").collect();
        assert_eq!(answers.len(), 1);
        assert!(answers[0]["body"].as_str().unwrap().contains("did heal"), "{answers:?}");
    }
    let read =
        fake.state().requests.iter().filter(|r| r.starts_with("GET ") && r.contains("/issues/1/comments")).count();
    // before anything is done, with the first word and with the last, each time as far as there is something
    assert!(read <= 4, "{read} reads");
    fake.assert_as_described();
}

#[test]
fn sixty_comments_at_once_with_faults_are_each_answered_exactly_once() {
    let fake = Fake::start();
    fake.state().roles.insert("mona".into(), "admin");
    let ids: Vec<u64> = (0..60).map(|_| fake.says(1, "mona", "/kaizen status")).collect();
    for n in 0..40 {
        let whats = [What::DoneAnd502, What::DoneAndCut, What::Limited, What::Secondary];
        let (method, ends) = if n % 5 == 4 { ("GET", "/comments") } else { ("POST", "/comments") };
        fake.state().faults.push_back(Fault { method, ends, what: whats[n % 4] });
    }
    std::thread::scope(|scope| {
        for id in &ids {
            let fake = &fake;
            scope.spawn(move || hear(fake, &heard(fake, *id, "mona", "/kaizen status")));
        }
    });
    // Each event arrives a second time.
    for id in ids.iter().take(5) {
        assert_eq!(hear(&fake, &heard(&fake, *id, "mona", "/kaizen status")), Heard::Before);
    }
    fake.assert_as_described();
    let state = fake.state();
    assert!(state.faults.is_empty(), "{} faults never happened", state.faults.len());
    for id in ids {
        let mark = format!("<!-- kaizen-ci:comment={id} -->\n<!-- ended -->");
        let ours = state.comments.iter().filter(|c| c["body"].as_str().unwrap().starts_with(&mark)).count();
        assert_eq!(ours, 1, "comment {id}");
        assert!(state.reactions.contains(&(id, "rocket".into())));
    }
    let answers = state.comments.iter().filter(|c| c["user"]["type"] == "Bot").count();
    assert_eq!(answers, 60);
}

#[test]
fn an_answer_that_takes_longer_than_we_wait_is_looked_for_and_not_written_twice() {
    let fake = Fake::start();
    fake.state().roles.insert("mona".into(), "admin");
    let id = fake.says(1, "mona", "/kaizen status");
    // the same in time, and late
    for seconds in [1, 4] {
        fake.state().faults.push_back(Fault { method: "POST", ends: "/comments", what: What::Slow(seconds) });
        fake.state().faults.push_back(Fault { method: "GET", ends: "/comments", what: What::Slow(seconds) });
    }
    let pace = Pace { answer: Duration::from_secs(2), first: Duration::from_millis(5), ..Pace::default() };
    let (client, mask) = (patient(&fake, pace), Mask::new([TOKEN]));
    let (policy, reader) = (Policy::default(), CommandLine::new());
    let comment = heard(&fake, id, "mona", "/kaizen status");
    let other = fake.says(1, "mona", "/kaizen status");
    let second = heard(&fake, other, "mona", "/kaizen status");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for comment in [&comment, &second] {
        let heard = runtime.block_on(talk::hear(&client, comment, &policy, &reader, &Echo, &mask)).unwrap();
        assert_eq!(heard, Heard::Answered);
    }
    let state = fake.state();
    assert!(state.faults.is_empty(), "{:?}", state.faults);
    assert_eq!(state.comments.iter().filter(|c| c["user"]["type"] == "Bot").count(), 2, "{:#?}", state.comments);
}

#[test]
fn a_command_that_can_t_be_answered_any_more_is_said_in_the_job_and_answered_by_the_next_start() {
    let fake = Fake::start();
    let (project, _) = red_shop(&fake, "py-bounds");
    fake.state().roles.insert("mona".into(), "write");
    let id = fake.says(1, "mona", "/kaizen status");
    let event = serde_json::json!({
        "action": "created", "issue": {"number": 1},
        "comment": {"id": id, "body": "/kaizen status", "user": {"login": "mona", "type": "User"}},
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    });
    let gone = Fault { method: "POST", ends: "/comments", what: What::Status(404, "Not Found") };
    fake.state().faults.extend([gone.clone(), gone]);
    let ran = job(&project, &fake, "issue_comment", &event, &["comment"]);
    assert!(!ran.ok && ran.said.contains("permissions"), "{}", ran.said);
    assert_eq!(fake.state().comments.len(), 1);
    assert!(job(&project, &fake, "issue_comment", &event, &["comment"]).outputs.contains("answered"));
    assert!(job(&project, &fake, "issue_comment", &event, &["comment"]).said.contains("answered before"));
    assert_eq!(fake.state().comments.len(), 2);
}

#[test]
fn a_permission_that_is_taken_away_meanwhile_is_said_and_nothing_is_written() {
    let fake = Fake::start();
    fake.state().faults.push_back(Fault { method: "POST", ends: "/issues", what: What::Status(404, "Not Found") });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let trouble = runtime.block_on(client(&fake).put_issue("0011223344", "t", "b")).unwrap_err();
    assert_eq!(trouble.status(), Some(404));
    assert!(kaizen_ci::error::Error::from(trouble).hint_text().unwrap().contains("permissions"));
    assert!(fake.state().issues.is_empty());
}
