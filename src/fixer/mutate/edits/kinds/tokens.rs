//! Inside macros (Rust), where there are tokens and no expressions: names, numbers, operators.

use super::super::EditKind;
use super::super::languages::Role;
use super::{Bench, Spot, characters};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    if bench.view.language != Language::Rust {
        return;
    }
    for spot in spots.iter().filter(|spot| spot.role == Role::Macro && spot.touched) {
        let name = spot.node.child_by_field_name("macro").map_or("", |name| bench.view.of(name));
        if matches!(name, "assert" | "assert_eq" | "debug_assert" | "debug_assert_eq") {
            continue;
        }
        let mut leaves = Vec::new();
        each_node(spot.node, &mut |inner| {
            if inner.child_count() == 0 && inner.parent().is_some_and(|parent| parent.kind() == "token_tree") {
                leaves.push(inner);
            }
        });
        for leaf in leaves.into_iter().take(40) {
            token(bench, leaf);
        }
    }
}

fn token(bench: &mut Bench<'_>, leaf: tree_sitter::Node<'_>) {
    let text = bench.view.of(leaf);
    match leaf.kind() {
        "identifier" => {
            let known = bench.shape_of_name(text, leaf);
            if bench.visible(leaf).iter().all(|binding| binding.name != text) {
                for other in bench.opposites(text) {
                    bench.put(
                        EditKind::Method,
                        leaf.byte_range(),
                        other.clone(),
                        0.6,
                        format!("`{text}` becomes `{other}`"),
                    );
                }
                return;
            }
            for (other, fit) in bench.candidates(leaf, known).into_iter().filter(|(other, _)| other != text).take(10) {
                bench.put(
                    EditKind::Variable,
                    leaf.byte_range(),
                    other.clone(),
                    0.7 * fit,
                    format!("`{text}` becomes `{other}`"),
                );
            }
            for amount in ["+ 1", "- 1"] {
                bench.put(
                    EditKind::OffByOne,
                    leaf.byte_range(),
                    format!("{text} {amount}"),
                    0.3,
                    format!("`{text}` becomes `{text} {amount}`"),
                );
            }
        }
        "integer_literal" => {
            if let Ok(value) = text.parse::<i64>() {
                for other in [value + 1, value - 1, 0, 1] {
                    if other != value && other >= 0 {
                        bench.put(
                            EditKind::Numeral,
                            leaf.byte_range(),
                            other.to_string(),
                            0.6,
                            format!("`{text}` becomes `{other}`"),
                        );
                    }
                }
            }
        }
        "true" | "false" => {
            let other = if text == "true" { "false" } else { "true" };
            bench.put(
                EditKind::BooleanLiteral,
                leaf.byte_range(),
                other.to_owned(),
                0.6,
                format!("`{text}` becomes `{other}`"),
            );
        }
        "char_literal" => {
            for (other, fit) in characters::others(bench, text) {
                let what = format!("`{text}` becomes `{other}`");
                bench.put(EditKind::StringLiteral, leaf.byte_range(), other, fit, what);
            }
        }
        "string_literal" => {
            for (other, _) in bench.names.strings.iter().filter(|(other, _)| other.as_str() != text).take(6) {
                bench.put(
                    EditKind::StringLiteral,
                    leaf.byte_range(),
                    other.clone(),
                    0.3,
                    format!("`{text}` becomes `{other}`"),
                );
            }
        }
        _ => {
            if let Some(operator) = bench.view.words().operator(text) {
                for (at, other) in operator.others.iter().enumerate() {
                    let kind = if text.contains(['<', '>', '=']) {
                        EditKind::ComparisonOperator
                    } else {
                        EditKind::ArithmeticOperator
                    };
                    bench.put(
                        kind,
                        leaf.byte_range(),
                        (*other).to_owned(),
                        0.7 / (1.0 + at as f64),
                        format!("`{text}` becomes `{other}`"),
                    );
                }
            }
        }
    }
}
