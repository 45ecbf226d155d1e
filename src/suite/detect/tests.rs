//! Tests of finding suites.

use super::*;
use crate::suite::Runner;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn found(files: &[(&str, &str)]) -> Vec<(String, Runner, String)> {
    let dir = tree(files);
    detect(dir.path()).into_iter().map(|s| (s.name, s.runner, s.command.display())).collect()
}

#[test]
fn each_kind_of_project_is_found_by_its_files() {
    let package = r#"{"scripts":{"test":"vitest run"}}"#;
    type Case<'a> = (&'a [(&'a str, &'a str)], Runner, &'a str);
    let cases: [Case<'_>; 14] = [
        (&[("Cargo.toml", "[package]\nname = \"a\"")], Runner::CargoTest, "cargo test"),
        (&[("pytest.ini", "")], Runner::Pytest, "-m pytest"),
        (&[("pyproject.toml", "[tool.pytest.ini_options]\n")], Runner::Pytest, "-m pytest"),
        (&[("tests/test_a.py", "def test_a(): pass")], Runner::Pytest, "-m pytest"),
        (&[("package.json", package)], Runner::Vitest, "npm test"),
        (&[("package.json", package), ("yarn.lock", "")], Runner::Vitest, "yarn test"),
        (&[("package.json", r#"{"devDependencies":{"jest":"30"}}"#)], Runner::Jest, "npx jest"),
        (&[("package.json", "{}"), ("test/a.js", "")], Runner::NodeTest, "node --test"),
        (&[("cart.test.mjs", "")], Runner::NodeTest, "node --test"),
        (&[("go.mod", "module a")], Runner::Go, "go test ./..."),
        (&[("pom.xml", ""), ("mvnw", "")], Runner::Maven, "./mvnw -B test"),
        (&[("build.gradle.kts", "")], Runner::Gradle, "gradle test"),
        (&[(".rspec", ""), ("Gemfile", "")], Runner::Rspec, "bundle exec rspec"),
        (&[("Makefile", "all:\n\ttrue\ntest: all\n\tpython -m pytest -q\n")], Runner::Pytest, "make test"),
    ];
    for (files, runner, command) in cases {
        let suites = found(files);
        assert_eq!(suites.len(), 1, "{files:?}: {suites:?}");
        assert_eq!(suites[0].1, runner, "{files:?}");
        assert!(suites[0].2.ends_with(command), "{files:?}: {}", suites[0].2);
    }
}

#[test]
fn an_empty_tree_has_no_suite_and_picking_says_what_to_do() {
    assert!(found(&[("README.md", "")]).is_empty());
    let error = pick(&[], None).unwrap_err();
    assert!(error.hint_text().unwrap().contains("--cmd"));
}

#[test]
fn npms_default_script_is_no_suite() {
    let package = r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#;
    assert!(found(&[("package.json", package)]).is_empty());
}

#[test]
fn a_cargo_workspace_is_listed_once() {
    let suites = found(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]"),
        ("a/Cargo.toml", "[package]\nname = \"a\""),
        ("b/Cargo.toml", "[package]\nname = \"b\""),
    ]);
    assert_eq!(suites, [("cargo-test".to_owned(), Runner::CargoTest, "cargo test".to_owned())]);
}

#[test]
fn suites_in_folders_are_named_by_folder_and_foreign_folders_are_left_out() {
    let suites = found(&[
        (".gitignore", "ignored/\n"),
        ("api/pytest.ini", ""),
        ("web/package.json", r#"{"scripts":{"test":"jest"}}"#),
        ("ignored/go.mod", ""),
        ("node_modules/x/package.json", r#"{"scripts":{"test":"jest"}}"#),
        ("tests/fixtures/p/Cargo.toml", "[package]"),
    ]);
    let names: Vec<_> = suites.iter().map(|s| (s.0.as_str(), s.1)).collect();
    assert_eq!(names, [("api", Runner::Pytest), ("web", Runner::Jest)]);
}

#[test]
fn the_environment_in_the_repository_is_used_by_its_relative_path() {
    let suites = found(&[(".venv/bin/python", ""), ("pkg/pytest.ini", "")]);
    assert_eq!(suites[0].2, "../.venv/bin/python -m pytest");
}

#[test]
fn picking_a_suite_by_a_wrong_name_suggests_the_nearest() {
    let dir = tree(&[("api/pytest.ini", ""), ("web/go.mod", "")]);
    let suites = detect(dir.path());
    assert_eq!(pick(&suites, Some("web")).unwrap().name, "web");
    assert_eq!(pick(&suites, None).unwrap().name, "api");
    let error = pick(&suites, Some("ap")).unwrap_err();
    assert!(error.to_string().contains("api, web"), "{error}");
    assert!(error.hint_text().unwrap().contains("--suite api"));
}

#[test]
fn commands_are_followed_to_their_runner() {
    let dir = tree(&[
        (
            "package.json",
            r#"{"scripts":{"test":"npm run unit","unit":"NODE_ENV=test c8 mocha -r x","t2":"tsc && node --test"}}"#,
        ),
        (
            "Makefile",
            "PY = x\n\nlint:\n\truff .\n\ntest: lint unit\n\nunit:\n\t@cd sub && $(PYTHON) -m pytest -q | tee log\n",
        ),
        ("ci/test.sh", "#!/bin/sh\nset -e\ncargo build\ncargo test --all\n"),
    ]);
    let cases = [
        ("pytest", Runner::Pytest),
        ("cd x && python3.11 -m pytest -q", Runner::Pytest),
        ("env A=B uv run --extra dev pytest", Runner::Pytest),
        ("poetry run python -m pytest", Runner::Pytest),
        ("coverage run -m pytest && coverage report", Runner::Pytest),
        ("python -m coverage run -m unittest", Runner::Unittest),
        ("python -m unittest -v", Runner::Unittest),
        ("npm test", Runner::Mocha),
        ("npm run t2 -- --x", Runner::NodeTest),
        ("yarn jest --ci", Runner::Jest),
        ("npx --yes vitest run", Runner::Vitest),
        ("node --experimental-vm-modules node_modules/jest/bin/jest.js", Runner::Jest),
        ("make test", Runner::Pytest),
        ("make -C . unit", Runner::Pytest),
        ("bash ci/test.sh", Runner::CargoTest),
        ("./ci/test.sh", Runner::CargoTest),
        ("sh -c 'go test ./...'", Runner::Go),
        ("cargo +nightly test", Runner::CargoTest),
        ("cargo nextest run --workspace", Runner::Nextest),
        ("timeout 60 ./mvnw -B verify", Runner::Maven),
        ("./gradlew :app:test", Runner::Gradle),
        ("bundle exec rspec", Runner::Rspec),
        ("prove -v t", Runner::Tap),
        ("docker run x pytest", Runner::Command),
        ("tox", Runner::Command),
        ("true", Runner::Command),
        ("", Runner::Command),
        ("sh -c 'sh -c \"sh -c pytest\"'", Runner::Pytest),
    ];
    for (command, runner) in cases {
        assert_eq!(runner_of(command, dir.path()), runner, "{command}");
    }
}

#[test]
fn scripts_that_call_themselves_end() {
    let dir = tree(&[("package.json", r#"{"scripts":{"test":"npm test"}}"#), ("Makefile", "test:\n\tmake test\n")]);
    assert_eq!(runner_of("npm test", dir.path()), Runner::Command);
    assert_eq!(runner_of("make test", dir.path()), Runner::Command);
}

proptest::proptest! {
    #[test]
    fn no_command_makes_it_panic(command in "\\PC*") {
        runner_of(&command, Path::new("/nonexistent"));
    }
}
