//! What the live display shows, as plain data made from events: a title, triage, tiers with their fixers, the judge.

use jiff::Timestamp;

use super::style::Style;
use crate::report::escape::one_line;
use crate::report::no_model_words;
use crate::report::numbers::seconds;
use crate::trajectory::{Entry, Event, Purpose};
use crate::words::{Ended, Verdict};

/// Frames of the mark of something that goes on.
const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What is known so far.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    title: String,
    red: Option<(usize, usize)>,
    now: Option<Activity>,
    triage: Option<String>,
    tiers: Vec<Tier>,
    judge: Option<Judge>,
    over: bool,
}

#[derive(Debug, Clone)]
struct Activity {
    what: String,
    since: Timestamp,
}

#[derive(Debug, Clone, Default)]
struct Tier {
    number: u8,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    name: String,
    text: String,
    since: Timestamp,
    state: State,
    /// It ended because there was nothing to do for it.
    is_idle: bool,
    /// Names of others that are drawn with it.
    others: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Good { ms: u64 },
    Nothing { ms: u64 },
    Bad { ms: u64 },
}

#[derive(Debug, Clone)]
struct Judge {
    candidate: String,
    step: String,
    verdict: Option<Verdict>,
}

impl Picture {
    /// Takes one event into the picture.
    pub fn take(&mut self, entry: &Entry) {
        let text = |text: &str| one_line(text, 200);
        match &entry.event {
            Event::RunStarted { command, .. } => self.title = format!("kaizen-ci {}", text(command)),
            Event::SuiteFound { command, .. } => self.title = format!("{} · {}", self.title, text(command)),
            Event::SnapshotTaken { .. } => self.begin(entry, "tree frozen"),
            Event::SuiteStarted { purpose, subject, .. } => self.suite_started(entry, *purpose, subject),
            Event::SuiteEnded { purpose, passed, failed, skipped, .. } => {
                self.now = None;
                if *purpose == Purpose::Red {
                    self.red = Some((*failed, passed + failed + skipped));
                }
            }
            Event::Triaged { evidence, .. } => self.triage = Some(text(evidence)),
            Event::TierStarted { tier } => self.tiers.push(Tier { number: *tier, rows: Vec::new() }),
            Event::FixerStarted { fixer } => self.row(entry, &text(fixer), "looking", State::Working),
            Event::FixerProgress { fixer, text: words, .. } => {
                self.row(entry, &text(fixer), &text(words), State::Working)
            }
            Event::FixerEnded { fixer, findings, ms } => {
                let (state, words) = ended(&findings.ended, *ms, findings.tried);
                let fixer = text(fixer);
                self.row(entry, &fixer, &words, state);
                let rows = self.tiers.iter_mut().flat_map(|tier| &mut tier.rows);
                let is_idle = matches!(findings.ended, Ended::NothingToDo { .. });
                rows.filter(|row| row.name == fixer).for_each(|row| row.is_idle = is_idle);
            }
            Event::JudgeStarted { candidate } => {
                self.judge = Some(Judge { candidate: text(candidate), step: "guards".into(), verdict: None });
            }
            Event::JudgeStep { candidate, step } => {
                self.judge = Some(Judge { candidate: text(candidate), step: text(step), verdict: None });
            }
            Event::JudgeEnded { candidate, verdict, reasons, .. } => {
                let why = reasons.first().map(|reason| text(&reason.what)).unwrap_or_default();
                self.judge = Some(Judge { candidate: text(candidate), step: why, verdict: Some(*verdict) });
            }
            Event::CulpritFound { commit, how } => {
                let words = format!("{} \"{}\" ({})", commit.sha.short(), text(&commit.subject), text(how));
                self.row(entry, "culprit", &words, State::Good { ms: 0 });
            }
            Event::NoCulprit { why } => self.row(entry, "culprit", &text(why), State::Nothing { ms: 0 }),
            Event::Reverted { commit, .. } => {
                self.row(entry, "revert", &format!("{:.7} taken out cleanly", text(commit)), State::Good { ms: 0 });
            }
            Event::RevertRefused { commit, conflicts } => {
                let words = format!("{:.7} conflicts in {}", text(commit), text(&conflicts.join(", ")));
                self.row(entry, "revert", &words, State::Bad { ms: 0 });
            }
            Event::SlotsChanged { server, slots } => {
                let words = format!("{}: {slots} at a time", text(server));
                self.row(entry, "models", &words, State::Nothing { ms: 0 });
            }
            Event::RunEnded { .. } => self.over = true,
            Event::FailureDescribed { .. }
            | Event::TierEnded { .. }
            | Event::CandidateProposed { .. }
            | Event::ModelRouted { .. }
            | Event::ModelAnswered { .. }
            | Event::Healed { .. }
            | Event::Applied { .. }
            | Event::Escalated { .. }
            | Event::Note { .. }
            | Event::Loop(_)
            | Event::Cleaned { .. } => {}
        }
    }

    fn begin(&mut self, entry: &Entry, what: &str) {
        self.now = Some(Activity { what: what.to_owned(), since: entry.time });
    }

    fn suite_started(&mut self, entry: &Entry, purpose: Purpose, subject: &str) {
        let subject = one_line(subject, 60);
        match purpose {
            Purpose::Red => self.begin(entry, "running the tests"),
            Purpose::Rerun => self.begin(entry, "running the red tests again"),
            Purpose::Base => self.begin(entry, &format!("running the red tests on {subject}")),
            Purpose::Bisect => self.row(entry, "bisect", &subject, State::Working),
            Purpose::Judge | Purpose::Without => {}
            Purpose::Applied => self.begin(entry, "running the tests in your tree"),
        }
    }

    fn row(&mut self, entry: &Entry, name: &str, text: &str, state: State) {
        if self.tiers.is_empty() {
            self.tiers.push(Tier::default());
        }
        let Some(tier) = self.tiers.last_mut() else { return };
        match tier.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => {
                row.state = state;
                if !text.is_empty() {
                    text.clone_into(&mut row.text);
                }
            }
            None => {
                let (name, text) = (name.to_owned(), text.to_owned());
                tier.rows.push(Row { name, text, since: entry.time, state, is_idle: false, others: Vec::new() });
            }
        }
    }

    /// The lines to draw at the time `now`; `frame` counts up, for the marks of what goes on.
    pub fn lines(&self, now: Timestamp, frame: usize, style: Style) -> Vec<String> {
        let spin = FRAMES[frame % FRAMES.len()];
        let mut out = vec![self.title_line(style)];
        let elapsed = |since: Timestamp| {
            seconds(u64::try_from(now.as_millisecond().saturating_sub(since.as_millisecond())).unwrap_or(0))
        };
        match (&self.triage, &self.now) {
            (Some(evidence), _) => out.push(format!("{} {evidence}", style.dim("triage  "))),
            (None, Some(activity)) => {
                let (spin, time) = (style.cyan(spin), style.dim(&elapsed(activity.since)));
                out.push(format!("{} {spin} {}  {time}", style.dim("triage  "), activity.what));
            }
            (None, None) => {}
        }
        for tier in &self.tiers {
            let rows = merged(&tier.rows);
            let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).clamp(8, 12);
            for (i, row) in rows.iter().enumerate() {
                let head = if i == 0 { format!("tier {}  ", tier.number) } else { " ".repeat(8) };
                out.push(row_line(row, width, &head, spin, &elapsed(row.since), style));
            }
        }
        if let Some(judge) = &self.judge {
            out.push(judge_line(judge, spin, style));
        }
        out
    }

    fn title_line(&self, style: Style) -> String {
        let mut title = style.bold(&self.title);
        if let Some((red, all)) = self.red {
            let words = match (red, all) {
                (0, _) => "green".to_owned(),
                (red, all) if red == all => format!("{red} red"),
                (red, all) => format!("{red} of {all} tests red"),
            };
            title.push_str(" · ");
            title.push_str(&if red == 0 { style.green(&words) } else { style.red(&words) });
        }
        title
    }
}

/// The rows; those that found nothing to do for the same reason are drawn as one.
fn merged(rows: &[Row]) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match out.iter_mut().find(|other| row.is_idle && other.is_idle && other.text == row.text) {
            Some(other) => other.others.push(row.name.clone()),
            None => out.push(row.clone()),
        }
    }
    for row in out.iter_mut().filter(|row| !row.others.is_empty()) {
        row.text = format!("{} ({} too)", row.text, row.others.join(", "));
    }
    out
}

fn row_line(row: &Row, width: usize, head: &str, spin: &str, elapsed: &str, style: Style) -> String {
    let (mark, time) = match row.state {
        State::Working => (style.cyan(spin), elapsed.to_owned()),
        State::Good { ms } => (style.green("✓"), some_seconds(ms)),
        State::Nothing { ms } => (style.dim("·"), some_seconds(ms)),
        State::Bad { ms } => (style.red("✗"), some_seconds(ms)),
    };
    let (name, text) = (format!("{:<width$}", one_line(&row.name, 20)), format!("{:<44}", one_line(&row.text, 90)));
    format!("{} {name} {mark} {text}  {}", style.dim(head), style.dim(&time)).trim_end().to_owned()
}

fn some_seconds(ms: u64) -> String {
    if ms == 0 { String::new() } else { seconds(ms) }
}

fn judge_line(judge: &Judge, spin: &str, style: Style) -> String {
    let (mark, words) = match judge.verdict {
        None => (style.cyan(spin), judge.step.clone()),
        Some(Verdict::Healed) => (style.green("✓"), "healed".into()),
        Some(verdict) => {
            let name = crate::report::verdict_name(verdict);
            let words = crate::report::verdict_words(Some(&name)).to_owned();
            let why = if judge.step.is_empty() { String::new() } else { format!(": {}", judge.step) };
            (style.red("✗"), format!("{words}{why}"))
        }
    };
    format!("{} {:<8} {mark} {}", style.dim("judge   "), judge.candidate, one_line(&words, 110))
}

fn ended(ended: &Ended, ms: u64, tried: u64) -> (State, String) {
    match ended {
        Ended::NothingToDo { why } => (State::Nothing { ms }, format!("nothing to do: {}", one_line(why, 80))),
        Ended::Done => (State::Good { ms }, String::new()),
        Ended::Exhausted => (State::Nothing { ms }, format!("{tried} tried, that is all it knows")),
        Ended::OutOfTime => (State::Nothing { ms }, format!("{tried} tried, out of time")),
        Ended::OutOfBudget { what } => {
            (State::Nothing { ms }, format!("{tried} tried, out of budget: {}", one_line(what, 80)))
        }
        Ended::NoModelNow { why, back } => {
            let why = no_model_words(why, back.as_deref());
            (State::Nothing { ms }, format!("{tried} tried, no model answers now: {}", one_line(&why, 80)))
        }
        Ended::Cancelled => (State::Nothing { ms }, "stopped: another one won".into()),
        Ended::Failed { why } => (State::Bad { ms }, one_line(why, 80)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};

    fn drawn(name: &str, events: usize) -> String {
        let entries = recorded(name);
        let mut picture = Picture::default();
        let events = events.min(entries.len());
        for entry in &entries[..events] {
            picture.take(entry);
        }
        picture.lines(entries[events - 1].time, 0, Style::plain()).join("\n")
    }

    #[test]
    fn the_picture_of_a_race_shows_triage_every_fixer_and_the_judge() {
        let entries = recorded("healed");
        let judging =
            entries.iter().position(|e| matches!(&e.event, Event::JudgeStep { step, .. } if step.starts_with("whole")));
        insta::assert_snapshot!("live-judging", drawn("healed", judging.unwrap() + 1));
    }

    #[test]
    fn the_picture_of_an_escalation_shows_the_culprit_and_the_refused_revert() {
        insta::assert_snapshot!("live-escalated", drawn("escalated", usize::MAX));
    }

    #[test]
    fn fixers_with_nothing_to_do_for_one_reason_share_a_line() {
        let mut entries = recorded("healed");
        let at = entries.iter().position(|e| matches!(e.event, Event::FixerStarted { .. })).unwrap();
        let like = entries[at].clone();
        for name in ["regression", "contract"] {
            let ended = Ended::NothingToDo { why: "no model configured".into() };
            let findings = crate::words::Findings::ended(ended);
            let started = Event::FixerStarted { fixer: name.into() };
            let ended = Event::FixerEnded { fixer: name.into(), findings, ms: 1 };
            entries.splice(at..at, [started, ended].map(|event| Entry { event, ..like.clone() }));
        }
        let mut picture = Picture::default();
        entries.iter().for_each(|entry| picture.take(entry));
        let drawn = picture.lines(entries[at].time, 0, Style::plain());
        assert_eq!(drawn.iter().filter(|line| line.contains("no model configured")).count(), 1, "{drawn:#?}");
    }

    #[test]
    fn while_the_tests_run_the_first_time_it_says_so() {
        insta::assert_snapshot!("live-first-run", drawn("healed", 4));
    }

    #[test]
    fn no_run_draws_a_line_that_steers_the_terminal() {
        for name in all_recorded() {
            for n in 1..=recorded(&name).len() {
                assert!(!drawn(&name, n).contains(['\x1b', '\u{202e}']), "{name}");
            }
        }
    }
}
