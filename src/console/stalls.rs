//! What the supervisor says of a run, on the terminal: what is stuck and what to do first, then what shows it.

use super::style::Style;
use crate::report::escape::one_line;
use crate::supervise::{Advice, Finding};

/// The whole output for the run that people know as `name`.
pub fn render(finding: &Finding, name: &str, style: Style) -> String {
    let mut out = String::new();
    let run = style.cyan(&one_line(name, 80));
    match (&finding.diagnosis, finding.stalls.is_empty()) {
        (None, _) => out.push_str(&format!("{} {run}\n", style.good("no stall in"))),
        (Some(_), true) => out.push_str(&format!("{} {run}\n", style.warn("no stall, and no success in"))),
        (Some(_), false) => out.push_str(&format!("{} {run}\n", style.bad("stalled:"))),
    }
    if let Some(diagnosis) = &finding.diagnosis {
        let sure = format!("{:.0} %", 100.0 * diagnosis.confidence);
        out.push_str(&format!(
            "  likely      {} {}\n",
            diagnosis.cause.words(),
            style.dim(&format!("({sure} of the points)"))
        ));
        out.push_str(&format!("  try         {}\n", style.bold(diagnosis.change.words())));
        if !diagnosis.evidence.is_empty() {
            out.push_str(&format!("  evidence    {}\n", events(&diagnosis.evidence)));
        }
    }
    for stall in &finding.stalls {
        out.push_str(&format!(
            "  seen        {} {}\n",
            one_line(&stall.what, 120),
            style.dim(&events(&stall.evidence))
        ));
    }
    out
}

/// What a model says beside the rules.
pub fn opinion(advice: &Advice, style: Style) -> String {
    let diagnosis = &advice.diagnosis;
    let sure = style.dim(&format!("(a {} model, {:.0} % sure)", advice.tier.name(), 100.0 * diagnosis.confidence));
    format!(
        "  opinion     {} {sure}\n  try         {}\n  evidence    {}\n",
        diagnosis.cause.words(),
        style.bold(diagnosis.change.words()),
        events(&diagnosis.evidence)
    )
}

fn events(all: &[String]) -> String {
    const MOST: usize = 10;
    let shown: Vec<String> = all.iter().take(MOST).map(|event| one_line(event, 20)).collect();
    let rest = if all.len() > MOST { format!(" and {} more", all.len() - MOST) } else { String::new() };
    format!("events {}{rest}", shown.join(", "))
}
