//! Bisection as a pure decision: given what is known of a range of commits, which commit to try next, or the culprit.

use std::collections::HashMap;

use crate::error::Result;
use crate::repo::{Commit, Sha};

/// What a test of one commit said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The tests in question pass.
    Green,
    /// They fail in the same way.
    Red,
    /// It can't be said: it does not build, the tests do not exist there, they fail in another way.
    Skip,
}

/// What to do next. Numbers are places in the line of commits, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Test this one.
    Test(usize),
    /// This one turned the tests red: it is red and the one before it is green.
    Culprit(usize),
    /// One of `newest..=oldest`, and nothing more can be said: all between were skipped.
    Range {
        /// Newest suspect, known to be red.
        newest: usize,
        /// Oldest suspect; the one before it is green.
        oldest: usize,
    },
    /// No green commit was found as far back as the line goes.
    NoGreen,
}

/// So many commits that can't be tested are enough to say that the past can't be: each costs two runs.
const MOST_SKIPPED: usize = 16;

/// A bisection along one line of commits, newest first. The newest is red; where the line was green last is found by
/// doubling steps when nobody said it, and then by halving.
#[derive(Debug, Clone)]
pub struct Bisector {
    marks: Vec<Option<Mark>>,
}

impl Bisector {
    /// Over `len` commits of which the newest (number 0) is red.
    pub fn new(len: usize) -> Self {
        let mut marks = vec![None; len];
        if let Some(newest) = marks.first_mut() {
            *newest = Some(Mark::Red);
        }
        Self { marks }
    }

    /// Notes what a test of commit `at` said.
    pub fn mark(&mut self, at: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(at) {
            *place = Some(mark);
        }
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        let green = self.marks.iter().position(|m| *m == Some(Mark::Green));
        let Some(green) = green else { return self.look_for_green() };
        // marks that contradict each other: the newest was said to be red
        if green == 0 {
            return Step::NoGreen;
        }
        let red = self.newest_known_red(green);
        if green - red == 1 {
            return Step::Culprit(red);
        }
        match self.untested_near(red + (green - red) / 2, red + 1, green) {
            Some(at) => Step::Test(at),
            None => Step::Range { newest: red, oldest: green - 1 },
        }
    }

    /// The oldest red commit that is newer than `green`.
    fn newest_known_red(&self, green: usize) -> usize {
        self.marks[..green].iter().rposition(|m| *m == Some(Mark::Red)).unwrap_or(0)
    }

    /// Doubling steps back from the newest, over commits that can't be tested, to the end of the line. Where the old ones can't
    /// be tested, what lies before them is halved; commits here and there are looked at one by one, but not a whole past.
    fn look_for_green(&self) -> Step {
        let end = self.marks.len();
        let red = self.newest_known_red(end);
        let far = std::iter::successors(Some((2 * red).max(1)), |at| Some(at * 2));
        let far = far.take_while(|at| at + 1 < end).chain([end.saturating_sub(1)]);
        let is_open = |at: &usize| *at > red && self.marks[*at].is_none();
        if let Some(at) = far.filter(|at| *at < end).find(is_open) {
            return Step::Test(at);
        }
        let skipped: Vec<usize> = (red + 1..end).filter(|at| self.marks[*at] == Some(Mark::Skip)).collect();
        let Some(first) = skipped.first() else { return Step::NoGreen };
        let between = self.untested_near(red + (first - red) / 2, red + 1, *first);
        let beyond = || self.untested_from(*first, end).filter(|_| skipped.len() < MOST_SKIPPED);
        between.or_else(beyond).map_or(Step::NoGreen, Step::Test)
    }

    fn untested_from(&self, from: usize, to: usize) -> Option<usize> {
        (from..to).find(|at| self.marks[*at].is_none())
    }

    /// The untested commit in `from..to` that is nearest to `goal`.
    fn untested_near(&self, goal: usize, from: usize, to: usize) -> Option<usize> {
        (from..to).filter(|at| self.marks[*at].is_none()).min_by_key(|at| at.abs_diff(goal))
    }
}

/// What a hunt says next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Test this commit and say so with [`Hunt::mark`].
    Test(Commit),
    /// This commit turned the tests red. When it is a merge, both its sides are green: merging them did it.
    Culprit(Commit),
    /// One of these, newest first; commits between could not be tested.
    Range(Vec<Commit>),
    /// Red as far back as the line goes; the oldest commit that was seen red.
    NoGreen(Commit),
}

/// The hunt for the culprit in a history with merges: along first parents, because those are the states that a branch
/// was really in; when the culprit is a merge whose other side is red too, down into that side.
#[derive(Debug, Clone)]
pub struct Hunt {
    line: Vec<Commit>,
    bisector: Bisector,
    marks: HashMap<Sha, Mark>,
    /// How many tests were asked for and answered.
    tests: usize,
}

impl Hunt {
    /// Along `line`, newest first; the newest is red.
    pub fn new(line: Vec<Commit>) -> Self {
        let bisector = Bisector::new(line.len());
        Self { line, bisector, marks: HashMap::new(), tests: 0 }
    }

    /// Notes what a test of `commit` said, in this line and in all that are entered later.
    pub fn mark(&mut self, commit: &Sha, mark: Mark) {
        if self.marks.insert(commit.clone(), mark).is_none() {
            self.tests += 1;
        }
        if let Some(at) = self.line.iter().position(|c| c.sha == *commit) {
            self.bisector.mark(at, mark);
        }
    }

    /// How many commits were tested so far.
    pub fn tests(&self) -> usize {
        self.tests
    }

    /// What to do next. `side` lists what a merge brought in: the first-parent line of its second parent, newest
    /// first, down to and including the first commit that the first parent has too.
    ///
    /// # Errors
    /// Those of `side`.
    pub fn next(&mut self, mut side: impl FnMut(&Commit) -> Result<Vec<Commit>>) -> Result<Next> {
        loop {
            let at = match self.bisector.step() {
                Step::Test(at) => return Ok(Next::Test(self.line[at].clone())),
                Step::Range { newest, oldest } => return Ok(Next::Range(self.line[newest..=oldest].to_vec())),
                Step::NoGreen => return Ok(Next::NoGreen(self.oldest_red())),
                Step::Culprit(at) => at,
            };
            let culprit = self.line[at].clone();
            let Some(other) = culprit.parents.get(1).cloned() else { return Ok(Next::Culprit(culprit)) };
            match self.marks.get(&other) {
                Some(Mark::Red) => {}
                Some(Mark::Green | Mark::Skip) => return Ok(Next::Culprit(culprit)),
                None => match side(&culprit)?.into_iter().find(|c| c.sha == other) {
                    Some(tip) => return Ok(Next::Test(tip)),
                    None => return Ok(Next::Culprit(culprit)),
                },
            }
            let line = side(&culprit)?;
            if line.len() < 2 {
                return Ok(Next::Culprit(culprit));
            }
            self.enter(line);
        }
    }

    fn enter(&mut self, line: Vec<Commit>) {
        self.bisector = Bisector::new(line.len());
        for (at, commit) in line.iter().enumerate() {
            if let Some(mark) = self.marks.get(&commit.sha) {
                self.bisector.mark(at, *mark);
            }
        }
        self.line = line;
    }

    fn oldest_red(&self) -> Commit {
        self.line[self.bisector.newest_known_red(self.line.len())].clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a bisection over a history in which `culprit` and everything newer is red, and some commits can't be
    /// tested. Returns the end and the number of tests.
    fn run(mut bisector: Bisector, culprit: usize, skipped: &[usize]) -> (Step, usize) {
        for tests in 0.. {
            match bisector.step() {
                Step::Test(at) if skipped.contains(&at) => bisector.mark(at, Mark::Skip),
                Step::Test(at) => bisector.mark(at, if at <= culprit { Mark::Red } else { Mark::Green }),
                end => return (end, tests),
            }
            assert!(tests < 10_000, "never ends");
        }
        unreachable!("0.. does not end")
    }

    proptest! {
        #[test]
        fn every_monotone_history_gives_its_culprit_in_few_tests(n in 2usize..600, at in 0.0f64..1.0) {
            let culprit = ((n - 1) as f64 * at) as usize;
            let mut known = Bisector::new(n);
            known.mark(n - 1, Mark::Green);
            let culprit = culprit.min(n - 2);
            let (end, tests) = run(known, culprit, &[]);
            prop_assert_eq!(end, Step::Culprit(culprit));
            prop_assert!(tests as f64 <= (n as f64).log2().ceil() + 1.0, "{} tests of {}", tests, n);
        }

        #[test]
        fn an_unknown_green_point_costs_twice_the_logarithm_at_most(n in 2usize..600, at in 0.0f64..1.0) {
            let culprit = (((n - 2) as f64) * at) as usize;
            let (end, tests) = run(Bisector::new(n), culprit, &[]);
            prop_assert_eq!(end, Step::Culprit(culprit));
            prop_assert!(tests as f64 <= 2.0 * ((culprit + 2) as f64).log2().ceil() + 2.0, "{} tests", tests);
        }

        #[test]
        fn with_skipped_commits_the_answer_always_contains_the_culprit(
            n in 2usize..80, at in 0.0f64..1.0, skipped in proptest::collection::vec(1usize..80, 0..40),
        ) {
            let culprit = (((n - 2) as f64) * at) as usize;
            match run(Bisector::new(n), culprit, &skipped).0 {
                Step::Culprit(found) => prop_assert_eq!(found, culprit),
                Step::Range { newest, oldest } => prop_assert!(newest <= culprit && culprit <= oldest),
                Step::NoGreen => {
                    let in_vain = (0..n).filter(|at| skipped.contains(at)).count();
                    let none = (culprit + 1..n).all(|at| skipped.contains(&at));
                    prop_assert!(none || in_vain >= MOST_SKIPPED);
                }
                Step::Test(_) => unreachable!("run ends with an answer"),
            }
        }

        #[test]
        fn contradicting_marks_never_make_it_loop(n in 1usize..40, marks in proptest::collection::vec(0u8..3, 60)) {
            let mut bisector = Bisector::new(n);
            let mut tests = 0;
            while let Step::Test(at) = bisector.step() {
                bisector.mark(at, [Mark::Green, Mark::Red, Mark::Skip][usize::from(marks[tests])]);
                tests += 1;
                prop_assert!(tests <= n);
            }
        }
    }

    #[test]
    fn a_newest_commit_that_is_green_after_all_ends_the_hunt() {
        for n in 1..5 {
            let mut bisector = Bisector::new(n);
            bisector.mark(0, Mark::Green);
            assert_eq!(bisector.step(), Step::NoGreen);
        }
    }

    #[test]
    fn a_past_that_cannot_be_tested_is_given_up_after_few_tests_and_a_green_stretch_before_it_is_found() {
        // red since 5; the commits from `first` on can't be tested
        let past = |first: usize| run(Bisector::new(1000), 5, &(first..1000).collect::<Vec<_>>());
        let (end, tests) = past(6);
        assert_eq!(end, Step::NoGreen);
        assert!(tests < 40, "{tests} tests");
        assert_eq!(past(7).0, Step::Culprit(5));
        let (end, tests) = past(100);
        assert_eq!(end, Step::Culprit(5));
        assert!(tests < 20, "{tests} tests");
    }

    #[test]
    fn a_history_that_is_red_to_its_end_has_no_green() {
        assert_eq!(run(Bisector::new(9), 8, &[]).0, Step::NoGreen);
        assert_eq!(Bisector::new(1).step(), Step::NoGreen);
        assert_eq!(Bisector::new(0).step(), Step::NoGreen);
    }

    fn commit(name: &str, parents: &[&str]) -> Commit {
        let parents = parents.iter().map(|p| Sha((*p).to_owned())).collect();
        let text = String::new;
        Commit { sha: Sha(name.to_owned()), subject: text(), author: text(), date: text(), parents }
    }

    /// main: a ← b ← m ← c, side of m: a ← s1 ← s2.
    fn hunt(red: &[&str]) -> (Next, usize) {
        let line = ["c m", "m b s2", "b a", "a"].map(|l| {
            let words: Vec<&str> = l.split(' ').collect();
            commit(words[0], &words[1..])
        });
        let mut hunt = Hunt::new(line.to_vec());
        loop {
            let side = |_: &Commit| Ok(vec![commit("s2", &["s1"]), commit("s1", &["a"]), commit("a", &[])]);
            match hunt.next(side).unwrap() {
                Next::Test(c) => {
                    hunt.mark(&c.sha, if red.contains(&c.sha.0.as_str()) { Mark::Red } else { Mark::Green })
                }
                end => return (end, hunt.tests()),
            }
        }
    }

    #[test]
    fn a_merge_is_the_culprit_only_when_both_its_sides_are_green() {
        let name = |next: Next| match next {
            Next::Culprit(c) => c.sha.0,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(hunt(&["c", "m"]).0), "m");
        assert_eq!(name(hunt(&["c", "m", "s2"]).0), "s2");
        assert_eq!(name(hunt(&["c", "m", "s2", "s1"]).0), "s1");
        assert_eq!(name(hunt(&["c", "m", "b"]).0), "b");
        assert_eq!(name(hunt(&["c"]).0), "c");
    }
}
