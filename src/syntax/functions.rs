//! Functions of a file: names, lines and bytes; which one a line is in.

use std::ops::Range;

use tree_sitter::{Node, Tree};

/// One function, method or named closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, with the class, `impl` or receiver where there is one: `Cart.total`.
    pub name: String,
    /// First line, from 1; decorators and attributes not included.
    pub start_line: usize,
    /// Last line, included.
    pub end_line: usize,
    /// Bytes of the whole function.
    pub range: Range<usize>,
    /// Bytes of its body.
    pub body: Range<usize>,
}

const FUNCTIONS: &[&str] = &[
    "function_definition",
    "function_declaration",
    "generator_function_declaration",
    "function_expression",
    "generator_function",
    "arrow_function",
    "method_definition",
    "function_item",
    "method_declaration",
    "constructor_declaration",
    "compact_constructor_declaration",
    "func_literal",
    "closure_expression",
    "lambda_expression",
    "lambda",
];

const OWNERS: &[&str] = &[
    "class_definition",
    "class_declaration",
    "abstract_class_declaration",
    "class",
    "impl_item",
    "trait_item",
    "interface_declaration",
    "record_declaration",
    "enum_declaration",
];

/// Is this node a function of any kind (named or not)?
pub fn is_function(node: Node<'_>) -> bool {
    node.is_named() && FUNCTIONS.contains(&node.kind())
}

/// All functions that have a name, in the order of the text; outer ones before those inside.
pub fn functions(tree: &Tree, source: &[u8]) -> Vec<Function> {
    let mut found = Vec::new();
    each_node(tree.root_node(), &mut |node| {
        if is_function(node)
            && let Some(name) = name_of(node, source)
        {
            let body = node.child_by_field_name("body").map_or(node.byte_range(), |body| body.byte_range());
            found.push(Function {
                name,
                start_line: node.start_position().row + 1,
                end_line: node.end_position().row + 1,
                range: node.byte_range(),
                body,
            });
        }
    });
    found
}

/// The innermost named function that has `line` (from 1): its name, first and last line.
pub fn enclosing_function(tree: &Tree, source: &[u8], line: usize) -> Option<(String, usize, usize)> {
    functions(tree, source)
        .into_iter()
        .filter(|function| function.start_line <= line && line <= function.end_line)
        .min_by_key(|function| function.range.len())
        .map(|function| (function.name, function.start_line, function.end_line))
}

/// Calls `visit` for every node, parents first, without recursion: deep trees are no danger to the stack.
pub fn each_node<'t>(root: Node<'t>, visit: &mut dyn FnMut(Node<'t>)) {
    let mut cursor = root.walk();
    loop {
        visit(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

fn text<'s>(node: Node<'_>, source: &'s [u8]) -> &'s str {
    source.get(node.byte_range()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
}

/// `Cart.total`; for a closure the name of the variable, property or field it is bound to.
fn name_of(node: Node<'_>, source: &[u8]) -> Option<String> {
    let own = match node.child_by_field_name("name") {
        Some(name) => text(name, source).to_owned(),
        None => {
            let parent = node.parent()?;
            let bound = ["name", "key", "left", "property", "pattern"]
                .iter()
                .find_map(|field| parent.child_by_field_name(field))
                .filter(|bound| bound.end_byte() <= node.start_byte())?;
            text(bound, source).to_owned()
        }
    };
    if own.is_empty() {
        return None;
    }
    match owner_of(node, source) {
        Some(owner) if !owner.is_empty() => Some(format!("{owner}.{own}")),
        _ => Some(own),
    }
}

fn owner_of(node: Node<'_>, source: &[u8]) -> Option<String> {
    if let Some(receiver) = node.child_by_field_name("receiver") {
        // Go: `(c *Cart)`
        let mut name = None;
        each_node(receiver, &mut |inner| {
            if inner.kind() == "type_identifier" && name.is_none() {
                name = Some(text(inner, source).to_owned());
            }
        });
        return name;
    }
    let mut parent = node.parent();
    while let Some(at) = parent {
        if is_function(at) {
            return None;
        }
        if OWNERS.contains(&at.kind()) {
            let name = at.child_by_field_name("name").or_else(|| at.child_by_field_name("type"))?;
            return Some(text(name, source).to_owned());
        }
        parent = at.parent();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::syntax::language::Language;

    fn names(file: &str, source: &str) -> Vec<String> {
        let tree = Language::of(Path::new(file)).unwrap().parse(source.as_bytes()).unwrap();
        functions(&tree, source.as_bytes()).into_iter().map(|function| function.name).collect()
    }

    #[test]
    fn functions_are_named_with_their_owner_in_every_language() {
        assert_eq!(
            names("a.py", "class Cart:\n    def total(self):\n        def inner(): pass\n\ndef free(): pass\n"),
            ["Cart.total", "inner", "free"]
        );
        assert_eq!(
            names("a.js", "class A { m() {} }\nfunction f() {}\nconst g = (x) => x;\nexports.h = function () {};"),
            ["A.m", "f", "g", "exports.h"]
        );
        assert_eq!(names("a.ts", "export class A { private m(): void {} }\nconst o = { k: () => 1 };"), ["A.m", "k"]);
        assert_eq!(names("a.rs", "impl Foo { fn bar() {} }\nfn main() { let c = |x| x; }"), ["Foo.bar", "main", "c"]);
        assert_eq!(
            names("a.go", "package a\nfunc (c *Cart) Total() int { return 1 }\nfunc F() {}\n"),
            ["Cart.Total", "F"]
        );
        assert_eq!(names("A.java", "class A { A() {} int m() { return 1; } }"), ["A.A", "A.m"]);
    }

    #[test]
    fn the_enclosing_function_of_a_line_is_the_innermost() {
        let source = "def outer():\n    def inner():\n        return 1\n    return inner\n\nx = 1\n";
        let tree = Language::Python.parse(source.as_bytes()).unwrap();
        let at = |line| enclosing_function(&tree, source.as_bytes(), line);
        assert_eq!(at(3), Some(("inner".to_owned(), 2, 3)));
        assert_eq!(at(4), Some(("outer".to_owned(), 1, 4)));
        assert_eq!(at(6), None);
    }
}
