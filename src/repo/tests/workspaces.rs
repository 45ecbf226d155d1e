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
