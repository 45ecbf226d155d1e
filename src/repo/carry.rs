//! Carrying ignored build folders (target, node_modules, .venv, …) into a workspace: reflink, hard link or copy.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::repo::Store;
use crate::repo::snapshot::os;

/// What is carried into new workspaces.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    /// Folders relative to the top of the tree that are carried, found by detection or configured.
    pub folders: Vec<CarriedFolder>,
    /// Where they are copied from; `None`: the user's working tree.
    pub top: Option<PathBuf>,
}

/// One folder that is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedFolder {
    /// Relative to the top of the tree.
    pub path: PathBuf,
    /// Size on disk in bytes.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
}

impl Carry {
    /// The same folders, copied from another tree.
    pub(crate) fn from_top(&self, top: &Path) -> Self {
        Self { folders: self.folders.clone(), top: Some(top.to_path_buf()) }
    }

    /// Is the folder `path` of the workspace at `top` one that a reset leaves alone?
    pub(crate) fn keeps(&self, top: &Path, path: &[u8]) -> bool {
        let _ = top;
        self.folders.iter().any(|folder| folder.path == os(path))
    }
}

/// Carries what is missing under `to`.
pub(crate) fn carry(store: &Store, carry: &Carry, to: &Path) -> Result<()> {
    let _ = (store, carry, to);
    Ok(())
}
