//! A change taken apart into units that can be undone one by one, and put together again. Pure: texts in, texts out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use similar::{Algorithm, DiffTag};

use crate::patch::FileContent;

/// Numbers of units.
pub type Set = BTreeSet<usize>;
/// Files as they should be, by path; `None`: not there.
pub type Files = BTreeMap<Vec<u8>, Option<FileContent>>;

/// Larger files are undone as a whole: nobody reads them line by line.
const LARGEST_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// Deleted and added files with at least this share of equal lines are one renamed file.
const RENAMED: f32 = 0.5;

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Not (or no longer) up for undoing.
    Same(Vec<u8>),
    /// One unit.
    Changed {
        /// Before.
        old: Vec<u8>,
        /// After.
        new: Vec<u8>,
    },
}

impl Piece {
    fn new_side(&self) -> &[u8] {
        match self {
            Piece::Same(text) | Piece::Changed { new: text, .. } => text,
        }
    }
}

/// What is up for undoing in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text, piece by piece, with the modes before and after.
    Text {
        /// In the order of the file.
        pieces: Vec<Piece>,
        /// Mode before, taken when everything is undone.
        old_mode: u32,
        /// Mode after.
        new_mode: u32,
    },
    /// The whole file is one unit: new, deleted, binary or huge.
    Whole {
        /// Before.
        old: Option<FileContent>,
        /// After.
        new: Option<FileContent>,
    },
    /// Stays as it is.
    Fixed(Option<FileContent>),
}

/// A change as units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Bodies by path.
    pub files: BTreeMap<Vec<u8>, Body>,
}

/// Where a unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its file.
    pub path: Vec<u8>,
    /// First line of the new side, from 1.
    pub line: usize,
    /// Last line of the new side, included.
    pub end_line: usize,
    /// Before.
    pub old: Vec<u8>,
    /// After.
    pub new: Vec<u8>,
    /// The whole file.
    pub whole: bool,
}

impl Change {
    /// The change from `old` to `new` (only files that differ), hunk by hunk without context.
    pub fn between(old: &Files, new: &Files) -> Self {
        let mut files = BTreeMap::new();
        let paths: BTreeSet<&Vec<u8>> = old.keys().chain(new.keys()).collect();
        let mut gone: BTreeMap<Vec<u8>, FileContent> = BTreeMap::new();
        // what a file was before most of it went elsewhere
        let mut emptied: BTreeMap<Vec<u8>, FileContent> = BTreeMap::new();
        let mut come: Vec<(Vec<u8>, FileContent)> = Vec::new();
        for path in paths {
            match (old.get(path).cloned().flatten(), new.get(path).cloned().flatten()) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => {
                    if likeness(&a.bytes, &b.bytes) < RENAMED {
                        emptied.insert(path.clone(), a.clone());
                    }
                    files.insert(path.clone(), body(a, b));
                }
                (Some(a), None) => {
                    gone.insert(path.clone(), a);
                }
                (None, Some(b)) => come.push((path.clone(), b)),
                (None, None) => {}
            }
        }
        for (path, new) in come {
            // a renamed file keeps its new name; what changed inside is undone there
            let best = gone
                .iter()
                .chain(&emptied)
                .map(|(from, old)| (likeness(&old.bytes, &new.bytes), from))
                .filter(|(like, _)| *like >= RENAMED)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let body = match best.and_then(|(_, from)| gone.get(from).or_else(|| emptied.get(from))) {
                Some(old) if old.bytes == new.bytes => Body::Fixed(Some(new)),
                Some(old) => body(old.clone(), new),
                None => Body::Whole { old: None, new: Some(new) },
            };
            files.insert(path, body);
        }
        files.extend(gone.into_iter().map(|(path, old)| (path, Body::Whole { old: Some(old), new: None })));
        Self { files }
    }

    /// The units, numbered by their place in this list.
    pub fn units(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for (path, body) in &self.files {
            match body {
                Body::Fixed(_) => {}
                Body::Whole { old, new } => {
                    let bytes = |side: &Option<FileContent>| side.as_ref().map(|c| c.bytes.clone()).unwrap_or_default();
                    let (old, new) = (bytes(old), bytes(new));
                    let end_line = lines(&new).len().max(1);
                    units.push(Unit { path: path.clone(), line: 1, end_line, old, new, whole: true });
                }
                Body::Text { pieces, .. } => {
                    let mut line = 1;
                    for piece in pieces {
                        let breaks = |text: &[u8]| text.iter().filter(|b| **b == b'\n').count();
                        match piece {
                            Piece::Same(text) => line += breaks(text),
                            Piece::Changed { old, new } => {
                                let end_line = (line + lines(new).len()).saturating_sub(1).max(line);
                                let (old, new) = (old.clone(), new.clone());
                                let next = line + breaks(&new);
                                units.push(Unit { path: path.clone(), line, end_line, old, new, whole: false });
                                line = next;
                            }
                        }
                    }
                }
            }
        }
        units
    }

    /// The files with the units of `undone` as they were before and everything else as it is now.
    pub fn compose(&self, undone: &Set) -> Files {
        let mut number = 0..;
        let mut is_undone = || number.next().is_some_and(|n| undone.contains(&n));
        let mut files = Files::new();
        for (path, body) in &self.files {
            let content = match body {
                Body::Fixed(content) => content.clone(),
                Body::Whole { old, new } => {
                    if is_undone() {
                        old.clone()
                    } else {
                        new.clone()
                    }
                }
                Body::Text { pieces, old_mode, new_mode } => {
                    let (mut bytes, mut all) = (Vec::new(), true);
                    for piece in pieces {
                        match piece {
                            Piece::Same(text) => bytes.extend_from_slice(text),
                            Piece::Changed { old, new } => {
                                let undo = is_undone();
                                all &= undo;
                                bytes.extend_from_slice(if undo { old } else { new });
                            }
                        }
                    }
                    Some(FileContent { mode: if all { *old_mode } else { *new_mode }, bytes })
                }
            };
            files.insert(path.clone(), content);
        }
        files
    }

    /// Only the units of `kept` stay up for undoing, each split finer by `split`.
    pub fn refine(&self, kept: &Set, split: impl Fn(&[u8], &[u8]) -> Vec<Piece>) -> Self {
        self.map_units(
            |number, old, new| {
                if kept.contains(&number) { split(old, new) } else { vec![Piece::Same(new.to_vec())] }
            },
            |number| kept.contains(&number),
        )
    }

    /// The units of `chosen` split finer by `split`, the others as they are.
    pub fn split(&self, chosen: &Set, split: impl Fn(&[u8], &[u8]) -> Vec<Piece>) -> Self {
        self.map_units(
            |number, old, new| {
                if chosen.contains(&number) {
                    split(old, new)
                } else {
                    vec![Piece::Changed { old: old.to_vec(), new: new.to_vec() }]
                }
            },
            |_| true,
        )
    }

    /// Units in the regions of the new text that `regions` names (inline tests) are no units: they stay as they are. A
    /// unit that reaches beyond is taken apart by `split` first.
    pub fn without(
        &self,
        regions: impl Fn(&[u8], &[u8]) -> Vec<Range<usize>>,
        split: impl Fn(&[u8], &[u8]) -> Vec<Piece>,
    ) -> Self {
        let mut files = self.files.clone();
        for (path, body) in &mut files {
            let Body::Text { pieces, .. } = body else { continue };
            let text: Vec<u8> = pieces.iter().flat_map(|p| p.new_side().to_vec()).collect();
            let kept = regions(path, &text);
            if kept.is_empty() {
                continue;
            }
            let mut at = 0;
            let mut left = Vec::new();
            for piece in std::mem::take(pieces) {
                let end = at + piece.new_side().len();
                let touches = kept.iter().any(|r| at < r.end && r.start < end.max(at + 1));
                let inside = kept.iter().any(|r| r.start <= at && end <= r.end);
                let parts = match &piece {
                    Piece::Changed { old, new } if touches && !inside => split(old, new),
                    _ => vec![piece],
                };
                for part in parts {
                    let end = at + part.new_side().len();
                    let touches = kept.iter().any(|r| at < r.end && r.start < end.max(at + 1));
                    left.push(if touches { Piece::Same(part.new_side().to_vec()) } else { part });
                    at = end;
                }
            }
            *pieces = left;
        }
        Self { files }
    }

    fn map_units(
        &self,
        change: impl Fn(usize, &[u8], &[u8]) -> Vec<Piece>,
        keep_whole: impl Fn(usize) -> bool,
    ) -> Self {
        let mut number = 0;
        let mut files = BTreeMap::new();
        for (path, body) in &self.files {
            let body = match body {
                Body::Fixed(content) => Body::Fixed(content.clone()),
                Body::Whole { new, .. } => {
                    number += 1;
                    if keep_whole(number - 1) { body.clone() } else { Body::Fixed(new.clone()) }
                }
                Body::Text { pieces, old_mode, new_mode } => {
                    let mut finer = Vec::new();
                    for piece in pieces {
                        match piece {
                            Piece::Same(_) => finer.push(piece.clone()),
                            Piece::Changed { old, new } => {
                                finer.extend(change(number, old, new));
                                number += 1;
                            }
                        }
                    }
                    Body::Text { pieces: finer, old_mode: *old_mode, new_mode: *new_mode }
                }
            };
            files.insert(path.clone(), body);
        }
        Self { files }
    }
}

fn body(old: FileContent, new: FileContent) -> Body {
    let binary = |c: &FileContent| c.bytes.contains(&0) || c.bytes.len() > LARGEST_TEXT_BYTES;
    if binary(&old) || binary(&new) || old.bytes == new.bytes {
        return Body::Whole { old: Some(old), new: Some(new) };
    }
    let pieces = diff(&lines(&old.bytes), &lines(&new.bytes));
    Body::Text { pieces, old_mode: old.mode, new_mode: new.mode }
}

/// Lines with their ends.
pub fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

/// What is equal, and what was replaced by what.
type Op = (DiffTag, Range<usize>, Range<usize>);

/// Pieces of a sequence of parts: neighbouring changes are one.
pub fn diff(old: &[&[u8]], new: &[&[u8]]) -> Vec<Piece> {
    let ops = similar::capture_diff_slices(Algorithm::Patience, old, new);
    pieces(apart(ops.iter().map(|op| op.as_tag_tuple()).collect(), new), old, new)
}

/// A changed line followed by a new function that ends like the old one reads as one large replacement. Where the lines
/// after it also stand right behind the changed ones, they are matched there, and the rest is an insertion of its own.
fn apart(ops: Vec<Op>, new: &[&[u8]]) -> Vec<Op> {
    let mut found: Vec<Op> = Vec::new();
    let mut ops = ops.into_iter().peekable();
    while let Some((tag, from, to)) = ops.next() {
        let same = match ops.peek() {
            Some((DiffTag::Equal, _, same)) if tag == DiffTag::Replace && from.len() < to.len() => same.clone(),
            _ => 0..0,
        };
        let behind = to.start + from.len();
        let alike = same.clone().enumerate().take_while(|(i, at)| new[behind + i] == new[*at]).count();
        if alike == 0 {
            found.push((tag, from, to));
            continue;
        }
        let (gone, come) = (from.end, to.end);
        found.push((DiffTag::Replace, from, to.start..behind));
        found.push((DiffTag::Equal, gone..gone + alike, behind..behind + alike));
        found.push((DiffTag::Insert, gone + alike..gone + alike, behind + alike..come + alike));
        if let Some((_, before, after)) = ops.next().filter(|_| alike < same.len()) {
            found.push((DiffTag::Equal, before.start + alike..before.end, after.start + alike..after.end));
        }
    }
    found
}

fn pieces(ops: Vec<Op>, old: &[&[u8]], new: &[&[u8]]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (tag, from, to) in ops {
        let (before, after) = (old[from].concat(), new[to].concat());
        match (tag, pieces.last_mut()) {
            (DiffTag::Equal, _) => pieces.push(Piece::Same(after)),
            (_, Some(Piece::Changed { old, new })) => {
                old.extend(before);
                new.extend(after);
            }
            _ => pieces.push(Piece::Changed { old: before, new: after }),
        }
    }
    pieces
}

/// Share of equal lines, 0 to 1.
fn likeness(old: &[u8], new: &[u8]) -> f32 {
    if old.len().max(new.len()) > LARGEST_TEXT_BYTES {
        return f32::from(u8::from(old == new));
    }
    let (a, b) = (lines(old), lines(new));
    let ops = similar::capture_diff_slices(Algorithm::Patience, &a, &b);
    similar::diff_ratio(&ops, a.len(), b.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_changed_line_is_not_one_hunk_with_a_new_function_that_looks_like_the_old_one() {
        let body = |sign: &str| format!("\tif a {sign} b {{\n\t\treturn a\n\t}}\n\treturn b\n}}\n");
        let old = format!("func Max() int {{\n{}", body(">"));
        let new = format!("func Max() int {{\n{}\nfunc Min() int {{\n{}", body("<"), body("<"));
        let pieces = diff(&lines(old.as_bytes()), &lines(new.as_bytes()));
        let changed: Vec<(String, String)> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Changed { old, new } => {
                    Some((String::from_utf8_lossy(old).into_owned(), String::from_utf8_lossy(new).into_owned()))
                }
                Piece::Same(_) => None,
            })
            .collect();
        assert_eq!(changed.len(), 2, "{changed:#?}");
        assert_eq!(changed[0], ("\tif a > b {\n".to_owned(), "\tif a < b {\n".to_owned()));
        assert_eq!(changed[1].0, "");
    }

    #[test]
    fn code_that_moved_out_of_a_file_that_stays_is_compared_with_what_it_was() {
        let file = |text: &str| Some(FileContent { mode: crate::patch::MODE_FILE, bytes: text.into() });
        let code = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n    return a - b\n";
        let old = Files::from([(b"calc.py".to_vec(), file(code))]);
        let new = Files::from([
            (b"calc.py".to_vec(), file("from arith import *\n")),
            (b"arith.py".to_vec(), file(&code.replace("a + b", "a + b + 1"))),
        ]);
        let units = Change::between(&old, &new).units();
        let moved: Vec<&Unit> = units.iter().filter(|unit| unit.path == b"arith.py").collect();
        assert_eq!(moved.len(), 1);
        assert_eq!((moved[0].line, moved[0].old.as_slice()), (2, b"    return a + b\n".as_slice()));
    }

    fn file(text: &str) -> Option<FileContent> {
        Some(FileContent { mode: 0o100644, bytes: text.into() })
    }

    fn files(list: &[(&str, Option<FileContent>)]) -> Files {
        list.iter().map(|(path, content)| (path.as_bytes().to_vec(), content.clone())).collect()
    }

    #[test]
    fn every_unit_can_be_undone_alone() {
        let old = files(&[("a", file("1\n2\n3\n4\n")), ("gone", file("x\n"))]);
        let new = files(&[("a", file("one\n2\n3\nfour\n")), ("gone", None), ("fresh", file("fresh\n"))]);
        let change = Change::between(&old, &new);
        let units = change.units();
        let places: Vec<_> = units.iter().map(|u| (String::from_utf8_lossy(&u.path).into_owned(), u.line)).collect();
        assert_eq!(places, [("a".into(), 1), ("a".into(), 4), ("fresh".into(), 1), ("gone".into(), 1)]);
        let undo = |n: usize| change.compose(&Set::from([n]));
        assert_eq!(undo(1)[&b"a"[..]], file("one\n2\n3\n4\n"));
        assert_eq!(undo(2)[&b"fresh"[..]], None);
        assert_eq!(undo(3)[&b"gone"[..]], file("x\n"));
    }

    #[test]
    fn a_renamed_file_keeps_its_new_name_and_its_lines_are_units() {
        let old = files(&[("old.py", file("a\nb\nc\nd\n"))]);
        let new = files(&[("old.py", None), ("new.py", file("a\nb\nC\nd\n"))]);
        let change = Change::between(&old, &new);
        let units = change.units();
        assert_eq!(units.len(), 2, "{units:?}");
        assert_eq!(change.compose(&Set::from([0]))[&b"new.py"[..]], file("a\nb\nc\nd\n"));
        assert_eq!(change.compose(&Set::from([1]))[&b"old.py"[..]], file("a\nb\nc\nd\n"));
    }

    #[test]
    fn binary_files_are_one_unit() {
        let change = Change::between(&files(&[("b", file("\0a\nb\n"))]), &files(&[("b", file("\0a\nc\n"))]));
        assert_eq!(change.units().len(), 1);
        assert!(change.units()[0].whole);
    }

    #[test]
    fn refining_fixes_what_is_not_kept() {
        let change = Change::between(&files(&[("a", file("1\n2\n3\n"))]), &files(&[("a", file("x\n2\ny\n"))]));
        let finer =
            change.refine(&Set::from([1]), |old, new| vec![Piece::Changed { old: old.into(), new: new.into() }]);
        assert_eq!(finer.units().len(), 1);
        assert_eq!(finer.compose(&Set::from([0]))[&b"a"[..]], file("x\n2\n3\n"));
    }

    #[test]
    fn units_in_inline_tests_are_no_units() {
        let old = "a\nb\n#test\nt1\n";
        let new = "A\nb\n#test\nt2\nt3\n";
        let change = Change::between(&files(&[("f", file(old))]), &files(&[("f", file(new))]));
        let tests = |_: &[u8], text: &[u8]| std::iter::once(4..text.len()).collect();
        let change = change.without(tests, |old, new| vec![Piece::Changed { old: old.into(), new: new.into() }]);
        assert_eq!(change.units().len(), 1);
        assert_eq!(change.compose(&Set::from([0]))[&b"f"[..]], file("a\nb\n#test\nt2\nt3\n"));
    }

    proptest! {
        #[test]
        fn undoing_nothing_is_new_and_undoing_everything_is_old(old in "[a-c\n]{0,60}", new in "[a-c\n]{0,60}") {
            let (before, after) = (files(&[("f", file(&old))]), files(&[("f", file(&new))]));
            let change = Change::between(&before, &after);
            let all: Set = (0..change.units().len()).collect();
            if old != new {
                prop_assert_eq!(&change.compose(&Set::new())[&b"f"[..]], &file(&new));
                prop_assert_eq!(&change.compose(&all)[&b"f"[..]], &file(&old));
            }
        }
    }
}
