//! `kaizen-ci council` and `prd` with models, end to end: scripted servers, one per model, real HTTP, real runs.

use std::process::Output;

use serde_json::{Value, json};

use crate::project::Project;
use crate::scripted::{Server, Step};

fn say(value: Value) -> Step {
    Step::Say(value.to_string())
}

fn answer(position: &str, text: &str, responses: Value) -> Step {
    say(
        json!({"position": position, "answer": text, "drivers": ["load"], "pros": ["simple"], "cons": [], "consequences": ["one file"],
        "reconsider": ["above 50 writes a second"], "responses": responses}),
    )
}

/// Three seats and a critic of other families.
struct Table {
    project: Project,
    servers: Vec<Server>,
}

impl Table {
    fn new(servers: Vec<Server>) -> Self {
        let project = Project::empty();
        project.write("notes.md", "We write twice a second.\n");
        project.commit("Notes");
        Self { project, servers }
    }

    fn run(&self, args: &[&str]) -> Output {
        let urls: Vec<&str> = self.servers.iter().map(|s| s.url.as_str()).collect();
        let mut command = self.project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.env("KAIZEN_MODELS", "own").env("KAIZEN_MODEL_URL", urls.join(",")).args(args).output().unwrap()
    }

    /// The same without kept answers: what is not asked then was told again from the log.
    fn run_without_cache(&self, args: &[&str]) -> Output {
        let urls: Vec<&str> = self.servers.iter().map(|s| s.url.as_str()).collect();
        let mut command = self.project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.env("KAIZEN_MODELS", "own").env("KAIZEN_MODEL_URL", urls.join(",")).env("KAIZEN_CACHE", "false");
        command.args(args).output().unwrap()
    }

    fn runs(&self) -> usize {
        std::fs::read_dir(self.project.root().join(".git/kaizen/runs")).map_or(0, Iterator::count)
    }

    fn asked(&self) -> usize {
        self.servers.iter().map(|s| s.questions().len()).sum()
    }
}

fn document(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    })
}

/// The critic objects to what one seat says, and has nothing more to say when that seat gave way.
fn debate() -> Table {
    Table::new(debate_of())
}

/// The servers of such a debate.
pub fn debate_of() -> Vec<Server> {
    let object = |letter: &str, quote: &str, why: &str| json!({"answer": letter, "severity": "major", "criterion": "correctness", "quote": quote, "why": why, "evidence": ""});
    let mut objections: Vec<Value> =
        ["A", "B", "C"].iter().map(|l| object(l, "takes a thousand writers", "one file takes one writer")).collect();
    objections.push(object("A", "words that are nowhere", "made up"));
    let gave_way = json!([{"id": "O1", "verdict": "accepted", "reason": "it is one writer"}]);
    vec![
        Server::of(
            "apple-7b",
            &[
                answer("SQLite", "SQLite takes a thousand writers.", json!([])),
                answer("Keep SQLite", "SQLite takes one writer, that is enough.", gave_way),
            ],
        ),
        Server::of("birch-7b", &[answer("Keep SQLite", "It is enough.", json!([]))]),
        Server::of("cedar-7b", &[answer("PostgreSQL", "It takes many writers.", json!([]))]),
        Server::of("dahlia-7b", &[say(json!({"objections": objections})), say(json!({"objections": []}))]),
    ]
}

#[test]
fn a_council_debates_decides_keeps_dissent_and_leaves_a_record() {
    let table = debate();
    let args = [
        "council",
        "Which",
        "store?",
        "--context",
        "notes.md",
        "--critic",
        "dahlia-7b",
        "--out",
        "docs/decisions/",
        "--json",
    ];
    let out = table.run(&args);
    let found = document(&out);
    assert_eq!(out.status.code(), Some(0), "{found:#}");
    assert_eq!(
        (&found["end"], &found["decision"]["votes_for"], &found["decision"]["against"]),
        (&json!("agreed"), &json!([0, 1]), &json!([2]))
    );
    assert_eq!(found["objections"][0]["status"]["status"], "accepted", "{found:#}");
    assert!(
        found["rounds"][0]["dropped"].as_array().unwrap().iter().any(|d| d.as_str().unwrap().contains("are not there"))
    );
    let schema = table.run(&["schema", "council"]);
    assert!(jsonschema::validator_for(&document(&schema)).unwrap().is_valid(&found), "{found:#}");
    let record = table.project.read("docs/decisions/0001-which-store.md");
    for part in ["# Which store?", "Chosen option: **Keep SQLite**", "### Dissent", "`cedar-7b`", "Read for it"] {
        assert!(record.contains(part), "{part}: {record}");
    }
    // the critic read the answers without names, and the context
    let critic = table.servers[3].questions();
    let said = critic[0].body.to_string();
    assert!(said.contains("We write twice a second") && !said.contains("apple") && !said.contains("own/"), "{said}");
    let list = String::from_utf8(table.run(&["runs"]).stdout).unwrap();
    assert!(list.contains("council: Which store? (agreed)"), "{list}");
    let second = table.run(&args);
    assert!(
        table.project.root().join("docs/decisions/0002-which-store.md").exists(),
        "{}",
        String::from_utf8_lossy(&second.stderr)
    );
}

#[test]
fn another_wording_of_the_question_is_served_from_the_cache_and_another_number_is_not() {
    let table = debate();
    let ask = |question: &str| {
        let out = table.run(&["council", question, "--context", "notes.md", "--critic", "dahlia-7b", "--json"]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        (table.asked(), document(&out)["decision"].clone())
    };
    let semantic = || document(&table.run(&["cache", "stats", "--json"]))["semantic_hits"].as_u64().unwrap();
    let (first, decision) = ask("How do I run one test?");
    assert_eq!(semantic(), 0);
    let (second, same) = ask("How can I run one test?");
    assert_eq!((second, &same), (first, &decision), "seats and critic are asked nothing again");
    let served = semantic();
    assert!(served as usize >= first, "{served} of {first}");
    let (third, _) = ask("How do I run two tests?");
    assert!(third > second, "another number is another question");
    assert_eq!(semantic(), served);
}

#[test]
fn a_killed_council_goes_on_without_paying_again() {
    let table = debate();
    let out = table.run(&["council", "Which store?", "--critic", "dahlia-7b", "--json"]);
    let (whole, asked) = (document(&out), table.asked());
    // the log as a kill leaves it: after the first critic, in the middle of a line
    let runs = table.project.root().join(".git/kaizen/runs");
    let run = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let cut = log.find("\"what\":\"round_ended\"").unwrap();
    let killed = table.project.root().join("killed.jsonl");
    std::fs::write(&killed, &log[..cut]).unwrap();
    // the cache may not help
    std::fs::remove_dir_all(table.project.root().join(".git/kaizen")).unwrap();
    let rest = debate();
    std::fs::copy(&killed, rest.project.root().join("killed.jsonl")).unwrap();
    // servers that have been asked before: what is left of their scripts
    let servers = vec![
        Server::of(
            "apple-7b",
            &[answer(
                "Keep SQLite",
                "SQLite takes one writer, that is enough.",
                json!([{"id": "O1", "verdict": "accepted", "reason": "it is one writer"}]),
            )],
        ),
        Server::of("birch-7b", &[Step::Status(500, None)]),
        Server::of("cedar-7b", &[Step::Status(500, None)]),
        Server::of("dahlia-7b", &[say(json!({"objections": []}))]),
    ];
    let rest = Table { project: rest.project, servers };
    let out = rest.run(&["council", "--resume", "killed.jsonl", "--json"]);
    let found = document(&out);
    assert_eq!((&found["end"], &found["decision"]), (&whole["end"], &whole["decision"]), "{found:#}");
    assert_eq!((rest.asked(), found["replayed"].as_u64()), (asked - 4, Some(4)), "{found:#}");
}

#[test]
fn a_council_that_was_diagnosed_is_told_again_without_asking_the_supervisor() {
    // the critic says the same of the same words for ever; what the rules suggest is made, then what the model suggests
    const ASKED: &str = "A program that works in rounds";
    let object = |letter: &str| json!({"answer": letter, "severity": "major", "criterion": "risk", "quote": "is enough", "why": "nobody measured how many writers there are", "evidence": ""});
    let all: Vec<Value> = ["A", "B", "C"].map(object).to_vec();
    let member = move |name: &'static str| {
        let objections = json!({ "objections": all.clone() });
        Server::by(name, move |_, body| {
            let asked = body["messages"].to_string();
            let rebut = |n: &u32| asked.contains(&format!("O{n} (major"));
            let said = |n: u32| json!({"id": format!("O{n}"), "verdict": "rebutted", "reason": "we did"});
            match () {
                () if asked.contains(ASKED) => say(
                    json!({"cause": "ambiguous_prompt", "change": "raise_temperature", "evidence": [1], "confidence": 0.7}),
                ),
                () if name == "dahlia-7b" => say(objections.clone()),
                () => {
                    let responses: Vec<Value> = (1..10).filter(rebut).map(said).collect();
                    answer("Keep SQLite", "One file is enough.", json!(responses))
                }
            }
        })
    };
    let servers = ["apple-7b", "birch-7b", "cedar-7b", "dahlia-7b"].map(member).into();
    let table = Table::new(servers);
    let out = table.run_without_cache(&["council", "Which store?", "--critic", "dahlia-7b", "--json"]);
    let (first, asked) = (document(&out), table.asked());
    let diagnosed =
        |t: &Table| t.servers.iter().flat_map(Server::questions).filter(|q| q.body.to_string().contains(ASKED)).count();
    assert!(diagnosed(&table) > 0 && first["changes"].as_array().unwrap().len() > 1, "{first:#}");
    let again = document(&table.run_without_cache(&["council", "--resume", "latest", "--json"]));
    assert_eq!((table.asked(), &again["changes"]), (asked, &first["changes"]), "{again:#}");
    for part in ["end", "how", "decision", "objections", "tokens"] {
        assert_eq!(again[part], first[part], "{part}");
    }
}

#[test]
fn a_council_that_can_not_be_seated_says_who_is_missing() {
    let table = Table::new(vec![Server::of("apple-7b", &[Step::Empty]), Server::of("apple-1b", &[Step::Empty])]);
    let out = table.run(&["council", "Which?", "--seats", "2"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(64), "{said}");
    assert!(said.contains("one of another family") && said.contains("own/apple-7b"), "{said}");
    assert_eq!(table.runs(), 0, "a mistake leaves no run behind");
}

#[test]
fn what_was_asked_wrongly_leaves_no_run_behind() {
    let table = debate();
    table.project.write("prd.md", CHAT);
    for wrong in [
        &["council", ""] as &[&str],
        &["council", "Which?", "--seats", "9"],
        &["council", "Which?", "--context", "nowhere.md"],
        &["council", "Which?", "--critic", "nobody-7b"],
        &["council", "--resume", "nothing"],
        &["council", "Which?", "--critic", "dahlia-7b", "--out", "notes.md"],
        &["council", "Which?", "--critic", "dahlia-7b", "--out", "notes.md/0001-x.md"],
        &["council", "--resume", "latest", "--rounds", "7"],
        &["prd", "--resume", "latest", "--tokens", "5"],
        &["prd", "prd.md", "--writer", "nobody-7b"],
        &["prd", "nowhere.md"],
        &["prd", "prd.md", "prd.md"],
    ] {
        let out = table.run(wrong);
        assert_eq!(out.status.code(), Some(64), "{wrong:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(table.runs(), 0, "{wrong:?}");
    }
}

#[test]
fn a_pull_request_of_the_remote_is_read_without_a_trace_in_refs() {
    let table = debate();
    let (project, remote) = (&table.project, table.project.root().parent().unwrap().join("remote.git"));
    let remote = remote.to_str().unwrap();
    project.git(&["init", "-q", "--bare", remote]);
    project.git(&["remote", "add", "origin", remote]);
    project.git(&["push", "-q", "origin", "main"]);
    project.git(&["checkout", "-q", "-b", "feature"]);
    project.write("queue.md", "A queue of seven workers.\n");
    project.commit("Queue");
    project.git(&["push", "-q", "origin", "feature:refs/pull/12/head"]);
    project.git(&["checkout", "-q", "main"]);
    project.git(&["branch", "-q", "-D", "feature"]);
    let refs = project.git(&["for-each-ref"]);
    let out = table.run(&["council", "Which store?", "--context", "#12", "--critic", "dahlia-7b", "--json"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(document(&out)["context"]["included"], json!(["pull request #12"]));
    assert!(table.servers[1].questions()[0].body.to_string().contains("+A queue of seven workers."));
    assert_eq!(project.git(&["for-each-ref"]), refs);
    let out = table.run(&["council", "Which store?", "--context", "#13"]);
    assert_eq!(out.status.code(), Some(64), "{}", String::from_utf8_lossy(&out.stderr));
}

pub const CHAT: &str = "# Chat\n\n## Goals\n\nThe chat shall save the time of customers. They ask the same questions every day, they wait for an answer by mail, and many of them leave the shop before it comes. A chat that answers while they look at the page keeps them there.\n\n## Requirements\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n\n## Out of scope\n\nVideo.\n";

pub const REVISED: &str = "## Requirements\n\n- REQ-1: The chat shall answer within 200 ms. Acceptance: 95 of 100 answers come within 200 ms.\n";

/// Two reviewers who like everything but `fast` (they can't know which section they are asked about: what is not there is
/// dropped), and a writer.
pub fn staff(revised: &str) -> Vec<Server> {
    let problem = |dimension: &str| json!({"dimension": dimension, "quote": "be fast", "why": "how fast?"});
    let problems = json!([problem("clarity"), problem("testability")]);
    let review = json!({"clarity": 0.2, "completeness": 0.9, "testability": 0.2, "problems": problems});
    vec![
        Server::of("writer-70b", &[Step::Say(revised.to_owned())]),
        Server::of("apple-7b", &[say(review.clone())]),
        Server::of("birch-7b", &[say(review)]),
    ]
}

fn newsroom(revised: &str) -> Table {
    let table = Table::new(staff(revised));
    table.project.write("prd.md", CHAT);
    table
}

#[test]
fn a_document_is_reviewed_revised_and_written_and_what_is_new_is_marked() {
    let table = newsroom(REVISED);
    let out = table.run(&["prd", "prd.md", "--json"]);
    let found = document(&out);
    assert_eq!(out.status.code(), Some(0), "{found:#}");
    assert_eq!(found["review"]["end"], "passed");
    let schema = document(&table.run(&["schema", "prd"]));
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&found), "{found:#}");
    assert_eq!(table.project.read("prd.md"), CHAT, "without --write nothing is written");
    assert!(found["review"]["questions"].as_array().unwrap().len() >= 2, "{found:#}");
    let out = table.run(&["prd", "prd.md", "--write", "--quiet"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(said.starts_with("passes prd.md") && said.contains("▅") && said.contains("question"), "{said}");
    let now = table.project.read("prd.md");
    assert!(now.contains("within 200 ms *(assumption)*") && now.contains("## Out of scope\n\nVideo."), "{now}");
}

#[test]
fn findings_name_lines_of_the_text_that_is_on_disk() {
    // the revised section is longer by some lines, and what stands below it has a fault, too
    let revised = format!(
        "## Requirements\n\n{}",
        REVISED.split("\n\n").nth(1).unwrap().replace(". Acceptance", ".\n\n  Acceptance")
    );
    let text = CHAT.replace(
        "## Out of scope",
        "- REQ-2: The shop shall be robust, modern, elegant and clean, 95 of 100 times.\n\n## Out of scope",
    );
    let revised = format!(
        "{}\n- REQ-2: The shop shall be robust, modern, elegant and clean, 95 of 100 times.\n",
        revised.trim_end()
    );
    let line_of = |text: &str, words: &str| text.lines().position(|line| line.contains(words)).map(|at| at as u64 + 1);
    let lines = |found: &Value, quote: &str| -> Vec<u64> {
        let all = found["findings"].as_array().unwrap().iter();
        all.filter(|f| f["quote"] == quote).map(|f| f["line"].as_u64().unwrap()).collect()
    };
    let table = newsroom(&revised);
    table.project.write("prd.md", &text);
    let found = document(&table.run(&["prd", "prd.md", "--json", "--rounds", "1"]));
    assert_eq!(found["review"]["changed"], true, "{found:#}");
    assert_eq!(lines(&found, "robust"), [line_of(&text, "robust").unwrap()]);
    assert_eq!(lines(&found, "fast").first().copied(), line_of(&text, "be fast"), "{found:#}");
    let sarif = document(&table.run(&["prd", "prd.md", "--sarif", "--rounds", "1"]));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let starts: Vec<_> =
        results.iter().map(|r| r["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64()).collect();
    assert!(starts.contains(&line_of(&text, "robust")), "{starts:?}");
    // on the terminal one learns where it fails
    let said = String::from_utf8(table.run(&["prd", "prd.md", "--quiet", "--rounds", "1"]).stdout).unwrap();
    assert!(said.contains("does not pass") && said.contains("line of the revised text"), "{said}");
    let found = document(&table.run(&["prd", "prd.md", "--write", "--json", "--rounds", "1"]));
    let now = table.project.read("prd.md");
    assert!(now != text && line_of(&now, "robust") != line_of(&text, "robust"), "{now}");
    assert_eq!((lines(&found, "robust"), lines(&found, "fast")), (vec![line_of(&now, "robust").unwrap()], vec![]));
}

#[test]
fn a_section_that_lost_one_word_is_reviewed_as_it_stands_although_answers_are_kept() {
    let reviewer = |name| {
        Server::by(name, |_, body| {
            let weak = body["messages"].to_string().contains("somehow");
            let problem =
                |dimension: &str| json!({"dimension": dimension, "quote": "shall somehow answer", "why": "how?"});
            let problems = if weak { json!([problem("clarity"), problem("testability")]) } else { json!([]) };
            let score = if weak { 0.1 } else { 0.95 };
            say(json!({"clarity": score, "completeness": 0.9, "testability": score, "problems": problems}))
        })
    };
    let requirement = "## Requirements\n\n- REQ-1: The chat shall answer within 200 ms. Acceptance: 95 of 100 answers come within 200 ms.\n";
    let servers = vec![
        Server::of("writer-70b", &[Step::Say(requirement.to_owned())]),
        reviewer("apple-7b"),
        reviewer("birch-7b"),
    ];
    let table = Table::new(servers);
    let text = CHAT.split("## Requirements").next().unwrap().to_owned();
    let weak = requirement.replace("shall answer", "shall somehow answer");
    table.project.write("prd.md", &format!("{text}{weak}\n## Out of scope\n\nVideo.\n"));
    let found = document(&table.run(&["prd", "prd.md", "--threshold", "0.9", "--json"]));
    assert_eq!(found["review"]["end"], "passed", "{found:#}");
    let read = |server: &Server| {
        let asked = server.questions();
        let asked = asked.iter().map(|q| q.body["messages"].to_string()).filter(|q| q.contains("REQ-1"));
        asked.map(|q| q.contains("somehow")).collect::<std::collections::BTreeSet<_>>()
    };
    for server in &table.servers[1..] {
        assert_eq!(read(server), [false, true].into(), "both texts were read");
    }
    let kept = document(&table.run(&["cache", "stats", "--json"]));
    assert_eq!(kept["semantic_hits"], 0, "{kept:#}");
    let clarity = &found["review"]["sections"][3]["reviewed"]["median"][0];
    assert_eq!(clarity, 0.95, "{found:#}");
}

#[test]
fn a_writer_who_drops_a_requirement_changes_nothing_and_the_exit_code_says_so() {
    let table = newsroom("## Requirements\n\n- The chat shall answer at once.\n");
    let out = table.run(&["prd", "prd.md", "--write", "--rounds", "2"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(60), "{said}");
    assert!(said.contains("ids are missing: REQ-1"), "{said}");
    assert_eq!(table.project.read("prd.md"), CHAT);
}

#[test]
fn a_document_with_one_model_or_none_is_told_what_is_missing() {
    let table = Table::new(vec![Server::of("apple-7b", &[Step::Empty])]);
    table.project.write("prd.md", CHAT);
    let out = table.run(&["prd", "prd.md"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(64), "{said}");
    assert!(said.contains("there is only own/apple-7b") && said.contains("--lint-only"), "{said}");
}

/// What reviewers say of the same text on another day.
fn other_mood() -> Vec<Server> {
    let problem = |dimension: &str| json!({"dimension": dimension, "quote": "The chat shall", "why": "no"});
    let problems = json!([problem("clarity"), problem("completeness"), problem("testability")]);
    let review = json!({"clarity": 0.0, "completeness": 0.0, "testability": 0.0, "problems": problems});
    vec![
        Server::of("writer-70b", &[Step::Say("## Requirements\n\nNothing.\n".into())]),
        Server::of("apple-7b", &[say(review.clone())]),
        Server::of("birch-7b", &[say(review)]),
    ]
}

#[test]
fn unchanged_text_keeps_its_scores_from_run_to_run_without_a_word_and_without_the_cache() {
    let table = newsroom(REVISED);
    let review = |table: &Table, more: &[&str]| -> Value {
        let urls: Vec<&str> = table.servers.iter().map(|s| s.url.as_str()).collect();
        let mut command = table.project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.env("KAIZEN_MODELS", "own").env("KAIZEN_MODEL_URL", urls.join(",")).env("KAIZEN_CACHE", "false");
        document(&command.args(["prd", "prd.md", "--json"]).args(more).output().unwrap())
    };
    let scores = |found: &Value| found["review"]["history"][0]["scores"].clone();
    let first = review(&table, &[]);
    assert_eq!(first["path"], "prd.md");
    let later = Table { project: table.project, servers: other_mood() };
    let again = review(&later, &["--rounds", "0"]);
    assert_eq!((scores(&again), later.asked()), (scores(&first), 0), "{again:#}");
    let anew = review(&later, &["--rounds", "0", "--no-baseline"]);
    assert!(scores(&anew) != scores(&first) && later.asked() > 0, "{anew:#}");
    // what was said of one document is not held against another one
    later.project.write("other.md", CHAT);
    std::fs::write(later.project.root().join("first.json"), first.to_string()).unwrap();
    let out = later.run(&["prd", "other.md", "--baseline", "first.json"]);
    assert_eq!(out.status.code(), Some(64));
    assert!(
        String::from_utf8_lossy(&out.stderr).contains("it is of prd.md"),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn a_run_is_resumed_although_its_document_is_gone() {
    let table = newsroom(REVISED);
    let first = document(&table.run(&["prd", "prd.md", "--json"]));
    std::fs::remove_file(table.project.root().join("prd.md")).unwrap();
    let asked = table.asked();
    let again = document(&table.run(&["prd", "--resume", "latest", "--json"]));
    assert_eq!(
        (&again["review"]["end"], &again["review"]["history"]),
        (&first["review"]["end"], &first["review"]["history"])
    );
    assert_eq!(table.asked(), asked, "nothing is asked twice");
    assert_eq!(table.run(&["prd", "--resume", "latest", "--write"]).status.code(), Some(64));
}

/// Put together here, so that scanners don't take this file for a leak.
fn secret() -> String {
    format!("ghp_{}", "aB3".repeat(12))
}

#[test]
fn a_secret_is_shown_to_nobody_and_a_run_that_goes_on_asks_the_same_in_spite_of_it() {
    let table = newsroom(REVISED);
    let text = CHAT.replace("Video.", &format!("Video of {}.", secret()));
    table.project.write("prd.md", &text);
    let first = table.run_without_cache(&["prd", "prd.md", "--json"]);
    assert_eq!(document(&first)["review"]["end"], "passed");
    let asked = table.asked();
    let out = table.run_without_cache(&["prd", "--resume", "latest", "--write", "--quiet"]);
    assert_eq!((out.status.code(), table.asked()), (Some(0), asked), "{}", String::from_utf8_lossy(&out.stderr));
    let now = table.project.read("prd.md");
    assert!(now.contains("within 200 ms") && now.contains(&format!("Video of {}.", secret())), "{now}");

    let hall = debate();
    hall.project.write("notes.md", &format!("We write twice a second with {}.\n", secret()));
    let first = hall.run_without_cache(&[
        "council",
        "Which store?",
        "--context",
        "notes.md",
        "--critic",
        "dahlia-7b",
        "--json",
    ]);
    let (first, asked) = (document(&first), hall.asked());
    let again = document(&hall.run_without_cache(&["council", "--resume", "latest", "--json"]));
    assert_eq!((&again["decision"], hall.asked()), (&first["decision"], asked), "{again:#}");
    let told: Vec<String> =
        table.servers.iter().chain(&hall.servers).flat_map(Server::questions).map(|q| format!("{q:?}")).collect();
    assert!(!told.is_empty() && !told.iter().any(|q| q.contains("ghp_")));
}

#[test]
fn the_change_of_this_branch_is_asked_for_in_any_case() {
    let included = |word: &str| {
        let out = debate().run(&["council", "Which store?", "--context", word, "--critic", "dahlia-7b", "--json"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        serde_json::from_slice::<Value>(&out.stdout).map_or(json!(said), |found| found["context"]["included"].clone())
    };
    assert_eq!(included("PR"), included("pr"));
}

#[test]
fn a_record_that_can_not_be_written_does_not_hide_the_decision() {
    let name = format!("docs/{}.md", "x".repeat(300));
    let out = debate().run(&["council", "Which store?", "--critic", "dahlia-7b", "--out", &name]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(64), "{said}");
    assert!(said.contains("Keep SQLite"), "{said}");
}
