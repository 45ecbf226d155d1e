//! A further round of the fixers that ask models: what is another way in it than in the rounds before.

use std::collections::BTreeSet;

use super::plan::Step;
use crate::config::Tuning;
use crate::model::router::Offer;

/// How much warmer a warmer round asks, in thousandths…
const WARMER_MILLI: u16 = 500;
/// …and never warmer than this: beyond it models write no code any more.
const WARMEST_MILLI: u16 = 1300;
/// A colder round asks at this part of what was planned.
const COLDER_PART: u16 = 3;
/// A wider round shows so many times as much.
const WIDER: u64 = 2;

/// How warm a round asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Warmth {
    /// Less variety than planned.
    Colder,
    /// As planned.
    #[default]
    Planned,
    /// More variety.
    Warmer,
}

/// What is different in a round; nothing in the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retuned {
    /// Rounds before this one: a warm turn is another sample in each.
    pub round: u64,
    /// Models that got nowhere, `provider/model`: they are not asked.
    pub not_models: BTreeSet<String>,
    /// More context than usual.
    pub wide: bool,
    /// How warm.
    pub warmth: Warmth,
}

impl Retuned {
    /// Whom a strategy may ask in this round, of `offers` and as it is tuned; none when nobody is left.
    pub fn left(&self, mut tuning: Tuning, mut offers: Vec<Offer>) -> Option<(Tuning, Vec<Offer>)> {
        if self.not_models.is_empty() {
            return Some((tuning, offers));
        }
        offers.retain(|offer| !self.not_models.contains(&offer.name));
        // an empty list means everybody, and not everybody is meant here
        if tuning.models.is_empty() {
            tuning.models = offers.iter().map(|offer| offer.name.clone()).collect();
        }
        tuning.models.retain(|name| !self.not_models.contains(name));
        offers.iter().any(|offer| tuning.models.contains(&offer.name)).then_some((tuning, offers))
    }

    /// The plan as this round asks it.
    pub fn steps(&self, planned: Vec<Step>) -> Vec<Step> {
        let at = |step: &Step, temperature_milli| Step { temperature_milli, ..*step };
        match self.warmth {
            Warmth::Planned => planned,
            Warmth::Warmer => {
                let warmer = |t: u16| t.saturating_add(WARMER_MILLI).min(WARMEST_MILLI.max(t));
                planned.iter().map(|step| at(step, warmer(step.temperature_milli))).collect()
            }
            Warmth::Colder => {
                // what was asked without any variety has the same answer again
                let new = planned.iter().filter(|step| step.temperature_milli > 0 || step.told);
                let colder: Vec<Step> = new.map(|step| at(step, step.temperature_milli / COLDER_PART)).collect();
                if colder.is_empty() { planned } else { colder }
            }
        }
    }

    /// The most tokens of context where `most` are usual.
    pub fn context(&self, most: u64) -> u64 {
        if self.wide { most * WIDER } else { most }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Form;
    use super::*;
    use crate::model::catalog::Tier;

    fn offers() -> Vec<Offer> {
        let offer = |name: &str| Offer {
            name: name.into(),
            family: name.into(),
            tier: Tier::Local,
            price: None,
            context: 8192,
            strength: 3,
            thinking: 0,
            left: None,
            named: false,
            back: None,
        };
        vec![offer("own/a"), offer("own/b")]
    }

    fn without(names: &[&str]) -> Retuned {
        Retuned { not_models: names.iter().map(|n| (*n).to_owned()).collect(), ..Retuned::default() }
    }

    #[test]
    fn who_got_nowhere_is_not_asked_and_where_nobody_is_left_nobody_is() {
        let tuning =
            |models: &[&str]| Tuning { models: models.iter().map(|n| (*n).to_owned()).collect(), ..Tuning::default() };
        let left = |not: &[&str], named: &[&str]| {
            without(not).left(tuning(named), offers()).map(|(tuning, offers)| (tuning.models.join(" "), offers.len()))
        };
        assert_eq!(left(&[], &[]), Some((String::new(), 2)), "the first round is as it comes");
        assert_eq!(left(&["own/a"], &[]), Some(("own/b".into(), 1)));
        assert_eq!(left(&["own/a"], &["own/a", "own/b"]), Some(("own/b".into(), 1)));
        assert_eq!(left(&["own/a"], &["own/a"]), None, "the strategy is tuned to that one");
        assert_eq!(left(&["own/a", "own/b"], &[]), None);
    }

    #[test]
    fn a_warmer_round_is_warmer_in_every_step_and_a_colder_one_repeats_nothing() {
        let step = |temperature_milli, told| Step { form: Form::Pair, temperature_milli, told };
        let temperatures = |warmth, planned: &[Step]| -> Vec<u16> {
            let retuned = Retuned { warmth, ..Retuned::default() };
            retuned.steps(planned.to_vec()).iter().map(|s| s.temperature_milli).collect()
        };
        let planned = [step(0, false), step(0, true), step(600, false), step(900, true)];
        assert_eq!(temperatures(Warmth::Planned, &planned), [0, 0, 600, 900]);
        assert_eq!(temperatures(Warmth::Warmer, &planned), [500, 500, 1100, 1300]);
        assert_eq!(temperatures(Warmth::Colder, &planned), [0, 200, 300]);
        assert_eq!(temperatures(Warmth::Colder, &planned[..1]), [0], "there is always something to ask");
        let hot = [step(2000, false)];
        assert_eq!(temperatures(Warmth::Warmer, &hot), [2000], "what a person set is not cooled");
        assert_eq!((without(&[]).context(100), Retuned { wide: true, ..without(&[]) }.context(100)), (100, 200));
    }
}
