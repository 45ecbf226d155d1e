//! One pass over the sections: reviewers score what has no score yet, in order, and what fails is rewritten while the next
//! is being reviewed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use tokio::sync::mpsc;

use super::{Desk, Pass, Rewrite, Section, TRIES_MOST, WORSE, hash};
use crate::model::{Role, Trouble};
use crate::prd::finding::Dimension;
use crate::prd::guard;
use crate::prd::outcome::TurnInfo;
use crate::prd::review::{self, Review, Reviewed};
use crate::prd::writer::{self, Critique};
use crate::prd::{Lint, Severity};
use crate::trajectory::Loop;
use crate::turns::{Member, Question};

impl Desk<'_> {
    /// Reviews what has no review yet, in order, and rewrites what fails, while the next is being reviewed.
    pub(super) async fn pass(&self, round: u32, lint: &Lint, may_write: bool) -> Pass {
        let (send, receive) = mpsc::unbounded_channel::<(usize, String, Critique)>();
        let reviewing = async {
            let (mut reviews, mut infos, mut troubles) = (Vec::new(), Vec::new(), Vec::new());
            for (at, section) in self.sections.iter().enumerate() {
                if self.cancel.is_cancelled() || self.left().is_zero() {
                    break;
                }
                let mut reviewed = section.reviewed.clone();
                if reviewed.is_none() && section.prose {
                    let (new, told, failed) = self.review(round, at, section).await;
                    infos.extend(told);
                    troubles.extend(failed);
                    reviews.push((at, new.clone()));
                    reviewed = Some(new).filter(Reviewed::counts);
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
            || findings.iter().any(|f| f.severity == Severity::Error);
        if !fails || section.tries >= TRIES_MOST || section.text.trim().is_empty() {
            return None;
        }
        let critique = Critique::new(&section.hash, scores, threshold, &findings, reviewed);
        (!critique.points.is_empty()).then(|| (section.text.clone(), critique))
    }

    /// Three reviews at the same time.
    async fn review(&self, round: u32, at: usize, section: &Section) -> (Reviewed, Vec<TurnInfo>, Vec<Trouble>) {
        let asked = (0..self.task.staff.reviewers.len()).map(|n| {
            let question = self.reviewing(round, at, n);
            let text = &section.text;
            async move { (n, self.paying().used(question, |reply| review::read(reply, text)).await) }
        });
        let (mut reviews, mut infos, mut troubles) = (Vec::<Review>::new(), Vec::new(), Vec::new());
        for (n, (result, took)) in join_all(asked).await {
            let who = format!("reviewer {}", n + 1);
            match result {
                Ok((review, answer)) => {
                    infos.push(TurnInfo::of(&who, &answer, took));
                    reviews.push(review);
                }
                Err(trouble) => {
                    infos.push(TurnInfo::failed(&who, &self.task.staff.reviewers[n].name, trouble.name(), took));
                    troubles.push(trouble);
                }
            }
        }
        (review::together(&section.hash, &reviews), infos, troubles)
    }

    /// The question to reviewer `n` of the section `at`.
    fn reviewing(&self, round: u32, at: usize, n: usize) -> Question {
        Question {
            of: Loop::Prd,
            actor: format!("reviewer {} of section {}", n + 1, at + 1),
            round: round + 1,
            role: Role::Criticise,
            messages: review::messages(&self.title, self.sections[at].text.trim()),
            // what judges is served the answer to exactly itself: a section in other words is another section
            asks: None,
            schema: Some(review::schema()),
            answer_tokens: self.task.rules.review_tokens,
            // the same model three times is asked with other temperatures
            temperature_milli: u16::try_from(n).unwrap_or(0) * 350,
            deadline: self.turn_limit(),
            model: self.task.staff.reviewers.get(n).map(|member| member.name.clone()),
            not: BTreeSet::new(),
            evidence: None,
        }
    }

    /// Would anybody be asked in `round`, and is there room in the purse for it?
    pub(super) fn has_work(&self, round: u32) -> bool {
        let lint = self.lint(&self.text());
        let of_section = |(at, section): (usize, &Section)| {
            if section.prose && section.reviewed.is_none() {
                return Some(self.reviewing(round, at, 0));
            }
            let (text, critique) = self.critique(at, section, &lint, section.reviewed.as_ref())?;
            Some(self.rewriting(round, at, &text, &critique))
        };
        let mut asked = self.sections.iter().enumerate().filter_map(of_section);
        asked.any(|question| question.worst_tokens() <= self.purse.left())
    }

    fn turn_limit(&self) -> Duration {
        Duration::from_millis(self.task.rules.turn_limit_ms).min(self.left())
    }

    /// The question to the writer of the section `at`, of which `text` is rewritten.
    fn rewriting(&self, round: u32, at: usize, text: &str, critique: &Critique) -> Question {
        const WARM_MILLI: u16 = 700;
        let tokens = crate::model::tokens::count(text);
        Question {
            of: Loop::Prd,
            actor: format!("writer of section {}", at + 1),
            round: round + 1,
            role: Role::Write,
            messages: writer::messages(&self.title, text.trim(), critique, self.sections[at].refused.as_deref()),
            asks: None,
            schema: None,
            // as much as the section may grow, and what our estimate gets wrong
            answer_tokens: u32::try_from(tokens * 2 + 200).unwrap_or(u32::MAX),
            temperature_milli: if self.warm { WARM_MILLI } else { 0 },
            deadline: self.turn_limit(),
            model: Some(self.writer().name.clone()),
            not: BTreeSet::new(),
            evidence: None,
        }
    }

    fn writer(&self) -> &Member {
        let writers = &self.task.staff.writers;
        &writers[self.writer.min(writers.len() - 1)]
    }

    async fn rewrite(
        &self,
        round: u32,
        at: usize,
        text: String,
        critique: Critique,
    ) -> (Rewrite, Vec<TurnInfo>, Vec<Trouble>) {
        let from = critique.of.clone();
        let question = self.rewriting(round, at, &text, &critique);
        let (result, took) = self.paying().used(question, |reply| writer::read(reply, &text)).await;
        match result {
            Ok((new, answer)) => {
                let info = TurnInfo::of("writer", &answer, took);
                let result = guard::check(&text, &new, self.task.text).map_err(|refused| refused.to_string());
                (Rewrite { section: at, from, by: answer.answered_by, result }, vec![info], Vec::new())
            }
            Err(trouble) => {
                let info = TurnInfo::failed("writer", &self.writer().name, trouble.name(), took);
                let result = Err(trouble.to_string());
                (Rewrite { section: at, from, by: String::new(), result }, vec![info], vec![trouble])
            }
        }
    }
}
