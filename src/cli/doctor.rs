//! `kaizen-ci doctor`: what was found here, what is missing, and what to do about it.

mod checks;
mod github;
mod models;

use clap::Args;

use crate::cli::context::Context;
use crate::console::style::Style;
use crate::error::{Context as _, Exit, Result};
use crate::report::escape::one_line;

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci doctor\n  kaizen-ci doctor --github  also the token, settings and workflows on GitHub\n  kaizen-ci doctor --json    for a script; exit code 22 when something that heal needs is missing"
)]
pub struct Doctor {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Also look at GitHub: the token, the repository's settings, the workflows that use kaizen-ci
    #[arg(long)]
    pub github: bool,
}

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Heal works, with a limit that one should know.
    Mind,
    /// Heal can't work.
    Bad,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub todo: Option<String>,
}

impl Check {
    fn new(level: Level, name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), level, found: found.into(), todo: None }
    }
    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
    fn line(&self, style: Style) -> String {
        let mark = match self.level {
            Level::Good => style.green("✓"),
            Level::Mind => style.yellow("!"),
            Level::Bad => style.red("✗"),
        };
        let mut line = format!("{mark} {} {}\n", style.dim(&format!("{:<13}", self.name)), one_line(&self.found, 300));
        for todo in self.todo.iter().flat_map(|todo| todo.lines()) {
            line.push_str(&format!("{:16}{} {}\n", "", style.dim("do"), one_line(todo, 300)));
        }
        line
    }
}

/// Looks at everything.
///
/// # Errors
/// When the configuration is wrong, or our own side fails.
pub fn run(context: &Context, args: &Doctor) -> Result<Exit> {
    let (mut checks, settings) = checks::all(context)?;
    if args.github {
        checks.extend(github::all(context)?);
    }
    let bad = checks.iter().any(|check| check.level == Level::Bad);
    let exit = if bad { Exit::SuiteEnvironment } else { Exit::Ok };
    if args.json {
        let document = serde_json::json!({
            "schema": "kaizen-ci/doctor/v1", "exit": exit.code(), "checks": checks, "settings": settings,
        });
        let text = serde_json::to_string_pretty(&document).context(|| "can't write the document".into())?;
        context.terminal.out(&format!("{text}\n"));
        return Ok(exit);
    }
    let style = context.terminal.out_style();
    for check in &checks {
        context.terminal.out(&check.line(style));
    }
    let last = match (bad, checks.iter().any(|check| check.level == Level::Mind)) {
        (true, _) => style.bad("heal can't work here yet: see the lines with ✗"),
        (false, true) => style.warn("ready; the lines with ! say what is limited"),
        (false, false) => style.good("ready: kaizen-ci heal"),
    };
    context.terminal.out(&format!("{last}\n"));
    Ok(exit)
}
