//! A verified heal becomes files that prove it: the patch, the receipt, and what is remembered for the next time.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Context as _, Result};
use crate::failure::Failure;
use crate::heal::race::Winner;
use crate::heal::{Ending, Heal, Healing};
use crate::judge::Docket;
use crate::judge::receipt::{Proof, RECEIPT_FILE, Receipt};
use crate::state::{kill_point, memory};
use crate::trajectory::Event;

impl Healing<'_> {
    /// Writes patch and receipt into the run's folder and remembers the patch.
    pub(super) fn prove(&self, docket: &Docket, failure: &Failure, winner: Winner, tier: u8) -> Result<Ending> {
        let folder = &self.request.folder;
        let patch_file = folder.join("heal.patch");
        let diff = winner.patch.unified();
        write(&patch_file, &diff)?;
        let run = self.recorder.run();
        let proof =
            Proof { run: &run, docket, patch: &winner.patch, judgement: &winner.judgement, reruns: &self.reruns };
        Receipt::write(&self.lab.store, &proof, folder)?;
        let receipt_file = folder.join(RECEIPT_FILE);
        kill_point("receipt-written");
        self.remember(docket, failure, &winner, &diff)?;
        self.recorder.record(Event::Healed {
            candidate: winner.candidate.id.clone(),
            tier,
            receipt: receipt_file.display().to_string(),
            patch: patch_file.display().to_string(),
            diff: String::from_utf8_lossy(&diff).into_owned(),
        });
        Ok(Ending::Healed(Box::new(Heal { winner, tier, patch_file, receipt_file })))
    }

    fn remember(&self, docket: &Docket, failure: &Failure, winner: &Winner, diff: &[u8]) -> Result<()> {
        let files = self.lab.store.files(&docket.snapshot.tree)?;
        let base: BTreeMap<String, String> = files
            .into_iter()
            .filter(|(path, _, _)| winner.patch.files.contains_key(path))
            .map(|(path, _, blob)| (String::from_utf8_lossy(&path).into_owned(), blob.0))
            .collect();
        let heal = memory::Heal {
            time: jiff::Timestamp::now(),
            run: self.recorder.run(),
            fixer: winner.candidate.fixer.to_owned(),
            patch: String::from_utf8_lossy(diff).into_owned(),
            base,
        };
        self.request.memory.remember_heal(&failure.fingerprint, heal)?;
        kill_point("memory-written");
        Ok(())
    }
}

/// Writes a file so that it is whole or not there.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temp = path.with_extension("part");
    std::fs::write(&temp, bytes).context(|| format!("can't write {}", temp.display()))?;
    std::fs::rename(&temp, path).context(|| format!("can't write {}", path.display()))
}
