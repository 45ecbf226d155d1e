//! The plan of a strategy: which questions it asks in which order, for this size of model and this kind of purse.

use crate::model::catalog::Tier;

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Search/replace blocks: for models that copy text exactly.
    Blocks,
    /// The wrong line and the right one: the shortest answer there is.
    Pair,
    /// One line, the nth most suspicious, written anew.
    Line(usize),
    /// A whole function.
    Function,
    /// A diagnosis first, then the whole function.
    Diagnosed,
}

/// One question of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// For what.
    pub form: Form,
    /// In thousandths.
    pub temperature_milli: u16,
    /// It is told what was tried before.
    pub told: bool,
}

/// How a strategy goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The smallest edit.
    Small,
    /// The whole unit.
    Whole,
    /// Diagnose, then edit.
    Diagnose,
}

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// The strategy's way.
    pub way: Way,
    /// Of the first attempt.
    pub temperature_milli: u16,
    /// Questions to a model with a price.
    pub attempts: u32,
    /// The configuration said how many: no more, whatever the model costs.
    pub exactly: bool,
    /// Strength of the model, 1 to 10.
    pub strength: u8,
    /// What it costs.
    pub tier: Tier,
    /// Suspicious lines that can be asked about.
    pub lines: usize,
}

/// From this strength on models copy text exactly enough for edit blocks, and follow what was tried before.
pub const LARGE: u8 = 5;
/// A free model's account has a quota for the day: this many questions beyond the strategy's own.
const FREE_EXTRA: usize = 3;
/// A local model costs nothing but time: this many questions beyond the strategy's own.
const LOCAL_EXTRA: usize = 36;
const WARM: [u16; 4] = [600, 800, 900, 700];

fn warm(n: usize) -> u16 {
    WARM[n % WARM.len()]
}

/// The steps, in order.
pub fn steps(purpose: &Purpose) -> Vec<Step> {
    let own = usize::try_from(purpose.attempts).unwrap_or(usize::MAX);
    let most = match purpose.tier {
        _ if purpose.exactly => own,
        Tier::Paid => own,
        Tier::Free => own + FREE_EXTRA,
        Tier::Local => own + LOCAL_EXTRA,
    };
    let mut steps = if purpose.strength >= LARGE { large(purpose, most) } else { small(purpose) };
    steps.truncate(most);
    steps
}

/// How far a plan is, and when one of its questions last turned a red test green that none before did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    planned: usize,
    asked: usize,
    gained: Option<usize>,
    grown: usize,
}

/// Where the last quarter of a plan gained something, it grows by a quarter of what was planned, so many times at most.
const GROWS_MOST: usize = 6;

impl Pace {
    /// Of a plan with so many steps.
    pub fn of(planned: usize) -> Self {
        Self { planned, asked: 0, gained: None, grown: 0 }
    }

    /// A question was asked; `gained`: with its answer fewer tests are red than with any before.
    pub fn asked(&mut self, gained: bool) {
        self.asked += 1;
        if gained {
            self.gained = Some(self.asked);
        }
    }

    /// So many steps were appended.
    pub fn grows(&mut self, steps: usize) {
        self.grown += usize::from(steps > 0);
    }

    fn quarter(&self) -> usize {
        self.planned.div_ceil(4)
    }
}

/// Steps beyond the plan: where asking costs nothing, nobody said how many, and the last quarter still gained something.
pub fn further(purpose: &Purpose, pace: &Pace) -> Vec<Step> {
    let gained = pace.gained.is_some_and(|at| at + pace.quarter() > pace.asked);
    if purpose.exactly || purpose.tier == Tier::Paid || !gained || pace.grown >= GROWS_MOST {
        return Vec::new();
    }
    // what gained was told what had been tried, or was lucky: both once more, and never twice in the same way
    let form = match (purpose.way, purpose.strength >= LARGE) {
        (Way::Small, true) => Form::Blocks,
        (Way::Small, false) => Form::Pair,
        (Way::Whole, _) => Form::Function,
        (Way::Diagnose, _) => Form::Diagnosed,
    };
    let step = |n: usize| Step { form, temperature_milli: warm(pace.asked + n), told: true };
    (0..pace.quarter()).map(step).collect()
}

/// Told what was tried, a large model does something else; every fourth question is a fresh, warmer look.
fn large(purpose: &Purpose, most: usize) -> Vec<Step> {
    let form = match purpose.way {
        Way::Small => Form::Blocks,
        Way::Whole => Form::Function,
        Way::Diagnose => Form::Diagnosed,
    };
    let step = |n: usize| match n % 4 {
        0 if n == 0 => Step { form, temperature_milli: purpose.temperature_milli, told: false },
        0 => Step { form, temperature_milli: warm(n / 4), told: false },
        // whoever was asked for a whole unit and failed is asked for a place in it, and the other way round
        3 if form == Form::Function => Step { form: Form::Blocks, temperature_milli: 300, told: true },
        _ => Step { form, temperature_milli: purpose.temperature_milli.max(200), told: true },
    };
    (0..most.min(24)).map(step).collect()
}

/// A small model gives a right answer now and then, not when it is told more: short answers, many of them, spread over the
/// suspicious lines; then samples of everything.
fn small(purpose: &Purpose) -> Vec<Step> {
    let cold = purpose.temperature_milli;
    let mut steps = Vec::new();
    let mut ask = |form, temperature_milli, told| steps.push(Step { form, temperature_milli, told });
    match purpose.way {
        Way::Small => {
            ask(Form::Pair, cold, false);
            (0..purpose.lines.min(4)).for_each(|n| ask(Form::Line(n), cold, false));
            ask(Form::Pair, warm(0), true);
            (4..purpose.lines).for_each(|n| ask(Form::Line(n), cold, false));
            for round in 0..3 {
                ask(Form::Pair, warm(round + 1), round % 2 == 0);
                (0..purpose.lines.min(6)).for_each(|n| ask(Form::Line(n), warm(round + 1), false));
                ask(Form::Function, warm(round), false);
            }
        }
        Way::Whole => {
            ask(Form::Function, cold, false);
            for round in 0..12 {
                ask(Form::Function, warm(round), round % 3 == 1);
            }
        }
        Way::Diagnose => {
            ask(Form::Diagnosed, cold, false);
            for round in 0..8 {
                ask(Form::Diagnosed, warm(round), false);
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(way: Way, strength: u8, tier: Tier) -> Purpose {
        Purpose { way, temperature_milli: 0, attempts: 4, exactly: false, strength, tier, lines: 9 }
    }

    #[test]
    fn a_model_with_a_price_is_asked_as_often_as_its_strategy_says_and_a_local_one_oftener() {
        for way in [Way::Small, Way::Whole, Way::Diagnose] {
            for strength in [2, 8] {
                let count = |tier| steps(&purpose(way, strength, tier)).len();
                assert_eq!(count(Tier::Paid), 4);
                assert!(count(Tier::Free) == 7 && (9..=40).contains(&count(Tier::Local)), "{way:?}");
                let exactly = Purpose { exactly: true, ..purpose(way, strength, Tier::Local) };
                assert_eq!(steps(&exactly).len(), 4);
            }
        }
    }

    #[test]
    fn the_first_question_is_cold_and_untold_and_no_question_is_asked_twice_in_the_same_way() {
        for way in [Way::Small, Way::Whole, Way::Diagnose] {
            let steps = steps(&purpose(way, 2, Tier::Local));
            assert_eq!((steps[0].temperature_milli, steps[0].told), (0, false));
            for (n, step) in steps.iter().enumerate() {
                let again = steps[..n].contains(step) && step.temperature_milli == 0;
                assert!(!again, "{way:?}: {step:?} is asked twice at temperature 0");
            }
        }
    }

    #[test]
    fn a_small_model_is_asked_about_every_suspicious_line_before_anything_is_sampled_again() {
        let steps = steps(&purpose(Way::Small, 2, Tier::Local));
        let cold: Vec<usize> = steps
            .iter()
            .filter_map(|s| match s.form {
                Form::Line(n) if s.temperature_milli == 0 => Some(n),
                _ => None,
            })
            .collect();
        assert_eq!(cold, (0..9).collect::<Vec<_>>());
        let large = super::steps(&purpose(Way::Small, 8, Tier::Local));
        assert!(large.iter().all(|s| s.form == Form::Blocks));
    }

    #[test]
    fn where_asking_costs_nothing_a_plan_goes_on_as_long_as_its_last_quarter_gains_something() {
        let asked = |tier, exactly, gains: &dyn Fn(usize) -> bool| {
            let purpose = Purpose { exactly, ..purpose(Way::Small, 8, tier) };
            let planned = steps(&purpose).len();
            let (mut pace, mut left, mut n) = (Pace::of(planned), planned, 0);
            while left > 0 {
                (left, n) = (left - 1, n + 1);
                pace.asked(gains(n));
                if left == 0 {
                    let more = further(&purpose, &pace);
                    pace.grows(more.len());
                    left = more.len();
                }
            }
            (planned, n)
        };
        for tier in [Tier::Local, Tier::Free] {
            let (planned, n) = asked(tier, false, &|_| true);
            assert!(n > planned && n <= planned + GROWS_MOST * planned.div_ceil(4), "{planned} {n}");
            let (planned, n) = asked(tier, false, &|_| false);
            assert_eq!(n, planned, "nothing is gained");
            let (planned, n) = asked(tier, false, &|n| n == 1);
            assert_eq!(n, planned, "what was gained is long ago");
            let (planned, n) = asked(tier, false, &move |n| n == planned);
            assert_eq!(n, planned + planned.div_ceil(4), "once more, and nothing came of it");
            let (planned, n) = asked(tier, true, &|_| true);
            assert_eq!(n, planned, "the configuration says how many");
        }
        let (planned, n) = asked(Tier::Paid, false, &|_| true);
        assert_eq!(n, planned, "that would cost something");
    }

    #[test]
    fn without_suspicious_lines_there_is_still_something_to_ask() {
        let none = Purpose { lines: 0, ..purpose(Way::Small, 2, Tier::Local) };
        assert!(steps(&none).len() >= 4 && steps(&none).iter().all(|s| !matches!(s.form, Form::Line(_))));
    }
}
