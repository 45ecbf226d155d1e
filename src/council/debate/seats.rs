//! The seats' part of a round: who is asked what, all at the same time, within the purse, and what is taken of it.

use std::time::Instant;

use futures::future::join_all;

use super::{Hall, ms};
use crate::council::Brief;
use crate::council::ask::{self, seat_name};
use crate::council::ledger::{Response, Settled, Status};
use crate::council::read::{self, Said};
use crate::council::record::{End, RoundInfo};
use crate::model::{Trouble, tokens};
use crate::trajectory::{Event, LoopEvent};
use crate::turns::text::{same_position, short};
use crate::turns::{Answer, Over, Question, Took};

/// What one turn of a seat brought.
struct Taken {
    seat: usize,
    said: Result<(Said, Vec<Response>, Answer), Trouble>,
    took: Took,
    ms: u64,
}

impl Hall<'_> {
    /// Who is asked in `round`: everybody at first, then those with open objections, and those who never answered.
    pub(super) fn questions(&self, round: u32) -> Vec<(usize, Question)> {
        let mut questions = Vec::new();
        for seat in 0..self.n() {
            let Some(said) = &self.seats[seat].said else {
                let question = ask::first(self.brief, seat, self.tuning);
                questions.push((seat, Question { round, ..question }));
                continue;
            };
            let open: Vec<_> = self.ledger.open().filter(|o| o.seat == seat).collect();
            if !open.is_empty() {
                let changes: Vec<String> =
                    self.changes.iter().filter(|(of, _)| *of != seat).map(|(_, what)| what.clone()).collect();
                questions.push((seat, ask::again(self.brief, seat, round, said, &open, &changes, self.tuning)));
            }
        }
        for (_, question) in &mut questions {
            question.deadline = question.deadline.min(self.left());
        }
        questions
    }

    /// Do these questions fit into what is left, and the critic's after them?
    pub(super) fn fits(&self, questions: &[(usize, Question)]) -> bool {
        let answers: u64 = questions.iter().map(|(_, q)| q.worst_tokens()).sum();
        let answer = u64::from(self.brief.rules.answer_tokens);
        let prompt = tokens::count(&self.brief.question) + self.brief.pack.tokens;
        const AROUND: u64 = 700;
        let critic = prompt + (self.n() as u64 + 1) * answer + AROUND;
        answers + critic <= self.purse.left()
    }

    /// The seats answer, all at the same time.
    pub(super) async fn answer(
        &mut self,
        round: u32,
        questions: Vec<(usize, Question)>,
        began: Instant,
    ) -> Result<(Vec<Settled>, RoundInfo), End> {
        let asked = questions.len();
        let taken = join_all(questions.into_iter().map(|(seat, question)| self.one_seat(seat, question))).await;
        let answers_ms = ms(began);
        let slowest_ms = taken.iter().map(|t| t.ms).max().unwrap_or(0);
        let mut info = RoundInfo {
            round,
            answered: 0,
            asked,
            positions: Vec::new(),
            raised: Vec::new(),
            dropped: Vec::new(),
            better: false,
            answers_ms,
            slowest_ms,
            ms: answers_ms,
        };
        let mut settled = Vec::new();
        self.changes.clear();
        self.spoke.clear();
        for one in taken {
            self.seats[one.seat].ms += one.ms;
            self.count(one.seat, one.took);
            match one.said {
                Ok((said, responses, answer)) => {
                    if self.take(round, one.seat, said, &responses, &answer, &mut settled) {
                        info.answered += 1;
                    }
                }
                Err(trouble) => {
                    self.money_over |= matches!(over_by(&trouble), Some(End::MoneyCap));
                    self.seats[one.seat].failed.push(trouble.name().to_owned());
                }
            }
        }
        info.positions = self.seats[..self.n()].iter().map(|s| Some(s.said.as_ref()?.position.clone())).collect();
        // who had nothing to answer to stands by what it said
        let quiet = (0..self.n()).filter(|s| self.seats[*s].said.is_some()).count().min(self.n() - asked);
        if self.cancel.is_cancelled() {
            self.rounds.push(info);
            return Err(End::Cancelled);
        }
        if info.answered + quiet < Brief::quorum(self.n()) {
            self.rounds.push(info);
            return Err(if self.money_over { End::MoneyCap } else { End::QuorumLost });
        }
        Ok((settled, info))
    }

    /// One turn of a seat, once more when the first reply can't be used.
    async fn one_seat(&self, seat: usize, question: Question) -> Taken {
        let began = Instant::now();
        let (said, took) = self.paying().used(question, read::seat).await;
        let said = said.map(|((said, responses), answer)| (said, responses, answer));
        Taken { seat, said, took, ms: ms(began) }
    }

    /// Takes what a seat said. No: somebody else's model answered for it, which gives no further view.
    fn take(
        &mut self,
        round: u32,
        seat: usize,
        mut said: Said,
        responses: &[Response],
        answer: &Answer,
        settled: &mut Vec<Settled>,
    ) -> bool {
        self.seats[seat].turns += 1;
        let twin = (0..self.n())
            .any(|s| s != seat && self.seats[s].said.is_some() && self.seats[s].answered_by == answer.answered_by);
        if twin {
            self.seats[seat].failed.push("same-model".into());
            return false;
        }
        self.seats[seat].answered_by.clone_from(&answer.answered_by);
        self.seats[seat].family.clone_from(&answer.lineage);
        self.lineages[seat] = Some(answer.lineage.clone());
        let before = self.seats[seat].said.clone();
        if let Some(before) = before {
            let done = self.ledger.settle(seat, responses, &before.answer, &said.answer);
            let gave_way = done.iter().any(|s| matches!(s.status, Status::Accepted | Status::Partly));
            if !gave_way && !same_position(&before.position, &said.position) {
                // a position changes for a reason that somebody gave, or not at all: with it goes the answer that stands for it
                let (who, turned) = (seat_name(seat), short(&said.position, 200));
                let text =
                    format!("{who} turned to “{turned}” without giving way to an objection: its answer before stands");
                self.recorder.record(Event::Note { text });
                said.clone_from(&before);
            }
            for one in &done {
                if self.say_settled(round, one) {
                    self.changes.push((seat, short(&one.reason, 200)));
                }
            }
            settled.extend(done);
            if self.seats[seat].first_position.is_none() && !same_position(&before.position, &said.position) {
                self.seats[seat].first_position = Some(before.position);
            }
        }
        self.spoke.insert(seat);
        self.answers[seat].push(said.answer.clone());
        self.seats[seat].said = Some(said);
        true
    }

    /// Did the seat give way?
    pub(super) fn say_settled(&self, round: u32, one: &Settled) -> bool {
        let accepted = matches!(one.status, Status::Accepted | Status::Partly);
        let (status, reason) = (one.status.name().into(), one.reason.clone());
        self.say(LoopEvent::Settled { round, id: one.id.clone(), status, accepted, reason });
        accepted
    }

    /// What asking `seat` took, replies that could not be read included.
    pub(super) fn count(&mut self, seat: usize, took: Took) {
        let info = &mut self.seats[seat];
        info.tokens += took.tokens;
        info.nano_dollars += took.cost.0;
        self.replayed += took.replayed;
    }
}

/// The end that a trouble is, when it is one.
pub(super) fn over_by(trouble: &Trouble) -> Option<End> {
    Over::of(trouble).map(|over| match over {
        Over::Cancelled => End::Cancelled,
        Over::Tokens => End::TokenCap,
        Over::Money => End::MoneyCap,
    })
}
