//! Tier 2: the commit that broke it is found and reverted; then as much of it as possible is brought back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::failure::{ChangedLines, Failure, Suspect, changed};
use crate::fixer::{Candidate, Label};
use crate::heal::race::{self, RaceEnd, Until, Winner};
use crate::heal::{Healing, millis};
use crate::judge::{self, Docket, Verdict};
use crate::lab::history::{History, Origin};
use crate::patch::Patch;
use crate::repo::revert::{Conflict, Revert};
use crate::repo::{Commit, Sha, Snapshot};
use crate::state::kill_point;
use crate::suite::Run;
use crate::trajectory::Event;

/// Red tests may have more than one culprit; this many are reverted one after the other.
const MOST_CULPRITS: usize = 3;
/// Once a plain revert heals, this much of what is left goes into keeping more of the change.
const BETTER_PART: f64 = 0.5;
/// And never more than this: a heal is there, a person waits.
const BETTER_MOST: Duration = Duration::from_secs(120);
/// Suspects that lie in the culprit's own lines weigh this much more.
const CULPRIT_WEIGHT: f64 = 2.0;

/// What reverting led to.
struct Reverting {
    /// The tree with all culprits reverted, unless nothing could be.
    reverted: Option<Snapshot>,
    /// Who was found to blame.
    culprits: Vec<Commit>,
    /// A tree in which the red tests pass, to compare with.
    green: Option<Sha>,
}

impl Healing<'_> {
    /// Reverts, judges the revert, then lets the fixers look again with the culprit's change as their material.
    pub(super) async fn second_tier(
        &mut self,
        docket: &Docket,
        failure: &Failure,
        green: Option<&Sha>,
    ) -> Result<Option<Winner>> {
        let began = Instant::now();
        self.recorder.record(Event::TierStarted { tier: 2 });
        kill_point("tier2-started");
        // what was stuck in tier 1 is another case now: it is looked at as at first
        self.overseen.start_afresh();
        self.prove_pristine().await?;
        let reverting = self.revert_culprits(docket, green).await?;
        let plain = match &reverting.reverted {
            Some(reverted) => self.judge_revert(docket, &reverting, reverted).await?,
            None => None,
        };
        let better = self.look_again(docket, failure, &reverting, plain.is_some()).await?;
        let winner = match (better, plain) {
            (Some(better), Some(plain)) if better.is_weak() && !plain.is_weak() => Some(plain),
            (Some(better), _) => Some(better),
            (None, plain) => plain,
        };
        let why = match &winner {
            Some(_) => "healed",
            None if self.time_left().is_zero() => "out of time",
            None => "exhausted",
        };
        self.recorder.record(Event::TierEnded { tier: 2, why: why.to_owned(), ms: millis(began) });
        Ok(winner)
    }

    /// Whatever tier 1 tried, nothing of it is left: a new workspace has the snapshot's tree, hash for hash.
    async fn prove_pristine(&self) -> Result<()> {
        let workspace = self.lab.workspace(&self.snapshot, "pristine").await?;
        let tree = workspace.tree_now()?;
        if tree != self.snapshot.tree {
            return Err(Error::internal(format!(
                "a new workspace has tree {tree} instead of the snapshot's {}",
                self.snapshot.tree
            )));
        }
        self.recorder.record(Event::Note { text: format!("pristine: a new workspace has the snapshot's tree {tree}") });
        Ok(())
    }

    /// Finds and reverts culprits one after the other until the red tests pass or nothing more can be reverted.
    async fn revert_culprits(&self, docket: &Docket, green: Option<&Sha>) -> Result<Reverting> {
        let mut state = Reverting { reverted: None, culprits: Vec::new(), green: None };
        let mut red: Run = docket.red.clone();
        while state.culprits.len() < MOST_CULPRITS {
            let on = state.reverted.clone().unwrap_or_else(|| self.snapshot.clone());
            let history = History::new(&self.lab, &docket.suite, &red, &self.snapshot, &self.protected, docket.limits);
            let known = if state.culprits.is_empty() { green } else { None };
            let Some((culprit, before)) = self.culprit(&history, known).await? else { break };
            if state.culprits.iter().any(|c| c.sha == culprit.sha) {
                break;
            }
            state.green.get_or_insert(before);
            let reverted = self.revert(&on, &culprit)?;
            state.culprits.push(culprit);
            let Some(reverted) = reverted else { break };
            let still = self.still_red(docket, &reverted).await?;
            state.reverted = Some(reverted);
            let Some(still) = still else { break };
            red = still;
        }
        Ok(state)
    }

    /// The commit that made the tests of `history` red and its green parent, told as an event; nothing when it can't be named.
    async fn culprit(&self, history: &History, green: Option<&Sha>) -> Result<Option<(Commit, Sha)>> {
        match self.origin(history, green).await? {
            Origin::Culprit { commit, green, tries } => {
                let how = format!("bisected, {tries} step{}", if tries == 1 { "" } else { "s" });
                self.recorder.record(Event::CulpritFound { commit: commit.clone(), how });
                Ok(Some((commit, green)))
            }
            Origin::Uncommitted { green } => {
                let why = format!("HEAD ({}) is green: what is not committed yet made the tests red", green.short());
                self.recorder.record(Event::NoCulprit { why });
                Ok(None)
            }
            Origin::Unknown { why } => {
                self.recorder.record(Event::NoCulprit { why });
                Ok(None)
            }
        }
    }

    /// The bisection, for as long as there is time.
    async fn origin(&self, history: &History, green: Option<&Sha>) -> Result<Origin> {
        let stop = self.cancel.child_token();
        let origin = history.origin(green, self.recorder, &stop);
        tokio::pin!(origin);
        let found = tokio::select! {
            found = &mut origin => return found,
            () = tokio::time::sleep(self.time_left()) => {
                stop.cancel();
                origin.await
            }
        };
        match found {
            Err(error) if error.kind() == Kind::Interrupted && !self.cancel.is_cancelled() => Ok(Origin::Unknown {
                why: "the time was up before a commit was found at which the red tests pass".into(),
            }),
            other => other,
        }
    }

    fn revert(&self, on: &Snapshot, culprit: &Commit) -> Result<Option<Snapshot>> {
        match self.lab.store.revert(on, &culprit.sha)? {
            Revert::Clean { snapshot, .. } => {
                self.recorder
                    .record(Event::Reverted { commit: culprit.sha.0.clone(), revert: snapshot.commit.0.clone() });
                kill_point("reverted");
                Ok(Some(snapshot))
            }
            Revert::Nothing => {
                let text = format!("nothing is left of {} to revert: later commits undid it", culprit.sha.short());
                self.recorder.record(Event::Note { text });
                Ok(None)
            }
            Revert::Conflicts(conflicts) => {
                let conflicts = conflicts.iter().map(conflict).collect();
                self.recorder.record(Event::RevertRefused { commit: culprit.sha.0.clone(), conflicts });
                Ok(None)
            }
        }
    }

    /// Runs the red tests on the reverted tree; `None` when they pass. Tests that the culprit brought along are not
    /// there any more: only those that are there can be red.
    async fn still_red(&self, docket: &Docket, reverted: &Snapshot) -> Result<Option<Run>> {
        let workspace = self.lab.workspace(reverted, "reverted").await?;
        let selection = crate::suite::Selection::Only(docket.red.red());
        let run = self.lab.run(&workspace, &docket.suite, &selection, docket.limits, self.cancel).await?;
        let red: BTreeSet<_> = run.red().intersection(&docket.red.red()).cloned().collect();
        if red.is_empty() {
            return Ok(None);
        }
        let mut rest = docket.red.clone();
        rest.tests.retain(|id, _| red.contains(id));
        Ok(Some(rest))
    }

    /// The plain revert, judged like any candidate: its changes to tests are put back first.
    async fn judge_revert(
        &mut self,
        docket: &Docket,
        state: &Reverting,
        reverted: &Snapshot,
    ) -> Result<Option<Winner>> {
        let patch = self.lab.store.diff(&self.snapshot.tree, &reverted.tree)?;
        let (patch, _) = patch.partition(|path, _| self.protected.why(path).is_none());
        let hash = patch.hash();
        if patch.is_empty() || !self.seen.insert(hash.clone()) {
            return Ok(None);
        }
        let candidate = self.revert_candidate(state, patch);
        self.recorder.record(race::proposed(&candidate, hash));
        let (patch, judgement) =
            judge::judge(&self.lab, docket, &candidate.id, &candidate.patch, self.recorder, self.cancel).await?;
        Ok((judgement.verdict == Verdict::Healed).then_some(Winner { candidate, patch, judgement }))
    }

    fn revert_candidate(&self, state: &Reverting, patch: Patch) -> Candidate {
        let names: Vec<String> =
            state.culprits.iter().map(|c| format!("{} \"{}\"", c.sha.short(), c.subject)).collect();
        Candidate {
            id: "revert#1".to_owned(),
            fixer: "revert",
            patch,
            idea: format!("reverts {}", names.join(" and ")),
            labels: BTreeSet::from([Label::Undo]),
            disagreement: None,
        }
    }

    /// The fixers again, now knowing the culprit: *undo* keeps as much of its change as stays green, *mutate* looks in
    /// the lines that it touched.
    async fn look_again(
        &mut self,
        docket: &Docket,
        failure: &Failure,
        state: &Reverting,
        healed: bool,
    ) -> Result<Option<Winner>> {
        let Some(culprit) = state.culprits.first() else { return Ok(None) };
        let left = self.time_left();
        let time = if healed { left.mul_f64(BETTER_PART).min(BETTER_MOST) } else { left };
        if time.is_zero() {
            return Ok(None);
        }
        let green = match (&state.reverted, &state.green) {
            (Some(reverted), _) => Some(reverted.commit.clone()),
            (None, green) => green.clone(),
        };
        let failure = self.with_culprit(failure, culprit)?;
        let case = self.case(docket, failure, green, time);
        let raced = self.race(Arc::clone(&case), &self.fixers(), docket, Until { time, stuck: None }).await?;
        match raced.end {
            RaceEnd::Healed(winner) => Ok(Some(*winner)),
            RaceEnd::Exhausted | RaceEnd::OutOfTime | RaceEnd::Stuck => Ok(None),
            RaceEnd::Cancelled => Err(Error::interrupted()),
        }
    }

    /// The failure with suspects in the culprit's lines moved up.
    fn with_culprit(&self, failure: &Failure, culprit: &Commit) -> Result<Failure> {
        let store = &self.lab.store;
        let Some(parent) = culprit.parents.first() else { return Ok(failure.clone()) };
        let (before, after) = (store.snapshot_of(parent)?, store.snapshot_of(&culprit.sha)?);
        let lines = changed::between(store, &before.tree, &after.tree)?;
        let mut failure = failure.clone();
        raise(&mut failure.suspects, &lines, culprit);
        Ok(failure)
    }
}

fn raise(suspects: &mut Vec<Suspect>, lines: &ChangedLines, culprit: &Commit) {
    for suspect in suspects.iter_mut() {
        if lines.touches(&suspect.file, suspect.line, suspect.end_line) {
            suspect.score *= CULPRIT_WEIGHT;
        }
    }
    for (file, ranges) in &lines.by_file {
        for (line, end_line) in ranges {
            suspects.push(Suspect {
                file: file.clone(),
                line: *line,
                end_line: *end_line,
                symbol: None,
                score: 1.0,
                reason: format!("changed by the culprit {}", culprit.sha.short()),
            });
        }
    }
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// A conflict in words: the path and what stands in the way.
fn conflict(conflict: &Conflict) -> String {
    let path = String::from_utf8_lossy(&conflict.path);
    let later: Vec<&str> = conflict.later.iter().map(|c| c.sha.short()).collect();
    match (later.is_empty(), conflict.uncommitted) {
        (true, true) => format!("{path} (has uncommitted changes)"),
        (true, false) => path.into_owned(),
        (false, true) => format!("{path} (changed later by {}, and not committed)", later.join(", ")),
        (false, false) => format!("{path} (changed later by {})", later.join(", ")),
    }
}
