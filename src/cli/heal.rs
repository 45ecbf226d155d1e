//! `kaizen-ci heal`: find out why the tests are red, race fixers, let the judge decide, show what came of it.

use clap::Args;

use crate::cli::options::{self, Suites};
use crate::config::Override;

/// Options of `heal`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Heal {
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// The branch that your change is compared with
    #[arg(long, value_name = "BRANCH", help_heading = options::WHAT)]
    pub base: Option<String>,

    /// Fixers that race, separated by commas (default: all)
    #[arg(long, value_name = "A,B", help_heading = options::HOW)]
    pub fixers: Option<String>,
    /// How far to go: 1 fixers, 2 also revert the culprit, 3 also a report for a person
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub max_tier: Option<String>,
    /// Wall time for everything (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME", help_heading = options::HOW)]
    pub time_limit: Option<String>,
    /// How often the judge runs the whole suite with a patch
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub repeat: Option<String>,
    /// Seed for everything random, to repeat a run
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub seed: Option<u64>,
    /// Let patches change tests (the report says so in its first line)
    #[arg(long, help_heading = options::HOW)]
    pub allow_test_changes: bool,
    /// Go on although the failure is flaky, environmental, or did not heal a short time ago
    #[arg(long, help_heading = options::HOW)]
    pub force: bool,

    /// Apply a verified heal to the working tree without asking
    #[arg(long, conflicts_with = "dry_run", help_heading = options::THEN)]
    pub apply: bool,
    /// Never touch the working tree and don't ask: only write the patch and the report
    #[arg(long, help_heading = options::THEN)]
    pub dry_run: bool,

    /// Print one JSON document (`kaizen-ci schema heal`) and nothing else to standard output
    #[arg(long, help_heading = options::OUTPUT)]
    pub json: bool,
    /// Print only the result
    #[arg(long, short, help_heading = options::OUTPUT)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci heal                          find the test command, heal, show the diff, ask
  kaizen-ci heal --cmd 'pytest -q tests'  with this command
  kaizen-ci heal --suite api --apply      one suite of several; apply a verified heal
  kaizen-ci heal --json --dry-run         for a script: exit code 10 means that a heal exists

Your working tree, index, branches, stash and hooks are not touched unless you say yes (or --apply).";

impl Heal {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut out = self.suites.overrides();
        let texts = [
            ("base", &self.base),
            ("fixers", &self.fixers),
            ("max_tier", &self.max_tier),
            ("time_limit", &self.time_limit),
            ("repeat", &self.repeat),
        ];
        for (key, text) in texts {
            out.extend(text.iter().map(|text| Override { key, text: text.clone() }));
        }
        out.extend(options::flag("allow_test_changes", self.allow_test_changes));
        out
    }
}
