//! The fence around code under test, on this machine: privileges, other processes, what candidates of a search import.
#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kaizen_ci::fixer::mutate::probe::node::NodeProbe;
use kaizen_ci::fixer::mutate::probe::python::PythonProbe;
use kaizen_ci::fixer::mutate::probe::{Ask, Change, Probe};
use kaizen_ci::fixer::suggest::Suggest;
use kaizen_ci::lab::Confinement;
use kaizen_ci::process::{self, sandbox};
use kaizen_ci::suite::Runner;

use crate::case::{Bench, pytest, suite};
use crate::project::{Project, has};

#[test]
fn behind_a_fence_there_are_no_new_privileges_and_no_way_into_other_processes() {
    process::set_supervisor(env!("CARGO_BIN_EXE_kaizen-ci"));
    let fence = process::sandbox::Fence { guarded: true, ..Default::default() };
    // without a supervisor, as a warm runner is started
    let argv = fence.around(["cat", "/proc/self/status"].map(OsString::from).to_vec());
    let said = std::process::Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
    let status = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}{}", String::from_utf8_lossy(&said.stderr));
    if nix::unistd::geteuid().is_root() {
        let word = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
        let held = u64::from_str_radix(word, 16).unwrap();
        // SYS_PTRACE, SYS_ADMIN: into the memory of others
        assert_eq!(held & (1 << 19 | 1 << 21), 0, "{status}");
    }
}

/// A program as somebody who may not read everything: root may, and becomes nobody.
fn as_nobody(program: &Path) -> std::process::Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

/// kaizen-ci where everybody can start it.
fn for_everybody(dir: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.join("kaizen-ci");
    std::fs::copy(env!("CARGO_BIN_EXE_kaizen-ci"), &program).unwrap();
    program
}

/// What somebody of the same name can read of the environment of a process; none: nothing of it.
fn environment_of(pid: u32) -> Option<String> {
    let out = as_nobody(Path::new("cat")).arg(format!("/proc/{pid}/environ")).output().unwrap();
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Waits until a process has closed itself: that is not the first thing that it does.
fn until_closed(pid: u32) -> Option<String> {
    let began = Instant::now();
    while environment_of(pid).is_some() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    environment_of(pid)
}

#[test]
fn others_can_t_read_our_environment() {
    let dir = tempfile::tempdir().unwrap();
    let program = for_everybody(dir.path());
    let start = |program: &Path, args: &[&str]| {
        let mut command = as_nobody(program);
        command.args(args).current_dir("/").env_clear().env("SECRET_OF_OURS", "x").env("KAIZEN_SKIP", "1");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    // it waits for the refs that git tells a hook
    let (mut ours, mut plain) = (start(&program, &["hook", "run"]), start(Path::new("cat"), &[]));
    let seen = (until_closed(ours.id()), environment_of(plain.id()));
    assert!(ours.try_wait().unwrap().is_none(), "it is gone already");
    for child in [&mut ours, &mut plain] {
        child.stdin = None;
        let _ = child.wait();
    }
    assert_eq!(seen.0, None);
    assert!(seen.1.unwrap().contains("SECRET_OF_OURS"), "of a program that does nothing about it");
}

#[test]
fn the_supervisor_of_a_command_can_t_be_looked_into_nor_traced_by_it() {
    let dir = tempfile::tempdir().unwrap();
    // it waits for what it is to run
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = as_nobody(&for_everybody(dir.path()));
    command.arg("__tree").current_dir("/").env_clear().stdin(std::os::fd::OwnedFd::from(theirs));
    let mut supervisor = command.spawn().unwrap();
    drop(command);
    let seen = until_closed(supervisor.id());
    let status = std::fs::read_to_string(format!("/proc/{}/status", supervisor.id())).unwrap();
    assert!(supervisor.try_wait().unwrap().is_none(), "it is gone already");
    drop(ours);
    let _ = supervisor.wait();
    assert_eq!(seen, None);
    // and what it starts has no more rights than it has itself
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
}

/// A folder that is fenced off, with a file in it: outside of those for temporary files, which everybody may write.
fn outside() -> Option<(tempfile::TempDir, PathBuf)> {
    if sandbox::can().landlock.is_none() {
        eprintln!("skipped: this kernel has no Landlock");
        return None;
    }
    let is_fenced = |folder: &Path| !["/tmp", "/var/tmp", "/dev/shm"].iter().any(|open| folder.starts_with(open));
    let places = [Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))), std::env::var_os("HOME").map(PathBuf::from)];
    let Some(place) = places.into_iter().flatten().find(|place| is_fenced(place)) else {
        eprintln!("skipped: there is no folder outside of those for temporary files");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("kaizen-outside-").tempdir_in(place).unwrap();
    let victim = folder.path().join("runner_file");
    std::fs::write(&victim, "as it was\n").unwrap();
    Some((folder, victim))
}

/// What a test tries on the folders beside its own, and on the user's git.
const NEIGHBOUR_SPY: &str = "import os, pathlib, subprocess, tempfile


def attempt(do):
    try:
        do()
        return 'done'
    except OSError as error:
        return error.strerror


def test_spy():
    here = pathlib.Path.cwd()
    beside = [path for path in here.parent.iterdir() if path.is_dir() and path != here and path.name not in ('tmp', 'git')]
    tries = [attempt(lambda: (path / 'planted').write_text('x')) for path in [here.parent, *beside]]
    # A workspace that was removed between the two lines is no neighbour any more.
    tries = [said for said, path in zip(tries, [here.parent, *beside]) if path.is_dir()]
    config = attempt(lambda: pathlib.Path(os.environ['HOME'], '.gitconfig').read_text())
    included = attempt(lambda: pathlib.Path(os.environ['HOME'], 'work.config').read_text())
    name = subprocess.run(['git', 'config', '--global', 'user.name'], capture_output=True, text=True).stdout.strip()
    mail = subprocess.run(['git', 'config', '--global', 'user.email', 'a@b.c']).returncode
    temporary = attempt(lambda: tempfile.mkstemp())
    line = f'{len(beside)}|{sorted(set(tries))}|{config}|{included}|{name}|{mail}|{temporary}'
    with open('SEEN', 'a') as seen:
        seen.write(line + '\\n')
    assert False
";

#[test]
fn tests_change_nothing_beside_their_workspace_and_see_a_git_without_logins() {
    if sandbox::can().landlock.is_none() {
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let project = Project::empty();
    let seen = project.tmp().join("../seen.txt");
    std::fs::write(&seen, "").unwrap();
    let home = project.tmp().join("../home");
    std::fs::write(home.join(".gitconfig"), "[include]\n\tpath = work.config\n").unwrap();
    std::fs::write(home.join("work.config"), "[url \"https://x:token@y/\"]\n\tinsteadOf = y\n").unwrap();
    project.git(&["config", "user.name", "Ada"]);
    project.write("test_spy.py", &NEIGHBOUR_SPY.replace("SEEN", seen.to_str().unwrap()));
    project.commit("Spy");
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(["heal", "--dry-run", "--max-tier", "1", "--time-limit", "15s"]).env("KAIZEN_SANDBOX", "true");
    let out = command.output().unwrap();
    let found = std::fs::read_to_string(&seen).unwrap();
    assert!(!found.is_empty(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let no = "Permission denied";
    for line in found.lines() {
        let (beside, rest) = line.split_once('|').unwrap();
        assert!(beside.parse::<usize>().unwrap() >= 2, "{line}");
        assert_eq!(rest, format!("['{no}']|{no}|{no}|Ada|0|done"), "{line}");
    }
}

const FENCED: Confinement = Confinement { files: true, offline: false, guarded: true };

/// What each import of the module said of itself, one line each.
fn seen(at: &Path) -> Vec<String> {
    std::fs::read_to_string(at).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Tries the module as it is and changed, asks for whole runs too, and stops.
async fn try_out(probe: &dyn Probe, path: &str, text: &str) {
    for ask in [Ask::Quick, Ask::Patient] {
        let change = Change { path: path.into(), text: format!("{text}\n") };
        let probed = probe.probe(0, &[change], ask).await.unwrap();
        assert!(!probed.still_red.is_empty(), "{probed:?}");
    }
    probe.stop().await;
}

const SPY_PY: &str = "\
import os, pathlib, sys

def attempt(do):
    try:
        return str(do())
    except OSError as error:
        return error.strerror

found = [
    'warm' if any('warm_python' in str(a) for a in sys.argv + [getattr(sys.modules['__main__'], '__file__', '')]) else 'cold',
    attempt(lambda: pathlib.Path('VICTIM').write_text('planted')),
    attempt(lambda: pathlib.Path('/proc/PARENT/environ').read_bytes() and 'read'),
]
with open('SEEN', 'a') as file:
    file.write('|'.join(found) + '\\n')


def last(items):
    return items[0]
";

const SPY_JS: &str = "\
import fs from 'node:fs';

function attempt(work) {
  try { return String(work()); } catch (error) { return error.code; }
}

const found = [
  process.argv.concat(process.execArgv).some((a) => a.includes('vm-modules')) ? 'warm' : 'cold',
  attempt(() => fs.writeFileSync('VICTIM', 'planted')),
  attempt(() => fs.readFileSync('/proc/PARENT/environ') && 'read'),
];
fs.appendFileSync('SEEN', found.join('|') + '\\n');

export function last(items) { return items[0]; }
";

/// A project whose module looks around when it is imported; where it writes what it saw.
fn spying(project: &Project, path: &str, text: &str, victim: &Path) -> (String, PathBuf) {
    let seen = project.tmp().join("seen.txt");
    let text = text
        .replace("VICTIM", victim.to_str().unwrap())
        .replace("SEEN", seen.to_str().unwrap())
        .replace("PARENT", &std::process::id().to_string());
    project.write(path, &text);
    (text, seen)
}

fn assert_fenced(lines: &[String], refused: &str, victim: &Path) {
    let warm: Vec<_> = lines.iter().filter(|line| line.starts_with("warm|")).collect();
    assert!(!warm.is_empty(), "no warm runner imported it: {lines:?}");
    for line in warm {
        assert_eq!(*line, format!("warm|{refused}|{refused}"));
    }
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "as it was\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_candidate_imports_is_behind_the_fence_in_a_warm_python_runner_too() {
    let Some((_folder, victim)) = outside() else { return };
    let project = Project::empty();
    let (text, at) = spying(&project, "program.py", SPY_PY, &victim);
    project.write("test_program.py", "from program import last\n\n\ndef test_last():\n    assert last([1, 2]) == 2\n");
    project.commit("Spy");
    let bench = Bench::confined(&project, pytest(), None, FENCED).await;
    let probe = PythonProbe::start(&bench.case).await.unwrap();
    try_out(&probe, "program.py", &text).await;
    assert_fenced(&seen(&at), "Permission denied", &victim);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_candidate_imports_is_behind_the_fence_in_a_warm_node_runner_too() {
    let Some((_folder, victim)) = outside() else { return };
    if !has("node") {
        return;
    }
    let project = Project::empty();
    let (text, at) = spying(&project, "program.mjs", SPY_JS, &victim);
    project.write(
        "program.test.mjs",
        "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { last } from './program.mjs';\n\
         test('last', () => assert.equal(last([1, 2]), 2));\n",
    );
    project.commit("Spy");
    let bench = Bench::confined(&project, suite("node --test", Runner::NodeTest), None, FENCED).await;
    let probe = NodeProbe::start(&bench.case, &Default::default()).await.unwrap();
    try_out(&probe, "program.mjs", &text).await;
    assert_fenced(&seen(&at), "EACCES", &victim);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_script_does_is_behind_the_fence_also_where_only_the_compiler_is_asked() {
    let Some((_folder, victim)) = outside() else { return };
    let project = Project::empty();
    let seen_at = project.tmp().join("seen.txt");
    let script = format!(
        "use std::io::Write;\n\nfn main() {{\n    let tried = match std::fs::write({victim:?}, \"planted\") {{\n        \
         Ok(()) => \"written\".to_owned(),\n        Err(error) => format!(\"{{:?}}\", error.kind()),\n    }};\n    \
         let mut file = std::fs::OpenOptions::new().create(true).append(true).open({seen_at:?}).unwrap();\n    \
         writeln!(file, \"{{tried}}\").unwrap();\n}}\n"
    );
    project.write("build.rs", &script);
    project.write("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    project.write(
        "src/lib.rs",
        "pub fn total(items: &[u32]) -> u32 {\n    itmes.iter().sum()\n}\n\n#[test]\nfn sums() {\n    \
         assert_eq!(total(&[1, 2]), 3);\n}\n",
    );
    project.write(".gitignore", "target\nCargo.lock\n");
    project.commit("Spy");
    let bench = Bench::confined(&project, suite("cargo test --offline", Runner::CargoTest), None, FENCED).await;
    let before = seen(&seen_at).len();
    let _ = bench.propose(&Suggest).await;
    let lines = seen(&seen_at);
    assert!(lines.len() > before, "the compiler was not asked: {lines:?}");
    assert!(lines.iter().all(|line| line == "PermissionDenied"), "{lines:?}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was\n");
}

/// What code under test gets of the environment of those who started it.
const LOOK: &str = "\
import os, pathlib

def test_look():
    found, pid = '', os.getpid()
    while pid > 1:
        try:
            found += pathlib.Path(f'/proc/{pid}/environ').read_bytes().decode(errors='replace')
        except OSError:
            pass
        pid = int(pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[1])
    pathlib.Path('SEEN').write_text('leaked' if 'OURS_SECRET=hunter2' in found else 'kept')
";

#[test]
fn doctor_says_of_the_environment_of_parents_what_a_test_finds() {
    let project = Project::empty();
    // beside the folder that the run's is in, which tests may not write in as a whole
    let seen = project.tmp().join("../home/seen.txt");
    project.write("test_look.py", &LOOK.replace("SEEN", seen.to_str().unwrap()));
    project.commit("Look");
    let kaizen = |args: &[&str], sandbox: Option<&str>| {
        let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.args(args).env("OURS_SECRET", "hunter2").envs(sandbox.map(|value| ("KAIZEN_SANDBOX", value)));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let leaks = |sandbox: Option<&str>| {
        let _ = std::fs::remove_file(&seen);
        kaizen(&["heal", "--dry-run", "--json"], sandbox);
        std::fs::read_to_string(&seen).unwrap() == "leaked"
    };
    let said: serde_json::Value = serde_json::from_str(&kaizen(&["doctor", "--json"], None)).unwrap();
    let check = said["checks"].as_array().unwrap().iter().find(|check| check["name"] == "sandbox").unwrap();
    let words = check["found"].as_str().unwrap();
    let open = leaks(None);
    assert_eq!(words.contains("memory and environment can be read"), open, "{words}");
    assert_eq!(words.contains("memory and environment can't be read"), !open, "{words}");
    if sandbox::can().landlock.is_some() {
        let behind = leaks(Some("true"));
        assert!(!behind, "behind the fence it leaks");
        assert_eq!(words.contains("but not with `sandbox: true`"), open, "{words}");
    }
}

#[test]
fn a_coding_agent_is_behind_the_same_fence_around_files_and_keeps_its_network() {
    if sandbox::can().landlock.is_none() {
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let Some((_folder, victim)) = outside() else { return };
    let project = Project::fixture("py-bounds");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let agent = format!(
        "python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 2)\"; echo planted > {}; \
         sed -i 's/low < high/low <= high/' search.py",
        victim.display()
    );
    project.write(".kaizen.yml", &format!("agents:\n  - name: mine\n    cmd: {agent:?}\n"));
    let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
    command.args(["heal", "--json", "--fixers", "command", "--dry-run", "--max-tier", "1"]);
    let out = command.env("GITHUB_ACTIONS", "true").output().unwrap();
    assert_eq!(out.status.code(), Some(10), "{}", String::from_utf8_lossy(&out.stdout));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was\n");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_ok(), "an agent without a network can ask nobody");
}
