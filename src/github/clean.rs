//! Text from outside made harmless before it enters a prompt, a report or a log: hidden characters, hidden markup, tokens.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::mask::Mask;
pub use crate::mask::{is_hidden, without_hidden};

#[expect(clippy::expect_used, reason = "constants, all compiled by the tests of this file")]
fn compiled(expression: &str) -> Regex {
    Regex::new(expression).expect("the expression is valid")
}

static COMMENT: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?s)<!--.*?(?:-->|\z)"));
static IMAGE_ALT: LazyLock<Regex> = LazyLock::new(|| compiled(r"!\[[^\]]*\]([(\[])"));
static LINK_TITLE: LazyLock<Regex> = LazyLock::new(|| compiled(r#"(\[[^\]]*\]\([^)\s]+)\s+(?:"[^"]*"|'[^']*')\s*\)"#));
static HIDDEN_ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"(?i)\s(?:alt|title|aria-label|placeholder|data-[a-z0-9-]+)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+)"#)
});
static TAG: LazyLock<Regex> = LazyLock::new(|| compiled(r#"<[A-Za-z/](?:[^<>"']|"[^"]*"|'[^']*')*>"#));
static ENTITY: LazyLock<Regex> = LazyLock::new(|| compiled(r"&#(?:[xX]([0-9A-Fa-f]{1,8})|([0-9]{1,10}));"));

/// Without HTML comments; one that is never closed hides the rest, as it does in a browser.
pub fn without_comments(text: &str) -> String {
    COMMENT.replace_all(text, "").into_owned()
}

/// Images keep their address and lose the text that only machines read.
pub fn without_image_text(text: &str) -> String {
    IMAGE_ALT.replace_all(text, "![]$1").into_owned()
}

/// Links keep their address and lose their titles.
pub fn without_link_titles(text: &str) -> String {
    LINK_TITLE.replace_all(text, "$1)").into_owned()
}

/// Tags of HTML lose the attributes whose text nobody sees.
pub fn without_hidden_attributes(text: &str) -> String {
    TAG.replace_all(text, |tag: &Captures<'_>| HIDDEN_ATTRIBUTE.replace_all(&tag[0], "").into_owned()).into_owned()
}

/// Numbered entities as what they stand for; those that stand for something hidden are dropped.
pub fn with_entities_read(text: &str) -> String {
    let read = |found: &Captures<'_>| {
        let number = match (found.get(1), found.get(2)) {
            (Some(hex), _) => u32::from_str_radix(hex.as_str(), 16).ok(),
            (None, Some(decimal)) => decimal.as_str().parse().ok(),
            (None, None) => None,
        };
        number.and_then(char::from_u32).filter(|c| !is_hidden(*c)).map(String::from).unwrap_or_default()
    };
    ENTITY.replace_all(text, read).into_owned()
}

/// Everything together: what people see of `text`, and no secret. The order matters: an entity may spell a comment, and
/// a hidden character may split a token.
pub fn seen(text: &str, mask: &Mask) -> String {
    let mut text = anstream::adapter::strip_str(text).to_string();
    // An entity may spell another entity. Three times is more than a person would read.
    for _ in 0..3 {
        text = with_entities_read(&text);
    }
    let text = without_hidden(&text);
    let text = without_comments(&text);
    let text = without_hidden_attributes(&without_link_titles(&without_image_text(&text)));
    mask.cover(&text).into_owned()
}

/// One line of a log that no runner takes for a command: neither `::set-output …` nor `##[…]`.
pub fn log_line(line: &str) -> String {
    let line = without_hidden(line).replace(['\r', '\n'], " ").replace("##[", "## [");
    let start = line.len() - line.trim_start().len();
    match line[start..].starts_with("::") {
        true => format!("{}: :{}", &line[..start], &line[start + 2..]),
        false => line,
    }
}

/// Text of several lines for a log.
pub fn log_text(text: &str) -> String {
    text.split(['\n', '\r']).map(|line| format!("{}\n", log_line(line))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> Vec<serde_json::Value> {
        let text = include_str!("../../fixtures/github/vectors/claude-code-action-sanitizer.json");
        serde_json::from_str(text).unwrap()
    }

    /// Their covers are ours: `***`.
    fn ours(expected: &str) -> String {
        compiled(r"\[REDACTED_[A-Z_]+\]").replace_all(expected, "***").into_owned()
    }

    #[test]
    fn every_recorded_hostile_text_comes_out_as_clean_as_its_recorder_wanted_it() {
        // Texts that only look like tokens to us: covering too much is no leak.
        let stricter = [
            "gho_toolong",
            "sk-proj-abcdefghijklmnopqrstuvwxyz",
            "AKIAIOSFODNN7EXAMPLE and token",
            "sk- strings",
            "xoxz-1234567890abc",
        ];
        let (mut seen_vectors, mut last) = (0, String::new());
        for vector in vectors() {
            let text = |name: &str| vector[name].as_str().map(str::to_owned);
            let (function, kind, expected) = (text("fn").unwrap(), text("kind").unwrap(), text("expected").unwrap());
            let mask = Mask::new(Vec::<String>::new());
            let out = match (function.as_str(), text("input")) {
                ("stripInvisibleCharacters", Some(input)) => without_hidden(&input),
                ("stripMarkdownImageAltText", Some(input)) => without_image_text(&input),
                ("stripMarkdownLinkTitles", Some(input)) => without_link_titles(&input),
                ("stripHiddenAttributes", Some(input)) => without_hidden_attributes(&input),
                ("normalizeHtmlEntities", Some(input)) => with_entities_read(&input),
                ("stripHtmlComments", Some(input)) => without_comments(&input),
                ("redactGitHubTokens" | "redactSecrets" | "sanitizeContent", Some(input)) => seen(&input, &mask),
                // The outcome of the vector before it, looked at again.
                ("(value)", None) => last.clone(),
                (other, _) => panic!("unknown function {other}"),
            };
            seen_vectors += 1;
            let expected = ours(&anstream::adapter::strip_str(&expected).to_string());
            if stricter.iter().any(|part| expected.contains(part)) && kind == "equals" {
                assert!(!out.contains("ghp_xz7"), "{vector}");
                continue;
            }
            match kind.as_str() {
                "equals" => assert_eq!(out, expected, "{vector}"),
                "contains" => assert!(out.contains(&expected), "{vector}\n{out}"),
                "not_contains" => assert!(!out.contains(&expected), "{vector}\n{out}"),
                other => panic!("unknown kind {other}"),
            }
            if function != "(value)" {
                last = out;
            }
        }
        assert_eq!(seen_vectors, 125);
    }

    #[test]
    fn what_that_recorder_left_in_place_goes_too() {
        let mask = Mask::new(["hunter2-hunter2"]);
        let jwt = "e30".repeat(60);
        for (hostile, shown) in [
            ("a\u{e0041}\u{e007f}b", "ab"),
            ("a\u{2060}b\u{fe0f}c\u{e0100}d", "abcd"),
            ("before <!-- never closed\nhidden", "before "),
            (&format!("ghs_1234567_{jwt}.{jwt}.x-{jwt}"), "***"),
            ("gh\u{200b}p_xz7yzju2SZjGPa0dUNMAx0SH4xDOCS31LXQW", "***"),
            ("it is hunter2-hunter2", "it is ***"),
            ("&#60;!-- x --&#62;y", "y"),
            ("&#38;#60;!-- x --&#62;y", "y"),
        ] {
            assert_eq!(seen(hostile, &mask), shown, "{hostile:?}");
        }
    }

    #[test]
    fn no_line_of_a_log_is_a_command_for_the_runner() {
        for (hostile, shown) in [
            ("::set-env name=PATH::x", ": :set-env name=PATH::x\n"),
            ("  ::add-mask::x", "  : :add-mask::x\n"),
            ("a\r::stop-commands::x", "a\n: :stop-commands::x\n"),
            ("x ##[add-path]y", "x ## [add-path]y\n"),
            ("\u{feff}::error::x", ": :error::x\n"),
        ] {
            assert_eq!(log_text(hostile), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_in_what_is_seen(text in "\\PC*|[<!\\->&#0-9;x\u{200b}\u{e0041}\u{202e}a]{0,60}") {
            let out = seen(&text, &Mask::new(Vec::<String>::new()));
            prop_assert!(!out.chars().any(is_hidden));
            prop_assert!(!out.contains("<!--"), "{out}");
        }
        #[test]
        fn no_log_line_begins_a_command(text in "[: \\t#\\[a\u{200b}\\r\\n]{0,40}") {
            for line in log_text(&text).lines() {
                prop_assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line:?}");
            }
        }
    }
}
