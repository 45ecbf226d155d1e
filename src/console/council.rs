//! A council on the terminal: the decision, who disagrees, where the record is.

use std::path::Path;

use super::style::Style;
use crate::council::{End, Record};
use crate::model::Money;
use crate::report::council::{agreement, tally};
use crate::report::escape::one_line;
use crate::report::numbers::seconds;

/// The whole output; `kept` is where the record is.
pub fn render(record: &Record, kept: &Path, style: Style) -> String {
    let mut out = String::new();
    match &record.decision {
        Some(decision) => {
            let position = one_line(&decision.position, 200);
            let word = if record.end == End::Agreed { style.good("decision:") } else { style.warn("decision:") };
            out.push_str(&format!("{word} {}\n  {}\n", style.bold(&position), agreement(record)));
        }
        None => out.push_str(&format!("{} {}\n", style.bad("no decision:"), record.end.words())),
    }
    if let Some(chosen) = record.chosen() {
        for line in crate::report::escape::harmless(&chosen.answer).lines().filter(|l| !l.trim().is_empty()).take(12) {
            out.push_str(&format!("  {}\n", one_line(line, 400)));
        }
    }
    for (seat, said) in record.dissent() {
        let who = style.cyan(&one_line(&seat.answered_by, 60));
        out.push_str(&format!("  dissent     {who}: {}\n", one_line(&said.position, 200)));
    }
    out.push_str(&format!("  objections  {}\n", tally(record)));
    for seat in record.seats.iter().filter(|seat| !seat.failed.is_empty()) {
        let failed = one_line(&seat.failed.join(", "), 120);
        out.push_str(&format!("  {:<11} {} {}\n", seat.name, one_line(&seat.model, 60), style.yellow(&failed)));
    }
    for change in &record.changes {
        out.push_str(&format!("  changed     {}\n", one_line(change, 160)));
    }
    let replayed = match record.replayed {
        0 => String::new(),
        n => format!(", {n} turns from the earlier run"),
    };
    out.push_str(&format!(
        "  {}\n",
        style.dim(&format!(
            "{} tokens, {}, {}{replayed}",
            record.tokens,
            Money(record.nano_dollars),
            seconds(record.ms)
        ))
    ));
    out.push_str(&format!("  {}\n", style.dim(&format!("record {}", kept.display()))));
    out
}
