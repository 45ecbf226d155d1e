//! What we ask GitHub for, call by call: every write has a marker by which it is found again when its answer was lost.

use serde_json::{Value, json};

use super::allow::Role;
use super::body::{self, BODY_MOST_CHARS};
use super::client::{Client, Trouble};
use super::event::Place;
use super::names;

/// The label of our issues: by it they are found again.
pub const LABEL: &str = "kaizen-ci";

/// Lists are read this far.
const LIST_MOST: usize = 1000;

/// An issue or pull request of ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its number.
    pub number: u64,
    /// Its address, for people.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Whether it is open.
    pub open: bool,
    /// Its body.
    pub body: String,
    /// When it was changed last.
    pub updated: Option<jiff::Timestamp>,
}

impl Found {
    pub(super) fn of(value: &Value) -> Option<Self> {
        Some(Self {
            number: value.get("number")?.as_u64()?,
            url: value.get("html_url").and_then(Value::as_str).unwrap_or_default().to_owned(),
            title: value.get("title").and_then(Value::as_str).unwrap_or_default().to_owned(),
            open: value.get("state").and_then(Value::as_str) == Some("open"),
            body: value.get("body").and_then(Value::as_str).unwrap_or_default().to_owned(),
            updated: value.get("updated_at").and_then(Value::as_str).and_then(|time| time.parse().ok()),
        })
    }
}

/// A pull request from a branch of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The pull request.
    pub found: Found,
    /// Its branch.
    pub branch: String,
    /// Where it is to be merged to.
    pub base: String,
    /// It was.
    pub merged: bool,
}

/// Written by an app, or by the account that we are: anybody can write a marker.
pub(super) fn is_by_us(value: &Value, me: Option<&str>) -> bool {
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    text("/user/type") == Some("Bot") || me.is_some_and(|me| text("/user/login") == Some(me))
}

pub(super) fn strange(method: &str, route: &str) -> Trouble {
    let message = "the answer has none of the fields that it should have".into();
    Trouble::Refused { method: method.into(), route: route.into(), status: 200, message }
}

impl Client {
    /// The role of `login`; none on any error: who may not be asked about may do nothing.
    pub async fn role(&self, login: &str) -> Option<Role> {
        let login = names::login(login).ok()?;
        let answer = self.read(&self.route(&format!("/collaborators/{login}/permission"))).await.ok()?;
        Role::of_answer(&answer.body)
    }

    /// The comment as it is now; none when it is gone.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn comment(&self, place: Place, id: u64) -> Result<Option<String>, Trouble> {
        let route = match place {
            Place::Conversation => format!("/issues/comments/{id}"),
            Place::Review => format!("/pulls/comments/{id}"),
        };
        match self.read(&self.route(&route)).await {
            Ok(answer) => Ok(answer.body.get("body").and_then(Value::as_str).map(str::to_owned)),
            Err(trouble) if trouble.status() == Some(404) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Reacts to a comment. The same reaction twice is one for GitHub, so that nothing has to be looked for.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn react(&self, place: Place, id: u64, reaction: &str) -> Result<(), Trouble> {
        let folder = match place {
            Place::Conversation => "issues",
            Place::Review => "pulls",
        };
        let route = self.route(&format!("/{folder}/comments/{id}/reactions"));
        self.write("POST", &route, &json!({ "content": reaction }), || async { Ok(None) }).await.map(drop)
    }

    /// Our comment under `number` with this marker.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn find_comment(&self, number: u64, what: &str, value: &str) -> Result<Option<(u64, String)>, Trouble> {
        self.find_comment_since(number, what, value, None).await
    }

    /// The same among those that were written or changed since then: a long conversation is not read as a whole, and not to
    /// its end either.
    ///
    /// # Errors
    /// As [`Client::find_comment`].
    pub async fn find_comment_since(
        &self,
        number: u64,
        what: &str,
        value: &str,
        since: Option<jiff::Timestamp>,
    ) -> Result<Option<(u64, String)>, Trouble> {
        let all = self.list(&self.comments(number, since), LIST_MOST).await?;
        let me = self.own_login().await;
        Ok(all.iter().find_map(|comment| {
            let text = comment.get("body")?.as_str()?;
            let ours = is_by_us(comment, me) && body::is_marked(text, what, value);
            ours.then(|| (comment["id"].as_u64().unwrap_or(0), text.to_owned()))
        }))
    }

    /// The route of the comments under `number`, of those since then.
    pub(super) fn comments(&self, number: u64, since: Option<jiff::Timestamp>) -> String {
        // whole seconds, which is how GitHub keeps them
        let since = since.map(|time| format!("?since={}", time.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default();
        self.route(&format!("/issues/{number}/comments{since}"))
    }

    /// The account that the token belongs to; none for apps, whose tokens may not ask.
    pub async fn own_login(&self) -> Option<&str> {
        let of_a_person = ["ghp_", "github_pat_", "gho_", "ghu_"].iter().any(|p| self.token.text().starts_with(p));
        let ask = || async {
            let answer = self.read("/user").await.ok()?;
            answer.body.get("login")?.as_str().and_then(|login| names::login(login).ok()).map(str::to_owned)
        };
        match of_a_person {
            true => self.who.get_or_init(ask).await.as_deref(),
            false => None,
        }
    }

    /// Writes our comment with this marker: a new one, or over the one that is there. `text` begins with the marker.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn put_comment(&self, number: u64, what: &str, value: &str, text: &str) -> Result<u64, Trouble> {
        self.put_comment_since(number, (what, value), None, None, text).await
    }

    /// The same with what is known of it: `known` is where it is, and there is none from before `since`.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub(super) async fn put_comment_since(
        &self,
        number: u64,
        (what, value): (&str, &str),
        known: Option<u64>,
        since: Option<jiff::Timestamp>,
        text: &str,
    ) -> Result<u64, Trouble> {
        if let Some(id) = known {
            match self.put_over(number, (what, value), Some(id), since, text).await {
                // somebody took it away
                Err(trouble) if trouble.status() == Some(404) => {}
                put => return put,
            }
        }
        let found = self.find_comment_since(number, what, value, since).await?;
        self.put_over(number, (what, value), found.map(|(id, _)| id), since, text).await
    }

    async fn put_over(
        &self,
        number: u64,
        (what, value): (&str, &str),
        found: Option<u64>,
        since: Option<jiff::Timestamp>,
        text: &str,
    ) -> Result<u64, Trouble> {
        let text = json!({ "body": body::fit(text, BODY_MOST_CHARS) });
        if let Some(id) = found {
            let route = self.route(&format!("/issues/comments/{id}"));
            // An edit twice is an edit once.
            self.write("PATCH", &route, &text, || async { Ok(None) }).await?;
            return Ok(id);
        }
        let route = self.route(&format!("/issues/{number}/comments"));
        let look = || async {
            let found = self.find_comment_since(number, what, value, since).await?;
            Ok(found.map(|(id, _)| json!({ "id": id })))
        };
        let answer = self.write("POST", &route, &text, look).await?;
        answer.body.get("id").and_then(Value::as_u64).ok_or_else(|| strange("POST", &route))
    }

    /// Our issue for this fingerprint, open or closed.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn find_issue(&self, fingerprint: &str) -> Result<Option<Found>, Trouble> {
        let all = self.our_issues("all").await?;
        // the oldest that is open, else the newest
        let ours = all.into_iter().filter(|found| body::is_marked(&found.body, "fingerprint", fingerprint));
        Ok(ours.min_by_key(|found| if found.open { (0, found.number) } else { (1, u64::MAX - found.number) }))
    }

    /// Our issues in this state (`open`, `closed`, `all`).
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn our_issues(&self, state: &str) -> Result<Vec<Found>, Trouble> {
        let all = self.list(&self.route(&format!("/issues?labels={LABEL}&state={state}")), LIST_MOST).await?;
        let me = self.own_login().await;
        let ours = |value: &&Value| value.get("pull_request").is_none() && is_by_us(value, me);
        Ok(all.iter().filter(ours).filter_map(Found::of).collect())
    }

    /// The open pull requests that a commit is the tip of; also those of forks, which events do not name.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn pulls_of(&self, sha: &str) -> Result<Vec<u64>, Trouble> {
        let all = self.list(&self.route(&format!("/commits/{sha}/pulls")), 100).await?;
        let text = |pull: &Value, path: &str| pull.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let is_tip = |pull: &&Value| {
            text(pull, "/head/sha").as_deref() == Some(sha) && text(pull, "/state").as_deref() != Some("closed")
        };
        Ok(all.iter().filter(is_tip).filter_map(|pull| pull.get("number")?.as_u64()).collect())
    }

    /// A file of the repository at a branch or commit, as text; none when it is not there.
    ///
    /// # Errors
    /// When GitHub does not answer, or it is no text.
    pub async fn file_at(&self, path: &str, at: &str) -> Result<Option<String>, Trouble> {
        let at = at.replace('#', "%23").replace('+', "%2B");
        let route = self.route(&format!("/contents/{path}?ref={at}"));
        let answer = match self.read(&route).await {
            Ok(answer) => answer.body,
            Err(trouble) if trouble.status() == Some(404) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        if answer.get("type").and_then(Value::as_str) != Some("file") {
            let message = format!("{path} is no plain file: a link, a folder or a submodule");
            return Err(Trouble::Refused { method: "GET".into(), route, status: 200, message });
        }
        let text = answer.get("content").and_then(Value::as_str).and_then(super::base64::decode);
        text.and_then(|bytes| String::from_utf8(bytes).ok()).map(Some).ok_or_else(|| strange("GET", &route))
    }

    /// The open pull request from our branch, if there is one.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn find_pull(&self, branch: &str) -> Result<Option<Found>, Trouble> {
        let all = self.pulls_from(branch).await?;
        Ok(all.into_iter().find(|pull| pull.found.open).map(|pull| pull.found))
    }

    /// All pull requests that there ever were from our branch.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn pulls_from(&self, branch: &str) -> Result<Vec<Pulled>, Trouble> {
        let route = format!("/pulls?state=all&head={}:{branch}", self.slug.owner);
        let all = self.list(&self.route(&route), LIST_MOST).await?;
        let read = |pull: &Value| {
            let text = |path: &str| pull.pointer(path).and_then(Value::as_str);
            let (found, base) = (Found::of(pull)?, text("/base/ref")?.to_owned());
            let merged = text("/merged_at").is_some();
            (text("/head/ref")? == branch).then(|| Pulled { found, branch: branch.to_owned(), base, merged })
        };
        Ok(all.iter().filter_map(read).collect())
    }

    /// The open pull requests from branches of ours.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn our_pulls(&self) -> Result<Vec<Found>, Trouble> {
        let all = self.list(&self.route("/pulls?state=open"), LIST_MOST).await?;
        let own = |pull: &&Value| {
            let name = pull.pointer("/head/ref").and_then(Value::as_str).unwrap_or_default();
            let ours = pull.pointer("/head/repo/full_name").and_then(Value::as_str) == Some(&self.slug.to_string());
            ours && name.starts_with(super::event::OWN_BRANCHES)
        };
        Ok(all.iter().filter(own).filter_map(Found::of).collect())
    }

    /// The default branch.
    ///
    /// # Errors
    /// When GitHub does not answer, or the name is not safe to use.
    pub async fn default_branch(&self) -> Result<String, Trouble> {
        let route = self.route("");
        let answer = self.read(&route).await?;
        let name = answer.body.get("default_branch").and_then(Value::as_str).and_then(|name| names::branch(name).ok());
        name.map(str::to_owned).ok_or_else(|| strange("GET", &route))
    }

    /// A pull request as it is now.
    ///
    /// # Errors
    /// When GitHub does not answer, or names in it are not safe to use.
    pub async fn pull(&self, number: u64) -> Result<super::event::Pull, Trouble> {
        let route = self.route(&format!("/pulls/{number}"));
        let value = self.read(&route).await?.body;
        let text = |path: &str| value.pointer(path).and_then(Value::as_str);
        let pull = || {
            Some(super::event::Pull {
                number,
                head: names::sha(text("/head/sha")?).ok()?.to_owned(),
                branch: names::branch(text("/head/ref")?).ok()?.to_owned(),
                base: names::branch(text("/base/ref")?).ok()?.to_owned(),
                base_head: names::sha(text("/base/sha")?).ok()?.to_owned(),
                fork: text("/head/repo/full_name") != Some(self.slug.to_string().as_str()),
            })
        };
        pull().ok_or_else(|| strange("GET", &route))
    }
}
