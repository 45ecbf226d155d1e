//! The private object store of one run: it borrows the user's objects and takes every new one.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Context as _, Error, Result};
use crate::patch::{FileChange, FileContent, Patch};
use crate::repo::git::Git;
use crate::repo::snapshot::UserTree;
use crate::repo::{Repository, Sha, Snapshot};
use crate::state::kill_point;
use crate::system::{self, OsStrExt as _, OsStringExt as _};

/// Mode of a submodule's entry in a tree.
pub const MODE_SUBMODULE: u32 = 0o160_000;
/// Mode of a symbolic link's entry in a tree.
pub const MODE_LINK: u32 = 0o120_000;

/// The private object store of one run: a bare repository in a temporary folder that borrows the user's objects
/// (alternates). New objects (snapshots, reverts, candidates) are written here and nowhere else. All that git does to
/// the user's objects is to renew the time stamp of one that it would have to write again.
#[derive(Debug, Clone)]
pub struct Store {
    /// The bare repository.
    pub git_dir: PathBuf,
    /// The run's temporary folder, which holds the store, the workspaces and the reports of test runs.
    pub temp: PathBuf,
    /// The repository that it borrows from.
    pub repository: Repository,
    pub(crate) shared: Arc<Shared>,
}

/// What all clones of a store share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The user's tree as the last snapshot saw it.
    pub(crate) user: Mutex<Option<Arc<UserTree>>>,
    /// Object folders that are borrowed, all absolute, the user's own first.
    pub(crate) borrowed: Vec<PathBuf>,
    /// Configuration lines that decide how files are read and written.
    pub(crate) settings: String,
    /// A libgit2 and a git process may not write the same repository at once; nor two of each, for peace of mind.
    writing: Mutex<()>,
}

impl Store {
    /// Makes the store for a run under `temp` (an existing empty folder outside the user's repository).
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn create(repository: &Repository, temp: &Path) -> Result<Self> {
        let temp = system::canonical(temp).context(|| format!("can't use {}", temp.display()))?;
        let git_dir = temp.join("store.git");
        let borrowed = borrowed_objects(&repository.common_dir.join("objects"))?;
        let settings = settings(repository)?;
        make_git_dir(&git_dir, true, &settings, &borrowed)?;
        copy_rules(repository, &git_dir)?;
        let shallow = repository.common_dir.join("shallow");
        if shallow.is_file() {
            copy(&shallow, &git_dir.join("shallow"))?;
        }
        kill_point("store-made");
        let shared = Arc::new(Shared { borrowed, settings, ..Shared::default() });
        Ok(Self { git_dir, temp, repository: repository.clone(), shared })
    }

    /// An existing commit (the merge base, a step of a bisection) as a snapshot.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn snapshot_of(&self, commit: &Sha) -> Result<Snapshot> {
        self.with_git2(|repo| {
            let found = repo.find_commit(git2::Oid::from_str(&commit.0)?)?;
            let parent = found.parent_id(0).ok().map(sha);
            Ok(Snapshot { commit: commit.clone(), tree: sha(found.tree_id()), parent })
        })
        .in_repository(|| format!("there is no commit {commit} in this clone"))
    }

    /// The content of `path` (bytes, `/`-separated) in `tree`, with its mode; `None` when it is not there or is a
    /// folder. A submodule's content is empty.
    ///
    /// # Errors
    /// When the tree can't be read.
    pub fn read(&self, tree: &Sha, path: &[u8]) -> Result<Option<(u32, Vec<u8>)>> {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        self.with_git2(|repo| {
            let tree = repo.find_tree(git2::Oid::from_str(&tree.0)?)?;
            let entry = match tree.get_path(path) {
                Ok(entry) => entry,
                Err(e) if e.code() == git2::ErrorCode::NotFound => return Ok(None),
                Err(e) => return Err(e),
            };
            match entry.kind() {
                Some(git2::ObjectType::Blob) => {
                    let blob = repo.find_blob(entry.id())?;
                    Ok(Some((mode(entry.filemode()), blob.content().to_vec())))
                }
                Some(git2::ObjectType::Commit) => Ok(Some((MODE_SUBMODULE, Vec::new()))),
                _ => Ok(None),
            }
        })
        .in_repository(|| format!("can't read {} in tree {tree}", path.display()))
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// When there is no such blob.
    pub fn blob(&self, blob: &Sha) -> Result<Vec<u8>> {
        self.with_git2(|repo| Ok(repo.find_blob(git2::Oid::from_str(&blob.0)?)?.content().to_vec()))
            .in_repository(|| format!("can't read blob {blob}"))
    }

    /// Every file of `tree`: path, mode, blob; sorted by path. Submodules are among them (mode 160000).
    ///
    /// # Errors
    /// When the tree can't be read.
    pub fn files(&self, tree: &Sha) -> Result<Vec<(Vec<u8>, u32, Sha)>> {
        let out = self.git().args(["ls-tree", "-r", "-z", "--full-tree", &tree.0]).bytes()?;
        out.split(|b| *b == 0).filter(|r| !r.is_empty()).map(tree_line).collect()
    }

    /// What changes from tree `a` to tree `b`: no renames, modes kept.
    ///
    /// # Errors
    /// When a tree can't be read.
    pub fn diff(&self, a: &Sha, b: &Sha) -> Result<Patch> {
        let out = self.git().args(["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", &a.0, &b.0]);
        let out = out.bytes()?;
        let mut fields = out.split(|b| *b == 0).filter(|f| !f.is_empty());
        let mut patch = Patch::default();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            let meta = String::from_utf8_lossy(meta);
            let words: Vec<&str> = meta.trim_start_matches(':').split(' ').collect();
            let [old_mode, new_mode, old, new, ..] = words[..] else {
                return Err(Error::internal(format!("git diff-tree answered {meta:?}")));
            };
            let change = FileChange { old: self.side(old_mode, old)?, new: self.side(new_mode, new)? };
            patch.files.insert(path.to_vec(), change);
        }
        Ok(patch)
    }

    fn side(&self, mode: &str, blob: &str) -> Result<Option<FileContent>> {
        let mode = u32::from_str_radix(mode, 8).map_err(|e| Error::internal("bad mode from git").source(e))?;
        Ok(match mode {
            0 => None,
            MODE_SUBMODULE => Some(FileContent { mode, bytes: blob.as_bytes().to_vec() }),
            _ => Some(FileContent { mode, bytes: self.blob(&Sha(blob.to_owned()))? }),
        })
    }

    /// The tree that `patch` makes of `tree`, written into the store. What the files were before is not compared.
    ///
    /// # Errors
    /// When a path of the patch is no path of a tree, or the store can't be written.
    pub fn write(&self, tree: &Sha, patch: &Patch) -> Result<Sha> {
        for path in patch.files.keys() {
            check_path(path)?;
        }
        let _writing = self.writing();
        self.with_git2(|repo| {
            let base = repo.find_tree(git2::Oid::from_str(&tree.0)?)?;
            let mut update = git2::build::TreeUpdateBuilder::new();
            for (path, change) in &patch.files {
                match &change.new {
                    Some(new) => {
                        let blob = if new.mode == MODE_SUBMODULE {
                            git2::Oid::from_str(&String::from_utf8_lossy(&new.bytes))?
                        } else {
                            repo.blob(&new.bytes)?
                        };
                        update.upsert(path.as_slice(), blob, file_mode(new.mode));
                    }
                    None if base.get_path(Path::new(std::ffi::OsStr::from_bytes(path))).is_ok() => {
                        update.remove(path.as_slice());
                    }
                    None => {}
                }
            }
            Ok(sha(update.create_updated(repo, &base)?))
        })
        .context(|| format!("can't write a tree into {}", self.git_dir.display()))
    }

    /// A commit of `tree` with our own fixed name and date: same tree, parent and message, same commit.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn commit(&self, tree: &Sha, parent: Option<&Sha>, message: &str) -> Result<Sha> {
        let parent_line = parent.map(|p| format!("parent {p}\n")).unwrap_or_default();
        let text = format!("tree {tree}\n{parent_line}author {WHO}\ncommitter {WHO}\n\n{message}\n");
        let _writing = self.writing();
        self.with_git2(|repo| Ok(sha(repo.odb()?.write(git2::ObjectType::Commit, text.as_bytes())?)))
            .context(|| format!("can't write a commit into {}", self.git_dir.display()))
    }

    /// Git on the store, blind to the user's configuration.
    pub(crate) fn git(&self) -> Git {
        Git::isolated(&self.git_dir, &self.temp)
    }

    /// Held while anything writes into the store.
    pub(crate) fn writing(&self) -> MutexGuard<'_, ()> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user's tree as the last snapshot saw it.
    pub(crate) fn user_tree(&self) -> Option<Arc<UserTree>> {
        self.shared.user.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work` on the store opened with libgit2. One is kept open per thread: opening costs about 0.3 ms.
    pub(crate) fn with_git2<T>(
        &self,
        work: impl FnOnce(&git2::Repository) -> Result<T, git2::Error>,
    ) -> Result<T, git2::Error> {
        thread_local! {
            static OPEN: RefCell<Option<(PathBuf, git2::Repository)>> = const { RefCell::new(None) };
        }
        // taken out while in use, so that nested calls open their own instead of panicking
        let kept = OPEN.with(|open| open.borrow_mut().take());
        let repo = match kept {
            Some((path, repo)) if path == self.git_dir => repo,
            _ => git2::Repository::open_bare(&self.git_dir)?,
        };
        let result = work(&repo);
        OPEN.with(|open| *open.borrow_mut() = Some((self.git_dir.clone(), repo)));
        result
    }
}

/// Author and committer of our commits: fixed, so that names of commits depend on content alone.
const WHO: &str = "kaizen-ci <kaizen-ci@localhost> 1700000000 +0000";

pub(crate) fn sha(oid: git2::Oid) -> Sha {
    Sha(oid.to_string())
}

fn mode(mode: i32) -> u32 {
    u32::try_from(mode).unwrap_or(0)
}

fn file_mode(mode: u32) -> git2::FileMode {
    match mode {
        0o100_755 => git2::FileMode::BlobExecutable,
        MODE_LINK => git2::FileMode::Link,
        MODE_SUBMODULE => git2::FileMode::Commit,
        _ => git2::FileMode::Blob,
    }
}

/// Refuses paths that no tree may have: empty parts, `.`, `..`, `.git` in any case, an absolute path, a zero byte; and what
/// the system can't name a file.
///
/// # Errors
/// Names the path.
pub fn check_path(path: &[u8]) -> Result<()> {
    let bad = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git");
    if path.contains(&0) || path.split(|b| *b == b'/').any(bad) {
        let path = String::from_utf8_lossy(path);
        return Err(Error::usage(format!("{path:?} is no path that a patch may write")));
    }
    if !system::can_name(path) {
        let path = String::from_utf8_lossy(path);
        return Err(Error::repository(format!("no file can be named {path:?} here"))
            .why("Windows wants Unicode, none of < > : \" | ? * \\, no blank or dot at an end, no device such as NUL")
            .hint("rename it, or run kaizen-ci in WSL"));
    }
    Ok(())
}

fn tree_line(line: &[u8]) -> Result<(Vec<u8>, u32, Sha)> {
    let odd = || Error::internal(format!("git ls-tree answered {:?}", String::from_utf8_lossy(line)));
    let tab = line.iter().position(|b| *b == b'\t').ok_or_else(odd)?;
    let meta = std::str::from_utf8(&line[..tab]).map_err(|_| odd())?;
    let mut words = meta.split(' ');
    let mode = words.next().and_then(|m| u32::from_str_radix(m, 8).ok()).ok_or_else(odd)?;
    let blob = words.nth(1).ok_or_else(odd)?;
    Ok((line[tab + 1..].to_vec(), mode, Sha(blob.to_owned())))
}

/// The object folder `objects` and all that it borrows from, followed to the end: git refuses relative alternates
/// below the first level, so we name all of them by absolute paths.
fn borrowed_objects(objects: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut to_do = vec![objects.to_path_buf()];
    while let Some(dir) = to_do.pop() {
        let Ok(dir) = system::canonical(&dir) else { continue };
        if found.contains(&dir) {
            continue;
        }
        if let Ok(text) = std::fs::read(dir.join("info/alternates")) {
            let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty() && !l.starts_with(b"#"));
            to_do.extend(lines.map(|line| dir.join(unquote(line))));
        }
        found.push(dir);
    }
    if found.is_empty() {
        return Err(Error::repository(format!("{} can't be read", objects.display())));
    }
    Ok(found)
}

/// A line of `info/alternates`: as it is, or quoted like a C string.
fn unquote(line: &[u8]) -> PathBuf {
    let Some(inner) = line.strip_prefix(b"\"").and_then(|l| l.strip_suffix(b"\"")) else {
        return PathBuf::from(OsString::from_vec(line.to_vec()));
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(digit @ b'0'..=b'3') => {
                let octal = [digit, bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                out.push(octal.iter().fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d.wrapping_sub(b'0'))));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// An alternates line for `path`: quoted only when it must be, because libgit2 can't read quoted ones.
fn alternates_line(path: &Path) -> Vec<u8> {
    let bytes = system::git_bytes(path);
    if !bytes.contains(&b'\n') {
        return [bytes.as_slice(), b"\n"].concat();
    }
    let mut out = vec![b'"'];
    for byte in bytes {
        match byte {
            b'\n' => out.extend(b"\\n"),
            b'"' | b'\\' => out.extend([b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out.extend(b"\"\n");
    out
}

/// Makes a git directory by hand: no template, no hook, no remote, no reference.
pub(crate) fn make_git_dir(dir: &Path, bare: bool, settings: &str, borrowed: &[PathBuf]) -> Result<()> {
    let make = |path: &str| std::fs::create_dir_all(dir.join(path)).context(|| format!("can't make {}", dir.display()));
    for path in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        make(path)?;
    }
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = {bare}\n\tlogAllRefUpdates = false\n{settings}\
         [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    );
    write(&dir.join("config"), config.as_bytes())?;
    write(&dir.join("HEAD"), b"ref: refs/heads/kaizen\n")?;
    let alternates: Vec<u8> = borrowed.iter().flat_map(|path| alternates_line(path)).collect();
    write(&dir.join("objects/info/alternates"), &alternates)
}

/// The user's values that decide how bytes become files and files become bytes; nothing else of their configuration.
fn settings(repository: &Repository) -> Result<String> {
    const NAMES: &str = "^core\\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode)$";
    let (_, out, _) = repository.git().args(["config", "-z", "--get-regexp", NAMES]).try_run(None)?;
    let mut settings = String::new();
    for record in String::from_utf8_lossy(&out).split('\0') {
        let (name, value) = record.split_once('\n').unwrap_or((record, "true"));
        let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric());
        if let (Some(key), true) = (name.strip_prefix("core."), plain) {
            settings.push_str(&format!("\t{key} = {value}\n"));
        }
    }
    Ok(settings)
}

/// Copies the user's ignore and attribute rules that are outside the tree: their global files, then the repository's.
fn copy_rules(repository: &Repository, git_dir: &Path) -> Result<()> {
    for (setting, usual, own) in [
        ("core.excludesFile", "git/ignore", "info/exclude"),
        ("core.attributesFile", "git/attributes", "info/attributes"),
    ] {
        let (code, mut out, _) = repository.git().args(["config", "--type=path", "--get", setting]).try_run(None)?;
        out.pop_if(|b| *b == b'\n');
        let global = if code == 0 && !out.is_empty() {
            Some(repository.root.join(OsString::from_vec(out)))
        } else {
            let home = system::home().map(|home| home.join(".config"));
            std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home).map(|dir| dir.join(usual))
        };
        let mut rules = global.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        rules.push(b'\n');
        rules.extend(std::fs::read(repository.common_dir.join(own)).unwrap_or_default());
        write(&git_dir.join(own), &rules)?;
    }
    Ok(())
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).context(|| format!("can't write {}", path.display()))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).map(drop).context(|| format!("can't copy {} to {}", from.display(), to.display()))
}
