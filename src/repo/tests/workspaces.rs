//! Workspaces: what is in them, what a reset puts back, what they hide, and that they vanish.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::scene::{Scene, assert_same};
use crate::repo::Workspace;
use crate::repo::carry::Carry;

fn read(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_workspace_has_the_dirty_tree_and_leaves_the_users_alone() {
    let scene = Scene::new();
    scene.write("a.txt", b"two\n").write("new.txt", b"n\n").write("debug.log", b"ignored\n");
    scene.git(&["mv", "src/b.py", "src/renamed.py"]);
    let before = scene.everything();
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).unwrap();
    assert_eq!(read(&workspace.at(b"a.txt")), "two\n");
    assert_eq!(read(&workspace.at(b"new.txt")), "n\n");
    assert_eq!(read(&workspace.at(b"src/renamed.py")), "b = 1\n");
    assert!(!workspace.at(b"src/b.py").exists() && !workspace.at(b"debug.log").exists());
    assert_eq!(std::fs::metadata(workspace.at(b"src/deep/c.sh")).unwrap().permissions().mode() & 0o111, 0o111);
    let mtime = |path: &Path| std::fs::metadata(path).map(|m| (m.mtime(), m.mtime_nsec())).unwrap();
    assert_eq!(mtime(&workspace.at(b"a.txt")), mtime(&scene.root.join("a.txt")));
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    workspace.reset().unwrap();
    let path = workspace.path.clone();
    drop(workspace);
    assert!(!path.exists());
    assert_same(&before, &scene.everything());
    assert_eq!(scene.store().snapshot().unwrap(), snapshot, "same tree, same commit");
}

#[test]
fn git_inside_a_workspace_works_and_knows_nothing_of_the_user() {
    let scene = Scene::new();
    scene.git(&["remote", "add", "origin", "https://example.org/x.git"]);
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).unwrap();
    let git = |args: &[&str]| super::scene::git(&workspace.path, args);
    assert_eq!(git(&["rev-parse", "HEAD"]), snapshot.commit.0);
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["log", "--format=%s"]).lines().last(), Some("first"));
    assert_eq!(git(&["ls-files"]).lines().count(), 4);
    assert_eq!(git(&["remote"]), "");
    assert_eq!(git(&["for-each-ref"]), "");
}

#[test]
fn reset_restores_everything_that_a_test_could_do_to_the_files() {
    let scene = Scene::new();
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).unwrap();
    let at = |path: &str| workspace.path.join(path);
    let old = std::fs::metadata(at("a.txt")).unwrap().modified().unwrap();
    // the same size, and the old time stamp
    std::fs::write(at("a.txt"), "ONE\n").unwrap();
    std::fs::File::open(at("a.txt")).unwrap().set_modified(old).unwrap();
    std::fs::remove_dir_all(at("src")).unwrap();
    std::fs::create_dir_all(at("made/up")).unwrap();
    std::fs::write(at("made/up/x.log"), "ignored").unwrap();
    std::fs::write(at("new.txt"), "new").unwrap();
    std::os::unix::fs::symlink("/", at("src")).unwrap();
    assert_ne!(workspace.tree_now().unwrap(), snapshot.tree);
    workspace.reset().unwrap();
    assert_eq!(read(&at("a.txt")), "one\n");
    assert_eq!(read(&at("src/b.py")), "b = 1\n");
    assert!(std::fs::metadata(at("a.txt")).unwrap().modified().unwrap() > old, "a build must see the change");
    assert!(!at("made").exists() && !at("new.txt").exists());
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    std::fs::remove_dir_all(&workspace.path).unwrap();
    workspace.reset().unwrap();
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    assert_eq!(super::scene::git(&workspace.path, &["status", "--porcelain"]), "");
}

#[test]
fn nothing_that_a_test_puts_into_its_git_folder_ever_runs() {
    let scene = Scene::new();
    let store = scene.store();
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).unwrap();
    let marker = scene.temp.path().join("it ran");
    let script = scene.temp.path().join("evil.sh");
    std::fs::write(&script, format!("#!/bin/sh\ntouch '{}'\ncat\n", marker.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let evil = script.display();
    let git = |key: &str, value: &str| super::scene::git(&workspace.path, &["config", key, value]);
    for key in ["core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "core.sshCommand", "diff.external"] {
        git(key, &evil.to_string());
    }
    git("core.hooksPath", &scene.temp.path().display().to_string());
    git("core.worktree", &scene.root.display().to_string());
    git("core.excludesFile", "/dev/null");
    std::fs::create_dir_all(workspace.path.join(".git/hooks")).unwrap();
    for hook in ["post-checkout", "post-index-change", "pre-commit"] {
        std::fs::copy(&script, workspace.path.join(".git/hooks").join(hook)).unwrap();
    }
    std::fs::write(workspace.at(b".gitattributes"), "* filter=evil\n").unwrap();
    std::fs::write(workspace.at(b"a.txt"), "changed").unwrap();
    std::fs::write(workspace.at(b"new.txt"), "new").unwrap();
    let before = scene.everything();
    assert_ne!(workspace.tree_now().unwrap(), snapshot.tree);
    workspace.reset().unwrap();
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    assert_eq!(super::scene::git(&workspace.path, &["status", "--porcelain"]), "");
    assert!(!marker.exists() && !workspace.path.join(".git/hooks").exists());
    // a link in place of the git folder is removed, not followed
    std::fs::remove_dir_all(workspace.path.join(".git")).unwrap();
    std::os::unix::fs::symlink(scene.root.join(".git"), workspace.path.join(".git")).unwrap();
    workspace.reset().unwrap();
    assert!(workspace.path.join(".git").symlink_metadata().unwrap().is_dir());
    assert_same(&before, &scene.everything());
}

#[test]
fn tree_now_is_the_tree_that_git_would_make() {
    let scene = Scene::new();
    let store = scene.store();
    let workspace = Workspace::create(&store, &store.snapshot().unwrap(), "w", &Carry::default()).unwrap();
    for top in [&scene.root, &workspace.path] {
        std::fs::write(top.join("a.txt"), "changed\n").unwrap();
        std::fs::write(top.join("ignored.log"), "x").unwrap();
        std::fs::remove_file(top.join("src/b.py")).unwrap();
        std::fs::create_dir_all(top.join("src/b.py/now a")).unwrap();
        std::fs::write(top.join("src/b.py/now a/folder"), "x").unwrap();
        std::fs::remove_dir_all(top.join("src/deep")).unwrap();
        std::os::unix::fs::symlink("..", top.join("src/deep")).unwrap();
    }
    scene.git(&["add", "-A"]);
    assert_eq!(workspace.tree_now().unwrap().0, scene.git(&["write-tree"]));
}

#[test]
fn patches_are_written_and_never_through_a_link() {
    let scene = Scene::new();
    let outside = scene.temp.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, scene.root.join("link")).unwrap();
    let store = scene.store();
    let base = store.snapshot().unwrap();
    scene.write("made/deep/x.sh", b"#!\n").write("a.txt", b"two\n").git(&["rm", "-q", "-r", "src/deep"]);
    std::fs::set_permissions(scene.root.join("made/deep/x.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let target = store.snapshot().unwrap();
    let patch = store.diff(&base.tree, &target.tree).unwrap();
    let workspace = Workspace::create(&store, &base, "w", &Carry::default()).unwrap();
    workspace.write(&patch).unwrap();
    assert_eq!(workspace.tree_now().unwrap(), target.tree);
    assert!(!workspace.at(b"src/deep").exists(), "empty folders go");
    workspace.reset().unwrap();
    assert_eq!(workspace.tree_now().unwrap(), base.tree);
    for path in [&b"link/x"[..], b"../x", b".git/config"] {
        let patch = crate::patch::Patch::of_text(path, b"", b"x");
        assert!(workspace.write(&patch).is_err(), "{}", String::from_utf8_lossy(path));
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
