//! Prompts: what every strategy says first is the same, so that a server which remembers beginnings reads it once; what a
//! strategy wants stands at the end.

use super::Strategy;
use super::lines::Spot;
use super::pack::Size;
use super::plan::Form;
use crate::model::Enough;

/// The rules.
pub const SYSTEM: &str = include_str!("prompts/system.md");
const BLOCKS: &str = include_str!("prompts/blocks.md");
const PAIR: &str = include_str!("prompts/pair.md");
const LINE: &str = include_str!("prompts/line.md");
const FUNCTION: &str = include_str!("prompts/function.md");
const DIAGNOSE: &str = include_str!("prompts/diagnose.md");
/// A diagnosis is three sentences…
pub const DIAGNOSIS_TOKENS: u32 = 220;
/// …in one paragraph.
pub const PARAGRAPH: Enough = Enough::Blank { mark: "" };

/// The end of the prompt: the strategy's view and the form of the answer.
pub fn tail(strategy: &Strategy, form: Form, size: Size, spot: Option<&Spot>, unit: Option<&str>) -> String {
    let form = match (form, spot) {
        (Form::Line(_), Some(spot)) => return format!("## What to do\n{}", LINE.replace("{line}", &spot.text)),
        // nothing to point at
        (Form::Line(_), None) | (Form::Pair, _) => PAIR.to_owned(),
        (Form::Blocks, _) => BLOCKS.to_owned(),
        (Form::Function, _) => function(size, unit),
        (Form::Diagnosed, _) => DIAGNOSE.to_owned(),
    };
    format!("## What to do\n{}{form}", strategy.prompt)
}

/// A small model is told which function to write; a large one may see more than one.
fn function(size: Size, unit: Option<&str>) -> String {
    match (size, unit) {
        (Size::Small, Some(name)) => FUNCTION.replace("{unit}", &format!("function `{name}`")),
        (Size::Large, _) | (Size::Small, None) => FUNCTION.replace("{unit}", "function"),
    }
}

/// What follows a diagnosis.
pub fn after_diagnosis(size: Size, unit: Option<&str>) -> String {
    format!("Now repair it.\n{}", function(size, unit))
}

/// Tokens that an answer of this form may have, when the suspicious unit has `unit`.
pub fn answer_tokens(form: Form, unit: u64) -> u32 {
    let whole = u32::try_from(unit).unwrap_or(u32::MAX).saturating_mul(3) / 2 + 80;
    match form {
        Form::Line(_) => 100,
        Form::Pair => 160,
        Form::Function | Form::Diagnosed => whole.clamp(200, 900),
        Form::Blocks => 900,
    }
}

/// When an answer of this form is whole.
pub fn enough(form: Form) -> Option<Enough> {
    match form {
        Form::Line(_) => Some(PARAGRAPH),
        Form::Pair => Some(Enough::Blank { mark: "RIGHT:" }),
        Form::Function | Form::Diagnosed => Some(Enough::Fence),
        Form::Blocks => None,
    }
}
