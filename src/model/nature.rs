//! What a server on this machine is beside its address: a gateway that passes on to models with a price, or one that has
//! some of its models run elsewhere. Looked up once for each server, before anything is sent to it in free mode.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Why nothing on a gateway counts as local, whatever it is called there.
pub const GATEWAY: &str = "a gateway (LiteLLM) answers there, which may pass it on to a model with a price";
/// Why a name that a server lists is not run by it.
pub const REMOTE: &str = "the server says that it runs elsewhere (`remote_host`)";
/// Why a model that was thought to cost nothing is not asked again.
pub const BILLED: &str = "the server said that it bills for it";

/// What was found out about one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nature {
    /// Everything there may cost something.
    pub gateway: bool,
    /// Names of models that run elsewhere.
    pub remote: BTreeSet<String>,
}

impl Nature {
    /// From what the server says when it is asked whether it lives, and from Ollama's list of tags.
    pub fn of(alive: Option<&str>, tags: Option<&Value>) -> Self {
        // every web server has some answer to a path that it does not know: only these words count
        let gateway = alive.is_some_and(|words| words.to_ascii_lowercase().contains("i'm alive"));
        let tags = tags.and_then(|tags| tags["models"].as_array()).into_iter().flatten();
        let runs_elsewhere = |tag: &&Value| ["remote_host", "remote_model"].iter().any(|n| is_said(&tag[*n]));
        let names = |tag: &Value| ["name", "model"].map(|n| tag[n].as_str().map(str::to_owned));
        let remote = tags.filter(runs_elsewhere).flat_map(names).flatten().flat_map(spellings).collect();
        Self { gateway, remote }
    }

    /// Why `model` may cost something on this server; none: nothing speaks for it.
    pub fn costs(&self, model: &str) -> Option<&'static str> {
        if self.gateway {
            return Some(GATEWAY);
        }
        spellings(model.to_owned()).iter().any(|name| self.remote.contains(name)).then_some(REMOTE)
    }
}

fn is_said(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// Ollama takes `x` for `x:latest`, and capitals for small letters.
fn spellings(name: String) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    match name.strip_suffix(":latest") {
        Some(bare) => vec![bare.to_owned(), name],
        None => vec![name],
    }
}

/// A header that only LiteLLM sends.
pub fn is_gateway_header(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("x-litellm")
}

/// What is known of servers, by base address, and whom free mode does not ask any more. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Natures(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    looked: BTreeMap<String, Nature>,
    gateways: BTreeSet<String>,
    billed: BTreeSet<(String, String)>,
}

impl Natures {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Was the server at `base` looked at?
    pub fn is_known(&self, base: &str) -> bool {
        self.known().looked.contains_key(base)
    }

    /// What a look at it found.
    pub fn learn(&self, base: &str, nature: Nature) {
        self.known().looked.insert(base.to_owned(), nature);
    }

    /// Its answer had a gateway's header.
    pub fn is_gateway(&self, base: &str) {
        self.known().gateways.insert(base.to_owned());
    }

    /// It billed for an answer of `model`.
    pub fn billed(&self, base: &str, model: &str) {
        self.known().billed.insert((base.to_owned(), model.to_owned()));
    }

    /// Why `model` at `base` may cost something, as far as is known by now.
    pub fn costs(&self, base: &str, model: &str) -> Option<&'static str> {
        let known = self.known();
        if known.billed.contains(&(base.to_owned(), model.to_owned())) {
            return Some(BILLED);
        }
        if known.gateways.contains(base) {
            return Some(GATEWAY);
        }
        known.looked.get(base)?.costs(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_gateway_is_told_by_its_own_words_and_not_by_an_answer_to_every_path() {
        for (words, gateway) in [
            (Some("\"I'm alive!\""), true),
            (Some("I'M ALIVE"), true),
            (Some("<html>welcome, it is alive</html>"), false),
            (Some("{\"error\":\"Unexpected endpoint\"}"), false),
            (None, false),
        ] {
            assert_eq!(Nature::of(words, None).gateway, gateway, "{words:?}");
        }
        assert!(Nature::of(Some("I'm alive!"), None).costs("any").is_some());
        assert!(is_gateway_header("X-LiteLLM-Version") && !is_gateway_header("x-request-id"));
    }

    #[test]
    fn a_copied_name_does_not_hide_that_a_model_runs_elsewhere() {
        let tags = json!({"models": [
            {"name": "mine:latest", "model": "mine:latest", "remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"},
            {"name": "coder:7b", "model": "coder:7b", "remote_host": "", "digest": "x"},
        ]});
        let nature = Nature::of(None, Some(&tags));
        for (name, costs) in
            [("mine", true), ("mine:latest", true), ("Mine", true), ("coder:7b", false), ("other", false)]
        {
            assert_eq!(nature.costs(name).is_some(), costs, "{name}");
        }
    }

    #[test]
    fn who_billed_once_is_known_from_then_on_in_every_clone() {
        let natures = Natures::default();
        let other = natures.clone();
        assert_eq!(other.costs("http://x", "m"), None);
        natures.billed("http://x", "m");
        assert_eq!((other.costs("http://x", "m"), other.costs("http://x", "n")), (Some(BILLED), None));
        natures.is_gateway("http://y");
        assert_eq!(other.costs("http://y", "n"), Some(GATEWAY));
    }
}
