//! Regions of a file that are not product code: inline tests, comments, docstrings.

use std::ops::Range;
use std::path::Path;

use tree_sitter::{Node, Tree};

use super::functions::each_node;
use super::language::Language;

/// Is this node a comment (of any form)?
pub fn is_comment(node: Node<'_>) -> bool {
    matches!(node.kind(), "comment" | "line_comment" | "block_comment" | "html_comment" | "hash_bang_line" | "shebang")
}

/// Is this node a Python docstring: a string that stands alone as the first statement of a module, class or function?
pub fn is_docstring(node: Node<'_>) -> bool {
    if node.kind() != "expression_statement" || node.named_child_count() != 1 {
        return false;
    }
    if !node.named_child(0).is_some_and(|inner| matches!(inner.kind(), "string" | "concatenated_string")) {
        return false;
    }
    let mut before = node.prev_named_sibling();
    while let Some(sibling) = before {
        if !is_comment(sibling) {
            return false;
        }
        before = sibling.prev_named_sibling();
    }
    node.parent().is_some_and(|parent| matches!(parent.kind(), "module" | "block"))
}

/// Bytes of the inline tests of a file: `#[cfg(test)]` and `#[test]` items in Rust, `if __name__ == "__main__":`,
/// `test_…` functions and `Test…` classes in Python, `describe(…)`/`test(…)`/`it(…)` at the top level of a script or
/// under `if (import.meta.vitest)`, `func TestX(t *testing.T)` in Go, methods with `@Test` in Java.
pub fn test_regions(tree: &Tree, language: Language, source: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    each_node(tree.root_node(), &mut |node| {
        if found.last().is_some_and(|last| last.contains(&node.start_byte())) {
            return;
        }
        if let Some(range) = test_region(node, language, source) {
            found.push(range);
        }
    });
    found
}

/// Bytes of the inline tests of the file at `path`; none where its language is not known.
pub fn inline_tests(path: &[u8], text: &[u8]) -> Vec<Range<usize>> {
    let name = String::from_utf8_lossy(path);
    let Some(language) = Language::of(Path::new(name.as_ref())) else { return Vec::new() };
    language.parse(text).map(|tree| test_regions(&tree, language, text)).unwrap_or_default()
}

/// The first and the last line (from 1) of each of the inline tests of a file.
pub fn inline_test_lines(path: &str, text: &str) -> Vec<(usize, usize)> {
    let line = |at: usize| text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
    let tests = inline_tests(path.as_bytes(), text.as_bytes()).into_iter();
    tests.map(|range| (line(range.start), line(range.end.saturating_sub(1).max(range.start)))).collect()
}

/// A file without its inline tests: what of it is product code.
pub fn without_inline_tests(path: &str, text: &str) -> String {
    let mut out = String::new();
    let mut from = 0;
    for range in inline_tests(path.as_bytes(), text.as_bytes()) {
        out.push_str(text.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn text<'s>(node: Node<'_>, source: &'s [u8]) -> &'s str {
    source.get(node.byte_range()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
}

fn field<'s>(node: Node<'_>, name: &str, source: &'s [u8]) -> &'s str {
    node.child_by_field_name(name).map_or("", |child| text(child, source))
}

fn test_region(node: Node<'_>, language: Language, source: &[u8]) -> Option<Range<usize>> {
    let is_test = match language {
        Language::Python => match node.kind() {
            "if_statement" => {
                let condition = field(node, "condition", source);
                condition.contains("__name__") && condition.contains("__main__")
            }
            "function_definition" => field(node, "name", source).starts_with("test_"),
            "class_definition" => {
                let name = field(node, "name", source);
                name.starts_with("Test") && field(node, "superclasses", source).contains("TestCase")
            }
            _ => false,
        },
        Language::JavaScript | Language::TypeScript | Language::Tsx => match node.kind() {
            "call_expression" => {
                let top = node.parent().and_then(|at| at.parent()).is_some_and(|at| at.kind() == "program");
                let called = field(node, "function", source);
                top && matches!(called, "describe" | "test" | "it" | "suite" | "test.only" | "describe.only")
            }
            "if_statement" => field(node, "condition", source).contains("import.meta.vitest"),
            _ => false,
        },
        Language::Rust => return rust_test(node, source),
        Language::Go => {
            node.kind() == "function_declaration"
                && ["Test", "Benchmark", "Example", "Fuzz"]
                    .iter()
                    .any(|word| field(node, "name", source).starts_with(word))
                && field(node, "parameters", source).contains("testing.")
        }
        Language::Java => node.kind() == "method_declaration" && has_java_test_annotation(node, source),
    };
    is_test.then(|| node.byte_range())
}

/// From the attribute to the end of the item that it stands on.
fn rust_test(node: Node<'_>, source: &[u8]) -> Option<Range<usize>> {
    if node.kind() != "attribute_item" {
        return None;
    }
    let words: String = text(node, source).chars().filter(|c| !c.is_whitespace()).collect();
    let inner = words.strip_prefix("#[")?.strip_suffix(']')?;
    let is_test = inner.starts_with("cfg(test)")
        || inner.starts_with("cfg(all(test")
        || inner == "test"
        || inner.ends_with("::test")
        || inner.starts_with("tokio::test(")
        || inner == "bench";
    if !is_test {
        return None;
    }
    let mut item = node.next_named_sibling()?;
    while item.kind() == "attribute_item" || is_comment(item) {
        item = item.next_named_sibling()?;
    }
    Some(node.start_byte()..item.end_byte())
}

fn has_java_test_annotation(node: Node<'_>, source: &[u8]) -> bool {
    let Some(modifiers) = node.named_child(0).filter(|child| child.kind() == "modifiers") else { return false };
    let mut cursor = modifiers.walk();
    modifiers.named_children(&mut cursor).any(|annotation| {
        matches!(annotation.kind(), "marker_annotation" | "annotation")
            && matches!(field(annotation, "name", source), "Test" | "ParameterizedTest" | "RepeatedTest")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(language: Language, source: &str) -> Vec<String> {
        let tree = language.parse(source.as_bytes()).unwrap();
        test_regions(&tree, language, source.as_bytes()).into_iter().map(|range| source[range].to_owned()).collect()
    }

    #[test]
    fn inline_tests_are_found_in_every_language() {
        let rust = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { #[test] fn t() {} }\n#[inline]\nfn b() {}";
        assert_eq!(regions(Language::Rust, rust), ["#[cfg(test)]\n#[allow(x)]\nmod tests { #[test] fn t() {} }"]);
        let python = "def f(): pass\nif __name__ == \"__main__\":\n    f()\ndef test_f(): f()\n";
        assert_eq!(regions(Language::Python, python).len(), 2);
        let js = "function f() {}\ndescribe('f', () => { it('x', () => {}) });\nif (import.meta.vitest) { f() }";
        assert_eq!(regions(Language::JavaScript, js).len(), 2);
        let go = "package a\nfunc F() {}\nfunc TestF(t *testing.T) { F() }\n";
        assert_eq!(regions(Language::Go, go), ["func TestF(t *testing.T) { F() }"]);
        let java = "class A { int f() { return 1; } @Test void t() { f(); } }";
        assert_eq!(regions(Language::Java, java), ["@Test void t() { f(); }"]);
    }

    #[test]
    fn a_file_without_its_inline_tests_is_its_product_code_and_their_lines_are_known() {
        let rust = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\nfn b() {}\n";
        let path = "src/lib.rs";
        assert_eq!(without_inline_tests(path, rust), "fn a() {}\n\n\nfn b() {}\n");
        assert_eq!(inline_test_lines(path, rust), [(3, 6)]);
        assert_eq!(without_inline_tests("a.txt", rust), rust, "no language, no tests");
    }

    #[test]
    fn only_a_leading_string_statement_is_a_docstring() {
        let source = "def f():\n    # note\n    \"doc\"\n    x = 1\n    \"no doc\"\n";
        let tree = Language::Python.parse(source.as_bytes()).unwrap();
        let mut found = Vec::new();
        each_node(tree.root_node(), &mut |node| {
            if is_docstring(node) {
                found.push(source[node.byte_range()].to_owned());
            }
        });
        assert_eq!(found, ["\"doc\""]);
    }
}
