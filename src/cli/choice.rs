//! What to work on: the suites of the configuration or those that are found, and the one that was asked for.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::repo::Repository;
use crate::repo::carry::{self, Detected};
use crate::suite::detect::{self, runner_of};
use crate::suite::{CommandLine, Runner, Suite};
use crate::system;

/// All suites, the most likely first: those configured, else those found.
///
/// # Errors
/// When a configured folder does not exist.
pub fn suites(repository: &Repository, config: &Config) -> Result<Vec<Suite>> {
    if let Some(cmd) = &config.cmd {
        return Ok(vec![configured(&repository.root, "default", "", cmd, None, "--cmd or `cmd`")?]);
    }
    if config.suites.is_empty() {
        return Ok(detect::detect(&repository.root));
    }
    let one = |suite: &crate::config::SuiteConfig| {
        configured(&repository.root, &suite.name, &suite.dir, &suite.cmd, suite.runner.as_deref(), crate::config::FILE)
    };
    config.suites.iter().map(one).collect()
}

/// The suite called `name`, or the most likely one; and the names of the others.
///
/// # Errors
/// When there is none, or none of that name.
pub fn pick(repository: &Repository, config: &Config, name: Option<&str>) -> Result<(Suite, Vec<String>)> {
    let all = suites(repository, config)?;
    let suite = detect::pick(&all, name)?;
    let others = all.into_iter().map(|other| other.name).filter(|other| *other != suite.name).collect();
    Ok((suite, others))
}

fn configured(root: &Path, name: &str, dir: &str, cmd: &str, runner: Option<&str>, found_by: &str) -> Result<Suite> {
    let folder = root.join(dir);
    if !folder.is_dir() {
        return Err(Error::usage(format!("the folder `{dir}` of suite `{name}` does not exist"))
            .hint(format!("correct `dir` of this suite in {}", crate::config::FILE)));
    }
    let runner = match runner {
        Some(name) => runner_named(name)?,
        None => runner_of(cmd, &folder),
    };
    Ok(Suite {
        name: name.to_owned(),
        dir: PathBuf::from(dir),
        command: CommandLine::Shell(cmd.to_owned()),
        runner,
        found_by: found_by.to_owned(),
    })
}

fn runner_named(name: &str) -> Result<Runner> {
    serde_json::from_value(serde_json::Value::String(name.to_owned()))
        .map_err(|_| Error::usage(format!("there is no runner `{name}`")))
}

/// Ignored folders that workspaces get, and those that they don't.
///
/// # Errors
/// When git can't list what is ignored.
pub fn carried(repository: &Repository, config: &Config) -> Result<Detected> {
    carry::detect(repository, &config.carry_add, &config.carry_skip, free_bytes(&temp_dir()))
}

/// Where workspaces are made.
pub fn temp_dir() -> PathBuf {
    std::env::var_os("KAIZEN_TMP").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// Free space at `path`; everything when it can't be told.
pub fn free_bytes(path: &Path) -> u64 {
    system::free_bytes(path).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_that_the_configuration_names_is_one_and_every_runner_can_be_named() {
        for name in crate::config::keys::RUNNERS {
            let runner = runner_named(name).unwrap();
            assert_eq!(serde_json::to_value(runner).unwrap(), *name);
        }
        let all = [Runner::CargoTest, Runner::Nextest, Runner::Pytest, Runner::Unittest, Runner::Jest, Runner::Vitest];
        let rest =
            [Runner::Mocha, Runner::NodeTest, Runner::Go, Runner::Maven, Runner::Gradle, Runner::Rspec, Runner::Tap];
        for runner in all.into_iter().chain(rest).chain([Runner::Command]) {
            let name = serde_json::to_value(runner).unwrap();
            assert!(crate::config::keys::RUNNERS.contains(&name.as_str().unwrap()), "{name}");
        }
    }

    #[test]
    fn a_folder_of_a_suite_that_does_not_exist_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = configured(dir.path(), "api", "services/api", "pytest", None, "").unwrap_err();
        assert_eq!(error.what(), "the folder `services/api` of suite `api` does not exist");
        assert_eq!(configured(dir.path(), "a", "", "pytest -q", None, "").unwrap().runner, Runner::Pytest);
    }
}
