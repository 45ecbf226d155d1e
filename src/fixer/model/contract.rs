//! contract: the failing tests and the callers are the specification; the unit is written anew to meet it.

use super::Strategy;
use super::pack::Part;
use super::plan::Way;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "contract",
    about: "asks a language model to write the unit anew so that it meets its tests and callers",
    prompt: include_str!("prompts/contract.md"),
    more: &[Part::Callers, Part::Signatures, Part::Rules],
    way: Way::Whole,
    needs_change: false,
    only_free: false,
    temperature_milli: 0,
    attempts: 4,
};
