//! The gate: what free mode lets out of the process. It is asked for every request, right before it is sent, and looks at
//! nothing but where the request goes and which model it names: no configuration, router or fallback has a say.

use super::catalog::{self, Tier};
use super::providers::{self, Provider};

/// A request on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage<'a> {
    /// The whole address.
    pub url: &'a str,
    /// The model that it names; `None` for a question about models or slots, which costs nothing anywhere.
    pub model: Option<&'a str>,
}

/// The tier of what a request asks, from its address and its model alone.
pub fn tier(passage: &Passage<'_>) -> Tier {
    let Ok(url) = reqwest::Url::parse(passage.url) else { return Tier::Paid };
    if is_this_machine(&url) {
        return if passage.model.is_none_or(|m| catalog::not_local(m).is_none()) { Tier::Local } else { Tier::Paid };
    }
    let Some(provider) = provider_of(&url) else { return Tier::Paid };
    passage.model.map_or(Tier::Free, |model| catalog::cloud_tier(provider.name, model))
}

/// May it leave in free mode?
///
/// # Errors
/// Why not.
pub fn permit(passage: &Passage<'_>) -> Result<(), String> {
    match tier(passage) {
        Tier::Local | Tier::Free => Ok(()),
        Tier::Paid => {
            let model = passage.model.unwrap_or("the server");
            let gateway = passage.model.and_then(catalog::not_local);
            Err(format!(
                "{model} is not sent anything: {}",
                gateway.unwrap_or("it has a price, or its price is not known")
            ))
        }
    }
}

/// Why a server that somebody may take for one of this machine's is not: none where nobody would.
pub fn why_elsewhere(address: &str) -> Option<&'static str> {
    let url = reqwest::Url::parse(address).ok()?;
    let mut bare = url.clone();
    let has_login = bare.set_username("").is_ok() && bare.set_password(None).is_ok() && bare != url;
    (has_login && is_this_machine(&bare))
        .then_some("its address holds a user's name: write it without, a key goes into KAIZEN_MODEL_KEY")
}

/// The address without what stands before its host, which may be a password.
pub fn without_login(address: &str) -> String {
    let Ok(mut url) = reqwest::Url::parse(address) else { return "an address that is none".to_owned() };
    let removed = url.set_username("").is_ok() && url.set_password(None).is_ok();
    if removed { url.as_str().trim_end_matches('/').to_owned() } else { url.scheme().to_owned() }
}

/// The address is one of this machine: a number of the loopback net, or the one name that means it.
pub fn is_this_machine(url: &reqwest::Url) -> bool {
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

/// The provider whose own address this is: https, its host, its port, below its path.
fn provider_of(url: &reqwest::Url) -> Option<&'static Provider> {
    providers::PROVIDERS.iter().filter(|p| p.port.is_none()).find(|provider| {
        reqwest::Url::parse(provider.base).is_ok_and(|base| {
            url.scheme() == "https"
                && url.username().is_empty()
                && url.host_str() == base.host_str()
                && url.port_or_known_default() == base.port_or_known_default()
                && url.path().strip_prefix(base.path()).is_some_and(|rest| rest.starts_with('/'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(url: &str, model: &str) -> Tier {
        tier(&Passage { url, model: Some(model) })
    }

    const ROUTER: &str = "https://openrouter.ai/api/v1/chat/completions";

    #[test]
    fn only_exact_addresses_and_exact_names_are_free() {
        assert_eq!(of(ROUTER, "qwen/qwen3-coder:free"), Tier::Free);
        assert_eq!(of("http://127.0.0.1:8080/v1/chat/completions", "coder"), Tier::Local);
        assert_eq!(of("http://[::1]:8080/v1/chat/completions", "coder"), Tier::Local);
        for (url, model) in [
            (ROUTER, "qwen/qwen3-coder"),
            ("http://openrouter.ai/api/v1/chat/completions", "qwen/qwen3-coder:free"),
            ("https://openrouter.ai.evil.example/api/v1/chat/completions", "qwen/qwen3-coder:free"),
            ("https://openrouter.ai:444/api/v1/chat/completions", "qwen/qwen3-coder:free"),
            ("https://openrouter.ai/api/v10/chat/completions", "qwen/qwen3-coder:free"),
            ("https://openrouter.ai/v1/chat/completions", "qwen/qwen3-coder:free"),
            ("http://127.0.0.1.evil.example/v1", "coder"),
            ("http://localhost.evil.example/v1", "coder"),
            ("http://127.0.0.1@evil.example/v1", "coder"),
            ("http://user@127.0.0.1/v1", "coder"),
            ("file:///v1", "coder"),
            ("http://10.0.0.1:8080/v1", "coder"),
            ("http://127.0.0.1:4000/v1/chat/completions", "gpt-4o"),
            ("not a url", "coder"),
        ] {
            assert_eq!(of(url, model), Tier::Paid, "{url} {model}");
            assert!(permit(&Passage { url, model: Some(model) }).is_err());
        }
    }

    #[test]
    fn a_login_in_an_address_is_why_this_machine_is_not_trusted_and_is_never_shown() {
        assert!(why_elsewhere("http://user:pw@127.0.0.1:8080/v1").unwrap().contains("KAIZEN_MODEL_KEY"));
        for address in ["http://127.0.0.1:8080/v1", "http://user:pw@10.0.0.1/v1", "nonsense"] {
            assert_eq!(why_elsewhere(address), None, "{address}");
        }
        assert_eq!(without_login("http://user:pw@127.0.0.1:8080/v1"), "http://127.0.0.1:8080/v1");
    }

    /// What is free, said once more and in another way: the test's own list.
    fn costs_nothing(url: &str, model: &str) -> bool {
        let here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|h| url.starts_with(h));
        let priced = [
            "gpt-4",
            "gpt-5",
            "claude",
            "gemini",
            "-cloud",
            "deepseek-chat",
            "deepseek-reasoner",
            "-latest",
            "-versatile",
            "qwen-max",
            "qwen3-coder-plus",
            "command-r",
            "sonar",
            "nova-",
            "azure",
            "bedrock/",
            "groq/",
            "text-embedding-3",
        ];
        let priced = priced.iter().any(|p| model.contains(p));
        let given = [
            "qwen/qwen3-coder:free",
            "deepseek/deepseek-chat-v3.1:free",
            "deepseek/deepseek-v4-flash:free",
            "openai/gpt-oss-20b:free",
            "meta-llama/llama-3.3-70b-instruct:free",
        ];
        here && !priced || url.starts_with("https://openrouter.ai/api/v1/") && given.contains(&model)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn in_free_mode_nothing_with_a_price_gets_out(
            host in prop::sample::select(vec![
                "https://openrouter.ai/api/v1", "https://openrouter.ai/api", "http://openrouter.ai/api/v1", "https://api.openai.com/v1",
                "https://api.anthropic.com/v1", "https://api.groq.com/openai/v1", "https://api.deepseek.com/v1", "http://127.0.0.1:8080/v1",
                "http://localhost:1234/v1", "http://[::1]:1/v1", "http://0.0.0.0:8080/v1", "http://192.168.0.2:8080/v1",
                "https://gateway.example/v1", "http://127.0.0.1:8080@gateway.example/v1", "https://openrouter.ai:8443/api/v1",
                "https://openrouter.ai%2f.example/api/v1", "ftp://127.0.0.1:21", "",
            ]),
            path in prop::sample::select(vec!["/chat/completions", "/messages", "", "/../v1/chat/completions", "?next=https://api.openai.com"]),
            model in prop::sample::select(vec![
                "qwen/qwen3-coder:free", "qwen/qwen3-coder", "openai/gpt-oss-20b:free", "gpt-4o", "gpt-5", "claude-sonnet-4-5",
                "gemini-2.5-pro", "deepseek/deepseek-v4-pro", "deepseek/deepseek-v4-flash:free", "coder-1.5b", "gpt-oss:120b-cloud", "unknown/model:free", "openrouter/auto", "",
                "deepseek-chat", "deepseek-reasoner", "mistral-large-latest", "codestral-latest", "llama-3.3-70b-versatile", "qwen-max", "qwen3-coder-plus",
                "command-r-plus", "sonar-pro", "nova-lite", "kimi-latest", "azure-prod", "bedrock/meta.llama3-8b", "groq/openai/gpt-oss-20b", "text-embedding-3-small",
            ]),
            // a backslash is another way to write `/`, which the list below does not know
            noise in "[ -Z^-~]{0,3}",
        ) {
            let url = format!("{host}{path}{noise}");
            for (url, model) in [(url.clone(), model.to_owned()), (url, format!("{model}{noise}"))] {
                if permit(&Passage { url: &url, model: Some(&model) }).is_ok() {
                    prop_assert!(costs_nothing(&url, &model), "{} {}", url, model);
                }
            }
        }
    }
}
