//! One line for each thing that happens in a loop that thinks in turns.

use crate::report::escape::one_line;
use crate::report::numbers::{count, seconds};
use crate::trajectory::LoopEvent;

/// The line; none for what people need not see.
pub fn line(event: &LoopEvent) -> Option<String> {
    let text = |text: &str| one_line(text, 160);
    Some(match event {
        LoopEvent::Began { of, subject, .. } => format!("{}: {}", of.name(), text(subject)),
        LoopEvent::Turn(turn) => {
            let who = format!("round {} {}", turn.round, text(&turn.actor));
            let model = text(if turn.answered_by.is_empty() { &turn.model } else { &turn.answered_by });
            let how = match (turn.outcome.as_str(), turn.replayed, turn.cached) {
                ("answered", true, _) => "told again".to_owned(),
                ("answered", false, true) => "from the cache".to_owned(),
                ("answered", false, false) => format!("{} tokens", turn.answer_tokens),
                (trouble, ..) => text(trouble),
            };
            format!("{who}: {model} {how} ({})", seconds(turn.ms))
        }
        LoopEvent::Objected { round, id, seat, severity, text: why, dropped, .. } => match dropped {
            None => format!("round {round} {} to {}, {}: {}", text(id), text(seat), text(severity), text(why)),
            Some(reason) => format!("round {round} objection to {} dropped: {}", text(seat), text(reason)),
        },
        LoopEvent::Settled { round, id, status, reason, .. } => {
            format!("round {round} {} {}: {}", text(id), text(status), text(reason))
        }
        LoopEvent::RoundEnded { round, words, ms, .. } => format!("round {round}: {} ({})", text(words), seconds(*ms)),
        LoopEvent::Scored { round, section: None, dimension, score, threshold, .. } => {
            format!("round {round} {}: {score:.2} of {threshold:.2}", text(dimension))
        }
        LoopEvent::Scored { .. } => return None,
        LoopEvent::Revised { round, section, taken, why, .. } => {
            let how = if *taken { "rewritten" } else { "left as it was" };
            let why = if why.is_empty() { String::new() } else { format!(": {}", text(why)) };
            format!("round {round} section {}: {how}{why}", section + 1)
        }
        LoopEvent::Diagnosed { tier, cause, change, .. } => {
            format!(
                "stuck ({}): {}, try {}",
                text(tier),
                text(&cause.replace('_', " ")),
                text(&change.replace('_', " "))
            )
        }
        LoopEvent::Tried { change, applied, .. } => {
            format!("{} {}", if *applied { "applied:" } else { "not applied:" }, text(&change.replace('_', " ")))
        }
        LoopEvent::Resolved { cause, .. } => format!("no longer stuck: {}", text(&cause.replace('_', " "))),
        LoopEvent::Ended { of, why, rounds, .. } => {
            let rounds = count(usize::try_from(*rounds).unwrap_or(usize::MAX), "round");
            format!("{} ended after {rounds}: {}", of.name(), text(why))
        }
    })
}
