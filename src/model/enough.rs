//! When an answer that is still coming is whole already: the rest would be explanations, and costs time.

/// What ends an answer before the model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Enough {
    /// A fenced code block is closed.
    Fence,
    /// A blank line (or a closing fence) after a line with something in it; behind the mark, where there is one.
    Blank {
        /// Only what stands behind this counts.
        mark: &'static str,
    },
}

impl Enough {
    /// Is `text` whole by this rule? True for every longer text when it is true for one, so that it can be asked after
    /// every part of a stream.
    pub fn is_met(self, text: &str) -> bool {
        match self {
            Enough::Fence => {
                let mut lines = text.split_inclusive('\n').filter(|l| l.trim_start().starts_with("```"));
                let closing = lines.nth(1);
                closing.is_some_and(|l| l.ends_with('\n') || l.trim() == "```")
            }
            Enough::Blank { mark } => {
                let Some(at) = text.find(mark) else { return false };
                let mut seen = false;
                for line in text[at + mark.len()..].split_inclusive('\n') {
                    let bare = line.trim();
                    let fence = bare.starts_with("```");
                    if seen && line.ends_with('\n') && (bare.is_empty() || fence) {
                        return true;
                    }
                    seen |= !bare.is_empty() && !fence && line.ends_with('\n');
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RIGHT: Enough = Enough::Blank { mark: "RIGHT:" };

    #[test]
    fn an_answer_is_whole_when_its_block_is_closed_or_a_blank_line_follows() {
        for (rule, text, whole) in [
            (Enough::Fence, "Here:\n```python\nx = 1\n", false),
            (Enough::Fence, "```python\nx = 1\n```", true),
            (Enough::Fence, "```python\nx = 1\n```\nBecause", true),
            (RIGHT, "WRONG: a\n\nb\n", false),
            (RIGHT, "WRONG: a\nRIGHT: b", false),
            (RIGHT, "WRONG: a\nRIGHT: b\n", false),
            (RIGHT, "WRONG: a\nRIGHT: b\n\n", true),
            (RIGHT, "WRONG: a\nRIGHT:\n    b\n```\n", true),
            (Enough::Blank { mark: "" }, "\n\nx = 1\n", false),
            (Enough::Blank { mark: "" }, "```\nx = 1\n```\n", true),
        ] {
            assert_eq!(rule.is_met(text), whole, "{rule:?} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_whole_stays_whole(text in "(```\n|RIGHT:|[a-z]{1,3}|\n| ){0,12}", more in "[a-z\n]{0,5}") {
            for rule in [Enough::Fence, RIGHT, Enough::Blank { mark: "" }] {
                if rule.is_met(&text) && text.ends_with('\n') {
                    let longer = format!("{text}{more}");
                    prop_assert!(rule.is_met(&longer));
                }
            }
        }
    }
}
