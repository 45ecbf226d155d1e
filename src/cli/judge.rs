//! `kaizen-ci judge`: the judge alone, on any patch, whoever or whatever wrote it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::cli::choice;
use crate::cli::context::Context;
use crate::cli::options::{self, Suites};
use crate::cli::session::Session;
use crate::config::{Config, Loaded, Override};
use crate::console::Progress;
use crate::console::style::Style;
use crate::error::{Context as _, Error, Exit, Result};
use crate::heal::triage::Triage;
use crate::judge::{self, Docket, Judgement, Policy};
use crate::lab::{Confinement, Lab, Limits, Patience, record_run};
use crate::patch::outside::{self, MOST_BYTES};
use crate::repo::carry::Carry;
use crate::repo::{Repository, Sha, Snapshot, Store};
use crate::report::escape::one_line;
use crate::report::numbers::{count, seconds};
use crate::report::{verdict_name, verdict_words};
use crate::suite::protected::Protected;
use crate::suite::{Run, Selection, Suite};
use crate::trajectory::{Event, Purpose};
use crate::words::{Blame, Reason, Verdict};

/// Options of `judge`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Judge {
    /// A patch file (unified diff, as `git diff` writes it), or `-` for standard input
    #[arg(value_name = "PATCH")]
    pub patch: PathBuf,
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// How often the whole suite is run with the patch
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub repeat: Option<String>,
    /// Wall time for one run of the test command
    #[arg(long, value_name = "TIME", help_heading = options::HOW)]
    pub time_limit: Option<String>,
    /// Let the patch change tests (the verdict says so)
    #[arg(long, help_heading = options::HOW)]
    pub allow_test_changes: bool,
    /// Print one JSON document (`kaizen-ci schema judge`) and nothing else to standard output
    #[arg(long, help_heading = options::OUTPUT)]
    pub json: bool,
    /// Print only the verdict
    #[arg(long, short, help_heading = options::OUTPUT)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci judge fix.patch                   is it a heal? exit code 0 only then
  my-agent | kaizen-ci judge - --json         behind an agent of your own
  git diff main..fix | kaizen-ci judge - --cmd 'cargo test'

The tests must be red without the patch. Nothing in the repository is changed. Exit codes: 0 healed, 40 still red,
41 regressed, 42 tampered, 43 unstable, 44 does not apply, 45 timed out, 46 nothing was red.";

impl Judge {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut out = self.suites.overrides();
        // One run may take all the time there is: there is nothing else to spend it on.
        let time = &self.time_limit;
        for (key, text) in [("repeat", &self.repeat), ("time_limit", time), ("run_time_limit", time)] {
            out.extend(text.iter().map(|text| Override { key, text: text.clone() }));
        }
        out.extend(options::flag("allow_test_changes", self.allow_test_changes));
        out
    }
}

/// The document that `judge --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// `kaizen-ci/judge/v1`.
    pub schema: String,
    /// The run's name.
    pub run: String,
    /// `healed`, `still_red`, `regressed`, `tampered`, `unstable`, `does_not_apply`, `timed_out`; none when nothing is
    /// red.
    pub verdict: Option<String>,
    /// Exit code.
    pub exit: u8,
    /// The answer, in one sentence.
    pub headline: String,
    /// Why; empty only for `healed`.
    pub reasons: Vec<ReasonDocument>,
    /// Red tests before.
    pub red_before: Vec<String>,
    /// Tests that turned green.
    pub healed: Vec<String>,
    /// Paths whose changes were put back before judging: the patch was judged without them.
    pub set_aside: Vec<String>,
    /// Tests that the patch changes (only where that is allowed).
    pub tests_changed: Vec<String>,
    /// Tests that fail now and then without the patch, too: runs in which they did were done over.
    pub flaky: Vec<String>,
    /// Remarks: `deletion_only`, `condition_to_constant`, …
    pub labels: Vec<String>,
    /// Guards that were asked and had nothing to say.
    pub guards_passed: Vec<String>,
    /// Runs of the suite with the patch.
    pub runs: usize,
    /// Hash of the patch that was judged.
    pub patch_hash: Option<String>,
    /// Commit of the snapshot that it was judged on.
    pub snapshot: String,
    /// Wall time of the judge in milliseconds.
    pub duration_ms: u64,
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonDocument {
    /// Stable name.
    pub rule: String,
    /// In words.
    pub what: String,
}

/// The JSON schema of the document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Judges.
///
/// # Errors
/// When the patch can't be read, or the repository, the configuration or the machine is not as needed.
pub fn run(context: &Context, args: &Judge) -> Result<Exit> {
    let bytes = read_patch(&args.patch)?;
    let repository = context.repository()?;
    let loaded = context.config(&repository, &args.overrides())?;
    let (suite, _) = choice::pick(&repository, &loaded.config, args.suites.suite.as_deref())?;
    let carry = choice::carried(&repository, &loaded.config)?.carry;
    let progress = Progress::choose(&context.terminal, args.quiet, args.json);
    let session = Session::begin(context, &repository, "judge", 0, progress)?;
    let court = Court { session: &session, config: &loaded.config, suite, carry };
    let store = Store::create(&repository, &session.run.temp)?;
    let judged = context.wait(|cancel| async move { court.hear(store, &bytes, &cancel).await });
    let document = match judged {
        Ok(document) => document,
        Err(error) => {
            session.failed(context, &error);
            return Err(error);
        }
    };
    session.progress.finish();
    let exit = Exit::of_code(document.exit).unwrap_or(Exit::Internal);
    let _ = session.end(exit);
    let text = if args.json {
        serde_json::to_string_pretty(&document).context(|| "can't write the document".into())? + "\n"
    } else {
        screen(&document, context.terminal.out_style(), args.quiet)
    };
    context.terminal.out(&text);
    Ok(exit)
}

/// Reads at most as much as a patch may have.
fn read_patch(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Error::usage(format!("can't read the patch {}", path.display()))
            .source(error)
            .hint("give the path of a diff, or `-` and the diff on standard input")),
    }
}

struct Court<'a> {
    session: &'a Session,
    config: &'a Config,
    suite: Suite,
    carry: Carry,
}

/// A commit that is in another repository on this machine.
#[derive(Debug, Clone)]
pub struct At {
    /// That repository.
    pub git_dir: PathBuf,
    /// A reference to it there.
    pub name: String,
    /// The commit.
    pub commit: Sha,
}

/// Judges `patch` on a commit that is fetched from elsewhere, with the build folders of `repository`.
///
/// # Errors
/// As [`run`].
pub fn at(
    context: &Context,
    repository: &Repository,
    loaded: &Loaded,
    suite: Option<&str>,
    at: &At,
    patch: &[u8],
) -> Result<Document> {
    let (suite, _) = choice::pick(repository, &loaded.config, suite)?;
    let carry = choice::carried(repository, &loaded.config)?.carry;
    let session = Session::begin(context, repository, "judge", 0, Progress::None)?;
    let court = Court { session: &session, config: &loaded.config, suite, carry };
    let store = Store::create(repository, &session.run.temp)?;
    let fetch = ["fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head"];
    store.git().args(fetch).arg(&at.git_dir).arg(&at.name).text()?;
    let judged = context.wait(|cancel| async move {
        let snapshot = store.snapshot_of(&at.commit)?;
        court.hear_on(store, snapshot, patch, &cancel).await
    });
    match judged {
        Ok(document) => {
            let _ = session.end(Exit::of_code(document.exit).unwrap_or(Exit::Internal));
            Ok(document)
        }
        Err(error) => {
            session.failed(context, &error);
            Err(error)
        }
    }
}

impl Court<'_> {
    async fn hear(&self, store: Store, bytes: &[u8], cancel: &CancellationToken) -> Result<Document> {
        let snapshot = store.snapshot()?;
        self.hear_on(store, snapshot, bytes, cancel).await
    }

    async fn hear_on(
        &self,
        store: Store,
        snapshot: Snapshot,
        bytes: &[u8],
        cancel: &CancellationToken,
    ) -> Result<Document> {
        let recorder = &self.session.recorder;
        let (carry, allow) = (self.carry.clone(), self.config.env_allow.clone());
        let lab = Lab::confined(store, carry, allow, self.config.parallel, Confinement::of(self.config)?);
        let patch = match outside::parse(&lab.store, &snapshot.tree, bytes) {
            Ok(patch) => Ok(patch),
            Err(refusal) => Err(refusal.verdict()?),
        };
        let patch = match patch {
            Ok(patch) => patch,
            Err((verdict, reason)) => {
                let judgement = Judgement::unheard(verdict, vec![reason]);
                return Ok(self.document(&snapshot, None, &judgement, None));
            }
        };
        let red = self.red_run(&lab, &snapshot, cancel).await?;
        if red.is_green() {
            return Ok(self.nothing_red(&snapshot, &red));
        }
        let limits = Limits {
            time: self.config.limit_of_run(red.duration),
            log_cap_bytes: self.config.log_cap_bytes,
            background: false,
            patience: Patience::of(self.config, Some(&red)),
        };
        if let Some(unstable) = self.not_really_red(&lab, &snapshot, &red, limits, cancel).await? {
            return Ok(self.document(&snapshot, Some(&red), &unstable, None));
        }
        let policy = Policy {
            repeat: self.config.repeat,
            allow_test_changes: self.config.allow_test_changes,
            protected: Protected::new(&self.config.protected),
        };
        let docket = Docket { snapshot: snapshot.clone(), suite: self.suite.clone(), red, limits, policy };
        let (judged, judgement) = judge::judge(&lab, &docket, "patch", &patch, recorder, cancel).await?;
        Ok(self.document(&snapshot, Some(&docket.red), &judgement, Some(judged.hash())))
    }

    async fn red_run(&self, lab: &Arc<Lab>, snapshot: &Snapshot, cancel: &CancellationToken) -> Result<Run> {
        let subject = "your tree".to_owned();
        let recorder = &self.session.recorder;
        let workspace = lab.workspace(snapshot, "red").await?;
        recorder.record(Event::SuiteStarted { purpose: Purpose::Red, subject: subject.clone(), selected: None });
        let time: Duration = self.config.run_time_limit.unwrap_or(self.config.time_limit);
        let patience = Patience::of(self.config, None);
        let limits = Limits { time, log_cap_bytes: self.config.log_cap_bytes, background: false, patience };
        let run = lab.run(&workspace, &self.suite, &Selection::All, limits, cancel).await?;
        record_run(recorder, Purpose::Red, &subject, &run);
        Ok(run)
    }

    /// A patch can't heal what is not broken by the code: flaky tests, a suite that can't run here.
    async fn not_really_red(
        &self,
        lab: &Arc<Lab>,
        snapshot: &Snapshot,
        red: &Run,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Option<Judgement>> {
        let triage = Triage {
            lab,
            suite: &self.suite,
            snapshot,
            base: None,
            reruns: self.config.reruns,
            limits,
            recorder: &self.session.recorder,
            cancel,
        };
        match triage.decide(red).await?.decision.blame {
            Blame::Environment { what, hint } => {
                Err(Error::environment(format!("the suite can't run here: {}", one_line(&what, 200))).hint(hint))
            }
            Blame::Flaky { tests } => {
                let reason = |test: &crate::words::TestId| Reason {
                    rule: "test.flaky".into(),
                    what: format!("{test} is red once and green once without the patch"),
                };
                Ok(Some(Judgement::unheard(Verdict::Unstable, tests.iter().map(reason).collect())))
            }
            Blame::BrokenOnBase | Blame::ThisChange | Blame::Unknown => Ok(None),
        }
    }

    fn document(
        &self,
        snapshot: &Snapshot,
        red: Option<&Run>,
        judgement: &Judgement,
        hash: Option<String>,
    ) -> Document {
        let name = verdict_name(judgement.verdict);
        let texts = |tests: &std::collections::BTreeSet<crate::words::TestId>| -> Vec<String> {
            tests.iter().map(ToString::to_string).collect()
        };
        let time = seconds(judgement.duration_ms);
        Document {
            schema: "kaizen-ci/judge/v1".into(),
            run: self.session.run.id.clone(),
            exit: Exit::of_verdict(judgement.verdict).code(),
            headline: format!("{} (judged in {time})", verdict_words(Some(&name))),
            verdict: Some(name),
            reasons: judgement
                .reasons
                .iter()
                .map(|reason| ReasonDocument { rule: reason.rule.clone(), what: reason.what.clone() })
                .collect(),
            red_before: red.map(|red| texts(&red.red())).unwrap_or_default(),
            healed: texts(&judgement.healed),
            set_aside: judgement.set_aside.clone(),
            tests_changed: judgement.tests_changed.clone(),
            flaky: texts(&judgement.flaky),
            labels: judgement.labels.iter().map(crate::report::label_name).collect(),
            guards_passed: judgement.guards_passed.clone(),
            runs: judgement.runs.len(),
            patch_hash: hash,
            snapshot: snapshot.commit.0.clone(),
            duration_ms: judgement.duration_ms,
        }
    }

    fn nothing_red(&self, snapshot: &Snapshot, run: &Run) -> Document {
        let judgement = Judgement::unheard(Verdict::StillRed, Vec::new());
        let passed = count(run.counts().0, "test");
        Document {
            verdict: None,
            exit: Exit::NothingRed.code(),
            headline: format!("nothing is red: {passed} passed without the patch, so there is nothing to heal"),
            ..self.document(snapshot, Some(run), &judgement, None)
        }
    }
}

fn screen(document: &Document, style: Style, quiet: bool) -> String {
    let line = one_line(&document.headline, 200);
    let line = if document.exit == 0 { style.good(&line) } else { style.bad(&line) };
    let mut out = format!("{line}\n");
    if !document.tests_changed.is_empty() {
        out.push_str(&format!("  tests changed {}\n", one_line(&document.tests_changed.join(", "), 200)));
    }
    if !document.flaky.is_empty() {
        out.push_str(&format!("  flaky anyway  {}\n", one_line(&document.flaky.join(", "), 200)));
    }
    if quiet {
        return out;
    }
    for reason in document.reasons.iter().take(20) {
        out.push_str(&format!(
            "  {} {}\n",
            style.dim(&format!("{:<24}", one_line(&reason.rule, 40))),
            one_line(&reason.what, 300)
        ));
    }
    let mut row = |name: &str, text: String| out.push_str(&format!("  {} {text}\n", style.dim(&format!("{name:<12}"))));
    if document.verdict.is_some() {
        let (healed, red) = (document.healed.len(), document.red_before.len());
        row("tests", format!("{healed} of {red} red → green, {} with the patch", count(document.runs, "run")));
    }
    if !document.set_aside.is_empty() {
        row("set aside", one_line(&document.set_aside.join(", "), 200));
    }
    if !document.labels.is_empty() {
        row("mind", one_line(&document.labels.join(", "), 200));
    }
    row("guards", format!("{} had nothing to say", document.guards_passed.len()));
    out
}
