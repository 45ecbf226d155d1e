//! Money in nano-dollars: whole numbers, so that sums are exact and nothing is overspent by rounding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Billionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

const CENT: u64 = 10_000_000;

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// Whole cents.
    pub fn cents(cents: u64) -> Self {
        Self(cents.saturating_mul(CENT))
    }
    /// What `tokens` cost at `per_million`, rounded up: a budget may not be passed by rounding.
    pub fn of_tokens(tokens: u64, per_million: Money) -> Self {
        let exact = u128::from(tokens) * u128::from(per_million.0);
        Self(u64::try_from(exact.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
    /// The sum, at most the largest amount there is.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// The difference, at least nothing.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
    /// By how much it is more than `other`; less than nothing where it is less.
    pub fn over(self, other: Self) -> i64 {
        let signed = |money: Self| i64::try_from(money.0).unwrap_or(i64::MAX);
        if self >= other { signed(self.minus(other)) } else { -signed(other.minus(self)) }
    }
    /// Reads `0.15` or `$0.15` (dollars); `None` for anything else, a sign included.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('$');
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let nanos: u64 = format!("{part:0<9}").parse().ok()?;
        whole.checked_mul(1_000_000_000)?.checked_add(nanos).map(Self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let part = format!("{nanos:09}");
        let part = part.trim_end_matches('0');
        write!(f, "${whole}.{part:0<2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_written_exactly() {
        for (text, nanos, shown) in [
            ("0.15", 150_000_000, "$0.15"),
            ("$3", 3_000_000_000, "$3.00"),
            ("0", 0, "$0.00"),
            ("0.000000001", 1, "$0.000000001"),
        ] {
            assert_eq!(Money::parse(text), Some(Money(nanos)), "{text}");
            assert_eq!(Money(nanos).to_string(), shown);
        }
        for wrong in ["", ".", "-1", "1e3", "free", "0.0000000001", "99999999999999"] {
            assert_eq!(Money::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tokens_are_never_cheaper_than_they_are() {
        assert_eq!(Money::of_tokens(1, Money(150_000_000)), Money(150));
        assert_eq!(Money::of_tokens(1, Money(1)), Money(1));
        assert_eq!(Money::of_tokens(u64::MAX, Money(u64::MAX)), Money(u64::MAX));
    }
}
