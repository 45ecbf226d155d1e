//! The critic's part of a round, and the ballot at the end: answers behind letters, objections into the ledger.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::seats::over_by;
use super::{Hall, ms};
use crate::council::anonymise::{Letters, without_names};
use crate::council::ask::{self, seat_name};
use crate::council::ledger::{Outcome, Raised};
use crate::council::read::{self, Said};
use crate::council::record::End;
use crate::model::Trouble;
use crate::trajectory::{Event, LoopEvent};
use crate::turns::Question;
use crate::turns::text::{clipped, short};

impl Hall<'_> {
    /// Each seat's text as the critic reads it.
    pub(super) fn texts(&self) -> Vec<String> {
        let members: Vec<_> = self.brief.table.seats.iter().chain(&self.brief.table.critics).cloned().collect();
        let text = |seat: usize| {
            let said = self.seats[seat].said.as_ref()?;
            let same = said.answer.contains(&said.position);
            let whole = if same { said.answer.clone() } else { format!("{}\n\n{}", said.position, said.answer) };
            // as long as an answer may be, whatever came
            let most = usize::try_from(self.brief.rules.answer_tokens).unwrap_or(usize::MAX).saturating_mul(4);
            Some(clipped(&without_names(&whole, &members, &self.brief.question), most))
        };
        (0..self.n()).map(|seat| text(seat).unwrap_or_default()).collect()
    }

    /// The critic reads all answers. One of a seat's make, whoever was asked, is not heard; nor is one of whose objections
    /// none holds together, not even when it is told so: that it raised nothing that counts is no consent.
    pub(super) async fn criticise(&mut self, round: u32) -> Result<Vec<Raised>, End> {
        let texts = self.texts();
        let present: Vec<usize> = (0..self.n()).filter(|s| !texts[*s].is_empty()).collect();
        let letters = Letters::shuffled(&present, self.brief.rules.seed, round);
        let makes: BTreeSet<String> = self.lineages.iter().flatten().cloned().collect();
        let critics = self.brief.table.critics.len();
        for attempt in 0..critics {
            let at = (self.critic + attempt) % critics;
            let critic = &self.brief.table.critics[at];
            if makes.contains(&critic.lineage) {
                continue;
            }
            let question =
                ask::critic(self.brief, round, &letters, &texts, self.ledger.all(), self.tuning, &critic.name);
            let name = critic.name.clone();
            match self.heard(round, question, &name, (&letters, &texts, &makes)).await {
                Ok(Some(raised)) => {
                    self.critic = at;
                    return Ok(raised);
                }
                Ok(None) => {}
                Err(trouble) => {
                    let critic_seat = self.n();
                    self.seats[critic_seat].failed.push(trouble.name().to_owned());
                    if let Some(end) = over_by(&trouble) {
                        return Err(end);
                    }
                }
            }
        }
        Err(if self.left().is_zero() { End::TimeCap } else { End::CriticLost })
    }

    /// What one critic raises; none when it is of a seat's make, or its objections do not hold together, twice.
    async fn heard(
        &mut self,
        round: u32,
        mut question: Question,
        name: &str,
        (letters, texts, makes): (&Letters, &[String], &BTreeSet<String>),
    ) -> Result<Option<Vec<Raised>>, Trouble> {
        const ASKED_MOST: usize = 2;
        let critic_seat = self.n();
        for _ in 0..ASKED_MOST {
            question.deadline = question.deadline.min(self.left());
            let began = Instant::now();
            let (result, took) = self.paying().used(question.clone(), |reply| read::critic(reply, letters)).await;
            self.seats[critic_seat].ms += ms(began);
            self.count(critic_seat, took);
            let (raws, answer) = result?;
            self.seats[critic_seat].turns += 1;
            if makes.contains(&answer.lineage) {
                self.seats[critic_seat].failed.push("same-family".into());
                let text =
                    format!("{} answered for the critic and is of a seat's family: not heard", answer.answered_by);
                self.recorder.record(Event::Note { text });
                return Ok(None);
            }
            let info = &mut self.seats[critic_seat];
            info.model = name.to_owned();
            info.answered_by.clone_from(&answer.answered_by);
            info.family.clone_from(&answer.lineage);
            let raised = self.ledger.raise(round, &raws, texts);
            raised.iter().for_each(|one| self.say_raised(round, one));
            if raised.is_empty() || !raised.iter().all(Raised::is_unfounded) {
                return Ok(Some(raised));
            }
            question = ask::unfounded(&question, letters, &raised);
            self.unfounded.extend(raised);
        }
        self.seats[critic_seat].failed.push("unfounded".into());
        Ok(None)
    }

    fn say_raised(&self, round: u32, one: &Raised) {
        let (id, dropped) = match &one.outcome {
            Outcome::Stands { id, .. } => (id.clone(), None),
            Outcome::Drops(why) => (String::new(), Some(why.words().to_owned())),
        };
        self.say(LoopEvent::Objected {
            round,
            id,
            seat: one.raw.seat.map_or_else(|| "nobody".into(), seat_name),
            severity: one.severity.name().into(),
            text: short(&one.raw.why, 1000),
            quote: one.raw.quote.clone(),
            quote_found: one.quote_found,
            on_rubric: one.on_rubric,
            dropped,
        });
    }

    /// Every seat that answered votes, as far as the tokens reach.
    pub(super) async fn vote(&mut self, said: &[Option<Said>]) -> Option<Vec<Option<usize>>> {
        let present: Vec<usize> = (0..said.len()).filter(|s| said[*s].is_some()).collect();
        let round = u32::try_from(self.rounds.len()).unwrap_or(0) + 1;
        let letters = Letters::shuffled(&present, self.brief.rules.seed, round);
        let questions: Vec<_> =
            present.iter().map(|seat| (*seat, ask::ballot(self.brief, *seat, round, &letters, said))).collect();
        let worst: u64 = questions.iter().map(|(_, q)| q.worst_tokens()).sum();
        // a ballot is worth a little time after the end, not a turn's worth for each seat in a row
        let limit = self.left().max(Duration::from_secs(20)).min(self.brief.rules.seat_limit());
        if worst > self.purse.left() || self.money_over {
            return None;
        }
        let letters = &letters;
        let asked = questions.into_iter().map(|(seat, question)| {
            let question = Question { deadline: limit, ..question };
            let paying = self.paying();
            async move { (seat, paying.used(question, |reply| read::ballot(reply, letters)).await) }
        });
        let mut votes = vec![None; said.len()];
        for (seat, (result, took)) in join_all(asked).await {
            self.count(seat, took);
            match result {
                Ok(((choice, _), _)) => {
                    self.seats[seat].turns += 1;
                    votes[seat] = Some(choice);
                }
                Err(trouble) => self.seats[seat].failed.push(trouble.name().to_owned()),
            }
        }
        Some(votes)
    }
}
