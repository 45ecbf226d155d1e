//! One output stream on its way to disk: the head and the tail are kept, the middle is counted and dropped.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::system::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};

/// How the one line begins that stands where the middle of an output was dropped; the number of bytes follows.
pub const DROPPED: &str = "[kaizen-ci dropped ";

/// How far a cut may move to fall on a line end. A line cut in two can read as something else (`not ok 5` as `ok 5`).
const LINE_MOST_BYTES: usize = 64 * 1024;

/// Writes a stream of any length to a file of about `cap` bytes, in memory of at most half of that.
pub(super) struct Capture {
    file: File,
    /// Room that is left for the head.
    head_left: u64,
    /// Bytes of the head in the file.
    head_bytes: u64,
    /// Bytes at the end of the head that follow its last line end.
    open_line: u64,
    tail: Ring,
    total: u64,
}

impl Capture {
    /// Makes the file new. Whatever stood at `path` (a link, a pipe) is removed, not followed; only a device such as
    /// `/dev/null` is written to as it is.
    pub fn create(path: &Path, cap: u64) -> io::Result<Self> {
        let is_device = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_char_device());
        let mut options = std::fs::OpenOptions::new();
        if !is_device {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            options.create_new(true).mode(0o600);
        }
        let file = options.write(true).open(path)?;
        let tail = Ring::new(usize::try_from(cap - cap / 2).unwrap_or(usize::MAX));
        Ok(Self { file, head_left: cap / 2, head_bytes: 0, open_line: 0, tail, total: 0 })
    }

    /// Takes more output.
    pub fn write(&mut self, mut data: &[u8]) -> io::Result<()> {
        self.total += data.len() as u64;
        if self.head_left > 0 {
            let cut = usize::try_from(self.head_left).unwrap_or(usize::MAX).min(data.len());
            let (head, rest) = data.split_at(cut);
            self.file.write_all(head)?;
            self.head_left -= cut as u64;
            self.head_bytes += cut as u64;
            self.open_line = match head.iter().rposition(|b| *b == b'\n') {
                Some(at) => (cut - at - 1) as u64,
                None => self.open_line + cut as u64,
            };
            data = rest;
        }
        self.tail.push(data);
        Ok(())
    }

    /// Bytes taken so far.
    #[cfg(unix)]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Writes the tail; returns how many bytes came in all.
    pub fn finish(mut self) -> io::Result<u64> {
        let dropped = self.tail.dropped;
        if dropped == 0 {
            let (a, b) = self.tail.parts();
            self.file.write_all(a)?;
            self.file.write_all(b)?;
            return Ok(self.total);
        }
        let back = if self.open_line <= LINE_MOST_BYTES as u64 { self.open_line } else { 0 };
        let skip = self.tail.first_line_end(LINE_MOST_BYTES).unwrap_or(0);
        let mut at = self.head_bytes - back;
        let lone = if back == self.open_line { "" } else { "\n" };
        let line = format!("{lone}{DROPPED}{} bytes here]\n", dropped + back + skip as u64);
        let (a, b) = self.tail.parts();
        let (a, b) = (a.get(skip..).unwrap_or(&[]), b.get(skip.saturating_sub(a.len())..).unwrap_or(&[]));
        for part in [line.as_bytes(), a, b] {
            self.file.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        // a device has no length
        if self.file.metadata()?.is_file() {
            self.file.set_len(at)?;
        }
        Ok(self.total)
    }
}

/// The last bytes of a stream; grows to its size only when they come.
struct Ring {
    size: usize,
    bytes: Vec<u8>,
    /// Where the oldest byte is, once it is full.
    start: usize,
    dropped: u64,
}

impl Ring {
    fn new(size: usize) -> Self {
        Self { size, bytes: Vec::new(), start: 0, dropped: 0 }
    }

    fn push(&mut self, data: &[u8]) {
        let room = self.size - self.bytes.len();
        let (first, mut rest) = data.split_at(room.min(data.len()));
        self.bytes.extend_from_slice(first);
        self.dropped += rest.len() as u64;
        // only the last `size` bytes of what overwrites can stay
        rest = &rest[rest.len().saturating_sub(self.size)..];
        while !rest.is_empty() {
            let cut = rest.len().min(self.size - self.start);
            self.bytes[self.start..self.start + cut].copy_from_slice(&rest[..cut]);
            self.start = (self.start + cut) % self.size;
            rest = &rest[cut..];
        }
    }

    /// Oldest bytes first.
    fn parts(&self) -> (&[u8], &[u8]) {
        let (new, old) = self.bytes.split_at(self.start);
        (old, new)
    }

    /// Length of the first line with its end, when it ends within `most` bytes.
    fn first_line_end(&self, most: usize) -> Option<usize> {
        let (a, b) = self.parts();
        a.iter().chain(b).take(most).position(|byte| *byte == b'\n').map(|at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(chunks: &[Vec<u8>], cap: u64) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut capture = Capture::create(&path, cap).unwrap();
        chunks.iter().for_each(|chunk| capture.write(chunk).unwrap());
        assert_eq!(capture.finish().unwrap(), chunks.iter().map(|c| c.len() as u64).sum::<u64>());
        std::fs::read(path).unwrap()
    }

    #[test]
    fn the_middle_is_replaced_by_one_line_between_whole_lines() {
        let lines: Vec<Vec<u8>> = (0..1000).map(|n| format!("not ok {n}\n").into_bytes()).collect();
        let text = String::from_utf8(captured(&lines, 200)).unwrap();
        let dropped: Vec<_> = text.lines().filter(|l| l.starts_with(DROPPED)).collect();
        assert_eq!(dropped.len(), 1);
        assert!(text.lines().all(|l| l.starts_with("not ok ") || l == dropped[0]), "{text}");
        assert!(text.starts_with("not ok 0\n") && text.ends_with("not ok 999\n"));
        let kept = text.len() - dropped[0].len() - 1;
        let all: usize = lines.iter().map(Vec::len).sum();
        assert_eq!(dropped[0], format!("{DROPPED}{} bytes here]", all - kept));
    }

    #[test]
    fn one_endless_line_is_cut_where_the_cap_says() {
        let text = captured(&[vec![b'a'; 300_000], vec![b'b'; 300_000]], 200_000);
        assert_eq!(text.iter().filter(|b| **b == b'b').count(), 100_000 + 1, "and the b of `bytes`");
        assert_eq!(&text[..100_000], vec![b'a'; 100_000]);
        assert!(text[100_000..].starts_with(b"\n[kaizen-ci dropped 400000 bytes here]\nbbb"));
    }

    #[test]
    fn a_link_in_the_place_of_a_log_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "keep").unwrap();
        let log = dir.path().join("log");
        std::os::unix::fs::symlink(&precious, &log).unwrap();
        Capture::create(&log, 10).unwrap().finish().unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"keep");
        assert!(std::fs::symlink_metadata(&log).unwrap().is_file());
    }

    proptest! {
        #[test]
        fn what_fits_is_kept_byte_for_byte_and_what_does_not_is_counted(
            chunks in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40), 0..40),
            cap in 0u64..400,
        ) {
            let all: Vec<u8> = chunks.concat();
            let kept = captured(&chunks, cap);
            if all.len() as u64 <= cap {
                prop_assert_eq!(kept, all);
            } else {
                let at = kept.windows(DROPPED.len()).position(|w| w == DROPPED.as_bytes()).unwrap();
                let number: Vec<u8> =
                    kept[at + DROPPED.len()..].iter().copied().take_while(u8::is_ascii_digit).collect();
                let dropped: usize = String::from_utf8(number.clone()).unwrap().parse().unwrap();
                let tail = &kept[at + DROPPED.len() + number.len() + " bytes here]\n".len()..];
                prop_assert!(all.ends_with(tail));
                let head_bytes = all.len() - dropped - tail.len();
                prop_assert!(kept.starts_with(&all[..head_bytes]));
                prop_assert!(at == head_bytes || at == head_bytes + 1);
            }
        }
    }
}
