//! The supervisor's own neutral picture of a trajectory: what happened, without what a text says.

use std::collections::BTreeSet;

use crate::supervise::stall::Rule;

/// One thing that happened. An event can make several.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The event that it comes from: evidence is given by it.
    pub event: String,
    /// Who: a fixer, a seat, the critic; empty when nobody in particular.
    pub actor: String,
    /// What.
    pub kind: Kind,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It met the verifier.
    Good,
    /// It did not.
    Bad,
    /// It cheats: it changes what decides on it.
    Cheats,
    /// Results differ from run to run.
    Unstable,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Somebody said or wrote something.
    Turn {
        /// The words, only ever compared with other words.
        text: String,
        /// Tokens that it cost; 0 where nothing is known.
        tokens: u64,
    },
    /// What is wrong, by fingerprint.
    Failure {
        /// The fingerprint.
        fingerprint: String,
    },
    /// Something was tried and judged.
    Attempt {
        /// What exactly.
        hash: String,
        /// How it ended.
        outcome: Outcome,
        /// What the verifier printed, only ever compared.
        output: String,
    },
    /// Tests ran.
    Tests {
        /// What they ran on: the same subject is the same code.
        subject: String,
        /// The red ones.
        red: BTreeSet<String>,
    },
    /// Somebody objects.
    Objection {
        /// The words, only ever compared.
        text: String,
        /// It is about a trifle.
        minor: bool,
        /// The words that it quotes are in the text; none: not known.
        quote_found: Option<bool>,
        /// It is about something that the critic was asked to judge; none: not known.
        on_rubric: Option<bool>,
    },
    /// An objection was settled: accepted (which is progress) or rebutted.
    Settled {
        /// Accepted.
        accepted: bool,
    },
    /// A score.
    Score {
        /// Of what.
        of: String,
        /// 0 to 1.
        value: f64,
        /// Where it passes.
        target: f64,
    },
    /// Waiting for others: polling, a rate limit. Never a stall.
    Wait,
    /// A limit of tokens, money or time is reached.
    Limit,
    /// The machine lacks something.
    Environment,
    /// Red and green for the same code, says whoever ran it.
    Flaky,
    /// Answers that can't all be right and are all green.
    Disagreement,
    /// Progress that somebody has proven.
    Progress,
    /// The loop itself saw that it got nowhere, and ended for that.
    Stuck {
        /// By a rule of its own that is like this one.
        rule: Rule,
    },
    /// The loop ended.
    Ended {
        /// It reached its goal.
        good: bool,
    },
}
