//! Line ends on disk: where git turns them (`core.autocrlf`, as on most machines with Windows, or `eol=crlf`), a file has CRLF
//! and its blob, and with it every patch, has LF.

use std::borrow::Cow;

/// Is `disk` what git makes of the blob `content` when it writes a file?
pub fn stands_for(disk: &[u8], content: &[u8]) -> bool {
    disk == content || is_turned(disk, content)
}

/// `new` as it belongs on disk, where `disk` stands for `old` so far.
pub fn like<'a>(disk: &[u8], old: &[u8], new: &'a [u8]) -> Cow<'a, [u8]> {
    if disk != old && is_turned(disk, old) && !new.contains(&b'\r') {
        Cow::Owned(turned(new))
    } else {
        Cow::Borrowed(new)
    }
}

/// Git turns all line ends of a file or none, and none of a blob that has a CR.
fn is_turned(disk: &[u8], content: &[u8]) -> bool {
    let longer = disk.len().wrapping_sub(content.len());
    disk.contains(&b'\r')
        && !content.contains(&b'\r')
        && longer == content.iter().filter(|byte| **byte == b'\n').count()
        && disk == turned(content)
}

fn turned(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 16);
    for byte in content {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_line_ends_git_turned_stands_for_its_blob_and_keeps_them() {
        let (old, new): (&[u8], &[u8]) = (b"a\nb\nc", b"a\nx\nc\n");
        for (disk, stands, written) in [
            (&b"a\nb\nc"[..], true, &b"a\nx\nc\n"[..]),
            (b"a\r\nb\r\nc", true, b"a\r\nx\r\nc\r\n"),
            (b"a\r\nb\nc", false, b"a\nx\nc\n"),
            (b"a\r\nb\r\nd", false, b"a\nx\nc\n"),
        ] {
            let shown = String::from_utf8_lossy(disk);
            assert_eq!(stands_for(disk, old), stands, "{shown:?}");
            assert_eq!(&*like(disk, old, new), written, "{shown:?}");
        }
    }

    #[test]
    fn a_blob_that_has_carriage_returns_itself_is_taken_as_it_is() {
        assert!(stands_for(b"a\r\n", b"a\r\n") && !stands_for(b"a\r\r\n", b"a\r\n"));
        assert_eq!(&*like(b"a\r\n", b"a\r\n", b"b\n"), b"b\n");
        assert_eq!(&*like(b"a\r\n", b"a\n", b"b\r\n"), b"b\r\n");
    }
}
