//! Tokens of one run of a loop: the most that a turn can take is reserved before it is asked, so that no cap is ever passed.

use std::sync::{Mutex, PoisonError};

/// What is left.
#[derive(Debug)]
pub struct Purse {
    cap: u64,
    taken: Mutex<u64>,
}

impl Purse {
    /// Nothing taken yet.
    pub fn new(cap: u64) -> Self {
        Self { cap, taken: Mutex::new(0) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut u64) -> T) -> T {
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tokens that are not taken.
    pub fn left(&self) -> u64 {
        self.cap - self.with(|taken| *taken).min(self.cap)
    }

    /// Takes `worst` out; no when they are not in it.
    pub fn reserve(&self, worst: u64) -> bool {
        self.with(|taken| {
            let fits = taken.checked_add(worst).is_some_and(|sum| sum <= self.cap);
            *taken += if fits { worst } else { 0 };
            fits
        })
    }

    /// `worst` were reserved and `actual` needed. A server that counts more than was allowed is believed.
    pub fn settle(&self, worst: u64, actual: u64) {
        self.with(|taken| *taken = taken.saturating_sub(worst).saturating_add(actual));
    }

    /// Tokens that were taken.
    pub fn taken(&self) -> u64 {
        self.with(|taken| *taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_reserved_and_what_was_not_needed_comes_back() {
        let purse = Purse::new(100);
        assert!(purse.reserve(60) && !purse.reserve(60) && purse.reserve(40));
        purse.settle(60, 10);
        assert_eq!((purse.left(), purse.taken()), (50, 50));
        assert!(!purse.reserve(u64::MAX));
    }
}
