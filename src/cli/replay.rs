//! `kaizen-ci replay`: checks a receipt again, offline.

use std::path::PathBuf;

use clap::Args;

/// Options of `replay`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci replay .git/kaizen/runs/…/receipt.json\n\nExit code 0: everything is as the receipt says; 50: something differs."
)]
pub struct Replay {
    /// The receipt
    #[arg(value_name = "RECEIPT")]
    pub receipt: PathBuf,
}
