//! Tests of the council: a debate and its ways to end; fuzzed and planned ones beside it.

mod changes;
mod fuzz;
mod planned;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::converge::Stall;
use super::ledger::Status;
use super::*;
use crate::chance::Chance;
use crate::model::Trouble;
use crate::supervise::{Asks, Oversight, Step, Tier, read as steps_of};
use crate::trajectory::log::{Line, Reading};
use crate::trajectory::{Entry, Event, Kept, LoopEvent, Recorder};
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

fn steps(kept: &Kept) -> Vec<Step> {
    let lines = kept.entries().into_iter().map(|e| Line::Entry(Box::new(e))).collect();
    steps_of::steps(&Reading { lines, damaged: 0 })
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
        let steps = || steps(&kept);
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
        let made = |e: &&Event| matches!(e, Event::Loop(LoopEvent::Tried { applied: true, .. }));
        let tried = events.iter().filter(made).count();
        assert_eq!((resolved, record.changes.len(), tried), (helps, 1, 1), "{:?}", record.changes);
    }
}

/// What scripts need of chance.
impl Chance {
    fn of(parts: &[&dyn std::fmt::Display]) -> Self {
        let text: String = parts.iter().map(|p| format!("{p}/")).collect();
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
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

/// Everybody answers SQLite, two of them; in the second round these two turn to PostgreSQL without a word on the objection.
fn turning(q: &Question) -> Says {
    Says::Text(match (q.actor.as_str(), q.round) {
        ("critic", 1) => {
            let text = &q.messages[1].content;
            let at = text.find("SQLite is one file").unwrap();
            let letter = text[..at].rsplit("## Answer ").next().unwrap().chars().next().unwrap();
            objections(&[(letter, "major", "is one file", "two writers block each other".into())])
        }
        ("critic", _) => "[]".into(),
        ("seat 3", _) => json("PostgreSQL", "PostgreSQL takes many writers.", &[]),
        (_, 1) => json("SQLite", "SQLite is one file.", &[]),
        (_, _) => json("PostgreSQL", "PostgreSQL is a server.", &[]),
    })
}

#[tokio::test]
async fn a_position_that_is_put_back_keeps_the_answer_that_stands_for_it() {
    let kept = Kept::default();
    let (brief, cancel) = (brief(Rules::default()), CancellationToken::new());
    let record = hold(&brief, &script(turning), &kept.recorder(), &cancel, None, Arc::new(|_, _| false)).await;
    for seat in &record.seats[..2] {
        let said = seat.said.as_ref().unwrap();
        assert_eq!((said.position.as_str(), said.answer.as_str()), ("SQLite", "SQLite is one file."), "{}", seat.name);
    }
    let decision = record.decision.as_ref().unwrap();
    assert_eq!((decision.position.as_str(), decision.against.as_slice()), ("SQLite", &[2][..]));
    let noted = |e: &&Event| matches!(e, Event::Note { text } if text.contains("turned to “PostgreSQL”"));
    assert!(kept.events().iter().any(|e| noted(&e)), "it is said");
    // the objection stands, nobody answers it, and the critic has no other
    assert_eq!(record.end, End::Stalled(Stall::Unanswered), "{:#?}", record.rounds);
}

#[tokio::test]
async fn a_critic_without_a_further_objection_ends_it_when_the_words_are_gone() {
    let turns = script(|q| {
        Says::Text(match (q.actor.as_str(), q.round) {
            ("critic", 1) => objections(&[('A', "major", "one file", "two writers block each other".into())]),
            ("critic", _) => "{\"objections\": []}".into(),
            (_, 1) => json("SQLite", "SQLite is one file.", &[]),
            // another answer, and no response to the objection by its name
            (_, _) => json("SQLite", "SQLite with a queue in front of it.", &[]),
        })
    });
    let record = held(&brief(Rules::default()), &turns).await;
    assert_eq!((record.end, record.rounds.len()), (End::Agreed, 2), "{:#?}", record.objections);
    assert_eq!(record.objections[0].status, Status::Partly);
    assert!(record.objections[0].reason.contains("the words are gone"));
}

#[tokio::test]
async fn what_could_not_be_read_stands_in_the_table_with_what_it_cost() {
    let turns = script(|q| {
        Says::Text(match (q.actor.as_str(), q.messages.len()) {
            // never readable, and readable when it is asked again
            ("seat 1", _) => "{answer: x}".into(),
            ("seat 2", 2) | ("critic", 2) => "{\"answer\": ".into(),
            ("critic", _) => "[]".into(),
            _ => json("a", "a is right", &[]),
        })
    });
    let record = held(&brief(Rules::default()), &turns).await;
    assert_eq!((record.end, record.seats[0].turns, record.seats[1].turns), (End::Agreed, 0, 1));
    let asked = turns.questions();
    let of = |actor: &str| 1000 * asked.iter().filter(|q| q.actor == actor).count() as u64;
    for (seat, actor) in record.seats.iter().zip(["seat 1", "seat 2", "seat 3", "critic"]) {
        assert_eq!((seat.nano_dollars, seat.tokens > 0), (of(actor), true), "{actor}");
    }
    assert_eq!(asked.len(), 7, "three of them twice");
}
