//! The catalog: tier, family, price and context of known models. What is not in it has no known price, and is paid.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::money::Money;
use super::providers::{self, OWN};
use crate::config::CatalogLine;

/// What asking a model means for the purse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// On this machine.
    Local,
    /// Given away by a provider under exactly this name.
    Free,
    /// It has a price, or nobody knows its price.
    Paid,
}

impl Tier {
    /// As it stands in events.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Local => "local",
            Tier::Free => "free",
            Tier::Paid => "paid",
        }
    }
}

/// Per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Of the prompt.
    pub prompt: Money,
    /// Of the answer.
    pub answer: Money,
}

/// A line of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its provider.
    pub provider: String,
    /// As the provider calls it.
    pub id: String,
    /// Who is one and the same behind several names.
    pub family: String,
    /// Tokens of context.
    pub context: u64,
    /// 1 (a toy) to 10 (the best there is), our own judgement: only orders models.
    pub strength: u8,
    /// None for what is given away, and where nobody knows it.
    pub price: Option<Price>,
    /// Given away under exactly this name.
    pub free: bool,
    /// It thinks before it answers, within the limit of its answer.
    pub reasoning: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    provider: String,
    id: String,
    family: String,
    context: u64,
    strength: u8,
    prompt: Option<String>,
    answer: Option<String>,
    #[serde(default)]
    free: bool,
    #[serde(default)]
    unpriced: bool,
    #[serde(default)]
    reasoning: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: Vec<Line>,
}

/// A line without a price that is said to be neither free nor unpriced would be a mistake of ours: it is left out, hence
/// paid.
fn read(text: &str) -> Result<Vec<Known>, String> {
    let file: File = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    let known = |line: Line| {
        let price = match (line.free, line.unpriced, line.prompt, line.answer) {
            (true, false, None, None) | (false, true, None, None) => None,
            (false, false, Some(prompt), Some(answer)) => {
                let read = |t: &str| Money::parse(t).filter(|m| m.0 > 0).ok_or(format!("{}: price {t}", line.id));
                Some(Price { prompt: read(&prompt)?, answer: read(&answer)? })
            }
            _ => return Err(format!("{}: either `free: true`, `unpriced: true` or both prices", line.id)),
        };
        let Line { provider, id, family, context, strength, free, reasoning, .. } = line;
        Ok(Known { provider, id, family, context, strength, price, free, reasoning })
    };
    file.models.into_iter().map(known).collect()
}

impl Known {
    /// A line that a configuration adds; what it leaves out is guessed as for unknown models. `None` without two prices.
    pub fn added(line: &CatalogLine) -> Option<Self> {
        let price = |text: &str| Money::parse(text).filter(|m| m.0 > 0);
        let price = Price { prompt: price(line.prompt.as_deref()?)?, answer: price(line.answer.as_deref()?)? };
        let (provider, id) = (line.provider.clone(), line.id.clone());
        Some(Self {
            family: line.family.clone().unwrap_or_else(|| family(&provider, &id)),
            context: line.context.unwrap_or(UNKNOWN_CLOUD_CONTEXT),
            strength: line.strength.and_then(|n| u8::try_from(n).ok()).unwrap_or_else(|| strength(&provider, &id)),
            price: Some(price),
            free: false,
            reasoning: line.reasoning.unwrap_or_else(|| reasons(&provider, &id)),
            provider,
            id,
        })
    }
}

/// Tokens of context of a cloud's model of which nothing is known: every one offered today has as much.
pub const UNKNOWN_CLOUD_CONTEXT: u64 = 32_768;

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| read(include_str!("catalog.yml")).unwrap_or_default());

/// All lines.
pub fn all() -> &'static [Known] {
    &KNOWN
}

/// The line of exactly this provider and name.
pub fn find(provider: &str, id: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.provider == provider && k.id == id)
}

/// The tier of `id` at a provider that is not on this machine: free only when the catalog gives exactly it away.
pub fn cloud_tier(provider: &str, id: &str) -> Tier {
    match find(provider, id) {
        Some(Known { free: true, .. }) => Tier::Free,
        Some(_) | None => Tier::Paid,
    }
}

/// Why `id`, which a server on this machine offers, is not run on this machine: it is a known model with a price behind a
/// gateway, or a cloud model that the server passes on. `None`: as far as its name says, it is local.
pub fn not_local(id: &str) -> Option<&'static str> {
    let lower = id.to_ascii_lowercase();
    if lower.contains("-cloud") || lower.contains(":cloud") {
        return Some("its name says that it runs in somebody's cloud");
    }
    // `.` stands before a maker's model (`amazon.nova-pro`), and inside of a version (`qwen2.5-max`)
    let is_sold = lower.split(['/', ':', '.']).chain(lower.split(['/', ':'])).any(is_closed);
    let passed_on = is_passed_on(&lower) || is_sold;
    passed_on.then_some("it is a model with a price behind a gateway on this machine")
}

/// Who sells answers, as gateways write them before the first slash.
const RESELLERS: &[&str] = &[
    "anthropic",
    "azure",
    "azure_ai",
    "bedrock",
    "cerebras",
    "cohere",
    "cohere_chat",
    "dashscope",
    "databricks",
    "deepinfra",
    "fireworks_ai",
    "gemini",
    "groq",
    "mistral",
    "moonshot",
    "nvidia_nim",
    "openrouter",
    "perplexity",
    "replicate",
    "sagemaker",
    "sambanova",
    "together_ai",
    "vertex_ai",
    "vertex_ai_beta",
    "vercel_ai_gateway",
    "watsonx",
];
/// The same for makers who also give weights away under their own name: those say their size.
const MAKERS_WHO_SELL: &[&str] = &["openai", "deepseek", "xai"];
/// Words of a name that say who is behind it, wherever they stand: `azure-prod`, `my-bedrock`.
const BEHIND: &[&str] = &["azure", "bedrock", "vertex", "vertexai", "openrouter", "anthropic", "litellm"];

/// Does the name say that somebody else is asked?
fn is_passed_on(lower: &str) -> bool {
    let first = lower.split_once('/');
    let by_first = first
        .is_some_and(|(first, rest)| RESELLERS.contains(&first) || MAKERS_WHO_SELL.contains(&first) && !is_open(rest));
    by_first || lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| BEHIND.contains(&word))
}

/// Weights that anybody may run: OpenAI's by their name, others' where it says how many billions they are.
fn is_open(rest: &str) -> bool {
    let size = |part: &str| part.strip_suffix('b').is_some_and(|n| !n.is_empty() && n.parse::<f64>().is_ok());
    rest.starts_with("gpt-oss") || rest.split(['-', ':', '_', '/']).any(size)
}

/// Open weights have a price somewhere and run here all the same; closed ones only answer here through a gateway.
fn is_closed(part: &str) -> bool {
    const CLOSED: &[&str] = &[
        "gpt-3",
        "gpt-4",
        "gpt-5",
        "gpt-6",
        "chatgpt",
        "claude",
        "gemini",
        "grok",
        "command-r",
        "command-a",
        "command-light",
        "command-nightly",
        "sonar",
        "nova-",
        "moonshot-",
        "qwen-max",
        "qwen-plus",
        "qwen-turbo",
        "qwen-flash",
        "qwen-long",
        "text-embedding-3",
        "text-embedding-ada",
        "text-davinci",
        "voyage-",
        "deepseek-reasoner",
    ];
    const CLOSED_SHORT: &[&str] = &["o1", "o3", "o4"];
    // what a provider moves to another model whenever it likes is a provider's; Ollama's `:latest` is a part of its own
    const CLOSED_INSIDE: &[&str] = &["-latest", "-versatile", "-instant-"];
    let sizes = |stem: &str, words: &[&str]| {
        part.starts_with(stem) && part.split('-').skip(1).any(|p| words.iter().any(|w| p.starts_with(w)))
    };
    CLOSED.iter().any(|c| part.starts_with(c))
        || CLOSED_SHORT.iter().any(|c| part.strip_prefix(c).is_some_and(|r| r.is_empty() || r.starts_with('-')))
        || CLOSED_INSIDE.iter().any(|c| part.contains(c))
        || part.ends_with("-instant")
        || ["deepseek-chat", "deepseek-flash", "deepseek-v4"].iter().any(|d| part.starts_with(d)) && !is_open(part)
        || sizes("qwen", &["max", "plus", "turbo", "flash"])
        || sizes("qwq", &["plus"])
}

/// Does `id` think before it answers? The catalog's word; of what it does not know names say it: OpenAI's, and those of weights
/// that servers on this machine run.
pub fn reasons(provider: &str, id: &str) -> bool {
    if let Some(known) = find(provider, id) {
        return known.reasoning;
    }
    const THINKERS: &[&str] = &["gpt-5", "gpt-6", "o1", "o3", "o4"];
    let is_here = || provider == OWN || providers::find(provider).is_some_and(|p| p.port.is_some());
    match provider {
        "openai" => !id.contains("-chat") && THINKERS.iter().any(|t| id.starts_with(t)),
        _ => is_here() && thinks(id),
    }
}

/// Weights whose makers say that they think unless they are told not to (their model cards); what is made for code or for
/// instructions alone does not.
fn thinks(id: &str) -> bool {
    const FAMILIES: &[&str] = &["qwen3", "deepseek-r1", "gpt-oss", "qwq", "magistral"];
    let name = id.to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let is_one = name.contains("-thinking") || FAMILIES.iter().any(|family| name.starts_with(family));
    is_one && !["coder", "instruct", "embed", "rerank"].iter().any(|other| name.contains(other))
}

/// The family of `id`: the catalog's, else the name without provider, tag, date and quantisation. `x` and `x:free` are one,
/// and so is `x-2025-08-01`, which servers answer for `x`.
pub fn family(provider: &str, id: &str) -> String {
    let bare_id = bare(id);
    let same = |k: &&Known| k.provider == provider && bare(&k.id) == bare_id;
    if let Some(known) = find(provider, id).or_else(|| KNOWN.iter().find(same)) {
        return known.family.clone();
    }
    bare_id.rsplit('/').next().unwrap_or(&bare_id).to_owned()
}

/// What a name may end with that makes no other model of it.
static TAIL: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
    let date = r"-20\d\d(-\d\d){0,2}|-\d{8}";
    let weights = r"[-.:](q\d\w*|iq\d\w*|fp16|bf16|f16|gguf|awq|gptq)";
    regex::Regex::new(&format!("({date}|{weights}|:free)$")).ok()
});

/// `id` in small letters without tag, date and quantisation.
fn bare(id: &str) -> String {
    let mut name = id.to_ascii_lowercase();
    while let Some(tail) = TAIL.as_ref().and_then(|t| t.find(&name)).filter(|tail| tail.start() > 0) {
        name.truncate(tail.start());
    }
    name
}

/// How strong a model is, 1 to 10: the catalog's word, else from the billions of parameters in its name.
pub fn strength(provider: &str, id: &str) -> u8 {
    if let Some(known) = find(provider, id) {
        return known.strength;
    }
    let lower = id.to_ascii_lowercase();
    let sizes = lower.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == 'b' || c == 'm'));
    let billions = sizes.filter_map(|part| match (part.strip_suffix('b'), part.strip_suffix('m')) {
        (Some(n), _) => n.parse::<f64>().ok(),
        (_, Some(n)) => n.parse::<f64>().ok().map(|n| n / 1000.0),
        _ => None,
    });
    match billions.fold(f64::NAN, f64::max) {
        b if b.is_nan() => 3,
        b if b < 1.0 => 1,
        b if b < 4.0 => 2,
        b if b < 10.0 => 3,
        b if b < 20.0 => 4,
        b if b < 50.0 => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that their providers retired, or will within days of the catalog's date.
    const RETIRED: &[(&str, &str)] = &[
        // 2026-07-24
        ("deepseek", "deepseek-chat"),
        ("deepseek", "deepseek-reasoner"),
        ("deepseek", "deepseek-v4-flash"),
        // 2026-08-16
        ("groq", "llama-3.3-70b-versatile"),
        ("groq", "llama-3.1-8b-instant"),
        // 2026-12-01, from when on others answer for them at another price
        ("gemini", "gemini-2.5-flash"),
        ("gemini", "gemini-2.5-pro"),
        // 2026-12-11
        ("openai", "gpt-5"),
        ("openai", "gpt-5-mini"),
        ("openai", "gpt-5-nano"),
        // 2027-01-14
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4.1"),
        ("openai", "gpt-4.1-mini"),
    ];

    #[test]
    fn the_catalog_is_sound() {
        let all = read(include_str!("catalog.yml")).unwrap();
        assert!(all.len() >= 20);
        for known in &all {
            assert!(super::super::providers::find(&known.provider).is_some(), "{known:?}");
            assert!((1..=10).contains(&known.strength) && known.context >= 8192, "{known:?}");
            // what is given away says so in its name
            assert_eq!(known.free, known.id.ends_with(":free"), "{known:?}");
            assert!(!known.free || known.price.is_none(), "{known:?}");
            let is_retired = |(provider, id): &&(&str, &str)| *provider == known.provider && *id == known.id;
            assert!(RETIRED.iter().find(is_retired).is_none(), "{known:?} is gone");
        }
        for provider in super::super::providers::PROVIDERS.iter().filter(|p| p.key.is_some()) {
            assert!(all.iter().any(|k| k.provider == provider.name), "{} has no line", provider.name);
        }
    }

    #[test]
    fn a_line_with_half_a_price_or_a_price_of_nothing_is_refused() {
        let line = |rest| format!("models: [{{provider: groq, id: x, family: x, context: 9000, strength: 1{rest}}}]");
        for rest in [
            "",
            ", prompt: '1'",
            ", free: true, prompt: '1', answer: '1'",
            ", unpriced: true, prompt: '1', answer: '1'",
            ", unpriced: true, free: true",
            ", prompt: '0', answer: '1'",
            ", size: 1",
        ] {
            assert!(read(&line(rest)).is_err(), "{rest}");
        }
        assert!(read(&line(", prompt: '0.1', answer: '1'")).is_ok());
        let unpriced = read(&line(", unpriced: true")).unwrap();
        assert!(!unpriced[0].free && unpriced[0].price.is_none(), "nobody knows what it costs: it is not free");
    }

    #[test]
    fn an_unknown_price_counts_as_paid() {
        assert_eq!(cloud_tier("openrouter", "qwen/qwen3-coder:free"), Tier::Free);
        assert_eq!(cloud_tier("openrouter", "deepseek/deepseek-v4-flash:free"), Tier::Free);
        for id in [
            "qwen/qwen3-coder",
            "deepseek/deepseek-v4-pro",
            "somebody/new:free",
            "QWEN/qwen3-coder:free",
            "openrouter/auto",
            "",
        ] {
            assert_eq!(cloud_tier("openrouter", id), Tier::Paid, "{id}");
        }
        assert_eq!(cloud_tier("groq", "qwen/qwen3-coder:free"), Tier::Paid);
    }

    #[test]
    fn a_gateway_on_this_machine_is_not_this_machine() {
        for id in [
            "gpt-4o",
            "openai/gpt-4.1",
            "claude-sonnet-4-5",
            "gemini-2.5-pro",
            "gpt-oss:120b-cloud",
            "o3",
            "gpt-6.1-terra",
            "deepseek-chat",
            "deepseek-flash",
            "deepseek-v4-pro",
            "deepseek-reasoner",
            "deepseek/deepseek-v3.1",
            "mistral-large-latest",
            "mistral-small-latest",
            "codestral-latest",
            "qwen-max",
            "qwen-plus-2025-09-11",
            "qwen3-coder-plus",
            "qwen3-max",
            "qwen2.5-max",
            "llama-3.3-70b-versatile",
            "llama-3.1-8b-instant",
            "command-r-plus",
            "sonar-pro",
            "nova-lite",
            "amazon.nova-pro-v1:0",
            "us.anthropic.claude-x",
            "kimi-latest",
            "azure-prod",
            "azure/our-deployment",
            "bedrock/meta.llama3-8b-instruct",
            "vertex_ai/llama-3.1-8b",
            "openrouter/qwen/qwen3-8b",
            "groq/openai/gpt-oss-20b",
            "xai/whatever",
            "openai/whatever",
            "text-embedding-3-small",
        ] {
            assert!(not_local(id).is_some(), "{id}");
        }
        for id in [
            "coder-1.5b",
            "qwen2.5-coder:7b",
            "qwen2.5-coder:latest",
            "Qwen/Qwen2.5-Coder-7B-Instruct",
            "qwen3-30b-a3b",
            "gpt-oss:20b",
            "openai/gpt-oss-20b",
            "openai/gpt-oss:120b",
            "llama3.2",
            "llama3.2:latest",
            "gemma3:4b",
            "deepseek-r1",
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
            "deepseek/deepseek-r1-0528-qwen3-8b",
            "deepseek-coder:6.7b",
            "mistral:7b-instruct",
            "mistralai/Mistral-7B-Instruct-v0.3",
            "codestral:22b",
            "codestral-22b-v0.1",
            "mlx-community/Qwen2.5-Coder-7B-Instruct-4bit",
            "smol-135m",
            "kimi-k2-instruct",
            "model.gguf",
        ] {
            assert!(not_local(id).is_none(), "{id}");
        }
    }

    #[test]
    fn a_model_and_its_free_twin_are_one_family() {
        assert_eq!(family("openrouter", "qwen/qwen3-coder:free"), family("openrouter", "qwen/qwen3-coder"));
        assert_eq!(family("own", "a/b:free"), family("own", "a/b"));
    }

    #[test]
    fn who_answers_under_a_dated_or_quantised_name_is_the_one_who_was_asked() {
        for (provider, asked, answered, same) in [
            ("openrouter", "qwen/qwen3-coder:free", "qwen/qwen3-coder", true),
            ("openrouter", "deepseek/deepseek-chat-v3.1:free", "deepseek/deepseek-chat-v3.1-2025-08-21", true),
            ("openrouter", "openai/gpt-oss-20b:free", "openai/gpt-oss-20b-2025-08", true),
            ("openrouter", "somebody/new:free", "somebody/new-20250801:free", true),
            ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", true),
            ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", true),
            ("llama.cpp", "coder-1.5b", "coder-1.5b-q4_k_m.gguf", true),
            ("llama.cpp", "Coder-1.5B.Q8_0.gguf", "coder-1.5b-fp16", true),
            ("ollama", "coder:7b-q4_K_M", "coder:7b", true),
            ("vllm", "org/coder-7b-AWQ", "org/coder-7b", true),
            ("openrouter", "qwen/qwen3-coder:free", "qwen/qwen3-max", false),
            ("openrouter", "openai/gpt-oss-20b:free", "openai/gpt-oss-120b", false),
            ("openai", "gpt-5", "gpt-4o-mini-2024-07-18", false),
            ("ollama", "coder:7b", "coder:1.5b", false),
            ("llama.cpp", "q4", "2024", false),
        ] {
            assert_eq!(family(provider, asked) == family(provider, answered), same, "{asked} {answered}");
        }
    }

    #[test]
    fn who_thinks_before_it_answers_is_known_by_the_catalog_or_by_its_name() {
        for (provider, id, thinks) in [
            ("openai", "gpt-5", true),
            ("openai", "gpt-5.1", true),
            ("openai", "o3", true),
            ("openai", "gpt-5-chat-latest", false),
            ("openai", "gpt-4o-mini", false),
            ("openai", "gpt-6.9", true),
            ("gemini", "gemini-3.8-flash", true),
            ("openrouter", "deepseek/deepseek-v4-flash:free", true),
            ("groq", "o3", false),
            ("groq", "qwen3-8b", false),
            ("ollama", "qwen3:8b", true),
            ("vllm", "Qwen/Qwen3-30B-A3B-Thinking-2507", true),
            ("own", "DeepSeek-R1-Distill-Qwen-7B", true),
            ("lmstudio", "openai/gpt-oss-20b", true),
            ("ollama", "qwq", true),
            ("llama.cpp", "magistral-small-2509.gguf", true),
            ("mlx", "somebody/new-thinking-4b", true),
            ("ollama", "qwen3-coder:30b", false),
            ("vllm", "Qwen/Qwen3-30B-A3B-Instruct-2507", false),
            ("ollama", "qwen3-embedding:4b", false),
            ("ollama", "qwen2.5-coder:7b", false),
            ("own", "scripted-7b", false),
        ] {
            assert_eq!(reasons(provider, id), thinks, "{id}");
        }
    }

    #[test]
    fn strength_is_guessed_from_the_size_in_the_name() {
        for (id, strong) in
            [("coder-1.5b", 2), ("qwen2.5-coder:7b", 3), ("smol-135m", 1), ("x-70B-instruct", 6), ("mystery", 3)]
        {
            assert_eq!(strength("ollama", id), strong, "{id}");
        }
    }
}
