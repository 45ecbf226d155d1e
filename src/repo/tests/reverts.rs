//! Reverts and histories: clean, in conflict, of merges, of renames, of the root; trees and patches back and forth.

use super::scene::Scene;
use crate::patch::{FileChange, FileContent, MODE_FILE, Patch};
use crate::repo::bisect::{Hunt, Mark, Next};
use crate::repo::revert::Revert;
use crate::repo::{Sha, Store};

fn clean(store: &Store, culprit: &str) -> (crate::repo::Snapshot, Patch) {
    let snapshot = store.snapshot().unwrap();
    match store.revert(&snapshot, &Sha(culprit.to_owned())).unwrap() {
        Revert::Clean { snapshot, patch } => (snapshot, patch),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_revert_is_a_commit_in_gits_words_and_keeps_later_and_uncommitted_work() {
    let scene = Scene::new();
    scene.write("bad.txt", b"bad\n").write("a.txt", b"broken\n");
    let culprit = scene.commit("Break it");
    scene.write("later.txt", b"later\n").commit("later");
    scene.write("dirty.txt", b"dirty\n");
    let store = scene.store();
    let (reverted, patch) = clean(&store, &culprit);
    assert_eq!(store.read(&reverted.tree, b"a.txt").unwrap(), Some((MODE_FILE, b"one\n".to_vec())));
    assert_eq!(store.read(&reverted.tree, b"bad.txt").unwrap(), None);
    assert!(store.read(&reverted.tree, b"later.txt").unwrap().is_some());
    assert!(store.read(&reverted.tree, b"dirty.txt").unwrap().is_some());
    assert_eq!(patch.files.keys().map(Vec::as_slice).collect::<Vec<_>>(), [&b"a.txt"[..], b"bad.txt"]);
    let words = store.git().args(["log", "-1", "--format=%B", &reverted.commit.0]).text().unwrap();
    assert_eq!(words.trim_end(), format!("Revert \"Break it\"\n\nThis reverts commit {culprit}."));
}

#[test]
fn a_conflicting_revert_names_the_paths_and_who_changed_them_since() {
    let scene = Scene::new();
    scene.write("a.txt", b"broken\n").write("fine.txt", b"1\n");
    let culprit = scene.commit("Break it");
    scene.write("a.txt", b"built on top\n").commit("Build on it");
    scene.write("a.txt", b"built higher\n");
    let store = scene.store();
    let found = store.revert(&store.snapshot().unwrap(), &Sha(culprit)).unwrap();
    let Revert::Conflicts(conflicts) = found else { panic!("{found:?}") };
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].path, b"a.txt");
    assert_eq!(conflicts[0].later.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["Build on it"]);
    assert!(conflicts[0].uncommitted);
}

#[test]
fn a_commit_that_was_undone_already_leaves_nothing_to_revert() {
    let scene = Scene::new();
    scene.write("a.txt", b"broken\n");
    let culprit = scene.commit("Break it");
    scene.write("a.txt", b"one\n").commit("Mend it");
    let store = scene.store();
    assert_eq!(store.revert(&store.snapshot().unwrap(), &Sha(culprit)).unwrap(), Revert::Nothing);
}

#[test]
fn a_merge_is_reverted_against_its_first_parent_and_a_rename_is_followed() {
    let scene = Scene::new();
    let lines: String = (0..20).map(|n| format!("line {n}\n")).collect();
    scene.write("long.txt", lines.as_bytes()).commit("long");
    scene.git(&["checkout", "-q", "-b", "side"]);
    scene
        .write("long.txt", lines.replace("line 9\n", "line nine\n").as_bytes())
        .write("side.txt", b"s\n")
        .commit("side");
    scene.git(&["checkout", "-q", "main"]);
    scene.write("main.txt", b"m\n").commit("on main");
    scene.git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
    let merge = scene.git(&["rev-parse", "HEAD"]);
    scene.git(&["mv", "long.txt", "moved.txt"]);
    scene.commit("move");
    let store = scene.store();
    let (reverted, _) = clean(&store, &merge);
    assert_eq!(store.read(&reverted.tree, b"moved.txt").unwrap().unwrap().1, lines.as_bytes());
    assert_eq!(store.read(&reverted.tree, b"side.txt").unwrap(), None);
    assert!(store.read(&reverted.tree, b"main.txt").unwrap().is_some());
    let words = store.git().args(["log", "-1", "--format=%B", &reverted.commit.0]).text().unwrap();
    assert!(words.contains(", reversing\nchanges made to "), "{words}");
}

#[test]
fn the_root_commit_can_be_reverted() {
    let scene = Scene::new();
    let root = scene.git(&["rev-parse", "HEAD"]);
    scene.write("z.txt", b"z\n").commit("z");
    let store = scene.store();
    let (reverted, _) = clean(&store, &root);
    assert_eq!(store.files(&reverted.tree).unwrap().len(), 1);
}

#[test]
fn trees_and_patches_turn_into_each_other() {
    let scene = Scene::new();
    let store = scene.store();
    let base = store.snapshot().unwrap().tree;
    scene.write("a.txt", b"\xff\0binary").write("new dir/\u{e9}.txt", b"n\n");
    scene.git(&["rm", "-q", "-r", "src"]);
    let target = store.snapshot().unwrap().tree;
    let patch = store.diff(&base, &target).unwrap();
    assert_eq!(patch.files.len(), 4);
    assert_eq!(store.write(&base, &patch).unwrap(), target);
    assert_eq!(store.write(&target, &Patch::default()).unwrap(), target);
    for path in [&b"../x"[..], b"a/.GIT/config", b"", b"/etc/x", b"a//b"] {
        let new = Some(FileContent { mode: MODE_FILE, bytes: Vec::new() });
        let patch = Patch { files: [(path.to_vec(), FileChange { old: None, new })].into() };
        assert!(store.write(&base, &patch).is_err(), "{path:?}");
    }
}

#[test]
fn the_hunt_goes_down_into_the_side_of_a_merge() {
    let scene = Scene::new();
    scene.git(&["checkout", "-q", "-b", "side"]);
    scene.write("s1", b"").commit("s1");
    let bad = scene.write("bad", b"").commit("bad");
    scene.write("s3", b"").commit("s3");
    scene.git(&["checkout", "-q", "main"]);
    scene.write("m1", b"").commit("m1");
    scene.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    scene.write("m2", b"").commit("m2");
    let (repository, store) = (scene.repository(), scene.store());
    let line = repository.first_parents(repository.head.as_ref().unwrap(), 100).unwrap();
    assert_eq!(line.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["m2", "merge", "m1", "first"]);
    let mut hunt = Hunt::new(line);
    loop {
        match hunt.next(|merge| repository.side(merge)).unwrap() {
            Next::Test(commit) => {
                let tree = store.snapshot_of(&commit.sha).unwrap().tree;
                let red = store.read(&tree, b"bad").unwrap().is_some();
                hunt.mark(&commit.sha, if red { Mark::Red } else { Mark::Green });
            }
            end => {
                let Next::Culprit(culprit) = end else { panic!("{end:?}") };
                assert_eq!(culprit.sha.0, bad);
                break;
            }
        }
    }
}
