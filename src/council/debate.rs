//! The loop: seats answer at the same time, the critic objects, seats answer the objections, until there are none or it
//! ends for another named reason.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::anonymise::{Letters, without_names};
use super::ask::{self, Tuning, seat_name};
use super::converge::{self, Facts, Next, Stall};
use super::ledger::{Ledger, Outcome, Raised, Response, Same, Settled, Status};
use super::read::{self, Said};
use super::record::{End, Record, RoundInfo, SCHEMA, SeatInfo};
use super::{Brief, decide};
use crate::model::catalog::Tier as ModelTier;
use crate::model::trouble::Consequence;
use crate::model::{Trouble, tokens};
use crate::supervise::stall::Rule;
use crate::supervise::{self, Book, Change, Oversight};
use crate::trajectory::{Event, Loop, LoopEvent, Recorder};
use crate::turns::purse::Purse;
use crate::turns::text::{clipped, same_position, short};
use crate::turns::{Answer, Question, Turns};

/// Changes that are made at most in one council: a debate that needs more is for a person.
const CHANGES_MOST: usize = 2;
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
    /// Who answered in this round.
    spoke: BTreeSet<usize>,
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
        spoke: BTreeSet::new(),
    };
    let end = hall.debate().await;
    hall.close(end).await
}

/// What one turn of a seat brought.
struct Taken {
    seat: usize,
    said: Result<(Said, Vec<Response>, Answer), Trouble>,
    ms: u64,
}

impl Hall<'_> {
    fn n(&self) -> usize {
        self.brief.table.seats.len()
    }

    fn say(&self, event: LoopEvent) {
        self.recorder.record(Event::Loop(event));
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
            let (settled, info) = match self.answer(round, questions, began).await {
                Ok(done) => done,
                Err(end) => return end,
            };
            let raised = match self.criticise(round).await {
                Ok(raised) => raised,
                Err(end) => {
                    self.rounds.push(info);
                    return end;
                }
            };
            if let Some(end) = self.judge(round, &raised, &settled, info, began).await {
                return end;
            }
        }
    }

    /// Is a cap reached before `round`?
    fn over(&self, round: u32) -> Option<End> {
        let rules = &self.brief.rules;
        let better = converge::is_better(&self.facts);
        if self.cancel.is_cancelled() {
            Some(End::Cancelled)
        } else if round > rules.rounds && (round > rules.free_rounds || !self.is_free() || !better) {
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

    /// Who is asked in `round`: everybody at first, then those with open objections, and those who never answered.
    fn questions(&self, round: u32) -> Vec<(usize, Question)> {
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
    fn fits(&self, questions: &[(usize, Question)]) -> bool {
        let answers: u64 = questions.iter().map(|(_, q)| q.worst_tokens()).sum();
        let answer = u64::from(self.brief.rules.answer_tokens);
        let prompt = tokens::count(&self.brief.question) + self.brief.pack.tokens;
        const AROUND: u64 = 700;
        let critic = prompt + (self.n() as u64 + 1) * answer + AROUND;
        answers + critic <= self.purse.left()
    }

    /// The seats answer, all at the same time.
    async fn answer(
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
        let said = self.used(question, read::seat).await.map(|((said, responses), answer)| (said, responses, answer));
        Taken { seat, said, ms: ms(began) }
    }

    /// Asks and reads, once more when the reply can't be read.
    async fn used<T>(
        &self,
        mut question: Question,
        read: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Result<(T, Answer), Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let began = Instant::now();
            let result = self.paid(&question).await;
            let trouble = match result {
                Ok(answer) => match read(&answer.content) {
                    Ok(value) => return Ok((value, answer)),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            let left = question.deadline.saturating_sub(began.elapsed());
            const WORTH_TRYING: Duration = Duration::from_millis(50);
            if trouble.consequence() != Consequence::BadAnswer || tries == 2 || left < WORTH_TRYING {
                return Err(trouble);
            }
            question = question.once_more(&trouble.to_string());
            question.deadline = left;
        }
    }

    /// One turn within the purse.
    async fn paid(&self, question: &Question) -> Result<Answer, Trouble> {
        let worst = question.worst_tokens();
        if !self.purse.reserve(worst) {
            return Err(Trouble::OutOfBudget { what: format!("{TOKENS}{} are left", self.purse.left()) });
        }
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Trouble::Cancelled),
            result = self.turns.ask(question) => result,
        };
        if let Ok(answer) = &result {
            self.purse.settle(worst, answer.prompt_tokens + answer.answer_tokens);
        }
        result
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
        self.count(seat, answer);
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
                // a position changes for a reason that somebody gave, or not at all
                said.position.clone_from(&before.position);
            }
            for one in &done {
                let accepted = matches!(one.status, Status::Accepted | Status::Partly);
                if accepted {
                    self.changes.push((seat, short(&one.reason, 200)));
                }
                self.say(LoopEvent::Settled {
                    round,
                    id: one.id.clone(),
                    status: one.status.name().into(),
                    accepted,
                    reason: one.reason.clone(),
                });
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

    fn count(&mut self, seat: usize, answer: &Answer) {
        let info = &mut self.seats[seat];
        info.turns += 1;
        info.tokens += answer.prompt_tokens + answer.answer_tokens;
        info.nano_dollars += answer.cost.0;
        self.replayed += u32::from(answer.replayed);
    }

    /// Each seat's text as the critic reads it.
    fn texts(&self) -> Vec<String> {
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

    /// The critic reads all answers. One of a seat's make, whoever was asked, is not heard.
    async fn criticise(&mut self, round: u32) -> Result<Vec<Raised>, End> {
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
            let mut question =
                ask::critic(self.brief, round, &letters, &texts, self.ledger.all(), self.tuning, &critic.name);
            question.deadline = question.deadline.min(self.left());
            let began = Instant::now();
            let result = self.used(question, |reply| read::critic(reply, &letters)).await;
            let critic_seat = self.n();
            self.seats[critic_seat].ms += ms(began);
            match result {
                Ok((raws, answer)) => {
                    self.count(critic_seat, &answer);
                    if makes.contains(&answer.lineage) {
                        self.seats[critic_seat].failed.push("same-family".into());
                        let text = format!(
                            "{} answered for the critic and is of a seat's family: not heard",
                            answer.answered_by
                        );
                        self.recorder.record(Event::Note { text });
                        continue;
                    }
                    let info = &mut self.seats[critic_seat];
                    info.model.clone_from(&critic.name);
                    info.answered_by.clone_from(&answer.answered_by);
                    info.family.clone_from(&answer.lineage);
                    self.critic = at;
                    let raised = self.ledger.raise(round, &raws, &texts);
                    raised.iter().for_each(|one| self.say_raised(round, one));
                    return Ok(raised);
                }
                Err(trouble) => {
                    self.seats[critic_seat].failed.push(trouble.name().to_owned());
                    if let Some(end) = over_by(&trouble) {
                        return Err(end);
                    }
                }
            }
        }
        Err(if self.left().is_zero() { End::TimeCap } else { End::CriticLost })
    }

    fn say_raised(&self, round: u32, one: &Raised) {
        let (id, dropped) = match &one.outcome {
            Outcome::Stands { id, .. } => (id.clone(), None),
            Outcome::Drops(why) => (String::new(), Some(why.words().to_owned())),
        };
        let not_there =
            matches!(one.outcome, Outcome::Drops(super::ledger::Dropped::NotInText | super::ledger::Dropped::NoQuote));
        self.say(LoopEvent::Objected {
            round,
            id,
            seat: one.raw.seat.map_or_else(|| "nobody".into(), seat_name),
            severity: one.severity.name().into(),
            text: short(&one.raw.why, 1000),
            quote: one.raw.quote.clone(),
            quote_found: !not_there,
            on_rubric: one.on_rubric,
            dropped,
        });
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
                Outcome::Drops(why) => info.dropped.push(format!("{}: {}", why.words(), short(&one.raw.why, 200))),
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
            Next::Better | Next::NotYet => None,
            Next::Stalled(stall) => self.advised(stall, open).await,
        }
    }

    /// The supervisor may have one change to try before a stall is the end.
    async fn advised(&mut self, stall: Stall, open: usize) -> Option<End> {
        let Some(oversight) = self.oversight.filter(|_| self.advice.len() < CHANGES_MOST) else {
            return Some(End::Stalled(stall));
        };
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
            Stall::Plateau => Rule::CostWithoutProgress,
            Stall::FlipFlop => Rule::PingPong,
        };
        let Some(advice) = supervise::watch::advise(&steps, rule, &mut self.book, oversight.asks, &can).await else {
            return Some(End::Stalled(stall));
        };
        self.say(advice.diagnosed(Loop::Council));
        self.say(advice.tried(true));
        let change = advice.diagnosis.change;
        self.advice.push(advice);
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
        // what was seen before the change says nothing about what comes after it
        self.facts.clear();
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
            for advice in &self.advice {
                self.say(advice.resolved());
            }
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

    /// Every seat that answered votes, as far as the tokens reach.
    async fn vote(&mut self, said: &[Option<Said>]) -> Option<Vec<Option<usize>>> {
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
            let hall = &*self;
            async move { (seat, hall.used(question, |reply| read::ballot(reply, letters)).await) }
        });
        let mut votes = vec![None; said.len()];
        for (seat, result) in join_all(asked).await {
            match result {
                Ok(((choice, _), answer)) => {
                    self.count(seat, &answer);
                    votes[seat] = Some(choice);
                }
                Err(trouble) => self.seats[seat].failed.push(trouble.name().to_owned()),
            }
        }
        Some(votes)
    }
}

/// How the purse says that it is the tokens that are over, not the money.
const TOKENS: &str = "tokens: ";

/// The end that a trouble is, when it is one.
fn over_by(trouble: &Trouble) -> Option<End> {
    match trouble {
        Trouble::Cancelled => Some(End::Cancelled),
        Trouble::OutOfBudget { what } if what.starts_with(TOKENS) => Some(End::TokenCap),
        Trouble::OutOfBudget { .. } => Some(End::MoneyCap),
        _ => None,
    }
}

fn ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
