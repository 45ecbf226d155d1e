//! mocha: the lines that our reporter writes.

use std::path::Path;

use serde::Deserialize;

use super::{Parsed, millis, node::relative, result};
use crate::suite::{Status, TestId, TestResult};

#[derive(Debug, Deserialize)]
struct Line {
    event: String,
    file: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    kind: Option<String>,
    ms: Option<f64>,
    message: Option<String>,
    stats: Option<Stats>,
}

#[derive(Debug, Deserialize)]
struct Stats {
    passes: Option<usize>,
    failures: Option<usize>,
    pending: Option<usize>,
}

/// Reads a report; names of files are made relative to one of `tops`.
pub fn report(text: &str, tops: &[&Path]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut open: Vec<String> = Vec::new();
    let mut found = [0_usize; 3];
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            if text.ends_with('\n') {
                parsed.contradictions.push("the mocha report has a line that mocha did not write".into());
            }
            continue;
        };
        let file = line.file.as_deref().map(|f| relative(f, tops));
        let id = file.iter().chain(&line.names).cloned().collect::<Vec<_>>().join(" > ");
        let (slot, status) = match line.event.as_str() {
            "begin" => {
                open.push(id);
                continue;
            }
            "pass" => (0, Status::Passed),
            "fail" => (1, Status::Failed),
            "pending" => (2, Status::Skipped),
            "end" => {
                parsed.complete = true;
                check(&mut parsed, line.stats, found);
                continue;
            }
            _ => continue,
        };
        found[slot] += 1;
        open.retain(|o| *o != id);
        let message = line.message;
        let one =
            TestResult { duration_ms: line.ms.and_then(|ms| millis(ms / 1000.0)), file, ..result(status, message) };
        let again = parsed.tests.get_mut(&TestId(id.clone()));
        match again {
            // an asynchronous failure after the test had passed: mocha says both
            Some(old) if status == Status::Failed && line.kind.as_deref() != Some("hook") => {
                if old.status == Status::Passed {
                    *old = one;
                } else {
                    parsed.add_numbered(id, one);
                }
            }
            _ => parsed.add_numbered(id, one),
        }
    }
    parsed.unfinished = open.into_iter().map(TestId).collect();
    parsed
}

fn check(parsed: &mut Parsed, stats: Option<Stats>, found: [usize; 3]) {
    let Some(stats) = stats else { return };
    for (said, found, what) in [
        (stats.passes, found[0], "passes"),
        (stats.failures, found[1], "failures"),
        (stats.pending, found[2], "pending"),
    ] {
        if let Some(said) = said.filter(|said| *said != found) {
            parsed.contradictions.push(format!("mocha counts {said} {what} and reported {found}"));
        }
    }
}
