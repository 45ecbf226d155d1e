//! `kaizen-ci heal`: find out why the tests are red, race fixers, let the judge decide, show what came of it.

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::choice;
use crate::cli::context::Context;
use crate::cli::loops::{self, Diagnosers};
use crate::cli::models;
use crate::cli::options::{self, Suites};
use crate::cli::session::Session;
use crate::config::units::show_duration;
use crate::config::{Loaded, Override};
use crate::console::{Progress, ending, prompt};
use crate::error::{Context as _, Exit, Kind, Result};
use crate::fixer::{command, registry};
use crate::heal::{self, Ending, Outcome, Request};
use crate::model::Models;
use crate::repo::{Repository, Store};
use crate::report::{Document, asked};
use crate::state::Memory;
use crate::supervise::Oversight;
use crate::trajectory::Event;
use crate::turns::Past;

/// Options of `heal`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Heal {
    /// Fixers that race (default: all)
    #[arg(value_name = "FIXER", conflicts_with = "fixers", help_heading = options::HOW)]
    pub words: Vec<String>,
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// The branch that your change is compared with
    #[arg(long, value_name = "BRANCH", help_heading = options::WHAT)]
    pub base: Option<String>,

    /// The same, separated by commas
    #[arg(long, value_name = "A,B", help_heading = options::HOW)]
    pub fixers: Option<String>,
    /// Language models that may be asked, separated by commas: local, free, paid, provider/model, off
    #[arg(long, value_name = "A,B", help_heading = options::HOW)]
    pub models: Option<String>,
    /// Only models that cost nothing, enforced where requests leave the process
    #[arg(long, help_heading = options::HOW)]
    pub free: bool,
    /// How far to go: 1 fixers, 2 also revert the culprit, 3 also a report for a person
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub max_tier: Option<String>,
    /// Wall time for everything (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME", help_heading = options::HOW)]
    pub time_limit: Option<String>,
    /// How often the judge runs the whole suite with a patch
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub repeat: Option<String>,
    /// Seed for everything random, to repeat a run
    #[arg(long, value_name = "N", help_heading = options::HOW)]
    pub seed: Option<u64>,
    /// Let patches change tests (the report says so in its first line)
    #[arg(long, help_heading = options::HOW)]
    pub allow_test_changes: bool,
    /// Go on although the failure is flaky, environmental, or did not heal a short time ago
    #[arg(long, help_heading = options::HOW)]
    pub force: bool,

    /// Apply a verified heal to the working tree without asking
    #[arg(long, conflicts_with = "dry_run", help_heading = options::THEN)]
    pub apply: bool,
    /// Never touch the working tree and don't ask: only write the patch and the report
    #[arg(long, help_heading = options::THEN)]
    pub dry_run: bool,

    /// Say for every question to a model who was asked, why, and why not the others
    #[arg(long, help_heading = options::OUTPUT)]
    pub explain: bool,
    /// Print one JSON document (`kaizen-ci schema heal`) and nothing else to standard output
    #[arg(long, help_heading = options::OUTPUT)]
    pub json: bool,
    /// Print only the result
    #[arg(long, short, help_heading = options::OUTPUT)]
    pub quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  kaizen-ci heal                          find the test command, heal, show the diff, ask
  kaizen-ci heal --cmd 'pytest -q tests'  with this command
  kaizen-ci heal undo mutate              only these fixers
  kaizen-ci heal --suite api --apply      one suite of several; apply a verified heal
  kaizen-ci heal --json --dry-run         for a script: exit code 10 means that a heal exists

Your working tree, index, branches, stash and hooks are not touched unless you say yes (or --apply).";

impl Heal {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut out = self.suites.overrides();
        let texts = [
            ("base", &self.base),
            ("fixers", &self.fixers),
            ("models", &self.models),
            ("max_tier", &self.max_tier),
            ("time_limit", &self.time_limit),
            ("repeat", &self.repeat),
        ];
        for (key, text) in texts {
            out.extend(text.iter().map(|text| Override { key, text: text.clone() }));
        }
        if !self.words.is_empty() {
            out.push(Override { key: "fixers", text: self.words.join(",") });
        }
        out.extend(options::flag("free", self.free));
        out.extend(options::flag("allow_test_changes", self.allow_test_changes));
        out
    }
}

/// Heals, shows, asks, applies.
///
/// # Errors
/// When the repository, the configuration or the machine is not as needed; everything about the tests is an exit code.
pub fn run(context: &Context, args: &Heal) -> Result<Exit> {
    let repository = context.repository()?;
    let loaded = context.config(&repository, &args.overrides())?;
    run_in(context, &repository, &loaded, args, "heal")
}

/// The same in a repository that is known, for `demo` and the hook.
///
/// # Errors
/// As [`run`].
pub fn run_in(context: &Context, repository: &Repository, loaded: &Loaded, args: &Heal, command: &str) -> Result<Exit> {
    document_in(context, repository, loaded, args, command).map(|(exit, _)| exit)
}

/// What a heal in a job of GitHub Actions is called in its log.
pub const IN_ACTIONS: &str = "action";

/// The same, with the document of the run, for the Action.
///
/// # Errors
/// As [`run`].
pub fn document_in(
    context: &Context,
    repository: &Repository,
    loaded: &Loaded,
    args: &Heal,
    command: &str,
) -> Result<(Exit, Document)> {
    let seed = args.seed.unwrap_or_else(fresh_seed);
    // A base that does not exist is told before minutes are spent.
    let base = repository.base_branch(loaded.config.base.as_deref())?;
    let fixers = registry::by_names(&loaded.config.fixers)?;
    registry::check_tuned(loaded.config.strategies.keys())?;
    command::check(&loaded.config.agents)?;
    let (suite, others) = choice::pick(repository, &loaded.config, args.suites.suite.as_deref())?;
    let carry = choice::carried(repository, &loaded.config)?.carry;
    let progress = Progress::choose(&context.terminal, args.quiet, args.json);
    let session = Session::begin(context, repository, command, seed, progress)?;
    let mut asked = models::settings(&loaded.config)?;
    asked.cache = Some(models::cache_place(&session.state_dir));
    let request = Request {
        repository: repository.clone(),
        suite,
        others,
        fixers,
        config: loaded.config.clone(),
        // on GitHub somebody else than who starts us wrote the tree: as `.kaizen.yml`, the house rules are the base's
        rules_of: base.filter(|_| command == IN_ACTIONS).map(|(_, commit)| commit),
        seed,
        force: args.force,
        carry,
        folder: session.run.path.clone(),
        temp: session.run.temp.clone(),
        memory: Memory::open(&session.state_dir),
        models: Models::new(asked),
    };
    let work = Work { context, args, session: &session, request: &request };
    let result = context.wait(|cancel| async move { work.to_the_end(&cancel).await });
    if let Err(error) = &result {
        session.failed(context, error);
    }
    result
}

/// A seed that differs from run to run; it is in the log, so that a run can be repeated.
fn fresh_seed() -> u64 {
    let now = jiff::Timestamp::now().as_nanosecond();
    u64::try_from(now.rem_euclid(1_000_000_007)).unwrap_or(0)
}

struct Work<'a> {
    context: &'a Context,
    args: &'a Heal,
    session: &'a Session,
    request: &'a Request,
}

impl Work<'_> {
    /// The loop, with the supervisor above it.
    async fn heal(&self, cancel: &CancellationToken) -> Result<Outcome> {
        let (recorder, kept) = (&self.session.recorder, self.session.kept());
        let steps = || loops::steps(kept.entries());
        let live = loops::live(&self.request.models, recorder, cancel);
        let past = Past::new(&live, recorder.clone());
        let diagnosers = Diagnosers { turns: &past, models: &self.request.models };
        let oversight = Oversight { steps: &steps, asks: Some(&diagnosers) };
        heal::heal(self.request, recorder, cancel, Some(&oversight)).await
    }

    async fn to_the_end(&self, cancel: &CancellationToken) -> Result<(Exit, Document)> {
        let exit = match self.heal(cancel).await {
            Ok(outcome) => self.exit_of(&outcome, cancel).await?,
            // What was learned until now is worth showing.
            Err(error) if error.kind() == Kind::Interrupted => Exit::Interrupted,
            Err(error) => return Err(error),
        };
        let document = self.session.end(exit);
        // Tier 3 is the report for a person: without it nobody wants one about what did not heal.
        if document.heal.is_some() || document.failure.is_none() || self.request.config.max_tier >= 3 {
            self.session.write_reports(self.context, &document);
        }
        self.show(&document)?;
        Ok((exit, document))
    }

    async fn exit_of(&self, outcome: &Outcome, cancel: &CancellationToken) -> Result<Exit> {
        Ok(match &outcome.ending {
            Ending::Green => Exit::Ok,
            Ending::Flaky => Exit::Flaky,
            Ending::Environment => Exit::SuiteEnvironment,
            Ending::LeftAlone { wait_s, report } => {
                let wait = show_duration(std::time::Duration::from_secs(*wait_s));
                let report = report.as_ref().map(|path| format!("; its report: {path}")).unwrap_or_default();
                let text = format!("left alone for another {wait}{report}");
                self.session.recorder.record(Event::Note { text });
                Exit::LeftAlone
            }
            Ending::Escalated { broken_on_base: true } => Exit::BrokenOnBase,
            Ending::Escalated { broken_on_base: false } => Exit::Escalated,
            Ending::Healed(heal) if heal.winner.candidate.disagreement.is_some() => Exit::Ambiguous,
            Ending::Healed(heal) => {
                if self.wanted(cancel).await && self.unmoved(outcome)? {
                    let files = heal::apply::apply(&self.request.repository, &heal.winner.patch)?;
                    self.session.recorder.record(Event::Applied { files });
                    Exit::Ok
                } else {
                    Exit::NotApplied
                }
            }
        })
    }

    /// Is the patch to be applied?
    async fn wanted(&self, cancel: &CancellationToken) -> bool {
        if self.args.apply || self.args.dry_run || self.args.json || !self.context.terminal.can_ask {
            return self.args.apply;
        }
        self.session.progress.finish();
        let document = self.session.document();
        let show = self.how(false);
        self.context.terminal.out(&ending::render(&document, show));
        prompt::apply(&self.context.terminal, &document, cancel).await
    }

    /// What was verified is the snapshot with the patch: a tree that was edited meanwhile is another one.
    fn unmoved(&self, outcome: &Outcome) -> Result<bool> {
        let temp = self.request.temp.join("unmoved");
        std::fs::create_dir_all(&temp).context(|| format!("can't make {}", temp.display()))?;
        let now = Store::create(&self.request.repository, &temp)?.snapshot()?;
        let same = now.tree == outcome.snapshot.tree;
        if !same {
            let text =
                "not applied: your tree was changed while the tests ran, and the patch was verified without that";
            self.session.recorder.record(Event::Note { text: text.into() });
        }
        Ok(same)
    }

    fn how(&self, say_apply: bool) -> ending::Show {
        ending::Show { style: self.context.terminal.out_style(), quiet: self.args.quiet, say_apply }
    }

    fn show(&self, document: &Document) -> Result<()> {
        self.session.progress.finish();
        let terminal = &self.context.terminal;
        if self.args.json {
            let text = serde_json::to_string_pretty(document).context(|| "can't write the document".into())?;
            terminal.out(&format!("{text}\n"));
            return Ok(());
        }
        let asked = terminal.can_ask && !self.args.apply && !self.args.dry_run && document.heal.is_some();
        match document.heal.as_ref().filter(|_| asked) {
            // The screen with the diff is there already: only the last word is missing.
            Some(heal) => terminal.out(&ending::last_word(heal, &document.notes, terminal.out_style())),
            None => terminal.out(&ending::render(document, self.how(true))),
        }
        if self.args.explain {
            terminal.out(&asked::explained(document));
        }
        if self.context.verbose {
            terminal.out(&format!("  run          {}\n", self.session.run.path.display()));
        }
        Ok(())
    }
}
