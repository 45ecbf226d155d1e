//! The council: several models answer a question, a critic of another make objects, and a decision record keeps what came
//! of it, dissent included.

pub mod anonymise;
pub mod ask;
pub mod converge;
pub mod debate;
pub mod decide;
pub mod ledger;
pub mod measure;
pub mod pack;
pub mod read;
pub mod record;
pub mod simulated;
#[cfg(test)]
mod tests;

pub use debate::hold;
pub use record::{End, Record};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::turns::seats::Table;

/// How far a council goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Rounds, at most.
    pub rounds: u32,
    /// Nothing costs money: up to this many rounds, as long as each is better than those before.
    pub free_rounds: u32,
    /// Tokens, prompts included.
    pub tokens: u64,
    /// Tokens of one answer.
    pub answer_tokens: u32,
    /// Wall time of one turn in milliseconds.
    pub seat_limit_ms: u64,
    /// Wall time of everything in milliseconds.
    pub time_limit_ms: u64,
    /// For the order in which the critic reads.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            rounds: 3,
            free_rounds: 3,
            tokens: 120_000,
            answer_tokens: 900,
            seat_limit_ms: 180_000,
            time_limit_ms: 30 * 60_000,
            seed: 1,
        }
    }
}

impl Rules {
    /// Wall time of one turn.
    pub fn seat_limit(&self) -> Duration {
        Duration::from_millis(self.seat_limit_ms)
    }
}

/// What is asked, and who sits there.
#[derive(Debug, Clone)]
pub struct Brief {
    /// The question.
    pub question: String,
    /// What goes with it.
    pub pack: pack::Pack,
    /// Who.
    pub table: Table,
    /// How far.
    pub rules: Rules,
}

impl Brief {
    /// So many seats of `n` have to answer.
    pub fn quorum(n: usize) -> usize {
        n / 2 + 1
    }
}
