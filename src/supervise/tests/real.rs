//! Writes labelled logs in the words that the loops of this program write: the same hidden causes as in `synthetic`, seen through
//! events of `heal`, the council and the PRD loop.

use serde_json::{Value, json};

use super::synthetic::{CAUSES, Log, Writer};
use crate::chance::Chance;
use crate::supervise::Cause;
use crate::trajectory::{Event, Loop, LoopEvent, TurnTaken};

/// The words of an answer, as a hash of them.
fn hash(of: &str) -> String {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    of.bytes().for_each(|b| h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{h:016x}")
}

impl Writer {
    fn real(&mut self, event: &Event) {
        let value = serde_json::to_value(event).unwrap();
        self.event(value);
    }
    fn in_loop(&mut self, event: LoopEvent) {
        self.real(&Event::Loop(event));
    }
    fn took(&mut self, of: Loop, actor: &str, round: u32, outcome: &str, words: &str) {
        let answered = outcome == "answered";
        let tokens = if answered { 200 + self.chance.below(700) as u64 } else { 0 };
        self.in_loop(LoopEvent::Turn(TurnTaken {
            of,
            actor: actor.into(),
            round,
            key: hash(&format!("{actor}{round}{words}")),
            outcome: outcome.into(),
            model: "own/a-7b".into(),
            answered_by: if answered { "a-7b".into() } else { String::new() },
            family: "a".into(),
            words: if answered { hash(words) } else { String::new() },
            content: words.into(),
            prompt_tokens: if answered { 300 } else { 0 },
            answer_tokens: tokens,
            nano_dollars: 0,
            cached: false,
            replayed: false,
            ms: 900,
        }));
    }
    fn answered(&mut self, of: Loop, actor: &str, round: u32) {
        let words = self.words(14);
        self.took(of, actor, round, "answered", &words);
    }
    fn objected(&mut self, round: u32, why: &str, severity: &str, quote_found: bool, on_rubric: bool) -> String {
        let id = format!("O{}", self.lines.len());
        let seat = format!("seat {}", 1 + self.chance.below(3));
        self.in_loop(LoopEvent::Objected {
            round,
            id: if quote_found { id.clone() } else { String::new() },
            seat,
            severity: severity.into(),
            text: why.into(),
            quote: "some words".into(),
            quote_found,
            on_rubric,
            dropped: (!quote_found).then(|| "the quoted words are not there".into()),
        });
        id
    }
    fn settled(&mut self, round: u32, id: &str, accepted: bool) {
        let status = if accepted { "accepted" } else { "rebutted" };
        self.in_loop(LoopEvent::Settled { round, id: id.into(), status: status.into(), accepted, reason: "so".into() });
    }
    fn round_ended(&mut self, of: Loop, round: u32, better: bool) {
        self.in_loop(LoopEvent::RoundEnded { of, round, better, words: "so and so".into(), ms: 900 });
    }
    fn scored(&mut self, round: u32, section: Option<usize>, dimension: &str, score: f64) {
        let revision = hash(&format!("{round}{section:?}"));
        self.in_loop(LoopEvent::Scored {
            round,
            section,
            revision,
            dimension: dimension.into(),
            score,
            threshold: 0.8,
        });
    }
    fn rewritten(&mut self, round: u32, section: usize, from: &str, to: &str) {
        let (from, to) = (hash(from), hash(to));
        self.in_loop(LoopEvent::Revised { round, section, from, to, taken: true, why: String::new() });
    }
    fn asked_model(&mut self, fixer: &str, words: &str) {
        self.event(json!({"event": "model_answered", "fixer": fixer, "model": "own/a", "answered_by": "a", "outcome": "answered",
            "prompt_tokens": 400, "answer_tokens": 200, "nano_dollars": 0, "requests": 1, "ms": 5, "cached": null,
            "answer_hash": hash(words)}));
    }
    fn over(&mut self, of: Loop, why: &str, good: bool, rounds: u32) {
        self.in_loop(LoopEvent::Ended { of, why: why.into(), good, rounds });
        let exit = if good { 0 } else { 61 };
        self.event(json!({"event": "run_ended", "outcome": "so", "exit": exit, "ms": 9000, "runs": {}}));
    }
    /// What happens in any loop and says nothing about it.
    fn aside(&mut self, of: Loop, round: u32) {
        match self.chance.below(7) {
            0 => self.took(of, "seat 1", round, "rate-limited", ""),
            1 => {
                let text = self.words(6);
                self.event(json!({"event": "note", "text": text}));
            }
            2 => self.event(json!({"event": "slots_changed", "server": "own", "slots": 2})),
            _ => {}
        }
    }
    /// One event that points to another cause.
    fn stray(&mut self, of: Loop, round: u32, but: Option<Cause>) {
        let other = CAUSES[self.chance.below(CAUSES.len())];
        let text = self.words(7);
        match other {
            _ if Some(other) == but => {}
            Cause::CriticOffRubric => drop(self.objected(round, &text, "minor", true, false)),
            Cause::HallucinatedObjection => drop(self.objected(round, &text, "major", false, true)),
            Cause::Environment => self.took(of, "seat 2", round, "unreachable", ""),
            Cause::FlakyTest => self.judged("undo#0", "unstable", &text),
            Cause::WrongTest => self.judged("mutate#0", "tampered", &text),
            Cause::AmbiguousPrompt | Cause::Budget | Cause::Unclear => {}
        }
    }
}

fn began(seed: u64, of: Loop) -> Writer {
    let mut w = Writer { chance: Chance(seed), lines: Vec::new() };
    w.event(
        json!({"event": "run_started", "version": "0.1.0", "command": of.name(), "repository": "/r", "seed": seed}),
    );
    if of != Loop::Heal {
        w.in_loop(LoopEvent::Began { of, subject: "which?".into(), asked_with: Value::Null });
    }
    w
}

/// A log with `cause`, of `seed`.
pub fn stalled(cause: Cause, seed: u64) -> Log {
    let in_prd = Chance(seed ^ 0xabc).below(2) == 0;
    let lines = match cause {
        Cause::FlakyTest | Cause::WrongTest | Cause::Environment | Cause::Unclear => heal(cause, seed),
        Cause::CriticOffRubric | Cause::HallucinatedObjection => council(cause, seed),
        Cause::AmbiguousPrompt | Cause::Budget if in_prd => prd(cause, seed),
        Cause::AmbiguousPrompt | Cause::Budget => council(cause, seed),
    };
    Log { cause: Some(cause), lines }
}

fn heal(cause: Cause, seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Heal);
    let rounds = 5 + w.chance.below(5);
    let subject = w.words(9);
    let distracted = w.chance.below(rounds * 2);
    for round in 0..rounds {
        if round == distracted {
            w.stray(Loop::Heal, 1, Some(cause));
        }
        w.aside(Loop::Heal, 1);
        let (clear, number) = (!w.chance.one_in(3), w.chance.below(900));
        match cause {
            Cause::FlakyTest => {
                let red: &[&str] = if w.chance.one_in(2) { &["t::a"] } else { &[] };
                w.suite("rerun", "snapshot", red, json!({"how": "exited", "value": i32::from(!red.is_empty())}));
                let verdict = if clear { "unstable" } else { "still_red" };
                w.judged(&format!("mutate#{round}"), verdict, &format!("{subject}: expected {number}"));
            }
            Cause::WrongTest => {
                let words = w.words(12);
                w.asked_model("minimal", &words);
                let verdict = if clear { "still_red" } else { ["tampered", "regressed"][w.chance.below(2)] };
                w.judged(&format!("minimal#{round}"), verdict, &format!("{subject}: expected 10.02, got {number}"));
            }
            _ => {
                let end = if clear { json!({"how": "not_found"}) } else { json!({"how": "exited", "value": 127}) };
                w.suite("red", "snapshot", &["(suite)"], end);
                w.judged(&format!("undo#{round}"), "still_red", &format!("{subject} is missing"));
            }
        }
        if w.chance.one_in(2) {
            w.failure("f1");
        }
    }
    w.event(json!({"event": "run_ended", "outcome": "escalated", "exit": 30, "ms": 9000, "runs": {}}));
    w.lines
}

/// A council that gets nowhere: as long as by default, or some rounds longer; it says so itself, ends at a cap, or was killed.
fn council(cause: Cause, seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Council);
    let rounds = 3 + w.chance.below(3) as u32;
    let subject = w.words(9);
    let distracted = 1 + w.chance.below(6) as u32;
    let mut open: Vec<String> = Vec::new();
    for round in 1..=rounds {
        if round == distracted {
            w.stray(Loop::Council, round, Some(cause));
        }
        w.aside(Loop::Council, round);
        let seats = if round == 1 { 3 } else { 1 + w.chance.below(3) };
        for seat in 1..=seats {
            let actor = format!("seat {seat}");
            match cause {
                // there and back again, word for word
                Cause::AmbiguousPrompt if seat == 1 => {
                    let words = if round % 2 == 0 { format!("{subject} alpha") } else { format!("{subject} omega") };
                    w.took(Loop::Council, &actor, round, "answered", &words);
                }
                _ => w.answered(Loop::Council, &actor, round),
            }
        }
        let accepts = cause == Cause::AmbiguousPrompt;
        std::mem::take(&mut open).iter().for_each(|id| w.settled(round, id, accepts));
        w.answered(Loop::Council, "critic", round);
        let clear = !w.chance.one_in(3);
        match cause {
            Cause::CriticOffRubric => {
                for _ in 0..1 + w.chance.below(3) {
                    let (why, severity) = (w.words(8), if w.chance.one_in(5) { "major" } else { "minor" });
                    open.push(w.objected(round, &why, severity, true, !clear));
                }
            }
            Cause::HallucinatedObjection => {
                for _ in 0..1 + w.chance.below(2) {
                    let why = if w.chance.one_in(4) { w.words(8) } else { subject.clone() };
                    w.objected(round, &why, "major", !clear, true);
                }
                let why = w.words(8);
                open.push(w.objected(round, &why, "major", true, true));
            }
            _ => {
                let why = w.words(8);
                open.push(w.objected(round, &why, "major", true, true));
            }
        }
        if cause == Cause::Budget && round == rounds && clear {
            w.took(Loop::Council, "critic", round, "out-of-budget", "");
        }
        // the first way back is not seen as one yet
        w.round_ended(Loop::Council, round, round == 1 || accepts && round == 2);
    }
    let why = match cause {
        Cause::Budget => ["token-cap", "money-cap", "time-cap"][w.chance.below(3)],
        Cause::AmbiguousPrompt => "stalled-flip-flop",
        _ => ["stalled-reseeding", "stalled-plateau", "stalled-same-objection"][w.chance.below(3)],
    };
    match w.chance.below(4) {
        0 => w.over(Loop::Council, "round-cap", false, rounds),
        1 if cause != Cause::Budget => {}
        _ => w.over(Loop::Council, why, false, rounds),
    }
    w.lines
}

/// A document of three sections, of which one does not get better.
fn prd(cause: Cause, seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Prd);
    let rounds = 4 + w.chance.below(3) as u32;
    let subject = w.words(9);
    let fixed = 0.5 + w.chance.below(200) as f64 / 1000.0;
    for round in 0..rounds {
        w.aside(Loop::Prd, round);
        for reviewer in 1..=3 {
            // reviewers say of a text what they said of it
            let words = match (cause, round % 2) {
                (Cause::AmbiguousPrompt, odd) => format!("{subject} {reviewer} {odd}"),
                _ => w.words(12),
            };
            w.took(Loop::Prd, &format!("reviewer {reviewer} of section 2"), round, "answered", &words);
        }
        let words = match cause {
            Cause::AmbiguousPrompt => format!("{subject} {}", if round % 2 == 0 { "alpha" } else { "omega" }),
            _ => w.words(14),
        };
        w.took(Loop::Prd, "writer of section 2", round, "answered", &words);
        let wobble = w.chance.below(8) as f64 / 1000.0;
        for section in [Some(0), Some(1), Some(2), None] {
            let score = if matches!(section, Some(1) | None) { fixed + wobble } else { 0.95 };
            w.scored(round, section, "clarity", score);
        }
        w.rewritten(round, 1, &format!("{round}"), &words);
        if cause == Cause::Budget && round + 1 == rounds && !w.chance.one_in(3) {
            w.took(Loop::Prd, "writer of section 2", round, "out-of-budget", "");
        }
        w.round_ended(Loop::Prd, round + 1, false);
    }
    match (cause, w.chance.below(4)) {
        (Cause::Budget, n) => w.over(Loop::Prd, ["token-cap", "time-cap"][n % 2], false, rounds),
        (_, 0) => {}
        (_, 1) => w.over(Loop::Prd, "round-cap", false, rounds),
        (_, _) => w.over(Loop::Prd, "stalled-flip-flop", false, rounds),
    }
    w.lines
}

/// A log of a loop that gets somewhere, of `seed`, as far as it has come: its good end is not in it, so that what happens on
/// the way is what is looked at.
pub fn productive(seed: u64) -> Log {
    let kind = Chance(seed ^ 0x5eed).below(3);
    let lines = match kind {
        0 => good_council(seed),
        1 => good_prd(seed),
        _ => good_heal(seed),
    };
    Log { cause: None, lines }
}

fn good_council(seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Council);
    let mut left = 1 + w.chance.below(4);
    let mut open: Vec<String> = Vec::new();
    for round in 1..8_u32 {
        w.aside(Loop::Council, round);
        if w.chance.one_in(8) {
            w.stray(Loop::Council, round, None);
        }
        let seats = if round == 1 { 3 } else { open.len().clamp(1, 3) };
        (1..=seats).for_each(|seat| w.answered(Loop::Council, &format!("seat {seat}"), round));
        let settled = std::mem::take(&mut open);
        for (n, id) in settled.iter().enumerate() {
            let accepted = n == 0 || !w.chance.one_in(3);
            w.settled(round, id, accepted);
        }
        w.answered(Loop::Council, "critic", round);
        for _ in 0..left {
            let (why, severity) = (w.words(8), ["minor", "major", "major"][w.chance.below(3)]);
            open.push(w.objected(round, &why, severity, true, true));
        }
        w.round_ended(Loop::Council, round, true);
        if left == 0 {
            break;
        }
        left = w.chance.below(left + 1).min(left.saturating_sub(usize::from(round > 1)));
    }
    w.lines
}

fn good_prd(seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Prd);
    let mut scores = [0.4, 0.5, 0.6].map(|base| base + w.chance.below(150) as f64 / 1000.0);
    let mut was_better = true;
    for round in 0..5_u32 {
        w.aside(Loop::Prd, round);
        let failing: Vec<usize> = (0..3).filter(|n| scores[*n] < 0.8).collect();
        for section in failing.iter().map(|n| n + 1) {
            (1..=3).for_each(|n| w.answered(Loop::Prd, &format!("reviewer {n} of section {section}"), round));
            w.answered(Loop::Prd, &format!("writer of section {section}"), round);
            w.rewritten(round, section - 1, &format!("{round}"), &format!("{round} again"));
        }
        let mut better = false;
        for n in failing {
            // now and then a revision brings nothing; after two such rounds the loop ends as one that does not get better
            if round > 0 && (!was_better || !w.chance.one_in(4)) {
                scores[n] = f64::min(1.0, scores[n] + 0.06 + w.chance.below(150) as f64 / 1000.0);
                better = true;
            }
        }
        for (n, score) in scores.into_iter().enumerate() {
            w.scored(round, Some(n), "clarity", score);
        }
        w.scored(round, None, "clarity", scores.iter().sum::<f64>() / 3.0);
        w.round_ended(Loop::Prd, round + 1, better);
        was_better = better || round == 0;
        if scores.iter().all(|score| *score >= 0.8) {
            break;
        }
    }
    w.lines
}

fn good_heal(seed: u64) -> Vec<Value> {
    let mut w = began(seed, Loop::Heal);
    for round in 0..2 + w.chance.below(4) {
        w.aside(Loop::Heal, 1);
        w.failure(&format!("f{round}"));
        for n in 0..1 + w.chance.below(6) {
            let (words, output) = (w.words(12), w.words(10));
            if n % 2 == 0 {
                w.asked_model("minimal", &words);
            }
            w.judged(&format!("minimal#{round}{n}"), "still_red", &output);
        }
    }
    w.lines
}
