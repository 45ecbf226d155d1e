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
    assert!(project.kaizen(&["init", "--github"]).status.success());
    fake.state().may_make_pulls = false;
    let said = doctor(super::fake::TOKEN);
    assert!(said.contains("Allow GitHub Actions to create and approve pull requests"), "{said}");
    assert!(said.contains("kaizen.yml: permissions and checkout are as they should be"), "{said}");
    assert!(doctor("ghs_wrong").contains("wrong or has expired"));
    assert!(!doctor(super::fake::TOKEN).contains(super::fake::TOKEN));
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
    ] {
        let text = project.read(&format!(".github/workflows/{name}"));
        assert!(text.contains(part), "{name}:\n{text}");
        // every permission and every choice has its reason beside it
        for line in text.lines().filter(|line| line.contains(": write") || line.contains(": read")) {
            assert!(line.contains(" # "), "{name}: {line}");
        }
    }
    let before = project.read(".github/workflows/kaizen.yml");
    project.write(".github/workflows/kaizen.yml", "changed by hand\n");
    assert!(project.kaizen(&["init", "--github"]).status.success());
    assert_eq!(project.read(".github/workflows/kaizen.yml"), "changed by hand\n");
    assert!(before.contains("name: tests, healed"));
}
