//! Conditions: negated, dropped, constant, strengthened, weakened; loops that ask another question.

use super::super::EditKind;
use super::super::languages::{OperatorClass, Role, level, shape};
use super::super::piece::Piece;
use super::atoms::is_there_once;
use super::{Bench, Place, Spot, words};
use crate::syntax::language::Language;
use crate::words::Label;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots {
        if let Some(condition) = bench.view.condition(spot.node)
            && bench.touches(condition)
        {
            asked(bench, spot, condition);
        }
        if matches!(spot.role, Role::Loop | Role::ForC) && bench.touches(spot.node) {
            endless(bench, spot.node);
        }
        if spot.place == Place::Value && bench.touches(spot.node) {
            if spot.role == Role::Binary || spot.role == Role::Not {
                parts(bench, spot.node);
            }
            if is_answer(bench, spot.node) {
                answer(bench, spot.node);
            }
        }
    }
}

/// A boolean that is returned, passed or stored.
fn is_answer(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let parent = bench.view.parent_role(node);
    let stands =
        matches!(parent, Role::Return | Role::Assign | Role::Declarator | Role::Lambda | Role::Args | Role::KeywordArg)
            || (matches!(parent, Role::Block | Role::Function | Role::Clause | Role::Comprehension)
                && matches!(
                    bench.view.language,
                    Language::Rust | Language::Go | Language::Python | Language::JavaScript | Language::TypeScript
                ));
    stands
        && bench.view.role(node).is_expression()
        && bench.shape(node) & shape::BOOL != 0
        && bench.view.role(node) != Role::Bool
}

/// The contrary of a condition, without a `not` where it has one.
pub(super) fn negated(bench: &Bench<'_>, node: Node<'_>) -> Piece {
    match bench.view.role(node) {
        Role::Not => bench
            .view
            .children(node)
            .first()
            .map_or(Piece::atom(""), |inner| bench.piece(bench.view.unwrap_parens(*inner))),
        Role::Unary if bench.view.of(node).starts_with('!') => match bench.view.unary(node) {
            Some((_, inner)) => bench.piece(bench.view.unwrap_parens(inner)),
            None => Piece::atom(""),
        },
        _ => bench.fill(if bench.view.language == Language::Python { "not {}" } else { "!{}" }, &[&bench.piece(node)]),
    }
}

/// Replaces a condition whole: it stands in a head or in parentheses, so nothing around it binds.
fn put(bench: &mut Bench<'_>, kind: EditKind, node: Node<'_>, new: &Piece, fit: f64) {
    if !new.text.is_empty() {
        bench.replace(kind, node, new, fit);
    }
}

fn asked(bench: &mut Bench<'_>, spot: &Spot<'_>, condition: Node<'_>) {
    let role = bench.view.role(condition);
    let is_comparison = role == Role::Binary && bench.view.level(condition) > 4;
    let negation = negated(bench, condition);
    put(bench, EditKind::NegateCondition, condition, &negation, if is_comparison { 0.25 } else { 1.0 });
    let words = &bench.view.words().words;
    let is_loop = spot.role.is_loop();
    let line = bench.line(condition.start_byte());
    if !matches!(role, Role::Bool) {
        for constant in [words.yes, words.no] {
            if !(is_loop && constant == words.yes) {
                let what = format!("`{}` becomes `{constant}` for ever", super::short(bench.view.of(condition)));
                bench.put_at(
                    EditKind::ConstantCondition,
                    condition.byte_range(),
                    constant.to_owned(),
                    0.5,
                    what,
                    line,
                    Some(Label::ConditionToConstant),
                );
            }
        }
    }
    if is_loop {
        loop_condition(bench, spot, condition);
    }
    if role != Role::Bool {
        stronger_and_weaker(bench, condition, 1.0);
    }
    of_the_other(bench, condition);
    unread(bench, condition);
    questions(bench, condition);
}

/// A chain that asks one name and not its neighbour seldom means it: as good as this many other conditions. An estimate.
const ASKED_OF_BOTH: f64 = 4.0;
/// So many questions are asked of another name.
const MOST_OTHERS: usize = 6;

/// `r < 0 or r >= rows or c >= columns` becomes `r < 0 or c < 0 or …`: what is asked of one name is asked of the other, too.
fn of_the_other(bench: &mut Bench<'_>, condition: Node<'_>) {
    let is_logical = bench.view.operator(condition).is_some_and(|known| known.class == OperatorClass::Logical);
    if !is_logical {
        return;
    }
    let operator = bench.view.operator_text(condition).to_owned();
    let words = &bench.view.words().words;
    let kind = if operator == words.and { EditKind::StrengthenCondition } else { EditKind::WeakenCondition };
    let mut parts = Vec::new();
    operands(bench, condition, &operator, &mut parts);
    let texts: Vec<&str> = parts.iter().map(|part| bench.view.of(*part)).collect();
    let subject = |part: &Node<'_>| {
        let left = bench.view.binaries(*part).first()?.left;
        (bench.view.role(left) == Role::Ident).then(|| bench.view.of(left))
    };
    let subjects: Vec<Option<&str>> = parts.iter().map(subject).collect();
    let mut made = 0;
    for (at, part) in parts.iter().enumerate() {
        let Some(subject) = subjects[at] else { continue };
        let mut others: Vec<&str> = subjects.iter().flatten().copied().filter(|other| *other != subject).collect();
        others.dedup();
        for other in others {
            let text = texts[at].replacen(subject, other, 1);
            if made == MOST_OTHERS || texts.contains(&text.as_str()) {
                continue;
            }
            made += 1;
            let own = bench.piece(*part);
            let asked = Piece { text, level: own.level };
            let both = Piece::binary(bench.view.words(), &own, &operator, &asked);
            bench.replace(kind, *part, &both, ASKED_OF_BOTH);
        }
    }
}

/// What a chain of one logical operator joins.
fn operands<'t>(bench: &Bench<'_>, node: Node<'t>, operator: &str, found: &mut Vec<Node<'t>>) {
    if bench.view.operator_text(node) != operator {
        return found.push(node);
    }
    for binary in bench.view.binaries(node) {
        operands(bench, binary.left, operator, found);
        operands(bench, binary.right, operator, found);
    }
}

/// `while True` becomes `while queue`; a loop that asks for another name.
fn loop_condition(bench: &mut Bench<'_>, spot: &Spot<'_>, condition: Node<'_>) {
    let Some(body) = bench.view.body(spot.node) else { return };
    let constant = bench.view.role(condition) == Role::Bool;
    for (piece, fit) in questions_of_loop(bench, body) {
        put(bench, EditKind::LoopCondition, condition, &piece, fit * if constant { 1.0 } else { 0.3 });
    }
}

/// A loop without a condition gets one: `loop {` becomes `while left > 0 {`, `for (;;)` becomes `while (queue.length > 0)`.
fn endless(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(body) = bench.view.body(node) else { return };
    let head = &bench.view.text[node.start_byte()..body.start_byte()];
    let (keyword, before, after) = match bench.view.language {
        Language::Rust if bench.view.role(node) == Role::Loop => ("loop", "while ", " "),
        Language::Go if head.trim() == "for" => ("for", "for ", " "),
        _ if head.split_whitespace().collect::<String>() == "for(;;)" => ("for", "while (", ") "),
        _ => return,
    };
    // a label stands before it, and a loop that has a value has no condition
    let Some(at) = head.rfind(keyword) else { return };
    if matches!(bench.view.parent_role(node), Role::Declarator | Role::Assign) {
        return;
    }
    let range = node.start_byte() + at..body.start_byte();
    for (piece, fit) in questions_of_loop(bench, body) {
        let what = format!("the loop goes on while `{}`", piece.text);
        let new = format!("{before}{}{after}", piece.text);
        bench.put(EditKind::LoopCondition, range.clone(), new, fit, what);
    }
}

/// What a loop may ask, with how likely each is.
fn questions_of_loop(bench: &mut Bench<'_>, body: Node<'_>) -> Vec<(Piece, f64)> {
    let body_text = bench.view.of(body).to_owned();
    let fits = |text: &str| {
        // what the body takes from or changes is what the loop waits for
        let mut names = super::words(text).filter(|word| word.len() > 1 || word.chars().all(char::is_alphabetic));
        let used = names.any(|name| {
            body_text.contains(&format!("{name}.pop"))
                || body_text.contains(&format!("{name}.shift"))
                || body_text.contains(&format!("{name} ="))
                || body_text.contains(&format!("{name}.poll"))
                || body_text.contains(&format!("{name} -="))
                || body_text.contains(&format!("{name}.remove"))
        });
        // a loop goes on while something is left
        let ends =
            text.starts_with("not ") || text.starts_with('!') || text.contains("is None") || text.contains("== ");
        (if used { 1.5 } else { 0.3 }) * if ends { 0.25 } else { 1.0 }
    };
    let atoms = bench.atoms(body).into_iter().take(90);
    let weighed = atoms.map(|atom| {
        let fit = atom.fit * fits(&atom.piece.text);
        (atom.piece, fit)
    });
    weighed.collect()
}

/// `c and atom`, `atom or c`, ...
fn stronger_and_weaker(bench: &mut Bench<'_>, condition: Node<'_>, scale: f64) {
    let own = bench.piece(condition);
    let words = &bench.view.words().words;
    let own_text = own.text.clone();
    for atom in bench.atoms(condition) {
        if own_text.contains(&atom.piece.text) && atom.piece.text.len() > 3 {
            continue;
        }
        let shares = super::words(&atom.piece.text).any(|word| word.len() > 1 && own_text.contains(word));
        let fit = scale * atom.fit * if shares { 1.0 } else { 0.8 };
        // what the rest relies on comes first; what has nothing to do with it comes last
        let (before, after) = if atom.guards && shares { (1.0, 0.3) } else { (0.25, 1.0) };
        for (kind, operator) in [(EditKind::StrengthenCondition, words.and), (EditKind::WeakenCondition, words.or)] {
            let new = Piece::binary(bench.view.words(), &own, operator, &atom.piece);
            put(bench, kind, condition, &new, fit * after);
            let new = in_front(bench, condition, &atom.piece, operator, &own);
            put(bench, kind, condition, &new, fit * before);
        }
    }
}

/// `atom and own`, without parentheses around a chain of the same operator.
fn in_front(bench: &Bench<'_>, node: Node<'_>, atom: &Piece, operator: &str, own: &Piece) -> Piece {
    if bench.view.operator_text(node) != operator {
        return Piece::binary(bench.view.words(), atom, operator, own);
    }
    Piece { text: format!("{} {operator} {}", atom.at(own.level), own.text), level: own.level }
}

/// So many names of a scope are compared with one that nobody reads.
const MOST_COMPARED: usize = 6;
/// A name that is bound and never read, beside a comparison of names. An estimate.
const NEVER_READ: f64 = 2.0;

/// `l <= west` becomes `l <= west and r >= east`, where nobody reads `r`.
fn unread(bench: &mut Bench<'_>, condition: Node<'_>) {
    let operator = bench.view.operator_text(condition).to_owned();
    let Some(opposite) = [("<", ">"), ("<=", ">=")].into_iter().find_map(|(a, b)| match operator.as_str() {
        text if text == a => Some(b),
        text if text == b => Some(a),
        _ => None,
    }) else {
        return;
    };
    let Some(function) = bench.view.function(condition).map(|function| bench.view.of(function)) else { return };
    let text = bench.view.of(condition);
    let names: Vec<String> = bench.candidates(condition, 0).into_iter().map(|(name, _)| name).collect();
    let lonely: Vec<&String> = names.iter().filter(|name| is_there_once(function, name)).take(3).collect();
    let others: Vec<&String> =
        names.iter().filter(|name| !lonely.contains(name) && !words(text).any(|word| word == name.as_str())).collect();
    let own = bench.piece(condition);
    let and = bench.view.words().words.and;
    for name in lonely {
        for other in others.iter().take(MOST_COMPARED) {
            for (sign, fit) in [(opposite, 1.0), (operator.as_str(), 0.7)] {
                let asked =
                    Piece::binary(bench.view.words(), &Piece::atom(name.as_str()), sign, &Piece::atom(other.as_str()));
                let new = Piece::binary(bench.view.words(), &own, and, &asked);
                put(bench, EditKind::StrengthenCondition, condition, &new, NEVER_READ * fit);
            }
        }
    }
}

/// `x` becomes `x is not None`, `x > 0`, `len(x) > 0`; `x is None` becomes `not x`.
fn questions(bench: &mut Bench<'_>, condition: Node<'_>) {
    let words = &bench.view.words().words;
    let (subject, is_negated) = match bench.view.role(condition) {
        Role::Not => (bench.view.children(condition).first().copied(), true),
        Role::Unary if bench.view.of(condition).starts_with('!') => {
            (bench.view.unary(condition).map(|(_, inner)| inner), true)
        }
        _ => (Some(condition), false),
    };
    let Some(subject) = subject else { return };
    if matches!(bench.view.role(subject), Role::Ident | Role::Member | Role::Call | Role::Index) {
        let piece = bench.piece(subject);
        let templates: [(&str, f64); 6] = if is_negated {
            [
                (words.is_null, 0.9),
                (words.is_empty, 0.6),
                ("{} == 0", 0.3),
                ("{} < 0", 0.1),
                (words.is_not_null, 0.2),
                ("{} <= 0", 0.1),
            ]
        } else {
            [
                (words.is_not_null, 0.9),
                (words.is_not_empty, 0.6),
                ("{} > 0", 0.4),
                ("{} != 0", 0.2),
                (words.is_null, 0.3),
                ("{} > 1", 0.2),
            ]
        };
        for (template, fit) in templates {
            let new = bench.fill(&bench.strict(template), &[&piece]);
            put(bench, EditKind::ReplaceOperand, condition, &new, fit);
        }
    }
    // `x is None` becomes `not x`
    if let [binary] = &bench.view.binaries(condition)[..]
        && bench.view.role(condition) == Role::Binary
        && matches!(bench.view.role(binary.right), Role::Null | Role::Number | Role::Str | Role::List)
        && bench
            .view
            .operator(condition)
            .is_some_and(|operator| matches!(operator.class, OperatorClass::Equality | OperatorClass::Order))
    {
        let left = bench.piece(binary.left);
        let not = bench.fill(if bench.view.language == Language::Python { "not {}" } else { "!{}" }, &[&left]);
        put(bench, EditKind::ReplaceOperand, condition, &not, 0.4);
        put(bench, EditKind::ReplaceOperand, condition, &left, 0.4);
    }
}

/// One side of `and`/`or` goes; parts are grouped otherwise; either side is negated.
fn parts(bench: &mut Bench<'_>, node: Node<'_>) {
    let is_logical = bench.view.operator(node).is_some_and(|operator| operator.class == OperatorClass::Logical);
    if bench.view.role(node) == Role::Not {
        let Some(inner) = bench.view.children(node).first().map(|inner| bench.view.unwrap_parens(*inner)) else {
            return;
        };
        let piece = bench.piece(inner);
        bench.replace(EditKind::NegateCondition, node, &piece, 0.8);
        return;
    }
    if !is_logical {
        return;
    }
    for binary in bench.view.binaries(node) {
        for side in [binary.left, binary.right] {
            let inner = bench.view.unwrap_parens(side);
            let piece = bench.piece(inner);
            bench.replace(EditKind::DropCondition, node, &piece, 1.0);
            let negation = negated(bench, inner);
            if !negation.text.is_empty() {
                let compared = bench.view.role(inner) == Role::Binary;
                bench.replace(EditKind::NegateCondition, side, &negation, if compared { 0.1 } else { 0.5 });
            }
            if bench.view.condition(inner).is_none() && bench.view.role(inner) != Role::Bool {
                questions(bench, inner);
            }
        }
        regroup(bench, node, binary.left, binary.right, &binary.at);
    }
}

/// `a and b or c` becomes `a and (b or c)`.
fn regroup(bench: &mut Bench<'_>, node: Node<'_>, left: Node<'_>, right: Node<'_>, at: &std::ops::Range<usize>) {
    let operator = bench.view.text[at.clone()].to_owned();
    let inner = bench.view.unwrap_parens(left);
    if let [below] = &bench.view.binaries(inner)[..]
        && bench.view.level(inner) <= 4
    {
        let lower = bench.view.text[below.at.clone()].to_owned();
        let words = bench.view.words();
        let grouped = Piece::binary(words, &bench.piece(below.right), &operator, &bench.piece(right));
        let grouped = Piece { text: format!("({})", grouped.text), level: level::ATOM };
        let whole = Piece::binary(words, &bench.piece(below.left), &lower, &grouped);
        bench.replace(EditKind::LogicalOperator, node, &whole, 0.5);
    }
    let inner = bench.view.unwrap_parens(right);
    if let [below] = &bench.view.binaries(inner)[..]
        && bench.view.level(inner) <= 4
    {
        let lower = bench.view.text[below.at.clone()].to_owned();
        let words = bench.view.words();
        let grouped = Piece::binary(words, &bench.piece(left), &operator, &bench.piece(below.left));
        let grouped = Piece { text: format!("({})", grouped.text), level: level::ATOM };
        let whole = Piece::binary(words, &grouped, &lower, &bench.piece(below.right));
        bench.replace(EditKind::LogicalOperator, node, &whole, 0.5);
    }
}

fn answer(bench: &mut Bench<'_>, node: Node<'_>) {
    let negation = negated(bench, node);
    let compared = bench.view.role(node) == Role::Binary && bench.view.level(node) > 4;
    put(bench, EditKind::NegateCondition, node, &negation, if compared { 0.15 } else { 0.6 });
    if matches!(bench.view.parent_role(node), Role::Return | Role::Block | Role::Clause | Role::Function | Role::Lambda)
    {
        stronger_and_weaker(bench, node, 0.8);
    }
}
