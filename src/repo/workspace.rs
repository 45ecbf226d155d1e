//! A workspace: one temporary checkout of a snapshot with the ignored build folders carried over; gone when dropped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Context as _, Error, Result};
use crate::patch::{MODE_EXECUTABLE, MODE_FILE, Patch};
use crate::repo::carry::{self, Carry};
use crate::repo::checkout::{self, File, Times};
use crate::repo::compare::{self, Found};
use crate::repo::snapshot::{now_ns, os};
use crate::repo::store::check_path;
use crate::repo::{Sha, Snapshot, Store, disk, inside, relocate};
use crate::state::kill_point;
use crate::system::{self, OpenOptionsExt as _, PermissionsExt as _};

/// A checkout of a snapshot that tests may run in. It has a git directory of its own, so that nothing that runs in it
/// can reach the user's configuration, refs or hooks, nor another workspace's.
#[derive(Debug)]
pub struct Workspace {
    /// Top of the checkout.
    pub path: PathBuf,
    /// What was checked out.
    pub snapshot: Snapshot,
    store: Store,
    carry: Carry,
    /// Index and scratch files that no test finds in the workspace.
    pristine: PathBuf,
    manifest: Mutex<Manifest>,
}

/// What is on disk when the workspace is as it should be.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// Sorted by path.
    pub(crate) files: Vec<File>,
    /// When the stat data of `files` was complete: nanoseconds since 1970.
    pub(crate) sealed_ns: i128,
}

impl Workspace {
    /// Checks `snapshot` out into `store.temp/<name>`, carries build folders, keeps the time stamps of files that are
    /// the same in the user's tree.
    ///
    /// # Errors
    /// When the disk is full or git fails.
    pub fn create(store: &Store, snapshot: &Snapshot, name: &str, carry: &Carry) -> Result<Self> {
        let path = store.temp.join(name);
        let pristine = checkout::pristine_dir(store, name);
        std::fs::create_dir(&path).context(|| format!("can't make {}", path.display()))?;
        // from here on dropping it cleans up
        let workspace = Self {
            path,
            snapshot: snapshot.clone(),
            store: store.clone(),
            carry: carry.clone(),
            pristine,
            manifest: Mutex::default(),
        };
        let dir = &workspace.pristine;
        std::fs::create_dir_all(dir).context(|| format!("can't make {}", dir.display()))?;
        let mut files = checkout::plan(store, &snapshot.tree)?;
        checkout::fill(store, &workspace.path, &workspace.index(), &mut files, Times::Users)?;
        kill_point("workspace-half");
        inside::make(store, snapshot, &workspace.path, &workspace.index())?;
        carry::carry(store, carry, &workspace.path)?;
        kill_point("workspace-made");
        *workspace.manifest() = Manifest { files, sealed_ns: now_ns() };
        Ok(workspace)
    }

    /// Puts every file back to the snapshot: changed and deleted files restored, new files removed, build folders left
    /// as they are. Files that did not change keep their time stamps; restored ones get the time of now, so that
    /// build tools notice. The `.git` folder inside is made anew.
    ///
    /// # Errors
    /// When files can't be written.
    pub fn reset(&self) -> Result<()> {
        let mut manifest = self.manifest();
        let place = || format!("can't reset {}", self.path.display());
        if !std::fs::symlink_metadata(&self.path).is_ok_and(|m| m.is_dir()) {
            disk::remove(&self.path).context(place)?;
            std::fs::create_dir(&self.path).context(place)?;
        }
        disk::remove(&self.path.join(".git")).context(place)?;
        let found = self.compare(&manifest).context(place)?;
        for path in &found.extra {
            disk::remove(&self.path.join(os(path))).context(place)?;
        }
        for at in found.changed.iter().chain(&found.missing) {
            let file = &mut manifest.files[*at];
            file.stat = None;
            disk::remove(&self.path.join(os(&file.path))).context(place)?;
        }
        for (at, stat) in &found.same {
            manifest.files[*at].stat = Some(*stat);
        }
        let stale = !found.changed.is_empty() || !found.missing.is_empty() || !found.same.is_empty();
        if stale {
            checkout::fill(&self.store, &self.path, &self.index(), &mut manifest.files, Times::Now)?;
        }
        // with the ignore rules of the snapshot back in place
        for path in self.not_ignored(&found.perhaps)? {
            disk::remove(&self.path.join(os(&path))).context(place)?;
        }
        inside::make(&self.store, &self.snapshot, &self.path, &self.index())?;
        carry::carry(&self.store, &self.carry, &self.path)?;
        manifest.sealed_ns = now_ns();
        Ok(())
    }

    /// The tree of what is in the workspace now (not ignored files), computed with a git directory that no test could
    /// reach: equal to `snapshot.tree` exactly when the workspace is pristine.
    ///
    /// # Errors
    /// When git fails.
    pub fn tree_now(&self) -> Result<Sha> {
        let manifest = self.manifest();
        let found = self.compare(&manifest).context(|| format!("can't read {}", self.path.display()))?;
        let mut new = found.extra.clone();
        new.extend(self.not_ignored(&found.perhaps)?);
        if found.changed.is_empty() && found.missing.is_empty() && new.is_empty() {
            return Ok(self.snapshot.tree.clone());
        }
        let path = |at: &usize| &manifest.files[*at];
        let in_tree = |at: &&usize| path(at).oid.is_some();
        let changed = found.changed.iter().filter(in_tree).map(|at| path(at).path.clone());
        let gone: Vec<_> = found.missing.iter().filter(in_tree).map(|at| path(at).path.clone()).collect();
        let mut present: Vec<_> = changed.collect();
        let new = compare::files_under(&self.path, &new).context(|| format!("can't read {}", self.path.display()))?;
        present.extend(self.not_ignored(&new)?);
        self.tree_with(&gone, &present)
    }

    /// Those of `files` (or folders) that git would not ignore.
    fn not_ignored(&self, files: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let names = lines(files);
        let git = self.git(&self.index()).args(["check-ignore", "-z", "--stdin"]);
        let (code, out, err) = git.try_run(Some(&names))?;
        if code > 1 {
            return Err(crate::repo::git::failed("check-ignore", code, &err));
        }
        let ignored: std::collections::HashSet<&[u8]> = out.split(|b| *b == 0).collect();
        Ok(files.iter().filter(|f| !ignored.contains(f.as_slice())).cloned().collect())
    }

    /// The tree of the snapshot without `gone` and with `present` as they are on disk.
    fn tree_with(&self, gone: &[Vec<u8>], present: &[Vec<u8>]) -> Result<Sha> {
        let index = self.pristine.join("now.index");
        crate::repo::store::copy(&self.index(), &index)?;
        let _writing = self.store.writing();
        // entries are taken out and put in anew: git looks at whole seconds only, and a change can hide within one
        let out: Vec<_> = gone.iter().chain(present).cloned().collect();
        self.git(&index).args(["update-index", "--force-remove", "-z", "--stdin"]).feed(Some(&lines(&out)))?;
        self.git(&index).args(["update-index", "--add", "--replace", "-z", "--stdin"]).feed(Some(&lines(present)))?;
        self.git(&index).args(["write-tree", "--missing-ok"]).text().map(Sha)
    }

    /// Changes files as `patch` says: parent folders are made, deleting prunes empty ones. What a file was before is
    /// not compared. Nothing is written through a symbolic link.
    ///
    /// # Errors
    /// When a path leads through a link or is no path of a tree, a mode is no file's, or the disk is full.
    pub fn write(&self, patch: &Patch) -> Result<()> {
        for (path, change) in &patch.files {
            check_path(path)?;
            if change.new.as_ref().is_some_and(|new| ![MODE_FILE, MODE_EXECUTABLE].contains(&new.mode)) {
                let path = String::from_utf8_lossy(path);
                return Err(Error::usage(format!("{path} would become a link or a submodule: not written")));
            }
        }
        let place = |path: &[u8]| format!("can't change {} in the workspace", String::from_utf8_lossy(path));
        for (path, _) in patch.files.iter().filter(|(_, change)| change.new.is_none()) {
            self.delete(path).context(|| place(path))?;
        }
        for (path, change) in &patch.files {
            if let Some(new) = &change.new {
                let bytes = change.bytes_for(&self.at(path));
                self.write_file(path, new.mode, &bytes).context(|| place(path))?;
            }
        }
        Ok(())
    }

    fn delete(&self, path: &[u8]) -> std::io::Result<()> {
        if !self.real_parents(path, false)? {
            return Ok(());
        }
        match std::fs::remove_file(self.at(path)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut parent = path;
        while let Some(slash) = parent.iter().rposition(|b| *b == b'/') {
            parent = &parent[..slash];
            if std::fs::remove_dir(self.at(parent)).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn write_file(&self, path: &[u8], mode: u32, bytes: &[u8]) -> std::io::Result<()> {
        self.real_parents(path, true)?;
        let at = self.at(path);
        match std::fs::remove_file(&at) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(&at)?;
        std::io::Write::write_all(&mut file, bytes)?;
        if mode == MODE_EXECUTABLE {
            let mode = file.metadata()?.permissions().mode();
            system::set_file_mode(&file, mode | 0o111)?;
        }
        Ok(())
    }

    /// Checks that every folder above `path` is a folder and no link, makes missing ones if `make`. False when one is
    /// missing and stays so.
    fn real_parents(&self, path: &[u8], make: bool) -> std::io::Result<bool> {
        for (slash, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            let folder = self.at(&path[..slash]);
            match std::fs::symlink_metadata(&folder) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => {
                    let what = format!("{} is a link or a file, no folder", folder.display());
                    return Err(std::io::Error::new(std::io::ErrorKind::NotADirectory, what));
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && make => std::fs::create_dir(&folder)?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Where a path of the repository (`/`-separated bytes) is in this workspace.
    pub fn at(&self, path: &[u8]) -> PathBuf {
        self.path.join(os(path))
    }

    /// `env` for a command that runs in this workspace: what leads into the user's tree (`PATH` and `VIRTUAL_ENV` of a
    /// virtual environment in it) leads to the same place here, where that exists.
    pub fn environment(&self, env: BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
        relocate::environment(env, &self.store.repository.root, &self.path)
    }

    /// What to carry into another workspace so that it starts with the build folder `path` as it is in this one now; `None`:
    /// it is not there, not ignored, or too large. Only safe from a workspace in which no patched code ever ran.
    ///
    /// # Errors
    /// When git fails or the folder can't be read.
    pub fn warm(&self, path: &Path) -> Result<Option<Carry>> {
        let is_folder = std::fs::symlink_metadata(self.path.join(path)).is_ok_and(|meta| meta.is_dir());
        if !is_folder || !self.not_ignored(&[system::git_bytes(path)])?.is_empty() {
            return Ok(None);
        }
        self.carry.with(path, &self.path)
    }

    fn compare(&self, manifest: &Manifest) -> std::io::Result<Found> {
        let user = self.store.user_tree();
        let keep = |path: &[u8]| self.carry.keeps(&self.path, path);
        compare::compare(&self.path, manifest, user.as_deref().map(|u| u.root.as_path()), &keep)
    }

    fn git(&self, index: &Path) -> crate::repo::Git {
        checkout::work_git(&self.store, &self.path, index)
    }

    fn index(&self) -> PathBuf {
        self.pristine.join("index")
    }

    fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // what can't be removed now goes with the run's temporary folder
        let _ = disk::remove(&self.path);
        let _ = disk::remove(&self.pristine);
    }
}

fn lines(paths: &[Vec<u8>]) -> Vec<u8> {
    paths.iter().flat_map(|path| [path.as_slice(), b"\0"].concat()).collect()
}
