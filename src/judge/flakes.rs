//! Tests that fail now and then whether the patch is there or not: shown by runs without it, never assumed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::bench::{Bench, Court};
use crate::error::Result;
use crate::patch::Patch;
use crate::suite::{Selection, TestId};
use crate::trajectory::Purpose;

/// Looking for a failure without the patch may take so many times what one run of the suite takes,
const MOST_TIMES: u32 = 4;
/// and at least this long, so that a quick suite is run often.
const LEAST: Duration = Duration::from_secs(5);
/// No more runs than these: who fails once in a hundred runs is not seen, and stays a reason against the patch.
const MOST_RUNS: u32 = 20;
/// Every so many runs are of the whole suite: some tests fail only beside others.
const WHOLE_EVERY: u32 = 3;

impl Court<'_> {
    /// Each of `tests`, which failed once with the patch and passed the next time, fails without it, too. `whole`: how long a
    /// run of the whole suite takes.
    pub(super) async fn are_flaky_without(&self, tests: &BTreeSet<TestId>, whole: Duration) -> Result<bool> {
        if tests.is_empty() {
            return Ok(true);
        }
        let until = Instant::now() + (whole * MOST_TIMES).max(LEAST);
        let workspace = self.lab.workspace(&self.docket.snapshot, "judge-flaky").await?;
        let bench = Bench::over(workspace, Patch::default());
        let expected = self.docket.snapshot.tree.clone();
        let mut unseen = tests.clone();
        for nth in 0..MOST_RUNS {
            if unseen.is_empty() || Instant::now() >= until {
                break;
            }
            let selection = if nth % WHOLE_EVERY == 0 { Selection::All } else { Selection::Only(unseen.clone()) };
            self.step(format!("does it fail without the patch, too? run {}", nth + 1));
            let failed = self.run(&bench, &selection, Purpose::Without).await?.red();
            bench.put_back(self, &expected).await?;
            unseen.retain(|test| !failed.contains(test));
        }
        bench.close();
        Ok(unseen.is_empty())
    }
}
