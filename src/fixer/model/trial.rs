//! Trying patches out before the judge sees them: in a warm runner that all strategies of a case share, in workspaces where
//! there is none.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::failure::{self, standing};
use crate::fixer::mutate;
use crate::fixer::mutate::localise::{Clues, Place, places};
use crate::fixer::mutate::probe::{Ask, Change, Coverage, Probe, Probed};
use crate::fixer::{Case, Desk};
use crate::patch::Patch;
use crate::suite::{Run, Selection, TestId};
use crate::words::End;

use super::edits::Files;

/// The warm runner of a case, made when the first strategy wants it.
#[derive(Default)]
pub struct Trials {
    warm: OnceCell<Option<Warm>>,
    turn: AtomicUsize,
}

struct Warm {
    probe: Box<dyn Probe>,
    coverage: Option<Coverage>,
}

impl std::fmt::Debug for Trials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trials")
    }
}

/// What the tests said of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// Everything that was green or red is green.
    Green,
    /// Not yet.
    Red {
        /// Red tests, or tests that it broke.
        red: BTreeSet<TestId>,
        /// What they say.
        output: String,
    },
}

impl Trials {
    async fn warm(&self, case: &Case, desk: &Desk) -> Result<Option<&Warm>> {
        let start = || async {
            let probe = mutate::start(case, &desk.cancel, &mut Vec::new()).await.ok()?;
            let coverage = probe.coverage().await;
            Some(Warm { probe, coverage })
        };
        tokio::select! {
            warm = self.warm.get_or_init(start) => Ok(warm.as_ref()),
            () = desk.cancel.cancelled() => Err(Error::interrupted()),
        }
    }

    /// The lines of `files`, most suspicious first.
    ///
    /// # Errors
    /// When cancelled.
    pub async fn places(&self, case: &Case, desk: &Desk, files: &Files) -> Result<Vec<Place>> {
        let warm = self.warm(case, desk).await?;
        let red = warm.map(|w| w.probe.roster().red.clone()).unwrap_or_default();
        Ok(places(&Clues {
            files: files.iter().map(|(path, text)| (path.as_str(), text.lines().count())).collect(),
            suspects: &case.failure.suspects,
            coverage: warm.and_then(|w| w.coverage.as_ref()),
            red: &red,
            ..Clues::default()
        }))
    }

    /// The red tests with `patch`, then everything: what the judge would refuse for a test that was green is worth knowing
    /// before.
    ///
    /// # Errors
    /// When cancelled, or when workspaces can't be made.
    pub async fn try_out(&self, case: &Case, desk: &Desk, patch: &Patch) -> Result<Tried> {
        if let Some(warm) = self.warm(case, desk).await?
            && let Some(changes) = changes(patch)
        {
            let slot = self.turn.fetch_add(1, Ordering::Relaxed) % warm.probe.slots().max(1);
            let probed = tokio::select! {
                probed = probe(warm.probe.as_ref(), slot, &changes) => probed,
                () = desk.cancel.cancelled() => return Err(Error::interrupted()),
            };
            // a runner that died is no verdict: the workspaces below have one
            if let Ok(probed) = probed {
                return Ok(tried(warm.probe.as_ref(), probed));
            }
        }
        in_workspaces(case, desk, patch).await
    }
}

/// The texts that a patch leaves; `None` when it does more than change texts.
fn changes(patch: &Patch) -> Option<Vec<Change>> {
    let change = |(path, change): (&Vec<u8>, &crate::patch::FileChange)| {
        let text = String::from_utf8(change.new.as_ref()?.bytes.clone()).ok()?;
        Some(Change { path: path.clone(), text })
    };
    patch.files.iter().map(change).collect()
}

async fn probe(probe: &dyn Probe, slot: usize, changes: &[Change]) -> Result<Probed> {
    let mut probed = probe.probe(slot, changes, Ask::Quick).await?;
    if probed.timed_out && !probed.unbuildable {
        probed = probe.probe(slot, changes, Ask::Patient).await?;
    }
    if probed.is_green() { probe.probe(slot, changes, Ask::Whole).await } else { Ok(probed) }
}

fn tried(probe: &dyn Probe, probed: Probed) -> Tried {
    if probed.is_green() {
        return Tried::Green;
    }
    let names = &probe.roster().names;
    let name = |n: &usize| names.get(*n).map(|n| TestId(n.clone()));
    let numbers = if probed.still_red.is_empty() { &probed.broke } else { &probed.still_red };
    let message = probed.message.map(|m| failure::text::plain(&m).into_owned()).unwrap_or_default();
    let output = match (probed.unbuildable, probed.timed_out) {
        (true, _) => format!("the code can't be loaded: {message}"),
        (false, true) => format!("the tests did not end in time\n{message}"),
        (false, false) => message,
    };
    let mut red: BTreeSet<TestId> = numbers.iter().filter_map(name).collect();
    if red.is_empty() {
        red = probe.roster().red.iter().filter_map(name).collect();
    }
    Tried::Red { red, output }
}

async fn in_workspaces(case: &Case, desk: &Desk, patch: &Patch) -> Result<Tried> {
    let first = &case.red;
    let red = first.red();
    let part = if red.is_empty() { Selection::All } else { Selection::Only(red) };
    for selection in [part, Selection::All] {
        let workspace = case.lab.workspace(&case.snapshot, desk.fixer).await?;
        workspace.write(patch)?;
        let run = case.lab.run(&workspace, &case.suite, &selection, case.limits, &desk.cancel).await?;
        if run.end == End::Cancelled {
            return Err(Error::interrupted());
        }
        if !standing::all_green(&run, first) {
            return Ok(Tried::Red { red: standing::still_red(&run, first), output: output(&run) });
        }
        let broken: BTreeSet<TestId> = run.red().intersection(&first.passed()).cloned().collect();
        if !broken.is_empty() {
            return Ok(Tried::Red { red: broken, output: output(&run) });
        }
    }
    Ok(Tried::Green)
}

/// What the red tests of a run say, or its log.
fn output(run: &Run) -> String {
    let messages: Vec<String> = run
        .red()
        .iter()
        .filter_map(|id| run.tests.get(id)?.message.as_deref().map(|m| failure::text::plain(m).into_owned()))
        .filter(|m| !m.trim().is_empty())
        .take(2)
        .collect();
    if messages.is_empty() { failure::excerpt_of(&run.log) } else { messages.join("\n") }
}
