//! Writing a change of one file as git writes it: headers by hand, hunks and binary data by libgit2.

use super::{FileChange, FileContent};

/// Bytes of the header line `--- /dev/null`.
const NOTHING: &[u8] = b"/dev/null";
/// What git writes for the object name of a file that is not there.
const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// `path` as git puts it in a header: in double quotes with C escapes when it has odd bytes, else as it is.
pub fn quoted(prefix: &str, path: &[u8]) -> Vec<u8> {
    let mut out = prefix.as_bytes().to_vec();
    if !path.iter().any(|&b| !(0x20..0x7f).contains(&b) || b == b'"' || b == b'\\') {
        out.extend_from_slice(path);
        return out;
    }
    out.insert(0, b'"');
    for &b in path {
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b if !(0x20..0x7f).contains(&b) => out.extend_from_slice(format!("\\{b:03o}").as_bytes()),
            b => out.push(b),
        }
    }
    out.push(b'"');
    out
}

/// Appends the change of one file.
pub(super) fn write_file(out: &mut Vec<u8>, path: &[u8], change: &FileChange) {
    // git shows a change of the type (file to link) as a deletion and a creation
    if let FileChange { old: Some(old), new: Some(new) } = change
        && old.mode & 0o170000 != new.mode & 0o170000
    {
        write_file(out, path, &FileChange { old: Some(old.clone()), new: None });
        write_file(out, path, &FileChange { old: None, new: Some(new.clone()) });
        return;
    }
    header(out, path, change);
    let Some(body) = body(change) else { return };
    if body.starts_with(b"@@") {
        names(out, path, change);
    }
    out.extend_from_slice(&body);
}

fn header(out: &mut Vec<u8>, path: &[u8], change: &FileChange) {
    let mut line = |parts: &[&[u8]]| {
        for part in parts {
            out.extend_from_slice(part);
        }
        out.push(b'\n');
    };
    line(&[b"diff --git ", &quoted("a/", path), b" ", &quoted("b/", path)]);
    let mut same_mode = String::new();
    match (&change.old, &change.new) {
        (None, Some(new)) => line(&[b"new file mode ", octal(new).as_bytes()]),
        (Some(old), None) => line(&[b"deleted file mode ", octal(old).as_bytes()]),
        (Some(old), Some(new)) if old.mode != new.mode => {
            line(&[b"old mode ", octal(old).as_bytes()]);
            line(&[b"new mode ", octal(new).as_bytes()]);
        }
        (Some(old), Some(_)) => same_mode = format!(" {}", octal(old)),
        (None, None) => {}
    }
    if change.old_bytes() != change.new_bytes() || change.old.is_none() || change.new.is_none() {
        line(
            &[format!("index {}..{}{same_mode}", object(change.old.as_ref()), object(change.new.as_ref())).as_bytes()],
        );
    }
}

fn names(out: &mut Vec<u8>, path: &[u8], change: &FileChange) {
    for (mark, prefix, content) in [(&b"--- "[..], "a/", &change.old), (&b"+++ "[..], "b/", &change.new)] {
        out.extend_from_slice(mark);
        match content {
            Some(_) => {
                let name = quoted(prefix, path);
                // a tab ends an unquoted name that has spaces; readers would take the rest for a time stamp otherwise
                let tab = name.contains(&b' ') && !name.starts_with(b"\"");
                out.extend_from_slice(&name);
                out.extend_from_slice(if tab { b"\t" } else { b"" });
            }
            None => out.extend_from_slice(NOTHING),
        }
        out.push(b'\n');
    }
}

fn octal(content: &FileContent) -> String {
    format!("{:06o}", content.mode)
}

fn object(content: Option<&FileContent>) -> String {
    content
        .and_then(|c| git2::Oid::hash_object(git2::ObjectType::Blob, &c.bytes).ok())
        .map_or_else(|| NO_OBJECT.to_owned(), |oid| oid.to_string())
}

fn diff(change: &FileChange) -> Option<git2::Patch<'_>> {
    let mut options = git2::DiffOptions::new();
    options.context_lines(3).show_binary(true).indent_heuristic(true);
    git2::Patch::from_buffers(change.old_bytes(), None, change.new_bytes(), None, Some(&mut options)).ok()
}

/// Hunks or binary data; `None` when the contents are equal.
fn body(change: &FileChange) -> Option<Vec<u8>> {
    if change.old_bytes() == change.new_bytes() {
        return None;
    }
    let text = diff(change)?.to_buf().ok()?.to_vec();
    let start = [&b"\n@@ "[..], b"\nGIT binary patch"].iter().filter_map(|mark| find(&text, mark)).min()?;
    Some(text[start + 1..].to_vec())
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|w| w == mark)
}

/// Lines added and removed.
pub(super) fn line_counts(change: &FileChange) -> (usize, usize) {
    if change.old_bytes() == change.new_bytes() {
        return (0, 0);
    }
    diff(change).and_then(|p| p.line_stats().ok()).map_or((0, 0), |(_, added, removed)| (added, removed))
}

#[cfg(test)]
mod tests {
    use super::super::{MODE_EXECUTABLE, MODE_FILE, Patch};
    use super::*;

    #[test]
    fn odd_names_are_quoted_as_git_does() {
        assert_eq!(quoted("a/", b"src/x y.py"), b"a/src/x y.py");
        assert_eq!(quoted("a/", b"\xc3\xa4\t\"\\"), br#""a/\303\244\t\"\\""#);
    }

    #[test]
    fn a_text_change_reads_like_git_diff() {
        let patch = Patch::of_text(b"x y.txt", b"a\nb", b"a\nc\n");
        let text = String::from_utf8(patch.unified()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "diff --git a/x y.txt b/x y.txt");
        assert!(lines[1].starts_with("index ") && lines[1].ends_with(" 100644"), "{}", lines[1]);
        assert_eq!(
            lines[2..],
            ["--- a/x y.txt\t", "+++ b/x y.txt\t", "@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+c"]
        );
    }

    #[test]
    fn a_changed_mode_alone_has_no_hunks() {
        let mut patch = Patch::of_text(b"run.sh", b"a\n", b"a\n");
        patch.files.get_mut(b"run.sh".as_slice()).unwrap().new.as_mut().unwrap().mode = MODE_EXECUTABLE;
        assert_eq!(
            String::from_utf8(patch.unified()).unwrap(),
            "diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
        );
    }

    #[test]
    fn a_binary_change_is_a_git_binary_patch() {
        let change = FileChange { old: None, new: Some(FileContent { mode: MODE_FILE, bytes: vec![0, 1, 2] }) };
        let mut out = Vec::new();
        write_file(&mut out, b"x.bin", &change);
        assert!(find(&out, b"\nGIT binary patch\nliteral 3\n").is_some(), "{}", String::from_utf8_lossy(&out));
    }
}
