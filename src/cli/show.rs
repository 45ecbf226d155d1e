//! `kaizen-ci show`: a run again, made from its events.

use clap::Args;

/// Options of `show`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci show                the latest run\n  kaizen-ci show 01J8 --json    any run, by the beginning of its name\n  kaizen-ci show --events       every event, one JSON line each\n  kaizen-ci show --markdown     the report for a person"
)]
pub struct Show {
    /// The run: its name, the beginning of it, or `latest`
    #[arg(default_value = "latest")]
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
