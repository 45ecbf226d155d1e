//! Suspects: where in the code the fault may be, from stack traces, compilers, assertions, names and changed lines.
//!
//! Every hint gives a place a weight between 0 and 1. Weights for the same function of the same file are combined as
//! independent evidence, `1 − Π(1 − wᵢ)`, so that two weak hints never outweigh certainty and never count for nothing.
//! The list is then scaled so that its top is 1.0.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::frames::{Kind, Place, places};
use crate::failure::labels::{Label, labels};
use crate::failure::scene::Scene;
use crate::failure::symbols::{Symbol, enclosing, symbols};
use crate::failure::text::pattern;
use crate::suite::{Runner, TestId};
use crate::syntax::language::Language;
use crate::syntax::regions::inline_test_lines;
use crate::words::Suspect;

/// The most that is kept.
pub const MOST: usize = 30;

/// A compiler points into product code: that is where to look, unless a definition elsewhere changed.
const DIAGNOSTIC: f64 = 0.9;
/// What it points at besides, where a value was moved or borrowed: half of that.
const LABELLED: f64 = 0.45;
/// So many such lines of a message say enough.
const MOST_LABELS: usize = 6;
/// The innermost product frame of a stack trace.
const INNERMOST: f64 = 0.8;
/// Each frame further out is this much less likely.
const OUTWARD: f64 = 0.8;
/// Places in tests: the fault is rarely there, and no patch may change them, but they help to read the list.
const IN_TEST: f64 = 0.05;
/// A function called on the line of the assertion.
const ASSERTED: f64 = 0.55;
/// A function called elsewhere in the failing test.
const CALLED: f64 = 0.3;
/// A function whose name the test's name spells.
const NAMED: f64 = 0.25;
/// A changed piece of code.
const CHANGED: f64 = 0.35;
/// A product module that the failing test imports.
const IMPORTED: f64 = 0.1;
/// A product file whose name is that of the failing test's file: `comma.go` beside `comma_test.go`.
const PAIRED: f64 = 0.15;
/// A rare literal of the message stands on this line.
const LITERAL: f64 = 0.2;

/// More product files than this are not read to find names: the hints from traces must do.
const MOST_FILES_READ: usize = 1500;

/// What is known of one file, read at most once.
struct Known {
    text: String,
    symbols: Vec<Symbol>,
    /// First and last lines of the tests that stand in it, beside what they test.
    tests: Vec<(usize, usize)>,
}

impl Known {
    fn of(file: &str, text: String) -> Self {
        Self { symbols: symbols(file, text.as_bytes()), tests: inline_test_lines(file, &text), text }
    }

    fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }
}

struct Finder<'a> {
    scene: &'a Scene<'a>,
    files: BTreeMap<String, Option<Known>>,
    hints: Vec<Hint>,
}

struct Hint {
    file: String,
    line: usize,
    end_line: usize,
    symbol: Option<String>,
    weight: f64,
    reason: String,
    /// The line is meant, not the function that it is in.
    is_line: bool,
}

/// The suspects for these red tests' words (plain text), most suspicious first.
pub fn rank(messages: &BTreeMap<TestId, String>, scene: &Scene<'_>) -> Vec<Suspect> {
    let mut finder = Finder { scene, files: BTreeMap::new(), hints: Vec::new() };
    // hundreds of red tests say nothing that the first fifty don't
    for (id, message) in messages.iter().take(50) {
        finder.add_traces(id, message);
        finder.add_test_names(id, message);
    }
    finder.add_literals(messages);
    finder.add_changes();
    finder.finish()
}

/// The function of the innermost frame in the project's product code (else in its tests), for the fingerprint.
pub fn top_function(message: &str, scene: &Scene<'_>) -> Option<String> {
    let mut finder = Finder { scene, files: BTreeMap::new(), hints: Vec::new() };
    let mut in_test = None;
    for place in places(message).into_iter().filter(|p| p.kind == Kind::Frame) {
        let Some(file) = scene.resolve(&place.file).map(str::to_owned) else { continue };
        let base = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let name = finder.symbol_at(&file, place.line).map(|s| s.name).or(place.function).unwrap_or_default();
        if !scene.is_test(&file) {
            return Some(format!("{base}:{name}"));
        }
        in_test.get_or_insert_with(|| format!("{base}:{name}"));
    }
    in_test
}

impl Finder<'_> {
    fn known(&mut self, file: &str) -> Option<&Known> {
        if !self.files.contains_key(file) {
            let known = self.scene.text(file).map(|text| Known::of(file, text));
            self.files.insert(file.to_owned(), known);
        }
        self.files.get(file).and_then(Option::as_ref)
    }

    /// A test file, or a test that stands in the file that it tests.
    fn is_in_test(&mut self, file: &str, line: usize) -> bool {
        self.scene.is_test(file) || self.known(file).is_some_and(|known| known.is_test(line))
    }

    fn symbol_at(&mut self, file: &str, line: usize) -> Option<Symbol> {
        self.known(file).and_then(|known| enclosing(&known.symbols, line).cloned())
    }

    fn hint(&mut self, file: &str, line: usize, weight: f64, reason: String) {
        self.hint_at(file, line, weight, reason, false);
    }

    fn hint_at(&mut self, file: &str, line: usize, weight: f64, reason: String, is_line: bool) {
        let symbol = self.symbol_at(file, line).map(|s| s.name);
        self.hints.push(Hint { file: file.to_owned(), line, end_line: line, symbol, weight, reason, is_line });
    }

    /// What a compiler points at besides the places of its errors.
    fn add_labels(&mut self, labels: &[Label]) {
        let mut weight = LABELLED;
        for label in labels.iter().take(MOST_LABELS) {
            let Some(file) = self.scene.resolve(&label.file).map(str::to_owned) else { continue };
            if !self.scene.is_test(&file) {
                let words = crate::failure::text::clip(&label.words, 80);
                self.hint_at(&file, label.line, weight, format!("the compiler points here, too: {words}"), true);
                weight *= OUTWARD;
            }
        }
    }

    fn add_traces(&mut self, id: &TestId, message: &str) {
        let (mut frame, mut diagnostic) = (0i32, 0i32);
        let labels = labels(message);
        self.add_labels(&labels);
        let is_label = |place: &Place| labels.iter().any(|l| (l.line, &l.file) == (place.line, &place.file));
        for place in places(message).into_iter().filter(|p| p.kind != Kind::Diagnostic || !is_label(p)) {
            let Some(file) = self.scene.resolve(&place.file).map(str::to_owned) else { continue };
            let in_test = self.is_in_test(&file, place.line);
            let (weight, reason) = match place.kind {
                _ if in_test => (IN_TEST, format!("the failing test {}", short(id))),
                Kind::Diagnostic => {
                    diagnostic += 1;
                    (DIAGNOSTIC * OUTWARD.powi(diagnostic - 1), diagnostic_reason(&place))
                }
                Kind::Frame | Kind::Assertion => {
                    frame += 1;
                    (INNERMOST * OUTWARD.powi(frame - 1), format!("stack trace of {}, frame {frame}", short(id)))
                }
            };
            // recursion and long traces: beyond this they say nothing more
            if weight > 0.02 {
                self.hint(&file, place.line, weight, reason);
            }
        }
    }

    /// Names in the failing test: what it calls, most of all on the line that failed, and what it imports.
    fn add_test_names(&mut self, id: &TestId, message: &str) {
        let Some(test) = self.test_of(id, message) else { return };
        let at = places(message)
            .into_iter()
            .filter(|p| self.scene.resolve(&p.file) == Some(test.file.as_str()))
            .map(|p| p.line)
            .collect::<BTreeSet<_>>();
        let Some(known) = self.known(&test.file) else { return };
        let lines: Vec<&str> = known.text.lines().collect();
        let (first, last) = test.about(&at, lines.len());
        let body = lines.get(first - 1..last).unwrap_or_default();
        let mut asserted: BTreeSet<String> = at
            .iter()
            .filter_map(|n| lines.get(n - 1))
            .flat_map(|line| called(line))
            .chain(message.lines().filter(|l| l.starts_with('E') || l.starts_with('>')).flat_map(called))
            .collect();
        let own: BTreeSet<String> = body.iter().flat_map(|line| called(line)).collect();
        let everywhere: BTreeSet<String> = match test.symbol {
            Some(_) => BTreeSet::new(),
            None => lines.iter().flat_map(|line| called(line)).collect(),
        };
        let imports: Vec<String> = lines.iter().filter_map(|line| imported(line)).collect();
        asserted.retain(|name| !COMMON.contains(&name.as_str()));
        let words = words_of(&id.0);
        let modules = self.modules(&imports);
        let mates = self.mates(&test.file);
        let near: BTreeSet<&String> = modules.iter().chain(&mates).collect();
        // a Go test is in the package that it tests
        let package = (self.scene.suite.runner == Runner::Go).then(|| folder(&test.file).to_owned());
        for (file, symbol) in self.product_symbols() {
            let is_near = near.contains(&file) || package.as_deref() == Some(folder(&file));
            let close = if is_near { 1.0 } else { 0.6 };
            let (weight, reason) = if asserted.contains(&symbol.name) {
                (ASSERTED, format!("called where {} fails", short(id)))
            } else if own.contains(&symbol.name) {
                (CALLED, format!("called in {}", short(id)))
            } else if everywhere.contains(&symbol.name) {
                (CALLED / 2.0, format!("called in the file of {}", short(id)))
            } else if spelled(&symbol.name, &words) {
                (NAMED, format!("named by {}", short(id)))
            } else {
                continue;
            };
            let weight = weight * close * if symbol.callable { 1.0 } else { 0.7 };
            let Symbol { name, line, end_line, .. } = symbol;
            self.hints.push(Hint { file, line, end_line, symbol: Some(name), weight, reason, is_line: false });
        }
        self.add_files(short(id), modules, mates);
    }

    /// Files as such: what the test imports, and what is named like its file.
    fn add_files(&mut self, test: &str, modules: Vec<String>, mates: Vec<String>) {
        for file in modules {
            let reason = format!("imported by {test}");
            self.hints.push(Hint {
                file,
                line: 1,
                end_line: 1,
                symbol: None,
                weight: IMPORTED,
                reason,
                is_line: false,
            });
        }
        for file in mates {
            let end_line = self.known(&file).map_or(1, |known| known.text.lines().count().max(1));
            let reason = format!("named like the file of {test}");
            self.hints.push(Hint { file, line: 1, end_line, symbol: None, weight: PAIRED, reason, is_line: false });
        }
    }

    /// Product files with the name of a test's file, but for what makes it a test's.
    fn mates(&self, test: &str) -> Vec<String> {
        let wanted = subject(test);
        let is_code = |path: &String| crate::syntax::language::Language::of(std::path::Path::new(path)).is_some();
        let fits = |path: &&String| {
            is_code(path) && *path != test && subject(path) == wanted && !self.scene.is_protected(path)
        };
        let found: Vec<String> = self.scene.paths.iter().filter(fits).cloned().collect();
        // `index`, `utils`: a name that many have says nothing
        if found.len() <= 3 && wanted.len() >= 2 { found } else { Vec::new() }
    }

    /// The file of a Go package that has the test: a trace often shows a helper in another one.
    fn in_package(&mut self, id: &TestId, own: &str) -> Option<String> {
        let package = id.0.split(' ').next().filter(|_| self.scene.suite.runner == Runner::Go)?;
        let top = self.scene.suite.dir.to_string_lossy().into_owned();
        let fits = |path: &&String| {
            let dir = folder(path).strip_prefix(top.as_str()).unwrap_or_default().trim_start_matches('/');
            path.ends_with("_test.go")
                && path.starts_with(&top)
                && (dir.is_empty() || package.ends_with(&format!("/{dir}")))
        };
        let mut files: Vec<String> = self.scene.paths.iter().filter(fits).cloned().collect();
        files.sort_by_key(|path| std::cmp::Reverse(folder(path).len()));
        files.into_iter().find(|file| self.known(file).is_some_and(|k| k.symbols.iter().any(|s| s.name == own)))
    }

    /// Where the failing test is: from its id, its stack trace or its name.
    fn test_of(&mut self, id: &TestId, message: &str) -> Option<Test> {
        let named = id.0.split("::").next().and_then(|first| self.scene.resolve(first)).map(str::to_owned);
        let traced = |scene: &Scene<'_>| {
            let all = places(message);
            all.iter().filter_map(|p| scene.resolve(&p.file)).find(|f| scene.is_test(f)).map(str::to_owned)
        };
        let jest = || id.0.split(" > ").next().and_then(|first| self.scene.resolve(first.trim())).map(str::to_owned);
        let own = match self.scene.suite.runner {
            Runner::Go => {
                id.0.rsplit(' ').next().and_then(|name| name.split('/').next()).unwrap_or_default().to_owned()
            }
            _ => id.0.rsplit("::").next().unwrap_or(&id.0).split('[').next().unwrap_or_default().to_owned(),
        };
        let file = named
            .or_else(jest)
            .or_else(|| self.in_package(id, &own))
            .or_else(|| traced(self.scene))
            .or_else(|| self.beside(&own))?;
        let known = self.known(&file)?;
        let all = known.text.lines().count().max(1);
        Some(match known.symbols.iter().find(|s| s.name == own) {
            Some(symbol) => Test { file, first: symbol.line, last: symbol.end_line, symbol: Some(own) },
            None => Test { file, first: 1, last: all, symbol: None },
        })
    }

    /// The only product file that a test of this name stands in.
    fn beside(&mut self, own: &str) -> Option<String> {
        let mut found = self.product_files();
        found.retain(|file| {
            let here = |known: &Known| known.symbols.iter().any(|s| s.name == own && known.is_test(s.line));
            self.known(file).is_some_and(here)
        });
        if found.len() == 1 { found.pop() } else { None }
    }

    /// Product files that these import paths mean.
    fn modules(&self, imports: &[String]) -> Vec<String> {
        let mut found = BTreeSet::new();
        for import in imports {
            let tail =
                import.trim_start_matches("./").trim_start_matches("../").replace(['.', ':'], "/").replace("//", "/");
            let tail = tail.trim_matches('/');
            let ends = |path: &&String| {
                let stem = path.rsplit_once('.').map_or(path.as_str(), |(stem, _)| stem);
                let stem = stem.strip_suffix("/__init__").or_else(|| stem.strip_suffix("/index")).unwrap_or(stem);
                stem == tail || stem.ends_with(&format!("/{tail}")) || path.ends_with(&format!("/{import}"))
            };
            let hits = self.scene.paths.iter().filter(ends).filter(|p| !self.scene.is_protected(p)).take(4);
            found.extend(hits.cloned());
        }
        found.into_iter().collect()
    }

    /// Files with code that are no tests; none where they are too many to be read.
    fn product_files(&self) -> Vec<String> {
        let code = |p: &&String| Language::of(Path::new(p)).is_some();
        let product: Vec<String> =
            self.scene.paths.iter().filter(code).filter(|p| !self.scene.is_protected(p)).cloned().collect();
        if product.len() > MOST_FILES_READ { Vec::new() } else { product }
    }

    fn product_symbols(&mut self) -> Vec<(String, Symbol)> {
        let mut all = Vec::new();
        for file in self.product_files() {
            if let Some(known) = self.known(&file) {
                let product = known.symbols.iter().filter(|s| !known.is_test(s.line));
                all.extend(product.map(|s| (file.clone(), s.clone())));
            }
        }
        all
    }

    /// Words in quotes in the messages that stand in few places of the product.
    fn add_literals(&mut self, messages: &BTreeMap<TestId, String>) {
        static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"['"`]([^'"`\n]{4,60})['"`]"#));
        let mut literals = BTreeSet::new();
        for message in messages.values().take(20) {
            literals.extend(QUOTED.captures_iter(message).take(20).map(|c| c[1].to_owned()));
        }
        let read: Vec<String> = self.files.keys().filter(|f| !self.scene.is_protected(f)).cloned().collect();
        for literal in literals.iter().take(40) {
            let mut hits = Vec::new();
            for file in &read {
                let Some(known) = self.known(file) else { continue };
                let lines = known.text.lines().enumerate().filter(|(_, line)| line.contains(literal.as_str()));
                hits.extend(lines.take(4).map(|(n, _)| (file.clone(), n + 1)));
            }
            if hits.len() <= 3 {
                for (file, line) in hits {
                    self.hint(&file, line, LITERAL, format!("holds {literal:?} of the message"));
                }
            }
        }
    }

    fn add_changes(&mut self) {
        let changed = self.scene.changed.by_file.clone();
        let total: usize = changed.iter().filter(|(f, _)| !self.scene.is_protected(f)).map(|(_, r)| r.len()).sum();
        // one changed place is telling, a hundred are not
        let weight = CHANGED / (total.max(1) as f64).sqrt().max(1.0);
        for (file, ranges) in changed.into_iter().filter(|(f, _)| !self.scene.is_protected(f)) {
            for (line, end_line) in ranges.into_iter().take(100) {
                let symbol = self.symbol_at(&file, line).map(|s| s.name);
                // what is suspicious for another reason and was changed is more suspicious than either
                let known = self.hints.iter().any(|h| h.file == file && h.symbol == symbol && h.symbol.is_some());
                let weight = if known { weight.max(CHANGED) } else { weight };
                let reason = "changed since base".to_owned();
                self.hints.push(Hint { file: file.clone(), line, end_line, symbol, weight, reason, is_line: false });
            }
        }
    }

    fn finish(self) -> Vec<Suspect> {
        let mut groups: BTreeMap<(String, Option<String>, Option<usize>), Vec<Hint>> = BTreeMap::new();
        for hint in self.hints {
            let line = hint.is_line.then_some(hint.line);
            groups.entry((hint.file.clone(), hint.symbol.clone(), line)).or_default().push(hint);
        }
        let mut suspects: Vec<Suspect> = groups.into_values().filter_map(combine).collect();
        suspects
            .sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.file.cmp(&b.file)).then(a.line.cmp(&b.line)));
        suspects.truncate(MOST);
        let top = suspects.first().map_or(1.0, |s| s.score);
        for suspect in &mut suspects {
            suspect.score = (suspect.score / top * 1000.0).round() / 1000.0;
        }
        suspects
    }
}

struct Test {
    file: String,
    first: usize,
    last: usize,
    /// The function that the test is; `None`: a closure somewhere in the file.
    symbol: Option<String>,
}

/// A test that is a closure begins about so many lines above the line that failed.
const LINES_OF_A_TEST: usize = 20;

impl Test {
    /// The lines that are probably the test's, where `at` failed.
    fn about(&self, at: &BTreeSet<usize>, lines: usize) -> (usize, usize) {
        match (at.first(), at.last(), &self.symbol) {
            (Some(first), Some(last), None) => (first.saturating_sub(LINES_OF_A_TEST).max(1), (*last).min(lines)),
            _ => (self.first, self.last.min(lines)),
        }
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What a file is about, by its name: `comma` for `comma.go`, `comma_test.go`, `test/test-comma.js`, `CommaTest.java`.
fn subject(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let stem =
        ["Tests", "Test", "TestCase", "Spec", "IT"].iter().find_map(|end| stem.strip_suffix(end)).unwrap_or(stem);
    let stem =
        stem.strip_prefix("Test").filter(|rest| rest.starts_with(char::is_uppercase)).unwrap_or(stem).to_lowercase();
    let words = stem.split(['_', '-']).filter(|word| !matches!(*word, "test" | "tests" | "spec"));
    words.collect()
}

fn combine(mut hints: Vec<Hint>) -> Option<Suspect> {
    hints.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.line.cmp(&b.line)));
    // each kind of hint counts once per test: a loop of a hundred frames is one hint
    let mut seen = BTreeSet::new();
    hints.retain(|h| seen.insert(h.reason.clone()));
    let innocent = hints.iter().take(8).map(|h| 1.0 - h.weight).product::<f64>();
    let changed = hints.iter().any(|h| h.reason == "changed since base");
    let best = hints.into_iter().next()?;
    let mut reason = best.reason;
    if changed && reason != "changed since base" {
        reason.push_str(" · changed since base");
    }
    let (file, line, end_line, symbol) = (best.file, best.line, best.end_line, best.symbol);
    Some(Suspect { file, line, end_line, symbol, score: 1.0 - innocent, reason })
}

fn diagnostic_reason(place: &Place) -> String {
    static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(E\d{4}|TS\d+)\b"));
    match CODE.find(&place.words) {
        Some(code) => format!("compiler error {}", code.as_str()),
        None if place.words.is_empty() => "syntax error".to_owned(),
        None => format!("diagnostic: {}", crate::failure::text::clip(&place.words, 80)),
    }
}

/// The test's own name, without its file.
fn short(id: &TestId) -> &str {
    let name = id.0.rsplit("::").next().unwrap_or(&id.0);
    name.rsplit(" > ").next().unwrap_or(name)
}

/// Names that say nothing: every test calls them.
const COMMON: [&str; 26] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "expect",
    "test",
    "it",
    "describe",
    "toBe",
    "toEqual",
    "print",
    "len",
    "str",
    "int",
    "range",
    "list",
    "dict",
    "set",
    "raises",
    "approx",
    "unwrap",
    "Errorf",
    "Fatalf",
    "assertEquals",
    "assertEqual",
    "require",
    "isinstance",
];

/// What a line of code calls: `total(` and the names between dots.
fn called(line: &str) -> Vec<String> {
    static CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"([A-Za-z_$][\w$]*)!?\s*(?:::<[^>]*>)?\("));
    let names = CALL.captures_iter(line).map(|c| c[1].to_owned());
    names.filter(|name| !COMMON.contains(&name.as_str())).collect()
}

/// What a line of code imports.
fn imported(line: &str) -> Option<String> {
    static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(concat!(
            r#"^\s*(?:from\s+(?<a>\.*[\w.]+)\s+import|import\s+(?<b>[\w.]+)\s*(?:as\s+\w+)?\s*;?\s*$"#,
            r#"|.*(?:from|require\(|import\()\s*['"](?<c>[^'"]+)['"]|use\s+(?:crate::)?(?<d>[\w:]+)|import\s+static\s+(?<e>[\w.]+))"#
        ))
    });
    let found = IMPORT.captures(line)?;
    let name = ["a", "b", "c", "d", "e"].iter().find_map(|n| found.name(n))?.as_str();
    let name = name.trim_end_matches(".js").trim_end_matches(".ts").trim_end_matches(".mjs");
    Some(name.trim_start_matches('.').trim_start_matches('/').to_owned()).filter(|name| !name.is_empty())
}

/// `test_totalWithDiscount[3]` is test, total, with, discount.
fn words_of(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let own = name.rsplit("::").next().unwrap_or(name).split('[').next().unwrap_or_default();
    for part in own.split(|c: char| !c.is_alphanumeric()) {
        let mut word = String::new();
        for c in part.chars() {
            if c.is_uppercase() && !word.is_empty() && !word.ends_with(char::is_uppercase) {
                words.push(std::mem::take(&mut word).to_lowercase());
            }
            word.push(c);
        }
        if !word.is_empty() {
            words.push(word.to_lowercase());
        }
    }
    words
}

/// All words of the symbol's name stand in the test's name.
fn spelled(symbol: &str, test: &[String]) -> bool {
    let words = words_of(symbol);
    symbol.len() >= 3
        && !words.is_empty()
        && words.iter().all(|w| test.contains(w))
        && words.iter().any(|w| w != "test")
}

#[cfg(test)]
#[path = "tests/suspects.rs"]
mod tests;
