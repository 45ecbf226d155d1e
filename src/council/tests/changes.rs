//! What becomes of a stall: a change of the supervisor's is made only where a round is held for it, and a critic who says
//! nothing that counts is not taken for one who agrees.

use super::*;
use crate::model::{Message, Role};
use crate::trajectory::Loop;

/// Seats who rebut everything, and a critic who raises a new trifle every round, until its rubric is stricter and `helps`.
fn trifling(helps: bool) -> Script {
    script(move |q| match q.actor.as_str() {
        "critic" if helps && q.messages[0].content.contains("Raise only what makes") => Says::Text("[]".into()),
        "critic" => {
            let words = ["amber", "bronze", "copper", "dusk", "ember", "flint", "gold", "hazel", "iron", "jade"];
            let why = format!("{} {}ish", words[q.round as usize % 10], words[q.round as usize % 10]);
            Says::Text(objections(&[('A', "minor", "is right", why)]))
        }
        _ => {
            let all: Vec<_> = ids(q).into_iter().map(|id| (id, "rebutted", "no matter")).collect();
            Says::Text(json("a", "a is right", &all))
        }
    })
}

/// The record and the events of a council that is looked at.
async fn watched(rules: Rules, turns: &Script) -> (Record, Vec<Event>) {
    watched_by(rules, turns, None).await
}

/// The same, where models may be asked about it.
async fn watched_by(rules: Rules, turns: &Script, asks: Option<&dyn Asks>) -> (Record, Vec<Event>) {
    let kept = Kept::default();
    let steps = || steps(&kept);
    let oversight = Oversight { steps: &steps, asks };
    let past = Past::new(turns, kept.recorder());
    let cancel = CancellationToken::new();
    let same: ledger::Same = Arc::new(|_, _| false);
    let record = hold(&brief(rules), &past, &kept.recorder(), &cancel, Some(&oversight), same).await;
    (record, kept.events())
}

fn is_made(event: &Event) -> bool {
    matches!(event, Event::Loop(LoopEvent::Tried { applied: true, .. }))
}

/// After every change that is said to be made somebody is asked.
fn every_change_is_carried_out(events: &[Event]) -> bool {
    let is_turn = |event: &Event| matches!(event, Event::Loop(LoopEvent::Turn(_)));
    (0..events.len()).filter(|at| is_made(&events[*at])).all(|at| {
        let next = events[at + 1..].iter().position(is_made).map_or(events.len(), |n| at + 1 + n);
        events[at + 1..next].iter().any(is_turn)
    })
}

#[tokio::test]
async fn with_the_rounds_of_every_day_a_change_gets_a_round_of_its_own() {
    for (helps, end) in [(true, End::Agreed), (false, End::Stalled(Stall::Reseeding))] {
        let (record, events) = watched(Rules::default(), &trifling(helps)).await;
        assert_eq!((record.end, record.rounds.len(), record.changes.len()), (end, 4, 1), "{:#?}", record.rounds);
        assert!(every_change_is_carried_out(&events));
        let resolved = events.iter().any(|e| matches!(e, Event::Loop(LoopEvent::Resolved { .. })));
        assert_eq!(resolved, helps);
    }
}

#[tokio::test]
async fn where_nothing_is_left_for_another_round_no_change_is_made_and_the_stall_keeps_its_name() {
    let (mut made, mut stalled) = (0, 0);
    for tokens in (4000..20_000).step_by(250) {
        let (record, events) = watched(Rules { tokens, ..Rules::default() }, &trifling(true)).await;
        assert!(every_change_is_carried_out(&events), "{tokens}");
        let tried = events.iter().any(is_made);
        match record.end {
            End::Agreed => made += 1,
            End::Stalled(Stall::Reseeding) => {
                assert!(!tried, "{tokens}");
                stalled += 1;
            }
            end => assert!(end == End::TokenCap && !tried, "{tokens}: {end:?}"),
        }
    }
    assert!(made > 0 && stalled > 0, "{made} {stalled}");
}

#[tokio::test]
async fn one_round_that_was_asked_for_is_one_round_where_nothing_costs_anything() {
    let rules = Rules { rounds: 1, free_rounds: 2, ..Rules::default() };
    let record = held(&brief(rules), &trifling(false)).await;
    assert_eq!((record.end, record.rounds.len()), (End::RoundCap, 1));
}

#[tokio::test]
async fn a_critic_that_quotes_words_which_are_nowhere_is_asked_again_and_then_another_one_is() {
    let absent = || objections(&[('A', "major", "words that nobody wrote", "they are wrong".into())]);
    // (the first critic, told so), (the second one, told so): its end
    for (first, told, second, end) in [
        (absent(), absent(), absent(), End::CriticLost),
        (absent(), "[]".to_owned(), absent(), End::Agreed),
        (absent(), absent(), "[]".to_owned(), End::Agreed),
    ] {
        let turns = script(move |q| {
            Says::Text(match (q.actor.as_str(), q.model.as_deref(), q.messages.len()) {
                ("critic", Some("s/dahlia-1"), 2) => first.clone(),
                ("critic", Some("s/dahlia-1"), _) => told.clone(),
                ("critic", ..) => second.clone(),
                _ => json("a", "a is right", &[]),
            })
        });
        let record = held(&brief(Rules::default()), &turns).await;
        assert_eq!((record.end, record.objections.len()), (end, 0));
        let again = turns.questions().into_iter().find(|q| q.actor == "critic" && q.messages.len() == 3).unwrap();
        assert!(again.messages[2].content.contains("“words that nobody wrote”"), "{:?}", again.messages[2]);
        assert!(record.rounds[0].dropped.iter().all(|why| why.contains("not there")) && record.dropped() > 0);
        let lost = record.seats[3].failed.iter().filter(|why| *why == "unfounded").count();
        assert_eq!(lost, if end == End::CriticLost { 2 } else { usize::from(record.dropped() == 2) });
    }
}

#[tokio::test]
async fn a_quote_that_stands_there_is_found_whatever_the_objection_was_dropped_for() {
    let turns = script(|q| {
        Says::Text(match (q.actor.as_str(), q.round) {
            ("critic", 1) => objections(&[
                ('A', "major", "is right", "nobody says why".into()),
                ('A', "major", "is right", "nobody says why".into()),
                ('A', "major", "is wrong", "nobody says that".into()),
                ('A', "major", "is right", " ".into()),
                ('Z', "major", "is right", "about nobody".into()),
                ('Z', "major", "is wrong", "about nobody".into()),
            ]),
            ("critic", _) => "[]".into(),
            _ => json("a", "a is right", &ids(q).into_iter().map(|id| (id, "rebutted", "no")).collect::<Vec<_>>()),
        })
    });
    let (_, events) = watched(Rules::default(), &turns).await;
    let found: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Loop(LoopEvent::Objected { quote_found, dropped, .. }) => Some((*quote_found, dropped.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(found, [(true, false), (true, true), (false, true), (true, true), (true, true), (false, true)]);
}

/// A critic who says the same about the same words again and again.
fn stubborn(q: &Question) -> Says {
    Says::Text(match q.actor.as_str() {
        "critic" => objections(&[('A', "major", "is right", "nobody ever measured how many writers there are".into())]),
        _ => json("a", "a is right", &ids(q).into_iter().map(|id| (id, "rebutted", "we did")).collect::<Vec<_>>()),
    })
}

fn opinion(change: &str) -> String {
    serde_json::json!({"cause": "ambiguous_prompt", "change": change, "evidence": ["event 1"], "confidence": 0.7})
        .to_string()
}

/// The free model and the paid one, each with a change of its own.
struct Both;

impl Asks for Both {
    fn ask<'a>(&'a self, tier: Tier, _: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        let change = if tier == Tier::Paid { "switch_model" } else { "raise_temperature" };
        Box::pin(async move { Ok(opinion(change)) })
    }
}

#[tokio::test]
async fn every_tier_of_the_supervisor_gets_its_change_and_no_more_are_made() {
    let (record, events) = watched_by(Rules::default(), &script(stubborn), Some(&Both)).await;
    assert_eq!(record.end, End::Stalled(Stall::SameObjection), "{:#?}", record.rounds);
    let tiers: Vec<&str> = record.changes.iter().filter_map(|c| c.rsplit(['(', ')']).nth(1)).collect();
    assert_eq!(tiers, ["rules", "free", "paid"], "{:?}", record.changes);
    // as many rounds as were asked for, and one for each change
    assert_eq!(record.rounds.len(), 6);
    assert!(every_change_is_carried_out(&events));
}

/// A supervisor who is asked through the turns of the run, as the real one is.
struct Through<'t>(&'t dyn Turns);

impl Asks for Through<'_> {
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let question = Question {
                of: Loop::Supervise,
                role: Role::Diagnose,
                messages: vec![Message::user(prompt)],
                ..crate::turns::tests::question(&format!("supervisor ({})", tier.name()), "")
            };
            self.0.ask(&question).await.map(|answer| answer.content).map_err(|trouble| trouble.to_string())
        })
    }
}

/// Everything of a record but how long it took and what was told again.
fn timeless(mut record: Record) -> Record {
    (record.ms, record.replayed, record.run) = (0, 0, String::new());
    for round in &mut record.rounds {
        (round.answers_ms, round.slowest_ms, round.ms) = (0, 0, 0);
    }
    record.seats.iter_mut().for_each(|seat| seat.ms = 0);
    record
}

#[tokio::test]
async fn a_council_that_is_told_again_after_a_diagnosis_asks_the_supervisor_nothing() {
    let rule = |q: &Question| match q.actor.as_str() {
        "supervisor (free)" => Says::Text(opinion("raise_temperature")),
        "supervisor (paid)" => Says::Text(opinion("switch_model")),
        // the others have answered long before
        "seat 1" => match stubborn(q) {
            Says::Text(text) => Says::Late(30, text),
            other => other,
        },
        _ => stubborn(q),
    };
    let hold_with = async |turns: &Script, earlier: &[Entry]| {
        let kept = Kept::default();
        let steps = || steps(&kept);
        let past = Past::resume(turns, kept.recorder(), earlier);
        let through = Through(&past);
        let oversight = Oversight { steps: &steps, asks: Some(&through) };
        let (brief, cancel) = (brief(Rules::default()), CancellationToken::new());
        let same: ledger::Same = Arc::new(|_, _| false);
        let record = hold(&brief, &past, &kept.recorder(), &cancel, Some(&oversight), same).await;
        (timeless(record), kept.entries())
    };
    let (first, again) = (script(rule), script(rule));
    let (record, entries) = hold_with(&first, &[]).await;
    let asked = |turns: &Script| turns.questions().iter().filter(|q| q.of == Loop::Supervise).count();
    assert_eq!((asked(&first), record.changes.len()), (2, 3), "{:?}", record.changes);
    let (told, _) = hold_with(&again, &entries).await;
    assert_eq!(again.questions(), [], "nobody is asked, nor the supervisor");
    assert_eq!(told, record);
}
