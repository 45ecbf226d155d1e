//! Remarks on a patch that rank it last among green ones: it only deletes, or it fixes a condition to a constant.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::view::View;
use crate::patch::{FileChange, Patch};
use crate::syntax::functions::each_node;
use crate::words::Label;

/// The labels that can be read off the patch.
pub fn labels_of(patch: &Patch) -> BTreeSet<Label> {
    let mut labels = BTreeSet::new();
    if !patch.is_empty() && patch.files.values().all(only_deletes) {
        labels.insert(Label::DeletionOnly);
    }
    if patch.files.iter().any(|(path, change)| fixes_a_condition(path, change)) {
        labels.insert(Label::ConditionToConstant);
    }
    labels
}

/// What is left of the file is a subsequence of its tokens (of its lines, where there is no grammar).
fn only_deletes(change: &FileChange) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return change.new.is_none() };
    let words = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).split_whitespace().map(str::to_owned).collect()
    };
    let (old, new) = (words(&old.bytes), words(&new.bytes));
    let mut rest = old.iter();
    new.len() < old.len() && new.iter().all(|word| rest.any(|o| o == word))
}

const CONDITIONALS: [&str; 8] = [
    "if_statement",
    "elif_clause",
    "while_statement",
    "conditional_expression",
    "ternary_expression",
    "if_expression",
    "while_expression",
    "do_statement",
];

/// Some condition is a constant after the change, and there are more such than before.
fn fixes_a_condition(path: &[u8], change: &FileChange) -> bool {
    let count = |bytes: &[u8]| {
        let view = std::str::from_utf8(path).ok().and_then(|path| View::of(path, bytes));
        view.map_or(0, |view| {
            let mut n = 0;
            each_node(view.tree.root_node(), &mut |node| {
                n += usize::from(CONDITIONALS.contains(&node.kind()) && constant_condition(&view, node));
            });
            n
        })
    };
    change.old.is_some() && count(change.new_bytes()) > count(change.old_bytes())
}

fn constant_condition(view: &View<'_>, node: Node<'_>) -> bool {
    // Python's conditional expression has its condition between `if` and `else`, without a field
    let condition = node
        .child_by_field_name("condition")
        .or_else(|| (node.kind() == "conditional_expression").then(|| node.named_child(1)).flatten());
    condition.is_some_and(|condition| is_constant(view, condition) && !endless_loop(view, node, condition))
}

/// `while True` and `while (true)` are loops that end inside, not conditions.
fn endless_loop(view: &View<'_>, node: Node<'_>, condition: Node<'_>) -> bool {
    let text = view.text(condition).trim_matches(['(', ')', ' ']);
    node.kind().starts_with("while") && matches!(text, "True" | "true" | "1")
}

fn is_constant(view: &View<'_>, node: Node<'_>) -> bool {
    match node.kind() {
        "true"
        | "false"
        | "boolean_literal"
        | "integer"
        | "float"
        | "number"
        | "string"
        | "none"
        | "null"
        | "integer_literal"
        | "int_literal"
        | "decimal_integer_literal" => true,
        "parenthesized_expression" | "not_operator" | "unary_expression" => {
            node.named_child(0).is_some_and(|inner| is_constant(view, inner))
        }
        // `x and False`, `x || true`
        "boolean_operator" | "binary_expression" => {
            let operator = node.child_by_field_name("operator").map(|o| view.text(o)).unwrap_or_default();
            let sides = ["left", "right"].map(|side| node.child_by_field_name(side).map_or("", |n| view.text(n)));
            let absorbing = |constants: [&str; 2]| sides.iter().any(|s| constants.contains(s));
            match operator {
                "and" | "&&" => absorbing(["False", "false"]),
                "or" | "||" => absorbing(["True", "true"]),
                _ => false,
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(path: &str, old: &str, new: &str) -> Vec<Label> {
        labels_of(&Patch::of_text(path.as_bytes(), old.as_bytes(), new.as_bytes())).into_iter().collect()
    }

    #[test]
    fn a_patch_that_only_deletes_is_labelled() {
        assert_eq!(labels("a.py", "a = 1\nb = 2\n", "a = 1\n"), [Label::DeletionOnly]);
        assert_eq!(labels("a.py", "x = f(a, b)\n", "x = f(a, c)\n"), []);
        assert_eq!(labels("a.txt", "a b c\n", "a c\n"), [Label::DeletionOnly]);
    }

    #[test]
    fn a_condition_that_becomes_constant_is_labelled_in_every_language() {
        let constant = |path, old, new| labels(path, old, new).contains(&Label::ConditionToConstant);
        assert!(constant("a.py", "if x > 1:\n    y()\n", "if True:\n    y()\n"));
        assert!(constant("a.py", "z = 1 if x else 2\n", "z = 1 if False else 2\n"));
        assert!(constant("a.py", "if x > 1:\n    y()\n", "if x > 1 and False:\n    y()\n"));
        assert!(constant("a.js", "if (x > 1) { y(); }", "if (!1) { y(); }"));
        assert!(constant("a.ts", "const z = x ? 1 : 2;", "const z = true ? 1 : 2;"));
        assert!(constant("a.rs", "fn f() { if x > 1 { y() } }", "fn f() { if false { y() } }"));
        assert!(constant(
            "a.go",
            "package a\nfunc f() { if x > 1 { y() } }",
            "package a\nfunc f() { if true { y() } }"
        ));
        assert!(!constant("a.py", "if x > 1:\n    y()\n", "if x > 2:\n    y()\n"));
        assert!(!constant("a.py", "for x in y:\n    z()\n", "while True:\n    z()\n    break\n"));
    }
}
