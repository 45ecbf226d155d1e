//! The workflows that a repository has already: one of them may run the tests.

use std::path::Path;

use serde_yaml::Value as Yaml;

use crate::suite::Runner;
use crate::suite::detect::runner_of;

/// A workflow that is there, and is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// As GitHub calls it.
    pub name: String,
    /// Its file.
    pub file: String,
    /// A step of it runs tests.
    pub runs_tests: bool,
}

/// All of them, in the order of their files.
pub fn read(folder: &Path) -> Vec<Workflow> {
    let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let one = |path: std::path::PathBuf| {
        let yaml = path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml");
        let file = path.file_name()?.to_string_lossy().into_owned();
        if !yaml || file.starts_with("kaizen") {
            return None;
        }
        let value: Yaml = serde_yaml::from_str(&std::fs::read_to_string(&path).ok()?).unwrap_or(Yaml::Null);
        // without a name GitHub shows the path
        let name = value.get("name").and_then(Yaml::as_str).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("{}/{file}", super::github::FOLDER));
        Some(Workflow { name, runs_tests: runs_tests(&value), file })
    };
    files.into_iter().filter_map(one).collect()
}

fn runs_tests(workflow: &Yaml) -> bool {
    let jobs = workflow.get("jobs").and_then(Yaml::as_mapping);
    let steps = jobs.into_iter().flat_map(|jobs| jobs.values()).filter_map(|job| job.get("steps")?.as_sequence());
    let mut lines = steps.flatten().filter_map(|step| step.get("run")?.as_str()).flat_map(str::lines);
    let is_test = |line: &str| {
        // scripts are not looked into: `npm test` of a package is what it says
        let npm = ["npm", "yarn", "pnpm", "bun"].iter().any(|tool| {
            let rest = line.trim().strip_prefix(tool).unwrap_or_default().trim_start();
            rest.starts_with("test") || rest.starts_with("run test")
        });
        npm || runner_of(line, Path::new("")) != Runner::Command
    };
    lines.any(is_test)
}

/// The one that runs tests, most likely: one that is seen to, then `ci`, `test` by name, then the first.
pub fn likely(all: &[Workflow]) -> Option<&Workflow> {
    all.iter().min_by_key(|workflow| {
        let lower = workflow.name.to_lowercase();
        (!workflow.runs_tests, !(lower == "ci" || lower.contains("test")), lower)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflow_that_runs_tests_is_found_by_its_steps_then_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        assert_eq!(read(folder.path()), []);
        put("kaizen.yml", "name: ci\n");
        put("b.yml", "name: Deploy\n");
        put("a.yml", "name: Unit tests\n");
        let found = |all: &[Workflow]| likely(all).map(|workflow| (workflow.name.clone(), workflow.runs_tests));
        assert_eq!(found(&read(folder.path())), Some(("Unit tests".into(), false)));
        for line in ["pytest -q", "npm test", "pnpm run test:unit", "cargo test --locked", "cd x && go test ./..."] {
            put(
                "c.yml",
                &format!(
                    "jobs:\n  a:\n    steps:\n      - uses: x\n      - run: |\n          echo hello\n          {line}\n"
                ),
            );
            assert_eq!(found(&read(folder.path())), Some((".github/workflows/c.yml".into(), true)), "{line}");
        }
        put("c.yml", "jobs:\n  a:\n    steps:\n      - run: npm ci\n");
        assert_eq!(found(&read(folder.path())), Some(("Unit tests".into(), false)));
        put("a.yml", "no: [yaml");
        assert_eq!(read(folder.path()).len(), 3);
    }
}
