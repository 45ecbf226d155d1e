//! What the configuration says of models and agents, typed: strategies, roles, the catalog's additions, budgets, agents.

use std::collections::BTreeMap;
use std::time::Duration;

use super::records::Record;

/// A line that `catalog` adds: a model with a price, or what is to be known of one on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogLine {
    /// Its provider.
    pub provider: String,
    /// As the provider calls it.
    pub id: String,
    /// Who is one and the same behind several names.
    pub family: Option<String>,
    /// Tokens of context.
    pub context: Option<u64>,
    /// 1 to 10.
    pub strength: Option<u64>,
    /// It thinks before it answers.
    pub reasoning: Option<bool>,
    /// Dollars per million tokens of the prompt, as written.
    pub prompt: Option<String>,
    /// Dollars per million tokens of the answer, as written.
    pub answer: Option<String>,
}

impl CatalogLine {
    /// Without a price.
    pub fn is_unpriced(&self) -> bool {
        self.prompt.is_none() && self.answer.is_none()
    }
}

/// How one strategy is tuned; nothing said: as it comes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuning {
    /// `provider/model`, `local`, `free` or `paid`.
    pub models: Vec<String>,
    /// Of its first attempt, in thousandths.
    pub temperature_milli: Option<u16>,
    /// Turns.
    pub attempts: Option<u32>,
}

/// What one model may cost in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelBudget {
    /// US cents.
    pub cents: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
}

/// A coding agent that may be started as a fixer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// A ready-made definition's name, or one of one's own.
    pub name: String,
    /// For `sh -c`; none for a ready-made definition.
    pub cmd: Option<String>,
    /// Variables that it may see although they look like secrets.
    pub env: Vec<String>,
    /// Wall time.
    pub time_limit: Option<Duration>,
}

pub(super) fn catalog(records: &[Record]) -> Vec<CatalogLine> {
    let line = |r: &Record| {
        let text = |name: &str| r.text(name).map(str::to_owned);
        Some(CatalogLine {
            provider: text("provider")?,
            id: text("id")?,
            family: text("family"),
            context: r.number("context"),
            strength: r.number("strength"),
            reasoning: r.yes("reasoning"),
            prompt: text("prompt"),
            answer: text("answer"),
        })
    };
    records.iter().filter_map(line).collect()
}

pub(super) fn strategies(records: &[Record]) -> BTreeMap<String, Tuning> {
    let tuning = |r: &Record| {
        let temperature_milli = r.number("temperature").and_then(|n| u16::try_from(n).ok());
        let attempts = r.number("attempts").and_then(|n| u32::try_from(n).ok());
        (r.name.clone(), Tuning { models: r.list("models"), temperature_milli, attempts })
    };
    records.iter().map(tuning).collect()
}

pub(super) fn budgets(records: &[Record]) -> BTreeMap<String, ModelBudget> {
    let budget =
        |r: &Record| (r.name.clone(), ModelBudget { cents: r.number("cents"), requests: r.number("requests") });
    records.iter().map(budget).collect()
}

pub(super) fn agents(records: &[Record]) -> Vec<Agent> {
    let agent = |r: &Record| {
        Some(Agent {
            name: r.text("name")?.to_owned(),
            cmd: r.text("cmd").map(str::to_owned),
            env: r.list("env"),
            time_limit: r.number("time_limit").map(Duration::from_millis),
        })
    };
    records.iter().filter_map(agent).collect()
}
