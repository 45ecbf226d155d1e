//! Removing big folders of ours: never through a link, whatever the permissions inside, on several threads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::system;

/// More threads than this wait for the same disk.
const THREADS_MOST: usize = 4;

/// How deep folders are given to threads of their own: a workspace is at the first level, `node_modules` at the second.
const DEPTH: usize = 3;

/// Removes `path` and everything in it. A link is removed, not followed. Folders that nobody may write are made writable.
/// Nothing there is fine.
///
/// # Errors
/// When something can't be removed; everything else is gone then.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
        Ok(meta) if !meta.is_dir() => return fs::remove_file(path),
        Ok(_) => {}
    }
    let mut folders = Vec::new();
    subfolders(path, DEPTH, &mut folders);
    let queue = Mutex::new(folders);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MOST);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(folder) = next(&queue) {
                    // errors come again below
                    let _ = remove_one(&folder);
                }
            });
        }
    });
    remove_one(path)
}

fn next(queue: &Mutex<Vec<PathBuf>>) -> Option<PathBuf> {
    queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
}

/// The folders at most `depth` levels below `top`, outer ones first: they are taken from the end.
fn subfolders(top: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    let Ok(entries) = fs::read_dir(top) else { return };
    let folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    found.extend(folders.iter().cloned());
    folders.iter().for_each(|folder| subfolders(folder, deeper, found));
}

fn remove_one(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // somebody wrote meanwhile
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => fs::remove_dir_all(path),
        result => result,
    }
}

/// Gives us all rights on every folder from `path` down, and on files where they count for removing.
fn make_writable(path: &Path) {
    let is_dir = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if !is_dir || system::set_mode(path, 0o700).is_err() {
        return;
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => make_writable(&entry.path()),
            Ok(kind) if kind.is_file() && system::READ_ONLY_STAYS => drop(system::set_mode(&entry.path(), 0o600)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "keep").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c/d/e")).unwrap();
        symlink(&precious, tree.join("a/link")).unwrap();
        symlink(&precious, tree.join("a/b/c/d/link")).unwrap();
        remove_tree(&tree).unwrap();
        let link = dir.path().join("link");
        symlink(&precious, &link).unwrap();
        remove_tree(&link).unwrap();
        assert!(!tree.exists() && fs::symlink_metadata(&link).is_err());
        assert_eq!(fs::read(precious.join("file")).unwrap(), b"keep");
    }

    #[test]
    fn folders_without_permissions_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        for (n, mode) in [0o000, 0o100, 0o444, 0o555].into_iter().enumerate() {
            let locked = tree.join(format!("deep/er/and/deeper/{n}"));
            fs::create_dir_all(&locked).unwrap();
            fs::write(locked.join("file"), "").unwrap();
            fs::set_permissions(&locked, Permissions::from_mode(mode)).unwrap();
        }
        make_writable(&tree);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn nothing_there_is_fine() {
        remove_tree(Path::new("/no/such/folder")).unwrap();
    }
}
