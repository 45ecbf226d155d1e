//! JUnit XML in the dialects of surefire, Gradle and others.

use junit_parser::{TestStatus, TestSuite};

use super::{Parsed, millis, result};
use crate::suite::{Status, TestResult};

/// Reads one report file.
pub fn report(xml: &[u8]) -> Parsed {
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    if nesting(xml) > DEPTH {
        parsed.complete = false;
        parsed.contradictions.push("a JUnit report is nested too deeply to be honest".into());
        return parsed;
    }
    match junit_parser::from_reader(std::io::Cursor::new(xml)) {
        Ok(suites) => suites.suites.iter().for_each(|suite| read(&mut parsed, suite, 0)),
        Err(error) => {
            parsed.complete = false;
            parsed.contradictions.push(format!("a JUnit report can't be read: {error}"));
        }
    }
    parsed
}

/// Suites deeper than this are no suites.
const DEPTH: usize = 32;

/// How deep suites lie in one another; counted before the XML is read, because its reader recurses.
fn nesting(xml: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for (at, _) in xml.iter().enumerate().filter(|(_, b)| **b == b'<') {
        let rest = &xml[at + 1..];
        if rest.starts_with(b"testsuite") {
            depth += 1;
            most = most.max(depth);
        } else if rest.starts_with(b"/testsuite") {
            depth = depth.saturating_sub(1);
        }
    }
    most
}

fn read(parsed: &mut Parsed, suite: &TestSuite, depth: usize) {
    if depth > DEPTH {
        return;
    }
    for case in &suite.cases {
        let (status, message) = match &case.status {
            TestStatus::Success => (Status::Passed, None),
            TestStatus::Skipped(skipped) => (Status::Skipped, Some(skipped.message.clone())),
            TestStatus::Failure(failure) => (Status::Failed, Some(joined(&failure.message, &failure.text))),
            TestStatus::Error(error) => (Status::Failed, Some(joined(&error.message, &error.text))),
        };
        let class = case.classname.as_deref().unwrap_or(&suite.name);
        let id = if class.is_empty() { case.original_name.clone() } else { format!("{class} {}", case.original_name) };
        let message = message.filter(|m| !m.is_empty());
        parsed.add_numbered(id, TestResult { duration_ms: millis(case.time), ..result(status, message) });
    }
    suite.suites.iter().for_each(|inner| read(parsed, inner, depth + 1));
    let (tests, found) = (suite.tests, suite.cases.len() as u64);
    if suite.suites.is_empty() && tests != found && tests != 0 {
        parsed.contradictions.push(format!("{} announces {tests} tests and has {found}", suite.name));
    }
}

fn joined(message: &str, text: &str) -> String {
    if text.contains(message) { text.trim().to_owned() } else { format!("{message}\n{text}").trim().to_owned() }
}
