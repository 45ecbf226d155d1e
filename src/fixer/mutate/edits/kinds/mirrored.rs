//! What its neighbour is: an expression becomes what stands in the neighbour's place, around its own name or number.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::Role;
use super::super::piece::Piece;
use super::{Bench, Place, Spot, compatible};
use crate::syntax::functions::each_node;

/// What is done to one of two neighbours and not to the other one was seldom meant so. Estimates: side by side in a list or
/// among arguments, in two statements that follow each other, on two sides of an operator.
const BESIDE: f64 = 3.0;
const IN_NEXT_STATEMENT: f64 = 2.0;
const ACROSS: f64 = 1.0;
/// A function that the same statement calls. An estimate.
const IN_STATEMENT: f64 = 1.5;
/// A longer neighbour is no pattern for anything.
const LONGEST: usize = 50;
/// In so many places of the neighbour the own name is set.
const MOST_PLACES: usize = 3;
/// Neighbours in statements are looked for so deep.
const DEEPEST: usize = 6;
/// A list of more is data.
const MOST_BESIDE: usize = 4;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        if !matches!(spot.role, Role::Ident | Role::Member | Role::Index | Role::Str | Role::Number) {
            continue;
        }
        let mut neighbours = beside(bench, spot.node);
        neighbours.extend(bench.other_side(spot.node).map(|(other, _)| (other, ACROSS)));
        neighbours.extend(in_next_statements(bench, spot.node).into_iter().map(|other| (other, IN_NEXT_STATEMENT)));
        for (neighbour, fit) in neighbours {
            as_neighbour(bench, spot, neighbour, fit);
        }
        if matches!(spot.role, Role::Ident | Role::Member) {
            as_called(bench, spot.node);
        }
    }
}

/// Elements of the same list, arguments of the same call.
fn beside<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<(Node<'t>, f64)> {
    let Some(parent) = node.parent() else { return Vec::new() };
    let is_list = matches!(bench.view.role(parent), Role::Tuple | Role::List | Role::Args)
        || bench.view.role(parent) == Role::Clause && parent.kind() == "expression_list";
    let all = bench.view.children(parent);
    if !is_list || all.len() > MOST_BESIDE {
        return Vec::new();
    }
    all.into_iter().filter(|other| other.id() != node.id()).map(|other| (other, BESIDE)).collect()
}

/// What stands in the same place of the statement before and of the one after.
fn in_next_statements<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let view = bench.view;
    let mut path = Vec::new();
    let mut at = node;
    while !view.is_statement(at) {
        let Some(parent) = at.parent() else { return Vec::new() };
        let Some(index) = view.children(parent).iter().position(|child| child.id() == at.id()) else {
            return Vec::new();
        };
        path.push((index, view.role(parent)));
        at = parent;
        if path.len() > DEEPEST {
            return Vec::new();
        }
    }
    let Some(block) = at.parent() else { return Vec::new() };
    let statements = view.statements(block);
    let Some(own) = statements.iter().position(|statement| statement.id() == at.id()) else { return Vec::new() };
    let next = [own.checked_sub(1), Some(own + 1)].into_iter().flatten().filter_map(|at| statements.get(at).copied());
    let descend = |statement: Node<'t>| {
        path.iter().rev().try_fold(statement, |at, (index, role)| {
            (view.role(at) == *role).then(|| view.children(at).get(*index).copied()).flatten()
        })
    };
    next.filter_map(descend).collect()
}

/// `find(a), b` becomes `find(a), find(b)`; `f(code + "0")` and `f("1")` become `f(code + "0")` and `f(code + "1")`.
fn as_neighbour(bench: &mut Bench<'_>, spot: &Spot<'_>, neighbour: Node<'_>, fit: f64) {
    let kind = match bench.view.role(neighbour) {
        role if role == spot.role => return,
        Role::Call => EditKind::Wrap,
        Role::Binary => EditKind::Extend,
        Role::Index | Role::Unary | Role::Not => EditKind::ReplaceOperand,
        _ => return,
    };
    let (text, start) = (bench.view.of(neighbour), neighbour.start_byte());
    let own = bench.piece(spot.node);
    if text.len() > LONGEST || text.contains(&own.text) {
        return;
    }
    let mut places: Vec<Node<'_>> = Vec::new();
    each_node(neighbour, &mut |inner| {
        if bench.view.role(inner) == spot.role && !is_called(inner) {
            places.push(inner);
        }
    });
    let sure = if places.len() == 1 { 1.0 } else { 0.6 };
    for place in places.into_iter().take(MOST_PLACES) {
        let fits = compatible(bench.shape(place), bench.shape(spot.node));
        let (from, to) = (place.start_byte() - start, place.end_byte() - start);
        let set = own.at(bench.view.wanted_level(place));
        let new = Piece { text: format!("{}{set}{}", &text[..from], &text[to..]), level: bench.view.level(neighbour) };
        bench.replace(kind, spot.node, &new, fit * sure * fits);
    }
}

/// `parent[a] = find(b)` becomes `parent[find(a)] = find(b)`: a function of the file that the statement asks of one thing only.
fn as_called(bench: &mut Bench<'_>, node: Node<'_>) {
    if !matches!(bench.view.parent_role(node), Role::Index | Role::Binary | Role::Args) || is_called(node) {
        return;
    }
    let Some(statement) = bench.view.statement(node) else { return };
    let own = bench.view.of(node);
    let mut found: Vec<String> = Vec::new();
    each_node(statement, &mut |call| {
        if bench.view.role(call) != Role::Call || call.byte_range().contains(&node.start_byte()) {
            return;
        }
        let Some(name) = bench.view.call(call).filter(|call| call.receiver.is_none()).and_then(|call| call.name) else {
            return;
        };
        let [argument] = bench.view.arguments(call)[..] else { return };
        let name = bench.view.of(name);
        let is_ours = bench.names.functions.iter().any(|known| known.name == name);
        let fits = compatible(bench.shape(argument), bench.shape(node)) > 0.5 && bench.view.of(argument) != own;
        if is_ours && fits && !found.iter().any(|other| other == name) {
            found.push(name.to_owned());
        }
    });
    for name in found {
        let new = Piece::atom(format!("{name}({own})"));
        bench.replace(EditKind::Wrap, node, &new, IN_STATEMENT);
    }
}

/// The function of a call, or the name behind a dot.
fn is_called(node: Node<'_>) -> bool {
    let names = ["function", "name", "method", "property", "field", "attribute", "constructor"];
    let is_one = |parent: &Node<'_>| {
        names.iter().any(|name| parent.child_by_field_name(name).is_some_and(|child| child.id() == node.id()))
    };
    node.parent().is_some_and(|parent| is_one(&parent))
}
