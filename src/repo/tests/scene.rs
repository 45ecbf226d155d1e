//! A user's repository in a temporary folder, a store beside it, and everything about it that must never change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::{Repository, Store};

pub(crate) struct Scene {
    pub(crate) temp: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

/// Path, kind and mode, size, modification time, content.
pub(crate) type Everything = BTreeMap<PathBuf, (u32, u64, i64, i64, Vec<u8>)>;

impl Scene {
    /// An empty repository in a folder named `name`.
    pub(crate) fn named(name: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join(name);
        std::fs::create_dir(&root).unwrap();
        let scene = Self { temp, root };
        scene.git(&["init", "-q", "-b", "main"]);
        scene
    }

    /// A repository with three committed files.
    pub(crate) fn new() -> Self {
        let scene = Self::named("repo");
        scene.write("a.txt", b"one\n").write("src/b.py", b"b = 1\n").write("src/deep/c.sh", b"#!/bin/sh\n");
        std::process::Command::new("chmod").arg("+x").arg(scene.root.join("src/deep/c.sh")).status().unwrap();
        scene.write(".gitignore", b"target/\n*.log\n").commit("first");
        scene
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> &Self {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root, args)
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::discover(&self.root).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        self.store_of(&self.repository())
    }

    pub(crate) fn store_of(&self, repository: &Repository) -> Store {
        let dir = tempfile::Builder::new().prefix("run").disable_cleanup(true).tempdir_in(self.temp.path()).unwrap();
        Store::create(repository, dir.path()).unwrap()
    }

    /// Every byte, mode and time stamp of the user's folder, git folder included.
    pub(crate) fn everything(&self) -> Everything {
        let mut all = BTreeMap::new();
        walk(&self.root, &mut all);
        all
    }
}

/// Asserts that nothing is different, naming only what is.
pub(crate) fn assert_same(before: &Everything, after: &Everything) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let different: Vec<_> = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(different.is_empty(), "changed: {different:?}");
}

pub(crate) fn walk(dir: &Path, all: &mut Everything) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_symlink() {
            std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if meta.is_file() {
            std::fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        if meta.is_dir() {
            walk(&path, all);
        }
        // git renews the time stamp of an object that it would have written again, and that of the shared part of a
        // split index when it reads it; the bytes stay
        let is_object = path.parent().is_some_and(|p| p.parent().is_some_and(|p| p.ends_with(".git/objects")))
            || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sharedindex."));
        let time = if is_object { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) };
        all.insert(path, (meta.mode(), meta.size(), time.0, time.1, content));
    }
}

/// Makes every file of the working tree an hour old.
pub(crate) fn age(root: &Path) {
    let mut all = BTreeMap::new();
    walk(root, &mut all);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for path in all.keys().filter(|path| path.is_file() && !path.starts_with(root.join(".git"))) {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    String::from_utf8_lossy(&git_bytes(dir, args)).trim_end().to_owned()
}

pub(crate) fn git_bytes(dir: &Path, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"];
    // a commit would start maintenance in the background, which touches folders while we look
    let identity = [&identity[..], &["-c", "maintenance.auto=false", "-c", "gc.auto=0"][..]].concat();
    let command = command.args(identity).args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let out = command.env("GIT_OPTIONAL_LOCKS", "0").output().unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}
