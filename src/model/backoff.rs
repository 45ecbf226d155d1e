//! How long to wait before asking again: exponential with jitter, and exactly `Retry-After` where the server says it.

use std::time::{Duration, SystemTime};

use super::trouble::{Consequence, Trouble};

/// Requests for one turn to one model.
pub const MOST_REQUESTS: u32 = 4;
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(20);

/// What comes after a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait this long, then ask the same again.
    Wait(Duration),
    /// Don't ask this model again for this turn.
    GiveUp,
}

/// After request number `sent` (from 1) failed with `trouble`, with `left` of the turn's time, and `jitter` from 0 to 1.
pub fn next(trouble: &Trouble, sent: u32, left: Duration, jitter: f64) -> Next {
    if trouble.consequence() != Consequence::Again || sent >= MOST_REQUESTS {
        return Next::GiveUp;
    }
    let wait = match trouble.after() {
        Some(after) => after,
        None => {
            let ceiling = FIRST.saturating_mul(1 << (sent - 1).min(16)).min(LONGEST);
            // half fixed, half random: many callers spread, none comes at once
            ceiling.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
        }
    };
    if wait < left { Next::Wait(wait) } else { Next::GiveUp }
}

/// A model that failed a turn in a way that passes is left alone this long at first, then twice as long each time.
const PAUSE: Duration = Duration::from_secs(5);
/// After so many pauses it is left alone for the rest of the run.
const MOST_PAUSES: u32 = 5;

/// How long a model is left alone whose tries of a turn all ended with `trouble`, after `pauses` earlier ones. None: for the
/// rest of the run.
pub fn pause(trouble: &Trouble, pauses: u32) -> Option<Duration> {
    if !trouble.passes() || pauses >= MOST_PAUSES {
        return None;
    }
    let longer = 1 << pauses;
    // what the server says was obeyed, and did not help: a little more each time
    let said = trouble.after().map(|after| after.max(PAUSE.mul_f64(0.2).saturating_mul(longer)));
    Some(said.unwrap_or_else(|| PAUSE.saturating_mul(longer)))
}

/// `Retry-After-Ms`, which some send beside `Retry-After` because it is more exact.
pub fn retry_after_ms(text: &str) -> Option<Duration> {
    let ms = text.trim().parse::<f64>().ok().filter(|ms| (0.0..1e12).contains(ms))?;
    Some(Duration::from_secs_f64(ms / 1000.0))
}

/// `Retry-After`: seconds, or a date. What can't be read is nothing; the past is now.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (0.0..1e9).contains(&seconds).then(|| Duration::from_secs_f64(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let date = SystemTime::from(date);
    Some(date.duration_since(now).unwrap_or_default())
}

/// `X-RateLimit-Reset` as OpenRouter sends it: milliseconds since 1970. Smaller numbers mean something else at other
/// providers, and are nothing.
pub fn reset(text: &str, now: SystemTime) -> Option<Duration> {
    let ms = text.trim().parse::<u64>().ok().filter(|ms| *ms > 1_000_000_000_000)?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms))?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn retry_after_is_obeyed_exactly_or_not_waited_for_at_all() {
        let limited = |s| Trouble::RateLimited { after: Some(Duration::from_secs(s)) };
        assert_eq!(next(&limited(7), 1, MINUTE, 0.9), Next::Wait(Duration::from_secs(7)));
        assert_eq!(next(&limited(61), 1, MINUTE, 0.0), Next::GiveUp);
        let down = Trouble::ServerFailed { status: 503, after: Some(Duration::from_secs(3)) };
        assert_eq!(next(&down, 1, MINUTE, 0.0), Next::Wait(Duration::from_secs(3)));
    }

    #[test]
    fn a_model_is_left_for_a_while_after_what_passes_and_for_the_run_after_what_does_not() {
        let limited = |after: Option<u64>| Trouble::RateLimited { after: after.map(Duration::from_secs) };
        let seconds = |trouble: &Trouble, pauses| pause(trouble, pauses).map(|p| p.as_secs());
        for (trouble, pauses, left) in [
            (limited(None), 0, Some(5)),
            (limited(None), 2, Some(20)),
            (limited(None), MOST_PAUSES, None),
            (limited(Some(300)), 0, Some(300)),
            (limited(Some(0)), 1, Some(2)),
            (Trouble::Reset, 1, Some(10)),
            (Trouble::ServerFailed { status: 500, after: None }, 0, Some(5)),
            (Trouble::Gone, 0, None),
            (Trouble::OutOfCredit, 0, None),
            (Trouble::Unreachable, 0, Some(5)),
            (Trouble::TimedOut, 0, Some(5)),
            (Trouble::Stalled, 2, Some(20)),
            (Trouble::TimedOut, MOST_PAUSES, None),
        ] {
            assert_eq!(seconds(&trouble, pauses), left, "{trouble} {pauses}");
        }
    }

    #[test]
    fn what_can_not_get_better_is_not_asked_again() {
        for trouble in [Trouble::Gone, Trouble::OutOfCredit, Trouble::Redirected, Trouble::Empty, Trouble::TooLarge] {
            assert_eq!(next(&trouble, 1, MINUTE, 0.5), Next::GiveUp, "{trouble}");
        }
        assert_eq!(next(&Trouble::Reset, MOST_REQUESTS, MINUTE, 0.5), Next::GiveUp);
        for late in [Trouble::TimedOut, Trouble::Stalled] {
            assert_eq!(next(&late, 1, MINUTE, 0.5), Next::GiveUp, "{late}: it rests first");
        }
        let refused = next(&Trouble::Unreachable, 1, MINUTE, 1.0);
        assert_eq!(refused, Next::Wait(FIRST), "a connection that is refused may be taken a moment later");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        let read = |text| retry_after(text, now);
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Wed, 21 Oct 2015 07:27:30 GMT"), Some(Duration::ZERO));
        for wrong in ["", "-1", "soon", "inf", "NaN", "1e99"] {
            assert_eq!((read(wrong), retry_after_ms(wrong)), (None, None), "{wrong}");
        }
        assert_eq!(retry_after_ms(" 1250.5 "), Some(Duration::from_micros(1_250_500)));
    }

    #[test]
    fn the_reset_of_a_quota_is_a_time_in_milliseconds_or_nothing() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(reset("1800000005000", now), Some(Duration::from_secs(5)));
        assert_eq!(reset("1700000000000", now), Some(Duration::ZERO));
        assert_eq!((reset("60", now), reset("soon", now)), (None, None));
    }

    proptest! {
        #[test]
        fn waiting_grows_stays_bounded_and_fits_the_time_left(sent in 1u32..4, left in 0u64..100, jitter in 0.0f64..1.0) {
            let left = Duration::from_secs(left);
            match next(&Trouble::ServerFailed { status: 500, after: None }, sent, left, jitter) {
                Next::Wait(wait) => prop_assert!(wait < left && wait <= LONGEST && wait >= FIRST / 2),
                Next::GiveUp => prop_assert!(left <= LONGEST),
            }
        }
    }
}
