//! Filling a workspace with files: the user's own bytes and time stamps where their file is clean, git's blobs elsewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::repo::disk::{self, Exact, TICK_NS};
use crate::repo::git::Git;
use crate::repo::snapshot::{UserFile, UserTree, os};
use crate::repo::store::{MODE_LINK, MODE_SUBMODULE, check_path};
use crate::repo::{Sha, Store};
use crate::system::{self, OsStrExt as _};

/// One file that belongs into a workspace.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    /// Its blob; `None` for files inside a submodule, which are in no tree of ours.
    pub(crate) oid: Option<git2::Oid>,
    /// Left out of the working tree, as in the user's sparse checkout.
    pub(crate) sparse: bool,
    /// What it is on disk; `None`: not there yet.
    pub(crate) stat: Option<Exact>,
    /// The user's file that it was copied from, when it was.
    pub(crate) origin: Option<Exact>,
    /// Name of the bytes on disk as a blob, for files that git wrote (it differs from `oid` when lines ends were
    /// converted).
    pub(crate) raw: Option<git2::Oid>,
}

/// Which time stamp a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// The user's, where the bytes are theirs.
    Users,
    /// Now: the file had other content here, and a build tool must see that it changed.
    Now,
}

/// The files of `tree`, sorted by path, and those of the user's submodules that are checked out.
pub(crate) fn plan(store: &Store, tree: &Sha) -> Result<Vec<File>> {
    let user = store.user_tree();
    let mut files = Vec::new();
    for (path, mode, blob) in store.files(tree)? {
        check_path(&path)?;
        let oid = git2::Oid::from_str(&blob.0).context(|| format!("{blob} is no object name"))?;
        if mode == MODE_SUBMODULE
            && let Some(user) = &user
            && user.submodules.contains(&path)
        {
            submodule_files(&user.root, &path, &mut files)?;
        }
        let sparse = user.as_ref().is_some_and(|user| user.leaves_out(&path));
        files.push(File { path, mode, oid: Some(oid), sparse, stat: None, origin: None, raw: None });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// What is on disk in a submodule of the user, without its git folder. Its commits are not in our store, and tests
/// want its files, built ones included.
fn submodule_files(root: &Path, submodule: &[u8], files: &mut Vec<File>) -> Result<()> {
    let mut folders = vec![submodule.to_vec()];
    while let Some(folder) = folders.pop() {
        let here = root.join(os(&folder));
        let entries = std::fs::read_dir(&here).in_repository(|| format!("can't read {}", here.display()))?;
        for entry in entries.filter_map(std::io::Result::ok) {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            if name == ".git" {
                continue;
            }
            let path = [folder.as_slice(), b"/", name.as_bytes()].concat();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                let mode = if kind.is_symlink() { MODE_LINK } else { crate::patch::MODE_FILE };
                files.push(File { path, mode, oid: None, sparse: false, stat: None, origin: None, raw: None });
            }
        }
    }
    Ok(())
}

/// Brings every file of `files` that has no stat data yet to disk under `top`, where nothing is at those paths.
/// `index_file` is overwritten with an index of `files`.
pub(crate) fn fill(store: &Store, top: &Path, index_file: &Path, files: &mut [File], times: Times) -> Result<()> {
    make_folders(top, files)?;
    if let Some(user) = store.user_tree() {
        copy_from_user(&user, top, files, times)?;
    }
    let missing: Vec<usize> = (0..files.len()).filter(|i| wanted(&files[*i])).collect();
    if !missing.is_empty() {
        write_index(index_file, files)?;
        check_out(store, top, index_file, files, &missing)?;
    }
    write_index(index_file, files)
}

fn wanted(file: &File) -> bool {
    file.stat.is_none() && !file.sparse && file.oid.is_some() && file.mode != MODE_SUBMODULE
}

fn make_folders(top: &Path, files: &[File]) -> Result<()> {
    let mut folders: BTreeSet<&[u8]> = BTreeSet::new();
    for file in files.iter().filter(|f| f.stat.is_none() && !f.sparse) {
        if file.mode == MODE_SUBMODULE {
            folders.insert(&file.path);
        }
        let mut path = file.path.as_slice();
        while let Some(slash) = path.iter().rposition(|b| *b == b'/') {
            path = &path[..slash];
            if !folders.insert(path) {
                break;
            }
        }
    }
    // sorted: parents come first, and nothing but folders is ever made on the way
    for folder in folders {
        let path = top.join(os(folder));
        match std::fs::create_dir(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let real = std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
                if !real {
                    return Err(Error::repository(format!("{} is in the way of a folder", path.display())));
                }
            }
            other => other.context(|| format!("can't make {}", path.display()))?,
        }
    }
    Ok(())
}

/// Copies what is clean in the user's tree, on all cores. Files that are not clean are left for git.
fn copy_from_user(user: &UserTree, top: &Path, files: &mut [File], times: Times) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let chunk = files.len().div_ceil(cores * 8).max(64);
    let queue = std::sync::Mutex::new(files.chunks_mut(chunk));
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let work = || -> Result<()> {
        let mut buffer = Vec::new();
        while let Some(files) = next() {
            for file in files.iter_mut().filter(|f| f.stat.is_none() && !f.sparse && f.mode != MODE_SUBMODULE) {
                copy_one(user, top, file, times, &mut buffer)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..cores).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(Error::internal("a copy panicked"))));
        theirs.fold(mine, Result::and)
    })
}

fn copy_one(user: &UserTree, top: &Path, file: &mut File, times: Times, buffer: &mut Vec<u8>) -> Result<()> {
    let known = user.files.get(&file.path);
    let same = known
        .is_some_and(|u| u.mode == file.mode && Some(u.oid.as_slice()) == file.oid.as_ref().map(git2::Oid::as_bytes));
    if file.oid.is_some() && !same {
        return Ok(());
    }
    let (from, to) = (user.root.join(os(&file.path)), top.join(os(&file.path)));
    let copied =
        if file.mode == MODE_LINK { copy_link(&from, &to, buffer) } else { disk::copy_file(&from, &to, buffer) };
    let (before, after, here) = match copied {
        Ok(copied) => copied,
        Err(e) if e.kind() == std::io::ErrorKind::StorageFull => {
            return Err(e).context(|| format!("can't write {}", to.display()));
        }
        Err(_) => return disk::remove(&to).context(|| format!("can't write {}", to.display())),
    };
    let whole = buffer.len() as u64 == before.size;
    let clean = known
        .is_none_or(|known| before.matches(&known.stat) && trusted(user, known, &before, whole.then_some(&*buffer)));
    if before != after || !clean {
        return disk::remove(&to).context(|| format!("can't write {}", to.display()));
    }
    file.origin = Some(before);
    if !system::STAT_TELLS && whole {
        // it will be compared by its bytes, in which git may have turned line ends
        file.raw = blob_name(buffer);
    }
    file.stat = Some(if times == Times::Now { touch(&to)? } else { here });
    Ok(())
}

/// A file that changed just before or while the snapshot was taken may have changed again within the same tick of the
/// file system's clock: then only its bytes can tell.
fn trusted(user: &UserTree, known: &UserFile, now: &Exact, bytes: Option<&Vec<u8>>) -> bool {
    let is_old = now.changed_ns() < user.read_at_ns - TICK_NS;
    is_old || bytes.is_some_and(|bytes| blob_name(bytes).is_some_and(|oid| oid.as_bytes() == known.oid))
}

fn copy_link(from: &Path, to: &Path, buffer: &mut Vec<u8>) -> std::io::Result<(Exact, Exact, Exact)> {
    let stat = |path: &Path| std::fs::symlink_metadata(path).map(|m| Exact::of(&m));
    let before = stat(from)?;
    disk::copy_link(from, to)?;
    buffer.clear();
    buffer.extend(std::fs::read_link(to)?.as_os_str().as_bytes());
    // reading a link can't change it, but its access time moves, and on some systems with it the change time
    Ok((before, before, stat(to)?))
}

fn touch(path: &Path) -> Result<Exact> {
    let meta = std::fs::symlink_metadata(path).context(|| format!("can't read {}", path.display()))?;
    if meta.is_file() {
        system::set_modified(path, std::time::SystemTime::now())
            .context(|| format!("can't set the time of {}", path.display()))?;
    }
    let meta = std::fs::symlink_metadata(path).context(|| format!("can't read {}", path.display()))?;
    Ok(Exact::of(&meta))
}

pub(crate) fn blob_name(bytes: &[u8]) -> Option<git2::Oid> {
    git2::Oid::hash_object(git2::ObjectType::Blob, bytes).ok()
}

/// Has git write the `missing` ones of `files`: it converts line ends as the attributes in the tree say. No filter
/// runs, since none is configured for it.
fn check_out(store: &Store, top: &Path, index_file: &Path, files: &mut [File], missing: &[usize]) -> Result<()> {
    let names: Vec<u8> = missing.iter().flat_map(|i| [files[*i].path.as_slice(), b"\0"].concat()).collect();
    let git =
        work_git(store, top, index_file).config("checkout.workers=0").args(["checkout-index", "-f", "-z", "--stdin"]);
    git.feed(Some(&names))?;
    for i in missing {
        let path = top.join(os(&files[*i].path));
        let meta = std::fs::symlink_metadata(&path).context(|| format!("git did not write {}", path.display()))?;
        files[*i].stat = Some(Exact::of(&meta));
        files[*i].raw = if meta.is_file() { raw_name(&path) } else { files[*i].oid };
    }
    Ok(())
}

pub(crate) fn raw_name(path: &Path) -> Option<git2::Oid> {
    git2::Oid::hash_file(git2::ObjectType::Blob, path).ok()
}

/// Git with the store's objects on the working tree `top`, out of reach of everything in `top/.git`.
pub(crate) fn work_git(store: &Store, top: &Path, index_file: &Path) -> Git {
    Git::isolated(&store.git_dir, top).env("GIT_WORK_TREE", top).env("GIT_INDEX_FILE", index_file)
}

/// Writes an index of `files`, with the stat data of those that are on disk.
pub(crate) fn write_index(index_file: &Path, files: &[File]) -> Result<()> {
    let failed = || format!("can't write {}", index_file.display());
    disk::remove(index_file).context(failed)?;
    let mut index = git2::Index::open(index_file).context(failed)?;
    for file in files {
        let Some(oid) = file.oid else { continue };
        let mut entry = file.stat.unwrap_or_default().to_git2(&file.path, file.mode, oid);
        if file.sparse {
            entry.flags_extended |= git2::IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
        }
        index.add(&entry).context(failed)?;
    }
    index.write().context(failed)
}

/// Where the index and other files of the workspace `name` are that no test can reach from inside it.
pub(crate) fn pristine_dir(store: &Store, name: &str) -> PathBuf {
    store.temp.join("pristine").join(name)
}
