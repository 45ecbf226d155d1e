//! Taking protected files out of a patch: honest additions are set aside, everything else is a cheat with a name.

use super::Surroundings;
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

/// What becomes of the change of one protected file.
enum Fate {
    /// Put back, nothing said.
    SetAside,
    /// A cheat: the rule's name and what is wrong.
    Tampered(&'static str, String),
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
        match fate(change, protection) {
            Fate::SetAside => separated.set_aside.push(shown),
            Fate::Tampered(rule, what) => {
                let what = format!("{shown}: {what}");
                separated.objections.push(Reason { rule: format!("guard.{rule}"), what });
            }
        }
    }
    separated
}

fn fate(change: &FileChange, protection: Protection) -> Fate {
    let is_new = change.old.is_none();
    match protection {
        Protection::Lock => Fate::SetAside,
        Protection::Test | Protection::Expectation if is_new => Fate::SetAside,
        Protection::Test => Fate::Tampered("test-changed", "a test file".to_owned()),
        Protection::Expectation => Fate::Tampered("expectation-changed", "a recorded expectation".to_owned()),
        Protection::RunnerHook => Fate::Tampered("runner-hook", "a hook into the test runner".to_owned()),
        Protection::Configuration => Fate::Tampered("configuration", "configuration of tests, lint or CI".to_owned()),
        Protection::BuildScript => Fate::Tampered("build-script", "code that runs at build time".to_owned()),
        Protection::Git => Fate::Tampered("git", "a file of git's own".to_owned()),
        Protection::Configured => Fate::Tampered("protected", "protected by .kaizen.yml".to_owned()),
    }
}
