//! The wrong exception or type: what is raised, caught, or asked for by `isinstance` and `instanceof`.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::Role;
use super::super::scope::Origin;
use super::{Bench, Spot};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Another exception of the file is likelier than one of the language.
const OF_FILE: f64 = 0.5;
const OF_LANGUAGE: f64 = 0.3;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    // in Rust and Go errors are values
    if exceptions_of(bench.view.language).is_empty() {
        return;
    }
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Ident => named(bench, spot.node),
            Role::New => {
                if let Some(name) = bench.view.call(spot.node).and_then(|call| call.name) {
                    named(bench, name);
                }
            }
            // types of Java are no values
            Role::Case | Role::Literal | Role::Binary => {
                types_in(bench, spot.node).into_iter().for_each(|name| named(bench, name));
            }
            _ => {}
        }
    }
}

/// What a `catch` catches, and what an `instanceof` asks for.
fn types_in<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let mut found = Vec::new();
    match node.kind() {
        "catch_clause" => {
            let caught = bench.view.children(node).into_iter().find(|child| child.kind() == "catch_formal_parameter");
            let Some(caught) = caught else { return found };
            each_node(caught, &mut |inner| found.extend((inner.kind() == "type_identifier").then_some(inner)));
        }
        "instanceof_expression" => found.extend(node.child_by_field_name("right")),
        _ => {}
    }
    found
}

/// Is a name one of an exception?
pub(in crate::fixer::mutate) fn is_exception(name: &str) -> bool {
    ["Error", "Exception"].iter().any(|end| name.ends_with(end))
        || matches!(name, "StopIteration" | "KeyboardInterrupt")
}

fn named(bench: &mut Bench<'_>, node: Node<'_>) {
    let name = bench.view.of(node).to_owned();
    let exceptions = is_exception(&name) && name.starts_with(char::is_uppercase);
    if !exceptions && !is_asked_for(bench, node) {
        return;
    }
    let is_kin = |other: &str| is_exception(other) == exceptions && other != name;
    let mut others: Vec<(String, f64)> = Vec::new();
    let known = bench.visible(node).into_iter().filter(|known| {
        matches!(known.origin, Origin::Class | Origin::Import) && known.name.starts_with(char::is_uppercase)
    });
    others.extend(known.filter(|known| is_kin(&known.name)).map(|known| (known.name.clone(), OF_FILE)));
    let written =
        bench.names.words.keys().filter(|word| exceptions && is_kin(word) && word.starts_with(char::is_uppercase));
    others.extend(written.map(|word| (word.clone(), OF_FILE)));
    let list = if exceptions { exceptions_of(bench.view.language) } else { types_of(bench.view.language) };
    others.extend(list.iter().filter(|other| is_kin(other)).map(|other| ((*other).to_owned(), OF_LANGUAGE)));
    let mut seen = BTreeSet::new();
    others.retain(|(other, _)| seen.insert(other.clone()));
    for (other, fit) in others {
        let what = format!("`{name}` becomes `{other}`");
        bench.put(EditKind::Function, node.byte_range(), other, fit, what);
    }
}

/// Is a type what `isinstance` or `instanceof` asks for, alone or as one of several?
fn is_asked_for(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else { return false };
    if bench.view.language != Language::Python {
        let is_right = || bench.view.field(parent, &["right"]).is_some_and(|right| right.id() == node.id());
        return is_right()
            && (parent.kind() == "instanceof_expression" || bench.view.operator_text(parent) == "instanceof");
    }
    let outer = if bench.view.role(parent) == Role::Tuple { parent } else { node };
    let call = outer.parent().and_then(|list| list.parent()).filter(|call| bench.view.called(*call) == "isinstance");
    call.is_some_and(|call| bench.view.arguments(call).get(1).is_some_and(|second| second.id() == outer.id()))
}

fn exceptions_of(language: Language) -> &'static [&'static str] {
    match language {
        Language::Python => &[
            "ValueError",
            "TypeError",
            "KeyError",
            "IndexError",
            "AttributeError",
            "RuntimeError",
            "NotImplementedError",
            "ZeroDivisionError",
            "LookupError",
            "StopIteration",
            "OverflowError",
            "Exception",
        ],
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            &["Error", "TypeError", "RangeError", "SyntaxError", "ReferenceError"]
        }
        // those that need no import
        Language::Java => &[
            "IllegalArgumentException",
            "IllegalStateException",
            "IndexOutOfBoundsException",
            "NullPointerException",
            "UnsupportedOperationException",
            "ArithmeticException",
            "NumberFormatException",
            "RuntimeException",
        ],
        Language::Rust | Language::Go => &[],
    }
}

fn types_of(language: Language) -> &'static [&'static str] {
    match language {
        Language::Python => &["int", "float", "str", "bool", "list", "dict", "tuple", "set"],
        Language::JavaScript | Language::TypeScript | Language::Tsx => &["Array", "Map", "Set", "Date", "Error"],
        Language::Java => &["String", "Integer", "Long", "Double", "Boolean", "Number"],
        Language::Rust | Language::Go => &[],
    }
}
