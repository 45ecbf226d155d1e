//! The PRD loop: a lint by rules alone (the same text has the same findings and scores, always), reviews by models, and a
//! writer of another model who may not invent.

#[cfg(test)]
#[path = "tests/changes.rs"]
mod changes_tests;
pub mod claims;
pub mod document;
pub mod finding;
#[cfg(test)]
#[path = "tests/fuzz.rs"]
mod fuzz_tests;
pub mod gate;
pub mod guard;
pub mod history;
pub mod identifiers;
pub mod improve;
#[cfg(test)]
#[path = "tests/improve.rs"]
mod improve_tests;
pub mod outcome;
pub mod parts;
pub mod review;
pub mod rules;
pub mod score;
pub mod sentences;
#[cfg(test)]
mod tests;
pub mod writer;

use serde::{Deserialize, Serialize};

pub use document::Document;
pub use finding::{Dimension, Finding, Severity};
pub use gate::Gate;
pub use score::{Scores, SectionScore};

/// Everything that the lint says of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Lint {
    /// In the order of the text.
    pub findings: Vec<Finding>,
    /// Of the whole document.
    pub scores: Scores,
    /// By section, in the order of the text.
    pub sections: Vec<SectionScore>,
}

/// Lints `text`. `exists` says whether the target of a relative link is there; the text decides nothing else.
pub fn lint(text: &str, exists: &dyn Fn(&str) -> bool) -> Lint {
    let document = Document::new(text);
    let findings = rules::check(&document, exists);
    let (scores, sections) = score::score(&document, &findings);
    // all of them weigh, and nobody reads more than so many
    Lint { findings: rules::told(findings), scores, sections }
}
