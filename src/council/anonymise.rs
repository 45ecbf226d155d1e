//! Who said what is hidden from the critic: letters instead of names, in another order every round, no word about models.

use std::sync::LazyLock;

use regex::Regex;

use crate::chance::Chance;
use crate::turns::Member;

/// Letters of a round: which seat stands behind which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters(Vec<usize>);

impl Letters {
    /// The order of `seats` (indices) in `round`.
    pub fn shuffled(seats: &[usize], seed: u64, round: u32) -> Self {
        // the same order on every machine, so that a resumed council asks the same questions
        let mut chance = Chance(seed ^ u64::from(round).wrapping_mul(0xd6e8_feb8_6659_fd93));
        let mut order = seats.to_vec();
        for i in (1..order.len()).rev() {
            let j = chance.below(i + 1);
            order.swap(i, j);
        }
        Self(order)
    }

    /// Letters with their seats, in order.
    pub fn iter(&self) -> impl Iterator<Item = (char, usize)> + '_ {
        ('A'..='Z').zip(self.0.iter().copied())
    }

    /// The seat behind `A`, `a`, `Answer A`, `seat A`, …
    pub fn seat(&self, said: &str) -> Option<usize> {
        let letter = said.trim().trim_matches(|c: char| !c.is_alphanumeric()).split_whitespace().next_back()?;
        let mut chars = letter.chars();
        let (Some(letter), None) = (chars.next(), chars.next()) else { return None };
        self.iter().find(|(name, _)| *name == letter.to_ascii_uppercase()).map(|(_, seat)| seat)
    }

    /// The letter of a seat.
    pub fn letter(&self, seat: usize) -> Option<char> {
        self.iter().find(|(_, of)| *of == seat).map(|(letter, _)| letter)
    }
}

#[expect(clippy::expect_used, reason = "a constant, compiled by every test of this file")]
static SELF: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:as an? )?(?:AI|large) (?:language )?(?:model|assistant)\b|\b(?:chatgpt|gpt-?\d[\w.-]*|claude|gemini|gemma[\w.-]*|qwen[\w.-]*|deepseek[\w.-]*|mistral[\w.-]*|smollm[\w.-]*)\b")
        .expect("a valid expression")
});

/// `text` without names of models, but those that the question is about: the critic shall not know whose answer it reads.
/// Quotes are looked up in this text.
pub fn without_names(text: &str, members: &[Member], question: &str) -> String {
    const SOMEBODY: &str = "[name]";
    let asked = question.to_lowercase();
    let hide = |found: &regex::Captures<'_>| {
        let name = found.get(0).map_or("", |m| m.as_str());
        if asked.contains(&name.to_lowercase()) { name.to_owned() } else { SOMEBODY.to_owned() }
    };
    let mut text = SELF.replace_all(text, hide).into_owned();
    for member in members {
        let id = member.name.rsplit('/').next().unwrap_or_default();
        for name in [member.name.as_str(), id] {
            if name.len() >= 4 && !asked.contains(&name.to_lowercase()) {
                text = text.replace(name, SOMEBODY);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_order_differs_from_round_to_round_and_not_from_run_to_run() {
        let orders: BTreeSet<String> = (1..=20)
            .map(|round| Letters::shuffled(&[0, 1, 2], 7, round).iter().map(|(_, s)| s.to_string()).collect())
            .collect();
        assert!(orders.len() >= 4, "{orders:?}");
        assert_eq!(Letters::shuffled(&[0, 1, 2], 7, 3), Letters::shuffled(&[0, 1, 2], 7, 3));
        let letters = Letters::shuffled(&[0, 2], 7, 1);
        for said in ["A", "a", "Answer A", " (A) ", "seat a"] {
            assert_eq!(letters.seat(said), letters.iter().next().map(|(_, seat)| seat), "{said}");
        }
        for said in ["C", "", "AB", "1"] {
            assert_eq!(letters.seat(said), None, "{said}");
        }
    }

    #[test]
    fn names_of_models_are_hidden() {
        let members = [crate::turns::script::member("own/coder-1.5b")];
        let said = "As an AI language model, I, Qwen2.5-Coder (coder-1.5b), and GPT-4o agree.";
        assert_eq!(without_names(said, &members, "why?"), "[name], I, [name] ([name]), and [name] agree.");
        for (said, question) in
            [("Use a claim, not a model of it.", "why?"), ("Take GPT-4o.", "gpt-4o or another one?")]
        {
            assert_eq!(without_names(said, &members, question), said);
        }
    }

    proptest! {
        #[test]
        fn every_seat_has_one_letter(seats in prop::collection::btree_set(0..9_usize, 1..7), seed in any::<u64>(), round in 1..50_u32) {
            let seats: Vec<usize> = seats.into_iter().collect();
            let letters = Letters::shuffled(&seats, seed, round);
            let mut found: Vec<usize> = letters.iter().map(|(_, seat)| seat).collect();
            found.sort_unstable();
            prop_assert_eq!(&found, &seats);
            for seat in seats {
                prop_assert_eq!(letters.seat(&letters.letter(seat).unwrap().to_string()), Some(seat));
            }
        }
    }
}
