//! jest's JSON report, and vitest's, which has the same shape.

use std::path::Path;

use serde::Deserialize;

use super::{Parsed, cap, millis, node::relative, plain, result};
use crate::suite::{Scope, Status, TestId, TestResult};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    num_total_tests: Option<usize>,
    num_failed_tests: Option<usize>,
    num_passed_tests: Option<usize>,
    success: Option<bool>,
    #[serde(default)]
    was_interrupted: bool,
    test_results: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    status: Option<String>,
    message: Option<String>,
    #[serde(default)]
    assertion_results: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    ancestor_titles: Vec<String>,
    title: String,
    status: String,
    duration: Option<f64>,
    #[serde(default)]
    failure_messages: Option<Vec<String>>,
    /// jest's `test.failing`: it passes because its body fails.
    #[serde(default)]
    failing: bool,
}

/// Reads a report; names of files are made relative to one of `tops`.
pub fn report(text: &str, tops: &[&Path]) -> Parsed {
    let mut parsed = Parsed::default();
    let Ok(report) = serde_json::from_str::<Report>(text) else {
        parsed.contradictions.push("the report is not one of jest's or vitest's".into());
        return parsed;
    };
    let (mut total, mut failed, mut passed) = (0_usize, 0_usize, 0_usize);
    for file in &report.test_results {
        let path = relative(&file.name, tops);
        for test in &file.assertion_results {
            total += 1;
            failed += usize::from(test.status == "failed");
            passed += usize::from(test.status == "passed");
            let id = [std::slice::from_ref(&path), &test.ancestor_titles, std::slice::from_ref(&test.title)].concat();
            parsed.add_numbered(id.join(" > "), one(test, &path));
        }
        let whole = file.message.as_deref().map(plain).filter(|m| !m.trim().is_empty());
        let any_failed = file.assertion_results.iter().any(|t| t.status == "failed");
        if file.status.as_deref() == Some("failed") && !any_failed {
            let message = whole.map(cap).or_else(|| Some("the file failed".into()));
            let result = TestResult { scope: Scope::File, file: Some(path.clone()), ..result(Status::Failed, message) };
            parsed.tests.insert(TestId(path), result);
        }
    }
    for (said, found, what) in [
        (report.num_total_tests, total, "tests"),
        (report.num_failed_tests, failed, "failures"),
        (report.num_passed_tests, passed, "passes"),
    ] {
        if let Some(said) = said.filter(|said| *said != found) {
            parsed.contradictions.push(format!("the report counts {said} {what} and lists {found}"));
        }
    }
    if report.success == Some(true) && parsed.any_failed() {
        parsed.contradictions.push("the report says success and lists failures".into());
    }
    parsed.complete = !report.was_interrupted;
    parsed
}

fn one(test: &Test, path: &str) -> TestResult {
    let status = match test.status.as_str() {
        "passed" if test.failing => Status::ExpectedFailure,
        "passed" => Status::Passed,
        "failed" => Status::Failed,
        // pending, skipped, todo, disabled, focused
        _ => Status::Skipped,
    };
    let messages = test.failure_messages.clone().unwrap_or_default();
    let message = (!messages.is_empty()).then(|| plain(&messages.join("\n")));
    TestResult {
        duration_ms: test.duration.and_then(millis_of),
        file: Some(path.to_owned()),
        ..result(status, message)
    }
}

/// jest and vitest give milliseconds.
fn millis_of(ms: f64) -> Option<u64> {
    millis(ms / 1000.0)
}
