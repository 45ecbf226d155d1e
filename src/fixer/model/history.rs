//! What was tried: told to the model again, compacted, and asked whether anything moves.

use std::collections::BTreeSet;

use super::pack::Size;
use crate::failure::text::clip;
use crate::suite::TestId;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Its answer could not be used.
    Refused {
        /// Why, for the model.
        why: String,
    },
    /// The red tests were run with it.
    Tried {
        /// Its unified diff.
        diff: String,
        /// Still red.
        red: BTreeSet<TestId>,
        /// What the tests say now.
        output: String,
    },
}

/// The attempts since the last fresh start, and all patches ever tried.
#[derive(Debug, Default)]
pub struct History {
    attempts: Vec<Attempt>,
    /// All that were tried, also before a fresh start.
    tried: Vec<Attempt>,
    seen: BTreeSet<String>,
}

const DIFF_BYTES: usize = 1200;
const OUTPUT_BYTES: usize = 900;
/// A small model is told of this many edits.
const SHORTLY: usize = 5;
/// Only these many last attempts are told in full; of older ones one line is left.
const IN_FULL: usize = 2;

impl History {
    /// Is this patch new? Identical candidates are tried once.
    pub fn is_new(&mut self, hash: String) -> bool {
        self.seen.insert(hash)
    }

    /// Takes an answer in: what came of every reading of it. They are one attempt together, the best of them: a model that could
    /// be read in two ways was asked once.
    pub fn answered(&mut self, readings: Vec<Attempt>) {
        let red = |reading: &Attempt| match reading {
            Attempt::Tried { red, .. } => red.len(),
            Attempt::Refused { .. } => usize::MAX,
        };
        let is_tried = |reading: &&Attempt| matches!(reading, Attempt::Tried { .. });
        self.tried.extend(readings.iter().filter(is_tried).cloned());
        self.attempts.extend(readings.into_iter().min_by_key(red));
    }

    /// Forgets the attempts (not the patches), for a fresh look.
    pub fn start_afresh(&mut self) {
        self.attempts.clear();
    }

    /// The last two attempts left the failing set as it was before them, or could not be used for one and the same
    /// reason: a stall. Whoever was only told of a mistake in the form gets another try.
    pub fn is_stalled(&self, first_red: &BTreeSet<TestId>) -> bool {
        let n = self.attempts.len();
        let before = self.attempts[..n.saturating_sub(2)].iter().rev().find_map(|a| match a {
            Attempt::Tried { red, .. } => Some(red),
            Attempt::Refused { .. } => None,
        });
        let before = before.unwrap_or(first_red);
        match self.attempts.as_slice() {
            [.., Attempt::Tried { red: one, .. }, Attempt::Tried { red: two, .. }] => {
                one.is_superset(before) && two.is_superset(before)
            }
            [.., Attempt::Refused { why: one }, Attempt::Refused { why: two }] => one == two,
            _ => false,
        }
    }

    /// What the next prompt says of the attempts; empty when there were none.
    pub fn told(&self, size: Size) -> String {
        match size {
            Size::Small => self.told_shortly(),
            Size::Large => self.told_in_full(),
        }
    }

    /// The edits alone: a small model takes what else it reads for the task.
    fn told_shortly(&self) -> String {
        let edit = |a: &Attempt| match a {
            Attempt::Tried { diff, .. } => Some(one_edit(diff)),
            Attempt::Refused { .. } => None,
        };
        let mut edits: Vec<String> = self.tried.iter().rev().filter_map(edit).take(SHORTLY).collect();
        edits.reverse();
        if edits.is_empty() {
            return String::new();
        }
        format!("## Edits that did not help\n{}\nDo something else than that.\n\n", edits.join("\n"))
    }

    fn told_in_full(&self) -> String {
        if self.attempts.is_empty() {
            return String::new();
        }
        let mut out = String::from("## What was tried and did not help\n");
        let n = self.attempts.len();
        for (i, attempt) in self.attempts.iter().enumerate() {
            let full = i + IN_FULL >= n;
            match attempt {
                Attempt::Refused { why } if full => out.push_str(&format!("- refused: {}\n", clip(why, OUTPUT_BYTES))),
                Attempt::Tried { diff, red, output } if full => out.push_str(&format!(
                    "- this edit left {} red:\n{}\n  now the tests say:\n{}\n",
                    red.len(),
                    clip(diff, DIFF_BYTES).trim_end(),
                    clip(output, OUTPUT_BYTES).trim_end()
                )),
                Attempt::Refused { why } => {
                    out.push_str(&format!("- refused: {}\n", clip(why.lines().next().unwrap_or_default(), 120)))
                }
                Attempt::Tried { diff, .. } => out.push_str(&format!("- did not help: {}\n", one_edit(diff))),
            }
        }
        out.push_str("Do something else than that.\n\n");
        out
    }
}

/// The changed lines of a diff in one line.
fn one_edit(diff: &str) -> String {
    let changed = |l: &&str| l.starts_with(['+', '-']) && !l.starts_with("+++") && !l.starts_with("---");
    let lines: Vec<&str> = diff.lines().filter(changed).map(str::trim_end).collect();
    clip(&lines.join(" ⏎ "), 240).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> BTreeSet<TestId> {
        names.iter().map(|n| TestId((*n).to_owned())).collect()
    }

    fn tried(red: &[&str]) -> Attempt {
        Attempt::Tried { diff: "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n".into(), red: ids(red), output: "assert".into() }
    }

    #[test]
    fn two_attempts_that_change_nothing_in_the_failing_set_are_a_stall() {
        let first = ids(&["a", "b"]);
        let stalled = |attempts: Vec<Attempt>| History { attempts, ..History::default() }.is_stalled(&first);
        let refused = || Attempt::Refused { why: "no block".into() };
        assert!(!stalled(vec![]) && !stalled(vec![tried(&["a", "b"])]));
        assert!(stalled(vec![tried(&["a", "b"]), tried(&["a", "b", "c"])]));
        assert!(stalled(vec![refused(), refused()]));
        assert!(!stalled(vec![refused(), Attempt::Refused { why: "no such file".into() }]), "another mistake");
        assert!(!stalled(vec![refused(), tried(&["a", "b"])]), "the form is right now");
        assert!(!stalled(vec![tried(&["a", "b"]), tried(&["a"])]), "one turned green");
        assert!(!stalled(vec![tried(&["a", "b"]), tried(&["b", "c"])]), "the set is another one");
        assert!(stalled(vec![tried(&["a"]), tried(&["a"]), tried(&["a", "c"])]));
    }

    #[test]
    fn several_readings_of_one_answer_are_one_attempt_and_all_of_them_are_remembered() {
        let first = ids(&["a", "b"]);
        let mut history = History::default();
        let refused = || Attempt::Refused { why: "this edit was tried before".into() };
        history.answered(vec![tried(&["a", "b"]), refused(), tried(&["a"]), tried(&["a", "b"])]);
        assert_eq!(history.attempts, [tried(&["a"])], "the best of them");
        assert_eq!(history.tried.len(), 3);
        let mut history = History::default();
        history.answered(vec![tried(&["a", "b"]), tried(&["a", "b"])]);
        assert!(!history.is_stalled(&first), "asked once");
        history.answered(vec![refused(), refused()]);
        assert_eq!(history.attempts.len(), 2);
        history.answered(vec![]);
        assert_eq!(history.attempts.len(), 2, "what turned green is no attempt that failed");
    }

    #[test]
    fn the_retry_is_told_what_was_tried_and_older_attempts_in_one_line() {
        let mut history = History::default();
        assert_eq!(history.told(Size::Large), "");
        history.answered(vec![tried(&["a"])]);
        history.answered(vec![Attempt::Refused { why: "SEARCH is not in the file".into() }]);
        history.answered(vec![tried(&["a"])]);
        let told = history.told(Size::Large);
        assert!(told.contains("- did not help: -x ⏎ +y\n"), "{told}");
        let short = history.told(Size::Small);
        assert!(short.contains("-x ⏎ +y\n-x ⏎ +y\n") && !short.contains("assert"), "{short}");
        assert!(told.contains("- refused: SEARCH") && told.contains("now the tests say:\nassert"), "{told}");
    }

    #[test]
    fn an_identical_candidate_is_tried_once_even_after_a_fresh_start() {
        let mut history = History::default();
        assert!(history.is_new("h".into()));
        history.start_afresh();
        assert!(!history.is_new("h".into()));
    }
}
