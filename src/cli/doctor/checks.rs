//! What `doctor` looks at: each check finds out one thing and says what to do about it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Check, Level};
use crate::cli::choice;
use crate::cli::context::Context;
use crate::config::{self, Config, Loaded, Origin, Setting};
use crate::error::{Context as _, Result};
use crate::process::sandbox::{self, Fence};
use crate::process::{self, End, Spec, environment};
use crate::repo::{Git, Repository, git};
use crate::report::numbers::{count, size};
use crate::suite::{CommandLine, Runner, Suite};
use crate::syntax::language::Language;

/// Below this, workspaces of a normal project may not fit.
const LITTLE_SPACE_BYTES: u64 = 2_000_000_000;

/// A runner that takes longer to say its version does not start.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// The first git with everything that tier 2 uses (`git merge-tree` with a merge base).
const FULL_GIT: (u32, u32) = (2, 40);

/// All checks, and the settings with their origins.
pub fn all(context: &Context) -> Result<(Vec<Check>, Vec<Setting>)> {
    let mut checks = vec![git_version()];
    let repository = match context.repository() {
        Ok(repository) => repository,
        Err(error) => {
            let todo = error.hint_text().unwrap_or("run kaizen-ci inside a git repository").to_owned();
            checks.push(Check::new(Level::Bad, "repository", error.what()).todo(todo));
            checks.extend([disk(), fences(context)]);
            return Ok((checks, Vec::new()));
        }
    };
    checks.push(head(&repository));
    let loaded = context.config(&repository, &[])?;
    checks.push(configuration(&loaded));
    checks.push(base(&repository, &loaded.config));
    checks.extend(suites(context, &repository, &loaded.config)?);
    checks.push(languages(&repository));
    checks.extend(carried(&repository, &loaded.config)?);
    checks.extend(super::models::checks(context, &loaded.config)?);
    checks.extend([disk(), supervision(context)?, fences(context)]);
    Ok((checks, loaded.settings))
}

fn git_version() -> Check {
    match git::version() {
        Ok((major, minor)) if (major, minor) >= FULL_GIT => Check::new(Level::Good, "git", format!("{major}.{minor}")),
        Ok((major, minor)) => Check::new(Level::Mind, "git", format!("{major}.{minor}"))
            .todo("2.40 or newer reverts without a working tree, which is faster"),
        Err(error) => {
            Check::new(Level::Bad, "git", error.what()).todo(error.hint_text().unwrap_or("install git 2.31 or newer"))
        }
    }
}

fn head(repository: &Repository) -> Check {
    let root = repository.root.display();
    match (&repository.head, &repository.branch) {
        (None, _) => Check::new(Level::Mind, "repository", format!("{root}, without a commit"))
            .todo("git commit    (with a commit to compare with, undo and bisect have something to work on)"),
        (Some(head), Some(branch)) => {
            Check::new(Level::Good, "repository", format!("{root}, {branch}@{}", head.short()))
        }
        (Some(head), None) => Check::new(Level::Good, "repository", format!("{root}, detached at {}", head.short())),
    }
}

fn configuration(loaded: &Loaded) -> Check {
    let set = loaded.settings.iter().filter(|setting| setting.origin != Origin::Default);
    let set: Vec<_> = set.map(|setting| format!("{} = {} ({})", setting.key, setting.value, setting.origin)).collect();
    let file = if loaded.has_file { config::FILE } else { "no .kaizen.yml" };
    let found = if set.is_empty() { format!("{file}, all defaults") } else { format!("{file}: {}", set.join("; ")) };
    match loaded.notes.is_empty() {
        true => Check::new(Level::Good, "settings", found),
        false => Check::new(Level::Mind, "settings", found).todo(loaded.notes.join("\n")),
    }
}

fn base(repository: &Repository, config: &Config) -> Check {
    let shallow = "git fetch --unshallow origin    (in Actions: `fetch-depth: 0` in actions/checkout)";
    let (name, tip) = match repository.base_branch(config.base.as_deref()) {
        Ok(Some(base)) => base,
        Ok(None) => {
            return Check::new(Level::Mind, "base", "there is no base branch to compare with")
                .todo("name one: kaizen-ci heal --base BRANCH, or `base:` in .kaizen.yml");
        }
        Err(error) => {
            return Check::new(Level::Bad, "base", error.what()).todo(error.hint_text().unwrap_or(shallow));
        }
    };
    match repository.merge_base(&tip) {
        Ok(Some(at)) if repository.shallow => {
            Check::new(Level::Mind, "base", format!("{name}, left at {}, in a shallow clone", at.short())).todo(shallow)
        }
        Ok(Some(at)) => Check::new(Level::Good, "base", format!("{name}, left at {}", at.short())),
        Ok(None) | Err(_) if repository.shallow => {
            Check::new(Level::Mind, "base", format!("where your change leaves {name} is not in this clone"))
                .todo(shallow)
        }
        Ok(None) => Check::new(Level::Mind, "base", format!("your history and {name} have no commit in common"))
            .todo("name another base: kaizen-ci heal --base BRANCH"),
        Err(error) => Check::new(Level::Bad, "base", error.what()),
    }
}

fn suites(context: &Context, repository: &Repository, config: &Config) -> Result<Vec<Check>> {
    let suites = choice::suites(repository, config)?;
    if suites.is_empty() {
        let todo = "say how the tests are started: `cmd:` in .kaizen.yml, or --cmd";
        return Ok(vec![Check::new(Level::Bad, "suite", "no test suite was found").todo(todo)]);
    }
    suites.iter().map(|suite| one_suite(context, repository, config, suite)).collect()
}

fn one_suite(context: &Context, repository: &Repository, config: &Config, suite: &Suite) -> Result<Check> {
    let words = format!("{}: {} (found by {})", suite.name, suite.command.display(), suite.found_by);
    let Some(argv) = probe(suite) else {
        return Ok(Check::new(Level::Good, "suite", words));
    };
    let said = argv.join(" ");
    Ok(match try_out(context, &argv, &repository.root.join(&suite.dir), &config.env_allow)? {
        End::Exited(0) => Check::new(Level::Good, "suite", words),
        end => Check::new(Level::Bad, "suite", words).todo(format!(
            "its runner does not start: `{said}` {}; {}",
            crate::report::end_words(end),
            install(suite.runner)
        )),
    })
}

/// A command that shows whether the suite's runner starts; none where there is no quick one.
fn probe(suite: &Suite) -> Option<Vec<String>> {
    let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect());
    let argv = match &suite.command {
        CommandLine::Argv(argv) => argv.clone(),
        // Of a line for the shell only the first program is tried.
        CommandLine::Shell(line) => {
            let first = line.split_whitespace().find(|word| !word.contains('='))?;
            let plain = first.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            return plain.then(|| vec!["sh".into(), "-c".into(), format!("command -v {first}")]);
        }
    };
    let program = argv.first()?.as_str();
    match suite.runner {
        Runner::Pytest if program.contains("python") => words(&[program, "-m", "pytest", "--version"]),
        Runner::CargoTest => words(&[program, "--version"]),
        Runner::Nextest => words(&[program, "nextest", "--version"]),
        Runner::Go => words(&[program, "version"]),
        Runner::Unittest
        | Runner::Pytest
        | Runner::Jest
        | Runner::Vitest
        | Runner::Mocha
        | Runner::NodeTest
        | Runner::Maven
        | Runner::Gradle
        | Runner::Rspec
        | Runner::Tap
        | Runner::Command => words(&[program, "--version"]),
    }
}

fn install(runner: Runner) -> &'static str {
    match runner {
        Runner::Pytest => "pip install pytest, or activate the virtual environment",
        Runner::Unittest => "install python3",
        Runner::CargoTest => "install Rust: https://rustup.rs",
        Runner::Nextest => "cargo install cargo-nextest",
        Runner::Jest | Runner::Vitest | Runner::Mocha | Runner::NodeTest => "install node, and run `npm ci`",
        Runner::Go => "install Go",
        Runner::Maven => "install a JDK and Maven",
        Runner::Gradle => "install a JDK",
        Runner::Rspec => "bundle install",
        Runner::Tap | Runner::Command => "install its program",
    }
}

/// Runs a harmless command as tests are run: supervised, with the clean environment.
pub(super) fn try_out(context: &Context, argv: &[String], cwd: &Path, allow: &[String]) -> Result<End> {
    let folder = tempfile::tempdir().context(|| "can't make a temporary folder".into())?;
    let spec = Spec {
        argv: argv.iter().map(OsString::from).collect(),
        cwd: cwd.to_path_buf(),
        env: environment::clean(std::env::vars_os(), allow),
        time_limit: PROBE_LIMIT,
        grace: process::GRACE,
        stdout: folder.path().join("stdout"),
        stderr: folder.path().join("stderr"),
        log_cap_bytes: 64 * 1024,
        background: false,
        silence: None,
    };
    context.wait(|cancel: CancellationToken| async move { process::run(&spec, &cancel).await.map(|done| done.end) })
}

fn languages(repository: &Repository) -> Check {
    let list = Git::in_dir(&repository.root).args(["ls-files", "-z"]).bytes().unwrap_or_default();
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for path in list.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
        if let Some(language) = Language::of(&path) {
            *files.entry(format!("{language:?}")).or_default() += 1;
        }
    }
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if files.is_empty() {
        return Check::new(Level::Mind, "languages", "none that `mutate` knows").todo("`undo` works for any language");
    }
    let words: Vec<_> = files.iter().map(|(language, n)| format!("{language} ({})", count(*n, "file"))).collect();
    Check::new(Level::Good, "languages", words.join(", "))
}

fn carried(repository: &Repository, config: &Config) -> Result<Vec<Check>> {
    let detected = choice::carried(repository, config)?;
    let folders: Vec<_> = detected
        .carry
        .folders
        .iter()
        .map(|folder| format!("{} ({})", folder.path.display(), size(folder.bytes)))
        .collect();
    let found = if folders.is_empty() { "no ignored folders to carry".into() } else { folders.join(", ") };
    let mut checks = vec![Check::new(Level::Good, "carried", found)];
    // A list of every ignored file helps nobody.
    for left in detected.left.iter().take(8) {
        checks.push(Check::new(Level::Good, "left out", format!("{}: {}", left.path.display(), left.why)));
    }
    Ok(checks)
}

fn disk() -> Check {
    let place = choice::temp_dir();
    let free = choice::free_bytes(&place);
    let found = format!("{} free at {}", size(free), place.display());
    if free < LITTLE_SPACE_BYTES {
        return Check::new(Level::Mind, "disk", found)
            .todo("free some space, or set KAIZEN_TMP to a folder on a larger disk");
    }
    Check::new(Level::Good, "disk", found)
}

fn supervision(context: &Context) -> Result<Check> {
    let argv = ["sh".to_owned(), "-c".to_owned(), "exit 7".to_owned()];
    Ok(match try_out(context, &argv, Path::new("/"), &[]) {
        Ok(End::Exited(7)) => {
            Check::new(Level::Good, "processes", "tests run supervised: whole process trees are stopped")
        }
        Ok(end) => Check::new(Level::Bad, "processes", format!("a test command ended unexpectedly: {end:?}"))
            .todo("check that `sh` is on the PATH"),
        Err(error) => Check::new(Level::Bad, "processes", error.what()).todo("check limits on processes (ulimit -u)"),
    })
}

/// Can a test read the environment of this process? Tried, in the way that tests are run.
fn is_read(context: &Context, fence: &Fence) -> bool {
    let read = format!("cat /proc/{}/environ > /dev/null 2>&1", std::process::id());
    let argv = fence.around(vec!["sh".into(), "-c".into(), read.into()]);
    let argv: Vec<String> = argv.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    matches!(try_out(context, &argv, Path::new("/"), &[]), Ok(End::Exited(0)))
}

/// What keeps tests from other processes, and whether something does.
fn kept_out(context: &Context) -> (String, bool) {
    let (open, behind) = (Fence::default(), Fence { guarded: true, ..Fence::default() });
    let words = "no new privileges; their parents' memory and environment";
    match (is_read(context, &open), is_read(context, &behind)) {
        (false, _) => (format!("{words} can't be read"), true),
        // root, most likely, whom only the fence takes the right from
        (true, false) => (format!("{words} can be read, but not with `sandbox: true` or in GitHub Actions"), false),
        (true, true) => (format!("{words} can be read"), false),
    }
}

/// Which fences around the tests this machine can put up.
fn fences(context: &Context) -> Check {
    let can = sandbox::can();
    let mut has = Vec::new();
    let mut kept = true;
    if cfg!(target_os = "linux") {
        let (words, is_kept) = kept_out(context);
        (kept, has) = (is_kept, vec![words]);
    }
    has.extend(
        can.landlock.map(|abi| format!("files (Landlock ABI {abi}; `sandbox: true`, in GitHub Actions by itself)")),
    );
    has.extend(can.offline.then(|| "network (`network: false`, in GitHub Actions by itself)".to_owned()));
    let found = match has.is_empty() {
        true => "tests run with your rights".to_owned(),
        false => format!("tests run with your rights; fences that work here: {}", has.join("; ")),
    };
    match can.landlock {
        Some(_) if kept => Check::new(Level::Good, "sandbox", found),
        Some(_) => Check::new(Level::Mind, "sandbox", found)
            .todo("run as somebody else than root, or set `sandbox: true`, where the environment holds secrets"),
        None => Check::new(Level::Mind, "sandbox", found).todo("heal only code that you would run yourself"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(command: CommandLine, runner: Runner) -> Suite {
        Suite { name: "s".into(), dir: PathBuf::new(), command, runner, found_by: "test".into() }
    }

    #[test]
    fn a_runner_is_tried_with_a_command_that_runs_no_test() {
        let argv = |words: &[&str]| CommandLine::Argv(words.iter().map(|w| (*w).to_owned()).collect());
        for (command, runner, expected) in [
            (argv(&["python3", "-m", "pytest", "-q"]), Runner::Pytest, "python3 -m pytest --version"),
            (argv(&["pytest"]), Runner::Pytest, "pytest --version"),
            (argv(&["cargo", "nextest", "run"]), Runner::Nextest, "cargo nextest --version"),
            (argv(&["go", "test", "./..."]), Runner::Go, "go version"),
            (CommandLine::Shell("CI=1 npm test && true".into()), Runner::Jest, "sh -c command -v npm"),
        ] {
            assert_eq!(probe(&suite(command, runner)).unwrap().join(" "), expected);
        }
        assert_eq!(probe(&suite(CommandLine::Shell("$(rm -rf x)".into()), Runner::Command)), None);
    }
}
