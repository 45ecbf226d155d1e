//! Sentences and words: where they begin and end, and what kind of sentence one is.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// A pattern that is a literal of ours.
pub(super) fn pattern(source: &str) -> Regex {
    #[allow(clippy::expect_used, reason = "a literal that the tests compile")]
    Regex::new(source).expect("a literal pattern")
}

static ENDS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[.!?;]+[)\]\x22'”’]*\s+|\n\s*\n"));
static SHALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:shall|must)\b"));
static MODAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:should|will|can|may|could|might)\b"));
static CRITERION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:acceptance(?: criteri(?:on|a))?\b|given\b|then\b|and then\b|verified by\b|verification\b|fit criterion\b|scenario\b|tested by\b|test:)",
    )
});
static GIVEN: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?is)\bgiven\b.*\bwhen\b.*\bthen\b"));
static STORY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?is)\bas an? [^.]{2,80}?,? (?:I|we) (?:want|need|can|would)\b"));

/// Words after which a full stop ends no sentence.
const SHORT: &[&str] =
    &["e.g.", "i.e.", "etc.", "vs.", "cf.", "approx.", "no.", "resp.", "incl.", "fig.", "sec.", "min.", "max."];

/// The sentences of `range`, without the blanks around them.
pub fn split(prose: &str, range: &Range<usize>) -> Vec<Range<usize>> {
    let Some(text) = prose.get(range.clone()) else { return Vec::new() };
    let mut found = Vec::new();
    let mut start = 0;
    for end in ENDS.find_iter(text) {
        let before = &text[start..end.end()];
        let last = before.split_whitespace().next_back().unwrap_or_default().to_lowercase();
        let goes_on = text[end.end()..].chars().next().is_some_and(|c| c.is_lowercase() || c.is_ascii_digit());
        let short = SHORT.contains(&last.trim_start_matches('('));
        if short || (goes_on && !end.as_str().starts_with([';', '!', '?', '\n'])) {
            continue;
        }
        push(&mut found, text, start..end.end(), range.start);
        start = end.end();
    }
    push(&mut found, text, start..text.len(), range.start);
    found
}

fn push(into: &mut Vec<Range<usize>>, text: &str, part: Range<usize>, offset: usize) {
    let piece = &text[part.clone()];
    let (front, kept) = (piece.len() - piece.trim_start().len(), piece.trim());
    if !kept.is_empty() {
        let start = offset + part.start + front;
        into.push(start..start + kept.len());
    }
}

/// Says what should, will or can be?
pub fn has_modal(text: &str) -> bool {
    MODAL.is_match(text)
}

/// Says `shall` or `must`?
pub fn has_shall(text: &str) -> bool {
    SHALL.is_match(text)
}

/// How often `shall` or `must` is said.
pub fn shalls(text: &str) -> usize {
    SHALL.find_iter(text).count()
}

/// Is it a criterion: `Acceptance: …`, `Given … when … then …`?
pub fn is_criterion(text: &str) -> bool {
    CRITERION.is_match(text) || GIVEN.is_match(text)
}

/// Is it a user story: `As a …, I want …`?
pub fn is_story(text: &str) -> bool {
    STORY.is_match(text)
}
