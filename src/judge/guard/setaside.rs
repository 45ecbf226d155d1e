//! Taking protected files out of a patch: honest additions are set aside, everything else is a cheat with a name.

use super::{Surroundings, configuration, testchange};
use crate::judge::Reason;
use crate::patch::{FileChange, Patch};
use crate::suite::protected::Protection;

/// A patch parted in what may be judged and what may not be changed.
pub(super) struct Separated {
    pub kept: Patch,
    pub set_aside: Vec<String>,
    pub objections: Vec<Reason>,
    /// Tests that it changes, where that is allowed.
    pub tests_changed: Vec<String>,
}

/// Parts `patch`.
pub(super) fn separate(patch: &Patch, surroundings: &Surroundings) -> Separated {
    let mut separated =
        Separated { kept: patch.clone(), set_aside: Vec::new(), objections: Vec::new(), tests_changed: Vec::new() };
    for (path, change) in &patch.files {
        let Some(protection) = surroundings.protected.why(path) else { continue };
        let shown = String::from_utf8_lossy(path).into_owned();
        if surroundings.allow_test_changes && matches!(protection, Protection::Test | Protection::Expectation) {
            separated.tests_changed.push(shown);
            continue;
        }
        separated.kept.files.remove(path);
        let harms = fate(&shown, change, protection);
        if harms.is_empty() {
            separated.set_aside.push(shown);
            continue;
        }
        separated.objections.extend(
            harms
                .into_iter()
                .map(|(rule, what)| Reason { rule: format!("guard.{rule}"), what: format!("{shown}: {what}") }),
        );
    }
    separated
}

/// How the change of a protected file is a cheat: rules and words; empty: it is put back, and nothing is said.
fn fate(path: &str, change: &FileChange, protection: Protection) -> Vec<(&'static str, String)> {
    let is_new = change.old.is_none();
    let name = path.rsplit('/').next().unwrap_or(path);
    let one = |rule, what: &str| vec![(rule, what.to_owned())];
    match protection {
        Protection::Lock => Vec::new(),
        Protection::Test | Protection::Expectation if is_new => Vec::new(),
        Protection::Test if change.new.is_none() => one("test-removed", "a test file is deleted"),
        Protection::Test => testchange::harms(path, change.old_bytes(), change.new_bytes()),
        Protection::Expectation => one("expectation-changed", "a recorded expectation"),
        Protection::RunnerHook => one("runner-hook", "a hook into the test runner"),
        Protection::Configuration => {
            let what = configuration::dangerous(path, change.old_bytes(), change.new_bytes());
            what.map(|what| vec![("configuration", what)]).unwrap_or_default()
        }
        Protection::BuildScript => one("build-script", "code that runs at build time"),
        Protection::Git if matches!(name, ".gitignore" | ".mailmap") => Vec::new(),
        Protection::Git => one("git", "a file of git's own"),
        Protection::Configured => one("protected", "protected by .kaizen.yml"),
    }
}
