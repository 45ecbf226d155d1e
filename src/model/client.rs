//! The client: the only place where a request to a model leaves the process. The gate is asked for every one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::{self, Next};
use super::catalog::Tier;
use super::gate::{self, Passage};
use super::money::Money;
use super::nature::{self, Nature, Natures};
use super::providers::{Dialect, Provider};
use super::trouble::Trouble;
use super::wire::{self, Answer, Manner, Stream};
use super::{Enough, Secret, Turn};
use crate::mask::Mask;

/// An answer is never larger than this; more is not read.
pub const BODY_CAP_BYTES: usize = 1024 * 1024;
/// A stream says every few letters in some hundred bytes: of what is read this much is the most.
const STREAM_CAP_BYTES: usize = 32 * 1024 * 1024;
/// Between two parts of a stream a model may think this long.
const STALL: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// Of a server's words about an error, this much is kept.
const WORDS_BYTES: usize = 200;

/// Where a model is asked.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Who it is.
    pub provider: Provider,
    /// The base of its addresses: the provider's own, or a server's that the environment names.
    pub base: String,
    /// The key.
    pub key: Option<Secret>,
}

/// Speaks HTTP. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    /// For the world, through the proxy that the environment names.
    world: reqwest::Client,
    /// For this machine: past any proxy, which would be somewhere else.
    here: reqwest::Client,
    free_only: bool,
    stall: Duration,
    /// What is known of servers on this machine.
    natures: Natures,
}

/// A server on this machine may be silent so many times longer.
const STALL_HERE: u32 = 4;

/// Who is asked, and how.
#[derive(Debug, Clone, Copy)]
pub struct Whom<'a> {
    /// Where.
    pub at: &'a Endpoint,
    /// As the provider calls it.
    pub model: &'a str,
    /// What it likes.
    pub manner: Manner,
}

/// What `localhost` means; the port is the address's own.
const LOCALHOST: [SocketAddr; 2] =
    [SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0)];

/// A server on this machine says what it is at once, unless it has a lot to do.
const NATURE_LIMIT: Duration = Duration::from_secs(4);

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// The answer, or the last trouble.
    pub result: Result<Answer, Trouble>,
    /// Requests that left the process.
    pub sent: u32,
    /// The model refused a schema, and answered without one.
    pub plain: bool,
    /// The model refused tools, and answered without them.
    pub toolless: bool,
    /// The model refused to be told how much to think, and answered without it.
    pub effortless: bool,
    /// How long the last request was on its way.
    pub took: Duration,
}

/// How one request ended, for whoever counts what it cost.
#[derive(Debug)]
pub enum End<'a> {
    /// With an answer.
    Answered(&'a Answer),
    /// The server said no, or was never reached: no model was asked.
    Refused(&'a Trouble),
    /// Some other way: it may have been answered, and billed.
    Unknown(&'a Trouble),
}

/// What a request needs before it may leave, one ticket for each.
pub trait Toll: Sync {
    /// Held while the request is on its way; dropped (the future was), nobody knows how it ended.
    type Ticket: Send;
    /// For one more request, within `left`; nothing is sent without it.
    fn ticket(&self, left: Duration) -> impl Future<Output = Result<Self::Ticket, Trouble>> + Send;
    /// How it ended.
    fn settle(&self, ticket: Self::Ticket, end: End<'_>) -> impl Future<Output = ()> + Send;
}

/// Nothing is counted.
impl Toll for () {
    type Ticket = ();
    async fn ticket(&self, _left: Duration) -> Result<(), Trouble> {
        Ok(())
    }
    async fn settle(&self, (): (), _end: End<'_>) {}
}

/// One request on its way.
struct Way<T> {
    ticket: Option<T>,
    began: Instant,
    /// The server began to answer.
    answering: bool,
}

impl Client {
    /// A client that never follows a redirect; with `free_only` it lets nothing out that has a price.
    ///
    /// # Errors
    /// When no TLS can be set up.
    pub fn new(free_only: bool) -> Result<Self, Trouble> {
        let built = |builder: reqwest::ClientBuilder| builder.build().map_err(|_| Trouble::Unreachable);
        let plain = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT)
                .user_agent(concat!("kaizen-ci/", env!("CARGO_PKG_VERSION")))
        };
        // this name is trusted, so no file or name server has a say in what it means
        let here = plain().no_proxy().resolve_to_addrs("localhost", &LOCALHOST);
        Ok(Self { world: built(plain())?, here: built(here)?, free_only, stall: STALL, natures: Natures::default() })
    }

    fn http(&self, url: &str) -> &reqwest::Client {
        let here = reqwest::Url::parse(url).is_ok_and(|url| gate::is_this_machine(&url));
        if here { &self.here } else { &self.world }
    }

    /// The same with another patience for streams that stop, for tests.
    pub fn with_stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Asks, again after troubles that pass and once without tools or a schema after a refusal of them, until the turn's deadline or
    /// `cancel`. Every request pays its own `toll`.
    pub async fn ask(&self, mut whom: Whom<'_>, turn: &Turn, cancel: &CancellationToken, toll: &impl Toll) -> Asked {
        let deadline = Instant::now() + turn.deadline;
        let (mut sent, was) = (0, whom.manner);
        loop {
            let mut way = Way { ticket: None, began: Instant::now(), answering: false };
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Trouble::Cancelled),
                once = tokio::time::timeout_at(deadline, self.once(whom, turn, toll, deadline, &mut way)) => {
                    once.unwrap_or(Err(Trouble::TimedOut))
                }
            };
            let took = way.began.elapsed();
            if let Some(ticket) = way.ticket.take() {
                sent += 1;
                let end = match &result {
                    Ok(answer) => End::Answered(answer),
                    Err(trouble) if !way.answering && trouble.is_free_of_charge() => End::Refused(trouble),
                    Err(trouble) => End::Unknown(trouble),
                };
                toll.settle(ticket, end).await;
            }
            let Manner { plain, toolless, effortless, .. } = whom.manner;
            let trouble = match result {
                Ok(_) => {
                    let (plain, toolless) = (plain && !was.plain, toolless && !was.toolless);
                    let effortless = effortless && !was.effortless;
                    return Asked { result, sent, plain, toolless, effortless, took };
                }
                Err(trouble) => trouble,
            };
            if let Some(simpler) = simpler(&whom, turn, &trouble) {
                whom.manner = simpler;
                continue;
            }
            let (plain, toolless, effortless) = (false, false, false);
            let over = |trouble| Asked { result: Err(trouble), sent, plain, toolless, effortless, took };
            let left = deadline.saturating_duration_since(Instant::now());
            match backoff::next(&trouble, sent, left, fastrand::f64()) {
                Next::GiveUp => return over(trouble),
                Next::Wait(wait) => tokio::select! {
                    () = cancel.cancelled() => return over(Trouble::Cancelled),
                    () = tokio::time::sleep(wait) => {}
                },
            }
        }
    }

    async fn once<T: Toll>(
        &self,
        whom: Whom<'_>,
        turn: &Turn,
        toll: &T,
        deadline: Instant,
        way: &mut Way<T::Ticket>,
    ) -> Result<Answer, Trouble> {
        let Whom { at, model, manner } = whom;
        let url = format!("{}{}", at.base, wire::path(at.provider.dialect));
        self.permit(&url, Some(model))?;
        let body = serde_json::to_vec(&wire::body(&at.provider, model, turn, manner, true))
            .map_err(|_| Trouble::Malformed { what: "our own request".into() })?;
        let request = self.http(&url).post(&url).header("content-type", "application/json").body(body);
        self.permit_here(at, &url, model).await?;
        way.ticket = Some(toll.ticket(deadline.saturating_duration_since(Instant::now())).await?);
        way.began = Instant::now();
        let response = self.send(at, &url, Some(model), request).await?;
        way.answering = true;
        let answer = self.read(at, response, turn.enough).await?;
        if self.free_only && answer.cost.is_some_and(|cost| cost > Money::ZERO) {
            // once was a mistake of the catalog's; asking it again would be ours
            self.natures.billed(&at.base, model);
        }
        wire::usable(&answer)?;
        if let Some(answered) = answer.model.as_ref().filter(|_| self.free_only) {
            // a server that lets another model answer may bill it: once is a mistake, asking it again would be ours
            let passage = Passage { url: &url, model: Some(answered) };
            let here = gate::tier(&passage) == super::catalog::Tier::Local;
            if !here
                && super::catalog::family(at.provider.name, answered) != super::catalog::family(at.provider.name, model)
            {
                return Err(Trouble::OtherModel { answered: shown(answered) });
            }
        }
        Ok(answer)
    }

    fn permit(&self, url: &str, model: Option<&str>) -> Result<(), Trouble> {
        if self.free_only {
            gate::permit(&Passage { url, model }).map_err(|why| Trouble::NotFree { why })?;
        }
        Ok(())
    }

    /// In free mode the server on this machine that is to be asked is looked at first: what it lists may run elsewhere.
    async fn permit_here(&self, at: &Endpoint, url: &str, model: &str) -> Result<(), Trouble> {
        if !self.free_only {
            return Ok(());
        }
        if gate::tier(&Passage { url, model: Some(model) }) == Tier::Local && !self.nature(at, NATURE_LIMIT).await {
            let why = format!("{model} is not sent anything: the server does not say in time what it is");
            return Err(Trouble::NotFree { why });
        }
        match self.natures.costs(&at.base, model) {
            Some(why) => Err(Trouble::NotFree { why: format!("{model} is not sent anything: {why}") }),
            None => Ok(()),
        }
    }

    /// Looks once at what the server is, beside a list of models; asks no model anything. False: it did not say it in time.
    pub async fn nature(&self, at: &Endpoint, limit: Duration) -> bool {
        if self.natures.is_known(&at.base) {
            return true;
        }
        let root = Endpoint { base: at.base.trim_end_matches("/v1").to_owned(), ..at.clone() };
        let (alive, tags) =
            tokio::join!(self.text_of(&root, "/health/liveliness", limit), self.look(&root, "/api/tags", limit));
        if alive == Err(Trouble::TimedOut) || tags == Err(Trouble::TimedOut) {
            return false;
        }
        self.natures.learn(&at.base, Nature::of(alive.ok().as_deref(), tags.ok().as_ref()));
        true
    }

    /// Why asking `model` at `at` may cost something although the server is on this machine, as far as is known by now.
    pub fn costs(&self, at: &Endpoint, model: &str) -> Option<&'static str> {
        self.natures.costs(&at.base, model)
    }

    async fn text_of(&self, at: &Endpoint, path: &str, limit: Duration) -> Result<String, Trouble> {
        let url = format!("{}{path}", at.base);
        let request = self.http(&url).get(&url);
        let asked = async {
            let response = self.send(at, &url, None, request).await?;
            Ok(self.words(at, response).await)
        };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(Trouble::TimedOut))
    }

    /// The gate, then the wire: nothing else in this crate's model room sends anything.
    async fn send(
        &self,
        at: &Endpoint,
        url: &str,
        model: Option<&str>,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, Trouble> {
        self.permit(url, model)?;
        let request = match (&at.key, at.provider.dialect) {
            (None, _) => request,
            (Some(key), Dialect::OpenAi) => request.bearer_auth(key.reveal()),
            (Some(key), Dialect::Anthropic) => {
                request.header("x-api-key", key.reveal()).header("anthropic-version", "2023-06-01")
            }
        };
        let response = request.send().await.map_err(|error| trouble_of(&error))?;
        if response.headers().keys().any(|name| nature::is_gateway_header(name.as_str())) {
            self.natures.is_gateway(&at.base);
        }
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let now = SystemTime::now();
        let exact = header("retry-after-ms").and_then(|text| backoff::retry_after_ms(&text));
        let after = exact.or_else(|| header("retry-after").and_then(|text| backoff::retry_after(&text, now)));
        // the end of a window says when to come back only to whom the window is closed
        let reset = header("x-ratelimit-reset").filter(|_| status == 429);
        let after = after.or_else(|| reset.and_then(|text| backoff::reset(&text, now)));
        let words = self.words(at, response).await;
        Err(Trouble::of_status(status, after, &words).unwrap_or(Trouble::ServerFailed { status, after }))
    }

    /// The beginning of a server's words about an error, on one line; it may repeat our key.
    async fn words(&self, at: &Endpoint, mut response: reqwest::Response) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < WORDS_BYTES * 4 {
            match tokio::time::timeout(Duration::from_secs(2), response.chunk()).await {
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let mask = Mask::new(at.key.iter().map(Secret::reveal));
        let covered = mask.cover(&text);
        let line: String = covered.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(WORDS_BYTES).collect()
    }

    async fn read(
        &self,
        at: &Endpoint,
        mut response: reqwest::Response,
        enough: Option<Enough>,
    ) -> Result<Answer, Trouble> {
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let dialect = at.provider.dialect;
        let mut stream = kind.starts_with("text/event-stream").then(|| Stream::new(dialect));
        let most = if stream.is_some() { STREAM_CAP_BYTES } else { BODY_CAP_BYTES };
        let mut whole = Vec::new();
        let mut total = 0;
        // a server here reads the whole prompt before its first word, on processors that others want, too
        let here = reqwest::Url::parse(&at.base).is_ok_and(|url| gate::is_this_machine(&url));
        let patience = if here { self.stall * STALL_HERE } else { self.stall };
        loop {
            let chunk = tokio::time::timeout(patience, response.chunk()).await.map_err(|_| Trouble::Stalled)?;
            let Some(chunk) = chunk.map_err(|error| trouble_of(&error))? else { break };
            total += chunk.len();
            if total > most {
                return Err(Trouble::TooLarge);
            }
            match &mut stream {
                Some(stream) => {
                    stream.take(&chunk)?;
                    if stream.size() > BODY_CAP_BYTES {
                        return Err(Trouble::TooLarge);
                    }
                    if stream.done {
                        break;
                    }
                    if enough.is_some_and(|e| e.is_met(&stream.answer.content)) {
                        // closing the connection stops the model
                        stream.cut();
                        break;
                    }
                }
                None => whole.extend_from_slice(&chunk),
            }
        }
        match stream {
            Some(stream) => stream.finish(),
            None => wire::read(dialect, &whole),
        }
    }

    /// The vector of `text`, as the server's model makes it.
    ///
    /// # Errors
    /// As for a turn; `limit` is for all of it.
    pub async fn embed(&self, at: &Endpoint, model: &str, text: &str, limit: Duration) -> Result<Vec<f32>, Trouble> {
        let url = format!("{}/embeddings", at.base);
        let body = serde_json::json!({"model": model, "input": text}).to_string();
        let request = self.http(&url).post(&url).header("content-type", "application/json").body(body);
        let asked = async {
            self.permit_here(at, &url, model).await?;
            self.document(self.send(at, &url, Some(model), request).await?).await
        };
        let answer = tokio::time::timeout(limit, asked).await.unwrap_or(Err(Trouble::TimedOut))?;
        let numbers = answer["data"][0]["embedding"].as_array();
        let vector: Option<Vec<f32>> = numbers.and_then(|n| n.iter().map(|x| Some(x.as_f64()? as f32)).collect());
        let sound = |v: &Vec<f32>| !v.is_empty() && v.len() <= 8192 && v.iter().all(|x| x.is_finite());
        vector.filter(sound).ok_or_else(|| Trouble::Malformed { what: "no `embedding`".into() })
    }

    async fn document(&self, mut response: reqwest::Response) -> Result<serde_json::Value, Trouble> {
        let mut whole = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| trouble_of(&error))? {
            whole.extend_from_slice(&chunk);
            if whole.len() > BODY_CAP_BYTES {
                return Err(Trouble::TooLarge);
            }
        }
        serde_json::from_slice(&whole).map_err(|_| Trouble::Malformed { what: "not JSON".into() })
    }

    /// A small JSON document of a server: its models, its slots.
    ///
    /// # Errors
    /// As for a turn; `limit` is for all of it.
    pub async fn look(&self, at: &Endpoint, path: &str, limit: Duration) -> Result<serde_json::Value, Trouble> {
        let url = format!("{}{path}", at.base);
        let request = self.http(&url).get(&url);
        let asked = async { self.document(self.send(at, &url, None, request).await?).await };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(Trouble::TimedOut))
    }
}

/// A way to ask the same with less than what was refused: some models of a provider take tools and a schema, others don't. For
/// OpenRouter a model that takes no tools is not found.
fn simpler(whom: &Whom<'_>, turn: &Turn, trouble: &Trouble) -> Option<Manner> {
    let manner = whom.manner;
    let refused = matches!(trouble, Trouble::BadRequest { status: 400 | 422, .. });
    if manner.thinking > 0 && !manner.effortless && refuses_effort(trouble) {
        return Some(Manner { effortless: true, ..manner });
    }
    if !turn.tools.is_empty() && !manner.toolless && (refused || *trouble == Trouble::Gone) {
        return Some(Manner { toolless: true, ..manner });
    }
    // the prompt says it, too
    let with_schema = turn.schema.is_some() && whom.at.provider.schema && !manner.plain;
    (with_schema && refused).then_some(Manner { plain: true, ..manner })
}

/// Does the server say that it does not want to be told how much to think? OpenAI, Ollama and others name the field.
fn refuses_effort(trouble: &Trouble) -> bool {
    let Trouble::BadRequest { status: 400 | 422, what } = trouble else { return false };
    let what = what.to_ascii_lowercase();
    ["effort", "reasoning", "think"].iter().any(|word| what.contains(word))
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn trouble_of(error: &reqwest::Error) -> Trouble {
    if error.is_connect() {
        Trouble::Unreachable
    } else if error.is_timeout() {
        Trouble::TimedOut
    } else if error.is_redirect() {
        Trouble::Redirected
    } else {
        Trouble::Reset
    }
}
