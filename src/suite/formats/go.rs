//! `go test`: the events of `-json`, and the compiler's messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::{BUILD, MESSAGE_CAP_BYTES, Parsed, millis, result};
use crate::suite::{Scope, Status, TestId, TestResult};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    package: Option<String>,
    import_path: Option<String>,
    test: Option<String>,
    output: Option<String>,
    elapsed: Option<f64>,
}

/// A test or a package while its events come in.
#[derive(Debug, Default)]
struct Open {
    output: String,
    ended: Vec<(Status, Option<f64>)>,
    no_tests: bool,
    /// It waits for its turn beside others (`t.Parallel`).
    paused: bool,
}

/// Reads the standard output of `go test -json`; lines that are no events (a test that writes to the terminal) are left
/// out. `stderr` has the messages of builds that failed, before go 1.24.
pub fn report(stdout: &str, stderr: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut tests: BTreeMap<(String, String), Open> = BTreeMap::new();
    let mut packages: BTreeMap<String, Open> = BTreeMap::new();
    let mut build = String::new();
    let mut broken: BTreeSet<String> = BTreeSet::new();
    for line in stdout.lines() {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            if let Some(package) = line.strip_prefix("FAIL\t").and_then(|l| l.split([' ', '\t']).next())
                && (line.contains("[build failed]") || line.contains("[setup failed]"))
            {
                broken.insert(package.to_owned());
            }
            continue;
        };
        if event.action == "build-output" {
            build.push_str(event.output.as_deref().unwrap_or_default());
        }
        if event.action == "build-fail" {
            broken.extend(event.import_path.clone());
        }
        let Some(package) = event.package.clone() else { continue };
        match event.test.clone() {
            Some(test) => take(tests.entry((package, test)).or_default(), &event),
            None => take(packages.entry(package).or_default(), &event),
        }
    }
    for ((package, test), open) in &tests {
        add(&mut parsed, &format!("{package} {test}"), open);
    }
    parsed.complete = !packages.is_empty() || !broken.is_empty();
    for (package, open) in &packages {
        close_package(&mut parsed, package, open, &tests, &mut broken);
    }
    if !broken.is_empty() {
        let text = if build.is_empty() { stderr.trim().to_owned() } else { build };
        let names = broken.into_iter().collect::<Vec<_>>().join(", ");
        parsed.fail(Scope::Suite, BUILD, format!("build failed: {names}\n{text}"));
    }
    parsed
}

fn take(open: &mut Open, event: &Event) {
    match event.action.as_str() {
        "output" => {
            let text = event.output.as_deref().unwrap_or_default();
            open.no_tests |= text.contains("[no test files]") || text.contains("no tests to run");
            if open.output.len() < MESSAGE_CAP_BYTES && !text.starts_with("=== ") {
                open.output.push_str(text);
            }
        }
        "pause" => open.paused = true,
        "cont" => open.paused = false,
        "pass" => open.ended.push((Status::Passed, event.elapsed)),
        "fail" => open.ended.push((Status::Failed, event.elapsed)),
        "skip" => open.ended.push((Status::Skipped, event.elapsed)),
        _ => {}
    }
}

fn add(parsed: &mut Parsed, id: &str, open: &Open) {
    if open.ended.is_empty() {
        parsed.unfinished.push(TestId(id.to_owned()));
    }
    for (status, elapsed) in &open.ended {
        let text = || open.output.trim_end().to_owned();
        let message = (*status != Status::Passed).then(text).filter(|t| !t.is_empty());
        let one = TestResult { duration_ms: elapsed.and_then(millis), ..result(*status, message) };
        parsed.add(id, one);
    }
}

static RUNNING: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"(?m)^running tests:\n((?:\t\S+ \([^()\n]*\)\n?)+)").unwrap()
});

/// The tests that go says were running when the time of all was over.
fn running(output: &str) -> BTreeSet<&str> {
    let lists = RUNNING.captures_iter(output).filter_map(|found| Some(found.get(1)?.as_str()));
    lists.flat_map(str::lines).filter_map(|line| line.trim().split(' ').next()).collect()
}

/// A package that broke off (a stack overflow, its time was over) while tests ran: they are to blame. False: none did.
fn broke_off(parsed: &mut Parsed, package: &str, open: &Open, tests: &BTreeMap<(String, String), Open>) -> bool {
    let own = || tests.iter().filter(|((of, _), _)| of == package);
    let unfinished = || own().filter(|(_, test)| test.ended.is_empty()).map(|((_, name), test)| (name, test));
    let listed: BTreeSet<&str> =
        own().flat_map(|(_, test)| running(&test.output)).chain(running(&open.output)).collect();
    let is_to_blame = |name: &str, test: &Open| if listed.is_empty() { !test.paused } else { listed.contains(name) };
    let blamed: Vec<_> = unfinished().filter(|(name, test)| is_to_blame(name, test)).collect();
    for (name, test) in &blamed {
        let id = TestId(format!("{package} {name}"));
        let message = format!("{package} broke off\n{}{}", test.output, open.output);
        parsed.unfinished.retain(|other| *other != id);
        parsed.tests.insert(id, result(Status::Failed, Some(message.trim_end().to_owned())));
    }
    !blamed.is_empty()
}

/// A package that failed needs a test that failed, or it broke off.
fn close_package(
    parsed: &mut Parsed,
    package: &str,
    open: &Open,
    tests: &BTreeMap<(String, String), Open>,
    broken: &mut BTreeSet<String>,
) {
    let own = || tests.iter().filter(|((p, _), _)| p == package);
    let failed = open.ended.iter().any(|(s, _)| *s == Status::Failed);
    let red = own().any(|(_, o)| o.ended.iter().any(|(s, _)| *s == Status::Failed));
    if failed && (open.output.contains("[build failed]") || open.output.contains("[setup failed]")) {
        broken.insert(package.to_owned());
    } else if failed && !red && !broke_off(parsed, package, open, tests) {
        let message = format!("{package} failed although none of its tests did\n{}", open.output.trim_end());
        let result = TestResult { scope: Scope::File, ..result(Status::Failed, Some(message)) };
        parsed.tests.insert(TestId(package.to_owned()), result);
    } else if !failed && red {
        parsed.contradictions.push(format!("{package} passed although a test of it failed"));
    }
    if open.ended.is_empty() {
        parsed.complete = false;
    }
}
