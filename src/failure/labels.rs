//! What rustc points at besides the place of an error: its labels (where a value was moved, where it was borrowed first),
//! and its notes. Pure text in.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::text::pattern;

/// A line that belongs to an error and is not its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The path as printed.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What the compiler says there.
    pub words: String,
}

/// No log needs more labels than this.
const MOST: usize = 100;

static ARROW: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*--> (\S+?):(\d+):\d+$"));
static ELSEWHERE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*::: (\S+?):\d+:\d+$"));
static CODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(\d+)\s+[|/\\~+-]"));
static UNDERLINED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*\| [\s|_]*(-+)(?:\s+(\S.*))?$"));

/// Reads the messages line by line.
#[derive(Debug, Default)]
struct Reader {
    found: BTreeSet<Label>,
    /// Places of errors: what is said there once more is no label.
    places: BTreeSet<(String, usize)>,
    file: String,
    line: usize,
    is_error: bool,
    is_note: bool,
    words: String,
}

/// The labels and notes of the errors in `text`, each line once.
pub fn labels(text: &str) -> Vec<Label> {
    let mut reader = Reader::default();
    for line in text.lines() {
        if reader.found.len() >= MOST {
            break;
        }
        if line.starts_with('{') && line.contains("\"spans\"") {
            reader.json(line);
        } else {
            reader.text(line);
        }
    }
    let Reader { found, places, .. } = reader;
    let mut seen = BTreeSet::new();
    let is_new = |label: &Label| {
        let place = (label.file.clone(), label.line);
        !places.contains(&place) && seen.insert(place)
    };
    found.into_iter().filter(is_new).collect()
}

impl Reader {
    fn text(&mut self, line: &str) {
        let head = |what: &str| line.strip_prefix(what).is_some_and(|rest| rest.starts_with([':', '[']));
        if head("error") || head("warning") {
            (self.is_error, self.is_note) = (head("error"), false);
        } else if head("note") || head("help") {
            self.is_note = head("note");
            self.words = line.split_once(": ").map_or("", |(_, words)| words).to_owned();
        }
        if !self.is_error {
            return;
        }
        if let Some(found) = ARROW.captures(line) {
            let Ok(number) = found[2].parse() else { return };
            (self.file, self.line) = (found[1].to_owned(), number);
            if self.is_note {
                self.found.insert(Label { file: self.file.clone(), line: number, words: self.words.clone() });
            } else {
                self.places.insert((self.file.clone(), number));
            }
        } else if let Some(found) = ELSEWHERE.captures(line) {
            self.file = found[1].to_owned();
        } else if let Some(found) = CODE.captures(line) {
            self.line = found[1].parse().unwrap_or(self.line);
        } else if let Some(found) = UNDERLINED.captures(line).filter(|_| !self.is_note) {
            let words = found.get(2).map_or(String::new(), |words| words.as_str().to_owned());
            self.found.insert(Label { file: self.file.clone(), line: self.line, words });
        }
    }

    /// A message of `cargo --message-format=json`.
    fn json(&mut self, line: &str) {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return };
        let message = value.get("message").filter(|m| m.is_object()).unwrap_or(&value);
        if message["level"] != "error" {
            return;
        }
        let spans = |value: &serde_json::Value| value["spans"].as_array().cloned().unwrap_or_default();
        for span in spans(message) {
            let words = span["label"].as_str().unwrap_or_default();
            let Some(label) = of_span(&span, words) else { continue };
            if span["is_primary"] == true {
                self.places.insert((label.file, label.line));
            } else {
                self.found.insert(label);
            }
        }
        for note in message["children"].as_array().into_iter().flatten().filter(|note| note["level"] == "note") {
            let words = note["message"].as_str().unwrap_or_default();
            self.found.extend(spans(note).iter().filter_map(|span| of_span(span, words)));
        }
    }
}

fn of_span(span: &serde_json::Value, words: &str) -> Option<Label> {
    let line = usize::try_from(span["line_start"].as_u64()?).ok()?;
    Some(Label { file: span["file_name"].as_str()?.to_owned(), line, words: words.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOVED: &str = "\
error[E0382]: borrow of moved value: `names`
  --> src/lib.rs:14:20
   |
2  | fn f(names: Vec<String>) {
   |      ----- move occurs because `names` has type `Vec<String>`, which does not implement the `Copy` trait
3  |     take(names);
   |          ----- value moved here
...
14 |     println!(\"{}\", names.len());
   |                    ^^^^^ value borrowed here after move
   |
note: consider changing this parameter type in function `take` to borrow instead
  --> src/take.rs:8:20
   |
8  | fn take(names: Vec<String>) {}
   |    ----        ^^^^^^^^^^^ this parameter takes ownership of the value
   |    |
   |    in this function
warning: unused variable: `x`
  --> src/lib.rs:20:9
   |
20 |     let x = 1;
   |         - help: if this is intentional
";

    fn lines(text: &str) -> Vec<(String, usize)> {
        labels(text).into_iter().map(|label| (label.file, label.line)).collect()
    }

    #[test]
    fn where_a_value_was_moved_and_the_note_about_it_belong_to_the_error_and_warnings_do_not() {
        let wanted = [("src/lib.rs", 2), ("src/lib.rs", 3), ("src/take.rs", 8)].map(|(f, n)| (f.to_owned(), n));
        assert_eq!(lines(MOVED), wanted);
        assert_eq!(labels(MOVED)[1].words, "value moved here");
    }

    #[test]
    fn the_first_borrow_is_a_label_and_what_is_on_the_line_of_the_error_is_not() {
        let text = "error[E0502]: cannot borrow `v` as mutable\n --> src/a.rs:5:5\n  |\n4 |     let first = &v[0];\n  |                  - immutable borrow occurs here\n5 |     v.push(1);\n  |     ^^^^^^^^^ mutable borrow occurs here\n6 |     show(first);\n  |          ----- immutable borrow later used here\n";
        assert_eq!(lines(text), [("src/a.rs".to_owned(), 4), ("src/a.rs".to_owned(), 6)]);
        let one = "error[E0308]: mismatched types\n --> src/a.rs:2:5\n  |\n2 |     f(1)\n  |     - ^ expected `&str`\n  |     |\n  |     arguments are incorrect\n";
        assert!(lines(one).is_empty());
    }

    #[test]
    fn spans_of_cargos_json_that_are_not_primary_are_labels() {
        let span = |line: usize, primary: bool| serde_json::json!({"file_name": "src/a.rs", "line_start": line, "is_primary": primary, "label": "moved"});
        let message = serde_json::json!({"message": {"level": "error", "message": "moved", "spans": [span(9, true), span(3, false)],
            "children": [{"level": "note", "message": "here", "spans": [span(1, true)]}, {"level": "help", "spans": [span(5, true)]}]}});
        assert_eq!(lines(&message.to_string()), [("src/a.rs".to_owned(), 1), ("src/a.rs".to_owned(), 3)]);
    }
}
