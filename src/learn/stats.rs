//! Figures over many runs: who ended failures, how long it took, what it cost, what was stuck and who resolved it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::learn::Told;
use crate::learn::patterns::{Ended, heal};
use crate::trajectory::{Event, Loop, LoopEvent, TurnTaken};

/// The document's name and version.
pub const SCHEMA: &str = "kaizen-ci/stats/v1";

/// A count and its share of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Share {
    /// How often.
    pub n: u64,
    /// Of all, 0 to 1.
    pub share: f64,
}

/// How failures ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failures {
    /// Red runs that came to an end.
    pub all: u64,
    /// Healed by the race.
    pub tier_1: Share,
    /// Healed by a clean revert.
    pub tier_2: Share,
    /// For a person.
    pub tier_3: Share,
    /// Flaky or the environment: no heal was needed.
    pub triage: Share,
}

/// A loop that thinks in turns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rounds {
    /// Runs.
    pub runs: u64,
    /// Those that met their own verifier.
    pub good: Share,
    /// Rounds on average.
    pub rounds: f64,
    /// How they ended, each with how often.
    pub endings: BTreeMap<String, u64>,
}

/// Turns with models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Turns {
    /// All that brought an answer.
    pub answered: u64,
    /// Served from the cache.
    pub cached: Share,
    /// Told again from an earlier run.
    pub replayed: u64,
    /// Turns that failed, by the name of the trouble.
    pub failed: BTreeMap<String, u64>,
    /// Tokens that were paid for or counted, prompts included.
    pub tokens: u64,
    /// Money, in billionths of a dollar.
    pub nano_dollars: u64,
    /// Money that replayed turns would have cost again.
    pub saved_nano_dollars: u64,
    /// Money that answers from the cache had cost when they were asked.
    #[serde(default)]
    pub cache_saved_nano_dollars: u64,
}

/// What was stuck.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stalls {
    /// Stalls, each once, whoever diagnosed it how often.
    pub all: u64,
    /// By cause, as the last diagnosis of each names it.
    pub by_cause: BTreeMap<String, u64>,
    /// Those after which the loop met its own verifier, by who suggested the change.
    pub resolved_by: BTreeMap<String, u64>,
    /// Share of stalls that were resolved.
    pub resolved: Share,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Times {
    /// The middle one.
    pub median_ms: u64,
    /// Nine of ten are not longer.
    pub p90_ms: u64,
}

/// All figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stats {
    /// [`SCHEMA`].
    pub schema: String,
    /// The earliest run, RFC 3339.
    pub since: Option<String>,
    /// Runs that were read.
    pub runs: u64,
    /// How failures ended.
    pub failures: Failures,
    /// Heals by fixer.
    pub by_fixer: BTreeMap<String, u64>,
    /// Heals by the model that the winning fixer had asked last; fixers without one are `none`.
    pub by_model: BTreeMap<String, u64>,
    /// From the beginning of a run to its verified heal.
    pub time_to_green: Times,
    /// Councils.
    pub council: Rounds,
    /// PRDs.
    pub prd: Rounds,
    /// Turns with models.
    pub turns: Turns,
    /// What was stuck.
    pub stalls: Stalls,
}

/// What the authors of the design reported for their own system: not measured here, and not comparable without their data.
pub const THEIRS: [(&str, &str); 6] = [
    ("ended by tier 1", "78 %"),
    ("ended by tier 2", "14 %"),
    ("ended by tier 3", "8 %"),
    ("rounds of a PRD", "2.3"),
    ("served from the cache", "41 %"),
    ("stalls resolved", "97 %"),
];

fn share(n: u64, of: u64) -> Share {
    #[allow(clippy::cast_precision_loss, reason = "counts")]
    let share = if of == 0 { 0.0 } else { n as f64 / of as f64 };
    Share { n, share }
}

/// The figures of `runs`.
pub fn stats(runs: &[Told]) -> Stats {
    let mut stats = Stats { schema: SCHEMA.into(), runs: runs.len() as u64, ..Stats::default() };
    stats.since = runs.iter().map(|r| r.began).min().map(|time| time.to_string());
    let mut times: Vec<u64> = Vec::new();
    let mut ended: BTreeMap<&str, u64> = BTreeMap::new();
    let mut told: BTreeSet<Vec<&str>> = runs.iter().filter(|run| !is_retold(run) && is_over(run)).map(keys).collect();
    for run in runs {
        if let Some(heal) = heal(run) {
            let name = match (heal.ended, heal.tier) {
                (Ended::Healed, Some(2)) => "tier 2",
                (Ended::Healed, _) => "tier 1",
                (Ended::Escalated, _) => "tier 3",
                (Ended::Flaky | Ended::Environment, _) => "triage",
                (Ended::Green | Ended::Other, _) => "",
            };
            *ended.entry(name).or_default() += 1;
            if heal.ended == Ended::Healed {
                times.push(time_to_heal(run).unwrap_or(heal.ms));
                let winner = heal.winner.clone().unwrap_or_else(|| "revert".into());
                *stats.by_model.entry(model_of(run, &winner)).or_default() += 1;
                *stats.by_fixer.entry(winner).or_default() += 1;
            }
        }
        turns(run, &mut stats.turns);
        // a loop that was over and is told again is the same loop
        if !is_retold(run) || told.insert(keys(run)) {
            loops(run, &mut stats);
        }
    }
    let n = |name: &str| ended.get(name).copied().unwrap_or(0);
    let all = n("tier 1") + n("tier 2") + n("tier 3") + n("triage");
    stats.failures = Failures {
        all,
        tier_1: share(n("tier 1"), all),
        tier_2: share(n("tier 2"), all),
        tier_3: share(n("tier 3"), all),
        triage: share(n("triage"), all),
    };
    stats.time_to_green = quantiles(times);
    for rounds in [&mut stats.council, &mut stats.prd] {
        rounds.good = share(rounds.good.n, rounds.runs);
        #[allow(clippy::cast_precision_loss, reason = "counts")]
        let mean = rounds.rounds / rounds.runs.max(1) as f64;
        rounds.rounds = mean;
    }
    stats.turns.cached = share(stats.turns.cached.n, stats.turns.answered);
    let resolved: u64 = stats.stalls.resolved_by.values().sum();
    stats.stalls.resolved = share(resolved, stats.stalls.all);
    stats
}

fn quantiles(mut times: Vec<u64>) -> Times {
    times.sort_unstable();
    let at = |tenths: usize| times.get((times.len() * tenths).div_ceil(10).saturating_sub(1)).copied().unwrap_or(0);
    Times { median_ms: at(5), p90_ms: at(9) }
}

/// From the first event to the verified heal.
fn time_to_heal(run: &Told) -> Option<u64> {
    let start = run.entries.first()?.time;
    let healed = run.entries.iter().find(|e| matches!(e.event, Event::Healed { .. }))?.time;
    u64::try_from(healed.as_millisecond() - start.as_millisecond()).ok()
}

/// The model that `fixer` asked last.
fn model_of(run: &Told, fixer: &str) -> String {
    let asked = run.entries.iter().rev().find_map(|entry| match &entry.event {
        Event::ModelAnswered { fixer: who, model, outcome, .. } if who == fixer && outcome == "answered" => {
            Some(model.clone())
        }
        _ => None,
    });
    asked.unwrap_or_else(|| "none".into())
}

fn turns(run: &Told, turns: &mut Turns) {
    for entry in &run.entries {
        match &entry.event {
            Event::ModelAnswered {
                outcome,
                prompt_tokens,
                answer_tokens,
                nano_dollars,
                cached,
                saved_nano_dollars,
                ..
            } => {
                if outcome != "answered" {
                    *turns.failed.entry(outcome.clone()).or_default() += 1;
                    continue;
                }
                turns.answered += 1;
                turns.cached.n += u64::from(cached.is_some());
                turns.tokens += prompt_tokens + answer_tokens;
                turns.nano_dollars += nano_dollars;
                turns.cache_saved_nano_dollars += saved_nano_dollars.unwrap_or(0);
            }
            Event::Loop(LoopEvent::Turn(turn)) if turn.replayed => {
                turns.replayed += 1;
                turns.saved_nano_dollars += turn.nano_dollars;
            }
            _ => {}
        }
    }
}

fn turns_of(run: &Told) -> impl Iterator<Item = &TurnTaken> {
    run.entries.iter().filter_map(|entry| match &entry.event {
        Event::Loop(LoopEvent::Turn(turn)) => Some(turn),
        _ => None,
    })
}

fn is_over(run: &Told) -> bool {
    run.entries.iter().any(|entry| matches!(entry.event, Event::Loop(LoopEvent::Ended { .. })))
}

/// Was everything that anybody said in it said in an earlier run?
fn is_retold(run: &Told) -> bool {
    turns_of(run).next().is_some() && turns_of(run).all(|turn| turn.replayed)
}

/// What was asked in a run, in no order: the same of a run that goes on to its end as of one that tells it again.
fn keys(run: &Told) -> Vec<&str> {
    let mut keys: Vec<&str> = turns_of(run).filter(|t| t.outcome == "answered").map(|t| t.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

fn loops(run: &Told, stats: &mut Stats) {
    let mut causes: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in &run.entries {
        let Event::Loop(event) = &entry.event else { continue };
        match event {
            LoopEvent::Ended { of, why, good, rounds } => {
                let of = match of {
                    Loop::Council => &mut stats.council,
                    Loop::Prd => &mut stats.prd,
                    Loop::Heal | Loop::Supervise => continue,
                };
                of.runs += 1;
                of.good.n += u64::from(*good);
                of.rounds += f64::from(*rounds);
                *of.endings.entry(why.clone()).or_default() += 1;
            }
            // one stall may be diagnosed by several tiers: it is one stall
            LoopEvent::Diagnosed { fingerprint, cause, .. } => {
                causes.insert(fingerprint, cause);
            }
            LoopEvent::Resolved { fingerprint, tier, .. } => {
                let Some(cause) = causes.remove(fingerprint.as_str()) else { continue };
                stats.stalls.count(cause);
                *stats.stalls.resolved_by.entry(tier.clone()).or_default() += 1;
            }
            LoopEvent::Began { .. }
            | LoopEvent::Turn(_)
            | LoopEvent::Objected { .. }
            | LoopEvent::Settled { .. }
            | LoopEvent::RoundEnded { .. }
            | LoopEvent::Scored { .. }
            | LoopEvent::Revised { .. }
            | LoopEvent::Tried { .. } => {}
        }
    }
    causes.into_values().for_each(|cause| stats.stalls.count(cause));
}

impl Stalls {
    /// One more stall with this cause.
    fn count(&mut self, cause: &str) {
        self.all += 1;
        *self.by_cause.entry(cause.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trajectory::{Entry, SCHEMA_VERSION};

    fn told(events: Vec<Event>) -> Told {
        let time =
            |n: usize| jiff::Timestamp::from_millisecond(1_763_800_000_000 + 1000 * i64::try_from(n).unwrap()).unwrap();
        let entry = |(n, event)| Entry { v: SCHEMA_VERSION, run: "r".into(), step: n as u64, time: time(n), event };
        Told { id: "r".into(), began: time(0), entries: events.into_iter().enumerate().map(entry).collect() }
    }

    /// A council that agreed, with one turn for each of `keys`.
    fn council(keys: &[&str], replayed: bool) -> Told {
        let turn = |key: &&str| {
            Event::Loop(LoopEvent::Turn(TurnTaken {
                of: Loop::Council,
                actor: "seat 1".into(),
                round: 1,
                key: (*key).to_owned(),
                outcome: "answered".into(),
                model: "m".into(),
                answered_by: "m".into(),
                family: "m".into(),
                words: String::new(),
                content: "x".into(),
                prompt_tokens: 1,
                answer_tokens: 1,
                nano_dollars: 0,
                cached: false,
                replayed,
                ms: 1,
            }))
        };
        let ended = LoopEvent::Ended { of: Loop::Council, why: "agreed".into(), good: true, rounds: 1 };
        told(keys.iter().map(turn).chain([Event::Loop(ended)]).collect())
    }

    #[test]
    fn a_council_that_is_told_again_is_no_second_one() {
        let (fresh, again, other) = (council(&["a", "b"], false), council(&["b", "a"], true), council(&["c"], false));
        let mut killed = fresh.clone();
        killed.entries.pop();
        for (runs, n) in [
            (vec![fresh.clone(), again.clone()], 1),
            // the newest first
            (vec![again.clone(), fresh.clone(), again.clone()], 1),
            // killed when everything was said: it ends only later
            (vec![again.clone(), again, killed], 1),
            (vec![fresh.clone(), fresh, other], 3),
        ] {
            let found = stats(&runs).council;
            assert_eq!((found.runs, found.good.n), (n, n));
        }
    }

    #[test]
    fn what_the_cache_saved_is_counted_in_the_runs_that_are_looked_at_and_in_no_others() {
        let served = |saved: Option<u64>| {
            let mut event = serde_json::json!({
                "event": "model_answered", "fixer": "minimal", "model": "p/a", "outcome": "answered", "prompt_tokens": 0,
                "answer_tokens": 0, "nano_dollars": 0, "requests": 0, "ms": 1, "cached": "exact",
            });
            // logs of before say nothing of it
            if let Some(saved) = saved {
                event["saved_nano_dollars"] = saved.into();
            }
            told(vec![serde_json::from_value(event).unwrap()])
        };
        let (old, new, silent) = (served(Some(7000)), served(Some(5000)), served(None));
        let saved = |runs: &[Told]| stats(runs).turns.cache_saved_nano_dollars;
        assert_eq!((saved(&[old, new.clone(), silent.clone()]), saved(&[new, silent])), (12_000, 5000));
    }

    fn recorded(name: &str) -> Told {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trajectories").join(name);
        let entries: Vec<_> = crate::trajectory::log::read(&path).unwrap().entries().cloned().collect();
        Told { id: name.into(), began: entries[0].time, entries }
    }

    #[test]
    fn failures_are_counted_by_who_ended_them_and_green_runs_are_none() {
        let names = [
            "healed.jsonl",
            "flaky.jsonl",
            "environment.jsonl",
            "escalated.jsonl",
            "already-green.jsonl",
            "killed.jsonl",
        ];
        let found = stats(&names.map(recorded));
        assert_eq!((found.runs, found.failures.all), (6, 4));
        assert_eq!((found.failures.tier_1.n, found.failures.tier_3.n, found.failures.triage.n), (1, 1, 2));
        assert!((found.failures.triage.share - 0.5).abs() < 1e-9);
        assert_eq!(found.by_fixer.values().sum::<u64>(), 1);
        assert!(found.time_to_green.median_ms > 0 && found.time_to_green.p90_ms >= found.time_to_green.median_ms);
    }

    fn diagnosed(fingerprint: &str, tier: &str) -> Event {
        Event::Loop(LoopEvent::Diagnosed {
            of: Loop::Council,
            fingerprint: fingerprint.into(),
            tier: tier.into(),
            cause: "critic_off_rubric".into(),
            change: "reword_rubric".into(),
            evidence: vec![],
            confidence: 0.5,
        })
    }

    #[test]
    fn only_what_then_met_its_own_verifier_counts_as_resolved() {
        let resolved = |f: &str| {
            Event::Loop(LoopEvent::Resolved {
                fingerprint: f.into(),
                tier: "free".into(),
                cause: "critic_off_rubric".into(),
            })
        };
        let ended = |good: bool, why: &str, rounds| {
            Event::Loop(LoopEvent::Ended { of: Loop::Council, why: why.into(), good, rounds })
        };
        let found = stats(&[
            told(vec![diagnosed("a", "rules"), diagnosed("a", "free"), resolved("a"), ended(true, "agreed", 4)]),
            told(vec![diagnosed("b", "rules"), resolved("never diagnosed"), ended(false, "round-cap", 3)]),
        ]);
        assert_eq!((found.stalls.all, found.stalls.resolved.n), (2, 1));
        assert_eq!(found.stalls.by_cause, [("critic_off_rubric".to_owned(), 2)].into(), "two stalls, three diagnoses");
        assert_eq!(found.stalls.resolved_by, [("free".to_owned(), 1)].into());
        assert_eq!((found.council.runs, found.council.good.n, found.council.rounds), (2, 1, 3.5));
        assert_eq!(found.prd.runs, 0);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        assert_eq!(quantiles((1..=10).rev().collect()), Times { median_ms: 5, p90_ms: 9 });
        assert_eq!(quantiles(vec![7]), Times { median_ms: 7, p90_ms: 7 });
        assert_eq!(quantiles(vec![]), Times::default());
    }
}
