//! Reviewers and writers who do anything: every loop ends inside its caps, with a named reason, and damages nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::improve::{CHANGES_MOST, Known, Rules, Staff, Task, hash, improve, sections};
use super::improve_tests::{linted, section, staff};
use super::outcome::{End, Outcome};
use super::*;
use crate::chance::Chance;
use crate::model::{Money, Trouble};
use crate::supervise::opinion::{CAUSES, CHANGES};
use crate::supervise::{Asks, Oversight, Tier, read as steps_of};
use crate::trajectory::log::{Line, Reading};
use crate::trajectory::{Entry, Event, Kept, LoopEvent, Recorder, Sink};
use crate::turns::script::{Says, Script};
use crate::turns::{Past, Question, Turns};

/// Anything that reviewers and writers may do.
fn anything(seed: u64, q: &Question) -> Says {
    let salt = q
        .actor
        .bytes()
        .fold(u64::from(q.round) * 31 + q.messages.len() as u64, |h, b| h.wrapping_mul(131).wrapping_add(u64::from(b)));
    let mut chance = Chance(seed ^ salt.wrapping_mul(0x9e37));
    let text = section(q);
    let words: Vec<&str> = text.split_whitespace().collect();
    let quote = |chance: &mut Chance| {
        let from = chance.below(words.len());
        words[from..(from + 3).min(words.len())].join(" ")
    };
    let reply = if q.actor.starts_with("reviewer") {
        let mut problems = String::new();
        let mut score = String::new();
        for dimension in ["clarity", "completeness", "testability"] {
            let quote = serde_json::Value::from(quote(&mut chance));
            let comma = if problems.is_empty() { "" } else { "," };
            problems += &format!(r#"{comma}{{"dimension":"{dimension}","quote":{quote},"why":"why"}}"#);
            // kind ones let a document pass, so that what is unread would too
            let least = if seed.is_multiple_of(2 * OF_LONG) { 90 } else { 0 };
            score += &format!(r#""{dimension}":{},"#, (least + chance.below(101 - least)) as f64 / 100.0);
        }
        format!(r#"{{{score}"problems":[{problems}]}}"#)
    } else {
        match chance.below(9) {
            0 => text.clone(),
            1 => text.replace("shall", "should"),
            2 => format!("{text}\n\n## More\n\nInvented."),
            3 => text.replace("REQ-", "R-"),
            4 => text.repeat(3),
            5 => text.lines().take(2).collect::<Vec<_>>().join("\n"),
            6 => text.replace(" *(assumption)*", ""),
            7 => text.replacen("fast", &format!("{} ms", 2 + chance.below(50)), 1),
            _ => format!("{}\n", text.replace(" be ", [" stay ", " be ", " get "][chance.below(3)])),
        }
    };
    match chance.below(24) {
        0 => Says::Text(String::new()),
        1 => Says::Text(reply[..reply.char_indices().nth(reply.chars().count() / 2).map_or(0, |(i, _)| i)].to_owned()),
        2 => Says::Text(format!("<think>well {{}}</think>```json\n{reply}\n```")),
        3 => Says::Text("<think>and so".into()),
        4 => Says::Text("It is all fine, I think.".into()),
        5 => Says::As(["s/apple-1", "s/zinnia-1"][chance.below(2)], reply),
        6 => Says::Trouble([Trouble::Gone, Trouble::TimedOut, Trouble::Truncated][chance.below(3)].clone()),
        7 if chance.below(6) == 0 => Says::Trouble(Trouble::OutOfBudget { what: "money".into() }),
        _ => Says::Text(reply),
    }
}

/// The rules are a function of the text: ten thousand loops lint each text that comes up in them once.
#[derive(Default)]
struct Linted(Mutex<HashMap<String, Lint>>);

impl Linted {
    fn of(&self, text: &str) -> Lint {
        let mut known = self.0.lock().unwrap();
        if let Some(lint) = known.get(text) {
            return lint.clone();
        }
        let lint = linted(text);
        known.insert(text.to_owned(), lint.clone());
        lint
    }
}

/// Follows the sections from revision to revision.
struct Followed {
    seed: u64,
    /// Hashes of what is there now.
    now: Vec<String>,
}

impl Sink for Followed {
    fn take(&mut self, entry: &Entry) {
        if let Event::Loop(LoopEvent::Revised { section, from, to, .. }) = &entry.event
            && from != to
        {
            assert_eq!(*from, self.now[*section], "{}: a critique of another revision was applied", self.seed);
            self.now[*section].clone_from(to);
        }
    }
}

/// A supervisor who says anything, or nothing.
struct Anybody(u64);

impl Asks for Anybody {
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        let mut chance = Chance(self.0 ^ (prompt.len() as u64 * 31 + tier as u64).wrapping_mul(0x9e37));
        let reply = match chance.below(8) {
            0 => Err("nobody listens".into()),
            1 => Ok("It is all fine, I think.".into()),
            _ => {
                let (cause, change) = (CAUSES[chance.below(CAUSES.len())], CHANGES[chance.below(CHANGES.len())]);
                let evidence = [chance.below(3), 1 + chance.below(9)];
                Ok(serde_json::json!({"cause": cause, "change": change, "evidence": evidence}).to_string())
            }
        };
        Box::pin(async move { reply })
    }
}

/// Every so many loops one is looked at.
const OF_OVERSEEN: u64 = 32;

/// What most of them work on …
const SHORT: &str = "# T\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n";
/// … and every sixteenth, so that sections wait for one another.
const LONG: &str = "# T\n\n## Requirements\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n\n## Out of scope\n\nVideo shall be left out.\n";
const OF_LONG: u64 = 16;

/// One loop, and everything that has to hold of it.
async fn one(seed: u64, staff: &Staff, linted: &Linted, (text, found): &(&str, Vec<String>)) -> String {
    let mut chance = Chance(seed);
    let rules = Rules {
        rounds: chance.below(3) as u32,
        free_rounds: chance.below(4) as u32,
        tokens: 1000 + 1500 * chance.below(60) as u64,
        writers: 1 + chance.below(3),
        ..Rules::default()
    };
    let turns = Script {
        members: staff.reviewers.iter().chain(&staff.writers).cloned().collect(),
        rule: Box::new(move |q| anything(seed, q)),
        asked: Mutex::default(),
        keeps: false,
        cost: Money(1000),
    };
    let now = found.clone();
    let kept = Kept::default();
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Followed { seed, now })];
    if seed.is_multiple_of(OF_OVERSEEN) {
        sinks.push(Box::new(kept.clone()));
    }
    let recorder = Recorder::new("r", sinks);
    let steps = || {
        let lines = kept.entries().into_iter().map(|entry| Line::Entry(Box::new(entry))).collect();
        steps_of::steps(&Reading { lines, damaged: 0 })
    };
    let asks = Anybody(seed);
    let oversight = Oversight { steps: &steps, asks: Some(&asks) };
    let oversight = seed.is_multiple_of(OF_OVERSEEN).then_some(&oversight);
    let past = Past::new(&turns, recorder.clone());
    let asked: &dyn Turns = if oversight.is_some() { &past } else { &turns };
    let lint = |text: &str| linted.of(text);
    let task = Task { text, lint: &lint, rules: &rules, staff, known: Known::new(), passed: None };
    let outcome = improve(&task, asked, &recorder, &CancellationToken::new(), oversight).await;
    let (rounds, changes) = (outcome.history.len().saturating_sub(1), outcome.changes.len());
    assert!(changes <= CHANGES_MOST && (changes == 0 || oversight.is_some()), "{seed}: {:?}", outcome.changes);
    let most = rules.rounds.max(rules.free_rounds) as usize;
    // a change takes a round that writes, and one that reads what was written
    assert!(rounds <= most + 2 * changes, "{seed}: {rounds} rounds, {changes} changes");
    let writing = outcome.history.iter().filter(|row| row.rewritten > 0).count();
    assert!(writing <= most + changes, "{seed}: {writing} rounds of rewriting, {changes} changes");
    let tokens: u64 = outcome.staff.iter().map(|s| s.tokens).sum();
    assert!(tokens <= rules.tokens, "{seed}: {tokens} of {}", rules.tokens);
    assert!(guard::fits(text, &outcome.text), "{seed}: {}", outcome.text);
    for kept in ["REQ-1", "# T", "## Requirements", "## Out of scope"] {
        assert_eq!(outcome.text.contains(kept), text.contains(kept), "{seed}: {kept} in {}", outcome.text);
    }
    read_and_marked(seed, text, &outcome);
    outcome.end.name()
}

/// Nothing passes or is handed over that fewer than two reviews read, and no number is new without its mark and question.
fn read_and_marked(seed: u64, text: &str, outcome: &Outcome) {
    let (old, new) = (sections(text), sections(&outcome.text));
    for (at, part) in new.iter().enumerate().filter(|(_, part)| part.lines().count() > 2) {
        let reviewed = outcome.sections[at].reviewed.as_ref();
        let read = reviewed.is_some_and(|r| r.reviews >= 2 && r.hash == hash(part));
        assert!(read || outcome.end != End::Passed && *part == old[at], "{seed}: {:?} {part}", outcome.end);
    }
    for made_up in outcome.text.split_inclusive(". ").filter(|sentence| sentence.contains(" ms")) {
        assert!(made_up.contains(guard::MARK), "{seed}: {}", outcome.text);
        let number = made_up.split(" ms").next().unwrap().rsplit(' ').next().unwrap();
        assert!(outcome.questions.iter().any(|q| q.contains(number)), "{seed}: {number} {:?}", outcome.questions);
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
fn five_thousand_fuzzed_reviewers_and_writers_end_inside_their_caps_with_a_named_reason_and_damage_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (staff, linted) = (staff(), Linted::default());
    let documents = [SHORT, LONG].map(|text| (text, sections(text).iter().map(|s| hash(s)).collect::<Vec<_>>()));
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    runtime.block_on(async {
        for seed in 0..5_000_u64 {
            let document = &documents[usize::from(seed.is_multiple_of(OF_LONG))];
            *ends.entry(one(seed, &staff, &linted, document).await).or_default() += 1;
        }
    });
    eprintln!("ends of 5,000 fuzzed PRD loops: {ends:?}; {} texts", linted.0.lock().unwrap().len());
    assert!(ends.len() >= 6, "{ends:?}");
}
