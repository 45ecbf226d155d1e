//! RSpec's JSON report (`--format json`).

use serde::Deserialize;

use super::{Parsed, SUITE, millis, result};
use crate::suite::{Scope, Status, TestResult};

#[derive(Debug, Deserialize)]
struct Report {
    examples: Vec<Example>,
    summary: Option<Summary>,
    #[serde(default)]
    messages: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    example_count: usize,
    failure_count: usize,
    #[serde(default)]
    errors_outside_of_examples_count: usize,
}

#[derive(Debug, Deserialize)]
struct Example {
    id: Option<String>,
    full_description: String,
    status: String,
    file_path: Option<String>,
    run_time: Option<f64>,
    pending_message: Option<String>,
    exception: Option<Exception>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    class: Option<String>,
    message: Option<String>,
    backtrace: Option<Vec<String>>,
}

/// Reads a report. A test's name is its file, RSpec's own id in it, and its description: `spec/a_spec.rb[1:2] adds`.
pub fn report(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let Ok(report) = serde_json::from_str::<Report>(text) else {
        parsed.contradictions.push("the report is not one of RSpec's".into());
        return parsed;
    };
    parsed.complete = report.summary.is_some();
    let mut failed = 0;
    for example in &report.examples {
        failed += usize::from(example.status == "failed");
        let status = match example.status.as_str() {
            "passed" => Status::Passed,
            "failed" => Status::Failed,
            // `pending` with an exception ran and failed as expected
            _ if example.exception.is_some() => Status::ExpectedFailure,
            _ => Status::Skipped,
        };
        let message = example.exception.as_ref().map(words).or_else(|| example.pending_message.clone());
        let file = example.file_path.as_deref().map(|f| f.trim_start_matches("./").to_owned());
        let id = example.id.as_deref().or(file.as_deref()).unwrap_or_default().trim_start_matches("./").to_owned();
        let duration_ms = example.run_time.and_then(millis);
        parsed.add(
            format!("{id} {}", example.full_description),
            TestResult { duration_ms, file, ..result(status, message) },
        );
    }
    if let Some(summary) = &report.summary {
        if summary.errors_outside_of_examples_count > 0 {
            parsed.fail(Scope::Suite, SUITE, super::plain(&report.messages.join("\n")));
        }
        if (summary.example_count, summary.failure_count) != (report.examples.len(), failed) {
            parsed.contradictions.push("RSpec's summary and its examples differ".into());
        }
    }
    parsed
}

fn words(exception: &Exception) -> String {
    let class = exception.class.as_deref().unwrap_or("error");
    let message = exception.message.as_deref().unwrap_or_default();
    let trace = exception.backtrace.as_deref().unwrap_or_default().join("\n");
    format!("{class}: {}\n{trace}", message.trim()).trim_end().to_owned()
}
