//! Generators: a call or a `return` becomes a `yield`, `yield` becomes `yield from` and back, a `yield` comes.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::{Bench, Spot, short};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// A generator that calls itself and throws away what comes out forgot to hand it on.
const THROWN_AWAY: f64 = 1.5;
/// So many names are tried as what a generator gives.
const MOST_NAMES: usize = 5;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    if !matches!(bench.view.language, Language::Python | Language::JavaScript | Language::TypeScript | Language::Tsx) {
        return;
    }
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Yield => yielded(bench, spot.node),
            Role::Return => returned(bench, spot.node),
            Role::ExprStmt => thrown_away(bench, spot.node),
            _ => {}
        }
    }
}

/// Is the function around a node a generator?
fn is_generator(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let Some(function) = bench.view.function(node) else { return false };
    if bench.view.language != Language::Python {
        let body = bench.view.body(function).map_or(function.end_byte(), |body| body.start_byte());
        return bench.view.text[function.start_byte()..body].contains('*');
    }
    let mut yields = false;
    if bench.view.of(function).contains("yield") {
        each_node(function, &mut |inner| {
            let is_own = || bench.view.function(inner).is_some_and(|own| own.id() == function.id());
            yields = yields || bench.view.role(inner) == Role::Yield && is_own();
        });
    }
    yields
}

fn is_recursive(bench: &Bench<'_>, call: Node<'_>) -> bool {
    let name = bench.view.function(call).and_then(|function| function.child_by_field_name("name"));
    name.is_some_and(|name| bench.view.called(call) == bench.view.of(name))
}

/// `yield from `, `yield* `
fn all_of(bench: &Bench<'_>) -> &'static str {
    if bench.view.language == Language::Python { "yield from " } else { "yield* " }
}

fn put(bench: &mut Bench<'_>, node: Node<'_>, new: String, fit: f64) {
    let what = format!("`{}` becomes `{}`", short(bench.view.of(node)), short(&new));
    bench.put(EditKind::Yield, node.byte_range(), new, fit, what);
}

/// `walk(child)` becomes `yield from walk(child)`.
fn thrown_away(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(inner) = bench.view.children(node).first().copied() else { return };
    if bench.view.role(inner) != Role::Call || !is_generator(bench, node) {
        return;
    }
    let call = bench.view.of(inner).to_owned();
    let (all, one) = if is_recursive(bench, inner) { (THROWN_AWAY, 0.4) } else { (0.4, 0.4) };
    put(bench, inner, format!("{}{call}", all_of(bench)), all);
    put(bench, inner, format!("yield {call}"), one);
}

/// `return x` becomes `yield x`, and `yield from x`.
fn returned(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(value) = bench.view.children(node).first().copied() else { return };
    let generates = is_generator(bench, node);
    let near = bench.view.ancestor(node, |role| role.is_loop() || matches!(role, Role::Function | Role::Lambda));
    let in_loop = near.is_some_and(|at| bench.view.role(at).is_loop());
    let may_generate = in_loop && bench.view.language == Language::Python;
    if !(generates || may_generate) {
        return;
    }
    let text = bench.view.of(value).to_owned();
    let end = if bench.view.of(node).ends_with(';') { ";" } else { "" };
    // a function that gives one thing in a loop seldom meant to give all
    put(bench, node, format!("yield {text}{end}"), if generates { 1.0 } else { 0.3 });
    let plain = shape::NUM | shape::STR | shape::BOOL;
    if generates && bench.shape(value) & plain == 0 {
        let fit = if is_recursive(bench, value) { THROWN_AWAY } else { 0.5 };
        put(bench, node, format!("{}{text}{end}", all_of(bench)), fit);
    }
}

/// `yield x` becomes `yield from x` and back.
fn yielded(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let Some(inner) = bench.view.children(node).first().map(|inner| bench.view.of(*inner).to_owned()) else { return };
    let is_all = text.starts_with("yield from") || text.starts_with("yield*");
    let new = if is_all { format!("yield {inner}") } else { format!("{}{inner}", all_of(bench)) };
    put(bench, node, new, 1.0);
}

/// `yield x` comes.
pub(super) fn statements(bench: &Bench<'_>, node: Node<'_>, names: &[(String, f64)], options: &mut Vec<(String, f64)>) {
    if is_generator(bench, node) {
        options.extend(names.iter().take(MOST_NAMES).map(|(name, fit)| (format!("yield {name}"), 0.5 * fit)));
    }
}
