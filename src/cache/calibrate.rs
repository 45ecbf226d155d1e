//! Calibration: fits the threshold to an embedder on labelled pairs, and says how sure the numbers are.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cache::embed::{Embedder, cosine};
use crate::cache::guard;
use crate::error::{Error, Result};

/// At most this share of pairs with other answers may be served.
pub const WRONG_MOST: f64 = 0.05;

/// A labelled pair of questions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Pair {
    /// Names it; decides which half it falls into.
    pub id: String,
    /// One question.
    pub a: String,
    /// The other.
    pub b: String,
    /// May the one be served the answer of the other?
    pub same_answer: bool,
}

/// A rate with its exact (Clopper-Pearson) 95 % bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// How many did.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
    /// The share, 0 to 1.
    pub rate: f64,
    /// Lower bound, 0 to 1.
    pub low: f64,
    /// Upper bound, 0 to 1.
    pub high: f64,
}

/// What a threshold does on a set of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Pairs with the same answer that are served.
    pub hit: Rate,
    /// Pairs with other answers that are served.
    pub wrong: Rate,
}

/// What calibration found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The embedder.
    pub embedder: String,
    /// The threshold fitted on one half of the pairs.
    pub threshold: f64,
    /// The embedder's threshold as it is used today.
    pub in_use: f64,
    /// The fitted threshold, on the half that it was fitted on.
    pub fit: Score,
    /// The fitted threshold, on the other half.
    pub held_out: Score,
    /// The threshold in use, on all pairs.
    pub now: Score,
    /// Cosine ≥ 0.92 without the guard, on all pairs.
    pub cosine_alone: Score,
    /// Cosine ≥ 0.92 with the guard, on all pairs.
    pub strict: Score,
}

struct Seen {
    cosine: f32,
    allowed: bool,
    same: bool,
    fit: bool,
}

/// Reads pairs, one JSON object a line.
///
/// # Errors
/// When a line is no pair, with its number.
pub fn read(text: &str) -> Result<Vec<Pair>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| {
            serde_json::from_str(line).map_err(|e| {
                Error::usage(format!("line {} is no labelled pair", n + 1))
                    .source(e)
                    .hint("one JSON object a line: {\"id\": …, \"a\": …, \"b\": …, \"same_answer\": true}")
            })
        })
        .collect()
}

/// Fits the lowest threshold that keeps wrong answers at [`WRONG_MOST`] or less on the one half, and scores it on both.
/// `in_use`: the threshold of today, where it is not the embedder's own.
///
/// # Errors
/// When a half lacks one of the labels, or the embedder fails.
pub fn calibrate(pairs: &[Pair], embedder: &dyn Embedder, in_use: Option<f32>) -> Result<Calibration> {
    let seen = pairs
        .iter()
        .map(|p| {
            let (a, b) = (embedder.embed(&p.a)?, embedder.embed(&p.b)?);
            if a.is_empty() || a.len() != b.len() {
                return Err(Error::environment(format!("{} makes no vectors", embedder.id())).hint(
                    "check that its server runs and has this model: kaizen-ci models, `embedder` in .kaizen.yml",
                ));
            }
            let cosine = cosine(&a, &b);
            let allowed = guard::check(&p.a, &p.b).is_ok();
            Ok(Seen { cosine, allowed, same: p.same_answer, fit: Sha256::digest(&p.id)[0] % 2 == 0 })
        })
        .collect::<Result<Vec<_>>>()?;
    for (fit, same) in [(true, true), (true, false), (false, true), (false, false)] {
        if !seen.iter().any(|s| s.fit == fit && s.same == same) {
            return Err(Error::usage("too few pairs to calibrate").why("each half needs pairs of both labels"));
        }
    }
    let threshold = fit(&seen);
    let in_use = in_use.unwrap_or_else(|| embedder.threshold());
    Ok(Calibration {
        embedder: embedder.id().to_owned(),
        threshold: round(threshold),
        in_use: round(in_use),
        fit: score(seen.iter().filter(|s| s.fit), |s| s.allowed && s.cosine >= threshold),
        held_out: score(seen.iter().filter(|s| !s.fit), |s| s.allowed && s.cosine >= threshold),
        now: score(&seen, |s| s.allowed && s.cosine >= in_use),
        cosine_alone: score(&seen, |s| s.cosine >= 0.92),
        strict: score(&seen, |s| s.allowed && s.cosine >= 0.92),
    })
}

fn round(x: f32) -> f64 {
    (f64::from(x) * 1000.0).round() / 1000.0
}

/// The lowest of 0.30, 0.31 … 0.99 that serves few enough traps; 1 when none does.
fn fit(seen: &[Seen]) -> f32 {
    let steps = (30u8..100).map(|n| f32::from(n) / 100.0);
    let good = |t: &f32| score(seen.iter().filter(|s| s.fit), |s| s.allowed && s.cosine >= *t).wrong.rate <= WRONG_MOST;
    steps.into_iter().find(good).unwrap_or(1.0)
}

fn score<'a>(seen: impl IntoIterator<Item = &'a Seen>, served: impl Fn(&Seen) -> bool) -> Score {
    let mut counts = [[0u64; 2]; 2];
    for s in seen {
        counts[usize::from(s.same)][usize::from(served(s))] += 1;
    }
    let rate_of = |row: [u64; 2]| rate(row[1], row[0] + row[1]);
    Score { hit: rate_of(counts[1]), wrong: rate_of(counts[0]) }
}

/// A rate with its exact bounds: Clopper and Pearson, 1934. Of nothing, nothing is known.
pub fn rate(hits: u64, of: u64) -> Rate {
    if of == 0 {
        return Rate { hits, of, rate: 0.0, low: 0.0, high: 1.0 };
    }
    let share = hits as f64 / of as f64;
    // P(X ≥ hits) rises with p, P(X ≤ hits) falls: each bound is where its tail is 2.5 %
    let low = if hits == 0 { 0.0 } else { root(|p| 1.0 - at_most(hits - 1, of, p) < 0.025) };
    let high = if hits == of { 1.0 } else { root(|p| at_most(hits, of, p) > 0.025) };
    Rate { hits, of, rate: share, low, high }
}

/// The p up to which `below` holds.
fn root(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    low
}

/// P(X ≤ k) for X binomial over n and p, by logarithms, so that large n does not underflow.
fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return if k >= n { 1.0 } else { 0.0 };
    }
    let mut log = n as f64 * (1.0 - p).ln();
    let mut sum = log.exp();
    for i in 1..=k {
        log += ((n - i + 1) as f64 / i as f64).ln() + (p / (1.0 - p)).ln();
        sum += log.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // textbook values
        for (hits, of, low, high) in
            [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0), (8, 160, 0.0218, 0.0961)]
        {
            let found = rate(hits, of);
            assert!((found.low - low).abs() < 6e-4 && (found.high - high).abs() < 6e-4, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn the_rate_lies_inside_its_bounds(of in 1u64..2000, share in 0.0f64..=1.0) {
            let hits = (of as f64 * share) as u64;
            let found = rate(hits, of);
            prop_assert!(0.0 <= found.low && found.low <= found.rate && found.rate <= found.high && found.high <= 1.0);
        }
    }
}
