//! Literals: numbers, booleans, nothing, strings, collections.

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::super::piece::Piece;
use super::super::scope::is_character;
use super::{Bench, Place, Spot, characters, radix, regexes};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.role == Role::Pair) {
        key_and_value(bench, spot.node);
    }
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        match spot.role {
            Role::Number => number(bench, spot.node),
            Role::Bool => boolean(bench, spot.node),
            Role::Null => nothing(bench, spot.node),
            Role::Str => string(bench, spot.node),
            Role::List | Role::SetLit | Role::Tuple => collection(bench, spot.node),
            Role::Dict => dictionary(bench, spot.node),
            Role::Literal if is_character(spot.node) => characters::character(bench, spot.node),
            Role::Literal if spot.node.kind() == "regex" => {
                for (other, fit) in regexes::others(bench.view.of(spot.node)) {
                    replace_by(bench, EditKind::StringLiteral, spot.node, &other, fit);
                }
            }
            _ => {}
        }
        if matches!(spot.role, Role::Number | Role::Bool | Role::Null | Role::Str | Role::List) {
            by_name(bench, spot.node);
        }
        if matches!(bench.view.of(spot.node), "list()" | "dict()" | "set()") {
            for other in ["[]", "{}", "set()"] {
                bench.replace(EditKind::CollectionLiteral, spot.node, &Piece::atom(other), 0.4);
            }
        }
    }
}

fn replace_by(bench: &mut Bench<'_>, kind: EditKind, node: Node<'_>, text: &str, fit: f64) {
    let level = if text.starts_with('-') {
        super::super::languages::level::UNARY
    } else {
        super::super::languages::level::ATOM
    };
    bench.replace(kind, node, &Piece { text: text.to_owned(), level }, fit);
}

fn number(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let to_other_base = radix::others(text);
    if !to_other_base.is_empty() {
        for (other, fit) in to_other_base {
            replace_by(bench, EditKind::Numeral, node, &other, fit);
        }
        return;
    }
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    if let Ok(value) = digits.parse::<i64>() {
        integer(bench, node, value, suffix);
    } else if let Ok(value) = digits.parse::<f64>() {
        for (other, fit) in [
            (value + 1.0, 0.4),
            (value - 1.0, 0.4),
            (value * 10.0, 0.3),
            (value / 10.0, 0.3),
            (value * 2.0, 0.3),
            (value / 2.0, 0.3),
            (1.0 - value, 0.3),
            (0.0, 0.4),
            (1.0, 0.4),
            (value * 100.0, 0.2),
            (value / 100.0, 0.2),
        ] {
            let mut text = format!("{other}");
            if !text.contains(['.', 'e']) {
                text.push_str(".0");
            }
            replace_by(bench, EditKind::Numeral, node, &format!("{text}{suffix}"), fit);
        }
    } else {
        return;
    }
    let mut others: Vec<String> = Vec::new();
    for source in bench.numbers() {
        if source != text && others.len() < 6 {
            others.push(source);
        }
    }
    for other in others {
        replace_by(bench, EditKind::Numeral, node, &other, 0.15);
    }
}

/// Numbers that people know by heart: hours, minutes, days and seconds, letters and alphabets, angles, sizes of machines.
const WELL_KNOWN: [i64; 36] = [
    12, 16, 24, 26, 28, 30, 31, 32, 36, 48, 52, 60, 64, 65, 90, 97, 100, 127, 128, 180, 255, 256, 360, 365, 366, 400,
    512, 1000, 1024, 1440, 3600, 4096, 32_767, 65_535, 65_536, 86_400,
];

/// Which of two is meant is a slip of the head and not of a digit: thousands and units of machines. An estimate.
const MISTAKEN: [(i64, i64); 3] = [(1000, 1024), (1_000_000, 1_048_576), (60, 100)];
const TAKEN_FOR: f64 = 0.8;

/// Those that are one slip of a digit away, with how likely each is: the longer, the less by chance. Estimates.
fn well_known(value: i64) -> Vec<(i64, f64)> {
    let other = MISTAKEN.iter().find_map(|(a, b)| match value {
        _ if value == *a => Some((*b, TAKEN_FOR)),
        _ if value == *b => Some((*a, TAKEN_FOR)),
        _ => None,
    });
    let text = value.to_string();
    let near = |known: &&i64| text.len() > 1 && strsim::damerau_levenshtein(&text, &known.to_string()) == 1;
    let slips = WELL_KNOWN.iter().filter(near).map(|known| (*known, if *known < 100 { 0.1 } else { 0.6 }));
    slips.chain(other).collect()
}

/// What letters and digits are read and written to. Estimates.
const BASES: [(i64, f64); 4] = [(10, 0.8), (16, 0.6), (36, 0.6), (2, 0.5)];

/// Is a number the base of a call such as `parseInt(text, 10)`?
fn is_base(bench: &Bench<'_>, node: Node<'_>) -> bool {
    let call = node.parent().filter(|list| bench.view.role(*list) == Role::Args).and_then(|list| list.parent());
    let names = [
        "parseInt",
        "toString",
        "int",
        "from_str_radix",
        "to_digit",
        "from_digit",
        "ParseInt",
        "FormatInt",
        "is_digit",
    ];
    call.is_some_and(|call| names.contains(&bench.view.called(call)))
}

/// `record["day"]` becomes `record["id"]`, which is a key elsewhere: another field. An estimate.
const ANOTHER_KEY: f64 = 1.0;

/// A number with which its statement does nothing is a deletion in disguise. An estimate.
const DOES_NOTHING: f64 = 0.05;

/// Who halves, or asks for even and odd, meant it. An estimate.
const NO_HALF: f64 = 0.2;

/// One becomes two less often than nought, and from the end hardly ever. Estimates.
const TWO: f64 = 0.7;
const TWO_FROM_END: f64 = 0.3;
/// What begins with nought is set back to nought. An estimate.
const SET_BACK: f64 = 0.3;

/// A number that a number seldom becomes where it stands, with what is left of its fit.
fn unlikely(bench: &Bench<'_>, node: Node<'_>, value: i64) -> Option<(i64, f64)> {
    if value == 1 {
        let is_negative = bench.view.parent_role(node) == Role::Unary;
        return Some((2, if is_negative { TWO_FROM_END } else { TWO }));
    }
    let assignment = node.parent().filter(|_| value == 0)?;
    let (target, own) = bench.view.assignment(assignment).filter(|(_, right)| right.id() == node.id())?;
    let (target, own) = (bench.view.of(target), bench.view.of(own));
    let mut begins = false;
    each_node(bench.view.function(node)?, &mut |inner| {
        let set = bench
            .view
            .assignment(inner)
            .filter(|(left, _)| inner.end_byte() <= assignment.start_byte() && bench.view.of(*left) == target);
        begins |= set.is_some_and(|(_, right)| bench.view.of(right) == own);
    });
    begins.then_some((1, SET_BACK))
}

/// Nought where something is added or taken away, one where it is multiplied or divided.
fn idle(bench: &Bench<'_>, node: Node<'_>) -> Option<i64> {
    let parent = node.parent()?;
    let operator = match bench.view.role(parent) {
        Role::AugAssign => {
            let (left, right) = bench.view.assignment(parent)?;
            bench.view.text[left.end_byte()..right.start_byte()].trim().strip_suffix('=')?
        }
        _ => {
            let (other, operator) = bench.other_side(node)?;
            let is_last = other.end_byte() <= node.start_byte();
            if is_last || matches!(operator, "+" | "*") { operator } else { return None }
        }
    };
    match operator {
        "+" | "-" | "<<" | ">>" | "|" | "^" => Some(0),
        "*" | "/" | "//" | "**" | "%" => Some(1),
        _ => None,
    }
}

fn integer(bench: &mut Bench<'_>, node: Node<'_>, value: i64, suffix: &str) {
    let small = value.unsigned_abs() < 4;
    // one, nought and their neighbours are by far the commonest numbers in fixes (estimate)
    let mut options = vec![
        (value.wrapping_add(1), 1.0),
        (value.wrapping_sub(1), 1.0),
        (0, 0.8),
        (1, 0.8),
        (-1, 0.3),
        (2, if small { 0.5 } else { 0.2 }),
        (value.wrapping_neg(), 0.3),
        (value.wrapping_mul(2), 0.15),
        (value / 2, 0.15),
        (value.wrapping_mul(10), 0.15),
        (value / 10, 0.15),
        (value.wrapping_add(2), 0.15),
        (value.wrapping_sub(2), 0.15),
        (3, 0.1),
        (10, 0.05),
        (100, 0.04),
    ];
    if !small {
        options.extend([
            (value.wrapping_add(10), 0.1),
            (value.wrapping_sub(10), 0.1),
            (value.wrapping_add(100), 0.05),
            (value.wrapping_sub(100), 0.05),
        ]);
    }
    options.extend(well_known(value));
    if is_base(bench, node) {
        options.extend(BASES);
    }
    let idle = idle(bench, node);
    let unlikely = unlikely(bench, node, value);
    let is_half = value == 2
        && bench.other_side(node).is_some_and(|(other, operator)| {
            matches!(operator, "/" | "//" | "%" | ">>") && other.end_byte() <= node.start_byte()
        });
    for (other, fit) in options {
        let fit = if Some(other) == idle { fit * DOES_NOTHING } else { fit };
        let fit = if is_half { fit * NO_HALF } else { fit };
        let fit = unlikely.filter(|(number, _)| *number == other).map_or(fit, |(_, part)| fit * part);
        if other != value {
            replace_by(bench, EditKind::Numeral, node, &format!("{other}{suffix}"), fit);
        }
    }
    let infinite: &[&str] = match bench.view.language {
        Language::Python => &["float('inf')", "float('-inf')"],
        Language::JavaScript | Language::TypeScript | Language::Tsx => &["Infinity", "-Infinity"],
        Language::Java => &["Integer.MAX_VALUE", "Integer.MIN_VALUE"],
        Language::Go => &["math.MaxInt", "math.MinInt"],
        Language::Rust => &["i32::MAX", "i32::MIN", "usize::MAX"],
    };
    let is_start = matches!(bench.view.parent_role(node), Role::Assign | Role::Declarator) && value.unsigned_abs() < 2;
    for other in infinite.iter().filter(|_| is_start) {
        replace_by(bench, EditKind::Numeral, node, other, 0.2);
    }
    if suffix.is_empty() && is_start {
        for other in bench.view.words().words.nulls {
            replace_by(bench, EditKind::NullLiteral, node, other, 0.2);
        }
    }
}

fn boolean(bench: &mut Bench<'_>, node: Node<'_>) {
    let words = &bench.view.words().words;
    let other = if bench.view.of(node) == words.yes { words.no } else { words.yes };
    replace_by(bench, EditKind::BooleanLiteral, node, other, 1.0);
    for null in words.nulls {
        replace_by(bench, EditKind::NullLiteral, node, null, 0.2);
    }
    // `quoted = True` becomes `quoted = not quoted`
    let assigned = node.parent().and_then(|parent| bench.view.assignment(parent));
    if let Some((left, right)) = assigned
        && right.id() == node.id()
        && bench.view.parent_role(node) == Role::Assign
    {
        let toggled = super::conditions::negated(bench, left);
        bench.replace(EditKind::BooleanLiteral, node, &toggled, 0.5);
    }
}

fn nothing(bench: &mut Bench<'_>, node: Node<'_>) {
    for (text, _) in bench.view.words().identities {
        replace_by(bench, EditKind::NullLiteral, node, text, 0.5);
    }
}

fn string(bench: &mut Bench<'_>, node: Node<'_>) {
    let text = bench.view.of(node);
    let Some(quote) = text.chars().last().filter(|c| matches!(c, '"' | '\'' | '`')) else { return };
    let Some(start) = text.find(quote) else { return };
    let (prefix, rest) = text.split_at(start + 1);
    let inner = &rest[..rest.len().saturating_sub(1)];
    if inner.starts_with(quote) || text.contains('\n') {
        return;
    }
    let wrap = |inner: &str| format!("{prefix}{inner}{quote}");
    let mut options: Vec<(String, f64)> = vec![(wrap(""), 0.5)];
    if inner.is_empty() {
        options.extend([(wrap(" "), 0.6), (wrap(","), 0.2), (wrap("0"), 0.2)]);
    } else {
        options.extend([
            (wrap(&format!("{inner} ")), 0.3),
            (wrap(&format!(" {inner}")), 0.2),
            (wrap(inner.trim_end()), 0.5),
            (wrap(inner.trim()), 0.5),
            (wrap(&inner.to_lowercase()), 0.3),
            (wrap(&inner.to_uppercase()), 0.3),
            (wrap(&format!("{inner}\\n")), 0.2),
        ]);
    }
    for (old, new) in [
        ("< ", "<= "),
        ("%d", "%s"),
        (".2f", ".1f"),
        ("[a-z]", "[a-zA-Z]"),
        ("[0-9]", "[0-9a-z]"),
        ("*", "+"),
        ("+", "*"),
        ("-", "_"),
        ("_", "-"),
        (",", ";"),
        (".", ","),
        ("0", "1"),
        ("1", "0"),
    ] {
        if inner.contains(old) && inner.len() <= 24 {
            options.push((wrap(&inner.replacen(old, new, 1)), 0.15));
        }
    }
    let is_key = bench.view.parent_role(node) == Role::Index;
    for (other, count) in &bench.names.strings {
        if other != text && other.starts_with(['"', '\'', '`']) {
            let near = strsim::normalized_damerau_levenshtein(other, text);
            let fit = 0.15 + 0.5 * near + 0.02 * (*count).min(5) as f64;
            let of_key = if is_key && bench.view.text.contains(&format!("[{other}]")) { ANOTHER_KEY } else { 0.0 };
            options.push((other.clone(), fit.max(of_key)));
        }
    }
    for (other, fit) in options {
        replace_by(bench, EditKind::StringLiteral, node, &other, fit);
    }
    for null in bench.view.words().words.nulls {
        replace_by(bench, EditKind::NullLiteral, node, null, 0.15);
    }
}

fn collection(bench: &mut Bench<'_>, node: Node<'_>) {
    let children = bench.view.children(node);
    let Some(first) = children.first() else { return empty(bench, node) };
    let text = bench.view.of(node);
    // one element less
    if children.len() >= 2 {
        for (at, child) in children.iter().enumerate() {
            let range = if at + 1 < children.len() {
                child.start_byte()..children[at + 1].start_byte()
            } else {
                children[at - 1].end_byte()..child.end_byte()
            };
            let (from, to) = (range.start - node.start_byte(), range.end - node.start_byte());
            let new = format!("{}{}", &text[..from], &text[to..]);
            bench.put(
                EditKind::CollectionLiteral,
                node.byte_range(),
                new,
                0.2,
                format!("`{}` goes", super::short(bench.view.of(*child))),
            );
        }
    } else if bench.view.role(node) == Role::List {
        let (open, close) =
            (&text[..first.start_byte() - node.start_byte()], &text[first.end_byte() - node.start_byte()..]);
        bench.put(
            EditKind::CollectionLiteral,
            node.byte_range(),
            format!("{open}{close}"),
            0.4,
            format!("`{text}` becomes empty"),
        );
        let inner = bench.piece(*first);
        bench.replace(EditKind::KeepPart, node, &inner, 0.4);
    }
    // one element more, from the names in scope
    if matches!(bench.view.role(node), Role::List | Role::SetLit) || node.kind() == "tuple" {
        let last = children[children.len() - 1].end_byte();
        for (name, fit) in bench.candidates(node, 0).into_iter().take(6) {
            bench.put(
                EditKind::CollectionLiteral,
                last..last,
                format!(", {name}"),
                0.3 * fit,
                format!("`{name}` comes into `{}`", super::short(text)),
            );
            bench.put(
                EditKind::CollectionLiteral,
                first.start_byte()..first.start_byte(),
                format!("{name}, "),
                0.25 * fit,
                format!("`{name}` comes into `{}`", super::short(text)),
            );
        }
    }
}

fn empty(bench: &mut Bench<'_>, node: Node<'_>) {
    if bench.view.role(node) != Role::List || bench.view.language == Language::Java {
        return;
    }
    for (text, fit) in [("[[]]", 0.9), ("[0]", 0.5), ("[1]", 0.3)] {
        replace_by(bench, EditKind::CollectionLiteral, node, text, fit);
    }
    for null in bench.view.words().words.nulls {
        replace_by(bench, EditKind::NullLiteral, node, null, 0.3);
    }
    for (name, fit) in bench.candidates(node, 0).into_iter().take(6) {
        replace_by(bench, EditKind::CollectionLiteral, node, &format!("[{name}]"), 0.9 * fit);
    }
    if bench.view.language == Language::Python {
        for text in ["set()", "{}", "\"\""] {
            replace_by(bench, EditKind::CollectionLiteral, node, text, 0.3);
        }
    }
}

fn dictionary(bench: &mut Bench<'_>, node: Node<'_>) {
    if bench.view.of(node) != "{}" {
        return;
    }
    let others: &[(&str, f64)] = match bench.view.language {
        Language::Python => &[("set()", 0.5), ("[]", 0.4), ("None", 0.2)],
        Language::JavaScript | Language::TypeScript | Language::Tsx => {
            &[("[]", 0.4), ("new Map()", 0.3), ("null", 0.3), ("Object.create(null)", 0.4)]
        }
        _ => &[],
    };
    for (text, fit) in others {
        replace_by(bench, EditKind::CollectionLiteral, node, text, *fit);
    }
}

/// Python: `{key: value for …}` becomes `{value: key for …}`.
fn key_and_value(bench: &mut Bench<'_>, node: Node<'_>) {
    let (Some(key), Some(value)) = (node.child_by_field_name("key"), node.child_by_field_name("value")) else { return };
    let in_comprehension = bench.view.parent_role(node) == Role::Comprehension;
    let is_name = matches!(bench.view.role(key), Role::Ident | Role::Member | Role::Index);
    if bench.view.language != Language::Python || !(in_comprehension || is_name) {
        return;
    }
    let (first, second) = (bench.view.of(key), bench.view.of(value));
    let between = &bench.view.text[key.end_byte()..value.start_byte()];
    let fit = if in_comprehension { 0.6 } else { 0.2 };
    let what = format!("`{}` and `{}` change places", super::short(first), super::short(second));
    bench.put(EditKind::SwapOperands, node.byte_range(), format!("{second}{between}{first}"), fit, what);
}

/// A literal that should have been a name; as an index, also what is beside it: `values[0]` asks for `values[i - 1]`.
fn by_name(bench: &mut Bench<'_>, node: Node<'_>) {
    let known = bench.shape(node);
    let subscript = node.parent().and_then(|parent| bench.view.index(parent));
    let is_index = subscript.is_some_and(|(_, index)| index.id() == node.id());
    let neighbour = subscript.filter(|_| is_index).and_then(|(object, _)| index_beside(bench, node, object));
    for (name, fit) in bench.candidates(node, known).into_iter().take(8) {
        let fit = if known & shape::BOOL != 0 { fit * 0.5 } else { fit };
        replace_by(bench, EditKind::ReplaceOperand, node, &name, 0.5 * fit);
        for beside in ["{} - 1", "{} + 1"].iter().filter(|_| is_index) {
            let piece = bench.fill(beside, &[&Piece::atom(&name)]);
            let likely = if neighbour == Some(name.as_str()) { 3.0 } else { 0.4 };
            bench.replace(EditKind::ReplaceOperand, node, &piece, likely * fit);
        }
    }
}

/// The index that the other side of a comparison has in the same `object`: in `values[i] > values[0]` neighbours are meant.
fn index_beside<'b>(bench: &Bench<'b>, node: Node<'_>, object: Node<'_>) -> Option<&'b str> {
    let (other, _) = bench.other_side(node.parent()?)?;
    let (same, index) = bench.view.index(other)?;
    (bench.view.of(same) == bench.view.of(object)).then(|| bench.view.of(index))
}

impl Bench<'_> {
    /// Numbers of the file as they are written, each once.
    pub(super) fn numbers(&self) -> Vec<String> {
        self.source.numbers().to_vec()
    }
}
