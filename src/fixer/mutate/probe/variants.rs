//! Tests with one literal changed, for languages whose functions can't be called from outside: what a candidate does on
//! inputs that no test has shows in how such a test fails. Pure: texts in, texts out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::Node;

use super::arms::error_places;
use super::{Answer, ideas};
use crate::fixer::mutate::edits::{Project, Source};
use crate::suite::{Status, TestId, TestResult};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use crate::words::End;

/// A copy of a test with another literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The file that it belongs in.
    pub path: Vec<u8>,
    /// How the suite calls it.
    pub id: TestId,
    /// What is different in it, in words.
    pub about: String,
    /// The test that it is a copy of, attributes included.
    original: String,
    copy: String,
}

/// Tests that do more than to call the project: another literal there may delete the wrong file.
const REACHES_OUT: &[&str] = &[
    "fs::",
    "File::",
    "Command",
    "env::",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "remove_",
    "tempfile",
    "tempdir",
    "os.",
    "ioutil.",
    "exec.",
    "filepath.",
    "http.",
    "net.",
    "sql.",
    "TempDir",
];

/// Of so many tests.
const MOST_TESTS: usize = 24;

/// At most `most` variants, from all over the red tests and those green ones that name one of `functions`.
pub fn variants(
    project: &Project,
    red: &[&str],
    green: &[&str],
    functions: &BTreeSet<&str>,
    most: usize,
) -> Vec<Variant> {
    let mut tests: Vec<Test<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    let all = red.iter().map(|name| (name, true)).chain(green.iter().map(|name| (name, false)));
    for (name, is_red) in all {
        let Some(test) = Test::find(project, name) else { continue };
        let text = &test.source.text[test.all.clone()];
        let is_near = is_red || functions.iter().any(|function| text.contains(function));
        let is_new = seen.insert((&test.source.path, test.all.start));
        if is_near && is_new && !REACHES_OUT.iter().any(|word| text.contains(word)) {
            tests.push(test);
        }
        if tests.len() == MOST_TESTS {
            break;
        }
    }
    let mut ranked: Vec<(usize, &Test<'_>, Change)> = Vec::new();
    for test in &tests {
        ranked.extend(test.changes().into_iter().map(|(rank, change)| (rank, test, change)));
    }
    ranked.sort_by_key(|(rank, _, _)| *rank);
    let mut out: Vec<Variant> = Vec::new();
    for same in ranked.chunk_by(|a, b| a.0 == b.0) {
        let step = same.len().div_ceil((most - out.len()).max(1)).max(1);
        for (_, test, change) in same.iter().step_by(step) {
            if out.len() == most {
                return out;
            }
            out.push(test.varied(change, out.len() + 1));
        }
    }
    out
}

/// Another text for a part of a test.
#[derive(Debug, Clone)]
struct Change {
    at: Range<usize>,
    new: String,
}

/// One test function.
struct Test<'a> {
    source: &'a Source,
    node: Node<'a>,
    /// With its attributes.
    all: Range<usize>,
    name: Range<usize>,
    /// What the suite puts before the function's name.
    prefix: String,
}

impl<'a> Test<'a> {
    /// The function of the test that the suite calls `id`.
    fn find(project: &'a Project, id: &str) -> Option<Self> {
        let (binary, path) = id.split_once(' ')?;
        let path = path.split('/').next()?;
        let (modules, name) = path.rsplit_once("::").map_or(("", path), |(m, n)| (m, n));
        let prefix =
            id[..binary.len() + 1].to_owned() + if modules.is_empty() { "" } else { &path[..modules.len() + 2] };
        let mut found: Vec<(usize, Self)> = Vec::new();
        for source in project.sources().iter().chain(project.material()) {
            if !source.text.contains(name) {
                continue;
            }
            each_node(source.tree.root_node(), &mut |node| {
                let Some(test) = Self::of(source, node, name, &prefix) else { return };
                found.extend(likeness(source, node, binary, modules).map(|likeness| (likeness, test)));
            });
        }
        found.into_iter().max_by_key(|(likeness, _)| *likeness).map(|(_, test)| test)
    }

    fn of(source: &'a Source, node: Node<'a>, wanted: &str, prefix: &str) -> Option<Self> {
        let kind = match source.language {
            Language::Rust => "function_item",
            Language::Go => "function_declaration",
            _ => return None,
        };
        let name = node.child_by_field_name("name").filter(|_| node.kind() == kind)?.byte_range();
        if &source.text[name.clone()] != wanted {
            return None;
        }
        let start = match source.language {
            Language::Rust => attributes(source, node)?,
            _ => node.start_byte(),
        };
        Some(Self { source, node, all: start..node.end_byte(), name, prefix: prefix.to_owned() })
    }

    /// What can be changed, each with its rank: the first idea for every literal comes before the second one for any.
    fn changes(&self) -> Vec<(usize, Change)> {
        let Some(body) = self.node.child_by_field_name("body") else { return Vec::new() };
        let text = &self.source.text;
        let mut found: Vec<Node<'_>> = Vec::new();
        each_node(body, &mut |node| found.extend((!is_expected(node, text)).then_some(node)));
        let literals = ideas::Literals::of(&found, text);
        let ranked = |node: &Node<'_>| {
            let ideas = literals.ideas(*node, self.source.language);
            let at = node.byte_range();
            ideas.into_iter().enumerate().map(move |(rank, new)| (rank, Change { at: at.clone(), new }))
        };
        found.iter().flat_map(ranked).collect()
    }

    fn varied(&self, change: &Change, number: usize) -> Variant {
        let text = &self.source.text;
        let name = &text[self.name.clone()];
        let new_name = match self.source.language {
            Language::Go => format!("{name}Kaizen{number}"),
            _ => format!("{name}_kaizen_{number}"),
        };
        let mut copy = text[self.all.start..self.name.start].to_owned() + &new_name;
        let body = self.node.child_by_field_name("body").map_or(self.name.end, |body| body.start_byte() + 1);
        copy.push_str(&text[self.name.end..body]);
        if self.source.language == Language::Go {
            // a panic ends the process, and with it the tests behind this one
            let parameter = text[self.name.end..body].trim_start_matches(['(', ' ']);
            let t: String = parameter.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            copy.push_str(&format!(
                " defer func() {{ if r := recover(); r != nil {{ {t}.Errorf(\"panic: %v\", r) }} }}(); "
            ));
        }
        copy.push_str(&text[body..change.at.start]);
        copy.push_str(&change.new);
        copy.push_str(&text[change.at.end..self.all.end]);
        let line = text[..change.at.start].matches('\n').count() + 1;
        let old = short(&text[change.at.clone()]);
        Variant {
            path: self.source.path.clone(),
            id: TestId(format!("{}{new_name}", self.prefix)),
            about: format!("{name} with {} instead of {old} in line {line}", short(&change.new)),
            original: text[self.all.clone()].to_owned(),
            copy,
        }
    }
}

fn short(text: &str) -> String {
    const MOST: usize = 40;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST { line } else { line.chars().take(MOST).chain(['…']).collect() }
}

/// Where the attributes of a Rust test begin; `None`: it is no test.
fn attributes(source: &Source, node: Node<'_>) -> Option<usize> {
    let (mut start, mut is_test) = (node.start_byte(), false);
    let mut before = node.prev_sibling();
    while let Some(attribute) = before.filter(|n| n.kind() == "attribute_item") {
        let text = &source.text[attribute.byte_range()];
        let path: String =
            text.trim_start_matches("#[").chars().take_while(|c| !matches!(c, '(' | ']' | '=')).collect();
        is_test |= path.trim().rsplit("::").next() == Some("test");
        start = attribute.start_byte();
        before = attribute.prev_sibling();
    }
    is_test.then_some(start)
}

/// How well a function's place fits `modules` and `binary`; `None`: it is in other modules.
fn likeness(source: &Source, node: Node<'_>, binary: &str, modules: &str) -> Option<usize> {
    let path = String::from_utf8_lossy(&source.path).into_owned();
    let places: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if source.language == Language::Go {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        return Some(if binary.ends_with(folder) { folder.len() + 1 } else { 0 });
    }
    let mut wanted: Vec<&str> = modules.split("::").filter(|m| !m.is_empty()).collect();
    let mut above = node.parent();
    while let Some(module) = above {
        if module.kind() == "mod_item" {
            let name = &source.text[module.child_by_field_name("name")?.byte_range()];
            if wanted.pop() != Some(name) {
                return None;
            }
        }
        above = module.parent();
    }
    let target = binary.rsplit("::").next().unwrap_or_default();
    let target = target.rsplit('/').next().unwrap_or_default();
    Some(wanted.iter().chain([&target]).filter(|m| places.contains(m)).count())
}

/// A literal of an assertion that it is compared with: another one shows nothing new.
fn is_expected(node: Node<'_>, text: &str) -> bool {
    let mut inner = node;
    while let Some(outer) = inner.parent() {
        if outer.kind() == "macro_invocation" {
            let name = outer.child_by_field_name("macro").map_or("", |m| &text[m.byte_range()]);
            if !name.starts_with("assert") {
                return false;
            }
            let mut cursor = inner.walk();
            let parts: Vec<Node<'_>> = inner.children(&mut cursor).collect();
            let arguments: Vec<&[Node<'_>]> = parts.split(|part| part.kind() == ",").collect();
            let holds = |part: &Node<'_>| part.start_byte() <= node.start_byte() && node.end_byte() <= part.end_byte();
            let is_call = |part: &Node<'_>| part.kind() == "token_tree" && text[part.byte_range()].starts_with('(');
            let calls = |argument: &&[Node<'_>]| argument.iter().filter(|p| p.kind() != "(").any(is_call);
            let at = arguments.iter().position(|argument| argument.iter().any(holds)).unwrap_or(0);
            let compares = name.ends_with("_eq") || name.ends_with("_ne");
            let of_message = at >= if compares { 2 } else { 1 };
            return of_message || compares && !calls(&arguments[at]) && arguments.iter().take(2).any(calls);
        }
        inner = outer;
    }
    false
}

/// `text` with the variants of its tests behind them; what it does not have stays out.
pub fn put(text: &str, variants: &[&Variant]) -> String {
    let mut by_test: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for variant in variants {
        by_test.entry(&variant.original).or_default().push(&variant.copy);
    }
    let mut text = text.to_owned();
    for (test, copies) in by_test {
        if let Some(at) = text.rfind(test) {
            text.insert_str(at + test.len(), &format!("\n\n{}\n", copies.join("\n\n")));
        }
    }
    text
}

/// Numbers (in `variants`) of those that a compiler's errors point into; `texts`: what was written, by path.
pub fn blamed(log: &str, texts: &BTreeMap<&[u8], &str>, variants: &[Variant]) -> BTreeSet<usize> {
    let places = error_places(log);
    let is_blamed = |variant: &&Variant| {
        let Some(text) = texts.get(variant.path.as_slice()) else { return false };
        let Some(at) = text.find(&variant.copy) else { return false };
        let first = text[..at].matches('\n').count() + 1;
        let lines = first..=first + variant.copy.matches('\n').count();
        places.iter().any(|place| place.is_in(&variant.path) && lines.contains(&place.line))
    };
    variants.iter().enumerate().filter(|(_, v)| is_blamed(v)).map(|(at, _)| at).collect()
}

/// How a variant ended; `None`: nobody knows.
pub fn answer(tests: &BTreeMap<TestId, TestResult>, end: End, variant: &Variant) -> Option<Answer> {
    let Some(result) = tests.get(&variant.id) else {
        let endless = Answer { digest: "~".into(), raised: false, endless: true, text: "no end".into() };
        return (end == End::TimedOut).then_some(endless);
    };
    let inner = format!("{}/", variant.id.0);
    let parts = tests.range(TestId(inner.clone())..).take_while(|(id, _)| id.0.starts_with(&inner));
    let messages: Vec<String> = std::iter::once(result)
        .chain(parts.map(|(_, result)| result))
        .filter(|result| result.status == Status::Failed)
        .map(|result| essence(result.message.as_deref().unwrap_or_default()))
        .filter(|message| !message.is_empty())
        .collect();
    match result.status {
        Status::Passed => Some(Answer { digest: "+".into(), raised: false, endless: false, text: "a pass".into() }),
        Status::Failed => {
            let digest = messages.join("\n");
            let raised = digest.contains("panic") && !digest.contains("assertion") || digest.starts_with("Error:");
            let lines = digest.lines().filter(|l| !l.ends_with("failed") && !l.starts_with("---") && *l != "panicked");
            let text = lines.map(str::trim).collect::<Vec<_>>().join(", ");
            let text = if text.is_empty() { "a failure".to_owned() } else { short(&text) };
            Some(Answer { digest, raised, endless: false, text })
        }
        _ => None,
    }
}

static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"_kaizen_\d+|Kaizen\d+|\(\d+\.\d+s\)|^thread .* panicked at .*|[\w./-]+\.(?:rs|go):\d+(?::\d+)?:?")
        .unwrap()
});

/// What a failure says, without where it was and how long it took: the same in every candidate that does the same.
fn essence(message: &str) -> String {
    let lines =
        message.lines().take_while(|line| !line.starts_with("stack backtrace:") && !line.starts_with("goroutine "));
    let clean = |line: &str| {
        let line = NOISE.replace_all(
            line.trim(),
            |found: &regex::Captures<'_>| {
                if found[0].starts_with("thread ") { "panicked" } else { "" }
            },
        );
        line.trim().to_owned()
    };
    lines
        .filter(|line| !line.starts_with("note: ") && !line.starts_with("--- ") && !line.starts_with("=== "))
        .map(clean)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Scope;

    const RUST: &str = "\
pub fn keep(values: &[i32], least: i32) -> Vec<i32> { values.to_vec() }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high() {
        assert_eq!(keep(&[5, 1], 3), vec![5, 9], \"of {} values\", 2);
    }

    #[test]
    fn low() {
        assert!(other(true));
    }
}
";
    const GO: &str = "package ring\n\nimport \"testing\"\n\nfunc TestNext(t *testing.T) {\n\tif Next(2, 'x') != 0 {\n\t\tt.Fatal(\"no\")\n\t}\n}\n";

    fn project(path: &str, text: &str) -> Project {
        Project::load(vec![(path.as_bytes().to_vec(), text.as_bytes().to_vec())], |_| true)
    }

    fn of(path: &str, text: &str, red: &[&str], green: &[&str], most: usize) -> Vec<Variant> {
        variants(&project(path, text), red, green, &BTreeSet::from(["keep"]), most)
    }

    fn abouts(variants: &[Variant]) -> Vec<&str> {
        variants.iter().map(|variant| variant.about.split_once(" with ").unwrap().1).collect()
    }

    #[test]
    fn inputs_are_varied_and_what_they_are_compared_with_is_not() {
        let all = of("src/lib.rs", RUST, &["ring tests::high"], &["ring tests::low"], 99);
        let first: Vec<&str> = abouts(&all).into_iter().take(4).collect();
        let wanted = [
            "[5] instead of [5, 1] in line 9",
            "6 instead of 5 in line 9",
            "2 instead of 1 in line 9",
            "4 instead of 3 in line 9",
        ];
        assert_eq!(first, wanted);
        assert!(all.iter().all(|v| !v.about.contains("instead of 9") && !v.about.contains("low")), "{all:#?}");
        assert_eq!(all[0].id.0, "ring tests::high_kaizen_1");
        assert_eq!(of("src/lib.rs", RUST, &["ring tests::high"], &[], 2).len(), 2);
    }

    #[test]
    fn what_is_put_into_a_file_is_code_of_its_language() {
        for (path, text, name, language) in [
            ("src/lib.rs", RUST, "ring tests::high", Language::Rust),
            ("ring_test.go", GO, "example.org/ring TestNext", Language::Go),
        ] {
            let all = of(path, text, &[name], &[], 99);
            assert!(all.len() >= 4, "{all:#?}");
            let written = put(text, &all.iter().collect::<Vec<_>>());
            assert!(language.parse(written.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()), "{written}");
            let count = written.matches("_kaizen_").count() + written.matches("Kaizen").count();
            assert_eq!(count, all.len());
        }
    }

    #[test]
    fn a_test_that_reaches_out_is_not_run_with_other_words() {
        let text = RUST.replace("assert_eq!(", "std::fs::remove_file(\"x\"); assert_eq!(");
        assert_eq!(of("src/lib.rs", &text, &["ring tests::high"], &[], 9), []);
    }

    #[test]
    fn the_compiler_says_which_variant_it_does_not_take() {
        let all = of("src/lib.rs", RUST, &["ring tests::high"], &[], 3);
        let written = put(RUST, &all.iter().collect::<Vec<_>>());
        let line = written[..written.find("high_kaizen_2").unwrap()].matches('\n').count() + 2;
        let log = format!("error: literal out of range\n --> src/lib.rs:{line}:20\n");
        let texts = BTreeMap::from([(b"src/lib.rs".as_slice(), written.as_str())]);
        assert_eq!(blamed(&log, &texts, &all), BTreeSet::from([1]));
    }

    fn answered(message: Option<&str>) -> Option<Answer> {
        let all = of("src/lib.rs", RUST, &["ring tests::high"], &[], 1);
        let status = if message.is_some() { Status::Failed } else { Status::Passed };
        let result = TestResult {
            status,
            duration_ms: None,
            message: message.map(str::to_owned),
            scope: Scope::Test,
            file: None,
        };
        let tests = BTreeMap::from([(all[0].id.clone(), result)]);
        answer(&tests, End::Exited(101), &all[0])
    }

    #[test]
    fn answers_are_what_failures_say_and_not_where() {
        let at = |line: usize, left: usize| {
            format!(
                "thread 'tests::high_kaizen_1' ({line}) panicked at src/lib.rs:{line}:9:\nassertion `left == right` failed\n  \
                 left: {left}\n right: 7\nstack backtrace:\n   0: {line}\n"
            )
        };
        let (a, b, c) = (answered(Some(&at(3, 8))), answered(Some(&at(4, 8))), answered(Some(&at(3, 9))));
        assert!(a == b && a != c && !a.as_ref().unwrap().raised);
        assert_eq!(a.unwrap().text, "left: 8, right: 7");
        let raised = answered(Some("thread 'x' panicked at src/lib.rs:3:9:\nattempt to subtract with overflow\n"));
        assert!(raised.unwrap().raised);
        assert_eq!(answered(None).unwrap().text, "a pass");
    }
}
