//! Which lines each test reaches, for what is run by its own command: one build at most, then the tests one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::batch::{put_at, recorded};
use super::cold::{ColdProbe, Variables, is_doc, is_unbuildable, none_of};
use super::{Change, Coverage, Probe as _, hits, v8};
use crate::error::Result;
use crate::lab::Limits;
use crate::suite::Selection;
use crate::suite::adapter::Built;
use crate::system;
use crate::words::End;

/// Coverage of so many red tests,
const MOST_RED: usize = 6;
/// and of so many green ones.
const MOST_GREEN: usize = 24;
/// Time of one run with coverage, at least.
const LEAST_RUN: Duration = Duration::from_secs(2);

impl ColdProbe {
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
        let reds: Vec<usize> = alone(&roster.red).into_iter().take(MOST_RED).collect();
        let greens = spread(&alone(&roster.green), MOST_GREEN);
        let mut built = None;
        if let Some(first) = self.first(&reds, &greens) {
            put_at(&workspace, tracer.changes(), written)?;
            let limits = Limits { time: self.coverage_limit.min(self.limits.time), ..self.limits };
            let run = self.run_with(&workspace, &first, limits, recorded(Variables::new())).await?;
            built = self.built(&first, &run);
        }
        let most = |number: &usize| match &self.ending {
            Some(_) if roster.red.contains(number) => self.built_limits().time,
            _ => self.limits.time,
        };
        for number in reds.into_iter().chain(greens) {
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
            let run = self.again(&workspace, built.as_ref(), &only, limits, env).await?;
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

    /// What is run before each test alone: tests that end, so that what does not need not be given the time that a build
    /// takes; or one that starts every program, which can be started again then.
    fn first(&self, reds: &[usize], greens: &[usize]) -> Option<Selection> {
        if self.ending.is_some() {
            return self.ending.clone();
        }
        let names = reds.iter().chain(greens).map(|n| self.roster().names[*n].as_str());
        Built::knows(self.suite.runner).then(|| Selection::Only(names.filter_map(none_of).collect()))
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
