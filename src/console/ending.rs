//! The last screen of a run: the answer, the proof, the diff; details are one command away.

use super::diff;
use super::style::Style;
use crate::report::diagnosis::closest;
use crate::report::document::{Document, HealInfo, Outcome};
use crate::report::escape::{one_line, shell};
use crate::report::markdown::{apply_command, label_words};
use crate::report::numbers::count;
use crate::report::stuck;

/// A diff that is longer is cut: the whole one is in the patch file.
const MOST_DIFF_LINES: usize = 60;

/// What is shown besides the document.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    /// Colours.
    pub style: Style,
    /// Only the answer.
    pub quiet: bool,
    /// Say the command that applies the patch (nobody can be asked).
    pub say_apply: bool,
}

/// The last screen.
pub fn render(document: &Document, show: Show) -> String {
    let style = show.style;
    let mut out = format!("{}\n", headline(document, style));
    if let Some(heal) = &document.heal {
        if !show.quiet {
            proof(&mut out, heal, style);
            asked(&mut out, document, style);
            out.push_str(&diff::render(&heal.diff, style, MOST_DIFF_LINES));
            rivals(&mut out, heal, style);
        }
        if show.say_apply {
            out.push_str(&last_word(heal, &document.notes, style));
        }
        return out;
    }
    if !show.quiet {
        reasons(&mut out, document, style);
        asked(&mut out, document, style);
    }
    pointers(&mut out, document, style);
    out
}

fn headline(document: &Document, style: Style) -> String {
    let line = one_line(&document.headline, 300);
    // The answer itself stands out, the rest of the sentence doesn't.
    let cut = line.find([',', ':', '.']).unwrap_or(line.len());
    let (answer, rest) = line.split_at(cut);
    let answer = match document.outcome {
        Outcome::AlreadyGreen | Outcome::Healed => style.good(answer),
        Outcome::HealedNotApplied | Outcome::Ambiguous | Outcome::Flaky | Outcome::LeftAlone => style.warn(answer),
        Outcome::Unfinished if document.heal.is_some() => style.good(answer),
        Outcome::Interrupted | Outcome::Unfinished => style.warn(answer),
        Outcome::BrokenOnBase | Outcome::Environment | Outcome::Escalated | Outcome::Error => style.bad(answer),
    };
    format!("{answer}{rest}")
}

fn row(out: &mut String, style: Style, name: &str, text: &str) {
    out.push_str(&format!("  {} {}\n", style.dim(&format!("{name:<12}")), text));
}

fn proof(out: &mut String, heal: &HealInfo, style: Style) {
    if !heal.tests_changed.is_empty() {
        row(out, style, "tests changed", &style.warn(&one_line(&heal.tests_changed.join(", "), 200)));
    }
    if !heal.flaky.is_empty() {
        row(out, style, "flaky anyway", &style.warn(&one_line(&heal.flaky.join(", "), 200)));
    }
    let idea = one_line(&heal.idea, 160);
    for (i, file) in heal.files.iter().take(8).enumerate() {
        let lines = match (file.added, file.removed) {
            (a, b) if a == b => count(a, "line"),
            (a, 0) => format!("{} added", count(a, "line")),
            (0, b) => format!("{} removed", count(b, "line")),
            (a, b) => format!("{} added, {b} removed", count(a, "line")),
        };
        let idea = if i == 0 { format!(": {idea}") } else { String::new() };
        row(out, style, &one_line(&file.path, 60), &format!("{lines}{idea}"));
    }
    if heal.files.len() > 8 {
        row(out, style, "", &format!("… and {} more files", heal.files.len() - 8));
    }
    let tests = &heal.tests;
    let green = tests.red_before.saturating_sub(tests.red_after);
    let fewer = tests.collected_before.saturating_sub(tests.collected_after);
    let runs = match tests.runs {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    };
    let stay = tests.passed_after.saturating_sub(green).min(tests.passed_before);
    row(out, style, "tests", &format!("{green} red → green, {stay} stay green, {fewer} fewer collected, run {runs}"));
    row(out, style, "not touched", "tests, their configuration, lock files, CI");
    if !heal.set_aside.is_empty() {
        row(out, style, "set aside", &one_line(&heal.set_aside.join(", "), 160));
    }
    for label in &heal.labels {
        row(out, style, "mind", label_words(label));
    }
    row(out, style, "receipt", &one_line(&heal.receipt, 200));
}

fn asked(out: &mut String, document: &Document, style: Style) {
    if let Some(models) = crate::report::asked::summary(document) {
        row(out, style, "models", &models);
    }
}

fn rivals(out: &mut String, heal: &HealInfo, style: Style) {
    let Some(disagreement) = &heal.disagreement else { return };
    out.push_str(&format!(
        "{} {}\n",
        style.warn(&format!("{}:", disagreement.heading().to_lowercase())),
        one_line(&disagreement.what, 200)
    ));
    for rival in disagreement.rivals.iter().take(3) {
        out.push_str(&diff::render(rival, style, MOST_DIFF_LINES / 2));
    }
}

fn reasons(out: &mut String, document: &Document, style: Style) {
    if let Some(blame) = document.blame.as_ref().filter(|blame| !blame.tests.is_empty()) {
        for test in blame.tests.iter().take(10) {
            row(out, style, "flaky", &one_line(test, 160));
        }
    }
    if let Some(hint) = document.blame.as_ref().and_then(|blame| blame.hint.as_ref()) {
        row(out, style, "do", &one_line(hint, 300));
    }
    if let Some(culprit) = &document.culprit {
        let words =
            format!("{:.7} \"{}\" ({})", culprit.commit, one_line(&culprit.subject, 80), one_line(&culprit.how, 60));
        row(out, style, "red since", &words);
    } else if let Some(why) = document.no_culprit.as_ref().filter(|_| !document.attempts.is_empty()) {
        row(out, style, "red since", &format!("unknown: {}", one_line(why, 160)));
    }
    if document.outcome == Outcome::Escalated
        || document.outcome == Outcome::BrokenOnBase
        || document.outcome == Outcome::Interrupted
    {
        learned(out, document, style);
    }
    for note in document.notes.iter().take(5) {
        row(out, style, "note", &one_line(note, 200));
    }
}

/// What a person would want to know before they start.
fn learned(out: &mut String, document: &Document, style: Style) {
    if let Some((fixer, miss)) = closest(document) {
        let red: Vec<String> = miss.still_red.iter().take(2).map(|test| one_line(test, 100)).collect();
        let more =
            if miss.still_red.len() > 2 { format!(" and {} more", miss.still_red.len() - 2) } else { String::new() };
        row(out, style, "closest", &format!("{} leaves {}{more} red", one_line(fixer, 40), red.join(", ")));
    }
    for revert in document.reverts.iter().filter(|revert| revert.revert.is_none()) {
        let paths = one_line(&revert.conflicts.join(", "), 120);
        row(out, style, "revert", &format!("{:.7} can't be reverted cleanly: {paths}", one_line(&revert.commit, 40)));
    }
    for stuck in stuck::lines(document).iter().take(3) {
        row(out, style, "stuck", stuck);
    }
    for likely in document.diagnosis.iter().take(2) {
        row(out, style, "likely", &one_line(likely, 200));
    }
    if let Some(suspect) = document.failure.as_ref().and_then(|failure| failure.suspects.first()) {
        row(out, style, "look at", &one_line(&format!("{}:{} ({})", suspect.file, suspect.line, suspect.reason), 200));
    }
}

fn pointers(out: &mut String, document: &Document, style: Style) {
    if let Some(report) = &document.report {
        row(out, style, "report", &one_line(report, 200));
    }
    match document.outcome {
        Outcome::Escalated | Outcome::BrokenOnBase | Outcome::LeftAlone => {
            row(out, style, "again", "kaizen-ci heal --force")
        }
        Outcome::Interrupted | Outcome::Unfinished => {
            row(out, style, "details", &format!("kaizen-ci show {}", shell(&document.run)));
        }
        Outcome::Flaky => row(out, style, "anyway", "kaizen-ci heal --force"),
        Outcome::AlreadyGreen
        | Outcome::Healed
        | Outcome::HealedNotApplied
        | Outcome::Ambiguous
        | Outcome::Environment
        | Outcome::Error => {}
    }
}

/// What came of the question whether to apply a heal.
pub fn last_word(heal: &HealInfo, notes: &[String], style: Style) -> String {
    let mut out = String::new();
    for note in notes.iter().filter(|note| note.starts_with("not applied")) {
        row(&mut out, style, "note", &one_line(note, 200));
    }
    if heal.applied.is_empty() {
        row(&mut out, style, "apply", &apply_command(&heal.patch));
    } else {
        row(&mut out, style, "applied", &style.green(&one_line(&heal.applied.join(", "), 200)));
    }
    out
}

/// The answer to `[e]xplain`: how it was verified and what else was tried.
pub fn explain(document: &Document, style: Style) -> String {
    let mut out = String::new();
    if let Some(blame) = &document.blame {
        row(&mut out, style, "triage", &one_line(&blame.evidence, 200));
    }
    for run in &document.suite_runs {
        let words = format!("{} passed, {} failed, {} skipped", run.passed, run.failed, run.skipped);
        row(&mut out, style, &one_line(&run.purpose, 12), &format!("{} · {words}", one_line(&run.subject, 60)));
    }
    if let Some(heal) = &document.heal {
        row(&mut out, style, "guards", &format!("passed: {}", one_line(&heal.guards_passed.join(", "), 400)));
    }
    for attempt in &document.attempts {
        let verdict = crate::report::verdict_words(attempt.verdict.as_deref());
        let words = format!("{}: {verdict}", one_line(&attempt.idea, 120));
        row(&mut out, style, &one_line(&attempt.candidate, 20), &words);
    }
    for likely in &document.diagnosis {
        row(&mut out, style, "likely", &one_line(likely, 200));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};

    fn screen(name: &str, quiet: bool) -> String {
        render(&Document::of(&recorded(name)), Show { style: Style::plain(), quiet, say_apply: true })
    }

    #[test]
    fn every_ending_has_a_screen_with_the_answer_first() {
        for name in all_recorded() {
            insta::assert_snapshot!(format!("ending-{name}"), screen(&name, false));
        }
    }

    #[test]
    fn quiet_leaves_the_answer_and_what_a_script_needs() {
        assert_eq!(screen("healed", true), "healed by undo, tier 1, in 11.2 s\n  applied      src/cart.py\n");
        let text = screen("not-applied", true);
        assert!(text.ends_with("git apply /home/ada/shop/.git/kaizen/runs/01JD3W8Q2X7M/heal.patch\n"), "{text}");
        assert_eq!(screen("escalated", true).lines().count(), 3);
    }

    #[test]
    fn no_screen_lets_hostile_text_steer_the_terminal() {
        let document = Document::of(&recorded("hostile"));
        let text = screen("hostile", false) + &explain(&document, Style::plain());
        assert!(!text.contains(['\x1b', '\u{202e}', '\u{7}']));
    }

    #[test]
    fn the_explanation_names_every_run_and_attempt() {
        let text = explain(&Document::of(&recorded("healed")), Style::plain());
        for words in ["red again 2/2", "undo#1 · 214 passed", "skip-added", "undo#1"] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }
}
