//! The heal loop: snapshot, triage, race, judge, another way where the supervisor sees one, revert, escalate.

pub mod apply;
pub mod change;
mod limits;
pub mod prove;
pub mod race;
pub mod second;
mod supervised;
pub mod triage;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::failure::{self, Blame, Failure, text};
use crate::fixer::{Case, Fixer};
use crate::judge::{Docket, Policy};
use crate::lab::{Confinement, Lab, Limits, record_run};
use crate::model::Models;
use crate::patch::{Patch, outside};
use crate::process::environment;
use crate::repo::carry::Carry;
use crate::repo::{Repository, Sha, Snapshot, Store};
use crate::state::{Memory, kill_point, kill_point_during};
use crate::suite::protected::Protected;
use crate::suite::{Run, Selection, Suite, TestId};
use crate::supervise::Oversight;
use crate::trajectory::{Event, Purpose, Recorder};

pub use race::Winner;

use race::{RaceEnd, Until};
use supervised::{After, Overseen};

/// Of the log's excerpt, this much goes into the event.
const EXCERPT_BYTES: usize = 16 * 1024;
/// Of the failure messages, this many and this much of each.
const MESSAGES: usize = 20;
const MESSAGE_BYTES: usize = 2 * 1024;

/// What to heal, and how.
pub struct Request {
    /// The user's repository.
    pub repository: Repository,
    /// The suite.
    pub suite: Suite,
    /// Names of the suites that were found and not chosen.
    pub others: Vec<String>,
    /// Who races.
    pub fixers: Vec<Arc<dyn Fixer>>,
    /// The rules.
    pub config: Config,
    /// The commit whose house rules models are told; none: those of the tree itself.
    pub rules_of: Option<Sha>,
    /// Seed for everything random.
    pub seed: u64,
    /// Go on with flaky tests, a broken environment, a failure that is left alone.
    pub force: bool,
    /// What is carried into workspaces.
    pub carry: Carry,
    /// Where the run's files are kept: events, patch, receipt, report.
    pub folder: PathBuf,
    /// The run's temporary folder.
    pub temp: PathBuf,
    /// What is remembered of failures.
    pub memory: Memory,
    /// Language models, for the fixers that ask some.
    pub models: Arc<Models>,
}

/// A verified heal and where its proof is.
#[derive(Debug)]
pub struct Heal {
    /// Who won with what.
    pub winner: Winner,
    /// 1 or 2.
    pub tier: u8,
    /// `heal.patch` in the run's folder.
    pub patch_file: PathBuf,
    /// `receipt.json` in the run's folder.
    pub receipt_file: PathBuf,
}

/// How a run of the loop ended.
#[derive(Debug)]
pub enum Ending {
    /// The tests are green as they are.
    Green,
    /// A patch is verified; nothing is applied yet.
    Healed(Box<Heal>),
    /// The red tests pass when run again.
    Flaky,
    /// The machine is to blame.
    Environment,
    /// This failure did not heal a short time ago.
    LeftAlone {
        /// Seconds until it is tried again by itself.
        wait_s: u64,
        /// The report of the last time.
        report: Option<String>,
    },
    /// Nobody could heal it.
    Escalated {
        /// It is red on the base branch too.
        broken_on_base: bool,
    },
}

/// What the loop leaves.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The tree that was worked on.
    pub snapshot: Snapshot,
    /// What was wrong, unless it was green.
    pub failure: Option<Failure>,
    /// Runs of the suite, whole or in part.
    pub runs: u64,
}

/// One run of the loop and everything that its steps share.
pub struct Healing<'a> {
    request: &'a Request,
    recorder: &'a Recorder,
    cancel: &'a CancellationToken,
    oversight: Option<&'a Oversight<'a>>,
    overseen: Overseen,
    lab: Arc<Lab>,
    snapshot: Snapshot,
    protected: Protected,
    deadline: Instant,
    /// Hashes of patches that were judged: none is judged twice.
    seen: HashSet<String>,
    /// Triage's runs of the red tests, for the receipt.
    reruns: Vec<Run>,
}

/// Heals `request.suite`, or says why not. Touches nothing of the user's: applying is another step. With `oversight` the
/// supervisor looks on, and what it suggests is tried where it can be.
///
/// # Errors
/// When our own side fails or `cancel` fires; everything about the suite is an [`Ending`].
pub async fn heal(
    request: &Request,
    recorder: &Recorder,
    cancel: &CancellationToken,
    oversight: Option<&Oversight<'_>>,
) -> Result<Outcome> {
    let mut healing = Healing::open(request, recorder, cancel, oversight)?;
    let ending = healing.run().await?;
    Ok(Outcome { ending: ending.0, snapshot: healing.snapshot.clone(), failure: ending.1, runs: healing.lab.runs() })
}

impl<'a> Healing<'a> {
    /// Freezes the user's tree and makes the lab.
    fn open(
        request: &'a Request,
        recorder: &'a Recorder,
        cancel: &'a CancellationToken,
        oversight: Option<&'a Oversight<'a>>,
    ) -> Result<Self> {
        let began = Instant::now();
        let suite = &request.suite;
        recorder.record(Event::SuiteFound {
            name: suite.name.clone(),
            command: suite.command.display(),
            runner: format!("{:?}", suite.runner),
            found_by: suite.found_by.clone(),
            others: request.others.clone(),
        });
        let store = Store::create(&request.repository, &request.temp)?;
        kill_point("before-snapshot");
        let snapshot = store.snapshot()?;
        kill_point("after-snapshot");
        recorder.record(Event::SnapshotTaken {
            commit: snapshot.commit.0.clone(),
            tree: snapshot.tree.0.clone(),
            parent: snapshot.parent.as_ref().map(|p| p.0.clone()),
            carried: request.carry.folders.iter().map(|f| f.path.display().to_string()).collect(),
            ms: millis(began),
        });
        let config = &request.config;
        let confinement = Confinement::of(config)?;
        if confinement.offline {
            recorder.record(Event::Note { text: OFFLINE.to_owned() });
        }
        note_withheld(recorder, &config.env_allow);
        let (carry, allow) = (request.carry.clone(), config.env_allow.clone());
        let lab = Lab::confined(store, carry, allow, config.parallel, confinement);
        let protected = Protected::new(&config.protected);
        let deadline = began + config.time_limit;
        Ok(Self {
            request,
            recorder,
            cancel,
            oversight,
            overseen: Overseen::default(),
            lab,
            snapshot,
            protected,
            deadline,
            seen: HashSet::new(),
            reruns: Vec::new(),
        })
    }

    /// The loop, step by step.
    async fn run(&mut self) -> Result<(Ending, Option<Failure>)> {
        let mut red = self.red_run().await?;
        if red.is_green() {
            return Ok((Ending::Green, None));
        }
        let base = self.base()?;
        let triaged = self.triage(base.as_ref(), &red).await?;
        self.reruns = triaged.reruns;
        let decision = &triaged.decision;
        let force = self.request.force;
        match &decision.blame {
            Blame::Flaky { .. } if !force => return Ok((Ending::Flaky, None)),
            Blame::Environment { .. } if !force => return Ok((Ending::Environment, None)),
            Blame::Flaky { .. }
            | Blame::Environment { .. }
            | Blame::BrokenOnBase
            | Blame::ThisChange
            | Blame::Unknown => {}
        }
        forget(&mut red, &decision.flaky);
        forget(&mut red, &decision.out_of_reach);
        let failure = self.describe(&red, triaged.green.as_ref())?;
        if let Some(ending) = self.left_alone(&failure) {
            return Ok((ending, Some(failure)));
        }
        let mut docket = self.docket(red);
        let ending = match self.tiers(&mut docket, &failure, triaged.green.as_ref()).await? {
            Tiers::Healed(winner, tier) => self.prove(&docket, &failure, *winner, tier)?,
            Tiers::Flaky => Ending::Flaky,
            Tiers::Nothing => self.escalate(&failure, &decision.blame)?,
        };
        Ok((ending, Some(failure)))
    }

    /// The whole suite on the snapshot: is anything red at all?
    async fn red_run(&self) -> Result<Run> {
        let workspace = self.lab.workspace(&self.snapshot, "red").await?;
        kill_point("before-red-run");
        self.recorder.record(Event::SuiteStarted {
            purpose: Purpose::Red,
            subject: "your tree".to_owned(),
            selected: None,
        });
        let limits = self.limits_of(self.first_run_limit(), None);
        let run = self.lab.run(&workspace, &self.request.suite, &Selection::All, limits, self.cancel);
        let run = kill_point_during("during-red-run", run).await?;
        record_run(self.recorder, Purpose::Red, "your tree", &run);
        kill_point("after-red-run");
        if !run.is_green() {
            self.lab.keep_warm(workspace, &self.request.suite)?;
        }
        Ok(run)
    }

    /// Where our history leaves the base branch; none on the base branch itself with nothing changed.
    fn base(&self) -> Result<Option<(String, Sha)>> {
        let repository = &self.request.repository;
        let Some((name, tip)) = repository.base_branch(self.request.config.base.as_deref())? else { return Ok(None) };
        Ok(repository.merge_base(&tip)?.map(|sha| (name, sha)))
    }

    async fn triage(&self, base: Option<&(String, Sha)>, red: &Run) -> Result<triage::Triaged> {
        let triage = triage::Triage {
            lab: &self.lab,
            suite: &self.request.suite,
            snapshot: &self.snapshot,
            base,
            reruns: self.request.config.reruns,
            limits: self.limits(red),
            recorder: self.recorder,
            cancel: self.cancel,
        };
        let triaged = triage.decide(red).await?;
        self.recorder.record(Event::Triaged {
            blame: triaged.decision.blame.clone(),
            evidence: triaged.decision.evidence.clone(),
        });
        Ok(triaged)
    }

    fn describe(&self, red: &Run, green: Option<&Sha>) -> Result<Failure> {
        let failure = failure::describe_snapshot(
            &self.lab.store,
            &self.snapshot,
            &self.request.suite,
            red,
            green,
            &self.protected,
        )?;
        self.recorder.record(Event::FailureDescribed {
            fingerprint: failure.fingerprint.clone(),
            red: failure.red.iter().map(ToString::to_string).collect(),
            suspects: failure.suspects.iter().take(10).cloned().collect(),
            excerpt: text::clip(&failure.excerpt, EXCERPT_BYTES).to_owned(),
            messages: (failure.messages.iter().take(MESSAGES))
                .map(|(id, message)| (id.to_string(), text::clip(message, MESSAGE_BYTES).to_owned()))
                .collect(),
        });
        kill_point("failure-described");
        Ok(failure)
    }

    /// A failure that did not heal a short time ago is not tried again by itself.
    fn left_alone(&self, failure: &Failure) -> Option<Ending> {
        if self.request.force {
            return None;
        }
        let pause =
            self.request.memory.paused(&failure.fingerprint, jiff::Timestamp::now(), self.request.config.pause)?;
        let wait_s = u64::try_from(pause.until.duration_since(jiff::Timestamp::now()).as_secs()).unwrap_or(0);
        Some(Ending::LeftAlone { wait_s, report: pause.report })
    }

    fn docket(&self, red: Run) -> Docket {
        let config = &self.request.config;
        Docket {
            snapshot: self.snapshot.clone(),
            suite: self.request.suite.clone(),
            limits: self.limits(&red),
            red,
            policy: Policy {
                repeat: config.repeat,
                allow_test_changes: config.allow_test_changes,
                protected: self.protected.clone(),
            },
        }
    }

    /// Tier 1, then tier 2 as far as allowed.
    async fn tiers(&mut self, docket: &mut Docket, failure: &Failure, green: Option<&Sha>) -> Result<Tiers> {
        match self.first_tier(docket, failure, green).await? {
            After::Healed(winner) => return Ok(Tiers::Healed(winner, 1)),
            After::Flaky => return Ok(Tiers::Flaky),
            After::Exhausted | After::OutOfTime => {}
        }
        if self.request.config.max_tier < 2 || self.cancel.is_cancelled() {
            return Ok(Tiers::Nothing);
        }
        let winner = self.second_tier(docket, failure, green).await?;
        Ok(winner.map_or(Tiers::Nothing, |winner| Tiers::Healed(Box::new(winner), 2)))
    }

    async fn first_tier(&mut self, docket: &mut Docket, failure: &Failure, green: Option<&Sha>) -> Result<After> {
        let began = Instant::now();
        self.recorder.record(Event::TierStarted { tier: 1 });
        kill_point("tier1-started");
        let time = self.time_for_first_tier();
        let case = self.case(docket, failure.clone(), green.cloned(), time);
        let stuck = self.stuck();
        let raced = self.race(case, &self.fixers(), docket, Until { time, stuck: stuck.as_deref() }).await?;
        drop(stuck);
        let after = match raced.end {
            RaceEnd::Healed(winner) => After::Healed(winner),
            RaceEnd::Exhausted | RaceEnd::Stuck | RaceEnd::OutOfTime => {
                self.supervised(docket, failure, green, began + time).await?
            }
            RaceEnd::Cancelled => return Err(Error::interrupted()),
        };
        let why = match &after {
            After::Healed(_) => "healed",
            After::Flaky => "flaky",
            After::Exhausted => "exhausted",
            After::OutOfTime => "out of time",
        };
        self.recorder.record(Event::TierEnded { tier: 1, why: why.to_owned(), ms: millis(began) });
        Ok(after)
    }

    async fn race(
        &mut self,
        case: Arc<Case>,
        fixers: &[Arc<dyn Fixer>],
        docket: &Docket,
        until: Until<'_>,
    ) -> Result<race::Raced> {
        race::race(case, fixers, docket, self.recorder, self.cancel, until, &mut self.seen).await
    }

    /// Who races: nobody that asks models once the supervisor said to stop.
    fn fixers(&self) -> Vec<Arc<dyn Fixer>> {
        let may = |fixer: &&Arc<dyn Fixer>| !(self.overseen.stopped && fixer.asks_models());
        self.request.fixers.iter().filter(may).cloned().collect()
    }

    /// Half of what is left when another tier may follow, everything otherwise: without history there is nothing to
    /// revert.
    fn time_for_first_tier(&self) -> Duration {
        let left = self.time_left();
        if self.request.config.max_tier < 2 || !self.has_history() { left } else { left.mul_f64(0.5) }
    }

    /// HEAD has a parent, or the tree differs from HEAD: something could be reverted.
    fn has_history(&self) -> bool {
        let Some(head) = &self.snapshot.parent else { return false };
        let is_first = self.request.repository.commit(head).is_ok_and(|head| head.parents.is_empty());
        let is_clean = self.lab.store.snapshot_of(head).is_ok_and(|head| head.tree == self.snapshot.tree);
        !(is_first && is_clean)
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn case(&self, docket: &Docket, failure: Failure, green: Option<Sha>, time_left: Duration) -> Arc<Case> {
        let remembered = self.remembered(&failure);
        Arc::new(Case {
            snapshot: docket.snapshot.clone(),
            suite: docket.suite.clone(),
            failure,
            red: docket.red.clone(),
            green,
            wanted: None,
            rules_of: self.request.rules_of.clone(),
            lab: Arc::clone(&self.lab),
            limits: Limits { background: true, ..docket.limits },
            protected: self.protected.clone(),
            remembered,
            seed: self.request.seed,
            time_left,
            models: Arc::clone(&self.request.models),
            trials: Default::default(),
            retuned: self.overseen.retuned.clone(),
        })
    }

    /// The patch that healed this fingerprint before, if it still applies.
    fn remembered(&self, failure: &Failure) -> Vec<Patch> {
        let Some(heal) = self.request.memory.recall(&failure.fingerprint).and_then(|record| record.heal) else {
            return Vec::new();
        };
        outside::parse(&self.lab.store, &self.snapshot.tree, heal.patch.as_bytes()).into_iter().collect()
    }

    /// Nobody could heal it: remembered, so that it is left alone for a while. The report is made from the events.
    fn escalate(&self, failure: &Failure, blame: &Blame) -> Result<Ending> {
        let wanted = self.request.config.max_tier >= 3;
        let report = wanted.then(|| self.request.folder.join("report.md").display().to_string());
        if let Some(report) = &report {
            self.recorder.record(Event::TierStarted { tier: 3 });
            self.recorder.record(Event::Escalated { report: report.clone() });
        }
        let (run, now) = (self.recorder.run(), jiff::Timestamp::now());
        self.request.memory.remember_failure(&failure.fingerprint, &run, "escalated", report.as_deref(), now)?;
        kill_point("memory-written");
        Ok(Ending::Escalated { broken_on_base: *blame == Blame::BrokenOnBase })
    }
}

/// What is noted where the tests have no network.
pub const OFFLINE: &str = "the tests are run without a network (where they may have one: `network: true`)";

/// Says which variables the tests don't get in GitHub Actions: a suite that needs one is red without it for no other reason.
fn note_withheld(recorder: &Recorder, allow: &[String]) {
    let all: Vec<_> = std::env::vars_os().collect();
    if !environment::is_in_actions(&all) {
        return;
    }
    let names = environment::withheld(all, allow);
    if !names.is_empty() {
        let text = format!(
            "the tests don't see these variables (those that they need: `env.allow` in .kaizen.yml): {}",
            names.join(", ")
        );
        recorder.record(Event::Note { text });
    }
}

/// What the tiers came to.
enum Tiers {
    /// Healed in this tier.
    Healed(Box<Winner>, u8),
    /// The red tests pass when run often enough.
    Flaky,
    /// Not healed.
    Nothing,
}

/// Takes tests out of a run that are no evidence for or against anybody.
fn forget(run: &mut Run, flaky: &BTreeSet<TestId>) {
    for id in flaky {
        run.tests.remove(id);
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
