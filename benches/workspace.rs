//! Snapshot and workspace against `git worktree add`, on a generated repository: `cargo bench --bench workspace`.
#![allow(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kaizen_ci::repo::carry::Carry;
use kaizen_ci::repo::{Repository, Store, Workspace};

/// Files of the repository, unless `KAIZEN_BENCH_FILES` says otherwise.
const FILES: usize = 100_000;
const FILES_PER_FOLDER: usize = 50;
/// Each way is measured this often, in turns; the fastest counts, because other work on the machine only adds.
const ROUNDS: usize = 3;

fn main() {
    let files = std::env::var("KAIZEN_BENCH_FILES").ok().and_then(|n| n.parse().ok()).unwrap_or(FILES);
    let temp = tempfile::tempdir().expect("a temporary folder");
    let root = temp.path().join("repo");
    generate(&root, files);
    // a file that changed a moment ago can't be told from one that is changing: users do not live in that moment
    std::thread::sleep(Duration::from_millis(1500));
    git(&root, &["update-index", "--refresh"]);
    let (mut theirs, mut ours) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        let tree = temp.path().join("worktree");
        let name = tree.to_str().expect("a plain path");
        theirs = theirs.min(timed(|| git(&root, &["worktree", "add", "-q", "--detach", name])));
        git(&root, &["worktree", "remove", "--force", name]);
        let run = temp.path().join(format!("run-{round}"));
        std::fs::create_dir(&run).expect("a folder for the run");
        ours = ours.min(one(&root, &run));
    }
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{files} files · git worktree add {theirs:.2?} · snapshot + workspace {ours:.2?} · {ratio:.2} times");
    assert!(ratio <= 1.5, "snapshot + workspace may take 1.5 times as long as git worktree add");
}

/// Discovery, store, snapshot and one workspace.
fn one(root: &Path, run: &Path) -> Duration {
    let start = Instant::now();
    let repository = Repository::discover(root).expect("a repository");
    let store = Store::create(&repository, run).expect("a store");
    let snapshot = store.snapshot().expect("a snapshot");
    let frozen = start.elapsed();
    let workspace = Workspace::create(&store, &snapshot, "w", &Carry::default()).expect("a workspace");
    let taken = start.elapsed();
    let reset = timed(|| workspace.reset().expect("a reset"));
    let dropped = timed(|| drop(workspace));
    println!("  snapshot {frozen:.2?} · workspace {:.2?} · reset {reset:.2?} · drop {dropped:.2?}", taken - frozen);
    taken
}

fn generate(root: &Path, files: usize) {
    for n in 0..files {
        let folder = root.join(format!("pkg{}/mod{}", n / FILES_PER_FOLDER / 20, n / FILES_PER_FOLDER));
        if n % FILES_PER_FOLDER == 0 {
            std::fs::create_dir_all(&folder).expect("a folder");
        }
        let text = format!("def function_{n}(x):\n    return x + {n}\n").repeat(1 + n % 40);
        std::fs::write(folder.join(format!("file{n}.py")), text).expect("a file");
    }
    git(root, &["init", "-q"]);
    git(root, &["add", "-A"]);
    let identity =
        ["-c", "user.name=B", "-c", "user.email=b@example.org", "-c", "gc.auto=0", "-c", "maintenance.auto=false"];
    git(root, &[&identity[..], &["commit", "-q", "-m", "all"]].concat());
    git(root, &["repack", "-a", "-d", "-q"]);
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git").args(args).current_dir(dir).status().expect("git");
    assert!(status.success(), "git {args:?}");
}
