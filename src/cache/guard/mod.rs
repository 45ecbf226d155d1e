//! The lexical guard: may the answer to one question be served for another that only looks like it?
//!
//! Vectors can't tell `enable` from `disable`, so similarity alone never decides. The guard explains every word of both
//! questions or refuses: literals (numbers, identifiers, paths, quotes) and names have to be equal, negation, modality,
//! time and direction have to agree, and what remains must be the same word, a form of it, a synonym, or a typing error.

mod frames;
mod lexicon;
mod literals;
mod words;

use std::fmt;

use frames::Question;
use words::{Marker, Reading, Word};

/// Why an answer is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Numbers, units, identifiers, paths or quoted strings differ.
    Literal,
    /// Another name.
    Name,
    /// One denies, the other does not.
    Negation,
    /// Another kind of question: why, how, when, how much.
    Question,
    /// May, must, should; or what was against what will be.
    Modality,
    /// The same words in other roles: from A to B, from B to A.
    Role,
    /// A word that nothing in the other question explains.
    Word,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Literal => "numbers, units, identifiers, paths or quotes differ",
            Refusal::Name => "a name differs",
            Refusal::Negation => "one of them denies",
            Refusal::Question => "another kind of question",
            Refusal::Modality => "another modality or time",
            Refusal::Role => "the same words in other roles",
            Refusal::Word => "a word has no counterpart",
        })
    }
}

/// Is there a reason not to serve the answer of `a` for `b`? Symmetric.
///
/// # Errors
/// The first reason found.
pub fn check(a: &str, b: &str) -> Result<(), Refusal> {
    let (a, b) = (Reading::of(a), Reading::of(b));
    if a.literals != b.literals {
        return Err(Refusal::Literal);
    }
    if a.denials != b.denials {
        return Err(Refusal::Negation);
    }
    if !same_question(&a, &b) {
        return Err(Refusal::Question);
    }
    if a.mode != b.mode || a.time.contradicts(b.time) {
        return Err(Refusal::Modality);
    }
    let pairs = align(&a.words, &b.words)?;
    roles(&a.words, &b.words, &pairs)
}

/// `What is the deadline` and `when is the deadline` ask for the same.
fn same_question(a: &Reading, b: &Reading) -> bool {
    let timely = |r: &Reading| r.words.iter().any(|w| matches!(w.text.as_str(), "deadline" | "date" | "time"));
    let asks_time = |r: &Reading| matches!(r.question, Question::When | Question::What) && timely(r);
    a.question == b.question || asks_time(a) && asks_time(b)
}

/// Pairs the words of both, strongest explanation first; every word needs a partner.
fn align(a: &[Word], b: &[Word]) -> Result<Vec<(usize, usize)>, Refusal> {
    let mut pairs = Vec::new();
    let (mut left, mut right): (Vec<usize>, Vec<usize>) = ((0..a.len()).collect(), (0..b.len()).collect());
    let explanations: [fn(&Word, &Word) -> bool; 4] =
        [|x, y| x.text == y.text, words::same_form, words::same_meaning, words::typing_error];
    for explains in explanations {
        left.retain(|&i| {
            let found = right.iter().position(|&j| explains(&a[i], &b[j]));
            if let Some(at) = found {
                pairs.push((i, right.remove(at)));
            }
            found.is_none()
        });
    }
    phrases(a, b, &mut left, &mut right);
    phrases(b, a, &mut right, &mut left);
    let (left, right) = (left.iter().map(|&i| &a[i]), right.iter().map(|&j| &b[j]));
    let mut unexplained = left.chain(right).filter(|word| !lexicon::says_nothing(&word.text)).peekable();
    if unexplained.peek().is_none() {
        return Ok(pairs);
    }
    Err(if unexplained.any(|word| word.name) { Refusal::Name } else { Refusal::Word })
}

/// Two words in a row that mean one of the other side: `sign up` and `register`.
fn phrases(a: &[Word], b: &[Word], left: &mut Vec<usize>, right: &mut Vec<usize>) {
    let mut at = 0;
    while at + 1 < left.len() {
        let (i, j) = (left[at], left[at + 1]);
        let near = j - i <= 2 && !a[i].name && !a[j].name;
        let phrase = format!("{}_{}", a[i].text, a[j].text);
        match right.iter().position(|&k| near && !b[k].name && lexicon::synonyms(&phrase, &b[k].text)) {
            Some(found) => {
                right.remove(found);
                left.drain(at..at + 2);
            }
            None => at += 1,
        }
    }
}

/// A word keeps what governs it (`from`, `to`, `by`); a phrase may move to the front as a whole, a bare word may not swap.
fn roles(a: &[Word], b: &[Word], pairs: &[(usize, usize)]) -> Result<(), Refusal> {
    if pairs.iter().any(|&(i, j)| a[i].marker.contradicts(b[j].marker)) {
        return Err(Refusal::Role);
    }
    for (n, &(i, j)) in pairs.iter().enumerate() {
        for &(k, l) in &pairs[n + 1..] {
            if (i < k) == (j < l) {
                continue;
            }
            // The two changed places: fine if at least one is inside a phrase that kept its preposition.
            let moved = |x: usize, y: usize| a[x].phrase != Marker::None && a[x].phrase == b[y].phrase;
            if a[i].phrase_at == a[k].phrase_at || !(moved(i, j) || moved(k, l)) {
                return Err(Refusal::Role);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
