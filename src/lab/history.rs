//! Looking back: do the red tests pass at an older commit? Asked of any commit at most once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::lab::{Lab, Limits, record_run};
use crate::patch::{FileChange, FileContent, Patch};
use crate::repo::bisect::{Hunt, Mark, Next};
use crate::repo::{Commit, Sha, Snapshot};
use crate::suite::protected::{Protected, Protection};
use crate::suite::{Run, Scope, Selection, Status, Suite};
use crate::trajectory::{Event, Purpose, Recorder};

/// What a run of the red tests at another commit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Mark(Mark),
    /// Some of the tests are not there (yet).
    Absent,
}

/// How far back is looked for a green commit when none is known.
const MOST_COMMITS: usize = 1000;

/// What looking back found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This commit made the tests red.
    Culprit {
        /// The commit.
        commit: Commit,
        /// Its first parent is green.
        green: Sha,
        /// Commits that were tried.
        tries: usize,
    },
    /// HEAD is green: what is not committed yet made the tests red.
    Uncommitted {
        /// HEAD.
        green: Sha,
    },
    /// No culprit can be named.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

/// Asks commits about the red tests of one failure.
#[derive(Debug)]
pub struct History {
    lab: Arc<Lab>,
    suite: Suite,
    red: Run,
    snapshot: Snapshot,
    protected: Protected,
    limits: Limits,
    known: Mutex<HashMap<Sha, Mark>>,
}

impl History {
    /// For the tests that are red in `red`, the run on `snapshot`.
    pub fn new(
        lab: &Arc<Lab>,
        suite: &Suite,
        red: &Run,
        snapshot: &Snapshot,
        protected: &Protected,
        limits: Limits,
    ) -> Self {
        Self {
            lab: Arc::clone(lab),
            suite: suite.clone(),
            red: red.clone(),
            snapshot: snapshot.clone(),
            protected: protected.clone(),
            limits,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// What the red tests do at `commit`. Tests that did not exist there are put on top of its tree: they say what the
    /// old code would have done.
    ///
    /// # Errors
    /// When our own side fails or we are asked to stop.
    pub async fn mark(&self, commit: &Sha, recorder: &Recorder, cancel: &CancellationToken) -> Result<Mark> {
        if let Some(mark) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(commit) {
            return Ok(*mark);
        }
        let then = self.lab.store.snapshot_of(commit)?;
        let mark = match self.ask(&then, commit.short(), recorder, cancel).await? {
            Seen::Mark(mark) => mark,
            Seen::Absent => {
                let with_tests = self.with_todays_tests(&then)?;
                match self.ask(&with_tests, &format!("{} with today's tests", commit.short()), recorder, cancel).await?
                {
                    Seen::Mark(mark) => mark,
                    Seen::Absent => Mark::Skip,
                }
            }
        };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(commit.clone(), mark);
        Ok(mark)
    }

    /// Finds the commit that made the tests red: from `green` where a green commit is known, else by going back in
    /// growing steps first. `except` are commits that were reverted already.
    ///
    /// # Errors
    /// When our own side fails or we are asked to stop.
    pub async fn origin(&self, green: Option<&Sha>, recorder: &Recorder, cancel: &CancellationToken) -> Result<Origin> {
        let repository = &self.lab.store.repository;
        let Some(head) = &repository.head else { return Ok(Origin::Unknown { why: "there are no commits".into() }) };
        if self.lab.store.snapshot_of(head)?.tree != self.snapshot.tree
            && (green == Some(head) || self.mark(head, recorder, cancel).await? == Mark::Green)
        {
            return Ok(Origin::Uncommitted { green: head.clone() });
        }
        let line = repository.first_parents(head, MOST_COMMITS)?;
        let mut hunt = Hunt::new(line);
        if let Some(green) = green {
            hunt.mark(green, Mark::Green);
        }
        loop {
            match hunt.next(|merge| repository.side(merge))? {
                Next::Test(commit) => {
                    let mark = self.mark(&commit.sha, recorder, cancel).await?;
                    hunt.mark(&commit.sha, mark);
                }
                Next::Culprit(commit) => {
                    let Some(green) = commit.parents.first().cloned() else {
                        return Ok(Origin::Unknown { why: "the tests are red since the first commit".into() });
                    };
                    return Ok(Origin::Culprit { commit, green, tries: hunt.tests() });
                }
                Next::Range(commits) => return Ok(Origin::Unknown { why: range(&commits) }),
                Next::NoGreen(oldest) => return Ok(Origin::Unknown { why: no_green(&oldest, repository.shallow) }),
            }
        }
    }

    async fn ask(&self, at: &Snapshot, subject: &str, recorder: &Recorder, cancel: &CancellationToken) -> Result<Seen> {
        let workspace = self.lab.workspace(at, "history").await?;
        let red = self.red.red();
        recorder.record(Event::SuiteStarted {
            purpose: Purpose::Bisect,
            subject: subject.to_owned(),
            selected: Some(red.len()),
        });
        let run = self.lab.run(&workspace, &self.suite, &Selection::Only(red), self.limits, cancel).await?;
        record_run(recorder, Purpose::Bisect, subject, &run);
        Ok(seen(&self.red, &run))
    }

    /// `then` with the test files of the snapshot on top.
    fn with_todays_tests(&self, then: &Snapshot) -> Result<Snapshot> {
        let store = &self.lab.store;
        let is_test = |path: &[u8]| {
            matches!(
                self.protected.why(path),
                Some(Protection::Test | Protection::Expectation | Protection::RunnerHook)
            )
        };
        let mut files = BTreeMap::new();
        let old: BTreeMap<Vec<u8>, Sha> = store.files(&then.tree)?.into_iter().map(|(p, _, blob)| (p, blob)).collect();
        for (path, mode, blob) in store.files(&self.snapshot.tree)? {
            if !is_test(&path) || old.get(&path) == Some(&blob) {
                continue;
            }
            let before = store.read(&then.tree, &path)?.map(|(mode, bytes)| FileContent { mode, bytes });
            let after = FileContent { mode, bytes: store.blob(&blob)? };
            files.insert(path, FileChange { old: before, new: Some(after) });
        }
        let tree = store.write(&then.tree, &Patch { files })?;
        let commit = store.commit(&tree, Some(&then.commit), "kaizen-ci: an older commit with today's tests")?;
        Ok(Snapshot { commit, tree, parent: Some(then.commit.clone()) })
    }
}

fn range(commits: &[Commit]) -> String {
    let (newest, oldest) =
        (commits.first().map_or("?", |c| c.sha.short()), commits.last().map_or("?", |c| c.sha.short()));
    format!(
        "one of {} commits from {oldest} to {newest}: those between can't be built or lack the tests",
        commits.len()
    )
}

fn no_green(oldest: &Commit, shallow: bool) -> String {
    let red = format!("no commit was found at which the red tests pass; red as far back as {}", oldest.sha.short());
    if shallow { format!("{red}, where this shallow clone ends (git fetch --unshallow)") } else { red }
}

/// What `run`, of an older tree, says about the tests that are red in `red`.
fn seen(red: &Run, run: &Run) -> Seen {
    let hidden = run.tests.values().any(|r| r.scope != Scope::Test && r.status == Status::Failed);
    let mut absent = false;
    for (id, now) in red.tests.iter().filter(|(_, r)| r.status == Status::Failed) {
        match run.tests.get(id).map(|r| r.status) {
            Some(Status::Failed) => return Seen::Mark(Mark::Red),
            Some(Status::Passed) => {}
            // A file or a build that is red now and does not appear there was fine there.
            None if now.scope != Scope::Test && !hidden && run.is_green() => {}
            Some(Status::Skipped | Status::ExpectedFailure) | None => absent = true,
        }
    }
    match (absent, hidden) {
        (false, _) => Seen::Mark(Mark::Green),
        (true, true) => Seen::Mark(Mark::Skip),
        (true, false) => Seen::Absent,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::process::End;
    use crate::suite::{LogFiles, TestId, TestResult};

    fn run(results: &[(&str, Scope, Status)]) -> Run {
        let tests = results
            .iter()
            .map(|(id, scope, status)| {
                let result =
                    TestResult { status: *status, scope: *scope, duration_ms: None, message: None, file: None };
                (TestId((*id).to_owned()), result)
            })
            .collect();
        let failed = results.iter().any(|(_, _, s)| *s == Status::Failed);
        Run {
            tests,
            end: End::Exited(i32::from(failed)),
            duration: Duration::ZERO,
            log: LogFiles { stdout: PathBuf::new(), stderr: PathBuf::new() },
            contradictions: Vec::new(),
        }
    }

    #[test]
    fn an_older_commit_is_green_red_unsayable_or_lacks_the_test() {
        use Scope::{File, Suite, Test};
        use Status::{Failed, Passed};
        let red = run(&[("a", Test, Failed), ("b", Test, Failed), ("c", Test, Passed)]);
        type Row = (&'static [(&'static str, Scope, Status)], Seen);
        let table: &[Row] = &[
            (&[("a", Test, Passed), ("b", Test, Passed)], Seen::Mark(Mark::Green)),
            (&[("a", Test, Passed), ("b", Test, Failed)], Seen::Mark(Mark::Red)),
            (&[("a", Test, Passed)], Seen::Absent),
            (&[("(build)", Suite, Failed)], Seen::Mark(Mark::Skip)),
            (&[("a", Test, Passed), ("t.py", File, Failed)], Seen::Mark(Mark::Skip)),
            (&[], Seen::Absent),
        ];
        for (results, expected) in table {
            assert_eq!(seen(&red, &run(results)), *expected, "{results:?}");
        }
    }

    #[test]
    fn a_build_that_is_broken_now_was_green_where_the_tests_ran() {
        let red = run(&[("(build)", Scope::Suite, Status::Failed)]);
        assert_eq!(seen(&red, &run(&[("a", Scope::Test, Status::Passed)])), Seen::Mark(Mark::Green));
        assert_eq!(seen(&red, &run(&[("(build)", Scope::Suite, Status::Failed)])), Seen::Mark(Mark::Red));
    }
}
