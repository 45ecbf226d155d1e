//! Is a council worth its tokens? On questions that can be checked: the council against a plain majority vote that may
//! spend as much, and who changed from right to wrong and back, round by round.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::ask::{self, Tuning};
use super::decide;
use super::pack::Pack;
use super::read::{self, Said};
use super::{Brief, Record, Rules, hold};
use crate::error::{Error, Result};
use crate::trajectory::Recorder;
use crate::turns::seats::Table;
use crate::turns::text::same_position;
use crate::turns::{Question, Turns};

/// A question whose answer is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkable {
    /// Its name.
    pub id: String,
    /// The question.
    pub question: String,
    /// The right answer: a number, a letter, or a few words.
    pub answer: String,
}

/// Reads questions, one JSON object a line.
///
/// # Errors
/// With the line that is none.
pub fn read(text: &str) -> Result<Vec<Checkable>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let one = |(n, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            Error::usage(format!("line {} is no question", n + 1))
                .source(e)
                .hint("{\"id\": \"1\", \"question\": \"…\", \"answer\": \"…\"}")
        })
    };
    lines.map(one).collect()
}

/// Does `position` give the right `answer`? Of a number the last one counts, of a letter the first word that is one.
pub fn is_right(position: &str, answer: &str) -> bool {
    let answer = answer.trim();
    if same_position(position, answer) {
        return true;
    }
    let words = || position.split(|c: char| !(c.is_alphanumeric() || ".-".contains(c))).filter(|w| !w.is_empty());
    let number = |text: &str| text.trim_matches(|c: char| c == '.').replace(',', "").parse::<f64>().ok();
    if let Some(wanted) = number(answer) {
        let plain = position.replace(',', "");
        let mut numbers = plain.split(|c: char| !(c.is_ascii_digit() || ".-".contains(c))).filter_map(number);
        return numbers.next_back().is_some_and(|found| (found - wanted).abs() < 1e-9);
    }
    if answer.len() == 1 {
        return words().find(|w| w.len() == 1 && w.chars().all(char::is_uppercase)).is_some_and(|w| w == answer);
    }
    false
}

/// The question as it is put: what can be checked has to stand alone.
pub fn put(question: &Checkable) -> String {
    format!("{}\n\nPut nothing but the final answer into \"position\".", question.question.trim())
}

/// How often seats changed, in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flips {
    /// Right before, wrong after.
    pub right_to_wrong: u32,
    /// Wrong before, right after.
    pub wrong_to_right: u32,
}

/// What was measured on one question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// The question.
    pub id: String,
    /// The council was right.
    pub council: bool,
    /// The vote was right.
    pub vote: bool,
    /// The first answers' majority was right.
    pub first: bool,
    /// Why the council ended.
    pub end: String,
    /// Tokens of the council.
    pub tokens: u64,
    /// Tokens of the vote.
    pub vote_tokens: u64,
    /// Flips by round.
    pub flips: BTreeMap<u32, Flips>,
}

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Questions.
    pub questions: usize,
    /// Share of right answers, 0 to 1.
    pub council: f64,
    /// Of the vote with the same tokens.
    pub vote: f64,
    /// Of the first answers' majority.
    pub first: f64,
    /// Council minus vote, in points of a hundred.
    pub points: f64,
    /// Tokens of all councils.
    pub tokens: u64,
    /// Tokens of all votes.
    pub vote_tokens: u64,
    /// Flips by round.
    pub flips: BTreeMap<u32, Flips>,
}

/// One question: a council, then a vote with as many tokens.
pub async fn one(
    question: &Checkable,
    table: &Table,
    rules: &Rules,
    turns: &dyn Turns,
    cancel: &CancellationToken,
) -> Measured {
    let brief = Brief { question: put(question), pack: Pack::default(), table: table.clone(), rules: rules.clone() };
    let record = hold(&brief, turns, &Recorder::forgetful(), cancel, None, Arc::new(|_, _| false)).await;
    let right = |position: Option<&str>| position.is_some_and(|p| is_right(p, &question.answer));
    let (voted, vote_tokens) = vote(&brief, turns, record.tokens).await;
    Measured {
        id: question.id.clone(),
        council: right(record.decision.as_ref().map(|d| d.position.as_str())),
        vote: right(voted.as_deref()),
        first: right(first(&record).as_deref()),
        end: record.end.name(),
        tokens: record.tokens,
        vote_tokens,
        flips: flips(&record, &question.answer),
    }
}

/// What the majority said before anybody objected.
fn first(record: &Record) -> Option<String> {
    let round = record.rounds.first()?;
    let said: Vec<Option<Said>> = round
        .positions
        .iter()
        .map(|p| p.as_ref().map(|p| Said { position: p.clone(), answer: p.clone(), ..Said::default() }))
        .collect();
    decide::decide(&said, &[], None).map(|decision| decision.position)
}

/// Who changed sides, by round.
fn flips(record: &Record, answer: &str) -> BTreeMap<u32, Flips> {
    let mut flips: BTreeMap<u32, Flips> = BTreeMap::new();
    for pair in record.rounds.windows(2) {
        for (before, after) in pair[0].positions.iter().zip(&pair[1].positions) {
            let (Some(before), Some(after)) = (before, after) else { continue };
            let of = flips.entry(pair[1].round).or_default();
            match (is_right(before, answer), is_right(after, answer)) {
                (true, false) => of.right_to_wrong += 1,
                (false, true) => of.wrong_to_right += 1,
                (true, true) | (false, false) => {}
            }
        }
    }
    flips
}

/// The seats answer by themselves, again and again, until `tokens` are spent: what most of them say, and what it took.
pub async fn vote(brief: &Brief, turns: &dyn Turns, tokens: u64) -> (Option<String>, u64) {
    let seats = brief.table.seats.len();
    let (mut said, mut spent): (Vec<Option<Said>>, u64) = (Vec::new(), 0);
    const SAMPLES_MOST: usize = 60;
    for n in 0..SAMPLES_MOST {
        // everybody has one vote; after that as far as the tokens reach
        let question = ask::first(brief, n % seats, Tuning::default());
        if n >= seats && spent + question.worst_tokens() / 2 > tokens {
            break;
        }
        let sample = u16::try_from(n / seats).unwrap_or(u16::MAX);
        let question = Question {
            actor: format!("vote {} of seat {}", sample + 1, n % seats + 1),
            temperature_milli: if sample == 0 { 0 } else { 700 + sample },
            ..question
        };
        if let Ok(answer) = turns.ask(&question).await {
            spent += answer.prompt_tokens + answer.answer_tokens;
            said.push(read::seat(&answer.content).ok().map(|(said, _)| said));
        }
    }
    let camps = decide::camps(&said);
    let largest = camps.iter().max_by(|a, b| a.len().cmp(&b.len()).then(b[0].cmp(&a[0])));
    (largest.and_then(|camp| Some(said[camp[0]].as_ref()?.position.clone())), spent)
}

/// All measurements together.
pub fn sum(all: &[Measured]) -> Summary {
    #[allow(clippy::cast_precision_loss, reason = "counts of questions")]
    let share = |right: fn(&Measured) -> bool| all.iter().filter(|m| right(m)).count() as f64 / all.len().max(1) as f64;
    let mut flips: BTreeMap<u32, Flips> = BTreeMap::new();
    for (round, of) in all.iter().flat_map(|m| &m.flips) {
        let sum = flips.entry(*round).or_default();
        sum.right_to_wrong += of.right_to_wrong;
        sum.wrong_to_right += of.wrong_to_right;
    }
    let (council, vote) = (share(|m| m.council), share(|m| m.vote));
    Summary {
        questions: all.len(),
        council,
        vote,
        first: share(|m| m.first),
        points: 100.0 * (council - vote),
        tokens: all.iter().map(|m| m.tokens).sum(),
        vote_tokens: all.iter().map(|m| m.vote_tokens).sum(),
        flips,
    }
}

impl Summary {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} questions: council {:.1} %, majority vote with the same tokens {:.1} %, first answers {:.1} % ({:+.1} points)\n\
             tokens: council {}, vote {}\n",
            self.questions,
            100.0 * self.council,
            100.0 * self.vote,
            100.0 * self.first,
            self.points,
            self.tokens,
            self.vote_tokens
        );
        for (round, flips) in &self.flips {
            out.push_str(&format!(
                "round {round}: {} right→wrong, {} wrong→right\n",
                flips.right_to_wrong, flips.wrong_to_right
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_letters_and_words_are_checked() {
        for (position, answer, right) in [
            ("42", "42", true),
            ("The answer is 42.", "42", true),
            ("6 * 7 = 42", "42", true),
            ("42 or 43", "42", false),
            ("1,024", "1024", true),
            ("B", "B", true),
            ("B) the second", "B", true),
            ("A is wrong, so B", "B", false),
            ("O(n log n)", "o(n log n)", true),
            ("never", "always", false),
        ] {
            assert_eq!(is_right(position, answer), right, "{position} / {answer}");
        }
    }

    #[test]
    fn the_shipped_questions_are_whole_and_distinct() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/council/questions.jsonl");
        let all = read(&std::fs::read_to_string(path).unwrap()).unwrap();
        let ids: std::collections::BTreeSet<&str> = all.iter().map(|q| q.id.as_str()).collect();
        assert!(all.len() >= 60 && ids.len() == all.len());
        assert!(all.iter().all(|q| is_right(&q.answer, &q.answer)));
        assert!(read("{\"id\": 1}").unwrap_err().render().contains("line 1"));
    }
}
