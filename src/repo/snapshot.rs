//! The snapshot: the user's tree, dirty files included, frozen as a commit that no ref of theirs points to.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::repo::{Repository, Sha};

/// The private object store of one run: a bare repository in a temporary folder that borrows the user's objects
/// (alternates). New objects (snapshots, reverts, candidates) are written here and nowhere else.
#[derive(Debug, Clone)]
pub struct Store {
    /// The bare repository.
    pub git_dir: PathBuf,
    /// The run's temporary folder, which holds the store, the workspaces and the reports of test runs.
    pub temp: PathBuf,
    /// The repository that it borrows from.
    pub repository: Repository,
}

/// A tree to heal, as a commit in a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit; deterministic: same tree and parent, same name.
    pub commit: Sha,
    /// Its tree.
    pub tree: Sha,
    /// The commit underneath (HEAD of the user), if any.
    pub parent: Option<Sha>,
}

impl Store {
    /// Makes the store for a run under `temp` (an existing empty folder outside the user's repository).
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn create(repository: &Repository, temp: &Path) -> Result<Self> {
        let _ = (repository, temp);
        unimplemented!()
    }
    /// Freezes the user's tree as it is: staged, unstaged and untracked files, not ignored ones.
    ///
    /// # Errors
    /// When the tree can't be read, or an unmerged index stands in the way.
    pub fn snapshot(&self) -> Result<Snapshot> {
        unimplemented!()
    }
    /// An existing commit (the merge base, a step of a bisection) as a snapshot.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn snapshot_of(&self, commit: &Sha) -> Result<Snapshot> {
        let _ = commit;
        unimplemented!()
    }
    /// The content of `path` (bytes, `/`-separated) in `tree`, with its mode; `None` when it is not there.
    ///
    /// # Errors
    /// When the tree can't be read.
    pub fn read(&self, tree: &Sha, path: &[u8]) -> Result<Option<(u32, Vec<u8>)>> {
        let _ = (tree, path);
        unimplemented!()
    }
    /// Every file of `tree`: path, mode, blob.
    ///
    /// # Errors
    /// When the tree can't be read.
    pub fn files(&self, tree: &Sha) -> Result<Vec<(Vec<u8>, u32, Sha)>> {
        let _ = tree;
        unimplemented!()
    }
}
