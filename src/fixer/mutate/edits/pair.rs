//! Two edits at once, in one file or in two.

use super::{Edit, Project, apply};
use crate::words::Label;

/// Two edits that can be applied together.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// By file and place.
    pub edits: [Edit; 2],
    /// The product of both, times what two changes at once cost.
    pub weight: f64,
    /// Both remarks in one: a constant condition stays one; a deletion only when both delete.
    pub label: Option<Label>,
}

/// Most real one-place fixes are one edit; a pair counts a tenth of what its parts would together (an estimate).
const PAIR_COST: f64 = 0.1;

/// Both edits at once; `None` when they overlap or touch.
pub fn pair(a: &Edit, b: &Edit) -> Option<Pair> {
    let (first, second) = if (&a.path, a.range.start) <= (&b.path, b.range.start) { (a, b) } else { (b, a) };
    if first.path == second.path && second.range.start <= first.range.end {
        return None;
    }
    let label = match (first.label, second.label) {
        (Some(Label::ConditionToConstant), _) | (_, Some(Label::ConditionToConstant)) => {
            Some(Label::ConditionToConstant)
        }
        (Some(one), Some(other)) if one == other => Some(one),
        _ => None,
    };
    Some(Pair { edits: [first.clone(), second.clone()], weight: a.weight * b.weight * PAIR_COST, label })
}

impl Pair {
    /// The new text of each file that changes: one file or two. Empty when a file is not in the project.
    pub fn texts(&self, project: &Project) -> Vec<(Vec<u8>, String)> {
        let [first, second] = &self.edits;
        let (Some(one), Some(other)) = (project.source(&first.path), project.source(&second.path)) else {
            return Vec::new();
        };
        if first.path == second.path {
            // the later place first: the earlier one keeps its bytes
            return vec![(first.path.clone(), apply(&apply(&one.text, second), first))];
        }
        vec![(first.path.clone(), apply(&one.text, first)), (second.path.clone(), apply(&other.text, second))]
    }
    /// For people.
    pub fn what(&self) -> String {
        format!("{}; {}", self.edits[0].what, self.edits[1].what)
    }
}
