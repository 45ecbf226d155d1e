//! Git as we start it, in a clone that code under test could write: it runs nothing that was planted there, and what it starts
//! sees no secret.

use std::path::Path;
use std::process::Command;

use kaizen_ci::repo::Git;

use crate::project::Project;

/// Not a test of its own: our git, in a process that has secrets in its environment. Without its folder it does nothing.
#[test]
#[ignore = "started by another test"]
fn helper_that_runs_git() {
    let Some(dir) = std::env::var_os("HELPER_DIR") else { return };
    let dir = Path::new(&dir);
    // what every snapshot and delivery does in one form or another: look at the tree, move a branch, commit, check out
    for args in [
        &["status", "--porcelain"][..],
        &["add", "-A"],
        &["commit", "--quiet", "-m", "Second"],
        &["update-ref", "refs/heads/other", "HEAD"],
        &["checkout", "--quiet", "--detach", "other"],
    ] {
        let who = ["user.name=Ada", "user.email=ada@example.com"];
        who.into_iter().fold(Git::in_dir(dir), Git::config).args(args).text().unwrap();
    }
    let environment = Git::in_dir(dir).config("alias.what-is-seen=!env").arg("what-is-seen").text().unwrap();
    std::fs::write(dir.join("../environment.txt"), environment).unwrap();
}

#[test]
fn git_in_a_clone_runs_nothing_that_was_planted_there_and_passes_no_secret_on() {
    let project = Project::empty();
    project.write("a.txt", "one\n");
    project.commit("First");
    project.write("a.txt", "two\n");
    let ran = project.tmp().join("../ran.txt");
    let hooks = project.root().join(".git/planted");
    std::fs::create_dir(&hooks).unwrap();
    let plant = |name: &str| {
        let path = hooks.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {name} >> '{}'\n", ran.display())).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    };
    for hook in
        ["pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction", "post-index-change"]
    {
        plant(hook);
    }
    let monitor = plant("monitor");
    project.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    // a command line: the path has a blank in it
    project.git(&["config", "core.fsmonitor", &format!("'{}'", monitor.display())]);
    let helper = |dir: &Path| {
        let mut command = project.command(std::env::current_exe().unwrap().to_str().unwrap());
        command.args(["git::helper_that_runs_git", "--exact", "--ignored"]).env("HELPER_DIR", dir);
        for (name, value) in [
            ("GITHUB_TOKEN", "ghs_secret"),
            ("GITHUB_OUTPUT", "/runner/secret"),
            ("ACTIONS_RUNTIME_TOKEN", "secret"),
            ("RUNNER_TEMP", "/runner/secret"),
            ("DATABASE_PASSWORD", "secret"),
            ("GIT_DIR", "/elsewhere/secret"),
        ] {
            command.env(name, value);
        }
        command.output().unwrap()
    };
    let out = helper(&project.root());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    assert_eq!(std::fs::read_to_string(&ran).unwrap_or_default(), "", "something that was planted ran");
    let environment = std::fs::read_to_string(project.root().join("../environment.txt")).unwrap();
    assert!(environment.contains("PATH=") && !environment.contains("secret"), "{environment}");
    // what was planted works: git as others start it runs it
    let plain = |args: &[&str]| {
        let mut git: Command = project.command("git");
        assert!(git.args(args).output().unwrap().status.success(), "git {args:?}");
    };
    plain(&["update-ref", "refs/heads/third", "HEAD"]);
    plain(&["status"]);
    let ran = std::fs::read_to_string(&ran).unwrap();
    assert!(ran.contains("reference-transaction") && ran.contains("monitor"), "{ran}");
}
