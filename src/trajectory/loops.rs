//! What happens in the loops that think in turns: the council, the PRD loop, and what the supervisor says of any loop.

use serde::{Deserialize, Serialize};

/// A loop that thinks in turns, or is looked at by somebody who does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// Seats answer a question, a critic objects.
    Council,
    /// Reviewers score a document, a writer revises it.
    Prd,
    /// Somebody looks at a trajectory from outside.
    Supervise,
    /// Fixers race for a patch that the judge lets pass. Their turns have events of their own.
    Heal,
}

impl Loop {
    /// As it stands in events and in the names of askers.
    pub fn name(self) -> &'static str {
        match self {
            Loop::Council => "council",
            Loop::Prd => "prd",
            Loop::Supervise => "supervise",
            Loop::Heal => "heal",
        }
    }

    /// Who asks models in this loop, for [`crate::trajectory::Event::ModelAnswered`].
    pub fn asker(self, actor: &str) -> String {
        format!("{}:{actor}", self.name())
    }

    /// Is `asker` somebody of a loop? Its turns have events of their own, with their words.
    pub fn is_asker(asker: &str) -> bool {
        [Loop::Council, Loop::Prd, Loop::Supervise]
            .iter()
            .any(|one| asker.strip_prefix(one.name()).is_some_and(|rest| rest.starts_with(':')))
    }
}

/// A turn with a model, with everything that is needed not to pay for it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TurnTaken {
    /// In which loop.
    #[serde(rename = "loop")]
    pub of: Loop,
    /// Who: a seat, the critic, a reviewer, the writer.
    pub actor: String,
    /// Round, from 1.
    pub round: u32,
    /// SHA-256 of everything that was asked: the same question has the same key.
    pub key: String,
    /// `answered`, or the name of the trouble.
    pub outcome: String,
    /// `provider/model` as asked; empty when nobody was.
    pub model: String,
    /// The model that really answered, as the server names it.
    pub answered_by: String,
    /// Its family.
    pub family: String,
    /// SHA-256 of the answer's words: turns that say the same have the same one.
    pub words: String,
    /// The answer as it came.
    pub content: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub answer_tokens: u64,
    /// What it cost, in billionths of a dollar.
    pub nano_dollars: u64,
    /// It came from the cache.
    pub cached: bool,
    /// It was paid for in an earlier run and is only told again.
    pub replayed: bool,
    /// Wall time.
    pub ms: u64,
}

/// One thing that happened in such a loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum LoopEvent {
    /// A loop begins.
    Began {
        /// Which.
        #[serde(rename = "loop")]
        of: Loop,
        /// The question, or the document's path.
        subject: String,
        /// Everything that it was asked with, for `--resume`.
        asked_with: serde_json::Value,
    },
    /// A turn ended.
    Turn(TurnTaken),
    /// The critic objects.
    Objected {
        /// Round, from 1.
        round: u32,
        /// The objection's name.
        id: String,
        /// The seat that it is about.
        seat: String,
        /// `blocker`, `major`, `minor`.
        severity: String,
        /// Why, in the critic's words.
        text: String,
        /// The words that it objects to.
        quote: String,
        /// They stand in the answer.
        quote_found: bool,
        /// It is about something that the critic was asked to judge.
        on_rubric: bool,
        /// Dropped at once, and why.
        dropped: Option<String>,
    },
    /// An objection got another status.
    Settled {
        /// Round, from 1.
        round: u32,
        /// The objection's name.
        id: String,
        /// `accepted`, `partly`, `rebutted`, `reopened`.
        status: String,
        /// Something was changed because of it.
        accepted: bool,
        /// The seat's reason.
        reason: String,
    },
    /// A round ended.
    RoundEnded {
        /// Which loop.
        #[serde(rename = "loop")]
        of: Loop,
        /// Round, from 1.
        round: u32,
        /// The evaluator sees that it got better.
        better: bool,
        /// In words.
        words: String,
        /// Wall time.
        ms: u64,
    },
    /// A score was given.
    Scored {
        /// Round, from 0: as it was found.
        round: u32,
        /// Index of the section; none: the whole document.
        section: Option<usize>,
        /// SHA-256 of the text that was scored.
        revision: String,
        /// `clarity`, `completeness`, `testability`.
        dimension: String,
        /// 0 to 1.
        score: f64,
        /// Where it passes.
        threshold: f64,
    },
    /// A section was rewritten, or the rewriting was refused.
    Revised {
        /// Round, from 1.
        round: u32,
        /// Index of the section.
        section: usize,
        /// SHA-256 of the section that the critique was written for.
        from: String,
        /// SHA-256 of what came of it.
        to: String,
        /// It was taken.
        taken: bool,
        /// Why not, or what was marked as an assumption.
        why: String,
    },
    /// Somebody said what is stuck.
    Diagnosed {
        /// In which loop.
        #[serde(rename = "loop")]
        of: Loop,
        /// Of the stall.
        fingerprint: String,
        /// `rules`, `free`, `paid`.
        tier: String,
        /// What is stuck.
        cause: String,
        /// The change to try.
        change: String,
        /// The events that say so.
        evidence: Vec<String>,
        /// 0 to 1.
        confidence: f64,
    },
    /// The loop applied a suggested change, or left it.
    Tried {
        /// Of the stall.
        fingerprint: String,
        /// `rules`, `free`, `paid`.
        tier: String,
        /// The change.
        change: String,
        /// It was applied.
        applied: bool,
    },
    /// A loop met its own verifier after a change was applied.
    Resolved {
        /// Of the stall.
        fingerprint: String,
        /// Whose change it was: `rules`, `free`, `paid`.
        tier: String,
        /// What was stuck.
        cause: String,
    },
    /// A loop ended.
    Ended {
        /// Which.
        #[serde(rename = "loop")]
        of: Loop,
        /// The name of the reason.
        why: String,
        /// It met its own verifier.
        good: bool,
        /// Rounds; scoring a document as it was found is none.
        rounds: u32,
    },
}
