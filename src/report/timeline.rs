//! What happened when: spans out of pairs of events, and where to draw them.

use super::document::Span;
use super::escape;
use super::fold::named;
use super::numbers::seconds;
use crate::trajectory::{Entry, Event};
use crate::words::{Ended, Verdict};

/// Milliseconds from `start` to `time`; 0 when clocks went backwards.
pub fn since(start: Option<jiff::Timestamp>, time: jiff::Timestamp) -> u64 {
    let ms = start.map_or(0, |start| time.as_millisecond().saturating_sub(start.as_millisecond()));
    u64::try_from(ms).unwrap_or(0)
}

/// The spans of a run, in order of their start.
pub fn of(entries: &[Entry]) -> Vec<Span> {
    let start = entries.first().map(|entry| entry.time);
    let mut open: Vec<Span> = Vec::new();
    let mut done: Vec<Span> = Vec::new();
    for entry in entries {
        let at = since(start, entry.time);
        if let Some((lane, label)) = begins(&entry.event) {
            open.push(Span { lane, label, start_ms: at, end_ms: at, state: "open".into() });
        } else if let Some((lane, label, state)) = ends(&entry.event)
            && let Some(index) = open.iter().position(|span| span.lane == lane && span.label == label)
        {
            let mut span = open.remove(index);
            (span.end_ms, span.state) = (at.max(span.start_ms), state.to_owned());
            done.push(span);
        }
    }
    let last = entries.last().map_or(0, |entry| since(start, entry.time));
    for span in &mut open {
        span.end_ms = last.max(span.start_ms);
    }
    done.append(&mut open);
    done.sort_by(|a, b| (a.start_ms, &a.lane).cmp(&(b.start_ms, &b.lane)));
    done
}

fn begins(event: &Event) -> Option<(String, String)> {
    match event {
        Event::SuiteStarted { purpose, subject, .. } => Some(("suite".into(), format!("{} {subject}", named(purpose)))),
        Event::TierStarted { tier } => Some(("tier".into(), format!("tier {tier}"))),
        Event::FixerStarted { fixer } => Some((fixer.clone(), fixer.clone())),
        Event::JudgeStarted { candidate } => Some(("judge".into(), candidate.clone())),
        _ => None,
    }
}

fn ends(event: &Event) -> Option<(String, String, &'static str)> {
    match event {
        Event::SuiteEnded { purpose, subject, failed, end, .. } => {
            let green = *failed == 0 && *end == crate::words::End::Exited(0);
            let state = if green { "good" } else { "bad" };
            Some(("suite".into(), format!("{} {subject}", named(purpose)), state))
        }
        Event::TierEnded { tier, why, .. } => {
            Some(("tier".into(), format!("tier {tier}"), if why == "healed" { "good" } else { "neutral" }))
        }
        Event::FixerEnded { fixer, findings, .. } => {
            let state = match findings.ended {
                Ended::Done => "good",
                Ended::Failed { .. } => "bad",
                Ended::NothingToDo { .. }
                | Ended::Exhausted
                | Ended::OutOfTime
                | Ended::OutOfBudget { .. }
                | Ended::NoModelNow { .. }
                | Ended::Cancelled => "neutral",
            };
            Some((fixer.clone(), fixer.clone(), state))
        }
        Event::JudgeEnded { candidate, verdict, .. } => {
            Some(("judge".into(), candidate.clone(), if *verdict == Verdict::Healed { "good" } else { "bad" }))
        }
        _ => None,
    }
}

/// Row and label, said once where they are the same.
pub fn title(span: &Span) -> String {
    if span.label.starts_with(&span.lane) { span.label.clone() } else { format!("{}: {}", span.lane, span.label) }
}

/// The most bars that a picture shows: the longest ones.
const MOST_BARS: usize = 60;

/// The spans that are drawn: the longest, in order.
pub fn drawn(spans: &[Span]) -> Vec<&Span> {
    let mut chosen: Vec<&Span> = spans.iter().collect();
    chosen.sort_by_key(|span| std::cmp::Reverse(span.end_ms.saturating_sub(span.start_ms)));
    chosen.truncate(MOST_BARS);
    chosen.sort_by_key(|span| span.start_ms);
    chosen
}

/// The rows of a picture, in order of their first span.
pub fn lanes<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    let mut lanes: Vec<&str> = Vec::new();
    for span in spans {
        if !lanes.contains(&span.lane.as_str()) {
            lanes.push(&span.lane);
        }
    }
    lanes
}

/// A Mermaid gantt chart.
pub fn mermaid(spans: &[Span]) -> String {
    let drawn = drawn(spans);
    let mut out = String::from("gantt\n  dateFormat x\n  axisFormat %M:%S\n");
    for lane in lanes(&drawn) {
        out.push_str(&format!("  section {}\n", escape::mermaid(lane)));
        for span in drawn.iter().filter(|span| span.lane == lane) {
            let state = match span.state.as_str() {
                "good" => "done, ",
                "bad" => "crit, ",
                "open" => "active, ",
                _ => "",
            };
            // A bar of no length is not drawn.
            let end = span.end_ms.max(span.start_ms + 1);
            out.push_str(&format!("  {} :{state}{}, {end}\n", escape::mermaid(&span.label), span.start_ms));
        }
    }
    out
}

/// A picture for a page: one row per lane, seconds below.
pub fn svg(spans: &[Span]) -> String {
    const WIDTH: u64 = 860;
    const LEFT: u64 = 110;
    const ROW: u64 = 26;
    let drawn = drawn(spans);
    let lanes = lanes(&drawn);
    let total = drawn.iter().map(|span| span.end_ms).max().unwrap_or(0).max(1);
    // In 128 bits: a clock that jumped makes spans of any length.
    let x = |ms: u64| {
        LEFT + u64::try_from(u128::from(ms.min(total)) * u128::from(WIDTH - LEFT) / u128::from(total)).unwrap_or(0)
    };
    let height = ROW * (lanes.len() as u64) + 30;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"Timeline\">\n",
        WIDTH + 10
    );
    for (row, lane) in lanes.iter().enumerate() {
        let y = ROW * row as u64;
        out.push_str(&format!("<text x=\"0\" y=\"{}\">{}</text>\n", y + 17, escape::html(&escape::one_line(lane, 14))));
        for span in drawn.iter().filter(|span| span.lane == *lane) {
            let (from, to) = (x(span.start_ms), x(span.end_ms));
            let class = match span.state.as_str() {
                state @ ("good" | "bad" | "open") => state,
                _ => "neutral",
            };
            let time = seconds(span.end_ms.saturating_sub(span.start_ms));
            let title = escape::html(&escape::one_line(&format!("{} · {time}", span.label), 160));
            let width = to.saturating_sub(from).max(2);
            out.push_str(&format!(
                "<rect class=\"{class}\" x=\"{from}\" y=\"{}\" width=\"{width}\" height=\"18\" rx=\"2\"><title>{title}</title></rect>\n",
                y + 4
            ));
        }
    }
    let y = height - 8;
    out.push_str(&format!("<text x=\"{LEFT}\" y=\"{y}\">0 s</text>\n"));
    out.push_str(&format!("<text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{}</text>\n</svg>\n", seconds(total)));
    out
}
