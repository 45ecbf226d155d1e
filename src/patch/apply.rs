//! Putting a patch into a checkout and taking it out again, never through a symbolic link.

use std::path::{Path, PathBuf};

use super::outside::forbidden;
use super::{FileChange, MODE_EXECUTABLE, MODE_FILE, Patch, ends};
use crate::error::{Context as _, Error, Result};
use crate::system::{self, OsStrExt as _, PermissionsExt as _};

impl Patch {
    /// Writes the new side of every file into the checkout at `top`.
    ///
    /// # Errors
    /// When a path leads out of the checkout or through a link, is not a plain file, or the disk fails.
    pub fn write_to(&self, top: &Path) -> Result<()> {
        // deletions first: a folder may become a file
        for (path, change) in self.files.iter().filter(|(_, c)| c.new.is_none()) {
            put(top, path, change)?;
        }
        for (path, change) in self.files.iter().filter(|(_, c)| c.new.is_some()) {
            put(top, path, change)?;
        }
        Ok(())
    }

    /// Writes the old side of every file into the checkout at `top`.
    ///
    /// # Errors
    /// As [`Patch::write_to`].
    pub fn take_out_of(&self, top: &Path) -> Result<()> {
        self.reversed().write_to(top)
    }

    /// The patch that undoes this one.
    pub fn reversed(&self) -> Self {
        let mut files = self.files.clone();
        for change in files.values_mut() {
            std::mem::swap(&mut change.old, &mut change.new);
        }
        Self { files }
    }

    /// The files of the checkout at `top` whose content is not this patch's old side: the patch does not fit there.
    ///
    /// # Errors
    /// When a path leads out of the checkout or the disk fails.
    pub fn misfits(&self, top: &Path) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (path, change) in &self.files {
            let place = checked(top, path)?;
            let found = match std::fs::symlink_metadata(&place) {
                Ok(meta) if meta.is_file() => Some(std::fs::read(&place).context(|| reading(&place))?),
                Ok(_) => Some(Vec::new()),
                Err(_) => None,
            };
            let fits = match (&found, &change.old) {
                (Some(found), Some(old)) => ends::stands_for(found, &old.bytes),
                (None, None) => true,
                _ => false,
            };
            if !fits {
                wrong.push(String::from_utf8_lossy(path).into_owned());
            }
        }
        Ok(wrong)
    }
}

impl FileChange {
    /// The new bytes as they belong into the file `place`: with the line ends that git gave it.
    pub fn bytes_for(&self, place: &Path) -> Vec<u8> {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return self.new_bytes().to_vec() };
        let is_file = std::fs::symlink_metadata(place).is_ok_and(|meta| meta.is_file());
        let disk = if is_file { std::fs::read(place).unwrap_or_default() } else { Vec::new() };
        ends::like(&disk, &old.bytes, &new.bytes).into_owned()
    }
}

fn reading(place: &Path) -> String {
    format!("can't read {}", place.display())
}

/// The place of `path` below `top`, when no part of the way is a link.
fn checked(top: &Path, path: &[u8]) -> Result<PathBuf> {
    let shown = String::from_utf8_lossy(path);
    if let Some(why) = forbidden(path) {
        return Err(Error::usage(format!("the patch may not write {shown}: {why}")));
    }
    let relative = Path::new(std::ffi::OsStr::from_bytes(path));
    let mut place = top.to_path_buf();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        place.push(part);
        if std::fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_symlink()) {
            return Err(Error::usage(format!("the patch may not write {shown}: it leads through a symbolic link")));
        }
    }
    Ok(top.join(relative))
}

fn put(top: &Path, path: &[u8], change: &FileChange) -> Result<()> {
    let place = checked(top, path)?;
    let content = change.new.as_ref();
    let bytes = change.bytes_for(&place);
    let writing = || format!("can't write {}", place.display());
    // removed before it is written: it may be a hard link of the user's own file, or a symbolic link
    match std::fs::symlink_metadata(&place) {
        Ok(meta) if meta.is_dir() && content.is_some() => std::fs::remove_dir(&place).context(writing)?,
        Ok(meta) if !meta.is_dir() => std::fs::remove_file(&place).context(writing)?,
        _ => {}
    }
    let Some(content) = content else {
        remove_empty_folders(top, &place);
        return Ok(());
    };
    if content.mode != MODE_FILE && content.mode != MODE_EXECUTABLE {
        return Err(Error::usage(format!("the patch may not write {}: not a plain file", place.display())));
    }
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder).context(writing)?;
    }
    std::fs::write(&place, bytes).context(writing)?;
    if content.mode == MODE_EXECUTABLE {
        let mode = std::fs::metadata(&place).context(writing)?.permissions().mode();
        system::set_mode(&place, mode | (mode & 0o444) >> 2).context(writing)?;
    }
    Ok(())
}

/// As git does: a folder goes with its last file.
fn remove_empty_folders(top: &Path, place: &Path) {
    let mut folder = place.parent();
    while let Some(dir) = folder.filter(|dir| *dir != top && dir.starts_with(top)) {
        if std::fs::remove_dir(dir).is_err() {
            return;
        }
        folder = dir.parent();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::FileContent;
    use super::*;

    fn file(text: &str) -> Option<FileContent> {
        Some(FileContent { mode: MODE_FILE, bytes: text.as_bytes().to_vec() })
    }

    #[test]
    fn a_patch_goes_in_and_out_and_leaves_no_empty_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let patch = Patch {
            files: BTreeMap::from([
                (b"a".to_vec(), FileChange { old: file("1"), new: None }),
                (
                    b"new/deep/b".to_vec(),
                    FileChange { old: None, new: Some(FileContent { mode: MODE_EXECUTABLE, bytes: b"2".to_vec() }) },
                ),
            ]),
        };
        assert!(patch.misfits(dir.path()).unwrap().is_empty());
        patch.write_to(dir.path()).unwrap();
        assert!(!dir.path().join("a").exists());
        let mode = std::fs::metadata(dir.path().join("new/deep/b")).unwrap().permissions().mode();
        assert_ne!(mode & 0o100, 0);
        assert_eq!(patch.misfits(dir.path()).unwrap(), ["a", "new/deep/b"]);
        patch.take_out_of(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "1");
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn a_hard_link_of_the_users_file_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("theirs"), "1").unwrap();
        std::fs::hard_link(dir.path().join("theirs"), dir.path().join("a")).unwrap();
        Patch::of_text(b"a", b"1", b"2").write_to(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("theirs")).unwrap(), "1");
    }

    #[test]
    fn nothing_is_written_through_a_link_or_out_of_the_tree() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        for path in ["link/x", "../x", "/tmp/x", ".git/config", "a/../../x", ".GIT/hooks/x"] {
            let patch =
                Patch { files: BTreeMap::from([(path.as_bytes().to_vec(), FileChange { old: None, new: file("x") })]) };
            assert!(patch.write_to(dir.path()).is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
