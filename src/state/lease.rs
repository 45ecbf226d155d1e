//! The lease: a locked file that says which process is at work in a run folder, and where its temporary folder is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Result};
use crate::process::table;
use crate::system::OpenOptionsExt as _;

/// Its name in the run folder.
pub(super) const FILE: &str = "lease.json";

/// Who works in a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The process.
    pub pid: i32,
    /// When that process began, in clock ticks since boot: a process id is used again, the pair is not. 0 where the
    /// system does not tell.
    pub started: u64,
    /// The temporary folder of the run, made after this was written.
    pub temp: PathBuf,
}

/// What can be said of a run folder's lease.
pub(super) enum State {
    /// There is none: the run ended in order.
    None,
    /// Its process lives.
    Held,
    /// Its process is gone. The lock is ours as long as the file is open; no lease when it can't be read.
    Abandoned(File, Option<Lease>),
}

impl Lease {
    /// A lease of this process.
    pub fn mine(temp: PathBuf) -> Self {
        let pid = std::process::id().cast_signed();
        Self { pid, started: table::of(pid).map_or(0, |row| row.started), temp }
    }

    /// Writes the lease into `folder` and locks it; it holds as long as the file is open. The folder must not be visible
    /// to others yet, for they could lock it first.
    pub fn write(&self, folder: &Path) -> Result<File> {
        let path = folder.join(FILE);
        let place = || format!("can't write {}", path.display());
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).context(place)?;
        file.lock().context(place)?;
        file.write_all(&serde_json::to_vec(self).context(place)?).context(place)?;
        Ok(file)
    }

    /// Is the very process that wrote this still there?
    fn is_alive(&self) -> bool {
        self.started != 0
            && table::of(self.pid).is_some_and(|row| row.started == self.started && !matches!(row.state, 'Z' | 'X'))
    }
}

/// Looks at the lease in `folder`.
pub(super) fn look(folder: &Path) -> State {
    let Ok(mut file) = OpenOptions::new().read(true).write(true).open(folder.join(FILE)) else { return State::None };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return State::Held,
        // a file system without locks: the process id decides alone
        Err(TryLockError::Error(_)) | Ok(()) => {}
    }
    let mut text = Vec::new();
    let lease: Option<Lease> = file.read_to_end(&mut text).ok().and_then(|_| serde_json::from_slice(&text).ok());
    match lease {
        Some(lease) if lease.is_alive() => State::Held,
        lease => State::Abandoned(file, lease),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(lease: &Lease) -> (tempfile::TempDir, State) {
        let dir = tempfile::tempdir().unwrap();
        drop(lease.write(dir.path()).unwrap());
        let state = look(dir.path());
        (dir, state)
    }

    #[test]
    fn a_locked_lease_is_held_whatever_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let lease = Lease { pid: -7, started: 1, temp: "/x".into() };
        let _file = lease.write(dir.path()).unwrap();
        assert!(matches!(look(dir.path()), State::Held));
    }

    #[test]
    fn a_living_process_holds_its_lease_and_a_process_id_used_again_does_not() {
        let mine = Lease::mine("/x".into());
        assert!(matches!(stored(&mine).1, State::Held));
        let reused = Lease { started: mine.started - 1, ..mine };
        assert!(matches!(stored(&reused).1, State::Abandoned(_, Some(lease)) if lease == reused));
    }

    #[test]
    fn a_lease_that_cannot_be_read_is_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(look(dir.path()), State::None));
        std::fs::write(dir.path().join(FILE), "{\"pid\":").unwrap();
        assert!(matches!(look(dir.path()), State::Abandoned(_, None)));
    }
}
