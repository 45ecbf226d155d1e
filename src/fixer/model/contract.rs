//! contract: the red tests and the callers are the specification; the unit is written anew to meet it.

use super::Strategy;
use super::pack::Part;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "contract",
    about: "asks a language model to write the unit anew from its tests and callers",
    prompt: include_str!("prompts/contract.md"),
    parts: &[Part::Tests, Part::Failing, Part::Units(1), Part::Signatures, Part::Callers, Part::Rules],
    needs_change: false,
    temperature_milli: 400,
    attempts: 4,
};
