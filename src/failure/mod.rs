//! The failure: what is red, who is to blame, its fingerprint, the suspects, and the part of the log that matters.

pub mod blame;
pub mod changed;
pub mod environment;
pub mod excerpt;
pub mod fingerprint;
pub mod frames;
pub mod labels;
pub mod project;
pub mod scene;
pub mod standing;
pub mod suspects;
pub mod symbols;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::repo::{Sha, Snapshot, Store};
use crate::suite::protected::Protected;
use crate::suite::{LogFiles, Run, Scope, Status, Suite, TestId};

pub use crate::words::{Blame, Suspect};
pub use changed::ChangedLines;
pub use scene::Scene;

/// Everything known about a red run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// The red tests.
    pub red: BTreeSet<TestId>,
    /// Survives line numbers, paths, addresses, times and colours; 16 hexadecimal digits.
    pub fingerprint: String,
    /// Most suspicious first.
    pub suspects: Vec<Suspect>,
    /// The part of the log that matters, at most a few hundred lines.
    pub excerpt: String,
    /// Normalised failure messages by test.
    pub messages: BTreeMap<TestId, String>,
}

/// What a red run says, told against the files of its tree. Only the run's two log files are read from disk (streamed,
/// whatever their size; missing ones are empty); everything else comes through `scene`.
pub fn describe(run: &Run, scene: &Scene<'_>) -> Failure {
    let excerpt = excerpt_of(&run.log);
    let red = run.red();
    let raw = raw_messages(run, &excerpt);
    let suspects = suspects::rank(&raw, scene);
    let frames: BTreeMap<TestId, String> = raw
        .iter()
        .filter_map(|(id, text)| suspects::top_function(text, scene).map(|name| (id.clone(), name)))
        .collect();
    let fingerprint = fingerprint::fingerprint(scene.suite.runner, &raw, &frames);
    let messages = raw.iter().map(|(id, text)| (id.clone(), fingerprint::normalise(text))).collect();
    Failure { red, fingerprint, suspects, excerpt, messages }
}

/// The part of a run's log that matters, streamed from its two files.
pub fn excerpt_of(log: &LogFiles) -> String {
    let mut streams = [open(&log.stdout), open(&log.stderr)];
    let [out, err] = &mut streams;
    excerpt::excerpt(&mut [("stdout", out.as_mut()), ("stderr", err.as_mut())])
}

/// [`describe`] for a snapshot in a store: lists its files, finds what changed since `green`, and reads files when asked.
///
/// # Errors
/// When the snapshot's tree or `green` can't be read.
pub fn describe_snapshot(
    store: &Store,
    snapshot: &Snapshot,
    suite: &Suite,
    run: &Run,
    green: Option<&Sha>,
    protected: &Protected,
) -> Result<Failure> {
    let files = store.files(&snapshot.tree)?;
    let changed = match green {
        Some(green) => changed::between(store, &store.snapshot_of(green)?.tree, &snapshot.tree)?,
        None => ChangedLines::default(),
    };
    let paths: Vec<String> = files.into_iter().filter_map(|(path, _, _)| String::from_utf8(path).ok()).collect();
    let read = |path: &str| store.read(&snapshot.tree, path.as_bytes()).ok().flatten().map(|(_, bytes)| bytes);
    let scene = Scene { suite, paths: &paths, read: &read, changed: &changed, protected };
    Ok(describe(run, &scene))
}

/// The words of each red test. A result without words of its own (a failed build, a bare command) gets the excerpt.
fn raw_messages(run: &Run, excerpt: &str) -> BTreeMap<TestId, String> {
    let red = run.tests.iter().filter(|(_, r)| r.status == Status::Failed);
    red.map(|(id, result)| {
        let own = result.message.as_deref().unwrap_or("").trim();
        let text = match result.scope {
            _ if own.is_empty() => excerpt.to_owned(),
            Scope::Suite if own.lines().count() < 4 => format!("{own}\n{excerpt}"),
            Scope::Test | Scope::File | Scope::Suite => own.to_owned(),
        };
        (id.clone(), text::plain(&text).into_owned())
    })
    .collect()
}

/// The file, or nothing when it is not there: a log that was lost must not stop the detective work.
fn open(path: &Path) -> Box<dyn Read> {
    match std::fs::File::open(path) {
        Ok(file) => Box::new(std::io::BufReader::with_capacity(1 << 16, file)),
        Err(_) => Box::new(std::io::empty()),
    }
}
