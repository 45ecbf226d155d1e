//! Options that the subcommands of `action` share: how a heal is found, and how it is handed over.

use clap::Args;

use crate::cli::options::Suites;
use crate::github::deliver::Deliver;

/// How a heal is found.
#[derive(Debug, Clone, Args)]
pub struct Healing {
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// Wall time for the heal (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<String>,
}

/// How it is handed over.
#[derive(Debug, Clone, Copy, Args)]
pub struct Delivery {
    /// How a heal is handed over
    #[arg(long, value_enum, default_value = "pr")]
    pub deliver: Deliver,
    /// Make pull requests that are ready for review, not drafts
    #[arg(long)]
    pub ready: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory as _;

    use crate::cli::Cli;

    #[test]
    fn options_of_the_same_name_are_the_same_in_all_subcommands_of_the_action() {
        let program = Cli::command();
        let action = program.find_subcommand("action").unwrap();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for subcommand in action.get_subcommands() {
            for arg in subcommand.get_arguments().filter(|arg| {
                ["deliver", "ready", "cmd", "suite", "time-limit"].contains(&arg.get_long().unwrap_or_default())
            }) {
                let text = format!("{:?} {:?} {:?}", arg.get_help(), arg.get_default_values(), arg.get_value_names());
                let first = seen.entry(arg.get_id().to_string()).or_insert_with(|| text.clone());
                assert_eq!(*first, text, "{}: {}", subcommand.get_name(), arg.get_id());
            }
        }
        assert_eq!(seen.len(), 5);
    }
}
