//! A PRD run on the terminal: what passes and how the scores went, what was rewritten, what a person has to answer.

use super::diff;
use super::style::Style;
use crate::model::Money;
use crate::prd::history;
use crate::prd::outcome::End;
use crate::report::escape::one_line;
use crate::report::numbers::seconds;
use crate::report::prd::Review;

/// Lines of the diff that are shown.
const DIFF_LINES: usize = 200;

/// The whole output. `then`: what was done with the revised text, or can be.
pub fn render(review: &Review, name: &str, threshold: f64, then: &str, style: Style) -> String {
    let good = review.end == End::Passed;
    let headline = if good { style.good("passes") } else { style.bad("does not pass") };
    let mut out = format!("{headline} {} · {}\n", style.cyan(&one_line(name, 80)), review.end.words());
    let passed = review.history.last().map(|row| row.passed);
    for (dimension, bars, first, last) in history::lines(&review.history) {
        let ok = passed.is_some_and(|p| p.of(dimension));
        let mark = if ok { style.green("✓") } else { style.red("✗") };
        let way = if review.history.len() > 1 { format!("{first:.2} → {last:.2}") } else { format!("{last:.2}") };
        let needed = if ok { String::new() } else { format!(" of {threshold:.2}") };
        out.push_str(&format!("  {mark} {:<12} {bars}  {way}{needed}\n", dimension.name()));
    }
    if passed.is_some_and(|p| !p.no_errors) {
        out.push_str(&format!("  {} the lint has errors: kaizen-ci prd --lint-only\n", style.red("✗")));
    }
    if review.changed {
        out.push_str(&diff::render(&review.diff, style, DIFF_LINES));
    }
    for question in review.questions.iter().take(20) {
        out.push_str(&format!("  {}    {}\n", style.yellow("question"), one_line(question, 240)));
    }
    for section in review.sections.iter().filter(|s| s.left_because.is_some()) {
        let why = one_line(section.left_because.as_deref().unwrap_or_default(), 200);
        out.push_str(&format!("  left        {}: {why}\n", one_line(&section.title, 60)));
    }
    for one in review.staff.iter().filter(|s| s.trouble.is_some()) {
        let trouble = one_line(one.trouble.as_deref().unwrap_or_default(), 80);
        out.push_str(&format!("  {:<11} {} {}\n", one.who, one_line(&one.model, 60), style.yellow(&trouble)));
    }
    let tokens: u64 = review.staff.iter().map(|s| s.tokens).sum();
    let money = Money(review.staff.iter().map(|s| s.nano_dollars).sum());
    let replayed = match review.replayed {
        0 => String::new(),
        n => format!(", {n} turns from the earlier run"),
    };
    out.push_str(&format!("  {}\n", style.dim(&format!("{tokens} tokens, {money}, {}{replayed}", seconds(review.ms)))));
    if !then.is_empty() {
        out.push_str(&format!("  {then}\n"));
    }
    out
}
