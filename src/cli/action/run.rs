//! `kaizen-ci action run`: heal what the event of this job is about, and deliver what came of it or hand it over.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::action::heal::{self, Found};
use crate::cli::action::job::Job;
use crate::cli::action::options::{Delivery, Healing};
use crate::cli::action::{elsewhere, output, policy, tree, verify};
use crate::cli::context::Context;
use crate::config::{FILE, Loaded};
use crate::error::{Error, Exit, Result};
use crate::github::allow::{self, Denied, Policy};
use crate::github::body::{self, Around};
use crate::github::client::Client;
use crate::github::deliver::{self, Deliver, Delivered, Parcel, Scene};
use crate::github::event::{self, Trigger};
use crate::github::logs;
use crate::github::places::Place;
use crate::mask::Mask;
use crate::repo::Repository;
use crate::report::{Document, Outcome};

/// How the tests of this job ended, as `job.status` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Status {
    /// They passed: what was red here is over.
    Success,
    /// They failed.
    Failure,
    /// Somebody stopped them.
    Cancelled,
}

/// Options of `action run`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  kaizen-ci action run\n  kaizen-ci action run --cmd 'pytest -q' --deliver push\n  kaizen-ci action run --hand-over found    deliver nothing: `action publish` in another job does"
)]
pub struct Run {
    /// How a heal is found.
    #[command(flatten)]
    pub healing: Healing,
    /// How it is handed over.
    #[command(flatten)]
    pub delivery: Delivery,
    /// Write patch, report and receipt into this folder instead of delivering them
    #[arg(long, value_name = "DIR")]
    pub hand_over: Option<PathBuf>,
    /// What a comment asks for: the output `order` of `action comment --hand-on`
    #[arg(long, value_name = "JSON", requires = "hand_over")]
    pub order: Option<String>,
    /// How the tests of this job ended (`job.status`); when they passed nothing is run, and our issues about them are closed
    #[arg(long, value_enum, default_value = "failure")]
    pub status: Status,
}

impl Run {
    /// What tells the suites of one job apart.
    fn suite_words(&self) -> String {
        format!(
            "{}\0{}",
            self.healing.suites.suite.as_deref().unwrap_or_default(),
            self.healing.suites.cmd.as_deref().unwrap_or_default()
        )
    }
}

/// Something to heal.
struct Target {
    scene: Scene,
    /// The branch that it is to be merged into, and the tip of that: for a pull request.
    base: Option<(String, String)>,
    /// The workflow that failed, where that is another one.
    elsewhere: Option<(String, u64)>,
}

/// What is to be done about an event.
enum Plan {
    /// Heal.
    Heal(Target),
    /// Close the issues of a place.
    Close { place: Place, head: String },
    /// Say what the logs say.
    Read { run: u64, head: String, pulls: Vec<u64> },
    /// Nothing, and why.
    Nothing(String),
}

/// Does it.
///
/// # Errors
/// When this is no job of GitHub Actions, or GitHub refuses.
pub fn run(context: &Context, args: &Run) -> Result<Exit> {
    let job = Job::here()?;
    let trigger = match event::understand(&job.event, &job.payload) {
        Ok(trigger) => trigger,
        Err(refused) => return job.nothing(context, &refused.to_string()).map(|()| Exit::Ok),
    };
    match (&args.order, &trigger) {
        (Some(order), Trigger::Comment(comment)) => return elsewhere::heal(context, &job, args, order, comment),
        (Some(_), _) => return job.nothing(context, "an order is for jobs that a comment starts").map(|()| Exit::Ok),
        (None, _) => {}
    }
    let repository = context.repository()?;
    let here = repository.head.as_ref().map(|sha| sha.0.clone()).unwrap_or_default();
    match plan(context, &job, args, &trigger, &here)? {
        Plan::Nothing(why) => job.nothing(context, &why).map(|()| Exit::Ok),
        Plan::Close { place, head } => close(context, &job, &place, &head),
        Plan::Read { run, head, pulls } => read(context, &job, run, &head, &pulls),
        Plan::Heal(target) => heal_it(context, &job, args, &target, repository, &here),
    }
}

fn plan(context: &Context, job: &Job, args: &Run, trigger: &Trigger, here: &str) -> Result<Plan> {
    let scene = |head: &str, branch: &str, pull| Scene { head: head.into(), branch: branch.into(), pull, fork: false };
    let nothing = |why: &str| Ok(Plan::Nothing(why.to_owned()));
    let client = &job.client;
    if let Some(why) = has_an_event_of_its_own(context, client, trigger)? {
        return Ok(Plan::Nothing(why));
    }
    let target = match trigger {
        Trigger::Push { branch, head, .. } => Target { scene: scene(head, branch, None), base: None, elsewhere: None },
        Trigger::PullRequest(pull) if pull.fork => {
            return nothing("this pull request comes from a fork; its code is not run where a token is");
        }
        Trigger::PullRequest(pull) => Target {
            scene: scene(&pull.head, &pull.branch, Some(pull.number)),
            base: Some((pull.base.clone(), pull.base_head.clone())),
            elsewhere: None,
        },
        Trigger::TurnedGreen { head, branch, workflow } => {
            return Ok(Plan::Close { place: job.place(branch, Some(workflow), ""), head: head.clone() });
        }
        Trigger::WorkflowRun { fork: true, run, head, .. } => {
            let pulls = context.wait(|_| async move { Ok(client.pulls_of(head).await?) })?;
            return Ok(Plan::Read { run: *run, head: head.clone(), pulls });
        }
        Trigger::WorkflowRun { head, branch, pulls, actor, bot, workflow, run, .. } => {
            if let Err(denied) = may_start(context, client, actor, *bot)? {
                return nothing(match denied {
                    Denied::Bot => "a bot started that workflow, and `github.bots` in .kaizen.yml does not list it",
                    _ => "who started that workflow may not push here",
                });
            }
            let pull = pulls.first().copied();
            let base = match pull {
                Some(number) => {
                    let pull = context.wait(|_| async move { Ok(client.pull(number).await?) })?;
                    Some((pull.base, pull.base_head))
                }
                None => None,
            };
            Target { scene: scene(head, branch, pull), base, elsewhere: Some((workflow.clone(), *run)) }
        }
        Trigger::Dispatch { branch } => Target { scene: scene(here, branch, None), base: None, elsewhere: None },
        Trigger::Schedule => {
            let branch = context.wait(|_| async move { Ok(client.default_branch().await?) })?;
            Target { scene: scene(here, &branch, None), base: None, elsewhere: None }
        }
        Trigger::Comment(_) => return nothing("a comment is for `kaizen-ci action comment`"),
    };
    Ok(match args.status {
        Status::Failure => Plan::Heal(target),
        Status::Cancelled => Plan::Nothing("the tests were stopped".into()),
        Status::Success => {
            let place = job.place(&target.scene.branch, None, &args.suite_words());
            Plan::Close { place, head: target.scene.head }
        }
    })
}

/// A push to the branch of an open pull request comes with an event of that: one of the two is healed. Where GitHub does not
/// say it is healed twice, which costs time and changes nothing.
pub(super) fn has_an_event_of_its_own(context: &Context, client: &Client, trigger: &Trigger) -> Result<Option<String>> {
    let Trigger::Push { head, default: false, .. } = trigger else { return Ok(None) };
    let pulls = context.wait(|_| async move { Ok(client.pulls_of(head).await.unwrap_or_default()) })?;
    let why = |number: &u64| {
        format!("this commit is the tip of pull request {number}: its own event (`pull_request` in `on:`) is worked on")
    };
    Ok(pulls.first().map(why))
}

/// May who started a workflow elsewhere have it healed here? A bot, when the default branch lists it: on the branch that the
/// workflow ran on it may have written the list itself.
fn may_start(context: &Context, client: &Client, actor: &str, bot: bool) -> Result<std::result::Result<(), Denied>> {
    if !bot {
        let role = context.wait(|_| async move { Ok(client.role(actor).await) })?;
        return Ok(allow::may_start(&Policy::default(), actor, bot, role));
    }
    let text = context.wait(|_| async move { Ok(client.file_at(FILE, &client.default_branch().await?).await?) })?;
    let policy = policy::orders(&policy::read(text.as_deref(), &[])?)?;
    Ok(allow::may_start(&policy, actor, bot, None))
}

/// Everything of a place is green: its issues are closed, with a word why.
pub(super) fn close(context: &Context, job: &Job, place: &Place, head: &str) -> Result<Exit> {
    let run = job.run_url.as_ref().map(|url| format!(" ([run]({url}))")).unwrap_or_default();
    let at = if place.job.is_empty() { String::new() } else { format!(" in `{}`", place.job) };
    let why = format!("The tests are green at {head}{at}{run}.");
    let (client, why) = (&job.client, &why);
    let closed = context.wait(|_| async move { Ok(client.leave_place(&place.id, &[], why).await?) })?;
    let said = match closed.len() {
        0 => "the tests are green, and no issue of ours is open about them".into(),
        _ => format!(
            "the tests are green: closed {}",
            closed.iter().map(|n| format!("#{n}")).collect::<Vec<_>>().join(", ")
        ),
    };
    context.terminal.out(&format!("{said}\n"));
    output::set("outcome", "already_green")?;
    Ok(Exit::Ok)
}

/// A fork's code is not run where a token is: what its logs say is what we say.
fn read(context: &Context, job: &Job, run: u64, head: &str, pulls: &[u64]) -> Result<Exit> {
    let client = &job.client;
    let found = context.wait(|_| async move { Ok(logs::of_run(client, run).await?) })?;
    let text = logs::markdown(&found, &job.mask);
    output::summary(&format!("# What failed, by its logs\n\n{text}"))?;
    for pull in pulls {
        let text = format!("{}\n**What failed, by its logs** ({head})\n\n{text}", body::marker("logs", head));
        context.wait(|_| async move { Ok(client.put_comment(*pull, "logs", head, &text).await?) })?;
    }
    context.terminal.out("that workflow ran on a fork: its logs were read, nothing of it was run\n");
    output::set("outcome", "diagnosed")?;
    Ok(Exit::Ok)
}

fn heal_it(
    context: &Context,
    job: &Job,
    args: &Run,
    target: &Target,
    repository: Repository,
    here: &str,
) -> Result<Exit> {
    let scene = &target.scene;
    if scene.head != here {
        return Err(Error::usage(format!("the event is about {}, and {here} is checked out", scene.head)).hint(
            "actions/checkout with `ref: ${{ github.event.pull_request.head.sha || github.sha }}` and `fetch-depth: 0`",
        ));
    }
    let client = &job.client;
    let base_head = target.base.as_ref().map(|(_, sha)| sha.as_str());
    let shas: Vec<&str> = std::iter::once(scene.head.as_str()).chain(base_head).collect();
    let repository = tree::complete(client, repository, &shas)?;
    let mut asked = heal::asked(&args.healing, &[])?;
    asked.base = base_head.map(str::to_owned);
    let base = target.base.as_ref().map(|(branch, _)| branch.as_str());
    let loaded = heal::configuration(context, client, base, &repository, &asked)?;
    if let Err(error) = heal::remember(context, client, &repository) {
        output::complain(context, &format!("note: what issues say of earlier attempts is not known: {error}"));
    }
    if let Some((_, run)) = &target.elsewhere {
        told_elsewhere(context, job, *run)?;
    }
    let found = output::quietly(context, || heal::heal(context, &repository, &loaded, &asked))?;
    let delivered = match &args.hand_over {
        Some(folder) => found
            .hand_over(context, &scene.head, folder)
            .map(|()| not_reproduced(&found.document, &job.mask).unwrap_or(Delivered::Nothing)),
        None => deliver_it(context, job, args, target, &found, &repository, &loaded),
    };
    // where it is comes first; what was found is worth reading also when it can't be delivered
    let place = delivered.as_ref().map(Delivered::words).unwrap_or_default();
    output::summary(&format!("{place}\n\n{}", body::summary(&found.document, &job.mask)))?;
    output::tell(context, &delivered?, &found.document)?;
    Ok(ended(found.exit))
}

/// What the step ends with. Whatever was found out about red tests is said where it belongs, which is what was asked for: the
/// job whose tests failed is red without us. Red is what kept us from finding anything out.
fn ended(exit: Exit) -> Exit {
    match exit {
        Exit::NotApplied | Exit::Ambiguous | Exit::Flaky | Exit::BrokenOnBase => Exit::Ok,
        Exit::Escalated | Exit::LeftAlone => Exit::Ok,
        exit => exit,
    }
}

/// What was red elsewhere, by its logs; it is believed when it is red here too.
fn told_elsewhere(context: &Context, job: &Job, run: u64) -> Result<()> {
    let client = &job.client;
    match context.wait(|_| async move { Ok(logs::of_run(client, run).await) })? {
        Ok(found) => {
            output::summary(&format!("# What failed there, by its logs\n\n{}\n", logs::markdown(&found, &job.mask)))
        }
        Err(trouble) => {
            output::complain(context, &format!("note: the logs of the failed jobs can't be had: {trouble}"));
            Ok(())
        }
    }
}

fn deliver_it(
    context: &Context,
    job: &Job,
    args: &Run,
    target: &Target,
    found: &Found,
    repository: &Repository,
    loaded: &Loaded,
) -> Result<Delivered> {
    let elsewhere = target.elsewhere.as_ref().map(|(workflow, _)| workflow.as_str());
    let place = job.place(&target.scene.branch, elsewhere, &args.suite_words());
    let judge = verify::Again { context, repository, loaded, suite: args.healing.suites.suite.as_deref() };
    let (draft, rules) = (!args.delivery.ready, policy::rules(loaded));
    let how = How { deliver: args.delivery.deliver, draft, answered: false, place, red: Vec::new(), rules };
    deliver(context, job, &target.scene, found, how, Some(&judge))
}

/// How something is delivered.
pub(super) struct How {
    /// As what.
    pub deliver: Deliver,
    /// Pull requests are drafts.
    pub draft: bool,
    /// Who asked for it gets an answer.
    pub answered: bool,
    /// Where it was red.
    pub place: Place,
    /// The fingerprints of what else is red there.
    pub red: Vec<String>,
    /// What no patch may change.
    pub rules: crate::github::pristine::Rules,
}

/// Delivers what was found, with a check run where the token may, else with annotations in the log.
pub(super) fn deliver(
    context: &Context,
    job: &Job,
    scene: &Scene,
    found: &Found,
    mut how: How,
    judge: Option<&dyn deliver::Verify>,
) -> Result<Delivered> {
    let document = &found.document;
    if let Some(green) = not_reproduced(document, &job.mask) {
        return Ok(green);
    }
    let Some(fingerprint) = heal::fingerprint(document)? else { return Ok(Delivered::Nothing) };
    how.red.push(fingerprint.clone());
    if document.outcome == Outcome::LeftAlone {
        let (client, place) = (&job.client, &how.place);
        let known = context.wait(|_| async move { Ok(client.put_place(&fingerprint, place).await?) })?;
        let delivered = known.map_or(Delivered::Nothing, Delivered::Issue);
        leave_others(context, job, &scene.head, (&how.place, &how.red), &delivered)?;
        return Ok(delivered);
    }
    if matches!(document.outcome, Outcome::Flaky | Outcome::Interrupted) {
        return Ok(Delivered::Nothing);
    }
    let around = Around {
        fingerprint,
        print: document.failure.as_ref().map(|failure| failure.fingerprint.clone()).unwrap_or_default(),
        place: how.place.clone(),
        run_url: job.run_url.clone(),
        receipt: found.receipt.clone(),
        ci: job.ci,
        dirty: found.dirty,
    };
    let (patch, How { deliver: form, draft, answered, place, red, rules }) = (found.patch.as_deref(), how);
    let parcel = Parcel { document, patch, around, draft, answered, rules };
    let (client, mask) = (&job.client, &job.mask);
    let (delivered, checked) = context.wait(|_| async move {
        let delivered = deliver::deliver(client, form, scene, &parcel, mask, judge).await?;
        Ok((delivered, client.put_check(&scene.head, document, mask).await))
    })?;
    if let Err(trouble) = checked {
        tracing::debug!(%trouble, "no check run");
        for line in body::annotations(document) {
            context.terminal.out(&format!("{}\n", mask.cover(&line)));
        }
    }
    leave_others(context, job, &scene.head, (&place, &red), &delivered)?;
    Ok(delivered)
}

/// Tests that were said to be red, and are green here.
fn not_reproduced(document: &Document, mask: &Mask) -> Option<Delivered> {
    let command = document.suite.as_ref().map(|suite| mask.cover(&suite.command).into_owned()).unwrap_or_default();
    let offline = document.notes.iter().any(|note| note == crate::heal::OFFLINE);
    (document.outcome == Outcome::AlreadyGreen).then_some(Delivered::NotReproduced { command, offline })
}

/// What is red at a place now is all that is red there: it is taken out of our other open issues, which are closed when no
/// place is left in them. What was found is delivered whether that can be done or not.
fn leave_others(
    context: &Context,
    job: &Job,
    head: &str,
    (place, red): (&Place, &[String]),
    delivered: &Delivered,
) -> Result<()> {
    let Some(now) = delivered.at() else { return Ok(()) };
    let at = if place.job.is_empty() { String::new() } else { format!(" in `{}`", place.job) };
    let why = format!("No longer red at {head}{at}: what is red there now is another failure, see {now}.");
    let (client, why) = (&job.client, &why);
    let left = context.wait(|_| async move { Ok(client.leave_place(&place.id, red, why).await) })?;
    if let Err(trouble) = left {
        output::complain(
            context,
            &format!("note: issues about what was red here before are not brought up to date: {trouble}"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_found_something_out_ends_well_and_one_that_could_not_does_not() {
        let well = [Exit::Ok, Exit::NotApplied, Exit::Ambiguous, Exit::Flaky, Exit::BrokenOnBase, Exit::Escalated];
        for exit in well.into_iter().chain([Exit::LeftAlone]) {
            assert_eq!(ended(exit), Exit::Ok, "{exit:?}");
        }
        for exit in [Exit::SuiteEnvironment, Exit::Usage, Exit::Internal, Exit::Interrupted] {
            assert_eq!(ended(exit), exit);
        }
    }
}
