//! Applying a verified patch to the user's working tree: all files or none, and only where nothing moved meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::patch::{FileChange, FileContent, MODE_EXECUTABLE, MODE_FILE, Patch, ends};
use crate::repo::Repository;
use crate::state::kill_point;
use crate::system::{self, OsStrExt as _, PermissionsExt as _};

/// Writes `patch` into the working tree of `repository`; the index, refs and everything else stay as they are.
/// Returns the paths written.
///
/// # Errors
/// When a file is not as the snapshot had it (the user edited it meanwhile), a path leads through a symbolic link, or
/// the disk is full. Nothing is changed then: files that were already written are put back.
pub fn apply(repository: &Repository, patch: &Patch) -> Result<Vec<String>> {
    let mut plan = Vec::new();
    for (path, change) in &patch.files {
        let target = target(&repository.root, path)?;
        check_unmoved(&target, path, change)?;
        plan.push((target, change));
    }
    kill_point("before-apply");
    // Everything is written beside its target first: what can fail for lack of space fails before the first rename.
    let staged = stage(&plan)?;
    for (i, (target, change)) in plan.iter().enumerate() {
        let done = match &staged[i] {
            Some(temp) => fs::rename(temp.path(), target),
            None => fs::remove_file(target),
        };
        if let Err(error) = done {
            put_back(&plan[..i]);
            return Err(error).context(|| format!("can't write {}", target.display()));
        }
        if i == 0 {
            kill_point("apply-half");
        }
        let _ = change;
    }
    for temp in staged.into_iter().flatten() {
        // Renamed away: there is nothing left to remove under its old name.
        let _ = temp.keep();
    }
    kill_point("after-apply");
    Ok(patch.files.keys().map(|p| String::from_utf8_lossy(p).into_owned()).collect())
}

/// The place of `path` in the working tree; refuses to go through symbolic links and out of the tree.
fn target(root: &Path, path: &[u8]) -> Result<PathBuf> {
    let relative = Path::new(std::ffi::OsStr::from_bytes(path));
    let name = || relative.display().to_string();
    let mut at = root.to_path_buf();
    for part in relative.components() {
        let std::path::Component::Normal(part) = part else {
            return Err(Error::usage(format!("the patch writes to `{}`, which is not a path inside the tree", name())));
        };
        if at != root && fs::symlink_metadata(&at).is_ok_and(|m| m.is_symlink()) {
            return Err(Error::usage(format!("the patch writes to `{}` through a symbolic link", name())));
        }
        at.push(part);
    }
    Ok(at)
}

/// The file is still what the patch starts from.
fn check_unmoved(target: &Path, path: &[u8], change: &FileChange) -> Result<()> {
    let moved = |what: &str| {
        Err(Error::usage(format!(
            "`{}` {what} since the heal began; nothing was applied",
            String::from_utf8_lossy(path)
        ))
        .hint("run `kaizen-ci heal` again, or apply the written patch by hand with `git apply --3way`"))
    };
    match (fs::symlink_metadata(target), &change.old) {
        (Err(_), None) => Ok(()),
        (Err(_), Some(_)) => moved("is gone"),
        (Ok(_), None) => moved("was made"),
        (Ok(meta), Some(old)) => {
            let reading = || format!("can't read {}", target.display());
            if !meta.is_file() || !ends::stands_for(&fs::read(target).context(reading)?, &old.bytes) {
                return moved("was changed");
            }
            Ok(())
        }
    }
}

fn stage(plan: &[(PathBuf, &FileChange)]) -> Result<Vec<Option<tempfile::NamedTempFile>>> {
    plan.iter()
        .map(|(target, change)| change.new.as_ref().map(|new| stage_one(target, change, new)).transpose())
        .collect()
}

fn stage_one(target: &Path, change: &FileChange, new: &FileContent) -> Result<tempfile::NamedTempFile> {
    let write = || -> std::io::Result<tempfile::NamedTempFile> {
        let dir = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let mut temp = tempfile::Builder::new().prefix(".kaizen-").tempfile_in(dir)?;
        temp.write_all(&change.bytes_for(target))?;
        temp.as_file().sync_all()?;
        let permissions = match (fs::metadata(target), new.mode) {
            (Ok(meta), MODE_FILE | MODE_EXECUTABLE) => {
                let mode = meta.permissions().mode();
                if new.mode == MODE_EXECUTABLE { mode | ((mode & 0o444) >> 2) } else { mode & !0o111 }
            }
            (_, MODE_EXECUTABLE) => 0o755,
            _ => 0o644,
        };
        system::set_mode(temp.path(), permissions)?;
        Ok(temp)
    };
    write().context(|| format!("can't write beside {}", target.display()))
}

/// Undoes what was renamed before a failure; best effort, with what the snapshot says was there.
fn put_back(done: &[(PathBuf, &FileChange)]) {
    for (target, change) in done {
        let back = FileChange { old: change.new.clone(), new: change.old.clone() };
        let _ = match &change.old {
            Some(_) => fs::write(target, back.bytes_for(target)),
            None => fs::remove_file(target),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn repository(root: &Path) -> Repository {
        Repository {
            root: root.to_path_buf(),
            git_dir: root.join(".git"),
            common_dir: root.join(".git"),
            head: None,
            branch: None,
            shallow: false,
        }
    }

    #[test]
    fn a_changed_a_new_and_a_deleted_file_are_applied_together() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.py"), "old\n").unwrap();
        fs::write(dir.path().join("gone.py"), "bye\n").unwrap();
        let mut patch = Patch::of_text(b"a.py", b"old\n", b"new\n");
        let content = |bytes: &[u8]| FileContent { mode: MODE_FILE, bytes: bytes.to_vec() };
        patch.files.insert(b"gone.py".to_vec(), FileChange { old: Some(content(b"bye\n")), new: None });
        patch.files.insert(b"sub/new.py".to_vec(), FileChange { old: None, new: Some(content(b"hi\n")) });
        apply(&repository(dir.path()), &patch).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("a.py")).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(dir.path().join("sub/new.py")).unwrap(), "hi\n");
        assert!(!dir.path().join("gone.py").exists());
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|n| !n.to_string_lossy().starts_with(".kaizen-")), "{left:?}");
    }

    #[test]
    fn nothing_is_applied_when_one_file_was_edited_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.py"), "old\n").unwrap();
        fs::write(dir.path().join("b.py"), "edited by a person\n").unwrap();
        let mut patch = Patch::of_text(b"a.py", b"old\n", b"new\n");
        patch.files.extend(Patch::of_text(b"b.py", b"old b\n", b"new b\n").files);
        let error = apply(&repository(dir.path()), &patch).unwrap_err();
        assert!(error.what().contains("b.py"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("a.py")).unwrap(), "old\n");
        assert_eq!(fs::read_to_string(dir.path().join("b.py")).unwrap(), "edited by a person\n");
    }

    #[test]
    fn a_patch_may_not_write_through_a_symbolic_link_or_out_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        for path in [&b"link/x.py"[..], b"../x.py", b"/etc/x.py"] {
            let files = BTreeMap::from([(
                path.to_vec(),
                FileChange { old: None, new: Some(FileContent { mode: MODE_FILE, bytes: b"x".to_vec() }) },
            )]);
            assert!(apply(&repository(dir.path()), &Patch { files }).is_err(), "{}", String::from_utf8_lossy(path));
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_executable_bit_and_the_users_other_permissions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("run.sh");
        fs::write(&file, "old\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o750)).unwrap();
        let mut patch = Patch::of_text(b"run.sh", b"old\n", b"new\n");
        for change in patch.files.values_mut() {
            for side in [&mut change.old, &mut change.new].into_iter().flatten() {
                side.mode = MODE_EXECUTABLE;
            }
        }
        apply(&repository(dir.path()), &patch).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o750);
    }
}
