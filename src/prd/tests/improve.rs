//! Tests of the loop with models: it ends, it invents nothing, it is a pipeline, and it is paid for once.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::gate::Passed;
use super::improve::{Known, Rules, Staff, Task, hash, improve, sections};
use super::outcome::{End, Outcome, Stall};
use super::*;
use crate::model::Trouble;
use crate::trajectory::{Entry, Event, LoopEvent, Recorder, Sink};
use crate::turns::script::{Says, Script, member};
use crate::turns::{Past, Question, Turns};

const STAFF: [&str; 5] = ["s/apple-1", "s/birch-1", "s/cedar-1", "s/dahlia-1", "s/elder-1"];

fn staff() -> Staff {
    Staff { reviewers: [STAFF[0], STAFF[1], STAFF[2]].map(member), writers: [STAFF[3], STAFF[4]].map(member).to_vec() }
}

fn script(rule: impl Fn(&Question) -> Says + Send + Sync + 'static) -> Script {
    Script::new(&STAFF, rule)
}

#[derive(Clone, Default)]
struct Kept(Arc<std::sync::Mutex<Vec<Entry>>>);

impl Sink for Kept {
    fn take(&mut self, entry: &Entry) {
        self.0.lock().unwrap().push(entry.clone());
    }
}

impl Kept {
    fn recorder(&self) -> Recorder {
        Recorder::new("r", vec![Box::new(self.clone())])
    }
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().iter().map(|e| e.event.clone()).collect()
    }
}

async fn improved(text: &str, rules: &Rules, turns: &dyn Turns, recorder: &Recorder) -> Outcome {
    let staff = staff();
    let task = Task { text, exists: &|_| true, rules, staff: &staff, known: Known::new(), passed: None };
    improve(&task, turns, recorder, &CancellationToken::new(), None).await
}

fn scores(clarity: f64, completeness: f64, testability: f64, problems: &[(&str, &str, &str)]) -> String {
    let problems: Vec<_> =
        problems.iter().map(|(d, q, w)| serde_json::json!({"dimension": d, "quote": q, "why": w})).collect();
    serde_json::json!({"clarity": clarity, "completeness": completeness, "testability": testability, "problems": problems}).to_string()
}

/// The section that a question is about.
fn section(q: &Question) -> String {
    let user = &q.messages[1].content;
    let body = user.split("# Section\n\n").nth(1).unwrap();
    body.split("\n\n# Criticism").next().unwrap().trim_end().to_owned()
}

const CHAT: &str = "# Chat\n\n## Goals\n\nThe chat shall save the time of customers.\n\n## Requirements\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n- REQ-2: The chat shall show the last 50 messages. Acceptance: the list shows 50 messages.\n\n## Out of scope\n\nVideo.\n";

/// Reviewers who mind the word fast, and a writer who puts a number in its place.
fn sensible(q: &Question) -> Says {
    let text = section(q);
    Says::Text(if q.actor.starts_with("reviewer") {
        match text.contains("be fast") {
            true => {
                scores(0.3, 0.9, 0.2, &[("clarity", "be fast", "how fast?"), ("testability", "be fast", "no limit")])
            }
            false => scores(0.95, 0.9, 0.95, &[]),
        }
    } else {
        format!(
            "```markdown\n{}\n```",
            text.replace("be fast", "answer within 200 ms")
                .replace("it is fast", "95 of 100 answers come within 200 ms")
        )
    })
}

#[tokio::test]
async fn what_fails_is_rewritten_until_it_passes_and_what_is_new_is_marked() {
    let kept = Kept::default();
    let turns = script(sensible);
    let outcome = improved(CHAT, &Rules::default(), &turns, &kept.recorder()).await;
    assert_eq!(outcome.end, End::Passed, "{outcome:#?}");
    assert!(outcome.text.contains("REQ-1: The chat shall answer within 200 ms *(assumption)*."), "{}", outcome.text);
    assert_eq!(
        outcome
            .text
            .replace(" *(assumption)*", "")
            .replace("answer within 200 ms", "be fast")
            .replace("95 of 100 answers come within 200 ms", "it is fast"),
        CHAT
    );
    assert_eq!(outcome.questions.len(), 2, "{:?}", outcome.questions);
    assert_eq!(outcome.history.len(), 2);
    assert!(outcome.history[1].scores.clarity > outcome.history[0].scores.clarity);
    let writers: Vec<_> = turns.questions().into_iter().filter(|q| q.actor.starts_with("writer")).collect();
    assert_eq!(writers.len(), 1, "only what fails is rewritten");
    assert_eq!(writers[0].model.as_deref(), Some("s/dahlia-1"));
    // unchanged sections are not reviewed again
    let of = |n: usize| turns.questions().iter().filter(|q| q.actor.ends_with(&format!("of section {n}"))).count();
    assert_eq!((of(3), of(4)), (3, 7), "three reviews; six and a writer");
}

#[tokio::test]
async fn a_writer_who_invents_or_damages_is_not_believed() {
    for (what, broken) in [("ids are missing", "REQ-2: The chat" as &str), ("headings were changed", "## Requirements")]
    {
        let turns = script(move |q| match sensible(q) {
            Says::Text(text) if q.actor.starts_with("writer") => Says::Text(text.replace(broken, "The talk")),
            other => other,
        });
        let outcome = improved(CHAT, &Rules::default(), &turns, &Recorder::forgetful()).await;
        assert_eq!((outcome.end, outcome.text.as_str()), (End::Stalled(Stall::AllRefused), CHAT), "{what}");
        assert!(
            outcome.sections.iter().any(|s| s.left_because.as_deref().is_some_and(|w| w.contains(what))),
            "{:?}",
            outcome.sections
        );
        let told = turns
            .questions()
            .into_iter()
            .filter(|q| q.messages[1].content.contains(&format!("not taken: {what}")))
            .count();
        assert!(told > 0, "the writer is told why");
    }
}

#[tokio::test]
async fn a_reviewer_s_model_may_not_write() {
    let turns = script(|q| match sensible(q) {
        Says::Text(text) if q.actor.starts_with("writer") => Says::As("s/apple-1", text),
        other => other,
    });
    let outcome = improved(CHAT, &Rules::default(), &turns, &Recorder::forgetful()).await;
    assert_eq!((outcome.end, outcome.text.as_str()), (End::Stalled(Stall::AllRefused), CHAT));
    assert!(outcome.staff.iter().any(|s| s.who == "writer" && s.answered_by == "s/apple-1"));
}

#[tokio::test]
async fn a_revision_that_scores_less_is_put_back() {
    let turns = script(|q| {
        let text = section(q);
        Says::Text(if q.actor.starts_with("reviewer") {
            let (score, quote) = if text.contains("slowly") { (0.1, "slowly") } else { (0.6, "The chat shall") };
            scores(
                score,
                score,
                score,
                &[("clarity", quote, "x y"), ("completeness", quote, "x y"), ("testability", quote, "x y")],
            )
        } else {
            text.replace("be fast", "be fast, slowly")
        })
    });
    let kept = Kept::default();
    let outcome = improved(CHAT, &Rules::default(), &turns, &kept.recorder()).await;
    assert!(!outcome.text.contains("slowly"), "{}", outcome.text);
    assert!(
        kept.events()
            .iter()
            .any(|e| matches!(e, Event::Loop(LoopEvent::Revised { why, .. }) if why.contains("put back")))
    );
}

#[tokio::test]
async fn a_text_that_goes_there_and_back_again_ends_the_loop() {
    let turns = script(|q| {
        let text = section(q);
        Says::Text(if q.actor.starts_with("reviewer") {
            let quote = if text.contains("quick") { "be quick" } else { "be fast" };
            match text.contains("REQ-1") {
                true => scores(0.5, 0.9, 0.9, &[("clarity", quote, "how?")]),
                false => scores(0.9, 0.9, 0.9, &[]),
            }
        } else if text.contains("be fast") {
            text.replace("be fast", "be quick")
        } else {
            text.replace("be quick", "be fast")
        })
    });
    let rules = Rules { rounds: 6, ..Rules::default() };
    let outcome = improved(CHAT, &rules, &turns, &Recorder::forgetful()).await;
    assert!(matches!(outcome.end, End::Stalled(Stall::FlipFlop | Stall::Plateau)), "{:?}", outcome.end);
    assert!(outcome.history.len() <= 3, "{:?}", outcome.history);
    let reviews = turns.questions().iter().filter(|q| q.actor == "reviewer 1 of section 4").count();
    assert_eq!(reviews, 2, "each text is reviewed once");
}

#[tokio::test]
async fn unchanged_text_does_not_change_sides_whatever_reviewers_say_today() {
    let moody = script(|q| {
        let score = 0.70 + 0.2 * (q.messages[1].content.len() % 7) as f64 / 7.0;
        Says::Text(scores(
            score,
            score,
            score,
            &[("clarity", "the", "x"), ("completeness", "shall", "x"), ("testability", "Video", "x")],
        ))
    });
    let rules = Rules { rounds: 0, free_rounds: 0, ..Rules::default() };
    let first = improved(CHAT, &rules, &moody, &Recorder::forgetful()).await;
    let known: Known = first.sections.iter().filter_map(|s| s.reviewed.clone()).map(|r| (r.hash.clone(), r)).collect();
    let (staff, passed) = (staff(), first.history[0].passed);
    let other_mood = script(|_| {
        Says::Text(scores(
            0.0,
            0.0,
            0.0,
            &[("clarity", "chat", "no"), ("completeness", "chat", "no"), ("testability", "chat", "no")],
        ))
    });
    let task = Task { text: CHAT, exists: &|_| true, rules: &rules, staff: &staff, known, passed: Some(passed) };
    let again = improve(&task, &other_mood, &Recorder::forgetful(), &CancellationToken::new(), None).await;
    assert_eq!(other_mood.questions().len(), 0);
    assert_eq!((again.history[0].scores, again.history[0].passed), (first.history[0].scores, passed));
}

#[tokio::test]
async fn a_dimension_that_passed_and_falls_clearly_is_open_again() {
    let staff = staff();
    let rules = Rules { rounds: 0, free_rounds: 0, ..Rules::default() };
    let all = Passed { clarity: true, completeness: true, testability: true, no_errors: true };
    for (score, passes) in [(0.80, true), (0.2, false)] {
        let turns = script(move |q| {
            let quote = section(q)
                .split_whitespace()
                .rev()
                .take(2)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
                .join(" ");
            Says::Text(scores(score, 1.0, 1.0, &[("clarity", &quote, "unclear")]))
        });
        let text = CHAT.replace("be fast. Acceptance: it is fast", "beep. Acceptance: it beeps");
        let task = Task {
            text: &text,
            exists: &|_| true,
            rules: &rules,
            staff: &staff,
            known: Known::new(),
            passed: Some(all),
        };
        let outcome = improve(&task, &turns, &Recorder::forgetful(), &CancellationToken::new(), None).await;
        assert_eq!(outcome.history[0].passed.clarity, passes, "{score}: {:?}", outcome.history[0]);
    }
}

fn eight_sections() -> String {
    let long = "The customers of the shop wait for this part of the page every day, and they leave when it takes too long for them.";
    let body = |n: usize| {
        format!(
            "## Part {n}\n\n{long} {long}\n\n- REQ-{n}: The part {n} shall be fast. Acceptance: part {n} is fast.\n\n"
        )
    };
    format!("# All requirements\n\n{}", (1..=8).map(body).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
async fn eight_sections_take_at_most_seven_tenths_of_the_sequential_time() {
    let turns = script(|q| match sensible(q) {
        Says::Text(text) if q.actor.starts_with("reviewer") => Says::Late(200, text),
        Says::Text(text) => Says::Late(300, text),
        other => other,
    });
    for writers in [1, 2] {
        let rules = Rules { rounds: 1, free_rounds: 1, writers, ..Rules::default() };
        let kept = Kept::default();
        let began = Instant::now();
        let outcome = improved(&eight_sections(), &rules, &turns, &kept.recorder()).await;
        let all = began.elapsed().as_millis();
        assert!(outcome.text.contains("REQ-8: The part 8 shall answer within 200 ms"), "{}", outcome.text);
        // the first round reviews and rewrites, the second one only reviews what was rewritten
        let first = kept.events().iter().find_map(|e| match e {
            Event::Loop(LoopEvent::RoundEnded { ms, .. }) => Some(*ms),
            _ => None,
        });
        let (first, sequential) = (first.unwrap(), 8 * (200 + 300));
        eprintln!("{writers} at a time: review and rewrite {first} ms of {sequential}; everything {all} ms");
        // one at a time has 0.65 in theory, which a busy machine can pass; two is what is shipped
        if writers == Rules::default().writers {
            assert!(first * 10 <= sequential * 7, "{first} of {sequential}");
        }
    }
}

#[tokio::test]
async fn a_resumed_loop_pays_for_no_turn_twice_and_ends_alike() {
    let whole = script(sensible);
    let kept = Kept::default();
    let past = Past::new(&whole, kept.recorder());
    let text = eight_sections();
    let outcome = improved(&text, &Rules::default(), &past, &kept.recorder()).await;
    let asked = whole.questions().len();
    let entries = kept.0.lock().unwrap().clone();
    let turns: Vec<Entry> =
        entries.into_iter().filter(|e| matches!(e.event, Event::Loop(LoopEvent::Turn(_)))).collect();
    assert_eq!(turns.len(), asked);
    for done in [0, 1, 7, asked / 2, asked] {
        let rest = script(sensible);
        let again = Kept::default();
        let resumed = improved(
            &text,
            &Rules::default(),
            &Past::resume(&rest, again.recorder(), &turns[..done]),
            &again.recorder(),
        )
        .await;
        assert_eq!(rest.questions().len(), asked - done);
        assert_eq!(
            (resumed.end, &resumed.text, &resumed.history),
            (outcome.end, &outcome.text, &outcome.history),
            "{done}"
        );
    }
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

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
        let quotes: Vec<String> = (0..3).map(|_| quote(&mut chance)).collect();
        let score = |c: &mut Chance| c.below(101) as f64 / 100.0;
        let all = (score(&mut chance), score(&mut chance), score(&mut chance));
        scores(
            all.0,
            all.1,
            all.2,
            &[("clarity", &quotes[0], "why"), ("completeness", &quotes[1], "why"), ("testability", &quotes[2], "why")],
        )
    } else {
        match chance.below(8) {
            0 => text.clone(),
            1 => text.replace("shall", "should"),
            2 => format!("{text}\n\n## More\n\nInvented."),
            3 => text.replace("REQ-", "R-"),
            4 => text.repeat(3),
            5 => text.lines().take(2).collect::<Vec<_>>().join("\n"),
            6 => text.replace("fast", &format!("ready within {} ms", 10 * chance.below(50))),
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

#[test]
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
fn fuzzed_reviewers_and_writers_end_inside_their_caps_with_a_named_reason_and_damage_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut ends: std::collections::BTreeMap<String, usize> = Default::default();
    let text = "# T\n\n## Requirements\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n\n## Out of scope\n\nVideo shall be left out.\n";
    runtime.block_on(async {
        for seed in 0..1_000_u64 {
            let mut chance = Chance(seed);
            let rules = Rules {
                rounds: chance.below(5) as u32,
                free_rounds: chance.below(7) as u32,
                tokens: 1000 + 1500 * chance.below(60) as u64,
                writers: 1 + chance.below(3),
                ..Rules::default()
            };
            let turns = script(move |q| anything(seed, q));
            let kept = Kept::default();
            let outcome = improved(text, &rules, &turns, &kept.recorder()).await;
            let mut now: Vec<String> = sections(text).iter().map(|s| hash(s)).collect();
            for event in kept.events() {
                if let Event::Loop(LoopEvent::Revised { section, from, to, .. }) = event
                    && from != to
                {
                    assert_eq!(from, now[section], "{seed}: a critique of another revision was applied");
                    now[section] = to;
                }
            }
            let rounds = outcome.history.len();
            assert!(rounds <= rules.rounds.max(rules.free_rounds) as usize + 1, "{seed}: {rounds} rounds");
            let tokens: u64 = outcome.staff.iter().map(|s| s.tokens).sum();
            assert!(tokens <= rules.tokens, "{seed}: {tokens} of {}", rules.tokens);
            assert!(guard::fits(text, &outcome.text), "{seed}: {}", outcome.text);
            for kept in ["REQ-1", "# T", "## Requirements", "## Out of scope"] {
                assert!(outcome.text.contains(kept), "{seed}: {kept} in {}", outcome.text);
            }
            *ends.entry(outcome.end.name()).or_default() += 1;
        }
    });
    eprintln!("ends of 1,000 fuzzed PRD loops: {ends:?}");
    assert!(ends.len() >= 6, "{ends:?}");
}

#[test]
fn sections_put_together_are_the_document() {
    for text in [CHAT, "", "no heading\n", "# A\n## B\n\n```\n# no heading\n```\n"] {
        assert_eq!(sections(text).concat(), text);
    }
    assert_ne!(hash("a"), hash("b"));
}

#[tokio::test]
async fn without_costs_more_rounds_are_made_only_while_it_gets_better() {
    let text = CHAT.replace("be fast. Acceptance: it is fast", "beep at step0. Acceptance: step0 is heard");
    let step = |text: &str| text.split("step").nth(1).and_then(|t| t[..1].parse::<u32>().ok()).unwrap_or(9);
    let rule = move |gain: f64| {
        move |q: &Question| {
            let text = section(q);
            if !text.contains("beep") {
                return Says::Text(scores(0.95, 0.95, 0.95, &[]));
            }
            let n = step(&text);
            Says::Text(if q.actor.starts_with("reviewer") {
                let (score, quote) = (0.2 + gain * f64::from(n), format!("step{n}"));
                scores(score, 0.95, 0.95, &[("clarity", &quote, "which step?")])
            } else {
                text.replace(&format!("step{n}"), &format!("step{}", n + 1))
            })
        }
    };
    let rules = Rules { rounds: 1, free_rounds: 4, threshold: 0.95, ..Rules::default() };
    let rising = improved(&text, &rules, &script(rule(0.15)), &Recorder::forgetful()).await;
    assert!(rising.history.len() > 2, "{:?}", rising.history);
    let flat = improved(&text, &rules, &script(rule(0.001)), &Recorder::forgetful()).await;
    assert_eq!((flat.end, flat.history.len()), (End::RoundCap, 2), "{:?}", flat.history);
    let mut paid = staff();
    paid.writers[0].tier = crate::model::catalog::Tier::Paid;
    let turns = script(rule(0.15));
    let task = Task { text: &text, exists: &|_| true, rules: &rules, staff: &paid, known: Known::new(), passed: None };
    let outcome = improve(&task, &turns, &Recorder::forgetful(), &CancellationToken::new(), None).await;
    assert_eq!((outcome.end, outcome.history.len()), (End::RoundCap, 2));
}
