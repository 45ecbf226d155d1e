//! Text from outside made harmless for where it goes: a terminal, Markdown (on GitHub too), HTML, Mermaid, a shell line.

pub use crate::mask::is_hidden;

/// Text without anything that steers a terminal: escape sequences and control characters are dropped, characters that
/// reorder or hide text (bidirectional marks, zero width) are shown as `·`, tabs and line ends stay.
pub fn harmless(text: &str) -> String {
    let stripped = anstream::adapter::strip_str(text).to_string();
    let shown = stripped.chars().filter_map(|c| match c {
        '\n' | '\t' => Some(c),
        c if c.is_control() => None,
        // tags and variation selectors spell whole sentences that nobody sees
        '\u{e0000}'..='\u{e0fff}' | '\u{fe00}'..='\u{fe0f}' => None,
        c if is_hidden(c) => Some('·'),
        c => Some(c),
    });
    shown.collect()
}

/// One harmless line, at most `most` characters, the rest as `…`.
pub fn one_line(text: &str, most: usize) -> String {
    let flat = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= most {
        return flat;
    }
    let mut cut: String = flat.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The first `most` lines, with a line that says how many more there are.
pub fn first_lines(text: &str, most: usize) -> String {
    let total = text.lines().count();
    if total <= most {
        return text.to_owned();
    }
    let mut out = text.lines().take(most).collect::<Vec<_>>().join("\n");
    out.push_str(&format!("\n… {} more lines", total - most));
    out
}

/// Running text of Markdown, on one line: no markup, no HTML, no formula, no link, no mention, no closing of issues.
pub fn markdown(text: &str) -> String {
    let flat = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(flat.len() + 16);
    for (i, c) in flat.char_indices() {
        let start = i == 0;
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '<' | '>' | '|' | '!' | '~' | '$' | '&' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            // A character of no width keeps GitHub from seeing a name, a number of an issue, an address.
            '@' | '#' => {
                out.push('\\');
                out.push(c);
                out.push('\u{200b}');
            }
            ':' if flat[i..].starts_with("://") => out.push_str(":\u{200b}"),
            '-' | '+' | '=' if start => {
                out.push('\\');
                out.push(c);
            }
            '-' if out.to_ascii_lowercase().ends_with("gh") => out.push_str("\u{200b}-"),
            // `1. ` begins a list.
            '.' if flat[..i].bytes().all(|b| b.is_ascii_digit()) && flat[i + 1..].starts_with(' ') => {
                out.push_str("\\.")
            }
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("\u{200b}."),
            c => out.push(c),
        }
    }
    out
}

fn longest_run(text: &str, of: char) -> usize {
    let (mut longest, mut now) = (0, 0);
    for c in text.chars() {
        now = if c == of { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

/// A code span of Markdown, on one line, that its content can't end; also safe in a table.
pub fn code(text: &str) -> String {
    let flat = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.is_empty() {
        return "(empty)".into();
    }
    // In a table `\|` is the only way to write a pipe, in a code span too; a full-width one is right everywhere.
    let flat = flat.replace('|', "｜");
    let ticks = "`".repeat(longest_run(&flat, '`') + 1);
    let pad = if flat.starts_with('`') || flat.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{flat}{pad}{ticks}")
}

/// A fenced block of Markdown that its content can't end.
pub fn fence(language: &str, text: &str) -> String {
    let text = harmless(text);
    let ticks = "`".repeat(longest_run(&text, '`').max(2) + 1);
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end_matches('\n'))
}

/// Text or an attribute of HTML.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in harmless(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The title of a folded part (HTML inside Markdown): GitHub looks for names and issues there too.
pub fn summary(text: &str) -> String {
    html(&one_line(text, 120))
        .replace("&#39;", "’")
        .replace('@', "@\u{200b}")
        .replace('#', "#\u{200b}")
        .replace("://", ":\u{200b}//")
        .replace("www.", "www\u{200b}.")
        .replace("GH-", "GH\u{200b}-")
        .replace("gh-", "gh\u{200b}-")
        .replace('$', "＄")
}

/// A label of a Mermaid diagram: letters, digits and a few signs; everything else becomes a space.
pub fn mermaid(text: &str) -> String {
    // some letters show nothing
    let keep = |c: char| if (c.is_alphanumeric() && !is_hidden(c)) || "-_./".contains(c) { c } else { ' ' };
    let flat: String = text.chars().map(keep).collect();
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = flat.chars().take(48).collect();
    if cut.is_empty() { "unnamed".into() } else { cut }
}

/// One word of a POSIX shell command that a person copies.
pub fn shell(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_does_not_pass() {
        for (hostile, shown) in [
            ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("a\rb\x08c\0d", "abcd"),
            ("user\u{202e}gpj.exe", "user·gpj.exe"),
            ("keep\ttabs\nand lines", "keep\ttabs\nand lines"),
        ] {
            assert_eq!(harmless(hostile), shown);
        }
    }

    #[test]
    fn markdown_text_has_no_markup_left() {
        for (hostile, shown) in [
            ("<img src=x onerror=y>", "\\<img src=x onerror=y\\>"),
            ("thanks @octocat, fixes #12", "thanks \\@\u{200b}octocat, fixes \\#\u{200b}12"),
            ("GH-7 https://x.y", "GH\u{200b}-7 https:\u{200b}//x.y"),
            ("[a](b) `c` $x$", "\\[a\\]\\(b\\) \\`c\\` \\$x\\$"),
            ("- item\n# title", "\\- item \\#\u{200b} title"),
            ("1. first", "1\\. first"),
            ("a | b", "a \\| b"),
        ] {
            assert_eq!(markdown(hostile), shown);
        }
    }

    #[test]
    fn code_spans_and_fences_are_longer_than_their_content() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(fence("text", "x\n````\ny"), "`````text\nx\n````\ny\n`````\n");
        assert_eq!(fence("", ""), "```\n\n```\n");
    }

    #[test]
    fn shell_words_are_quoted_where_needed() {
        for (text, word) in
            [("a/b.c", "a/b.c"), ("", "''"), ("a b", "'a b'"), ("it's; rm -rf /", r"'it'\''s; rm -rf /'")]
        {
            assert_eq!(shell(text), word);
        }
    }

    proptest! {
        #[test]
        fn no_text_ends_a_fence(text in "[`~\n a]{0,60}") {
            let block = fence("x", &text);
            let ticks: String = block.chars().take_while(|c| *c == '`').collect();
            let inner: Vec<&str> = block.lines().skip(1).collect();
            for line in &inner[..inner.len() - 1] {
                prop_assert!(!line.contains(&ticks));
            }
        }
        #[test]
        fn no_text_leaves_its_place_in_html(text in "\\PC*") {
            prop_assert!(!html(&text).contains(['<', '>', '"', '\'']));
        }
        #[test]
        fn no_text_keeps_markup_in_markdown(text in "\\PC*") {
            let out: Vec<char> = markdown(&text).chars().collect();
            let mut i = 0;
            while i < out.len() {
                if out[i] == '\\' { i += 2; continue; }
                prop_assert!(!"`*_[]<>|!~$&@#".contains(out[i]), "{:?}", out);
                i += 1;
            }
        }
        #[test]
        fn a_label_of_a_diagram_has_no_sign_that_steers_it(text in "\\PC*") {
            prop_assert!(!mermaid(&text).contains([':', ';', '#', ',', '\n', '"', '`', '<']));
        }
    }
}
