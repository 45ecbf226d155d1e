//! Which units to try to undo next: a pure decision from what is known so far.
//!
//! The search is written as if every answer were there; where one is missing, that is the next question. Replaying it
//! from the start after each answer costs nothing beside a run of the tests, and keeps all state in one map.

use std::collections::BTreeMap;

use super::change::Set;

/// What a run with some units undone showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The red tests are green.
    Green,
    /// A red test is red by its own doing.
    Red,
    /// It does not parse, build or load, or took too long: no answer.
    Unresolved,
}

/// Everything known: outcomes by undone units.
pub type Known = BTreeMap<Set, Outcome>;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find out about these.
    Ask(Set),
    /// These are enough, and none of them can be left out (as far as was asked).
    Found(Set),
    /// Undoing does not help.
    Hopeless,
}

/// A question that is not answered yet.
struct Missing(Set);

fn green(set: &Set, known: &Known) -> Result<bool, Missing> {
    known.get(set).map(|outcome| *outcome == Outcome::Green).ok_or_else(|| Missing(set.clone()))
}

/// The next step of a search over the units `order`, the most suspicious first. `pinned` are units that the tests of
/// the tree need: they are left alone as long as it goes without them. `rescue` says how many units may be tried one
/// by one when undoing everything does not help.
pub fn next(order: &[usize], pinned: &Set, rescue: usize, known: &Known) -> Step {
    match search(order, pinned, rescue, known) {
        Ok(Some(found)) => Step::Found(found),
        Ok(None) => Step::Hopeless,
        Err(Missing(question)) => Step::Ask(question),
    }
}

/// The next step in making `start`, which is known to be green, smaller; in the order `order`.
pub fn shrink(start: &Set, order: &[usize], known: &Known) -> Step {
    match minimal(start, order, known) {
        Ok(found) => Step::Found(found),
        Err(Missing(question)) => Step::Ask(question),
    }
}

fn search(order: &[usize], pinned: &Set, rescue: usize, known: &Known) -> Result<Option<Set>, Missing> {
    let all: Set = order.iter().copied().collect();
    let free: Set = all.difference(pinned).copied().collect();
    if all.is_empty() {
        return Ok(None);
    }
    for start in [&free, &all] {
        if !start.is_empty() && green(start, known)? {
            return minimal(start, order, known).map(Some);
        }
    }
    // everything undone is not green: new tests may need new code that we failed to recognise
    for unit in order.iter().take(rescue) {
        let single = Set::from([*unit]);
        if green(&single, known)? {
            return Ok(Some(single));
        }
        let without: Set = free.iter().copied().filter(|u| u != unit).collect();
        if rescue < order.len() || without.is_empty() {
            continue;
        }
        if green(&without, known)? {
            return minimal(&without, order, known).map(Some);
        }
    }
    Ok(None)
}

/// A smallest green subset of `start` (green itself): no unit of it can be left out.
fn minimal(start: &Set, order: &[usize], known: &Known) -> Result<Set, Missing> {
    /// The first suspects are tried alone before halving: right more often than not, and then it is over.
    const FIRST_ALONE: usize = 2;
    let ordered: Vec<usize> = order.iter().copied().filter(|u| start.contains(u)).collect();
    if ordered.len() <= 1 {
        return Ok(start.clone());
    }
    if ordered.len() > FIRST_ALONE {
        for unit in &ordered[..FIRST_ALONE] {
            let single = Set::from([*unit]);
            if green(&single, known)? {
                return Ok(single);
            }
        }
    }
    let found = explain(&Set::new(), false, &ordered, known)?;
    // with units that depend on each other the explanation may not hold: then leave out one by one from what does
    let from = if green(&found, known)? { found } else { smallest_green(start, known) };
    leave_out(from, order, known)
}

/// Divide and conquer after Junker's QuickXplain: for `k` needed of `n` units about `2k·log₂(n/k)` questions.
fn explain(background: &Set, grown: bool, units: &[usize], known: &Known) -> Result<Set, Missing> {
    if grown && green(background, known)? {
        return Ok(Set::new());
    }
    if let [only] = units {
        return Ok(Set::from([*only]));
    }
    let (first, second) = units.split_at(units.len().div_ceil(2));
    let with_first: Set = background.iter().chain(first).copied().collect();
    let from_second = explain(&with_first, true, second, known)?;
    let with_second: Set = background.union(&from_second).copied().collect();
    let from_first = explain(&with_second, !from_second.is_empty(), first, known)?;
    Ok(from_first.union(&from_second).copied().collect())
}

fn smallest_green(start: &Set, known: &Known) -> Set {
    let greens =
        known.iter().filter(|(set, outcome)| **outcome == Outcome::Green && set.is_subset(start) && !set.is_empty());
    greens.map(|(set, _)| set).min_by_key(|set| set.len()).unwrap_or(start).clone()
}

/// Leaves out units, the least suspicious first, in chunks that get smaller, as long as it stays green.
fn leave_out(mut set: Set, order: &[usize], known: &Known) -> Result<Set, Missing> {
    let mut chunk = set.len() / 2;
    while chunk >= 1 {
        let ordered: Vec<usize> = order.iter().rev().copied().filter(|u| set.contains(u)).collect();
        let mut shrunk = false;
        for part in ordered.chunks(chunk) {
            let rest: Set = set.iter().copied().filter(|u| !part.contains(u)).collect();
            if !rest.is_empty() && rest.len() < set.len() && green(&rest, known)? {
                set = rest;
                shrunk = true;
                break;
            }
        }
        if !shrunk {
            chunk /= 2;
        } else {
            chunk = chunk.min(set.len() / 2).max(usize::from(set.len() > 1));
        }
    }
    Ok(set)
}

/// The smallest set known to be green, for when the budget is spent.
pub fn best(known: &Known) -> Option<Set> {
    let greens = known.iter().filter(|(set, outcome)| **outcome == Outcome::Green && !set.is_empty());
    greens.map(|(set, _)| set.clone()).min_by_key(Set::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs the search against a world; the number of questions comes back too.
    fn play(n: usize, pinned: &Set, world: impl Fn(&Set) -> Outcome) -> (Step, usize) {
        let order: Vec<usize> = (0..n).collect();
        let mut known = Known::new();
        loop {
            match next(&order, pinned, 40, &known) {
                Step::Ask(set) => {
                    let outcome = world(&set);
                    assert!(known.insert(set, outcome).is_none(), "asked twice");
                    assert!(known.len() < 500, "endless");
                }
                end => return (end, known.len()),
            }
        }
    }

    fn needs(needed: &[usize]) -> impl Fn(&Set) -> Outcome + '_ {
        |set| if needed.iter().all(|n| set.contains(n)) { Outcome::Green } else { Outcome::Red }
    }

    #[test]
    fn one_of_forty_is_found_within_a_dozen_runs() {
        for guilty in 0..40 {
            let (step, runs) = play(40, &Set::new(), needs(&[guilty]));
            assert_eq!(step, Step::Found(Set::from([guilty])));
            assert!(runs <= 12, "{guilty}: {runs} runs");
        }
    }

    #[test]
    fn two_of_forty_are_found_within_thirty_runs() {
        for a in 0..40 {
            for b in a + 1..40 {
                let (step, runs) = play(40, &Set::new(), needs(&[a, b]));
                assert_eq!(step, Step::Found(Set::from([a, b])));
                assert!(runs <= 30, "{a} {b}: {runs} runs");
            }
        }
    }

    #[test]
    fn the_first_suspect_being_right_takes_two_runs() {
        assert_eq!(play(20, &Set::new(), needs(&[0])), (Step::Found(Set::from([0])), 2));
    }

    #[test]
    fn what_undoing_cannot_mend_is_hopeless() {
        assert_eq!(play(12, &Set::new(), |_| Outcome::Red).0, Step::Hopeless);
        assert_eq!(play(0, &Set::new(), |_| Outcome::Green).0, Step::Hopeless);
    }

    #[test]
    fn pinned_units_are_left_alone_where_it_goes_without() {
        let world = |set: &Set| {
            if set.contains(&3) {
                Outcome::Unresolved
            } else if set.contains(&7) {
                Outcome::Green
            } else {
                Outcome::Red
            }
        };
        assert_eq!(play(10, &Set::from([3]), world).0, Step::Found(Set::from([7])));
        // not recognised as pinned: found all the same
        assert_eq!(play(10, &Set::new(), world).0, Step::Found(Set::from([7])));
    }

    #[test]
    fn units_that_only_build_together_are_kept_together() {
        // 4 defines what 5 uses: undoing 4 alone does not build
        let world = |set: &Set| match (set.contains(&4), set.contains(&5)) {
            (true, false) => Outcome::Unresolved,
            (true, true) => Outcome::Green,
            _ => Outcome::Red,
        };
        assert_eq!(play(9, &Set::new(), world).0, Step::Found(Set::from([4, 5])));
    }

    proptest! {
        #[test]
        fn what_is_found_is_green_and_minimal(n in 1usize..30, picks in proptest::collection::btree_set(0usize..30, 1..4)) {
            let needed: Vec<usize> = picks.into_iter().filter(|p| *p < n).collect();
            prop_assume!(!needed.is_empty());
            let (step, runs) = play(n, &Set::new(), needs(&needed));
            prop_assert_eq!(step, Step::Found(needed.iter().copied().collect()));
            prop_assert!(runs <= 45, "{} runs", runs);
        }

        #[test]
        fn whatever_the_world_answers_the_search_ends(n in 1usize..14, seed in any::<u64>()) {
            let (step, _) = play(n, &Set::new(), |set| {
                let mut h = seed;
                for u in set { h = (h ^ *u as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17); }
                match h % 3 { 0 => Outcome::Green, 1 => Outcome::Red, _ => Outcome::Unresolved }
            });
            prop_assert!(!matches!(step, Step::Ask(_)));
        }
    }
}
