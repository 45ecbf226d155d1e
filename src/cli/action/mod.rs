//! `kaizen-ci action`: what the GitHub Action calls: heal what an event is about, publish what another job found, answer a
//! comment.

pub mod asked;
mod comment;
mod elsewhere;
mod heal;
mod job;
mod loops;
mod options;
mod orders;
mod output;
mod policy;
mod publish;
mod run;
mod tree;
mod verify;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::error::{Exit, Result};

pub use comment::Comment;
pub use publish::Publish;
pub use run::Run;

/// Options of `action`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action run                    in a job of GitHub Actions, after the tests failed\n  kaizen-ci action run --deliver report   change nothing, only say what was found\n  kaizen-ci action comment                in a job that `issue_comment` starts"
)]
pub struct Action {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Heal what the event of this job is about, and deliver what came of it
    Run(Run),
    /// Publish what a job that ran the tests handed over; runs nothing from the repository
    Publish(Publish),
    /// Do what a comment asks for (`/kaizen heal`, `/kaizen help`), and answer it
    Comment(Comment),
}

/// Does it. Errors are said here, where no line of them is a command for the runner: their words may come from a file that
/// foreign code wrote, from git, or from GitHub.
///
/// # Errors
/// Never: an error becomes its exit code.
pub fn run(context: &Context, args: &Action) -> Result<Exit> {
    let done = match &args.command {
        Command::Run(args) => run::run(context, args),
        Command::Publish(args) => publish::run(context, args),
        Command::Comment(args) => comment::run(context, args),
    };
    done.or_else(|error| {
        output::complain(context, &error.render());
        Ok(error.exit())
    })
}
