//! What waits to be tried, best first: a heap for each kind of edit, since a compiler soon shows which kinds do not build here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::edits::EditKind;
use super::queue::Try;

/// One candidate that waits.
#[derive(Debug)]
pub struct Queued {
    /// What would be tried.
    pub what: Try,
    /// Between equals the first one that came is the better one.
    pub order: u64,
    /// Nobody looked yet whether it parses, and whether it is a program that was tried before.
    pub is_raw: bool,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.what.priority.total_cmp(&other.what.priority).then(other.order.cmp(&self.order))
    }
}

/// Candidates that built before so many of a kind did: how slowly the share of those that build is learned. An estimate.
const SLOWLY: f64 = 4.0;

/// Candidates of one kind.
#[derive(Debug, Default)]
struct OfKind {
    heap: BinaryHeap<Queued>,
    built: u32,
    failed: u32,
}

impl OfKind {
    /// How likely one of this kind builds, by those that were tried.
    fn chance(&self) -> f64 {
        let built = SLOWLY + f64::from(self.built);
        built / (built + f64::from(self.failed))
    }

    fn top(&self) -> Option<(f64, u64)> {
        self.heap.peek().map(|queued| (queued.what.priority * self.chance(), queued.order))
    }
}

/// All that wait. Pairs of edits are a kind of their own.
#[derive(Debug, Default)]
pub struct Waiting {
    kinds: BTreeMap<Option<EditKind>, OfKind>,
    len: usize,
}

fn kind_of(what: &Try) -> Option<EditKind> {
    match what.edits.as_slice() {
        [edit] => Some(edit.kind),
        _ => None,
    }
}

impl Waiting {
    /// Adds a candidate.
    pub fn push(&mut self, queued: Queued) {
        self.kinds.entry(kind_of(&queued.what)).or_default().heap.push(queued);
        self.len += 1;
    }

    /// Takes the best one, by its priority and by how often candidates of its kind build.
    pub fn pop(&mut self) -> Option<Queued> {
        let kind = self.best()?.1;
        let queued = self.kinds.get_mut(&kind)?.heap.pop();
        self.len -= usize::from(queued.is_some());
        queued
    }

    /// Priority of the best one, times the chance that it builds.
    pub fn top(&self) -> Option<f64> {
        self.best().map(|(worth, _)| worth)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A candidate was built, or was not.
    pub fn learn(&mut self, what: &Try, is_built: bool) {
        let known = self.kinds.entry(kind_of(what)).or_default();
        *if is_built { &mut known.built } else { &mut known.failed } += 1;
    }

    /// Multiplies the priority of those that `wanted` picks.
    pub fn raise(&mut self, times: f64, wanted: impl Fn(&Try) -> bool) {
        for known in self.kinds.values_mut() {
            let mut all = std::mem::take(&mut known.heap).into_vec();
            all.iter_mut().filter(|queued| wanted(&queued.what)).for_each(|queued| queued.what.priority *= times);
            known.heap = all.into();
        }
    }

    fn best(&self) -> Option<(f64, Option<EditKind>)> {
        let tops = self.kinds.iter().filter_map(|(kind, known)| known.top().map(|top| (top, *kind)));
        let best = tops.max_by(|((a, first), _), ((b, second), _)| a.total_cmp(b).then(second.cmp(first)));
        best.map(|((worth, _), kind)| (worth, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::super::edits::Edit;
    use super::*;

    fn queued(kind: EditKind, priority: f64, order: u64) -> Queued {
        let edit = Edit {
            path: b"f.rs".to_vec(),
            range: 0..1,
            replacement: order.to_string(),
            kind,
            line: 1,
            weight: priority,
            what: String::new(),
            label: None,
        };
        let what = Try { edits: vec![edit], priority, natural: priority, patient: false };
        Queued { what, order, is_raw: false }
    }

    #[test]
    fn the_best_comes_first_whatever_its_kind_and_the_first_of_equals() {
        let mut waiting = Waiting::default();
        for (kind, priority, order) in
            [(EditKind::Wrap, 1.0, 1), (EditKind::Guard, 3.0, 2), (EditKind::Wrap, 3.0, 3), (EditKind::Jump, 2.0, 4)]
        {
            waiting.push(queued(kind, priority, order));
        }
        assert_eq!((waiting.len(), waiting.top()), (4, Some(3.0)));
        let orders: Vec<u64> = std::iter::from_fn(|| waiting.pop()).map(|queued| queued.order).collect();
        assert_eq!((orders, waiting.len()), (vec![2, 3, 4, 1], 0));
    }

    #[test]
    fn a_kind_that_never_builds_is_put_back_and_comes_again_when_it_does() {
        let mut waiting = Waiting::default();
        waiting.push(queued(EditKind::Guard, 3.0, 1));
        waiting.push(queued(EditKind::Variable, 1.0, 2));
        let guard = queued(EditKind::Guard, 1.0, 9).what;
        (0..12).for_each(|_| waiting.learn(&guard, false));
        assert_eq!(waiting.top(), Some(1.0), "three fourths of guards do not build");
        (0..8).for_each(|_| waiting.learn(&guard, true));
        assert_eq!(waiting.top(), Some(1.5));
        waiting.raise(4.0, |what| what.edits[0].kind == EditKind::Variable);
        assert_eq!(waiting.pop().map(|queued| queued.order), Some(2));
    }
}
