//! The kinds of edits: one generator each.

use std::collections::BTreeSet;

use super::{Edit, EditKind, Project, Source};
use crate::syntax::functions::each_node;

/// All edits of `source` at `lines`, unordered, not yet checked.
pub(super) fn generate(_project: &Project, source: &Source, lines: Option<&BTreeSet<usize>>) -> Vec<Edit> {
    let mut found = Vec::new();
    let flips =
        [("<", "<="), ("<=", "<"), (">", ">="), (">=", ">"), ("==", "!="), ("!=", "=="), ("+", "-"), ("-", "+")];
    each_node(source.tree.root_node(), &mut |node| {
        let line = node.start_position().row + 1;
        if lines.is_some_and(|lines| !lines.contains(&line))
            || source.tests.iter().any(|test| test.contains(&node.start_byte()))
        {
            return;
        }
        for (old, new) in flips.iter().filter(|(old, _)| !node.is_named() && *old == node.kind()) {
            found.push(Edit {
                path: source.path.clone(),
                range: node.byte_range(),
                replacement: (*new).to_owned(),
                kind: EditKind::ComparisonOperator,
                line,
                weight: 0.1,
                what: format!("`{old}` becomes `{new}`"),
                label: None,
            });
        }
    });
    found
}
