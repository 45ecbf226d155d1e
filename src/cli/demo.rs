//! `kaizen-ci demo`: a small broken project in a temporary folder, healed by the real loop.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::{Args, Parser as _};

use crate::cli::context::Context;
use crate::cli::{Cli, Command, heal};
use crate::config::{self, Override};
use crate::error::{Context as _, Error, Exit, Result};
use crate::repo::{Git, Repository};
use crate::report::numbers::seconds;
use crate::state;

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci demo           heal it, show what happened, remove the folder\n  kaizen-ci demo --keep    keep the folder, to look around"
)]
pub struct Demo {
    /// Keep the folder
    #[arg(long)]
    pub keep: bool,
    /// The project's language (default: the first whose tools are on this machine)
    #[arg(long, value_enum)]
    pub language: Option<Language>,
}

/// Languages of the demo, the quickest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// python3, with pytest or unittest
    Python,
    /// node
    Javascript,
    /// cargo
    Rust,
}

/// A project: files that never change, the file that is broken, the test command.
struct Project {
    fixed: &'static [(&'static str, &'static str)],
    broken: &'static str,
    before: &'static str,
    after: &'static str,
    command: &'static str,
}

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/", $path))
    };
}

const PYTHON: Project = Project {
    fixed: &[("test_cart.py", fixture!("python/test_cart.py")), (".gitignore", "__pycache__/\n.pytest_cache/\n")],
    broken: "cart.py",
    before: fixture!("python/cart_before.py"),
    after: fixture!("python/cart_after.py"),
    command: "python3 -m unittest",
};

const JAVASCRIPT: Project = Project {
    fixed: &[("cart.test.mjs", fixture!("javascript/cart.test.mjs"))],
    broken: "cart.mjs",
    before: fixture!("javascript/cart_before.mjs"),
    after: fixture!("javascript/cart_after.mjs"),
    command: "node --test",
};

const RUST: Project = Project {
    fixed: &[
        ("Cargo.toml", fixture!("rust/Cargo.toml.txt")),
        ("tests/total.rs", fixture!("rust/total.rs")),
        (".gitignore", "target/\n"),
    ],
    broken: "src/lib.rs",
    before: fixture!("rust/lib_before.rs"),
    after: fixture!("rust/lib_after.rs"),
    command: "cargo test --offline",
};

/// Makes it, heals it, tells the story.
///
/// # Errors
/// When no language of the demo is on this machine, or the folder can't be made.
pub fn run(context: &Context, args: &Demo) -> Result<Exit> {
    let began = std::time::Instant::now();
    let (project, command) = choose(args.language)?;
    let folder = tempfile::Builder::new()
        .prefix("kaizen-ci-demo-")
        .tempdir()
        .context(|| "can't make a temporary folder".into())?;
    let root = folder.path().join("cart");
    make(&root, project)?;
    let say = |text: &str| context.terminal.out(text);
    let style = context.terminal.out_style();
    say(&format!("{}\n", style.bold("A small shop cart. Its last commit adds a function, and breaks the total.")));
    say(&format!("  folder       {}\n  tests        {command}\n\n", root.display()));
    let exit = healed(&Context { dir: root.clone(), ..context.clone() }, command)?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let words = match exit {
        Exit::Ok => style.good("The total is right again, and the new function is still there."),
        _ => style.bad("That should have healed: please report it with the lines above."),
    };
    say(&format!("\n{words} ({})\n", seconds(ms)));
    if args.keep {
        let kept = folder.keep();
        say(&format!("  look around  cd {} && git diff && kaizen-ci show\n", kept.join("cart").display()));
    } else {
        // Build folders may hold what a plain removal stumbles over.
        let path = folder.keep();
        state::remove_tree(&path).context(|| format!("can't remove {}", path.display()))?;
    }
    say("  your turn    kaizen-ci doctor, then kaizen-ci heal, in a repository with red tests\n");
    Ok(exit)
}

/// The project and the command that runs its tests here.
fn choose(wanted: Option<Language>) -> Result<(&'static Project, &'static str)> {
    let all = [Language::Python, Language::Javascript, Language::Rust];
    let here = |language: &Language| match language {
        Language::Python => works("python3", &["-c", "import unittest"]),
        Language::Javascript => works("node", &["-e", "require('node:test')"]),
        Language::Rust => works("cargo", &["--version"]),
    };
    let language = match wanted {
        Some(language) if here(&language) => language,
        Some(language) => return Err(missing(&format!("the tools of the {language:?} demo are not on this machine"))),
        None => all.into_iter().find(here).ok_or_else(|| missing("no language of the demo is on this machine"))?,
    };
    Ok(match language {
        Language::Python if works("python3", &["-m", "pytest", "--version"]) => (&PYTHON, "python3 -m pytest -q"),
        Language::Python => (&PYTHON, PYTHON.command),
        Language::Javascript => (&JAVASCRIPT, JAVASCRIPT.command),
        Language::Rust => (&RUST, RUST.command),
    })
}

fn missing(what: &str) -> Error {
    Error::environment(what).hint("install python3, node 20 or newer, or Rust (https://rustup.rs)")
}

fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Process::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Writes the project with two commits: green on `main`, red on `feature`.
fn make(root: &Path, project: &Project) -> Result<()> {
    for (name, text) in project.fixed.iter().copied().chain([(project.broken, project.before)]) {
        put(&root.join(name), text)?;
    }
    let git = |args: &[&str]| {
        Git::in_dir(root)
            .config("user.name=Demo")
            .config("user.email=demo@example.org")
            .config("commit.gpgSign=false")
            .args(args)
            .text()
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "A shop cart"])?;
    git(&["checkout", "--quiet", "-b", "feature"])?;
    put(&root.join(project.broken), project.after)?;
    git(&["commit", "--quiet", "--all", "--message", "Tell what is free; tidy up the total"])?;
    Ok(())
}

fn put(path: &PathBuf, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(path, text)
    };
    write().context(|| format!("can't write {}", path.display()))
}

/// The real loop, as `kaizen-ci heal --apply` runs it, with nobody's settings.
fn healed(context: &Context, command: &str) -> Result<Exit> {
    let repository = Repository::discover(&context.dir)?;
    let options = [Override { key: "cmd", text: command.to_owned() }];
    let loaded = config::load(&repository.root, &[], &options)?;
    let cli = Cli::try_parse_from(["kaizen-ci", "heal", "--apply"]).map_err(|e| Error::internal(e.to_string()))?;
    let Command::Heal(args) = cli.command else { return Err(Error::internal("the demo heals")) };
    heal::run_in(context, &repository, &loaded, &args, "heal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_project_is_broken_by_its_last_commit_and_that_commit_brings_wanted_code() {
        for project in [&PYTHON, &JAVASCRIPT, &RUST] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("cart");
            make(&root, project).unwrap();
            let diff = Git::in_dir(&root).args(["diff", "main", "feature"]).text().unwrap();
            assert!(diff.contains("(price + tax)") && diff.to_lowercase().contains("free"), "{diff}");
            assert_eq!(Git::in_dir(&root).args(["status", "--porcelain"]).text().unwrap(), "");
        }
    }
}
