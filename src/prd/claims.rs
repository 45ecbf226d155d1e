//! What sentences claim, as far as one can count it: numbers, in figures or in words, and what they deny.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::likeness;
use crate::prd::identifiers;
use crate::prd::sentences::pattern;
use crate::turns::text::words;

static FIGURE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)*"));
static WORDED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?P<count>an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety)[\s-]+)?(?P<scale>dozen|hundred|thousand|million)s?\b|\b(?P<word>one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety|twice|half)\b",
    )
});
/// In front of `one` that is a limit and no pronoun.
static LIMITS_ONE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:within|at\s+most|no\s+more\s+than|up\s+to|exactly|under|below)\s+$"));
/// Behind `one` that is a measure and no pronoun.
static MEASURES_ONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^[\s-]+(?:m?s|millisecond|second|minute|hour|day|week|month|year|percent|attempt|retry|retries|click|tap|step)s?\b",
    )
});
/// `at most one of them`, `one another`: what is meant stands in the text already.
static OF_SOME: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s+(?:of\b|another\b|or\s+more\b)"));
/// `the two`, `both of these two`: they were counted before.
static KNOWN_ONES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:the|these|those|both|other)\s+$"));

const WORTH: &[(&str, u64)] = &[
    ("a", 1),
    ("an", 1),
    ("one", 1),
    ("two", 2),
    ("twice", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("dozen", 12),
    ("fifteen", 15),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("ninety", 90),
    ("hundred", 100),
    ("thousand", 1000),
    ("million", 1_000_000),
];

fn worth(word: &str) -> Option<u64> {
    let word = word.to_ascii_lowercase();
    WORTH.iter().find(|(name, _)| *name == word).map(|(_, worth)| *worth)
}

/// The numbers of `text`, those of ids left out. `two` and `2` are one number; `one` is one where it is a limit or a measure.
pub fn numbers(text: &str) -> BTreeSet<String> {
    let ids: Vec<Range<usize>> = identifiers::ids(text).map(|(range, _)| range).collect();
    let of_id = |at: usize| ids.iter().any(|range| range.contains(&at));
    let figures = FIGURE.find_iter(text).filter(|m| !of_id(m.start())).map(|m| m.as_str().to_owned());
    let in_words = WORDED.captures_iter(text).filter_map(|hit| {
        let whole = hit.get(0)?;
        if let Some(scale) = hit.name("scale") {
            let count = hit.name("count").map_or(Some(1), |count| worth(count.as_str()))?;
            return Some((count * worth(scale.as_str())?).to_string());
        }
        counts(whole.as_str(), &text[..whole.start()], &text[whole.end()..])
    });
    figures.chain(in_words).collect()
}

/// The number that `word` is between `before` and `after`; none where it counts nothing new.
fn counts(word: &str, before: &str, after: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        // `half-open` has no half
        "half" => (!after.starts_with('-') && !before.ends_with('-')).then_some(word),
        "one" => {
            let is_number = LIMITS_ONE.is_match(before) || MEASURES_ONE.is_match(after);
            (is_number && !OF_SOME.is_match(after) && !KNOWN_ONES.is_match(before)).then(|| "1".to_owned())
        }
        _ => worth(&word).filter(|_| !KNOWN_ONES.is_match(before)).map(|worth| worth.to_string()),
    }
}

/// Written with a `not` and no denial.
static NO_DENIAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bnot\s+only\b|\bwhether\s+or\s+not\b|\bno\.\s*\d"));
/// With a `not` in front of it no denial but a limit: `not more than 5` is `at most 5`.
static COMPARES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?:more|less|fewer|later|earlier|longer|greater|higher|lower|larger|smaller)\s+than|below|under|above|over|before|after|until|exceed\w*)\b",
    )
});
static DENIES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:not|cannot|no|never|neither|none|nobody|nothing|nowhere|without)\b|n['’]t\b"));
/// Words that say with a `not` less what others say with one more: `rejects it` is `does not take it`.
static DENIES_IN_A_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:unless|except|nor|reject|refus|forbid|prohibit|deny|deni|block|prevent|disallow|exclud|avoid|omit|ignor|fail|unable|lack|miss|empty|otherwise|only|stop|ceas|hid|invalid|wrong|unknown|unauthori|unavailab|unchang|unread|absent|disabl|skip|drop|leave|left|free)\w*",
    )
});

/// What a sentence, or several together, deny.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Denials {
    /// Words that only deny.
    plain: usize,
    /// Words that may stand for one.
    within: Vec<String>,
    /// Words that may make one a limit.
    limits: Vec<String>,
}

impl Denials {
    fn of(text: &str) -> Self {
        let text = NO_DENIAL.replace_all(text, " ");
        Self {
            plain: DENIES.find_iter(&text).count(),
            within: stems(&DENIES_IN_A_WORD, &text),
            limits: stems(&COMPARES, &text),
        }
    }

    fn add(&mut self, other: &Self) {
        self.plain += other.plain;
        self.within.extend(other.within.iter().cloned());
        self.limits.extend(other.limits.iter().cloned());
    }

    /// How often it denies, at least and at most, beside the other one: what both say makes no difference.
    fn range(&self, other: &Self) -> (usize, usize) {
        let (within, limits) = (alone(&self.within, &other.within), alone(&self.limits, &other.limits));
        (self.plain.saturating_sub(limits), self.plain + within)
    }

    /// Is there no reading in which both deny as often?
    fn differ(&self, other: &Self) -> bool {
        let ((low, high), (least, most)) = (self.range(other), other.range(self));
        high < least || most < low
    }
}

/// The words that `words` finds: `rejects` and `rejected` are one.
fn stems(words: &Regex, text: &str) -> Vec<String> {
    const STEM_CHARS: usize = 4;
    let stem = |word: &str| word.chars().take(STEM_CHARS).collect::<String>().to_lowercase();
    words.find_iter(text).map(|word| stem(word.as_str())).collect()
}

/// How many of `ours` they do not have.
fn alone(ours: &[String], theirs: &[String]) -> usize {
    let mut theirs = theirs.to_vec();
    let is_theirs = |word: &&String| theirs.iter().position(|t| t == *word).map(|at| theirs.remove(at)).is_some();
    ours.len() - ours.iter().filter(is_theirs).count()
}

struct Claim {
    words: BTreeSet<String>,
    denials: Denials,
}

/// Sentences of `new` that deny more or less than those of `old` in whose place they stand, by index. Where one sentence became
/// two, or two became one, they are taken together; a sentence that is like none that is gone stands in nobody's place.
pub fn turned(old: &[&str], new: &[&str]) -> BTreeSet<usize> {
    /// More changed sentences than a section has.
    const COMPARED_MOST: usize = 300;
    let claims = |texts: &[&str]| -> Vec<Claim> {
        let claim = |text: &&str| Claim { words: words(text), denials: Denials::of(text) };
        texts.iter().take(COMPARED_MOST).map(claim).collect()
    };
    let (before, after) = (claims(old), claims(new));
    let stands_for: Vec<Option<usize>> = after.iter().map(|claim| nearest(claim, &before)).collect();
    let became: Vec<Option<usize>> = before.iter().map(|claim| nearest(claim, &after)).collect();
    // groups of sentences that belong together: the old ones first, then the new ones
    let mut group: Vec<usize> = (0..before.len() + after.len()).collect();
    let mut join = |a: usize, b: usize| {
        let (from, to) = (group[a], group[b]);
        group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
    };
    stands_for.iter().enumerate().for_each(|(n, o)| o.iter().for_each(|o| join(before.len() + n, *o)));
    became.iter().enumerate().for_each(|(o, n)| n.iter().for_each(|n| join(before.len() + n, o)));
    let mut found = BTreeSet::new();
    for of in group.iter().collect::<BTreeSet<_>>() {
        let is_in = |at: &usize| group[*at] == *of;
        let olds: Vec<usize> = (0..before.len()).filter(is_in).collect();
        let news: Vec<usize> = (0..after.len()).filter(|n| is_in(&(before.len() + n))).collect();
        let sum = |claims: &[Claim], of: &[usize]| {
            of.iter().fold(Denials::default(), |mut sum, at| {
                sum.add(&claims[*at].denials);
                sum
            })
        };
        if olds.is_empty() || !sum(&before, &olds).differ(&sum(&after, &news)) {
            continue;
        }
        let own = |n: &&usize| stands_for[**n].is_some_and(|o| before[o].denials.differ(&after[**n].denials));
        let ours: Vec<usize> = news.iter().filter(own).copied().collect();
        found.extend(if ours.is_empty() { news } else { ours });
    }
    found
}

/// The one of `among` that says most of what `claim` says; none when none is about the same.
fn nearest(claim: &Claim, among: &[Claim]) -> Option<usize> {
    /// Sentences that share so many of their words are about the same.
    const SAME: f64 = 0.4;
    let shares = among.iter().enumerate().map(|(at, other)| (at, likeness::share(&claim.words, &other.words)));
    let near = shares.filter(|(_, share)| *share >= SAME);
    near.max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a))).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_in_words_are_numbers_and_pronouns_are_none() {
        for (text, wanted) in [
            ("The shop shall answer within two seconds.", &["2"] as &[&str]),
            ("The shop shall answer within 2 seconds.", &["2"]),
            ("At most a dozen items, two hundred files, a hundred users.", &["12", "200", "100"]),
            ("It tries twice and shows half of the page.", &["2", "half"]),
            ("Within one second, with one retry.", &["1"]),
            ("At most one user signs in.", &["1"]),
            ("This one shows one of the items, one another, at most one of them.", &[]),
            ("Each one has a name; no one else does, and one can see that.", &[]),
            ("The two agree, and so do these three; a half-open door.", &[]),
            ("REQ-2: The someone in Twoland often phones.", &[]),
        ] {
            let found = numbers(text);
            assert_eq!(
                found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
                wanted.iter().copied().collect(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_sentence_that_denies_what_was_said_is_seen_and_one_in_other_words_is_not() {
        for (old, new, is_turned) in [
            ("The shop shall keep the address.", "The shop shall not keep the address.", true),
            ("The shop shall not keep the address.", "The shop shall keep the address.", true),
            ("The shop shall reject orders without a name.", "The shop shall not reject orders without a name.", true),
            ("Users sign in with a key.", "Users sign in without a key.", true),
            ("The list shows closed orders.", "The list never shows closed orders.", true),
            ("Guests can't see the list of orders.", "Guests can see the list of orders.", true),
            ("The shop shall take more than 5 orders.", "The shop shall not take more than 5 orders.", true),
            ("The answer shall not exceed 5 lines.", "The answer shall exceed 5 lines.", true),
            // the same in other words
            ("The shop shall not take more than 5 orders.", "The shop shall take at most 5 orders.", false),
            ("The shop shall take not more than 5 orders.", "The shop shall take at most 5 orders.", false),
            ("The answer shall not exceed 5 lines.", "The answer shall have at most 5 lines.", false),
            ("The shop shall not accept orders without a name.", "The shop shall reject orders without a name.", false),
            ("The shop cannot be reached.", "The shop can not be reached.", false),
            ("The shop does not show empty lists.", "The shop doesn't show empty lists.", false),
            (
                "If there are no orders, the list is hidden.",
                "If the list of orders is empty, the list is hidden.",
                false,
            ),
            ("Only admins see the orders.", "Nobody but admins sees the orders.", false),
            ("The shop shall be fast.", "The shop shall answer within 200 ms.", false),
            ("The shop shall keep the address.", "Nothing of this was ever said by anybody.", false),
        ] {
            assert_eq!(!turned(&[old], &[new]).is_empty(), is_turned, "{old} / {new}");
        }
        // one became two, and two became one
        let one = "The shop shall keep the order and its number but not the address of the customer.";
        let two =
            ["The shop shall keep the order and its number.", "The shop shall not keep the address of the customer."];
        assert_eq!((turned(&[one], &two), turned(&two, &[one])), (BTreeSet::new(), BTreeSet::new()));
        let swapped = [two[0].replace("shall keep", "shall not keep"), two[1].replace("not keep", "keep")];
        assert_eq!(turned(&two, &[&swapped[0], &swapped[1]]), [0, 1].into());
        assert_eq!(turned(&two, &[two[0], &swapped[1]]), [1].into());
    }

    proptest! {
        #[test]
        fn a_not_is_always_seen_and_the_same_words_never_are(
            subject in prop::sample::select(vec!["shop", "search", "export", "list"]), what in "[a-z]{4,9}( [a-z]{4,9}){1,8}",
        ) {
            let plain = format!("The {subject} shall {what}.");
            let denied = plain.replacen("shall", "shall not", 1);
            prop_assert_eq!(turned(&[&plain], &[&denied]), [0].into());
            prop_assert_eq!(turned(&[&denied], &[&plain]), [0].into());
            prop_assert!(turned(&[&plain], &[&plain.replacen("shall", "must", 1)]).is_empty());
        }

        #[test]
        fn any_texts_are_compared_without_a_panic(old in prop::collection::vec("\\PC{0,40}", 0..5), new in prop::collection::vec("\\PC{0,40}", 0..5)) {
            let (a, b): (Vec<&str>, Vec<&str>) = (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            prop_assert!(turned(&a, &b).iter().all(|at| *at < b.len()));
            prop_assert!(turned(&a, &a).is_empty());
            b.iter().for_each(|text| drop(numbers(text)));
        }
    }
}
