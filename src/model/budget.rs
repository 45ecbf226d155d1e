//! The budget: the worst case is reserved before a request and settled after it, in one step for all callers.

use std::sync::{Arc, Mutex, PoisonError};

use super::money::Money;
use super::trouble::Trouble;

/// How much may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Dollars in one run.
    pub money: Money,
    /// Requests in one run.
    pub requests: u64,
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

/// Shared by everybody who asks models in one run.
#[derive(Debug, Clone)]
pub struct Budget(Arc<(Limits, Mutex<Spent>)>);

/// Reserved money. Dropped without being settled, the worst case counts as spent: a request that was cancelled on its
/// way may have been answered, and billed.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    worst: Money,
    open: bool,
}

impl Budget {
    /// Nothing spent yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new((limits, Mutex::new(Spent::default()))))
    }

    fn spent_now<T>(&self, change: impl FnOnce(&mut Spent, Limits) -> T) -> T {
        change(&mut self.0.1.lock().unwrap_or_else(PoisonError::into_inner), self.0.0)
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        self.spent_now(|spent, _| *spent)
    }

    /// Takes `worst` and one request out of the budget.
    ///
    /// # Errors
    /// [`Trouble::OutOfBudget`] when they are not in it.
    pub fn reserve(&self, worst: Money) -> Result<Reservation, Trouble> {
        self.spent_now(|spent, limits| {
            let after = spent.money.plus(spent.reserved).plus(worst);
            if spent.requests >= limits.requests {
                return Err(Trouble::OutOfBudget { what: format!("{} requests are spent", limits.requests) });
            }
            if after > limits.money {
                let left = limits.money.minus(spent.money.plus(spent.reserved));
                let what = format!("a turn may cost {worst}, and {left} of {} are left", limits.money);
                return Err(Trouble::OutOfBudget { what });
            }
            spent.reserved = spent.reserved.plus(worst);
            spent.requests += 1;
            Ok(())
        })?;
        Ok(Reservation { budget: self.clone(), worst, open: true })
    }
}

impl Reservation {
    /// It cost `actual`. Should that be more than the worst case, it is counted all the same.
    pub fn settle(mut self, actual: Money) {
        self.close(actual);
    }
    fn close(&mut self, actual: Money) {
        self.open = false;
        let worst = self.worst;
        self.budget.spent_now(|spent, _| {
            spent.reserved = spent.reserved.minus(worst);
            spent.money = spent.money.plus(actual);
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.close(self.worst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_at_once_overspend_by_nothing() {
        let budget = Budget::new(Limits { money: Money(1000), requests: 1000 });
        let granted: usize = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..200)
                .map(|n| {
                    let budget = budget.clone();
                    scope.spawn(move || {
                        let Ok(reservation) = budget.reserve(Money(33)) else { return 0 };
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
        let budget = Budget::new(Limits { money: Money(100), requests: 3 });
        budget.reserve(Money(90)).unwrap().settle(Money(10));
        drop(budget.reserve(Money(90)).unwrap());
        assert_eq!(budget.reserve(Money(1)).unwrap_err().name(), "out-of-budget");
        budget.reserve(Money::ZERO).unwrap().settle(Money::ZERO);
        let error = budget.reserve(Money::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "out of budget: 3 requests are spent");
    }
}
