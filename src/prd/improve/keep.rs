//! What a pass brought: reviews to their sections, the better revision of each, the document's scores, and rewrites whose
//! critique was written for what is there.

use super::{Desk, Pass, Rewrite, Section, Stall, TRIES_MOST, WORSE, hash};
use crate::prd::finding::Dimension;
use crate::prd::gate::{Gate, Passed};
use crate::prd::guard;
use crate::prd::history::Row;
use crate::prd::outcome::End;
use crate::prd::review::{self, Reviewed};
use crate::prd::{Lint, Severity};
use crate::trajectory::{Event, LoopEvent};
use crate::turns::Over;

impl Desk<'_> {
    /// Puts reviews to their sections; what fewer than two reviewers could read stays unread, and is asked again. An end when
    /// nothing was read.
    pub(super) fn take_reviews(&mut self, pass: &Pass) -> Option<End> {
        for (at, reviewed) in &pass.reviews {
            let section = &mut self.sections[*at];
            if !reviewed.counts() {
                section.missed += 1;
                continue;
            }
            section.missed = 0;
            let moods = Dimension::ALL.into_iter().filter(|d| reviewed.median[review::index(*d)].is_none());
            let moods: Vec<&str> = moods.map(Dimension::name).collect();
            if !moods.is_empty() {
                let text =
                    format!("section {}: too few reviewers quote what stands there for {}", at + 1, moods.join(", "));
                self.recorder.record(Event::Note { text: format!("{text}; the lint alone decides") });
            }
            self.known.insert(reviewed.hash.clone(), reviewed.clone());
            // a review of another revision than the one that is there counts for nothing
            if section.hash == reviewed.hash {
                section.reviewed = Some(reviewed.clone());
            }
            if section.found.0 == section.text {
                section.found.1 = Some(reviewed.clone());
            }
        }
        for info in &pass.infos {
            self.replayed += info.replayed;
            self.turn_infos.push(info.clone());
        }
        let over = pass.troubles.iter().find_map(Over::of).map(|over| match over {
            Over::Cancelled => End::Cancelled,
            Over::Tokens => End::TokenCap,
            Over::Money => End::MoneyCap,
        });
        self.over = self.over.or(over);
        if self.cancel.is_cancelled() {
            return Some(End::Cancelled);
        }
        let lost = !pass.reviews.is_empty() && pass.reviews.iter().all(|(_, r)| !r.counts());
        if lost { Some(self.over.unwrap_or(End::ReviewersLost)) } else { None }
    }

    /// Who reviews does not write, whatever a model was called when it was asked.
    pub(super) fn refuse_own(&self, pass: &mut Pass) {
        let reviews = |by: &str| self.turn_infos.iter().any(|t| t.who.starts_with("reviewer") && t.answered_by == by);
        for rewrite in pass.rewrites.iter_mut().filter(|r| r.result.is_ok() && reviews(&r.by)) {
            rewrite.result = Err(format!("{} wrote it, who also reviews", rewrite.by));
        }
    }

    /// A rewritten section that scores less than its best revision is put back.
    pub(super) fn keep_the_better(&mut self, round: u32, lint: &Lint) {
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
                    section.put(best);
                    section.reviewed = Some(best_reviewed);
                    let (to, why) = (section.hash.clone(), "it scored less than before: put back".to_owned());
                    self.say(LoopEvent::Revised { round: round + 1, section: at, from, to, taken: false, why });
                }
                _ => section.best = Some((section.text.clone(), scores, reviewed)),
            }
        }
    }

    /// Sections that were put back may need the room that others took: who grew most is as it was found again.
    pub(super) fn shrink(&mut self, round: u32) {
        while !guard::fits(self.task.text, &self.text()) {
            let growth = |s: &Section| s.text.len().saturating_sub(s.found.0.len());
            let most = (0..self.sections.len()).max_by_key(|at| growth(&self.sections[*at]));
            let Some(at) = most.filter(|at| growth(&self.sections[*at]) > 0) else { return };
            let section = &mut self.sections[at];
            let from = section.hash.clone();
            section.put(section.found.0.clone());
            section.reviewed.clone_from(&section.found.1);
            section.best = None;
            section.tries += 1;
            let why = "the document would grow beyond 1.3 times what it was".to_owned();
            section.refused = Some(why.clone());
            let to = section.hash.clone();
            self.say(LoopEvent::Revised { round: round + 1, section: at, from, to, taken: false, why });
        }
    }

    /// The text that a lint was made of, as far as its hashes tell; empty when it is another one.
    fn sections_text(&self, lint: &Lint) -> String {
        let same = lint.sections.len() == self.sections.len()
            && lint.sections.iter().zip(&self.sections).all(|(a, b)| a.hash == b.hash);
        if same { self.text() } else { String::new() }
    }

    /// Sections that too few reviewers could read: nobody knows what they are worth, whatever the lint says.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| section.prose && section.reviewed.is_none())
    }

    /// The scores of the document as it is now; nothing passes that was not read to the end.
    pub(super) fn score(&mut self, round: u32, lint: &Lint, pass: &Pass) -> Row {
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
        let (gate, before, read) = (Gate { threshold }, self.passed, self.unread().next().is_none());
        let passes = |d: Dimension| read && gate.passes(scores.of(d), before.map(|b| b.of(d)));
        let passed = Passed {
            clarity: passes(Dimension::Clarity),
            completeness: passes(Dimension::Completeness),
            testability: passes(Dimension::Testability),
            no_errors: lint.findings.iter().all(|f| f.severity < Severity::Error),
        };
        if read {
            self.passed = Some(passed);
        }
        for d in Dimension::ALL {
            let (dimension, score, revision) = (d.name().to_owned(), scores.of(d), hash(&now));
            self.say(LoopEvent::Scored { round, section: None, revision, dimension, score, threshold });
        }
        let rewritten = pass.rewrites.iter().filter(|r| r.result.is_ok()).count();
        Row { round, scores, passed, rewritten, findings: lint.findings.len() }
    }

    /// Takes rewrites whose critique was written for what is there, as far as the document stays within its measure.
    pub(super) fn apply(&mut self, round: u32, rewrites: Vec<Rewrite>) -> Option<End> {
        if rewrites.is_empty() {
            // what nobody could read is asked again
            return None;
        }
        let mut any_taken = false;
        let mut tried = Vec::new();
        for Rewrite { section: at, from, result, by: _ } in rewrites {
            let before = self.sections[at].clone();
            let (taken, to, why) = match result {
                Ok(checked) => match self.replaced(at, &from, checked) {
                    Ok(why) => (true, self.sections[at].hash.clone(), why),
                    Err(why) => (false, from.clone(), why),
                },
                Err(why) => (false, from.clone(), why),
            };
            any_taken |= taken;
            tried.push(at);
            if !taken {
                self.sections[at] = before;
                self.sections[at].tries += 1;
                self.sections[at].refused = Some(why.clone());
            }
            self.say(LoopEvent::Revised { round: round + 1, section: at, from, to, taken, why });
        }
        if !any_taken {
            let exhausted = tried.iter().all(|at| self.sections[*at].tries >= TRIES_MOST);
            return exhausted.then_some(End::Stalled(Stall::AllRefused));
        }
        // what is there now was there before, and everything about it is known
        let known = self.sections.iter().all(|s| s.reviewed.is_some() || !s.prose);
        let new = self.seen.insert(hash(&self.text()));
        (!new && known).then_some(End::Stalled(Stall::FlipFlop))
    }

    fn replaced(&mut self, at: usize, from: &str, checked: guard::Checked) -> Result<String, String> {
        if self.sections[at].hash != from {
            return Err("it was written for another revision".into());
        }
        let (old_hash, new_hash) = (self.sections[at].hash.clone(), hash(&checked.text));
        let section = &mut self.sections[at];
        if !section.tried.insert(new_hash.clone()) {
            return Err("this revision was tried before".into());
        }
        section.put(checked.text);
        section.reviewed = self.known.get(&new_hash).cloned();
        section.revisions += 1;
        section.refused = None;
        if old_hash == new_hash {
            return Err("nothing is changed".into());
        }
        if !section.prose {
            return Err("nothing is left in it that could be reviewed".into());
        }
        let whole = self.text();
        if !guard::fits(self.task.text, &whole) {
            return Err("the document would grow beyond 1.3 times what it was".into());
        }
        let n = checked.assumptions.len();
        self.assumptions.extend(checked.assumptions);
        Ok(if n == 0 { String::new() } else { format!("{n} marked as assumptions") })
    }
}
