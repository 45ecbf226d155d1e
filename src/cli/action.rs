//! `kaizen-ci action`: what the GitHub Action calls: heal what an event is about, and deliver what came of it.

use std::io::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::heal::{self, Heal};
use crate::cli::options::Suites;
use crate::error::{Context as _, Error, Exit, Result};
use crate::github::allow::Role;
use crate::github::body::{self, Around};
use crate::github::client::{Client, Place, Token};
use crate::github::deliver::{self, Deliver, Delivered, Parcel, Scene};
use crate::github::event::{self, Trigger};
use crate::github::names::{self, Slug};
use crate::github::pace::Pace;
use crate::mask::Mask;
use crate::process::environment;
use crate::report::{Document, Outcome};

/// Options of `action`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action run                    in a job of GitHub Actions, after the tests failed\n  kaizen-ci action run --deliver report   change nothing, only say what was found"
)]
pub struct Action {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Heal what the event of this job is about, and deliver what came of it
    Run(Run),
}

/// Options of `action run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  kaizen-ci action run\n  kaizen-ci action run --cmd 'pytest -q' --deliver push")]
pub struct Run {
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// How a heal is handed over
    #[arg(long, value_enum, default_value = "pr")]
    pub deliver: Deliver,
    /// Make pull requests that are ready for review, not drafts
    #[arg(long)]
    pub ready: bool,
    /// Wall time for the heal (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<String>,
}

/// Does it.
///
/// # Errors
/// When this is no job of GitHub Actions, or GitHub refuses.
pub fn run(context: &Context, args: &Action) -> Result<Exit> {
    match &args.command {
        Command::Run(args) => heal_event(context, args),
    }
}

/// What the runner says about this job.
struct Job {
    event: String,
    payload: serde_json::Value,
    client: Client,
    run_url: Option<String>,
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::usage(format!("{name} is not set"))
            .hint("`kaizen-ci action` is for jobs of GitHub Actions; here: kaizen-ci heal")
    })
}

impl Job {
    fn here() -> Result<Self> {
        let event = variable("GITHUB_EVENT_NAME")?;
        let path = variable("GITHUB_EVENT_PATH")?;
        let text = std::fs::read_to_string(&path).context(|| format!("can't read the event at {path}"))?;
        let payload = serde_json::from_str(&text).context(|| format!("the event at {path} is not JSON"))?;
        let slug = Slug::parse(&variable("GITHUB_REPOSITORY")?).map_err(|e| Error::usage(e.to_string()))?;
        let or = |name: &str, default: &str| variable(name).unwrap_or_else(|_| default.to_owned());
        let server = or("GITHUB_SERVER_URL", "https://github.com");
        let place = Place { api: or("GITHUB_API_URL", "https://api.github.com"), server: server.clone() };
        let token =
            variable("GITHUB_TOKEN").map_err(|e| e.hint("pass `github-token: ${{ github.token }}` to the Action"))?;
        let run_url = variable("GITHUB_RUN_ID").ok().filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
        let run_url = run_url.map(|id| format!("{server}/{slug}/actions/runs/{id}"));
        let client = Client::new(place, slug, Token::new(token), Pace::default())?;
        Ok(Self { event, payload, client, run_url })
    }
}

fn heal_event(context: &Context, args: &Run) -> Result<Exit> {
    let job = Job::here()?;
    let trigger = match event::understand(&job.event, &job.payload) {
        Ok(trigger) => trigger,
        Err(refused) => {
            context.terminal.out(&format!("nothing to do: {refused}\n"));
            output("outcome", "nothing_to_do")?;
            return Ok(Exit::Ok);
        }
    };
    let repository = context.repository()?;
    let here = repository.head.as_ref().map(|sha| sha.0.clone()).unwrap_or_default();
    let Some(scene) = scene(context, &job, &trigger, &here)? else { return Ok(Exit::Ok) };
    if scene.head != here {
        return Err(Error::usage(format!("the event is about {}, and {here} is checked out", scene.head)).hint(
            "actions/checkout with `ref: ${{ github.event.pull_request.head.sha || github.sha }}` and `fetch-depth: 0`",
        ));
    }
    let asked = Heal {
        suites: args.suites.clone(),
        base: None,
        fixers: None,
        models: None,
        free: false,
        max_tier: None,
        time_limit: args.time_limit.clone(),
        repeat: None,
        seed: None,
        allow_test_changes: false,
        explain: false,
        force: false,
        apply: false,
        dry_run: true,
        json: false,
        quiet: true,
    };
    let loaded = context.config(&repository, &asked.overrides())?;
    // What tests print is shown too: until this word comes again, the runner takes nothing for a command.
    let word = random_word()?;
    context.terminal.out(&format!("::stop-commands::{word}\n"));
    let healed = heal::document_in(context, &repository, &loaded, &asked, "action");
    context.terminal.out(&format!("\n::{word}::\n"));
    let (exit, document) = healed?;
    let mask = Mask::new(environment::secrets(std::env::vars_os()));
    summarise(context, &document, &mask)?;
    let delivered = deliver_it(context, &job, args, &scene, &document, &repository.root, &mask)?;
    tell(context, &delivered, &document)?;
    Ok(match exit {
        // Delivered is what was asked for; the job that failed stays red without us.
        Exit::NotApplied | Exit::Escalated | Exit::BrokenOnBase => Exit::Ok,
        exit => exit,
    })
}

/// Where the trigger points; none when it is nothing for us, which was said.
fn scene(context: &Context, job: &Job, trigger: &Trigger, here: &str) -> Result<Option<Scene>> {
    let nothing = |why: &str| {
        context.terminal.out(&format!("nothing to do: {why}\n"));
        output("outcome", "nothing_to_do").map(|()| None)
    };
    Ok(Some(match trigger {
        Trigger::Push { branch, head, .. } => {
            Scene { head: head.clone(), branch: branch.clone(), pull: None, fork: false }
        }
        Trigger::PullRequest(pull) if pull.fork && job.client.token.text() != "" => {
            return nothing("this pull request comes from a fork; its code is not run where a token is");
        }
        Trigger::PullRequest(pull) => {
            Scene { head: pull.head.clone(), branch: pull.branch.clone(), pull: Some(pull.number), fork: pull.fork }
        }
        Trigger::WorkflowRun { fork: true, .. } => {
            return nothing("that workflow ran on a fork; its code is not run where a token is");
        }
        Trigger::WorkflowRun { head, branch, pulls, actor, .. } => {
            let client = &job.client;
            let role = context.wait(|_| async move { Ok(client.role(actor).await) })?;
            if role < Some(Role::Write) {
                return nothing("who started that workflow may not push here");
            }
            Scene { head: head.clone(), branch: branch.clone(), pull: pulls.first().copied(), fork: false }
        }
        Trigger::Dispatch { branch } => {
            Scene { head: here.to_owned(), branch: branch.clone(), pull: None, fork: false }
        }
        Trigger::Schedule => {
            let client = &job.client;
            let branch = context.wait(|_| async move { Ok(client.default_branch().await?) })?;
            Scene { head: here.to_owned(), branch, pull: None, fork: false }
        }
        Trigger::Comment(_) => return nothing("a comment is not a reason to run tests by itself"),
    }))
}

fn deliver_it(
    context: &Context,
    job: &Job,
    args: &Run,
    scene: &Scene,
    document: &Document,
    root: &Path,
    mask: &Mask,
) -> Result<Delivered> {
    let Some(failure) = &document.failure else { return Ok(Delivered::Nothing) };
    if matches!(document.outcome, Outcome::Flaky | Outcome::LeftAlone | Outcome::Interrupted) {
        return Ok(Delivered::Nothing);
    }
    let fingerprint = names::fingerprint(&failure.fingerprint).map_err(|e| Error::internal(e.to_string()))?;
    let read = |path: &str| std::fs::read(root.join(path)).context(|| format!("can't read {path}"));
    let patch = document.heal.as_ref().map(|heal| read(&heal.patch)).transpose()?;
    let receipt = document.heal.as_ref().and_then(|heal| std::fs::read_to_string(root.join(&heal.receipt)).ok());
    let around = Around { fingerprint, run_url: job.run_url.clone(), receipt, needs_approval: true };
    let parcel = Parcel { document, patch: patch.as_deref(), around, draft: !args.ready };
    let client = &job.client;
    context.wait(|_| async move { deliver::deliver(client, args.deliver, scene, &parcel, mask).await })
}

fn summarise(context: &Context, document: &Document, mask: &Mask) -> Result<()> {
    if let Ok(path) = variable("GITHUB_STEP_SUMMARY") {
        append(&path, &body::summary(document, mask))?;
    }
    for line in body::annotations(document) {
        context.terminal.out(&format!("{}\n", mask.cover(&line)));
    }
    Ok(())
}

fn tell(context: &Context, delivered: &Delivered, document: &Document) -> Result<()> {
    let outcome = serde_json::to_value(document.outcome).ok();
    output("outcome", outcome.as_ref().and_then(|v| v.as_str()).unwrap_or("error"))?;
    output("tier", &document.heal.as_ref().map(|heal| heal.tier.to_string()).unwrap_or_default())?;
    output("report", document.report.as_deref().unwrap_or_default())?;
    output("receipt", document.heal.as_ref().map(|heal| heal.receipt.as_str()).unwrap_or_default())?;
    let said = match delivered {
        Delivered::Pull(found) => {
            output("pull-request", &found.url)?;
            format!("pull request {}", found.url)
        }
        Delivered::Commit(sha) => format!("pushed {sha}"),
        Delivered::Issue(found) => {
            output("issue", &found.url)?;
            format!("issue {}", found.url)
        }
        Delivered::Comment { pull } => format!("a comment under #{pull}"),
        Delivered::Branch { branch, issue } => {
            output("issue", &issue.url)?;
            format!("branch {branch}, and issue {}", issue.url)
        }
        Delivered::Nothing => "nothing to deliver".into(),
    };
    context.terminal.out(&format!("{}\n", crate::github::clean::log_line(&said)));
    Ok(())
}

/// Sets an output of the step. The end word is random: no value can end itself early and set another output.
fn output(name: &str, value: &str) -> Result<()> {
    let Ok(path) = variable("GITHUB_OUTPUT") else { return Ok(()) };
    let word = random_word()?;
    append(&path, &format!("{name}<<{word}\n{value}\n{word}\n"))
}

fn append(path: &str, text: &str) -> Result<()> {
    let write = || std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes());
    write().context(|| format!("can't write {path}"))
}

fn random_word() -> Result<String> {
    let mut bytes = [0u8; 16];
    let mut read = || std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes);
    read().context(|| "can't read random bytes".into())?;
    Ok(format!("kaizen-{}", hex::encode(bytes)))
}
