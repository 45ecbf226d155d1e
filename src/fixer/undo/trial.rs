//! The trial: puts a set of files into a workspace, runs the red tests there, and says what that showed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::change::Files;
use super::search::Outcome;
use crate::error::{Context as _, Result};
use crate::failure::standing::{self, Standing};
use crate::fixer::{Case, Close, Desk};
use crate::patch::{FileChange, Patch};
use crate::repo::Workspace;
use crate::suite::Selection;
use crate::syntax::language::Language;
use crate::trajectory::Event;
use crate::words::End;

/// A workspace of the case's snapshot and what is known of sets of files in it.
pub struct Trial<'a> {
    case: &'a Case,
    desk: &'a Desk,
    workspace: Workspace,
    /// Touched files as the snapshot has them.
    original: Files,
    /// Touched files as the workspace has them now.
    here: Files,
    outcomes: BTreeMap<String, Outcome>,
    /// How many syntax errors each file may have: what is broken already can't be broken by undoing.
    errors: BTreeMap<Vec<u8>, usize>,
    /// Runs so far.
    pub runs: u64,
    /// Fewest tests still red so far, with the patch.
    pub closest: Option<Close>,
    deadline: Instant,
    stamp: u64,
}

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The budget of runs is spent.
    Spent,
    /// The time is up.
    OutOfTime,
}

impl<'a> Trial<'a> {
    /// A trial in a fresh workspace.
    ///
    /// # Errors
    /// When the workspace can't be made.
    pub async fn new(case: &'a Case, desk: &'a Desk) -> Result<Self> {
        Ok(Self {
            case,
            desk,
            workspace: case.lab.workspace(&case.snapshot, "undo").await?,
            original: Files::new(),
            here: Files::new(),
            outcomes: BTreeMap::new(),
            errors: BTreeMap::new(),
            runs: 0,
            closest: None,
            deadline: Instant::now() + case.time_left,
            stamp: 0,
        })
    }

    /// The patch that makes the snapshot's files `files`.
    ///
    /// # Errors
    /// When the snapshot can't be read.
    pub fn patch(&mut self, files: &Files) -> Result<Patch> {
        for path in files.keys().filter(|p| !self.here.contains_key(*p)).cloned().collect::<Vec<_>>() {
            let content = self.case.lab.store.read(&self.case.snapshot.tree, &path)?;
            let content = content.map(|(mode, bytes)| crate::patch::FileContent { mode, bytes });
            self.original.insert(path.clone(), content.clone());
            self.here.insert(path, content);
        }
        Ok(difference(&self.original, files))
    }

    /// Allows the syntax errors that `files` have.
    pub fn allow_errors_of(&mut self, files: &Files) {
        for (path, content) in files {
            let errors = content.as_ref().map_or(0, |c| syntax_errors(path, &c.bytes));
            let most = self.errors.entry(path.clone()).or_default();
            *most = errors.max(*most);
        }
    }

    /// What the red tests say with these files; at most `budget` runs in all.
    ///
    /// # Errors
    /// When our own side fails or the case is cancelled.
    pub async fn outcome(&mut self, files: &Files, budget: u64) -> Result<std::result::Result<Outcome, Refused>> {
        let patch = self.patch(files)?;
        if patch.is_empty() && self.case.wanted.is_none() {
            return Ok(Ok(Outcome::Red));
        }
        let key = patch.hash();
        if let Some(known) = self.outcomes.get(&key) {
            return Ok(Ok(*known));
        }
        if !self.parses(files) {
            self.outcomes.insert(key, Outcome::Unresolved);
            return Ok(Ok(Outcome::Unresolved));
        }
        if self.runs >= budget {
            return Ok(Err(Refused::Spent));
        }
        if Instant::now() >= self.deadline {
            return Ok(Err(Refused::OutOfTime));
        }
        self.write(files)?;
        let outcome = self.run(&patch).await?;
        self.outcomes.insert(key, outcome);
        Ok(Ok(outcome))
    }

    async fn run(&mut self, patch: &Patch) -> Result<Outcome> {
        let (case, red) = (self.case, self.case.red.red());
        let selection = if red.is_empty() { Selection::All } else { Selection::Only(red) };
        self.runs += 1;
        let run = case.lab.run(&self.workspace, &case.suite, &selection, case.limits, &self.desk.cancel).await?;
        if run.end == End::Cancelled {
            return Err(crate::error::Error::interrupted());
        }
        if standing::all_green(&run, &case.red) {
            return Ok(Outcome::Green);
        }
        let states: Vec<Standing> = case.red.red().iter().map(|id| standing::standing(&run, &case.red, id)).collect();
        let sure = !matches!(run.end, End::TimedOut | End::Signaled(_)) && run.contradictions.is_empty();
        if !sure || !states.contains(&Standing::Red) {
            return Ok(Outcome::Unresolved);
        }
        let still_red = standing::still_red(&run, &case.red);
        let fewer = self.closest.as_ref().is_none_or(|c| still_red.len() < c.still_red.len());
        if fewer && still_red.len() < case.red.red().len() {
            self.closest = Some(Close { diff: String::from_utf8_lossy(&patch.unified()).into_owned(), still_red });
        }
        Ok(Outcome::Red)
    }

    /// Says how far the search is.
    pub fn progress(&self, text: String) {
        let best_red = self.closest.as_ref().map(|c| c.still_red.len());
        let fixer = self.desk.fixer.to_owned();
        self.desk.recorder.record(Event::FixerProgress { fixer, text, tried: self.runs, best_red });
    }

    fn parses(&self, files: &Files) -> bool {
        files.iter().all(|(path, content)| {
            let allowed = self.errors.get(path).copied().unwrap_or(0);
            content.as_ref().is_none_or(|c| syntax_errors(path, &c.bytes) <= allowed)
        })
    }

    fn write(&mut self, files: &Files) -> Result<()> {
        let mut wanted = self.original.clone();
        wanted.extend(files.clone());
        let step = difference(&self.here, &wanted);
        step.write_to(&self.workspace.path)?;
        for (path, change) in &step.files {
            if change.new.is_some() {
                self.restamp(&self.workspace.at(path))?;
                self.stamp += 1;
            }
        }
        self.here = wanted;
        Ok(())
    }

    /// Python takes a cached `.pyc` for fresh when size and time stamp (in whole seconds!) of its source are the same.
    /// `+` put back to `-` within a second would go unseen, so every write gets a second of its own, in the past.
    fn restamp(&self, path: &Path) -> Result<()> {
        if path.extension().is_none_or(|e| e != "py" && e != "pyw") {
            return Ok(());
        }
        const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let time = SystemTime::now() - A_DAY + Duration::from_secs(self.stamp);
        let file = std::fs::File::options().write(true).open(path);
        file.and_then(|f| f.set_modified(time)).context(|| format!("can't date {}", path.display()))
    }
}

/// The patch from some files to others, over the paths of `from` and `to`.
fn difference(from: &Files, to: &Files) -> Patch {
    let paths: BTreeSet<&Vec<u8>> = to.keys().collect();
    let mut patch = Patch::default();
    for path in paths {
        let (old, new) = (from.get(path).cloned().flatten(), to.get(path).cloned().flatten());
        if old != new {
            patch.files.insert(path.clone(), FileChange { old, new });
        }
    }
    patch
}

/// Errors and missing parts in the syntax tree; 0 for languages without a grammar.
pub fn syntax_errors(path: &[u8], text: &[u8]) -> usize {
    let name = String::from_utf8_lossy(path);
    let Some(tree) = Language::of(Path::new(name.as_ref())).and_then(|language| language.parse(text)) else { return 0 };
    if !tree.root_node().has_error() {
        return 0;
    }
    let mut errors = 0;
    crate::syntax::functions::each_node(tree.root_node(), &mut |node| {
        errors += usize::from(node.is_error() || node.is_missing());
    });
    errors.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_code_has_errors_and_whole_code_has_none() {
        assert_eq!(syntax_errors(b"a.py", b"def f(x):\n    return (x + 1)\n"), 0);
        assert!(syntax_errors(b"a.py", b"def f(x):\n    return (x + 1\n") > 0);
        assert_eq!(syntax_errors(b"a.txt", b"((("), 0);
    }
}
