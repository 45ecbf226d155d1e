//! Is a council worth its tokens? `cargo bench --bench council_questions` measures a scripted council on the questions of
//! `fixtures/council/`; `-- --live` the models that can be asked now (`KAIZEN_MODEL_URL`, `KAIZEN_MODELS`), resumable with
//! `--log FILE`, shorter with `--limit N`, other seats with `--seats A,B,C --critic D`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints what it measured")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

use kaizen_ci::cli::loops;
use kaizen_ci::cli::models;
use kaizen_ci::config::Config;
use kaizen_ci::council::Rules;
use kaizen_ci::council::measure::{self, Checkable, Measured};
use kaizen_ci::council::simulated::Simulated;
use kaizen_ci::model::Models;
use kaizen_ci::trajectory::Recorder;
use kaizen_ci::turns::{Turns as _, seats};
use tokio_util::sync::CancellationToken;

fn option(args: &[String], name: &str) -> Option<String> {
    args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/council/questions.jsonl");
    let mut questions = measure::read(&std::fs::read_to_string(path).unwrap()).unwrap();
    if let Some(limit) = option(&args, "--limit").and_then(|n| n.parse().ok()) {
        questions.truncate(limit);
    }
    if args.iter().any(|a| a == "--live") {
        return live(&args, &questions).await;
    }
    // the same questions under many names: a share of 64 says little
    let many: Vec<Checkable> = (0..10)
        .flat_map(|n| {
            questions.iter().map(move |q| Checkable {
                id: format!("{}/{n}", q.id),
                question: format!("{} [{n}]", q.question),
                answer: q.answer.clone(),
            })
        })
        .collect();
    for right in [400, 600, 800] {
        let turns = Simulated { questions: many.clone(), right };
        let table = seats::seat(&turns.members().await, 3, &[], Some("dahlia")).unwrap();
        let mut all = Vec::new();
        for question in &many {
            all.push(measure::one(question, &table, &Rules::default(), &turns, &CancellationToken::new()).await);
        }
        println!("seats right {right} times of 1000\n{}", measure::sum(&all).text());
    }
}

async fn live(args: &[String], questions: &[Checkable]) {
    let config = Config { budget_requests: 1_000_000, ..Config::default() };
    let mut settings = models::settings(&config).unwrap();
    if let Ok(named) = std::env::var("KAIZEN_MODELS") {
        settings.models = named.split(',').map(|m| m.trim().to_owned()).collect();
    }
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let turns = loops::live(&Models::new(settings), &recorder, &cancel);
    let named: Vec<String> =
        option(args, "--seats").map(|s| s.split(',').map(str::to_owned).collect()).unwrap_or_default();
    let seats_wanted = if named.is_empty() { 3 } else { named.len() };
    let table = seats::seat(&turns.members().await, seats_wanted, &named, option(args, "--critic").as_deref());
    let table = table.unwrap_or_else(|why| panic!("{why}"));
    let rules = Rules {
        answer_tokens: 220,
        rounds: 2,
        free_rounds: 2,
        seat_limit_ms: 900_000,
        time_limit_ms: 3_600_000,
        tokens: 40_000,
        ..Rules::default()
    };
    let log = option(args, "--log").unwrap_or_else(|| "council-questions.jsonl".into());
    let done: Vec<serde_json::Value> = std::fs::read_to_string(&log)
        .unwrap_or_default()
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect();
    let ids: BTreeSet<String> = done.iter().filter_map(|d| d["id"].as_str().map(str::to_owned)).collect();
    let file = Mutex::new(std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap());
    let names: Vec<&str> = table.seats.iter().map(|s| s.name.as_str()).collect();
    println!(
        "seats {}, critic {}; {} of {} questions are in {log} already",
        names.join(", "),
        table.critics[0].name,
        ids.len(),
        questions.len()
    );
    let mut all: Vec<Measured> = Vec::new();
    for question in questions.iter().filter(|q| !ids.contains(&q.id)) {
        let measured = measure::one(question, &table, &rules, &turns, &cancel).await;
        println!(
            "{} council {} vote {} ({}, {} tokens)",
            measured.id, measured.council, measured.vote, measured.end, measured.tokens
        );
        writeln!(file.lock().unwrap(), "{}", serde_json::to_string(&measured).unwrap()).unwrap();
        all.push(measured);
    }
    let earlier = done.into_iter().filter_map(|d| serde_json::from_value::<Measured>(d).ok());
    let all: Vec<Measured> = earlier.chain(all).collect();
    println!("{}", measure::sum(&all).text());
}
