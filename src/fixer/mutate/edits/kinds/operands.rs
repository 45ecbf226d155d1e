//! Operands: swapped, replaced by one of their parts; tuples and branches in another order.

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, shape};
use super::super::piece::Piece;
use super::{Bench, Place, Spot};
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match spot.role {
            Role::Binary => {
                swap_operands(bench, spot.node);
                regroup(bench, spot.node);
            }
            Role::Tuple | Role::List | Role::Pattern => swap_elements(bench, spot.node),
            Role::Clause if spot.node.kind() == "expression_list" => swap_elements(bench, spot.node),
            Role::Ternary => ternary(bench, spot.node),
            Role::Bool if bench.view.parent_role(spot.node) == Role::Return => boolean_answer(bench, spot.node),
            _ => {}
        }
        if spot.place == Place::Value && spot.role.is_expression() {
            keep_part(bench, spot.node);
        }
        if spot.role == Role::Index && spot.place == Place::Value {
            index_part(bench, spot.node);
        }
        if spot.place == Place::Value && matches!(spot.role, Role::Ident | Role::Member | Role::Number | Role::Call) {
            length_of_name(bench, spot.node);
        }
    }
}

fn swap_operands(bench: &mut Bench<'_>, node: Node<'_>) {
    for binary in bench.view.binaries(node) {
        let operator = &bench.view.text[binary.at.clone()];
        let Some(known) = bench.view.words().operator(operator) else { continue };
        let joined = (bench.shape(binary.left) | bench.shape(binary.right)) & (shape::STR | shape::SEQ) != 0;
        let fit = match (known.class, operator) {
            (_, "-" | "/" | "//" | "%" | "**" | "<<" | ">>") => 1.0,
            (_, "+") if joined => 0.9,
            (_, "+") if bench.shape(binary.left) & shape::NUM == 0 => 0.4,
            (OperatorClass::Membership, _) => 0.4,
            (OperatorClass::Order, _) => 0.25,
            (OperatorClass::Logical, _) => 0.25,
            _ => continue,
        };
        let (left, right) = (bench.piece(binary.left), bench.piece(binary.right));
        let swapped = Piece::binary(bench.view.words(), &right, operator, &left);
        let range = binary.left.start_byte()..binary.right.end_byte();
        let text = if bench.view.binaries(node).len() == 1 {
            swapped.at(bench.view.wanted_level(node))
        } else {
            swapped.text.clone()
        };
        bench.put(EditKind::SwapOperands, range, text, fit, format!("the sides of `{operator}` change places"));
    }
}

/// `a + b * c` becomes `(a + b) * c`; `a - (b + c)` becomes `a - b + c`.
fn regroup(bench: &mut Bench<'_>, node: Node<'_>) {
    let [binary] = &bench.view.binaries(node)[..] else { return };
    let operator = bench.view.text[binary.at.clone()].to_owned();
    let Some(own) = bench.view.words().operator(&operator) else { return };
    if !matches!(own.class, OperatorClass::Arithmetic | OperatorClass::Bitwise) {
        return;
    }
    for (inner, is_left) in [(binary.left, true), (binary.right, false)] {
        let below = bench.view.unwrap_parens(inner);
        let [lower] = &bench.view.binaries(below)[..] else { continue };
        if bench.view.role(below) != Role::Binary {
            continue;
        }
        let lower_text = bench.view.text[lower.at.clone()].to_owned();
        let words = bench.view.words();
        let whole = if is_left {
            let grouped = Piece::binary(words, &bench.piece(lower.right), &operator, &bench.piece(binary.right));
            Piece::binary(words, &bench.piece(lower.left), &lower_text, &grouped)
        } else {
            let grouped = Piece::binary(words, &bench.piece(binary.left), &operator, &bench.piece(lower.left));
            Piece::binary(words, &grouped, &lower_text, &bench.piece(lower.right))
        };
        bench.replace(EditKind::ArithmeticOperator, node, &whole, 0.5);
    }
}

/// `return a, b` becomes `return b, a`.
fn swap_elements(bench: &mut Bench<'_>, node: Node<'_>) {
    let children = bench.view.children(node);
    if !(2..=4).contains(&children.len()) {
        return;
    }
    for pair in children.windows(2) {
        let (one, other) = (bench.view.of(pair[0]), bench.view.of(pair[1]));
        let gap = &bench.view.text[pair[0].end_byte()..pair[1].start_byte()];
        let range = pair[0].start_byte()..pair[1].end_byte();
        bench.put(
            EditKind::SwapOperands,
            range,
            format!("{other}{gap}{one}"),
            0.5,
            format!("`{}` and `{}` change places", super::short(one), super::short(other)),
        );
    }
}

fn ternary(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((yes, condition, no)) = bench.view.ternary(node) else { return };
    let template = bench.view.words().words.ternary;
    if template.is_empty() {
        return;
    }
    let (yes, condition, no) = (bench.piece(yes), bench.piece(condition), bench.piece(no));
    let swapped = bench.fill(template, &[&no, &condition, &yes]);
    bench.replace(EditKind::SwapBranches, node, &swapped, 1.0);
}

/// `return True` becomes `return depth == 0`.
fn boolean_answer(bench: &mut Bench<'_>, node: Node<'_>) {
    for atom in bench.atoms(node).into_iter().take(24) {
        bench.replace(EditKind::ReplaceOperand, node, &atom.piece, 0.7 * atom.fit);
    }
}

/// An expression becomes one of its parts: `1 + f(x)` becomes `f(x)`.
fn keep_part(bench: &mut Bench<'_>, node: Node<'_>) {
    let view = bench.view;
    let mut parts: Vec<(Node<'_>, f64)> = Vec::new();
    let mut kind = EditKind::KeepPart;
    match view.role(node) {
        Role::Binary => {
            let Some(operator) = view.operator(node) else { return };
            let fit = match operator.class {
                OperatorClass::Arithmetic | OperatorClass::Bitwise => 0.7,
                OperatorClass::Logical => return,
                _ => 0.05,
            };
            for binary in view.binaries(node) {
                parts.extend([(binary.left, fit), (binary.right, fit)]);
            }
        }
        Role::Call | Role::New => {
            kind = EditKind::Unwrap;
            let arguments = view.arguments(node);
            let single = if arguments.len() == 1 { 0.8 } else { 0.35 };
            let unpacked = arguments
                .into_iter()
                .filter(|argument| !matches!(view.role(*argument), Role::KeywordArg | Role::Spread));
            parts.extend(unpacked.map(|argument| (argument, single)));
            if let Some(receiver) = view.call(node).and_then(|call| call.receiver)
                && view.role(receiver) != Role::SelfWord
            {
                parts.push((receiver, 0.6));
            }
        }
        Role::Ternary => {
            if let Some((yes, condition, no)) = view.ternary(node) {
                parts.extend([(yes, 0.6), (no, 0.6), (condition, 0.2)]);
            }
        }
        Role::Member => {
            if let Some((object, _)) = view.member(node)
                && view.role(object) != Role::SelfWord
                && !(view.parent_role(node) == Role::Call
                    && node.parent().is_some_and(|call| {
                        call.child_by_field_name("function").is_some_and(|called| called.id() == node.id())
                    }))
            {
                parts.push((object, 0.3));
            }
        }
        Role::Index => {
            if let Some((object, index)) = view.index(node) {
                parts.extend([(object, 0.3), (index, 0.25)]);
            }
        }
        Role::Cast | Role::Question | Role::Ref => parts.extend(view.children(node).first().map(|inner| (*inner, 0.5))),
        Role::Slice if node.kind() == "slice_expression" => {
            parts.extend(view.children(node).first().map(|inner| (*inner, 0.4)))
        }
        _ => {}
    }
    if view.role(node) == Role::Cast {
        parts = view.field(node, &["value", "operand"]).map(|inner| vec![(inner, 0.5)]).unwrap_or(parts);
    }
    for (part, fit) in parts {
        let inner = view.unwrap_parens(part);
        if view.role(inner).is_expression() && view.role(inner) != Role::Slice {
            let piece = bench.piece(inner);
            bench.replace(kind, node, &piece, fit);
        }
    }
}

/// A number becomes the length of something in scope: `self.len` becomes `self.items.len()`.
fn length_of_name(bench: &mut Bench<'_>, node: Node<'_>) {
    let counts = matches!(
        bench.view.parent_role(node),
        Role::Binary | Role::Args | Role::Assign | Role::Declarator | Role::Return | Role::Range | Role::Index
    );
    if !counts || bench.shape(node) & shape::NUM == 0 || bench.view.language == Language::Java {
        return;
    }
    let own = bench.view.of(node);
    for (name, fit) in bench.candidates(node, shape::SEQ).into_iter().filter(|(_, fit)| *fit > 0.25).take(3) {
        let new = bench.fill(bench.view.words().words.length, &[&super::atoms::name_piece(&name)]);
        if new.text != own {
            bench.replace(EditKind::ReplaceOperand, node, &new, 0.35 * fit);
        }
    }
}

/// `a[i][j]` becomes `a[j][i]`.
fn index_part(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((object, index)) = bench.view.index(node) else { return };
    if let Some((inner_object, inner_index)) = bench.view.index(object) {
        let (outer, inner) = (bench.view.of(index), bench.view.of(inner_index));
        let new = format!("{}[{outer}][{inner}]", bench.view.of(inner_object));
        bench.put(
            EditKind::SwapArguments,
            node.byte_range(),
            new,
            0.6,
            format!("`[{inner}][{outer}]` changes its order"),
        );
    }
    // `a[i]` becomes `a.get(i, 0)` and the like
    let templates: &[(&str, f64)] = match bench.view.language {
        Language::Python => &[
            ("{0}.get({1})", 0.4),
            ("{0}.get({1}, 0)", 0.5),
            ("{0}.get({1}, [])", 0.3),
            ("{0}.get({1}, None)", 0.05),
            ("{0}.get({1}, \"\")", 0.1),
            ("{0}[-{1}]", 0.3),
            ("{0}[-1]", 0.4),
            ("{0}[0]", 0.4),
            ("{0}[{1}:]", 0.2),
            ("{0}[:{1}]", 0.2),
        ],
        Language::JavaScript | Language::TypeScript | Language::Tsx => &[
            ("({0}[{1}] ?? 0)", 0.4),
            ("({0}[{1}] || 0)", 0.4),
            ("({0}[{1}] || [])", 0.3),
            ("{0}.get({1})", 0.3),
            ("{0}[{0}.length - 1]", 0.4),
            ("{0}[0]", 0.4),
            ("{0}?.[{1}]", 0.3),
            ("{0}.slice({1})", 0.1),
        ],
        Language::Go => &[("{0}[len({0})-1]", 0.4), ("{0}[0]", 0.4), ("{0}[{1}:]", 0.2), ("{0}[:{1}]", 0.2)],
        Language::Rust => &[("{0}[{0}.len() - 1]", 0.4), ("{0}[0]", 0.4), ("{0}.get({1})", 0.2)],
        Language::Java => &[("{0}[{0}.length - 1]", 0.4), ("{0}[0]", 0.4), ("{0}.get({1})", 0.3)],
    };
    let (object, index) = (bench.piece(object), bench.piece(index));
    for (template, fit) in templates {
        let new = bench.fill(template, &[&object, &index]);
        bench.replace(EditKind::ReplaceOperand, node, &new, *fit);
    }
}
