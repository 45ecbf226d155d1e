//! The tamper guard: finds cheats in a patch by reading it, each by name. Pure: contents in, findings out.
//!
//! Every rule looks at what the patch *adds*: facts are collected from the files before and after as multisets, so that
//! code which was there already, or only moves, is nobody's fault.

mod calls;
mod configuration;
mod disguise;
mod equality;
mod evidence;
mod files;
mod imports;
mod introspection;
mod labels;
mod literals;
mod process;
mod setaside;
mod surroundings;
mod swallow;
mod testchange;
mod uses;
mod view;

use std::collections::BTreeSet;
use std::path::Path;

use super::{Docket, Reason, Verdict};
use crate::error::Result;
use crate::patch::Patch;
use crate::repo::Store;
use crate::syntax::language::Language;
use crate::words::Label;

pub use labels::labels_of;
pub use surroundings::{Surroundings, TestText};
use view::Reader;

/// One thing that a rule found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line after the change, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is there, in words.
    pub what: String,
}

impl Finding {
    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
    fn reason(&self, rule: &str) -> Reason {
        let place = if self.line == 0 { self.path.clone() } else { format!("{}:{}", self.path, self.line) };
        Reason { rule: format!("guard.{rule}"), what: format!("{place}: {}", self.what) }
    }
}

/// A rule of the guard: a stable name, what it is against in one line, and a function.
pub struct Rule {
    /// Stable; `guard.` and this name are a reason's rule.
    pub name: &'static str,
    /// One line for the documentation and the report.
    pub about: &'static str,
    check: fn(&Reader<'_>) -> Vec<Finding>,
}

/// Every rule there is.
pub const RULES: &[Rule] = &[
    Rule { name: "path", about: "writes outside the tree, into .git, or not a plain file", check: files::paths },
    Rule { name: "hidden-text", about: "invisible or direction-changing characters", check: files::hidden_text },
    Rule { name: "shadow", about: "a new file that shadows a module or a package", check: files::shadows },
    Rule { name: "binary-code", about: "code that can't be read", check: files::binary_code },
    Rule { name: "exit-added", about: "ends the process in product code", check: process::exits },
    Rule { name: "exit-imported", about: "brings in a way to end the process", check: process::exit_imports },
    Rule { name: "exit-hook", about: "runs when the process ends, or before main", check: process::hooks },
    Rule { name: "dynamic-code", about: "code made at run time", check: process::dynamic_code },
    Rule { name: "blind-comparison", about: "equality that does not compare", check: equality::constant_comparison },
    Rule { name: "test-framework", about: "the test framework in product code", check: imports::framework },
    Rule { name: "builtin-replaced", about: "builtins or assertions replaced", check: imports::bent_builtins },
    Rule { name: "peeking", about: "looks at the stack or into the interpreter", check: introspection::peeking },
    Rule { name: "test-detected", about: "tells a test run from a real one", check: introspection::environment },
    Rule { name: "test-named", about: "product code that names a test file", check: introspection::reads_tests },
    Rule { name: "special-case", about: "a test's input answered with its output", check: literals::special_cases },
    Rule { name: "answer-table", about: "a table of test cases", check: literals::tables },
    Rule { name: "answer-list", about: "an answer picked from a test's outputs", check: disguise::answer_lists },
    Rule { name: "seeded-memory", about: "a memory that knows a test's answer", check: disguise::seeded_memories },
    Rule { name: "constant-answer", about: "a computed answer becomes a constant", check: literals::constant_answers },
    Rule { name: "error-swallowed", about: "errors hidden instead of fixed", check: swallow::swallowed_errors },
    Rule { name: "inline-test", about: "tests inside product code harmed", check: inline_tests },
];

/// What reading a patch came to.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The patch without what was set aside.
    pub kept: Patch,
    /// Paths that were set aside.
    pub set_aside: Vec<String>,
    /// Tests that it changes, where that is allowed.
    pub tests_changed: Vec<String>,
    /// Remarks.
    pub labels: BTreeSet<Label>,
    /// Rules that had nothing to say.
    pub passed: Vec<String>,
    /// What speaks against the patch; empty: it may be run.
    pub objections: Vec<Reason>,
    /// The verdict when there are objections.
    pub verdict: Verdict,
}

/// Reads `patch` with the tests around it.
///
/// # Errors
/// When the snapshot can't be read.
pub fn read(store: &Store, docket: &Docket, patch: &Patch) -> Result<Reading> {
    let mut surroundings = Surroundings::of(store, docket, patch)?;
    let reading = inspect(patch, &surroundings);
    let is_cheat = !reading.objections.is_empty() && reading.verdict == Verdict::Tampered;
    if is_cheat && surroundings.look_back(store, docket, patch)? {
        return Ok(inspect(patch, &surroundings));
    }
    Ok(reading)
}

/// The whole static part of judging. Pure.
pub fn inspect(patch: &Patch, surroundings: &Surroundings) -> Reading {
    let separated = setaside::separate(patch, surroundings);
    let reader = Reader::new(&separated.kept, surroundings);
    let mut objections = separated.objections;
    let mut passed = Vec::new();
    for rule in RULES {
        let found = (rule.check)(&reader);
        if found.is_empty() {
            passed.push(rule.name.to_owned());
        }
        objections.extend(found.iter().map(|f| f.reason(rule.name)));
    }
    let mut verdict = Verdict::Tampered;
    if objections.is_empty() && separated.kept.is_empty() {
        let (rule, what) = if patch.is_empty() {
            verdict = Verdict::DoesNotApply;
            ("patch.empty", "the patch changes nothing".to_owned())
        } else {
            ("guard.only-protected", format!("it changes only {}", separated.set_aside.join(", ")))
        };
        objections.push(Reason { rule: rule.to_owned(), what });
    }
    if objections.is_empty() {
        objections = syntax_errors(&separated.kept);
        verdict = Verdict::StillRed;
    }
    Reading {
        labels: labels_of(&separated.kept),
        kept: separated.kept,
        set_aside: separated.set_aside,
        tests_changed: separated.tests_changed,
        passed,
        objections,
        verdict,
    }
}

/// Tests inside product code that are gone, changed or switched off.
fn inline_tests(reader: &Reader<'_>) -> Vec<Finding> {
    if reader.surroundings.allow_test_changes {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for old in &reader.old {
        let new = reader.new.iter().find(|new| new.path == old.path);
        let elsewhere: Vec<&view::View<'_>> = reader.new.iter().filter(|view| view.path != old.path).collect();
        let harms = testchange::inline_harms(old, new, &elsewhere);
        findings.extend(harms.into_iter().map(|(rule, what)| Finding::at(old.path, 0, format!("{rule}: {what}"))));
    }
    findings
}

/// Files that could be parsed before and can't any more. A run would find out as well, only later.
fn syntax_errors(patch: &Patch) -> Vec<Reason> {
    let broken = |path: &[u8], bytes: &[u8]| -> Option<usize> {
        let language = Language::of(Path::new(std::str::from_utf8(path).ok()?))?;
        let tree = language.parse(bytes)?;
        tree.root_node().has_error().then(|| view::first_error_line(tree.root_node()))
    };
    let mut reasons = Vec::new();
    for (path, change) in &patch.files {
        let (Some(old), Some(new)) = (&change.old, &change.new) else { continue };
        if broken(path, &old.bytes).is_none()
            && let Some(line) = broken(path, &new.bytes)
        {
            let what = format!("{}:{line}: a syntax error that was not there before", String::from_utf8_lossy(path));
            reasons.push(Reason { rule: "patch.syntax".to_owned(), what });
        }
    }
    reasons
}

#[cfg(test)]
#[path = "tests/corpus.rs"]
mod tests;
