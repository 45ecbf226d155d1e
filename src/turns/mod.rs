//! One turn of a loop: what is asked of whom, and what came back. Loops know this and no client; tests script it.

pub mod live;
pub mod past;
pub mod paying;
pub mod purse;
#[cfg(test)]
pub(crate) mod script;
pub mod seats;
pub mod text;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use crate::model::catalog::{self, Tier};
use crate::model::router::Evidence;
use crate::model::{Message, Money, Role, Trouble, tokens};
use crate::trajectory::Loop;

pub use past::Past;
pub use paying::{Over, Paying, Took};

/// Somebody who can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `provider/id`.
    pub name: String,
    /// Who is of one make, see [`lineage`].
    pub lineage: String,
    /// What asking means for the purse.
    pub tier: Tier,
    /// Tokens of context.
    pub context: u64,
    /// 1 to 10.
    pub strength: u8,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// In which loop.
    pub of: Loop,
    /// Who asks: a seat, the critic.
    pub actor: String,
    /// Round, from 1.
    pub round: u32,
    /// What for.
    pub role: Role,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The part of it that is a question in natural language and stands in it once: with a role that answers questions, the
    /// kept answer to another wording may be served.
    pub asks: Option<String>,
    /// JSON schema of the answer, for servers that take one.
    pub schema: Option<serde_json::Value>,
    /// The answer may have this many tokens.
    pub answer_tokens: u32,
    /// In thousandths.
    pub temperature_milli: u16,
    /// Wall time of the whole turn.
    pub deadline: Duration,
    /// Exactly this model; none: whoever the router names.
    pub model: Option<String>,
    /// Never one of these lineages.
    pub not: BTreeSet<String>,
    /// Why one with a price may be asked.
    pub evidence: Option<Evidence>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Never empty.
    pub content: String,
    /// `provider/id` as asked.
    pub model: String,
    /// The model that really answered.
    pub answered_by: String,
    /// Its lineage.
    pub lineage: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub answer_tokens: u64,
    /// What it cost.
    pub cost: Money,
    /// It came from the cache.
    pub cached: bool,
    /// It was paid for in an earlier run.
    pub replayed: bool,
    /// Wall time in milliseconds.
    pub ms: u64,
}

/// Asks.
pub trait Turns: Send + Sync {
    /// Who can be asked now, best known first.
    fn members(&self) -> BoxFuture<'_, Vec<Member>>;
    /// One turn.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Trouble>>;
}

impl Question {
    /// SHA-256 of everything that decides on the answer: who asks in which round, of whom, what.
    pub fn key(&self) -> String {
        let of = serde_json::json!([
            self.of,
            self.actor,
            self.round,
            self.role,
            self.messages,
            self.schema.as_ref().map(sorted),
            self.answer_tokens,
            self.temperature_milli,
            self.model,
        ]);
        hex::encode(Sha256::digest(of.to_string().as_bytes()))
    }

    /// The same question once more, with what was wrong with the first reply.
    pub fn once_more(&self, wrong: &str) -> Self {
        let mut again = self.clone();
        let form = if self.schema.is_some() {
            "the JSON object alone, complete, and shorter"
        } else {
            "what was asked for alone"
        };
        let wrong = text::short(wrong, 200);
        again.messages.push(Message::user(format!("Your reply could not be used: {wrong}. Reply with {form}.")));
        again
    }

    /// The most tokens that it takes, estimated on the safe side.
    pub fn worst_tokens(&self) -> u64 {
        tokens::of_messages(&self.messages) + u64::from(self.answer_tokens)
    }
}

/// The same value with its keys in order: a schema has no order.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            serde_json::Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        serde_json::Value::Array(items) => serde_json::Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// SHA-256 of the words of a text: small letters, without what holds a digit, so that a counter makes no new turn.
pub fn words_hash(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.chars().any(|c| c.is_ascii_digit()))
        .map(str::to_lowercase)
        .collect();
    hex::encode(Sha256::digest(words.join(" ").as_bytes()))
}

/// Makers whose models share training data and habits, whatever a model is called.
const MAKERS: &[(&str, &[&str])] = &[
    ("qwen", &["qwen", "qwq", "codeqwen"]),
    ("deepseek", &["deepseek"]),
    ("llama", &["llama", "codellama"]),
    ("openai", &["gpt", "chatgpt", "o1", "o3", "o4"]),
    ("anthropic", &["claude"]),
    ("google", &["gemini", "gemma", "codegemma"]),
    ("mistral", &["mistral", "mixtral", "codestral", "devstral", "ministral", "magistral"]),
    ("microsoft", &["phi"]),
    ("smollm", &["smol", "smollm"]),
    ("glm", &["glm", "chatglm"]),
    ("kimi", &["kimi"]),
    ("grok", &["grok"]),
    ("granite", &["granite"]),
    ("nvidia", &["nemotron"]),
];

/// The make of a model: wider than the catalog's family, which is one model behind several names. A critic of the same
/// make as a seat has that seat's blind spots.
pub fn lineage(model: &str) -> String {
    let lower = model.to_ascii_lowercase();
    let tail = lower.rsplit('/').next().unwrap_or(&lower);
    let family = catalog::family("", tail);
    let parts: Vec<&str> = family.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
    let letters = |part: &str| part.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    for part in &parts {
        let (whole, bare) = (*part, letters(part));
        if let Some((maker, _)) =
            MAKERS.iter().find(|(_, names)| names.contains(&whole) || names.contains(&bare.as_str()))
        {
            return (*maker).to_owned();
        }
    }
    // without size, version and quantisation: `coder-1.5b` and `coder-0.5b` are one
    let is_name = |part: &&&str| !part.starts_with(|c: char| c.is_ascii_digit());
    let is_size = |part: &&&str| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        !digits.is_empty() && part.len() <= digits.len() + 1
    };
    let name: Vec<&str> = parts.iter().filter(is_name).filter(|part| !is_size(part)).copied().collect();
    if name.is_empty() { family } else { name.join("-") }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn models_of_one_make_have_one_lineage_whatever_they_are_called() {
        for (a, b, same) in [
            ("qwen/qwen3-coder:free", "Qwen2.5-Coder-7B-Instruct", true),
            ("qwen2.5-coder:7b", "qwen3:4b", true),
            ("coder-1.5b", "coder-0.5b", true),
            ("gemma-270m", "gemini-2.5-pro", true),
            ("openai/gpt-oss-20b", "gpt-5-mini", true),
            ("llama3.2", "meta-llama/llama-3.3-70b-instruct:free", true),
            ("smol-135m", "SmolLM2-135M-Instruct", true),
            ("coder-1.5b", "gemma-270m", false),
            ("deepseek-r1", "qwen3", false),
            ("scripted-a", "scripted-b", false),
        ] {
            assert_eq!(lineage(a) == lineage(b), same, "{a} {} / {b} {}", lineage(a), lineage(b));
        }
    }

    pub(crate) fn question(actor: &str, text: &str) -> Question {
        Question {
            of: Loop::Council,
            actor: actor.into(),
            round: 1,
            role: Role::Answer,
            messages: vec![Message::user(text)],
            asks: None,
            schema: Some(serde_json::json!({"b": 1, "a": 2})),
            answer_tokens: 10,
            temperature_milli: 0,
            deadline: Duration::from_secs(1),
            model: None,
            not: BTreeSet::new(),
            evidence: None,
        }
    }

    #[test]
    fn the_same_question_has_the_same_key_and_another_asker_another() {
        let other_order = Question { schema: Some(serde_json::json!({"a": 2, "b": 1})), ..question("seat 1", "why?") };
        assert_eq!(question("seat 1", "why?").key(), other_order.key());
        assert_ne!(question("seat 1", "why?").key(), question("seat 2", "why?").key());
        assert_ne!(question("seat 1", "why?").key(), question("seat 1", "how?").key());
    }

    #[test]
    fn numbers_and_case_do_not_make_other_words() {
        assert_eq!(words_hash("Try 1: use a Mutex."), words_hash("try 2, use a mutex"));
        assert_ne!(words_hash("use a mutex"), words_hash("use a channel"));
    }
}
