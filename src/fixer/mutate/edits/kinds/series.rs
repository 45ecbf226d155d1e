//! Numbers that say themselves what they should be: the odd one of a series, and what a least or greatest value starts with.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::Role;
use super::super::piece::Piece;
use super::twins::is_order;
use super::{Bench, Place, Spot, words};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// So many other numbers have to agree on the step between them.
const LEAST_OTHERS: usize = 3;
/// The number that makes a series of its list, against any other number. An estimate.
const IN_SERIES: f64 = 3.0;
/// The end of the numbers for what a running extreme starts with. An estimate.
const AT_THE_END: f64 = 2.0;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    let numbers = spots.iter().filter(|spot| spot.touched && spot.place == Place::Value && spot.role == Role::Number);
    for spot in numbers {
        in_a_series(bench, spot.node);
        extreme(bench, spot.node);
    }
}

/// `[18, 12, 8, 0]` becomes `[18, 12, 6, 0]`.
fn in_a_series(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(parent) = node.parent() else { return };
    let siblings = bench.view.children(parent);
    let Some(own) = siblings.iter().position(|sibling| sibling.id() == node.id()) else { return };
    let values: Vec<Option<i64>> = siblings.iter().map(|sibling| bench.view.of(*sibling).parse().ok()).collect();
    let Some(value) = missing_in_series(&values, own) else { return };
    bench.replace(EditKind::Numeral, node, &Piece::atom(value.to_string()), IN_SERIES);
}

/// What stands at `own` when the others are an arithmetic or a geometric series, and it is not that already.
fn missing_in_series(values: &[Option<i64>], own: usize) -> Option<i64> {
    let others: Vec<(usize, i64)> = values
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != own)
        .map(|(at, value)| value.map(|value| (at, value)))
        .collect::<Option<_>>()?;
    if others.len() < LEAST_OTHERS {
        return None;
    }
    let wanted = arithmetic(&others, own).or_else(|| geometric(&others, own))?;
    (values[own] != Some(wanted) && wanted >= 0).then_some(wanted)
}

fn arithmetic(others: &[(usize, i64)], own: usize) -> Option<i64> {
    let ((a, first), (b, last)) = (*others.first()?, *others.last()?);
    let (span, steps) = (last.checked_sub(first)?, i64::try_from(b - a).ok()?);
    if span == 0 || span % steps != 0 {
        return None;
    }
    let at = |place: usize| {
        let steps_from = i64::try_from(place).ok()?.checked_sub(i64::try_from(a).ok()?)?;
        first.checked_add((span / steps).checked_mul(steps_from)?)
    };
    others.iter().all(|(place, value)| at(*place) == Some(*value)).then(|| at(own)).flatten()
}

fn geometric(others: &[(usize, i64)], own: usize) -> Option<i64> {
    let neighbours = others.windows(2).find(|pair| pair[0].0 + 1 == pair[1].0)?;
    let ((a, first), (_, second)) = (neighbours[0], neighbours[1]);
    let (low, high) = (first.min(second), first.max(second));
    if low < 1 || high % low != 0 || high == low {
        return None;
    }
    let factor = high / low;
    let at = |place: usize| {
        let rises = (place >= a) == (second > first);
        let steps = u32::try_from(place.abs_diff(a)).ok()?;
        let power = factor.checked_pow(steps)?;
        if rises { first.checked_mul(power) } else { (first % power == 0).then_some(first / power) }
    };
    others.iter().all(|(place, value)| at(*place) == Some(*value)).then(|| at(own)).flatten()
}

/// Which way a name is moved by what is found on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Down,
    Up,
}

/// `best = 0` becomes `best = float('inf')`, where `best` becomes whatever is less than it.
fn extreme(bench: &mut Bench<'_>, node: Node<'_>) {
    let assigned = node.parent().and_then(|parent| bench.view.assignment(parent));
    let Some((left, right)) = assigned else { return };
    let Some(function) = bench.view.function(node) else { return };
    if right.id() != node.id() || bench.view.role(left) != Role::Ident {
        return;
    }
    let Some(way) = way(bench, function, bench.view.of(left)) else { return };
    for (text, fit) in ends(bench, function, way) {
        bench.replace(EditKind::Numeral, node, &Piece::atom(text), AT_THE_END * fit);
    }
}

/// A question `x < name` above an assignment of `name` moves it down.
fn way(bench: &Bench<'_>, function: Node<'_>, name: &str) -> Option<Way> {
    let mut found = None;
    each_node(function, &mut |inner| {
        if found.is_some() || bench.view.role(inner) != Role::If {
            return;
        }
        let Some(condition) = bench.view.condition(inner) else { return };
        let Some(way) = asked(bench, condition, name) else { return };
        let sets = |body: Node<'_>| {
            let mut is_set = false;
            each_node(body, &mut |at| {
                is_set |=
                    bench.view.assignment(at).is_some_and(|(left, _)| words(bench.view.of(left)).any(|w| w == name));
            });
            is_set
        };
        if bench.view.body(inner).or(Some(inner)).is_some_and(sets) {
            found = Some(way);
        }
    });
    found
}

/// Which way a name is moved where this condition holds, if it compares the name.
fn asked(bench: &Bench<'_>, condition: Node<'_>, name: &str) -> Option<Way> {
    let mut found = None;
    each_node(condition, &mut |inner| {
        let [binary] = &bench.view.binaries(inner)[..] else { return };
        let operator = &bench.view.text[binary.at.clone()];
        if !is_order(bench, operator) {
            return;
        }
        let is_less = operator.starts_with('<');
        if bench.view.of(binary.right) == name {
            found = Some(if is_less { Way::Down } else { Way::Up });
        } else if bench.view.of(binary.left) == name {
            found = Some(if is_less { Way::Up } else { Way::Down });
        }
    });
    found
}

/// The end of the numbers to start with, as the language writes it.
fn ends(bench: &Bench<'_>, function: Node<'_>, way: Way) -> Vec<(String, f64)> {
    let down = way == Way::Down;
    let pick = |low: &str, high: &str| vec![(if down { low } else { high }.to_owned(), 1.0)];
    match bench.view.language {
        Language::Python => pick("float('inf')", "float('-inf')"),
        Language::JavaScript | Language::TypeScript | Language::Tsx => pick("Infinity", "-Infinity"),
        Language::Java => pick("Integer.MAX_VALUE", "Integer.MIN_VALUE"),
        Language::Go => pick("math.MaxInt", "math.MinInt"),
        Language::Rust => {
            let text = bench.view.of(function);
            let types = ["i32", "u32", "i64", "u64", "usize", "isize", "u8", "u16", "i8", "i16", "f64", "f32"];
            let mut named: Vec<&str> = types.into_iter().filter(|name| words(text).any(|word| word == *name)).collect();
            if named.is_empty() {
                named = vec!["i32", "usize"];
            }
            let end = |name: &&str| (format!("{name}::{}", if down { "MAX" } else { "MIN" }), 0.8);
            named.iter().map(end).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::missing_in_series;

    #[test]
    fn the_odd_one_of_a_series_is_known_and_data_is_no_series() {
        let missing =
            |values: &[i64], own| missing_in_series(&values.iter().copied().map(Some).collect::<Vec<_>>(), own);
        assert_eq!(missing(&[18, 12, 8, 0], 2), Some(6));
        assert_eq!(missing(&[18, 12, 6, 0], 2), None, "it is one already");
        assert_eq!(missing(&[1, 2, 5, 8], 2), Some(4));
        assert_eq!(missing(&[64, 32, 16, 9], 3), Some(8));
        assert_eq!(missing(&[9, 10, 100, 1000], 0), Some(1));
        assert_eq!(missing(&[3, 1, 4, 1, 5], 2), None);
        assert_eq!(missing(&[1, 2, 4], 2), None, "two say nothing");
        assert_eq!(missing(&[5, 5, 5, 6], 3), None);
        assert_eq!(missing_in_series(&[Some(1), None, Some(3), Some(4)], 0), None);
        assert_eq!(missing(&[i64::MAX, 0, i64::MIN, 1], 1), None, "nothing overflows");
    }
}
