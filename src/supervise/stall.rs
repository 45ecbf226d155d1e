//! The stall rules: pure functions over steps. Waiting is no stall, and progress makes every rule start over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::supervise::step::{Kind, Outcome, Step};
use crate::supervise::text;

/// Which rule saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The same actor says the same again.
    RepeatedTurns,
    /// The same failure, whatever is tried.
    SameFailure,
    /// There and back again.
    PingPong,
    /// Objections that were settled come back, or ever new trifles.
    ReseededObjections,
    /// The score does not move.
    ScorePlateau,
    /// Turns are paid for and nothing gets better.
    CostWithoutProgress,
}

/// A loop that goes on and gets nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stall {
    /// Which rule.
    pub rule: Rule,
    /// The same stall has the same one: at most one diagnosis per fingerprint and tier.
    pub fingerprint: String,
    /// The events that show it.
    pub evidence: Vec<String>,
    /// In words.
    pub what: String,
}

/// Turns of one actor in a row that say the same. Two happen: a reviewer agrees twice.
const REPEATS: usize = 3;
/// Attempts in a row after which the verifier says the same. A search tries some before it hits.
const SAME_OUTPUTS: usize = 4;
/// How often one failure is described with attempts in between.
const SAME_FAILURES: usize = 3;
/// Trifles without one accepted objection.
const TRIFLES: usize = 4;
/// Objections like one that was raised before.
const RESEEDED: usize = 2;
/// Scores in a row within [`PLATEAU_RANGE`].
const PLATEAU: usize = 4;
/// Closer scores are the same.
const PLATEAU_RANGE: f64 = 0.012;
/// A score that rises by so much is progress.
const GAIN: f64 = 0.02;
/// Turns with a cost since the last progress: three rounds of a council whose objections are all rebutted are eight of them.
const COSTLY_TURNS: usize = 9;
/// So many of them are of one actor: many who are asked once, as the reviewers of a long document, are one round and no more; and
/// in the first round there was nothing yet that could get better.
const COSTLY_ROUNDS: usize = 4;
/// Texts that share so many of their words say the same.
const SAME: f64 = 0.85;
/// The same for objections, which are short.
const SAME_OBJECTION: f64 = 0.6;

/// Objections that a new one is compared with: the latest.
const KNOWN_MOST: usize = 200;

/// An objection since the last progress.
struct Raised<'s> {
    step: &'s Step,
    text: &'s str,
    trifle: bool,
    /// Like one that was raised before.
    again: bool,
}

/// Everything that each actor said.
type Said<'s> = BTreeMap<&'s str, Vec<(&'s Step, &'s str)>>;

/// The very words of two turns ago, and others in between: what was accepted meanwhile, or called better, was taken back. Only
/// where the words are a hash of all of them: texts are the same by chance more easily.
fn went_back(said: &Said<'_>, actor: &str) -> Option<Stall> {
    let three = last(said.get(actor)?, 3)?;
    let is_hash = |text: &str| text.len() >= 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let back = three[0].1 == three[2].1 && three[0].1 != three[1].1 && is_hash(three[0].1);
    let steps: Vec<&Step> = three.iter().map(|(step, _)| *step).collect();
    back.then(|| stall(Rule::PingPong, three[0].1, &steps, format!("{} goes there and back again", name(actor))))
}

/// What was seen since the last progress.
#[derive(Default)]
struct Window<'s> {
    turns: BTreeMap<&'s str, Vec<(&'s Step, &'s str)>>,
    attempts: Vec<(&'s Step, &'s str, &'s str)>,
    failures: Vec<(&'s Step, &'s str, usize)>,
    objections: Vec<Raised<'s>>,
    scores: BTreeMap<&'s str, Vec<(&'s Step, f64, f64)>>,
    costly: Vec<&'s Step>,
}

/// All stalls, at most the first of each rule; none of a run that came to a good end, whatever happened on the way.
pub fn detect(steps: &[Step]) -> Vec<Stall> {
    if steps.iter().rev().any(|step| matches!(step.kind, Kind::Ended { good: true })) {
        return Vec::new();
    }
    let mut found: Vec<Stall> = Vec::new();
    let mut window = Window::default();
    let mut best = Best::default();
    let mut known: Vec<&str> = Vec::new();
    let mut said: Said<'_> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        if best.is_progress(step) {
            window = Window::default();
        }
        window.take(step, &known);
        if let Kind::Objection { text, .. } = &step.kind {
            known.push(text);
        }
        if let Kind::Turn { text, .. } = &step.kind {
            said.entry(&step.actor).or_default().push((step, text));
        }
        // only what has just grown can have become a stall
        let seen = match &step.kind {
            Kind::Turn { .. } => {
                vec![window.repeated_turns(), window.ping_pong(), went_back(&said, &step.actor), window.cost()]
            }
            Kind::Attempt { .. } | Kind::Failure { .. } => vec![window.same_failure()],
            Kind::Objection { .. } => vec![window.reseeded()],
            Kind::Score { .. } => vec![window.plateau()],
            Kind::Stuck { rule } => vec![seen(*rule, &steps[..at])],
            Kind::Tests { .. }
            | Kind::Settled { .. }
            | Kind::Wait
            | Kind::Limit
            | Kind::Environment
            | Kind::Flaky
            | Kind::Disagreement
            | Kind::Progress
            | Kind::Ended { .. } => Vec::new(),
        };
        for stall in seen.into_iter().flatten() {
            if found.iter().all(|other| other.rule != stall.rule) {
                found.push(stall);
            }
        }
    }
    found
}

/// The best so far: what is better is progress.
#[derive(Default)]
struct Best {
    scores: BTreeMap<String, f64>,
    fewest_red: Option<usize>,
    failures: Vec<String>,
}

impl Best {
    fn is_progress(&mut self, step: &Step) -> bool {
        match &step.kind {
            Kind::Progress => true,
            Kind::Settled { accepted } => *accepted,
            Kind::Attempt { outcome, .. } => *outcome == Outcome::Good,
            Kind::Score { of, value, target } => {
                let before = self.scores.get(of).copied();
                let best = before.unwrap_or(0.0).max(*value);
                self.scores.insert(of.clone(), best);
                before.is_some_and(|before| *value >= before + GAIN || (before < *target && value >= target))
            }
            Kind::Tests { subject, red } => {
                // fewer red tests on other code; a flake on the same code is luck
                let fewer = self.fewest_red.is_some_and(|fewest| red.len() < fewest) && !subject.starts_with("rerun");
                self.fewest_red = Some(self.fewest_red.map_or(red.len(), |fewest| fewest.min(red.len())));
                fewer
            }
            Kind::Failure { fingerprint } => {
                let new = !self.failures.contains(fingerprint);
                if new {
                    self.failures.push(fingerprint.clone());
                }
                new
            }
            Kind::Turn { .. }
            | Kind::Objection { .. }
            | Kind::Wait
            | Kind::Limit
            | Kind::Environment
            | Kind::Flaky
            | Kind::Disagreement
            | Kind::Stuck { .. }
            | Kind::Ended { .. } => false,
        }
    }
}

/// A stall that a loop has seen by rules of its own; shown by the last steps. None when there are none.
pub fn seen(rule: Rule, steps: &[Step]) -> Option<Stall> {
    const SHOWN: usize = 6;
    let last: Vec<&Step> = steps.iter().filter(|step| step.kind != Kind::Wait).rev().take(SHOWN).collect();
    let last: Vec<&Step> = last.into_iter().rev().collect();
    (!last.is_empty()).then(|| stall(rule, "", &last, "the loop itself sees that it gets nowhere".into()))
}

/// Actors whose last `turns` turns all say the same: whatever else they are asked, they have nothing else to say.
pub fn repeating(steps: &[Step], turns: usize) -> BTreeSet<&str> {
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for step in steps {
        if let Kind::Turn { text, .. } = &step.kind {
            said.entry(&step.actor).or_default().push(text);
        }
    }
    let same = |texts: &Vec<&str>| {
        last(texts, turns).is_some_and(|same| same.windows(2).all(|pair| text::likeness(pair[0], pair[1]) >= SAME))
    };
    said.into_iter().filter(|(_, texts)| same(texts)).map(|(actor, _)| actor).collect()
}

fn stall(rule: Rule, on: &str, steps: &[&Step], what: String) -> Stall {
    let digest = Sha256::digest(format!("{rule:?}\0{}", text::words(on).into_iter().collect::<Vec<_>>().join(" ")));
    let mut evidence: Vec<String> = steps.iter().map(|step| step.event.clone()).collect();
    evidence.dedup();
    Stall { rule, fingerprint: hex::encode(&digest[..6]), evidence, what }
}

/// The last `most` of a slice.
fn last<T>(all: &[T], most: usize) -> Option<&[T]> {
    all.len().checked_sub(most).map(|start| &all[start..])
}

impl<'s> Window<'s> {
    fn take(&mut self, step: &'s Step, known: &[&str]) {
        match &step.kind {
            Kind::Turn { text, tokens, .. } => {
                self.turns.entry(&step.actor).or_default().push((step, text));
                if *tokens > 0 {
                    self.costly.push(step);
                }
            }
            Kind::Attempt { hash, output, .. } => self.attempts.push((step, hash, output)),
            Kind::Failure { fingerprint } => {
                self.failures.push((step, fingerprint, self.attempts.len() + self.costly.len()))
            }
            Kind::Objection { text, minor, on_rubric, .. } => {
                let trifle = *minor || *on_rubric == Some(false);
                let latest = &known[known.len().saturating_sub(KNOWN_MOST)..];
                let again = latest.iter().any(|other| text::likeness(text, other) >= SAME_OBJECTION);
                self.objections.push(Raised { step, text, trifle, again });
            }
            Kind::Score { of, value, target } => self.scores.entry(of).or_default().push((step, *value, *target)),
            Kind::Tests { .. }
            | Kind::Settled { .. }
            | Kind::Wait
            | Kind::Limit
            | Kind::Environment
            | Kind::Flaky
            | Kind::Disagreement
            | Kind::Progress
            | Kind::Stuck { .. }
            | Kind::Ended { .. } => {}
        }
    }

    fn repeated_turns(&self) -> Option<Stall> {
        self.turns.iter().find_map(|(actor, turns)| {
            let same = last(turns, REPEATS)?;
            let alike = same.windows(2).all(|pair| text::likeness(pair[0].1, pair[1].1) >= SAME);
            let steps: Vec<&Step> = same.iter().map(|(step, _)| *step).collect();
            alike.then(|| {
                stall(Rule::RepeatedTurns, same[0].1, &steps, format!("{} says the same {REPEATS} times", name(actor)))
            })
        })
    }

    fn ping_pong(&self) -> Option<Stall> {
        let there_and_back = |texts: &[&str]| {
            text::likeness(texts[0], texts[2]) >= SAME
                && text::likeness(texts[1], texts[3]) >= SAME
                && text::likeness(texts[0], texts[1]) < SAME
        };
        self.turns.iter().find_map(|(actor, turns)| {
            let four = last(turns, 4)?;
            let texts: Vec<&str> = four.iter().map(|(_, text)| *text).collect();
            let steps: Vec<&Step> = four.iter().map(|(step, _)| *step).collect();
            there_and_back(&texts)
                .then(|| stall(Rule::PingPong, texts[0], &steps, format!("{} goes there and back again", name(actor))))
        })
    }

    fn same_failure(&self) -> Option<Stall> {
        if let Some(same) = last(&self.attempts, SAME_OUTPUTS) {
            let alike = same.windows(2).all(|pair| text::likeness(pair[0].2, pair[1].2) >= SAME);
            if alike && same.iter().all(|(_, _, output)| !output.is_empty()) {
                let steps: Vec<&Step> = same.iter().map(|(step, ..)| *step).collect();
                let what = format!("{SAME_OUTPUTS} attempts end with the same failure");
                return Some(stall(Rule::SameFailure, same[0].2, &steps, what));
            }
        }
        let (_, fingerprint, _) = self.failures.last()?;
        let mut same: Vec<_> = self.failures.iter().filter(|(_, other, _)| other == fingerprint).collect();
        same.dedup_by_key(|(_, _, tried)| *tried);
        let steps: Vec<&Step> = same.iter().map(|(step, ..)| *step).collect();
        (same.len() >= SAME_FAILURES).then(|| {
            let what = format!("failure {fingerprint} comes back whatever is tried");
            stall(Rule::SameFailure, fingerprint, &steps, what)
        })
    }

    fn reseeded(&self) -> Option<Stall> {
        let on = self.objections.last().map_or("", |raised| raised.text);
        let again: Vec<&Step> =
            self.objections.iter().filter(|raised| raised.again).map(|raised| raised.step).collect();
        if again.len() >= RESEEDED {
            return Some(stall(Rule::ReseededObjections, on, &again, "objections of before are raised again".into()));
        }
        let trifles: Vec<&Step> =
            self.objections.iter().filter(|raised| raised.trifle).map(|raised| raised.step).collect();
        (trifles.len() == self.objections.len() && trifles.len() >= TRIFLES).then(|| {
            let what = format!("{} trifles in a row, none accepted", trifles.len());
            stall(Rule::ReseededObjections, on, &trifles, what)
        })
    }

    fn plateau(&self) -> Option<Stall> {
        self.scores.iter().find_map(|(of, scores)| {
            let same = last(scores, PLATEAU)?;
            let values = || same.iter().map(|(_, value, _)| *value);
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            let below = same.iter().all(|(_, value, target)| value < target);
            let steps: Vec<&Step> = same.iter().map(|(step, ..)| *step).collect();
            (below && high - low <= PLATEAU_RANGE).then(|| {
                let what = format!("the score {} stays at {high:.2}", of.trim());
                stall(Rule::ScorePlateau, of, &steps, what)
            })
        })
    }

    fn cost(&self) -> Option<Stall> {
        let mut turns: BTreeMap<&str, usize> = BTreeMap::new();
        self.costly.iter().for_each(|step| *turns.entry(&step.actor).or_default() += 1);
        let rounds = turns.into_values().max().unwrap_or(0);
        (self.costly.len() >= COSTLY_TURNS && rounds >= COSTLY_ROUNDS).then(|| {
            let what = format!("{} turns were paid for and nothing got better", self.costly.len());
            stall(Rule::CostWithoutProgress, &self.costly[0].actor, &self.costly, what)
        })
    }
}

fn name(actor: &str) -> &str {
    if actor.is_empty() { "the loop" } else { actor }
}
