//! The failure: what is red, who is to blame, its fingerprint, the suspects, and the part of the log that matters.

pub mod blame;
pub mod excerpt;
pub mod fingerprint;
pub mod suspects;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::suite::TestId;

pub use crate::words::{Blame, Suspect};

/// Everything known about a red run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// The red tests.
    pub red: BTreeSet<TestId>,
    /// Survives line numbers, paths, addresses, times and colours; 16 hexadecimal digits.
    pub fingerprint: String,
    /// Most suspicious first.
    pub suspects: Vec<Suspect>,
    /// The part of the log that matters, at most a few hundred lines.
    pub excerpt: String,
    /// Normalised failure messages by test.
    pub messages: std::collections::BTreeMap<TestId, String>,
}
