//! A link that is not followed: `node` becomes `node.next`.

use tree_sitter::Node;

use super::super::EditKind;
use super::super::languages::{Role, level, shape};
use super::super::piece::Piece;
use super::{Bench, Place, Spot};
use crate::syntax::language::Language;

/// A file that knows more members than this says little about which one is meant.
const MOST_MEMBERS: usize = 12;
/// `x = x` does nothing: something is missing on its right side.
const IDLE: f64 = 1.0;
/// Elsewhere a member is seldom missing.
const ELSEWHERE: f64 = 0.25;

pub(super) fn generate<'a>(bench: &mut Bench<'a>, spots: &[Spot<'a>]) {
    for spot in spots.iter().filter(|spot| spot.touched && spot.place == Place::Value) {
        if matches!(spot.role, Role::Ident | Role::Member | Role::Index) {
            follow(bench, spot.node);
        }
    }
}

fn follow(bench: &mut Bench<'_>, node: Node<'_>) {
    let plain = shape::NUM | shape::STR | shape::BOOL | shape::FUNC | shape::SEQ | shape::MAP;
    if matches!(bench.view.parent_role(node), Role::Member | Role::Call) || bench.shape(node) & plain != 0 {
        return;
    }
    let own = bench.view.of(node).to_owned();
    let idle = node.parent().and_then(|parent| bench.view.assignment(parent));
    let idle = idle.is_some_and(|(left, right)| right.id() == node.id() && bench.view.of(left) == own);
    let known = bench.names.members_of.get(&own);
    if bench.view.language == Language::Rust && known.is_none() && !idle {
        // every guess costs a build
        return;
    }
    let fields = bench.names.members.iter().filter(|(_, (count, is_method))| *count > 0 && !*is_method);
    let names: Vec<String> = fields.map(|(name, _)| name.clone()).take(MOST_MEMBERS + 1).collect();
    if names.len() > MOST_MEMBERS && !idle {
        return;
    }
    let near = |name: &str| if known.is_some_and(|members| members.contains_key(name)) { 1.0 } else { 0.6 };
    for name in names {
        let fit = near(&name) * if idle { IDLE } else { ELSEWHERE };
        let new = Piece { text: format!("{own}.{name}"), level: level::POSTFIX };
        bench.replace(EditKind::Member, node, &new, fit);
    }
}
