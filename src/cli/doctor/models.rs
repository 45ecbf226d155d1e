//! What `doctor` says of models and agents: who can be asked now, and which coding agents can be started.

use std::path::Path;

use super::checks::try_out;
use super::{Check, Level};
use crate::cli::context::Context;
use crate::cli::models;
use crate::config::{Agent, Config};
use crate::error::Result;
use crate::fixer::command::{self, ready};
use crate::model::Models;
use crate::model::catalog::Tier;
use crate::model::discover::{self, Usable};
use crate::process::End;
use crate::suite::detect::is_on_path;

/// Both.
pub fn checks(context: &Context, config: &Config) -> Result<Vec<Check>> {
    let mut checks = vec![asked(context, config)?];
    checks.extend(agents(context, config)?);
    Ok(checks)
}

fn asked(context: &Context, config: &Config) -> Result<Check> {
    let settings = models::settings(config)?;
    let free = if settings.free_only { "; free mode: nothing with a price is asked" } else { "" };
    let models = Models::new(settings.clone());
    let usable = context.wait(|_| async move { Ok(models.usable().await.to_vec()) })?;
    let silent = discover::silent(&settings, &usable);
    if let Some(base) = silent.first() {
        let found = format!("own: {} {base}", discover::nobody(&settings));
        return Ok(Check::new(Level::Mind, "models", found)
            .todo("start the server that KAIZEN_MODEL_URL names, or take the variable out of the environment"));
    }
    if usable.is_empty() {
        return Ok(Check::new(
            Level::Good,
            "models",
            format!("none can be asked; the other fixers work without{free}"),
        )
        .todo("kaizen-ci models    (says how to get one)"));
    }
    let count = |tier: Tier| usable.iter().filter(|u| u.offer.tier == tier).count();
    let tiers: Vec<String> = [Tier::Local, Tier::Free, Tier::Paid]
        .into_iter()
        .filter(|tier| count(*tier) > 0)
        .map(|tier| format!("{} {}", count(tier), tier.name()))
        .collect();
    let names: Vec<&str> = usable.iter().take(3).map(|u: &Usable| u.offer.name.as_str()).collect();
    let found =
        format!("{} ({}{}){free}", tiers.join(", "), names.join(", "), if usable.len() > 3 { ", …" } else { "" });
    let unpriced = usable.iter().find(|u| u.offer.tier == Tier::Paid && u.offer.price.is_none());
    Ok(match unpriced {
        Some(model) => Check::new(Level::Mind, "models", found).todo(format!(
            "the price of {} is not known, so it is never asked: kaizen-ci models says what to do",
            model.offer.name
        )),
        None => Check::new(Level::Good, "models", found),
    })
}

fn agents(context: &Context, config: &Config) -> Result<Vec<Check>> {
    command::check(&config.agents)?;
    if config.agents.is_empty() {
        let here: Vec<&str> = ready::READY.iter().map(|r| r.name).filter(|name| is_on_path(name)).collect();
        let found = match here.is_empty() {
            true => "none is configured".to_owned(),
            false => format!("none is configured; {} could be (`agents` in .kaizen.yml)", here.join(", ")),
        };
        return Ok(vec![Check::new(Level::Good, "agents", found)]);
    }
    config.agents.iter().map(|agent| one_agent(context, config, agent)).collect()
}

fn one_agent(context: &Context, config: &Config, agent: &Agent) -> Result<Check> {
    let Some(ready) = ready::find(&agent.name).filter(|_| agent.cmd.is_none()) else {
        let cmd = agent.cmd.clone().unwrap_or_default();
        return Ok(Check::new(Level::Good, "agent", format!("{}: {cmd} (not tried)", agent.name)));
    };
    let argv = [ready.argv[0].to_owned(), "--version".to_owned()];
    Ok(match try_out(context, &argv, Path::new("/"), &config.env_allow)? {
        End::Exited(0) => Check::new(Level::Good, "agent", format!("{}: it starts", agent.name)),
        end => Check::new(Level::Mind, "agent", format!("{}: {}", agent.name, crate::report::end_words(end)))
            .todo(format!("install it: {}", ready.install)),
    })
}
