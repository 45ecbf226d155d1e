//! Operators: comparison, arithmetic, logical, bitwise, assignment, unary.

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, level, shape};
use super::super::piece::Piece;
use super::super::view::Binary;
use super::{Bench, Place, Spot};
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Binary | Role::Assign | Role::AugAssign | Role::Declarator => {
                for binary in bench.view.binaries(spot.node) {
                    flip(bench, spot.node, &binary);
                    base_case(bench, spot.node, &binary);
                    take_bits(bench, &binary);
                    set_bit(bench, &binary);
                    round(bench, spot.node, &binary);
                }
            }
            Role::Unary => drop_unary(bench, spot.node),
            Role::Update => update(bench, spot.node),
            Role::Simple if matches!(spot.node.kind(), "inc_statement" | "dec_statement") => update(bench, spot.node),
            _ => {}
        }
        if spot.place == Place::Value {
            add_minus(bench, spot);
        }
    }
}

/// `r // 3` becomes `r // 3 * 3`: the start of what it is in, and not which one that is.
fn round(bench: &mut Bench<'_>, node: Node<'_>, binary: &Binary<'_>) {
    let is_division = match &bench.view.text[binary.at.clone()] {
        "//" => true,
        "/" => matches!(bench.view.language, Language::Rust | Language::Go | Language::Java),
        _ => false,
    };
    if is_division && matches!(bench.view.role(binary.right), Role::Number | Role::Ident | Role::Member) {
        let new = Piece::binary(bench.view.words(), &bench.piece(node), "*", &bench.piece(binary.right));
        bench.replace(EditKind::Extend, node, &new, 0.8);
    }
}

/// `mode ^= bits` becomes `mode &= ~bits`: bits are taken away and not turned.
fn take_bits(bench: &mut Bench<'_>, binary: &Binary<'_>) {
    let operator = &bench.view.text[binary.at.clone()];
    let (plain, assigns) = match operator.strip_suffix('=') {
        Some(plain) => (plain, "="),
        None => (operator, ""),
    };
    let right = bench.piece(binary.right).at(level::UNARY);
    if !matches!(plain, "^" | "|" | "&") || right.starts_with(['~', '!']) {
        return;
    }
    let new = match bench.view.language {
        Language::Go => format!("&^{assigns} {right}"),
        Language::Rust => format!("&{assigns} !{right}"),
        _ => format!("&{assigns} ~{right}"),
    };
    let kind = if assigns.is_empty() { EditKind::BitwiseOperator } else { EditKind::AssignmentOperator };
    let what = format!("`{operator}` becomes `{}`", super::short(&new));
    bench.put(kind, binary.at.start..binary.right.end_byte(), new, 0.5, what);
}

/// `n == 0` becomes `n <= 1`: the operator and the number at once.
fn base_case(bench: &mut Bench<'_>, node: Node<'_>, binary: &Binary<'_>) {
    let operator = &bench.view.text[binary.at.clone()];
    let right = bench.view.of(binary.right);
    if !matches!(right, "0" | "1" | "2") || bench.view.binaries(node).len() != 1 {
        return;
    }
    let others: &[(&str, &str, f64)] = match operator {
        "==" | "===" => {
            &[("<=", "1", 0.5), ("<", "2", 0.3), ("<=", "0", 0.1), ("<", "1", 0.1), ("<=", "2", 0.1), (">", "0", 0.05)]
        }
        "<" => &[("<=", "1", 0.2), ("<=", "2", 0.05), (">", "0", 0.1)],
        "<=" => &[("<", "2", 0.1), ("==", "1", 0.1)],
        ">" => &[(">=", "1", 0.1), ("<", "0", 0.05)],
        "!=" | "!==" => &[(">", "1", 0.2), (">", "0", 0.05)],
        _ => &[],
    };
    for (other, number, fit) in others {
        let new = Piece::binary(bench.view.words(), &bench.piece(binary.left), other, &Piece::atom(*number));
        bench.replace(EditKind::ComparisonOperator, node, &new, *fit);
    }
}

fn kind_of(class: OperatorClass) -> EditKind {
    match class {
        OperatorClass::Order | OperatorClass::Equality | OperatorClass::Membership => EditKind::ComparisonOperator,
        OperatorClass::Arithmetic => EditKind::ArithmeticOperator,
        OperatorClass::Bitwise => EditKind::BitwiseOperator,
        OperatorClass::Logical => EditKind::LogicalOperator,
        OperatorClass::Assignment => EditKind::AssignmentOperator,
    }
}

fn flip(bench: &mut Bench<'_>, node: Node<'_>, binary: &Binary<'_>) {
    let old = &bench.view.text[binary.at.clone()];
    let Some(operator) = bench.view.words().operator(old) else { return };
    let kind = kind_of(operator.class);
    let is_text =
        operator.text == "+" && (bench.shape(binary.left) | bench.shape(binary.right)) & (shape::STR | shape::SEQ) != 0;
    for (at, other) in operator.others.iter().enumerate() {
        // text and lists are joined, not subtracted
        let suits = if is_text { 0.1 } else { of_sets(bench, binary, other) * of_bits(bench, binary, other) };
        let fit = suits / (1.0 + 0.6 * at as f64);
        let mut replacement = (*other).to_owned();
        if other.starts_with(char::is_alphabetic) {
            if binary.at.start == binary.left.end_byte() {
                replacement.insert(0, ' ');
            }
            if binary.at.end == binary.right.start_byte() {
                replacement.push(' ');
            }
        }
        let what = format!("`{old}` becomes `{other}`");
        bench.put(kind, binary.at.clone(), replacement, fit, what.clone());
        // the new operator may bind otherwise: the same tree, with parentheses
        let level = bench.view.words().operator(other).map_or(operator.level, |other| other.level);
        if level != operator.level
            && operator.class != OperatorClass::Assignment
            && bench.view.binaries(node).len() == 1
        {
            let (left, right) = (bench.piece(binary.left), bench.piece(binary.right));
            let whole = Piece::binary(bench.view.words(), &left, other, &right);
            let text = whole.at(bench.view.wanted_level(node));
            bench.put(kind, node.byte_range(), text, fit * 0.7, what);
        }
    }
}

/// `bits = 1 << at` becomes `bits |= 1 << at` and not `bits += 1 << at`, which is wrong for a bit that is set. Estimates.
const OF_BITS: f64 = 1.3;
const NOT_OF_BITS: f64 = 0.3;

fn set_bit(bench: &mut Bench<'_>, binary: &Binary<'_>) {
    let operator = &bench.view.text[binary.at.clone()];
    if matches!(operator, "=" | "+=") && is_bit(bench, binary.right) {
        let what = format!("`{operator}` becomes `|=`");
        bench.put(EditKind::AssignmentOperator, binary.at.clone(), "|=".into(), OF_BITS, what);
    }
}

fn is_bit(bench: &Bench<'_>, node: Node<'_>) -> bool {
    bench.view.of(node).trim_start_matches('(').starts_with("1 << ")
}

fn of_bits(bench: &Bench<'_>, binary: &Binary<'_>, other: &str) -> f64 {
    let counts = matches!(other, "+=" | "-=" | "*=" | "/=");
    if counts && is_bit(bench, binary.right) { NOT_OF_BITS } else { 1.0 }
}

/// Python's sets know four operators, of which numbers know one as arithmetic: a difference is no union of numbers.
fn of_sets(bench: &Bench<'_>, binary: &Binary<'_>, other: &str) -> f64 {
    let plain = |operator: &str| operator.trim_end_matches('=').to_owned();
    let (old, new) = (plain(&bench.view.text[binary.at.clone()]), plain(other));
    let is_of_sets = |operator: &str| matches!(operator, "-" | "&" | "|" | "^");
    let crosses = is_of_sets(&old) && is_of_sets(&new) && (old == "-") != (new == "-");
    if bench.view.language != Language::Python || !crosses {
        return 1.0;
    }
    let sides = [binary.left, binary.right];
    let is_number = |side: &Node<'_>| {
        bench.view.role(*side) == Role::Number
            || bench.view.role(*side) == Role::Call && bench.shape(*side) & shape::NUM != 0
    };
    if sides.iter().any(is_number) {
        0.1
    } else if sides.iter().any(|side| bench.shape(*side) & (shape::SEQ | shape::MAP) != 0) {
        3.0
    } else {
        0.4
    }
}

fn drop_unary(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((operator, operand)) = bench.view.unary(node) else { return };
    let new = bench.piece(operand);
    if operator == "!" {
        bench.replace(EditKind::NegateCondition, node, &new, 0.8);
    } else {
        bench.replace(EditKind::UnaryOperator, node, &new, 0.8);
    }
    if operator == "~" {
        let minus = bench.fill("-{}", &[&new]);
        bench.replace(EditKind::UnaryOperator, node, &minus, 0.5);
    }
}

fn update(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let (old, new) = if text.contains("++") { ("++", "--") } else { ("--", "++") };
    bench.put(
        EditKind::UnaryOperator,
        node.byte_range(),
        text.replace(old, new),
        1.0,
        format!("`{old}` becomes `{new}`"),
    );
    let Some(operand) = bench.view.children(node).first().map(|operand| bench.view.of(*operand)) else { return };
    if node.kind() == "update_expression" {
        let swapped = if text.starts_with(old) { format!("{operand}{old}") } else { format!("{old}{operand}") };
        bench.put(EditKind::UnaryOperator, node.byte_range(), swapped, 0.4, format!("`{text}` changes its order"));
    }
    let others = bench.candidates(node, shape::NUM).into_iter().filter(|(name, _)| *name != operand).take(5);
    let amounts = [("2".to_owned(), 0.15), (operand.to_owned(), 0.15)].into_iter();
    for (amount, fit) in amounts.chain(others.map(|(name, fit)| (name, 0.4 * fit))) {
        let longer = format!("{operand} {}= {amount}", &old[..1]);
        bench.put(EditKind::AssignmentOperator, node.byte_range(), longer, fit, format!("`{text}` by {amount}"));
    }
}

/// `x` becomes `-x` where a number is likely.
fn add_minus(bench: &mut Bench<'_>, spot: &Spot<'_>) {
    if !matches!(spot.role, Role::Ident | Role::Member | Role::Call | Role::Index | Role::Paren)
        || bench.shape(spot.node) & (shape::STR | shape::SEQ | shape::MAP | shape::FUNC) != 0
    {
        return;
    }
    let parent = bench.view.parent_role(spot.node);
    let fit = match parent {
        Role::Return
        | Role::Assign
        | Role::Declarator
        | Role::Args
        | Role::Lambda
        | Role::Tuple
        | Role::List
        | Role::Pair
        | Role::KeywordArg
        | Role::Ternary => 0.3,
        Role::Index => 0.15,
        Role::Binary | Role::AugAssign => 0.1,
        _ => return,
    };
    let minus = bench.fill("-{}", &[&bench.piece(spot.node)]);
    let known = bench.shape(spot.node) & shape::NUM != 0;
    bench.replace(EditKind::UnaryOperator, spot.node, &minus, if known { fit } else { fit * 0.4 });
}
