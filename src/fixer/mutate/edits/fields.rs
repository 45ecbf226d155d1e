//! Fields of objects: which of them stand together, and what they begin with: `self.items = []` in what makes one.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::{Node, Tree};

use super::languages::Role;
use super::scope::Names;
use super::view::View;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Longer values are no plain beginning.
const MOST_BYTES: usize = 12;

/// A field with the value that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning {
    /// As methods write it: `self.items`.
    pub field: String,
    /// `[]`, `0`, `Vec::new()`
    pub value: String,
    /// Where the field is known.
    pub class: Range<usize>,
}

/// The first plain value of each field, in the order of the text.
pub(super) fn beginnings(view: View<'_>, tree: &Tree) -> Vec<Beginning> {
    let mut found: Vec<Beginning> = Vec::new();
    each_node(tree.root_node(), &mut |node| {
        let Some((field, value)) = field_of(view, node) else { return };
        let class = view.ancestor(node, |role| role == Role::Class);
        // a value of Rust's is made anywhere
        let class = class.filter(|_| view.language != Language::Rust).unwrap_or(tree.root_node()).byte_range();
        let is_new = found.iter().all(|known| known.field != field || known.class != class);
        if is_new && value.byte_range().len() <= MOST_BYTES && is_plain(view, value) {
            found.push(Beginning { field, value: view.of(value).to_owned(), class });
        }
    });
    found
}

fn field_of<'t>(view: View<'_>, node: Node<'t>) -> Option<(String, Node<'t>)> {
    match view.role(node) {
        Role::Assign => {
            let (left, right) = view.assignment(node)?;
            let (object, _) = view.member(left)?;
            view.words().words.this.contains(&view.of(object)).then(|| (view.of(left).to_owned(), right))
        }
        Role::Pair if view.language == Language::Rust => {
            let (field, value) = (node.child_by_field_name("field")?, node.child_by_field_name("value")?);
            Some((format!("self.{}", view.of(field)), value))
        }
        _ => None,
    }
}

/// A literal, or an object that is made from nothing.
fn is_plain(view: View<'_>, value: Node<'_>) -> bool {
    match view.role(value) {
        Role::Number | Role::Str | Role::Null | Role::Bool => true,
        Role::List | Role::Dict => value.named_child_count() == 0,
        Role::Call | Role::New => {
            view.call(value).is_some_and(|call| call.receiver.is_none()) && view.arguments(value).is_empty()
        }
        _ => false,
    }
}

/// So many records of a file are known.
const MOST_RECORDS: usize = 40;

/// Names of fields that stand together: in an object literal, in a dictionary, in a class.
pub(super) fn records(view: View<'_>, tree: &Tree, names: &Names) -> Vec<BTreeSet<String>> {
    let plain = |(field, is_method): (&String, &bool)| (!is_method).then(|| field.clone());
    let mut found: Vec<BTreeSet<String>> =
        names.classes.iter().map(|(_, fields)| fields.iter().filter_map(plain).collect()).collect();
    each_node(tree.root_node(), &mut |node| {
        if node.kind() == "object" {
            let keys = view.children(node).into_iter().filter_map(|child| match child.kind() {
                "pair" => child.child_by_field_name("key").filter(|key| key.kind() == "property_identifier"),
                "shorthand_property_identifier" => Some(child),
                _ => None,
            });
            found.push(keys.map(|key| view.of(key).to_owned()).collect());
        }
        if node.kind() == "dictionary" {
            let keys = view.children(node).into_iter().filter_map(|pair| pair.child_by_field_name("key"));
            found.push(keys.filter_map(|key| view.unquoted(key)).map(str::to_owned).collect());
        }
    });
    found.retain(|record| record.len() > 1);
    found.dedup();
    found.truncate(MOST_RECORDS);
    found
}

/// Names of fields and keys that a file says: `page.title`, `page["title"]`, `{ title }`.
pub(super) fn said(view: View<'_>, tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    each_node(tree.root_node(), &mut |node| {
        if let Some(key) = view.unquoted(node) {
            found.insert(key.to_owned());
        } else if node.kind().contains("property_identifier") {
            found.insert(view.of(node).to_owned());
        } else if let Some((_, field)) = view.member(node) {
            found.insert(view.of(field).to_owned());
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixer::mutate::edits::Project;

    fn of(file: &str, text: &str) -> Vec<(String, String)> {
        let project = Project::load(vec![(file.into(), text.as_bytes().to_vec())], |_| true);
        let source = &project.sources()[0];
        beginnings(source.view(), &source.tree).into_iter().map(|one| (one.field, one.value)).collect()
    }

    #[test]
    fn plain_values_are_what_fields_begin_with_in_each_language() {
        let pair = |field: &str, value: &str| (field.to_owned(), value.to_owned());
        let python = "class A:\n    def __init__(self, size):\n        self.items = []\n        self.size = size\n        \
                      self.seen = set()\n        self.table = [[]]\n\n    def clear(self):\n        self.items = [0]\n";
        assert_eq!(of("a.py", python), [pair("self.items", "[]"), pair("self.seen", "set()")]);
        let js = "class A {\n  constructor() {\n    this.map = new Map();\n    this.n = 0;\n    other.n = 1;\n  }\n}\n";
        assert_eq!(of("a.js", js), [pair("this.map", "new Map()"), pair("this.n", "0")]);
        let rust = "fn new(n: u32) -> A {\n    A { on: false, n, items: Vec::new(), next: n + 1 }\n}\n";
        assert_eq!(of("a.rs", rust), [pair("self.on", "false"), pair("self.items", "Vec::new()")]);
    }
}
