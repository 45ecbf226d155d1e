//! What rustc and clippy suggest: machine-applicable edits round by round, and the guesses as candidates of their own.

use std::collections::BTreeMap;

use serde_json::Value;

use super::proposal::{Proposal, rename};
use crate::error::Result;
use crate::failure::Scene;
use crate::fixer::{Case, Desk};
use crate::patch::{FileChange, FileContent, MODE_FILE, Patch};
use crate::process::{self, Spec};
use crate::repo::Workspace;

/// One edit of a compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    file: String,
    start: usize,
    end: usize,
    new: String,
}

/// One thing that a compiler suggests: edits that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    edits: Vec<Edit>,
    /// rustc is sure.
    sure: bool,
    /// What it says.
    words: String,
}

/// What one check said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Errors (and warnings, where they are denied), the last `aborting due to` not counted.
    pub errors: usize,
    /// Suggestions, in order.
    pub suggestions: Vec<Suggestion>,
}

/// Reads the JSON lines of cargo.
pub fn read(output: &str, warnings_too: bool) -> Report {
    let mut report = Report::default();
    for line in output.lines().filter(|l| l.starts_with('{')) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        if value["reason"] != "compiler-message" {
            continue;
        }
        let message = &value["message"];
        let level = message["level"].as_str().unwrap_or_default();
        let spans = message["spans"].as_array().map_or(0, Vec::len);
        if !(level == "error" || warnings_too && level == "warning") || spans == 0 {
            continue;
        }
        report.errors += 1;
        let children = message["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        for part in std::iter::once(message).chain(children) {
            let words = message["message"].as_str().unwrap_or_default();
            for suggestion in suggestions(part, words) {
                // the same error is reported for the library and for its tests
                if !report.suggestions.contains(&suggestion) {
                    report.suggestions.push(suggestion);
                }
            }
        }
    }
    report
}

/// A part's spans with replacements: one suggestion; several at one place are alternatives.
fn suggestions(part: &Value, words: &str) -> Vec<Suggestion> {
    let spans = part["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let help = part["message"].as_str().unwrap_or_default();
    let read = |span: &Value| -> Option<(Edit, bool)> {
        let sure = match span["suggestion_applicability"].as_str()? {
            "MachineApplicable" => true,
            "MaybeIncorrect" => false,
            _ => return None,
        };
        let number = |name: &str| span[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let (start, end) = (number("byte_start")?, number("byte_end")?);
        let new = span["suggested_replacement"].as_str()?.to_owned();
        Some((Edit { file: span["file_name"].as_str()?.to_owned(), start, end, new }, sure))
    };
    let edits: Vec<(Edit, bool)> = spans.iter().filter_map(read).collect();
    if edits.is_empty() {
        return Vec::new();
    }
    let sure = edits.iter().all(|(_, sure)| *sure);
    let words = format!("{words}: {help}");
    let same_place = edits.windows(2).all(|w| w[0].0.start == w[1].0.start && w[0].0.file == w[1].0.file);
    if edits.len() > 1 && same_place {
        return edits
            .into_iter()
            .map(|(e, _)| Suggestion { edits: vec![e], sure: false, words: words.clone() })
            .collect();
    }
    vec![Suggestion { edits: edits.into_iter().map(|(e, _)| e).collect(), sure, words }]
}

/// Texts with the suggestions applied that do not overlap with earlier ones; `None` when nothing could be.
pub fn apply(texts: &BTreeMap<String, String>, chosen: &[&Suggestion]) -> Option<BTreeMap<String, String>> {
    let mut taken: Vec<&Edit> = Vec::new();
    for suggestion in chosen {
        let free = |e: &Edit| taken.iter().all(|t| t.file != e.file || e.end < t.start || t.end < e.start || **t == *e);
        if suggestion.edits.iter().all(|e| free(e) && fits(texts, e)) {
            taken.extend(suggestion.edits.iter());
        }
    }
    taken.sort_by_key(|e| (std::cmp::Reverse(e.start), std::cmp::Reverse(e.end)));
    taken.dedup();
    let mut changed = BTreeMap::new();
    for edit in taken {
        let text: &mut String = changed.entry(edit.file.clone()).or_insert_with(|| texts[&edit.file].clone());
        text.replace_range(edit.start..edit.end, &edit.new);
    }
    (!changed.is_empty()).then_some(changed)
}

fn fits(texts: &BTreeMap<String, String>, edit: &Edit) -> bool {
    texts
        .get(&edit.file)
        .is_some_and(|t| edit.start <= edit.end && t.is_char_boundary(edit.start) && t.is_char_boundary(edit.end))
}

/// The workspace in which cargo checks, and the texts as they are there.
struct Bench<'a> {
    case: &'a Case,
    desk: &'a Desk,
    scene: &'a Scene<'a>,
    workspace: Workspace,
    clippy: bool,
}

/// Rounds of mending: each may bring new errors to light.
const ROUNDS: usize = 4;
/// Guesses that are tried in one round.
const GUESSES: usize = 3;

/// Proposals from the compiler, for a case whose code does not build (or whose suite is a linter).
///
/// # Errors
/// When our own side fails or the case is cancelled.
pub async fn propose(case: &Case, desk: &Desk, scene: &Scene<'_>, clippy: bool) -> Result<Vec<Proposal>> {
    let workspace = case.lab.workspace(&case.snapshot, "suggest").await?;
    let bench = Bench { case, desk, scene, workspace, clippy };
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut changed: BTreeMap<String, String> = BTreeMap::new();
    let (mut found, mut ideas) = (Vec::new(), Vec::new());
    let mut report = bench.check(&mut texts).await?;
    let before = report.errors;
    for _ in 0..ROUNDS {
        if report.errors == 0 {
            break;
        }
        let options = bench.options(&report, &texts);
        let mut best: Option<(Report, BTreeMap<String, String>, String)> = None;
        for (new, idea) in options.into_iter().take(GUESSES + 1) {
            bench.write(&texts, &new)?;
            let mut after = texts.clone();
            after.extend(new.clone());
            let seen = bench.check(&mut after).await?;
            bench.write(&after, &texts)?;
            if seen.errors == 0 {
                let mut files = changed.clone();
                files.extend(new.clone());
                let rank = if best.is_none() { 0.99 } else { 0.9 };
                found.push(Proposal { files, idea: said(&ideas, &idea), rank });
            }
            if best.as_ref().is_none_or(|(b, ..)| seen.errors < b.errors) {
                best = Some((seen, new, idea));
            }
        }
        let Some((seen, new, idea)) = best.filter(|(seen, ..)| seen.errors < report.errors || seen.errors > 0) else {
            break;
        };
        bench.write(&texts, &new)?;
        texts.extend(new.clone());
        changed.extend(new);
        ideas.push(idea);
        report = seen;
    }
    if found.is_empty() && !changed.is_empty() && report.errors < before {
        found.push(Proposal {
            files: changed,
            idea: said(&ideas[..ideas.len().saturating_sub(1)], &ideas[ideas.len() - 1]),
            rank: 0.4,
        });
    }
    Ok(found)
}

fn said(before: &[String], last: &str) -> String {
    let mut all: Vec<&str> = before.iter().map(String::as_str).collect();
    all.push(last);
    all.dedup();
    all.join("; then ")
}

impl Bench<'_> {
    /// What may be done about a report: everything that rustc is sure of at once, else its guesses one by one.
    fn options(&self, report: &Report, texts: &BTreeMap<String, String>) -> Vec<(BTreeMap<String, String>, String)> {
        let ours =
            |s: &&Suggestion| s.edits.iter().all(|e| texts.contains_key(&e.file) && !self.scene.is_protected(&e.file));
        let sure: Vec<&Suggestion> = report.suggestions.iter().filter(ours).filter(|s| s.sure).collect();
        let mut options = Vec::new();
        if let Some(new) = apply(texts, &sure) {
            let words = sure.first().map_or("", |s| s.words.as_str());
            let more = if sure.len() > 1 { format!(" and {} more", sure.len() - 1) } else { String::new() };
            options.push((new, format!("rustc: {words}{more}")));
        }
        for guess in report.suggestions.iter().filter(ours).filter(|s| !s.sure) {
            options.extend(apply(texts, &[guess]).map(|new| (new, format!("rustc: {}", guess.words))));
        }
        // rustc would change a test: the product's name is the wrong one then
        for wish in
            report.suggestions.iter().filter(|s| s.edits.len() == 1 && self.scene.is_protected(&s.edits[0].file))
        {
            options.extend(self.named_as_in_test(wish, texts));
        }
        options
    }

    fn named_as_in_test(
        &self,
        wish: &Suggestion,
        texts: &BTreeMap<String, String>,
    ) -> Option<(BTreeMap<String, String>, String)> {
        let edit = &wish.edits[0];
        let test = self.scene.text(&edit.file)?;
        let (wanted, have) = (test.get(edit.start..edit.end)?, edit.new.trim());
        let product = self.scene.paths.iter().filter(|p| p.ends_with(".rs") && !self.scene.is_protected(p));
        let new: BTreeMap<String, String> = product
            .filter_map(|p| {
                let text = texts.get(p).cloned().or_else(|| self.scene.text(p))?;
                Some((p.clone(), rename(&text, have, wanted, None)?))
            })
            .collect();
        (!new.is_empty()).then(|| (new, format!("{have} gets back the name that the tests use: {wanted}")))
    }

    fn write(&self, from: &BTreeMap<String, String>, to: &BTreeMap<String, String>) -> Result<()> {
        let mut patch = Patch::default();
        for (path, text) in to.iter().filter(|(path, text)| from.get(*path) != Some(text)) {
            let content = |text: &String| FileContent { mode: MODE_FILE, bytes: text.clone().into_bytes() };
            let change = FileChange { old: from.get(path).map(content), new: Some(content(text)) };
            patch.files.insert(path.clone().into_bytes(), change);
        }
        self.workspace.write(&patch)
    }

    /// Checks the workspace; `texts` gets every file that a suggestion wants to change.
    async fn check(&self, texts: &mut BTreeMap<String, String>) -> Result<Report> {
        let _slot = self.case.lab.slot().await?;
        let dir = self.case.lab.scratch("suggest")?;
        let command = if self.clippy { "clippy" } else { "check" };
        let argv = ["cargo", command, "--all-targets", "--workspace", "--message-format=json", "--quiet"];
        let spec = Spec {
            argv: self.case.lab.fenced(argv.iter().map(Into::into).collect(), &[&self.workspace.path, &dir]),
            cwd: self.workspace.path.join(&self.case.suite.dir),
            env: self.case.lab.environment(),
            time_limit: self.case.limits.time.max(std::time::Duration::from_secs(60)),
            grace: process::GRACE,
            stdout: dir.join("stdout.log"),
            stderr: dir.join("stderr.log"),
            log_cap_bytes: process::LOG_CAP_BYTES,
            background: self.case.limits.background,
            silence: None,
        };
        process::run(&spec, &self.desk.cancel).await?;
        let output = std::fs::read(&spec.stdout).unwrap_or_default();
        let mut report = read(&String::from_utf8_lossy(&output), self.clippy);
        // cargo names files from its own top, which may be below ours
        let dir = self.case.suite.dir.to_string_lossy().into_owned();
        for edit in report.suggestions.iter_mut().flat_map(|s| &mut s.edits) {
            if !dir.is_empty() {
                edit.file = format!("{}/{}", dir.trim_end_matches('/'), edit.file);
            }
            if !texts.contains_key(&edit.file)
                && let Some(text) = self.scene.text(&edit.file)
            {
                texts.insert(edit.file.clone(), text);
            }
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: &str, applicability: &str, start: usize, end: usize, new: &str) -> String {
        let span = serde_json::json!({"file_name": "src/lib.rs", "byte_start": start, "byte_end": end,
            "suggested_replacement": new, "suggestion_applicability": applicability});
        serde_json::json!({"reason": "compiler-message", "message": {"level": level, "message": "cannot find it",
            "spans": [{"file_name": "src/lib.rs"}], "children": [{"message": "a similar name exists", "spans": [span]}]}})
        .to_string()
    }

    #[test]
    fn errors_and_their_suggestions_are_read_once() {
        let one = line("error", "MachineApplicable", 0, 1, "b");
        let report = read(&format!("{one}\nnoise\n{one}\n{}", line("warning", "MachineApplicable", 5, 6, "x")), false);
        assert_eq!((report.errors, report.suggestions.len()), (2, 1));
        assert!(report.suggestions[0].sure);
        assert_eq!(read(&line("warning", "MaybeIncorrect", 5, 6, "x"), true).errors, 1);
        assert!(read(&line("error", "HasPlaceholders", 0, 1, "x"), false).suggestions.is_empty());
    }

    #[test]
    fn edits_are_applied_from_the_end_and_overlaps_are_left_out() {
        let texts = BTreeMap::from([("src/lib.rs".to_owned(), "abc def".to_owned())]);
        let of =
            |start, end, new| read(&line("error", "MachineApplicable", start, end, new), false).suggestions.remove(0);
        let (a, b, c) = (of(0, 3, "xyzzy"), of(4, 7, "g"), of(1, 2, "!"));
        assert_eq!(apply(&texts, &[&a, &b, &c]).unwrap()["src/lib.rs"], "xyzzy g");
        assert_eq!(apply(&texts, &[&of(5, 99, "x")]), None);
    }
}
