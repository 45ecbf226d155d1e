//! Character literals: the other case, the other end of a range, the neighbour, and those that the file has.

use super::super::EditKind;
use super::super::languages::level;
use super::super::piece::Piece;
use super::Bench;
use tree_sitter::Node;

/// Ends of the ranges that programs compare with, and characters that stand for each other: `(one, other, fit)`.
const TWINS: &[(char, char, f64)] = &[
    ('a', 'z', 0.5),
    ('A', 'Z', 0.5),
    ('0', '9', 0.5),
    ('0', '1', 0.5),
    ('f', 'z', 0.2),
    ('F', 'Z', 0.2),
    (' ', '_', 0.2),
    ('-', '_', 0.3),
    ('+', '-', 0.5),
    ('*', '/', 0.3),
    ('.', ',', 0.4),
    (',', ';', 0.4),
    (':', ';', 0.3),
    ('(', ')', 0.5),
    ('[', ']', 0.5),
    ('{', '}', 0.5),
    ('<', '>', 0.5),
    ('\'', '"', 0.3),
    ('/', '\\', 0.3),
    (' ', '\t', 0.2),
    ('\n', '\r', 0.3),
    (' ', '\n', 0.2),
];

/// No more than so many other characters of the file are tried.
const MOST_OTHERS: usize = 8;

pub(super) fn character(bench: &mut Bench<'_>, node: Node<'_>) {
    for (other, fit) in others(bench, bench.view.of(node)) {
        bench.replace(EditKind::StringLiteral, node, &Piece { text: other, level: level::ATOM }, fit);
    }
}

/// What may stand in place of a character, which is written `text`.
pub(super) fn others(bench: &Bench<'_>, text: &str) -> Vec<(String, f64)> {
    let Some((prefix, value)) = read(text) else { return Vec::new() };
    let mut options: Vec<(char, f64)> = Vec::new();
    let cases = value.to_lowercase().chain(value.to_uppercase());
    options.extend(cases.filter(char::is_ascii).map(|other| (other, 0.7)));
    for (one, other, fit) in TWINS {
        options.extend((*one == value).then_some((*other, *fit)));
        options.extend((*other == value).then_some((*one, *fit)));
    }
    if value.is_ascii_alphanumeric() {
        let near = [value as u8 + 1, value as u8 - 1].map(char::from);
        options.extend(near.into_iter().filter(char::is_ascii_alphanumeric).map(|other| (other, 0.25)));
    }
    let mut others: Vec<(String, f64)> =
        options.into_iter().filter(|(other, _)| *other != value).map(|(c, fit)| (written(prefix, c), fit)).collect();
    let is_alike = |other: &str| other != text && read(other).is_some_and(|(p, _)| p == prefix);
    let of_file = bench.names.characters.iter().filter(|(other, _)| is_alike(other));
    let often = |count: usize| 0.3 + 0.02 * count.min(5) as f64;
    others.extend(of_file.take(MOST_OTHERS).map(|(other, count)| (other.clone(), often(*count))));
    others
}

/// What stands before the quote (`b` in Rust), and the character.
fn read(text: &str) -> Option<(&str, char)> {
    let (prefix, rest) = text.split_once('\'')?;
    let inner = rest.strip_suffix('\'')?;
    let mut chars = inner.chars();
    let value = match (chars.next()?, chars.next()) {
        (c, None) => return Some((prefix, c)),
        ('\\', Some(c)) => match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            '\\' | '\'' | '"' => c,
            _ => return None,
        },
        _ => return None,
    };
    chars.next().is_none().then_some((prefix, value))
}

fn written(prefix: &str, value: char) -> String {
    let inner = match value {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\'' => "\\'".to_owned(),
        other => other.to_string(),
    };
    format!("{prefix}'{inner}'")
}
