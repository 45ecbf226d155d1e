//! The excerpt: the part of a log that matters, read as a stream in flat memory whatever the size of the log.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::LazyLock;

use regex::Regex;

use crate::failure::text::{clip, pattern, plain};

/// The most lines of an excerpt.
pub const MOST_LINES: usize = 300;
/// The most bytes of an excerpt.
pub const MOST_BYTES: usize = 24 * 1024;
/// Longer lines are cut: minified code and data dumps say nothing to a reader.
const LINE_BYTES: usize = 400;
/// Lines shown before a telling one.
const BEFORE: usize = 4;
/// Lines shown after a telling one: a stack trace, a diff of values.
const AFTER: usize = 14;
/// Lines of the end that are always shown: the summary.
const TAIL: usize = 30;
/// Lines kept for what surely matters, and for what may matter.
const STRONG_LINES: usize = 190;
const WEAK_LINES: usize = 50;

/// Lines that only a failure prints.
static STRONG: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^E   |^Traceback \(most|panicked at|^error(\[E\d+\])?: |: error[: ]|error TS\d+|\bFAILED\b|--- FAIL|^FAIL\b|^\s*not ok\b",
        r"|AssertionError|^failures:|^=+ (?:FAILURES|ERRORS) =+|^\s*(?:✗|✕|×|✖|●) |^##\[error\]|^::error|BUILD FAILURE|<<< (?:FAILURE|ERROR)!",
        r"|SyntaxError|Segmentation fault|core dumped|Exception in thread|^panic: |fatal error|^\w*(?:Error|Exception): ",
    ))
});

/// Lines that may belong to a failure.
static WEAK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:error|fail(?:ed|ure)?|fatal|exception|cannot|can't|not found|denied|refused|killed|timed? ?out|undefined|unresolved)\b",
    )
});

struct Line {
    number: u64,
    text: String,
    times: u64,
}

/// Collects the telling lines of one stream.
#[derive(Default)]
struct Collector {
    number: u64,
    before: VecDeque<Line>,
    strong: Vec<Line>,
    weak: Vec<Line>,
    tail: VecDeque<Line>,
    after: usize,
    after_is_strong: bool,
}

impl Collector {
    fn take(&mut self, raw: &[u8], cut: bool) {
        self.number += 1;
        let lossy = String::from_utf8_lossy(raw);
        let text = plain(&lossy);
        let text = text.trim_end();
        // what was cut off in reading may have gone on
        let longer = cut.then(|| format!("{text}{}", "x".repeat(LINE_BYTES)));
        let shown = clip(longer.as_deref().unwrap_or(text), LINE_BYTES.min(text.len()));
        if let Some(last) = self.tail.back_mut()
            && last.text.trim_end_matches(" …") == shown
        {
            last.times += 1;
            return self.again(shown);
        }
        let mark = if cut || shown.len() < text.len() { " …" } else { "" };
        let line = |number| Line { number, text: format!("{shown}{mark}"), times: 1 };
        if STRONG.is_match(shown) {
            self.begin(true);
        } else if self.after == 0 && WEAK.is_match(shown) {
            self.begin(false);
        }
        if self.after > 0 {
            self.after -= 1;
            let (list, most) = self.list(self.after_is_strong);
            if list.len() < most {
                let number = self.number;
                self.list(self.after_is_strong).0.push(line(number));
            }
        } else {
            self.before.push_back(line(self.number));
            if self.before.len() > BEFORE {
                self.before.pop_front();
            }
        }
        self.tail.push_back(line(self.number));
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    /// The same line once more: counted where it is kept, not kept again.
    fn again(&mut self, shown: &str) {
        for last in [self.strong.last_mut(), self.weak.last_mut(), self.before.back_mut()].into_iter().flatten() {
            if last.text.trim_end_matches(" …") == shown {
                last.times += 1;
            }
        }
    }

    fn list(&mut self, strong: bool) -> (&mut Vec<Line>, usize) {
        if strong { (&mut self.strong, STRONG_LINES) } else { (&mut self.weak, WEAK_LINES) }
    }

    fn begin(&mut self, strong: bool) {
        self.after = if strong { AFTER } else { 3 };
        self.after_is_strong = strong;
        let before: Vec<Line> = self.before.drain(..).collect();
        let (list, most) = self.list(strong);
        let room = most.saturating_sub(list.len());
        let skip = before.len().saturating_sub(if strong { BEFORE } else { 1 });
        list.extend(before.into_iter().skip(skip).take(room));
    }

    /// Everything kept in the order of the log, at most `most` lines: weak hints go first when there is no room.
    fn finish(self, most: usize) -> (Vec<Line>, u64) {
        let Self { number, strong, weak, tail, .. } = self;
        let room = most.saturating_sub(tail.len());
        let mut kept: std::collections::BTreeMap<u64, Line> = tail.into_iter().map(|l| (l.number, l)).collect();
        let mut left = room;
        for line in strong.into_iter().chain(weak) {
            if left == 0 {
                break;
            }
            if let std::collections::btree_map::Entry::Vacant(e) = kept.entry(line.number) {
                e.insert(line);
                left -= 1;
            }
        }
        (kept.into_values().collect(), number)
    }
}

/// Reads a stream line by line without ever holding more than one cut line of it.
fn read(stream: &mut dyn Read, collector: &mut Collector) {
    /// Enough to recognise a line; the rest of it is skipped.
    const KEEP_BYTES: usize = 2 * LINE_BYTES;
    let mut chunk = vec![0u8; 1 << 16];
    let (mut line, mut cut, mut any): (Vec<u8>, bool, bool) = (Vec::with_capacity(KEEP_BYTES), false, false);
    loop {
        let n = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            // what was read so far is better than nothing
            Err(_) => break,
        };
        for part in chunk[..n].split_inclusive(|b| *b == b'\n') {
            let (body, ended) = match part.strip_suffix(b"\n") {
                Some(body) => (body, true),
                None => (part, false),
            };
            any = true;
            let room = KEEP_BYTES - line.len();
            cut |= body.len() > room;
            line.extend_from_slice(&body[..body.len().min(room)]);
            if ended {
                collector.take(&line, cut);
                line.clear();
                (cut, any) = (false, false);
            }
        }
    }
    if any {
        collector.take(&line, cut);
    }
}

/// The part that matters of these named streams, in their order: around first errors, failing tests, the end.
/// At most [`MOST_LINES`] lines and [`MOST_BYTES`] bytes of plain UTF-8.
pub fn excerpt(streams: &mut [(&str, &mut dyn Read)]) -> String {
    let mut parts = Vec::new();
    for (name, stream) in streams.iter_mut() {
        let mut collector = Collector::default();
        read(*stream, &mut collector);
        if collector.number > 0 {
            parts.push((*name, collector));
        }
    }
    let count = parts.len().max(1);
    let (lines_each, bytes_each) = ((MOST_LINES - 2 * count) / count, MOST_BYTES / count);
    let several = parts.len() > 1;
    let mut out = String::new();
    for (name, collector) in parts {
        if several {
            out.push_str(&format!("── {name} ──\n"));
        }
        // a marker may stand between any two lines: half the room is for lines in the worst case, so cut as we go
        let (lines, total) = collector.finish(lines_each);
        out.push_str(&render(&lines, total, lines_each, bytes_each - 64));
    }
    out
}

/// Lines with markers where some are left out. When it gets too long, the middle goes: first errors and the end stay.
fn render(lines: &[Line], total: u64, most_lines: usize, most_bytes: usize) -> String {
    let mut rows: Vec<String> = Vec::new();
    let mut next = 1;
    for line in lines {
        if line.number > next {
            rows.push(format!("… {} lines left out", line.number - next));
        }
        rows.push(line.text.clone());
        if line.times > 1 {
            rows.push(format!("… the same line {} times more", line.times - 1));
        }
        next = line.number + line.times;
    }
    if total >= next {
        rows.push(format!("… {} lines left out", total + 1 - next));
    }
    let size = |rows: &[String]| rows.iter().map(|r| r.len() + 1).sum::<usize>();
    let mut dropped = 0;
    // the tail and two thirds of the head stay
    while rows.len() + 1 > most_lines || size(&rows) > most_bytes.saturating_sub(40) {
        if rows.len() <= 1 {
            break;
        }
        let middle = if rows.len() > 2 * TAIL { rows.len() - TAIL - 1 } else { rows.len() / 2 };
        rows.remove(middle);
        dropped += 1;
    }
    if dropped > 0 {
        let at = if rows.len() > 2 * TAIL { rows.len() - TAIL } else { rows.len() / 2 };
        rows.insert(at, format!("… {dropped} more lines of this excerpt left out"));
    }
    rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &[u8]) -> String {
        let mut reader = text;
        excerpt(&mut [("stdout", &mut reader)])
    }

    /// Endless noise with one failure in it, made on the fly: nothing of it is ever in memory as a whole.
    struct Noise {
        left: usize,
        at: usize,
    }
    impl Read for Noise {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            let line = if self.left == self.at {
                "thread 'a' panicked at src/lib.rs:1:2:\nthe needle\n".to_owned()
            } else {
                format!("step {} fine {}\n", self.left, "·".repeat(1000))
            };
            buffer[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }

    #[test]
    fn the_needle_in_a_large_log_is_found() {
        let mut noise = Noise { left: 20_000, at: 9_000 };
        let text = excerpt(&mut [("stdout", &mut noise)]);
        assert!(text.contains("the needle") && text.contains("step 0 fine"), "{text}");
        assert!(text.len() <= MOST_BYTES && text.lines().count() <= MOST_LINES);
    }

    #[test]
    fn a_line_without_end_is_cut_and_memory_stays_flat() {
        let mut endless = std::io::repeat(b'x').take(8 << 20);
        let text = excerpt(&mut [("stdout", &mut endless)]);
        assert!(text.len() < 1000 && text.ends_with("…\n"), "{} bytes", text.len());
    }

    #[test]
    fn first_errors_and_the_summary_survive_a_storm_of_errors() {
        let mut log = String::from("start\nerror: the first one\n");
        for n in 0..5000 {
            log.push_str(&format!("error: storm {n}\n"));
        }
        log.push_str("== 5001 failed in 3s ==\n");
        let text = of(log.as_bytes());
        assert!(text.contains("the first one") && text.contains("5001 failed"), "{text}");
        assert!(text.len() <= MOST_BYTES && text.lines().count() <= MOST_LINES, "{}", text.lines().count());
    }

    #[test]
    fn repeated_lines_are_folded_with_their_number() {
        let log = format!("begin\n{}end\n", "error: again\n".repeat(1000));
        let text = of(log.as_bytes());
        assert_eq!(text, "begin\nerror: again\n… the same line 999 times more\nend\n");
    }

    #[test]
    fn weak_hints_do_not_crowd_out_failures() {
        let mut log = String::from("retry failed, again\nfine\n");
        for n in 0..3000 {
            log.push_str(&format!("warning {n}: cannot reach cache\nfine {n}\n"));
        }
        log.push_str("E   assert 3 == 4\n");
        log.push_str(&(0..200).map(|n| format!("bye {n}\n")).collect::<String>());
        assert!(of(log.as_bytes()).contains("E   assert 3 == 4"));
    }

    #[test]
    fn colours_go_invalid_bytes_are_shown_and_commands_are_data() {
        let text = of(b"\x1b[31mred\x1b[0m \xff\xfe\n::error file=a.js,line=1::boom\n");
        assert_eq!(text, "red \u{fffd}\u{fffd}\n::error file=a.js,line=1::boom\n");
    }

    #[test]
    fn both_streams_are_named_when_both_speak() {
        let (mut out, mut err, mut none): (&[u8], &[u8], &[u8]) = (b"a\n", b"b\n", b"");
        assert_eq!(excerpt(&mut [("stdout", &mut out), ("stderr", &mut err)]), "── stdout ──\na\n── stderr ──\nb\n");
        let mut out: &[u8] = b"a\n";
        assert_eq!(excerpt(&mut [("stdout", &mut out), ("stderr", &mut none)]), "a\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn whatever_comes_the_bounds_hold(lines in proptest::collection::vec("(?s)(error: |E   |FAILED |)[^\n]{0,600}", 0..400)) {
            let text = of(lines.join("\n").as_bytes());
            prop_assert!(text.len() <= MOST_BYTES, "{} bytes", text.len());
            prop_assert!(text.lines().count() <= MOST_LINES, "{} lines", text.lines().count());
        }
    }
}
