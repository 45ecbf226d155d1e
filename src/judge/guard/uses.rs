//! How a function uses a name: to compute with, or only to compare, look up and pass on.

use tree_sitter::Node;

use super::calls::{call_of, children, function_name};
use super::view::{Reader, View};
use crate::syntax::functions::{each_node, is_function};
use crate::syntax::language::Language;

/// Methods that only tidy a value before it is compared.
const TIDYING: [&str; 18] = [
    "lower",
    "upper",
    "strip",
    "casefold",
    "trim",
    "toLowerCase",
    "toUpperCase",
    "to_lowercase",
    "to_uppercase",
    "to_ascii_lowercase",
    "as_str",
    "to_string",
    "toString",
    "get",
    "has",
    "contains_key",
    "includes",
    "contains",
];

/// The function of that name in a file; `None` for an empty name.
pub(super) fn function_named<'t>(view: &'t View<'_>, name: &str) -> Option<Node<'t>> {
    if name.is_empty() {
        return None;
    }
    let mut found = None;
    each_node(view.tree.root_node(), &mut |node| {
        if found.is_none() && is_function(node) && function_name(view, node) == name {
            found = Some(node);
        }
    });
    found
}

/// The functions of before that are called as `function` is.
pub(super) fn earlier<'r>(
    reader: &'r Reader<'_>,
    view: &View<'_>,
    function: Node<'_>,
) -> impl Iterator<Item = (&'r View<'r>, Node<'r>)> {
    let name = function_name(view, function);
    reader.old.iter().filter_map(move |old| function_named(old, &name).map(|found| (old, found)))
}

/// `function` as it is, then as it was.
pub(super) fn versions<'r>(
    reader: &'r Reader<'_>,
    view: &'r View<'_>,
    function: Node<'r>,
) -> impl Iterator<Item = (&'r View<'r>, Node<'r>)> {
    std::iter::once((view, function)).chain(earlier(reader, view, function))
}

/// Does `function` compute with `word`: arithmetic, iteration, slicing, formatting, passing it to other code? Comparing
/// it, looking it up in a table, returning it as it is and naming it in an error message is not computing.
pub(super) fn computes_with(view: &View<'_>, function: Node<'_>, word: &str) -> bool {
    let Some(body) = function.child_by_field_name("body") else { return false };
    let mut computes = false;
    each_node(body, &mut |node| {
        let leaf = matches!(node.kind(), "identifier" | "shorthand_property_identifier") && view.text(node) == word;
        computes |= leaf && is_computing(view, node, function);
        computes |= is_formatted(view, node, word) && !is_complained_about(view, node, function);
    });
    computes
}

/// Does `function` index with `word` what a caller gave it: a parameter, the object's own fields? A table that the
/// function brings along is a look-up; the caller's items are what it works on.
pub(super) fn indexes_given_with(view: &View<'_>, function: Node<'_>, word: &str) -> bool {
    let Some(body) = function.child_by_field_name("body") else { return false };
    let given: Vec<&str> = ["parameters", "receiver"]
        .iter()
        .filter_map(|field| function.child_by_field_name(field))
        .flat_map(|list| view.text(list).split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| !name.is_empty())
        .chain(["self", "this"])
        .collect();
    let mut indexes = false;
    each_node(body, &mut |node| {
        if matches!(node.kind(), "subscript" | "subscript_expression" | "index_expression")
            && let [container, index, ..] = &children(node)[..]
        {
            let root = view.text(*container).split(['.', '[', '-']).next().unwrap_or("");
            let by_word = |leaf: Node<'_>| leaf.kind() == "identifier" && view.text(leaf) == word;
            let mut named = false;
            each_node(*index, &mut |leaf| named |= by_word(leaf));
            indexes |= named && given.contains(&root);
        }
    });
    indexes
}

/// `format!("code {code}")`: the name stands inside the text.
fn is_formatted(view: &View<'_>, node: Node<'_>, word: &str) -> bool {
    node.kind() == "string_literal"
        && view.language == Language::Rust
        && [format!("{{{word}}}"), format!("{{{word}:")].iter().any(|mark| view.text(node).contains(mark.as_str()))
}

fn is_computing(view: &View<'_>, leaf: Node<'_>, function: Node<'_>) -> bool {
    let mut node = leaf;
    while let Some(parent) = node.parent() {
        if parent == function {
            return false;
        }
        match parent.kind() {
            kind if is_complaint(view, parent, kind) => return false,
            "comparison_operator" => return false,
            "binary_expression" | "binary_operator" => {
                let operator = parent.child_by_field_name("operator").map(|o| view.text(o)).unwrap_or_default();
                let decides = matches!(
                    operator,
                    "==" | "===" | "!=" | "!==" | "<" | ">" | "<=" | ">=" | "in" | "instanceof" | "&&" | "||" | "??"
                );
                if !decides {
                    return !is_complained_about(view, parent, function);
                }
                return false;
            }
            "unary_operator"
            | "augmented_assignment"
            | "augmented_assignment_expression"
            | "update_expression"
            | "slice"
            | "compound_assignment_expr"
            | "range_expression" => return true,
            "interpolation" | "template_substitution" => return !is_complained_about(view, parent, function),
            // what is iterated over, sliced, or taken apart; an index into a table is a look-up
            "for_statement" | "for_in_clause" | "for_in_statement" | "for_expression" | "enhanced_for_statement" => {
                return ["right", "value"].iter().any(|f| parent.child_by_field_name(f) == Some(node));
            }
            "subscript" | "subscript_expression" | "index_expression" => {
                return children(parent).first() == Some(&node);
            }
            "argument_list" | "arguments" => return passes_on(view, parent, function),
            "token_tree" => {
                // a macro's tokens: `format!("{x}")`, `println!(…)`
                let complaint = parent.parent().is_some_and(|m| is_complaint(view, m, m.kind()));
                return !complaint && !parent.parent().is_some_and(|m| view.text(m).starts_with("matches!"));
            }
            "attribute" | "member_expression" | "field_expression" | "selector_expression" => {
                let method = ["attribute", "property", "field"].iter().find_map(|f| parent.child_by_field_name(f));
                let called = parent.parent().is_some_and(|p| p.child_by_field_name("function") == Some(parent));
                if called {
                    let name = method.map_or("", |m| view.text(m));
                    if TIDYING.contains(&name) {
                        node = parent.parent().unwrap_or(parent);
                        continue;
                    }
                    return true;
                }
            }
            "method_invocation" => return true,
            kind if kind.ends_with("_statement") || kind == "block" => return false,
            _ => {}
        }
        node = parent;
    }
    false
}

/// An argument of a call that does something with it; not of a look-up, a question for the type, or `len` in a check.
fn passes_on(view: &View<'_>, arguments: Node<'_>, function: Node<'_>) -> bool {
    let Some(call) = arguments.parent().and_then(|node| call_of(view, node)) else { return true };
    let method = call.callee.rsplit(['.', ':']).next().unwrap_or("");
    let asks = matches!(
        method,
        "get" | "has" | "contains_key" | "includes" | "contains" | "isinstance" | "type" | "len" | "bool"
    ) || matches!(
        method,
        "startswith" | "startsWith" | "starts_with" | "endswith" | "equals" | "setdefault" | "pop"
    );
    !asks && !is_complained_about(view, call.node, function)
}

/// An error or a log line.
fn is_complaint(view: &View<'_>, node: Node<'_>, kind: &str) -> bool {
    if matches!(kind, "raise_statement" | "throw_statement") {
        return true;
    }
    call_of(view, node).is_some_and(|call| {
        let name = call.callee.rsplit(['.', ':']).next().unwrap_or("");
        call.callee.starts_with("log")
            || call.callee.starts_with("console.")
            || matches!(
                name,
                "Err"
                    | "panic!"
                    | "bail!"
                    | "anyhow!"
                    | "warn"
                    | "error"
                    | "debug"
                    | "info"
                    | "print"
                    | "Errorf"
                    | "warn!"
                    | "error!"
            )
    })
}

fn is_complained_about(view: &View<'_>, node: Node<'_>, function: Node<'_>) -> bool {
    let mut at = node.parent();
    while let Some(parent) = at.filter(|p| *p != function) {
        if is_complaint(view, parent, parent.kind()) {
            return true;
        }
        at = parent.parent();
    }
    false
}
