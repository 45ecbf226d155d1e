//! `kaizen-ci hook`: a pre-push hook that offers a heal when the tests are red, beside any hook that is there.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// Options of `hook`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci hook install      a hook that is there already is kept and runs first\n  kaizen-ci hook uninstall    everything is as it was before\n  KAIZEN_SKIP=1 git push      push once without the tests"
)]
pub struct Hook {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with the hook.
#[derive(Debug, Clone, Subcommand)]
pub enum Action {
    /// Add the pre-push hook
    Install,
    /// Take it out again, and put back what was there before
    Uninstall,
    /// What the hook calls: reads the pushed refs from standard input, runs the tests once
    Run {
        /// Name of the remote, as git gives it
        remote: Option<OsString>,
        /// Its address, as git gives it
        url: Option<OsString>,
    },
}
