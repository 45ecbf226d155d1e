//! `kaizen-ci init`: a commented `.kaizen.yml` with the suites that were found filled in; workflows with `--github`.

mod existing;
pub mod github;
mod setup;

use std::io::Write as _;
use std::path::Path;

use clap::Args;

use crate::cli::context::Context;
use crate::config::{self, reference};
use crate::error::{Context as _, Error, Exit, Result};
use crate::report::escape::{one_line, shell};
use crate::suite::detect;
use crate::suite::{CommandLine, Suite};
use crate::system;

/// Options of `init`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci init            write .kaizen.yml at the top of the repository\n  kaizen-ci init --print    only show it\n  kaizen-ci init --github   write workflows for GitHub Actions"
)]
pub struct Init {
    /// Write over a .kaizen.yml that is there
    #[arg(long)]
    pub force: bool,
    /// Print it instead of writing it
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
    /// Write workflows for GitHub Actions instead; what is there stays
    #[arg(long, conflicts_with = "force")]
    pub github: bool,
    /// Which workflows, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORM", default_values_t = [github::Form::TwoJobs, github::Form::Comments], requires = "github")]
    pub form: Vec<github::Form>,
}

/// Writes it.
///
/// # Errors
/// When we are in no repository, or there is a file already.
pub fn run(context: &Context, args: &Init) -> Result<Exit> {
    let repository = context.repository()?;
    if args.github {
        return github::write(context, &repository, &args.form, args.print);
    }
    let suites = detect::detect(&repository.root);
    let text = reference::commented(&suites.iter().map(found).collect::<Vec<_>>());
    // A suite with a name that YAML reads otherwise must not make a file that we refuse ourselves.
    config::layered(Some(&text), &[], &[])?;
    if args.print {
        context.terminal.out(&text);
        return Ok(Exit::Ok);
    }
    let path = repository.root.join(config::FILE);
    write(&path, &text, args.force)?;
    let style = context.terminal.out_style();
    context.terminal.out(&format!("{} {}\n", style.good("wrote"), path.display()));
    for suite in &suites {
        let command = one_line(&suite.command.display(), 80);
        context.terminal.out(&format!(
            "  {:<12} {command} (found by {})\n",
            one_line(&suite.name, 40),
            one_line(&suite.found_by, 40)
        ));
    }
    if suites.is_empty() {
        context.terminal.out("  no test suite was found: write your test command behind `cmd:` in it\n");
    }
    context.terminal.out("  next         kaizen-ci doctor\n");
    Ok(Exit::Ok)
}

fn found(suite: &Suite) -> reference::FoundSuite {
    let cmd = match &suite.command {
        CommandLine::Shell(line) => line.clone(),
        CommandLine::Argv(argv) => argv.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" "),
    };
    reference::FoundSuite { name: suite.name.clone(), dir: suite.dir.display().to_string(), cmd }
}

fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    // A link counts as a file that is there: what it points to may be anywhere.
    if !force && path.symlink_metadata().is_ok() {
        return Err(Error::usage(format!("{} is there already", path.display()))
            .hint("kaizen-ci init --force    (writes over it)\nkaizen-ci init --print    (only shows it)"));
    }
    let put = || -> std::io::Result<()> {
        let mut file = system::with_mode(tempfile::Builder::new().prefix(".kaizen-"), 0o644)
            .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    put().context(|| format!("can't write {}", path.display()))
}
