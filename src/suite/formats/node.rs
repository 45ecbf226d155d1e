//! `node --test`: the lines that our reporter writes.

use std::path::Path;

use serde::Deserialize;

use super::{Parsed, millis, result};
use crate::suite::{Scope, Status, TestId, TestResult};
use crate::system;

/// What node says of a test that `--test-name-pattern` left out; such a test did not take part.
const NOT_SELECTED: &str = "test name does not match pattern";

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    what: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    nesting: usize,
    file: Option<String>,
    kind: Option<String>,
    ms: Option<f64>,
    skip: Option<serde_json::Value>,
    todo: Option<serde_json::Value>,
    failure: Option<String>,
    message: Option<String>,
}

/// Reads a report; names of files are made relative to one of `tops` (the suite's folder, as given and resolved).
pub fn report(text: &str, tops: &[&Path]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut names: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let (mut counted, mut said, mut bad) = (0_usize, None::<usize>, 0_usize);
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            bad += 1;
            continue;
        };
        match event.what.as_str() {
            "end" => parsed.complete = true,
            "test:diagnostic" => {
                said = event.name.strip_prefix("tests ").and_then(|n| n.parse().ok()).or(said);
            }
            "test:start" | "test:pass" | "test:fail" => {
                names.truncate(event.nesting.min(256));
                names.push(event.name.clone());
                let id = id(&event, &names, tops);
                if event.what == "test:start" {
                    open.push(id);
                    continue;
                }
                if let Some(at) = open.iter().rposition(|o| *o == id) {
                    open.remove(at);
                }
                counted += usize::from(event.kind.as_deref() != Some("suite"));
                take(&mut parsed, event, id, tops);
            }
            _ => {}
        }
    }
    if bad > usize::from(!text.ends_with('\n')) {
        parsed.contradictions.push(format!("{bad} lines of the node report were not written by node"));
    }
    if let Some(said) = said.filter(|said| parsed.complete && *said != counted) {
        parsed.contradictions.push(format!("node counted {said} tests and reported {counted}"));
    }
    parsed.unfinished = open.into_iter().map(TestId).collect();
    parsed
}

/// A test that began, as `node_begun.cjs` writes it.
#[derive(Debug, Deserialize)]
struct Begun {
    name: String,
    file: String,
}

/// The test that one process began last.
pub fn last_begun(text: &str, tops: &[&Path]) -> Option<TestId> {
    let begun = text.lines().rev().find_map(|line| serde_json::from_str::<Begun>(line).ok())?;
    Some(TestId(format!("{} > {}", relative(&begun.file, tops), begun.name)))
}

/// Tests that a process began last and that have no result: they run still, or took their process along.
pub fn account_for(parsed: &mut Parsed, begun: Vec<TestId>) {
    for id in begun {
        if parsed.tests.contains_key(&id) {
            continue;
        }
        if !parsed.complete {
            if !parsed.unfinished.contains(&id) {
                parsed.unfinished.push(id);
            }
            continue;
        }
        let file = id.0.split(" > ").next().map(str::to_owned);
        let of_file = file.as_ref().and_then(|file| parsed.tests.get(&TestId(file.clone())));
        if of_file.is_none_or(|r| r.status != Status::Failed || r.scope != Scope::File) {
            continue;
        }
        parsed.unfinished.retain(|open| *open != id);
        let message = Some("its process ended while it ran".to_owned());
        parsed.tests.insert(id, TestResult { file, ..result(Status::Failed, message) });
    }
}

fn take(parsed: &mut Parsed, event: Event, id: String, tops: &[&Path]) {
    let yes = |v: &Option<serde_json::Value>| v.as_ref().is_some_and(|v| !v.is_null() && *v != false);
    if event.skip.as_ref().is_some_and(|v| v == NOT_SELECTED) {
        return;
    }
    let failed = event.what == "test:fail";
    if event.kind.as_deref() == Some("suite") && !(failed && event.failure.as_deref() != Some("subtestsFailed")) {
        return;
    }
    let status = match (failed, yes(&event.skip), yes(&event.todo)) {
        (_, true, _) | (false, _, true) => Status::Skipped,
        (true, _, true) => Status::ExpectedFailure,
        (true, ..) => Status::Failed,
        (false, ..) => Status::Passed,
    };
    let note = event.skip.as_ref().or(event.todo.as_ref()).and_then(|v| v.as_str()).map(str::to_owned);
    let scope = if is_file(&event) { Scope::File } else { Scope::Test };
    let file = event.file.as_deref().map(|f| relative(f, tops));
    let message = event.message.or(note);
    let whole = TestResult { scope, duration_ms: event.ms.and_then(millis), file, ..result(status, message) };
    parsed.add_numbered(id, whole);
}

/// A file that ran as a whole: it failed to load, or has no tests of its own.
fn is_file(event: &Event) -> bool {
    let file = event.file.as_deref().unwrap_or_default();
    event.nesting == 0 && !event.name.is_empty() && (file == event.name || file.ends_with(&format!("/{}", event.name)))
}

fn id(event: &Event, names: &[String], tops: &[&Path]) -> String {
    let file = event.file.as_deref().map(|f| relative(f, tops)).unwrap_or_default();
    if is_file(event) {
        return file;
    }
    let mut id = file;
    for name in names {
        if !id.is_empty() {
            id.push_str(" > ");
        }
        id.push_str(name);
    }
    id
}

/// `file` (a path or a file URL) relative to the first of `tops` that it is under.
pub fn relative(file: &str, tops: &[&Path]) -> String {
    let path = system::path_of_url(file.strip_prefix("file://").unwrap_or(file));
    let inside = tops.iter().find_map(|top| path.strip_prefix(top).ok()).unwrap_or(path);
    inside.to_string_lossy().replace('\\', "/")
}
