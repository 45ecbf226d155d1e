//! The ledger of objections: what the critic raised, whether its words stand there, and how each was settled.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::turns::text::{self, likeness};

/// How much hangs on an objection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A trifle.
    Minor,
    /// The answer is worse for it.
    Major,
    /// With it the answer is wrong.
    Blocker,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Minor => "minor",
            Severity::Major => "major",
            Severity::Blocker => "blocker",
        }
    }

    /// From whatever word a model uses; what is not known is a trifle: an objection earns its weight.
    pub fn of(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "blocker" | "critical" | "fatal" | "severe" => Severity::Blocker,
            "major" | "high" | "serious" | "medium" | "moderate" | "important" => Severity::Major,
            _ => Severity::Minor,
        }
    }

    /// What it weighs when rounds are compared.
    pub fn weight(self) -> u32 {
        match self {
            Severity::Minor => 1,
            Severity::Major => 3,
            Severity::Blocker => 6,
        }
    }
}

/// What the critic may judge; anything else is off its rubric, and a trifle.
pub const RUBRIC: &[&str] = &["correctness", "completeness", "feasibility", "risk", "consistency"];

/// Objections of one round; more are noise.
pub const RAISED_MOST: usize = 6;

/// Texts that share so many words are one objection.
const SAME: f64 = 0.6;
/// With the same quoted words this is enough.
const SAME_QUOTE: f64 = 0.3;

/// An objection as the critic wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw {
    /// Index of the seat; none: it named nobody who is there.
    pub seat: Option<usize>,
    /// As written.
    pub severity: String,
    /// One of [`RUBRIC`], or not.
    pub criterion: String,
    /// The exact words that it objects to.
    pub quote: String,
    /// Why.
    pub why: String,
    /// What is new about it, when it was raised before.
    pub evidence: String,
}

/// Why an objection is dropped without anybody answering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// It is about nobody.
    NoSuchSeat,
    /// It gives no reason.
    NoReason,
    /// It quotes nothing, or too little to be found again.
    NoQuote,
    /// The quoted words are not in the answer.
    NotInText,
    /// It was settled before, and nothing is new about it.
    SettledBefore,
    /// It was raised twice in one round.
    Twice,
    /// More than a round's worth.
    TooMany,
    /// The supervisor's suggestion.
    Suggested,
}

impl Dropped {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Dropped::NoSuchSeat => "it is about no seat that is there",
            Dropped::NoReason => "it gives no reason",
            Dropped::NoQuote => "it quotes no words that could be found again",
            Dropped::NotInText => "the quoted words are not there",
            Dropped::SettledBefore => "it was settled before, and nothing is new about it",
            Dropped::Twice => "it was raised twice",
            Dropped::TooMany => "there were more than a round's worth",
            Dropped::Suggested => "dropped as the supervisor suggested",
        }
    }
}

/// Where an objection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "status", content = "why")]
pub enum Status {
    /// Nobody has answered it.
    Open,
    /// The seat changed its answer because of it.
    Accepted,
    /// The seat changed a part.
    Partly,
    /// The seat says why it does not hold.
    Rebutted,
    /// It counts for nothing.
    Dropped(Dropped),
}

impl Status {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Accepted => "accepted",
            Status::Partly => "partly",
            Status::Rebutted => "rebutted",
            Status::Dropped(_) => "dropped",
        }
    }
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Objection {
    /// `O1`, `O2`, …
    pub id: String,
    /// The round in which it was raised first.
    pub round: u32,
    /// Index of the seat.
    pub seat: usize,
    /// How much hangs on it.
    pub severity: Severity,
    /// What it judges.
    pub criterion: String,
    /// The words that it objects to.
    pub quote: String,
    /// Why.
    pub why: String,
    /// Where it stands.
    pub status: Status,
    /// The seat's reason.
    pub reason: String,
    /// Rounds in which it was raised again.
    pub again: Vec<u32>,
}

/// What a seat says to an objection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It is right.
    Accepted,
    /// A part of it is.
    Partly,
    /// It is not.
    Rebutted,
}

/// A seat's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The objection.
    pub id: String,
    /// What it says.
    pub says: Says,
    /// Why.
    pub reason: String,
}

/// What became of something that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It stands, as this objection.
    Stands {
        /// Its name.
        id: String,
        /// Raised before and not settled, or settled and reopened with new evidence.
        again: bool,
    },
    /// It does not.
    Drops(Dropped),
}

/// A raised objection with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// As the critic wrote it.
    pub raw: Raw,
    /// What the ledger makes of its severity.
    pub severity: Severity,
    /// It is about something that the critic was asked to judge.
    pub on_rubric: bool,
    /// The quoted words stand in the answer that it is about; where it is about nobody, in any.
    pub quote_found: bool,
    /// What became of it.
    pub outcome: Outcome,
}

impl Raised {
    /// It was dropped because it does not hold together: nobody had to read it for that.
    pub fn is_unfounded(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Drops(Dropped::NoSuchSeat | Dropped::NoReason | Dropped::NoQuote | Dropped::NotInText)
        )
    }
}

/// A response with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The objection.
    pub id: String,
    /// Its status now.
    pub status: Status,
    /// How much hung on it.
    pub severity: Severity,
    /// The seat's reason.
    pub reason: String,
}

/// Do two texts say the same in other words?
pub type Same = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// All objections.
#[derive(Clone)]
pub struct Ledger {
    objections: Vec<Objection>,
    same: Same,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ledger").field(&self.objections).finish()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(Arc::new(|_, _| false))
    }
}

impl Ledger {
    /// Nothing raised yet. `same` sees what words alone do not: a paraphrase.
    pub fn new(same: Same) -> Self {
        Self { objections: Vec::new(), same }
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Objection] {
        &self.objections
    }

    /// Those that nobody has answered.
    pub fn open(&self) -> impl Iterator<Item = &Objection> {
        self.objections.iter().filter(|o| o.status == Status::Open)
    }

    /// Takes what the critic raised in `round` about `texts` (one per seat; empty: no answer).
    pub fn raise(&mut self, round: u32, raised: &[Raw], texts: &[String]) -> Vec<Raised> {
        let mut touched: Vec<String> = Vec::new();
        let mut taken = 0;
        let mut out = Vec::new();
        for raw in raised {
            let on_rubric = RUBRIC.contains(&raw.criterion.trim().to_ascii_lowercase().as_str());
            let severity = if on_rubric { Severity::of(&raw.severity) } else { Severity::Minor };
            let outcome = match self.checked(raw, texts) {
                Err(why) => Outcome::Drops(why),
                Ok(_) if taken >= RAISED_MOST => Outcome::Drops(Dropped::TooMany),
                Ok(seat) => self.take(round, seat, raw, severity, &mut touched),
            };
            taken += usize::from(matches!(outcome, Outcome::Stands { .. }));
            let quote_found = is_quoted(raw, texts);
            out.push(Raised { raw: raw.clone(), severity, on_rubric, quote_found, outcome });
        }
        out
    }

    /// The seat that it is about, when it holds together.
    fn checked(&self, raw: &Raw, texts: &[String]) -> Result<usize, Dropped> {
        let seat =
            raw.seat.filter(|seat| texts.get(*seat).is_some_and(|t| !t.is_empty())).ok_or(Dropped::NoSuchSeat)?;
        if raw.why.trim().is_empty() {
            return Err(Dropped::NoReason);
        }
        if !text::can_be_found(&raw.quote) {
            return Err(Dropped::NoQuote);
        }
        if !text::stands_in(&raw.quote, &texts[seat]) {
            return Err(Dropped::NotInText);
        }
        Ok(seat)
    }

    fn take(&mut self, round: u32, seat: usize, raw: &Raw, severity: Severity, touched: &mut Vec<String>) -> Outcome {
        let known = self.objections.iter().position(|known| known.seat == seat && self.is_same(known, raw));
        let Some(at) = known else {
            let id = format!("O{}", self.objections.len() + 1);
            touched.push(id.clone());
            self.objections.push(Objection {
                id: id.clone(),
                round,
                seat,
                severity,
                criterion: text::short(&raw.criterion, 40),
                quote: text::short(&raw.quote, 400),
                why: text::short(&raw.why, 1000),
                status: Status::Open,
                reason: String::new(),
                again: Vec::new(),
            });
            return Outcome::Stands { id, again: false };
        };
        let objection = &mut self.objections[at];
        if touched.contains(&objection.id) {
            return Outcome::Drops(Dropped::Twice);
        }
        let new = is_new_evidence(&raw.evidence, objection);
        let reopens = match objection.status {
            Status::Open => true,
            Status::Accepted | Status::Partly | Status::Rebutted => new,
            Status::Dropped(_) => false,
        };
        if !reopens {
            return Outcome::Drops(Dropped::SettledBefore);
        }
        objection.again.push(round);
        if objection.status != Status::Open {
            objection.why = text::short(&format!("{} New: {}", objection.why, raw.evidence), 1000);
            objection.status = Status::Open;
        }
        touched.push(objection.id.clone());
        Outcome::Stands { id: objection.id.clone(), again: true }
    }

    fn is_same(&self, known: &Objection, raw: &Raw) -> bool {
        let alike = likeness(&known.why, &raw.why);
        let quote = text::plain(&known.quote) == text::plain(&raw.quote);
        alike >= SAME || (quote && alike >= SAME_QUOTE) || (self.same)(&known.why, &raw.why)
    }

    /// Takes what `seat` says to its objections. `before` and `now` are its answers: who accepts and changes nothing has
    /// not accepted.
    pub fn settle(&mut self, seat: usize, responses: &[Response], before: &str, now: &str) -> Vec<Settled> {
        let changed = text::plain(before) != text::plain(now);
        let mut out = Vec::new();
        for response in responses {
            let Some(objection) =
                self.objections.iter_mut().find(|o| o.id == response.id && o.seat == seat && o.status == Status::Open)
            else {
                continue;
            };
            let status = match response.says {
                Says::Accepted if changed => Status::Accepted,
                Says::Partly if changed => Status::Partly,
                Says::Rebutted if !response.reason.trim().is_empty() => Status::Rebutted,
                // words without a change, or a no without a reason
                Says::Accepted | Says::Partly | Says::Rebutted => continue,
            };
            objection.status = status;
            objection.reason = text::short(&response.reason, 600);
            let (id, severity, reason) = (objection.id.clone(), objection.severity, objection.reason.clone());
            out.push(Settled { id, status, severity, reason });
        }
        out
    }

    /// Settles open objections to words that stand in no answer (one per seat in `texts`) any more: the critic has read what is
    /// there now and raised nothing.
    pub fn settle_gone(&mut self, texts: &[String]) -> Vec<Settled> {
        let is_gone =
            |o: &&mut Objection| texts.get(o.seat).is_some_and(|t| !t.is_empty() && !text::stands_in(&o.quote, t));
        let open = self.objections.iter_mut().filter(|o| o.status == Status::Open).filter(is_gone);
        open.map(|o| {
            o.status = Status::Partly;
            o.reason = "the words are gone, and the critic objects to nothing in their place".into();
            Settled { id: o.id.clone(), status: o.status, severity: o.severity, reason: o.reason.clone() }
        })
        .collect()
    }

    /// Drops all that is open; for a suggestion that says so.
    pub fn drop_open(&mut self) -> Vec<String> {
        let open = self.objections.iter_mut().filter(|o| o.status == Status::Open);
        open.map(|o| {
            o.status = Status::Dropped(Dropped::Suggested);
            o.id.clone()
        })
        .collect()
    }
}

/// Do the quoted words stand in the text that they are said to be of?
fn is_quoted(raw: &Raw, texts: &[String]) -> bool {
    let stands = |text: &String| text::can_be_found(&raw.quote) && text::stands_in(&raw.quote, text);
    match raw.seat.and_then(|seat| texts.get(seat)) {
        Some(text) => stands(text),
        None => texts.iter().any(stands),
    }
}

/// Evidence is new when it says something that neither the objection nor the seat's reason said.
fn is_new_evidence(evidence: &str, objection: &Objection) -> bool {
    let words = text::words(evidence);
    let told = text::words(&format!("{} {} {}", objection.why, objection.reason, objection.quote));
    let fresh = words.difference(&told).count();
    words.len() >= 4 && 2 * fresh >= words.len()
}

#[cfg(test)]
#[path = "tests/ledger.rs"]
mod tests;
