//! What differs between a workspace and what it should be: by exact stat data, by content where that can't tell.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::repo::carry::Keep;
use crate::repo::checkout::{self, File};
use crate::repo::disk::{Exact, TICK_NS};
use crate::repo::snapshot::os;
use crate::repo::store::{MODE_LINK, MODE_SUBMODULE};
use crate::repo::workspace::Manifest;
use crate::system::{self, OsStrExt as _, PermissionsExt as _};

/// The differences. Numbers are places in the manifest.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// There, with other content or another mode.
    pub(crate) changed: Vec<usize>,
    /// Not there.
    pub(crate) missing: Vec<usize>,
    /// There, the same content, but other stat data: touched, or written again.
    pub(crate) same: Vec<(usize, Exact)>,
    /// Files and whole folders that should not be there.
    pub(crate) extra: Vec<Vec<u8>>,
    /// Folders that should not be there, unless git ignores them: builds make such ones.
    pub(crate) perhaps: Vec<Vec<u8>>,
}

struct Walk<'a> {
    top: &'a Path,
    manifest: &'a Manifest,
    user_root: Option<&'a Path>,
    keep: &'a dyn Fn(&[u8]) -> Keep,
    seen: Vec<bool>,
    found: Found,
}

/// Compares the files under `top` with `manifest`. `keep` says of paths that are in no tree whether they are nobody's
/// business, as carried build folders are. The `.git` folder at the top is passed over too.
pub(crate) fn compare(
    top: &Path,
    manifest: &Manifest,
    user_root: Option<&Path>,
    keep: &dyn Fn(&[u8]) -> Keep,
) -> io::Result<Found> {
    let seen = vec![false; manifest.files.len()];
    let mut walk = Walk { top, manifest, user_root, keep, seen, found: Found::default() };
    walk.folder(b"")?;
    let Walk { seen, mut found, .. } = walk;
    let expected = |file: &File| !file.sparse && file.mode != MODE_SUBMODULE;
    found.missing = (0..seen.len()).filter(|at| !seen[*at] && expected(&manifest.files[*at])).collect();
    Ok(found)
}

impl Walk<'_> {
    fn folder(&mut self, folder: &[u8]) -> io::Result<()> {
        for entry in open_folder(&self.top.join(os(folder)))? {
            let entry = entry?;
            let name = entry.file_name();
            if folder.is_empty() && name == ".git" {
                continue;
            }
            let mut path = folder.to_vec();
            if !folder.is_empty() {
                path.push(b'/');
            }
            path.extend(name.as_bytes());
            self.entry(path, &entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: Vec<u8>, entry: &std::fs::DirEntry) -> io::Result<()> {
        let is_folder = entry.file_type()?.is_dir();
        let place = self.manifest.files.binary_search_by(|f| f.path.as_slice().cmp(&path));
        match place {
            Ok(at) if !is_folder && self.manifest.files[at].stat.is_some() => {
                self.seen[at] = true;
                self.file(at, &entry.metadata()?)
            }
            Ok(at) if is_folder && self.manifest.files[at].mode == MODE_SUBMODULE => self.folder(&path),
            Err(at) if is_folder && self.is_above(at, &path) => self.folder(&path),
            Err(_) => {
                match (self.keep)(&path) {
                    Keep::Yes => {}
                    Keep::Above if is_folder => return self.folder(&path),
                    Keep::IfIgnored if is_folder => self.found.perhaps.push(path),
                    Keep::IfIgnored | Keep::Above | Keep::No => self.found.extra.push(path),
                }
                Ok(())
            }
            Ok(_) => {
                self.found.extra.push(path);
                Ok(())
            }
        }
    }

    /// Is `folder` above a file of the manifest? `at` is where it would be sorted in.
    fn is_above(&self, at: usize, folder: &[u8]) -> bool {
        let prefix = [folder, b"/"].concat();
        let from = at + self.manifest.files[at..].partition_point(|f| f.path.as_slice() < prefix.as_slice());
        self.manifest.files.get(from).is_some_and(|f| f.path.starts_with(&prefix))
    }

    fn file(&mut self, at: usize, meta: &Metadata) -> io::Result<()> {
        let file = &self.manifest.files[at];
        let now = Exact::of(meta);
        let known = file.stat.unwrap_or_default();
        let settled = known.ctime_ns < self.manifest.sealed_ns - TICK_NS;
        if now == known && settled && system::STAT_TELLS {
            return Ok(());
        }
        if now.mode == known.mode && self.same_bytes(file, meta)? {
            if now != known {
                self.found.same.push((at, now));
            }
        } else {
            self.found.changed.push(at);
        }
        Ok(())
    }

    fn same_bytes(&self, file: &File, meta: &Metadata) -> io::Result<bool> {
        let path = self.top.join(os(&file.path));
        if meta.is_symlink() {
            let target = std::fs::read_link(&path)?;
            let name = checkout::blob_name(target.as_os_str().as_bytes());
            let users = || self.user_root.and_then(|root| std::fs::read_link(root.join(os(&file.path))).ok());
            return Ok(
                file.mode == MODE_LINK && if file.oid.is_some() { name == file.oid } else { users() == Some(target) }
            );
        }
        if !meta.is_file()
            || (file.mode == MODE_LINK && system::LINKS_ARE_LINKS)
            || file.stat.is_some_and(|s| s.size != meta.len())
        {
            return Ok(false);
        }
        let bytes = read_opened_up(&path, meta)?;
        let name = checkout::blob_name(&bytes);
        if name.is_some() && (name == file.oid || name == file.raw) {
            return Ok(true);
        }
        // bytes that a filter or an end-of-line rule would convert: the user's own file is what we copied
        let (Some(root), Some(origin)) = (self.user_root, file.origin) else { return Ok(false) };
        let users = root.join(os(&file.path));
        let unchanged = std::fs::symlink_metadata(&users).is_ok_and(|m| Exact::of(&m) == origin);
        Ok(unchanged && std::fs::read(&users)? == bytes)
    }
}

/// A test may have taken away our right to read a file; a file whose mode changed is not the same anyway.
fn read_opened_up(path: &Path, meta: &Metadata) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            system::set_mode(path, meta.permissions().mode() | 0o600)?;
            let bytes = std::fs::read(path);
            std::fs::set_permissions(path, meta.permissions())?;
            bytes
        }
        other => other,
    }
}

/// Opens a folder, also when a test took our right to.
fn open_folder(path: &Path) -> io::Result<std::fs::ReadDir> {
    match std::fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            system::set_mode(path, 0o755)?;
            std::fs::read_dir(path)
        }
        other => other,
    }
}

/// All files and links under `paths` (files themselves among them), except in folders named `.git`.
pub(crate) fn files_under(top: &Path, paths: &[Vec<u8>]) -> io::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    let mut to_do = paths.to_vec();
    while let Some(path) = to_do.pop() {
        let at = top.join(os(&path));
        let meta = std::fs::symlink_metadata(&at)?;
        if meta.is_file() || meta.is_symlink() {
            files.push(path);
        } else if meta.is_dir() {
            for entry in open_folder(&at)? {
                let name = entry?.file_name();
                if !name.as_bytes().eq_ignore_ascii_case(b".git") {
                    to_do.push([path.as_slice(), b"/", name.as_bytes()].concat());
                }
            }
        }
    }
    files.sort();
    Ok(files)
}
