//! The built-in rules: names of files and folders by language and tool.

use super::Protection::{self, BuildScript, Configuration, Expectation, Git, Lock, RunnerHook, Test};

/// Why a path is protected by its names; `parts` as written, `lower` folded.
pub(super) fn why(parts: &[&str], lower: &[&str]) -> Option<Protection> {
    let (file, folders) = lower.split_last()?;
    let written = parts.last()?;
    git(file, folders)
        .or_else(|| folders.iter().chain([file]).find_map(|f| anywhere(f)))
        .or_else(|| hook(file, folders))
        .or_else(|| expectation(file, folders))
        .or_else(|| lock(file))
        .or_else(|| build_script(file, folders))
        .or_else(|| configuration(file))
        .or_else(|| (test_folder(folders) || test_file(written, file, folders)).then_some(Test))
}

fn git(file: &str, folders: &[&str]) -> Option<Protection> {
    let own = [".gitmodules", ".gitattributes", ".gitignore", ".gitconfig", ".mailmap"];
    let inside = folders.contains(&".git") || file == ".git";
    (inside || own.contains(&file)).then_some(Git)
}

/// Folders (and files of that name) that are protected with all that is in them.
fn anywhere(name: &str) -> Option<Protection> {
    match name {
        ".github" | ".gitlab" | ".gitea" | ".forgejo" | ".circleci" | ".buildkite" | ".woodpecker" | ".husky"
        | ".cargo" | ".mvn" | ".yarn" | ".devcontainer" | ".teamcity" | ".semaphore" => Some(Configuration),
        "node_modules" | ".venv" | "site-packages" | "dist-packages" | ".tox" | ".nox" | ".bundle" => Some(RunnerHook),
        "__snapshots__" | "__image_snapshots__" | "cassettes" | "golden" | "goldens" | "golden_files" => {
            Some(Expectation)
        }
        "__tests__" | "__test__" | "__mocks__" | "__fixtures__" | "testdata" | "test-data" | "test_data" => Some(Test),
        _ => None,
    }
}

/// What a test runner loads by itself.
fn hook(file: &str, folders: &[&str]) -> Option<Protection> {
    const FILES: &[&str] = &[
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pytest.ini",
        ".pytest.ini",
        "tox.ini",
        "noxfile.py",
        "nose.cfg",
        ".noserc",
        "unittest.cfg",
        ".rspec",
        "spec_helper.rb",
        "rails_helper.rb",
        "test_helper.rb",
        "test_helper.exs",
        "mocha.opts",
        ".taprc",
        "nextest.toml",
        "phpunit.xml",
        "phpunit.xml.dist",
        "pest.php",
        "testng.xml",
        "junit-platform.properties",
        "wallaby.js",
        ".coveragerc",
        "tarpaulin.toml",
        ".tarpaulin.toml",
        "trybuild.toml",
        "mutants.toml",
        "codecov.yml",
    ];
    const STEMS: &[&str] = &[
        "jest.config",
        "jest.setup",
        "jest-setup",
        "jest.preset",
        "jest.global-setup",
        "jest.polyfills",
        "vitest.config",
        "vitest.setup",
        "vitest.workspace",
        "vitest.global-setup",
        "setuptests",
        "setup-tests",
        "setup.tests",
        "test-setup",
        "test.setup",
        "testsetup",
        "karma.conf",
        "karma.config",
        ".mocharc",
        "ava.config",
        "playwright.config",
        "cypress.config",
        "wdio.conf",
        "protractor.conf",
        ".nycrc",
        ".c8rc",
    ];
    // a module of this name on the import path is loaded in place of the real one
    const SHADOWS: &[&str] = &["pytest", "_pytest", "unittest", "pluggy", "nose", "doctest", "xdist"];
    let stem = stem_of(file);
    let first = folders.first().copied().unwrap_or(file.strip_suffix(".py").unwrap_or_default());
    let second = folders.get(1).copied().unwrap_or(if folders.len() == 1 {
        file.strip_suffix(".py").unwrap_or_default()
    } else {
        ""
    });
    let shadows = SHADOWS.contains(&first) && file.ends_with(".py")
        || first == "src" && SHADOWS.contains(&second) && file.ends_with(".py");
    let known = FILES.contains(&file) || STEMS.iter().any(|s| stem == *s || file == *s) || file.ends_with(".pth");
    (known || shadows).then_some(RunnerHook)
}

fn expectation(file: &str, folders: &[&str]) -> Option<Protection> {
    const ENDS: &[&str] = &[
        ".snap",
        ".snap.new",
        ".ambr",
        ".golden",
        ".approved.txt",
        ".approved.json",
        ".verified.txt",
        ".received.txt",
    ];
    let approved = file.contains(".approved.") || file.contains(".verified.");
    let in_tests = folders.contains(&"snapshots") && test_folder(folders);
    (ENDS.iter().any(|e| file.ends_with(e)) || approved || in_tests).then_some(Expectation)
}

fn lock(file: &str) -> Option<Protection> {
    const FILES: &[&str] = &[
        "cargo.lock",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "bun.lock",
        "bun.lockb",
        "deno.lock",
        "poetry.lock",
        "uv.lock",
        "pipfile.lock",
        "pdm.lock",
        "pixi.lock",
        "conda-lock.yml",
        "gemfile.lock",
        "composer.lock",
        "go.sum",
        "go.work.sum",
        "gradle.lockfile",
        "buildscript-gradle.lockfile",
        "flake.lock",
        "mix.lock",
        "pubspec.lock",
        "package.resolved",
    ];
    FILES.contains(&file).then_some(Lock)
}

/// Code that the build runs. A product may have a module called `build` or `setup`: inside source folders it is one.
fn build_script(file: &str, folders: &[&str]) -> Option<Protection> {
    let inside = folders.iter().any(|f| matches!(*f, "src" | "lib" | "app")) || folders.len() > 3;
    let named = matches!(file, "build.rs" | "setup.py" | "hatch_build.py" | "extconf.rb" | "build.zig" | "build.sbt");
    (file == "binding.gyp" || (named && !inside)).then_some(BuildScript)
}

fn configuration(file: &str) -> Option<Protection> {
    const FILES: &[&str] = &[
        // the tool itself
        ".kaizen.yml",
        ".kaizen.yaml",
        // Python
        "pyproject.toml",
        "setup.cfg",
        "mypy.ini",
        ".mypy.ini",
        ".flake8",
        "ruff.toml",
        ".ruff.toml",
        "pylintrc",
        ".pylintrc",
        "pyrightconfig.json",
        "pipfile",
        "environment.yml",
        "environment.yaml",
        ".python-version",
        "constraints.txt",
        "uv.toml",
        "pixi.toml",
        // Rust
        "cargo.toml",
        "clippy.toml",
        ".clippy.toml",
        "rustfmt.toml",
        ".rustfmt.toml",
        "deny.toml",
        "cross.toml",
        // JavaScript
        "package.json",
        "jsconfig.json",
        ".babelrc",
        ".swcrc",
        ".npmrc",
        ".pnpmfile.cjs",
        ".nvmrc",
        ".node-version",
        "lerna.json",
        "nx.json",
        "project.json",
        "turbo.json",
        "pnpm-workspace.yaml",
        "deno.json",
        "deno.jsonc",
        "bunfig.toml",
        "biome.json",
        ".browserslistrc",
        // Go
        "go.mod",
        "go.work",
        ".golangci.yml",
        ".golangci.yaml",
        ".golangci.toml",
        // JVM
        "pom.xml",
        "gradle.properties",
        "gradlew",
        "gradlew.bat",
        "mvnw",
        "mvnw.cmd",
        "gradle-wrapper.properties",
        "gradle-wrapper.jar",
        "libs.versions.toml",
        // Ruby, PHP, others
        "gemfile",
        "rakefile",
        ".rubocop.yml",
        ".ruby-version",
        "composer.json",
        "mix.exs",
        "pubspec.yaml",
        "package.swift",
        // builds and CI
        "gnumakefile",
        "makefile",
        "cmakelists.txt",
        "meson.build",
        "build.bazel",
        "workspace.bazel",
        "justfile",
        ".justfile",
        "jenkinsfile",
        ".gitlab-ci.yml",
        ".travis.yml",
        ".appveyor.yml",
        "appveyor.yml",
        "bitbucket-pipelines.yml",
        ".drone.yml",
        ".tool-versions",
        ".pre-commit-config.yaml",
    ];
    const STEMS: &[&str] = &[
        "babel.config",
        ".babelrc",
        ".eslintrc",
        "eslint.config",
        "vite.config",
        "webpack.config",
        "rollup.config",
        "build.gradle",
        "settings.gradle",
        "taskfile",
        "azure-pipelines",
        "rust-toolchain",
        "mise",
        ".mise",
        "lefthook",
        ".lefthook",
        "tsup.config",
    ];
    let stem = stem_of(file);
    let known = FILES.contains(&file)
        || STEMS.iter().any(|s| stem == *s || file == *s)
        || (file.starts_with("tsconfig") && file.ends_with(".json"))
        || (file.starts_with("requirements") && file.ends_with(".txt"))
        || (file.starts_with("azure-pipelines") && file.ends_with(".yml"))
        || file == ".env"
        || file == ".envrc"
        || file.starts_with(".env.")
        || file.starts_with(".yarnrc")
        || file.ends_with(".mk")
        || file.ends_with(".cmake")
        || file.ends_with(".gemspec");
    known.then_some(Configuration)
}

/// A name without its last extension; also without `.json` of `.eslintrc.json`, `.kts` of `build.gradle.kts`.
fn stem_of(file: &str) -> &str {
    const ENDS: &[&str] = &[
        ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".jsx", ".tsx", ".json", ".yml", ".yaml", ".toml", ".kts",
        ".jsonc",
    ];
    ENDS.iter().find_map(|e| file.strip_suffix(e)).unwrap_or(file)
}

/// Whether one of the folders is one of tests.
fn test_folder(folders: &[&str]) -> bool {
    folders.iter().enumerate().any(|(i, name)| match *name {
        "tests" | "test" | "e2e" | "cypress" | "integration-tests" | "integration_tests" | "androidtest" => true,
        // a convention at the top of a package; below source folders it is a module of that name
        "spec" | "specs" | "fixtures" => !folders[..i].iter().any(|f| matches!(*f, "src" | "lib" | "app")),
        "t" => i == 0,
        other => other.ends_with(".tests") || other.ends_with(".test") || other.ends_with(".unittests"),
    })
}

/// Whether the file's own name says that it is a test.
fn test_file(written: &str, file: &str, folders: &[&str]) -> bool {
    let Some((stem, end)) = file.rsplit_once('.') else { return false };
    let starts = stem.starts_with("test_");
    let ends = stem.ends_with("_test");
    match end {
        "py" | "pyi" => starts || ends || stem == "tests" || (stem == "test" && folders.is_empty()),
        "go" => ends,
        "rs" => {
            ends || stem.ends_with("_tests") || stem == "tests" || (stem == "test" && folders.last() == Some(&"src"))
        }
        "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" | "coffee" => {
            script_test(stem, folders)
        }
        "java" | "kt" | "kts" | "scala" | "groovy" => !main_source(folders) && class_test(written),
        "cs" | "vb" | "fs" | "php" | "swift" => class_test(written),
        "rb" => starts || ends || stem.ends_with("_spec"),
        "exs" | "ex" | "dart" | "clj" | "cljs" | "cljc" | "erl" | "hs" | "ml" => ends,
        "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "m" | "mm" => {
            starts || ends || stem.ends_with("_unittest") || stem.ends_with("_tests")
        }
        "sh" | "bash" => starts || ends,
        "t" | "bats" | "feature" => true,
        _ => false,
    }
}

fn script_test(stem: &str, folders: &[&str]) -> bool {
    let marked = [
        ".test",
        ".tests",
        ".spec",
        ".specs",
        ".e2e",
        ".cy",
        ".e2e-spec",
        ".test-d",
        ".spec-d",
        "-test",
        "_test",
        "-spec",
        "_spec",
    ];
    marked.iter().any(|m| stem.ends_with(m) && stem.len() > m.len())
        || (folders.is_empty() && (stem == "test" || stem == "tests" || stem.starts_with("test-")))
}

/// `src/main/…` of Maven and Gradle: surefire never takes a test from there.
fn main_source(folders: &[&str]) -> bool {
    folders.windows(2).any(|w| w == ["src", "main"])
}

/// `CartTest`, `CartTests`, `CartIT`, `CartSpec`, `TestCart`: case counts, so that `Latest` and `Contest` are none.
fn class_test(written: &str) -> bool {
    let stem = written.split('.').next().unwrap_or_default();
    let ends = ["Test", "Tests", "TestCase", "IT", "ITCase", "Spec"];
    let ended = ends
        .iter()
        .any(|e| stem.strip_suffix(e).is_some_and(|s| s.ends_with(|c: char| c.is_lowercase() || c.is_numeric())));
    let started = stem.strip_prefix("Test").is_some_and(|s| s.starts_with(|c: char| c.is_uppercase()));
    ended || started || stem == "Test" || stem == "Tests"
}
