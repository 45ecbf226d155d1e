//! A comment with orders: who may, what is done, one answer that is edited as the work goes on, and never two.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::BoxFuture;

use super::allow::{self, Denied, Policy, Role};
use super::api::is_by_us;
use super::body;
use super::clean;
use super::client::{Client, Trouble};
use super::event::{Comment, Place, Pull};
use super::order::{self, Order, Reader, Said, Word};
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

/// Who carries out which order, by its word. What nobody was given for answers [`not_configured`].
#[derive(Default)]
pub struct Runners<'a> {
    by_word: Vec<(Word, Box<dyn CommandRunner + 'a>)>,
}

impl<'a> Runners<'a> {
    /// Plugs one in: `.with(Word::Council, …)`.
    #[must_use]
    pub fn with(mut self, word: Word, runner: impl CommandRunner + 'a) -> Self {
        self.by_word.push((word, Box::new(runner)));
        self
    }
}

impl CommandRunner for Runners<'_> {
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        match self.by_word.iter().find(|(word, _)| *word == order.word) {
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
    /// Another job ends this order.
    later: AtomicBool,
}

/// The reaction that `stop` leaves under an answer that is being worked on.
const STOP: &str = "-1";

impl<'a> Progress<'a> {
    /// Shows `text` in the answer, under what was done before. A failure to show it stops nothing.
    pub async fn say(&self, text: &str) {
        let text = self.mask.cover(text);
        let text = format!("{}{}{text}\n", mark(self.comment, WORKING), self.before);
        let known = Some(self.answer.load(Ordering::Relaxed)).filter(|id| *id != 0);
        match put_answer(self.client, self.comment, known, &text).await {
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
        match self.answer.load(Ordering::Relaxed) {
            0 => false,
            answer => has_stop(self.client, answer).await,
        }
    }

    /// Leaves the answer open: another job carries out this order, and ends it with [`finish`]. What is said until then.
    pub fn hand_on(&self) -> Done {
        self.later.store(true, Ordering::Relaxed);
        Done { text: format!("{LATER}\nWorking on it in another job …\n{LATER}"), good: true }
    }

    /// Asks everything that is being worked on under the same issue or pull request to stop; how many that are.
    ///
    /// # Errors
    /// When GitHub does not answer.
    pub async fn stop_others(&self) -> Result<usize, Trouble> {
        let since = self.comment.created.and_then(|time| time.checked_sub(LONGEST_WORK).ok());
        let route = self.client.comments(self.comment.number, since);
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

/// No job lives longer, so that what is at work was begun or said something since.
const LONGEST_WORK: jiff::SignedDuration = jiff::SignedDuration::from_hours(5 * 24);

/// Our answer to `comment`, with its text.
async fn find_answer(client: &Client, comment: &Comment) -> Result<Option<(u64, String)>, Trouble> {
    client.find_comment_since(comment.number, "comment", &comment.id.to_string(), comment.created).await
}

/// Writes it: over the one that is `known`, else over the one that is there.
async fn put_answer(client: &Client, comment: &Comment, known: Option<u64>, text: &str) -> Result<u64, Trouble> {
    let id = comment.id.to_string();
    client.put_comment_since(comment.number, ("comment", &id), known, comment.created, text).await
}

async fn has_stop(client: &Client, answer: u64) -> bool {
    let route = client.route(&format!("/issues/comments/{answer}/reactions?content={STOP}"));
    let me = client.own_login().await;
    client.list(&route, 100).await.is_ok_and(|all| all.iter().any(|reaction| is_by_us(reaction, me)))
}

/// The same for a job that the order was handed on to.
pub async fn is_stopped(client: &Client, comment: &Comment) -> bool {
    match find_answer(client, comment).await {
        Ok(Some((answer, _))) => has_stop(client, answer).await,
        Ok(None) | Err(_) => false,
    }
}

/// Around what stands in an answer until another job has ended it. Nothing that others wrote has it: it is escaped there.
const LATER: &str = "<!-- later -->";

/// Ends an answer that was left open: puts in what came of the order that was handed on.
///
/// # Errors
/// When GitHub does not take it.
pub async fn finish(client: &Client, comment: &Comment, done: &Done, mask: &Mask) -> Result<(), Trouble> {
    let (known, before) = match find_answer(client, comment).await? {
        Some((id, text)) => (Some(id), text),
        None => (None, String::new()),
    };
    if before.lines().nth(1) == Some(ENDED) {
        return Ok(());
    }
    let said: String = before.split_inclusive('\n').skip(2).collect();
    let now = mask.cover(done.text.trim_end());
    let text = match said.split(LATER).collect::<Vec<_>>().as_slice() {
        [before, _, after] => format!("{before}{now}{after}"),
        // it was too long for one comment, or somebody took it away
        _ => format!("{said}\n{now}\n"),
    };
    put_answer(client, comment, known, &format!("{}{text}", mark(comment, ENDED))).await?;
    react(client, comment, if done.good { "rocket" } else { "confused" }).await;
    Ok(())
}

/// A reaction is a courtesy: without it the answer still comes.
async fn react(client: &Client, comment: &Comment, reaction: &str) {
    if let Err(trouble) = client.react(comment.place, comment.id, reaction).await {
        tracing::warn!(%trouble, "no reaction");
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
    /// Nothing in it is from somebody who is answered.
    Silent,
    /// It was answered, but for an order that another job carries out.
    HandedOn,
}

/// The answer of a loop that is not plugged in.
pub fn not_configured(order: &Order) -> Done {
    Done {
        text: format!("`{}` is not configured here: nothing is set up that could answer it.", order.word.name()),
        good: false,
    }
}

/// The answer of what somebody stopped.
pub fn stopped() -> Done {
    Done { text: "Stopped; nothing was changed.".into(), good: true }
}

/// Deals with a comment.
///
/// # Errors
/// When GitHub does not answer; the comment is then answered by the next start, and by that one alone.
pub async fn hear(
    client: &Client,
    comment: &Comment,
    policy: &Policy,
    reader: &dyn Reader,
    runner: &dyn CommandRunner,
    mask: &Mask,
) -> Result<Heard, Trouble> {
    if body::is_ours(&comment.body) {
        return Ok(Heard::Ours);
    }
    let said = order::read(&comment.body, reader);
    if said.is_empty() {
        return Ok(Heard::Nothing);
    }
    if allow::is_strange_bot(policy, &comment.author, comment.bot) {
        react(client, comment, "confused").await;
        return Ok(Heard::Silent);
    }
    // Only what is there now counts: who edits a comment after it was approved of, or deletes it, is not obeyed.
    if client.comment(comment.place, comment.id).await?.as_deref() != Some(comment.body.as_str()) {
        return Ok(Heard::Changed);
    }
    let id = comment.id.to_string();
    let before = find_answer(client, comment).await?;
    if before.as_ref().is_some_and(|(_, text)| text.lines().nth(1) == Some(ENDED)) {
        return Ok(Heard::Before);
    }
    let talk = Talk { client, comment, policy, reader, runner, mask };
    react(client, comment, "eyes").await;
    let (text, good, later) = talk.answer_all(&said).await?;
    if text.is_empty() {
        react(client, comment, "confused").await;
        return Ok(Heard::Silent);
    }
    let parts = body::split(&text, body::BODY_MOST_CHARS - 2000);
    for (n, part) in parts.iter().enumerate().skip(1) {
        let value = format!("{id}.{n}");
        let more = format!("{}\n{part}", body::marker("more", &value));
        client.put_comment_since(comment.number, ("more", &value), None, comment.created, &more).await?;
    }
    let first = parts.first().map(String::as_str).unwrap_or_default();
    let state = if later { WORKING } else { ENDED };
    let known = before.map(|(id, _)| id);
    put_answer(client, comment, known, &format!("{}{first}", mark(comment, state))).await?;
    if later {
        return Ok(Heard::HandedOn);
    }
    react(client, comment, if good { "rocket" } else { "confused" }).await;
    Ok(if good { Heard::Answered } else { Heard::Refused })
}

struct Talk<'a> {
    client: &'a Client,
    comment: &'a Comment,
    policy: &'a Policy,
    reader: &'a dyn Reader,
    runner: &'a dyn CommandRunner,
    mask: &'a Mask,
}

impl Talk<'_> {
    /// The answer, whether all of it is good, and whether a part of it comes later.
    async fn answer_all(&self, said: &[Said]) -> Result<(String, bool, bool), Trouble> {
        let role = self.client.role(&self.comment.author).await;
        let pull = match self.comment.on_pull {
            true => Some(self.client.pull(self.comment.number).await?),
            false => None,
        };
        let (mut text, mut all_good, mut later) = (String::new(), true, false);
        for one in said {
            let Some((line, done, is_later)) = self.answer(one, role, pull.as_ref(), &text).await else { continue };
            later |= is_later;
            all_good &= done.good;
            let asked =
                crate::report::escape::code(&clean::without_hidden(&line).chars().take(200).collect::<String>());
            text.push_str(&format!("{asked}\n\n{}\n\n", done.text.trim_end()));
        }
        Ok((self.mask.cover(&text).into_owned(), all_good, later))
    }

    /// What was asked, the answer, and whether another job ends it; none to who may not even ask for help.
    async fn answer(
        &self,
        said: &Said,
        role: Option<Role>,
        pull: Option<&Pull>,
        before: &str,
    ) -> Option<(String, Done, bool)> {
        let may = |order: &Order| allow::may(self.policy, order, &self.comment.author, self.comment.bot, role);
        match said {
            Said::Unclear { line, answer } => {
                may(&Order::bare(Word::Help)).ok()?;
                let done = Done { text: format!("{answer}\n\n{}", order::table(self.reader)), good: false };
                Some((line.clone(), done, false))
            }
            Said::Order(order) => {
                let may = may(order).and_then(|role| match pull {
                    Some(pull) => allow::may_run(order, pull.fork, &pull.head, role),
                    None => Ok(()),
                });
                if may.is_err() && self.policy.is_silent {
                    return None;
                }
                let (done, later) = self.one(order, may, pull, before).await;
                Some((format!("{} {}", order::CALL, order.word.name()), done, later))
            }
        }
    }

    async fn one(&self, order: &Order, may: Result<(), Denied>, pull: Option<&Pull>, before: &str) -> (Done, bool) {
        if let Err(denied) = may {
            return (Done { text: format!("Sorry: {denied}."), good: false }, false);
        }
        if order.word == Word::Help {
            return (Done { text: order::table(self.reader), good: true }, false);
        }
        let (client, comment, mask) = (self.client, self.comment, self.mask);
        let (before, answer, later) = (before.to_owned(), AtomicU64::new(0), AtomicBool::new(false));
        let progress = Progress { client, comment, mask, before, answer, later };
        progress.say(&format!("Working on `{}` …", order.word.name())).await;
        let done = self.runner.run(order, pull, &progress).await;
        (done, progress.later.load(Ordering::Relaxed))
    }
}
