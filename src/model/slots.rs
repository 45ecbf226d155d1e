//! How many turns run at the same time at one server or account: additive increase while it answers well, multiplicative
//! decrease when it says that it is too much, or when more at once brings nothing. A crate that limits a rate (`governor`) does not
//! fit: it keeps a rate that is known beforehand, while this number is learned from refusals and throughput.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::catalog::Tier;
use super::trouble::Trouble;
use super::waiting::{Line, Ticket};

/// The most for one account of a cloud, however well it answers.
const MOST_CLOUD: f64 = 32.0;
/// After 429 or a failure of the server.
const CUT: f64 = 0.5;
/// After answers that come much slower than they did.
const SLOWER: f64 = 0.8;
/// An answer whose tokens take this many times as long as the best ones says that the server is full.
const MUCH_SLOWER: f64 = 2.5;
/// One turn more at once has to bring this much more in all, or it is not worth having.
const LEAST_GAIN: f64 = 1.08;

/// So much of a slot comes back with every turn that went well on this machine.
const AGAIN: f64 = 0.1;
/// The same where nobody knows yet what more would bring.
const FIRST: f64 = 0.5;
/// The most for a server on this machine that does not say how many it has.
const MOST_UNKNOWN: f64 = 8.0;

/// How a turn went, as far as the cap is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// An answer: wall time for each of its tokens.
    Answered {
        /// Milliseconds.
        ms_per_token: f64,
    },
    /// 429, or the server failed.
    TooMuch,
    /// It says nothing about the server: cancelled, refused, gone.
    Nothing,
}

/// The cap: values in, value out.
#[derive(Debug, Clone, PartialEq)]
pub struct Cap {
    limit: f64,
    most: f64,
    local: bool,
    /// The best milliseconds per token so far.
    best_ms: Option<f64>,
    /// Tokens per millisecond of all turns together, by how many ran: the best seen.
    rate: Vec<f64>,
}

impl Cap {
    /// For a server on this machine with so many slots, or for an account of a cloud that may be asked so often at first.
    pub fn new(slots: usize, local: bool) -> Self {
        let limit = slots.max(1) as f64;
        Self { limit, most: if local { limit } else { MOST_CLOUD.max(limit) }, local, best_ms: None, rate: Vec::new() }
    }

    /// Turns that may run now, at least one.
    pub fn limit(&self) -> usize {
        // a float of at most a few dozens
        self.limit.floor().max(1.0) as usize
    }

    /// Learns from a turn that ran beside others, `running` in all.
    pub fn learn(&mut self, seen: Seen, running: usize) {
        match seen {
            Seen::Nothing => {}
            Seen::TooMuch => self.limit = (self.limit * CUT).max(1.0),
            Seen::Answered { ms_per_token } if ms_per_token.is_finite() && ms_per_token > 0.0 => {
                let best = self.best_ms.map_or(ms_per_token, |b| b.min(ms_per_token));
                self.best_ms = Some(best);
                if self.local {
                    self.weigh(ms_per_token, running.max(1));
                } else if ms_per_token > best * MUCH_SLOWER {
                    self.limit = (self.limit * SLOWER).max(1.0);
                } else if running + 1 >= self.limit() {
                    // only who uses all of it learns that more would do
                    self.limit = (self.limit + 1.0 / self.limit).min(self.most);
                }
            }
            Seen::Answered { .. } => {}
        }
    }

    /// For a server on this machine that does not say how many turns it runs at the same time: one at first, and as many more
    /// as throughput shows to be worth it.
    pub fn unknown() -> Self {
        Self { most: MOST_UNKNOWN, ..Self::new(1, true) }
    }

    /// On this machine all turns share the same processors: more at once is worth it while all together get faster.
    fn weigh(&mut self, ms_per_token: f64, running: usize) {
        let rate = running as f64 / ms_per_token;
        if self.rate.len() < running {
            self.rate.resize(running, 0.0);
        }
        let slot = &mut self.rate[running - 1];
        *slot = if *slot == 0.0 { rate } else { 0.7 * *slot + 0.3 * rate };
        let fewer = self.rate[..running - 1].iter().copied().fold(0.0, f64::max);
        if fewer > 0.0 && self.rate[running - 1] < fewer * LEAST_GAIN {
            self.limit = (running as f64 - 1.0).clamp(1.0, self.most);
        } else if running >= self.limit() {
            // only who uses all of it learns that more would do; one look may have been unlucky: after a while it is tried
            // again
            let seen = self.rate.get(running).is_some_and(|more| *more > 0.0);
            self.limit = (self.limit + if seen { AGAIN } else { FIRST }).min(self.most);
        }
    }
}

#[derive(Debug)]
struct State {
    cap: Cap,
    running: usize,
    line: Line,
}

/// The slots of one server or account.
#[derive(Debug)]
pub struct Slots {
    state: Mutex<State>,
    freed: Notify,
    /// Until then the server wants nothing to be sent for models of that tier: what is given away has limits of its own.
    held: Mutex<BTreeMap<Tier, Instant>>,
}

/// The right to run one turn. Given back when dropped.
#[derive(Debug)]
pub struct Slot<'a> {
    slots: &'a Slots,
    who: String,
    began: Instant,
    /// How many ran when it began, itself included.
    running: usize,
}

/// A place in the line, given up when dropped.
struct Place<'a> {
    slots: &'a Slots,
    ticket: Ticket,
}

impl Slots {
    /// All free.
    pub fn new(cap: Cap) -> Self {
        let state = State { cap, running: 0, line: Line::default() };
        Self { state: Mutex::new(state), freed: Notify::new(), held: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_enter(&self, place: &Place<'_>, who: &str) -> Option<Slot<'_>> {
        let mut state = self.state();
        if state.running >= state.cap.limit() || state.line.first() != Some(place.ticket) {
            return None;
        }
        state.running += 1;
        Some(Slot { slots: self, who: who.to_owned(), began: Instant::now(), running: state.running })
    }

    /// Waits until a turn of `who` may run; of all who wait, whoever had the least time so far goes first.
    pub async fn enter(&self, who: &str) -> Slot<'_> {
        let place = Place { slots: self, ticket: self.state().line.join(who) };
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_enter(&place, who) {
                return slot;
            }
            freed.await;
        }
    }

    /// The server said to somebody that it wants to be left alone for so long: nobody sends before that.
    pub fn hold(&self, tier: Tier, after: Duration) {
        let Some(until) = Instant::now().checked_add(after) else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = held.entry(tier).or_insert(until);
        *now = (*now).max(until);
    }

    /// Waits until something may be sent for models of `tier`. Dropping the future is cancelling it.
    ///
    /// # Errors
    /// When that is not within `patience`, at once.
    pub async fn wait_out(&self, tier: Tier, patience: Duration) -> Result<(), Trouble> {
        let last = Instant::now() + patience;
        loop {
            let until = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&tier).copied();
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return Ok(()) };
            if until >= last {
                return Err(Trouble::RateLimited { after: Some(until - Instant::now()) });
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Learns how a turn went; the new cap when it changed.
    pub fn learn(&self, slot: &Slot<'_>, seen: Seen) -> Option<usize> {
        let mut state = self.state();
        let before = state.cap.limit();
        let running = slot.running.max(state.running);
        state.cap.learn(seen, running);
        let now = state.cap.limit();
        if now > before {
            self.freed.notify_waiters();
        }
        (now != before).then_some(now)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        state.running -= 1;
        state.line.used(&self.who, self.began.elapsed());
        drop(state);
        // who waits looks again: the cap may have changed meanwhile
        self.slots.freed.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slots.state().line.leave(self.ticket);
        // there may be room for the next one
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FINE: Seen = Seen::Answered { ms_per_token: 10.0 };

    #[test]
    fn a_cloud_is_asked_more_at_once_while_it_answers_well_and_half_as_much_after_429() {
        let mut cap = Cap::new(4, false);
        for _ in 0..40 {
            let running = cap.limit();
            cap.learn(FINE, running);
        }
        let high = cap.limit();
        assert!(high >= 8, "{high}");
        cap.learn(Seen::TooMuch, high);
        assert_eq!(cap.limit(), high / 2);
        cap.learn(Seen::Answered { ms_per_token: 60.0 }, 4);
        assert!(cap.limit() < high / 2, "rising latency");
        let idle = cap.clone();
        cap.learn(FINE, 1);
        assert_eq!(cap, idle, "one turn alone says nothing about more");
    }

    #[test]
    fn a_local_server_runs_as_many_as_make_it_faster_in_all_and_never_more_than_its_slots() {
        let mut shared = Cap::new(4, true);
        // two at once take twice as long: nothing is gained
        shared.learn(Seen::Answered { ms_per_token: 100.0 }, 1);
        shared.learn(Seen::Answered { ms_per_token: 200.0 }, 2);
        assert_eq!(shared.limit(), 1);
        let mut wide = Cap::new(4, true);
        for running in 1..=4 {
            wide.learn(Seen::Answered { ms_per_token: 100.0 }, running);
        }
        assert_eq!(wide.limit(), 4);
    }

    #[test]
    fn a_local_server_that_does_not_say_its_slots_is_asked_more_at_once_while_that_brings_more() {
        // one token takes as long beside others as alone: every turn more is a gain
        let mut batching = Cap::unknown();
        assert_eq!(batching.limit(), 1);
        let mut turns = 0;
        while batching.limit() < 4 {
            let running = batching.limit();
            batching.learn(Seen::Answered { ms_per_token: 20.0 }, running);
            turns += 1;
            assert!(turns <= 12, "{turns} turns");
        }
        for _ in 0..100 {
            let running = batching.limit();
            batching.learn(Seen::Answered { ms_per_token: 20.0 }, running);
        }
        assert_eq!(batching.limit(), 8);
        // all share one processor: two at once take twice as long, and now and then that is looked at again
        let mut queueing = Cap::unknown();
        let mut at_two = 0;
        for _ in 0..100 {
            let running = queueing.limit();
            at_two += usize::from(running == 2);
            assert!(running <= 2, "{running}");
            queueing.learn(Seen::Answered { ms_per_token: 20.0 * running as f64 }, running);
        }
        assert!(at_two <= 12, "{at_two} of 100 turns");
        // whoever is asked one by one never learns anything about more
        let mut idle = Cap::unknown();
        for _ in 0..100 {
            idle.learn(Seen::Answered { ms_per_token: 20.0 }, 1);
        }
        assert_eq!(idle.limit(), 2);
    }

    #[tokio::test]
    async fn never_more_turns_than_the_cap_and_everybody_gets_a_turn() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let slots = Slots::new(Cap::new(3, true));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = || async {
            let _slot = slots.enter("minimal").await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        };
        futures::future::join_all((0..40).map(|_| one())).await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn short_questions_get_as_much_of_a_server_as_long_ones() {
        let slots = Slots::new(Cap::new(1, true));
        let asks = |who: &'static str, ms: u64| {
            let slots = &slots;
            async move {
                let mut turns = 0;
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(600) {
                    let _slot = slots.enter(who).await;
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    turns += 1;
                }
                turns
            }
        };
        let (short, long, _) = tokio::join!(asks("minimal", 4), asks("contract", 24), async {
            // who gives up holds nobody up
            let _ = tokio::time::timeout(Duration::from_millis(1), slots.enter("stepwise")).await;
        });
        assert!(short >= 3 * long && long >= 4, "{short} {long}");
    }

    #[tokio::test]
    async fn what_a_server_said_to_one_holds_all_of_that_tier_until_the_latest_time_it_named() {
        let slots = Slots::new(Cap::new(3, false));
        let began = Instant::now();
        slots.hold(Tier::Free, Duration::from_millis(600));
        slots.hold(Tier::Free, Duration::from_millis(200));
        slots.wait_out(Tier::Paid, Duration::from_millis(1)).await.unwrap();
        let error = slots.wait_out(Tier::Free, Duration::from_millis(100)).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(500), "said at once: {:?}", began.elapsed());
        assert!(error.after().unwrap() > Duration::from_millis(100), "{error:?}");
        slots.wait_out(Tier::Free, Duration::from_secs(9)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn the_cap_stays_within_its_bounds(start in 1usize..6, local: bool, seen in prop::collection::vec((0u8..3, 0.0f64..1e6, 1usize..40), 0..60)) {
            let mut cap = Cap::new(start, local);
            for (kind, ms, running) in seen {
                let seen = [Seen::Nothing, Seen::TooMuch, Seen::Answered { ms_per_token: ms }][usize::from(kind)];
                cap.learn(seen, running);
                let most = if local { start } else { 32 };
                prop_assert!((1..=most).contains(&cap.limit()));
            }
        }
    }
}
