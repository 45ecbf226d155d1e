//! Anthropic's own dialect: rules apart, blocks instead of texts, a stream of named events.

use serde_json::{Value, json};

use super::super::providers::Provider;
use super::super::trouble::Trouble;
use super::super::{Call, Message, Speaker, Tool, Turn, Usage};
use super::{Answer, MOST_CALLS, Manner, Stream, malformed, temperature};

/// The body but for the model's name.
pub fn body(provider: &Provider, turn: &Turn, manner: Manner, stream: bool) -> Value {
    let rules: Vec<&str> =
        turn.messages.iter().filter(|m| m.role == Speaker::System).map(|m| m.content.as_str()).collect();
    let mut body = json!({
        "system": rules.join("\n\n"),
        "messages": messages(&turn.messages),
        "max_tokens": turn.answer_tokens + manner.thinking,
        "stream": stream,
    });
    // models that think refuse a temperature (platform.claude.com/docs/en/models, Claude Sonnet 5)
    if manner.thinking == 0 {
        body["temperature"] = json!(temperature(turn).min(1.0));
    } else if !manner.effortless {
        body["output_config"]["effort"] = json!("low");
    }
    // platform.claude.com/docs/en/build-with-claude/structured-outputs
    if let Some(schema) = turn.schema.as_ref().filter(|_| provider.schema && !manner.plain) {
        body["output_config"]["format"] = json!({"type": "json_schema", "schema": strict(schema)});
    }
    let called: Vec<&str> = turn.messages.iter().flat_map(|m| &m.calls).map(|c| c.name.as_str()).collect();
    if !turn.tools.is_empty() {
        let tool = |t: &Tool| json!({"name": t.name, "description": t.about, "input_schema": t.parameters});
        body["tools"] = turn.tools.iter().map(tool).collect();
    } else if !called.is_empty() {
        // a conversation with calls in it has to say which tools there were, also when none may be called any more
        let names: std::collections::BTreeSet<&str> = called.into_iter().collect();
        body["tools"] = names.iter().map(|n| json!({"name": n, "input_schema": {"type": "object"}})).collect();
        body["tool_choice"] = json!({"type": "none"});
    }
    body
}

/// `schema` with what is taken of it: lengths, bounds and numbers of items are not, and objects have to be closed. The prompt says
/// the rest.
fn strict(schema: &Value) -> Value {
    const REFUSED: &[&str] = &[
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "multipleOf",
        "minItems",
        "maxItems",
        "uniqueItems",
        "pattern",
    ];
    let inner = |all: &Value| match all {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), strict(value))).collect(),
        other => other.clone(),
    };
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = serde_json::Map::new();
    for (name, value) in map.iter().filter(|(name, _)| !REFUSED.contains(&name.as_str())) {
        let value = match name.as_str() {
            // names of fields, which may be called like anything
            "properties" | "$defs" | "definitions" => inner(value),
            "items" => strict(value),
            "anyOf" | "allOf" => value.as_array().map_or_else(|| value.clone(), |all| all.iter().map(strict).collect()),
            _ => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    if out.get("type").is_some_and(|kind| kind == "object") {
        out.insert("additionalProperties".into(), json!(false));
    }
    Value::Object(out)
}

/// The conversation as it takes turns: messages of one side that follow each other are one.
fn messages(all: &[Message]) -> Vec<Value> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in all.iter().filter(|m| m.role != Speaker::System) {
        let side = if message.role == Speaker::Assistant { "assistant" } else { "user" };
        let blocks = blocks(message);
        match turns.last_mut() {
            Some((last, so_far)) if *last == side => so_far.extend(blocks),
            _ => turns.push((side, blocks)),
        }
    }
    let one = |(side, blocks): (&str, Vec<Value>)| match &blocks[..] {
        [only] if only["type"] == "text" => json!({"role": side, "content": only["text"]}),
        _ => json!({"role": side, "content": blocks}),
    };
    turns.into_iter().filter(|(_, blocks)| !blocks.is_empty()).map(one).collect()
}

fn blocks(message: &Message) -> Vec<Value> {
    if let Some(id) = &message.of_call {
        return vec![json!({"type": "tool_result", "tool_use_id": id, "content": message.content})];
    }
    // an empty text is refused
    let text = Some(&message.content).filter(|text| !text.trim().is_empty());
    let call = |c: &Call| {
        // what the model wrote may be no JSON; it still was a call
        let input = serde_json::from_str(&c.arguments).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
        json!({"type": "tool_use", "id": c.id, "name": c.name, "input": input})
    };
    text.map(|text| json!({"type": "text", "text": text})).into_iter().chain(message.calls.iter().map(call)).collect()
}

/// A whole answer.
///
/// # Errors
/// [`Trouble::Malformed`].
pub fn read(value: &Value) -> Result<Answer, Trouble> {
    let parts = value["content"].as_array().ok_or_else(|| malformed("no `content`"))?;
    let texts: Vec<&str> = parts.iter().filter_map(|p| p["text"].as_str()).collect();
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let called = parts.iter().filter(|p| p["type"] == "tool_use").take(MOST_CALLS);
    let call = |p: &Value| Call {
        id: text(&p["id"]).unwrap_or_default(),
        name: text(&p["name"]).unwrap_or_default(),
        arguments: p["input"].to_string(),
    };
    let answer = value["usage"]["output_tokens"].as_u64();
    Ok(Answer {
        content: texts.concat(),
        calls: called.map(call).collect(),
        model: text(&value["model"]),
        usage: answer.and_then(|answer| usage(prompt(&value["usage"])?, answer)),
        finish: text(&value["stop_reason"]),
        cost: None,
    })
}

/// Tokens of the prompt, those that a cache of the server's held included: they cost something as well.
fn prompt(usage: &Value) -> Option<u64> {
    let more = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    Some(usage["input_tokens"].as_u64()? + more.iter().filter_map(|name| usage[name].as_u64()).sum::<u64>())
}

fn usage(prompt: u64, answer: u64) -> Option<Usage> {
    Some(Usage { prompt, answer, estimated: false })
}

impl Stream {
    /// One event; those that say nothing that we need (pings, thoughts, the end of a block) pass.
    pub(super) fn anthropic_part(&mut self, value: &Value) {
        let index = value["index"].as_u64().unwrap_or_default();
        match value["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let message = &value["message"];
                self.answer.model = message["model"].as_str().map(str::to_owned);
                self.prompt = prompt(&message["usage"]);
            }
            "content_block_start" => {
                let block = &value["content_block"];
                self.answer.content.push_str(block["text"].as_str().unwrap_or_default());
                if block["type"] == "tool_use" && self.answer.calls.len() < MOST_CALLS {
                    let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
                    self.blocks.insert(index, self.answer.calls.len());
                    self.answer.calls.push(Call { id: text("id"), name: text("name"), arguments: String::new() });
                }
            }
            "content_block_delta" => {
                let delta = &value["delta"];
                self.answer.content.push_str(delta["text"].as_str().unwrap_or_default());
                let call = self.blocks.get(&index).and_then(|at| self.answer.calls.get_mut(*at));
                if let (Some(call), Some(part)) = (call, delta["partial_json"].as_str()) {
                    call.arguments.push_str(part);
                }
            }
            "message_delta" => {
                if let Some(reason) = value["delta"]["stop_reason"].as_str() {
                    self.answer.finish = Some(reason.to_owned());
                }
                // only here the count of the answer is the whole one
                let answer = value["usage"]["output_tokens"].as_u64();
                let prompt = prompt(&value["usage"]).max(self.prompt);
                self.answer.usage = prompt.zip(answer).and_then(|(prompt, answer)| usage(prompt, answer));
            }
            "message_stop" => self.done = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::providers::{self, Dialect};
    use super::super::super::{Enough, Role};
    use super::super::{THINKING, usable};
    use super::*;

    /// The events of a stream, as they are documented.
    fn stream(events: &[Value]) -> String {
        let event = |e: &Value| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap());
        events.iter().map(event).collect()
    }

    fn start() -> Value {
        let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 5, "output_tokens": 1});
        json!({"type": "message_start", "message": {"model": "claude-x-20260101", "content": [], "usage": usage}})
    }

    fn delta(index: u64, delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }

    fn end(reason: &str) -> [Value; 2] {
        let said = json!({"stop_reason": reason, "stop_sequence": null});
        [
            json!({"type": "message_delta", "delta": said, "usage": {"output_tokens": 15}}),
            json!({"type": "message_stop"}),
        ]
    }

    fn read_stream(text: &str) -> Answer {
        let mut all: Vec<Answer> = (1..40)
            .map(|size| {
                let mut stream = Stream::new(Dialect::Anthropic);
                text.as_bytes().chunks(size).for_each(|c| stream.take(c).unwrap());
                assert!(stream.done);
                stream.finish().unwrap()
            })
            .collect();
        all.dedup();
        assert_eq!(all.len(), 1, "wherever its bytes are cut");
        all.remove(0)
    }

    #[test]
    fn a_schema_is_told_with_what_the_api_takes_of_it_and_who_thinks_is_told_to_think_little() {
        let provider = providers::find("anthropic").unwrap();
        let name = json!({"type": "string", "maxLength": 9});
        let list = json!({"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}});
        let schema = json!({"type": "object", "required": ["name"], "properties": {"name": name, "pattern": list}});
        let turn = Turn { schema: Some(schema), ..Turn::new(Role::Score, vec![Message::user("how many points?")]) };
        let of = |manner| super::body(provider, &turn, manner, true);
        let format = &of(Manner::default())["output_config"]["format"];
        let n = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false});
        let fields = json!({"name": {"type": "string"}, "pattern": {"type": "array", "items": n}});
        let closed =
            json!({"type": "object", "required": ["name"], "properties": fields, "additionalProperties": false});
        assert_eq!(*format, json!({"type": "json_schema", "schema": closed}));
        assert_eq!(of(Manner { plain: true, ..Manner::default() }).get("output_config"), None);
        let thinks = of(Manner { thinking: THINKING, ..Manner::default() });
        assert_eq!((&thinks["max_tokens"], thinks.get("temperature")), (&json!(4900), None));
        assert_eq!(thinks["output_config"]["effort"], "low");
        let told_nothing = of(Manner { thinking: THINKING, effortless: true, plain: true, ..Manner::default() });
        assert_eq!(told_nothing.get("output_config"), None);
    }

    #[test]
    fn a_stream_of_text_is_put_together_and_counted_at_its_end() {
        let text = |t: &str| delta(1, &json!({"type": "text_delta", "text": t}));
        let mut events = vec![
            start(),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
            delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "ping"}),
            text("Hel"),
            text("lo"),
            json!({"type": "content_block_stop", "index": 1}),
        ];
        events.extend(end("end_turn"));
        let answer = read_stream(&stream(&events));
        assert_eq!((answer.content.as_str(), answer.model.as_deref()), ("Hello", Some("claude-x-20260101")));
        assert_eq!(answer.usage, Some(Usage { prompt: 30, answer: 15, estimated: false }));
        assert_eq!(usable(&answer), Ok(()));
        // what is cut has no count: the beginning only says one token
        let mut cut = Stream::new(Dialect::Anthropic);
        cut.take(stream(&events[..7]).as_bytes()).unwrap();
        cut.cut();
        let cut = cut.finish().unwrap();
        assert_eq!((cut.content.as_str(), cut.usage), ("Hel", None));
    }

    #[test]
    fn a_refusal_a_pause_and_an_error_in_mid_stream_are_no_answers() {
        for (reason, name) in [("refusal", "malformed"), ("pause_turn", "malformed"), ("max_tokens", "truncated")] {
            let mut events = vec![start(), delta(0, &json!({"type": "text_delta", "text": "I"}))];
            events.extend(end(reason));
            assert_eq!(usable(&read_stream(&stream(&events))).unwrap_err().name(), name, "{reason}");
        }
        for (kind, name) in [("overloaded_error", "server-failed"), ("rate_limit_error", "rate-limited")] {
            let error = json!({"type": "error", "error": {"type": kind, "message": "no"}});
            let taken = Stream::new(Dialect::Anthropic).take(stream(&[start(), error]).as_bytes());
            assert_eq!(taken.unwrap_err().name(), name, "{kind}");
        }
    }

    #[test]
    fn tools_are_offered_called_in_a_stream_and_answered_in_blocks() {
        let tool_use = |id: &str, name: &str| json!({"type": "tool_use", "id": id, "name": name, "input": {}});
        let json_part = |index, part: &str| delta(index, &json!({"type": "input_json_delta", "partial_json": part}));
        let mut events = vec![
            start(),
            delta(0, &json!({"type": "text_delta", "text": "I look."})),
            json!({"type": "content_block_start", "index": 1, "content_block": tool_use("t1", "read_file")}),
            json_part(1, ""),
            json_part(1, "{\"path\":"),
            json_part(1, "\"a.py\"}"),
            json!({"type": "content_block_start", "index": 2, "content_block": tool_use("t2", "list")}),
            json_part(2, ""),
        ];
        events.extend(end("tool_use"));
        let answer = read_stream(&stream(&events));
        assert_eq!(usable(&answer), Ok(()));
        let [first, second] = &answer.calls[..] else { panic!("{answer:?}") };
        assert_eq!((first.name.as_str(), first.arguments.as_str()), ("read_file", "{\"path\":\"a.py\"}"));
        assert_eq!((second.id.as_str(), second.arguments.as_str()), ("t2", "{}"));
        let said = Message { calls: answer.calls.clone(), ..Message::assistant("I look.") };
        let mut turn = Turn::new(Role::Fix, vec![Message::system("rules"), Message::user("why?"), said]);
        turn.messages.extend([Message::tool(first, "x = 1"), Message::tool(second, "a"), Message::user("Go on.")]);
        turn.tools = vec![Tool { name: "read_file", about: "reads", parameters: json!({"type": "object"}) }];
        turn.enough = Some(Enough::Fence);
        let body =
            |turn: &Turn| super::super::body(providers::find("anthropic").unwrap(), "m", turn, Manner::default(), true);
        let asked = body(&turn);
        assert_eq!(
            asked["tools"][0],
            json!({"name": "read_file", "description": "reads", "input_schema": {"type": "object"}})
        );
        assert_eq!((&asked["stream"], &asked["system"]), (&json!(true), &json!("rules")));
        let [question, said, results] = &asked["messages"].as_array().unwrap()[..] else { panic!("{asked:#}") };
        assert_eq!(*question, json!({"role": "user", "content": "why?"}));
        assert_eq!(
            said["content"][1],
            json!({"type": "tool_use", "id": "t1", "name": "read_file", "input": {"path": "a.py"}})
        );
        let kinds: Vec<&str> =
            results["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
        assert_eq!((results["role"].as_str(), kinds), (Some("user"), vec!["tool_result", "tool_result", "text"]));
        // the last question of a conversation with calls offers none, and still has to say what they were
        turn.tools.clear();
        let last = body(&turn);
        assert_eq!((&last["tools"][1]["name"], &last["tool_choice"]["type"]), (&json!("read_file"), &json!("none")));
    }
}
