//! Heals with a real model, not in CI: `KAIZEN_TEST_LIVE_URL=http://127.0.0.1:18080/v1 cargo nextest run -E 'test(/^live/)'`.

use crate::project::{Project, has};

/// Heals the fixture with no fixer but those that ask models; the candidate that did it.
fn heal(fixture: &str) -> Option<String> {
    let Some(url) = std::env::var("KAIZEN_TEST_LIVE_URL").ok().filter(|u| !u.is_empty()) else {
        eprintln!("skipped: KAIZEN_TEST_LIVE_URL names no server with a model");
        return None;
    };
    let project = Project::fixture(fixture);
    let before = project.sacred();
    let out = project
        .command(env!("CARGO_BIN_EXE_kaizen-ci"))
        .env("KAIZEN_MODELS", "own")
        .env("KAIZEN_MODEL_URL", url)
        .args(["heal", "--json", "--dry-run", "--max-tier", "1", "--time-limit", "8m", "--seed", "7"])
        .args(["--fixers", "minimal,regression,contract,stepwise"])
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    project.unchanged_since(&before);
    eprintln!("{fixture}: {} {}", document["headline"], document["models"]);
    assert_eq!(out.status.code(), Some(10), "{document:#}");
    document["heal"]["candidate"].as_str().map(str::to_owned)
}

#[test]
fn a_real_model_heals_a_loop_that_ends_too_early() {
    heal("py-bounds");
}

#[test]
fn a_real_model_heals_a_retry_in_javascript() {
    if has("node") {
        heal("js-retry");
    }
}

#[test]
fn a_real_model_heals_a_median_in_rust() {
    heal("rust-median");
}

#[test]
fn a_real_model_heals_a_ring_in_go() {
    if has("go") {
        heal("go-ring");
    }
}

#[test]
fn a_real_model_heals_a_name_that_was_misspelt() {
    heal("py-typo");
}

#[test]
fn a_real_model_heals_a_build_that_is_red() {
    heal("rust-compile");
}

#[test]
fn a_real_model_heals_a_bound_that_a_commit_moved() {
    heal("py-bounds-regressed");
}
