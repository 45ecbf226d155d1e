//! Many candidates as arms of one switch, where the build is what costs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use super::arms::{Arm, Armed, Otherwise, VARIABLE, compose};
use super::cold::{ColdProbe, Variables, is_unbuildable, quiet};
use super::{Ask, Change, Probe as _, Probed};
use crate::error::{Context as _, Error, Result};
use crate::fixer::mutate::edits::Project;
use crate::lab::Limits;
use crate::repo::Workspace;
use crate::suite::adapter::{Built, RECORD};
use crate::suite::{LogFiles, Run, Selection};
use crate::words::End;

/// Compilers tell names, types and borrows in turns, and stop at ten errors (Go): so many rounds throw out what does not
/// build, then the rest is tried one by one.
pub(super) const MOST_ROUNDS: usize = 8;
/// No more than this of a compiler's output is read.
const LOG_BYTES: u64 = 2 * 1024 * 1024;
/// A build of many arms may take this many times a build and run of one.
const BUILD_TIMES: u32 = 4;

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
        let is_arm = |c: &&Vec<Change>| !self.whole || c.iter().all(|change| parses(project, &change.path));
        let arm = |(at, c)| Some((at + 1, Arm::of(project, Some(c).filter(is_arm)?)?));
        let arms: BTreeMap<usize, Arm> = candidates.iter().enumerate().filter_map(arm).collect();
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
        if let Ok(Some(batch)) = &armed {
            for number in arms.keys() {
                batch.put(&workspace)?;
                let run = self.run_arm(&workspace, batch, *number).await?;
                if run.end == End::Cancelled {
                    break;
                }
                answers.insert(*number, self.read(&run, Ask::Quick));
            }
        }
        workspace.reset()?;
        armed.map(|_| answers)
    }

    /// Builds until no error can be blamed on an arm. `None`: the build fails for another reason.
    async fn build(
        &self,
        workspace: &Workspace,
        project: &Project,
        arms: &mut BTreeMap<usize, Arm>,
        answers: &mut Answers,
    ) -> Result<Option<Batch>> {
        let quick = self.limits(Ask::Quick);
        // a red build is mended by an arm alone, if by any: what it was would keep all of them from being built
        let otherwise = if self.whole { Otherwise::Nothing } else { Otherwise::AsItWas };
        let limits = Limits { time: (quick.time * BUILD_TIMES).min(self.limits.time.max(quick.time)), ..quick };
        for _ in 0..MOST_ROUNDS {
            let numbered: Vec<(usize, &Arm)> = arms.iter().map(|(number, arm)| (*number, arm)).collect();
            let armed = compose(project, &numbered, otherwise);
            workspace.reset()?;
            let written = SystemTime::now();
            put_at(workspace, &armed.changes, written)?;
            let shown = self.ending.clone().unwrap_or_else(|| self.selection(true));
            let run = self.run_with(workspace, &shown, limits, recorded(arm(0))).await?;
            if run.end == End::Cancelled {
                return Err(Error::interrupted());
            }
            if !is_unbuildable(&run) {
                let batch = Batch { armed, written, built: None };
                return match otherwise {
                    _ if run.end == End::TimedOut => Ok(None),
                    Otherwise::Nothing => Ok(Some(batch)),
                    Otherwise::AsItWas => self.as_red(workspace, batch, run).await,
                };
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
    /// tests, or with others where those don't end. With what was built, where starting it shows the same.
    async fn as_red(&self, workspace: &Workspace, batch: Batch, run: Run) -> Result<Option<Batch>> {
        let chosen = self.selection(true);
        let run = match &self.ending {
            Some(_) => self.run_with(workspace, &chosen, self.built_limits(), recorded(arm(0))).await?,
            None => run,
        };
        let still_red = self.read(&run, Ask::Quick).still_red;
        if still_red.is_empty() {
            return Ok(None);
        }
        let Some(built) = self.built(&chosen, &run) else { return Ok(Some(batch)) };
        let batch = Batch { built: Some(built), ..batch };
        batch.put(workspace)?;
        let again = self.run_arm(workspace, &batch, 0).await?;
        let is_same = again.end == run.end && self.read(&again, Ask::Quick).still_red == still_red;
        Ok(Some(Batch { built: batch.built.filter(|_| is_same), ..batch }))
    }

    /// What a recorded run of `selection` can be started with again; what was cut has not started every program.
    pub(super) fn built(&self, selection: &Selection, run: &Run) -> Option<Built> {
        Built::of(&self.suite, selection, &run.log).filter(|_| run.end != End::TimedOut)
    }

    /// Runs the red tests with an arm of what was built.
    async fn run_arm(&self, workspace: &Workspace, batch: &Batch, number: usize) -> Result<Run> {
        self.again(workspace, batch.built.as_ref(), &self.selection(true), self.built_limits(), arm(number)).await
    }

    /// Runs `selection` with what was built, through the build tool where it can't be started without it.
    pub(super) async fn again(
        &self,
        workspace: &Workspace,
        built: Option<&Built>,
        selection: &Selection,
        limits: Limits,
        more: Variables,
    ) -> Result<Run> {
        if let Some(built) = built {
            let more = quiet(more.clone());
            let run = self.lab.run_built(workspace, built, selection, limits, &more, &self.cancel).await?;
            if let Some(run) = run {
                return Ok(run);
            }
        }
        self.run_with(workspace, selection, limits, more).await
    }
}

/// Where a text does not parse, nobody knows where its functions end.
fn parses(project: &Project, path: &[u8]) -> bool {
    project.source(path).is_some_and(|source| !source.has_errors())
}

/// What chooses an arm.
pub(super) fn arm(number: usize) -> Variables {
    Variables::from([(VARIABLE.into(), number.to_string().into())])
}

/// For a run that writes down what it starts.
pub(super) fn recorded(mut variables: Variables) -> Variables {
    variables.insert(RECORD.into(), "1".into());
    variables
}

/// Arms that build together.
struct Batch {
    armed: Armed,
    /// The time that the files have.
    written: SystemTime,
    /// What can be started without the build tool.
    built: Option<Built>,
}

impl Batch {
    /// The files as they were built, and nothing that a run left behind.
    fn put(&self, workspace: &Workspace) -> Result<()> {
        workspace.reset()?;
        put_at(workspace, &self.armed.changes, self.written)
    }
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
