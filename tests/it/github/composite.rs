//! `action.yml` itself, step by step, as a runner would run it.

use super::fake::{Fake, TOKEN};
use super::red_shop;
use crate::project::{Project, has};

/// Runs the steps of `action.yml` as a runner would: each script with bash, its `env` filled in, outputs handed on.
fn composite(project: &Project, fake: &Fake, head: &str, inputs: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap();
    let action: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let mut outputs: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let mut all = String::new();
    for (n, step) in action["runs"]["steps"].as_sequence().unwrap().iter().enumerate() {
        let file = project.tmp().join(format!("../outputs-{n}"));
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_kaizen-ci")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = project.command("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        for (name, value) in step["env"].as_mapping().unwrap() {
            let value = value.as_str().unwrap();
            let inner = value.trim_start_matches("${{ ").trim_end_matches(" }}");
            // as a runner has it for a job without a matrix
            let default = |name: &str| match action["inputs"][name]["default"].as_str().unwrap_or_default() {
                "${{ toJSON(matrix) }}" => "null".to_owned(),
                text => text.to_owned(),
            };
            let given = |name: &str| inputs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            let filled = match inner.split_once('.').filter(|_| !inner.contains(' ')) {
                Some(("inputs", "github-token")) => TOKEN.to_owned(),
                Some(("inputs", name)) => given(name).unwrap_or_else(|| default(name)),
                Some(("steps", rest)) => outputs.get(rest).cloned().unwrap_or_default(),
                Some(("runner", "temp")) => project.tmp().to_str().unwrap().to_owned(),
                Some(("github", "action_path")) => env!("CARGO_MANIFEST_DIR").to_owned(),
                None if inner == "inputs.github-token == github.token" => "true".to_owned(),
                _ => panic!("{value} is nothing that this test fills in"),
            };
            command.env(name.as_str().unwrap(), filled);
        }
        super::in_job(&mut command, project, fake, "push", &super::pushed(head));
        let out = command.env("PATH", path).env("GITHUB_OUTPUT", &file).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{said}");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let id = step["id"].as_str().unwrap_or_default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('=') {
                outputs.insert(format!("{id}.outputs.{name}"), value.to_owned());
            }
        }
        all.push_str(&text);
    }
    all
}

#[test]
fn the_action_itself_comes_through_to_a_pull_request_and_its_inputs_are_no_shell() {
    if !has("bash") {
        return;
    }
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    let outputs = composite(&project, &fake, &head, &[]);
    assert!(outputs.contains("/octo/shop/pull/"), "{outputs}");
    let hostile = "nowhere\"; touch pwned; $(touch pwned) `touch pwned`";
    let refused = std::panic::catch_unwind(|| composite(&project, &fake, &head, &[("suite", hostile)]));
    assert!(refused.is_err(), "a suite that is not there was taken");
    assert!(!project.root().join("pwned").exists());
    fake.assert_as_described();
}

#[test]
fn the_action_in_two_jobs_comes_through_to_a_pull_request_and_closes_what_turned_green() {
    if !has("bash") {
        return;
    }
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "tap-bounds-regressed");
    composite(&project, &fake, &head, &[("handover", "found")]);
    assert!(fake.state().pulls.is_empty());
    let publish = [("command", "publish"), ("handover", "found"), ("ready", "true")];
    let outputs = composite(&project, &fake, &head, &publish);
    assert!(outputs.contains("/octo/shop/pull/"), "{outputs}");
    assert_eq!(fake.state().pulls[0]["draft"], false);
    let outputs = composite(&project, &fake, &head, &[("status", "success")]);
    assert!(outputs.contains("already_green"), "{outputs}");
    let outputs = composite(&project, &fake, &head, &[("command", "comment")]);
    assert!(outputs.contains("nothing_to_do"), "{outputs}");
    let refused = std::panic::catch_unwind(|| composite(&project, &fake, &head, &[("command", "rm -rf /")]));
    assert!(refused.is_err());
    fake.assert_as_described();
}

#[test]
fn the_action_itself_comes_through_to_an_issue() {
    if !has("bash") {
        return;
    }
    let fake = Fake::start();
    let (project, head) = red_shop(&fake, "py-contradiction");
    // nothing heals it: the search would go on for as long as it may
    let outputs = composite(&project, &fake, &head, &[("time-limit", "10s")]);
    assert!(outputs.contains("/octo/shop/issues/"), "{outputs}");
    // one after the other: each holds the fake's lock
    assert_eq!(fake.state().issues.len(), 1);
    assert_eq!(fake.state().pulls.len(), 0);
    fake.assert_as_described();
}
