//! The providers that are known: where they listen, which variable holds the key, how they like to be spoken to.

use super::Secret;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /chat/completions`.
    OpenAi,
    /// `POST /messages`.
    Anthropic,
}

/// How a model that thinks before it answers is told to think little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// `reasoning_effort: low`.
    Field,
    /// The same, and a temperature beside it is refused.
    FieldAlone,
    /// `reasoning: {effort: low}`.
    Object,
}

/// One provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// As in `provider/model`.
    pub name: &'static str,
    /// Where its API is, without the slash at the end.
    pub base: &'static str,
    /// The variable with its key; none for servers on this machine.
    pub key: Option<&'static str>,
    /// The port that it usually listens on, for servers on this machine.
    pub port: Option<u16>,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// It takes a JSON schema of the answer: `response_format`, Anthropic `output_config.format`.
    pub schema: bool,
    /// It takes `stream_options`.
    pub stream_options: bool,
    /// Where it says what the account may ask of free models.
    pub quota: Option<&'static str>,
    /// The field that limits the tokens of an answer.
    pub limit: &'static str,
    /// What models that think are told.
    pub effort: Effort,
}

impl Provider {
    /// A server or account that speaks like OpenAI's API, as most do.
    pub const fn usual(name: &'static str, base: &'static str) -> Self {
        Self {
            name,
            base,
            key: None,
            port: None,
            dialect: Dialect::OpenAi,
            schema: true,
            stream_options: true,
            quota: None,
            limit: "max_tokens",
            effort: Effort::Field,
        }
    }
}

const fn cloud(name: &'static str, base: &'static str, key: &'static str) -> Provider {
    Provider { key: Some(key), ..Provider::usual(name, base) }
}

const fn local(name: &'static str, base: &'static str, port: u16) -> Provider {
    Provider { port: Some(port), ..Provider::usual(name, base) }
}

/// The name of a server that only the environment knows (`KAIZEN_MODEL_URL`).
pub const OWN: &str = "own";

/// Every provider there is.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        quota: Some("/key"),
        effort: Effort::Object,
        ..cloud("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY")
    },
    cloud("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    Provider { schema: false, ..cloud("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY") },
    // models of the class of GPT-5 refuse `max_tokens`; older ones take the new name as well
    Provider {
        limit: "max_completion_tokens",
        effort: Effort::FieldAlone,
        ..cloud("openai", "https://api.openai.com/v1", "OPENAI_API_KEY")
    },
    Provider { dialect: Dialect::Anthropic, ..cloud("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY") },
    cloud("gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    Provider { stream_options: false, ..cloud("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY") },
    local("ollama", "http://127.0.0.1:11434/v1", 11434),
    local("llama.cpp", "http://127.0.0.1:8080/v1", 8080),
    local("lmstudio", "http://127.0.0.1:1234/v1", 1234),
    local("vllm", "http://127.0.0.1:8000/v1", 8000),
    // mlx_lm.server's port is llama.cpp's: who listens there is told apart by what it answers
    local("mlx", "http://127.0.0.1:8080/v1", 8080),
];

/// The provider of this name.
pub fn find(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|p| p.name == name)
}

impl Provider {
    /// Its key, from variables; never from a file of the repository.
    pub fn key_from(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
        Secret::new(&env(self.key?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn providers_are_unique_and_reachable_only_over_https_or_on_this_machine() {
        let names: BTreeSet<_> = PROVIDERS.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), PROVIDERS.len());
        for provider in PROVIDERS {
            match provider.port {
                Some(port) => assert_eq!(provider.base, format!("http://127.0.0.1:{port}/v1")),
                None => assert!(provider.base.starts_with("https://") && provider.key.is_some(), "{provider:?}"),
            }
            assert!(!provider.base.ends_with('/'));
        }
    }

    #[test]
    fn every_key_variable_is_kept_from_code_under_test() {
        use crate::process::environment::{Removed, removed};
        for key in PROVIDERS.iter().filter_map(|p| p.key).chain(["KAIZEN_MODEL_KEY"]) {
            assert_eq!(removed(key.as_ref(), "x".as_ref()), Some(Removed::Secret), "{key}");
        }
    }
}
