//! The deterministic part of the scores: how much of the text the findings weigh on, by section and whole.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::prd::document::Document;
use crate::prd::finding::{Dimension, Finding, Severity};

/// Scores from 0 (bad) to 1 (nothing to say against it), with three digits, and the words that cost most.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Scores {
    /// One reading only.
    pub clarity: f64,
    /// Nothing is missing.
    pub completeness: f64,
    /// One can see whether it holds.
    pub testability: f64,
    /// What lowered them, the worst first, at most [`EVIDENCE_MOST`] per dimension.
    pub evidence: Vec<Evidence>,
}

/// Words that lowered a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Which score.
    pub dimension: Dimension,
    /// Which rule.
    pub rule: String,
    /// Line, from 1.
    pub line: usize,
    /// The words.
    pub quote: String,
}

/// A section's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SectionScore {
    /// Its heading; empty before the first one.
    pub title: String,
    /// Line of the heading, from 1.
    pub line: usize,
    /// SHA-256 of its text: the same text keeps its scores.
    pub hash: String,
    /// How many requirements it states.
    pub requirements: usize,
    /// Its scores.
    pub scores: Scores,
}

/// People read three, scripts read `findings`.
pub const EVIDENCE_MOST: usize = 5;

/// An error weighs a whole sentence, a warning half of one.
fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Error => 1.0,
        Severity::Warning => 0.5,
        Severity::Note => 0.0,
    }
}

impl Scores {
    /// The score of a dimension.
    pub fn of(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::Clarity => self.clarity,
            Dimension::Completeness => self.completeness,
            Dimension::Testability => self.testability,
        }
    }

    fn from(findings: &[&Finding], units: impl Fn(Dimension) -> f64) -> Self {
        let score = |dimension: Dimension| {
            let weighs: f64 = findings.iter().filter(|f| f.dimension == dimension).map(|f| weight(f.severity)).sum();
            ((1.0 - weighs / units(dimension).max(1.0)).clamp(0.0, 1.0) * 1000.0).round() / 1000.0
        };
        let evidence = Dimension::ALL.into_iter().flat_map(|dimension| {
            let mut of: Vec<&&Finding> =
                findings.iter().filter(|f| f.dimension == dimension && f.severity > Severity::Note).collect();
            of.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.line, f.column));
            of.into_iter().take(EVIDENCE_MOST).map(move |f| Evidence {
                dimension,
                rule: f.rule.clone(),
                line: f.line,
                quote: f.quote.clone(),
            })
        });
        Self {
            clarity: score(Dimension::Clarity),
            completeness: score(Dimension::Completeness),
            testability: score(Dimension::Testability),
            evidence: evidence.collect(),
        }
    }
}

/// What the findings in `range` weigh against: sentences that bind for clarity, requirements for testability, and both
/// requirements and headings for completeness.
fn units(document: &Document<'_>, range: &Range<usize>, dimension: Dimension) -> f64 {
    let within = |at: &Range<usize>| range.contains(&at.start);
    let requirements = document.requirements().filter(|block| within(&block.range));
    let count = match dimension {
        Dimension::Clarity => {
            let binding: usize = requirements.map(|block| block.sentences.len()).sum();
            let all: usize = document.blocks.iter().filter(|b| within(&b.range)).map(|b| b.sentences.len()).sum();
            // prose around requirements is read too, but a long introduction does not make them clearer
            binding.max(all.min(4))
        }
        Dimension::Testability => requirements.filter(|block| !block.continues).count(),
        Dimension::Completeness => {
            requirements.count() + document.sections.iter().filter(|section| within(&section.range)).count()
        }
    };
    #[allow(clippy::cast_precision_loss, reason = "a document has fewer than 2^52 sentences")]
    let count = count as f64;
    count
}

/// The scores of the whole document and of its sections.
pub fn score(document: &Document<'_>, findings: &[Finding]) -> (Scores, Vec<SectionScore>) {
    let all: Vec<&Finding> = findings.iter().collect();
    let whole = 0..document.text.len() + 1;
    let mut scores = Scores::from(&all, |dimension| units(document, &whole, dimension));
    let requires = document.requirements().next().is_some()
        || document.cells.iter().any(|cell| crate::prd::sentences::has_shall(document.source(&cell.range)));
    if !requires {
        // nothing is asked for, so nothing can be tested
        scores.testability = 0.0;
    }
    if document.blocks.is_empty() && document.cells.is_empty() {
        // there is nothing that could be clear
        (scores.clarity, scores.completeness) = (0.0, 0.0);
    }
    let sections = document.sections.iter().enumerate().map(|(at, section)| {
        let own: Vec<&Finding> = findings.iter().filter(|finding| finding.section_index == at).collect();
        SectionScore {
            title: section.title.clone(),
            line: document.position(section.range.start).0,
            hash: hex::encode(Sha256::digest(document.source(&section.range).as_bytes())),
            requirements: document.requirements().filter(|block| block.section == at).count(),
            scores: Scores::from(&own, |dimension| units(document, &section.range, dimension)),
        }
    });
    (scores, sections.collect())
}
