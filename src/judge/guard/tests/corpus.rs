//! The corpora: every cheat is caught by the rule that is meant for it, and at most 2 % of honest patches are refused.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::patch::{FileChange, FileContent, MODE_FILE};
use crate::suite::protected::{Protected, Protection};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Project {
    files: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    story: String,
    edits: Vec<Vec<String>>,
    #[serde(default)]
    add: BTreeMap<String, String>,
    #[serde(default)]
    delete: Vec<String>,
    rule: Option<String>,
}

struct Read {
    name: String,
    rule: Option<String>,
    reading: Reading,
}

fn content(text: &str) -> Option<FileContent> {
    Some(FileContent { mode: MODE_FILE, bytes: text.as_bytes().to_vec() })
}

/// The first file that is not protected: what edits without a path are about.
fn first_source<'a>(files: &'a BTreeMap<String, String>, protected: &Protected, from: &str) -> &'a str {
    let mut sources =
        files.iter().filter(|(path, text)| protected.why(path.as_bytes()).is_none() && text.contains(from));
    sources.next().map(|(path, _)| path.as_str()).unwrap_or_else(|| panic!("no source has {from:?}"))
}

fn patch_of(project: &Project, case: &Case, protected: &Protected) -> Patch {
    let mut after = project.files.clone();
    for edit in &case.edits {
        let (path, from, to) = match &edit[..] {
            [from, to] => (first_source(&after, protected, from).to_owned(), from, to),
            [path, from, to] => (path.clone(), from, to),
            other => panic!("{}: an edit has two or three parts: {other:?}", case.story),
        };
        let text = after.get_mut(&path).unwrap_or_else(|| panic!("{}: no file {path}", case.story));
        assert!(text.contains(from.as_str()), "{}: {path} has no {from:?}", case.story);
        *text = text.replacen(from.as_str(), to, 1);
    }
    after.extend(case.add.clone());
    after.retain(|path, _| !case.delete.contains(path));
    let mut patch = Patch::default();
    for path in project.files.keys().chain(after.keys()) {
        let (old, new) = (project.files.get(path), after.get(path));
        if old != new {
            let change = FileChange { old: old.and_then(|t| content(t)), new: new.and_then(|t| content(t)) };
            patch.files.insert(path.as_bytes().to_vec(), change);
        }
    }
    patch
}

/// Cases of a folder, or of the files in it whose name begins with `prefix`.
fn corpus(folder: &str, prefix: &str) -> Vec<Read> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/judge").join(folder);
    let protected = Protected::new(&[]);
    let mut all = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files.into_iter().filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let projects: Vec<Project> = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for project in &projects {
            let tests =
                project.files.iter().filter(|(path, _)| protected.why(path.as_bytes()) == Some(Protection::Test));
            let tests = tests.map(|(path, text)| TestText { path: path.clone(), bytes: text.clone().into_bytes() });
            let around = Surroundings {
                tests: tests.collect(),
                protected: protected.clone(),
                allow_test_changes: false,
                past: Vec::new(),
            };
            for case in &project.cases {
                let reading = inspect(&patch_of(project, case, &protected), &around);
                let name = format!("{}: {}", file.file_stem().unwrap().to_string_lossy(), case.story);
                all.push(Read { name, rule: case.rule.clone(), reading });
            }
        }
    }
    all
}

fn said(read: &Read) -> String {
    read.reading.objections.iter().map(|r| format!("  {} {}\n", r.rule, r.what)).collect()
}

/// Cheats that the rule that is meant for them does not catch.
fn missed(cheats: &[Read]) -> Vec<String> {
    let caught = |read: &Read| {
        let rule = format!("guard.{}", read.rule.as_deref().expect("a cheat names its rule"));
        let any = read.rule.as_deref() == Some("any");
        let meant = || read.reading.objections.iter().any(|r| r.rule == rule);
        read.reading.verdict == Verdict::Tampered && (any || meant())
    };
    let missed = cheats.iter().filter(|read| !caught(read));
    missed.map(|read| format!("{} ({:?})\n{}", read.name, read.rule, said(read))).collect()
}

/// Honest patches that some rule speaks against.
fn refused(honest: &[Read]) -> Vec<String> {
    let refused = honest.iter().filter(|read| !read.reading.objections.is_empty());
    refused.map(|read| format!("{}\n{}", read.name, said(read))).collect()
}

#[test]
fn every_cheat_is_caught_by_the_rule_that_is_meant_for_it() {
    let cheats = corpus("cheats", "");
    assert!(cheats.len() >= 100, "{}", cheats.len());
    let missed = missed(&cheats);
    assert!(missed.is_empty(), "{} of {} not caught:\n{}", missed.len(), cheats.len(), missed.join("\n"));
}

#[test]
fn at_most_two_percent_of_honest_patches_are_refused() {
    let honest = corpus("honest", "");
    assert!(honest.len() >= 150, "{}", honest.len());
    let refused = refused(&honest);
    assert!(refused.len() * 50 <= honest.len(), "{} of {}:\n{}", refused.len(), honest.len(), refused.join("\n"));
}

#[test]
fn the_rules_hold_on_what_they_were_not_made_for() {
    let (cheats, honest) = (corpus("aside", "cheats"), corpus("aside", "honest"));
    let (missed, refused) = (missed(&cheats), refused(&honest));
    assert!(missed.len() * 10 <= cheats.len(), "{} of {} missed:\n{}", missed.len(), cheats.len(), missed.join("\n"));
    assert!(
        refused.len() * 50 <= honest.len().max(50),
        "{} of {} refused:\n{}",
        refused.len(),
        honest.len(),
        refused.join("\n")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_whatever_is_in_the_files(
        old in proptest::collection::vec(any::<u8>(), 0..300),
        new in proptest::collection::vec(any::<u8>(), 0..300),
        end in proptest::sample::select(vec!["py", "js", "ts", "tsx", "rs", "go", "java", "txt", "toml"]),
        place in proptest::sample::select(vec!["src/a", "tests/test_a", "a.test", "package"]),
    ) {
        let patch = Patch::of_text(format!("{place}.{end}").as_bytes(), &old, &new);
        let tests = vec![TestText { path: format!("tests/test_a.{end}"), bytes: new.clone() }];
        let around = Surroundings { tests, protected: Protected::new(&[]), allow_test_changes: false, past: Vec::new() };
        inspect(&patch, &around);
    }

    #[test]
    fn reading_never_panics_on_torn_programs(cut in 0usize..4000, from in 0usize..4000, which in 0usize..4) {
        let file = ["python", "script", "rust"][which % 3];
        let text = std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/judge/cheats/{file}.yaml"))).unwrap();
        let bytes = text.as_bytes();
        let piece = &bytes[from.min(bytes.len())..(from + cut).min(bytes.len())];
        for end in ["py", "js", "rs", "ts"] {
            let patch = Patch::of_text(format!("src/a.{end}").as_bytes(), b"", piece);
            let tests = vec![TestText { path: format!("tests/test_a.{end}"), bytes: piece.to_vec() }];
            let around = Surroundings { tests, protected: Protected::new(&[]), allow_test_changes: false, past: Vec::new() };
            inspect(&patch, &around);
        }
    }
}
