//! The receipt: machine-readable proof of a heal, with everything that is needed to check it again offline.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Docket, Judgement, inventory};
use crate::error::{Context as _, Error, Result};
use crate::mask::Mask;
use crate::patch::Patch;
use crate::repo::{Sha, Store};
use crate::state::kill_point;
use crate::suite::{CommandLine, Run, Runner};

/// Version of the receipt's schema; a reader refuses what is newer.
pub const RECEIPT_VERSION: u32 = 1;
/// Name of the receipt in a run's folder.
pub const RECEIPT_FILE: &str = "receipt.json";
/// Name of the diff from the base commit to the snapshot, beside the receipt; not there when they are the same.
pub const SNAPSHOT_FILE: &str = "snapshot.patch";
/// Folder of the kept logs, beside the receipt: each is called by its SHA-256.
pub const LOGS_FOLDER: &str = "logs";
/// A log beyond this is not kept (its hash is): receipts live in the user's git folder.
const LARGEST_KEPT_LOG_BYTES: u64 = 4 * 1024 * 1024;
/// The tree without files, which every git knows.
pub(super) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A receipt, version 1. Field order is the order in the file; the digest is over all of it with an empty digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`RECEIPT_VERSION`] of the writer.
    pub v: u32,
    /// Version of kaizen-ci.
    pub version: String,
    /// The run of kaizen-ci.
    pub run: String,
    /// When it was written, RFC 3339 in UTC.
    pub time: String,
    /// What was healed.
    pub snapshot: SnapshotProof,
    /// With which tests.
    pub suite: SuiteProof,
    /// By which rules.
    pub policy: PolicyProof,
    /// The patch.
    pub patch: PatchProof,
    /// Red runs without the patch, before judging.
    pub red_before: Vec<RunProof>,
    /// Runs with the patch: the red tests, then everything.
    pub green_after: Vec<RunProof>,
    /// The red tests with the patch taken out again.
    pub without: Option<RunProof>,
    /// `healed`, and nothing else in a receipt of a heal.
    pub verdict: String,
    /// Tests that turned green.
    pub healed: BTreeSet<String>,
    /// Guards that had nothing to say.
    pub guards_passed: Vec<String>,
    /// Paths that were put back before judging.
    pub set_aside: Vec<String>,
    /// Tests that the patch changes, where that was allowed.
    pub tests_changed: Vec<String>,
    /// Tests that fail now and then without the patch, too: runs in which they did were done over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flaky: BTreeSet<String>,
    /// Remarks.
    pub labels: BTreeSet<String>,
    /// Wall time of judging in milliseconds.
    pub duration_ms: u64,
    /// SHA-256 of this receipt with an empty digest, hexadecimal.
    pub digest: String,
}

/// The tree that was healed, and how to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotProof {
    /// HEAD of the repository; none in a repository without commits.
    pub base: Option<String>,
    /// The branch that HEAD was on.
    pub branch: Option<String>,
    /// The snapshot's commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// SHA-256 of `snapshot.patch`, the difference from the base to the tree; none when there is none.
    pub patch_sha256: Option<String>,
}

/// The test command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteProof {
    /// Its name.
    pub name: String,
    /// Folder that it runs in.
    pub dir: String,
    /// The command: one element for a shell, else program and arguments.
    pub command: Vec<String>,
    /// It runs through a shell.
    pub shell: bool,
    /// Its runner.
    pub runner: String,
    /// How it was found.
    pub found_by: String,
    /// Wall time that one run may take, in milliseconds.
    pub time_limit_ms: u64,
    /// Bytes of each output stream that are kept.
    pub log_cap_bytes: u64,
}

/// The rules that were judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyProof {
    /// How often everything was run.
    pub repeat: u32,
    /// Tests might be changed.
    pub allow_test_changes: bool,
    /// Protected paths beyond the built-in ones.
    pub protected: Vec<String>,
}

/// The patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchProof {
    /// [`Patch::hash`].
    pub hash: String,
    /// Unified diff; hexadecimal when it is not UTF-8.
    pub diff: String,
    /// The diff is in hexadecimal.
    pub hexadecimal: bool,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
}

/// One run of the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunProof {
    /// How the command ended, in words.
    pub end: String,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
    /// Every test and how it ended.
    pub tests: BTreeMap<String, String>,
    /// SHA-256 of standard output and standard error as kept.
    pub logs: Vec<String>,
}

/// What a receipt is made from.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The run's id.
    pub run: &'a str,
    /// What was judged.
    pub docket: &'a Docket,
    /// The patch that was judged, without what was set aside.
    pub patch: &'a Patch,
    /// The judgement.
    pub judgement: &'a Judgement,
    /// Further red runs without the patch (triage's), beside the docket's.
    pub reruns: &'a [Run],
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A unit variant as serde writes it: `healed`, `node-test`.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

impl RunProof {
    /// The proof of a run; logs that are gone have no hash.
    pub fn of(run: &Run) -> Self {
        let hash = |path: &std::path::PathBuf| read_log(path).map(|bytes| sha256(&bytes));
        Self {
            end: inventory::ended(run.end),
            duration_ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
            tests: run.tests.iter().map(|(id, result)| (id.0.clone(), word(result.status))).collect(),
            logs: [&run.log.stdout, &run.log.stderr].into_iter().filter_map(hash).collect(),
        }
    }
}

impl SuiteProof {
    fn of(docket: &Docket) -> Self {
        let suite = &docket.suite;
        let (command, shell) = match &suite.command {
            CommandLine::Shell(line) => (vec![line.clone()], true),
            CommandLine::Argv(argv) => (argv.clone(), false),
        };
        Self {
            name: suite.name.clone(),
            dir: suite.dir.to_string_lossy().into_owned(),
            command,
            shell,
            runner: word(suite.runner),
            found_by: suite.found_by.clone(),
            time_limit_ms: u64::try_from(docket.limits.time.as_millis()).unwrap_or(u64::MAX),
            log_cap_bytes: docket.limits.log_cap_bytes,
        }
    }

    /// The suite again.
    ///
    /// # Errors
    /// When the receipt names a runner that we don't know.
    pub(super) fn suite(&self) -> Result<crate::suite::Suite> {
        let runner: Runner = serde_json::from_value(serde_json::Value::String(self.runner.clone()))
            .map_err(|_| Error::usage(format!("the receipt names an unknown runner {}", self.runner)))?;
        let command = match &self.command[..] {
            [line] if self.shell => CommandLine::Shell(line.clone()),
            argv => CommandLine::Argv(argv.to_vec()),
        };
        let (name, dir, found_by) = (self.name.clone(), self.dir.clone().into(), self.found_by.clone());
        Ok(crate::suite::Suite { name, dir, command, runner, found_by })
    }
}

impl PatchProof {
    fn of(patch: &Patch) -> Self {
        let (added, removed) = patch.lines();
        let (diff, hexadecimal) = match String::from_utf8(patch.unified()) {
            Ok(text) => (text, false),
            Err(bytes) => (hex::encode(bytes.into_bytes()), true),
        };
        Self { hash: patch.hash(), diff, hexadecimal, added, removed }
    }

    /// The diff's bytes; `None` when its hexadecimal digits are none.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        if self.hexadecimal { hex::decode(&self.diff).ok() } else { Some(self.diff.clone().into_bytes()) }
    }
}

impl Receipt {
    /// The receipt of a judgement, and the content of `snapshot.patch` (empty when the snapshot is its base).
    ///
    /// # Errors
    /// When git can't compare the snapshot with its base.
    pub fn of(store: &Store, proof: &Proof<'_>) -> Result<(Self, Vec<u8>)> {
        let Proof { docket, judgement, .. } = proof;
        let repository = &store.repository;
        let dirty = difference(store, repository.head.as_ref(), &docket.snapshot.tree)?;
        let mut receipt = Self {
            v: RECEIPT_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: proof.run.to_owned(),
            time: jiff::Timestamp::now().to_string(),
            snapshot: SnapshotProof {
                base: repository.head.as_ref().map(|sha| sha.0.clone()),
                branch: repository.branch.clone(),
                commit: docket.snapshot.commit.0.clone(),
                tree: docket.snapshot.tree.0.clone(),
                patch_sha256: (!dirty.is_empty()).then(|| sha256(&dirty)),
            },
            suite: SuiteProof::of(docket),
            policy: PolicyProof {
                repeat: docket.policy.repeat,
                allow_test_changes: docket.policy.allow_test_changes,
                protected: docket.policy.protected.extra().to_vec(),
            },
            patch: PatchProof::of(proof.patch),
            red_before: std::iter::once(&docket.red).chain(proof.reruns).map(RunProof::of).collect(),
            green_after: judgement.runs.iter().map(RunProof::of).collect(),
            without: judgement.without.as_ref().map(RunProof::of),
            verdict: word(judgement.verdict),
            healed: judgement.healed.iter().map(|id| id.0.clone()).collect(),
            guards_passed: judgement.guards_passed.clone(),
            set_aside: judgement.set_aside.clone(),
            tests_changed: judgement.tests_changed.clone(),
            flaky: judgement.flaky.iter().map(|id| id.0.clone()).collect(),
            labels: judgement.labels.iter().map(word).collect(),
            duration_ms: judgement.duration_ms,
            digest: String::new(),
        };
        receipt.digest = receipt.digested();
        Ok((receipt, dirty))
    }

    /// The digest that the receipt should have.
    pub fn digested(&self) -> String {
        let mut bare = self.clone();
        bare.digest = String::new();
        sha256(bare.text().as_bytes())
    }

    /// As it stands in the file.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Makes the receipt and writes it into `folder`, with the snapshot's difference and the logs beside it. The
    /// receipt is whole or not there.
    ///
    /// # Errors
    /// When git or the disk fails.
    pub fn write(store: &Store, proof: &Proof<'_>, folder: &Path) -> Result<Self> {
        let (receipt, dirty) = Self::of(store, proof)?;
        let place = |name: &str| folder.join(name);
        let put = |name: &str, bytes: &[u8]| -> Result<()> {
            let (path, part) = (place(name), place(&format!("{name}.part")));
            let what = || format!("can't write {}", path.display());
            std::fs::write(&part, bytes).context(what)?;
            std::fs::rename(&part, &path).context(what)
        };
        if !dirty.is_empty() {
            put(SNAPSHOT_FILE, &dirty)?;
        }
        keep_logs(proof, folder)?;
        kill_point("receipt-half");
        put(RECEIPT_FILE, receipt.text().as_bytes())?;
        Ok(receipt)
    }

    /// Reads a receipt; whether it is genuine is for `replay` to say.
    ///
    /// # Errors
    /// When it is not there, is no receipt, or a newer kaizen-ci wrote it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::usage(format!("can't read the receipt {}", path.display()))
                .source(e)
                .hint("kaizen-ci runs    # lists runs and their receipts")
        })?;
        let bad = |e: serde_json::Error| Error::usage(format!("{} is no receipt", path.display())).source(e);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        let version = value.get("v").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version > u64::from(RECEIPT_VERSION) {
            let what = format!("{} was written by a newer kaizen-ci (receipt version {version})", path.display());
            return Err(Error::usage(what).hint("update kaizen-ci"));
        }
        serde_json::from_value(value).map_err(bad)
    }
}

/// The JSON schema of receipts.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Receipt).to_value()
}

/// The diff from the base commit (nothing, where there is none) to `tree`, as git writes it: binary files in full.
fn difference(store: &Store, base: Option<&Sha>, tree: &Sha) -> Result<Vec<u8>> {
    let base = base.map_or(EMPTY_TREE.to_owned(), |sha| format!("{sha}^{{tree}}"));
    let git = store.git().args(["diff-tree", "-p", "-r", "--binary", "--full-index", "--no-renames", "--no-textconv"]);
    git.args(["--no-ext-diff", &base, &tree.0]).bytes()
}

/// A log as it is kept: what looks like a key is covered, because tests print what they find.
fn read_log(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    if bytes.len() as u64 > LARGEST_KEPT_LOG_BYTES {
        return Some(bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let covered = match Mask::default().cover(&text) {
        // bytes that are no text stay as they are where nothing is covered
        Cow::Borrowed(_) => None,
        Cow::Owned(covered) => Some(covered.into_bytes()),
    };
    Some(covered.unwrap_or(bytes))
}

/// Copies the logs of all runs beside the receipt, each under its SHA-256.
fn keep_logs(proof: &Proof<'_>, folder: &Path) -> Result<()> {
    let logs = folder.join(LOGS_FOLDER);
    let what = || format!("can't keep logs in {}", logs.display());
    std::fs::create_dir_all(&logs).context(what)?;
    let judged = proof.judgement.runs.iter().chain(&proof.judgement.without);
    for run in std::iter::once(&proof.docket.red).chain(proof.reruns).chain(judged) {
        for log in [&run.log.stdout, &run.log.stderr] {
            let small = std::fs::metadata(log).is_ok_and(|meta| meta.len() <= LARGEST_KEPT_LOG_BYTES);
            if let Some(bytes) = small.then(|| read_log(log)).flatten() {
                std::fs::write(logs.join(sha256(&bytes)), &bytes).context(what)?;
            }
        }
    }
    Ok(())
}

/// A kept log that is not what its name says; `None` when it is, or was not kept.
pub(super) fn forged_log(folder: &Path, name: &str) -> Option<String> {
    let hexadecimal = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    if !hexadecimal {
        return Some("not a SHA-256".to_owned());
    }
    let bytes = std::fs::read(folder.join(LOGS_FOLDER).join(name)).ok()?;
    let found = sha256(&bytes);
    (found != name).then_some(found)
}

/// The kept difference from the base to the snapshot, when its hash is as the receipt says.
pub(super) fn snapshot_patch(receipt: &Receipt, folder: &Path) -> Option<Vec<u8>> {
    let Some(wanted) = &receipt.snapshot.patch_sha256 else { return Some(Vec::new()) };
    std::fs::read(folder.join(SNAPSHOT_FILE)).ok().filter(|bytes| sha256(bytes) == *wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        let mut receipt = Receipt {
            v: RECEIPT_VERSION,
            version: "0.1.0".into(),
            run: "r".into(),
            time: "2026-01-01T00:00:00Z".into(),
            snapshot: SnapshotProof {
                base: None,
                branch: None,
                commit: "c".into(),
                tree: "t".into(),
                patch_sha256: None,
            },
            suite: SuiteProof {
                name: "top".into(),
                dir: String::new(),
                command: vec!["pytest".into()],
                shell: true,
                runner: "pytest".into(),
                found_by: "--cmd".into(),
                time_limit_ms: 1000,
                log_cap_bytes: 10,
            },
            policy: PolicyProof { repeat: 1, allow_test_changes: false, protected: Vec::new() },
            patch: PatchProof::of(&Patch::of_text(b"a", b"1\n", b"\xff\n")),
            red_before: Vec::new(),
            green_after: Vec::new(),
            without: None,
            verdict: "healed".into(),
            healed: BTreeSet::from(["t::a".to_owned()]),
            guards_passed: Vec::new(),
            set_aside: Vec::new(),
            tests_changed: Vec::new(),
            flaky: BTreeSet::new(),
            labels: BTreeSet::new(),
            duration_ms: 5,
            digest: String::new(),
        };
        receipt.digest = receipt.digested();
        receipt
    }

    #[test]
    fn every_edit_of_a_receipt_changes_its_digest() {
        let genuine = receipt();
        let text = genuine.text();
        let back: Receipt = serde_json::from_str(&text).unwrap();
        assert_eq!(back.digested(), genuine.digest);
        for (from, to) in
            [("t::a", "t::b"), ("\"r\"", "\"s\""), ("1000", "1001"), ("healed\"", "cured\""), ("false", "true")]
        {
            let edited: Receipt = serde_json::from_str(&text.replacen(from, to, 1)).unwrap();
            assert_ne!(edited.digested(), edited.digest, "{from} -> {to}");
        }
        assert!(serde_json::from_str::<Receipt>(&text.replacen("{", "{\"more\": 1,", 1)).is_err());
    }

    #[test]
    fn a_patch_that_is_not_utf_8_survives() {
        let patch = Patch::of_text(b"a", b"1\n", b"\xff\n");
        assert_eq!(receipt().patch.bytes().unwrap(), patch.unified());
        assert!(receipt().patch.hexadecimal);
    }

    #[test]
    fn the_schema_describes_receipts() {
        let value = serde_json::to_value(receipt()).unwrap();
        assert!(jsonschema::is_valid(&schema(), &value));
        assert!(!jsonschema::is_valid(&schema(), &serde_json::json!({"v": 1})));
    }
}
