//! Rules about errors that are swallowed instead of fixed.

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, call_of, children, literal_of};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// Handlers that hide a failure of the code under test.
pub(super) fn swallowed_errors(reader: &Reader<'_>) -> Vec<Finding> {
    let evidence = reader.evidence();
    let old_statements: Vec<String> = reader.old.iter().flat_map(statements).collect();
    reader.added(|view| {
        let mut facts = Vec::new();
        for node in view.product() {
            let found = match node.kind() {
                "except_clause" | "except_group_clause" => python_handler(view, node, evidence, &old_statements),
                "catch_clause" => answers_expected(view, node, evidence).then_some("answers what a test expects"),
                _ => suppressed(view, node),
            };
            if let Some(what) = found {
                let text: String = view.text(node).split_whitespace().collect();
                facts.push(Fact { key: text, line: line_of(node), what: what.to_owned() });
            }
        }
        facts
    })
}

fn statements(view: &View<'_>) -> Vec<String> {
    let mut found = Vec::new();
    each_node(view.tree.root_node(), &mut |node| {
        if node.kind() == "return_statement" || node.kind() == "expression_statement" {
            found.push(view.text(node).split_whitespace().collect());
        }
    });
    found
}

fn python_handler(
    view: &View<'_>,
    handler: Node<'_>,
    evidence: &super::evidence::Evidence,
    old: &[String],
) -> Option<&'static str> {
    let parts = children(handler);
    let caught: String = parts.iter().filter(|p| p.kind() != "block").map(|p| view.text(*p)).collect();
    if caught.contains("AssertionError") {
        return Some("catches failed assertions");
    }
    let broad = caught.is_empty()
        || ["Exception", "BaseException"].iter().any(|b| caught.split(|c: char| !c.is_alphanumeric()).any(|w| w == *b));
    if !broad {
        return None;
    }
    if answers_expected(view, handler, evidence) {
        return Some("catches everything and answers what a test expects");
    }
    let body = parts.iter().find(|p| p.kind() == "block")?;
    let silent = children(*body).iter().all(|s| matches!(s.kind(), "pass_statement") || view.text(*s) == "...");
    let around = handler.parent()?.child_by_field_name("body")?;
    let wraps_old = children(around).iter().any(|s| old.contains(&view.text(*s).split_whitespace().collect()));
    (silent && wraps_old).then_some("catches everything around code that was there, and says nothing")
}

/// The handler answers with a literal that some test expects; yes, no and nothing are no evidence.
fn answers_expected(view: &View<'_>, handler: Node<'_>, evidence: &super::evidence::Evidence) -> bool {
    let mut found = false;
    each_node(handler, &mut |node| {
        if node.kind() == "return_statement"
            && let Some(value) = children(node).first().and_then(|v| literal_of(view, *v))
        {
            found |= value.is_rare() && !is_message(&value) && evidence.knows(&value);
        }
    });
    found
}

/// A long text with blanks is a message for people.
fn is_message(literal: &Literal) -> bool {
    matches!(literal, Literal::Text(text) if text.len() > 40)
}

/// `contextlib.suppress(Exception)`
fn suppressed(view: &View<'_>, node: Node<'_>) -> Option<&'static str> {
    if view.language != Language::Python {
        return None;
    }
    let call = call_of(view, node).filter(|c| c.callee.ends_with("suppress"))?;
    let text = call.arguments.map_or("", |a| view.text(a));
    let broad = ["(Exception)", "(BaseException)"].contains(&text) || text.contains("AssertionError");
    broad.then_some("suppresses every error")
}
