//! The command line: one file per subcommand; the only place where everything is put together.

pub mod action;
mod bad_usage;
pub mod cache;
mod choice;
pub mod clean;
pub mod completions;
pub mod context;
pub mod council;
pub mod demo;
pub mod diagnose;
pub mod doctor;
pub mod export;
pub mod heal;
pub mod hook;
pub mod init;
pub mod judge;
pub mod loops;
pub mod man;
pub mod models;
pub mod options;
mod panics;
pub mod prd;
mod prd_baseline;
mod prd_lint;
pub mod prd_review;
pub mod replay;
pub mod retro;
pub mod runs;
pub mod schema;
mod session;
pub mod show;
pub mod stats;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::console::Terminal;
use crate::error::{Exit, Result};
use context::Context;

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "kaizen-ci",
    bin_name = "kaizen-ci",
    version,
    about = "Heals a failing test suite, and proves it",
    long_about = "Heals a failing test suite, and proves it: finds out why the tests are red, lets several fixers race in \
                  worktrees of their own, believes none of them until an independent judge has seen the tests turn green, \
                  and hands a person everything it learned when nothing works.",
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = false
)]
pub struct Cli {
    /// Options of every subcommand.
    #[command(flatten)]
    pub global: options::Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Start here:
  kaizen-ci demo       see it heal a small broken project, in under a minute
  kaizen-ci doctor     what it finds in your repository, and what is missing
  kaizen-ci heal       in a repository with red tests

Exit code 0 means: the tests are green in your tree. The others are in `kaizen-ci man` and the README.";

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Heal the red tests of this repository
    Heal(heal::Heal),
    /// Judge a patch, whoever or whatever wrote it: does it really heal?
    Judge(judge::Judge),
    /// Make a small broken project in a temporary folder and heal it
    Demo(demo::Demo),
    /// Write a commented .kaizen.yml for this repository
    Init(init::Init),
    /// Say what was found here, what is missing, and what to do about it
    Doctor(doctor::Doctor),
    /// List the language models that can be asked now
    Models(models::ModelsOptions),
    /// List the runs of this repository
    Runs(runs::Runs),
    /// Show a run again: its end, its events
    Show(show::Show),
    /// Check a receipt again, offline
    Replay(replay::Replay),
    /// Ask a council of models a question, and keep the decision with its dissent
    Council(council::Council),
    /// Review a requirements document and rewrite what is unclear, incomplete or untestable
    Prd(prd::Prd),
    /// Say whether a run is stuck, on what, and what would help
    Diagnose(diagnose::Diagnose),
    /// Print figures over the runs of this repository
    Stats(stats::StatsOptions),
    /// Look back at the runs: what comes back, what would help
    Retro(retro::Retro),
    /// Export a run as OpenTelemetry spans or ATIF
    Export(export::Export),
    /// Remove old runs and what killed runs left behind
    Clean(clean::Clean),
    /// Look after the answers of language models that are kept
    Cache(cache::Cache),
    /// Offer a heal before a push whose tests are red
    Hook(hook::Hook),
    /// What the GitHub Action calls
    Action(action::Action),
    /// Print a JSON schema
    Schema(schema::Schema),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page
    Man(man::Man),
}

/// Runs the program with `args` (the program's name first) on the real terminal; can be called more than once.
pub fn run<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let colour = !args.iter().any(|arg| arg == "--no-color");
    ExitCode::from(run_on(&Terminal::real(colour), &args).code())
}

/// The same on a given terminal.
pub fn run_on(terminal: &Terminal, args: &[OsString]) -> Exit {
    trace();
    panics::caught(terminal, |log_place| {
        let cli = match Cli::try_parse_from(args) {
            Ok(cli) => cli,
            Err(error) => return bad_usage::answer(terminal, &error),
        };
        let context = Context::new(terminal.clone(), &cli.global, log_place);
        dispatch(&context, &cli.command).unwrap_or_else(|error| {
            terminal.err(&error.render());
            error.exit()
        })
    })
}

fn dispatch(context: &Context, command: &Command) -> Result<Exit> {
    match command {
        Command::Heal(args) => heal::run(context, args),
        Command::Judge(args) => judge::run(context, args),
        Command::Demo(args) => demo::run(context, args),
        Command::Init(args) => init::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Models(args) => models::run(context, args),
        Command::Runs(args) => runs::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Replay(args) => replay::run(context, args),
        Command::Council(args) => council::run(context, args),
        Command::Prd(args) => prd::run(context, args),
        Command::Diagnose(args) => diagnose::run(context, args),
        Command::Stats(args) => stats::run(context, args),
        Command::Retro(args) => retro::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Clean(args) => clean::run(context, args),
        Command::Cache(args) => cache::run(context, args),
        Command::Hook(args) => hook::run(context, args),
        Command::Action(args) => action::run(context, args),
        Command::Schema(args) => schema::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Man(args) => man::run(context, args),
    }
}

/// `KAIZEN_LOG=debug`: what goes on inside, on standard error. For looking into kaizen-ci itself.
fn trace() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("KAIZEN_LOG") {
        // A second call of the program in one process keeps the first subscriber.
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    }
}

/// The command line as clap knows it, for completions and the manual page.
pub fn command() -> clap::Command {
    Cli::command()
}
