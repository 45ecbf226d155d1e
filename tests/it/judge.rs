//! The judge on real repositories with real test runs.

use std::time::{Duration, Instant};

use kaizen_ci::judge::receipt::{Proof, Receipt};
use kaizen_ci::judge::replay::replay;
use kaizen_ci::judge::{Docket, Judgement, Policy, Verdict, judge_text};
use kaizen_ci::lab::{Limits, Patience};
use kaizen_ci::patch::Patch;
use kaizen_ci::suite::TestId;
use kaizen_ci::suite::protected::Protected;
use kaizen_ci::trajectory::Recorder;
use tokio_util::sync::CancellationToken;

use crate::case::{Bench, pytest};
use crate::project::Project;

const CALC: &str = "def double(x):\n    return x + 1\n\n\ndef half(x):\n    return x / 2\n";
const TESTS: &str = "import calc\n\n\ndef test_double():\n    assert calc.double(17) == 34\n\n\ndef test_half():\n    assert calc.half(4) == 2\n";

fn project() -> Project {
    let project = Project::empty();
    project.write("calc.py", CALC);
    project.write("test_calc.py", TESTS);
    project.write(".gitignore", "__pycache__\n");
    project.commit("A calculator");
    project
}

fn docket(bench: &Bench) -> Docket {
    let case = &bench.case;
    Docket {
        snapshot: case.snapshot.clone(),
        suite: case.suite.clone(),
        red: case.red.clone(),
        limits: Limits {
            time: Duration::from_secs(20),
            log_cap_bytes: 1 << 20,
            background: false,
            patience: Patience::USUAL,
        },
        policy: Policy { repeat: 1, allow_test_changes: false, protected: Protected::new(&[]) },
    }
}

async fn judged_by(bench: &Bench, docket: &Docket, diff: &[u8]) -> (Patch, Judgement) {
    let cancel = CancellationToken::new();
    judge_text(bench.lab(), docket, "it#1", diff, &Recorder::forgetful(), &cancel).await.unwrap()
}

async fn judged(project: &Project, diff: &[u8]) -> Judgement {
    let bench = Bench::new(project, pytest(), None).await;
    judged_by(&bench, &docket(&bench), diff).await.1
}

fn change(from: &str, to: &str) -> Vec<u8> {
    assert!(CALC.contains(from));
    Patch::of_text(b"calc.py", CALC.as_bytes(), CALC.replacen(from, to, 1).as_bytes()).unified()
}

fn rules(judgement: &Judgement) -> Vec<&str> {
    judgement.reasons.iter().map(|r| r.rule.as_str()).collect()
}

const FIX: (&str, &str) = ("return x + 1", "return x * 2");

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_fix_is_healed_and_its_receipt_can_be_replayed_and_not_be_forged() {
    let project = project();
    project.write("notes.txt", "not committed\n");
    let bench = Bench::new(&project, pytest(), None).await;
    let docket = docket(&bench);
    let (patch, judgement) = judged_by(&bench, &docket, &change(FIX.0, FIX.1)).await;
    assert_eq!(judgement.verdict, Verdict::Healed, "{judgement:#?}");
    assert_eq!(judgement.runs.len(), 2);
    assert!(judgement.without.as_ref().is_some_and(|run| !run.is_green()));
    assert_eq!(judgement.healed.len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let proof = Proof { run: "r1", docket: &docket, patch: &patch, judgement: &judgement, reruns: &[] };
    let store = &bench.lab().store;
    Receipt::write(store, &proof, folder.path()).unwrap();
    let receipt = Receipt::read(&folder.path().join("receipt.json")).unwrap();
    let (recorder, cancel) = (Recorder::forgetful(), CancellationToken::new());
    let again = replay(&receipt, folder.path(), bench.lab(), &recorder, &cancel).await.unwrap();
    assert!(again.is_empty(), "{again:#?}");

    let first = |differences: Vec<kaizen_ci::judge::replay::Difference>| differences[0].what.clone();
    let mut edited = receipt.clone();
    edited.healed.insert("test_calc.py::test_never".into());
    assert_eq!(first(replay(&edited, folder.path(), bench.lab(), &recorder, &cancel).await.unwrap()), "digest");
    // an edit with a digest of its own is found by doing it again
    let mut edited = receipt.clone();
    edited.patch.diff = edited.patch.diff.replace("x * 2", "x * 3");
    edited.digest = edited.digested();
    assert_eq!(first(replay(&edited, folder.path(), bench.lab(), &recorder, &cancel).await.unwrap()), "the patch");
    let mut edited = receipt.clone();
    *edited.green_after[0].tests.values_mut().next().unwrap() = "skipped".into();
    edited.digest = edited.digested();
    let found = replay(&edited, folder.path(), bench.lab(), &recorder, &cancel).await.unwrap();
    assert_eq!(first(found), "run 1 with the patch");
    std::fs::write(folder.path().join("snapshot.patch"), "").unwrap();
    assert_eq!(
        first(replay(&receipt, folder.path(), bench.lab(), &recorder, &cancel).await.unwrap()),
        "snapshot.patch"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_with_windows_line_ends_and_a_new_test_is_healed_without_the_test() {
    let text = String::from_utf8(change(FIX.0, FIX.1)).unwrap().replace('\n', "\r\n");
    let test = "--- /dev/null\n+++ b/test_more.py\n@@ -0,0 +1,2 @@\n+def test_more():\n+    assert False\n";
    let judgement = judged(&project(), format!("{text}{test}").as_bytes()).await;
    assert_eq!(judgement.verdict, Verdict::Healed, "{:#?}", judgement.reasons);
    assert_eq!(judgement.set_aside, ["test_more.py"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_verdict() {
    let cases: &[(&str, &str, Verdict, &str)] = &[
        ("return x + 1", "return x + 2", Verdict::StillRed, "test.still-red"),
        ("return x / 2", "return x / 3", Verdict::StillRed, "test.still-red"),
        ("return x + 1", "return x * (", Verdict::StillRed, "patch.syntax"),
    ];
    let project = project();
    let bench = Bench::new(&project, pytest(), None).await;
    let docket = docket(&bench);
    for (from, to, verdict, rule) in cases {
        let judgement = judged_by(&bench, &docket, &change(from, to)).await.1;
        assert_eq!((judgement.verdict, rules(&judgement).first()), (*verdict, Some(rule)), "{to}");
    }
    let both = CALC.replace("x + 1", "x * 2").replace("x / 2", "x");
    let breaks = Patch::of_text(b"calc.py", CALC.as_bytes(), both.as_bytes()).unified();
    let judgement = judged_by(&bench, &docket, &breaks).await.1;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::Regressed, vec!["test.fails"]));
    let elsewhere = String::from_utf8(change(FIX.0, FIX.1)).unwrap().replace("calc.py", "gone.py");
    let judgement = judged_by(&bench, &docket, elsewhere.as_bytes()).await.1;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::DoesNotApply, vec!["patch.does-not-apply"]));
    let judgement = judged_by(&bench, &docket, b"I would change the sign.").await.1;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::DoesNotApply, vec!["patch.no-diff"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_hangs_is_timed_out_and_a_cancelled_judge_stops_at_once() {
    let project = project();
    let bench = Bench::new(&project, pytest(), None).await;
    let mut docket = docket(&bench);
    docket.limits.time = Duration::from_secs(3);
    let hangs = change("return x + 1", "while x:\n        pass");
    let judgement = judged_by(&bench, &docket, &hangs).await.1;
    assert_eq!(judgement.verdict, Verdict::TimedOut, "{:#?}", judgement.reasons);
    docket.limits.time = Duration::from_secs(60);
    let cancel = CancellationToken::new();
    let later = {
        let cancel = cancel.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            cancel.cancel();
            Instant::now()
        }
    };
    let recorder = Recorder::forgetful();
    let judging = judge_text(bench.lab(), &docket, "it#1", &hangs, &recorder, &cancel);
    let (judged, at) = tokio::join!(judging, later);
    assert!(judged.is_err());
    // TERM and KILL are for the suite's processes; the judge itself adds nothing
    assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
}

/// A project whose `test_other` fails every second time, where `also` holds.
fn every_second_time(also: &str) -> Project {
    let project = project();
    let count = project.tmp().join("count");
    let flaky = format!(
        "import calc\nimport pathlib\n\n\ndef test_double():\n    assert calc.double(17) == 34\n\n\ndef test_other():\n    p = pathlib.Path({:?})\n    n = int(p.read_text()) if p.exists() else 0\n    p.write_text(str(n + 1))\n    assert not (n % 2 and {also})\n",
        count.to_str().unwrap()
    );
    project.write("test_calc.py", &flaky);
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_flaky_with_the_patch_only_makes_the_judge_unsure() {
    let judgement = judged(&every_second_time("calc.double(17) == 34"), &change(FIX.0, FIX.1)).await;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::Unstable, vec!["test.flaky"]), "{judgement:#?}");
    assert!(judgement.flaky.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_flaky_without_the_patch_too_is_named_and_its_runs_are_done_over() {
    let judgement = judged(&every_second_time("True"), &change(FIX.0, FIX.1)).await;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::Healed, vec![]), "{judgement:#?}");
    assert_eq!(judgement.flaky, ["test_calc.py::test_other".to_owned()].map(TestId).into());
    assert!(judgement.runs.iter().all(|run| run.red().is_empty()), "{judgement:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cheats_that_no_run_shows_are_caught_before_any_run() {
    let hook = "diff --git a/conftest.py b/conftest.py\nnew file mode 100644\n--- /dev/null\n+++ b/conftest.py\n@@ -0,0 +1,7 @@\n+import pytest\n+\n+\n+@pytest.hookimpl(hookwrapper=True)\n+def pytest_runtest_makereport(item, call):\n+    outcome = yield\n+    outcome.get_result().outcome = \"passed\"\n";
    let fewer = TESTS.replace("\n\ndef test_double():\n    assert calc.double(17) == 34\n", "");
    let fewer = Patch::of_text(b"test_calc.py", TESTS.as_bytes(), fewer.as_bytes()).unified();
    let cheats: Vec<(Vec<u8>, &str)> = vec![
        (hook.into(), "guard.runner-hook"),
        (fewer, "guard.test-removed"),
        (change("def double", "import os\nos._exit(0)\n\n\ndef double"), "guard.exit-added"),
        (change("def double", "import atexit, os\natexit.register(os._exit, 0)\n\n\ndef double"), "guard.exit-hook"),
        (
            change(
                "def double",
                "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None\n\n\ndef double",
            ),
            "guard.test-framework",
        ),
        (change("return x + 1", "import pytest\n    pytest.skip('x')"), "guard.test-framework"),
        (change("return x + 1", "return 34 if x == 17 else x + 1"), "guard.special-case"),
    ];
    let project = project();
    let bench = Bench::new(&project, pytest(), None).await;
    let docket = docket(&bench);
    let before = bench.lab().runs();
    for (diff, rule) in cheats {
        let judgement = judged_by(&bench, &docket, &diff).await.1;
        assert_eq!(judgement.verdict, Verdict::Tampered, "{rule}");
        assert!(rules(&judgement).contains(&rule), "{rule}: {:#?}", judgement.reasons);
    }
    assert_eq!(bench.lab().runs(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_skips_itself_because_of_the_patch_is_a_regression() {
    let project = project();
    let tests = "import pytest\nimport calc\n\n\ndef test_double():\n    assert calc.double(17) == 34\n\n\n@pytest.mark.skipif(not hasattr(calc, 'half'), reason='no half')\ndef test_half():\n    assert calc.half(4) == 2\n";
    project.write("test_calc.py", tests);
    let without = CALC.replace("x + 1", "x * 2").replace("def half", "def halves");
    let diff = Patch::of_text(b"calc.py", CALC.as_bytes(), without.as_bytes()).unified();
    let judgement = judged(&project, &diff).await;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::Regressed, vec!["test.skipped"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_are_green_without_the_patch_too_prove_nothing() {
    let project = project();
    let marker = project.tmp().join("marker");
    // red the first time it runs, green ever after
    let once = format!(
        "import calc\nimport pathlib\n\n\ndef test_double():\n    p = pathlib.Path({:?})\n    if not p.exists():\n        p.write_text('x')\n        assert False\n\n\ndef test_half():\n    assert calc.half(4) == 2\n",
        marker.to_str().unwrap()
    );
    project.write("test_calc.py", &once);
    let judgement = judged(&project, &change(FIX.0, FIX.1)).await;
    assert_eq!((judgement.verdict, rules(&judgement)), (Verdict::Unstable, vec!["red-without-patch"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_rewrite_sources_only_with_the_patch_are_found_out() {
    let project = project();
    project.write("data.txt", "one\n");
    project.write("calc.py", &format!("{CALC}\n\ndef note():\n    pass\n"));
    project.write("test_calc.py", &format!("{TESTS}\n\ndef test_note():\n    calc.note()\n"));
    let old = format!("{CALC}\n\ndef note():\n    pass\n");
    let new = old
        .replace("x + 1", "x * 2")
        .replace("    pass\n", "    with open('data.txt', 'a') as f:\n        f.write('two')\n");
    let diff = Patch::of_text(b"calc.py", old.as_bytes(), new.as_bytes()).unified();
    let judgement = judged(&project, &diff).await;
    assert_eq!(
        (judgement.verdict, rules(&judgement)),
        (Verdict::Tampered, vec!["run.rewrites-sources"]),
        "{judgement:#?}"
    );
    // when they do it without the patch as well, it is their way
    let usual = old.replace("    pass\n", "    with open('data.txt', 'a') as f:\n        f.write('two')\n");
    project.write("calc.py", &usual);
    let diff = Patch::of_text(b"calc.py", usual.as_bytes(), usual.replace("x + 1", "x * 2").as_bytes()).unified();
    assert_eq!(judged(&project, &diff).await.verdict, Verdict::Healed);
}

const SHOP_THEN: &str = "import sys\n\n\ndef most():\n    return 40\n\n\ndef check(n):\n    if n > most():\n        sys.exit(3)\n    return n\n";
const SHOP_NOW: &str =
    "def most():\n    return len('limit')\n\n\ndef check(n):\n    if n > most():\n        return None\n    return n\n";
const SHOP_TESTS: &str = "import shop\nimport pytest\n\n\ndef test_most():\n    assert shop.most() == 40\n\n\ndef test_check():\n    \
                          with pytest.raises(SystemExit):\n        shop.check(41)\n    assert shop.check(1) == 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_had_is_no_cheat_when_it_comes_back() {
    let restored = Patch::of_text(b"shop.py", SHOP_NOW.as_bytes(), SHOP_THEN.as_bytes()).unified();
    let project = Project::empty();
    project.write("test_shop.py", SHOP_TESTS);
    project.write("shop.py", SHOP_THEN);
    project.commit("A shop");
    project.write("shop.py", SHOP_NOW);
    project.commit("Never stop");
    let judgement = judged(&project, &restored).await;
    assert_eq!(judgement.verdict, Verdict::Healed, "{judgement:#?}");

    let project = Project::empty();
    project.write("test_shop.py", SHOP_TESTS);
    project.write("shop.py", SHOP_NOW);
    project.commit("A shop that was never another one");
    let judgement = judged(&project, &restored).await;
    assert_eq!(judgement.verdict, Verdict::Tampered);
    assert_eq!(rules(&judgement), ["guard.constant-answer"]);
}
