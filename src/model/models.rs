//! What loops and fixers ask: a turn is routed, looked up in the cache, and asked where it is not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Limits, Spent};
use super::catalog::Tier;
use super::client::Client;
use super::discover::{self, Usable};
use super::money::Money;
use super::profiles::{self, Job};
use super::quota::{Minute, Today};
use super::router::{self, Evidence, Need, Offer};
use super::send::OnItsWay;
use super::settings::Settings;
use super::slots::Slots;
use super::trouble::{Consequence, Trouble};
use super::{Reply, Role, Secret, Turn, backoff, catalog, embedder, keep, tokens, wire};
use crate::cache::{Cache, Source};
use crate::config::{Agent, Tuning};
use crate::mask::without_hidden;
use crate::trajectory::{Event, Recorder};

/// With less time than this left of a turn nobody else is asked: it would be late, and be left alone for it.
const LEAST_TIME: Duration = Duration::from_millis(500);

/// A call under way that is equal is waited for so much longer than the turn has: it may end with the turn's own deadline.
const GRACE: Duration = Duration::from_millis(250);

/// A model that refuses so many questions in a row is left alone for the run.
const MOST_REFUSALS: u32 = 3;

/// The models of one run.
#[derive(Debug)]
pub struct Models {
    pub(super) settings: Settings,
    pub(super) budget: Budget,
    client: Mutex<Option<Client>>,
    cache: OnceCell<Cache>,
    found: OnceCell<Vec<Usable>>,
    /// Slots by base address.
    pub(super) slots: Mutex<BTreeMap<String, Arc<Slots>>>,
    /// What counts for accounts, in whichever repository.
    accounts: OnceCell<Cache>,
    /// What the account at OpenRouter may ask of free models today.
    pub(super) quota: tokio::sync::Mutex<Option<Today>>,
    pub(super) minute: Mutex<Minute>,
    /// Requests for free models by day, where no store counts them.
    pub(super) used: Mutex<BTreeMap<String, u64>>,
    /// Models that are left alone.
    left: Mutex<BTreeMap<String, Left>>,
    /// Models that refused a schema and answered without one.
    pub(super) plain: Mutex<BTreeSet<String>>,
    /// Models that refused tools and answered without them.
    pub(super) toolless: Mutex<BTreeSet<String>>,
    /// Models that refused to be told how much to think, and answered without it.
    pub(super) effortless: Mutex<BTreeSet<String>>,
    /// How often in a row a model refused the question itself.
    refusals: Mutex<BTreeMap<String, u32>>,
    /// Whom anybody asked for an edit in this run, from the cache or not.
    asked_to_fix: Mutex<BTreeSet<String>>,
}

/// Why a model is left alone, and for how long.
#[derive(Debug, Clone)]
struct Left {
    why: &'static str,
    /// None: for the rest of the run.
    until: Option<Instant>,
    /// How often it was left for a while since it last answered.
    pauses: u32,
}

impl Left {
    /// After `trouble` at `now`: for a while where that may pass, else for the rest of the run. Turns that fail while it is
    /// left already are one pause together.
    fn after(before: Option<&Self>, trouble: &Trouble, now: Instant) -> Self {
        if let Some(for_the_run) = before.filter(|l| l.until.is_none()) {
            return for_the_run.clone();
        }
        let running = before.and_then(|l| l.until).filter(|until| *until > now);
        let pauses = before.map_or(0, |l| l.pauses) + u32::from(running.is_none());
        let until = backoff::pause(trouble, pauses.saturating_sub(1)).and_then(|pause| now.checked_add(pause));
        let until = match (running, until) {
            // what the server says may be longer; what we guess is not
            (Some(running), Some(until)) => Some(trouble.after().map_or(running, |_| until.max(running))),
            _ => until,
        };
        Self { why: trouble.name(), until, pauses }
    }
}

/// What a turn wants of the router, beside what its role says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// What was seen so far: without it nothing with a price is asked.
    pub evidence: Option<Evidence>,
    /// Only these models (`provider/model`); empty: whoever is adequate.
    pub models: Vec<String>,
    /// None of these families: a critic is of another one than whom it criticises.
    pub not_families: Vec<String>,
}

impl Wish {
    /// Nothing but this evidence.
    pub fn of(evidence: Option<&Evidence>) -> Self {
        Self { evidence: evidence.cloned(), ..Self::default() }
    }
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
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer; from the cache it costs nothing and took no request.
    pub reply: Reply,
    /// `provider/id` as routed.
    pub model: String,
    /// The family of the model that really answered.
    pub family: String,
    /// Its tier.
    pub tier: Tier,
    /// Where it came from.
    pub source: Source,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Models {
    /// The models that `settings` allow; looks for them when first asked.
    pub fn new(settings: Settings) -> Arc<Self> {
        let (money, models) = (Money::cents(settings.cents), settings.model_limits.clone());
        let limits = Limits { money, requests: settings.requests, models };
        Arc::new(Self {
            settings,
            budget: Budget::new(limits),
            client: Mutex::new(None),
            cache: OnceCell::new(),
            found: OnceCell::new(),
            slots: Mutex::default(),
            accounts: OnceCell::new(),
            quota: tokio::sync::Mutex::default(),
            minute: Mutex::default(),
            used: Mutex::default(),
            left: Mutex::default(),
            plain: Mutex::default(),
            toolless: Mutex::default(),
            effortless: Mutex::default(),
            refusals: Mutex::default(),
            asked_to_fix: Mutex::default(),
        })
    }

    /// No models at all.
    pub fn none() -> Arc<Self> {
        Self::new(Settings { models: vec!["off".into()], ..Settings::default() })
    }

    /// Made when somebody is there to talk to, and once.
    pub(super) fn client(&self) -> Result<Client, Trouble> {
        let mut client = locked(&self.client);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(Client::new(self.settings.free_only)?).clone()),
        }
    }

    /// Opened with the first turn. One that can't be opened is said in the log and fails nothing.
    pub(super) async fn cache(&self) -> &Cache {
        let open = || async {
            let Some(place) = self.settings.cache.clone() else { return Cache::off() };
            let embedder = embedder::of(&self.settings, || self.client());
            let open = move || Cache::open_with(&place.state_dir, place.url.as_ref().map(Secret::reveal), embedder);
            let (cache, trouble) = tokio::task::spawn_blocking(open).await.unwrap_or_else(|_| (Cache::off(), None));
            if let Some(trouble) = trouble {
                tracing::warn!("answers of models are not kept: {trouble}");
            }
            cache
        };
        self.cache.get_or_init(open).await
    }

    /// Where it is counted what an account may ask on a day: a team's server for all who share it, else the user's own state for
    /// all of their repositories, else where answers are kept.
    pub(super) async fn accounts(&self) -> &Cache {
        let is_shared = self.settings.cache.as_ref().is_some_and(|place| place.url.is_some());
        let Some(dir) = self.settings.user_state.clone().filter(|_| !is_shared) else { return self.cache().await };
        let open = || async move {
            let open = move || Cache::open(&dir, None);
            tokio::task::spawn_blocking(open).await.unwrap_or_else(|_| (Cache::off(), None)).0
        };
        let accounts = self.accounts.get_or_init(open).await;
        // a home that can't be written to is no reason to count nothing
        if accounts.is_on() { accounts } else { self.cache().await }
    }

    /// What can be asked now, best known first. Looks only on this machine.
    pub async fn usable(&self) -> &[Usable] {
        self.found.get_or_init(|| discover::discover(&self.settings, || self.client())).await
    }

    /// The router's view: what can be asked, and what is left alone.
    pub async fn offers(&self) -> Vec<Offer> {
        let usable = self.usable().await;
        let (now, left) = (Instant::now(), locked(&self.left));
        let with = |u: &Usable| {
            let left = left.get(&u.offer.name).filter(|l| l.until.is_none_or(|until| until > now));
            let back = left.and_then(|l| l.until).map(|until| until - now);
            Offer { left: left.map(|l| l.why.to_owned()), back, ..u.offer.clone() }
        };
        usable.iter().map(with).collect()
    }

    /// When nobody can be asked for `need` now, but somebody is left alone for a while only: how long still.
    pub async fn back(&self, need: &Need) -> Option<Duration> {
        router::back(need, &self.offers().await)
    }

    /// Leaves a model alone after `trouble`: for a while where that may pass, else for the rest of the run.
    fn leave(&self, name: &str, trouble: &Trouble) {
        let mut left = locked(&self.left);
        let after = Left::after(left.get(name), trouble, Instant::now());
        left.insert(name.to_owned(), after);
    }

    /// Leaves alone whom `trouble` of `asked` says something about: it, or all that are asked with the same key.
    fn leave_with(&self, asked: &Usable, trouble: &Trouble) {
        let found = self.found.get().map(Vec::as_slice).unwrap_or_default();
        for other in found.iter().filter(|other| falls_with(trouble, asked, other)) {
            self.leave(&other.offer.name, trouble);
        }
    }

    /// The third question in a row that a model refuses is no longer the question's fault. Says whether this one was.
    fn refuses_everything(&self, name: &str, trouble: &Trouble) -> bool {
        if !matches!(trouble, Trouble::BadRequest { .. }) {
            return false;
        }
        let mut refusals = locked(&self.refusals);
        let refused = refusals.entry(name.to_owned()).or_default();
        *refused += 1;
        *refused >= MOST_REFUSALS
    }

    /// It answered: whatever it was left alone for is over. What is left for the run stays so.
    fn came_back(&self, name: &str) {
        locked(&self.refusals).remove(name);
        let mut left = locked(&self.left);
        if left.get(name).is_some_and(|l| l.until.is_some()) {
            left.remove(name);
        }
    }

    /// Who does `job`, as [`Wish::models`] takes it.
    pub async fn named(&self, job: Job) -> Vec<String> {
        let configured = self.settings.roles.get(job.name()).map(Vec::as_slice).unwrap_or_default();
        let models = profiles::lets_in(&self.settings.models, self.settings.free_only);
        profiles::named(job, configured, &models, &self.offers().await)
    }

    /// How the configuration tunes the strategy of this name, its models as [`Wish::models`] takes them.
    pub async fn tuning(&self, strategy: &str) -> Tuning {
        let mut tuning = self.settings.strategies.get(strategy).cloned().unwrap_or_default();
        if tuning.models.is_empty() {
            tuning.models = self.named(Job::Fix).await;
        } else {
            let names = profiles::expand(&tuning.models, &self.offers().await);
            tuning.models = if names.is_empty() { tuning.models } else { names };
        }
        tuning
    }

    /// The coding agents that the configuration lets race, and whether they may: none does in free mode.
    pub fn agents(&self) -> (&[Agent], bool) {
        (&self.settings.agents, !self.settings.free_only)
    }

    /// May models that can call tools do so?
    pub fn tools(&self) -> bool {
        self.settings.tools
    }

    /// The models that anybody asked for an edit in this run.
    pub fn asked_to_fix(&self) -> BTreeSet<String> {
        locked(&self.asked_to_fix).clone()
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        self.budget.spent()
    }

    /// A turn from beginning to end: whoever the router names answers it, from the cache where the answer is kept, else for
    /// a reservation in the budget; another one does when that fails in a way that does not pass. Dropping the future is
    /// the same as cancelling.
    ///
    /// # Errors
    /// The last trouble; [`Trouble::NoModel`] with the router's line when nobody may be asked.
    pub async fn ask(&self, turn: &Turn, wish: &Wish, asker: Asker<'_>) -> Result<Answered, Trouble> {
        tokio::select! {
            biased;
            () = asker.cancel.cancelled() => Err(Trouble::Cancelled),
            answered = self.ask_somebody(turn, wish, asker) => answered,
        }
    }

    async fn ask_somebody(&self, turn: &Turn, wish: &Wish, asker: Asker<'_>) -> Result<Answered, Trouble> {
        let mut turn = self.covered(turn);
        let last_moment = Instant::now() + turn.deadline;
        let need = Need {
            role: turn.role,
            prompt_tokens: tokens::of_turn(&turn),
            prompt_most: wire::most_tokens(&turn),
            answer_tokens: u64::from(turn.answer_tokens),
            evidence: wish.evidence.clone(),
            models: wish.models.clone(),
            not_families: wish.not_families.clone(),
        };
        let mut last = None;
        // another family than its own answered for it: not asked again in this turn
        let mut strange: Vec<String> = Vec::new();
        loop {
            // whatever was waited for or failed before is part of the same turn
            turn.deadline = last_moment.saturating_duration_since(Instant::now());
            let mut offers = self.offers().await;
            for offer in offers.iter_mut().filter(|o| strange.contains(&o.name)) {
                (offer.left, offer.back) = (Some("another model answers for it".into()), None);
            }
            let decision = router::route(&need, &offers);
            let Some(usable) = decision.chosen.and_then(|i| self.found.get()?.get(i)) else {
                let back = router::back(&need, &offers).filter(|back| Instant::now() + *back < last_moment);
                let Some(back) = back else { return Err(last.unwrap_or(Trouble::NoModel { why: decision.line })) };
                tokio::time::sleep(back).await;
                continue;
            };
            asker.recorder.record(Event::ModelRouted {
                fixer: asker.name.to_owned(),
                role: need.role.name().to_owned(),
                model: usable.offer.name.clone(),
                tier: usable.offer.tier.name().to_owned(),
                prompt_tokens: need.prompt_tokens,
                evidence: wish.evidence.as_ref().map(Evidence::words),
                line: decision.line,
            });
            if turn.role == Role::Fix {
                locked(&self.asked_to_fix).insert(usable.offer.name.clone());
            }
            match self.answer(usable, &turn, &need, asker).await {
                Ok(answered) if wish.not_families.contains(&answered.family) => {
                    strange.push(answered.model);
                    last = Some(Trouble::OtherModel { answered: answered.reply.model });
                }
                Ok(answered) => {
                    if answered.source == Source::Asked {
                        self.came_back(&answered.model);
                    }
                    return Ok(answered);
                }
                Err(trouble) => match trouble.consequence() {
                    Consequence::Over => return Err(trouble),
                    Consequence::BadAnswer if !self.refuses_everything(&usable.offer.name, &trouble) => {
                        return Err(trouble);
                    }
                    // what did not pass in all its tries is left alone as well
                    Consequence::BadAnswer | Consequence::Again | Consequence::LeaveModel => {
                        self.leave_with(usable, &trouble);
                        if Instant::now() + LEAST_TIME > last_moment {
                            return Err(trouble);
                        }
                        last = Some(trouble);
                    }
                },
            }
        }
    }

    /// The answer of `usable`: kept, of an equal call in flight, or asked now.
    async fn answer(&self, usable: &Usable, turn: &Turn, need: &Need, asker: Asker<'_>) -> Result<Answered, Trouble> {
        let fresh: Mutex<Option<Result<Reply, Trouble>>> = Mutex::new(None);
        let asking = AtomicBool::new(false);
        let ask = || async {
            asking.store(true, Ordering::Relaxed);
            let result = self.send(usable, turn, need, asker).await;
            let kept = result.as_ref().map(|reply| keep::answer(reply, usable.offer.tier)).map_err(keep::error);
            *locked(&fresh) = Some(result);
            kept
        };
        if self.settings.cache_off {
            let reply = self.send(usable, turn, need, asker).await?;
            return Ok(answered(usable, reply, Source::Asked));
        }
        let began = std::time::Instant::now();
        let key = keep::key(usable, turn);
        let mut answering = std::pin::pin!(self.cache().await.answer(&key, ask));
        let served = tokio::select! {
            biased;
            served = &mut answering => served,
            // an equal call has more time than this one; what we asked ourselves keeps its deadline
            () = tokio::time::sleep(turn.deadline.saturating_add(GRACE)) => match asking.load(Ordering::Relaxed) {
                true => answering.await,
                false => return Err(Trouble::NoSlot),
            },
        };
        let fresh = locked(&fresh).take();
        let (reply, source) = match (fresh, served) {
            (Some(result), _) => (result?, Source::Asked),
            (None, Err(error)) => return Err(keep::trouble(&error)),
            (None, Ok(served)) => match keep::reply(&served.text) {
                Some(reply) => {
                    let result = Ok(reply);
                    let on_its_way = OnItsWay::since(asker, &usable.offer.name, began);
                    on_its_way
                        .ended(&result, keep::source(&served.source).map(|source| (source, keep::saved(&served))));
                    (result?, served.source)
                }
                // somebody else wrote into the store
                None => (self.send(usable, turn, need, asker).await?, Source::Asked),
            },
        };
        let same = reply.model == usable.id;
        let family = if same { usable.family.clone() } else { catalog::family(usable.at.provider.name, &reply.model) };
        Ok(Answered { reply, model: usable.offer.name.clone(), family, tier: usable.offer.tier, source })
    }

    /// A prompt without secrets (what tests printed may hold some), and without what a model reads and nobody sees, for whoever
    /// gets one past a turn: a coding agent. Hidden characters first: one of them may split a secret.
    pub fn cover(&self, text: &str) -> String {
        self.settings.mask.cover(&without_hidden(text)).into_owned()
    }

    /// The turn without those.
    fn covered(&self, turn: &Turn) -> Turn {
        let cover = |text: &str| self.cover(text);
        let mut turn = turn.clone();
        for message in &mut turn.messages {
            message.content = cover(&message.content);
        }
        turn.question = turn.question.as_deref().map(cover);
        turn
    }
}

/// Does `trouble` of `asked` say something about `other`? A key that is refused is so for every model; an account without credit
/// has none for any, but what is given away needs none.
fn falls_with(trouble: &Trouble, asked: &Usable, other: &Usable) -> bool {
    if asked.offer.name == other.offer.name {
        return true;
    }
    let same_account = asked.at.base == other.at.base && asked.at.provider.name == other.at.provider.name;
    let is_for_all = match trouble {
        Trouble::Unauthorised { status: 401, .. } => true,
        Trouble::OutOfCredit => asked.offer.tier != Tier::Free && other.offer.tier != Tier::Free,
        _ => false,
    };
    same_account && is_for_all
}

fn answered(usable: &Usable, reply: Reply, source: Source) -> Answered {
    let same = reply.model == usable.id;
    let family = if same { usable.family.clone() } else { catalog::family(usable.at.provider.name, &reply.model) };
    Answered { reply, model: usable.offer.name.clone(), family, tier: usable.offer.tier, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_and_an_empty_account_are_so_for_all_that_are_asked_with_it_but_for_what_is_given_away() {
        let paid = Usable::sample("openrouter/a", Tier::Paid, "https://o");
        let other = Usable::sample("openrouter/b", Tier::Paid, "https://o");
        let given = Usable::sample("openrouter/c:free", Tier::Free, "https://o");
        let elsewhere = Usable::sample("groq/b", Tier::Paid, "https://g");
        let refused = |status| Trouble::Unauthorised { status, what: String::new() };
        for (trouble, asked, about, falls) in [
            (refused(401), &paid, &other, true),
            (refused(401), &given, &paid, true),
            (refused(401), &paid, &elsewhere, false),
            (refused(403), &paid, &other, false),
            (refused(403), &paid, &paid, true),
            (Trouble::OutOfCredit, &paid, &other, true),
            (Trouble::OutOfCredit, &paid, &given, false),
            (Trouble::OutOfCredit, &given, &paid, false),
            (Trouble::OutOfCredit, &given, &given, true),
            (Trouble::Gone, &paid, &other, false),
        ] {
            assert_eq!(
                falls_with(&trouble, asked, about),
                falls,
                "{trouble}: {} {}",
                asked.offer.name,
                about.offer.name
            );
        }
    }

    #[test]
    fn turns_that_fail_together_are_one_pause_and_the_longest_one_counts() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let limited = |after: Option<u64>| Trouble::RateLimited { after: after.map(Duration::from_secs) };
        let mut left = Left::after(None, &limited(None), now);
        assert_eq!((left.until, left.pauses), (Some(now + second * 5), 1));
        for (trouble, until) in
            [(limited(None), 5), (limited(Some(3)), 5), (limited(Some(60)), 61), (Trouble::Reset, 61)]
        {
            left = Left::after(Some(&left), &trouble, now + second);
            assert_eq!((left.until, left.pauses), (Some(now + second * until), 1), "{trouble}");
        }
        let later = now + second * 70;
        left = Left::after(Some(&left), &limited(None), later);
        assert_eq!((left.until, left.pauses), (Some(later + second * 10), 2));
        left = Left::after(Some(&left), &Trouble::Gone, later);
        assert_eq!((left.until, left.why), (None, "gone"), "what does not pass is left for the run");
        left = Left::after(Some(&left), &limited(None), later);
        assert_eq!((left.until, left.why), (None, "gone"), "whatever turns say that were on their way");
    }
}
