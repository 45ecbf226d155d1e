//! The supervisor: reads a trajectory and says whether the loop is stuck, on what, and what one change would help.
//!
//! It has no tools, no way to write and no place in the conversation: everything here is a function of steps. What it says
//! is data that a loop or a person may act on.

pub mod diagnosis;
pub mod opinion;
pub mod read;
pub mod stall;
pub mod step;
#[cfg(test)]
mod tests;
pub mod text;
pub mod watch;

use serde::{Deserialize, Serialize};

pub use diagnosis::{Cause, Change, Diagnosis};
pub use stall::Stall;
pub use step::Step;
pub use watch::{Advice, Asks, Book, Oversight, Said, Tier};

/// What the supervisor sees in a trajectory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// Stalls, in the order in which they show; at most one per rule.
    pub stalls: Vec<Stall>,
    /// What is stuck; none when nothing stalled and the loop reached its goal or is still on its way.
    pub diagnosis: Option<Diagnosis>,
}

/// Looks at all of `steps`.
pub fn look(steps: &[Step]) -> Finding {
    let stalls = stall::detect(steps);
    let failed = steps.iter().any(|step| matches!(&step.kind, step::Kind::Ended { good: false }));
    let diagnosis = (!stalls.is_empty() || failed).then(|| diagnosis::diagnose(steps, &stalls));
    Finding { stalls, diagnosis }
}
