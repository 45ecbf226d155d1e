//! pytest: the lines that our report plug-in writes, and the summary line of its terminal output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Parsed, cap, millis};
use crate::suite::{Scope, Status, TestId, TestResult};

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Start {},
    Collect { id: String, outcome: String, text: Option<String> },
    Collected { ids: Vec<String> },
    Begin { id: String },
    Result(Box<Phase>),
    Finish { exit: i32 },
    End { lines: usize, seal: String },
}

/// One phase (setup, call, teardown) of one test.
#[derive(Debug, Deserialize)]
struct Phase {
    id: String,
    when: String,
    outcome: String,
    xfail: Option<String>,
    raised: Option<String>,
    /// A subtest's report, which is about a part of the test.
    #[serde(default)]
    sub: bool,
    seconds: Option<f64>,
    file: Option<String>,
    text: Option<String>,
}

/// What one pytest process reported.
#[derive(Debug, Default)]
pub struct Session {
    /// Results.
    pub parsed: Parsed,
    /// The exit status that pytest decided on.
    pub exit: Option<i32>,
    /// What the terminal summary must say.
    pub counts: Counts,
    /// Failed subtests, which some versions count as failures of their own.
    pub subtests: usize,
}

impl Session {
    /// Whether pytest's last line says what the report says.
    pub fn agrees(&self, printed: Counts) -> bool {
        let counted = |failed| Counts { failed, ..self.counts } == printed;
        counted(self.counts.failed) || counted(self.counts.failed + self.subtests)
    }
}

/// The numbers of pytest's last line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `N passed`
    pub passed: usize,
    /// `N failed`
    pub failed: usize,
    /// `N errors`
    pub errors: usize,
}

/// Reads one report file of the plug-in.
pub fn report(text: &str) -> Session {
    let mut session = Session::default();
    let mut seal = Sha256::new();
    let (mut lines, mut sealed) = (0_usize, false);
    let mut phases: BTreeMap<String, Vec<Phase>> = BTreeMap::new();
    let (mut begun, mut collected) = (Vec::new(), None::<Vec<String>>);
    for raw in text.lines() {
        if sealed {
            session.parsed.contradictions.push("the pytest report goes on after its end".into());
            break;
        }
        let Ok(line) = serde_json::from_str::<Line>(raw) else {
            if text.ends_with('\n') {
                session.parsed.contradictions.push("the pytest report has a line that pytest did not write".into());
            }
            continue;
        };
        if let Line::End { lines: said, seal: expected } = &line {
            sealed = true;
            let found = hex::encode(seal.clone().finalize());
            if *said != lines || *expected != found {
                session.parsed.contradictions.push("the pytest report was changed after it was written".into());
            }
            continue;
        }
        seal.update(raw.as_bytes());
        lines += 1;
        match line {
            Line::Start {} | Line::End { .. } => {}
            Line::Collect { id, outcome, text } => collect(&mut session, &id, &outcome, text),
            Line::Collected { ids } => collected = Some(ids),
            Line::Begin { id } => begun.push(id),
            Line::Result(phase) => phases.entry(phase.id.clone()).or_default().push(*phase),
            Line::Finish { exit } => session.exit = Some(exit),
        }
    }
    session.parsed.complete = sealed && session.exit.is_some();
    for (id, phases) in &phases {
        finish(&mut session, id, phases);
    }
    let known: BTreeSet<&String> = phases.iter().filter(|(_, p)| is_over(p)).map(|(id, _)| id).collect();
    let missing = |ids: Vec<String>| ids.into_iter().filter(|id| !known.contains(id)).map(TestId).collect::<Vec<_>>();
    let announced = collected.map(&missing);
    session.parsed.unfinished = missing(begun);
    check_announced(&mut session, announced);
    session
}

fn is_over(phases: &[Phase]) -> bool {
    phases.iter().any(|p| p.when == "teardown" || p.when == "call" || p.outcome != "passed")
}

/// A finished session has a result for every test that it collected (under xdist, workers collect: nothing announced).
fn check_announced(session: &mut Session, missing: Option<Vec<TestId>>) {
    let Some(missing) = missing else { return };
    let normal_end = matches!(session.exit, Some(0 | 1));
    if session.parsed.complete && normal_end && !missing.is_empty() {
        let what = format!("{} collected tests have no result, {} among them", missing.len(), missing[0]);
        session.parsed.contradictions.push(what);
    }
}

fn collect(session: &mut Session, id: &str, outcome: &str, text: Option<String>) {
    let file = id.split("::").next().filter(|f| !f.is_empty()).map(str::to_owned);
    let status = if outcome == "failed" { Status::Failed } else { Status::Skipped };
    let id = TestId(if id.is_empty() { super::SUITE.to_owned() } else { id.to_owned() });
    if status == Status::Failed {
        session.counts.errors += 1;
    }
    let result = TestResult { status, scope: Scope::File, duration_ms: None, message: text.map(cap), file };
    // xdist's workers each report the same file
    session.parsed.tests.entry(id).or_insert(result);
}

/// One result from the phases of a test.
fn finish(session: &mut Session, id: &str, phases: &[Phase]) {
    let mut status = None;
    let mut message = Vec::new();
    let mut seconds = 0.0;
    let mut called = 0;
    for phase in phases {
        seconds += phase.seconds.unwrap_or(0.0);
        let expected = phase.xfail.is_some();
        match (phase.outcome.as_str(), phase.when.as_str()) {
            ("failed", when) => {
                let count = if when == "call" { &mut session.counts.failed } else { &mut session.counts.errors };
                *count += usize::from(!phase.sub);
                session.subtests += usize::from(phase.sub);
                status = Some(Status::Failed);
                let place = if when == "call" { String::new() } else { format!("error at {when}\n") };
                message.push(format!("{place}{}", phase.text.as_deref().unwrap_or("failed")));
            }
            ("skipped", _) => {
                let kind = if expected { Status::ExpectedFailure } else { Status::Skipped };
                status = status.or(Some(kind));
                message.extend(phase.xfail.clone().filter(|x| !x.is_empty()).or_else(|| phase.text.clone()));
            }
            ("passed", "call") if !phase.sub => {
                session.counts.passed += usize::from(!expected);
                status = status.or(Some(Status::Passed));
                if let Some(raised) = phase.raised.as_deref().filter(|_| !expected) {
                    status = Some(Status::Failed);
                    let what = format!("{id} raised {raised} but its report was changed to passed");
                    message.push(what.clone());
                    session.parsed.contradictions.push(what);
                }
            }
            ("rerun", _) => message.clear(),
            _ => {}
        }
        called += usize::from(phase.when == "call" && phase.outcome != "rerun" && !phase.sub);
    }
    if called > 1 {
        let outcomes: BTreeSet<_> =
            phases.iter().filter(|p| p.when == "call" && !p.sub).map(|p| p.outcome.as_str()).collect();
        if outcomes.len() > 1 {
            session.parsed.contradictions.push(format!("{id} has {called} results that differ"));
        }
    }
    let Some(status) = status else { return };
    let message = (!message.is_empty()).then(|| cap(message.join("\n")));
    let file = phases.iter().find_map(|p| p.file.clone());
    let result = TestResult { status, scope: Scope::Test, duration_ms: millis(seconds), message, file };
    session.parsed.add(id, result);
}

static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"^(?:=+ )?((?:\d+ [a-z]+(?: [a-z]+)?, )*\d+ [a-z]+(?: [a-z]+)?) in [0-9.]+s(?: \([0-9:]+\))?(?: =+)?$")
        .unwrap()
});

/// The counts of the last summary line in pytest's output, if there is one.
pub fn summary(stdout: &str) -> Option<Counts> {
    let line = stdout.lines().rev().map(super::plain).find_map(|line| {
        let caught = SUMMARY.captures(line.trim())?;
        Some(caught[1].to_owned())
    })?;
    let mut counts = Counts::default();
    for part in line.split(", ") {
        let Some((number, word)) = part.split_once(' ') else { continue };
        let number = number.parse().unwrap_or(0);
        match word {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "error" | "errors" => counts.errors = number,
            _ => {}
        }
    }
    Some(counts)
}
