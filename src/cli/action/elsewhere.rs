//! A heal that a comment asks for, in jobs of its own: one that runs code has a token that reads and hands over what it found;
//! one that has the token that writes runs nothing, publishes, and ends the answer.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cli::action::heal::{self, Found};
use crate::cli::action::job::Job;
use crate::cli::action::publish::Publish;
use crate::cli::action::run::{self, How, Run, Status};
use crate::cli::action::{orders, output, policy};
use crate::cli::context::Context;
use crate::config::{FILE, Loaded};
use crate::error::{Error, Exit, Result};
use crate::github::body;
use crate::github::client::Client;
use crate::github::deliver::Delivered;
use crate::github::errand::Errand;
use crate::github::event::Comment;
use crate::github::handover;
use crate::github::talk::{self, Done};
use crate::process::sandbox;
use crate::report::Outcome;

/// How often is looked whether somebody said `/kaizen stop`.
const LOOK: Duration = Duration::from_secs(15);

/// The rules of the branch that it is for.
fn rules(context: &Context, client: &Client, errand: &Errand, options: &[crate::config::Override]) -> Result<Loaded> {
    let text = context.wait(|_| async move { Ok(client.file_at(FILE, &errand.base).await?) })?;
    policy::read(text.as_deref(), options)
}

/// Heals what `order` says, and hands over what came of it.
///
/// # Errors
/// When the order is not that of this comment, or our own side fails.
pub fn heal(context: &Context, job: &Job, args: &Run, order: &str, comment: &Comment) -> Result<Exit> {
    let errand = Errand::read(order, comment.id).map_err(Error::usage)?;
    let Some(folder) = &args.hand_over else { return Err(Error::usage("--order needs --hand-over")) };
    let mut options = heal::asked(&args.healing, &errand.rest)?;
    options.base.clone_from(&errand.base_head);
    let mut overrides = options.overrides();
    if errand.fork {
        match policy::fence_for_forks(sandbox::can()) {
            Ok(fence) => overrides.extend(fence),
            Err(error) => return refuse(context, &errand, folder, &error),
        }
    }
    let loaded = rules(context, &job.client, &errand, &overrides)?;
    let (cancel, ended) = (context.cancel.child_token(), CancellationToken::new());
    let watched = Context { cancel: cancel.clone(), ..context.clone() };
    let found = output::quietly(context, || {
        std::thread::scope(|scope| {
            scope.spawn(|| until_stopped(context, &job.client, comment, &cancel, &ended));
            let found = heal::in_tree(&watched, &job.client, &errand.head, &loaded, &options);
            ended.cancel();
            found.map(|(_, found)| found)
        })
    })?;
    output::summary(&body::summary(&found.document, &job.mask))?;
    found.hand_over(context, &errand.head, folder)?;
    output::tell(context, &Delivered::Nothing, &found.document)?;
    Ok(Exit::Ok)
}

/// Nothing is run: the job that publishes says why, in the answer that somebody waits for.
fn refuse(context: &Context, errand: &Errand, folder: &Path, error: &Error) -> Result<Exit> {
    output::complain(context, &error.render());
    let hint = error.hint_text().map(|hint| format!("; what helps: {hint}")).unwrap_or_default();
    handover::refuse(&context.dir.join(folder), &errand.head, &format!("{error}{hint}"))?;
    output::set("outcome", "refused")?;
    Ok(Exit::Ok)
}

/// Cancels when somebody who may has said `/kaizen stop`. A look that fails is none.
fn until_stopped(
    context: &Context,
    client: &Client,
    comment: &Comment,
    cancel: &CancellationToken,
    ended: &CancellationToken,
) {
    let watched = context.wait(|_| async move {
        loop {
            // at once, too: it may have been said while this job waited for a machine
            if talk::is_stopped(client, comment).await {
                cancel.cancel();
                return Ok(());
            }
            tokio::select! {
                () = ended.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
    if let Err(error) = watched {
        tracing::warn!(%error, "nobody looks whether this is to be stopped");
    }
}

/// Publishes what was handed over for `order`, and ends the answer to the comment, whatever came of it.
///
/// # Errors
/// When the order is not that of this comment, or GitHub does not take the answer.
pub fn publish(context: &Context, job: &Job, args: &Publish, order: &str, comment: &Comment) -> Result<Exit> {
    let errand = Errand::read(order, comment.id).map_err(Error::usage)?;
    let done = match deliver(context, job, args, &errand, comment) {
        Ok(done) => done,
        Err(error) => {
            output::complain(context, &error.render());
            orders::failed(&error)
        }
    };
    let (client, mask, done) = (&job.client, &job.mask, &done);
    context.wait(|_| async move { Ok(talk::finish(client, comment, done, mask).await?) })?;
    context.terminal.out("answered\n");
    Ok(Exit::Ok)
}

fn deliver(context: &Context, job: &Job, args: &Publish, errand: &Errand, comment: &Comment) -> Result<Done> {
    // whatever the job before came to: the heal may have been quicker than the next look, or done before this job began
    let client = &job.client;
    let said = context.wait(|_| async move { Ok(talk::is_stopped(client, comment).await) })?;
    if said || args.status == Status::Cancelled {
        return Ok(talk::stopped());
    }
    let given = handover::read(&context.dir.join(&args.from), &errand.head).map_err(Error::from)?;
    let found = Found::from(given);
    if found.document.outcome == Outcome::Interrupted {
        return Ok(talk::stopped());
    }
    let loaded = rules(context, &job.client, errand, &[])?;
    let place = job.place(&errand.branch, None, "comment");
    let (deliver, draft, rules) = (args.delivery.deliver, !args.delivery.ready, policy::rules(&loaded));
    let how = How { deliver, draft, answered: true, place, red: Vec::new(), rules };
    let delivered = run::deliver(context, job, &errand.scene(), &found, how, None)?;
    output::tell(context, &delivered, &found.document)?;
    Ok(orders::outcome(&delivered, &found))
}
