//! `kaizen-ci prd --lint-only`: rules alone, for one document, several, a folder of them, or standard input.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::prd::{Document, MOST_BYTES, Prd, SCHEMA, read, sarif_name, target_exists};
use crate::cli::prd_baseline;
use crate::console::lint as screen;
use crate::error::{Context as _, Error, Exit, Result};
use crate::prd;
use crate::prd::gate::{self, Gate};
use crate::prd::rules::RULES;
use crate::report::sarif;

/// Standard input.
const STDIN: &str = "-";

/// Lints everything that was named; one that does not pass decides on the exit code.
///
/// # Errors
/// When something can't be read, or a baseline is given for several.
pub(super) fn run(context: &Context, args: &Prd, first: &Path) -> Result<Exit> {
    let named = std::iter::once(first).chain(args.more.iter().map(PathBuf::as_path));
    let mut files: Vec<PathBuf> = Vec::new();
    for name in named {
        let path = context.dir.join(name);
        if name != Path::new(STDIN) && path.is_dir() {
            let found = below(&path)?;
            if found.is_empty() {
                return Err(Error::usage(format!("there is no Markdown file below {}", path.display()))
                    .hint("name a file, or another folder"));
            }
            files.extend(found.into_iter().map(|file| name.join(file)));
        } else {
            files.push(name.to_owned());
        }
    }
    if files.len() > 1 && args.baseline.is_some() {
        return Err(
            Error::usage("--baseline is of one document, and several were named").hint("lint that one by itself")
        );
    }
    let documents = files.iter().map(|file| linted(context, args, file)).collect::<Result<Vec<_>>>()?;
    show(context, args, &documents)?;
    let worst = documents.iter().any(|document| document.exit != Exit::Ok.code());
    Ok(if worst { Exit::BelowThreshold } else { Exit::Ok })
}

/// Markdown files below `folder`, sorted; what is hidden or installed is none of it.
fn below(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    /// Nobody has so many documents: a folder of something else.
    const MOST: usize = 2000;
    let (mut found, mut open) = (BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(inside) = open.pop() {
        let place = folder.join(&inside);
        for entry in std::fs::read_dir(&place).context(|| format!("can't read {}", place.display()))? {
            let entry = entry.context(|| format!("can't read {}", place.display()))?;
            let (name, kind) = (entry.file_name().to_string_lossy().into_owned(), entry.file_type());
            let kind = kind.context(|| format!("can't read {}", entry.path().display()))?;
            let inside = inside.join(entry.file_name());
            if name.starts_with('.') || name == "node_modules" || name == "target" {
                continue;
            } else if kind.is_dir() {
                open.push(inside);
            } else if kind.is_file() && [".md", ".markdown"].iter().any(|end| name.to_lowercase().ends_with(end)) {
                found.insert(inside);
            }
        }
        if found.len() > MOST {
            return Err(Error::usage(format!("there are more than {MOST} Markdown files below {}", folder.display()))
                .hint("name the folder of the documents"));
        }
    }
    Ok(found)
}

fn linted(context: &Context, args: &Prd, file: &Path) -> Result<Document> {
    let is_stdin = file == Path::new(STDIN);
    let path = context.dir.join(file);
    let text = if is_stdin { from_stdin()? } else { read(&path)? };
    let before = args.baseline.as_ref().map(|given| prd_baseline::given(context, &context.dir.join(given), &path));
    let before = before.transpose()?;
    let folder = if is_stdin { context.dir.clone() } else { path.parent().unwrap_or(Path::new(".")).to_owned() };
    let mut lint = prd::lint(&text, &|to| target_exists(&folder, to));
    if let Some(before) = &before {
        gate::settle(&mut lint, &before.lint);
    }
    let passed = Gate { threshold: args.threshold }.decide(&lint, before.map(|before| before.passed));
    let exit = if passed.all() { Exit::Ok } else { Exit::BelowThreshold };
    Ok(Document {
        schema: SCHEMA.into(),
        file: file.to_string_lossy().into_owned(),
        path: if is_stdin { String::new() } else { prd_baseline::repository_path(context, &path).unwrap_or_default() },
        exit: exit.code(),
        threshold: args.threshold,
        passed,
        lint,
        review: None,
    })
}

fn from_stdin() -> Result<String> {
    let cannot = |why: String| {
        Error::usage("can't read the document from standard input").why(why).hint("Markdown in UTF-8, at most 4 MiB")
    };
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(cannot("it is larger than 4 MiB".into()));
    }
    String::from_utf8(bytes).map_err(|error| cannot(error.to_string()))
}

/// One JSON document a line when there are several; SARIF is one log.
fn show(context: &Context, args: &Prd, documents: &[Document]) -> Result<()> {
    let terminal = &context.terminal;
    let unwritable = || "can't write the document".into();
    if args.sarif {
        let named: Vec<_> = documents.iter().map(|d| (sarif_name(&d.path, &d.file), &d.lint)).collect();
        let text = serde_json::to_string_pretty(&sarif::render(&named)).context(unwritable)?;
        terminal.out(&format!("{text}\n"));
    } else if args.json {
        for document in documents {
            let one = documents.len() == 1;
            let text = if one { serde_json::to_string_pretty(document) } else { serde_json::to_string(document) };
            terminal.out(&format!("{}\n", text.context(unwritable)?));
        }
    } else {
        for (at, document) in documents.iter().enumerate() {
            let between = if at > 0 { "\n" } else { "" };
            let (passed, style) = (document.passed, terminal.out_style());
            let text = screen::render(&document.lint, passed, args.threshold, &document.file, style);
            terminal.out(&format!("{between}{text}"));
        }
    }
    Ok(())
}

/// Lists the rules.
///
/// # Errors
/// When they can't be written down.
pub(super) fn rules(context: &Context, as_json: bool) -> Result<Exit> {
    let terminal = &context.terminal;
    if as_json {
        let rule = |rule: &prd::rules::Rule| json!({"rule": rule.id, "severity": rule.severity, "dimension": rule.dimension, "about": rule.about});
        let all: Vec<_> = RULES.iter().map(rule).collect();
        let text = serde_json::to_string_pretty(&all).context(|| "can't write the rules down".into())?;
        terminal.out(&format!("{text}\n"));
    } else {
        terminal.out(&screen::rules(terminal.out_style()));
    }
    Ok(Exit::Ok)
}
