//! One model is asked one turn: a slot, for each request the reservation of the worst case and the settlement, the event.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::budget::Reservation;
use super::catalog::Tier;
use super::client::{End, Toll, Whom};
use super::discover::Usable;
use super::models::{Asker, Models, locked};
use super::money::Money;
use super::quota::{self, Minute, Quota, Today};
use super::router::{self, Need};
use super::slots::{Cap, Seen, Slots};
use super::trouble::Trouble;
use super::wire::Manner;
use super::{Reply, Secret, Turn, Usage, tokens, wire};
use crate::cache::DayAsk;
use crate::trajectory::Event;

/// The key endpoint is one small document; without it the smaller quota counts.
const QUOTA_LOOK: Duration = Duration::from_secs(5);

/// What a turn took so far; requests on their way with their worst case.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    requests: u32,
    cost: Money,
}

/// A turn on its way: when anything was sent for it, there is an event. Dropped on its way, it was cancelled.
pub(super) struct OnItsWay<'a> {
    asker: Asker<'a>,
    model: &'a str,
    began: Instant,
    said: bool,
    taken: Arc<Mutex<Taken>>,
}

impl<'a> OnItsWay<'a> {
    pub(super) fn since(asker: Asker<'a>, model: &'a str, began: Instant) -> Self {
        Self { asker, model, began, said: false, taken: Arc::default() }
    }

    /// It ended with `result`; `cached` where it was served without asking: from where, and what that saved.
    pub(super) fn ended(mut self, result: &Result<Reply, Trouble>, cached: Option<(&str, Money)>) {
        self.record(result.as_ref(), cached);
    }

    fn record(&mut self, result: Result<&Reply, &Trouble>, cached: Option<(&str, Money)>) {
        self.said = true;
        let taken = *locked(&self.taken);
        if taken.requests == 0 && cached.is_none() {
            return;
        }
        let reply = result.ok();
        let spent = reply.filter(|_| cached.is_none());
        self.asker.recorder.record(Event::ModelAnswered {
            fixer: self.asker.name.to_owned(),
            model: self.model.to_owned(),
            answered_by: reply.map(|r| r.model.clone()),
            outcome: result.err().map_or("answered", Trouble::name).to_owned(),
            prompt_tokens: spent.map_or(0, |r| r.usage.prompt),
            answer_tokens: spent.map_or(0, |r| r.usage.answer),
            nano_dollars: taken.cost.0,
            requests: taken.requests,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            cached: cached.map(|(source, _)| source.to_owned()),
            saved_nano_dollars: cached.map(|(_, saved)| saved.0),
            answer_hash: reply.map(|r| hash(&r.content)).unwrap_or_default(),
        });
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if !self.said {
            self.record(Err(&Trouble::Cancelled), None);
        }
    }
}

/// Of an answer's words, without the white space that models vary.
fn hash(content: &str) -> String {
    let words: Vec<&str> = content.split_whitespace().collect();
    hex::encode(&Sha256::digest(words.join(" "))[..8])
}

/// What one request holds while it is on its way.
pub(super) struct Ticket {
    reservation: Reservation,
    /// The day whose budget it was taken out of, where there is one.
    day: Option<String>,
}

/// Reserves the worst case for every request of one turn, and settles each for itself: what was asked again may have been
/// billed the first time.
struct Till<'a> {
    models: &'a Models,
    usable: &'a Usable,
    slots: &'a Slots,
    worst: Money,
    taken: Arc<Mutex<Taken>>,
}

impl Toll for Till<'_> {
    type Ticket = Ticket;

    /// What waits comes first and holds nothing that is not given back when it is dropped; what the store counts comes last.
    async fn ticket(&self, left: Duration) -> Result<Ticket, Trouble> {
        let Self { models, usable, .. } = self;
        self.slots.wait_out(usable.offer.tier, left).await?;
        let mut reservation = models.budget.reserve(&usable.offer.name, self.worst)?;
        let place = models.place_in_minute(usable, left).await?;
        let day = models.reserve_day(self.worst).await?;
        if let Err(spent) = models.place_in_day(usable).await {
            models.settle_day(day, self.worst.over(Money::ZERO), 1).await;
            return Err(spent);
        }
        if let Some(place) = place {
            place.keep();
        }
        reservation.sent();
        let mut taken = locked(&self.taken);
        *taken = Taken { requests: taken.requests + 1, cost: taken.cost.plus(self.worst) };
        Ok(Ticket { reservation, day })
    }

    async fn settle(&self, ticket: Ticket, end: End<'_>) {
        let cost = match &end {
            End::Answered(answer) => cost(self.usable, answer, self.worst),
            End::Refused(_) => Money::ZERO,
            // it may have been answered, and billed
            End::Unknown(_) => self.worst,
        };
        ticket.reservation.settle(cost);
        {
            let mut taken = locked(&self.taken);
            taken.cost = taken.cost.minus(self.worst).plus(cost);
        }
        if let End::Refused(trouble) | End::Unknown(trouble) = end
            && let Some(after) = trouble.after()
        {
            self.slots.hold(self.usable.offer.tier, after);
        }
        self.models.settle_day(ticket.day, self.worst.over(cost), 0).await;
    }
}

/// What an answer cost, as far as anybody knows: what the server counted at our price, or what it says that it bills, should
/// that be more. What nobody counted (a stream that was cut) may have gone on: its worst case.
fn cost(usable: &Usable, answer: &wire::Answer, worst: Money) -> Money {
    let price = usable.offer.price;
    let counted = answer.usage.map(|usage| router::worst_case(price, usage.prompt, usage.answer));
    let priced = counted.unwrap_or(if price.is_some() { worst } else { Money::ZERO });
    answer.cost.map_or(priced, |billed| billed.max(priced))
}

/// A place in the minute of an account, given back unless it is kept.
struct Place<'a> {
    minute: &'a Mutex<Minute>,
    at: Option<Instant>,
}

impl Place<'_> {
    fn keep(mut self) {
        self.at = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            locked(self.minute).give_back(at);
        }
    }
}

impl Models {
    /// Asks `usable`: waits for a slot, then asks with a reservation for each request.
    pub(super) async fn send(
        &self,
        usable: &Usable,
        turn: &Turn,
        need: &Need,
        asker: Asker<'_>,
    ) -> Result<Reply, Trouble> {
        let (client, slots) = (self.client()?, self.slots_of(usable));
        let began = Instant::now();
        // others may have all of them: waiting is part of the turn
        let Ok(slot) = tokio::time::timeout(turn.deadline, slots.enter(asker.name)).await else {
            return Err(Trouble::NoSlot);
        };
        let turn = &Turn { deadline: turn.deadline.saturating_sub(began.elapsed()), ..turn.clone() };
        let on_its_way = OnItsWay::since(asker, &usable.offer.name, Instant::now());
        let taken = Arc::clone(&on_its_way.taken);
        let till = Till { models: self, usable, slots: &slots, worst: usable.offer.worst_case(need), taken };
        let plain = locked(&self.plain).contains(&usable.offer.name);
        let toolless = locked(&self.toolless).contains(&usable.offer.name);
        let effortless = locked(&self.effortless).contains(&usable.offer.name);
        let thinking = u32::try_from(usable.offer.thinking).unwrap_or(u32::MAX);
        let manner = Manner { thinking, effortless, plain, toolless };
        let whom = Whom { at: &usable.at, model: &usable.id, manner };
        let asked = client.ask(whom, turn, asker.cancel, &till).await;
        if asked.plain {
            locked(&self.plain).insert(usable.offer.name.clone());
        }
        if asked.toolless {
            locked(&self.toolless).insert(usable.offer.name.clone());
        }
        if asked.effortless {
            locked(&self.effortless).insert(usable.offer.name.clone());
        }
        let taken = *locked(&till.taken);
        let result = asked.result.map(|answer| self.reply(usable, need, answer, taken));
        // what was refused (a schema, tools, how much to think) says nothing of how full the server is
        let simpler = [asked.plain, asked.toolless, asked.effortless].iter().filter(|refused| **refused).count();
        let again = usize::try_from(asked.sent).is_ok_and(|sent| sent > 1 + simpler);
        let seen = if asked.sent == 0 { Seen::Nothing } else { seen(&result, again, asked.took) };
        if let Some(now) = slots.learn(&slot, seen) {
            let server = format!("{} ({})", usable.at.provider.name, usable.offer.tier.name());
            asker.recorder.record(Event::SlotsChanged { server, slots: now });
        }
        on_its_way.ended(&result, None);
        result
    }

    /// Takes `worst` out of the day's budget, where there is one; the day that it was.
    async fn reserve_day(&self, worst: Money) -> Result<Option<String>, Trouble> {
        let (money, requests) = (self.settings.day_cents.map(Money::cents), self.settings.day_requests);
        if money.is_none() && requests.is_none() {
            return Ok(None);
        }
        let day = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        let ask = DayAsk { day: day.clone(), nanos: worst.0, most_nanos: money.map(|m| m.0), most_requests: requests };
        match self.cache().await.reserve_day(ask).await {
            Ok(None) => Ok(Some(day)),
            Ok(Some(what)) => Err(Trouble::OutOfBudget { what }),
            Err(error) => Err(Trouble::OutOfBudget { what: error.to_string() }),
        }
    }

    /// `not_needed` in billionths of a dollar; less than none where more was billed than reserved.
    async fn settle_day(&self, day: Option<String>, not_needed: i64, not_sent: u64) {
        let Some(day) = day.filter(|_| not_needed != 0 || not_sent > 0) else { return };
        if let Err(error) = self.cache().await.settle_day(day, not_needed, not_sent).await {
            tracing::warn!("the day's budget counts something else than was spent: {error}");
        }
    }

    fn slots_of(&self, usable: &Usable) -> Arc<Slots> {
        let mut slots = locked(&self.slots);
        let local = usable.offer.tier == Tier::Local;
        let cap = if local && !usable.slots_known { Cap::unknown() } else { Cap::new(usable.slots, local) };
        let new = || Arc::new(Slots::new(cap));
        Arc::clone(slots.entry(usable.at.base.clone()).or_insert_with(new))
    }

    /// Free models of OpenRouter: what the account may ask on `day`, looked up once a day.
    async fn quota_of(&self, usable: &Usable, day: &str) -> Option<tokio::sync::MappedMutexGuard<'_, Today>> {
        let path = usable.at.provider.quota.filter(|_| usable.offer.tier == Tier::Free)?;
        let mut known = self.quota.lock().await;
        if known.as_ref().is_none_or(|today| today.day() != day) {
            let answer = match self.client() {
                Ok(client) => client.look(&usable.at, path, QUOTA_LOOK).await.unwrap_or_default(),
                Err(_) => serde_json::Value::Null,
            };
            *known = Some(Today::new(Quota::of_key(&answer), day));
        }
        tokio::sync::MutexGuard::try_map(known, Option::as_mut).ok()
    }

    /// Waits for a place in the minute of the account's quota, where there is one.
    async fn place_in_minute(&self, usable: &Usable, patience: Duration) -> Result<Option<Place<'_>>, Trouble> {
        let until = Instant::now() + patience;
        let (day, _) = quota::day(jiff::Timestamp::now());
        let Some(per_minute) = self.quota_of(usable, &day).await.map(|today| today.quota.per_minute) else {
            return Ok(None);
        };
        loop {
            let now = Instant::now();
            let taken = locked(&self.minute).take(now, per_minute);
            match taken {
                Ok(()) => return Ok(Some(Place { minute: &self.minute, at: Some(now) })),
                Err(wait) if now + wait > until => return Err(Trouble::RateLimited { after: Some(wait) }),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Takes a place in the day of the account's quota, where there is one. A day that is spent is no error of the server's.
    async fn place_in_day(&self, usable: &Usable) -> Result<(), Trouble> {
        let (day, back) = quota::day(jiff::Timestamp::now());
        let Some(mut today) = self.quota_of(usable, &day).await else { return Ok(()) };
        let per_day = today.quota.per_day;
        let name = quota::name(usable.at.provider.name, usable.at.key.as_ref().map(Secret::reveal), &day);
        if !today.has_room() || !self.one_more_today(name, per_day).await {
            return Err(Trouble::QuotaSpent { per_day, back });
        }
        today.sent();
        Ok(())
    }

    /// Counted for the account where there is a place for that, for all runs together; else for this run.
    async fn one_more_today(&self, day: String, most: u64) -> bool {
        let ask = DayAsk { day: day.clone(), nanos: 0, most_nanos: None, most_requests: Some(most) };
        match self.accounts().await.reserve_day(ask).await {
            Ok(over) => over.is_none(),
            Err(_) => {
                let mut used = locked(&self.used);
                let used = used.entry(day).or_default();
                *used += 1;
                *used <= most
            }
        }
    }

    /// What the server said, without secrets that it may have been told, and what the whole turn took.
    fn reply(&self, usable: &Usable, need: &Need, answer: wire::Answer, taken: Taken) -> Reply {
        let estimate = || Usage { prompt: need.prompt_tokens, answer: tokens::count(&answer.content), estimated: true };
        let usage = answer.usage.unwrap_or_else(estimate);
        let named = answer.model.filter(|m| !m.trim().is_empty()).unwrap_or_else(|| usable.id.clone());
        let model = named.chars().filter(|c| !c.is_control()).take(200).collect();
        let content = self.settings.mask.cover(&answer.content).into_owned();
        Reply { content, calls: answer.calls, model, usage, cost: taken.cost, requests: taken.requests }
    }

    /// The time that one turn may take: a small model on a busy machine needs minutes, nobody needs more.
    pub fn turn_limit(left: Duration) -> Duration {
        const LONGEST: Duration = Duration::from_secs(180);
        LONGEST.min(left)
    }
}

/// What a turn says about how full the server is.
fn seen(result: &Result<Reply, Trouble>, again: bool, took: Duration) -> Seen {
    match result {
        // whatever was asked again was limited, reset, or failed before
        _ if again => Seen::TooMuch,
        Ok(reply) => {
            // a token of the prompt takes about a tenth of one of the answer
            let tokens = reply.usage.answer as f64 + reply.usage.prompt as f64 / 10.0;
            Seen::Answered { ms_per_token: took.as_secs_f64() * 1000.0 / tokens.max(1.0) }
        }
        Err(Trouble::RateLimited { .. } | Trouble::ServerFailed { .. }) => Seen::TooMuch,
        Err(_) => Seen::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::router::Offer;
    use super::super::{CachePlace, Settings};
    use super::*;

    /// A free model at a server that answers every look with `key`.
    fn free_model(key: &'static str) -> Usable {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
                let _ = stream.write_all(format!("{head}content-length: {}\r\n\r\n{key}", key.len()).as_bytes());
            }
        });
        Usable::sample("openrouter/x:free", Tier::Free, &base)
    }

    /// As for a request that is sent.
    async fn within_quota(models: &Models, usable: &Usable) -> Result<(), Trouble> {
        let place = models.place_in_minute(usable, Duration::from_secs(1)).await?;
        models.place_in_day(usable).await?;
        if let Some(place) = place {
            place.keep();
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_days_quota_is_counted_over_runs_and_says_when_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let usable = free_model("{\"data\":{\"is_free_tier\":true}}");
        let run = || {
            let cache = Some(CachePlace { state_dir: folder.path().to_owned(), url: None });
            Models::new(Settings { cache, ..Settings::default() })
        };
        for _ in 0..3 {
            let models = run();
            // of the minute's twenty
            for _ in 0..16 {
                within_quota(&models, &usable).await.unwrap();
            }
        }
        let models = run();
        within_quota(&models, &usable).await.unwrap();
        within_quota(&models, &usable).await.unwrap();
        let error = within_quota(&models, &usable).await.unwrap_err();
        assert_eq!(error.name(), "quota-spent");
        assert!(error.to_string().contains("50 free requests") && error.to_string().contains("T00:00:00Z"), "{error}");
        let local = Usable { offer: Offer { tier: Tier::Local, ..usable.offer.clone() }, ..usable.clone() };
        within_quota(&models, &local).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_account_is_counted_for_all_repositories_of_a_user_and_two_accounts_apart() {
        let (user, one, two) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let usable = free_model("{}");
        let run = |repository: &std::path::Path| {
            let cache = Some(CachePlace { state_dir: repository.to_owned(), url: None });
            Models::new(Settings { cache, user_state: Some(user.path().to_owned()), ..Settings::default() })
        };
        for repository in [&one, &two] {
            let models = run(repository.path());
            for _ in 0..25 {
                models.place_in_day(&usable).await.unwrap();
            }
        }
        assert_eq!(run(two.path()).place_in_day(&usable).await.unwrap_err().name(), "quota-spent");
        let mut other = usable.clone();
        other.at.key = Secret::new("sk-or-v1-another-account");
        run(two.path()).place_in_day(&other).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_account_has_left_counts_beside_what_was_counted_here() {
        let usable = free_model(
            r#"{"data":{"is_free_tier":false,"free_model_daily_requests":{"used":47,"limit":50,"remaining":3}}}"#,
        );
        let models = Models::new(Settings::default());
        for _ in 0..3 {
            models.place_in_day(&usable).await.unwrap();
        }
        let error = models.place_in_day(&usable).await.unwrap_err();
        assert!(error.to_string().contains("50 free requests"), "{error}");
        // another day: it is looked again
        *models.quota.lock().await =
            Some(Today::new(Quota { left: Some(0), ..Quota::of_key(&serde_json::Value::Null) }, "2020-01-01"));
        models.place_in_day(&usable).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_bought_credit_has_more_a_day_and_as_much_a_minute() {
        let usable = free_model("{\"data\":{\"is_free_tier\":false}}");
        let models = Models::new(Settings::default());
        for _ in 0..20 {
            within_quota(&models, &usable).await.unwrap();
        }
        let error = within_quota(&models, &usable).await.unwrap_err();
        assert!(matches!(error, Trouble::RateLimited { after: Some(_) }), "{error}");
        assert_eq!(models.quota.lock().await.as_ref().unwrap().quota.per_day, 1000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_place_in_the_minute_that_was_not_needed_is_given_back() {
        let usable = free_model("{}");
        let models = Models::new(Settings::default());
        for _ in 0..40 {
            drop(models.place_in_minute(&usable, Duration::from_millis(1)).await.unwrap());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_budget_refuses_takes_no_place_of_the_quota() {
        let usable = free_model("{}");
        let slots = Slots::new(Cap::new(1, false));
        for (requests, day_requests) in [(0, None), (9, Some(9))] {
            // the second one has no store that could count a day
            let models = Models::new(Settings { requests, day_requests, ..Settings::default() });
            let taken = Arc::default();
            let till = Till { models: &models, usable: &usable, slots: &slots, worst: Money::ZERO, taken };
            let error = till.ticket(Duration::from_secs(1)).await.err().unwrap();
            assert_eq!(error.name(), "out-of-budget");
            assert!(locked(&models.used).is_empty(), "no place of the day is taken");
            for _ in 0..20 {
                locked(&models.minute).take(Instant::now(), 20).expect("no place of the minute is taken");
            }
            assert_eq!(models.spent(), crate::model::budget::Spent::default());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_quota_refuses_takes_nothing_of_the_days_budget() {
        let (usable, folder) = (free_model("{}"), tempfile::tempdir().unwrap());
        let cache = Some(CachePlace { state_dir: folder.path().to_owned(), url: None });
        let models = Models::new(Settings { cache, requests: 9, day_requests: Some(1), ..Settings::default() });
        for _ in 0..50 {
            models.place_in_day(&usable).await.unwrap();
        }
        let slots = Slots::new(Cap::new(1, false));
        let till = Till { models: &models, usable: &usable, slots: &slots, worst: Money::ZERO, taken: Arc::default() };
        for _ in 0..2 {
            let error = till.ticket(Duration::from_secs(1)).await.err().unwrap();
            assert_eq!(error.name(), "quota-spent", "the one request of the day is still there");
        }
    }

    #[test]
    fn what_nobody_counted_costs_the_worst_case_where_there_is_a_price() {
        let mut usable = free_model("{}");
        let counted = Usage { prompt: 1000, answer: 0, estimated: false };
        let answer = |usage, billed| wire::Answer { usage, cost: billed, ..wire::Answer::default() };
        assert_eq!(cost(&usable, &answer(None, None), Money(9)), Money::ZERO);
        usable.offer.price = Some(super::super::catalog::Price { prompt: Money(1000), answer: Money(1000) });
        assert_eq!(cost(&usable, &answer(Some(counted), None), Money(9)), Money(1));
        assert_eq!(cost(&usable, &answer(None, None), Money(9)), Money(9));
        assert_eq!(cost(&usable, &answer(Some(counted), Some(Money(3))), Money(9)), Money(3), "it bills more");
        assert_eq!(cost(&usable, &answer(Some(counted), Some(Money::ZERO)), Money(9)), Money(1), "or says so");
    }
}
