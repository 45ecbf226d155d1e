//! How the scores went, round by round: a small table and a line of bars.

use serde::{Deserialize, Serialize};

use crate::prd::finding::Dimension;
use crate::prd::gate::Passed;
use crate::prd::review::Three;

/// The scores after one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Row {
    /// From 0: as it was found.
    pub round: u32,
    /// Of the whole document.
    pub scores: Three,
    /// What passed.
    pub passed: Passed,
    /// Sections that were rewritten for the next round.
    pub rewritten: usize,
    /// Findings of the lint.
    pub findings: usize,
}

/// Eighths of a full bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `▃▅▇` for scores from 0 to 1.
pub fn sparkline(scores: impl IntoIterator<Item = f64>) -> String {
    scores
        .into_iter()
        .map(|score| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
            let at = (score.clamp(0.0, 1.0) * 7.0).round() as usize;
            BARS[at.min(7)]
        })
        .collect()
}

/// One line a dimension: name, bars, first and last score.
pub fn lines(history: &[Row]) -> Vec<(Dimension, String, f64, f64)> {
    Dimension::ALL
        .into_iter()
        .filter_map(|dimension| {
            let of = |row: &Row| row.scores.of(dimension);
            let bars = sparkline(history.iter().map(of));
            Some((dimension, bars, of(history.first()?), of(history.last()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_scores() {
        assert_eq!(sparkline([0.0, 0.5, 1.0]), "▁▅█");
        assert_eq!(sparkline([-1.0, 2.0, f64::NAN]), "▁█▁");
        assert_eq!(sparkline([]), "");
    }
}
