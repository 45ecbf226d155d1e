//! What one build is enough for, where the build is what costs: many candidates as arms of one switch, and coverage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::arms::{Arm, Armed, VARIABLE, compose};
use super::cold::{ColdProbe, is_doc, is_unbuildable};
use super::{Ask, Change, Coverage, Probe as _, Probed, hits, v8};
use crate::error::{Context as _, Error, Result};
use crate::fixer::mutate::edits::Project;
use crate::lab::Limits;
use crate::repo::Workspace;
use crate::suite::{LogFiles, Run, Selection};
use crate::system;
use crate::words::End;

/// Compilers tell names, types and borrows in turns, and stop at ten errors (Go): so many rounds throw out what does not
/// build, then the rest is tried one by one.
pub(super) const MOST_ROUNDS: usize = 8;
/// No more than this of a compiler's output is read.
const LOG_BYTES: u64 = 2 * 1024 * 1024;
/// A build of many arms may take this many times a build and run of one.
const BUILD_TIMES: u32 = 4;

/// Coverage of so many red tests,
const MOST_RED: usize = 6;
/// and of so many green ones.
const MOST_GREEN: usize = 24;
/// Time of one run with coverage, at least.
const LEAST_RUN: Duration = Duration::from_secs(2);

/// What is known of the candidates of a batch.
type Answers = BTreeMap<usize, Probed>;

impl ColdProbe {
    /// Tries `candidates` in `slot`; those that are no arms, or that nobody can build together, one by one.
    pub(super) async fn try_many(
        &self,
        slot: usize,
        project: &Project,
        candidates: &[Vec<Change>],
    ) -> Vec<Result<Probed>> {
        let arms: BTreeMap<usize, Arm> =
            candidates.iter().enumerate().filter_map(|(at, c)| Some((at + 1, Arm::of(project, c)?))).collect();
        let mut answers = match self.run_arms(slot, project, arms).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(%error, "a batch failed");
                Answers::new()
            }
        };
        let mut out = Vec::with_capacity(candidates.len());
        for (at, changes) in candidates.iter().enumerate() {
            out.push(match answers.remove(&(at + 1)) {
                Some(probed) => Ok(probed),
                None => self.try_one(slot, changes, Ask::Quick).await,
            });
        }
        out
    }

    /// Builds the arms, throws out those that don't build, and runs the rest. What has no answer was not tried.
    async fn run_arms(&self, slot: usize, project: &Project, mut arms: BTreeMap<usize, Arm>) -> Result<Answers> {
        let mut answers = Answers::new();
        if arms.len() < 2 {
            return Ok(answers);
        }
        let workspace = self.slots[slot % self.slots.len()].lock().await;
        let armed = self.build(&workspace, project, &mut arms, &mut answers).await;
        if let Ok(Some((armed, written))) = &armed {
            for number in arms.keys() {
                workspace.reset()?;
                put_at(&workspace, &armed.changes, *written)?;
                let run = self.run_arm(&workspace, *number, self.built_limits()).await?;
                if run.end == End::Cancelled {
                    break;
                }
                answers.insert(*number, self.read(&run, Ask::Quick));
            }
        }
        workspace.reset()?;
        armed.map(|_| answers)
    }

    /// Builds until no error can be blamed on an arm; with the time that the files have. `None`: the build fails for
    /// another reason.
    async fn build(
        &self,
        workspace: &Workspace,
        project: &Project,
        arms: &mut BTreeMap<usize, Arm>,
        answers: &mut Answers,
    ) -> Result<Option<(Armed, SystemTime)>> {
        let quick = self.limits(Ask::Quick);
        let limits = Limits { time: (quick.time * BUILD_TIMES).min(self.limits.time.max(quick.time)), ..quick };
        for _ in 0..MOST_ROUNDS {
            let numbered: Vec<(usize, &Arm)> = arms.iter().map(|(number, arm)| (*number, arm)).collect();
            let armed = compose(project, &numbered);
            workspace.reset()?;
            let written = SystemTime::now();
            put_at(workspace, &armed.changes, written)?;
            let shown = self.ending.clone().unwrap_or_else(|| self.selection(true));
            let run = self.run_selected(workspace, 0, &shown, limits).await?;
            if run.end == End::Cancelled {
                return Err(Error::interrupted());
            }
            if !is_unbuildable(&run) {
                let is_good = run.end != End::TimedOut && self.is_as_red(workspace, run).await?;
                return Ok(is_good.then_some((armed, written)));
            }
            let blamed = armed.blamed(&output(&run.log)?);
            if blamed.is_empty() {
                return Ok(None);
            }
            for number in blamed {
                arms.remove(&number);
                let still_red = self.roster().red.iter().copied().collect();
                answers.insert(number, Probed { still_red, unbuildable: true, ..Probed::default() });
            }
            if arms.is_empty() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The code as it was must be as red as it was, or the arms are not what they should be; `run`: of that code, with the red
    /// tests, or with others where those don't end.
    async fn is_as_red(&self, workspace: &Workspace, run: Run) -> Result<bool> {
        let run = match &self.ending {
            Some(_) => self.run_arm(workspace, 0, self.built_limits()).await?,
            None => run,
        };
        Ok(!self.read(&run, Ask::Quick).still_red.is_empty())
    }

    /// Which lines each red test and some green ones reach: one build at most, then the tests one by one while there is
    /// time.
    pub(super) async fn traced(&self) -> Result<Option<Coverage>> {
        let until = Instant::now() + self.coverage_limit;
        let tracer = if self.can_batch { Tracer::Hits(hits::trace(&self.files)) } else { Tracer::Engine };
        let workspace = self.slots[0].lock().await;
        let written = SystemTime::now();
        let mut coverage = Coverage { traceable: tracer.traceable(), ..Coverage::default() };
        let roster = self.roster();
        // doc tests can't be run one by one
        let alone =
            |numbers: &[usize]| numbers.iter().copied().filter(|n| !is_doc(&roster.names[*n])).collect::<Vec<_>>();
        let (reds, greens) = (alone(&roster.red), spread(&alone(&roster.green), MOST_GREEN));
        if let Some(ending) = &self.ending {
            // builds, so that what does not end need not be given the time that a build takes
            put_at(&workspace, tracer.changes(), written)?;
            let limits = Limits { time: self.coverage_limit.min(self.limits.time), ..self.limits };
            self.lab.run(&workspace, &self.suite, ending, limits, &self.cancel).await?;
        }
        let most = |number: &usize| match &self.ending {
            Some(_) if roster.red.contains(number) => self.built_limits().time,
            _ => self.limits.time,
        };
        for number in reds.into_iter().take(MOST_RED).chain(greens) {
            if Instant::now() >= until {
                break;
            }
            workspace.reset()?;
            put_at(&workspace, tracer.changes(), written)?;
            let place = self.lab.scratch("hits")?.join("hits");
            let env = BTreeMap::from([(tracer.variable().into(), place.clone().into_os_string())]);
            let only = self.only(&roster.names[number]);
            let left = until.saturating_duration_since(Instant::now()).max(LEAST_RUN);
            let limits = Limits { time: left.min(most(&number)), ..self.limits };
            let run = self.lab.run_with(&workspace, &self.suite, &only, limits, &env, &self.cancel).await?;
            let is_cut = run.end == End::TimedOut;
            if self.can_batch && is_unbuildable(&run) && !is_cut {
                // what was put in is in the way: better no coverage than a wrong one
                return Ok(None);
            }
            // of a run that was cut what it reached is true, but not all of it
            let reached = tracer.reached(&place, &workspace.path, &mut coverage.traceable);
            if !is_cut || !reached.is_empty() {
                coverage.by_test.insert(number, reached);
            }
        }
        workspace.reset()?;
        let knows_red = roster.red.iter().any(|n| coverage.by_test.get(n).is_some_and(|files| !files.is_empty()));
        Ok(knows_red.then_some(coverage))
    }

    async fn run_arm(&self, workspace: &Workspace, number: usize, limits: Limits) -> Result<Run> {
        self.run_selected(workspace, number, &self.selection(true), limits).await
    }

    /// Runs some tests with an arm.
    pub(super) async fn run_selected(
        &self,
        workspace: &Workspace,
        number: usize,
        selection: &Selection,
        limits: Limits,
    ) -> Result<Run> {
        let env = BTreeMap::from([(VARIABLE.into(), number.to_string().into())]);
        self.lab.run_with(workspace, &self.suite, selection, limits, &env, &self.cancel).await
    }
}

/// Lines by file.
type Reached = BTreeMap<String, BTreeSet<usize>>;

/// Who says which lines were reached.
enum Tracer {
    /// Calls that we put in.
    Hits(hits::Traced),
    /// The engine that runs JavaScript.
    Engine,
}

impl Tracer {
    fn changes(&self) -> &[Change] {
        match self {
            Self::Hits(traced) => &traced.changes,
            Self::Engine => &[],
        }
    }

    fn variable(&self) -> &'static str {
        match self {
            Self::Hits(_) => hits::VARIABLE,
            Self::Engine => v8::VARIABLE,
        }
    }

    fn traceable(&self) -> Reached {
        match self {
            Self::Hits(traced) => traced.traceable(),
            Self::Engine => Reached::new(),
        }
    }

    /// What a run reached, as it left it at `place`; an engine tells only now which lines it could have seen.
    fn reached(&self, place: &Path, top: &Path, traceable: &mut Reached) -> Reached {
        if let Self::Hits(traced) = self {
            return traced.reached(&std::fs::read_to_string(place).unwrap_or_default());
        }
        let tops = [Some(top.to_path_buf()), system::canonical(top).ok()].into_iter().flatten();
        let tops: Vec<String> = tops.map(|top| top.to_string_lossy().into_owned()).collect();
        let mut reached = Reached::new();
        for (file, scripts) in v8::by_file(&v8::reports(place), &tops) {
            let Ok(text) = std::fs::read_to_string(top.join(&file)) else { continue };
            let lines = v8::lines_of(&file, &text, &scripts);
            traceable.entry(file.clone()).or_default().extend(lines.inside);
            if !lines.executed.is_empty() {
                reached.insert(file, lines.executed);
            }
        }
        reached
    }
}

/// At most `most` of `numbers`, from all over.
pub(super) fn spread(numbers: &[usize], most: usize) -> Vec<usize> {
    let step = numbers.len().div_ceil(most.max(1)).max(1);
    numbers.iter().step_by(step).copied().collect()
}

/// Writes files with the time `written`: the same text at the same time is no reason for a build tool to build again.
pub(super) fn put_at(workspace: &Workspace, changes: &[Change], written: SystemTime) -> Result<()> {
    for change in changes {
        let path = workspace.at(&change.path);
        let place = || format!("can't write {}", path.display());
        std::fs::write(&path, &change.text).context(place)?;
        std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(written)).context(place)?;
    }
    Ok(())
}

/// What the command printed, errors first; cut where it is too long.
pub(super) fn output(log: &LogFiles) -> Result<String> {
    let read = |path: &Path| -> Result<String> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).context(|| format!("can't read {}", path.display()))?;
        file.take(LOG_BYTES).read_to_end(&mut bytes).context(|| format!("can't read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(format!("{}\n{}", read(&log.stderr)?, read(&log.stdout)?))
}
