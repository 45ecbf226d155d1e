//! One file per output format: pure text, XML or JSON in, results out.

pub mod go;
pub mod jest;
pub mod junit;
pub mod libtest;
pub mod log;
pub mod mocha;
pub mod nextest;
pub mod node;
pub mod pytest;
pub mod rspec;
pub mod tap;
pub mod unittest;

use std::collections::BTreeMap;

use crate::suite::{Scope, Status, TestId, TestResult};

/// Messages are cut to this many bytes: what people and fixers read of one failure; the log has the rest.
pub const MESSAGE_CAP_BYTES: usize = 64 * 1024;

/// Reports larger than this are not read: no honest suite writes one, hostile code might.
pub const REPORT_CAP_BYTES: u64 = 256 * 1024 * 1024;

/// The id of the result that stands for a build that failed.
pub const BUILD: &str = "(build)";
/// The id of the result that stands for the suite as a whole.
pub const SUITE: &str = "(suite)";
/// The id of the result that stands for a run that broke off.
pub const CRASH: &str = "(crash)";

/// What a format's parser read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// Results by test.
    pub tests: BTreeMap<TestId, TestResult>,
    /// What does not add up.
    pub contradictions: Vec<String>,
    /// The runner said that it came to its end.
    pub complete: bool,
    /// Tests that were announced and began but have no result.
    pub unfinished: Vec<TestId>,
}

impl Parsed {
    /// Adds a result. A second one for the same id is a contradiction; the worse of the two stays.
    pub fn add(&mut self, id: impl Into<String>, result: TestResult) {
        let id = TestId(id.into());
        if let Some(old) = self.tests.get_mut(&id) {
            self.contradictions.push(format!("{id} has two results: {:?} and {:?}", old.status, result.status));
            if badness(result.status) > badness(old.status) {
                *old = result;
            }
            return;
        }
        self.tests.insert(id, result);
    }

    /// Adds a result whose runner allows two tests of the same name: the second one becomes `name #2`.
    pub fn add_numbered(&mut self, id: impl Into<String>, result: TestResult) {
        let id = id.into();
        let mut unique = TestId(id.clone());
        let mut n = 2_usize;
        while self.tests.contains_key(&unique) {
            unique = TestId(format!("{id} #{n}"));
            n += 1;
        }
        self.tests.insert(unique, result);
    }

    /// Takes over everything that `other` (another process, another binary) reported.
    pub fn merge(&mut self, other: Parsed) {
        for (id, result) in other.tests {
            self.add(id.0, result);
        }
        self.contradictions.extend(other.contradictions);
        self.unfinished.extend(other.unfinished);
        self.complete &= other.complete;
    }

    /// Whether anything failed.
    pub fn any_failed(&self) -> bool {
        self.tests.values().any(|r| r.status == Status::Failed)
    }

    /// Adds a failure of a whole file, build or suite; several messages for one id are joined.
    pub fn fail(&mut self, scope: Scope, id: &str, message: impl Into<String>) {
        let message = cap(message.into());
        let entry = self.tests.entry(TestId(id.to_owned())).or_insert_with(|| TestResult {
            status: Status::Failed,
            scope,
            duration_ms: None,
            message: None,
            file: None,
        });
        entry.status = Status::Failed;
        entry.message = Some(match entry.message.take() {
            Some(old) if old != message => cap(format!("{old}\n{message}")),
            _ => message,
        });
    }
}

/// The result of one test; its message loses its colours.
pub fn result(status: Status, message: Option<String>) -> TestResult {
    let message = message.map(|m| cap(if m.contains('\u{1b}') { plain(&m) } else { m }));
    TestResult { status, scope: Scope::Test, duration_ms: None, message, file: None }
}

fn badness(status: Status) -> u8 {
    match status {
        Status::Passed => 0,
        Status::Skipped => 1,
        Status::ExpectedFailure => 2,
        Status::Failed => 3,
    }
}

/// At most [`MESSAGE_CAP_BYTES`] of `text`: its head and its tail.
pub fn cap(text: String) -> String {
    if text.len() <= MESSAGE_CAP_BYTES {
        return text;
    }
    let half = MESSAGE_CAP_BYTES / 2 - 32;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    format!("{}\n[{} bytes left out]\n{}", &text[..head], tail - head, &text[tail..])
}

/// `text` without ANSI escape sequences.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {},
            Some(']') => while chars.next_if(|c| *c != '\u{7}' && *c != '\u{1b}').is_some() {},
            _ => continue,
        }
        chars.next();
    }
    out
}

/// Milliseconds from seconds, when that makes sense.
pub fn millis(seconds: f64) -> Option<u64> {
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests;
