//! What the cache keeps of a turn: the key under which an answer is kept, and the answer with who gave it and what it took.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::Tier;
use super::discover::Usable;
use super::gate;
use super::money::Money;
use super::providers::OWN;
use super::trouble::Trouble;
use super::{Call, Reply, Turn, Usage};
use crate::cache::{Answer, Cost, Keep, Key, Served, Source};
use crate::error::Error;

/// Stands where the question stood: everything around it has to be equal, the question only has to mean the same.
const QUESTION: &str = "\u{0}question\u{0}";

/// A reply as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// 1.
    v: u8,
    model: String,
    usage: Usage,
    content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
}

/// The key of `turn` when `usable` is asked: its weights, the parameters, the whole conversation.
pub fn key(usable: &Usable, turn: &Turn) -> Key {
    let model = match &usable.digest {
        Some(digest) => format!("{}@{digest}", usable.offer.name),
        // what the environment names may be another server every day
        None if usable.at.provider.name == OWN => {
            format!("{} at {}", usable.offer.name, gate::without_login(&usable.at.base))
        }
        None => usable.offer.name.clone(),
    };
    let question = asked_once(turn);
    let messages: Vec<Value> = turn
        .messages
        .iter()
        .map(|m| {
            let content = question.map_or_else(|| m.content.clone(), |q| m.content.replace(q, QUESTION));
            json!({"role": m.role, "content": content, "calls": m.calls, "of_call": m.of_call})
        })
        .collect();
    let key = Key::new(model)
        .part("role", turn.role.name())
        .part("messages", messages)
        .part("answer_tokens", turn.answer_tokens)
        .part("temperature_milli", turn.temperature_milli)
        .part("schema", turn.schema.clone().unwrap_or(Value::Null))
        .part("tools", turn.tools.iter().map(|t| json!([t.name, t.about, t.parameters])).collect::<Vec<_>>())
        .part("enough", turn.enough.map(|e| format!("{e:?}")))
        .part("sample", turn.sample);
    match question {
        Some(question) => key.question(question),
        None => key,
    }
}

/// The question, when its role lets similar ones be served and it stands in the conversation exactly once: otherwise taking
/// it out would leave something of it behind.
fn asked_once(turn: &Turn) -> Option<&str> {
    let question = turn.question.as_deref().filter(|q| turn.role.answers_questions() && !q.trim().is_empty())?;
    let times: usize = turn.messages.iter().map(|m| m.content.matches(question).count()).sum();
    (times == 1).then_some(question)
}

/// A reply for the cache.
pub fn answer(reply: &Reply, tier: Tier) -> Answer {
    let kept = Kept {
        v: 1,
        model: reply.model.clone(),
        usage: reply.usage,
        content: reply.content.clone(),
        calls: reply.calls.clone(),
    };
    let cost = Cost { tokens: reply.usage.prompt + reply.usage.answer, micro_dollars: reply.cost.0.div_ceil(1000) };
    let keep = match tier {
        Tier::Local | Tier::Free => Keep::Short,
        Tier::Paid => Keep::Long,
    };
    Answer { text: serde_json::to_string(&kept).unwrap_or_default(), cost, keep }
}

/// The reply back, which costs nothing now; `None` for what is no kept reply.
pub fn reply(text: &str) -> Option<Reply> {
    let kept: Kept = serde_json::from_str(text).ok().filter(|kept: &Kept| kept.v == 1)?;
    let Kept { model, usage, content, calls, .. } = kept;
    Some(Reply { content, calls, model, usage, cost: Money::ZERO, requests: 0 })
}

/// How the source of an answer is called in events; `None`: asked now.
pub fn source(source: &Source) -> Option<&'static str> {
    match source {
        Source::Asked => None,
        Source::Shared => Some("shared"),
        Source::Exact => Some("exact"),
        Source::Semantic { .. } => Some("semantic"),
    }
}

/// What serving it saved.
pub fn saved(served: &Served) -> Money {
    Money(served.saved.micro_dollars.saturating_mul(1000))
}

/// A trouble on its way through the cache, to those who wait for the same call.
pub fn error(trouble: &Trouble) -> Error {
    Error::internal(serde_json::to_string(trouble).unwrap_or_else(|_| trouble.to_string()))
}

/// The trouble back.
pub fn trouble(error: &Error) -> Trouble {
    serde_json::from_str(error.what()).unwrap_or_else(|_| Trouble::Malformed { what: error.what().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::client::Endpoint;
    use super::super::router::Offer;
    use super::super::{Message, Role, providers};
    use super::*;

    fn usable() -> Usable {
        let provider = *providers::find("ollama").unwrap();
        let offer = Offer {
            name: "ollama/m".into(),
            family: "m".into(),
            tier: Tier::Local,
            price: None,
            context: 8192,
            strength: 3,
            thinking: 0,
            named: false,
            left: None,
            back: None,
        };
        let at = Endpoint { provider, base: provider.base.into(), key: None };
        Usable {
            offer,
            id: "m".into(),
            family: "m".into(),
            at,
            slots: 1,
            slots_known: true,
            remark: None,
            answered: true,
            digest: None,
        }
    }

    fn turn(role: Role, question: &str) -> Turn {
        let messages = vec![Message::system("be brief"), Message::user(format!("In short: {question}"))];
        Turn { question: Some(question.into()), ..Turn::new(role, messages) }
    }

    #[test]
    fn everything_that_decides_about_an_answer_is_in_its_key() {
        let plain = turn(Role::Fix, "why?");
        let exact = |t: &Turn| key(&usable(), t).exact();
        let mut schema = plain.clone();
        schema.schema = Some(json!({"type": "object"}));
        let mut system = plain.clone();
        system.messages[0].content.push('!');
        for other in [
            Turn { sample: 1, ..plain.clone() },
            Turn { temperature_milli: 700, ..plain.clone() },
            Turn { answer_tokens: 10, ..plain.clone() },
            Turn { role: Role::Score, ..plain.clone() },
            schema,
            system,
        ] {
            assert_ne!(exact(&plain), exact(&other), "{other:?}");
        }
        let patient = Turn { deadline: std::time::Duration::from_secs(1), ..plain.clone() };
        assert_eq!(exact(&plain), exact(&patient), "patience changes no answer");
        let renewed = Usable { digest: Some("sha256:2".into()), ..usable() };
        assert_ne!(exact(&plain), key(&renewed, &plain).exact(), "new weights under the old name");
        let own = |base: &str, digest: Option<&str>| {
            let at =
                Endpoint { provider: crate::model::providers::Provider::usual(OWN, ""), base: base.into(), key: None };
            key(&Usable { at, digest: digest.map(str::to_owned), ..usable() }, &plain).exact()
        };
        assert_ne!(own("http://a/v1", None), own("http://b/v1", None), "another server under the same name");
        assert_eq!(own("http://a/v1", Some("1")), own("http://b/v1", Some("1")), "the same weights, wherever they are");
    }

    #[test]
    fn only_turns_that_answer_questions_may_be_served_a_similar_one() {
        for role in [Role::Fix, Role::Score, Role::Write] {
            assert_eq!(key(&usable(), &turn(role, "why is it red?")).question_text(), None, "{role:?}");
        }
        let (a, b) = (
            key(&usable(), &turn(Role::Answer, "Why is it red?")),
            key(&usable(), &turn(Role::Answer, "For what reason is it red?")),
        );
        assert_eq!(a.question_text(), Some("Why is it red?"));
        assert_eq!(a.scope("e"), b.scope("e"), "the question itself is not in the rest of the key");
        let twice = turn(Role::Answer, "In short");
        assert_eq!(key(&usable(), &twice).question_text(), None, "it is said twice");
    }

    #[test]
    fn a_kept_reply_comes_back_as_it_was_and_costs_nothing() {
        let usage = Usage { prompt: 11, answer: 7, estimated: false };
        let fresh = Reply {
            content: "x\n“y”".into(),
            calls: vec![Call::default()],
            model: "m".into(),
            usage,
            cost: Money(1500),
            requests: 2,
        };
        let kept = answer(&fresh, Tier::Paid);
        assert_eq!((kept.cost.tokens, kept.cost.micro_dollars, kept.keep), (18, 2, Keep::Long));
        assert_eq!(reply(&kept.text), Some(Reply { cost: Money::ZERO, requests: 0, ..fresh }));
        assert_eq!(reply("text of an older version"), None);
    }

    #[test]
    fn troubles_survive_the_way_through_the_cache() {
        let after = Some(std::time::Duration::from_secs(9));
        for one in [Trouble::Gone, Trouble::RateLimited { after }, Trouble::OutOfBudget { what: "all".into() }] {
            assert_eq!(trouble(&error(&one)), one);
        }
    }
}
