//! cargo-nextest: its JSON on standard output, asked for through the environment.

use std::sync::LazyLock;

use regex::Regex;

use super::{Draft, Evidence};
use crate::process::End;
use crate::suite::Scope;
use crate::suite::formats::{BUILD, Parsed, SUITE, libtest, nextest};

/// nextest's exit code for "no tests to run".
const NO_TESTS: i32 = 4;

static RUN: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"\bnextest (run|r)(\s|$)").unwrap()
});

pub(super) fn prepare(draft: &mut Draft<'_>) {
    draft.set("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
    draft.set("NEXTEST_MESSAGE_FORMAT", "libtest-json-plus");
    draft.set("NEXTEST_HIDE_PROGRESS_BAR", "1");
    draft.set("NEXTEST_NO_INPUT_HANDLER", "1");
    draft.set("CARGO_TERM_COLOR", "never");
    draft.set("RUST_BACKTRACE", "1");
    match &mut draft.line {
        Some(line) if !line.contains("--no-fail-fast") => {
            *line = RUN.replace_all(line, "nextest $1 --no-fail-fast$2").into_owned();
        }
        Some(_) => {}
        None => {
            let at = draft.argv.iter().position(|a| a == "nextest").map(|at| at + 1);
            let at = at.filter(|at| draft.argv.get(*at).is_some_and(|a| a == "run" || a == "r"));
            let Some(at) = at else { return };
            draft.argv.retain(|a| a != "--fail-fast" && a != "--ff");
            if !draft.argv.iter().any(|a| a == "--no-fail-fast") {
                draft.argv.insert(at + 1, "--no-fail-fast".into());
            }
            select(draft, at);
            draft.redirect("nextest");
        }
    }
}

/// A filter expression with each test's binary and exact name.
fn select(draft: &mut Draft<'_>, at: usize) {
    let Some(wanted) = draft.wanted else { return };
    let mut terms = Vec::new();
    for id in wanted {
        let Some((binary, name)) = id.0.split_once(' ') else { return };
        terms.push(format!("(binary_id(={}) & test(={}))", literal(binary), literal(name)));
    }
    draft.argv.splice(at + 1..at + 1, ["-E".to_owned(), terms.join(" + ")]);
    draft.selected = true;
}

/// A name in nextest's filter language.
fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace(')', "\\)").replace(',', "\\,")
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let mut parsed = nextest::report(&evidence.redirected());
    let stderr = evidence.stderr();
    if let Some(message) = libtest::build_failure(&stderr).filter(|_| parsed.tests.is_empty()) {
        parsed.fail(Scope::Suite, BUILD, message);
    } else if evidence.finished.end == End::Exited(NO_TESTS) {
        parsed.fail(Scope::Suite, SUITE, "nextest found no tests to run");
    }
    parsed
}
