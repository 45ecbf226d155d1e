//! What the last green commit tells a search: which lines changed since, and the code that answered before.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::failure::changed;
use crate::fixer::Case;

use super::edits::Project;
use super::probe::Change;

/// The change since the tests were green; empty when no green commit is known.
#[derive(Debug, Default)]
pub struct History {
    /// Changed lines of the present files, from 1.
    pub changed: BTreeMap<String, BTreeSet<usize>>,
    /// What turns the present files into those of the green commit; new files stay.
    pub before: Vec<Change>,
}

impl History {
    /// Compares the files of `project` with those of the case's last green commit.
    ///
    /// # Errors
    /// When a tree can't be read.
    pub fn of(case: &Case, project: &Project) -> Result<Self> {
        let Some(green) = &case.green else { return Ok(Self::default()) };
        let store = &case.lab.store;
        let tree = store.snapshot_of(green)?.tree;
        let lines = changed::between(store, &tree, &case.snapshot.tree)?;
        let mut history = Self::default();
        for (path, ranges) in lines.by_file {
            let lines = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
            history.changed.insert(path, lines);
        }
        for source in project.sources() {
            let Some((_, old)) = store.read(&tree, &source.path)? else { continue };
            let Ok(text) = String::from_utf8(old) else { continue };
            if text != source.text {
                history.before.push(Change { path: source.path.clone(), text });
            }
        }
        Ok(history)
    }
}
