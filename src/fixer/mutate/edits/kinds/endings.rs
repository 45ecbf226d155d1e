//! Arithmetic that minds its ends: `a - b` becomes `a.saturating_sub(b)`, `a % b` becomes `Math.floorMod(a, b)`.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::super::piece::Piece;
use super::{Bench, Spot};
use crate::syntax::language::Language;

/// What an operator becomes, and how fitting that is: our own reading of what such slips are about (differences of what has
/// no sign, remainders of what has one).
fn methods(language: Language, operator: &str) -> &'static [(&'static str, f64)] {
    match (language, operator) {
        (Language::Rust, "-") => {
            &[("{}.saturating_sub({})", 0.5), ("{}.abs_diff({})", 0.4), ("{}.wrapping_sub({})", 0.35)]
        }
        (Language::Rust, "+") => &[("{}.wrapping_add({})", 0.3), ("{}.saturating_add({})", 0.2)],
        (Language::Rust, "*") => &[("{}.wrapping_mul({})", 0.3), ("{}.saturating_mul({})", 0.2)],
        (Language::Rust, "%") => &[("{}.rem_euclid({})", 0.5)],
        (Language::Rust, "/") => &[("{}.div_ceil({})", 0.4), ("{}.div_euclid({})", 0.25)],
        (Language::Java, "%") => &[("Math.floorMod({}, {})", 0.5)],
        (Language::Java, "/") => &[("Math.floorDiv({}, {})", 0.2)],
        (Language::JavaScript | Language::TypeScript | Language::Tsx | Language::Go, "%") => {
            &[("(({0} % {1}) + {1}) % {1}", 0.35)]
        }
        _ => &[],
    }
}

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Binary => binary(bench, spot.node),
            Role::AugAssign => assignment(bench, spot.node),
            _ => {}
        }
    }
}

/// Can both sides be numbers, and can the left one have a method?
fn is_arithmetic(bench: &Bench<'_>, left: Node<'_>, right: Node<'_>) -> bool {
    let odd = shape::STR | shape::SEQ | shape::MAP;
    let plain = |node| bench.shape(node) & odd == 0;
    let is_written_out = bench.view.language == Language::Rust && bench.view.role(left) == Role::Number;
    plain(left) && plain(right) && !is_written_out
}

fn binary(bench: &mut Bench<'_>, node: Node<'_>) {
    let [binary] = &bench.view.binaries(node)[..] else { return };
    let (left, right) = (bench.view.unwrap_parens(binary.left), bench.view.unwrap_parens(binary.right));
    if !is_arithmetic(bench, left, right) {
        return;
    }
    let parts = [&bench.piece(left), &bench.piece(right)];
    for (template, fit) in methods(bench.view.language, &bench.view.text[binary.at.clone()]) {
        // the whole is already a remainder that minds its sign
        if template.contains('%') && parts[0].text.contains('%') {
            continue;
        }
        let new = bench.fill(template, &parts);
        bench.replace(EditKind::Wrap, node, &new, *fit);
    }
}

/// `a -= b` becomes `a = a.saturating_sub(b)`.
fn assignment(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((left, right)) = bench.view.assignment(node) else { return };
    let Some(operator) = bench.view.operator_text(node).strip_suffix('=') else { return };
    if bench.view.language != Language::Rust || !is_arithmetic(bench, left, right) {
        return;
    }
    let target = bench.view.of(left);
    let parts: [&Piece; 2] = [&bench.piece(left), &bench.piece(right)];
    for (template, fit) in methods(Language::Rust, operator) {
        let new = format!("{target} = {}", bench.fill(template, &parts).text);
        let what = format!("`{}` becomes `{}`", super::short(bench.view.of(node)), super::short(&new));
        bench.put(EditKind::Wrap, node.byte_range(), new, *fit, what);
    }
}
