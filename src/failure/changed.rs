//! Which lines of which files changed since the last green point.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::repo::{Sha, Store};

/// Changed lines of the new side, by file: first and last line, from 1. A pure deletion is the line after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedLines {
    /// Ranges by file, ascending.
    pub by_file: BTreeMap<String, Vec<(usize, usize)>>,
}

impl ChangedLines {
    /// A line of `first..=last` in `file` was changed.
    pub fn touches(&self, file: &str, first: usize, last: usize) -> bool {
        self.by_file.get(file).is_some_and(|ranges| ranges.iter().any(|&(a, b)| a <= last && first <= b))
    }

    /// Adds what changed between two texts of `file`.
    pub fn add(&mut self, file: &str, old: &[u8], new: &[u8]) {
        let ranges = ranges(old, new);
        if !ranges.is_empty() {
            self.by_file.insert(file.to_owned(), ranges);
        }
    }
}

/// Files larger than this are data, not code: a change in them is not searched for lines.
const LARGEST_BYTES: usize = 2 * 1024 * 1024;

fn ranges(old: &[u8], new: &[u8]) -> Vec<(usize, usize)> {
    if old.len().max(new.len()) > LARGEST_BYTES || new.contains(&0) {
        return Vec::new();
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
    let changed = diff.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal);
    changed.map(|op| (op.new_range().start + 1, op.new_range().end.max(op.new_range().start + 1))).collect()
}

/// What changed from one tree to another, read from the store.
///
/// # Errors
/// When a tree can't be read.
pub fn between(store: &Store, from: &Sha, to: &Sha) -> Result<ChangedLines> {
    let before: BTreeMap<Vec<u8>, Sha> = store.files(from)?.into_iter().map(|(path, _, blob)| (path, blob)).collect();
    let mut changed = ChangedLines::default();
    for (path, _, blob) in store.files(to)? {
        let old = before.get(&path);
        if old == Some(&blob) {
            continue;
        }
        let Ok(name) = std::str::from_utf8(&path) else { continue };
        let text = |tree: &Sha| -> Result<Vec<u8>> { Ok(store.read(tree, &path)?.map(|(_, b)| b).unwrap_or_default()) };
        let old = if old.is_some() { text(from)? } else { Vec::new() };
        changed.add(name, &old, &text(to)?);
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_lines_of_the_new_side() {
        let mut changed = ChangedLines::default();
        changed.add("a", b"1\n2\n3\n4\n", b"1\nnew\nnew\n3\n");
        assert_eq!(changed.by_file["a"], vec![(2, 3), (5, 5)]);
        assert!(changed.touches("a", 3, 4));
        assert!(!changed.touches("a", 4, 4));
        assert!(!changed.touches("b", 1, 99));
    }

    #[test]
    fn equal_texts_and_binary_files_have_no_changed_lines() {
        let mut changed = ChangedLines::default();
        changed.add("same", b"x\n", b"x\n");
        changed.add("binary", b"a", b"\0b");
        assert_eq!(changed, ChangedLines::default());
    }
}
