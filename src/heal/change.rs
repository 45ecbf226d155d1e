//! Which of the supervisor's changes the heal loop can make, and what making one means: pure decisions.

use std::collections::BTreeSet;

use crate::fixer::model::retune::{Retuned, Warmth};
use crate::supervise::Change;

/// What is left to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Room {
    /// Fixers that ask models asked some, and have time and somebody to ask for another round.
    pub open: bool,
    /// Flaky tests are healed all the same.
    pub force: bool,
    /// The red tests were run with more repeats before.
    pub repeated: bool,
    /// Another model than those that were asked can be.
    pub other_models: bool,
    /// How the last round asked.
    pub retuned: Retuned,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Run the red tests again, more often than triage did.
    Repeat,
    /// One more round of the fixers that ask models.
    Round(Retuned),
    /// Ask no model any more.
    Stop,
}

impl Room {
    /// Can it be made here?
    pub fn can(&self, change: Change) -> bool {
        self.open
            && match change {
                Change::RerunWithRepeats => !self.force && !self.repeated,
                Change::SwitchModel => self.other_models,
                Change::WidenContext => !self.retuned.wide,
                Change::RaiseTemperature => self.retuned.warmth != Warmth::Warmer,
                Change::LowerTemperature => self.retuned.warmth != Warmth::Colder,
                Change::StopAndEscalate => true,
                // nobody objects to anything here
                Change::DropObjection | Change::RewordRubric => false,
            }
    }

    /// What `change` means; `asked` are the models that got nowhere. None where it can't be made.
    pub fn next(&self, change: Change, asked: BTreeSet<String>) -> Option<Next> {
        if !self.can(change) {
            return None;
        }
        let round = || Retuned { round: self.retuned.round + 1, ..self.retuned.clone() };
        Some(match change {
            Change::RerunWithRepeats => Next::Repeat,
            Change::SwitchModel => Next::Round(Retuned { not_models: asked, ..round() }),
            Change::WidenContext => Next::Round(Retuned { wide: true, ..round() }),
            Change::RaiseTemperature => Next::Round(Retuned { warmth: Warmth::Warmer, ..round() }),
            Change::LowerTemperature => Next::Round(Retuned { warmth: Warmth::Colder, ..round() }),
            Change::StopAndEscalate => Next::Stop,
            Change::DropObjection | Change::RewordRubric => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::opinion::CHANGES;

    fn open() -> Room {
        Room { open: true, other_models: true, ..Room::default() }
    }

    #[test]
    fn each_change_means_one_thing_and_two_of_them_nothing_here() {
        let asked: BTreeSet<String> = ["own/a".to_owned()].into();
        let before = Retuned { round: 2, wide: false, ..Retuned::default() };
        let room = Room { retuned: before.clone(), ..open() };
        let next = |change| room.next(change, asked.clone());
        let round = |with: Retuned| Some(Next::Round(Retuned { round: 3, ..with }));
        for (change, wanted) in [
            (Change::RerunWithRepeats, Some(Next::Repeat)),
            (Change::DropObjection, None),
            (Change::RewordRubric, None),
            (Change::SwitchModel, round(Retuned { not_models: asked.clone(), ..before.clone() })),
            (Change::WidenContext, round(Retuned { wide: true, ..before.clone() })),
            (Change::RaiseTemperature, round(Retuned { warmth: Warmth::Warmer, ..before.clone() })),
            (Change::LowerTemperature, round(Retuned { warmth: Warmth::Colder, ..before.clone() })),
            (Change::StopAndEscalate, Some(Next::Stop)),
        ] {
            assert_eq!(next(change), wanted, "{change:?}");
        }
    }

    #[test]
    fn what_was_made_before_and_what_there_is_nothing_for_can_not_be_made() {
        let cases = [
            (Room { repeated: true, ..open() }, Change::RerunWithRepeats),
            (Room { force: true, ..open() }, Change::RerunWithRepeats),
            (Room { other_models: false, ..open() }, Change::SwitchModel),
            (Room { retuned: Retuned { wide: true, ..Retuned::default() }, ..open() }, Change::WidenContext),
            (
                Room { retuned: Retuned { warmth: Warmth::Warmer, ..Retuned::default() }, ..open() },
                Change::RaiseTemperature,
            ),
            (
                Room { retuned: Retuned { warmth: Warmth::Colder, ..Retuned::default() }, ..open() },
                Change::LowerTemperature,
            ),
        ];
        for (room, change) in cases {
            assert!(open().can(change) && !room.can(change), "{change:?}");
        }
    }

    #[test]
    fn where_no_model_asked_or_nobody_can_be_asked_nothing_is_changed() {
        for change in CHANGES {
            let closed = Room { open: false, ..open() };
            assert!(!closed.can(change) && closed.next(change, BTreeSet::new()).is_none(), "{change:?}");
        }
    }
}
