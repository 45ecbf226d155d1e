//! What becomes of a stall: a change of the supervisor's is made only where a round is held for it.

use tokio_util::sync::CancellationToken;

use super::improve::{Known, Rules, Staff, Task, improve};
use super::improve_tests::{linted, scores, script, section, staff};
use super::outcome::{End, Outcome, Stall};
use crate::supervise::{Asks, Oversight, Tier, read as steps_of};
use crate::trajectory::log::{Line, Reading};
use crate::trajectory::{Event, Kept, LoopEvent};
use crate::turns::Past;
use crate::turns::script::{Says, Script};

const CHAT: &str = "# Chat\n\n## Goals\n\nThe chat shall save the time of customers.\n\n## Requirements\n\n- REQ-1: The chat shall be fast. Acceptance: it is fast.\n- REQ-2: The chat shall show the last 50 messages. Acceptance: the list shows 50 messages.\n\n## Out of scope\n\nVideo.\n";

/// The first writer changes a word that nobody minds; the second one, when `helps`, the one that everybody does.
fn flat(helps: bool) -> Script {
    const VERBS: [&str; 6] = ["list shows", "list displays", "list holds", "list gives", "list has", "list names"];
    script(move |q| {
        let text = section(q);
        Says::Text(if q.actor.starts_with("reviewer") {
            match text.contains("be fast") {
                // of another text it is said in other words: nobody only repeats itself
                true => {
                    let why = VERBS.iter().find(|verb| text.contains(**verb)).unwrap_or(&"how?");
                    scores(0.3, 0.9, 0.2, &[("clarity", "be fast", why), ("testability", "be fast", why)])
                }
                false => scores(0.95, 0.95, 0.95, &[]),
            }
        } else if helps && q.model.as_deref() == Some("s/elder-1") {
            text.replace("be fast", "answer within 200 ms")
                .replace("it is fast", "95 of 100 answers come within 200 ms")
        } else {
            let at = VERBS.iter().position(|verb| text.contains(verb)).unwrap_or(0);
            text.replace(VERBS[at], VERBS[(at + 1) % VERBS.len()])
        })
    })
}

async fn watched(rules: &Rules, staff: &Staff, turns: &Script) -> (Outcome, Vec<Event>) {
    watched_by(rules, staff, turns, None).await
}

/// The same, where models may be asked about it.
async fn watched_by(rules: &Rules, staff: &Staff, turns: &Script, asks: Option<&dyn Asks>) -> (Outcome, Vec<Event>) {
    let kept = Kept::default();
    let steps = || {
        let lines = kept.entries().into_iter().map(|entry| Line::Entry(Box::new(entry))).collect();
        steps_of::steps(&Reading { lines, damaged: 0 })
    };
    let oversight = Oversight { steps: &steps, asks };
    let past = Past::new(turns, kept.recorder());
    let task = Task { text: CHAT, lint: &linted, rules, staff, known: Known::new(), passed: None };
    let outcome = improve(&task, &past, &kept.recorder(), &CancellationToken::new(), Some(&oversight)).await;
    (outcome, kept.events())
}

/// Places of changes that are said to be made.
fn made(events: &[Event]) -> Vec<usize> {
    let is_made = |at: &usize| matches!(&events[*at], Event::Loop(LoopEvent::Tried { applied: true, .. }));
    (0..events.len()).filter(is_made).collect()
}

#[tokio::test]
async fn with_the_rounds_of_every_day_a_change_gets_a_round_of_its_own() {
    for (helps, end) in [(true, End::Passed), (false, End::Stalled(Stall::Plateau))] {
        let (outcome, events) = watched(&Rules::default(), &staff(), &flat(helps)).await;
        assert_eq!((outcome.end, outcome.changes.len()), (end, 1), "{:?} {:?}", outcome.history, outcome.changes);
        let writes = |event: &Event| matches!(event, Event::Loop(LoopEvent::Turn(t)) if t.actor.starts_with("writer") && t.model == "s/elder-1");
        let made = made(&events);
        assert!(made.len() == 1 && events[made[0]..].iter().any(writes), "the other writer was never asked");
        assert_eq!(events.iter().any(|e| matches!(e, Event::Loop(LoopEvent::Resolved { .. }))), helps);
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_any_more_no_change_is_made_and_the_stall_keeps_its_name() {
    let mut lonely = staff();
    lonely.writers.truncate(1);
    let (outcome, events) = watched(&Rules::default(), &lonely, &flat(true)).await;
    assert_eq!((outcome.end, made(&events)), (End::Stalled(Stall::Plateau), vec![]));
    let (mut passed, mut stalled) = (0, 0);
    for tokens in (5000..20_000).step_by(250) {
        let (outcome, events) = watched(&Rules { tokens, ..Rules::default() }, &staff(), &flat(true)).await;
        let is_turn = |event: &Event| matches!(event, Event::Loop(LoopEvent::Turn(_)));
        let made = made(&events);
        assert!(made.iter().all(|at| events[*at..].iter().any(is_turn)), "{tokens}");
        passed += usize::from(outcome.end == End::Passed);
        stalled += usize::from(outcome.end == End::Stalled(Stall::Plateau) && made.is_empty());
    }
    assert!(passed > 0 && stalled > 0, "{passed} {stalled}");
}

/// The free model and the paid one, each with a change of its own.
struct Both;

impl Asks for Both {
    fn ask<'a>(&'a self, tier: Tier, _: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        let change = if tier == Tier::Paid { "lower_temperature" } else { "raise_temperature" };
        let said = serde_json::json!({"cause": "ambiguous_prompt", "change": change, "evidence": [1]}).to_string();
        Box::pin(async move { Ok(said) })
    }
}

#[tokio::test]
async fn every_tier_of_the_supervisor_gets_its_change_and_no_more_are_made() {
    let (outcome, events) = watched_by(&Rules::default(), &staff(), &flat(false), Some(&Both)).await;
    assert!(matches!(outcome.end, End::Stalled(_)), "{:?}", outcome.end);
    let tiers: Vec<&str> = outcome.changes.iter().filter_map(|c| c.rsplit(['(', ')']).nth(1)).collect();
    assert_eq!(tiers, ["rules", "free", "paid"], "{:?}", outcome.changes);
    assert_eq!(made(&events).len(), 3);
}
