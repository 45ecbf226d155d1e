//! What is said to seats, critic and voters: prompts made of the question, the context and the ledger.

use super::Brief;
use super::anonymise::Letters;
use super::ledger::{Objection, Outcome, Raised, Status};
use super::read::{self, Said};
use crate::model::{Message, Role};
use crate::trajectory::Loop;
use crate::turns::Question;
use crate::turns::text::{clipped, short};

const SEAT: &str = include_str!("prompts/seat.md");
const AGAIN: &str = include_str!("prompts/again.md");
const CRITIC: &str = include_str!("prompts/critic.md");
const STRICTER: &str = include_str!("prompts/stricter.md");
const BALLOT: &str = include_str!("prompts/ballot.md");

/// A settled objection in a prompt, shortened.
const SETTLED_CHARS: usize = 160;
/// Settled objections that the critic is told of, the latest.
const SETTLED_MOST: usize = 10;

/// Changes that the supervisor suggested and the council made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// The critic's rubric is worded more strictly.
    pub stricter: bool,
    /// Temperature of the seats, in thousandths.
    pub temperature_milli: u16,
}

/// The name of a seat in events.
pub fn seat_name(seat: usize) -> String {
    format!("seat {}", seat + 1)
}

fn asked(brief: &Brief) -> String {
    let mut out = format!("# Question\n\n{}\n", brief.question.trim());
    if !brief.pack.text.is_empty() {
        out.push_str(&format!("\n# Context\n\n{}\n", brief.pack.text));
    }
    out
}

fn question(brief: &Brief, actor: String, round: u32, role: Role, messages: Vec<Message>) -> Question {
    Question {
        of: Loop::Council,
        actor,
        round,
        role,
        messages,
        asks: Some(brief.question.trim().to_owned()),
        schema: None,
        answer_tokens: brief.rules.answer_tokens,
        temperature_milli: 0,
        deadline: brief.rules.seat_limit(),
        model: None,
        not: Default::default(),
        evidence: None,
    }
}

/// The first question to a seat.
pub fn first(brief: &Brief, seat: usize, tuning: Tuning) -> Question {
    let messages = vec![Message::system(SEAT), Message::user(asked(brief))];
    Question {
        schema: Some(read::seat_schema()),
        model: Some(brief.table.seats[seat].name.clone()),
        temperature_milli: tuning.temperature_milli,
        ..question(brief, seat_name(seat), 1, Role::Answer, messages)
    }
}

/// The question to a seat whose answer there are objections to. `changes`: what others changed since, without names.
pub fn again(
    brief: &Brief,
    seat: usize,
    round: u32,
    said: &Said,
    objections: &[&Objection],
    changes: &[String],
    tuning: Tuning,
) -> Question {
    let mut criticism = String::from("# Objections to your answer\n\n");
    for o in objections {
        criticism.push_str(&format!(
            "{} ({}, {}): “{}”\n  {}\n",
            o.id,
            o.severity.name(),
            short(&o.criterion, 40),
            o.quote,
            o.why
        ));
    }
    if !changes.is_empty() {
        criticism.push_str("\n# What changed in other answers since\n\n");
        changes.iter().for_each(|change| criticism.push_str(&format!("- {change}\n")));
    }
    criticism.push_str(&format!("\n{AGAIN}"));
    let before = serde_json::json!({"position": said.position, "answer": said.answer}).to_string();
    let messages =
        vec![Message::system(SEAT), Message::user(asked(brief)), Message::assistant(before), Message::user(criticism)];
    Question {
        schema: Some(read::seat_schema()),
        model: Some(brief.table.seats[seat].name.clone()),
        temperature_milli: tuning.temperature_milli,
        ..question(brief, seat_name(seat), round, Role::Answer, messages)
    }
}

/// The question to the critic: all answers (as `texts` by seat, names hidden), behind letters.
pub fn critic(
    brief: &Brief,
    round: u32,
    letters: &Letters,
    texts: &[String],
    ledger: &[Objection],
    tuning: Tuning,
    model: &str,
) -> Question {
    let mut user = asked(brief);
    user.push_str("\n# Answers\n\n");
    for (letter, seat) in letters.iter() {
        user.push_str(&format!("## Answer {letter}\n\n{}\n\n", texts.get(seat).map_or("", String::as_str)));
    }
    let settled = |o: &&Objection| matches!(o.status, Status::Accepted | Status::Partly | Status::Rebutted);
    let done: Vec<&Objection> = ledger.iter().filter(settled).collect();
    if !done.is_empty() {
        user.push_str("# Settled objections\n\n");
        for o in &done[done.len().saturating_sub(SETTLED_MOST)..] {
            let letter = letters.letter(o.seat).map_or_else(|| "-".to_owned(), |l| l.to_string());
            let (why, reason) = (short(&o.why, SETTLED_CHARS), short(&o.reason, SETTLED_CHARS));
            user.push_str(&format!("- answer {letter}, {}: {why} ({reason})\n", o.status.name()));
        }
    }
    let rules = if tuning.stricter { format!("{CRITIC}\n{STRICTER}") } else { CRITIC.to_owned() };
    let messages = vec![Message::system(rules), Message::user(user)];
    Question {
        schema: Some(read::critic_schema()),
        model: Some(model.to_owned()),
        not: brief.table.seats.iter().map(|seat| seat.lineage.clone()).collect(),
        ..question(brief, "critic".into(), round, Role::Criticise, messages)
    }
}

/// The same question to a critic of whose objections none holds together: which, and why not.
pub fn unfounded(question: &Question, letters: &Letters, raised: &[Raised]) -> Question {
    let mut again = question.clone();
    let mut text = String::from("None of your objections could be used:\n\n");
    for one in raised {
        let Outcome::Drops(why) = &one.outcome else { continue };
        let of =
            one.raw.seat.and_then(|seat| letters.letter(seat)).map(|l| format!(", answer {l}")).unwrap_or_default();
        text.push_str(&format!("- “{}”{of}: {}\n", short(&one.raw.quote, 120), why.words()));
    }
    text.push_str(
        "\nQuote words exactly as they stand in the answer that you name, and say what is wrong with them. Reply with the JSON \
         object alone; when nothing is wrong with the answers, with an empty list.",
    );
    again.messages.push(Message::user(text));
    // a kept answer to another wording is none to this
    again.asks = None;
    again
}

/// The question to a voter.
pub fn ballot(brief: &Brief, seat: usize, round: u32, letters: &Letters, said: &[Option<Said>]) -> Question {
    let mut user = asked(brief);
    user.push_str("\n# Answers\n\n");
    for (letter, seat) in letters.iter() {
        if let Some(said) = said.get(seat).and_then(Option::as_ref) {
            let answer = clipped(&said.answer, 1500);
            user.push_str(&format!("## Answer {letter}\n\n{}\n\n{answer}\n\n", said.position));
        }
    }
    const BALLOT_TOKENS: u32 = 150;
    let messages = vec![Message::system(BALLOT), Message::user(user)];
    Question {
        schema: Some(read::ballot_schema()),
        model: Some(brief.table.seats[seat].name.clone()),
        answer_tokens: BALLOT_TOKENS,
        ..question(brief, format!("{} votes", seat_name(seat)), round, Role::Score, messages)
    }
}
