//! Plain text out of terminal output: colours, cursor movements and other control characters are taken out.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// A pattern that is known to be right because it is a literal of this crate and covered by tests.
pub(crate) fn pattern(source: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "every caller passes a literal; the tests of this room build all of them")]
    Regex::new(source).expect("a literal pattern")
}

static ESCAPES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"\x1b\[[0-?]*[ -/]*[@-~]",             // CSI: colours, cursor
        r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?", // OSC: titles, links
        r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?",      // DCS, SOS, PM, APC
        r"|\x1b[ -/]*[0-~]",                    // everything else that starts with ESC
        r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]",
    ))
});

/// `text` without escape sequences and control characters; a line that was redrawn (`\r`) keeps its last state.
pub fn plain(text: &str) -> Cow<'_, str> {
    let dull = |c: char| c < ' ' && c != '\n' && c != '\t' || c == '\u{7f}';
    if !text.contains(dull) {
        return Cow::Borrowed(text);
    }
    let text = ESCAPES.replace_all(text, "");
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = match line.strip_suffix('\n') {
            Some(body) => (body, "\n"),
            None => (line, ""),
        };
        let body = body.trim_end_matches('\r');
        out.push_str(body.rsplit('\r').next().unwrap_or(body));
        out.push_str(end);
    }
    out.retain(|c| c != '\u{1b}');
    Cow::Owned(out)
}

/// A run of at least so many bytes without white space may be a secret.
const RUN_LEAST_BYTES: usize = 16;
/// The longest secret of one run that is expected, but for keys in armour, which masks know by their head.
const RUN_MOST_BYTES: usize = 256;

/// `text` cut to at most `bytes` bytes, for people and models: at a character's edge, and before a long run without white space
/// instead of in it. Half a secret would be no longer known for one.
pub fn clip(text: &str, bytes: usize) -> &str {
    let cut = clip_anywhere(text, bytes);
    let is_inside = |(before, after): (char, char)| !before.is_whitespace() && !after.is_whitespace();
    let edge = cut.chars().next_back().zip(text[cut.len()..].chars().next());
    if !edge.is_some_and(is_inside) {
        return cut;
    }
    let begin = cut.rfind(char::is_whitespace).map_or(0, |i| i + cut[i..].chars().next().map_or(1, char::len_utf8));
    let before = cut.len() - begin;
    let after = text[cut.len()..].chars().take_while(|c| !c.is_whitespace()).take(RUN_LEAST_BYTES);
    let run = before + after.map(char::len_utf8).sum::<usize>();
    if before <= RUN_MOST_BYTES && run >= RUN_LEAST_BYTES { &cut[..begin] } else { cut }
}

/// `text` cut to at most `bytes` bytes at a character's edge, whatever stands there: for what is compared, not shown.
pub fn clip_anywhere(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_links_and_redrawn_lines_become_plain_text() {
        let table = [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[1;38;5;196mx\x1b[m y", "x y"),
            ("\x1b]8;;http://a\x07link\x1b]8;;\x07", "link"),
            ("\x1b]0;title\x1b\\rest", "rest"),
            ("10 %\r50 %\rdone\nnext", "done\nnext"),
            ("dos\r\nline\r\n", "dos\nline\n"),
            ("bell\x07 null\0", "bell null"),
            ("plain\ttext\n", "plain\ttext\n"),
        ];
        for (from, to) in table {
            assert_eq!(plain(from), to, "{from:?}");
        }
    }

    #[test]
    fn a_long_run_is_kept_whole_or_not_at_all_and_a_short_one_or_a_dump_is_cut() {
        let token = "k".repeat(40);
        for (text, bytes, shown) in [
            (format!("a {token} b"), 20, "a "),
            (format!("a {token} b"), 42, &format!("a {token}")),
            (format!("a {token} b"), 43, &format!("a {token} ")),
            (token.clone(), 20, ""),
            ("a short-word b".to_owned(), 6, "a shor"),
            // what is longer than any secret is a dump
            (format!("a {}", "0123456789".repeat(60)), 400, &format!("a {}", &"0123456789".repeat(40)[..398])),
        ] {
            assert_eq!(clip(&text, bytes), shown, "{text} {bytes}");
        }
        assert_eq!(clip_anywhere(&format!("a {token}"), 20), format!("a {}", &token[..18]));
    }

    #[test]
    fn clipping_never_splits_a_character() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("aé", 3), "aé");
    }

    proptest! {
        #[test]
        fn half_a_token_never_exists(before in "[a-zé .\n]{0,300}", token in "[A-Z0-9_-]{16,200}", after in "( [a-zé .]{0,40})?", bytes in 0usize..500) {
            let text = format!("{before} {token}{after}");
            let cut = clip(&text, bytes);
            prop_assert!(text.starts_with(cut) && cut.len() <= bytes);
            prop_assert!(cut.contains(&token) || !cut.contains(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-".contains(c)), "{cut:?}");
        }

        #[test]
        fn no_control_character_survives(text in any::<String>()) {
            let out = plain(&text);
            prop_assert!(!out.contains(|c: char| c < ' ' && c != '\n' && c != '\t'), "{out:?}");
        }
    }
}
