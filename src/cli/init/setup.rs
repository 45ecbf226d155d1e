//! Steps of a workflow that install what the tests need.

use std::path::Path;

use crate::suite::{Runner, Suite};

const PYTHON: &str = "      - uses: actions/setup-python@ece7cb06caefa5fff74198d8649806c4678c61a1 # v6.3.0
        with:
          # the version that your project is for
          python-version: \"3.13\"
";

const NODE: &str = "      - uses: actions/setup-node@249970729cb0ef3589644e2896645e5dc5ba9c38 # v6.5.0
        with:
          # the version that your project is for
          node-version: \"22\"
          # code of a pull request must not fill a cache that other jobs read
          package-manager-cache: false
";

/// The steps. What the runners have already (Rust, Go, a JDK) is not installed.
pub fn steps(root: &Path, suite: &Suite) -> String {
    let place = Place { root, dir: suite.dir.to_string_lossy().into_owned() };
    match suite.runner {
        Runner::Pytest | Runner::Unittest => format!("{PYTHON}{}", place.step(&python(&place, suite.runner))),
        Runner::Jest | Runner::Vitest | Runner::Mocha | Runner::NodeTest => {
            format!("{NODE}{}", place.step(&node(&place)))
        }
        // tests have no network where the machine can take it away, so what they are built of is fetched before
        Runner::Nextest => place.step("cargo install --locked cargo-nextest && cargo fetch"),
        Runner::CargoTest => place.step("cargo fetch"),
        Runner::Go => place.step("go mod download"),
        Runner::Maven => place.step("mvn -q dependency:go-offline"),
        Runner::Rspec => place.step("bundle install"),
        Runner::Gradle | Runner::Tap | Runner::Command => String::new(),
    }
}

/// Where a suite is.
struct Place<'a> {
    root: &'a Path,
    dir: String,
}

impl Place<'_> {
    fn has(&self, name: &str) -> bool {
        self.root.join(&self.dir).join(name).is_file()
    }

    /// Also further up: the lock file of a workspace is at its top.
    fn has_above(&self, name: &str) -> bool {
        let at = self.root.join(&self.dir);
        at.ancestors().take_while(|folder| folder.starts_with(self.root)).any(|folder| folder.join(name).is_file())
    }

    fn step(&self, line: &str) -> String {
        if line.is_empty() {
            return String::new();
        }
        let line = match self.dir.is_empty() {
            true => line.to_owned(),
            false => format!("cd {} && {line}", crate::report::escape::shell(&self.dir)),
        };
        let comment = "what the tests need; change it to what your project does";
        format!("      # {comment}\n      - run: {}\n", serde_json::json!(line))
    }
}

/// Into the Python of the step before, which is the one that `python` and `pytest` are of.
fn python(place: &Place<'_>, runner: Runner) -> String {
    let text = || std::fs::read_to_string(place.root.join(&place.dir).join("pyproject.toml")).unwrap_or_default();
    let mut lines = Vec::new();
    if place.has_above("uv.lock") {
        lines.push("python -m pip install uv");
        lines.push("UV_PROJECT_ENVIRONMENT=\"$pythonLocation\" uv sync --frozen --inexact");
    } else if place.has_above("poetry.lock") {
        lines.push("python -m pip install poetry");
        lines.push("poetry config virtualenvs.create false");
        lines.push("poetry install");
    } else if place.has("requirements.txt") {
        lines.push("python -m pip install -r requirements.txt");
    } else if text().contains("[project]") {
        lines.push("python -m pip install -e .");
    }
    if runner == Runner::Pytest {
        lines.push("python -m pip install pytest");
    }
    lines.join(" && ")
}

fn node(place: &Place<'_>) -> String {
    let line = if place.has_above("pnpm-lock.yaml") {
        "corepack enable && pnpm install --frozen-lockfile"
    } else if place.has_above("yarn.lock") && place.has_above(".yarnrc.yml") {
        "corepack enable && yarn install --immutable"
    } else if place.has_above("yarn.lock") {
        "corepack enable && yarn install --frozen-lockfile"
    } else if place.has("package-lock.json") {
        "npm ci"
    } else if place.has("package.json") {
        "npm install"
    } else {
        ""
    };
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::CommandLine;

    #[test]
    fn the_lock_file_says_what_installs_what_the_tests_need() {
        for (files, runner, part) in [
            (
                &["requirements.txt"][..],
                Runner::Pytest,
                "pip install -r requirements.txt && python -m pip install pytest",
            ),
            (&["pyproject.toml"], Runner::Unittest, "pip install -e ."),
            (&["pyproject.toml", "uv.lock"], Runner::Pytest, "uv sync --frozen"),
            (&["pyproject.toml", "poetry.lock"], Runner::Pytest, "poetry install"),
            (&["package.json"], Runner::Jest, "npm install"),
            (&["package.json", "package-lock.json"], Runner::Jest, "\"npm ci\""),
            (&["package.json", "pnpm-lock.yaml"], Runner::Vitest, "pnpm install --frozen-lockfile"),
            (&["package.json", "yarn.lock"], Runner::Mocha, "yarn install --frozen-lockfile"),
            (&["package.json", "yarn.lock", ".yarnrc.yml"], Runner::Mocha, "yarn install --immutable"),
            (&[], Runner::Nextest, "cargo-nextest && cargo fetch"),
            (&[], Runner::CargoTest, "cargo fetch"),
            (&["go.mod"], Runner::Go, "go mod download"),
        ] {
            let root = tempfile::tempdir().unwrap();
            for file in files {
                std::fs::write(root.path().join(file), "[project]\n").unwrap();
            }
            let (command, found_by) = (CommandLine::Shell("x".into()), "test".into());
            let suite = Suite { name: "s".into(), dir: "".into(), command, runner, found_by };
            let text = steps(root.path(), &suite);
            assert!(text.contains(part), "{files:?}: {text}");
            assert!(text.matches("- run:").count() == 1, "{text}");
            // of a folder of a workspace, whose lock file is at the top
            if files.iter().any(|file| file.ends_with("lock.yaml") || file.ends_with(".lock")) {
                let below = Suite { dir: "packages/web".into(), ..suite };
                std::fs::create_dir_all(root.path().join("packages/web")).unwrap();
                let (text, part) = (steps(root.path(), &below), part.split(" -").next().unwrap());
                assert!(text.contains("cd packages/web && ") && text.contains(part), "{files:?}: {text}");
            }
        }
    }
}
