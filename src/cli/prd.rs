//! `kaizen-ci prd`: is a requirements document clear, complete and testable?

use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::loops;
use crate::cli::options::{HOW, OUTPUT, THEN};
use crate::cli::prd_review;
use crate::config::Override;
use crate::console::lint as screen;
use crate::error::{Context as _, Error, Exit, Result};
use crate::prd::gate::{self, Gate, Passed};
use crate::prd::{self, Lint};
use crate::report::prd::Review;
use crate::report::sarif;
use crate::trajectory::{Event, Loop, LoopEvent};

/// Larger documents are no PRDs.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Options of `prd`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci prd docs/prd.md                  review it, rewrite what fails, show the diff\n  kaizen-ci prd docs/prd.md --write\n  kaizen-ci prd --resume latest\n  kaizen-ci prd docs/prd.md --lint-only\n  kaizen-ci prd docs/prd.md --lint-only --sarif > prd.sarif\n  kaizen-ci prd docs/prd.md --lint-only --json --baseline last.json > now.json\n\nExit code 0: the document passes; 60: it has an error, or a score below the threshold."
)]
pub struct Prd {
    /// The document, in Markdown
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Rules alone, no model
    #[arg(long, conflicts_with_all = ["write", "resume", "writer"], help_heading = HOW)]
    pub lint_only: bool,
    /// From here on a score passes, 0 to 1
    #[arg(long, value_name = "SCORE", default_value = "0.8", help_heading = HOW)]
    pub threshold: f64,
    /// Rounds of rewriting, at most; models that cost nothing get up to as many more while it gets better
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
    /// Go on with a run that was stopped; no turn that it paid for is paid for again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "baseline"], help_heading = HOW)]
    pub resume: Option<String>,
    /// Write the revised text over the document
    #[arg(long, help_heading = THEN)]
    pub write: bool,
    /// The document that `--json` printed last time: unchanged text keeps its scores, and what passed fails only clearly
    /// below the threshold
    #[arg(long, value_name = "JSON", help_heading = HOW)]
    pub baseline: Option<PathBuf>,
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
    /// Exit code.
    pub exit: u8,
    /// From here on a score passed.
    pub threshold: f64,
    /// What passed.
    pub passed: Passed,
    /// Findings and scores.
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
    if !(0.0..=1.0).contains(&args.threshold) {
        return Err(Error::usage("--threshold must be a number from 0 to 1").hint("--threshold 0.8"));
    }
    let file = match (&args.file, &args.resume) {
        (Some(file), _) => file.clone(),
        (None, Some(run)) => resumed(context, run)?,
        (None, None) => return Err(Error::usage("which document?").hint("kaizen-ci prd docs/prd.md")),
    };
    let path = context.dir.join(&file);
    let text = read(&path)?;
    let before = args.baseline.as_deref().map(|path| baseline(&context.dir.join(path))).transpose()?;
    if !args.lint_only {
        return prd_review::run(context, args, &path, &text, before.as_ref());
    }
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut lint = prd::lint(&text, &|to| target_exists(&folder, to));
    if let Some(before) = &before {
        gate::settle(&mut lint, &before.lint);
    }
    let passed = Gate { threshold: args.threshold }.decide(&lint, before.map(|before| before.passed));
    let exit = if passed.all() { Exit::Ok } else { Exit::BelowThreshold };
    show(context, args, &file, lint, passed, exit)?;
    Ok(exit)
}

/// The document of an earlier run.
fn resumed(context: &Context, run: &str) -> Result<PathBuf> {
    let subject = loops::earlier(context, run)?.into_iter().find_map(|entry| match entry.event {
        Event::Loop(LoopEvent::Began { of: Loop::Prd, subject, .. }) => Some(subject),
        _ => None,
    });
    let none = || Error::usage(format!("the run {run} is no prd")).hint("kaizen-ci runs");
    subject.map(PathBuf::from).ok_or_else(none)
}

fn show(context: &Context, args: &Prd, file: &Path, lint: Lint, passed: Passed, exit: Exit) -> Result<()> {
    let terminal = &context.terminal;
    let name = file.to_string_lossy().into_owned();
    if args.sarif || args.json {
        let value = if args.sarif {
            Ok(sarif::render(&lint, &name.replace('\\', "/")))
        } else {
            let document = Document {
                schema: SCHEMA.into(),
                file: name,
                exit: exit.code(),
                threshold: args.threshold,
                passed,
                lint,
                review: None,
            };
            serde_json::to_value(&document)
        };
        let text = value.and_then(|value| serde_json::to_string_pretty(&value));
        terminal.out(&format!("{}\n", text.context(|| "can't write the document".into())?));
        return Ok(());
    }
    terminal.out(&screen::render(&lint, passed, args.threshold, &name, terminal.out_style()));
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let cannot = |why: String| {
        Error::usage(format!("can't read the document {}", path.display()))
            .why(why)
            .hint("check the path: a Markdown file in UTF-8")
    };
    let meta = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err(cannot("it is no file, or larger than 4 MiB".into()));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

fn baseline(path: &Path) -> Result<Document> {
    let cannot = |why: String| {
        Error::usage(format!("can't use {} as the baseline", path.display()))
            .why(why)
            .hint("give what `kaizen-ci prd FILE --lint-only --json` printed")
    };
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let document: Document = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
    if document.schema != SCHEMA {
        return Err(cannot(format!("its schema is not {SCHEMA}")));
    }
    Ok(document)
}

/// Is there something at the relative address `to`? Absolute ones are not looked at: they are of a web site.
pub(super) fn target_exists(folder: &Path, to: &str) -> bool {
    let decoded = to.replace("%20", " ");
    let relative = Path::new(&decoded);
    !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir | Component::ParentDir))
        || folder.join(relative).exists()
}
