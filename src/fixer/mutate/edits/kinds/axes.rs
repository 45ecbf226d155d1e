//! Two axes: what is asked of a row is most often asked of a column, too: `r in (0, height - 1)` asks for `c in (0, width - 1)`.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role};
use super::super::piece::Piece;
use super::twins::with_names;
use super::{Bench, Place, Spot};

/// What a condition that has one of two axes says nothing of the other. An estimate.
const OTHER_AXIS: f64 = 4.0;
/// The same where the condition is joined to others by another operator than the one that comes.
const ALSO: f64 = 1.5;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value && spot.role == Role::Binary) {
        let asks = |class| matches!(class, OperatorClass::Order | OperatorClass::Equality | OperatorClass::Membership);
        if bench.view.operator(spot.node).is_some_and(|known| asks(known.class)) {
            ask_the_other(bench, spot.node);
        }
    }
}

/// `0 <= y < height` becomes `0 <= y < height and 0 <= x < width`.
fn ask_the_other(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let names: Vec<String> = bench.view.names_in(node).into_iter().collect();
    let axes = bench.source.axes();
    let other = |name: &String| Some((name.clone(), axes.get(name)?.clone()));
    let mapping: Vec<(String, String)> = names.iter().filter_map(other).collect();
    let around = bench.view.statement(node).map_or("", |statement| bench.view.of(statement));
    // both are there already: it compares them
    let is_both = mapping.iter().any(|(_, other)| names.contains(other));
    let known = mapping.iter().map(|(_, other)| other.clone()).collect();
    if mapping.is_empty() || is_both || !bench.knows(&known, node) {
        return;
    }
    let pairs: Vec<(&str, &str)> = mapping.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
    let twin = with_names(text, &pairs);
    let mut twins = vec![twin.clone()];
    twins.extend(of_the_inner(&twin));
    let words = &bench.view.words().words;
    let joined = node.parent().map_or("", |parent| bench.view.operator_text(bench.view.unwrap_parens(parent)));
    let own = bench.piece(node);
    for twin in twins.into_iter().filter(|twin| twin != text && !around.contains(twin.as_str())) {
        let asked = Piece { text: twin, level: own.level };
        for (kind, operator) in [(EditKind::StrengthenCondition, words.and), (EditKind::WeakenCondition, words.or)] {
            let fit = if joined == operator || joined.is_empty() { OTHER_AXIS } else { ALSO };
            let new = Piece::binary(bench.view.words(), &own, operator, &asked);
            bench.replace(kind, node, &new, fit);
        }
    }
}

/// `c < len(grid)` as `c < len(grid[0])`: the length of a row, where the first one was that of all rows.
fn of_the_inner(text: &str) -> Option<String> {
    let in_brackets = || {
        let start = text.find("len(")? + "len(".len();
        Some(start + text[start..].find(')')?)
    };
    let end = text.find(".length").or_else(|| text.find(".len()")).or_else(in_brackets)?;
    let is_plain = text[..end].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    is_plain.then(|| format!("{}[0]{}", &text[..end], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_row_is_that_of_the_first_one() {
        assert_eq!(of_the_inner("c < len(grid)").as_deref(), Some("c < len(grid[0])"));
        assert_eq!(of_the_inner("c < grid.length").as_deref(), Some("c < grid[0].length"));
        assert_eq!(of_the_inner("c < grid.len()").as_deref(), Some("c < grid[0].len()"));
        assert_eq!(of_the_inner("c < width"), None);
        assert_eq!(of_the_inner("c < len(grid[0])"), None);
    }
}
