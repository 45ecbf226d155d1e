//! What an account may ask of free models: so many requests a minute and a day, planned for instead of run into.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Requests for free models, for the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// In any sixty seconds.
    pub per_minute: u32,
    /// On one day (UTC).
    pub per_day: u64,
}

/// OpenRouter's limits for models whose name ends in `:free` (openrouter.ai/docs/api-reference/limits): 20 a minute; 50 a day
/// for accounts that never bought credit for ten dollars, 1,000 for the others.
const PER_MINUTE: u32 = 20;
const PER_DAY_WITHOUT_CREDIT: u64 = 50;
const PER_DAY_WITH_CREDIT: u64 = 1000;

impl Quota {
    /// From the answer of OpenRouter's key endpoint; the smaller quota where it does not say.
    pub fn of_key(answer: &Value) -> Self {
        let bought = answer["data"]["is_free_tier"] == Value::Bool(false);
        let per_day = if bought { PER_DAY_WITH_CREDIT } else { PER_DAY_WITHOUT_CREDIT };
        Self { per_minute: PER_MINUTE, per_day }
    }
}

/// The requests of the last minute.
#[derive(Debug, Clone, Default)]
pub struct Minute {
    sent: VecDeque<Instant>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Minute {
    /// Takes a place at `now`, or says how long to wait for one.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&mut self, now: Instant, per_minute: u32) -> Result<(), Duration> {
        while self.sent.front().is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE) {
            self.sent.pop_front();
        }
        if self.sent.len() < usize::try_from(per_minute).unwrap_or(usize::MAX) {
            self.sent.push_back(now);
            return Ok(());
        }
        let first = self.sent.front().copied().unwrap_or(now);
        Err(MINUTE.saturating_sub(now.saturating_duration_since(first)).max(Duration::from_millis(1)))
    }
}

impl Minute {
    /// The place that was taken at `at` is not needed: nothing was sent.
    pub fn give_back(&mut self, at: Instant) {
        if let Some(place) = self.sent.iter().rposition(|sent| *sent == at) {
            self.sent.remove(place);
        }
    }
}

/// The day of `now` in UTC, and when the next one begins.
pub fn day(now: jiff::Timestamp) -> (String, String) {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let next = today.tomorrow().map_or_else(|_| "tomorrow".to_owned(), |d| format!("{d}T00:00:00Z"));
    (today.to_string(), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_key_endpoint_says_which_quota_the_account_has() {
        let of = |free: Value| Quota::of_key(&json!({"data": {"is_free_tier": free}})).per_day;
        assert_eq!((of(json!(true)), of(json!(false)), of(Value::Null)), (50, 1000, 50));
        assert_eq!(Quota::of_key(&json!("nonsense")), Quota { per_minute: 20, per_day: 50 });
    }

    #[test]
    fn no_sixty_seconds_see_more_than_the_quota() {
        let (start, mut minute) = (Instant::now(), Minute::default());
        let mut sent: Vec<Duration> = Vec::new();
        let mut at = Duration::ZERO;
        while sent.len() < 100 {
            match minute.take(start + at, 20) {
                Ok(()) => sent.push(at),
                Err(wait) => {
                    assert!(wait <= MINUTE && wait > Duration::ZERO);
                    at += wait;
                }
            }
        }
        for window in sent.windows(21) {
            assert!(window[20] - window[0] >= MINUTE);
        }
        assert_eq!(sent[99], MINUTE * 4, "and no time is lost");
    }

    #[test]
    fn a_place_that_is_given_back_can_be_taken_again() {
        let (now, mut minute) = (Instant::now(), Minute::default());
        minute.take(now, 1).unwrap();
        assert!(minute.take(now, 1).is_err());
        minute.give_back(now);
        minute.give_back(now);
        minute.take(now, 1).unwrap();
    }

    #[test]
    fn the_quota_comes_back_at_midnight_utc() {
        let now = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(day(now), ("2026-12-31".to_owned(), "2027-01-01T00:00:00Z".to_owned()));
    }
}
