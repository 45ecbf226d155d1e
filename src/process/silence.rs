//! Tells a command that computes without end from one that works: processor time spent without a word of anybody.
//!
//! Measured in processor time of one process, so that a slow machine, a sleep or a wait for a service is never taken for
//! a loop; a compiler may compute as long as it likes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{Silence, table};

/// How often is looked.
const TURN: Duration = Duration::from_millis(500);

/// Programs that compute for long and say nothing, as they should.
const BUILDERS: [&str; 33] = [
    "rustc",
    "rustdoc",
    "cargo",
    "clippy-driver",
    "build-script-build",
    "cc",
    "c++",
    "cc1",
    "cc1plus",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "collect2",
    "ld",
    "lld",
    "ld.lld",
    "rust-lld",
    "mold",
    "as",
    "go",
    "compile",
    "link",
    "asm",
    "cgo",
    "vet",
    "javac",
    "tsc",
    "esbuild",
    "swc",
    "babel",
    "webpack",
    "rollup",
];

/// One process of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worker {
    pub pid: i32,
    /// Processor time since its start.
    pub spent: Duration,
    /// The beginning of its command line.
    pub argv: Vec<String>,
}

impl Worker {
    fn is_builder(&self) -> bool {
        // `node node_modules/.bin/tsc`: the program may be an argument of its interpreter
        self.argv.iter().take(3).any(|word| {
            let path = Path::new(word);
            let names = [path.file_name(), path.file_stem()];
            names.into_iter().flatten().any(|name| BUILDERS.iter().any(|b| name == *b))
        })
    }
}

/// Looks at a tree now and then.
pub(super) struct Watch {
    most: Duration,
    reports: PathBuf,
    next: Instant,
    mark: Mark,
}

/// What everybody had spent when the last word came.
#[derive(Debug, Default)]
struct Mark {
    words: u64,
    spent: HashMap<i32, Duration>,
}

impl Mark {
    /// Has one of `workers` computed for `most` since the last word? `words` is whatever grows with every word. Pure.
    fn is_over(&mut self, most: Duration, words: u64, workers: &[Worker]) -> bool {
        if words != self.words {
            self.words = words;
            self.spent = workers.iter().map(|w| (w.pid, w.spent)).collect();
            return false;
        }
        workers.iter().filter(|w| !w.is_builder()).any(|worker| {
            let before = self.spent.get(&worker.pid).copied().unwrap_or_default();
            worker.spent.saturating_sub(before) >= most
        })
    }
}

impl Watch {
    pub fn new(silence: &Silence) -> Self {
        let (most, reports) = (silence.most, silence.reports.clone());
        Self { most, reports, next: Instant::now() + TURN, mark: Mark::default() }
    }

    /// When to look again.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Has the tree of `pids` computed too long without a word? `printed`: bytes of output so far.
    pub fn is_over(&mut self, printed: u64, pids: &[i32]) -> bool {
        self.next = Instant::now() + TURN;
        let workers: Vec<Worker> = pids.iter().filter_map(|pid| worker(*pid)).collect();
        self.mark.is_over(self.most, printed + bytes_below(&self.reports, 3), &workers)
    }
}

fn worker(pid: i32) -> Option<Worker> {
    let spent = table::spent(pid)?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|b| *b == 0).take(3).map(|word| String::from_utf8_lossy(word).into_owned());
    Some(Worker { pid, spent, argv: words.collect() })
}

/// Bytes of all files in `folder`, so many levels deep.
fn bytes_below(folder: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
        Ok(meta) => meta.len() + 1,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(pid: i32, seconds: u64, line: &str) -> Worker {
        let argv = line.split(' ').map(str::to_owned).collect();
        Worker { pid, spent: Duration::from_secs(seconds), argv }
    }

    fn over(turns: &[(u64, &[Worker])]) -> bool {
        let mut mark = Mark::default();
        turns.iter().any(|(words, workers)| mark.is_over(Duration::from_secs(10), *words, workers))
    }

    #[test]
    fn whoever_computes_without_a_word_is_over_after_its_time_and_not_before() {
        let at = |seconds| [worker(5, seconds, "node a.test.js")];
        assert!(!over(&[(7, &at(1)), (7, &at(10))]), "nine seconds since the last word");
        assert!(over(&[(7, &at(1)), (7, &at(11))]));
        assert!(over(&[(0, &[worker(5, 10, "a.test")])]), "never a word");
    }

    #[test]
    fn a_word_starts_the_clock_again() {
        let at = |seconds| [worker(5, seconds, "node a.test.js")];
        assert!(!over(&[(1, &at(1)), (1, &at(9)), (2, &at(12)), (2, &at(21))]));
        assert!(over(&[(1, &at(1)), (2, &at(12)), (2, &at(22))]));
    }

    #[test]
    fn compilers_may_compute_and_sleepers_may_sleep() {
        for line in
            ["rustc --crate-name x", "/usr/lib/go/pkg/tool/compile -o x", "node node_modules/.bin/tsc", "node tsc.js"]
        {
            assert!(!over(&[(1, &[worker(5, 0, line)]), (1, &[worker(5, 900, line)])]), "{line}");
        }
        assert!(!over(&[(1, &[worker(5, 3, "node a.js")]), (1, &[worker(5, 3, "node a.js")])]));
    }

    #[test]
    fn many_short_processes_are_no_endless_one() {
        let one = |pid| [worker(pid, 6, "node step.js")];
        assert!(!over(&[(1, &one(1)), (1, &one(2)), (1, &one(3)), (1, &one(4))]));
    }

    #[test]
    fn files_that_come_and_grow_are_words() {
        let dir = tempfile::tempdir().unwrap();
        let none = bytes_below(dir.path(), 3);
        std::fs::create_dir(dir.path().join("pytest")).unwrap();
        std::fs::write(dir.path().join("pytest/a.jsonl"), "").unwrap();
        let empty = bytes_below(dir.path(), 3);
        std::fs::write(dir.path().join("pytest/a.jsonl"), "x").unwrap();
        assert!(none < empty && empty < bytes_below(dir.path(), 3));
    }
}
