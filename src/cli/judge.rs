//! `kaizen-ci judge`: the judge alone, on any patch, whoever or whatever wrote it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::options::{self, Suites};
use crate::config::Override;

/// Options of `judge`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Judge {
    /// A patch file (unified diff, as `git diff` writes it), or `-` for standard input
    #[arg(value_name = "PATCH")]
    pub patch: PathBuf,
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// How often the whole suite is run with the patch
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub repeat: Option<String>,
    /// Wall time for one run of the test command
    #[arg(long, value_name = "TIME", help_heading = options::HOW)]
    pub time_limit: Option<String>,
    /// Let the patch change tests (the verdict says so)
    #[arg(long, help_heading = options::HOW)]
    pub allow_test_changes: bool,
    /// Print one JSON document (`kaizen-ci schema judge`) and nothing else to standard output
    #[arg(long, help_heading = options::OUTPUT)]
    pub json: bool,
    /// Print only the verdict
    #[arg(long, short, help_heading = options::OUTPUT)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci judge fix.patch                   is it a heal? exit code 0 only then
  my-agent | kaizen-ci judge - --json         behind an agent of your own
  git diff main..fix | kaizen-ci judge - --cmd 'cargo test'

The tests must be red without the patch. Nothing in the repository is changed. Exit codes: 0 healed, 40 still red,
41 regressed, 42 tampered, 43 unstable, 44 does not apply, 45 timed out, 46 nothing was red.";

impl Judge {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut out = self.suites.overrides();
        for (key, text) in [("repeat", &self.repeat), ("time_limit", &self.time_limit)] {
            out.extend(text.iter().map(|text| Override { key, text: text.clone() }));
        }
        out.extend(options::flag("allow_test_changes", self.allow_test_changes));
        out
    }
}
