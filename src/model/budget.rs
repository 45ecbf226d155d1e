//! The budget: the worst case is reserved before a request and settled after it, in one step for all callers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::money::Money;
use super::trouble::Trouble;

/// How much may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Dollars in one run.
    pub money: Money,
    /// Requests in one run.
    pub requests: u64,
    /// The same for single models, where there is a limit.
    pub models: BTreeMap<String, ModelLimits>,
}

/// How much one model may cost in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelLimits {
    /// Dollars; none: no limit of its own.
    pub money: Option<Money>,
    /// Requests; none: no limit of its own.
    pub requests: Option<u64>,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Settled.
    pub money: Money,
    /// Reserved by requests on their way.
    pub reserved: Money,
    /// Requests, those on their way included.
    pub requests: u64,
}

impl Spent {
    fn committed(&self) -> Money {
        self.money.plus(self.reserved)
    }

    /// Why `worst` and one request more are not within these limits.
    fn over(&self, whose: &str, worst: Money, money: Option<Money>, requests: Option<u64>) -> Option<String> {
        if let Some(most) = requests.filter(|most| self.requests >= *most) {
            return Some(format!("{most} requests{whose} are spent"));
        }
        let most = money.filter(|most| self.committed().plus(worst) > *most)?;
        let left = most.minus(self.committed());
        Some(format!("a turn may cost {worst}, and {left} of {most}{whose} are left"))
    }
}

#[derive(Debug, Default)]
struct Books {
    all: Spent,
    models: BTreeMap<String, Spent>,
}

/// Shared by everybody who asks models in one run.
#[derive(Debug, Clone)]
pub struct Budget(Arc<(Limits, Mutex<Books>)>);

/// Reserved money and one request. Dropped before the request left, all of it comes back. Dropped after that without being
/// settled, the worst case counts as spent: a request that was cancelled on its way may have been answered, and billed.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    model: String,
    worst: Money,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    Sent,
    Closed,
}

impl Budget {
    /// Nothing spent yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new((limits, Mutex::default())))
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        self.books().all
    }

    /// Takes `worst` and one request for `model` out of the budget.
    ///
    /// # Errors
    /// [`Trouble::OutOfBudget`] when they are not in it; [`Trouble::ModelSpent`] when they are not in the model's own.
    pub fn reserve(&self, model: &str, worst: Money) -> Result<Reservation, Trouble> {
        let limits = &self.0.0;
        let mut books = self.books();
        if let Some(what) = books.all.over("", worst, Some(limits.money), Some(limits.requests)) {
            return Err(Trouble::OutOfBudget { what });
        }
        let own = books.models.get(model).copied().unwrap_or_default();
        let limit = limits.models.get(model).copied().unwrap_or_default();
        if let Some(what) = own.over(&format!(" for {model}"), worst, limit.money, limit.requests) {
            return Err(Trouble::ModelSpent { what });
        }
        let Books { all, models } = &mut *books;
        for spent in [all, models.entry(model.to_owned()).or_default()] {
            spent.reserved = spent.reserved.plus(worst);
            spent.requests += 1;
        }
        Ok(Reservation { budget: self.clone(), model: model.to_owned(), worst, state: State::Reserved })
    }
}

impl Reservation {
    /// The worst case that it holds.
    pub fn worst(&self) -> Money {
        self.worst
    }
    /// The request leaves now: from here on it may cost something.
    pub fn sent(&mut self) {
        self.state = State::Sent;
    }
    /// It cost `actual`. Should that be more than the worst case, it is counted all the same.
    pub fn settle(mut self, actual: Money) {
        self.close(actual, 0);
    }
    fn close(&mut self, actual: Money, requests_back: u64) {
        self.state = State::Closed;
        let mut books = self.budget.books();
        let Books { all, models } = &mut *books;
        for spent in [all, models.entry(self.model.clone()).or_default()] {
            spent.reserved = spent.reserved.minus(self.worst);
            spent.money = spent.money.plus(actual);
            spent.requests = spent.requests.saturating_sub(requests_back);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        match self.state {
            State::Reserved => self.close(Money::ZERO, 1),
            State::Sent => self.close(self.worst, 0),
            State::Closed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_at_once_overspend_by_nothing() {
        let budget = Budget::new(Limits { money: Money(1000), requests: 1000, ..Limits::default() });
        let granted: usize = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..200)
                .map(|n| {
                    let budget = budget.clone();
                    scope.spawn(move || {
                        let Ok(mut reservation) = budget.reserve("m", Money(33)) else { return 0 };
                        reservation.sent();
                        std::thread::yield_now();
                        assert!(budget.spent().money.plus(budget.spent().reserved) <= Money(1033));
                        if n % 3 == 0 {
                            drop(reservation)
                        } else {
                            reservation.settle(Money(33))
                        }
                        1
                    })
                })
                .collect();
            calls.into_iter().map(|c| c.join().unwrap()).sum()
        });
        assert_eq!(granted, 30);
        assert_eq!(budget.spent(), Spent { money: Money(990), reserved: Money::ZERO, requests: 30 });
    }

    #[test]
    fn what_was_not_needed_comes_back_and_what_was_cancelled_does_not() {
        let budget = Budget::new(Limits { money: Money(100), requests: 3, ..Limits::default() });
        budget.reserve("m", Money(90)).unwrap().settle(Money(10));
        drop(budget.reserve("m", Money(90)).unwrap());
        let mut sent = budget.reserve("m", Money(90)).expect("nothing was sent, all came back");
        sent.sent();
        drop(sent);
        assert_eq!(budget.reserve("m", Money(1)).unwrap_err().name(), "out-of-budget");
        budget.reserve("m", Money::ZERO).unwrap().settle(Money::ZERO);
        let error = budget.reserve("m", Money::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "out of budget: 3 requests are spent");
    }

    #[test]
    fn a_model_that_spent_its_own_share_leaves_the_rest_to_others() {
        let own = ModelLimits { money: Some(Money(50)), requests: Some(2) };
        let models = BTreeMap::from([("dear".to_owned(), own)]);
        let budget = Budget::new(Limits { money: Money(1000), requests: 9, models });
        budget.reserve("dear", Money(40)).unwrap().settle(Money(40));
        let error = budget.reserve("dear", Money(40)).unwrap_err();
        assert_eq!(error.name(), "model-spent");
        assert!(error.to_string().contains("$0.00000001 of $0.00000005 for dear are left"), "{error}");
        budget.reserve("dear", Money(1)).unwrap().settle(Money(1));
        let error = budget.reserve("dear", Money::ZERO).unwrap_err();
        assert!(error.to_string().contains("2 requests for dear are spent"), "{error}");
        budget.reserve("cheap", Money(40)).unwrap().settle(Money(40));
        assert_eq!(budget.spent().requests, 3);
    }
}
