//! What reviewers say of a section: three scores with quoted evidence, and what of it counts; the median of several.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Message, Trouble, repair};
use crate::prd::finding::Dimension;
use crate::prd::score::Scores;
use crate::turns::text::{can_be_found, plain, short, stands_in_plain};

const REVIEW: &str = include_str!("prompts/review.md");

/// How much of a section's score is the lint's; the rest is the reviewers'.
pub const LINT_SHARE: f64 = 0.5;

/// A score that is lower says that something is wrong, and has to quote it.
const NEEDS_EVIDENCE: f64 = 0.8;

/// Three scores, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Three {
    /// One reading only.
    pub clarity: f64,
    /// Nothing is missing.
    pub completeness: f64,
    /// One can see whether it holds.
    pub testability: f64,
}

impl Three {
    /// From a function of the dimension.
    pub fn from(of: impl Fn(Dimension) -> f64) -> Self {
        let round = |x: f64| (x.clamp(0.0, 1.0) * 1000.0).round() / 1000.0;
        Self {
            clarity: round(of(Dimension::Clarity)),
            completeness: round(of(Dimension::Completeness)),
            testability: round(of(Dimension::Testability)),
        }
    }
    /// One of them.
    pub fn of(&self, dimension: Dimension) -> f64 {
        match dimension {
            Dimension::Clarity => self.clarity,
            Dimension::Completeness => self.completeness,
            Dimension::Testability => self.testability,
        }
    }
    /// Their mean.
    pub fn mean(&self) -> f64 {
        (self.clarity + self.completeness + self.testability) / 3.0
    }
}

/// Something that a reviewer found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// What it makes worse.
    pub dimension: Dimension,
    /// The words, as they stand there.
    pub quote: String,
    /// What is wrong with them.
    pub why: String,
}

/// One review, after what does not count was taken out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Review {
    /// Scores; none where a low one had no evidence.
    pub scores: [Option<f64>; 3],
    /// Problems whose words stand in the section.
    pub problems: Vec<Problem>,
    /// Problems that were dropped because their words do not.
    pub dropped: usize,
}

/// All reviews of one revision of a section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reviewed {
    /// SHA-256 of the text that was reviewed.
    pub hash: String,
    /// The median of the reviews that count, by dimension; none where fewer than two do.
    pub median: [Option<f64>; 3],
    /// Problems of all reviews, those that several found first.
    pub problems: Vec<Problem>,
    /// Reviews that could be used.
    pub reviews: usize,
}

/// Fewer reviews than these are one model's mood: a section with fewer was not reviewed.
pub const FEWEST: usize = 2;

impl Reviewed {
    /// Did enough reviewers read it?
    pub fn counts(&self) -> bool {
        self.reviews >= FEWEST
    }
}

/// The index of a dimension in arrays of three.
pub fn index(dimension: Dimension) -> usize {
    match dimension {
        Dimension::Clarity => 0,
        Dimension::Completeness => 1,
        Dimension::Testability => 2,
    }
}

/// What a reviewer is asked about `section`, with the document's `title` around it.
pub fn messages(title: &str, section: &str) -> Vec<Message> {
    let user = format!("The document: {}\n\n# Section\n\n{section}\n", short(title, 120));
    vec![Message::system(REVIEW), Message::user(user)]
}

/// The schema of the reply.
pub fn schema() -> Value {
    // every review asks with the same one
    static SCHEMA: LazyLock<Value> = LazyLock::new(made);
    SCHEMA.clone()
}

fn made() -> Value {
    let score = json!({"type": "number", "minimum": 0, "maximum": 1});
    let text = json!({"type": "string"});
    let problem = json!({
        "type": "object",
        "properties": {"dimension": {"type": "string", "enum": ["clarity", "completeness", "testability"]}, "quote": text, "why": text},
        "required": ["dimension", "quote", "why"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"clarity": score, "completeness": score, "testability": score,
            "problems": {"type": "array", "items": problem, "maxItems": 8}},
        "required": ["clarity", "completeness", "testability", "problems"],
        "additionalProperties": false,
    })
}

/// A number from 0 to 1, however it is written: `0.7`, `"0.7"`, `7/10`, `{"score": 0.7}`, `70` of a hundred.
fn score(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(n) => n.as_f64()?,
        Value::String(text) => match text.split_once('/') {
            Some((a, b)) => a.trim().parse::<f64>().ok()? / b.trim().parse::<f64>().ok().filter(|b| *b > 0.0)?,
            None => text.trim().trim_end_matches('%').parse::<f64>().ok()?,
        },
        Value::Object(map) => return score(map.get("score")?),
        Value::Null | Value::Bool(_) | Value::Array(_) => return None,
    };
    match number {
        n if (0.0..=1.0).contains(&n) => Some(n),
        // of ten, of a hundred: whole numbers only, so that 1.5 is a mistake and not a small score
        n if n.fract() == 0.0 && (2.0..=10.0).contains(&n) => Some(n / 10.0),
        n if n.fract() == 0.0 && (11.0..=100.0).contains(&n) => Some(n / 100.0),
        _ => None,
    }
}

/// Reads a reply about `section`.
///
/// # Errors
/// When it is no such object, or holds no score.
pub fn read(reply: &str, section: &str) -> Result<Review, Trouble> {
    let (value, plain) = (repair::json(reply)?, plain(section));
    let mut problems: Vec<Problem> = Vec::new();
    let mut dropped = 0;
    const PROBLEMS_MOST: usize = 12;
    for item in value.get("problems").and_then(Value::as_array).into_iter().flatten().take(PROBLEMS_MOST) {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let dimension = Dimension::ALL.into_iter().find(|d| d.name() == text("dimension").trim().to_ascii_lowercase());
        let (quote, why) = (text("quote"), text("why"));
        match dimension {
            Some(dimension) if can_be_found(quote) && stands_in_plain(quote, &plain) && !why.trim().is_empty() => {
                problems.push(Problem { dimension, quote: short(quote, 200), why: short(why, 400) });
            }
            _ => dropped += 1,
        }
    }
    let counts = |dimension: Dimension| {
        let score = score(value.get(dimension.name())?)?;
        // a low score that quotes nothing is a mood
        (score >= NEEDS_EVIDENCE || problems.iter().any(|p| p.dimension == dimension)).then_some(score)
    };
    let said = Dimension::ALL.iter().any(|d| value.get(d.name()).and_then(score).is_some());
    if !said {
        return Err(Trouble::WrongSchema { what: "it holds no score".into() });
    }
    Ok(Review { scores: Dimension::ALL.map(counts), problems, dropped })
}

/// The median of `scores`; of an even number the lower one, so that doubt counts against.
fn median(mut scores: Vec<f64>) -> Option<f64> {
    scores.sort_by(f64::total_cmp);
    scores.get(scores.len().checked_sub(1)? / 2).copied()
}

/// All reviews of one revision together. A single review is one model's mood and counts for nothing.
pub fn together(hash: &str, reviews: &[Review]) -> Reviewed {
    let of = |dimension: Dimension| {
        let scores: Vec<f64> = reviews.iter().filter_map(|r| r.scores[index(dimension)]).collect();
        if scores.len() < FEWEST { None } else { median(scores) }
    };
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    for problem in reviews.iter().flat_map(|r| &r.problems) {
        let same = |p: &&mut (usize, Problem)| p.1.dimension == problem.dimension && p.1.quote == problem.quote;
        match problems.iter_mut().find(same) {
            Some((n, _)) => *n += 1,
            None => problems.push((1, problem.clone())),
        }
    }
    problems.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    Reviewed {
        hash: hash.to_owned(),
        median: Dimension::ALL.map(of),
        problems: problems.into_iter().map(|(_, p)| p).collect(),
        reviews: reviews.len(),
    }
}

/// Lint and reviews together; the lint alone where no reviews count.
pub fn combined(lint: &Scores, reviewed: Option<&Reviewed>) -> Three {
    Three::from(|dimension| {
        let lint = lint.of(dimension);
        match reviewed.and_then(|r| r.median[index(dimension)]) {
            Some(median) => LINT_SHARE * lint + (1.0 - LINT_SHARE) * median,
            None => lint,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTION: &str = "## Search\n\n- REQ-1: The search shall be fast.\n";

    fn reply(clarity: &str, quote: &str) -> String {
        format!(
            r#"{{"clarity": {clarity}, "completeness": 0.9, "testability": 0.9, "problems": [{{"dimension": "clarity", "quote": "{quote}", "why": "how fast?"}}]}}"#
        )
    }

    #[test]
    fn a_low_score_counts_only_with_words_that_are_there() {
        let with = read(&reply("0.3", "shall be fast"), SECTION).unwrap();
        assert_eq!((with.scores, with.problems.len(), with.dropped), ([Some(0.3), Some(0.9), Some(0.9)], 1, 0));
        let without = read(&reply("0.3", "shall be quick"), SECTION).unwrap();
        assert_eq!((without.scores[0], without.dropped), (None, 1));
        assert_eq!(read(&reply("0.85", "nowhere at all"), SECTION).unwrap().scores[0], Some(0.85));
    }

    #[test]
    fn scores_are_read_in_the_ways_in_which_models_write_them() {
        for (said, score) in [
            ("0.7", Some(0.7)),
            ("\"0.7\"", Some(0.7)),
            ("\"7/10\"", Some(0.7)),
            ("{\"score\": 0.7}", Some(0.7)),
            ("70", Some(0.7)),
            ("7", Some(0.7)),
            ("1", Some(1.0)),
            ("1.5", None),
            ("-1", None),
            ("\"good\"", None),
        ] {
            let text = reply(said, "shall be fast");
            assert_eq!(read(&text, SECTION).unwrap().scores[0], score, "{said}");
        }
        for (text, name) in [
            ("", "empty"),
            ("It is fine.", "malformed"),
            ("{\"problems\": []}", "wrong-schema"),
            ("{\"clarity\": 0.", "truncated"),
        ] {
            assert_eq!(read(text, SECTION).unwrap_err().name(), name, "{text}");
        }
        let fenced = format!("<think>let me see {{}}</think>```json\n{}\n```", reply("0.4", "be fast"));
        assert_eq!(read(&fenced, SECTION).unwrap().scores[0], Some(0.4));
    }

    #[test]
    fn one_mood_does_not_move_the_median_and_a_single_review_counts_for_nothing() {
        let review = |clarity: f64| Review { scores: [Some(clarity), None, Some(0.9)], problems: vec![], dropped: 0 };
        let all = together("h", &[review(0.9), review(0.1), review(0.85)]);
        assert_eq!(all.median, [Some(0.85), None, Some(0.9)]);
        assert_eq!(together("h", &[review(0.9)]).median, [None, None, None]);
        assert_eq!(together("h", &[review(0.9), review(0.5)]).median[0], Some(0.5));
        let lint = Scores { clarity: 0.5, completeness: 0.6, testability: 1.0, evidence: vec![] };
        let three = combined(&lint, Some(&all));
        assert_eq!((three.clarity, three.completeness, three.testability), (0.675, 0.6, 0.95));
    }

    proptest! {
        #[test]
        fn any_reply_ends_in_a_review_or_a_name(text in "\\PC{0,120}|[\\[\\]{}\",:a-z0-9. ]{0,80}") {
            let _ = read(&text, SECTION);
        }
    }
}
