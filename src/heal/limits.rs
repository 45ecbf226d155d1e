//! How long one run of the suite may take in a heal, and how much of its log is kept.

use std::time::Duration;

use crate::heal::Healing;
use crate::lab::{Limits, Patience};
use crate::suite::Run;
use crate::words::End;

impl Healing<'_> {
    /// Limits for one full run, from how long the red one took.
    pub(super) fn limits(&self, red: &Run) -> Limits {
        let config = &self.request.config;
        let time = if red.end == End::TimedOut && config.run_time_limit.is_none() {
            limit_after_hang(red.duration)
        } else {
            config.limit_of_run(red.duration)
        };
        self.limits_of(time, Some(red))
    }

    /// The same with this much time.
    pub(super) fn limits_of(&self, time: Duration, red: Option<&Run>) -> Limits {
        let patience = Patience::of(&self.request.config, red);
        Limits { time, log_cap_bytes: self.log_cap(), background: false, patience }
    }

    /// The limit for the first run, of which nothing is known: the judge will run everything `repeat` times more, so a
    /// suite that takes longer than its share of all the time can't be healed in it anyway.
    pub(super) fn first_run_limit(&self) -> Duration {
        let config = &self.request.config;
        config.run_time_limit.unwrap_or(config.time_limit / (1 + config.repeat.max(1)))
    }

    pub(super) fn log_cap(&self) -> u64 {
        self.request.config.log_cap_bytes
    }
}

/// A run with a hanging test says nothing of how long a sound one takes, only that it was cut: half of that is given to
/// the next ones, since several of them have to fit into the time that is left.
fn limit_after_hang(cut: Duration) -> Duration {
    (cut / 2).max(SHORTEST_AFTER_HANG).min(cut)
}

/// Starting a test runner on a busy machine takes seconds.
const SHORTEST_AFTER_HANG: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_hang_runs_get_half_of_what_was_cut() {
        let s = Duration::from_secs;
        assert_eq!(limit_after_hang(s(60)), s(30));
        assert_eq!(limit_after_hang(s(16)), s(10));
        assert_eq!(limit_after_hang(s(4)), s(4));
    }
}
