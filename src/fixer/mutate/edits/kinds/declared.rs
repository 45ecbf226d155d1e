//! Declared where it should be assigned, and the reverse: `let best = x` becomes `best = x`, `count = 0` becomes
//! `let count = 0`, a `const` that is assigned becomes a `let`, and Python's `nonlocal` and `global` come.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::Role;
use super::super::scope::{Binding, Origin};
use super::super::view::View;
use super::{Bench, Spot, short};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use crate::syntax::regions::is_docstring;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    use Language::{Java, JavaScript, Python, Rust, Tsx, TypeScript};
    for spot in spots.iter().filter(|spot| spot.touched) {
        match (bench.view.language, spot.role) {
            (Rust, Role::Declarator) => shadowing(bench, spot.node, spot.node),
            (JavaScript | TypeScript | Tsx | Java, Role::Declare) => {
                if let [declarator] = declarators(bench, spot.node)[..] {
                    shadowing(bench, spot.node, declarator);
                    assigned_later(bench, spot.node, declarator);
                }
            }
            (JavaScript | TypeScript | Tsx, Role::Assign | Role::AugAssign | Role::Update) => {
                constant(bench, spot.node);
                undeclared(bench, spot.node);
            }
            (Python, Role::Assign | Role::AugAssign) => outer(bench, spot.node),
            _ => {}
        }
    }
}

fn declarators<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    bench.view.children(node).into_iter().filter(|child| bench.view.role(*child) == Role::Declarator).collect()
}

/// What a name means outside of the block that binds it anew.
fn bound_outside<'b>(bench: &Bench<'b>, node: Node<'_>, name: &str) -> Option<&'b Binding> {
    let block = node.parent().map_or(0, |block| block.byte_range().len());
    let at = node.start_byte();
    let around = |known: &&Binding| known.scope.contains(&at) && known.from <= at && known.scope.len() > block;
    bench.names.bindings.iter().filter(|known| known.name == name).find(around)
}

/// `let best = x;` becomes `best = x;`, where there is a `best` around it that may be assigned.
fn shadowing(bench: &mut Bench<'_>, statement: Node<'_>, declarator: Node<'_>) {
    let Some((left, right)) = bench.view.assignment(declarator) else { return };
    if bench.view.role(left) != Role::Ident || !bench.view.is_statement(statement) {
        return;
    }
    let (name, value) = (bench.view.of(left), bench.view.of(right));
    let found = bound_outside(bench, statement, name);
    let is_meant = found.is_some_and(|known| {
        known.mutable && matches!(known.origin, Origin::Local | Origin::Parameter | Origin::Global | Origin::Field)
    });
    // in Rust a parameter can't be assigned as it is
    let hides = bench.view.language == Language::Rust && found.is_some_and(|known| known.origin == Origin::Parameter);
    if !is_meant || hides || bench.view.function(statement).is_none() {
        return;
    }
    let end = if bench.view.of(statement).ends_with(';') { ";" } else { "" };
    let new = format!("{name} = {value}{end}");
    let what = format!("`{}` becomes `{}`", short(bench.view.of(statement)), short(&new));
    bench.put(EditKind::AssignmentOperator, statement.byte_range(), new, 0.9, what);
}

/// The plain name that a node assigns.
fn target<'t>(bench: &Bench<'_>, node: Node<'t>) -> Option<Node<'t>> {
    let left = match bench.view.role(node) {
        Role::Update => *bench.view.children(node).first()?,
        _ => bench.view.assignment(node)?.0,
    };
    (bench.view.role(left) == Role::Ident).then_some(left)
}

/// `const total = 0` becomes `let total = 0`, where `total += n` comes behind it.
fn constant(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(name) = target(bench, node).map(|left| bench.view.of(left).to_owned()) else { return };
    let is_constant = bench.visible(node).iter().any(|known| known.name == name && !known.mutable);
    if !is_constant {
        return;
    }
    let mut declared = None;
    let view = bench.view;
    each_node(bench.source.tree.root_node(), &mut |inner| {
        let holds = inner.kind() == "lexical_declaration"
            && view.of(inner).starts_with("const ")
            && inner.end_byte() <= node.start_byte()
            && inner.parent().is_some_and(|block| block.byte_range().contains(&node.start_byte()));
        if holds && declares(view, inner, &name) {
            declared = Some(inner.start_byte());
        }
    });
    if let Some(at) = declared {
        let line = bench.line(node.start_byte());
        let what = format!("`const {name}` becomes `let {name}`");
        bench.put_at(EditKind::AssignmentOperator, at..at + 5, "let".to_owned(), 1.0, what, line, None);
    }
}

/// The same, seen from the declaration.
fn assigned_later(bench: &mut Bench<'_>, statement: Node<'_>, declarator: Node<'_>) {
    let (Some(name), Some(block)) = (declarator.child_by_field_name("name"), statement.parent()) else { return };
    if !bench.view.of(statement).starts_with("const ") {
        return;
    }
    let name = bench.view.of(name);
    let mut is_set = false;
    each_node(block, &mut |inner| {
        let sets = matches!(bench.view.role(inner), Role::Assign | Role::AugAssign | Role::Update)
            && inner.start_byte() > statement.end_byte()
            && target(bench, inner).is_some_and(|left| bench.view.of(left) == name);
        is_set = is_set || sets;
    });
    if is_set {
        let at = statement.start_byte();
        let what = format!("`const {name}` becomes `let {name}`");
        bench.put(EditKind::AssignmentOperator, at..at + 5, "let".to_owned(), 1.0, what);
    }
}

/// Does a declaration bind a plain name?
fn declares(view: View<'_>, node: Node<'_>, name: &str) -> bool {
    let names = view.children(node).into_iter().filter_map(|one| one.child_by_field_name("name"));
    names.map(|left| view.of(left)).any(|left| left == name)
}

/// `count = 0` becomes `let count = 0`: the name is somebody else's, or nobody's.
fn undeclared(bench: &mut Bench<'_>, node: Node<'_>) {
    let stands = matches!(bench.view.parent_role(node), Role::ExprStmt | Role::ForC);
    if !stands || bench.view.role(node) != Role::Assign {
        return;
    }
    let (Some(left), Some(function)) = (target(bench, node), bench.view.function(node)) else { return };
    let name = bench.view.of(left).to_owned();
    let found: Option<&Binding> = bench.visible(node).into_iter().find(|known| known.name == name);
    let is_own = found.is_some_and(|known| function.byte_range().contains(&known.scope.start));
    if is_own || bench.view.words().words.builtins.contains(&name.as_str()) {
        return;
    }
    let fit = if found.is_none() { 0.8 } else { 0.25 };
    let at = node.start_byte();
    let what = format!("`{name}` is declared here");
    bench.put(EditKind::AssignmentOperator, at..at, "let ".to_owned(), fit, what);
}

/// Python: `nonlocal x` and `global x` come, where a function assigns a name that an outer one has.
fn outer(bench: &mut Bench<'_>, node: Node<'_>) {
    let (Some(left), Some(function)) = (target(bench, node), bench.view.function(node)) else { return };
    let name = bench.view.of(left).to_owned();
    let text = bench.view.of(function);
    let is_told = ["nonlocal ", "global "].iter().any(|word| text.contains(&format!("{word}{name}")));
    let outside = |known: &&Binding| {
        known.name == name
            && known.scope != function.byte_range()
            && known.scope.contains(&function.start_byte())
            && matches!(known.origin, Origin::Local | Origin::Parameter | Origin::LoopVariable | Origin::Global)
    };
    let own = |known: &Binding| {
        known.name == name && known.scope == function.byte_range() && known.origin == Origin::Parameter
    };
    let found = bench.names.bindings.iter().find(outside);
    let Some(found) = found.filter(|_| !is_told && !bench.names.bindings.iter().any(own)) else { return };
    let word = if found.origin == Origin::Global { "global" } else { "nonlocal" };
    let body = bench.view.body(function).map_or(Vec::new(), |body| bench.view.statements(body));
    let Some(first) = body.into_iter().find(|statement| !is_docstring(*statement)) else { return };
    let Some(gap) = bench.gap_before(first) else { return };
    // `x += 1` and a value that is read before it is set can't work otherwise
    let before = &bench.view.text[function.start_byte()..node.start_byte()];
    let reads = bench.view.role(node) == Role::AugAssign || super::borrowed::word_set(before).contains(name.as_str());
    let (fit, statement) = (if reads { 1.2 } else { 0.35 }, format!("{word} {name}"));
    let line = bench.line(node.start_byte());
    let what = format!("`{statement}` comes");
    bench.put_at(EditKind::InsertStatement, gap.at..gap.at, gap.lay(&statement), fit, what, line, None);
}
