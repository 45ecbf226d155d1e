//! `kaizen-ci cache`: what the cache holds and saved, and how far its likeness can be trusted.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cache::calibrate::{self, Calibration, Rate, Score};
use crate::cache::{self, Counters, Store, entry, thresholds};
use crate::cli::context::Context;
use crate::cli::models;
use crate::error::{Context as _, Error, Exit, Result};
use crate::model::client::Client;
use crate::model::embedder;
use crate::report::escape::one_line;
use crate::report::numbers::count;

/// Options of `cache`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci cache stats\n  kaizen-ci cache gc\n  kaizen-ci cache export > answers.jsonl\n  kaizen-ci cache calibrate pairs.jsonl\n\nWith KAIZEN_CACHE_URL=postgres://… a team shares one cache."
)]
pub struct Cache {
    /// What to do
    #[command(subcommand)]
    pub what: What,
}

/// What to do with the cache.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Say how often answers were served again, and what that saved
    #[command(after_help = "Examples:\n  kaizen-ci cache stats\n  kaizen-ci cache stats --json")]
    Stats {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove every answer and the counters
    #[command(after_help = "Examples:\n  kaizen-ci cache clear")]
    Clear {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove answers whose time is over
    #[command(after_help = "Examples:\n  kaizen-ci cache gc")]
    Gc {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Print every answer, one JSON object a line
    #[command(after_help = "Examples:\n  kaizen-ci cache export > answers.jsonl")]
    Export,
    /// Fit the threshold to the embedder on labelled pairs, and say how sure it is
    #[command(
        after_help = "Examples:\n  kaizen-ci cache calibrate pairs.jsonl\n\nOne JSON object a line: {\"id\": \"1\", \"a\": \"…\", \"b\": \"…\", \"same_answer\": true}"
    )]
    Calibrate(Calibrate),
}

/// Options of `cache calibrate`.
#[derive(Debug, Clone, Args)]
pub struct Calibrate {
    /// The pairs
    pub pairs: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Does it.
///
/// # Errors
/// When we are in no repository, the store can't be used, or the pairs can't be read.
pub fn run(context: &Context, args: &Cache) -> Result<Exit> {
    match &args.what {
        What::Stats { json } => stats(context, *json)?,
        What::Clear { json } => removed(context, *json, "clear", store(context)?.clear()?)?,
        What::Gc { json } => removed(context, *json, "gc", store(context)?.collect_garbage(entry::now_ms())?)?,
        What::Export => store(context)?.export(&mut |entry| {
            let line = serde_json::to_string(&entry).context(|| "can't write an answer".into())?;
            context.terminal.out(&format!("{line}\n"));
            Ok(())
        })?,
        What::Calibrate(args) => fit(context, args)?,
    }
    Ok(Exit::Ok)
}

fn fit(context: &Context, args: &Calibrate) -> Result<()> {
    let path = context.dir.join(&args.pairs);
    let text = std::fs::read_to_string(&path).map_err(|e| {
        Error::usage(format!("can't read the pairs in {}", path.display())).source(e).hint("check the path")
    })?;
    let pairs = calibrate::read(&text)?;
    let state = context.repository().and_then(|repository| repository.state_dir()).ok();
    let found = fitted(context, pairs, state.as_deref())?;
    if let Some(state) = &state {
        thresholds::keep(state, &found.embedder, found.threshold as f32)?;
    }
    if !args.json {
        context.terminal.out(&calibration(&found, state.is_some()));
        return Ok(());
    }
    let mut document = serde_json::to_value(&found).context(|| "can't write the document".into())?;
    document["schema"] = json!("kaizen-ci/cache-calibration/v1");
    document_out(context, &document)
}

/// With the embedder that the configuration names: what another one's vectors say means nothing for it.
fn fitted(context: &Context, pairs: Vec<calibrate::Pair>, state: Option<&Path>) -> Result<Calibration> {
    let config = match context.repository() {
        Ok(repository) => context.config(&repository, &[])?.config,
        Err(_) => context.config_at(&context.dir, &[])?.config,
    };
    let settings = models::settings(&config)?;
    context.wait(|_| async move {
        let embedder = embedder::of(&settings, || Client::new(settings.free_only));
        if settings.embedder.contains('/') && embedder.id() != settings.embedder {
            return Err(Error::environment(format!("{} can't be asked for nothing", settings.embedder)).hint(
                "check `embedder`, KAIZEN_MODEL_URL and that its server runs on this machine; kaizen-ci models",
            ));
        }
        let in_use = state.and_then(|state| thresholds::of(state, embedder.id()));
        // it asks a server, and waits for it
        let fit = tokio::task::spawn_blocking(move || calibrate::calibrate(&pairs, embedder.as_ref(), in_use));
        fit.await.map_err(|e| Error::internal("calibrating panicked").source(e))?
    })
}

fn store(context: &Context) -> Result<Box<dyn Store>> {
    let url = std::env::var(cache::URL_VARIABLE).ok().filter(|url| !url.is_empty());
    match url {
        Some(url) => cache::open_store(&context.dir, Some(&url)),
        None => cache::open_store(&context.repository()?.state_dir()?, None),
    }
}

fn document_out(context: &Context, document: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(document).context(|| "can't write the document".into())?;
    context.terminal.out(&format!("{text}\n"));
    Ok(())
}

fn removed(context: &Context, as_json: bool, what: &str, n: u64) -> Result<()> {
    if as_json {
        return document_out(context, &json!({"schema": format!("kaizen-ci/cache-{what}/v1"), "removed": n}));
    }
    context.terminal.out(&format!("removed {}\n", count(usize::try_from(n).unwrap_or(usize::MAX), "answer")));
    Ok(())
}

fn stats(context: &Context, as_json: bool) -> Result<()> {
    let counters = store(context)?.counters(entry::now_ms())?;
    let bound = calibrate::rate(SHIPPED_WRONG, SHIPPED_TRAPS);
    if as_json {
        return document_out(context, &stats_json(&counters, bound));
    }
    context.terminal.out(&stats_text(&counters, bound));
    Ok(())
}

/// What the built-in embedder, threshold and guard serve wrongly of the traps in `fixtures/cache/pairs.dev.jsonl`; a test
/// compares it.
pub const SHIPPED_WRONG: u64 = 0;
/// How many traps there are in that file.
pub const SHIPPED_TRAPS: u64 = 160;

fn looked_up(c: &Counters) -> u64 {
    c.exact + c.semantic + c.refused + c.miss
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn stats_json(c: &Counters, bound: Rate) -> serde_json::Value {
    let all = looked_up(c);
    json!({
        "schema": "kaizen-ci/cache-stats/v1",
        "entries": c.entries,
        "expired": c.expired,
        "look_ups": all,
        "exact_hits": c.exact,
        "semantic_hits": c.semantic,
        "refused_by_guard": c.refused,
        "misses": c.miss,
        "exact_hit_rate": share(c.exact, all),
        "semantic_hit_rate": share(c.semantic, all),
        "wrong_serve": bound,
        "wrong_serve_measured_on": "development pairs, built-in embedder",
        "tokens_saved": c.saved.tokens,
        "micro_dollars_saved": c.saved.micro_dollars,
    })
}

fn stats_text(c: &Counters, bound: Rate) -> String {
    let all = looked_up(c);
    let percent = |n: u64| format!("{:.1} %", 100.0 * share(n, all));
    format!(
        "answers   {} ({} more are too old: kaizen-ci cache gc)\nlook-ups  {all}\nexact     {} ({})\nsemantic  {} ({}); the \
         guard refused {}\nwrong     at most {:.1} % of look-alikes are served wrongly (95 % bound: {} of {} traps of the development pairs, built-in embedder)\nsaved     {} \
         tokens, ${:.4}\n",
        c.entries,
        c.expired,
        c.exact,
        percent(c.exact),
        c.semantic,
        percent(c.semantic),
        c.refused,
        100.0 * bound.high,
        bound.hits,
        bound.of,
        c.saved.tokens,
        c.saved.micro_dollars as f64 / 1e6,
    )
}

fn calibration(found: &Calibration, kept: bool) -> String {
    let rate = |r: &Rate| {
        format!(
            "{:>3} of {:<3} = {:>5.1} % ({:.1} to {:.1})",
            r.hits,
            r.of,
            100.0 * r.rate,
            100.0 * r.low,
            100.0 * r.high
        )
    };
    let row = |name: &str, s: &Score| format!("{name:<34} {:<36} {}\n", rate(&s.hit), rate(&s.wrong));
    let mut out = format!("embedder   {}\n", one_line(&found.embedder, 80));
    let kept =
        if kept { "; the fitted one is kept, and used from here on" } else { "; not kept: this is no repository" };
    out.push_str(&format!("threshold  {:.2} fitted, {:.2} in use until now{kept}\n\n", found.threshold, found.in_use));
    out.push_str(&format!("{:<34} {:<36} {}\n", "", "paraphrases served (95 % bounds)", "traps served (95 % bounds)"));
    out.push_str(&row("fitted, on the half it was fitted on", &found.fit));
    out.push_str(&row("fitted, on the half held out", &found.held_out));
    out.push_str(&row("in use until now, all pairs", &found.now));
    out.push_str(&row("0.92 with the guard, all pairs", &found.strict));
    out.push_str(&row("0.92 without the guard, all pairs", &found.cosine_alone));
    out
}
