//! Borrowed code: expressions and statements of the same function, the same file, and of similar functions in the project.

use std::collections::{BTreeMap, BTreeSet};

use super::super::languages::Role;
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::super::{EditKind, Source};
use super::{Bench, Place, Spot, compatible};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

/// Longer code is not borrowed.
const MAX_BYTES: usize = 60;
/// The same for a condition with one statement.
const MAX_GUARDED_BYTES: usize = 100;
/// So many functions of the project are read for each file.
const SIMILAR: usize = 4;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    let mut materials: BTreeMap<usize, Material> = BTreeMap::new();
    for spot in spots {
        let node = spot.node;
        if !bench.touches(node) || !bench.is_in_function_or_script(node) {
            continue;
        }
        let function = bench.view.function(node);
        let key = function.map_or(usize::MAX, |function| function.start_byte());
        let material = materials.entry(key).or_insert_with(|| bench.material(function));
        if spot.place == Place::Value && spot.role.is_expression() {
            expressions(bench, node, material);
        }
        if bench.view.is_statement(node) {
            statements(bench, node, material);
        }
    }
}

/// What can be borrowed for a function.
#[derive(Debug, Default)]
struct Material {
    /// Text, shape, role, level, where it is asked for (`true`: a condition), how near.
    expressions: Vec<Borrowed>,
    statements: Vec<(String, f64)>,
    /// A condition with one statement: its text, its indentation, how near.
    guarded: Vec<(String, String, f64)>,
}

#[derive(Debug, Clone)]
struct Borrowed {
    piece: Piece,
    shape: u16,
    role: Role,
    place: Role,
    fit: f64,
    names: BTreeSet<String>,
}

impl<'a> Bench<'a> {
    fn material(&self, function: Option<Node<'a>>) -> Material {
        let mut material = Material::default();
        let mut seen = BTreeSet::new();
        let own = function.unwrap_or(self.source.tree.root_node());
        if own.byte_range().len() < 20_000 {
            self.collect(self.source, own, 1.0, &mut material, &mut seen);
        }
        for (source, other, alike) in self.similar(own) {
            self.collect(source, other, 0.8 * alike, &mut material, &mut seen);
        }
        material.statements.truncate(60);
        material
    }

    fn collect(&self, source: &Source, root: Node<'_>, fit: f64, material: &mut Material, seen: &mut BTreeSet<String>) {
        let view = source.view();
        each_node(root, &mut |node| {
            let role = view.role(node);
            let text = view.of(node);
            let is_guarded = role == Role::If
                && text.len() <= MAX_GUARDED_BYTES
                && view.is_statement(node)
                && node.child_by_field_name("alternative").is_none()
                && view
                    .body(node)
                    .is_some_and(|body| view.role(body) != Role::Block || view.statements(body).len() == 1);
            if is_guarded && seen.insert(text.to_owned()) {
                material.guarded.push((text.to_owned(), view.indent(node.start_byte()).to_owned(), fit));
            }
            if text.len() > MAX_BYTES || text.contains('\n') || material.expressions.len() > 400 {
                return;
            }
            let place = view.parent_role(node);
            let is_value = !matches!(
                place,
                Role::Params | Role::Param | Role::Import | Role::Type | Role::Decorator | Role::Path | Role::Function
            );
            let is_called = place == Role::Call
                && node.parent().is_some_and(|call| {
                    call.child_by_field_name("function").is_some_and(|called| called.id() == node.id())
                });
            if is_value
                && !is_called
                && matches!(
                    role,
                    Role::Binary
                        | Role::Call
                        | Role::Index
                        | Role::Member
                        | Role::Not
                        | Role::Unary
                        | Role::Slice
                        | Role::List
                        | Role::New
                        | Role::Ternary
                        | Role::Comprehension
                        | Role::Cast
                        | Role::Question
                )
                && text.len() > 1
                && seen.insert(text.to_owned())
            {
                material.expressions.push(Borrowed {
                    piece: Piece::of(view, node),
                    shape: source.names().shape_of(view, node),
                    role,
                    place,
                    fit,
                    names: view.names_in(node),
                });
            }
            let simple = matches!(
                role,
                Role::ExprStmt | Role::Assign | Role::AugAssign | Role::Simple | Role::Return | Role::Raise
            );
            if simple && view.is_statement(node) && view.function(node).is_some() && seen.insert(format!("{text};")) {
                material.statements.push((text.trim_end_matches(';').to_owned(), fit));
            }
        });
    }

    /// Functions of the project whose words are much like a function's, the likest first.
    fn similar(&self, own: Node<'a>) -> Vec<(&'a Source, Node<'a>, f64)> {
        let words = word_set(self.view.of(own));
        let mut found: Vec<(&'a Source, Node<'a>, f64)> = Vec::new();
        let own_name = own.child_by_field_name("name").map_or("", |name| self.view.of(name));
        for source in std::iter::once(self.source).chain(self.project.sources()) {
            if source.language != self.source.language
                || (source.path == self.source.path && !std::ptr::eq(source, self.source))
            {
                continue;
            }
            let same_file = std::ptr::eq(source, self.source);
            if !same_file && found.len() > 200 {
                break;
            }
            for known in &source.names().functions {
                if same_file
                    && (known.range == own.byte_range()
                        || known.range.start <= own.start_byte() && own.end_byte() <= known.range.end)
                {
                    continue;
                }
                let Some(text) = source.text.get(known.range.clone()).filter(|text| text.len() < 6_000) else {
                    continue;
                };
                let near = strsim::normalized_damerau_levenshtein(&known.name, own_name);
                let alike = 0.7 * overlap(&words, &word_set(text)) + 0.3 * near;
                if alike < 0.2 {
                    continue;
                }
                if let Some(node) = source
                    .tree
                    .root_node()
                    .descendant_for_byte_range(known.range.start, known.range.end.saturating_sub(1))
                {
                    found.push((source, node, alike));
                }
            }
        }
        found.sort_by(|a, b| {
            b.2.total_cmp(&a.2)
                .then_with(|| a.0.path.cmp(&b.0.path))
                .then_with(|| a.1.start_byte().cmp(&b.1.start_byte()))
        });
        found.truncate(SIMILAR);
        found
    }

    /// Are all names of borrowed code known here?
    pub fn knows(&mut self, names: &BTreeSet<String>, node: Node<'_>) -> bool {
        let visible = self.visible(node);
        names.iter().all(|name| {
            visible.iter().any(|binding| binding.name == *name)
                || self.view.words().words.builtins.contains(&name.as_str())
        })
    }
}

pub(super) fn word_set(text: &str) -> BTreeSet<&str> {
    super::words(text).filter(|word| !word.is_empty()).collect()
}

pub(super) fn overlap(a: &BTreeSet<&str>, b: &BTreeSet<&str>) -> f64 {
    let common = a.intersection(b).count() as f64;
    common / (a.len() + b.len()).max(1) as f64 * 2.0
}

fn expressions(bench: &mut Bench<'_>, node: Node<'_>, material: &Material) {
    let role = bench.view.role(node);
    let text = bench.view.of(node);
    if matches!(role, Role::Paren | Role::Path | Role::SelfWord | Role::Lambda | Role::Yield)
        || text.len() > MAX_BYTES
        || text.contains('\n')
    {
        return;
    }
    let place = bench.view.parent_role(node);
    if matches!(place, Role::Member | Role::Call | Role::ExprStmt) {
        return;
    }
    let known = bench.shape(node);
    let own_words = word_set(text);
    let parameter = bench.parameter(node);
    let mut options: Vec<(Piece, f64)> = Vec::new();
    for borrowed in &material.expressions {
        if borrowed.piece.text == text || borrowed.piece.text.contains(text) && text.len() > 8 {
            continue;
        }
        let alike = overlap(&own_words, &word_set(&borrowed.piece.text));
        let same_place = if borrowed.place == place { 1.0 } else { 0.5 };
        let same_role = if borrowed.role == role { 1.0 } else { 0.6 };
        let fit = borrowed.fit * same_place * same_role * compatible(known, borrowed.shape) * (0.25 + 0.75 * alike);
        let fit = fit * parameter.as_ref().map_or(1.0, |parameter| parameter.fit(&borrowed.piece.text));
        if fit > 0.08 && bench.knows(&borrowed.names, node) {
            options.push((borrowed.piece.clone(), fit));
        }
    }
    options.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.text.cmp(&b.0.text)));
    for (piece, fit) in options.into_iter().take(14) {
        bench.replace(EditKind::BorrowExpression, node, &piece, fit);
    }
}

fn statements(bench: &mut Bench<'_>, node: Node<'_>, material: &Material) {
    if node.end_position().row - node.start_position().row > 40 {
        return;
    }
    let end = bench.view.words().words.end;
    let own = bench.view.of(node).trim_end_matches(';').to_owned();
    let siblings = node.parent().map_or(Vec::new(), |parent| bench.view.statements(parent));
    let neighbours: Vec<&str> = siblings.iter().map(|sibling| bench.view.of(*sibling).trim_end_matches(';')).collect();
    let leaves = matches!(bench.view.role(node), Role::Return | Role::Raise | Role::Break | Role::Continue);
    let ends_here = bench.is_simple(node) || bench.is_wanted(bench.line(node.end_byte().saturating_sub(1)));
    let gap = if leaves || !ends_here { bench.gap_before(node) } else { bench.gap_after(node) };
    let names: Vec<(String, f64)> = bench.candidates(node, 0).into_iter().take(6).collect();
    if let Some(gap) = &gap {
        guarded(bench, node, &neighbours, gap, material);
    }
    for (statement, fit) in &material.statements {
        let words = word_set(statement);
        let unknown =
            words.iter().any(|word| !bench.names.words.contains_key(*word) && word.starts_with(char::is_alphabetic));
        if *statement == own {
            if let Some(gap) = &gap {
                super::twins::statement(bench, statement, gap, node);
            }
            continue;
        }
        let is_jump =
            statement.starts_with("return") || statement.starts_with("raise") || statement.starts_with("throw");
        if !unknown
            && !neighbours.contains(&statement.as_str())
            && !is_jump
            && let Some(gap) = &gap
        {
            let what = format!("`{}` comes, as elsewhere", super::short(statement));
            bench.put_at(
                EditKind::BorrowStatement,
                gap.at..gap.at,
                gap.lay(&format!("{statement}{end}")),
                0.6 * fit,
                what,
                gap.line,
                None,
            );
        }
        if let Some(gap) = gap.as_ref().filter(|_| !is_jump) {
            renamed(bench, statement, &names, gap, *fit, node);
        }
        // a simple statement becomes another one of the function
        if bench.is_simple(node) && !unknown && overlap(&word_set(&own), &words) > 0.3 {
            let what = format!("`{}` becomes `{}`", super::short(&own), super::short(statement));
            bench.put(
                EditKind::BorrowStatement,
                node.byte_range(),
                format!("{statement}{end}"),
                0.5 * fit * overlap(&word_set(&own), &words),
                what,
            );
        }
    }
}

/// A condition with its one statement comes once more: what a loop does at a boundary is often due after it as well.
fn guarded(bench: &mut Bench<'_>, node: Node<'_>, neighbours: &[&str], gap: &super::inserts::Gap, material: &Material) {
    let after_loop = bench.view.role(node).is_loop();
    for (text, indent, fit) in &material.guarded {
        let is_known = word_set(text).iter().all(|word| {
            bench.names.words.contains_key(*word) || !word.starts_with(char::is_alphabetic) || *word == "if"
        });
        let moved = super::blocks::reindent(text, indent, &gap.indent);
        if !is_known || text.contains("return") || neighbours.contains(&moved.as_str()) {
            continue;
        }
        let fit = fit * if after_loop { 1.2 } else { 0.35 };
        let what = format!("`{}` comes, as elsewhere", super::short(text));
        bench.put_at(EditKind::BorrowStatement, gap.at..gap.at, gap.lay(&moved), fit, what, gap.line, None);
    }
}

/// A borrowed statement with one of its names changed to another one known here.
fn renamed(
    bench: &mut Bench<'_>,
    statement: &str,
    names: &[(String, f64)],
    gap: &super::inserts::Gap,
    fit: f64,
    node: Node<'_>,
) {
    let end = bench.view.words().words.end;
    let is_call = statement.contains('(') && !statement.contains(" = ");
    if !is_call && bench.view.language == Language::Rust {
        return;
    }
    let visible: Vec<String> = bench
        .visible(node)
        .iter()
        .filter(|binding| matches!(binding.origin, Origin::Local | Origin::Parameter | Origin::LoopVariable))
        .map(|binding| binding.name.clone())
        .collect();
    for old in word_set(statement).into_iter().filter(|word| visible.iter().any(|name| name == word)) {
        for (new, part) in names.iter().filter(|(new, _)| new != old).take(4) {
            let text = super::twins::with_names(statement, &[(old, new)]);
            let what = format!("`{}` comes", super::short(&text));
            bench.put_at(
                EditKind::BorrowStatement,
                gap.at..gap.at,
                gap.lay(&format!("{text}{end}")),
                0.25 * fit * part,
                what,
                gap.line,
                None,
            );
        }
    }
}
