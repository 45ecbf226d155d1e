//! What goes back to the runner: outputs of the step, its summary, annotations, and silence for what tests print.

use std::io::Write as _;

use crate::cli::action::job::variable;
use crate::cli::context::Context;
use crate::error::{Context as _, Result};
use crate::github::body;
use crate::github::clean;
use crate::github::deliver::Delivered;
use crate::report::Document;
use crate::report::numbers::count;

/// Sets an output of the step. The end word is random: no value can end itself early and set another output.
///
/// # Errors
/// When the runner's file can't be written.
pub fn set(name: &str, value: &str) -> Result<()> {
    let Ok(path) = variable("GITHUB_OUTPUT") else { return Ok(()) };
    let word = random_word()?;
    append(&path, &format!("{name}<<{word}\n{value}\n{word}\n"))
}

/// Adds to the step's summary.
///
/// # Errors
/// When the runner's file can't be written.
pub fn summary(text: &str) -> Result<()> {
    match variable("GITHUB_STEP_SUMMARY") {
        Ok(path) => append(&path, text),
        Err(_) => Ok(()),
    }
}

fn append(path: &str, text: &str) -> Result<()> {
    let write = || std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes());
    write().context(|| format!("can't write {path}"))
}

/// A word that nobody can guess.
fn random_word() -> Result<String> {
    let mut bytes = [0u8; 16];
    let mut read = || std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes);
    read().context(|| "can't read random bytes".into())?;
    Ok(format!("kaizen-{}", hex::encode(bytes)))
}

/// Does `work` while the runner takes no line for a command: what tests print may be shown meanwhile.
///
/// # Errors
/// Those of `work`.
pub fn quietly<T>(context: &Context, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let word = random_word()?;
    context.terminal.out(&format!("::stop-commands::{word}\n"));
    let done = work();
    context.terminal.out(&format!("\n::{word}::\n"));
    done
}

/// Says on standard error what went wrong. The runner reads that stream for commands, too.
pub fn complain(context: &Context, text: &str) {
    context.terminal.err(&clean::log_text(text.trim_end()));
}

/// The outputs that say what came of it, and one line for the log.
///
/// # Errors
/// When the runner's file can't be written.
pub fn tell(context: &Context, delivered: &Delivered, document: &Document) -> Result<()> {
    let outcome = serde_json::to_value(document.outcome).ok();
    let outcome = match delivered {
        Delivered::NotReproduced { .. } => "not_reproduced",
        _ => outcome.as_ref().and_then(|v| v.as_str()).unwrap_or("error"),
    };
    set("outcome", outcome)?;
    set("tier", &document.heal.as_ref().map(|heal| heal.tier.to_string()).unwrap_or_default())?;
    set("report", document.report.as_deref().unwrap_or_default())?;
    set("receipt", document.heal.as_ref().map(|heal| heal.receipt.as_str()).unwrap_or_default())?;
    set("cost", &body::money(document).to_string())?;
    let said = match delivered {
        Delivered::Pull(found) => {
            set("pull-request", &found.url)?;
            format!("pull request {}", found.url)
        }
        Delivered::Commit(sha) => format!("pushed {sha}"),
        Delivered::Suggested { pull, count: n } => format!("{} under #{pull}", count(*n, "suggestion")),
        Delivered::Issue(found) => {
            set("issue", &found.url)?;
            format!("issue {}", found.url)
        }
        Delivered::Comment { pull } => format!("a comment under #{pull}"),
        Delivered::Branch { branch, issue } => {
            set("issue", &issue.url)?;
            format!("branch {branch}, and issue {}", issue.url)
        }
        Delivered::NotReproduced { .. } => delivered.words(),
        Delivered::Nothing => "nothing to deliver".into(),
    };
    context.terminal.out(&format!("{}\n", clean::log_line(&said)));
    Ok(())
}
