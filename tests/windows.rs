//! What is other on Windows: process trees in job objects, names, modes, time stamps. Nothing of it is built elsewhere.
#![cfg(windows)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kaizen_ci::process::{self, End, Spec};
use kaizen_ci::system::{self, MetadataExt as _, OsStrExt as _, PermissionsExt as _};
use tokio_util::sync::CancellationToken;

/// What a process that is started from this program itself has to do.
const ROLE: &str = "WINDOWS_TEST_ROLE";

/// Not a test: what the processes of the tests below are.
#[test]
fn role() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    match role.to_str().unwrap() {
        // somebody who starts somebody, and both stay
        "parent" => {
            let mut child = again("child").spawn().unwrap();
            child.wait().unwrap();
        }
        // somebody who leaves somebody behind
        "leaver" => {
            again("child").spawn().unwrap();
            while !Path::new("beat").exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(5);
        }
        "child" => loop {
            let mut beat = std::fs::File::options().append(true).create(true).open("beat").unwrap();
            std::io::Write::write_all(&mut beat, b".").unwrap();
            std::thread::sleep(Duration::from_millis(20));
        },
        "talker" => {
            for n in 0..20_000 {
                println!("line {n}");
            }
            eprintln!("said");
        }
        other => panic!("{other}"),
    }
}

fn again(role: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "role", "--nocapture"]).env(ROLE, role);
    command
}

fn spec(dir: &Path, argv: Vec<OsString>, role: &str) -> Spec {
    let mut env: BTreeMap<OsString, OsString> = process::environment::clean(std::env::vars_os(), &[]);
    env.insert(ROLE.into(), role.into());
    Spec {
        argv,
        cwd: dir.to_owned(),
        env,
        time_limit: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        stdout: dir.join("out"),
        stderr: dir.join("err"),
        log_cap_bytes: 10_000,
        background: true,
        silence: None,
    }
}

fn me(dir: &Path, role: &str) -> Spec {
    let program = std::env::current_exe().unwrap();
    spec(dir, [program.into(), "--exact".into(), "role".into(), "--nocapture".into()].to_vec(), role)
}

/// Does somebody still write into the file?
fn beats(dir: &Path) -> bool {
    let size = || std::fs::metadata(dir.join("beat")).unwrap().len();
    let before = size();
    std::thread::sleep(Duration::from_millis(300));
    size() > before
}

#[tokio::test]
async fn a_tree_ends_at_its_time_limit_with_everybody_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { time_limit: Duration::from_secs(3), ..me(dir.path(), "parent") };
    let finished = process::run(&spec, &CancellationToken::new()).await.unwrap();
    assert_eq!(finished.end, End::TimedOut);
    assert!(dir.path().join("beat").exists() && !beats(dir.path()));
}

#[tokio::test]
async fn a_cancelled_tree_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, cancel) = (me(dir.path(), "parent"), CancellationToken::new());
    let other = cancel.clone();
    let beat = dir.path().join("beat");
    tokio::spawn(async move {
        while !beat.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other.cancel();
    });
    let began = Instant::now();
    let finished = process::run(&spec, &cancel).await.unwrap();
    assert!(finished.end == End::Cancelled && began.elapsed() < Duration::from_secs(20), "{finished:?}");
    assert!(!beats(dir.path()));
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_ended_and_its_exit_code_stays() {
    let dir = tempfile::tempdir().unwrap();
    let finished = process::run(&me(dir.path(), "leaver"), &CancellationToken::new()).await.unwrap();
    assert_eq!(finished.end, End::Exited(5));
    assert!(!beats(dir.path()));
}

#[tokio::test]
async fn logs_are_capped_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    let spec = me(dir.path(), "talker");
    let finished = process::run(&spec, &CancellationToken::new()).await.unwrap();
    assert_eq!(finished.end, End::Exited(0));
    let out = std::fs::read_to_string(&spec.stdout).unwrap();
    assert!(finished.stdout_bytes > 100_000 && out.len() < 11_000, "{} of {}", out.len(), finished.stdout_bytes);
    assert!(out.contains("line 0") && out.contains(process::DROPPED) && out.contains("line 19999"), "{out}");
    assert!(std::fs::read_to_string(&spec.stderr).unwrap().contains("said"));
}

#[tokio::test]
async fn programs_are_found_by_all_their_endings_and_missing_ones_are_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tool.cmd"), "@exit /b 7\r\n").unwrap();
    let run = |name: &str| {
        let mut spec = spec(dir.path(), vec![name.into()], "");
        spec.env.insert("PATH".into(), dir.path().into());
        async move { process::run(&spec, &CancellationToken::new()).await.unwrap().end }
    };
    assert_eq!(run("tool").await, End::Exited(7));
    assert_eq!(run("no-such-program").await, End::NotFound);
}

#[test]
fn the_path_has_one_name_whatever_windows_calls_it() {
    let env = process::environment::clean([(OsString::from("Path"), OsString::from("C:\\x"))], &[]);
    assert_eq!(env.get(OsStr::new("PATH")).unwrap(), "C:\\x");
}

#[test]
fn only_what_windows_can_name_is_a_file() {
    for good in ["a.py", "src/länge.rs", "console.js", "com10/x", ".gitignore", "a b/c"] {
        assert!(system::can_name(good.as_bytes()), "{good}");
    }
    for bad in ["a\\b", "C:x", "a:b", "nul", "src/AUX.py", "com1", "lpt9.txt", "x.", "x /y", "a?b", "a\tb"] {
        assert!(!system::can_name(bad.as_bytes()), "{bad}");
    }
    assert!(!system::can_name(b"\xff.py"));
    assert!(std::fs::write(Path::new(OsStr::from_bytes(b"\xff.py")), "").is_err());
}

#[test]
fn places_are_written_as_programs_write_them() {
    let dir = tempfile::tempdir().unwrap();
    let place = system::canonical(dir.path()).unwrap();
    assert!(!place.to_str().unwrap().starts_with("\\\\?\\"), "{}", place.display());
    assert!(place.join("x/../x").parent().is_some() && place.is_dir());
    assert_eq!(system::native(PathBuf::from("C:/x/y")).to_str(), Some("C:\\x\\y"));
    assert_eq!(system::git_bytes(Path::new("C:\\x\\y")), b"C:/x/y");
    let all = system::spellings(Path::new("C:\\x")).into_iter().map(|s| String::from_utf8(s).unwrap());
    assert_eq!(all.collect::<Vec<_>>(), ["C:/x", "C:\\\\x", "C:\\x"]);
    assert_eq!(system::as_module(Path::new("C:\\a b\\x.mjs")).to_str(), Some("file:///C:/a%20b/x.mjs"));
    assert_eq!(system::path_of_url("/C:/x/y"), Path::new("C:\\x\\y"));
}

#[test]
fn stat_data_and_modes_are_as_git_for_windows_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a");
    std::fs::write(&file, "x").unwrap();
    let meta = std::fs::metadata(&file).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    assert!((now - meta.mtime()).abs() < 60 && (now - meta.ctime()).abs() < 60, "{} {now}", meta.mtime());
    assert_eq!((meta.mode(), meta.size()), (0o100_644, 1));
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_700);
    system::set_modified(&file, time).unwrap();
    let meta = std::fs::metadata(&file).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_700_000_000, 123_456_700));
    system::set_modified(dir.path(), time).unwrap();
    system::set_mode(&file, 0o444).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode(), 0o444);
    system::set_mode(&file, 0o644).unwrap();
    std::fs::write(&file, "y").unwrap();
    assert!(system::free_bytes(dir.path()).unwrap() > 0);
}
