//! When a request is sent again: rate limits, secondary limits, `retry-after`, bad gateways; pure, from status and headers.

use std::time::Duration;

/// How patient the client is. Times of tests are shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The least wait after a secondary limit that names no time. GitHub asks for a minute.
    pub secondary: Duration,
    /// The first wait after a bad gateway or a broken connection; doubled each time.
    pub first: Duration,
    /// The longest single wait; a limit that lasts longer is an error that says so.
    pub most: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// In about this time a write of somebody else has come through, whose reading was before ours.
    pub settle: Duration,
    /// The longest that one request may take to be answered.
    pub answer: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            secondary: Duration::from_secs(60),
            first: Duration::from_secs(1),
            most: Duration::from_secs(15 * 60),
            attempts: 5,
            settle: Duration::from_secs(1),
            answer: Duration::from_secs(60),
        }
    }
}

/// What came back, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen<'a> {
    /// The status; none when the connection broke or the answer was cut off.
    pub status: Option<u16>,
    /// `retry-after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, in seconds since 1970.
    pub reset_s: Option<u64>,
    /// The message of the answer.
    pub message: &'a str,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is an answer: good or bad, but one.
    Take,
    /// It was certainly not carried out: wait and send it again.
    Again(Duration),
    /// It may have been carried out: wait, look whether it was, and only then send it again.
    Look(Duration),
    /// No use.
    GiveUp(String),
}

/// Decides after attempt number `attempt` (from 1), at `now_s` seconds since 1970.
pub fn next(pace: Pace, seen: Seen<'_>, attempt: u32, now_s: u64) -> Next {
    let limited = match seen.status {
        Some(429) => true,
        Some(403) => {
            let message = seen.message.to_ascii_lowercase();
            seen.retry_after_s.is_some()
                || seen.remaining == Some(0)
                || message.contains("rate limit")
                || message.contains("abuse")
        }
        _ => false,
    };
    let unsure = match seen.status {
        None => true,
        Some(status) => status == 408 || status >= 500,
    };
    if !limited && !unsure {
        return Next::Take;
    }
    if attempt >= pace.attempts {
        return Next::GiveUp(format!("after {attempt} attempts"));
    }
    let backoff = pace.first.saturating_mul(1 << (attempt - 1).min(10)).min(pace.most);
    if unsure {
        let wait = seen.retry_after_s.map_or(backoff, Duration::from_secs);
        return bounded(pace, wait, Next::Look);
    }
    let wait = match (seen.retry_after_s, seen.remaining, seen.reset_s) {
        (Some(seconds), _, _) => Duration::from_secs(seconds),
        // One second more: clocks differ.
        (None, Some(0), Some(reset)) => Duration::from_secs(reset.saturating_sub(now_s) + 1),
        _ => pace.secondary.saturating_mul(1 << (attempt - 1).min(10)),
    };
    bounded(pace, wait, Next::Again)
}

fn bounded(pace: Pace, wait: Duration, next: impl FnOnce(Duration) -> Next) -> Next {
    match wait <= pace.most {
        true => next(wait),
        false => Next::GiveUp(format!("the limit lasts another {} s, longer than we wait", wait.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn limits_are_obeyed_and_only_what_is_unsure_is_looked_for() {
        let seen = |status: u16| Seen { status: Some(status), ..Seen::default() };
        for (what, seen, attempt, expected) in [
            ("an answer", seen(200), 1, Next::Take),
            ("a refusal", seen(404), 1, Next::Take),
            ("a real 403", Seen { message: "Resource not accessible by integration", ..seen(403) }, 1, Next::Take),
            ("429 with time", Seen { retry_after_s: Some(7), ..seen(429) }, 1, Next::Again(S(7))),
            ("429 without", seen(429), 1, Next::Again(S(60))),
            (
                "secondary",
                Seen { message: "You have exceeded a secondary rate limit", ..seen(403) },
                2,
                Next::Again(S(120)),
            ),
            ("spent", Seen { remaining: Some(0), reset_s: Some(1030), ..seen(403) }, 1, Next::Again(S(31))),
            ("502", seen(502), 1, Next::Look(S(1))),
            ("502 again", seen(502), 3, Next::Look(S(4))),
            ("cut off", Seen::default(), 1, Next::Look(S(1))),
        ] {
            assert_eq!(next(Pace::default(), seen, attempt, 1000), expected, "{what}");
        }
        assert!(matches!(next(Pace::default(), seen(502), 5, 0), Next::GiveUp(_)));
        let hours = Seen { remaining: Some(0), reset_s: Some(10_000), ..seen(429) };
        assert!(matches!(next(Pace::default(), hours, 1, 0), Next::GiveUp(why) if why.contains("10001 s")));
    }
}
