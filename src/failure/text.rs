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

/// `text` cut to at most `bytes` bytes at a character's edge.
pub fn clip(text: &str, bytes: usize) -> &str {
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
    fn clipping_never_splits_a_character() {
        assert_eq!(clip("aé", 2), "a");
        assert_eq!(clip("aé", 3), "aé");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(text in any::<String>()) {
            let out = plain(&text);
            prop_assert!(!out.contains(|c: char| c < ' ' && c != '\n' && c != '\t'), "{out:?}");
        }
    }
}
