//! minimal: the smallest edit at the most suspicious place.

use super::Strategy;
use super::pack::Part;
use super::plan::Way;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "minimal",
    about: "asks a language model for the smallest edit at the most suspicious place",
    prompt: include_str!("prompts/minimal.md"),
    more: &[Part::Signatures, Part::Rules],
    way: Way::Small,
    needs_change: false,
    only_free: false,
    temperature_milli: 0,
    attempts: 5,
};
