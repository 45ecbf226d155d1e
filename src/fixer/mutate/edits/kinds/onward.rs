//! Statements by which a loop goes on: `node = node.next`, `n //= 10`, `n >>= 1`, `i += 1`. Only for names that the loop asks
//! for and never sets, since such a loop does not end, or into which it writes something new to go down into.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::super::languages::{Role, shape};
use super::Bench;
use super::inserts::is_stale;
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;

/// So many names of a condition are tried.
const MOST_NAMES: usize = 3;
/// What was just made is gone down into. An estimate.
const DOWN: f64 = 2.0;
/// A loop goes on at its own level, and seldom in a branch.
const IN_BRANCH: f64 = 0.4;
/// Members that lead to the next thing of a chain.
const LINKS: &[&str] = &["next", "prev", "previous", "parent", "left", "right", "link", "tail", "Next", "Prev"];

pub(super) fn statements(bench: &Bench<'_>, node: Node<'_>, options: &mut Vec<(String, f64)>) {
    let around = bench.view.ancestor(node, |role| role.is_loop() || role == Role::Function);
    let Some(around) = around.filter(|at| bench.view.role(*at).is_loop()) else { return };
    descents(bench, around, node, options);
    let Some(condition) = bench.view.condition(around) else { return };
    let is_own = bench.view.ancestor(node, Role::is_compound).is_some_and(|at| at.id() == around.id());
    let scale = if is_own { 1.0 } else { IN_BRANCH };
    for name in asked(bench, condition)
        .into_iter()
        .filter(|name| bench.is_assigned(name) && is_stale(bench, node, name))
        .take(MOST_NAMES)
    {
        let known = bench.shape_of_name(&name, node);
        let mut made = shrunk(bench, around, &name);
        let plain = shape::NUM | shape::STR | shape::BOOL | shape::SEQ | shape::MAP | shape::FUNC;
        if known & plain == 0 && bench.view.language != Language::Rust {
            made.extend(links(bench, &name));
        }
        if known & shape::NUM != 0 {
            let (up, down) = match bench.view.language {
                Language::Go => (format!("{name}++"), format!("{name}--")),
                _ => (format!("{name} += 1"), format!("{name} -= 1")),
            };
            made.extend([(up, 0.9), (down, 0.8)]);
        }
        options.extend(made.into_iter().map(|(text, fit)| (text, scale * fit)));
    }
}

/// `node[part] ??= {}` in a loop that never sets `node` asks for `node = node[part]`: `node` is the statement that fills what
/// is gone down into.
fn descents(bench: &Bench<'_>, around: Node<'_>, node: Node<'_>, options: &mut Vec<(String, f64)>) {
    let mut made: Vec<String> = Vec::new();
    let mut set: BTreeSet<&str> = BTreeSet::new();
    each_node(around, &mut |inner| set.extend(bench.view.assignment(inner).map(|(left, _)| bench.view.of(left))));
    each_node(node, &mut |inner| {
        let Some((left, right)) = bench.view.assignment(inner) else { return };
        let Some((object, _)) = bench.view.index(left) else { return };
        let name = bench.view.of(object);
        let is_empty = matches!(bench.view.of(right), "{}" | "[]" | "dict()" | "new Map()");
        if is_empty && bench.view.role(object) == Role::Ident && bench.is_assigned(name) && !set.contains(name) {
            made.push(format!("{name} = {}", bench.view.of(left)));
        }
    });
    made.dedup();
    options.extend(made.into_iter().map(|text| (text, DOWN)));
}

/// Plain names of a condition.
fn asked(bench: &Bench<'_>, condition: Node<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    each_node(condition, &mut |inner| {
        let name = bench.view.of(inner);
        if bench.view.role(inner) == Role::Ident && names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    });
    names
}

/// `node = node.next`
fn links(bench: &Bench<'_>, name: &str) -> Vec<(String, f64)> {
    let own = bench.names.members_of.get(name);
    let is_own = |member: &str| own.is_some_and(|members| members.get(member) == Some(&false));
    let of_file =
        bench.names.members.iter().filter(|(_, (_, is_method))| !*is_method).map(|(member, _)| member.as_str());
    let fit = |member: &str| match (LINKS.contains(&member), is_own(member)) {
        (true, true) => 1.6,
        (true, false) => 1.3,
        (false, true) => 0.3,
        (false, false) => 0.0,
    };
    let found = of_file.map(|member| (format!("{name} = {name}.{member}"), fit(member)));
    let mut found: Vec<(String, f64)> = found.filter(|(_, fit)| *fit > 0.0).collect();
    // nothing in the file is followed: chains are nearly always called like this
    if !bench.names.members.keys().any(|member| LINKS.contains(&member.as_str())) {
        found.push((format!("{name} = {name}.next"), 1.0));
    }
    found
}

/// `n //= 10` where the loop asks for `n % 10`, `n >>= 1` where it asks for `n & 1`.
fn shrunk(bench: &Bench<'_>, around: Node<'_>, name: &str) -> Vec<(String, f64)> {
    let mut made: Vec<(String, f64)> = Vec::new();
    each_node(around, &mut |inner| {
        if bench.view.role(inner) != Role::Binary {
            return;
        }
        let Some(binary) = bench.view.binaries(inner).into_iter().find(|one| bench.view.of(one.left) == name) else {
            return;
        };
        let amount = bench.view.of(binary.right);
        let text = match (&bench.view.text[binary.at.clone()], bench.view.language) {
            ("%", Language::Python) => format!("{name} //= {amount}"),
            ("%", Language::JavaScript | Language::TypeScript | Language::Tsx) => {
                format!("{name} = Math.floor({name} / {amount})")
            }
            ("%", _) => format!("{name} /= {amount}"),
            ("&", _) if amount == "1" => format!("{name} >>= 1"),
            _ => return,
        };
        if amount.len() <= 12 && made.iter().all(|(known, _)| *known != text) {
            made.push((text, 1.5));
        }
    });
    made
}
