//! Comparing tests before and after: what was there must still be there, in the same place, word for word; more may be
//! added. Used for test files and for tests inside product code.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::calls::children;
use super::view::{View, is_inline_test};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// How a test was harmed: rule and words.
pub(super) type Harm = (&'static str, String);

/// One statement of a test, with the headers of what it is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    place: Vec<String>,
    text: String,
}

/// The harms of a changed test file.
pub(super) fn harms(path: &str, old: &[u8], new: &[u8]) -> Vec<Harm> {
    let (Some(before), Some(after)) = (View::of(path, old), View::of(path, new)) else {
        return harms_of_lines(old, new);
    };
    let (before_entries, after_entries) = (entries(&before), entries(&after));
    compare(&before_entries, &after_entries)
}

/// The harms of tests inside product code. `elsewhere`: new sides of other files, where tests may have moved to.
pub(super) fn inline_harms(old: &View<'_>, new: Option<&View<'_>>, elsewhere: &[&View<'_>]) -> Vec<Harm> {
    let before = inline_entries(old);
    let mut after = new.map(inline_entries).unwrap_or_default();
    after.extend(elsewhere.iter().flat_map(|view| inline_entries(view)));
    let mut harms = if before.is_empty() { Vec::new() } else { compare(&before, &after) };
    let (before, mut after) = (doc_tests(old), new.map(doc_tests).unwrap_or_default());
    after.extend(elsewhere.iter().flat_map(|view| doc_tests(view)));
    if let Some(line) = first_missing(&before, &after, |a, b| a == b) {
        harms.push(("doctest-changed", format!("a documentation test lost `{line}`")));
    }
    harms
}

/// Without a grammar: every line must still be there, in order.
fn harms_of_lines(old: &[u8], new: &[u8]) -> Vec<Harm> {
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let mut harms = Vec::new();
    if let Some(line) = first_missing(&old, &new, |a, b| a == b) {
        harms.push(("test-changed", format!("`{}` is gone", shown(line))));
    }
    if let Some(line) = new.iter().find(|line| is_skip(line) && !old.contains(line)) {
        harms.push(("skip-added", format!("`{}`", shown(line))));
    }
    harms
}

fn first_missing<'a, T>(old: &'a [T], new: &[T], same: impl Fn(&T, &T) -> bool) -> Option<&'a T> {
    let mut rest = new.iter();
    old.iter().find(|wanted| !rest.any(|found| same(wanted, found)))
}

fn compare(old: &[Entry], new: &[Entry]) -> Vec<Harm> {
    let mut harms = Vec::new();
    let old_skips: Vec<&Entry> = old.iter().filter(|e| is_skip(&e.text)).collect();
    let places: BTreeSet<&[String]> = old.iter().map(|e| e.place.as_slice()).collect();
    let names: BTreeSet<&str> = old.iter().map(|e| name_of(&e.text)).collect();
    for (at, entry) in new.iter().enumerate().filter(|(_, e)| is_skip(&e.text)) {
        let known = old_skips.iter().any(|o| o.text == entry.text && o.place == entry.place);
        // an attribute is a statement of its own before what it is about
        let about = new[at..].iter().find(|e| e.place == entry.place && !e.text.starts_with("#[")).unwrap_or(entry);
        let is_new = is_definition(&about.text) && !names.contains(name_of(&about.text));
        let own_new_test = is_new && !is_exclusive(&entry.text) || !places.contains(entry.place.as_slice());
        if !known && !own_new_test {
            harms.push(("skip-added", format!("`{}`", shown(&entry.text))));
        }
    }
    let mut rest = new;
    for wanted in old.iter().filter(|e| !is_import(&e.text)) {
        match rest.iter().position(|found| same(wanted, found)) {
            Some(at) => {
                if let Some(cut) = rest[..at].iter().find(|e| e.place == wanted.place && cuts_short(&e.text)) {
                    harms.push(("test-cut-short", format!("`{}` before `{}`", shown(&cut.text), shown(&wanted.text))));
                }
                rest = &rest[at + 1..];
            }
            // moved further up is still there
            None if new.iter().any(|found| same(wanted, found)) => {}
            None => harms.push(lost(wanted, new)),
        }
    }
    harms.dedup_by_key(|h| h.0);
    harms
}

fn lost(entry: &Entry, new: &[Entry]) -> Harm {
    let text = shown(&entry.text);
    let gone = !new.iter().any(|e| name_of(&e.text) == name_of(&entry.text));
    if is_definition(&entry.text) && gone {
        ("test-removed", format!("`{text}` is gone"))
    } else if is_assertion(&entry.text) && !is_definition(&entry.text) {
        ("assertion-changed", format!("`{text}` is gone or changed"))
    } else {
        ("test-changed", format!("`{text}` is gone or changed"))
    }
}

fn shown(text: &str) -> String {
    let short: String = text.chars().take(100).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

fn same(old: &Entry, new: &Entry) -> bool {
    old.place == new.place && (old.text == new.text || has_grown(&old.text, &new.text))
}

/// A table of cases with further rows: the old words are there in order, and what holds them is a collection.
fn has_grown(old: &str, new: &str) -> bool {
    let table = ["parametrize", ".each(", "each`", "= [", "=[", "= {", ":= []", "= (", "vec![", "[]struct", "&["]
        .iter()
        .any(|mark| old.contains(mark));
    if !table || new.len() <= old.len() || is_assertion(old) && !old.contains("parametrize") && !old.contains(".each") {
        return false;
    }
    let (old, new) = (tokens(old), tokens(new));
    let mut rest = new.iter();
    old.iter().filter(|t| *t != ",").all(|t| rest.any(|n| n == t))
        && !new.iter().any(|t| !old.contains(t) && is_skip(t))
}

fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' || c == '.' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            found.push(c.to_string());
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

const SKIPS: [&str; 40] = [
    "pytest.mark.skip",
    "mark.skip",
    "pytest.skip(",
    "mark.xfail",
    "pytest.xfail(",
    "unittest.skip",
    "@skip",
    ".skipTest(",
    "expectedFailure",
    "importorskip",
    "SkipTest",
    "__test__ = False",
    "collect_ignore",
    ".skip(",
    ".only(",
    ".todo(",
    "xit(",
    "xtest(",
    "xdescribe(",
    "fit(",
    "fdescribe(",
    ".failing(",
    ".fails(",
    ".skipIf(",
    ".runIf(",
    "skip: true",
    "todo: true",
    "only: true",
    "#[ignore",
    "#[should_panic",
    "#[cfg(any()",
    ".Skipf(",
    ".Skip(",
    ".SkipNow(",
    "@Disabled",
    "@Ignore",
    "assumeTrue(",
    "assumeFalse(",
    "//go:build",
    "skip=True",
];

fn is_skip(text: &str) -> bool {
    SKIPS.iter().any(|skip| match text.find(skip) {
        // `fit(` is no part of `benefit(`
        Some(at) if skip.starts_with(|c: char| c.is_alphabetic()) => {
            !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        }
        found => found.is_some(),
    })
}

/// Marks that switch all other tests off.
fn is_exclusive(text: &str) -> bool {
    [".only(", "fit(", "fdescribe(", "only: true"].iter().any(|mark| text.contains(mark))
}

fn is_import(text: &str) -> bool {
    ["import ", "from ", "use ", "const {", "var {", "require(", "#include", "package "]
        .iter()
        .any(|i| text.starts_with(i))
        || text.contains("= require(")
}

fn is_assertion(text: &str) -> bool {
    [
        "assert", "expect", "should", ".raises(", "t.Error", "t.Fatal", "t.Fail", "verify(", ".toBe", ".toEqual",
        "ensure!",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

fn cuts_short(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').next().unwrap_or("");
    matches!(
        word,
        "return" | "raise" | "throw" | "continue" | "break" | "sys.exit" | "process.exit" | "exit" | "os._exit"
    )
}

/// Is this the header of a test or of something that holds tests?
fn is_definition(text: &str) -> bool {
    let starts =
        ["def ", "async def ", "class ", "fn ", "pub fn ", "async fn ", "mod ", "func ", "@", "#[", "function "];
    let calls =
        ["it(", "test(", "describe(", "it.", "test.", "describe.", "suite(", "specify(", "t.test(", "xit(", "fit("];
    starts.iter().chain(&calls).any(|s| text.starts_with(s))
}

/// What a definition is called: `def test_x`, `it('does x'`; a statement is called by its text.
fn name_of(text: &str) -> &str {
    for mark in ["def ", "class ", "fn ", "mod ", "func ", "function "] {
        if let Some(at) = text.find(mark)
            && (at == 0 || text[..at].ends_with([' ', ')', ']', '\n']))
        {
            let rest = &text[at + mark.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            return &rest[..end];
        }
    }
    // the name comes after the table: `it.each([…])('name', …)`
    let from = if text.contains(".each") { text.rfind(")(").unwrap_or(0) } else { 0 };
    if is_definition(text)
        && let Some(start) = text[from..].find(['\'', '"', '`']).map(|at| from + at)
    {
        let quote = &text[start..=start];
        let rest = &text[start + 1..];
        return &rest[..rest.find(quote).unwrap_or(rest.len())];
    }
    text
}

fn entries(view: &View<'_>) -> Vec<Entry> {
    let mut found = Vec::new();
    flatten(view, view.tree.root_node(), &[], &mut found);
    found
}

/// Entries of tests inside product code: the items themselves with their attributes.
fn inline_entries(view: &View<'_>) -> Vec<Entry> {
    let mut roots: Vec<Node<'_>> = Vec::new();
    each_node(view.tree.root_node(), &mut |node| {
        let inside = roots.last().is_some_and(|root| root.byte_range().contains(&node.start_byte()));
        if !inside && is_inline_test(view, node) && node.kind() != "use_declaration" {
            roots.push(node);
        }
    });
    let mut found = Vec::new();
    for root in roots {
        let mut attributes = Vec::new();
        let mut before = root.prev_sibling();
        while let Some(attribute) = before.filter(|n| n.kind() == "attribute_item") {
            attributes.push(Entry { place: Vec::new(), text: plain(view, attribute, &[]) });
            before = attribute.prev_sibling();
        }
        found.extend(attributes.into_iter().rev());
        flatten(view, root, &[], &mut found);
    }
    found
}

fn is_block(kind: &str) -> bool {
    matches!(
        kind,
        "block"
            | "statement_block"
            | "class_body"
            | "declaration_list"
            | "module"
            | "program"
            | "source_file"
            | "function_body"
            | "field_declaration_list"
            | "switch_body"
            | "match_block"
            | "interface_body"
            | "constructor_body"
            | "statement_list"
            | "enum_body"
    )
}

/// Appends the statements of `node`, each with the headers around it; deep nesting ends in one entry.
fn flatten(view: &View<'_>, node: Node<'_>, place: &[String], found: &mut Vec<Entry>) {
    if place.len() > 40 {
        found.push(Entry { place: place.to_vec(), text: plain(view, node, &[]) });
        return;
    }
    if is_block(node.kind()) {
        for child in children(node) {
            flatten(view, child, place, found);
        }
        return;
    }
    let mut blocks: Vec<Node<'_>> = Vec::new();
    each_node(node, &mut |inner| {
        let inside = blocks.last().is_some_and(|b| inner.start_byte() < b.end_byte());
        if inner != node && !inside && is_block(inner.kind()) {
            blocks.push(inner);
        }
    });
    let header = plain(view, node, &blocks);
    if header.is_empty() || is_docstring(view, node) {
        return;
    }
    let mut inner_place = place.to_vec();
    inner_place.push(name_of(&header).to_owned());
    found.push(Entry { place: place.to_vec(), text: header });
    for block in blocks {
        flatten(view, block, &inner_place, found);
    }
}

fn is_docstring(view: &View<'_>, node: Node<'_>) -> bool {
    view.language == Language::Python
        && node.kind() == "expression_statement"
        && children(node).first().is_some_and(|c| c.kind() == "string" && children(node).len() == 1)
}

/// The words of a node without comments and without the blocks in it, one blank between them.
fn plain(view: &View<'_>, node: Node<'_>, blocks: &[Node<'_>]) -> String {
    let mut cut: Vec<std::ops::Range<usize>> = blocks.iter().map(Node::byte_range).collect();
    each_node(node, &mut |inner| {
        let inside = blocks.iter().any(|b| b.byte_range().contains(&inner.start_byte()));
        if !inside && inner.kind().contains("comment") {
            cut.push(inner.byte_range());
        }
    });
    cut.sort_by_key(|r| r.start);
    let (mut text, mut at) = (Vec::new(), node.start_byte());
    for range in cut {
        if range.start >= at {
            text.extend_from_slice(&view.source[at..range.start]);
            text.push(b' ');
            at = range.end;
        }
    }
    text.extend_from_slice(view.source.get(at..node.end_byte()).unwrap_or(&[]));
    String::from_utf8_lossy(&text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches([';', ','])
        .to_owned()
}

/// The lines of documentation tests: fenced code in Rust's doc comments, `>>>` and what follows in Python.
fn doc_tests(view: &View<'_>) -> Vec<String> {
    match view.language {
        Language::Rust => rust_doc_tests(view),
        Language::Python => python_doc_tests(view),
        _ => Vec::new(),
    }
}

fn rust_doc_tests(view: &View<'_>) -> Vec<String> {
    let text = String::from_utf8_lossy(view.source);
    let (mut found, mut open, mut runs) = (Vec::new(), false, false);
    for line in text.lines().map(str::trim_start) {
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            open = false;
            continue;
        };
        let doc = doc.trim();
        if let Some(info) = doc.strip_prefix("```") {
            open = !open;
            let quiet = ["ignore", "text", "console", "sh", "json", "toml", "compile_fail", "yaml", "diff"];
            runs = open && !info.split(',').any(|word| quiet.contains(&word.trim()));
            if runs {
                found.push(format!("```{info}"));
            }
        } else if open && runs && !doc.is_empty() {
            found.push(doc.to_owned());
        }
    }
    found
}

fn python_doc_tests(view: &View<'_>) -> Vec<String> {
    let mut found = Vec::new();
    each_node(view.tree.root_node(), &mut |node| {
        if node.kind() != "string" {
            return;
        }
        let mut inside = false;
        for line in view.text(node).lines().map(str::trim) {
            inside = line.starts_with(">>>") || inside && !line.is_empty() && !line.starts_with("\"\"\"");
            if inside {
                found.push(line.trim_end_matches("\"\"\"").trim_end_matches("'''").trim().to_owned());
            }
        }
    });
    found
}

#[cfg(test)]
#[path = "tests/testchange.rs"]
mod tests;
