//! The judge's procedure: read the patch, run the red tests with it, then everything, then the red tests without it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Docket, Judgement, Reason, Verdict, guard, inventory};
use crate::error::{Error, Result};
use crate::lab::{Lab, record_run};
use crate::patch::{Patch, outside};
use crate::repo::{Sha, Workspace};
use crate::state::kill_point;
use crate::suite::{Run, Selection, TestId};
use crate::trajectory::{Event, Purpose, Recorder};

/// Who and what is before the judge.
pub(super) struct Court<'a> {
    pub lab: &'a Arc<Lab>,
    pub docket: &'a Docket,
    pub candidate: &'a str,
    pub recorder: &'a Recorder,
    pub cancel: &'a CancellationToken,
}

/// A verdict on the way: the judge stops at the first.
type Decision = (Verdict, Vec<Reason>);

/// So many runs with a flaky test in them are done over.
const MOST_AGAIN: u32 = 4;

/// How many paths are named in a reason.
const MOST_PATHS: usize = 10;

impl Court<'_> {
    /// The whole procedure.
    pub async fn hear(&self, patch: &Patch) -> Result<(Patch, Judgement)> {
        self.step("guards");
        let read = self.read(patch).await?;
        let mut judgement = Judgement::unheard(Verdict::Healed, Vec::new());
        judgement.labels = read.labels;
        judgement.set_aside = read.set_aside;
        judgement.tests_changed = read.tests_changed;
        judgement.guards_passed = read.passed;
        let decision = if read.objections.is_empty() {
            self.run_all(&read.kept, &mut judgement).await?
        } else {
            Some((read.verdict, read.objections))
        };
        match decision {
            Some((verdict, reasons)) => (judgement.verdict, judgement.reasons) = (verdict, reasons),
            None => judgement.healed = self.docket.red.red(),
        }
        Ok((read.kept, judgement))
    }

    pub(super) fn step(&self, step: impl Into<String>) {
        self.recorder.record(Event::JudgeStep { candidate: self.candidate.to_owned(), step: step.into() });
    }

    /// Static part: no test runs. Reading many files is work for a blocking thread.
    async fn read(&self, patch: &Patch) -> Result<guard::Reading> {
        let (lab, docket, patch) = (Arc::clone(self.lab), self.docket.clone(), patch.clone());
        self.blocking(move || guard::read(&lab.store, &docket, &patch)).await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        tokio::select! {
            done = tokio::task::spawn_blocking(work) => {
                done.map_err(|e| Error::internal("the judge panicked").source(e))?
            }
            () = self.cancel.cancelled() => Err(Error::interrupted()),
        }
    }

    /// The runs, in a fresh workspace with the patch and in another without it.
    async fn run_all(&self, patch: &Patch, judgement: &mut Judgement) -> Result<Option<Decision>> {
        let bench = match self.bench(patch).await? {
            Ok(bench) => bench,
            Err(decision) => return Ok(Some(decision)),
        };
        let expected = bench.tree(self).await?;
        if let Some(decision) = self.run_red(&bench, judgement).await? {
            return Ok(Some(decision));
        }
        kill_point("judge-half");
        // the second workspace is made while the tests run in the first
        let pristine = {
            let (lab, snapshot) = (Arc::clone(self.lab), self.docket.snapshot.clone());
            tokio::spawn(async move { lab.workspace(&snapshot, "judge-without").await })
        };
        let mut rewritten = BTreeSet::new();
        let decision = self.run_everything(&bench, &expected, judgement, &mut rewritten).await?;
        bench.close();
        let workspace = tokio::select! {
            made = pristine => made.map_err(|e| Error::internal("making a workspace panicked").source(e))??,
            () = self.cancel.cancelled() => return Err(Error::interrupted()),
        };
        let pristine = Bench::over(workspace, Patch::default());
        let decision = match decision {
            Some(decision) => Ok(Some(decision)),
            None => self.run_without(&pristine, judgement, &rewritten).await,
        };
        pristine.close();
        decision
    }

    /// A fresh workspace with the patch in it, or the reason why it does not fit.
    async fn bench(&self, patch: &Patch) -> Result<std::result::Result<Bench, Decision>> {
        let workspace = tokio::select! {
            made = self.lab.workspace(&self.docket.snapshot, "judge") => made?,
            () = self.cancel.cancelled() => return Err(Error::interrupted()),
        };
        let bench = Bench::over(workspace, patch.clone());
        let (inner, snapshot) = (Arc::clone(&bench.inner), self.docket.snapshot.tree.clone());
        let misfits = self
            .blocking(move || {
                if inner.workspace.tree_now()? != snapshot {
                    return Err(Error::internal("a fresh workspace is not its snapshot"));
                }
                let misfits = inner.patch.misfits(&inner.workspace.path)?;
                if misfits.is_empty() {
                    inner.workspace.write(&inner.patch)?;
                }
                Ok(misfits)
            })
            .await?;
        if misfits.is_empty() {
            return Ok(Ok(bench));
        }
        bench.close();
        let what = format!("the snapshot has another content in {}", some_of(misfits));
        Ok(Err((Verdict::DoesNotApply, vec![reason("patch.does-not-apply", what)])))
    }

    async fn run_red(&self, bench: &Bench, judgement: &mut Judgement) -> Result<Option<Decision>> {
        self.step("red tests");
        let run = self.run(bench, &Selection::Only(self.docket.red.red()), Purpose::Judge).await?;
        let decision = inventory::after_red(&self.docket.red, &run).verdict();
        judgement.runs.push(run);
        Ok(decision)
    }

    async fn run_everything(
        &self,
        bench: &Bench,
        expected: &Sha,
        judgement: &mut Judgement,
        rewritten: &mut BTreeSet<String>,
    ) -> Result<Option<Decision>> {
        let repeat = self.docket.policy.repeat.max(1);
        let (mut nth, mut again) = (1, 0);
        while nth <= repeat {
            rewritten.extend(bench.put_back(self, expected).await?);
            self.step(format!("whole suite {nth}/{repeat}"));
            let run = self.run(bench, &Selection::All, Purpose::Judge).await?;
            let whole = run.duration;
            judgement.runs.push(run);
            let Some((decision, now_and_then)) = self.objection(bench, expected, judgement).await? else {
                nth += 1;
                continue;
            };
            again += 1;
            let unproven: BTreeSet<TestId> = now_and_then.difference(&judgement.flaky).cloned().collect();
            if now_and_then.is_empty() || again > MOST_AGAIN || !self.are_flaky_without(&unproven, whole).await? {
                return Ok(Some(decision));
            }
            // the run says nothing about the patch: another one takes its place
            judgement.flaky.extend(now_and_then);
            judgement.runs.pop();
        }
        rewritten.extend(bench.put_back(self, expected).await?);
        Ok(None)
    }

    /// What the latest run says against the patch, and the tests that it is about when they only fail now and then.
    async fn objection(
        &self,
        bench: &Bench,
        expected: &Sha,
        judgement: &Judgement,
    ) -> Result<Option<(Decision, BTreeSet<TestId>)>> {
        let Some((run, earlier)) = judgement.runs.split_last() else { return Ok(None) };
        let objections = inventory::after_all(&self.docket.red, run, self.docket.suite.runner);
        let differing: BTreeSet<TestId> = earlier.iter().flat_map(|e| inventory::differing(e, run)).collect();
        if !differing.is_empty() {
            let decision = (Verdict::Unstable, vec![flaky(&differing)]);
            let now_and_then = if differing == objections.regressed { differing } else { BTreeSet::new() };
            return Ok(Some((decision, now_and_then)));
        }
        let Some((verdict, reasons)) = objections.verdict() else { return Ok(None) };
        let decision = self.second_look(bench, expected, verdict, reasons, &objections.regressed).await?;
        let now_and_then = if decision.0 == Verdict::Unstable && verdict == Verdict::Regressed {
            objections.regressed
        } else {
            BTreeSet::new()
        };
        Ok(Some((decision, now_and_then)))
    }

    /// Before a patch is said to break a test, that test gets a second chance: it may only be flaky.
    async fn second_look(
        &self,
        bench: &Bench,
        expected: &Sha,
        verdict: Verdict,
        reasons: Vec<Reason>,
        regressed: &BTreeSet<TestId>,
    ) -> Result<Decision> {
        if verdict != Verdict::Regressed || regressed.is_empty() {
            return Ok((verdict, reasons));
        }
        bench.put_back(self, expected).await?;
        self.step("second look at what fails now");
        let run = self.run(bench, &Selection::Only(regressed.clone()), Purpose::Judge).await?;
        let passing = run.passed();
        if regressed.is_subset(&passing) {
            return Ok((Verdict::Unstable, vec![flaky(regressed)]));
        }
        Ok((verdict, reasons))
    }

    async fn run_without(
        &self,
        bench: &Bench,
        judgement: &mut Judgement,
        rewritten: &BTreeSet<String>,
    ) -> Result<Option<Decision>> {
        let red = &self.docket.red;
        let expected = self.docket.snapshot.tree.clone();
        if bench.tree(self).await? != expected {
            return Err(Error::internal("a fresh workspace is not its snapshot"));
        }
        self.step("without the patch");
        let run = self.run(bench, &Selection::Only(red.red()), Purpose::Without).await?;
        let not_red = inventory::not_red_again(red, &run);
        judgement.without = Some(run);
        if !not_red.is_empty() {
            let names = some_of(not_red.iter().map(ToString::to_string));
            let what = format!("green without the patch too: {names}");
            return Ok(Some((Verdict::Unstable, vec![reason("red-without-patch", what)])));
        }
        if rewritten.is_empty() {
            return Ok(None);
        }
        // sources were rewritten by the tests: fine only when they do that without the patch as well
        let mut usual: BTreeSet<String> = bench.put_back(self, &expected).await?.into_iter().collect();
        self.step("the whole suite without the patch");
        self.run(bench, &Selection::All, Purpose::Without).await?;
        usual.extend(bench.put_back(self, &expected).await?);
        let strange: Vec<String> = rewritten.difference(&usual).cloned().collect();
        if strange.is_empty() {
            return Ok(None);
        }
        let what = format!("with the patch, running the tests rewrites {}", some_of(strange));
        Ok(Some((Verdict::Tampered, vec![reason("run.rewrites-sources", what)])))
    }

    /// One run of the suite, with its events.
    pub(super) async fn run(&self, bench: &Bench, selection: &Selection, purpose: Purpose) -> Result<Run> {
        let subject = self.candidate.to_owned();
        let selected = match selection {
            Selection::All => None,
            Selection::Only(tests) => Some(tests.len()),
        };
        self.recorder.record(Event::SuiteStarted { purpose, subject: subject.clone(), selected });
        let docket = self.docket;
        let run = self.lab.run(&bench.inner.workspace, &docket.suite, selection, docket.limits, self.cancel).await?;
        if self.cancel.is_cancelled() {
            return Err(Error::interrupted());
        }
        record_run(self.recorder, purpose, &subject, &run);
        Ok(run)
    }
}

/// A workspace with a patch in it.
pub(super) struct Bench {
    inner: Arc<Inner>,
}

struct Inner {
    workspace: Workspace,
    patch: Patch,
}

impl Bench {
    pub(super) fn over(workspace: Workspace, patch: Patch) -> Self {
        Self { inner: Arc::new(Inner { workspace, patch }) }
    }

    /// The tree that is there now.
    async fn tree(&self, court: &Court<'_>) -> Result<Sha> {
        let inner = Arc::clone(&self.inner);
        court.blocking(move || inner.workspace.tree_now()).await
    }

    /// Makes the workspace what it was before a run; returns the files of it (not new ones) that the run had rewritten.
    pub(super) async fn put_back(&self, court: &Court<'_>, expected: &Sha) -> Result<Vec<String>> {
        let (inner, lab, expected) = (Arc::clone(&self.inner), Arc::clone(court.lab), expected.clone());
        court
            .blocking(move || {
                let now = inner.workspace.tree_now()?;
                if now == expected {
                    return Ok(Vec::new());
                }
                let rewritten = outside::rewritten(&lab.store, &expected, &now)?;
                inner.workspace.reset()?;
                inner.workspace.write(&inner.patch)?;
                if inner.workspace.tree_now()? != expected {
                    return Err(Error::internal("a workspace could not be put back to what it was"));
                }
                Ok(rewritten)
            })
            .await
    }

    /// Removes the workspace without keeping a cancelled judge waiting.
    pub(super) fn close(self) {
        tokio::task::spawn_blocking(move || drop(self));
    }
}

fn reason(rule: &str, what: impl Into<String>) -> Reason {
    Reason { rule: rule.to_owned(), what: what.into() }
}

fn flaky(tests: &BTreeSet<TestId>) -> Reason {
    reason("test.flaky", format!("differs from run to run: {}", some_of(tests.iter().map(ToString::to_string))))
}

fn some_of(names: impl IntoIterator<Item = String>) -> String {
    let names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(MOST_PATHS);
    let shown = names.iter().take(MOST_PATHS).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
