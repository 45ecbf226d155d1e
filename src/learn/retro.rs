//! What could be done better: concrete changes of `.kaizen.yml`, each replayed on the recorded runs and taken only when it
//! helps and no class of failures gets worse.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::config::units::show_duration;
use crate::learn::paired::sign_test;
use crate::learn::patterns::{Ended, Heal};

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
        /// Runs that did not heal and took longer.
        longer: usize,
    },
    /// `budget.requests`: no heal ever needed more.
    Requests {
        /// Requests to models in one run.
        most: u64,
        /// Runs that did not heal and sent more.
        longer: usize,
    },
    /// `reruns`: every flaky test showed itself in fewer.
    Reruns {
        /// So many.
        most: u64,
        /// Runs whose flaky test showed itself.
        flaky: usize,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &'static str {
        match self {
            Change::Fixers { .. } => "fixers",
            Change::TimeLimit { .. } => "time_limit",
            Change::Requests { .. } => "budget.requests",
            Change::Reruns { .. } => "reruns",
        }
    }
    /// Its value as one writes it.
    pub fn value(&self) -> String {
        match self {
            Change::Fixers { fixers, .. } => format!("[{}]", fixers.join(", ")),
            Change::TimeLimit { ms, .. } => show_duration(Duration::from_millis(*ms)),
            Change::Requests { most, .. } | Change::Reruns { most, .. } => most.to_string(),
        }
    }
    /// Why, in words.
    pub fn words(&self) -> String {
        match self {
            Change::Fixers { dropped, .. } => {
                format!("{} never healed anything; who healed most comes first", dropped.join(", "))
            }
            Change::TimeLimit { longer, .. } => {
                format!("no heal ever took two thirds of it, and {longer} runs that did not heal took longer")
            }
            Change::Requests { longer, .. } => {
                format!("no heal ever sent two thirds of it, and {longer} runs that did not heal sent more")
            }
            Change::Reruns { flaky, .. } => format!("each of {flaky} flaky tests showed itself by then"),
        }
    }
}

/// What the configuration says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The fixers, in their order.
    pub fixers: Vec<String>,
    /// `time_limit` in milliseconds.
    pub limit_ms: u64,
    /// `budget.requests`.
    pub requests: u64,
    /// `reruns`.
    pub reruns: u64,
}

/// One recorded run under the change.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Replayed {
    /// Healed; for `reruns`: its flaky test showed itself.
    healed: bool,
    /// Runs of tests and thousands of tokens, seconds, requests, or reruns: what it costs, in one unit per change.
    cost: f64,
}

/// A change and what replaying it says.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Proposal {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Runs that were replayed.
    pub runs: usize,
    /// Heals before and with it, by class; for `reruns` flaky tests that showed themselves.
    pub heals: BTreeMap<String, (usize, usize)>,
    /// Cost of all runs before and with it: runs of tests and thousands of tokens for `fixers`, seconds for `time_limit`, requests
    /// for `budget.requests`, reruns for `reruns`.
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
/// The same for requests to models.
const REQUESTS_LEAST: u64 = 20;
/// Fewer flaky tests say nothing about how soon they show themselves.
const FLAKY_LEAST: usize = 5;

/// Red runs that came to an end by the race: those that a change could change.
fn raced(heals: &[Heal]) -> Vec<&Heal> {
    heals.iter().filter(|h| matches!(h.ended, Ended::Healed | Ended::Escalated) && !h.fixers.is_empty()).collect()
}

/// Changes that the recorded runs suggest, replayed on them.
pub fn propose(heals: &[Heal], now: &Now) -> Vec<Proposal> {
    let raced = raced(heals);
    let rerun: Vec<&Heal> = heals.iter().filter(|heal| heal.reruns > 0).collect();
    let of_raced = [fixers(&raced, &now.fixers), limit(&raced, now.limit_ms), requests(&raced, now.requests)];
    let of_rerun = reruns(&rerun, now.reruns);
    let of_raced = of_raced.into_iter().flatten().map(|change| replay(&raced, change));
    of_raced.chain(of_rerun.map(|change| replay(&rerun, change))).collect()
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

/// What the dearest heal took with room above it, in whole units; none when nothing healed.
fn with_room(raced: &[&Heal], of: impl Fn(&Heal) -> u64) -> Option<u64> {
    let most = raced.iter().filter(|h| h.ended == Ended::Healed).map(|h| of(h)).max()?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds or requests of a run"
    )]
    let wanted = (most as f64 * ROOM).ceil() as u64;
    Some(wanted)
}

/// Runs that did not heal and took more than `most`: only they become cheaper.
fn longer(raced: &[&Heal], most: u64, of: impl Fn(&Heal) -> u64) -> usize {
    raced.iter().filter(|h| h.ended != Ended::Healed && of(h) > most).count()
}

fn limit(raced: &[&Heal], now_ms: u64) -> Option<Change> {
    let ms = (with_room(raced, |heal| heal.ms)?.div_ceil(1000) * 1000).max(LIMIT_LEAST_MS);
    let longer = longer(raced, ms, |heal| heal.ms);
    (ms < now_ms && longer > 0).then_some(Change::TimeLimit { ms, longer })
}

fn requests(raced: &[&Heal], now: u64) -> Option<Change> {
    let most = with_room(raced, |heal| heal.requests)?.max(REQUESTS_LEAST);
    let longer = longer(raced, most, |heal| heal.requests);
    (most < now && longer > 0).then_some(Change::Requests { most, longer })
}

fn reruns(rerun: &[&Heal], now: u64) -> Option<Change> {
    let shown: Vec<u64> = rerun.iter().filter_map(|heal| heal.flaky_at).collect();
    let most = shown.iter().copied().max().filter(|_| shown.len() >= FLAKY_LEAST)?;
    (most < now).then_some(Change::Reruns { most, flaky: shown.len() })
}

fn cost(heal: &Heal, change: &Change) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of a run")]
    match change {
        Change::Fixers { .. } => {
            heal.fixers.values().sum::<u64>() as f64 + heal.tokens.values().sum::<u64>() as f64 / 1000.0
        }
        Change::TimeLimit { .. } => heal.ms as f64 / 1000.0,
        Change::Requests { .. } => heal.requests as f64,
        Change::Reruns { .. } => heal.reruns as f64,
    }
}

/// Did the run come to the good end that `change` could cost?
fn is_good(heal: &Heal, change: &Change) -> bool {
    match change {
        Change::Fixers { .. } | Change::TimeLimit { .. } | Change::Requests { .. } => heal.ended == Ended::Healed,
        Change::Reruns { .. } => heal.flaky_at.is_some(),
    }
}

/// What the run would have been. Where the log can't tell, the worse is assumed: a run whose winner is dropped is lost.
fn under(heal: &Heal, change: &Change) -> Replayed {
    let good = is_good(heal, change);
    #[allow(clippy::cast_precision_loss, reason = "counts of a run")]
    match change {
        Change::Fixers { dropped, .. } => {
            let is_left = |name: &String| !dropped.contains(name);
            let lost = good && heal.winner.as_ref().is_some_and(|w| dropped.contains(w));
            let sum =
                |of: &BTreeMap<String, u64>| of.iter().filter(|(n, _)| is_left(n)).map(|(_, c)| *c).sum::<u64>() as f64;
            Replayed { healed: good && !lost, cost: sum(&heal.fixers) + sum(&heal.tokens) / 1000.0 }
        }
        Change::TimeLimit { ms, .. } => {
            Replayed { healed: good && heal.ms <= *ms, cost: heal.ms.min(*ms) as f64 / 1000.0 }
        }
        Change::Requests { most, .. } => {
            Replayed { healed: good && heal.requests <= *most, cost: heal.requests.min(*most) as f64 }
        }
        Change::Reruns { most, .. } => {
            let shown = heal.flaky_at.is_some_and(|at| at <= *most);
            Replayed { healed: shown, cost: heal.reruns.min(*most) as f64 }
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
        of.0 += usize::from(is_good(heal, &change));
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

/// `.kaizen.yml` with the change: the key's own lines replaced, or one line added. Everything else stays as it is, the ends of
/// its lines too. None when the key stands there in a way that is not understood.
pub fn edited(text: &str, change: &Change) -> Option<String> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.lines().collect();
    let out = match change.key().split_once('.') {
        None => with_key(&lines, change.key(), &change.value()),
        Some((outer, inner)) => with_inner(&lines, outer, inner, &change.value())?,
    };
    Some(out.join(end) + end)
}

fn is_key(line: &str, key: &str) -> bool {
    line.split_once(':').is_some_and(|(found, _)| found.trim_end() == key)
}

/// Where what belongs to the line `at` ends: a list may go on below, indented or as `- item`.
fn end_of(lines: &[&str], at: usize) -> usize {
    let goes_on = |l: &str| l.starts_with([' ', '\t']) && !l.trim().is_empty() || l.starts_with("- ");
    lines[at + 1..].iter().position(|l| !goes_on(l)).map_or(lines.len(), |n| at + 1 + n)
}

fn with_key(lines: &[&str], key: &str, value: &str) -> Vec<String> {
    let at = lines.iter().position(|line| is_key(line, key));
    let (before, after) = at.map_or((lines.len(), lines.len()), |at| (at, end_of(lines, at)));
    let own = |part: &[&str]| part.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    [own(&lines[..before]), vec![format!("{key}: {value}")], own(&lines[after..])].concat()
}

/// A key inside of another one: in a block below it, or in braces behind it.
fn with_inner(lines: &[&str], outer: &str, inner: &str, value: &str) -> Option<Vec<String>> {
    let mut out: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let Some(at) = lines.iter().position(|line| is_key(line, outer)) else {
        out.extend([format!("{outer}:"), format!("  {inner}: {value}")]);
        return Some(out);
    };
    let behind = lines[at].split_once(':').map_or("", |(_, rest)| rest).split(" #").next().unwrap_or_default().trim();
    if behind.is_empty() {
        let block = at + 1..end_of(lines, at);
        let indent = lines[block.clone()].iter().find(|line| !line.trim_start().starts_with('#'));
        let indent = indent.map_or("  ", |line| &line[..line.len() - line.trim_start().len()]);
        let line = format!("{indent}{inner}: {value}");
        match block.clone().find(|at| is_key(lines[*at].trim_start(), inner)) {
            Some(found) => out[found] = line,
            None => out.insert(block.start, line),
        }
        return Some(out);
    }
    let inside = behind.strip_prefix('{')?.strip_suffix('}')?;
    if inside.contains(['{', '[', '\'', '"']) {
        return None;
    }
    let mut fields: Vec<String> =
        inside.split(',').map(|field| field.trim().to_owned()).filter(|f| !f.is_empty()).collect();
    fields.retain(|field| !is_key(field, inner));
    fields.push(format!("{inner}: {value}"));
    out[at] = lines[at].replace(behind, &format!("{{{}}}", fields.join(", ")));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::patterns::tests::told;

    const ALL: [&str; 3] = ["undo", "mutate", "minimal"];

    fn names() -> Vec<String> {
        ALL.map(str::to_owned).to_vec()
    }

    fn now(limit_ms: u64) -> Now {
        Now { fixers: names(), limit_ms, requests: 400, reruns: 3 }
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
        let found = propose(&heals(12), &now(600_000));
        let Change::Fixers { fixers, dropped } = &found[0].change else { panic!("{found:?}") };
        assert_eq!((fixers.join(","), dropped.join(",")), ("mutate,undo".into(), "minimal".into()));
        assert!(found[0].accepted && found[0].p < 0.001, "{found:?}");
        assert_eq!((found[0].heals["pytest"], found[0].cost), ((9, 9), (12.0 * 104.0, 12.0 * 97.0)));
        let Change::TimeLimit { ms, longer } = found[1].change else { panic!("{found:?}") };
        assert_eq!((ms, longer, found[1].accepted), (75_000, 3, false), "three shorter runs may be chance: {found:?}");
        assert!(found[1].change.words().contains("3 runs that did not heal took longer"));
        assert!(propose(&heals(40), &now(600_000))[1].accepted);
    }

    #[test]
    fn a_limit_that_would_end_no_run_earlier_is_not_proposed() {
        let quick: Vec<Heal> = heals(12).into_iter().map(|heal| Heal { ms: heal.ms.min(50_000), ..heal }).collect();
        let found = propose(&quick, &now(600_000));
        assert!(!found.iter().any(|p| matches!(p.change, Change::TimeLimit { .. })), "{found:?}");
    }

    #[test]
    fn requests_and_reruns_are_cut_to_what_recorded_runs_needed() {
        let asked = |heal: Heal| Heal { requests: if heal.ended == Ended::Healed { 30 } else { 400 }, ..heal };
        let found = propose(&heals(40).into_iter().map(asked).collect::<Vec<_>>(), &now(60_000));
        let of = |found: &[Proposal], key: &str| found.iter().find(|p| p.change.key() == key).cloned();
        let requests = of(&found, "budget.requests").unwrap();
        assert_eq!(
            (&requests.change, requests.accepted),
            (&Change::Requests { most: 45, longer: 10 }, true),
            "{requests:?}"
        );
        let rerun = |at: u64, n: usize| {
            let flaky = |i| Heal { reruns: 3, flaky_at: Some(at), ..told(&format!("f{i}"), None, Ended::Flaky, "", 1) };
            let not = |i| Heal { reruns: 3, ..told(&format!("r{i}"), Some("f"), Ended::Escalated, "", 1) };
            (0..n).map(flaky).chain((0..n).map(not)).collect::<Vec<_>>()
        };
        let reruns = of(&propose(&rerun(1, 6), &now(60_000)), "reruns").unwrap();
        assert_eq!((&reruns.change, reruns.accepted), (&Change::Reruns { most: 1, flaky: 6 }, true), "{reruns:?}");
        assert_eq!((reruns.heals["pytest"], reruns.cost), ((6, 6), (36.0, 12.0)));
        assert_eq!(of(&propose(&rerun(3, 6), &now(60_000)), "reruns"), None, "the third one was needed");
        assert_eq!(of(&propose(&rerun(1, 4), &now(60_000)), "reruns"), None, "four flaky tests say nothing");
    }

    #[test]
    fn few_runs_a_worse_class_and_chance_accept_nothing() {
        assert!(!propose(&heals(6), &now(600_000))[0].accepted, "six runs show nothing");
        let raced = heals(12);
        let raced: Vec<&Heal> = raced.iter().collect();
        let lost = replay(&raced, Change::Fixers { fixers: vec!["mutate".into()], dropped: vec!["undo".into()] });
        assert!(!lost.accepted && lost.why.contains("fewer heals in the class pytest"), "{lost:?}");
        // everybody wins now and then: nothing is proposed
        let fair: Vec<Heal> =
            (0..12).map(|i| told(&i.to_string(), Some("f"), Ended::Healed, ALL[i % 3], 70_000)).collect();
        assert!(propose(&fair, &now(60_000)).is_empty());
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
            assert_eq!(edited(before, &change).unwrap(), after);
            crate::config::layered(Some(after), &[], &[]).unwrap();
            let (before, after) = (before.replace('\n', "\r\n"), after.replace('\n', "\r\n"));
            if !before.is_empty() {
                assert_eq!(edited(&before, &change).unwrap(), after);
            }
        }
        assert_eq!(edited("", &Change::TimeLimit { ms: 75_000, longer: 1 }).unwrap(), "time_limit: 1m15s\n");
    }

    #[test]
    fn a_key_inside_of_another_one_is_changed_where_it_stands() {
        let change = Change::Requests { most: 45, longer: 1 };
        for (before, after) in [
            ("", "budget:\n  requests: 45\n"),
            (
                "budget:\n    cents: 7 # mine\nrepeat: 3\n",
                "budget:\n    requests: 45\n    cents: 7 # mine\nrepeat: 3\n",
            ),
            ("budget:\n  cents: 7\n  requests: 400\n", "budget:\n  cents: 7\n  requests: 45\n"),
            ("budget: {requests: 400, cents: 7} # mine\n", "budget: {cents: 7, requests: 45} # mine\n"),
        ] {
            assert_eq!(edited(before, &change).unwrap(), after);
            crate::config::layered(Some(after), &[], &[]).unwrap();
        }
        assert_eq!(edited("budget: {models: {'own/a': {cents: 3}}}\n", &change), None);
    }
}
