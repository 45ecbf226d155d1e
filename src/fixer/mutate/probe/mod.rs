//! Probes: how a candidate is tried. Warm forks for Python, a waiting pool for node, reused workspaces for the rest.

pub mod arms;
mod batch;
pub mod cold;
pub mod command;
mod compare;
pub mod hits;
mod ideas;
pub mod node;
pub mod python;
pub mod server;
mod traced;
pub mod v8;
pub mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::time::timeout_at;

use crate::error::Result;

use super::edits::Project;

/// One file as a candidate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the top of the tree, `/`-separated.
    pub path: Vec<u8>,
    /// The whole new text.
    pub text: String,
}

/// How much is asked of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The red tests, within little time: who needs longer is asked again with [`Ask::Patient`].
    Quick,
    /// The red tests, within the whole time that a slow but right program may need.
    Patient,
    /// Every test that was red or green, in the suite's own order, from a clean start.
    Whole,
}

/// The tests that a probe knows by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    /// Names, as the suite has them.
    pub names: Vec<String>,
    /// Numbers of red tests.
    pub red: Vec<usize>,
    /// Numbers of tests that pass without a patch.
    pub green: Vec<usize>,
}

/// Without what stands for a run or a file that did not end well, when the tests that are to blame are known.
fn tests_only(roster: Roster, is_test: impl Fn(&str) -> bool) -> Roster {
    let names = |numbers: &[usize]| numbers.iter().map(|n| roster.names[*n].clone()).collect::<Vec<_>>();
    let (red, green) = (names(&roster.red), names(&roster.green));
    let red: Vec<String> = red.into_iter().filter(|id| is_test(id)).collect();
    if red.is_empty() {
        return roster;
    }
    let (of_red, of_all) = (red.len(), red.len() + green.len());
    Roster {
        names: red.into_iter().chain(green).collect(),
        red: (0..of_red).collect(),
        green: (of_red..of_all).collect(),
    }
}

/// How one candidate did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// Red tests that are still red, or of which nothing is known (the run was cut).
    pub still_red: BTreeSet<usize>,
    /// Tests that were green and are not any more. Only known when the red ones passed.
    pub broke: BTreeSet<usize>,
    /// It was cut because of its time.
    pub timed_out: bool,
    /// It does not compile, or can't be loaded.
    pub unbuildable: bool,
    /// Of the first test that failed.
    pub message: Option<String>,
}

impl Probed {
    /// Everything asked for passed.
    pub fn is_green(&self) -> bool {
        self.still_red.is_empty() && self.broke.is_empty() && !self.timed_out && !self.unbuildable
    }
}

/// Lines executed, by test number and file. Files that are not there were not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Lines by test and file.
    pub by_test: BTreeMap<usize, BTreeMap<String, BTreeSet<usize>>>,
    /// Lines of each file that the tracer could have seen: in bodies of functions.
    pub traceable: BTreeMap<String, BTreeSet<usize>>,
}

/// What one further input does with one rival.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Equal for equal results and equal changes of the arguments.
    pub digest: String,
    /// It raised.
    pub raised: bool,
    /// It did not end in time.
    pub endless: bool,
    /// The result in short.
    pub text: String,
}

/// Calls into the project: the tests' own, and further ones made of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Each in the probe's own form.
    pub calls: Vec<String>,
    /// How many of them, at the front, are the tests' own.
    pub own: usize,
}

impl Inputs {
    /// What a warm runner recorded: `base`, the tests' own calls, then `further` ones; what is missing or malformed is empty.
    fn recorded(answer: &serde_json::Value) -> Self {
        let list = |name: &str| -> Vec<String> { serde_json::from_value(answer[name].clone()).unwrap_or_default() };
        let mut calls = list("base");
        let own = calls.len();
        calls.extend(list("further"));
        Self { calls, own }
    }
}

/// What green candidates do with further inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Each input in words.
    pub asked: Vec<String>,
    /// How many of them, at the front, are the tests' own.
    pub own: usize,
    /// Each candidate's answers, one for each input; `None`: unknown.
    pub answers: Vec<Vec<Option<Answer>>>,
}

impl Compared {
    /// Adds what a candidate answered: each input's text, and the answer.
    fn add(&mut self, answers: Vec<Option<(String, Answer)>>) {
        self.asked.resize(self.asked.len().max(answers.len()), String::new());
        for (asked, (text, _)) in
            self.asked.iter_mut().zip(&answers).filter_map(|(asked, a)| Some((asked, a.as_ref()?)))
        {
            asked.clone_from(text);
        }
        self.answers.push(answers.into_iter().map(|answer| answer.map(|(_, answer)| answer)).collect());
    }
}

/// Comparing green candidates takes about this long where they can be asked directly, and starting the judge's workspace.
const CHOOSING: Duration = Duration::from_secs(3);

/// Something that tries candidates. Slots work independently; one slot is asked one thing at a time.
pub trait Probe: Send + Sync {
    /// The tests.
    fn roster(&self) -> &Roster;
    /// How many candidates can be tried at once.
    fn slots(&self) -> usize;
    /// For the notes: how candidates are tried.
    fn about(&self) -> String;
    /// Tries a candidate in `slot`.
    fn probe<'a>(&'a self, slot: usize, changes: &'a [Change], ask: Ask) -> BoxFuture<'a, Result<Probed>>;
    /// So many candidates are tried together at less cost than one by one; 1: none.
    fn batch(&self) -> usize {
        1
    }
    /// Tries several candidates with [`Ask::Quick`] in `slot`; an answer for each, in their order.
    fn probe_many<'a>(
        &'a self,
        slot: usize,
        project: &'a Project,
        candidates: &'a [Vec<Change>],
    ) -> BoxFuture<'a, Vec<Result<Probed>>> {
        let _ = project;
        Box::pin(async move {
            let mut out = Vec::with_capacity(candidates.len());
            for changes in candidates {
                out.push(self.probe(slot, changes, Ask::Quick).await);
            }
            out
        })
    }
    /// Line coverage of the unpatched tree, where that is cheap.
    fn coverage(&self) -> BoxFuture<'_, Option<Coverage>> {
        Box::pin(async { None })
    }
    /// Calls that the tests make with a green candidate, and further ones near them; empty where that can't be had.
    fn inputs<'a>(&'a self, changes: &'a [Change], seed: u64) -> BoxFuture<'a, Inputs> {
        let _ = (changes, seed);
        Box::pin(async { Inputs::default() })
    }
    /// What a candidate answers to `inputs` (each call's text, and its answer; `None`: unknown).
    fn behaviour<'a>(
        &'a self,
        slot: usize,
        changes: &'a [Change],
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Vec<Option<(String, Answer)>>> {
        let _ = (slot, changes, inputs);
        Box::pin(async { Vec::new() })
    }
    /// What green candidates answer to inputs that no test has, made of those that the first one is tested with. What is
    /// not known at `until` is left out, that of the last ones first.
    fn compare<'a>(
        &'a self,
        project: &'a Project,
        greens: &'a [Vec<Change>],
        seed: u64,
        until: Instant,
    ) -> BoxFuture<'a, Compared> {
        let _ = project;
        Box::pin(async move {
            let Some(first) = greens.first() else { return Compared::default() };
            let Ok(inputs) = timeout_at(until.into(), self.inputs(first, seed)).await else {
                return Compared::default();
            };
            let mut compared = Compared { own: inputs.own, ..Compared::default() };
            for chunk in greens.chunks(self.slots()) {
                let asked = chunk.iter().enumerate().map(|(slot, changes)| self.behaviour(slot, changes, &inputs));
                let Ok(answers) = timeout_at(until.into(), futures::future::join_all(asked)).await else { break };
                answers.into_iter().for_each(|answers| compared.add(answers));
            }
            compared
        })
    }
    /// Comparing takes about so long.
    fn choosing(&self) -> Duration {
        CHOOSING
    }
    /// Ends everything that it started.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// Time limits of one candidate: processor time and wall time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// Of the processor.
    pub cpu: Duration,
    /// On the clock.
    pub wall: Duration,
}

/// Red programs often stop early, so the red run says little about how long a right one takes; green tests of the same
/// suite say more. Nothing is cut below this: a start-up hiccup on a busy machine takes as long.
const LEAST_QUICK_MS: f64 = 150.0;
/// The same where red tests hang: most candidates hang, too, and each costs this much.
const LEAST_HUNG_MS: f64 = 60.0;
/// A right program may be this many times slower than what was measured.
const QUICK_TIMES: f64 = 5.0;
/// The same for a second, patient look.
const PATIENT_TIMES: f64 = 20.0;
/// A patient look lasts at least so long.
const LEAST_PATIENT_MS: f64 = 2000.0;

/// The test function of a test that may be one of its cases: `t.py::test_a[1]` is one of `t.py::test_a`.
fn function_of(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// So many red tests are few: all of them are run at once.
const FEW_RED: usize = 12;
/// How many red tests stand for all of them.
const SAMPLE: usize = 6;

/// The red tests that are run first: a candidate that leaves one of them red is left at that. Where a constructor is
/// broken, everything is red, and hardly any candidate does anything. One of each test function, because its cases are
/// alike; the quickest ones. Empty: not worth it, because all together take less than `little_ms`.
fn sample(names: &[String], red: &[usize], durations_ms: &BTreeMap<usize, f64>, little_ms: f64) -> Vec<usize> {
    let ms = |n: &usize| durations_ms.get(n).copied();
    let all: f64 = red.iter().filter_map(ms).sum();
    if red.len() <= FEW_RED || all < little_ms {
        return Vec::new();
    }
    // what has no duration hung or crashed, and is left for later
    let mut timed: Vec<(usize, f64)> = red.iter().filter_map(|n| Some((*n, ms(n)?))).collect();
    timed.sort_by(|a, b| a.1.total_cmp(&b.1));
    let function = |n: usize| names.get(n).map_or("", |name| function_of(name));
    let mut functions = BTreeSet::new();
    timed.into_iter().filter(|(n, _)| functions.insert(function(*n))).map(|(n, _)| n).take(SAMPLE).collect()
}

/// Limits for tests that took `measured_ms` in all, with `typical_ms` for each of `count` tests as a floor (tests that
/// hang or crash at once have no duration worth the name); `hung`: some of them did not end.
pub fn patience(ask: Ask, measured_ms: f64, typical_ms: f64, count: usize, hung: bool) -> Patience {
    let expected = measured_ms.max(typical_ms * count as f64);
    let ms = match ask {
        Ask::Quick => (expected * QUICK_TIMES).max(if hung { LEAST_HUNG_MS } else { LEAST_QUICK_MS }),
        Ask::Patient | Ask::Whole => (expected * PATIENT_TIMES).max(LEAST_PATIENT_MS),
    };
    let cpu = Duration::from_secs_f64(ms / 1000.0);
    // a test may sleep, and other work shares the processors
    Patience { cpu, wall: cpu * 4 + Duration::from_secs(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_much_is_red_a_few_quick_tests_of_different_functions_stand_for_all() {
        let names: Vec<String> = (0..40).map(|n| format!("t.py::test_{}[{n}]", n / 4)).collect();
        let red: Vec<usize> = (0..40).collect();
        let slow: BTreeMap<usize, f64> = red.iter().map(|n| (*n, 100.0 - *n as f64)).collect();
        assert_eq!(sample(&names, &red, &slow, 40.0), [39, 35, 31, 27, 23, 19]);
        assert_eq!(sample(&names, &red[..12], &slow, 40.0), [0; 0], "few");
        let quick: BTreeMap<usize, f64> = red.iter().map(|n| (*n, 0.5)).collect();
        assert_eq!(sample(&names, &red, &quick, 40.0), [0; 0], "quick anyway");
        assert_eq!(sample(&names, &red, &BTreeMap::new(), 40.0), [0; 0], "nothing is known of them");
    }

    #[test]
    fn limits_are_multiples_of_what_was_measured_and_never_tiny() {
        assert_eq!(patience(Ask::Quick, 1.0, 1.0, 3, false).cpu, Duration::from_millis(150));
        assert_eq!(patience(Ask::Quick, 1.0, 1.0, 3, true).cpu, Duration::from_millis(60), "most candidates hang");
        assert_eq!(patience(Ask::Quick, 400.0, 1.0, 3, true).cpu, Duration::from_secs(2));
        assert_eq!(patience(Ask::Quick, 400.0, 1.0, 3, false).cpu, Duration::from_secs(2));
        assert_eq!(patience(Ask::Quick, 1.0, 50.0, 10, false).cpu, Duration::from_millis(2500));
        assert_eq!(patience(Ask::Patient, 400.0, 1.0, 3, false).cpu, Duration::from_secs(8));
        assert!(patience(Ask::Whole, 0.0, 0.0, 0, false).wall > Duration::from_secs(2));
    }

    /// Answers each call with the candidate's text, after as many milliseconds as that is long.
    struct Slow(Roster);

    impl Probe for Slow {
        fn roster(&self) -> &Roster {
            &self.0
        }
        fn slots(&self) -> usize {
            2
        }
        fn about(&self) -> String {
            "slow".into()
        }
        fn probe<'a>(&'a self, _: usize, _: &'a [Change], _: Ask) -> BoxFuture<'a, Result<Probed>> {
            Box::pin(async { Ok(Probed::default()) })
        }
        fn inputs<'a>(&'a self, changes: &'a [Change], _: u64) -> BoxFuture<'a, Inputs> {
            Box::pin(async move { Inputs { calls: vec![changes[0].text.clone(), "f(2)".into()], own: 1 } })
        }
        fn behaviour<'a>(
            &'a self,
            _: usize,
            changes: &'a [Change],
            inputs: &'a Inputs,
        ) -> BoxFuture<'a, Vec<Option<(String, Answer)>>> {
            Box::pin(async move {
                let text = changes[0].text.clone();
                tokio::time::sleep(Duration::from_millis(text.len() as u64)).await;
                let answer = Answer { digest: text.clone(), raised: false, endless: false, text };
                inputs.calls.iter().map(|call| Some((call.clone(), answer.clone()))).collect()
            })
        }
        fn stop(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn what_is_not_compared_in_time_is_unknown_and_what_is_stays_known() {
        let probe = Slow(Roster::default());
        let green = |ms: usize| vec![Change { path: b"f.py".to_vec(), text: "x".repeat(ms) }];
        let greens = [green(10), green(20), green(50_000), green(10), green(10)];
        let project = Project::load(Vec::new(), |_| true);
        let until = Instant::now() + Duration::from_millis(400);
        let compared = probe.compare(&project, &greens, 1, until).await;
        assert_eq!((compared.answers.len(), compared.asked.len(), compared.own), (2, 2, 1));
        assert!(until.elapsed() < Duration::from_secs(20));
    }
}
