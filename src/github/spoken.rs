//! Which lines of a comment somebody says, as GitHub shows it: not those that are quoted, code, or that nobody sees.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, Options, Parser, Tag};

/// A line that somebody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its text, as it was written.
    pub text: &'a str,
    /// It has no sign of a quote before it, and is shown inside of one all the same: the quote goes on until an empty line.
    pub in_quote: bool,
}

/// What can be around a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Something that is said: a paragraph, a list.
    Said,
    /// A quote.
    Quote,
    /// Code, HTML, a link's text, a table: no line of its own.
    Other,
}

fn around(tag: &Tag<'_>) -> Around {
    match tag {
        Tag::Paragraph | Tag::Heading { .. } | Tag::List(_) | Tag::Item => Around::Said,
        Tag::BlockQuote(_) => Around::Quote,
        _ => Around::Other,
    }
}

/// The lines of `text` (its line ends are `\n`) that begin with a plain word, in order.
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let mut open: Vec<Around> = Vec::new();
    // where plain words begin; true: inside of a quote
    let mut words: BTreeMap<usize, bool> = BTreeMap::new();
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(tag) => open.push(around(&tag)),
            Event::End(_) => drop(open.pop()),
            Event::Text(_) if !open.contains(&Around::Other) => {
                words.insert(range.start, open.contains(&Around::Quote));
            }
            _ => {}
        }
    }
    let mut at = 0;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let start = at + (line.len() - line.trim_start_matches(' ').len());
        at += line.len() + 1;
        if let Some(in_quote) = words.get(&start) {
            lines.push(Line { text: line.trim(), in_quote: *in_quote });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<&str> {
        lines(text).into_iter().filter(|line| !line.in_quote).map(|line| line.text).collect()
    }

    #[test]
    fn what_github_shows_as_code_or_quote_is_not_said() {
        for quiet in [
            "> /x",
            "```\n/x\n```",
            "~~~sh\n/x\n```\n/x\n~~~",
            "````\n```\n/x\n````",
            "```\n/x never closed",
            // an end that is indented so far is none
            "```\n    ```\n/x\n",
            "    /x",
            "\t/x",
            "`/x`",
            "`a\n/x\nb`",
            "- ```\n  /x\n  ```",
            "> ```\n> /x\n> ```",
            "<!--\n/x\n-->",
            "<!-- never closed\n\n/x",
            "<details>\n/x\n</details>",
            "[a\n/x](http://y)",
            "| a |\n|---|\n/x",
            "[^1]: a\n/x\n\n[^1]",
        ] {
            assert!(!said(quiet).contains(&"/x"), "{quiet:?}: {:?}", lines(quiet));
        }
        for loud in [
            "/x",
            "   /x  ",
            "a\n/x\nb",
            "```\na\n```\n/x",
            // one line of code with three signs is no fence
            "```a``` is red\n/x",
            "look at `<!--` here\n/x",
            "> a\n\n/x",
            "1. a\n2. b\n/x",
            "/x\n---\nsent from afar",
            "    ```\n\n/x",
        ] {
            assert!(said(loud).contains(&"/x"), "{loud:?}: {:?}", lines(loud));
        }
    }

    #[test]
    fn a_line_that_a_quote_swallows_is_told_apart() {
        assert_eq!(lines("> a\n/x"), [Line { text: "/x", in_quote: true }]);
    }
}
