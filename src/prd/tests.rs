//! Tests of the lint: the corpus of good and bad documents, what is left alone, properties.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn documents(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prd").join(kind);
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == "md"));
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn linted(path: &Path) -> Lint {
    lint(&std::fs::read_to_string(path).unwrap(), &|to| path.parent().unwrap().join(to).exists())
}

/// `LINE RULE` of everything that is not a note, sorted.
fn lines(lint: &Lint) -> Vec<String> {
    let mut lines: Vec<_> = lint
        .findings
        .iter()
        .filter(|finding| finding.severity > Severity::Note)
        .map(|finding| format!("{} {}", finding.line, finding.rule))
        .collect();
    lines.sort();
    lines
}

fn rules_of(text: &str) -> Vec<String> {
    lint(text, &|_| true).findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn good_documents_have_no_finding_and_pass() {
    for path in documents("good") {
        let lint = linted(&path);
        assert_eq!(lines(&lint), Vec::<String>::new(), "{}: {:#?}", path.display(), lint.findings);
        assert!(Gate { threshold: 1.0 }.decide(&lint, None).all(), "{}: {:?}", path.display(), lint.scores);
    }
}

#[test]
fn bad_documents_have_exactly_the_findings_that_they_were_written_for() {
    for path in documents("bad") {
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
        let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
        expected.sort();
        let lint = linted(&path);
        assert_eq!(lines(&lint), expected, "{}", path.display());
        assert!(!Gate { threshold: 0.8 }.decide(&lint, None).all(), "{}", path.display());
    }
}

#[test]
fn every_rule_that_is_more_than_a_note_is_shown_by_a_bad_document() {
    let seen: std::collections::BTreeSet<_> =
        documents("bad").iter().flat_map(|path| linted(path).findings).map(|finding| finding.rule).collect();
    let silent: Vec<_> =
        rules::RULES.iter().filter(|r| r.severity > Severity::Note && !seen.contains(r.id)).map(|r| r.id).collect();
    assert_eq!(silent, Vec::<&str>::new());
}

#[test]
fn what_is_no_prose_is_left_alone() {
    let wrong = "REQ-9: it should be fast TBD, see REQ-77";
    for hidden in [
        format!("```\n{wrong}\n```\n"),
        format!("> {wrong}\n"),
        format!("<!-- {wrong} -->\n"),
        format!("    {wrong}\n"),
        format!("See `{wrong}`.\n"),
        format!("~~{wrong}~~\n"),
    ] {
        let text = format!("# Requirements\n\nThe shop shall sell `x`.\n\n{hidden}");
        let rules = rules_of(&text);
        assert!(
            !rules.iter().any(|r| ["vague-word", "weak-word", "open-marker", "dangling-reference"].contains(&&**r)),
            "{hidden}: {rules:?}"
        );
    }
    assert!(rules_of(&format!("# Requirements\n\n{wrong}\n")).contains(&"dangling-reference".to_owned()));
}

#[test]
fn a_finding_names_the_place_of_its_words() {
    let text = "# Requirements\n\n- REQ-1: Die Größe – **shall** be *fast*.\n";
    let lint = lint(text, &|_| true);
    let fast = lint.findings.iter().find(|finding| finding.rule == "vague-word").unwrap();
    assert_eq!((fast.line, fast.column, fast.end_column, fast.quote.as_str()), (3, 36, 40, "fast"));
    assert!(fast.suggestion.contains("within 200 ms") && fast.section == "Requirements");
}

#[test]
fn the_five_forms_of_ears_are_accepted_and_others_are_not() {
    for (sentence, good) in [
        ("The shop shall sell books.", true),
        ("When a customer pays, the shop shall send an invoice.", true),
        ("While the shop is closed, the till shall refuse payments.", true),
        ("Where a printer is attached, the till shall print the invoice.", true),
        ("If the printer is out of paper, then the till shall say so.", true),
        ("While the shop is open, when a customer pays, the till shall print the invoice.", true),
        ("When a customer pays the shop shall send an invoice.", false),
        ("Shall send an invoice.", false),
        ("Invoices by mail.", false),
        ("The shop sends invoices.", false),
    ] {
        let found = rules_of(&format!("# Requirements\n\n- REQ-1: {sentence}\n")).contains(&"ears-form".to_owned());
        assert_eq!(!found, good, "{sentence}");
    }
}

#[test]
fn the_same_number_in_other_units_and_numbers_of_other_things_do_not_contradict() {
    for (a, b, contradicts) in [
        ("The search shall answer within 300 ms.", "The search shall answer within 0.3 s.", false),
        ("The search shall answer within 300 ms.", "The search shall answer within 400 ms.", true),
        ("The search shall answer within 300 ms.", "The login shall answer within 400 ms.", false),
        ("`GET /a` shall answer calls within 300 ms.", "`GET /b` shall answer calls within 400 ms.", false),
        ("The list shall hold at least 5 items.", "The list shall hold at most 50 items.", false),
        ("The list shall hold up to 1,000 items.", "The list shall hold up to 1000 items.", false),
        (
            "The desk shall answer alarms of level 1 within 15 minutes.",
            "The desk shall answer alarms of level 2 within 60 minutes.",
            false,
        ),
        (
            "The desk shall answer alarms of level 1 within 15 minutes.",
            "The desk shall answer alarms of level 1 within 60 minutes.",
            true,
        ),
        ("The desk shall close P1 tickets within 2 hours.", "The desk shall close P2 tickets within 2 days.", false),
        ("Plan A shall end within 2 hours.", "Plan B shall end within 3 hours.", false),
        ("Die Öl-Pumpe shall stop within 5 s.", "Die Äl-Pumpe shall stop within 9 s.", false),
    ] {
        let rules = rules_of(&format!("# Requirements\n\n- REQ-1: {a}\n- REQ-2: {b}\n"));
        assert_eq!(rules.contains(&"contradictory-numbers".to_owned()), contradicts, "{a} {b}");
    }
}

#[test]
fn small_faults_are_found_and_what_only_looks_like_one_is_left_alone() {
    for (sentence, rule, is_found) in [
        ("The shop shall answer as RFC 7231 section 5.1 says.", "dangling-reference", false),
        ("The shop shall answer as section 5.1 says.", "dangling-reference", true),
        ("The invoice shall be sent by e-mail.", "passive-without-actor", true),
        ("The invoice shall be sent by the shop.", "passive-without-actor", false),
        ("The invoice shall be sent by Ada.", "passive-without-actor", false),
        ("The test shall draw prices from a normal distribution.", "vague-word", false),
        ("The shop shall show a normal price.", "vague-word", true),
        ("The shop shall link to https://shop.example/TBD.", "open-marker", false),
        ("The shop shall link to TBD.", "open-marker", true),
        ("The shop shall be able to print.", "weak-word", true),
        ("The page shall look like ![this](missing.png).", "dangling-reference", true),
        ("The page shall look like ![this](there.png).", "dangling-reference", false),
    ] {
        let text = format!("# Requirements\n\n- REQ-1: {sentence}\n");
        let lint = lint(&text, &|to| to != "missing.png");
        assert_eq!(lint.findings.iter().any(|f| f.rule == rule), is_found, "{sentence}: {:?}", lint.findings);
    }
}

#[test]
fn a_byte_order_mark_changes_nothing_and_nothing_at_all_has_no_score() {
    let text = "# Requirements\n\n- REQ-1: The shop shall be fast.\n";
    let (plain, marked) = (lint(text, &|_| true), lint(&format!("\u{feff}{text}"), &|_| true));
    assert_eq!((&plain.findings.last(), plain.scores), (&marked.findings.last(), marked.scores));
    assert_eq!(marked.findings[0].column, 3);
    for nothing in ["", "\n\n", "\u{feff}", "<!-- later -->\n"] {
        let scores = lint(nothing, &|_| true).scores;
        assert_eq!(Dimension::ALL.map(|d| scores.of(d)), [0.0; 3], "{nothing:?}");
    }
}

#[test]
fn ids_in_a_range_are_named_and_not_defined_once_more() {
    let requirements: String = (1..=4).map(|n| format!("- REQ-{n}: The shop shall sell thing {n}.\n")).collect();
    for range in ["REQ-1..REQ-4", "REQ-1 to REQ-4", "REQ-1–4", "REQ-1 – REQ-4"] {
        let text = format!(
            "# Requirements\n\n{requirements}\n{range} hold.\n\n## Acceptance\n\n- {range}: Given a shop, when it opens, then things are sold.\n"
        );
        let rules = rules_of(&text);
        assert!(!rules.iter().any(|r| r == "missing-acceptance" || r == "duplicate-id"), "{range}: {rules:?}");
    }
    let text = format!(
        "# Requirements\n\n{requirements}\n## Acceptance\n\n- REQ-1 and REQ-4: Given a shop, when it opens, then things are sold.\n"
    );
    assert_eq!(rules_of(&text).iter().filter(|rule| *rule == "missing-acceptance").count(), 2);
}

#[test]
fn ids_below_others_with_letters_underscores_and_in_code_are_ids_of_their_own() {
    let requirement = |id: &str, n: usize| format!("- {id}: The shop shall sell thing {n}.\n");
    for [a, b] in [
        ["FR-1.1", "FR-1.2"],
        ["REQ_1", "REQ_2"],
        ["REQ-001a", "REQ-001b"],
        ["US1.1", "US1.2"],
        ["`REQ-1`", "`REQ-2`"],
        ["**`FR-1.1.1`**", "`FR-1.1.2`"],
    ] {
        let bare = |id: &str| id.replace(['`', '*'], "");
        let text = format!(
            "# Requirements\n\n{}{}\nSee {} and {}.\n\n# Acceptance\n\n- {}: Given a shop, when it opens, then things are sold.\n",
            requirement(a, 1),
            requirement(b, 2),
            bare(a),
            bare(b),
            bare(a)
        );
        let found = lint(&text, &|_| true).findings;
        let rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        assert!(!rules.contains(&"duplicate-id") && !rules.contains(&"dangling-reference"), "{a}: {found:#?}");
        // the second one has an id, which no criterion names
        assert_eq!(rules.iter().filter(|rule| **rule == "missing-acceptance").count(), 1, "{a}: {found:#?}");
        let twice = rules_of(&text.replace(&requirement(b, 2), &requirement(a, 2)));
        assert!(twice.contains(&"duplicate-id".to_owned()), "{a}: {twice:?}");
    }
    for (id, letters) in
        [("FR-SEC-3", "FR-SEC"), ("FR-1.2", "FR"), ("REQ_001a", "REQ"), ("US7", "US"), ("R2D2-3", "R2D2")]
    {
        assert_eq!(identifiers::prefix(id), letters);
        assert!(identifiers::is_id(id) && !identifiers::is_id(&format!("{id}:")));
    }
    // names of standards with their versions are none, and a full stop ends a sentence
    for none in ["TLS-1.2", "UTF-8", "WCAG-2.1"] {
        assert_eq!(identifiers::ids(none).next(), None, "{none}");
    }
    assert_eq!(identifiers::ids("See REQ-1. 2 follow.").map(|(_, id)| id).collect::<Vec<_>>(), ["REQ-1"]);
    assert_eq!(identifiers::ranges("FR-1.1 to FR-1.3"), ["FR-1.1", "FR-1.2", "FR-1.3"]);
}

#[test]
fn what_should_or_can_be_among_requirements_is_one_of_them() {
    for (sentence, is_one) in [
        ("The shop should sell books.", true),
        ("Customers can pay by card.", true),
        ("The page will show the basket.", true),
        ("Sellers may close an account.", true),
        ("This part lists what the shop will do:", false),
        ("Books are made of paper.", false),
    ] {
        let rules = rules_of(&format!("# Requirements\n\n{sentence}\n"));
        assert_eq!(rules.contains(&"ears-form".to_owned()), is_one, "{sentence}: {rules:?}");
        let rules =
            rules_of(&format!("# Requirements\n\nREQ-1: The shop shall sell maps.\n\n# Background\n\n{sentence}\n"));
        assert!(!rules.contains(&"ears-form".to_owned()), "{sentence}: {rules:?}");
    }
}

#[test]
fn user_stories_have_to_be_exact_in_a_form_of_their_own() {
    let story = "As a customer, I want to be able to find a fast page so that I buy easily.";
    let rules = rules_of(&format!("# User stories\n\n{story}\n"));
    let has = |rule: &str| rules.iter().any(|r| r == rule);
    assert!(has("vague-word") && has("untestable-adverb") && !has("ears-form") && !has("weak-word"), "{rules:?}");
}

#[test]
fn criteria_define_their_ids_whatever_stands_behind_them() {
    for (criterion, is_defined) in [
        ("**AC-1** (REQ-1): Given a shop, when it opens, then it sells.", true),
        ("**AC-1 (REQ-1)** Given a shop, when it opens, then it sells.", true),
        ("AC-1 verifies REQ-1 in the test shop.", true),
        ("AC-1 and AC-2 are with the team.", false),
    ] {
        let text = format!(
            "# Requirements\n\n- REQ-1: The shop shall sell maps.\n\n## Acceptance criteria\n\n- {criterion}\n"
        );
        assert_eq!(!rules_of(&text).contains(&"dangling-reference".to_owned()), is_defined, "{criterion}");
    }
}

#[test]
fn thousands_of_alike_lines_are_compared_in_no_time_and_told_a_thousand_times() {
    let lines: String = (0..6000).map(|n| format!("- The search shall answer within {} ms.\n", 100 + n)).collect();
    let began = std::time::Instant::now();
    let found = lint(&format!("# Requirements\n\n{lines}"), &|_| true);
    let told: Vec<_> = found.findings.iter().filter(|f| f.rule == "contradictory-numbers").collect();
    assert_eq!(told.len(), rules::TOLD_MOST + 1);
    assert!(told.last().unwrap().message.starts_with("4999 more of this rule"), "{}", told.last().unwrap().message);
    assert!(told[0].message.contains("line 3 says"), "{}", told[0].message);
    assert_eq!(found.scores.clarity, 0.0, "all of them weigh");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[test]
fn a_comment_switches_a_rule_off_until_another_one_switches_it_on_again() {
    let fast = "- The shop shall be fast and robust, quickly.\n\n";
    let text = format!(
        "# Requirements\n\n{fast}<!-- kaizen-ci off: vague-word, untestable-adverb -->\n\n{fast}<!-- kaizen-ci on: vague-word -->\n\n{fast}```\n<!-- kaizen-ci off: vague-word -->\n```\n\n{fast}"
    );
    let lines_of = |rule: &str| -> Vec<usize> {
        lint(&text, &|_| true).findings.iter().filter(|f| f.rule == rule).map(|f| f.line).collect()
    };
    assert_eq!(lines_of("vague-word"), [3, 3, 11, 11, 17, 17]);
    assert_eq!(lines_of("untestable-adverb"), [3]);
}

#[test]
fn removing_a_fault_never_lowers_a_score() {
    let bad = "# Requirements\n\n- REQ-1: The shop shall be fast.\n- REQ-2: The shop shall sell books.\n";
    let (before, after) = (lint(bad, &|_| true).scores, lint(&bad.replace("be fast", "sell maps"), &|_| true).scores);
    assert!(after.clarity > before.clarity);
    assert!(after.completeness >= before.completeness && after.testability >= before.testability);
    assert!(before.evidence.iter().any(|evidence| evidence.quote == "fast" && evidence.line == 3));
}

/// Pieces that documents are made of, the broken ones included.
const PIECES: &[&str] = &[
    "# ",
    "## Requirements\n",
    "## Glossary\n",
    "\n\n",
    "- ",
    "  - ",
    "1. ",
    "| a | b |\n|---|---|\n",
    "| REQ-1 | x |\n",
    "```\n",
    "> ",
    "**",
    "*",
    "`",
    "REQ-1",
    "REQ-1: ",
    "FR-SEC-2. ",
    "The shop shall ",
    "When ",
    "if, then ",
    "fast ",
    "é",
    "ß–",
    "日本",
    "[a](#b)",
    "[a][b]",
    "](",
    "<b>",
    "<!--",
    "TBD",
    "within 5",
    "within 200 ms",
    "200 ms ",
    "99999999999999999999 s",
    "1,2,3 %",
    ".",
    ":",
    "\u{0}",
    "\u{202e}",
    "\r\n",
    "\t",
    "---\n",
    "API",
    "QXZ (",
    ")",
    "must ",
    "and send the ",
    "section 4.2 ",
    "&amp;",
    "\\",
    "Given ",
    "e.g. ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_are_linted_without_a_panic_and_always_alike(picks in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = picks.into_iter().map(|n| PIECES[n]).collect();
        let once = lint(&text, &|_| false);
        prop_assert_eq!(&once, &lint(&text, &|_| false));
        for dimension in Dimension::ALL {
            prop_assert!((0.0..=1.0).contains(&once.scores.of(dimension)));
        }
        let document = Document::new(&text);
        prop_assert_eq!(document.prose.len(), text.len());
        for finding in &once.findings {
            prop_assert!(finding.line >= 1 && finding.column >= 1 && finding.line <= finding.end_line);
            prop_assert!(!finding.message.is_empty() && !finding.suggestion.is_empty());
        }
    }

    #[test]
    fn any_text_is_linted_without_a_panic(text in "\\PC{0,200}") {
        let _ = lint(&text, &|_| true);
    }
}
