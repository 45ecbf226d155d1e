//! What the conditions of a file ask, and what it joins by `and` and `or` elsewhere, each question once: where the same names are known, the same may be asked.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::kinds::words;
use super::languages::{OperatorClass, Role};
use super::piece::Piece;
use super::view::View;
use crate::syntax::functions::each_node;

/// Longer questions are about one place only.
const MOST_BYTES: usize = 40;
/// So many questions of a file are known.
const MOST: usize = 400;

/// One question: a condition, or what an `and` or an `or` in it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub piece: Piece,
    /// Where it is asked for the first time.
    pub at: Range<usize>,
    /// The names that have to be known.
    pub names: BTreeSet<String>,
    /// It asks the object itself: only methods of this class may.
    class: Option<Range<usize>>,
}

impl Asked {
    /// Could it be asked at `node`, as far as classes go?
    pub fn is_of_class_at(&self, view: View<'_>, node: Node<'_>) -> bool {
        self.class.is_none() || self.class == class_of(view, node)
    }
}

fn class_of(view: View<'_>, node: Node<'_>) -> Option<Range<usize>> {
    view.ancestor(node, |role| role == Role::Class).map(|class| class.byte_range())
}

/// The questions of a file in the order of its text.
pub(super) fn asked(view: View<'_>, tree: &Tree) -> Vec<Asked> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    each_node(tree.root_node(), &mut |node| {
        let own = || is_logical(view, node).then_some(node);
        if let Some(condition) = view.condition(node).or_else(own) {
            joined(view, condition, &mut |part| {
                let names = view.names_in(part);
                let is_short = part.byte_range().len() <= MOST_BYTES && !view.of(part).contains('\n');
                // whether a name is true is asked of every name anyhow
                let is_name = matches!(view.role(part), Role::Ident | Role::Bool);
                let of_itself = words(view.of(part)).any(|word| view.words().words.this.contains(&word));
                let class = class_of(view, part).filter(|_| of_itself);
                let says_more = !is_name && (class.is_some() || !of_itself && !names.is_empty());
                if is_short && says_more && found.len() < MOST && seen.insert(view.of(part)) {
                    found.push(Asked { piece: Piece::of(view, part), at: part.byte_range(), names, class });
                }
            });
        }
    });
    found
}

fn is_logical(view: View<'_>, node: Node<'_>) -> bool {
    view.operator(node).is_some_and(|operator| operator.class == OperatorClass::Logical)
}

/// What a condition's `and`s and `or`s join, or the condition itself.
pub(super) fn joined<'t>(view: View<'_>, node: Node<'t>, each: &mut impl FnMut(Node<'t>)) {
    let node = view.unwrap_parens(node);
    if !is_logical(view, node) {
        return each(node);
    }
    for binary in view.binaries(node) {
        joined(view, binary.left, each);
        joined(view, binary.right, each);
    }
}

#[cfg(test)]
mod tests {
    use crate::fixer::mutate::edits::Project;

    #[test]
    fn conditions_are_taken_apart_and_each_question_is_known_once() {
        let python = "def f(a, node):\n    if a < 3 and (node.end or not node):\n        return 1\n    while a < 3:\n        a += 1\n";
        let js = "const f = (a) => {\n  if (a.open && a.size > 0) return a;\n  return a.size > 0 ? 1 : 2;\n};\n";
        for (file, text, expected) in
            [("a.py", python, vec!["a < 3", "node.end", "not node"]), ("a.js", js, vec!["a.open", "a.size > 0"])]
        {
            let project = Project::load(vec![(file.into(), text.as_bytes().to_vec())], |_| true);
            let source = &project.sources()[0];
            let texts: Vec<&str> = source.asked().iter().map(|one| one.piece.text.as_str()).collect();
            assert_eq!(texts, expected);
        }
    }
}
