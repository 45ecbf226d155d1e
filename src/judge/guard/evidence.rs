//! What the tests know: which literals stand together in one test case.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::calls::{Literal, children, literal_of, literals_in};
use super::surroundings::TestText;
use super::view::View;
use crate::syntax::functions::{each_node, is_function};

/// More literals than this in one place are a story, not a case.
const MOST_IN_A_CASE: usize = 14;

/// Literals of tests, and which of them belong to one case.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    cases: Vec<BTreeSet<Literal>>,
    /// Cases by literal.
    index: BTreeMap<Literal, BTreeSet<usize>>,
}

impl Evidence {
    /// Reads test files, and the inline tests of the old side of changed files.
    pub fn of<'a>(tests: &'a [TestText], inline: impl IntoIterator<Item = &'a View<'a>>) -> Self {
        let mut evidence = Self::default();
        for test in tests {
            if let Some(view) = View::of(&test.path, &test.bytes) {
                evidence.read(&view, view.tree.root_node());
            }
        }
        for view in inline {
            let mut roots = Vec::new();
            each_node(view.tree.root_node(), &mut |node| {
                if super::view::is_inline_test(view, node) {
                    roots.push(node);
                }
            });
            for root in roots {
                evidence.read(view, root);
            }
        }
        evidence
    }

    fn read(&mut self, view: &View<'_>, root: Node<'_>) {
        each_node(root, &mut |node| {
            let is_case = is_function(node) || is_simple_statement(node) || is_row(view, node);
            if is_case {
                let literals: BTreeSet<Literal> = literals_in(view, node).into_iter().collect();
                if literals.len() > 1 && literals.len() <= MOST_IN_A_CASE {
                    self.add(literals);
                }
            }
        });
    }

    fn add(&mut self, case: BTreeSet<Literal>) {
        for literal in &case {
            self.index.entry(literal.clone()).or_default().insert(self.cases.len());
        }
        self.cases.push(case);
    }

    /// Is this literal anywhere in a test?
    pub fn knows(&self, literal: &Literal) -> bool {
        self.index.contains_key(literal)
    }

    /// The literals that a text is put together from when no test has it as a whole: `"11,22,33"` for a list that is
    /// compared as text.
    pub fn spelled_out(&self, literal: &Literal) -> Vec<Literal> {
        let whole = || vec![literal.clone()];
        let Literal::Text(text) = literal else { return whole() };
        if self.knows(literal) {
            return whole();
        }
        let pieces = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-'));
        let pieces: Vec<Literal> = pieces.filter(|p| !p.is_empty()).map(Literal::of_piece).collect();
        let known = pieces.len() > 1 && pieces.iter().all(|piece| self.knows(piece));
        if known { pieces } else { whole() }
    }

    /// Is there a case with `literal` and a text of so many characters?
    pub fn has_text_of(&self, characters: usize, literal: &Literal) -> bool {
        let is_as_long = |other: &Literal| matches!(other, Literal::Text(text) if text.chars().count() == characters);
        let cases = self.index.get(literal).into_iter().flatten();
        cases.into_iter().any(|case| self.cases[*case].iter().any(is_as_long))
    }

    /// Is each of these in a case without the others? Then they are inputs of several cases, and not parts of one.
    pub fn apart(&self, literals: &[&Literal]) -> bool {
        literals.iter().all(|literal| {
            let others = || literals.iter().filter(|other| *other != literal);
            let alone = |case: &usize| others().all(|other| !self.cases[*case].contains(*other));
            self.index.get(*literal).is_some_and(|cases| cases.iter().any(alone))
        })
    }

    /// Is there a case with all of these?
    pub fn together(&self, literals: &[&Literal]) -> bool {
        let Some((first, rest)) = literals.split_first() else { return false };
        let Some(cases) = self.index.get(first) else { return false };
        cases.iter().any(|case| rest.iter().all(|literal| self.cases[*case].contains(literal)))
    }
}

/// A statement without statements inside.
fn is_simple_statement(node: Node<'_>) -> bool {
    let kind = node.kind();
    let statement = kind.ends_with("_statement")
        || kind.ends_with("_declaration")
        || kind == "macro_invocation"
        || kind == "call"
        || kind == "call_expression"
        || kind == "macro_invocation_semi";
    if !statement {
        return false;
    }
    let mut simple = true;
    each_node(node, &mut |inner| {
        simple &= inner == node || !matches!(inner.kind(), "block" | "statement_block" | "function_body");
    });
    simple
}

/// One row of a table of cases: a collection in a collection, a pair of a mapping, the arguments of one `param(…)`.
fn is_row(view: &View<'_>, node: Node<'_>) -> bool {
    let collection = |n: Node<'_>| {
        matches!(
            n.kind(),
            "tuple"
                | "list"
                | "array"
                | "dictionary"
                | "object"
                | "tuple_expression"
                | "array_expression"
                | "literal_value"
                | "composite_literal"
                | "array_initializer"
                | "set"
        )
    };
    if matches!(node.kind(), "pair" | "keyed_element") {
        return children(node).iter().any(|c| literal_of(view, *c).is_some());
    }
    collection(node)
        && node
            .parent()
            .is_some_and(|p| collection(p) || matches!(p.kind(), "literal_element" | "reference_expression"))
}
