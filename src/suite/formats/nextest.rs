//! cargo-nextest: its libtest-like JSON (`--message-format libtest-json-plus`). nextest runs every test in a process of
//! its own and writes these lines itself, so what a test prints can't look like a result.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Parsed, millis, result};
use crate::suite::{Status, TestId, TestResult};

#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    what: String,
    event: String,
    name: Option<String>,
    exec_time: Option<f64>,
    stdout: Option<String>,
    reason: Option<String>,
    nextest: Option<Binary>,
}

#[derive(Debug, Clone, Deserialize)]
struct Binary {
    #[serde(rename = "crate")]
    package: String,
    test_binary: String,
    kind: String,
}

/// Reads nextest's standard output.
pub fn report(stdout: &str) -> Parsed {
    let mut parsed = Parsed::default();
    // nextest's JSON names a test `package::binary$test`; its binary's kind is said once, in the suite's line
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut open: Vec<String> = Vec::new();
    let (mut started, mut ended) = (0_usize, 0_usize);
    let mut lines: Vec<Line> = Vec::new();
    for line in stdout.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        if let Some(binary) = &line.nextest {
            names.insert(format!("{}::{}", binary.package, binary.test_binary), binary_id(binary));
        }
        lines.push(line);
    }
    for line in lines {
        match (line.what.as_str(), line.event.as_str()) {
            ("suite", "started") => started += 1,
            ("suite", _) => ended += 1,
            ("test", event) => {
                let Some(name) = line.name.as_deref() else { continue };
                let id = test_id(name, &names);
                if event == "started" {
                    open.push(id);
                    continue;
                }
                open.retain(|o| *o != id);
                let status = match event {
                    "ok" => Status::Passed,
                    "ignored" => Status::Skipped,
                    _ => Status::Failed,
                };
                let message = (status == Status::Failed)
                    .then(|| {
                        super::plain(
                            &[line.reason.as_deref(), line.stdout.as_deref()].map(Option::unwrap_or_default).join("\n"),
                        )
                    })
                    .map(|m| m.trim().to_owned());
                let one = TestResult { duration_ms: line.exec_time.and_then(millis), ..result(status, message) };
                parsed.add(id, one);
            }
            _ => {}
        }
    }
    parsed.complete = started > 0 && ended >= started;
    parsed.unfinished = open.into_iter().map(TestId).collect();
    parsed
}

/// nextest's own name of a binary: `package`, `package::test`, `package::bin/name`.
fn binary_id(binary: &Binary) -> String {
    match binary.kind.as_str() {
        "lib" | "proc-macro" => binary.package.clone(),
        "test" => format!("{}::{}", binary.package, binary.test_binary),
        kind => format!("{}::{kind}/{}", binary.package, binary.test_binary),
    }
}

fn test_id(name: &str, names: &BTreeMap<String, String>) -> String {
    let (binary, test) = name.split_once('$').unwrap_or(("", name));
    // a retried test has `#2` behind its name
    let test = test.rsplit_once('#').filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(test, |(t, _)| t);
    format!("{} {test}", names.get(binary).map_or(binary, String::as_str))
}
