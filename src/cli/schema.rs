//! `kaizen-ci schema`: JSON schemas of everything that scripts and editors read.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::config::reference;
use crate::error::{Context as _, Exit, Result};

/// Options of `schema`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci schema config > .kaizen.schema.json    (for your editor)\n  kaizen-ci schema heal"
)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "config")]
    pub of: Of,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// `.kaizen.yml`
    Config,
}

/// Prints it.
///
/// # Errors
/// Never in practice.
pub fn run(context: &Context, args: &Schema) -> Result<Exit> {
    let schema = match args.of {
        Of::Config => reference::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).context(|| "can't write the schema".into())?;
    context.terminal.out(&format!("{text}\n"));
    Ok(Exit::Ok)
}
