//! Named points where a test can have this process killed, to prove that nothing is lost then.

use std::sync::OnceLock;

/// The environment variable that names the point.
pub const VARIABLE: &str = "KAIZEN_TEST_KILL_AT";

/// Every point there is, in the order of a heal.
pub const KILL_POINTS: &[&str] = &[
    "run-folder-made",
    "temp-made",
    "store-made",
    "before-snapshot",
    "after-snapshot",
    "workspace-half",
    "workspace-made",
    "carry-half",
    "before-red-run",
    "during-red-run",
    "after-red-run",
    "after-rerun",
    "after-base-run",
    "failure-described",
    "tier1-started",
    "candidate-proposed",
    "judge-started",
    "judge-half",
    "judge-ended",
    "tier2-started",
    "reverted",
    "receipt-half",
    "receipt-written",
    "before-apply",
    "apply-half",
    "after-apply",
    "memory-written",
    "report-written",
    "before-cleanup",
    "cleanup-half",
];

/// Kills this process with SIGKILL when [`VARIABLE`] names this point; otherwise one comparison and nothing else.
pub fn kill_point(name: &str) {
    static AT: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    debug_assert!(KILL_POINTS.contains(&name), "the kill point {name} is not in KILL_POINTS");
    if let Some(at) = AT.get_or_init(|| std::env::var_os(VARIABLE))
        && at == name
    {
        crate::system::die();
    }
}

/// After this long what a run starts is running, and nothing but a test waits for it.
const A_MOMENT: std::time::Duration = std::time::Duration::from_millis(100);

/// Does `work`, with a kill point a moment after it began.
pub async fn kill_point_during<T>(name: &str, work: impl Future<Output = T>) -> T {
    let point = async {
        tokio::time::sleep(A_MOMENT).await;
        kill_point(name);
        std::future::pending().await
    };
    tokio::select! {
        done = work => done,
        never = point => never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_points_and_no_two_of_one_name() {
        let mut names = KILL_POINTS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() >= 20 && names.len() == KILL_POINTS.len());
    }

    #[test]
    fn a_point_that_nobody_asked_for_does_nothing() {
        kill_point("after-snapshot");
    }

    #[test]
    #[should_panic(expected = "not in KILL_POINTS")]
    fn a_point_that_is_not_in_the_list_is_a_bug() {
        kill_point("no-such-point");
    }
}
