//! A model's opinion on a stall: what it is told, and what of its answer counts.
//!
//! It is told what happened and never what a text says: texts are letters, the same text the same letter. So whatever a
//! log, a model or a comment holds, it can't speak to the model that diagnoses. What comes back counts only when cause and
//! change are on the closed lists and the evidence names events that are there.
//!
//! Nor is it told what differs from one telling to the next: events are counted from 1, and turns that were taken at the same
//! time stand in the order of who took them. So a run that is told again from its log asks the same.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::supervise::diagnosis::{Cause, Change, Diagnosis};
use crate::supervise::step::{Kind, Outcome, Step};

/// The last steps; a diagnosis is about the end of a run.
const STEPS_MOST: usize = 40;

/// Every cause that an opinion may name.
pub const CAUSES: [Cause; 7] = [
    Cause::FlakyTest,
    Cause::WrongTest,
    Cause::CriticOffRubric,
    Cause::HallucinatedObjection,
    Cause::AmbiguousPrompt,
    Cause::Environment,
    Cause::Budget,
];

/// Every change that an opinion may suggest.
pub const CHANGES: [Change; 8] = [
    Change::RerunWithRepeats,
    Change::DropObjection,
    Change::RewordRubric,
    Change::SwitchModel,
    Change::WidenContext,
    Change::RaiseTemperature,
    Change::LowerTemperature,
    Change::StopAndEscalate,
];

fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Letters for texts and names: the same one the same letter.
#[derive(Default)]
struct Letters<'s>(BTreeMap<&'s str, usize>);

impl<'s> Letters<'s> {
    fn of(&mut self, text: &'s str) -> String {
        let next = self.0.len() + 1;
        format!("{}", self.0.entry(text).or_insert(next))
    }
}

/// The steps that are told, the last ones of them.
fn shown(steps: &[Step]) -> Vec<&Step> {
    let is_turn = |step: &&Step| matches!(step.kind, Kind::Turn { .. });
    // the critic reads what seats have said
    let place = |step: &&Step| (step.actor == "critic", step.actor.clone());
    let mut all: Vec<&Step> = steps.iter().filter(|step| step.kind != Kind::Wait).collect();
    for together in all.chunk_by_mut(|a, b| is_turn(a) && is_turn(b)) {
        together.sort_by_key(place);
    }
    all.split_off(all.len().saturating_sub(STEPS_MOST))
}

/// What the model is asked.
pub fn prompt(steps: &[Step], by_rules: &Diagnosis) -> String {
    let (mut texts, mut actors, mut tests) = (Letters::default(), Letters::default(), Letters::default());
    let mut lines = String::new();
    for (n, step) in (1..).zip(shown(steps)) {
        let who = if step.actor.is_empty() { String::new() } else { format!(" by actor {}", actors.of(&step.actor)) };
        let what = told(&step.kind, &mut texts, &mut tests);
        lines.push_str(&format!("event {n}{who}: {what}\n"));
    }
    let list = |names: Vec<String>| names.join(", ");
    format!(
        "A program that works in rounds gets nowhere. Below is what happened, in order; texts are shown as numbers, the same \
         text has the same number. Say what it is stuck on and which one change would help.\n\n{lines}\nSimple rules say: {} \
         ({:.2}); suggested: {}.\n\ncauses: {}\nchanges: {}\n\nAnswer with one JSON object and nothing else:\n{{\"cause\": \
         \"one of the causes\", \"change\": \"one of the changes\", \"evidence\": [\"event numbers\"], \"confidence\": 0.0 to 1.0}}",
        name(&by_rules.cause),
        by_rules.confidence,
        name(&by_rules.change),
        list(CAUSES.iter().map(name).collect()),
        list(CHANGES.iter().map(name).collect()),
    )
}

fn told<'s>(kind: &'s Kind, texts: &mut Letters<'s>, tests: &mut Letters<'s>) -> String {
    match kind {
        Kind::Turn { text, tokens } => format!("a turn, text {}, {tokens} tokens", texts.of(text)),
        Kind::Failure { fingerprint } => format!("failure {}", tests.of(fingerprint)),
        Kind::Attempt { outcome, output, .. } => {
            let how = match outcome {
                Outcome::Good => "it worked",
                Outcome::Bad => "it failed",
                Outcome::Cheats => "it cheats",
                Outcome::Unstable => "results differ from run to run",
            };
            format!("an attempt: {how}, output text {}", texts.of(output))
        }
        Kind::Tests { subject, red } => format!("tests on code {}: {} red", tests.of(subject), red.len()),
        Kind::Objection { text, minor, quote_found, on_rubric } => {
            let weight = if *minor { "minor" } else { "major" };
            let quote = match quote_found {
                Some(false) => ", the quoted words are not in the text",
                Some(true) => ", the quoted words are in the text",
                None => "",
            };
            let rubric = if *on_rubric == Some(false) { ", off the rubric" } else { "" };
            format!("an objection ({weight}), text {}{quote}{rubric}", texts.of(text))
        }
        Kind::Settled { accepted } => {
            (if *accepted { "an objection was accepted" } else { "an objection was rebutted" }).to_owned()
        }
        Kind::Score { of, value, target } => format!("score {}: {value:.2} of {target:.2}", tests.of(of)),
        Kind::Wait => "waiting".to_owned(),
        Kind::Limit => "a limit was reached".to_owned(),
        Kind::Environment => "something is missing on the machine".to_owned(),
        Kind::Flaky => "a test was red and green on the same code".to_owned(),
        Kind::Disagreement => "answers that can't all be right".to_owned(),
        Kind::Progress => "progress".to_owned(),
        Kind::Stuck { .. } => "the loop itself saw that it gets nowhere".to_owned(),
        Kind::Ended { good } => {
            (if *good { "the goal was reached" } else { "it ended without reaching the goal" }).to_owned()
        }
    }
}

#[derive(Deserialize)]
struct Reply {
    cause: Cause,
    change: Change,
    #[serde(default)]
    evidence: Vec<serde_json::Value>,
    #[serde(default)]
    confidence: Option<f64>,
}

/// What of `reply` counts.
///
/// # Errors
/// In words: it is no such object, its cause or change is on no list, or its evidence names nothing that is there.
pub fn read(reply: &str, steps: &[Step]) -> Result<Diagnosis, String> {
    // the last object: what stands before it may be thoughts
    let after = reply.rsplit("</think>").next().unwrap_or(reply);
    let parsed = after.match_indices('{').find_map(|(at, _)| {
        let mut stream = serde_json::Deserializer::from_str(&after[at..]).into_iter::<Reply>();
        stream.next()?.ok()
    });
    let reply = parsed.ok_or("no object with a cause and a change of the lists")?;
    if reply.cause == Cause::Unclear {
        return Err("it does not say what is stuck".into());
    }
    let shown = shown(steps);
    let named = |value: &serde_json::Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let number: usize = text.trim().trim_start_matches("event").trim().parse().ok()?;
        Some(shown.get(number.checked_sub(1)?)?.event.clone())
    };
    let mut evidence: Vec<String> = reply.evidence.iter().filter_map(named).collect();
    evidence.dedup();
    if evidence.is_empty() {
        return Err("its evidence names no event that is there".into());
    }
    let confidence = reply.confidence.filter(|c| c.is_finite()).unwrap_or(0.5).clamp(0.0, 1.0);
    Ok(Diagnosis { cause: reply.cause, change: reply.change, evidence, confidence })
}
