//! `report.html`: one page that needs nothing else: no script, no font, no picture from anywhere.

use super::asked;
use super::document::{Document, HealInfo};
use super::escape::{first_lines, html, one_line};
use super::fold::verdict_words;
use super::markdown::{FLAKY_ANYWAY, label_words};
use super::numbers::{count, seconds};
use super::{stuck, timeline};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--bad:#cf222e;--add:#1a7f3722;--del:#cf222e22}\
body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}\
pre{border:1px solid var(--line);border-radius:6px;padding:.6rem;overflow:auto;font:13px/1.45 ui-monospace,monospace}\
code{font:13px ui-monospace,monospace}table{border-collapse:collapse}td,th{border:1px solid var(--line);padding:.2rem .6rem;\
text-align:left;vertical-align:top}.two{display:grid;grid-template-columns:1fr 1fr;gap:.6rem}.two pre{margin:0}\
.add{background:var(--add);display:block}.del{background:var(--del);display:block}details{margin:.4rem 0}\
svg text{font:11px system-ui,sans-serif;fill:currentColor}.good{fill:var(--good)}.bad{fill:var(--bad)}\
.neutral{fill:#8888}.open{fill:#d4a72c}";

/// The page of a run.
pub fn render(document: &Document) -> String {
    let title = html(&one_line(&document.headline, 200));
    let mut body = format!("<h1>{title}</h1>\n");
    facts(&mut body, document);
    if let Some(heal) = &document.heal {
        heal_section(&mut body, heal);
    }
    list(&mut body, "Likely", &document.diagnosis);
    list(&mut body, "What was stuck", &stuck::lines(document));
    list(&mut body, "What to try next", &document.next);
    if document.heal.is_none() && !document.reproduce.is_empty() {
        body.push_str(&format!("<h2>How to reproduce</h2>\n<pre>{}</pre>\n", html(&document.reproduce.join("\n"))));
    }
    red(&mut body, document);
    attempts(&mut body, document);
    if !document.timeline.is_empty() {
        body.push_str(&format!("<h2>Timeline</h2>\n{}", timeline::svg(&document.timeline)));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n{body}<p>kaizen-ci {}, run {}, {}, seed {}</p>\n</body></html>\n",
        html(&document.version),
        html(&document.run),
        seconds(document.duration_ms),
        document.seed,
    )
}

fn facts(out: &mut String, document: &Document) {
    let mut rows = format!("<tr><th>repository</th><td>{}</td></tr>\n", html(&one_line(&document.repository, 400)));
    let mut row = |name: &str, value: String| {
        rows.push_str(&format!("<tr><th>{name}</th><td>{}</td></tr>\n", html(&one_line(&value, 400))));
    };
    if let Some(suite) = &document.suite {
        row("suite", suite.command.clone());
    }
    if let Some(blame) = &document.blame {
        row("blame", format!("{}: {}", blame.kind.replace('_', " "), blame.evidence));
    }
    if let Some(culprit) = &document.culprit {
        row(
            "red since",
            format!("{:.7} “{}” by {} ({})", culprit.commit, culprit.subject, culprit.author, culprit.how),
        );
    }
    for revert in document.reverts.iter().filter(|revert| revert.revert.is_none()) {
        row("revert refused", format!("{:.7}: conflicts in {}", revert.commit, revert.conflicts.join(", ")));
    }
    if let Some(models) = asked::summary(document) {
        row("models", models);
    }
    out.push_str(&format!("<table>\n{rows}</table>\n"));
}

fn heal_section(out: &mut String, heal: &HealInfo) {
    out.push_str(&format!("<p><b>{}</b>: {}</p>\n", html(&heal.fixer), html(&heal.idea)));
    if !heal.tests_changed.is_empty() {
        out.push_str(&format!("<p><b>This patch changes tests</b>: {}</p>\n", html(&heal.tests_changed.join(", "))));
    }
    if !heal.flaky.is_empty() {
        out.push_str(&format!("<p>{FLAKY_ANYWAY}: {}</p>\n", html(&heal.flaky.join(", "))));
    }
    for label in &heal.labels {
        out.push_str(&format!("<p>Mind: {}</p>\n", html(label_words(label))));
    }
    let (before, after) = two_sides(&heal.diff);
    out.push_str(&format!(
        "<div class=\"two\"><div>before<pre>{before}</pre></div><div>after<pre>{after}</pre></div></div>\n"
    ));
    if let Some(disagreement) = &heal.disagreement {
        out.push_str(&format!("<p><b>{}:</b> {}</p>\n", disagreement.heading(), html(&disagreement.what)));
        for rival in &disagreement.rivals {
            out.push_str(&format!("<details><summary>Rival</summary>{}</details>\n", diff(rival)));
        }
    }
    let tests = &heal.tests;
    out.push_str(&format!(
        "<p>{} red before, {} red after; {} passed before, {} after; whole suite run {} with the patch; {} passed.</p>\n",
        tests.red_before,
        tests.red_after,
        tests.passed_before,
        tests.passed_after,
        count(tests.runs, "time"),
        count(heal.guards_passed.len(), "guard"),
    ));
}

/// A diff as two columns: the lines before, the lines after.
fn two_sides(diff: &str) -> (String, String) {
    let (mut before, mut after) = (String::new(), String::new());
    for line in first_lines(diff, 400).lines() {
        let shown = html(line);
        match line.as_bytes().first() {
            Some(b'-') if !line.starts_with("--- ") => before.push_str(&format!("<span class=\"del\">{shown}</span>")),
            Some(b'+') if !line.starts_with("+++ ") => after.push_str(&format!("<span class=\"add\">{shown}</span>")),
            Some(b' ') | Some(b'@') => {
                before.push_str(&format!("{shown}\n"));
                after.push_str(&format!("{shown}\n"));
            }
            _ if line.starts_with("--- ") => before.push_str(&format!("{shown}\n")),
            _ if line.starts_with("+++ ") => after.push_str(&format!("{shown}\n")),
            _ => {}
        }
    }
    (before, after)
}

fn diff(diff: &str) -> String {
    let mut out = String::from("<pre>");
    for line in first_lines(diff, 400).lines() {
        let shown = html(line);
        match line.as_bytes().first() {
            Some(b'-') => out.push_str(&format!("<span class=\"del\">{shown}</span>")),
            Some(b'+') => out.push_str(&format!("<span class=\"add\">{shown}</span>")),
            _ => out.push_str(&format!("{shown}\n")),
        }
    }
    out.push_str("</pre>\n");
    out
}

fn list(out: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    out.push_str(&format!("<h2>{title}</h2>\n<ul>\n"));
    for item in items {
        out.push_str(&format!("<li>{}</li>\n", html(&one_line(item, 400))));
    }
    out.push_str("</ul>\n");
}

fn red(out: &mut String, document: &Document) {
    let Some(failure) = &document.failure else { return };
    out.push_str(&format!("<h2>What is red: {}</h2>\n", count(failure.red.len(), "test")));
    for test in failure.red.iter().take(50) {
        let message = failure.messages.get(test).map(|message| first_lines(message, 20)).unwrap_or_default();
        let (name, message) = (html(&one_line(test, 300)), html(&message));
        out.push_str(&format!("<details><summary><code>{name}</code></summary><pre>{message}</pre></details>\n"));
    }
    if !failure.excerpt.trim().is_empty() {
        let excerpt = html(&first_lines(&failure.excerpt, 400));
        out.push_str(&format!(
            "<details><summary>The part of the log that matters</summary><pre>{excerpt}</pre></details>\n"
        ));
    }
}

fn attempts(out: &mut String, document: &Document) {
    let winner = document.heal.as_ref().map(|heal| heal.candidate.as_str());
    let others = document.attempts.iter().filter(|attempt| Some(attempt.candidate.as_str()) != winner);
    let mut body = String::new();
    for attempt in others.take(50) {
        let verdict = html(verdict_words(attempt.verdict.as_deref()));
        let (name, idea) = (html(&one_line(&attempt.candidate, 80)), html(&one_line(&attempt.idea, 200)));
        body.push_str(&format!("<details><summary><code>{name}</code> {idea}: {verdict}</summary>\n<ul>"));
        for reason in attempt.reasons.iter().take(30) {
            body.push_str(&format!("<li><code>{}</code> {}</li>\n", html(&reason.rule), html(&reason.what)));
        }
        let output = html(&first_lines(&attempt.output, 80));
        body.push_str(&format!("</ul>{}<pre>{output}</pre></details>\n", diff(&attempt.diff)));
    }
    if !body.is_empty() {
        out.push_str(&format!("<h2>What else was tried</h2>\n{body}"));
    }
}
