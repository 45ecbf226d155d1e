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
use super::wire::{self, Answer, Stream};
use super::{Enough, Secret, Turn};
use crate::mask::Mask;

/// An answer is never larger than this; more is not read.
pub const BODY_CAP_BYTES: usize = 1024 * 1024;
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

    /// Asks `model`, again after troubles that pass, until the turn's deadline or `cancel`.
    pub async fn ask(&self, at: &Endpoint, model: &str, turn: &Turn, cancel: &CancellationToken) -> Asked {
        let deadline = Instant::now() + turn.deadline;
        let mut sent = 0;
        loop {
            let once = tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Trouble::Cancelled),
                once = tokio::time::timeout_at(deadline, self.once(at, model, turn, &mut sent)) => {
                    once.unwrap_or(Err(Trouble::TimedOut))
                }
            };
            let trouble = match once {
                Ok(answer) => return Asked { result: Ok(answer), sent },
                Err(trouble) => trouble,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match backoff::next(&trouble, sent, left, fastrand::f64()) {
                Next::GiveUp => return Asked { result: Err(trouble), sent },
                Next::Wait(wait) => tokio::select! {
                    () = cancel.cancelled() => return Asked { result: Err(Trouble::Cancelled), sent },
                    () = tokio::time::sleep(wait) => {}
                },
            }
        }
    }

    async fn once(&self, at: &Endpoint, model: &str, turn: &Turn, sent: &mut u32) -> Result<Answer, Trouble> {
        let stream = at.provider.dialect == Dialect::OpenAi;
        let url = format!("{}{}", at.base, wire::path(at.provider.dialect));
        let body = serde_json::to_vec(&wire::body(&at.provider, model, turn, stream))
            .map_err(|_| Trouble::Malformed { what: "our own request".into() })?;
        let request = self.http(&url).post(&url).header("content-type", "application/json").body(body);
        self.permit_here(at, &url, model).await?;
        let response = self.send(at, &url, Some(model), request, sent).await?;
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
            let response = self.send(at, &url, None, request, &mut 0).await?;
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
        sent: &mut u32,
    ) -> Result<reqwest::Response, Trouble> {
        if self.free_only {
            gate::permit(&Passage { url, model }).map_err(|why| Trouble::NotFree { why })?;
        }
        let request = match (&at.key, at.provider.dialect) {
            (None, _) => request,
            (Some(key), Dialect::OpenAi) => request.bearer_auth(key.reveal()),
            (Some(key), Dialect::Anthropic) => {
                request.header("x-api-key", key.reveal()).header("anthropic-version", "2023-06-01")
            }
        };
        *sent += 1;
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
        let after = header("retry-after").and_then(|text| backoff::retry_after(&text, now));
        let after = after.or_else(|| header("x-ratelimit-reset").and_then(|text| backoff::reset(&text, now)));
        let words = self.words(at, response).await;
        Err(Trouble::of_status(status, after, &words).unwrap_or(Trouble::ServerFailed { status }))
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
        let mut stream = kind.starts_with("text/event-stream").then(Stream::default);
        let mut whole = Vec::new();
        let mut total = 0;
        // a server here reads the whole prompt before its first word, on processors that others want, too
        let here = reqwest::Url::parse(&at.base).is_ok_and(|url| gate::is_this_machine(&url));
        let patience = if here { self.stall * STALL_HERE } else { self.stall };
        loop {
            let chunk = tokio::time::timeout(patience, response.chunk()).await.map_err(|_| Trouble::Stalled)?;
            let Some(chunk) = chunk.map_err(|error| trouble_of(&error))? else { break };
            total += chunk.len();
            if total > BODY_CAP_BYTES {
                return Err(Trouble::TooLarge);
            }
            match &mut stream {
                Some(stream) => {
                    stream.take(&chunk)?;
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
            None => wire::read(at.provider.dialect, &whole),
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
            self.document(self.send(at, &url, Some(model), request, &mut 0).await?).await
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
        let asked = async { self.document(self.send(at, &url, None, request, &mut 0).await?).await };
        tokio::time::timeout(limit, asked).await.unwrap_or(Err(Trouble::TimedOut))
    }
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
