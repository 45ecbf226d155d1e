//! What can go wrong with a turn, by name: whoever asked decides from the name what to do next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Trouble {
    /// 429.
    #[error("rate limited{}", after.map(|a| format!(", free again in {} s", a.as_secs())).unwrap_or_default())]
    RateLimited {
        /// What `Retry-After` says.
        after: Option<Duration>,
    },
    /// 402.
    #[error("the account is out of credit")]
    OutOfCredit,
    /// 401 or 403.
    #[error("the key is missing or was refused ({what})")]
    Unauthorised {
        /// HTTP status: 401 is about the key, 403 may be about the model alone.
        status: u16,
        /// The server's words, secrets covered.
        what: String,
    },
    /// 404: the model is not offered (any more).
    #[error("the model is gone")]
    Gone,
    /// Another 4xx: our request is not understood.
    #[error("the request was refused with {status} ({what})")]
    BadRequest {
        /// HTTP status.
        status: u16,
        /// The server's words, secrets covered.
        what: String,
    },
    /// 5xx.
    #[error("the server failed with {status}{}", after.map(|a| format!(", up again in {} s", a.as_secs())).unwrap_or_default())]
    ServerFailed {
        /// HTTP status.
        status: u16,
        /// What `Retry-After` says.
        after: Option<Duration>,
    },
    /// 3xx: where it leads was not checked, so nothing is sent there.
    #[error("the server redirects, which is not followed")]
    Redirected,
    /// Nobody listens.
    #[error("nobody answers at the model's address")]
    Unreachable,
    /// The connection broke.
    #[error("the connection was reset")]
    Reset,
    /// The turn's deadline passed.
    #[error("no answer within the time limit")]
    TimedOut,
    /// The answer began and did not go on.
    #[error("the answer stopped in the middle")]
    Stalled,
    /// Nothing in it.
    #[error("the answer is empty")]
    Empty,
    /// The limit of tokens, or the end of the stream, came before the end of the answer.
    #[error("the answer is cut off")]
    Truncated,
    /// Not what the protocol says.
    #[error("the answer is not what the API promises ({what})")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// JSON, but not of the schema.
    #[error("the answer does not follow the schema ({what})")]
    WrongSchema {
        /// What is wrong with it.
        what: String,
    },
    /// More than [`super::client::BODY_CAP_BYTES`].
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    /// A model answered that was not asked, and may not answer here.
    #[error("another model answered: {answered}")]
    OtherModel {
        /// Its name.
        answered: String,
    },
    /// Free mode does not let this request out.
    #[error("free mode: {why}")]
    NotFree {
        /// Why.
        why: String,
    },
    /// The budget does not hold the worst case.
    #[error("out of budget: {what}")]
    OutOfBudget {
        /// What is missing.
        what: String,
    },
    /// The account's quota of free requests does not hold another one today.
    #[error("the account's {per_day} free requests of today are spent; they come back at {back}")]
    QuotaSpent {
        /// Requests a day.
        per_day: u64,
        /// When the next day begins, RFC 3339.
        back: String,
    },
    /// The model's own share of the budget does not hold the worst case.
    #[error("out of the model's budget: {what}")]
    ModelSpent {
        /// What is missing.
        what: String,
    },
    /// No model is adequate and available.
    #[error("no model: {why}")]
    NoModel {
        /// The router's line.
        why: String,
    },
    /// Others took all the slots: nothing was asked, and the model is no worse for it.
    #[error("no slot was free within the time limit")]
    NoSlot,
    /// We were asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// What a trouble means for the model that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Ask the same again after a pause.
    Again,
    /// This answer is worth nothing; the next may be better.
    BadAnswer,
    /// Leave this model alone, for a while or for the rest of the run, and ask another.
    LeaveModel,
    /// Asking anybody is over.
    Over,
}

impl Trouble {
    /// Stable name, for events and scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Trouble::RateLimited { .. } => "rate-limited",
            Trouble::OutOfCredit => "out-of-credit",
            Trouble::Unauthorised { .. } => "unauthorised",
            Trouble::Gone => "gone",
            Trouble::BadRequest { .. } => "bad-request",
            Trouble::ServerFailed { .. } => "server-failed",
            Trouble::Redirected => "redirected",
            Trouble::Unreachable => "unreachable",
            Trouble::Reset => "reset",
            Trouble::TimedOut => "timed-out",
            Trouble::Stalled => "stalled",
            Trouble::Empty => "empty",
            Trouble::Truncated => "truncated",
            Trouble::Malformed { .. } => "malformed",
            Trouble::WrongSchema { .. } => "wrong-schema",
            Trouble::TooLarge => "too-large",
            Trouble::OtherModel { .. } => "other-model",
            Trouble::NotFree { .. } => "not-free",
            Trouble::OutOfBudget { .. } => "out-of-budget",
            Trouble::QuotaSpent { .. } => "quota-spent",
            Trouble::ModelSpent { .. } => "model-spent",
            Trouble::NoModel { .. } => "no-model",
            Trouble::NoSlot => "no-slot",
            Trouble::Cancelled => "cancelled",
        }
    }

    /// What to do next.
    pub fn consequence(&self) -> Consequence {
        match self {
            // a server that starts anew refuses connections for a moment
            Trouble::RateLimited { .. } | Trouble::ServerFailed { .. } | Trouble::Reset | Trouble::Unreachable => {
                Consequence::Again
            }
            Trouble::Empty | Trouble::Truncated | Trouble::Malformed { .. } | Trouble::WrongSchema { .. } => {
                Consequence::BadAnswer
            }
            // this question is refused (it is too long, or its words are): another one may not be
            Trouble::BadRequest { status: 400 | 413 | 422, .. } => Consequence::BadAnswer,
            Trouble::OutOfCredit
            | Trouble::Unauthorised { .. }
            | Trouble::Gone
            | Trouble::BadRequest { .. }
            | Trouble::Redirected
            | Trouble::TimedOut
            | Trouble::Stalled
            | Trouble::TooLarge
            | Trouble::OtherModel { .. }
            | Trouble::NotFree { .. }
            | Trouble::QuotaSpent { .. }
            | Trouble::ModelSpent { .. } => Consequence::LeaveModel,
            Trouble::OutOfBudget { .. } | Trouble::NoModel { .. } | Trouble::NoSlot | Trouble::Cancelled => {
                Consequence::Over
            }
        }
    }

    /// May it be over after a while? Asking again at once would only be late once more after what took all the time.
    pub fn passes(&self) -> bool {
        self.consequence() == Consequence::Again || matches!(self, Trouble::TimedOut | Trouble::Stalled)
    }

    /// How long the server wants to be left alone.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Trouble::RateLimited { after } | Trouble::ServerFailed { after, .. } => *after,
            _ => None,
        }
    }

    /// As the answer to a request: did the server say no before any model was asked, or was it never reached?
    pub fn is_free_of_charge(&self) -> bool {
        matches!(
            self,
            Trouble::RateLimited { .. }
                | Trouble::OutOfCredit
                | Trouble::Unauthorised { .. }
                | Trouble::Gone
                | Trouble::BadRequest { .. }
                | Trouble::Redirected
                | Trouble::Unreachable
        )
    }

    /// The trouble that an HTTP status is; `None` for success. `what` are the server's words, secrets covered.
    pub fn of_status(status: u16, after: Option<Duration>, what: &str) -> Option<Self> {
        let what = || what.to_owned();
        Some(match status {
            200..=299 => return None,
            300..=399 => Trouble::Redirected,
            401 | 403 => Trouble::Unauthorised { status, what: what() },
            402 => Trouble::OutOfCredit,
            404 | 410 => Trouble::Gone,
            429 => Trouble::RateLimited { after },
            // the server did not get it in time, or not yet: nothing is wrong with it
            408 | 425 => Trouble::ServerFailed { status, after },
            400..=499 => Trouble::BadRequest { status, what: what() },
            _ => Trouble::ServerFailed { status, after },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_status() {
        for (status, name, consequence) in [
            (400, "bad-request", Consequence::BadAnswer),
            (401, "unauthorised", Consequence::LeaveModel),
            (402, "out-of-credit", Consequence::LeaveModel),
            (403, "unauthorised", Consequence::LeaveModel),
            (404, "gone", Consequence::LeaveModel),
            (405, "bad-request", Consequence::LeaveModel),
            (408, "server-failed", Consequence::Again),
            (413, "bad-request", Consequence::BadAnswer),
            (415, "bad-request", Consequence::LeaveModel),
            (422, "bad-request", Consequence::BadAnswer),
            (425, "server-failed", Consequence::Again),
            (429, "rate-limited", Consequence::Again),
            (503, "server-failed", Consequence::Again),
        ] {
            let trouble = Trouble::of_status(status, None, "").unwrap();
            assert_eq!((trouble.name(), trouble.consequence()), (name, consequence), "{status}");
        }
        assert_eq!(Trouble::of_status(204, None, ""), None);
    }
}
