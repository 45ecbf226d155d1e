//! `kaizen-ci action publish`: the second job of two. It has the write token and runs nothing from the repository: it
//! checks what the first job handed over, and delivers it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::action::heal::{self, Found};
use crate::cli::action::job::{Job, variable};
use crate::cli::action::options::Delivery;
use crate::cli::action::run::{self, How, Status};
use crate::cli::action::{elsewhere, output, policy};
use crate::cli::context::Context;
use crate::error::{Error, Exit, Result};
use crate::github::deliver::Scene;
use crate::github::event::{self, Trigger};
use crate::github::{body, handover, names};
use crate::report::escape::markdown;

/// Options of `action publish`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action publish --from found    in a job that has the artifact of `action run --hand-over found`"
)]
pub struct Publish {
    /// The folder that was handed over, or one with several of them: those of the jobs of a matrix
    #[arg(long, value_name = "DIR", default_value = "kaizen-handover")]
    pub from: PathBuf,
    /// How it is delivered.
    #[command(flatten)]
    pub delivery: Delivery,
    /// How the job that ran the tests ended (`needs.….result`); when they passed, our issues about them are closed
    #[arg(long, value_enum, default_value = "failure")]
    pub status: Status,
    /// What a comment asks for: the output `order` of `action comment --hand-on`
    #[arg(long, value_name = "JSON")]
    pub order: Option<String>,
}

/// Publishes.
///
/// # Errors
/// When what was handed over does not fit together, or GitHub refuses.
pub fn run(context: &Context, args: &Publish) -> Result<Exit> {
    let job = Job::here()?;
    if let Some(order) = &args.order {
        return match event::understand(&job.event, &job.payload) {
            Ok(Trigger::Comment(comment)) => elsewhere::publish(context, &job, args, order, &comment),
            Ok(_) | Err(_) => job.nothing(context, "an order is for jobs that a comment starts").map(|()| Exit::Ok),
        };
    }
    let (scene, base) = match scene(context, &job)? {
        Ok(scene) => scene,
        Err(why) => return job.nothing(context, &why).map(|()| Exit::Ok),
    };
    let place = job.place(&scene.branch, None, "");
    match args.status {
        Status::Success => return run::close(context, &job, &place, &scene.head),
        Status::Cancelled => return job.nothing(context, "the tests were stopped").map(|()| Exit::Ok),
        Status::Failure => {}
    }
    let (client, base) = (&job.client, base.as_deref().unwrap_or(&scene.head));
    // the rules of the branch that it is for, from GitHub: there is no checkout here
    let text = context.wait(|_| async move { Ok(client.file_at(crate::config::FILE, base).await?) })?;
    let rules = policy::rules(&policy::read(text.as_deref(), &[])?);
    let folders = handover::folders(&context.dir.join(&args.from));
    let read: Vec<_> = folders.iter().map(|folder| handover::read(folder, &scene.head).map(Found::from)).collect();
    let of = |found: &Found| heal::fingerprint(&found.document).ok().flatten();
    let red: Vec<String> = read.iter().flatten().filter_map(of).collect();
    let mut ended = Ok(Exit::Ok);
    for found in read {
        let (deliver, draft) = (args.delivery.deliver, !args.delivery.ready);
        let (place, rules, red) = (place.clone(), rules.clone(), red.clone());
        let how = How { deliver, draft, answered: false, place, red, rules };
        let done = found.map_err(Error::from).and_then(|found| one(context, &job, &scene, &found, how));
        // what one job of a matrix handed over is published whatever is wrong with that of another
        if let (Err(error), Err(_)) = (&done, &ended) {
            output::complain(context, &error.render());
        }
        ended = ended.and(done);
    }
    ended
}

/// Publishes what one job found.
fn one(context: &Context, job: &Job, scene: &Scene, found: &Found, how: How) -> Result<Exit> {
    let delivered = run::deliver(context, job, scene, found, how, None)?;
    // covered first: a secret that was escaped is none that is recognised
    let headline = markdown(&job.mask.cover(body::headline(&found.document)));
    output::summary(&format!("**{headline}**\n\n{}\n", delivered.words()))?;
    output::tell(context, &delivered, &found.document)?;
    Ok(Exit::Ok)
}

/// What the event is about, from the event alone; and the branch that a pull request is for.
fn scene(context: &Context, job: &Job) -> Result<std::result::Result<(Scene, Option<String>), String>> {
    let trigger = match event::understand(&job.event, &job.payload) {
        Ok(trigger) => trigger,
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    let client = &job.client;
    if let Some(why) = run::has_an_event_of_its_own(context, client, &trigger)? {
        return Ok(Err(why));
    }
    let at = |head: &str, branch: &str| Scene { head: head.into(), branch: branch.into(), pull: None, fork: false };
    let own = || -> Result<String> {
        let sha = variable("GITHUB_SHA")?;
        Ok(names::sha(&sha).map_err(|e| Error::usage(e.to_string()))?.to_owned())
    };
    Ok(Ok(match &trigger {
        Trigger::Push { branch, head, .. } => (at(head, branch), None),
        Trigger::PullRequest(pull) => {
            let scene = Scene { pull: Some(pull.number), fork: pull.fork, ..at(&pull.head, &pull.branch) };
            (scene, Some(pull.base.clone()))
        }
        Trigger::Dispatch { branch } => (at(&own()?, branch), None),
        Trigger::Schedule => {
            let branch = context.wait(|_| async move { Ok(client.default_branch().await?) })?;
            (at(&own()?, &branch), None)
        }
        Trigger::WorkflowRun { .. } | Trigger::TurnedGreen { .. } | Trigger::Comment(_) => {
            return Ok(Err("this event has no job before this one that runs tests".into()));
        }
    }))
}
