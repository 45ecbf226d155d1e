//! The files that edits are made of and made in.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use crate::syntax::language::Language;
use crate::syntax::regions;

use super::check::Shape;

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
        Some(Self { path, language, text, tree, shape, tests })
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
