//! The context pack: what a turn gets to see of the failure, in order of worth, within a budget of tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::edits::Files;
use super::failing;
use super::lines::Spot;
use crate::error::Result;
use crate::failure::text::clip;
use crate::fixer::Case;
use crate::fixer::mutate::localise::Place;
use crate::model::tokens;
use crate::patch::{FileChange, Patch};
use crate::repo::Sha;
use crate::suite::protected::Protection;
use crate::syntax::functions::{Function, functions};
use crate::syntax::language::Language;
use crate::syntax::regions::{inline_test_lines, without_inline_tests};

/// For what size of model a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It gets the failing tests in short.
    Small,
    /// It gets what they print.
    Large,
}

/// One part of the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The failing tests and what they say.
    Failing,
    /// The suspicious functions, the best first; this many.
    Units(usize),
    /// First lines of the functions that the units call.
    Signatures,
    /// Lines that call the first unit.
    Callers,
    /// The source of the failing tests.
    Tests,
    /// What changed since green.
    Change,
    /// The house rules of the repository.
    Rules,
}

/// A suspicious function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    path: String,
    name: String,
    text: String,
    lines: (usize, usize),
}

/// Everything that packs are made of.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The texts that may be edited: files of suspects.
    pub files: Files,
    /// First and last lines of the tests that stand in them.
    tests_in: BTreeMap<String, Vec<(usize, usize)>>,
    failing: String,
    /// The same in short.
    failing_brief: String,
    units: Vec<Unit>,
    signatures: String,
    callers: String,
    tests: String,
    /// Unified diff since green, without tests.
    pub change: String,
    rules: String,
}

/// Where house rules stand; what is written for us comes first, since of all of them only the beginning is told.
const RULES: [&str; 3] = [".kaizen.md", "AGENTS.md", "CLAUDE.md"];
/// Of the house rules so much is told in any pack.
const RULES_TOKENS: u64 = 150;
const MOST_FILES: usize = 3;
const MOST_UNITS: usize = 4;
/// Of a large repository this many files are looked into.
const MOST_READ: usize = 400;
const LARGEST_FILE_BYTES: usize = 256 * 1024;
/// A file of at most this many lines is shown whole: its other functions are context that costs little.
const SMALL_FILE_LINES: usize = 60;

impl Material {
    /// Reads what is needed of the case's snapshot.
    ///
    /// # Errors
    /// When its tree can't be read.
    pub fn read(case: &Case) -> Result<Self> {
        let store = &case.lab.store;
        let paths: Vec<String> =
            store.files(&case.snapshot.tree)?.into_iter().filter_map(|(p, _, _)| String::from_utf8(p).ok()).collect();
        let text_at = |tree: &Sha, path: &str| -> Option<String> {
            let (_, bytes) = store.read(tree, path.as_bytes()).ok().flatten()?;
            (bytes.len() <= LARGEST_FILE_BYTES).then(|| String::from_utf8(bytes).ok()).flatten()
        };
        let text = |path: &str| text_at(&case.snapshot.tree, path);
        let (failing, failing_brief) = (failing::printed(case), failing::brief(case));
        let mut material = Self { failing, failing_brief, ..Self::default() };
        for suspect in &case.failure.suspects {
            if case.protected.why(suspect.file.as_bytes()).is_some() {
                continue;
            }
            if !material.files.contains_key(&suspect.file) {
                if material.files.len() >= MOST_FILES {
                    continue;
                }
                let Some(text) = text(&suspect.file) else { continue };
                material.files.insert(suspect.file.clone(), text);
            }
            if let Some(unit) = unit(&suspect.file, &material.files[&suspect.file], suspect.line)
                && !material.units.contains(&unit)
                && material.units.len() < MOST_UNITS
            {
                material.units.push(unit);
            }
        }
        material.find_tests(case, &paths, &text);
        material.named_in_tests(case, &paths, &text);
        material.around(case, &paths, &text);
        material.tests_in =
            material.files.iter().map(|(path, text)| (path.clone(), inline_test_lines(path, text))).collect();
        material.change = material.changed(case)?;
        let rules_of = case.rules_of.as_ref().map_or(Ok(None), |commit| store.snapshot_of(commit).map(Some))?;
        let of = rules_of.as_ref().map_or(&case.snapshot.tree, |base| &base.tree);
        material.rules = house_rules(RULES.iter().filter_map(|path| text_at(of, path)));
        Ok(material)
    }

    /// Puts the unit with the most suspicious line first.
    pub fn sort_by(&mut self, places: &[Place]) {
        let worst = |unit: &Unit| {
            let inside = |p: &&Place| p.path == unit.path && (unit.lines.0..=unit.lines.1).contains(&p.line);
            // places come in order
            places.iter().position(|p| inside(&p)).unwrap_or(usize::MAX)
        };
        self.units.sort_by_key(worst);
    }

    /// The suspicious lines that are shown and could be wrong, in order.
    pub fn spots(&self, places: &[Place]) -> Vec<Spot> {
        let shown = |place: &&Place| {
            let inside = |u: &Unit| u.path == place.path && (u.lines.0..=u.lines.1).contains(&place.line);
            self.units.is_empty() || self.units.iter().take(2).any(inside)
        };
        let spot = |place: &Place| {
            let text = self.files.get(&place.path)?.lines().nth(place.line - 1)?;
            let bare = text.trim();
            let comment = ["#", "//", "/*", "*", "\"\"\""].iter().any(|c| bare.starts_with(c));
            let tested = self.tests_in.get(&place.path).is_some_and(|tests| within(tests, place.line));
            let code = bare.chars().any(char::is_alphanumeric) && !comment && !matches!(bare, "else:" | "try:");
            let code = code && !tested;
            code.then(|| Spot { path: place.path.clone(), line: place.line, text: text.to_owned() })
        };
        let mut spots: Vec<Spot> = places.iter().filter(shown).filter_map(spot).collect();
        // a signature is rarely the fault, a sentence of documentation never
        spots.sort_by_key(|s| is_signature(&s.text));
        spots
    }

    /// The name of the first unit, as it is called.
    pub fn unit_name(&self) -> Option<&str> {
        self.units.first().map(|u| u.name.rsplit('.').next().unwrap_or(&u.name))
    }

    /// Tokens of the longest unit that is shown.
    pub fn unit_tokens(&self) -> u64 {
        self.units.iter().take(2).map(|u| tokens::count(&u.text)).max().unwrap_or(300)
    }

    /// The source of the failing tests.
    fn find_tests(&mut self, case: &Case, paths: &[String], text: &dyn Fn(&str) -> Option<String>) {
        let wanted: BTreeSet<String> = case.failure.red.iter().filter_map(|id| leaf(&id.0)).take(4).collect();
        for path in paths.iter().filter(|p| Language::of(Path::new(p)).is_some()).take(MOST_READ) {
            // in Rust tests stand in the files that they test
            if !path.ends_with(".rs") && !is_test(case, path) {
                continue;
            }
            let Some(source) = text(path) else { continue };
            for name in wanted.iter().filter(|w| source.contains(w.as_str())) {
                if let Some(found) = test_source(path, &source, name)
                    && !self.tests.contains(&found)
                {
                    self.tests.push_str(&found);
                }
            }
        }
    }

    /// A wrong value leaves no trace of the code that computed it: functions that the failing tests call are suspects
    /// too, after those with a trace.
    fn named_in_tests(&mut self, case: &Case, paths: &[String], text: &dyn Fn(&str) -> Option<String>) {
        let called = words(&self.tests);
        for path in paths.iter().filter(|p| Language::of(Path::new(p)).is_some()).take(MOST_READ) {
            if self.units.len() >= MOST_UNITS || case.protected.why(path.as_bytes()).is_some() {
                continue;
            }
            let Some(source) = text(path) else { continue };
            for function in parsed(path, &source) {
                let named = called.contains(function.name.rsplit('.').next().unwrap_or_default());
                let known = self.files.contains_key(path);
                if !named || !known && self.files.len() >= MOST_FILES {
                    continue;
                }
                if let Some(unit) = unit(path, &source, function.start_line)
                    && !self.units.contains(&unit)
                    && self.units.len() < MOST_UNITS
                {
                    self.files.insert(path.clone(), source.clone());
                    self.units.push(unit);
                }
            }
        }
    }

    /// Callers and signatures, from the files of the languages that are known.
    fn around(&mut self, case: &Case, paths: &[String], text: &dyn Fn(&str) -> Option<String>) {
        let called: BTreeSet<String> = self.units.first().map(|u| words(&u.text)).unwrap_or_default();
        let unit = self.units.first().map(|u| u.name.rsplit('.').next().unwrap_or(&u.name).to_owned());
        for path in paths.iter().filter(|p| Language::of(Path::new(p)).is_some()).take(MOST_READ) {
            if is_test(case, path) {
                continue;
            }
            let Some(source) = text(path) else { continue };
            for function in parsed(path, &source) {
                let name = function.name.rsplit('.').next().unwrap_or_default();
                if called.contains(name) && Some(name) != unit.as_deref() && self.signatures.len() < 3000 {
                    let line = source.lines().nth(function.start_line - 1).unwrap_or_default().trim();
                    self.signatures.push_str(&format!("{path}:{}: {line}\n", function.start_line));
                }
            }
            if let Some(unit) = &unit {
                let calls = |l: &&str| l.contains(&format!("{unit}("));
                for (n, line) in source.lines().enumerate().filter(|(_, l)| calls(l)).take(3) {
                    if self.callers.len() < 2000 {
                        self.callers.push_str(&format!("{path}:{}: {}\n", n + 1, line.trim()));
                    }
                }
            }
        }
    }

    /// What changed since green, the files that may be edited first: where not all of it has room, the rest is cut.
    fn changed(&self, case: &Case) -> Result<String> {
        let store = &case.lab.store;
        let (from, to, side) = match (&case.wanted, &case.green) {
            (Some(wanted), _) => (case.snapshot.tree.clone(), wanted.tree.clone(), Side::Old),
            (None, Some(green)) => (store.snapshot_of(green)?.tree, case.snapshot.tree.clone(), Side::New),
            (None, None) => return Ok(String::new()),
        };
        let (product, _) = store.diff(&from, &to)?.partition(|path, change| {
            let small = change.old_bytes().len().max(change.new_bytes().len()) <= LARGEST_FILE_BYTES;
            small && case.protected.why(path).is_none()
        });
        let of_file = |(path, change): (&Vec<u8>, &FileChange)| {
            let one = Patch { files: std::iter::once((path.clone(), change.clone())).collect() };
            let diff = String::from_utf8_lossy(&one.unified()).into_owned();
            (String::from_utf8_lossy(path).into_owned(), diff)
        };
        Ok(self.in_order(product.files.iter().map(of_file).collect(), side))
    }

    /// The diffs of files, by path, as one: first what may be edited, and of that first what touches a suspicious function.
    fn in_order(&self, mut diffs: Vec<(String, String)>, side: Side) -> String {
        diffs.sort_by_key(|(path, _)| !self.files.contains_key(path));
        diffs.iter().map(|(path, diff)| hunks_in_order(path, diff, &self.units, side)).collect()
    }

    /// Tokens of `budget` that `part` may count on, however much the parts before it have to say: code alone could take all of a
    /// small pack, and neither the change nor the rules would be told.
    fn held_back(&self, part: Part, budget: u64, size: Size) -> u64 {
        let most = match part {
            Part::Change => budget / 4,
            Part::Rules => RULES_TOKENS,
            Part::Failing | Part::Units(_) | Part::Signatures | Part::Callers | Part::Tests => return 0,
        };
        let (title, text) = self.part(part, size);
        if text.trim().is_empty() { 0 } else { most.min(tokens::count(&text) + tokens::count(title) + 8) }
    }

    /// The pack of these parts that fits into `budget` tokens, and how many tokens it has. Parts come in their order;
    /// one that does not fit is cut at a line, and none takes what is held back for a later one.
    pub fn pack(&self, parts: impl Iterator<Item = Part>, budget: u64, size: Size) -> (String, u64) {
        let mut out = String::new();
        let mut used = 0;
        let parts: Vec<(Part, u64)> = parts.map(|part| (part, self.held_back(part, budget, size))).collect();
        for (n, (part, _)) in parts.iter().enumerate() {
            let (title, text) = self.part(*part, size);
            if text.trim().is_empty() {
                continue;
            }
            let head = format!("## {title}\n");
            let held: u64 = parts[n + 1..].iter().map(|(_, held)| held).sum();
            let left = budget.saturating_sub(used + held + tokens::count(&head) + 2);
            let cut = cut_to(&text, left);
            if cut.trim().is_empty() {
                continue;
            }
            out.push_str(&head);
            out.push_str(cut.trim_end());
            out.push_str("\n\n");
            used = tokens::count(&out);
        }
        (out, used)
    }

    fn part(&self, part: Part, size: Size) -> (&'static str, String) {
        match part {
            Part::Failing if size == Size::Small => ("Failing tests", self.failing_brief.clone()),
            Part::Failing => ("Failing tests", self.failing.clone()),
            Part::Units(most) => ("Code that may be edited", self.code(most)),
            Part::Signatures => ("What it calls", self.signatures.clone()),
            Part::Callers => ("Who calls it", self.callers.clone()),
            Part::Tests => ("Source of the failing tests (may not be edited)", self.tests.clone()),
            Part::Change => ("The change since the tests were green", self.change.clone()),
            Part::Rules => ("Rules of this repository", clip(&self.rules, 2000).to_owned()),
        }
    }

    /// Small files whole, of larger ones the suspicious functions.
    fn code(&self, most: usize) -> String {
        let mut out = String::new();
        let mut shown = BTreeSet::new();
        let units: Vec<&Unit> = self.units.iter().take(most).collect();
        let first = units.iter().map(|u| &u.path).chain(self.files.keys().take(usize::from(units.is_empty())));
        for path in first {
            let text = without_inline_tests(path, &self.files[path]);
            if text.lines().count() <= SMALL_FILE_LINES {
                if shown.insert(path.clone()) {
                    out.push_str(&format!("FILE: {path}\n```\n{}\n```\n", text.trim_end()));
                }
                continue;
            }
            for unit in units.iter().filter(|u| u.path == *path) {
                if shown.insert(format!("{path}:{}", unit.name)) {
                    out.push_str(&format!(
                        "FILE: {path} (lines {} to {})\n```\n{}\n```\n",
                        unit.lines.0,
                        unit.lines.1,
                        unit.text.trim_end()
                    ));
                }
            }
        }
        out
    }
}

/// All of them, each once: one file often repeats another one, or only points to it.
fn house_rules(texts: impl Iterator<Item = String>) -> String {
    let mut rules = String::new();
    for text in texts {
        let text = text.trim();
        let points = RULES.contains(&text.trim_start_matches('@').trim_start_matches("./"));
        if points || text.is_empty() || rules.contains(text) {
            continue;
        }
        if !rules.is_empty() {
            rules.push_str("\n\n");
        }
        rules.push_str(text);
    }
    rules
}

fn is_test(case: &Case, path: &str) -> bool {
    matches!(case.protected.why(path.as_bytes()), Some(Protection::Test))
}

fn is_signature(line: &str) -> bool {
    let bare = line.trim_start().trim_start_matches("pub ").trim_start_matches("export ").trim_start_matches("async ");
    ["def ", "fn ", "func ", "function ", "class ", "import ", "from ", "use "].iter().any(|w| bare.starts_with(w))
}

fn parsed(path: &str, source: &str) -> Vec<Function> {
    let tree = Language::of(Path::new(path)).and_then(|l| l.parse(source.as_bytes()));
    tree.map(|tree| functions(&tree, source.as_bytes())).unwrap_or_default()
}

/// The functions of a file, one a line.
pub fn outline(path: &str, source: &str) -> String {
    let line = |f: Function| format!("{}-{}: {}\n", f.start_line, f.end_line, f.name);
    parsed(path, source).into_iter().map(line).collect()
}

fn within(spans: &[(usize, usize)], line: usize) -> bool {
    spans.iter().any(|(first, last)| (*first..=*last).contains(&line))
}

/// The function around a line; none for a test that stands beside what it tests.
fn unit(path: &str, source: &str, line: usize) -> Option<Unit> {
    if within(&inline_test_lines(path, source), line) {
        return None;
    }
    let around = parsed(path, source).into_iter().filter(|f| f.start_line <= line && line <= f.end_line);
    // the outermost: a closure alone says too little
    let function = around.max_by_key(|f| f.range.len())?;
    let lines: Vec<&str> = source.lines().collect();
    let text = lines.get(function.start_line - 1..function.end_line.min(lines.len()))?.join("\n");
    Some(Unit { path: path.to_owned(), name: function.name, text, lines: (function.start_line, function.end_line) })
}

/// Words in front of a `(`.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('(') {
        let word: String = text[..at]
            .chars()
            .rev()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        if word.len() > 1 {
            found.insert(word);
        }
    }
    found
}

/// The last part of a test's name, without parameters.
fn leaf(id: &str) -> Option<String> {
    let id = id.split('[').next().unwrap_or(id);
    let id = id.rsplit("::").next().unwrap_or(id);
    let id = id.rsplit(" > ").next().unwrap_or(id);
    let id = id.rsplit('/').next().unwrap_or(id).trim();
    (id.len() > 2 && !id.starts_with('(')).then(|| id.to_owned())
}

/// The function of this name in a test file, with the decorators above it; or the lines after its name in quotes.
fn test_source(path: &str, source: &str, name: &str) -> Option<String> {
    const LINES: usize = 30;
    let lines: Vec<&str> = source.lines().collect();
    let last = |f: &Function| f.name.rsplit('.').next() == Some(name);
    let (start, end) = match parsed(path, source).into_iter().find(last) {
        Some(function) => {
            let mut start = function.start_line - 1;
            // decorators of several lines end where a blank line is
            while start > 0 && !lines[start - 1].trim().is_empty() && function.start_line - start < 12 {
                start -= 1;
            }
            (start, function.end_line)
        }
        None => {
            let start = lines.iter().position(|l| l.contains(name))?;
            (start, start + LINES)
        }
    };
    let text = lines.get(start..end.min(lines.len()))?.join("\n");
    Some(format!("FILE: {path}\n```\n{text}\n```\n"))
}

/// Which lines of a diff are those of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

/// The lines that a hunk with this head has in the snapshot, the first and the last; none for another line.
fn lines_of_hunk(head: &str, side: Side) -> Option<(usize, usize)> {
    let mut ranges = head.strip_prefix("@@ -")?.split(" @@").next()?.split(" +");
    let range = match side {
        Side::Old => ranges.next()?,
        Side::New => ranges.nth(1)?,
    };
    let (start, length) = range.split_once(',').unwrap_or((range, "1"));
    let (start, length) = (start.parse::<usize>().ok()?, length.parse::<usize>().ok()?);
    Some((start, start + length.saturating_sub(1)))
}

/// The diff of one file with the hunks that touch one of `units` before the others.
fn hunks_in_order(path: &str, diff: &str, units: &[Unit], side: Side) -> String {
    let (mut head, mut hunks) = (String::new(), Vec::<(bool, String)>::new());
    for line in diff.split_inclusive('\n') {
        // a line of a hunk begins with its mark, so that nothing in a file looks like a head
        match (lines_of_hunk(line, side), hunks.last_mut()) {
            (Some((first, last)), _) => {
                let touched = |u: &Unit| u.path == path && u.lines.0 <= last && first <= u.lines.1;
                hunks.push((!units.iter().any(touched), line.to_owned()));
            }
            (None, Some((_, hunk))) => hunk.push_str(line),
            (None, None) => head.push_str(line),
        }
    }
    hunks.sort_by_key(|(elsewhere, _)| *elsewhere);
    hunks.into_iter().fold(head, |out, (_, hunk)| out + &hunk)
}

/// As many whole lines of `text` as have at most `budget` tokens.
fn cut_to(text: &str, budget: u64) -> String {
    if tokens::count(text) <= budget {
        return text.to_owned();
    }
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if tokens::count(&out) + tokens::count(line) + 1 > budget.saturating_sub(4) {
            break;
        }
        out.push_str(line);
    }
    if !out.is_empty() {
        out.push_str("…\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [Part; 3] = [Part::Failing, Part::Units(2), Part::Tests];

    fn material() -> Material {
        let source = "def find(values, wanted):\n    low = start(values)\n    return low\n";
        Material {
            files: Files::from([("search.py".to_owned(), source.to_owned())]),
            failing: "- tests/test_search.py::test_find\nassert -1 == 0\n".into(),
            units: vec![unit("search.py", source, 2).unwrap()],
            tests: "x = 1\n".repeat(400),
            ..Material::default()
        }
    }

    #[test]
    fn a_pack_never_has_more_tokens_than_its_budget_and_says_how_many_it_has() {
        for budget in [0, 5, 30, 60, 200, 1000] {
            let (text, used) = material().pack(PARTS.into_iter(), budget, Size::Large);
            assert!(used <= budget.max(1), "{budget}: {used}");
            assert_eq!(used, tokens::count(&text));
        }
        let (text, _) = material().pack(PARTS.into_iter(), 300, Size::Large);
        assert!(
            text.contains("FILE: search.py") && text.contains("assert -1 == 0") && text.contains("x = 1"),
            "{text}"
        );
        assert!(text.ends_with("…\n\n"), "what is cut says so");
    }

    const MORE: [Part; 5] = [Part::Units(2), Part::Failing, Part::Tests, Part::Change, Part::Rules];

    #[test]
    fn the_change_and_the_rules_have_room_in_a_small_pack_whatever_stands_before_them() {
        let change = format!("diff --git a/search.py b/search.py\n@@ -1,2 +1,2 @@\n{}", "-x\n+y\n".repeat(300));
        let rules = "Never use tabs.\n".repeat(60);
        let all = Material { change, rules, ..material() };
        let (text, used) = all.pack(MORE.into_iter(), 1100, Size::Small);
        assert!(used <= 1100, "{used}");
        let part = |title: &str| text.split("## ").find(|part| part.starts_with(title)).map(tokens::count).unwrap_or(0);
        assert!((180..=290).contains(&part("The change")), "{}: {text}", part("The change"));
        assert!((90..=150).contains(&part("Rules")), "{}: {text}", part("Rules"));
        // what is short takes no more than it has
        let short = Material { change: "-x\n+y\n".into(), ..material() };
        let (with, _) = short.pack(MORE.into_iter(), 1100, Size::Small);
        let (without, _) = material().pack(MORE.into_iter(), 1100, Size::Small);
        assert!(with.contains("+y") && with.len() + 100 > without.len(), "{} {}", with.len(), without.len());
    }

    #[test]
    fn a_pack_without_change_and_rules_is_what_it_was() {
        let parts = [Part::Units(2), Part::Failing, Part::Tests];
        for budget in [30, 300, 1100] {
            let (text, _) = material().pack(MORE.into_iter(), budget, Size::Small);
            assert_eq!(text, material().pack(parts.into_iter(), budget, Size::Small).0, "{budget}");
        }
        // and a change that is no part of it takes nothing away
        let changed = Material { change: "-x\n+y\n".repeat(300), rules: "r\n".repeat(300), ..material() };
        let same = changed.pack(parts.into_iter(), 300, Size::Small);
        assert_eq!(same, material().pack(parts.into_iter(), 300, Size::Small));
    }

    #[test]
    fn of_a_change_the_files_that_may_be_edited_come_first_and_of_them_the_suspicious_functions() {
        let hunk = |start: usize, word: &str| {
            format!("@@ -{start},2 +{},2 @@ def f():\n-{word}\n+{word}!\n @@ -1 +1 @@\n", start + 100)
        };
        let head = |path: &str| format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n");
        let other = format!("{}{}", head("a.py"), hunk(1, "other"));
        let (far, near) = (hunk(50, "far"), hunk(3, "near"));
        let ours = format!("{}{far}{near}", head("search.py"));
        let diffs = vec![("a.py".to_owned(), other.clone()), ("search.py".to_owned(), ours.clone())];
        let sorted = material().in_order(diffs.clone(), Side::Old);
        assert_eq!(sorted, format!("{}{near}{far}{other}", head("search.py")));
        // on the other side no hunk touches lines 1 to 3
        assert_eq!(material().in_order(diffs, Side::New), format!("{ours}{other}"));
        for (line, lines) in [
            ("@@ -1 +2 @@", Some((1, 1))),
            ("@@ -4,3 +9 @@ fn x", Some((4, 6))),
            ("@@ -0,0 +1,4 @@", Some((0, 0))),
            (" @@ -1 +2 @@", None),
            ("@@ nonsense", None),
        ] {
            assert_eq!(lines_of_hunk(line, Side::Old), lines, "{line}");
        }
    }

    #[test]
    fn names_of_tests_lead_to_their_source() {
        assert_eq!(leaf("tests/t.py::test_find[1-2]").as_deref(), Some("test_find"));
        assert_eq!(leaf("cart.test.js > total > with discount").as_deref(), Some("with discount"));
        assert_eq!(leaf("(build)"), None);
        let source = "import x\n\n@mark(\n  1)\ndef test_find(a):\n    assert a\n\ndef test_b(): pass\n";
        let found = test_source("t.py", source, "test_find").unwrap();
        assert!(found.contains("@mark(") && found.contains("assert a") && !found.contains("test_b"), "{found}");
    }

    #[test]
    fn suspicious_lines_are_code_in_the_order_of_suspicion_with_signatures_last() {
        let place = |line| Place { path: "search.py".into(), line, score: 1.0 / line as f64 };
        let material = material();
        let lines: Vec<usize> = material.spots(&[place(1), place(3), place(2)]).iter().map(|s| s.line).collect();
        assert_eq!(lines, [3, 2, 1]);
        assert_eq!(material.unit_name(), Some("find"));
    }

    #[test]
    fn tests_that_stand_beside_what_they_test_are_no_code_that_may_be_edited() {
        let source = "pub fn f(n: i32) -> i32 {\n    n - 1\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn one() {\n        assert_eq!(f(1), 2);\n    }\n}\n";
        assert!(unit("src/lib.rs", source, 11).is_none());
        let material = Material {
            files: Files::from([("src/lib.rs".to_owned(), source.to_owned())]),
            tests_in: BTreeMap::from([("src/lib.rs".to_owned(), inline_test_lines("src/lib.rs", source))]),
            units: vec![unit("src/lib.rs", source, 2).unwrap()],
            ..Material::default()
        };
        let place = |line| Place { path: "src/lib.rs".into(), line, score: 1.0 };
        // without units every line of the file would be shown
        for material in [Material { units: Vec::new(), ..material.clone() }, material] {
            let lines: Vec<usize> = material.spots(&[place(11), place(2)]).iter().map(|s| s.line).collect();
            assert_eq!(lines, [2]);
            let code = material.code(2);
            assert!(code.contains("n - 1") && !code.contains("assert_eq"), "{code}");
        }
    }

    #[test]
    fn house_rules_of_all_files_are_told_each_once() {
        let rules = |texts: &[&str]| house_rules(texts.iter().map(|t| (*t).to_owned()));
        assert_eq!(rules(&["a\n", "", "b"]), "a\n\nb");
        assert_eq!(rules(&["use tabs", " \n", "use tabs\n"]), "use tabs");
        assert_eq!(rules(&["use tabs", "AGENTS.md", "@AGENTS.md\n"]), "use tabs", "a link, and one in words");
        assert_eq!(RULES[0], ".kaizen.md");
    }

    #[test]
    fn what_a_unit_calls_is_found() {
        assert_eq!(words("a = start(values) + (1) + o.end(x)"), BTreeSet::from(["start".to_owned(), "end".to_owned()]));
    }
}
