//! `kaizen-ci show`: a run again, made from its events.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::runs;
use crate::console::ending;
use crate::error::{Context as _, Exit, Result};
use crate::report::markdown;
use crate::state::{self, RunInfo};
use crate::trajectory::log::{self, Line};

/// Options of `show`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci show                the latest run\n  kaizen-ci show 20261122 --json  any run, by the beginning of its name\n  kaizen-ci show --events       every event, one JSON line each\n  kaizen-ci show --markdown     the report for a person"
)]
pub struct Show {
    /// The run: its name, the beginning of it, or `latest`
    #[arg(default_value = state::LATEST)]
    pub run: String,
    /// Print the document that `heal --json` prints
    #[arg(long, conflicts_with_all = ["events", "markdown"])]
    pub json: bool,
    /// Print every event, one JSON line each
    #[arg(long, conflicts_with = "markdown")]
    pub events: bool,
    /// Print the report in Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// Shows it.
///
/// # Errors
/// When there is no such run, or its log can't be read.
pub fn run(context: &Context, args: &Show) -> Result<Exit> {
    let repository = context.repository()?;
    let info = state::find(&repository.state_dir()?, &args.run)?;
    if args.events {
        return events(context, &info);
    }
    let document = runs::document(&info)?;
    let terminal = &context.terminal;
    if args.json {
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        terminal.out(&format!("{text}\n"));
    } else if args.markdown {
        terminal.out(&markdown::render(&document));
    } else {
        let style = terminal.out_style();
        terminal.out(&ending::render(&document, ending::Show { style, quiet: false, say_apply: true }));
        terminal.out(&format!("  {} {}\n", style.dim("run         "), info.path.display()));
    }
    Ok(Exit::Ok)
}

fn events(context: &Context, info: &RunInfo) -> Result<Exit> {
    let reading = log::read(&info.events())?;
    for line in &reading.lines {
        let text = match line {
            Line::Entry(entry) => serde_json::to_string(entry),
            Line::Unknown { value, .. } => serde_json::to_string(value),
        };
        context.terminal.out(&format!("{}\n", text.context(|| "can't write an event".into())?));
    }
    if reading.damaged > 0 {
        context.terminal.err(&format!("note: {} lines of the log can't be read\n", reading.damaged));
    }
    Ok(Exit::Ok)
}
