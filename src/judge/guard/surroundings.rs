//! What the guard knows besides the patch: the tests of the snapshot and the policy.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::judge::Docket;
use crate::patch::Patch;
use crate::repo::{Sha, Store};
use crate::suite::protected::{Protected, Protection};

/// Bytes of test files that are read at most: more than any suite whose literals a patch could hide among.
const MOST_TEST_BYTES: usize = 8 * 1024 * 1024;
/// A larger test file is data.
const LARGEST_TEST_BYTES: usize = 512 * 1024;

/// How far back earlier versions of a file are looked for, and how many of them.
const MOST_COMMITS: usize = 200;
const MOST_VERSIONS: usize = 20;

/// A test file of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestText {
    /// Its path.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Everything besides the patch that rules may look at.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The tests, those of red ones first.
    pub tests: Vec<TestText>,
    /// What is protected.
    pub protected: Protected,
    /// Tests may be changed.
    pub allow_test_changes: bool,
    /// Earlier versions of the files that the patch changes, as the history under the snapshot has them: what was there
    /// before is nobody's cheat when it comes back. Read only when there is an objection.
    pub past: Vec<(String, Vec<u8>)>,
}

impl Surroundings {
    /// Reads the tests of the docket's snapshot.
    pub(super) fn of(store: &Store, docket: &Docket, patch: &Patch) -> Result<Self> {
        let protected = docket.policy.protected.clone();
        let red: BTreeSet<&str> = docket
            .red
            .tests
            .values()
            .filter(|r| r.status == crate::suite::Status::Failed)
            .filter_map(|r| r.file.as_deref())
            .collect();
        let is_test = |path: &[u8]| matches!(protected.why(path), Some(Protection::Test | Protection::Expectation));
        let mut paths: Vec<String> = store
            .files(&docket.snapshot.tree)?
            .into_iter()
            .filter(|(path, _, _)| is_test(path) && !patch.files.contains_key(path))
            .filter_map(|(path, _, _)| String::from_utf8(path).ok())
            .collect();
        let is_red = |path: &str| red.iter().any(|file| path.ends_with(file));
        paths.sort_by_key(|path| (!is_red(path), path.clone()));
        let (mut tests, mut bytes_read) = (Vec::new(), 0);
        for path in paths {
            if let Some((_, bytes)) = store.read(&docket.snapshot.tree, path.as_bytes())?
                && bytes.len() <= LARGEST_TEST_BYTES
            {
                bytes_read += bytes.len();
                tests.push(TestText { path, bytes });
            }
            if bytes_read > MOST_TEST_BYTES {
                break;
            }
        }
        // tests that the patch touches count as they were before
        for (path, change) in patch.files.iter().filter(|(path, _)| is_test(path)) {
            if let (Ok(path), Some(old)) = (String::from_utf8(path.clone()), &change.old) {
                tests.push(TestText { path, bytes: old.bytes.clone() });
            }
        }
        Ok(Self { tests, protected, allow_test_changes: docket.policy.allow_test_changes, past: Vec::new() })
    }

    /// Reads earlier versions of what `patch` changes, newest first; true when there are any.
    pub(super) fn look_back(&mut self, store: &Store, docket: &Docket, patch: &Patch) -> Result<bool> {
        let Some(head) = &docket.snapshot.parent else { return Ok(false) };
        let commits = store.repository.first_parents(head, MOST_COMMITS)?;
        let trees: Vec<Sha> =
            commits.iter().map(|commit| Ok(store.snapshot_of(&commit.sha)?.tree)).collect::<Result<_>>()?;
        for (path, change) in &patch.files {
            let Ok(name) = std::str::from_utf8(path) else { continue };
            let mut known: Vec<Vec<u8>> = change.old.iter().map(|old| old.bytes.clone()).collect();
            for tree in &trees {
                if known.len() > MOST_VERSIONS {
                    break;
                }
                if let Some((_, bytes)) = store.read(tree, path)?
                    && !known.contains(&bytes)
                {
                    self.past.push((name.to_owned(), bytes.clone()));
                    known.push(bytes);
                }
            }
        }
        Ok(!self.past.is_empty())
    }
}
