//! The snapshot: the user's tree, dirty files included, frozen as a commit that no ref of theirs points to.

use std::collections::{HashMap, HashSet};
use std::fs::FileTimes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Context as _, Error, Result};
use crate::repo::git::{self, Git};
use crate::repo::index::{self, Stat};
use crate::repo::store::MODE_SUBMODULE;
use crate::repo::{Sha, Store};
use crate::system::OsStrExt as _;

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

/// The user's working tree as the snapshot saw it: which blob each file is, and the stat data that proves that it did
/// not change since.
#[derive(Debug)]
pub(crate) struct UserTree {
    /// Top of the working tree.
    pub(crate) root: PathBuf,
    /// Files by path.
    pub(crate) files: HashMap<Vec<u8>, UserFile>,
    /// Folders that a sparse checkout leaves out and that a sparse index knows only as a whole, `/` at the end.
    pub(crate) sparse: Vec<Vec<u8>>,
    /// Submodules that are checked out.
    pub(crate) submodules: Vec<Vec<u8>>,
    /// When reading began: nanoseconds since 1970. A file that changed about then or later is not known.
    pub(crate) read_at_ns: i128,
}

impl UserTree {
    /// Does the user's sparse checkout leave out `path`?
    pub(crate) fn leaves_out(&self, path: &[u8]) -> bool {
        self.files.get(path).is_some_and(|file| file.sparse)
            || self.sparse.iter().any(|folder| path.starts_with(folder))
    }
}

/// One file of the user's tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserFile {
    pub(crate) mode: u32,
    pub(crate) oid: [u8; 20],
    pub(crate) stat: Stat,
    /// Left out by a sparse checkout.
    pub(crate) sparse: bool,
}

/// What the user should know about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes(pub Vec<String>);

impl Store {
    /// Freezes the user's tree as it is: staged, unstaged and untracked files, not ignored ones.
    ///
    /// # Errors
    /// When the tree can't be read, or an unmerged index stands in the way.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.snapshot_with_notes().map(|(snapshot, _)| snapshot)
    }

    /// [`Store::snapshot`], and what was left out of it or is odd about it, in words.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn snapshot_with_notes(&self) -> Result<(Snapshot, Notes)> {
        let mut notes = Vec::new();
        let index_file = self.temp.join("user.index");
        let known = self.copy_index(&index_file)?;
        let read_at_ns = now_ns();
        let settings = self.add_everything(&index_file, &mut notes)?;
        let entries = index::parse(&std::fs::read(&index_file).unwrap_or_else(|_| EMPTY_INDEX.to_vec()))?;
        let git = settings.iter().fold(self.user_git(&index_file), Git::config);
        let tree = git.args(["write-tree", "--missing-ok"]).text().map(Sha)?;
        let parent = self.repository.head.clone();
        let commit = self.commit(&tree, parent.as_ref(), "The working tree as kaizen-ci found it")?;
        let user = self.user_tree_of(entries, &known, read_at_ns, &mut notes);
        *self.shared.user.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(user));
        Ok((Snapshot { commit, tree, parent }, Notes(notes)))
    }

    /// Copies the user's index with its time stamp: git takes a file for clean only when it is older than the index.
    /// Returns the submodules in it.
    fn copy_index(&self, to: &Path) -> Result<HashSet<Vec<u8>>> {
        let from = self.repository.git_dir.join("index");
        let bytes = match std::fs::read(&from) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let _ = std::fs::remove_file(to);
                return Ok(HashSet::new());
            }
            Err(e) => return Err(e).context(|| format!("can't read {}", from.display())),
        };
        let entries = index::parse(&bytes)?;
        let unmerged = unmerged(&entries);
        if !unmerged.is_empty() {
            return Err(Error::repository("a merge is not finished")
                .why(format!("these files have conflicts: {}", unmerged.join(", ")))
                .hint("resolve them and git add them, or: git merge --abort (git rebase --abort)"));
        }
        crate::repo::store::write(to, &bytes)?;
        let modified =
            std::fs::metadata(&from).and_then(|m| m.modified()).in_repository(|| "can't stat the index".into())?;
        let file = std::fs::File::options().write(true).open(to);
        file.and_then(|f| f.set_times(FileTimes::new().set_modified(modified)))
            .context(|| "can't copy the index".into())?;
        Ok(entries.into_iter().filter(|entry| entry.mode == MODE_SUBMODULE).map(|entry| entry.path).collect())
    }

    /// `git add -A` of the user's tree into our copy of the index and our store. Repositories without commits inside
    /// the tree are left out when git stumbles over them. When one of the user's filters fails (git-lfs that is not
    /// installed), the bytes are taken as they are; returns the settings that switch filters off then, because
    /// whatever else looks at the files has to have them too.
    fn add_everything(&self, index_file: &Path, notes: &mut Vec<String>) -> Result<Vec<String>> {
        let _writing = self.writing();
        let (code, _, err) = self.user_git(index_file).args(["add", "-A"]).try_run(None)?;
        if code == 0 {
            return Ok(Vec::new());
        }
        let nested = self.nested_repositories(index_file)?;
        let mut args: Vec<Vec<u8>> = [&b"add"[..], b"-A", b"--", b":/"].map(<[u8]>::to_vec).to_vec();
        args.extend(nested.iter().map(|path| [b":(top,exclude,literal)", path.as_slice()].concat()));
        let left_out = nested.iter().map(|path| String::from_utf8_lossy(path).into_owned());
        notes.extend(left_out.map(|path| format!("{path} is a git repository of its own: left out")));
        let args = || args.iter().map(|arg| os(arg).as_os_str());
        if !nested.is_empty() && self.user_git(index_file).args(args()).try_run(None)?.0 == 0 {
            return Ok(Vec::new());
        }
        let off =
            |filter: &String| ["clean=", "process=", "required=false"].map(|end| format!("filter.{filter}.{end}"));
        let settings: Vec<String> = self.filters()?.iter().flat_map(off).collect();
        let git = settings.iter().fold(self.user_git(index_file), Git::config);
        if git.args(args()).try_run(None)?.0 != 0 {
            return Err(git::failed("add -A (into a copy of the index)", code, &err));
        }
        notes.push("a filter of your git configuration failed: changed files were taken as they are on disk".into());
        Ok(settings)
    }

    /// Untracked folders that are repositories of their own.
    fn nested_repositories(&self, index_file: &Path) -> Result<Vec<Vec<u8>>> {
        let out = self.user_git(index_file).args(["ls-files", "-o", "--exclude-standard", "-z"]).bytes()?;
        let folders = out.split(|b| *b == 0).filter_map(|path| path.strip_suffix(b"/"));
        Ok(folders.map(<[u8]>::to_vec).collect())
    }

    /// Names of the filter drivers in the user's configuration.
    fn filters(&self) -> Result<Vec<String>> {
        let args = ["config", "-z", "--name-only", "--get-regexp", "^filter\\."];
        let (_, out, _) = self.repository.git().args(args).try_run(None)?;
        let mut names: Vec<String> = String::from_utf8_lossy(&out)
            .split('\0')
            .filter_map(|key| Some(key.strip_prefix("filter.")?.rsplit_once('.')?.0.to_owned()))
            .collect();
        names.dedup();
        Ok(names)
    }

    /// Git on the user's repository, reading their objects and rules, writing into our index copy and our store.
    fn user_git(&self, index_file: &Path) -> Git {
        self.repository
            .git()
            .env("GIT_DIR", &self.repository.git_dir)
            .env("GIT_WORK_TREE", &self.repository.root)
            .env("GIT_INDEX_FILE", index_file)
            .env("GIT_OBJECT_DIRECTORY", self.git_dir.join("objects"))
    }

    /// `known` are the submodules that the user's own index has.
    fn user_tree_of(
        &self,
        entries: Vec<index::Entry>,
        known: &HashSet<Vec<u8>>,
        read_at_ns: i128,
        notes: &mut Vec<String>,
    ) -> UserTree {
        let root = self.repository.root.clone();
        let (mut submodules, mut sparse) = (Vec::new(), Vec::new());
        let mut files = HashMap::with_capacity(entries.len());
        for entry in entries {
            if entry.mode == MODE_SUBMODULE {
                notes.extend(self.submodule_note(&entry.path, known));
                if root.join(os(&entry.path)).join(".git").exists() {
                    submodules.push(entry.path.clone());
                }
            }
            if entry.path.ends_with(b"/") {
                sparse.push(entry.path);
                continue;
            }
            let file = UserFile { mode: entry.mode, oid: entry.oid, stat: entry.stat, sparse: entry.skip_worktree };
            files.insert(entry.path, file);
        }
        UserTree { root, files, sparse, submodules, read_at_ns }
    }

    /// What is odd about a submodule (or a repository that lies in the tree).
    fn submodule_note(&self, path: &[u8], known: &HashSet<Vec<u8>>) -> Option<String> {
        let (here, name) = (self.repository.root.join(os(path)), String::from_utf8_lossy(path));
        if !here.join(".git").exists() {
            return Some(format!(
                "the submodule {name} is not checked out; tests may need: git submodule update --init"
            ));
        }
        if !known.contains(path) {
            return Some(format!("{name} is a git repository of its own: no patch can change it"));
        }
        let status = Git::in_dir(&here).args(["status", "--porcelain", "-z", "--ignore-submodules"]).bytes();
        let dirty = status.is_ok_and(|status| !status.is_empty());
        dirty.then(|| format!("the submodule {name} has uncommitted changes: tests see them, no patch can change them"))
    }
}

/// An index without entries.
const EMPTY_INDEX: &[u8] = b"DIRC\0\0\0\x02\0\0\0\0";

fn unmerged(entries: &[index::Entry]) -> Vec<String> {
    let unmerged = entries.iter().filter(|entry| entry.stage > 0);
    let mut paths: Vec<String> = unmerged.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect();
    paths.dedup();
    paths
}

pub(crate) fn os(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

pub(crate) fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}
