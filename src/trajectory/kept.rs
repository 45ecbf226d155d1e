//! A sink that keeps everything: reports, the supervisor and tests look at it while the run goes on, and when it is over.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Entry, Event, Recorder, Sink};

/// What was recorded so far. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Entry>>>);

impl Kept {
    /// The entries, in order.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The events alone.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|entry| entry.event.clone()).collect()
    }

    /// A recorder that does nothing else.
    pub fn recorder(&self) -> Recorder {
        Recorder::new("r", vec![Box::new(self.clone())])
    }
}

impl Sink for Kept {
    fn take(&mut self, entry: &Entry) {
        // Progress is for the moment: a long run has thousands of such events, and nobody looks back at them.
        if !matches!(entry.event, Event::FixerProgress { .. }) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        }
    }
}
