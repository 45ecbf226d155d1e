//! The record of a council, `kaizen-ci/council/v1`: the decision, how it came about, and what speaks against it.

use serde::{Deserialize, Serialize};

use super::converge::Stall;
use super::decide::Decision;
use super::ledger::{Objection, Status};
use super::pack::Pack;
use super::read::Said;
use crate::turns::text::same_position;

/// The document's name and version.
pub const SCHEMA: &str = "kaizen-ci/council/v1";

/// Why a council ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "end", content = "how")]
pub enum End {
    /// The critic has no further objection.
    Agreed,
    /// It got nowhere.
    Stalled(Stall),
    /// The rounds were over.
    RoundCap,
    /// The tokens were.
    TokenCap,
    /// The money was.
    MoneyCap,
    /// The time was.
    TimeCap,
    /// Too few seats answered.
    QuorumLost,
    /// No critic of another family answered, or none whose objections hold together.
    CriticLost,
    /// The supervisor suggested to let a person look.
    Escalated,
    /// Stopped by the user.
    Cancelled,
}

impl End {
    /// Its name in events and for scripts.
    pub fn name(self) -> String {
        match self {
            End::Agreed => "agreed".into(),
            End::Stalled(stall) => format!("stalled-{}", stall.name()),
            End::RoundCap => "round-cap".into(),
            End::TokenCap => "token-cap".into(),
            End::MoneyCap => "money-cap".into(),
            End::TimeCap => "time-cap".into(),
            End::QuorumLost => "quorum-lost".into(),
            End::CriticLost => "critic-lost".into(),
            End::Escalated => "escalated".into(),
            End::Cancelled => "cancelled".into(),
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            End::Agreed => "no objection is left",
            End::Stalled(Stall::SameObjection) => "the same objection came back in other words",
            End::Stalled(Stall::Reseeding) => "the critic raised ever new trifles",
            End::Stalled(Stall::Plateau) => "new objections changed nothing any more",
            End::Stalled(Stall::Unanswered) => "objections were left without an answer that counts",
            End::Stalled(Stall::FlipFlop) => "answers went there and back again",
            End::RoundCap => "the rounds were over",
            End::TokenCap => "the tokens were over",
            End::MoneyCap => "the money was over",
            End::TimeCap => "the time was over",
            End::QuorumLost => "too few seats answered",
            End::CriticLost => "no critic of another family answered in a way that counts",
            End::Escalated => "a person has to decide",
            End::Cancelled => "it was stopped",
        }
    }
}

/// A seat, for the table of seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeatInfo {
    /// `seat 1`, `critic`.
    pub name: String,
    /// `provider/model` as asked.
    pub model: String,
    /// The model that really answered last; empty when none did.
    pub answered_by: String,
    /// Its family.
    pub family: String,
    /// Turns that brought an answer.
    pub turns: u32,
    /// Turns that did not, by the name of the trouble.
    pub failed: Vec<String>,
    /// Tokens, prompts included.
    pub tokens: u64,
    /// What it cost, in billionths of a dollar.
    pub nano_dollars: u64,
    /// Wall time of its turns.
    pub ms: u64,
    /// Its last answer.
    pub said: Option<Said>,
    /// Its position after the first round, when the last one is another.
    pub first_position: Option<String>,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RoundInfo {
    /// From 1.
    pub round: u32,
    /// Seats that answered in it.
    pub answered: usize,
    /// Seats that were asked in it.
    pub asked: usize,
    /// Positions by seat at its end.
    pub positions: Vec<Option<String>>,
    /// Objections that stood, by id.
    pub raised: Vec<String>,
    /// Objections that were dropped at once, and why.
    pub dropped: Vec<String>,
    /// The evaluator saw that it got better.
    pub better: bool,
    /// Wall time of the answers: as long as the slowest seat.
    pub answers_ms: u64,
    /// Wall time of the slowest seat.
    pub slowest_ms: u64,
    /// Wall time with the critic.
    pub ms: u64,
}

/// A council, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run.
    pub run: String,
    /// The question.
    pub question: String,
    /// The day, `2026-11-25`.
    pub date: String,
    /// Why it ended.
    #[serde(flatten)]
    pub end: End,
    /// What was decided; none when nobody answered.
    pub decision: Option<Decision>,
    /// Rounds.
    pub rounds: Vec<RoundInfo>,
    /// Seats, the critic last.
    pub seats: Vec<SeatInfo>,
    /// All objections and how each was settled.
    pub objections: Vec<Objection>,
    /// What went with the question.
    pub context: Pack,
    /// Tokens, prompts included.
    pub tokens: u64,
    /// What it cost, in billionths of a dollar.
    pub nano_dollars: u64,
    /// Turns that were told again from an earlier run instead of being paid for.
    pub replayed: u32,
    /// Changes that the supervisor suggested and the council made.
    pub changes: Vec<String>,
    /// Wall time.
    pub ms: u64,
}

impl Record {
    /// Objections with one of the statuses that `is` picks.
    pub fn count(&self, is: impl Fn(Status) -> bool) -> usize {
        self.objections.iter().filter(|o| is(o.status)).count()
    }
    /// Objections that were dropped at once.
    pub fn dropped(&self) -> usize {
        self.rounds.iter().map(|round| round.dropped.len()).sum::<usize>()
            + self.count(|s| matches!(s, Status::Dropped(_)))
    }
    /// The answer that was decided on.
    pub fn chosen(&self) -> Option<&Said> {
        self.seats.get(self.decision.as_ref()?.seat)?.said.as_ref()
    }
    /// Seats that stand for something else, with what they say; of a ballot only the numbers are told.
    pub fn dissent(&self) -> Vec<(&SeatInfo, &Said)> {
        let against = self.decision.as_ref().map(|d| d.against.as_slice()).unwrap_or_default();
        against.iter().filter_map(|seat| self.seats.get(*seat)).filter_map(|s| Some((s, s.said.as_ref()?))).collect()
    }
    /// Seats that stood for something else at first and gave way, with what that was.
    pub fn gave_way(&self) -> impl Iterator<Item = (&SeatInfo, &str)> {
        let of = |seat: &SeatInfo, first: &str| seat.said.as_ref().is_some_and(|s| !same_position(first, &s.position));
        let all = self.members().iter().filter_map(|seat| Some((seat, seat.first_position.as_deref()?)));
        all.filter(move |(seat, first)| of(seat, first))
    }
    /// Who sat in the seats, the critic left out.
    pub fn members(&self) -> &[SeatInfo] {
        &self.seats[..self.seats.len().saturating_sub(1)]
    }
}
