//! One finding of the lint: the rule, the place, the words, and what to write instead.

use serde::{Deserialize, Serialize};

/// How bad it is. An error stops the gate whatever the scores are; a warning lowers a score; a note is for the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look.
    Note,
    /// Lowers a score.
    Warning,
    /// Stops the gate.
    Error,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// The three things that are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// One reading only.
    Clarity,
    /// Nothing is missing.
    Completeness,
    /// One can see whether it holds.
    Testability,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Dimension; 3] = [Dimension::Clarity, Dimension::Completeness, Dimension::Testability];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Clarity => "clarity",
            Dimension::Completeness => "completeness",
            Dimension::Testability => "testability",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it makes worse.
    pub dimension: Dimension,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column behind the last character.
    pub end_column: usize,
    /// Heading of the section; empty before the first one.
    pub section: String,
    /// Which section, from 0.
    pub section_index: usize,
    /// The words that it is about, as they stand there; at most 120 characters.
    pub quote: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
}
