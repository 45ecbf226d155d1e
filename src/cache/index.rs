//! The vectors of a scope in memory, one byte a dimension: 50,000 × 384 are 19 MB, and a look-up reads them once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::store::Store;
use crate::error::Result;

/// Vectors in memory, all scopes together; beyond it scopes that are not asked are dropped and read again when they are.
const VECTORS_MOST: usize = 200_000;
/// So many nearest questions are shown to the guard.
const CANDIDATES: usize = 16;

/// A question near enough.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub exact: String,
    pub question: String,
    /// To the question asked; rounded to bytes, so right to about 0.005.
    pub cosine: f32,
}

/// The scopes in memory.
#[derive(Default)]
pub(super) struct Scopes {
    scopes: Mutex<HashMap<String, Arc<Mutex<Scope>>>>,
}

#[derive(Default)]
struct Scope {
    /// Up to where the store was read.
    mark: i64,
    dimensions: usize,
    bytes: Vec<i8>,
    scales: Vec<f32>,
    entries: Vec<(String, String, i64)>,
}

impl Scopes {
    /// The nearest questions of `scope` at `threshold` or above, nearest first.
    pub(super) fn nearest(
        &self,
        store: &dyn Store,
        scope: &str,
        vector: &[f32],
        threshold: f32,
        now_ms: i64,
    ) -> Result<Vec<Candidate>> {
        let held = self.scope(scope);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let (new, mark) = store.questions(scope, held.mark, now_ms)?;
        for near in new {
            held.add(&near.vector, (near.exact, near.question, near.until_ms));
        }
        held.mark = mark;
        let mut found = held.nearest(vector, threshold, now_ms);
        if let Some(near) = store.nearest(scope, vector, CANDIDATES, now_ms)? {
            let near = near.into_iter().filter(|n| n.cosine >= threshold);
            found.extend(near.map(|n| Candidate { exact: n.exact, question: n.question, cosine: n.cosine }));
            found.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
            found.truncate(CANDIDATES);
        }
        Ok(found)
    }

    fn scope(&self, name: &str) -> Arc<Mutex<Scope>> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = scopes.values().map(|s| s.try_lock().map_or(0, |s| s.entries.len())).sum();
        if held > VECTORS_MOST {
            scopes.retain(|other, _| other == name);
        }
        scopes.entry(name.to_owned()).or_default().clone()
    }
}

impl Scope {
    fn add(&mut self, vector: &[f32], entry: (String, String, i64)) {
        if self.entries.is_empty() {
            self.dimensions = vector.len();
        }
        if vector.len() != self.dimensions || vector.is_empty() {
            return;
        }
        let (bytes, scale) = to_bytes(vector);
        self.bytes.extend(bytes);
        self.scales.push(scale);
        self.entries.push(entry);
    }

    fn nearest(&self, vector: &[f32], threshold: f32, now_ms: i64) -> Vec<Candidate> {
        if vector.len() != self.dimensions || vector.is_empty() {
            return Vec::new();
        }
        let (asked, scale) = to_bytes(vector);
        let asked: Vec<i16> = asked.into_iter().map(i16::from).collect();
        let rows = dots(&self.bytes, &asked).into_iter().zip(&self.scales).enumerate();
        let near = rows.map(|(n, (dot, own))| (dot as f32 * own * scale, n));
        let mut best: Vec<(f32, usize)> =
            near.filter(|(cosine, n)| *cosine >= threshold && self.entries[*n].2 > now_ms).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(CANDIDATES);
        let candidate = |(cosine, n): (f32, usize)| {
            let (exact, question, _) = self.entries[n].clone();
            Candidate { exact, question, cosine: cosine.min(1.0) }
        };
        best.into_iter().map(candidate).collect()
    }
}

/// A vector in bytes, and what a byte is worth.
fn to_bytes(vector: &[f32]) -> (Vec<i8>, f32) {
    let most = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = if most > 0.0 { most / 127.0 } else { 1.0 };
    #[allow(clippy::cast_possible_truncation)]
    let bytes = vector.iter().map(|x| (x / scale).round().clamp(-127.0, 127.0) as i8).collect();
    (bytes, scale)
}

/// The products of every row with `asked`. 384 products of at most 127² stay far inside an i32.
fn dots(bytes: &[i8], asked: &[i16]) -> Vec<i32> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just said that it knows these instructions; the function is safe otherwise.
        return unsafe { dots_avx2(bytes, asked) };
    }
    dots_plain(bytes, asked)
}

/// The same code, compiled for wider registers: about four times as fast.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dots_avx2(bytes: &[i8], asked: &[i16]) -> Vec<i32> {
    dots_plain(bytes, asked)
}

#[inline(always)]
fn dots_plain(bytes: &[i8], asked: &[i16]) -> Vec<i32> {
    let dot = |row: &[i8]| row.iter().zip(asked).map(|(x, y)| i32::from(i16::from(*x)) * i32::from(*y)).sum();
    bytes.chunks_exact(asked.len()).map(dot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::embed::{cosine, normalise};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_give_nearly_the_cosine_of_the_floats(mut a in prop::collection::vec(-1.0f32..1.0, 384), mut b in prop::collection::vec(-1.0f32..1.0, 384)) {
            normalise(&mut a);
            normalise(&mut b);
            let mut scope = Scope::default();
            scope.add(&a, ("x".into(), "q".into(), 10));
            let found = scope.nearest(&b, -2.0, 0);
            prop_assert!((found[0].cosine - cosine(&a, &b)).abs() < 0.005);
            prop_assert!(scope.nearest(&b, -2.0, 10).is_empty(), "its time is over");
            let asked: Vec<i16> = to_bytes(&b).0.into_iter().map(i16::from).collect();
            prop_assert_eq!(dots(&scope.bytes, &asked), dots_plain(&scope.bytes, &asked));
        }
    }
}
