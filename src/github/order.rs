//! What people ask for in comments: `/kaizen heal`, `/kaizen council …`; parsed by the same library and rules as the command line.

use clap::{Args, Parser, Subcommand};

use super::clean;
use super::names;

/// How a line that is meant for us begins.
pub const CALL: &str = "/kaizen";

/// More orders in one comment are not carried out: nobody writes that many by hand.
pub const MOST_ORDERS: usize = 5;

/// Longer lines are no order.
const LINE_MOST_CHARS: usize = 4000;

#[derive(Debug, Parser)]
#[command(
    name = "/kaizen",
    bin_name = "/kaizen",
    no_binary_name = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true
)]
struct Line {
    #[command(subcommand)]
    order: Order,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Order {
    /// Find out why the tests are red, heal them, prove it
    Heal(Heal),
    /// Ask the council a question
    Council(Council),
    /// Work through a product requirements document
    Prd(Prd),
    /// Say from the logs why the tests are red; run nothing
    Diagnose,
    /// Say what is going on
    Status,
    /// Stop what is going on
    Stop,
    /// List the commands
    Help,
}

/// What is said in the same words in a comment and on the command line: both take it from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Thrift {
    /// Only models that cost nothing, enforced where requests leave the process
    #[arg(long)]
    pub free: bool,
}

/// `--rounds N`, in a comment and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Rounds {
    /// How many rounds at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub rounds: Option<u8>,
}

/// `/kaizen heal [strategy…] [sha]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct Heal {
    /// Fixers that race (default: all), and the commit to work on
    #[arg(value_name = "STRATEGY|SHA")]
    pub words: Vec<String>,
    /// What it may cost.
    #[command(flatten)]
    pub thrift: Thrift,
}

impl Heal {
    /// The full commit that was named, if one was.
    pub fn sha(&self) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|word| names::sha(word).is_ok())
    }
    /// The strategies that were named.
    pub fn strategies(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).filter(|word| names::sha(word).is_err()).collect()
    }
}

/// `/kaizen council <question>`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Council {
    /// The question
    #[arg(required = true, value_name = "QUESTION")]
    pub question: Vec<String>,
    /// What it may cost.
    #[command(flatten)]
    pub thrift: Thrift,
    /// How long it may go on.
    #[command(flatten)]
    pub rounds: Rounds,
}

/// `/kaizen prd [path]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Prd {
    /// The document (default: the issue's text)
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// What it may cost.
    #[command(flatten)]
    pub thrift: Thrift,
    /// How long it may go on.
    #[command(flatten)]
    pub rounds: Rounds,
}

impl Order {
    /// Its word.
    pub fn name(&self) -> &'static str {
        match self {
            Order::Heal(_) => "heal",
            Order::Council(_) => "council",
            Order::Prd(_) => "prd",
            Order::Diagnose => "diagnose",
            Order::Status => "status",
            Order::Stop => "stop",
            Order::Help => "help",
        }
    }
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
pub fn read(body: &str, strategies: &[&str]) -> Vec<Said> {
    let body = clean::without_hidden(&clean::without_comments(body));
    spoken(&body)
        .into_iter()
        .filter_map(|line| called(line))
        .map(|line| one(line, strategies))
        .take(MOST_ORDERS)
        .collect()
}

/// The lines that somebody says, not quotes: no quoted text, no fenced or indented code.
fn spoken(body: &str) -> Vec<&str> {
    let mut fence: Option<(char, usize)> = None;
    let mut lines = Vec::new();
    for line in body.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let text = line.trim_start();
        let first = text.chars().next().unwrap_or(' ');
        let run = text.chars().take_while(|c| *c == first).count();
        match fence {
            Some((sign, length)) if first == sign && run >= length && text.trim_end().chars().all(|c| c == sign) => {
                fence = None;
            }
            Some(_) => {}
            None if matches!(first, '`' | '~') && run >= 3 => fence = Some((first, run)),
            None if indent < 4 && !line.starts_with('\t') && first != '>' => lines.push(text),
            None => {}
        }
    }
    lines
}

/// What follows our name at the beginning of a line.
fn called(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(CALL)?;
    let ours = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (ours && line.chars().count() <= LINE_MOST_CHARS).then(|| rest.trim())
}

fn one(rest: &str, strategies: &[&str]) -> Said {
    if rest.is_empty() {
        return Said::Order(Order::Help);
    }
    let unclear = |answer: String| Said::Unclear { line: format!("{CALL} {rest}"), answer };
    match Line::try_parse_from(rest.split_whitespace()) {
        Ok(Line { order: Order::Heal(heal) }) => match wrong_word(&heal, strategies) {
            Some(answer) => unclear(answer),
            None => Said::Order(Order::Heal(heal)),
        },
        Ok(Line { order }) => Said::Order(order),
        Err(error) => unclear(answer(rest, &error)),
    }
}

fn wrong_word(heal: &Heal, strategies: &[&str]) -> Option<String> {
    let shas = heal.words.len() - heal.strategies().len();
    if shas > 1 {
        return Some("Name one commit, not several.".into());
    }
    let wrong = heal.strategies().into_iter().find(|word| !strategies.contains(word))?;
    if wrong.len() >= 7 && wrong.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(
            "Name the commit in full, all forty digits: a short name can be made to fit another commit.".into(),
        );
    }
    Some(format!("There is no such strategy.{} There are: {}.", meant(wrong, strategies), strategies.join(", ")))
}

fn meant(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (strsim::jaro_winkler(word, k), k)).filter(|(score, _)| *score > 0.75);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, k)| format!(" Did you mean `{k}`?")).unwrap_or_default()
}

fn answer(rest: &str, error: &clap::Error) -> String {
    use clap::error::ErrorKind as K;
    let word = rest.split_whitespace().next().unwrap_or_default();
    let known: Vec<&str> = words().collect();
    match error.kind() {
        K::InvalidSubcommand => format!("There is no such command.{}", meant(word, &known)),
        K::MissingRequiredArgument => format!("`{CALL} {word}` needs something more: {}", usage(word)),
        K::UnknownArgument => format!("There is no such option here. {}", usage(word)),
        K::InvalidValue | K::ValueValidation => format!("That value does not fit. {}", usage(word)),
        _ => usage(word),
    }
}

fn usage(word: &str) -> String {
    let row = USAGE.iter().find(|(usage, _)| usage.split_whitespace().next() == Some(word));
    row.map_or_else(String::new, |(usage, about)| format!("`{CALL} {usage}`: {about}"))
}

/// Every command with its arguments and what it does.
pub const USAGE: &[(&str, &str)] = &[
    ("heal [strategy…] [sha] [--free]", "find out why the tests are red, heal them, prove it"),
    ("council <question> [--free] [--rounds N]", "ask the council a question"),
    ("prd [path] [--free] [--rounds N]", "work through a product requirements document"),
    ("diagnose", "say from the logs why the tests are red; run nothing"),
    ("status", "say what is going on"),
    ("stop", "stop what is going on"),
    ("help", "list the commands"),
];

/// The word of every command.
pub fn words() -> impl Iterator<Item = &'static str> {
    USAGE.iter().filter_map(|(usage, _)| usage.split_whitespace().next())
}

/// The table of commands, for the answer to `/kaizen help` and the README.
pub fn table() -> String {
    let mut out = String::from("| command | what it does |\n|---|---|\n");
    for (usage, about) in USAGE {
        out.push_str(&format!("| `{CALL} {usage}` | {about} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use proptest::prelude::*;

    use super::*;

    const FIXERS: &[&str] = &["suggest", "undo", "mutate"];
    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn heal(words: &[&str], free: bool) -> Said {
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        Said::Order(Order::Heal(Heal { words, thrift: Thrift { free } }))
    }

    #[test]
    fn orders_are_read_with_their_words_and_options() {
        let question = vec!["Should".into(), "we?".into()];
        let council = Council { question, thrift: Thrift { free: true }, rounds: Rounds { rounds: Some(2) } };
        for (body, expected) in [
            ("/kaizen heal", vec![heal(&[], false)]),
            ("/kaizen heal undo mutate --free", vec![heal(&["undo", "mutate"], true)]),
            (&format!("please\n\n/kaizen heal {SHA}\n\nthanks"), vec![heal(&[SHA], false)]),
            ("/kaizen council --rounds 2 Should we? --free", vec![Said::Order(Order::Council(council))]),
            ("/kaizen", vec![Said::Order(Order::Help)]),
            ("/kaizen status\r\n/kaizen stop", vec![Said::Order(Order::Status), Said::Order(Order::Stop)]),
            ("  /kaizen diagnose  ", vec![Said::Order(Order::Diagnose)]),
        ] {
            assert_eq!(read(body, FIXERS), expected, "{body}");
        }
    }

    #[test]
    fn quoted_text_code_and_hidden_text_order_nothing() {
        for body in [
            "> /kaizen heal",
            "```\n/kaizen heal\n```",
            "~~~sh\n/kaizen heal\n```\n/kaizen stop\n~~~",
            "````\n```\n/kaizen heal\n````",
            "    /kaizen heal",
            "\t/kaizen heal",
            "`/kaizen heal`",
            "write /kaizen heal to start",
            "/kaizenheal",
            "/kaizen-ci heal",
            "<!-- \n/kaizen heal\n-->",
            "<!--\n/kaizen heal",
            "```\n/kaizen heal never closed",
            "",
        ] {
            assert_eq!(read(body, FIXERS), Vec::new(), "{body:?}");
        }
    }

    #[test]
    fn typos_get_an_answer_that_helps() {
        for (body, part) in [
            ("/kaizen hael", "Did you mean `heal`?"),
            ("/kaizen heal unod", "Did you mean `undo`?"),
            ("/kaizen heal 0123abc", "in full"),
            ("/kaizen council", "<question>"),
            ("/kaizen council why --rounds 99", "does not fit"),
            ("/kaizen status --now", "no such option"),
            (&format!("/kaizen heal {SHA} {}", SHA.replace('0', "a")), "one commit"),
        ] {
            let said = read(body, FIXERS);
            let [Said::Unclear { answer, .. }] = said.as_slice() else { panic!("{body}: {said:?}") };
            assert!(answer.contains(part), "{body}: {answer}");
        }
    }

    #[test]
    fn the_table_of_commands_is_what_the_parser_knows() {
        let known: Vec<String> = Line::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        let told: Vec<&str> = USAGE.iter().map(|(usage, _)| usage.split_whitespace().next().unwrap()).collect();
        assert_eq!(known, told);
    }

    proptest! {
        #[test]
        fn no_comment_makes_the_reader_panic_or_order_too_much(body in "(/kaizen [a-z \\-#@<>`\u{202e}]{0,20}\\n|\\PC{0,20}\\n){0,12}") {
            prop_assert!(read(&body, FIXERS).len() <= MOST_ORDERS);
        }
        #[test]
        fn a_quoted_comment_orders_nothing(body in "\\PC{0,20}(\\n\\PC{0,20}){0,4}") {
            let quoted: String = format!("{body}\n/kaizen heal").lines().map(|l| format!("> {l}\n")).collect();
            prop_assert_eq!(read(&quoted, FIXERS), Vec::new());
        }
    }
}
