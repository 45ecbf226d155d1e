//! What the writer is asked about a section, and its text taken out of whatever stands around it.

use crate::model::{Message, Trouble, repair};
use crate::prd::Finding;
use crate::prd::finding::{Dimension, Severity};
use crate::prd::review::{Reviewed, Three};
use crate::turns::text::short;

const WRITE: &str = include_str!("prompts/write.md");

/// Findings and problems that one critique holds: more at once are not worked off.
const POINTS_MOST: usize = 10;

/// Everything that is wrong with one revision of one section.
#[derive(Debug, Clone, PartialEq)]
pub struct Critique {
    /// SHA-256 of the text that it was written for.
    pub of: String,
    /// The section's scores.
    pub scores: Three,
    /// One line a point.
    pub points: Vec<String>,
}

impl Critique {
    /// From the lint's findings in the section and the reviewers' problems.
    pub fn new(of: &str, scores: Three, threshold: f64, findings: &[&Finding], reviewed: Option<&Reviewed>) -> Self {
        let failing = |d: Dimension| scores.of(d) < threshold;
        let mut points: Vec<String> = Vec::new();
        let mut found: Vec<&&Finding> = findings.iter().filter(|f| f.severity > Severity::Note).collect();
        found.sort_by_key(|f| (!failing(f.dimension), std::cmp::Reverse(f.severity)));
        for f in found {
            points.push(format!(
                "{}: “{}”: {}. Write instead: {}",
                f.dimension.name(),
                short(&f.quote, 100),
                f.message,
                f.suggestion
            ));
        }
        let problems = reviewed.map(|r| r.problems.as_slice()).unwrap_or_default();
        for p in
            problems.iter().filter(|p| failing(p.dimension)).chain(problems.iter().filter(|p| !failing(p.dimension)))
        {
            points.push(format!("{}: “{}”: {}", p.dimension.name(), short(&p.quote, 100), p.why));
        }
        points.truncate(POINTS_MOST);
        Self { of: of.to_owned(), scores, points }
    }
}

/// What the writer is asked. `refused`: why its last try was not taken.
pub fn messages(title: &str, section: &str, critique: &Critique, refused: Option<&str>) -> Vec<Message> {
    let scores: Vec<String> =
        Dimension::ALL.into_iter().map(|d| format!("{} {:.2}", d.name(), critique.scores.of(d))).collect();
    let points: String = critique.points.iter().map(|point| format!("- {point}\n")).collect();
    let refused =
        refused.map(|why| format!("\nYour last revision was not taken: {}.\n", short(why, 300))).unwrap_or_default();
    let user = format!(
        "The document: {}\n\n# Section\n\n{section}\n\n# Criticism (scores: {})\n\n{points}{refused}",
        short(title, 120),
        scores.join(", ")
    );
    vec![Message::system(WRITE), Message::user(user)]
}

/// The section out of a reply: without thoughts, without a fence around everything, without a sentence before the heading.
///
/// # Errors
/// When there is nothing in it, or it is cut off in its thoughts.
pub fn read(reply: &str, section: &str) -> Result<String, Trouble> {
    let text = repair::without_thoughts(reply)?.trim();
    let text = unfenced(text).unwrap_or(text);
    let heading = section.lines().find(|line| !line.trim().is_empty()).filter(|line| line.starts_with('#'));
    let text = match heading.and_then(|heading| text.find(heading.trim_end())) {
        // what stands before the heading is the model's, not the document's
        Some(at) if text[..at].is_empty() || text[..at].ends_with('\n') => &text[at..],
        _ => text,
    };
    if text.trim().is_empty() { Err(Trouble::Empty) } else { Ok(text.to_owned()) }
}

/// The inside of a fence around everything that is marked as Markdown, or of one that holds all of the text.
fn unfenced(text: &str) -> Option<&str> {
    let at = text
        .find("```markdown\n")
        .or_else(|| text.find("```md\n"))
        .or_else(|| text.starts_with("```\n").then_some(0))?;
    let body = &text[at + text[at..].find('\n')? + 1..];
    // the last fence closes the first one: fences inside come in pairs
    let end = body.rfind("\n```")?;
    Some(&body[..end + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "## Search\n\n- REQ-1: The search shall be fast.\n";

    #[test]
    fn a_section_is_taken_out_of_what_a_model_puts_around_it() {
        let new = "## Search\n\n- REQ-1: The search shall answer at once.";
        for reply in [
            new.to_owned(),
            format!("```markdown\n{new}\n```"),
            format!("Here is the revised section:\n\n{new}"),
            format!("<think>hm</think>\nSure!\n\n```md\n{new}\n```\nI hope it helps."),
            format!("```\n{new}\n```"),
        ] {
            assert_eq!(read(&reply, SECTION).unwrap().trim(), new, "{reply}");
        }
        let with_code = format!("```markdown\n{new}\n\n```\ncurl x\n```\n```");
        assert!(read(&with_code, SECTION).unwrap().trim().ends_with("curl x\n```"));
        assert_eq!(read("<think>and", SECTION).unwrap_err().name(), "truncated");
        assert_eq!(read("  ", SECTION).unwrap_err().name(), "empty");
    }

    #[test]
    fn what_fails_is_criticised_first_and_everything_with_its_words() {
        let lint = crate::prd::lint(SECTION, &|_| true);
        let found: Vec<&Finding> = lint.findings.iter().collect();
        let scores = Three { clarity: 0.4, completeness: 0.9, testability: 0.9 };
        let critique = Critique::new("h", scores, 0.8, &found, None);
        assert!(critique.points[0].starts_with("clarity: “fast”"), "{critique:?}");
        let asked = messages("Shop", SECTION, &critique, Some("ids are missing: REQ-1"));
        assert!(
            asked[1].content.contains("not taken: ids are missing: REQ-1") && asked[1].content.contains("clarity 0.40")
        );
    }
}
