//! Which part of a configuration file is changed: what decides how tests run, or only dependencies and descriptions.

use std::collections::BTreeSet;

/// Keys of package.json that decide how tests, lint and builds run.
const PACKAGE_KEYS: [&str; 18] = [
    "scripts",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "tap",
    "nyc",
    "c8",
    "eslintConfig",
    "babel",
    "config",
    "standard",
    "xo",
    "husky",
    "lint-staged",
    "wireit",
    "pre-commit",
    "overrides",
];
/// Beginnings of section names in pyproject.toml, setup.cfg and Cargo.toml that do.
const SECTIONS: [&str; 33] = [
    "tool.pytest",
    "tool:pytest",
    "pytest",
    "tool.coverage",
    "coverage",
    "tool.ruff",
    "tool.mypy",
    "mypy",
    "tool.pylint",
    "pylint",
    "flake8",
    "tool.flake8",
    "pycodestyle",
    "tool.pyright",
    "tool.tox",
    "tox",
    "tool.nox",
    "tool.hatch.envs",
    "tool.pdm.scripts",
    "tool.poe",
    "tool.taskipy",
    "tool.nose",
    "nosetests",
    "aliases",
    "build-system",
    "lints",
    "workspace.lints",
    "profile",
    "test",
    "bench",
    "patch",
    "replace",
    "source",
];
/// Keys anywhere in Cargo.toml that do.
const CARGO_KEYS: [&str; 9] =
    ["test", "harness", "doctest", "autotests", "autobins", "autolib", "build", "links", "required-features"];

/// What about `path` is dangerous in the change from `old` to `new`, in words; `None`: only dependencies, descriptions
/// and the like, which are put back without a word.
pub(super) fn dangerous(path: &str, old: &[u8], new: &[u8]) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let dependencies = name.starts_with("requirements") && name.ends_with(".txt") || name == "constraints.txt";
    if dependencies
        || matches!(name.as_str(), "go.mod" | "pipfile" | "gemfile" | "environment.yml" | "environment.yaml")
    {
        return None;
    }
    match name.as_str() {
        "package.json" => package(old, new),
        "pyproject.toml" | "setup.cfg" | "cargo.toml" => sections(&name, old, new),
        _ => Some("configuration of tests, lint, build or CI".to_owned()),
    }
}

fn package(old: &[u8], new: &[u8]) -> Option<String> {
    let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes).ok();
    let (Some(old), Some(new)) = (read(old), read(new)) else { return Some("can't be read as JSON".to_owned()) };
    PACKAGE_KEYS.iter().find(|key| old.get(**key) != new.get(**key)).map(|key| format!("its `{key}`"))
}

/// The lines of a TOML or INI file as (section, line); order within a section does not matter.
fn lines(bytes: &[u8]) -> BTreeSet<(String, String)> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(bytes).lines().map(str::trim) {
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            section = line.trim_matches(['[', ']']).trim().replace(['"', '\''], "");
        } else if !line.is_empty() && !line.starts_with(['#', ';']) {
            found.insert((section.clone(), line.to_owned()));
        }
    }
    found
}

fn sections(name: &str, old: &[u8], new: &[u8]) -> Option<String> {
    let (old, new) = (lines(old), lines(new));
    old.symmetric_difference(&new).find_map(|(section, line)| {
        let decides = SECTIONS.iter().any(|s| {
            section.strip_prefix(s).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':', '-', '_']))
        });
        let key = line.split('=').next().unwrap_or("").trim();
        let cargo = name == "cargo.toml" && CARGO_KEYS.contains(&key) && !section.contains("dependencies");
        (decides || cargo)
            .then(|| if section.is_empty() { format!("`{line}`") } else { format!("its section `[{section}]`") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_decides_how_tests_run_is_dangerous() {
        let table: &[(&str, &str, &str, bool)] = &[
            ("package.json", r#"{"dependencies":{}}"#, r#"{"dependencies":{"a":"1"}}"#, false),
            ("package.json", r#"{"scripts":{"test":"jest"}}"#, r#"{"scripts":{"test":"true"}}"#, true),
            ("package.json", "{}", "{", true),
            ("pyproject.toml", "[project]\nversion = \"1\"\n", "[project]\nversion = \"2\"\n", false),
            ("pyproject.toml", "[tool.pytest.ini_options]\n", "[tool.pytest.ini_options]\naddopts = \"-k x\"\n", true),
            ("setup.cfg", "[metadata]\nname = a\n", "[metadata]\nname = b\n", false),
            ("setup.cfg", "", "[tool:pytest]\naddopts = --deselect x\n", true),
            ("Cargo.toml", "[dependencies]\n", "[dependencies]\nserde = \"1\"\n", false),
            ("Cargo.toml", "[lib]\nname = \"a\"\n", "[lib]\nname = \"a\"\ntest = false\n", true),
            ("Cargo.toml", "[package]\n", "[package]\nbuild = \"b.rs\"\n", true),
            ("requirements.txt", "a\n", "a\nb\n", false),
            (".github/workflows/ci.yml", "a\n", "b\n", true),
            ("Makefile", "test:\n\tpytest\n", "test:\n\ttrue\n", true),
        ];
        for (path, old, new, wanted) in table {
            assert_eq!(dangerous(path, old.as_bytes(), new.as_bytes()).is_some(), *wanted, "{path}: {old} -> {new}");
        }
    }
}
