//! What becomes of a stall: a change of the supervisor's is made only where a round is held for it, and a critic who says
//! nothing that counts is not taken for one who agrees.

use super::*;

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
    let kept = Kept::default();
    let steps = || steps(&kept);
    let oversight = Oversight { steps: &steps, asks: None };
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
