//! Answers that are kept: an exact cache for every turn, a semantic one behind a lexical guard for questions.
//!
//! The room knows nothing of turns: a [`Key`] is made of named parts. Trouble with the store is told once in the log and
//! switches the cache off; it never fails a heal.

pub mod calibrate;
pub mod embed;
pub mod entry;
mod flight;
pub mod guard;
mod index;
pub mod key;
mod postgres;
mod sqlite;
pub mod store;
pub mod thresholds;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;
pub use embed::{BuiltIn, Embedder};
pub use entry::{Answer, Cost, Counters, Entry, Event, Keep};
pub use key::Key;
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use store::{DayAsk, Store};

/// The environment variable that names a PostgreSQL server to share the cache.
pub const URL_VARIABLE: &str = "KAIZEN_CACHE_URL";

/// Where an answer came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Asked now.
    Asked,
    /// Another call with the same key was in flight: its answer.
    Shared,
    /// Kept: the key was equal.
    Exact,
    /// Kept: an answer to a similar question.
    Semantic {
        /// That question.
        question: String,
        /// Its cosine to the one asked.
        cosine: f32,
    },
}

/// An answer and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The answer.
    pub text: String,
    /// Where it came from.
    pub source: Source,
    /// What it had cost when it was asked; nothing where it was asked now, or is shared with who asks.
    pub saved: Cost,
}

/// The cache. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({})", if self.is_on() { "on" } else { "off" })
    }
}

struct Inner {
    store: Option<Box<dyn Store>>,
    embedder: Box<dyn Embedder>,
    threshold: f32,
    index: index::Scopes,
    flights: flight::Flights,
    broken: AtomicBool,
}

/// Opens the store that `url` names (PostgreSQL), else the one in `state_dir`.
///
/// # Errors
/// When it can't be opened; nothing in it was changed.
pub fn open_store(state_dir: &Path, url: Option<&str>) -> Result<Box<dyn Store>> {
    Ok(match url {
        Some(url) => Box::new(Postgres::open(url)?),
        None => Box::new(Sqlite::open(state_dir)?),
    })
}

impl Cache {
    /// A cache over `store`, with the embedder's own threshold.
    pub fn new(store: Box<dyn Store>, embedder: Box<dyn Embedder>) -> Self {
        let threshold = embedder.threshold();
        Self::over(Some(store), embedder, threshold)
    }

    /// No cache: identical calls in flight are still one request.
    pub fn off() -> Self {
        Self::over(None, Box::new(BuiltIn), 1.0)
    }

    /// The cache of `state_dir`, or of the team's server at `url`; off, with the reason, when its store can't be used.
    pub fn open(state_dir: &Path, url: Option<&str>) -> (Self, Option<crate::error::Error>) {
        Self::open_with(state_dir, url, Box::new(BuiltIn))
    }

    /// The same with another embedder. Its threshold is the one that was fitted to it here, else its own.
    pub fn open_with(
        state_dir: &Path,
        url: Option<&str>,
        embedder: Box<dyn Embedder>,
    ) -> (Self, Option<crate::error::Error>) {
        match open_store(state_dir, url) {
            Ok(store) => {
                let threshold = thresholds::of(state_dir, embedder.id()).unwrap_or_else(|| embedder.threshold());
                (Self::over(Some(store), embedder, threshold), None)
            }
            Err(error) => (Self::off(), Some(error)),
        }
    }

    fn over(store: Option<Box<dyn Store>>, embedder: Box<dyn Embedder>, threshold: f32) -> Self {
        let broken = AtomicBool::new(false);
        let (index, flights) = (index::Scopes::default(), flight::Flights::default());
        Self { inner: Arc::new(Inner { store, embedder, threshold, index, flights, broken }) }
    }

    /// Is there a store, and did it work so far?
    pub fn is_on(&self) -> bool {
        self.inner.store.is_some() && !self.inner.broken.load(Ordering::Relaxed)
    }

    /// The answer for `key`: kept, shared with a call in flight, or from `ask`. What `ask` answers is kept; its errors are
    /// not. When the call that asks is dropped, one that waits for it asks instead.
    ///
    /// # Errors
    /// Those of `ask`, only.
    pub async fn answer<F, A>(&self, key: &Key, ask: F) -> Result<Served>
    where
        F: FnOnce() -> A,
        A: Future<Output = Result<Answer>>,
    {
        let exact = key.exact();
        let seat = match self.inner.flights.join(&exact).await {
            flight::Joined::Landed(outcome) => {
                return outcome.map(|text| Served { text, source: Source::Shared, saved: Cost::default() });
            }
            flight::Joined::Lead(seat) => seat,
        };
        let (found, vector) = self.blocking(key, Inner::look_up).await.unwrap_or_default();
        if let Some(served) = found {
            seat.land(Ok(served.text.clone()));
            return Ok(served);
        }
        match ask().await {
            Err(error) => {
                seat.land(Err(&error));
                Err(error)
            }
            Ok(answer) => {
                let text = answer.text.clone();
                self.blocking(key, move |inner, store, key| inner.keep(store, key, answer, vector)).await;
                seat.land(Ok(text.clone()));
                Ok(Served { text, source: Source::Asked, saved: Cost::default() })
            }
        }
    }

    /// Takes `ask` out of the day's budget. `Some`: it is not in it, and why.
    ///
    /// # Errors
    /// When there is no store that could say: spending what nobody counts would be overspending.
    pub async fn reserve_day(&self, ask: DayAsk) -> Result<Option<String>> {
        self.day(move |store| store.reserve_day(&ask)).await
    }

    /// Gives back what a reservation of `day` did not need (less than none: takes more), and requests that never left.
    ///
    /// # Errors
    /// When it can't be written; then the worst case counts as spent.
    pub async fn settle_day(&self, day: String, nanos: i64, requests: u64) -> Result<()> {
        self.day(move |store| store.settle_day(&day, nanos, requests)).await
    }

    async fn day<T: Send + 'static>(&self, work: impl FnOnce(&dyn Store) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let missing = || crate::error::Error::environment("there is no store that counts what a day costs");
        let done = tokio::task::spawn_blocking(move || work(inner.store.as_deref().ok_or_else(missing)?));
        done.await.map_err(|e| crate::error::Error::internal("counting what a day costs panicked").source(e))?
    }

    /// Is something kept for `key`? Counts the look-up.
    pub fn look_up(&self, key: &Key) -> Option<Served> {
        let store = self.inner.store.as_deref()?;
        self.inner.watched(self.inner.look_up(store, key))?.0
    }

    /// Keeps an answer.
    pub fn keep(&self, key: &Key, answer: Answer) {
        if let Some(store) = self.inner.store.as_deref() {
            self.inner.watched(self.inner.keep(store, key, answer, None));
        }
    }

    /// Runs `work` with the store on a thread that may block; `None` when the cache is off or was in trouble.
    async fn blocking<T, W>(&self, key: &Key, work: W) -> Option<T>
    where
        T: Send + 'static,
        W: FnOnce(&Inner, &dyn Store, &Key) -> Result<T> + Send + 'static,
    {
        if !self.is_on() {
            return None;
        }
        let (inner, key) = (self.inner.clone(), key.clone());
        let done = tokio::task::spawn_blocking(move || {
            let store = inner.store.as_deref()?;
            inner.watched(work(&inner, store, &key))
        });
        done.await.ok().flatten()
    }
}

/// What a look-up found, and the question's vector if it was made.
type Found = (Option<Served>, Option<Vec<f32>>);

impl Inner {
    /// Trouble switches the cache off for this process: a heal goes on without it.
    fn watched<T>(&self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !self.broken.swap(true, Ordering::Relaxed) {
                    tracing::warn!("the cache is off from here on: {error}");
                }
                None
            }
        }
    }

    fn look_up(&self, store: &dyn Store, key: &Key) -> Result<Found> {
        let now_ms = entry::now_ms();
        if let Some(entry) = store.get(&key.exact(), now_ms)? {
            store.count(Event::Exact, entry.cost)?;
            return Ok((Some(Served { text: entry.answer, source: Source::Exact, saved: entry.cost }), None));
        }
        let Some(question) = key.question_text() else {
            store.count(Event::Miss, Cost::default())?;
            return Ok((None, None));
        };
        let vector = self.embedder.embed(question)?;
        let scope = key.scope(self.embedder.id());
        let near = self.index.nearest(store, &scope, &vector, self.threshold, now_ms)?;
        let mut event = Event::Miss;
        for candidate in near {
            if guard::check(&candidate.question, question).is_err() {
                event = Event::Refused;
                continue;
            }
            // the index may be older than the store
            if let Some(entry) = store.get(&candidate.exact, now_ms)? {
                store.count(Event::Semantic, entry.cost)?;
                let source = Source::Semantic { question: candidate.question, cosine: candidate.cosine };
                return Ok((Some(Served { text: entry.answer, source, saved: entry.cost }), Some(vector)));
            }
        }
        store.count(event, Cost::default())?;
        Ok((None, Some(vector)))
    }

    fn keep(&self, store: &dyn Store, key: &Key, answer: Answer, vector: Option<Vec<f32>>) -> Result<()> {
        let vector = match (vector, key.question_text()) {
            (Some(vector), _) => vector,
            (None, Some(question)) => self.embedder.embed(question)?,
            (None, None) => Vec::new(),
        };
        let written_ms = entry::now_ms();
        let live_ms = i64::try_from(answer.keep.time_to_live().as_millis()).unwrap_or(i64::MAX);
        store.put(&Entry {
            exact: key.exact(),
            scope: key.scope(self.embedder.id()),
            model: key.model().to_owned(),
            question: key.question_text().map(str::to_owned),
            vector,
            answer: answer.text,
            cost: answer.cost,
            written_ms,
            until_ms: written_ms.saturating_add(live_ms),
        })
    }
}

#[cfg(test)]
mod tests;
