//! What stands beside each other: branches of a condition, sides of an operator, arguments of a call, both sides of an
//! assignment. An edit after which both are the same says nothing, and nobody writes that. Pure.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::languages::Role;
use super::view::View;
use crate::syntax::functions::each_node;

/// Both branches of a condition do the same: then nobody would ask. An estimate, like all here.
const BRANCHES: f64 = 0.1;
/// `x - x`, `x == x`, `x and x`: the outcome is known beforehand.
const NOTHING: f64 = 0.05;
/// `a // 3 + a // 3`: twice the same is said otherwise.
const DOUBLED: f64 = 0.15;
/// `x + x`, `(a - b) * (a - b)`: is written now and then.
const SELDOM: f64 = 0.5;
/// `max(x, x)`.
const ARGUMENTS: f64 = 0.1;
/// `x = x`.
const ASSIGNED: f64 = 0.02;
/// Longer ones, in bytes, are not compared: no edit is that large.
const LONGEST: usize = 300;

/// One of two that stand beside each other.
#[derive(Debug, Clone)]
struct Side {
    bytes: Range<usize>,
    text: String,
    /// What the other one says, without blanks and the words around it.
    other: String,
    /// How likely both are the same.
    times: f64,
}

impl Side {
    /// Does it say the same as the other one with `new` in `range`?
    fn is_alike(&self, range: &Range<usize>, new: &str) -> bool {
        if range.start < self.bytes.start || self.bytes.end < range.end {
            return false;
        }
        let (start, end) = (range.start - self.bytes.start, range.end - self.bytes.start);
        let (Some(before), Some(after)) = (self.text.get(..start), self.text.get(end..)) else { return false };
        essence(&format!("{before}{new}{after}")) == self.other
    }
}

/// A text without blanks, parentheses around it and the word before an alternative.
fn essence(text: &str) -> String {
    let bare: String = text.split_whitespace().collect();
    let bare = bare.strip_prefix("else").unwrap_or(&bare);
    let bare = bare.strip_prefix(':').unwrap_or(bare);
    let inner = bare.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inner.filter(|inner| !inner.contains(['(', ')'])).unwrap_or(bare).to_owned()
}

/// All that stand beside something in a file.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// By where they start.
    sides: Vec<Side>,
}

impl Beside {
    pub fn of(view: View<'_>, tree: &Tree) -> Self {
        let mut sides = Vec::new();
        each_node(tree.root_node(), &mut |node| {
            for (one, other, times) in pairs(view, node) {
                if view.of(one).len().max(view.of(other).len()) > LONGEST {
                    continue;
                }
                for (one, other) in [(one, other), (other, one)] {
                    let (text, other) = (view.of(one).to_owned(), essence(view.of(other)));
                    sides.push(Side { bytes: one.byte_range(), text, other, times });
                }
            }
        });
        sides.sort_by_key(|side| side.bytes.start);
        Self { sides }
    }

    /// How much more or less likely an edit is for what stands beside it.
    pub fn times(&self, range: &Range<usize>, new: &str) -> f64 {
        let first = self.sides.partition_point(|side| side.bytes.start + LONGEST < range.start);
        let near = self.sides[first..].iter().take_while(|side| side.bytes.start <= range.start);
        near.filter(|side| side.is_alike(range, new)).map(|side| side.times).fold(1.0, f64::min)
    }
}

/// The pairs that a node holds, with how likely both are the same.
fn pairs<'t>(view: View<'_>, node: Node<'t>) -> Vec<(Node<'t>, Node<'t>, f64)> {
    match view.role(node) {
        Role::If => {
            let two = node.child_by_field_name("consequence").zip(node.child_by_field_name("alternative"));
            two.map(|(yes, no)| (yes, no, BRANCHES)).into_iter().collect()
        }
        Role::Ternary => view.ternary(node).map(|(yes, _, no)| (yes, no, BRANCHES)).into_iter().collect(),
        Role::Binary => {
            let sides = view.binaries(node).into_iter();
            sides.map(|binary| (binary.left, binary.right, of_sides(view, node, &binary.left))).collect()
        }
        Role::Call => match view.arguments(node)[..] {
            [one, other] => vec![(one, other, ARGUMENTS)],
            _ => Vec::new(),
        },
        Role::Assign => view.assignment(node).map(|(left, right)| (left, right, ASSIGNED)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// How likely both sides of an operator are the same.
fn of_sides(view: View<'_>, node: Node<'_>, left: &Node<'_>) -> f64 {
    let is_compound = view.role(view.unwrap_parens(*left)) == Role::Binary;
    match view.operator_text(node) {
        "+" if is_compound => DOUBLED,
        "*" if !is_compound => 1.0,
        "+" | "*" | "**" => SELDOM,
        _ => NOTHING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixer::mutate::edits::Project;

    /// What stands beside says of putting `new` in place of the `nth` `old` in a file.
    fn times(file: &str, text: &str, (old, nth): (&str, usize), new: &str) -> f64 {
        let project = Project::load(vec![(file.into(), text.as_bytes().to_vec())], |_| true);
        let source = &project.sources()[0];
        let (start, _) = text.match_indices(old).nth(nth).unwrap();
        Beside::of(source.view(), &source.tree).times(&(start..start + old.len()), new)
    }

    #[test]
    fn an_edit_after_which_both_branches_do_the_same_is_hardly_one() {
        let python =
            "def f(a, b):\n    if a < b:\n        a += 1\n    else:\n        b += 1\n    return a if b else 0\n";
        assert_eq!(times("a.py", python, ("a += 1", 0), "b += 1"), BRANCHES);
        assert_eq!(times("a.py", python, ("b += 1", 0), "a += 1"), BRANCHES);
        assert_eq!(times("a.py", python, ("b += 1", 0), "b += 2"), 1.0);
        assert_eq!(times("a.py", python, ("0", 0), "a"), BRANCHES);
        let rust = "fn f(mut i: u32, mut j: u32) -> u32 {\n    if i < j {\n        i += 1;\n    } else { j += 1; }\n    i + j\n}\n";
        assert_eq!(times("a.rs", rust, ("i += 1", 0), "j += 1"), BRANCHES);
        assert_eq!(times("a.rs", rust, ("j += 1", 0), "i += 1"), BRANCHES);
        let js = "function f(a, b) {\n  if (a > b) a--; else b--;\n  return a ? b : a;\n}\n";
        assert_eq!(times("a.js", js, ("b--", 0), "a--"), BRANCHES);
        assert_eq!(times("a.js", js, ("? b", 0), "? a"), 1.0, "the edit is more than a branch");
        assert_eq!(times("a.js", js, ("b : a", 0), "a : a"), 1.0);
        assert_eq!(times("a.js", js, ("a--", 0), "b++"), 1.0);
    }

    #[test]
    fn both_sides_of_an_operator_are_hardly_the_same() {
        let python =
            "def f(r, c, d):\n    d = r // 3 + c // 3\n    return r * c - d if r < c and d != c else max(r, d)\n";
        assert_eq!(times("a.py", python, ("r", 1), "c"), DOUBLED, "{python}");
        assert_eq!(times("a.py", python, ("r // 3", 0), "c // 3"), DOUBLED);
        assert_eq!(times("a.py", python, ("r // 3", 0), "c // 2"), 1.0);
        assert_eq!(times("a.py", python, ("r <", 0), "c <"), 1.0, "the edit is more than a side");
        assert_eq!(times("a.py", python, ("c and", 0), "r and"), 1.0);
        assert_eq!(times("a.py", python, ("r // 3 + c // 3", 0), "d"), ASSIGNED);
        let js = "const f = (a, b) => a < b && (a - b) * (b - a) + g(a, b);\n";
        assert_eq!(times("a.js", js, ("a", 1), "b"), NOTHING);
        assert_eq!(times("a.js", js, ("b - a", 0), "a - b"), SELDOM);
        assert_eq!(times("a.js", js, ("b)", 2), "a)"), 1.0);
        let rust = "fn f(a: u32, b: u32) -> u32 {\n    a.min(b) + a * b\n}\n";
        assert_eq!(times("a.rs", rust, ("b", 2), "a"), 1.0, "a square");
    }
}
