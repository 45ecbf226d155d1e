//! Text as loops compare it: words, quotes that stand in a text, answers that say the same.

use std::collections::BTreeSet;

use crate::likeness::share;

/// One form for everything that looks alike: small letters, single blanks, no markup, plain quotation marks and dashes.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '“' | '”' | '„' | '«' | '»' | '"' | '‘' | '’' | '‚' | '\'' | '*' | '`' | '_' | '~' => {
                continue;
            }
            '–' | '—' | '−' | '\u{2010}' | '\u{2011}' => '-',
            '\u{200b}'..='\u{200f}' | '\u{feff}' => continue,
            c if c.is_whitespace() => ' ',
            c => c,
        };
        if c == ' ' && (out.ends_with(' ') || out.is_empty()) {
            continue;
        }
        match c.is_ascii() {
            true => out.push(c.to_ascii_lowercase()),
            false => out.extend(c.to_lowercase()),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Without the dots that models put around what they quote.
fn quoted(quote: &str) -> String {
    plain(quote).trim_matches(|c: char| c == '.' || c == '…' || c == ' ').to_owned()
}

/// Is there enough in `quote` that finding it says something? Two words, a longer one, or a number.
pub fn can_be_found(quote: &str) -> bool {
    let quote = quoted(quote);
    let words: Vec<&str> = quote.split(' ').filter(|w| w.chars().any(char::is_alphanumeric)).collect();
    words.len() > 1 || words.iter().any(|w| w.chars().count() >= 4 || w.chars().any(|c| c.is_ascii_digit()))
}

/// Do the quoted words stand in `text`, word for word?
pub fn stands_in(quote: &str, text: &str) -> bool {
    stands_in_plain(quote, &plain(text))
}

/// The same, where `text` is [`plain`] already: for several quotes of one text.
pub fn stands_in_plain(quote: &str, text: &str) -> bool {
    let quote = quoted(quote);
    if quote.is_empty() {
        return false;
    }
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(&quote).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + quote.len()..].chars().next();
        // `art` does not stand in `start`
        !(is_word(before) && is_word(quote.chars().next()) || is_word(after) && is_word(quote.chars().next_back()))
    })
}

/// Words that say nothing about what a text is about.
const FILLER: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "do", "does", "for", "from", "has",
    "have", "if", "in", "into", "is", "it", "its", "of", "on", "or", "should", "so", "some", "that", "the", "their",
    "then", "there", "these", "they", "this", "to", "was", "were", "when", "which", "while", "will", "with", "would",
    "not", "no", "answer", "also", "still", "really", "very", "indeed",
];

/// The words that count, in one form: small letters, without the commonest endings.
pub fn words(text: &str) -> BTreeSet<String> {
    plain(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 1 && !FILLER.contains(word))
        .map(stem)
        .collect()
}

fn stem(word: &str) -> String {
    for end in ["ings", "ing", "edly", "ed", "es", "s", "ly"] {
        if let Some(rest) = word.strip_suffix(end)
            && rest.len() >= 3
        {
            return rest.trim_end_matches('e').to_owned();
        }
    }
    word.trim_end_matches('e').to_owned()
}

/// The share of words that both have, 0 to 1; two texts without words are the same when they are equal.
pub fn likeness(a: &str, b: &str) -> f64 {
    if plain(a) == plain(b) {
        return 1.0;
    }
    share(&words(a), &words(b))
}

/// Do two positions say the same? Numbers and negations are never the same as others.
pub fn same_position(a: &str, b: &str) -> bool {
    let (p, q) = (bare(a), bare(b));
    if p == q {
        return true;
    }
    if p.is_empty() || q.is_empty() || marks(&p) != marks(&q) {
        return false;
    }
    const SAME: f64 = 0.7;
    likeness(&p, &q) >= SAME
}

/// Without punctuation at the ends and in between.
fn bare(text: &str) -> String {
    let kept: String =
        plain(text).chars().map(|c| if c.is_alphanumeric() || ".-+/%".contains(c) { c } else { ' ' }).collect();
    let words: Vec<&str> = kept.split_whitespace().map(|w| w.trim_matches(|c: char| ".-/".contains(c))).collect();
    words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What turns a sentence into another one: numbers, and words that negate.
fn marks(text: &str) -> Vec<String> {
    const NEGATES: &[&str] =
        &["not", "no", "never", "none", "without", "dont", "doesnt", "cannot", "cant", "shouldnt", "avoid", "reject"];
    let mut marks: Vec<String> = text
        .split(' ')
        .filter(|w| NEGATES.contains(w) || w.chars().any(|c| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    marks.sort();
    marks
}

/// At most `most` characters, on one line.
pub fn short(text: &str, most: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= most {
        return flat;
    }
    let mut cut: String = flat.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// At most `most` characters, cut between two words where there are two, without a mark: what is left of a quote still stands
/// where all of it stood.
pub fn cut(text: &str, most: usize) -> &str {
    let text = text.trim();
    let Some((at, next)) = text.char_indices().nth(most) else { return text };
    let between = if next.is_whitespace() { Some(at) } else { text[..at].rfind(char::is_whitespace) };
    text[..between.unwrap_or(at)].trim_end()
}

/// At most `most` characters, cut at the end of a line or a word where there is one near.
pub fn clipped(text: &str, most: usize) -> String {
    let text = text.trim();
    let Some((at, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let head = &text[..at];
    let end = head.rfind(['\n', ' ']).filter(|end| *end > at / 2).unwrap_or(at);
    format!("{} […]", head[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_are_found_word_for_word_and_not_inside_of_words() {
        for (quote, text, found) in [
            ("no server", "It needs **no\n server**.", true),
            ("…needs no server…", "It needs no server.", true),
            ("art", "we start", false),
            ("no servers", "no server", false),
            ("x – y", "x - y", true),
            ("", "anything", false),
            ("...", "a...b", false),
        ] {
            assert_eq!(stands_in(quote, text), found, "{quote} / {text}");
        }
    }

    #[test]
    fn positions_are_the_same_in_other_words_and_never_with_another_number_or_a_not() {
        for (a, b, same) in [
            ("Use SQLite.", "use sqlite", true),
            ("**42**", "42.", true),
            ("42", "43", false),
            ("B", "b)", true),
            ("A", "B", false),
            ("Keep SQLite behind a Store trait", "Keep SQLite behind the trait Store", true),
            ("Ship it on Monday", "Do not ship it on Monday", false),
            ("", "", true),
            ("", "yes", false),
        ] {
            assert_eq!(same_position(a, b), same, "{a} / {b}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_out_of_a_text_stands_in_it(text in "[a-zA-Z ,.*_\n“”–]{0,60}", from in 0..60_usize, len in 1..30_usize) {
            let words: Vec<&str> = text.split_whitespace().collect();
            if words.is_empty() { return Ok(()); }
            let from = from % words.len();
            let quote = words[from..(from + len).min(words.len())].join(" ");
            if can_be_found(&quote) {
                prop_assert!(stands_in(&quote, &text), "{:?} in {:?}", quote, text);
                let most = words[from].chars().count() + 1;
                let part = cut(&quote, most);
                prop_assert!(!can_be_found(part) || stands_in(part, &text), "{:?} in {:?}", part, text);
            }
        }

        #[test]
        fn any_text_is_compared_without_a_panic(a in "\\PC{0,40}", b in "\\PC{0,40}", most in 1..20_usize) {
            let share = likeness(&a, &b);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert!(short(&a, most).chars().count() <= most);
            prop_assert!(cut(&a, most).chars().count() <= most && a.contains(cut(&a, most)));
            let _ = (clipped(&a, most), same_position(&a, &b), stands_in(&a, &b));
        }
    }
}
