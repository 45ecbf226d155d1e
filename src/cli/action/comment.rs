//! `kaizen-ci action comment`: the job that a comment starts: who may, what is asked for, and one answer.

use std::sync::{Mutex, PoisonError};

use clap::Args;

use crate::cli::action::asked::CommandLine;
use crate::cli::action::job::Job;
use crate::cli::action::options::{Delivery, Healing};
use crate::cli::action::{loops, orders, output, policy};
use crate::cli::context::Context;
use crate::config::FILE;
use crate::error::{Error, Exit, Result};
use crate::github::allow::Policy;
use crate::github::client::Client;
use crate::github::event::{self, Comment as Said, Trigger};
use crate::github::order::Word;
use crate::github::talk::{self, Heard, Runners};

/// Options of `action comment`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action comment --hand-on    heals are left to a job with a token that only reads\n  kaizen-ci action comment    in a job that `issue_comment` or `pull_request_review_comment` starts"
)]
pub struct Comment {
    /// How a heal is found.
    #[command(flatten)]
    pub healing: Healing,
    /// How it is handed over.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Run nothing from the repository: what `heal` needs is set as the output `order`, for `run` and `publish` in other jobs
    #[arg(long)]
    pub hand_on: bool,
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
    let (text, who) = rules(context, client, &comment)?;
    let reader = CommandLine::new();
    let desk = orders::Desk { context, job: &job, args, text: text.as_deref(), errand: Mutex::default() };
    let (runners, who) = match &who {
        Ok(who) => (runners(&desk), who.clone()),
        Err(error) => {
            output::complain(context, &error.render());
            let broken = Word::ALL.iter().fold(Runners::default(), |all, word| all.with(*word, orders::Broken(error)));
            (broken, Policy { is_silent: true, ..Policy::default() })
        }
    };
    let (mask, comment) = (&job.mask, &comment);
    let heard = output::quietly(context, || {
        context.wait(|_| async move { Ok(talk::hear(client, comment, &who, &reader, &runners, mask).await?) })
    })?;
    let (name, said) = match heard {
        Heard::Nothing => ("nothing_to_do", "nobody spoke to kaizen-ci"),
        Heard::Ours => ("nothing_to_do", "the comment is kaizen-ci's own"),
        Heard::Changed => ("nothing_to_do", "the comment says something else now, or is gone"),
        Heard::Before => ("nothing_to_do", "the comment was answered before"),
        Heard::Answered => ("answered", "answered"),
        Heard::HandedOn => ("handed_on", "answered, but for a heal: it is handed on to another job"),
        Heard::Refused => ("refused", "answered: something was refused, unclear or did not work"),
        Heard::Silent => ("refused", "not answered: nothing in it is from somebody who may"),
    };
    if let Some(errand) = desk.errand.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        output::set("order", &errand.text().map_err(Error::internal)?)?;
    }
    output::set("outcome", name)?;
    context.terminal.out(&format!("{said}\n"));
    Ok(Exit::Ok)
}

/// `.kaizen.yml` of the branch that a comment is about (a pull request may not say who may give orders), and who may order
/// what by it; or what is wrong with it: then whoever gives an order is told that.
fn rules(context: &Context, client: &Client, comment: &Said) -> Result<(Option<String>, Result<Policy>)> {
    let (number, on_pull) = (comment.number, comment.on_pull);
    let found = context.wait(|_| async move {
        let base = match on_pull {
            true => client.pull(number).await?.base,
            false => client.default_branch().await?,
        };
        Ok(client.file_at(FILE, &base).await)
    })?;
    let text = match found {
        Ok(text) => text,
        // GitHub has it, and it is no text
        Err(trouble) if trouble.status() == Some(200) => {
            let error = Error::usage(format!("{FILE} can't be used: {trouble}")).hint("make it a plain file of YAML");
            return Ok((None, Err(error)));
        }
        Err(trouble) => return Err(trouble.into()),
    };
    let who = policy::read(text.as_deref(), &[]).and_then(|loaded| policy::orders(&loaded));
    Ok((text, who))
}

fn runners<'a>(desk: &'a orders::Desk<'a>) -> Runners<'a> {
    Runners::default()
        .with(Word::Heal, orders::Heal(desk))
        .with(Word::Diagnose, orders::Diagnose(desk))
        .with(Word::Status, orders::Status(desk))
        .with(Word::Stop, orders::Stop)
        .with(Word::Council, loops::Council(desk))
        .with(Word::Prd, loops::Prd(desk))
}
