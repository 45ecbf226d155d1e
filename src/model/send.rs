//! One model is asked one turn: a slot, the reservation of the worst case, the client, the settlement, the event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::budget::Reservation;
use super::catalog::Tier;
use super::discover::Usable;
use super::models::{Asker, Models, locked};
use super::money::Money;
use super::quota::{self, Quota};
use super::router::{self, Need};
use super::slots::{Cap, Seen, Slots};
use super::trouble::Trouble;
use super::{Reply, Turn, Usage, tokens, wire};
use crate::cache::DayAsk;
use crate::trajectory::Event;

/// The key endpoint is one small document; without it the smaller quota counts.
const QUOTA_LOOK: Duration = Duration::from_secs(5);

/// A turn on its way: whatever happens to it, there is an event. Dropped on its way, it was cancelled.
pub(super) struct OnItsWay<'a> {
    asker: Asker<'a>,
    model: &'a str,
    began: Instant,
    said: bool,
}

impl<'a> OnItsWay<'a> {
    pub(super) fn since(asker: Asker<'a>, model: &'a str, began: Instant) -> Self {
        Self { asker, model, began, said: false }
    }

    /// It ended with `result`, after `requests`; `cached` where it was served without asking.
    pub(super) fn ended(mut self, result: &Result<Reply, Trouble>, requests: u32, cached: Option<&str>) {
        self.record(result.as_ref(), requests, cached);
    }

    fn record(&mut self, result: Result<&Reply, &Trouble>, requests: u32, cached: Option<&str>) {
        self.said = true;
        let reply = result.ok();
        let spent = reply.filter(|_| cached.is_none());
        self.asker.recorder.record(Event::ModelAnswered {
            fixer: self.asker.name.to_owned(),
            model: self.model.to_owned(),
            answered_by: reply.map(|r| r.model.clone()),
            outcome: result.err().map_or("answered", Trouble::name).to_owned(),
            prompt_tokens: spent.map_or(0, |r| r.usage.prompt),
            answer_tokens: spent.map_or(0, |r| r.usage.answer),
            nano_dollars: spent.map_or(0, |r| r.cost.0),
            requests,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            cached: cached.map(str::to_owned),
            answer_hash: reply.map(|r| hash(&r.content)).unwrap_or_default(),
        });
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if !self.said {
            self.record(Err(&Trouble::Cancelled), 1, None);
        }
    }
}

/// Of an answer's words, without the white space that models vary.
fn hash(content: &str) -> String {
    let words: Vec<&str> = content.split_whitespace().collect();
    hex::encode(&Sha256::digest(words.join(" "))[..8])
}

impl Models {
    /// Asks `usable`: waits for a slot, reserves, asks, settles.
    pub(super) async fn send(
        &self,
        usable: &Usable,
        turn: &Turn,
        need: &Need,
        asker: Asker<'_>,
    ) -> Result<Reply, Trouble> {
        let slots = self.slots_of(usable);
        let slot = slots.enter().await;
        self.within_quota(usable, turn.deadline).await?;
        let worst = router::worst_case(usable.offer.price, need.prompt_tokens, need.answer_tokens);
        let reservation = self.budget.reserve(&usable.offer.name, worst)?;
        let day = self.reserve_day(worst).await?;
        let on_its_way = OnItsWay::since(asker, &usable.offer.name, Instant::now());
        let asked = self.client()?.ask(&usable.at, &usable.id, turn, asker.cancel).await;
        let result = asked.result.map(|answer| self.reply(usable, need, answer, asked.sent));
        let seen = seen(&result, asked.sent, on_its_way.began.elapsed());
        if let Some(now) = slots.learn(&slot, seen) {
            let server = format!("{} ({})", usable.at.provider.name, usable.offer.tier.name());
            asker.recorder.record(Event::SlotsChanged { server, slots: now });
        }
        let cost = settle(reservation, &result);
        self.settle_day(day, worst.minus(cost)).await;
        on_its_way.ended(&result, asked.sent, None);
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

    async fn settle_day(&self, day: Option<String>, not_needed: Money) {
        let Some(day) = day.filter(|_| not_needed > Money::ZERO) else { return };
        if let Err(error) = self.cache().await.settle_day(day, not_needed.0).await {
            tracing::warn!("the day's budget counts more than was spent: {error}");
        }
    }

    fn slots_of(&self, usable: &Usable) -> Arc<Slots> {
        let mut slots = locked(&self.slots);
        let local = usable.offer.tier == Tier::Local;
        let cap = if local && !usable.slots_known { Cap::unknown() } else { Cap::new(usable.slots, local) };
        let new = || Arc::new(Slots::new(cap));
        Arc::clone(slots.entry(usable.at.base.clone()).or_insert_with(new))
    }

    /// Free models of OpenRouter: the account's quota is looked up once and planned for. Waits for a place in the minute;
    /// a day that is spent is no error of the server's.
    async fn within_quota(&self, usable: &Usable, patience: Duration) -> Result<(), Trouble> {
        let Some(path) = usable.at.provider.quota.filter(|_| usable.offer.tier == Tier::Free) else { return Ok(()) };
        let look = || async {
            let answer = match self.client() {
                Ok(client) => client.look(&usable.at, path, QUOTA_LOOK).await.unwrap_or_default(),
                Err(_) => serde_json::Value::Null,
            };
            Quota::of_key(&answer)
        };
        let quota = *self.quota.get_or_init(look).await;
        let (today, back) = quota::day(jiff::Timestamp::now());
        let day = format!("{} free {today}", usable.at.provider.name);
        if !self.one_more_today(day, quota.per_day).await {
            return Err(Trouble::QuotaSpent { per_day: quota.per_day, back });
        }
        let until = Instant::now() + patience;
        loop {
            let taken = locked(&self.minute).take(Instant::now(), quota.per_minute);
            match taken {
                Ok(()) => return Ok(()),
                Err(wait) if Instant::now() + wait > until => return Err(Trouble::RateLimited { after: Some(wait) }),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Counted in the store where there is one, for all runs together; else for this run.
    async fn one_more_today(&self, day: String, most: u64) -> bool {
        let ask = DayAsk { day: day.clone(), nanos: 0, most_nanos: None, most_requests: Some(most) };
        match self.cache().await.reserve_day(ask).await {
            Ok(over) => over.is_none(),
            Err(_) => {
                let mut used = locked(&self.used);
                let used = used.entry(day).or_default();
                *used += 1;
                *used <= most
            }
        }
    }

    /// What the server said, without secrets that it may have been told, and what it cost.
    fn reply(&self, usable: &Usable, need: &Need, answer: wire::Answer, requests: u32) -> Reply {
        let estimate = || Usage { prompt: need.prompt_tokens, answer: tokens::count(&answer.content), estimated: true };
        let usage = answer.usage.unwrap_or_else(estimate);
        let priced = router::worst_case(usable.offer.price, usage.prompt, usage.answer);
        // what the server bills is what it costs, should it be more than we know of
        let cost = answer.cost.map_or(priced, |billed| billed.max(priced));
        let named = answer.model.filter(|m| !m.trim().is_empty()).unwrap_or_else(|| usable.id.clone());
        let model = named.chars().filter(|c| !c.is_control()).take(200).collect();
        let content = self.settings.mask.cover(&answer.content).into_owned();
        Reply { content, calls: answer.calls, model, usage, cost, requests }
    }

    /// The time that one turn may take: a small model on a busy machine needs minutes, nobody needs more.
    pub fn turn_limit(left: Duration) -> Duration {
        const LONGEST: Duration = Duration::from_secs(180);
        LONGEST.min(left)
    }
}

/// Settles, and says what it cost as far as anybody knows.
fn settle(reservation: Reservation, result: &Result<Reply, Trouble>) -> Money {
    let cost = match result {
        Ok(reply) => reply.cost,
        Err(trouble) if is_free_of_charge(trouble) => Money::ZERO,
        // it may have been answered, and billed
        Err(_) => reservation.worst(),
    };
    reservation.settle(cost);
    cost
}

/// What a turn says about how full the server is.
fn seen(result: &Result<Reply, Trouble>, sent: u32, took: Duration) -> Seen {
    match result {
        // whatever was asked again was limited, reset, or failed before
        _ if sent > 1 => Seen::TooMuch,
        Ok(reply) => {
            // a token of the prompt takes about a tenth of one of the answer
            let tokens = reply.usage.answer as f64 + reply.usage.prompt as f64 / 10.0;
            Seen::Answered { ms_per_token: took.as_secs_f64() * 1000.0 / tokens.max(1.0) }
        }
        Err(Trouble::RateLimited { .. } | Trouble::ServerFailed { .. }) => Seen::TooMuch,
        Err(_) => Seen::Nothing,
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::super::client::Endpoint;
    use super::super::router::Offer;
    use super::super::{CachePlace, Settings, providers};
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
        let offer = Offer {
            name: "openrouter/x:free".into(),
            family: "x".into(),
            tier: Tier::Free,
            price: None,
            context: 9000,
            strength: 5,
            left: None,
        };
        let at = Endpoint { provider: *providers::find("openrouter").unwrap(), base, key: None };
        let (id, family) = ("x:free".into(), "x".into());
        Usable { offer, id, family, at, slots: 4, slots_known: true, remark: None, answered: false, digest: None }
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
                models.within_quota(&usable, Duration::from_secs(1)).await.unwrap();
            }
        }
        let models = run();
        models.within_quota(&usable, Duration::from_secs(1)).await.unwrap();
        models.within_quota(&usable, Duration::from_secs(1)).await.unwrap();
        let error = models.within_quota(&usable, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.name(), "quota-spent");
        assert!(error.to_string().contains("50 free requests") && error.to_string().contains("T00:00:00Z"), "{error}");
        let local = Usable { offer: Offer { tier: Tier::Local, ..usable.offer.clone() }, ..usable.clone() };
        models.within_quota(&local, Duration::from_secs(1)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_bought_credit_has_more_a_day_and_as_much_a_minute() {
        let usable = free_model("{\"data\":{\"is_free_tier\":false}}");
        let models = Models::new(Settings::default());
        for _ in 0..20 {
            models.within_quota(&usable, Duration::from_secs(1)).await.unwrap();
        }
        let error = models.within_quota(&usable, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, Trouble::RateLimited { after: Some(_) }), "{error}");
        assert_eq!(models.quota.get().unwrap().per_day, 1000);
    }
}
