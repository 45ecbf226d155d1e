//! Turns within a purse: the worst case is reserved before somebody is asked, and who replies with something that can't be
//! read is asked once more. What that took is said, whatever came of it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::purse::Purse;
use super::{Answer, Question, Turns};
use crate::model::trouble::Consequence;
use crate::model::{Money, Trouble};

/// How the purse says that it is the tokens that are over, not the money.
const TOKENS: &str = "tokens: ";
/// Nobody answers in less.
const WORTH_TRYING: Duration = Duration::from_millis(50);

/// Asks and pays.
#[derive(Clone, Copy)]
pub struct Paying<'p> {
    /// Who is asked.
    pub turns: &'p dyn Turns,
    /// The tokens of the loop.
    pub purse: &'p Purse,
    /// Stops it.
    pub cancel: &'p CancellationToken,
}

/// What one question took, with every try at it: a reply that nobody could read was paid for, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Took {
    /// Turns, those that brought nothing included.
    pub turns: u32,
    /// Turns that were told again from an earlier run.
    pub replayed: u32,
    /// Tokens of all replies, prompts included.
    pub tokens: u64,
    /// What they cost.
    pub cost: Money,
}

impl Took {
    fn count(&mut self, result: &Result<Answer, Trouble>) {
        self.turns += 1;
        let Ok(answer) = result else { return };
        self.replayed += u32::from(answer.replayed);
        self.tokens += answer.prompt_tokens + answer.answer_tokens;
        self.cost = self.cost.plus(answer.cost);
    }
}

/// What a trouble says about the whole loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Somebody stopped it.
    Cancelled,
    /// Its tokens are over.
    Tokens,
    /// The money is.
    Money,
}

impl Over {
    /// Of `trouble`; none when another turn may fare better.
    pub fn of(trouble: &Trouble) -> Option<Self> {
        match trouble {
            Trouble::Cancelled => Some(Over::Cancelled),
            Trouble::OutOfBudget { what } if what.starts_with(TOKENS) => Some(Over::Tokens),
            Trouble::OutOfBudget { .. } => Some(Over::Money),
            _ => None,
        }
    }
}

impl Paying<'_> {
    /// Asks and reads, once more when the reply can't be read and there is time: what was read, or the last trouble, and what
    /// all of it took.
    pub async fn used<T>(
        self,
        mut question: Question,
        read: impl Fn(&str) -> Result<T, Trouble>,
    ) -> (Result<(T, Answer), Trouble>, Took) {
        let mut took = Took::default();
        loop {
            let began = Instant::now();
            let result = self.paid(&question).await;
            took.count(&result);
            let trouble = match result {
                Ok(answer) => match read(&answer.content) {
                    Ok(value) => return (Ok((value, answer)), took),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            let left = question.deadline.saturating_sub(began.elapsed());
            // who refuses a question refuses it again
            let is_refused = matches!(trouble, Trouble::BadRequest { .. });
            if trouble.consequence() != Consequence::BadAnswer || is_refused || took.turns == 2 || left < WORTH_TRYING {
                return (Err(trouble), took);
            }
            question = question.once_more(&trouble.to_string());
            question.deadline = left;
        }
    }

    /// One turn. What was reserved for a turn that failed stays taken: it may have been answered, and billed.
    async fn paid(self, question: &Question) -> Result<Answer, Trouble> {
        let worst = question.worst_tokens();
        if !self.purse.reserve(worst) {
            return Err(Trouble::OutOfBudget { what: format!("{TOKENS}{} are left", self.purse.left()) });
        }
        let result = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Trouble::Cancelled),
            result = self.turns.ask(question) => result,
        };
        if let Ok(answer) = &result {
            self.purse.settle(worst, answer.prompt_tokens + answer.answer_tokens);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::script::{Says, Script};

    #[tokio::test]
    async fn what_could_not_be_read_is_counted_whether_or_not_the_next_reply_can_be() {
        for (readable, turns) in [(1, 1), (2, 2), (9, 2)] {
            let script = Script::new(&["s/apple-1"], |_| Says::Text("so many words".into()));
            let (purse, cancel) = (Purse::new(100_000), CancellationToken::new());
            let paying = Paying { turns: &script, purse: &purse, cancel: &cancel };
            let tries = std::cell::Cell::new(0);
            let read = |_: &str| {
                tries.set(tries.get() + 1);
                if tries.get() >= readable { Ok(()) } else { Err(Trouble::WrongSchema { what: "no".into() }) }
            };
            let (result, took) = paying.used(crate::turns::tests::question("seat 1", "why?"), read).await;
            assert_eq!((result.is_ok(), took.turns, took.replayed), (readable <= 2, turns, 0), "{readable}");
            // everything that left the purse stands in the sum
            assert_eq!((took.tokens, took.cost), (purse.taken(), Money(1000 * u64::from(turns))), "{readable}");
        }
    }
}
