//! Reader of git's index file (versions 2 to 4): paths, modes, blobs and the stat data that says which files are clean.

use crate::error::{Error, Result};

/// What git remembers of a file's `lstat`, cut to 32 bits as git does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Change time: seconds, nanoseconds.
    pub ctime: (u32, u32),
    /// Modification time: seconds, nanoseconds.
    pub mtime: (u32, u32),
    /// Device.
    pub dev: u32,
    /// Inode.
    pub ino: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u32,
}

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path, `/`-separated bytes.
    pub path: Vec<u8>,
    /// Git file mode.
    pub mode: u32,
    /// The blob (or the commit, for a submodule).
    pub oid: [u8; 20],
    /// 0, or 1 to 3 for an unmerged path.
    pub stage: u8,
    /// Left out of the working tree by a sparse checkout.
    pub skip_worktree: bool,
    /// Added with `git add -N`: a name without content.
    pub intent_to_add: bool,
    /// The file's stat data when it was last seen clean.
    pub stat: Stat,
}

const HEADER_BYTES: usize = 12;
/// Stat data, object name and flags in front of the path.
const FIXED_BYTES: usize = 62;
const EXTENDED: u16 = 0x4000;
const SKIP_WORKTREE: u16 = 0x4000;
const INTENT_TO_ADD: u16 = 0x2000;

/// The entries of an index file with SHA-1 names. Extensions (cache tree, untracked cache, …) are passed over.
///
/// # Errors
/// When `bytes` are not such an index.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>> {
    parse_entries(bytes).ok_or_else(|| Error::repository("git's index is damaged or of an unknown version"))
}

fn parse_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    if bytes.get(..4)? != b"DIRC" {
        return None;
    }
    let version = u32_at(bytes, 4)?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let count = u32_at(bytes, 8)? as usize;
    // every entry has at least its fixed part: a damaged count can't make us reserve the world
    let mut entries = Vec::with_capacity(count.min(bytes.len() / FIXED_BYTES));
    let mut at = HEADER_BYTES;
    let mut previous: Vec<u8> = Vec::new();
    for _ in 0..count {
        let (entry, next) = parse_entry(bytes, at, version, &previous)?;
        if version == 4 {
            previous.clone_from(&entry.path);
        }
        entries.push(entry);
        at = next;
    }
    Some(entries)
}

fn parse_entry(bytes: &[u8], start: usize, version: u32, previous: &[u8]) -> Option<(Entry, usize)> {
    let word = |n: usize| u32_at(bytes, start + 4 * n);
    let stat = Stat {
        ctime: (word(0)?, word(1)?),
        mtime: (word(2)?, word(3)?),
        dev: word(4)?,
        ino: word(5)?,
        uid: word(7)?,
        gid: word(8)?,
        size: word(9)?,
    };
    let oid: [u8; 20] = bytes.get(start + 40..start + 60)?.try_into().ok()?;
    let flags = u16_at(bytes, start + 60)?;
    let mut at = start + FIXED_BYTES;
    let extended = if flags & EXTENDED != 0 {
        at += 2;
        u16_at(bytes, at - 2)?
    } else {
        0
    };
    let (path, next) = if version == 4 { prefixed_path(bytes, at, previous)? } else { padded_path(bytes, start, at)? };
    let entry = Entry {
        path,
        mode: word(6)?,
        oid,
        stage: ((flags >> 12) & 3) as u8,
        skip_worktree: extended & SKIP_WORKTREE != 0,
        intent_to_add: extended & INTENT_TO_ADD != 0,
        stat,
    };
    Some((entry, next))
}

/// Versions 2 and 3: the path ends with 1 to 8 zeros, so that the entry's length is a multiple of 8.
fn padded_path(bytes: &[u8], start: usize, at: usize) -> Option<(Vec<u8>, usize)> {
    let rest = bytes.get(at..)?;
    let len = rest.iter().position(|b| *b == 0)?;
    let next = start + (at + len - start) / 8 * 8 + 8;
    Some((rest[..len].to_vec(), next))
}

/// Version 4: how many bytes of the previous path to drop (as a variable-length number), then the rest up to a zero.
fn prefixed_path(bytes: &[u8], mut at: usize, previous: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut byte = *bytes.get(at)?;
    at += 1;
    let mut strip = usize::from(byte & 127);
    while byte & 128 != 0 {
        byte = *bytes.get(at)?;
        at += 1;
        strip = strip.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 127))?;
    }
    let rest = bytes.get(at..)?;
    let len = rest.iter().position(|b| *b == 0)?;
    let mut path = previous.get(..previous.len().checked_sub(strip)?)?.to_vec();
    path.extend_from_slice(&rest[..len]);
    Some((path, at + len + 1))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_indexes_are_refused_or_read_but_never_panic(
            version in 1u32..6, count in any::<u32>(), rest in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut bytes = b"DIRC".to_vec();
            bytes.extend(version.to_be_bytes());
            bytes.extend((count % 9).to_be_bytes());
            bytes.extend(rest);
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn an_index_that_promises_too_much_is_refused() {
        let mut bytes = b"DIRC\0\0\0\x02".to_vec();
        bytes.extend(u32::MAX.to_be_bytes());
        assert!(parse(&bytes).is_err());
        assert!(parse(b"").is_err());
        assert_eq!(parse(b"DIRC\0\0\0\x02\0\0\0\0").unwrap(), []);
    }
}
