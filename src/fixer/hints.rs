//! What came close so far: whoever searches without a model leaves it here for those who ask one.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::text::clip;
use crate::words::Close;

/// So many are told: further ones are alike, or far away.
const MOST_TOLD: usize = 2;
/// Of a diff this much is told.
const DIFF_BYTES: usize = 1200;
/// So many of the tests that are still red are named.
const MOST_NAMED: usize = 5;

/// Shared by the fixers of one race.
#[derive(Debug, Clone, Default)]
pub struct Hints(Arc<Mutex<Vec<Close>>>);

impl Hints {
    /// Leaves what came close, the nearest first, in place of what was left before.
    pub fn leave(&self, closest: Vec<Close>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = closest;
    }

    /// What a prompt says of it; empty when nothing came close.
    pub fn told(&self) -> String {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if left.is_empty() {
            return String::new();
        }
        let said: Vec<String> = left.iter().take(MOST_TOLD).map(said).collect();
        format!("## Edits that came close: some red tests turn green, the others do not\n{}\n", said.join(""))
    }
}

fn said(close: &Close) -> String {
    let mut names: Vec<&str> = close.still_red.iter().take(MOST_NAMED).map(|id| id.0.as_str()).collect();
    let more = format!("and {} more", close.still_red.len().saturating_sub(MOST_NAMED));
    if close.still_red.len() > MOST_NAMED {
        names.push(&more);
    }
    let red = match names.as_slice() {
        [] => "with it, tests fail that passed before".to_owned(),
        names => format!("still red with it: {}", names.join(", ")),
    };
    format!("```diff\n{}\n```\n{red}\n", clip(&close.diff, DIFF_BYTES).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::TestId;

    #[test]
    fn the_nearest_edits_are_told_with_the_tests_that_stay_red() {
        let hints = Hints::default();
        assert_eq!(hints.told(), "");
        let close = |n: usize| Close {
            diff: format!("--- a/x.py\n+++ b/x.py\n-{n}\n+{}\n", n + 1),
            still_red: (0..n).map(|at| TestId(format!("t{at}"))).collect(),
        };
        hints.leave(vec![close(1)]);
        hints.clone().leave(vec![close(2), close(7), close(9)]);
        let told = hints.told();
        assert!(told.contains("-2\n+3\n```\nstill red with it: t0, t1\n"), "{told}");
        hints.leave(vec![close(0)]);
        assert!(hints.told().ends_with("```\nwith it, tests fail that passed before\n\n"));
        assert!(told.contains("t4, and 2 more\n") && !told.contains("-9") && !told.contains("-1\n"), "{told}");
    }
}
