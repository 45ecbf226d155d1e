//! An operand on the wrong side of a bracket: `a[i] - 1` becomes `a[i - 1]`, `f(x) + y` becomes `f(x + y)`, and back.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, shape};
use super::super::piece::Piece;
use super::{Bench, Place, Spot};

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        match spot.role {
            Role::Binary => inward(bench, spot.node),
            Role::Index | Role::Call => outward(bench, spot.node),
            _ => {}
        }
    }
}

/// What stands last in the brackets of an index or a call, and how likely an operand belongs there.
fn last_inside<'t>(bench: &Bench<'_>, node: Node<'t>) -> Option<(Node<'t>, f64)> {
    if let Some((_, index)) = bench.view.index(node) {
        return (bench.view.role(index) != Role::Slice).then_some((index, 0.6));
    }
    let last = (bench.view.role(node) == Role::Call).then(|| bench.view.arguments(node))?.pop()?;
    let is_plain = !matches!(bench.view.role(last), Role::KeywordArg | Role::Spread | Role::Lambda);
    let is_amount = bench.shape(last) & (shape::SEQ | shape::STR | shape::MAP | shape::BOOL) == 0;
    (is_plain && is_amount).then_some((last, 0.3))
}

fn arithmetic<'b>(bench: &'b Bench<'_>, at: std::ops::Range<usize>) -> Option<&'b str> {
    let text = bench.view.text.get(at)?;
    let known = bench.view.words().operator(text)?;
    (known.class == OperatorClass::Arithmetic).then_some(text)
}

/// `node` with `inner` become `new`.
fn with<'t>(bench: &Bench<'_>, node: Node<'t>, inner: Node<'t>, new: &str) -> String {
    let text = bench.view.text;
    format!("{}{new}{}", &text[node.start_byte()..inner.start_byte()], &text[inner.end_byte()..node.end_byte()])
}

fn inward(bench: &mut Bench<'_>, node: Node<'_>) {
    let [binary] = &bench.view.binaries(node)[..] else { return };
    let Some(operator) = arithmetic(bench, binary.at.clone()).map(str::to_owned) else { return };
    let Some((inner, fit)) = last_inside(bench, binary.left) else { return };
    let moved = Piece::binary(bench.view.words(), &bench.piece(inner), &operator, &bench.piece(binary.right));
    let new = Piece { text: with(bench, binary.left, inner, &moved.text), level: bench.view.level(binary.left) };
    bench.replace(EditKind::ArithmeticOperator, node, &new, fit);
}

fn outward(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((inner, fit)) = last_inside(bench, node) else { return };
    let [binary] = &bench.view.binaries(inner)[..] else { return };
    let Some(operator) = arithmetic(bench, binary.at.clone()).map(str::to_owned) else { return };
    let text = with(bench, node, inner, bench.view.of(binary.left));
    let left = Piece { text, level: bench.view.level(node) };
    let new = Piece::binary(bench.view.words(), &left, &operator, &bench.piece(binary.right));
    bench.replace(EditKind::ArithmeticOperator, node, &new, fit);
}
