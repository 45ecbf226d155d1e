//! Tests of the rules: what is protected, and what must stay free for honest patches.

use super::Protection::{self, BuildScript, Configuration, Configured, Expectation, Git, Lock, RunnerHook, Test};
use super::*;

fn why(path: &str) -> Option<Protection> {
    Protected::new(&[]).why(path.as_bytes())
}

#[test]
fn what_decides_how_tests_run_is_protected() {
    let cases: [(Protection, &str); 8] = [
        (
            Test,
            "tests/test_cart.py tests/helpers/data.json test_cart.py pkg/cart_test.py app/tests.py shop/tests/factories.py \
             cart_test.go internal/cart/cart_test.go pkg/testdata/a.json src/cart.test.ts src/cart.spec.js \
             src/__tests__/cart.js src/Cart.test.tsx web/cart.e2e-spec.ts test/cart.mjs test.js \
             src/test/java/shop/CartTest.java src/test/resources/x.xml app/src/androidTest/A.kt lib/CartTests.cs \
             Shop.Tests/Helper.cs spec/cart_spec.rb spec/support/x.rb gems/a/spec/b_spec.rb t/basic.t \
             tests/fixtures/broken.py fixtures/orders.json src/cart/tests.rs src/cart/tests/mod.rs src/test.rs \
             tests/it/main.rs crates/a/tests/b.rs CartTest.php SumTests.swift TestCart.java CartIT.kt sum_test.cc \
             test_sum.c sum_unittest.cpp cart_test.exs e2e/login.ts cypress/x.js __mocks__/fs.js test/cart.bats",
        ),
        (
            Expectation,
            "src/__snapshots__/a.js.snap tests/__snapshots__/a.ambr src/snapshots/x.snap golden/a.txt tests/cassettes/a.yaml \
             a.approved.txt out.golden tests/snapshots/a.txt",
        ),
        (
            RunnerHook,
            "conftest.py tests/conftest.py a/b/conftest.py sitecustomize.py usercustomize.py x.pth jest.config.js \
             jest.setup.ts vitest.config.mts src/setupTests.ts .mocharc.yml .mocharc.json karma.conf.js pytest.ini tox.ini \
             noxfile.py .rspec spec/spec_helper.rb .config/nextest.toml node_modules/jest/index.js .venv/lib/a.py \
             pytest.py unittest/__init__.py src/pytest.py src/_pytest/x.py .coveragerc playwright.config.ts .nycrc",
        ),
        (
            Configuration,
            "Cargo.toml crates/a/Cargo.toml pyproject.toml setup.cfg package.json web/package.json tsconfig.json \
             tsconfig.build.json babel.config.js .babelrc.json .eslintrc.cjs eslint.config.mjs Makefile sub/makefile \
             CMakeLists.txt pom.xml build.gradle build.gradle.kts settings.gradle go.mod go.work .github/workflows/ci.yml \
             .gitlab-ci.yml .circleci/config.yml azure-pipelines.yml Jenkinsfile .kaizen.yml .husky/pre-commit .env \
             .env.test .cargo/config.toml rust-toolchain rust-toolchain.toml clippy.toml vite.config.ts requirements-dev.txt \
             Gemfile mvnw .mvn/jvm.config justfile",
        ),
        (
            Lock,
            "Cargo.lock package-lock.json yarn.lock pnpm-lock.yaml bun.lockb poetry.lock uv.lock Pipfile.lock Gemfile.lock \
             composer.lock go.sum web/yarn.lock",
        ),
        (BuildScript, "build.rs crates/a/build.rs setup.py pkg/setup.py binding.gyp"),
        (Git, ".git/config .git/hooks/pre-commit sub/.git .gitmodules .gitattributes .gitignore ../x / a/../../x"),
        (Configured, ""),
    ];
    for (protection, paths) in cases {
        for path in paths.split_whitespace() {
            assert_eq!(why(path), Some(protection), "{path}");
        }
    }
}

#[test]
fn product_code_that_only_sounds_like_tests_stays_free() {
    let free = "src/testing/mod.rs src/testing/client.py contest.py src/latest.py attest/sign.py src/spec.rs protest.py \
        src/contest/mod.rs Latest.java src/main/java/a/SpeedTest.java Contest.java Testimonial.java greatest.go \
        src/spec/parser.ts lib/spec/openapi.rb src/features/cart.ts latest.js src/fastest.ts manifest.js src/attest.rs \
        src/build.rs src/setup.py app/setup.py src/commands/test.rs src/cli/test.py src/snapshots/mod.rs repo/snapshot.rs \
        src/fixtures/mod.rs docs/testing.md README.md src/index.js cart.py main.go src/unittest_runner.py \
        src/a/b/pytest.py src/env.ts environment.py config.py src/config.ts settings.py src/lock.rs requirements.md \
        src/tester.py testify.go src/test_runner/mod.rs src/makefile.rs digit/.x src/pth.py inspect.py respect.js \
        src/aspect.ts suspect.rs lib/inspec.rb src/quest.py harvest.java src/t/x.py package.py src/jest.ts \
        src/golden_ratio.py src/cassette.py specification/a.md src/Test.rsx.py tester/main.c Guest.cs";
    for path in free.split_whitespace() {
        assert_eq!(why(path), None, "{path}");
    }
}

#[test]
fn case_dots_and_file_system_tricks_change_nothing() {
    let cases = [
        ("Tests/A.PY", Test),
        ("TESTS\\a.py", Test),
        ("src/../tests/a.py", Test),
        ("./tests//a.py", Test),
        ("ConfTest.py", RunnerHook),
        (".GIT/config", Git),
        (".git./config", Git),
        (".git /config", Git),
        ("GIT~1/config", Git),
        (".git::$INDEX_ALLOCATION/config", Git),
        (".g\u{200c}it/config", Git),
        ("PACKAGE.JSON", Configuration),
        ("/etc/passwd", Git),
        ("", Git),
    ];
    for (path, protection) in cases {
        assert_eq!(why(path), Some(protection), "{path}");
    }
    assert_eq!(Protected::new(&[]).why(b"tests/\xff.py"), Some(Test));
}

#[test]
fn globs_of_the_configuration_protect_what_they_match_and_all_below() {
    let globs = ["migrations/".to_owned(), "docs/*.md".to_owned(), "./schema/**".to_owned(), "bad[glob".to_owned()];
    let protected = Protected::new(&globs);
    for path in ["migrations/0001.sql", "Migrations/a/b.sql", "docs/a.md", "schema/x/y.json", "bad[glob"] {
        assert_eq!(protected.why(path.as_bytes()), Some(Configured), "{path}");
    }
    for path in ["docs/a/b.txt", "src/migrations.py", "docs.md"] {
        assert_eq!(protected.why(path.as_bytes()), None, "{path}");
    }
}

proptest::proptest! {
    #[test]
    fn no_path_makes_the_rules_panic(path in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        Protected::new(&["x/**".to_owned()]).why(&path);
    }

    #[test]
    fn dots_in_front_change_nothing(name in "[a-z_]{1,8}\\.(py|rs|go|js)") {
        let protected = Protected::new(&[]);
        proptest::prop_assert_eq!(protected.why(name.as_bytes()), protected.why(format!("./a/../{name}").as_bytes()));
    }
}
