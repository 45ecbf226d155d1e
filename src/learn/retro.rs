//! What could be done better: concrete changes of `.kaizen.yml`, each replayed on the recorded runs and taken only when it
//! helps and no class of failures gets worse.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::config::units::show_duration;
use crate::learn::paired::sign_test;
use crate::learn::patterns::{Ended, Heal};

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// `fixers`: those that never healed anything take no part any more; whoever heals most often comes first.
    Fixers {
        /// Who is left, in order.
        fixers: Vec<String>,
        /// Who is not.
        dropped: Vec<String>,
    },
    /// `time_limit`: no heal ever took longer.
    TimeLimit {
        /// In milliseconds.
        ms: u64,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &'static str {
        match self {
            Change::Fixers { .. } => "fixers",
            Change::TimeLimit { .. } => "time_limit",
        }
    }
    /// Its value as one writes it.
    pub fn value(&self) -> String {
        match self {
            Change::Fixers { fixers, .. } => format!("[{}]", fixers.join(", ")),
            Change::TimeLimit { ms } => show_duration(Duration::from_millis(*ms)),
        }
    }
    /// Why, in words.
    pub fn words(&self) -> String {
        match self {
            Change::Fixers { dropped, .. } => format!("{} never healed anything", dropped.join(", ")),
            Change::TimeLimit { .. } => {
                "no heal ever took two thirds of it, and what did not heal used all of it".into()
            }
        }
    }
}

/// One recorded run under the change.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Replayed {
    healed: bool,
    /// Runs of tests and thousands of tokens, or seconds: what it costs, in one unit per change.
    cost: f64,
}

/// A change and what replaying it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Runs that were replayed.
    pub runs: usize,
    /// Heals before and with it, by class.
    pub heals: BTreeMap<String, (usize, usize)>,
    /// Cost of all runs before and with it: of tests and thousands of tokens for `fixers`, of seconds for `time_limit`.
    pub cost: (f64, f64),
    /// The paired test: the probability of as many cheaper runs by chance.
    pub p: f64,
    /// It helps and no class gets worse.
    pub accepted: bool,
    /// Why not, or why.
    pub why: String,
}

/// From here on a difference is no chance.
pub const SIGNIFICANT: f64 = 0.05;
/// Fewer runs show nothing.
pub const RUNS_LEAST: usize = 8;
/// A time limit leaves every recorded heal half as much again.
const ROOM: f64 = 1.5;
/// No limit below this is proposed: a slow day is no reason to lose a heal.
const LIMIT_LEAST_MS: u64 = 60_000;

/// Red runs that came to an end by the race: those that a change could change.
fn raced(heals: &[Heal]) -> Vec<&Heal> {
    heals.iter().filter(|h| matches!(h.ended, Ended::Healed | Ended::Escalated) && !h.fixers.is_empty()).collect()
}

/// Changes that the recorded runs suggest. `configured`: the fixers in their order, and the limit now.
pub fn propose(heals: &[Heal], configured: &[String], limit_ms: u64) -> Vec<Proposal> {
    let raced = raced(heals);
    let mut out = Vec::new();
    if let Some(change) = fixers(&raced, configured) {
        out.push(replay(&raced, change));
    }
    if let Some(change) = limit(&raced, limit_ms) {
        out.push(replay(&raced, change));
    }
    out
}

fn fixers(raced: &[&Heal], configured: &[String]) -> Option<Change> {
    let mut wins: BTreeMap<&str, usize> = BTreeMap::new();
    for heal in raced.iter().filter(|h| h.ended == Ended::Healed) {
        *wins.entry(heal.winner.as_deref()?).or_default() += 1;
    }
    let ran: BTreeSet<&str> = raced.iter().flat_map(|h| h.fixers.keys()).map(String::as_str).collect();
    let won = |name: &str| wins.get(name).copied().unwrap_or(0);
    // who never ran may be what the next failure needs
    let (mut left, dropped): (Vec<String>, Vec<String>) =
        configured.iter().cloned().partition(|name| won(name) > 0 || !ran.contains(name.as_str()));
    left.sort_by_key(|name| std::cmp::Reverse(won(name)));
    (!dropped.is_empty() && left.iter().any(|name| won(name) > 0)).then_some(Change::Fixers { fixers: left, dropped })
}

fn limit(raced: &[&Heal], now_ms: u64) -> Option<Change> {
    let slowest = raced.iter().filter(|h| h.ended == Ended::Healed).map(|h| h.ms).max()?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds of a run"
    )]
    let wanted = ((slowest as f64 * ROOM / 1000.0).ceil() as u64 * 1000).max(LIMIT_LEAST_MS);
    (wanted < now_ms).then_some(Change::TimeLimit { ms: wanted })
}

fn cost(heal: &Heal, change: &Change) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of a run")]
    match change {
        Change::Fixers { .. } => {
            heal.fixers.values().sum::<u64>() as f64 + heal.tokens.values().sum::<u64>() as f64 / 1000.0
        }
        Change::TimeLimit { .. } => heal.ms as f64 / 1000.0,
    }
}

/// What the run would have been. Where the log can't tell, the worse is assumed: a run whose winner is dropped is lost.
fn under(heal: &Heal, change: &Change) -> Replayed {
    let healed = heal.ended == Ended::Healed;
    match change {
        Change::Fixers { dropped, .. } => {
            let is_left = |name: &String| !dropped.contains(name);
            let lost = healed && heal.winner.as_ref().is_some_and(|w| dropped.contains(w));
            #[allow(clippy::cast_precision_loss, reason = "counts of a run")]
            let sum =
                |of: &BTreeMap<String, u64>| of.iter().filter(|(n, _)| is_left(n)).map(|(_, c)| *c).sum::<u64>() as f64;
            Replayed { healed: healed && !lost, cost: sum(&heal.fixers) + sum(&heal.tokens) / 1000.0 }
        }
        Change::TimeLimit { ms } => {
            #[allow(clippy::cast_precision_loss, reason = "milliseconds of a run")]
            let cost = heal.ms.min(*ms) as f64 / 1000.0;
            Replayed { healed: healed && heal.ms <= *ms, cost }
        }
    }
}

fn replay(raced: &[&Heal], change: Change) -> Proposal {
    let mut heals: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut sums = (0.0, 0.0);
    let mut differences = Vec::new();
    for heal in raced {
        let (before, after) = (cost(heal, &change), under(heal, &change));
        let of = heals.entry(heal.class.clone()).or_default();
        of.0 += usize::from(heal.ended == Ended::Healed);
        of.1 += usize::from(after.healed);
        sums = (sums.0 + before, sums.1 + after.cost);
        differences.push(before - after.cost);
    }
    let p = sign_test(&differences);
    let worse: Vec<&String> =
        heals.iter().filter(|(_, (before, after))| after < before).map(|(class, _)| class).collect();
    let (accepted, why) = if raced.len() < RUNS_LEAST {
        (false, format!("{} runs show nothing; {RUNS_LEAST} are needed", raced.len()))
    } else if !worse.is_empty() {
        let worse: Vec<&str> = worse.iter().map(|c| c.as_str()).collect();
        (false, format!("fewer heals in the class {}", worse.join(", ")))
    } else if p >= SIGNIFICANT {
        (false, format!("the difference may be chance (p = {p:.3})"))
    } else {
        (true, format!("as many heals, at less cost (p = {p:.4})"))
    };
    Proposal { change, runs: raced.len(), heals, cost: sums, p, accepted, why }
}

/// `.kaizen.yml` with the change: the key's own lines replaced, or one line added. Everything else stays as it is.
pub fn edited(text: &str, change: &Change) -> String {
    let line = format!("{}: {}", change.key(), change.value());
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |l: &&str| l.split_once(':').is_some_and(|(key, _)| key == change.key());
    let mut out: Vec<String> = Vec::new();
    match lines.iter().position(is_key) {
        Some(at) => {
            // a list may go on below, indented or as `- item`
            let goes_on = |l: &str| l.starts_with([' ', '\t']) && !l.trim().is_empty() || l.starts_with("- ");
            let end = lines[at + 1..].iter().position(|l| !goes_on(l)).map_or(lines.len(), |n| at + 1 + n);
            out.extend(lines[..at].iter().map(|l| (*l).to_owned()));
            out.push(line);
            out.extend(lines[end..].iter().map(|l| (*l).to_owned()));
        }
        None => {
            out.extend(lines.iter().map(|l| (*l).to_owned()));
            out.push(line);
        }
    }
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::patterns::tests::told;

    const ALL: [&str; 3] = ["undo", "mutate", "minimal"];

    fn names() -> Vec<String> {
        ALL.map(str::to_owned).to_vec()
    }

    fn heals(n: usize) -> Vec<Heal> {
        (0..n)
            .map(|i| match i % 4 {
                0 => told(&i.to_string(), Some("f"), Ended::Escalated, "", 600_000),
                1 => told(&i.to_string(), Some("g"), Ended::Healed, "undo", 12_000),
                _ => told(&i.to_string(), Some("h"), Ended::Healed, "mutate", 50_000),
            })
            .collect()
    }

    #[test]
    fn a_fixer_that_never_heals_is_dropped_and_the_best_comes_first_when_replay_shows_that_nothing_is_lost() {
        let found = propose(&heals(12), &names(), 600_000);
        let Change::Fixers { fixers, dropped } = &found[0].change else { panic!("{found:?}") };
        assert_eq!((fixers.join(","), dropped.join(",")), ("mutate,undo".into(), "minimal".into()));
        assert!(found[0].accepted && found[0].p < 0.001, "{found:?}");
        assert_eq!((found[0].heals["pytest"], found[0].cost), ((9, 9), (12.0 * 104.0, 12.0 * 97.0)));
        let Change::TimeLimit { ms } = found[1].change else { panic!("{found:?}") };
        assert_eq!((ms, found[1].accepted), (75_000, false), "three runs that got shorter may be chance: {found:?}");
        assert!(propose(&heals(40), &names(), 600_000)[1].accepted);
    }

    #[test]
    fn few_runs_a_worse_class_and_chance_accept_nothing() {
        assert!(!propose(&heals(6), &names(), 600_000)[0].accepted, "six runs show nothing");
        let raced = heals(12);
        let raced: Vec<&Heal> = raced.iter().collect();
        let lost = replay(&raced, Change::Fixers { fixers: vec!["mutate".into()], dropped: vec!["undo".into()] });
        assert!(!lost.accepted && lost.why.contains("fewer heals in the class pytest"), "{lost:?}");
        // everybody wins now and then: nothing is proposed
        let fair: Vec<Heal> =
            (0..12).map(|i| told(&i.to_string(), Some("f"), Ended::Healed, ALL[i % 3], 70_000)).collect();
        assert!(propose(&fair, &names(), 60_000).is_empty());
    }

    #[test]
    fn one_key_of_the_file_is_changed_and_nothing_else() {
        let change = Change::Fixers { fixers: names(), dropped: vec![] };
        for (before, after) in [
            ("", "fixers: [undo, mutate, minimal]\n"),
            ("# mine\ncmd: pytest\n", "# mine\ncmd: pytest\nfixers: [undo, mutate, minimal]\n"),
            ("fixers: [suggest]\ncmd: x\n", "fixers: [undo, mutate, minimal]\ncmd: x\n"),
            (
                "fixers:\n  - suggest\n  - undo\n\ncmd: x # fixers: no\n",
                "fixers: [undo, mutate, minimal]\n\ncmd: x # fixers: no\n",
            ),
            ("fixers:\n- suggest\nrepeat: 3\n", "fixers: [undo, mutate, minimal]\nrepeat: 3\n"),
        ] {
            assert_eq!(edited(before, &change), after);
            crate::config::layered(Some(after), &[], &[]).unwrap();
        }
        assert_eq!(edited("", &Change::TimeLimit { ms: 75_000 }), "time_limit: 1m15s\n");
    }
}
