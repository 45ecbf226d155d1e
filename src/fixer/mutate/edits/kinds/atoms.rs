//! Small conditions made of the names in scope: what a guard or a strengthened condition may ask.

use std::collections::BTreeMap;

use super::super::languages::{Role, shape};
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::untold::Untold;
use super::{Bench, words};
use crate::syntax::functions::each_node;
use crate::syntax::language::Language;
use tree_sitter::Node;

/// One small condition.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    pub piece: Piece,
    pub fit: f64,
    /// Asks whether something is there at all: it belongs before what it guards.
    pub guards: bool,
}

/// How many names atoms are made of, the most fitting ones.
const NAMES: usize = 9;
const PAIRS: usize = 5;
/// A name that is bound and never read was most likely meant to be asked. An estimate.
const LONELY: f64 = 2.0;
/// So many fields of one record are compared.
const FIELDS: usize = 3;
/// What another function of the file asks of names that are known here, too. An estimate.
const ELSEWHERE: f64 = 0.25;
/// The same in the same function.
const IN_FUNCTION: f64 = 0.45;
/// A parameter that nobody uses with a field that nobody reads: both are there for something.
const NOBODY_READS: f64 = 1.0;
/// A field that nobody reads, of something else than is asked here. An estimate.
const NOBODY_READS_ELSEWHERE: f64 = 0.8;
/// So many of those are asked.
const MOST_ELSEWHERE: usize = 8;

impl Bench<'_> {
    /// Atoms at a node, the likeliest first, each text once.
    pub(super) fn atoms(&mut self, node: Node<'_>) -> Vec<Atom> {
        let mut atoms: BTreeMap<String, Atom> = BTreeMap::new();
        let statement = self.view.statement(node).unwrap_or(node);
        let statement_text = self.view.of(statement).to_owned();
        let mut offer = |piece: Piece, fit: f64, guards: bool| {
            let entry = atoms.entry(piece.text.clone()).or_insert(Atom { piece, fit: 0.0, guards });
            entry.fit = entry.fit.max(fit);
        };
        for (condition, fit) in self.conditions_nearby(node) {
            offer(condition, fit, false);
        }
        for (condition, fit) in self.asked_elsewhere(node) {
            offer(condition, fit, false);
        }
        for (condition, fit) in self.adjacent_atoms(node) {
            offer(condition, fit, false);
        }
        for (condition, fit) in self.elapsed_atoms(node) {
            offer(condition, fit, false);
        }
        for (condition, fit) in self.flag_atoms(node) {
            offer(condition, fit, true);
        }
        let mut names = self.candidates(node, 0);
        names.truncate(NAMES + 3);
        let function = self.view.function(node).map_or(self.view.text, |function| self.view.of(function));
        for (name, fit) in &mut names {
            if statement_text.contains(name.as_str()) {
                *fit *= 1.4;
            }
            if is_there_once(function, name) {
                *fit *= LONELY;
            }
        }
        names.sort_by(|a, b| b.1.total_cmp(&a.1));
        names.truncate(NAMES);
        for (name, fit) in &names {
            for (template, part, guards) in self.templates(name, node) {
                let template = self.strict(template);
                offer(self.fill(&template, &[&name_piece(name)]), fit * part, guards);
            }
        }
        for (piece, fit, guards) in self.member_atoms(node) {
            offer(piece, fit, guards);
        }
        for (piece, fit, guards) in self.pair_atoms(&names, node) {
            offer(piece, fit, guards);
        }
        for (piece, fit) in self.field_atoms(&names, node) {
            offer(piece, fit, false);
        }
        let mut atoms: Vec<Atom> = atoms.into_values().collect();
        atoms.sort_by(|a, b| b.fit.total_cmp(&a.fit).then_with(|| a.piece.text.cmp(&b.piece.text)));
        atoms
    }

    /// JavaScript compares numbers with `===`; `== null` alone is meant as it is.
    pub(super) fn strict(&self, template: &str) -> String {
        if self.view.words().words.equal != "==="
            || template.contains("null")
            || template.contains("===")
            || template.contains("!==")
        {
            return template.to_owned();
        }
        template.replace(" == ", " === ").replace(" != ", " !== ")
    }

    /// What may be asked of one name, by what is known of it.
    fn templates(&self, name: &str, node: Node<'_>) -> Vec<(&'static str, f64, bool)> {
        let words = &self.view.words().words;
        let known = self.shape_of_name(name, node);
        let typed = self.view.words().has_types;
        let mut found: Vec<(&'static str, f64, bool)> = Vec::new();
        let sure = |bits: u16| {
            if known & bits != 0 {
                1.0
            } else if known == 0 {
                0.35
            } else {
                0.0
            }
        };
        if sure(shape::NUM) > 0.0 {
            let part = sure(shape::NUM);
            found.extend([
                ("{} == 0", 0.7 * part, false),
                ("{} > 0", 0.55 * part, false),
                ("{} < 0", 0.5 * part, false),
                ("{} >= 0", 0.4 * part, false),
                ("{} <= 0", 0.5 * part, false),
                ("{} == 1", 0.35 * part, false),
                ("{} <= 1", 0.3 * part, false),
                ("{} < 2", 0.15 * part, false),
                ("{} != 0", 0.35 * part, false),
                ("{} > 1", 0.25 * part, false),
            ]);
        }
        if sure(shape::SIZED) > 0.0 {
            let part = sure(shape::SIZED);
            found.push((words.is_empty, 0.8 * part, true));
            found.push((words.is_not_empty, 0.6 * part, true));
            if words.length == "len({})" {
                found.extend([
                    ("len({}) == 0", 0.3 * part, true),
                    ("len({}) <= 1", 0.25 * part, false),
                    ("len({}) < 2", 0.15 * part, false),
                    ("len({}) == 1", 0.2 * part, false),
                    ("len({}) > 1", 0.15 * part, false),
                ]);
            } else if words.length == "{}.length" {
                found.extend([
                    ("{}.length <= 1", 0.3 * part, false),
                    ("{}.length < 2", 0.15 * part, false),
                    ("{}.length == 0", 0.2 * part, true),
                ]);
            } else {
                found.extend([("{}.len() <= 1", 0.25 * part, false), ("{}.len() < 2", 0.15 * part, false)]);
            }
        }
        if sure(shape::BOOL) > 0.0 && (known & shape::BOOL != 0 || !typed) {
            let part = if known & shape::BOOL != 0 { 1.0 } else { 0.7 };
            found.push(("{}", 0.7 * part, false));
            found.push((if self.view.language == Language::Python { "not {}" } else { "!{}" }, 0.7 * part, false));
        } else if !typed {
            found.push(("{}", 0.35, true));
            found.push((if self.view.language == Language::Python { "not {}" } else { "!{}" }, 0.45, true));
        }
        if known & (shape::NUM | shape::BOOL) == 0 {
            let part = if known & (shape::NULLABLE | shape::OBJECT) != 0 {
                0.8
            } else if typed {
                0.25
            } else {
                0.5
            };
            found.push((words.is_null, part, true));
            found.push((words.is_not_null, part, true));
            if matches!(self.view.language, Language::JavaScript | Language::TypeScript | Language::Tsx) {
                found.extend([
                    ("{} === null", part * 0.7, true),
                    ("{} === undefined", part * 0.7, true),
                    ("{} !== null", part * 0.7, true),
                    ("{} !== undefined", part * 0.7, true),
                ]);
            }
        }
        if self.view.language == Language::Rust && known & shape::NULLABLE == 0 {
            found.retain(|(template, _, _)| !template.contains("is_none") && !template.contains("is_some"));
        }
        found
    }

    /// `node.next is None` for members seen on names in scope.
    fn member_atoms(&self, node: Node<'_>) -> Vec<(Piece, f64, bool)> {
        let mut found = Vec::new();
        let Some(function) = self.view.function(node) else { return found };
        if self.view.words().has_types && self.view.language != Language::Go && self.view.language != Language::Java {
            return found;
        }
        let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
        each_node(function, &mut |inner| {
            if self.view.role(inner) == Role::Member
                && self.view.of(inner).len() <= 30
                && !self.view.of(inner).contains('(')
            {
                let called = self.view.parent_role(inner) == Role::Call
                    && inner
                        .parent()
                        .is_some_and(|call| call.child_by_field_name("function").is_some_and(|f| f.id() == inner.id()));
                if !called {
                    *texts.entry(self.view.of(inner)).or_insert(0) += 1;
                }
            }
        });
        let words = &self.view.words().words;
        for text in texts.into_keys().take(8) {
            let piece = name_piece(text);
            let known = self.shape_of_name(text, node);
            for template in [words.is_null, words.is_not_null] {
                if known & (shape::NUM | shape::SEQ) == 0 {
                    found.push((self.fill(template, &[&piece]), 0.35, true));
                }
            }
            if known & shape::NUM != 0 {
                found.extend(
                    ["{} == 0", "{} > 0"].map(|template| (self.fill(&self.strict(template), &[&piece]), 0.25, false)),
                );
            }
            if known & shape::SEQ != 0 {
                found.extend(
                    [words.is_empty, words.is_not_empty].map(|template| (self.fill(template, &[&piece]), 0.25, true)),
                );
            }
        }
        found
    }

    /// Comparisons of two names: `i < len(a)`, `x == y`, `x in seen`.
    fn pair_atoms(&self, names: &[(String, f64)], node: Node<'_>) -> Vec<(Piece, f64, bool)> {
        let words = &self.view.words().words;
        let mut found = Vec::new();
        for (one, one_fit) in names.iter().take(PAIRS + 1) {
            for (other, other_fit) in names.iter().take(PAIRS + 1).filter(|(other, _)| other != one) {
                let (left, right) = (self.shape_of_name(one, node), self.shape_of_name(other, node));
                let fit = one_fit * other_fit;
                let parts = [&name_piece(one), &name_piece(other)];
                let numbers = left & right & shape::NUM != 0;
                if numbers || (left == 0 && right == 0) {
                    let part = if numbers { 0.35 } else { 0.1 };
                    for operator in ["<", "<=", ">", ">="] {
                        found.push((Piece::binary(self.view.words(), parts[0], operator, parts[1]), fit * part, false));
                    }
                }
                if (left == right || left == 0 || right == 0) && one < other {
                    for operator in [words.equal, words.unequal] {
                        found.push((Piece::binary(self.view.words(), parts[0], operator, parts[1]), fit * 0.3, false));
                    }
                }
                if left & shape::NUM != 0 && right & (shape::SEQ | shape::STR) != 0 {
                    let length = self.fill(words.length, &[parts[1]]);
                    for (operator, part) in [("<", 0.5), (">=", 0.3), (words.equal, 0.25)] {
                        found.push((Piece::binary(self.view.words(), parts[0], operator, &length), fit * part, true));
                    }
                }
                if !words.contains.is_empty() && right & (shape::SEQ | shape::MAP) != 0 && left & shape::SEQ == 0 {
                    let inside = self.fill(words.contains, &[parts[1], parts[0]]);
                    let outside = if self.view.language == Language::Python {
                        self.fill("{1} not in {0}", &[parts[1], parts[0]])
                    } else {
                        self.fill("!{}", &[&inside])
                    };
                    found.extend([(inside, fit * 0.3, false), (outside, fit * 0.35, false)]);
                }
            }
        }
        found
    }

    /// `entry.until <= now`: fields that what is asked here has elsewhere in the file, compared with names in scope.
    fn field_atoms(&self, names: &[(String, f64)], node: Node<'_>) -> Vec<(Piece, f64)> {
        let records = self.source.records();
        let function = self.view.function(node).map_or("", |function| self.view.of(function));
        let mut found = Vec::new();
        for (holder, _) in names.iter().filter(|(name, _)| !name.contains('.')) {
            let Some(read) = self.names.members_of.get(holder) else { continue };
            let is_read = |field: &String| read.get(field) == Some(&false);
            let is_like = records.iter().filter(|record| record.iter().any(is_read));
            let unread = is_like.flatten().filter(|field| !function.contains(&format!("{holder}.{field}")));
            for field in unread.take(FIELDS) {
                let asked = name_piece(&format!("{holder}.{field}"));
                for (other, fit) in names.iter().filter(|(name, _)| name != holder && !name.contains('.')).take(PAIRS) {
                    for operator in ["<", "<=", ">", ">="] {
                        found.push((Piece::binary(self.view.words(), &asked, operator, &name_piece(other)), 0.4 * fit));
                    }
                }
            }
        }
        found
    }

    /// `coupon.firstOrderOnly`: fields that the tests give to what the function reads, and that no code reads.
    fn flag_atoms(&self, node: Node<'_>) -> Vec<(Piece, f64)> {
        let asked: Vec<&str> = words(self.view.of(node)).collect();
        let not = if self.view.language == Language::Python { "not {}" } else { "!{}" };
        let both = |untold: Untold| {
            let is_asked = asked.contains(&untold.holder.as_str());
            let fit = if is_asked { NOBODY_READS } else { NOBODY_READS_ELSEWHERE };
            let piece = untold.piece();
            [(self.fill(not, &[&piece]), fit), (piece, fit)]
        };
        self.untold(node).into_iter().flat_map(both).collect()
    }

    /// Conditions of the same function, whole and in parts: the commonest source of a missing one.
    fn conditions_nearby(&self, node: Node<'_>) -> Vec<(Piece, f64)> {
        let mut found: Vec<(Piece, f64)> = Vec::new();
        let Some(function) = self.view.function(node) else { return found };
        each_node(function, &mut |inner| {
            let Some(condition) = self.view.condition(inner) else { return };
            if condition.byte_range().contains(&node.start_byte()) || self.view.of(condition).len() > 60 {
                return;
            }
            found.push((self.piece(condition), 0.45));
            for text in other_types(self.view.of(condition)) {
                found.push((Piece { text, level: self.view.level(condition) }, 0.4));
            }
            for binary in self.view.binaries(condition) {
                if self.view.level(condition) <= 4 {
                    found.extend([(self.piece(binary.left), 0.4), (self.piece(binary.right), 0.4)]);
                }
            }
        });
        found.truncate(12);
        found
    }

    /// What the file asks elsewhere of names that are known here.
    fn asked_elsewhere(&mut self, node: Node<'_>) -> Vec<(Piece, f64)> {
        let own = self.view.function(node).map_or(0..0, |function| function.byte_range());
        let (source, view) = (self.source, self.view);
        let others = source.asked().iter().filter(|asked| !node.byte_range().contains(&asked.at.start));
        let known = others.filter(|asked| asked.is_of_class_at(view, node) && self.knows(&asked.names, node));
        let weighed = known
            .map(|asked| (asked.piece.clone(), if own.contains(&asked.at.start) { IN_FUNCTION } else { ELSEWHERE }));
        let mut found: Vec<(Piece, f64)> = weighed.collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(MOST_ELSEWHERE);
        found
    }

    /// `now - self.opened >= self.pause`, where nobody uses `now` or reads `pause`.
    fn elapsed_atoms(&self, node: Node<'_>) -> Vec<(Piece, f64)> {
        let mut found = Vec::new();
        let (Some(function), Some(class)) =
            (self.view.function(node), self.view.ancestor(node, |role| role == Role::Class))
        else {
            return found;
        };
        let (text, all) = (self.view.of(function), self.view.of(class));
        let parameters = self.names.bindings.iter().filter(|known| {
            known.origin == Origin::Parameter
                && known.scope == function.byte_range()
                && is_there_once(text, &known.name)
        });
        let fields: Vec<String> =
            self.fields(node).into_iter().filter(|(_, is_method)| !is_method).map(|f| f.0).collect();
        let set_only = |field: &&String| all.matches(field.as_str()).count() == 1;
        let asked = fields.iter().filter(|field| self.view.of(node).contains(field.as_str()));
        for (parameter, limit) in parameters.flat_map(|p| fields.iter().filter(set_only).map(move |field| (p, field))) {
            let (now, limit) = (name_piece(&parameter.name), name_piece(limit));
            for operator in [">=", ">", "<", "<="] {
                found.push((Piece::binary(self.view.words(), &now, operator, &limit), NOBODY_READS));
            }
            for begun in asked.clone().filter(|field| **field != limit.text) {
                let elapsed = Piece::binary(self.view.words(), &now, "-", &name_piece(begun));
                for operator in [">=", ">", "<", "<="] {
                    found.push((Piece::binary(self.view.words(), &elapsed, operator, &limit), NOBODY_READS));
                }
            }
        }
        found
    }
}

/// Does a function say a name only where it is bound?
pub(super) fn is_there_once(function: &str, name: &str) -> bool {
    name != "_" && words(function).filter(|word| *word == name).take(2).count() == 1
}

/// `typeof x === "string"` asks for `typeof x === "object"`, `isinstance(x, str)` for `isinstance(x, int)`.
fn other_types(condition: &str) -> Vec<String> {
    let replaced = |names: &[&str], before: &str, after: &str| -> Vec<String> {
        let around = |name: &str| format!("{before}{name}{after}");
        let Some(own) = names.iter().find(|name| condition.matches(&around(name)).count() == 1) else {
            return Vec::new();
        };
        let others = names.iter().filter(|name| *name != own);
        others.map(|name| condition.replacen(&around(own), &around(name), 1)).collect()
    };
    if condition.starts_with("typeof ") && condition.matches("typeof").count() == 1 {
        let names = ["object", "string", "number", "function", "boolean", "undefined"];
        return [replaced(&names, "\"", "\""), replaced(&names, "'", "'")].concat();
    }
    if condition.starts_with("isinstance(") && condition.matches("isinstance").count() == 1 {
        return replaced(&["str", "int", "list", "dict", "float", "tuple", "bool", "set"], ", ", ")");
    }
    Vec::new()
}

pub(super) fn name_piece(name: &str) -> Piece {
    let level =
        if name.contains('.') { super::super::languages::level::POSTFIX } else { super::super::languages::level::ATOM };
    Piece { text: name.to_owned(), level }
}
