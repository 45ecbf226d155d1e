//! Triage before any fixing: red again? red at the merge base? Or is the machine to blame?

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::failure::blame::{self, Decision};
use crate::failure::project::Project;
use crate::failure::{self, Blame};
use crate::lab::{Lab, Limits, record_run};
use crate::repo::{Sha, Snapshot};
use crate::state::kill_point;
use crate::suite::{Run, Selection, Suite};
use crate::trajectory::{Event, Purpose, Recorder};

/// What triage works with.
pub struct Triage<'a> {
    /// Runs things.
    pub lab: &'a Arc<Lab>,
    /// The suite.
    pub suite: &'a Suite,
    /// The user's tree.
    pub snapshot: &'a Snapshot,
    /// The base branch's name and where our history leaves it.
    pub base: Option<&'a (String, Sha)>,
    /// How often red tests are run again.
    pub reruns: u32,
    /// Limits for one run.
    pub limits: Limits,
    /// Events.
    pub recorder: &'a Recorder,
    /// Stop.
    pub cancel: &'a CancellationToken,
}

/// What triage found.
#[derive(Debug)]
pub struct Triaged {
    /// Who is to blame, how we know, and which tests are to be healed.
    pub decision: Decision,
    /// The last commit before the change: its tests are green, or it does not have the red ones.
    pub green: Option<Sha>,
    /// The red tests run again, for the receipt.
    pub reruns: Vec<Run>,
}

impl Triage<'_> {
    /// Runs `selection` on a new workspace of `snapshot`.
    async fn run_on(&self, snapshot: &Snapshot, purpose: Purpose, subject: &str, selection: &Selection) -> Result<Run> {
        let workspace = self.lab.workspace(snapshot, "triage").await?;
        self.recorder.record(Event::SuiteStarted {
            purpose,
            subject: subject.to_owned(),
            selected: match selection {
                Selection::All => None,
                Selection::Only(tests) => Some(tests.len()),
            },
        });
        let run = self.lab.run(&workspace, self.suite, selection, self.limits, self.cancel).await?;
        record_run(self.recorder, purpose, subject, &run);
        Ok(run)
    }

    /// The red tests, run again on the snapshot: side by side, each in a workspace of its own, as far as slots allow.
    async fn reruns(&self, red: &Selection) -> Result<Vec<Run>> {
        let subjects: Vec<String> = (1..=self.reruns).map(|n| format!("{n}/{}", self.reruns)).collect();
        let runs = subjects.iter().map(|subject| self.run_on(self.snapshot, Purpose::Rerun, subject, red));
        let runs = futures::future::try_join_all(runs).await?;
        kill_point("after-rerun");
        Ok(runs)
    }

    /// The red tests at the merge base, where there is one that differs from the snapshot.
    async fn base_run(&self, red: &Selection) -> Result<Option<Run>> {
        let Some((name, sha)) = self.base else { return Ok(None) };
        let base = self.lab.store.snapshot_of(sha)?;
        if base.tree == self.snapshot.tree {
            return Ok(None);
        }
        let run = self.run_on(&base, Purpose::Base, &format!("{name}@{}", sha.short()), red).await?;
        kill_point("after-base-run");
        Ok(Some(run))
    }

    /// Decides who is to blame for `first`, the red run.
    ///
    /// # Errors
    /// When our own side fails or we are asked to stop.
    pub async fn decide(&self, first: &Run) -> Result<Triaged> {
        let red = Selection::Only(first.red());
        // Both only need the snapshot and the red tests: side by side they cost the time of one.
        let (reruns, base) = tokio::join!(self.reruns(&red), self.base_run(&red));
        let (reruns, base) = (reruns?, base?);
        let store = &self.lab.store;
        let files = store.files(&self.snapshot.tree)?;
        let paths: Vec<String> = files.into_iter().filter_map(|(path, _, _)| String::from_utf8(path).ok()).collect();
        let read = |path: &str| store.read(&self.snapshot.tree, path.as_bytes()).ok().flatten().map(|(_, bytes)| bytes);
        let name = self.base.map(|(name, sha)| format!("{name}@{}", sha.short())).unwrap_or_default();
        let decision = blame::decide(&blame::Evidence {
            suite: self.suite,
            first,
            reruns: &reruns,
            base: base.as_ref().map(|run| (run, name.as_str())),
            excerpt: &failure::excerpt_of(&first.log),
            project: Project { paths: &paths, read: &read },
            offline: self.lab.confinement.offline,
        });
        let green = match (&decision.blame, self.base) {
            (Blame::ThisChange, Some((_, sha))) => Some(sha.clone()),
            _ => None,
        };
        Ok(Triaged { decision, green, reruns })
    }
}
