//! Line coverage of Rust and Go without a tool: a call before every statement that writes down, once, that it was reached.
//! Pure: texts in, texts out.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::Change;
use super::arms::{beside, go_package, is_const};
use crate::syntax::language::Language;

/// The variable that names the file that hits are appended to; nothing: none are.
pub const VARIABLE: &str = "KAIZEN_HITS";

/// What makes a module or a function part of the tests, which no candidate changes.
const TEST_ATTRIBUTES: &[&str] = &["#[cfg(test)]", "#[test]", "#[tokio::test]"];

/// Instrumented texts, and what each number stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traced {
    /// What to write.
    pub changes: Vec<Change>,
    /// File and lines of each number: those of a statement that are in no statement inside of it.
    places: Vec<(String, BTreeSet<usize>)>,
}

/// Instruments `files` (path, text), those in other languages left out.
pub fn trace(files: &[(Vec<u8>, String)]) -> Traced {
    let mut traced = Traced::default();
    for (path, text) in files {
        let Ok(name) = std::str::from_utf8(path) else { continue };
        let Some(language @ (Language::Rust | Language::Go)) = Language::of(std::path::Path::new(name)) else {
            continue;
        };
        let Some(tree) = language.parse(text.as_bytes()).filter(|tree| !tree.root_node().has_error()) else { continue };
        let mut file = File { language, text, inserts: Vec::new(), places: &mut traced.places, name };
        file.items(tree.root_node());
        if file.inserts.is_empty() {
            continue;
        }
        let new = file.written();
        traced.changes.push(Change { path: path.clone(), text: new });
        if language == Language::Go {
            let helper = go_helper(path, text);
            traced.changes.extend(helper.filter(|h| !files.iter().any(|(p, _)| *p == h.path)));
        }
    }
    traced.changes.sort_by(|a, b| a.path.cmp(&b.path));
    traced.changes.dedup_by(|a, b| a.path == b.path);
    traced
}

impl Traced {
    /// Lines by file that hits can tell of.
    pub fn traceable(&self) -> BTreeMap<String, BTreeSet<usize>> {
        lines(self.places.iter())
    }

    /// Lines by file that a run reached; `written`: what it appended to the file.
    pub fn reached(&self, written: &str) -> BTreeMap<String, BTreeSet<usize>> {
        lines(written.lines().filter_map(|n| self.places.get(n.trim().parse::<usize>().ok()?)))
    }
}

fn lines<'a>(places: impl Iterator<Item = &'a (String, BTreeSet<usize>)>) -> BTreeMap<String, BTreeSet<usize>> {
    let mut out: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (file, lines) in places {
        out.entry(file.clone()).or_default().extend(lines);
    }
    out
}

struct File<'a> {
    language: Language,
    text: &'a str,
    name: &'a str,
    inserts: Vec<(usize, String)>,
    places: &'a mut Vec<(String, BTreeSet<usize>)>,
}

impl File<'_> {
    /// Functions of a file or an item, each with a helper of its own.
    fn items(&mut self, node: Node<'_>) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let mut is_test = false;
        for child in children {
            if child.kind() == "attribute_item" {
                is_test |= TEST_ATTRIBUTES.contains(&self.text[child.byte_range()].replace(' ', "").as_str());
                continue;
            }
            if std::mem::take(&mut is_test) {
                continue;
            }
            let is_function = matches!(child.kind(), "function_item" | "function_declaration" | "method_declaration");
            match child.child_by_field_name("body").filter(|_| is_function) {
                Some(body) => self.function(child, body),
                None => self.items(child),
            }
        }
    }

    fn function(&mut self, function: Node<'_>, body: Node<'_>) {
        let head = &self.text[function.start_byte()..body.start_byte()];
        let inside = &self.text[body.start_byte() + 1..body.end_byte()];
        if is_const(head) || inside.trim_start().starts_with("#!") {
            return;
        }
        let (first, before) = (self.places.len(), self.inserts.len());
        self.statements(body, first);
        let count = self.places.len() - first;
        if count == 0 {
            self.inserts.truncate(before);
        } else if self.language == Language::Rust {
            self.inserts.push((body.start_byte() + 1, rust_helper(count, first)));
        }
    }

    fn statements(&mut self, node: Node<'_>, first: usize) {
        let holds = self.holds(node);
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let mut marked = false;
        for child in children {
            if holds && !marked && self.is_statement(node, child) {
                let call = match self.language {
                    Language::Rust => format!("__kaizen_hit({}); ", self.places.len() - first),
                    _ => format!("kaizenHit({}); ", self.places.len()),
                };
                self.inserts.push((child.start_byte(), call));
                let mut own = BTreeSet::new();
                self.own_lines(child, &mut own);
                self.places.push((self.name.to_owned(), own));
            }
            marked = child.kind() == "attribute_item";
            if !is_worked_out_while_compiling(child, self.text) {
                self.statements(child, first);
            }
        }
    }

    /// Statements stand in it one after the other.
    fn holds(&self, node: Node<'_>) -> bool {
        match self.language {
            Language::Rust => node.kind() == "block",
            _ => matches!(
                node.kind(),
                "block" | "statement_list" | "expression_case" | "default_case" | "type_case" | "communication_case"
            ),
        }
    }

    /// Lines of a statement that are in no statement inside of it: the conditions behind its `else if`, its arguments.
    fn own_lines(&self, node: Node<'_>, lines: &mut BTreeSet<usize>) {
        if node.child_count() == 0 {
            // a closing bracket on a line of its own does nothing
            if !matches!(node.kind(), "}" | ")" | "]" | ";" | ",") {
                lines.insert(node.start_position().row + 1);
            }
            return;
        }
        let holds = self.holds(node);
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        for child in
            children.into_iter().filter(|child| !(holds && child.is_named() && self.is_statement(node, *child)))
        {
            self.own_lines(child, lines);
        }
    }

    /// Something that runs where it stands, and may have a call before it.
    fn is_statement(&self, parent: Node<'_>, child: Node<'_>) -> bool {
        let kind = child.kind();
        if self.language == Language::Rust {
            let is_item = kind.ends_with("_item") || kind == "use_declaration" || kind == "macro_definition";
            return !is_item && !matches!(kind, "line_comment" | "block_comment" | "label" | "empty_statement");
        }
        let is_value = parent.child_by_field_name("value").is_some_and(|v| v.id() == child.id())
            || parent.child_by_field_name("type").is_some_and(|v| v.id() == child.id())
            || parent.child_by_field_name("communication").is_some_and(|v| v.id() == child.id());
        let runs = kind.ends_with("_statement") || matches!(kind, "short_var_declaration" | "var_declaration");
        // the last statement of a `case` may have to stay the last, a label belongs to what follows it
        runs && !is_value && !matches!(kind, "labeled_statement" | "fallthrough_statement" | "empty_statement")
    }

    fn written(mut self) -> String {
        // at one place the helper comes first
        self.inserts.sort_by_key(|(at, text)| (*at, text.starts_with("__kaizen_hit")));
        let mut out = String::with_capacity(self.text.len() * 2);
        let mut at = 0;
        for (place, text) in &self.inserts {
            out.push_str(&self.text[at..*place]);
            out.push_str(text);
            at = *place;
        }
        out.push_str(&self.text[at..]);
        out
    }
}

fn is_worked_out_while_compiling(node: Node<'_>, text: &str) -> bool {
    match node.kind() {
        "const_item" | "static_item" | "const_block" | "macro_definition" => true,
        "function_item" => {
            node.child_by_field_name("body").is_none_or(|b| is_const(&text[node.start_byte()..b.start_byte()]))
        }
        _ => false,
    }
}

/// A function inside the function: its name can't be in the way of another one. `first`: the number of its first place.
fn rust_helper(count: usize, first: usize) -> String {
    let fresh = "::std::sync::atomic::AtomicBool::new(false),".repeat(count);
    format!(
        " #[allow(dead_code)] fn __kaizen_hit(n: usize) {{ \
         static SEEN: [::std::sync::atomic::AtomicBool; {count}] = [{fresh}]; \
         if SEEN[n].swap(true, ::std::sync::atomic::Ordering::Relaxed) {{ return; }} \
         if let ::std::result::Result::Ok(path) = ::std::env::var(\"{VARIABLE}\") {{ \
         if let ::std::result::Result::Ok(mut file) = ::std::fs::OpenOptions::new().append(true).create(true).open(path) {{ \
         let _ = ::std::io::Write::write_all(&mut file, ::std::format!(\"{{}}\\n\", {first}usize + n).as_bytes()); }} }} }} "
    )
}

/// The file beside `path` that writes hits down.
fn go_helper(path: &[u8], text: &str) -> Option<Change> {
    let package = go_package(text)?;
    let text = format!(
        "package {package}\n\nimport (\n\t\"os\"\n\t\"strconv\"\n\t\"sync\"\n)\n\nvar kaizenSeen sync.Map\n\n\
         func kaizenHit(n int) {{\n\tif _, seen := kaizenSeen.LoadOrStore(n, true); seen {{\n\t\treturn\n\t}}\n\
         \tfile, err := os.OpenFile(os.Getenv(\"{VARIABLE}\"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)\n\
         \tif err == nil {{\n\t\tfile.WriteString(strconv.Itoa(n) + \"\\n\")\n\t\tfile.Close()\n\t}}\n}}\n"
    );
    Some(Change { path: beside(path, "kaizen_hits.go"), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "\
#[cfg(test)]
mod tests {
    #[test]
    fn one() { assert_eq!(super::pick(1), 3); }
}
const fn two() -> i32 { 2 }
pub fn pick(a: i32) -> i32 {
    // a comment
    let b = a + two();
    #[allow(unused)]
    let c = 1;
    if b > 3 {
        return b;
    }
    match a { 0 => { 7 } _ => c }
}
";

    #[test]
    fn every_statement_of_a_running_function_has_a_number_of_its_own() {
        let traced = trace(&[(b"src/lib.rs".to_vec(), RUST.to_owned())]);
        assert_eq!(traced.traceable()["src/lib.rs"], BTreeSet::from([9, 12, 13, 15]));
        let text = &traced.changes[0].text;
        assert!(Language::Rust.parse(text.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()), "{text}");
        assert!(text.contains("const fn two() -> i32 { 2 }"), "{text}");
        assert_eq!(traced.reached("0\n2\nnonsense\n99\n")["src/lib.rs"], BTreeSet::from([9, 13]));
    }

    #[test]
    fn a_condition_behind_else_if_and_an_argument_on_a_line_of_its_own_are_reached_with_their_statement() {
        let text = "fn f(a: i32) -> i32 {\n    if a > 1 {\n        1\n    } else if a > 0 {\n        2\n    } else {\n        max(\n            a,\n            3,\n        )\n    }\n}\n";
        let traced = trace(&[(b"src/lib.rs".to_vec(), text.to_owned())]);
        assert_eq!(traced.traceable()["src/lib.rs"], BTreeSet::from([2, 3, 4, 5, 6, 7, 8, 9]));
        assert_eq!(traced.reached("0\n3\n")["src/lib.rs"], BTreeSet::from([2, 4, 6, 7, 8, 9]));
    }

    #[test]
    fn go_statements_have_calls_where_a_statement_may_stand() {
        let go = "package ring\n\nfunc Pick(a int) int {\n\tswitch {\n\tcase a > 1:\n\t\treturn a\n\tdefault:\n\t\ta++\n\t}\n\tfor i := 0; i < a; i++ {\n\t\ta += i\n\t}\n\treturn a\n}\n";
        let traced = trace(&[(b"ring.go".to_vec(), go.to_owned())]);
        assert_eq!(traced.traceable()["ring.go"], BTreeSet::from([4, 5, 6, 7, 8, 10, 11, 13]));
        let text = &traced.changes.iter().find(|c| c.path == b"ring.go").unwrap().text;
        assert!(Language::Go.parse(text.as_bytes()).is_some_and(|tree| !tree.root_node().has_error()), "{text}");
        assert!(traced.changes.iter().any(|c| c.path == b"kaizen_hits.go"));
    }
}
