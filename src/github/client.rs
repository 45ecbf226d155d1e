//! The wire: octocrab with its own retry left out, ours around it. Reads are repeated freely; writes only after looking
//! whether they were carried out.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use octocrab::Octocrab;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::names::Slug;
use super::pace::{Next, Pace, Seen, next};
use crate::error::{Context as _, Error, Kind, Result};

/// Answers of the interface are smaller; larger ones are not read to their end.
const ANSWER_MOST_BYTES: usize = 20 * 1024 * 1024;

/// A token that `Debug` does not print.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// From the environment or a file.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// Its text: for headers and masks, nothing else.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Where GitHub is: `github.com` or an Enterprise server.
#[derive(Debug, Clone)]
pub struct Place {
    /// `GITHUB_API_URL`.
    pub api: String,
    /// `GITHUB_SERVER_URL`.
    pub server: String,
}

/// One repository of GitHub, and how to talk to it.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) crab: Octocrab,
    /// Keeps the threads that `crab` works on.
    _driver: Arc<Driver>,
    /// Where it is.
    pub place: Place,
    /// The repository.
    pub slug: Slug,
    /// What we show who we are with.
    pub token: Token,
    pub(super) pace: Pace,
    /// The account that the token belongs to, once it was asked for.
    pub(super) who: Arc<tokio::sync::OnceCell<Option<String>>>,
}

/// An answer that was taken.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Body; null when there is none.
    pub body: Value,
}

/// Why there is no answer, or a bad one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// It was understood and refused.
    #[error("{method} {route}: GitHub answered {status}: {message}")]
    Refused {
        /// Method.
        method: String,
        /// Path.
        route: String,
        /// Status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// Limits or a broken connection, longer than we wait.
    #[error("{method} {route}: no answer {why}")]
    NoAnswer {
        /// Method.
        method: String,
        /// Path.
        route: String,
        /// Why we stopped trying.
        why: String,
    },
}

/// A runtime of its own: octocrab starts a task when it is built, and that task has to outlive the runtimes of single
/// commands (a client is made once, and asked from several).
#[derive(Debug)]
struct Driver(Option<Runtime>);

impl Driver {
    fn new() -> Result<Self> {
        let made = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Self(Some(made.context(|| "can't start a thread for GitHub's answers".into())?)))
    }

    fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        self.0.as_ref().map(Runtime::enter)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // may happen inside of another runtime, where waiting for this one is not allowed
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Trouble {
    /// The status, when it was refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Trouble::Refused { status, .. } => Some(*status),
            Trouble::NoAnswer { .. } => None,
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let hint = match trouble.status() {
            Some(401) => "the token is wrong or has expired: pass `github-token: ${{ github.token }}`",
            Some(403) => {
                "the token may not do that: compare the job's `permissions` with the README, or run `kaizen-ci doctor --github`"
            }
            Some(404) => "the token can't see it: check the repository's name and the job's `permissions`",
            Some(_) => "run `kaizen-ci doctor --github`",
            None => "GitHub may be down: https://www.githubstatus.com; start the job again later",
        };
        Error::new(Kind::Environment, trouble.to_string()).hint(hint)
    }
}

impl Client {
    /// A client for `slug` at `place`.
    ///
    /// # Errors
    /// When an address is none.
    pub fn new(place: Place, slug: Slug, token: Token, pace: Pace) -> Result<Self> {
        let wrong = |what: &str| Error::usage(format!("{what} is not an address that can be used"));
        for (name, url) in [("GITHUB_API_URL", &place.api), ("GITHUB_SERVER_URL", &place.server)] {
            if !is_safe_address(url) {
                return Err(wrong(name).hint("https://…; plain http only on this machine"));
            }
        }
        let place = Place {
            api: place.api.trim_end_matches('/').to_owned(),
            server: place.server.trim_end_matches('/').to_owned(),
        };
        let driver = Driver::new()?;
        let inside = driver.enter();
        let crab = Octocrab::builder()
            .base_uri(place.api.as_str())
            .map_err(|_| wrong("GITHUB_API_URL"))?
            .personal_token(token.text().to_owned())
            .set_connect_timeout(Some(Duration::from_secs(15)))
            .set_read_timeout(Some(pace.answer))
            .build()
            .map_err(|e| Error::environment("can't make a client for GitHub").why(e.to_string()))?;
        drop(inside);
        Ok(Self { crab, _driver: Arc::new(driver), place, slug, token, pace, who: Arc::default() })
    }

    /// The path of something in the repository.
    pub fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{}{rest}", self.slug.owner, self.slug.name)
    }

    /// Reads; as often as it takes.
    ///
    /// # Errors
    /// When it is refused, or no answer comes.
    pub async fn read(&self, route: &str) -> Result<Answer, Trouble> {
        self.send("GET", route, None, || async { Ok(None) }).await
    }

    /// Everything of a list, page by page, at most `most` items.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn list(&self, route: &str, most: usize) -> Result<Vec<Value>, Trouble> {
        const PAGE: usize = 100;
        let (mut all, mut page) = (Vec::new(), 1);
        let sign = if route.contains('?') { '&' } else { '?' };
        loop {
            let answer = self.read(&format!("{route}{sign}per_page={PAGE}&page={page}")).await?;
            let Value::Array(items) = answer.body else { return Ok(all) };
            let last = items.len() < PAGE;
            all.extend(items);
            if last || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
            page += 1;
        }
    }

    /// Writes. When it is not certain whether a request was carried out, `look` finds out: what it finds is the answer,
    /// and nothing is sent again.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn write<F>(
        &self,
        method: &str,
        route: &str,
        body: &Value,
        look: impl Fn() -> F,
    ) -> Result<Answer, Trouble>
    where
        F: Future<Output = Result<Option<Value>, Trouble>>,
    {
        self.send(method, route, Some(body), look).await
    }

    async fn send<F>(
        &self,
        method: &str,
        route: &str,
        body: Option<&Value>,
        look: impl Fn() -> F,
    ) -> Result<Answer, Trouble>
    where
        F: Future<Output = Result<Option<Value>, Trouble>>,
    {
        let mut attempt = 1;
        loop {
            let (answer, heads) = self.once(method, route, body).await;
            let message = answer.as_ref().and_then(|a| a.body.get("message")?.as_str()).unwrap_or_default().to_owned();
            let seen = Seen { status: answer.as_ref().map(|a| a.status), message: &message, ..heads };
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            let no_answer = |why: String| Trouble::NoAnswer { method: method.into(), route: route.into(), why };
            match (next(self.pace, seen, attempt, now_s), answer) {
                (Next::Take, Some(answer)) if answer.status < 300 => return Ok(answer),
                (Next::Take, answer) => {
                    let status = answer.map_or(0, |a| a.status);
                    let message = super::clean::log_line(&message).chars().take(300).collect();
                    return Err(Trouble::Refused { method: method.into(), route: route.into(), status, message });
                }
                (Next::GiveUp(why), _) => return Err(no_answer(why)),
                (Next::Again(wait), _) => tokio::time::sleep(wait).await,
                (Next::Look(wait), _) => {
                    tokio::time::sleep(wait).await;
                    if let Some(body) = Box::pin(look()).await? {
                        return Ok(Answer { status: 200, body });
                    }
                }
            }
            attempt += 1;
        }
    }

    /// One request. No answer when the connection broke, or the answer is not whole.
    async fn once(&self, method: &str, route: &str, body: Option<&Value>) -> (Option<Answer>, Seen<'static>) {
        let work = async {
            let response = match method {
                "GET" => self.crab._get(route).await,
                "POST" => self.crab._post(route, body).await,
                "PATCH" => self.crab._patch(route, body).await,
                _ => self.crab._put(route, body).await,
            };
            let response = response.map_err(|error| tracing::debug!(%error, "{method} {route}")).ok()?;
            let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
            let heads = Seen {
                retry_after_s: number("retry-after"),
                remaining: number("x-ratelimit-remaining"),
                reset_s: number("x-ratelimit-reset"),
                ..Seen::default()
            };
            let status = response.status().as_u16();
            let limited = http_body_util::Limited::new(response.into_body(), ANSWER_MOST_BYTES);
            let Ok(bytes) = limited.collect().await.map(http_body_util::Collected::to_bytes) else {
                return Some((None, heads));
            };
            let body = match bytes.is_empty() {
                true => Some(Value::Null),
                false => serde_json::from_slice(&bytes).ok(),
            };
            // A proxy's page instead of an answer: a bad status still says something, a good one does not.
            let body = if status >= 300 { Some(body.unwrap_or(Value::Null)) } else { body };
            Some((body.map(|body| Answer { status, body }), heads))
        };
        match tokio::time::timeout(self.pace.answer, work).await {
            Ok(Some((answer, heads))) => (answer, heads),
            Ok(None) | Err(_) => (None, Seen::default()),
        }
    }
}

/// `https`, or plain `http` to this machine (tests, proxies beside us). Nothing else gets a token.
fn is_safe_address(url: &str) -> bool {
    if let Some(rest) = url.strip_prefix("https://") {
        return !rest.is_empty() && !rest.contains(['@', ' ', '\\']);
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_plain_http_only_to_this_machine_and_is_never_shown() {
        for (url, fine) in [
            ("https://api.github.com", true),
            ("https://ghe.example.com/api/v3", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost:1/api/v3", true),
            ("http://api.github.com", false),
            ("http://127.0.0.1.evil.com", false),
            ("http://127.0.0.1@evil.com", false),
            ("ftp://x", false),
            ("", false),
        ] {
            assert_eq!(is_safe_address(url), fine, "{url}");
        }
        assert_eq!(format!("{:?}", Token::new("ghs_secret")), "***");
    }
}
