//! The loop: every section is scored by lint and reviewers; what fails goes with its critique to a writer of another model,
//! while the next section is being scored; until all three scores pass, or another named reason ends it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::catalog::Tier as ModelTier;
use crate::model::trouble::Consequence;
use crate::model::{Role, Trouble};
use crate::prd::document::{Document, Kind};
use crate::prd::finding::Dimension;
use crate::prd::gate::{Gate, Passed};
use crate::prd::guard;
use crate::prd::history::Row;
use crate::prd::outcome::{End, Outcome, SectionInfo, Stall, TurnInfo};
use crate::prd::review::{self, Review, Reviewed, Three};
use crate::prd::writer::{self, Critique};
use crate::prd::{Lint, Scores};
use crate::supervise::stall::Rule;
use crate::supervise::{self, Book, Change, Oversight};
use crate::trajectory::{Event, Loop, LoopEvent, Recorder};
use crate::turns::purse::Purse;
use crate::turns::{Answer, Member, Question, Turns};

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
    /// Whether the target of a relative link is there.
    pub exists: &'t (dyn Fn(&str) -> bool + Send + Sync),
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
/// Changes that the supervisor may have made in one run.
const CHANGES_MOST: usize = 2;

/// One section at work.
#[derive(Debug, Clone)]
struct Section {
    text: String,
    hash: String,
    reviewed: Option<Reviewed>,
    /// As it was found, with its first review.
    found: (String, Option<Reviewed>),
    /// The best revision that was reviewed, with its scores.
    best: Option<(String, Three, Reviewed)>,
    tries: u32,
    /// Why the last try was not taken.
    refused: Option<String>,
    revisions: u32,
}

/// SHA-256 of a text.
pub fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Is there something in the section that can be judged?
fn is_prose(text: &str) -> bool {
    let document = Document::new(text);
    document.blocks.iter().any(|block| block.kind != Kind::Heading) || !document.cells.is_empty()
}

/// The document's sections, as they stand there; put together again they are the document.
pub fn sections(text: &str) -> Vec<String> {
    Document::new(text).sections.iter().map(|s| text[s.range.clone()].to_owned()).collect()
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
    assumptions: Vec<String>,
    seen: BTreeSet<String>,
    turn_infos: Vec<TurnInfo>,
    writer: usize,
    warm: bool,
    book: Book,
    advice: Vec<supervise::Advice>,
    replayed: u32,
    over: Option<End>,
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
    let title = Document::new(task.text).sections.iter().map(|s| s.title.clone()).find(|t| !t.is_empty());
    let section = |text: String| {
        let hash = hash(&text);
        let reviewed = task.known.get(&hash).cloned();
        let found = (text.clone(), reviewed.clone());
        Section { hash, text, reviewed, found, best: None, tries: 0, refused: None, revisions: 0 }
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
        sections: sections(task.text).into_iter().map(section).collect(),
        history: Vec::new(),
        assumptions: Vec::new(),
        seen: [hash(task.text)].into(),
        turn_infos: Vec::new(),
        writer: 0,
        warm: false,
        book: Book::default(),
        advice: Vec::new(),
        replayed: 0,
        over: None,
    };
    let end = desk.work().await;
    desk.close(end)
}

impl Desk<'_> {
    fn say(&self, event: LoopEvent) {
        self.recorder.record(Event::Loop(event));
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.task.rules.time_limit_ms).saturating_sub(self.began.elapsed())
    }

    fn text(&self) -> String {
        self.sections.iter().map(|s| s.text.as_str()).collect()
    }

    fn lint(&self, text: &str) -> Lint {
        crate::prd::lint(text, &|to| (self.task.exists)(to))
    }

    async fn work(&mut self) -> End {
        let mut round = 0;
        loop {
            let began = Instant::now();
            let text = self.text();
            let lint = self.lint(&text);
            let may_write = self.may_write(round);
            let mut pass = self.pass(round, &lint, may_write).await;
            if let Some(end) = self.take_reviews(&pass) {
                return end;
            }
            self.refuse_own(&mut pass);
            self.keep_the_better(round, &lint);
            self.shrink();
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
            let end = match self.ends(round, may_write, &pass) {
                Some(End::Stalled(stall)) => self.advised(stall).await,
                Some(end) => Some(end),
                None => self.apply(round, pass.rewrites),
            };
            if let Some(end) = end {
                return end;
            }
            round += 1;
        }
    }

    /// Is there another round of rewriting after this one?
    fn may_write(&self, round: u32) -> bool {
        let rules = self.task.rules;
        let better = self.history.last().is_none_or(|last| self.gained(last));
        let free = self.is_free() && better && round < rules.free_rounds;
        round < rules.rounds || free
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

    /// Reviews what has no review yet, in order, and rewrites what fails, while the next is being reviewed.
    async fn pass(&self, round: u32, lint: &Lint, may_write: bool) -> Pass {
        let (send, receive) = mpsc::unbounded_channel::<(usize, String, Critique)>();
        let reviewing = async {
            let (mut reviews, mut infos, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
            for (at, section) in self.sections.iter().enumerate() {
                if self.cancel.is_cancelled() || self.left().is_zero() {
                    break;
                }
                let mut reviewed = section.reviewed.clone();
                if reviewed.is_none() && is_prose(&section.text) {
                    let (new, told, failed) = self.review(round, at, section).await;
                    infos.extend(told);
                    troubles.extend(failed);
                    reviews.push((at, new.clone()));
                    reviewed = Some(new);
                }
                if may_write && let Some((text, critique)) = self.critique(at, section, lint, reviewed.as_ref()) {
                    // nobody left to rewrite: the reviews still count
                    let _ = send.send((at, text, critique));
                }
            }
            drop(send);
            (reviews, infos, troubles)
        };
        let queue = futures::stream::unfold(receive, |mut receive| async move {
            let next = receive.recv().await?;
            Some((next, receive))
        });
        let writing = queue
            .map(|(at, text, critique)| self.rewrite(round, at, text, critique))
            .buffer_unordered(self.task.rules.writers.max(1))
            .collect::<Vec<_>>();
        let ((reviews, mut infos, mut troubles), written) = futures::join!(reviewing, writing);
        let mut rewrites = Vec::new();
        for (rewrite, told, failed) in written {
            infos.extend(told);
            troubles.extend(failed);
            rewrites.push(rewrite);
        }
        // whoever was faster: the order of the document
        rewrites.sort_by_key(|r| r.section);
        Pass { reviews, rewrites, infos, troubles }
    }

    fn scores_of(&self, at: usize, lint: &Lint, reviewed: Option<&Reviewed>) -> Three {
        let none = Scores { clarity: 1.0, completeness: 1.0, testability: 1.0, evidence: Vec::new() };
        review::combined(lint.sections.get(at).map_or(&none, |s| &s.scores), reviewed)
    }

    /// The text to rewrite and what is wrong with it; none when it passes, or was tried often enough.
    fn critique(
        &self,
        at: usize,
        section: &Section,
        lint: &Lint,
        reviewed: Option<&Reviewed>,
    ) -> Option<(String, Critique)> {
        let threshold = self.task.rules.threshold;
        let scores = self.scores_of(at, lint, reviewed);
        // a revision that is worse than the best one is not built upon
        if let Some((best, best_scores, best_reviewed)) = &section.best
            && scores.mean() < best_scores.mean() - WORSE
            && *best != section.text
        {
            if section.tries + 1 >= TRIES_MOST {
                return None;
            }
            let own = self.lint(best);
            let findings: Vec<_> = own.findings.iter().collect();
            let critique = Critique::new(&hash(best), *best_scores, threshold, &findings, Some(best_reviewed));
            return (!critique.points.is_empty()).then(|| (best.clone(), critique));
        }
        let findings: Vec<_> = lint.findings.iter().filter(|f| f.section_index == at).collect();
        let fails = Dimension::ALL.into_iter().any(|d| scores.of(d) < threshold)
            || findings.iter().any(|f| f.severity == crate::prd::Severity::Error);
        if !fails || section.tries >= TRIES_MOST || section.text.trim().is_empty() {
            return None;
        }
        let critique = Critique::new(&section.hash, scores, threshold, &findings, reviewed);
        (!critique.points.is_empty()).then(|| (section.text.clone(), critique))
    }

    /// Three reviews at the same time.
    async fn review(&self, round: u32, at: usize, section: &Section) -> (Reviewed, Vec<TurnInfo>, Vec<Trouble>) {
        let asked = self.task.staff.reviewers.iter().enumerate().map(|(n, member)| {
            let question = Question {
                of: Loop::Prd,
                actor: format!("reviewer {} of section {}", n + 1, at + 1),
                round: round + 1,
                role: Role::Score,
                messages: review::messages(&self.title, section.text.trim()),
                schema: Some(review::schema()),
                answer_tokens: self.task.rules.review_tokens,
                // the same model three times is asked with other temperatures
                temperature_milli: u16::try_from(n).unwrap_or(0) * 350,
                deadline: self.turn_limit(),
                model: Some(member.name.clone()),
                not: BTreeSet::new(),
                evidence: None,
            };
            let text = &section.text;
            async move { (n, self.used(question, |reply| review::read(reply, text)).await) }
        });
        let (mut reviews, mut infos, mut troubles) = (Vec::<Review>::new(), Vec::new(), Vec::new());
        for (n, result) in join_all(asked).await {
            let who = format!("reviewer {}", n + 1);
            match result {
                Ok((review, answer)) => {
                    infos.push(TurnInfo::of(&who, &answer));
                    reviews.push(review);
                }
                Err(trouble) => {
                    infos.push(TurnInfo::failed(&who, &self.task.staff.reviewers[n].name, trouble.name()));
                    troubles.push(trouble);
                }
            }
        }
        (review::together(&section.hash, &reviews), infos, troubles)
    }

    fn turn_limit(&self) -> Duration {
        Duration::from_millis(self.task.rules.turn_limit_ms).min(self.left())
    }

    async fn rewrite(
        &self,
        round: u32,
        at: usize,
        text: String,
        critique: Critique,
    ) -> (Rewrite, Vec<TurnInfo>, Vec<Trouble>) {
        const WARM_MILLI: u16 = 700;
        let from = critique.of.clone();
        let writer = &self.task.staff.writers[self.writer.min(self.task.staff.writers.len() - 1)];
        let tokens = crate::model::tokens::count(&text);
        let question = Question {
            of: Loop::Prd,
            actor: format!("writer of section {}", at + 1),
            round: round + 1,
            role: Role::Write,
            messages: writer::messages(&self.title, text.trim(), &critique, self.sections[at].refused.as_deref()),
            schema: None,
            // as much as the section may grow, and what our estimate gets wrong
            answer_tokens: u32::try_from(tokens * 2 + 200).unwrap_or(u32::MAX),
            temperature_milli: if self.warm { WARM_MILLI } else { 0 },
            deadline: self.turn_limit(),
            model: Some(writer.name.clone()),
            not: BTreeSet::new(),
            evidence: None,
        };
        let whole = self.text();
        match self.used(question, |reply| writer::read(reply, &text)).await {
            Ok((new, answer)) => {
                let info = TurnInfo::of("writer", &answer);
                let result = guard::check(&text, &new, &whole).map_err(|refused| refused.to_string());
                (Rewrite { section: at, from, by: answer.answered_by, result }, vec![info], Vec::new())
            }
            Err(trouble) => {
                let info = TurnInfo::failed("writer", &writer.name, trouble.name());
                let result = Err(trouble.to_string());
                (Rewrite { section: at, from, by: String::new(), result }, vec![info], vec![trouble])
            }
        }
    }

    /// Asks and reads, once more when the reply can't be read.
    async fn used<T>(
        &self,
        mut question: Question,
        read: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Result<(T, Answer), Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let worst = question.worst_tokens();
            if !self.purse.reserve(worst) {
                return Err(Trouble::OutOfBudget { what: format!("{TOKENS}{} are left", self.purse.left()) });
            }
            let result = tokio::select! {
                biased;
                () = self.cancel.cancelled() => Err(Trouble::Cancelled),
                result = self.turns.ask(&question) => result,
            };
            let trouble = match result {
                Ok(answer) => {
                    self.purse.settle(worst, answer.prompt_tokens + answer.answer_tokens);
                    match read(&answer.content) {
                        Ok(value) => return Ok((value, answer)),
                        Err(trouble) => trouble,
                    }
                }
                Err(trouble) => trouble,
            };
            if trouble.consequence() != Consequence::BadAnswer || tries == 2 {
                return Err(trouble);
            }
            question = question.once_more(&trouble.to_string());
        }
    }

    /// Puts reviews to their sections. An end when nobody reviewed anything.
    fn take_reviews(&mut self, pass: &Pass) -> Option<End> {
        for (at, reviewed) in &pass.reviews {
            let section = &mut self.sections[*at];
            // a review of another revision than the one that is there counts for nothing
            if section.hash == reviewed.hash {
                section.reviewed = Some(reviewed.clone());
            }
            if section.found.0 == section.text {
                section.found.1 = Some(reviewed.clone());
            }
        }
        for info in &pass.infos {
            self.replayed += u32::from(info.replayed);
            self.turn_infos.push(info.clone());
        }
        let over = pass.troubles.iter().find_map(|trouble| match trouble {
            Trouble::Cancelled => Some(End::Cancelled),
            Trouble::OutOfBudget { what } if what.starts_with(TOKENS) => Some(End::TokenCap),
            Trouble::OutOfBudget { .. } => Some(End::MoneyCap),
            _ => None,
        });
        self.over = self.over.or(over);
        if self.cancel.is_cancelled() {
            return Some(End::Cancelled);
        }
        let lost = !pass.reviews.is_empty() && pass.reviews.iter().all(|(_, r)| r.reviews == 0);
        if lost { Some(self.over.unwrap_or(End::ReviewersLost)) } else { None }
    }

    /// Who reviews does not write, whatever a model was called when it was asked.
    fn refuse_own(&self, pass: &mut Pass) {
        let reviews = |by: &str| self.turn_infos.iter().any(|t| t.who.starts_with("reviewer") && t.answered_by == by);
        for rewrite in pass.rewrites.iter_mut().filter(|r| r.result.is_ok() && reviews(&r.by)) {
            rewrite.result = Err(format!("{} wrote it, who also reviews", rewrite.by));
        }
    }

    /// A rewritten section that scores less than its best revision is put back.
    fn keep_the_better(&mut self, round: u32, lint: &Lint) {
        for at in 0..self.sections.len() {
            let Some(reviewed) = self.sections[at].reviewed.clone() else { continue };
            let scores = self.scores_of(at, lint, Some(&reviewed));
            let section = &mut self.sections[at];
            match section.best.clone() {
                Some((best, best_scores, best_reviewed))
                    if best != section.text && scores.mean() < best_scores.mean() - WORSE =>
                {
                    let from = section.hash.clone();
                    section.tries += 1;
                    section.refused = Some("it scored less than before".into());
                    section.hash = hash(&best);
                    section.text = best;
                    section.reviewed = Some(best_reviewed);
                    let (to, why) = (section.hash.clone(), "it scored less than before: put back".to_owned());
                    self.say(LoopEvent::Revised { round: round + 1, section: at, from, to, taken: false, why });
                }
                _ => section.best = Some((section.text.clone(), scores, reviewed)),
            }
        }
    }

    /// Sections that were put back may need the room that others took: who grew most is as it was found again.
    fn shrink(&mut self) {
        while !guard::fits(self.task.text, &self.text()) {
            let growth = |s: &Section| s.text.len().saturating_sub(s.found.0.len());
            let Some(section) = self.sections.iter_mut().max_by_key(|s| growth(s)).filter(|s| growth(s) > 0) else {
                return;
            };
            section.text.clone_from(&section.found.0);
            section.reviewed.clone_from(&section.found.1);
            section.hash = hash(&section.text);
            section.best = None;
            section.tries += 1;
            section.refused = Some("the document would grow beyond 1.3 times what it was".into());
        }
    }

    /// The scores of the document as it is now.
    fn score(&self, round: u32, lint: &Lint, pass: &Pass) -> Row {
        let now = self.text();
        let fresh;
        // sections were put back: the lint of what is there now
        let lint = if now == self.sections_text(lint) {
            lint
        } else {
            fresh = self.lint(&now);
            &fresh
        };
        let threshold = self.task.rules.threshold;
        let mut sums = [0.0; 3];
        let mut weights = [0.0; 3];
        for (at, section) in self.sections.iter().enumerate() {
            let Some(reviewed) = &section.reviewed else { continue };
            let requirements = lint.sections.get(at).map_or(0, |s| s.requirements);
            #[allow(clippy::cast_precision_loss, reason = "a section has few requirements")]
            let weight = requirements.max(1) as f64;
            let scores = self.scores_of(at, lint, Some(reviewed));
            for d in Dimension::ALL {
                if let Some(median) = reviewed.median[review::index(d)] {
                    sums[review::index(d)] += weight * median;
                    weights[review::index(d)] += weight;
                }
                self.say(LoopEvent::Scored {
                    round,
                    section: Some(at),
                    revision: section.hash.clone(),
                    dimension: d.name().into(),
                    score: scores.of(d),
                    threshold,
                });
            }
        }
        let median = Dimension::ALL.map(|d| {
            let at = review::index(d);
            (weights[at] > 0.0).then(|| sums[at] / weights[at])
        });
        let whole = Reviewed { median, ..Reviewed::default() };
        let scores = review::combined(&lint.scores, Some(&whole));
        let before = self.history.last().map(|row| row.passed).or(self.task.passed);
        let gate = Gate { threshold };
        let passes = |d: Dimension| gate.passes(scores.of(d), before.map(|b| b.of(d)));
        let passed = Passed {
            clarity: passes(Dimension::Clarity),
            completeness: passes(Dimension::Completeness),
            testability: passes(Dimension::Testability),
            no_errors: lint.findings.iter().all(|f| f.severity < crate::prd::Severity::Error),
        };
        for d in Dimension::ALL {
            let (dimension, score, revision) = (d.name().to_owned(), scores.of(d), hash(&now));
            self.say(LoopEvent::Scored { round, section: None, revision, dimension, score, threshold });
        }
        let rewritten = pass.rewrites.iter().filter(|r| r.result.is_ok()).count();
        Row { round, scores, passed, rewritten, findings: lint.findings.len() }
    }

    /// The text that a lint was made of, as far as its hashes tell; empty when it is another one.
    fn sections_text(&self, lint: &Lint) -> String {
        let same = lint.sections.len() == self.sections.len()
            && lint.sections.iter().zip(&self.sections).all(|(a, b)| a.hash == b.hash);
        if same { self.text() } else { String::new() }
    }

    /// Why it ends here, if it does.
    fn ends(&self, round: u32, may_write: bool, pass: &Pass) -> Option<End> {
        if let Some(over) = self.over {
            return Some(over);
        }
        if self.left().is_zero() {
            return Some(End::TimeCap);
        }
        if !may_write {
            return Some(End::RoundCap);
        }
        let means: Vec<f64> = self.history.iter().map(|r| r.scores.mean()).collect();
        if round as usize >= PLATEAU_ROUNDS {
            let (before, last) = means.split_at(means.len() - PLATEAU_ROUNDS);
            let best = before.iter().copied().fold(0.0, f64::max);
            if last.iter().all(|mean| *mean < best + GAIN) {
                return Some(End::Stalled(Stall::Plateau));
            }
        }
        if pass.rewrites.is_empty() {
            return Some(End::Stalled(Stall::NothingToRewrite));
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

    /// Takes rewrites whose critique was written for what is there, as far as the document stays within its measure.
    fn apply(&mut self, round: u32, rewrites: Vec<Rewrite>) -> Option<End> {
        for Rewrite { section: at, from, result, by: _ } in rewrites {
            let before = self.sections[at].clone();
            let (taken, to, why) = match result {
                Ok(checked) => match self.replaced(at, &from, checked) {
                    Ok(why) => (true, self.sections[at].hash.clone(), why),
                    Err(why) => (false, from.clone(), why),
                },
                Err(why) => (false, from.clone(), why),
            };
            if !taken {
                self.sections[at] = before;
                self.sections[at].tries += 1;
                self.sections[at].refused = Some(why.clone());
            }
            self.say(LoopEvent::Revised { round: round + 1, section: at, from, to, taken, why });
        }
        if !self.seen.insert(hash(&self.text()))
            && self.sections.iter().all(|s| s.reviewed.is_some() || !is_prose(&s.text))
        {
            // what is there now was there before, and everything about it is known
            let tried = self.sections.iter().any(|s| s.refused.is_some() && s.tries < TRIES_MOST);
            return if tried { None } else { Some(End::Stalled(Stall::FlipFlop)) };
        }
        None
    }

    fn replaced(&mut self, at: usize, from: &str, checked: guard::Checked) -> Result<String, String> {
        if self.sections[at].hash != from {
            return Err("it was written for another revision".into());
        }
        let (old_hash, new_hash) = (self.sections[at].hash.clone(), hash(&checked.text));
        let section = &mut self.sections[at];
        section.text = checked.text;
        section.hash = new_hash.clone();
        section.reviewed = self.task.known.get(&new_hash).cloned();
        section.revisions += 1;
        section.refused = None;
        if old_hash == new_hash {
            return Err("nothing is changed".into());
        }
        let whole = self.text();
        if !guard::fits(self.task.text, &whole) {
            return Err("the document would grow beyond 1.3 times what it was".into());
        }
        let n = checked.assumptions.len();
        self.assumptions.extend(checked.assumptions);
        Ok(if n == 0 { String::new() } else { format!("{n} marked as assumptions") })
    }

    /// The supervisor may have one change to try before a stall is the end.
    async fn advised(&mut self, stall: Stall) -> Option<End> {
        let Some(oversight) = self.oversight.filter(|_| self.advice.len() < CHANGES_MOST) else {
            return Some(End::Stalled(stall));
        };
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
        let Some(advice) = supervise::watch::advise(&steps, rule, &mut self.book, oversight.asks, &can).await else {
            return Some(End::Stalled(stall));
        };
        self.say(advice.diagnosed(Loop::Prd));
        self.say(advice.tried(true));
        let change = advice.diagnosis.change;
        self.advice.push(advice);
        match change {
            Change::StopAndEscalate => return Some(End::Escalated),
            Change::SwitchModel => self.writer += 1,
            Change::RaiseTemperature => self.warm = true,
            Change::LowerTemperature => self.warm = false,
            Change::RerunWithRepeats | Change::DropObjection | Change::RewordRubric | Change::WidenContext => {}
        }
        for section in &mut self.sections {
            section.tries = 0;
        }
        None
    }

    fn close(mut self, end: End) -> Outcome {
        // what was rewritten and never reviewed is not handed over
        for section in self.sections.iter_mut().filter(|s| s.reviewed.is_none() && is_prose(&s.text)) {
            let found = (section.found.0.clone(), section.found.1.clone());
            let (text, reviewed) = section.best.as_ref().map_or(found, |(text, _, r)| (text.clone(), Some(r.clone())));
            section.hash = hash(&text);
            (section.text, section.reviewed) = (text, reviewed);
        }
        self.shrink();
        let good = end == End::Passed;
        if good {
            self.advice.iter().for_each(|advice| self.say(advice.resolved()));
        }
        let rounds = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
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
        let mut questions: Vec<String> = self
            .assumptions
            .iter()
            .filter(|a| text.contains(a.trim_end_matches(['.', '!', ';', ' '])))
            .cloned()
            .collect();
        questions.dedup();
        let change = |a: &supervise::Advice| format!("{} ({})", a.diagnosis.change.words(), a.tier.name());
        Outcome {
            end,
            sections: self.sections.iter().enumerate().map(|(at, s)| info(at, s)).collect(),
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

/// How the purse says that it is the tokens that are over, not the money.
const TOKENS: &str = "tokens: ";
