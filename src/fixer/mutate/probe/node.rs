//! The warm runner for `node --test`: one server per slot; see `warm_node.mjs`. Whole runs go through the suite's own command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::cold::ColdProbe;
use super::server::{Server, Slot};
use super::v8::{Functions, lines};
use super::{Answer, Ask, Change, Coverage, Inputs, Probe, Probed, Roster, patience, sample, tests_only};
use crate::error::{Context as _, Error, Result};
use crate::fixer::Case;
use crate::lab::Lab;
use crate::suite::{Scope, TestId};

/// A look at a few red tests first costs a process: worth it when all of them take longer than this.
const LITTLE_RED_MS: f64 = 150.0;
const SCRIPT: &str = include_str!("warm_node.mjs");

/// Starting a worker and loading the tests comes on top of the tests' own time.
const LOAD: Duration = Duration::from_millis(150);

/// Nobody answers later than this after the limits.
const OVERTIME: Duration = Duration::from_secs(15);

/// Further inputs to compare green candidates on.
const VARIANTS: usize = 150;

/// One call on a further input may take this much of the processor.
const CALL_SECONDS: f64 = 0.4;

/// Tries JavaScript candidates in worker threads of waiting processes.
#[derive(Debug)]
pub struct NodeProbe {
    lab: Arc<Lab>,
    slots: Vec<Mutex<Slot>>,
    cold: ColdProbe,
    roster: Roster,
    numbers: BTreeMap<String, usize>,
    /// Test files, relative to the suite's folder.
    files: Vec<String>,
    /// Duration of each test without a patch; a test that hangs has none.
    durations: BTreeMap<usize, f64>,
    /// Red tests that are run before the others.
    sampled: Vec<usize>,
    version: String,
}

/// What came back: outcome, duration and message by test, and how it ended.
struct Seen {
    results: BTreeMap<usize, (bool, f64, Option<String>)>,
    end: String,
    current: Option<usize>,
    coverage: Value,
    error: Option<String>,
}

impl Seen {
    fn is_good(&self, test: usize) -> bool {
        self.results.get(&test).is_some_and(|result| result.0)
    }

    /// Of a run of the tests `red`, or of some of them.
    fn of_red(self, red: &[usize]) -> Probed {
        Probed {
            still_red: red.iter().copied().filter(|n| !self.is_good(*n)).collect(),
            timed_out: self.end == "timeout",
            unbuildable: self.results.is_empty() && self.end == "done",
            message: self.results.values().find_map(|result| result.2.clone()).or(self.error),
            ..Probed::default()
        }
    }
}

impl NodeProbe {
    /// Starts warm runners and checks that they see what the red run saw.
    ///
    /// # Errors
    /// With the reason when they don't: then candidates have to be tried cold.
    pub async fn start(case: &Case, cancel: &CancellationToken) -> Result<Self> {
        let cold = ColdProbe::idle(case, cancel).await?;
        let planted = futures::future::join_all((0..case.lab.parallel).map(|n| plant(case, n))).await;
        let planted: Vec<(Slot, String)> = planted.into_iter().collect::<Result<_>>()?;
        let version = planted.first().map(|p| p.1.clone()).unwrap_or_default();
        let roster = tests_only(cold.roster().clone(), |id| {
            case.red.tests.get(&TestId(id.to_owned())).is_none_or(|result| result.scope == Scope::Test)
        });
        let numbers = roster.names.iter().enumerate().map(|(n, id)| (id.clone(), n)).collect();
        let file = |id: &String| id.split(" > ").next().unwrap_or_default().to_owned();
        let files: BTreeSet<String> = roster.names.iter().map(file).filter(|f| !f.is_empty()).collect();
        let slots = planted.into_iter().map(|p| Mutex::new(p.0)).collect();
        let lab = Arc::clone(&case.lab);
        let files = files.into_iter().collect();
        let mut probe =
            Self { lab, slots, cold, roster, numbers, files, durations: BTreeMap::new(), sampled: Vec::new(), version };
        probe.settle().await?;
        Ok(probe)
    }

    /// Runs everything once without a patch and compares with the red run.
    async fn settle(&mut self) -> Result<()> {
        let mut left: Vec<usize> = (0..self.roster.names.len()).collect();
        let mut passed = BTreeSet::new();
        for cut in 0..8 {
            let cpu = if cut == 0 { 5.0 } else { 1.5 };
            let seen = self.run(0, &[], &left, cpu, false, false).await?;
            for (n, (good, ms, _)) in &seen.results {
                self.durations.insert(*n, *ms);
                if *good {
                    passed.insert(*n);
                }
            }
            left.retain(|n| !seen.results.contains_key(n) && Some(*n) != seen.current);
            if seen.end == "done" || left.is_empty() || seen.current.is_none() {
                break;
            }
        }
        self.roster = seen_alike(&self.roster, &passed)?;
        let ran = |n: &&usize| self.durations.contains_key(n) || !left.contains(n);
        if !self.roster.red.iter().any(|n| ran(&n)) {
            return Err(Error::internal("a red test does not run in the warm runner"));
        }
        self.sampled = sample(&self.roster.names, &self.roster.red, &self.durations, LITTLE_RED_MS);
        Ok(())
    }

    async fn run(
        &self,
        slot: usize,
        changes: &[Change],
        tests: &[usize],
        cpu: f64,
        stop: bool,
        cover: bool,
    ) -> Result<Seen> {
        let names: Vec<&str> = tests.iter().map(|n| self.roster.names[*n].as_str()).collect();
        let wanted = |f: &&String| names.iter().any(|n| n.starts_with(f.as_str()));
        let files: Vec<&String> = self.files.iter().filter(wanted).collect();
        let wall = cpu * 4.0 + 2.0;
        let request = json!({"op": "run", "changes": pairs(changes), "files": files, "tests": names, "cpu": cpu, "wall": wall,
            "stop": stop, "cover": cover});
        let mut slot = self.slots[slot % self.slots.len()].lock().await;
        let _permit = self.lab.slot().await?;
        let answer = slot.ask(&request, Duration::from_secs_f64(wall) + OVERTIME).await?;
        Ok(self.read(&answer))
    }

    fn read(&self, answer: &Value) -> Seen {
        let rows: Vec<(String, String, f64, Option<String>)> =
            serde_json::from_value(answer["results"].clone()).unwrap_or_default();
        let number = |id: &str| self.numbers.get(id).copied();
        let stray = rows.iter().find(|r| number(&r.0).is_none() && r.1 == "f").and_then(|r| r.3.clone());
        let results = rows.into_iter().filter_map(|(id, o, ms, m)| Some((number(&id)?, (o == "p", ms, m)))).collect();
        Seen {
            results,
            end: answer["end"].as_str().unwrap_or_default().to_owned(),
            current: answer["current"].as_str().and_then(number),
            coverage: answer["coverage"].clone(),
            error: stray.or_else(|| answer["error"].as_str().map(str::to_owned)),
        }
    }

    /// Seconds of the processor for these tests.
    fn cpu(&self, ask: Ask, tests: &[usize]) -> f64 {
        let measured = tests.iter().filter_map(|n| self.durations.get(n)).sum();
        let hung = tests.iter().any(|n| !self.durations.contains_key(n));
        (patience(ask, measured, 0.5, tests.len(), hung).cpu + LOAD).as_secs_f64()
    }

    async fn try_red(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Probed> {
        let red = &self.roster.red;
        if !self.sampled.is_empty() {
            let seen = self.run(slot, changes, &self.sampled, self.cpu(ask, &self.sampled), false, false).await?;
            if !self.sampled.iter().all(|n| seen.is_good(*n)) {
                return Ok(seen.of_red(red));
            }
        }
        let seen = self.run(slot, changes, red, self.cpu(ask, red), false, false).await?;
        let mut probed = seen.of_red(red);
        if probed.still_red.is_empty() && !probed.timed_out {
            let green = &self.roster.green;
            let seen = self.run(slot, changes, green, self.cpu(Ask::Patient, green), true, false).await?;
            probed.broke = green.iter().copied().filter(|n| !seen.is_good(*n)).collect();
            probed.timed_out = seen.end == "timeout";
        }
        Ok(probed)
    }
}

/// Of the tests those with the same result in a warm runner; `passed`: there. What a test says that depends on the process
/// that it is alone in is for whole runs to find out.
///
/// # Errors
/// When too few are left for the warm runner to be worth something.
fn seen_alike(roster: &Roster, passed: &BTreeSet<usize>) -> Result<Roster> {
    let red: Vec<usize> = roster.red.iter().copied().filter(|n| !passed.contains(n)).collect();
    let green: Vec<usize> = roster.green.iter().copied().filter(|n| passed.contains(n)).collect();
    if red.is_empty() {
        let name = roster.red.first().map_or("", |n| roster.names[*n].as_str());
        return Err(Error::internal(format!("{name} is not red in the warm runner")));
    }
    let missing = roster.green.len() - green.len();
    if missing * 2 > roster.green.len() {
        return Err(Error::internal(format!("{missing} green tests are red in the warm runner")));
    }
    Ok(Roster { names: roster.names.clone(), red, green })
}

fn pairs(changes: &[Change]) -> Vec<(String, &str)> {
    changes.iter().map(|c| (String::from_utf8_lossy(&c.path).into_owned(), c.text.as_str())).collect()
}

/// Starts a server in a workspace of its own.
async fn plant(case: &Case, n: usize) -> Result<(Slot, String)> {
    let workspace = case.lab.workspace(&case.snapshot, &format!("mutate-node-{n}")).await?;
    let scratch = case.lab.scratch("mutate")?;
    let script = scratch.join("warm_node.mjs");
    std::fs::write(&script, SCRIPT).context(|| format!("can't write {}", script.display()))?;
    let cwd = workspace.path.join(&case.suite.dir);
    let mut env = case.lab.environment();
    env.insert("TMPDIR".into(), scratch.clone().into());
    env.insert("NODE_NO_WARNINGS".into(), "1".into());
    let argv = vec!["node".into(), "--experimental-vm-modules".into(), script.into()];
    let argv = case.lab.fenced(argv, &[&workspace.path, &scratch]);
    let mut server = Server::start(&argv, &cwd, &env)?;
    let start = json!({"op": "start", "top": workspace.path, "cwd": cwd});
    let ready = server.ask(&start, Duration::from_secs(20)).await?;
    match ready["ready"].as_str() {
        Some(version) => Ok((Slot { server, workspace }, version.to_owned())),
        None => Err(Error::internal(format!("node can't run the tests warm: {}", ready["error"]))),
    }
}

impl Probe for NodeProbe {
    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn about(&self) -> String {
        format!("a warm runner in node {}", self.version)
    }

    fn probe<'a>(&'a self, slot: usize, changes: &'a [Change], ask: Ask) -> BoxFuture<'a, Result<Probed>> {
        Box::pin(async move {
            match ask {
                Ask::Whole => self.cold.probe(slot, changes, ask).await,
                Ask::Quick | Ask::Patient => self.try_red(slot, changes, ask).await,
            }
        })
    }

    fn coverage(&self) -> BoxFuture<'_, Option<Coverage>> {
        Box::pin(async move {
            // a test that hangs gives no coverage: those that end have to do
            let tests: Vec<usize> = self.durations.keys().copied().take(400).collect();
            let cpu = self.cpu(Ask::Patient, &tests);
            let seen = self.run(0, &[], &tests, cpu, false, true).await.ok()?;
            let by_name: BTreeMap<String, BTreeMap<String, Functions>> = serde_json::from_value(seen.coverage).ok()?;
            let slot = self.slots[0].lock().await;
            let mut coverage = Coverage::default();
            let mut texts: BTreeMap<String, String> = BTreeMap::new();
            for (name, files) in by_name {
                let Some(test) = self.numbers.get(&name) else { continue };
                for (file, functions) in files {
                    let text = texts.entry(file.clone()).or_insert_with(|| {
                        std::fs::read_to_string(slot.workspace.path.join(&file)).unwrap_or_default()
                    });
                    let (inside, executed) = lines(text, &functions);
                    coverage.traceable.entry(file.clone()).or_default().extend(inside);
                    coverage.by_test.entry(*test).or_default().insert(file, executed);
                }
            }
            let some_red = self.roster.red.iter().any(|n| coverage.by_test.contains_key(n));
            some_red.then_some(coverage)
        })
    }

    fn inputs<'a>(&'a self, changes: &'a [Change], seed: u64) -> BoxFuture<'a, Inputs> {
        Box::pin(async move {
            let tests: Vec<usize> = self.durations.keys().copied().take(400).collect();
            let names: Vec<&str> = tests.iter().map(|n| self.roster.names[*n].as_str()).collect();
            let cpu = self.cpu(Ask::Patient, &tests);
            let wall = cpu * 4.0 + 2.0;
            let request = json!({"op": "run", "changes": pairs(changes), "files": self.files, "tests": names, "cpu": cpu,
                "wall": wall, "record": {"variants": VARIANTS, "seed": seed as u32}});
            let mut slot = self.slots[0].lock().await;
            let Ok(_permit) = self.lab.slot().await else { return Inputs::default() };
            let Ok(answer) = slot.ask(&request, Duration::from_secs_f64(wall) + OVERTIME).await else {
                return Inputs::default();
            };
            Inputs::recorded(&answer["recorded"])
        })
    }

    fn behaviour<'a>(
        &'a self,
        slot: usize,
        changes: &'a [Change],
        inputs: &'a Inputs,
    ) -> BoxFuture<'a, Vec<Option<(String, Answer)>>> {
        Box::pin(async move {
            let mut answers = vec![None; inputs.calls.len()];
            if answers.is_empty() {
                return answers;
            }
            let request = json!({"op": "behave", "changes": pairs(changes), "calls": inputs.calls,
                "cpu": CALL_SECONDS, "wall": CALL_SECONDS * 6.0});
            let mut slot = self.slots[slot % self.slots.len()].lock().await;
            let Ok(_permit) = self.lab.slot().await else { return answers };
            let Ok(answer) = slot.ask(&request, OVERTIME * 2).await else { return answers };
            for row in answer["results"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let text = |at: usize| row[at].as_str().unwrap_or_default().to_owned();
                let Some(place) = row[0].as_u64().and_then(|n| answers.get_mut(n as usize)) else { continue };
                let kind = text(1);
                let answer = Answer { digest: text(2), raised: kind == "!", endless: kind == "~", text: text(4) };
                *place = Some((text(3), answer));
            }
            answers
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            futures::future::join_all(self.slots.iter().map(|slot| async { slot.lock().await.server.stop().await }))
                .await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_runner_is_used_for_the_tests_that_it_sees_as_the_red_run_did() {
        let roster =
            Roster { names: (0..6).map(|n| n.to_string()).collect(), red: vec![0, 1], green: vec![2, 3, 4, 5] };
        let alike = |passed: &[usize]| seen_alike(&roster, &passed.iter().copied().collect());
        let kept = |passed: &[usize]| alike(passed).map(|roster| (roster.red, roster.green)).ok();
        assert_eq!(kept(&[2, 3, 4, 5]), Some((vec![0, 1], vec![2, 3, 4, 5])));
        assert_eq!(
            kept(&[1, 2, 3, 5]),
            Some((vec![0], vec![2, 3, 5])),
            "one is odd, and one needs a process of its own"
        );
        assert!(alike(&[0, 1, 2, 3, 4, 5]).unwrap_err().to_string().contains("0 is not red"));
        assert!(alike(&[2]).unwrap_err().to_string().contains("3 green tests are red"));
    }

    #[test]
    fn ranges_become_lines_and_inner_ranges_overrule_outer_ones() {
        let text = "const a = 1;\nfunction f(é) {\n  if (é) {\n    return 1;\n  }\n  return 2;\n}\n";
        let start = text.find("function").unwrap();
        // one unit less than bytes for each é
        let end = text.find("\n}\n").unwrap() - 2;
        let block = (text.find("{\n    return 1").unwrap() - 2, text.find("}\n  return 2").unwrap() - 2, 0);
        let (inside, executed) = lines(text, &[vec![(start, end, 3), block]]);
        assert_eq!(inside, BTreeSet::from([2, 3, 4, 5, 6]));
        assert_eq!(executed, BTreeSet::from([2, 3, 5, 6]));
    }
}
