//! Tests of the council: fuzzed scripts end inside their caps, converging ones are not stopped, stalling ones are.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::converge::Stall;
use super::ledger::Status;
use super::*;
use crate::model::Trouble;
use crate::supervise::{Asks, Oversight, Step, Tier, read as steps_of};
use crate::trajectory::log::{Line, Reading};
use crate::trajectory::{Entry, Event, LoopEvent, Recorder, Sink};
use crate::turns::script::{Says, Script, member};
use crate::turns::seats::Table;
use crate::turns::{Past, Question, Turns};

const SEATS: [&str; 3] = ["s/apple-1", "s/birch-1", "s/cedar-1"];
const CRITICS: [&str; 2] = ["s/dahlia-1", "s/elder-1"];

fn brief(rules: Rules) -> Brief {
    let table = Table { seats: SEATS.map(member).to_vec(), critics: CRITICS.map(member).to_vec() };
    Brief { question: "Which store?".into(), pack: pack::Pack::default(), table, rules }
}

fn script(rule: impl Fn(&Question) -> Says + Send + Sync + 'static) -> Script {
    Script::new(&[SEATS[0], SEATS[1], SEATS[2], CRITICS[0], CRITICS[1]], rule)
}

/// Keeps what is recorded.
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
    fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap().clone()
    }
    fn steps(&self) -> Vec<Step> {
        let lines = self.entries().into_iter().map(|e| Line::Entry(Box::new(e))).collect();
        steps_of::steps(&Reading { lines, damaged: 0 })
    }
}

async fn held(brief: &Brief, turns: &dyn Turns) -> Record {
    hold(brief, turns, &Recorder::forgetful(), &CancellationToken::new(), None, Arc::new(|_, _| false)).await
}

fn json(position: &str, answer: &str, responses: &[(String, &str, &str)]) -> String {
    let responses: Vec<_> = responses
        .iter()
        .map(|(id, verdict, reason)| serde_json::json!({"id": id, "verdict": verdict, "reason": reason}))
        .collect();
    serde_json::json!({"position": position, "answer": answer, "pros": ["it is simple"], "responses": responses})
        .to_string()
}

fn objections(list: &[(char, &str, &str, String)]) -> String {
    let list: Vec<_> = list
        .iter()
        .map(|(letter, severity, quote, why)| {
            serde_json::json!({"answer": letter.to_string(), "severity": severity, "criterion": "risk", "quote": quote, "why": why, "evidence": ""})
        })
        .collect();
    serde_json::json!({ "objections": list }).to_string()
}

/// Ids of the objections that a seat is asked about.
fn ids(question: &Question) -> Vec<String> {
    if question.round == 1 {
        return Vec::new();
    }
    let text = &question.messages.last().unwrap().content;
    let id = |line: &str| {
        line.split_once(" (").map(|(id, _)| id.to_owned()).filter(|id| id.starts_with('O') && id.len() < 5)
    };
    text.lines().filter_map(id).collect()
}

#[tokio::test]
async fn a_right_objection_changes_an_answer_and_a_wrong_one_does_not() {
    let turns = script(|q| {
        Says::Text(match (q.actor.as_str(), q.round) {
            ("critic", 1) => {
                // the critic knows letters only: it objects to whoever says what is wrong
                let text = &q.messages[1].content;
                assert!(!SEATS.iter().any(|name| text.contains(&name[2..])), "a name: {text}");
                let letter = |words: &str| {
                    let at = text.find(words).unwrap();
                    text[..at].rsplit("## Answer ").next().unwrap().chars().next().unwrap()
                };
                objections(&[
                    (
                        letter("writes to one file"),
                        "major",
                        "writes to one file",
                        "two writers block each other".into(),
                    ),
                    (letter("needs a server"), "major", "needs a server", "there is one already".into()),
                    (letter("needs a server"), "blocker", "needs no server", "these words are nowhere".into()),
                ])
            }
            ("critic", _) => "{\"objections\": []}".into(),
            ("seat 1", 1) => json("SQLite", "It writes to one file, that is enough.", &[]),
            ("seat 1", _) => {
                json("PostgreSQL", "It takes many writers.", &[(ids(q)[0].clone(), "accepted", "writers do block")])
            }
            ("seat 2", 1) => json("PostgreSQL", "It needs a server and takes many writers.", &[]),
            ("seat 2", _) => {
                // a position that changes although nothing was accepted is not believed
                json(
                    "SQLite",
                    "It needs a server and takes many writers.",
                    &[(ids(q)[0].clone(), "rebutted", "it was asked for")],
                )
            }
            _ => json("Postgresql.", "It takes many writers.", &[]),
        })
    });
    let record = held(&brief(Rules::default()), &turns).await;
    assert_eq!(record.end, End::Agreed);
    let decision = record.decision.as_ref().unwrap();
    assert_eq!((decision.votes_for.len(), decision.by), (3, decide::By::Majority), "{record:#?}");
    let statuses: Vec<Status> = record.objections.iter().map(|o| o.status).collect();
    assert_eq!(statuses, [Status::Accepted, Status::Rebutted]);
    assert_eq!((record.dropped(), record.rounds.len()), (1, 2));
    assert_eq!(record.seats[0].first_position.as_deref(), Some("SQLite"));
    let seat_3: Vec<_> = turns.questions().iter().filter(|q| q.actor == "seat 3").map(|q| q.round).collect();
    assert_eq!(seat_3, [1], "who is not objected to is not asked again");
}

#[tokio::test]
async fn two_of_three_are_a_quorum_and_one_is_not() {
    let agreed =
        |q: &Question| Says::Text(if q.actor == "critic" { "[]".into() } else { json("42", "It is 42.", &[]) });
    for (broken, end) in [(1, End::Agreed), (2, End::QuorumLost), (3, End::QuorumLost)] {
        for trouble in [
            Says::Trouble(Trouble::Gone),
            Says::Text("  ".into()),
            Says::Text("{\"answer\": \"42".into()),
            Says::Late(600, "late".into()),
        ] {
            let turns = script(move |q| match q.actor.as_str() {
                "seat 1" => trouble.clone(),
                "seat 2" if broken > 1 => trouble.clone(),
                "seat 3" if broken > 2 => trouble.clone(),
                _ => agreed(q),
            });
            let rules = Rules { seat_limit_ms: 200, ..Rules::default() };
            let past = Past::new(&turns, Recorder::forgetful());
            let record = held(&brief(rules), &past).await;
            assert_eq!(record.end, end, "{broken} {:?}", record.seats[0].failed);
            assert_eq!(record.seats[0].failed.len(), 1);
            assert_eq!(record.decision.is_some(), broken < 3);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_takes_as_long_as_its_slowest_seat() {
    let turns = script(|q| match q.actor.as_str() {
        "seat 1" => Says::Late(400, json("a", "a is right", &[])),
        "seat 2" => Says::Late(380, json("a", "a is right", &[])),
        "seat 3" => Says::Late(350, json("a", "a is right", &[])),
        _ => Says::Text("[]".into()),
    });
    let record = held(&brief(Rules::default()), &turns).await;
    let round = &record.rounds[0];
    assert!(round.slowest_ms >= 400);
    assert!(100 * round.answers_ms <= 115 * round.slowest_ms, "{} of {}", round.answers_ms, round.slowest_ms);
}

#[tokio::test]
async fn a_critic_of_a_seat_s_family_is_not_heard_whatever_it_was_called() {
    let turns = script(|q| match (q.actor.as_str(), q.model.as_deref()) {
        // the server lets a seat's model answer for the first critic
        ("critic", Some("s/dahlia-1")) => {
            Says::As("apple-70b", objections(&[('A', "blocker", "is right", "no".into())]))
        }
        ("critic", _) => Says::Text("[]".into()),
        _ => Says::Text(json("a", "a is right", &[])),
    });
    let kept = Kept::default();
    let record = hold(
        &brief(Rules::default()),
        &turns,
        &kept.recorder(),
        &CancellationToken::new(),
        None,
        Arc::new(|_, _| false),
    )
    .await;
    assert_eq!((record.end, record.objections.len()), (End::Agreed, 0));
    assert_eq!(record.seats[3].answered_by, "s/elder-1");
    assert_eq!(record.seats[3].failed, ["same-family"]);
    let only_family = script(|q| match q.actor.as_str() {
        "critic" => Says::As("birch-7b", "[]".into()),
        _ => Says::Text(json("a", "a is right", &[])),
    });
    assert_eq!(held(&brief(Rules::default()), &only_family).await.end, End::CriticLost);
}

#[tokio::test]
async fn a_resumed_council_pays_for_no_turn_twice_and_ends_alike() {
    let rule = |q: &Question| {
        Says::Text(match (q.actor.as_str(), q.round) {
            ("critic", r @ 1..3) => {
                objections(&[('A', "major", "is right", format!("reason {} of many", ["one", "two"][r as usize - 1]))])
            }
            ("critic", _) => "[]".into(),
            _ => {
                let words = ["first words", "second thoughts", "third version"][q.round as usize - 1];
                let all: Vec<_> = ids(q).into_iter().map(|id| (id, "accepted", "true")).collect();
                json("a", &format!("a is right, {words}"), &all)
            }
        })
    };
    let whole = script(rule);
    let kept = Kept::default();
    let brief = brief(Rules::default());
    let past = Past::new(&whole, kept.recorder());
    let record = held(&brief, &past).await;
    let asked = whole.questions().len();
    assert_eq!((record.end, record.rounds.len()), (End::Agreed, 3));
    // killed after any number of turns
    let turns: Vec<Entry> =
        kept.entries().into_iter().filter(|e| matches!(e.event, Event::Loop(LoopEvent::Turn(_)))).collect();
    assert_eq!(turns.len(), asked);
    for done in 0..=turns.len() {
        let rest = script(rule);
        let again = Kept::default();
        let resumed = held(&brief, &Past::resume(&rest, again.recorder(), &turns[..done])).await;
        assert_eq!(rest.questions().len(), asked - done, "after {done}");
        assert_eq!(resumed.replayed as usize, done);
        assert_eq!(
            (resumed.end, &resumed.decision, &resumed.objections),
            (record.end, &record.decision, &record.objections)
        );
    }
}

struct Opinion(&'static str);

impl Asks for Opinion {
    fn ask<'a>(&'a self, _: Tier, _: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        Box::pin(async { Ok(self.0.to_owned()) })
    }
}

#[tokio::test]
async fn a_stalled_council_makes_the_suggested_change_and_ends_resolved_only_when_it_then_agrees() {
    for (helps, end) in [(true, End::Agreed), (false, End::Stalled(Stall::Reseeding))] {
        let turns = script(move |q| match q.actor.as_str() {
            "critic" if helps && q.messages[0].content.contains("Raise only what makes") => Says::Text("[]".into()),
            "critic" => {
                let words = ["amber", "bronze", "copper", "dusk", "ember", "flint", "gold", "hazel", "iron", "jade"];
                let why = format!("{} {}ish", words[q.round as usize], words[q.round as usize]);
                Says::Text(objections(&[('A', "minor", "is right", why)]))
            }
            _ => {
                let all: Vec<_> = ids(q).into_iter().map(|id| (id, "rebutted", "no matter")).collect();
                Says::Text(json("a", "a is right", &all))
            }
        });
        let kept = Kept::default();
        let steps = || kept.steps();
        let opinion = Opinion("no object at all");
        let oversight = Oversight { steps: &steps, asks: Some(&opinion) };
        let rules = Rules { rounds: 12, ..Rules::default() };
        let past = Past::new(&turns, kept.recorder());
        let record = hold(
            &brief(rules),
            &past,
            &kept.recorder(),
            &CancellationToken::new(),
            Some(&oversight),
            Arc::new(|_, _| false),
        )
        .await;
        assert_eq!(record.end, end, "{:#?}", record.rounds);
        let events: Vec<_> = kept.entries().into_iter().map(|e| e.event).collect();
        let resolved = events.iter().any(|e| matches!(e, Event::Loop(LoopEvent::Resolved { .. })));
        let tried = events.iter().filter(|e| matches!(e, Event::Loop(LoopEvent::Tried { .. }))).count();
        assert_eq!((resolved, record.changes.len(), tried), (helps, 1, 1), "{:?}", record.changes);
    }
}

/// Deterministic chance.
struct Chance(u64);

impl Chance {
    fn of(parts: &[&dyn std::fmt::Display]) -> Self {
        let text: String = parts.iter().map(|p| format!("{p}/")).collect();
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
    }
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
    fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }
    fn words(&mut self, n: usize) -> String {
        const SYLLABLES: &[&str] =
            &["ba", "ko", "mi", "ru", "te", "lo", "fa", "ni", "ster", "gam", "pol", "dun", "vex", "har"];
        let word = |c: &mut Self| (0..3).map(|_| SYLLABLES[c.below(SYLLABLES.len())]).collect::<String>();
        (0..n).map(|_| word(self)).collect::<Vec<_>>().join(" ")
    }
}

/// Anything that a model may do.
fn anything(seed: u64, q: &Question) -> Says {
    let mut chance = Chance::of(&[&seed, &q.actor, &q.round, &q.messages.len(), &q.model.as_deref().unwrap_or("")]);
    let reply = if q.actor == "critic" {
        let text = &q.messages[1].content;
        let list: Vec<_> = (0..chance.below(9))
            .map(|_| {
                let letter = (b'A' + chance.below(5) as u8) as char;
                let from = text.char_indices().map(|(i, _)| i).nth(chance.below(text.len() / 2)).unwrap_or(0);
                let quote: String = if chance.percent(70) {
                    text[from..].split_whitespace().take(4).collect::<Vec<_>>().join(" ")
                } else {
                    chance.words(3)
                };
                let why = if chance.percent(30) { "the same old thing again".into() } else { chance.words(6) };
                (letter, ["minor", "major", "blocker", "?"][chance.below(4)], quote, why)
            })
            .collect();
        let list: Vec<_> = list.iter().map(|(l, s, q, w)| (*l, *s, q.as_str(), w.clone())).collect();
        objections(&list)
    } else {
        let verdicts = ["accepted", "rebutted", "partly", "maybe"];
        let responses: Vec<_> = ids(q).into_iter().map(|id| (id, verdicts[chance.below(4)], "a reason")).collect();
        json(&chance.words(2), &chance.words(20), &responses)
    };
    match chance.below(20) {
        0 => Says::Text(String::new()),
        1 => Says::Text(reply[..reply.char_indices().nth(reply.chars().count() / 2).map_or(0, |(i, _)| i)].to_owned()),
        2 => Says::Text(format!("<think>{}</think>```json\n{reply}\n```", chance.words(5))),
        3 => Says::Text(format!("<think>{}", chance.words(5))),
        4 => Says::Text(chance.words(30)),
        5 => Says::Text("{\"a\": [[[[{}]]]]}".into()),
        6 => Says::As(["apple-9b", "zinnia-9b", "birch-1"][chance.below(3)], reply),
        7 => Says::Trouble(
            [
                Trouble::Gone,
                Trouble::TimedOut,
                Trouble::RateLimited { after: None },
                Trouble::Truncated,
                Trouble::OutOfBudget { what: "money".into() },
            ][chance.below(5)]
            .clone(),
        ),
        _ => Says::Text(reply),
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
fn ten_thousand_fuzzed_scripts_end_inside_their_caps_with_a_named_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut ends: std::collections::BTreeMap<String, usize> = Default::default();
    runtime.block_on(async {
        for seed in 0..10_000_u64 {
            let mut chance = Chance(seed);
            let rules = Rules {
                rounds: 1 + chance.below(6) as u32,
                free_rounds: chance.below(9) as u32,
                tokens: 1000 + 1000 * chance.below(80) as u64,
                answer_tokens: 400,
                seed,
                ..Rules::default()
            };
            let turns = script(move |q| anything(seed, q));
            let brief = brief(rules.clone());
            let record = held(&brief, &turns).await;
            let rounds = record.rounds.len();
            assert!(rounds <= rules.rounds.max(rules.free_rounds) as usize, "{seed}: {rounds} rounds");
            assert!(record.tokens <= rules.tokens, "{seed}: {} of {} tokens", record.tokens, rules.tokens);
            assert!(record.objections.len() <= rounds * ledger::RAISED_MOST, "{seed}");
            assert!(record.rounds.iter().all(|r| r.dropped.len() <= 50), "{seed}");
            assert!(turns.questions().len() <= (rounds + 2) * 12, "{seed}: {} turns", turns.questions().len());
            *ends.entry(record.end.name()).or_default() += 1;
        }
    });
    eprintln!("ends of 10,000 fuzzed councils: {ends:?}");
    assert!(ends.len() >= 7, "the fuzz reaches few endings: {ends:?}");
}

/// How the critic and the seats behave in a round.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    Converging,
    Same,
    Reseeding,
    Plateau,
    FlipFlop,
}

/// A debate with a plan: converging until `onset`, then in the mood `then`.
fn planned(seed: u64, onset: u32, then: Mood) -> Script {
    script(move |q| {
        let mood = if q.round < onset { Mood::Converging } else { then };
        let mut chance = Chance::of(&[&seed, &q.actor, &q.round]);
        // seven rounds of a hundred are idle although the debate converges
        let idle = |round: u32| Chance::of(&[&seed, &"idle", &round]).percent(7);
        if q.actor == "critic" {
            let left = |round: u32| {
                let start = 1 + Chance::of(&[&seed, &"start"]).below(5);
                let mut n = start;
                for r in 2..=round {
                    if !idle(r) {
                        n = Chance::of(&[&seed, &"left", &r]).below(n.max(1) * 6 / 10 + 1).min(n.saturating_sub(1));
                    }
                }
                n
            };
            let letter = |c: &mut Chance| (b'A' + c.below(3) as u8) as char;
            // the letter behind which one and the same seat stands
            let text = &q.messages[1].content;
            let fixed_letter = || {
                let at = text.find("of seat 1:").expect("seat 1 has answered");
                text[..at].rsplit("## Answer ").next().unwrap().chars().next().unwrap()
            };
            let list: Vec<_> = match mood {
                Mood::Converging => {
                    // what follows a stall's onset has at least one objection before it
                    let n = if onset < u32::MAX { left(q.round).max(1) } else { left(q.round) };
                    (0..n)
                        .map(|_| {
                            let severity = ["minor", "major", "major", "blocker"][chance.below(4)];
                            (letter(&mut chance), severity, "claim stands", chance.words(8))
                        })
                        .collect()
                }
                Mood::Same => {
                    let mut fixed = Chance::of(&[&seed, &"same"]);
                    let letter = fixed_letter();
                    let mut words: Vec<String> = fixed.words(10).split(' ').map(str::to_owned).collect();
                    // in other words: another order, one of ten replaced
                    let n = words.len();
                    words.swap(chance.below(n), chance.below(n));
                    words[chance.below(n)] = chance.words(1);
                    vec![(letter, "major", "claim stands", words.join(" "))]
                }
                Mood::Reseeding => (0..1 + chance.below(3))
                    .map(|_| (letter(&mut chance), "minor", "claim stands", chance.words(7)))
                    .collect(),
                Mood::Plateau => {
                    let n = 1 + chance.below(2);
                    (0..n).map(|_| (letter(&mut chance), "major", "claim stands", chance.words(8))).collect()
                }
                Mood::FlipFlop => {
                    let n = 1 + chance.below(2);
                    (0..n).map(|_| (fixed_letter(), "major", "claim stands", chance.words(8))).collect()
                }
            };
            return Says::Text(objections(&list));
        }
        let ids = ids(q);
        let verdict = |c: &mut Chance| match mood {
            Mood::Converging if idle(q.round) => "rebutted",
            Mood::Converging => ["accepted", "accepted", "partly", "rebutted"][c.below(4)],
            Mood::Reseeding => ["accepted", "rebutted"][c.below(2)],
            Mood::Same => ["rebutted", "accepted", "maybe"][Chance::of(&[&seed, &"says"]).below(3)],
            Mood::Plateau => "rebutted",
            Mood::FlipFlop => "accepted",
        };
        let responses: Vec<_> = ids.into_iter().map(|id| (id, verdict(&mut chance), "a reason")).collect();
        let changes = responses.iter().any(|(_, v, _)| *v == "accepted" || *v == "partly");
        let text = match mood {
            // accepted in words only
            Mood::Same => "unchanged words of old".to_owned(),
            Mood::FlipFlop => Chance::of(&[&seed, &q.actor, &"flip", &(q.round % 2)]).words(30),
            // now and then somebody goes back to what it said before, for good reasons
            _ if changes && q.round > 2 && chance.percent(1) => {
                Chance::of(&[&seed, &q.actor, &"text", &(q.round - 2)]).words(12)
            }
            _ if changes => Chance::of(&[&seed, &q.actor, &"text", &q.round]).words(12),
            _ => "unchanged words of old".to_owned(),
        };
        Says::Text(json("a", &format!("The claim stands of {}: {text}", q.actor), &responses))
    })
}

fn rules_of_plans() -> Rules {
    Rules { rounds: 14, free_rounds: 14, tokens: 10_000_000, ..Rules::default() }
}

#[test]
#[allow(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "the measured numbers are what a person wants to see"
)]
fn converging_debates_are_hardly_ever_stopped_and_stalling_ones_within_two_rounds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        const N: u64 = 1000;
        let (mut stopped, mut by) = (0, std::collections::BTreeMap::<String, usize>::new());
        for seed in 0..N {
            let record = held(&brief(rules_of_plans()), &planned(7_000_000 + seed, u32::MAX, Mood::Converging)).await;
            stopped += usize::from(record.end != End::Agreed);
            *by.entry(record.end.name()).or_default() += 1;
        }
        let false_stops = stopped as f64 / N as f64;
        let (mut in_time, mut late) = (0, std::collections::BTreeMap::<(String, String), usize>::new());
        const MOODS: [Mood; 4] = [Mood::Same, Mood::Reseeding, Mood::Plateau, Mood::FlipFlop];
        for seed in 0..N {
            let mood = MOODS[(seed % 4) as usize];
            let onset = 1 + Chance::of(&[&seed, &"onset"]).below(4) as u32;
            let record = held(&brief(rules_of_plans()), &planned(9_000_000 + seed, onset, mood)).await;
            let rounds = record.rounds.len() as u32;
            // the critic begins at the end of round `onset`; who goes there and back does so from the next one on
            let onset = if mood == Mood::FlipFlop { onset + 1 } else { onset };
            if matches!(record.end, End::Stalled(_)) && rounds <= onset + 2 {
                in_time += 1;
            } else {
                *late.entry((format!("{mood:?}"), format!("{} +{}", record.end.name(), i64::from(rounds) - i64::from(onset)))).or_default() += 1;
            }
        }
        let stopped_in_time = in_time as f64 / N as f64;
        eprintln!("falsely stopped {false_stops:.4} ({by:?}); stalls stopped within two rounds {stopped_in_time:.4}; others: {late:?}");
        assert!(false_stops <= 0.02, "{false_stops}");
        assert!(stopped_in_time >= 0.95, "{stopped_in_time}");
    });
}

#[tokio::test]
async fn without_costs_more_rounds_are_held_only_while_it_gets_better() {
    // every round one objection that matters is accepted and a lighter one follows
    let better = |q: &Question| {
        Says::Text(match q.actor.as_str() {
            "critic" if q.round < 7 => {
                objections(&[('A', "major", "claim stands", Chance(u64::from(q.round)).words(8))])
            }
            "critic" => "[]".into(),
            _ => {
                let all: Vec<_> = ids(q).into_iter().map(|id| (id, "accepted", "true")).collect();
                json("a", &format!("The claim stands {}", Chance(u64::from(q.round) + 50).words(9)), &all)
            }
        })
    };
    let rules = Rules { rounds: 3, free_rounds: 8, tokens: 1_000_000, ..Rules::default() };
    let record = held(&brief(rules.clone()), &script(better)).await;
    assert_eq!((record.end, record.rounds.len()), (End::Agreed, 7));
    // the same with a price: the rounds that were asked for, no more
    let mut paid = brief(rules.clone());
    paid.table.seats[0].tier = crate::model::catalog::Tier::Paid;
    let record = held(&paid, &script(better)).await;
    assert_eq!((record.end, record.rounds.len()), (End::RoundCap, 3));
    // one round that is not better, right at the border
    let worse = move |q: &Question| match q.actor.as_str() {
        "critic" => better(q),
        _ if q.round == 3 => {
            let all: Vec<_> = ids(q).into_iter().map(|id| (id, "rebutted", "no")).collect();
            Says::Text(json("a", &format!("The claim stands {}", Chance(52).words(9)), &all))
        }
        _ => better(q),
    };
    let record = held(&brief(rules), &script(worse)).await;
    assert_eq!((record.end, record.rounds.len()), (End::RoundCap, 3));
}

#[tokio::test]
async fn a_cancelled_council_ends_at_once_and_keeps_what_was_said() {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let turns = script(move |q| {
        if q.actor == "critic" {
            stop.cancel();
            return Says::Late(5000, "[]".into());
        }
        Says::Text(json("a", "a is right", &[]))
    });
    let began = std::time::Instant::now();
    let record =
        hold(&brief(Rules::default()), &turns, &Recorder::forgetful(), &cancel, None, Arc::new(|_, _| false)).await;
    assert_eq!(record.end, End::Cancelled);
    assert!(record.decision.is_some() && began.elapsed() < Duration::from_secs(2));
}
