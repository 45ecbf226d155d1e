//! Guards: an early return, a base case, a `continue`.

use super::super::EditKind;
use super::super::languages::{Role, shape};
use super::atoms::{Atom, name_piece};
use super::{Bench, Spot};
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots {
        let node = spot.node;
        if !bench.view.is_statement(node) || !bench.is_in_function_or_script(node) || !bench.touches(node) {
            continue;
        }
        let Some(block) = node.parent() else { continue };
        let is_first = bench
            .view
            .statements(block)
            .iter()
            .find(|statement| !crate::syntax::regions::is_docstring(**statement))
            .is_some_and(|first| first.id() == node.id());
        let holder =
            bench.view.ancestor(block, |role| role != Role::Block && role != Role::None && role != Role::ExprStmt);
        match holder.map(|holder| (bench.view.role(holder), holder)) {
            Some((Role::Function | Role::Lambda, function)) => {
                returns(bench, node, function, if is_first { 1.0 } else { 0.3 })
            }
            Some((role, _)) if role.is_loop() => jumps(bench, node, if is_first { 1.0 } else { 0.3 }),
            Some(_) => {
                if let Some(function) = bench.view.function(node) {
                    returns(bench, node, function, 0.08);
                }
            }
            None => {}
        }
        wrapped(bench, node);
    }
}

fn lay(bench: &Bench<'_>, indent: &str, condition: &str, body: &str) -> String {
    let words = &bench.view.words().words;
    let open = words.if_open.replacen("{}", condition, 1);
    let step = bench.source.step();
    let end = words.end;
    if words.indents {
        format!("{open}\n{indent}{step}{body}{end}")
    } else {
        format!("{open}\n{indent}{step}{body}{end}\n{indent}{}", words.if_close)
    }
}

fn put(bench: &mut Bench<'_>, node: Node<'_>, atom: &Atom, body: &str, fit: f64) {
    let Some(gap) = bench.gap_before(node) else { return };
    if !bench.opens_line(node) {
        return;
    }
    let text = gap.lay(&lay(bench, &gap.indent, &atom.piece.text, body));
    let what = format!("guard: if `{}` then `{body}`", atom.piece.text);
    bench.put_at(EditKind::Guard, gap.at..gap.at, text, fit, what, gap.line, None);
}

/// One input that is answered for itself: nothing but a recursion asks for one, a test that is wrong does. An estimate.
const SPECIAL: f64 = 0.1;

/// `if n == 0: return 1`
fn returns(bench: &mut Bench<'_>, node: Node<'_>, function: Node<'_>, scale: f64) {
    let values = bench.return_values(node);
    let parameters = bench.names_of_parameters(function);
    let own_name = function.child_by_field_name("name").map_or("", |name| bench.view.of(name));
    let recursive = !own_name.is_empty()
        && bench.view.body(function).is_some_and(|body| bench.view.of(body).contains(&format!("{own_name}(")));
    let mut atoms: Vec<Atom> = bench.atoms(node);
    // what a guard asks is nearly always a parameter
    for atom in &mut atoms {
        let asks = parameters.iter().any(|(name, _)| super::words(&atom.piece.text).any(|word| word == name));
        let literal = atom.piece.text.contains("= 0") || atom.piece.text.contains("<= 1") || atom.guards;
        let special = !recursive && atom.piece.text.ends_with("== 1");
        atom.fit *=
            if asks { 1.2 } else { 0.3 } * if literal { 1.2 } else { 0.8 } * if special { SPECIAL } else { 1.0 };
    }
    if recursive {
        base_cases(bench, node, &parameters, &values, scale);
    }
    atoms.sort_by(|a, b| b.fit.total_cmp(&a.fit));
    let scale = scale * if recursive { 1.5 } else { 1.0 };
    for atom in atoms.iter().take(14) {
        for (value, fit) in values.iter().take(7) {
            let body = if value.is_empty() { "return".to_owned() } else { format!("return {value}") };
            put(bench, node, atom, &body, scale * atom.fit * fit);
        }
        if values.is_empty() {
            put(bench, node, atom, "return", scale * atom.fit * 0.7);
        }
    }
    raises(bench, node, &atoms, function, scale);
}

/// A function that calls itself stops somewhere: at nought, at one, at nothing.
fn base_cases(
    bench: &mut Bench<'_>,
    node: Node<'_>,
    parameters: &[(String, u16)],
    values: &[(String, f64)],
    scale: f64,
) {
    for (name, known) in parameters.iter().take(3) {
        let words = &bench.view.words().words;
        let mut questions: Vec<(&str, f64)> = Vec::new();
        if known & (shape::SEQ | shape::STR | shape::MAP) == 0 {
            questions.extend([("{} == 0", 1.0), ("{} <= 1", 0.9), ("{} < 2", 0.6), ("{} <= 0", 0.7), ("{} == 1", 0.6)]);
        }
        if known & shape::NUM == 0 {
            questions.extend([(words.is_empty, 1.0), (words.is_null, 0.9)]);
        }
        let mut answers: Vec<(String, f64)> = vec![(name.clone(), 0.8), ("0".to_owned(), 0.7), ("1".to_owned(), 0.8)];
        for (value, fit) in values.iter().filter(|(value, _)| !value.is_empty()).take(4) {
            if answers.iter().all(|(other, _)| other != value) {
                answers.push((value.clone(), *fit));
            }
        }
        for (question, part) in questions {
            let piece = bench.fill(&bench.strict(question), &[&name_piece(name)]);
            let atom = Atom { piece, fit: part, guards: false };
            for (value, fit) in &answers {
                put(bench, node, &atom, &format!("return {value}"), scale * part * fit);
            }
        }
    }
}

/// What the file raises elsewhere.
fn raises(bench: &mut Bench<'_>, node: Node<'_>, atoms: &[Atom], function: Node<'_>, scale: f64) {
    let mut found: Vec<String> = Vec::new();
    let near = function.byte_range();
    crate::syntax::functions::each_node(bench.source.tree.root_node(), &mut |inner| {
        if bench.view.role(inner) == Role::Raise {
            let text = bench.view.of(inner).trim_end_matches(';').to_owned();
            if text.len() < 70 && !found.contains(&text) {
                if near.contains(&inner.start_byte()) { found.insert(0, text) } else { found.push(text) }
            }
        }
    });
    for text in found.iter().take(2) {
        for atom in atoms.iter().take(10) {
            put(bench, node, atom, text, scale * atom.fit * 0.3);
        }
    }
}

/// `if x in seen: continue`
fn jumps(bench: &mut Bench<'_>, node: Node<'_>, scale: f64) {
    for atom in bench.atoms(node).iter().take(14) {
        put(bench, node, atom, "continue", scale * atom.fit * 0.7);
        put(bench, node, atom, "break", scale * atom.fit * 0.4);
    }
}

/// `f(x)` becomes `if x is not None: f(x)`
fn wrapped(bench: &mut Bench<'_>, node: Node<'_>) {
    if !matches!(bench.view.role(node), Role::ExprStmt | Role::Assign | Role::AugAssign | Role::Return | Role::Simple)
        || !bench.opens_line(node)
    {
        return;
    }
    let indent = bench.view.indent(node.start_byte()).to_owned();
    let text = bench.view.of(node).trim_end_matches(';').to_owned();
    if text.contains('\n') {
        return;
    }
    for atom in bench.atoms(node).iter().take(10) {
        let new = lay(bench, &indent, &atom.piece.text, &text);
        let fit = 0.25 * atom.fit;
        bench.put(
            EditKind::Guard,
            node.byte_range(),
            new,
            fit,
            format!("`{}` only if `{}`", super::short(&text), atom.piece.text),
        );
    }
}
