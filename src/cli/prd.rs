//! `kaizen-ci prd`: is a requirements document clear, complete and testable?

use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::loops;
use crate::cli::options::{HOW, OUTPUT, THEN};
use crate::cli::{prd_baseline, prd_lint, prd_review};
use crate::config::Override;
use crate::error::{Error, Exit, Result};
use crate::prd::Lint;
use crate::prd::gate::Passed;
use crate::report::prd::Review;
use crate::trajectory::{Event, Loop, LoopEvent};

/// Larger documents are no PRDs.
pub(super) const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Options of `prd`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci prd docs/prd.md                  review it, rewrite what fails, show the diff\n  kaizen-ci prd docs/prd.md --write\n  kaizen-ci prd --resume latest\n  kaizen-ci prd docs/prd.md --lint-only\n  kaizen-ci prd docs --lint-only --sarif > prd.sarif     every document below docs\n  kaizen-ci prd docs/prd.md --lint-only --json --baseline last.json > now.json\n  kaizen-ci prd --rules                      what the lint looks for, and how to switch a rule off\n\nExit code 0: the document passes; 60: it has an error, or a score below the threshold."
)]
pub struct Prd {
    /// The document, in Markdown; with --lint-only also a folder, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Further documents or folders, with --lint-only
    #[arg(value_name = "MORE")]
    pub more: Vec<PathBuf>,
    /// Rules alone, no model
    #[arg(long, conflicts_with_all = ["write", "resume", "writer"], help_heading = HOW)]
    pub lint_only: bool,
    /// From here on a score passes, 0 to 1
    #[arg(long, value_name = "SCORE", default_value = "0.8", help_heading = HOW)]
    pub threshold: f64,
    /// Rounds of rewriting, at most; models that cost nothing get up to as many more while it gets better, and each change that
    /// the supervisor makes of a run that gets nowhere gets one (three at most)
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(0..=20), help_heading = HOW)]
    pub rounds: u32,
    /// Tokens, at most, prompts included
    #[arg(long, value_name = "N", default_value = "300000", help_heading = HOW)]
    pub tokens: u64,
    /// The model that writes (default: the strongest one that costs nothing)
    #[arg(long, value_name = "MODEL", help_heading = HOW)]
    pub writer: Option<String>,
    /// Wall time for everything (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "1h", help_heading = HOW)]
    pub time_limit: String,
    /// Language models that may be asked, separated by commas: local, free, paid, provider/model
    #[arg(long, value_name = "A,B", help_heading = HOW)]
    pub models: Option<String>,
    /// Only models that cost nothing
    #[arg(long, help_heading = HOW)]
    pub free: bool,
    /// Go on with a run that was stopped, as far as it was to go; no turn that it paid for is paid for again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "baseline", "threshold", "rounds", "tokens", "writer", "time_limit"], help_heading = HOW)]
    pub resume: Option<String>,
    /// Write the revised text over the document
    #[arg(long, help_heading = THEN)]
    pub write: bool,
    /// What `--json` printed last time for this document: unchanged text keeps its scores, and what passed fails only clearly
    /// below the threshold (default with models: the newest result for it among the runs here)
    #[arg(long, value_name = "JSON", help_heading = HOW)]
    pub baseline: Option<PathBuf>,
    /// Let reviewers read everything anew, whatever they said last time
    #[arg(long, conflicts_with_all = ["baseline", "lint_only", "resume"], help_heading = HOW)]
    pub no_baseline: bool,
    /// List the rules of the lint, with or without --json
    #[arg(long, conflicts_with_all = ["file", "lint_only", "resume", "write", "baseline", "sarif", "markdown"], help_heading = OUTPUT)]
    pub rules: bool,
    /// Print one JSON document
    #[arg(long, conflicts_with = "sarif", help_heading = OUTPUT)]
    pub json: bool,
    /// Print SARIF 2.1.0
    #[arg(long, help_heading = OUTPUT)]
    pub sarif: bool,
    /// Print the comment for a pull request, in Markdown
    #[arg(long, conflicts_with_all = ["json", "sarif", "lint_only"], help_heading = OUTPUT)]
    pub markdown: bool,
    /// Print only the result
    #[arg(long, short, help_heading = OUTPUT)]
    pub quiet: bool,
}

impl Prd {
    /// The options that override configuration keys.
    pub fn overrides(&self) -> Vec<Override> {
        let mut overrides = loops::overrides(self.models.as_ref(), self.free);
        overrides.push(Override { key: "time_limit", text: self.time_limit.clone() });
        overrides
    }
}

/// What `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Document {
    /// `kaizen-ci/prd/v1`.
    pub schema: String,
    /// The document's path as it was given.
    pub file: String,
    /// The same as the repository names it, `/`-separated; empty outside of one.
    #[serde(default)]
    pub path: String,
    /// Exit code.
    pub exit: u8,
    /// From here on a score passed.
    pub threshold: f64,
    /// What passed.
    pub passed: Passed,
    /// Findings and scores of the text on disk: of the revised one where it was written, else of the document as it was found.
    #[serde(flatten)]
    pub lint: Lint,
    /// What models said and did; none with `--lint-only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// The document's name and version.
pub const SCHEMA: &str = "kaizen-ci/prd/v1";

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Lints it; with models, reviews and revises it too.
///
/// # Errors
/// When it can't be read, or the models are not as needed.
pub fn run(context: &Context, args: &Prd) -> Result<Exit> {
    if args.rules {
        return prd_lint::rules(context, args.json);
    }
    if !(0.0..=1.0).contains(&args.threshold) {
        return Err(Error::usage("--threshold must be a number from 0 to 1").hint("--threshold 0.8"));
    }
    let file = match (&args.file, &args.resume) {
        (Some(file), _) => file.clone(),
        (None, Some(run)) => return resumed(context, args, run),
        (None, None) => return Err(Error::usage("which document?").hint("kaizen-ci prd docs/prd.md")),
    };
    if args.lint_only {
        return prd_lint::run(context, args, &file);
    }
    if !args.more.is_empty() {
        return Err(Error::usage("several documents were named, and one is reviewed at a time")
            .hint("name one, or add --lint-only"));
    }
    let path = context.dir.join(&file);
    let text = read(&path)?;
    let before = match &args.baseline {
        Some(baseline) => Some(prd_baseline::given(context, &context.dir.join(baseline), &path)?),
        None if args.no_baseline => None,
        None => prd_baseline::newest(context, &path),
    };
    prd_review::run(context, args, &path, &text, before.as_ref())
}

/// Goes on with an earlier run: its text is in its log, the document need not be there any more.
fn resumed(context: &Context, args: &Prd, run: &str) -> Result<Exit> {
    let subject = loops::earlier(context, run)?.into_iter().find_map(|entry| match entry.event {
        Event::Loop(LoopEvent::Began { of: Loop::Prd, subject, .. }) => Some(subject),
        _ => None,
    });
    let none = || Error::usage(format!("the run {run} is no prd")).hint("kaizen-ci runs");
    let path = context.dir.join(subject.ok_or_else(none)?);
    if args.write {
        // said now, and not when everything is paid for
        read(&path)?;
    }
    prd_review::run(context, args, &path, "", None)
}

/// The document's path in SARIF: the repository's, where there is one.
pub(super) fn sarif_name(path: &str, given: &str) -> String {
    if path.is_empty() { given.replace('\\', "/") } else { path.to_owned() }
}

pub(super) fn read(path: &Path) -> Result<String> {
    let cannot = |why: String| {
        Error::usage(format!("can't read the document {}", path.display()))
            .why(why)
            .hint("check the path: a Markdown file in UTF-8")
    };
    let meta = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if meta.is_dir() {
        return Err(cannot("it is a folder".into()).hint("--lint-only takes folders; reviewed is one document"));
    }
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err(cannot("it is no file, or larger than 4 MiB".into()));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

/// Is there something at the relative address `to`? Absolute ones are not looked at: they are of a web site.
pub(super) fn target_exists(folder: &Path, to: &str) -> bool {
    let decoded = to.replace("%20", " ");
    let relative = Path::new(&decoded);
    !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir | Component::ParentDir))
        || folder.join(relative).exists()
}
