//! Five thousand councils, each of five models that do anything (`prd::tests::fuzz` has as many loops of its own): every one ends
//! inside its caps, with a named reason.

use super::*;
use crate::council::debate::CHANGES_MOST;
use crate::model::tokens;
use crate::supervise::opinion::{CAUSES, CHANGES};

/// No server sends more tokens than it was allowed to.
fn allowed(q: &Question, says: Says) -> Says {
    let cut = |mut text: String| {
        // no token is shorter than a byte
        let most = u64::from(q.answer_tokens);
        while text.len() as u64 > most && tokens::count(&text) > most {
            // a sixteenth at a time: what is left is shorter than it may be, and counting stays cheap
            text.truncate(text.floor_char_boundary(text.len() - text.len().div_ceil(16)));
        }
        text
    };
    match says {
        Says::Text(text) => Says::Text(cut(text)),
        Says::As(other, text) => Says::As(other, cut(text)),
        other => other,
    }
}

/// A supervisor who says anything, or nothing.
struct Anybody(u64);

impl Asks for Anybody {
    fn ask<'a>(&'a self, tier: Tier, prompt: &'a str) -> futures::future::BoxFuture<'a, Result<String, String>> {
        let mut chance = Chance::of(&[&self.0, &tier.name(), &prompt.len()]);
        let reply = match chance.below(8) {
            0 => Err("nobody listens".into()),
            1 => Ok(chance.words(12)),
            2 => Ok("{\"cause\": [3], \"change\": null}".into()),
            _ => {
                let (cause, change) = (CAUSES[chance.below(CAUSES.len())], CHANGES[chance.below(CHANGES.len())]);
                let evidence = [chance.below(3), 1 + chance.below(9)];
                Ok(serde_json::json!({"cause": cause, "change": change, "evidence": evidence}).to_string())
            }
        };
        Box::pin(async move { reply })
    }
}

/// Every thirty-second council is looked at.
fn is_overseen(seed: u64) -> bool {
    seed.is_multiple_of(32)
}

/// Models that get nowhere, and now and then do anything: what is looked at has to have something to be seen.
fn stuck(seed: u64, q: &Question) -> Says {
    let mut chance = Chance::of(&[&"stuck", &seed, &q.actor, &q.round, &q.messages.len()]);
    if chance.percent(8) {
        return anything(seed, q);
    }
    let letter = (b'A' + chance.below(3) as u8) as char;
    let severity = ["minor", "major"][chance.below(2)];
    Says::Text(match q.actor.as_str() {
        "critic" => objections(&[(letter, severity, "claim stands", chance.words(8))]),
        _ => json("a", "The claim stands.", &ids(q).into_iter().map(|id| (id, "rebutted", "no")).collect::<Vec<_>>()),
    })
}

async fn overseen(seed: u64, brief: &Brief, turns: &Script) -> Record {
    if !is_overseen(seed) {
        return held(brief, turns).await;
    }
    let kept = Kept::default();
    let steps = || steps(&kept);
    let asks = Anybody(seed);
    let oversight = Oversight { steps: &steps, asks: Some(&asks) };
    let past = Past::new(turns, kept.recorder());
    let same: ledger::Same = Arc::new(|_, _| false);
    hold(brief, &past, &kept.recorder(), &CancellationToken::new(), Some(&oversight), same).await
}

/// Anything that a model may do.
fn anything(seed: u64, q: &Question) -> Says {
    let mut chance = Chance::of(&[&seed, &q.actor, &q.round, &q.messages.len(), &q.model.as_deref().unwrap_or("")]);
    let reply = if q.actor == "critic" {
        let text = &q.messages[1].content;
        let list: Vec<_> = (0..chance.below(9))
            .map(|_| {
                let letter = (b'A' + chance.below(5) as u8) as char;
                let from = text.char_indices().map(|(i, _)| i).nth(chance.below(text.len() / 2)).unwrap_or(0);
                let quote: String = if chance.percent(70) {
                    text[from..].split_whitespace().take(4).collect::<Vec<_>>().join(" ")
                } else {
                    chance.words(3)
                };
                let why = if chance.percent(30) { "the same old thing again".into() } else { chance.words(6) };
                (letter, ["minor", "major", "blocker", "?"][chance.below(4)], quote, why)
            })
            .collect();
        let list: Vec<_> = list.iter().map(|(l, s, q, w)| (*l, *s, q.as_str(), w.clone())).collect();
        objections(&list)
    } else {
        let verdicts = ["accepted", "rebutted", "partly", "maybe"];
        let responses: Vec<_> = ids(q).into_iter().map(|id| (id, verdicts[chance.below(4)], "a reason")).collect();
        json(&chance.words(2), &chance.words(20), &responses)
    };
    match chance.below(20) {
        0 => Says::Text(String::new()),
        1 => Says::Text(reply[..reply.char_indices().nth(reply.chars().count() / 2).map_or(0, |(i, _)| i)].to_owned()),
        2 => Says::Text(format!("<think>{}</think>```json\n{reply}\n```", chance.words(5))),
        3 => Says::Text(format!("<think>{}", chance.words(5))),
        4 => Says::Text(chance.words(30)),
        5 => Says::Text("{\"a\": [[[[{}]]]]}".into()),
        6 => Says::As(["apple-9b", "zinnia-9b", "birch-1"][chance.below(3)], reply),
        7 => Says::Trouble(
            [
                Trouble::Gone,
                Trouble::TimedOut,
                Trouble::RateLimited { after: None },
                Trouble::Truncated,
                Trouble::OutOfBudget { what: "money".into() },
            ][chance.below(5)]
            .clone(),
        ),
        _ => Says::Text(reply),
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "the measured numbers are what a person wants to see")]
fn five_thousand_fuzzed_councils_end_inside_their_caps_with_a_named_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut ends: std::collections::BTreeMap<String, usize> = Default::default();
    let mut made: std::collections::BTreeMap<usize, usize> = Default::default();
    runtime.block_on(async {
        for seed in 0..5_000_u64 {
            let mut chance = Chance(seed);
            let rules = Rules {
                rounds: 1 + chance.below(6) as u32,
                free_rounds: chance.below(9) as u32,
                tokens: 1000 + 1000 * chance.below(30) as u64,
                answer_tokens: 400,
                seed,
                ..Rules::default()
            };
            let turns = script(move |q| allowed(q, if is_overseen(seed) { stuck(seed, q) } else { anything(seed, q) }));
            let brief = brief(rules.clone());
            let record = overseen(seed, &brief, &turns).await;
            let (rounds, changes) = (record.rounds.len(), record.changes.len());
            assert!(changes <= CHANGES_MOST && (changes == 0 || is_overseen(seed)), "{seed}: {:?}", record.changes);
            *made.entry(changes).or_default() += 1;
            let most = rules.rounds.max(rules.free_rounds) as usize;
            assert!(rounds <= most + changes, "{seed}: {rounds} rounds, {changes} changes");
            assert!(record.tokens <= rules.tokens, "{seed}: {} of {} tokens", record.tokens, rules.tokens);
            assert!(record.objections.len() <= rounds * ledger::RAISED_MOST, "{seed}");
            assert!(record.rounds.iter().all(|r| r.dropped.len() <= 50), "{seed}");
            assert!(turns.questions().len() <= (rounds + 2) * 12, "{seed}: {} turns", turns.questions().len());
            *ends.entry(record.end.name()).or_default() += 1;
        }
    });
    eprintln!("ends of 5,000 fuzzed councils: {ends:?}; changes of the supervisor: {made:?}");
    assert!(ends.len() >= 7, "the fuzz reaches few endings: {ends:?}");
    assert!(made.len() >= 3, "the supervisor hardly ever changes anything: {made:?}");
}
