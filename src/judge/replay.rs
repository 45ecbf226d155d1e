//! Replay: checks a receipt again, offline: that it is genuine, that the snapshot can be made again, that the patch
//! still heals it and that every test ends as it did.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::receipt::{self, EMPTY_TREE, Receipt, RunProof, word};
use super::{Docket, Policy, judge};
use crate::error::{Error, Result};
use crate::lab::{Lab, Limits, Patience, record_run};
use crate::patch::{self, Patch, outside};
use crate::repo::{Sha, Snapshot, Store};
use crate::suite::protected::Protected;
use crate::suite::{Run, Selection};
use crate::trajectory::{Event, Purpose, Recorder};

/// How many tests a difference names.
const MOST_NAMED: usize = 10;

/// One thing that is not as the receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What: `digest`, `snapshot`, `patch`, `red run`, `verdict`, `run 2 with the patch`, …
    pub what: String,
    /// What the receipt says.
    pub expected: String,
    /// What was found.
    pub found: String,
}

fn difference(what: &str, expected: impl Into<String>, found: impl Into<String>) -> Difference {
    Difference { what: what.to_owned(), expected: expected.into(), found: found.into() }
}

/// Checks `receipt`, which lies in `folder`, in the repository of `lab`. Empty: everything is as it says. Cheap checks
/// come first; tests run only when those find nothing.
///
/// # Errors
/// Only when our own side fails or `cancel` fires.
pub async fn replay(
    receipt: &Receipt,
    folder: &Path,
    lab: &Arc<Lab>,
    recorder: &Recorder,
    cancel: &CancellationToken,
) -> Result<Vec<Difference>> {
    let mut differences = on_paper(receipt, folder);
    if !differences.is_empty() {
        return Ok(differences);
    }
    let made = {
        let (receipt, folder, store) = (receipt.clone(), folder.to_owned(), lab.store.clone());
        let work = move || remake(&receipt, &folder, &store);
        tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("replay panicked").source(e))??
    };
    let (snapshot, patch) = match made {
        Ok(made) => made,
        Err(difference) => return Ok(vec![difference]),
    };
    let docket = docket(receipt, snapshot, lab, recorder, cancel).await?;
    if let Some(first) = receipt.red_before.first() {
        differences.extend(compare("the red run", first, &docket.red));
    }
    if !differences.is_empty() {
        return Ok(differences);
    }
    let (_, judgement) = judge(lab, &docket, "replay", &patch, recorder, cancel).await?;
    let verdict = word(judgement.verdict);
    if verdict != receipt.verdict {
        let reasons: Vec<String> = judgement.reasons.iter().map(|r| format!("{}: {}", r.rule, r.what)).collect();
        differences.push(difference("verdict", &receipt.verdict, format!("{verdict} ({})", reasons.join("; "))));
    }
    if receipt.green_after.len() != judgement.runs.len() {
        let count = |n: usize| format!("{n} runs");
        let (expected, found) = (count(receipt.green_after.len()), count(judgement.runs.len()));
        differences.push(difference("runs with the patch", expected, found));
    }
    for (at, (proof, run)) in receipt.green_after.iter().zip(&judgement.runs).enumerate() {
        differences.extend(compare(&format!("run {} with the patch", at + 1), proof, run));
    }
    if let (Some(proof), Some(run)) = (&receipt.without, &judgement.without) {
        differences.extend(compare("the run without the patch", proof, run));
    }
    Ok(differences)
}

/// What can be seen without running anything: an edited receipt, edited files beside it.
fn on_paper(receipt: &Receipt, folder: &Path) -> Vec<Difference> {
    let mut found = Vec::new();
    let digest = receipt.digested();
    if digest != receipt.digest {
        found.push(difference("digest", &receipt.digest, digest));
    }
    let runs = receipt.red_before.iter().chain(&receipt.green_after).chain(&receipt.without);
    for log in runs.flat_map(|run| &run.logs) {
        if let Some(forged) = receipt::forged_log(folder, log) {
            found.push(difference("a kept log", log, forged));
        }
    }
    if receipt::snapshot_patch(receipt, folder).is_none() {
        let wanted = receipt.snapshot.patch_sha256.clone().unwrap_or_default();
        found.push(difference(receipt::SNAPSHOT_FILE, wanted, "missing or changed"));
    }
    found
}

type Made = std::result::Result<(Snapshot, Patch), Difference>;

/// Makes the snapshot again from its base and the kept difference, and reads the patch against it.
fn remake(receipt: &Receipt, folder: &Path, store: &Store) -> Result<Made> {
    let proof = &receipt.snapshot;
    let base = match &proof.base {
        None => None,
        Some(base) if base.bytes().all(|b| b.is_ascii_hexdigit()) => store.repository.resolve(base)?,
        Some(_) => return Ok(Err(difference("the base commit", "a commit", "no name of one"))),
    };
    if proof.base.is_some() && base.is_none() {
        let wanted = proof.base.clone().unwrap_or_default();
        return Ok(Err(difference("the base commit", wanted, "not in this repository")));
    }
    let under = match &base {
        Some(base) => store.snapshot_of(base)?.tree,
        None => Sha(EMPTY_TREE.to_owned()),
    };
    let diff = receipt::snapshot_patch(receipt, folder).unwrap_or_default();
    let tree = outside::rebuild(store, &under, &diff)?;
    let Some(tree) = tree.filter(|tree| tree.0 == proof.tree) else {
        return Ok(Err(difference("the snapshot", &proof.tree, "another tree")));
    };
    let commit = store.commit(&tree, base.as_ref(), "The snapshot of a receipt")?;
    let snapshot = Snapshot { commit, tree, parent: base };
    let text = receipt.patch.bytes().unwrap_or_default();
    let patch = match patch::parse(store, &snapshot.tree, &text) {
        Ok(patch) => patch,
        Err(refusal) => {
            let (_, reason) = refusal.verdict()?;
            return Ok(Err(difference("the patch", "applies", reason.what)));
        }
    };
    if patch.hash() != receipt.patch.hash {
        return Ok(Err(difference("the patch", &receipt.patch.hash, patch.hash())));
    }
    Ok(Ok((snapshot, patch)))
}

/// What is judged again: with a red run of today.
async fn docket(
    receipt: &Receipt,
    snapshot: Snapshot,
    lab: &Arc<Lab>,
    recorder: &Recorder,
    cancel: &CancellationToken,
) -> Result<Docket> {
    let suite = receipt.suite.suite()?;
    let time = Duration::from_millis(receipt.suite.time_limit_ms);
    let log_cap_bytes = receipt.suite.log_cap_bytes;
    let limits = Limits { time, log_cap_bytes, background: false, patience: Patience::USUAL };
    let workspace = tokio::select! {
        made = lab.workspace(&snapshot, "replay") => made?,
        () = cancel.cancelled() => return Err(Error::interrupted()),
    };
    let subject = "replay".to_owned();
    recorder.record(Event::SuiteStarted { purpose: Purpose::Red, subject: subject.clone(), selected: None });
    let red = lab.run(&workspace, &suite, &Selection::All, limits, cancel).await?;
    record_run(recorder, Purpose::Red, &subject, &red);
    let policy = Policy {
        repeat: receipt.policy.repeat,
        allow_test_changes: receipt.policy.allow_test_changes,
        protected: Protected::new(&receipt.policy.protected),
    };
    Ok(Docket { snapshot, suite, red, limits, policy })
}

/// How a run differs from its proof, test by test; durations do not count.
fn compare(what: &str, proof: &RunProof, run: &Run) -> Option<Difference> {
    let now = RunProof::of(run);
    if proof.end != now.end {
        return Some(difference(what, &proof.end, now.end));
    }
    let names: std::collections::BTreeSet<&String> = proof.tests.keys().chain(now.tests.keys()).collect();
    let differing: Vec<&String> =
        names.into_iter().filter(|name| proof.tests.get(*name) != now.tests.get(*name)).collect();
    if differing.is_empty() {
        return None;
    }
    let side = |tests: &std::collections::BTreeMap<String, String>| {
        let named = differing.iter().take(MOST_NAMED);
        let words = named.map(|name| format!("{name} {}", tests.get(*name).map_or("missing", String::as_str)));
        words.collect::<Vec<_>>().join(", ")
    };
    Some(difference(what, side(&proof.tests), side(&now.tests)))
}
