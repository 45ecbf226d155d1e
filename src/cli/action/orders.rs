//! What commands in comments do: heal, diagnose, status, stop. Council and PRD are plugged in beside them.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::cli::action::comment::Comment;
use crate::cli::action::heal::{self, Found};
use crate::cli::action::job::Job;
use crate::cli::action::run::{self, How};
use crate::cli::action::{policy, tree};
use crate::cli::context::{Context, Watch};
use crate::error::{Error, Result};
use crate::github::deliver::{Delivered, Scene};
use crate::github::errand::Errand;
use crate::github::event::Pull;
use crate::github::order::Order;
use crate::github::pristine::Pristine;
use crate::github::talk::{self, CommandRunner, Done, Progress};
use crate::github::{clean, logs};
use crate::process::sandbox;
use crate::report::escape::{code, markdown};

/// What all of them work with.
pub struct Desk<'a> {
    /// The context.
    pub context: &'a Context,
    /// The job.
    pub job: &'a Job,
    /// The options.
    pub args: &'a Comment,
    /// `.kaizen.yml` of the branch that it is for.
    pub text: Option<&'a str>,
    /// What is handed on to another job.
    pub errand: Mutex<Option<Errand>>,
}

/// What went wrong and what helps, as sentences. Their words may come from elsewhere.
pub(super) fn why(error: &Error) -> String {
    let hint = error.hint_text().map(|hint| format!(" What helps: {}.", markdown(hint))).unwrap_or_default();
    format!("{}.{hint}", markdown(&error.to_string()))
}

/// An error of ours as an answer.
pub(super) fn failed(error: &Error) -> Done {
    Done { text: format!("That did not work: {}", why(error)), good: false }
}

fn done(result: Result<Done>) -> Done {
    result.unwrap_or_else(|error| failed(&error))
}

/// `/kaizen heal`
pub struct Heal<'a>(pub &'a Desk<'a>);

impl CommandRunner for Heal<'_> {
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move { done(self.0.heal(order, pull, progress).await) })
    }
}

/// The first look at how it goes, and all later ones: each costs a request or two of a thousand an hour.
const FIRST_LOOK: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_secs(15);

/// So many lines of what happened are shown.
const SHOWN_LINES: usize = 12;

impl Desk<'_> {
    async fn heal(&self, order: &Order, pull: Option<&Pull>, progress: &Progress<'_>) -> Result<Done> {
        let (scene, base) = self.scene(order, pull).await?;
        if self.args.hand_on {
            return self.hand_on(order, pull, scene, base, progress);
        }
        let mut options = heal::asked(&self.args.healing, &order.rest)?;
        options.base = base;
        let mut overrides = options.overrides();
        if scene.fork {
            overrides.extend(policy::fence_for_forks(sandbox::can())?);
        }
        let loaded = policy::read(self.text, &overrides)?;
        let (lines, seen) = (Arc::new(Mutex::new(Vec::new())), progress.comment().id);
        let (context, cancel) = self.watched(&lines);
        let (client, head, with) = (self.job.client.clone(), scene.head.clone(), loaded.clone());
        // git and the heal block, and have runtimes of their own
        let work = move || heal::in_tree(&context, &client, &head, &with, &options);
        let (tell, mut result) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || drop(tell.send(work())));
        let mut wait = FIRST_LOOK;
        let ended = loop {
            tokio::select! {
                ended = &mut result => break ended,
                () = tokio::time::sleep(wait) => {}
            }
            wait = LOOK;
            if progress.is_stopped().await {
                cancel.cancel();
            }
            progress.say(&so_far(&lines, cancel.is_cancelled())).await;
        };
        let ended = ended.map_err(|_| Error::internal(format!("the heal for comment {seen} panicked")))?;
        // it may have been said since the last look
        if cancel.is_cancelled() || progress.is_stopped().await {
            return Ok(talk::stopped());
        }
        let (tree, found) = ended?;
        self.deliver(&scene, tree, found, loaded).await
    }

    /// Leaves it to a job that may run code.
    fn hand_on(
        &self,
        order: &Order,
        pull: Option<&Pull>,
        scene: Scene,
        base_head: Option<String>,
        progress: &Progress<'_>,
    ) -> Result<Done> {
        let mut errand = self.errand.lock().unwrap_or_else(PoisonError::into_inner);
        if errand.is_some() {
            return Ok(Done { text: "One `heal` a comment: write another one.".into(), good: false });
        }
        let base = pull.map_or_else(|| scene.branch.clone(), |pull| pull.base.clone());
        let Scene { head, branch, pull, fork } = scene;
        let (comment, rest) = (progress.comment().id, order.rest.clone());
        *errand = Some(Errand { comment, head, branch, pull, fork, base, base_head, rest });
        Ok(progress.hand_on())
    }

    /// Delivers in a thread of its own, for the same reason.
    async fn deliver(
        &self,
        scene: &Scene,
        tree: tree::Tree,
        found: Found,
        loaded: crate::config::Loaded,
    ) -> Result<Done> {
        let (tell, result) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let context = self.context;
                let suite = self.args.healing.suites.suite.as_deref();
                let judge = super::verify::Again { context, repository: &tree.repository, loaded: &loaded, suite };
                let place = self.job.place(&scene.branch, None, "comment");
                let (rules, draft) = (policy::rules(&loaded), !self.args.delivery.ready);
                let deliver = self.args.delivery.deliver;
                let how = How { deliver, draft, answered: true, place, red: Vec::new(), rules };
                let delivered = run::deliver(context, self.job, scene, &found, how, Some(&judge));
                drop(tell.send(delivered.map(|delivered| outcome(&delivered, &found))));
            });
        });
        result.await.map_err(|_| Error::internal("the delivery panicked"))?
    }

    /// What is healed: the pull request's tip (or the commit that was named, which is its tip), else the default branch.
    async fn scene(&self, order: &Order, pull: Option<&Pull>) -> Result<(Scene, Option<String>)> {
        let client = &self.job.client;
        if let Some(pull) = pull {
            let (number, fork) = (Some(pull.number), pull.fork);
            let scene = Scene { head: pull.head.clone(), branch: pull.branch.clone(), pull: number, fork };
            return Ok((scene, Some(pull.base_head.clone())));
        }
        let branch = client.default_branch().await?;
        let tip = Pristine::create(client)?.tip(&branch)?;
        let tip = tip.ok_or_else(|| Error::repository(format!("there is no branch `{branch}`")))?;
        if order.sha.as_ref().is_some_and(|sha| *sha != tip) {
            return Err(Error::usage("on an issue only the tip of the default branch is healed")
                .hint("give the command under the pull request of that commit"));
        }
        Ok((Scene { head: tip, branch, pull: None, fork: false }, None))
    }

    /// A context whose events are kept as lines, and that can be stopped by itself.
    fn watched(&self, lines: &Arc<Mutex<Vec<String>>>) -> (Context, CancellationToken) {
        let (lines, cancel) = (Arc::clone(lines), self.context.cancel.child_token());
        let watch = Watch(Arc::new(move |entry| {
            if let Some(line) = crate::console::plain::line(&entry.event) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        }));
        (Context { watch: Some(watch), cancel: cancel.clone(), ..self.context.clone() }, cancel)
    }
}

fn so_far(lines: &Mutex<Vec<String>>, stopping: bool) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = String::from(if stopping { "Stopping …\n\n" } else { "Working on `heal` …\n\n" });
    for line in lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)) {
        let _ = writeln!(out, "- {}", markdown(&clean::without_hidden(line)));
    }
    out
}

/// The last word, which points to where all of it is.
pub(super) fn outcome(delivered: &Delivered, found: &Found) -> Done {
    let document = &found.document;
    let place = match delivered {
        Delivered::Nothing => "Nothing was changed.".to_owned(),
        delivered => delivered.words(),
    };
    let cost = crate::github::body::money(document);
    let text = format!("**{}**\n\n{place}\n\nCost: {cost}.", markdown(crate::github::body::headline(document)));
    Done { text, good: !matches!(document.outcome, crate::report::Outcome::Error) }
}

/// `/kaizen diagnose`
pub struct Diagnose<'a>(pub &'a Desk<'a>);

impl CommandRunner for Diagnose<'_> {
    fn run<'a>(&'a self, _: &'a Order, pull: Option<&'a Pull>, _: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move { done(self.0.diagnose(pull).await) })
    }
}

impl Desk<'_> {
    async fn diagnose(&self, pull: Option<&Pull>) -> Result<Done> {
        let client = &self.job.client;
        let head = match pull {
            Some(pull) => pull.head.clone(),
            None => {
                let branch = client.default_branch().await?;
                let tip = Pristine::create(client)?.tip(&branch)?;
                tip.ok_or_else(|| Error::repository(format!("there is no branch `{branch}`")))?
            }
        };
        let Some(run) = logs::failed_run_on(client, &head).await? else {
            let text = format!("No workflow has failed on {}.", code(&head));
            return Ok(Done { text, good: true });
        };
        let found = logs::of_run(client, run).await?;
        Ok(Done { text: logs::markdown(&found, &self.job.mask), good: true })
    }
}

/// `/kaizen status`
pub struct Status<'a>(pub &'a Desk<'a>);

impl CommandRunner for Status<'_> {
    fn run<'a>(&'a self, _: &'a Order, _: Option<&'a Pull>, _: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move { done(self.0.status().await) })
    }
}

impl Desk<'_> {
    async fn status(&self) -> Result<Done> {
        let client = &self.job.client;
        let (pulls, issues) = (client.our_pulls().await?, client.our_issues("open").await?);
        let mut text = String::new();
        let mut list = |what: &str, all: &[crate::github::api::Found]| {
            let _ = writeln!(text, "{what}: {}", if all.is_empty() { "none" } else { "" });
            for one in all.iter().take(20) {
                let _ = writeln!(text, "- [#{}]({}) {}", one.number, one.url, markdown(&one.title));
            }
            text.push('\n');
        };
        list("Open heals", &pulls);
        list("Open failures", &issues);
        Ok(Done { text, good: true })
    }
}

/// `/kaizen stop`
pub struct Stop;

impl CommandRunner for Stop {
    fn run<'a>(&'a self, _: &'a Order, _: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move {
            match progress.stop_others().await {
                Ok(0) => Done { text: "Nothing is going on here.".into(), good: true },
                Ok(count) => {
                    let what = crate::report::numbers::count(count, "command");
                    Done { text: format!("{what} will stop within {} seconds.", LOOK.as_secs() * 2), good: true }
                }
                Err(trouble) => failed(&Error::from(trouble)),
            }
        })
    }
}

/// Whatever was ordered, where the rules can't be read: nothing is run by rules that nobody knows.
pub struct Broken<'a>(pub &'a Error);

impl CommandRunner for Broken<'_> {
    fn run<'a>(&'a self, _: &'a Order, _: Option<&'a Pull>, _: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        let text = format!("Nothing was run: the rules of this repository can't be read. {}", why(self.0));
        Box::pin(async move { Done { text, good: false } })
    }
}
