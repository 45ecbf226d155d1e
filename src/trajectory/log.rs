//! The JSONL log of a run: one write per line in append mode, and a reader that survives torn lines.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::{Context as _, Error, Result};
use crate::mask::Mask;
use crate::system::{FileExt as _, OpenOptionsExt as _};
use crate::trajectory::{Entry, Event, SCHEMA_VERSION, Sink};

/// A line longer than this is damage: the largest entries hold a diff and a log excerpt of 64 KiB each.
const LINE_MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Appends entries to a file. Any number of writers, in any number of processes, may append to the same file: each entry
/// is one `write` in append mode.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    mask: Mask,
    /// Entries that could not be written since the last one that could.
    lost: u64,
    trouble: Trouble,
}

/// What went wrong first with a log, if anything did. Can be kept when the writer is given away.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<OnceLock<String>>);

impl Trouble {
    /// In words, for people.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Writer {
    /// Opens the log at `path`, makes it when it is not there. Everything that `mask` knows is covered before it is
    /// written.
    ///
    /// # Errors
    /// When the file can't be opened or made.
    pub fn open(path: &Path, mask: Mask) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .context(|| format!("can't open the log {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, mask, lost: 0, trouble: Trouble::default() })
    }

    /// What goes wrong with this log, now and later.
    pub fn trouble(&self) -> Trouble {
        self.trouble.clone()
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = Vec::new();
        if self.ends_torn() {
            line.push(b'\n');
        }
        if self.lost > 0 {
            let text = format!("{} entries before this one could not be written to the log", self.lost);
            self.push(&mut line, &Entry { event: Event::Note { text }, ..entry.clone() })?;
        }
        self.push(&mut line, entry)?;
        // one call: a second one could land behind a line of another writer
        match self.file.write(&line)? {
            written if written == line.len() => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn push(&self, line: &mut Vec<u8>, entry: &Entry) -> io::Result<()> {
        let mut value = serde_json::to_value(entry)?;
        self.mask.cover_json(&mut value);
        serde_json::to_writer(&mut *line, &value)?;
        line.push(b'\n');
        Ok(())
    }

    /// Was somebody killed, or the disk full, in the middle of the last line?
    fn ends_torn(&self) -> bool {
        let Ok(length @ 1..) = self.file.metadata().map(|meta| meta.len()) else { return false };
        let mut last = [0];
        self.file.read_exact_at(&mut last, length - 1).is_ok() && last != *b"\n"
    }
}

impl Sink for Writer {
    fn take(&mut self, entry: &Entry) {
        match self.append(entry) {
            Ok(()) => self.lost = 0,
            Err(error) => {
                self.lost += 1;
                if self.trouble.0.set(format!("can't write to the log {}: {error}", self.path.display())).is_ok() {
                    tracing::warn!("can't write to the log {}: {error}", self.path.display());
                }
            }
        }
    }
}

/// One line of a log that could be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// An entry that this version understands.
    Entry(Box<Entry>),
    /// An entry of a kind that this version does not know: as it stands there.
    Unknown {
        /// The kind.
        event: String,
        /// All of it.
        value: serde_json::Value,
    },
}

/// A log as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// What could be read, in order.
    pub lines: Vec<Line>,
    /// How many lines are torn or no entries.
    pub damaged: usize,
}

impl Reading {
    /// The entries that this version understands, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(&**entry),
            Line::Unknown { .. } => None,
        })
    }
}

/// Reads the log at `path`.
///
/// # Errors
/// When it can't be opened or read, or was written by a newer version of the schema.
pub fn read(path: &Path) -> Result<Reading> {
    let place = || format!("can't read the log {}", path.display());
    match read_from(BufReader::new(File::open(path).context(place)?)) {
        Ok(reading) => Ok(reading),
        Err(Unreadable::Io(error)) => Err(error).context(place),
        Err(Unreadable::Newer(version)) => {
            let why = format!("its schema has version {version}, this kaizen-ci reads up to version {SCHEMA_VERSION}");
            let what = format!("the log {} is of a newer kaizen-ci", path.display());
            Err(Error::usage(what).why(why).hint("update kaizen-ci"))
        }
    }
}

/// Why a log can't be read at all.
#[derive(Debug)]
pub enum Unreadable {
    /// The system says no.
    Io(io::Error),
    /// A schema of this version is not known.
    Newer(u64),
}

/// Reads a log from anywhere.
///
/// # Errors
/// When reading fails, or an entry has a newer schema.
pub fn read_from(mut from: impl BufRead) -> std::result::Result<Reading, Unreadable> {
    let mut reading = Reading::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limited = &mut io::Read::take(&mut from, LINE_MOST_BYTES);
        if limited.read_until(b'\n', &mut line).map_err(Unreadable::Io)? == 0 {
            return Ok(reading);
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match parse(text) {
            Ok(parsed) => reading.lines.push(parsed),
            Err(Some(newer)) => return Err(Unreadable::Newer(newer)),
            Err(None) => reading.damaged += 1,
        }
    }
}

/// One line; `Err` with the version of a newer schema, or without one when it is no entry.
fn parse(text: &[u8]) -> std::result::Result<Line, Option<u64>> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|_| None)?;
    let version = value.get("v").and_then(serde_json::Value::as_u64).ok_or(None)?;
    if version > u64::from(SCHEMA_VERSION) {
        return Err(Some(version));
    }
    let event = value.get("event").and_then(serde_json::Value::as_str).ok_or(None)?.to_owned();
    match serde_json::from_value(value.clone()) {
        Ok(entry) => Ok(Line::Entry(Box::new(entry))),
        Err(_) => Ok(Line::Unknown { event, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trajectory::Recorder;
    use proptest::prelude::*;

    fn note(step: u64, text: &str) -> Entry {
        let event = Event::Note { text: text.to_owned() };
        Entry { v: SCHEMA_VERSION, run: "r".into(), step, time: "2026-11-22T11:00:00Z".parse().unwrap(), event }
    }

    fn line(entry: &Entry) -> Vec<u8> {
        let mut line = serde_json::to_vec(entry).unwrap();
        line.push(b'\n');
        line
    }

    fn log() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        (dir, path)
    }

    #[test]
    fn what_was_recorded_is_read_again() {
        let (_dir, path) = log();
        let recorder = Recorder::new("run-1", vec![Box::new(Writer::open(&path, Mask::default()).unwrap())]);
        recorder.record(Event::TierStarted { tier: 1 });
        recorder.record(Event::Note { text: "two\nlines".into() });
        let reading = read(&path).unwrap();
        let events: Vec<_> = reading.entries().map(|entry| entry.event.clone()).collect();
        assert_eq!(events, [Event::TierStarted { tier: 1 }, Event::Note { text: "two\nlines".into() }]);
        assert_eq!((reading.damaged, reading.lines.len()), (0, 2));
    }

    #[test]
    fn fields_with_the_names_of_an_entry_s_own_are_kept_apart() {
        let (_dir, path) = log();
        let events = [
            Event::Cleaned { run: "another".into(), what: vec![] },
            Event::JudgeStep { candidate: "undo#1".into(), step: "guards".into() },
        ];
        let recorder = Recorder::new("run-1", vec![Box::new(Writer::open(&path, Mask::default()).unwrap())]);
        events.iter().for_each(|event| recorder.record(event.clone()));
        let reading = read(&path).unwrap();
        let read: Vec<_> = reading.entries().map(|entry| (entry.run.as_str(), entry.step, &entry.event)).collect();
        assert_eq!(read, [("run-1", 1, &events[0]), ("run-1", 2, &events[1])]);
    }

    #[test]
    fn a_line_torn_by_a_kill_costs_only_itself() {
        let (_dir, path) = log();
        std::fs::write(&path, [&line(&note(1, "first"))[..], b"{\"v\":1,\"run\":\"r\",\"st"].concat()).unwrap();
        Writer::open(&path, Mask::default()).unwrap().take(&note(3, "third"));
        let reading = read(&path).unwrap();
        assert_eq!(reading.entries().map(|entry| entry.step).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(reading.damaged, 1);
    }

    #[test]
    fn many_writers_do_not_disturb_each_other() {
        let (_dir, path) = log();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let mut writer = Writer::open(&path, Mask::default()).unwrap();
                scope.spawn(move || (0..100).for_each(|i| writer.take(&note(n * 100 + i, &"x".repeat(5000)))));
            }
        });
        let reading = read(&path).unwrap();
        let mut steps: Vec<u64> = reading.entries().map(|entry| entry.step).collect();
        steps.sort_unstable();
        assert_eq!((steps, reading.damaged), ((0..800).collect(), 0));
    }

    #[test]
    fn secrets_are_covered_before_they_are_written() {
        let (_dir, path) = log();
        let mut writer = Writer::open(&path, Mask::new(["hunter2-\"quoted\""])).unwrap();
        writer.take(&note(1, &format!("password hunter2-\"quoted\" and ghp_{}", "a1B2".repeat(9))));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("password *** and ***"), "{text}");
    }

    #[test]
    fn a_disk_that_is_full_is_remembered_and_stops_nothing() {
        let (_dir, path) = log();
        let mut writer = Writer::open(&path, Mask::default()).unwrap();
        let trouble = writer.trouble();
        let good = std::mem::replace(&mut writer.file, OpenOptions::new().append(true).open("/dev/full").unwrap());
        writer.take(&note(1, "lost"));
        writer.take(&note(2, "lost"));
        assert!(trouble.get().unwrap().contains("events.jsonl"), "{trouble:?}");
        writer.file = good;
        writer.take(&note(3, "kept"));
        let reading = read(&path).unwrap();
        let texts: Vec<_> = reading.entries().map(|entry| entry.event.clone()).collect();
        let lost = Event::Note { text: "2 entries before this one could not be written to the log".into() };
        assert_eq!(texts, [lost, Event::Note { text: "kept".into() }]);
    }

    #[test]
    fn a_newer_schema_is_refused_by_name_and_an_unknown_kind_is_kept() {
        let (_dir, path) = log();
        let unknown = r#"{"v":1,"run":"r","step":1,"time":"2026-11-22T11:00:00Z","event":"from_the_future","x":[1]}"#;
        std::fs::write(&path, format!("{unknown}\n")).unwrap();
        let reading = read(&path).unwrap();
        let value = serde_json::from_str(unknown).unwrap();
        assert_eq!(reading.lines, [Line::Unknown { event: "from_the_future".into(), value }]);
        std::fs::write(&path, unknown.replace("\"v\":1", "\"v\":7")).unwrap();
        let error = read(&path).unwrap_err().render();
        assert!(error.contains("version 7") && error.contains("update kaizen-ci"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_from(&bytes[..]);
        }

        #[test]
        fn good_entries_are_found_between_any_damage(
            texts in prop::collection::vec((".{0,30}", prop::collection::vec(any::<u8>(), 0..20)), 0..8),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (n, (text, damage)) in texts.iter().enumerate() {
                bytes.extend_from_slice(damage);
                bytes.push(b'\n');
                let entry = note(n as u64, text);
                bytes.extend(line(&entry));
                expected.push(entry);
            }
            let reading = read_from(&bytes[..]).unwrap();
            prop_assert_eq!(reading.entries().cloned().collect::<Vec<_>>(), expected);
        }
    }
}
