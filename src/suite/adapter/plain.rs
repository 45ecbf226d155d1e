//! Any command: one result, by its exit code.

use super::{Evidence, conclude};
use crate::process::End;
use crate::suite::formats::{self, Parsed, SUITE, log};
use crate::suite::{Scope, Status, TestId, TestResult};

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    match evidence.finished.end {
        End::Exited(0) => {
            let passed = TestResult { scope: Scope::Suite, ..formats::result(Status::Passed, None) };
            parsed.tests.insert(TestId(SUITE.to_owned()), passed);
        }
        End::Exited(code) if !matches!(code, 126 | 127) => {
            let mut message = format!("the command exited with {code}\n");
            let failed = log::failed(&format!("{}\n{}", evidence.stdout(), evidence.stderr()));
            if !failed.is_empty() {
                message.push_str(&format!("failed: {}\n", failed.join(", ")));
            }
            message.push_str(&conclude::tail(evidence));
            parsed.fail(Scope::Suite, SUITE, message);
        }
        _ => {}
    }
    parsed
}
