//! How many tokens a text has, estimated on the safe side: a budget is planned with it, the server's own count settles.

use super::Message;

/// A message costs this many tokens on top of its text (role, separators).
const PER_MESSAGE: u64 = 4;

/// Tokens of `text`: words count one for every five letters begun, numbers one for every two digits, every other
/// character (but single blanks) one; letters outside of ASCII one each.
pub fn count(text: &str) -> u64 {
    let (mut total, mut letters, mut digits, mut blanks) = (0u64, 0u64, 0u64, 0u64);
    let mut flush = |letters: &mut u64, digits: &mut u64, blanks: &mut u64| {
        let sum = letters.div_ceil(5) + digits.div_ceil(2) + if *blanks > 1 { blanks.div_ceil(8) } else { 0 };
        (*letters, *digits, *blanks) = (0, 0, 0);
        total += sum;
    };
    let mut single = 0u64;
    for c in text.chars() {
        if c.is_ascii_alphabetic() {
            if digits + blanks > 0 {
                flush(&mut letters, &mut digits, &mut blanks);
            }
            letters += 1;
        } else if c.is_ascii_digit() {
            if letters + blanks > 0 {
                flush(&mut letters, &mut digits, &mut blanks);
            }
            digits += 1;
        } else if c == ' ' {
            if letters + digits > 0 {
                flush(&mut letters, &mut digits, &mut blanks);
            }
            blanks += 1;
        } else {
            flush(&mut letters, &mut digits, &mut blanks);
            single += 1;
        }
    }
    flush(&mut letters, &mut digits, &mut blanks);
    total + single
}

/// Tokens of a whole prompt.
pub fn of_messages(messages: &[Message]) -> u64 {
    messages.iter().map(|m| count(&m.content) + PER_MESSAGE).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn code_and_prose_are_estimated_at_about_four_letters_a_token() {
        assert!((8..=14).contains(&count("The quick brown fox jumps over the lazy dog.")));
        let code = "def find(values, wanted):\n    low, high = 0, len(values) - 1\n    while low < high:\n";
        assert!((26..=42).contains(&count(code)), "{}", count(code));
        assert!((6..=12).contains(&count("assert 12345 == x")));
        assert_eq!(count(""), 0);
    }

    proptest! {
        #[test]
        fn a_longer_text_never_has_fewer_tokens(a in ".{0,60}", b in ".{0,60}") {
            let both = format!("{a}\n{b}");
            prop_assert!(count(&both) >= count(&a).max(count(&b)));
        }
    }
}
