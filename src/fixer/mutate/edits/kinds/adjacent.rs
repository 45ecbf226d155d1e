//! What stands before an element and after it: `letter.isupper()` asks for `not name[at - 1].isupper()`.

use tree_sitter::Node;

use super::super::asked::joined;
use super::super::languages::Role;
use super::super::piece::Piece;
use super::Bench;
use super::twins::with_names;
use crate::syntax::language::Language;

/// The same question of the element before, or its contrary. Estimates.
const BEFORE: f64 = 0.4;
/// The same of the one after.
const AFTER: f64 = 0.2;
/// Longer questions are about one place only.
const MOST_BYTES: usize = 40;

impl Bench<'_> {
    /// What a condition asks of an element, asked of the one before it and of the one after it.
    pub(super) fn adjacent_atoms(&self, node: Node<'_>) -> Vec<(Piece, f64)> {
        let mut found = Vec::new();
        let mut parts = Vec::new();
        joined(self.view, node, &mut |part| parts.push(part));
        let around = self.enumerated(node);
        for part in parts.into_iter().filter(|part| part.byte_range().len() <= MOST_BYTES) {
            let (text, level) = (self.view.of(part), self.view.level(part));
            for (other, fit) in beside(text, around.as_ref()) {
                let asked = Piece { text: other, level };
                let contrary =
                    self.fill(if self.view.language == Language::Python { "not {}" } else { "!{}" }, &[&asked]);
                found.extend([(asked, fit), (contrary, fit)]);
            }
        }
        found
    }

    /// Python: place, element and sequence of the innermost `for at, element in enumerate(sequence)` around a node.
    fn enumerated(&self, node: Node<'_>) -> Option<(String, String, String)> {
        let each = self.view.ancestor(node, |role| role == Role::ForEach)?;
        let (left, right) = (each.child_by_field_name("left")?, each.child_by_field_name("right")?);
        let sequence = self.view.of(right).strip_prefix("enumerate(")?.strip_suffix(')')?;
        let (at, element) = self.view.of(left).split_once(',')?;
        let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let element = element.trim();
        (is_plain(sequence) && is_plain(at) && is_plain(element))
            .then(|| (at.to_owned(), element.to_owned(), sequence.to_owned()))
    }
}

/// A question with its element changed to the one before and to the one after.
fn beside(text: &str, around: Option<&(String, String, String)>) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    if let Some((at, element, sequence)) = around {
        for (step, fit) in [("- 1", BEFORE), ("+ 1", AFTER)] {
            found.push((with_names(text, &[(element, &format!("{sequence}[{at} {step}]"))]), fit));
        }
    }
    // `text[i]` with a plain name inside
    if let Some((before, rest)) = text.split_once('[')
        && let Some((index, after)) = rest.split_once(']')
        && !index.is_empty()
        && index.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !index.starts_with(|c: char| c.is_numeric())
    {
        for (step, fit) in [("- 1", BEFORE), ("+ 1", AFTER)] {
            found.push((format!("{before}[{index} {step}]{after}"), fit));
        }
    }
    found.retain(|(other, _)| other != text);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_of_the_neighbours_of_an_element() {
        let texts = |text: &str, around: Option<&(String, String, String)>| -> Vec<String> {
            beside(text, around).into_iter().map(|(text, _)| text).collect()
        };
        let around = ("at".to_owned(), "letter".to_owned(), "name".to_owned());
        assert_eq!(texts("letter.isupper()", Some(&around)), ["name[at - 1].isupper()", "name[at + 1].isupper()"]);
        assert_eq!(texts("at > 0", Some(&around)), [""; 0]);
        assert_eq!(texts("a[i] < 3", None), ["a[i - 1] < 3", "a[i + 1] < 3"]);
        assert_eq!(texts("a[0] < 3", None), [""; 0]);
    }
}
