//! `kaizen-ci doctor`: what was found here, what is missing, and what to do about it.

use clap::Args;

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci doctor\n  kaizen-ci doctor --json    for a script; exit code 22 when something that heal needs is missing"
)]
pub struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
