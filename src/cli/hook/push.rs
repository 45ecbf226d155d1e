//! What the hook does at a push: the tests of the pushed commit, once; red ones stop it, and a heal is offered.

use std::ffi::OsStr;
use std::io::{BufRead as _, Read as _};

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use crate::cli::context::Context;
use crate::cli::session::Session;
use crate::cli::{Cli, Command, choice, heal};
use crate::config::Config;
use crate::console::{Progress, Terminal};
use crate::error::{Error, Exit, Result};
use crate::lab::{Confinement, Lab, Limits, Patience, record_run};
use crate::repo::{Repository, Sha, Store};
use crate::report::escape::one_line;
use crate::report::numbers::{count, seconds};
use crate::suite::{Run, Selection};
use crate::system;
use crate::trajectory::{Event, Purpose};

/// A push names at most thousands of refs; a mebibyte of them is enough.
const MOST_INPUT_BYTES: u64 = 1024 * 1024;

/// The commits that are pushed to branches: not tags, not deletions.
fn pushed(input: &str) -> Vec<Sha> {
    let commit = |line: &str| {
        let mut parts = line.split_whitespace();
        let (_, local, remote) = (parts.next()?, parts.next()?, parts.next()?);
        let deleted = local.bytes().all(|byte| byte == b'0');
        (!deleted && !remote.starts_with("refs/tags/")).then(|| Sha(local.to_owned()))
    };
    let mut commits: Vec<Sha> = Vec::new();
    for sha in input.lines().filter_map(commit) {
        if !commits.contains(&sha) {
            commits.push(sha);
        }
    }
    commits
}

/// Runs the tests of what is pushed.
pub fn run(context: &Context, remote: Option<&std::ffi::OsString>) -> Result<Exit> {
    let mut input = String::new();
    let read = std::io::stdin().lock().take(MOST_INPUT_BYTES).read_to_string(&mut input);
    if std::env::var_os("KAIZEN_SKIP").is_some_and(|value| value == "1") {
        context.terminal.err("kaizen-ci: KAIZEN_SKIP=1, this push goes without the tests\n");
        return Ok(Exit::Ok);
    }
    let commits = pushed(&input);
    let (Ok(_), Some(commit)) = (read, commits.first()) else { return Ok(Exit::Ok) };
    let repository = context.repository()?;
    let loaded = context.config(&repository, &[])?;
    let to = remote.map_or_else(
        || "the remote".into(),
        |remote: &std::ffi::OsString| one_line(&OsStr::to_string_lossy(remote), 60),
    );
    context.terminal.err(&format!("kaizen-ci: testing {} before it goes to {to}\n", commit.short()));
    if commits.len() > 1 {
        context
            .terminal
            .err(&format!("kaizen-ci: of {}, only the first is tested\n", count(commits.len(), "pushed commit")));
    }
    let run = test(context, &repository, &loaded.config, commit)?;
    let (passed, failed, _) = run.counts();
    if run.is_green() {
        let ms = u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX);
        context.terminal.err(&format!("kaizen-ci: green, {passed} passed in {}\n", seconds(ms)));
        return Ok(Exit::Ok);
    }
    if failed == 0 {
        // A suite that can't run here says nothing about the code.
        let end = crate::report::end_words(run.end);
        context.terminal.err(&format!("kaizen-ci: the tests could not be run ({end}); the push goes on\n"));
        return Ok(Exit::Ok);
    }
    context.terminal.err(&format!("kaizen-ci: {} red in {}\n", count(failed, "test"), commit.short()));
    for test in run.red().iter().take(5) {
        context.terminal.err(&format!("  {}\n", one_line(&test.0, 160)));
    }
    stopped(context, &repository, commit, &loaded)
}

/// The tests of `commit`, in a workspace.
fn test(context: &Context, repository: &Repository, config: &Config, commit: &Sha) -> Result<Run> {
    let (suite, _) = choice::pick(repository, config, None)?;
    let carry = choice::carried(repository, config)?.carry;
    let session = Session::begin(context, repository, "hook", 0, Progress::None)?;
    let store = Store::create(repository, &session.run.temp)?;
    let snapshot = store.snapshot_of(commit)?;
    let (allow, confinement) = (config.env_allow.clone(), Confinement::of(config)?);
    let lab = Lab::confined(store, carry, allow, config.parallel, confinement);
    let time = config.run_time_limit.unwrap_or(config.time_limit);
    let limits =
        Limits { time, log_cap_bytes: config.log_cap_bytes, background: false, patience: Patience::of(config, None) };
    let (recorder, subject) = (&session.recorder, commit.short().to_owned());
    let result = context.wait(|cancel: CancellationToken| async move {
        let workspace = lab.workspace(&snapshot, "hook").await?;
        recorder.record(Event::SuiteStarted { purpose: Purpose::Red, subject: subject.clone(), selected: None });
        let run = lab.run(&workspace, &suite, &Selection::All, limits, &cancel).await?;
        if cancel.is_cancelled() {
            return Err(Error::interrupted());
        }
        record_run(recorder, Purpose::Red, &subject, &run);
        Ok(run)
    });
    let exit = match &result {
        Ok(run) if run.is_green() || run.red().is_empty() => Exit::Ok,
        Ok(_) => Exit::PushStopped,
        Err(error) => error.exit(),
    };
    let _ = session.end(exit);
    result
}

/// Red: offers a heal where a person can be asked, else says what to do.
fn stopped(context: &Context, repository: &Repository, commit: &Sha, loaded: &crate::config::Loaded) -> Result<Exit> {
    let help = "  heal         kaizen-ci heal\n  push anyway  KAIZEN_SKIP=1 git push\n";
    let here = repository.head.as_ref() == Some(commit);
    let Some(terminal) = asking(context).filter(|_| here) else {
        context.terminal.err(&format!("kaizen-ci: the push is stopped\n{help}"));
        return Ok(Exit::PushStopped);
    };
    loop {
        terminal.err("Heal them now? [Y]es  [n]o, stop the push  [p]ush anyway ");
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return Ok(Exit::PushStopped);
        }
        match line.trim().to_lowercase().as_str() {
            "" | "y" | "yes" => break,
            "n" | "no" => return Ok(Exit::PushStopped),
            "p" | "push" => return Ok(Exit::Ok),
            _ => {}
        }
    }
    let context = Context { terminal: terminal.clone(), ..context.clone() };
    let cli = Cli::try_parse_from(["kaizen-ci", "heal"]).map_err(|error| Error::internal(error.to_string()))?;
    let Command::Heal(args) = cli.command else { return Ok(Exit::PushStopped) };
    let exit = heal::run_in(&context, repository, loaded, &args, "heal")?;
    if exit == Exit::Ok {
        terminal.err("kaizen-ci: commit the change and push again\n");
    }
    Ok(Exit::PushStopped)
}

/// git gives the hook the refs as standard input: the person is at the terminal behind it.
fn asking(context: &Context) -> Option<Terminal> {
    if !context.terminal.err_is_terminal() {
        return None;
    }
    system::read_from_terminal()?;
    let terminal = Terminal::real(context.terminal.err_style().has_colour());
    terminal.can_ask.then_some(terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commits_that_go_to_branches_are_tested() {
        let zero = "0".repeat(40);
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        for (input, expected) in [
            (format!("refs/heads/x {a} refs/heads/x {zero}\n"), vec![a.as_str()]),
            (format!("(delete) {zero} refs/heads/x {a}\n"), vec![]),
            (format!("refs/tags/v1 {a} refs/tags/v1 {zero}\n"), vec![]),
            (format!("refs/heads/x {a} refs/heads/x {b}\nrefs/heads/y {a} refs/heads/y {b}\n"), vec![a.as_str()]),
            (
                format!("HEAD {a} refs/for/main {b}\nrefs/heads/y {b} refs/heads/y {zero}\n"),
                vec![a.as_str(), b.as_str()],
            ),
            ("nonsense\n\n".into(), vec![]),
            (String::new(), vec![]),
        ] {
            let found: Vec<String> = pushed(&input).into_iter().map(|sha| sha.0).collect();
            assert_eq!(found, expected, "{input}");
        }
    }
}
