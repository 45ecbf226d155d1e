//! Functions, methods and classes of a source file by name and lines, from its syntax tree.

use std::path::Path;

use crate::syntax::language::Language;

/// A named piece of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its own name.
    pub name: String,
    /// First line, from 1.
    pub line: usize,
    /// Last line, included.
    pub end_line: usize,
    /// It can be called (a function or method, not a class or module).
    pub callable: bool,
}

/// The symbols of a file, outer before inner; empty for languages without a grammar.
pub fn symbols(path: &str, source: &[u8]) -> Vec<Symbol> {
    let Some(tree) = Language::of(Path::new(path)).and_then(|language| language.parse(source)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut cursor = tree.walk();
    // an explicit walk: deep trees must not overflow the stack
    loop {
        if let Some(symbol) = symbol_of(cursor.node(), source) {
            found.push(symbol);
        }
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return found;
            }
        }
    }
}

fn symbol_of(node: tree_sitter::Node<'_>, source: &[u8]) -> Option<Symbol> {
    let callable = match node.kind() {
        "function_definition"
        | "function_declaration"
        | "generator_function_declaration"
        | "method_definition"
        | "function_item"
        | "method_declaration"
        | "constructor_declaration"
        | "macro_definition" => true,
        "class_definition"
        | "class_declaration"
        | "abstract_class_declaration"
        | "struct_item"
        | "enum_item"
        | "trait_item"
        | "impl_item"
        | "interface_declaration"
        | "enum_declaration"
        | "record_declaration"
        | "type_spec"
        | "mod_item" => false,
        "variable_declarator" | "public_field_definition" | "field_definition" => {
            let value = node.child_by_field_name("value")?;
            if !matches!(value.kind(), "arrow_function" | "function_expression" | "function") {
                return None;
            }
            true
        }
        _ => return None,
    };
    let name = ["name", "type", "property"].iter().find_map(|field| node.child_by_field_name(field))?;
    let name = name.utf8_text(source).ok()?.to_owned();
    // a decorator belongs to its function
    let outer = node.parent().filter(|p| p.kind() == "decorated_definition").unwrap_or(node);
    let (line, end_line) = (outer.start_position().row + 1, outer.end_position().row + 1);
    Some(Symbol { name, line, end_line, callable })
}

/// The innermost symbol around `line`, a callable one before a class.
pub fn enclosing(symbols: &[Symbol], line: usize) -> Option<&Symbol> {
    let around = symbols.iter().filter(|s| s.line <= line && line <= s.end_line);
    around.min_by_key(|s| (s.end_line - s.line, !s.callable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_methods_and_classes_are_found_in_every_language() {
        let table = [
            ("a.py", "class A:\n    @x\n    def b(self):\n        return 1\n", "b", 2, 4),
            ("a.js", "const f = (x) => {\n  return x\n}\n", "f", 1, 3),
            ("a.ts", "export class A { m(): number {\n return 1 } }\n", "m", 1, 2),
            ("a.rs", "impl A {\n    fn b(&self) {}\n}\n", "b", 2, 2),
            ("a.go", "package a\nfunc (t T) Sum() int {\n return 1\n}\n", "Sum", 2, 4),
            ("A.java", "class A {\n int f() {\n return 1; }\n}\n", "f", 2, 3),
        ];
        for (path, source, name, line, end_line) in table {
            let all = symbols(path, source.as_bytes());
            let found = all.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{path}: {all:?}"));
            assert_eq!((found.line, found.end_line, found.callable), (line, end_line, true), "{path}");
        }
    }

    #[test]
    fn the_innermost_symbol_wins() {
        let all = symbols("a.py", b"class A:\n    def b(self):\n        x = 1\n    y = 2\n");
        assert_eq!(enclosing(&all, 3).unwrap().name, "b");
        assert_eq!(enclosing(&all, 4).unwrap().name, "A");
        assert_eq!(enclosing(&all, 9), None);
    }

    #[test]
    fn a_file_without_grammar_has_no_symbols() {
        assert!(symbols("a.txt", b"def a(): pass").is_empty());
    }
}
