//! stepwise: a diagnosis first, then the edit. Two turns for one attempt: only where turns cost nothing.

use super::Strategy;
use super::pack::Part;
use super::plan::Way;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "stepwise",
    about: "lets a free or local language model say what is wrong first, and repair it then",
    prompt: include_str!("prompts/stepwise.md"),
    more: &[Part::Signatures, Part::Rules],
    way: Way::Diagnose,
    needs_change: false,
    only_free: true,
    temperature_milli: 0,
    attempts: 3,
};
