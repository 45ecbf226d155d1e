//! Does an edited text still parse, and is it another program? A hash over the syntax tree, comments and layout apart.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tree_sitter::{InputEdit, Node, Parser, Point, Tree, TreeCursor};

use super::Source;
use crate::syntax::language::Language;
use crate::syntax::regions::is_comment;

/// Nodes of at least so many bytes have their hash kept: an edit rehashes only what lies on the way to it.
const REMEMBERED_BYTES: usize = 24;

/// The hash of a tree, in parts that can be reused, and how many errors it has.
#[derive(Debug)]
pub(super) struct Shape {
    hash: u64,
    errors: usize,
    parts: HashMap<(usize, usize, u16), u64>,
}

impl Shape {
    pub(super) fn of(tree: &Tree, text: &str) -> Self {
        let mut parts = HashMap::new();
        let hash = hash_all(tree.root_node(), text.as_bytes(), &mut parts);
        let errors = if tree.root_node().has_error() { count_errors(tree) } else { 0 };
        Self { hash: with_errors(hash, errors), errors, parts }
    }
    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

thread_local! {
    static PARSERS: RefCell<HashMap<Language, Parser>> = RefCell::new(HashMap::new());
}

/// What changed between two texts: bytes `start..old_end` of the old one became `start..new_end` of the new one.
#[derive(Debug, Clone, Copy)]
struct Change {
    start: usize,
    old_end: usize,
    new_end: usize,
}

/// Does `new_text` parse without errors that `source` has not, and is it another tree than `source`? Its hash if so:
/// two texts with the same hash are the same program but for comments, layout and needless parentheses.
pub fn check(source: &Source, new_text: &str) -> Option<u64> {
    let (old, new) = (source.text.as_bytes(), new_text.as_bytes());
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let room = old.len().min(new.len()) - start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    check_change(source, new_text, Change { start, old_end: old.len() - same_end, new_end: new.len() - same_end })
}

fn check_change(source: &Source, new_text: &str, change: Change) -> Option<u64> {
    if change.start == change.old_end && change.start == change.new_end {
        return None;
    }
    let tree = parse_again(source, new_text, change)?;
    let root = tree.root_node();
    if root.has_error() && source.shape.errors == 0 {
        return None;
    }
    let errors = if root.has_error() { count_errors(&tree) } else { 0 };
    if errors > source.shape.errors {
        return None;
    }
    let hash = with_errors(hash_changed(root, new_text.as_bytes(), change, &source.shape.parts), errors);
    (hash != source.shape.hash).then_some(hash)
}

/// A missing semicolon is silent in the tree: the text with it differs by one error.
fn with_errors(hash: u64, errors: usize) -> u64 {
    hash.wrapping_add((errors as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn parse_again(source: &Source, new_text: &str, change: Change) -> Option<Tree> {
    let mut old = source.tree.clone();
    let start = point(source.text.as_bytes(), change.start);
    old.edit(&InputEdit {
        start_byte: change.start,
        old_end_byte: change.old_end,
        new_end_byte: change.new_end,
        start_position: start,
        old_end_position: point(source.text.as_bytes(), change.old_end),
        new_end_position: point(new_text.as_bytes(), change.new_end),
    });
    PARSERS.with_borrow_mut(|parsers| {
        let parser = match parsers.entry(source.language) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let mut parser = Parser::new();
                parser.set_language(&source.language.grammar()).ok()?;
                entry.insert(parser)
            }
        };
        parser.parse(new_text, Some(&old))
    })
}

fn point(text: &[u8], at: usize) -> Point {
    let before = &text[..at];
    let row = before.iter().filter(|byte| **byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    Point { row, column }
}

fn count_errors(tree: &Tree) -> usize {
    let mut count = 0;
    crate::syntax::functions::each_node(tree.root_node(), &mut |node| {
        count += usize::from(node.is_error() || node.is_missing());
    });
    count
}

/// A node that says nothing of its own: layout, or a pair of parentheses around an expression.
fn is_silent(node: Node<'_>) -> bool {
    is_comment(node) || (!node.is_named() && matches!(node.kind(), ";" | "\n" | "(" | ")"))
}

fn is_transparent(node: Node<'_>) -> bool {
    node.kind() == "parenthesized_expression"
}

fn hash_leaf(node: Node<'_>, text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.kind_id().hash(&mut hasher);
    text.get(node.byte_range()).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// Hashes bottom up. Recursion is as deep as the tree; trees deeper than this are cut to their text.
const MAX_DEPTH: usize = 400;

fn hash_node(
    cursor: &mut TreeCursor<'_>,
    text: &[u8],
    depth: usize,
    known: &mut dyn FnMut(Node<'_>, Option<u64>) -> Option<u64>,
) -> u64 {
    let node = cursor.node();
    if let Some(hash) = known(node, None) {
        return hash;
    }
    if node.child_count() == 0 || depth > MAX_DEPTH || node.kind() == "string_content" {
        return hash_leaf(node, text);
    }
    let mut hasher = DefaultHasher::new();
    node.kind_id().hash(&mut hasher);
    let mut only = None;
    let mut count = 0;
    cursor.goto_first_child();
    loop {
        let child = cursor.node();
        if !is_silent(child) {
            let hash = hash_node(cursor, text, depth + 1, known);
            hash.hash(&mut hasher);
            only = Some(hash);
            count += 1;
        }
        if !cursor.goto_next_sibling() {
            break;
        }
    }
    cursor.goto_parent();
    let hash = match only {
        Some(only) if count == 1 && is_transparent(node) => only,
        _ => hasher.finish(),
    };
    known(node, Some(hash));
    hash
}

fn hash_all(root: Node<'_>, text: &[u8], parts: &mut HashMap<(usize, usize, u16), u64>) -> u64 {
    let mut cursor = root.walk();
    hash_node(&mut cursor, text, 0, &mut |node, hash| {
        if let Some(hash) = hash
            && node.byte_range().len() >= REMEMBERED_BYTES
        {
            parts.insert((node.start_byte(), node.end_byte(), node.kind_id()), hash);
        }
        None
    })
}

fn hash_changed(root: Node<'_>, text: &[u8], change: Change, parts: &HashMap<(usize, usize, u16), u64>) -> u64 {
    let mut cursor = root.walk();
    hash_node(&mut cursor, text, 0, &mut |node, hash| {
        if hash.is_some() || node.byte_range().len() < REMEMBERED_BYTES {
            return None;
        }
        let (start, end) = (node.start_byte(), node.end_byte());
        let key = if end < change.start {
            (start, end)
        } else if start > change.new_end {
            (start - change.new_end + change.old_end, end - change.new_end + change.old_end)
        } else {
            return None;
        };
        parts.get(&(key.0, key.1, node.kind_id())).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixer::mutate::edits::Project;

    fn hash(file: &str, old: &str, new: &str) -> Option<u64> {
        let project = Project::load(vec![(file.into(), old.into())], |_| true);
        check(&project.sources()[0], new)
    }

    #[test]
    fn layout_comments_and_needless_parentheses_are_not_another_program() {
        let old = "def f(a, b):\n    return a + b * 2\n\ndef g():\n    pass\n";
        assert_eq!(
            hash("a.py", old, "def f(a,  b):\n    # note\n    return (a + (b * 2))\n\ndef g():\n    pass\n"),
            None
        );
        assert!(hash("a.py", old, "def f(a, b):\n    return (a + b) * 2\n\ndef g():\n    pass\n").is_some());
        assert_eq!(hash("a.js", "let a = 1\nlet b = 2", "let a = 1;\nlet b = 2;"), None);
    }

    #[test]
    fn a_text_with_a_new_error_is_no_candidate() {
        assert_eq!(hash("a.py", "x = 1\n", "x = = 1\n"), None);
        // an old error may stay, and may go
        assert!(hash("a.py", "x = (1\ny = 2\n", "x = (1)\ny = 2\n").is_some());
    }

    #[test]
    fn the_reused_hash_is_the_hash_of_the_whole_text() {
        let old = "def first(values):\n    return values[0] + values[1]\n\ndef second(values):\n    return values[1] + values[2]\n";
        let new = old.replace("values[0]", "values[0 + 3]");
        let project = Project::load(vec![("a.py".into(), old.into())], |_| true);
        let fresh = Project::load(vec![("a.py".into(), new.clone().into())], |_| true);
        assert_eq!(check(&project.sources()[0], &new), Some(fresh.sources()[0].shape.hash));
    }
}
