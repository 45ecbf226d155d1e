//! `kaizen-ci runs`: the runs of this repository.

use clap::Args;

/// Options of `runs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  kaizen-ci runs\n  kaizen-ci runs --json")]
pub struct Runs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
