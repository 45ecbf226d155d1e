//! When a council has come to an end: a pure function of what its rounds brought.

use serde::{Deserialize, Serialize};

use super::ledger::{Outcome, Raised, Settled, Severity, Status};
use crate::turns::text::likeness;

/// What one round brought, as far as it decides on the next one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Objections that stand and are new, by severity.
    pub new: Vec<Severity>,
    /// Objections that came back: open ones raised again, reopened ones, and settled ones that were dropped.
    pub again: usize,
    /// Of these, settled ones that were dropped because nothing was new about them.
    pub settled_before: usize,
    /// Objections of earlier rounds that changed an answer in this one, by severity; who only went back has changed nothing.
    pub accepted: Vec<Severity>,
    /// A seat went back to what it had said before.
    pub flipped: bool,
    /// And everything that is open now is about such seats.
    pub circling: bool,
}

/// In which way a council gets nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// The same objection in other words.
    SameObjection,
    /// Ever new trifles.
    Reseeding,
    /// Ever new objections, and none changes anything.
    Plateau,
    /// There and back again.
    FlipFlop,
    /// The critic raises nothing new, and seats leave what it raised without an answer that counts.
    Unanswered,
}

impl Stall {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stall::SameObjection => "same-objection",
            Stall::Reseeding => "reseeding",
            Stall::Plateau => "plateau",
            Stall::FlipFlop => "flip-flop",
            Stall::Unanswered => "unanswered",
        }
    }
}

/// What a round means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing is open: the critic has no further objection.
    Agreed,
    /// The loop gets nowhere.
    Stalled(Stall),
    /// Another round is worth it: it got better.
    Better,
    /// It did not get better, but one such round says nothing.
    NotYet,
}

/// Rounds in a row without improvement that are a stall where no round has improved anything yet: one happens in debates
/// that come to an end (see the measured rates in the tests of this room).
const IDLE_ROUNDS: usize = 2;
/// The same where one has: who got somewhere may pause for longer, and is stopped within two rounds all the same.
const IDLE_ROUNDS_AFTER_PROGRESS: usize = 3;
/// Rounds in a row of nothing but trifles, even accepted ones, that do not become fewer each time.
const TRIFLING_ROUNDS: usize = 3;
/// Answers that share so many words are the same one.
const SAME_ANSWER: f64 = 0.9;

impl Facts {
    /// From what the ledger said in this round; `settled` without those of seats that went back.
    pub fn of(raised: &[Raised], settled: &[Settled], flipped: bool, circling: bool) -> Self {
        let mut facts = Facts { flipped, circling, ..Facts::default() };
        for one in raised {
            match &one.outcome {
                Outcome::Stands { again: false, .. } => facts.new.push(one.severity),
                Outcome::Stands { again: true, .. } => facts.again += 1,
                Outcome::Drops(super::ledger::Dropped::SettledBefore) => {
                    facts.again += 1;
                    facts.settled_before += 1;
                }
                Outcome::Drops(_) => {}
            }
        }
        let changed = |s: &&Settled| matches!(s.status, Status::Accepted | Status::Partly);
        facts.accepted = settled.iter().filter(changed).map(|s| s.severity).collect();
        facts
    }

    /// Objections that stand.
    fn raised(&self) -> usize {
        self.new.len() + self.again
    }

    fn weight(&self) -> u32 {
        self.new.iter().map(|s| s.weight()).sum()
    }

    /// Something was raised, and nothing but trifles.
    fn is_trifling(&self) -> bool {
        !self.new.is_empty() && self.again == 0 && self.new.iter().all(|s| *s == Severity::Minor)
    }

    /// An objection that matters changed an answer, for good as far as one sees.
    fn has_effect(&self) -> bool {
        self.accepted.iter().any(|s| *s > Severity::Minor)
    }

    fn pattern(&self) -> Option<Stall> {
        if self.flipped {
            Some(Stall::FlipFlop)
        } else if self.again > 0 && self.again >= self.new.len() {
            Some(Stall::SameObjection)
        } else if self.is_trifling() {
            Some(Stall::Reseeding)
        } else if self.new.is_empty() {
            Some(Stall::Unanswered)
        } else {
            None
        }
    }
}

/// Did the last of `rounds` get better than all before it?
pub fn is_better(rounds: &[Facts]) -> bool {
    let Some((last, before)) = rounds.split_last() else { return false };
    if before.is_empty() {
        return true;
    }
    let lightest = before.iter().map(Facts::weight).min().unwrap_or(u32::MAX);
    // fewer objections alone are no progress: a critic that is only told no runs out of words some time, too
    let lighter = last.weight() < lightest && last.again == 0 && !last.accepted.is_empty();
    last.has_effect() || lighter || fewer_trifles(last, before)
}

/// Did it really get better in the last of `rounds`? The first one has nothing to be better than.
pub fn improved(rounds: &[Facts]) -> bool {
    rounds.len() > 1 && is_better(rounds)
}

/// Trifles that are accepted and become fewer.
fn fewer_trifles(last: &Facts, before: &[Facts]) -> bool {
    let previous = before.last().map_or(usize::MAX, |f| f.new.len());
    !last.accepted.is_empty() && last.new.len() < previous
}

/// What comes after `rounds`, when `open` objections are open now.
pub fn next(rounds: &[Facts], open: usize) -> Next {
    let Some(last) = rounds.last() else { return Next::NotYet };
    if open == 0 {
        // a critic that only repeats itself is not convinced, and has nothing new to say either
        let only_repeats = last.settled_before > 0 && last.accepted.is_empty() && last.new.is_empty();
        return if only_repeats { Next::Stalled(Stall::SameObjection) } else { Next::Agreed };
    }
    let circles = |facts: &Facts| facts.circling && facts.accepted.is_empty();
    if let [.., before, last] = rounds
        && circles(last)
        && (circles(before) || last.raised() >= before.raised())
    {
        // somebody objected to the new answer, and the old one is back, to which somebody objected before; where objections
        // become fewer that may be for good reasons, once
        return Next::Stalled(Stall::FlipFlop);
    }
    let idle = (0..rounds.len()).rev().take_while(|n| !is_better(&rounds[..=*n])).count();
    // the first round has nothing to be better than
    let got_better = (1..rounds.len()).any(|n| is_better(&rounds[..=n]));
    if idle >= if got_better { IDLE_ROUNDS_AFTER_PROGRESS } else { IDLE_ROUNDS } {
        return Next::Stalled(last.pattern().unwrap_or(Stall::Plateau));
    }
    if rounds.len() >= TRIFLING_ROUNDS {
        let trifling = &rounds[rounds.len() - TRIFLING_ROUNDS..];
        let ever_fewer = trifling.windows(2).all(|pair| pair[1].new.len() < pair[0].new.len());
        if !ever_fewer && trifling.iter().all(Facts::is_trifling) {
            return Next::Stalled(Stall::Reseeding);
        }
    }
    if idle == 0 { Next::Better } else { Next::NotYet }
}

/// Did a seat go back to what it had said before its last answer? `answers` are its answers in order.
pub fn flips(answers: &[&str]) -> bool {
    let [earlier @ .., second, last] = answers else { return false };
    likeness(second, last) < SAME_ANSWER && earlier.iter().any(|first| likeness(first, last) >= SAME_ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Major, Minor};

    fn facts(new: &[Severity], accepted: &[Severity]) -> Facts {
        Facts { new: new.to_vec(), accepted: accepted.to_vec(), ..Facts::default() }
    }

    fn again(n: usize) -> Facts {
        Facts { again: n, ..Facts::default() }
    }

    #[test]
    fn each_way_to_get_nowhere_has_its_name() {
        let flip = Facts { flipped: true, circling: true, ..facts(&[Major], &[]) };
        let beside = Facts { flipped: true, ..facts(&[Major], &[Major]) };
        for (rounds, open, next_is) in [
            (vec![facts(&[], &[])], 0, Next::Agreed),
            (vec![facts(&[Major, Major], &[]), facts(&[], &[Major, Major])], 0, Next::Agreed),
            (vec![facts(&[Major], &[]), again(1), again(1)], 1, Next::Stalled(Stall::SameObjection)),
            (vec![facts(&[Major], &[]), facts(&[], &[]), facts(&[], &[])], 1, Next::Stalled(Stall::Unanswered)),
            (
                vec![facts(&[Major], &[]), Facts { settled_before: 1, ..again(1) }],
                0,
                Next::Stalled(Stall::SameObjection),
            ),
            (
                vec![facts(&[Minor], &[]), facts(&[Minor], &[]), facts(&[Minor], &[])],
                1,
                Next::Stalled(Stall::Reseeding),
            ),
            (
                vec![
                    facts(&[Major], &[]),
                    facts(&[Minor], &[Major]),
                    facts(&[Minor], &[Minor]),
                    facts(&[Minor], &[Minor]),
                ],
                1,
                Next::Stalled(Stall::Reseeding),
            ),
            (vec![facts(&[Major, Minor], &[]), facts(&[Major, Minor], &[])], 2, Next::NotYet),
            (vec![facts(&[Major], &[]), facts(&[Major], &[]), facts(&[Major], &[])], 1, Next::Stalled(Stall::Plateau)),
            (
                vec![facts(&[Major], &[]), facts(&[Major], &[Major]), facts(&[Major], &[]), facts(&[Major], &[])],
                1,
                Next::NotYet,
            ),
            (
                vec![
                    facts(&[Major], &[]),
                    facts(&[Major], &[Major]),
                    facts(&[Major], &[]),
                    facts(&[Major], &[]),
                    facts(&[Major], &[]),
                ],
                1,
                Next::Stalled(Stall::Plateau),
            ),
            (vec![facts(&[Minor; 3], &[]), facts(&[Minor; 2], &[Minor]), facts(&[Minor], &[Minor])], 1, Next::Better),
            (vec![facts(&[Major], &[]), facts(&[Major], &[Major]), flip.clone()], 1, Next::Stalled(Stall::FlipFlop)),
            (vec![facts(&[Major], &[]), facts(&[Major; 2], &[Major]), flip.clone()], 1, Next::NotYet),
            (
                vec![facts(&[Major], &[]), facts(&[Major; 2], &[Major]), flip.clone(), flip],
                1,
                Next::Stalled(Stall::FlipFlop),
            ),
            (vec![facts(&[Major], &[]), facts(&[Major], &[Major]), beside], 1, Next::Better),
            (vec![facts(&[Major, Major], &[]), facts(&[Major], &[Major])], 1, Next::Better),
            (vec![facts(&[Major], &[]), facts(&[Major, Major], &[])], 2, Next::NotYet),
        ] {
            assert_eq!(next(&rounds, open), next_is, "{rounds:?}");
        }
    }

    #[test]
    fn a_repeat_beside_a_change_is_no_stall() {
        let rounds = [facts(&[Major], &[]), Facts { settled_before: 1, ..Facts { accepted: vec![Major], ..again(1) } }];
        assert_eq!(next(&rounds, 0), Next::Agreed);
    }

    #[test]
    fn going_back_is_seen_and_going_on_is_not() {
        assert!(flips(&["use a mutex here", "take channels instead", "use a mutex here"]));
        assert!(!flips(&["use a mutex here", "take channels instead", "take an actor then"]));
        assert!(!flips(&["use a mutex here", "use a mutex here", "use a mutex here"]));
        assert!(!flips(&["one", "two"]));
    }
}
