//! TAP, the Test Anything Protocol, versions 12 to 14.

use super::{Parsed, result};
use crate::suite::{Scope, Status, TestResult};

/// Reads TAP, with `prefix` (a file's name) in front of the names.
pub fn report(text: &str, prefix: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut plan: Option<usize> = None;
    let mut found = 0_usize;
    let mut last: Option<(String, TestResult)> = None;
    let mut note = String::new();
    for line in text.lines() {
        let line = super::plain(line);
        if let Some(n) = line.strip_prefix("1..").and_then(|n| n.split_whitespace().next()?.parse().ok()) {
            plan = plan.or(Some(n));
        } else if line.starts_with("Bail out!") {
            parsed.contradictions.push(line);
        } else if let Some((name, one)) = point(&line) {
            flush(&mut parsed, &mut last, &mut note);
            found += 1;
            let name = if name.is_empty() { format!("{found}") } else { name };
            let sep = if prefix.is_empty() { "" } else { " > " };
            last = Some((format!("{prefix}{sep}{name}"), one));
        } else if last.is_some()
            && (line.starts_with('#') || line.starts_with("  "))
            && note.len() < super::MESSAGE_CAP_BYTES
        {
            note.push_str(line.trim_start_matches('#').trim_end());
            note.push('\n');
        }
    }
    flush(&mut parsed, &mut last, &mut note);
    parsed.complete = plan.is_some();
    match plan {
        Some(plan) if found < plan => {
            let id = if prefix.is_empty() { super::CRASH } else { prefix };
            let scope = if prefix.is_empty() { Scope::Suite } else { Scope::File };
            parsed.fail(scope, id, format!("{plan} tests were planned, {found} ran: the test broke off"));
        }
        Some(plan) if found > plan => {
            parsed.contradictions.push(format!("{plan} tests were planned, {found} have a result"));
        }
        _ => {}
    }
    parsed
}

/// `ok 1 - name # SKIP why`
fn point(line: &str) -> Option<(String, TestResult)> {
    let (ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let rest = rest.strip_prefix("- ").unwrap_or(rest);
    let (name, directive) =
        rest.split_once(" # ").or_else(|| rest.strip_prefix("# ").map(|d| ("", d))).unwrap_or((rest, ""));
    let word = directive.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let status = match (ok, word.as_str()) {
        (_, w) if w.starts_with("SKIP") => Status::Skipped,
        (false, "TODO") => Status::ExpectedFailure,
        (true, "TODO") => Status::Skipped,
        (true, _) => Status::Passed,
        (false, _) => Status::Failed,
    };
    let name = if matches!(status, Status::Passed | Status::Failed) { rest } else { name };
    Some((name.trim().to_owned(), result(status, None)))
}

fn flush(parsed: &mut Parsed, last: &mut Option<(String, TestResult)>, note: &mut String) {
    let Some((name, mut one)) = last.take() else { return };
    let text = std::mem::take(note);
    if one.status != Status::Passed && !text.trim().is_empty() {
        one.message = Some(super::cap(text.trim_end().to_owned()));
    }
    parsed.add_numbered(name, one);
}
