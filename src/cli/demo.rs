//! `kaizen-ci demo`: a small broken project in a temporary folder, healed by the real loop.

use clap::Args;

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci demo           heal it, show what happened, remove the folder\n  kaizen-ci demo --keep    keep the folder, to look around"
)]
pub struct Demo {
    /// Keep the folder
    #[arg(long)]
    pub keep: bool,
    /// The project's language (default: the first whose tools are on this machine)
    #[arg(long, value_enum)]
    pub language: Option<Language>,
}

/// Languages of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// python3, with pytest or unittest
    Python,
    /// node
    Javascript,
    /// cargo
    Rust,
}
