//! `kaizen-ci models`: the language models that can be asked now, and what each means for the purse.

use std::path::Path;

use clap::Args;

use crate::cache;
use crate::cli::context::Context;
use crate::cli::options;
use crate::cli::session;
use crate::config::{Config, Override};
use crate::console::style::Style;
use crate::error::{Context as _, Error, Exit, Result};
use crate::model::catalog::{Price, Tier};
use crate::model::discover::{self, Usable};
use crate::model::settings::{COST_VARIABLE, WORDS};
use crate::model::{CachePlace, Job, Models, Secret, Settings, profiles, providers};
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
    let settings = Settings::new(config, &|name| std::env::var(name).ok(), session::mask());
    if let Some(line) = Settings::without_price(config) {
        let what = format!("`catalog` says no price of {}/{}", line.provider, line.id);
        return Err(Error::usage(what).hint("write its `prompt` and `answer`; only a model on this machine has none"));
    }
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
    let settings = settings(&config)?;
    let models = Models::new(settings.clone());
    let (usable, jobs) = context.wait(|_| async move {
        let mut jobs = Vec::new();
        for job in Job::ALL {
            jobs.push((job.name(), models.named(job).await));
        }
        Ok((models.usable().await.to_vec(), jobs))
    })?;
    let missing = discover::missing(&settings, &usable);
    if args.json {
        let list: Vec<_> = usable.iter().map(as_json).collect();
        let roles: serde_json::Map<_, _> = jobs.into_iter().map(|(job, who)| (job.to_owned(), who.into())).collect();
        let missing: Vec<_> = missing.iter().map(|(name, why)| serde_json::json!({"name": name, "why": why})).collect();
        let document =
            serde_json::json!({"schema": "kaizen-ci/models/v1", "models": list, "roles": roles, "missing": missing});
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        context.terminal.out(&format!("{text}\n"));
        return Ok(Exit::Ok);
    }
    let style = context.terminal.out_style();
    if usable.is_empty() {
        context.terminal.out(NOTHING);
        context.terminal.out(&not_there(&missing, style));
        return Ok(Exit::Ok);
    }
    context.terminal.out(&table(&usable, style));
    context.terminal.out(&not_there(&missing, style));
    context.terminal.out(&unpriced(&usable));
    context.terminal.out(&who_does_what(&jobs, profiles::of(&config.models), style));
    Ok(Exit::Ok)
}

fn who_does_what(jobs: &[(&str, Vec<String>)], profile: &str, style: Style) -> String {
    let title = style.dim(&format!("who does what (profile {profile}, `roles` in .kaizen.yml)"));
    let mut out = format!("\n{title}\n");
    for (job, who) in jobs {
        let who = if who.is_empty() { "whoever is adequate".to_owned() } else { who.join(", ") };
        out.push_str(&format!("{job:<16} {}\n", one_line(&who, 160)));
    }
    out
}

fn table(usable: &[Usable], style: Style) -> String {
    let widest = |of: &dyn Fn(&Usable) -> String| usable.iter().map(|u| of(u).chars().count()).max().unwrap_or(0);
    let name = widest(&|u| one_line(&u.offer.name, 60));
    let family = widest(&|u| one_line(&u.family, 30));
    usable.iter().map(|model| format!("{}\n", line(model, (name, family), style))).collect()
}

/// What the configuration names and nobody can ask.
fn not_there(missing: &[(String, String)], style: Style) -> String {
    let row = |(name, why): &(String, String)| {
        format!("{}  {}: {}\n", style.yellow("not there"), one_line(name, 60), one_line(why, 160))
    };
    missing.iter().map(row).collect()
}

/// What to do about models that are never asked because nobody knows what they cost.
fn unpriced(usable: &[Usable]) -> String {
    let Some(model) = usable.iter().find(|u| u.offer.tier == Tier::Paid && u.offer.price.is_none()) else {
        return String::new();
    };
    let name = one_line(&model.offer.name, 60);
    let why = model.remark.map(|why| format!(" ({why})")).unwrap_or_default();
    let (provider, id) = name.split_once('/').unwrap_or((name.as_str(), ""));
    let example = format!("catalog: [{{provider: {provider}, id: \"{id}\", prompt: 0.20, answer: 0.80}}]");
    let free = match provider {
        providers::OWN => {
            format!("; or, when it costs nothing, {COST_VARIABLE}=0 in the environment (not in free mode)")
        }
        _ => String::new(),
    };
    format!(
        "\n{name} is never asked{why}: give it its price in dollars per million tokens in .kaizen.yml, {example}{free}\n"
    )
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

/// `widths`: of names and of families.
fn line(model: &Usable, widths: (usize, usize), style: Style) -> String {
    let tier = format!("{:<5}", model.offer.tier.name());
    let tier = match model.offer.tier {
        Tier::Local | Tier::Free => style.green(&tier),
        Tier::Paid => style.yellow(&tier),
    };
    let (name, family) = (one_line(&model.offer.name, 60), one_line(&model.family, 30));
    let (width, family_width) = widths;
    let answered = if model.answered { "answered" } else { "not asked yet" };
    let rest = format!(
        "{family:<family_width$}  {:>7} tokens  {} at a time  {}  {answered}",
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
        "remark": model.remark,
        "context_tokens": model.offer.context,
        "strength": model.offer.strength,
        "slots": model.slots,
        "answered": model.answered,
        "nano_dollars_per_million_prompt_tokens": model.offer.price.map(|p| p.prompt.0),
        "nano_dollars_per_million_answer_tokens": model.offer.price.map(|p| p.answer.0),
    })
}
