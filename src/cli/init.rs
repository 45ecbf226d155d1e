//! `kaizen-ci init`: a commented `.kaizen.yml` with the suites that were found filled in.

use clap::Args;

/// Options of `init`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci init            write .kaizen.yml at the top of the repository\n  kaizen-ci init --print    only show it"
)]
pub struct Init {
    /// Write over a .kaizen.yml that is there
    #[arg(long)]
    pub force: bool,
    /// Print it instead of writing it
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
}
