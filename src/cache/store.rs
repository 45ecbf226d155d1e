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
    /// Removes everything, counters too; returns how many entries.
    ///
    /// # Errors
    /// When it can't be written.
    fn clear(&self) -> Result<u64>;
}
