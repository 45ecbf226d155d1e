//! Are two texts the same but for numbers, names of files in temporary folders and a few words?

use std::collections::BTreeSet;

use crate::likeness;

/// What is compared: words in small letters, without anything that holds a digit.
pub fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 1 && !word.chars().any(|c| c.is_ascii_digit()))
        .map(str::to_lowercase)
        .collect()
}

/// The share of words that both have, 0 to 1; two texts without words are the same when they are equal.
pub fn likeness(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    likeness::share(&words(a), &words(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_make_texts_different_and_words_do() {
        for (a, b, same) in [
            ("took 12 ms in /tmp/x81", "took 99 ms in /tmp/x17", true),
            ("use a mutex around the map", "use a channel between both threads", false),
            ("", "", true),
            ("1", "2", false),
        ] {
            assert_eq!(likeness(a, b) > 0.9, same, "{a} / {b}");
        }
    }
}
