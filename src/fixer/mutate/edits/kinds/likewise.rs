//! What the function does elsewhere with the same name: what it is set to there, and the other name that it is paired with.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::Role;
use super::super::scope::pattern_names;
use super::{Bench, Place, Spot, words};
use crate::syntax::functions::each_node;

/// A name that is set to a plain value here and to something that is worked out elsewhere. An estimate.
const SET_ELSEWHERE: f64 = 2.0;
/// Two names that loops bind change places in one statement. Estimates: bound by one loop, by one loop inside of the other.
const OF_ONE_LOOP: f64 = 0.6;
const OF_TWO_LOOPS: f64 = 0.8;
/// Longer values and statements are not looked at.
const MOST_BYTES: usize = 80;
/// So many other values of one name are tried.
const MOST_VALUES: usize = 4;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        if spot.role == Role::Assign {
            as_set_elsewhere(bench, spot.node);
        }
        if spot.place == Place::Statement && matches!(spot.role, Role::Assign | Role::AugAssign | Role::ExprStmt) {
            paired(bench, spot.node);
        }
    }
}

/// `matched = 0` becomes `matched = table[matched - 1]`, as elsewhere in the function.
fn as_set_elsewhere(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let Some((left, right)) = view.assignment(node) else { return };
    let is_plain =
        matches!(view.role(right), Role::Number | Role::Null | Role::Bool | Role::Ident | Role::Str | Role::Member);
    let Some(function) = view.function(node).filter(|_| is_plain) else { return };
    let (target, value) = (view.of(left), view.of(right));
    let mut others: Vec<Node<'_>> = Vec::new();
    each_node(function, &mut |inner| {
        let Some((other, set)) = view.assignment(inner).filter(|_| view.role(inner) == Role::Assign) else { return };
        let is_known = others.iter().any(|known| view.of(*known) == view.of(set));
        let is_worked_out = matches!(view.role(set), Role::Index | Role::Call | Role::Binary | Role::Member);
        if view.of(other) == target && is_worked_out && !is_known && set.byte_range().len() <= MOST_BYTES {
            others.push(set);
        }
    });
    for other in others.into_iter().filter(|other| view.of(*other) != value).take(MOST_VALUES) {
        let new = bench.piece(other);
        bench.replace(EditKind::BorrowExpression, right, &new, SET_ELSEWHERE);
    }
}

/// `back[node].append(following)` becomes `back[following].append(node)`, where loops bind both.
fn paired(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let text = view.of(node);
    if text.len() > MOST_BYTES {
        return;
    }
    let bound = bound_by_loops(bench, node);
    for (at, (one, depth)) in bound.iter().enumerate() {
        for (other, other_depth) in &bound[at + 1..] {
            let fit = if depth == other_depth { OF_ONE_LOOP } else { OF_TWO_LOOPS };
            let Some(swapped) = swapped(text, one, other) else { continue };
            let what = format!("`{one}` and `{other}` change places in `{}`", super::short(text));
            bench.put(EditKind::SwapArguments, node.byte_range(), swapped, fit, what);
        }
    }
}

/// Names that the loops around a node bind, with how many loops are further in.
fn bound_by_loops<'a>(bench: &Bench<'a>, node: Node<'_>) -> Vec<(&'a str, usize)> {
    let view = bench.view;
    let (mut found, mut depth) = (Vec::new(), 0);
    let mut around = node.parent();
    while let Some(at) = around.filter(|at| !matches!(view.role(*at), Role::Function | Role::Lambda)) {
        if matches!(view.role(at), Role::ForEach | Role::ForC)
            && let Some(target) = view.field(at, &["left", "pattern", "name"])
        {
            let mut names = Vec::new();
            pattern_names(view, target, &mut names);
            found.extend(names.into_iter().map(|name| (view.of(name), depth)));
            depth += 1;
        }
        around = at.parent();
    }
    found
}

/// The text with two words that each stand in it once in each other's place.
fn swapped(text: &str, one: &str, other: &str) -> Option<String> {
    let place = |name: &str| {
        let mut places = words(text).filter(|word| *word == name);
        let word = places.next().filter(|_| places.next().is_none())?;
        Some(word.as_ptr() as usize - text.as_ptr() as usize)
    };
    let (a, b) = (place(one)?, place(other)?);
    let ((first, early), (second, late)) = if a < b { ((a, one), (b, other)) } else { ((b, other), (a, one)) };
    let between = &text[first + early.len()..second];
    Some(format!("{}{late}{between}{early}{}", &text[..first], &text[second + late.len()..]))
}

#[cfg(test)]
mod tests {
    use super::swapped;

    #[test]
    fn two_words_that_stand_in_a_text_once_change_places() {
        assert_eq!(swapped("a[n].push(next)", "n", "next").as_deref(), Some("a[next].push(n)"));
        assert_eq!(swapped("a[n].push(next)", "next", "n").as_deref(), Some("a[next].push(n)"));
        assert_eq!(swapped("a[n].push(n + next)", "n", "next"), None);
        assert_eq!(swapped("a[n]", "n", "next"), None);
    }
}
