//! When fixers got nowhere the loop asks the supervisor, and makes the one change that it suggests: the red tests again and
//! again, or one more round of the fixers that ask models, in another way.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::fixer::model::retune::Retuned;
use crate::heal::change::{Next, Room};
use crate::heal::race::{RaceEnd, Stuck, Until, Winner};
use crate::heal::{Healing, triage};
use crate::judge::Docket;
use crate::model::catalog::Tier as ModelTier;
use crate::repo::Sha;
use crate::supervise::stall::{self, Rule};
use crate::supervise::{Advice, Asks, Book, Tier, watch};
use crate::trajectory::{Event, Loop, LoopEvent};
use crate::words::Blame;

/// Changes that are made at most in one run: one of each tier of the supervisor. What needs more is for a person.
const CHANGES_MOST: usize = 3;
/// A round takes a few turns and the tests with each.
const LEAST_ROUND: Duration = Duration::from_secs(3);
/// Turns in a row that say the same: three are a stall that may pass with the next question, six of them are all that
/// somebody has to say.
const STUCK_TURNS: usize = 6;
/// Triage runs red tests two or three times: a test that is green once in ten is found with so many.
const REPEATS: u32 = 8;

/// What the loop knows of its own stalls, and what was changed because of them.
#[derive(Debug, Default)]
pub(super) struct Overseen {
    book: Book,
    made: Vec<Advice>,
    /// How the next round asks.
    pub(super) retuned: Retuned,
    repeated: bool,
    /// No model is to be asked any more.
    pub(super) stopped: bool,
}

impl Overseen {
    /// The next round is as the first one, but for its samples.
    pub(super) fn start_afresh(&mut self) {
        self.retuned = Retuned { round: self.retuned.round + 1, ..Retuned::default() };
    }
}

/// What came of the supervisor's changes.
#[derive(Debug)]
pub(super) enum After {
    /// The judge let somebody's patch pass.
    Healed(Box<Winner>),
    /// All red tests passed when they were run again often enough.
    Flaky,
    /// Nothing, and nothing is left to be changed.
    Exhausted,
    /// Nothing, and the time is over.
    OutOfTime,
}

/// Asks no longer than there is time.
struct Within<'a> {
    asks: &'a dyn Asks,
    until: Instant,
}

impl Asks for Within<'_> {
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> BoxFuture<'a, std::result::Result<String, String>> {
        Box::pin(async move {
            let left = self.until.saturating_duration_since(Instant::now());
            let asked = tokio::time::timeout(left, self.asks.ask(tier, prompt)).await;
            asked.unwrap_or_else(|_| Err("there is no time left to ask".into()))
        })
    }
}

impl<'a> Healing<'a> {
    fn say(&self, event: LoopEvent) {
        self.recorder.record(Event::Loop(event));
    }

    /// Changes, one after the other, until one helps, none is left, or the time is over. What the supervisor says and can't
    /// be done is said too. Without models nothing is done.
    pub(super) async fn supervised(
        &mut self,
        docket: &mut Docket,
        failure: &Failure,
        green: Option<&Sha>,
        until: Instant,
    ) -> Result<After> {
        while let Some(next) = self.advised(until).await? {
            match next {
                Next::Stop => {
                    self.overseen.stopped = true;
                    return Ok(After::Exhausted);
                }
                Next::Repeat => {
                    self.overseen.repeated = true;
                    match self.repeat(docket).await? {
                        Repeated::AllRed => continue,
                        Repeated::AllGreen => return Ok(After::Flaky),
                        // what is left to heal is another thing than before
                        Repeated::SomeGreen => self.overseen.retuned.round += 1,
                    }
                }
                Next::Round(retuned) => self.overseen.retuned = retuned,
            }
            match self.round(docket, failure, green, until).await? {
                RaceEnd::Healed(winner) => {
                    if let Some(advice) = self.overseen.made.last() {
                        self.say(advice.resolved());
                    }
                    return Ok(After::Healed(winner));
                }
                RaceEnd::Exhausted | RaceEnd::Stuck => {}
                RaceEnd::OutOfTime => return Ok(After::OutOfTime),
                RaceEnd::Cancelled => return Err(Error::interrupted()),
            }
        }
        Ok(if until <= Instant::now() { After::OutOfTime } else { After::Exhausted })
    }

    /// The change to make now.
    async fn advised(&mut self, until: Instant) -> Result<Option<Next>> {
        let Some(oversight) = self.oversight else { return Ok(None) };
        if self.overseen.made.len() >= CHANGES_MOST {
            return Ok(None);
        }
        let asked = self.request.models.asked_to_fix();
        let room = self.room(&asked, until).await;
        let steps = (oversight.steps)();
        // whoever asked and did not heal got nowhere, whatever the rules see
        let seen = (!asked.is_empty()).then_some(Rule::CostWithoutProgress);
        let within = oversight.asks.filter(|_| room.open).map(|asks| Within { asks, until });
        let asks = within.as_ref().map(|within| within as &dyn Asks);
        let can = |change| room.can(change);
        let said = watch::advise(&steps, seen, &mut self.overseen.book, asks, &can).await;
        said.events(Loop::Heal).into_iter().for_each(|event| self.say(event));
        if self.cancel.is_cancelled() {
            return Err(Error::interrupted());
        }
        let Some(advice) = said.advice else { return Ok(None) };
        let next = room.next(advice.diagnosis.change, asked);
        self.overseen.made.push(advice);
        Ok(next)
    }

    /// What can still be changed.
    async fn room(&self, asked: &BTreeSet<String>, until: Instant) -> Room {
        if asked.is_empty() {
            // nobody is looked for who has no part in this run
            return Room::default();
        }
        let models = &self.request.models;
        let tunable = || self.request.fixers.iter().filter(|fixer| fixer.is_tunable());
        let time = until.saturating_duration_since(Instant::now()) >= LEAST_ROUND;
        let mut offers = models.offers().await;
        // what has no known price is never asked
        offers.retain(|offer| offer.left.is_none() && (offer.tier != ModelTier::Paid || offer.price.is_some()));
        let switched = Retuned { not_models: asked.clone(), ..Retuned::default() };
        let mut other_models = false;
        for fixer in tunable() {
            let tuning = models.tuning(fixer.name()).await;
            other_models |= switched.left(tuning, offers.clone()).is_some();
        }
        Room {
            open: time && !offers.is_empty() && tunable().next().is_some(),
            force: self.request.force,
            repeated: self.overseen.repeated,
            other_models,
            retuned: self.overseen.retuned.clone(),
        }
    }

    /// One more round of the fixers that ask models.
    async fn round(
        &mut self,
        docket: &Docket,
        failure: &Failure,
        green: Option<&Sha>,
        until: Instant,
    ) -> Result<RaceEnd> {
        let time = until.saturating_duration_since(Instant::now());
        let case = self.case(docket, failure.clone(), green.cloned(), time);
        let fixers: Vec<_> = self.request.fixers.iter().filter(|fixer| fixer.is_tunable()).cloned().collect();
        let stuck = self.stuck();
        let raced = self.race(case, &fixers, docket, Until { time, stuck: stuck.as_deref() }).await?;
        Ok(raced.end)
    }

    /// Sees from now on whether fixers only repeat themselves; none when there is nothing else that they could do then.
    pub(super) fn stuck(&self) -> Option<Box<Stuck<'a>>> {
        let oversight = self.oversight.filter(|_| self.overseen.made.len() < CHANGES_MOST)?;
        let before = (oversight.steps)().len();
        Some(Box::new(move |at_work| {
            let steps = (oversight.steps)();
            let same = stall::repeating(&steps[before.min(steps.len())..], STUCK_TURNS);
            at_work.iter().all(|fixer| same.contains(fixer))
        }))
    }

    /// The red tests again, more often than in triage. Those that are green once are no evidence any more.
    async fn repeat(&mut self, docket: &mut Docket) -> Result<Repeated> {
        let triage = triage::Triage {
            lab: &self.lab,
            suite: &docket.suite,
            snapshot: &self.snapshot,
            base: None,
            reruns: REPEATS,
            limits: docket.limits,
            recorder: self.recorder,
            cancel: self.cancel,
        };
        let triaged = triage.decide(&docket.red).await?;
        let decision = triaged.decision;
        self.reruns.extend(triaged.reruns);
        if decision.flaky.is_empty() {
            return Ok(Repeated::AllRed);
        }
        super::forget(&mut docket.red, &decision.flaky);
        if matches!(decision.blame, Blame::Flaky { .. }) {
            let (blame, evidence) = (decision.blame, decision.evidence);
            self.recorder.record(Event::Triaged { blame, evidence });
            return Ok(Repeated::AllGreen);
        }
        let names: Vec<&str> = decision.flaky.iter().map(|id| id.0.as_str()).collect();
        let text = format!("flaky, and not to be healed: {}", names.join(", "));
        self.recorder.record(Event::Note { text });
        Ok(Repeated::SomeGreen)
    }
}

/// What many repeats showed.
enum Repeated {
    /// Every red test stayed red.
    AllRed,
    /// Some were green once.
    SomeGreen,
    /// All of them were.
    AllGreen,
}
