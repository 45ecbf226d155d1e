//! Many candidates in one build: every changed function body becomes an arm of a switch that an environment variable
//! turns (mutant schemata: Untch, Offutt, Harrold 1993). Pure: texts in, texts out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tree_sitter::Node;

use super::Change;
use crate::fixer::mutate::edits::Project;
use crate::fixer::mutate::go_imports;
use crate::syntax::language::Language;

/// The variable that says which arm runs; 0 or nothing: the code as it was.
pub const VARIABLE: &str = "KAIZEN_ARM";

/// The file that reads the variable, in each Go package. What stands behind the last `_` may not be the name of a system or
/// a processor (`arm`): go builds such a file only there.
const GO_HELPER: &str = "kaizen_switch.go";

/// One candidate as another body of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    path: Vec<u8>,
    language: Language,
    /// The body of the function as it was, braces included.
    body: Range<usize>,
    /// The body that the candidate gives it.
    text: String,
    /// The function's name.
    pub function: String,
    /// Packages that the candidate imports beyond those that are imported.
    imports: Vec<String>,
}

/// Where an arm is in the composed text: lines from 1, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    path: Vec<u8>,
    lines: (usize, usize),
    number: usize,
}

/// Files with all arms in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Armed {
    /// What to write.
    pub changes: Vec<Change>,
    spans: Vec<Span>,
}

impl Arm {
    /// `changes` as an arm; `None` when they are more than an edit in one body, or the language has no switch here.
    pub fn of(project: &Project, changes: &[Change]) -> Option<Self> {
        let [change] = changes else { return None };
        let source = project.source(&change.path)?;
        let (text, imports) = match source.language {
            Language::Go => go_imports::apart(&source.text, &change.text)?,
            _ => (change.text.clone(), Vec::new()),
        };
        let (old, new) = (source.text.as_str(), text.as_str());
        let (start, old_end, new_end) = differing(old, new)?;
        let function = outermost(source.tree.root_node(), source.language, start, old_end)?;
        let body = function.child_by_field_name("body")?.byte_range();
        if !can_switch(source.language, &old[function.start_byte()..body.start], &old[body.clone()]) {
            return None;
        }
        let text = new.get(body.start..body.end + new_end - old_end)?.to_owned();
        let function = function.child_by_field_name("name").map_or("", |name| &old[name.byte_range()]).to_owned();
        Some(Self { path: change.path.clone(), language: source.language, body, text, function, imports })
    }
}

/// Where two texts begin and end to differ: start, end in the old one, end in the new one.
fn differing(old: &str, new: &str) -> Option<(usize, usize, usize)> {
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let mut start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - start;
    let mut same = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    while !old.is_char_boundary(start) {
        start -= 1;
    }
    while !old.is_char_boundary(old.len() - same) {
        same -= 1;
    }
    (old != new).then_some((start, old.len() - same, new.len() - same))
}

/// The outermost function whose body holds `start..end` between its braces: arms of one inside another would be too many.
fn outermost(root: Node<'_>, language: Language, start: usize, end: usize) -> Option<Node<'_>> {
    let kinds: &[&str] = match language {
        Language::Rust => &["function_item"],
        Language::Go => &["function_declaration", "method_declaration"],
        _ => return None,
    };
    let mut node = root;
    loop {
        let holds = |body: &Node<'_>| body.start_byte() < start && end < body.end_byte();
        if kinds.contains(&node.kind()) && node.child_by_field_name("body").as_ref().is_some_and(holds) {
            return Some(node);
        }
        let mut cursor = node.walk();
        let inner = node.children(&mut cursor).find(|c| c.start_byte() <= start && end <= c.end_byte());
        node = inner?;
    }
}

/// A function that is worked out while compiling has no environment; an opaque type must be one type in all arms.
fn can_switch(language: Language, head: &str, body: &str) -> bool {
    match language {
        Language::Rust => {
            let result = head.rsplit_once("->").map_or("", |(_, result)| result);
            !is_const(head) && !result.contains("impl ") && !body[1..].trim_start().starts_with("#!")
        }
        _ => true,
    }
}

/// `head`, all of a function before its body, says that it may be worked out while compiling.
pub(super) fn is_const(head: &str) -> bool {
    head.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "const")
}

/// Arms with their numbers, by the body (start and end) that they stand beside.
type Bodies<'a> = BTreeMap<(usize, usize), Vec<(usize, &'a Arm)>>;

/// What runs where no arm is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The code as it was.
    AsItWas,
    /// Nothing: the code as it was does not build.
    Nothing,
}

/// Composes `arms` with their numbers (from 1) into their files.
pub fn compose(project: &Project, arms: &[(usize, &Arm)], otherwise: Otherwise) -> Armed {
    let mut files: BTreeMap<&[u8], Bodies<'_>> = BTreeMap::new();
    for (number, arm) in arms {
        let bodies = files.entry(&arm.path).or_default();
        bodies.entry((arm.body.start, arm.body.end)).or_default().push((*number, arm));
    }
    let mut armed = Armed::default();
    for (path, bodies) in files {
        let Some(source) = project.source(path) else { continue };
        let imports: BTreeSet<&str> =
            bodies.values().flatten().flat_map(|(_, arm)| arm.imports.iter().map(String::as_str)).collect();
        let text = go_imports::with(&source.text, &imports.into_iter().collect::<Vec<_>>());
        // imports stand before all bodies
        let shift = text.len() - source.text.len();
        let mut out = Composer { text: String::with_capacity(text.len() * 2), line: 1, spans: Vec::new() };
        let mut at = 0;
        for ((start, end), arms) in bodies {
            let (start, end) = (start + shift, end + shift);
            out.push(&text[at..start]);
            let original = match otherwise {
                Otherwise::AsItWas => &text[start..end],
                Otherwise::Nothing => nothing(source.language),
            };
            out.switch(source.language, &arms, original);
            at = end;
        }
        out.push(&text[at..]);
        armed.spans.extend(out.spans.into_iter().map(|(lines, number)| Span { path: path.to_vec(), lines, number }));
        armed.changes.push(Change { path: path.to_vec(), text: out.text });
        if source.language == Language::Go && !armed.changes.iter().any(|c| c.path == beside(path, GO_HELPER)) {
            armed.changes.extend(go_helper(path, &source.text));
        }
    }
    armed
}

struct Composer {
    text: String,
    line: usize,
    spans: Vec<((usize, usize), usize)>,
}

/// Reads the variable once; a call costs one look at a number that is there.
const RUST_HEAD: &str = "{ fn __kaizen_arm() -> u32 { \
    static ARM: ::std::sync::OnceLock<u32> = ::std::sync::OnceLock::new(); \
    *ARM.get_or_init(|| ::std::env::var(\"KAIZEN_ARM\").ok().and_then(|n| n.parse().ok()).unwrap_or(0)) }\n\
    match __kaizen_arm() {\n";

/// A body for any function: it fails.
fn nothing(language: Language) -> &'static str {
    match language {
        Language::Rust => "{ ::core::panic!() }",
        _ => "{ panic(\"kaizen\") }",
    }
}

impl Composer {
    fn push(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.text.push_str(text);
    }

    fn arm(&mut self, number: usize, body: &str) {
        let first = self.line;
        self.push(body);
        self.spans.push(((first, self.line), number));
    }

    fn switch(&mut self, language: Language, arms: &[(usize, &Arm)], original: &str) {
        if language == Language::Rust {
            self.push(RUST_HEAD);
            for (number, arm) in arms {
                self.push(&format!("{number}u32 => "));
                self.arm(*number, &arm.text);
                self.push("\n");
            }
            self.push("_ => ");
            self.push(original);
            self.push("\n} }");
            return;
        }
        // an `if` whose branches all end the function ends it itself, as Go asks for; a switch would not read the same
        self.push("{\n");
        for (number, arm) in arms {
            self.push(&format!("if kaizenArm() == {number} {{\n"));
            self.arm(*number, &arm.text[1..]);
            self.push(" else ");
        }
        self.push(original);
        self.push("\n}");
    }
}

/// The path of `name` in the folder of `path`.
pub(super) fn beside(path: &[u8], name: &str) -> Vec<u8> {
    let folder = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    [&path[..folder], name.as_bytes()].concat()
}

static GO_PACKAGE: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"(?m)^package[ \t]+(\w+)").unwrap()
});

/// The package of a Go file.
pub(super) fn go_package(text: &str) -> Option<&str> {
    Some(GO_PACKAGE.captures(text)?.get(1)?.as_str())
}

/// The file beside `path` that reads the variable.
fn go_helper(path: &[u8], text: &str) -> Option<Change> {
    let package = go_package(text)?;
    let text = format!(
        "package {package}\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar kaizenArmNumber, _ = strconv.Atoi(os.Getenv(\"{VARIABLE}\"))\n\n\
         func kaizenArm() int {{ return kaizenArmNumber }}\n"
    );
    Some(Change { path: beside(path, GO_HELPER), text })
}

static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    // only literals: can't fail
    Regex::new(r"^(?:\s*--> |vet: )?(?:\./)?([^\s:]+\.(?:rs|go)):(\d+)(?::\d+)?").unwrap()
});

/// Where a compiler's error points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorPlace {
    /// As the compiler names it.
    file: String,
    /// From 1.
    pub line: usize,
    /// What we put in is missing: no candidate's fault.
    is_ours: bool,
}

impl ErrorPlace {
    /// It is in the file at `path`.
    pub fn is_in(&self, path: &[u8]) -> bool {
        is_same(path, &self.file)
    }
}

/// The first place of each error in what a compiler printed.
pub(super) fn error_places(log: &str) -> Vec<ErrorPlace> {
    let mut places = Vec::new();
    let mut is_error = false;
    for line in log.lines() {
        if line.starts_with("error") || line.starts_with("warning") {
            is_error = line.starts_with("error");
            continue;
        }
        let Some(found) = PLACE.captures(line) else { continue };
        let is_rust = found[1].ends_with(".rs");
        if is_rust && !std::mem::take(&mut is_error) {
            continue;
        }
        let Ok(number) = found[2].parse::<usize>() else { continue };
        places.push(ErrorPlace { file: found[1].to_owned(), line: number, is_ours: line.contains("kaizenArm") });
    }
    places
}

impl Armed {
    /// The arms that a compiler's errors point to, by the first place of each error. Empty: none can be blamed.
    pub fn blamed(&self, log: &str) -> BTreeSet<usize> {
        let places = error_places(log);
        if places.iter().any(|place| place.is_ours) {
            return BTreeSet::new();
        }
        let is_blamed = |span: &&Span| {
            let lines = span.lines.0..=span.lines.1;
            places.iter().any(|place| place.is_in(&span.path) && lines.contains(&place.line))
        };
        self.spans.iter().filter(is_blamed).map(|span| span.number).collect()
    }
}

/// `named` is how a compiler names the file: from the suite's folder, ours is from the top.
fn is_same(path: &[u8], named: &str) -> bool {
    let path = String::from_utf8_lossy(path);
    path == named || path.strip_suffix(named).is_some_and(|rest| rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(path: &str, text: &str) -> Project {
        Project::load(vec![(path.as_bytes().to_vec(), text.as_bytes().to_vec())], |_| true)
    }

    fn change(path: &str, text: &str) -> Vec<Change> {
        vec![Change { path: path.into(), text: text.into() }]
    }

    const RUST: &str = "pub fn less(a: i32, b: i32) -> bool {\n    a > b\n}\n\npub const fn two() -> i32 { 3 }\n";

    #[test]
    fn arms_of_one_function_stand_beside_its_own_body() {
        let project = project("src/lib.rs", RUST);
        let arms: Vec<Arm> = ["a < b", "a <= c"]
            .map(|new| Arm::of(&project, &change("src/lib.rs", &RUST.replace("a > b", new))).unwrap())
            .into();
        let armed = compose(&project, &[(1, &arms[0]), (2, &arms[1])], Otherwise::AsItWas);
        let text = &armed.changes[0].text;
        assert!(
            text.contains("1u32 => {\n    a < b\n}\n2u32 => {\n    a <= c\n}\n_ => {\n    a > b\n}\n} }"),
            "{text}"
        );
        assert!(Language::Rust.parse(text.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()), "{text}");
        let line = text.lines().position(|l| l.contains("a <= c")).unwrap() + 1;
        let log = format!(
            "error[E0425]: cannot find value `c`\n --> src/lib.rs:{line}:10\n  |\nwarning: x\n --> src/lib.rs:4:1\n"
        );
        assert_eq!(armed.blamed(&log), BTreeSet::from([2]));
        assert_eq!(armed.blamed("error: linking failed\n"), BTreeSet::new());
    }

    #[test]
    fn where_the_code_as_it_was_does_not_build_it_is_left_out() {
        let broken = RUST.replace("a > b", "a > c");
        let go = "package ring\n\nfunc Less(a, b int) bool {\n\treturn a > c\n}\n";
        for (path, text) in [("src/lib.rs", broken.as_str()), ("ring.go", go)] {
            let project = project(path, text);
            let arm = Arm::of(&project, &change(path, &text.replace("a > c", "a < b"))).unwrap();
            let armed = compose(&project, &[(1, &arm)], Otherwise::Nothing);
            let composed = &armed.changes[0].text;
            assert!(composed.contains("a < b") && !composed.contains("a > c"), "{composed}");
            let language = Language::of(std::path::Path::new(path)).unwrap();
            assert!(
                language.parse(composed.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()),
                "{composed}"
            );
        }
    }

    #[test]
    fn what_is_not_one_running_body_is_no_arm() {
        let project = project("src/lib.rs", RUST);
        for (old, new) in [("{ 3 }", "{ 2 }"), ("b: i32", "b: i64"), ("less", "more")] {
            assert_eq!(Arm::of(&project, &change("src/lib.rs", &RUST.replace(old, new))), None, "{new}");
        }
        let mut two = change("src/lib.rs", &RUST.replace("a > b", "a < b"));
        assert!(Arm::of(&project, &two).is_some());
        two.extend(two.clone());
        assert_eq!(Arm::of(&project, &two), None);
    }

    #[test]
    fn go_arms_are_branches_and_a_file_reads_the_variable() {
        let text = "package ring\n\nfunc Less(a, b int) bool {\n\treturn a > b\n}\n";
        let project = project("ring/ring.go", text);
        let arm = Arm::of(&project, &change("ring/ring.go", &text.replace('>', "<"))).unwrap();
        let armed = compose(&project, &[(1, &arm), (2, &arm)], Otherwise::AsItWas);
        let composed = &armed.changes[0].text;
        assert!(
            composed.contains("{\nif kaizenArm() == 1 {\n\n\treturn a < b\n} else if kaizenArm() == 2"),
            "{composed}"
        );
        assert!(
            Language::Go.parse(composed.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()),
            "{composed}"
        );
        assert_eq!(armed.changes[1].path, b"ring/kaizen_switch.go");
        assert!(armed.changes[1].text.starts_with("package ring\n"));
        let line = composed.lines().position(|l| l.contains("a < b")).unwrap() + 1;
        assert_eq!(armed.blamed(&format!("# x/ring\n./ring.go:{line}:9: undefined: c\n")), BTreeSet::from([1]));
        assert_eq!(armed.blamed(&format!("./ring.go:{line}:4: undefined: kaizenArm\n")), BTreeSet::new());
    }

    #[test]
    fn imports_of_a_go_candidate_stand_before_all_arms_and_what_another_one_uses_stays() {
        let text = "package ring\n\nimport \"strings\"\n\nfunc Up(a string) string {\n\treturn strings.ToUpper(a)\n}\n";
        let project = project("ring.go", text);
        let candidates = ["a", "strconv.Quote(a)"].map(|new| {
            let new = text.replace("strings.ToUpper(a)", new);
            change("ring.go", &go_imports::settled(text, &new).unwrap())
        });
        let arms = candidates.map(|changes| Arm::of(&project, &changes).unwrap());
        let armed = compose(&project, &[(1, &arms[0]), (2, &arms[1])], Otherwise::AsItWas);
        let composed = &armed.changes[0].text;
        assert!(composed.contains("import (\n\t\"strconv\"\n\t\"strings\"\n)"), "{composed}");
        let line = composed.lines().position(|l| l.contains("Quote")).unwrap() + 1;
        assert_eq!(armed.blamed(&format!("./ring.go:{line}:9: undefined: c\n")), BTreeSet::from([2]));
    }
}
