//! Patterns of a `match` in Rust: its literals, ranges and variants, which are no expressions.

use super::super::EditKind;
use super::super::languages::Role;
use super::{Bench, Spot, characters, short};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    if bench.view.language != Language::Rust {
        return;
    }
    for spot in spots.iter().filter(|spot| spot.role == Role::Case) {
        let Some(pattern) = spot.node.child_by_field_name("pattern") else { continue };
        let guard = pattern.child_by_field_name("condition").map_or(pattern.end_byte(), |guard| guard.start_byte());
        let mut leaves = Vec::new();
        each_node(pattern, &mut |node| leaves.extend((node.end_byte() <= guard).then_some(node)));
        leaves.retain(|leaf| bench.is_wanted(leaf.start_position().row + 1));
        for leaf in leaves {
            for (kind, other, fit) in others(bench, leaf) {
                let what = format!("`{}` becomes `{}`", short(bench.view.of(leaf)), short(&other));
                bench.put(kind, leaf.byte_range(), other, fit, what);
            }
        }
    }
}

/// What may stand in place of a part of a pattern.
fn others(bench: &Bench<'_>, leaf: Node<'_>) -> Vec<(EditKind, String, f64)> {
    let text = bench.view.of(leaf);
    let strings = || bench.names.strings.keys().filter(|other| other.as_str() != text).take(6);
    match leaf.kind() {
        "integer_literal" => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let Ok(value) = text[..digits].parse::<u64>() else { return Vec::new() };
            let near = [(value.checked_add(1), 0.8), (value.checked_sub(1), 0.8), (Some(0), 0.4), (Some(1), 0.4)];
            let new = near.into_iter().filter_map(|(n, fit)| Some((n.filter(|n| *n != value)?, fit)));
            new.map(|(n, fit)| (EditKind::Numeral, format!("{n}{}", &text[digits..]), fit)).collect()
        }
        "char_literal" => {
            characters::others(bench, text).into_iter().map(|(new, fit)| (EditKind::StringLiteral, new, fit)).collect()
        }
        "string_literal" => strings().map(|new| (EditKind::StringLiteral, new.clone(), 0.3)).collect(),
        "boolean_literal" => {
            let new = if text == "true" { "false" } else { "true" };
            vec![(EditKind::BooleanLiteral, new.to_owned(), 0.7)]
        }
        "identifier" => variants(text).iter().map(|(new, fit)| (EditKind::Member, (*new).to_owned(), *fit)).collect(),
        // what is inside is not asked for
        "tuple_struct_pattern" if text == "Some(_)" => vec![(EditKind::Member, "None".to_owned(), 0.5)],
        "..=" => vec![(EditKind::OffByOne, "..".to_owned(), 0.5)],
        ".." if leaf.parent().is_some_and(|parent| parent.kind() == "range_pattern" && parent.child_count() == 3) => {
            vec![(EditKind::OffByOne, "..=".to_owned(), 0.8)]
        }
        _ => Vec::new(),
    }
}

/// Variants of the standard library that are mistaken for each other.
fn variants(text: &str) -> &'static [(&'static str, f64)] {
    match text {
        "Less" => &[("Greater", 0.8), ("Equal", 0.3)],
        "Greater" => &[("Less", 0.8), ("Equal", 0.3)],
        "Equal" => &[("Less", 0.3), ("Greater", 0.3)],
        "Ok" => &[("Err", 0.5)],
        "Err" => &[("Ok", 0.5)],
        "None" => &[("Some(_)", 0.5)],
        _ => &[],
    }
}
