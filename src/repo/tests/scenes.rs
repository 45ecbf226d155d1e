//! Every kind of repository goes through the whole life of a workspace, and nothing of the user's changes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::scene::{self, Scene, assert_same};
use crate::error::Kind;
use crate::repo::carry::Carry;
use crate::repo::snapshot::os;
use crate::repo::{Repository, Snapshot, Store, Workspace};

/// Snapshot, workspace, reset, drop for the tree at `root`; `look` sees the workspace in between.
fn life_at(scene: &Scene, root: &Path, look: impl Fn(&Workspace, &Store)) -> Snapshot {
    // this git may write a tree into the user's objects; it is the test's, so it comes first
    let list = scene::git_bytes(root, &["ls-files", "-co", "--exclude-standard", "-z"]);
    let before = scene.everything();
    let store = scene.store_of(&Repository::discover(root).unwrap());
    let snapshot = store.snapshot().unwrap();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).unwrap();
    same_files(root, &list, &workspace, true);
    look(&workspace, &store);
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    workspace.reset().unwrap();
    // what `look` changed is younger now
    same_files(root, &list, &workspace, false);
    assert_eq!(workspace.tree_now().unwrap(), snapshot.tree);
    let path = workspace.path.clone();
    drop(workspace);
    assert!(!path.exists());
    assert_same(&before, &scene.everything());
    let again = scene.store_of(&Repository::discover(root).unwrap()).snapshot().unwrap();
    assert_eq!(again, snapshot);
    snapshot
}

fn life(scene: &Scene, look: impl Fn(&Workspace, &Store)) -> Snapshot {
    life_at(scene, &scene.root, look)
}

/// What git would add of the user's tree is in the workspace: the same bytes, links, permissions to execute and times.
fn same_files(root: &Path, list: &[u8], workspace: &Workspace, times: bool) {
    for path in list.split(|b| *b == 0).filter(|p| !p.is_empty() && !p.ends_with(b"/")) {
        let (theirs, ours) = (root.join(os(path)), workspace.at(path));
        let Ok(meta) = std::fs::symlink_metadata(&theirs) else {
            assert!(std::fs::symlink_metadata(&ours).is_err(), "{} was deleted", theirs.display());
            continue;
        };
        let our_meta = std::fs::symlink_metadata(&ours).unwrap_or_else(|e| panic!("{}: {e}", ours.display()));
        assert_eq!(meta.file_type(), our_meta.file_type(), "{}", theirs.display());
        if meta.is_symlink() {
            assert_eq!(std::fs::read_link(&theirs).unwrap(), std::fs::read_link(&ours).unwrap());
        } else if meta.is_file() {
            assert_eq!(std::fs::read(&theirs).unwrap(), std::fs::read(&ours).unwrap(), "{}", theirs.display());
            assert_eq!(meta.mode() & 0o111, our_meta.mode() & 0o111, "{}", theirs.display());
            let time = |meta: &std::fs::Metadata| (meta.mtime(), meta.mtime_nsec());
            assert!(!times || time(&meta) == time(&our_meta), "{}", theirs.display());
        }
    }
}

#[test]
fn a_clean_tree_gives_the_tree_of_head() {
    let scene = Scene::new();
    let snapshot = life(&scene, |_, _| {});
    assert_eq!(snapshot.tree.0, scene.git(&["rev-parse", "HEAD^{tree}"]));
}

#[test]
fn everything_dirty_at_once() {
    let scene = Scene::new();
    scene.write("d.txt", b"d\n").write("e.txt", b"e\n").write("f", b"f\n").commit("more");
    scene.git(&["mv", "src/b.py", "src/c.py"]);
    scene.write("d.txt", b"staged\n").git(&["add", "d.txt"]);
    scene.write("d.txt", b"staged, then changed\n").write("new dir/new", b"untracked\n");
    std::fs::remove_file(scene.root.join("e.txt")).unwrap();
    scene.git(&["add", "-N", "new dir/new"]);
    std::fs::remove_file(scene.root.join("f")).unwrap();
    scene.write("f/now/a/folder", b"x");
    std::fs::create_dir(scene.root.join("empty")).unwrap();
    scene.git(&["stash", "list"]);
    life(&scene, |workspace, _| {
        assert_eq!(std::fs::read(workspace.at(b"d.txt")).unwrap(), b"staged, then changed\n");
        assert!(!workspace.at(b"empty").exists());
    });
}

#[test]
fn a_repository_without_commits() {
    let scene = Scene::named("unborn");
    let snapshot = life(&scene, |_, _| {});
    assert_eq!(snapshot.parent, None);
    scene.write("a", b"1\n");
    scene.git(&["add", "a"]);
    scene.write("b", b"2\n");
    assert_ne!(life(&scene, |_, _| {}).tree, snapshot.tree);
    assert_eq!(scene.repository().branch.as_deref(), Some("main"));
}

#[test]
fn a_linked_worktree_a_detached_head_and_a_subfolder() {
    let scene = Scene::new();
    let tree = scene.temp.path().join("linked tree");
    scene.git(&["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    std::fs::write(tree.join("only here"), "x").unwrap();
    let found = Repository::discover(&tree.join("src/deep")).unwrap();
    assert_eq!((found.branch.as_deref(), found.root.as_path()), (None, tree.as_path()));
    assert_eq!(found.common_dir, scene.repository().common_dir);
    assert_ne!(found.git_dir, found.common_dir);
    life_at(&scene, &tree, |workspace, _| assert!(workspace.at(b"only here").exists()));
}

#[test]
fn a_shallow_clone_works_and_says_what_it_lacks() {
    let origin = Scene::new();
    origin.write("a.txt", b"2\n").commit("second");
    origin.write("a.txt", b"3\n").commit("third");
    let clone = Scene::named("x");
    let url = format!("file://{}", origin.root.display());
    scene::git(clone.temp.path(), &["clone", "-q", "--depth", "1", &url, "shallow clone"]);
    let root = clone.temp.path().join("shallow clone");
    scene::git(&root, &["checkout", "-q", "-b", "work"]);
    let repository = Repository::discover(&root).unwrap();
    assert!(repository.shallow);
    life_at(&clone, &root, |workspace, _| {
        assert_eq!(scene::git(&workspace.path, &["log", "--format=%s"]).lines().count(), 2);
    });
    let error = repository.base_branch(Some("release")).unwrap_err();
    assert_eq!(error.what(), "the base branch `release` is not in this clone (depth 1)");
    assert!(error.hint_text().unwrap().starts_with("git fetch --unshallow origin"));
    let (name, _) = repository.base_branch(None).unwrap().unwrap();
    assert_eq!(name, "origin/main");
}

#[test]
fn a_submodule_is_checked_out_in_the_workspace_too() {
    let inner = Scene::new();
    let scene = Scene::new();
    scene.git(&["submodule", "add", "-q", inner.root.to_str().unwrap(), "libs/inner"]);
    scene.commit("submodule");
    scene.write("libs/inner/built.so", b"built");
    life(&scene, |workspace, store| {
        assert_eq!(std::fs::read(workspace.at(b"libs/inner/a.txt")).unwrap(), b"one\n");
        assert_eq!(std::fs::read(workspace.at(b"libs/inner/built.so")).unwrap(), b"built");
        assert!(!workspace.at(b"libs/inner/.git").exists());
        std::fs::write(workspace.at(b"libs/inner/a.txt"), "changed by a test").unwrap();
        std::fs::remove_file(workspace.at(b"libs/inner/built.so")).unwrap();
        workspace.reset().unwrap();
        assert_eq!(std::fs::read(workspace.at(b"libs/inner/a.txt")).unwrap(), b"one\n");
        assert!(workspace.at(b"libs/inner/built.so").exists());
        assert_eq!(store.read(&workspace.snapshot.tree, b"libs/inner").unwrap(), Some((0o160_000, Vec::new())));
    });
    let found = Repository::discover(&scene.root.join("libs/inner")).unwrap();
    assert_eq!(found.root, scene.root.join("libs/inner"), "a submodule is a repository of its own");
}

#[test]
fn repositories_inside_the_tree_do_not_stand_in_the_way() {
    let scene = Scene::new();
    scene.write("fine.txt", b"x");
    std::fs::create_dir(scene.root.join("nested")).unwrap();
    scene::git(&scene.root.join("nested"), &["init", "-q"]);
    scene.write("nested/file", b"x");
    let (snapshot, notes) = scene.store().snapshot_with_notes().unwrap();
    assert!(notes.0.iter().any(|note| note.contains("nested")), "{notes:?}");
    assert_eq!(life(&scene, |workspace, _| assert!(workspace.at(b"fine.txt").exists())), snapshot);
    scene::git(&scene.root.join("nested"), &["add", "file"]);
    scene::git(&scene.root.join("nested"), &["commit", "-q", "-m", "x"]);
    let (_, notes) = scene.store().snapshot_with_notes().unwrap();
    assert!(notes.0.iter().any(|note| note.contains("nested")), "{notes:?}");
}

#[test]
fn links_to_files_folders_nothing_and_outside_stay_links() {
    let scene = Scene::new();
    let outside = scene.temp.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "p").unwrap();
    for (target, name) in [("a.txt", "file"), ("src", "dir"), ("nowhere", "dangling"), ("../outside", "out")] {
        symlink(target, scene.root.join(name)).unwrap();
    }
    scene.git(&["add", "-A"]);
    life(&scene, |workspace, _| {
        std::fs::remove_file(workspace.at(b"file")).unwrap();
        symlink("src/b.py", workspace.at(b"file")).unwrap();
        assert_ne!(workspace.tree_now().unwrap(), workspace.snapshot.tree);
        workspace.reset().unwrap();
    });
    assert!(outside.join("precious").exists());
}

#[test]
fn line_ends_are_the_users() {
    let scene = Scene::new();
    scene.write(".gitattributes", b"*.bat text eol=crlf\n*.bin -text\n").write("run.bat", b"echo\r\n");
    scene.write("auto.txt", b"a\r\nb\r\n").write("x.bin", b"\r\n\n");
    scene.git(&["config", "core.autocrlf", "true"]);
    scene.commit("line ends");
    let crlf = |workspace: &Workspace, store: &Store| {
        assert_eq!(store.read(&workspace.snapshot.tree, b"run.bat").unwrap().unwrap().1, b"echo\n");
        assert_eq!(std::fs::read(workspace.at(b"run.bat")).unwrap(), b"echo\r\n");
        // written again with the same bytes: still the same tree
        std::fs::write(workspace.at(b"auto.txt"), b"a\r\nb\r\n").unwrap();
        assert_eq!(workspace.tree_now().unwrap(), workspace.snapshot.tree);
        std::fs::write(workspace.at(b"auto.txt"), b"c\r\n").unwrap();
    };
    let old = life(&scene, |workspace, store| {
        crlf(workspace, store);
        workspace.reset().unwrap();
    });
    // from blobs, too: an older commit, whose files the user has otherwise now
    scene.write("run.bat", b"other\r\n").write("auto.txt", b"other\r\n").commit("other");
    let store = scene.store();
    store.snapshot().unwrap();
    let older = store.snapshot_of(old.parent.as_ref().unwrap()).unwrap();
    let workspace = Workspace::create(&store, &older, "w", &Carry::default()).unwrap();
    crlf(&workspace, &store);
    workspace.reset().unwrap();
    assert_eq!(std::fs::read(workspace.at(b"auto.txt")).unwrap(), b"a\r\nb\r\n");
    assert_eq!(workspace.tree_now().unwrap(), older.tree);
}

#[test]
fn names_that_are_no_text_and_odd_folders() {
    let scene = Scene::named("it's \"a\" \\ path with spaces");
    for name in [&b"caf\xe9"[..], b"tab\there", b"new\nline", b"\"quoted\"", b"-dash", b" space ", b":colon", b"*star"]
    {
        std::fs::write(scene.root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    scene.commit("odd names");
    std::fs::write(scene.root.join(OsStr::from_bytes(b"caf\xe9")), "changed").unwrap();
    life(&scene, |workspace, store| {
        assert_eq!(store.files(&workspace.snapshot.tree).unwrap().len(), 8);
        for name in [&b"caf\xe9"[..], b"-dash", b":colon", b"*star"] {
            std::fs::write(workspace.at(name), "a test was here").unwrap();
        }
        std::fs::write(workspace.at(b":new\xff"), "a test was here").unwrap();
        assert_ne!(workspace.tree_now().unwrap(), workspace.snapshot.tree);
        workspace.reset().unwrap();
    });
}

#[test]
fn no_filter_runs_and_large_files_are_the_users_bytes() {
    let scene = Scene::new();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    scene.write(".gitattributes", b"*.lfs filter=lfs diff=lfs merge=lfs -text\n").write("big.lfs", pointer);
    scene.commit("pointer");
    // older than the index, so that git believes its stat data
    scene::age(&scene.root);
    scene.git(&["update-index", "--refresh"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    scene.git(&["update-index", "--force-write-index"]);
    let marker = scene.temp.path().join("filter ran");
    let touch = format!("touch '{}'; exit 1", marker.display());
    for kind in ["clean", "smudge", "process"] {
        scene.git(&["config", &format!("filter.lfs.{kind}"), &touch]);
    }
    scene.git(&["config", "filter.lfs.required", "true"]);
    life(&scene, |workspace, _| {
        std::fs::write(workspace.at(b"big.lfs"), "x").unwrap();
        workspace.tree_now().unwrap();
        workspace.reset().unwrap();
    });
    assert!(!marker.exists(), "no filter was needed, and none ran");
    // a changed file needs the user's own filter; it fails, and the bytes are taken as they are
    scene.write("big.lfs", b"really big");
    let store = scene.store();
    let (snapshot, notes) = store.snapshot_with_notes().unwrap();
    assert_eq!(store.read(&snapshot.tree, b"big.lfs").unwrap().unwrap().1, b"really big");
    assert!(notes.0.iter().any(|note| note.contains("filter")), "{notes:?}");
}

#[test]
fn a_merge_that_is_not_finished_is_refused_with_its_files() {
    let scene = Scene::new();
    scene.git(&["checkout", "-q", "-b", "side"]);
    scene.write("a.txt", b"side\n").commit("side");
    scene.git(&["checkout", "-q", "main"]);
    scene.write("a.txt", b"main\n").commit("main");
    let merge = std::process::Command::new("git").args(["merge", "-q", "side"]).current_dir(&scene.root).output();
    assert!(!merge.unwrap().status.success());
    let error = scene.store().snapshot().unwrap_err();
    assert_eq!(error.kind(), Kind::Repository);
    assert!(error.render().contains("a.txt") && error.hint_text().unwrap().contains("git merge --abort"));
}

#[test]
fn indexes_of_all_kinds_are_read() {
    let scene = Scene::new();
    for setting in [&["update-index", "--index-version", "4"][..], &["update-index", "--split-index"]] {
        scene.git(setting);
        scene.write("a.txt", setting[1].as_bytes());
        life(&scene, |_, _| {});
        scene.git(&["add", "-A"]);
    }
    scene.git(&["commit", "-q", "-m", "x"]);
    scene.git(&["sparse-checkout", "set", "--sparse-index", "nothing"]);
    assert!(!scene.root.join("src").exists());
    let snapshot = life(&scene, |workspace, _| assert!(!workspace.at(b"src").exists()));
    assert_eq!(snapshot.tree.0, scene.git(&["rev-parse", "HEAD^{tree}"]));
}

#[test]
fn places_that_are_no_working_tree_are_refused_with_advice() {
    let scene = Scene::new();
    let outside = tempfile::tempdir().unwrap();
    let error = Repository::discover(outside.path()).unwrap_err();
    assert!(error.what().contains("is not in a git repository") && error.hint_text().unwrap().contains("git init"));
    scene::git(outside.path(), &["init", "-q", "--bare", "b.git"]);
    assert!(Repository::discover(&outside.path().join("b.git")).unwrap_err().what().contains("bare"));
    assert!(Repository::discover(&scene.root.join(".git")).unwrap_err().what().contains("inside a .git folder"));
}

#[test]
fn a_borrowed_repository_that_borrows_itself() {
    let first = Scene::new();
    let names = ["second", "third"];
    scene::git(first.temp.path(), &["clone", "-q", "-s", first.root.to_str().unwrap(), names[0]]);
    scene::git(first.temp.path(), &["clone", "-q", "-s", names[0], names[1]]);
    let root = first.temp.path().join("third");
    life_at(&first, &root, |workspace, _| {
        assert_eq!(scene::git(&workspace.path, &["log", "--format=%s"]).lines().last(), Some("first"));
    });
}

#[test]
fn executable_bits_and_unreadable_folders_are_put_back_and_removed() {
    let scene = Scene::new();
    life(&scene, |workspace, _| {
        let mode = |path: &[u8], mode| {
            std::fs::set_permissions(workspace.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(b"src/deep/c.sh", 0o644);
        assert_ne!(workspace.tree_now().unwrap(), workspace.snapshot.tree);
        std::fs::create_dir_all(workspace.at(b"locked/in")).unwrap();
        std::fs::write(workspace.at(b"locked/in/x"), "x").unwrap();
        mode(b"locked/in", 0o000);
        mode(b"locked", 0o500);
        workspace.reset().unwrap();
        assert!(!workspace.at(b"locked").exists());
    });
}

#[test]
fn a_hook_that_starts_us_does_not_lead_us_astray() {
    const CHILD: &str = "KAIZEN_TEST_HOOK_CHILD";
    if let Some(root) = std::env::var_os(CHILD) {
        let repository = Repository::discover(Path::new(&root)).unwrap();
        assert_eq!(repository.root, Path::new(&root));
        let temp = tempfile::tempdir().unwrap();
        let snapshot = Store::create(&repository, temp.path()).unwrap().snapshot().unwrap();
        assert_eq!(Some(snapshot.tree.0), std::env::var("EXPECTED_TREE").ok());
        return;
    }
    let scene = Scene::new();
    let tree = scene.git(&["rev-parse", "HEAD^{tree}"]);
    let other = Scene::named("other");
    let name = "repo::tests::scenes::a_hook_that_starts_us_does_not_lead_us_astray";
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, &scene.root)
        .env("EXPECTED_TREE", tree)
        .env("GIT_DIR", other.root.join(".git"))
        .env("GIT_WORK_TREE", &other.root)
        .env("GIT_INDEX_FILE", other.root.join(".git/wrong-index"))
        .env("GIT_OBJECT_DIRECTORY", other.root.join(".git/objects"))
        .env("GIT_CONFIG_PARAMETERS", "'core.bare'='true'")
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    assert!(!other.root.join(".git/wrong-index").exists());
}
