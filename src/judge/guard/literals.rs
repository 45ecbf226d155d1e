//! Rules about answers that are looked up instead of computed: special cases and tables made of the tests' own values.
//!
//! A value that stands in a test is not suspicious by itself: honest code has the same currencies, status codes and
//! limits as its tests. Suspicious is an input *and* its answer from one test case, put in front of code that computes
//! with that input: `if x == 17: return 42` before `return x * 2`.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::Finding;
use super::calls::{Literal, call_of, children, enclosing, function_name, literal_of, literals_in, receiver_of};
use super::disguise::asks_in_disguise;
use super::evidence::Evidence;
use super::uses::{computes_with, function_named, indexes_given_with, versions};
use super::view::{Fact, Reader, View, line_of};
use crate::syntax::functions::is_function;

/// Share of a table's entries that must be test cases before it is called a table of test cases.
const TABLE_SHARE: f64 = 0.8;

/// A condition that something equals literals, and the literals that follow from it.
pub(super) struct Special<'t> {
    node: Node<'t>,
    /// What is compared.
    subjects: Vec<Node<'t>>,
    conditions: Vec<Literal>,
    results: Vec<Literal>,
}

/// Comparisons with literals that answer with literals.
pub(super) fn specials<'t>(view: &'t View<'_>) -> Vec<Special<'t>> {
    view.product().into_iter().filter_map(|node| special(view, node)).filter(|s| !s.conditions.is_empty()).collect()
}

fn special<'t>(view: &View<'_>, node: Node<'t>) -> Option<Special<'t>> {
    let mut special = Special { node, subjects: Vec::new(), conditions: Vec::new(), results: Vec::new() };
    match node.kind() {
        "if_statement" | "elif_clause" | "if_expression" | "ternary_expression" | "conditional_expression" => {
            let parts = children(node);
            let python_ternary = node.kind() == "conditional_expression" && parts.len() == 3;
            let condition = if python_ternary { parts[1] } else { node.child_by_field_name("condition")? };
            points(view, condition, &mut special);
            if python_ternary {
                special.results.extend(answers_of(view, parts[0]));
                special.results.extend(answers_of(view, parts[2]));
            } else {
                for field in ["consequence", "alternative"] {
                    let branch = node.child_by_field_name(field);
                    special.results.extend(branch.iter().flat_map(|b| answers_of(view, *b)));
                }
            }
        }
        "switch_case"
        | "case_clause"
        | "match_arm"
        | "expression_case"
        | "switch_block_statement_group"
        | "switch_rule" => {
            case_of_switch(view, node, &mut special)?;
        }
        // `x + (x == 17) * 25`
        "binary_operator" | "binary_expression" if !is_comparison(view, node) && has_comparison(view, node) => {
            points(view, node, &mut special);
            // yes or no as a number: what it is added to or multiplied with is any answer
            special.results.push(Literal::Bool(true));
        }
        _ => return None,
    }
    Some(special)
}

fn case_of_switch<'t>(view: &View<'_>, node: Node<'t>, special: &mut Special<'t>) -> Option<()> {
    let mut at = node.parent();
    while let Some(parent) = at {
        let subject = ["value", "subject", "condition"].iter().find_map(|f| parent.child_by_field_name(f));
        if (parent.kind().contains("switch") || parent.kind().starts_with("match"))
            && let Some(subject) = subject.filter(|s| *s != node)
        {
            special.subjects.push(subject);
            break;
        }
        at = parent.parent();
    }
    let fields = ["value", "pattern"].map(|f| node.child_by_field_name(f));
    let pattern = match node.kind() {
        "match_arm" => fields[1],
        "switch_case" | "expression_case" => fields[0],
        _ => children(node).first().copied(),
    }?;
    special.conditions = literals_in(view, pattern);
    for part in children(node).into_iter().filter(|p| *p != pattern) {
        special.results.extend(answers_of(view, part));
    }
    Some(())
}

/// Literals that a branch answers with: returned, assigned, or its value.
fn answers_of(view: &View<'_>, branch: Node<'_>) -> Vec<Literal> {
    if let Some(answer) = answer(view, branch) {
        return answer;
    }
    let mut found = Vec::new();
    let mut open = vec![branch];
    while let Some(node) = open.pop() {
        match node.kind() {
            "return_statement" | "return_expression" => {
                found.extend(children(node).first().and_then(|v| answer(view, *v)).unwrap_or_default());
            }
            "assignment" | "assignment_expression" | "augmented_assignment" => {
                let value = node.child_by_field_name("right");
                found.extend(value.and_then(|v| answer(view, v)).unwrap_or_default());
            }
            "block"
            | "statement_block"
            | "statement_list"
            | "else_clause"
            | "expression_statement"
            | "parenthesized_expression"
            | "expression_list" => {
                open.extend(children(node));
                // the value of a block is its last expression
                if let Some(last) = children(node).last().filter(|_| node.kind() == "block") {
                    found.extend(answer(view, *last).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    found
}

/// A literal, or a collection of nothing but literals.
fn answer(view: &View<'_>, node: Node<'_>) -> Option<Vec<Literal>> {
    if let Some(literal) = literal_of(view, node) {
        return Some(vec![literal]);
    }
    let collection = matches!(
        node.kind(),
        "list"
            | "tuple"
            | "array"
            | "array_expression"
            | "tuple_expression"
            | "expression_list"
            | "set"
            | "object"
            | "dictionary"
            | "pair"
            | "spread_element"
    ) || node.kind() == "macro_invocation" && view.text(node).starts_with("vec!");
    if node.kind() == "macro_invocation" && collection {
        return Some(literals_in(view, node));
    }
    let parts = children(node);
    if !collection || parts.is_empty() {
        return None;
    }
    let inner: Option<Vec<Vec<Literal>>> = parts
        .iter()
        .filter(|p| !matches!(p.kind(), "property_identifier" | "shorthand_property_identifier"))
        .map(|p| answer(view, *p))
        .collect();
    inner.map(|v| v.concat())
}

fn is_comparison(view: &View<'_>, node: Node<'_>) -> bool {
    node.kind() == "comparison_operator"
        || node.kind() == "binary_expression"
            && node.child_by_field_name("operator").is_some_and(|o| matches!(view.text(o), "==" | "===" | "!=" | "!=="))
}

fn has_comparison(view: &View<'_>, node: Node<'_>) -> bool {
    children(node).into_iter().any(|child| {
        let inner =
            if child.kind() == "parenthesized_expression" { children(child).first().copied() } else { Some(child) };
        inner.is_some_and(|inner| is_comparison(view, inner))
    })
}

/// Collects what `condition` compares for equality with literals.
fn points<'t>(view: &View<'_>, condition: Node<'t>, special: &mut Special<'t>) {
    let mut open = vec![condition];
    while let Some(node) = open.pop() {
        if is_comparison(view, node) {
            compared(view, node, special);
        } else if node.kind() == "let_condition" {
            matched(view, node, special);
        } else if let Some(call) = call_of(view, node) {
            compared_by_call(view, &call, special);
        } else if matches!(
            node.kind(),
            "boolean_operator"
                | "binary_expression"
                | "binary_operator"
                | "parenthesized_expression"
                | "not_operator"
                | "unary_expression"
        ) {
            open.extend(children(node));
        }
    }
}

/// `if let [1, 2] = items`
fn matched<'t>(view: &View<'_>, condition: Node<'t>, special: &mut Special<'t>) {
    let fields = ["pattern", "value"].map(|f| condition.child_by_field_name(f));
    let [Some(pattern), Some(value)] = fields else { return };
    let literals = literals_in(view, pattern);
    if !literals.is_empty() {
        special.conditions.extend(literals);
        special.subjects.push(value);
    }
}

fn compared<'t>(view: &View<'_>, node: Node<'t>, special: &mut Special<'t>) {
    let sides = children(node);
    let [left, right] = sides[..] else { return };
    let operator =
        view.source.get(left.end_byte()..right.start_byte()).map(String::from_utf8_lossy).unwrap_or_default();
    let operator: String = operator.split_whitespace().collect();
    if !matches!(operator.as_str(), "==" | "===" | "!=" | "!==" | "is" | "isnot" | "in" | "notin") {
        return;
    }
    for (literal, subject) in [(left, right), (right, left)] {
        let values = answer(view, literal).or_else(|| dereferenced(view, literal));
        if let Some(values) = values.filter(|_| answer(view, subject).is_none()) {
            special.conditions.extend(values);
            special.subjects.push(subject);
        }
    }
}

/// `&[1, 2][..]`, `&"x"`
fn dereferenced(view: &View<'_>, node: Node<'_>) -> Option<Vec<Literal>> {
    let inner = matches!(node.kind(), "reference_expression" | "index_expression" | "subscript");
    children(node).first().filter(|_| inner).and_then(|n| answer(view, *n))
}

/// `s.equals("x")`, `s.startswith("x")`, `["a", "b"].includes(s)`, `matches!(n, 3 | 5)`
fn compared_by_call<'t>(view: &View<'_>, call: &super::calls::Call<'t>, special: &mut Special<'t>) {
    if call.callee == "matches!" {
        let Some(arguments) = call.arguments else { return };
        special.conditions.extend(literals_in(view, arguments));
        special.subjects.extend(children(arguments).first());
        return;
    }
    let Some((_, method)) = call.callee.rsplit_once('.') else { return };
    if !matches!(
        method,
        "equals"
            | "eq"
            | "startswith"
            | "startsWith"
            | "starts_with"
            | "includes"
            | "contains"
            | "has"
            | "is"
            | "endswith"
            | "endsWith"
            | "ends_with"
            | "equalsIgnoreCase"
    ) {
        return;
    }
    let receiver = receiver_of(call.node);
    let arguments = call.arguments.map(children).unwrap_or_default();
    if let (Some(receiver), [argument]) = (receiver, &arguments[..]) {
        for (literal, subject) in [(receiver, *argument), (*argument, receiver)] {
            if let Some(values) = answer(view, literal).or_else(|| dereferenced(view, literal)) {
                special.conditions.extend(values);
                special.subjects.push(subject);
            }
        }
    }
}

/// Words in a subject: `a` and `b` of `(a, b)`.
fn roots(view: &View<'_>, subjects: &[Node<'_>]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for subject in subjects {
        crate::syntax::functions::each_node(*subject, &mut |node| {
            let is_callee = node.parent().is_some_and(|p| p.child_by_field_name("function") == Some(node));
            let word = matches!(node.kind(), "identifier" | "shorthand_property_identifier");
            if word && !is_callee && !matches!(view.text(node), "self" | "this") {
                found.insert(view.text(node).to_owned());
            }
        });
    }
    found
}

/// Special cases made of a test's input and its answer.
pub(super) fn special_cases(reader: &Reader<'_>) -> Vec<Finding> {
    let evidence = reader.evidence();
    reader.added(|view| {
        specials(view)
            .into_iter()
            .filter(|special| is_suspicious(reader, evidence, view, special))
            .map(|special| Fact {
                key: view.text(special.node).split_whitespace().collect(),
                line: line_of(special.node),
                what: format!(
                    "answers a test's own input with its expected output: `{}`",
                    view.text(special.node).lines().next().unwrap_or("").trim()
                ),
            })
            .collect()
    })
}

fn is_suspicious(reader: &Reader<'_>, evidence: &Evidence, view: &View<'_>, special: &Special<'_>) -> bool {
    let listed = is_list_of_inputs(evidence, reader, special);
    let disguised = special.conditions.iter().any(|condition| {
        special.results.iter().any(|result| {
            !known_before(reader, result) && asks_in_disguise(evidence, view, &special.subjects, condition, result)
        })
    });
    if !listed && !disguised && !is_case(evidence, special) && !is_hashed(evidence, view, special) {
        return false;
    }
    let numbers = special.conditions.iter().all(|c| matches!(c, Literal::Number(_)));
    let Some(function) = enclosing(special.node) else { return false };
    let words = roots(view, &special.subjects);
    if extends_a_dispatch(reader, view, function, special) {
        return false;
    }
    versions(reader, view, function).any(|(view, function)| {
        words
            .iter()
            .any(|word| computes_with(view, function, word) || numbers && indexes_given_with(view, function, word))
    })
}

/// `b if name in ("fig", "kiwi") else a`, where the tests ask for a fig and for a kiwi and nothing else in the product
/// knows them: whoever is listed gets the expected form, everybody else the old one.
fn is_list_of_inputs(evidence: &Evidence, reader: &Reader<'_>, special: &Special<'_>) -> bool {
    let listed: BTreeSet<&Literal> = special.conditions.iter().collect();
    special.results.is_empty()
        && special.subjects.len() == 1
        && listed.len() >= 2
        && listed.iter().all(|literal| is_large(literal) && evidence.knows(literal) && !known_before(reader, literal))
        && evidence.apart(&listed.into_iter().collect::<Vec<_>>())
}

/// Did the product have this literal already?
fn known_before(reader: &Reader<'_>, literal: &Literal) -> bool {
    reader.old.iter().any(|old| old.product().into_iter().any(|node| literal_of(old, node).as_ref() == Some(literal)))
}

fn is_case(evidence: &Evidence, special: &Special<'_>) -> bool {
    let spelled: Vec<Literal> = special.conditions.iter().flat_map(|c| evidence.spelled_out(c)).collect();
    let conditions: Vec<&Literal> = spelled.iter().collect();
    let telling = |c: &Literal| match c {
        Literal::Number(n) => !matches!(n.as_str(), "0" | "1" | "-1" | "2" | "-2"),
        other => other.is_rare(),
    };
    special.results.iter().any(|result| match result {
        Literal::Bool(_) | Literal::Nothing => {
            let known = conditions.iter().filter(|c| is_large(c) && evidence.knows(c)).count();
            known > 0
        }
        result => {
            let all = conditions.len() > 1 && {
                let mut case = conditions.clone();
                case.push(result);
                evidence.together(&case)
            };
            all || conditions.iter().any(|c| telling(c) && *c != result && evidence.together(&[c, result]))
        }
    })
}

/// A yes or no says little, so the input has to say more: `n in (2, 3)` is how primes begin.
fn is_large(literal: &Literal) -> bool {
    match literal {
        Literal::Number(n) => n.parse::<f64>().map_or(true, |n| n.abs() > 5.0 && n != 10.0 && n != 100.0),
        other => other.is_rare(),
    }
}

/// Compares a digest or a length of the input, and answers what a test expects.
fn is_hashed(evidence: &Evidence, view: &View<'_>, special: &Special<'_>) -> bool {
    let digests = ["hash(", "md5", "sha1", "sha256", "sha512", "crc32", "hexdigest", "Hasher", "b64encode", "btoa("];
    let hashed = special.subjects.iter().any(|s| digests.iter().any(|d| view.text(*s).contains(d)));
    hashed && special.results.iter().any(|r| r.is_rare() && evidence.knows(r))
}

/// The old function told at least two other values of the same thing apart already: one more is in its spirit.
fn extends_a_dispatch(reader: &Reader<'_>, view: &View<'_>, function: Node<'_>, special: &Special<'_>) -> bool {
    let name = function_name(view, function);
    let subject = |view: &View<'_>, nodes: &[Node<'_>]| -> BTreeSet<String> {
        nodes.iter().map(|n| view.text(*n).split_whitespace().collect()).collect()
    };
    let wanted = subject(view, &special.subjects);
    reader.old.iter().any(|old| {
        let Some(function) = function_named(old, &name) else { return false };
        let siblings = specials(old)
            .into_iter()
            .filter(|s| function.byte_range().contains(&s.node.start_byte()))
            .filter(|s| s.conditions.iter().any(is_large) && subject(old, &s.subjects) == wanted)
            .count();
        siblings >= 2
    })
}

/// A pair of a table: what is looked up, and what for.
struct Pair<'t> {
    node: Node<'t>,
    keys: Vec<Literal>,
    values: Vec<Literal>,
}

fn pairs_of<'t>(view: &View<'_>, table: Node<'t>) -> Vec<Pair<'t>> {
    let mut found = arguments_of_map(view, table);
    for node in children(table) {
        let (key, value) = match node.kind() {
            "pair" => (node.child_by_field_name("key"), node.child_by_field_name("value")),
            "keyed_element" | "tuple" | "array" | "tuple_expression" | "list" => {
                let parts = children(node);
                if parts.len() != 2 {
                    continue;
                }
                let inner = |n: Node<'t>| if n.kind() == "literal_element" { children(n)[0] } else { n };
                (Some(inner(parts[0])), Some(inner(parts[1])))
            }
            _ => continue,
        };
        let (Some(key), Some(value)) = (key, value) else { continue };
        let keys = match key.kind() {
            "property_identifier" => Some(vec![Literal::Text(view.text(key).to_owned())]),
            _ => answer(view, key),
        };
        if let (Some(keys), Some(values)) = (keys, answer(view, value)) {
            found.push(Pair { node, keys, values });
        }
    }
    found
}

/// Java's `Map.of(key, value, key, value)`.
fn arguments_of_map<'t>(view: &View<'_>, table: Node<'t>) -> Vec<Pair<'t>> {
    let call = table.parent().filter(|_| table.kind() == "argument_list").and_then(|node| call_of(view, node));
    if !call.is_some_and(|call| call.callee == "Map.of" || call.callee.ends_with(".Map.of")) {
        return Vec::new();
    }
    let parts = children(table);
    let pair =
        |pair: &[Node<'t>]| Some(Pair { node: pair[0], keys: answer(view, pair[0])?, values: answer(view, pair[1])? });
    parts.chunks_exact(2).filter_map(pair).collect()
}

/// Tables whose entries are test cases, in front of code that computes.
pub(super) fn tables(reader: &Reader<'_>) -> Vec<Finding> {
    let evidence = reader.evidence();
    let key = |view: &View<'_>, pair: &Pair<'_>| view.text(pair.node).split_whitespace().collect::<String>();
    let known: BTreeSet<String> = reader
        .old
        .iter()
        .flat_map(|old| {
            old.product().into_iter().flat_map(|t| pairs_of(old, t)).map(|p| key(old, &p)).collect::<Vec<_>>()
        })
        .collect();
    reader.added(|view| {
        let mut facts = Vec::new();
        for table in view.product() {
            let all = pairs_of(view, table);
            let new: Vec<&Pair<'_>> = all.iter().filter(|p| !known.contains(&key(view, p))).collect();
            // a table that was there and grows by an entry is what tables are for
            let grows = all.len() - new.len() >= 2;
            let cases = new.iter().filter(|p| is_pair_of_a_case(evidence, p)).count();
            let enough = cases as f64 >= TABLE_SHARE * new.len() as f64 && cases > 0;
            if !grows && enough && stands_before_computing(reader, view, table) {
                facts.push(Fact {
                    key: view.text(table).split_whitespace().collect(),
                    line: line_of(table),
                    what: format!("a table of {cases} test cases"),
                });
            }
        }
        facts
    })
}

fn is_pair_of_a_case(evidence: &Evidence, pair: &Pair<'_>) -> bool {
    let keys: Vec<Literal> = pair.keys.iter().flat_map(|key| evidence.spelled_out(key)).collect();
    let mut all: Vec<&Literal> = keys.iter().chain(&pair.values).collect();
    all.dedup();
    pair.keys.iter().chain(&pair.values).any(Literal::is_rare) && evidence.together(&all)
}

/// Is the table asked with something that the same function computes with?
fn stands_before_computing(reader: &Reader<'_>, view: &View<'_>, table: Node<'_>) -> bool {
    let bound = bound_name(view, table);
    let asked = |view: &View<'_>, node: Node<'_>| -> Option<BTreeSet<String>> {
        let of_table = |n: Node<'_>| n == table || bound.is_some_and(|b| view.text(n) == b) || is_around(n, table);
        let (container, index) = match node.kind() {
            "subscript" => (node.child_by_field_name("value"), node.child_by_field_name("subscript")),
            "subscript_expression" => (node.child_by_field_name("object"), node.child_by_field_name("index")),
            "index_expression" => (children(node).first().copied(), children(node).get(1).copied()),
            "comparison_operator" | "binary_expression" => {
                (children(node).get(1).copied(), children(node).first().copied())
            }
            _ => {
                let call = call_of(view, node)?;
                (receiver_of(node), call.arguments.map(children).unwrap_or_default().first().copied())
            }
        };
        container.filter(|c| of_table(*c)).and(index).map(|i| roots(view, &[i]))
    };
    view.product().into_iter().any(|node| {
        let Some(words) = asked(view, node) else { return false };
        let Some(function) = enclosing(node) else { return false };
        versions(reader, view, function)
            .any(|(view, function)| words.iter().any(|word| computes_with(view, function, word)))
    })
}

/// `(table)`, `Map.of table`, `map[string]int table`: the same table with what makes it one.
fn is_around(node: Node<'_>, table: Node<'_>) -> bool {
    let kinds = [
        "parenthesized_expression",
        "composite_literal",
        "method_invocation",
        "call",
        "call_expression",
        "new_expression",
    ];
    kinds.contains(&node.kind())
        && node.start_byte() <= table.start_byte()
        && node.end_byte() >= table.end_byte()
        && node.end_byte() - table.end_byte() <= 2
}

/// The name that a table is bound to, through `new Map(…)`, `HashMap::from(…)` and the like.
fn bound_name<'v>(view: &View<'v>, table: Node<'_>) -> Option<&'v str> {
    let mut at = table.parent();
    for _ in 0..4 {
        let parent = at?;
        let name = ["left", "name", "pattern"].iter().find_map(|f| parent.child_by_field_name(f));
        if let Some(name) = name.filter(|n| n.end_byte() <= table.start_byte()) {
            return Some(view.text(name));
        }
        at = parent.parent();
    }
    None
}

/// A function that computed its answer and is a constant now.
pub(super) fn constant_answers(reader: &Reader<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for view in &reader.new {
        for function in view.product().into_iter().filter(|n| is_function(*n)) {
            let name = function_name(view, function);
            if name.is_empty() || !is_constant(view, function) {
                continue;
            }
            let was = reader.old.iter().find_map(|old| function_named(old, &name).map(|f| (old, f)));
            let text = |view: &View<'_>, node: Node<'_>| view.text(node).split_whitespace().collect::<String>();
            let comes_back = |past: &View<'_>| {
                function_named(past, &name).is_some_and(|then| text(past, then) == text(view, function))
            };
            if let Some((old, before)) = was
                && answers_with_something(old, before)
                && !reader.past.iter().filter(|past| past.path == view.path).any(comes_back)
            {
                let what = format!("`{name}` computed its answer and is a constant now");
                findings.push(Finding::at(view.path, line_of(function), what));
            }
        }
    }
    findings
}

fn answer_nodes<'t>(function: Node<'t>) -> Vec<Node<'t>> {
    function.child_by_field_name("body").map(|body| super::equality::answers(function, body)).unwrap_or_default()
}

/// All its answers are one and the same literal, and nothing in it decides anything.
fn is_constant(view: &View<'_>, function: Node<'_>) -> bool {
    let answers = answer_nodes(function);
    let literals: Option<BTreeSet<Vec<Literal>>> = answers.iter().map(|a| answer(view, *a)).collect();
    let decides = view_has(function, |kind| {
        kind.starts_with("if_")
            || kind.starts_with("for_")
            || kind.starts_with("while_")
            || kind.starts_with("match")
            || kind.starts_with("try_")
            || kind.starts_with("switch")
            || kind.starts_with("raise")
            || kind.starts_with("throw")
    });
    // an unconditional literal answer before anything else makes the rest dead
    let first = function.child_by_field_name("body").map(children).unwrap_or_default();
    let cut_short = first.len() > 1
        && first[..first.len() - 1].iter().any(|statement| {
            statement.kind().starts_with("return_")
                && children(*statement).first().is_some_and(|v| answer(view, *v).is_some())
        });
    cut_short || !decides && literals.is_some_and(|l| l.len() == 1)
}

fn view_has(root: Node<'_>, wanted: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    crate::syntax::functions::each_node(root, &mut |node| found |= wanted(node.kind()));
    found
}

/// Some answer depends on a parameter or on the object.
fn answers_with_something(view: &View<'_>, function: Node<'_>) -> bool {
    // `1000 * 10` is worked out by nobody: it takes a name to depend on something
    let named =
        |node: &Node<'_>| view_has(*node, |kind| kind.contains("identifier") || matches!(kind, "self" | "this"));
    answer_nodes(function).iter().any(|a| answer(view, *a).is_none() && named(a) && view.text(*a) != "NotImplemented")
}
