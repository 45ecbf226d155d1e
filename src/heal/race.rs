//! Tier 1: fixers race side by side, the judge takes their candidates one by one, the first healed one wins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::failure::text::clip;
use crate::fixer::{Candidate, Case, Desk, Ended, Findings, Fixer, Hints, Label};
use crate::judge::{self, Docket, Judgement, Verdict};
use crate::patch::Patch;
use crate::state::kill_point;
use crate::trajectory::{Event, Recorder};

/// How many candidates may wait before fixers have to wait with sending: enough for every fixer's best few.
const QUEUE: usize = 32;
/// How long losers may take to hand over what they found; they stop within 100 ms, the rest is for killing processes.
const HANDOVER: Duration = Duration::from_secs(3);
/// A weak heal (only deletes, only fixes a condition, rivals behave differently) waits this long for a better one…
const WEAK_GRACE: Duration = Duration::from_secs(5);
/// …or for this part of the time that the race took so far, whichever is longer.
const WEAK_GRACE_PART: f64 = 0.5;
/// So often it is looked whether those who ask models get anywhere, once only they are left.
const STUCK_LOOK: Duration = Duration::from_secs(2);
/// Diffs in events are cut here.
const DIFF_CAP_BYTES: usize = 64 * 1024;

/// A candidate that the judge let pass.
#[derive(Debug, Clone)]
pub struct Winner {
    /// What was proposed.
    pub candidate: Candidate,
    /// What was judged: the candidate's patch without what was set aside.
    pub patch: Patch,
    /// The judgement, `Healed`.
    pub judgement: Judgement,
}

impl Winner {
    /// Candidates that rank last: they only delete, only fix a condition to a constant, or green rivals differ.
    pub fn is_weak(&self) -> bool {
        let undo = self.candidate.labels.contains(&Label::Undo);
        self.candidate.disagreement.is_some()
            || self.labels().contains(&Label::ConditionToConstant)
            || (!undo && self.labels().contains(&Label::DeletionOnly))
    }
    /// The fixer's labels and the judge's.
    pub fn labels(&self) -> BTreeSet<Label> {
        self.candidate.labels.union(&self.judgement.labels).copied().collect()
    }
}

/// Why a race ended.
#[derive(Debug, Clone)]
pub enum RaceEnd {
    /// Somebody won.
    Healed(Box<Winner>),
    /// All fixers are done and nothing was healed.
    Exhausted,
    /// The time for this tier ran out.
    OutOfTime,
    /// Only fixers that ask models were left, and they got nowhere.
    Stuck,
    /// We were asked to stop.
    Cancelled,
}

/// Do the fixers of these names get nowhere?
pub type Stuck<'s> = dyn Fn(&BTreeSet<&'static str>) -> bool + Send + Sync + 's;

/// When a race is over although nobody has won.
pub struct Until<'u> {
    /// Its time ran out.
    pub time: Duration,
    /// Do these fixers, which ask models and are the only ones left, get nowhere? None: nobody looks.
    pub stuck: Option<&'u Stuck<'u>>,
}

/// Who is still at work.
struct AtWork {
    /// How many of those that need no model.
    model_free: watch::Receiver<usize>,
    /// Those that ask some.
    asking: watch::Receiver<BTreeSet<&'static str>>,
}

impl AtWork {
    /// Those that ask models, when they are the only ones left.
    fn only_asking(&self) -> Option<BTreeSet<&'static str>> {
        let asking = self.asking.borrow().clone();
        (*self.model_free.borrow() == 0 && !asking.is_empty()).then_some(asking)
    }
}

/// What a race leaves behind.
#[derive(Debug)]
pub struct Raced {
    /// Why it ended.
    pub end: RaceEnd,
    /// What each fixer learned.
    pub findings: BTreeMap<&'static str, Findings>,
}

/// The order in which waiting candidates are judged: sound ideas before weak ones, small before large, old before new.
fn rank(candidate: &Candidate) -> (bool, Reverse<bool>, usize) {
    let weak = candidate.disagreement.is_some()
        || candidate.labels.contains(&Label::DeletionOnly)
        || candidate.labels.contains(&Label::ConditionToConstant);
    let (added, removed) = candidate.patch.lines();
    (weak, Reverse(candidate.labels.contains(&Label::Remembered)), added + removed)
}

/// A candidate as an event.
pub(super) fn proposed(candidate: &Candidate, hash: String) -> Event {
    let mut diff = String::from_utf8_lossy(&candidate.patch.unified()).into_owned();
    if diff.len() > DIFF_CAP_BYTES {
        diff.truncate(clip(&diff, DIFF_CAP_BYTES).len());
    }
    Event::CandidateProposed {
        candidate: candidate.id.clone(),
        fixer: candidate.fixer.to_owned(),
        idea: candidate.idea.clone(),
        diff,
        hash,
        labels: candidate.labels.iter().copied().collect(),
        disagreement: candidate.disagreement.clone(),
    }
}

struct Race<'a> {
    docket: &'a Docket,
    recorder: &'a Recorder,
    cancel: &'a CancellationToken,
    case: Arc<Case>,
    waiting: Vec<Candidate>,
    seen: &'a mut HashSet<String>,
    weak: Option<Winner>,
    began: Instant,
}

type Judging<'a> = BoxFuture<'a, (Candidate, Result<(Patch, Judgement)>)>;

impl<'a> Race<'a> {
    /// Takes a candidate in, unless the same patch was seen before.
    fn admit(&mut self, candidate: Candidate) {
        let hash = candidate.patch.hash();
        if candidate.patch.is_empty() || !self.seen.insert(hash.clone()) {
            return;
        }
        self.recorder.record(proposed(&candidate, hash));
        kill_point("candidate-proposed");
        self.waiting.push(candidate);
    }

    /// Starts judging the best of those waiting.
    fn next(&mut self) -> Option<Judging<'a>> {
        let best = (0..self.waiting.len()).min_by_key(|i| (rank(&self.waiting[*i]), *i))?;
        let candidate = self.waiting.remove(best);
        let (docket, recorder, cancel) = (self.docket, self.recorder, self.cancel);
        let lab = Arc::clone(&self.case.lab);
        Some(
            async move {
                let judged = judge::judge(&lab, docket, &candidate.id, &candidate.patch, recorder, cancel).await;
                (candidate, judged)
            }
            .boxed(),
        )
    }

    /// What a judgement means for the race: a winner ends it, a weak one is kept while better ones may come.
    fn settle(&mut self, candidate: Candidate, patch: Patch, judgement: Judgement) -> Option<Winner> {
        if judgement.verdict != Verdict::Healed {
            return None;
        }
        let winner = Winner { candidate, patch, judgement };
        if !winner.is_weak() {
            return Some(winner);
        }
        let size = |w: &Winner| w.patch.lines();
        match &self.weak {
            Some(kept) if size(kept) <= size(&winner) => {}
            _ => self.weak = Some(winner),
        }
        None
    }

    fn grace(&self) -> Duration {
        WEAK_GRACE.max(self.began.elapsed().mul_f64(WEAK_GRACE_PART))
    }
}

/// Lets `fixers` race on `case`, at most as `until` says. `seen` holds the hashes of patches that were judged before (in an
/// earlier tier): they are not judged again.
///
/// # Errors
/// Only when the judge itself fails; a fixer that fails is a finding.
pub async fn race(
    case: Arc<Case>,
    fixers: &[Arc<dyn Fixer>],
    docket: &Docket,
    recorder: &Recorder,
    cancel: &CancellationToken,
    until: Until<'_>,
    seen: &mut HashSet<String>,
) -> Result<Raced> {
    let stop = cancel.child_token();
    let (sender, mut candidates) = mpsc::channel(QUEUE);
    let (mut tasks, at_work) = start(&case, fixers, &sender, recorder, &stop);
    drop(sender);
    let mut race =
        Race { docket, recorder, cancel, case, waiting: Vec::new(), seen, weak: None, began: Instant::now() };
    let outcome = run(&mut race, &mut candidates, &until, &at_work, &stop).await;
    stop.cancel();
    candidates.close();
    let findings = gather(&mut tasks, fixers).await;
    let end = match outcome? {
        RaceEnd::Exhausted | RaceEnd::OutOfTime | RaceEnd::Stuck if race.weak.is_some() => match race.weak.take() {
            Some(winner) => RaceEnd::Healed(Box::new(winner)),
            None => RaceEnd::Exhausted,
        },
        end => end,
    };
    Ok(Raced { end, findings })
}

/// The race itself: receive, judge, decide, until somebody wins or nobody can any more.
async fn run<'a>(
    race: &mut Race<'a>,
    candidates: &mut mpsc::Receiver<Candidate>,
    until: &Until<'_>,
    at_work: &AtWork,
    stop: &CancellationToken,
) -> Result<RaceEnd> {
    let deadline = tokio::time::sleep(until.time);
    tokio::pin!(deadline);
    let mut judging: Option<Judging<'a>> = None;
    let mut open = true;
    let mut weak_until: Option<tokio::time::Instant> = None;
    let mut late = false;
    loop {
        while let Ok(candidate) = candidates.try_recv() {
            race.admit(candidate);
        }
        if judging.is_none() && !late {
            judging = race.next();
        }
        if judging.is_none() && late {
            return Ok(RaceEnd::OutOfTime);
        }
        if judging.is_none() && !open {
            return Ok(RaceEnd::Exhausted);
        }
        let idle = open && !late && judging.is_none() && race.weak.is_none() && until.stuck.is_some();
        let grace_over = async {
            match weak_until {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let judged = async {
            match judging.as_mut() {
                Some(judging) => judging.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = race.cancel.cancelled() => return Ok(RaceEnd::Cancelled),
            (candidate, result) = judged => {
                judging = None;
                let (patch, judgement) = result?;
                if let Some(winner) = race.settle(candidate, patch, judgement) {
                    return Ok(RaceEnd::Healed(Box::new(winner)));
                }
                if race.weak.is_some() && weak_until.is_none() {
                    weak_until = Some(tokio::time::Instant::now() + race.grace());
                }
            }
            candidate = candidates.recv(), if open => match candidate {
                Some(candidate) => race.admit(candidate),
                None => open = false,
            },
            () = &mut deadline, if !late => {
                // What is being judged is nearly paid for: let it end, but start nothing more.
                late = true;
                stop.cancel();
            }
            () = grace_over, if !late => {
                late = true;
                stop.cancel();
            }
            () = tokio::time::sleep(STUCK_LOOK), if idle => {
                let (Some(stuck), Some(asking)) = (until.stuck, at_work.only_asking()) else { continue };
                if stuck(&asking) {
                    return Ok(RaceEnd::Stuck);
                }
            }
        }
    }
}

/// Starts every fixer in a task of its own.
fn start(
    case: &Arc<Case>,
    fixers: &[Arc<dyn Fixer>],
    sender: &mpsc::Sender<Candidate>,
    recorder: &Recorder,
    stop: &CancellationToken,
) -> (JoinSet<(&'static str, Findings)>, AtWork) {
    let mut tasks = JoinSet::new();
    let (working, model_free) = watch::channel(fixers.iter().filter(|f| !f.asks_models()).count());
    let names = fixers.iter().filter(|f| f.asks_models()).map(|f| f.name()).collect::<BTreeSet<_>>();
    let (asks, asking) = watch::channel(names);
    let (working, asks) = (Arc::new(working), Arc::new(asks));
    let hints = Hints::default();
    for fixer in fixers {
        let (fixer, case) = (Arc::clone(fixer), Arc::clone(case));
        let desk = Desk {
            fixer: fixer.name(),
            candidates: sender.clone(),
            recorder: recorder.clone(),
            cancel: stop.child_token(),
            model_free: model_free.clone(),
            hints: hints.clone(),
        };
        let (working, asks) = (Arc::clone(&working), Arc::clone(&asks));
        tasks.spawn(async move {
            let began = Instant::now();
            desk.recorder.record(Event::FixerStarted { fixer: fixer.name().to_owned() });
            let proposed = std::panic::AssertUnwindSafe(fixer.propose(&case, &desk)).catch_unwind().await;
            let findings = match proposed {
                Ok(Ok(findings)) => findings,
                Ok(Err(_)) if desk.cancel.is_cancelled() => Findings::ended(Ended::Cancelled),
                Ok(Err(error)) => Findings::ended(Ended::Failed { why: error.to_string() }),
                Err(_) => Findings::ended(Ended::Failed { why: "it panicked (a bug in kaizen-ci)".into() }),
            };
            desk.recorder.record(Event::FixerEnded {
                fixer: fixer.name().to_owned(),
                findings: findings.clone(),
                ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
            if fixer.asks_models() {
                asks.send_modify(|names| {
                    names.remove(fixer.name());
                });
            } else {
                working.send_modify(|n| *n = n.saturating_sub(1));
            }
            (fixer.name(), findings)
        });
    }
    (tasks, AtWork { model_free, asking })
}

/// What the fixers learned; whoever does not hand over in time is cut off.
async fn gather(
    tasks: &mut JoinSet<(&'static str, Findings)>,
    fixers: &[Arc<dyn Fixer>],
) -> BTreeMap<&'static str, Findings> {
    let mut all: BTreeMap<&'static str, Findings> =
        fixers.iter().map(|f| (f.name(), Findings::ended(Ended::Cancelled))).collect();
    let handover = async {
        while let Some(joined) = tasks.join_next().await {
            if let Ok((name, findings)) = joined {
                all.insert(name, findings);
            }
        }
    };
    let _ = tokio::time::timeout(HANDOVER, handover).await;
    tasks.abort_all();
    all
}
