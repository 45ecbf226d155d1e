//! What an account may ask of free models: so many requests a minute and a day, planned for instead of run into.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Requests for free models, for the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// In any sixty seconds.
    pub per_minute: u32,
    /// On one day (UTC).
    pub per_day: u64,
    /// What is left of today, whoever asked for the account; none where it does not say.
    pub left: Option<u64>,
}

/// OpenRouter's limits for models whose name ends in `:free` (openrouter.ai/docs/api-reference/limits): 20 a minute; 50 a day
/// for accounts that never bought credit for ten dollars, 1,000 for the others.
const PER_MINUTE: u32 = 20;
const PER_DAY_WITHOUT_CREDIT: u64 = 50;
const PER_DAY_WITH_CREDIT: u64 = 1000;

impl Quota {
    /// From the answer of OpenRouter's key endpoint: `free_model_daily_requests` where it has that
    /// (openrouter.ai/docs/client-sdks/typescript/models/freemodeldailyrequests), else by whether credit was bought; the smaller
    /// quota where it does not say.
    pub fn of_key(answer: &Value) -> Self {
        let account = &answer["data"];
        let bought = account["is_free_tier"] == Value::Bool(false);
        let usual = if bought { PER_DAY_WITH_CREDIT } else { PER_DAY_WITHOUT_CREDIT };
        let today = &account["free_model_daily_requests"];
        let per_day = today["limit"].as_u64().unwrap_or(usual);
        Self { per_minute: PER_MINUTE, per_day, left: today["remaining"].as_u64() }
    }
}

/// What an account may ask on one day, and what was sent since it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Today {
    /// As it was looked up.
    pub quota: Quota,
    day: String,
    sent: u64,
}

impl Today {
    /// Looked up just now, on `day`.
    pub fn new(quota: Quota, day: &str) -> Self {
        Self { quota, day: day.to_owned(), sent: 0 }
    }

    /// The day (UTC) that it is about.
    pub fn day(&self) -> &str {
        &self.day
    }

    /// Is one more request within what was left?
    pub fn has_room(&self) -> bool {
        self.quota.left.is_none_or(|left| self.sent < left)
    }

    /// One more was sent.
    pub fn sent(&mut self) {
        self.sent += 1;
    }
}

/// Under what the free requests of an account on `day` are counted: several accounts may share a store, and none of it says
/// what the key is.
pub fn name(provider: &str, key: Option<&str>, day: &str) -> String {
    let account = hex::encode(&Sha256::digest(key.unwrap_or_default())[..6]);
    format!("{provider} free {account} {day}")
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
        assert_eq!(Quota::of_key(&json!("nonsense")), Quota { per_minute: 20, per_day: 50, left: None });
        let said = json!({"used": 12, "limit": 200, "remaining": 188});
        let quota = Quota::of_key(&json!({"data": {"is_free_tier": true, "free_model_daily_requests": said}}));
        assert_eq!(quota, Quota { per_minute: 20, per_day: 200, left: Some(188) });
        let half = json!({"data": {"is_free_tier": false, "free_model_daily_requests": {"remaining": -1}}});
        assert_eq!(Quota::of_key(&half), Quota { per_minute: 20, per_day: 1000, left: None });
    }

    #[test]
    fn no_more_is_sent_than_was_left_when_it_was_looked_up() {
        for (left, room) in [(Some(0), 0), (Some(2), 2), (None, 9)] {
            let mut today = Today::new(Quota { left, ..Quota::of_key(&Value::Null) }, "2026-11-30");
            let sent = (0..9).take_while(|_| today.has_room().then(|| today.sent()).is_some()).count();
            assert_eq!(sent, room, "{left:?}");
        }
    }

    #[test]
    fn accounts_are_counted_apart_and_their_keys_are_nowhere() {
        let of = |key| name("openrouter", key, "2026-11-30");
        assert_ne!(of(Some("sk-or-v1-a")), of(Some("sk-or-v1-b")));
        assert_eq!(of(Some("sk-or-v1-a")), of(Some("sk-or-v1-a")));
        assert!(!of(Some("sk-or-v1-a")).contains("sk-or") && of(None).ends_with(" 2026-11-30"));
        assert_eq!(of(None).split(' ').nth(2).map(str::len), Some(12));
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
