//! Finding the suites of a repository by its files: which runner, which command, in which folder.

mod commands;
mod folder;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::suite::Suite;
use crate::system;

pub(in crate::suite) use commands::script_of;
pub use commands::{is_on_path, runner_of};

/// Suites are looked for this many folders below the top: deeper ones are examples and vendored code.
const DEPTH: usize = 4;

/// More folders than this are not searched, so that a huge tree does not delay the start.
const MOST_FOLDERS: usize = 20_000;

/// Folders that hold other people's code, build products, or projects that are tests' material.
const NOT_OURS: [&str; 22] = [
    "node_modules",
    "target",
    "vendor",
    "third_party",
    "dist",
    "build",
    "out",
    "fixtures",
    "testdata",
    "test-data",
    "__pycache__",
    ".venv",
    "venv",
    "env",
    ".tox",
    ".nox",
    "site-packages",
    ".git",
    "coverage",
    "bower_components",
    "__fixtures__",
    "tests-data",
];

/// The suites found under `root` (top of the tree), the most likely first; ignored folders are not searched.
pub fn detect(root: &Path) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    let mut covered: Vec<folder::Coverage> = Vec::new();
    for dir in folders(root) {
        let found = folder::suites(root, &dir);
        for suite in found.suites {
            if !covered.iter().any(|c| c.covers(&dir, suite.runner)) {
                suites.push(suite);
            }
        }
        covered.extend(found.covers);
    }
    name(&mut suites);
    suites
}

/// Folders to look into, relative to `root`, the top first.
fn folders(root: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(root)
        .max_depth(Some(DEPTH))
        .hidden(true)
        .require_git(false)
        .parents(false)
        .follow_links(false)
        .filter_entry(|entry| {
            let is_dir = entry.file_type().is_some_and(|t| t.is_dir());
            let ours = entry.depth() == 0 || !NOT_OURS.iter().any(|n| entry.file_name() == *n);
            is_dir && ours
        })
        .build();
    let found = walk.flatten().take(MOST_FOLDERS);
    let mut dirs: Vec<PathBuf> = found.filter_map(|e| e.path().strip_prefix(root).ok().map(system::slashed)).collect();
    dirs.sort_by_key(|d| (d.components().count(), d.clone()));
    dirs
}

/// Names for people: the runner when a folder stands alone, the folder otherwise, both where a folder has several.
fn name(suites: &mut [Suite]) {
    let dirs: Vec<PathBuf> = suites.iter().map(|s| s.dir.clone()).collect();
    for suite in suites.iter_mut() {
        let siblings = dirs.iter().filter(|d| **d == suite.dir).count();
        let runner = runner_name(suite);
        let dir = suite.dir.to_string_lossy().replace('\\', "/");
        suite.name = match (dir.is_empty(), siblings) {
            (true, _) => runner,
            (false, 1) => dir,
            (false, _) => format!("{dir}:{runner}"),
        };
    }
}

/// The runner's name as in `.kaizen.yml`.
fn runner_name(suite: &Suite) -> String {
    let name = serde_json::to_value(suite.runner).ok();
    name.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| "command".to_owned())
}

/// The suite to work with: the one called `name`, or the most likely one.
///
/// # Errors
/// When there is none, or none of that name: with the names that there are.
pub fn pick(suites: &[Suite], name: Option<&str>) -> Result<Suite> {
    let Some(first) = suites.first() else {
        return Err(Error::usage("no test suite was found")
            .why("there is no Cargo.toml, pytest or unittest file, package.json with tests, go.mod, pom.xml, build.gradle, spec folder or Makefile with a `test` target")
            .hint("say how the tests are started: kaizen-ci heal --cmd \"make check\", or `cmd:` in .kaizen.yml"));
    };
    let Some(name) = name else { return Ok(first.clone()) };
    if let Some(suite) = suites.iter().find(|s| s.name == name) {
        return Ok(suite.clone());
    }
    let names: Vec<&str> = suites.iter().map(|s| s.name.as_str()).collect();
    let near = names.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    let near = near.filter(|n| strsim::jaro_winkler(n, name) > 0.7);
    let error = Error::usage(format!("there is no suite `{name}`")).why(format!("found: {}", names.join(", ")));
    Err(match near {
        Some(near) => error.hint(format!("did you mean `--suite {near}`?")),
        None => error.hint(format!("pick one of them, for example `--suite {}`", names[0])),
    })
}

#[cfg(test)]
mod tests;
