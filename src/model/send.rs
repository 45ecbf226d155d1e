//! One model is asked one turn: a slot, the reservation of the worst case, the client, the settlement, the event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::budget::Reservation;
use super::discover::Usable;
use super::models::{Asker, Models};
use super::money::Money;
use super::router::{self, Need};
use super::trouble::Trouble;
use super::{Reply, Turn, Usage, tokens, wire};
use crate::trajectory::Event;

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
        let _slot = slots.acquire().await.map_err(|_| Trouble::Cancelled)?;
        let worst = router::worst_case(usable.offer.price, need.prompt_tokens, need.answer_tokens);
        let reservation = self.budget.reserve(worst)?;
        let on_its_way = OnItsWay::since(asker, &usable.offer.name, Instant::now());
        let asked = self.client()?.ask(&usable.at, &usable.id, turn, asker.cancel).await;
        let result = asked.result.map(|answer| reply(usable, need, answer, asked.sent));
        settle(reservation, &result);
        on_its_way.ended(&result, asked.sent, None);
        result
    }

    fn slots_of(&self, usable: &Usable) -> Arc<Semaphore> {
        let mut slots = super::models::locked(&self.slots);
        let new = || Arc::new(Semaphore::new(usable.slots.max(1)));
        Arc::clone(slots.entry(usable.at.base.clone()).or_insert_with(new))
    }

    /// The time that one turn may take: a small model on a busy machine needs minutes, nobody needs more.
    pub fn turn_limit(left: Duration) -> Duration {
        const LONGEST: Duration = Duration::from_secs(180);
        LONGEST.min(left)
    }
}

fn settle(reservation: Reservation, result: &Result<Reply, Trouble>) {
    match result {
        Ok(reply) => reservation.settle(reply.cost),
        Err(trouble) if is_free_of_charge(trouble) => reservation.settle(Money::ZERO),
        // it may have been answered, and billed
        Err(_) => drop(reservation),
    }
}

fn reply(usable: &Usable, need: &Need, answer: wire::Answer, requests: u32) -> Reply {
    let estimate = || Usage { prompt: need.prompt_tokens, answer: tokens::count(&answer.content), estimated: true };
    let usage = answer.usage.unwrap_or_else(estimate);
    let cost = router::worst_case(usable.offer.price, usage.prompt, usage.answer);
    let named = answer.model.filter(|m| !m.trim().is_empty()).unwrap_or_else(|| usable.id.clone());
    let model = named.chars().filter(|c| !c.is_control()).take(200).collect();
    Reply { content: answer.content, model, usage, cost, requests }
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
