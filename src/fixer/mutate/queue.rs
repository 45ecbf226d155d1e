//! The queue of what to try next: best first, filled line by line as far as needed, never the same program twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::edits::{self, Edit, Project};
use super::go_imports;
use super::localise::Place;
use super::messages::Wishes;
use super::probe::Change;
use super::waiting::{Queued, Waiting};
use crate::syntax::language::Language;
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

    /// The line of a single edit that only makes another type of a value, where the build asks for one.
    pub fn converts(&self, project: &Project) -> Option<(Vec<u8>, usize)> {
        let [edit] = self.edits.as_slice() else { return None };
        let old = project.source(&edit.path)?.text.get(edit.range.clone())?;
        let converts = edit.kind == edits::EditKind::Conversion && is_same_value(old, &edit.replacement);
        converts.then(|| (edit.path.clone(), edit.line))
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
        let settled = |path: &[u8], text: String| match project.source(path) {
            Some(source) if source.language == Language::Go => go_imports::settled(&source.text, &text).unwrap_or(text),
            _ => text,
        };
        texts.into_iter().map(|(path, text)| Change { text: settled(&path, text), path }).collect()
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

/// Ways to the same value as another type: which one is taken shows nowhere.
const SAME_VALUE: [&str; 9] = [
    ".into()",
    ".as_ref()",
    ".to_owned()",
    ".to_string()",
    ".clone()",
    ".as_str()",
    ".to_vec()",
    ".as_slice()",
    ".borrow()",
];

/// Does `new` say the same value as `old`, as another type?
fn is_same_value(old: &str, new: &str) -> bool {
    let bare = |text: &str| {
        let plain = SAME_VALUE.iter().fold(text.to_owned(), |text, way| text.replace(way, ""));
        plain.replace(['&', '*'], "")
    };
    old != new && bare(old) == bare(new)
}

/// Bytes of both texts between what they share at the front and at the end.
fn differing(old: &[u8], new: &[u8]) -> usize {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[front..].iter().rev().zip(new[front..].iter().rev()).take_while(|(a, b)| a == b).count();
    // what takes the place of something is no larger than what comes
    old.len().max(new.len()) - (front + end)
}

/// More than so many waiting candidates are never kept: no search gets that far down.
const MOST_QUEUED: usize = 60_000;
/// So many single edits are remembered for pairs.
const MOST_SINGLES: usize = 400;
/// So many are kept to choose those from.
const MOST_KEPT: usize = 4_000;
/// So many pairs are ranked; each is made when its turn comes.
const MOST_PAIRS: usize = 20_000;
/// Pairs of edits that made progress with different tests are this much more likely than what their parts say,
const BOTH_PROGRESS: f64 = 400.0;
/// pairs of two that did so with the same tests,
const SAME_PROGRESS: f64 = 40.0;
/// and pairs with one of them.
const ONE_PROGRESS: f64 = 20.0;
/// A pair is never more promising than this part of what its less likely edit is alone.
const AS_ALONE: f64 = 0.1;
/// So many of the best single edits are paired with others of their file that made no progress.
const MOST_PLAIN: usize = 120;
/// Lines that are less suspicious than this come after pairs of what was tried.
const LOW_SCORE: f64 = 0.01;
/// So many lines are read at a time,
const LINES_AT_ONCE: usize = 20;
/// and so many candidates parsed: who searches can then be stopped.
const LOOKS_AT_ONCE: usize = 50;
/// A patient look at something that was cut costs as much as many quick ones.
const PATIENT: f64 = 0.02;
/// A labelled candidate comes after those that are not.
const LABELLED: f64 = 0.1;
/// Edits beside one that turned a red test green.
const NEAR_PROGRESS: f64 = 3.0;

/// What one look at the queue gives.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// The most promising candidate.
    Try(Try),
    /// Nothing yet: more has to be read and parsed.
    More,
    /// Everything was tried.
    Nothing,
}

/// Which pairs were ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paired {
    No,
    /// Of what was tried before the lines that are hardly suspicious.
    Some,
    /// Of everything.
    All,
}

/// Pairs in the order of their worth, by the numbers of their edits; memory stays flat.
#[derive(Debug, Default)]
struct Pairs {
    pool: Vec<Edit>,
    ranked: std::vec::IntoIter<(f64, usize, usize)>,
    /// The best one that is not queued.
    first: Option<Try>,
}

/// What to try next.
#[derive(Debug)]
pub struct Queue {
    places: std::vec::IntoIter<Place>,
    next_place: Option<Place>,
    score: HashMap<(Vec<u8>, usize), f64>,
    waiting: Waiting,
    seen: HashSet<u64>,
    order: u64,
    /// The largest weight of an edit so far: says how far unseen lines have to be looked at.
    heaviest: f64,
    singles: Vec<Edit>,
    partial: Vec<(Edit, BTreeSet<usize>)>,
    boosted: BTreeSet<(Vec<u8>, usize)>,
    pairs: Pairs,
    paired: Paired,
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
            waiting: Waiting::default(),
            seen: HashSet::new(),
            order: 0,
            heaviest: 0.0,
            singles: Vec::new(),
            partial: Vec::new(),
            boosted: BTreeSet::new(),
            pairs: Pairs::default(),
            paired: Paired::No,
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
            match self.step(project) {
                Next::Try(what) => return Some(what),
                Next::More => {}
                Next::Nothing => return None,
            }
        }
    }

    /// The same within a bounded time.
    pub fn step(&mut self, project: &Project) -> Next {
        let mut lines = LINES_AT_ONCE;
        for _ in 0..LOOKS_AT_ONCE {
            if !self.fill(project, &mut lines) {
                return Next::More;
            }
            let Some(Queued { what, is_raw, .. }) = self.waiting.pop() else {
                if self.paired == Paired::All {
                    return Next::Nothing;
                }
                self.rank_pairs(Paired::All);
                continue;
            };
            if is_raw && !self.is_new(project, &what) {
                continue;
            }
            // the best ones come first, and memory stays flat however long a search is
            if let ([edit], true, true) = (what.edits.as_slice(), is_raw, self.singles.len() < MOST_KEPT) {
                self.singles.push(edit.clone());
            }
            return Next::Try(what);
        }
        Next::More
    }

    /// Puts back what was taken and not tried.
    pub fn put_back(&mut self, what: Try) {
        self.push(what, false);
    }

    /// Priority of what comes next, as far as that was read.
    pub fn peek(&mut self, project: &Project) -> Option<f64> {
        let mut lines = LINES_AT_ONCE;
        self.fill(project, &mut lines);
        self.waiting.top()
    }

    /// Single edits are exhausted.
    pub fn is_pairing(&self) -> bool {
        self.paired == Paired::All
    }

    /// Looks at lines and pairs until none that is left could beat what is queued. False: it looked at `lines` lines, and
    /// there are more.
    fn fill(&mut self, project: &Project, lines: &mut usize) -> bool {
        while let Some(place) = &self.next_place {
            let top = self.waiting.top().unwrap_or(0.0);
            if top > 0.0 && place.score * self.heaviest <= top || self.waiting.len() >= MOST_QUEUED {
                break;
            }
            if place.score < LOW_SCORE && self.paired == Paired::No && !self.singles.is_empty() {
                self.rank_pairs(Paired::Some);
                self.bring_pairs();
                continue;
            }
            if *lines == 0 {
                return false;
            }
            *lines -= 1;
            let line = BTreeSet::from([place.line]);
            let path = place.path.clone().into_bytes();
            let score = place.score;
            self.next_place = self.places.next();
            for edit in edits::unchecked(project, &path, Some(&line), self.compiles) {
                self.offer(edit, score);
            }
        }
        self.bring_pairs();
        true
    }

    /// Queues pairs as long as the best one beats what is queued.
    fn bring_pairs(&mut self) {
        loop {
            if self.pairs.first.is_none() {
                self.pairs.first = self.next_pair();
            }
            let top = self.waiting.top().unwrap_or(0.0);
            let Some(pair) = self.pairs.first.take_if(|pair| pair.priority >= top) else { return };
            self.push(pair, true);
        }
    }

    /// The best pair that is left of those that can be applied together.
    fn next_pair(&mut self) -> Option<Try> {
        loop {
            let (bonus, i, j) = self.pairs.ranked.next()?;
            let pair = self.pair(&self.pairs.pool[i], &self.pairs.pool[j], bonus);
            if pair.is_some() {
                return pair;
            }
        }
    }

    fn pair(&self, a: &Edit, b: &Edit, bonus: f64) -> Option<Try> {
        let pair = edits::pair(a, b)?;
        let natural = pair.weight * self.scored(a) * self.scored(b);
        // single edits that are as likely as the less likely of the two come first: one mistake is likelier than two
        let alone = (self.scored(a) * a.weight).min(self.scored(b) * b.weight);
        let most = alone * AS_ALONE;
        let (priority, natural) = ((natural * bonus).min(most), natural.min(most));
        Some(Try { edits: pair.edits.to_vec(), priority, natural, patient: false })
    }

    fn scored(&self, edit: &Edit) -> f64 {
        self.score.get(&(edit.path.clone(), edit.line)).copied().unwrap_or(0.01)
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
        self.waiting.push(Queued { what, order: self.order, is_raw });
    }

    /// A candidate was built, or was not: those of its kind come earlier or later. Where the build is what is red, that says
    /// nothing about kinds.
    pub fn built(&mut self, what: &Try, is_built: bool) {
        if !self.compiles {
            self.waiting.learn(what, is_built);
        }
    }

    /// Something was cut for its time: it comes again, much later, with more time.
    pub fn again(&mut self, mut what: Try) {
        if !what.patient {
            what.patient = true;
            what.priority *= PATIENT;
            self.push(what, false);
        }
    }

    /// A candidate turned some, but not all, red tests green: edits beside it come earlier, and pairs of it with those that
    /// turned other tests green are queued.
    pub fn progress(&mut self, what: &Try, healed: BTreeSet<usize>) {
        if let ([edit], true) = (what.edits.as_slice(), self.partial.len() < 100) {
            let others = self.partial.iter().filter(|(_, other)| *other != healed);
            let pairs: Vec<Try> = others.filter_map(|(other, _)| self.pair(other, edit, BOTH_PROGRESS)).collect();
            pairs.into_iter().for_each(|pair| self.push(pair, true));
            self.partial.push((edit.clone(), healed));
        }
        for edit in &what.edits {
            if !self.boosted.insert((edit.path.clone(), edit.line)) {
                continue;
            }
            let near = |e: &Edit| e.path == edit.path && e.line == edit.line;
            self.waiting.raise(NEAR_PROGRESS, |what| what.edits.iter().any(near));
        }
    }

    /// Ranks two edits at once, of what was tried so far: one that made progress with a good edit, then good ones of the
    /// same file; those that each made progress are queued already.
    fn rank_pairs(&mut self, paired: Paired) {
        self.paired = paired;
        let mut singles = self.singles.clone();
        singles.retain(|e| e.label.is_none());
        singles.sort_by(|a, b| (self.scored(b) * b.weight).total_cmp(&(self.scored(a) * a.weight)));
        singles.truncate(MOST_SINGLES);
        let partial = self.partial.len();
        let pool: Vec<Edit> = self.partial.iter().map(|p| p.0.clone()).chain(singles).collect();
        let worth: Vec<f64> = pool.iter().map(|e| self.scored(e) * e.weight).collect();
        let plain = self.plain_bonus(&pool[partial..]);
        let mut ranked: Vec<(f64, f64, usize, usize)> = Vec::new();
        for i in 0..pool.len() {
            for j in i + 1..pool.len() {
                let bonus = match (self.partial.get(i), self.partial.get(j)) {
                    (Some(a), Some(b)) if a.1 != b.1 => continue,
                    (Some(_), Some(_)) => SAME_PROGRESS,
                    (Some(_), None) => ONE_PROGRESS,
                    _ if i < MOST_PLAIN + partial && pool[i].path == pool[j].path => plain,
                    _ => continue,
                };
                ranked.push((worth[i] * worth[j] * bonus, bonus, i, j));
            }
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranked.truncate(MOST_PAIRS);
        let ranked: Vec<_> = ranked.into_iter().map(|(_, bonus, i, j)| (bonus, i, j)).collect();
        self.pairs = Pairs { pool, ranked: ranked.into_iter(), first: None };
    }

    /// The best pair of two edits of `singles` (best first) comes before what is hardly suspicious, and no earlier.
    fn plain_bonus(&self, singles: &[Edit]) -> f64 {
        let best = singles.iter().zip(singles.iter().skip(1)).find_map(|(a, b)| self.pair(a, b, 1.0));
        best.map_or(1.0, |best| (LOW_SCORE * self.heaviest / best.priority).min(1.0))
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
    fn only_the_type_is_another_one() {
        for new in ["key[1..].into()", "&key[1..]", "key[1..].as_ref()", "(&key[1..]).to_vec()"] {
            assert_eq!(is_same_value("key[1..]", new), !new.starts_with('('), "{new}");
        }
        for new in ["key[1..]", "key[1..] as usize", "key[1..].unwrap()", "key[2..].into()"] {
            assert!(!is_same_value("key[1..]", new), "{new}");
        }
    }

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
    fn what_does_not_build_says_something_of_its_kind_but_not_where_the_build_is_red() {
        let text = b"def f(low, high):\n    return low < high\n".to_vec();
        let project = Project::load(vec![(b"f.py".to_vec(), text)], |_| true);
        // how many come before the next one of the first one's kind
        let before = |is_build: bool, failures: usize| {
            let place = Place { path: "f.py".into(), line: 2, score: 1.0 };
            let mut queue = Queue::new(vec![place]).of_a_build(is_build);
            let Some(first) = queue.next(&project) else { panic!("there are edits") };
            (0..failures).for_each(|_| queue.built(&first, false));
            let others = std::iter::from_fn(|| queue.next(&project));
            others.take_while(|other| other.edits[0].kind != first.edits[0].kind).count()
        };
        assert!(before(false, 100) > before(false, 0), "{} {}", before(false, 100), before(false, 0));
        assert_eq!(before(true, 100), before(true, 0));
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

    fn python(text: &str) -> Project {
        Project::load(vec![(b"f.py".to_vec(), text.as_bytes().to_vec())], |_| true)
    }

    fn place(line: usize, score: f64) -> Place {
        Place { path: "f.py".into(), line, score }
    }

    const TWO: &str = "def f(low, high):\n    return low < high\n\n\ndef g(low, high):\n    return low - high\n";

    #[test]
    fn edits_that_heal_different_tests_are_tried_together_before_singles_are_exhausted() {
        let project = python(TWO);
        let mut queue = Queue::new(vec![place(2, 1.0), place(6, 1.0)]);
        let tries: Vec<Try> = std::iter::from_fn(|| queue.next(&project)).take(400).collect();
        let single = |line: usize, new: &str| {
            let is_it = |t: &&Try| t.edits.len() == 1 && t.edits[0].line == line && t.edits[0].replacement == new;
            tries.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no {new}"))
        };
        let (first, other, alike) = (single(2, "<="), single(6, "+"), single(6, "*"));
        let mut queue = Queue::new(vec![place(2, 1.0), place(6, 1.0)]);
        queue.progress(&first, BTreeSet::from([0]));
        queue.progress(&other, BTreeSet::from([1]));
        queue.progress(&alike, BTreeSet::from([0]));
        let pairs: Vec<Try> =
            std::iter::from_fn(|| queue.next(&project)).take(60).filter(|t| t.edits.len() == 2).collect();
        let has = |a: &Try, b: &Try| pairs.iter().any(|p| p.edits == [a.edits[0].clone(), b.edits[0].clone()]);
        assert!(has(&first, &other) && !queue.is_pairing(), "{pairs:#?}");
        assert!(!has(&first, &alike), "they heal the same test");
    }

    #[test]
    fn pairs_come_before_lines_that_are_hardly_suspicious_and_few_are_held_at_once() {
        let text = format!("{TWO}\n\ndef h(low, high):\n    return low <= high\n");
        let project = python(&text);
        let mut queue = Queue::new(vec![place(2, 1.0), place(6, 1.0), place(10, 0.000_1)]);
        let mut singles = 0;
        let mut pairs = 0;
        while let Some(what) = queue.next(&project) {
            assert!(queue.waiting.len() < 2_000, "{}", queue.waiting.len());
            if what.edits.len() == 1 && what.edits[0].line == 10 {
                break;
            }
            singles += usize::from(what.edits.len() == 1);
            pairs += usize::from(what.edits.len() == 2);
        }
        assert!(singles > 50 && pairs > 50, "{singles} {pairs}");
    }

    #[test]
    fn lines_without_an_edit_are_read_in_bounded_steps() {
        let text = format!("{}def f(a):\n    return a + 1\n", "# nothing\n".repeat(100));
        let project = python(&text);
        let mut queue = Queue::new((1..=102).map(|line| place(line, 1.0)).collect());
        let steps = std::iter::from_fn(|| (queue.step(&project) == Next::More).then_some(())).count();
        assert_eq!(steps, 5, "a hundred lines, twenty at a time");
        assert!(matches!(queue.step(&project), Next::Try(_)));
    }
}
