//! The gate: do the scores pass? With hysteresis, so that what has not changed does not change sides.

use serde::{Deserialize, Serialize};

use crate::prd::Lint;
use crate::prd::finding::{Dimension, Severity};

/// When a score passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    /// From here on a score passes, 0 to 1.
    pub threshold: f64,
}

/// How far below the threshold a score that passed may fall before it fails. Three digits are shown; one weak word more in
/// a document of thirty sentences is 0.017.
pub const MARGIN: f64 = 0.03;

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Passed {
    /// One reading only.
    pub clarity: bool,
    /// Nothing is missing.
    pub completeness: bool,
    /// One can see whether it holds.
    pub testability: bool,
    /// No finding is an error.
    pub no_errors: bool,
}

impl Passed {
    /// Everything.
    pub fn all(self) -> bool {
        self.clarity && self.completeness && self.testability && self.no_errors
    }
    /// One dimension.
    pub fn of(self, dimension: Dimension) -> bool {
        match dimension {
            Dimension::Clarity => self.clarity,
            Dimension::Completeness => self.completeness,
            Dimension::Testability => self.testability,
        }
    }
}

impl Gate {
    /// Does a score pass, given what it did before?
    pub fn passes(self, score: f64, before: Option<bool>) -> bool {
        match before {
            Some(true) => score >= self.threshold - MARGIN,
            Some(false) | None => score >= self.threshold,
        }
    }

    /// All of `lint`, given what was said before.
    pub fn decide(self, lint: &Lint, before: Option<Passed>) -> Passed {
        let passes = |dimension| self.passes(lint.scores.of(dimension), before.map(|before| before.of(dimension)));
        Passed {
            clarity: passes(Dimension::Clarity),
            completeness: passes(Dimension::Completeness),
            testability: passes(Dimension::Testability),
            no_errors: lint.findings.iter().all(|finding| finding.severity < Severity::Error),
        }
    }
}

/// Gives sections whose text is as it was their earlier scores, and the whole too when nothing has changed. Returns whether
/// nothing has.
pub fn settle(lint: &mut Lint, before: &Lint) -> bool {
    for section in &mut lint.sections {
        let same = |old: &&crate::prd::SectionScore| old.hash == section.hash && old.title == section.title;
        if let Some(old) = before.sections.iter().find(same) {
            section.scores = old.scores.clone();
        }
    }
    let hashes = |lint: &Lint| lint.sections.iter().map(|section| section.hash.clone()).collect::<Vec<_>>();
    let unchanged = hashes(lint) == hashes(before);
    if unchanged {
        lint.scores = before.scores.clone();
    }
    unchanged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_passed_fails_only_clearly_below_the_threshold() {
        let gate = Gate { threshold: 0.8 };
        for (score, before, passes) in [
            (0.8, None, true),
            (0.799, None, false),
            (0.799, Some(true), true),
            (0.77, Some(true), true),
            (0.76, Some(true), false),
            (0.799, Some(false), false),
            (0.8, Some(false), true),
        ] {
            assert_eq!(gate.passes(score, before), passes, "{score} {before:?}");
        }
    }

    #[test]
    fn unchanged_text_keeps_its_scores_whatever_the_rules_say_now() {
        let text = "# Goal\n\nSave time.\n\n# Requirements\n\n- REQ-1: The shop shall be fast.\n";
        let mut before = crate::prd::lint(text, &|_| true);
        before.scores.clarity = 0.123;
        before.sections[1].scores.testability = 0.456;
        let mut now = crate::prd::lint(text, &|_| true);
        assert!(settle(&mut now, &before));
        assert_eq!((now.scores.clarity, now.sections[1].scores.testability), (0.123, 0.456));
        let changed = text.replace("fast", "blue");
        let mut now = crate::prd::lint(&changed, &|_| true);
        assert!(!settle(&mut now, &before));
        assert_ne!(now.scores.clarity, 0.123);
        assert_eq!(now.sections[1].scores.testability, 0.456, "the section *Goal* is as it was");
    }

    proptest! {
        #[test]
        fn a_noise_smaller_than_the_margin_flips_the_gate_at_most_once(scores in prop::collection::vec(0.786..0.814_f64, 1..40)) {
            let gate = Gate { threshold: 0.8 };
            let (mut before, mut flips) = (None, 0);
            for score in scores {
                let now = gate.passes(score, before);
                flips += usize::from(before.is_some_and(|before| before != now));
                before = Some(now);
            }
            prop_assert!(flips <= 1);
        }
    }
}
