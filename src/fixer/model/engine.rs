//! The engine of the fixers that ask models: follows its plan, asks, reads the answer, tries it out, tells the model what came
//! of it, and proposes only what turned everything green.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::answer;
use super::edits::Files;
use super::history::{Attempt, History};
use super::lines::Spot;
use super::pack::{Material, Size};
use super::plan::{self, Form, Pace, Purpose, Step};
use super::tools::Said;
use super::trial::Tried;
use super::{Strategy, prompt, tools};
use crate::config::Tuning;
use crate::error::{Error, Result};
use crate::fixer::undo::trial::syntax_errors;
use crate::fixer::{Candidate, Case, Close, Desk, Ended, Findings};
use crate::mask::{COVER, invents_cover};
use crate::model::catalog::Tier;
use crate::model::repair::without_thoughts;
use crate::model::router::{self, Evidence, Need, Offer};
use crate::model::trouble::{Consequence, Trouble};
use crate::model::{Answered, Asker, Message, Models, Role, Turn, Wish};
use crate::patch::{FileChange, FileContent, Patch};
use crate::suite::TestId;
use crate::syntax::regions::inline_tests;
use crate::trajectory::Event;

/// More context makes models slower, and small ones worse.
const PACK_TOKENS: u64 = 3000;
const SMALL_PACK_TOKENS: u64 = 1100;
/// Less than this says too little to ask anybody.
const LEAST_PACK_TOKENS: u64 = 300;
/// What the longest answer is planned with.
const ANSWER_TOKENS: u32 = 900;
/// Results of tools stand in the conversation: below this context there is no room for them.
const TOOL_ROOM: u64 = 24_000;
/// A turn that has less time than this is not begun.
const LEAST_TIME: Duration = Duration::from_secs(2);
/// Of the suspicious lines this many are asked about.
const MOST_SPOTS: usize = 12;
/// A green candidate is with the judge, which runs the suite about so many times; asking on meanwhile would take the
/// processor from it.
const JUDGE_RUNS: u32 = 5;
const JUDGE_START: Duration = Duration::from_secs(8);

/// One search.
pub struct Engine<'a> {
    strategy: &'static Strategy,
    case: &'a Case,
    desk: &'a Desk,
    tuning: Tuning,
    material: Material,
    spots: Vec<Spot>,
    history: History,
    evidence: Option<Evidence>,
    /// Models that stalled.
    stalled: Vec<String>,
    deadline: Instant,
    findings: Findings,
    proposed: u32,
    /// Red tests with the best edit so far.
    fewest_red: usize,
}

/// What the router would say now.
struct Outlook {
    tier: Tier,
    strength: u8,
    /// Tokens that prompt and answer may have together.
    room: u64,
}

impl<'a> Engine<'a> {
    /// For `strategy`, with what is known of the case.
    pub fn new(
        strategy: &'static Strategy,
        case: &'a Case,
        desk: &'a Desk,
        tuning: Tuning,
        material: Material,
        spots: Vec<Spot>,
    ) -> Self {
        Self {
            strategy,
            case,
            desk,
            tuning,
            material,
            spots: spots.into_iter().take(MOST_SPOTS).collect(),
            history: History::default(),
            evidence: None,
            stalled: Vec::new(),
            deadline: Instant::now() + case.time_left,
            findings: Findings::ended(Ended::Exhausted),
            proposed: 0,
            fewest_red: case.red.red().len(),
        }
    }

    /// Searches to the end.
    ///
    /// # Errors
    /// When cancelled, or when our own side fails.
    pub async fn search(mut self, offers: &[Offer]) -> Result<Findings> {
        // whom nobody named for it does not count: that somebody else is listed helps no turn
        let is_named = |o: &&Offer| self.tuning.models.is_empty() || self.tuning.models.contains(&o.name);
        let named: Vec<&Offer> = offers.iter().filter(is_named).collect();
        if !named.is_empty() && named.iter().all(|o| o.tier == Tier::Paid) {
            self.wait_for_model_free().await?;
        }
        let ended = self.run().await?;
        Ok(Findings { ended, ..self.findings })
    }

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

    fn wish(&self) -> Wish {
        Wish { evidence: self.evidence.clone(), models: self.tuning.models.clone(), ..Wish::default() }
    }

    /// What is looked for at least.
    fn need(&self, evidence: Option<Evidence>) -> Need {
        Need {
            role: Role::Fix,
            prompt_tokens: LEAST_PACK_TOKENS,
            prompt_most: LEAST_PACK_TOKENS,
            answer_tokens: u64::from(ANSWER_TOKENS),
            evidence,
            models: self.tuning.models.clone(),
            not_families: Vec::new(),
        }
    }

    /// Everybody fit is left alone, and the first one is back after so long, within the time.
    async fn rest(&self) -> Option<Duration> {
        let wait = self.case.models.back(&self.need(self.evidence.clone())).await?;
        (Instant::now() + wait + LEAST_TIME <= self.deadline).then_some(wait)
    }

    /// Nobody else answered instead, the budget holds, and somebody is back within the time; or whoever was asked took all the
    /// time of the turn and rests, and somebody else is there.
    async fn is_resting(&self, trouble: &Trouble) -> bool {
        let somebody_else = trouble.passes() && self.outlook(self.evidence.clone()).await.is_ok();
        !matches!(trouble, Trouble::OutOfBudget { .. }) && (somebody_else || self.rest().await.is_some())
    }

    /// Everybody fit may be left alone for a while only (another fixer asked too much): waits for the first to be back, when
    /// that is within the time.
    async fn wait_for_somebody(&self) -> Result<()> {
        while let Some(wait) = self.rest().await {
            self.progress(format!("every model needs a rest, {} s", wait.as_secs_f64().ceil()), None);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.desk.cancel.cancelled() => return Err(Error::interrupted()),
            }
        }
        Ok(())
    }

    /// Who would be asked now; nobody: the router's line, which says why.
    async fn outlook(&self, evidence: Option<Evidence>) -> std::result::Result<Outlook, String> {
        let offers = self.case.models.offers().await;
        let need = self.need(evidence);
        let decision = router::route(&need, &offers);
        let Some(chosen) = decision.chosen.map(|i| &offers[i]) else { return Err(decision.line) };
        // a tenth for what our estimate of tokens gets wrong
        Ok(Outlook {
            tier: chosen.tier,
            strength: chosen.strength,
            room: chosen.context.saturating_sub(chosen.thinking) * 9 / 10,
        })
    }

    /// Those who cost nothing can't be asked (any more), and one with a price could be, once there is evidence: then the
    /// fixers without a model are waited for, which is one.
    async fn is_for_the_paid(&self, trouble: &Trouble) -> bool {
        let somebody_else = match trouble {
            Trouble::NoModel { .. } => true,
            other => matches!(other.consequence(), Consequence::LeaveModel | Consequence::Again),
        };
        somebody_else
            && self.evidence.is_none()
            && self.outlook(None).await.is_err()
            && self.outlook(Some(Evidence::ModelFreeDone)).await.is_ok()
    }

    async fn plan(&self) -> VecDeque<Step> {
        match self.purpose().await {
            Some(purpose) => self.case.retuned.steps(plan::steps(&purpose)).into(),
            // the router will say why
            None => VecDeque::from([Step { form: Form::Function, temperature_milli: 0, told: false }]),
        }
    }

    /// What is planned for now; none when nobody can be asked.
    async fn purpose(&self) -> Option<Purpose> {
        let outlook = self.outlook(self.evidence.clone()).await.ok()?;
        Some(Purpose {
            way: self.strategy.way,
            temperature_milli: self.tuning.temperature_milli.unwrap_or(self.strategy.temperature_milli),
            attempts: self.tuning.attempts.unwrap_or(self.strategy.attempts),
            exactly: self.tuning.attempts.is_some(),
            strength: outlook.strength,
            tier: outlook.tier,
            lines: self.spots.len(),
        })
    }

    /// The next step: where the plan is done, asking costs nothing and one of the last turned a red test green that none
    /// before did, the plan grows.
    async fn next(&self, steps: &mut VecDeque<Step>, pace: &mut Pace) -> Option<Step> {
        if steps.is_empty()
            && let Some(purpose) = self.purpose().await
        {
            let further = self.case.retuned.steps(plan::further(&purpose, pace));
            pace.grows(further.len());
            steps.extend(further);
        }
        steps.pop_front()
    }

    async fn run(&mut self) -> Result<Ended> {
        let first_red = self.case.red.red();
        self.wait_for_somebody().await?;
        let mut steps = self.plan().await;
        let mut pace = Pace::of(steps.len());
        while let Some(step) = self.next(&mut steps, &mut pace).await {
            self.wait_for_somebody().await?;
            if Instant::now() + LEAST_TIME > self.deadline {
                return Ok(Ended::OutOfTime);
            }
            self.progress(format!("asking, attempt {}", self.findings.tried + 1), None);
            let trouble = match self.ask(step).await {
                Ok(answered) => {
                    let before = self.fewest_red;
                    if self.attempt(step, &answered).await? {
                        self.let_the_judge_work().await?;
                    }
                    pace.asked(self.fewest_red < before);
                    if self.history.is_stalled(&first_red) && self.stall(&answered).await {
                        steps = self.plan().await;
                        pace = Pace::of(steps.len());
                    }
                    continue;
                }
                Err(trouble) => trouble,
            };
            match after(&trouble, self.is_resting(&trouble).await, self.is_for_the_paid(&trouble).await) {
                After::Interrupted => return Err(Error::interrupted()),
                After::NextStep => {
                    self.findings.tried += 1;
                    pace.asked(false);
                    self.refuse(unusable(&trouble));
                }
                After::SameStep => steps.push_front(step),
                After::ModelFree => {
                    self.findings.notes.push(format!("{trouble}: waited for the fixers without a model"));
                    self.wait_for_model_free().await?;
                    steps = self.plan().await;
                    pace = Pace::of(steps.len());
                }
                After::Stop => return Ok(self.stopped(&trouble)),
            }
        }
        Ok(if self.proposed > 0 { Ended::Done } else { Ended::Exhausted })
    }

    fn stopped(&mut self, trouble: &Trouble) -> Ended {
        self.findings.notes.push(format!("stopped asking: {trouble}"));
        if self.proposed > 0 { Ended::Done } else { ending(trouble) }
    }

    /// Two attempts changed nothing: a stronger model is asked where there is one, else the same one goes on. Says whether
    /// there is a stronger one.
    async fn stall(&mut self, answered: &Answered) -> bool {
        let mut stalled = self.stalled.clone();
        if !stalled.contains(&answered.model) {
            stalled.push(answered.model.clone());
            self.findings.notes.push(format!("{} stalled", answered.model));
        }
        let evidence = Evidence::Stall { models: stalled.clone() };
        let stronger = self.outlook(Some(evidence.clone())).await.is_ok();
        self.history.start_afresh();
        if stronger {
            (self.stalled, self.evidence) = (stalled, Some(evidence));
        }
        stronger
    }

    fn refuse(&mut self, why: String) {
        let refused = self.refused(why);
        self.history.answered(vec![refused]);
    }

    fn refused(&mut self, why: String) -> Attempt {
        self.findings.notes.push(format!("refused: {}", why.lines().next().unwrap_or_default()));
        Attempt::Refused { why }
    }

    async fn ask(&self, step: Step) -> std::result::Result<Answered, Trouble> {
        let outlook = self.outlook(self.evidence.clone()).await.map_err(|why| Trouble::NoModel { why })?;
        let size = if outlook.strength >= plan::LARGE { Size::Large } else { Size::Small };
        let spot = spot(step, &self.spots);
        let unit = self.material.unit_name();
        let tail = prompt::tail(self.strategy, step.form, size, spot, unit);
        // a first question stays the same from run to run, so that the cache knows it
        let told = if step.told { self.history.told(size) + &self.hints(step.form, size) } else { String::new() };
        let answer = prompt::answer_tokens(step.form, self.material.unit_tokens()).min(ANSWER_TOKENS);
        let fixed = crate::model::tokens::count(&tail) + crate::model::tokens::count(&told) + 120 + u64::from(answer);
        let most = self.case.retuned.context(if size == Size::Large { PACK_TOKENS } else { SMALL_PACK_TOKENS });
        let budget = outlook.room.saturating_sub(fixed).min(most).max(LEAST_PACK_TOKENS);
        let parts = self.strategy.parts(size, self.case.retuned.wide);
        let (pack, _) = self.material.pack(parts, budget, size);
        let messages = vec![Message::system(prompt::SYSTEM), Message::user(format!("{pack}{told}{tail}"))];
        let mut turn = Turn {
            answer_tokens: answer,
            temperature_milli: step.temperature_milli,
            deadline: Models::turn_limit(self.deadline.saturating_duration_since(Instant::now())),
            sample: self.sample(step.temperature_milli),
            enough: prompt::enough(step.form),
            ..Turn::new(Role::Fix, messages)
        };
        if size == Size::Large && self.case.models.tools() && outlook.room > TOOL_ROOM {
            return self.ask_with_tools(turn, outlook.room).await;
        }
        if step.form == Form::Diagnosed {
            let diagnosis =
                Turn { answer_tokens: prompt::DIAGNOSIS_TOKENS, enough: Some(prompt::PARAGRAPH), ..turn.clone() };
            let said = self.send(&diagnosis).await?.reply.content;
            let said = without_thoughts(&said).unwrap_or_default().to_owned();
            turn.messages.push(Message::assistant(said));
            turn.messages.push(Message::user(prompt::after_diagnosis(size, unit)));
        }
        self.send(&turn).await
    }

    /// What others found that came close; a small model that writes one line takes it for its task.
    fn hints(&self, form: Form, size: Size) -> String {
        let is_line = matches!(form, Form::Line(_) | Form::Pair);
        if size == Size::Small && is_line { String::new() } else { self.desk.hints.told() }
    }

    /// The model may look around before it answers, with prompt and answer within `room` tokens; an edit that it tried and that
    /// turned everything green is its answer.
    async fn ask_with_tools(&self, mut turn: Turn, room: u64) -> std::result::Result<Answered, Trouble> {
        turn.tools = tools::list();
        turn.enough = None;
        let mut calls = 0;
        loop {
            let mut answered = self.send(&turn).await?;
            if answered.reply.calls.is_empty() || turn.tools.is_empty() {
                return Ok(answered);
            }
            turn.messages.push(Message::calling(&answered.reply));
            for call in &answered.reply.calls {
                if !tools::may_call(calls, &turn, room) {
                    turn.messages.push(Message::tool(call, tools::NO_MORE));
                    continue;
                }
                calls += 1;
                // our own side failed or we were cancelled: in both cases asking is over
                let said = tools::carry_out(self, self.case, call).await.map_err(|_| Trouble::Cancelled)?;
                match said {
                    Said::Text(text) => turn.messages.push(Message::tool(call, text)),
                    Said::Green { edit } => {
                        answered.reply.content = edit;
                        return Ok(answered);
                    }
                }
            }
            if !tools::may_call(calls, &turn, room) {
                turn.tools.clear();
                // nobody speaks between a tool and the answer: the tool says it itself
                if let Some(last) = turn.messages.last_mut().filter(|last| !last.content.ends_with(tools::NO_MORE)) {
                    last.content.push_str(&format!("\n{}", tools::NO_MORE));
                }
            }
        }
    }

    /// What the tests say of an edit that a model wants to try; refused: why.
    ///
    /// # Errors
    /// When cancelled, or when workspaces can't be made.
    pub async fn tried_by_hand(&self, edit: &str) -> Result<std::result::Result<Tried, String>> {
        let reading = answer::readings(edit, None, &self.material.files);
        match reading.and_then(|mut all| self.patch(all.swap_remove(0))) {
            Ok(patch) => self.case.trials.try_out(self.case, self.desk, &patch).await.map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }

    async fn send(&self, turn: &Turn) -> std::result::Result<Answered, Trouble> {
        let asker = Asker { name: self.desk.fixer, recorder: &self.desk.recorder, cancel: &self.desk.cancel };
        self.case.models.ask(turn, &self.wish(), asker).await
    }

    /// At temperature 0 the answer is kept for whoever asks the same; a warmer turn is asked for its luck, which is another
    /// one in every run and round (and the same one again with the same seed).
    fn sample(&self, temperature_milli: u16) -> u64 {
        if temperature_milli == 0 {
            return 0;
        }
        /// More than any plan asks.
        const OF_A_ROUND: u64 = 100;
        let nth = self.case.retuned.round.wrapping_mul(OF_A_ROUND).wrapping_add(self.findings.tried);
        self.case.seed.wrapping_mul(1000).wrapping_add(nth)
    }

    /// Tries every reading of the answer, and proposes the first that turns everything green. True: proposed.
    async fn attempt(&mut self, step: Step, answered: &Answered) -> Result<bool> {
        self.findings.tried += 1;
        let spot = spot(step, &self.spots);
        let readings = without_thoughts(&answered.reply.content)
            .map_err(|t| t.to_string())
            .and_then(|answer| answer::readings(answer, spot, &self.material.files));
        let readings = match readings {
            Ok(readings) => readings,
            Err(why) => {
                self.refuse(why);
                return Ok(false);
            }
        };
        let mut attempts = Vec::new();
        let mut proposed = false;
        for new in readings {
            let attempt = match self.patch(new) {
                Ok(patch) if self.history.is_new(patch.hash()) => self.try_one(patch, answered).await?,
                Ok(_) => Some(self.refused("this edit was tried before".into())),
                Err(why) => Some(self.refused(why)),
            };
            proposed = attempt.is_none();
            attempts.extend(attempt);
            if proposed {
                break;
            }
        }
        self.history.answered(attempts);
        Ok(proposed)
    }

    /// None: it turned everything green, and was proposed.
    async fn try_one(&mut self, patch: Patch, answered: &Answered) -> Result<Option<Attempt>> {
        let diff = String::from_utf8_lossy(&patch.unified()).into_owned();
        match self.case.trials.try_out(self.case, self.desk, &patch).await? {
            Tried::Green => {
                self.propose(patch, answered).await?;
                Ok(None)
            }
            Tried::Red { red, output } => {
                self.learn(&diff, &red);
                Ok(Some(Attempt::Tried { diff, red, output }))
            }
        }
    }

    fn learn(&mut self, diff: &str, red: &BTreeSet<TestId>) {
        self.fewest_red = self.fewest_red.min(red.len());
        let green = self.case.red.red().difference(red).count();
        if green > 0 && self.evidence.is_none() {
            self.evidence = Some(Evidence::Progress { green });
        }
        if green > 0 {
            self.findings.closest.push(Close { diff: diff.to_owned(), still_red: red.clone() });
        }
        self.progress(format!("{} red with attempt {}", red.len(), self.findings.tried), Some(red.len()));
    }

    /// The new texts against the snapshot; refused when they touch what they may not or do not parse.
    fn patch(&self, new: Files) -> std::result::Result<Patch, String> {
        let mut patch = Patch::default();
        for (path, text) in new {
            let read = self.case.lab.store.read(&self.case.snapshot.tree, path.as_bytes());
            let Some((mode, bytes)) = read.map_err(|e| e.to_string())? else {
                return Err(format!("{path} is not there"));
            };
            if self.case.protected.why(path.as_bytes()).is_some() {
                return Err(format!("{path} may not be edited"));
            }
            if invents_cover(&String::from_utf8_lossy(&bytes), &text) {
                return Err(format!("`{COVER}` in {path} stands for a secret; leave its line as it is"));
            }
            let before = syntax_errors(path.as_bytes(), &bytes);
            if syntax_errors(path.as_bytes(), text.as_bytes()) > before {
                return Err(format!("{path} has a syntax error with this edit"));
            }
            if !is_beside_tests(&path, &bytes, text.as_bytes()) {
                return Err(format!("the tests in {path} may not be edited"));
            }
            let old = Some(FileContent { mode, bytes });
            let new = Some(FileContent { mode, bytes: text.into_bytes() });
            patch.files.insert(path.into_bytes(), FileChange { old, new });
        }
        Ok(patch)
    }

    async fn propose(&mut self, patch: Patch, answered: &Answered) -> Result<()> {
        let idea = format!("{} edits {}", answered.reply.model, patch.paths().join(", "));
        self.findings.notes.push(idea.clone());
        self.proposed += 1;
        let candidate = Candidate {
            id: format!("{}#{}", self.desk.fixer, self.findings.tried),
            fixer: self.desk.fixer,
            patch,
            idea,
            labels: BTreeSet::new(),
            disagreement: None,
        };
        self.desk.offer(candidate).await
    }

    /// A verified candidate ends the race; one that the judge refuses leaves time to go on.
    async fn let_the_judge_work(&self) -> Result<()> {
        let wait = (JUDGE_START + self.case.red.duration * JUDGE_RUNS).min(self.case.limits.time);
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.desk.cancel.cancelled() => Err(Error::interrupted()),
        }
    }

    fn progress(&self, text: String, best_red: Option<usize>) {
        let (fixer, tried) = (self.desk.fixer.to_owned(), self.findings.tried);
        self.desk.recorder.record(Event::FixerProgress { fixer, text, tried, best_red });
    }
}

/// What a search does after a turn without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It was stopped.
    Interrupted,
    /// The answer was worth nothing: the next step may bring a better one.
    NextStep,
    /// Nobody is worse for it, or somebody else is asked: the same step again.
    SameStep,
    /// Only models with a price are left: they are asked when the fixers without a model are done.
    ModelFree,
    /// Nobody is left to ask.
    Stop,
}

/// Decides. `resting`: whoever is left for a while only is back within the time, or somebody else is there; `for_the_paid`: with
/// evidence somebody with a price could be asked.
fn after(trouble: &Trouble, resting: bool, for_the_paid: bool) -> After {
    match trouble {
        Trouble::Cancelled => After::Interrupted,
        // others had all the slots
        Trouble::NoSlot => After::SameStep,
        bad if bad.consequence() == Consequence::BadAnswer => After::NextStep,
        _ if resting => After::SameStep,
        _ if for_the_paid => After::ModelFree,
        _ => After::Stop,
    }
}

/// What a model is told of an answer that never came; a server's own words are none of its business.
fn unusable(trouble: &Trouble) -> String {
    match trouble {
        Trouble::BadRequest { status, .. } => format!("the question was refused with {status}"),
        other => format!("{other}; answer shorter, in the format that was asked for"),
    }
}

/// How a search ends that `trouble` ended, with nothing proposed.
fn ending(trouble: &Trouble) -> Ended {
    let back = match trouble {
        Trouble::QuotaSpent { back, .. } => Some(back.clone()),
        Trouble::RateLimited { after: Some(after) } => {
            jiff::Timestamp::now().checked_add(*after).ok().map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        _ => None,
    };
    match trouble {
        Trouble::OutOfBudget { what } | Trouble::ModelSpent { what } => Ended::OutOfBudget { what: what.clone() },
        other => Ended::NoModelNow { why: other.to_string(), back },
    }
}

/// An edit that leaves the tests alone which stand in the same file.
fn is_beside_tests(path: &str, old: &[u8], new: &[u8]) -> bool {
    let tests = |text: &[u8]| -> Vec<Vec<u8>> {
        inline_tests(path.as_bytes(), text).into_iter().map(|range| text[range].to_vec()).collect()
    };
    tests(old) == tests(new)
}

/// The line that a step is about.
fn spot(step: Step, spots: &[Spot]) -> Option<&Spot> {
    match step.form {
        Form::Line(n) => spots.get(n),
        Form::Blocks | Form::Pair | Form::Function | Form::Diagnosed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_search_does_after_a_turn_without_an_answer_follows_from_its_name_and_who_is_left() {
        let limited = Trouble::RateLimited { after: None };
        let bad = Trouble::BadRequest { status: 400, what: "no".into() };
        let other = Trouble::BadRequest { status: 405, what: "no".into() };
        let nobody = Trouble::NoModel { why: "nobody".into() };
        for (trouble, resting, for_the_paid, what) in [
            (&Trouble::Cancelled, true, true, After::Interrupted),
            (&Trouble::NoSlot, false, false, After::SameStep),
            (&Trouble::Empty, true, true, After::NextStep),
            (&bad, true, true, After::NextStep),
            (&limited, true, true, After::SameStep),
            (&limited, false, true, After::ModelFree),
            (&limited, false, false, After::Stop),
            (&other, false, false, After::Stop),
            (&nobody, false, true, After::ModelFree),
            (&nobody, false, false, After::Stop),
        ] {
            assert_eq!(after(trouble, resting, for_the_paid), what, "{trouble} {resting} {for_the_paid}");
        }
        assert!(!unusable(&Trouble::BadRequest { status: 413, what: "their words".into() }).contains("their words"));
    }
}
