//! What loops and fixers ask: routes a turn, reserves its worst case, sends it, settles, and says all of it in events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Limits, Spent};
use super::catalog::Tier;
use super::client::Client;
use super::discover::{self, Usable};
use super::money::Money;
use super::router::{self, Evidence, Need, Offer};
use super::trouble::{Consequence, Trouble};
use super::{Reply, Secret, Turn, Usage, providers, tokens, wire};
use crate::config::Config;
use crate::mask::Mask;
use crate::trajectory::{Event, Recorder};

/// What may be asked, and with what.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `local`, `free`, `paid`, `off` or `provider/model`, in order of preference.
    pub models: Vec<String>,
    /// Nothing with a price leaves the process.
    pub free_only: bool,
    /// Budget of the run.
    pub cents: u64,
    /// Requests of the run.
    pub requests: u64,
    /// A server that the environment names, and its key.
    pub own: Option<String>,
    /// Its key.
    pub own_key: Option<Secret>,
    /// Keys by provider.
    pub keys: BTreeMap<&'static str, Secret>,
    /// Covers secrets in prompts.
    pub mask: Mask,
}

/// A variable that says free mode, beside the configuration key; any value but an empty one, `0` and `false` means yes.
pub const FREE_VARIABLE: &str = "COST_FREE_ONLY";

/// Words that `models` may have beside `provider/model`.
pub const WORDS: &[&str] = &["local", "free", "paid", "own", "off"];

impl Settings {
    /// The first entry of `models` that means nothing; none when all is well.
    pub fn unknown(&self) -> Option<&str> {
        let known = |entry: &&String| {
            let provider = entry.split_once('/').filter(|(_, id)| !id.is_empty()).map(|(provider, _)| provider);
            WORDS.contains(&entry.as_str())
                || provider.is_some_and(|p| p == providers::OWN || providers::find(p).is_some())
        };
        self.models.iter().find(|e| !known(e)).map(String::as_str)
    }

    /// From the configuration and the environment. Keys and addresses come from the environment alone: a repository's
    /// file could send a key wherever it likes.
    pub fn new(config: &Config, env: &dyn Fn(&str) -> Option<String>, mask: Mask) -> Self {
        let said = |name| env(name).filter(|v| !matches!(v.trim().to_ascii_lowercase().as_str(), "" | "0" | "false"));
        let keys = providers::PROVIDERS.iter().filter_map(|p| Some((p.name, p.key_from(env)?))).collect();
        Self {
            models: config.models.clone(),
            free_only: config.free || said(FREE_VARIABLE).is_some(),
            cents: config.budget_cents,
            requests: config.budget_requests,
            own: env("KAIZEN_MODEL_URL").map(|u| u.trim().to_owned()).filter(|u| !u.is_empty()),
            own_key: env("KAIZEN_MODEL_KEY").and_then(|k| Secret::new(&k)),
            keys,
            mask,
        }
    }
}

/// The models of one run.
#[derive(Debug)]
pub struct Models {
    settings: Settings,
    budget: Budget,
    client: Mutex<Option<Client>>,
    found: OnceCell<Vec<Usable>>,
    /// Slots by base address.
    slots: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// Why a model is left alone for the rest of the run.
    left: Mutex<BTreeMap<String, String>>,
}

/// Who asks, for events.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// A fixer, a seat.
    pub name: &'a str,
    /// Events.
    pub recorder: &'a Recorder,
    /// Stops within 100 ms.
    pub cancel: &'a CancellationToken,
}

/// An answer and who was asked for it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer.
    pub reply: Reply,
    /// `provider/id` as routed.
    pub model: String,
    /// Its tier.
    pub tier: Tier,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Models {
    /// The models that `settings` allow; looks for them when first asked.
    pub fn new(settings: Settings) -> Arc<Self> {
        let limits = Limits { money: Money::cents(settings.cents), requests: settings.requests };
        Arc::new(Self {
            settings,
            budget: Budget::new(limits),
            client: Mutex::new(None),
            found: OnceCell::new(),
            slots: Mutex::default(),
            left: Mutex::default(),
        })
    }

    /// No models at all.
    pub fn none() -> Arc<Self> {
        Self::new(Settings { models: vec!["off".into()], ..Settings::default() })
    }

    /// Made when somebody is there to talk to, and once.
    fn client(&self) -> Result<Client, Trouble> {
        let mut client = locked(&self.client);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(Client::new(self.settings.free_only)?).clone()),
        }
    }

    /// What can be asked now, best known first. Looks only on this machine.
    pub async fn usable(&self) -> &[Usable] {
        self.found.get_or_init(|| discover::discover(&self.settings, || self.client())).await
    }

    /// The router's view: what can be asked, and what is left alone.
    pub async fn offers(&self) -> Vec<Offer> {
        let usable = self.usable().await;
        let left = locked(&self.left);
        let with = |u: &Usable| Offer { left: left.get(&u.offer.name).cloned(), ..u.offer.clone() };
        usable.iter().map(with).collect()
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        self.budget.spent()
    }

    /// Asks `turn` of whoever the router names; of another one when that fails in a way that does not pass.
    ///
    /// # Errors
    /// The last trouble; [`Trouble::NoModel`] with the router's line when nobody may be asked.
    pub async fn ask(&self, turn: &Turn, evidence: Option<&Evidence>, asker: Asker<'_>) -> Result<Answered, Trouble> {
        let turn = self.covered(turn);
        let need = Need {
            role: turn.role,
            prompt_tokens: tokens::of_messages(&turn.messages),
            answer_tokens: u64::from(turn.answer_tokens),
            evidence: evidence.cloned(),
        };
        let mut last = None;
        loop {
            let offers = self.offers().await;
            let decision = router::route(&need, &offers);
            let Some(usable) = decision.chosen.and_then(|i| self.found.get()?.get(i)) else {
                return Err(last.unwrap_or(Trouble::NoModel { why: decision.line }));
            };
            asker.recorder.record(Event::ModelRouted {
                fixer: asker.name.to_owned(),
                role: need.role.name().to_owned(),
                model: usable.offer.name.clone(),
                tier: usable.offer.tier.name().to_owned(),
                prompt_tokens: need.prompt_tokens,
                evidence: evidence.map(Evidence::words),
                line: decision.line,
            });
            match self.ask_one(usable, &turn, &need, asker).await {
                Ok(reply) => {
                    let (model, tier) = (usable.offer.name.clone(), usable.offer.tier);
                    return Ok(Answered { reply, model, tier });
                }
                Err(trouble) => match trouble.consequence() {
                    Consequence::BadAnswer | Consequence::Over => return Err(trouble),
                    // what did not pass in all its tries is left alone as well
                    Consequence::Again | Consequence::LeaveModel => {
                        locked(&self.left).insert(usable.offer.name.clone(), trouble.name().to_owned());
                        last = Some(trouble);
                    }
                },
            }
        }
    }

    /// One model: waits for a slot, reserves, asks, settles.
    async fn ask_one(&self, usable: &Usable, turn: &Turn, need: &Need, asker: Asker<'_>) -> Result<Reply, Trouble> {
        let slots = self.slots_of(usable);
        let _slot = tokio::select! {
            biased;
            () = asker.cancel.cancelled() => return Err(Trouble::Cancelled),
            slot = slots.acquire() => slot.map_err(|_| Trouble::Cancelled)?,
        };
        let began = Instant::now();
        let worst = router::worst_case(usable.offer.price, need.prompt_tokens, need.answer_tokens);
        let reservation = self.budget.reserve(worst)?;
        let client = self.client()?;
        let asked = client.ask(&usable.at, &usable.id, turn, asker.cancel).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let result = asked.result.map(|answer| self.reply(usable, need, answer, asked.sent));
        match &result {
            Ok(reply) => reservation.settle(reply.cost),
            Err(trouble) if is_free_of_charge(trouble) => reservation.settle(Money::ZERO),
            // it may have been answered, and billed
            Err(_) => drop(reservation),
        }
        let reply = result.as_ref().ok();
        asker.recorder.record(Event::ModelAnswered {
            fixer: asker.name.to_owned(),
            model: usable.offer.name.clone(),
            answered_by: reply.map(|r| r.model.clone()),
            outcome: result.as_ref().err().map_or("answered", Trouble::name).to_owned(),
            prompt_tokens: reply.map_or(0, |r| r.usage.prompt),
            answer_tokens: reply.map_or(0, |r| r.usage.answer),
            nano_dollars: reply.map_or(0, |r| r.cost.0),
            requests: asked.sent,
            ms,
        });
        result
    }

    fn reply(&self, usable: &Usable, need: &Need, answer: wire::Answer, requests: u32) -> Reply {
        let estimate = || Usage { prompt: need.prompt_tokens, answer: tokens::count(&answer.content), estimated: true };
        let usage = answer.usage.unwrap_or_else(estimate);
        let cost = router::worst_case(usable.offer.price, usage.prompt, usage.answer);
        let named = answer.model.filter(|m| !m.trim().is_empty()).unwrap_or_else(|| usable.id.clone());
        let model = named.chars().filter(|c| !c.is_control()).take(200).collect();
        Reply { content: answer.content, model, usage, cost, requests }
    }

    fn slots_of(&self, usable: &Usable) -> Arc<Semaphore> {
        let mut slots = locked(&self.slots);
        let new = || Arc::new(Semaphore::new(usable.slots.max(1)));
        Arc::clone(slots.entry(usable.at.base.clone()).or_insert_with(new))
    }

    /// The turn without secrets: what tests printed may hold some.
    fn covered(&self, turn: &Turn) -> Turn {
        let mut turn = turn.clone();
        for message in &mut turn.messages {
            message.content = self.settings.mask.cover(&message.content).into_owned();
        }
        turn
    }

    /// The time that one turn may take: a small model on a busy machine needs minutes, nobody needs more.
    pub fn turn_limit(left: Duration) -> Duration {
        const LONGEST: Duration = Duration::from_secs(180);
        LONGEST.min(left)
    }
}

/// The server said no before any model was asked, or it was never reached.
fn is_free_of_charge(trouble: &Trouble) -> bool {
    matches!(
        trouble,
        Trouble::RateLimited { .. }
            | Trouble::OutOfCredit
            | Trouble::Unauthorised { .. }
            | Trouble::Gone
            | Trouble::BadRequest { .. }
            | Trouble::Redirected
            | Trouble::Unreachable
            | Trouble::NotFree { .. }
    )
}
