//! What a failed job's log is likely to mean: rules over its lines, and what to try. From the log alone; nothing is run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::{environment, fingerprint};
use crate::report::diagnosis;
use crate::suite::Runner;
use crate::supervise::{Cause, Change};
use crate::words::TestId;

/// The likely cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likely {
    /// What is wrong, in words.
    pub cause: String,
    /// What to try.
    pub next: String,
    /// The lines of the log that say so.
    pub lines: Vec<String>,
}

/// So many lines show it.
const LINES_MOST: usize = 3;

/// Marks of test runners that ran a red test again and saw it pass.
static FLAKY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?m)^.*(?:\bFLAKY \d+/\d+\b|\b[1-9]\d* flaky\b|\bFlakes: [1-9]|\bTRY [2-9] PASS\b|\bRERUN\b.*::|\b[1-9]\d* rerun\b|\bpassed on retry\b|\bflaky test\b).*$",
    )
    .ok()
});
/// Marks of a job that ran out of time.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^.*(?:has exceeded the maximum execution time|The job running on runner .* has timed out|\btimed out after \d+ minutes).*$").ok()
});

fn marked(log: &str, marks: &LazyLock<Option<Regex>>) -> Vec<String> {
    let Some(marks) = marks.as_ref() else { return Vec::new() };
    marks.find_iter(log).take(LINES_MOST).map(|line| line.as_str().trim().to_owned()).collect()
}

/// The likely cause of the failure that `log` (bare, see [`super::logs::bare`]) tells of: the machine, a flaky test, the time, or what
/// the tests said.
pub fn of(log: &str, red: &[String], excerpt: &str) -> Option<Likely> {
    if let Some((lack, line)) = environment::in_log(log, !red.is_empty()) {
        let cause = format!("{}: {}", Cause::Environment.words(), lack.what);
        return Some(Likely { cause, next: lack.hint, lines: vec![line] });
    }
    let said = |cause: Cause, change: Change, lines: Vec<String>| {
        (!lines.is_empty()).then(|| Likely { cause: cause.words().into(), next: change.words().into(), lines })
    };
    said(Cause::FlakyTest, Change::RerunWithRepeats, marked(log, &FLAKY))
        .or_else(|| said(Cause::Budget, Change::StopAndEscalate, marked(log, &TIME)))
        .or_else(|| {
            let (cause, next) = diagnosis::rules(excerpt).into_iter().next()?;
            Some(Likely { cause, next, lines: Vec::new() })
        })
}

/// The same for the same failure, whatever the machine, the time and the numbers in it.
pub fn print(red: &[String], excerpt: &str) -> String {
    let said = |test: &String| (TestId(test.clone()), String::new());
    let mut messages: BTreeMap<TestId, String> = red.iter().map(said).collect();
    if messages.is_empty() {
        messages.insert(TestId(String::new()), excerpt.to_owned());
    }
    fingerprint::fingerprint(Runner::Command, &messages, &BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_is_told_from_what_it_only_mentions() {
        for (log, cause, next) in [
            ("/home/runner/work/_temp/1.sh: line 1: ffmpeg: command not found", "the environment", "install ffmpeg"),
            ("sh: 1: jq: not found\n", "the environment", "install jq"),
            ("npm ERR! write: ENOSPC, no space\n", "the environment", "disk space"),
            ("  FLAKY 2/3 [   0.1s] shop tests::total\n", "a flaky test", "several times"),
            ("==== 3 failed, 1 rerun in 2s ====\n", "a flaky test", "several times"),
            ("The job has exceeded the maximum execution time of 10m0s\n", "the budget", "person"),
            ("E   NameError: name 'totl' is not defined\n", "the name `totl` is not defined", "typing error"),
        ] {
            let found = of(log, &[], log).unwrap_or_else(|| panic!("{log}"));
            assert!(found.cause.contains(cause) && found.next.contains(next), "{log}: {found:?}");
            assert!(found.lines.iter().all(|line| log.contains(line.as_str())), "{found:?}");
        }
        assert_eq!(of("all is well, 0 flaky\n", &[], ""), None);
        // a test that looks for such words is no machine that lacks something
        let red = ["t::says".to_owned()];
        let log = "AssertionError: 'jq: command not found' != ''\n";
        assert!(of(log, &red, log).is_none_or(|found| !found.cause.contains("environment")));
    }

    #[test]
    fn the_same_failure_has_the_same_print() {
        let red = ["t::a".to_owned()];
        assert_eq!(print(&red, "one machine"), print(&red, "another machine"));
        assert_ne!(print(&red, ""), print(&["t::b".to_owned()], ""));
        assert_eq!(print(&[], "at 10:46:01 it broke"), print(&[], "at 11:00:07 it broke"));
    }
}
