//! The wrong name: variables, members, methods, functions, receivers.

use std::collections::BTreeMap;

use super::super::EditKind;
use super::super::languages::{COMMON_OPPOSITES, Role, shape};
use super::super::piece::Piece;
use super::super::scope::Origin;
use super::{Bench, Place, Spot, compatible};
use crate::syntax::language::Language;
use tree_sitter::Node;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched) {
        match (spot.role, spot.place) {
            (Role::Ident, Place::Value) => variable(bench, spot.node),
            (Role::Ident, Place::Target) => target(bench, spot.node),
            (Role::SelfWord, Place::Value) => receiver_of_self(bench, spot.node),
            (Role::Member, _) => member(bench, spot.node),
            (Role::Call, Place::Value) => {
                called(bench, spot.node);
                given(bench, spot.node);
            }
            (Role::Path, Place::Value) => path(bench, spot.node),
            (Role::New, Place::Value) => constructor(bench, spot.node),
            (Role::KeywordArg, _) => keyword(bench, spot.node),
            _ => {}
        }
    }
}

/// Is this node what a call calls?
fn is_called(bench: &Bench<'_>, node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        bench.view.role(parent) == Role::Call
            && parent.child_by_field_name("function").is_some_and(|called| called.id() == node.id())
    })
}

impl Bench<'_> {
    /// Names of values that could stand at a node, the most fitting first, with a fit of at most 1.
    /// `wanted` is the shape asked for, 0 when any will do.
    pub(super) fn candidates(&mut self, node: Node<'_>, wanted: u16) -> Vec<(String, f64)> {
        let line = self.line(node.start_byte());
        let in_function = self.view.function(node).is_some();
        let mut found: Vec<(String, f64)> = Vec::new();
        for binding in self.visible(node) {
            let origin = match binding.origin {
                Origin::Parameter | Origin::LoopVariable => 1.0,
                Origin::Local => 0.95,
                Origin::Field => 0.6,
                Origin::Global if in_function => 0.4,
                Origin::Global => 0.9,
                Origin::Function | Origin::Class | Origin::Import => continue,
            };
            let known = self.shape_of_name(&binding.name, node);
            if known & shape::FUNC != 0 && wanted & shape::FUNC == 0 && wanted != 0 {
                continue;
            }
            let fit = if wanted == 0 { 0.8 } else { compatible(known, wanted) };
            let distance = line.abs_diff(self.line(binding.from.min(self.view.text.len())));
            let near = if binding.origin == Origin::Parameter { 1.0 } else { 1.0 / (1.0 + distance as f64 / 40.0) };
            found.push((binding.name.clone(), origin * fit * near));
        }
        for (name, is_method) in self.fields(node) {
            if !is_method {
                let known = self.shape_of_name(&name, node);
                let fit = if wanted == 0 { 0.8 } else { compatible(known, wanted) };
                found.push((name, 0.5 * fit));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found
    }

    /// `self.x` for the fields of the class around a node; true for methods.
    pub(super) fn fields(&self, node: Node<'_>) -> Vec<(String, bool)> {
        let Some(this) = self.view.words().words.this.first() else { return Vec::new() };
        let Some(class) = self.view.ancestor(node, |role| role == Role::Class) else { return Vec::new() };
        if self.view.function(node).is_none() {
            return Vec::new();
        }
        let known = self.names.classes.iter().find(|(range, _)| *range == class.byte_range());
        known.map_or(Vec::new(), |(_, fields)| {
            fields.iter().map(|(name, is_method)| (format!("{this}.{name}"), *is_method)).collect()
        })
    }

    /// Names that mean the contrary of a name, or nearly the same: whole, or with one word of it changed.
    pub(super) fn opposites(&self, name: &str) -> Vec<String> {
        let pairs = self.view.words().opposites.iter().chain(COMMON_OPPOSITES);
        let mut found = Vec::new();
        for (one, other) in pairs {
            for (one, other) in [(one, other), (other, one)] {
                if name == *one {
                    found.push((*other).to_owned());
                } else if let Some(changed) = swap_word(name, one, other) {
                    found.push(changed);
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }
}

/// `start_row` → `end_row`, `leftChild` → `rightChild`: one word of a longer name.
fn swap_word(name: &str, one: &str, other: &str) -> Option<String> {
    if one.len() < 2 && !name.contains('_') {
        return None;
    }
    let upper = |word: &str| {
        word.chars().next().map_or(String::new(), |first| first.to_uppercase().chain(word.chars().skip(1)).collect())
    };
    for (at, _) in name.match_indices(one) {
        let before = name[..at].chars().last();
        let after = name[at + one.len()..].chars().next();
        let starts = before.is_none_or(|c| !c.is_alphanumeric());
        let ends = after.is_none_or(|c| !c.is_lowercase());
        if starts && ends {
            return Some(format!("{}{other}{}", &name[..at], &name[at + one.len()..]));
        }
    }
    let (big, other_big) = (upper(one), upper(other));
    for (at, _) in name.match_indices(&big) {
        let after = name[at + big.len()..].chars().next();
        if after.is_none_or(|c| !c.is_lowercase()) {
            return Some(format!("{}{other_big}{}", &name[..at], &name[at + big.len()..]));
        }
    }
    None
}

fn variable(bench: &mut Bench<'_>, node: Node<'_>) {
    if is_called(bench, node) {
        return;
    }
    let name = bench.view.of(node);
    let own = bench.shape(node);
    let parent = node.parent().map_or(Role::None, |parent| bench.view.role(parent));
    let is_receiver = parent == Role::Member || (parent == Role::Call && bench.view.language == Language::Java);
    let kind = if is_receiver { EditKind::Receiver } else { EditKind::Variable };
    let opposites = bench.opposites(name);
    let parameter = bench.parameter(node);
    for (other, fit) in bench.candidates(node, own) {
        if other == name {
            continue;
        }
        let alike = strsim::normalized_damerau_levenshtein(&other, name);
        let near = if opposites.contains(&other) { 0.5 } else { 0.3 * alike };
        let fit = fit * parameter.as_ref().map_or(1.0, |parameter| parameter.fit(&other));
        bench.replace(kind, node, &piece_of_name(&other), fit * (0.6 + near));
    }
    // a type or module as receiver
    if is_receiver && bench.names.classes.len() > 1 {
        for binding in bench.visible(node) {
            if binding.origin == Origin::Class && binding.name != name && name.starts_with(char::is_uppercase) {
                bench.replace(kind, node, &Piece::atom(binding.name.clone()), 0.3);
            }
        }
    }
    // a function passed by name
    if matches!(parent, Role::Args | Role::KeywordArg) {
        let builtins = bench.view.words().words.builtins;
        for other in opposites.iter().filter(|other| builtins.contains(&other.as_str())) {
            bench.replace(EditKind::Function, node, &Piece::atom(other.clone()), 0.4);
        }
    }
}

fn piece_of_name(name: &str) -> Piece {
    let level =
        if name.contains('.') { super::super::languages::level::POSTFIX } else { super::super::languages::level::ATOM };
    Piece { text: name.to_owned(), level }
}

/// `a = …` becomes `b = …`
fn target(bench: &mut Bench<'_>, node: Node<'_>) {
    let parent = bench.view.parent_role(node);
    let is_assigned = matches!(parent, Role::Assign | Role::AugAssign | Role::Pattern | Role::Clause | Role::Tuple);
    if !is_assigned || bench.view.statement(node).is_some_and(|statement| bench.view.role(statement) == Role::Declare) {
        return;
    }
    let name = bench.view.of(node);
    let own = bench.shape(node);
    let opposites = bench.opposites(name);
    for (other, fit) in bench.candidates(node, own).into_iter().filter(|(other, _)| other != name).take(12) {
        let near = if opposites.contains(&other) { 0.5 } else { 0.0 };
        bench.replace(EditKind::Variable, node, &piece_of_name(&other), fit * (0.35 + near));
    }
}

fn receiver_of_self(bench: &mut Bench<'_>, node: Node<'_>) {
    if bench.view.parent_role(node) != Role::Member {
        return;
    }
    for (other, fit) in bench.candidates(node, 0).into_iter().filter(|(other, _)| !other.contains('.')).take(6) {
        bench.replace(EditKind::Receiver, node, &Piece::atom(other), 0.5 * fit);
    }
}

/// Another field of what has this one.
const OF_RECORD: f64 = 0.6;
/// `a.bottom.min(b.right)`, `a.x - b.y`: what is compared or counted together is most often the same field of two things. Estimates.
const ACROSS: f64 = 1.5;

/// The field of another object on the other side of an operator, or between the receiver and the argument of a call.
fn member_across<'a>(bench: &Bench<'a>, node: Node<'_>, object: &str) -> Option<&'a str> {
    let of_call = |call: Node<'_>| {
        let known = bench.view.call(call)?;
        let receiver = known.receiver?;
        let arguments = bench.view.arguments(call);
        let [argument] = arguments[..] else { return None };
        if receiver.id() == node.id() { Some(argument.byte_range()) } else { Some(receiver.byte_range()) }
    };
    let parent = node.parent()?;
    let near = match bench.view.role(parent) {
        Role::Binary => bench.other_side(node).map(|(other, _)| other.byte_range()),
        Role::Args => parent.parent().and_then(of_call),
        Role::Member => parent.parent().filter(|call| bench.view.role(*call) == Role::Call).and_then(of_call),
        _ => None,
    }?;
    let text = bench.view.text.get(near)?;
    let (other_object, other) = text.rsplit_once('.')?;
    let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    (is_plain(text) && other_object != object && !other.is_empty()).then_some(other)
}

/// Methods that take no argument: JavaScript runs them with one all the same.
const ASKS_NOTHING: &[&str] = &[
    "reverse",
    "toReversed",
    "shift",
    "pop",
    "trim",
    "trimStart",
    "trimEnd",
    "toLowerCase",
    "toUpperCase",
    "clear",
    "keys",
    "values",
    "entries",
    "lower",
    "upper",
    "isEmpty",
    "is_empty",
    "len",
];
/// What is left of such a method for a call with arguments. An estimate.
const TOO_MANY: f64 = 0.05;

/// `a.left` becomes `a.right`.
fn member(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((object, property)) = bench.view.member(node) else { return };
    let called = is_called(bench, node);
    let kind = if called { EditKind::Method } else { EditKind::Member };
    let name = bench.view.of(property).to_owned();
    let mut options: BTreeMap<String, f64> = BTreeMap::new();
    let mut offer = |other: &str, fit: f64| {
        if other != name && !other.is_empty() {
            let best = options.entry(other.to_owned()).or_insert(0.0);
            *best = best.max(fit);
        }
    };
    for other in bench.opposites(&name) {
        let known = bench.names.members.contains_key(&other) || bench.names.words.contains_key(&other);
        let listed = bench
            .view
            .words()
            .opposites
            .iter()
            .chain(COMMON_OPPOSITES)
            .any(|(a, b)| (*a == name && *b == other) || (*b == name && *a == other));
        if known || listed {
            offer(&other, 1.0);
        }
    }
    let object_text = bench.view.of(object);
    if let Some(others) = bench.names.members_of.get(object_text) {
        for (other, is_method) in others.iter().filter(|(_, is_method)| **is_method == called) {
            let _ = is_method;
            offer(other, 0.7);
        }
    }
    if bench.view.words().words.this.contains(&object_text)
        && let Some(class) = bench.view.ancestor(node, |role| role == Role::Class)
    {
        for known in bench
            .names
            .functions
            .iter()
            .filter(|known| known.is_method && class.byte_range().contains(&known.range.start))
        {
            offer(&known.name, if called { 0.6 } else { 0.1 });
        }
        if let Some((_, fields)) = bench.names.classes.iter().find(|(range, _)| *range == class.byte_range()) {
            for (other, is_method) in fields {
                offer(other, if *is_method == called { 0.7 } else { 0.1 });
            }
        }
    }
    for (other, (count, is_method)) in &bench.names.members {
        if *is_method == called && *count > 0 {
            let alike = strsim::normalized_damerau_levenshtein(other, &name);
            offer(other, 0.2 + 0.3 * alike);
        } else if *is_method == called {
            offer(other, 0.15);
        }
    }
    if !called {
        let records = bench.source.records().iter().filter(|record| record.contains(&name));
        records.flatten().for_each(|other| offer(other, OF_RECORD));
        if let Some(other) = member_across(bench, node, object_text) {
            offer(other, ACROSS);
        }
    }
    let has_arguments = called && node.parent().is_some_and(|call| !bench.view.arguments(call).is_empty());
    for (other, fit) in options {
        let fit = if has_arguments && ASKS_NOTHING.contains(&other.as_str()) { fit * TOO_MANY } else { fit };
        bench.put(kind, property.byte_range(), other.clone(), fit, format!("`.{name}` becomes `.{other}`"));
    }
    // `a.b` where `a` or another name was meant is the operands' business; `self.x` may be a local `x`
    if bench.view.words().words.this.contains(&object_text) && !called {
        let own = bench.shape(node);
        for (other, fit) in
            bench.candidates(node, own).into_iter().filter(|(other, _)| !other.starts_with(object_text)).take(8)
        {
            let same = if other == name { 1.0 } else { 0.4 };
            bench.replace(EditKind::Variable, node, &piece_of_name(&other), fit * same);
        }
    }
}

/// `f(x)` becomes `g(x)`.
fn called(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(call) = bench.view.call(node) else { return };
    let Some(name_node) = call.name else { return };
    if call.receiver.is_some() && bench.view.language != Language::Java {
        return;
    }
    let name = bench.view.of(name_node).to_owned();
    let arity = bench.view.arguments(node).len();
    let mut options: BTreeMap<String, f64> = BTreeMap::new();
    let opposites = bench.opposites(&name);
    let visible: Vec<(String, Origin)> =
        bench.visible(node).iter().map(|binding| (binding.name.clone(), binding.origin)).collect();
    for other in &opposites {
        let is_known = visible.iter().any(|(name, _)| name == other)
            || bench.view.words().words.builtins.contains(&other.as_str());
        let is_method = call.receiver.is_some() || bench.names.members.contains_key(other);
        if is_known || is_method {
            options.insert(other.clone(), 1.0);
        }
    }
    for (other, origin) in &visible {
        let same_arity = bench.names.functions.iter().any(|known| known.name == *other && known.arity == arity);
        let alike = strsim::normalized_damerau_levenshtein(other, &name);
        let fit = match origin {
            Origin::Function if same_arity => 0.6 + 0.3 * alike,
            Origin::Function => 0.15,
            Origin::Import => 0.1 + 0.2 * alike,
            Origin::Parameter | Origin::Local if bench.shape_of_name(other, node) & shape::FUNC != 0 => 0.7,
            _ => continue,
        };
        if call.receiver.is_none() || *origin == Origin::Function {
            options.entry(other.clone()).or_insert(fit);
        }
    }
    let kind = if call.receiver.is_some() { EditKind::Method } else { EditKind::Function };
    if call.receiver.is_some() {
        for (other, (_, is_method)) in &bench.names.members {
            if *is_method {
                options.entry(other.clone()).or_insert(0.25);
            }
        }
    }
    for (other, fit) in options {
        if other != name {
            bench.put(kind, name_node.byte_range(), other.clone(), fit, format!("`{name}` becomes `{other}`"));
        }
    }
}

/// `len(out)` becomes `width`: a number that is worked out where one is given.
fn given(bench: &mut Bench<'_>, node: Node<'_>) {
    let stands = matches!(
        bench.view.parent_role(node),
        Role::Binary | Role::Args | Role::Index | Role::Range | Role::Return | Role::Assign
    );
    if !stands || bench.shape(node) & shape::NUM == 0 || bench.view.of(node).len() > 40 {
        return;
    }
    for (name, fit) in bench.candidates(node, shape::NUM).into_iter().take(6) {
        bench.replace(EditKind::ReplaceOperand, node, &piece_of_name(&name), 0.4 * fit);
    }
}

/// `i32::MIN` becomes `i32::MAX`, `Color::Red` becomes `Color::Blue`.
fn path(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(name_node) = node.child_by_field_name("name") else { return };
    let name = bench.view.of(name_node).to_owned();
    let head = bench.view.of(node).strip_suffix(name.as_str()).unwrap_or("").to_owned();
    let mut options: BTreeMap<String, f64> = bench.opposites(&name).into_iter().map(|other| (other, 0.8)).collect();
    if !head.is_empty() {
        // the same enum or module, elsewhere in the file
        for (at, _) in bench.view.text.match_indices(head.as_str()) {
            let rest = &bench.view.text[at + head.len()..];
            let other: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let same_case = other.starts_with(char::is_uppercase) == name.starts_with(char::is_uppercase);
            if !other.is_empty() && same_case {
                options.entry(other).or_insert(0.6);
            }
        }
    }
    for (other, fit) in options {
        if other != name && !other.is_empty() {
            bench.put(
                EditKind::Function,
                name_node.byte_range(),
                other.clone(),
                fit,
                format!("`{name}` becomes `{other}`"),
            );
        }
    }
}

/// `new A()` becomes `new B()`.
fn constructor(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(name_node) = bench.view.call(node).and_then(|call| call.name) else { return };
    let name = bench.view.of(name_node);
    for binding in bench.visible(node) {
        if binding.origin == Origin::Class && binding.name != name {
            bench.put(
                EditKind::Function,
                name_node.byte_range(),
                binding.name.clone(),
                0.4,
                format!("`{name}` becomes `{}`", binding.name),
            );
        }
    }
}

/// `f(start=x)` becomes `f(end=x)`.
fn keyword(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some(name_node) = node.child_by_field_name("name") else { return };
    let name = bench.view.of(name_node);
    for other in bench.opposites(name) {
        if bench.names.words.contains_key(&other) {
            bench.put(
                EditKind::Variable,
                name_node.byte_range(),
                other.clone(),
                0.5,
                format!("`{name}=` becomes `{other}=`"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_of_a_name_changes_sides() {
        assert_eq!(swap_word("start_row", "start", "end"), Some("end_row".into()));
        assert_eq!(swap_word("leftChild", "left", "right"), Some("rightChild".into()));
        assert_eq!(swap_word("maxLeft", "left", "right"), Some("maxRight".into()));
        assert_eq!(swap_word("leftover", "left", "right"), None);
        assert_eq!(swap_word("incoming", "in", "out"), None);
        assert_eq!(swap_word("is_open", "open", "close"), Some("is_close".into()));
    }
}
