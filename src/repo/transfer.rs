//! Copying a build folder into a workspace: shared blocks where the file system can, time stamps kept, paths mended.

use std::collections::HashMap;
use std::fs::{FileTimes, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Context as _, Error, Result};
use crate::repo::carry::{CarriedFolder, may_be_secret};
use crate::repo::{disk, relocate};
use crate::system::{self, MetadataExt as _};

/// Below this size a hard link saves nothing.
const LINK_FROM_BYTES: u64 = 1 << 20;

/// Everything below one folder, parents before children.
#[derive(Debug, Default)]
struct Inventory {
    folders: Vec<(PathBuf, Metadata)>,
    files: Vec<(PathBuf, Metadata)>,
    links: Vec<PathBuf>,
    /// Further names of files in `files`: hard links among themselves (cargo makes them) stay that.
    again: Vec<(PathBuf, PathBuf)>,
}

/// What is never worth copying: parts of a build folder that are only good at the path where they were made.
/// Cargo's incremental data is keyed by the crate's path; documentation and packages are for people.
pub(crate) fn is_dead_weight(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    let Some(parent) = folder.parent() else { return false };
    let in_target = |dir: &Path| dir.join(".rustc_info.json").exists();
    if name == "incremental" {
        return parent.parent().is_some_and(in_target) || parent.parent().and_then(Path::parent).is_some_and(in_target);
    }
    (name == "doc" || name == "package") && in_target(parent) || name == ".cache" && parent.ends_with("node_modules")
}

/// Copies `path` from below `from` to below `to`, unless something is there already. Absolute paths into `from` that
/// links and scripts of virtual environments hold are turned to `to`: an editable install must find the workspace.
///
/// # Errors
/// When the disk is full. What can't be read, and what vanishes meanwhile, is left out.
pub(crate) fn transfer(from: &Path, to: &Path, folder: &CarriedFolder) -> Result<()> {
    let path = &folder.path;
    let (source, target) = (from.join(path), to.join(path));
    let Ok(meta) = std::fs::symlink_metadata(&source) else { return Ok(()) };
    let kept = std::fs::symlink_metadata(&target).is_ok_and(|there| there.file_type() == meta.file_type());
    let place = || format!("can't carry {} into the workspace", path.display());
    if kept {
        return Ok(());
    }
    disk::remove(&target).context(place)?;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).context(place)?;
    }
    let mut inventory = if meta.is_dir() {
        take_inventory(&source, meta).context(place)?
    } else if meta.is_symlink() {
        Inventory { links: vec![source.clone()], ..Inventory::default() }
    } else {
        Inventory { files: vec![(source.clone(), meta)], ..Inventory::default() }
    };
    if folder.without_secrets {
        inventory.files.retain(|(path, _)| !speaks_of_secrets(path));
        inventory.again.retain(|(known, path)| !speaks_of_secrets(known) && !speaks_of_secrets(path));
    }
    Transfer { from, to, can_reflink: AtomicBool::new(true), can_link: system::read_only_holds() }
        .run(&inventory)
        .context(place)
}

fn speaks_of_secrets(path: &Path) -> bool {
    path.file_name().is_some_and(|name| may_be_secret(&name.to_string_lossy().to_ascii_lowercase()))
}

fn take_inventory(source: &Path, meta: Metadata) -> io::Result<Inventory> {
    let mut inventory = Inventory { folders: vec![(source.to_path_buf(), meta)], ..Inventory::default() };
    let mut first: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut next = 0;
    while next < inventory.folders.len() {
        let folder = inventory.folders[next].0.clone();
        next += 1;
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
            if meta.is_dir() {
                if !is_dead_weight(&path) {
                    inventory.folders.push((path, meta));
                }
            } else if meta.is_symlink() {
                inventory.links.push(path);
            } else if meta.is_file() {
                match first.get(&(meta.dev(), meta.ino())) {
                    Some(known) if meta.nlink() > 1 => inventory.again.push((known.clone(), path)),
                    _ => {
                        if meta.nlink() > 1 {
                            first.insert((meta.dev(), meta.ino()), path.clone());
                        }
                        inventory.files.push((path, meta));
                    }
                }
            }
        }
    }
    Ok(inventory)
}

struct Transfer<'a> {
    from: &'a Path,
    to: &'a Path,
    /// Until the file system says that it can't share blocks.
    can_reflink: AtomicBool,
    /// Root writes also into read-only files, so links would leak.
    can_link: bool,
}

impl Transfer<'_> {
    fn run(&self, inventory: &Inventory) -> io::Result<()> {
        for (folder, _) in &inventory.folders {
            std::fs::create_dir(self.there(folder))?;
        }
        self.files(&inventory.files)?;
        for link in &inventory.links {
            self.link(link).or_else(only_full)?;
        }
        for (known, path) in &inventory.again {
            std::fs::hard_link(self.there(known), self.there(path)).or_else(only_full)?;
        }
        // children first: writing into a folder changes its time
        for (folder, meta) in inventory.folders.iter().rev() {
            let there = self.there(folder);
            system::set_mode(&there, meta.mode() & 0o777 | 0o700)?;
            system::set_modified(&there, meta.modified()?)?;
        }
        Ok(())
    }

    fn there(&self, path: &Path) -> PathBuf {
        self.to.join(path.strip_prefix(self.from).unwrap_or(path))
    }

    fn files(&self, files: &[(PathBuf, Metadata)]) -> io::Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let queue = std::sync::Mutex::new(files.chunks(files.len().div_ceil(cores * 8).max(16)));
        let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let work = || -> io::Result<()> {
            let mut buffer = Vec::new();
            while let Some(files) = next() {
                for (path, meta) in files {
                    self.file(path, meta, &mut buffer).or_else(only_full)?;
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..cores).map(|_| scope.spawn(work)).collect();
            let mine = work();
            let theirs =
                threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(io::Error::other("a copy panicked"))));
            theirs.fold(mine, io::Result::and)
        })
    }

    fn file(&self, path: &Path, meta: &Metadata, buffer: &mut Vec<u8>) -> io::Result<()> {
        let there = self.there(path);
        if let Some(text) = relocate::text(path, meta.len(), self.from, self.to)? {
            std::fs::write(&there, text)?;
            return dress(&there, meta);
        }
        if meta.len() > 0 && self.can_reflink.load(Ordering::Relaxed) {
            match reflink_copy::reflink(path, &there) {
                Ok(()) => return dress(&there, meta),
                Err(_) => {
                    self.can_reflink.store(false, Ordering::Relaxed);
                    disk::remove(&there)?;
                }
            }
        }
        let read_only = meta.mode() & 0o222 == 0;
        if self.can_link && read_only && meta.len() >= LINK_FROM_BYTES && std::fs::hard_link(path, &there).is_ok() {
            return Ok(());
        }
        disk::copy_file(path, &there, buffer).map(drop)
    }

    fn link(&self, path: &Path) -> io::Result<()> {
        let (target, there) = (std::fs::read_link(path)?, self.there(path));
        match target.strip_prefix(self.from) {
            Ok(inside) if target.is_absolute() => system::symlink(self.to.join(inside), there),
            _ => disk::copy_link(path, &there),
        }
    }
}

/// Permissions and time stamp of the original.
fn dress(path: &Path, meta: &Metadata) -> io::Result<()> {
    let file = std::fs::File::options().write(true).open(path)?;
    system::set_file_mode(&file, meta.mode() & 0o777)?;
    file.set_times(FileTimes::new().set_modified(meta.modified()?))
}

/// A file that can't be copied is left out, unless the reason is that the disk is full.
fn only_full(e: io::Error) -> io::Result<()> {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Err(e),
        _ => Ok(()),
    }
}

/// Free space, in bytes, where `path` is.
///
/// # Errors
/// When the file system can't be asked.
pub fn free_bytes(path: &Path) -> Result<u64> {
    system::free_bytes(path)
        .map_err(|e| Error::environment(format!("can't ask for the free space at {}", path.display())).source(e))
}
