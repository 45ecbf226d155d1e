//! A run in the Agent Trajectory Interchange Format (ATIF v1.4): steps of a user, of agents and of the system, with tokens
//! and cost.

use serde_json::{Value, json};

use super::fold::verdict_name;
use crate::trajectory::{Entry, Event, Loop, LoopEvent, TurnTaken};

/// The version that is written; optional fields of later ones are left out.
pub const SCHEMA: &str = "ATIF-v1.4";

fn dollars(nano: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a price in dollars")]
    let dollars = nano as f64 / 1e9;
    dollars
}

/// The document.
pub fn render(entries: &[Entry]) -> Value {
    let run = entries.first().map(|e| e.run.clone()).unwrap_or_default();
    let mut version = String::new();
    let mut steps: Vec<Value> = Vec::new();
    let (mut prompt, mut answer, mut cost) = (0_u64, 0_u64, 0_u64);
    for entry in entries {
        if let Event::RunStarted { version: of, .. } = &entry.event {
            version.clone_from(of);
        }
        if let Event::ModelAnswered { prompt_tokens, answer_tokens, nano_dollars, .. } = &entry.event {
            prompt += prompt_tokens;
            answer += answer_tokens;
            cost += nano_dollars;
        }
        let Some(mut step) = step(&entry.event) else { continue };
        step["step_id"] = json!(steps.len() + 1);
        step["timestamp"] = json!(entry.time.to_string());
        steps.push(step);
    }
    let total = steps.len();
    json!({
        "schema_version": SCHEMA,
        "session_id": run,
        "agent": {"name": "kaizen-ci", "version": version},
        "steps": steps,
        "final_metrics": {
            "total_prompt_tokens": prompt,
            "total_completion_tokens": answer,
            "total_cost_usd": dollars(cost),
            "total_steps": total,
        },
    })
}

/// The step that an event is; none for what is only bookkeeping.
fn step(event: &Event) -> Option<Value> {
    let system = |message: String| json!({"source": "system", "message": message});
    Some(match event {
        Event::RunStarted { command, .. } => json!({"source": "user", "message": format!("kaizen-ci {command}")}),
        Event::Triaged { evidence, .. } => system(format!("triage: {evidence}")),
        Event::FailureDescribed { fingerprint, red, .. } => {
            system(format!("failure {fingerprint}: {} red: {}", red.len(), red.join(", ")))
        }
        Event::CandidateProposed { candidate, fixer, idea, diff, .. } => {
            json!({"source": "agent", "message": format!("{candidate}: {idea}\n{diff}"), "extra": {"fixer": fixer}})
        }
        Event::JudgeEnded { candidate, verdict, reasons, .. } => {
            let why: Vec<&str> = reasons.iter().map(|r| r.what.as_str()).collect();
            system(format!("judge: {candidate} {}: {}", verdict_name(*verdict), why.join("; ")))
        }
        Event::Healed { candidate, tier, .. } => system(format!("healed by {candidate} in tier {tier}")),
        Event::Escalated { report } => system(format!("escalated: {report}")),
        Event::Loop(event) => return in_loop(event),
        // turns of a loop have events of their own, with their words
        Event::ModelAnswered { fixer, .. } if Loop::is_asker(fixer) => return None,
        Event::ModelAnswered { .. } => answered(event)?,
        Event::RunEnded { outcome, .. } => system(format!("ended: {outcome}")),
        Event::SuiteFound { .. }
        | Event::SnapshotTaken { .. }
        | Event::SuiteStarted { .. }
        | Event::SuiteEnded { .. }
        | Event::TierStarted { .. }
        | Event::TierEnded { .. }
        | Event::FixerStarted { .. }
        | Event::FixerProgress { .. }
        | Event::ModelRouted { .. }
        | Event::FixerEnded { .. }
        | Event::SlotsChanged { .. }
        | Event::JudgeStarted { .. }
        | Event::JudgeStep { .. }
        | Event::CulpritFound { .. }
        | Event::NoCulprit { .. }
        | Event::Reverted { .. }
        | Event::RevertRefused { .. }
        | Event::Applied { .. }
        | Event::Note { .. }
        | Event::Cleaned { .. } => return None,
    })
}

/// A turn of a fixer: its words are in the candidates that it proposes.
fn answered(event: &Event) -> Option<Value> {
    let Event::ModelAnswered {
        fixer,
        model,
        answered_by,
        outcome,
        prompt_tokens,
        answer_tokens,
        nano_dollars,
        cached,
        requests,
        ..
    } = event
    else {
        return None;
    };
    let what = if outcome == "answered" { format!("a turn of {fixer}") } else { format!("({outcome})") };
    Some(json!({
        "source": "agent",
        "model_name": answered_by.as_ref().unwrap_or(model),
        "message": what,
        "metrics": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": answer_tokens,
            "cost_usd": dollars(*nano_dollars),
        },
        "extra": {"actor": fixer, "cached": cached.is_some(), "requests": requests},
    }))
}

fn in_loop(event: &LoopEvent) -> Option<Value> {
    let system = |message: String| json!({"source": "system", "message": message});
    Some(match event {
        LoopEvent::Began { of, subject, .. } => {
            json!({"source": "user", "message": format!("{}: {subject}", of.name())})
        }
        LoopEvent::Turn(turn) => agent(turn),
        LoopEvent::Objected { id, seat, severity, text, .. } => system(format!("{id} to {seat} ({severity}): {text}")),
        LoopEvent::Settled { id, status, reason, .. } => system(format!("{id} {status}: {reason}")),
        LoopEvent::RoundEnded { round, words, .. } => system(format!("round {round}: {words}")),
        LoopEvent::Revised { section, taken, why, .. } => {
            system(format!("section {}: {} {why}", section + 1, if *taken { "rewritten" } else { "left" }))
        }
        LoopEvent::Diagnosed { tier, cause, change, .. } => system(format!("stuck ({tier}): {cause}, try {change}")),
        LoopEvent::Tried { change, applied, .. } => {
            system(format!("{change}: {}", if *applied { "made" } else { "left" }))
        }
        LoopEvent::Resolved { cause, .. } => system(format!("resolved: {cause}")),
        LoopEvent::Ended { why, rounds, .. } => system(format!("ended after {rounds} rounds: {why}")),
        LoopEvent::Scored { .. } => return None,
    })
}

fn agent(turn: &TurnTaken) -> Value {
    let message = if turn.outcome == "answered" { turn.content.clone() } else { format!("({})", turn.outcome) };
    json!({
        "source": "agent",
        "model_name": if turn.answered_by.is_empty() { &turn.model } else { &turn.answered_by },
        "message": message,
        "metrics": {
            "prompt_tokens": turn.prompt_tokens,
            "completion_tokens": turn.answer_tokens,
            "cost_usd": dollars(turn.nano_dollars),
        },
        "extra": {"actor": turn.actor, "round": turn.round, "cached": turn.cached, "replayed": turn.replayed},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};
    use crate::trajectory::SCHEMA_VERSION;

    #[test]
    fn steps_are_numbered_from_one_and_come_from_somebody() {
        for name in all_recorded() {
            let document = render(&recorded(&name));
            assert_eq!(document["schema_version"], SCHEMA);
            let steps = document["steps"].as_array().unwrap();
            assert!(!steps.is_empty() && document["final_metrics"]["total_steps"] == steps.len());
            for (n, step) in steps.iter().enumerate() {
                assert_eq!(step["step_id"], n + 1);
                assert!(["user", "agent", "system"].contains(&step["source"].as_str().unwrap()), "{name}: {step}");
                assert!(step["message"].is_string() && step["timestamp"].is_string());
            }
        }
    }

    #[test]
    fn a_turn_of_a_fixer_is_an_agent_s_step_and_one_of_a_loop_is_told_once() {
        let answered = |fixer: &str| Event::ModelAnswered {
            fixer: fixer.into(),
            model: "own/a".into(),
            answered_by: Some("a-7b".into()),
            outcome: "answered".into(),
            prompt_tokens: 10,
            answer_tokens: 3,
            nano_dollars: 2_000_000_000,
            requests: 1,
            ms: 5,
            cached: None,
            saved_nano_dollars: None,
            answer_hash: "h".into(),
        };
        let time = "2026-11-22T11:00:01Z".parse().unwrap();
        let entry = |(n, fixer): (usize, &str)| Entry {
            v: SCHEMA_VERSION,
            run: "r".into(),
            step: n as u64,
            time,
            event: answered(fixer),
        };
        let document = render(&["minimal", "council:seat 1"].into_iter().enumerate().map(entry).collect::<Vec<_>>());
        let steps = document["steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[0]["source"], &steps[0]["model_name"]), (1, &json!("agent"), &json!("a-7b")));
        assert_eq!((&steps[0]["extra"]["actor"], &steps[0]["metrics"]["cost_usd"]), (&json!("minimal"), &json!(2.0)));
    }

    #[test]
    fn a_turn_is_an_agent_s_step_with_its_tokens() {
        let turn = TurnTaken {
            of: Loop::Council,
            actor: "seat 1".into(),
            round: 2,
            key: "k".into(),
            outcome: "answered".into(),
            model: "own/a".into(),
            answered_by: "a-7b".into(),
            family: "a".into(),
            words: "w".into(),
            content: "because".into(),
            prompt_tokens: 10,
            answer_tokens: 3,
            nano_dollars: 2_000_000_000,
            cached: false,
            replayed: false,
            ms: 5,
        };
        let time = "2026-11-22T11:00:01Z".parse().unwrap();
        let event = Event::Loop(LoopEvent::Turn(turn));
        let document = render(&[Entry { v: SCHEMA_VERSION, run: "r".into(), step: 1, time, event }]);
        let step = &document["steps"][0];
        assert_eq!(
            (step["source"].as_str(), step["model_name"].as_str(), step["message"].as_str()),
            (Some("agent"), Some("a-7b"), Some("because"))
        );
        assert_eq!(step["metrics"]["cost_usd"], 2.0);
    }
}
