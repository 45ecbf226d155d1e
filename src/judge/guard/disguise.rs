//! Rules about looked-up answers in disguise: a tested input asked for by its length or by a sum, and tested outputs that
//! are picked from a list or laid down in a memory beforehand.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, call_of, children, enclosing, literal_of, literals_in, receiver_of};
use super::evidence::Evidence;
use super::uses::{computes_with, earlier, versions};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::functions::each_node;

/// A shorter length is asked for by honest code, too.
const LONG: f64 = 8.0;
/// So many outputs of one test case in one list are no coincidence.
const MANY: usize = 3;
/// … when they are at least this share of the list.
const SHARE: f64 = 0.8;

/// Does a comparison of `subjects` with `condition` ask for a tested input by its length, or by a sum that it comes to,
/// where `result` is what a test expects?
pub(super) fn asks_in_disguise(
    evidence: &Evidence,
    view: &View<'_>,
    subjects: &[Node<'_>],
    condition: &Literal,
    result: &Literal,
) -> bool {
    let Literal::Number(number) = condition else { return false };
    if !result.is_rare() || !evidence.knows(result) {
        return false;
    }
    let long = number.parse::<f64>().ok().filter(|n| *n >= LONG);
    subjects.iter().any(|subject| {
        let measured = is_length(view, *subject) && long.is_some_and(|n| evidence.has_text_of(n as usize, result));
        measured || is_sum(view, *subject)
    })
}

fn is_length(view: &View<'_>, subject: Node<'_>) -> bool {
    let text: String = view.text(subject).split_whitespace().collect();
    text.starts_with("len(")
        || [".length", ".len()", ".length()", ".size()", ".count()"].iter().any(|e| text.ends_with(e))
}

/// `rate * 2`, `n + 1`: a name and numbers. A remainder is how honest code asks.
fn is_sum(view: &View<'_>, subject: Node<'_>) -> bool {
    let operator = subject.child_by_field_name("operator").map_or("", |o| view.text(o));
    let numbers = literals_in(view, subject).iter().filter(|l| matches!(l, Literal::Number(_))).count();
    let mut named = false;
    each_node(subject, &mut |node| named |= node.kind() == "identifier");
    matches!(operator, "+" | "-" | "*" | "^" | "<<" | "**") && numbers > 0 && named
}

/// An answer that is picked from a list of what a test expects: `["1", "2", "Fizz"][n]`, `"1 2 Fizz".split()[n]`.
pub(super) fn answer_lists(reader: &Reader<'_>) -> Vec<Finding> {
    let evidence = reader.evidence();
    reader.added(|view| {
        let picks = view.product().into_iter().filter_map(|node| pick(view, node));
        picks
            .filter(|(_, index, pieces)| is_list_of_outputs(evidence, pieces) && was_computed(reader, view, *index))
            .map(|(node, _, pieces)| Fact {
                key: view.text(node).split_whitespace().collect(),
                line: line_of(node),
                what: format!("picks the answer from a list of {} that a test expects", pieces.len()),
            })
            .collect()
    })
}

/// The literals that an index picks from: `(whole, index, literals)`.
fn pick<'t>(view: &View<'_>, node: Node<'t>) -> Option<(Node<'t>, Node<'t>, Vec<Literal>)> {
    if !matches!(node.kind(), "subscript" | "subscript_expression" | "index_expression") {
        return None;
    }
    let [container, index, ..] = children(node)[..] else { return None };
    if literal_of(view, index).is_some() {
        return None;
    }
    let pieces = match container.kind() {
        "list" | "tuple" | "array" | "array_expression" | "composite_literal" => literals_in(view, container),
        "call" | "call_expression" => {
            let Literal::Text(text) = literal_of(view, receiver_of(container)?)? else { return None };
            let split = call_of(view, container)?.callee.ends_with(".split");
            let pieces =
                text.split([' ', ',', ';', '|']).filter(|p| !p.is_empty()).map(|p| Literal::Text(p.to_owned()));
            split.then(|| pieces.collect())?
        }
        _ => return None,
    };
    Some((node, index, pieces))
}

fn is_list_of_outputs(evidence: &Evidence, pieces: &[Literal]) -> bool {
    let said: BTreeSet<&Literal> = pieces.iter().filter(|p| **p != Literal::Nothing).collect();
    let known: Vec<&Literal> = said.iter().copied().filter(|p| evidence.knows(p)).collect();
    known.len() >= MANY && known.len() as f64 >= SHARE * said.len() as f64 && evidence.together(&known)
}

/// Did the function of before compute with what is the index now?
fn was_computed(reader: &Reader<'_>, view: &View<'_>, index: Node<'_>) -> bool {
    let Some(function) = enclosing(index) else { return false };
    let mut words = BTreeSet::new();
    each_node(index, &mut |node| {
        if node.kind() == "identifier" {
            words.insert(view.text(node).to_owned());
        }
    });
    earlier(reader, view, function).any(|(old, was)| words.iter().any(|word| computes_with(old, was, word)))
}

/// A memory that knows a test's answer before anybody asks: `seen["x"] = "y"`, where `seen` is asked by a function that
/// computes.
pub(super) fn seeded_memories(reader: &Reader<'_>) -> Vec<Finding> {
    let evidence = reader.evidence();
    reader.added(|view| {
        let seeds = view.product().into_iter().filter_map(|node| seed(view, node));
        seeds
            .filter(|seed| {
                (seed.key.is_rare() || seed.value.is_rare())
                    && evidence.together(&[&seed.key, &seed.value])
                    && is_asked(reader, view, seed.memory)
            })
            .map(|seed| Fact {
                key: view.text(seed.node).split_whitespace().collect(),
                line: line_of(seed.node),
                what: format!("`{}` knows a test's answer beforehand", seed.memory),
            })
            .collect()
    })
}

struct Seed<'v, 't> {
    node: Node<'t>,
    memory: &'v str,
    key: Literal,
    value: Literal,
}

fn seed<'v, 't>(view: &View<'v>, node: Node<'t>) -> Option<Seed<'v, 't>> {
    let (memory, key, value) = match node.kind() {
        "assignment" | "assignment_expression" => {
            let place = node.child_by_field_name("left")?;
            if !matches!(place.kind(), "subscript" | "subscript_expression" | "index_expression") {
                return None;
            }
            let [memory, key, ..] = children(place)[..] else { return None };
            (view.text(memory), key, node.child_by_field_name("right")?)
        }
        "call" | "call_expression" => {
            let call = call_of(view, node)?;
            let (_, method) = call.callee.rsplit_once('.')?;
            let [key, value] = children(call.arguments?)[..] else { return None };
            let memory = receiver_of(node)?;
            matches!(method, "set" | "insert" | "setdefault" | "put").then_some((view.text(memory), key, value))?
        }
        _ => return None,
    };
    Some(Seed { node, memory, key: literal_of(view, key)?, value: literal_of(view, value)? })
}

/// Does a function ask `memory` that computes with one of its parameters, now or before?
fn is_asked(reader: &Reader<'_>, view: &View<'_>, memory: &str) -> bool {
    let marks = [format!("{memory}["), format!("{memory}.get("), format!("in {memory}"), format!("{memory}.has(")];
    view.product().into_iter().filter(|node| crate::syntax::functions::is_function(*node)).any(|function| {
        let text = view.text(function);
        if !marks.iter().any(|mark| text.contains(mark.as_str())) {
            return false;
        }
        let parameters = function.child_by_field_name("parameters").map_or("", |list| view.text(list));
        let words = parameters.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        versions(reader, view, function).any(|(view, function)| words.iter().any(|w| computes_with(view, function, w)))
    })
}
