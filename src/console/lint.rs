//! The lint of a PRD on the terminal: what failed first, then each finding with its line, rule and what to write instead.

use super::style::Style;
use crate::prd::finding::{Dimension, Severity};
use crate::prd::gate::Passed;
use crate::prd::rules::RULES;
use crate::prd::{Finding, Lint};
use crate::report::escape::one_line;
use crate::report::numbers::count;

/// The whole output for the document that people know as `name`.
pub fn render(lint: &Lint, passed: Passed, threshold: f64, name: &str, style: Style) -> String {
    let mut out = String::new();
    let of = |severity| lint.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
    let counts = format!("{}, {}, {}", count(errors, "error"), count(warnings, "warning"), count(notes, "note"));
    let headline = if passed.all() { style.good("passes") } else { style.bad("does not pass") };
    out.push_str(&format!("{headline} {} · {counts}\n", style.cyan(&one_line(name, 80))));
    for dimension in Dimension::ALL {
        let score = format!("{:.2}", lint.scores.of(dimension));
        let (mark, score) = if passed.of(dimension) {
            (style.green("✓"), score)
        } else {
            (style.red("✗"), format!("{} of {threshold:.2}", style.red(&score)))
        };
        out.push_str(&format!("  {mark} {:<12} {score}\n", dimension.name()));
    }
    let mut section = None;
    for finding in &lint.findings {
        if section != Some(finding.section_index) {
            section = Some(finding.section_index);
            let title = if finding.section.is_empty() { "before the first heading" } else { finding.section.as_str() };
            out.push_str(&format!("\n{}\n", style.bold(&one_line(title, 100))));
        }
        out.push_str(&line(finding, style));
    }
    out
}

/// The rules with what they look for, and how one is switched off.
pub fn rules(style: Style) -> String {
    let mut out = String::new();
    for rule in RULES {
        let severity = rule.severity.name();
        out.push_str(&format!("{:<24} {severity:<8} {:<13} {}\n", rule.id, rule.dimension.name(), rule.about));
    }
    out.push_str(&style.dim(
        "\nIn a document, from a comment on until the next: <!-- kaizen-ci off: vague-word, weak-word --> and <!-- kaizen-ci on: vague-word -->\n",
    ));
    out
}

fn line(finding: &Finding, style: Style) -> String {
    let severity = format!("{:<8}", finding.severity.name());
    let severity = match finding.severity {
        Severity::Error => style.red(&severity),
        Severity::Warning => style.yellow(&severity),
        Severity::Note => style.dim(&severity),
    };
    let place = format!("{}:{}", finding.line, finding.column);
    format!(
        "{place:>8}  {severity} {:<22} {}\n{:>8}  {} {}\n",
        finding.rule,
        one_line(&finding.message, 160),
        "",
        style.dim("write   "),
        one_line(&finding.suggestion, 220)
    )
}
