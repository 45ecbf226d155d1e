//! Tests of the reports: every ending from its recorded events, hostile text, any sequence of events.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::document::{Document, Outcome, schema};
use super::{html, markdown};
use crate::trajectory::{Entry, Event, Purpose, SCHEMA_VERSION};
use crate::words::{
    Blame, Close, Commit, Disagreement, End, Ended, Findings, Label, Reason, Sha, Suspect, TestId, Verdict,
};

pub fn recorded(name: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trajectories").join(format!("{name}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

pub fn all_recorded() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/trajectories");
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|e| Some(PathBuf::from(e.unwrap().file_name()).with_extension("").to_str()?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    names.sort();
    names
}

#[test]
fn every_ending_has_its_outcome_and_headline() {
    let table = [
        ("already-green", Outcome::AlreadyGreen, "green already: 214 tests passed in 2.1 s"),
        ("ambiguous", Outcome::Ambiguous, "healed by undo, tier 1, in 11.2 s, but green rivals behave differently"),
        ("broken-on-base", Outcome::BrokenOnBase, "not healed, and red on the base branch too: 3 tests red."),
        ("environment", Outcome::Environment, "the suite can't run here: pytest is not installed"),
        ("escalated", Outcome::Escalated, "not healed: 2 attempts, 2 tiers, 41 s. Nothing in your tree was changed."),
        ("flaky", Outcome::Flaky, "flaky: 1 red test passed when run again. Nothing was changed."),
        ("healed", Outcome::Healed, "healed by undo, tier 1, in 11.2 s"),
        ("hostile", Outcome::Escalated, "not healed: 1 attempt, 1 tier, 0.3 s."),
        ("interrupted", Outcome::Interrupted, "interrupted after 7.0 s; cleaned up"),
        ("killed", Outcome::Unfinished, "no end was recorded: still going on, or killed after 4.9 s."),
        ("left-alone", Outcome::LeftAlone, "left alone: this failure did not heal a short time ago."),
        ("not-applied", Outcome::HealedNotApplied, "healed by undo, tier 1, in 11.2 s; not applied"),
    ];
    assert_eq!(table.map(|(name, ..)| name.to_owned()).to_vec(), all_recorded());
    for (name, outcome, headline) in table {
        let document = Document::of(&recorded(name));
        assert_eq!(document.outcome, outcome, "{name}");
        assert!(document.headline.starts_with(headline), "{name}: {}", document.headline);
    }
}

#[test]
fn a_patch_that_is_doubtful_without_rivals_is_not_called_one_of_several() {
    let mut events = recorded("ambiguous");
    for recorded in &mut events {
        if let Event::CandidateProposed { disagreement: Some(disagreement), .. } = &mut recorded.event {
            *disagreement = Disagreement { what: "the tests may be wrong".into(), rivals: Vec::new() };
        }
    }
    let document = Document::of(&events);
    assert!(document.headline.ends_with("but doubtfully: a person has to look"), "{}", document.headline);
    let text = markdown::render(&document);
    assert!(text.contains("**Doubtful:** the tests may be wrong") && !text.contains("rivals behave"), "{text}");
    assert!(text.contains("read the patch and the tests that it is for"), "{text}");
}

#[test]
fn every_ending_reads_as_expected_in_markdown() {
    for name in all_recorded() {
        insta::assert_snapshot!(format!("markdown-{name}"), markdown::render(&Document::of(&recorded(&name))));
    }
}

#[test]
fn every_document_is_valid_under_its_schema_and_survives_json() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for name in all_recorded() {
        let document = Document::of(&recorded(&name));
        let json = serde_json::to_value(&document).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert_eq!(serde_json::from_value::<Document>(json).unwrap(), document);
    }
    assert!(!validator.is_valid(&serde_json::json!({"schema": "kaizen-ci/heal/v1"})));
}

#[test]
fn a_heal_tells_its_tests_files_and_proof() {
    let heal = Document::of(&recorded("healed")).heal.unwrap();
    assert_eq!((heal.tests.red_before, heal.tests.passed_before, heal.tests.passed_after), (3, 211, 214));
    assert_eq!((heal.tests.collected_before, heal.tests.collected_after, heal.tests.runs), (215, 215, 2));
    assert_eq!((heal.files[0].path.as_str(), heal.files[0].added, heal.files[0].removed), ("src/cart.py", 1, 1));
    assert_eq!((heal.applied, heal.guards_passed.len()), (vec!["src/cart.py".to_owned()], 3));
}

#[test]
fn an_escalation_tells_everything_that_was_learned() {
    let text = markdown::render(&Document::of(&recorded("escalated")));
    for words in [
        "Round per line item",
        "bisected, 4 steps",
        "can't be reverted cleanly: `src/cart.py`, `src/tax.py`",
        "expected 10.02, got 10.03 \\(nearly equal: rounding",
        "test.regressed",
        "E       assert None == 0",
        "start from mutate's closest miss: it leaves 1 test red",
        "cd /home/ada/shop",
        "pytest -q",
        "1880",
        "gantt",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_patch_that_changes_tests_is_told_in_the_first_line() {
    let mut entries = recorded("healed");
    for entry in &mut entries {
        if let Event::JudgeEnded { tests_changed, .. } = &mut entry.event {
            tests_changed.push("tests/test_cart.py".into());
        }
    }
    let text = markdown::render(&Document::of(&entries));
    assert!(text.starts_with("**This patch changes tests** (that was allowed): `tests/test_cart.py`\n"), "{text}");
}

/// Lines of Markdown outside fenced blocks: where markup would count.
fn outside_fences(text: &str) -> Vec<&str> {
    let mut fence: Option<usize> = None;
    let mut out = Vec::new();
    for line in text.lines() {
        let bare = line.trim_start_matches(' ');
        let ticks = bare.bytes().take_while(|b| *b == b'`').count();
        match fence {
            None if ticks >= 3 && !bare[ticks..].contains('`') => fence = Some(ticks),
            None => out.push(line),
            Some(open) if ticks >= open && bare[ticks..].trim().is_empty() => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "a fence is open at the end:\n{text}");
    out
}

/// A line without its code spans and escaped characters.
fn live(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(['\\', '`']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('\\') {
            let next = rest.chars().nth(1).map_or(0, char::len_utf8);
            rest = &rest[1 + next..];
            continue;
        }
        let ticks = rest.bytes().take_while(|b| *b == b'`').count();
        let after = &rest[ticks..];
        let mut from = 0;
        let end = loop {
            let Some(found) = after[from..].find(&"`".repeat(ticks)) else { break None };
            let start = from + found;
            let run = after[start..].bytes().take_while(|b| *b == b'`').count();
            if run == ticks {
                break Some(start + run);
            }
            from = start + run;
        };
        rest = match end {
            Some(end) => &after[end..],
            None => after,
        };
    }
    out + rest
}

fn assert_harmless(document: &Document) {
    let text = markdown::render(document);
    for line in outside_fences(&text) {
        let line = live(line);
        let tags = line.replace("<details><summary>", "").replace("</summary>", "").replace("</details>", "");
        let tags = tags.replace("@\u{200b}", "").replace("#\u{200b}", "");
        assert!(!tags.contains(['<', '@', '$']) && !tags.contains("]("), "{line}\n{text}");
        assert!(tags.trim_start_matches('#').find('#').is_none(), "{line}\n{text}");
    }
    let page = html::render(document);
    for bad in ["<script", "<img", "onerror=y>", "\x1b", "http://", "src="] {
        let page = page.replace("http://www.w3.org/2000/svg", "").replace("src=x", "");
        assert!(!page.contains(bad), "{bad}\n{page}");
    }
    assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
    assert_eq!(page.matches("<pre>").count(), page.matches("</pre>").count());
}

#[test]
fn hostile_text_stays_text_in_every_report() {
    let document = Document::of(&recorded("hostile"));
    assert_harmless(&document);
    // Also where it would have been healed.
    let mut entries = recorded("hostile");
    let hostile = "</pre><script>x</script>```\n````\n@a #1 `".to_owned();
    let last = entries.pop().unwrap();
    entries.push(Entry {
        event: Event::Healed {
            candidate: hostile.clone(),
            tier: 1,
            receipt: hostile.clone(),
            patch: hostile.clone(),
            diff: hostile,
        },
        ..last
    });
    assert_harmless(&Document::of(&entries));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        Just("</summary><script>alert(1)</script>".to_owned()),
        Just("```\n````\n~~~".to_owned()),
        Just("`` ` @octocat fixes #1 | $x$".to_owned()),
        Just("\"><img src=x onerror=y>".to_owned()),
        Just("\x1b[2J\u{202e}\n# title\n- item".to_owned()),
        Just("undo#1".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let number = prop_oneof![0_u64..5000, Just(u64::MAX)];
    (0_u32..24, text(), text(), number, 0_u8..=255).prop_map(|(kind, a, b, n, small)| of_kind(kind, a, b, n, small))
}

fn of_kind(kind: u32, a: String, b: String, n: u64, small: u8) -> Event {
    let some = usize::try_from(n % 1000).unwrap();
    let tests = || std::collections::BTreeSet::from([TestId(b.clone())]);
    let suspect = Suspect {
        file: a.clone(),
        line: some,
        end_line: some,
        symbol: Some(b.clone()),
        score: f64::NAN,
        reason: b.clone(),
    };
    match kind {
        0 => Event::RunStarted { version: a.clone(), command: b.clone(), repository: a, seed: n },
        1 => Event::SuiteFound { name: a.clone(), command: b.clone(), runner: a, found_by: b.clone(), others: vec![b] },
        2 => Event::SnapshotTaken { commit: a.clone(), tree: b.clone(), parent: Some(a), carried: vec![b], ms: n },
        3 => Event::SuiteStarted { purpose: Purpose::Judge, subject: a, selected: None },
        4 => Event::SuiteEnded {
            purpose: if small.is_multiple_of(2) { Purpose::Judge } else { Purpose::Red },
            subject: a,
            passed: some,
            failed: some,
            skipped: 0,
            end: End::Signaled(i32::from(small)),
            ms: n,
            red: vec![b],
        },
        5 => Event::Triaged { blame: Blame::Environment { what: a.clone(), hint: b }, evidence: a },
        6 => Event::Triaged { blame: Blame::Flaky { tests: vec![TestId(a)] }, evidence: b },
        7 => Event::FailureDescribed {
            fingerprint: a.clone(),
            red: vec![a.clone()],
            suspects: vec![suspect],
            excerpt: b.clone(),
            messages: [(a, b)].into(),
        },
        8 => Event::TierStarted { tier: small },
        9 => Event::TierEnded { tier: small, why: a, ms: n },
        10 => Event::FixerStarted { fixer: a },
        11 => Event::FixerProgress { fixer: a, text: b, tried: n, best_red: Some(some) },
        12 => Event::FixerEnded {
            fixer: a,
            findings: Findings {
                ended: Ended::Failed { why: b.clone() },
                tried: n,
                notes: vec![b.clone()],
                closest: vec![Close { diff: b.clone(), still_red: tests() }],
            },
            ms: n,
        },
        13 => Event::CandidateProposed {
            candidate: a.clone(),
            fixer: b.clone(),
            idea: b.clone(),
            diff: b.clone(),
            hash: a,
            labels: vec![Label::DeletionOnly],
            disagreement: Some(Disagreement { what: b.clone(), rivals: vec![b] }),
        },
        14 => Event::JudgeStarted { candidate: a },
        15 => Event::JudgeStep { candidate: a, step: b },
        16 => Event::JudgeEnded {
            candidate: a.clone(),
            verdict: if small.is_multiple_of(2) { Verdict::Healed } else { Verdict::Tampered },
            reasons: vec![Reason { rule: a, what: b.clone() }],
            ms: n,
            output: b.clone(),
            guards_passed: vec![b.clone()],
            set_aside: vec![b.clone()],
            tests_changed: vec![b.clone()],
            flaky: vec![b],
        },
        17 => Event::CulpritFound {
            commit: Commit { sha: Sha(a.clone()), subject: b.clone(), author: a, date: b.clone(), parents: vec![] },
            how: b,
        },
        18 => Event::RevertRefused { commit: a, conflicts: vec![b] },
        19 => Event::Healed { candidate: a.clone(), tier: small, receipt: a, patch: b.clone(), diff: b },
        20 => Event::Applied { files: vec![a] },
        21 => Event::Note { text: a },
        22 => Event::Cleaned { run: a, what: vec![b] },
        23 => Event::Loop(crate::trajectory::LoopEvent::Ended {
            of: crate::trajectory::Loop::Council,
            why: a,
            good: true,
            rounds: 2,
        }),
        24 => Event::Loop(crate::trajectory::LoopEvent::Diagnosed {
            of: crate::trajectory::Loop::Heal,
            fingerprint: a.clone(),
            tier: b.clone(),
            cause: a.clone(),
            change: b,
            evidence: vec![a],
            confidence: f64::NAN,
        }),
        _ => Event::RunEnded { outcome: a.clone(), exit: small, ms: n, runs: [(b, n)].into() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_sequence_of_events_becomes_reports_that_nothing_breaks_out_of(
        events in prop::collection::vec((event(), -5000_i64..50_000), 0..40),
    ) {
        let entries: Vec<Entry> = events
            .into_iter()
            .enumerate()
            .map(|(i, (event, ms))| Entry {
                v: SCHEMA_VERSION,
                run: "`r`\n<b>".into(),
                step: i as u64,
                time: jiff::Timestamp::from_millisecond(1_763_800_000_000 + ms).unwrap(),
                event,
            })
            .collect();
        let document = Document::of(&entries);
        assert_harmless(&document);
        prop_assert!(serde_json::to_string(&document).is_ok());
    }
}

#[test]
fn a_heal_that_waits_for_an_answer_is_called_a_heal() {
    let mut entries = recorded("healed");
    let verified = entries.iter().position(|e| matches!(e.event, crate::trajectory::Event::Healed { .. })).unwrap();
    entries.truncate(verified + 1);
    let document = Document::of(&entries);
    assert_eq!(document.outcome, Outcome::Unfinished);
    assert_eq!(document.headline, "healed by undo, tier 1, in 11.2 s");
}
