//! `kaizen-ci clean`: removes old runs and what killed runs left behind.

use std::time::Duration;

use clap::Args;

use crate::cli::context::Context;
use crate::config::units;
use crate::error::{Context as _, Exit, Result};
use crate::report::numbers::count;
use crate::state::{self, Memory, RunInfo};

/// Options of `clean`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci clean                 leftovers of killed runs, and runs older than 30 days\n  kaizen-ci clean --older 0s      all runs\n  kaizen-ci clean --dry-run       only say what would go\n  kaizen-ci clean --memory        forget failures and what healed them, too"
)]
pub struct Clean {
    /// Remove runs that are older than this
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = units::parse_duration)]
    pub older: Duration,
    /// Forget failures and the patches that healed them
    #[arg(long)]
    pub memory: bool,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes them.
///
/// # Errors
/// When we are in no repository, or something can't be removed.
pub fn run(context: &Context, args: &Clean) -> Result<Exit> {
    let repository = context.repository()?;
    let state_dir = repository.state_dir()?;
    let say = |text: &str| context.terminal.out(&format!("{text}\n"));
    let would = if args.dry_run { "would remove" } else { "removed" };
    // Looking at leftovers is what removes them, so a dry run leaves them out.
    if !args.dry_run {
        for left in state::clean_leftovers(&state_dir)? {
            say(&format!("removed what run {} left behind: {}", left.run, left.what.join(", ")));
        }
    }
    let now = jiff::Timestamp::now();
    let old: Vec<RunInfo> = state::list(&state_dir)?.into_iter().filter(|run| is_old(run, now, args.older)).collect();
    for run in &old {
        if !args.dry_run {
            state::remove_tree(&run.path).context(|| format!("can't remove {}", run.path.display()))?;
        }
        say(&format!("{would} run {}", run.id));
    }
    if args.memory && !args.dry_run {
        let forgotten = Memory::open(&state_dir).forget_all()?;
        say(&format!("forgot {}", count(forgotten, "failure")));
    }
    say(&format!("{would} {} older than {}", count(old.len(), "run"), units::show_duration(args.older)));
    Ok(Exit::Ok)
}

/// A run at work is never old.
fn is_old(run: &RunInfo, now: jiff::Timestamp, older: Duration) -> bool {
    let age_ms = now.as_millisecond().saturating_sub(run.started.as_millisecond());
    !run.running && u128::try_from(age_ms).is_ok_and(|age| age >= older.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runs_that_ended_long_ago_are_old() {
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let run = |age_s: i64, running: bool| RunInfo {
            id: "r".into(),
            path: "r".into(),
            started: jiff::Timestamp::from_second(1_800_000_000 - age_s).unwrap(),
            running,
        };
        let day = Duration::from_secs(24 * 60 * 60);
        for (age_s, running, old) in
            [(10, false, false), (90_000, false, true), (90_000, true, false), (-50, false, false)]
        {
            assert_eq!(is_old(&run(age_s, running), now, day), old, "{age_s} {running}");
        }
        assert!(is_old(&run(0, false), now, Duration::ZERO));
    }
}
