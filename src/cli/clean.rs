//! `kaizen-ci clean`: removes old runs and what killed runs left behind.

use clap::Args;

/// Options of `clean`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci clean                 leftovers of killed runs, and runs older than 30 days\n  kaizen-ci clean --older 0s      all runs\n  kaizen-ci clean --dry-run       only say what would go"
)]
pub struct Clean {
    /// Remove runs that are older than this
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = crate::config::units::parse_duration)]
    pub older: std::time::Duration,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}
