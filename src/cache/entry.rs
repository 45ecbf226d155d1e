//! An answer as it is kept, how long it is good for, and what was saved by it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where the model runs and what it costs: decides how long an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Free or local models: 12 hours.
    Short,
    /// Paid models: 48 hours.
    Long,
}

impl Keep {
    /// How long an answer may be served.
    pub fn time_to_live(self) -> Duration {
        const HOUR_S: u64 = 60 * 60;
        match self {
            Keep::Short => Duration::from_secs(12 * HOUR_S),
            Keep::Long => Duration::from_secs(48 * HOUR_S),
        }
    }
}

/// What an answer cost, and so what serving it again saves.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Prompt and answer, in tokens.
    pub tokens: u64,
    /// In millionths of a dollar.
    pub micro_dollars: u64,
}

/// An answer to keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer itself.
    pub text: String,
    /// What it cost.
    pub cost: Cost,
    /// How long it is good for.
    pub keep: Keep,
}

/// A kept answer, as stores hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Hash of the whole key.
    pub exact: String,
    /// Hash of everything but the question.
    pub scope: String,
    /// Digest or id of the model.
    pub model: String,
    /// The question, where similar ones may be answered.
    pub question: Option<String>,
    /// Its unit vector.
    #[serde(skip)]
    pub vector: Vec<f32>,
    /// The answer.
    pub answer: String,
    /// What it cost.
    pub cost: Cost,
    /// When it was written, milliseconds since 1970.
    pub written_ms: i64,
    /// Not served from here on, milliseconds since 1970.
    pub until_ms: i64,
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// What happened to look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Served: the key was equal.
    Exact,
    /// Served: the question was similar, everything else equal.
    Semantic,
    /// A question was near enough, and the guard refused it.
    Refused,
    /// Nothing to serve.
    Miss,
}

/// Counters of a store since it was made or cleared.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Exact hits.
    pub exact: u64,
    /// Semantic hits.
    pub semantic: u64,
    /// Misses because the guard refused.
    pub refused: u64,
    /// Other misses.
    pub miss: u64,
    /// What hits saved.
    pub saved: Cost,
    /// Entries that may still be served.
    pub entries: u64,
    /// Entries whose time is over.
    pub expired: u64,
}

/// A vector as bytes: little-endian f32.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The vector back; bytes of another length are no vector.
pub fn of_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let vector: Vec<f32> = chunks.iter().map(|c| f32::from_le_bytes(*c)).collect();
    (rest.is_empty() && vector.iter().all(|x| x.is_finite())).then_some(vector)
}
