//! Text of an expression that knows how tightly it holds together, so that parentheses come where they are needed and nowhere else.

use super::languages::{Description, level};
use super::view::View;
use crate::syntax::language::Language;
use tree_sitter::Node;

/// An expression as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub level: u8,
}

impl Piece {
    pub fn atom(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: level::ATOM }
    }
    pub fn of(view: View<'_>, node: Node<'_>) -> Self {
        Self { text: view.of(node).to_owned(), level: view.level(node) }
    }
    /// As an operand where at least `wanted` is asked for.
    pub fn at(&self, wanted: u8) -> String {
        if self.level < wanted { format!("({})", self.text) } else { self.text.clone() }
    }
    /// `left operator right`
    pub fn binary(language: &Description, left: &Piece, operator: &str, right: &Piece) -> Self {
        let own = language.operator(operator).map_or(level::ABOVE_TERNARY, |operator| operator.level);
        // comparisons don't chain
        let left_wanted = if own == 6 { own + 1 } else { own };
        Self { text: format!("{} {operator} {}", left.at(left_wanted), right.at(own + 1)), level: own }
    }
    /// Fills the slots `{}` (in order) or `{0}`, `{1}` of a template.
    pub fn fill(language: Language, template: &str, parts: &[&Piece]) -> Self {
        let description = Description::of(language);
        let mut text = String::new();
        let mut rest = template;
        let mut next = 0;
        while let Some((open, slot, skip)) = next_slot(rest) {
            text.push_str(&rest[..open]);
            let part = parts.get(slot.unwrap_or(next)).or(parts.last());
            next += 1;
            let wanted =
                wanted_in_template(description, &template[..template.len() - rest.len() + open], &rest[skip..]);
            if let Some(part) = part {
                text.push_str(&part.at(wanted));
            }
            rest = &rest[skip..];
        }
        text.push_str(rest);
        Self { text, level: template_level(description, template) }
    }
}

/// Start of the next `{}` or `{1}`, its number if it has one, and where the text after it begins.
fn next_slot(text: &str) -> Option<(usize, Option<usize>, usize)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|at| match bytes.get(at..) {
        Some([b'{', b'}', ..]) => Some((at, None, at + 2)),
        Some([b'{', digit @ b'0'..=b'9', b'}', ..]) => Some((at, Some(usize::from(digit - b'0')), at + 3)),
        _ => None,
    })
}

fn wanted_in_template(language: &Description, before: &str, after: &str) -> u8 {
    let mut wanted = level::LOWEST;
    let next = after.trim_start();
    if after.starts_with(['.', '[', '(', '?', '!']) && !after.starts_with("...") {
        wanted = wanted.max(level::POSTFIX);
    } else if next.starts_with("as ") {
        wanted = wanted.max(13);
    } else if next.starts_with("if ") || next.starts_with("else ") || (next.starts_with("? ") || next.starts_with(": "))
    {
        wanted = wanted.max(level::ABOVE_TERNARY);
    } else if let Some(operator) =
        language.operators.iter().filter(|op| next.starts_with(op.text)).max_by_key(|op| op.text.len())
    {
        let is_word = operator.text.starts_with(|c: char| c.is_alphabetic());
        if !is_word || after.starts_with(' ') {
            wanted = wanted.max(if operator.level == 6 { 7 } else { operator.level });
        }
    }
    let last = before.trim_end();
    if before.ends_with("not ") {
        return wanted.max(5);
    }
    if before.ends_with(['-', '*', '&', '!', '~'])
        || before.ends_with("await ")
        || (before.ends_with(") ") && before.starts_with('('))
        || before.ends_with("&mut ")
    {
        return wanted.max(level::UNARY);
    }
    if last.ends_with(" if") || last.ends_with(" else") || last.ends_with(" ?") || last.ends_with(" :") {
        return wanted.max(level::ABOVE_TERNARY);
    }
    if before.ends_with(' ')
        && let Some(operator) =
            language.operators.iter().filter(|op| last.ends_with(op.text)).max_by_key(|op| op.text.len())
    {
        wanted = wanted.max(operator.level + 1);
    }
    wanted
}

fn template_level(language: &Description, template: &str) -> u8 {
    let flat = outside_brackets(template);
    if flat.contains(" if ")
        || flat.contains(" ? ")
        || flat.starts_with("if ")
        || flat.contains(", ")
        || flat.contains(" => ")
    {
        return if flat.contains(", ") { level::LOWEST } else { level::TERNARY };
    }
    if flat.contains(" as ") {
        return 13;
    }
    let loosest =
        language.operators.iter().filter(|op| flat.contains(&format!(" {} ", op.text))).map(|op| op.level).min();
    if let Some(loosest) = loosest {
        return loosest;
    }
    if flat.starts_with("not ") {
        return 5;
    }
    let is_cast = template.starts_with('(') && template.contains(") {");
    if flat.starts_with(['-', '*', '&', '!', '~']) || flat.starts_with("await ") || is_cast {
        return level::UNARY;
    }
    level::POSTFIX
}

/// The text without what stands between brackets (slots stay).
fn outside_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut flat = String::new();
    for c in text.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => flat.push(c),
            _ => {}
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_come_where_they_are_needed() {
        let sum = Piece { text: "a + b".into(), level: 11 };
        let fill = |template: &str| Piece::fill(Language::Python, template, &[&sum]).text;
        assert_eq!(fill("len({})"), "len(a + b)");
        assert_eq!(fill("{}.strip()"), "(a + b).strip()");
        assert_eq!(fill("{} ** 2"), "(a + b) ** 2");
        assert_eq!(fill("{} - 1"), "a + b - 1");
        assert_eq!(fill("{} > 0"), "a + b > 0");
        assert_eq!(fill("-{}"), "-(a + b)");
        assert_eq!(fill("not {}"), "not a + b");
        assert_eq!(Piece::fill(Language::Rust, "{} as usize", &[&sum]).text, "(a + b) as usize");
        assert_eq!(Piece::fill(Language::Java, "(int) {}", &[&sum]).text, "(int) (a + b)");
        let all = Piece { text: "a and b".into(), level: 4 };
        assert_eq!(Piece::fill(Language::Python, "{} or c", &[&all]).text, "a and b or c");
        assert_eq!(Piece::fill(Language::Python, "not {}", &[&all]).text, "not (a and b)");
    }

    #[test]
    fn a_template_knows_its_own_level() {
        let python = Description::of(Language::Python);
        assert_eq!(template_level(python, "{} or 0"), 3);
        assert_eq!(template_level(python, "max({} or 0, 1)"), level::POSTFIX);
        assert_eq!(template_level(python, "{} ** 2"), 25);
        assert_eq!(template_level(Description::of(Language::JavaScript), "{1} ? {0} : {2}"), level::TERNARY);
    }
}
