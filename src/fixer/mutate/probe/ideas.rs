//! Other literals for the inputs of a test: near the one that is there, and those that stand beside it.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use crate::syntax::language::Language;

/// No more than so many other literals of a test are put in place of one.
const MOST_OTHERS: usize = 3;

/// The literals of one test by kind: where two of them are equal is often where programs differ.
pub(super) struct Literals<'a> {
    text: &'a str,
    by_kind: BTreeMap<String, Vec<&'a str>>,
}

impl<'a> Literals<'a> {
    /// Those among `nodes`.
    pub(super) fn of(nodes: &[Node<'_>], text: &'a str) -> Self {
        let mut by_kind: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| node.kind().ends_with("_literal")) {
            let known = by_kind.entry(node.kind().to_owned()).or_default();
            let literal = &text[node.byte_range()];
            if !known.contains(&literal) {
                known.push(literal);
            }
        }
        Self { text, by_kind }
    }

    /// What may stand in place of `node`, the most telling first; nothing for what is no literal.
    pub(super) fn ideas(&self, node: Node<'_>, language: Language) -> Vec<String> {
        let text = &self.text[node.byte_range()];
        match language {
            Language::Rust if is_list(node, text) => return lists(node, self.text),
            Language::Go if node.kind() == "literal_value" => return lists(node, self.text),
            _ => {}
        }
        let near = literals(node.kind(), text);
        if near.is_empty() {
            return near;
        }
        let mut seen = BTreeSet::from([text.to_owned()]);
        let others = self.by_kind.get(node.kind()).into_iter().flatten();
        // one away in both directions, then what is beside it, then the rest
        let near_first = near.iter().take(2).map(String::as_str);
        let others = others.copied().filter(|other| is_plain(other) && *other != text).take(MOST_OTHERS);
        let all = near_first.chain(others).chain(near.iter().skip(2).map(String::as_str));
        all.filter(|new| seen.insert((*new).to_owned())).map(str::to_owned).collect()
    }
}

/// It names no place on a disk, and does nothing in a format.
fn is_plain(literal: &str) -> bool {
    !literal.contains(['/', '\\', '~', '%', '{'])
}

/// A list of literals only, in Rust.
fn is_list(node: Node<'_>, text: &str) -> bool {
    text.starts_with('[') && matches!(node.kind(), "token_tree" | "array_expression")
}

/// Ideas for a list whose elements are all literals: one less, another order, one twice.
fn lists(node: Node<'_>, text: &str) -> Vec<String> {
    let all = &text[node.byte_range()];
    let mut cursor = node.walk();
    let parts: Vec<Node<'_>> = node.children(&mut cursor).collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    let elements: Vec<&str> = inner
        .split(|part| part.kind() == ",")
        .filter_map(|e| Some(&text[e.first()?.start_byte()..e.last()?.end_byte()]))
        .collect();
    let is_literal = |e: &&str| {
        let e = e.trim_start_matches('-');
        e.starts_with(|c: char| c.is_ascii_digit() || c == '"' || c == '\'') || matches!(e, "true" | "false")
    };
    if elements.len() < 2 || !elements.iter().all(is_literal) {
        return Vec::new();
    }
    let (open, close) = (&all[..1], &all[all.len() - 1..]);
    let list = |elements: &[&str]| format!("{open}{}{close}", elements.join(", "));
    let mut swapped = elements.clone();
    swapped.swap(0, 1);
    let twice: Vec<&str> = elements.iter().take(1).chain(&elements).copied().collect();
    vec![list(&elements[..elements.len() - 1]), list(&swapped), list(&twice), list(&elements[1..])]
        .into_iter()
        .filter(|new| new != all)
        .collect()
}

/// Ideas for one literal.
fn literals(kind: &str, text: &str) -> Vec<String> {
    match kind {
        "integer_literal" | "int_literal" => integers(text),
        "float_literal" => match text.parse::<f64>() {
            Ok(number) => vec![format!("{:?}", number + 1.0), format!("{:?}", number / 2.0), "0.0".to_owned()],
            Err(_) => Vec::new(),
        },
        "boolean_literal" | "true" | "false" => vec![if text == "true" { "false" } else { "true" }.to_owned()],
        "char_literal" | "rune_literal" if text.chars().count() == 3 && !text.contains('\\') => {
            let old = text.chars().nth(1).unwrap_or(' ');
            let next = if old.is_ascii_lowercase() { old.to_ascii_uppercase() } else { 'a' };
            ['b', next, ' '].into_iter().filter(|new| *new != old).map(|new| format!("'{new}'")).collect()
        }
        "string_literal" | "interpreted_string_literal" => strings(text),
        _ => Vec::new(),
    }
}

fn integers(text: &str) -> Vec<String> {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '_').collect();
    let suffix = &text[digits.len()..];
    let is_number = suffix.is_empty() || suffix.starts_with(['u', 'i']);
    let Some(n) = digits.replace('_', "").parse::<u64>().ok().filter(|_| is_number) else { return Vec::new() };
    let wanted = [n.checked_add(1), n.checked_sub(1), (n > 1).then_some(0), n.checked_mul(2)];
    let mut seen = BTreeSet::from([n]);
    wanted.into_iter().flatten().filter(|new| seen.insert(*new)).map(|new| format!("{new}{suffix}")).collect()
}

/// Another string; one that may name a place on a disk stays.
fn strings(text: &str) -> Vec<String> {
    let Some(inside) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return Vec::new() };
    if !is_plain(inside) {
        return Vec::new();
    }
    let mut less = inside.chars();
    less.next_back();
    let turned: String = inside.chars().rev().collect();
    let wanted = [format!("{inside}a"), turned, less.as_str().to_owned(), format!("{inside} {inside}"), String::new()];
    let mut seen = BTreeSet::from([inside.to_owned()]);
    wanted.into_iter().filter(|new| seen.insert(new.clone())).map(|new| format!("\"{new}\"")).collect()
}
