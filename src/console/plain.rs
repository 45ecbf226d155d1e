//! Progress where there is no terminal: one line per step that matters, in order, with the time.

use std::sync::{Arc, Mutex, PoisonError};

use super::Terminal;
use crate::report::escape::one_line;
use crate::report::numbers::{count, seconds};
use crate::report::{no_model_words, timeline, verdict_name, verdict_words};
use crate::trajectory::{Entry, Event, Purpose, Sink};
use crate::words::Ended;

/// Prints lines to standard error.
#[derive(Clone)]
pub struct Plain {
    terminal: Terminal,
    start: Arc<Mutex<Option<jiff::Timestamp>>>,
}

impl Plain {
    /// Onto `terminal`.
    pub fn new(terminal: Terminal) -> Self {
        Self { terminal, start: Arc::default() }
    }
}

impl Sink for Plain {
    fn take(&mut self, entry: &Entry) {
        let start = *self.start.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(entry.time);
        if let Some(words) = line(&entry.event) {
            let time = seconds(timeline::since(Some(start), entry.time));
            self.terminal.err(&format!("{time:>9}  {words}\n"));
        }
    }
}

/// The line for an event; none for what is only for the live display.
pub fn line(event: &Event) -> Option<String> {
    let text = |text: &str| one_line(text, 200);
    Some(match event {
        Event::RunStarted { version, command, .. } => format!("kaizen-ci {} {}", text(version), text(command)),
        Event::SuiteFound { name, command, found_by, .. } => {
            format!("suite {}: {} (found by {})", text(name), text(command), text(found_by))
        }
        Event::SnapshotTaken { carried, ms, .. } => {
            let with =
                if carried.is_empty() { String::new() } else { format!(", carrying {}", text(&carried.join(", "))) };
            format!("tree frozen in {}{with}", seconds(*ms))
        }
        Event::SuiteEnded { purpose, subject, passed, failed, skipped, ms, .. } => {
            let what = match purpose {
                Purpose::Red => "tests".into(),
                Purpose::Rerun => "red tests again".into(),
                Purpose::Base => format!("red tests on {}", text(subject)),
                Purpose::Applied => "tests in your tree".into(),
                Purpose::Bisect => format!("bisect: {}", text(subject)),
                Purpose::Judge | Purpose::Without => return None,
            };
            format!("{what}: {passed} passed, {failed} failed, {skipped} skipped in {}", seconds(*ms))
        }
        Event::Triaged { evidence, .. } => format!("triage: {}", text(evidence)),
        Event::FailureDescribed { fingerprint, red, suspects, .. } => {
            let first =
                suspects.first().map(|s| format!(", first suspect {}:{}", text(&s.file), s.line)).unwrap_or_default();
            format!("failure {}: {} red{first}", text(fingerprint), count(red.len(), "test"))
        }
        Event::TierStarted { tier } => format!("tier {tier}"),
        Event::SlotsChanged { server, slots } => format!("{}: {} at a time", text(server), count(*slots, "turn")),
        Event::ModelRouted { fixer, line, .. } => format!("{} asks a model: {}", text(fixer), text(line)),
        Event::FixerEnded { fixer, findings, ms } => {
            let how = match &findings.ended {
                Ended::NothingToDo { why } => format!("nothing to do: {}", text(why)),
                Ended::Exhausted => "tried all it knows".into(),
                Ended::Done => "done".into(),
                Ended::OutOfTime => "out of time".into(),
                Ended::OutOfBudget { what } => format!("out of budget: {}", text(what)),
                Ended::NoModelNow { why, back } => {
                    format!("no model answers now: {}", text(&no_model_words(why, back.as_deref())))
                }
                Ended::Cancelled => "stopped".into(),
                Ended::Failed { why } => format!("failed: {}", text(why)),
            };
            format!("{}: {how} ({} tried, {})", text(fixer), findings.tried, seconds(*ms))
        }
        Event::CandidateProposed { candidate, idea, .. } => format!("{}: {}", text(candidate), text(idea)),
        Event::JudgeEnded { candidate, verdict, reasons, ms, .. } => {
            let why = reasons.first().map(|reason| format!(": {}", text(&reason.what))).unwrap_or_default();
            let verdict = verdict_words(Some(&verdict_name(*verdict))).to_owned();
            format!("judge: {} {verdict}{why} ({})", text(candidate), seconds(*ms))
        }
        Event::CulpritFound { commit, how } => {
            format!("red since {} \"{}\" ({})", commit.sha.short(), text(&commit.subject), text(how))
        }
        Event::NoCulprit { why } => format!("no culprit: {}", text(why)),
        Event::Reverted { commit, .. } => format!("reverted {:.7} cleanly, in a workspace", text(commit)),
        Event::RevertRefused { commit, conflicts } => {
            format!("{:.7} can't be reverted cleanly: {}", text(commit), text(&conflicts.join(", ")))
        }
        Event::Applied { files } => format!("applied: {}", text(&files.join(", "))),
        Event::Note { text: words } => text(words),
        Event::Cleaned { run, what } => format!("removed what run {} left: {}", text(run), text(&what.join(", "))),
        Event::Loop(event) => return super::loops::line(event),
        Event::SuiteStarted { .. }
        | Event::TierEnded { .. }
        | Event::FixerStarted { .. }
        | Event::FixerProgress { .. }
        | Event::ModelAnswered { .. }
        | Event::JudgeStarted { .. }
        | Event::JudgeStep { .. }
        | Event::Healed { .. }
        | Event::Escalated { .. }
        | Event::RunEnded { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};

    #[test]
    fn every_recorded_run_reads_as_expected_line_by_line() {
        for name in all_recorded() {
            let (terminal, out, err) = Terminal::captured();
            let mut plain = Plain::new(terminal);
            for entry in recorded(&name) {
                plain.take(&entry);
            }
            assert!(out.text().is_empty(), "progress belongs on standard error");
            assert!(!err.text().contains('\x1b'));
            insta::assert_snapshot!(format!("plain-{name}"), err.text());
        }
    }
}
