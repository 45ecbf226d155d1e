//! The loop: every section is scored by lint and reviewers; what fails goes with its critique to a writer of another model,
//! while the next section is being scored; until all three scores pass, or another named reason ends it.

mod keep;
mod turns;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::model::Trouble;
use crate::model::catalog::Tier as ModelTier;
use crate::prd::document::{Document, Kind};
use crate::prd::gate::Passed;
use crate::prd::guard;
use crate::prd::history::Row;
use crate::prd::outcome::{End, Outcome, SectionInfo, Stall, TurnInfo};
use crate::prd::review::{self, Reviewed, Three};
use crate::prd::{Lint, Scores};
use crate::supervise::stall::Rule;
use crate::supervise::{self, Book, Change, Oversight};
use crate::trajectory::{Event, Loop, LoopEvent, Recorder};
use crate::turns::purse::Purse;
use crate::turns::{Member, Paying, Turns};

/// How far the loop goes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rules {
    /// From here on a score passes.
    pub threshold: f64,
    /// Rounds of rewriting, at most.
    pub rounds: u32,
    /// Nothing costs money: up to this many, as long as each is better than those before.
    pub free_rounds: u32,
    /// Tokens, prompts included.
    pub tokens: u64,
    /// Tokens of a review.
    pub review_tokens: u32,
    /// Wall time of one turn in milliseconds.
    pub turn_limit_ms: u64,
    /// Wall time of everything in milliseconds.
    pub time_limit_ms: u64,
    /// Sections that are rewritten at the same time.
    pub writers: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.8,
            rounds: 3,
            free_rounds: 3,
            tokens: 300_000,
            review_tokens: 500,
            turn_limit_ms: 300_000,
            time_limit_ms: 60 * 60_000,
            writers: 2,
        }
    }
}

/// Who reviews and who writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Staff {
    /// One for each of the three reviews; the same model may stand there more than once.
    pub reviewers: [Member; 3],
    /// None of the reviewers' models; the others when it fails.
    pub writers: Vec<Member>,
}

/// Earlier scores of sections, by hash of their text.
pub type Known = std::collections::BTreeMap<String, Reviewed>;

/// What is worked on.
pub struct Task<'t> {
    /// The document.
    pub text: &'t str,
    /// Lints a revision of it: [`crate::prd::lint`] with what is known of the place of its links.
    pub lint: &'t (dyn Fn(&str) -> Lint + Send + Sync),
    /// How far.
    pub rules: &'t Rules,
    /// Who.
    pub staff: &'t Staff,
    /// Reviews of before: unchanged text keeps its scores.
    pub known: Known,
    /// What passed before.
    pub passed: Option<Passed>,
}

/// A score has to rise by so much to be better.
const GAIN: f64 = 0.01;
/// A rewritten section may score so much less than before; below it is put back.
const WORSE: f64 = 0.02;
/// Tries at one section that brought nothing; then it is left to a person.
const TRIES_MOST: u32 = 2;
/// Rounds without a gain after which the loop is stuck.
const PLATEAU_ROUNDS: usize = 2;
/// Changes that the supervisor may have made in one run: one of each of its tiers.
pub(super) const CHANGES_MOST: usize = 3;

/// One section at work.
#[derive(Debug, Clone)]
struct Section {
    text: String,
    hash: String,
    /// There is something in it that can be judged.
    prose: bool,
    reviewed: Option<Reviewed>,
    /// As it was found, with its first review.
    found: (String, Option<Reviewed>),
    /// The best revision that was reviewed, with its scores.
    best: Option<(String, Three, Reviewed)>,
    tries: u32,
    /// Rounds in a row in which too few reviewers could read it.
    missed: u32,
    /// Hashes of revisions that were taken once.
    tried: BTreeSet<String>,
    /// Why the last try was not taken.
    refused: Option<String>,
    revisions: u32,
}

impl Section {
    /// Another text takes the place of the one that is there.
    fn put(&mut self, text: String) {
        (self.hash, self.prose) = (hash(&text), is_prose(&text));
        self.text = text;
    }
}

/// SHA-256 of a text.
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Is there something in the section that can be judged?
fn is_prose(text: &str) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    let document = Document::new(text);
    document.blocks.iter().any(|block| block.kind != Kind::Heading) || !document.cells.is_empty()
}

/// The document's sections, as they stand there; put together again they are the document.
pub fn sections(text: &str) -> Vec<String> {
    parts(&Document::new(text))
}

fn parts(document: &Document<'_>) -> Vec<String> {
    document.sections.iter().map(|s| document.text[s.range.clone()].to_owned()).collect()
}

struct Desk<'d> {
    task: &'d Task<'d>,
    turns: &'d dyn Turns,
    recorder: &'d Recorder,
    cancel: &'d CancellationToken,
    oversight: Option<&'d Oversight<'d>>,
    purse: Purse,
    began: Instant,
    title: String,
    sections: Vec<Section>,
    history: Vec<Row>,
    /// What passed when everything was read last.
    passed: Option<Passed>,
    assumptions: Vec<String>,
    seen: BTreeSet<String>,
    /// Reviews of before and of this run, by hash.
    known: Known,
    turn_infos: Vec<TurnInfo>,
    writer: usize,
    warm: bool,
    book: Book,
    advice: Vec<supervise::Advice>,
    replayed: u32,
    over: Option<End>,
    /// Rounds beyond those that were asked for: as many as changes need to be carried out.
    granted: u32,
    /// The stall that the last change was made for.
    stalled: Option<Stall>,
    /// Rows of the history before it: they say nothing about what comes after.
    changed_at: usize,
}

/// What one pass over the sections brought.
#[derive(Default)]
struct Pass {
    reviews: Vec<(usize, Reviewed)>,
    rewrites: Vec<Rewrite>,
    infos: Vec<TurnInfo>,
    troubles: Vec<Trouble>,
}

/// A section that was rewritten, or could not be.
struct Rewrite {
    section: usize,
    /// SHA-256 of the text that the critique was written for.
    from: String,
    /// The model that really wrote it.
    by: String,
    result: Result<guard::Checked, String>,
}

/// Improves the document.
pub async fn improve(
    task: &Task<'_>,
    turns: &dyn Turns,
    recorder: &Recorder,
    cancel: &CancellationToken,
    oversight: Option<&Oversight<'_>>,
) -> Outcome {
    let document = Document::new(task.text);
    let title = document.sections.iter().map(|s| s.title.clone()).find(|t| !t.is_empty());
    let known: Known =
        task.known.iter().filter(|(_, r)| r.counts()).map(|(hash, r)| (hash.clone(), r.clone())).collect();
    let section = |text: String| {
        let hash = hash(&text);
        let reviewed = known.get(&hash).cloned();
        let found = (text.clone(), reviewed.clone());
        Section {
            hash,
            prose: is_prose(&text),
            text,
            reviewed,
            found,
            best: None,
            tries: 0,
            missed: 0,
            tried: BTreeSet::new(),
            refused: None,
            revisions: 0,
        }
    };
    let mut desk = Desk {
        task,
        turns,
        recorder,
        cancel,
        oversight,
        purse: Purse::new(task.rules.tokens),
        began: Instant::now(),
        title: title.unwrap_or_default(),
        sections: parts(&document).into_iter().map(section).collect(),
        history: Vec::new(),
        passed: task.passed,
        assumptions: Vec::new(),
        seen: [hash(task.text)].into(),
        known: known.clone(),
        turn_infos: Vec::new(),
        writer: 0,
        warm: false,
        book: Book::default(),
        advice: Vec::new(),
        replayed: 0,
        over: None,
        granted: 0,
        stalled: None,
        changed_at: 0,
    };
    let end = desk.work().await;
    desk.close(end)
}

impl Desk<'_> {
    fn say(&self, event: LoopEvent) {
        self.recorder.record(Event::Loop(event));
    }

    fn paying(&self) -> Paying<'_> {
        Paying { turns: self.turns, purse: &self.purse, cancel: self.cancel }
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.task.rules.time_limit_ms).saturating_sub(self.began.elapsed())
    }

    fn text(&self) -> String {
        self.sections.iter().map(|s| s.text.as_str()).collect()
    }

    fn lint(&self, text: &str) -> Lint {
        (self.task.lint)(text)
    }

    async fn work(&mut self) -> End {
        let mut round = 0;
        loop {
            let began = Instant::now();
            let text = self.text();
            let lint = self.lint(&text);
            let mut may_write = round < self.task.rules.rounds + self.granted;
            let mut pass = self.pass(round, &lint, may_write).await;
            if let Some(end) = self.take_reviews(&pass) {
                return end;
            }
            self.refuse_own(&mut pass);
            self.keep_the_better(round, &lint);
            self.shrink(round);
            let row = self.score(round, &lint, &pass);
            let passed = row.passed.all();
            let better = self.is_better(&row);
            let words = format!(
                "clarity {:.2}, completeness {:.2}, testability {:.2}; {} rewritten",
                row.scores.clarity, row.scores.completeness, row.scores.testability, row.rewritten
            );
            self.history.push(row);
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.say(LoopEvent::RoundEnded { of: Loop::Prd, round: round + 1, better, words, ms });
            if passed {
                return End::Passed;
            }
            if !may_write && self.may_go_on(round) {
                may_write = true;
                pass = self.pass(round, &self.lint(&self.text()), true).await;
                if let Some(end) = self.take_reviews(&pass) {
                    return end;
                }
                self.refuse_own(&mut pass);
            }
            let end = self.ends(round, may_write, &pass).or_else(|| self.apply(round, pass.rewrites));
            let end = match end {
                Some(End::Stalled(stall)) => self.advised(round, stall).await,
                other => other,
            };
            if let Some(end) = end {
                return end;
            }
            round += 1;
        }
    }

    /// Is another round worth it after those that were asked for? Only when it costs nothing and this one, whose scores are
    /// known by now, got better.
    fn may_go_on(&self, round: u32) -> bool {
        round < self.task.rules.free_rounds
            && self.is_free()
            && self.history.last().is_some_and(|last| self.gained(last))
    }

    fn is_free(&self) -> bool {
        let staff = self.task.staff;
        staff.reviewers.iter().chain(staff.writers.get(self.writer)).all(|m| m.tier != ModelTier::Paid)
    }

    /// Did the last row gain over all before it?
    fn gained(&self, last: &Row) -> bool {
        let before = self.history[..self.history.len().saturating_sub(1)].iter().map(|r| r.scores.mean());
        last.scores.mean() >= before.fold(0.0, f64::max) + GAIN
    }

    fn is_better(&self, row: &Row) -> bool {
        let best = self
            .history
            .iter()
            .map(|r| r.scores.mean())
            .fold(None, |a: Option<f64>, b| Some(a.map_or(b, |a| a.max(b))));
        best.is_some_and(|best| row.scores.mean() >= best + GAIN)
    }

    fn scores_of(&self, at: usize, lint: &Lint, reviewed: Option<&Reviewed>) -> Three {
        let none = Scores { clarity: 1.0, completeness: 1.0, testability: 1.0, evidence: Vec::new() };
        review::combined(lint.sections.get(at).map_or(&none, |s| &s.scores), reviewed)
    }

    /// Why it ends here, if it does.
    fn ends(&self, round: u32, may_write: bool, pass: &Pass) -> Option<End> {
        if let Some(over) = self.over {
            return Some(over);
        }
        if self.left().is_zero() {
            return Some(End::TimeCap);
        }
        if self.is_lost(may_write, pass) {
            return Some(End::ReviewersLost);
        }
        // a loop that gets nowhere is called so, in its last round too
        if self.is_flat(round) {
            return Some(End::Stalled(Stall::Plateau));
        }
        if !may_write {
            let gained = self.history.last().is_some_and(|last| self.gained(last));
            let stalled = self.stalled.filter(|_| self.granted > 0 && !gained);
            return Some(stalled.map_or(End::RoundCap, End::Stalled));
        }
        if pass.rewrites.is_empty() {
            return self.unread().next().is_none().then_some(End::Stalled(Stall::NothingToRewrite));
        }
        let all_failed = pass.rewrites.iter().all(|r| r.result.is_err());
        let asked = pass.infos.iter().filter(|i| i.who == "writer");
        if all_failed && asked.clone().count() > 0 && asked.clone().all(|i| i.trouble.is_some()) {
            return Some(End::WriterLost);
        }
        let exhausted = |r: &Rewrite| self.sections[r.section].tries + 1 >= TRIES_MOST;
        if all_failed && pass.rewrites.iter().all(exhausted) {
            return Some(End::Stalled(Stall::AllRefused));
        }
        None
    }

    /// Is something left unread for good: no round is left to ask again, or nothing else is left to do and it was asked often
    /// enough?
    fn is_lost(&self, may_write: bool, pass: &Pass) -> bool {
        let mut unread = self.unread().peekable();
        let any = unread.peek().is_some();
        any && (!may_write || pass.rewrites.is_empty() && unread.all(|section| section.missed >= TRIES_MOST))
    }

    /// Did the last rounds gain nothing?
    fn is_flat(&self, round: u32) -> bool {
        let means: Vec<f64> = self.history.iter().map(|r| r.scores.mean()).collect();
        if (round as usize) < PLATEAU_ROUNDS || means.len() < self.changed_at + PLATEAU_ROUNDS {
            return false;
        }
        let (before, last) = means.split_at(means.len() - PLATEAU_ROUNDS);
        let best = before.iter().copied().fold(0.0, f64::max);
        last.iter().all(|mean| *mean < best + GAIN)
    }

    /// Can a change still be carried out: is there something to review or to rewrite, with time and tokens for it?
    fn has_room(&self, round: u32) -> bool {
        !self.cancel.is_cancelled() && !self.left().is_zero() && self.has_work(round + 1)
    }

    /// The supervisor may have one change to try before a stall is the end.
    async fn advised(&mut self, round: u32, stall: Stall) -> Option<End> {
        // what was left to a person may be tried once more after a change
        let tries: Vec<u32> = self.sections.iter_mut().map(|section| std::mem::take(&mut section.tries)).collect();
        let end = self.changed(round, stall).await;
        if end.is_some() {
            self.sections.iter_mut().zip(tries).for_each(|(section, tries)| section.tries = tries);
        }
        end
    }

    async fn changed(&mut self, round: u32, stall: Stall) -> Option<End> {
        // a change that nobody could carry out is not asked for
        let may_change = self.advice.len() < CHANGES_MOST && self.has_room(round);
        let Some(oversight) = self.oversight.filter(|_| may_change) else { return Some(End::Stalled(stall)) };
        let steps = (oversight.steps)();
        let (writers, writer, warm) = (self.task.staff.writers.len(), self.writer, self.warm);
        let can = |change: Change| match change {
            Change::SwitchModel => writer + 1 < writers,
            Change::RaiseTemperature => !warm,
            Change::LowerTemperature => warm,
            Change::StopAndEscalate => true,
            // no test is run and nobody objects here; the writer sees the whole section already
            Change::RerunWithRepeats | Change::DropObjection | Change::RewordRubric | Change::WidenContext => false,
        };
        let rule = match stall {
            Stall::Plateau => Rule::ScorePlateau,
            Stall::FlipFlop => Rule::PingPong,
            Stall::NothingToRewrite | Stall::AllRefused => Rule::CostWithoutProgress,
        };
        let said = supervise::watch::advise(&steps, Some(rule), &mut self.book, oversight.asks, &can).await;
        // asking takes time, too
        let said = if self.has_room(round) { said } else { said.left_alone() };
        said.events(Loop::Prd).into_iter().for_each(|event| self.say(event));
        let Some(advice) = said.advice else { return Some(End::Stalled(stall)) };
        let change = advice.diagnosis.change;
        self.advice.push(advice);
        match change {
            Change::StopAndEscalate => return Some(End::Escalated),
            Change::SwitchModel => self.writer += 1,
            Change::RaiseTemperature => self.warm = true,
            Change::LowerTemperature => self.warm = false,
            Change::RerunWithRepeats | Change::DropObjection | Change::RewordRubric | Change::WidenContext => {}
        }
        self.granted = self.granted.max((round + 2).saturating_sub(self.task.rules.rounds));
        self.stalled = Some(stall);
        self.changed_at = self.history.len();
        None
    }

    fn close(mut self, end: End) -> Outcome {
        let round = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        let lint = self.lint(&self.text());
        self.keep_the_better(round, &lint);
        // what was rewritten and never reviewed is not handed over
        for at in 0..self.sections.len() {
            let section = &mut self.sections[at];
            if section.reviewed.is_some() || !section.prose {
                continue;
            }
            let found = (section.found.0.clone(), section.found.1.clone());
            let (text, reviewed) = section.best.as_ref().map_or(found, |(text, _, r)| (text.clone(), Some(r.clone())));
            let from = section.hash.clone();
            section.put(text);
            section.reviewed = reviewed;
            let to = section.hash.clone();
            if from != to {
                let why = "nobody reviewed it: put back".to_owned();
                self.say(LoopEvent::Revised { round, section: at, from, to, taken: false, why });
            }
        }
        self.shrink(round);
        let good = end == End::Passed;
        if good {
            supervise::watch::resolved(&self.advice).into_iter().for_each(|event| self.say(event));
        }
        // scoring it as it was found is no round yet
        let rounds = u32::try_from(self.history.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.say(LoopEvent::Ended { of: Loop::Prd, why: end.name(), good, rounds });
        let text = self.text();
        let lint = self.lint(&text);
        let info = |at: usize, s: &Section| {
            let reviewed = s.reviewed.clone();
            SectionInfo {
                title: lint.sections.get(at).map(|l| l.title.clone()).unwrap_or_default(),
                scores: self.scores_of(at, &lint, reviewed.as_ref()),
                reviewed,
                revisions: s.revisions,
                left_because: s.refused.clone(),
            }
        };
        let questions = guard::questions(&self.assumptions, &text);
        let change = |a: &supervise::Advice| format!("{} ({})", a.diagnosis.change.words(), a.tier.name());
        Outcome {
            end,
            sections: self.sections.iter().enumerate().map(|(at, s)| info(at, s)).collect(),
            found: self.sections.iter().filter(|s| s.text != s.found.0).filter_map(|s| s.found.1.clone()).collect(),
            history: self.history,
            questions,
            staff: TurnInfo::summed(&self.turn_infos),
            changes: self.advice.iter().map(change).collect(),
            replayed: self.replayed,
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            lint,
            text,
        }
    }
}
