//! The other one of two things that are treated alike: a statement or an operand comes once more with other names.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, shape};
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::borrowed::word_set;
use super::{Bench, Place, Spot};
use crate::syntax::functions::each_node;

/// So many twins of one text are made.
const MOST_TWINS: usize = 12;
/// So many operands of other comparisons are added to one of a comparison.
const MOST_PARTS: usize = 4;
/// A statement once more with two other names, or with another field. Estimates.
const OF_NAMES: f64 = 0.3;
const OF_FIELDS: f64 = 1.0;
/// A longer operand has no twin.
const MOST_BYTES: usize = 60;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        match spot.role {
            Role::Binary => {
                operand(bench, spot.node);
                part_of_a_bound(bench, spot.node);
            }
            Role::Call => link(bench, spot.node),
            _ => {}
        }
        if matches!(spot.role, Role::Call | Role::Index) {
            other_field(bench, spot.node);
        }
        if matches!(spot.role, Role::Call | Role::Member) {
            other_length(bench, spot.node);
        }
    }
}

/// `out.extend(a[i:])` asks for `out.extend(b[j:])`, `del self.entries[key]` for `del self.uses[key]`.
pub(super) fn statement(bench: &mut Bench<'_>, statement: &str, gap: &super::inserts::Gap, node: Node<'_>) {
    let end = bench.view.words().words.end;
    let of_names = twins(bench, statement, node).into_iter().map(|text| (text, OF_NAMES));
    let mut of_fields = field_twins(bench, statement, node);
    of_fields.extend(key_twins(bench, statement, node));
    let of_fields = of_fields.into_iter().map(|text| (text, OF_FIELDS));
    for (text, fit) in of_fields.chain(of_names).collect::<Vec<_>>() {
        let what = format!("`{}` comes", super::short(&text));
        let laid = gap.lay(&format!("{text}{end}"));
        bench.put_at(EditKind::BorrowStatement, gap.at..gap.at, laid, fit, what, gap.line, None);
    }
}

/// `statement` with another field of the same object, one that is used in the same way somewhere in the file.
fn field_twins(bench: &Bench<'_>, statement: &str, node: Node<'_>) -> Vec<String> {
    let at = node.start_byte();
    let Some((_, fields)) = bench.names.classes.iter().find(|(class, _)| class.contains(&at)) else {
        return Vec::new();
    };
    let around = node.parent().map_or("", |block| bench.view.of(block));
    let mut made = Vec::new();
    for this in bench.view.words().words.this {
        for own in fields.keys() {
            let field = format!("{this}.{own}");
            let Some(rest) = statement.find(&field).map(|start| &statement[start + field.len()..]) else { continue };
            let used = if rest.starts_with('[') { "[" } else { rest.split_inclusive('(').next().unwrap_or("") };
            if !used.ends_with(['[', '(']) || !used.starts_with(['[', '.']) || statement.matches(&field).count() != 1 {
                continue;
            }
            for other in fields.keys().filter(|other| *other != own) {
                let twin = format!("{this}.{other}");
                let text = statement.replacen(&field, &twin, 1);
                if bench.view.text.contains(&format!("{twin}{used}")) && !around.contains(&text) {
                    made.push(text);
                }
            }
        }
    }
    made.truncate(MOST_TWINS);
    made
}

/// `node["count"] -= 1` with another key that the file uses of the same name.
fn key_twins(bench: &Bench<'_>, statement: &str, node: Node<'_>) -> Vec<String> {
    let around = node.parent().map_or("", |block| bench.view.of(block));
    let Some((holder, rest)) = statement.split_once('[').filter(|(holder, _)| holder.chars().all(is_of_name)) else {
        return Vec::new();
    };
    let Some((key, rest)) = rest.split_once(']').filter(|(key, _)| key.starts_with(['"', '\''])) else {
        return Vec::new();
    };
    // set in one step: `] -= 1`
    if !rest.trim_start().starts_with(['=', '+', '-']) {
        return Vec::new();
    }
    let others = bench.names.strings.keys().filter(|other| *other != key);
    let used = others.filter(|other| {
        let set = |sign: &str| format!("{holder}[{other}] {sign}");
        [set("+="), set("-="), set("=")].iter().any(|set| bench.view.text.contains(set))
    });
    let twins = used.map(|other| format!("{holder}[{other}]{rest}")).filter(|text| !around.contains(text));
    twins.take(MOST_TWINS).collect()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

/// `rank - len(below)` asks for `- len(equal)` as well. Estimates: where nothing says so, and where the function adds both.
const ANOTHER_LENGTH: f64 = 0.3;
const ADDED_ELSEWHERE: f64 = 5.0;

fn other_length(bench: &mut Bench<'_>, node: Node<'_>) {
    let template = bench.view.words().words.length;
    let own = bench.view.of(node).to_owned();
    let names: Vec<String> =
        bench.candidates(node, shape::SEQ | shape::STR).into_iter().map(|(name, _)| name).collect();
    let length = |name: &String| bench.fill(template, &[&Piece::atom(name.as_str())]);
    if !names.iter().any(|name| length(name).text == own) {
        return;
    }
    let is_taken_away =
        |(other, operator): &(Node<'_>, &str)| *operator == "-" && other.end_byte() <= node.start_byte();
    let taken = bench.other_side(node).filter(is_taken_away).and_then(|_| node.parent());
    let whole = taken.unwrap_or(node);
    let function = bench.view.function(node).map_or("", |function| bench.view.of(function));
    let less = |name: &String| {
        let other = length(name);
        let added = [format!("{own} + {}", other.text), format!("{} + {own}", other.text)];
        let fit = if added.iter().any(|sum| function.contains(sum)) { ADDED_ELSEWHERE } else { ANOTHER_LENGTH };
        (other.text != own).then(|| (Piece::binary(bench.view.words(), &bench.piece(whole), "-", &other), fit))
    };
    for (piece, fit) in names.iter().filter_map(less).take(MOST_PARTS).collect::<Vec<_>>() {
        bench.replace(EditKind::Extend, whole, &piece, fit);
    }
}

/// `out + a[i:]` asks for `out + a[i:] + b[j:]`.
fn operand(bench: &mut Bench<'_>, node: Node<'_>) {
    let [binary] = &bench.view.binaries(node)[..] else { return };
    let operator = bench.view.text[binary.at.clone()].to_owned();
    let text = bench.view.of(binary.right).to_owned();
    if !matches!(operator.as_str(), "+" | "and" | "or" | "&&" | "||") || text.len() > MOST_BYTES {
        return;
    }
    let (own, level) = (bench.piece(node), bench.view.level(binary.right));
    for text in twins(bench, &text, node) {
        let new = Piece::binary(bench.view.words(), &own, &operator, &Piece { text, level });
        bench.replace(EditKind::Extend, node, &new, 0.5);
    }
}

/// `self.stock.get(item)` asks for `self.stock.get(item) - self.reserved.get(item)`.
fn other_field(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node).to_owned();
    let is_amount = bench.shape(node) & (shape::STR | shape::SEQ | shape::MAP | shape::BOOL) == 0;
    if text.len() > MOST_BYTES || !is_amount || bench.view.parent_role(node) == Role::ExprStmt {
        return;
    }
    let own = bench.piece(node);
    for twin in field_twins(bench, &text, node) {
        for (operator, fit) in [("-", 0.6), ("+", 0.4)] {
            let twin = Piece { text: twin.clone(), level: own.level };
            let new = Piece::binary(bench.view.words(), &own, operator, &twin);
            bench.replace(EditKind::Extend, node, &new, fit);
        }
    }
}

/// `out.concat(a.slice(i))` asks for `.concat(b.slice(j))`.
fn link(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(receiver) = bench.view.call(node).and_then(|call| call.receiver) else { return };
    let link = bench.view.text[receiver.end_byte()..node.end_byte()].to_owned();
    if link.len() > MOST_BYTES || !link.starts_with('.') {
        return;
    }
    let (own, level) = (bench.view.of(node).to_owned(), bench.view.level(node));
    for other in twins(bench, &link, node) {
        let new = Piece { text: format!("{own}{other}"), level };
        bench.replace(EditKind::Extend, node, &new, 0.4);
    }
}

/// `k < len(b)` asks for `k < len(a) + len(b)`, where `len(a)` is what another comparison asks about.
fn part_of_a_bound(bench: &mut Bench<'_>, node: Node<'_>) {
    let [binary] = &bench.view.binaries(node)[..] else { return };
    if !is_order(bench, &bench.view.text[binary.at.clone()]) {
        return;
    }
    let Some(function) = bench.view.function(node) else { return };
    let mut parts: Vec<Piece> = Vec::new();
    each_node(function, &mut |other| {
        let [known] = &bench.view.binaries(other)[..] else { return };
        let alike = bench.view.role(known.right) == bench.view.role(binary.right)
            && is_order(bench, &bench.view.text[known.at.clone()])
            && bench.view.of(known.left) == bench.view.of(binary.left);
        let piece = bench.piece(known.right);
        let is_new = piece.text != bench.view.of(binary.right) && parts.iter().all(|part| part.text != piece.text);
        if alike && is_new && bench.view.role(known.right) != Role::Number && parts.len() < MOST_PARTS {
            parts.push(piece);
        }
    });
    for part in parts {
        let sum = Piece::binary(bench.view.words(), &part, "+", &bench.piece(binary.right));
        bench.replace(EditKind::Extend, binary.right, &sum, 0.8);
    }
}

/// Does an operator ask what is less?
pub(super) fn is_order(bench: &Bench<'_>, operator: &str) -> bool {
    bench.view.words().operator(operator).is_some_and(|known| known.class == OperatorClass::Order)
}

/// `text` with two of its names changed to two that are not in it, those first that are most alike.
fn twins(bench: &mut Bench<'_>, text: &str, node: Node<'_>) -> Vec<String> {
    let words = word_set(text);
    let is_local = |origin| matches!(origin, Origin::Local | Origin::Parameter | Origin::LoopVariable);
    let visible: BTreeSet<&str> =
        bench.visible(node).iter().filter(|b| is_local(b.origin)).map(|b| b.name.as_str()).collect();
    let old: Vec<&str> = visible.iter().copied().filter(|name| words.contains(name)).collect();
    let new: Vec<&str> = visible.iter().copied().filter(|name| !words.contains(name)).collect();
    let pairs = |names: &[&str]| -> Vec<(String, String)> {
        let all = names.iter().flat_map(|a| names.iter().map(move |b| ((*a).to_owned(), (*b).to_owned())));
        all.filter(|(a, b)| a != b).collect()
    };
    let mut made = Vec::new();
    for (a, b) in pairs(&old).into_iter().filter(|(a, b)| a < b) {
        for (c, d) in pairs(&new) {
            let alike = |x: &str, y: &str| strsim::normalized_damerau_levenshtein(x, y) + f64::from(x.len() == y.len());
            made.push((alike(&a, &c) + alike(&b, &d), with_names(text, &[(&a, &c), (&b, &d)])));
        }
    }
    made.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    made.into_iter().map(|(_, text)| text).take(MOST_TWINS).collect()
}

/// `text` with whole words put in place of others, all at once.
pub(super) fn with_names(text: &str, names: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || c == '_') {
        out.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = tail.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(tail.len());
        let word = &tail[..end];
        out.push_str(names.iter().find(|(old, _)| *old == word).map_or(word, |(_, new)| new));
        rest = &tail[end..];
    }
    out + rest
}
