//! A unified diff for the eye: files as headings, colours, and the words that differ inside changed lines.

use similar::{ChangeTag, TextDiff};

use super::style::Style;
use crate::report::escape::harmless;

/// The diff, at most `most` lines of it; says how many more there are.
pub fn render(diff: &str, style: Style, most: usize) -> String {
    let mut out = Vec::new();
    let mut block = Block::default();
    let mut left = Hunk::default();
    for line in diff.lines() {
        if left.minus + left.plus > 0 {
            match line.as_bytes().first() {
                Some(b'-') => {
                    if !block.new.is_empty() {
                        block.flush(&mut out, style);
                    }
                    left.minus = left.minus.saturating_sub(1);
                    block.old.push(harmless(&line[1..]));
                }
                Some(b'+') => {
                    left.plus = left.plus.saturating_sub(1);
                    block.new.push(harmless(&line[1..]));
                }
                Some(b'\\') => {}
                _ => {
                    block.flush(&mut out, style);
                    (left.minus, left.plus) = (left.minus.saturating_sub(1), left.plus.saturating_sub(1));
                    out.push(style.dim(&format!(" {}", harmless(line.get(1..).unwrap_or_default()))));
                }
            }
            continue;
        }
        block.flush(&mut out, style);
        left = header(line, &mut out, style);
    }
    block.flush(&mut out, style);
    let total = out.len();
    let mut text: String = out.iter().take(most).map(|line| format!("{line}\n")).collect();
    if total > most {
        text.push_str(&style.dim(&format!("… {} more lines\n", total - most)));
    }
    text
}

/// Lines that a hunk still has.
#[derive(Debug, Default, Clone, Copy)]
struct Hunk {
    minus: usize,
    plus: usize,
}

/// A line outside hunks: the heading of a file, or of a hunk.
fn header(line: &str, out: &mut Vec<String>, style: Style) -> Hunk {
    if let Some(rest) = line.strip_prefix("@@ -") {
        if let Some((_, place)) = rest.split_once(" @@") {
            let from = rest.split([',', ' ']).next().unwrap_or_default();
            out.push(style.cyan(format!("  line {} {}", harmless(from), harmless(place.trim())).trim_end()));
        }
        let count = |range: &str| range.split_once(',').map_or(Some(1), |(_, n)| n.parse().ok()).unwrap_or(0);
        let mut ranges = rest.split(' ');
        let minus = ranges.next().map_or(0, count);
        let plus = ranges.next().map_or(0, |range| count(range.trim_start_matches('+')));
        return Hunk { minus, plus };
    }
    let heading =
        |what: &str| style.bold(&format!("── {what} {}", "─".repeat(48_usize.saturating_sub(what.chars().count()))));
    if let Some(path) = line.strip_prefix("+++ b/") {
        out.push(heading(&harmless(path.trim_end_matches('\t'))));
    } else if line.starts_with("+++ /dev/null") {
        out.push(heading("deleted"));
    } else if line.starts_with("rename ") || line.starts_with("Binary ") || line.starts_with("GIT binary") {
        out.push(style.dim(&harmless(line)));
    }
    Hunk::default()
}

/// Removed lines and the added ones that stand in their place.
#[derive(Default)]
struct Block {
    old: Vec<String>,
    new: Vec<String>,
}

impl Block {
    fn flush(&mut self, out: &mut Vec<String>, style: Style) {
        let (old, new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
        if !style.has_colour() || old.is_empty() || new.is_empty() {
            out.extend(old.iter().map(|line| style.red(&format!("-{line}"))));
            out.extend(new.iter().map(|line| style.green(&format!("+{line}"))));
            return;
        }
        let join = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let (old, new) = (join(&old), join(&new));
        let diff = TextDiff::from_lines(old.as_str(), new.as_str());
        for op in diff.ops() {
            for change in diff.iter_inline_changes(op) {
                out.push(inline(&change, style));
            }
        }
    }
}

/// How a piece of a line is painted.
type Paint = fn(Style, &str) -> String;

fn inline(change: &similar::InlineChange<'_, str>, style: Style) -> String {
    let (sign, plain, part): (&str, Paint, Paint) = match change.tag() {
        ChangeTag::Delete => ("-", Style::red, Style::removed_part),
        ChangeTag::Insert => ("+", Style::green, Style::added_part),
        ChangeTag::Equal => (" ", Style::dim, Style::dim),
    };
    let mut line = plain(style, sign);
    for (differs, text) in change.iter_strings_lossy() {
        let text = text.trim_end_matches('\n');
        line.push_str(&if differs { part(style, text) } else { plain(style, text) });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -10,3 +10,3 @@ def total():\n     a\n-    return price + tax\n+    return price - tax\n     b\n";

    #[test]
    fn without_colours_it_is_the_diff_under_a_heading() {
        let text = render(DIFF, Style::plain(), 99);
        let expected = "  line 10 def total():\n     a\n-    return price + tax\n+    return price - tax\n     b\n";
        assert!(text.starts_with("── x.py ─") && text.ends_with(expected), "{text}");
    }

    #[test]
    fn with_colours_only_what_differs_is_emphasised() {
        let text = render(DIFF, Style::new(true), 99);
        assert!(text.contains("\x1b[1;31;7m+\x1b[0m") && text.contains("\x1b[1;32;7m-\x1b[0m"), "{text:?}");
    }

    #[test]
    fn a_removed_line_that_looks_like_a_header_stays_a_line() {
        let diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,1 @@\n--- a comment\n keep\n";
        assert!(render(diff, Style::plain(), 99).contains("\n--- a comment\n keep\n"));
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so_and_hostile_text_is_made_harmless() {
        let diff = format!("+++ b/\x1b[2Jx\n@@ -0,0 +1,50 @@\n{}", "+\x1b[31mline\u{202e}\n".repeat(50));
        let text = render(&diff, Style::plain(), 10);
        assert!(text.ends_with("… 42 more lines\n") && !text.contains(['\x1b', '\u{202e}']), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([-+ @\\\\]?[-+@a-z0-9, é/]{0,12}\n){0,20}") {
            let _ = (render(&text, Style::new(true), 99), crate::report::file_deltas(&text));
        }
    }
}
