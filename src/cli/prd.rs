//! `kaizen-ci prd`: is a requirements document clear, complete and testable?

use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::context::Context;
use crate::cli::options::{HOW, OUTPUT};
use crate::console::lint as screen;
use crate::error::{Context as _, Error, Exit, Result};
use crate::prd::gate::{self, Gate, Passed};
use crate::prd::{self, Lint};
use crate::report::sarif;

/// Larger documents are no PRDs.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Options of `prd`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci prd docs/prd.md --lint-only\n  kaizen-ci prd docs/prd.md --lint-only --sarif > prd.sarif\n  kaizen-ci prd docs/prd.md --lint-only --json --baseline last.json > now.json\n\nExit code 0: the document passes; 60: it has an error, or a score below the threshold."
)]
pub struct Prd {
    /// The document, in Markdown
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Rules alone, no model
    #[arg(long, help_heading = HOW)]
    pub lint_only: bool,
    /// From here on a score passes, 0 to 1
    #[arg(long, value_name = "SCORE", default_value = "0.8", help_heading = HOW)]
    pub threshold: f64,
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
}

const SCHEMA: &str = "kaizen-ci/prd/v1";

/// The schema of what `--json` prints.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// Lints it.
///
/// # Errors
/// When it can't be read, or more than the lint is asked for.
pub fn run(context: &Context, args: &Prd) -> Result<Exit> {
    if !args.lint_only {
        return Err(Error::usage("reviewing and rewriting a PRD needs models, and none can be asked yet")
            .why("without --lint-only, reviewers score the document and a writer revises it")
            .hint(format!("kaizen-ci prd {} --lint-only", args.file.display())));
    }
    if !(0.0..=1.0).contains(&args.threshold) {
        return Err(Error::usage("--threshold must be a number from 0 to 1").hint("--threshold 0.8"));
    }
    let path = context.dir.join(&args.file);
    let text = read(&path)?;
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut lint = prd::lint(&text, &|to| target_exists(&folder, to));
    let before = args.baseline.as_deref().map(|path| baseline(&context.dir.join(path))).transpose()?;
    if let Some(before) = &before {
        gate::settle(&mut lint, &before.lint);
    }
    let passed = Gate { threshold: args.threshold }.decide(&lint, before.map(|before| before.passed));
    let exit = if passed.all() { Exit::Ok } else { Exit::BelowThreshold };
    show(context, args, lint, passed, exit)?;
    Ok(exit)
}

fn show(context: &Context, args: &Prd, lint: Lint, passed: Passed, exit: Exit) -> Result<()> {
    let terminal = &context.terminal;
    let name = args.file.to_string_lossy().into_owned();
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
fn target_exists(folder: &Path, to: &str) -> bool {
    let decoded = to.replace("%20", " ");
    let relative = Path::new(&decoded);
    !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir | Component::ParentDir))
        || folder.join(relative).exists()
}
