//! Answers of the command line parser in our own form: help on standard output, mistakes with what to do and exit 64.

use clap::error::ErrorKind;

use crate::console::Terminal;
use crate::error::{Error, Exit};

/// Prints `error` and says how the program ends.
pub fn answer(terminal: &Terminal, error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            if terminal.out_style().has_colour() {
                terminal.out(&text.ansi().to_string());
            } else {
                terminal.out(&text.to_string());
            }
            Exit::Ok
        }
        _ => {
            let error = ours(&error.render().to_string());
            terminal.err(&error.render());
            error.exit()
        }
    }
}

/// Clap's text has a first paragraph that says what is wrong, `tip:` lines, and a usage line.
fn ours(text: &str) -> Error {
    let (mut what, mut why, mut hints) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(first) = line.strip_prefix("error: ") {
            what = first.trim_end_matches(':').to_owned();
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if line.starts_with("For more information") {
            hints.push("kaizen-ci --help, or --help after a subcommand".to_owned());
        } else {
            why.push(line.to_owned());
        }
    }
    Error::usage(what).why(why.join("\n")).hint(hints.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn answered(args: &[&str]) -> (Exit, String, String) {
        let (terminal, out, err) = Terminal::captured();
        let args: Vec<OsString> = std::iter::once("kaizen-ci").chain(args.iter().copied()).map(Into::into).collect();
        let exit = crate::cli::run_on(&terminal, &args);
        (exit, out.text(), err.text())
    }

    #[test]
    fn mistakes_exit_64_in_our_form_with_a_hint() {
        for (args, words) in [
            (&["heel"][..], "error: unrecognized subcommand 'heel'"),
            (&["heal", "--aply"], "a similar argument exists: '--apply'"),
            (&["heal", "--apply", "--dry-run"], "cannot be used with"),
            (&["judge"], "<PATCH>"),
            (&["schema", "nonsense"], "invalid value 'nonsense'"),
            (&[], "requires a subcommand"),
        ] {
            let (exit, out, err) = answered(args);
            assert_eq!(exit, Exit::Usage, "{args:?}");
            assert!(out.is_empty() && err.starts_with("error: ") && err.contains(words), "{args:?}\n{err}");
            assert!(err.contains("\n  do ") && err.ends_with("exit   64\n"), "{err}");
        }
    }

    #[test]
    fn help_and_version_go_to_standard_output_and_exit_0() {
        for args in [&["--help"][..], &["heal", "--help"], &["--version"]] {
            let (exit, out, err) = answered(args);
            assert!(exit == Exit::Ok && out.contains("kaizen-ci") && err.is_empty(), "{args:?}");
        }
    }
}
