//! The search: workers take the best candidate from the queue, try it, and remember what it did.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::edits::Project;
use super::probe::{Ask, Change, Probe, Probed};
use super::queue::{Next, Queue, Try};
use crate::error::Result;
use crate::fixer::Desk;
use crate::trajectory::Event;

/// A candidate that turned everything green.
#[derive(Debug, Clone)]
pub struct Green {
    /// What it does.
    pub what: Try,
    /// The files that it changes.
    pub changes: Vec<Change>,
}

/// A candidate that did not.
#[derive(Debug, Clone)]
pub struct Miss {
    /// What it does.
    pub what: Try,
    /// Tests still red with it.
    pub still_red: BTreeSet<usize>,
    /// Tests that it broke.
    pub broke: usize,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Everything was tried.
    Exhausted,
    /// Green candidates were found, and rivals looked for long enough.
    Enough,
    /// No time is left.
    OutOfTime,
    /// Cancelled from outside.
    Cancelled,
    /// The probe does not answer any more.
    Broken,
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// Why it ended.
    pub stop: Stop,
    /// Green candidates in the order in which they were found.
    pub greens: Vec<Green>,
    /// The closest misses, nearest first.
    pub closest: Vec<Miss>,
    /// Candidates tried.
    pub tried: u64,
    /// Wall time.
    pub took: Duration,
}

/// After the first green candidate the search goes on for at least so long.
const LEAST_LOOK: Duration = Duration::from_secs(2);
/// And for this share of the time that it took so far.
const LOOK_SHARE: f64 = 0.3;
/// But never longer than this; a fourth of it when many were tried.
const MOST_LOOK: Duration = Duration::from_secs(40);
/// Nor longer than this part of all the time that the search has.
const LOOK_PART: f64 = 0.15;
/// While better-than-this candidates (relative to the first green one) wait, it goes on three to eight times as long.
const COMPARABLE: f64 = 0.15;
/// While comparable ones wait, at least so many are tried after the first green one, as far as time allows.
const LEAST_RIVALS: u64 = 200;
/// No more green candidates than this are compared.
const MOST_GREENS: usize = 40;
/// So many misses are kept.
const MOST_CLOSEST: usize = 5;
/// So many candidates share the first build.
const FIRST_GROUP: usize = 6;
/// Progress is told this often at most.
const TELL_EVERY: Duration = Duration::from_millis(250);

struct State {
    queue: Queue,
    greens: Vec<Green>,
    closest: Vec<Miss>,
    tried: u64,
    running: usize,
    /// When the first green candidate was found, and how many were tried by then.
    first_green: Option<(Duration, u64)>,
    broken: usize,
    told: Instant,
}

/// One search over one project with one probe.
pub struct Search<'a> {
    desk: &'a Desk,
    project: &'a Project,
    probe: &'a dyn Probe,
    /// Told of the closest misses whenever one comes closer than all before.
    near: &'a (dyn Fn(&[Miss]) + Sync),
    began: Instant,
    limit: Duration,
    state: Mutex<State>,
}

impl<'a> Search<'a> {
    /// A search of at most `limit`.
    pub fn new(
        desk: &'a Desk,
        project: &'a Project,
        probe: &'a dyn Probe,
        queue: Queue,
        limit: Duration,
        near: &'a (dyn Fn(&[Miss]) + Sync),
    ) -> Self {
        let began = Instant::now();
        let state = State {
            queue,
            greens: Vec::new(),
            closest: Vec::new(),
            tried: 0,
            running: 0,
            first_green: None,
            broken: 0,
            told: began,
        };
        Self { desk, project, probe, near, began, limit, state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches until there is a reason to stop.
    pub async fn run(self) -> Found {
        let workers = (0..self.probe.slots()).map(|slot| self.work(slot));
        let stops = tokio::select! {
            stops = futures::future::join_all(workers) => stops,
            () = self.desk.cancel.cancelled() => vec![Stop::Cancelled],
            () = tokio::time::sleep(self.limit) => vec![Stop::OutOfTime],
        };
        let stop = stops.iter().copied().find(|s| *s != Stop::Exhausted).unwrap_or(Stop::Exhausted);
        let took = self.began.elapsed();
        self.tell(true);
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stop = if stop != Stop::Cancelled && !state.greens.is_empty() { Stop::Enough } else { stop };
        Found { stop, greens: state.greens, closest: state.closest, tried: state.tried, took }
    }

    async fn work(&self, slot: usize) -> Stop {
        loop {
            if self.began.elapsed() >= self.limit {
                return Stop::OutOfTime;
            }
            {
                let mut state = self.state();
                if self.has_enough(&mut state) {
                    return Stop::Enough;
                }
                if state.broken > 5 {
                    return Stop::Broken;
                }
                state.running += 1;
            }
            let group = self.gather().await;
            let is_dry = group.is_empty();
            if !is_dry {
                self.try_group(slot, group).await;
            }
            let running = {
                let mut state = self.state();
                state.running -= 1;
                state.running
            };
            if is_dry && running == 0 {
                return Stop::Exhausted;
            }
            if is_dry {
                // what others are trying may come again
                tokio::time::sleep(Duration::from_millis(20)).await;
            } else {
                self.tell(false);
            }
        }
    }

    /// What is tried next: one candidate, or as many as share a build. The first groups are small: the best candidates
    /// are tried first, and may be all that is needed. Between steps the search can be stopped.
    async fn gather(&self) -> Vec<Try> {
        let mut group = Vec::new();
        while self.take(&mut self.state(), &mut group) {
            tokio::task::yield_now().await;
        }
        group
    }

    /// Adds to `group`; true: it is not complete, and more has to be read.
    fn take(&self, state: &mut State, group: &mut Vec<Try>) -> bool {
        let most = self.probe.batch().min(FIRST_GROUP + usize::try_from(state.tried / 2).unwrap_or(usize::MAX));
        while group.len() < most {
            let what = match state.queue.step(self.project) {
                Next::Try(what) => what,
                Next::More => return true,
                Next::Nothing => return false,
            };
            let is_alone = what.patient;
            if is_alone && !group.is_empty() {
                state.queue.put_back(what);
                return false;
            }
            group.push(what);
            if is_alone {
                return false;
            }
        }
        false
    }

    async fn try_group(&self, slot: usize, group: Vec<Try>) {
        if group.len() == 1 {
            for what in group {
                self.try_one(slot, what).await;
            }
            return;
        }
        let (group, changes): (Vec<Try>, Vec<Vec<Change>>) = group
            .into_iter()
            .map(|what| (what.changes(self.project), what))
            .filter(|(changes, _)| !changes.is_empty())
            .map(|(changes, what)| (what, changes))
            .unzip();
        let answers = self.probe.probe_many(slot, self.project, &changes).await;
        for ((what, changes), answer) in group.into_iter().zip(changes).zip(answers) {
            self.take_answer(slot, what, changes, answer).await;
        }
    }

    /// Rivals were looked for long enough.
    fn has_enough(&self, state: &mut State) -> bool {
        let Some((first, tried)) = state.first_green else { return false };
        if state.greens.len() >= MOST_GREENS {
            return true;
        }
        let best = state.greens.iter().map(|g| g.what.priority).fold(0.0, f64::max);
        let next = state.queue.peek(self.project).unwrap_or(0.0);
        let comparable = next >= best * COMPARABLE && !state.queue.is_pairing();
        let now = self.began.elapsed();
        // who gave little time wants an answer more than the last rival
        now.saturating_sub(first) >= self.limit.mul_f64(LOOK_PART)
            || looked_enough(first, now, state.tried - tried, comparable)
    }

    async fn try_one(&self, slot: usize, what: Try) {
        let changes = what.changes(self.project);
        if changes.is_empty() {
            return;
        }
        let ask = if what.patient { Ask::Patient } else { Ask::Quick };
        let answer = self.ask(slot, &changes, ask).await;
        self.take_answer(slot, what, changes, answer).await;
    }

    /// Remembers what became of a candidate; one that turned the red tests green has to pass all of them.
    async fn take_answer(&self, slot: usize, what: Try, changes: Vec<Change>, answer: Result<Probed>) {
        let mut probed = match answer {
            Ok(probed) => probed,
            Err(error) => {
                tracing::debug!(%error, "probe failed");
                self.state().broken += 1;
                return;
            }
        };
        if probed.is_green() {
            match self.ask(slot, &changes, Ask::Whole).await {
                Ok(whole) => probed = whole,
                Err(_) => return,
            }
        }
        self.remember(what, changes, probed);
    }

    async fn ask(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Probed> {
        self.probe.probe(slot, changes, ask).await
    }

    fn remember(&self, what: Try, changes: Vec<Change>, probed: Probed) {
        let mut state = self.state();
        state.tried += u64::from(!what.patient);
        state.broken = 0;
        state.queue.built(&what, !probed.unbuildable);
        if probed.is_green() {
            let elapsed = self.began.elapsed();
            let tried = state.tried;
            state.first_green.get_or_insert((elapsed, tried));
            state.greens.push(Green { what, changes });
            return;
        }
        let red = &self.probe.roster().red;
        let healed: BTreeSet<usize> = red.iter().copied().filter(|n| !probed.still_red.contains(n)).collect();
        if !healed.is_empty() && !probed.unbuildable {
            state.queue.progress(&what, healed);
            let miss = Miss { what: what.clone(), still_red: probed.still_red, broke: probed.broke.len() };
            if keep_closest(&mut state.closest, miss) {
                (self.near)(&state.closest);
            }
        }
        if probed.timed_out {
            state.queue.again(what);
        }
    }

    fn tell(&self, last: bool) {
        let mut state = self.state();
        if !last && state.told.elapsed() < TELL_EVERY {
            return;
        }
        state.told = Instant::now();
        let all = self.probe.roster().red.len();
        let best = match (state.greens.is_empty(), state.closest.first()) {
            (false, _) => Some(0),
            (true, Some(miss)) => Some(miss.still_red.len()),
            (true, None) => None,
        };
        let rate = state.tried as f64 / self.began.elapsed().as_secs_f64().max(0.01);
        let closest = match best {
            Some(0) if !state.greens.is_empty() => format!("{} green", state.greens.len()),
            best => format!("closest: {} of {all} red", best.unwrap_or(all)),
        };
        let text = format!("{} tried · {rate:.0}/s · {closest}", state.tried);
        self.desk.recorder.record(Event::FixerProgress {
            fixer: self.desk.fixer.to_owned(),
            text,
            tried: state.tried,
            best_red: best,
        });
    }
}

/// Rivals were looked for long enough: `first` is when the first green candidate was found, `now` the time since the
/// start, `since` how many were tried after it, `comparable`: what comes next is about as promising as what is green.
pub fn looked_enough(first: Duration, now: Duration, since: u64, comparable: bool) -> bool {
    let look = LEAST_LOOK.max(first.mul_f64(LOOK_SHARE));
    let looked = now.saturating_sub(first);
    if !comparable {
        return looked >= look;
    }
    // a busy machine tries few in a time that is plenty on an idle one
    looked >= (look * 8).min(MOST_LOOK) || looked >= (look * 3).min(MOST_LOOK / 4) && since >= LEAST_RIVALS
}

/// Keeps the nearest misses: fewest red tests, then fewest broken, then most promising. True: it is nearer than all others.
fn keep_closest(closest: &mut Vec<Miss>, miss: Miss) -> bool {
    let far = |m: &Miss| (m.still_red.len() + m.broke, m.broke);
    let is_nearest = closest.first().is_none_or(|first| far(&miss) < far(first));
    closest.push(miss);
    closest.sort_by(|a, b| far(a).cmp(&far(b)).then(b.what.priority.total_cmp(&a.what.priority)));
    closest.truncate(MOST_CLOSEST);
    is_nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_goes_on_for_rivals_but_not_for_long() {
        let s = Duration::from_secs_f64;
        assert!(!looked_enough(s(1.0), s(2.9), 500, false));
        assert!(looked_enough(s(1.0), s(3.0), 0, false));
        assert!(!looked_enough(s(1.0), s(6.9), 500, true));
        assert!(looked_enough(s(1.0), s(7.0), 200, true));
        assert!(!looked_enough(s(1.0), s(7.0), 10, true), "few were tried: the machine is busy");
        assert!(looked_enough(s(1.0), s(17.0), 10, true), "but not for ever");
        assert!(!looked_enough(s(20.0), s(25.0), 500, false));
        assert!(looked_enough(s(80.0), s(90.0), 200, true), "many were tried in ten seconds");
        assert!(looked_enough(s(80.0), s(120.0), 10, true), "not as long again as the search took");
        assert!(looked_enough(s(20.0), s(26.0), 0, false));
    }
}
