//! Carrying ignored build folders (target, node_modules, .venv, …) into a workspace: reflink, hard link or copy.

use std::path::PathBuf;

/// What is carried into new workspaces.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    /// Folders relative to the top of the tree that are carried, found by [`detect`] or configured.
    pub folders: Vec<CarriedFolder>,
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
