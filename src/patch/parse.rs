//! Reading a diff as it comes from outside: finds the diff in mail, prose and markdown, file by file. Pure text.

/// One hunk: its numbers, what follows them, and its lines without line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    old_start: usize,
    new_start: usize,
    /// After the second `@@`.
    heading: Vec<u8>,
    /// Lines that the header's counts promise; `None` when the counts do not fit the text.
    counted: Option<usize>,
    /// All lines that can belong to it, whatever the counts say.
    lines: Vec<Vec<u8>>,
}

/// The part of a diff that is about one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// `diff --git`, extended headers, `---`, `+++`; without line ends.
    header: Vec<Vec<u8>>,
    /// Text hunks.
    hunks: Vec<Hunk>,
    /// The lines of a `GIT binary patch`.
    binary: Vec<Vec<u8>>,
    /// Name after `---`; `None` when there is no such line or it is /dev/null.
    pub old: Option<Vec<u8>>,
    /// Name after `+++`, the same.
    pub new: Option<Vec<u8>>,
    /// Names in `diff --git` (with prefix), and in `rename`/`copy` lines (without).
    pub others: Vec<Vec<u8>>,
}

/// How to write sections out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Count hunks anew instead of trusting their headers.
    pub recount: bool,
    /// Make line ends of hunks those of the file that they are for.
    pub match_line_ends: bool,
}

const EXTENDED: [&[u8]; 12] = [
    b"index ",
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"copy from ",
    b"copy to ",
    b"rename from ",
    b"rename to ",
    b"similarity index ",
    b"dissimilarity index ",
    b"Binary files ",
];

/// The sections of the diff in `text`; empty when there is no diff in it.
pub fn sections(text: &[u8]) -> Vec<Section> {
    let lines = undented(text);
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let mut found: Vec<Section> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let starts_git = lines[at].starts_with(b"diff --git ");
        if starts_git || starts_plain(&lines, at) {
            let mut section = Section::default();
            at = read_section(&lines, at, &mut section);
            if starts_git || !section.hunks.is_empty() {
                found.push(section);
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Lines without line feeds; when the diff stands indented in a list or quote, without that indentation.
fn undented(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    let margin = |line: &[u8]| line.iter().take_while(|&&b| b == b' ' || b == b'\t').count();
    let first = (0..lines.len()).find_map(|i| {
        let n = margin(&lines[i]);
        let inner = &lines[i][n..];
        let next = lines.get(i + 1).map_or(&[][..], |l| &l[margin(l)..]);
        let starts = inner.starts_with(b"diff --git ") || inner.starts_with(b"--- ") && next.starts_with(b"+++ ");
        starts.then(|| lines[i][..n].to_vec())
    });
    if let Some(indent) = first.filter(|i| !i.is_empty()) {
        for line in &mut lines {
            if line.starts_with(&indent) {
                line.drain(..indent.len());
            } else if line.iter().all(u8::is_ascii_whitespace) {
                line.clear();
            }
        }
    }
    lines
}

fn starts_plain(lines: &[&[u8]], at: usize) -> bool {
    lines[at].starts_with(b"--- ")
        && lines.get(at + 1).is_some_and(|l| l.starts_with(b"+++ "))
        && lines.get(at + 2).is_some_and(|l| l.starts_with(b"@@ -"))
}

/// Reads the section that starts at `at`; returns where it ends.
fn read_section(lines: &[&[u8]], mut at: usize, section: &mut Section) -> usize {
    if lines[at].starts_with(b"diff --git ") {
        let line = without_cr(lines[at]);
        section.others.extend(both_names(&line[b"diff --git ".len()..]));
        section.header.push(line.to_vec());
        at += 1;
        while at < lines.len() && EXTENDED.iter().any(|e| lines[at].starts_with(e)) {
            let line = without_cr(lines[at]);
            for mark in [&b"copy from "[..], b"copy to ", b"rename from ", b"rename to "] {
                section.others.extend(line.strip_prefix(mark).map(|name| unquoted(name).0));
            }
            section.header.push(line.to_vec());
            at += 1;
        }
    }
    if at < lines.len() && without_cr(lines[at]) == b"GIT binary patch" {
        return read_binary(lines, at, section);
    }
    if at < lines.len() && starts_plain(lines, at) {
        let before = section.header.len();
        section.old = name(&lines[at][4..]);
        section.new = name(&lines[at + 1][4..]);
        section.header.push(without_cr(lines[at]).to_vec());
        section.header.push(without_cr(lines[at + 1]).to_vec());
        at += 2;
        while let Some((hunk, end)) = read_hunk(lines, at) {
            section.hunks.push(hunk);
            at = end;
        }
        if section.hunks.is_empty() {
            // names over a hunk without lines change nothing, and would not be read as names again
            section.header.truncate(before);
            (section.old, section.new) = (None, None);
        }
    }
    at
}

fn read_binary(lines: &[&[u8]], mut at: usize, section: &mut Section) -> usize {
    section.binary.push(b"GIT binary patch".to_vec());
    at += 1;
    while at < lines.len() && (lines[at].starts_with(b"literal ") || lines[at].starts_with(b"delta ")) {
        while at < lines.len() && !without_cr(lines[at]).is_empty() {
            section.binary.push(without_cr(lines[at]).to_vec());
            at += 1;
        }
        section.binary.push(Vec::new());
        at += 1;
    }
    at.min(lines.len())
}

/// Reads the hunk at `at`, if one is there: its lines are all that look like a hunk's, and how many its counts mean.
fn read_hunk(lines: &[&[u8]], at: usize) -> Option<(Hunk, usize)> {
    let header = lines.get(at)?;
    let ((old_start, mut old_left), (new_start, mut new_left), heading) = hunk_numbers(without_cr(header))?;
    let mut hunk = Hunk { old_start, new_start, heading, counted: None, lines: Vec::new() };
    let mut next = at + 1;
    while next < lines.len() {
        let line = lines[next];
        let done = old_left == 0 && new_left == 0;
        if done && !line.starts_with(b"\\") && hunk.counted.is_none() {
            hunk.counted = Some(hunk.lines.len());
        }
        if hunk.counted.is_none() {
            let (old, new) = match kind(line) {
                Some(b' ') => (1, 1),
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                _ => (0, 0),
            };
            // inside what the counts promise, `--- x` is a removed line
            if kind(line).is_none() || old > old_left || new > new_left {
                if ends_hunk(lines, next) {
                    break;
                }
                (old_left, new_left) = (usize::MAX, usize::MAX);
            } else {
                old_left = old_left.saturating_sub(old);
                new_left = new_left.saturating_sub(new);
            }
        } else if ends_hunk(lines, next) {
            break;
        }
        hunk.lines.push(line.to_vec());
        next += 1;
    }
    if old_left == 0 && new_left == 0 && hunk.counted.is_none() {
        hunk.counted = Some(hunk.lines.len());
    }
    // empty lines at the end belong to the prose, unless the counts say that they are context
    while hunk.lines.len() > hunk.counted.unwrap_or(0) && hunk.lines.last().is_some_and(|l| without_cr(l).is_empty()) {
        hunk.lines.pop();
    }
    (!hunk.lines.is_empty()).then_some((hunk, next))
}

/// What a hunk's line is; an empty line is context whose only blank was cut off.
fn kind(line: &[u8]) -> Option<u8> {
    match line.first() {
        None | Some(b'\r') => Some(b' '),
        Some(&b) if matches!(b, b' ' | b'+' | b'-' | b'\\') => Some(b),
        Some(_) => None,
    }
}

/// The text of a hunk can't go on at `at`: the next hunk, the next file, a fence, a mail's signature, or prose.
fn ends_hunk(lines: &[&[u8]], at: usize) -> bool {
    let line = lines[at];
    let signature = line.trim_ascii() == b"--"
        && lines.get(at + 1).is_none_or(|l| l.first().is_none_or(u8::is_ascii_digit))
        && lines.len() - at <= 4;
    kind(line).is_none() || starts_plain(lines, at) || signature
}

type Range = (usize, usize);

/// `@@ -1,2 +3,4 @@ heading`
fn hunk_numbers(line: &[u8]) -> Option<(Range, Range, Vec<u8>)> {
    let rest = line.strip_prefix(b"@@ -")?;
    let (old, rest) = range(rest)?;
    let (new, rest) = range(rest.strip_prefix(b" +")?)?;
    Some((old, new, rest.strip_prefix(b" @@")?.to_vec()))
}

fn range(text: &[u8]) -> Option<(Range, &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => number(rest).map(|(count, rest)| ((start, count), rest)),
        None => Some(((start, 1), rest)),
    }
}

fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let n = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some((n, &text[digits..]))
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The name in a `---` or `+++` line; a tab begins the time stamp.
fn name(text: &[u8]) -> Option<Vec<u8>> {
    let text = without_cr(text);
    let name = if text.starts_with(b"\"") {
        unquoted(text).0
    } else {
        text.split(|&b| b == b'\t').next().unwrap_or(text).to_vec()
    };
    (name != b"/dev/null").then_some(name)
}

/// A name that may stand in double quotes with C escapes, and how many bytes of the text it took.
fn unquoted(text: &[u8]) -> (Vec<u8>, usize) {
    let Some(inner) = text.strip_prefix(b"\"") else { return (text.to_vec(), text.len()) };
    let (mut out, mut at) = (Vec::new(), 0);
    while at < inner.len() && inner[at] != b'"' {
        if inner[at] != b'\\' {
            out.push(inner[at]);
            at += 1;
            continue;
        }
        let octal: Vec<u8> =
            inner[at + 1..].iter().copied().take(3).take_while(|b| (b'0'..=b'7').contains(b)).collect();
        if octal.is_empty() {
            out.push(match inner.get(at + 1) {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(b'a') => 7,
                Some(b'b') => 8,
                Some(b'v') => 11,
                Some(b'f') => 12,
                Some(&b) => b,
                None => b'\\',
            });
            at += 2;
        } else {
            out.push(octal.iter().fold(0u32, |n, b| n * 8 + u32::from(b - b'0')) as u8);
            at += 1 + octal.len();
        }
    }
    (out, at + 2)
}

/// The two names of a `diff --git` line. Unquoted names with blanks are told apart by being the same twice.
fn both_names(text: &[u8]) -> Vec<Vec<u8>> {
    if text.starts_with(b"\"") {
        let (first, used) = unquoted(text);
        let rest = text.get(used..).unwrap_or(&[]).trim_ascii_start();
        return vec![first, unquoted(rest).0];
    }
    let blanks = text.iter().enumerate().filter(|(_, b)| **b == b' ').map(|(i, _)| i);
    let bare = |name: &[u8]| name.iter().position(|&b| b == b'/').map_or(name.to_vec(), |i| name[i + 1..].to_vec());
    for i in blanks {
        let (left, right) = (&text[..i], &text[i + 1..]);
        if left == right || right.starts_with(b"\"") || bare(left) == bare(right) {
            return vec![left.to_vec(), unquoted(right).0];
        }
    }
    text.split(|&b| b == b' ').map(<[u8]>::to_vec).collect()
}

impl Section {
    /// Every name in it, with whatever prefix it has.
    pub fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.old.iter().chain(&self.new).chain(&self.others)
    }

    /// The counts of some hunk do not fit its lines, so that another reading is worth a try.
    pub fn miscounted(&self) -> bool {
        self.hunks.iter().any(|h| h.counted != Some(h.lines.len()))
    }

    /// Appends the section as git reads it. `old` is the content of its file, where known.
    pub fn write(&self, out: &mut Vec<u8>, reading: Reading, old: Option<&[u8]>) {
        for line in self.header.iter().chain(&self.binary) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        let ends = reading.match_line_ends.then(|| LineEnds::between(old.unwrap_or(&[]), &self.hunks));
        for hunk in &self.hunks {
            hunk.write(out, reading.recount, ends.unwrap_or(LineEnds::Keep));
        }
    }
}

/// What to do to the line ends of hunks so that they are those of their file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    Keep,
    CutCr,
    AddCr,
}

impl LineEnds {
    fn between(file: &[u8], hunks: &[Hunk]) -> Self {
        let file: Vec<&[u8]> = file.split_inclusive(|&b| b == b'\n').filter(|l| l.ends_with(b"\n")).collect();
        let crlf_file = !file.is_empty() && file.iter().all(|l| l.ends_with(b"\r\n"));
        let lines = || hunks.iter().flat_map(|h| &h.lines).filter(|l| !l.starts_with(b"\\"));
        let crlf = lines().filter(|l| l.ends_with(b"\r")).count();
        if crlf_file && crlf == 0 {
            Self::AddCr
        } else if !crlf_file && crlf > 0 && crlf == lines().count() {
            Self::CutCr
        } else {
            Self::Keep
        }
    }
}

impl Hunk {
    fn write(&self, out: &mut Vec<u8>, recount: bool, ends: LineEnds) {
        let lines = match self.counted {
            Some(counted) if !recount => &self.lines[..counted],
            _ => &self.lines[..],
        };
        let count = |marks: [u8; 2]| lines.iter().filter(|l| kind(l).is_some_and(|k| marks.contains(&k))).count();
        let (old, new) = (count([b' ', b'-']), count([b' ', b'+']));
        out.extend_from_slice(format!("@@ -{},{old} +{},{new} @@", self.old_start, self.new_start).as_bytes());
        out.extend_from_slice(&self.heading);
        out.push(b'\n');
        for (i, line) in lines.iter().enumerate() {
            if without_cr(line).is_empty() {
                out.push(b' ');
            }
            let cut_off = lines.get(i + 1).is_some_and(|l| l.starts_with(b"\\"));
            match ends {
                LineEnds::CutCr => out.extend_from_slice(without_cr(line)),
                LineEnds::AddCr if !line.starts_with(b"\\") && !cut_off => {
                    out.extend_from_slice(line);
                    out.push(b'\r');
                }
                LineEnds::AddCr | LineEnds::Keep => out.extend_from_slice(line),
            }
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Reading = Reading { recount: false, match_line_ends: false };

    fn rewritten(text: &str, reading: Reading) -> String {
        let mut out = Vec::new();
        for section in sections(text.as_bytes()) {
            section.write(&mut out, reading, None);
        }
        String::from_utf8(out).unwrap()
    }

    const DIFF: &str = "diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@ def f():\n a\n-b\n+c\n d\n";

    #[test]
    fn a_diff_is_found_in_a_mail_a_fence_and_an_indented_list() {
        let mail = format!("From 1 Mon\nSubject: x\n\n--- \n x.py | 2 +-\n\n{DIFF}-- \n2.43.0\n\n");
        let fence = format!("Here you are:\n\n```diff\n{DIFF}```\nThat's it.\n");
        let indented: String = fence.lines().map(|l| format!("    {l}\n")).collect();
        for text in [DIFF, &mail, &fence, &indented] {
            assert_eq!(rewritten(text, PLAIN), DIFF, "{text}");
        }
    }

    #[test]
    fn wrong_counts_are_counted_anew() {
        let wrong = DIFF.replace("-1,3 +1,3", "-1,9 +1,2");
        let text = format!("{wrong}\nSome prose.\n");
        assert_eq!(rewritten(&text, Reading { recount: true, match_line_ends: false }), DIFF);
        assert!(sections(text.as_bytes())[0].miscounted());
        let short = DIFF.replace("-1,3 +1,3", "-1,2 +1,2");
        assert!(sections(short.as_bytes())[0].miscounted());
        assert_eq!(rewritten(&short, Reading { recount: true, match_line_ends: false }), DIFF);
    }

    #[test]
    fn a_removed_line_that_looks_like_a_header_stays_a_line() {
        let text = "--- a/x\n+++ b/x\n@@ -1,2 +1,1 @@\n--- old\n+++ new\n-b\n";
        assert_eq!(sections(text.as_bytes()).len(), 1);
        assert_eq!(sections(text.as_bytes())[0].hunks[0].lines.len(), 3);
    }

    #[test]
    fn names_are_read_with_quotes_blanks_and_time_stamps() {
        let text = "diff --git \"a/\\303\\244\\n.py\" \"b/\\303\\244\\n.py\"\nold mode 100644\nnew mode 100755\n";
        assert_eq!(sections(text.as_bytes())[0].others, vec!["a/ä\n.py".as_bytes().to_vec(), "b/ä\n.py".into()]);
        let text = "diff --git a/x y z b/x y z\nold mode 100644\nnew mode 100755\n";
        assert_eq!(sections(text.as_bytes())[0].others, vec![b"a/x y z".to_vec(), b"b/x y z".to_vec()]);
        let text = "--- x y.py\t2026-01-01 00:00:00\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
        let section = &sections(text.as_bytes())[0];
        assert_eq!((section.old.as_deref(), section.new.as_deref()), (Some(&b"x y.py"[..]), None));
    }

    #[test]
    fn line_ends_follow_the_file() {
        let write = |text: &str, file: &str| {
            let mut out = Vec::new();
            let reading = Reading { recount: false, match_line_ends: true };
            sections(text.as_bytes())[0].write(&mut out, reading, Some(file.as_bytes()));
            String::from_utf8(out).unwrap()
        };
        let crlf = DIFF.replace('\n', "\r\n");
        assert_eq!(write(&crlf, "a\nb\nd\n"), DIFF);
        assert!(write(DIFF, "a\r\nb\r\nd\r\n").ends_with(" a\r\n-b\r\n+c\r\n d\r\n"));
        assert!(write(&crlf, "a\r\nb\r\nd\r\n").ends_with(" a\r\n-b\r\n+c\r\n d\r\n"));
    }

    #[test]
    fn prose_without_a_diff_has_no_sections() {
        assert!(sections(b"--- \n+++ nothing\n- a list\n+ a plus\n").is_empty());
        assert!(sections(b"").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = sections(&text);
        }

        #[test]
        fn any_mix_of_diff_lines_can_be_read_and_read_again(
            picks in proptest::collection::vec(0usize..14, 0..40)
        ) {
            let parts = ["diff --git a/x b/x", "--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@", "@@ -1 +1 @@ f", " a", "-b",
                "+c", "", "\\ No newline at end of file", "GIT binary patch", "literal 3", "```", "-- "];
            let text = picks.iter().map(|&i| format!("{}\n", parts[i])).collect::<String>();
            for recount in [false, true] {
                let once = rewritten(&text, Reading { recount, match_line_ends: false });
                let twice = rewritten(&once, Reading { recount, match_line_ends: false });
                prop_assert_eq!(once, twice);
            }
        }
    }
}
