//! A PRD run for people: the comment with the scores first, the diff and the questions folded behind them; the diff itself.

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::escape::{code, fence, markdown, one_line, summary};
use super::numbers::{count, seconds};
use crate::model::Money;
use crate::prd::finding::Dimension;
use crate::prd::history::{self, Row};
use crate::prd::improve::hash;
use crate::prd::outcome::{End, Outcome, SectionInfo, TurnInfo};
use crate::prd::review::Reviewed;

/// What models said and did, as a part of `kaizen-ci/prd/v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Review {
    /// The run.
    pub run: String,
    /// Why it ended.
    #[serde(flatten)]
    pub end: End,
    /// SHA-256 of the document as it was found.
    #[serde(default)]
    pub source: String,
    /// Sections, in order, with the hash of the text that was reviewed: next time unchanged ones keep their scores.
    pub sections: Vec<SectionInfo>,
    /// What reviewers said of sections as they were found, where they were rewritten: they are there again as long as nobody
    /// writes the revised text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Reviewed>,
    /// Scores by round.
    pub history: Vec<Row>,
    /// What was marked as an assumption: questions for a person.
    pub questions: Vec<String>,
    /// Who did what.
    pub staff: Vec<TurnInfo>,
    /// Changes that the supervisor suggested and the loop made.
    pub changes: Vec<String>,
    /// Turns told again from an earlier run.
    pub replayed: u32,
    /// The text was changed.
    pub changed: bool,
    /// From the document as it was found to the revised one.
    pub diff: String,
    /// Wall time.
    pub ms: u64,
}

#[cfg(test)]
impl Review {
    /// Of a run that ended so and did nothing, for tests that fill in what they look at.
    pub(crate) fn empty(end: End) -> Self {
        Self {
            run: String::new(),
            end,
            source: String::new(),
            found: vec![],
            sections: vec![],
            history: vec![],
            questions: vec![],
            staff: vec![],
            changes: vec![],
            replayed: 0,
            changed: false,
            diff: String::new(),
            ms: 0,
        }
    }
}

impl Review {
    /// Of `outcome`; `source` is the document `name` as it was found.
    pub fn of(outcome: &Outcome, run: &str, name: &str, source: &str) -> Self {
        Self {
            run: run.to_owned(),
            end: outcome.end,
            source: hash(source),
            sections: outcome.sections.clone(),
            found: outcome.found.clone(),
            history: outcome.history.clone(),
            questions: outcome.questions.clone(),
            staff: outcome.staff.clone(),
            changes: outcome.changes.clone(),
            replayed: outcome.replayed,
            changed: outcome.text != source,
            diff: diff(name, source, &outcome.text),
            ms: outcome.ms,
        }
    }
}

/// A unified diff of a document; empty when nothing is changed.
pub fn diff(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let name = one_line(name, 200);
    TextDiff::from_lines(old, new).unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string()
}

/// The table of scores with a line of bars for each.
fn scores(review: &Review, threshold: f64) -> String {
    let mut out = String::from("| | found | now | needed | |\n|---|---:|---:|---:|---|\n");
    let passed = review.history.last().map(|row| row.passed);
    for (dimension, bars, first, last) in history::lines(&review.history) {
        let mark = if passed.is_some_and(|p| p.of(dimension)) { "✓" } else { "✗" };
        out.push_str(&format!("| {mark} {} | {first:.2} | {last:.2} | {threshold:.2} | {bars} |\n", dimension.name()));
    }
    out
}

/// The comment under a pull request or issue.
pub fn comment(review: &Review, name: &str, threshold: f64) -> String {
    let good = if review.end == End::Passed { "passes" } else { "does not pass" };
    let rounds = count(review.history.len().saturating_sub(1), "round");
    let mut out = format!(
        "**{} {good}** after {rounds} of rewriting: {}.\n\n{}\n",
        code(name),
        review.end.words(),
        scores(review, threshold)
    );
    if !review.questions.is_empty() {
        out.push_str("Questions for a person (marked as assumptions in the text):\n\n");
        for question in review.questions.iter().take(20) {
            out.push_str(&format!("- {}\n", markdown(&one_line(question, 300))));
        }
        out.push('\n');
    }
    let mut folded = |title: &str, body: String| {
        out.push_str(&format!("<details><summary>{}</summary>\n\n{body}\n</details>\n", summary(title)));
    };
    if review.changed {
        folded("What was rewritten", fence("diff", &review.diff));
    }
    let mut sections = String::from(
        "| section | clarity | completeness | testability | rewritten | left because |\n|---|---:|---:|---:|---:|---|\n",
    );
    for s in review.sections.iter().filter(|s| s.reviewed.is_some()) {
        let [c, p, t] = Dimension::ALL.map(|d| s.scores.of(d));
        let why = markdown(&one_line(s.left_because.as_deref().unwrap_or_default(), 160));
        let title = markdown(&one_line(&s.title, 80));
        sections.push_str(&format!("| {title} | {c:.2} | {p:.2} | {t:.2} | {} | {why} |\n", s.revisions));
    }
    folded("Scores by section", sections);
    let mut problems = String::new();
    for s in &review.sections {
        for p in s.reviewed.iter().flat_map(|r| &r.problems).take(6) {
            let (title, why) = (markdown(&one_line(&s.title, 60)), markdown(&one_line(&p.why, 300)));
            problems.push_str(&format!("- {title}, {}: {} {why}\n", p.dimension.name(), code(&p.quote)));
        }
    }
    if !problems.is_empty() {
        folded("What reviewers said", problems);
    }
    let mut staff = String::from("| who | model | turns | tokens | cost | trouble |\n|---|---|---:|---:|---:|---|\n");
    for s in &review.staff {
        let model = if s.answered_by.is_empty() { &s.model } else { &s.answered_by };
        staff.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            s.who,
            code(&one_line(model, 80)),
            s.turns,
            s.tokens,
            Money(s.nano_dollars),
            markdown(s.trouble.as_deref().unwrap_or_default())
        ));
    }
    folded(&format!("Models, tokens, cost; {}", seconds(review.ms)), staff);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prd::gate::Passed;
    use crate::prd::review::{Problem, Three};

    fn review(said: &str) -> Review {
        let row = |round: u32, clarity: f64, passes: bool| Row {
            round,
            scores: Three { clarity, completeness: 0.9, testability: 0.9 },
            passed: Passed { clarity: passes, completeness: true, testability: true, no_errors: true },
            rewritten: 1,
            findings: 2,
        };
        let problem = Problem { dimension: Dimension::Clarity, quote: said.into(), why: said.into() };
        let section = SectionInfo {
            title: said.into(),
            scores: Three::default(),
            reviewed: Some(Reviewed { problems: vec![problem], ..Reviewed::default() }),
            revisions: 1,
            left_because: Some(said.into()),
        };
        Review {
            sections: vec![section],
            history: vec![row(0, 0.4, false), row(1, 0.9, true)],
            questions: vec![said.into()],
            changed: true,
            diff: diff("prd.md", "a\nb\n", &format!("a\n{said}\n")),
            ..Review::empty(End::Passed)
        }
    }

    #[test]
    fn scores_come_first_with_their_history_and_the_rest_is_folded() {
        let text = comment(&review("within 200 ms"), "docs/prd.md", 0.8);
        assert!(
            text.starts_with("**`docs/prd.md` passes** after 1 round of rewriting: all three scores pass.\n"),
            "{text}"
        );
        assert!(text.contains("| ✓ clarity | 0.40 | 0.90 | 0.80 | ▄▇ |"), "{text}");
        assert!(text.find("Questions for a person").unwrap() < text.find("<details>").unwrap());
        assert!(text.contains("-b\n+within 200 ms\n"), "{text}");
        assert_eq!(diff("x", "same", "same"), "");
    }

    #[test]
    fn what_a_model_says_stays_in_its_place() {
        let text = comment(&review("</details> @octocat #1 <b> ``` | x"), "p.md", 0.8);
        assert_eq!(text.matches("\n</details>").count(), text.matches("<details>").count(), "{text}");
        let outside = text.split("````").step_by(2).collect::<String>().replace("\\<", "");
        assert!(!outside.contains("@octocat") && !outside.contains("<b>"), "{outside}");
    }
}
