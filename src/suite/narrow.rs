//! What of a package.json script has to run for some of its tests: no linters in front of them, and nothing behind them.

use std::path::Path;

use super::detect::{is_on_path, runner_of, script_of};
use super::{Runner, shell};

/// Scripts that start scripts are followed this far.
const DEPTH: usize = 8;

/// Programs that look at sources and change nothing that a test could need.
const CHECKS: [&str; 34] = [
    "eslint",
    "xo",
    "standard",
    "ts-standard",
    "semistandard",
    "prettier",
    "prettierx",
    "biome",
    "rome",
    "tslint",
    "jshint",
    "jscs",
    "oxlint",
    "dprint",
    "tsd",
    "dtslint",
    "attw",
    "publint",
    "knip",
    "depcheck",
    "markdownlint",
    "markdownlint-cli2",
    "remark",
    "stylelint",
    "cspell",
    "commitlint",
    "size-limit",
    "audit-ci",
    "evalmd",
    "eclint",
    "ls-lint",
    "type-coverage",
    "echo",
    "template-oss-check",
];

/// The lines to run one after the other, the last one starts `runner`; `None`: `argv` is no script of `dir` that could be
/// taken apart, or what it runs can't be told apart.
pub fn narrowed(argv: &[String], dir: &Path, runner: Runner) -> Option<Vec<String>> {
    let all = pieces(called(argv)?, dir, DEPTH)?;
    let is_runner = |piece: &String| runner_of(piece, dir) == runner;
    // of two that could have run the red tests one is not enough
    let [at] = all.iter().enumerate().filter(|(_, p)| is_runner(p)).map(|(at, _)| at).collect::<Vec<_>>()[..] else {
        return None;
    };
    let kept: Vec<String> = all[..=at].iter().filter(|p| is_runner(p) || !is_check(p)).cloned().collect();
    kept.iter().all(|piece| can_start(piece, dir)).then_some(kept)
}

/// The script that a package manager is asked for by `argv`, and for nothing else.
fn called(argv: &[String]) -> Option<&str> {
    let words: Vec<&str> = argv.iter().map(String::as_str).filter(|w| !matches!(*w, "-s" | "--silent")).collect();
    match words[..] {
        ["npm" | "pnpm" | "yarn", "t" | "tst"] => Some("test"),
        ["npm" | "pnpm" | "yarn" | "bun", "run" | "run-script", name] => Some(name),
        ["npm", name @ "test"] => Some(name),
        ["pnpm" | "yarn", name] if !name.starts_with('-') => Some(name),
        _ => None,
    }
}

/// What a script runs, with its hooks and the scripts that it starts in their places.
fn pieces(name: &str, dir: &Path, depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    let own = script_of(dir, name)?;
    let mut out = Vec::new();
    for line in [script_of(dir, &format!("pre{name}")), Some(own), script_of(dir, &format!("post{name}"))] {
        for piece in shell::chain(line.as_deref().unwrap_or_default())? {
            let line = shell::read(&piece);
            let [step] = &line.steps[..] else { return None };
            if step.argv[0] == "cd" {
                return None;
            }
            let script = called(&step.argv).filter(|name| step.env.is_empty() && script_of(dir, name).is_some());
            match script {
                Some(name) => out.extend(pieces(name, dir, depth)?),
                None => out.push(piece),
            }
        }
    }
    Some(out)
}

fn is_check(piece: &str) -> bool {
    let line = shell::read(piece);
    let Some(step) = line.steps.first() else { return true };
    let words: Vec<&str> =
        step.argv.iter().map(String::as_str).skip_while(|w| matches!(*w, "npx" | "cross-env")).collect();
    let only_types = || words.contains(&"--noEmit");
    match words.first() {
        Some(&"tsc" | &"vue-tsc") => only_types(),
        Some(&"npm" | &"pnpm" | &"yarn") => words.contains(&"audit"),
        Some(program) => CHECKS.contains(program),
        None => true,
    }
}

/// The program of `piece` is where a package manager would find it.
fn can_start(piece: &str, dir: &Path) -> bool {
    let line = shell::read(piece);
    let Some(program) = line.steps.first().and_then(|s| s.argv.first()) else { return false };
    let linked = || dir.ancestors().any(|d| d.join("node_modules/.bin").join(program).is_file());
    program.contains('/') || linked() || is_on_path(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(scripts: &serde_json::Value) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("node_modules/.bin");
        std::fs::create_dir_all(&bin).unwrap();
        for program in ["mocha", "vitest", "jest", "tsc", "cross-env"] {
            std::fs::write(bin.join(program), "").unwrap();
        }
        let package = serde_json::json!({ "scripts": scripts });
        std::fs::write(dir.path().join("package.json"), package.to_string()).unwrap();
        dir
    }

    fn kept(argv: &str, scripts: &serde_json::Value, runner: Runner) -> Option<String> {
        let argv: Vec<String> = argv.split(' ').map(str::to_owned).collect();
        narrowed(&argv, project(scripts).path(), runner).map(|pieces| pieces.join(" && "))
    }

    #[test]
    fn checks_before_the_runner_and_all_that_follows_it_are_left_out() {
        let of = |script: &str| {
            serde_json::json!({"test": script, "lint": "eslint . && prettier -c src", "types": "tsc -p types",
            "unit": "mocha", "build": "tsc"})
        };
        let rows = [
            ("npm run lint && mocha", Runner::Mocha, Some("mocha")),
            ("pnpm lint && vitest run --typecheck", Runner::Vitest, Some("vitest run --typecheck")),
            ("node --test && npm run types", Runner::NodeTest, Some("node --test")),
            ("tsc --noEmit && jest --env node", Runner::Jest, Some("jest --env node")),
            ("npm run build && npm run unit", Runner::Mocha, Some("tsc && mocha")),
            ("npx eslint . && yarn unit", Runner::Mocha, Some("mocha")),
            ("cross-env A='b && c' mocha test/*.js", Runner::Mocha, Some("cross-env A='b && c' mocha test/*.js")),
            ("mocha", Runner::Mocha, Some("mocha")),
            // what is not understood runs as it is
            ("mocha a && mocha b", Runner::Mocha, None),
            ("mocha | cat", Runner::Mocha, None),
            ("cd sub && mocha", Runner::Mocha, None),
            ("npm run test", Runner::Mocha, None),
            ("not-installed && mocha", Runner::Mocha, None),
            ("eslint .", Runner::Mocha, None),
        ];
        for (script, runner, expected) in rows {
            assert_eq!(kept("npm test", &of(script), runner).as_deref(), expected, "{script}");
        }
    }

    #[test]
    fn hooks_run_where_they_belong_and_only_bare_calls_of_a_script_are_taken_apart() {
        let scripts = serde_json::json!({"pretest": "tsc && eslint .", "test": "npm run unit", "posttest": "npm audit",
            "preunit": "tsc -p test", "unit": "mocha"});
        for (argv, expected) in [
            ("npm test", Some("tsc && tsc -p test && mocha")),
            ("yarn run test", Some("tsc && tsc -p test && mocha")),
            ("pnpm unit", Some("tsc -p test && mocha")),
            ("npm t -s", Some("tsc && tsc -p test && mocha")),
            ("npm test -- --grep x", None),
            ("npm --prefix a test", None),
            ("npm ci", None),
            ("bun test", None),
            ("npx mocha", None),
        ] {
            assert_eq!(kept(argv, &scripts, Runner::Mocha).as_deref(), expected, "{argv}");
        }
    }
}
