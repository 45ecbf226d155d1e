//! Tests of the supervisor: measured on labelled synthetic logs, on recorded runs, and what the room may not do.

mod real;
mod synthetic;
mod tiers;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::trajectory::log;
use synthetic::{CAUSES, Log};

use crate::chance::Chance;

/// Thresholds and points were chosen on logs of these seeds …
const FIT: u64 = 1_000;
/// … and are measured on those of others.
const TEST: u64 = 77_000_000;

fn steps_of(log: &Log) -> Vec<Step> {
    let bytes: Vec<u8> = log.lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    let reading = log::read_from(&bytes[..]).unwrap();
    assert_eq!((reading.damaged, reading.lines.len()), (0, log.lines.len()));
    read::steps(&reading)
}

/// In whose words a log is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Words {
    /// Of loops elsewhere, told by their fields.
    Others,
    /// Of the loops of this program.
    Ours,
}

fn labelled(seed: u64) -> Vec<Log> {
    [Words::Others, Words::Ours].into_iter().flat_map(|words| stuck_logs(words, seed).take(150)).collect()
}

fn stuck_logs(words: Words, seed: u64) -> impl Iterator<Item = Log> {
    let make = match words {
        Words::Others => synthetic::stalled,
        Words::Ours => real::stalled,
    };
    (0..300_u64).map(move |n| make(CAUSES[(n % 7) as usize], seed + n))
}

/// A loop that gets somewhere, without its end: a good one would be the answer.
fn productive(words: Words, seed: u64) -> Log {
    let mut log = match words {
        Words::Others => synthetic::productive(seed),
        Words::Ours => real::productive(seed),
    };
    let is_end = |line: &serde_json::Value| {
        line["event"] == "run_ended" || line["event"] == "judge_ended" && line["verdict"] == "healed"
    };
    log.lines.retain(|line| !is_end(line));
    log
}

/// Share of right causes, F1 of detection, share of productive logs that are called stalled.
#[allow(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "the measured numbers are what a person wants to see"
)]
fn measure(words: Words, seed: u64) -> (f64, f64, f64) {
    let (mut right, mut seen, mut wrong) = (0, 0, BTreeMap::new());
    let mut unseen: BTreeMap<_, usize> = BTreeMap::new();
    for log in stuck_logs(words, seed) {
        let finding = look(&steps_of(&log));
        seen += usize::from(!finding.stalls.is_empty());
        if finding.stalls.is_empty() {
            *unseen.entry(log.cause).or_default() += 1;
        }
        let said = finding.diagnosis.map(|diagnosis| diagnosis.cause);
        if said == log.cause {
            right += 1;
        } else {
            *wrong.entry((log.cause, said)).or_insert(0) += 1;
        }
    }
    let mut alarms: BTreeMap<_, usize> = BTreeMap::new();
    for n in 0..300 {
        if let Some(stall) = look(&steps_of(&productive(words, seed + n))).stalls.first() {
            *alarms.entry(stall.rule).or_default() += 1;
        }
    }
    let false_alarms: usize = alarms.values().sum();
    let (precision, recall) = (seen as f64 / (seen + false_alarms).max(1) as f64, seen as f64 / 300.0);
    let f1 = 2.0 * precision * recall / (precision + recall);
    let measured = (right as f64 / 300.0, f1, false_alarms as f64 / 300.0);
    eprintln!(
        "{words:?}, seed {seed}: top-1 {:.3}, F1 {:.3}, false alarms {:.4}; mistaken: {wrong:?}; unseen: {unseen:?}; {alarms:?}",
        measured.0, measured.1, measured.2
    );
    measured
}

#[test]
fn rules_alone_name_the_cause_and_see_the_stall_on_logs_they_were_not_fitted_to() {
    let both = [Words::Others, Words::Ours];
    both.iter().for_each(|words| assert!(measure(*words, FIT).0 > 0.5, "they were fitted to these"));
    let measured: Vec<_> =
        both.into_iter().flat_map(|words| [TEST, TEST + 500_000].map(|seed| (words, measure(words, seed)))).collect();
    for (words, (top_1, f1, false_alarms)) in measured {
        assert!(top_1 >= 0.80, "{words:?}: top-1 {top_1}");
        assert!(f1 >= 0.95, "{words:?}: F1 {f1}");
        assert!(false_alarms <= 0.01, "{words:?}: false alarms {false_alarms}");
    }
}

#[test]
fn instructions_in_a_log_change_nothing() {
    let mut chance = Chance(77);
    for n in 0..50_u64 {
        let seed = TEST + 7 * n;
        let make = || {
            if n % 5 == 4 { synthetic::productive(seed) } else { synthetic::stalled(CAUSES[(n % 7) as usize], seed) }
        };
        let (plain, mut injected) = (make(), make());
        synthetic::inject(&mut injected, &mut chance);
        assert!(injected.lines.len() > plain.lines.len() && injected.lines[1]["text"] != plain.lines[1]["text"]);
        assert_eq!(look(&steps_of(&injected)), look(&steps_of(&plain)), "log {n}");
    }
}

#[test]
fn evidence_names_events_of_the_log_and_the_same_stall_has_the_same_fingerprint() {
    for log in labelled(TEST).iter().take(70) {
        let steps = steps_of(log);
        let finding = look(&steps);
        let diagnosis = finding.diagnosis.as_ref().unwrap();
        assert!(!diagnosis.evidence.is_empty() && (0.0..=1.0).contains(&diagnosis.confidence));
        for event in diagnosis.evidence.iter().chain(finding.stalls.iter().flat_map(|stall| &stall.evidence)) {
            assert!(steps.iter().any(|step| step.event == *event), "{event}");
        }
        assert_eq!(look(&steps), finding);
    }
}

fn turn(actor: &str, text: &str) -> Step {
    Step { event: "1".into(), actor: actor.into(), kind: step::Kind::Turn { text: text.into(), tokens: 0 } }
}

fn bare(kind: step::Kind) -> Step {
    Step { event: "1".into(), actor: String::new(), kind }
}

fn rules(steps: &[Step]) -> Vec<stall::Rule> {
    stall::detect(steps).into_iter().map(|stall| stall.rule).collect()
}

#[test]
fn waiting_is_no_stall_and_progress_starts_over() {
    let waits = vec![bare(step::Kind::Wait); 500];
    assert_eq!(rules(&waits), []);
    let same = |n: usize| vec![turn("critic", "nothing to object to"); n];
    assert_eq!(rules(&same(3)), [stall::Rule::RepeatedTurns]);
    let mut between = same(2);
    between.push(bare(step::Kind::Progress));
    between.extend(same(2));
    assert_eq!(rules(&between), []);
}

#[test]
fn each_rule_sees_its_stall() {
    use stall::Rule;
    let ping = [
        turn("w", "use a mutex here"),
        turn("w", "take channels instead"),
        turn("w", "use a mutex here"),
        turn("w", "take channels instead"),
    ];
    assert_eq!(rules(&ping), [Rule::PingPong]);
    let score = |value| bare(step::Kind::Score { of: "clarity".into(), value, target: 0.8 });
    assert_eq!(rules(&[0.5, 0.505, 0.5, 0.502].map(score)), [Rule::ScorePlateau]);
    assert_eq!(rules(&[0.5, 0.55, 0.6, 0.65, 0.7].map(score)), []);
    assert_eq!(rules(&[0.9, 0.9, 0.9, 0.9].map(score)), [], "it passes already");
    let attempt = |n: usize, output: &str| {
        let kind = step::Kind::Attempt { hash: n.to_string(), outcome: step::Outcome::Bad, output: output.into() };
        bare(kind)
    };
    let same: Vec<_> = (0..4).map(|n| attempt(n, "assertion failed: left")).collect();
    assert_eq!(rules(&same), [Rule::SameFailure]);
    let others: Vec<_> =
        ["one thing", "another matter", "third reason", "last word"].iter().map(|o| attempt(1, o)).collect();
    assert_eq!(rules(&others), []);
    let objection = |text: &str, minor| {
        bare(step::Kind::Objection { text: text.into(), minor, quote_found: None, on_rubric: None })
    };
    let again = vec![objection("the index is never rebuilt", false); 3];
    assert_eq!(rules(&again), [Rule::ReseededObjections]);
    let costly: Vec<_> = ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii"]
        .iter()
        .map(|text| Step { kind: step::Kind::Turn { text: (*text).into(), tokens: 9 }, ..turn("w", "") })
        .collect();
    assert_eq!(rules(&costly), [Rule::CostWithoutProgress]);
    let crowd: Vec<_> =
        costly.iter().enumerate().map(|(n, step)| Step { actor: format!("reviewer {n}"), ..step.clone() }).collect();
    assert_eq!(rules(&crowd), [], "many who are asked once are one round");
    // word for word what it said before, although others were content in between
    let hashed = |n: u8| turn("seat 1", &format!("{n:02x}").repeat(32));
    let settled = bare(step::Kind::Settled { accepted: true });
    assert_eq!(rules(&[hashed(1), settled.clone(), hashed(2), settled.clone(), hashed(1)]), [Rule::PingPong]);
    assert_eq!(rules(&[hashed(1), settled.clone(), hashed(2), settled, hashed(3)]), []);
}

#[test]
fn recorded_runs_of_this_program_are_read_and_healed_ones_are_not_called_stalled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trajectories");
    let look_at = |name: &str| look(&read::steps(&log::read(&folder.join(name)).unwrap()));
    for name in ["healed.jsonl", "already-green.jsonl", "not-applied.jsonl"] {
        assert_eq!(look_at(name), Finding { stalls: vec![], diagnosis: None }, "{name}");
    }
    assert_eq!(look_at("environment.jsonl").diagnosis.unwrap().cause, Cause::Environment);
    assert_eq!(look_at("flaky.jsonl").diagnosis.unwrap().cause, Cause::FlakyTest);
}

#[test]
fn the_room_has_no_way_to_write_and_no_tools() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/supervise");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in product.lines().map(|line| line.split("//").next().unwrap()) {
            for (at, _) in line.match_indices("crate::") {
                let room = line[at + 7..].split("::").next().unwrap();
                let room = room.split([' ', ';', ',']).next().unwrap();
                assert!(["likeness", "supervise", "trajectory", "words"].contains(&room), "{}: {line}", path.display());
            }
            let std_of: Vec<&str> =
                line.match_indices("std::").map(|(at, _)| line[at + 5..].split([':', ';']).next().unwrap()).collect();
            assert!(std_of.iter().all(|part| ["collections", "ptr"].contains(part)), "{}: {line}", path.display());
            for banned in [
                "Recorder",
                "Writer",
                "Sink",
                "unsafe",
                "extern",
                "include!",
                "tokio",
                "git2",
                "genai",
                "log::read(",
                "&mut Entry",
            ] {
                assert!(!line.contains(banned), "{}: `{banned}` in {line}", path.display());
            }
        }
    }
    assert!(files >= 6);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_are_read_without_a_panic_and_always_alike(
        kinds in prop::collection::vec((0..6_usize, ".{0,12}", any::<f64>(), any::<bool>()), 0..40)
    ) {
        const NAMES: [&str; 6] = ["turn", "objection", "scored", "wait", "budget", "answer"];
        let lines = kinds.iter().map(|(kind, text, number, flag)| serde_json::json!({
            "v": 1, "event": NAMES[*kind], "text": text, "score": number, "tokens": number, "quote_found": flag, "actor": text,
        }));
        let steps = steps_of(&Log { cause: None, lines: lines.collect() });
        prop_assert_eq!(look(&steps), look(&steps));
    }
}
