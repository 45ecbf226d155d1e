//! The key of an answer: named parts, hashed in an order that does not depend on how they were put together.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Everything that decides about an answer. Knows nothing of turns: whoever asks names the parts (model digest or id,
/// parameters, system prompt, tools, messages, role).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Key {
    model: String,
    parts: BTreeMap<String, Value>,
    question: Option<String>,
}

impl Key {
    /// A key for a model: its digest where the server tells one (so that a new digest invalidates), else its id.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Adds a part. The same name twice: the last one counts.
    #[must_use]
    pub fn part(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parts.insert(name.into(), value.into());
        self
    }

    /// The natural-language part, for roles that answer questions. A key with a question may be answered by the answer to
    /// a similar one; all other parts have to be equal. A key without one hits exactly or not at all.
    #[must_use]
    pub fn question(mut self, question: impl Into<String>) -> Self {
        self.question = Some(question.into());
        self
    }

    /// The model's digest or id.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The question, if similar ones may answer.
    pub fn question_text(&self) -> Option<&str> {
        self.question.as_deref()
    }

    /// SHA-256 over everything, hexadecimal.
    pub fn exact(&self) -> String {
        self.hash("exact", self.question.as_deref(), "")
    }

    /// SHA-256 over everything but the question, with the embedder: questions of one scope may answer each other.
    pub fn scope(&self, embedder: &str) -> String {
        self.hash("scope", None, embedder)
    }

    fn hash(&self, kind: &str, question: Option<&str>, embedder: &str) -> String {
        let mut hash = Sha256::new();
        // every piece with its length before it: no two keys write the same bytes
        let mut put = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        put(b"kaizen-ci/cache/v1");
        put(kind.as_bytes());
        put(embedder.as_bytes());
        put(self.model.as_bytes());
        for (name, value) in &self.parts {
            put(name.as_bytes());
            put(sorted(value).as_bytes());
        }
        put(question.map_or(b"-".as_slice(), |_| b"+"));
        put(question.unwrap_or_default().as_bytes());
        hex::encode(hash.finalize())
    }
}

/// JSON with the names of every object sorted, whatever order the map of this build keeps.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<_, _> = map.iter().collect();
            let inside: Vec<_> =
                map.iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), sorted(v))).collect();
            format!("{{{}}}", inside.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(sorted).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_order_in_which_parts_and_names_come_does_not_matter() {
        let text = |t: &str| serde_json::from_str::<Value>(t).unwrap();
        let a = Key::new("m").part("role", "fix").part("params", text(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#));
        let b = Key::new("m").part("params", text(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#)).part("role", "fix");
        assert_eq!(a.exact(), b.exact());
        assert_eq!(a.exact().len(), 64);
    }

    #[test]
    fn every_part_decides() {
        let key = || Key::new("m").part("role", "diagnose").part("messages", json!(["x", "y"]));
        let others = [
            Key::new("m2").part("role", "diagnose").part("messages", json!(["x", "y"])),
            key().part("role", "fix"),
            key().part("messages", json!(["y", "x"])),
            key().part("messages", json!(["xy"])),
            key().part("tools", json!([])),
            key().question(""),
        ];
        for other in others {
            assert_ne!(key().exact(), other.exact(), "{other:?}");
        }
        let (a, b) = (key().question("why?"), key().question("how?"));
        assert_eq!(a.scope("e"), b.scope("e"));
        assert_ne!(a.scope("e"), a.scope("f"));
        assert_ne!(a.exact(), b.exact());
    }

    proptest! {
        #[test]
        fn text_can_not_slip_from_one_part_into_the_next(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}") {
            let (x, y) = (Key::new(a.clone()).part(b.clone(), "v"), Key::new(c.clone()).part(d.clone(), "v"));
            prop_assert_eq!(x.exact() == y.exact(), a == c && b == d);
        }
    }
}
