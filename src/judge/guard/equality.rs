//! Rules about comparisons that lie: equality, truth, hashes and conversions that no longer look at what they compare.

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, children, function_name, literal_of};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::functions::{each_node, is_function};
use crate::syntax::language::Language;

/// Methods that comparisons and assertions call behind the scenes, by language.
fn is_special(language: Language, name: &str) -> bool {
    match language {
        Language::Python => matches!(
            name,
            "__eq__"
                | "__ne__"
                | "__lt__"
                | "__le__"
                | "__gt__"
                | "__ge__"
                | "__bool__"
                | "__hash__"
                | "__contains__"
                | "__instancecheck__"
                | "__subclasscheck__"
                | "__subclasshook__"
                | "__nonzero__"
                | "__cmp__"
        ),
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            matches!(name, "equals" | "isEqual" | "asymmetricMatch" | "toPrimitive" | "hasInstance" | "valueOf")
        }
        Language::Rust => matches!(name, "eq" | "ne" | "partial_cmp" | "cmp" | "lt" | "le" | "gt" | "ge"),
        Language::Java => matches!(name, "equals" | "hashCode" | "compareTo" | "compare"),
        Language::Go => matches!(name, "Equal" | "Equals" | "Compare"),
    }
}

/// A comparison method whose answer does not depend on what is compared.
pub(super) fn constant_comparison(reader: &Reader<'_>) -> Vec<Finding> {
    reader.added(|view| {
        view.product()
            .into_iter()
            .filter(|node| is_function(*node))
            .filter_map(|function| {
                let name = function_name(view, function);
                let name = name.rsplit('.').next().unwrap_or(&name).trim_matches(['\'', '"', ']']).to_owned();
                let special = is_special(view.language, &name) && is_of_trait(view, function);
                (special && answers_blindly(view, function, &name)).then(|| Fact {
                    key: format!("{name} {}", owner(view, function)),
                    line: line_of(function),
                    what: format!("`{name}` answers without looking at what it compares"),
                })
            })
            .collect()
    })
}

/// In Rust such names are special only in an `impl` of the trait.
fn is_of_trait(view: &View<'_>, function: Node<'_>) -> bool {
    if view.language != Language::Rust {
        return true;
    }
    let mut at = function.parent();
    while let Some(node) = at {
        if node.kind() == "impl_item" {
            let implemented = node.child_by_field_name("trait").map_or("", |t| view.text(t));
            let name = implemented.rsplit("::").next().unwrap_or(implemented);
            return ["PartialEq", "PartialOrd", "Ord", "Eq"].iter().any(|known| name.starts_with(known));
        }
        at = node.parent();
    }
    false
}

fn owner(view: &View<'_>, function: Node<'_>) -> String {
    let mut at = function.parent();
    while let Some(node) = at {
        for field in ["name", "type"] {
            if matches!(node.kind(), "class_definition" | "class_declaration" | "class" | "impl_item")
                && let Some(name) = node.child_by_field_name(field)
            {
                return view.text(name).to_owned();
            }
        }
        at = node.parent();
    }
    String::new()
}

fn answers_blindly(view: &View<'_>, function: Node<'_>, name: &str) -> bool {
    let Some(body) = function.child_by_field_name("body") else { return false };
    let answers = answers(function, body);
    if answers.is_empty() {
        return false;
    }
    let compared = compared(view, function);
    answers.iter().all(|answer| match literal_of(view, *answer) {
        // refusing to be equal, or to compare at all, makes nothing green
        Some(Literal::Bool(false)) => !matches!(name, "__eq__" | "eq" | "equals" | "isEqual"),
        Some(_) => true,
        None => view.text(*answer) != "NotImplemented" && is_blind(view, *answer, &compared),
    }) && answers.iter().any(|a| view.text(*a) != "NotImplemented")
}

/// The expressions that a function answers with: of its return statements, or its body when that is one expression.
pub(super) fn answers<'t>(function: Node<'t>, body: Node<'t>) -> Vec<Node<'t>> {
    if !matches!(body.kind(), "block" | "statement_block" | "constructor_body") {
        return vec![body];
    }
    let mut found = Vec::new();
    each_node(body, &mut |node| {
        let returns = matches!(node.kind(), "return_statement" | "return_expression");
        if returns
            && super::calls::enclosing(node) == Some(function)
            && let Some(value) = children(node).first()
        {
            found.push(*value);
        }
    });
    // Rust and the like: the last expression of the block
    if let Some(last) = children(body).last()
        && !last.kind().ends_with("_statement")
        && !last.kind().ends_with("_declaration")
        && !last.kind().ends_with("_item")
        && last.kind() != "return_expression"
    {
        found.push(*last);
    }
    found
}

/// What is compared: the parameters, and the object itself when there is only one; empty when there is nothing.
fn compared(view: &View<'_>, function: Node<'_>) -> Vec<String> {
    let Some(parameters) = function.child_by_field_name("parameters") else { return Vec::new() };
    let mut names = Vec::new();
    for parameter in children(parameters) {
        let pattern = parameter.child_by_field_name("pattern").or_else(|| parameter.child_by_field_name("name"));
        let mut name = None;
        each_node(pattern.unwrap_or(parameter), &mut |node| {
            if node.kind() == "identifier" && name.is_none() {
                name = Some(view.text(node).to_owned());
            }
        });
        names.extend(name.filter(|n| n != "self"));
    }
    match (names.len(), view.language) {
        (1, Language::Python | Language::Rust) => names.push("self".to_owned()),
        // in Java and JavaScript a field may be named without `this`
        (1, _) => {}
        _ => names.truncate(2),
    }
    names
}

/// `x == x`, `isinstance(other, T)`, `not False`, `self is self or …`: true whatever is compared.
fn is_blind(view: &View<'_>, answer: Node<'_>, compared: &[String]) -> bool {
    if compared.is_empty() {
        return false;
    }
    let text: String = view.text(answer).split_whitespace().collect();
    let mut unseen: Vec<&str> = compared.iter().map(String::as_str).collect();
    each_node(answer, &mut |node| {
        if node.child_count() == 0 && !in_type_question(view, node, answer) {
            unseen.retain(|name| *name != view.text(node));
        }
    });
    let or_true = ["orTrue", "||true", "Trueor", "true||"].iter().any(|mark| text.contains(mark));
    let half_blind = || disjuncts(view, answer).into_iter().any(|part| is_blind(view, part, compared));
    same_sides(view, answer)
        || covers_all(view, answer)
        || or_true
        || !unseen.is_empty()
        || half_blind()
        || is_generous(view, answer)
}

/// The parts of `a or b`: each of them alone makes it true. Empty for anything else.
fn disjuncts<'t>(view: &View<'_>, answer: Node<'t>) -> Vec<Node<'t>> {
    let operator = answer.child_by_field_name("operator").map_or("", |o| view.text(o));
    if matches!(operator, "||" | "or") { children(answer) } else { Vec::new() }
}

/// A difference of more than this is none that rounding makes.
const ROUNDING: f64 = 1.0;

/// `abs(a - b) < 1e9`
fn is_generous(view: &View<'_>, answer: Node<'_>) -> bool {
    let [left, right] = children(answer)[..] else { return false };
    let between = view.source.get(left.end_byte()..right.start_byte()).unwrap_or_default();
    let less = matches!(String::from_utf8_lossy(between).trim(), "<" | "<=");
    let text = view.text(left);
    let far =
        || matches!(literal_of(view, right), Some(Literal::Number(n)) if n.parse::<f64>().is_ok_and(|n| n > ROUNDING));
    less && text.contains("abs") && text.contains('-') && far()
}

/// `x == y or x != y`
fn covers_all(view: &View<'_>, answer: Node<'_>) -> bool {
    let operator = answer.child_by_field_name("operator").map_or("", |o| view.text(o));
    let [left, right] = children(answer)[..] else { return false };
    let sides = [left, right].map(|side| view.text(side).split_whitespace().collect::<String>());
    let like = sides.clone().map(|side| side.replace("!==", "===").replace("!=", "=="));
    matches!(operator, "||" | "or") && sides[0] != sides[1] && like[0] == like[1]
}

fn same_sides(view: &View<'_>, answer: Node<'_>) -> bool {
    let sides = children(answer);
    let comparison = matches!(answer.kind(), "comparison_operator" | "binary_expression");
    comparison && sides.len() == 2 && view.text(sides[0]) == view.text(sides[1])
}

/// Inside `isinstance(…)`, `type(…)`, `instanceof`: asks about the type, not the value.
fn in_type_question(view: &View<'_>, node: Node<'_>, top: Node<'_>) -> bool {
    let mut at = node.parent();
    while let Some(parent) = at {
        let text = view.text(parent);
        let call = matches!(parent.kind(), "call" | "call_expression");
        let asks = parent.child_by_field_name("operator").is_some_and(|o| view.text(o) == "instanceof");
        let by_name = || {
            ["isinstance(", "type(", "issubclass("].iter().any(|q| text.starts_with(q))
                || ["size_of_val(", "type_name_of_val("].iter().any(|q| text.contains(q))
        };
        if call && by_name() || parent.kind() == "instanceof_expression" || parent.kind() == "binary_expression" && asks
        {
            return true;
        }
        if parent == top {
            return false;
        }
        at = parent.parent();
    }
    false
}
