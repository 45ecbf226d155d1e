//! Who says what is stuck, and when somebody dearer is asked: rules, then a free model, then a paid one, each at most once
//! for the same stall, and only when the change that was suggested before was tried and did not help.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::supervise::diagnosis::{Change, Diagnosis, diagnose};
use crate::supervise::stall::{self, Rule};
use crate::supervise::step::Step;
use crate::supervise::{look, opinion};
use crate::trajectory::{Loop, LoopEvent};

/// Who diagnoses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Rules alone.
    Rules,
    /// A model that costs nothing.
    Free,
    /// A model with a price.
    Paid,
}

impl Tier {
    /// In their order.
    pub const ALL: [Tier; 3] = [Tier::Rules, Tier::Free, Tier::Paid];

    /// As it stands in events.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Rules => "rules",
            Tier::Free => "free",
            Tier::Paid => "paid",
        }
    }
}

/// Asks a model of a tier. Whoever implements it gets words and gives words back: no tool goes along.
pub trait Asks: Send + Sync {
    /// The reply to `prompt`, or why there is none.
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> BoxFuture<'a, Result<String, String>>;
}

/// What a loop gives to be looked at, and whom may be asked about it.
pub struct Oversight<'o> {
    /// The steps so far.
    pub steps: &'o (dyn Fn() -> Vec<Step> + Send + Sync),
    /// Models for a diagnosis; none: rules alone.
    pub asks: Option<&'o dyn Asks>,
}

/// What somebody says of a stall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Advice {
    /// Of the stall.
    pub fingerprint: String,
    /// Who says it.
    pub tier: Tier,
    /// What is stuck, and the change to try.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

impl Advice {
    fn names(&self) -> (String, String) {
        let name = |value: serde_json::Result<serde_json::Value>| {
            value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        };
        (name(serde_json::to_value(self.diagnosis.cause)), name(serde_json::to_value(self.diagnosis.change)))
    }

    /// The event that says so.
    pub fn diagnosed(&self, of: Loop) -> LoopEvent {
        let (cause, change) = self.names();
        LoopEvent::Diagnosed {
            of,
            fingerprint: self.fingerprint.clone(),
            tier: self.tier.name().into(),
            cause,
            change,
            evidence: self.diagnosis.evidence.clone(),
            confidence: self.diagnosis.confidence,
        }
    }

    /// The event that the loop made the change, or left it.
    pub fn tried(&self, applied: bool) -> LoopEvent {
        let (fingerprint, tier) = (self.fingerprint.clone(), self.tier.name().into());
        LoopEvent::Tried { fingerprint, tier, change: self.names().1, applied }
    }

    /// The event that the loop met its own verifier after the change.
    pub fn resolved(&self) -> LoopEvent {
        let (fingerprint, tier) = (self.fingerprint.clone(), self.tier.name().into());
        LoopEvent::Resolved { fingerprint, tier, cause: self.names().0 }
    }
}

/// What was said of each stall, and what came of it.
#[derive(Debug, Clone, Default)]
pub struct Book(BTreeMap<String, Vec<(Tier, Option<Change>)>>);

impl Book {
    /// Who is next for this stall: nobody is asked twice, and nobody dearer before the last suggestion was tried.
    pub fn next(&self, fingerprint: &str) -> Option<Tier> {
        let Some(said) = self.0.get(fingerprint) else { return Some(Tier::Rules) };
        let last = said.last().map(|(tier, _)| *tier)?;
        Tier::ALL.into_iter().find(|tier| *tier > last)
    }

    /// `tier` was asked. `tried`: its change was applied; none: it had none, or could not be asked.
    pub fn note(&mut self, fingerprint: &str, tier: Tier, tried: Option<Change>) {
        self.0.entry(fingerprint.to_owned()).or_default().push((tier, tried));
    }

    /// A change that was tried before, by anybody.
    pub fn was_tried(&self, fingerprint: &str, change: Change) -> bool {
        self.0.get(fingerprint).is_some_and(|said| said.iter().any(|(_, tried)| *tried == Some(change)))
    }

    /// The paid tier needs proof that a suggestion was tried and did not help.
    pub fn may_pay(&self, fingerprint: &str) -> bool {
        self.0
            .get(fingerprint)
            .is_some_and(|said| said.iter().any(|(tier, tried)| *tier == Tier::Free && tried.is_some()))
    }
}

/// What came of asking about a stall.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The change to try now; none: nobody has one that can be made.
    pub advice: Option<Advice>,
    /// What was said before it and can't be made here, or was tried before.
    pub left: Vec<Advice>,
}

impl Said {
    /// The same when the loop can't make the change any more: nothing is tried.
    pub fn left_alone(mut self) -> Self {
        self.left.extend(self.advice.take());
        self
    }

    /// The events that tell of it in the loop `of`: what was left, then what is tried now.
    pub fn events(&self, of: Loop) -> Vec<LoopEvent> {
        let left = self.left.iter().map(|advice| (advice, false));
        let now = self.advice.iter().map(|advice| (advice, true));
        left.chain(now).flat_map(|(advice, applied)| [advice.diagnosed(of), advice.tried(applied)]).collect()
    }
}

/// The events that the loop met its own verifier, after the changes `made` in their order: of several for one stall the
/// last one helped.
pub fn resolved(made: &[Advice]) -> Vec<LoopEvent> {
    let is_last = |at: usize| made[at + 1..].iter().all(|later| later.fingerprint != made[at].fingerprint);
    (0..made.len()).filter(|at| is_last(*at)).map(|at| made[at].resolved()).collect()
}

/// Looks at `steps` and asks whoever is next about the first stall. What the loop itself has `seen` counts when the rules
/// here see none; with neither nobody is asked. `can` says which changes the loop is able to make: what it can't is noted,
/// and the next is asked.
pub async fn advise(
    steps: &[Step],
    seen: Option<Rule>,
    book: &mut Book,
    asks: Option<&dyn Asks>,
    can: &(dyn Fn(Change) -> bool + Sync),
) -> Said {
    let mut said = Said::default();
    let mut stalls = look(steps).stalls;
    if stalls.is_empty() {
        stalls.extend(seen.and_then(|rule| stall::seen(rule, steps)));
    }
    let by_rules = diagnose(steps, &stalls);
    let Some(print) = stalls.into_iter().next().map(|stall| stall.fingerprint) else { return said };
    while let Some(tier) = book.next(&print) {
        let diagnosis = match tier {
            Tier::Rules => Some(by_rules.clone()),
            Tier::Paid if !book.may_pay(&print) => return said,
            Tier::Free | Tier::Paid => {
                let prompt = opinion::prompt(steps, &by_rules);
                let reply = match asks {
                    Some(asks) => asks.ask(tier, &prompt).await.ok(),
                    None => None,
                };
                reply.and_then(|reply| opinion::read(&reply, steps).ok())
            }
        };
        let Some(diagnosis) = diagnosis else {
            book.note(&print, tier, None);
            continue;
        };
        let usable = can(diagnosis.change) && !book.was_tried(&print, diagnosis.change);
        book.note(&print, tier, usable.then_some(diagnosis.change));
        let advice = Advice { fingerprint: print.clone(), tier, diagnosis };
        if usable {
            said.advice = Some(advice);
            return said;
        }
        said.left.push(advice);
    }
    said
}
