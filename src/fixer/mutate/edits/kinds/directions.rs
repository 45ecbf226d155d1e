//! The direction of an order: the sides of a comparison by method, its answer turned round, the two parameters of a closure,
//! and the bodies of neighbouring arms of a `match`.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, level};
use super::super::piece::Piece;
use super::{Bench, Spot, short};
use crate::syntax::language::Language;

/// Longer sides are no keys of an order.
const MOST_BYTES: usize = 60;
/// More lines of a body are no slip.
const MOST_LINES: usize = 10;
/// Methods whose answer is an order.
const ORDERS: &[&str] = &["cmp", "partial_cmp", "total_cmp", "compareTo", "localeCompare", "compare"];
/// Functions that ask a closure for an order.
const SORTS: &[&str] = &["sort", "sort_by", "sort_unstable_by", "max_by", "min_by", "sorted", "toSorted"];

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots {
        match spot.role {
            Role::Call if spot.touched => {
                sides(bench, spot.node);
                turned(bench, spot.node);
            }
            Role::Params if spot.touched => parameters(bench, spot.node),
            Role::Case => arms(bench, spot.node),
            _ => {}
        }
    }
}

/// `a.score.cmp(&b.score)` becomes `b.score.cmp(&a.score)`.
fn sides(bench: &mut Bench<'_>, node: Node<'_>) {
    if !ORDERS.contains(&bench.view.called(node)) {
        return;
    }
    let arguments = bench.view.arguments(node);
    let ([argument], Some(receiver)) = (&arguments[..], bench.view.call(node).and_then(|call| call.receiver)) else {
        return;
    };
    let is_reference = bench.view.role(*argument) == Role::Ref;
    let other = if is_reference { bench.view.children(*argument).last().copied() } else { Some(*argument) };
    let Some(other) = other else { return };
    let role = bench.view.role(receiver);
    let (a, b) = (bench.view.of(receiver), bench.view.of(other));
    // plain names and members without a reference are every call's business
    let is_plain = matches!(role, Role::Ident | Role::Member) && !is_reference;
    let is_alike =
        bench.view.role(other) == role && matches!(role, Role::Ident | Role::Member | Role::Call | Role::Index);
    if !is_alike || is_plain || a == b || a.len().max(b.len()) > MOST_BYTES {
        return;
    }
    let text = bench.view.text;
    let new =
        format!("{b}{}{a}{}", &text[receiver.end_byte()..other.start_byte()], &text[other.end_byte()..node.end_byte()]);
    let what = format!("`{}` and `{}` change places", short(a), short(b));
    bench.put(EditKind::SwapArguments, node.byte_range(), new, 0.9, what);
}

/// Rust: `a.cmp(b)` becomes `a.cmp(b).reverse()`.
fn turned(bench: &mut Bench<'_>, node: Node<'_>) {
    if bench.view.language == Language::Rust && matches!(bench.view.called(node), "cmp" | "total_cmp") {
        let new = Piece { text: format!("{}.reverse()", bench.view.of(node)), level: level::POSTFIX };
        bench.replace(EditKind::Wrap, node, &new, 0.6);
    }
}

/// `|a, b|` becomes `|b, a|`, where the closure is an argument.
fn parameters(bench: &mut Bench<'_>, node: Node<'_>) {
    let closure = node.parent().filter(|parent| matches!(bench.view.role(*parent), Role::Function | Role::Lambda));
    let list = closure.filter(|closure| closure.child_by_field_name("name").is_none()).and_then(|at| at.parent());
    let Some(list) = list.filter(|list| bench.view.role(*list) == Role::Args) else { return };
    let names = bench.view.children(node);
    let [one, other] = names[..] else { return };
    let is_plain = |node: Node<'_>| bench.view.of(node).chars().all(|c| c.is_alphanumeric() || "_&".contains(c));
    if !is_plain(one) || !is_plain(other) {
        return;
    }
    let called = list.parent().map_or("", |call| bench.view.called(call));
    let fit = if SORTS.contains(&called) { 0.7 } else { 0.2 };
    let (first, second) = (bench.view.of(one), bench.view.of(other));
    let between = &bench.view.text[one.end_byte()..other.start_byte()];
    let what = format!("parameters `{first}` and `{second}` change places");
    let range = one.start_byte()..other.end_byte();
    bench.put(EditKind::SwapArguments, range, format!("{second}{between}{first}"), fit, what);
}

/// Rust: the bodies of two neighbouring arms change places.
fn arms(bench: &mut Bench<'_>, node: Node<'_>) {
    if bench.view.language != Language::Rust {
        return;
    }
    let next = std::iter::successors(node.next_named_sibling(), Node::next_named_sibling)
        .find(|sibling| bench.view.role(*sibling) != Role::Comment);
    let Some(next) = next.filter(|next| bench.view.role(*next) == Role::Case) else { return };
    let (Some(one), Some(other)) = (node.child_by_field_name("value"), next.child_by_field_name("value")) else {
        return;
    };
    let (first, second) = (bench.view.of(one), bench.view.of(other));
    let lines = other.end_position().row - one.start_position().row;
    if lines > MOST_LINES || first == second || !(bench.touches(one) || bench.touches(other)) {
        return;
    }
    let text = bench.view.text;
    let between = &text[one.end_byte()..other.start_byte()];
    // a comma that a block can do without does no harm behind it
    let comma = if between.starts_with(',') { "" } else { "," };
    let last = if text[other.end_byte()..].starts_with(',') { "" } else { "," };
    let new = format!("{second}{comma}{between}{first}{last}");
    let line = bench.line(if bench.touches(one) { one.start_byte() } else { other.start_byte() });
    let what = format!("`{}` and `{}` change places", short(first), short(second));
    bench.put_at(EditKind::SwapBranches, one.start_byte()..other.end_byte(), new, 0.9, what, line, None);
}
