//! Single statements: deleted, swapped with a neighbour, returned, jumped from.

use super::super::EditKind;
use super::super::languages::{Role, level, shape};
use super::super::piece::Piece;
use super::{Bench, Place, Spot, short};
use crate::syntax::language::Language;
use crate::words::Label;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots {
        let node = spot.node;
        if bench.view.is_statement(node) && bench.is_in_function_or_script(node) {
            if bench.touches(node) {
                delete(bench, node);
                returned(bench, node);
                jump(bench, node);
            }
            swap(bench, node);
        }
        if bench.touches(node) && spot.role == Role::Return {
            return_value(bench, node);
        }
        if spot.place == Place::Value && spot.role == Role::Function && bench.touches(node) {
            arrow(bench, node);
        }
    }
}

impl Bench<'_> {
    /// Statements at the top of a module are code in Python and JavaScript; elsewhere they are declarations.
    pub(super) fn is_in_function_or_script(&self, node: Node<'_>) -> bool {
        let role = self.view.role(node);
        if matches!(role, Role::Function | Role::Class | Role::Type | Role::Import | Role::None | Role::Comment) {
            return false;
        }
        self.view.function(node).is_some() || matches!(self.view.language, Language::Python | Language::JavaScript)
    }

    /// Is a statement the first thing on its line?
    pub(super) fn opens_line(&self, node: Node<'_>) -> bool {
        let start = self.view.text[..node.start_byte()].rfind('\n').map_or(0, |at| at + 1);
        self.view.text[start..node.start_byte()].trim().is_empty()
    }

    /// Bytes of a statement with its line: its indentation and its line break too, when it is alone there.
    pub(super) fn whole_line(&self, node: Node<'_>) -> std::ops::Range<usize> {
        let text = self.view.text;
        let start = text[..node.start_byte()].rfind('\n').map_or(0, |at| at + 1);
        let end = text[node.end_byte()..].find('\n').map_or(text.len(), |at| node.end_byte() + at + 1);
        let alone = text[start..node.start_byte()].trim().is_empty()
            && text[node.end_byte()..end].trim().trim_start_matches(';').is_empty();
        if alone { start..end } else { node.byte_range() }
    }

    pub(super) fn is_simple(&self, node: Node<'_>) -> bool {
        !self.view.role(node).is_compound()
    }
}

fn siblings<'t>(bench: &Bench<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    node.parent().map_or(Vec::new(), |parent| bench.view.statements(parent))
}

fn delete(bench: &mut Bench<'_>, node: Node<'_>) {
    let role = bench.view.role(node);
    if matches!(role, Role::Declare | Role::Pass) || (role == Role::Declarator && bench.view.has_single_use(node)) {
        return;
    }
    let line = bench.line(node.start_byte());
    let what = format!("`{}` goes", short(bench.view.of(node)));
    let alone = siblings(bench, node).len() == 1;
    let (range, replacement) = if alone && bench.view.language == Language::Python {
        (node.byte_range(), "pass".to_owned())
    } else {
        (bench.whole_line(node), String::new())
    };
    let fit = if bench.is_simple(node) { 1.0 } else { 0.4 };
    bench.put_at(EditKind::DeleteStatement, range, replacement, fit, what, line, Some(Label::DeletionOnly));
}

fn swap(bench: &mut Bench<'_>, node: Node<'_>) {
    let siblings = siblings(bench, node);
    let Some(at) = siblings.iter().position(|sibling| sibling.id() == node.id()) else { return };
    let Some(next) = siblings.get(at + 1).copied() else { return };
    if !bench.touches(node) && !bench.touches(next) || !bench.is_in_function_or_script(next) {
        return;
    }
    let simple = bench.is_simple(node) && bench.is_simple(next);
    if matches!(bench.view.role(node), Role::Return | Role::Break | Role::Continue | Role::Raise)
        || node.end_position().row - node.start_position().row > 12
        || next.end_position().row - next.start_position().row > 12
    {
        return;
    }
    let (one, other) = (bench.view.of(node), bench.view.of(next));
    let gap = &bench.view.text[node.end_byte()..next.start_byte()];
    if gap.contains(['#', '/']) {
        return;
    }
    let line = if bench.touches(node) { bench.line(node.start_byte()) } else { bench.line(next.start_byte()) };
    let what = format!("`{}` and `{}` change places", short(one), short(other));
    bench.put_at(
        EditKind::SwapStatements,
        node.start_byte()..next.end_byte(),
        format!("{other}{gap}{one}"),
        if simple { 1.0 } else { 0.4 },
        what,
        line,
        None,
    );
}

/// An expression that stands alone is returned.
fn returned(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(function) = bench.view.function(node) else { return };
    let siblings = siblings(bench, node);
    let is_last = siblings.last().is_some_and(|last| last.id() == node.id());
    let text = bench.view.of(node).trim_end_matches(';');
    let end = bench.view.words().words.end;
    match bench.view.role(node) {
        Role::ExprStmt => {
            let Some(inner) = bench.view.children(node).first().copied() else { return };
            let role = bench.view.role(inner);
            if matches!(role, Role::AugAssign | Role::Update) {
                return;
            }
            if role == Role::Assign {
                if is_last && let Some((_, right)) = bench.view.assignment(inner) {
                    let right = bench.view.of(right).to_owned();
                    bench.put(
                        EditKind::Return,
                        node.byte_range(),
                        format!("return {right}{end}"),
                        0.3,
                        format!("`{}` is returned", short(&right)),
                    );
                }
                return;
            }
            let own_name = function.child_by_field_name("name").map_or("", |name| bench.view.of(name));
            let recursive = !own_name.is_empty() && bench.view.called(inner) == own_name;
            let fit = if recursive {
                1.5
            } else if is_last {
                0.7
            } else {
                0.2
            };
            if !matches!(role, Role::Yield | Role::Await) && !text.starts_with("return") {
                bench.put(
                    EditKind::Return,
                    node.byte_range(),
                    format!("return {text}{end}"),
                    fit,
                    format!("`{}` is returned", short(text)),
                );
                if bench.view.language == Language::Rust && is_last {
                    bench.put(
                        EditKind::Return,
                        node.byte_range(),
                        text.to_owned(),
                        1.0,
                        format!("`{}` is the block's value", short(text)),
                    );
                }
            }
        }
        _ if bench.view.language == Language::Rust && bench.view.role(node).is_expression() && is_last => {
            bench.put(
                EditKind::Return,
                node.byte_range(),
                format!("return {text};"),
                0.4,
                format!("`{}` is returned", short(text)),
            );
        }
        _ => {}
    }
}

/// `(x) => { f(x) }` becomes `(x) => f(x)`; and `=> { return x }`.
fn arrow(bench: &mut Bench<'_>, node: Node<'_>) {
    if node.kind() != "arrow_function" {
        return;
    }
    let Some(body) = bench.view.body(node) else { return };
    if bench.view.role(body) != Role::Block {
        return;
    }
    if let [only] = &bench.view.statements(body)[..]
        && bench.view.role(*only) == Role::ExprStmt
    {
        let text = bench.view.of(*only).trim_end_matches(';').to_owned();
        bench.put(EditKind::Return, body.byte_range(), text.clone(), 0.8, format!("`{}` is returned", short(&text)));
    }
}

fn jump(bench: &mut Bench<'_>, node: Node<'_>) {
    let end = bench.view.words().words.end;
    let in_loop = bench
        .view
        .ancestor(node, |role| role.is_loop() || role == Role::Function)
        .is_some_and(|at| bench.view.role(at).is_loop());
    let in_function = bench.view.function(node).is_some();
    let inner = match bench.view.role(node) {
        Role::ExprStmt => bench.view.children(node).first().copied().unwrap_or(node),
        _ => node,
    };
    let mut options: Vec<(String, f64)> = Vec::new();
    match bench.view.role(inner) {
        Role::Break => {
            options.extend([(format!("continue{end}"), 1.0)]);
            if in_function {
                options.push((format!("return{end}"), 0.3));
                options.extend(
                    bench
                        .return_values(node)
                        .into_iter()
                        .take(4)
                        .map(|(value, fit)| (format!("return {value}{end}"), 0.5 * fit)),
                );
            }
        }
        Role::Continue => {
            options.extend([(format!("break{end}"), 1.0)]);
            if in_function {
                options.push((format!("return{end}"), 0.2));
                options.extend(
                    bench
                        .return_values(node)
                        .into_iter()
                        .take(3)
                        .map(|(value, fit)| (format!("return {value}{end}"), 0.3 * fit)),
                );
            }
        }
        Role::Pass if bench.view.language == Language::Python => {
            if in_loop {
                options.extend([("continue".to_owned(), 1.0), ("break".to_owned(), 0.7)]);
            }
            if in_function {
                options.push(("return".to_owned(), 0.3));
                options.extend(
                    bench
                        .return_values(node)
                        .into_iter()
                        .take(4)
                        .map(|(value, fit)| (format!("return {value}"), 0.7 * fit)),
                );
            }
        }
        Role::Return if in_loop => options.extend([(format!("break{end}"), 0.4), (format!("continue{end}"), 0.4)]),
        _ => return,
    }
    let old = bench.view.of(inner).trim_end_matches(';').to_owned();
    for (new, fit) in options {
        let range =
            if end == ";" && !bench.view.of(node).ends_with(';') { inner.byte_range() } else { node.byte_range() };
        bench.put(
            EditKind::Jump,
            range,
            new.clone(),
            fit,
            format!("`{}` becomes `{}`", short(&old), new.trim_end_matches(';')),
        );
    }
}

/// Another value is returned: a name in scope, what another `return` gives, a neutral element.
fn return_value(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(value) = bench.view.children(node).first().copied() else {
        for (name, fit) in bench.candidates(node, 0).into_iter().take(5) {
            let end = if bench.view.of(node).ends_with(';') { ";" } else { "" };
            bench.put(
                EditKind::Return,
                node.byte_range(),
                format!("return {name}{end}"),
                0.6 * fit,
                format!("`{name}` is returned"),
            );
        }
        return;
    };
    let value = bench.view.only(value);
    let known = bench.shape(value);
    if bench.view.role(value) != Role::Ident {
        for (name, fit) in bench.candidates(node, known).into_iter().take(6) {
            bench.replace(EditKind::ReplaceOperand, value, &Piece { text: name, level: level::POSTFIX }, 0.5 * fit);
        }
    }
    for (text, fit) in bench.return_values(node).into_iter().take(8) {
        bench.replace(EditKind::ReplaceOperand, value, &Piece { text, level: level::LOWEST }, 0.4 * fit);
    }
}

impl Bench<'_> {
    /// What the function around a node may return besides: its other returns, and neutral elements of the same kind.
    pub(super) fn return_values(&self, node: Node<'_>) -> Vec<(String, f64)> {
        let Some(function) = self.view.function(node) else { return Vec::new() };
        let mut found: Vec<(String, f64)> = Vec::new();
        let mut known = 0;
        let mut bare = false;
        crate::syntax::functions::each_node(function, &mut |inner| {
            if self.view.role(inner) != Role::Return || inner.byte_range() == node.byte_range() {
                return;
            }
            match self.view.children(inner).first() {
                Some(value) => {
                    let text = self.view.of(*value);
                    known |= self.shape(self.view.only(*value));
                    if text.len() <= 30 && found.iter().all(|(other, _)| other != text) {
                        found.push((text.to_owned(), 0.9));
                    }
                }
                None => bare = true,
            }
        });
        let declared = self
            .view
            .field(function, &["return_type", "result", "type"])
            .map(|declared| self.view.of(declared).trim_start_matches([':', ' ', '-', '>']).to_owned());
        if let Some(declared) = &declared {
            known |= super::super::scope::shape_of_type(declared);
            if declared == "void" {
                return Vec::new();
            }
        } else if self.view.words().has_types
            && function.child_by_field_name("name").is_some()
            && self.view.language != Language::Java
        {
            return Vec::new();
        }
        if self.view.language == Language::Rust
            && let Some(tail) = self.view.body(function).and_then(|body| self.view.statements(body).last().copied())
            && self.view.role(tail).is_expression()
        {
            known |= self.shape(tail);
            let text = self.view.of(tail);
            if text.len() <= 30 {
                found.push((text.to_owned(), 0.6));
            }
        }
        for (text, shapes) in self.view.words().identities {
            let fits =
                known & shapes != 0 || (*shapes == shape::NULLABLE && !self.view.words().has_types) || known == 0;
            if fits && found.iter().all(|(other, _)| other != text) {
                found.push(((*text).to_owned(), if known & shapes != 0 { 0.6 } else { 0.3 }));
            }
        }
        for (name, _) in self.names_of_parameters(function) {
            if found.iter().all(|(other, _)| *other != name) {
                found.push((name, 0.35));
            }
        }
        if bare {
            found.insert(0, (String::new(), 0.9));
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found
    }

    pub(super) fn names_of_parameters(&self, function: Node<'_>) -> Vec<(String, u16)> {
        let own = function.byte_range();
        let parameters = self
            .names
            .bindings
            .iter()
            .filter(|binding| binding.origin == super::super::scope::Origin::Parameter && binding.scope == own);
        parameters.map(|binding| (binding.name.clone(), self.names.shape(own.start, &binding.name))).collect()
    }
}

impl super::super::view::View<'_> {
    /// Is a declared name used nowhere else? (Deleting the declaration then changes little.)
    fn has_single_use(self, declaration: Node<'_>) -> bool {
        let Some(name) = self.field(declaration, &["name", "pattern", "left"]) else { return false };
        // a name that is used later can't lose its declaration
        self.text[declaration.end_byte()..].contains(self.of(name))
    }
}
