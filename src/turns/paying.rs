//! Turns within a purse: the worst case is reserved before somebody is asked, and who replies with something that can't be
//! read is asked once more.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::purse::Purse;
use super::{Answer, Question, Turns};
use crate::model::Trouble;
use crate::model::trouble::Consequence;

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
    /// Asks and reads, once more when the reply can't be read and there is time.
    ///
    /// # Errors
    /// The last trouble.
    pub async fn used<T>(
        self,
        mut question: Question,
        read: impl Fn(&str) -> Result<T, Trouble>,
    ) -> Result<(T, Answer), Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let began = Instant::now();
            let trouble = match self.paid(&question).await {
                Ok(answer) => match read(&answer.content) {
                    Ok(value) => return Ok((value, answer)),
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            let left = question.deadline.saturating_sub(began.elapsed());
            // who refuses a question refuses it again
            let is_refused = matches!(trouble, Trouble::BadRequest { .. });
            if trouble.consequence() != Consequence::BadAnswer || is_refused || tries == 2 || left < WORTH_TRYING {
                return Err(trouble);
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
