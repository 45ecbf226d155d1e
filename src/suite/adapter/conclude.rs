//! What holds for every runner: how the command's end and the results read must fit together.

use super::Evidence;
use crate::process::End;
use crate::suite::formats::{self, BUILD, CRASH, Parsed, SUITE};
use crate::suite::{Runner, Scope, Status};

/// How much of the log a message about the whole suite quotes.
const TAIL_BYTES: usize = 4 * 1024;

/// Compares the results with how the command ended: adds what stands for a crash, a time limit or a suite that fails
/// without a failing test, and says what does not fit.
pub(super) fn conclude(mut parsed: Parsed, evidence: &Evidence<'_>) -> Parsed {
    match evidence.finished.end {
        End::NotFound => {
            let program = evidence.prepared.argv.first().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
            parsed.fail(Scope::Suite, SUITE, format!("command not found: {program}"));
        }
        End::NotStarted => parsed.fail(Scope::Suite, SUITE, "the command could not be started"),
        End::Cancelled => {}
        End::TimedOut => timed_out(&mut parsed, evidence),
        End::Signaled(signal) => crashed(&mut parsed, evidence, &format!("ended by signal {signal}")),
        End::Exited(0) => exited_well(&mut parsed, evidence),
        End::Exited(code) => exited_badly(&mut parsed, evidence, code),
    }
    parsed
}

fn timed_out(parsed: &mut Parsed, evidence: &Evidence<'_>) {
    let seconds = evidence.finished.duration.as_secs_f64();
    for id in std::mem::take(&mut parsed.unfinished) {
        let message = Some("timed out".to_owned());
        parsed.tests.entry(id).or_insert_with(|| formats::result(Status::Failed, message));
    }
    let how = if evidence.finished.silent {
        format!("hangs: nothing but computing, and not a word, until it was cut after {seconds:.1} s")
    } else {
        format!("timed out: the suite did not end within {seconds:.1} s")
    };
    parsed.fail(Scope::Suite, SUITE, how);
}

fn exited_well(parsed: &mut Parsed, evidence: &Evidence<'_>) {
    if let Some((id, _)) = parsed.tests.iter().find(|(_, r)| r.status == Status::Failed) {
        let what = format!("the command exited with 0 although {id} failed");
        parsed.contradictions.push(what);
    }
    if evidence.suite.runner == Runner::Command {
        return;
    }
    if !parsed.complete {
        let what = "the command exited with 0 but its runner did not report to the end".to_owned();
        parsed.contradictions.push(what);
    } else if let Some(id) = parsed.unfinished.first() {
        let n = parsed.unfinished.len();
        parsed.contradictions.push(format!("the command exited with 0 but {n} tests have no result, {id} among them"));
    }
}

fn exited_badly(parsed: &mut Parsed, evidence: &Evidence<'_>, code: i32) {
    let known = [BUILD, SUITE, CRASH].iter().any(|id| parsed.tests.keys().any(|t| t.0 == **id));
    if known || (parsed.complete && (parsed.any_failed() || all_wanted_passed(parsed, evidence))) {
        return;
    }
    let nothing = parsed.tests.is_empty() && parsed.unfinished.is_empty();
    if matches!(code, 126 | 127) && nothing {
        let why = if code == 127 { "command not found" } else { "the command could not be started" };
        parsed.fail(Scope::Suite, SUITE, format!("{why}\n{}", tail(evidence)));
    } else if parsed.complete || nothing {
        let why = if nothing { "no test ran" } else { "no test failed" };
        parsed.fail(Scope::Suite, SUITE, format!("the command exited with {code}, {why}\n{}", tail(evidence)));
    } else {
        crashed(parsed, evidence, &format!("exited with {code} before the runner came to its end"));
    }
}

/// Of a selection only its tests count: a threshold of coverage that some tests can't reach, or a linter behind them, is for
/// whole runs.
fn all_wanted_passed(parsed: &Parsed, evidence: &Evidence<'_>) -> bool {
    let wanted = &evidence.prepared.wanted;
    let passed = |id| parsed.tests.get(id).is_some_and(|r| r.status == Status::Passed);
    !wanted.is_empty() && parsed.unfinished.is_empty() && wanted.iter().all(passed)
}

fn crashed(parsed: &mut Parsed, evidence: &Evidence<'_>, how: &str) {
    let mut message = format!("the run broke off: {how}");
    let running: Vec<&str> = parsed.unfinished.iter().take(20).map(|id| id.0.as_str()).collect();
    if !running.is_empty() {
        message.push_str(&format!("\nwithout a result: {}", running.join(", ")));
    }
    parsed.fail(Scope::Suite, CRASH, format!("{message}\n{}", tail(evidence)));
}

/// The end of what was printed, standard error first.
pub(super) fn tail(evidence: &Evidence<'_>) -> String {
    let mut out = String::new();
    for text in [evidence.stderr(), evidence.stdout()] {
        let text = formats::plain(text.trim_end());
        let from = text.ceil_char_boundary(text.len().saturating_sub(TAIL_BYTES));
        if !text[from..].trim().is_empty() {
            out.push_str(&text[from..]);
            out.push('\n');
        }
    }
    out.trim_end().to_owned()
}
