//! What can be asked now: servers that listen on this machine, and what keys and configuration name.

use std::time::Duration;

use futures::future::join_all;

use super::catalog::{self, Known, Tier};
use super::client::{Client, Endpoint};
use super::gate::{self, Passage};
use super::providers::{self, OWN, Provider};
use super::router::Offer;
use super::settings::Settings;
use super::trouble::Trouble;
use super::wire;
use crate::config::CatalogLine;
use serde_json::Value;

/// A port of this machine either answers at once, or nobody listens.
const KNOCK: Duration = Duration::from_millis(100);
/// Somebody listens: a model server lists its models at once, whatever else it is has this long.
const LOOK: Duration = Duration::from_millis(700);
/// Context of a local server that does not say: what Ollama's is by default.
const UNKNOWN_CONTEXT: u64 = 4096;
/// Turns at the same time for one account of a provider.
const CLOUD_SLOTS: usize = 4;

/// A model that can be asked.
#[derive(Debug, Clone)]
pub struct Usable {
    /// For the router.
    pub offer: Offer,
    /// As its provider calls it.
    pub id: String,
    /// Where.
    pub at: Endpoint,
    /// Who is one and the same behind several names.
    pub family: String,
    /// Turns at the same time.
    pub slots: usize,
    /// The server says how many: else as many are tried as throughput shows to be worth it.
    pub slots_known: bool,
    /// Why it has a price, or none that is known, although one may take it for free.
    pub remark: Option<&'static str>,
    /// The server listed it just now; a cloud's model is not asked for before it is needed.
    pub answered: bool,
    /// What tells these weights from others of the same name, where the server says so.
    pub digest: Option<String>,
}

#[cfg(test)]
impl Usable {
    /// `provider/model` at a server, for tests of what is done with it.
    pub(super) fn sample(name: &str, tier: Tier, base: &str) -> Self {
        let (provider, id) = name.split_once('/').unwrap();
        let provider = *super::providers::find(provider).unwrap();
        let at = Endpoint { provider, base: base.to_owned(), key: None };
        let mut usable = usable(at, id, 9000, 4, false);
        usable.offer = Offer { tier, price: None, strength: 5, thinking: 0, ..usable.offer };
        usable
    }
}

/// Everything that `settings` allow, in their order. Nothing leaves this machine for it, unless the environment's own server is
/// elsewhere.
pub async fn discover(settings: &Settings, client: impl Fn() -> Result<Client, Trouble>) -> Vec<Usable> {
    let mut found: Vec<Usable> = Vec::new();
    if settings.models.iter().any(|m| m == "off") {
        return found;
    }
    if settings.own.is_some() {
        found.extend(own_server(settings, &client).await);
    }
    let mut local = None;
    for word in &settings.models {
        match word.as_str() {
            "local" => {
                if local.is_none() {
                    local = Some(local_servers(settings, &client).await);
                }
                found.extend(local.iter().flatten().cloned());
            }
            "free" | "paid" => {
                let free = word == "free";
                let lines = catalog::all().iter().chain(&settings.added).filter(|k| k.free == free);
                found.extend(lines.filter_map(|k| cloud(settings, &k.provider, &k.id)));
            }
            named => {
                let Some((provider, id)) = named.split_once('/') else { continue };
                if providers::find(provider).is_some_and(|p| p.port.is_some()) {
                    if local.is_none() {
                        local = Some(local_servers(settings, &client).await);
                    }
                    found.extend(local.iter().flatten().filter(|u| u.offer.name == named).cloned());
                } else {
                    found.extend(cloud(settings, provider, id));
                }
            }
        }
    }
    let mut found: Vec<Usable> =
        found.into_iter().map(|u| told(with_added(u, &settings.added), &settings.told)).collect();
    for usable in &mut found {
        usable.offer.named = settings.names(&usable.offer.name);
    }
    let mut names = std::collections::BTreeSet::new();
    found.retain(|u| names.insert(u.offer.name.clone()) && (!settings.free_only || u.offer.tier != Tier::Paid));
    found
}

/// A cloud's model, when its key is there.
fn cloud(settings: &Settings, provider: &str, id: &str) -> Option<Usable> {
    let provider = providers::find(provider).filter(|p| p.port.is_none())?;
    let key = settings.keys.get(provider.name)?.clone();
    let at = Endpoint { provider: *provider, base: provider.base.to_owned(), key: Some(key) };
    let known = catalog::find(provider.name, id);
    let context = known.map_or(catalog::UNKNOWN_CLOUD_CONTEXT, |k| k.context);
    let mut usable = usable(at, id, context, CLOUD_SLOTS, false);
    usable.offer.price = known.and_then(|k| k.price);
    Some(usable)
}

/// What the configuration adds to what is known of a model. It can give it a price, and so make it paid; it can't take one
/// away from the tier, which the gate knows by itself.
fn with_added(mut usable: Usable, added: &[Known]) -> Usable {
    let provider = usable.at.provider.name;
    if let Some(known) = added.iter().find(|k| k.provider == provider && k.id == usable.id) {
        usable.offer.price = known.price;
        usable.offer.tier = Tier::Paid;
        (usable.offer.context, usable.offer.strength) = (known.context, known.strength);
        usable.offer.thinking = thinking(known.reasoning, usable.offer.tier);
        usable.offer.family.clone_from(&known.family);
        usable.family.clone_from(&known.family);
    }
    usable
}

/// What the configuration says of a model on this machine. Nothing of it touches tier or price, and of others it says nothing.
fn told(mut usable: Usable, lines: &[CatalogLine]) -> Usable {
    let is_it = |line: &&CatalogLine| line.provider == usable.at.provider.name && line.id == usable.id;
    if let Some(line) = lines.iter().find(is_it).filter(|_| usable.offer.tier == Tier::Local) {
        let strength = line.strength.and_then(|n| u8::try_from(n).ok());
        usable.offer.context = line.context.unwrap_or(usable.offer.context);
        usable.offer.strength = strength.unwrap_or(usable.offer.strength);
        usable.offer.thinking = line.reasoning.map_or(usable.offer.thinking, |reasons| thinking(reasons, Tier::Local));
        if let Some(family) = &line.family {
            usable.offer.family.clone_from(family);
            usable.family.clone_from(family);
        }
    }
    usable
}

/// Where a provider is asked: its own address with its key, a port of this machine, the environment's own server.
pub(super) fn endpoint(settings: &Settings, provider: &str) -> Option<Endpoint> {
    if provider == OWN {
        let base = own_addresses(settings).next()?;
        return Some(Endpoint { provider: own(), base, key: settings.own_key.clone() });
    }
    let provider = providers::find(provider)?;
    match provider.port {
        None => {
            let key = settings.keys.get(provider.name)?.clone();
            Some(Endpoint { provider: *provider, base: provider.base.to_owned(), key: Some(key) })
        }
        Some(usual) => {
            let said = settings.ports.as_ref().map(|p| p.iter().find(|(name, _)| name == provider.name).map(|p| p.1));
            let port = said.unwrap_or(Some(usual))?;
            Some(Endpoint { provider: *provider, base: format!("http://127.0.0.1:{port}/v1"), key: None })
        }
    }
}

/// The environment's own server, of which nothing is known.
fn own() -> Provider {
    Provider::usual(OWN, "")
}

/// Tokens that a model may think before it answers, when it does.
fn thinking(reasons: bool, tier: Tier) -> u64 {
    let room = if tier == Tier::Local { wire::THINKING_HERE } else { wire::THINKING };
    if reasons { u64::from(room) } else { 0 }
}

fn usable(at: Endpoint, id: &str, context: u64, slots: usize, answered: bool) -> Usable {
    let provider = at.provider.name;
    let url = format!("{}{}", at.base, wire::path(at.provider.dialect));
    let tier = gate::tier(&Passage { url: &url, model: Some(id) });
    let strength = catalog::strength(provider, id);
    let (name, family) = (format!("{provider}/{id}"), catalog::family(provider, id));
    let thinking = thinking(catalog::reasons(provider, id), tier);
    let (price, left, back) = (None, None, None);
    let named = false;
    let offer = Offer { name, family: family.clone(), tier, price, context, strength, thinking, named, left, back };
    let (slots_known, remark) = (true, gate::why_elsewhere(&at.base));
    Usable { offer, id: id.to_owned(), family, at, slots, slots_known, remark, answered, digest: None }
}

/// The addresses that `KAIZEN_MODEL_URL` names, without the slash at the end.
fn own_addresses(settings: &Settings) -> impl Iterator<Item = String> + '_ {
    let all = settings.own.iter().flat_map(|own| own.split(','));
    all.map(|base| base.trim().trim_end_matches('/').to_owned()).filter(|base| !base.is_empty())
}

async fn own_server(settings: &Settings, client: &impl Fn() -> Result<Client, Trouble>) -> Vec<Usable> {
    let (Some(first), Ok(client)) = (endpoint(settings, OWN), client()) else { return Vec::new() };
    // several, separated by commas: a council needs more than one model
    let lists = own_addresses(settings).map(|base| listed(&client, Endpoint { base, ..first.clone() }));
    let mut found: Vec<Usable> = join_all(lists).await.into_iter().flatten().collect();
    // in free mode what somebody says is not enough
    if settings.own_costs_nothing && !settings.free_only {
        for usable in found.iter_mut().filter(|u| u.offer.tier == Tier::Paid) {
            (usable.offer.tier, usable.remark) = (Tier::Free, None);
        }
    }
    found
}

/// Addresses of the environment's own server where no model was found, without what may be a password in them.
pub fn silent(settings: &Settings, found: &[Usable]) -> Vec<String> {
    if settings.models.iter().any(|m| m == "off") {
        return Vec::new();
    }
    let is_silent = |base: &String| !found.iter().any(|u| u.at.provider.name == OWN && u.at.base == *base);
    own_addresses(settings).filter(is_silent).map(|base| gate::without_login(&base)).collect()
}

/// How it is said that nobody is there: in free mode somebody may be, whom nobody may ask.
pub fn nobody(settings: &Settings) -> &'static str {
    if settings.free_only { "free mode: nobody who costs nothing answers at" } else { "nobody answers at" }
}

/// What the configuration names and nobody can ask, and why: no key is there, or no server answers.
pub fn missing(settings: &Settings, found: &[Usable]) -> Vec<(String, String)> {
    if settings.models.iter().any(|m| m == "off") {
        return Vec::new();
    }
    let own = |base| (OWN.to_owned(), format!("{} {base}", nobody(settings)));
    let mut out: Vec<(String, String)> = silent(settings, found).into_iter().map(own).collect();
    let roles = settings.roles.values().chain(settings.strategies.values().map(|t| &t.models)).flatten();
    for named in settings.models.iter().chain(roles) {
        if let Some(why) = why_missing(settings, named, found)
            && !out.iter().any(|(name, _)| name == named)
        {
            out.push((named.clone(), why));
        }
    }
    out
}

fn why_missing(settings: &Settings, named: &str, found: &[Usable]) -> Option<String> {
    let has = |of: &dyn Fn(&Usable) -> bool| found.iter().any(of);
    let no_key = |p: &Provider| p.key.filter(|_| !settings.keys.contains_key(p.name));
    match (named, named.split_once('/')) {
        ("free", _) if !has(&|u| u.offer.tier == Tier::Free) => Some("no key: set OPENROUTER_API_KEY".to_owned()),
        ("paid", _) if settings.free_only => Some("free mode: nothing with a price is asked".to_owned()),
        ("paid", _) if !has(&|u| u.offer.tier == Tier::Paid) => {
            let keys: Vec<&str> = providers::PROVIDERS.iter().filter_map(|p| p.key).collect();
            Some(format!("no key: set one of {}", keys.join(", ")))
        }
        (_, Some((provider, _))) if !has(&|u| u.offer.name == named) => match providers::find(provider) {
            Some(known) if no_key(known).is_some() => Some(format!("no key: set {}", no_key(known)?)),
            Some(known) if known.port.is_some() => Some("no server on this machine lists it".to_owned()),
            Some(_) if settings.free_only => Some("free mode: it has a price, or its price is not known".to_owned()),
            Some(_) => Some("`models` does not let it in: add it there, or its tier".to_owned()),
            None if settings.own.is_none() => Some("KAIZEN_MODEL_URL is not set".to_owned()),
            None => Some("the server at KAIZEN_MODEL_URL does not list it".to_owned()),
        },
        _ => None,
    }
}

/// The servers that listen on the usual ports, or on those that the environment names.
async fn local_servers(settings: &Settings, client: &impl Fn() -> Result<Client, Trouble>) -> Vec<Usable> {
    let usual = || providers::PROVIDERS.iter().filter_map(|p| Some((p, p.port?))).collect();
    let named = |ports: &Vec<(String, u16)>| {
        ports.iter().filter_map(|(name, port)| Some((providers::find(name)?, *port))).collect()
    };
    let locals: Vec<(&Provider, u16)> = settings.ports.as_ref().map_or_else(usual, named);
    let mut ports: Vec<u16> = locals.iter().map(|l| l.1).collect();
    ports.sort_unstable();
    ports.dedup();
    let open = join_all(ports.iter().map(|port| async move { knock(*port).await.then_some(*port) })).await;
    let open: Vec<u16> = open.into_iter().flatten().collect();
    if open.is_empty() {
        // no TLS is set up, no key chain read, when there is nobody to talk to
        return Vec::new();
    }
    let Ok(client) = client() else { return Vec::new() };
    let servers = open.iter().filter_map(|port| locals.iter().find(|l| l.1 == *port));
    let lists = servers.map(|(provider, port)| {
        let at = Endpoint { provider: **provider, base: format!("http://127.0.0.1:{port}/v1"), key: None };
        listed(&client, at)
    });
    let mut found: Vec<Usable> = join_all(lists).await.into_iter().flatten().collect();
    for usable in found.iter_mut().filter(|u| u.at.provider.name == "ollama") {
        usable.slots = settings.ollama_slots.unwrap_or(usable.slots);
        usable.slots_known |= settings.ollama_slots.is_some();
    }
    found
}

async fn knock(port: u16) -> bool {
    let connect = tokio::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port));
    matches!(tokio::time::timeout(KNOCK, connect).await, Ok(Ok(_)))
}

/// Ollama's digest of the weights; of llama.cpp the numbers of its file (`meta`: size, parameters, vocabulary).
fn digest(model: &Value, tags: Option<&Value>, id: &str) -> Option<String> {
    let named = |tag: &&Value| tag["name"] == *id || tag["model"] == *id;
    let tag = tags.and_then(|t| t["models"].as_array()?.iter().find(named));
    if let Some(digest) = tag.and_then(|t| t["digest"].as_str()) {
        return Some(digest.chars().take(80).collect());
    }
    let number = |name: &str| model["meta"][name].as_u64();
    let numbers = [number("size")?, number("n_params").unwrap_or(0), number("n_vocab").unwrap_or(0)];
    Some(numbers.map(|n| n.to_string()).join("-"))
}

/// What the server at `at` says it has; nothing when it is no model server.
async fn listed(client: &Client, mut at: Endpoint) -> Vec<Usable> {
    let Ok(list) = client.look(&at, "/models", LOOK).await else { return Vec::new() };
    let Some(models) = list["data"].as_array() else { return Vec::new() };
    let root = Endpoint { base: at.base.trim_end_matches("/v1").to_owned(), ..at.clone() };
    let props = match at.provider.name {
        "llama.cpp" | OWN => client.look(&root, "/props", LOOK).await.ok(),
        _ => None,
    };
    // Ollama tells what a name stands for today on its own interface only
    let tags = match at.provider.name {
        "ollama" => client.look(&root, "/api/tags", LOOK).await.ok(),
        _ => None,
    };
    let props = props.filter(|p| p["total_slots"].is_u64() || p["default_generation_settings"].is_object());
    if at.provider.name == "llama.cpp"
        && props.is_none()
        && let Some(mlx) = providers::find("mlx")
    {
        at.provider = *mlx;
    }
    client.nature(&at, LOOK).await;
    let number = |v: &serde_json::Value| v.as_u64().filter(|n| *n > 0);
    let said = props.as_ref().and_then(|p| number(&p["total_slots"]));
    let slots = said.unwrap_or(1);
    let context = props.as_ref().and_then(|p| number(&p["default_generation_settings"]["n_ctx"]));
    let of = |model: &serde_json::Value| {
        let id =
            model["id"].as_str().filter(|id| !id.is_empty() && id.len() < 300 && !id.contains(char::is_control))?;
        // embedders answer no question
        if id.to_ascii_lowercase().contains("embed") {
            return None;
        }
        let context = context.or(number(&model["max_model_len"])).or(number(&model["context_length"]));
        let slots = usize::try_from(slots).unwrap_or(1).clamp(1, 64);
        let digest = digest(model, tags.as_ref(), id);
        let listed = usable(at.clone(), id, context.unwrap_or(UNKNOWN_CONTEXT), slots, true);
        let mut listed = Usable { digest, slots_known: said.is_some(), ..listed };
        if let Some(why) = client.costs(&at, id).filter(|_| listed.offer.tier == Tier::Local) {
            (listed.offer.tier, listed.remark) = (Tier::Paid, Some(why));
        }
        Some(listed)
    };
    models.iter().take(100).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::catalog::Known;
    use super::super::profiles::{self, Job};
    use super::super::router::{self, Evidence, Need};
    use super::super::{Role, Secret};
    use super::*;

    fn word() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "free",
            "paid",
            "openrouter/qwen/qwen3-coder:free",
            "openrouter/qwen/qwen3-coder",
            "openrouter/somebody/new:free",
            "openrouter/auto",
            "openai/gpt-5",
            "anthropic/claude-sonnet-4-5",
            "groq/qwen/qwen3-coder:free",
            "deepseek/deepseek-chat",
            "own/gpt-4o",
            "own/deepseek-chat",
            "own/azure-prod",
            "vllm/mistral-large-latest",
            "ollama/codestral-latest",
            "lmstudio/qwen-max",
            "mistral/codestral-latest",
            "deepseek/deepseek-reasoner",
            "groq/llama-3.3-70b-versatile",
            "nobody/x",
            "",
        ])
        .prop_map(str::to_owned)
    }

    fn line() -> impl Strategy<Value = CatalogLine> {
        let price = prop::option::of("0\\.[0-9]{1,3}");
        (prop::sample::select(vec!["openrouter", "openai", "own", "groq"]), word(), price).prop_map(
            |(provider, id, price)| CatalogLine {
                provider: provider.to_owned(),
                id: id.split_once('/').map_or(id.clone(), |(_, id)| id.to_owned()),
                family: None,
                context: Some(1_000_000),
                strength: Some(10),
                reasoning: None,
                prompt: price.clone(),
                answer: price,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn no_configuration_makes_free_mode_offer_or_choose_a_model_with_a_price(
            models in prop::collection::vec(word(), 0..6),
            roles in prop::collection::vec(word(), 0..4),
            lines in prop::collection::vec(line(), 0..4),
        ) {
            let key = Secret::new("key-of-everybody").unwrap();
            let settings = Settings {
                models,
                free_only: true,
                keys: providers::PROVIDERS.iter().map(|p| (p.name, key.clone())).collect(),
                added: lines.iter().filter_map(Known::added).collect(),
                told: lines.iter().filter(|line| line.is_unpriced()).cloned().collect(),
                ..Settings::default()
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let found = runtime.block_on(discover(&settings, || Client::new(true)));
            for usable in &found {
                let url = format!("{}{}", usable.at.base, wire::path(usable.at.provider.dialect));
                let let_out = gate::permit(&Passage { url: &url, model: Some(&usable.id) });
                prop_assert!(usable.offer.price.is_none() && let_out.is_ok(), "{}", usable.offer.name);
            }
            let offers: Vec<Offer> = found.iter().map(|u| u.offer.clone()).collect();
            let need = Need {
                role: Role::Fix,
                prompt_tokens: 10,
                prompt_most: 10,
                answer_tokens: 10,
                evidence: Some(Evidence::ModelFreeDone),
                models: profiles::named(Job::Fix, &roles, &settings.models, &offers),
                not_families: Vec::new(),
            };
            if let Some(chosen) = router::route(&need, &offers).chosen {
                prop_assert!(offers[chosen].tier != Tier::Paid);
            }
        }
    }
}
