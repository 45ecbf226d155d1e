//! `/kaizen …` from end to end: the job that a comment starts, with real heals, logs and permissions.

use kaizen_ci::github::event::{self, Trigger};
use kaizen_ci::github::talk;
use serde_json::{Value, json};

use super::fake::Fake;
use super::{Ran, job};
use crate::project::Project;

/// A pull request whose tip is red, under which `login` says `text`; the repository's default branch is checked out.
struct Scene {
    fake: Fake,
    project: Project,
    head: String,
    number: u64,
}

impl Scene {
    fn new(fork: bool) -> Self {
        let fake = Fake::start();
        let project = Project::empty();
        project.write("README.md", "a shop\n");
        project.commit("Begin");
        project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
        let (theirs, head) = {
            let project = Project::fixture("tap-bounds-regressed");
            let head = project.git(&["rev-parse", "HEAD"]);
            (project, head)
        };
        let to = if fork { "HEAD:refs/pull/1/head" } else { "HEAD:refs/heads/feature" };
        theirs.git(&["push", "-q", fake.repo().to_str().unwrap(), to]);
        let number = fake.opens("feature", &head, fork);
        fake.state().roles.insert("mona".into(), "write");
        Self { fake, project, head, number }
    }

    fn says(&self, login: &str, text: &str) -> (u64, Value) {
        let id = self.fake.says(self.number, login, text);
        let payload = json!({
            "action": "created",
            "issue": {"number": self.number, "pull_request": {"url": "x"}},
            "comment": {"id": id, "body": text, "user": {"login": login, "type": "User"}},
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        });
        (id, payload)
    }

    fn hear(&self, payload: &Value) -> Ran {
        job(&self.project, &self.fake, "issue_comment", payload, &["comment"])
    }

    /// Our answer to the comment.
    fn answer(&self, id: u64) -> String {
        let state = self.fake.state();
        let mark = format!("<!-- kaizen-ci:comment={id} -->");
        let ours: Vec<_> = state.comments.iter().filter(|c| c["body"].as_str().unwrap().starts_with(&mark)).collect();
        assert_eq!(ours.len(), 1, "{:#?}", state.comments);
        ours[0]["body"].as_str().unwrap().to_owned()
    }
}

#[test]
fn heal_under_a_pull_request_heals_its_tip_and_answers_with_the_pull_request() {
    let scene = Scene::new(false);
    let (id, payload) = scene.says("mona", "Please.\n\n/kaizen heal undo --free\n");
    let ran = scene.hear(&payload);
    assert!(ran.ok && ran.outputs.contains("answered"), "{}", ran.said);
    let answer = scene.answer(id);
    assert!(answer.contains("<!-- ended -->") && answer.contains("/octo/shop/pull/"), "{answer}");
    scene.fake.assert_as_described();
    let state = scene.fake.state();
    let ours = state.pulls.iter().find(|pull| pull["title"].as_str().unwrap().starts_with("Heal")).unwrap();
    assert_eq!(ours["base"]["ref"], "feature");
    let branch = ours["head"]["ref"].as_str().unwrap().to_owned();
    assert!(state.reactions.contains(&(id, "eyes".into())) && state.reactions.contains(&(id, "rocket".into())));
    drop(state);
    assert_eq!(scene.fake.git(&["rev-parse", &format!("{branch}^")]), scene.head);
    // the checkout of the job is as it was
    assert_eq!(scene.project.git(&["status", "--porcelain"]), "");
}

#[test]
fn code_of_a_fork_runs_only_when_somebody_who_may_names_its_commit_and_then_nothing_is_pushed() {
    if !can_fence() {
        return;
    }
    let scene = Scene::new(true);
    let (id, payload) = scene.says("mona", "/kaizen heal");
    let ran = scene.hear(&payload);
    assert!(ran.ok && ran.outputs.contains("refused"), "{}", ran.said);
    assert!(scene.answer(id).contains("comes from a fork"));
    let (id, payload) = scene.says("eve", &format!("/kaizen heal {}", scene.head));
    scene.hear(&payload);
    assert!(scene.answer(id).contains("did not say what you may do"), "{}", scene.answer(id));
    let other = scene.head.replace(|c: char| c.is_ascii_digit(), "a");
    let (id, payload) = scene.says("mona", &format!("/kaizen heal {other}"));
    scene.hear(&payload);
    assert!(scene.answer(id).contains("has moved"), "{}", scene.answer(id));
    let before = all_refs(&scene);
    // also where the workflow says that heals are pushed
    for deliver in ["pr", "push"] {
        let (id, payload) = scene.says("mona", &format!("/kaizen heal undo {}", scene.head));
        let args = ["comment", "--deliver", deliver];
        let ran = job(&scene.project, &scene.fake, "issue_comment", &payload, &args);
        assert!(ran.ok && scene.answer(id).contains("comment of its own"), "{}\n{}", ran.said, scene.answer(id));
        let state = scene.fake.state();
        let ours = |c: &&Value| c["body"].as_str().unwrap().starts_with("<!-- kaizen-ci:fingerprint=");
        let report = state.comments.iter().find(ours).unwrap();
        assert!(report["body"].as_str().unwrap().contains("```diff"));
        drop(state);
        assert_eq!(all_refs(&scene), before, "something was pushed for a fork ({deliver})");
    }
    scene.fake.assert_as_described();
}

/// The kernel can fence code of a fork in, or this test can't be run here.
fn can_fence() -> bool {
    kaizen_ci::process::set_supervisor(env!("CARGO_BIN_EXE_kaizen-ci"));
    let can = kaizen_ci::process::sandbox::can();
    let fine = can.landlock.is_some() && can.offline;
    if !fine {
        eprintln!("skipped: no Landlock or no namespaces here");
    }
    fine
}

#[test]
fn code_of_a_fork_has_no_network_whatever_the_rules_say() {
    if !can_fence() {
        return;
    }
    let scene = Scene::new(true);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let theirs = Project::fixture("tap-bounds-regressed");
    theirs.write(
        "test_call.py",
        &format!("import socket\n\n\ndef test_call():\n    socket.create_connection(('127.0.0.1', {port}), 2)\n"),
    );
    theirs.commit("Call home");
    theirs.git(&["push", "-q", "-f", scene.fake.repo().to_str().unwrap(), "HEAD:refs/pull/1/head"]);
    let head = theirs.git(&["rev-parse", "HEAD"]);
    for pull in &mut scene.fake.state().pulls {
        pull["head"]["sha"] = head.clone().into();
    }
    scene.project.write(".kaizen.yml", "sandbox: false\nnetwork: true\n");
    scene.project.commit("Open");
    scene.project.git(&["push", "-q", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    // in one job, and handed on
    let (_, payload) = scene.says("mona", &format!("/kaizen heal undo {head}"));
    let args = ["comment", "--time-limit", "15s"];
    assert!(job(&scene.project, &scene.fake, "issue_comment", &payload, &args).ok);
    let (_, payload) = scene.says("mona", &format!("/kaizen heal undo {head}"));
    let (_, folder) = handed_on(&scene, &payload);
    let document = std::fs::read_to_string(folder.join("document.json")).unwrap();
    assert!(document.contains("test_call"), "it was not red: {document}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "code of a fork called somebody");
}

#[test]
fn what_the_job_that_runs_code_refuses_is_said_in_the_answer_that_somebody_waits_for() {
    let scene = Scene::new(true);
    let (id, payload) = scene.says("mona", &format!("/kaizen heal {}", scene.head));
    let order = listened(&scene, &payload);
    let folder = scene.project.tmp().join("../found");
    kaizen_ci::github::handover::refuse(&folder, &scene.head, "no fence here\n::add-mask::x @octocat").unwrap();
    let ran = publish(&scene, &payload, &order, &folder, "success");
    assert!(ran.ok, "{}", ran.said);
    let answer = scene.answer(id);
    assert!(answer.contains("<!-- ended -->") && answer.contains("no fence here"), "{answer}");
    assert!(
        !answer.contains("@octocat") && scene.fake.state().reactions.contains(&(id, "confused".into())),
        "{answer}"
    );
}

#[test]
fn rules_that_can_t_be_read_are_told_to_whoever_gives_an_order_and_nothing_is_run() {
    for (text, place) in [
        ("cmd: 'echo never closed\n", ".kaizen.yml"),
        ("max_tier: 9\n", ".kaizen.yml, line 1"),
        ("cmd: 'true'\ngithub:\n  roles: [hael=write]\n", ".kaizen.yml, line 3"),
    ] {
        let scene = Scene::new(false);
        scene.project.write(".kaizen.yml", text);
        scene.project.commit("Broken");
        scene.project.git(&["push", "-q", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
        let (id, payload) = scene.says("mona", "/kaizen heal\n/kaizen status");
        let ran = job(&scene.project, &scene.fake, "issue_comment", &payload, &["comment", "--hand-on"]);
        assert!(ran.ok && ran.outputs.contains("refused") && !ran.outputs.contains("order<<"), "{text}: {}", ran.said);
        let answer = scene.answer(id);
        assert!(answer.contains("Nothing was run") && answer.contains(place), "{text}: {answer}");
        assert_eq!(answer.matches("Nothing was run").count(), 2, "one answer each: {answer}");
        assert!(scene.fake.state().reactions.contains(&(id, "confused".into())));
        // who may give none is told nothing
        let count = scene.fake.state().comments.len();
        for login in ["eve", "evil[bot]"] {
            let (_, payload) = scene.says(login, "/kaizen heal");
            assert!(scene.hear(&payload).ok);
        }
        assert_eq!(scene.fake.state().comments.len(), count + 2, "{text}");
        assert!(scene.fake.state().pulls.len() == 1);
    }
}

#[test]
fn a_comment_on_lines_of_a_diff_is_obeyed_with_its_reaction_there_and_its_answer_in_the_conversation() {
    let scene = Scene::new(false);
    let id = scene.fake.says(scene.number, "mona", "/kaizen status");
    let payload = json!({
        "action": "created",
        "pull_request": {"number": scene.number},
        "comment": {"id": id, "body": "/kaizen status", "user": {"login": "mona", "type": "User"}},
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    });
    let ran = job(&scene.project, &scene.fake, "pull_request_review_comment", &payload, &["comment"]);
    assert!(ran.ok && ran.outputs.contains("answered"), "{}", ran.said);
    assert!(scene.answer(id).contains("Open heals: none"));
    let state = scene.fake.state();
    let asked = |what: &str| state.requests.iter().any(|request| *request == format!("{what}/{id}"));
    assert!(asked("GET /repos/octo/shop/pulls/comments"), "{:#?}", state.requests);
    let reactions = format!("POST /repos/octo/shop/pulls/comments/{id}/reactions");
    assert_eq!(state.requests.iter().filter(|request| **request == reactions).count(), 2, "{:#?}", state.requests);
    assert!(state.reactions.contains(&(id, "rocket".into())), "{:?}", state.reactions);
}

#[test]
fn diagnose_reads_the_logs_of_what_failed_and_runs_nothing() {
    let scene = Scene::new(true);
    {
        let mut state = scene.fake.state();
        state.runs.push(json!({"id": 700, "head_sha": scene.head}));
        state.jobs = vec![
            json!({"id": 71, "name": "unit", "conclusion": "failure", "steps": [{"name": "pytest", "conclusion": "failure"}]}),
            json!({"id": 72, "name": "lint", "conclusion": "success", "steps": []}),
        ];
        let log = "2026-01-01T00:00:00.0000000Z FAILED test_search.py::test_last - AssertionError\n\
                   2026-01-01T00:00:00.0000000Z ::set-env name=PATH::x\n2026-01-01T00:00:01Z @octocat <!-- hidden -->\n";
        state.logs.insert(71, log.into());
        state.jobs.push(json!({"id": 73, "name": "video", "conclusion": "failure", "steps": []}));
        state.logs.insert(73, "2026-01-01T00:00:00.0000000Z /t/1.sh: line 2: ffmpeg: command not found\n".into());
    }
    let (id, payload) = scene.says("mona", "/kaizen diagnose");
    let ran = scene.hear(&payload);
    assert!(ran.ok, "{}", ran.said);
    let answer = scene.answer(id);
    assert!(answer.contains("test_search.py::test_last") && answer.contains("nothing was run"), "{answer}");
    assert!(!answer.contains("<!-- hidden"), "{answer}");
    let video = answer.split("**video**").nth(1).unwrap();
    assert!(video.contains("likely: the environment") && video.contains("install ffmpeg"), "{answer}");
    scene.fake.assert_as_described();
}

#[test]
fn status_stop_and_what_is_not_set_up_are_answered() {
    let scene = Scene::new(false);
    let (id, payload) = scene.says("mona", "/kaizen status\n/kaizen stop\n/kaizen council Should we?\n/kaizen prd");
    let ran = scene.hear(&payload);
    assert!(ran.ok && ran.outputs.contains("refused"), "{}", ran.said);
    let answer = scene.answer(id);
    for part in
        ["Open heals: none", "Nothing is going on here", "`council` is not configured", "`prd` is not configured"]
    {
        assert!(answer.contains(part), "no {part} in\n{answer}");
    }
    scene.fake.assert_as_described();
}

/// Gives the pull request a suite that takes long, so that there is something to stop.
fn slowed(scene: &Scene) {
    let slow = Project::fixture("tap-bounds-regressed");
    slow.write("test_slow.py", "import time\n\n\ndef test_slow():\n    time.sleep(60)\n");
    slow.commit("Wait");
    slow.git(&["push", "-q", "-f", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/feature"]);
    let head = slow.git(&["rev-parse", "HEAD"]);
    for pull in &mut scene.fake.state().pulls {
        pull["head"]["sha"] = head.clone().into();
    }
}

/// The checkout of another job, on another machine.
fn elsewhere() -> Project {
    let project = Project::empty();
    project.write("README.md", "a shop\n");
    project.commit("Begin");
    project
}

#[test]
fn stop_reaches_a_heal_that_is_going_on_in_another_job() {
    let scene = Scene::new(false);
    slowed(&scene);
    let (id, payload) = scene.says("mona", "/kaizen heal");
    let (other, stop) = scene.says("mona", "/kaizen stop");
    let second = elsewhere();
    std::thread::scope(|scope| {
        let heal = scope.spawn(|| scene.hear(&payload));
        let began = std::time::Instant::now();
        let at_work = || {
            let state = scene.fake.state();
            state.comments.iter().any(|c| c["body"].as_str().unwrap().contains("<!-- working -->"))
        };
        while !at_work() && began.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let ran = job(&second, &scene.fake, "issue_comment", &stop, &["comment"]);
        assert!(ran.ok, "{}", ran.said);
        let ran = heal.join().unwrap();
        assert!(ran.ok, "{}", ran.said);
    });
    assert!(scene.answer(other).contains("1 command will stop"), "{}", scene.answer(other));
    assert!(scene.answer(id).contains("Stopped; nothing was changed"), "{}", scene.answer(id));
}

#[test]
fn who_may_give_orders_is_read_from_the_base_branch_and_not_from_the_pull_request() {
    let scene = Scene::new(false);
    // the pull request gives itself a rule by which everybody may; the base branch asks for more
    let theirs = Project::fixture("tap-bounds-regressed");
    theirs.write(".kaizen.yml", "github:\n  roles: [heal=read]\n");
    theirs.commit("Everybody may");
    theirs.git(&["push", "-q", "-f", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/feature"]);
    scene.project.write(".kaizen.yml", "github:\n  roles: [status=admin]\n");
    scene.project.commit("Few may");
    scene.project.git(&["push", "-q", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    scene.fake.state().roles.insert("reed".into(), "read");
    let (id, payload) = scene.says("reed", "/kaizen heal\n");
    scene.hear(&payload);
    assert!(scene.answer(id).contains("this needs the role write"), "{}", scene.answer(id));
    let (id, payload) = scene.says("mona", "/kaizen status\n");
    scene.hear(&payload);
    assert!(scene.answer(id).contains("this needs the role admin"), "{}", scene.answer(id));
}

/// `listen`, then `run` with what it hands on; the folder that was handed over.
fn handed_on(scene: &Scene, payload: &Value) -> (String, std::path::PathBuf) {
    let order = listened(scene, payload);
    let before = writes(&scene.fake);
    let folder = scene.project.tmp().join("../found");
    let args = ["run", "--order", &order, "--hand-over", folder.to_str().unwrap()];
    let ran = job(&scene.project, &scene.fake, "issue_comment", payload, &args);
    assert!(ran.ok && ran.said.contains("handed over"), "{}", ran.said);
    assert_eq!(writes(&scene.fake), before, "the job that runs code wrote something on GitHub");
    (order, folder)
}

/// Requests that change something.
fn writes(fake: &Fake) -> usize {
    fake.state().requests.iter().filter(|request| !request.starts_with("GET")).count()
}

fn publish(scene: &Scene, payload: &Value, order: &str, folder: &std::path::Path, status: &str) -> Ran {
    let nowhere = scene.project.tmp().join("../nowhere");
    std::fs::create_dir_all(&nowhere).unwrap();
    let (nowhere, folder) = (nowhere.to_str().unwrap().to_owned(), folder.to_str().unwrap());
    let args = ["publish", "-C", &nowhere, "--order", order, "--from", folder, "--status", status];
    job(&scene.project, &scene.fake, "issue_comment", payload, &args)
}

#[test]
fn a_heal_is_handed_on_to_a_job_that_only_reads_and_published_in_the_same_answer() {
    let scene = Scene::new(false);
    let (id, payload) = scene.says("mona", "/kaizen status\n\n/kaizen heal undo --free\n\n/kaizen heal mutate");
    let (order, folder) = handed_on(&scene, &payload);
    let open = scene.answer(id);
    assert!(open.contains("<!-- working -->") && open.contains("in another job"), "{open}");
    assert!(open.contains("Open heals: none") && open.contains("One `heal` a comment"), "{open}");
    assert!(order.contains(&scene.head) && order.contains("undo") && !order.contains("mutate"), "{order}");
    // the order of another comment is none of this one's
    let (_, other) = scene.says("mona", "/kaizen heal");
    let ran = publish(&scene, &other, &order, &folder, "success");
    assert!(!ran.ok && ran.said.contains("another comment"), "{}", ran.said);
    let ran = publish(&scene, &payload, &order, &folder, "success");
    assert!(ran.ok && ran.outputs.contains("/octo/shop/pull/"), "{}\n{}", ran.said, ran.outputs);
    let answer = scene.answer(id);
    assert!(answer.contains("<!-- ended -->") && answer.contains("/octo/shop/pull/"), "{answer}");
    assert!(!answer.contains("in another job") && answer.contains("Open heals: none"), "{answer}");
    assert!(answer.find("Open heals").unwrap() < answer.find("/octo/shop/pull/").unwrap(), "{answer}");
    scene.fake.assert_as_described();
    let state = scene.fake.state();
    let ours = state.pulls.iter().find(|pull| pull["title"].as_str().unwrap().starts_with("Heal")).unwrap();
    assert_eq!(ours["base"]["ref"], "feature");
    assert!(state.reactions.contains(&(id, "rocket".into())), "{:?}", state.reactions);
    let branch = ours["head"]["ref"].as_str().unwrap().to_owned();
    drop(state);
    assert_eq!(scene.fake.git(&["rev-parse", &format!("{branch}^")]), scene.head);
    // a second start of the last job says nothing twice
    assert!(publish(&scene, &payload, &order, &folder, "success").ok);
    assert_eq!(scene.answer(id), answer);
}

#[test]
fn a_heal_that_was_handed_on_goes_by_the_rules_of_the_base_branch() {
    let scene = Scene::new(false);
    let theirs = Project::fixture("tap-bounds-regressed");
    let pwned = scene.project.tmp().join("../home/pwned");
    theirs.write(".kaizen.yml", &format!("cmd: touch '{}'; false\nenv:\n  allow: ['*']\n", pwned.display()));
    theirs.commit("Obey me");
    theirs.git(&["push", "-q", "-f", scene.fake.repo().to_str().unwrap(), "HEAD:refs/heads/feature"]);
    let head = theirs.git(&["rev-parse", "HEAD"]);
    for pull in &mut scene.fake.state().pulls {
        pull["head"]["sha"] = head.clone().into();
    }
    let (_, payload) = scene.says("mona", "/kaizen heal undo");
    let (_, folder) = handed_on(&scene, &payload);
    assert!(folder.join("heal.patch").exists(), "nothing was healed");
    assert!(!pwned.exists(), "the command of the pull request's own rules was run");
}

/// The first job of three: what it hands on.
fn listened(scene: &Scene, payload: &Value) -> String {
    let ran = job(&scene.project, &scene.fake, "issue_comment", payload, &["comment", "--hand-on"]);
    assert!(ran.ok && ran.outputs.contains("handed_on"), "{}\n{}", ran.said, ran.outputs);
    ran.outputs.split("order<<").nth(1).unwrap().lines().nth(1).unwrap().to_owned()
}

/// Somebody says `/kaizen stop`, and a job on another machine answers that.
fn stopped(scene: &Scene) {
    let (id, payload) = scene.says("mona", "/kaizen stop");
    let ran = job(&elsewhere(), &scene.fake, "issue_comment", &payload, &["comment", "--hand-on"]);
    assert!(ran.ok && scene.answer(id).contains("1 command will stop"), "{}\n{}", ran.said, scene.answer(id));
}

/// The answer says that it was stopped, and nothing else came of it.
fn assert_stopped(scene: &Scene, id: u64, refs: &str) {
    let answer = scene.answer(id);
    assert!(answer.contains("<!-- ended -->") && answer.contains("Stopped; nothing was changed"), "{answer}");
    assert!(!answer.contains("in another job"), "{answer}");
    assert_eq!(all_refs(scene), refs, "something was pushed");
    let state = scene.fake.state();
    assert!(state.pulls.len() == 1 && state.issues.is_empty() && state.checks.is_empty(), "{:#?}", state.requests);
}

/// Does a job see that it is to stop?
fn is_stopped(scene: &Scene, payload: &Value) -> bool {
    let Ok(Trigger::Comment(comment)) = event::understand("issue_comment", payload) else { panic!("no comment") };
    let client = super::client(&scene.fake);
    tokio::runtime::Runtime::new().unwrap().block_on(talk::is_stopped(&client, &comment))
}

/// Is a file of this name anywhere below `folder`? It may go away meanwhile.
fn has_file(folder: &std::path::Path, name: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name() == name || (is_folder && has_file(&entry.path(), name))
    })
}

fn all_refs(scene: &Scene) -> String {
    scene.fake.git(&["for-each-ref", "--format=%(refname) %(objectname)"])
}

#[test]
fn stop_reaches_a_heal_that_was_handed_on_within_the_time_that_it_promises_and_leaves_nothing() {
    let scene = Scene::new(false);
    slowed(&scene);
    let refs = all_refs(&scene);
    let (id, payload) = scene.says("mona", "/kaizen heal");
    let order = listened(&scene, &payload);
    let folder = scene.project.tmp().join("../found");
    let args = ["run", "--order", &order, "--hand-over", folder.to_str().unwrap()];
    // the log of a run of the tests
    let is_testing = || has_file(&scene.project.tmp(), "stdout.log");
    std::thread::scope(|scope| {
        let heal = scope.spawn(|| job(&scene.project, &scene.fake, "issue_comment", &payload, &args));
        let began = std::time::Instant::now();
        while !is_testing() && began.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(is_testing() && !heal.is_finished(), "no tests were going on");
        let before = writes(&scene.fake);
        stopped(&scene);
        let (said, after) = (std::time::Instant::now(), writes(&scene.fake));
        assert!(after > before);
        let ran = heal.join().unwrap();
        // it looks every 15 s; the rest is for a machine with other work
        assert!(said.elapsed().as_secs() < 30, "it took {:?}", said.elapsed());
        assert!(ran.ok && ran.outputs.contains("interrupted"), "{}\n{}", ran.said, ran.outputs);
        assert_eq!(writes(&scene.fake), after, "the job that runs code wrote something on GitHub");
    });
    scene.project.nothing_left();
    assert_eq!(scene.project.git(&["status", "--porcelain"]), "");
    let ran = publish(&scene, &payload, &order, &folder, "success");
    assert!(ran.ok, "{}", ran.said);
    assert_stopped(&scene, id, &refs);
    scene.fake.assert_as_described();
}

#[test]
fn stop_counts_also_before_the_heal_has_begun_and_after_it_was_found() {
    // found already, and not yet published
    let scene = Scene::new(false);
    let refs = all_refs(&scene);
    let (id, payload) = scene.says("mona", "/kaizen heal undo");
    let (order, folder) = handed_on(&scene, &payload);
    assert!(folder.join("heal.patch").exists());
    // somebody else's reaction is none of ours
    let reaction = {
        let mut state = scene.fake.state();
        let is_open = |comment: &&Value| comment["body"].as_str().unwrap().contains("<!-- working -->");
        let answer = state.comments.iter().find(is_open).unwrap()["id"].as_u64().unwrap();
        let reaction = (answer, "-1".to_owned());
        state.reactions_of.insert(reaction.clone(), "eve");
        state.reactions.push(reaction.clone());
        reaction
    };
    assert!(!is_stopped(&scene, &payload), "stopped by somebody who may not");
    scene.fake.state().reactions.retain(|one| *one != reaction);
    scene.fake.state().reactions_of.clear();
    stopped(&scene);
    assert!(is_stopped(&scene, &payload));
    assert!(publish(&scene, &payload, &order, &folder, "success").ok);
    assert_stopped(&scene, id, &refs);
    // in one job for all of it, quicker than it looks: our answer will have the next number
    let scene = Scene::new(false);
    let refs = all_refs(&scene);
    let (id, payload) = scene.says("mona", "/kaizen heal undo");
    scene.fake.state().reactions.push((id + 1, "-1".into()));
    assert!(scene.hear(&payload).ok);
    assert_stopped(&scene, id, &refs);
    // before the job that heals has a machine: it runs no tests to their end
    let scene = Scene::new(false);
    slowed(&scene);
    let refs = all_refs(&scene);
    let (id, payload) = scene.says("mona", "/kaizen heal");
    let order = listened(&scene, &payload);
    stopped(&scene);
    let folder = scene.project.tmp().join("../found");
    let began = std::time::Instant::now();
    let args = ["run", "--order", &order, "--hand-over", folder.to_str().unwrap()];
    let ran = job(&scene.project, &scene.fake, "issue_comment", &payload, &args);
    assert!(began.elapsed().as_secs() < 12, "it took {:?}", began.elapsed());
    assert!(ran.outputs.contains("interrupted") || !ran.ok, "{}\n{}", ran.said, ran.outputs);
    let status = if ran.ok { "success" } else { "failure" };
    assert!(publish(&scene, &payload, &order, &folder, status).ok);
    assert_stopped(&scene, id, &refs);
}

#[test]
fn an_answer_is_ended_also_when_the_job_that_heals_came_to_no_end_or_was_forged() {
    if !can_fence() {
        return;
    }
    let scene = Scene::new(true);
    let (id, payload) = scene.says("mona", &format!("/kaizen heal {}", scene.head));
    let (order, folder) = handed_on(&scene, &payload);
    assert!(order.contains("\"fork\":true"), "{order}");
    // what it handed over was changed on its way
    let list = std::fs::read_to_string(folder.join("handover.json")).unwrap();
    std::fs::write(folder.join("handover.json"), list.replace(&scene.head, &"1".repeat(40))).unwrap();
    let refs = scene.fake.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let ran = publish(&scene, &payload, &order, &folder, "success");
    assert!(ran.ok, "{}", ran.said);
    let answer = scene.answer(id);
    assert!(answer.contains("<!-- ended -->") && answer.contains("nothing is published"), "{answer}");
    assert!(scene.fake.state().reactions.contains(&(id, "confused".into())));
    assert_eq!(scene.fake.git(&["for-each-ref", "--format=%(refname) %(objectname)"]), refs);
    let (id, payload) = scene.says("mona", &format!("/kaizen heal {}", scene.head));
    let (order, _) = handed_on(&scene, &payload);
    let ran = publish(&scene, &payload, &order, std::path::Path::new("/nowhere"), "failure");
    assert!(ran.ok && scene.answer(id).contains("did not come to its end"), "{}", scene.answer(id));
    scene.fake.assert_as_described();
}
