//! Language models: what there is, who is asked, what it may cost, and the one place where a request leaves the process.

pub mod backoff;
pub mod budget;
pub mod catalog;
pub mod client;
pub mod discover;
pub mod embedder;
pub mod enough;
pub mod gate;
pub mod keep;
pub mod models;
pub mod money;
pub mod nature;
pub mod profiles;
pub mod providers;
pub mod quota;
pub mod repair;
pub mod router;
pub mod secret;
pub mod send;
pub mod settings;
pub mod slots;
pub mod tokens;
pub mod trouble;
pub mod waiting;
pub mod wire;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use enough::Enough;
pub use models::{Answered, Asker, Models, Wish};
pub use money::Money;
pub use profiles::Job;
pub use secret::Secret;
pub use settings::{CachePlace, Settings};
pub use trouble::Trouble;

/// What a turn is for: decides which models are adequate and what a cache may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Propose an edit.
    Fix,
    /// Answer a question.
    Answer,
    /// Find what is wrong with somebody's answer.
    Criticise,
    /// Give points.
    Score,
    /// Write text for people.
    Write,
    /// Say what goes wrong in a trajectory.
    Diagnose,
    /// Turn text into a vector.
    Embed,
}

impl Role {
    /// As it stands in events and the log.
    pub fn name(self) -> &'static str {
        match self {
            Role::Fix => "fix",
            Role::Answer => "answer",
            Role::Criticise => "criticise",
            Role::Score => "score",
            Role::Write => "write",
            Role::Diagnose => "diagnose",
            Role::Embed => "embed",
        }
    }

    /// The answer to a similar question may be served: these roles answer questions. What judges or writes code is only
    /// ever served the answer to exactly itself.
    pub fn answers_questions(self) -> bool {
        match self {
            Role::Answer | Role::Criticise | Role::Diagnose => true,
            Role::Fix | Role::Score | Role::Write | Role::Embed => false,
        }
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Rules.
    System,
    /// The question.
    User,
    /// An earlier answer.
    Assistant,
    /// What a tool said.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Speaker,
    /// What.
    pub content: String,
    /// Of an earlier answer: the tools that it called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// Of what a tool said: the call's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_call: Option<String>,
}

impl Message {
    fn new(role: Speaker, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), calls: Vec::new(), of_call: None }
    }
    /// Rules.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Speaker::System, content)
    }
    /// A question.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Speaker::User, content)
    }
    /// An earlier answer.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Speaker::Assistant, content)
    }
    /// An earlier answer that called tools.
    pub fn calling(reply: &Reply) -> Self {
        Self { calls: reply.calls.clone(), ..Self::assistant(reply.content.clone()) }
    }
    /// What a tool said to `call`.
    pub fn tool(call: &Call, content: impl Into<String>) -> Self {
        Self { of_call: Some(call.id.clone()), ..Self::new(Speaker::Tool, content) }
    }
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the model.
    pub about: &'static str,
    /// JSON schema of its arguments.
    pub parameters: serde_json::Value,
}

/// A call of a tool, as the model wrote it: data, checked by whoever carries it out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Call {
    /// The server's name for it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments, JSON as text.
    pub arguments: String,
}

/// One question to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What for.
    pub role: Role,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The answer may have this many tokens.
    pub answer_tokens: u32,
    /// In thousandths: 0 to 2000. A whole number, so that turns can be compared and hashed.
    pub temperature_milli: u16,
    /// JSON schema of the answer, for servers that take one; the prompt has to say it too.
    pub schema: Option<serde_json::Value>,
    /// Wall time of all of it: waiting for a slot, retries, another model instead.
    pub deadline: Duration,
    /// The part of one message that is a question in natural language. With a role that answers questions, the kept answer
    /// to a similar one may be served.
    pub question: Option<String>,
    /// Tools that the model may call, where the dialect knows them.
    pub tools: Vec<Tool>,
    /// When the answer is whole before the model stops: the rest is not waited for.
    pub enough: Option<Enough>,
    /// Which of several samples of the same turn this is: equal turns with another number are asked anew.
    pub sample: u64,
}

impl Turn {
    /// A turn at temperature 0 with room for 900 tokens of answer and three minutes of time.
    pub fn new(role: Role, messages: Vec<Message>) -> Self {
        Self {
            role,
            messages,
            answer_tokens: 900,
            temperature_milli: 0,
            schema: None,
            deadline: Duration::from_secs(180),
            question: None,
            tools: Vec::new(),
            enough: None,
            sample: 0,
        }
    }
}

/// What was counted by the server, or estimated where it did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens of the answer.
    pub answer: u64,
    /// The server did not count: these are estimates of ours.
    pub estimated: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Never empty, unless tools are called.
    pub content: String,
    /// Tools that it calls.
    pub calls: Vec<Call>,
    /// The model that really answered, as the server names it; the one asked where it does not say.
    pub model: String,
    /// Tokens.
    pub usage: Usage,
    /// What it cost, from the catalog's price.
    pub cost: Money,
    /// Requests that were sent for it, failed ones included.
    pub requests: u32,
}
