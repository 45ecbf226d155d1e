//! The lab: makes workspaces of a snapshot and runs the suite in them, a bounded number at a time.

pub mod history;
pub(crate) mod installed;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::{Context as _, Error, Result};
use crate::process::sandbox::{self, Fence};
use crate::process::{self, Finished, Silence, Spec};
use crate::repo::carry::Carry;
use crate::repo::{Snapshot, Store, Workspace, logins};
use crate::suite::adapter::{self, Built, Prepared};
use crate::suite::{LogFiles, Run, Runner, Selection, Suite};
use crate::trajectory::{Event, Purpose, Recorder};

/// Limits for one run of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wall time.
    pub time: Duration,
    /// Bytes of each output stream that are kept.
    pub log_cap_bytes: u64,
    /// A fixer's run: it has slots of its own and stands back while triage or the judge want the cores.
    pub background: bool,
    /// How long tests may compute without a word.
    pub patience: Patience,
}

/// How long tests may compute without a word before they count as hanging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// At most so long, whatever their runner is usually given; `None`: somebody said how long a run may take.
    most: Option<Duration>,
    /// They have hung before.
    hung: bool,
}

impl Patience {
    /// The whole heal has to hold so many runs: tests that compute for a longer part of its time can't be healed in it.
    const RUNS: u32 = 12;
    const LEAST: Duration = Duration::from_secs(5);
    /// For tests that have hung before.
    const LEAST_AGAIN: Duration = Duration::from_secs(1);

    /// For a run after `red`, if there was one.
    pub fn of(config: &Config, red: Option<&Run>) -> Self {
        let most = (config.time_limit / Self::RUNS).max(Self::LEAST);
        Self { most: config.run_time_limit.is_none().then_some(most), hung: red.is_some_and(Run::has_hung) }
    }

    /// As long as the runner is usually given.
    pub const USUAL: Self = Self { most: Some(Duration::MAX), hung: false };

    fn silence(self, runner: Runner) -> Option<Duration> {
        self.of_usual(runner.longest_silence()?)
    }

    /// For one test, where our own plug-in watches; `None`: as it does by itself.
    fn one_test(self, runner: Runner) -> Option<Duration> {
        if runner == Runner::Pytest { self.of_usual(ONE_TEST) } else { None }
    }

    fn of_usual(self, usual: Duration) -> Option<Duration> {
        let longest = usual.min(self.most?);
        Some(if self.hung { (longest / 3).max(Self::LEAST_AGAIN) } else { longest })
    }
}

/// What our plug-in for pytest gives one test when nothing else is said: processor time.
const ONE_TEST: Duration = Duration::from_secs(10);

/// Makes workspaces and runs suites. Cheap to clone by `Arc`; safe to use from several fixers at once.
#[derive(Debug)]
pub struct Lab {
    /// Where snapshots and their objects are.
    pub store: Store,
    /// What is carried into workspaces.
    pub carry: Carry,
    /// Variable names (globs) that code under test may see although they look like secrets.
    pub env_allow: Vec<String>,
    /// Around code under test.
    pub confinement: Confinement,
    /// Slots for test runs of triage and judge: one per core.
    slots: Semaphore,
    /// As many for the fixers, so that the judge never waits for one of theirs.
    background: Semaphore,
    /// How many slots there are.
    pub parallel: usize,
    /// What code under test may not read: logins.
    hidden: Vec<PathBuf>,
    /// Its folder for temporary files, where the usual one can't be had whole.
    temporary: Option<PathBuf>,
    /// The configuration of git that it sees in place of the user's, in a folder of its own.
    git_config: Option<PathBuf>,
    counter: AtomicU64,
    runs: AtomicU64,
    /// A workspace whose build folders further ones start with, and what to carry from it.
    warm: OnceLock<(Carry, Workspace)>,
}

/// Where cargo builds when nothing else is said.
const CARGO_FOLDER: &str = "target";

/// How far code under test is fenced in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// Which files it may write and read.
    pub files: bool,
    /// It has no network.
    pub offline: bool,
    /// It has no way into other processes. (What runs under a supervisor never has.)
    pub guarded: bool,
}

impl Confinement {
    /// Not at all.
    pub const NONE: Confinement = Confinement { files: false, offline: false, guarded: false };

    /// As `config` says: where nothing is said, around files and without a network in GitHub Actions, when the kernel can.
    ///
    /// # Errors
    /// When something is asked for that this machine can't do: a fence that is not there must not be believed in.
    pub fn of(config: &Config) -> Result<Self> {
        let in_actions = process::environment::is_in_actions(&std::env::vars_os().collect::<Vec<_>>());
        let closed = config.network == Some(false);
        if config.sandbox.is_none() && !closed && !in_actions {
            return Ok(Self::NONE);
        }
        let can = sandbox::can();
        let lacks = |what: &str, key: &str| {
            Err(Error::environment(format!("{what} here, and `{key}` in {} asks for it", crate::config::FILE))
                .hint(format!("take `{key}` out, or run where it can: kaizen-ci doctor")))
        };
        if config.sandbox == Some(true) && can.landlock.is_none() {
            return lacks("tests can't be fenced in (no Landlock)", "sandbox");
        }
        if closed && !can.offline {
            return lacks("tests can't be cut off from the network (no namespaces)", "network");
        }
        let files = config.sandbox.unwrap_or(in_actions) && can.landlock.is_some();
        let offline = !config.network.unwrap_or(!in_actions) && can.offline;
        Ok(Self { files, offline, guarded: true })
    }
}

impl Lab {
    /// A lab over `store` with `parallel` slots for test runs and no fence.
    pub fn new(store: Store, carry: Carry, env_allow: Vec<String>, parallel: usize) -> Arc<Self> {
        Self::confined(store, carry, env_allow, parallel, Confinement::NONE)
    }

    /// The same with a fence around code under test.
    pub fn confined(
        store: Store,
        carry: Carry,
        env_allow: Vec<String>,
        parallel: usize,
        confinement: Confinement,
    ) -> Arc<Self> {
        let parallel = parallel.max(1);
        let hidden = if confinement.files { places_of_logins(&store, &env_allow) } else { Vec::new() };
        let open = confinement.files && is_in_shared(&store.temp, &env_allow);
        let temporary = (open || hides_in_temporary(&hidden)).then(|| store.temp.join("tmp"));
        if let Some(folder) = &temporary {
            // one that can't be made is seen by the first run of the tests
            let _ = std::fs::create_dir_all(folder);
        }
        let git_config = confinement.files.then(|| own_git_config(&store));
        Arc::new(Self {
            hidden,
            temporary,
            git_config,
            store,
            carry,
            env_allow,
            confinement,
            slots: Semaphore::new(parallel),
            background: Semaphore::new(parallel),
            parallel,
            counter: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            warm: OnceLock::new(),
        })
    }

    /// A new workspace of `snapshot`, named after what it is for.
    ///
    /// # Errors
    /// When it can't be made (disk, git).
    pub async fn workspace(self: &Arc<Self>, snapshot: &Snapshot, purpose: &str) -> Result<Workspace> {
        let name = format!("{purpose}-{}", self.counter.fetch_add(1, Ordering::Relaxed));
        let (lab, snapshot) = (Arc::clone(self), snapshot.clone());
        let make = move || {
            let carry = lab.warm.get().map_or(&lab.carry, |(carry, _)| carry);
            Workspace::create(&lab.store, &snapshot, &name, carry)
        };
        let made = tokio::task::spawn_blocking(make).await;
        made.map_err(|e| Error::internal("making a workspace panicked").source(e))?
    }

    /// From now on workspaces start with what cargo built in `workspace`, where no patched code may have run: in a fresh
    /// clone each of them would build every dependency again. Other tools keep what they share outside of the tree.
    ///
    /// # Errors
    /// When git fails or the folder can't be read.
    pub fn keep_warm(&self, workspace: Workspace, suite: &Suite) -> Result<()> {
        let is_cargo = matches!(suite.runner, Runner::CargoTest | Runner::Nextest);
        let folders = [suite.dir.join(CARGO_FOLDER), PathBuf::from(CARGO_FOLDER)];
        let is_built = |folder: &&PathBuf| workspace.path.join(folder).join("CACHEDIR.TAG").exists();
        let Some(folder) = folders.iter().find(is_built).filter(|_| is_cargo) else { return Ok(()) };
        if let Some(carry) = workspace.warm(folder)? {
            // a second one changes nothing
            let _ = self.warm.set((carry, workspace));
        }
        Ok(())
    }

    /// Waits for a fixer's slot; hold it while something heavy runs that does not go through [`Lab::run`] (a warm runner's
    /// turn).
    ///
    /// # Errors
    /// Never in practice: the semaphore is not closed.
    pub async fn slot(&self) -> Result<SemaphorePermit<'_>> {
        self.permit(true).await
    }

    async fn permit(&self, background: bool) -> Result<SemaphorePermit<'_>> {
        let slots = if background { &self.background } else { &self.slots };
        slots.acquire().await.map_err(|e| Error::internal("the lab is closed").source(e))
    }

    /// A fresh folder outside every workspace, for report files and logs.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self, purpose: &str) -> Result<PathBuf> {
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        let dir = self.store.temp.join("reports").join(format!("{purpose}-{n}"));
        std::fs::create_dir_all(&dir).context(|| format!("can't make {}", dir.display()))?;
        Ok(dir)
    }

    /// How many times the suite (or a part of it) was run so far.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// The clean environment for code under test.
    pub fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut env = process::environment::clean(std::env::vars_os(), &self.env_allow);
        env.extend(self.temporary.iter().map(|folder| ("TMPDIR".into(), folder.into())));
        env.extend(self.git_config.iter().map(|file| ("GIT_CONFIG_GLOBAL".into(), file.into())));
        env
    }

    /// `argv` behind the fence of this lab, where it may write in `own` besides what everybody may.
    pub fn fenced(&self, argv: Vec<OsString>, own: &[&Path]) -> Vec<OsString> {
        self.behind(argv, own, self.confinement)
    }

    /// `argv` behind the same fence around files, with a network: a coding agent is no code under test, but edits and runs
    /// it, and does what files in its workspace say.
    pub fn fenced_agent(&self, argv: Vec<OsString>, own: &[&Path]) -> Vec<OsString> {
        let files = self.confinement.files;
        self.behind(argv, own, Confinement { files, offline: false, guarded: files })
    }

    fn behind(&self, argv: Vec<OsString>, own: &[&Path], fence: Confinement) -> Vec<OsString> {
        if fence == Confinement::NONE {
            return argv;
        }
        let env = self.environment();
        let of_git = self.git_config.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let own = own.iter().map(|path| path.to_path_buf()).chain(self.temporary.clone()).chain(of_git);
        let write = fence.files.then(|| sandbox::shared_places(&env).into_iter().chain(own).collect());
        let Confinement { offline, guarded, .. } = fence;
        // other workspaces, what the judge compares with, the store: none of it is for code under test to change
        let keep = vec![self.store.temp.clone()];
        Fence { write, hide: self.hidden.clone(), keep, offline, guarded }.around(argv)
    }

    /// Runs `suite` in `workspace` when a slot is free.
    ///
    /// # Errors
    /// When our side fails; a suite that fails, hangs or is missing is a [`Run`].
    pub async fn run(
        &self,
        workspace: &Workspace,
        suite: &Suite,
        selection: &Selection,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Run> {
        self.run_with(workspace, suite, selection, limits, &BTreeMap::new(), cancel).await
    }

    /// The same with more variables.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub async fn run_with(
        &self,
        workspace: &Workspace,
        suite: &Suite,
        selection: &Selection,
        limits: Limits,
        more: &BTreeMap<OsString, OsString>,
        cancel: &CancellationToken,
    ) -> Result<Run> {
        let reports = self.scratch("run")?;
        let prepared = adapter::prepare(suite, selection, &workspace.path, &reports);
        self.run_prepared(workspace, suite, (prepared, reports), limits, more, cancel).await
    }

    /// Runs `selection` with what an earlier run in this workspace has `built`, and no build tool in between. `None`: not all
    /// of it can be.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub async fn run_built(
        &self,
        workspace: &Workspace,
        built: &Built,
        selection: &Selection,
        limits: Limits,
        more: &BTreeMap<OsString, OsString>,
        cancel: &CancellationToken,
    ) -> Result<Option<Run>> {
        let reports = self.scratch("run")?;
        let Some(prepared) = built.prepare(selection, &workspace.path, &reports, more) else { return Ok(None) };
        self.run_prepared(workspace, &built.suite, (prepared, reports), limits, more, cancel).await.map(Some)
    }

    async fn run_prepared(
        &self,
        workspace: &Workspace,
        suite: &Suite,
        (prepared, reports): (Prepared, PathBuf),
        limits: Limits,
        more: &BTreeMap<OsString, OsString>,
        cancel: &CancellationToken,
    ) -> Result<Run> {
        let _slot = tokio::select! {
            slot = self.permit(limits.background) => slot?,
            () = cancel.cancelled() => return Err(Error::interrupted()),
        };
        self.runs.fetch_add(1, Ordering::Relaxed);
        // PATH may lead into a virtual environment of the user's tree: the one carried here has to be used
        let mut env = workspace.environment(self.environment());
        env.extend(prepared.env.clone());
        if may_be_python(suite, &prepared.cwd, &workspace.path) {
            installed::turn(&mut env, &adapter::helpers(&reports), &self.store.repository.root, &workspace.path)?;
        }
        if let Some(most) = limits.patience.one_test(suite.runner) {
            env.insert("KAIZEN_COMPUTES_S".into(), most.as_secs_f64().to_string().into());
        }
        env.extend(more.clone());
        let log = LogFiles { stdout: reports.join("stdout.log"), stderr: reports.join("stderr.log") };
        let spec = Spec {
            argv: self.fenced(prepared.argv.clone(), &[&workspace.path, &reports]),
            cwd: prepared.cwd.clone(),
            env,
            time_limit: limits.time,
            grace: process::GRACE,
            stdout: log.stdout.clone(),
            stderr: log.stderr.clone(),
            log_cap_bytes: limits.log_cap_bytes,
            background: limits.background,
            silence: limits.patience.silence(suite.runner).map(|most| Silence { most, reports: reports.clone() }),
        };
        let finished: Finished = process::run(&spec, cancel).await?;
        let (suite, top) = (suite.clone(), workspace.path.clone());
        tokio::task::spawn_blocking(move || adapter::collect(&suite, &prepared, &finished, &log, &top))
            .await
            .map_err(|e| Error::internal("reading the results panicked").source(e))
    }
}

/// May the tests import what is installed from the user's tree?
fn may_be_python(suite: &Suite, cwd: &Path, top: &Path) -> bool {
    match suite.runner {
        Runner::Pytest | Runner::Unittest => true,
        Runner::Command | Runner::Tap => installed::is_python(cwd) || installed::is_python(top),
        _ => false,
    }
}

/// Where logins are: in the home folder, in the clone that is healed, and in the one that the job has checked out, when a
/// commit is healed in a folder of its own.
fn places_of_logins(store: &Store, env_allow: &[String]) -> Vec<PathBuf> {
    let env = process::environment::clean(std::env::vars_os(), env_allow);
    let mut folders = vec![store.repository.git_dir.clone(), store.repository.common_dir.clone()];
    folders.extend(std::env::var_os("GITHUB_WORKSPACE").map(|top| Path::new(&top).join(".git")));
    if let Ok(here) = std::env::current_dir().map(git2::Repository::discover)
        && let Ok(here) = here
    {
        folders.extend([here.path().to_owned(), here.commondir().to_owned()]);
    }
    let mut all = sandbox::logins(&env);
    let is_config = |path: &&PathBuf| path.ends_with(".gitconfig") || path.ends_with("git");
    let of_user = all.iter().filter(is_config).flat_map(|path| [path.clone(), path.join("config")]).collect();
    all.extend(logins::with_included(of_user));
    all.extend(logins::files(folders.iter().map(PathBuf::as_path)));
    all
}

/// Is the run's folder inside of one that code under test may write as a whole?
fn is_in_shared(folder: &Path, env_allow: &[String]) -> bool {
    let env = process::environment::clean(std::env::vars_os(), env_allow);
    let places = sandbox::shared_places(&env);
    places.iter().filter_map(|place| place.canonicalize().ok()).any(|place| folder.starts_with(place))
}

/// A configuration of git with who the user is and nothing else: their own may have logins in it. Tests may write it.
fn own_git_config(store: &Store) -> PathBuf {
    let file = store.temp.join("git").join("config");
    // what can't be made or asked is missing, and git in the tests says so
    let _ = std::fs::create_dir_all(store.temp.join("git")).and_then(|()| std::fs::write(&file, ""));
    for name in ["user.name", "user.email", "init.defaultBranch"] {
        let Ok(value) = store.repository.git().args(["config", "--get", name]).text() else { continue };
        // no option of git's
        if value.starts_with('-') {
            continue;
        }
        let _ = store.repository.git().args(["config", "--file"]).arg(&file).args([name, value.trim()]).text();
    }
    file
}

/// Is one of these files below the usual folder for temporary files? Then that can't be had whole: what is in it is allowed
/// piece by piece, and nothing new can be made in it.
fn hides_in_temporary(hidden: &[PathBuf]) -> bool {
    let usual = std::env::temp_dir();
    let usual = usual.canonicalize().unwrap_or(usual);
    hidden.iter().filter_map(|file| file.canonicalize().ok()).any(|file| file.starts_with(&usual))
}

/// Records that a run of the suite ended.
pub fn record_run(recorder: &Recorder, purpose: Purpose, subject: &str, run: &Run) {
    let (passed, failed, skipped) = run.counts();
    recorder.record(Event::SuiteEnded {
        purpose,
        subject: subject.to_owned(),
        passed,
        failed,
        skipped,
        end: run.end,
        ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
        red: run.red().iter().take(50).map(ToString::to_string).collect(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_have_hung_get_less_time_and_those_with_a_limit_of_their_own_all_of_it() {
        let seconds = Duration::from_secs;
        let mut config = Config { time_limit: seconds(600), ..Config::default() };
        let silence =
            |config: &Config, hung| Patience { hung, ..Patience::of(config, None) }.silence(Runner::CargoTest);
        assert_eq!(silence(&config, false), Some(seconds(30)));
        assert_eq!(silence(&config, true), Some(seconds(10)));
        assert_eq!(Patience::of(&config, None).silence(Runner::Command), None, "nothing is known of how it talks");
        config.time_limit = seconds(60);
        assert_eq!((silence(&config, false), silence(&config, true)), (Some(seconds(5)), Some(seconds(5) / 3)));
        let one_test = |hung| Patience { hung, ..Patience::of(&config, None) }.one_test(Runner::Pytest);
        assert_eq!((one_test(false), one_test(true)), (Some(seconds(5)), Some(seconds(5) / 3)));
        config.run_time_limit = Some(seconds(300));
        assert_eq!(silence(&config, false), None);
    }
}
