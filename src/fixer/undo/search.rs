//! From which units to start undoing: a pure decision from what is known so far. Making the start smaller is the
//! business of [`crate::repo::minimise`].
//!
//! The decision is written as if every answer were there; where one is missing, that is the next question. Replaying it
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
    /// These are enough; some of them may be left out yet.
    Start(Set),
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
pub fn opening(order: &[usize], pinned: &Set, rescue: usize, known: &Known) -> Step {
    match start(order, pinned, rescue, known) {
        Ok(Some(found)) => Step::Start(found),
        Ok(None) => Step::Hopeless,
        Err(Missing(question)) => Step::Ask(question),
    }
}

fn start(order: &[usize], pinned: &Set, rescue: usize, known: &Known) -> Result<Option<Set>, Missing> {
    let all: Set = order.iter().copied().collect();
    let free: Set = all.difference(pinned).copied().collect();
    for start in [&free, &all] {
        if !start.is_empty() && green(start, known)? {
            return first_suspect(start, order, known).map(Some);
        }
    }
    // everything undone is not green: new tests may need new code that we failed to recognise
    for unit in order.iter().take(rescue) {
        let single = Set::from([*unit]);
        if green(&single, known)? {
            return Ok(Some(single));
        }
    }
    for unit in order.iter().take(rescue) {
        let without: Set = free.iter().copied().filter(|u| u != unit).collect();
        if !without.is_empty() && green(&without, known)? {
            return Ok(Some(without));
        }
    }
    Ok(None)
}

/// The first suspect is tried alone before any halving: right more often than not, and then it is over.
fn first_suspect(start: &Set, order: &[usize], known: &Known) -> Result<Set, Missing> {
    let Some(first) = order.iter().find(|u| start.contains(u)) else { return Ok(start.clone()) };
    let single = Set::from([*first]);
    Ok(if start.len() > 2 && green(&single, known)? { single } else { start.clone() })
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

    /// Plays the opening against a world; the number of questions comes back too.
    fn play(n: usize, pinned: &Set, world: impl Fn(&Set) -> Outcome) -> (Step, usize) {
        let order: Vec<usize> = (0..n).collect();
        let mut known = Known::new();
        loop {
            match opening(&order, pinned, 40, &known) {
                Step::Ask(set) => {
                    let outcome = world(&set);
                    assert!(known.insert(set, outcome).is_none(), "asked twice");
                }
                end => return (end, known.len()),
            }
        }
    }

    fn needs(needed: &[usize]) -> impl Fn(&Set) -> Outcome + '_ {
        |set| if needed.iter().all(|n| set.contains(n)) { Outcome::Green } else { Outcome::Red }
    }

    #[test]
    fn the_first_suspect_being_right_takes_two_runs() {
        assert_eq!(play(20, &Set::new(), needs(&[0])), (Step::Start(Set::from([0])), 2));
    }

    #[test]
    fn a_later_suspect_starts_from_everything() {
        assert_eq!(play(20, &Set::new(), needs(&[7])), (Step::Start((0..20).collect()), 2));
    }

    #[test]
    fn what_undoing_cannot_mend_is_hopeless() {
        assert_eq!(play(12, &Set::new(), |_| Outcome::Red).0, Step::Hopeless);
        assert_eq!(play(0, &Set::new(), |_| Outcome::Green), (Step::Hopeless, 0));
    }

    #[test]
    fn pinned_units_are_left_alone_where_it_goes_without() {
        let world = |set: &Set| match (set.contains(&3), set.contains(&7)) {
            (true, _) => Outcome::Unresolved,
            (false, true) => Outcome::Green,
            (false, false) => Outcome::Red,
        };
        let free: Set = (0..10).filter(|n| *n != 3).collect();
        assert_eq!(play(10, &Set::from([3]), world).0, Step::Start(free));
        // not recognised as pinned: found all the same
        assert_eq!(play(10, &Set::new(), world).0, Step::Start(Set::from([7])));
    }

    #[test]
    fn one_unit_in_the_way_of_two_is_left_out() {
        // 3 must stay, 5 and 7 are needed together
        let world = |set: &Set| match set.contains(&3) {
            true => Outcome::Unresolved,
            false => needs(&[5, 7])(set),
        };
        assert_eq!(play(10, &Set::new(), world).0, Step::Start((0..10).filter(|n| *n != 3).collect()));
    }

    proptest! {
        #[test]
        fn whatever_the_world_answers_the_opening_ends(n in 1usize..14, seed in any::<u64>()) {
            let (step, runs) = play(n, &Set::new(), |set| {
                let mut h = seed;
                for u in set { h = (h ^ *u as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17); }
                match h % 3 { 0 => Outcome::Green, 1 => Outcome::Red, _ => Outcome::Unresolved }
            });
            prop_assert!(!matches!(step, Step::Ask(_)));
            prop_assert!(runs <= 2 * n + 2);
        }
    }
}
