//! Cases for fixers, made from real repositories: snapshot, red run, described failure, lab.

use std::sync::Arc;
use std::time::Duration;

use kaizen_ci::failure;
use kaizen_ci::fixer::{Candidate, Case, Desk, Findings, Fixer, Hints};
use kaizen_ci::lab::{Confinement, Lab, Limits, Patience};
use kaizen_ci::repo::carry::Carry;
use kaizen_ci::repo::{Repository, Sha, Store};
use kaizen_ci::suite::protected::Protected;
use kaizen_ci::suite::{CommandLine, Run, Runner, Selection, Suite};
use kaizen_ci::trajectory::Recorder;
use tokio_util::sync::CancellationToken;

use crate::project::Project;

/// A case and the folder that its store is in.
pub struct Bench {
    pub case: Case,
    /// What fixers leave for others.
    pub hints: Hints,
    _temp: tempfile::TempDir,
}

/// The suite of a Python project; with `-p no:cacheprovider` nothing but byte code is left behind.
pub fn pytest() -> Suite {
    suite("python3 -m pytest -q -p no:cacheprovider", Runner::Pytest)
}

pub fn suite(command: &str, runner: Runner) -> Suite {
    Suite {
        name: "top".into(),
        dir: "".into(),
        command: CommandLine::Shell(command.into()),
        runner,
        found_by: "test".into(),
    }
}

const LIMITS: Limits =
    Limits { time: Duration::from_secs(60), log_cap_bytes: 1 << 20, background: false, patience: Patience::USUAL };

impl Bench {
    /// The case of `project` as it is now, which was green at `green`.
    pub async fn new(project: &Project, suite: Suite, green: Option<&str>) -> Self {
        Self::confined(project, suite, green, Confinement::NONE).await
    }

    /// The same with so much time for a run.
    pub async fn timed(project: &Project, suite: Suite, time: Duration) -> Self {
        Self::limited(project, suite, None, Confinement::NONE, Limits { time, ..LIMITS }).await
    }

    /// The same behind a fence.
    pub async fn confined(project: &Project, suite: Suite, green: Option<&str>, confinement: Confinement) -> Self {
        Self::limited(project, suite, green, confinement, LIMITS).await
    }

    async fn limited(
        project: &Project,
        suite: Suite,
        green: Option<&str>,
        confinement: Confinement,
        limits: Limits,
    ) -> Self {
        kaizen_ci::process::set_supervisor(env!("CARGO_BIN_EXE_kaizen-ci"));
        let temp = tempfile::Builder::new().prefix("kaizen-case").tempdir().unwrap();
        let repository = Repository::discover(&project.root()).unwrap();
        let store = Store::create(&repository, temp.path()).unwrap();
        let snapshot = store.snapshot().unwrap();
        let lab = Lab::confined(store, Carry::default(), Vec::new(), 2, confinement);
        let green = green.map(|sha| Sha(sha.to_owned()));
        let workspace = lab.workspace(&snapshot, "red").await.unwrap();
        let red = lab.run(&workspace, &suite, &Selection::All, limits, &CancellationToken::new()).await.unwrap();
        assert!(!red.is_green(), "the case is green: {}", log(&red));
        let protected = Protected::new(&[]);
        let failure =
            failure::describe_snapshot(&lab.store, &snapshot, &suite, &red, green.as_ref(), &protected).unwrap();
        let case = Case {
            snapshot,
            suite,
            failure,
            red,
            green,
            wanted: None,
            rules_of: None,
            lab,
            limits,
            protected,
            remembered: Vec::new(),
            seed: 1,
            time_left: Duration::from_secs(120),
            models: kaizen_ci::model::Models::none(),
            trials: Default::default(),
            retuned: Default::default(),
        };
        Self { case, hints: Hints::default(), _temp: temp }
    }

    /// Lets `fixer` look at the case: its candidates, and what it learned.
    pub async fn propose(&self, fixer: &dyn Fixer) -> (Vec<Candidate>, Findings) {
        let (candidates, mut received) = tokio::sync::mpsc::channel(64);
        let desk = Desk {
            fixer: fixer.name(),
            candidates,
            recorder: Recorder::forgetful(),
            cancel: CancellationToken::new(),
            model_free: tokio::sync::watch::channel(0).1,
            hints: self.hints.clone(),
        };
        let findings = fixer.propose(&self.case, &desk).await.unwrap();
        drop(desk);
        let mut all = Vec::new();
        while let Some(candidate) = received.recv().await {
            all.push(candidate);
        }
        (all, findings)
    }

    /// Runs everything with a candidate's patch, in a fresh workspace.
    pub async fn with(&self, candidate: &Candidate) -> Run {
        let workspace = self.lab().workspace(&self.case.snapshot, "check").await.unwrap();
        candidate.patch.write_to(&workspace.path).unwrap();
        let cancel = CancellationToken::new();
        self.lab().run(&workspace, &self.case.suite, &Selection::All, LIMITS, &cancel).await.unwrap()
    }

    pub fn lab(&self) -> &Arc<Lab> {
        &self.case.lab
    }
}

/// What a run printed, for messages of failed assertions.
pub fn log(run: &Run) -> String {
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    format!("{:?}\n{}\n{}", run.end, read(&run.log.stdout), read(&run.log.stderr))
}

/// The lines of a candidate's diff that start with `+` or `-`.
pub fn changes(candidate: &Candidate) -> Vec<String> {
    let diff = String::from_utf8(candidate.patch.unified()).unwrap();
    let changed = |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    diff.lines().filter(changed).map(str::to_owned).collect()
}
