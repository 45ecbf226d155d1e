//! `kaizen-ci runs`: the runs of this repository.

use clap::Args;

use crate::cli::context::Context;
use crate::console::style::Style;
use crate::error::{Context as _, Exit, Result};
use crate::report::escape::one_line;
use crate::report::numbers::seconds;
use crate::report::{Document, Outcome};
use crate::state::{self, RunInfo};
use crate::trajectory::log;

/// Options of `runs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  kaizen-ci runs\n  kaizen-ci runs --json")]
pub struct Runs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Lists them, newest first.
///
/// # Errors
/// When we are in no repository, or its runs can't be read.
pub fn run(context: &Context, args: &Runs) -> Result<Exit> {
    let repository = context.repository()?;
    let runs = state::list(&repository.state_dir()?)?;
    if args.json {
        let runs: Vec<_> = runs.iter().map(as_json).collect();
        let document = serde_json::json!({"schema": "kaizen-ci/runs/v1", "runs": runs});
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        context.terminal.out(&format!("{text}\n"));
        return Ok(Exit::Ok);
    }
    if runs.is_empty() {
        context.terminal.out("no runs yet: kaizen-ci heal\n");
        return Ok(Exit::Ok);
    }
    let style = context.terminal.out_style();
    for info in &runs {
        context.terminal.out(&format!("{}\n", line(info, style)));
    }
    Ok(Exit::Ok)
}

/// The document of a run, from its log.
///
/// # Errors
/// When the log can't be read.
pub fn document(info: &RunInfo) -> Result<Document> {
    let reading = log::read(&info.events())?;
    let entries: Vec<_> = reading.entries().cloned().collect();
    Ok(Document::of(&entries))
}

fn line(info: &RunInfo, style: Style) -> String {
    let Ok(document) = document(info) else {
        return format!("{}  {}", info.id, style.dim("its log can't be read"));
    };
    let words = if info.running { "at work".to_owned() } else { one_line(&document.headline, 90) };
    let words = match document.outcome {
        Outcome::Healed | Outcome::AlreadyGreen => style.green(&words),
        Outcome::Escalated | Outcome::BrokenOnBase | Outcome::Environment | Outcome::Error => style.red(&words),
        Outcome::HealedNotApplied
        | Outcome::Ambiguous
        | Outcome::Flaky
        | Outcome::LeftAlone
        | Outcome::Interrupted
        | Outcome::Unfinished => style.yellow(&words),
    };
    let began = info.started.strftime("%Y-%m-%d %H:%M");
    format!(
        "{}  {began}  {:<6} {words}  {}",
        info.id,
        one_line(&document.command, 8),
        style.dim(&seconds(document.duration_ms))
    )
}

fn as_json(info: &RunInfo) -> serde_json::Value {
    let document = document(info).ok();
    serde_json::json!({
        "run": info.id,
        "began": info.started.to_string(),
        "running": info.running,
        "folder": info.path.display().to_string(),
        "command": document.as_ref().map(|d| d.command.clone()),
        "outcome": document.as_ref().map(|d| d.outcome),
        "exit": document.as_ref().and_then(|d| d.exit),
        "headline": document.as_ref().map(|d| d.headline.clone()),
        "duration_ms": document.as_ref().map(|d| d.duration_ms),
    })
}
