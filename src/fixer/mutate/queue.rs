//! The queue of what to try next: best first, filled line by line as far as needed, never the same program twice.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::edits::{self, Edit, Project};
use super::localise::Place;
use super::messages::Wishes;
use super::probe::Change;
use crate::words::Label;

/// One thing to try: an edit or a pair of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Try {
    /// One or two edits.
    pub edits: Vec<Edit>,
    /// Suspicion × prior, times what was learned on the way: the order of trying.
    pub priority: f64,
    /// Suspicion × prior alone: what speaks for it among other green ones, whenever it was tried.
    pub natural: f64,
    /// It was cut for its time and gets a patient look now.
    pub patient: bool,
}

impl Try {
    /// Remark that makes it come last.
    pub fn label(&self) -> Option<Label> {
        let labels: Vec<_> = self.edits.iter().map(|e| e.label).collect();
        if labels.contains(&Some(Label::ConditionToConstant)) {
            return Some(Label::ConditionToConstant);
        }
        labels.iter().all(Option::is_some).then(|| labels.first().copied().flatten()).flatten()
    }

    /// The files that it changes.
    pub fn changes(&self, project: &Project) -> Vec<Change> {
        let texts = match self.edits.as_slice() {
            [edit] => {
                let Some(source) = project.source(&edit.path) else { return Vec::new() };
                vec![(edit.path.clone(), edits::apply(&source.text, edit))]
            }
            [a, b] => edits::pair(a, b).map(|pair| pair.texts(project)).unwrap_or_default(),
            _ => Vec::new(),
        };
        texts.into_iter().map(|(path, text)| Change { path, text }).collect()
    }

    /// For people: what changes, and where.
    pub fn idea(&self) -> String {
        let one = |e: &Edit| format!("{} ({}:{})", e.what, String::from_utf8_lossy(&e.path), e.line);
        self.edits.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// Bytes that go and come, without those at both ends that stay.
    pub fn size(&self, project: &Project) -> usize {
        let one = |e: &Edit| {
            let old = project.source(&e.path).and_then(|s| s.text.get(e.range.clone())).unwrap_or_default();
            differing(old.as_bytes(), e.replacement.as_bytes())
        };
        self.edits.iter().map(one).sum()
    }
}

/// Bytes of both texts between what they share at the front and at the end.
fn differing(old: &[u8], new: &[u8]) -> usize {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[front..].iter().rev().zip(new[front..].iter().rev()).take_while(|(a, b)| a == b).count();
    old.len() + new.len() - 2 * (front + end)
}

#[derive(Debug)]
struct Queued {
    what: Try,
    order: u64,
    /// Nobody looked yet whether it parses, and whether it is a program that was tried before.
    is_raw: bool,
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

/// More than so many waiting candidates are never kept: no search gets that far down.
const MOST_QUEUED: usize = 60_000;
/// So many single edits are remembered for pairs.
const MOST_SINGLES: usize = 400;
/// So many are kept to choose those from.
const MOST_KEPT: usize = 4_000;
/// So many pairs are made in all.
const MOST_PAIRS: usize = 20_000;
/// A patient look at something that was cut costs as much as many quick ones.
const PATIENT: f64 = 0.02;
/// A labelled candidate comes after those that are not.
const LABELLED: f64 = 0.1;
/// Edits beside one that turned a red test green.
const NEAR_PROGRESS: f64 = 3.0;

/// What to try next.
#[derive(Debug)]
pub struct Queue {
    places: std::vec::IntoIter<Place>,
    next_place: Option<Place>,
    score: HashMap<(Vec<u8>, usize), f64>,
    heap: BinaryHeap<Queued>,
    seen: HashSet<u64>,
    order: u64,
    /// The largest weight of an edit so far: says how far unseen lines have to be looked at.
    heaviest: f64,
    singles: Vec<Edit>,
    partial: Vec<(Edit, BTreeSet<usize>)>,
    boosted: BTreeSet<(Vec<u8>, usize)>,
    paired: bool,
    compiles: bool,
    wishes: Wishes,
}

impl Queue {
    /// A queue over `places`, most suspicious first.
    pub fn new(places: Vec<Place>) -> Self {
        let score = places.iter().map(|p| ((p.path.clone().into_bytes(), p.line), p.score)).collect();
        let mut places = places.into_iter();
        let next_place = places.next();
        Self {
            places,
            next_place,
            score,
            heap: BinaryHeap::new(),
            seen: HashSet::new(),
            order: 0,
            heaviest: 0.0,
            singles: Vec::new(),
            partial: Vec::new(),
            boosted: BTreeSet::new(),
            paired: false,
            compiles: false,
            wishes: Wishes::default(),
        }
    }

    /// What is red is a build: names, types, imports and punctuation come first.
    #[must_use]
    pub fn of_a_build(mut self, is_build: bool) -> Self {
        self.compiles = is_build;
        self
    }

    /// With what the messages of red tests speak for.
    #[must_use]
    pub fn with(mut self, wishes: Wishes) -> Self {
        self.wishes = wishes;
        self
    }

    /// The most promising candidate that was not tried yet.
    pub fn next(&mut self, project: &Project) -> Option<Try> {
        loop {
            self.fill(project);
            if self.heap.is_empty() && !self.paired {
                self.paired = true;
                self.make_pairs();
            }
            let Queued { what, is_raw, .. } = self.heap.pop()?;
            if is_raw && !self.is_new(project, &what) {
                continue;
            }
            // the best ones come first, and memory stays flat however long a search is
            if let ([edit], true, true) = (what.edits.as_slice(), is_raw, self.singles.len() < MOST_KEPT) {
                self.singles.push(edit.clone());
            }
            return Some(what);
        }
    }

    /// Puts back what was taken and not tried.
    pub fn put_back(&mut self, what: Try) {
        self.push(what, false);
    }

    /// Priority of what comes next.
    pub fn peek(&mut self, project: &Project) -> Option<f64> {
        self.fill(project);
        self.heap.peek().map(|q| q.what.priority)
    }

    /// Single edits are exhausted.
    pub fn is_pairing(&self) -> bool {
        self.paired
    }

    /// Looks at lines until none that is left could beat what is queued.
    fn fill(&mut self, project: &Project) {
        while let Some(place) = &self.next_place {
            let top = self.heap.peek().map_or(0.0, |q| q.what.priority);
            if top > 0.0 && place.score * self.heaviest <= top || self.heap.len() >= MOST_QUEUED {
                return;
            }
            let lines = BTreeSet::from([place.line]);
            let path = place.path.clone().into_bytes();
            let score = place.score;
            self.next_place = self.places.next();
            for edit in edits::unchecked(project, &path, Some(&lines), self.compiles) {
                self.offer(edit, score);
            }
        }
    }

    fn offer(&mut self, mut edit: Edit, found_at: f64) {
        edit.weight *= self.wishes.times(&edit);
        self.heaviest = self.heaviest.max(edit.weight);
        let score = self.score.get(&(edit.path.clone(), edit.line)).copied().unwrap_or(found_at);
        let near = if self.boosted.contains(&(edit.path.clone(), edit.line)) { NEAR_PROGRESS } else { 1.0 };
        let label = if edit.label.is_some() { LABELLED } else { 1.0 };
        let natural = score * edit.weight * label;
        self.push(Try { edits: vec![edit], priority: natural * near, natural, patient: false }, true);
    }

    fn push(&mut self, what: Try, is_raw: bool) {
        self.order += 1;
        self.heap.push(Queued { what, order: self.order, is_raw });
    }

    /// Something was cut for its time: it comes again, much later, with more time.
    pub fn again(&mut self, mut what: Try) {
        if !what.patient {
            what.patient = true;
            what.priority *= PATIENT;
            self.push(what, false);
        }
    }

    /// A candidate turned some, but not all, red tests green: edits beside it come earlier, and pairs with it first.
    pub fn progress(&mut self, what: &Try, healed: BTreeSet<usize>) {
        for edit in &what.edits {
            if what.edits.len() == 1 && self.partial.len() < 100 {
                self.partial.push((edit.clone(), healed.clone()));
            }
            if !self.boosted.insert((edit.path.clone(), edit.line)) {
                continue;
            }
            let near = |e: &Edit| e.path == edit.path && e.line == edit.line;
            let mut all = std::mem::take(&mut self.heap).into_vec();
            for queued in &mut all {
                if queued.what.edits.iter().any(near) {
                    queued.what.priority *= NEAR_PROGRESS;
                }
            }
            self.heap = all.into();
        }
    }

    /// Two edits at once: those that each made progress first, then one of them with a good edit, then good ones of
    /// the same file.
    fn make_pairs(&mut self) {
        let scored = |queue: &Self, e: &Edit| queue.score.get(&(e.path.clone(), e.line)).copied().unwrap_or(0.01);
        let mut singles = std::mem::take(&mut self.singles);
        singles.retain(|e| e.label.is_none());
        singles.sort_by(|a, b| (scored(self, b) * b.weight).total_cmp(&(scored(self, a) * a.weight)));
        singles.truncate(MOST_SINGLES);
        let mut made: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        let partial: Vec<_> = self.partial.clone();
        let all: Vec<Edit> = partial.iter().map(|p| p.0.clone()).chain(singles).collect();
        for i in 0..all.len() {
            for j in i + 1..all.len() {
                let bonus = match (partial.get(i), partial.get(j)) {
                    (Some(a), Some(b)) if a.1 != b.1 => 400.0,
                    (Some(_), Some(_)) => 40.0,
                    (Some(_), None) => 20.0,
                    _ if i < 120 + partial.len() && all[i].path == all[j].path => 1.0,
                    _ => continue,
                };
                made.insert((i, j), bonus);
            }
        }
        let mut pairs: Vec<Try> = made
            .into_iter()
            .filter_map(|((i, j), bonus)| {
                let pair = edits::pair(&all[i], &all[j])?;
                let natural = pair.weight * scored(self, &all[i]) * scored(self, &all[j]);
                Some(Try { edits: pair.edits.to_vec(), priority: natural * bonus, natural, patient: false })
            })
            .collect();
        pairs.sort_by(|a, b| b.priority.total_cmp(&a.priority));
        pairs.truncate(MOST_PAIRS);
        for pair in pairs {
            self.push(pair, true);
        }
    }

    fn is_new(&mut self, project: &Project, what: &Try) -> bool {
        let mut key = DefaultHasher::new();
        for change in what.changes(project) {
            let Some(source) = project.source(&change.path) else { return false };
            let Some(hash) = edits::check(source, &change.text) else { return false };
            (hash, &change.path).hash(&mut key);
        }
        self.seen.insert(key.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_build_asks_for_names_and_types_first() {
        let text = b"fn f(low: usize, high: usize) -> usize {\n    if low < high { lwo } else { high }\n}\n".to_vec();
        let project = Project::load(vec![(b"f.rs".to_vec(), text)], |_| true);
        let first = |is_build| {
            let place = Place { path: "f.rs".into(), line: 2, score: 1.0 };
            let mut queue = Queue::new(vec![place]).of_a_build(is_build);
            let tries: Vec<Try> = std::iter::from_fn(|| queue.next(&project)).take(2000).collect();
            let is_conversion = |t: &Try| t.edits[0].kind == edits::EditKind::Conversion;
            tries.iter().position(is_conversion).unwrap_or(usize::MAX)
        };
        assert!(first(true) < first(false), "{} {}", first(true), first(false));
    }

    #[test]
    fn progress_changes_the_order_of_trying_but_not_what_speaks_for_a_candidate() {
        let text = b"def f(low, high):\n    return low < high\n".to_vec();
        let project = Project::load(vec![(b"f.py".to_vec(), text)], |_| true);
        let place = Place { path: "f.py".into(), line: 2, score: 1.0 };
        let mut queue = Queue::new(vec![place]);
        let Some(first) = queue.next(&project) else { panic!("there are edits") };
        queue.progress(&first, BTreeSet::from([0]));
        let Some(second) = queue.next(&project) else { panic!("there are more edits") };
        assert!(second.priority > first.priority, "it was raised");
        assert!(second.natural <= first.natural, "{} {}", second.natural, first.natural);
    }
}
