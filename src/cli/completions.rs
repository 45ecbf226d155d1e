//! `kaizen-ci completions`: completions for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli::context::Context;
use crate::error::{Exit, Result};

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci completions bash > ~/.local/share/bash-completion/completions/kaizen-ci
  kaizen-ci completions zsh  > ~/.zfunc/_kaizen-ci
  kaizen-ci completions fish > ~/.config/fish/completions/kaizen-ci.fish";

/// Prints them.
///
/// # Errors
/// Never.
pub fn run(context: &Context, args: &Completions) -> Result<Exit> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "kaizen-ci", &mut out);
    context.terminal.out_bytes(&out);
    Ok(Exit::Ok)
}
