//! Turns that are recorded, and turns of an earlier run that are told again instead of being paid for again.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::future::BoxFuture;

use super::{Answer, Member, Question, Turns, words_hash};
use crate::mask::Mask;
use crate::model::{Money, Trouble};
use crate::trajectory::{Entry, Event, LoopEvent, Recorder, TurnTaken};

/// An answer that is longer than this is not kept for telling again; no turn's limit of tokens allows one.
const CONTENT_MOST_BYTES: usize = 256 * 1024;

/// How a turn ends that brought an answer, in events.
pub const ANSWERED: &str = "answered";

/// Records every turn of `inner`; answers from the past first.
pub struct Past<'t> {
    inner: &'t dyn Turns,
    recorder: Recorder,
    mask: Mask,
    told: Mutex<BTreeMap<String, VecDeque<TurnTaken>>>,
}

impl<'t> Past<'t> {
    /// Without a past.
    pub fn new(inner: &'t dyn Turns, recorder: Recorder) -> Self {
        Self { inner, recorder, mask: Mask::default(), told: Mutex::default() }
    }

    /// With the log's own mask: what an answer holds is covered before anybody builds on it, so that a run that is told again
    /// from its log asks the same.
    pub fn covering(self, mask: Mask) -> Self {
        Self { mask, ..self }
    }

    fn covered(&self, answer: Answer) -> Answer {
        match self.mask.cover(&answer.content) {
            Cow::Owned(content) => Answer { content, ..answer },
            Cow::Borrowed(_) => answer,
        }
    }

    /// With the answered turns of an earlier run, in its order.
    pub fn resume<'e>(inner: &'t dyn Turns, recorder: Recorder, earlier: impl IntoIterator<Item = &'e Entry>) -> Self {
        let past = Self::new(inner, recorder);
        {
            let mut told = past.told.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in earlier {
                if let Event::Loop(LoopEvent::Turn(turn)) = &entry.event
                    && turn.outcome == ANSWERED
                {
                    told.entry(turn.key.clone()).or_default().push_back(turn.clone());
                }
            }
        }
        past
    }

    fn again(&self, question: &Question) -> Option<TurnTaken> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_mut(&question.key())?.pop_front()
    }

    fn record(&self, question: &Question, result: &Result<Answer, Trouble>, ms: u64) {
        let answer = result.as_ref().ok();
        let text = |of: fn(&Answer) -> &String| answer.map(|a| of(a).clone()).unwrap_or_default();
        let content = text(|a| &a.content);
        self.recorder.record(Event::Loop(LoopEvent::Turn(TurnTaken {
            of: question.of,
            actor: question.actor.clone(),
            round: question.round,
            key: question.key(),
            outcome: result.as_ref().err().map_or(ANSWERED, Trouble::name).to_owned(),
            model: answer.map(|a| a.model.clone()).or_else(|| question.model.clone()).unwrap_or_default(),
            answered_by: text(|a| &a.answered_by),
            family: text(|a| &a.lineage),
            words: if content.is_empty() { String::new() } else { words_hash(&content) },
            content: if content.len() <= CONTENT_MOST_BYTES { content } else { String::new() },
            prompt_tokens: answer.map_or(0, |a| a.prompt_tokens),
            answer_tokens: answer.map_or(0, |a| a.answer_tokens),
            nano_dollars: answer.map_or(0, |a| a.cost.0),
            cached: answer.is_some_and(|a| a.cached),
            replayed: answer.is_some_and(|a| a.replayed),
            ms,
        })));
    }
}

fn told_again(turn: TurnTaken) -> Answer {
    Answer {
        content: turn.content,
        model: turn.model,
        answered_by: turn.answered_by,
        lineage: turn.family,
        prompt_tokens: turn.prompt_tokens,
        answer_tokens: turn.answer_tokens,
        cost: Money(turn.nano_dollars),
        cached: turn.cached,
        replayed: true,
        ms: turn.ms,
    }
}

impl Turns for Past<'_> {
    fn members(&self) -> BoxFuture<'_, Vec<Member>> {
        self.inner.members()
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Trouble>> {
        Box::pin(async move {
            let began = Instant::now();
            let result = match self.again(question).filter(|turn| !turn.content.is_empty()) {
                Some(turn) => Ok(told_again(turn)),
                // whoever answers late is not waited for, whatever the client below does
                None => match tokio::time::timeout(question.deadline, self.inner.ask(question)).await {
                    Ok(Ok(answer)) if answer.content.trim().is_empty() => Err(Trouble::Empty),
                    Ok(result) => result.map(|answer| self.covered(answer)),
                    Err(_) => Err(Trouble::TimedOut),
                },
            };
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.record(question, &result, ms);
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Message;
    use crate::trajectory::Kept;
    use crate::turns::script::{Says, Script};
    use crate::turns::tests::question;

    /// A question, and one that builds on its answer.
    async fn two_turns(turns: &dyn Turns) -> [String; 2] {
        let first = turns.ask(&question("seat 1", "how do we sign in?")).await.unwrap().content;
        let mut next = question("seat 1", "how do we sign in?");
        next.messages.push(Message::assistant(first.clone()));
        let second = turns.ask(&next).await.unwrap().content;
        [first, second]
    }

    #[tokio::test]
    async fn a_secret_in_an_answer_is_covered_before_anybody_builds_on_it_so_that_the_log_s_words_ask_the_same() {
        const SECRET: &str = "Tr0ub4dor&3-of-ours";
        let script =
            || Script::new(&["s/apple-1"], |q| Says::Text(format!("with {SECRET}, {} turns", q.messages.len())));
        let mask = Mask::new([SECRET]);
        let (first, kept) = (script(), Kept::default());
        let said = two_turns(&Past::new(&first, kept.recorder()).covering(mask.clone())).await;
        assert_eq!(said, ["with ***, 1 turns", "with ***, 2 turns"]);
        let log = serde_json::to_string(&kept.entries()).unwrap();
        assert!(!log.contains(SECRET) && log.contains("with ***"), "{log}");
        assert!(first.questions().iter().all(|q| !format!("{:?}", q.messages).contains(SECRET)));
        let (again, silent) = (script(), Recorder::forgetful());
        let past = Past::resume(&again, silent, &kept.entries()).covering(mask);
        assert_eq!(two_turns(&past).await, said);
        assert_eq!(again.questions(), [], "nothing is asked twice");
    }
}
