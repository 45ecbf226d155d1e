//! Off by one: bounds of ranges, indices, slices, comparisons.

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::super::piece::Piece;
use super::{Bench, Place, Spot};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        if spot.role.is_expression() {
            off_by_one(bench, spot);
        }
        match spot.role {
            Role::Call => range_call(bench, spot.node),
            Role::Range => range_expression(bench, spot.node),
            Role::Slice => slice(bench, spot.node),
            _ => {}
        }
    }
}

/// How likely a number at this place is off by one, and as which kind.
fn place_of(bench: &Bench<'_>, node: Node<'_>) -> Option<(EditKind, f64)> {
    // parentheses change nothing: `(a + b) / 2`
    let in_parens = |at: &Node<'_>| bench.view.parent_role(*at) == Role::Paren;
    let node = std::iter::successors(Some(node), |at| at.parent().filter(|_| in_parens(at))).last()?;
    let parent = node.parent()?;
    let in_call = |list: Node<'_>| list.parent().map_or("", |call| bench.view.called(call));
    Some(match bench.view.role(parent) {
        Role::Args => {
            let called = in_call(parent);
            if bench.view.words().words.ranges.contains(&called) {
                (EditKind::RangeBound, 1.0)
            } else if called == "get" && matches!(bench.view.language, Language::Rust | Language::Java) {
                // of a slice or a list; in the other languages what is got has a key
                (EditKind::SliceBound, 0.9)
            } else if matches!(
                called,
                "slice"
                    | "substring"
                    | "substr"
                    | "charAt"
                    | "subList"
                    | "splice"
                    | "take"
                    | "skip"
                    | "nth"
                    | "charCodeAt"
                    | "split_at"
                    | "copyOfRange"
                    | "at"
            ) {
                (EditKind::SliceBound, 0.9)
            } else {
                (EditKind::OffByOne, 0.35)
            }
        }
        Role::Range => (EditKind::RangeBound, 1.0),
        Role::Slice => {
            let is_object = bench.view.field(parent, &["operand"]).is_some_and(|object| object.id() == node.id());
            if is_object {
                return None;
            }
            (EditKind::SliceBound, 0.9)
        }
        Role::Index => {
            // `table[i - 1, j]` has two
            let object = bench.view.index(parent).map(|(object, _)| object);
            let object = object.or_else(|| bench.view.field(parent, &["value"]))?;
            if object.id() == node.id() {
                return None;
            }
            (EditKind::OffByOne, 0.9)
        }
        // Java: `new int[n]`
        Role::Clause if parent.kind() == "dimensions_expr" => (EditKind::OffByOne, 0.7),
        Role::Binary => {
            let operator = bench.view.operator(parent)?;
            match operator.class {
                super::super::languages::OperatorClass::Order => (EditKind::OffByOne, 0.8),
                super::super::languages::OperatorClass::Equality => (EditKind::OffByOne, 0.5),
                // `(index - 1) // 2`, `(n + 1) / 2`
                super::super::languages::OperatorClass::Arithmetic if is_halved(bench, node) => {
                    (EditKind::OffByOne, HALVED)
                }
                super::super::languages::OperatorClass::Arithmetic => (EditKind::OffByOne, 0.25),
                _ => return None,
            }
        }
        Role::Return => (EditKind::OffByOne, 0.8),
        Role::Assign | Role::Declarator | Role::AugAssign => (EditKind::OffByOne, 0.6),
        Role::Tuple | Role::List | Role::Ternary | Role::Pair | Role::KeywordArg => (EditKind::OffByOne, 0.3),
        Role::Clause | Role::Block if bench.view.language == Language::Go || bench.view.language == Language::Rust => {
            (EditKind::OffByOne, 0.5)
        }
        Role::Spread | Role::Literal | Role::ForC => (EditKind::OffByOne, 0.2),
        Role::Function | Role::Lambda | Role::Comprehension | Role::Yield => (EditKind::OffByOne, 0.3),
        _ => return None,
    })
}

/// What is halved is most often the one that is off by one. An estimate.
const HALVED: f64 = 0.7;

fn is_halved(bench: &Bench<'_>, node: Node<'_>) -> bool {
    bench.other_side(node).is_some_and(|(other, operator)| {
        matches!(operator, "/" | "//") && other.start_byte() >= node.end_byte() && bench.view.of(other) == "2"
    })
}

/// Nobody counts from a key to the next one. An estimate.
const OF_KEY: f64 = 0.04;

/// Does the function look something up by it in what is no list?
fn is_key(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let Some(function) = bench.view.function(node) else { return false };
    let own = bench.view.of(node);
    let mut found = false;
    each_node(function, &mut |inner| {
        let looked_up = bench.view.index(inner).filter(|(_, index)| bench.view.of(*index) == own);
        found |= looked_up.is_some_and(|(object, _)| bench.shape(object) & (shape::MAP | shape::SEQ) == shape::MAP);
    });
    found
}

/// `-days`, but no `-1`: a number's own edits say that.
fn is_negative(bench: &Bench<'_>, spot: &Spot<'_>) -> bool {
    spot.role == Role::Unary
        && bench
            .view
            .unary(spot.node)
            .is_some_and(|(operator, inner)| operator == "-" && bench.view.role(inner) != Role::Number)
}

fn off_by_one(bench: &mut Bench<'_>, spot: &Spot<'_>) {
    // a binary node's own operands are spots too: `a * b + 1` is reached from the whole or from `b`
    if !matches!(
        spot.role,
        Role::Ident | Role::Member | Role::Call | Role::Index | Role::Binary | Role::Cast | Role::Macro
    ) && !is_negative(bench, spot)
    {
        return;
    }
    let Some((kind, fit)) = place_of(bench, spot.node) else { return };
    let known = bench.shape(spot.node);
    let counts = matches!(kind, EditKind::RangeBound | EditKind::SliceBound);
    let sure = if known & shape::NUM != 0 {
        1.0
    } else if known != 0 {
        0.05
    } else if counts {
        0.9
    } else if is_key(bench, spot.node) {
        OF_KEY
    } else {
        0.4
    };
    let own = bench.piece(spot.node);
    let has_one = spot.role == Role::Binary && bench.view.binaries(spot.node).len() == 1;
    if has_one && let Some(binary) = bench.view.binaries(spot.node).first().cloned() {
        let operator = bench.view.operator_text(spot.node);
        let right = bench.view.of(binary.right);
        if matches!(operator, "+" | "-") && matches!(right, "1" | "2") {
            let left = bench.piece(binary.left);
            bench.replace(kind, spot.node, &left, fit);
            let other = if operator == "+" { "-" } else { "+" };
            let flipped = Piece::binary(bench.view.words(), &left, other, &Piece::atom(right));
            bench.replace(kind, spot.node, &flipped, fit * 0.4);
            if right == "1" {
                let more = Piece::binary(bench.view.words(), &left, operator, &Piece::atom("2"));
                bench.replace(kind, spot.node, &more, fit * 0.4);
            }
            return;
        }
        if operator == "+" && bench.view.of(binary.left) == "1" {
            let right = bench.piece(binary.right);
            bench.replace(kind, spot.node, &right, fit);
        }
        if !matches!(operator, "+" | "-" | "*" | "/" | "//" | "%" | ">>" | "<<") {
            return;
        }
    }
    // `n - 1 > 0` is `n > 1` in more words, and the number's own edits say that
    if beside_a_number(bench, spot.node) {
        return;
    }
    for (operator, amount, part) in [("+", "1", 1.0), ("-", "1", 1.0), ("-", "2", 0.08), ("+", "2", 0.08)] {
        let new = Piece::binary(bench.view.words(), &own, operator, &Piece::atom(amount));
        bench.replace(kind, spot.node, &new, fit * sure * part);
    }
}

/// One side of a comparison whose other side is a number that is written out.
fn beside_a_number(bench: &Bench<'_>, node: Node<'_>) -> bool {
    use super::super::languages::OperatorClass::{Equality, Order};
    let Some(parent) = node.parent().filter(|p| bench.view.role(*p) == Role::Binary) else { return false };
    let compares = bench.view.operator(parent).is_some_and(|o| matches!(o.class, Order | Equality));
    let binaries = bench.view.binaries(parent);
    let [binary] = &binaries[..] else { return false };
    let is_number = |side: Node<'_>| side.id() != node.id() && bench.view.of(side).bytes().all(|b| b.is_ascii_digit());
    compares && [binary.left, binary.right].into_iter().any(is_number)
}

/// `range(n)`, `range(a, b)`, `range(a, b, c)`
fn range_call(bench: &mut Bench<'_>, node: Node<'_>) {
    if !bench.view.words().words.ranges.contains(&bench.view.called(node)) {
        return;
    }
    let arguments = bench.view.arguments(node);
    let texts: Vec<&str> = arguments.iter().map(|argument| bench.view.of(*argument)).collect();
    let mut put = |inner: String, fit: f64| {
        let new = Piece::atom(format!("range({inner})"));
        bench.replace(EditKind::RangeBound, node, &new, fit);
    };
    match texts[..] {
        [end] => {
            put(format!("1, {end}"), 0.9);
            put(format!("1, {end} + 1"), 0.8);
            put(format!("2, {end}"), 0.3);
            put(format!("0, {end}, 2"), 0.15);
            put(format!("{end} - 1, -1, -1"), 0.3);
            put(format!("2, {end} + 1"), 0.2);
        }
        [start, end] => {
            put(end.to_owned(), 0.5);
            put(format!("{start} + 1, {end} + 1"), 0.3);
            put(format!("{start} - 1, {end} - 1"), 0.1);
            put(format!("{start}, {end}, 2"), 0.2);
            put(format!("{start}, {end}, -1"), 0.4);
            put(format!("{end}, {start}"), 0.1);
            put(format!("0, {end}"), 0.5);
            put(format!("1, {end}"), 0.4);
            put(format!("{start}, {end}, {start}"), 0.3);
        }
        [start, end, step] => {
            put(format!("{start}, {end}"), 0.4);
            put(format!("{start}, {end}, -{step}"), 0.2);
            put(format!("{end}, {start}, {step}"), 0.1);
            put(format!("{start} * {start}, {end}, {step}"), 0.4);
        }
        _ => {}
    }
    // which variable bounds it
    if let [.., end] = arguments[..] {
        for (name, fit) in bench.candidates(node, shape::SEQ).into_iter().take(4) {
            let template = bench.view.words().words.length;
            let new = bench.fill(template, &[&Piece::atom(name)]);
            bench.replace(EditKind::RangeBound, end, &new, 0.3 * fit);
        }
    }
}

/// Rust: `a..b`
fn range_expression(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let mut cursor = node.walk();
    let Some(operator) = node.children(&mut cursor).find(|child| matches!(child.kind(), ".." | "..=")) else { return };
    let other = if operator.kind() == ".." { "..=" } else { ".." };
    let (left, right) =
        (&text[..operator.start_byte() - node.start_byte()], &text[operator.end_byte() - node.start_byte()..]);
    if bench.view.parent_role(node) == Role::Index && left.is_empty() != right.is_empty() {
        open_slice(bench, node, left, right);
    }
    if !right.is_empty() {
        bench.put(
            EditKind::RangeBound,
            operator.byte_range(),
            other.to_owned(),
            1.0,
            format!("`{}` becomes `{other}`", operator.kind()),
        );
        bench.put(
            EditKind::RangeBound,
            node.byte_range(),
            format!("({text}).rev()"),
            0.3,
            format!("`{text}` runs backwards"),
        );
        if !left.is_empty() && bench.view.parent_role(node) == Role::Index {
            bench.put(
                EditKind::SliceBound,
                node.byte_range(),
                format!("{left}.."),
                0.4,
                format!("`{text}` without an end"),
            );
            bench.put(
                EditKind::SliceBound,
                node.byte_range(),
                format!("..{right}"),
                0.4,
                format!("`{text}` without a start"),
            );
        }
        for start in ["0", "1", "2"].iter().filter(|start| **start != left) {
            bench.put(
                EditKind::RangeBound,
                node.byte_range(),
                format!("{start}{}{right}", operator.kind()),
                0.3,
                format!("`{text}` starts at {start}"),
            );
        }
    }
}

/// Rust: `a[i..]` becomes `a[..i]` and `a[i..n]`, `a[..i]` becomes `a[i..]` and `a[n..i]`.
fn open_slice(bench: &mut Bench<'_>, node: Node<'_>, left: &str, right: &str) {
    let text = bench.view.of(node);
    let turned = if right.is_empty() { format!("..{left}") } else { format!("{right}..") };
    let names = bench.candidates(node, shape::NUM).into_iter().filter(|(name, _)| name != left && name != right);
    let closed = |(name, fit): (String, f64)| {
        let new = if right.is_empty() { format!("{left}..{name}") } else { format!("{name}..{right}") };
        (new, 0.35 * fit)
    };
    let closed: Vec<(String, f64)> = names.take(4).map(closed).collect();
    for (new, fit) in std::iter::once((turned, 0.4)).chain(closed) {
        bench.put(EditKind::SliceBound, node.byte_range(), new.clone(), fit, format!("`{text}` becomes `{new}`"));
    }
}

/// `a:b:c`, `a[b:c]`: bounds come and go.
fn slice(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((start, end, step)) = parts(bench, node) else { return };
    let text = |part: Option<Node<'_>>| part.map_or("", |part| bench.view.of(part)).to_owned();
    let (start, end, step) = (text(start), text(end), text(step));
    let object = bench.view.field(node, &["operand"]).map(|object| bench.view.of(object).to_owned());
    let build = |start: &str, end: &str, step: &str| {
        let steps = if step.is_empty() { String::new() } else { format!(":{step}") };
        match &object {
            Some(object) => format!("{object}[{start}:{end}{steps}]"),
            None => format!("{start}:{end}{steps}"),
        }
    };
    let mut options: Vec<(String, f64)> = Vec::new();
    if !start.is_empty() {
        options.push((build("", &end, &step), 0.5));
    } else {
        options.extend([(build("1", &end, &step), 0.4), (build("0", &end, &step), 0.01)]);
    }
    if !end.is_empty() {
        options.push((build(&start, "", &step), 0.5));
        options.push((build(&end, &start, &step), 0.4));
    } else if object.is_none() {
        options.push((build(&start, "-1", &step), 0.4));
        if !start.is_empty() {
            options.push((build("", &start, &step), 0.5));
            options.push((build(&format!("-{start}"), "", &step), 0.4));
        }
    } else {
        options.push((build("", &start, &step), 0.4));
    }
    if !start.is_empty() && !end.is_empty() {
        options.push((build(&start, &format!("{start} + {end}"), &step), 0.4));
    }
    for (name, fit) in bench.candidates(node, shape::NUM).into_iter().take(5) {
        if start.is_empty() {
            options.push((build(&name, &end, &step), 0.35 * fit));
        }
        if end.is_empty() {
            options.push((build(&start, &name, &step), 0.35 * fit));
        }
    }
    let old = bench.view.of(node);
    for (new, fit) in options {
        bench.put(EditKind::SliceBound, node.byte_range(), new.clone(), fit, format!("`{old}` becomes `{new}`"));
    }
}

type Part<'t> = Option<Node<'t>>;

fn parts<'t>(bench: &Bench<'_>, node: Node<'t>) -> Option<(Part<'t>, Part<'t>, Part<'t>)> {
    if node.kind() == "slice_expression" {
        return Some((node.child_by_field_name("start"), node.child_by_field_name("end"), None));
    }
    let mut found: [Part<'t>; 3] = [None; 3];
    let mut at = 0;
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        if child.kind() == ":" {
            at += 1;
        } else if child.is_named() && !child.is_extra() && at < 3 && bench.view.role(child) != Role::Comment {
            found[at] = Some(child);
        }
    }
    Some((found[0], found[1], found[2]))
}
