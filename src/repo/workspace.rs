//! A workspace: one temporary checkout of a snapshot with the ignored build folders carried over; gone when dropped.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::repo::carry::Carry;
use crate::repo::{Sha, Snapshot, Store};

/// A checkout of a snapshot that tests may run in. It has a git directory of its own, so that nothing that runs in it
/// can reach the user's configuration, refs or hooks, nor another workspace's.
#[derive(Debug)]
pub struct Workspace {
    /// Top of the checkout.
    pub path: PathBuf,
    /// What was checked out.
    pub snapshot: Snapshot,
}

impl Workspace {
    /// Checks `snapshot` out into `store.temp/<name>`, carries build folders, keeps the time stamps of files that are
    /// the same in the user's tree.
    ///
    /// # Errors
    /// When the disk is full or git fails.
    pub fn create(store: &Store, snapshot: &Snapshot, name: &str, carry: &Carry) -> Result<Self> {
        let _ = (store, snapshot, name, carry);
        unimplemented!()
    }
    /// Puts every file back to the snapshot: changed and deleted files restored, new files removed, build folders left
    /// as they are. Files that did not change keep their time stamps.
    ///
    /// # Errors
    /// When files can't be written.
    pub fn reset(&self) -> Result<()> {
        unimplemented!()
    }
    /// The tree of what is in the workspace now (not ignored files), computed with a git directory that no test could
    /// reach: equal to `snapshot.tree` exactly when the workspace is pristine.
    ///
    /// # Errors
    /// When git fails.
    pub fn tree_now(&self) -> Result<Sha> {
        unimplemented!()
    }
    /// Where a path of the repository (`/`-separated bytes) is in this workspace.
    pub fn at(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.path.join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}
