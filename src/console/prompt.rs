//! The question at the end of a heal: apply it? Only where a person can be asked.

use std::ffi::OsStr;
use std::io::{BufRead as _, Write as _};
use std::process::{Command, Stdio};

use tokio_util::sync::CancellationToken;

use super::{Terminal, diff, ending};
use crate::report::Document;
use crate::system;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Apply it.
    Yes,
    /// Don't.
    No,
    /// Show the diff in a pager, then ask again.
    Diff,
    /// Explain, then ask again.
    Explain,
}

/// Reads an answer; an empty line means yes, as the capital letter says; anything else is asked again (`None`).
pub fn answer(line: &str) -> Option<Answer> {
    match line.trim().to_lowercase().as_str() {
        "" | "y" | "yes" => Some(Answer::Yes),
        "n" | "no" => Some(Answer::No),
        "d" | "diff" => Some(Answer::Diff),
        "e" | "explain" => Some(Answer::Explain),
        _ => None,
    }
}

/// Asks whether to apply the heal of `document` until the answer is yes or no. Ctrl-C and the end of input mean no.
pub async fn apply(terminal: &Terminal, document: &Document, cancel: &CancellationToken) -> bool {
    let style = terminal.out_style();
    loop {
        terminal.out(&format!(
            "{} [{}]es  [{}]o  [{}]iff in pager  [{}]xplain ",
            style.bold("Apply to your working tree?"),
            style.bold("Y"),
            style.bold("n"),
            style.bold("d"),
            style.bold("e")
        ));
        // The read can't be interrupted, so it gets a thread of its own; Ctrl-C leaves it behind.
        let line = tokio::task::spawn_blocking(read_line);
        let line = tokio::select! {
            line = line => line.ok().flatten(),
            () = cancel.cancelled() => None,
        };
        let Some(line) = line else {
            terminal.out("\n");
            return false;
        };
        match answer(&line) {
            Some(Answer::Yes) => return true,
            Some(Answer::No) => return false,
            Some(Answer::Diff) => {
                let text =
                    document.heal.as_ref().map(|heal| diff::render(&heal.diff, style, usize::MAX)).unwrap_or_default();
                page(terminal, &text);
            }
            Some(Answer::Explain) => terminal.out(&ending::explain(document, style)),
            None => {}
        }
    }
}

fn read_line() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line),
    }
}

/// Shows text in the user's own pager, or as it is when there is none.
fn page(terminal: &Terminal, text: &str) {
    let pager =
        std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()).unwrap_or_else(|| "less -FRX".into());
    let shell = system::program(OsStr::new("sh"), std::env::var_os("PATH").as_deref());
    let child = Command::new(shell).arg("-c").arg(pager).stdin(Stdio::piped()).spawn();
    let shown = child.ok().and_then(|mut child| {
        // A pager that is left early closes the pipe: not an error.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes()));
        child.wait().ok().filter(std::process::ExitStatus::success)
    });
    if shown.is_none() {
        terminal.out(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_people_type_them() {
        for (line, expected) in [
            ("\n", Some(Answer::Yes)),
            ("Y\n", Some(Answer::Yes)),
            ("yes", Some(Answer::Yes)),
            ("n\n", Some(Answer::No)),
            (" No ", Some(Answer::No)),
            ("d", Some(Answer::Diff)),
            ("explain", Some(Answer::Explain)),
            ("maybe", None),
        ] {
            assert_eq!(answer(line), expected, "{line:?}");
        }
    }
}
