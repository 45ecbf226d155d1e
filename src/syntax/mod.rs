//! Syntax trees: one parser set for the fixers, the tamper guard and the suspects.

pub mod language;
