//! Conditions inside an expression: `a.b` becomes `a?.b`, `x` becomes `x if c else y`, a comprehension leaves something out.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::super::piece::Piece;
use super::super::scope::{Origin, pattern_names};
use super::borrowed::word_set;
use super::{Bench, Place, Spot, short};
use crate::syntax::language::Language;

/// So many conditions are asked of a value that is returned or stored.
const MOST_ATOMS: usize = 4;
/// So many other values may come instead.
const MOST_OTHERS: usize = 2;
/// So many conditions may leave elements out of a comprehension.
const MOST_FILTERS: usize = 10;
/// Longer values are not chosen between.
const MOST_BYTES: usize = 40;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        match spot.role {
            Role::Member => chained(bench, spot.node),
            Role::Comprehension => filtered(bench, spot.node),
            _ => {}
        }
        if matches!(spot.role, Role::Ident | Role::Member | Role::Call | Role::Index | Role::Binary) {
            chosen(bench, spot.node);
        }
    }
}

/// JavaScript: `a.b` becomes `a?.b`, where `a` may be nothing.
fn chained(bench: &mut Bench<'_>, node: Node<'_>) {
    if !matches!(bench.view.language, Language::JavaScript | Language::TypeScript | Language::Tsx) {
        return;
    }
    let Some((object, property)) = bench.view.member(node) else { return };
    let name = bench.view.of(object);
    let sure = shape::NUM | shape::STR | shape::SEQ | shape::BOOL | shape::FUNC;
    let may_be_nothing = matches!(bench.view.role(object), Role::Ident | Role::Member | Role::Call | Role::Index)
        && bench.shape(object) & sure == 0
        && !name.starts_with(char::is_uppercase)
        && !bench.view.words().words.builtins.contains(&name)
        && bench.visible(node).iter().all(|known| known.name != name || known.origin != Origin::Import);
    let dot = object.end_byte()..property.start_byte();
    if may_be_nothing && bench.view.text[dot.clone()].trim() == "." && !is_assigned(bench, node) {
        let what = format!("`{}` becomes `{}?.{}`", short(bench.view.of(node)), short(name), bench.view.of(property));
        bench.put(EditKind::Wrap, dot, "?.".to_owned(), 0.35, what);
    }
}

/// Is a member set, or something in it?
fn is_assigned(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let mut at = node;
    while let Some(parent) = at.parent() {
        match bench.view.role(parent) {
            Role::Member | Role::Index => at = parent,
            Role::Update => return true,
            Role::Assign | Role::AugAssign => {
                return bench.view.assignment(parent).is_some_and(|(left, _)| left.id() == at.id());
            }
            _ => return false,
        }
    }
    false
}

/// `return x` becomes `return x if c else y`.
fn chosen(bench: &mut Bench<'_>, node: Node<'_>) {
    let template = bench.view.words().words.ternary;
    let Some(parent) = node.parent() else { return };
    let is_returned = bench.view.role(parent) == Role::Return;
    let is_stored = matches!(bench.view.role(parent), Role::Assign | Role::Declarator)
        && bench.view.assignment(parent).is_some_and(|(_, right)| right.id() == node.id());
    // in Rust every guess costs a build
    if template.is_empty()
        || bench.view.language == Language::Rust
        || !(is_returned || is_stored)
        || bench.view.function(node).is_none()
        || node.byte_range().len() > MOST_BYTES
    {
        return;
    }
    let others = others(bench, node, is_returned);
    let own = bench.piece(node);
    for atom in bench.atoms(node).into_iter().take(MOST_ATOMS) {
        for (other, fit) in others.iter().filter(|(other, _)| *other != own.text) {
            let other = Piece::atom(other.clone());
            let (yes, no) = if asks_for_nothing(&atom.piece.text) { (&other, &own) } else { (&own, &other) };
            let new = bench.fill(template, &[yes, &atom.piece, no]);
            bench.replace(EditKind::Guard, node, &new, 0.7 * atom.fit * fit);
        }
    }
}

/// Does a condition hold where something is not there, or too small? Then the value itself comes where it does not hold.
fn asks_for_nothing(condition: &str) -> bool {
    ["not ", "!"].iter().any(|head| condition.starts_with(head)) && !condition.contains("!=")
        || ["== 0", "is None", "== null", "=== null", "=== undefined", "< ", "<= ", "isEmpty()"]
            .iter()
            .any(|part| condition.contains(part))
}

/// What may come instead of a value: what the function returns elsewhere, or the neutral elements of its kind.
fn others(bench: &Bench<'_>, node: Node<'_>, is_returned: bool) -> Vec<(String, f64)> {
    /// Less than that is a guess at what the function might return.
    const SURE: f64 = 0.5;
    let values = if is_returned { bench.return_values(node) } else { Vec::new() };
    let values = values.into_iter().filter(|(value, fit)| !value.is_empty() && *fit > SURE);
    let known = bench.shape(node);
    let neutral = bench.view.words().identities.iter().filter(|(_, shapes)| known == 0 || known & shapes != 0);
    let neutral: Vec<(String, f64)> = neutral.map(|(text, _)| ((*text).to_owned(), 0.6)).collect();
    let mut found: Vec<(String, f64)> = Vec::new();
    for (value, fit) in values.chain(neutral) {
        if found.iter().all(|(other, _)| *other != value) {
            found.push((value, fit));
        }
    }
    found.truncate(MOST_OTHERS);
    found
}

/// `[f(x) for x in xs]` becomes `[f(x) for x in xs if x]`.
fn filtered(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let clauses = view.children(node);
    if view.language != Language::Python || clauses.iter().any(|clause| view.role(*clause) == Role::IfClause) {
        return;
    }
    let (Some(body), Some(last)) = (clauses.first(), clauses.last()) else { return };
    let mut names = Vec::new();
    for clause in clauses.iter().filter(|clause| view.role(**clause) == Role::ForIn) {
        if let Some(left) = clause.child_by_field_name("left") {
            pattern_names(view, left, &mut names);
        }
    }
    let names: Vec<&str> = names.into_iter().map(|name| view.of(name)).collect();
    let asks = |text: &str| word_set(text).iter().any(|word| names.contains(word));
    let atoms: Vec<_> = bench.atoms(*body).into_iter().filter(|atom| asks(&atom.piece.text)).collect();
    let (at, line) = (last.end_byte(), bench.line(node.start_byte()));
    for atom in atoms.into_iter().take(MOST_FILTERS) {
        let what = format!("only if `{}`", atom.piece.text);
        let text = format!(" if {}", atom.piece.text);
        bench.put_at(EditKind::StrengthenCondition, at..at, text, 0.6 * atom.fit, what, line, None);
    }
}
