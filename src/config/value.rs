//! Values of keys: read from YAML or from one line of text (environment, command line), checked against the key's kind.

use std::time::Duration;

use serde_yaml::Value as Yaml;

use super::keys::{Key, Kind, RUNNERS};
use super::records::{self, Record};
use super::units;

/// One suite of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SuiteConfig {
    /// Name for `--suite`.
    pub name: String,
    /// Folder relative to the top of the repository; empty for the top.
    pub dir: String,
    /// The command, run through `sh -c`.
    pub cmd: String,
    /// The runner's name, when it can't be told from the command.
    pub runner: Option<String>,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Count`] and [`Kind::Version`].
    Count(u64),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Size`], in bytes.
    Size(u64),
    /// Of [`Kind::List`].
    List(Vec<String>),
    /// Of [`Kind::Suites`].
    Suites(Vec<SuiteConfig>),
    /// Of [`Kind::Records`].
    Records(Vec<Record>),
}

impl Value {
    /// As one would write it.
    pub fn show(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            Value::Flag(flag) => flag.to_string(),
            Value::Count(n) => n.to_string(),
            Value::Duration(duration) => units::show_duration(*duration),
            Value::Size(bytes) => units::show_size(*bytes),
            Value::List(items) => format!("[{}]", items.join(", ")),
            Value::Suites(suites) => {
                let names: Vec<_> = suites.iter().map(|s| s.name.as_str()).collect();
                format!("[{}]", names.join(", "))
            }
            Value::Records(records) => {
                let shown: Vec<_> = records.iter().map(Record::show).collect();
                format!("[{}]", shown.join(", "))
            }
        }
    }
}

/// Why a value is refused: where below the key, and in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// Steps below the key's value: an item's number, a name in it.
    pub below: Vec<Below>,
    /// In words, after the key's name: `must be …, not …`.
    pub why: String,
    /// What to do, where we know better than "write what is expected".
    pub hint: Option<String>,
}

/// A step into a YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below {
    /// Item of a list, from 0.
    Item(usize),
    /// Value of a name.
    Name(String),
    /// The name itself.
    NameItself(String),
}

impl Refused {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { below: Vec::new(), why: why.into(), hint: None }
    }
    pub(super) fn at(mut self, step: Below) -> Self {
        self.below.insert(0, step);
        self
    }
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A value of the file.
pub fn from_yaml(key: &Key, yaml: &Yaml) -> Result<Value, Refused> {
    match (key.kind, yaml) {
        (Kind::Version, Yaml::Number(n)) if n.as_u64() == Some(1) => Ok(Value::Count(1)),
        (Kind::Version, Yaml::Number(n)) if n.as_u64().is_some_and(|n| n > 1) => Err(Refused::new(format!(
            "is {n}, which is newer than this kaizen-ci ({}) knows",
            env!("CARGO_PKG_VERSION")
        ))
        .hint("update kaizen-ci, or write `version: 1`")),
        (Kind::Text, Yaml::String(text)) => checked_text(text),
        (Kind::Text, Yaml::Number(_) | Yaml::Bool(_)) => {
            Err(wrong(key.kind, yaml).hint("put it in quotes when it is meant as text"))
        }
        (Kind::Flag, Yaml::Bool(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Count(low, high), Yaml::Number(n)) => match n.as_u64() {
            Some(n) if (low..=high).contains(&n) => Ok(Value::Count(n)),
            _ => Err(wrong(key.kind, yaml)),
        },
        (Kind::Duration(low, high), Yaml::String(text)) => duration(text, low, high),
        (Kind::Duration(..), Yaml::Number(n)) => {
            Err(wrong(key.kind, yaml).hint(format!("add a unit: `{n}s` for seconds, `{n}m` for minutes")))
        }
        (Kind::Size, Yaml::String(text)) => units::parse_size(text).map(Value::Size).map_err(not_expected(key.kind)),
        (Kind::Size, Yaml::Number(n)) if n.as_u64().is_some() => Ok(Value::Size(n.as_u64().unwrap_or_default())),
        (Kind::List, Yaml::Sequence(items)) => list(items).map(Value::List),
        (Kind::List, Yaml::String(text)) => Err(wrong(key.kind, yaml).hint(format!("write `[{text}]`"))),
        (Kind::Suites, Yaml::Sequence(items)) => suites(items).map(Value::Suites),
        (Kind::Records(shape), yaml) => records::read(shape, yaml).map(Value::Records),
        _ => Err(wrong(key.kind, yaml)),
    }
}

/// A value of a variable or an option; lists are separated by commas.
pub fn from_text(key: &Key, text: &str) -> Result<Value, Refused> {
    let not = || Refused::new(format!("must be {}, not `{text}`", key.kind.expected()));
    match key.kind {
        Kind::Text => checked_text(text),
        Kind::Flag => match text {
            "true" | "1" | "yes" => Ok(Value::Flag(true)),
            "false" | "0" | "no" => Ok(Value::Flag(false)),
            _ => Err(not()),
        },
        Kind::Count(low, high) => match text.parse() {
            Ok(n) if (low..=high).contains(&n) => Ok(Value::Count(n)),
            _ => Err(not()),
        },
        Kind::Duration(low, high) => duration(text, low, high),
        Kind::Size => units::parse_size(text).map(Value::Size).map_err(not_expected(key.kind)),
        Kind::List => {
            let items = text.trim().trim_start_matches('[').trim_end_matches(']').split(',').map(str::trim);
            Ok(Value::List(items.filter(|item| !item.is_empty()).map(str::to_owned).collect()))
        }
        // the defaults of records: none
        Kind::Records(_) if matches!(text, "[]" | "{}") => Ok(Value::Records(Vec::new())),
        Kind::Version | Kind::Suites | Kind::Records(_) => Err(Refused::new("can only be set in `.kaizen.yml`")),
    }
}

fn checked_text(text: &str) -> Result<Value, Refused> {
    match text.trim() {
        "" => Err(Refused::new("is empty").hint("take the line out to use the default")),
        _ if text.contains('\0') => Err(Refused::new("contains a NUL character")),
        text => Ok(Value::Text(text.to_owned())),
    }
}

fn duration(text: &str, low: u64, high: u64) -> Result<Value, Refused> {
    let duration = units::parse_duration(text).map_err(not_expected(Kind::Duration(low, high)))?;
    if duration < Duration::from_secs(low) || duration > Duration::from_secs(high) {
        let (low, high) = (Duration::from_secs(low), Duration::from_secs(high));
        let (low, high) = (units::show_duration(low), units::show_duration(high));
        return Err(Refused::new(format!("must be from {low} to {high}, not `{text}`")));
    }
    Ok(Value::Duration(duration))
}

fn not_expected(kind: Kind) -> impl Fn(String) -> Refused {
    move |why| Refused::new(format!("must be {}: {why}", kind.expected()))
}

fn wrong(kind: Kind, yaml: &Yaml) -> Refused {
    Refused::new(format!("must be {}, not {}", kind.expected(), named(yaml)))
}

/// A YAML value in words, for errors.
pub fn named(yaml: &Yaml) -> String {
    match yaml {
        Yaml::Null => "nothing".into(),
        Yaml::Bool(flag) => format!("`{flag}`"),
        Yaml::Number(n) => format!("the number {n}"),
        Yaml::String(text) => format!("the text `{text}`"),
        Yaml::Sequence(_) => "a list".into(),
        Yaml::Mapping(_) => "a group of names".into(),
        Yaml::Tagged(tagged) => format!("a value with the tag {}", tagged.tag),
    }
}

fn list(items: &[Yaml]) -> Result<Vec<String>, Refused> {
    let one = |(i, item): (usize, &Yaml)| match item {
        Yaml::String(text) if !text.trim().is_empty() => Ok(text.clone()),
        other => Err(Refused::new(format!("must hold texts, not {}", named(other))).at(Below::Item(i))),
    };
    items.iter().enumerate().map(one).collect()
}

fn suites(items: &[Yaml]) -> Result<Vec<SuiteConfig>, Refused> {
    if items.is_empty() {
        return Err(Refused::new("is an empty list").hint("take it out to find the suites by themselves"));
    }
    let mut out: Vec<SuiteConfig> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let suite = suite(item).map_err(|refused| refused.at(Below::Item(i)))?;
        if out.iter().any(|other| other.name == suite.name) {
            let why = format!("has two suites named `{}`", suite.name);
            return Err(Refused::new(why).at(Below::Name("name".into())).at(Below::Item(i)));
        }
        out.push(suite);
    }
    Ok(out)
}

const SUITE_KEYS: [&str; 4] = ["name", "dir", "cmd", "runner"];

fn suite(item: &Yaml) -> Result<SuiteConfig, Refused> {
    let Yaml::Mapping(map) = item else {
        return Err(wrong(Kind::Suites, item));
    };
    let mut texts: [Option<String>; 4] = Default::default();
    for (name, value) in map {
        let name = name.as_str().map_or_else(|| named(name), str::to_owned);
        let Some(slot) = SUITE_KEYS.iter().position(|known| *known == name) else {
            let refused = Refused::new(format!("has no `{name}`")).at(Below::NameItself(name.clone()));
            return Err(refused.hint(super::suggest(&name, SUITE_KEYS.into_iter())));
        };
        match value {
            Yaml::String(text) if !text.trim().is_empty() => texts[slot] = Some(text.clone()),
            other => {
                let why = format!("`{name}` must be text, not {}", named(other));
                return Err(Refused::new(why).at(Below::Name(name)));
            }
        }
    }
    let [name, dir, cmd, runner] = texts;
    let missing = |what: &str| Refused::new(format!("has a suite without `{what}`"));
    let dir = dir.unwrap_or_default();
    let outside = dir.starts_with('/') || dir.split('/').any(|part| part == "..");
    if outside {
        let why = format!("`dir` must be a folder inside the repository, not `{dir}`");
        return Err(Refused::new(why).at(Below::Name("dir".into())));
    }
    if let Some(runner) = runner.as_deref().filter(|runner| !RUNNERS.contains(runner)) {
        let refused = Refused::new(format!("knows no runner `{runner}`")).at(Below::Name("runner".into()));
        return Err(refused.hint(super::suggest(runner, RUNNERS.iter().copied())));
    }
    let dir = dir.trim_end_matches('/').trim_start_matches("./");
    let dir = if dir == "." { "" } else { dir };
    Ok(SuiteConfig {
        name: name.ok_or_else(|| missing("name"))?,
        dir: dir.to_owned(),
        cmd: cmd.ok_or_else(|| missing("cmd"))?,
        runner,
    })
}
