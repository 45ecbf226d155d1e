//! `report.md`: the answer first, proof second, details folded. Everything from outside goes through [`escape`].

use super::asked;
use super::diagnosis::closest;
use super::document::{Attempt, Document, FixerInfo, HealInfo, Outcome};
use super::escape::{self, code, fence, markdown as text};
use super::fold::verdict_words;
use super::numbers::{count, seconds};
use super::{stuck, timeline};

/// Lists are cut here: a suite with ten thousand red tests has one reason, not ten thousand.
const MOST_TESTS: usize = 30;
/// A diff that is longer is folded away.
const SHORT_DIFF_LINES: usize = 40;
/// The most lines of one diff or log in the report; GitHub refuses bodies over 65,536 characters.
const MOST_LINES: usize = 120;

/// In front of tests that were shown to be flaky while a patch was judged.
pub(super) const FLAKY_ANYWAY: &str =
    "Fails now and then without the patch, too, so that runs of the suite in which it did were done over";

/// The report of a run.
pub fn render(document: &Document) -> String {
    let mut out = String::new();
    if let Some(heal) = document.heal.as_ref().filter(|heal| !heal.tests_changed.is_empty()) {
        let tests: Vec<_> = heal.tests_changed.iter().map(|path| code(path)).collect();
        out.push_str(&format!("**This patch changes tests** (that was allowed): {}\n\n", tests.join(", ")));
    }
    out.push_str(&format!("# {}\n\n", capital(&text(&document.headline))));
    facts(&mut out, document);
    if let Some(heal) = &document.heal {
        heal_section(&mut out, heal);
    }
    list(&mut out, "Likely", &document.diagnosis);
    list(&mut out, "What was stuck", &stuck::lines(document));
    list(&mut out, "What to try next", &document.next);
    reproduce(&mut out, document);
    red(&mut out, document);
    attempts(&mut out, document);
    fixers(&mut out, document);
    if !document.models.is_empty() {
        details(&mut out, "What models were asked", &asked::table(document));
    }
    log(&mut out, document);
    timeline_section(&mut out, document);
    list(&mut out, "Remarks", &document.notes);
    footer(&mut out, document);
    out
}

fn capital(line: &str) -> String {
    let mut chars = line.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn short(sha: &str) -> String {
    code(&sha.chars().take(7).collect::<String>())
}

/// The table under the headline.
fn facts(out: &mut String, document: &Document) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(suite) = &document.suite {
        rows.push((
            "suite",
            format!("{} ({}, found by {})", code(&suite.command), text(&suite.runner), text(&suite.found_by)),
        ));
    }
    if let Some(failure) = &document.failure {
        rows.push(("red", count(failure.red.len(), "test")));
    }
    if let Some(blame) = &document.blame {
        rows.push(("blame", format!("{}: {}", text(&blame.kind.replace('_', " ")), text(&blame.evidence))));
    }
    if let Some(culprit) = &document.culprit {
        let (subject, author) = (text(&culprit.subject), text(&culprit.author));
        rows.push((
            "red since",
            format!("{} “{subject}” by {author} ({})", short(&culprit.commit), text(&culprit.how)),
        ));
    } else if let Some(why) = &document.no_culprit {
        rows.push(("red since", format!("unknown: {}", text(why))));
    }
    for revert in &document.reverts {
        let commit = short(&revert.commit);
        rows.push(match &revert.revert {
            Some(_) => ("revert", format!("{commit} was reverted cleanly, in a workspace")),
            None => {
                let paths: Vec<_> = revert.conflicts.iter().take(MOST_TESTS).map(|path| code(path)).collect();
                ("revert", format!("{commit} can't be reverted cleanly: {}", paths.join(", ")))
            }
        });
    }
    if let (None, Some((fixer, miss))) = (&document.heal, closest(document)) {
        let red: Vec<_> = miss.still_red.iter().take(3).map(|test| code(test)).collect();
        rows.push(("closest", format!("{}: still red with it: {}", text(fixer), red.join(", "))));
    }
    if let Some(models) = asked::summary(document) {
        rows.push(("models", text(&models)));
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        out.push_str(&format!("| {name} | {value} |\n"));
    }
    out.push('\n');
}

fn heal_section(out: &mut String, heal: &HealInfo) {
    out.push_str(&format!("**{}** {}\n\n", text(&heal.fixer), text(&heal.idea)));
    for label in &heal.labels {
        out.push_str(&format!("> Mind: {}\n\n", text(label_words(label))));
    }
    if !heal.flaky.is_empty() {
        let tests: Vec<_> = heal.flaky.iter().take(MOST_TESTS).map(|id| code(id)).collect();
        out.push_str(&format!("> {FLAKY_ANYWAY}: {}\n\n", tests.join(", ")));
    }
    if heal.diff.lines().count() <= SHORT_DIFF_LINES {
        out.push_str(&fence("diff", &heal.diff));
        out.push('\n');
    } else {
        details(out, "The patch", &fence("diff", &escape::first_lines(&heal.diff, MOST_LINES)));
    }
    if let Some(disagreement) = &heal.disagreement {
        out.push_str(&format!("**{}:** {}\n\n", disagreement.heading(), text(&disagreement.what)));
        for (i, rival) in disagreement.rivals.iter().enumerate() {
            details(out, &format!("Rival {}", i + 1), &fence("diff", &escape::first_lines(rival, MOST_LINES)));
        }
    }
    let tests = &heal.tests;
    let mut proof = format!(
        "- red before: {}, green after: {} of them\n- passed before: {}, passed after: {}\n- collected before: {}, after: {}\n\
         - whole-suite runs with the patch: {}\n- guards passed: {}\n",
        tests.red_before,
        tests.red_before.saturating_sub(tests.red_after),
        tests.passed_before,
        tests.passed_after,
        tests.collected_before,
        tests.collected_after,
        tests.runs,
        heal.guards_passed.len(),
    );
    if !heal.set_aside.is_empty() {
        let paths: Vec<_> = heal.set_aside.iter().map(|path| code(path)).collect();
        proof.push_str(&format!("- put back before judging, so not part of the patch: {}\n", paths.join(", ")));
    }
    // where it is shown on another machine, there are no paths
    if !heal.receipt.is_empty() {
        proof.push_str(&format!("- receipt: {} (`kaizen-ci replay` checks it)\n", code(&heal.receipt)));
    }
    details(out, "How it was verified", &proof);
    match heal.applied.is_empty() {
        true if heal.patch.is_empty() => {}
        true => out.push_str(&format!("Not applied. To apply it:\n\n{}\n", fence("sh", &apply_command(&heal.patch)))),
        false => {
            let files: Vec<_> = heal.applied.iter().map(|path| code(path)).collect();
            out.push_str(&format!("Applied to the working tree: {}\n\n", files.join(", ")));
        }
    }
}

/// The one command that applies a written patch.
pub fn apply_command(patch: &str) -> String {
    format!("git apply {}", escape::shell(patch))
}

/// A label in words.
pub fn label_words(label: &str) -> &str {
    match label {
        "deletion_only" => "it only deletes code",
        "condition_to_constant" => "it fixes a condition to a constant",
        "undo" => "it only undoes part of a change",
        "remembered" => "it healed the same failure before",
        other => other,
    }
}

fn details(out: &mut String, title: &str, body: &str) {
    let body = body.trim_end();
    out.push_str(&format!("<details><summary>{title}</summary>\n\n{body}\n\n</details>\n\n"));
}

fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("## {title}\n\n"));
    for item in items.iter().take(MOST_TESTS) {
        out.push_str(&format!("- {}\n", text(item)));
    }
    out.push('\n');
}

fn reproduce(out: &mut String, document: &Document) {
    if !document.reproduce.is_empty() && document.heal.is_none() {
        out.push_str(&format!("## How to reproduce\n\n{}\n", fence("sh", &document.reproduce.join("\n"))));
    }
}

fn red(out: &mut String, document: &Document) {
    if let Some(blame) = document.blame.as_ref().filter(|blame| !blame.tests.is_empty()) {
        out.push_str("## Flaky tests\n\n");
        for test in blame.tests.iter().take(MOST_TESTS) {
            out.push_str(&format!("- {}\n", code(test)));
        }
        out.push('\n');
    }
    let Some(failure) = &document.failure else { return };
    let mut body = format!("Fingerprint {}\n\n", code(&failure.fingerprint));
    for test in failure.red.iter().take(MOST_TESTS) {
        body.push_str(&format!("- {}\n", code(test)));
        if let Some(message) = failure.messages.get(test) {
            let block = fence("text", &escape::first_lines(message, 12));
            body.push_str(&indented(&block));
        }
    }
    if failure.red.len() > MOST_TESTS {
        body.push_str(&format!("- … and {} more\n", failure.red.len() - MOST_TESTS));
    }
    // where it healed, the patch is what people read
    match document.heal {
        Some(_) => details(out, &format!("What was red ({})", count(failure.red.len(), "test")), &body),
        None => out.push_str(&format!("## What is red\n\n{body}\n")),
    }
    if failure.suspects.is_empty() {
        return;
    }
    let mut table = String::from("| place | in | score | why |\n|---|---|---:|---|\n");
    for s in failure.suspects.iter().take(10) {
        let place = code(&format!("{}:{}", s.file, s.line));
        let symbol = s.symbol.as_deref().map(code).unwrap_or_default();
        table.push_str(&format!("| {place} | {symbol} | {:.2} | {} |\n", s.score, text(&s.reason)));
    }
    details(out, &format!("Suspects ({})", failure.suspects.len()), &table);
}

/// A block inside a list item.
fn indented(block: &str) -> String {
    block.lines().map(|line| format!("  {line}\n")).collect()
}

fn attempts(out: &mut String, document: &Document) {
    let winner = document.heal.as_ref().map(|heal| heal.candidate.as_str());
    let others: Vec<_> =
        document.attempts.iter().filter(|attempt| Some(attempt.candidate.as_str()) != winner).collect();
    if others.is_empty() {
        return;
    }
    out.push_str(&format!("## What {}was tried\n\n", if winner.is_some() { "else " } else { "" }));
    out.push_str("| candidate | tier | idea | result | judged in |\n|---|---:|---|---|---:|\n");
    for attempt in others.iter().take(MOST_TESTS) {
        let verdict = text(verdict_words(attempt.verdict.as_deref()));
        let (name, idea, time) = (code(&attempt.candidate), text(&attempt.idea), seconds(attempt.judge_ms));
        out.push_str(&format!("| {name} | {} | {idea} | {verdict} | {time} |\n", attempt.tier));
    }
    out.push('\n');
    for attempt in others.iter().take(MOST_TESTS) {
        let verdict = verdict_words(attempt.verdict.as_deref());
        let title = escape::summary(&format!("{}: {verdict}", attempt.candidate));
        details(out, &title, &attempt_body(attempt));
    }
    if others.len() > MOST_TESTS {
        out.push_str(&format!("… and {} more, in `report.json`.\n\n", others.len() - MOST_TESTS));
    }
}

fn attempt_body(attempt: &Attempt) -> String {
    let mut body = String::new();
    for reason in attempt.reasons.iter().take(MOST_TESTS) {
        body.push_str(&format!("- {}: {}\n", code(&reason.rule), text(&reason.what)));
    }
    body.push('\n');
    body.push_str(&fence("diff", &escape::first_lines(&attempt.diff, MOST_LINES)));
    if !attempt.output.is_empty() {
        body.push_str(&format!(
            "\nWhat the tests said:\n\n{}",
            fence("text", &escape::first_lines(&attempt.output, 60))
        ));
    }
    body
}

fn fixers(out: &mut String, document: &Document) {
    if document.fixers.is_empty() {
        return;
    }
    let mut body = String::from("| fixer | tier | ended | tried | time |\n|---|---:|---|---:|---:|\n");
    for fixer in &document.fixers {
        let (name, ended) = (text(&fixer.fixer), text(&ended_words(fixer)));
        body.push_str(&format!("| {name} | {} | {ended} | {} | {} |\n", fixer.tier, fixer.tried, seconds(fixer.ms)));
    }
    for fixer in &document.fixers {
        if fixer.notes.is_empty() && fixer.closest.is_empty() {
            continue;
        }
        body.push_str(&format!("\n**{}**, tier {}\n\n", text(&fixer.fixer), fixer.tier));
        for note in fixer.notes.iter().take(MOST_TESTS) {
            body.push_str(&format!("- {}\n", text(note)));
        }
        for miss in fixer.closest.iter().take(3) {
            let red: Vec<_> = miss.still_red.iter().take(5).map(|test| code(test)).collect();
            body.push_str(&format!("\nClose, but still red: {}\n\n", red.join(", ")));
            body.push_str(&fence("diff", &escape::first_lines(&miss.diff, MOST_LINES)));
        }
    }
    details(out, "Where the fixers looked, and what came close", &body);
}

/// How a fixer ended, in words.
pub fn ended_words(fixer: &FixerInfo) -> String {
    let words = match fixer.ended.as_str() {
        "nothing_to_do" => "nothing to do",
        "exhausted" => "tried all it knows",
        "done" => "proposed what it had",
        "out_of_time" => "out of time",
        "out_of_budget" => "out of budget",
        "no_model_now" => "no model answers now",
        "cancelled" => "another one won",
        "failed" => "failed itself",
        other => other,
    };
    match &fixer.why {
        Some(why) => format!("{words}: {}", escape::one_line(why, 160)),
        None => words.into(),
    }
}

fn log(out: &mut String, document: &Document) {
    if let Some(failure) = document.failure.as_ref().filter(|failure| !failure.excerpt.trim().is_empty()) {
        let excerpt = escape::first_lines(&failure.excerpt, 2 * MOST_LINES);
        details(out, "The part of the log that matters", &fence("text", &excerpt));
    }
}

fn timeline_section(out: &mut String, document: &Document) {
    if document.timeline.is_empty() {
        return;
    }
    let mut body = format!("```mermaid\n{}```\n\n", timeline::mermaid(&document.timeline));
    body.push_str("| from | to | what | how it ended |\n|---:|---:|---|---|\n");
    for span in document.timeline.iter().take(4 * MOST_TESTS) {
        let what = text(&timeline::title(span));
        let (from, to) = (seconds(span.start_ms), seconds(span.end_ms));
        body.push_str(&format!("| {from} | {to} | {what} | {} |\n", text(&span.state)));
    }
    details(out, "Timeline", &body);
}

fn footer(out: &mut String, document: &Document) {
    let runs: Vec<_> = document.runs.iter().map(|(what, n)| format!("{} {n}", text(what))).collect();
    let runs = if runs.is_empty() { document.suite_runs.len().to_string() } else { runs.join(", ") };
    let snapshot = document.snapshot.as_ref().map(|s| format!(", snapshot {}", short(&s.commit))).unwrap_or_default();
    let ended = if document.outcome == Outcome::Unfinished { "no end recorded" } else { "done" };
    out.push_str(&format!(
        "---\nkaizen-ci {}, run {}, {ended} after {}, suite runs: {runs}{snapshot}, seed {}\n",
        text(&document.version),
        code(&document.run),
        seconds(document.duration_ms),
        document.seed,
    ));
}
