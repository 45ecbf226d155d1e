//! The warm Python runner: one server per slot, each with a workspace of its own; see `warm_python.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::command::{Mode, PythonStart, python_start};
use super::server::{Server, Slot};
use super::{Answer, Ask, Change, Coverage, Inputs, Patience, Probe, Probed, Roster, function_of, patience, sample};
use crate::error::{Context as _, Error, Result};
use crate::fixer::Case;
use crate::lab::Lab;
use crate::suite::{Scope, TestId, TestResult};
use crate::system;

/// A suite that takes no longer is run once in the warm runner before anything is tried; of a longer one only the red tests.
const QUICK_SUITE: Duration = Duration::from_secs(3);

/// A look at a few red tests first costs nothing, but says less about how close a candidate came; in milliseconds of all.
const LITTLE_RED_MS: f64 = 40.0;

const SCRIPT: &str = include_str!("warm_python.py");

/// A candidate may use this much memory: more than any small program needs, less than hurts the machine.
const MEMORY_BYTES: u64 = 3 << 30;

/// Importing and collecting again from a clean start comes on top of the tests' own time.
const IMPORT: Duration = Duration::from_secs(10);

/// Tracing lines makes a program slower by about this.
const TRACE_TIMES: u32 = 10;

/// Coverage is a hint; no more processor time than this goes into one group of tests.
const TRACE_MOST: Duration = Duration::from_secs(4);

/// Green tests are recorded for further inputs as long as they took no longer than this.
const RECORD_MOST: Duration = Duration::from_secs(3);

/// Tries Python candidates in forks of warm processes.
#[derive(Debug)]
pub struct PythonProbe {
    lab: Arc<Lab>,
    slots: Vec<Mutex<Slot>>,
    roster: Roster,
    /// Duration of each test without a patch; tests that were cut have none.
    durations: BTreeMap<usize, f64>,
    typical_ms: f64,
    /// Red tests that are run before the others.
    sampled: Vec<usize>,
    /// Green tests that don't pass here, once that is known.
    odd: OnceLock<BTreeSet<usize>>,
    /// Candidates may be swapped into a loaded project.
    hot: bool,
    /// Files that can't be imported: they are red as a whole, and only a clean start tells.
    broken: Vec<String>,
    lines: BTreeMap<String, BTreeSet<usize>>,
    test_files: Vec<String>,
    about: String,
}

/// What a planted server found.
struct Planted {
    slot: Slot,
    found: Value,
    version: String,
}

impl PythonProbe {
    /// Starts warm runners for the case's suite and checks that they see what the red run saw.
    ///
    /// # Errors
    /// With the reason when the suite can't be run warm: then candidates have to be tried cold.
    pub async fn start(case: &Case) -> Result<Self> {
        let start = python_start(&case.suite.command, case.suite.runner)
            .ok_or_else(|| Error::internal("the command does not show how Python is started"))?;
        let plant = |n: usize| {
            let start = start.clone();
            async move { plant(case, &start, n).await }
        };
        let planted = futures::future::join_all((0..case.lab.parallel).map(plant)).await;
        let planted: Vec<Planted> = planted.into_iter().collect::<Result<_>>()?;
        let mut probe = Self::from_planted(Arc::clone(&case.lab), planted)?;
        probe.settle(case).await?;
        Ok(probe)
    }

    fn from_planted(lab: Arc<Lab>, planted: Vec<Planted>) -> Result<Self> {
        let first = planted.first().ok_or_else(|| Error::internal("no slots"))?;
        let strings = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
        let names = strings(&first.found["collected"]);
        let broken: Vec<(String, String)> = serde_json::from_value(first.found["broken"].clone()).unwrap_or_default();
        let lines: BTreeMap<String, (BTreeSet<usize>, BTreeSet<usize>)> =
            serde_json::from_value(first.found["lines"].clone()).unwrap_or_default();
        let files: Vec<Option<String>> = serde_json::from_value(first.found["files"].clone()).unwrap_or_default();
        let test_files: BTreeSet<String> = files.into_iter().flatten().collect();
        let version = first.version.clone();
        let hot = first.found.get("cold").is_none() && first.found.get("collected").is_some();
        Ok(Self {
            lab,
            slots: planted.into_iter().map(|p| Mutex::new(p.slot)).collect(),
            roster: Roster { names, ..Roster::default() },
            durations: BTreeMap::new(),
            typical_ms: 0.0,
            sampled: Vec::new(),
            odd: OnceLock::new(),
            hot,
            broken: broken.into_iter().map(|(id, _)| id).collect(),
            lines: lines.into_iter().map(|(file, (inside, _))| (file, inside)).collect(),
            test_files: test_files.into_iter().collect(),
            about: format!("warm Python runner ({version})"),
        })
    }

    /// Runs everything once without a patch and compares with the red run.
    async fn settle(&mut self, case: &Case) -> Result<()> {
        let red: BTreeSet<&str> = case.failure.red.iter().map(|id| id.0.as_str()).collect();
        let number: BTreeMap<&str, usize> =
            self.roster.names.iter().enumerate().map(|(n, id)| (id.as_str(), n)).collect();
        let whole = case.red.tests.iter().any(|(id, r)| red.contains(id.0.as_str()) && r.scope != Scope::Test);
        if whole && (!self.broken.is_empty() || self.roster.names.is_empty()) {
            self.about.push_str(", imported anew for each candidate");
            self.roster.names.extend(self.broken.iter().cloned());
            let from = self.roster.names.len() - self.broken.len();
            self.roster.red = (from..self.roster.names.len()).collect();
            if self.broken.is_empty() {
                return Err(Error::internal("the suite can't be collected"));
            }
            return Ok(());
        }
        let known: Vec<usize> = red.iter().filter_map(|id| number.get(id).copied()).collect();
        let passed: BTreeSet<String> = case.red.passed().into_iter().map(|id| id.0).collect();
        let green: Vec<usize> = passed.iter().filter_map(|id| number.get(id.as_str()).copied()).collect();
        if !whole && (known.len() < red.len() || green.len() < passed.len()) {
            return Err(Error::internal("the warm runner collects other tests than the suite"));
        }
        let told = |(n, name): (usize, &String)| {
            let result = case.red.tests.get(&TestId(name.clone())).filter(|result| !result.was_cut())?;
            Some((n, result.duration_ms? as f64))
        };
        // a test that hung in the red run is as red here, and costs as much time again to see it
        let hung = |n: &usize| {
            let result = case.red.tests.get(&TestId(self.roster.names[*n].clone()));
            result.is_some_and(TestResult::was_cut)
        };
        let told: BTreeMap<usize, f64> = self.roster.names.iter().enumerate().filter_map(told).collect();
        let at_once = whole || case.red.duration <= QUICK_SUITE;
        let all: Vec<usize> = (0..self.roster.names.len()).collect();
        let asked = if at_once { all.clone() } else { known.clone() };
        let seen = self.baseline(asked.into_iter().filter(|n| !hung(n)).collect(), &told).await?;
        let failed = |n: &usize| seen.get(n).is_none_or(|(outcome, _)| outcome == "f");
        if let Some(n) = known.iter().find(|n| !failed(n)) {
            return Err(Error::internal(format!("{} is not red in the warm runner", self.roster.names[*n])));
        }
        let passes = |n: &usize| seen.get(n).is_some_and(|(outcome, _)| outcome == "p");
        self.roster.red = if whole { all.iter().copied().filter(failed).collect() } else { known };
        self.roster.green = if at_once { all.iter().copied().filter(passes).collect() } else { green };
        if self.roster.red.is_empty() {
            return Err(Error::internal("nothing is red in the warm runner"));
        }
        if at_once {
            // what passes outside and not here says nothing here: it is left out already
            self.odd = OnceLock::from(BTreeSet::new());
        }
        self.durations = told;
        self.durations.extend(seen.iter().map(|(n, (_, ms))| (*n, *ms)));
        let mut sorted: Vec<f64> = self.durations.values().copied().collect();
        sorted.sort_by(f64::total_cmp);
        self.typical_ms = sorted.get(sorted.len() * 3 / 4).copied().unwrap_or(1.0);
        self.sampled = sample(&self.roster.names, &self.roster.red, &self.durations, LITTLE_RED_MS);
        Ok(())
    }

    /// Outcome and duration of these tests without a patch, which took `told` milliseconds in the suite's own run; a test
    /// that hangs has none. Each test that is cut makes one more run for those after it.
    async fn baseline(
        &self,
        mut left: Vec<usize>,
        told: &BTreeMap<usize, f64>,
    ) -> Result<BTreeMap<usize, (String, f64)>> {
        let mut seen: BTreeMap<usize, (String, f64)> = BTreeMap::new();
        let mut cuts = 0;
        while !left.is_empty() {
            // the first look is generous; later ones know that something hangs
            let expected_s = left.iter().filter_map(|n| told.get(n)).sum::<f64>() / 1000.0;
            let cpu = if cuts == 0 { (2.0 * expected_s).clamp(5.0, 60.0) } else { 1.0 };
            let stage = json!({"tests": left, "cpu": cpu, "wall": cpu * 4.0});
            let limit = Duration::from_secs_f64(cpu * 4.0 + 40.0);
            let answer = self.run(0, &[], vec![stage], json!({"hot": self.hot}), limit).await?;
            for (n, outcome, ms, _) in results(&answer) {
                seen.insert(n, (outcome, ms));
            }
            let before = left.len();
            left.retain(|n| !seen.contains_key(n));
            if answer["end"] == "done" {
                break;
            }
            let current = answer["current"].as_u64().map(|n| n as usize);
            left.retain(|n| Some(*n) != current);
            cuts += 1;
            if left.len() == before || cuts > 12 {
                break;
            }
        }
        Ok(seen)
    }

    async fn run(
        &self,
        slot: usize,
        changes: &[Change],
        stages: Vec<Value>,
        more: Value,
        limit: Duration,
    ) -> Result<Value> {
        let mut request = json!({"op": "run", "changes": pairs(changes), "stages": stages, "memory": MEMORY_BYTES});
        if let (Some(all), Some(more)) = (request.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        let mut slot = self.slots[slot % self.slots.len()].lock().await;
        let _permit = self.lab.slot().await?;
        slot.ask(&request, limit).await
    }

    fn patience(&self, ask: Ask, tests: &[usize]) -> Patience {
        let measured = tests.iter().filter_map(|n| self.durations.get(n)).sum();
        let hung = tests.iter().any(|n| !self.durations.contains_key(n));
        patience(ask, measured, self.typical_ms, tests.len(), hung)
    }

    fn stage(&self, ask: Ask, tests: &[usize], stop: bool) -> Value {
        let p = self.patience(ask, tests);
        json!({"tests": tests, "cpu": p.cpu.as_secs_f64(), "wall": p.wall.as_secs_f64(), "stop": stop})
    }

    async fn try_known(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Probed> {
        let answer = self.ask_known(slot, changes, ask).await?;
        let probed = self.read(&answer, ask);
        if self.odd.get().is_some() || !probed.still_red.is_empty() || probed.broke.is_empty() {
            return Ok(probed);
        }
        let failed: Vec<usize> = results(&answer)
            .into_iter()
            .filter(|(n, outcome, ..)| outcome == "f" && probed.broke.contains(n))
            .map(|(n, ..)| n)
            .collect();
        if !self.vet(failed).await? {
            return Ok(probed);
        }
        let answer = self.ask_known(slot, changes, ask).await?;
        Ok(self.read(&answer, ask))
    }

    /// Do these green tests fail without a patch, too? Then all green ones are looked at, and those that do are left out.
    async fn vet(&self, failed: Vec<usize>) -> Result<bool> {
        let passing = |seen: &BTreeMap<usize, (String, f64)>, n: &usize| seen.get(n).is_some_and(|(o, _)| o == "p");
        let seen = self.baseline(failed.clone(), &self.durations).await?;
        if failed.iter().all(|n| passing(&seen, n)) {
            return Ok(false);
        }
        let seen = self.baseline(self.roster.green.clone(), &self.durations).await?;
        self.odd.get_or_init(|| self.roster.green.iter().copied().filter(|n| !passing(&seen, n)).collect());
        Ok(true)
    }

    /// Green tests that say something here.
    fn green(&self) -> Vec<usize> {
        let is_odd = |n: &usize| self.odd.get().is_some_and(|odd| odd.contains(n));
        self.roster.green.iter().copied().filter(|n| !is_odd(n)).collect()
    }

    /// At most so many green tests that take about `most` all together, none of them much of it, in the suite's order; the
    /// first cases of every test function before more cases of one.
    fn quick_green(&self, count: usize, most: Duration) -> Vec<usize> {
        let ms = |n: &usize| self.durations.get(n).copied().unwrap_or(self.typical_ms);
        let most_ms = most.as_secs_f64() * 1000.0;
        let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, usize)> = Vec::new();
        for n in self.green().into_iter().filter(|n| ms(n) <= most_ms / 8.0) {
            let nth = cases.entry(function_of(&self.roster.names[n])).or_default();
            ranked.push((*nth, n));
            *nth += 1;
        }
        ranked.sort_unstable();
        let mut left_ms = most_ms;
        let fits = |n: &usize| {
            left_ms -= ms(n);
            left_ms >= 0.0
        };
        let mut chosen: Vec<usize> = ranked.into_iter().map(|(_, n)| n).take(count).take_while(fits).collect();
        chosen.sort_unstable();
        chosen
    }

    async fn ask_known(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Value> {
        let (red, green) = (&self.roster.red, self.green());
        let (stages, hot) = match ask {
            Ask::Whole => {
                let mut all: Vec<usize> = red.iter().chain(&green).copied().collect();
                all.sort_unstable();
                (vec![self.stage(ask, &all, false)], false)
            }
            Ask::Quick | Ask::Patient => {
                let rest: Vec<usize> = red.iter().filter(|n| !self.sampled.contains(n)).copied().collect();
                let first = (!self.sampled.is_empty()).then(|| self.stage(ask, &self.sampled, false));
                let stages = [self.stage(ask, &rest, first.is_some()), self.stage(ask, &green, true)];
                (first.into_iter().chain(stages).collect(), self.hot)
            }
        };
        let limit = stages.iter().filter_map(|s| s["wall"].as_f64()).sum::<f64>();
        let limit = Duration::from_secs_f64(limit * 2.0) + IMPORT * 3;
        self.run(slot, changes, stages, json!({"hot": hot, "quick": true}), limit).await
    }

    fn read(&self, answer: &Value, ask: Ask) -> Probed {
        let mut probed = Probed { still_red: self.roster.red.iter().copied().collect(), ..Probed::default() };
        probed.unbuildable = answer["end"] == "build" || answer["broken"].as_array().is_some_and(|b| !b.is_empty());
        probed.timed_out = answer["end"] == "timeout";
        let mut ran = BTreeSet::new();
        for (n, outcome, _, message) in results(answer) {
            ran.insert(n);
            if outcome == "p" {
                probed.still_red.remove(&n);
            } else if !self.roster.red.contains(&n) {
                probed.broke.insert(n);
            }
            if outcome == "f" && probed.message.is_none() {
                probed.message = message;
            }
        }
        if ask == Ask::Whole || probed.still_red.is_empty() {
            probed.broke.extend(self.green().into_iter().filter(|n| !ran.contains(n)));
        }
        probed.message = probed.message.take().or_else(|| answer["error"].as_str().map(str::to_owned));
        probed
    }

    /// Files that can't be imported: they are collected anew, and everything in them has to pass.
    async fn try_broken(&self, slot: usize, changes: &[Change], ask: Ask) -> Result<Probed> {
        let paths: Value = if ask == Ask::Whole { Value::Null } else { json!(self.broken) };
        let p = patience(ask, 1000.0, 0.0, 0, false);
        let stage =
            json!({"tests": null, "cpu": p.cpu.as_secs_f64(), "wall": p.wall.as_secs_f64(), "stop": ask != Ask::Whole});
        let more = json!({"hot": false, "paths": paths});
        let answer = self.run(slot, changes, vec![stage], more, p.wall * 2 + IMPORT * 3).await?;
        let broken: Vec<(String, String)> = serde_json::from_value(answer["broken"].clone()).unwrap_or_default();
        let rows: Vec<(Value, String, f64, Option<String>)> =
            serde_json::from_value(answer["results"].clone()).unwrap_or_default();
        let failed = rows.iter().find(|r| r.1 == "f");
        let mut probed = Probed { timed_out: answer["end"] == "timeout", ..Probed::default() };
        probed.unbuildable = answer["end"] != "done" && !probed.timed_out;
        probed.message = failed
            .and_then(|r| r.3.clone())
            .or_else(|| broken.first().map(|b| b.1.clone()))
            .or_else(|| answer["error"].as_str().map(str::to_owned));
        let still = |n: &usize| broken.iter().any(|b| b.0 == self.roster.names[*n]);
        probed.still_red = self.roster.red.iter().copied().filter(still).collect();
        if failed.is_some() || rows.is_empty() || !broken.is_empty() && probed.still_red.is_empty() {
            // it loads now, but is not right yet: nearer than before when fewer files are broken
            probed.still_red.extend(self.roster.red.first());
        }
        Ok(probed)
    }
}

fn pairs(changes: &[Change]) -> Vec<(String, &str)> {
    changes.iter().map(|c| (String::from_utf8_lossy(&c.path).into_owned(), c.text.as_str())).collect()
}

/// `(test, outcome, milliseconds, message)` of an answer; tests without a number are left out.
fn results(answer: &Value) -> Vec<(usize, String, f64, Option<String>)> {
    let rows = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let number = row[0].as_u64()? as usize;
            Some((number, row[1].as_str()?.to_owned(), row[2].as_f64()?, row[3].as_str().map(str::to_owned)))
        })
        .collect()
}

/// The interpreters to try, the most likely first.
fn interpreters(start: &PythonStart, env: &BTreeMap<OsString, OsString>, cwd: &Path) -> Vec<OsString> {
    let mut found = Vec::new();
    let local = |program: &str| {
        if program.contains('/') && !program.starts_with('/') {
            cwd.join(program).into()
        } else {
            OsString::from(program)
        }
    };
    if start.script {
        let path = env.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
        let place = if start.program.contains('/') {
            Some(PathBuf::from(local(&start.program)))
        } else {
            system::find_program(&start.program, &path)
        };
        let first = place.and_then(|p| std::fs::read(p).ok()).unwrap_or_default();
        let line = String::from_utf8_lossy(first.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned();
        if let Some(program) = line.strip_prefix("#!").and_then(|l| l.split_whitespace().next())
            && program.contains("python")
        {
            found.push(program.into());
        }
    } else {
        found.push(local(&start.program));
    }
    for venv in [".venv", "venv"] {
        let path = cwd.join(venv).join(system::VENV_PYTHON);
        if start.script && !start.program.contains('/') && path.exists() {
            found.insert(0, path.into());
        }
    }
    for name in ["python", "python3"] {
        if !found.iter().any(|f| f == name) {
            found.push(name.into());
        }
    }
    found
}

/// Starts a server in a workspace of its own and lets it collect the suite.
async fn plant(case: &Case, start: &PythonStart, n: usize) -> Result<Planted> {
    let workspace = case.lab.workspace(&case.snapshot, &format!("mutate-{n}")).await?;
    let scratch = case.lab.scratch("mutate")?;
    let script = scratch.join("warm_python.py");
    std::fs::write(&script, SCRIPT).context(|| format!("can't write {}", script.display()))?;
    let cwd = workspace.path.join(&case.suite.dir).join(&start.cd);
    let mut env = case.lab.environment();
    env.extend(start.env.iter().map(|(k, v)| (k.into(), v.into())));
    env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    env.insert("TMPDIR".into(), scratch.join("tmp").into());
    env.entry("PYTHONHASHSEED".into()).or_insert_with(|| "0".into());
    let user = &case.lab.store.repository.root;
    crate::lab::installed::turn(&mut env, &scratch.join("helpers"), user, &workspace.path)?;
    let config = json!({
        "top": workspace.path, "cwd": cwd, "temp": scratch, "args": start.args,
        "mode": if start.mode == Mode::Pytest { "pytest" } else { "unittest" },
        "path": if start.script { Vec::new() } else { vec![&cwd] },
    });
    let mut why = Error::internal("no Python interpreter was found");
    for python in interpreters(start, &env, &cwd) {
        let argv = vec![python, "-u".into(), script.clone().into()];
        let argv = case.lab.fenced(argv, &[&workspace.path, &scratch]);
        let mut server = match Server::start(&argv, &cwd, &env) {
            Ok(server) => server,
            Err(error) => {
                why = error;
                continue;
            }
        };
        let ready = server.ask(&config, Duration::from_secs(30)).await;
        let ready = match ready {
            Ok(ready) if ready["ready"].is_string() => ready,
            Ok(other) => {
                why = Error::internal(format!("Python can't run the tests: {}", other["error"]));
                continue;
            }
            Err(error) => {
                why = error;
                continue;
            }
        };
        let wall = case.limits.time.as_secs_f64().clamp(5.0, 60.0);
        let request = json!({"op": "plant", "wall": wall});
        let found = server.ask(&request, Duration::from_secs_f64(wall) + IMPORT).await?;
        let framework =
            if start.mode == Mode::Pytest { format!("pytest {}", text(&ready["ready"])) } else { "unittest".into() };
        let version = format!("Python {}, {framework}", text(&ready["python"]));
        return Ok(Planted { slot: Slot { server, workspace }, found, version });
    }
    Err(why)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Probe for PythonProbe {
    fn roster(&self) -> &Roster {
        &self.roster
    }

    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn about(&self) -> String {
        self.about.clone()
    }

    fn probe<'a>(&'a self, slot: usize, changes: &'a [Change], ask: Ask) -> BoxFuture<'a, Result<Probed>> {
        Box::pin(async move {
            if self.broken.is_empty() {
                self.try_known(slot, changes, ask).await
            } else {
                self.try_broken(slot, changes, ask).await
            }
        })
    }

    fn coverage(&self) -> BoxFuture<'_, Option<Coverage>> {
        Box::pin(async move {
            if !self.broken.is_empty() {
                return None;
            }
            let mut coverage = Coverage { traceable: self.lines.clone(), ..Coverage::default() };
            let quick = self.quick_green(300, TRACE_MOST / TRACE_TIMES * 2);
            // tests that hang are cut; each gets a run of its own, so that the others are not lost
            let (known, hanging): (Vec<usize>, Vec<usize>) =
                self.roster.red.iter().chain(&quick).partition(|n| self.durations.contains_key(n));
            let mut groups = vec![known];
            groups.extend(hanging.into_iter().take(4).map(|n| vec![n]));
            let mut stages = Vec::new();
            let mut limit = IMPORT * 3;
            for tests in groups.iter().filter(|g| !g.is_empty()) {
                let cpu = (self.patience(Ask::Quick, tests).cpu * TRACE_TIMES).min(TRACE_MOST);
                limit += cpu * 4;
                let (cpu, wall) = (cpu.as_secs_f64(), cpu.as_secs_f64() * 3.0);
                stages.push(json!({"tests": tests, "cpu": cpu, "wall": wall, "stop": false}));
            }
            let more = json!({"hot": self.hot, "cover": true});
            let answer = self.run(1, &[], stages, more, limit).await.ok()?;
            coverage.by_test = serde_json::from_value(answer["coverage"].clone()).unwrap_or_default();
            (!coverage.by_test.is_empty()).then_some(coverage)
        })
    }

    fn inputs<'a>(&'a self, changes: &'a [Change], seed: u64) -> BoxFuture<'a, Inputs> {
        Box::pin(async move {
            let all: Vec<usize> = self.roster.red.iter().copied().chain(self.quick_green(400, RECORD_MOST)).collect();
            if !self.broken.is_empty() {
                return Inputs::default();
            }
            let stage = self.stage(Ask::Patient, &all, false);
            let record = json!({"test_files": self.test_files, "variants": 150, "seed": seed});
            let more = json!({"hot": false, "record": record});
            let limit = Duration::from_secs_f64(stage["wall"].as_f64().unwrap_or(10.0)) + IMPORT * 3;
            let Ok(answer) = self.run(0, changes, vec![stage], more, limit).await else { return Inputs::default() };
            Inputs::recorded(&answer)
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
            let each = self.patience(Ask::Quick, &self.roster.green).cpu.as_secs_f64().clamp(0.1, 0.5);
            let request = json!({"op": "behave", "changes": pairs(changes), "calls": inputs.calls, "each": each,
                "cpu": 8.0, "wall": 12.0, "memory": MEMORY_BYTES});
            let mut slot = self.slots[slot % self.slots.len()].lock().await;
            let Ok(_permit) = self.lab.slot().await else { return answers };
            let Ok(answer) = slot.ask(&request, Duration::from_secs(30)).await else { return answers };
            for row in answer["results"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let (Some(n), Some(kind)) = (row[0].as_u64(), row[1].as_str()) else { continue };
                if kind == "?" {
                    continue;
                }
                let (digest, asked, short) = (text(&row[2]), text(&row[3]), text(&row[4]));
                let answer = Answer {
                    digest: digest.to_owned(),
                    raised: kind == "!",
                    endless: kind == "~",
                    text: short.to_owned(),
                };
                if let Some(place) = answers.get_mut(n as usize) {
                    *place = Some((asked.to_owned(), answer));
                }
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
