//! The files that edits are made of and made in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use crate::syntax::regions;

use super::asked::{Asked, asked};
use super::axes::axes;
use super::check::Shape;
use super::fields::{Beginning, beginnings, records, said};
use super::languages::Role;
use super::scope::Names;
use super::signs::Signs;
use super::view::View;

/// Larger files are generated or data: no edit is looked for there.
const MAX_FILE_BYTES: usize = 600_000;

/// One file of the project, parsed.
#[derive(Debug)]
pub struct Source {
    /// Relative to the top of the tree.
    pub path: Vec<u8>,
    /// Its language.
    pub language: Language,
    /// Its text.
    pub text: String,
    /// Its syntax tree.
    pub tree: tree_sitter::Tree,
    /// Hashes and error count of the tree as it is.
    pub(super) shape: Shape,
    /// Bytes of inline tests.
    pub(super) tests: Vec<Range<usize>>,
    /// Where each line starts.
    lines: Vec<usize>,
    names: OnceLock<Names>,
    signs: OnceLock<Signs>,
    beginnings: OnceLock<Vec<Beginning>>,
    records: OnceLock<Vec<BTreeSet<String>>>,
    said: OnceLock<BTreeSet<String>>,
    asked: OnceLock<Vec<Asked>>,
    axes: OnceLock<BTreeMap<String, String>>,
    numbers: OnceLock<Vec<String>>,
    step: OnceLock<&'static str>,
}

impl Source {
    fn load(path: Vec<u8>, content: Vec<u8>) -> Option<Self> {
        if content.len() > MAX_FILE_BYTES {
            return None;
        }
        let language = Language::of(Path::new(std::str::from_utf8(&path).ok()?))?;
        let text = String::from_utf8(content).ok()?;
        let tree = language.parse(text.as_bytes())?;
        let shape = Shape::of(&tree, &text);
        let tests = regions::test_regions(&tree, language, text.as_bytes());
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Some(Self {
            path,
            language,
            text,
            tree,
            shape,
            tests,
            lines,
            names: OnceLock::new(),
            signs: OnceLock::new(),
            beginnings: OnceLock::new(),
            records: OnceLock::new(),
            said: OnceLock::new(),
            asked: OnceLock::new(),
            axes: OnceLock::new(),
            numbers: OnceLock::new(),
            step: OnceLock::new(),
        })
    }

    pub(super) fn view(&self) -> View<'_> {
        View { text: &self.text, language: self.language }
    }
    /// Read when first asked for: most files of a project are never edited.
    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(self.view(), &self.tree))
    }
    /// What the text says of edits in it.
    pub(super) fn signs(&self) -> &Signs {
        self.signs.get_or_init(|| Signs::of(self.view(), &self.tree))
    }
    /// What fields begin with.
    pub(super) fn beginnings(&self) -> &[Beginning] {
        self.beginnings.get_or_init(|| beginnings(self.view(), &self.tree))
    }
    /// Names of fields that stand together.
    pub(super) fn records(&self) -> &[BTreeSet<String>] {
        self.records.get_or_init(|| records(self.view(), &self.tree, self.names()))
    }
    /// Names of fields and keys that stand in it.
    pub(super) fn said(&self) -> &BTreeSet<String> {
        self.said.get_or_init(|| said(self.view(), &self.tree))
    }
    /// What its conditions ask.
    pub(super) fn asked(&self) -> &[Asked] {
        self.asked.get_or_init(|| asked(self.view(), &self.tree))
    }
    /// Names with the name that stands beside them most often: a row's and a column's.
    pub(super) fn axes(&self) -> &BTreeMap<String, String> {
        self.axes.get_or_init(|| axes(self.view(), &self.tree))
    }
    /// Numbers as they are written, each once, the commonest first.
    pub(super) fn numbers(&self) -> &[String] {
        self.numbers.get_or_init(|| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            each_node(self.tree.root_node(), &mut |node| {
                if self.view().role(node) == Role::Number && node.byte_range().len() <= 12 {
                    *counts.entry(self.view().of(node).to_owned()).or_insert(0) += 1;
                }
            });
            let mut numbers: Vec<(String, usize)> = counts.into_iter().collect();
            numbers.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            numbers.into_iter().map(|(number, _)| number).take(12).collect()
        })
    }
    /// One more step of indentation.
    pub(super) fn step(&self) -> &'static str {
        self.step.get_or_init(|| self.view().step())
    }
    /// The line (from 1) that a byte is on.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte)
    }
    /// Does its text not parse as a whole?
    pub fn has_errors(&self) -> bool {
        self.shape.has_errors()
    }
}

/// The product files that may be edited, and the other files as read-only material (names and literals).
#[derive(Debug)]
pub struct Project {
    sources: Vec<Source>,
    material: Vec<Source>,
    by_path: HashMap<Vec<u8>, usize>,
}

impl Project {
    /// `files`: path and content; `editable(path)`: may be edited (not a test, not protected). Files without a grammar,
    /// not in UTF-8 or very large are left out.
    pub fn load(files: Vec<(Vec<u8>, Vec<u8>)>, editable: impl Fn(&[u8]) -> bool) -> Project {
        let files: BTreeMap<_, _> = files.into_iter().collect();
        let (mut sources, mut material) = (Vec::new(), Vec::new());
        for source in files.into_iter().filter_map(|(path, content)| Source::load(path, content)) {
            if editable(&source.path) { sources.push(source) } else { material.push(source) }
        }
        let by_path = sources.iter().enumerate().map(|(at, source)| (source.path.clone(), at)).collect();
        Project { sources, material, by_path }
    }
    /// The files that may be edited, by path.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
    /// One file that may be edited.
    pub fn source(&self, path: &[u8]) -> Option<&Source> {
        self.by_path.get(path).map(|at| &self.sources[*at])
    }
    /// Files that are read but not edited.
    pub fn material(&self) -> &[Source] {
        &self.material
    }
}
