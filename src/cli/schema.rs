//! `kaizen-ci schema`: JSON schemas of everything that scripts and editors read.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::{council, diagnose, judge, prd, retro, stats};
use crate::config::reference;
use crate::error::{Context as _, Exit, Result};
use crate::judge::receipt;
use crate::report::document;
use crate::trajectory::Entry;

/// Options of `schema`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci schema                                 of `heal --json`\n  kaizen-ci schema config > .kaizen.schema.json    for your editor"
)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value = "heal")]
    pub of: Of,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// What `heal --json`, `show --json` and `report.json` hold
    Heal,
    /// What `judge --json` prints
    Judge,
    /// `.kaizen.yml`
    Config,
    /// One line of `show --events`
    Events,
    /// The receipt of a heal
    Receipt,
    /// What `council --json` prints
    Council,
    /// What `prd --json` prints
    Prd,
    /// What `diagnose --json` prints
    Diagnose,
    /// What `stats --json` prints
    Stats,
    /// What `retro --json` prints
    Retro,
}

/// The schema.
pub fn of(of: Of) -> serde_json::Value {
    match of {
        Of::Heal => document::schema(),
        Of::Judge => judge::schema(),
        Of::Config => reference::schema(),
        Of::Receipt => receipt::schema(),
        Of::Council => council::schema(),
        Of::Prd => prd::schema(),
        Of::Diagnose => diagnose::schema(),
        Of::Stats => stats::schema(),
        Of::Retro => retro::schema(),
        Of::Events => schemars::schema_for!(Entry).to_value(),
    }
}

/// Prints it.
///
/// # Errors
/// Never in practice.
pub fn run(context: &Context, args: &Schema) -> Result<Exit> {
    let text = serde_json::to_string_pretty(&of(args.of)).context(|| "can't write the schema".into())?;
    context.terminal.out(&format!("{text}\n"));
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};

    #[test]
    fn every_recorded_event_is_valid_under_the_schema_of_events() {
        let validator = jsonschema::validator_for(&of(Of::Events)).unwrap();
        for name in all_recorded() {
            for entry in recorded(&name) {
                let json = serde_json::to_value(&entry).unwrap();
                assert!(validator.is_valid(&json), "{name}: {json}");
            }
        }
        assert!(!validator.is_valid(&serde_json::json!({"v": 1, "event": "no such event"})));
    }

    #[test]
    fn every_schema_is_a_valid_schema() {
        for kind in Of::value_variants() {
            assert!(jsonschema::meta::is_valid(&of(*kind)), "{kind:?}");
        }
    }
}
