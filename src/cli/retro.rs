//! `kaizen-ci retro`: what comes back, and changes of `.kaizen.yml` that replaying the recorded runs shows to help.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::stats;
use crate::config::{self, FILE};
use crate::console::diff;
use crate::error::{Context as _, Error, Exit, Result};
use crate::fixer::registry;
use crate::learn::patterns::{self, CLEAN_ENOUGH, Heal, Pattern};
use crate::learn::retro::{self, Now, Proposal};
use crate::report::escape::one_line;
use crate::report::prd::diff as unified;

/// Options of `retro`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci retro                 what comes back, and what would help, as a diff of .kaizen.yml\n  kaizen-ci retro --apply\n  kaizen-ci retro --rollback\n\nA proposal is accepted only when replaying recorded runs shows that it helps and no class of failures gets worse."
)]
pub struct Retro {
    /// Only runs that began at most so long ago (30d, 12h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Write the accepted proposals to .kaizen.yml
    #[arg(long)]
    pub apply: bool,
    /// Take back what --apply wrote last
    #[arg(long, conflicts_with_all = ["apply", "since"])]
    pub rollback: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Document {
    /// `kaizen-ci/retro/v1`.
    schema: String,
    /// Runs of `heal` that were read.
    runs: usize,
    /// Failures that came back.
    patterns: Vec<Pattern>,
    /// Changes, each with what replaying it says.
    proposals: Vec<Proposal>,
    /// The accepted ones as a diff of `.kaizen.yml`.
    diff: String,
    /// They were written.
    applied: bool,
}

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// What was written last, for `--rollback`.
#[derive(Debug, Serialize, Deserialize)]
struct Undo {
    /// The file as it was; none: it was not there.
    before: Option<String>,
    /// As it was written.
    after: String,
}

/// Looks back.
///
/// # Errors
/// When we are in no repository, or the file can't be read or written.
pub fn run(context: &Context, args: &Retro) -> Result<Exit> {
    let repository = context.repository()?;
    let (file, undo) = (repository.root.join(FILE), repository.state_dir()?.join("retro.json"));
    if args.rollback {
        return rollback(context, &file, &undo);
    }
    let told = stats::told(context, args.since.as_deref())?;
    let heals: Vec<Heal> = told.iter().filter_map(patterns::heal).collect();
    let found = patterns::patterns(&heals);
    let config = context.config(&repository, &[])?.config;
    let names = if config.fixers.is_empty() {
        registry::all().iter().map(|fixer| fixer.name().to_owned()).collect()
    } else {
        config.fixers.clone()
    };
    let now = Now {
        fixers: names,
        limit_ms: u64::try_from(config.time_limit.as_millis()).unwrap_or(u64::MAX),
        requests: config.budget_requests,
        reruns: u64::from(config.reruns),
    };
    let mut proposals = retro::propose(&heals, &now);
    let before = read(&file)?;
    let mut after = before.clone().unwrap_or_default();
    for proposal in proposals.iter_mut().filter(|p| p.accepted) {
        match retro::edited(&after, &proposal.change) {
            Some(text) => after = text,
            None => proposal.why.push_str("; how the file says it now is not understood: write it by hand"),
        }
    }
    let change = unified(FILE, before.as_deref().unwrap_or_default(), &after);
    let applies = args.apply && !change.is_empty();
    if applies {
        apply(&file, &undo, before, &after)?;
    }
    if args.json {
        let document = Document {
            schema: "kaizen-ci/retro/v1".into(),
            runs: heals.len(),
            patterns: found,
            proposals,
            diff: change,
            applied: applies,
        };
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        context.terminal.out(&format!("{text}\n"));
    } else {
        show(context, &heals, &found, &proposals, &change, applies);
    }
    Ok(Exit::Ok)
}

fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).context(|| format!("can't read {}", file.display())),
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).context(|| format!("can't write {}", file.display()))
}

/// Writes the file, when it still says what a configuration may say, and remembers how it was.
fn apply(file: &Path, undo: &Path, before: Option<String>, after: &str) -> Result<()> {
    config::layered(Some(after), &[], &[])?;
    let kept = serde_json::to_string(&Undo { before, after: after.to_owned() })
        .context(|| "can't remember the file".into())?;
    write(undo, &kept)?;
    write(file, after)
}

fn rollback(context: &Context, file: &Path, undo: &PathBuf) -> Result<Exit> {
    let nothing = || Error::usage("nothing was applied that could be taken back").hint("kaizen-ci retro --apply");
    let kept = read(undo)?.ok_or_else(nothing)?;
    let kept: Undo = serde_json::from_str(&kept).context(|| format!("can't read {}", undo.display()))?;
    if read(file)?.as_deref() != Some(kept.after.as_str()) {
        return Err(Error::usage(format!("{FILE} was changed since it was written"))
            .why("taking it back would undo that too")
            .hint(format!("git diff {FILE}; edit it by hand")));
    }
    match &kept.before {
        Some(text) => write(file, text)?,
        None => std::fs::remove_file(file).context(|| format!("can't remove {}", file.display()))?,
    }
    std::fs::remove_file(undo).context(|| format!("can't remove {}", undo.display()))?;
    context.terminal.out(&format!("{FILE} is as it was before\n"));
    Ok(Exit::Ok)
}

fn show(context: &Context, heals: &[Heal], found: &[Pattern], proposals: &[Proposal], change: &str, applied: bool) {
    let (terminal, style) = (&context.terminal, context.terminal.out_style());
    terminal.out(&format!("{} runs of heal, {} failures that came back\n", heals.len(), found.len()));
    for pattern in found.iter().take(20) {
        let state = if pattern.closed {
            style.green("closed")
        } else {
            style.yellow(&format!("open, {} of {CLEAN_ENOUGH} clean", pattern.clean))
        };
        let by: Vec<String> = pattern.healed_by.iter().map(|(name, n)| format!("{} {n}", one_line(name, 40))).collect();
        let by = if by.is_empty() { "nobody healed it".into() } else { format!("healed by {}", by.join(", ")) };
        let (print, class) = (one_line(&pattern.fingerprint, 20), one_line(&pattern.class, 20));
        terminal.out(&format!("  {print}  {class:<12} {} times, {by}; {state}\n", pattern.times));
    }
    for proposal in proposals {
        let mark = if proposal.accepted { style.green("✓") } else { style.red("✗") };
        let (key, value) = (proposal.change.key(), one_line(&proposal.change.value(), 120));
        terminal.out(&format!("  {mark} {key}: {value}\n      {}\n      {}\n", proposal.change.words(), proposal.why));
    }
    if proposals.is_empty() {
        terminal.out("  nothing to propose\n");
    }
    if !change.is_empty() {
        terminal.out(&diff::render(change, style, 60));
        let then = if applied {
            "written; kaizen-ci retro --rollback takes it back"
        } else {
            "kaizen-ci retro --apply writes it"
        };
        terminal.out(&format!("  {then}\n"));
    }
}
