//! Green candidates of a compiled language against each other: one build with all of them as arms and with variants of the
//! tests, then one run for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::arms::{Arm, Otherwise, compose};
use super::batch::{MOST_ROUNDS, arm, output, put_at, recorded};
use super::cold::{ColdProbe, is_unbuildable};
use super::variants::{Variant, answer, blamed, put, variants};
use super::{Answer, Change, Compared, Probe as _};
use crate::error::{Error, Result};
use crate::fixer::mutate::edits::Project;
use crate::lab::Limits;
use crate::repo::Workspace;
use crate::suite::adapter::Built;
use crate::suite::{Run, Selection};
use crate::words::End;

/// So many variants of tests are run with each candidate.
const MOST_VARIANTS: usize = 64;
/// No run is given less than this.
const LEAST_RUN: Duration = Duration::from_millis(500);

/// A comparison under way.
struct Comparison<'a> {
    probe: &'a ColdProbe,
    project: &'a Project,
    workspace: &'a Workspace,
    until: Instant,
    variants: Vec<Variant>,
    /// The arms and variants, where they can be started without the build tool.
    built: Option<Built>,
}

impl ColdProbe {
    /// What `greens` do with variants of the tests, as far as there is time: at most until `until`.
    pub(super) async fn compared(&self, project: &Project, greens: &[Vec<Change>], until: Instant) -> Result<Compared> {
        let arms: BTreeMap<usize, Arm> =
            greens.iter().enumerate().filter_map(|(at, c)| Some((at + 1, Arm::of(project, c)?))).collect();
        if self.batch() < 2 || arms.is_empty() {
            return Ok(Compared::default());
        }
        let roster = self.roster();
        let names = |numbers: &[usize]| numbers.iter().map(|n| roster.names[*n].as_str()).collect::<Vec<_>>();
        let functions = arms.values().map(|arm| arm.function.as_str()).filter(|name| !name.is_empty()).collect();
        let variants = variants(project, &names(&roster.red), &names(&roster.green), &functions, MOST_VARIANTS);
        if variants.is_empty() {
            return Ok(Compared::default());
        }
        let workspace = self.slots[0].lock().await;
        let until = until.min(Instant::now() + self.comparing);
        let mut comparison = Comparison { probe: self, project, workspace: &workspace, until, variants, built: None };
        let answers = comparison.answers(greens, arms).await;
        workspace.reset()?;
        let answers = answers?;
        let mut compared = Compared::default();
        for at in 0..greens.len() {
            let known = answers.get(&at).cloned().unwrap_or_else(|| vec![None; comparison.variants.len()]);
            let about = comparison.variants.iter().map(|variant| variant.about.clone());
            compared.add(about.zip(known).map(|(about, answer)| Some((about, answer?))).collect());
        }
        Ok(compared)
    }
}

/// What each candidate (by its place) answered to each variant.
type Answers = BTreeMap<usize, Vec<Option<Answer>>>;

impl Comparison<'_> {
    async fn answers(&mut self, greens: &[Vec<Change>], mut arms: BTreeMap<usize, Arm>) -> Result<Answers> {
        let mut answers = Answers::new();
        let Some((changes, written)) = self.build(&mut arms).await? else { return Ok(answers) };
        let mut again = None;
        for number in arms.keys() {
            let Some(run) = self.run(&changes, *number, written).await? else { break };
            if again.is_none() {
                // what differs from one run to the next says nothing about candidates
                again = Some(self.run(&changes, *number, written).await?.map_or(Vec::new(), |run| self.read(&run)));
            }
            answers.insert(number - 1, self.read(&run));
        }
        // what is no arm is built by itself
        self.built = None;
        for (at, changes) in greens.iter().enumerate().filter(|(at, _)| !arms.contains_key(&(at + 1))) {
            let changes = self.with_variants(changes);
            let Some(run) = self.run(&changes, 0, SystemTime::now()).await? else { break };
            if !is_unbuildable(&run) {
                answers.insert(at, self.read(&run));
            }
        }
        let first = arms.keys().next().and_then(|number| answers.get(&(number - 1))).cloned().unwrap_or_default();
        let shaky: BTreeSet<usize> =
            again.iter().flat_map(|again| (0..first.len()).filter(|at| again.get(*at) != first.get(*at))).collect();
        for known in answers.values_mut() {
            shaky.iter().filter_map(|at| known.get_mut(*at).map(Option::take)).for_each(drop);
        }
        Ok(answers)
    }

    /// Builds arms and variants together, without those that the compiler does not take. `None`: it takes nothing. With
    /// the time that the files have.
    async fn build(&mut self, arms: &mut BTreeMap<usize, Arm>) -> Result<Option<(Vec<Change>, SystemTime)>> {
        for _ in 0..MOST_ROUNDS {
            let numbered: Vec<(usize, &Arm)> = arms.iter().map(|(number, arm)| (*number, arm)).collect();
            let armed = compose(self.project, &numbered, Otherwise::AsItWas);
            let changes = self.with_variants(&armed.changes);
            let written = SystemTime::now();
            // an arm that is green, since the code as it was may never end
            let first = numbered[0].0;
            let Some(run) = self.run(&changes, first, written).await? else { return Ok(None) };
            if !is_unbuildable(&run) {
                self.built = self.probe.built(&self.chosen(), &run);
                return Ok((run.end != End::TimedOut).then_some((changes, written)));
            }
            let log = output(&run.log)?;
            let texts = changes.iter().map(|change| (change.path.as_slice(), change.text.as_str())).collect();
            let bad = blamed(&log, &texts, &self.variants);
            // lines of arms are told by the text without variants, which stand behind them or in other files
            let bad_arms = if bad.is_empty() { armed.blamed(&log) } else { BTreeSet::new() };
            if bad.is_empty() && bad_arms.is_empty() {
                return Ok(None);
            }
            bad.iter().rev().for_each(|at| drop(self.variants.remove(*at)));
            bad_arms.iter().for_each(|number| drop(arms.remove(number)));
            if arms.is_empty() || self.variants.is_empty() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// `changes` and the variants, each in its file.
    fn with_variants(&self, changes: &[Change]) -> Vec<Change> {
        let mut all: BTreeMap<Vec<u8>, String> = changes.iter().map(|c| (c.path.clone(), c.text.clone())).collect();
        let paths: BTreeSet<&Vec<u8>> = self.variants.iter().map(|variant| &variant.path).collect();
        for path in paths {
            let files = || self.project.sources().iter().chain(self.project.material());
            let own = || files().find(|source| source.path == *path).map(|source| source.text.clone());
            let Some(text) = all.get(path).cloned().or_else(own) else { continue };
            let here: Vec<&Variant> = self.variants.iter().filter(|variant| variant.path == *path).collect();
            all.insert(path.clone(), put(&text, &here));
        }
        all.into_iter().map(|(path, text)| Change { path, text }).collect()
    }

    /// Runs the variants with an arm; `None`: no time is left.
    async fn run(&self, changes: &[Change], number: usize, written: SystemTime) -> Result<Option<Run>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left < LEAST_RUN {
            return Ok(None);
        }
        self.workspace.reset()?;
        put_at(self.workspace, changes, written)?;
        let limits = Limits { time: left, ..self.probe.limits };
        let (chosen, more) = (self.chosen(), recorded(arm(number)));
        let run = self.probe.again(self.workspace, self.built.as_ref(), &chosen, limits, more).await?;
        if run.end == End::Cancelled { Err(Error::interrupted()) } else { Ok(Some(run)) }
    }

    fn chosen(&self) -> Selection {
        Selection::Only(self.variants.iter().map(|variant| variant.id.clone()).collect())
    }

    fn read(&self, run: &Run) -> Vec<Option<Answer>> {
        self.variants.iter().map(|variant| answer(&run.tests, run.end, variant)).collect()
    }
}
