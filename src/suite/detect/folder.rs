//! The suites of one folder, and which folders below it they cover.

use std::path::{Path, PathBuf};

use super::commands::{on_path, recipe, runner_of, script_of, small};
use crate::suite::{CommandLine, Runner, Suite};
use crate::system;

/// What was found in a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub suites: Vec<Suite>,
    pub covers: Vec<Coverage>,
}

/// A suite that runs what is in folders below its own.
#[derive(Debug)]
pub(super) struct Coverage {
    dir: PathBuf,
    family: Family,
    /// Only folders that start with one of these (workspace members); empty: all below.
    only: Vec<String>,
}

/// Suites of one family are listed once for a folder and what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rust,
    Python,
    Script,
    Go,
    Jvm,
    Ruby,
    Other,
}

fn family(runner: Runner) -> Family {
    match runner {
        Runner::CargoTest | Runner::Nextest => Family::Rust,
        Runner::Pytest | Runner::Unittest => Family::Python,
        Runner::Jest | Runner::Vitest | Runner::Mocha | Runner::NodeTest => Family::Script,
        Runner::Go => Family::Go,
        Runner::Maven | Runner::Gradle => Family::Jvm,
        Runner::Rspec => Family::Ruby,
        Runner::Tap | Runner::Command => Family::Other,
    }
}

impl Coverage {
    /// Whether a suite of `runner` in `dir` is run by this one already.
    pub(super) fn covers(&self, dir: &Path, runner: Runner) -> bool {
        let Ok(below) = dir.strip_prefix(&self.dir) else { return false };
        let below = below.to_string_lossy().replace('\\', "/");
        if below.is_empty() || family(runner) != self.family {
            return false;
        }
        self.only.is_empty() || self.only.iter().any(|o| below == *o || below.starts_with(&format!("{o}/")))
    }
}

/// A folder while it is looked at.
struct Folder<'a> {
    root: &'a Path,
    dir: &'a Path,
    path: PathBuf,
    found: Found,
}

/// The suites of `dir` (relative to `root`).
pub(super) fn suites(root: &Path, dir: &Path) -> Found {
    let mut folder = Folder { root, dir, path: root.join(dir), found: Found::default() };
    folder.rust();
    folder.python();
    folder.package_json();
    folder.go();
    folder.jvm();
    folder.ruby();
    if folder.found.suites.is_empty() {
        folder.make_or_tap();
    }
    folder.found
}

impl Folder<'_> {
    fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    fn text(&self, name: &str) -> Option<String> {
        small(&self.path.join(name))
    }

    fn add(&mut self, runner: Runner, argv: &[&str], found_by: &str) {
        let argv = argv.iter().map(|a| (*a).to_owned()).collect();
        self.add_command(runner, CommandLine::Argv(argv), found_by);
    }

    fn add_command(&mut self, runner: Runner, command: CommandLine, found_by: &str) {
        let (dir, found_by) = (self.dir.to_path_buf(), found_by.to_owned());
        self.found.suites.push(Suite { name: String::new(), dir, command, runner, found_by });
    }

    fn cover(&mut self, family: Family, only: Vec<String>) {
        self.found.covers.push(Coverage { dir: self.dir.to_path_buf(), family, only });
    }

    fn rust(&mut self) {
        let Some(manifest) = self.text("Cargo.toml") else { return };
        let workspace = manifest.lines().any(|l| l.trim() == "[workspace]");
        let package = manifest.lines().any(|l| l.trim() == "[package]");
        if !workspace && !package {
            return;
        }
        let nextest = self.has(".config/nextest.toml") && on_path("cargo-nextest").is_some();
        let all: &[&str] = if workspace && package { &["--workspace"] } else { &[] };
        if nextest {
            self.add(Runner::Nextest, &[&["cargo", "nextest", "run"], all].concat(), ".config/nextest.toml");
        } else {
            self.add(Runner::CargoTest, &[&["cargo", "test"], all].concat(), "Cargo.toml");
        }
        // members are run by the workspace; a package alone covers its path dependencies' folders only as itself
        if workspace {
            let excluded = manifest.contains("exclude");
            let only = if excluded { members(&manifest) } else { Vec::new() };
            self.cover(Family::Rust, only);
        }
    }

    fn python(&mut self) {
        let Some(by) = self.python_evidence() else { return };
        let python = self.python_program();
        let pytest = by != "unittest tests";
        if pytest {
            self.add(Runner::Pytest, &[&python, "-m", "pytest"], by);
        } else {
            self.add(Runner::Unittest, &[&python, "-m", "unittest"], by);
        }
        self.cover(Family::Python, Vec::new());
    }

    /// By which file we know that there are Python tests.
    fn python_evidence(&self) -> Option<&'static str> {
        let section = |file: &str, what: &str| self.text(file).is_some_and(|t| t.lines().any(|l| l.starts_with(what)));
        if self.has("pytest.ini") || self.has(".pytest.ini") {
            return Some("pytest.ini");
        }
        if section("pyproject.toml", "[tool.pytest") {
            return Some("pyproject.toml");
        }
        if section("setup.cfg", "[tool:pytest]") {
            return Some("setup.cfg");
        }
        if section("tox.ini", "[pytest]") {
            return Some("tox.ini");
        }
        if self.has("conftest.py") {
            return Some("conftest.py");
        }
        // tests in the folder itself, or in its own tests/ or test/
        let files = self.test_files(|n| (n.starts_with("test_") || n.ends_with("_test.py")) && n.ends_with(".py"));
        let first = files.first()?;
        let texts: Vec<String> = files.iter().take(20).filter_map(|f| small(f)).collect();
        let pytest_style = texts.iter().any(|t| t.contains("pytest") || t.lines().any(|l| l.starts_with("def test_")));
        let unittest_style = texts.iter().any(|t| t.contains("unittest"));
        let _ = first;
        if unittest_style && !pytest_style && !self.pytest_importable() {
            Some("unittest tests")
        } else {
            Some("test_*.py")
        }
    }

    /// Files of this folder and of its tests/ and test/ folders (two levels) whose name fits.
    fn test_files(&self, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let own = list(&self.path);
        let below = ["tests", "test"].iter().flat_map(|d| list(&self.path.join(d)));
        let deeper = ["tests", "test"].iter().flat_map(|d| {
            let dirs = list(&self.path.join(d)).into_iter().filter(|p| p.is_dir());
            dirs.flat_map(|p| list(&p)).collect::<Vec<_>>()
        });
        let all = own.into_iter().chain(below).chain(deeper);
        all.filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(&fits) && p.is_file()).collect()
    }

    /// The interpreter: the repository's own environment (as a path relative to the folder, so that the carried copy is
    /// used), the activated one, or what PATH has.
    fn python_program(&self) -> String {
        let depth = self.dir.components().count();
        for up in 0..=depth {
            let prefix = "../".repeat(up);
            for name in [".venv", "venv"] {
                let relative = format!("{prefix}{name}/{}", system::VENV_PYTHON);
                if self.path.join(&relative).exists() {
                    return if up == 0 { format!("./{relative}") } else { relative };
                }
            }
        }
        let active =
            std::env::var_os("VIRTUAL_ENV").map(|v| Path::new(&v).join(system::VENV_PYTHON)).filter(|p| p.is_file());
        if let Some(active) = active {
            return active.to_string_lossy().into_owned();
        }
        if on_path("python3").is_some() { "python3".to_owned() } else { "python".to_owned() }
    }

    fn pytest_importable(&self) -> bool {
        let python = self.python_program();
        let program = if python.contains('/') { self.path.join(&python) } else { PathBuf::from(&python) };
        let mut command = std::process::Command::new(program);
        command.args(["-c", "import pytest"]).current_dir(self.root);
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        command.status().is_ok_and(|s| s.success())
    }

    fn package_json(&mut self) {
        let package = self.text("package.json").and_then(|t| serde_json::from_str::<serde_json::Value>(&t).ok());
        let Some(package) = package else {
            return self.node_without_package();
        };
        let manager = self.package_manager();
        let script = script_of(&self.path, "test").filter(|s| !s.contains("no test specified"));
        let depends = |name: &str| {
            ["dependencies", "devDependencies"].iter().any(|d| package.get(d).is_some_and(|d| d.get(name).is_some()))
        };
        if let Some(script) = script {
            let runner = runner_of(&script, &self.path);
            let words: &[&str] = if manager == "bun" { &["bun", "run", "test"] } else { &[manager, "test"] };
            self.add(runner, words, "package.json scripts.test");
            if package.get("workspaces").is_some() {
                self.cover(Family::Script, Vec::new());
            }
        } else if depends("vitest") {
            self.add(Runner::Vitest, &["npx", "vitest", "run"], "package.json devDependencies");
        } else if depends("jest") {
            self.add(Runner::Jest, &["npx", "jest"], "package.json devDependencies");
        } else if depends("mocha") {
            self.add(Runner::Mocha, &["npx", "mocha"], "package.json devDependencies");
        } else {
            self.node_without_package();
        }
    }

    /// `node --test` where its files are.
    fn node_without_package(&mut self) {
        // a folder below a package is the package's
        let mut above = self.dir.ancestors().skip(1);
        if !self.has("package.json") && above.any(|a| self.root.join(a).join("package.json").is_file()) {
            return;
        }
        let is_test = |n: &str| {
            let ends = [".js", ".mjs", ".cjs"].iter().find_map(|e| n.strip_suffix(e));
            ends.is_some_and(|stem| {
                stem.ends_with(".test")
                    || stem.ends_with("-test")
                    || stem.ends_with("_test")
                    || stem.starts_with("test-")
                    || stem == "test"
            })
        };
        let script = |n: &str| [".js", ".mjs", ".cjs"].iter().any(|e| n.ends_with(e));
        let here = list(&self.path);
        let named = |p: &PathBuf, f: &dyn Fn(&str) -> bool| p.file_name().and_then(|n| n.to_str()).is_some_and(f);
        let own = here.iter().any(|p| named(p, &is_test));
        let folder = self.has("package.json") && list(&self.path.join("test")).iter().any(|p| named(p, &script));
        let below = self.has("package.json") && !self.test_files(is_test).is_empty();
        if own || folder || below {
            self.add(Runner::NodeTest, &["node", "--test"], "*.test.js");
            self.cover(Family::Script, Vec::new());
        }
    }

    /// npm, pnpm, yarn or bun: by the nearest lock file, up to the top.
    fn package_manager(&self) -> &'static str {
        let locks = [
            ("pnpm-lock.yaml", "pnpm"),
            ("yarn.lock", "yarn"),
            ("bun.lockb", "bun"),
            ("bun.lock", "bun"),
            ("package-lock.json", "npm"),
        ];
        let mut dir = Some(self.path.as_path());
        while let Some(at) = dir {
            if let Some((_, manager)) = locks.iter().find(|(file, _)| at.join(file).is_file()) {
                return manager;
            }
            if at == self.root {
                break;
            }
            dir = at.parent();
        }
        "npm"
    }

    fn go(&mut self) {
        if let Some(work) = self.text("go.work") {
            let dirs: Vec<String> = work
                .lines()
                .map(|l| l.trim().trim_start_matches("use").trim().trim_matches(['(', ')', '"']).trim())
                .filter(|l| l.starts_with("./") || *l == ".")
                .map(|l| l.trim_start_matches("./").trim_end_matches('/').to_owned())
                .collect();
            let patterns: Vec<String> = dirs
                .iter()
                .map(|d| if d.is_empty() || d == "." { "./...".into() } else { format!("./{d}/...") })
                .collect();
            if !patterns.is_empty() {
                let argv: Vec<&str> = ["go", "test"].into_iter().chain(patterns.iter().map(String::as_str)).collect();
                self.add(Runner::Go, &argv, "go.work");
                return self.cover(Family::Go, dirs);
            }
        }
        if self.has("go.mod") {
            self.add(Runner::Go, &["go", "test", "./..."], "go.mod");
        }
    }

    fn jvm(&mut self) {
        if self.has("pom.xml") {
            let program = if self.has("mvnw") { "./mvnw" } else { "mvn" };
            self.add(Runner::Maven, &[program, "-B", "test"], "pom.xml");
            return self.cover(Family::Jvm, Vec::new());
        }
        if let Some(file) = ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"]
            .into_iter()
            .find(|f| self.has(f))
        {
            let program = if self.has("gradlew") { "./gradlew" } else { "gradle" };
            self.add(Runner::Gradle, &[program, "test"], file);
            self.cover(Family::Jvm, Vec::new());
        }
    }

    fn ruby(&mut self) {
        let gemfile = self.has("Gemfile");
        let spec =
            list(&self.path.join("spec")).iter().any(|p| p.is_dir() || p.to_string_lossy().ends_with("_spec.rb"));
        if self.has(".rspec") || (gemfile && spec) {
            let argv: &[&str] = if gemfile { &["bundle", "exec", "rspec"] } else { &["rspec"] };
            self.add(Runner::Rspec, argv, if self.has(".rspec") { ".rspec" } else { "spec/" });
            self.cover(Family::Ruby, Vec::new());
        }
    }

    fn make_or_tap(&mut self) {
        if let Some((_, runner)) = recipe(&self.path, Some("test")).map(|r| (r, runner_of("make test", &self.path))) {
            return self.add(runner, &["make", "test"], "Makefile");
        }
        let is_t = |p: &PathBuf| p.extension().is_some_and(|e| e == "t");
        if list(&self.path.join("t")).iter().any(is_t) {
            self.add(Runner::Tap, &["prove", "-v", "t"], "t/*.t");
        }
    }
}

/// The `members` of a Cargo workspace, up to the first wildcard of each.
fn members(manifest: &str) -> Vec<String> {
    let Some((_, rest)) = manifest.split_once("members") else { return Vec::new() };
    let list = rest.split(']').next().unwrap_or_default();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(|m| m.split('*').next().unwrap_or_default().trim_end_matches('/').to_owned())
        .collect()
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().take(5_000).map(|e| e.path()).collect();
    paths.sort();
    paths
}
