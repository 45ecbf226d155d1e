//! The fixers that ask language models: one engine, four strategies, each with its own view of the failure, so that they fail
//! differently.

pub mod answer;
pub mod brief;
pub mod contract;
pub mod edits;
pub mod engine;
pub mod failing;
pub mod history;
pub mod lines;
pub mod minimal;
pub mod pack;
pub mod plan;
pub mod prompt;
pub mod regression;
pub mod retune;
pub mod stepwise;
pub mod tools;
pub mod trial;

use futures::future::BoxFuture;

use crate::error::{Error, Kind, Result};
use crate::fixer::{Case, Desk, Ended, Findings, Fixer};
use crate::model::catalog::Tier;
use engine::Engine;
use pack::{Material, Part, Size};
use plan::Way;

/// One way to look at a failure.
#[derive(Debug)]
pub struct Strategy {
    /// Its name in the registry.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Its view, for the model.
    pub prompt: &'static str,
    /// What it gets to see behind what all see, in order of worth.
    pub more: &'static [Part],
    /// How it goes about it.
    pub way: Way,
    /// It has nothing to say without a change since green.
    pub needs_change: bool,
    /// It takes too many turns for a model with a price.
    pub only_free: bool,
    /// Of the first attempt, in thousandths.
    pub temperature_milli: u16,
    /// Turns.
    pub attempts: u32,
}

impl Strategy {
    /// What all strategies show first, then its own; `wide`: then everything there is.
    fn parts(&self, size: Size, wide: bool) -> impl Iterator<Item = Part> + use<> {
        let units = match size {
            _ if wide => Part::Units(4),
            Size::Small => Part::Units(2),
            Size::Large => Part::Units(3),
        };
        const ALL: [Part; 4] = [Part::Signatures, Part::Change, Part::Callers, Part::Rules];
        let more = self.more;
        let rest = ALL.into_iter().filter(move |part| wide && !more.contains(part));
        [units, Part::Failing, Part::Tests].into_iter().chain(more.iter().copied()).chain(rest)
    }
}

/// A strategy as a fixer.
#[derive(Debug, Clone, Copy)]
pub struct ModelFixer(pub &'static Strategy);

impl Fixer for ModelFixer {
    fn name(&self) -> &'static str {
        self.0.name
    }
    fn about(&self) -> &'static str {
        self.0.about
    }
    fn asks_models(&self) -> bool {
        true
    }
    fn is_tunable(&self) -> bool {
        true
    }
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            match search(self.0, case, desk).await {
                Err(error) if error.kind() == Kind::Interrupted => Ok(Findings::ended(Ended::Cancelled)),
                other => other,
            }
        })
    }
}

fn nothing(why: &str) -> Findings {
    Findings::ended(Ended::NothingToDo { why: why.to_owned() })
}

async fn search(strategy: &'static Strategy, case: &Case, desk: &Desk) -> Result<Findings> {
    let offers = tokio::select! {
        offers = case.models.offers() => offers,
        () = desk.cancel.cancelled() => return Err(Error::interrupted()),
    };
    if offers.is_empty() {
        return Ok(nothing("no model configured"));
    }
    let tuning = case.models.tuning(strategy.name).await;
    let Some((tuning, offers)) = case.retuned.left(tuning, offers) else {
        return Ok(nothing("no other model can be asked"));
    };
    let named = |name: &String| tuning.models.is_empty() || tuning.models.contains(name);
    if strategy.only_free && !offers.iter().any(|o| o.tier != Tier::Paid && named(&o.name)) {
        return Ok(nothing("it takes too many turns for models with a price"));
    }
    let mut material = Material::read(case)?;
    if material.files.is_empty() {
        return Ok(nothing("no suspect is a file that may be edited"));
    }
    if strategy.needs_change && material.change.trim().is_empty() {
        return Ok(nothing("nothing is known of a change since green"));
    }
    let places = case.trials.places(case, desk, &material.files).await?;
    material.sort_by(&places);
    let spots = material.spots(&places);
    Engine::new(strategy, case, desk, tuning, material, spots).search(&offers).await
}
