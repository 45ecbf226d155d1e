//! The wire: requests and answers of the two dialects as pure functions over JSON and lines of a stream.

mod anthropic;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::money::Money;
use super::providers::{Dialect, Effort, Provider};
use super::trouble::Trouble;
use super::{Call, Message, Tool, Turn, Usage};

/// What was read of an answer so far, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The text.
    pub content: String,
    /// Tools that it calls.
    pub calls: Vec<Call>,
    /// The model's name, where the server says it.
    pub model: Option<String>,
    /// Tokens, where the server counts.
    pub usage: Option<Usage>,
    /// Why the model stopped: `stop`, `length`, …
    pub finish: Option<String>,
    /// What the server says that it bills (OpenRouter's `usage.cost`, in dollars).
    pub cost: Option<Money>,
}

/// The path below the provider's base.
pub fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "/chat/completions",
        Dialect::Anthropic => "/messages",
    }
}

/// How a model likes to be asked, beside what its provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Tokens that it may think before it answers, within the limit of its answer; 0: it does not.
    pub thinking: u32,
    /// It refused to be told how much to think.
    pub effortless: bool,
    /// It refused a schema: the prompt alone says it.
    pub plain: bool,
    /// It refused tools: it is asked without them.
    pub toolless: bool,
}

/// Tokens that a model which thinks gets for that, on top of its answer.
pub const THINKING: u32 = 4000;
/// The same on this machine, where a context is small and a token takes long: most thoughts about an edit are shorter.
pub const THINKING_HERE: u32 = 1500;

/// No prompt of `turn` has more tokens than this, whoever counts them: [`super::tokens::most`] of what is sent, or as many as
/// we count, should that be more.
pub fn most_tokens(turn: &Turn) -> u64 {
    // a name stands for all: the names of providers and models differ by a few letters
    let body = body(&Provider::usual("", ""), &"m".repeat(60), turn, Manner::default(), true);
    super::tokens::most(&body.to_string()).max(super::tokens::of_turn(turn))
}

/// The body that asks `turn` of `model`. Only ever one model is named: no list of fallbacks, no routing by the server.
pub fn body(provider: &Provider, model: &str, turn: &Turn, manner: Manner, stream: bool) -> Value {
    let told = manner.toolless.then(|| without_tools(turn));
    let turn = told.as_ref().unwrap_or(turn);
    let mut body = match provider.dialect {
        Dialect::OpenAi => openai(provider, turn, manner, stream),
        Dialect::Anthropic => anthropic::body(provider, turn, manner, stream),
    };
    body["model"] = json!(model);
    body
}

/// The same without tools; what others called in this conversation before is told in words.
fn without_tools(turn: &Turn) -> Turn {
    let told = |message: &Message| match (&message.of_call, message.calls.is_empty()) {
        (Some(_), _) => Message::user(format!("A tool said:\n{}", message.content)),
        (None, true) => message.clone(),
        (None, false) => {
            let calls: Vec<String> = message.calls.iter().map(|c| format!("{}({})", c.name, c.arguments)).collect();
            Message::assistant(format!("{}\n{}", message.content, calls.join("\n")).trim().to_owned())
        }
    };
    Turn { tools: Vec::new(), messages: turn.messages.iter().map(told).collect(), ..turn.clone() }
}

fn openai(provider: &Provider, turn: &Turn, manner: Manner, stream: bool) -> Value {
    let mut body = json!({"messages": turn.messages.iter().map(message).collect::<Vec<_>>(), "stream": stream});
    body[provider.limit] = json!(turn.answer_tokens + manner.thinking);
    if manner.thinking > 0 && !manner.effortless {
        match provider.effort {
            Effort::Field | Effort::FieldAlone => body["reasoning_effort"] = json!("low"),
            Effort::Object => body["reasoning"] = json!({"effort": "low"}),
        }
    }
    if manner.thinking == 0 || provider.effort != Effort::FieldAlone {
        body["temperature"] = json!(temperature(turn));
    }
    // servers on this machine repeat a sample for its number; clouds differ in the name, and some refuse it
    if provider.key.is_none() && turn.temperature_milli > 0 {
        body["seed"] = json!(turn.sample % (1 << 31));
    }
    if !turn.tools.is_empty() {
        let tool = |t: &Tool| {
            let function = json!({"name": t.name, "description": t.about, "parameters": t.parameters});
            json!({"type": "function", "function": function})
        };
        body["tools"] = turn.tools.iter().map(tool).collect();
    }
    if stream && provider.stream_options {
        body["stream_options"] = json!({"include_usage": true});
    }
    if let Some(schema) = turn.schema.as_ref().filter(|_| provider.schema && !manner.plain) {
        // servers on this machine follow a schema to the letter, and a small model may never end a text by itself
        let schema = if provider.key.is_none() { bounded(schema, turn.answer_tokens) } else { schema.clone() };
        let named = json!({"name": "answer", "strict": true, "schema": schema});
        body["response_format"] = json!({"type": "json_schema", "json_schema": named});
    }
    body
}

fn temperature(turn: &Turn) -> f64 {
    f64::from(turn.temperature_milli) / 1000.0
}

/// `schema` with lengths for its texts and lists, so that an answer of `tokens` has room for all of it: about three
/// letters a token, half of them for the texts at the top.
fn bounded(schema: &Value, tokens: u32) -> Value {
    fn bound(value: &mut Value, depth: u32, tokens: u32) {
        let Some(map) = value.as_object_mut() else { return };
        let is = |map: &serde_json::Map<String, Value>, kind: &str| map.get("type").is_some_and(|t| t == kind);
        if is(map, "string") && !map.contains_key("enum") {
            let most = if depth <= 1 { tokens * 4 / 9 } else { tokens / 8 };
            map.entry("maxLength").or_insert_with(|| json!(most.max(24)));
        } else if is(map, "array") {
            let most = u64::from((tokens / 300).max(3));
            let own = map.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
            map.insert("maxItems".into(), json!(own.min(most)));
            if let Some(items) = map.get_mut("items") {
                bound(items, depth + 1, tokens);
            }
        } else if let Some(all) = map.get_mut("properties").and_then(Value::as_object_mut) {
            all.values_mut().for_each(|inner| bound(inner, depth + 1, tokens));
        }
    }
    let mut schema = schema.clone();
    bound(&mut schema, 0, tokens);
    schema
}

/// A message with its calls as the API writes them.
fn message(message: &Message) -> Value {
    let mut value = json!({"role": message.role, "content": message.content});
    if !message.calls.is_empty() {
        let call =
            |c: &Call| json!({"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}});
        value["tool_calls"] = message.calls.iter().map(call).collect();
    }
    if let Some(id) = &message.of_call {
        value["tool_call_id"] = json!(id);
    }
    value
}

/// A model that calls more tools at once than this is not waited for.
const MOST_CALLS: usize = 8;

/// Takes calls, whole ones or parts of a stream, into `into`.
fn take_calls(value: &Value, into: &mut Vec<Call>) {
    for (n, part) in value.as_array().into_iter().flatten().enumerate() {
        let at = part["index"].as_u64().and_then(|i| usize::try_from(i).ok()).unwrap_or(n);
        if at >= MOST_CALLS {
            continue;
        }
        if into.len() <= at {
            into.resize(at + 1, Call::default());
        }
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let call = &mut into[at];
        call.id.push_str(&text(&part["id"]));
        call.name.push_str(&text(&part["function"]["name"]));
        call.arguments.push_str(&text(&part["function"]["arguments"]));
    }
}

/// A whole answer.
///
/// # Errors
/// [`Trouble::Malformed`].
pub fn read(dialect: Dialect, body: &[u8]) -> Result<Answer, Trouble> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| if e.is_eof() { Trouble::Truncated } else { Trouble::Malformed { what: "not JSON".into() } })?;
    if let Some(trouble) = error_in(&value) {
        return Err(trouble);
    }
    if dialect == Dialect::Anthropic {
        return anthropic::read(&value);
    }
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let choice = value["choices"].get(0).ok_or_else(|| malformed("no `choices`"))?;
    let message = choice.get("message").filter(|m| m.is_object()).ok_or_else(|| malformed("no `message`"))?;
    let mut calls = Vec::new();
    take_calls(&message["tool_calls"], &mut calls);
    Ok(Answer {
        content: content(&message["content"])?,
        calls,
        model: text(&value["model"]),
        usage: usage(&value["usage"], "prompt_tokens", "completion_tokens"),
        finish: text(&choice["finish_reason"]),
        cost: billed(&value["usage"]),
    })
}

/// An error that stands where an answer was promised: a status of its own, by number or by name; else the server's failure.
fn error_in(value: &Value) -> Option<Trouble> {
    let in_choice = || value["choices"].get(0).and_then(|choice| choice.get("error"));
    let error = value.get("error").filter(|e| !e.is_null()).or_else(|| in_choice().filter(|e| !e.is_null()))?;
    let number = |v: &Value| v.as_u64().or_else(|| v.as_str()?.parse().ok()).and_then(|n| u16::try_from(n).ok());
    let name = |v: &Value| match v.as_str()? {
        "rate_limit_error" | "rate_limit_exceeded" => Some(429),
        "overloaded_error" => Some(529),
        "authentication_error" | "permission_error" => Some(401),
        "insufficient_quota" | "billing_error" => Some(402),
        "not_found_error" => Some(404),
        "invalid_request_error" => Some(400),
        _ => None,
    };
    let [code, kind] = [&error["code"], &error["type"]];
    let status = number(code).or_else(|| name(code)).or_else(|| name(kind)).unwrap_or(500);
    let failed = Trouble::ServerFailed { status, after: None };
    Some(Trouble::of_status(status, None, "said in the answer itself").unwrap_or(failed))
}

/// `content` is a text, nothing at all, or a list of parts.
fn content(value: &Value) -> Result<String, Trouble> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => Ok(parts.iter().filter_map(|p| p["text"].as_str()).collect()),
        _ => Err(malformed("`content` is not a text")),
    }
}

fn usage(value: &Value, prompt: &str, answer: &str) -> Option<Usage> {
    Some(Usage { prompt: value[prompt].as_u64()?, answer: value[answer].as_u64()?, estimated: false })
}

/// `usage.cost` in dollars, rounded up to a billionth.
fn billed(usage: &Value) -> Option<Money> {
    let dollars = usage["cost"].as_f64().filter(|d| (0.0..1e6).contains(d))?;
    Some(Money((dollars * 1e9).ceil() as u64))
}

fn malformed(what: &str) -> Trouble {
    Trouble::Malformed { what: what.to_owned() }
}

/// Reads a stream of server-sent events as its bytes come in.
#[derive(Debug)]
pub struct Stream {
    dialect: Dialect,
    rest: Vec<u8>,
    /// By the number of a block of Anthropic's: which call it is.
    blocks: BTreeMap<u64, usize>,
    /// Tokens of the prompt, which Anthropic says at the beginning.
    prompt: Option<u64>,
    /// What came so far.
    pub answer: Answer,
    /// `[DONE]` was seen.
    pub done: bool,
}

/// One line of a stream is never longer than this.
const LINE_CAP_BYTES: usize = 2 * 1024 * 1024;

impl Stream {
    /// Nothing came yet.
    pub fn new(dialect: Dialect) -> Self {
        let (rest, blocks, prompt, answer, done) = Default::default();
        Self { dialect, rest, blocks, prompt, answer, done }
    }

    /// Bytes of the answer so far: what is written and what is called.
    pub fn size(&self) -> usize {
        let calls = self.answer.calls.iter().map(|c| c.id.len() + c.name.len() + c.arguments.len());
        self.answer.content.len() + calls.sum::<usize>()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Trouble::Malformed`], [`Trouble::TooLarge`] for a line without end, or [`Trouble::ServerFailed`] for an error in mid-stream.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&String::from_utf8_lossy(&line))?;
        }
        if self.rest.len() > LINE_CAP_BYTES { Err(Trouble::TooLarge) } else { Ok(()) }
    }

    fn line(&mut self, line: &str) -> Result<(), Trouble> {
        // comments keep the connection alive; `event:` and `id:` say nothing that we need
        let Some(data) = line.trim_end().strip_prefix("data:") else { return Ok(()) };
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(data).map_err(|_| malformed("a part of the stream is not JSON"))?;
        if let Some(trouble) = error_in(&value) {
            return Err(trouble);
        }
        match self.dialect {
            Dialect::OpenAi => self.openai_part(&value),
            Dialect::Anthropic => self.anthropic_part(&value),
        }
        Ok(())
    }

    fn openai_part(&mut self, value: &Value) {
        let answer = &mut self.answer;
        if let Some(model) = value["model"].as_str() {
            answer.model = Some(model.to_owned());
        }
        if let Some(usage) = usage(&value["usage"], "prompt_tokens", "completion_tokens") {
            answer.usage = Some(usage);
            answer.cost = billed(&value["usage"]);
        }
        if let Some(choice) = value["choices"].get(0) {
            answer.content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            take_calls(&choice["delta"]["tool_calls"], &mut answer.calls);
            if let Some(finish) = choice["finish_reason"].as_str() {
                answer.finish = Some(finish.to_owned());
            }
        }
    }

    /// What came is all that is wanted.
    pub fn cut(&mut self) {
        self.rest.clear();
        self.done = true;
    }

    /// The stream is over: what it was.
    ///
    /// # Errors
    /// [`Trouble::Truncated`] when nothing said that the answer is whole.
    pub fn finish(mut self) -> Result<Answer, Trouble> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            let text = String::from_utf8_lossy(&rest).into_owned();
            self.line(&text).map_err(|_| Trouble::Truncated)?;
        }
        for call in self.answer.calls.iter_mut().filter(|call| call.arguments.is_empty()) {
            // a call without arguments comes without a part for them
            call.arguments.push_str("{}");
        }
        if self.done || self.answer.finish.is_some() { Ok(self.answer) } else { Err(Trouble::Truncated) }
    }
}

/// Is a whole answer worth something? Only one that ended as answers end: what a filter, a refusal or a failure broke off may
/// look whole, and is not.
///
/// # Errors
/// [`Trouble::Truncated`], [`Trouble::Malformed`] with the reason, and [`Trouble::Empty`].
pub fn usable(answer: &Answer) -> Result<(), Trouble> {
    let finish = answer.finish.as_deref().unwrap_or_default().to_ascii_lowercase();
    match finish.as_str() {
        "length" | "max_tokens" | "model_length" | "max_output_tokens" => return Err(Trouble::Truncated),
        "" | "stop" | "end_turn" | "stop_sequence" | "eos" | "eos_token" => {}
        "tool_calls" | "tool_use" | "function_call" => {}
        other => {
            let reason: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(malformed(&format!("it ended with `{reason}`")));
        }
    }
    if answer.content.trim().is_empty() && answer.calls.is_empty() { Err(Trouble::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Role, providers};
    use super::*;

    fn turn() -> Turn {
        Turn {
            answer_tokens: 100,
            temperature_milli: 1500,
            schema: Some(json!({"type": "object"})),
            ..Turn::new(Role::Fix, vec![Message::system("rules"), Message::user("question")])
        }
    }

    #[test]
    fn what_a_server_here_may_write_fits_into_the_answer() {
        let list = json!({"type": "array", "items": {"type": "string"}, "maxItems": 6});
        let kind = json!({"type": "string", "enum": ["a", "b"]});
        let schema =
            json!({"type": "object", "properties": {"answer": {"type": "string"}, "pros": list, "kind": kind}});
        let of = |name: &str| {
            let provider = providers::find(name).unwrap();
            let turn = Turn { schema: Some(schema.clone()), answer_tokens: 900, ..turn() };
            body(provider, "m", &turn, Manner::default(), false)["response_format"]["json_schema"]["schema"].clone()
        };
        let here = of("llama.cpp");
        assert_eq!(here["properties"]["answer"]["maxLength"], 400);
        assert_eq!(here["properties"]["pros"]["maxItems"], 3);
        assert_eq!(here["properties"]["pros"]["items"]["maxLength"], 112);
        assert_eq!(here["properties"]["kind"], kind, "one of these is short");
        assert_eq!(of("openai"), schema, "others get it as it is");
    }

    #[test]
    fn a_request_names_one_model_and_no_fallback() {
        for provider in providers::PROVIDERS {
            let body = body(provider, "m", &turn(), Manner::default(), true);
            assert_eq!(body["model"], "m");
            for fallback in ["models", "route", "fallbacks", "provider", "transforms", "plugins"] {
                assert!(body.get(fallback).is_none(), "{fallback}");
            }
            let field = if provider.dialect == Dialect::Anthropic { "output_config" } else { "response_format" };
            assert_eq!(body.get(field).is_some(), provider.schema, "{}", provider.name);
        }
    }

    #[test]
    fn each_provider_gets_its_own_limit_and_what_thinks_is_told_to_think_little() {
        let thinks = Manner { thinking: THINKING, ..Manner::default() };
        let here = Manner { thinking: THINKING_HERE, ..Manner::default() };
        for (name, manner, limit, tokens, effort, temperature) in [
            ("openai", Manner::default(), "max_completion_tokens", 100, None, true),
            ("openai", thinks, "max_completion_tokens", 4100, Some("low"), false),
            ("gemini", thinks, "max_tokens", 4100, Some("low"), true),
            ("groq", thinks, "max_tokens", 4100, Some("low"), true),
            ("mistral", Manner::default(), "max_tokens", 100, None, true),
            ("llama.cpp", Manner::default(), "max_tokens", 100, None, true),
            ("llama.cpp", here, "max_tokens", 1600, Some("low"), true),
            ("llama.cpp", Manner { effortless: true, ..here }, "max_tokens", 1600, None, true),
            ("openai", Manner { effortless: true, ..thinks }, "max_completion_tokens", 4100, None, false),
        ] {
            let body = body(providers::find(name).unwrap(), "m", &turn(), manner, true);
            assert_eq!(body[limit], tokens, "{name} {manner:?}");
            let limits = ["max_tokens", "max_completion_tokens"].iter().filter(|l| body.get(**l).is_some()).count();
            assert_eq!((limits, body["reasoning_effort"].as_str()), (1, effort), "{name} {manner:?}");
            assert_eq!(body.get("temperature").is_some(), temperature, "{name} {manner:?}");
        }
        let body = body(providers::find("openrouter").unwrap(), "m", &turn(), thinks, true);
        assert_eq!((&body["reasoning"], body.get("reasoning_effort")), (&json!({"effort": "low"}), None));
    }

    #[test]
    fn who_refused_a_schema_is_asked_without_one() {
        let plain = Manner { plain: true, ..Manner::default() };
        for provider in providers::PROVIDERS {
            let body = body(provider, "m", &turn(), plain, true);
            let fields = ["response_format", "output_config"];
            assert!(fields.iter().all(|field| body.get(field).is_none()), "{}", provider.name);
        }
    }

    #[test]
    fn no_prompt_has_more_tokens_than_what_is_reserved_for_it() {
        let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo".repeat(40);
        let mut turn = Turn::new(Role::Fix, vec![Message::user(base64.clone())]);
        assert!(super::super::tokens::of_messages(&turn.messages) < base64.len() as u64 / 2, "our estimate is lower");
        let bare = most_tokens(&turn);
        assert!(bare > base64.len() as u64 / 2);
        turn.tools = vec![Tool { name: "t", about: "x", parameters: json!({"type": "y".repeat(1000)}) }];
        assert!(most_tokens(&turn) > bare + 500, "tools are sent with every request");
        let with_tools = most_tokens(&turn);
        let call = Call { id: "c".into(), name: "t".into(), arguments: "z".repeat(1000) };
        turn.messages.push(Message { calls: vec![call], ..Message::assistant("") });
        assert!(most_tokens(&turn) > with_tools + 500, "so is what was called");
        let before = most_tokens(&turn);
        turn.schema = Some(json!({"title": "s".repeat(1000)}));
        assert!(most_tokens(&turn) > before + 500, "and the schema");
        for (text, least) in [("0123456789".repeat(100), 1000), ("漢字".repeat(100), 600)] {
            assert!(most_tokens(&Turn::new(Role::Fix, vec![Message::user(text)])) >= least, "one each");
        }
        let symbols = Turn::new(Role::Fix, vec![Message::user("(".repeat(9000))]);
        assert!(most_tokens(&symbols) >= 9000, "never less than we count ourselves");
    }

    #[test]
    fn anthropic_gets_its_rules_apart_and_a_temperature_that_it_takes() {
        let body = body(providers::find("anthropic").unwrap(), "m", &turn(), Manner::default(), false);
        assert_eq!(body["system"], "rules");
        assert_eq!(body["messages"], json!([{"role": "user", "content": "question"}]));
        assert_eq!(body["temperature"], 1.0);
        let reply = br#"{"model":"c","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#;
        let answer = read(Dialect::Anthropic, reply).unwrap();
        assert_eq!((answer.content.as_str(), answer.usage.unwrap().prompt), ("ab", 3));
    }

    #[test]
    fn a_stream_is_put_together_wherever_its_bytes_are_cut() {
        let text = ": hello\n\ndata: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"grü\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"n\"},\"finish_reason\":\"stop\"}]}\r\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\ndata: [DONE]\n";
        for size in 1..text.len() {
            let mut stream = Stream::new(Dialect::OpenAi);
            text.as_bytes().chunks(size).for_each(|c| stream.take(c).unwrap());
            let answer = stream.finish().unwrap();
            assert_eq!(answer.content, "grün");
            assert_eq!(answer.usage.unwrap().answer, 2);
        }
    }

    #[test]
    fn calls_of_tools_are_put_together_from_a_stream_and_sent_back_with_what_came_of_them() {
        let part = |delta: Value| format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [delta]}}]}));
        let mut stream = Stream::new(Dialect::OpenAi);
        for delta in [
            json!({"index": 0, "id": "c1", "function": {"name": "read_", "arguments": ""}}),
            json!({"index": 0, "function": {"name": "file", "arguments": "{\"path\":"}}),
            json!({"index": 1, "id": "c2", "function": {"name": "search", "arguments": "{}"}}),
            json!({"index": 0, "function": {"arguments": "\"a.py\"}"}}),
            json!({"index": 99, "id": "x", "function": {"name": "y", "arguments": "{}"}}),
        ] {
            stream.take(part(delta).as_bytes()).unwrap();
        }
        stream
            .take(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n")
            .unwrap();
        let answer = stream.finish().unwrap();
        assert_eq!(usable(&answer), Ok(()), "no text is needed where tools are called");
        assert_eq!(answer.calls.len(), 2);
        let first = Call { id: "c1".into(), name: "read_file".into(), arguments: "{\"path\":\"a.py\"}".into() };
        assert_eq!(answer.calls[0], first);
        let mut turn = turn();
        turn.tools = vec![Tool { name: "read_file", about: "reads", parameters: json!({"type": "object"}) }];
        let said = Message { calls: answer.calls.clone(), ..Message::assistant("") };
        turn.messages.extend([said, Message::tool(&first, "x = 1")]);
        let body = body(providers::find("ollama").unwrap(), "m", &turn, Manner::default(), false);
        assert_eq!(body["tools"][0]["function"]["name"], "read_file");
        assert_eq!(body["messages"][2]["tool_calls"][0]["function"]["arguments"], "{\"path\":\"a.py\"}");
        assert_eq!(body["messages"][3], json!({"role": "tool", "content": "x = 1", "tool_call_id": "c1"}));
        assert!(body["messages"][0].get("tool_calls").is_none());
        // who refused tools is told in words what others called
        for name in ["ollama", "anthropic"] {
            let manner = Manner { toolless: true, ..Manner::default() };
            let body = super::body(providers::find(name).unwrap(), "m", &turn, manner, false);
            let text = body["messages"].to_string();
            assert!(body.get("tools").is_none() && !text.contains("tool_call") && !text.contains("tool_use"), "{text}");
            assert!(text.contains("read_file(") && text.contains("A tool said:\\nx = 1"), "{text}");
        }
    }

    #[test]
    fn what_the_server_bills_is_read() {
        let body = br#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.00014}}"#;
        assert_eq!(read(Dialect::OpenAi, body).unwrap().cost, Some(Money(140_000)));
        assert_eq!(billed(&json!({"cost": -1})), None);
        assert_eq!(billed(&json!({"cost": "free"})), None);
    }

    #[test]
    fn a_stream_that_ends_early_is_truncated_and_one_with_an_error_failed() {
        let mut stream = Stream::new(Dialect::OpenAi);
        stream.take(b"data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n").unwrap();
        assert_eq!(stream.finish(), Err(Trouble::Truncated));
        let error = Stream::new(Dialect::OpenAi)
            .take(b"data: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n")
            .unwrap_err();
        assert_eq!(error.name(), "rate-limited");
        assert_eq!(Stream::new(Dialect::OpenAi).take(b"data: {{{\n").unwrap_err().name(), "malformed");
    }

    #[test]
    fn bodies_that_break_the_promise_are_refused_by_name() {
        for (body, name) in [
            ("{\"choices\":[{\"message\":{\"content\":\"x", "truncated"),
            ("<html>", "malformed"),
            ("{\"choices\":[]}", "malformed"),
            ("{\"choices\":[{\"message\":{\"content\":7}}]}", "malformed"),
            ("{\"error\":{\"code\":429}}", "rate-limited"),
            ("{\"error\":{\"code\":\"402\",\"message\":\"pay\"}}", "out-of-credit"),
            ("{\"error\":{\"type\":\"overloaded_error\"}}", "server-failed"),
            ("{\"error\":\"no\"}", "server-failed"),
            ("{\"error\":{\"code\":200}}", "server-failed"),
            ("{\"error\":null,\"choices\":[]}", "malformed"),
        ] {
            assert_eq!(read(Dialect::OpenAi, body.as_bytes()).unwrap_err().name(), name, "{body}");
        }
        let answer = |content: &str, finish: &str| Answer {
            content: content.into(),
            finish: Some(finish.into()),
            ..Answer::default()
        };
        assert_eq!(usable(&answer("x", "length")), Err(Trouble::Truncated));
        assert_eq!(usable(&answer(" \n", "stop")), Err(Trouble::Empty));
        for whole in ["stop", "STOP", "end_turn", "stop_sequence", "eos", "tool_calls", ""] {
            assert_eq!(usable(&answer("x", whole)), Ok(()), "{whole}");
        }
        for broken in ["content_filter", "refusal", "pause_turn", "error", "abort", "insufficient_system_resource"] {
            let error = usable(&answer("x", broken)).unwrap_err();
            assert!(error.name() == "malformed" && error.to_string().contains(broken), "{error}");
        }
    }
}
