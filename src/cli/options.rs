//! Options that several subcommands share, and the headings that group them in `--help`.

use std::path::PathBuf;

use clap::Args;

use crate::config::Override;

/// Heading: what is healed or judged.
pub const WHAT: &str = "What";
/// Heading: how far to go.
pub const HOW: &str = "How";
/// Heading: what happens with a heal.
pub const THEN: &str = "Then";
/// Heading: output.
pub const OUTPUT: &str = "Output";

/// Options of every subcommand.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Run as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true, default_value = ".", help_heading = "Everywhere")]
    pub dir: PathBuf,
    /// No colours (NO_COLOR works too)
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub no_color: bool,
    /// Say more: where each setting comes from, what is written where
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub verbose: bool,
}

/// Which suite.
#[derive(Debug, Clone, Args)]
pub struct Suites {
    /// The test command, run through `sh -c` (default: found by itself)
    #[arg(long, value_name = "COMMAND", help_heading = WHAT)]
    pub cmd: Option<String>,
    /// Which suite, when there are several (`kaizen-ci doctor` lists them)
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    pub suite: Option<String>,
}

impl Suites {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        self.cmd.iter().map(|cmd| Override { key: "cmd", text: cmd.clone() }).collect()
    }
}

/// A flag that overrides a key when it is given.
pub fn flag(key: &'static str, given: bool) -> Option<Override> {
    given.then(|| Override { key, text: "true".into() })
}
