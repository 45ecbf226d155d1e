//! `kaizen-ci diagnose`: is a run stuck, on what, and what would help? By rules alone, from its events.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::console::stalls;
use crate::error::{Context as _, Error, Exit, Result};
use crate::state;
use crate::supervise::{self, Finding, read};
use crate::trajectory::log;

/// Options of `diagnose`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci diagnose                       the latest run\n  kaizen-ci diagnose 20261122 --json       any run, by the beginning of its name\n  kaizen-ci diagnose ci/events.jsonl       the events of a run of another machine"
)]
pub struct Diagnose {
    /// The run: its name, the beginning of it, `latest`, or the path of an events.jsonl
    #[arg(default_value = state::LATEST)]
    pub run: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Document {
    /// `kaizen-ci/diagnose/v1`.
    schema: String,
    /// The run's name, or the path that was given.
    run: String,
    /// Lines of the log that could be read.
    events: usize,
    /// Lines that could not.
    damaged: usize,
    /// What the rules see.
    #[serde(flatten)]
    finding: Finding,
}

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Diagnoses it.
///
/// # Errors
/// When there is no such run or file, or it holds no event.
pub fn run(context: &Context, args: &Diagnose) -> Result<Exit> {
    let (name, path) = place(context, &args.run)?;
    let reading = log::read(&path)?;
    if reading.lines.is_empty() {
        return Err(Error::usage(format!("{} holds no event of kaizen-ci", path.display()))
            .why(format!("{} lines could not be read", reading.damaged))
            .hint("give the events.jsonl of a run: kaizen-ci show --events > events.jsonl"));
    }
    let finding = supervise::look(&read::steps(&reading));
    let terminal = &context.terminal;
    if args.json {
        let document = Document {
            schema: "kaizen-ci/diagnose/v1".into(),
            run: name,
            events: reading.lines.len(),
            damaged: reading.damaged,
            finding,
        };
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        terminal.out(&format!("{text}\n"));
        return Ok(Exit::Ok);
    }
    terminal.out(&stalls::render(&finding, &name, terminal.out_style()));
    if reading.damaged > 0 {
        terminal.err(&format!("note: {} lines of the log can't be read\n", reading.damaged));
    }
    Ok(Exit::Ok)
}

/// A file when there is one with this name; else a run of this repository.
fn place(context: &Context, run: &str) -> Result<(String, PathBuf)> {
    let path = context.dir.join(run);
    if path.is_file() {
        return Ok((run.to_owned(), path));
    }
    if Path::new(run).components().count() > 1 || run.ends_with(".jsonl") {
        return Err(Error::usage(format!("there is no file {}", path.display())).hint("kaizen-ci runs"));
    }
    let info = state::find(&context.repository()?.state_dir()?, run)?;
    Ok((info.id.clone(), info.events()))
}
