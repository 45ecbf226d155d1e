//! The mutate fixer on small broken projects, directly: without the judge and the race.

use std::time::Duration;

use kaizen_ci::fixer::Ended;
use kaizen_ci::fixer::mutate::Mutate;

use crate::case::{Bench, changes, pytest};
use crate::project::Project;

fn python(program: &str, tests: &str) -> Project {
    let project = Project::empty();
    project.write("program.py", program);
    project.write("test_program.py", tests);
    project.commit("A program");
    project
}

const ABOVE: &str = "
def above(values, limit):
    found = []
    for value in values:
        if value >= limit:
            found.append(value)
    return found
";
const ABOVE_TEST: &str = "
from program import above

def test_equal():
    assert above([1, 2, 3], 2) == [3]

def test_all():
    assert above([4, 5], 1) == [4, 5]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_comparison_in_python_is_healed() {
    let project = python(ABOVE, ABOVE_TEST);
    let mut bench = Bench::new(&project, pytest(), None).await;
    bench.case.time_left = Duration::from_secs(60);
    let (candidates, findings) = bench.propose(&Mutate).await;
    assert_eq!(candidates.len(), 1, "{findings:#?}");
    assert_eq!(changes(&candidates[0]), ["-        if value >= limit:", "+        if value > limit:"]);
    assert_eq!(findings.ended, Ended::Done);
    assert!(bench.with(&candidates[0]).await.is_green());
}
