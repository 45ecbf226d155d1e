//! From stalls and steps to what is stuck and one change: points for each cause, from fields alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::supervise::stall::{Rule, Stall};
use crate::supervise::step::{Kind, Outcome, Step};

/// What is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A test passes and fails on the same code.
    FlakyTest,
    /// The test asks for something else than the code is meant to do.
    WrongTest,
    /// The critic objects to what it was not asked to judge.
    CriticOffRubric,
    /// The critic objects to words that are not there.
    HallucinatedObjection,
    /// The task can be read in two ways, or lacks something.
    AmbiguousPrompt,
    /// The machine lacks something.
    Environment,
    /// A limit is too small for the task, or is spent on nothing.
    Budget,
    /// The rules see a stall and nothing that tells why.
    Unclear,
}

/// The one change to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Run the tests several times and believe what repeats.
    RerunWithRepeats,
    /// Drop the objection.
    DropObjection,
    /// Say in the critic's rubric what counts and what does not.
    RewordRubric,
    /// Let another model try.
    SwitchModel,
    /// Give more context.
    WidenContext,
    /// More variety.
    RaiseTemperature,
    /// Less variety.
    LowerTemperature,
    /// Stop; a person has to look.
    StopAndEscalate,
}

/// What the rules say of a stall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Diagnosis {
    /// What is stuck.
    pub cause: Cause,
    /// The one change to try.
    pub change: Change,
    /// The events that say so, in their order.
    pub evidence: Vec<String>,
    /// The cause's share of all points, 0 to 1.
    pub confidence: f64,
}

impl Cause {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Cause::FlakyTest => "a flaky test: red and green on the same code",
            Cause::WrongTest => "a wrong test: it asks for something else than the code is meant to do",
            Cause::CriticOffRubric => "a critic off its rubric: it objects to what it was not asked to judge",
            Cause::HallucinatedObjection => "a hallucinated objection: the quoted words are not in the text",
            Cause::AmbiguousPrompt => "an ambiguous prompt: the task can be read in two ways",
            Cause::Environment => "the environment: the machine lacks something",
            Cause::Budget => "the budget: a limit is reached, or spent on nothing",
            Cause::Unclear => "unclear: the rules see no cause",
        }
    }
}

impl Change {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Change::RerunWithRepeats => "run the tests again, several times",
            Change::DropObjection => "drop the objection",
            Change::RewordRubric => "reword the critic's rubric",
            Change::SwitchModel => "let another model try",
            Change::WidenContext => "give more context",
            Change::RaiseTemperature => "raise the temperature",
            Change::LowerTemperature => "lower the temperature",
            Change::StopAndEscalate => "stop, and let a person look",
        }
    }
}

/// Points by cause, each with the events that they come from, and at most so many points of one kind.
#[derive(Default)]
struct Points(BTreeMap<Cause, (f64, BTreeMap<usize, String>)>);

impl Points {
    fn add(&mut self, cause: Cause, points: f64, most: f64, at: usize, step: &Step) {
        let (sum, evidence) = self.0.entry(cause).or_default();
        *sum = (*sum + points).min(sum.max(most));
        evidence.insert(at, step.event.clone());
    }
}

/// Diagnoses `stalls` in `steps`.
pub fn diagnose(steps: &[Step], stalls: &[Stall]) -> Diagnosis {
    let mut points = Points::default();
    by_step(steps, &mut points);
    by_repeats(steps, &mut points);
    by_stall(steps, stalls, &mut points);
    let total: f64 = points.0.values().map(|(sum, _)| sum).sum();
    let best = points.0.into_iter().max_by(|(a, (x, _)), (b, (y, _))| x.total_cmp(y).then(b.cmp(a)));
    match best.filter(|(_, (sum, _))| *sum >= 1.0) {
        Some((cause, (sum, evidence))) => Diagnosis {
            cause,
            change: change(cause, stalls, steps),
            evidence: evidence.into_values().collect(),
            confidence: (100.0 * sum / (total + 1.0)).round() / 100.0,
        },
        None => Diagnosis {
            cause: Cause::Unclear,
            change: Change::SwitchModel,
            evidence: stalls.first().map(|stall| stall.evidence.clone()).unwrap_or_default(),
            confidence: 0.0,
        },
    }
}

/// What single steps say.
fn by_step(steps: &[Step], points: &mut Points) {
    for (at, step) in steps.iter().enumerate() {
        match &step.kind {
            Kind::Flaky => points.add(Cause::FlakyTest, 3.0, 9.0, at, step),
            Kind::Environment => points.add(Cause::Environment, 3.0, 9.0, at, step),
            Kind::Limit => points.add(Cause::Budget, 2.5, 5.0, at, step),
            Kind::Disagreement => points.add(Cause::AmbiguousPrompt, 2.0, 6.0, at, step),
            Kind::Attempt { outcome: Outcome::Unstable, .. } => points.add(Cause::FlakyTest, 2.0, 9.0, at, step),
            Kind::Attempt { outcome: Outcome::Cheats, .. } => points.add(Cause::WrongTest, 1.5, 6.0, at, step),
            Kind::Objection { minor, quote_found, on_rubric, .. } => {
                if *quote_found == Some(false) {
                    points.add(Cause::HallucinatedObjection, 2.0, 9.0, at, step);
                }
                if *on_rubric == Some(false) {
                    points.add(Cause::CriticOffRubric, 1.5, 9.0, at, step);
                } else if *minor {
                    points.add(Cause::CriticOffRubric, 0.5, 4.0, at, step);
                }
            }
            Kind::Turn { .. }
            | Kind::Failure { .. }
            | Kind::Attempt { .. }
            | Kind::Tests { .. }
            | Kind::Settled { .. }
            | Kind::Score { .. }
            | Kind::Wait
            | Kind::Progress
            | Kind::Stuck { .. }
            | Kind::Ended { .. } => {}
        }
    }
}

/// What only several steps together say: a test that is red and green on one subject, and one test that stays red whatever
/// is tried.
fn by_repeats(steps: &[Step], points: &mut Points) {
    let mut runs: BTreeMap<&str, Vec<&BTreeSet<String>>> = BTreeMap::new();
    let mut tried: BTreeSet<&str> = BTreeSet::new();
    let mut outputs: Vec<&str> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match &step.kind {
            Kind::Tests { subject, red } => {
                let before = runs.entry(subject).or_default();
                if before.last().is_some_and(|last| *last != red) {
                    points.add(Cause::FlakyTest, 2.0, 6.0, at, step);
                }
                before.push(red);
            }
            Kind::Attempt { hash, outcome: Outcome::Bad, output } => {
                let alike = outputs.last().is_some_and(|last| crate::supervise::text::likeness(last, output) > 0.7);
                if tried.insert(hash) && alike {
                    points.add(Cause::WrongTest, 1.0, 4.0, at, step);
                }
                outputs.push(output);
            }
            _ => {}
        }
    }
}

/// What the rule that saw a stall says about its cause.
fn by_stall(steps: &[Step], stalls: &[Stall], points: &mut Points) {
    for stall in stalls {
        let (cause, weight) = match stall.rule {
            Rule::RepeatedTurns => (Cause::AmbiguousPrompt, 1.0),
            Rule::PingPong => (Cause::AmbiguousPrompt, 3.0),
            Rule::SameFailure => (Cause::WrongTest, 1.0),
            Rule::ReseededObjections => (Cause::CriticOffRubric, 1.0),
            Rule::ScorePlateau => (Cause::AmbiguousPrompt, 0.5),
            Rule::CostWithoutProgress => (Cause::Budget, 1.5),
        };
        let last = stall.evidence.last();
        if let Some((at, step)) = steps.iter().enumerate().find(|(_, step)| Some(&step.event) == last) {
            points.add(cause, weight, f64::INFINITY, at, step);
        }
    }
}

fn change(cause: Cause, stalls: &[Stall], steps: &[Step]) -> Change {
    let saw = |rule: Rule| stalls.iter().any(|stall| stall.rule == rule);
    match cause {
        Cause::FlakyTest => Change::RerunWithRepeats,
        Cause::WrongTest | Cause::Environment => Change::StopAndEscalate,
        Cause::CriticOffRubric => Change::RewordRubric,
        Cause::HallucinatedObjection => Change::DropObjection,
        Cause::AmbiguousPrompt if saw(Rule::PingPong) => Change::LowerTemperature,
        Cause::AmbiguousPrompt if saw(Rule::RepeatedTurns) => Change::RaiseTemperature,
        Cause::AmbiguousPrompt => Change::WidenContext,
        Cause::Budget if steps.iter().any(|step| matches!(step.kind, Kind::Limit)) => Change::StopAndEscalate,
        Cause::Budget | Cause::Unclear => Change::SwitchModel,
    }
}
