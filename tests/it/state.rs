//! Runs that are killed at named points, and the next start that cleans up after them.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use kaizen_ci::state;

/// Not a test of its own: the process that kills itself at a point. Without its folder it does nothing.
#[test]
#[ignore = "started by another test"]
fn helper_that_begins_and_ends_a_run() {
    let Some(dir) = std::env::var_os("HELPER_DIR") else { return };
    let run = state::begin(&Path::new(&dir).join("repo/.git/kaizen")).unwrap();
    std::fs::create_dir_all(run.temp.join("workspace/deep/er")).unwrap();
    std::fs::write(run.events(), "").unwrap();
    drop(run);
}

#[test]
fn a_run_killed_while_it_begins_or_ends_leaves_nothing_after_the_next_start() {
    for point in ["run-folder-made", "temp-made", "before-cleanup", "cleanup-half"] {
        let dir = tempfile::tempdir().unwrap();
        let (state_dir, temp) = (dir.path().join("repo/.git/kaizen"), dir.path().join("tmp"));
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["state::helper_that_begins_and_ends_a_run", "--exact", "--ignored"])
            .env("HELPER_DIR", dir.path())
            .env("KAIZEN_TMP", &temp)
            .env(state::kill::VARIABLE, point)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "{point}");
        let id = state::find(&state_dir, state::LATEST).unwrap().id;
        let left = std::fs::read_dir(&temp).unwrap().count();
        assert_eq!(left, usize::from(["temp-made", "before-cleanup"].contains(&point)), "{point}");

        let cleaned = state::clean_leftovers(&state_dir).unwrap();
        assert_eq!(cleaned.iter().map(|one| &one.run).collect::<Vec<_>>(), [&id], "{point}");
        assert_eq!(std::fs::read_dir(&temp).unwrap().count(), 0, "{point}");
        let run = state::find(&state_dir, &id).unwrap();
        assert!(!run.running && std::fs::read_to_string(run.events()).unwrap().contains("interrupted"), "{point}");
        assert_eq!(state::clean_leftovers(&state_dir).unwrap(), [], "{point}");
    }
}
