//! libtest (`cargo test`): the text of one test binary, read strictly: what was announced, listed, printed and counted
//! must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Parsed, result};
use crate::suite::{Status, TestId};

/// The output of one test binary, or of rustdoc for one crate.
#[derive(Debug, Default)]
pub struct Block {
    /// Results by the test's own name.
    pub parsed: Parsed,
    /// A `running N tests` line was there.
    pub started: bool,
    /// The test that was announced last and has no result: with one thread the one that runs.
    pub current: Option<String>,
    /// Tests without a result that ran for over a minute, as libtest says.
    pub slow: BTreeSet<String>,
}

static LINE: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"test (\S.*?) \.\.\. (ok|FAILED|ignored|bench:)?((?:[ ,<(].*)?)$").unwrap()
});
static SLOW: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"(?m)^test (\S.*?) has been running for over \d+ seconds$").unwrap()
});
static OVERFLOWN: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"(?m)^thread '([^'\n]+)'(?: \(\d+\))? has overflowed its stack$").unwrap()
});
static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"test result: (ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured;").unwrap()
});

/// Splits output that may hold several blocks (rustdoc's, or a plain log) at its `running N tests` lines.
pub fn blocks(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if announced(line.trim_end()).is_some() {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]).collect::<Vec<_>>();
    starts.iter().zip(ends).map(|(a, b)| &text[*a..b]).collect()
}

fn announced(line: &str) -> Option<usize> {
    let number = line
        .strip_prefix("running ")?
        .strip_suffix(" tests")
        .or(line.strip_prefix("running ")?.strip_suffix(" test"))?;
    number.parse().ok()
}

/// Reads the output of one binary; `listed` are the names that `--list` gave before, when it was asked.
pub fn read(text: &str, listed: Option<&BTreeSet<String>>) -> Block {
    let text = super::plain(text);
    let mut block = Block::default();
    let mut messages = failures(&text);
    let mut expected = None;
    let mut summaries = Vec::new();
    let mut pending: Option<String> = None;
    for line in text.lines() {
        if let Some(n) = announced(line) {
            if block.started {
                block.parsed.contradictions.push("`running N tests` was printed twice".into());
            }
            block.started = true;
            expected = Some(n);
        } else if let Some(found) = SUMMARY.captures(line) {
            summaries.push([2, 3, 4].map(|i| found[i].parse::<usize>().unwrap_or(usize::MAX)));
        } else if !summaries.is_empty() || line.trim() == "failures:" {
            // what comes after are the captured outputs: a result line in there is not one
            pending = None;
            if summaries.is_empty() {
                skip_to_summary(&text, &mut summaries, &mut block);
                break;
            }
        } else if let Some(found) = LINE.captures(line) {
            pending = take(&mut block, &found, listed, &mut messages);
        } else if let Some(name) = pending.take_if(|_| matches!(line, "ok" | "FAILED")) {
            let status = if line == "ok" { Status::Passed } else { Status::Failed };
            add(&mut block, &name, status, None, &mut messages);
        }
    }
    check(&mut block, expected, &summaries, listed);
    block.current = pending;
    let slow = SLOW.captures_iter(&text).map(|found| bare(&found[1]).to_owned());
    block.slow = slow.filter(|name| !block.parsed.tests.contains_key(&TestId(name.clone()))).collect();
    block
}

/// The threads that overflowed their stacks; libtest runs each test in a thread of its name. `stderr`: of one binary or more.
pub fn overflown(stderr: &str) -> BTreeSet<String> {
    OVERFLOWN.captures_iter(&super::plain(stderr)).map(|found| found[1].to_owned()).collect()
}

/// The summary lines after the captured outputs.
fn skip_to_summary(text: &str, summaries: &mut Vec<[usize; 3]>, block: &mut Block) {
    let last = text.lines().rev().find_map(|line| SUMMARY.captures(line));
    if let Some(found) = last {
        summaries.push([2, 3, 4].map(|i| found[i].parse::<usize>().unwrap_or(usize::MAX)));
    }
    block.parsed.complete = !summaries.is_empty();
}

/// Takes one `test name ... result` line; gives the name back when the result is still to come.
fn take(
    block: &mut Block,
    found: &regex::Captures<'_>,
    listed: Option<&BTreeSet<String>>,
    messages: &mut BTreeMap<String, String>,
) -> Option<String> {
    let name = bare(&found[1]);
    if listed.is_some_and(|l| !l.contains(name)) {
        // printed by the code under test, not by libtest
        if found.get(2).is_some() {
            block.parsed.contradictions.push(format!("a result was printed for `{name}`, which is not a test"));
        }
        return None;
    }
    let rest = found[3].trim_start_matches([',', ' ']);
    let (status, note) = match found.get(2).map(|m| m.as_str()) {
        Some("ok" | "bench:") => (Status::Passed, None),
        Some("FAILED") => (Status::Failed, None),
        Some("ignored") => (Status::Skipped, (!rest.is_empty()).then(|| rest.to_owned())),
        _ => return Some(name.to_owned()),
    };
    add(block, name, status, note, messages);
    None
}

fn add(block: &mut Block, name: &str, status: Status, note: Option<String>, messages: &mut BTreeMap<String, String>) {
    let message = if status == Status::Failed { messages.remove(name) } else { note };
    block.parsed.add(name, result(status, message));
}

/// A test's name without the remark that libtest prints behind it.
fn bare(name: &str) -> &str {
    [" - should panic", " - compile fail", " - compile"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name)
}

fn check(block: &mut Block, expected: Option<usize>, summaries: &[[usize; 3]], listed: Option<&BTreeSet<String>>) {
    let parsed = &mut block.parsed;
    if summaries.len() > 1 {
        parsed.contradictions.push("the summary line was printed twice".into());
    }
    parsed.complete = !summaries.is_empty();
    let with = |s: Status| parsed.tests.values().filter(|r| r.status == s).count();
    let found = [with(Status::Passed), with(Status::Failed), with(Status::Skipped)];
    let total: usize = found.iter().sum();
    if let Some(said) = summaries.last().filter(|said| **said != found) {
        let what = format!("passed, failed, ignored are {found:?} by line and {said:?} by the summary");
        parsed.contradictions.push(what);
    }
    if let Some(n) = expected.filter(|n| parsed.complete && *n != total) {
        parsed.contradictions.push(format!("{n} tests were announced, {total} have a result"));
    }
    if let Some(listed) = listed {
        let known: BTreeSet<&str> = parsed.tests.keys().map(|id| id.0.as_str()).collect();
        parsed.unfinished = listed.iter().filter(|n| !known.contains(n.as_str())).cloned().map(TestId).collect();
    }
}

/// The names in the output of `--list --format terse`.
pub fn list(text: &str) -> BTreeSet<String> {
    let names = text.lines().filter_map(|l| l.strip_suffix(": test").or_else(|| l.strip_suffix(": benchmark")));
    names.map(str::to_owned).collect()
}

/// Captured outputs by test: the sections `---- name stdout ----`.
fn failures(text: &str) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut seen = false;
    for line in text.lines() {
        if line == "failures:" {
            current = None;
            seen = true;
            continue;
        }
        let header = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" ----"));
        let name = header.and_then(|h| h.strip_suffix(" stdout").or_else(|| h.strip_suffix(" stderr")));
        if let Some(name) = name.filter(|_| seen) {
            current = Some(bare(name).to_owned());
        } else if let Some(name) = &current {
            let message = out.entry(name.clone()).or_default();
            if message.len() < super::MESSAGE_CAP_BYTES && !(message.is_empty() && line.is_empty()) {
                message.push_str(line);
                message.push('\n');
            }
        }
    }
    out.values_mut().for_each(|m| m.truncate(m.trim_end().len()));
    out
}

/// The errors of rustc and cargo in the output of a build that failed; `None` when it did not fail.
pub fn build_failure(stderr: &str) -> Option<String> {
    let text = super::plain(stderr);
    let failed = |l: &str| {
        l.starts_with("error: could not compile")
            || l.starts_with("error: failed to run custom build command")
            || l.starts_with("error: failed to parse manifest")
            || l.starts_with("error: failed to load manifest")
            || l.starts_with("error: no matching package")
            || l.starts_with("error: failed to select a version")
            || l.starts_with("error: the lock file")
    };
    if !text.lines().any(failed) {
        return None;
    }
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("error") {
            inside = true;
        } else if line.starts_with("warning") || line.trim_start().starts_with("Compiling ") {
            inside = false;
        }
        if inside {
            out.push_str(line);
            out.push('\n');
        }
    }
    Some(out.trim_end().to_owned())
}
