//! Fields and keys that the tests give to what a function reads, and that no code reads: one of them was meant.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, level};
use super::super::piece::Piece;
use super::{Bench, Place, Spot, words};
use crate::syntax::functions::each_node;

/// A key that no test gives becomes one that the code does not know. An estimate.
const ANOTHER_KEY: f64 = 2.0;
/// A name becomes a field that nobody reads. An estimate.
const FIELD_OF: f64 = 0.8;
/// So many fields of one holder are tried.
const MOST: usize = 4;

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// `holder.field`
    Dot,
    /// `holder["field"]`
    Index,
    /// `holder.get("field")`
    Get,
}

impl Way {
    fn write(self, holder: &str, field: &str) -> String {
        match self {
            Self::Dot => format!("{holder}.{field}"),
            Self::Index => format!("{holder}[\"{field}\"]"),
            Self::Get => format!("{holder}.get(\"{field}\")"),
        }
    }
}

/// A field of something that a function reads other fields of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Untold {
    /// What has it.
    pub holder: String,
    field: String,
    way: Way,
}

impl Untold {
    /// As the function reads other ones.
    pub fn piece(&self) -> Piece {
        Piece { text: self.way.write(&self.holder, &self.field), level: level::POSTFIX }
    }
}

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        match spot.role {
            Role::Call | Role::Index | Role::Member => another_key(bench, spot.node),
            Role::Ident if matches!(bench.view.parent_role(spot.node), Role::Args | Role::Return | Role::Assign) => {
                for field in bench.untold(spot.node) {
                    bench.replace(EditKind::Member, spot.node, &field.piece(), FIELD_OF);
                }
            }
            _ => {}
        }
    }
}

/// `person.get("telephone")` becomes `person.get("phone")`, which the tests give; no test says `telephone`.
fn another_key(bench: &mut Bench<'_>, node: Node<'_>) {
    let Some((holder, field, _)) = read(bench, node) else { return };
    let untold: Vec<Untold> = bench.untold(node).into_iter().filter(|other| other.holder == holder).collect();
    // the tests are read word by word only where there is another field
    let is_given = || bench.project.material().iter().any(|other| words(&other.text).any(|word| word == field));
    if untold.is_empty() || is_given() {
        return;
    }
    // with a default, or in other quotes: all but the field stays
    let (head, rest) = bench.view.of(node).split_at(holder.len());
    for other in untold {
        let text = format!("{head}{}", rest.replacen(&field, &other.field, 1));
        bench.replace(EditKind::Member, node, &Piece { text, level: level::POSTFIX }, ANOTHER_KEY);
    }
}

/// What a node reads of a plain holder: the holder, the field, how.
fn read(bench: &Bench<'_>, node: Node<'_>) -> Option<(String, String, Way)> {
    let view = bench.view;
    let plain = |holder: Node<'_>| (view.role(holder) == Role::Ident).then(|| view.of(holder).to_owned());
    let key = |key: Node<'_>| view.unquoted(key).map(str::to_owned);
    match view.role(node) {
        Role::Index => {
            let (holder, index) = view.index(node)?;
            Some((plain(holder)?, key(index)?, Way::Index))
        }
        Role::Call if view.called(node) == "get" => {
            let holder = view.call(node)?.receiver?;
            Some((plain(holder)?, key(*view.arguments(node).first()?)?, Way::Get))
        }
        Role::Member if view.parent_role(node) != Role::Call => {
            let (holder, field) = view.member(node)?;
            Some((plain(holder)?, view.of(field).to_owned(), Way::Dot))
        }
        _ => None,
    }
}

impl Bench<'_> {
    /// Fields that nobody reads, of what the function of a node reads other fields of, in the order of their names.
    pub(super) fn untold(&self, node: Node<'_>) -> Vec<Untold> {
        let others = self.project.material().iter().filter(|other| other.language == self.source.language);
        let records: Vec<&BTreeSet<String>> = others.flat_map(|other| other.records()).collect();
        let Some(function) = self.view.function(node).filter(|_| !records.is_empty()) else { return Vec::new() };
        let mut holders: BTreeMap<String, (BTreeSet<String>, Way)> = BTreeMap::new();
        each_node(function, &mut |inner| {
            if let Some((holder, field, way)) = read(self, inner) {
                holders.entry(holder).or_insert((BTreeSet::new(), way)).0.insert(field);
            }
        });
        let known = self.source.said();
        let mut found: BTreeSet<Untold> = BTreeSet::new();
        for (holder, (fields, way)) in &holders {
            // a field that no test gives may be the wrong one
            let is_of = |record: &&&BTreeSet<String>| {
                let shared = record.intersection(fields).count();
                shared > 1 || shared > 0 && shared + 1 >= fields.len()
            };
            let unread = records.iter().filter(is_of).flat_map(|record| record.iter());
            let unread: BTreeSet<&String> = unread.filter(|field| !known.contains(*field)).collect();
            let of = |field: &String| Untold { holder: holder.clone(), field: field.clone(), way: *way };
            found.extend(unread.into_iter().take(MOST).map(of));
        }
        found.into_iter().collect()
    }
}
