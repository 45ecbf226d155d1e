//! Tests of reading a diff from outside, against real trees in a real object store.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::super::{FileChange, FileContent, MODE_EXECUTABLE, MODE_FILE, Patch};
use super::{MOST_BYTES, Refusal, between, parse};
use crate::repo::{Repository, Store};
use crate::words::{Sha, Verdict};

/// A bare store of its own.
fn store(temp: &Path) -> Store {
    let git_dir = temp.join("users.git");
    let made = Command::new("git").args(["init", "-q", "--bare"]).arg(&git_dir).status().unwrap();
    assert!(made.success());
    let repository = Repository {
        root: temp.to_path_buf(),
        git_dir: git_dir.clone(),
        common_dir: git_dir,
        head: None,
        branch: None,
        shallow: false,
    };
    Store::create(&repository, temp).unwrap()
}

fn git(store: &Store, args: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("git")
        .arg("--git-dir")
        .arg(&store.git_dir)
        .args(args)
        .env("GIT_INDEX_FILE", store.temp.join("test-index"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "git {args:?}");
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

type Files = BTreeMap<Vec<u8>, FileContent>;

fn tree(store: &Store, files: &Files) -> Sha {
    let _ = std::fs::remove_file(store.temp.join("test-index"));
    let mut info = Vec::new();
    for (path, content) in files {
        let blob = git(store, &["hash-object", "-w", "--stdin"], &content.bytes);
        info.extend_from_slice(format!("{:o} {blob}\t", content.mode).as_bytes());
        info.extend_from_slice(path);
        info.push(0);
    }
    git(store, &["update-index", "-z", "--index-info"], &info);
    Sha(git(store, &["write-tree"], b""))
}

fn file(text: &str) -> FileContent {
    FileContent { mode: MODE_FILE, bytes: text.as_bytes().to_vec() }
}

fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, text)| (path.as_bytes().to_vec(), file(text))).collect()
}

const CART: &str = "def total(a, b):\n    x = a\n    y = b\n    return x - y\n\n\ndef other():\n    return 1\n";
const FIXED: &str = "def total(a, b):\n    x = a\n    y = b\n    return x + y\n\n\ndef other():\n    return 1\n";

fn read_in(list: &[(&str, &str)], diff: &str) -> Result<Patch, Refusal> {
    let temp = tempfile::tempdir().unwrap();
    let store = store(temp.path());
    let tree = tree(&store, &files(list));
    parse(&store, &tree, diff.as_bytes())
}

fn good_diff() -> String {
    String::from_utf8(Patch::of_text(b"src/cart.py", CART.as_bytes(), FIXED.as_bytes()).unified()).unwrap()
}

#[test]
fn every_usual_dress_of_a_diff_gives_the_same_patch() {
    let wanted = Patch::of_text(b"src/cart.py", CART.as_bytes(), FIXED.as_bytes());
    let good = good_diff();
    let plain = |old: &str, new: &str| {
        let hunks = &good[good.find("@@").unwrap()..];
        format!("--- {old}\t2026-01-01 10:00:00.0 +0000\n+++ {new}\t2026-01-02 10:00:00.0 +0000\n{hunks}")
    };
    let dresses = [
        good.clone(),
        format!("Sure! Here is the fix:\n\n```diff\n{good}```\n\nIt swaps the sign.\n"),
        format!("From: a@b\nSubject: [PATCH] x\n\nwords\n---\n src/cart.py | 2 +-\n\n{good}-- \n2.47.3\n\n"),
        good.replace('\n', "\r\n"),
        plain("src/cart.py", "src/cart.py"),
        plain("src/cart.py.orig", "src/cart.py"),
        plain("old/src/cart.py", "new/src/cart.py"),
        plain("x/y/src/cart.py", "x/y/src/cart.py"),
        good.replace("a/src", "i/src").replace("b/src", "w/src"),
        good.replace("a/src", "src").replace("b/src", "src"),
        good.replace("@@ -1,7 +1,7 @@", "@@ -1,3 +1,9 @@"),
        good.replace("@@ -1,7 +1,7 @@", "@@ -1,12 +1,12 @@"),
        good.replace(" \n", "\n"),
        good.replace("     x = a\n", " \tx = a\n"),
    ];
    for dress in dresses {
        let found = read_in(&[("src/cart.py", CART)], &dress);
        assert_eq!(found.as_ref().ok(), Some(&wanted), "{dress}\n{found:?}");
    }
}

#[test]
fn a_diff_with_unix_line_ends_fits_a_file_with_windows_ones() {
    let (old, new) = (CART.replace('\n', "\r\n"), FIXED.replace('\n', "\r\n"));
    let found = read_in(&[("src/cart.py", &old)], &good_diff()).unwrap();
    assert_eq!(found, Patch::of_text(b"src/cart.py", old.as_bytes(), new.as_bytes()));
}

#[test]
fn a_diff_that_does_not_fit_is_refused_in_gits_words() {
    for (path, text) in [("src/cart.py", "something else\n"), ("src/other.py", CART)] {
        let refusal = read_in(&[(path, text)], &good_diff()).unwrap_err();
        assert!(matches!(&refusal, Refusal::DoesNotApply(words) if words.contains("src/cart.py")), "{refusal:?}");
        assert_eq!(refusal.verdict().unwrap().0, Verdict::DoesNotApply);
    }
    // changed context is never guessed over
    let stale = good_diff().replace("     y = b\n", "     y = c\n");
    assert!(matches!(read_in(&[("src/cart.py", CART)], &stale), Err(Refusal::DoesNotApply(_))));
}

#[test]
fn what_is_no_diff_is_said_to_be_none() {
    let list = [("src/cart.py", CART)];
    assert!(matches!(read_in(&list, "Just change the sign."), Err(Refusal::NoDiff)));
    assert!(matches!(read_in(&list, ""), Err(Refusal::NoDiff)));
    let large = "x".repeat(MOST_BYTES + 1);
    assert!(matches!(read_in(&list, &large), Err(Refusal::TooLarge(_))));
}

#[test]
fn hostile_paths_and_modes_are_refused_by_name() {
    let new_file = |path: &str, mode: &str| {
        format!("diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")
    };
    for path in ["../x", "a/../../x", ".git/hooks/pre-push", "src/.GIT/config", "git~1/config", ".git./x", "a/./b"] {
        let refusal = read_in(&[("src/cart.py", CART)], &new_file(path, "100644")).unwrap_err();
        assert!(matches!(refusal, Refusal::Path(..)), "{path}: {refusal:?}");
        assert_eq!(refusal.verdict().unwrap().0, Verdict::Tampered);
    }
    let absolute = "--- /dev/null\n+++ /etc/cron.d/x\n@@ -0,0 +1 @@\n+x\n";
    let refusal = read_in(&[("src/cart.py", CART)], absolute).unwrap_err();
    assert!(matches!(refusal, Refusal::Path(_, "an absolute path")), "{refusal:?}");
    let link = new_file("src/link", "120000");
    assert!(matches!(read_in(&[("src/cart.py", CART)], &link), Err(Refusal::Mode(_, 0o120000))));
    let module = "diff --git a/m b/m\nnew file mode 160000\nindex 0000000..1234567890123456789012345678901234567890\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+Subproject commit 1234567890123456789012345678901234567890\n";
    assert!(matches!(read_in(&[("src/cart.py", CART)], module), Err(Refusal::Mode(_, 0o160000))));
    let renamed =
        "diff --git a/src/cart.py b/../cart.py\nsimilarity index 100%\nrename from src/cart.py\nrename to ../cart.py\n";
    assert!(matches!(read_in(&[("src/cart.py", CART)], renamed), Err(Refusal::Path(..))));
}

#[test]
fn a_file_behind_a_link_of_the_tree_is_not_written() {
    let temp = tempfile::tempdir().unwrap();
    let store = store(temp.path());
    let mut list = files(&[("src/cart.py", CART)]);
    list.insert(b"link".to_vec(), FileContent { mode: super::super::MODE_LINK, bytes: b"/tmp".to_vec() });
    let tree = tree(&store, &list);
    let diff = "diff --git a/link/x b/link/x\nnew file mode 100644\n--- /dev/null\n+++ b/link/x\n@@ -0,0 +1 @@\n+x\n";
    assert!(matches!(parse(&store, &tree, diff.as_bytes()), Err(Refusal::DoesNotApply(_))));
}

#[test]
fn a_rename_is_a_deletion_and_a_new_file() {
    let diff = "diff --git a/src/cart.py b/src/basket.py\nsimilarity index 100%\nrename from src/cart.py\nrename to src/basket.py\n";
    let patch = read_in(&[("src/cart.py", CART)], diff).unwrap();
    assert_eq!(patch.paths(), ["src/basket.py", "src/cart.py"]);
    assert!(patch.files[b"src/cart.py".as_slice()].new.is_none());
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let part = proptest::collection::vec(
        prop_oneof![
            4 => proptest::sample::select(b"abcxyz01._-".to_vec()),
            1 => proptest::sample::select(b" \t\"\\'\n{}*?$&;\x01\x7f\xc3\xa4\xff".to_vec()),
        ],
        1..6,
    );
    proptest::collection::vec(part, 1..3).prop_map(|parts| parts.join(&b'/'))
}

fn any_content() -> impl Strategy<Value = FileContent> {
    let line =
        proptest::sample::select(vec!["a\n", "b\n", "\n", "c\r\n", "-- x\n", "++ y\n", "@@ -1 +1 @@\n", " d\n", "e"]);
    let text = proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat().into_bytes());
    let bytes = prop_oneof![8 => text, 1 => proptest::collection::vec(any::<u8>(), 0..40)];
    (bytes, prop_oneof![4 => Just(MODE_FILE), 1 => Just(MODE_EXECUTABLE)])
        .prop_map(|(bytes, mode)| FileContent { mode, bytes })
}

/// Pairs of contents before and after, by name; names that git can't have in one tree are left out.
fn any_change() -> impl Strategy<Value = BTreeMap<Vec<u8>, FileChange>> {
    let change = (proptest::option::of(any_content()), proptest::option::of(any_content()))
        .prop_map(|(old, new)| FileChange { old, new });
    proptest::collection::btree_map(any_name(), change, 1..5).prop_map(|map| {
        let names: Vec<Vec<u8>> = map.keys().cloned().collect();
        let fits = |name: &[u8]| {
            super::forbidden(name).is_none()
                && !names.iter().any(|other| {
                    let under = |a: &[u8], b: &[u8]| a.len() > b.len() && a.starts_with(b) && a[b.len()] == b'/';
                    under(name, other) || under(other, name)
                })
        };
        map.into_iter().filter(|(name, _)| fits(name)).collect()
    })
}

proptest! {
    // every case runs a dozen git processes
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_as_a_diff_is_read_back_the_same(changes in any_change()) {
        let temp = tempfile::tempdir().unwrap();
        let store = store(temp.path());
        let side = |pick: fn(&FileChange) -> &Option<FileContent>| -> Files {
            changes.iter().filter_map(|(n, c)| pick(c).clone().map(|c| (n.clone(), c))).collect()
        };
        let (old, new) = (tree(&store, &side(|c| &c.old)), tree(&store, &side(|c| &c.new)));
        let patch = match between(&store, &old, &new) {
            Ok(patch) => patch,
            Err(Refusal::Empty) => return Ok(()),
            Err(refusal) => panic!("{refusal:?}"),
        };
        let read = parse(&store, &old, &patch.unified());
        prop_assert!(read.is_ok(), "{}\n{:?}", String::from_utf8_lossy(&patch.unified()), read);
        prop_assert_eq!(read.unwrap(), patch);
    }
}
