//! Tests of the loop with models: it ends, it invents nothing, it is a pipeline, and it is paid for once.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::gate::Passed;
use super::improve::{Known, Rules, Staff, Task, hash, improve, sections};
use super::outcome::{End, Outcome, Stall};
use super::*;
use crate::trajectory::{Entry, Event, Kept, LoopEvent, Recorder};
use crate::turns::script::{Says, Script, member};
use crate::turns::{Past, Question, Turns};

const STAFF: [&str; 5] = ["s/apple-1", "s/birch-1", "s/cedar-1", "s/dahlia-1", "s/elder-1"];

pub fn staff() -> Staff {
    Staff { reviewers: [STAFF[0], STAFF[1], STAFF[2]].map(member), writers: [STAFF[3], STAFF[4]].map(member).to_vec() }
}

pub fn script(rule: impl Fn(&Question) -> Says + Send + Sync + 'static) -> Script {
    Script::new(&STAFF, rule)
}

/// Every link leads somewhere.
pub fn linted(text: &str) -> Lint {
    lint(text, &|_| true)
}

pub async fn improved(text: &str, rules: &Rules, turns: &dyn Turns, recorder: &Recorder) -> Outcome {
    let staff = staff();
    let task = Task { text, lint: &linted, rules, staff: &staff, known: Known::new(), passed: None };
    improve(&task, turns, recorder, &CancellationToken::new(), None).await
}

pub fn scores(clarity: f64, completeness: f64, testability: f64, problems: &[(&str, &str, &str)]) -> String {
    let problems: Vec<_> =
        problems.iter().map(|(d, q, w)| serde_json::json!({"dimension": d, "quote": q, "why": w})).collect();
    serde_json::json!({"clarity": clarity, "completeness": completeness, "testability": testability, "problems": problems}).to_string()
}

/// The section that a question is about.
pub fn section(q: &Question) -> String {
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
    // nobody is served what was said of other words
    assert!(turns.questions().iter().all(|q| q.asks.is_none()));
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
    let task = Task { text: CHAT, lint: &linted, rules: &rules, staff: &staff, known, passed: Some(passed) };
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
        let task =
            Task { text: &text, lint: &linted, rules: &rules, staff: &staff, known: Known::new(), passed: Some(all) };
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
    let entries = kept.entries();
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
    let task = Task { text: &text, lint: &linted, rules: &rules, staff: &paid, known: Known::new(), passed: None };
    let outcome = improve(&task, &turns, &Recorder::forgetful(), &CancellationToken::new(), None).await;
    assert_eq!((outcome.end, outcome.history.len()), (End::RoundCap, 2));
}

/// Reviewers who find fault with parts 3 to 8, whatever stands there.
fn strict(q: &Question) -> Says {
    let text = section(q);
    let weak = (3..=8).any(|n| text.contains(&format!("## Part {n}\n")));
    let quote = "this part of the page";
    let said = [("clarity", quote, "which?"), ("completeness", quote, "which?"), ("testability", quote, "which?")];
    Says::Text(if weak { scores(0.1, 0.1, 0.1, &said) } else { scores(0.95, 0.95, 0.95, &[]) })
}

/// Sections that the reviewers can't have passed: changed or not, fewer than two of them read what is there now.
fn unread(outcome: &Outcome) -> usize {
    let parts = sections(&outcome.text);
    let read = |(part, info): &(&String, &super::outcome::SectionInfo)| {
        info.reviewed.as_ref().is_some_and(|r| r.hash == hash(part) && r.reviews >= 2)
    };
    parts.iter().zip(&outcome.sections).filter(|pair| pair.0.lines().count() > 2 && !read(pair)).count()
}

#[tokio::test]
async fn what_nobody_has_read_does_not_pass_whatever_ended_first() {
    let text = eight_sections().replace("be fast", "beep").replace("is fast", "beeps");
    assert!(linted(&text).scores.clarity >= 0.95);
    for (tokens, rounds) in [(3000, 3), (5000, 0), (5000, 3)] {
        let rules = Rules { tokens, rounds, free_rounds: 0, ..Rules::default() };
        let outcome = improved(&text, &rules, &script(strict), &Recorder::forgetful()).await;
        assert_eq!((outcome.end, unread(&outcome) > 0), (End::TokenCap, true), "{tokens} {rounds}");
        assert!(!outcome.history.last().unwrap().passed.all(), "{:?}", outcome.history);
    }
    let slow = script(|q| match strict(q) {
        Says::Text(text) => Says::Late(30, text),
        other => other,
    });
    let rules = Rules { time_limit_ms: 80, ..Rules::default() };
    let outcome = improved(&text, &rules, &slow, &Recorder::forgetful()).await;
    assert_eq!((outcome.end, unread(&outcome) > 0), (End::TimeCap, true));
    let poor = script(|q| match q.actor.ends_with("section 5") {
        true => Says::Trouble(crate::model::Trouble::OutOfBudget { what: "money".into() }),
        false => Says::Text(scores(0.95, 0.95, 0.95, &[])),
    });
    let outcome = improved(&text, &Rules::default(), &poor, &Recorder::forgetful()).await;
    assert_eq!((outcome.end, unread(&outcome)), (End::MoneyCap, 1));
}

#[tokio::test]
async fn what_two_reviewers_could_not_read_is_asked_again_and_lost_only_then() {
    let text = CHAT.replace("be fast. Acceptance: it is fast", "beep. Acceptance: it beeps");
    // the first two reviewers of the requirements fail in as many rounds
    for (rounds, end) in [(0, End::Passed), (1, End::Passed), (9, End::ReviewersLost)] {
        let turns = script(move |q| {
            let broken = q.actor.ends_with("section 3") && !q.actor.starts_with("reviewer 3") && q.round <= rounds;
            Says::Text(if broken { "It is fine.".into() } else { scores(0.95, 0.95, 0.95, &[]) })
        });
        let outcome = improved(&text, &Rules::default(), &turns, &Recorder::forgetful()).await;
        assert_eq!((outcome.end, unread(&outcome)), (end, usize::from(end != End::Passed)), "{rounds}");
        let asked = turns.questions().iter().filter(|q| q.actor == "reviewer 3 of section 3").count();
        assert_eq!(asked, 1 + rounds.min(1) as usize, "{rounds}");
    }
    // nor is what an earlier run says that nobody read
    let (staff, rules) = (staff(), Rules { rounds: 0, free_rounds: 0, ..Rules::default() });
    let of = |part: String| (hash(&part), super::review::Reviewed { hash: hash(&part), ..Default::default() });
    let known: Known = sections(&text).into_iter().map(of).collect();
    let turns = script(|_| Says::Text(scores(0.95, 0.95, 0.95, &[])));
    let task = Task { text: &text, lint: &linted, rules: &rules, staff: &staff, known, passed: None };
    let outcome = improve(&task, &turns, &Recorder::forgetful(), &CancellationToken::new(), None).await;
    assert_eq!((outcome.end, turns.questions().len()), (End::Passed, 9));
}

#[tokio::test]
async fn a_revision_that_nobody_could_read_is_not_handed_over() {
    for readable in [0, 1] {
        let turns = script(move |q| match sensible(q) {
            Says::Text(_) if q.actor.starts_with("reviewer") && section(q).contains("200 ms") => {
                let able = (1..=readable).any(|n| q.actor.starts_with(&format!("reviewer {n}")));
                Says::Text(if able { scores(0.95, 0.95, 0.95, &[]) } else { "It is fine.".into() })
            }
            other => other,
        });
        let outcome = improved(CHAT, &Rules::default(), &turns, &Recorder::forgetful()).await;
        assert_eq!((outcome.end, outcome.text.as_str()), (End::ReviewersLost, CHAT), "{readable}");
    }
}

#[tokio::test]
async fn a_mark_that_a_later_round_drops_comes_back_with_its_question() {
    // the first revision marks its number; the second one drops the mark, and says something else better
    let turns = script(|q| {
        let text = section(q);
        Says::Text(if q.actor.starts_with("reviewer") {
            match (text.contains("be fast"), text.contains("shall show")) {
                (true, _) => {
                    scores(0.3, 0.9, 0.2, &[("clarity", "be fast", "how?"), ("testability", "be fast", "how?")])
                }
                (false, true) => scores(0.3, 0.9, 0.9, &[("clarity", "shall show", "where?")]),
                (false, false) => scores(0.95, 0.95, 0.95, &[]),
            }
        } else if text.contains("be fast") {
            text.replace("be fast", "answer within 200 ms *(assumption)*").replace("it is fast", "the answer is there")
        } else {
            text.replace(" *(assumption)*", "").replace("shall show", "shall list")
        })
    });
    let rules = Rules { threshold: 0.95, ..Rules::default() };
    let outcome = improved(CHAT, &rules, &turns, &Recorder::forgetful()).await;
    assert!(outcome.text.contains("shall list"), "{:?} {}", outcome.end, outcome.text);
    assert!(outcome.text.contains("within 200 ms *(assumption)*"), "{}", outcome.text);
    assert_eq!(outcome.questions.iter().filter(|q| q.contains("200 ms")).count(), 1, "{:?}", outcome.questions);
}

#[tokio::test]
async fn where_no_reviewer_quotes_what_is_there_it_is_said_that_the_lint_alone_decides() {
    let mood = scores(0.1, 0.9, 0.9, &[("clarity", "words of another document", "no")]);
    for (said, n) in [(mood, 3), (scores(0.9, 0.9, 0.9, &[]), 0)] {
        let kept = Kept::default();
        improved(
            CHAT,
            &Rules { rounds: 0, ..Rules::default() },
            &script(move |_| Says::Text(said.clone())),
            &kept.recorder(),
        )
        .await;
        let alone =
            |e: &&Event| matches!(e, Event::Note { text } if text.ends_with("for clarity; the lint alone decides"));
        assert_eq!(kept.events().iter().filter(alone).count(), n);
    }
}

#[tokio::test]
async fn what_could_not_be_read_stands_in_the_table_and_the_first_scoring_is_no_round() {
    let kept = Kept::default();
    let turns = script(|q| match sensible(q) {
        Says::Text(_) if q.actor.starts_with("reviewer 3") => Says::Text("It is fine.".into()),
        other => other,
    });
    let outcome = improved(CHAT, &Rules::default(), &turns, &kept.recorder()).await;
    assert_eq!((outcome.end, outcome.history.len()), (End::Passed, 2));
    let sum = |of: fn(&super::outcome::TurnInfo) -> u64| outcome.staff.iter().map(of).sum::<u64>();
    let asked = turns.questions().len() as u64;
    assert_eq!((sum(|s| s.nano_dollars), sum(|s| u64::from(s.turns))), (1000 * asked, asked));
    let failed = outcome.staff.iter().find(|s| s.trouble.is_some()).unwrap();
    assert!(failed.tokens > 0 && failed.who == "reviewer 3", "{failed:?}");
    let rounds = kept.events().into_iter().find_map(|event| match event {
        Event::Loop(LoopEvent::Ended { rounds, .. }) => Some(rounds),
        _ => None,
    });
    assert_eq!(rounds, Some(1), "scored, rewritten, scored again");
}
