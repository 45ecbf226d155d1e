//! The fixers that ask language models: one engine, three strategies. The engine packs the context, asks, applies the
//! edit, runs the red tests, tells the model what came of it, and proposes only what turned everything green.

pub mod contract;
pub mod edits;
pub mod history;
pub mod minimal;
pub mod pack;
pub mod regression;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::error::{Error, Kind, Result};
use crate::failure::{self, standing};
use crate::fixer::undo::trial::syntax_errors;
use crate::fixer::{Candidate, Case, Close, Desk, Ended, Findings, Fixer};
use crate::model::catalog::Tier;
use crate::model::models::{Answered, Asker};
use crate::model::repair::without_thoughts;
use crate::model::router::{self, Evidence};
use crate::model::trouble::{Consequence, Trouble};
use crate::model::{Message, Models, Role, Turn, Wish};
use crate::patch::{FileChange, FileContent, Patch};
use crate::suite::{Run, Selection, TestId};
use crate::trajectory::Event;
use crate::words::End;
use edits::Files;
use history::{Attempt, History};
use pack::{Material, Part};

/// How the edits have to look, for every strategy.
const FORMAT: &str = include_str!("prompts/format.md");
/// An answer is an edit, not an essay.
const ANSWER_TOKENS: u32 = 900;
/// More context makes small models worse, and every turn slower.
const PACK_TOKENS: u64 = 3000;
/// Less than this says too little to ask anybody.
const LEAST_PACK_TOKENS: u64 = 300;
/// Models that cost nothing get this many more attempts, as fresh looks with a warmer temperature.
const FREE_EXTRA: u32 = 3;
const WARM_MILLI: u16 = 700;

/// One way to look at a failure.
#[derive(Debug)]
pub struct Strategy {
    /// Its name in the registry.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Its rules for the model.
    pub prompt: &'static str,
    /// What it gets to see, in order of worth.
    pub parts: &'static [Part],
    /// It has nothing to say without a change since green.
    pub needs_change: bool,
    /// Of the first attempt, in thousandths.
    pub temperature_milli: u16,
    /// Turns.
    pub attempts: u32,
}

/// A strategy as a fixer.
#[derive(Debug, Clone, Copy)]
pub struct ModelFixer(pub &'static Strategy);

impl Fixer for ModelFixer {
    fn name(&self) -> &'static str {
        self.0.name
    }
    fn about(&self) -> &'static str {
        self.0.about
    }
    fn asks_models(&self) -> bool {
        true
    }
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            match search(self.0, case, desk).await {
                Err(error) if error.kind() == Kind::Interrupted => Ok(Findings::ended(Ended::Cancelled)),
                other => other,
            }
        })
    }
}

fn nothing(why: &str) -> Findings {
    Findings::ended(Ended::NothingToDo { why: why.to_owned() })
}

async fn search(strategy: &'static Strategy, case: &Case, desk: &Desk) -> Result<Findings> {
    let offers = tokio::select! {
        offers = case.models.offers() => offers,
        () = desk.cancel.cancelled() => return Err(Error::interrupted()),
    };
    if offers.is_empty() {
        return Ok(nothing("no model configured"));
    }
    let material = Material::read(case)?;
    if material.files.is_empty() {
        return Ok(nothing("no suspect is a file that may be edited"));
    }
    if strategy.needs_change && material.change.trim().is_empty() {
        return Ok(nothing("nothing is known of a change since green"));
    }
    let mut engine = Engine {
        strategy,
        case,
        desk,
        material,
        history: History::default(),
        evidence: None,
        stalled: Vec::new(),
        deadline: Instant::now() + case.time_left,
        findings: Findings::ended(Ended::Exhausted),
        fresh: 0,
    };
    if offers.iter().all(|o| o.tier == Tier::Paid) {
        engine.wait_for_model_free().await?;
    }
    let ended = engine.run().await?;
    Ok(Findings { ended, ..engine.findings })
}

/// One search.
struct Engine<'a> {
    strategy: &'static Strategy,
    case: &'a Case,
    desk: &'a Desk,
    material: Material,
    history: History,
    evidence: Option<Evidence>,
    /// Models that stalled.
    stalled: Vec<String>,
    deadline: Instant,
    findings: Findings,
    /// Fresh looks so far.
    fresh: u16,
}

/// What the tests said of a patch.
enum Tried {
    Green,
    Red { red: BTreeSet<TestId>, output: String },
}

impl Engine<'_> {
    /// Money is spent when those who cost nothing could not help.
    async fn wait_for_model_free(&mut self) -> Result<()> {
        let mut others = self.desk.model_free.clone();
        tokio::select! {
            _ = others.wait_for(|working| *working == 0) => {}
            () = self.desk.cancel.cancelled() => return Err(Error::interrupted()),
        }
        self.evidence = Some(Evidence::ModelFreeDone);
        Ok(())
    }

    async fn run(&mut self) -> Result<Ended> {
        let first_red = self.case.red.red();
        let mut left = self.strategy.attempts;
        let mut extra = FREE_EXTRA;
        while left > 0 {
            left -= 1;
            if Instant::now() + Duration::from_secs(2) > self.deadline {
                return Ok(Ended::OutOfTime);
            }
            self.progress(format!("asking, attempt {}", self.findings.tried + 1), None);
            let answered = match self.ask().await {
                Ok(answered) => answered,
                Err(Trouble::Cancelled) => return Err(Error::interrupted()),
                Err(trouble) if trouble.consequence() == Consequence::BadAnswer => {
                    self.refuse(format!("{trouble}; answer shorter, in the format that was asked for"));
                    continue;
                }
                Err(trouble) => {
                    self.findings.notes.push(format!("stopped asking: {trouble}"));
                    return Ok(if self.findings.tried == 0 {
                        Ended::Failed { why: trouble.to_string() }
                    } else {
                        Ended::Exhausted
                    });
                }
            };
            if self.attempt(&answered).await? {
                return Ok(Ended::Done);
            }
            if self.history.is_stalled(&first_red)
                && !self.stall(&answered).await
                && answered.tier != Tier::Paid
                && extra > 0
            {
                extra -= 1;
                left += 1;
            }
        }
        Ok(Ended::Exhausted)
    }

    /// Two attempts changed nothing: a stronger model is asked where there is one, else the same one afresh. Says whether
    /// there is a stronger one.
    async fn stall(&mut self, answered: &Answered) -> bool {
        let mut stalled = self.stalled.clone();
        stalled.push(answered.model.clone());
        let evidence = Evidence::Stall { models: stalled.clone() };
        let need = router::Need {
            role: Role::Fix,
            prompt_tokens: PACK_TOKENS,
            answer_tokens: u64::from(ANSWER_TOKENS),
            evidence: Some(evidence.clone()),
            models: Vec::new(),
            not_families: Vec::new(),
        };
        let stronger = router::route(&need, &self.case.models.offers().await).chosen.is_some();
        if stronger {
            self.stalled = stalled;
            self.evidence = Some(evidence);
        }
        self.findings.notes.push(format!("{} stalled", answered.model));
        self.history.start_afresh();
        self.fresh += 1;
        stronger
    }

    fn refuse(&mut self, why: String) {
        self.findings.notes.push(format!("refused: {}", why.lines().next().unwrap_or_default()));
        self.history.push(Attempt::Refused { why });
    }

    async fn ask(&self) -> std::result::Result<Answered, Trouble> {
        let rules = format!("{}\n{FORMAT}", self.strategy.prompt);
        let told = self.history.told();
        let offers = self.case.models.offers().await;
        let fixed = crate::model::tokens::count(&rules) + crate::model::tokens::count(&told) + 20;
        let room = router::room(&offers, u64::from(ANSWER_TOKENS)).saturating_sub(fixed).min(PACK_TOKENS);
        let (pack, _) = self.material.pack(self.strategy.parts, room.max(LEAST_PACK_TOKENS));
        let warmer = if self.fresh > 0 { WARM_MILLI } else { self.strategy.temperature_milli };
        let messages = vec![Message::system(rules), Message::user(format!("{pack}{told}"))];
        let turn = Turn {
            answer_tokens: ANSWER_TOKENS,
            temperature_milli: warmer,
            deadline: Models::turn_limit(self.deadline.saturating_duration_since(Instant::now())),
            sample: self.sample(warmer),
            ..Turn::new(Role::Fix, messages)
        };
        let asker = Asker { name: self.desk.fixer, recorder: &self.desk.recorder, cancel: &self.desk.cancel };
        self.case.models.ask(&turn, &Wish::of(self.evidence.as_ref()), asker).await
    }

    /// At temperature 0 the answer is kept for whoever asks the same; a warmer turn is asked for its luck, which is another
    /// one in every run (and the same one again with the same seed).
    fn sample(&self, temperature_milli: u16) -> u64 {
        if temperature_milli == 0 { 0 } else { self.case.seed.wrapping_mul(1000) + self.findings.tried }
    }

    /// Makes the answer a patch, tries it, and proposes it when everything is green. True: proposed.
    async fn attempt(&mut self, answered: &Answered) -> Result<bool> {
        self.findings.tried += 1;
        let patch = match self.patch(&answered.reply.content) {
            Ok(patch) => patch,
            Err(why) => {
                self.refuse(why);
                return Ok(false);
            }
        };
        if !self.history.is_new(patch.hash()) {
            self.refuse("this edit was tried before".into());
            return Ok(false);
        }
        let diff = String::from_utf8_lossy(&patch.unified()).into_owned();
        match self.try_out(&patch).await? {
            Tried::Green => {
                self.send(patch, answered).await?;
                Ok(true)
            }
            Tried::Red { red, output } => {
                let first = self.case.red.red();
                let green = first.difference(&red).count();
                if green > 0 && self.evidence.is_none() {
                    self.evidence = Some(Evidence::Progress { green });
                }
                if green > 0 {
                    self.findings.closest.push(Close { diff: diff.clone(), still_red: red.clone() });
                }
                self.progress(format!("{} red with attempt {}", red.len(), self.findings.tried), Some(red.len()));
                self.history.push(Attempt::Tried { diff, red, output });
                Ok(false)
            }
        }
    }

    /// The answer's edit against the snapshot; refused when it touches what it may not or does not parse.
    fn patch(&self, answer: &str) -> std::result::Result<Patch, String> {
        let answer = without_thoughts(answer).map_err(|t| t.to_string())?;
        let new: Files = edits::edited(answer, &self.material.files)?;
        let mut patch = Patch::default();
        for (path, text) in new {
            let read = self.case.lab.store.read(&self.case.snapshot.tree, path.as_bytes());
            let Some((mode, bytes)) = read.map_err(|e| e.to_string())? else {
                return Err(format!("{path} is not there"));
            };
            if self.case.protected.why(path.as_bytes()).is_some() {
                return Err(format!("{path} may not be edited"));
            }
            let before = syntax_errors(path.as_bytes(), &bytes);
            if syntax_errors(path.as_bytes(), text.as_bytes()) > before {
                return Err(format!("{path} has a syntax error with this edit"));
            }
            let old = Some(FileContent { mode, bytes });
            let new = Some(FileContent { mode, bytes: text.into_bytes() });
            patch.files.insert(path.into_bytes(), FileChange { old, new });
        }
        Ok(patch)
    }

    /// The red tests, then everything: what the judge would refuse for a test that was green is worth knowing before.
    async fn try_out(&self, patch: &Patch) -> Result<Tried> {
        let (case, first) = (self.case, &self.case.red);
        let red = first.red();
        let part = if red.is_empty() { Selection::All } else { Selection::Only(red) };
        for selection in [part, Selection::All] {
            let workspace = case.lab.workspace(&case.snapshot, self.strategy.name).await?;
            workspace.write(patch)?;
            let run = case.lab.run(&workspace, &case.suite, &selection, case.limits, &self.desk.cancel).await?;
            if run.end == End::Cancelled {
                return Err(Error::interrupted());
            }
            if !standing::all_green(&run, first) {
                return Ok(Tried::Red { red: standing::still_red(&run, first), output: output(&run) });
            }
            let broken: BTreeSet<TestId> = run.red().intersection(&first.passed()).cloned().collect();
            if !broken.is_empty() {
                return Ok(Tried::Red { red: broken, output: output(&run) });
            }
        }
        Ok(Tried::Green)
    }

    async fn send(&mut self, patch: Patch, answered: &Answered) -> Result<()> {
        let paths = patch.paths().join(", ");
        let idea = format!("{} edits {paths}", answered.reply.model);
        self.findings.notes.push(idea.clone());
        let candidate = Candidate {
            id: format!("{}#{}", self.desk.fixer, self.findings.tried),
            fixer: self.desk.fixer,
            patch,
            idea,
            labels: BTreeSet::new(),
            disagreement: None,
        };
        tokio::select! {
            sent = self.desk.candidates.send(candidate) => sent.map_err(|_| Error::interrupted()),
            () = self.desk.cancel.cancelled() => Err(Error::interrupted()),
        }
    }

    fn progress(&self, text: String, best_red: Option<usize>) {
        let (fixer, tried) = (self.desk.fixer.to_owned(), self.findings.tried);
        self.desk.recorder.record(Event::FixerProgress { fixer, text, tried, best_red });
    }
}

/// What the red tests of a run say, or its log.
fn output(run: &Run) -> String {
    let messages: Vec<String> = run
        .red()
        .iter()
        .filter_map(|id| run.tests.get(id)?.message.as_deref().map(|m| failure::text::plain(m).into_owned()))
        .filter(|m| !m.trim().is_empty())
        .take(2)
        .collect();
    if messages.is_empty() { failure::excerpt_of(&run.log) } else { messages.join("\n") }
}
