//! `node --test`: our reporter is loaded through NODE_OPTIONS beside the one that people read.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Draft, Evidence, read_capped, unreadable};
use crate::suite::TestId;
use crate::suite::formats::{Parsed, node};
use crate::system;

const REPORTER: &str = include_str!("../plugins/node_reporter.mjs");
const BEGUN: &str = include_str!("../plugins/node_begun.cjs");

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let reporter = draft.helper("node_reporter.mjs", REPORTER);
    let folder = draft.report_folder("node");
    let ours = format!(
        "--test-reporter={} --test-reporter-destination={} --test-reporter=spec --test-reporter-destination=stdout",
        option(&system::as_module(&reporter)),
        option(&folder.join("node.jsonl"))
    );
    draft.append("NODE_OPTIONS", &ours);
    let begun = draft.helper("node_begun.cjs", BEGUN);
    draft.append("NODE_OPTIONS", &format!("--require {}", option(&begun)));
    draft.set("KAIZEN_NODE_BEGUN", folder);
    select(draft);
}

/// A path as a value in NODE_OPTIONS.
pub(super) fn option(path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains([' ', '"', '\\']) {
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        path
    }
}

/// The files of the wanted tests, when every one is known and there.
pub(super) fn files(draft: &Draft<'_>) -> Option<BTreeSet<String>> {
    let wanted = draft.wanted.filter(|_| draft.cwd == draft.dir)?;
    let file = |id: &TestId| id.0.split(" > ").next().unwrap_or_default().to_owned();
    let files: BTreeSet<String> = wanted.iter().map(file).collect();
    files.iter().all(|f| draft.dir.join(f).is_file()).then_some(files)
}

/// `--test-name-pattern` for each name on the way to a wanted test (a test inside another runs only when the outer one
/// runs), and for the full name, which newer versions of node match.
fn select(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted else { return };
    let Some(at) = draft.argv.iter().position(|a| a == "--test").filter(|_| draft.line.is_none()) else { return };
    let mut patterns = BTreeSet::new();
    for id in wanted {
        let names: Vec<&str> =
            id.0.split(" > ").skip(1).map(|n| n.rsplit_once(" #").map_or(n, |(head, _)| head)).collect();
        if names.is_empty() {
            return; // a whole file
        }
        for name in &names {
            patterns.insert(regex::escape(name));
        }
        patterns.insert(regex::escape(&names.join(" ")));
    }
    let first = at + 1 + operand(&draft.argv[at + 1..]);
    if let Some(files) = files(draft).filter(|_| draft.argv[first..].iter().all(|a| !a.starts_with('-'))) {
        draft.argv.truncate(first);
        draft.argv.extend(files.into_iter().map(|f| format!("./{f}")));
    }
    let patterns = patterns.into_iter().map(|p| format!("--test-name-pattern=^{p}$"));
    draft.argv.splice(at + 1..at + 1, patterns);
    draft.selected = true;
}

/// Options of node whose value is a word of its own.
const WITH_VALUE: [&str; 16] = [
    "--import",
    "--require",
    "-r",
    "--loader",
    "--experimental-loader",
    "--conditions",
    "-C",
    "--env-file",
    "--test-name-pattern",
    "--test-skip-pattern",
    "--test-reporter",
    "--test-reporter-destination",
    "--test-concurrency",
    "--test-timeout",
    "--test-shard",
    "--input-type",
];

/// Where the first word is that is no option and no option's value: a file or a pattern of files.
fn operand(words: &[String]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|w| w.starts_with('-')) {
        at += if WITH_VALUE.contains(&word.as_str()) { 2 } else { 1 };
    }
    at.min(words.len())
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let tops = evidence.tops();
    let tops: Vec<&Path> = tops.iter().map(AsRef::as_ref).collect();
    let is_begun = |file: &Path| file.file_name().is_some_and(|n| n.to_string_lossy().starts_with("begun-"));
    let (begun, files): (Vec<_>, Vec<_>) = evidence.report_files(".jsonl").into_iter().partition(|f| is_begun(f));
    let mut parsed = Parsed { complete: !files.is_empty(), ..Parsed::default() };
    for file in &files {
        match read_capped(file) {
            Some(text) => parsed.merge(node::report(&text, &tops)),
            None => unreadable(&mut parsed, file),
        }
    }
    let last = |file: &std::path::PathBuf| node::last_begun(&read_capped(file)?, &tops);
    node::account_for(&mut parsed, begun.iter().filter_map(last).collect());
    parsed
}
