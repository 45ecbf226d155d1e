//! The memory of failures: what was tried on a fingerprint, what healed it, and how long it is left alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Result};

/// Version of the files; others are not understood and count as nothing remembered.
const VERSION: u32 = 1;

/// Older attempts on one fingerprint are forgotten.
const ATTEMPTS_MOST: usize = 50;

/// Everything that is remembered of one fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the format.
    v: u32,
    /// The failure.
    pub fingerprint: String,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// The last patch that healed it.
    pub heal: Option<Heal>,
}

/// One run that tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended.
    pub time: Timestamp,
    /// The run of kaizen-ci.
    pub run: String,
    /// How it ended: `healed`, `escalated`, …
    pub outcome: String,
    /// The report for people, where one was written.
    pub report: Option<String>,
    /// The failure is left alone for a while after this attempt.
    pub pauses: bool,
}

/// A patch that healed a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heal {
    /// When.
    pub time: Timestamp,
    /// The run of kaizen-ci.
    pub run: String,
    /// The fixer that proposed it.
    pub fixer: String,
    /// Unified diff.
    pub patch: String,
    /// The files that it changes, as they were: path to blob. Where the same blobs are there again, it fits exactly.
    pub base: BTreeMap<String, String>,
}

/// A failure that is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Until when.
    pub until: Timestamp,
    /// The report of the attempt that failed.
    pub report: Option<String>,
    /// The run that failed.
    pub run: String,
}

/// The memory of one repository. Several processes may use it at once.
#[derive(Debug, Clone)]
pub struct Memory {
    dir: PathBuf,
}

impl Memory {
    /// The memory in `state_dir`; made when something is remembered.
    pub fn open(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("memory") }
    }

    /// What is remembered of `fingerprint`. A file that is damaged or of another version is nothing remembered.
    pub fn recall(&self, fingerprint: &str) -> Option<Record> {
        let text = std::fs::read(self.file(fingerprint)).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.v == VERSION && record.fingerprint == fingerprint).then_some(record)
    }

    /// Remembers the patch that healed `fingerprint`; a pause is over with it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn remember_heal(&self, fingerprint: &str, heal: Heal) -> Result<()> {
        self.update(fingerprint, |record| {
            let (time, run, outcome) = (heal.time, heal.run.clone(), "healed".to_owned());
            record.attempts.push(Attempt { time, run, outcome, report: None, pauses: false });
            record.heal = Some(heal);
        })
    }

    /// Remembers that `run` did not heal `fingerprint`, and where its report is.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn remember_failure(
        &self,
        fingerprint: &str,
        run: &str,
        outcome: &str,
        report: Option<&str>,
        time: Timestamp,
    ) -> Result<()> {
        let (run, outcome, report) = (run.to_owned(), outcome.to_owned(), report.map(str::to_owned));
        self.update(fingerprint, |record| record.attempts.push(Attempt { time, run, outcome, report, pauses: true }))
    }

    /// Is `fingerprint` left alone at `now`, when a failure that did not heal is left alone for `pause`?
    pub fn paused(&self, fingerprint: &str, now: Timestamp, pause: Duration) -> Option<Pause> {
        paused(&self.recall(fingerprint)?, now, pause)
    }

    /// Forgets everything; returns how many fingerprints that were.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn forget_all(&self) -> Result<usize> {
        let count = std::fs::read_dir(&self.dir).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|ext| ext == "json")).count()
        });
        super::remove_tree(&self.dir).context(|| format!("can't remove {}", self.dir.display()))?;
        Ok(count)
    }

    fn update(&self, fingerprint: &str, change: impl FnOnce(&mut Record)) -> Result<()> {
        let place = || format!("can't write the memory in {}", self.dir.display());
        std::fs::create_dir_all(&self.dir).context(place)?;
        // reading and writing again is one step for all processes
        let lock = File::create(self.dir.join(".lock")).context(place)?;
        lock.lock().context(place)?;
        let new = || Record { v: VERSION, fingerprint: fingerprint.to_owned(), attempts: Vec::new(), heal: None };
        let mut record = self.recall(fingerprint).unwrap_or_else(new);
        change(&mut record);
        record.attempts.drain(..record.attempts.len().saturating_sub(ATTEMPTS_MOST));
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).context(place)?;
        file.write_all(&serde_json::to_vec_pretty(&record).context(place)?).context(place)?;
        file.as_file().sync_data().context(place)?;
        file.persist(self.file(fingerprint)).map_err(|e| e.error).context(place)?;
        Ok(())
    }

    /// A fingerprint is hexadecimal; whatever else comes as one must not name a path.
    fn file(&self, fingerprint: &str) -> PathBuf {
        use sha2::Digest as _;
        let is_plain = (1..=64).contains(&fingerprint.len()) && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        let name = if is_plain { fingerprint.to_owned() } else { hex::encode(sha2::Sha256::digest(fingerprint)) };
        self.dir.join(format!("{name}.json"))
    }
}

/// The last attempt counts. A clock that was set back does not make a pause longer than it is.
fn paused(record: &Record, now: Timestamp, pause: Duration) -> Option<Pause> {
    let last = record.attempts.last().filter(|attempt| attempt.pauses)?;
    let pause = jiff::SignedDuration::try_from(pause).ok()?;
    let until = last.time.min(now).checked_add(pause).unwrap_or(Timestamp::MAX);
    (now < until).then(|| Pause { until, report: last.report.clone(), run: last.run.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRINT: &str = "0123456789abcdef";
    const HOURS_6: Duration = Duration::from_secs(6 * 3600);

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().unwrap()
    }

    fn heal(time: &str) -> Heal {
        let base = BTreeMap::from([("src/cart.py".to_owned(), "ab12".to_owned())]);
        Heal { time: at(time), run: "run-2".into(), fixer: "undo".into(), patch: "--- a\n+++ b\n".into(), base }
    }

    #[test]
    fn a_heal_is_recalled_with_its_patch_and_base() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path());
        assert_eq!(memory.recall(PRINT), None);
        memory.remember_heal(PRINT, heal("11:00:00")).unwrap();
        let record = Memory::open(dir.path()).recall(PRINT).unwrap();
        assert_eq!(record.heal, Some(heal("11:00:00")));
        assert_eq!(record.attempts[0].outcome, "healed");
        assert_eq!(memory.forget_all().unwrap(), 1);
        assert_eq!(memory.recall(PRINT), None);
    }

    #[test]
    fn a_failure_that_did_not_heal_is_left_alone_until_its_time_or_a_heal() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path());
        memory.remember_failure(PRINT, "run-1", "escalated", Some("report.md"), at("10:00:00")).unwrap();
        let pause = Pause { until: at("16:00:00"), report: Some("report.md".into()), run: "run-1".into() };
        assert_eq!(memory.paused(PRINT, at("10:00:00"), HOURS_6), Some(pause.clone()));
        assert_eq!(memory.paused(PRINT, at("15:59:59"), HOURS_6), Some(pause));
        assert_eq!(memory.paused(PRINT, at("16:00:00"), HOURS_6), None);
        assert_eq!(memory.paused(PRINT, at("10:00:00"), Duration::ZERO), None);
        assert_eq!(memory.paused("feed", at("10:00:00"), HOURS_6), None);
        let set_back = memory.paused(PRINT, at("02:00:00"), HOURS_6).unwrap();
        assert_eq!(set_back.until, at("08:00:00"), "a clock that was set back");
        memory.remember_heal(PRINT, heal("11:00:00")).unwrap();
        assert_eq!(memory.paused(PRINT, at("11:00:01"), HOURS_6), None);
    }

    #[test]
    fn a_damaged_file_is_nothing_remembered_and_can_be_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::open(dir.path());
        memory.remember_heal(PRINT, heal("11:00:00")).unwrap();
        for damage in ["", "{\"v\":1,", "[]", "{\"v\":99,\"fingerprint\":\"0123456789abcdef\",\"attempts\":[]}"] {
            std::fs::write(memory.file(PRINT), damage).unwrap();
            assert_eq!(memory.recall(PRINT), None, "{damage}");
            memory.remember_heal(PRINT, heal("12:00:00")).unwrap();
            assert_eq!(memory.recall(PRINT).unwrap().heal, Some(heal("12:00:00")));
        }
    }

    #[test]
    fn a_fingerprint_never_names_a_path() {
        let memory = Memory::open(Path::new("/state"));
        for strange in ["../../../etc/passwd", "", "a/b", "UP\0"] {
            let file = memory.file(strange);
            assert_eq!(file.parent(), Some(Path::new("/state/memory")), "{strange}");
            assert_eq!(file.file_stem().unwrap().len(), 64);
        }
    }

    #[test]
    fn several_writers_lose_nothing_and_old_attempts_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let memory = Memory::open(dir.path());
                scope.spawn(move || {
                    for i in 0..10 {
                        memory.remember_failure(PRINT, &format!("{n}.{i}"), "x", None, at("10:00:00")).unwrap();
                    }
                });
            }
        });
        let memory = Memory::open(dir.path());
        assert_eq!(memory.recall(PRINT).unwrap().attempts.len(), 40);
        for _ in 0..20 {
            memory.remember_failure(PRINT, "late", "x", None, at("11:00:00")).unwrap();
        }
        assert_eq!(memory.recall(PRINT).unwrap().attempts.len(), ATTEMPTS_MOST);
    }

    proptest! {
        #[test]
        fn any_file_is_recalled_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let dir = tempfile::tempdir().unwrap();
            let memory = Memory::open(dir.path());
            std::fs::create_dir(&memory.dir).unwrap();
            std::fs::write(memory.file(PRINT), text).unwrap();
            prop_assert_eq!(memory.recall(PRINT), None);
        }

        #[test]
        fn a_pause_is_never_longer_than_it_is(past in -10_000i64..10_000, seconds in 0u64..100_000) {
            let (now, pause) = (at("11:00:00"), Duration::from_secs(seconds));
            let time = now + jiff::SignedDuration::from_secs(past);
            let attempt = Attempt { time, run: "r".into(), outcome: "x".into(), report: None, pauses: true };
            let record = Record { v: 1, fingerprint: PRINT.into(), attempts: vec![attempt], heal: None };
            if let Some(found) = paused(&record, now, pause) {
                prop_assert!(found.until > now && found.until <= now + jiff::SignedDuration::try_from(pause).unwrap());
            }
        }
    }
}
