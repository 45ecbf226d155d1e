//! Single flight: identical calls at one time make one request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::error::{Error, Kind, Result};

/// How a flight ended, for those who waited for it.
type Landing = Option<std::result::Result<String, (Kind, String)>>;
type Slot = Arc<AsyncMutex<Landing>>;

/// The calls under way, by key.
#[derive(Default)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<String, (Slot, usize)>>>,
}

/// What joining a flight gave.
pub(super) enum Joined {
    /// Somebody else's call ended while we waited.
    Landed(Result<String>),
    /// We make the call.
    Lead(Seat),
}

/// The right to make the call. Dropped without [`Seat::land`] (cancelled), the next who waits gets it.
pub(super) struct Seat {
    landing: OwnedMutexGuard<Landing>,
    _place: Place,
}

/// Counts who is interested in a key; the last one out removes it.
struct Place {
    key: String,
    under_way: Arc<Mutex<HashMap<String, (Slot, usize)>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, interested)) = under_way.get_mut(&self.key) {
            *interested -= 1;
            if *interested == 0 {
                under_way.remove(&self.key);
            }
        }
    }
}

impl Flights {
    /// Waits for a call under way with this key, or gets the seat to make it.
    pub(super) async fn join(&self, key: &str) -> Joined {
        let (slot, place) = self.enter(key);
        let landing = slot.lock_owned().await;
        match landing.as_ref() {
            Some(Ok(text)) => Joined::Landed(Ok(text.clone())),
            Some(Err((kind, what))) => {
                Joined::Landed(Err(Error::new(*kind, what.clone()).why("the same call was under way, and ended so")))
            }
            None => Joined::Lead(Seat { landing, _place: place }),
        }
    }

    fn enter(&self, key: &str) -> (Slot, Place) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, interested) = under_way.entry(key.to_owned()).or_default();
        *interested += 1;
        (slot.clone(), Place { key: key.to_owned(), under_way: self.under_way.clone() })
    }
}

impl Seat {
    /// Tells everybody who waits.
    pub(super) fn land(mut self, outcome: std::result::Result<String, &Error>) {
        *self.landing = Some(outcome.map_err(|error| (error.kind(), error.to_string())));
    }
}
