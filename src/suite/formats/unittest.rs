//! unittest: the lines that our stand-in for `python -m unittest` writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Parsed, cap, millis, result};
use crate::suite::{Scope, Status, TestId, TestResult};

/// What unittest calls the test that stands for a module that could not be imported.
const FAILED_IMPORT: &str = "unittest.loader._FailedTest.";

#[derive(Debug, Deserialize)]
struct Line {
    event: String,
    #[serde(default)]
    id: String,
    seconds: Option<f64>,
    text: Option<String>,
    ids: Option<Vec<String>>,
    run: Option<usize>,
}

/// Reads a report.
pub fn report(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut found: BTreeMap<String, TestResult> = BTreeMap::new();
    let mut announced = BTreeSet::new();
    let (mut begun, mut run) = (0_usize, None);
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            if text.ends_with('\n') {
                parsed.contradictions.push("the unittest report has a line that unittest did not write".into());
            }
            continue;
        };
        match line.event.as_str() {
            "collected" => announced.extend(line.ids.unwrap_or_default()),
            "begin" => begun += 1,
            "end" => (parsed.complete, run) = (true, line.run),
            event => take(&mut found, event, line.id, line.text, line.seconds),
        }
    }
    if let Some(run) = run.filter(|run| *run != begun) {
        parsed.contradictions.push(format!("unittest counted {run} tests and reported {begun}"));
    }
    let fixture = |id: &str| id.starts_with("setUp") || id.starts_with("tearDown");
    let hidden = found.keys().any(|id| fixture(id));
    parsed.unfinished = announced.iter().filter(|id| !found.contains_key(*id)).cloned().map(TestId).collect();
    if hidden && parsed.complete {
        // a setUpClass that failed takes its tests with it
        parsed.unfinished.clear();
    }
    for (id, mut result) in found {
        if let Some(module) = id.strip_prefix(FAILED_IMPORT) {
            result.scope = Scope::File;
            parsed.add(module, result);
        } else {
            parsed.add(id, result);
        }
    }
    parsed
}

/// One event; of several for one test (subtests, tearDown) the failure stays.
fn take(found: &mut BTreeMap<String, TestResult>, event: &str, id: String, text: Option<String>, seconds: Option<f64>) {
    let status = match event {
        "pass" => Status::Passed,
        "skip" => Status::Skipped,
        "xfail" => Status::ExpectedFailure,
        _ => Status::Failed,
    };
    let new = TestResult { duration_ms: seconds.and_then(millis), ..result(status, text) };
    match found.get_mut(&id) {
        None => {
            found.insert(id, new);
        }
        Some(old) if status == Status::Failed && old.status == Status::Failed => {
            let messages = [old.message.take(), new.message].into_iter().flatten().collect::<Vec<_>>();
            old.message = Some(cap(messages.join("\n")));
        }
        Some(old) if status == Status::Failed => *old = new,
        Some(_) => {}
    }
}
