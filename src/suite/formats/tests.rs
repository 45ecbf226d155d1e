//! Tests of the formats over recorded outputs of real tools (`fixtures/formats`), and of their patience with garbage.
//!
//! Each recording has a file `.expected` beside it: every result in a line, then what does not add up. They are written
//! anew with `KAIZEN_UPDATE=1`; read the difference before you commit it.

use std::path::{Path, PathBuf};

use super::*;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats").join(name)
}

/// The recordings of a format, by ending.
fn recordings(name: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder(name)).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.to_string_lossy().ends_with(ending));
    files.sort();
    assert!(!files.is_empty(), "no recordings of {name}");
    files.into_iter().map(|f| (f.clone(), std::fs::read_to_string(f).unwrap())).collect()
}

/// A parser's answer as lines.
fn shown(parsed: &Parsed) -> String {
    let mut out = String::new();
    for (id, r) in &parsed.tests {
        let first = r.message.as_deref().unwrap_or_default().lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
        out.push_str(&format!("{:?} {:?} {id}", r.status, r.scope));
        out.push_str(&if first.is_empty() { String::new() } else { format!(" | {}", first.trim()) });
        out.push('\n');
    }
    parsed.contradictions.iter().for_each(|c| out.push_str(&format!("contradiction: {c}\n")));
    parsed.unfinished.iter().for_each(|c| out.push_str(&format!("without a result: {c}\n")));
    out.push_str(&format!("complete: {}\n", parsed.complete));
    out
}

fn compare(recording: &Path, shown: &str) {
    let expected = recording.with_extension("expected");
    if std::env::var_os("KAIZEN_UPDATE").is_some() {
        std::fs::write(&expected, shown).unwrap();
    }
    let text = std::fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(shown, text, "{}", recording.display());
}

const TOP: &str = "/tmp/project";

fn top(name: &str) -> PathBuf {
    Path::new(TOP).join(name)
}

#[test]
fn recorded_reports_of_pytest_are_read_and_agree_with_what_it_printed() {
    for (file, text) in recordings("pytest", ".jsonl") {
        let session = pytest::report(&text);
        let printed = std::fs::read_to_string(file.with_extension("stdout.txt")).unwrap();
        let agrees = pytest::summary(&printed).map(|p| session.agrees(p));
        compare(
            &file,
            &format!("{}exit: {:?}\nagrees with the summary: {agrees:?}\n", shown(&session.parsed), session.exit),
        );
    }
}

#[test]
fn a_pytest_report_that_was_changed_is_a_contradiction() {
    let (_, text) = recordings("pytest", "pytest-9.2.jsonl").remove(0);
    assert!(pytest::report(&text).parsed.contradictions.is_empty());
    let changed = text.replacen(r#""outcome": "failed""#, r#""outcome": "passed""#, 1);
    assert!(!pytest::report(&changed).parsed.contradictions.is_empty());
    let longer = format!("{text}{{}}\n");
    assert!(!pytest::report(&longer).parsed.contradictions.is_empty());
    let without = text.lines().filter(|l| !l.contains("test_discount")).collect::<Vec<_>>().join("\n");
    assert!(!pytest::report(&without).parsed.contradictions.is_empty());
}

#[test]
fn recorded_outputs_of_libtest_are_read() {
    for (file, text) in recordings("libtest", ".txt") {
        let listed = std::fs::read_to_string(file.with_extension("list")).ok().map(|l| libtest::list(&l));
        compare(&file, &shown(&libtest::read(&text, listed.as_ref()).parsed));
    }
}

#[test]
fn recorded_reports_of_the_others_are_read() {
    let node_top = top("node");
    for (file, text) in recordings("node", ".jsonl") {
        compare(&file, &shown(&node::report(&text, &[&node_top])));
    }
    for (file, text) in recordings("jest", ".json") {
        compare(&file, &shown(&jest::report(&text, &[&top("js/jest"), &top("js/vi")])));
    }
    for (file, text) in recordings("mocha", ".jsonl") {
        compare(&file, &shown(&mocha::report(&text, &[&top("js/mo")])));
    }
    for (file, text) in recordings("go", ".json") {
        let stderr = std::fs::read_to_string(file.with_extension("stderr.txt")).unwrap_or_default();
        compare(&file, &shown(&go::report(&text, &stderr)));
    }
    for (file, text) in recordings("nextest", ".json") {
        compare(&file, &shown(&nextest::report(&text)));
    }
    for (file, text) in recordings("unittest", ".jsonl") {
        compare(&file, &shown(&unittest::report(&text)));
    }
    for (file, text) in recordings("tap", ".tap") {
        compare(&file, &shown(&tap::report(&text, "t/x.t")));
    }
    for (file, text) in recordings("rspec", ".json") {
        compare(&file, &shown(&rspec::report(&text)));
    }
    for (file, text) in recordings("junit", ".xml") {
        compare(&file, &shown(&junit::report(text.as_bytes())));
    }
}

#[test]
fn failures_are_recognised_in_plain_logs() {
    for (file, text) in recordings("log", ".txt") {
        let build = libtest::build_failure(&text).map(|m| m.lines().next().unwrap_or_default().to_owned());
        compare(&file, &format!("{}\nbuild: {build:?}\n", log::failed(&text).join("\n")));
    }
}

/// Everything that is recorded, for tests of patience.
fn all_recordings() -> Vec<String> {
    let endings = [
        ("pytest", ".jsonl"),
        ("libtest", ".txt"),
        ("node", ".jsonl"),
        ("jest", ".json"),
        ("mocha", ".jsonl"),
        ("go", ".json"),
        ("nextest", ".json"),
        ("unittest", ".jsonl"),
        ("tap", ".tap"),
        ("rspec", ".json"),
        ("junit", ".xml"),
        ("log", ".txt"),
    ];
    endings.iter().flat_map(|(n, e)| recordings(n, e)).map(|(_, t)| t).collect()
}

fn read_as_everything(text: &str) {
    pytest::report(text);
    pytest::summary(text);
    libtest::read(text, None);
    libtest::read(text, Some(&libtest::list(text)));
    libtest::blocks(text);
    libtest::build_failure(text);
    node::report(text, &[Path::new(TOP)]);
    jest::report(text, &[Path::new(TOP)]);
    mocha::report(text, &[]);
    go::report(text, text);
    nextest::report(text);
    unittest::report(text);
    tap::report(text, "");
    rspec::report(text);
    junit::report(text.as_bytes());
    log::failed(text);
}

#[test]
fn a_run_that_was_cut_off_is_never_complete() {
    for (n, e) in [
        ("pytest", "pytest-9.2.jsonl"),
        ("node", ".jsonl"),
        ("jest", ".json"),
        ("mocha", ".jsonl"),
        ("unittest", ".jsonl"),
    ] {
        let (_, text) = recordings(n, e).remove(0);
        let half = &text[..text.floor_char_boundary(text.len() / 2)];
        let parsed = match n {
            "pytest" => pytest::report(half).parsed,
            "node" => node::report(half, &[]),
            "jest" => jest::report(half, &[]),
            "mocha" => mocha::report(half, &[]),
            _ => unittest::report(half),
        };
        assert!(!parsed.complete, "{n}");
    }
}

#[test]
fn suites_nested_without_end_are_refused() {
    let xml = "<testsuite name=\"a\">".repeat(100_000);
    assert!(!junit::report(xml.as_bytes()).contradictions.is_empty());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 48, failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_parser_panics_on_a_recording_cut_or_changed_anywhere(which in 0..1000_usize, at in 0..1_000_000_usize, byte in 0..128_u8) {
        let all = all_recordings();
        let text = &all[which % all.len()];
        let at = text.floor_char_boundary(at % text.len());
        read_as_everything(&text[..at]);
        let changed = format!("{}{}{}", &text[..at], byte as char, &text[text.ceil_char_boundary(at + 1)..]);
        read_as_everything(&changed);
    }

    #[test]
    fn no_parser_panics_on_arbitrary_text(text in "(\\PC|\n|\t){0,300}") {
        read_as_everything(&text);
    }
}

#[test]
fn a_second_result_for_a_test_is_a_contradiction_and_the_worse_one_stays() {
    let mut parsed = Parsed::default();
    parsed.add("a", result(Status::Failed, None));
    parsed.add("a", result(Status::Passed, None));
    assert_eq!(parsed.tests[&TestId("a".into())].status, Status::Failed);
    assert_eq!(parsed.contradictions.len(), 1);
}

#[test]
fn long_messages_keep_head_and_tail() {
    let text = format!("head{}tail", "é".repeat(MESSAGE_CAP_BYTES));
    let cut = cap(text);
    assert!(cut.len() <= MESSAGE_CAP_BYTES, "{}", cut.len());
    assert!(cut.starts_with("head") && cut.ends_with("tail"));
}

#[test]
fn colours_and_titles_are_taken_out() {
    assert_eq!(plain("\u{1b}[31;1mred\u{1b}[0m \u{1b}]0;title\u{7}x\u{1b}"), "red x");
}

/// Events of one Go package: `(action, test, output)`.
fn go_events(events: &[(&str, &str, &str)]) -> String {
    let line = |(action, test, output): &(&str, &str, &str)| {
        let mut event = serde_json::json!({ "Action": action, "Package": "x/loop", "Output": output });
        if !test.is_empty() {
            event["Test"] = (*test).into();
        }
        format!("{event}\n")
    };
    events.iter().map(line).collect()
}

#[test]
fn a_go_package_that_broke_off_blames_the_tests_that_ran() {
    let cut = "panic: test timed out after 2s\nrunning tests:\n\tTestLoop (2s)\n\ngoroutine 17 [running]:\n";
    let (ran, died) = (("run", "TestLoop", ""), ("fail", "", "FAIL\tx/loop\t2.0s\n"));
    let red = |events: &[(&str, &str, &str)]| {
        let parsed = go::report(&go_events(events), "");
        let red: Vec<_> = parsed.tests.into_iter().filter(|(_, r)| r.status == Status::Failed).collect();
        red.into_iter().map(|(id, r)| (id.0, r.scope)).collect::<Vec<_>>()
    };
    let looped = || vec![("x/loop TestLoop".to_owned(), Scope::Test)];
    assert_eq!(red(&[("run", "TestOther", ""), ("pause", "TestOther", ""), ran, died]), looped());
    assert_eq!(red(&[("run", "TestOther", ""), ran, ("output", "TestLoop", cut), died]), looped());
    assert_eq!(red(&[ran, ("pass", "TestLoop", ""), died]), [("x/loop".to_owned(), Scope::File)], "nobody ran");
    let parsed = go::report(&go_events(&[ran, ("output", "TestLoop", cut), died]), "");
    assert!(parsed.unfinished.is_empty() && parsed.tests[&TestId("x/loop TestLoop".into())].was_cut());
}
