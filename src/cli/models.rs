//! `kaizen-ci models`: the language models that can be asked now, and what each means for the purse.

use std::path::Path;

use clap::Args;

use crate::cache;
use crate::cli::context::Context;
use crate::cli::options;
use crate::config::{Config, Override};
use crate::console::style::Style;
use crate::error::{Context as _, Error, Exit, Result};
use crate::mask::Mask;
use crate::model::catalog::{Price, Tier};
use crate::model::discover::Usable;
use crate::model::settings::WORDS;
use crate::model::{CachePlace, Job, Models, Secret, Settings, profiles, providers};
use crate::process::environment;
use crate::report::escape::one_line;

/// Options of `models`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci models\n  kaizen-ci models --models local,free,paid    all that keys are there for\n  kaizen-ci models --json"
)]
pub struct ModelsOptions {
    /// Which: local, free, paid, provider/model, separated by commas (default: `models` of the configuration)
    #[arg(long, value_name = "A,B")]
    pub models: Option<String>,
    /// Only local and free ones
    #[arg(long)]
    pub free: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The settings for models, from a configuration and this process's environment.
///
/// # Errors
/// When `models` names something that there is not.
pub fn settings(config: &Config) -> Result<Settings> {
    let mask = Mask::new(environment::secrets(std::env::vars_os()));
    let settings = Settings::new(config, &|name| std::env::var(name).ok(), mask);
    match settings.unknown() {
        None => Ok(settings),
        Some(unknown) => {
            let providers: Vec<&str> = providers::PROVIDERS.iter().map(|p| p.name).collect();
            let hint = format!("write {}, or provider/model with one of {}", WORDS.join(", "), providers.join(", "));
            Err(Error::usage(format!("`models` names `{unknown}`, which is no model")).hint(hint))
        }
    }
}

/// Where the answers of models are kept, for a run in this repository.
pub fn cache_place(state_dir: &Path) -> CachePlace {
    let url = std::env::var(cache::URL_VARIABLE).ok().and_then(|url| Secret::new(&url));
    CachePlace { state_dir: state_dir.to_owned(), url }
}

/// Lists them. Works outside of a repository too, with the defaults.
///
/// # Errors
/// When the configuration is wrong.
pub fn run(context: &Context, args: &ModelsOptions) -> Result<Exit> {
    let mut overrides: Vec<Override> =
        args.models.iter().map(|text| Override { key: "models", text: text.clone() }).collect();
    overrides.extend(options::flag("free", args.free));
    let config = match context.repository() {
        Ok(repository) => context.config(&repository, &overrides)?.config,
        Err(_) => context.config_at(&context.dir, &overrides)?.config,
    };
    let models = Models::new(settings(&config)?);
    let (usable, jobs) = context.wait(|_| async move {
        let mut jobs = Vec::new();
        for job in Job::ALL {
            jobs.push((job.name(), models.named(job).await));
        }
        Ok((models.usable().await.to_vec(), jobs))
    })?;
    if args.json {
        let list: Vec<_> = usable.iter().map(as_json).collect();
        let roles: serde_json::Map<_, _> = jobs.into_iter().map(|(job, who)| (job.to_owned(), who.into())).collect();
        let document = serde_json::json!({"schema": "kaizen-ci/models/v1", "models": list, "roles": roles});
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        context.terminal.out(&format!("{text}\n"));
        return Ok(Exit::Ok);
    }
    if usable.is_empty() {
        context.terminal.out(NOTHING);
        return Ok(Exit::Ok);
    }
    let style = context.terminal.out_style();
    let width = usable.iter().map(|u| one_line(&u.offer.name, 60).chars().count()).max().unwrap_or(0);
    for model in &usable {
        context.terminal.out(&format!("{}\n", line(model, width, style)));
    }
    let profile = profiles::of(&config.models);
    context
        .terminal
        .out(&format!("\n{}\n", style.dim(&format!("who does what (profile {profile}, `roles` in .kaizen.yml)"))));
    for (job, who) in jobs {
        let who = if who.is_empty() { "whoever is adequate".to_owned() } else { who.join(", ") };
        context.terminal.out(&format!("{job:<16} {}\n", one_line(&who, 160)));
    }
    Ok(Exit::Ok)
}

const NOTHING: &str = "\
no model can be asked now; healing works without one
  local  start a server on its usual port: ollama, llama.cpp, LM Studio, vLLM, MLX; or set KAIZEN_MODEL_URL
  free   set OPENROUTER_API_KEY, and `models: [local, free]` in .kaizen.yml
  paid   set a provider's key, and `models: [local, paid]` in .kaizen.yml
";

fn price(price: Option<Price>, tier: Tier) -> String {
    match (price, tier) {
        (Some(Price { prompt, answer }), _) => format!("{prompt} + {answer} per million tokens"),
        (None, Tier::Paid) => "price not known: never asked".into(),
        (None, Tier::Local | Tier::Free) => "costs nothing".into(),
    }
}

fn line(model: &Usable, width: usize, style: Style) -> String {
    let tier = format!("{:<5}", model.offer.tier.name());
    let tier = match model.offer.tier {
        Tier::Local | Tier::Free => style.green(&tier),
        Tier::Paid => style.yellow(&tier),
    };
    let name = one_line(&model.offer.name, 60);
    let answered = if model.answered { "answered" } else { "not asked yet" };
    let rest = format!(
        "{:>7} tokens  {} at a time  {}  {answered}",
        model.offer.context,
        model.slots,
        price(model.offer.price, model.offer.tier)
    );
    format!("{tier}  {name:<width$}  {}", style.dim(&rest))
}

fn as_json(model: &Usable) -> serde_json::Value {
    serde_json::json!({
        "name": model.offer.name,
        "tier": model.offer.tier.name(),
        "family": model.family,
        "context_tokens": model.offer.context,
        "strength": model.offer.strength,
        "slots": model.slots,
        "answered": model.answered,
        "nano_dollars_per_million_prompt_tokens": model.offer.price.map(|p| p.prompt.0),
        "nano_dollars_per_million_answer_tokens": model.offer.price.map(|p| p.answer.0),
    })
}
