//! `kaizen-ci init --github`: workflows for GitHub Actions, each line explained; nothing that is there is written over.

use std::path::Path;

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::error::{Context as _, Exit, Result};
use crate::repo::Repository;
use crate::suite::{CommandLine, Runner, Suite, detect};

/// The forms of workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Two jobs: one runs the tests with a token that reads, one publishes with a token that writes
    TwoJobs,
    /// Answers `/kaizen …` in comments; a heal runs in a job with a token that reads
    Comments,
    /// A step behind the tests in the same job
    Step,
    /// Behind a workflow that is there
    AfterCi,
    /// All of them
    All,
}

const FORMS: &[(Form, &str, &str)] = &[
    (Form::TwoJobs, "kaizen.yml", include_str!("workflows/two-jobs.yml")),
    (Form::Comments, "kaizen-comments.yml", include_str!("workflows/comments.yml")),
    (Form::Step, "kaizen-step.yml", include_str!("workflows/step.yml")),
    (Form::AfterCi, "kaizen-after-ci.yml", include_str!("workflows/after-ci.yml")),
];

/// Where workflows are.
pub const FOLDER: &str = ".github/workflows";

/// Writes those that are not there.
///
/// # Errors
/// When a file can't be written.
pub fn write(context: &Context, repository: &Repository, forms: &[Form], print: bool) -> Result<Exit> {
    let suites = detect::detect(&repository.root);
    let folder = repository.root.join(FOLDER);
    let workflow = existing(&folder);
    let style = context.terminal.out_style();
    for (form, name, template) in FORMS {
        if !forms.contains(form) && !forms.contains(&Form::All) {
            continue;
        }
        let text = fill(template, &repository.root, suites.first(), workflow.as_deref());
        if print {
            context.terminal.out(&format!("# {FOLDER}/{name}\n{text}\n"));
            continue;
        }
        let path = folder.join(name);
        // a link counts as a file that is there: what it points to may be anywhere
        if path.symlink_metadata().is_ok() {
            context.terminal.out(&format!("{} {FOLDER}/{name} (it is there already)\n", style.dim("left alone")));
            continue;
        }
        std::fs::create_dir_all(&folder).context(|| format!("can't make {}", folder.display()))?;
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let put = made.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        put.context(|| format!("can't write {}", path.display()))?;
        context.terminal.out(&format!("{} {FOLDER}/{name}\n", style.good("wrote")));
    }
    if !print {
        context.terminal.out(&missing(suites.first()));
    }
    Ok(Exit::Ok)
}

/// What only a person can set up.
fn missing(suite: Option<&Suite>) -> String {
    let mut out = String::new();
    if suite.is_none() {
        out.push_str(
            "  missing      your test command: no suite was found, so the workflows have a line to be replaced\n",
        );
    }
    out.push_str(
        "  missing      Settings → Actions → General → Workflow permissions: check \"Allow GitHub Actions to create and approve\n               \
         pull requests\"; without it a heal is a branch and an issue with a link\n  \
         optional     a secret with a token of an app or a person, passed as `github-token`: then CI runs on the pull requests\n               \
         of kaizen-ci without somebody's click\n  \
         optional     a secret OPENROUTER_API_KEY (or another provider's), passed as `env`, for fixers that ask a language\n               \
         model; none is needed\n  \
         next         commit and push; then: GITHUB_TOKEN=… kaizen-ci doctor --github\n",
    );
    out
}

/// The name of a workflow that is there and runs tests, most likely: `ci`, `test`, else the first.
fn existing(folder: &Path) -> Option<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let yaml = path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml");
        let ours = entry.file_name().to_string_lossy().starts_with("kaizen");
        if !yaml || ours {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap_or(serde_yaml::Value::Null);
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        names.push(value.get("name").and_then(|name| name.as_str()).map_or(stem, str::to_owned));
    }
    names.sort_by_key(|name| {
        let lower = name.to_lowercase();
        (!(lower == "ci" || lower.contains("test")), lower)
    });
    names.into_iter().next()
}

fn fill(template: &str, root: &Path, suite: Option<&Suite>, workflow: Option<&str>) -> String {
    let command = suite.map(command).filter(|line| !line.contains(['\n', '\r']) && !line.contains("${{"));
    let test = command.clone().unwrap_or_else(|| "echo 'replace this line by your test command' && exit 1".into());
    let quoted = serde_json::json!(command.unwrap_or_default()).to_string();
    let workflow = serde_json::json!(workflow.unwrap_or("ci")).to_string();
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let setup = suite.map(|suite| setup(root, suite)).unwrap_or_default();
    template
        .replace("{{setup}}\n", &setup)
        .replace("{{test}}", &test)
        .replace("{{quoted}}", &quoted)
        .replace("{{workflow}}", &workflow)
        .replace("{{version}}", &version)
}

fn command(suite: &Suite) -> String {
    let line = match &suite.command {
        CommandLine::Shell(line) => line.clone(),
        CommandLine::Argv(argv) => {
            argv.iter().map(|word| crate::report::escape::shell(word)).collect::<Vec<_>>().join(" ")
        }
    };
    match suite.dir.as_os_str().is_empty() {
        true => line,
        false => format!("cd {} && {line}", crate::report::escape::shell(&suite.dir.to_string_lossy())),
    }
}

/// The steps that install what the tests need. What the runners have already (Rust, Go, a JDK) is not installed.
fn setup(root: &Path, suite: &Suite) -> String {
    let at = root.join(&suite.dir);
    let has = |name: &str| at.join(name).is_file();
    let dir = suite.dir.to_string_lossy().into_owned();
    let within = |line: &str| match dir.is_empty() {
        true => line.to_owned(),
        false => format!("cd {} && {line}", crate::report::escape::shell(&dir)),
    };
    let step =
        |comment: &str, line: &str| format!("      # {comment}\n      - run: {}\n", serde_json::json!(within(line)));
    match suite.runner {
        Runner::Pytest | Runner::Unittest => {
            let mut out = String::from(
                "      - uses: actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0\n        with:\n          python-version: \"3.13\"\n",
            );
            let mut lines = Vec::new();
            if suite.runner == Runner::Pytest {
                lines.push("python -m pip install pytest");
            }
            if has("requirements.txt") {
                lines.push("python -m pip install -r requirements.txt");
            } else if has("pyproject.toml")
                && std::fs::read_to_string(at.join("pyproject.toml")).unwrap_or_default().contains("[project]")
            {
                lines.push("python -m pip install -e .");
            }
            if !lines.is_empty() {
                out.push_str(&step("what the tests need; change it to what your project does", &lines.join(" && ")));
            }
            out
        }
        Runner::Jest | Runner::Vitest | Runner::Mocha | Runner::NodeTest => {
            let mut out = String::from(
                "      - uses: actions/setup-node@49933ea5288caeca8642d1e84afbd3f7d6820020 # v4.4.0\n        with:\n          node-version: \"22\"\n",
            );
            if has("package-lock.json") {
                out.push_str(&step("what the tests need", "npm ci"));
            } else if has("package.json") {
                out.push_str(&step("what the tests need; with a lock file, `npm ci`", "npm install"));
            }
            out
        }
        Runner::Nextest => step("the test runner", "cargo install --locked cargo-nextest"),
        Runner::Rspec => step("what the tests need", "bundle install"),
        Runner::CargoTest | Runner::Go | Runner::Maven | Runner::Gradle | Runner::Tap | Runner::Command => {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(line: &str, runner: Runner) -> Suite {
        Suite {
            name: "s".into(),
            dir: "".into(),
            command: CommandLine::Shell(line.into()),
            runner,
            found_by: "test".into(),
        }
    }

    #[test]
    fn every_form_is_a_workflow_with_nothing_left_to_fill_in() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("requirements.txt"), "pytest\n").unwrap();
        let suites = [
            None,
            Some(suite("pytest -q -k \"a and b\"", Runner::Pytest)),
            Some(suite("evil ${{ github.token }}", Runner::Command)),
            Some(suite("npm test: all # here", Runner::Jest)),
        ];
        for (form, _, template) in FORMS {
            for suite in &suites {
                let text = fill(template, root.path(), suite.as_ref(), Some("a: b"));
                assert!(!text.contains("{{setup") && !text.contains("{{test") && !text.contains("{{version"), "{text}");
                assert!(!text.contains("github.token"), "{form:?}: a command of the repository became an expression");
                let value: serde_yaml::Value =
                    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{form:?}: {e}\n{text}"));
                assert!(!value["jobs"].as_mapping().unwrap().is_empty());
                assert!(text.contains("\npermissions: {}\n"));
                assert!(!text.contains("pull_request_target"));
            }
        }
    }

    #[test]
    fn the_workflow_that_runs_tests_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(folder.path()), None);
        for (file, text) in [("b.yml", "name: Deploy\n"), ("a.yml", "name: Unit tests\n"), ("kaizen.yml", "name: ci\n")]
        {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        assert_eq!(existing(folder.path()).as_deref(), Some("Unit tests"));
    }
}
