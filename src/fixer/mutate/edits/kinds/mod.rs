//! The kinds of edits: one generator each, over the same spots of the tree.

mod adjacent;
mod arguments;
mod atoms;
mod axes;
mod blocks;
mod borrowed;
mod bounds;
mod chains;
mod characters;
mod compile;
mod conditions;
mod constants;
mod declared;
mod directions;
mod endings;
mod exceptions;
mod guards;
mod inline;
mod inserts;
mod likewise;
mod links;
mod mirrored;
mod moved;
mod names;
mod onward;
mod operands;
mod operators;
mod patterns;
mod radix;
mod regexes;
mod series;
mod statements;
mod stores;
mod tokens;
mod twins;
mod untold;
mod wraps;
mod yields;

pub(in crate::fixer::mutate) use exceptions::is_exception;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use tree_sitter::Node;

use super::languages::{Role, shape};
use super::piece::Piece;
use super::scope::{Binding, Names};
use super::view::View;
use super::{Edit, EditKind, Project, Source, priors};
use crate::syntax::language::Language;
use crate::syntax::regions::is_docstring;
use crate::words::Label;

/// What a node is where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its value is used.
    Value,
    /// It is assigned to or bound.
    Target,
    /// A statement, or a head of one.
    Statement,
}

/// A node that edits are looked for at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'t> {
    pub node: Node<'t>,
    pub role: Role,
    pub place: Place,
    /// Does its own text touch the wanted lines?
    pub touched: bool,
}

/// What a generator works with.
pub(super) struct Bench<'a> {
    pub project: &'a Project,
    pub source: &'a Source,
    pub view: View<'a>,
    pub names: &'a Names,
    /// Does the caller look for what a compiler complained about?
    pub compiles: bool,
    lines: Option<&'a BTreeSet<usize>>,
    found: Vec<Edit>,
    visible: HashMap<usize, Vec<&'a Binding>>,
}

/// All edits of `source` at `lines`, unordered, not yet checked.
pub(super) fn generate(
    project: &Project,
    source: &Source,
    lines: Option<&BTreeSet<usize>>,
    compiles: bool,
) -> Vec<Edit> {
    let view = source.view();
    let mut bench = Bench {
        project,
        source,
        view,
        names: source.names(),
        compiles,
        lines,
        found: Vec::new(),
        visible: HashMap::new(),
    };
    let spots = bench.spots();
    for generator in GENERATORS {
        generator(&mut bench, &spots);
    }
    bench.finish()
}

type Generator = for<'a, 's> fn(&mut Bench<'a>, &'s [Spot<'a>]);

const GENERATORS: &[Generator] = &[
    operators::generate,
    constants::generate,
    series::generate,
    bounds::generate,
    conditions::generate,
    operands::generate,
    names::generate,
    wraps::generate,
    arguments::generate,
    statements::generate,
    inserts::generate,
    blocks::generate,
    guards::generate,
    borrowed::generate,
    tokens::generate,
    patterns::generate,
    axes::generate,
    chains::generate,
    links::generate,
    mirrored::generate,
    moved::generate,
    twins::generate,
    untold::generate,
    yields::generate,
    endings::generate,
    directions::generate,
    declared::generate,
    exceptions::generate,
    inline::generate,
    likewise::generate,
    compile::generate,
];

impl<'a> Bench<'a> {
    /// Does a node's own text (without the body of a compound statement) touch the wanted lines?
    pub fn touches(&self, node: Node<'_>) -> bool {
        let Some(lines) = self.lines else { return true };
        let first = node.start_position().row + 1;
        let last = match self.view.body(node).filter(|_| self.view.role(node).is_compound()) {
            Some(body) => body.start_position().row + 1,
            None => node.end_position().row + 1,
        };
        lines.range(first..=last.max(first)).next().is_some()
    }

    pub fn is_wanted(&self, line: usize) -> bool {
        self.lines.is_none_or(|lines| lines.contains(&line))
    }

    /// Do the first or the last line of a node touch the wanted lines?
    pub fn touches_edges(&self, node: Node<'_>) -> bool {
        let Some(lines) = self.lines else { return true };
        lines.contains(&(node.start_position().row + 1))
            || lines.contains(&(node.end_position().row + 1))
            || self.touches(node)
    }

    /// Names known at a node, innermost first.
    pub fn visible(&mut self, node: Node<'_>) -> Vec<&'a Binding> {
        let names = self.names;
        let at = node.start_byte();
        self.visible.entry(at).or_insert_with(|| names.visible(at)).clone()
    }

    pub fn piece(&self, node: Node<'_>) -> Piece {
        Piece::of(self.view, node)
    }

    pub fn fill(&self, template: &str, parts: &[&Piece]) -> Piece {
        Piece::fill(self.view.language, template, parts)
    }

    pub fn shape(&self, node: Node<'_>) -> u16 {
        self.names.shape_of(self.view, node)
    }

    /// What is known of a name at a node.
    pub fn shape_of_name(&self, name: &str, node: Node<'_>) -> u16 {
        let function = self.view.function(node).map_or(0, |function| function.start_byte());
        let own = self.names.shape(function, name);
        if own != 0 { own } else { self.names.shape(0, name) }
    }

    /// The other side of the one operator that a node is a side of, and the operator.
    pub fn other_side<'t>(&self, node: Node<'t>) -> Option<(Node<'t>, &'a str)> {
        let [binary] = &self.view.binaries(node.parent()?)[..] else { return None };
        let other = if binary.left.id() == node.id() { binary.right } else { binary.left };
        Some((other, &self.view.text[binary.at.clone()]))
    }

    /// Replaces an expression by another one, with parentheses where the place asks for them.
    pub fn replace(&mut self, kind: EditKind, node: Node<'_>, new: &Piece, fit: f64) {
        let old = self.view.of(node);
        let text = new.at(self.view.wanted_level(node));
        if text == old {
            return;
        }
        let what = format!("`{}` becomes `{}`", short(old), short(&new.text));
        self.put(kind, node.byte_range(), text, fit, what);
    }

    /// Any edit.
    pub fn put(&mut self, kind: EditKind, range: Range<usize>, replacement: String, fit: f64, what: String) {
        let line = self.line(range.start);
        self.put_at(kind, range, replacement, fit, what, line, None);
    }

    /// An edit whose line is not that of its first byte, or that has a label.
    #[allow(clippy::too_many_arguments)]
    pub fn put_at(
        &mut self,
        kind: EditKind,
        range: Range<usize>,
        replacement: String,
        fit: f64,
        what: String,
        line: usize,
        label: Option<Label>,
    ) {
        if fit <= 0.0 {
            return;
        }
        let old = self.view.text.get(range.clone()).unwrap_or("");
        let fit = fit * self.source.signs().times(&range, old, &replacement);
        // every further token makes an edit less likely
        let weight = fit / (1.0 + self.changed_bytes(&range, &replacement) as f64 / 50.0);
        self.found.push(Edit { path: self.source.path.clone(), range, replacement, kind, line, weight, what, label });
    }

    /// Bytes that go and come, without what stays at both ends.
    fn changed_bytes(&self, range: &Range<usize>, replacement: &str) -> usize {
        let old = self.view.text.get(range.clone()).unwrap_or("").as_bytes();
        let new = replacement.as_bytes();
        let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let room = old.len().min(new.len()) - start;
        let end = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
        old.len() + new.len() - 2 * (start + end)
    }

    pub fn line(&self, byte: usize) -> usize {
        self.source.line(byte)
    }

    /// Turns fits into weights: the edits of a kind share the kind's weight on a line, and only the best stay.
    fn finish(self) -> Vec<Edit> {
        let mut groups: BTreeMap<(usize, EditKind), Vec<Edit>> = BTreeMap::new();
        for edit in self.found {
            groups.entry((edit.line, edit.kind)).or_default().push(edit);
        }
        let mut all = Vec::new();
        for ((_, kind), mut edits) in groups {
            edits.sort_by(super::by_weight);
            edits.dedup_by(|a, b| a.range == b.range && a.replacement == b.replacement);
            let mut seen = BTreeSet::new();
            edits.retain(|edit| seen.insert((edit.range.start, edit.range.end, edit.replacement.clone())));
            let cap = if self.compiles { priors::cap(kind) * 4 } else { priors::cap(kind) };
            edits.truncate(cap);
            let sum: f64 = edits.iter().map(|edit| edit.weight).sum();
            let raise = if self.compiles { compile::raise(kind) } else { 1.0 };
            let share = raise * priors::weight(kind) / sum.max(1.0).sqrt();
            all.extend(edits.into_iter().map(|mut edit| {
                edit.weight *= share;
                if edit.label.is_some() {
                    edit.weight *= LABELLED;
                }
                edit
            }));
        }
        all
    }

    fn spots(&self) -> Vec<Spot<'a>> {
        let mut spots = Vec::new();
        self.walk(self.source.tree.root_node(), Place::Statement, 0, &mut spots);
        spots
    }

    fn walk(&self, node: Node<'a>, place: Place, depth: usize, spots: &mut Vec<Spot<'a>>) {
        if depth > MAX_DEPTH
            || is_docstring(node)
            || self.source.tests.iter().any(|test| test.contains(&node.start_byte()) && test.end >= node.end_byte())
        {
            return;
        }
        // subtrees on other lines have nothing to say, but for blocks whose parts may be wanted
        let role = self.view.role(node);
        if self.is_out_of_sight(node) {
            return;
        }
        let place = if role.is_expression() { place } else { Place::Statement };
        spots.push(Spot { node, role, place, touched: self.touches(node) });
        let mut cursor = node.walk();
        if !cursor.goto_first_child() {
            return;
        }
        loop {
            let child = cursor.node();
            if child.is_named()
                && let Some(place) = self.place_of_child(role, node, child, cursor.field_name())
            {
                self.walk(child, place, depth + 1, spots);
            }
            if !cursor.goto_next_sibling() {
                break;
            }
        }
    }

    fn is_out_of_sight(&self, node: Node<'_>) -> bool {
        let Some(lines) = self.lines else { return false };
        // neighbours may be wanted for moves and insertions: one line of slack on both sides
        let (first, last) = (node.start_position().row, node.end_position().row + 2);
        lines.range(first..=last).next().is_none()
    }

    /// What a child is in its parent; `None` when nothing in it may be edited.
    fn place_of_child(&self, parent: Role, node: Node<'_>, child: Node<'_>, field: Option<&str>) -> Option<Place> {
        let role = self.view.role(child);
        if matches!(role, Role::Comment | Role::Import | Role::Decorator) || child.is_extra() {
            return None;
        }
        if role == Role::Type {
            // a class or interface body may hold code; annotations never do
            return None;
        }
        let field = field.unwrap_or("");
        if node.kind() == "match_pattern" {
            // Rust: the condition behind a pattern
            return (field == "condition").then_some(Place::Value);
        }
        match parent {
            Role::Function | Role::Lambda => match field {
                "body" => Some(Place::Value),
                "parameters" | "parameter" => (role == Role::Params).then_some(Place::Statement),
                _ => None,
            },
            Role::Params => (role == Role::Param).then_some(Place::Statement),
            Role::Param => matches!(field, "value" | "right").then_some(Place::Value),
            Role::Class => (field == "body" || field.is_empty()).then_some(Place::Statement),
            Role::Member => matches!(field, "object" | "value" | "operand").then_some(Place::Value),
            Role::Call if field == "name" => None,
            Role::KeywordArg if field == "name" => None,
            // Python's keys are values; elsewhere a name that is no text is a label
            Role::Pair if field == "key" && self.view.language == Language::Python => Some(Place::Value),
            Role::Pair if matches!(field, "key" | "field" | "name") && role != Role::Str => None,
            Role::Assign | Role::AugAssign | Role::Declarator | Role::ForEach | Role::ForIn => match field {
                "left" | "name" | "pattern" | "property" => Some(Place::Target),
                "kind" => None,
                "value" if parent == Role::ForEach && node.child_by_field_name("right").is_some() => Some(Place::Value),
                _ => Some(Place::Value),
            },
            Role::As => match field {
                "alias" => None,
                "pattern" => None,
                _ => Some(Place::Value),
            },
            Role::Case => match field {
                "pattern" if child.child_by_field_name("condition").is_some() => Some(Place::Statement),
                "pattern" | "parameter" | "alias" => None,
                _ => Some(Place::Value),
            },
            Role::Path => None,
            Role::Pattern => match role {
                // parts of a target: `a, b = …`
                Role::Ident | Role::Member | Role::Index => Some(Place::Target),
                _ => None,
            },
            Role::Cast if field == "type" => None,
            Role::New if matches!(field, "constructor" | "type") => None,
            Role::Dict if matches!(field, "type" | "name") => None,
            Role::Break | Role::Continue => (field != "label" && role.is_expression()).then_some(Place::Value),
            Role::Clause if self.view.language == Language::Go && self.is_go_target(node) => Some(Place::Target),
            Role::Macro => (role == Role::Tokens).then_some(Place::Statement),
            _ => Some(Place::Value),
        }
    }

    /// Go: a list of expressions left of `=` or `:=`.
    fn is_go_target(&self, list: Node<'_>) -> bool {
        list.kind() == "expression_list"
            && list
                .parent()
                .is_some_and(|parent| parent.child_by_field_name("left").is_some_and(|left| left.id() == list.id()))
    }
}

/// What a label costs: such edits come after all others.
const LABELLED: f64 = 0.01;
/// Deeper nodes are left alone: nobody writes them, and recursion is bounded.
const MAX_DEPTH: usize = 200;

/// For people: one line, not too long.
pub(super) fn short(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= 60 {
        return flat;
    }
    flat.chars().take(57).collect::<String>() + "…"
}

/// The names and numbers of a text, and what is empty between signs.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Do two shapes go together? 1.0 when nothing is known.
pub(super) fn compatible(a: u16, b: u16) -> f64 {
    let (a, b) = (a & !shape::NULLABLE, b & !shape::NULLABLE);
    if a == 0 || b == 0 {
        0.6
    } else if a & b != 0 {
        1.0
    } else {
        0.15
    }
}
