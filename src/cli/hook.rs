//! `kaizen-ci hook`: a pre-push hook that offers a heal when the tests are red, beside any hook that is there.

mod chain;
mod push;

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::error::{Exit, Result};

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

/// Does it.
///
/// # Errors
/// When we are in no repository, or another tool manages the hooks.
pub fn run(context: &Context, args: &Hook) -> Result<Exit> {
    match &args.action {
        Action::Install => chain::install(context),
        Action::Uninstall => chain::uninstall(context),
        // A remote without a name is given by its address twice: one of them is enough to say where to.
        Action::Run { remote, url } => push::run(context, remote.as_ref().or(url.as_ref())),
    }
}
