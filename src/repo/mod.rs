//! Git: the user's repository (read only), snapshots of it, workspaces, revert and bisect.

pub mod bisect;
pub mod carry;
pub mod git;
pub mod revert;
pub mod snapshot;
pub mod workspace;

use std::path::{Path, PathBuf};

use crate::error::Result;

pub use crate::words::{Commit, Sha};
pub use snapshot::{Snapshot, Store};
pub use workspace::Workspace;

/// The user's repository, which we only ever read (but for our own folder `kaizen/` in its common git directory).
#[derive(Debug, Clone)]
pub struct Repository {
    /// Top of the working tree.
    pub root: PathBuf,
    /// Its git directory (of the linked worktree, when it is one).
    pub git_dir: PathBuf,
    /// The git directory that all worktrees share.
    pub common_dir: PathBuf,
    /// The commit that HEAD points to; none in a repository without commits.
    pub head: Option<Sha>,
    /// The branch that HEAD is on; none when detached.
    pub branch: Option<String>,
    /// History was cut off (`git clone --depth`).
    pub shallow: bool,
}

impl Repository {
    /// Finds the repository that `path` is in.
    ///
    /// # Errors
    /// When `path` is in no git working tree, or git can't read it.
    pub fn discover(path: &Path) -> Result<Self> {
        let _ = path;
        unimplemented!()
    }

    /// Our own folder: runs, memory of failures. Made when missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn state_dir(&self) -> Result<PathBuf> {
        unimplemented!()
    }

    /// The base branch: `configured`, else the remote's HEAD, else `main` or `master` (remote-tracking before local).
    /// `None` when there is none.
    ///
    /// # Errors
    /// When `configured` is given and does not exist.
    pub fn base_branch(&self, configured: Option<&str>) -> Result<Option<(String, Sha)>> {
        let _ = configured;
        unimplemented!()
    }

    /// The merge base of HEAD and `other`; `None` when there is none in this clone.
    ///
    /// # Errors
    /// When git fails.
    pub fn merge_base(&self, other: &Sha) -> Result<Option<Sha>> {
        let _ = other;
        unimplemented!()
    }

    /// First-parent history from `from` back, newest first, at most `most` commits, `from` included.
    ///
    /// # Errors
    /// When git fails.
    pub fn first_parents(&self, from: &Sha, most: usize) -> Result<Vec<Commit>> {
        let _ = (from, most);
        unimplemented!()
    }

    /// One commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn commit(&self, sha: &Sha) -> Result<Commit> {
        let _ = sha;
        unimplemented!()
    }
}
