//! minimal: the smallest edit at the most suspicious place.

use super::Strategy;
use super::pack::Part;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "minimal",
    about: "asks a language model for the smallest edit at the most suspicious place",
    prompt: include_str!("prompts/minimal.md"),
    parts: &[Part::Failing, Part::Units(2), Part::Tests, Part::Signatures, Part::Rules],
    needs_change: false,
    temperature_milli: 0,
    attempts: 5,
};
