//! The suite: the test command, what is known of its runner, and the results of running it.

pub mod adapter;
pub mod detect;
pub mod formats;
mod narrow;
pub mod protected;
pub mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::End;

pub use crate::words::TestId;

/// Which test runner a command ends up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runner {
    /// `cargo test`
    CargoTest,
    /// `cargo nextest run`
    Nextest,
    /// pytest
    Pytest,
    /// `python -m unittest`
    Unittest,
    /// jest
    Jest,
    /// vitest
    Vitest,
    /// mocha
    Mocha,
    /// `node --test`
    NodeTest,
    /// `go test`
    Go,
    /// Maven (surefire reports)
    Maven,
    /// Gradle (JUnit reports)
    Gradle,
    /// RSpec
    Rspec,
    /// anything that prints TAP
    Tap,
    /// anything else: judged by exit code and log
    Command,
}

impl Runner {
    /// Processor time that tests may spend without a word: between two tests that end, or to the next line that is printed.
    /// `None`: the runner says nothing while it works, or watches by itself as our plug-in for pytest does. Estimates: a
    /// test that computes for longer is rare, and whoever has one says so by `run_time_limit`.
    pub fn longest_silence(self) -> Option<Duration> {
        let seconds = match self {
            Self::NodeTest | Self::Mocha | Self::Unittest => 10,
            // these report whole files
            Self::Jest | Self::Vitest | Self::Rspec => 20,
            // debug builds are slow
            Self::CargoTest | Self::Nextest | Self::Go => 30,
            Self::Pytest | Self::Maven | Self::Gradle | Self::Tap | Self::Command => return None,
        };
        Some(Duration::from_secs(seconds))
    }
}

/// How to start the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// Through `sh -c`: what a user gave as one string (`--cmd`, `.kaizen.yml`, a package.json script).
    Shell(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

impl CommandLine {
    /// As a person would type it.
    pub fn display(&self) -> String {
        match self {
            CommandLine::Shell(line) => line.clone(),
            CommandLine::Argv(argv) => argv.join(" "),
        }
    }
}

/// One test suite of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// Name for people and `--suite`: the folder, or the runner when there is one suite.
    pub name: String,
    /// Folder that the command runs in, relative to the top of the tree; empty for the top.
    pub dir: PathBuf,
    /// The command.
    pub command: CommandLine,
    /// The runner that it ends up in.
    pub runner: Runner,
    /// How we know: `Cargo.toml`, `--cmd`, `.kaizen.yml`, …
    pub found_by: String,
}

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It passed.
    Passed,
    /// It failed, errored, timed out or crashed.
    Failed,
    /// It was skipped, ignored or marked as to do.
    Skipped,
    /// It failed and was expected to (xfail, `todo`).
    ExpectedFailure,
}

/// What a result is about. A file that can't be imported, or a build that fails, hides the tests in it: such a result
/// is healed when tests of that file (of the suite) run and all pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One test.
    Test,
    /// A whole test file or module, which could not be loaded.
    File,
    /// The whole suite: a failed build, or a command of which only the exit code is known.
    Suite,
}

/// One test's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// How it ended.
    pub status: Status,
    /// What it is about.
    pub scope: Scope,
    /// Wall time in milliseconds, where the runner tells.
    pub duration_ms: Option<u64>,
    /// Failure message and stack trace, where there are any; capped at 64 KiB.
    pub message: Option<String>,
    /// File of the test relative to the suite's folder, where the runner tells.
    pub file: Option<String>,
}

impl TestResult {
    /// Our plug-in cut it, or its runner did: its duration says how long they waited.
    pub fn was_cut(&self) -> bool {
        self.message.as_deref().is_some_and(|message| message.contains(CUT) || message.contains(CUT_BY_GO))
    }
}

/// The two log files of a run, capped (see [`crate::process::LOG_CAP_BYTES`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFiles {
    /// Standard output.
    pub stdout: PathBuf,
    /// Standard error.
    pub stderr: PathBuf,
}

/// One execution of the suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Results by test.
    pub tests: BTreeMap<TestId, TestResult>,
    /// How the command ended.
    pub end: End,
    /// Wall time.
    pub duration: Duration,
    /// Its output.
    pub log: LogFiles,
    /// Contradictions between what was counted, printed and reported (duplicates, fewer results than announced, exit
    /// code 0 with failures, …). Not empty: the results can't be believed.
    pub contradictions: Vec<String>,
}

impl Run {
    /// The tests that failed.
    pub fn red(&self) -> BTreeSet<TestId> {
        self.with(Status::Failed)
    }
    /// The tests that passed.
    pub fn passed(&self) -> BTreeSet<TestId> {
        self.with(Status::Passed)
    }
    /// The tests with this status.
    pub fn with(&self, status: Status) -> BTreeSet<TestId> {
        self.tests.iter().filter(|(_, r)| r.status == status).map(|(id, _)| id.clone()).collect()
    }
    /// Everything passed: exit code 0, no failure, no contradiction.
    pub fn is_green(&self) -> bool {
        self.end == End::Exited(0)
            && self.contradictions.is_empty()
            && self.tests.values().all(|r| r.status != Status::Failed)
    }
    /// It was cut, or a test in it was.
    pub fn has_hung(&self) -> bool {
        self.end == End::TimedOut || self.tests.values().any(TestResult::was_cut)
    }
    /// Passed, failed, skipped (expected failures among them).
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |s: Status| self.tests.values().filter(|r| r.status == s).count();
        (count(Status::Passed), count(Status::Failed), count(Status::Skipped) + count(Status::ExpectedFailure))
    }
}

/// How our plug-in for pytest says that it cut a test.
const CUT: &str = " without end: cut after ";
/// How `go test` says that the time of a package was over.
const CUT_BY_GO: &str = "panic: test timed out after ";

/// Which tests to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// At least these (a runner that can't select runs all; results of other tests may be there too).
    Only(BTreeSet<TestId>),
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plug_in_says_of_a_test_that_it_cut_what_is_looked_for() {
        let said = "the test %s without end: cut after %.1f s";
        assert!(include_str!("plugins/kaizen_report.py").contains(said) && said.contains(super::CUT));
    }
}
