//! What the job that runs code hands on to the job that publishes: written into a folder, and believed by the other side
//! only after it was checked.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::names;
use crate::error::{Context as _, Error, Result};
use crate::judge::receipt::Receipt;
use crate::report::{Document, markdown};

/// The name and version of the list of contents.
pub const SCHEMA: &str = "kaizen-ci/handover/v1";

/// The list of contents.
const LIST: &str = "handover.json";
const DOCUMENT: &str = "document.json";
const REPORT: &str = "report.md";
const RECEIPT: &str = "receipt.json";
const PATCH: &str = "heal.patch";

/// A larger file is not ours: documents and receipts of large suites have a few megabytes.
const FILE_MOST_BYTES: u64 = 32 * 1024 * 1024;

/// GitHub starts no more jobs for one matrix.
const MATRIX_MOST_JOBS: usize = 256;

/// Of why something was refused so much is shown: the job that wrote it may be controlled by its tests.
const WHY_MOST_CHARS: usize = 500;

/// The list of contents, as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    schema: String,
    /// The commit that was worked on.
    head: String,
    /// SHA-256 of each file: an upload that was cut off is seen.
    files: BTreeMap<String, String>,
    /// Why nothing else is here: the job did not run anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// What was handed over.
#[derive(Debug, Clone)]
pub struct HandOver {
    /// The commit that was worked on.
    pub head: String,
    /// The run's document.
    pub document: Document,
    /// The patch; none when nothing healed.
    pub patch: Option<Vec<u8>>,
    /// The receipt's text, with the patch.
    pub receipt: Option<String>,
    /// What was verified is the commit and files that the job had made beside it.
    pub dirty: bool,
}

/// Why nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// There is no list of contents.
    #[error("it has no {LIST}: the job that runs code did not come to its end")]
    Nothing,
    /// Something that is no plain file, or too large.
    #[error("{0} is no plain file, or larger than 32 MiB")]
    NoFile(String),
    /// A file that is not what the list says.
    #[error("{0} is not what {LIST} says: it was cut off or changed")]
    Changed(String),
    /// A file that can't be read as what it should be.
    #[error("{0} can't be read: {1}")]
    Unreadable(String, String),
    /// Made by another version.
    #[error("it is `{0}`, and this kaizen-ci reads `{SCHEMA}`")]
    OtherVersion(String),
    /// Not the commit of the event.
    #[error("it is about commit {found}, and this event is about {wanted}")]
    OtherCommit {
        /// What the event says.
        wanted: String,
        /// What was handed over.
        found: String,
    },
    /// The job that runs code would not, and says why.
    #[error("the job that runs code refused: {0}")]
    Refused(String),
    /// A receipt that proves nothing.
    #[error("the receipt {0}")]
    Receipt(&'static str),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Error::usage(format!("nothing is published of what was handed over: {rejected}"))
            .hint("look at the job that ran the tests; both jobs must use the same version of the Action")
    }
}

/// Writes what a run found into `folder`, which is made when it is not there. The list of contents comes last: without it
/// nothing counts.
///
/// # Errors
/// When the folder can't be written.
pub fn write(folder: &Path, given: &HandOver) -> Result<()> {
    std::fs::create_dir_all(folder).context(|| format!("can't make {}", folder.display()))?;
    let document = serde_json::to_vec_pretty(&given.document).context(|| "can't write the document".into())?;
    let mut contents = vec![(DOCUMENT, document), (REPORT, markdown::render(&given.document).into_bytes())];
    contents.extend(given.receipt.iter().map(|text| (RECEIPT, text.clone().into_bytes())));
    contents.extend(given.patch.iter().map(|patch| (PATCH, patch.clone())));
    let mut files = BTreeMap::new();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).context(|| format!("can't write {}", path.display()))
    };
    for (name, bytes) in &contents {
        put(name, bytes)?;
        files.insert((*name).to_owned(), hex::encode(Sha256::digest(bytes)));
    }
    put(LIST, &serde_json::to_vec_pretty(&list(&given.head, files, None)).context(|| "can't write the list".into())?)
}

fn list(head: &str, files: BTreeMap<String, String>, refused: Option<String>) -> List {
    List { schema: SCHEMA.into(), head: head.to_owned(), files, refused }
}

/// Writes why nothing was run for the commit `head`: who asked for it waits for an answer.
///
/// # Errors
/// When the folder can't be written.
pub fn refuse(folder: &Path, head: &str, why: &str) -> Result<()> {
    std::fs::create_dir_all(folder).context(|| format!("can't make {}", folder.display()))?;
    let list = list(head, BTreeMap::new(), Some(why.to_owned()));
    let path = folder.join(LIST);
    let text = serde_json::to_vec_pretty(&list).context(|| "can't write the list".into())?;
    std::fs::write(&path, text).context(|| format!("can't write {}", path.display()))
}

/// The folders that were handed over: this one, or those in it, as the jobs of a matrix write them.
pub fn folders(at: &Path) -> Vec<PathBuf> {
    let is_one = |folder: &Path| std::fs::symlink_metadata(folder.join(LIST)).is_ok();
    let inside = std::fs::read_dir(at).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = inside.filter(|folder| is_one(folder)).take(MATRIX_MOST_JOBS).collect();
    found.sort();
    // also where there is none: what is missing is said of it
    if is_one(at) || found.is_empty() { vec![at.to_path_buf()] } else { found }
}

/// Reads what was handed over for the commit `head`. Whoever controls the tests controlled the job that wrote it: nothing
/// in here is taken for true but what the receipt, the event and git say together, and all of it is shown as text only.
///
/// # Errors
/// Names what does not fit.
pub fn read(folder: &Path, head: &str) -> std::result::Result<HandOver, Rejected> {
    if std::fs::symlink_metadata(folder.join(LIST)).is_err() {
        return Err(Rejected::Nothing);
    }
    let list: List = json(LIST, &plain(folder, LIST)?)?;
    if list.schema != SCHEMA {
        return Err(Rejected::OtherVersion(list.schema.chars().take(60).collect()));
    }
    if list.head != head || names::sha(head).is_err() {
        let found = super::clean::log_line(&list.head).chars().take(60).collect();
        return Err(Rejected::OtherCommit { wanted: head.to_owned(), found });
    }
    if let Some(why) = &list.refused {
        return Err(Rejected::Refused(super::clean::log_line(why).chars().take(WHY_MOST_CHARS).collect()));
    }
    let file = |name: &str| -> std::result::Result<Option<Vec<u8>>, Rejected> {
        let Some(wanted) = list.files.get(name) else { return Ok(None) };
        let bytes = plain(folder, name)?;
        match hex::encode(Sha256::digest(&bytes)) == *wanted {
            true => Ok(Some(bytes)),
            false => Err(Rejected::Changed(name.into())),
        }
    };
    let missing = |name: &str| Rejected::Changed(name.into());
    let mut document: Document = json(DOCUMENT, &file(DOCUMENT)?.ok_or_else(|| missing(DOCUMENT))?)?;
    let (patch, receipt) = (file(PATCH)?, file(RECEIPT)?);
    let (mut dirty, mut text) = (false, None);
    // what it says of places is said by whoever controls the tests, and becomes outputs of the step
    let at = |name: &str| folder.join(name).display().to_string();
    document.report = file(REPORT)?.map(|_| at(REPORT));
    match (&mut document.heal, &patch, receipt) {
        (Some(heal), Some(patch), Some(bytes)) => {
            let receipt: Receipt = json(RECEIPT, &bytes)?;
            genuine(&receipt, patch, head)?;
            heal.receipt = at(RECEIPT);
            heal.patch.clear();
            // what is shown is what is pushed
            heal.diff = String::from_utf8_lossy(patch).into_owned();
            heal.tests_changed.clone_from(&receipt.tests_changed);
            heal.flaky = receipt.flaky.iter().cloned().collect();
            dirty = receipt.snapshot.patch_sha256.is_some();
            text = Some(receipt.text());
        }
        (None, None, None) => {}
        (Some(_), None, _) => return Err(missing(PATCH)),
        (Some(_), Some(_), None) => return Err(missing(RECEIPT)),
        (None, Some(_), _) | (None, None, Some(_)) => return Err(Rejected::Receipt("has no heal in the document")),
    }
    Ok(HandOver { head: list.head, document, patch, receipt: text, dirty })
}

/// Is this the receipt of a heal of `head` by `patch`?
fn genuine(receipt: &Receipt, patch: &[u8], head: &str) -> std::result::Result<(), Rejected> {
    let checks = [
        (receipt.digested() == receipt.digest, "was changed: its digest is another one"),
        (receipt.verdict == "healed", "is not that of a heal"),
        (receipt.snapshot.base.as_deref() == Some(head), "is about another commit"),
        (receipt.patch.bytes().as_deref() == Some(patch), "is about another patch"),
        (!receipt.red_before.is_empty() && !receipt.green_after.is_empty(), "names no runs of tests"),
        (!receipt.healed.is_empty(), "names no test that was healed"),
    ];
    match checks.into_iter().find(|(fine, _)| !fine) {
        Some((_, why)) => Err(Rejected::Receipt(why)),
        None => Ok(()),
    }
}

/// A plain file: no link (which could lead anywhere), no pipe, and not larger than we read.
fn plain(folder: &Path, name: &str) -> std::result::Result<Vec<u8>, Rejected> {
    let (path, no) = (folder.join(name), || Rejected::NoFile(name.into()));
    let meta = std::fs::symlink_metadata(&path).map_err(|_| Rejected::Changed(name.into()))?;
    if !meta.is_file() || meta.len() > FILE_MOST_BYTES {
        return Err(no());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).map_err(|_| no())?;
    file.take(FILE_MOST_BYTES).read_to_end(&mut bytes).map_err(|_| no())?;
    Ok(bytes)
}

fn json<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> std::result::Result<T, Rejected> {
    serde_json::from_slice(bytes).map_err(|error| Rejected::Unreadable(name.into(), error.to_string()))
}
