//! `kaizen-ci stats`: figures over the runs of this repository.

use clap::Args;
use serde::Serialize;

use crate::cache::calibrate;
use crate::cli::cache::{SHIPPED_TRAPS, SHIPPED_WRONG};
use crate::cli::context::Context;
use crate::config::units;
use crate::error::{Context as _, Error, Exit, Result};
use crate::learn::Told;
use crate::learn::stats::{Stats, THEIRS, stats};
use crate::report::stats as written;
use crate::report::stats::Beside;
use crate::state;
use crate::trajectory::log;

/// Options of `stats`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci stats\n  kaizen-ci stats --since 30d --json\n  kaizen-ci stats --html > figures.html"
)]
pub struct StatsOptions {
    /// Only runs that began at most so long ago (30d, 12h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Print one JSON document
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Print one HTML page
    #[arg(long)]
    pub html: bool,
}

/// What `--json` prints.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Document {
    #[serde(flatten)]
    stats: Stats,
    /// Upper bound of the share of look-alikes that the cache serves wrongly: of the shipped calibration, not of runs here.
    wrong_serve_bound: f64,
    /// Money that the cache saved in these runs, in millionths of a dollar.
    cache_saved_micro_dollars: u64,
    /// What the authors of the design reported for their own system: not measured here.
    theirs: std::collections::BTreeMap<String, String>,
}

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// The runs of this repository, the oldest first; at most those since `since`. Logs that can't be read are left out.
///
/// # Errors
/// When we are in no repository, or `since` is no duration.
pub fn told(context: &Context, since: Option<&str>) -> Result<Vec<Told>> {
    let limit = since
        .map(|text| {
            let wrong = |why: String| Error::usage(format!("--since {text}")).why(why).hint("--since 30d");
            units::parse_duration(text).map_err(wrong)
        })
        .transpose()?;
    let earliest = limit.and_then(|limit| jiff::Timestamp::now().checked_sub(limit).ok());
    let mut runs = state::list(&context.repository()?.state_dir()?)?;
    runs.retain(|run| earliest.is_none_or(|earliest| run.started >= earliest));
    runs.reverse();
    let read = |run: state::RunInfo| {
        let reading = log::read(&run.events()).ok()?;
        Some(Told { id: run.id, began: run.started, entries: reading.entries().cloned().collect() })
    };
    Ok(runs.into_iter().filter_map(read).collect())
}

/// Shows them.
///
/// # Errors
/// As [`told`].
pub fn run(context: &Context, args: &StatsOptions) -> Result<Exit> {
    let found = stats(&told(context, args.since.as_deref())?);
    let bound = calibrate::rate(SHIPPED_WRONG, SHIPPED_TRAPS).high;
    let terminal = &context.terminal;
    if args.json {
        let theirs = THEIRS.iter().map(|(name, figure)| ((*name).to_owned(), (*figure).to_owned())).collect();
        let cache_saved_micro_dollars = found.turns.cache_saved_nano_dollars / 1000;
        let document = Document { stats: found, wrong_serve_bound: bound, cache_saved_micro_dollars, theirs };
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        terminal.out(&format!("{text}\n"));
        return Ok(Exit::Ok);
    }
    let beside = Beside { wrong_serve_bound: bound };
    terminal.out(&if args.html { written::page(&found, beside) } else { written::text(&found, beside) });
    Ok(Exit::Ok)
}
