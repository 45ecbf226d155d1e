//! Minimising a set: the smallest part of n items that still does it, in few tests, as a state machine that asks.

use std::collections::HashMap;

/// What a test of a subset said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It still does it.
    Yes,
    /// It does not.
    No,
    /// It can't be said (does not build, does not apply). Counts as no.
    Unresolved,
}

/// Finds a small subset of `0..n` that still makes a predicate true, given that the whole set does.
///
/// Where delta debugging halves blocks, this searches for the shortest prefix that does it: its last item is needed.
/// That item is kept and the search goes on in what is left of the prefix, until the kept items alone do it. k needed
/// items of n take about k·log₂(n) + k tests, a single one of 40 seven. Every intermediate result was really tested,
/// so nothing has to be assumed of the predicate; that no single item of the result can be dropped is shown by a
/// last pass that tries each.
#[derive(Debug, Clone)]
pub struct Minimiser {
    /// Items, in the order in which prefixes are taken: most suspicious first pays.
    order: Vec<usize>,
    /// Places in `order` that are kept, in the order in which they were found.
    kept: Vec<usize>,
    /// `kept` and `order[..limit]` together do it.
    limit: usize,
    state: State,
    cache: HashMap<Vec<usize>, Answer>,
    /// Smallest set that was tested true (or the whole set).
    smallest: Vec<usize>,
    waiting: Option<Vec<usize>>,
    tests: usize,
    budget: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Do the kept items alone do it?
    Alone,
    /// The prefix of length `low` does not do it (with the kept items), the one of length `high` does.
    Search { low: usize, high: usize },
    /// Can the item at this place of `smallest` be dropped? `since` tries without success.
    Drop { at: usize, since: usize },
    /// Nothing can be dropped, one by one.
    Minimal,
    /// The budget is used up.
    Stopped,
}

impl Minimiser {
    /// Over the items `0..n`, with at most `budget` tests.
    pub fn new(n: usize, budget: usize) -> Self {
        Self::in_order((0..n).collect(), budget)
    }

    /// Over the items of `order`, most suspicious first, with at most `budget` tests.
    pub fn in_order(order: Vec<usize>, budget: usize) -> Self {
        let mut smallest = order.clone();
        smallest.sort_unstable();
        Self {
            limit: order.len(),
            order,
            kept: Vec::new(),
            // that nothing at all does it is not asked: the predicate is about a change
            state: State::Alone,
            cache: HashMap::from([(Vec::new(), Answer::No), (smallest.clone(), Answer::Yes)]),
            smallest,
            waiting: None,
            tests: 0,
            budget,
        }
    }

    /// The subset to test next, sorted; `None` when done. The same one is named until it is answered.
    pub fn next_subset(&mut self) -> Option<Vec<usize>> {
        if self.waiting.is_some() {
            return self.waiting.clone();
        }
        while let Some(subset) = self.wanted() {
            if let Some(answer) = self.cache.get(&subset).copied() {
                self.advance(subset, answer);
            } else if self.tests >= self.budget {
                self.state = State::Stopped;
            } else {
                self.waiting = Some(subset.clone());
                return Some(subset);
            }
        }
        None
    }

    /// Answers the question of [`Minimiser::next_subset`].
    pub fn answer(&mut self, answer: Answer) {
        let Some(subset) = self.waiting.take() else { return };
        self.tests += 1;
        self.cache.insert(subset.clone(), answer);
        self.advance(subset, answer);
    }

    /// The smallest subset that was seen to do it so far, sorted; the whole set at first.
    pub fn smallest(&self) -> &[usize] {
        &self.smallest
    }

    /// It was shown that no single item of [`Minimiser::smallest`] can be dropped.
    pub fn is_minimal(&self) -> bool {
        self.state == State::Minimal
    }

    /// How many tests were answered.
    pub fn tests(&self) -> usize {
        self.tests
    }

    fn wanted(&self) -> Option<Vec<usize>> {
        match self.state {
            State::Alone => Some(self.with_prefix(0)),
            State::Search { low, high } => Some(self.with_prefix(low + (high - low) / 2)),
            State::Drop { at, .. } => {
                let mut subset = self.smallest.clone();
                subset.remove(at);
                Some(subset)
            }
            State::Minimal | State::Stopped => None,
        }
    }

    /// The kept items and the first `len` of the others, sorted.
    fn with_prefix(&self, len: usize) -> Vec<usize> {
        let places = self.kept.iter().copied().chain(0..len);
        let mut items: Vec<usize> = places.map(|place| self.order[place]).collect();
        items.sort_unstable();
        items
    }

    fn advance(&mut self, subset: Vec<usize>, answer: Answer) {
        let yes = answer == Answer::Yes;
        if yes && subset.len() < self.smallest.len() {
            self.smallest = subset;
        }
        self.state = match self.state {
            State::Alone if yes => self.begin_dropping(),
            State::Alone => self.narrow(0, self.limit),
            State::Search { low, high } => {
                let middle = low + (high - low) / 2;
                if yes { self.narrow(low, middle) } else { self.narrow(middle, high) }
            }
            // `smallest` lost the item at `at`: the next one is at the same place now
            State::Drop { at, .. } if yes => self.dropping(at, 0),
            State::Drop { at, since } => self.dropping(at + 1, since + 1),
            end => end,
        };
    }

    fn narrow(&mut self, low: usize, high: usize) -> State {
        if high - low > 1 {
            return State::Search { low, high };
        }
        if high == 0 {
            return self.begin_dropping();
        }
        self.kept.push(high - 1);
        self.limit = high - 1;
        State::Alone
    }

    fn begin_dropping(&self) -> State {
        self.dropping(0, 0)
    }

    /// Goes round until every item was tried in vain on the same set.
    fn dropping(&self, at: usize, since: usize) -> State {
        let len = self.smallest.len();
        if since >= len || len <= 1 {
            return State::Minimal;
        }
        State::Drop { at: at % len, since }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(mut minimiser: Minimiser, mut predicate: impl FnMut(&[usize]) -> Answer) -> Minimiser {
        let mut asked = std::collections::HashSet::new();
        while let Some(subset) = minimiser.next_subset() {
            assert!(asked.insert(subset.clone()), "asked twice: {subset:?}");
            let answer = predicate(&subset);
            minimiser.answer(answer);
        }
        minimiser
    }

    fn needs(culprits: &[usize], subset: &[usize]) -> Answer {
        if culprits.iter().all(|c| subset.contains(c)) { Answer::Yes } else { Answer::No }
    }

    #[test]
    fn a_single_culprit_among_forty_takes_seven_tests() {
        for culprit in 0..40 {
            let done = run(Minimiser::new(40, 60), |subset| needs(&[culprit], subset));
            assert_eq!(done.smallest(), [culprit]);
            assert!(done.is_minimal() && done.tests() <= 7, "{} tests", done.tests());
        }
    }

    #[test]
    fn suspects_that_come_first_are_found_in_the_order_given() {
        let order = vec![3, 1, 2, 0];
        let done = run(Minimiser::in_order(order, 10), |subset| needs(&[3], subset));
        assert_eq!(done.smallest(), [3]);
    }

    #[test]
    fn one_item_and_no_item_need_no_test() {
        assert_eq!(Minimiser::new(0, 9).next_subset(), None);
        let mut one = Minimiser::new(1, 9);
        assert_eq!(one.next_subset(), None);
        assert_eq!(one.smallest(), [0]);
    }

    proptest! {
        #[test]
        fn several_culprits_are_all_found_within_their_share_of_tests(
            culprits in proptest::collection::btree_set(0usize..40, 1..6),
        ) {
            let culprits: Vec<usize> = culprits.into_iter().collect();
            let done = run(Minimiser::new(40, 60), |subset| needs(&culprits, subset));
            prop_assert_eq!(done.smallest(), culprits.as_slice());
            prop_assert!(done.is_minimal());
            prop_assert!(done.tests() <= culprits.len() * 8, "{} tests", done.tests());
        }

        #[test]
        fn whatever_the_predicate_it_ends_in_budget_with_a_set_that_does_it(
            n in 1usize..50, budget in 0usize..80, seed in any::<u64>(),
        ) {
            let whole: Vec<usize> = (0..n).collect();
            let mut yes = std::collections::HashSet::from([whole]);
            let done = run(Minimiser::new(n, budget), |subset| {
                let mut state = seed;
                for item in subset {
                    state = (state ^ *item as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
                }
                match state % 3 {
                    0 => {
                        yes.insert(subset.to_vec());
                        Answer::Yes
                    }
                    1 => Answer::No,
                    _ => Answer::Unresolved,
                }
            });
            prop_assert!(done.tests() <= budget);
            prop_assert!(yes.contains(done.smallest()));
        }

        #[test]
        fn items_that_only_build_together_stay_together(a in 0usize..30, b in 0usize..30, culprit in 0usize..30) {
            // a without b (or b without a) does not build
            let done = run(Minimiser::new(30, 200), |subset| {
                if subset.contains(&a) != subset.contains(&b) { Answer::Unresolved } else { needs(&[culprit], subset) }
            });
            prop_assert!(done.is_minimal());
            let expected = if [a, b].contains(&culprit) { if a == b { 1 } else { 2 } } else { 3 };
            prop_assert!(done.smallest().len() <= expected, "{:?}", done.smallest());
        }
    }
}
