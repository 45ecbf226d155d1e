//! A real revert of one commit on top of a snapshot, conflict-free or refused with the conflicting paths.

use std::ffi::{OsStr, OsString};

use crate::error::{Context as _, Error, Result};
use crate::patch::Patch;
use crate::repo::store::sha;
use crate::repo::{Commit, Sha, Snapshot, Store, git};
use crate::system::OsStringExt as _;

/// The first git whose `merge-tree` takes a merge base.
const MERGE_TREE: (u32, u32) = (2, 40);

/// A path that stands in the way of a revert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Path, `/`-separated bytes.
    pub path: Vec<u8>,
    /// Commits after the reverted one that changed it, newest first.
    pub later: Vec<Commit>,
    /// It has uncommitted changes.
    pub uncommitted: bool,
}

/// How a revert ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revert {
    /// Without conflict.
    Clean {
        /// A commit on top of the snapshot, worded as `git revert` does.
        snapshot: Snapshot,
        /// The same as changes of files.
        patch: Patch,
    },
    /// Nothing is left of the commit: later ones undid it.
    Nothing,
    /// Refused: these paths conflict.
    Conflicts(Vec<Conflict>),
}

enum Merged {
    Tree(Sha),
    Conflicts(Vec<Vec<u8>>),
}

impl Store {
    /// Reverts `culprit` (a merge: everything that it brought to its first parent) on top of `snapshot`. Nothing is
    /// checked out; renames are followed by git's own merge.
    ///
    /// # Errors
    /// When there is no such commit, or git fails.
    pub fn revert(&self, snapshot: &Snapshot, culprit: &Sha) -> Result<Revert> {
        let commit = self.repository.commit(culprit)?;
        let before = self.before(&commit)?;
        let merged = if git::version()? >= MERGE_TREE {
            self.merge_with_git(snapshot, culprit, &before)?
        } else {
            self.merge_with_libgit2(snapshot, culprit, &before)?
        };
        match merged {
            Merged::Conflicts(paths) => self.conflicts(snapshot, &commit, paths).map(Revert::Conflicts),
            Merged::Tree(tree) if tree == snapshot.tree => Ok(Revert::Nothing),
            Merged::Tree(tree) => {
                let patch = self.diff(&snapshot.tree, &tree)?;
                let parent = Some(snapshot.commit.clone());
                let commit = self.commit(&tree, parent.as_ref(), &message(&commit))?;
                Ok(Revert::Clean { snapshot: Snapshot { commit, tree, parent }, patch })
            }
        }
    }

    /// The state before `commit`: its first parent, or nothing at all for a root.
    fn before(&self, commit: &Commit) -> Result<Sha> {
        if let Some(parent) = commit.parents.first() {
            return Ok(parent.clone());
        }
        if self.repository.shallow {
            return Err(Error::repository(format!("{} is where this clone was cut off", commit.sha.short()))
                .why("what was before it is not here, so it can't be reverted")
                .hint("git fetch --unshallow origin    (in Actions: `fetch-depth: 0` in actions/checkout)"));
        }
        let empty = {
            let _writing = self.writing();
            self.with_git2(|repo| Ok(sha(repo.treebuilder(None)?.write()?))).context(|| "can't write a tree".into())?
        };
        self.commit(&empty, None, "Nothing")
    }

    fn merge_with_git(&self, snapshot: &Snapshot, culprit: &Sha, before: &Sha) -> Result<Merged> {
        let _writing = self.writing();
        let base = format!("--merge-base={culprit}");
        let args = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", &base];
        let (code, out, err) = self.git().args(args).args([&snapshot.commit.0, &before.0]).try_run(None)?;
        let mut fields = out.split(|b| *b == 0).filter(|f| !f.is_empty());
        let tree = fields.next().map(|tree| Sha(String::from_utf8_lossy(tree).into_owned()));
        match (code, tree) {
            (0, Some(tree)) => Ok(Merged::Tree(tree)),
            (1, Some(_)) => {
                let mut paths: Vec<Vec<u8>> = fields.map(<[u8]>::to_vec).collect();
                paths.dedup();
                Ok(Merged::Conflicts(paths))
            }
            _ => Err(git::failed("merge-tree", code, &err)),
        }
    }

    /// For gits before 2.40.
    fn merge_with_libgit2(&self, snapshot: &Snapshot, culprit: &Sha, before: &Sha) -> Result<Merged> {
        let _writing = self.writing();
        self.with_git2(|repo| {
            let tree = |sha: &Sha| repo.find_commit(git2::Oid::from_str(&sha.0)?)?.tree();
            let options = git2::MergeOptions::new();
            let (base, ours, theirs) = (tree(culprit)?, tree(&snapshot.commit)?, tree(before)?);
            let mut index = repo.merge_trees(&base, &ours, &theirs, Some(&options))?;
            if !index.has_conflicts() {
                return Ok(Merged::Tree(sha(index.write_tree_to(repo)?)));
            }
            let mut paths = Vec::new();
            for conflict in index.conflicts()? {
                let conflict = conflict?;
                let side = conflict.our.or(conflict.their).or(conflict.ancestor);
                paths.extend(side.map(|entry| entry.path));
            }
            paths.sort();
            paths.dedup();
            Ok(Merged::Conflicts(paths))
        })
        .in_repository(|| format!("can't revert {culprit}"))
    }

    fn conflicts(&self, snapshot: &Snapshot, culprit: &Commit, paths: Vec<Vec<u8>>) -> Result<Vec<Conflict>> {
        let uncommitted = match &snapshot.parent {
            Some(parent) => self.diff(&self.snapshot_of(parent)?.tree, &snapshot.tree)?,
            None => Patch::default(),
        };
        paths
            .into_iter()
            .map(|path| {
                let later = self.later(&culprit.sha, snapshot, &path)?;
                let uncommitted = uncommitted.files.contains_key(&path);
                Ok(Conflict { path, later, uncommitted })
            })
            .collect()
    }

    /// Commits after `culprit` that changed `path`.
    fn later(&self, culprit: &Sha, snapshot: &Snapshot, path: &[u8]) -> Result<Vec<Commit>> {
        let Some(tip) = &snapshot.parent else { return Ok(Vec::new()) };
        let mut limits = vec![OsString::from(format!("{culprit}..{tip}")), OsString::from("--")];
        limits.push([OsStr::new(":(top,literal)"), &OsString::from_vec(path.to_vec())].into_iter().collect());
        let found = crate::repo::log(self.git(), limits)?;
        Ok(found.into_iter().filter(|c| c.sha != snapshot.commit).collect())
    }
}

/// The words of `git revert`.
fn message(commit: &Commit) -> String {
    let Commit { sha, subject, parents, .. } = commit;
    match parents.as_slice() {
        [first, _, ..] => {
            format!("Revert \"{subject}\"\n\nThis reverts commit {sha}, reversing\nchanges made to {first}.")
        }
        _ => format!("Revert \"{subject}\"\n\nThis reverts commit {sha}."),
    }
}
