//! The loop: seats answer at the same time, the critic objects, seats answer the objections, until there are none or it
//! ends for another named reason.

mod critic;
mod seats;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::ask::{Tuning, seat_name};
use super::converge::{self, Facts, Next, Stall};
use super::ledger::{Ledger, Outcome, Raised, Same, Settled};
use super::read::Said;
use super::record::{End, Record, RoundInfo, SCHEMA, SeatInfo};
use super::{Brief, decide};
use crate::model::catalog::Tier as ModelTier;
use crate::supervise::stall::Rule;
use crate::supervise::{self, Book, Change, Oversight};
use crate::trajectory::{Event, Loop, LoopEvent, Recorder};
use crate::turns::purse::Purse;
use crate::turns::text::short;
use crate::turns::{Paying, Turns};

/// Changes that are made at most in one council: one of each tier of the supervisor. A debate that needs more is for a person.
pub(super) const CHANGES_MOST: usize = 3;
/// What a warmer or colder seat is set to, in thousandths.
const WARM_MILLI: u16 = 700;

/// Everything that goes on.
struct Hall<'h> {
    brief: &'h Brief,
    turns: &'h dyn Turns,
    recorder: &'h Recorder,
    cancel: &'h CancellationToken,
    oversight: Option<&'h Oversight<'h>>,
    purse: Purse,
    began: Instant,
    ledger: Ledger,
    seats: Vec<SeatInfo>,
    /// Answers of each seat in order.
    answers: Vec<Vec<String>>,
    /// Lineages that really answered, by seat.
    lineages: Vec<Option<String>>,
    facts: Vec<Facts>,
    rounds: Vec<RoundInfo>,
    /// What changed in the last round, without names.
    changes: Vec<(usize, String)>,
    tuning: Tuning,
    critic: usize,
    book: Book,
    advice: Vec<supervise::Advice>,
    replayed: u32,
    /// The money was over when somebody was asked.
    money_over: bool,
    /// Rounds beyond those that were asked for: one for each change that would not have been carried out without it.
    granted: u32,
    /// The stall that the last change was made for.
    stalled: Option<Stall>,
    /// Who answered in this round.
    spoke: BTreeSet<usize>,
    /// Objections of this round that did not hold together, of critics who were asked again or not heard.
    unfounded: Vec<Raised>,
}

/// Holds the council. `same`: does one objection say what another one does?
pub async fn hold(
    brief: &Brief,
    turns: &dyn Turns,
    recorder: &Recorder,
    cancel: &CancellationToken,
    oversight: Option<&Oversight<'_>>,
    same: Same,
) -> Record {
    let critic = &brief.table.critics[0];
    let info = |name: String, member: &crate::turns::Member| SeatInfo {
        name,
        model: member.name.clone(),
        answered_by: String::new(),
        family: String::new(),
        turns: 0,
        failed: Vec::new(),
        tokens: 0,
        nano_dollars: 0,
        ms: 0,
        said: None,
        first_position: None,
    };
    let seats = brief.table.seats.iter().enumerate().map(|(i, m)| info(seat_name(i), m));
    let mut hall = Hall {
        brief,
        turns,
        recorder,
        cancel,
        oversight,
        purse: Purse::new(brief.rules.tokens),
        began: Instant::now(),
        ledger: Ledger::new(same),
        seats: seats.chain([info("critic".into(), critic)]).collect(),
        answers: vec![Vec::new(); brief.table.seats.len()],
        lineages: vec![None; brief.table.seats.len()],
        facts: Vec::new(),
        rounds: Vec::new(),
        changes: Vec::new(),
        tuning: Tuning::default(),
        critic: 0,
        book: Book::default(),
        advice: Vec::new(),
        replayed: 0,
        money_over: false,
        granted: 0,
        stalled: None,
        spoke: BTreeSet::new(),
        unfounded: Vec::new(),
    };
    let end = hall.debate().await;
    hall.close(end).await
}

impl Hall<'_> {
    fn n(&self) -> usize {
        self.brief.table.seats.len()
    }

    fn say(&self, event: LoopEvent) {
        self.recorder.record(Event::Loop(event));
    }

    fn paying(&self) -> Paying<'_> {
        Paying { turns: self.turns, purse: &self.purse, cancel: self.cancel }
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.brief.rules.time_limit_ms).saturating_sub(self.began.elapsed())
    }

    async fn debate(&mut self) -> End {
        let mut round = 0;
        loop {
            round += 1;
            if let Some(end) = self.over(round) {
                return end;
            }
            let began = Instant::now();
            let questions = self.questions(round);
            if !self.fits(&questions) {
                return End::TokenCap;
            }
            let (mut settled, mut info) = match self.answer(round, questions, began).await {
                Ok(done) => done,
                Err(end) => return end,
            };
            let criticised = self.criticise(round).await;
            info.dropped.extend(std::mem::take(&mut self.unfounded).iter().filter_map(dropped));
            let raised = match criticised {
                Ok(raised) => raised,
                Err(end) => {
                    self.rounds.push(info);
                    return end;
                }
            };
            if raised.is_empty() {
                let gone = self.ledger.settle_gone(&self.texts());
                for one in &gone {
                    self.say_settled(round, one);
                }
                settled.extend(gone);
            }
            if let Some(end) = self.judge(round, &raised, &settled, info, began).await {
                return end;
            }
        }
    }

    /// Is a cap reached before `round`?
    fn over(&self, round: u32) -> Option<End> {
        let rules = &self.brief.rules;
        let asked_for = rules.rounds + self.granted;
        if self.cancel.is_cancelled() {
            Some(End::Cancelled)
        } else if round > asked_for
            && (round > rules.free_rounds || !self.is_free() || !converge::improved(&self.facts))
        {
            Some(End::RoundCap)
        } else if self.money_over {
            Some(End::MoneyCap)
        } else if self.left().is_zero() {
            Some(End::TimeCap)
        } else {
            None
        }
    }

    /// Nobody at the table costs anything.
    fn is_free(&self) -> bool {
        let table = &self.brief.table;
        table.seats.iter().chain(table.critics.get(self.critic)).all(|m| m.tier != ModelTier::Paid)
    }

    /// What this round means; the end, or none for another round.
    async fn judge(
        &mut self,
        round: u32,
        raised: &[Raised],
        settled: &[Settled],
        mut info: RoundInfo,
        began: Instant,
    ) -> Option<End> {
        let went_back = |seat: usize| {
            let all: Vec<&str> = self.answers[seat].iter().map(String::as_str).collect();
            self.spoke.contains(&seat) && converge::flips(&all)
        };
        let flipped: BTreeSet<usize> = (0..self.n()).filter(|seat| went_back(*seat)).collect();
        let of_flipped = |s: &Settled| self.ledger.all().iter().any(|o| o.id == s.id && flipped.contains(&o.seat));
        let forward: Vec<Settled> = settled.iter().filter(|s| !of_flipped(s)).cloned().collect();
        let circling = !flipped.is_empty() && self.ledger.open().all(|o| flipped.contains(&o.seat));
        self.facts.push(Facts::of(raised, &forward, !flipped.is_empty(), circling));
        let open = self.ledger.open().count();
        let next = converge::next(&self.facts, open);
        for one in raised {
            match &one.outcome {
                Outcome::Stands { id, .. } => info.raised.push(id.clone()),
                Outcome::Drops(_) => info.dropped.extend(dropped(one)),
            }
        }
        info.better = converge::is_better(&self.facts);
        info.ms = ms(began);
        let words = match next {
            Next::Agreed => "no objection is left".to_owned(),
            Next::Stalled(stall) => format!("it gets nowhere: {}", stall.name()),
            Next::Better | Next::NotYet => format!("{open} open, {} settled", settled.len()),
        };
        self.say(LoopEvent::RoundEnded { of: Loop::Council, round, better: info.better, words, ms: info.ms });
        self.rounds.push(info);
        match next {
            Next::Agreed => Some(End::Agreed),
            Next::Stalled(stall) => self.advised(round, stall, open).await,
            Next::Better | Next::NotYet => match self.stalled.filter(|_| self.is_last_granted(round)) {
                // the round that was held for a change is over, and it did not help
                Some(stall) => self.advised(round, stall, open).await,
                None => None,
            },
        }
    }

    /// Was `round` held only because of a change, and is it the last such one?
    fn is_last_granted(&self, round: u32) -> bool {
        self.granted > 0 && round == self.brief.rules.rounds + self.granted
    }

    /// Can a change still be carried out: is there time, money and room in the purse for another round?
    fn has_room(&self, round: u32) -> bool {
        !self.cancel.is_cancelled()
            && !self.money_over
            && !self.left().is_zero()
            && self.fits(&self.questions(round + 1))
    }

    /// The supervisor may have one change to try before a stall is the end.
    async fn advised(&mut self, round: u32, stall: Stall, open: usize) -> Option<End> {
        // a change that nobody could carry out is not asked for
        let may_change = self.advice.len() < CHANGES_MOST && self.has_room(round);
        let Some(oversight) = self.oversight.filter(|_| may_change) else { return Some(End::Stalled(stall)) };
        let steps = (oversight.steps)();
        let critics = self.brief.table.critics.len();
        let (tuning, critic) = (self.tuning, self.critic);
        let can = |change: Change| match change {
            Change::DropObjection => open > 0,
            Change::RewordRubric => !tuning.stricter,
            Change::SwitchModel => critic + 1 < critics,
            Change::RaiseTemperature => tuning.temperature_milli < WARM_MILLI,
            Change::LowerTemperature => tuning.temperature_milli > 0,
            Change::StopAndEscalate => true,
            // nothing is run here, and the pack holds what fits
            Change::RerunWithRepeats | Change::WidenContext => false,
        };
        let rule = match stall {
            Stall::SameObjection | Stall::Reseeding => Rule::ReseededObjections,
            Stall::Plateau | Stall::Unanswered => Rule::CostWithoutProgress,
            Stall::FlipFlop => Rule::PingPong,
        };
        let said = supervise::watch::advise(&steps, Some(rule), &mut self.book, oversight.asks, &can).await;
        // asking takes time, too
        let said = if self.has_room(round) { said } else { said.left_alone() };
        said.events(Loop::Council).into_iter().for_each(|event| self.say(event));
        let Some(advice) = said.advice else { return Some(End::Stalled(stall)) };
        let change = advice.diagnosis.change;
        self.advice.push(advice);
        if let Some(end) = self.change(change) {
            return Some(end);
        }
        self.granted = self.granted.max((round + 1).saturating_sub(self.brief.rules.rounds));
        self.stalled = Some(stall);
        // what was seen before the change says nothing about what comes after it
        self.facts.clear();
        None
    }

    /// Makes the change. An end when it is one.
    fn change(&mut self, change: Change) -> Option<End> {
        match change {
            Change::StopAndEscalate => return Some(End::Escalated),
            Change::RewordRubric => self.tuning.stricter = true,
            Change::SwitchModel => self.critic += 1,
            Change::RaiseTemperature => self.tuning.temperature_milli = WARM_MILLI,
            Change::LowerTemperature => self.tuning.temperature_milli = 0,
            Change::DropObjection => {
                self.ledger.drop_open();
            }
            Change::RerunWithRepeats | Change::WidenContext => {}
        }
        None
    }

    /// A ballot when no majority shows, the decision, the record.
    async fn close(mut self, end: End) -> Record {
        let said: Vec<Option<Said>> = self.seats[..self.n()].iter().map(|s| s.said.clone()).collect();
        let camps = decide::camps(&said);
        let votes = if camps.len() > 1 && decide::majority(&camps).is_none() && end != End::Cancelled {
            self.vote(&said).await
        } else {
            None
        };
        let decision = decide::decide(&said, self.ledger.all(), votes.as_deref());
        if end == End::Agreed {
            supervise::watch::resolved(&self.advice).into_iter().for_each(|event| self.say(event));
        }
        let rounds = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX);
        self.say(LoopEvent::Ended { of: Loop::Council, why: end.name(), good: end == End::Agreed, rounds });
        let change = |a: &supervise::Advice| format!("{} ({})", a.diagnosis.change.words(), a.tier.name());
        Record {
            schema: SCHEMA.into(),
            run: self.recorder.run(),
            question: self.brief.question.clone(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            end,
            decision,
            rounds: self.rounds,
            objections: self.ledger.all().to_vec(),
            context: self.brief.pack.clone(),
            tokens: self.seats.iter().map(|s| s.tokens).sum(),
            nano_dollars: self.seats.iter().map(|s| s.nano_dollars).sum(),
            replayed: self.replayed,
            changes: self.advice.iter().map(change).collect(),
            ms: ms(self.began),
            seats: self.seats,
        }
    }
}

/// Why something was dropped, and what it said.
fn dropped(one: &Raised) -> Option<String> {
    match &one.outcome {
        Outcome::Drops(why) => Some(format!("{}: {}", why.words(), short(&one.raw.why, 200))),
        Outcome::Stands { .. } => None,
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
