//! What follows `/kaizen …` in a comment, read by the command line's own parser: an option means the same in both places, or is
//! refused here with the reason. A test knows every option of these commands, so that a new one has to be decided about.

use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use crate::cli::{council, diagnose, heal, prd};
use crate::config;
use crate::error::{Error, Result};
use crate::fixer::registry;
use crate::github::names;
use crate::github::order::{self, CALL, Order, Reader, Said, Word, meant, quoted};
use crate::report::escape::markdown;

/// Why an option of the command line is none of comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The workflow and `.kaizen.yml` of the base branch say it.
    Rules,
    /// It is about a terminal, or a working tree.
    Local,
    /// The comment says it by where it stands.
    Place,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Why::Rules => "is for the workflow and `.kaizen.yml` of the base branch to say, not for a comment",
            Why::Local => "is for the command line only",
            Why::Place => "is not needed here: what is meant is what the comment stands under",
        }
    }
}

/// Arguments of the command line that comments may use, by their names in its structs.
const HERE: &[(Word, &[&str])] = &[
    (Word::Heal, &["words", "free", "force", "max_tier"]),
    (Word::Council, &["question", "free", "rounds"]),
    (Word::Prd, &["file", "free", "rounds"]),
];

/// All others, and why not.
const NOT_HERE: &[(Word, Why, &[&str])] = &[
    (Word::Heal, Why::Rules, &["cmd", "suite", "models", "time_limit", "repeat", "allow_test_changes", "fixers"]),
    (Word::Heal, Why::Local, &["seed", "apply", "dry_run", "explain", "json", "quiet"]),
    (Word::Heal, Why::Place, &["base"]),
    (Word::Council, Why::Rules, &["seats", "critic", "tokens", "time_limit", "models"]),
    (Word::Council, Why::Local, &["resume", "out", "json", "markdown", "quiet"]),
    (Word::Council, Why::Place, &["context"]),
    (Word::Prd, Why::Rules, &["threshold", "tokens", "writer", "time_limit", "models"]),
    (
        Word::Prd,
        Why::Local,
        &[
            "more",
            "lint_only",
            "resume",
            "write",
            "baseline",
            "no_baseline",
            "rules",
            "json",
            "sarif",
            "markdown",
            "quiet",
        ],
    ),
    (Word::Diagnose, Why::Rules, &["ask", "models"]),
    (Word::Diagnose, Why::Local, &["json"]),
    (Word::Diagnose, Why::Place, &["run"]),
];

/// The command line's parser for `word`.
fn command(word: Word) -> Command {
    let command = Command::new(word.name())
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(false);
    match word {
        Word::Heal => heal::Heal::augment_args(command),
        Word::Council => council::Council::augment_args(command),
        Word::Prd => prd::Prd::augment_args(command),
        Word::Diagnose => diagnose::Diagnose::augment_args(command),
        Word::Status | Word::Stop | Word::Help => command,
    }
}

fn here(word: Word) -> &'static [&'static str] {
    HERE.iter().find(|(of, _)| *of == word).map_or(&[], |(_, ids)| *ids)
}

fn parse(word: Word, rest: &[String]) -> std::result::Result<ArgMatches, clap::Error> {
    command(word).try_get_matches_from(rest)
}

/// The options of the command line that an order stands for.
///
/// # Errors
/// Never for what a [`Reader`] of ours has read.
pub fn options<T: Args>(word: Word, rest: &[String]) -> Result<T> {
    let matches = parse(word, rest).and_then(|matches| T::from_arg_matches(&matches));
    matches.map_err(|error| Error::internal(format!("an order that was read is none: {}", error.kind())))
}

/// Reads comments with the command line's parser.
#[derive(Debug, Clone)]
pub struct CommandLine {
    strategies: Vec<&'static str>,
}

impl CommandLine {
    /// For the fixers that there are.
    pub fn new() -> Self {
        Self { strategies: registry::all().iter().map(|fixer| fixer.name()).collect() }
    }

    /// What is wrong with what somebody asks of `heal`, when something is.
    fn wrong_heal(&self, rest: &[String]) -> std::result::Result<(), String> {
        let asked: heal::Heal = options(Word::Heal, rest).map_err(|error| markdown(&error.to_string()))?;
        if let Some(wrong) = asked.words.iter().find(|word| !self.strategies.contains(&word.as_str())) {
            let near = meant(wrong, &self.strategies);
            let list = self.strategies.join(", ");
            return Err(format!(
                "There is no strategy {}.{near} There are: {list}. A commit is named in full, all forty digits: a branch or a \
                 tag may be another commit by the time it is read.",
                quoted(wrong)
            ));
        }
        // values that only the configuration can judge
        config::layered(None, &[], &asked.overrides()).map(drop).map_err(|error| {
            let hint = error.hint_text().map(|hint| format!(" {}.", markdown(hint))).unwrap_or_default();
            format!("{}.{hint}", markdown(&error.to_string()))
        })
    }

    fn answer(&self, word: Word, error: &clap::Error) -> String {
        let usage = format!("It is written `{CALL} {}`.", self.usage(word));
        let wrong = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        match error.kind() {
            ErrorKind::UnknownArgument if wrong.starts_with('-') => {
                let known: Vec<String> = long_names(word);
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let text = match word {
                    Word::Council => " In a question, write it as code.",
                    _ => "",
                };
                format!("There is no option {} here.{}{text} {usage}", quoted(&wrong), meant(&wrong, &known))
            }
            ErrorKind::UnknownArgument => format!("{} is one word too many. {usage}", quoted(&wrong)),
            ErrorKind::MissingRequiredArgument => format!("Something is missing. {usage}"),
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                format!("That value does not fit {}. {usage}", quoted(&wrong))
            }
            _ => usage,
        }
    }
}

impl Default for CommandLine {
    fn default() -> Self {
        Self::new()
    }
}

/// `--free`, … : the options of comments.
fn long_names(word: Word) -> Vec<String> {
    let command = command(word);
    let long = |id: &&str| command.get_arguments().find(|arg| arg.get_id() == *id)?.get_long();
    here(word).iter().filter_map(long).map(|long| format!("--{long}")).collect()
}

/// Telephones write `--free` with one long dash.
fn with_plain_dashes(word: Word, text: &str) -> String {
    let name = text.trim_start_matches(['—', '–', '−', '‑', '‐']);
    let bare = name.split('=').next().unwrap_or_default();
    let known = command(word).get_arguments().any(|arg| arg.get_long() == Some(bare));
    if name.len() < text.len() && known { format!("--{name}") } else { text.to_owned() }
}

/// The first argument that comments may not use, and why not.
fn foreign(word: Word, matches: &ArgMatches) -> Option<String> {
    let command = command(word);
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let wrong = command.get_arguments().find(|arg| {
        let id = arg.get_id().as_str();
        given(id) && !here(word).contains(&id)
    })?;
    let id = wrong.get_id().as_str();
    let name = wrong.get_long().map_or_else(|| id.to_owned(), |long| format!("--{long}"));
    let why =
        NOT_HERE.iter().find(|(of, _, ids)| *of == word && ids.contains(&id)).map_or(Why::Local, |(_, why, _)| *why);
    if let (None, Why::Local, Some(said)) = (wrong.get_long(), why, matches.get_raw(id).and_then(|mut all| all.next()))
    {
        return Some(format!("{} is one word too many.", quoted(&said.to_string_lossy())));
    }
    Some(format!("`{name}` {}.", why.words()))
}

/// Takes the commits out of the words of `heal`.
fn commits(words: &[String]) -> std::result::Result<(Option<String>, Vec<String>), String> {
    let (mut sha, mut rest): (Option<String>, Vec<String>) = (None, Vec::new());
    for word in words {
        let is_hexadecimal = word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit());
        match order::commit(word) {
            Some(full) if sha.as_ref().is_some_and(|sha| *sha != full) => {
                return Err("Name one commit, not several.".into());
            }
            Some(full) => sha = Some(full),
            None if is_hexadecimal => {
                return Err(
                    "Name the commit in full, all forty digits: a short name can be made to fit another commit.".into(),
                );
            }
            None if word.starts_with('-') => rest.push(word.clone()),
            // as `--fixers` has it, too
            None => rest.extend(word.split(',').filter(|part| !part.is_empty()).map(str::to_owned)),
        }
    }
    Ok((sha, rest))
}

impl Reader for CommandLine {
    fn read(&self, word: Word, rest: &[String]) -> std::result::Result<Order, String> {
        let rest: Vec<String> = rest.iter().map(|text| with_plain_dashes(word, text)).collect();
        let (sha, rest) = match word {
            Word::Heal => commits(&rest)?,
            // whatever is asked about, the table is the answer
            Word::Help => (None, Vec::new()),
            Word::Council | Word::Prd | Word::Diagnose | Word::Status | Word::Stop => (None, rest),
        };
        let matches = parse(word, &rest).map_err(|error| self.answer(word, &error))?;
        if let Some(answer) = foreign(word, &matches) {
            return Err(format!("{answer} It is written `{CALL} {}`.", self.usage(word)));
        }
        match word {
            Word::Heal => self.wrong_heal(&rest)?,
            Word::Prd => {
                let asked: prd::Prd = options(word, &rest).map_err(|error| markdown(&error.to_string()))?;
                if let Some(path) = asked.file.as_deref().map(|path| path.to_string_lossy().into_owned()) {
                    names::path(&path).map_err(|bad| format!("The path {} is refused: {}.", quoted(&path), bad.why))?;
                }
            }
            Word::Council | Word::Diagnose | Word::Status | Word::Stop | Word::Help => {}
        }
        Ok(Order { word, sha, rest })
    }

    fn usage(&self, word: Word) -> String {
        let command = command(word);
        let mut out = word.name().to_owned();
        for id in here(word) {
            let shown = match (word, *id) {
                (Word::Heal, "words") => "[strategy…] [sha]".to_owned(),
                (Word::Council, "question") => "<question>".to_owned(),
                (Word::Prd, "file") => "[path]".to_owned(),
                (_, id) => {
                    let Some(arg) = command.get_arguments().find(|arg| arg.get_id() == id) else { continue };
                    let long = arg.get_long().unwrap_or(id);
                    let takes = arg.get_action().takes_values();
                    let value = arg.get_value_names().and_then(|names| names.first()).filter(|_| takes);
                    value.map_or_else(|| format!("[--{long}]"), |value| format!("[--{long} {value}]"))
                }
            };
            out.push_str(&format!(" {shown}"));
        }
        out
    }
}

/// What `body` (a comment) asks for.
pub fn read(body: &str) -> Vec<Said> {
    order::read(body, &CommandLine::new())
}

/// The table of commands.
pub fn table() -> String {
    order::table(&CommandLine::new())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_option_of_the_command_line_is_either_one_of_comments_or_refused_there_with_a_reason() {
        for word in Word::ALL {
            let there: BTreeSet<String> =
                command(word).get_arguments().map(|arg| arg.get_id().as_str().to_owned()).collect();
            let decided: Vec<String> = here(word)
                .iter()
                .chain(NOT_HERE.iter().filter(|(of, _, _)| *of == word).flat_map(|(_, _, ids)| *ids))
                .map(|id| (*id).to_owned())
                .collect();
            let once: BTreeSet<String> = decided.iter().cloned().collect();
            assert_eq!(once.len(), decided.len(), "{word:?}: something is decided about twice: {decided:?}");
            assert_eq!(there, once, "{word:?}: say in HERE or NOT_HERE whether comments may use it");
        }
    }

    #[test]
    fn the_options_of_comments_are_those_of_the_same_subcommand_of_the_program() {
        let program = crate::cli::command();
        for (word, ids) in HERE {
            let subcommand = program.find_subcommand(word.name()).unwrap();
            for id in *ids {
                let of = |command: &Command| {
                    let arg = command.get_arguments().find(|arg| arg.get_id() == *id).unwrap();
                    format!("{:?} {:?} {:?}", arg.get_long(), arg.get_help(), arg.get_num_args())
                };
                assert_eq!(of(subcommand), of(&command(*word)), "{word:?} {id}");
            }
        }
    }

    #[test]
    fn an_order_becomes_the_options_that_the_command_line_would_have() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let reader = CommandLine::new();
        let order = reader.read(Word::Heal, &words("undo,mutate --free --force --max-tier 1")).unwrap();
        let heal: heal::Heal = options(Word::Heal, &order.rest).unwrap();
        assert_eq!((heal.words.join(" ").as_str(), heal.free, heal.force), ("undo mutate", true, true));
        assert_eq!(heal.max_tier.as_deref(), Some("1"));
        let order = reader.read(Word::Council, &words("--rounds 2 Should we? —free")).unwrap();
        let council: council::Council = options(Word::Council, &order.rest).unwrap();
        assert_eq!((council.question.join(" ").as_str(), council.rounds, council.free), ("Should we?", 2, true));
        let order = reader.read(Word::Prd, &words("docs/prd.md")).unwrap();
        let prd: prd::Prd = options(Word::Prd, &order.rest).unwrap();
        assert_eq!(prd.file.unwrap().to_str(), Some("docs/prd.md"));
        assert_eq!(prd.rounds, 3, "the command line's own default");
    }
}
