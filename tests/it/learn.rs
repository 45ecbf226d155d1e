//! `stats`, `retro` and `export` over runs that lie in a repository, as people and scripts use them.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::project::Project;

/// A repository with the logs of `n` heals: a third found by `undo`, the rest by `mutate`, every fourth by nobody.
fn with_runs(n: usize) -> Project {
    let project = Project::empty();
    project.write(".kaizen.yml", "# ours\ncmd: pytest -q\nfixers:\n  - undo\n  - mutate\n  - minimal\n");
    project.commit("Configuration");
    for i in 0..n {
        let id = format!("202511{:02}T{:02}0000Z-{i:04x}", 1 + i / 20, i % 20);
        let folder = project.root().join(".git/kaizen/runs").join(&id);
        std::fs::create_dir_all(&folder).unwrap();
        let mut lines = String::new();
        let mut step = 0;
        let mut say = |mut event: Value| {
            step += 1;
            event["v"] = json!(1);
            event["run"] = json!(id);
            event["step"] = json!(step);
            event["time"] = json!(format!("2025-11-01T10:00:{:02}Z", step));
            lines.push_str(&format!("{event}\n"));
        };
        let end = json!({"how": "exited", "value": 1});
        say(json!({"event": "run_started", "version": "0.1.0", "command": "heal", "repository": "/r", "seed": 1}));
        say(
            json!({"event": "suite_found", "name": "t", "command": "pytest -q", "runner": "pytest", "found_by": "x", "others": []}),
        );
        say(
            json!({"event": "suite_ended", "purpose": "red", "subject": "snapshot", "passed": 1, "failed": 1, "skipped": 0, "end": end, "ms": 5, "red": ["t"]}),
        );
        say(json!({"event": "failure_described", "fingerprint": format!("f{}", i % 3), "red": ["t"], "suspects": []}));
        for (fixer, tried) in [("undo", 7), ("mutate", 90), ("minimal", 4)] {
            let findings = json!({"ended": {"ended": "exhausted"}, "tried": tried, "notes": [], "closest": []});
            say(json!({"event": "fixer_ended", "fixer": fixer, "findings": findings, "ms": 10}));
        }
        let exit = if i % 4 == 0 {
            say(json!({"event": "escalated", "report": "/r/report.md"}));
            30
        } else {
            let by = if i % 3 == 0 { "undo" } else { "mutate" };
            say(
                json!({"event": "healed", "candidate": format!("{by}#1"), "tier": 1, "receipt": "", "patch": "", "diff": ""}),
            );
            0
        };
        say(json!({"event": "run_ended", "outcome": "x", "exit": exit, "ms": 9000, "runs": {}}));
        std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    }
    project
}

fn json_of(out: &std::process::Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

#[test]
fn figures_are_those_of_the_runs_and_those_of_others_are_marked() {
    let project = with_runs(24);
    let document = json_of(&project.kaizen(&["stats", "--json"]));
    let schema = json_of(&project.kaizen(&["schema", "stats"]));
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document), "{document:#}");
    assert_eq!((&document["failures"]["all"], &document["failures"]["tier_3"]["n"]), (&json!(24), &json!(6)));
    assert_eq!(document["by_fixer"], json!({"mutate": 12, "undo": 6}));
    assert_eq!(document["cache_saved_micro_dollars"], 0, "no cache, nothing saved");
    // what was served long ago is not saved since yesterday
    let run = project.root().join(".git/kaizen/runs/20251101T000000Z-0000/events.jsonl");
    let served = json!({"event": "model_answered", "fixer": "minimal", "model": "p/a", "outcome": "answered", "prompt_tokens": 0,
        "answer_tokens": 0, "nano_dollars": 0, "requests": 0, "ms": 1, "cached": "exact", "saved_nano_dollars": 2_000_000,
        "v": 1, "run": "r", "step": 99, "time": "2025-11-01T10:00:59Z"});
    let log = std::fs::read_to_string(&run).unwrap();
    std::fs::write(&run, format!("{log}{served}\n")).unwrap();
    let saved = |args: &[&str]| json_of(&project.kaizen(args))["cache_saved_micro_dollars"].clone();
    assert_eq!((saved(&["stats", "--json"]), saved(&["stats", "--since", "1d", "--json"])), (json!(2000), json!(0)));
    let text = String::from_utf8(project.kaizen(&["stats"]).stdout).unwrap();
    assert!(text.contains("ended by tier 1        75 % (18)   [78 %]") && text.contains("not measured here"), "{text}");
    let page = String::from_utf8(project.kaizen(&["stats", "--html"]).stdout).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<td>75 % (18)</td><td>78 %</td>"), "{page}");
    let none = json_of(&project.kaizen(&["stats", "--since", "1s", "--json"]));
    assert_eq!(none["runs"], 0);
    assert_eq!(project.kaizen(&["stats", "--since", "soon"]).status.code(), Some(64));
}

#[test]
fn a_proposal_is_a_diff_that_can_be_applied_and_taken_back_and_never_over_other_changes() {
    let project = with_runs(24);
    let before = project.read(".kaizen.yml");
    let document = json_of(&project.kaizen(&["retro", "--json"]));
    assert_eq!(document["patterns"].as_array().unwrap().len(), 3, "{document:#}");
    let schema = json_of(&project.kaizen(&["schema", "retro"]));
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document), "{document:#}");
    let proposal = &document["proposals"][0];
    assert_eq!(
        (&proposal["fixers"], &proposal["dropped"], &proposal["accepted"]),
        (&json!(["mutate", "undo"]), &json!(["minimal"]), &json!(true))
    );
    assert!(document["diff"].as_str().unwrap().contains("+fixers: [mutate, undo]"), "{document:#}");
    assert_eq!(project.read(".kaizen.yml"), before, "shown, not written");
    let said = String::from_utf8(project.kaizen(&["retro", "--apply"]).stdout).unwrap();
    assert!(said.contains("--rollback takes it back"), "{said}");
    assert!(
        project.read(".kaizen.yml").starts_with("# ours\ncmd: pytest -q\nfixers: [mutate, undo]\n"),
        "{}",
        project.read(".kaizen.yml")
    );
    project.write(".kaizen.yml", "cmd: other\n");
    assert_eq!(project.kaizen(&["retro", "--rollback"]).status.code(), Some(64));
    // a file with the line ends of Windows keeps them
    project.write(".kaizen.yml", &before.replace('\n', "\r\n"));
    project.kaizen(&["retro", "--apply"]);
    assert_eq!(project.read(".kaizen.yml"), "# ours\r\ncmd: pytest -q\r\nfixers: [mutate, undo]\r\n");
    project.write(".kaizen.yml", &before);
    project.kaizen(&["retro", "--apply"]);
    assert_eq!(project.kaizen(&["retro", "--rollback"]).status.code(), Some(0));
    assert_eq!(project.read(".kaizen.yml"), before);
    assert_eq!(project.kaizen(&["retro", "--rollback"]).status.code(), Some(64), "once");
}

#[test]
fn few_runs_propose_nothing_that_would_be_written() {
    let project = with_runs(5);
    let document = json_of(&project.kaizen(&["retro", "--apply", "--json"]));
    assert_eq!((&document["diff"], &document["applied"]), (&json!(""), &json!(false)), "{document:#}");
}

#[test]
fn a_run_is_exported_to_a_file_and_to_a_collector_without_its_secrets() {
    let project = with_runs(1);
    let atif = json_of(&project.kaizen(&["export", "--format", "atif"]));
    assert_eq!((&atif["schema_version"], &atif["agent"]["name"]), (&json!("ATIF-v1.4"), &json!("kaizen-ci")));
    let exported = project.kaizen(&["export"]);
    let lines = String::from_utf8_lossy(&exported.stdout).lines().count();
    assert_eq!(lines, 1, "a collector reads a file line by line");
    let spans = json_of(&exported);
    assert_eq!(spans["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"], "kaizen-ci heal");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 65536];
        loop {
            let n = stream.read(&mut buffer).unwrap();
            bytes.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if n == 0 || body.len() >= length.unwrap_or(0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
                return text;
            }
        }
    });
    let out = project.kaizen(&["export", "--endpoint", &url]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let sent = collector.join().unwrap();
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), spans);
    assert_eq!(project.kaizen(&["export", "--endpoint", "http://127.0.0.1:1"]).status.code(), Some(22));
}
