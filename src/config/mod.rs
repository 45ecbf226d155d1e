//! Configuration: defaults < `.kaizen.yml` < environment < command line, each value with where it came from.

mod file;
pub mod keys;
pub mod models;
pub mod records;
pub mod reference;
pub mod units;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::error::{Context as _, Error, Result};
use keys::KEYS;
pub use models::{Agent, CatalogLine, ModelBudget, Tuning};
pub use value::{SuiteConfig, Value};

/// The name of the configuration file, at the top of the repository.
pub const FILE: &str = ".kaizen.yml";

/// The configuration as the rest of the program uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The test command, when one was given.
    pub cmd: Option<String>,
    /// Suites, when some were given.
    pub suites: Vec<SuiteConfig>,
    /// The base branch, when one was given.
    pub base: Option<String>,
    /// The fixers to race; empty: all.
    pub fixers: Vec<String>,
    /// 1, 2 or 3.
    pub max_tier: u8,
    /// Wall time for one `heal`.
    pub time_limit: Duration,
    /// Wall time for one run of the suite; `None`: see [`Config::limit_of_run`].
    pub run_time_limit: Option<Duration>,
    /// Runs of the whole suite by the judge.
    pub repeat: u32,
    /// Reruns of the red tests in triage.
    pub reruns: u32,
    /// Further protected globs.
    pub protected: Vec<String>,
    /// Patches may change tests.
    pub allow_test_changes: bool,
    /// Ignored folders to carry on top of those found.
    pub carry_add: Vec<String>,
    /// Ignored folders not to carry.
    pub carry_skip: Vec<String>,
    /// Variables that tests may see although they look like secrets.
    pub env_allow: Vec<String>,
    /// How long a failure that did not heal is left alone.
    pub pause: Duration,
    /// The models that may be asked.
    pub models: Vec<String>,
    /// Only local and free ones.
    pub free: bool,
    /// What models may cost in one run.
    pub budget_cents: u64,
    /// How many requests to models one run may send.
    pub budget_requests: u64,
    /// What models may cost on one day.
    pub budget_day_cents: Option<u64>,
    /// How many requests to models one day may see.
    pub budget_day_requests: Option<u64>,
    /// What single models may cost in one run.
    pub budget_models: BTreeMap<String, ModelBudget>,
    /// Answers are kept and served again.
    pub cache: bool,
    /// Models that can call tools may do so.
    pub tools: bool,
    /// Who makes vectors of questions.
    pub embedder: String,
    /// Models by role, where they were named.
    pub roles: BTreeMap<&'static str, Vec<String>>,
    /// How strategies are tuned.
    pub strategies: BTreeMap<String, Tuning>,
    /// Further models.
    pub catalog: Vec<CatalogLine>,
    /// Coding agents.
    pub agents: Vec<Agent>,
    /// A fence around the tests; none: where it is usual.
    pub sandbox: Option<bool>,
    /// The tests have a network.
    pub network: Option<bool>,
    /// The least roles for commands in comments, as `command=role`.
    pub github_roles: Vec<String>,
    /// Bots that may give commands.
    pub github_bots: Vec<String>,
    /// Test runs at the same time.
    pub parallel: usize,
    /// Bytes kept of each output stream.
    pub log_cap_bytes: u64,
}

/// A suite that takes a second still gets a minute: a first run may have to compile.
const SHORTEST_RUN_LIMIT: Duration = Duration::from_secs(60);

impl Config {
    /// The time limit for one run of the suite, from the red run's duration where nothing was configured.
    pub fn limit_of_run(&self, red: Duration) -> Duration {
        let derived = red.saturating_mul(10).max(SHORTEST_RUN_LIMIT);
        self.run_time_limit.unwrap_or(derived).min(self.time_limit)
    }
}

impl Default for Config {
    fn default() -> Self {
        Loaded::of(&BTreeMap::new()).config
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the file.
    File {
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// An option.
    CommandLine {
        /// As typed.
        option: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { line } => write!(f, "{FILE}:{line}"),
            Origin::Environment { variable } => f.write_str(variable),
            Origin::CommandLine { option } => f.write_str(option),
        }
    }
}

/// One value with its origin, for `doctor` and `--verbose`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value as one would write it, or the default in words.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A configuration and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The values as text, each with its origin, in the order of the reference.
    pub settings: Vec<Setting>,
    /// There is a `.kaizen.yml`.
    pub has_file: bool,
    /// Remarks: variables that look like ours and are not read.
    pub notes: Vec<String>,
}

/// An option given on the command line, to override a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key.
    pub key: &'static str,
    /// Its text.
    pub text: String,
}

type Layered = BTreeMap<&'static str, (Value, Origin)>;

/// Loads the configuration for the repository at `root` (its `.kaizen.yml` is optional), with the environment `env` and
/// the options given.
///
/// # Errors
/// The first thing that is wrong, with its place and what to write instead.
pub fn load(root: &Path, env: &[(String, String)], options: &[Override]) -> Result<Loaded> {
    let path = root.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(bytes) => Some(String::from_utf8(bytes).map_err(|error| {
            Error::usage(format!("{FILE} is not UTF-8 text")).source(error).hint("save it as UTF-8")
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).context(|| format!("can't read {}", path.display())),
    };
    layered(text.as_deref(), env, options)
}

/// The same from text alone.
///
/// # Errors
/// As [`load`].
pub fn layered(text: Option<&str>, env: &[(String, String)], options: &[Override]) -> Result<Loaded> {
    let mut layers = Layered::new();
    for (key, (value, line)) in file::read(FILE, text.unwrap_or_default())? {
        layers.insert(key, (value, Origin::File { line }));
    }
    let notes = from_environment(env, &mut layers)?;
    from_options(options, &mut layers)?;
    let mut loaded = Loaded::of(&layers);
    loaded.has_file = text.is_some();
    loaded.notes = notes;
    Ok(loaded)
}

/// `cmd` and `suites` are two ways to say one thing: the layer above wins as a whole.
fn put(layers: &mut Layered, key: &'static str, value: Value, origin: Origin) {
    if key == "cmd" {
        layers.remove("suites");
    }
    layers.insert(key, (value, origin));
}

fn from_environment(env: &[(String, String)], layers: &mut Layered) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for (variable, text) in env.iter().filter(|(name, _)| name.starts_with("KAIZEN_")) {
        let other = keys::OTHER_VARIABLES.iter().any(|(name, _)| name == variable);
        // What our own tests set is nobody's configuration.
        if other || variable.starts_with("KAIZEN_TEST_") || text.is_empty() {
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.variable().as_ref() == Some(variable)) else {
            let known: Vec<String> = KEYS.iter().filter_map(keys::Key::variable).collect();
            let hint = suggest(variable, known.iter().map(String::as_str));
            notes.push(format!("the variable {variable} is not read: {hint}"));
            continue;
        };
        let value = value::from_text(key, text).map_err(|refused| refused_text(variable, refused))?;
        put(layers, key.name, value, Origin::Environment { variable: variable.clone() });
    }
    Ok(notes)
}

fn from_options(options: &[Override], layers: &mut Layered) -> Result<()> {
    for Override { key, text } in options {
        let key = keys::find(key).ok_or_else(|| Error::internal(format!("no configuration key `{key}`")))?;
        let option = key.option.unwrap_or(key.name);
        let value = value::from_text(key, text).map_err(|refused| refused_text(option, refused))?;
        put(layers, key.name, value, Origin::CommandLine { option: option.to_owned() });
    }
    Ok(())
}

fn refused_text(place: &str, refused: value::Refused) -> Error {
    let error = Error::usage(format!("{place} {}", refused.why));
    match refused.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

impl Loaded {
    fn of(layers: &Layered) -> Self {
        let settings = KEYS.iter().map(|key| match layers.get(key.name) {
            Some((value, origin)) => Setting { key: key.name, value: value.show(), origin: origin.clone() },
            None => Setting { key: key.name, value: key.default_words.into(), origin: Origin::Default },
        });
        Self { settings: settings.collect(), config: typed(layers), has_file: false, notes: Vec::new() }
    }
}

/// The typed form. The table's defaults are checked by a test, so the fallbacks here are never reached.
fn typed(layers: &Layered) -> Config {
    let get = |name: &str| -> Option<Value> {
        let key = keys::find(name)?;
        let default = || key.default.and_then(|text| value::from_text(key, text).ok());
        layers.get(key.name).map(|(value, _)| value.clone()).or_else(default)
    };
    let flag = |name| match get(name) {
        Some(Value::Flag(flag)) => Some(flag),
        _ => None,
    };
    let text = |name| match get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let list = |name| match get(name) {
        Some(Value::List(items)) => items,
        _ => Vec::new(),
    };
    let count = |name| match get(name) {
        Some(Value::Count(n)) => Some(n),
        _ => None,
    };
    let duration = |name| match get(name) {
        Some(Value::Duration(duration)) => Some(duration),
        _ => None,
    };
    let records = |name| match get(name) {
        Some(Value::Records(records)) => records,
        _ => Vec::new(),
    };
    let role = |key: &keys::Key| match get(key.name) {
        Some(Value::List(items)) => Some((key.name.strip_prefix("roles.")?, items)),
        _ => None,
    };
    let small = |name| count(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    Config {
        cmd: text("cmd"),
        suites: match get("suites") {
            Some(Value::Suites(suites)) => suites,
            _ => Vec::new(),
        },
        base: text("base"),
        fixers: list("fixers"),
        max_tier: u8::try_from(small("max_tier")).unwrap_or(3),
        time_limit: duration("time_limit").unwrap_or(SHORTEST_RUN_LIMIT),
        run_time_limit: duration("run_time_limit"),
        repeat: small("repeat"),
        reruns: small("reruns"),
        protected: list("protected"),
        allow_test_changes: get("allow_test_changes") == Some(Value::Flag(true)),
        carry_add: list("carry.add"),
        carry_skip: list("carry.skip"),
        env_allow: list("env.allow"),
        pause: duration("pause").unwrap_or_default(),
        models: list("models"),
        free: get("free") == Some(Value::Flag(true)),
        budget_cents: count("budget.cents").unwrap_or(0),
        budget_requests: count("budget.requests").unwrap_or(0),
        budget_day_cents: count("budget.day_cents"),
        budget_day_requests: count("budget.day_requests"),
        budget_models: models::budgets(&records("budget.models")),
        cache: get("cache") == Some(Value::Flag(true)),
        tools: get("tools") == Some(Value::Flag(true)),
        embedder: text("embedder").unwrap_or_else(|| "built-in".into()),
        roles: KEYS.iter().filter_map(role).collect(),
        strategies: models::strategies(&records("strategies")),
        catalog: models::catalog(&records("catalog")),
        agents: models::agents(&records("agents")),
        sandbox: flag("sandbox"),
        network: flag("network"),
        github_roles: list("github.roles"),
        github_bots: list("github.bots"),
        parallel: count("parallel").and_then(|n| usize::try_from(n).ok()).unwrap_or_else(cores),
        log_cap_bytes: match get("log_cap") {
            Some(Value::Size(bytes)) => bytes,
            _ => crate::process::LOG_CAP_BYTES,
        },
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `did you mean …?` for a name that is not known, else the names that are.
pub fn suggest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.dedup();
    let near =
        known.iter().map(|other| (strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase()), other));
    match near.min() {
        // A third of the letters may be wrong: `timelimt` is meant as `time_limit`, `colour` is not meant as `cmd`.
        Some((distance, other)) if distance * 3 <= name.chars().count().max(3) => format!("did you mean `{other}`?"),
        _ => format!("known: {}", known.join(", ")),
    }
}
