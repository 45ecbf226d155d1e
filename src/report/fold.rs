//! From events to the document: one pass, no judgement, nothing but what the events say.

use std::collections::BTreeMap;

use super::document::{
    Attempt, BlameInfo, Culprit, DisagreementInfo, Document, FailureInfo, FileDelta, FixerInfo, HealInfo, Miss,
    Outcome, ReasonInfo, Revert, SCHEMA, SnapshotInfo, SuiteInfo, SuiteRun, SuspectInfo, TestCounts, TierInfo,
};
use super::{asked, diagnosis, stuck, timeline};
use crate::error::Exit;
use crate::trajectory::{Entry, Event, LoopEvent, Purpose};
use crate::words::{Blame, Disagreement, End, Ended, Findings, Label, Verdict};

impl Document {
    /// The document of the run that `entries` (in order) are about.
    pub fn of(entries: &[Entry]) -> Self {
        let mut fold = Fold::new(entries);
        for entry in entries {
            fold.take(entry);
        }
        fold.finish(entries)
    }
}

/// The name that serde gives a plain enum value.
pub(super) fn named(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// How a command ended, in words.
pub fn end_words(end: End) -> String {
    match end {
        End::Exited(code) => format!("exit code {code}"),
        End::Signaled(signal) => format!("ended by signal {signal}"),
        End::TimedOut => "timed out".into(),
        End::Cancelled => "stopped".into(),
        End::NotFound => "command not found".into(),
        End::NotStarted => "could not be started".into(),
    }
}

struct Fold {
    document: Document,
    start: Option<jiff::Timestamp>,
    now_ms: u64,
    tier: u8,
    disagreements: BTreeMap<String, Disagreement>,
    judged: BTreeMap<String, Judged>,
    /// Whole-suite results with a candidate: passed, failed, skipped, and how many such runs.
    with_candidate: BTreeMap<String, ((usize, usize, usize), usize)>,
    applied: Vec<String>,
    left_exit: Option<u8>,
    /// What a loop that thinks in turns was about, and how it ended.
    subject: Option<String>,
}

#[derive(Default)]
struct Judged {
    guards_passed: Vec<String>,
    tests_changed: Vec<String>,
    flaky: Vec<String>,
}

impl Fold {
    fn new(entries: &[Entry]) -> Self {
        let start = entries.first().map(|entry| entry.time);
        let document = Document {
            schema: SCHEMA.into(),
            run: entries.first().map(|entry| entry.run.clone()).unwrap_or_default(),
            version: String::new(),
            command: String::new(),
            repository: String::new(),
            seed: 0,
            started: start.map(|time| time.to_string()),
            duration_ms: 0,
            outcome: Outcome::Unfinished,
            exit: None,
            headline: String::new(),
            suite: None,
            snapshot: None,
            blame: None,
            failure: None,
            heal: None,
            attempts: Vec::new(),
            fixers: Vec::new(),
            tiers: Vec::new(),
            culprit: None,
            no_culprit: None,
            reverts: Vec::new(),
            stalls: Vec::new(),
            diagnosis: Vec::new(),
            next: Vec::new(),
            reproduce: Vec::new(),
            notes: Vec::new(),
            report: None,
            suite_runs: Vec::new(),
            runs: BTreeMap::new(),
            timeline: Vec::new(),
            models: Vec::new(),
            routing: Vec::new(),
        };
        Self {
            document,
            start,
            now_ms: 0,
            tier: 0,
            disagreements: BTreeMap::new(),
            judged: BTreeMap::new(),
            with_candidate: BTreeMap::new(),
            applied: Vec::new(),
            left_exit: None,
            subject: None,
        }
    }

    fn take(&mut self, entry: &Entry) {
        self.now_ms = timeline::since(self.start, entry.time);
        self.document.duration_ms = self.document.duration_ms.max(self.now_ms);
        match &entry.event {
            Event::RunStarted { version, command, repository, seed } => {
                self.document.version.clone_from(version);
                self.document.command.clone_from(command);
                self.document.repository.clone_from(repository);
                self.document.seed = *seed;
            }
            Event::SuiteFound { .. }
            | Event::SnapshotTaken { .. }
            | Event::SuiteStarted { .. }
            | Event::SuiteEnded { .. } => self.suite(&entry.event),
            Event::Triaged { blame, evidence } => self.document.blame = Some(blame_info(blame, evidence)),
            Event::FailureDescribed { .. } => self.failure(&entry.event),
            Event::TierStarted { tier } => {
                self.tier = *tier;
                self.document.tiers.push(TierInfo { tier: *tier, why: None, ms: 0 });
            }
            Event::TierEnded { tier, why, ms } => self.tier_ended(*tier, why, *ms),
            Event::FixerStarted { .. } | Event::FixerProgress { .. } | Event::SlotsChanged { .. } => {}
            Event::ModelRouted { .. } | Event::ModelAnswered { .. } => asked::take(&mut self.document, &entry.event),
            Event::FixerEnded { fixer, findings, ms } => {
                self.document.fixers.push(fixer_info(fixer, findings, *ms, self.tier));
            }
            Event::CandidateProposed { .. } => self.proposed(&entry.event),
            Event::JudgeStarted { .. } | Event::JudgeStep { .. } => {}
            Event::JudgeEnded { .. } => self.judged(&entry.event),
            Event::CulpritFound { commit, how } => {
                self.document.culprit = Some(Culprit {
                    commit: commit.sha.0.clone(),
                    subject: commit.subject.clone(),
                    author: commit.author.clone(),
                    date: commit.date.clone(),
                    how: how.clone(),
                });
            }
            Event::NoCulprit { why } => self.document.no_culprit = Some(why.clone()),
            Event::Reverted { commit, revert } => self.document.reverts.push(Revert {
                commit: commit.clone(),
                revert: Some(revert.clone()),
                conflicts: Vec::new(),
            }),
            Event::RevertRefused { commit, conflicts } => self.document.reverts.push(Revert {
                commit: commit.clone(),
                revert: None,
                conflicts: conflicts.clone(),
            }),
            Event::Healed { candidate, tier, receipt, patch, diff } => {
                self.healed(candidate, *tier, receipt, patch, diff);
            }
            Event::Applied { files } => self.applied.clone_from(files),
            Event::Escalated { report } => self.document.report = Some(report.clone()),
            Event::Note { text } => self.document.notes.push(text.clone()),
            Event::Cleaned { run, what } => {
                let what = what.join(", ");
                self.document.notes.push(format!("removed what the killed run {run} left behind: {what}"));
            }
            Event::Loop(event) => self.in_loop(event),
            Event::RunEnded { outcome: _, exit, ms, runs } => {
                self.left_exit = Some(*exit);
                self.document.duration_ms = *ms;
                self.document.runs.clone_from(runs);
            }
        }
    }

    /// A council or a PRD has no tests to tell of: its subject and its end are the headline. What the supervisor says is
    /// told of every loop.
    fn in_loop(&mut self, event: &LoopEvent) {
        match event {
            LoopEvent::Began { of, subject, .. } => self.subject = Some(format!("{}: {subject}", of.name())),
            LoopEvent::Ended { why, .. } => {
                self.subject = self.subject.take().map(|subject| format!("{subject} ({why})"));
            }
            LoopEvent::Turn(_)
            | LoopEvent::Objected { .. }
            | LoopEvent::Settled { .. }
            | LoopEvent::RoundEnded { .. }
            | LoopEvent::Scored { .. }
            | LoopEvent::Revised { .. } => {}
            LoopEvent::Diagnosed { .. } | LoopEvent::Tried { .. } | LoopEvent::Resolved { .. } => {
                stuck::take(&mut self.document.stalls, event);
            }
        }
    }

    fn suite(&mut self, event: &Event) {
        match event {
            Event::SuiteFound { name, command, runner, found_by, others } => {
                self.document.suite = Some(SuiteInfo {
                    name: name.clone(),
                    command: command.clone(),
                    runner: runner.clone(),
                    found_by: found_by.clone(),
                    others: others.clone(),
                });
            }
            Event::SnapshotTaken { commit, tree, parent, carried, ms: _ } => {
                self.document.snapshot = Some(SnapshotInfo {
                    commit: commit.clone(),
                    tree: tree.clone(),
                    parent: parent.clone(),
                    carried: carried.clone(),
                });
            }
            Event::SuiteEnded { purpose, subject, passed, failed, skipped, end, ms, red: _ } => {
                if *purpose == Purpose::Judge {
                    let slot = self.with_candidate.entry(subject.clone()).or_default();
                    // The red tests alone are run first; the largest run is the whole suite.
                    let total = |(a, b, c): (usize, usize, usize)| a + b + c;
                    let this = (*passed, *failed, *skipped);
                    match total(this).cmp(&total(slot.0)) {
                        std::cmp::Ordering::Greater => *slot = (this, 1),
                        std::cmp::Ordering::Equal => *slot = (this, slot.1 + 1),
                        std::cmp::Ordering::Less => {}
                    }
                }
                self.document.suite_runs.push(SuiteRun {
                    purpose: named(purpose),
                    subject: subject.clone(),
                    passed: *passed,
                    failed: *failed,
                    skipped: *skipped,
                    end: end_words(*end),
                    ms: *ms,
                });
            }
            _ => {}
        }
    }

    fn failure(&mut self, event: &Event) {
        let Event::FailureDescribed { fingerprint, red, suspects, excerpt, messages } = event else { return };
        let info = suspects.iter().map(|s| SuspectInfo {
            file: s.file.clone(),
            line: s.line,
            end_line: s.end_line,
            symbol: s.symbol.clone(),
            // JSON has no infinity and no NaN.
            score: if s.score.is_finite() { s.score } else { 0.0 },
            reason: s.reason.clone(),
        });
        // Tier 2 describes what is left after a revert; the failure of the report is the first one.
        self.document.failure.get_or_insert_with(|| FailureInfo {
            red: red.clone(),
            fingerprint: fingerprint.clone(),
            suspects: info.collect(),
            excerpt: excerpt.clone(),
            messages: messages.clone(),
        });
    }

    fn tier_ended(&mut self, tier: u8, why: &str, ms: u64) {
        if let Some(info) = self.document.tiers.iter_mut().rev().find(|info| info.tier == tier) {
            info.why = Some(why.to_owned());
            info.ms = ms;
        }
    }

    fn proposed(&mut self, event: &Event) {
        let Event::CandidateProposed { candidate, fixer, idea, diff, hash, labels, disagreement } = event else {
            return;
        };
        if let Some(disagreement) = disagreement {
            self.disagreements.insert(candidate.clone(), disagreement.clone());
        }
        self.document.attempts.push(Attempt {
            candidate: candidate.clone(),
            fixer: fixer.clone(),
            tier: self.tier,
            idea: idea.clone(),
            labels: label_names(labels),
            diff: diff.clone(),
            hash: hash.clone(),
            verdict: None,
            reasons: Vec::new(),
            output: String::new(),
            set_aside: Vec::new(),
            judge_ms: 0,
        });
    }

    fn judged(&mut self, event: &Event) {
        let Event::JudgeEnded {
            candidate,
            verdict,
            reasons,
            ms,
            output,
            guards_passed,
            set_aside,
            tests_changed,
            flaky,
        } = event
        else {
            return;
        };
        let (guards_passed, tests_changed) = (guards_passed.clone(), tests_changed.clone());
        self.judged.insert(candidate.clone(), Judged { guards_passed, tests_changed, flaky: flaky.clone() });
        let Some(attempt) = self.document.attempts.iter_mut().rev().find(|a| a.candidate == *candidate) else { return };
        attempt.verdict = Some(named(verdict));
        attempt.reasons = reasons.iter().map(|r| ReasonInfo { rule: r.rule.clone(), what: r.what.clone() }).collect();
        attempt.output.clone_from(output);
        attempt.set_aside.clone_from(set_aside);
        attempt.judge_ms = *ms;
    }

    fn healed(&mut self, candidate: &str, tier: u8, receipt: &str, patch: &str, diff: &str) {
        let attempt = self.document.attempts.iter().rev().find(|a| a.candidate == candidate);
        let diff = if diff.is_empty() { attempt.map(|a| a.diff.clone()).unwrap_or_default() } else { diff.to_owned() };
        let judged = self.judged.remove(candidate).unwrap_or_default();
        self.document.heal = Some(HealInfo {
            candidate: candidate.to_owned(),
            fixer: attempt.map(|a| a.fixer.clone()).unwrap_or_default(),
            idea: attempt.map(|a| a.idea.clone()).unwrap_or_default(),
            tier,
            labels: attempt.map(|a| a.labels.clone()).unwrap_or_default(),
            receipt: receipt.to_owned(),
            patch: patch.to_owned(),
            files: file_deltas(&diff),
            diff,
            tests: self.counts(candidate),
            guards_passed: judged.guards_passed,
            set_aside: attempt.map(|a| a.set_aside.clone()).unwrap_or_default(),
            tests_changed: judged.tests_changed,
            flaky: judged.flaky,
            disagreement: self
                .disagreements
                .get(candidate)
                .map(|d| DisagreementInfo { what: d.what.clone(), rivals: d.rivals.clone() }),
            applied: Vec::new(),
            after_ms: self.now_ms,
        });
    }

    fn counts(&self, candidate: &str) -> TestCounts {
        let red = self.document.suite_runs.iter().find(|run| run.purpose == named(&Purpose::Red));
        let (after, runs) = self.with_candidate.get(candidate).copied().unwrap_or_default();
        TestCounts {
            red_before: red.map_or(0, |run| run.failed),
            passed_before: red.map_or(0, |run| run.passed),
            passed_after: after.0,
            red_after: after.1,
            collected_before: red.map_or(0, |run| run.passed + run.failed + run.skipped),
            collected_after: after.0 + after.1 + after.2,
            runs,
        }
    }

    fn finish(mut self, entries: &[Entry]) -> Document {
        if let Some(heal) = &mut self.document.heal {
            heal.applied = std::mem::take(&mut self.applied);
        }
        self.document.exit = self.left_exit;
        self.document.outcome = outcome(self.left_exit, &self.document);
        self.document.timeline = timeline::of(entries);
        let diagnosis = diagnosis::of(&self.document);
        self.document.diagnosis = diagnosis.likely;
        self.document.next = diagnosis.next;
        self.document.reproduce = diagnosis.reproduce;
        self.document.headline = self.subject.take().unwrap_or_else(|| diagnosis::headline(&self.document));
        self.document
    }
}

fn outcome(exit: Option<u8>, document: &Document) -> Outcome {
    let Some(exit) = exit.and_then(Exit::of_code) else {
        return if exit.is_some() { Outcome::Error } else { Outcome::Unfinished };
    };
    match exit {
        Exit::Ok if document.heal.is_some() => Outcome::Healed,
        Exit::Ok => Outcome::AlreadyGreen,
        Exit::NotApplied => Outcome::HealedNotApplied,
        Exit::Ambiguous => Outcome::Ambiguous,
        Exit::Flaky => Outcome::Flaky,
        Exit::BrokenOnBase => Outcome::BrokenOnBase,
        Exit::SuiteEnvironment => Outcome::Environment,
        Exit::Escalated => Outcome::Escalated,
        Exit::LeftAlone => Outcome::LeftAlone,
        Exit::Interrupted => Outcome::Interrupted,
        Exit::PushStopped
        | Exit::StillRed
        | Exit::Regressed
        | Exit::Tampered
        | Exit::Unstable
        | Exit::DoesNotApply
        | Exit::TimedOut
        | Exit::NothingRed
        | Exit::ReceiptDiffers
        | Exit::Usage
        | Exit::BelowThreshold
        | Exit::NoAgreement
        | Exit::NoDecision
        | Exit::Internal => Outcome::Error,
    }
}

fn blame_info(blame: &Blame, evidence: &str) -> BlameInfo {
    let mut info =
        BlameInfo { kind: String::new(), evidence: evidence.to_owned(), tests: Vec::new(), what: None, hint: None };
    info.kind = match blame {
        Blame::Flaky { tests } => {
            info.tests = tests.iter().map(|test| test.0.clone()).collect();
            "flaky"
        }
        Blame::BrokenOnBase => "broken_on_base",
        Blame::Environment { what, hint } => {
            info.what = Some(what.clone());
            info.hint = Some(hint.clone());
            "environment"
        }
        Blame::ThisChange => "this_change",
        Blame::Unknown => "unknown",
    }
    .to_owned();
    info
}

/// Why no model answers a fixer, and when one does again.
pub fn no_model_words(why: &str, back: Option<&str>) -> String {
    match back {
        // most troubles say it themselves
        Some(back) if !why.contains(back) => format!("{why}; again at {back}"),
        _ => why.to_owned(),
    }
}

fn fixer_info(fixer: &str, findings: &Findings, ms: u64, tier: u8) -> FixerInfo {
    let (ended, why) = match &findings.ended {
        Ended::NothingToDo { why } => ("nothing_to_do", Some(why.clone())),
        Ended::Exhausted => ("exhausted", None),
        Ended::Done => ("done", None),
        Ended::OutOfTime => ("out_of_time", None),
        Ended::OutOfBudget { what } => ("out_of_budget", Some(what.clone())),
        Ended::NoModelNow { why, back } => ("no_model_now", Some(no_model_words(why, back.as_deref()))),
        Ended::Cancelled => ("cancelled", None),
        Ended::Failed { why } => ("failed", Some(why.clone())),
    };
    FixerInfo {
        fixer: fixer.to_owned(),
        tier,
        ended: ended.to_owned(),
        why,
        tried: findings.tried,
        notes: findings.notes.clone(),
        closest: findings
            .closest
            .iter()
            .map(|close| Miss {
                diff: close.diff.clone(),
                still_red: close.still_red.iter().map(|test| test.0.clone()).collect(),
            })
            .collect(),
        ms,
    }
}

fn label_names(labels: &[Label]) -> Vec<String> {
    labels.iter().map(named).collect()
}

/// Files and lines of a unified diff as git writes it.
pub fn file_deltas(diff: &str) -> Vec<FileDelta> {
    let mut out: Vec<FileDelta> = Vec::new();
    let mut old = String::new();
    // Lines still to come in the current hunk, removed and added: inside, `--- ` is a removed line, not a header.
    let (mut minus, mut plus) = (0_usize, 0_usize);
    for line in diff.lines() {
        if minus + plus > 0 {
            match (line.as_bytes().first(), out.last_mut()) {
                (Some(b'+'), Some(file)) => {
                    file.added += 1;
                    plus = plus.saturating_sub(1);
                }
                (Some(b'-'), Some(file)) => {
                    file.removed += 1;
                    minus = minus.saturating_sub(1);
                }
                (Some(b'\\'), _) => {}
                _ => (minus, plus) = (minus.saturating_sub(1), plus.saturating_sub(1)),
            }
        } else if let Some(path) = line.strip_prefix("--- ") {
            old = path.trim_start_matches("a/").to_owned();
        } else if let Some(path) = line.strip_prefix("+++ ") {
            let path = if path == "/dev/null" { old.clone() } else { path.trim_start_matches("b/").to_owned() };
            out.push(FileDelta { path, added: 0, removed: 0 });
        } else if let Some(hunk) = line.strip_prefix("@@ -") {
            (minus, plus) = hunk_lines(hunk);
        }
    }
    out
}

/// Line counts of `12,5 +12,6 @@ …`.
fn hunk_lines(hunk: &str) -> (usize, usize) {
    let count = |range: &str| match range.split_once(',') {
        Some((_, n)) => n.parse().unwrap_or(0),
        None => 1,
    };
    let mut parts = hunk.split(' ');
    let minus = parts.next().map_or(0, count);
    let plus = parts.next().map_or(0, |range| count(range.trim_start_matches('+')));
    (minus, plus)
}

/// The label's name, as it stands in documents.
pub fn label_name(label: &Label) -> String {
    named(label)
}

/// The verdict's name, as it stands in documents.
pub fn verdict_name(verdict: Verdict) -> String {
    named(&verdict)
}

/// The verdict in words.
pub fn verdict_words(verdict: Option<&str>) -> &str {
    let all = [
        (Verdict::Healed, "healed"),
        (Verdict::StillRed, "still red"),
        (Verdict::Regressed, "broke other tests"),
        (Verdict::Tampered, "refused: tampering"),
        (Verdict::Unstable, "results differ from run to run"),
        (Verdict::DoesNotApply, "does not apply"),
        (Verdict::TimedOut, "ran into the time limit"),
    ];
    match verdict {
        None => "not judged to the end",
        Some(name) => all.iter().find(|(verdict, _)| named(verdict) == name).map_or(name, |(_, words)| words),
    }
}
