//! Running commands under the real supervisor: nothing of a tree is ever left, and nothing of a result is made up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use kaizen_ci::process::{self, End, Finished, Spec};
use tokio_util::sync::CancellationToken;

fn spec(dir: &Path, argv: &[&str]) -> Spec {
    process::set_supervisor(env!("CARGO_BIN_EXE_kaizen-ci"));
    let path = std::env::var_os("PATH").unwrap();
    // a value of its own, by which everything that the command starts can be found
    let marker = OsString::from(dir);
    Spec {
        argv: argv.iter().map(OsString::from).collect(),
        cwd: dir.to_owned(),
        env: BTreeMap::from([("PATH".into(), path), ("MARKER".into(), marker)]),
        time_limit: Duration::from_secs(20),
        grace: Duration::from_millis(200),
        stdout: dir.join("out"),
        stderr: dir.join("err"),
        log_cap_bytes: 1024 * 1024,
        background: false,
        silence: None,
    }
}

fn shell(dir: &Path, script: &str) -> Spec {
    spec(dir, &["sh", "-c", script])
}

/// A suite of `fixtures/hostile`.
fn hostile(dir: &Path, script: &str, argument: &str) -> Spec {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hostile").join(script);
    spec(dir, &["python3", script.to_str().unwrap(), argument])
}

#[tokio::main]
async fn run(spec: &Spec) -> Finished {
    process::run(spec, &CancellationToken::new()).await.unwrap()
}

/// Runs and cancels as soon as the command has made the file `ready`; how long the cancellation took.
#[tokio::main]
async fn run_and_cancel(spec: &Spec) -> (Finished, Duration) {
    let (cancel, ready) = (CancellationToken::new(), spec.cwd.join("ready"));
    let canceller = {
        let cancel = cancel.clone();
        async move {
            while !ready.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
            Instant::now()
        }
    };
    let (finished, at) = tokio::join!(process::run(spec, &cancel), canceller);
    (finished.unwrap(), at.elapsed())
}

/// Living processes that carry the marker of `dir` in their environment.
fn left(dir: &Path) -> Vec<i32> {
    let marker = format!("MARKER={}", dir.display());
    process::table::all()
        .into_iter()
        .filter(|row| row.state != 'Z')
        .filter(|row| {
            let environment = std::fs::read(format!("/proc/{}/environ", row.pid)).unwrap_or_default();
            environment.split(|b| *b == 0).any(|var| var == marker.as_bytes())
        })
        .map(|row| row.pid)
        .collect()
}

fn assert_none_left(dir: &Path) {
    assert_eq!(left(dir), Vec::<i32>::new(), "processes that are left");
}

fn out(dir: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(dir.join("out")).unwrap()).into_owned()
}

#[test]
fn a_command_ends_with_its_own_code_and_both_streams_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let finished = run(&shell(dir.path(), "echo one; echo two >&2; exit 7"));
    assert_eq!(finished.end, End::Exited(7));
    assert_eq!((finished.stdout_bytes, finished.stderr_bytes), (4, 4));
    assert_eq!(out(dir.path()), "one\n");
    assert_eq!(std::fs::read(dir.path().join("err")).unwrap(), b"two\n");
}

#[test]
fn the_ways_in_which_a_command_can_end_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data"), "not a program").unwrap();
    let end = |argv: &[&str]| run(&spec(dir.path(), argv)).end;
    assert_eq!(end(&["true"]), End::Exited(0));
    assert_eq!(end(&["sh", "-c", "exit 127"]), End::Exited(127));
    assert_eq!(end(&["sh", "-c", "kill -SEGV $$"]), End::Signaled(11));
    assert_eq!(end(&["sh", "-c", "kill -40 $$"]), End::Signaled(40), "a real-time signal");
    assert_eq!(end(&["no-such-program-here"]), End::NotFound);
    assert_eq!(end(&["./no-such-program-here"]), End::NotFound);
    assert_eq!(end(&["./data"]), End::NotStarted);
}

#[test]
fn the_command_gets_exactly_the_given_environment_an_empty_stdin_and_a_clean_state() {
    let dir = tempfile::tempdir().unwrap();
    let said = |argv: &[&str]| {
        run(&spec(dir.path(), argv));
        out(dir.path())
    };
    let environment = said(&["env"]);
    let names: Vec<_> = environment.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(names, ["MARKER", "PATH"]);
    assert_eq!(said(&["cat"]), "", "standard input is empty");
    let status = said(&["cat", "/proc/self/status"]);
    assert!(status.contains("SigBlk:\t0000000000000000\n") && status.contains("NoNewPrivs:\t1\n"), "{status}");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1 << 12, 0, "a broken pipe ends a program: {status}");
    assert_eq!(said(&["ls", "/proc/self/fd"]), "0\n1\n2\n3\n", "only the folder itself beside the three");
    let stat = process::table::parse_stat(said(&["cat", "/proc/self/stat"]).as_bytes()).unwrap();
    assert_eq!((stat.session, stat.group), (stat.pid, stat.pid));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_not_a_missing_program() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell(dir.path(), "true");
    spec.cwd = dir.path().join("nowhere");
    let error =
        tokio::runtime::Runtime::new().unwrap().block_on(process::run(&spec, &CancellationToken::new())).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn a_command_that_hangs_and_ignores_term_ends_with_its_time_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = hostile(dir.path(), "ignores_term.py", "");
    spec.time_limit = Duration::from_millis(1500);
    let started = Instant::now();
    let finished = run(&spec);
    assert_eq!(finished.end, End::TimedOut);
    assert_eq!(out(dir.path()), "started\n");
    assert!(finished.duration >= spec.time_limit + spec.grace, "{finished:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_none_left(dir.path());
}

#[test]
fn a_command_that_hangs_ends_soon_after_it_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let (finished, took) = run_and_cancel(&hostile(dir.path(), "hangs.py", ""));
    assert_eq!((finished.end, out(dir.path()).as_str()), (End::Cancelled, "started\n"));
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert_none_left(dir.path());
}

#[test]
fn a_command_that_ends_at_term_says_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell(dir.path(), "trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done");
    (spec.time_limit, spec.grace) = (Duration::from_millis(300), Duration::from_secs(5));
    let finished = run(&spec);
    assert_eq!((finished.end, out(dir.path()).as_str()), (End::TimedOut, "bye\n"));
    assert!(finished.duration < Duration::from_secs(2));
}

#[test]
fn a_grandchild_that_fled_and_holds_the_pipes_does_not_survive_a_normal_end() {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let finished = run(&hostile(dir.path(), "flees.py", "end"));
    assert_eq!((finished.end, out(dir.path()).as_str()), (End::Exited(0), "done\n"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_none_left(dir.path());
}

#[test]
fn a_grandchild_that_fled_does_not_survive_a_cancellation_which_is_quick() {
    let dir = tempfile::tempdir().unwrap();
    let spec = hostile(dir.path(), "flees.py", "hang");
    let (finished, took) = run_and_cancel(&spec);
    assert_eq!(finished.end, End::Cancelled);
    assert!(took < Duration::from_millis(400), "{took:?}");
    assert_none_left(dir.path());
}

#[test]
fn what_a_pipe_still_holds_in_the_background_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let finished = run(&shell(dir.path(), "(sleep 0.03; echo late) & echo early"));
    assert_eq!((finished.end, out(dir.path()).as_str()), (End::Exited(0), "early\nlate\n"));
}

#[test]
fn a_command_that_forks_while_it_is_killed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (finished, _) = run_and_cancel(&hostile(dir.path(), "swarms.py", ""));
    assert_eq!(finished.end, End::Cancelled);
    assert_none_left(dir.path());
}

#[test]
fn a_command_that_kills_its_supervisor_kills_itself_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let finished = run(&hostile(dir.path(), "flees.py", "kill"));
    assert_eq!(finished.end, End::Signaled(9));
    assert_none_left(dir.path());
}

#[test]
fn a_command_that_stops_its_supervisor_can_be_cancelled_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (finished, took) = run_and_cancel(&hostile(dir.path(), "flees.py", "stop"));
    assert_eq!(finished.end, End::Cancelled);
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_none_left(dir.path());
}

#[test]
fn output_beyond_the_cap_keeps_head_and_tail_and_our_memory_flat() {
    let dir = tempfile::tempdir().unwrap();
    flood(dir.path(), 64);
}

/// Takes a few seconds and passes a gigabyte through a pipe: `cargo nextest run --run-ignored all gigabyte`.
#[test]
#[ignore = "moves a gigabyte"]
fn a_gigabyte_of_output_passes_in_seconds_with_flat_memory() {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    flood(dir.path(), 1024);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

fn flood(dir: &Path, mebibytes: u64) {
    let mut spec = hostile(dir, "floods.py", &mebibytes.to_string());
    spec.time_limit = Duration::from_secs(60);
    let before = peak_memory_kib();
    let finished = run(&spec);
    assert_eq!(finished.end, End::Exited(0));
    assert_eq!(finished.stdout_bytes, mebibytes * 1024 * 1024 + "first\nlast\n".len() as u64);
    let text = out(dir);
    assert!(text.len() as u64 <= spec.log_cap_bytes + 100);
    assert!(text.starts_with("first\na line of output, 32 bytes long\n") && text.ends_with("\nlast\n"));
    assert_eq!(text.lines().filter(|line| line.starts_with(process::DROPPED)).count(), 1);
    let grown = peak_memory_kib() - before;
    assert!(grown < 16 * 1024, "peak memory grew by {grown} KiB");
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn bytes_that_are_not_utf8_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    run(&hostile(dir.path(), "babbles.py", ""));
    assert_eq!(std::fs::read(dir.path().join("out")).unwrap(), b"a\xff\x00\x80b\xf0\x9f\n");
}

#[test]
fn a_command_that_deletes_its_own_folder_ends_as_usual() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = dir.path().join("workspace");
    std::fs::create_dir(&workspace).unwrap();
    let mut spec = hostile(dir.path(), "deletes_itself.py", "");
    spec.cwd = workspace.clone();
    let finished = run(&spec);
    assert_eq!((finished.end, out(dir.path()).as_str()), (End::Exited(5), "gone\n"));
    assert!(!workspace.exists());
}

#[test]
fn both_streams_into_one_file_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell(dir.path(), "for n in 1 2 3; do echo out $n; echo err $n >&2; done");
    spec.stderr = spec.stdout.clone();
    run(&spec);
    assert_eq!(out(dir.path()), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

#[test]
fn a_log_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = shell(dir.path(), "sleep 100");
    spec.stdout = dir.path().join("no/such/folder/out");
    let error =
        tokio::runtime::Runtime::new().unwrap().block_on(process::run(&spec, &CancellationToken::new())).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
    assert_none_left(dir.path());
}

#[test]
fn a_disk_that_fills_up_ends_the_run_with_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = hostile(dir.path(), "hangs.py", "");
    spec.stdout = "/dev/full".into();
    let error =
        tokio::runtime::Runtime::new().unwrap().block_on(process::run(&spec, &CancellationToken::new())).unwrap_err();
    assert!(error.render().contains("free some disk space"), "{error:?}");
    assert_none_left(dir.path());
    spec = shell(dir.path(), "head -c 3000000 /dev/zero");
    spec.stdout = "/dev/null".into();
    assert_eq!(run(&spec).stdout_bytes, 3_000_000);
}

#[test]
fn a_run_that_is_dropped_leaves_nothing_after_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let spec = hostile(dir.path(), "flees.py", "hang");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let cancel = CancellationToken::new();
        let ready = async {
            while !dir.path().join("ready").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = process::run(&spec, &cancel) => panic!("it can't have ended"),
            () = ready => {}
        }
    });
    assert_gone_soon(dir.path());
}

fn assert_gone_soon(dir: &Path) {
    let started = Instant::now();
    while !left(dir).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(3), "still there: {:?}", left(dir));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test of its own: the process that the next test kills. Without its folder it does nothing.
#[test]
#[ignore = "started by another test"]
fn helper_that_runs_until_it_is_killed() {
    let Some(dir) = std::env::var_os("HELPER_DIR") else { return };
    run(&hostile(Path::new(&dir), "flees.py", "hang"));
}

#[test]
fn when_kaizen_ci_is_killed_nothing_of_the_tree_is_left_after_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let name = "process::helper_that_runs_until_it_is_killed";
    let mut killed = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--ignored"])
        .env("HELPER_DIR", dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !dir.path().join("ready").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "the tree did not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(left(dir.path()).len() >= 2, "the command and the one that fled");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_gone_soon(dir.path());
}

#[test]
fn a_run_costs_little_more_than_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path(), &["true"]);
    let fastest = (0..10)
        .map(|_| {
            let started = Instant::now();
            run(&spec);
            started.elapsed()
        })
        .min();
    assert!(fastest < Some(Duration::from_millis(60)), "{fastest:?}");
}

#[tokio::test]
async fn a_command_in_the_background_stands_back_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().trim().parse::<i32>().unwrap();
    let own = number(&std::process::Command::new("nice").output().unwrap().stdout);
    for (background, expected) in [(true, (own + 5).min(19)), (false, own)] {
        let spec = Spec { background, ..shell(dir.path(), "nice") };
        process::run(&spec, &CancellationToken::new()).await.unwrap();
        assert_eq!(number(&std::fs::read(&spec.stdout).unwrap()), expected);
    }
}

#[test]
fn a_command_that_computes_without_a_word_is_cut_and_one_that_talks_sleeps_or_reports_is_not() {
    let loops = "while :; do :; done";
    let talks = "n=0; while [ $n -lt 8 ]; do n=$((n+1)); timeout 0.3 sh -c 'while :; do :; done'; echo; done";
    let reports =
        "sh -c 'while :; do :; done' & p=$!; for n in 1 2 3 4 5 6 7; do sleep 0.3; echo >> reports/r; done; kill $p";
    for (script, is_cut) in [(loops, true), (talks, false), ("sleep 3", false), (reports, false)] {
        let dir = tempfile::tempdir().unwrap();
        let reports = dir.path().join("reports");
        std::fs::create_dir(&reports).unwrap();
        let silence = Some(process::Silence { most: Duration::from_millis(1200), reports });
        let finished = run(&Spec { silence, time_limit: Duration::from_secs(30), ..shell(dir.path(), script) });
        let cut = finished.end == End::TimedOut;
        assert_eq!((cut, finished.silent), (is_cut, is_cut), "{script}: {finished:?}");
        assert!(finished.duration < Duration::from_secs(15), "{script}: {finished:?}");
    }
}
