//! A comment with orders: who may, what is done, one answer that is edited as the work goes on, and never two.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;

use super::allow::{self, Denied, Policy};
use super::api::is_by_us;
use super::body;
use super::clean;
use super::client::{Client, Trouble};
use super::event::{Comment, Place, Pull};
use super::order::{self, Order, Said};
use crate::mask::Mask;

/// What an order came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Markdown for the answer.
    pub text: String,
    /// Whether it is what was asked for.
    pub good: bool,
}

/// Carries out orders. Loops that are not plugged in answer [`not_configured`].
pub trait CommandRunner: Sync {
    /// Carries out `order`, given under `pull` where it is one. What `progress` gets is shown meanwhile.
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done>;
}

/// Who carries out which order, by the order's word. What nobody was given for answers [`not_configured`].
#[derive(Default)]
pub struct Runners<'a> {
    by_word: Vec<(&'static str, Box<dyn CommandRunner + 'a>)>,
}

impl<'a> Runners<'a> {
    /// Plugs one in: `.with("council", …)`.
    #[must_use]
    pub fn with(mut self, word: &'static str, runner: impl CommandRunner + 'a) -> Self {
        self.by_word.push((word, Box::new(runner)));
        self
    }
}

impl CommandRunner for Runners<'_> {
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        match self.by_word.iter().find(|(word, _)| *word == order.name()) {
            Some((_, runner)) => runner.run(order, pull, progress),
            None => Box::pin(async move { not_configured(order) }),
        }
    }
}

/// Where the answer stands while the work goes on.
pub struct Progress<'a> {
    client: &'a Client,
    comment: &'a Comment,
    mask: &'a Mask,
    before: String,
    /// Our answer, once it is there.
    answer: AtomicU64,
}

/// The reaction that `stop` leaves under an answer that is being worked on.
const STOP: &str = "-1";

impl<'a> Progress<'a> {
    /// Shows `text` in the answer, under what was done before. A failure to show it stops nothing.
    pub async fn say(&self, text: &str) {
        let text = self.mask.cover(text);
        let text = format!("{}{}{text}\n", mark(self.comment, WORKING), self.before);
        let (number, id) = (self.comment.number, self.comment.id.to_string());
        match self.client.put_comment(number, "comment", &id, &text).await {
            Ok(answer) => self.answer.store(answer, Ordering::Relaxed),
            Err(trouble) => tracing::warn!(%trouble, "progress is not shown"),
        }
    }

    /// The comment that is being answered.
    pub fn comment(&self) -> &'a Comment {
        self.comment
    }

    /// Has somebody who may said `/kaizen stop` meanwhile? The stopping job leaves a reaction of ours under the answer:
    /// those of others don't count.
    pub async fn is_stopped(&self) -> bool {
        let answer = self.answer.load(Ordering::Relaxed);
        if answer == 0 {
            return false;
        }
        let route = self.client.route(&format!("/issues/comments/{answer}/reactions?content={STOP}"));
        let me = self.client.own_login().await;
        self.client.list(&route, 100).await.is_ok_and(|all| all.iter().any(|reaction| is_by_us(reaction, me)))
    }

    /// Asks everything that is being worked on under the same issue or pull request to stop; how many that are.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn stop_others(&self) -> Result<usize, Trouble> {
        let route = self.client.route(&format!("/issues/{}/comments", self.comment.number));
        let (all, me) = (self.client.list(&route, 1000).await?, self.client.own_login().await);
        let own = self.answer.load(Ordering::Relaxed);
        let at_work = all.iter().filter(|value| {
            let text = value["body"].as_str().unwrap_or_default();
            is_by_us(value, me) && body::is_ours(text) && text.lines().nth(1) == Some(WORKING)
        });
        let ids: Vec<u64> = at_work.filter_map(|value| value["id"].as_u64()).filter(|id| *id != own).collect();
        for id in &ids {
            self.client.react(Place::Conversation, *id, STOP).await?;
        }
        Ok(ids.len())
    }
}

/// The second line of an answer says whether it is the last word: a start that died is told from one that is done.
const WORKING: &str = "<!-- working -->";
const ENDED: &str = "<!-- ended -->";

fn mark(comment: &Comment, state: &str) -> String {
    format!("{}\n{state}\n", body::marker("comment", &comment.id.to_string()))
}

/// How a comment was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nobody spoke to us.
    Nothing,
    /// It is our own.
    Ours,
    /// It is gone, or says something else now.
    Changed,
    /// It was answered before.
    Before,
    /// It was answered: everything that was asked for was done.
    Answered,
    /// It was answered: something was refused, unclear or failed.
    Refused,
}

/// The answer of a loop that is not plugged in.
pub fn not_configured(order: &Order) -> Done {
    Done {
        text: format!("`{}` is not configured here: nothing is set up that could answer it.", order.name()),
        good: false,
    }
}

/// Deals with a comment.
///
/// # Errors
/// When GitHub does not answer; the comment is then answered by the next start, and by that one alone.
pub async fn hear(
    client: &Client,
    comment: &Comment,
    policy: &Policy,
    strategies: &[&str],
    runner: &dyn CommandRunner,
    mask: &Mask,
) -> Result<Heard, Trouble> {
    if body::is_ours(&comment.body) {
        return Ok(Heard::Ours);
    }
    let said = order::read(&comment.body, strategies);
    if said.is_empty() {
        return Ok(Heard::Nothing);
    }
    // Only what is there now counts: who edits a comment after it was approved of, or deletes it, is not obeyed.
    if client.comment(comment.place, comment.id).await?.as_deref() != Some(comment.body.as_str()) {
        return Ok(Heard::Changed);
    }
    let id = comment.id.to_string();
    let before = client.find_comment(comment.number, "comment", &id).await?;
    if before.is_some_and(|(_, text)| text.lines().nth(1) == Some(ENDED)) {
        return Ok(Heard::Before);
    }
    let talk = Talk { client, comment, policy, runner, mask };
    talk.react("eyes").await;
    let (text, good) = talk.answer_all(&said).await?;
    let parts = body::split(&text, body::BODY_MOST_CHARS - 2000);
    for (n, part) in parts.iter().enumerate().skip(1) {
        let value = format!("{id}.{n}");
        let more = format!("{}\n{part}", body::marker("more", &value));
        client.put_comment(comment.number, "more", &value, &more).await?;
    }
    let first = parts.first().map(String::as_str).unwrap_or_default();
    client.put_comment(comment.number, "comment", &id, &format!("{}{first}", mark(comment, ENDED))).await?;
    talk.react(if good { "rocket" } else { "confused" }).await;
    Ok(if good { Heard::Answered } else { Heard::Refused })
}

struct Talk<'a> {
    client: &'a Client,
    comment: &'a Comment,
    policy: &'a Policy,
    runner: &'a dyn CommandRunner,
    mask: &'a Mask,
}

impl Talk<'_> {
    /// A reaction is a courtesy: without it the answer still comes.
    async fn react(&self, reaction: &str) {
        if let Err(trouble) = self.client.react(self.comment.place, self.comment.id, reaction).await {
            tracing::warn!(%trouble, "no reaction");
        }
    }

    async fn answer_all(&self, said: &[Said]) -> Result<(String, bool), Trouble> {
        let role = self.client.role(&self.comment.author).await;
        let pull = match self.comment.on_pull {
            true => Some(self.client.pull(self.comment.number).await?),
            false => None,
        };
        let (mut text, mut all_good) = (String::new(), true);
        for one in said {
            let (line, done) =
                match one {
                    Said::Unclear { line, answer } => {
                        let done = Done { text: format!("{answer}\n\n{}", order::table()), good: false };
                        (line.clone(), done)
                    }
                    Said::Order(order) => {
                        let line = format!("{} {}", order::CALL, order.name());
                        let fork = pull.as_ref().is_some_and(|pull| pull.fork);
                        let head = pull.as_ref().map(|pull| pull.head.as_str()).unwrap_or_default();
                        let may = allow::may(self.policy, order, &self.comment.author, self.comment.bot, role)
                            .and_then(|()| match &pull {
                                Some(_) => allow::may_run(order, fork, head),
                                None => Ok(()),
                            });
                        (line, self.one(order, may, pull.as_ref(), &text).await)
                    }
                };
            all_good &= done.good;
            let asked =
                crate::report::escape::code(&clean::without_hidden(&line).chars().take(200).collect::<String>());
            text.push_str(&format!("{asked}\n\n{}\n\n", done.text.trim_end()));
        }
        Ok((self.mask.cover(&text).into_owned(), all_good))
    }

    async fn one(&self, order: &Order, may: Result<(), Denied>, pull: Option<&Pull>, before: &str) -> Done {
        if let Err(denied) = may {
            return Done { text: format!("Sorry: {denied}."), good: false };
        }
        if *order == Order::Help {
            return Done { text: order::table(), good: true };
        }
        let (client, comment, mask) = (self.client, self.comment, self.mask);
        let progress = Progress { client, comment, mask, before: before.to_owned(), answer: AtomicU64::new(0) };
        progress.say(&format!("Working on `{}` …", order.name())).await;
        self.runner.run(order, pull, &progress).await
    }
}
