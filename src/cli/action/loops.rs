//! `/kaizen council` and `/kaizen prd`: the loops with models, asked for in a comment.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use crate::cli::action::orders::{Desk, why};
use crate::cli::action::{asked, policy};
use crate::cli::council::{self, Council as Asked};
use crate::cli::prd::Prd as Reviewed;
use crate::cli::prd_review;
use crate::council::pack::Piece;
use crate::error::{Error, Exit, Result};
use crate::github::event::Pull;
use crate::github::order::{Order, Word};
use crate::github::revise::{self, Revision};
use crate::github::talk::{CommandRunner, Done, Progress};
use crate::github::{clean, names};

/// Of the diff of a pull request so many characters go with a question.
const DIFF_MOST_CHARS: usize = 60_000;

/// `/kaizen council`
pub struct Council<'a>(pub &'a Desk<'a>);

/// `/kaizen prd`
pub struct Prd<'a>(pub &'a Desk<'a>);

impl CommandRunner for Council<'_> {
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, _: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move { said(order, self.0.council(order, pull).await) })
    }
}

impl CommandRunner for Prd<'_> {
    fn run<'a>(&'a self, order: &'a Order, pull: Option<&'a Pull>, progress: &'a Progress<'a>) -> BoxFuture<'a, Done> {
        Box::pin(async move { said(order, self.0.prd(order, pull, progress.comment().number).await) })
    }
}

/// What a loop came to. One that can't begin (no model can be asked) says so, and what is missing.
fn said(order: &Order, result: Result<(String, Exit)>) -> Done {
    match result {
        Ok((text, exit)) => Done { text, good: matches!(exit, Exit::Ok | Exit::NoAgreement | Exit::BelowThreshold) },
        Err(error) => {
            let text = format!("`{}` is not configured here: {}", order.word.name(), why(&error));
            Done { text, good: false }
        }
    }
}

/// In a thread of its own: the loops have runtimes of their own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (tell, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || drop(tell.send(work())));
    result.await.map_err(|_| Error::internal("the loop panicked"))?
}

impl Desk<'_> {
    async fn council(&self, order: &Order, pull: Option<&Pull>) -> Result<(String, Exit)> {
        let mut extra = Vec::new();
        if let Some(pull) = pull {
            let client = &self.job.client;
            let files = client.list(&client.route(&format!("/pulls/{}/files", pull.number)), 300).await?;
            let one = |file: &serde_json::Value| {
                let (name, patch) = (file["filename"].as_str()?, file["patch"].as_str()?);
                Some(format!("--- {name}\n{patch}\n"))
            };
            let diff: String = files.iter().filter_map(one).collect();
            let text = clean::seen(&diff, &self.job.mask).chars().take(DIFF_MOST_CHARS).collect();
            extra.push(Piece { name: format!("the diff of pull request {}", pull.number), text });
        }
        let asked: Asked = asked::options(Word::Council, &order.rest)?;
        let question = vec![clean::seen(&asked.question.join(" "), &self.job.mask)];
        let args = Asked { question, markdown: true, quiet: true, ..asked };
        let (context, repository) = (self.context.clone(), self.context.repository()?);
        let config = policy::read(self.text, &args.overrides())?.config;
        apart(move || council::answer(&context, &repository, &config, &args, extra)).await
    }

    async fn prd(&self, order: &Order, pull: Option<&Pull>, number: u64) -> Result<(String, Exit)> {
        let client = &self.job.client;
        let asked: Reviewed = asked::options(Word::Prd, &order.rest)?;
        let (path, text) = match &asked.file {
            Some(path) => {
                let path = inside(path)?;
                let at = match pull {
                    Some(pull) => pull.head.clone(),
                    None => client.default_branch().await?,
                };
                let name = path.to_string_lossy().into_owned();
                let text = client.file_at(&name, &at).await?;
                let none =
                    || Error::usage(format!("there is no file {name}")).hint("name a Markdown file of the repository");
                (path, text.ok_or_else(none)?)
            }
            None => {
                let issue = client.read(&client.route(&format!("/issues/{number}"))).await?.body;
                let text = issue.get("body").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
                (PathBuf::from(format!("issue-{number}.md")), text)
            }
        };
        let text = clean::seen(&text, &self.job.mask);
        let in_pull = asked.file.is_some();
        let args = Reviewed { file: Some(path.clone()), markdown: true, quiet: true, ..asked };
        let (context, repository) = (self.context.clone(), self.context.repository()?);
        let loaded = policy::read(self.text, &args.overrides())?;
        let (rules, config) = (policy::rules(&loaded), loaded.config);
        let at = self.context.dir.join(&path);
        let reviewed = text.clone();
        let (comment, revised, exit) =
            apart(move || prd_review::answer(&context, &repository, &config, &args, (&at, &text))).await?;
        let of_pull = pull.filter(|_| in_pull && revised != reviewed);
        let Some(pull) = of_pull else { return Ok((comment, exit)) };
        let path = path.to_string_lossy();
        let revision = Revision { pull, path: &path, reviewed: &reviewed, revised: &revised, rules };
        let handed = revise::hand_over(client, self.args.delivery.deliver, &revision, &self.job.mask).await.words();
        // behind the answer itself, before its tables
        let comment = match comment.split_once("\n\n") {
            Some((answer, rest)) if !handed.is_empty() => format!("{answer}\n\n{handed}\n\n{rest}"),
            Some(_) | None => comment,
        };
        Ok((comment, exit))
    }
}

/// A path inside of the repository that is safe in an address: looked at again where it is used.
fn inside(path: &Path) -> Result<PathBuf> {
    let path = names::path(&path.to_string_lossy()).map_err(|bad| Error::usage(bad.to_string()).hint("docs/prd.md"))?;
    Ok(PathBuf::from(path))
}
