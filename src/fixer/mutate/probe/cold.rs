//! The cold probe: the suite's own command in a few workspaces that are used again, so that builds stay incremental.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Ask, Change, Compared, Coverage, Probe, Probed, Roster, tests_only};
use crate::error::{Context as _, Error, Result};
use crate::fixer::Case;
use crate::fixer::mutate::edits::Project;
use crate::lab::{Lab, Limits};
use crate::patch::MODE_FILE;
use crate::repo::Workspace;
use crate::suite::formats::{CRASH, SUITE};
use crate::suite::{Run, Runner, Scope, Selection, Status, Suite, TestId, TestResult};
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
/// Go lets a recursion without end fill a gigabyte before it says so: that takes as long as a loop.
const GO_OVERFLOW: &str = "goroutine stack exceeds ";
/// No test has this name: who selects it has a build, and a start of the tests.
const NO_TEST: &str = "kaizen_no_such_test";

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
    pub(super) whole: bool,
    /// Some red test does not end, or not soon: to run it as it is shows nothing and costs much.
    hung: bool,
    /// Tests that end where red ones don't; `None` where all do, or where nothing can be selected.
    pub(super) ending: Option<Selection>,
    /// One run of the red tests in a workspace that was built before.
    warm: Duration,
    /// The same, of tests that end where the red ones don't; nothing when that is not known.
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
        // that a run was cut or broke off says nothing more where the tests are known that are to blame
        let roster = tests_only(roster, |id| id != SUITE && id != CRASH);
        let red: BTreeSet<TestId> = roster.red.iter().map(|n| TestId(roster.names[*n].clone())).collect();
        let is_whole = |id: &TestId| case.red.tests.get(id).is_some_and(|r| r.scope != Scope::Test);
        let whole = red.iter().any(is_whole);
        let is_deep = |r: &TestResult| r.message.as_deref().is_some_and(|m| m.contains(GO_OVERFLOW));
        let hung = case.red.has_hung() || case.red.tests.values().any(is_deep);
        Ok(Self {
            lab: Arc::clone(&case.lab),
            suite: case.suite.clone(),
            limits: case.limits,
            slots: slots.into_iter().collect::<Result<_>>()?,
            ending: if hung && !whole { ending(&roster, case.suite.runner) } else { None },
            roster,
            whole,
            hung,
            screen: screen(&red, case.suite.runner),
            warm: case.red.duration,
            swift: case.red.duration,
            can_batch: is_compiled(case.suite.runner),
            has_scripts: has_scripts(case)?,
            files: files(case)?,
            coverage_limit: case.time_left.mul_f64(COVERAGE_PART).min(MOST_COVERAGE),
            comparing: case.time_left.mul_f64(COMPARING_PART).clamp(CHOOSING, MOST_COMPARING),
            cancel: cancel.clone(),
        })
    }

    /// Builds in every slot, then measures one more run in the first: of the red tests, or of tests that end where those
    /// don't. How long both take.
    async fn warm_up(&self, red: Duration) -> Result<(Duration, Duration)> {
        if self.hung && self.whole && is_interpreted(self.suite.runner) {
            // nothing to build, and to wait for a loop without end once more shows nothing
            return Ok((red, Duration::ZERO));
        }
        let limits = Limits { time: self.limits.time.min(red * 3 + LEAST * 4), ..self.limits };
        let shown = self.ending.clone().unwrap_or_else(|| self.selection(true));
        let runs = (0..self.slots.len()).map(|slot| self.run(slot, &[], &shown, limits));
        let mut cut = None;
        for run in futures::future::join_all(runs).await {
            let run = run?;
            must_be_red(self.ending.is_none(), &run)?;
            if run.has_hung() {
                cut = Some(run.duration);
            }
        }
        let warm = match cut {
            Some(cut) => cut,
            None => self.run(0, &[], &shown, limits).await?.duration,
        };
        if self.ending.is_some() {
            let limits = Limits { time: built_time(warm).min(limits.time), ..limits };
            must_be_red(true, &self.run(0, &[], &self.selection(true), limits).await?)?;
        }
        Ok((warm, warm))
    }

    async fn run(&self, slot: usize, changes: &[Change], selection: &Selection, limits: Limits) -> Result<Run> {
        let workspace = self.slots[slot % self.slots.len()].lock().await;
        put(&workspace, changes)?;
        let run = self.run_with(&workspace, selection, limits, Variables::new()).await;
        // the candidate's files, and everything that its tests left behind
        workspace.reset()?;
        run
    }

    /// Runs the suite as probes want it.
    pub(super) async fn run_with(
        &self,
        workspace: &Workspace,
        selection: &Selection,
        limits: Limits,
        more: Variables,
    ) -> Result<Run> {
        self.lab.run_with(workspace, &self.suite, selection, limits, &quiet(more), &self.cancel).await
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
            Ask::Quick => LEAST.max(self.swift.mul_f64(QUICK_TIMES)),
            Ask::Patient => (LEAST * 2).max(self.swift.mul_f64(PATIENT_TIMES)).max(self.warm),
            Ask::Whole => self.limits.time,
        };
        Limits { time: time.min(self.limits.time), ..self.limits }
    }

    /// For candidates that are built already.
    pub(super) fn built_limits(&self) -> Limits {
        if self.whole {
            // what the red build took says nothing of how long tests take
            return self.limits(Ask::Quick);
        }
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

/// Set for a run.
pub(super) type Variables = BTreeMap<OsString, OsString>;

/// Nobody reads the backtraces of candidates, and Rust takes longer to write one than a small crate's tests to run.
pub(super) fn quiet(mut variables: Variables) -> Variables {
    variables.insert("RUST_BACKTRACE".into(), "0".into());
    variables
}

/// What is red outside has to be red here, or nothing that is tried here says anything; `is_red`: such tests ran.
fn must_be_red(is_red: bool, run: &Run) -> Result<()> {
    if is_red && run.is_green() && !run.tests.is_empty() {
        return Err(Error::internal("the red tests are green in mutate's workspace"));
    }
    Ok(())
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

/// Some green tests, and none of the programs that the red ones are in, so that those are built, too; `None`: there are none,
/// and what a run takes without tests can't be seen.
fn ending(roster: &Roster, runner: Runner) -> Option<Selection> {
    let ids = |numbers: &[usize]| numbers.iter().map(|n| roster.names[*n].clone()).filter(|id| !is_doc(id)).collect();
    let (red, green): (Vec<String>, Vec<String>) = (ids(&roster.red), ids(&roster.green));
    let mut chosen: BTreeSet<TestId> =
        green.iter().step_by(green.len().div_ceil(SHOWN).max(1)).map(|id| TestId(id.clone())).collect();
    if is_compiled(runner) {
        chosen.extend(red.iter().filter_map(|id| none_of(id)));
    }
    (!chosen.is_empty()).then_some(Selection::Only(chosen))
}

/// None of the tests in the program that the test `id` is in.
pub(super) fn none_of(id: &str) -> Option<TestId> {
    Some(TestId(format!("{} {NO_TEST}", id.split_once(' ')?.0)))
}

/// A build costs more than the tests, and functions can be switched.
fn is_compiled(runner: Runner) -> bool {
    matches!(runner, Runner::CargoTest | Runner::Nextest | Runner::Go)
}

/// Tests run as they are written, without a build.
fn is_interpreted(runner: Runner) -> bool {
    match runner {
        Runner::Pytest | Runner::Unittest | Runner::Rspec => true,
        Runner::Jest | Runner::Vitest | Runner::Mocha | Runner::NodeTest => true,
        Runner::CargoTest | Runner::Nextest | Runner::Go | Runner::Maven | Runner::Gradle => false,
        Runner::Tap | Runner::Command => false,
    }
}

/// The build, or a file, failed: no test has a result of its own. Not so where it was cut, or broke off while tests ran.
pub(super) fn is_unbuildable(run: &Run) -> bool {
    let is_broken =
        |(id, r): (&TestId, &TestResult)| r.status == Status::Failed && r.scope != Scope::Test && id.0 != CRASH;
    run.end != End::TimedOut && run.tests.iter().any(is_broken)
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
            // an engine that is killed leaves no coverage, and where everything hangs it always is
            let is_blind = self.whole && (self.can_batch || self.hung);
            if is_blind || !self.can_batch && !self.has_scripts {
                return None;
            }
            self.traced().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "no coverage");
                None
            })
        })
    }

    fn batch(&self) -> usize {
        if self.can_batch { MOST_ARMS } else { 1 }
    }

    fn probe_many<'a>(
        &'a self,
        slot: usize,
        project: &'a Project,
        candidates: &'a [Vec<Change>],
    ) -> BoxFuture<'a, Vec<Result<Probed>>> {
        Box::pin(self.try_many(slot, project, candidates))
    }

    fn compare<'a>(
        &'a self,
        project: &'a Project,
        greens: &'a [Vec<Change>],
        _seed: u64,
        until: Instant,
    ) -> BoxFuture<'a, Compared> {
        Box::pin(async move {
            self.compared(project, greens, until).await.unwrap_or_else(|error| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::formats::BUILD;

    fn run(id: &str, scope: Scope, end: End) -> Run {
        let failed = TestResult { status: Status::Failed, scope, duration_ms: None, message: None, file: None };
        let log = crate::suite::LogFiles { stdout: "o".into(), stderr: "e".into() };
        let tests = [(TestId(id.into()), failed)].into();
        Run { tests, end, duration: Duration::ZERO, log, contradictions: Vec::new() }
    }

    #[test]
    fn what_broke_off_or_was_cut_is_no_build_that_failed() {
        assert!(is_unbuildable(&run(BUILD, Scope::Suite, End::Exited(101))));
        assert!(is_unbuildable(&run("x/loop", Scope::File, End::Exited(1))));
        assert!(!is_unbuildable(&run(CRASH, Scope::Suite, End::Exited(101))));
        assert!(!is_unbuildable(&run(SUITE, Scope::Suite, End::TimedOut)));
        assert!(!is_unbuildable(&run("x TestA", Scope::Test, End::Exited(1))));
    }

    #[test]
    fn where_red_tests_hang_green_ones_and_the_bare_program_show_how_long_a_run_takes() {
        let names: Vec<String> = ["p t::loops", "p::it works", "p::doc src/lib.rs - a #1"].map(str::to_owned).into();
        let all = Roster { names: names.clone(), red: vec![0], green: vec![1, 2] };
        let chosen = |roster: &Roster, runner| match ending(roster, runner) {
            Some(Selection::Only(ids)) => ids.into_iter().map(|id| id.0).collect(),
            _ => Vec::new(),
        };
        let none = format!("p {NO_TEST}");
        assert_eq!(chosen(&all, Runner::CargoTest), [none.as_str(), "p::it works"]);
        assert_eq!(chosen(&Roster { green: Vec::new(), ..all.clone() }, Runner::CargoTest), [none]);
        assert_eq!(chosen(&Roster { green: Vec::new(), ..all }, Runner::Mocha), [""; 0]);
    }
}
