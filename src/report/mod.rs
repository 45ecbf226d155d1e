//! Reports: what people and scripts read when a run is over, made from events alone.
//!
//! [`Document::of`] folds the events into one versioned document; everything else is a rendering of it: `report.json`
//! (and `heal --json`), `report.md`, `report.html`, and the last screen of the terminal (in [`crate::console`]).

pub mod asked;
pub mod atif;
pub mod council;
pub mod diagnosis;
pub mod document;
pub mod escape;
mod fold;
pub mod html;
pub mod markdown;
pub mod numbers;
pub mod otlp;
pub mod prd;
pub mod sarif;
pub mod stats;
pub mod stuck;
pub mod timeline;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use document::{Document, Outcome};
pub use fold::{end_words, file_deltas, label_name, no_model_words, verdict_name, verdict_words};
pub use write::{Written, write};
