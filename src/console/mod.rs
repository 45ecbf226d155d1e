//! The terminal: live progress and results, made from events; the only place that prints.

pub mod style;
mod terminal;

pub use terminal::{Captured, Terminal};
