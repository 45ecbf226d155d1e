//! A file before or after the change with its syntax tree, and the multiset comparison that all rules stand on.

use std::collections::BTreeMap;
use std::path::Path;

use tree_sitter::{Node, Tree};

use super::evidence::Evidence;
use super::{Finding, Surroundings};
use crate::patch::Patch;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// A larger file is not parsed: generated, or made to keep the guard busy.
const LARGEST_PARSED_BYTES: usize = 2 * 1024 * 1024;

/// One side of a changed file.
pub(super) struct View<'a> {
    pub path: &'a str,
    pub language: Language,
    pub source: &'a [u8],
    pub tree: Tree,
}

/// Something in a file that a rule cares about. Facts with equal keys are the same fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub key: String,
    pub line: usize,
    pub what: String,
}

/// The patch as rules read it.
pub(super) struct Reader<'a> {
    pub patch: &'a Patch,
    pub surroundings: &'a Surroundings,
    pub old: Vec<View<'a>>,
    pub new: Vec<View<'a>>,
    /// Earlier versions of the changed files.
    pub past: Vec<View<'a>>,
    evidence: std::cell::OnceCell<Evidence>,
}

impl<'a> Reader<'a> {
    pub fn new(patch: &'a Patch, surroundings: &'a Surroundings) -> Self {
        let side = |pick: fn(&crate::patch::FileChange) -> &Option<crate::patch::FileContent>| {
            patch
                .files
                .iter()
                .filter_map(|(path, change)| {
                    let path = std::str::from_utf8(path).ok()?;
                    View::of(path, &pick(change).as_ref()?.bytes)
                })
                .collect()
        };
        Self {
            patch,
            surroundings,
            old: side(|c| &c.old),
            new: side(|c| &c.new),
            past: surroundings.past.iter().filter_map(|(path, bytes)| View::of(path, bytes)).collect(),
            evidence: std::cell::OnceCell::new(),
        }
    }

    /// What the tests know.
    pub fn evidence(&self) -> &Evidence {
        self.evidence.get_or_init(|| Evidence::of(&self.surroundings.tests, &self.old))
    }

    /// Facts that there are more of after the change than before, over all files of the patch: moved code adds nothing, nor
    /// does what an earlier version of a file had and gets back.
    pub fn added(&self, collect: impl Fn(&View<'_>) -> Vec<Fact>) -> Vec<Finding> {
        let count = |facts: Vec<Fact>| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            facts.into_iter().for_each(|fact| *counts.entry(fact.key).or_default() += 1);
            counts
        };
        let mut left = count(self.old.iter().flat_map(&collect).collect());
        for past in &self.past {
            for (key, n) in count(collect(past)) {
                let known = left.entry(key).or_default();
                *known = n.max(*known);
            }
        }
        let mut findings = Vec::new();
        for view in &self.new {
            for fact in collect(view) {
                match left.get_mut(&fact.key) {
                    Some(n) if *n > 0 => *n -= 1,
                    _ => findings.push(Finding::at(view.path, fact.line, fact.what)),
                }
            }
        }
        findings
    }
}

impl<'a> View<'a> {
    /// `None` for a language that we have no grammar for.
    pub fn of(path: &'a str, source: &'a [u8]) -> Option<Self> {
        let language = Language::of(Path::new(path))?;
        if source.len() > LARGEST_PARSED_BYTES {
            return None;
        }
        let tree = language.parse(source)?;
        Some(Self { path, language, source, tree })
    }

    pub fn text(&self, node: Node<'_>) -> &'a str {
        self.source.get(node.byte_range()).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }

    /// Every node of product code: inline tests are left out.
    pub fn product(&self) -> Vec<Node<'_>> {
        let mut nodes = Vec::new();
        let mut tests_end = 0;
        each_node(self.tree.root_node(), &mut |node| {
            if node.start_byte() < tests_end {
                return;
            }
            if is_inline_test(self, node) {
                tests_end = node.end_byte();
                return;
            }
            nodes.push(node);
        });
        nodes
    }
}

/// Is this node a test inside product code: an item under `#[cfg(test)]` or `#[test]`, an `import.meta.vitest` block?
pub(super) fn is_inline_test(view: &View<'_>, node: Node<'_>) -> bool {
    match view.language {
        Language::Rust => {
            if node.kind() == "attribute_item" {
                return false;
            }
            let mut before = node.prev_sibling();
            while let Some(attribute) = before.filter(|n| matches!(n.kind(), "attribute_item" | "line_comment")) {
                if attribute.kind() == "attribute_item" && is_test_attribute(view.text(attribute)) {
                    return matches!(node.kind(), "mod_item" | "function_item" | "use_declaration" | "impl_item");
                }
                before = attribute.prev_sibling();
            }
            false
        }
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            node.kind() == "if_statement"
                && node.child_by_field_name("condition").is_some_and(|c| view.text(c).contains("import.meta.vitest"))
        }
        Language::Python | Language::Go | Language::Java => false,
    }
}

/// `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`; not `#[cfg(not(test))]`.
pub(super) fn is_test_attribute(text: &str) -> bool {
    let inner: String = text.trim_start_matches("#[").trim_end_matches(']').split_whitespace().collect();
    if let Some(condition) = inner.strip_prefix("cfg(") {
        return condition.starts_with("test)") || condition.starts_with("all(test,") || condition.contains(",test)");
    }
    let name = inner.split('(').next().unwrap_or("");
    matches!(name, "rstest" | "proptest" | "quickcheck" | "bench") || name == "test" || name.ends_with("::test")
}

pub(super) fn line_of(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

pub(super) fn first_error_line(root: Node<'_>) -> usize {
    let mut line = 0;
    each_node(root, &mut |node| {
        if line == 0 && (node.is_error() || node.is_missing()) {
            line = line_of(node);
        }
    });
    line.max(1)
}
