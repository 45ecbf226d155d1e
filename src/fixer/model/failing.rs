//! The failing tests of a case for a prompt: what they print, or what they want in a few words.

use std::collections::BTreeSet;

use super::brief::brief as short;
use crate::failure::text::clip;
use crate::fixer::Case;

const MOST_MESSAGES: usize = 3;
const MESSAGE_BYTES: usize = 1500;

/// The failing tests and what they print.
pub fn printed(case: &Case) -> String {
    let mut out = String::new();
    let mut said = BTreeSet::new();
    for id in &case.failure.red {
        let message = case.red.tests.get(id).and_then(|r| r.message.clone()).unwrap_or_default();
        let message = crate::failure::text::plain(&message).into_owned();
        let fresh = said.len() < MOST_MESSAGES && said.insert(case.failure.messages.get(id).cloned());
        out.push_str(&format!("- {id}\n"));
        if fresh && !message.trim().is_empty() {
            out.push_str(&format!("{}\n", clip(message.trim(), MESSAGE_BYTES)));
        }
        if out.len() > 6000 {
            break;
        }
    }
    if said.iter().flatten().all(|m| m.trim().is_empty()) {
        out.push_str(clip(&case.failure.excerpt, 2 * MESSAGE_BYTES));
    }
    out
}

/// The first failing tests, each with what it wants in a few words.
pub fn brief(case: &Case) -> String {
    const MOST: usize = 3;
    let mut out = String::new();
    for id in case.failure.red.iter().take(MOST) {
        let message = case.red.tests.get(id).and_then(|r| r.message.clone()).unwrap_or_default();
        out.push_str(&format!("- {id}\n{}\n", short(&message)));
    }
    let rest = case.failure.red.len().saturating_sub(MOST);
    if rest > 0 {
        out.push_str(&format!("- and {rest} more\n"));
    }
    if case.failure.red.iter().all(|id| case.red.tests.get(id).is_none_or(|r| r.message.is_none())) {
        out.push_str(clip(&case.failure.excerpt, 600));
    }
    out
}
