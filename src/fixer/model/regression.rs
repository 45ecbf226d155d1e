//! regression: what the change since green did, and which assumption it broke.

use super::Strategy;
use super::pack::Part;
use super::plan::Way;

/// The strategy.
pub static STRATEGY: Strategy = Strategy {
    name: "regression",
    about: "asks a language model which assumption the change since green broke, and to mend it",
    prompt: include_str!("prompts/regression.md"),
    more: &[Part::Change, Part::Rules],
    way: Way::Small,
    needs_change: true,
    only_free: false,
    temperature_milli: 200,
    attempts: 4,
};
