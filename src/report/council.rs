//! A council for people: a decision record in MADR form, and a comment with the decision first and the debate folded away.

use super::escape::{code, markdown, one_line, summary};
use super::numbers::{count, seconds};
use crate::council::decide::By;
use crate::council::ledger::{Objection, Status};
use crate::council::record::{Record, SeatInfo};
use crate::council::{End, read::Said};
use crate::model::Money;

/// `Agreed 2:1 after 2 rounds, no objection left.`
pub fn agreement(record: &Record) -> String {
    let rounds = count(record.rounds.len(), "round");
    let Some(decision) = &record.decision else {
        return format!("No decision after {rounds}: {}.", record.end.words());
    };
    let votes = format!("{}:{}", decision.votes_for.len(), decision.votes_against.len());
    let how = match decision.by {
        By::Majority if record.end == End::Agreed => format!("Agreed {votes}"),
        By::Majority => format!("Decided {votes}"),
        By::Ballot => format!("Voted {votes}"),
        By::TieBreak => format!("Tied {votes}; this answer has the least against it"),
    };
    format!("{how} after {rounds}; {}.", record.end.words())
}

/// The title of a decision: the question, or its beginning.
pub fn title(record: &Record) -> String {
    one_line(&record.question, 90)
}

fn bullets(out: &mut String, items: &[String], otherwise: &str) {
    if items.is_empty() {
        out.push_str(&format!("{otherwise}\n"));
    }
    for item in items {
        out.push_str(&format!("* {}\n", markdown(item)));
    }
}

/// Several paragraphs, each without markup.
fn paragraphs(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(markdown).filter(|line| !line.is_empty()).collect();
    lines.join("\n\n")
}

fn merged(record: &Record, of: fn(&Said) -> &Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let chosen = record.chosen().into_iter();
    let others = record.members().iter().filter_map(|seat| seat.said.as_ref());
    for item in chosen.chain(others).flat_map(of) {
        if !all.iter().any(|known| crate::turns::text::likeness(known, item) > 0.6) {
            all.push(item.clone());
        }
    }
    all.truncate(8);
    all
}

/// The decision record, in the form of MADR 4.
pub fn madr(record: &Record) -> String {
    let status = if record.decision.is_some() { "proposed" } else { "rejected" };
    let makers: Vec<String> =
        record.members().iter().map(|s| one_line(&s.answered_by, 60)).filter(|m| !m.is_empty()).collect();
    let quoted: Vec<String> = makers.iter().map(|m| format!("\"{}\"", m.replace(['"', '\\'], ""))).collect();
    let mut out = format!(
        "---\nstatus: {status}\ndate: {}\ndecision-makers: [{}]\n---\n\n# {}\n\n## Context and Problem Statement\n\n{}\n",
        record.date,
        quoted.join(", "),
        markdown(&title(record)),
        paragraphs(&record.question),
    );
    context(&mut out, record);
    out.push_str("\n## Decision Drivers\n\n");
    bullets(&mut out, &merged(record, |s| &s.drivers), "None was named.");
    out.push_str("\n## Considered Options\n\n");
    for camp in camps(record) {
        out.push_str(&format!("* {}\n", markdown(&camp.0)));
    }
    out.push_str("\n## Decision Outcome\n\n");
    match (&record.decision, record.chosen()) {
        (Some(decision), Some(chosen)) => out.push_str(&format!(
            "Chosen option: **{}**.\n\n{}\n\n{}\n",
            markdown(&decision.position),
            markdown(&agreement(record)),
            paragraphs(&chosen.answer)
        )),
        _ => out.push_str(&format!("{}\n", markdown(&agreement(record)))),
    }
    let chosen = record.chosen().cloned().unwrap_or_default();
    out.push_str("\n### Consequences\n\n");
    bullets(&mut out, &chosen.consequences, "None was named.");
    out.push_str("\n### When to Reconsider\n\n");
    bullets(&mut out, &chosen.reconsider, "Nothing was named.");
    out.push_str("\n### Dissent\n\n");
    dissent(&mut out, record);
    out.push_str("\n## Pros and Cons of the Options\n");
    for (position, seats) in camps(record) {
        out.push_str(&format!("\n### {}\n\n", markdown(&position)));
        for seat in seats {
            let Some(said) = &seat.said else { continue };
            out.push_str(&format!("{} ({}):\n\n", seat.name, code(&seat.answered_by)));
            for (word, items) in [("Good", &said.pros), ("Bad", &said.cons)] {
                items.iter().for_each(|item| out.push_str(&format!("* {word}, because {}\n", markdown(item))));
            }
            if said.pros.is_empty() && said.cons.is_empty() {
                out.push_str(&format!("* {}\n", markdown(&one_line(&said.answer, 400))));
            }
            out.push('\n');
        }
    }
    out.push_str("\n## More Information\n\n### Objections\n\n");
    out.push_str(&objections(record));
    out.push_str("\n### Seats\n\n");
    out.push_str(&seats(record));
    out.push_str(&format!("\nRun {}, {}.\n", code(&record.run), sums(record)));
    out
}

fn context(out: &mut String, record: &Record) {
    let pack = &record.context;
    let list = |items: &[String]| items.iter().map(|i| code(&one_line(i, 160))).collect::<Vec<_>>().join(", ");
    if !pack.included.is_empty() || !pack.cut.is_empty() {
        let all: Vec<String> = pack.included.iter().chain(&pack.cut).cloned().collect();
        out.push_str(&format!("\nRead for it ({} tokens): {}.\n", pack.tokens, list(&all)));
    }
    if !pack.left_out.is_empty() {
        out.push_str(&format!("\nLeft out: {}.\n", list(&pack.left_out)));
    }
}

/// Positions with the seats that stand for them.
fn camps(record: &Record) -> Vec<(String, Vec<&SeatInfo>)> {
    let said: Vec<Option<Said>> = record.members().iter().map(|s| s.said.clone()).collect();
    let camps = crate::council::decide::camps(&said);
    let position = |camp: &[usize]| said[camp[0]].as_ref().map(|s| s.position.clone()).unwrap_or_default();
    camps.iter().map(|camp| (position(camp), camp.iter().map(|s| &record.members()[*s]).collect())).collect()
}

fn dissent(out: &mut String, record: &Record) {
    let all = record.dissent();
    if all.is_empty() {
        out.push_str("Nobody dissents.\n");
    }
    for (seat, said) in all {
        out.push_str(&format!(
            "* {} ({}): **{}** {}\n",
            seat.name,
            code(&seat.answered_by),
            markdown(&said.position),
            markdown(&one_line(&said.answer, 600))
        ));
    }
    for (seat, first) in record.gave_way() {
        out.push_str(&format!(
            "* {} ({}) gave way; at first: **{}**\n",
            seat.name,
            code(&seat.answered_by),
            markdown(first)
        ));
    }
    let open: Vec<&Objection> = record.objections.iter().filter(|o| o.status == Status::Open).collect();
    if !open.is_empty() {
        out.push_str("\nObjections that nobody has answered:\n\n");
        for o in open {
            out.push_str(&format!("* {}: {}\n", o.id, markdown(&o.why)));
        }
    }
}

/// The table of objections.
fn objections(record: &Record) -> String {
    if record.objections.is_empty() && record.dropped() == 0 {
        return "None was raised.\n".into();
    }
    let mut out = String::from("| objection | to | severity | quoted | why | settled |\n|---|---|---|---|---|---|\n");
    for o in &record.objections {
        let settled = match o.status {
            Status::Dropped(why) => format!("dropped: {}", why.words()),
            status if o.reason.is_empty() => status.name().into(),
            status => format!("{}: {}", status.name(), o.reason),
        };
        out.push_str(&format!(
            "| {} | seat {} | {} | {} | {} | {} |\n",
            o.id,
            o.seat + 1,
            o.severity.name(),
            code(&one_line(&o.quote, 120)),
            markdown(&one_line(&o.why, 300)),
            markdown(&one_line(&settled, 300))
        ));
    }
    for (round, dropped) in record.rounds.iter().flat_map(|r| r.dropped.iter().map(move |d| (r.round, d))) {
        out.push_str(&format!("| – | round {round} | – | – | – | dropped: {} |\n", markdown(&one_line(dropped, 300))));
    }
    out
}

/// The table of seats: model, family, tokens, cost, time.
fn seats(record: &Record) -> String {
    let mut out = String::from(
        "| seat | model | family | turns | tokens | cost | time | trouble |\n|---|---|---|---:|---:|---:|---:|---|\n",
    );
    for seat in &record.seats {
        let model = if seat.answered_by.is_empty() { &seat.model } else { &seat.answered_by };
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            seat.name,
            code(&one_line(model, 80)),
            markdown(&seat.family),
            seat.turns,
            seat.tokens,
            Money(seat.nano_dollars),
            seconds(seat.ms),
            markdown(&seat.failed.join(", "))
        ));
    }
    out
}

fn sums(record: &Record) -> String {
    let replayed = match record.replayed {
        0 => String::new(),
        n => format!(", {} of them from an earlier run", count(usize::try_from(n).unwrap_or(0), "turn")),
    };
    format!("{} tokens, {}, {}{replayed}", record.tokens, Money(record.nano_dollars), seconds(record.ms))
}

/// `5 raised, 3 accepted, 1 rebutted, 1 dropped`
pub fn tally(record: &Record) -> String {
    let n = |is: fn(Status) -> bool| record.count(is);
    let accepted = n(|s| matches!(s, Status::Accepted | Status::Partly));
    let dropped: usize = record.rounds.iter().map(|r| r.dropped.len()).sum();
    format!(
        "{} raised, {accepted} accepted, {} rebutted, {} open, {} dropped",
        record.objections.len() + dropped,
        n(|s| s == Status::Rebutted),
        n(|s| s == Status::Open),
        record.dropped()
    )
}

fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{}</summary>\n\n{body}\n</details>\n", summary(title))
}

/// The comment under a pull request or issue.
pub fn comment(record: &Record) -> String {
    let mut out = match &record.decision {
        Some(decision) => {
            format!("**Decision: {}**\n\n{}\n", markdown(&decision.position), markdown(&agreement(record)))
        }
        None => format!("**{}**\n", markdown(&agreement(record))),
    };
    for (seat, said) in record.dissent() {
        out.push_str(&format!(
            "\nDissent ({}): {}. {}\n",
            code(&seat.answered_by),
            markdown(&said.position),
            markdown(&one_line(&said.answer, 300))
        ));
    }
    for (seat, first) in record.gave_way() {
        out.push_str(&format!("\nGave way ({}), at first: {}.\n", code(&seat.answered_by), markdown(first)));
    }
    out.push('\n');
    if let Some(chosen) = record.chosen() {
        out.push_str(&folded("Why", &paragraphs(&chosen.answer)));
    }
    let mut options = String::new();
    for (position, seats) in camps(record) {
        options.push_str(&format!("**{}** ({})\n\n", markdown(&position), count(seats.len(), "seat")));
        for said in seats.iter().filter_map(|s| s.said.as_ref()) {
            said.pros.iter().for_each(|p| options.push_str(&format!("- good: {}\n", markdown(p))));
            said.cons.iter().for_each(|c| options.push_str(&format!("- bad: {}\n", markdown(c))));
        }
        options.push('\n');
    }
    out.push_str(&folded("Options and trade-offs", &options));
    out.push_str(&folded(&format!("Objections: {}", tally(record)), &objections(record)));
    let mut debate = String::from("| round | answered | objections | time | positions |\n|---:|---:|---|---:|---|\n");
    for round in &record.rounds {
        let positions: Vec<String> = round
            .positions
            .iter()
            .map(|p| p.as_deref().map_or_else(|| "–".into(), |p| markdown(&one_line(p, 80))))
            .collect();
        debate.push_str(&format!(
            "| {} | {} of {} | {} | {} | {} |\n",
            round.round,
            round.answered,
            round.asked,
            round.raised.join(", "),
            seconds(round.ms),
            positions.join("; ")
        ));
    }
    out.push_str(&folded("Debate by round", &debate));
    out.push_str(&folded("Seats: model, family, tokens, cost, time", &format!("{}\n{}", seats(record), sums(record))));
    let mut read = String::new();
    context(&mut read, record);
    if !read.is_empty() {
        out.push_str(&folded("Context", &read));
    }
    out
}

#[cfg(test)]
#[path = "tests/council.rs"]
mod tests;
