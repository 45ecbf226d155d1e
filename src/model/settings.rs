//! What may be asked, and with what: from the configuration and the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::budget::ModelLimits;
use super::catalog::Known;
use super::money::Money;
use super::{Secret, providers};
use crate::config::{Agent, CatalogLine, Config, ModelBudget, Tuning};
use crate::mask::Mask;

/// What may be asked, and with what.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `local`, `free`, `paid`, `off` or `provider/model`, in order of preference.
    pub models: Vec<String>,
    /// Nothing with a price leaves the process.
    pub free_only: bool,
    /// Budget of the run.
    pub cents: u64,
    /// Requests of the run.
    pub requests: u64,
    /// A server that the environment names, and its key.
    pub own: Option<String>,
    /// Its key.
    pub own_key: Option<Secret>,
    /// The environment says that asking it costs nothing, wherever it is.
    pub own_costs_nothing: bool,
    /// Keys by provider.
    pub keys: BTreeMap<&'static str, Secret>,
    /// Covers secrets in prompts.
    pub mask: Mask,
    /// Where answers and the days' costs are kept; none: nowhere.
    pub cache: Option<CachePlace>,
    /// Where this user's state is that belongs to no repository: what an account was asked today.
    pub user_state: Option<PathBuf>,
    /// Kept answers are not served, new ones not kept.
    pub cache_off: bool,
    /// Models by role, where the configuration names some.
    pub roles: BTreeMap<&'static str, Vec<String>>,
    /// How strategies are tuned.
    pub strategies: BTreeMap<String, Tuning>,
    /// Lines of the catalog that the configuration adds.
    pub added: Vec<Known>,
    /// What the configuration says of models on this machine, without a price.
    pub told: Vec<CatalogLine>,
    /// Budgets of single models.
    pub model_limits: BTreeMap<String, ModelLimits>,
    /// Budget of a day, in cents.
    pub day_cents: Option<u64>,
    /// Requests of a day.
    pub day_requests: Option<u64>,
    /// Coding agents that may be started.
    pub agents: Vec<Agent>,
    /// Turns at the same time that Ollama is set to (`OLLAMA_NUM_PARALLEL`), where we see its setting.
    pub ollama_slots: Option<usize>,
    /// Models that can call tools may do so.
    pub tools: bool,
    /// Who makes vectors of questions: `built-in`, or `provider/model`.
    pub embedder: String,
    /// Where servers of this machine are looked for, `provider` and port; none said: on their usual ports.
    pub ports: Option<Vec<(String, u16)>>,
}

/// Where answers are kept.
#[derive(Debug, Clone)]
pub struct CachePlace {
    /// Our state in the repository.
    pub state_dir: PathBuf,
    /// The server that a team shares; it has a password in it.
    pub url: Option<Secret>,
}

/// A variable that says free mode, beside the configuration key; any value but an empty one, `0` and `false` means yes.
pub const FREE_VARIABLE: &str = "COST_FREE_ONLY";

/// A variable that says with `0` that asking the server at `KAIZEN_MODEL_URL` costs nothing, wherever it is. Free mode does
/// not believe it: there a server is on this machine or is not asked.
pub const COST_VARIABLE: &str = "KAIZEN_MODEL_COST";

/// A variable that says where servers of this machine listen instead of their usual ports.
pub const PORTS_VARIABLE: &str = "KAIZEN_LOCAL_PORTS";

/// `ollama=11500, llama.cpp=18080`; what is no known server with a port (`none`) is left out.
fn ports(text: &str) -> Vec<(String, u16)> {
    let one = |entry: &str| {
        let (name, port) = entry.trim().split_once('=')?;
        let known = providers::find(name.trim()).filter(|p| p.port.is_some())?;
        Some((known.name.to_owned(), port.trim().parse().ok()?))
    };
    text.split(',').filter_map(one).collect()
}

/// Words that `models` may have beside `provider/model`.
pub const WORDS: &[&str] = &["local", "free", "paid", "own", "off"];

impl Settings {
    /// The first model that the configuration names and that means nothing; none when all is well.
    pub fn unknown(&self) -> Option<&str> {
        let known = |entry: &&String| {
            let provider = entry.split_once('/').filter(|(_, id)| !id.is_empty()).map(|(provider, _)| provider);
            WORDS.contains(&entry.as_str())
                || provider.is_some_and(|p| p == providers::OWN || providers::find(p).is_some())
        };
        let lists = self.roles.values().chain(self.strategies.values().map(|t| &t.models));
        let named = lists.flatten().chain(self.model_limits.keys());
        self.models.iter().chain(named).find(|e| !known(e)).map(String::as_str)
    }

    /// The first line of `catalog` that has to say a price and does not: half of one is none, and only on this machine nothing
    /// has one.
    pub fn without_price(config: &Config) -> Option<&CatalogLine> {
        let is_here = |l: &CatalogLine| {
            l.provider == providers::OWN || providers::find(&l.provider).is_some_and(|p| p.port.is_some())
        };
        config.catalog.iter().find(|l| Known::added(l).is_none() && !(l.is_unpriced() && is_here(l)))
    }

    /// Does the configuration name exactly this model, wherever it names some?
    pub fn names(&self, model: &str) -> bool {
        let lists = self.roles.values().chain(self.strategies.values().map(|t| &t.models));
        self.models.iter().chain(lists.flatten()).any(|name| name == model)
    }

    /// From the configuration and the environment. Keys and addresses come from the environment alone: a repository's
    /// file could send a key wherever it likes.
    pub fn new(config: &Config, env: &dyn Fn(&str) -> Option<String>, mask: Mask) -> Self {
        let said = |name| env(name).filter(|v| !matches!(v.trim().to_ascii_lowercase().as_str(), "" | "0" | "false"));
        let keys = providers::PROVIDERS.iter().filter_map(|p| Some((p.name, p.key_from(env)?))).collect();
        Self {
            models: config.models.clone(),
            free_only: config.free || said(FREE_VARIABLE).is_some(),
            cents: config.budget_cents,
            requests: config.budget_requests,
            own: env("KAIZEN_MODEL_URL").map(|u| u.trim().to_owned()).filter(|u| !u.is_empty()),
            own_costs_nothing: env(COST_VARIABLE).is_some_and(|cost| cost.trim() == "0"),
            own_key: env("KAIZEN_MODEL_KEY").and_then(|k| Secret::new(&k)),
            keys,
            mask,
            cache: None,
            user_state: user_state(env),
            cache_off: !config.cache,
            roles: config.roles.clone(),
            strategies: config.strategies.clone(),
            added: config.catalog.iter().filter_map(Known::added).collect(),
            told: config.catalog.iter().filter(|line| line.is_unpriced()).cloned().collect(),
            model_limits: config.budget_models.iter().map(|(name, b)| (name.clone(), limits(b))).collect(),
            day_cents: config.budget_day_cents,
            day_requests: config.budget_day_requests,
            agents: config.agents.clone(),
            ollama_slots: env("OLLAMA_NUM_PARALLEL")
                .and_then(|n| n.trim().parse().ok())
                .filter(|n| (1..=64).contains(n)),
            tools: config.tools,
            embedder: config.embedder.clone(),
            ports: env(PORTS_VARIABLE).map(|text| ports(&text)),
        }
    }
}

/// The user's own state: `$XDG_STATE_HOME/kaizen-ci` (XDG Base Directory Specification; `~/.local/state` where it is not set), on
/// Windows `%LOCALAPPDATA%\kaizen-ci`. Only absolute places count.
fn user_state(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let place = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = || place("HOME").map(|home| home.join(".local/state"));
    let state = if cfg!(windows) { place("LOCALAPPDATA") } else { place("XDG_STATE_HOME").or_else(usual) };
    Some(state?.join("kaizen-ci"))
}

fn limits(budget: &ModelBudget) -> ModelLimits {
    ModelLimits { money: budget.cents.map(Money::cents), requests: budget.requests }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_users_own_state_is_where_the_desktop_specification_puts_it() {
        for (variables, place) in [
            (&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")][..], Some("/s/kaizen-ci")),
            (&[("HOME", "/h")], Some("/h/.local/state/kaizen-ci")),
            (&[("XDG_STATE_HOME", "relative"), ("HOME", "/h")], Some("/h/.local/state/kaizen-ci")),
            (&[("HOME", "")], None),
            (&[], None),
        ] {
            let env = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
            assert_eq!(user_state(&env), place.map(PathBuf::from), "{variables:?}");
        }
    }
}
