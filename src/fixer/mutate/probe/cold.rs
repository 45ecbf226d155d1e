//! The cold probe: the suite's own command in a few workspaces that are used again, so that builds stay incremental.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::batch::spread;
use super::{Ask, Change, Compared, Coverage, Probe, Probed, Roster};
use crate::error::{Context as _, Error, Result};
use crate::fixer::Case;
use crate::fixer::mutate::edits::Project;
use crate::lab::{Lab, Limits};
use crate::patch::MODE_FILE;
use crate::repo::Workspace;
use crate::suite::{Run, Runner, Scope, Selection, Status, Suite, TestId};
use crate::syntax::language::Language;
use crate::words::End;

/// A build and a test run of a candidate may take this many times what they took without it.
const QUICK_TIMES: f64 = 3.0;
/// The same for a second look.
const PATIENT_TIMES: f64 = 10.0;
/// Nothing is cut below this: linking on a busy machine takes seconds.
const LEAST: Duration = Duration::from_secs(5);
/// What is built already may take this many times as long as tests that end,
const BUILT_TIMES: f64 = 5.0;
/// and at least this long: in a loop without end most candidates loop, too, and each costs that much.
const LEAST_BUILT: Duration = Duration::from_millis(800);
/// So many green tests show how long tests take that end.
const SHOWN: usize = 6;

/// Coverage may take this part of the time that is left,
const COVERAGE_PART: f64 = 0.15;
/// and never more than this.
const MOST_COVERAGE: Duration = Duration::from_secs(25);
/// Comparing green candidates takes this long at least: a build, and a run of each.
const CHOOSING: Duration = Duration::from_secs(8);
/// It may take this part of the time that is left,
const COMPARING_PART: f64 = 0.15;
/// and never more than this.
const MOST_COMPARING: Duration = Duration::from_secs(20);
/// So many candidates share a build.
const MOST_ARMS: usize = 24;

/// Runs the suite's command for each candidate.
#[derive(Debug)]
pub struct ColdProbe {
    pub(super) lab: Arc<Lab>,
    pub(super) suite: Suite,
    /// For a whole run.
    pub(super) limits: Limits,
    pub(super) slots: Vec<Mutex<Workspace>>,
    roster: Roster,
    /// Red tests that a candidate has to pass before the others are run: those that can be chosen alone and start quickly.
    screen: BTreeSet<TestId>,
    /// What is red is the build or a file, not a test: nothing can be selected.
    whole: bool,
    /// One run of the red tests in a workspace that was built before.
    warm: Duration,
    /// The same, of tests that end where the red ones don't.
    swift: Duration,
    /// Some file is in a language whose build costs more than its tests, and whose functions can be switched.
    pub(super) can_batch: bool,
    /// There is JavaScript, which tells of its coverage whoever runs it.
    has_scripts: bool,
    /// Files that may be edited, in languages that coverage can be had of by building once.
    pub(super) files: Vec<(Vec<u8>, String)>,
    /// Coverage may take so long.
    pub(super) coverage_limit: Duration,
    /// Comparing green candidates may take so long.
    pub(super) comparing: Duration,
    pub(super) cancel: CancellationToken,
}

impl ColdProbe {
    /// Makes the workspaces, and runs the red tests once in each: builds what can be built before the first candidate,
    /// and shows how long a run takes.
    ///
    /// # Errors
    /// When workspaces can't be made, or the red tests are green in them.
    pub async fn start(case: &Case, cancel: &CancellationToken) -> Result<Self> {
        let mut probe = Self::idle(case, cancel).await?;
        (probe.warm, probe.swift) = probe.warm_up(case.red.duration).await?;
        Ok(probe)
    }

    /// Makes the workspaces and runs nothing yet.
    ///
    /// # Errors
    /// When workspaces can't be made.
    pub async fn idle(case: &Case, cancel: &CancellationToken) -> Result<Self> {
        let make = |n: usize| async move {
            case.lab.workspace(&case.snapshot, &format!("mutate-cold-{n}")).await.map(Mutex::new)
        };
        let slots = futures::future::join_all((0..case.lab.parallel).map(make)).await;
        let red = case.failure.red.clone();
        let green = case.red.passed();
        let names: Vec<String> = red.iter().chain(&green).map(|id| id.0.clone()).collect();
        let roster = Roster { red: (0..red.len()).collect(), green: (red.len()..names.len()).collect(), names };
        let is_whole = |id: &TestId| case.red.tests.get(id).is_some_and(|r| r.scope != Scope::Test);
        Ok(Self {
            lab: Arc::clone(&case.lab),
            suite: case.suite.clone(),
            limits: case.limits,
            slots: slots.into_iter().collect::<Result<_>>()?,
            roster,
            whole: red.iter().any(is_whole),
            screen: screen(&red, case.suite.runner),
            warm: case.red.duration,
            swift: case.red.duration,
            can_batch: matches!(case.suite.runner, Runner::CargoTest | Runner::Nextest | Runner::Go),
            has_scripts: has_scripts(case)?,
            files: files(case)?,
            coverage_limit: case.time_left.mul_f64(COVERAGE_PART).min(MOST_COVERAGE),
            comparing: case.time_left.mul_f64(COMPARING_PART).clamp(CHOOSING, MOST_COMPARING),
            cancel: cancel.clone(),
        })
    }

    /// Builds in every slot, then measures one more run in the first: of the red tests, and of tests that end.
    async fn warm_up(&self, red: Duration) -> Result<(Duration, Duration)> {
        let limits = Limits { time: self.limits.time.min(red * 3 + LEAST * 4), ..self.limits };
        let reds = self.selection(true);
        let runs = (0..self.slots.len()).map(|slot| self.run(slot, &[], &reds, limits));
        let mut cut = None;
        for run in futures::future::join_all(runs).await {
            let run = run?;
            if run.is_green() && !run.tests.is_empty() {
                return Err(Error::internal("the red tests are green in mutate's workspace"));
            }
            if run.has_hung() {
                cut = Some(run.duration);
            }
        }
        // to wait for a loop without end once more shows nothing
        let Some(warm) = cut else {
            let warm = self.run(0, &[], &reds, limits).await?.duration;
            return Ok((warm, warm));
        };
        let shown = spread(&self.roster.green, SHOWN).into_iter().map(|n| TestId(self.roster.names[n].clone()));
        let ending: BTreeSet<TestId> = shown.filter(|id| !is_doc(&id.0)).collect();
        if self.whole || ending.is_empty() {
            return Ok((warm, warm));
        }
        let run = self.run(0, &[], &Selection::Only(ending), limits).await?;
        Ok((warm, run.duration.min(warm)))
    }

    async fn run(&self, slot: usize, changes: &[Change], selection: &Selection, limits: Limits) -> Result<Run> {
        let workspace = self.slots[slot % self.slots.len()].lock().await;
        put(&workspace, changes)?;
        let run = self.lab.run(&workspace, &self.suite, selection, limits, &self.cancel).await;
        // the candidate's files, and everything that its tests left behind
        workspace.reset()?;
        run
    }

    pub(super) fn selection(&self, only_red: bool) -> Selection {
        if only_red && !self.whole { Selection::Only(self.screen.clone()) } else { Selection::All }
    }

    /// One test, or everything where nothing can be selected.
    pub(super) fn only(&self, name: &str) -> Selection {
        if self.whole { Selection::All } else { Selection::Only(BTreeSet::from([TestId(name.to_owned())])) }
    }

    pub(super) fn limits(&self, ask: Ask) -> Limits {
        let time = match ask {
            Ask::Quick => LEAST.max(self.warm.mul_f64(QUICK_TIMES)),
            Ask::Patient => (LEAST * 2).max(self.warm.mul_f64(PATIENT_TIMES)),
            Ask::Whole => self.limits.time,
        };
        Limits { time: time.min(self.limits.time), ..self.limits }
    }

    /// For candidates that are built already.
    pub(super) fn built_limits(&self) -> Limits {
        Limits { time: built_time(self.swift).min(self.limits(Ask::Quick).time), ..self.limits }
    }

    pub(super) async fn try_one(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Probed> {
        let run = self.run(slot, changes, &self.selection(ask != Ask::Whole), self.limits(ask)).await?;
        if run.end == End::Cancelled {
            return Err(Error::interrupted());
        }
        Ok(self.read(&run, ask))
    }

    pub(super) fn read(&self, run: &Run, ask: Ask) -> Probed {
        let broken = is_unbuildable(run);
        let status = |n: &usize| run.tests.get(&TestId(self.roster.names[*n].clone())).map(|r| r.status);
        let healed = |n: &usize| match status(n) {
            Some(status) => status == Status::Passed,
            // the build, or a file, is healed when it is not there any more and everything passes
            None => self.whole && run.is_green(),
        };
        // what was left out passes or not when everything is run
        let asked =
            |n: &usize| self.whole || ask == Ask::Whole || self.screen.contains(&TestId(self.roster.names[*n].clone()));
        let mut probed = Probed {
            still_red: self.roster.red.iter().copied().filter(|n| asked(n) && !healed(n)).collect(),
            timed_out: run.end == End::TimedOut,
            unbuildable: broken && !self.whole,
            ..Probed::default()
        };
        let failed =
            |n: &usize| status(n) != Some(Status::Passed) && (ask == Ask::Whole || status(n) == Some(Status::Failed));
        probed.broke = self.roster.green.iter().copied().filter(failed).collect();
        if ask == Ask::Whole && !run.is_green() && probed.is_green() {
            // something that was not there before is red
            probed.broke.extend(self.roster.green.first().or(self.roster.red.first()));
        }
        let first = run.tests.values().find(|r| r.status == Status::Failed).and_then(|r| r.message.as_ref());
        probed.message = first.map(|m| m.lines().next().unwrap_or_default().to_owned());
        probed
    }
}

/// How long a candidate may take that is built already, where tests that end take `swift`.
fn built_time(swift: Duration) -> Duration {
    LEAST_BUILT.max(swift.mul_f64(BUILT_TIMES))
}

/// Cargo runs doc tests all or none, and builds a program for each: they have their say when all others pass.
fn screen(red: &BTreeSet<TestId>, runner: Runner) -> BTreeSet<TestId> {
    let quick: BTreeSet<TestId> = red.iter().filter(|id| !is_doc(&id.0)).cloned().collect();
    if quick.is_empty() || runner != Runner::CargoTest { red.clone() } else { quick }
}

/// Is it a doc test of Rust?
pub(super) fn is_doc(name: &str) -> bool {
    name.split_once(' ').is_some_and(|(binary, _)| binary.ends_with("::doc"))
}

/// The build, or a file, failed: no test has a result of its own.
pub(super) fn is_unbuildable(run: &Run) -> bool {
    run.tests.values().any(|r| r.status == Status::Failed && r.scope != Scope::Test)
}

/// There is a file in JavaScript or TypeScript that may be edited, and a runner that runs such files.
fn has_scripts(case: &Case) -> Result<bool> {
    let runs = matches!(
        case.suite.runner,
        Runner::NodeTest | Runner::Mocha | Runner::Jest | Runner::Vitest | Runner::Tap | Runner::Command
    );
    let is_script = |path: &[u8]| {
        let language = std::str::from_utf8(path).ok().and_then(|name| Language::of(std::path::Path::new(name)));
        matches!(language, Some(Language::JavaScript | Language::TypeScript | Language::Tsx))
    };
    let files = case.lab.store.files(&case.snapshot.tree)?;
    Ok(runs && files.iter().any(|(path, _, _)| is_script(path) && case.protected.why(path).is_none()))
}

/// Files that may be edited, in languages whose statements can be traced.
fn files(case: &Case) -> Result<Vec<(Vec<u8>, String)>> {
    let store = &case.lab.store;
    let mut out = Vec::new();
    for (path, mode, _) in store.files(&case.snapshot.tree)? {
        let language = std::str::from_utf8(&path).ok().and_then(|name| Language::of(std::path::Path::new(name)));
        if !matches!(language, Some(Language::Rust | Language::Go))
            || mode != MODE_FILE
            || case.protected.why(&path).is_some()
        {
            continue;
        }
        let text = store.read(&case.snapshot.tree, &path)?.and_then(|(_, bytes)| String::from_utf8(bytes).ok());
        out.extend(text.map(|text| (path, text)));
    }
    Ok(out)
}

fn put(workspace: &Workspace, changes: &[Change]) -> Result<()> {
    for change in changes {
        let path = workspace.at(&change.path);
        // a new time stamp, so that build tools notice
        std::fs::write(&path, &change.text).context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

impl Probe for ColdProbe {
    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn about(&self) -> String {
        format!(
            "{} in {} workspaces, {:.1} s a run{}",
            self.suite.command.display(),
            self.slots.len(),
            self.warm.as_secs_f64(),
            if self.batch() > 1 { format!(", up to {} a build", self.batch()) } else { String::new() }
        )
    }

    fn probe<'a>(&'a self, slot: usize, changes: &'a [Change], ask: Ask) -> BoxFuture<'a, Result<Probed>> {
        Box::pin(self.try_one(slot, changes, ask))
    }

    fn coverage(&self) -> BoxFuture<'_, Option<Coverage>> {
        Box::pin(async {
            if self.whole && self.can_batch || !self.can_batch && !self.has_scripts {
                return None;
            }
            self.traced().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "no coverage");
                None
            })
        })
    }

    fn batch(&self) -> usize {
        // a red build has no tests that could be run: what mends it is found by building
        if self.can_batch && !self.whole { MOST_ARMS } else { 1 }
    }

    fn probe_many<'a>(
        &'a self,
        slot: usize,
        project: &'a Project,
        candidates: &'a [Vec<Change>],
    ) -> BoxFuture<'a, Vec<Result<Probed>>> {
        Box::pin(self.try_many(slot, project, candidates))
    }

    fn compare<'a>(&'a self, project: &'a Project, greens: &'a [Vec<Change>], _seed: u64) -> BoxFuture<'a, Compared> {
        Box::pin(async move {
            self.compared(project, greens).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "green candidates were not compared");
                Compared::default()
            })
        })
    }

    fn choosing(&self) -> Duration {
        CHOOSING
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
