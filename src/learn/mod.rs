//! What is learned from trajectories: figures over many runs, patterns that come back, and changes that replaying recorded
//! runs shows to help. Nothing is run and nobody is asked here.

pub mod paired;
pub mod patterns;
pub mod retro;
pub mod stats;

use crate::trajectory::Entry;

/// One run of kaizen-ci, as its log tells it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its name.
    pub id: String,
    /// When it began.
    pub began: jiff::Timestamp,
    /// Its events, in order.
    pub entries: Vec<Entry>,
}
