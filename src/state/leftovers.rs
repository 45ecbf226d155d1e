//! Cleaning up after runs that were killed: their processes, their temporary folders, and a last word in their log.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Exit, Result};
use crate::mask::Mask;
use crate::process::table::{self, Row};
use crate::state::lease::{self, Lease, State};
use crate::state::{remove_tree, run};
use crate::system::{self, OsStrExt as _};
use crate::trajectory::log::{self, Writer};
use crate::trajectory::{Entry, Event, SCHEMA_VERSION, Sink as _};

/// The outcome in the log of a run that was killed.
pub const INTERRUPTED: &str = "interrupted";

/// A run folder in the making that is older than this belongs to a process that was killed while it made it.
const MAKING_MOST: Duration = Duration::from_secs(60);

/// What was left of a run that was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The run.
    pub run: String,
    /// What was removed, in words; or what could not be, and why.
    pub what: Vec<String>,
}

/// Removes what runs that were killed have left behind, and marks them as interrupted. Runs at work are not touched.
///
/// # Errors
/// When the folder of runs can't be read. What can't be removed is said in the result and tried again by the next call.
pub fn clean_leftovers(state_dir: &Path) -> Result<Vec<Leftover>> {
    let mut cleaned = Vec::new();
    for name in run::names(state_dir)? {
        let folder = run::folder(state_dir, &name);
        if name.starts_with(run::NEW) {
            remove_half_made(&folder);
        } else if let State::Abandoned(_lock, lease) = lease::look(&folder) {
            cleaned.push(clean_one(&name, &folder, lease));
        }
    }
    cleaned.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(cleaned)
}

/// A folder that never got its name holds nothing but a lease.
fn remove_half_made(folder: &Path) {
    let age =
        std::fs::metadata(folder).and_then(|meta| meta.modified()).map(|time| SystemTime::now().duration_since(time));
    if matches!(age, Ok(Ok(age)) if age > MAKING_MOST) && !matches!(lease::look(folder), State::Held) {
        let _ = remove_tree(folder);
    }
}

fn clean_one(run: &str, folder: &Path, lease: Option<Lease>) -> Leftover {
    let mut what = Vec::new();
    let mut all_gone = true;
    match lease.filter(|lease| is_ours(&lease.temp, run)) {
        Some(lease) => {
            let killed = kill_processes(&lease);
            if killed > 0 {
                what.push(format!("{killed} processes"));
            }
            match remove_temp(&lease.temp, run) {
                Ok(true) => what.push(format!("the temporary folder {}", lease.temp.display())),
                Ok(false) => {}
                Err(why) => {
                    all_gone = false;
                    what.push(format!("not removed: the temporary folder {} ({why})", lease.temp.display()));
                }
            }
        }
        None => what.push("a damaged lease".to_owned()),
    }
    mark_interrupted(run, folder, &what);
    if all_gone {
        let _ = std::fs::remove_file(folder.join(lease::FILE));
    }
    Leftover { run: run.to_owned(), what }
}

/// Only a folder with the name that the run gave it: a lease is a file, and anybody may have written it.
fn is_ours(temp: &Path, run: &str) -> bool {
    temp.is_absolute() && temp.file_name().is_some_and(|name| name == format!("{}{run}", run::TEMP_PREFIX).as_str())
}

/// Removes the temporary folder; was there one? It must be a real folder of ours with our marker in it, or empty (killed
/// before the marker was written).
fn remove_temp(temp: &Path, run: &str) -> std::result::Result<bool, String> {
    let meta = match std::fs::symlink_metadata(temp) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        meta => meta.map_err(|e| e.to_string())?,
    };
    if !meta.is_dir() || !system::is_mine(&meta) {
        return Err("it is not a folder of ours".into());
    }
    let marker = temp.join(run::MARKER);
    let is_marked = std::fs::symlink_metadata(&marker).is_ok_and(|meta| meta.is_file())
        && std::fs::read(&marker).is_ok_and(|text| text == run.as_bytes());
    if is_marked {
        return remove_tree(temp).map(|()| true).map_err(|e| e.to_string());
    }
    // killed between making the folder and its marker: then it is empty, or the marker is
    if std::fs::symlink_metadata(&marker).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
        let _ = std::fs::remove_file(&marker);
    }
    std::fs::remove_dir(temp).map(|()| true).map_err(|_| "it does not carry our mark".to_string())
}

/// Kills what works in the temporary folder of a dead run. The supervisors have done that long ago; this is for the case
/// that they were killed together with kaizen-ci. Nothing with a terminal is touched: a person may be looking around in
/// there, but code under test has no terminal.
fn kill_processes(lease: &Lease) -> usize {
    /// Killed processes are gone after a moment, or hang in the disk.
    const MOST: Duration = Duration::from_secs(2);
    let started = Instant::now();
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let rows = table::all();
        let found: Vec<&Row> = rows.iter().filter(|row| is_left_over(row, lease)).collect();
        if found.is_empty() || started.elapsed() > MOST {
            return killed.len();
        }
        for row in found {
            table::kill(row);
            killed.insert(row.pid);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_left_over(row: &Row, lease: &Lease) -> bool {
    let process = PathBuf::from(format!("/proc/{}", row.pid));
    row.state != 'Z'
        && row.terminal == 0
        && row.started >= lease.started
        && row.pid != std::process::id().cast_signed()
        && std::fs::metadata(&process).is_ok_and(|meta| system::is_mine(&meta))
        && (std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&lease.temp))
            || std::fs::read(process.join("environ")).is_ok_and(|vars| names_folder(&vars, &lease.temp)))
}

/// Does a variable (`TMPDIR`, `PWD`, …) name something in `folder`?
fn names_folder(vars: &[u8], folder: &Path) -> bool {
    let inside = |value: &[u8]| Path::new(std::ffi::OsStr::from_bytes(value)).starts_with(folder);
    vars.split(|b| *b == 0).any(|var| var.iter().position(|b| *b == b'=').is_some_and(|at| inside(&var[at + 1..])))
}

/// The last words in the log of a run that could not say them.
fn mark_interrupted(run: &str, folder: &Path, what: &[String]) {
    let path = run::events(folder);
    let reading = log::read(&path).unwrap_or_default();
    let Ok(mut writer) = Writer::open(&path, Mask::default()) else { return };
    let mut step = reading.entries().map(|entry| entry.step).max().unwrap_or(0);
    let mut write = |event| {
        step += 1;
        writer.take(&Entry { v: SCHEMA_VERSION, run: run.to_owned(), step, time: jiff::Timestamp::now(), event });
    };
    if !reading.entries().any(|entry| matches!(entry.event, Event::RunEnded { .. })) {
        let mut times = reading.entries().map(|entry| entry.time);
        let first = times.next();
        let last = times.last().or(first);
        let ms = first.zip(last).map_or(0, |(first, last)| last.as_millisecond().abs_diff(first.as_millisecond()));
        let (outcome, exit) = (INTERRUPTED.to_owned(), Exit::Interrupted.code());
        write(Event::RunEnded { outcome, exit, ms, runs: Default::default() });
    }
    write(Event::Cleaned { run: run.to_owned(), what: what.to_vec() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const RUN: &str = "20261122T110501Z-3f9a";

    /// A state folder and a temporary folder as a killed run leaves them.
    struct Killed {
        dir: tempfile::TempDir,
        lease: Lease,
    }

    impl Killed {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let temp = dir.path().join(format!("tmp/kaizen-ci-{RUN}"));
            let mut gone = Command::new("true").spawn().unwrap();
            let lease = Lease { pid: gone.id().cast_signed(), started: Lease::mine(temp.clone()).started, temp };
            gone.wait().unwrap();
            let killed = Self { dir, lease };
            std::fs::create_dir_all(killed.folder()).unwrap();
            drop(killed.lease.write(&killed.folder()).unwrap());
            std::fs::create_dir_all(killed.lease.temp.join("workspace/src")).unwrap();
            std::fs::write(killed.lease.temp.join(run::MARKER), RUN).unwrap();
            killed
        }
        fn state(&self) -> PathBuf {
            self.dir.path().join("kaizen")
        }
        fn folder(&self) -> PathBuf {
            run::folder(&self.state(), RUN)
        }
        fn clean(&self) -> Vec<Leftover> {
            clean_leftovers(&self.state()).unwrap()
        }
    }

    #[test]
    fn a_killed_run_is_cleaned_up_once_and_can_still_be_read() {
        let killed = Killed::new();
        let mut writer = Writer::open(&run::events(&killed.folder()), Mask::default()).unwrap();
        let event = Event::TierStarted { tier: 1 };
        let time = "2026-11-22T11:05:02Z".parse().unwrap();
        writer.take(&Entry { v: SCHEMA_VERSION, run: RUN.into(), step: 7, time, event: event.clone() });
        let cleaned = killed.clean();
        let what = vec![format!("the temporary folder {}", killed.lease.temp.display())];
        assert_eq!(cleaned, [Leftover { run: RUN.into(), what: what.clone() }]);
        assert!(!killed.lease.temp.exists());
        let reading = log::read(&run::events(&killed.folder())).unwrap();
        let entries: Vec<_> = reading.entries().map(|entry| (entry.step, entry.event.clone())).collect();
        let ended = Event::RunEnded { outcome: INTERRUPTED.into(), exit: 130, ms: 0, runs: Default::default() };
        assert_eq!(entries, [(7, event), (8, ended), (9, Event::Cleaned { run: RUN.into(), what })]);
        assert_eq!(killed.clean(), [], "only once");
    }

    #[test]
    fn a_run_at_work_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let run = run::begin(dir.path()).unwrap();
        assert_eq!(clean_leftovers(dir.path()).unwrap(), []);
        assert!(run.temp.exists());
    }

    #[test]
    fn only_a_folder_with_our_name_and_our_mark_is_removed() {
        type Spoil = fn(&mut Killed);
        let spoils: [(&str, Spoil); 5] = [
            ("another name", |k| k.lease.temp = k.lease.temp.with_file_name("precious")),
            ("another run's name", |k| k.lease.temp = k.lease.temp.with_file_name("kaizen-ci-20260101T000000Z-0000")),
            ("no mark", |k| std::fs::remove_file(k.lease.temp.join(run::MARKER)).unwrap()),
            ("another run's mark", |k| std::fs::write(k.lease.temp.join(run::MARKER), "x").unwrap()),
            ("a link", |k| {
                let elsewhere = k.dir.path().join("elsewhere");
                std::fs::rename(&k.lease.temp, &elsewhere).unwrap();
                std::os::unix::fs::symlink(elsewhere, &k.lease.temp).unwrap();
            }),
        ];
        for (name, spoil) in spoils {
            let mut killed = Killed::new();
            spoil(&mut killed);
            if !killed.lease.temp.exists() {
                std::fs::create_dir_all(killed.lease.temp.join("workspace/src")).unwrap();
                std::fs::write(killed.lease.temp.join(run::MARKER), RUN).unwrap();
            }
            std::fs::remove_file(killed.folder().join(lease::FILE)).unwrap();
            drop(killed.lease.write(&killed.folder()).unwrap());
            let cleaned = killed.clean();
            assert!(killed.lease.temp.join("workspace/src").exists(), "{name}: {cleaned:?}");
        }
    }

    #[test]
    fn a_temporary_folder_without_mark_yet_is_removed_when_empty() {
        let killed = Killed::new();
        remove_tree(&killed.lease.temp).unwrap();
        std::fs::create_dir(&killed.lease.temp).unwrap();
        killed.clean();
        assert!(!killed.lease.temp.exists());
        assert_eq!(killed.clean(), []);
    }

    #[test]
    fn a_damaged_lease_costs_no_more_than_itself() {
        let killed = Killed::new();
        std::fs::write(killed.folder().join(lease::FILE), "{").unwrap();
        assert_eq!(killed.clean()[0].what, ["a damaged lease"]);
        assert_eq!(killed.clean(), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_still_works_in_the_temporary_folder_is_killed_and_others_are_not() {
        let killed = Killed::new();
        let sleep = |dir: &Path, variable: &Path| {
            use std::os::unix::process::CommandExt as _;
            let mut command = Command::new("sleep");
            command.arg("100").current_dir(dir).env("TMPDIR", variable).stdin(Stdio::null());
            // SAFETY: setsid is one system call; the child is to have no terminal
            unsafe { command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into)) };
            command.spawn().unwrap()
        };
        let temp = killed.lease.temp.clone();
        let mut inside = sleep(&temp.join("workspace"), Path::new("/"));
        let mut named = sleep(Path::new("/"), &temp.join("workspace"));
        let mut other = sleep(Path::new("/"), &temp.with_file_name("kaizen-ci-other"));
        let cleaned = killed.clean();
        assert!(cleaned[0].what.contains(&"2 processes".to_owned()), "{cleaned:?}");
        assert!(inside.wait().unwrap().code().is_none() && named.wait().unwrap().code().is_none());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_folder_that_never_got_its_name_goes_after_a_while() {
        let killed = Killed::new();
        let half = run::folder(&killed.state(), &format!("{}{RUN}", run::NEW));
        std::fs::create_dir(&half).unwrap();
        killed.clean();
        assert!(half.exists(), "its process may be at work");
        let old = SystemTime::now() - MAKING_MOST - Duration::from_secs(1);
        std::fs::File::open(&half).unwrap().set_modified(old).unwrap();
        killed.clean();
        assert!(!half.exists());
    }
}
