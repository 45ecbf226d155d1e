//! Failures that come back: grouped by fingerprint and by class, closed after enough clean opportunities, never by time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::learn::Told;
use crate::trajectory::{Event, LoopEvent};
use crate::words::{Blame, End, Purpose, Verdict};

/// What is known of one `heal`, as far as a replay needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heal {
    /// The run.
    pub run: String,
    /// The runner of the suite: failures of one runner are a class.
    pub class: String,
    /// What failed; none when the tests were green, or it was not described.
    pub fingerprint: Option<String>,
    /// The suite ran to an end.
    pub ran: bool,
    /// How it ended.
    pub ended: Ended,
    /// The tier in which it was healed.
    pub tier: Option<u8>,
    /// The fixer whose candidate was verified.
    pub winner: Option<String>,
    /// Fixers that ran, with the runs of tests that each of them made.
    pub fixers: BTreeMap<String, u64>,
    /// Tokens by fixer.
    pub tokens: BTreeMap<String, u64>,
    /// Money by fixer, in billionths of a dollar.
    pub nano_dollars: BTreeMap<String, u64>,
    /// Requests that were sent to models.
    pub requests: u64,
    /// How often red tests were run again to find flaky ones.
    pub reruns: u64,
    /// The first of these runs in which a red test was green, from 1.
    pub flaky_at: Option<u64>,
    /// Wall time from the beginning to the end.
    pub ms: u64,
}

/// How a `heal` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Nothing was red.
    Green,
    /// Healed.
    Healed,
    /// Triage ended it: flaky.
    Flaky,
    /// Triage ended it: the machine.
    Environment,
    /// A person has to look.
    Escalated,
    /// Left alone, interrupted, or an error: it says nothing.
    Other,
}

/// The `heal` that a run was; none when it was something else.
pub fn heal(told: &Told) -> Option<Heal> {
    let mut heal = Heal {
        run: told.id.clone(),
        class: String::new(),
        fingerprint: None,
        ran: false,
        ended: Ended::Other,
        tier: None,
        winner: None,
        fixers: BTreeMap::new(),
        tokens: BTreeMap::new(),
        nano_dollars: BTreeMap::new(),
        requests: 0,
        reruns: 0,
        flaky_at: None,
        ms: 0,
    };
    let mut is_heal = false;
    let mut first_red: Option<BTreeSet<&str>> = None;
    for entry in &told.entries {
        match &entry.event {
            Event::RunStarted { command, .. } => {
                is_heal = matches!(command.as_str(), "heal" | "hook" | "action" | "demo")
            }
            Event::SuiteFound { runner, .. } => heal.class.clone_from(runner),
            Event::SuiteEnded { purpose, red, end: End::Exited(_), .. } => {
                heal.ran = true;
                let red: BTreeSet<&str> = red.iter().map(String::as_str).collect();
                match purpose {
                    Purpose::Rerun => {
                        heal.reruns += 1;
                        let flaked =
                            first_red.as_ref().is_some_and(|first| first.iter().any(|test| !red.contains(test)));
                        heal.flaky_at = heal.flaky_at.or(flaked.then_some(heal.reruns));
                    }
                    _ => first_red = first_red.or(Some(red)),
                }
            }
            Event::Triaged { blame, .. } => match blame {
                Blame::Flaky { .. } => heal.ended = Ended::Flaky,
                Blame::Environment { .. } => heal.ended = Ended::Environment,
                Blame::BrokenOnBase | Blame::ThisChange | Blame::Unknown => {}
            },
            Event::FailureDescribed { fingerprint, .. } => heal.fingerprint = Some(fingerprint.clone()),
            Event::FixerEnded { fixer, findings, .. } => {
                *heal.fixers.entry(fixer.clone()).or_default() += findings.tried;
            }
            Event::ModelAnswered { fixer, prompt_tokens, answer_tokens, nano_dollars, requests, .. } => {
                heal.requests += u64::from(*requests);
                *heal.tokens.entry(fixer.clone()).or_default() += prompt_tokens + answer_tokens;
                *heal.nano_dollars.entry(fixer.clone()).or_default() += nano_dollars;
            }
            Event::JudgeEnded { candidate, verdict: Verdict::Healed, .. } if heal.winner.is_none() => {
                heal.winner = candidate.split('#').next().map(str::to_owned);
            }
            Event::Healed { candidate, tier, .. } => {
                heal.tier = Some(*tier);
                heal.ended = Ended::Healed;
                heal.winner = candidate.split('#').next().map(str::to_owned);
            }
            Event::Escalated { .. } => heal.ended = Ended::Escalated,
            Event::RunEnded { exit, ms, .. } => {
                heal.ms = *ms;
                heal.ended = match (exit, heal.ended) {
                    (0, Ended::Other) => Ended::Green,
                    (21 | 30, Ended::Other) => Ended::Escalated,
                    (_, ended) => ended,
                };
            }
            Event::Loop(LoopEvent::Began { .. }) => is_heal = false,
            _ => {}
        }
    }
    is_heal.then_some(heal)
}

/// A failure that came at least twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Pattern {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its class: the runner.
    pub class: String,
    /// How often it came.
    pub times: usize,
    /// How it ended, each with how often.
    pub endings: BTreeMap<Ended, usize>,
    /// Who healed it, each with how often.
    pub healed_by: BTreeMap<String, usize>,
    /// Runs of its class since it came last in which it could have come and did not.
    pub clean: usize,
    /// It is closed: clean often enough.
    pub closed: bool,
}

/// Clean opportunities after which a pattern is closed.
pub const CLEAN_ENOUGH: usize = 5;

/// The patterns in `heals`, which are in the order of time; the most frequent first.
pub fn patterns(heals: &[Heal]) -> Vec<Pattern> {
    let mut found: BTreeMap<(String, String), Pattern> = BTreeMap::new();
    for heal in heals.iter().filter(|h| h.ran) {
        for pattern in found.values_mut().filter(|p| p.class == heal.class) {
            // a run whose suite ran to an end and that failed otherwise, or not at all
            pattern.clean += 1;
        }
        let Some(fingerprint) = &heal.fingerprint else { continue };
        let key = (heal.class.clone(), fingerprint.clone());
        let pattern = found.entry(key).or_insert_with(|| Pattern {
            fingerprint: fingerprint.clone(),
            class: heal.class.clone(),
            times: 0,
            endings: BTreeMap::new(),
            healed_by: BTreeMap::new(),
            clean: 0,
            closed: false,
        });
        pattern.times += 1;
        pattern.clean = 0;
        *pattern.endings.entry(heal.ended).or_default() += 1;
        if let (Ended::Healed, Some(winner)) = (heal.ended, &heal.winner) {
            *pattern.healed_by.entry(winner.clone()).or_default() += 1;
        }
    }
    let mut all: Vec<Pattern> = found.into_values().filter(|p| p.times > 1).collect();
    all.iter_mut().for_each(|p| p.closed = p.clean >= CLEAN_ENOUGH);
    all.sort_by(|a, b| b.times.cmp(&a.times).then(a.fingerprint.cmp(&b.fingerprint)));
    all
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn told(id: &str, fingerprint: Option<&str>, ended: Ended, winner: &str, ms: u64) -> Heal {
        Heal {
            run: id.into(),
            class: "pytest".into(),
            fingerprint: fingerprint.map(str::to_owned),
            ran: true,
            ended,
            tier: (ended == Ended::Healed).then_some(1),
            winner: (ended == Ended::Healed).then(|| winner.to_owned()),
            fixers: [("undo".to_owned(), 7), ("mutate".to_owned(), 90), ("minimal".to_owned(), 3)].into(),
            tokens: [("minimal".to_owned(), 4000)].into(),
            nano_dollars: BTreeMap::new(),
            requests: 0,
            reruns: 0,
            flaky_at: None,
            ms,
        }
    }

    #[test]
    fn a_pattern_is_closed_by_clean_opportunities_and_not_by_time() {
        let bad = || told("r", Some("f1"), Ended::Escalated, "", 1);
        let mut heals = vec![bad(), bad()];
        assert_eq!(patterns(&heals)[0].times, 2);
        let other_class = Heal { class: "cargo-test".into(), ..told("r", None, Ended::Green, "", 1) };
        let did_not_run = Heal { ran: false, ..told("r", None, Ended::Other, "", 1) };
        for _ in 0..9 {
            heals.push(other_class.clone());
            heals.push(did_not_run.clone());
        }
        assert_eq!((patterns(&heals)[0].clean, patterns(&heals)[0].closed), (0, false), "none was an opportunity");
        heals.extend((0..CLEAN_ENOUGH).map(|_| told("r", Some("f2"), Ended::Healed, "undo", 1)));
        let closed = patterns(&heals).into_iter().find(|p| p.fingerprint == "f1").unwrap();
        assert!(closed.closed && closed.clean == CLEAN_ENOUGH);
        heals.push(bad());
        let open = patterns(&heals).into_iter().find(|p| p.fingerprint == "f1").unwrap();
        assert_eq!((open.closed, open.times), (false, 3));
    }

    #[test]
    fn recorded_runs_are_read_as_what_they_were() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trajectories");
        let read = |name: &str| {
            let reading = crate::trajectory::log::read(&folder.join(name)).unwrap();
            let entries: Vec<_> = reading.entries().cloned().collect();
            heal(&Told { id: name.into(), began: entries[0].time, entries }).unwrap()
        };
        for (name, ended) in [
            ("healed.jsonl", Ended::Healed),
            ("already-green.jsonl", Ended::Green),
            ("flaky.jsonl", Ended::Flaky),
            ("environment.jsonl", Ended::Environment),
            ("escalated.jsonl", Ended::Escalated),
            ("killed.jsonl", Ended::Other),
        ] {
            assert_eq!(read(name).ended, ended, "{name}");
        }
        let healed = read("healed.jsonl");
        assert_eq!((healed.tier, healed.winner.is_some(), healed.class.as_str()), (Some(1), true, "pytest"));
    }
}
