//! Run folders: `<state>/runs/<RUN>/` with everything that a run of kaizen-ci leaves for people, found again by name.

use std::fs::{DirBuilder, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::state::lease::{self, Lease, State};
use crate::state::{kill_point, remove_tree};
use crate::system::{self, DirBuilderExt as _};

/// The name that stands for the newest run.
pub const LATEST: &str = "latest";

/// Folder of all runs in the state folder.
const RUNS: &str = "runs";

/// A run folder in the making has this before its name.
pub(super) const NEW: &str = ".new-";

/// What a temporary folder's name begins with; the run's id follows.
pub(super) const TEMP_PREFIX: &str = "kaizen-ci-";

/// The file that says that a temporary folder is ours; it holds the run's id.
pub(super) const MARKER: &str = ".kaizen-ci-run";

/// A run of kaizen-ci at work. Dropping it removes the temporary folder and gives the lease back; the run folder stays.
#[derive(Debug)]
pub struct RunFolder {
    /// The run: `20261122T110501Z-3f9a`. Sorts by time.
    pub id: String,
    /// Its folder in the repository's state.
    pub path: PathBuf,
    /// Its temporary folder, outside the user's repository, readable by the user alone.
    pub temp: PathBuf,
    /// Locked as long as it is open.
    _lease: File,
}

impl RunFolder {
    /// The log of events.
    pub fn events(&self) -> PathBuf {
        events(&self.path)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        kill_point("before-cleanup");
        // what can't be removed now is removed by the next start, as long as the lease names it
        if remove_tree(&self.temp).is_ok() {
            kill_point("cleanup-half");
            let _ = std::fs::remove_file(self.path.join(lease::FILE));
        }
    }
}

/// The log of events in a run folder.
pub(super) fn events(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

/// A run of the past, or one that is at work now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its id.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// When it began.
    pub started: jiff::Timestamp,
    /// Its process is there now.
    pub running: bool,
}

impl RunInfo {
    /// The log of events.
    pub fn events(&self) -> PathBuf {
        events(&self.path)
    }
}

/// Begins a run: makes its folder in `state_dir`, its lease and its temporary folder.
///
/// # Errors
/// When one of them can't be made, or the folder for temporary files is in the repository itself.
pub fn begin(state_dir: &Path) -> Result<RunFolder> {
    begin_in(state_dir, &temp_base(state_dir)?)
}

fn begin_in(state_dir: &Path, temp_base: &Path) -> Result<RunFolder> {
    let runs = state_dir.join(RUNS);
    std::fs::create_dir_all(&runs).context(|| format!("can't make {}", runs.display()))?;
    /// Names hold a time and a random part: a second collision in a row is no coincidence.
    const TRIES: usize = 8;
    let mut last = None;
    for _ in 0..TRIES {
        let id = new_id(jiff::Timestamp::now());
        match make(&runs, temp_base, &id) {
            Err(Collision::Yes(error)) => last = Some(error),
            Err(Collision::No(error)) => return Err(error),
            Ok(run) => return Ok(run),
        }
    }
    Err(last.unwrap_or_else(|| Error::internal("no name for a run was free")))
}

/// Is it worth trying another name?
enum Collision {
    Yes(Error),
    No(Error),
}

fn make(runs: &Path, temp_base: &Path, id: &str) -> std::result::Result<RunFolder, Collision> {
    let path = runs.join(id);
    let new = if system::FOLDERS_AT_WORK_MOVE { runs.join(format!("{NEW}{id}")) } else { path.clone() };
    let temp = temp_base.join(format!("{TEMP_PREFIX}{id}"));
    make_private(&new)?;
    let lease = Lease::mine(temp.clone()).write(&new).map_err(Collision::No)?;
    // the folder appears together with its locked lease: nobody can take it for an abandoned one
    if new != path && (path.exists() || std::fs::rename(&new, &path).is_err()) {
        let _ = std::fs::remove_dir_all(&new);
        return Err(Collision::Yes(Error::internal(format!("can't make {}", path.display()))));
    }
    kill_point("run-folder-made");
    let made = make_private(&temp).and_then(|()| {
        kill_point("temp-made");
        let marker = temp.join(MARKER);
        std::fs::write(&marker, id).context(|| format!("can't write {}", marker.display())).map_err(Collision::No)
    });
    if let Err(collision) = made {
        let _ = std::fs::remove_dir_all(&path);
        return Err(collision);
    }
    Ok(RunFolder { id: id.to_owned(), path, temp, _lease: lease })
}

/// Makes a folder that must be new and that only the user can enter.
fn make_private(path: &Path) -> std::result::Result<(), Collision> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        match Err::<(), _>(error).context(|| format!("can't make {}", path.display())) {
            Err(error) if exists => Collision::Yes(error),
            Err(error) => Collision::No(error),
            Ok(()) => unreachable!("an error stays an error"),
        }
    })
}

/// Time to 1/256 s, so that runs sort by time, and one random byte.
fn new_id(now: jiff::Timestamp) -> String {
    let part = u32::from(u8::try_from(now.subsec_nanosecond().unsigned_abs() / 3_906_250).unwrap_or(u8::MAX));
    let random = std::hash::RandomState::new().build_hasher().finish() & 0xff;
    format!("{}-{part:02x}{random:02x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// The time in a run's id; `None` when it is no id.
fn time_of(id: &str) -> Option<jiff::Timestamp> {
    let (time, random) = id.split_once('-')?;
    let is_id = random.len() == 4 && random.bytes().all(|b| b.is_ascii_hexdigit());
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok().filter(|_| is_id)?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// Where temporary folders are made: `KAIZEN_TMP`, else the system's place. Never inside the repository whose state
/// this is: a test runner there would find the workspaces, and the next snapshot would hold them.
fn temp_base(state_dir: &Path) -> Result<PathBuf> {
    let configured = std::env::var_os("KAIZEN_TMP").filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = configured.is_some();
    let base = configured.unwrap_or_else(std::env::temp_dir);
    if named {
        std::fs::create_dir_all(&base).context(|| format!("can't make {}", base.display()))?;
    }
    let base = system::canonical(&base).context(|| format!("can't find {}", base.display()))?;
    if is_in_repository(&base, state_dir) {
        return Err(Error::usage(format!(
            "the folder for temporary files, {}, is inside the repository",
            base.display()
        ))
        .hint("set KAIZEN_TMP to a folder outside of it"));
    }
    Ok(base)
}

/// Is `folder` in a working tree, or in the git folder, of the repository that `state_dir` (`<common dir>/kaizen`) is of?
fn is_in_repository(folder: &Path, state_dir: &Path) -> bool {
    let Some(common) = state_dir.parent().and_then(|dir| system::canonical(dir).ok()) else { return false };
    let holds = |dir: &Path| {
        let git = dir.join(".git");
        let link = || std::fs::read_to_string(&git).ok()?.strip_prefix("gitdir:").map(|path| dir.join(path.trim()));
        [Some(git.clone()), link()]
            .into_iter()
            .flatten()
            .any(|at| system::canonical(&at).is_ok_and(|at| at.starts_with(&common)))
    };
    common.file_name().is_some_and(|name| name == ".git") && folder.starts_with(&common)
        || folder.ancestors().any(holds)
}

/// All runs in `state_dir`, newest first.
///
/// # Errors
/// When the folder is there and can't be read.
pub fn list(state_dir: &Path) -> Result<Vec<RunInfo>> {
    let mut runs: Vec<RunInfo> = names(state_dir)?
        .into_iter()
        .filter_map(|id| {
            let path = state_dir.join(RUNS).join(&id);
            let running = matches!(lease::look(&path), State::Held);
            Some(RunInfo { started: time_of(&id)?, id, path, running })
        })
        .collect();
    runs.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(runs)
}

/// The names of all folders in the folder of runs.
pub(super) fn names(state_dir: &Path) -> Result<Vec<String>> {
    let runs = state_dir.join(RUNS);
    let entries = match std::fs::read_dir(&runs) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context(|| format!("can't read {}", runs.display()))?,
    };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The folder of a name in the folder of runs.
pub(super) fn folder(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join(RUNS).join(name)
}

/// The run that `name` means: [`LATEST`], an id, or the beginning of one.
///
/// # Errors
/// When there is none, or several begin so.
pub fn find(state_dir: &Path, name: &str) -> Result<RunInfo> {
    let mut runs = list(state_dir)?;
    if name == LATEST {
        let none = || Error::usage("there is no run yet in this repository").hint("kaizen-ci heal");
        return runs.into_iter().next().ok_or_else(none);
    }
    runs.retain(|run| run.id.starts_with(name));
    match runs.len() {
        0 => Err(Error::usage(format!("there is no run `{name}`")).hint("kaizen-ci runs")),
        1 => Ok(runs.remove(0)),
        _ => {
            let ids: Vec<_> = runs.iter().map(|run| run.id.as_str()).collect();
            Err(Error::usage(format!("several runs begin with `{name}`"))
                .why(ids.join(", "))
                .hint("give more of its name"))
        }
    }
}

/// Removes the folders of all but the newest `keep` runs; never of one at work. Returns their ids.
///
/// # Errors
/// When a folder can't be removed.
pub fn prune(state_dir: &Path, keep: usize) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for run in list(state_dir)?.into_iter().skip(keep) {
        // one that was killed is left for clean_leftovers: its lease names a temporary folder
        if matches!(lease::look(&run.path), State::None) {
            remove_tree(&run.path).context(|| format!("can't remove {}", run.path.display()))?;
            removed.push(run.id);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Place {
        state: tempfile::TempDir,
        temp: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { state: tempfile::tempdir().unwrap(), temp: tempfile::tempdir().unwrap() }
        }
        fn begin(&self) -> RunFolder {
            begin_in(self.state.path(), self.temp.path()).unwrap()
        }
    }

    #[test]
    fn a_run_has_a_folder_that_stays_and_a_private_one_that_goes() {
        let place = Place::new();
        let run = place.begin();
        assert_eq!(std::fs::metadata(&run.temp).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(run.temp.file_name().unwrap().to_str().unwrap(), format!("kaizen-ci-{}", run.id));
        assert!(find(place.state.path(), LATEST).unwrap().running);
        std::fs::write(run.events(), "").unwrap();
        let (path, temp) = (run.path.clone(), run.temp.clone());
        drop(run);
        assert!(path.join("events.jsonl").exists() && !path.join(lease::FILE).exists() && !temp.exists());
        assert!(!find(place.state.path(), LATEST).unwrap().running);
    }

    #[test]
    fn ids_sort_by_time_and_tell_it() {
        let times =
            ["2026-11-22T11:05:01.1Z", "2026-11-22T11:05:01.5Z", "2026-11-22T11:05:02Z", "2027-01-01T00:00:00Z"];
        let ids: Vec<String> = times.iter().map(|time| new_id(time.parse().unwrap())).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ids[0].starts_with("20261122T110501Z-19"), "{ids:?}");
        assert_eq!(time_of(&ids[0]), Some("2026-11-22T11:05:01Z".parse().unwrap()));
        for no_id in ["", "x", "20261122T110501Z", "20261122T110501Z-zzzz", "20269922T110501Z-0000", "../../etc-0000"] {
            assert_eq!(time_of(no_id), None, "{no_id}");
        }
    }

    #[test]
    fn runs_are_listed_newest_first_and_found_by_their_beginning() {
        let place = Place::new();
        let runs = place.state.path().join(RUNS);
        assert_eq!(list(place.state.path()).unwrap(), []);
        for name in ["20260101T000000Z-0001", "20260102T000000Z-0002", "20260102T000000Z-0003", "notes", ".new-x"] {
            std::fs::create_dir_all(runs.join(name)).unwrap();
        }
        let ids = |runs: Vec<RunInfo>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
        let all = ["20260102T000000Z-0003", "20260102T000000Z-0002", "20260101T000000Z-0001"];
        assert_eq!(ids(list(place.state.path()).unwrap()), all);
        assert_eq!(find(place.state.path(), "20260101").unwrap().id, all[2]);
        assert_eq!(find(place.state.path(), LATEST).unwrap().id, all[0]);
        let error = |name| find(place.state.path(), name).unwrap_err().to_string();
        assert!(error("20260102").contains("several runs"));
        assert!(error("2027").contains("there is no run"));
        assert_eq!(prune(place.state.path(), 1).unwrap(), all[1..]);
        assert_eq!(ids(list(place.state.path()).unwrap()), all[..1]);
    }

    #[test]
    fn a_run_at_work_is_not_pruned() {
        let place = Place::new();
        let run = place.begin();
        assert_eq!(prune(place.state.path(), 0).unwrap(), Vec::<String>::new());
        assert!(run.path.exists());
    }

    #[test]
    fn temporary_folders_are_never_made_in_the_repository_or_its_other_working_trees() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let at = |path: &str| top.join(path);
        for dir in ["repo/.git/kaizen", "repo/.git/worktrees/w", "repo/tmp", "linked/tmp", "other/.git", "other/tmp"] {
            std::fs::create_dir_all(at(dir)).unwrap();
        }
        std::fs::write(at("linked/.git"), format!("gitdir: {}\n", at("repo/.git/worktrees/w").display())).unwrap();
        let state = at("repo/.git/kaizen");
        for (folder, inside) in
            [("repo/tmp", true), ("repo/.git", true), ("linked/tmp", true), ("other/tmp", false), (".", false)]
        {
            assert_eq!(is_in_repository(&at(folder), &state), inside, "{folder}");
        }
    }
}
