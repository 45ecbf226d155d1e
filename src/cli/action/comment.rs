//! `kaizen-ci action comment`: the job that a comment starts: who may, what is asked for, and one answer.

use clap::Args;

use crate::cli::action::job::Job;
use crate::cli::action::{loops, orders, output, policy};
use crate::cli::context::Context;
use crate::cli::options::Suites;
use crate::config::FILE;
use crate::error::{Exit, Result};
use crate::fixer::registry;
use crate::github::deliver::Deliver;
use crate::github::event::{self, Trigger};
use crate::github::talk::{self, Heard, Runners};

/// Options of `action comment`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action comment    in a job that `issue_comment` or `pull_request_review_comment` starts"
)]
pub struct Comment {
    /// Which suite.
    #[command(flatten)]
    pub suites: Suites,
    /// How a heal is handed over
    #[arg(long, value_enum, default_value = "pr")]
    pub deliver: Deliver,
    /// Make pull requests that are ready for review, not drafts
    #[arg(long)]
    pub ready: bool,
    /// Wall time for a heal (90s, 10m, 1h30m)
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<String>,
}

/// Answers the comment.
///
/// # Errors
/// When this is no job of GitHub Actions, or GitHub does not answer.
pub fn run(context: &Context, args: &Comment) -> Result<Exit> {
    let job = Job::here()?;
    let comment = match event::understand(&job.event, &job.payload) {
        Ok(Trigger::Comment(comment)) => comment,
        Ok(_) => return job.nothing(context, "this event is no comment").map(|()| Exit::Ok),
        Err(refused) => return job.nothing(context, &refused.to_string()).map(|()| Exit::Ok),
    };
    let client = &job.client;
    // the rules of the branch that it is for: a pull request may not say who may give orders
    let (number, on_pull) = (comment.number, comment.on_pull);
    let text = context.wait(|_| async move {
        let base = match on_pull {
            true => client.pull(number).await?.base,
            false => client.default_branch().await?,
        };
        Ok(client.file_at(FILE, &base).await?)
    })?;
    let loaded = policy::read(text.as_deref(), &[])?;
    let who = policy::orders(&loaded)?;
    let strategies: Vec<&str> = registry::all().iter().map(|fixer| fixer.name()).collect();
    let desk = orders::Desk { context, job: &job, args, text: text.as_deref() };
    let runners = Runners::default()
        .with("heal", orders::Heal(&desk))
        .with("diagnose", orders::Diagnose(&desk))
        .with("status", orders::Status(&desk))
        .with("stop", orders::Stop)
        .with("council", loops::Council(&desk))
        .with("prd", loops::Prd(&desk));
    let (mask, comment) = (&job.mask, &comment);
    let heard = output::quietly(context, || {
        context.wait(|_| async move { Ok(talk::hear(client, comment, &who, &strategies, &runners, mask).await?) })
    })?;
    let (name, said) = match heard {
        Heard::Nothing => ("nothing_to_do", "nobody spoke to kaizen-ci"),
        Heard::Ours => ("nothing_to_do", "the comment is kaizen-ci's own"),
        Heard::Changed => ("nothing_to_do", "the comment says something else now, or is gone"),
        Heard::Before => ("nothing_to_do", "the comment was answered before"),
        Heard::Answered => ("answered", "answered"),
        Heard::Refused => ("refused", "answered: something was refused, unclear or did not work"),
    };
    output::set("outcome", name)?;
    context.terminal.out(&format!("{said}\n"));
    Ok(Exit::Ok)
}
