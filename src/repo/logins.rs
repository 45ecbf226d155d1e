//! Files in which a clone may keep the login that it was made with: its own configuration, and what that includes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::repo::Git;
use crate::system::{self, OsStrExt as _};

/// The files of configuration in the git directories `folders`, and those that they include, whatever the condition:
/// actions/checkout keeps its token in the first, newer ones in a file of their own beside the runner's temporary files.
/// Files that are not there are left out.
pub fn files<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Vec<PathBuf> {
    let own = folders.into_iter().flat_map(|folder| ["config", "config.worktree"].map(|name| folder.join(name)));
    with_included(own.collect())
}

/// These files, and those that they include.
pub fn with_included(mut queue: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut all = BTreeSet::new();
    while let Some(file) = queue.pop() {
        if file.is_file() && all.insert(file.clone()) {
            queue.extend(included(&file));
        }
    }
    all.into_iter().collect()
}

/// What the file includes. One that git can't read includes nothing for git either.
fn included(file: &Path) -> Vec<PathBuf> {
    let Some(folder) = file.parent() else { return Vec::new() };
    let git = Git::in_dir(folder).args(["config", "--no-includes", "--null", "--file"]).arg(file);
    let Ok(out) = git.args(["--get-regexp", r"^include(if\..*)?\.path$"]).bytes() else { return Vec::new() };
    let rows = out.split(|byte| *byte == 0).filter_map(|row| row.splitn(2, |byte| *byte == b'\n').nth(1));
    rows.filter_map(|value| resolved(folder, OsStr::from_bytes(value))).collect()
}

/// As git reads it: from the home folder, or from the folder of the file that names it.
fn resolved(folder: &Path, value: &OsStr) -> Option<PathBuf> {
    match Path::new(value).strip_prefix("~") {
        Ok(rest) => system::home().map(|home| home.join(rest)),
        Err(_) => Some(folder.join(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_its_login_in_its_configuration_and_in_what_that_includes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("git")).unwrap();
        let outside = path("temp");
        std::fs::create_dir(&outside).unwrap();
        let (login, far) = (outside.join("git-credentials-1.config"), outside.join("far.config"));
        let text = format!(
            "[core]\n\tbare = false\n[include]\n\tpath = near.config\n[includeIf \"gitdir:/somewhere/.git\"]\n\tpath = {}\n\
             [include]\n\tpath = missing.config\n[remote \"include.path\"]\n\turl = x\n",
            login.display()
        );
        std::fs::write(path("git/config"), text).unwrap();
        // around in a circle
        std::fs::write(path("git/near.config"), "[include]\n\tpath = config\n").unwrap();
        std::fs::write(&login, "[include]\n\tpath = far.config\n").unwrap();
        std::fs::write(&far, "no configuration [[[").unwrap();
        let expected = [path("git/config"), path("git/near.config"), far, login];
        assert_eq!(files([path("git").as_path(), path("nowhere").as_path()]), expected);
        assert_eq!(files([path("nowhere").as_path()]), Vec::<PathBuf>::new());
    }
}
