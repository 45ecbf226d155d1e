//! A question as the guard reads it: its literals, its kind, and the words that mean something, each with what governs it.

use std::collections::HashSet;

use super::frames::{self, Question};
use super::{lexicon, literals};

/// The preposition that governs a word, where it decides about roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Marker {
    None,
    From,
    To,
    By,
    With,
    For,
    Of,
    /// on, in, at, during, about: a place or a topic
    Place,
}

impl Marker {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "from" => Marker::From,
            "to" | "into" | "onto" | "toward" | "towards" => Marker::To,
            "by" => Marker::By,
            "with" => Marker::With,
            "for" => Marker::For,
            "of" => Marker::Of,
            "on" | "in" | "at" | "during" | "about" | "within" | "inside" | "regarding" => Marker::Place,
            _ => return None,
        })
    }

    /// From where and to where can't be the same role.
    pub(super) fn contradicts(self, other: Self) -> bool {
        matches!((self, other), (Marker::From, Marker::To | Marker::By) | (Marker::To | Marker::By, Marker::From))
    }
}

/// May, should, must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    None,
    May,
    Should,
    Must,
}

/// Past or future, where the words say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Time {
    Open,
    Past,
    Future,
}

impl Time {
    pub(super) fn contradicts(self, other: Self) -> bool {
        matches!((self, other), (Time::Past, Time::Future) | (Time::Future, Time::Past))
    }
}

/// A word that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// In lower case, its base form where known.
    pub text: String,
    /// Written like a name somewhere in the question: only itself explains it.
    pub name: bool,
    /// What governs it.
    pub marker: Marker,
    /// The preposition of its phrase.
    pub phrase: Marker,
    /// Which phrase of the question.
    pub phrase_at: usize,
}

/// A question, read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// In their order: expected 3 and got 4 is not expected 4 and got 3.
    pub literals: Vec<String>,
    pub denials: usize,
    pub question: Question,
    pub mode: Mode,
    pub time: Time,
    pub words: Vec<Word>,
}

impl Reading {
    pub(super) fn of(text: &str) -> Self {
        let text = text.replace(['’', '‘'], "'");
        let (rest, mut found) = literals::quoted(&text);
        let names = names(&rest);
        let (question, rest) = frames::split(&rest);
        let all = tokens(&text);
        let denials = tokens(&literals::quoted(&text).0).iter().filter(|t| lexicon::denies(t)).count();
        let mut words = collect(&rest, &names, &mut found);
        if question == Question::HowLong {
            // how long it takes, lasts, stays: the frame says it already
            words.retain(|w| !matches!(w.text.as_str(), "take" | "last" | "stay" | "remain" | "long"));
        }
        let (mode, time) = (mode(&all, question), time(&all));
        // an order asks for the same as the question how to do it never: `delete it` acts, `how do I delete it` tells
        Self { literals: found, denials, question, mode, time, words }
    }
}

fn mode(tokens: &[String], question: Question) -> Mode {
    if !matches!(question, Question::Whether | Question::Statement | Question::What) {
        return Mode::None;
    }
    let has = |list: &[&str]| tokens.iter().any(|t| list.contains(&t.as_str()));
    if has(&["must", "need", "needs", "required", "shall", "obliged", "mandatory", "require"]) {
        Mode::Must
    } else if has(&["should", "ought", "recommended", "advisable"]) {
        Mode::Should
    } else if has(&[
        "can",
        "could",
        "may",
        "might",
        "able",
        "allowed",
        "possible",
        "ok",
        "okay",
        "permitted",
        "entitled",
    ]) {
        Mode::May
    } else {
        Mode::None
    }
}

fn time(tokens: &[String]) -> Time {
    let has = |list: &[&str]| tokens.iter().any(|t| list.contains(&t.as_str()));
    match (has(&["will", "'ll", "shall"]), has(&["did", "was", "were", "had"])) {
        (true, false) => Time::Future,
        (false, true) => Time::Past,
        _ => Time::Open,
    }
}

const EDGES: &[char] =
    &['.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '"', '\'', '…', '“', '”', '—', '–', '*'];

/// Lower-case words, contractions opened.
fn tokens(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == '—' || c == '-' || c == '/')
        .flat_map(open)
        .filter(|t| !t.is_empty())
        .collect()
}

/// `don't` is `do not`, `what's` is `what 's`, `dont` too.
fn open(word: &str) -> Vec<String> {
    let word = word.trim_matches(EDGES).to_lowercase();
    match word.as_str() {
        "can't" | "cant" | "cannot" => return vec!["can".into(), "not".into()],
        "won't" | "wont" => return vec!["will".into(), "not".into()],
        "dont" | "doesnt" | "didnt" | "isnt" | "arent" | "wasnt" | "werent" | "shouldnt" | "couldnt" | "wouldnt"
        | "hasnt" | "havent" => return vec![word.trim_end_matches("nt").to_owned(), "not".into()],
        _ => {}
    }
    if let Some(front) = word.strip_suffix("n't") {
        return vec![front.to_owned(), "not".into()];
    }
    match word.split_once('\'') {
        // possession and short forms; a bare quote at the end was trimmed
        Some((front, "ll" | "will")) => vec![front.to_owned(), "will".into()],
        Some((front, _)) => vec![front.to_owned()],
        None => vec![word],
    }
}

/// Words written like names, in lower case: a capital inside a sentence, or nothing but capitals.
fn names(text: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    let mut starts = true;
    for raw in text.split_whitespace() {
        let word = raw.trim_matches(EDGES);
        let mut letters = word.chars().filter(|c| c.is_alphabetic());
        let first = letters.next().is_some_and(char::is_uppercase);
        let shout = word.chars().filter(|c| c.is_alphabetic()).count() > 1 && !word.chars().any(char::is_lowercase);
        let pronoun = word == "I" || word.starts_with("I'");
        if first && (!starts || shout) && !pronoun {
            names.extend(
                word.split(['-', '/'])
                    .flat_map(open)
                    .map(|w| lexicon::base(&w))
                    .filter(|w| !shout || !lexicon::is_common_acronym(w)),
            );
        }
        starts = raw.ends_with(['.', '?', '!', ':', ',']);
        if raw.ends_with(',') {
            starts = false;
        }
    }
    names
}

/// Literals go into `found`; the rest becomes words.
fn collect(text: &str, names: &HashSet<String>, found: &mut Vec<String>) -> Vec<Word> {
    let mut state = State { marker: Marker::None, phrase_at: 0, words: Vec::new(), number: false };
    for raw in text.split(|c: char| c.is_whitespace() || c == '—') {
        let word = raw.trim_matches(EDGES);
        // a leading dot or dash belongs to `.docx` and `-v`
        let word = match raw.find(word) {
            Some(at) if at > 0 && raw.as_bytes()[at - 1] == b'.' && !word.is_empty() => &raw[at - 1..at + word.len()],
            _ => word,
        };
        if let Some((number, unit)) = literals::number_and_unit(word) {
            found.push(number);
            state.number = unit.is_none();
            found.extend(unit);
        } else if let Some(literal) = literals::literal(word) {
            found.push(literal);
            state.number = false;
        } else {
            for part in word.split('-').flat_map(open) {
                state.take(&part, names, found);
            }
        }
        if raw.ends_with([',', ';', '.', '?', '!']) && !word.is_empty() {
            state.marker = Marker::None;
            state.phrase_at += 1;
        }
    }
    state.words
}

struct State {
    marker: Marker,
    phrase_at: usize,
    words: Vec<Word>,
    number: bool,
}

impl State {
    fn take(&mut self, part: &str, names: &HashSet<String>, found: &mut Vec<String>) {
        if part.is_empty() {
            return;
        }
        if let Some(number) = literals::spelled(part) {
            found.push(number.to_string());
            self.number = true;
            return;
        }
        let unit = literals::unit(part).or(match part {
            "am" => Some("am"),
            "pm" => Some("pm"),
            "noon" => Some("noon"),
            _ => None,
        });
        if let Some(unit) = unit.filter(|_| std::mem::take(&mut self.number)) {
            found.push(unit.to_owned());
            return;
        }
        if let Some(marker) = Marker::of(part) {
            self.marker = marker;
            self.phrase_at += 1;
            return;
        }
        if lexicon::denies(part) {
            // counted for the whole question; its place does not matter, but a denied phrase is a phrase of its own
            return;
        }
        let base = lexicon::base(part);
        let name = names.contains(&base);
        if !name && lexicon::is_stop(part) {
            return;
        }
        let (marker, phrase_at) = (self.marker, self.phrase_at);
        self.words.push(Word { text: base, name, marker, phrase: marker, phrase_at });
    }
}

/// Two forms of one word: `withdrawal` and `withdrawing`. Never for names, never across a prefix that turns the meaning.
pub(super) fn same_form(a: &Word, b: &Word) -> bool {
    if a.name || b.name {
        return false;
    }
    let (x, y) = (stem(&a.text), stem(&b.text));
    x.len() >= 4 && x == y
}

/// Endings that change the part of speech and not the meaning, longest first. `-er`, `-ee`, `-less`, `-ful`, `-able` change it.
const ENDINGS: [&str; 16] = [
    "ications", "ation", "ition", "ement", "ment", "ance", "ence", "ions", "ion", "ity", "ing", "als", "al", "ly",
    "ed", "e",
];

fn stem(word: &str) -> String {
    let word = word.strip_suffix('s').filter(|w| w.len() > 3 && !w.ends_with('s')).unwrap_or(word);
    let ending = ENDINGS.iter().find(|e| word.ends_with(**e) && word.len() - e.len() >= 4);
    let stem = ending.map_or(word, |e| &word[..word.len() - e.len()]);
    stem.trim_end_matches('e')
        .replace("mm", "m")
        .replace("tt", "t")
        .replace("ll", "l")
        .replace('z', "s")
        .replace("our", "or")
}

/// Synonyms, where neither is a name.
pub(super) fn same_meaning(a: &Word, b: &Word) -> bool {
    !a.name && !b.name && lexicon::synonyms(&a.text, &b.text)
}

/// One is a word, the other is no word and close to it: a typing error. Two words that exist are two words.
pub(super) fn typing_error(a: &Word, b: &Word) -> bool {
    if a.name || b.name || (lexicon::known(&a.text) && lexicon::known(&b.text)) {
        return false;
    }
    if !lexicon::known(&a.text) && !lexicon::known(&b.text) {
        // neither is known: only two letters that changed places in a long word are surely a slip
        let swapped = strsim::osa_distance(&a.text, &b.text) == 1 && strsim::levenshtein(&a.text, &b.text) == 2;
        return swapped && a.text.len() >= 6;
    }
    let shorter = a.text.chars().count().min(b.text.chars().count());
    let allowed = match shorter {
        0..=3 => 0,
        4..=5 => 1,
        _ => 2,
    };
    a.text.chars().next() == b.text.chars().next() && strsim::osa_distance(&a.text, &b.text) <= allowed
}
