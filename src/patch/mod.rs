//! Patches: what changes against a snapshot, as whole files in and out and as a unified diff for people.

pub mod parse;

use std::collections::BTreeMap;

/// Normal file.
pub const MODE_FILE: u32 = 0o100644;
/// Executable file.
pub const MODE_EXECUTABLE: u32 = 0o100755;

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
        unimplemented!()
    }
    /// Lines added and removed.
    pub fn lines(&self) -> (usize, usize) {
        unimplemented!()
    }
    /// SHA-256 over paths, modes and contents after the change, hexadecimal: equal for candidates that are the same.
    pub fn hash(&self) -> String {
        unimplemented!()
    }
}
