//! regression: what the change since green did, and which assumption it broke.

use super::Strategy;
use super::pack::Part;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "regression",
    about: "asks a language model which assumption the change since green broke, and to mend it",
    prompt: include_str!("prompts/regression.md"),
    parts: &[Part::Failing, Part::Change, Part::Units(2), Part::Tests, Part::Rules],
    needs_change: true,
    temperature_milli: 200,
    attempts: 4,
};
