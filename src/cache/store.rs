//! What a store of answers can do. SQLite for one machine, PostgreSQL for a team.

use crate::cache::entry::{Cost, Counters, Entry, Event};
use crate::error::Result;

/// A question of a scope, with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Names the entry.
    pub exact: String,
    /// The question.
    pub question: String,
    /// Its unit vector.
    pub vector: Vec<f32>,
    /// Not served from here on, milliseconds since 1970.
    pub until_ms: i64,
}

/// A question that the store itself found to be near.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Names the entry.
    pub exact: String,
    /// The question.
    pub question: String,
    /// To the question asked.
    pub cosine: f32,
}

/// One request that wants to be in the day's budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayAsk {
    /// The day in UTC, `2026-11-25`.
    pub day: String,
    /// Its worst case, in billionths of a dollar.
    pub nanos: u64,
    /// What the day may cost; none: no limit.
    pub most_nanos: Option<u64>,
    /// How many requests the day may see; none: no limit.
    pub most_requests: Option<u64>,
}

impl DayAsk {
    /// Why it is not in the day's budget, of which `nanos` and `requests` are spent or reserved.
    pub fn over(&self, nanos: u64, requests: u64) -> Option<String> {
        if let Some(most) = self.most_requests.filter(|most| requests >= *most) {
            return Some(format!("{most} requests of {} are spent", self.day));
        }
        let most = self.most_nanos.filter(|most| nanos.saturating_add(self.nanos) > *most)?;
        let dollars = |nanos: u64| format!("${}.{:02}", nanos / 1_000_000_000, nanos / 10_000_000 % 100);
        Some(format!("{} of {}'s {} are spent", dollars(nanos), self.day, dollars(most)))
    }
}

/// Keeps answers. Blocking: call it from a thread that may block.
pub trait Store: Send + Sync {
    /// The entry of this key that may be served at `now_ms`.
    ///
    /// # Errors
    /// When the store can't be read.
    fn get(&self, exact: &str, now_ms: i64) -> Result<Option<Entry>>;
    /// Keeps an entry; replaces the one of the same key.
    ///
    /// # Errors
    /// When it can't be written.
    fn put(&self, entry: &Entry) -> Result<()>;
    /// Questions of `scope` that may be served at `now_ms` and were written after the store's own mark `after`; returns
    /// the new mark, so that the next call reads only what is new.
    ///
    /// # Errors
    /// When the store can't be read.
    fn questions(&self, scope: &str, after: i64, now_ms: i64) -> Result<(Vec<Near>, i64)>;
    /// The `most` nearest questions of `scope` to `vector` that may be served at `now_ms`, where the store has an index for
    /// vectors of this size; what it returns here is not among [`Store::questions`]. None: it has none.
    ///
    /// # Errors
    /// When the store can't be read.
    fn nearest(&self, scope: &str, vector: &[f32], most: usize, now_ms: i64) -> Result<Option<Vec<Neighbour>>> {
        let _ = (scope, vector, most, now_ms);
        Ok(None)
    }
    /// Counts what happened to a look-up.
    ///
    /// # Errors
    /// When it can't be written.
    fn count(&self, event: Event, saved: Cost) -> Result<()>;
    /// The counters.
    ///
    /// # Errors
    /// When the store can't be read.
    fn counters(&self, now_ms: i64) -> Result<Counters>;
    /// Every entry, oldest first, without vectors.
    ///
    /// # Errors
    /// When the store can't be read.
    fn export(&self, each: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()>;
    /// Removes what may not be served any more at `now_ms`; returns how many.
    ///
    /// # Errors
    /// When it can't be written.
    fn collect_garbage(&self, now_ms: i64) -> Result<u64>;
    /// Takes `ask` out of the day's budget, in one step for everybody who shares the store. `Some`: it is not in it, and why.
    ///
    /// # Errors
    /// When the store can't be read or written; then nothing was taken.
    fn reserve_day(&self, ask: &DayAsk) -> Result<Option<String>>;
    /// Gives back what a reservation of `day` did not need: `nanos` billionths of a dollar (less than none where more was billed
    /// than reserved), and `requests` that never left.
    ///
    /// # Errors
    /// When it can't be written; then the worst case counts as spent.
    fn settle_day(&self, day: &str, nanos: i64, requests: u64) -> Result<()>;
    /// Removes everything, counters too (not what days cost); returns how many entries.
    ///
    /// # Errors
    /// When it can't be written.
    fn clear(&self) -> Result<u64>;
}
