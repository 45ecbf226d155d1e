//! What came of improving a PRD: why it ended, the text, the scores, what is left for a person.

use serde::{Deserialize, Serialize};

use crate::prd::Lint;
use crate::prd::history::Row;
use crate::prd::review::{Reviewed, Three};
use crate::turns::{Answer, Took};

/// In which way the loop gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// Scores do not rise any more.
    Plateau,
    /// The text is one that was there before.
    FlipFlop,
    /// Nothing fails that was not tried often enough.
    NothingToRewrite,
    /// No revision could be taken.
    AllRefused,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "end", content = "how")]
pub enum End {
    /// All three scores pass.
    Passed,
    /// It gets nowhere.
    Stalled(Stall),
    /// The rounds were over.
    RoundCap,
    /// The tokens were.
    TokenCap,
    /// The money was.
    MoneyCap,
    /// The time was.
    TimeCap,
    /// Too few reviewers answered in a way that can be read.
    ReviewersLost,
    /// No writer answered.
    WriterLost,
    /// The supervisor suggested to let a person look.
    Escalated,
    /// Stopped by the user.
    Cancelled,
}

impl End {
    /// Its name in events and for scripts.
    pub fn name(self) -> String {
        match self {
            End::Passed => "passed",
            End::Stalled(Stall::Plateau) => "stalled-plateau",
            End::Stalled(Stall::FlipFlop) => "stalled-flip-flop",
            End::Stalled(Stall::NothingToRewrite) => "stalled-nothing-to-rewrite",
            End::Stalled(Stall::AllRefused) => "stalled-all-refused",
            End::RoundCap => "round-cap",
            End::TokenCap => "token-cap",
            End::MoneyCap => "money-cap",
            End::TimeCap => "time-cap",
            End::ReviewersLost => "reviewers-lost",
            End::WriterLost => "writer-lost",
            End::Escalated => "escalated",
            End::Cancelled => "cancelled",
        }
        .to_owned()
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            End::Passed => "all three scores pass",
            End::Stalled(Stall::Plateau) => "the scores do not rise any more",
            End::Stalled(Stall::FlipFlop) => "the text went there and back again",
            End::Stalled(Stall::NothingToRewrite) => "what still fails was tried often enough, or is for a person",
            End::Stalled(Stall::AllRefused) => "no revision kept to the rules",
            End::RoundCap => "the rounds were over",
            End::TokenCap => "the tokens were over",
            End::MoneyCap => "the money was over",
            End::TimeCap => "the time was over",
            End::ReviewersLost => "too few reviewers answered in a way that can be read",
            End::WriterLost => "no writer answered",
            End::Escalated => "a person has to look",
            End::Cancelled => "it was stopped",
        }
    }
}

/// A section at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SectionInfo {
    /// Its heading.
    pub title: String,
    /// Lint and reviews together.
    pub scores: Three,
    /// What the reviewers said; none where there was nothing to judge.
    pub reviewed: Option<Reviewed>,
    /// How often it was rewritten.
    pub revisions: u32,
    /// Why the last revision was not taken, when it was not.
    pub left_because: Option<String>,
}

/// A question with every turn that it took, or all of them of somebody with one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TurnInfo {
    /// `reviewer 1`, `writer`.
    pub who: String,
    /// `provider/model` as asked.
    pub model: String,
    /// The model that really answered; empty when none did.
    pub answered_by: String,
    /// Turns.
    pub turns: u32,
    /// Tokens, prompts included.
    pub tokens: u64,
    /// What it cost, in billionths of a dollar.
    pub nano_dollars: u64,
    /// The name of the trouble, when it brought none.
    pub trouble: Option<String>,
    /// Turns that were told again from an earlier run.
    #[serde(skip)]
    pub replayed: u32,
}

impl TurnInfo {
    /// Of an answer, and of what it took until it could be read.
    pub fn of(who: &str, answer: &Answer, took: Took) -> Self {
        Self {
            who: who.into(),
            model: answer.model.clone(),
            answered_by: answer.answered_by.clone(),
            turns: took.turns,
            tokens: took.tokens,
            nano_dollars: took.cost.0,
            trouble: None,
            replayed: took.replayed,
        }
    }
    /// Of none: what came could not be read, or nothing did.
    pub fn failed(who: &str, model: &str, trouble: &str, took: Took) -> Self {
        Self {
            who: who.into(),
            model: model.into(),
            answered_by: String::new(),
            turns: took.turns,
            tokens: took.tokens,
            nano_dollars: took.cost.0,
            trouble: Some(trouble.into()),
            replayed: took.replayed,
        }
    }
    /// One line for everybody, model and trouble.
    pub fn summed(all: &[Self]) -> Vec<Self> {
        let mut sums: Vec<Self> = Vec::new();
        for one in all {
            let same = |s: &&mut Self| {
                (&s.who, &s.model, &s.answered_by, &s.trouble) == (&one.who, &one.model, &one.answered_by, &one.trouble)
            };
            match sums.iter_mut().find(same) {
                Some(sum) => {
                    sum.turns += one.turns;
                    sum.tokens += one.tokens;
                    sum.nano_dollars += one.nano_dollars;
                }
                None => sums.push(one.clone()),
            }
        }
        sums.sort_by(|a, b| a.who.cmp(&b.who));
        sums
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// The text: as it was found, or revised.
    pub text: String,
    /// The lint of that text.
    pub lint: Lint,
    /// Sections, in order.
    pub sections: Vec<SectionInfo>,
    /// What reviewers said of sections as they were found, where they are others now.
    pub found: Vec<Reviewed>,
    /// Scores by round.
    pub history: Vec<Row>,
    /// What was marked as an assumption: questions for a person.
    pub questions: Vec<String>,
    /// Who did what.
    pub staff: Vec<TurnInfo>,
    /// Changes that the supervisor suggested and the loop made.
    pub changes: Vec<String>,
    /// Turns told again from an earlier run.
    pub replayed: u32,
    /// Wall time.
    pub ms: u64,
}
