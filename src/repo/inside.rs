//! The `.git` folder inside a workspace: tests may ask git about the tree, but reach nothing of the user's through it.

use std::path::Path;

use crate::error::Result;
use crate::repo::store::{copy, make_git_dir, write};
use crate::repo::{Snapshot, Store};

/// Makes `top/.git` with a detached HEAD at the snapshot and a copy of `index_file`: no remote, hook, branch or
/// configuration of the user's. It borrows objects from the store, so `git log`, `describe` and `ls-files` work.
pub(crate) fn make(store: &Store, snapshot: &Snapshot, top: &Path, index_file: &Path) -> Result<()> {
    let dir = top.join(".git");
    let mut borrowed = vec![store.git_dir.join("objects")];
    borrowed.extend(store.shared.borrowed.iter().cloned());
    make_git_dir(&dir, false, &store.shared.settings, &borrowed)?;
    for rules in ["info/exclude", "info/attributes", "shallow"] {
        let from = store.git_dir.join(rules);
        if from.exists() {
            copy(&from, &dir.join(rules))?;
        }
    }
    copy(index_file, &dir.join("index"))?;
    write(&dir.join("HEAD"), format!("{}\n", snapshot.commit).as_bytes())
}
