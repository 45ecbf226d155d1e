//! Any command: one result, by its exit code.

use super::{Evidence, conclude};
use crate::process::End;
use crate::suite::formats::{self, Parsed, SUITE};
use crate::suite::{Scope, Status, TestId, TestResult};

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    match evidence.finished.end {
        End::Exited(0) => {
            let passed = TestResult { scope: Scope::Suite, ..formats::result(Status::Passed, None) };
            parsed.tests.insert(TestId(SUITE.to_owned()), passed);
        }
        End::Exited(code) if !matches!(code, 126 | 127) => {
            let tail = conclude::tail(evidence);
            parsed.fail(Scope::Suite, SUITE, format!("the command exited with {code}\n{tail}"));
        }
        _ => {}
    }
    parsed
}
