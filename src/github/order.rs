//! What people ask for in comments: which lines are meant for us, and which command they name. What follows the command is
//! read by the command line's own parser, which lives above this room: a [`Reader`].

use super::clean;
use super::names;
use super::spoken::{self, Line};
use crate::report::escape::code;

/// How a line that is meant for us begins.
pub const CALL: &str = "/kaizen";

/// More orders in one comment are not carried out: nobody writes that many by hand.
pub const MOST_ORDERS: usize = 5;

/// Longer lines are no order.
const LINE_MOST_CHARS: usize = 4000;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// Find out why the tests are red, heal them, prove it.
    Heal,
    /// Ask the council a question.
    Council,
    /// Work through a product requirements document.
    Prd,
    /// Say from the logs why the tests are red; run nothing.
    Diagnose,
    /// Say what is going on.
    Status,
    /// Stop what is going on.
    Stop,
    /// List the commands.
    Help,
}

impl Word {
    /// All of them, in the order of the table.
    pub const ALL: [Word; 7] =
        [Word::Heal, Word::Council, Word::Prd, Word::Diagnose, Word::Status, Word::Stop, Word::Help];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Word::Heal => "heal",
            Word::Council => "council",
            Word::Prd => "prd",
            Word::Diagnose => "diagnose",
            Word::Status => "status",
            Word::Stop => "stop",
            Word::Help => "help",
        }
    }

    /// What it does.
    pub fn about(self) -> &'static str {
        match self {
            Word::Heal => "find out why the tests are red, heal them, prove it",
            Word::Council => "ask the council a question",
            Word::Prd => "work through a product requirements document",
            Word::Diagnose => "say from the logs why the tests are red; run nothing",
            Word::Status => "say what is going on",
            Word::Stop => "stop what is going on",
            Word::Help => "list the commands",
        }
    }

    /// The word that is written so, in capitals or not.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.name().eq_ignore_ascii_case(text))
    }
}

/// One order. Everything in it was checked by a [`Reader`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is asked for.
    pub word: Word,
    /// The commit that was named, in full.
    pub sha: Option<String>,
    /// What else was said, as arguments of the command line's parser.
    pub rest: Vec<String>,
}

impl Order {
    /// An order without anything behind its word.
    pub fn bare(word: Word) -> Self {
        Self { word, sha: None, rest: Vec::new() }
    }
}

/// Reads what follows a command: the command line's own parser.
pub trait Reader: Sync {
    /// The order that `rest` makes of `word`.
    ///
    /// # Errors
    /// What is wrong with it and what was probably meant, in Markdown in which nothing of `rest` is markup.
    fn read(&self, word: Word, rest: &[String]) -> Result<Order, String>;

    /// How it is written: `heal [strategy…] [--free]`.
    fn usage(&self, word: Word) -> String;
}

/// A line that is meant for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An order.
    Order(Order),
    /// Something that we don't understand, and what we say to that.
    Unclear {
        /// The line.
        line: String,
        /// What is wrong, and what was probably meant.
        answer: String,
    },
}

/// What `body` (a comment) asks for, in order. Quoted text, code and hidden text are left alone.
pub fn read(body: &str, reader: &dyn Reader) -> Vec<Said> {
    let body = clean::without_hidden(body).replace("\r\n", "\n").replace('\r', "\n");
    let mut said: Vec<Said> =
        spoken::lines(&body).into_iter().filter_map(|line| one(line, reader)).take(MOST_ORDERS + 1).collect();
    if said.len() > MOST_ORDERS {
        said.truncate(MOST_ORDERS);
        let answer = format!("Only the first {MOST_ORDERS} commands of a comment are carried out: write another one.");
        said.push(Said::Unclear { line: CALL.into(), answer });
    }
    said
}

/// How the first word of a line calls us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// By our name.
    Ours,
    /// By something that looks like it: probably us.
    Alike,
}

/// Letters and signs that look like those of our name.
fn folded(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        '∕' | '⁄' | '⧸' | '╱' => '/',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'а' | 'А' | 'α' | 'Α' => 'a',
        'і' | 'І' | 'ι' | 'Ι' | 'ı' => 'i',
        'ᴢ' | 'ζ' | 'Ζ' => 'z',
        'е' | 'Е' | 'ε' | 'Ε' => 'e',
        'ո' | 'η' | 'Ν' => 'n',
        other => other,
    }
}

fn call(first: &str) -> Option<Call> {
    if first.eq_ignore_ascii_case(CALL) {
        return Some(Call::Ours);
    }
    // a long word is no misspelt name
    let plain: String = first.chars().take(40).map(folded).collect::<String>().to_ascii_lowercase();
    let plain = plain.trim_end_matches([':', ',', '.', ';', '!', '?']);
    let tail = plain.strip_prefix(CALL)?;
    let alike = matches!(tail, "" | "-ci" | "_ci" | "ci") || Word::named(tail).is_some();
    alike.then_some(Call::Alike)
}

fn one(line: Line<'_>, reader: &dyn Reader) -> Option<Said> {
    let (first, rest) = line.text.split_once(char::is_whitespace).unwrap_or((line.text, ""));
    let call = call(first)?;
    let shown = line.text.chars().take(LINE_MOST_CHARS).collect();
    let unclear = |answer: String| Some(Said::Unclear { line: shown, answer });
    if line.in_quote {
        return unclear("This line is part of the quote above it: put an empty line between them.".into());
    }
    if call == Call::Alike {
        return unclear(format!("Commands begin with `{CALL}` and a space, in plain letters: nothing was done."));
    }
    if line.text.chars().count() > LINE_MOST_CHARS {
        return unclear(format!("A command has at most {LINE_MOST_CHARS} characters: nothing was done."));
    }
    let rest = without_comments(rest);
    let mut words = rest.split_whitespace().map(str::to_owned);
    let Some(named) = words.next() else { return Some(Said::Order(Order::bare(Word::Help))) };
    let Some(word) = Word::named(&named) else {
        let known: Vec<&str> = Word::ALL.into_iter().map(Word::name).collect();
        return unclear(format!("There is no command {}.{}", quoted(&named), meant(&named, &known)));
    };
    match reader.read(word, &words.collect::<Vec<_>>()) {
        Ok(order) => Some(Said::Order(order)),
        Err(answer) => unclear(answer),
    }
}

/// What is seen of a line: without comments that end in it.
fn without_comments(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((before, (_, after))) =
        rest.split_once("<!--").and_then(|(before, behind)| Some((before, behind.split_once("-->")?)))
    {
        out.push_str(before);
        rest = after;
    }
    out + rest
}

/// A word of somebody's as code, cut short.
pub fn quoted(word: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    code(&word.chars().take(SHOWN_CHARS).collect::<String>())
}

/// The known word that is nearest to `word`, as a question; nothing when none is near.
pub fn meant(word: &str, known: &[&str]) -> String {
    let word = word.to_lowercase();
    let near = known.iter().map(|k| (strsim::jaro_winkler(&word, k), k)).filter(|(score, _)| *score > 0.75);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| format!(" Did you mean `{k}`?")).unwrap_or_default()
}

/// Is this a full commit name, in capitals or not? Then in small letters.
pub fn commit(word: &str) -> Option<String> {
    let small = word.to_ascii_lowercase();
    names::sha(&small).is_ok().then_some(small)
}

/// The table of commands, for the answer to `/kaizen help` and the README.
pub fn table(reader: &dyn Reader) -> String {
    let mut out = String::from("| command | what it does |\n|---|---|\n");
    for word in Word::ALL {
        out.push_str(&format!("| `{CALL} {}` | {} |\n", reader.usage(word), word.about()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything as it is.
    struct Any;

    impl Reader for Any {
        fn read(&self, word: Word, rest: &[String]) -> Result<Order, String> {
            Ok(Order { rest: rest.to_vec(), ..Order::bare(word) })
        }
        fn usage(&self, word: Word) -> String {
            word.name().into()
        }
    }

    fn words(body: &str) -> Vec<String> {
        let name = |said: Said| match said {
            Said::Order(order) => format!("{} {}", order.word.name(), order.rest.join(" ")).trim().to_owned(),
            Said::Unclear { answer, .. } => format!("? {answer}"),
        };
        read(body, &Any).into_iter().map(name).collect()
    }

    #[test]
    fn lines_that_begin_with_our_name_are_orders_however_they_end() {
        for (body, expected) in [
            ("/kaizen heal", &["heal"][..]),
            ("please\r\n\r\n/kaizen heal undo\r\n\r\nthanks", &["heal undo"]),
            ("/kaizen status\r/kaizen stop", &["status", "stop"]),
            ("/kaizen", &["help"]),
            ("/Kaizen Heal", &["heal"]),
            ("  /kaizen\u{a0}diagnose  ", &["diagnose"]),
            // what is seen is what counts
            ("/kai\u{200b}zen he\u{2060}al", &["heal"]),
            ("text\u{2028}/kaizen heal", &[]),
            ("write /kaizen heal to start", &[]),
            ("/kaizen/README.md", &[]),
            ("/kaizens heal", &[]),
            ("", &[]),
        ] {
            assert_eq!(words(body), expected, "{body:?}");
        }
    }

    #[test]
    fn what_looks_like_our_name_is_answered_and_not_obeyed() {
        for body in [
            "／kaizen heal",
            "/кaizen heal",
            "/kaizen: heal",
            "/kaizen-ci heal",
            "/kaizenheal",
            "/ｋａｉｚｅｎ heal",
            "> quoted\n/kaizen heal",
        ] {
            let said = words(body);
            assert!(said.len() == 1 && said[0].starts_with("? "), "{body}: {said:?}");
        }
        assert_eq!(words("/kaizen hael"), ["? There is no command `hael`. Did you mean `heal`?"]);
        assert!(words(&format!("/kaizen council {}", "a ".repeat(3000)))[0].contains("at most 4000"));
    }

    #[test]
    fn more_orders_than_anybody_writes_by_hand_are_told_and_not_carried_out() {
        let said = words(&"/kaizen status\n\n".repeat(40));
        assert_eq!(said.len(), MOST_ORDERS + 1);
        assert!(said[MOST_ORDERS].contains("Only the first 5"), "{said:?}");
    }

    #[test]
    fn every_word_is_found_by_its_name() {
        for word in Word::ALL {
            assert_eq!(Word::named(word.name()), Some(word));
        }
    }
}
