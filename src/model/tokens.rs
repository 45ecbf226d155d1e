//! How many tokens a text has, estimated on the safe side: a budget is planned with it, the server's own count settles.

use super::{Message, Turn};

/// A message costs this many tokens on top of its text (role, separators).
const PER_MESSAGE: u64 = 4;

/// What a byte is, as far as it is counted.
const LETTER: u8 = 0;
const DIGIT: u8 = 1;
const BLANK: u8 = 2;
/// Anything else, and the first byte of a character outside of ASCII.
const SINGLE: u8 = 3;
/// The rest of such a character.
const REST: u8 = 4;

/// By byte: a prompt is counted for every turn, and more than once.
static KINDS: [u8; 256] = {
    let mut kinds = [SINGLE; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let kind = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b' ' => BLANK,
            0x80..=0xbf => REST,
            _ => SINGLE,
        };
        kinds[byte] = kind;
        byte += 1;
    }
    kinds
};

/// Tokens of `text`: words count one for every five letters begun, numbers one for every two digits, every other
/// character (but single blanks) one; letters outside of ASCII one each.
pub fn count(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (mut total, mut at) = (0, 0);
    while at < bytes.len() {
        let (kind, start) = (KINDS[bytes[at] as usize], at);
        at += 1;
        if kind >= SINGLE {
            total += u64::from(kind == SINGLE);
            continue;
        }
        while at < bytes.len() && KINDS[bytes[at] as usize] == kind {
            at += 1;
        }
        let run = (at - start) as u64;
        total += match kind {
            LETTER => run.div_ceil(5),
            DIGIT => run.div_ceil(2),
            _ if run > 1 => run.div_ceil(8),
            _ => 0,
        };
    }
    total
}

/// No tokenizer makes more tokens of `text` than this, in all likelihood: some give every digit a token of its own and every
/// byte outside of ASCII, and of everything else at most one for two bytes.
pub fn most(text: &str) -> u64 {
    let halves = |byte: u8| if byte.is_ascii_digit() || !byte.is_ascii() { 2 } else { 1 };
    text.bytes().map(halves).sum::<u64>().div_ceil(2)
}

/// Tokens of a whole prompt.
pub fn of_messages(messages: &[Message]) -> u64 {
    messages.iter().map(|m| count(&m.content) + PER_MESSAGE).sum()
}

/// Tokens of everything that a turn sends: the prompt, what was called in it, and the tools that may be called.
pub fn of_turn(turn: &Turn) -> u64 {
    let calls = turn.messages.iter().flat_map(|m| &m.calls).map(|c| count(&c.name) + count(&c.arguments) + PER_MESSAGE);
    let tools =
        turn.tools.iter().map(|t| count(t.name) + count(t.about) + count(&t.parameters.to_string()) + PER_MESSAGE);
    of_messages(&turn.messages) + calls.sum::<u64>() + tools.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Role, Tool};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_may_be_called_and_what_was_is_part_of_a_prompt() {
        let mut turn = Turn::new(Role::Fix, vec![Message::user("why?")]);
        assert_eq!(of_turn(&turn), of_messages(&turn.messages));
        turn.tools = vec![Tool { name: "t", about: "reads", parameters: serde_json::json!({"type": "object"}) }];
        let with_tools = of_turn(&turn);
        assert!(with_tools > of_messages(&turn.messages) + 10);
        let call = Call { id: "c".into(), name: "t".into(), arguments: "word ".repeat(50) };
        turn.messages.push(Message { calls: vec![call], ..Message::assistant("") });
        assert!(of_turn(&turn) >= with_tools + 50);
    }

    #[test]
    fn at_worst_every_digit_and_every_byte_outside_of_ascii_is_a_token_and_half_of_all_others() {
        for (text, tokens) in [("", 0), ("abc", 2), ("12345", 5), ("漢字", 6), ("é1 a", 4), ("🙂", 4)] {
            assert_eq!(most(text), tokens, "{text}");
        }
    }

    #[test]
    fn code_and_prose_are_estimated_at_about_four_letters_a_token() {
        assert!((8..=14).contains(&count("The quick brown fox jumps over the lazy dog.")));
        let code = "def find(values, wanted):\n    low, high = 0, len(values) - 1\n    while low < high:\n";
        assert!((26..=42).contains(&count(code)), "{}", count(code));
        assert!((6..=12).contains(&count("assert 12345 == x")));
        for (text, tokens) in
            [("", 0), ("a b", 2), ("abcdef", 2), ("12345", 3), ("a  b", 3), ("ab  cd1234é\n", 7), ("größe", 4)]
        {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_longer_text_never_has_fewer_tokens(a in ".{0,60}", b in ".{0,60}") {
            let both = format!("{a}\n{b}");
            prop_assert!(count(&both) >= count(&a).max(count(&b)));
        }
    }
}
