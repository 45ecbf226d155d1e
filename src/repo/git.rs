//! One builder for the git program: pinned configuration, no prompts, no pager, no hooks, C locale, null stdin.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::error::{Error, Kind, Result};
use crate::process::environment::{self, Removed};
use crate::system;

/// The oldest git that knows `rev-parse --path-format`, which discovery needs.
const OLDEST: (u32, u32) = (2, 31);

/// Git's variables that say where the user's configuration is. They stay: without them we would read another
/// configuration than the user's own git does. All other `GIT_*` variables are removed: a hook that starts us has
/// `GIT_DIR`, `GIT_INDEX_FILE` and more of them set, and they would send our commands to the wrong repository.
const KEPT: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Configuration that every command of ours runs with.
const PINNED: [&str; 11] = [
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "gc.auto=0",
    "maintenance.auto=false",
    "log.showSignature=false",
    "advice.addEmbeddedRepo=false",
    "advice.detachedHead=false",
    "submodule.recurse=false",
];

/// A git command about to be run.
#[derive(Debug)]
pub struct Git {
    command: Command,
    /// The subcommand, for error messages.
    words: Vec<OsString>,
}

impl Git {
    /// Git in the folder `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        let mut command = Command::new("git");
        command.current_dir(dir).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let is_gits = name.as_encoded_bytes().starts_with(b"GIT_");
            if is_gits && !KEPT.iter().any(|kept| name == *kept) {
                command.env_remove(&name);
            }
        }
        for name in secret_names() {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        // a partial clone would fetch missing objects: no network here
        command.env("GIT_NO_LAZY_FETCH", "1");
        for pin in PINNED.iter().chain(system::GIT_PINS) {
            command.args(["-c", pin]);
        }
        Self { command, words: Vec::new() }
    }

    /// Git on a repository of our own, blind to the user's and the machine's configuration: no filter, alias or
    /// attribute of theirs exists for it.
    pub fn isolated(git_dir: &Path, dir: &Path) -> Self {
        let mut git = Self::in_dir(dir);
        git.command.args(["-c", "core.attributesFile=/dev/null", "-c", "core.excludesFile=/dev/null"]);
        git.env("GIT_DIR", git_dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
    }

    /// Pins one more configuration value; before the first argument.
    pub fn config(mut self, setting: impl AsRef<OsStr>) -> Self {
        debug_assert!(self.words.is_empty(), "configuration comes before the subcommand");
        self.command.arg("-c").arg(setting);
        self
    }
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.words.push(arg.as_ref().to_owned());
        self.command.arg(arg);
        self
    }
    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self = self.arg(arg);
        }
        self
    }
    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }
    /// Standard output of a git that must succeed, trailing newline cut. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// With git's own words when it fails.
    pub fn text(self) -> Result<String> {
        let out = self.bytes()?;
        Ok(String::from_utf8_lossy(&out).trim_end_matches(['\n', '\r']).to_owned())
    }
    /// Standard output as bytes.
    ///
    /// # Errors
    /// With git's own words when it fails.
    pub fn bytes(self) -> Result<Vec<u8>> {
        self.feed(None)
    }
    /// Standard output as bytes, of a git that reads `stdin` and must succeed.
    ///
    /// # Errors
    /// With git's own words when it fails.
    pub fn feed(self, stdin: Option<&[u8]>) -> Result<Vec<u8>> {
        let name = self.name();
        match self.try_run(stdin)? {
            (0, out, _) => Ok(out),
            (code, _, err) => Err(failed(&name, code, &err)),
        }
    }
    /// Exit code (-1 when a signal ended it), standard output, standard error; only a git that can't be started is an
    /// error.
    ///
    /// # Errors
    /// When git can't be started.
    pub fn try_run(mut self, stdin: Option<&[u8]>) -> Result<(i32, Vec<u8>, Vec<u8>)> {
        if stdin.is_some() {
            self.command.stdin(Stdio::piped());
        }
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(not_started)?;
        let pipe = child.stdin.take();
        let output = std::thread::scope(|scope| {
            if let (Some(mut pipe), Some(bytes)) = (pipe, stdin) {
                // a git that fails early closes its end; its exit code tells, not our broken pipe
                scope.spawn(move || drop(pipe.write_all(bytes)));
            }
            child.wait_with_output()
        });
        let output = output.map_err(not_started)?;
        Ok((output.status.code().unwrap_or(-1), output.stdout, output.stderr))
    }

    fn name(&self) -> String {
        self.words.iter().take(2).map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// The variables of our environment that git has no need of and a filter or a helper, configured by code that ran in the
/// working tree, must not see: secrets, and what a CI runner takes orders from.
fn secret_names() -> &'static [OsString] {
    static NAMES: OnceLock<Vec<OsString>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let of_runner = |name: &OsStr| {
            let name = name.as_encoded_bytes();
            name.starts_with(b"GITHUB_") || name.starts_with(b"ACTIONS_") || name.starts_with(b"RUNNER_")
        };
        let secret = |name: &OsStr, value: &OsStr| environment::removed(name, value) == Some(Removed::Secret);
        let hidden = |(name, value): &(OsString, OsString)| {
            !name.as_encoded_bytes().starts_with(b"GIT_") && (of_runner(name) || secret(name, value))
        };
        std::env::vars_os().filter(hidden).map(|(name, _)| name).collect()
    })
}

fn not_started(e: std::io::Error) -> Error {
    let missing = e.kind() == std::io::ErrorKind::NotFound;
    let error = Error::environment("can't start the git program").source(e);
    if missing { error.hint("install git 2.31 or newer and put it into PATH") } else { error }
}

/// The error for a git command that ended with `code`, in git's own words and with a hint where we know one.
pub(crate) fn failed(command: &str, code: i32, stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let words: Vec<&str> = text
        .lines()
        .map(|l| l.trim_start_matches("fatal: ").trim_start_matches("error: ").trim_end())
        .filter(|l| !l.is_empty() && !l.starts_with("hint:"))
        .take(12)
        .collect();
    let why = if words.is_empty() { format!("git ended with code {code}") } else { words.join("\n") };
    let kind = if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        Kind::Environment
    } else {
        Kind::Repository
    };
    let error = Error::new(kind, format!("git {command} failed")).why(why);
    if text.contains("dubious ownership") {
        let command = text.lines().map(str::trim).find(|l| l.starts_with("git config --global --add safe.directory"));
        return error.hint(command.unwrap_or("git config --global --add safe.directory <path of the repository>"));
    }
    if kind == Kind::Environment {
        return error.hint("free some disk space, or set KAIZEN_TMP to a folder on a larger disk");
    }
    error
}

/// The version of the git program, major and minor.
///
/// # Errors
/// When there is no git, or it is older than 2.31.
pub fn version() -> Result<(u32, u32)> {
    static VERSION: OnceLock<(u32, u32)> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(*version);
    }
    let text = Git::in_dir(Path::new("/")).arg("version").text()?;
    let version = parse_version(&text)
        .ok_or_else(|| Error::environment(format!("can't read the version of git from {text:?}")))?;
    if version < OLDEST {
        return Err(Error::environment(format!("git {}.{} is too old", version.0, version.1))
            .why("2.31 is the oldest that kaizen-ci works with")
            .hint("install a newer git and put it first into PATH"));
    }
    Ok(*VERSION.get_or_init(|| version))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor: String = numbers.next()?.chars().take_while(char::is_ascii_digit).collect();
    Some((major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_vendors_are_read() {
        let table = [
            ("git version 2.47.3", Some((2, 47))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("git version 2.45.1.windows.1", Some((2, 45))),
            ("git version 3.0-rc1", Some((3, 0))),
            ("gut version 2", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_carry_gits_words_and_a_hint_for_dubious_ownership() {
        let err = b"fatal: detected dubious ownership in repository at '/srv/r'\nTo add an exception for this directory, call:\n\n\tgit config --global --add safe.directory /srv/r\n";
        let error = failed("rev-parse", 128, err);
        assert!(error.render().contains("detected dubious ownership"), "{error:?}");
        assert_eq!(error.hint_text(), Some("git config --global --add safe.directory /srv/r"));
        let full = failed("add", 128, b"error: unable to write file: No space left on device\n");
        assert_eq!(full.kind(), Kind::Environment);
    }
}
