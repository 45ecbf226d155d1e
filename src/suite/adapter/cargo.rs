//! `cargo test`: cargo starts our small script in place of each test binary, which keeps the output of each binary apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::built::Start;
use super::{Draft, Evidence, read_capped};
use crate::suite::LogFiles;
use crate::suite::formats::{BUILD, CRASH, Parsed, libtest, result};
use crate::suite::{Scope, Status, TestId, TestResult};

const RUNNER: &str = include_str!("../plugins/cargo_runner.sh");

/// Cargo splits this at blanks, so a path (which may have some) can't be in it, nor a blank of the shell's.
const START: &str = "sh -c exec${IFS}sh${IFS}\"$KAIZEN_CARGO_RUNNER\"${IFS}\"$0\"${IFS}\"$@\"";

/// Our runner and where it writes: both are another run's each time.
pub(super) const OURS: [&str; 2] = ["KAIZEN_CARGO_RUNNER", "KAIZEN_CARGO_REPORTS"];

/// Where our runner writes, below the reports of a run.
const FOLDER: &str = "cargo";

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let script = draft.helper("cargo_runner.sh", RUNNER);
    let folder = draft.report_folder(FOLDER);
    draft.set(OURS[0], script);
    draft.set(OURS[1], folder);
    for target in hosts() {
        draft.set(&format!("CARGO_TARGET_{target}_RUNNER"), START);
    }
    draft.set("CARGO_TERM_COLOR", "never");
    draft.set("CARGO_TERM_PROGRESS_WHEN", "never");
    draft.set("RUST_BACKTRACE", "1");
    match &mut draft.line {
        Some(line) => *line = keep_going(&loud(line)),
        None => {
            draft.argv = loud_words(&draft.argv);
            if let Some(at) = subcommand(&draft.argv).filter(|_| !draft.argv.iter().any(|a| a == "--no-fail-fast")) {
                draft.argv.insert(at + 1, "--no-fail-fast".into());
            }
        }
    }
    select(draft);
}

/// The names of this machine's target as cargo wants them in a variable; every C library that it may have.
fn hosts() -> Vec<String> {
    let arch = std::env::consts::ARCH.to_uppercase();
    let rest: &[&str] = match std::env::consts::OS {
        "linux" => &["UNKNOWN_LINUX_GNU", "UNKNOWN_LINUX_MUSL"],
        "macos" => &["APPLE_DARWIN"],
        _ => &[],
    };
    rest.iter().map(|r| format!("{arch}_{r}")).collect()
}

/// Where `test` of `cargo test` is.
fn subcommand(argv: &[String]) -> Option<usize> {
    let cargo = argv.iter().position(|a| a == "cargo" || a.ends_with("/cargo"))?;
    argv[cargo..].iter().position(|a| a == "test" || a == "t").map(|at| cargo + at)
}

/// Options that make cargo or libtest swallow what we read: the `Running` lines and the names of tests.
fn is_quiet(word: &str) -> bool {
    matches!(word, "-q" | "-qq" | "--quiet" | "--format=terse")
}

/// Words of a `cargo test` without the quiet ones; other commands as they are.
fn loud_words(argv: &[String]) -> Vec<String> {
    let cargo = argv.iter().position(|a| a == "cargo" || a.ends_with("/cargo"));
    let (Some(cargo), Some(_)) = (cargo, subcommand(argv)) else { return argv.to_vec() };
    argv.iter().enumerate().filter(|(i, word)| *i <= cargo || !is_quiet(word)).map(|(_, word)| word.clone()).collect()
}

static CARGO_STEP: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"\bcargo [^;&|\n]*").unwrap()
});

/// `line` with every `cargo test` in it talking.
fn loud(line: &str) -> String {
    let step = |found: &regex::Captures<'_>| {
        let step = &found[0];
        if !step.split_whitespace().any(|word| word == "test" || word == "t") {
            return step.to_owned();
        }
        step.split(' ').filter(|word| !is_quiet(word)).collect::<Vec<_>>().join(" ")
    };
    CARGO_STEP.replace_all(line, step).into_owned()
}

static CARGO_TEST: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"\bcargo((?: \+[\w.-]+)?) (test|t)(\s|$)").unwrap()
});

/// `line` with `--no-fail-fast` for the `cargo test` in it.
fn keep_going(line: &str) -> String {
    if line.contains("--no-fail-fast") {
        return line.to_owned();
    }
    CARGO_TEST.replace_all(line, "cargo$1 $2 --no-fail-fast$3").into_owned()
}

/// Names with `--exact`, and the packages and targets that they are in.
fn select(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted.filter(|_| draft.line.is_none()) else { return };
    // the user's own filters stay alone
    let Some(at) = subcommand(&draft.argv) else { return };
    if draft.argv.iter().any(|a| a == "--") || draft.argv[at + 1..].iter().any(|a| !a.starts_with('-')) {
        return;
    }
    let mut arguments = BTreeSet::new();
    let mut names = BTreeSet::new();
    for id in wanted {
        let Some((binary, name)) = id.0.split_once(' ') else { return };
        let (package, target) = binary.split_once("::").unwrap_or((binary, ""));
        if target == "doc" {
            return; // the numbers of doc tests are ours, rustdoc knows lines only
        }
        let target = match target.split_once('/') {
            None if target.is_empty() => "--lib".to_owned(),
            None => format!("--test={target}"),
            Some((kind @ ("bin" | "example" | "bench"), name)) => format!("--{kind}={name}"),
            Some(_) => return,
        };
        arguments.extend([format!("--package={package}"), target]);
        names.insert(name.to_owned());
    }
    let has_target = |a: &String| {
        ["--lib", "--bin", "--test", "--doc", "--example", "--bench", "--all-targets"].iter().any(|t| a.starts_with(t))
    };
    if draft.argv.iter().any(has_target) {
        arguments.retain(|a| a.starts_with("--package"));
    }
    draft.argv.retain(|a| a != "--workspace" && a != "--all");
    draft.argv.extend(arguments);
    draft.argv.extend(["--".to_owned(), "--exact".to_owned()]);
    draft.argv.extend(names);
    draft.selected = true;
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let stderr = evidence.stderr();
    let targets = targets(&stderr);
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    for meta in evidence.report_files(".meta") {
        binary(&mut parsed, &meta, &targets, &stderr);
    }
    doc_tests(&mut parsed, &evidence.stdout(), &stderr);
    if let Some(message) = libtest::build_failure(&stderr) {
        parsed.fail(Scope::Suite, BUILD, message);
    }
    let nothing = parsed.tests.is_empty() && !stderr.contains(" Running ") && !stderr.contains(" Doc-tests ");
    parsed.complete &= !nothing;
    parsed
}

/// The test programs that a run started which was to record them, and cargo's lines about them.
pub(super) fn starts(log: &LogFiles) -> Option<(Vec<Start>, String)> {
    let stderr = read_capped(&log.stderr)?;
    let targets = targets(&stderr);
    let mut starts = Vec::new();
    for entry in std::fs::read_dir(log.stderr.parent()?.join(FOLDER)).ok()?.flatten() {
        let meta = entry.path();
        if meta.extension().is_none_or(|ending| ending != "meta") {
            continue;
        }
        let words = |ending: &str| -> Option<Vec<String>> {
            let text = read_capped(&meta.with_extension(ending))?;
            Some(text.split_terminator('\0').map(str::to_owned).collect())
        };
        let mut argv = words("start")?;
        if argv.len() < 2 {
            return None;
        }
        let dir = argv.remove(0);
        let exe = argv[0].rsplit('/').next().unwrap_or_default().to_owned();
        let package = words("meta")?.into_iter().nth(1).unwrap_or_default();
        let pair = |text: String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let env = words("env")?.into_iter().filter_map(pair).collect();
        starts.push(Start { binary: binary_id(&package, &exe, targets.get(&exe)), dir, argv, env });
    }
    let heard = RUNNING.find_iter(&stderr).map(|line| format!("{}\n", line.as_str())).collect();
    Some((starts, heard))
}

/// One test binary: what it printed, and how it ended.
fn binary(parsed: &mut Parsed, meta: &std::path::Path, targets: &BTreeMap<String, Target>, stderr: &str) {
    let text = |ending: &str| read_capped(&meta.with_extension(ending));
    let fields = text("meta").unwrap_or_default();
    let mut fields = fields.split('\0');
    let exe = fields.next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let package = fields.next().unwrap_or_default();
    let binary = binary_id(package, &exe, targets.get(&exe));
    let listed = text("list").map(|l| libtest::list(&l));
    let code: Option<i32> = text("code").and_then(|c| c.parse().ok());
    let block = libtest::read(&text("out").unwrap_or_default(), listed.as_ref());
    if listed.is_none() && !block.started {
        // no libtest: one result for the binary, by its exit code
        own_harness(parsed, &binary, code, &text("out").unwrap_or_default());
        return;
    }
    let failed = block.parsed.any_failed();
    let culprits = culprits(&block, code, stderr);
    let mut inner = prefixed(block.parsed, &binary);
    match code {
        Some(0) if failed => inner.contradictions.push(format!("{binary} exited with 0 although tests failed")),
        Some(0) if !inner.complete => {
            inner.contradictions.push(format!("{binary} exited with 0 but did not report to the end"));
        }
        Some(0) => {}
        Some(code) if !inner.complete => {
            let missing: Vec<&str> = inner.unfinished.iter().map(|id| id.0.as_str()).take(20).collect();
            let message = format!("{binary} broke off: {}\nwithout a result: {}", died(code), missing.join(", "));
            inner.fail(Scope::Suite, CRASH, message);
            for (name, why) in culprits {
                let id = TestId(format!("{binary} {name}"));
                inner.unfinished.retain(|other| *other != id);
                inner.tests.insert(id, result(Status::Failed, Some(format!("{why}: {}", died(code)))));
            }
        }
        None if !culprits.is_empty() => {
            let running: BTreeSet<String> = culprits.keys().map(|name| format!("{binary} {name}")).collect();
            inner.unfinished.retain(|id| running.contains(&id.0));
        }
        Some(code) if !failed => {
            inner.fail(Scope::Suite, CRASH, format!("{binary} {} although none of its tests failed", died(code)));
        }
        Some(_) | None => {}
    }
    let stopped = inner.tests.contains_key(&TestId(CRASH.into()));
    inner.complete |= stopped;
    // two binaries may both have crashed: joined, no contradiction
    if let Some(crash) = inner.tests.remove(&TestId(CRASH.into())) {
        parsed.fail(Scope::Suite, CRASH, crash.message.unwrap_or_default());
    }
    parsed.merge(inner);
}

/// Of the tests without a result those that the end of the binary is blamed on, with the reason, where that can be told;
/// `code`: its exit code, if it came to an end by itself.
fn culprits(block: &libtest::Block, code: Option<i32>, stderr: &str) -> BTreeMap<String, &'static str> {
    let unfinished = &block.parsed.unfinished;
    let is_open = |name: &String| unfinished.iter().any(|id| id.0 == *name);
    let of = |names: &mut dyn Iterator<Item = String>, why| names.filter(is_open).map(|n| (n, why)).collect();
    let current = || block.current.iter().cloned();
    if code.is_none() {
        return of(&mut current().chain(block.slow.iter().cloned()), "timed out");
    }
    let overflown: BTreeMap<_, _> = of(&mut libtest::overflown(stderr).into_iter(), "it has overflowed its stack");
    if !overflown.is_empty() {
        return overflown;
    }
    let only = unfinished.first().filter(|_| unfinished.len() == 1).map(|id| id.0.clone());
    of(&mut current().chain(only), "it broke off")
}

fn own_harness(parsed: &mut Parsed, binary: &str, code: Option<i32>, out: &str) {
    let status = if code == Some(0) { Status::Passed } else { Status::Failed };
    let message = (status == Status::Failed).then(|| out.to_owned());
    parsed.add(format!("{binary} (binary)"), TestResult { scope: Scope::File, ..result(status, message) });
    parsed.complete &= code.is_some();
}

/// An exit code of `sh`, in words.
fn died(code: i32) -> String {
    if code > 128 { format!("ended by signal {}", code - 128) } else { format!("exited with {code}") }
}

fn prefixed(parsed: Parsed, binary: &str) -> Parsed {
    let id = |id: TestId| TestId(format!("{binary} {id}"));
    Parsed {
        tests: parsed.tests.into_iter().map(|(i, r)| (id(i), r)).collect(),
        contradictions: parsed.contradictions.into_iter().map(|c| format!("{binary}: {c}")).collect(),
        complete: parsed.complete,
        unfinished: parsed.unfinished.into_iter().map(id).collect(),
    }
}

/// What kind of target a test binary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lib,
    Bin,
    Test,
    Example,
    Bench,
}

/// A target as cargo's `Running` line shows it: its kind and its source file.
struct Target {
    kind: Kind,
    source: String,
}

static RUNNING: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"(?m)^ +Running (unittests )?(\S.*) \(([^()]+)\)$").unwrap()
});

/// The targets of test binaries by file name of the binary, from cargo's `Running` lines.
fn targets(stderr: &str) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::new();
    for found in RUNNING.captures_iter(stderr) {
        let (unit, path) = (found.get(1).is_some(), &found[2]);
        let kind = match path {
            p if p.contains("examples/") => Kind::Example,
            p if p.contains("benches/") => Kind::Bench,
            _ if !unit => Kind::Test,
            p if p.ends_with("main.rs") || p.contains("src/bin/") => Kind::Bin,
            _ => Kind::Lib,
        };
        let exe = found[3].rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        targets.entry(exe).or_insert(Target { kind, source: path.to_owned() });
    }
    targets
}

/// nextest's name of a test binary: `package`, `package::test`, `package::bin/name`.
fn binary_id(package: &str, exe: &str, target: Option<&Target>) -> String {
    let crate_name = exe.rsplit_once('-').map_or(exe, |(name, _)| name);
    // the file name of the binary has `_` where the target's name may have `-`
    let mut names = vec![package];
    names.extend(target.map(|t| t.source.trim_end_matches(".rs").rsplit('/')).into_iter().flatten().take(2));
    let name = names.into_iter().find(|n| n.replace('-', "_") == crate_name).unwrap_or(crate_name);
    let guess = if crate_name == package.replace('-', "_") { Kind::Lib } else { Kind::Test };
    match target.map_or(guess, |t| t.kind) {
        Kind::Lib => package.to_owned(),
        Kind::Test => format!("{package}::{name}"),
        Kind::Bin => format!("{package}::bin/{name}"),
        Kind::Example => format!("{package}::example/{name}"),
        Kind::Bench => format!("{package}::bench/{name}"),
    }
}

/// Doc tests: rustdoc prints them to stdout, crate by crate in the order of cargo's `Doc-tests` lines (twice for a crate
/// that has doc tests of two kinds).
fn doc_tests(parsed: &mut Parsed, stdout: &str, stderr: &str) {
    let crates: Vec<&str> = stderr.lines().filter_map(|l| l.trim_start().strip_prefix("Doc-tests ")).collect();
    if crates.is_empty() {
        return;
    }
    let blocks = libtest::blocks(stdout);
    if blocks.len() < crates.len() && !stderr.contains("error: could not") && !stderr.contains("error: doctest failed")
    {
        parsed.complete = false;
    }
    for (i, block) in blocks.iter().enumerate() {
        let read = libtest::read(block, None);
        // one crate is the rule; with more blocks than crates only the file names tell them apart, which is enough
        let name = if blocks.len() == crates.len() { crates[i] } else { crates.first().copied().unwrap_or_default() };
        parsed.merge(prefixed(numbered(read.parsed), &format!("{name}::doc")));
    }
}

static DOC_LINE: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r" \(line (\d+)\)$").unwrap()
});

/// Doc tests are named by line, which every change above them moves: their number within the item is stable.
fn numbered(parsed: Parsed) -> Parsed {
    let mut by_item: BTreeMap<String, Vec<(u64, TestId)>> = BTreeMap::new();
    for id in parsed.tests.keys() {
        let line = DOC_LINE.captures(&id.0).and_then(|c| c[1].parse().ok()).unwrap_or(0);
        by_item.entry(DOC_LINE.replace(&id.0, "").into_owned()).or_default().push((line, id.clone()));
    }
    let mut tests = parsed.tests;
    let mut renamed = BTreeMap::new();
    for (item, mut ids) in by_item {
        ids.sort();
        for (n, (_, old)) in ids.into_iter().enumerate() {
            if let Some(result) = tests.remove(&old) {
                renamed.insert(TestId(format!("{item} #{}", n + 1)), result);
            }
        }
    }
    Parsed { tests: renamed, ..parsed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_cargo_test_is_made_to_talk_and_other_commands_are_left_alone() {
        for (line, wanted) in [
            ("cargo test -q", "cargo test"),
            ("cargo -q test --offline -- -q x", "cargo test --offline -- x"),
            ("cd a && cargo test --quiet | tail -q", "cd a && cargo test | tail -q"),
            ("cargo build -q", "cargo build -q"),
            ("pytest -q", "pytest -q"),
        ] {
            assert_eq!(loud(line), wanted);
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if !line.contains('|') {
                assert_eq!(loud_words(&words).join(" "), wanted);
            }
        }
    }

    #[test]
    fn what_broke_off_is_blamed_on_the_test_that_overflowed_its_stack_or_ran_alone() {
        let listed: BTreeSet<String> = ["t::deep", "t::other", "t::slow"].map(str::to_owned).into();
        let blamed = |out: &str, code, stderr: &str| {
            let block = libtest::read(out, Some(&listed));
            culprits(&block, code, stderr).into_keys().collect::<Vec<_>>()
        };
        let head = "\nrunning 3 tests\n";
        let stack = "\nthread 't::deep' (17) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        assert_eq!(blamed(head, Some(134), stack), ["t::deep"]);
        assert_eq!(blamed(head, Some(134), &stack.replace(" (17)", "")), ["t::deep"], "before Rust 1.90");
        assert_eq!(blamed(head, Some(134), &stack.replace("deep", "nowhere")), [""; 0]);
        assert_eq!(blamed(head, Some(139), ""), [""; 0], "any of three");
        assert_eq!(blamed(&format!("{head}test t::other ... ok\ntest t::slow ... "), Some(139), ""), ["t::slow"]);
        let two = format!("{head}test t::other ... ok\ntest t::slow ... ok\n");
        assert_eq!(blamed(&two, Some(139), ""), ["t::deep"], "the only one without a result");
        let long = format!("{head}test t::slow has been running for over 60 seconds\ntest t::other ... ok\n");
        assert_eq!(blamed(&long, None, ""), ["t::slow"]);
        assert_eq!(blamed(head, None, ""), [""; 0]);
    }
}
