//! Calls upon calls: two names or two arguments of a chain that change places, `x.min(a).max(b)` or `max(a, min(b, x))`.

use super::super::EditKind;
use super::super::languages::Role;
use super::{Bench, Spot, short};
use std::ops::Range;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    let view = bench.view;
    for spot in spots.iter().filter(|spot| spot.touched && spot.role == Role::Call) {
        let Some(outer) = bench.view.call(spot.node) else { continue };
        let Some(name) = outer.name else { continue };
        let arguments = bench.view.arguments(spot.node);
        let below = outer.receiver.filter(|receiver| view.role(*receiver) == Role::Call);
        let inside = arguments.iter().copied().filter(|argument| view.role(*argument) == Role::Call);
        for inner in below.into_iter().chain(inside) {
            let Some(inner_name) = bench.view.call(inner).and_then(|call| call.name) else { continue };
            let is_below = below.is_some_and(|below| below.id() == inner.id());
            exchange(bench, EditKind::Method, inner_name, name);
            let inner_arguments = bench.view.arguments(inner);
            if let ([one], [other], true) = (&inner_arguments[..], &arguments[..], is_below) {
                exchange(bench, EditKind::SwapArguments, *one, *other);
            }
            if !is_below {
                across(bench, &arguments, &inner_arguments, inner);
            }
        }
    }
}

/// An argument of the outer call changes places with one of the call inside.
fn across<'a>(bench: &mut Bench<'a>, outer: &[Node<'a>], inner: &[Node<'a>], inside: Node<'a>) {
    let view = bench.view;
    for one in outer.iter().filter(|one| one.id() != inside.id()) {
        for other in inner {
            let alike = |node: &Node<'_>| matches!(view.role(*node), Role::Ident | Role::Member | Role::Number);
            if alike(one) && alike(other) {
                exchange(bench, EditKind::SwapArguments, *one, *other);
            }
        }
    }
}

/// Two nodes change places.
fn exchange<'a>(bench: &mut Bench<'a>, kind: EditKind, one: Node<'a>, other: Node<'a>) {
    let (first, second) = if one.start_byte() < other.start_byte() { (one, other) } else { (other, one) };
    if first.end_byte() > second.start_byte() || bench.view.of(first) == bench.view.of(second) {
        return;
    }
    let range: Range<usize> = first.start_byte()..second.end_byte();
    let between = &bench.view.text[first.end_byte()..second.start_byte()];
    let text = format!("{}{between}{}", bench.view.of(second), bench.view.of(first));
    let what = format!("`{}` and `{}` change places", short(bench.view.of(first)), short(bench.view.of(second)));
    bench.put(kind, range, text, 0.5, what);
}
