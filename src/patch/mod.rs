//! Patches: what changes against a snapshot, as whole files in and out and as a unified diff for people.

pub mod apply;
pub mod ends;
pub mod outside;
pub mod parse;
mod unified;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use outside::parse;
pub use unified::quoted;

/// Normal file.
pub const MODE_FILE: u32 = 0o100644;
/// Executable file.
pub const MODE_EXECUTABLE: u32 = 0o100755;
/// Symbolic link.
pub const MODE_LINK: u32 = 0o120000;
/// Commit of a submodule.
pub const MODE_SUBMODULE: u32 = 0o160000;

/// Content and mode of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Git file mode: 100644, 100755; anything else (links, submodules) is for the guard to refuse.
    pub mode: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Before; `None`: the file is new.
    pub old: Option<FileContent>,
    /// After; `None`: the file is deleted.
    pub new: Option<FileContent>,
}

impl FileChange {
    /// The bytes before; empty for a new file.
    pub fn old_bytes(&self) -> &[u8] {
        self.old.as_ref().map_or(&[], |c| &c.bytes)
    }
    /// The bytes after; empty for a deleted file.
    pub fn new_bytes(&self) -> &[u8] {
        self.new.as_ref().map_or(&[], |c| &c.bytes)
    }
}

/// A set of file changes against a snapshot's tree. Paths are `/`-separated bytes as git has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    /// Changes by path, never empty changes.
    pub files: BTreeMap<Vec<u8>, FileChange>,
}

impl Patch {
    /// A patch of one file's new text.
    pub fn of_text(path: &[u8], old: &[u8], new: &[u8]) -> Self {
        let change = FileChange {
            old: Some(FileContent { mode: MODE_FILE, bytes: old.to_vec() }),
            new: Some(FileContent { mode: MODE_FILE, bytes: new.to_vec() }),
        };
        Self { files: BTreeMap::from([(path.to_vec(), change)]) }
    }
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
    /// Unified diff that `git apply` accepts (three lines of context, modes, quoted paths, binary as `GIT binary patch`).
    pub fn unified(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (path, change) in &self.files {
            unified::write_file(&mut out, path, change);
        }
        out
    }
    /// Lines added and removed; binary files count as none.
    pub fn lines(&self) -> (usize, usize) {
        self.files.values().map(unified::line_counts).fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1))
    }
    /// SHA-256 over paths, modes and contents after the change, hexadecimal: equal for candidates that are the same.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (path, change) in &self.files {
            // lengths in front of everything of variable size, so that no two patches share an encoding
            hash.update((path.len() as u64).to_be_bytes());
            hash.update(path);
            match &change.new {
                None => hash.update([0]),
                Some(content) => {
                    hash.update([1]);
                    hash.update(content.mode.to_be_bytes());
                    hash.update((content.bytes.len() as u64).to_be_bytes());
                    hash.update(&content.bytes);
                }
            }
        }
        hex::encode(hash.finalize())
    }
    /// The paths as text, for people.
    pub fn paths(&self) -> Vec<String> {
        self.files.keys().map(|p| String::from_utf8_lossy(p).into_owned()).collect()
    }
    /// Two patches: the files for which `take` says yes, and the rest.
    pub fn partition(&self, mut take: impl FnMut(&[u8], &FileChange) -> bool) -> (Self, Self) {
        let (yes, no) = self.files.clone().into_iter().partition(|(path, change)| take(path, change));
        (Self { files: yes }, Self { files: no })
    }
    /// This patch and then `later`, whose old side is this patch's new side; files that end as they began drop out.
    pub fn then(mut self, later: Self) -> Self {
        for (path, change) in later.files {
            let old = match self.files.remove(&path) {
                Some(first) => first.old,
                None => change.old,
            };
            if old != change.new {
                self.files.insert(path, FileChange { old, new: change.new });
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_sees_modes_contents_paths_and_deletions_but_not_the_old_side() {
        let patch = Patch::of_text(b"a", b"1\n", b"2\n");
        let mut executable = patch.clone();
        executable.files.get_mut(b"a".as_slice()).unwrap().new.as_mut().unwrap().mode = MODE_EXECUTABLE;
        let mut deleted = patch.clone();
        deleted.files.get_mut(b"a".as_slice()).unwrap().new = None;
        let hashes = [
            patch.hash(),
            executable.hash(),
            deleted.hash(),
            Patch::of_text(b"b", b"1\n", b"2\n").hash(),
            Patch::of_text(b"a", b"1\n", b"3\n").hash(),
        ];
        assert_eq!(hashes.iter().collect::<std::collections::BTreeSet<_>>().len(), hashes.len());
        assert_eq!(patch.hash(), Patch::of_text(b"a", b"other\n", b"2\n").hash());
    }

    #[test]
    fn a_patch_and_its_opposite_are_no_patch() {
        let there = Patch::of_text(b"a", b"1\n", b"2\n");
        let back = Patch::of_text(b"a", b"2\n", b"1\n");
        assert!(there.then(back).is_empty());
    }

    #[test]
    fn lines_are_counted_in_all_files() {
        let mut patch = Patch::of_text(b"a", b"1\n2\n3\n", b"1\nzwei\n3\n4\n");
        patch.files.insert(
            b"new".to_vec(),
            FileChange { old: None, new: Some(FileContent { mode: MODE_FILE, bytes: b"x\ny".to_vec() }) },
        );
        assert_eq!(patch.lines(), (4, 1));
    }
}
