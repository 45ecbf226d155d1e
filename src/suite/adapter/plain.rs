//! Any command: its tests where it prints TAP, otherwise one result, by its exit code.

use super::{Evidence, conclude};
use crate::process::End;
use crate::suite::formats::{self, Parsed, SUITE, log, tap};
use crate::suite::{Scope, Status, TestId, TestResult};

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    if let Some(tests) = printed(evidence) {
        return tests;
    }
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

/// The tests of a command that prints one stream of TAP. The exit code has the last word: what it calls a success has no red
/// tests (a recipe may ignore them), and several plans are nothing that we can count.
fn printed(evidence: &Evidence<'_>) -> Option<Parsed> {
    let End::Exited(code) = evidence.finished.end else { return None };
    let said = tap::report(&evidence.stdout(), "");
    let fits = said.complete && !said.tests.is_empty() && said.contradictions.is_empty();
    (fits && (code != 0 || !said.any_failed())).then_some(said)
}
