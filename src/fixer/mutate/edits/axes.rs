//! Which names are two axes: those that stand beside each other as a pair, `(r, c)`, `height, width = …`, `at(x, y)`. Pure.

use std::collections::BTreeMap;

use tree_sitter::{Node, Tree};

use super::languages::Role;
use super::view::View;
use crate::syntax::functions::each_node;

/// Each name of a pair with the one that it is paired with most often.
pub(super) fn axes(view: View<'_>, tree: &Tree) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    each_node(tree.root_node(), &mut |node| {
        for (one, other) in pairs(view, node) {
            *counts.entry((one.to_owned(), other.to_owned())).or_insert(0) += 1;
            *counts.entry((other.to_owned(), one.to_owned())).or_insert(0) += 1;
        }
    });
    let mut best: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for ((one, other), count) in counts {
        let known = best.entry(one).or_insert((0, String::new()));
        if count > known.0 {
            *known = (count, other);
        }
    }
    best.into_iter().map(|(one, (_, other))| (one, other)).collect()
}

/// The names of a pair that a node is, first with first.
fn pairs<'s>(view: View<'s>, node: Node<'_>) -> Vec<(&'s str, &'s str)> {
    let role = view.role(node);
    let is_pair = matches!(role, Role::Tuple | Role::List | Role::Args | Role::Params | Role::Pattern)
        || matches!(node.kind(), "expression_list" | "pattern_list" | "array_pattern" | "tuple_pattern");
    let children = if is_pair { view.children(node) } else { Vec::new() };
    let [one, other] = children[..] else { return Vec::new() };
    let plain = |node: Node<'_>| {
        let text = view.of(node);
        let is_name =
            text.chars().all(|c| c.is_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_numeric());
        (is_name && !text.is_empty() && text != "_").then_some(text)
    };
    plain(one).zip(plain(other)).filter(|(one, other)| one != other).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use crate::fixer::mutate::edits::Project;

    fn of(file: &str, text: &str, name: &str) -> Option<String> {
        let project = Project::load(vec![(file.into(), text.as_bytes().to_vec())], |_| true);
        project.sources()[0].axes().get(name).cloned()
    }

    #[test]
    fn names_that_stand_beside_each_other_are_two_axes() {
        let python = "def f(rows):\n    height, width = len(rows), len(rows[0])\n    seen = {(r, c) for r in range(height) \
                      for c in range(width)}\n    r, n = seen.pop()\n    return (r, c) in seen\n";
        assert_eq!(of("a.py", python, "height").as_deref(), Some("width"));
        assert_eq!(of("a.py", python, "c").as_deref(), Some("r"));
        assert_eq!(of("a.py", python, "r").as_deref(), Some("c"), "more often than with n");
        assert_eq!(of("a.py", python, "rows"), None);
        let js = "const f = (x, y) => {\n  const [a, b] = [x + 1, y];\n  return f(a, b);\n};\n";
        assert_eq!(of("a.js", js, "x").as_deref(), Some("y"));
        assert_eq!(of("a.js", js, "b").as_deref(), Some("a"));
        let rust = "fn f(x: i32, y: i32) -> i32 {\n    let (a, b) = (x, y);\n    a + b\n}\n";
        assert_eq!(of("a.rs", rust, "y").as_deref(), Some("x"));
        assert_eq!(of("a.rs", rust, "a").as_deref(), Some("b"));
    }
}
