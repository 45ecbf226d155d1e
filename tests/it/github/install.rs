//! Installing: the program that the Action downloads is the one whose hash is in the list, and the workflows that `init`
//! writes are complete.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use sha2::Digest as _;

use crate::project::{Project, has};

/// Serves `body` for every request until dropped; the address.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(3) {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        }
    });
    url
}

/// A folder like this repository's, with one released version in its list.
fn action_folder(project: &Project, list: &str) -> std::path::PathBuf {
    let folder = project.tmp().join("../action");
    std::fs::create_dir_all(folder.join("release")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), "[package]\nname = \"kaizen-ci\"\nversion = \"9.9.9\"\n").unwrap();
    std::fs::write(folder.join("release/checksums.txt"), list).unwrap();
    folder
}

fn program(project: &Project, folder: &Path, releases: &str) -> (bool, String, String) {
    program_on("Linux", project, folder, releases)
}

/// Puts a program of this name on the PATH of [`program`].
fn on_path(project: &Project, name: &str, text: &str) {
    let bin = project.tmp().join("../bin");
    std::fs::create_dir_all(&bin).unwrap();
    let path = bin.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

fn program_on(system: &str, project: &Project, folder: &Path, releases: &str) -> (bool, String, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/action-program.sh");
    let outputs = project.tmp().join("../outputs");
    let _ = std::fs::remove_file(&outputs);
    // no kaizen-ci and no cargo here
    let bin = project.tmp().join("../bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["bash", "sed", "head", "awk", "mktemp", "curl", "tar", "gzip", "rm", "mkdir", "cut", "sha256sum"] {
        let found =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|p| p.join(name)).find(|p| p.exists());
        let _ = std::os::unix::fs::symlink(found.unwrap(), bin.join(name));
    }
    let out = project
        .command("bash")
        .arg(script)
        .env("PATH", &bin)
        .env("KAIZEN_SOURCE", folder)
        .env("KAIZEN_RELEASES", releases)
        .env("RUNNER_OS", system)
        .env("RUNNER_ARCH", "X64")
        .env("GITHUB_OUTPUT", &outputs)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.success(), said, std::fs::read_to_string(outputs).unwrap_or_default())
}

/// A released archive.
fn archive(project: &Project, program: &str) -> Vec<u8> {
    let folder = project.tmp().join("../release");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(program), "#!/bin/sh\necho released\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join(program), executable).unwrap();
    let tar = folder.join("x.tar.gz");
    let out = project.command("tar").arg("-czf").arg(&tar).arg("-C").arg(&folder).arg(program).output().unwrap();
    assert!(out.status.success());
    std::fs::read(tar).unwrap()
}

#[test]
fn a_downloaded_program_is_run_only_when_its_hash_is_in_the_list() {
    if !has("curl") || !has("bash") {
        return;
    }
    let project = Project::empty();
    let archive = archive(&project, "kaizen-ci");
    let hash = hex::encode(sha2::Sha256::digest(&archive));
    let name = "v9.9.9/kaizen-ci-x86_64-unknown-linux-musl.tar.gz";
    let folder = action_folder(&project, &format!("# comment\n{hash}  {name}\n"));
    let (ok, said, outputs) = program(&project, &folder, &serve(archive.clone()));
    assert!(ok && said.contains("downloaded version 9.9.9"), "{said}");
    let path = outputs.trim().strip_prefix("program=").unwrap().to_owned();
    assert!(std::fs::read_to_string(&path).unwrap().contains("echo released"));
    std::fs::remove_file(&path).unwrap();
    // one that was changed on its way
    let mut other = archive;
    other.push(0);
    let (ok, said, outputs) = program(&project, &folder, &serve(other));
    assert!(!ok && said.contains("it is not run"), "{said}");
    assert!(outputs.is_empty() && !Path::new(&path).exists(), "{outputs}");
}

#[test]
fn a_program_on_the_path_is_taken_when_it_is_of_this_version_and_no_other_is() {
    if !has("curl") || !has("bash") {
        return;
    }
    let project = Project::empty();
    let folder = action_folder(&project, "# nothing was released\n");
    for (text, taken) in [
        ("#!/bin/bash\necho kaizen-ci 9.9.9\n", true),
        ("#!/bin/bash\necho 'kaizen-ci 9.9.9 (0123abc)'\n", true),
        ("#!/bin/bash\necho kaizen-ci 9.9.99\n", false),
        ("#!/bin/bash\necho kaizen-ci 9.9.8\n", false),
        ("#!/bin/bash\nexit 3\n", false),
    ] {
        on_path(&project, "kaizen-ci", text);
        let (ok, said, outputs) = program(&project, &folder, "http://127.0.0.1:9");
        assert_eq!(ok && outputs.contains("/bin/kaizen-ci"), taken, "{text}: {said}");
        assert_eq!(said.contains("is not version 9.9.9"), !taken, "{text}: {said}");
    }
}

#[test]
fn a_release_that_can_t_be_unpacked_is_not_said_to_be_there() {
    if !has("curl") || !has("bash") {
        return;
    }
    let project = Project::empty();
    let archive = archive(&project, "something-else");
    let hash = hex::encode(sha2::Sha256::digest(&archive));
    let name = "v9.9.9/kaizen-ci-x86_64-unknown-linux-musl.tar.gz";
    let folder = action_folder(&project, &format!("{hash}  {name}\n"));
    let (ok, said, outputs) = program(&project, &folder, &serve(archive));
    assert!(!ok && !said.contains("downloaded version") && said.contains("has no program"), "{said}");
    assert!(outputs.is_empty(), "{outputs}");
    // it is built instead, where that can be
    on_path(&project, "cargo", "#!/bin/bash\nmkdir -p \"${@: -1}/bin\"\n");
    let archive = self::archive(&project, "something-else");
    let hash = hex::encode(sha2::Sha256::digest(&archive));
    let folder = action_folder(&project, &format!("{hash}  {name}\n"));
    let (_, said, _) = program(&project, &folder, &serve(archive));
    assert!(said.contains("building kaizen-ci from source") && said.contains("built from source"), "{said}");
}

#[test]
fn on_a_windows_runner_the_program_of_windows_is_downloaded() {
    if !has("curl") || !has("bash") {
        return;
    }
    let project = Project::empty();
    let archive = archive(&project, "kaizen-ci.exe");
    let hash = hex::encode(sha2::Sha256::digest(&archive));
    let name = "v9.9.9/kaizen-ci-x86_64-pc-windows-msvc.tar.gz";
    let folder = action_folder(&project, &format!("{hash}  {name}\n"));
    let (ok, said, outputs) = program_on("Windows", &project, &folder, &serve(archive));
    assert!(ok && said.contains("downloaded version 9.9.9"), "{said}");
    let path = outputs.trim().strip_prefix("program=").unwrap();
    assert!(path.ends_with("/kaizen-ci.exe") && Path::new(path).is_file(), "{outputs}");
}

#[test]
fn without_a_release_it_is_built_from_source_and_says_so() {
    if !has("curl") || !has("bash") {
        return;
    }
    let project = Project::empty();
    let folder = action_folder(&project, "# nothing was released\n");
    let (ok, said, _) = program(&project, &folder, "http://127.0.0.1:9");
    assert!(!ok && said.contains("building kaizen-ci from source") && said.contains("install Rust"), "{said}");
    let hash = "0".repeat(64);
    let listed = format!("{hash}  v9.9.9/kaizen-ci-x86_64-unknown-linux-musl.tar.gz\n");
    let folder = action_folder(&project, &listed);
    let (_, said, _) = program(&project, &folder, "http://127.0.0.1:9");
    assert!(said.contains("can't be downloaded") && said.contains("from source"), "{said}");
}

#[test]
fn the_action_binstall_and_the_release_name_the_same_files() {
    let read = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (script, release, manifest) =
        (read("scripts/action-program.sh"), read(".github/workflows/release.yml"), read("Cargo.toml"));
    let targets = |text: &str, before: &str, after: char| -> std::collections::BTreeSet<String> {
        text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().trim().to_owned()).collect()
    };
    let mut asked = targets(&script, " target=", ' ');
    asked.remove("none");
    let asked: std::collections::BTreeSet<_> =
        asked.iter().map(|t| t.trim_end_matches(";;").trim().to_owned()).collect();
    assert_eq!(asked, targets(&release, "- { target: ", ','));
    assert!(script.contains("file=\"kaizen-ci-$target.tar.gz\"") && release.contains("kaizen-ci-$TARGET.tar.gz"));
    assert!(manifest.contains("/releases/download/v{ version }/kaizen-ci-{ target }.tar.gz"));
}

#[test]
fn doctor_says_on_the_spot_what_is_missing_on_github() {
    let fake = super::fake::Fake::start();
    let project = Project::fixture("py-bounds-regressed");
    let doctor = |token: &str| {
        let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.args(["doctor", "--github"]).env("GITHUB_REPOSITORY", "octo/shop").env("GITHUB_API_URL", &fake.url);
        command.env("GITHUB_SERVER_URL", &fake.url).env("GITHUB_TOKEN", token);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let said = doctor(super::fake::TOKEN);
    assert!(said.contains("it sees octo/shop") && said.contains("Actions may create them"), "{said}");
    assert!(said.contains("no workflow uses kaizen-ci"), "{said}");
    assert!(said.contains("Approval for running fork pull request workflows"), "{said}");
    assert!(project.kaizen(&["init", "--github", "--form", "two-jobs,comments,after-ci"]).status.success());
    fake.state().may_make_pulls = false;
    fake.state().approval = "all_external_contributors";
    let said = doctor(super::fake::TOKEN);
    assert!(said.contains("Allow GitHub Actions to create and approve pull requests"), "{said}");
    assert!(said.contains("kaizen.yml: permissions and checkout are as they should be"), "{said}");
    assert!(said.contains("each of their pull requests waits for an approval"), "{said}");
    // nothing of it was pushed yet, and what it is to go behind is not there
    assert!(said.contains("kaizen-comments.yml is not on `main`"), "{said}");
    assert!(said.contains("kaizen-after-ci.yml waits for the workflow `ci`, and none here"), "{said}");
    project.git(&["add", "-A"]);
    project.git(&["commit", "-q", "-m", "Heal"]);
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    let said = doctor(super::fake::TOKEN);
    assert!(!said.contains("is not on `main`"), "{said}");
    assert!(doctor("ghs_wrong").contains("wrong or has expired"));
    assert!(!doctor(super::fake::TOKEN).contains(super::fake::TOKEN));
    // doctor's own token is nothing that heal needs
    let said = doctor("");
    assert!(said.contains("there is none to ask octo/shop with") && !said.contains("can't work here"), "{said}");
    // without an answer that is said once, and not taken for a right that is missing
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(["doctor", "--github"]).env("GITHUB_REPOSITORY", "octo/shop").env("GITHUB_TOKEN", super::fake::TOKEN);
    command.env("GITHUB_API_URL", "http://127.0.0.1:9").env("GITHUB_SERVER_URL", "http://127.0.0.1:9");
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(said.matches("no answer").count(), 1, "{said}");
    assert!(!said.contains("administrator"), "{said}");
    fake.assert_as_described();
}

#[test]
fn init_writes_workflows_and_never_over_what_is_there() {
    let project = Project::fixture("py-bounds-regressed");
    project.write(".github/workflows/tests.yml", "name: unit tests\n");
    project.write(".github/workflows/kaizen-step.yml", "mine\n");
    let out = project.kaizen(&["init", "--github", "--form", "all"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(project.read(".github/workflows/kaizen-step.yml"), "mine\n");
    assert!(said.contains("left alone") && said.contains("Allow GitHub Actions to create"), "{said}");
    for (name, part) in [
        ("kaizen.yml", "pytest"),
        ("kaizen-comments.yml", "issue_comment"),
        ("kaizen-after-ci.yml", "[\"unit tests\"]"),
        ("kaizen.yml", "branches: [\"main\"]"),
    ] {
        let text = project.read(&format!(".github/workflows/{name}"));
        assert!(text.contains(part), "{name}:\n{text}");
    }
    let before = project.read(".github/workflows/kaizen.yml");
    project.write(".github/workflows/kaizen.yml", "changed by hand\n");
    assert!(project.kaizen(&["init", "--github"]).status.success());
    assert_eq!(project.read(".github/workflows/kaizen.yml"), "changed by hand\n");
    assert!(before.contains("name: tests, healed"));
}
