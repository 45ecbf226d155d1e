//! Forged hand-overs and receipts, one lie each: everything else fits together, so that the one check that is meant has to
//! see it.

use std::collections::BTreeMap;
use std::path::Path;

use kaizen_ci::github::handover::{self, HandOver};
use kaizen_ci::judge::receipt::{Receipt, RunProof};
use kaizen_ci::report::Document;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::fake::Fake;
use super::two_jobs::handed_over;

/// A hand-over that is about to be written: what its list says, and its files.
#[derive(Clone)]
struct Forged {
    schema: String,
    head: String,
    document: Document,
    receipt: Option<Receipt>,
    patch: Option<Vec<u8>>,
}

impl Forged {
    /// The receipt, changed; with a digest that fits.
    fn receipt(mut self, change: impl FnOnce(&mut Receipt)) -> Self {
        let receipt = self.receipt.as_mut().unwrap();
        change(receipt);
        receipt.digest = receipt.digested();
        self
    }

    /// Every file, and a list with their hashes.
    fn files(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let mut files = BTreeMap::from([("document.json", serde_json::to_vec(&self.document).unwrap())]);
        files.extend(self.receipt.iter().map(|receipt| ("receipt.json", receipt.text().into_bytes())));
        files.extend(self.patch.iter().map(|patch| ("heal.patch", patch.clone())));
        let hashes: BTreeMap<&str, String> = files.iter().map(|(name, bytes)| (*name, hash(bytes))).collect();
        let list = json!({"schema": self.schema, "head": self.head, "files": hashes});
        files.insert("handover.json", list.to_string().into_bytes());
        files
    }

    fn read(&self, head: &str) -> Result<HandOver, String> {
        read(&self.files(), head, |_| {})
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

/// Writes the files into a fresh folder, lets `more` happen to it, and reads it as the second job does.
fn read(files: &BTreeMap<&'static str, Vec<u8>>, head: &str, more: impl FnOnce(&Path)) -> Result<HandOver, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    more(folder.path());
    handover::read(folder.path(), head).map_err(|rejected| rejected.to_string())
}

/// What an honest first job hands over.
fn honest() -> (Forged, String) {
    let fake = Fake::start();
    let (_project, head, folder) = handed_over(&fake, "tap-bounds-regressed", &[]);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let list: Value = serde_json::from_slice(&read("handover.json")).unwrap();
    let forged = Forged {
        schema: list["schema"].as_str().unwrap().into(),
        head: head.clone(),
        document: serde_json::from_slice(&read("document.json")).unwrap(),
        receipt: Some(serde_json::from_slice(&read("receipt.json")).unwrap()),
        patch: Some(read("heal.patch")),
    };
    (forged, head)
}

fn no_runs(runs: &mut Vec<RunProof>) {
    runs.clear();
}

#[test]
fn every_lie_of_a_forged_hand_over_is_seen_by_the_check_that_is_meant_for_it() {
    let (honest, head) = honest();
    let given = honest.read(&head).unwrap();
    assert_eq!(given.patch, honest.patch, "what an honest job hands over is taken");
    let other = head.chars().rev().collect::<String>();
    let of = |change: &dyn Fn(&mut Forged)| {
        let mut forged = honest.clone();
        change(&mut forged);
        forged
    };
    let lies = [
        ("another commit in the list", of(&|f| f.head.clone_from(&other)), "this event is about"),
        ("another version", of(&|f| f.schema = "kaizen-ci/handover/v9".into()), "this kaizen-ci reads"),
        ("no receipt", of(&|f| f.receipt = None), "receipt.json"),
        ("no patch", of(&|f| f.patch = None), "heal.patch"),
        ("a patch of no heal", of(&|f| f.document.heal = None), "has no heal in the document"),
        ("a receipt without its patch or heal", of(&|f| (f.document.heal, f.patch) = (None, None)), "has no heal"),
        ("another digest", of(&|f| f.receipt.as_mut().unwrap().duration_ms += 1), "its digest is another one"),
        ("another verdict", honest.clone().receipt(|r| r.verdict = "still_red".into()), "is not that of a heal"),
        ("of another commit", honest.clone().receipt(|r| r.snapshot.base = Some(other.clone())), "another commit"),
        ("of no commit", honest.clone().receipt(|r| r.snapshot.base = None), "another commit"),
        ("of another patch", honest.clone().receipt(|r| r.patch.diff.push('\n')), "another patch"),
        ("never red", honest.clone().receipt(|r| no_runs(&mut r.red_before)), "names no runs"),
        ("never green", honest.clone().receipt(|r| no_runs(&mut r.green_after)), "names no runs"),
        ("nothing healed", honest.clone().receipt(|r| r.healed.clear()), "names no test"),
    ];
    for (what, forged, said) in lies {
        let rejected = forged.read(&head).unwrap_err();
        assert!(rejected.contains(said), "{what}: {rejected}");
    }
}

#[test]
fn files_that_are_not_what_their_list_says_are_not_read() {
    let (honest, head) = honest();
    let files = honest.files();
    let list: Value = serde_json::from_slice(&files["handover.json"]).unwrap();
    let changed = |name: &'static str, bytes: Vec<u8>| {
        let mut files = files.clone();
        files.insert(name, bytes);
        files
    };
    // no receipt vouches for the document: only the list does
    let mut document = honest.document.clone();
    document.headline = "something else".into();
    let rejected = read(&changed("document.json", serde_json::to_vec(&document).unwrap()), &head, |_| {}).unwrap_err();
    assert!(rejected.contains("cut off or changed"), "{rejected}");
    let mut more = list.clone();
    more["branch"] = "main".into();
    let rejected = read(&changed("handover.json", more.to_string().into_bytes()), &head, |_| {}).unwrap_err();
    assert!(rejected.contains("unknown field"), "{rejected}");
    let mut receipt: Value = serde_json::from_slice(&files["receipt.json"]).unwrap();
    receipt["approved"] = true.into();
    let (receipt, mut relisted) = (receipt.to_string().into_bytes(), list.clone());
    relisted["files"]["receipt.json"] = hash(&receipt).into();
    let mut both = changed("receipt.json", receipt);
    both.insert("handover.json", relisted.to_string().into_bytes());
    assert!(read(&both, &head, |_| {}).unwrap_err().contains("unknown field"));
    // a file of 32 MiB and more, whose hash is right
    let mut padded = files["document.json"].clone();
    padded.resize(33 << 20, b' ');
    let mut relisted = list.clone();
    relisted["files"]["document.json"] = hash(&padded).into();
    let mut both = changed("document.json", padded);
    both.insert("handover.json", relisted.to_string().into_bytes());
    assert!(read(&both, &head, |_| {}).unwrap_err().contains("32 MiB"));
    // a link to the very same bytes: to be read, it is followed, and could lead anywhere
    for name in ["handover.json", "document.json", "receipt.json", "heal.patch"] {
        let rejected = read(&files, &head, |folder| {
            let elsewhere = folder.join("elsewhere");
            std::fs::rename(folder.join(name), &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, folder.join(name)).unwrap();
        });
        assert!(rejected.unwrap_err().contains("no plain file"), "{name}");
    }
}

#[test]
fn what_is_shown_of_a_heal_is_what_is_pushed_and_not_what_the_document_says() {
    let (honest, head) = honest();
    let mut forged = honest.clone();
    let heal = forged.document.heal.as_mut().unwrap();
    heal.diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-harmless\n+looking\n".into();
    heal.tests_changed = vec!["none, really".into()];
    let given = forged.read(&head).unwrap();
    let heal = given.document.heal.unwrap();
    assert_eq!(heal.diff.as_bytes(), honest.patch.unwrap());
    assert_eq!(heal.tests_changed, honest.receipt.unwrap().tests_changed);
}
