//! From the lines of a log to steps. Only fields decide what kind of step a line is, never the words of a text: what a log,
//! a model or a comment says can't make a stall look like waiting, nor the other way round.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::supervise::stall::Rule;
use crate::supervise::step::{Kind, Outcome, Step};
use crate::trajectory::log::{Line, Reading};
use crate::trajectory::{Entry, Event, Loop, LoopEvent};
use crate::words::{Blame, End, Ended, Verdict};

/// The steps of a log, in order.
pub fn steps(reading: &Reading) -> Vec<Step> {
    let (mut seen, mut waited) = (BTreeSet::new(), BTreeSet::new());
    let mut all = Vec::new();
    for (at, line) in reading.lines.iter().enumerate() {
        let number = match line {
            Line::Entry(entry) => Some(entry.step),
            Line::Unknown { value, .. } => value.get("step").and_then(Value::as_u64),
        };
        // several writers count for themselves: the line tells their steps apart
        let id = match number {
            Some(step) if seen.insert(step) => step.to_string(),
            Some(step) => format!("{step}@{}", at + 1),
            None => format!("@{}", at + 1),
        };
        let made = match line {
            Line::Entry(entry) => {
                waited.extend(put_off(&entry.event));
                of_entry(entry, &waited)
            }
            Line::Unknown { event, value } => of_value(event, value),
        };
        all.extend(made.into_iter().map(|(actor, kind)| Step { event: id.clone(), actor, kind }));
    }
    all
}

/// How a turn ends that the server put off, as the models' room names it.
const RATE_LIMITED: &str = "rate-limited";
/// How one ends that brought words.
const ANSWERED: &str = "answered";
/// How one ends whose words were cut off, missing or of another form.
const UNUSABLE: [&str; 4] = ["empty", "truncated", "malformed", "wrong-schema"];

/// Who a server put off, if it did.
fn put_off(event: &Event) -> Option<String> {
    match event {
        Event::ModelAnswered { fixer, outcome, .. } if outcome == RATE_LIMITED => {
            fixer.split_once(':').map(|(_, actor)| actor.to_owned())
        }
        Event::Loop(LoopEvent::Turn(turn)) if turn.outcome == RATE_LIMITED => Some(turn.actor.clone()),
        _ => None,
    }
}

type Made = Vec<(String, Kind)>;

fn nobody(kind: Kind) -> Made {
    vec![(String::new(), kind)]
}

/// `waited`: who was put off by a server before.
fn of_entry(entry: &Entry, waited: &BTreeSet<String>) -> Made {
    match &entry.event {
        Event::SuiteEnded { subject, red, end, .. } => {
            let tests = Kind::Tests { subject: subject.clone(), red: red.iter().cloned().collect() };
            match end {
                End::NotFound | End::NotStarted => nobody(Kind::Environment),
                End::Exited(_) | End::Signaled(_) | End::TimedOut | End::Cancelled => nobody(tests),
            }
        }
        Event::Triaged { blame, .. } => match blame {
            Blame::Flaky { .. } => nobody(Kind::Flaky),
            Blame::Environment { .. } => nobody(Kind::Environment),
            Blame::BrokenOnBase | Blame::ThisChange | Blame::Unknown => Vec::new(),
        },
        Event::FailureDescribed { fingerprint, .. } => nobody(Kind::Failure { fingerprint: fingerprint.clone() }),
        Event::TierEnded { why, .. } if why == "out of time" => nobody(Kind::Limit),
        Event::FixerEnded { fixer, findings, .. } => match findings.ended {
            Ended::OutOfTime | Ended::OutOfBudget { .. } => vec![(fixer.clone(), Kind::Limit)],
            Ended::NothingToDo { .. }
            | Ended::Exhausted
            | Ended::Done
            | Ended::Cancelled
            | Ended::NoModelNow { .. }
            | Ended::Failed { .. } => Vec::new(),
        },
        Event::CandidateProposed { fixer, disagreement: Some(_), .. } => vec![(fixer.clone(), Kind::Disagreement)],
        Event::JudgeEnded { candidate, verdict, output, .. } => {
            let actor = candidate.split('#').next().unwrap_or_default().to_owned();
            let outcome = match verdict {
                Verdict::Healed => Outcome::Good,
                Verdict::StillRed | Verdict::Regressed | Verdict::DoesNotApply | Verdict::TimedOut => Outcome::Bad,
                Verdict::Tampered => Outcome::Cheats,
                Verdict::Unstable => Outcome::Unstable,
            };
            vec![(actor, Kind::Attempt { hash: candidate.clone(), outcome, output: output.clone() })]
        }
        Event::ModelAnswered { outcome, .. } if outcome == RATE_LIMITED => nobody(Kind::Wait),
        // turns of a loop have events of their own, with the hash of their words
        Event::ModelAnswered { fixer, .. } if Loop::is_asker(fixer) => Vec::new(),
        Event::ModelAnswered { fixer, prompt_tokens, answer_tokens, answer_hash, .. } => {
            // the words are not in the event, their hash is: the same turn again is the same one
            let unknown = || format!("{:x}", entry.step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let text = if answer_hash.is_empty() { unknown() } else { answer_hash.clone() };
            vec![(fixer.clone(), Kind::Turn { text, tokens: prompt_tokens + answer_tokens })]
        }
        Event::Healed { .. } | Event::Applied { .. } => nobody(Kind::Progress),
        // a wrong option, or a mistake of ours: nothing went on that could be stuck
        Event::RunEnded { exit: 64 | 70, .. } => Vec::new(),
        Event::RunEnded { exit, .. } => nobody(Kind::Ended { good: matches!(exit, 0 | 10) }),
        Event::Loop(event) => of_loop(event, waited),
        Event::RunStarted { .. }
        | Event::SuiteFound { .. }
        | Event::SnapshotTaken { .. }
        | Event::SuiteStarted { .. }
        | Event::TierStarted { .. }
        | Event::TierEnded { .. }
        | Event::FixerStarted { .. }
        | Event::FixerProgress { .. }
        | Event::ModelRouted { .. }
        | Event::SlotsChanged { .. }
        | Event::CandidateProposed { .. }
        | Event::JudgeStarted { .. }
        | Event::JudgeStep { .. }
        | Event::CulpritFound { .. }
        | Event::NoCulprit { .. }
        | Event::Reverted { .. }
        | Event::RevertRefused { .. }
        | Event::Escalated { .. }
        | Event::Note { .. }
        | Event::Cleaned { .. } => Vec::new(),
    }
}

/// What a loop that thinks in turns says.
fn of_loop(event: &LoopEvent, waited: &BTreeSet<String>) -> Made {
    let who = |actor: &str, kind| vec![(actor.to_owned(), kind)];
    match event {
        // who looks on is no part of what is looked at
        LoopEvent::Turn(turn) if turn.of == Loop::Supervise => Vec::new(),
        LoopEvent::Turn(turn) => match turn.outcome.as_str() {
            RATE_LIMITED | "no-slot" | "quota-spent" => who(&turn.actor, Kind::Wait),
            // the model is left alone because it was busy: it is there
            "no-model" if waited.contains(&turn.actor) => who(&turn.actor, Kind::Wait),
            "out-of-budget" | "model-spent" => who(&turn.actor, Kind::Limit),
            "no-model" | "unreachable" | "unauthorised" => who(&turn.actor, Kind::Environment),
            // who brought no words has not said the same again; who brought some that nobody can use may have
            outcome if outcome != ANSWERED && turn.words.is_empty() && !UNUSABLE.contains(&outcome) => Vec::new(),
            // the hash of the words: only ever compared. What is told again was paid for all the same
            outcome => {
                let tokens = if turn.cached { 0 } else { turn.prompt_tokens + turn.answer_tokens };
                let text = if turn.words.is_empty() { outcome.to_owned() } else { turn.words.clone() };
                who(&turn.actor, Kind::Turn { text, tokens })
            }
        },
        LoopEvent::Objected { text, severity, quote_found, on_rubric, .. } => who(
            "critic",
            Kind::Objection {
                text: text.clone(),
                minor: severity == "minor",
                quote_found: Some(*quote_found),
                on_rubric: Some(*on_rubric),
            },
        ),
        LoopEvent::Settled { accepted, .. } => nobody(Kind::Settled { accepted: *accepted }),
        LoopEvent::Scored { section, dimension, score, threshold, .. } => nobody(Kind::Score {
            of: format!("{dimension} {}", section.map(|n| n.to_string()).unwrap_or_default()),
            value: *score,
            target: *threshold,
        }),
        // the first round is better than nothing, whatever it brought
        LoopEvent::RoundEnded { better: true, round: 2.., .. } => nobody(Kind::Progress),
        LoopEvent::Ended { of, why, good, .. } => {
            // rounds that are over say nothing about what is too small
            let limit = ["token-cap", "money-cap", "time-cap"].contains(&why.as_str()).then_some(Kind::Limit);
            let stuck = stuck(*of, why).map(|rule| Kind::Stuck { rule });
            let all = limit.into_iter().chain(stuck).chain([Kind::Ended { good: *good }]);
            all.map(|kind| (String::new(), kind)).collect()
        }
        LoopEvent::Began { .. }
        | LoopEvent::RoundEnded { .. }
        | LoopEvent::Revised { .. }
        | LoopEvent::Diagnosed { .. }
        | LoopEvent::Tried { .. }
        | LoopEvent::Resolved { .. } => Vec::new(),
    }
}

/// The rule of ours that is like the one by which a loop saw that it got nowhere.
fn stuck(of: Loop, why: &str) -> Option<Rule> {
    Some(match (why.strip_prefix("stalled-")?, of) {
        ("same-objection" | "reseeding", _) => Rule::ReseededObjections,
        ("flip-flop", _) => Rule::PingPong,
        ("plateau", Loop::Prd) => Rule::ScorePlateau,
        _ => Rule::CostWithoutProgress,
    })
}

/// A kind of event that this version does not know: of another loop, another machine, a later version. Told by its fields.
fn of_value(event: &str, value: &Value) -> Made {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| value.get(*name).and_then(Value::as_str)).unwrap_or_default().to_owned()
    };
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    let number = |names: &[&str]| names.iter().find_map(|name| value.get(*name).and_then(Value::as_f64));
    let actor = text(&["actor", "seat", "role", "critic", "fixer", "model"]);
    let is = |word: &str| event.contains(word);
    let status = value.get("status").and_then(Value::as_u64);
    let kind =
        if is("wait") || is("poll") || is("rate_limit") || status == Some(429) || value.get("retry_after_ms").is_some()
        {
            Kind::Wait
        } else if is("settled") || value.get("accepted").is_some() {
            Kind::Settled { accepted: flag("accepted").unwrap_or(false) }
        } else if is("objection") {
            Kind::Objection {
                text: text(&["text", "objection", "why"]),
                minor: matches!(text(&["severity"]).as_str(), "minor" | "trivial" | "low" | "note"),
                quote_found: flag("quote_found"),
                on_rubric: flag("on_rubric"),
            }
        } else if let Some(score) = number(&["score"]) {
            Kind::Score {
                of: format!("{} {}", text(&["dimension", "of"]), text(&["section"])),
                value: score,
                target: number(&["threshold", "target"]).unwrap_or(0.8),
            }
        } else if is("budget") || is("limit") || is("cap_reached") {
            Kind::Limit
        } else if is("turn") || is("answer") || is("reply") {
            let tokens = number(&["tokens", "tokens_out"]).unwrap_or(0.0).clamp(0.0, 1e15);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just above")]
            let tokens = tokens as u64;
            Kind::Turn { text: text(&["text", "content", "answer"]), tokens }
        } else if is("progress") && flag("proven") == Some(true) {
            Kind::Progress
        } else {
            return Vec::new();
        };
    vec![(actor, kind)]
}
