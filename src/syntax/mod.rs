//! Syntax trees: one parser set for the fixers, the tamper guard and the suspects.

pub mod functions;
pub mod language;
pub mod regions;
