//! `kaizen-ci diagnose`: is a run stuck, on what, and what would help? By rules, and on demand by a model that is told what
//! happened and never what a text says.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::loops::{self, Diagnosers};
use crate::console::stalls;
use crate::error::{Context as _, Error, Exit, Result};
use crate::state;
use crate::supervise::{self, Advice, Asks as _, Finding, Step, Tier, read};
use crate::trajectory::log::{self, Reading};
use crate::trajectory::{Event, LoopEvent, Recorder};

/// Options of `diagnose`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci diagnose                       the latest run\n  kaizen-ci diagnose 20261122 --json       any run, by the beginning of its name\n  kaizen-ci diagnose ci/events.jsonl       the events of a run of another machine\n  kaizen-ci diagnose ci/                   every log in a folder\n  kaizen-ci diagnose --ask free            a model's opinion beside that of the rules"
)]
pub struct Diagnose {
    /// The run: its name, the beginning of it, `latest`, the path of an events.jsonl, or a folder with some
    #[arg(default_value = state::LATEST)]
    pub run: String,
    /// Ask a model too: `free`, or `paid` when the log shows that a free one's suggestion was tried and did not help
    #[arg(long, value_enum, value_name = "TIER")]
    pub ask: Option<AskTier>,
    /// Language models that may be asked, separated by commas: local, free, paid, provider/model
    #[arg(long, value_name = "A,B", requires = "ask")]
    pub models: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AskTier {
    /// A model that costs nothing.
    Free,
    /// A model with a price.
    Paid,
}

/// What `--json` prints.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Document {
    /// `kaizen-ci/diagnose/v1`.
    schema: String,
    /// The run's name, or the path that was given.
    run: String,
    /// Lines of the log that could be read.
    events: usize,
    /// Lines that could not.
    damaged: usize,
    /// What the rules see.
    #[serde(flatten)]
    finding: Finding,
    /// What a model says, when one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    opinion: Option<Advice>,
}

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Diagnoses it.
///
/// # Errors
/// When there is no such run, file or folder, or it holds no event.
pub fn run(context: &Context, args: &Diagnose) -> Result<Exit> {
    let folder = context.dir.join(&args.run);
    if !folder.is_dir() {
        let (name, path) = place(context, &args.run)?;
        return one(context, args, name, &path, true);
    }
    let logs = logs(&folder)?;
    if logs.is_empty() {
        return Err(Error::usage(format!("there is no log of kaizen-ci in {}", folder.display()))
            .hint("a folder with events.jsonl, other *.jsonl, or run folders"));
    }
    let alone = logs.len() == 1;
    for inside in logs {
        let name = Path::new(&args.run).join(&inside).to_string_lossy().into_owned();
        one(context, args, name, &folder.join(inside), alone)?;
    }
    Ok(Exit::Ok)
}

/// Logs in `folder`: its own, or else those of run folders in it.
fn logs(folder: &Path) -> Result<Vec<PathBuf>> {
    const LOG: &str = "events.jsonl";
    if folder.join(LOG).is_file() {
        return Ok(vec![PathBuf::from(LOG)]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).context(|| format!("can't read {}", folder.display()))? {
        let name = PathBuf::from(entry.context(|| format!("can't read {}", folder.display()))?.file_name());
        if folder.join(&name).join(LOG).is_file() {
            found.push(name.join(LOG));
        } else if name.extension().is_some_and(|end| end == "jsonl") && folder.join(&name).is_file() {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// The log at `path`; of several each prints one line of JSON.
fn one(context: &Context, args: &Diagnose, name: String, path: &Path, alone: bool) -> Result<Exit> {
    let reading = log::read(path)?;
    if reading.lines.is_empty() {
        return Err(Error::usage(format!("{} holds no event of kaizen-ci", path.display()))
            .why(format!("{} lines could not be read", reading.damaged))
            .hint("give the events.jsonl of a run: kaizen-ci show --events > events.jsonl"));
    }
    let steps = read::steps(&reading);
    let finding = supervise::look(&steps);
    let opinion = match (args.ask, &finding.diagnosis) {
        (Some(tier), Some(_)) => Some(opinion(context, args, tier, &reading, &steps, &finding)?),
        (Some(_), None) | (None, _) => None,
    };
    let terminal = &context.terminal;
    if args.json {
        let document = Document {
            schema: "kaizen-ci/diagnose/v1".into(),
            run: name,
            events: reading.lines.len(),
            damaged: reading.damaged,
            finding,
            opinion,
        };
        let text = if alone { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
        terminal.out(&format!("{}\n", text.context(|| "can't write the document".into())?));
        return Ok(Exit::Ok);
    }
    terminal.out(&stalls::render(&finding, &name, terminal.out_style()));
    if let Some(opinion) = &opinion {
        terminal.out(&stalls::opinion(opinion, terminal.out_style()));
    }
    if reading.damaged > 0 {
        terminal.err(&format!("note: {} lines of the log can't be read\n", reading.damaged));
    }
    Ok(Exit::Ok)
}

/// What a model of `tier` says of the first stall.
fn opinion(
    context: &Context,
    args: &Diagnose,
    tier: AskTier,
    reading: &Reading,
    steps: &[Step],
    finding: &Finding,
) -> Result<Advice> {
    let tier = match tier {
        AskTier::Free => Tier::Free,
        AskTier::Paid => Tier::Paid,
    };
    if tier == Tier::Paid && !free_was_tried(reading) {
        return Err(Error::usage("a paid model is asked when a free one's suggestion was tried and did not help")
            .why("the log shows no such try")
            .hint("kaizen-ci diagnose --ask free"));
    }
    let repository = context.repository()?;
    let config = context.config(&repository, &loops::overrides(args.models.as_ref(), false))?.config;
    let models = loops::models_of(&config, &repository)?;
    let (fingerprint, by_rules) = match (finding.stalls.first(), &finding.diagnosis) {
        (stall, Some(diagnosis)) => (stall.map(|s| s.fingerprint.clone()).unwrap_or_default(), diagnosis),
        (_, None) => return Err(Error::internal("nothing is stuck, and somebody was asked about it")),
    };
    let prompt = supervise::opinion::prompt(steps, by_rules);
    let cannot = |why: String| {
        Error::environment("no model's opinion could be had").why(why).hint("kaizen-ci models lists who can be asked")
    };
    let reply = context.wait(|cancel| async move {
        let recorder = Recorder::forgetful();
        let live = loops::live(&models, &recorder, &cancel);
        let diagnosers = Diagnosers { turns: &live, models: &models };
        diagnosers.ask(tier, &prompt).await.map_err(cannot)
    })?;
    let diagnosis = supervise::opinion::read(&reply, steps).map_err(cannot)?;
    Ok(Advice { fingerprint, tier, diagnosis })
}

/// Does the log show that a free model's change was made, and that it did not resolve anything?
fn free_was_tried(reading: &Reading) -> bool {
    let of_free = |tier: &str| tier == Tier::Free.name();
    let tried = reading.entries().any(
        |entry| matches!(&entry.event, Event::Loop(LoopEvent::Tried { tier, applied: true, .. }) if of_free(tier)),
    );
    let resolved = reading
        .entries()
        .any(|entry| matches!(&entry.event, Event::Loop(LoopEvent::Resolved { tier, .. }) if of_free(tier)));
    tried && !resolved
}

/// A file when there is one with this name; else a run of this repository.
fn place(context: &Context, run: &str) -> Result<(String, PathBuf)> {
    let path = context.dir.join(run);
    if path.is_file() {
        return Ok((run.to_owned(), path));
    }
    if Path::new(run).components().count() > 1 || run.ends_with(".jsonl") {
        return Err(Error::usage(format!("there is no file {}", path.display())).hint("kaizen-ci runs"));
    }
    let info = state::find(&context.repository()?.state_dir()?, run)?;
    Ok((info.id.clone(), info.events()))
}
