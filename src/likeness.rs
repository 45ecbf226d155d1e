//! How alike two texts are, by the words that they have; which words count is for those to say who compare.

use std::collections::BTreeSet;

/// The share of words that both have, 0 to 1. Two texts without any word that counts are not alike: who has equal texts
/// sees that before.
pub fn share(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let all = a.union(b).count();
    #[allow(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 words")]
    let share = if all == 0 { 0.0 } else { a.intersection(b).count() as f64 / all as f64 };
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_all_words_that_either_has() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        for (a, b, wanted) in [("a b", "b a", 1.0), ("a b c", "a", 1.0 / 3.0), ("a", "b", 0.0), ("", "", 0.0)] {
            assert!((share(&words(a), &words(b)) - wanted).abs() < 1e-9, "{a} / {b}");
        }
    }
}
