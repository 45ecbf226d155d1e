//! `/kaizen council` and `/kaizen prd`: the loops with models, asked for in a comment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use crate::cli::action::orders::{Desk, why};
use crate::cli::action::{asked, policy};
use crate::cli::council::{self, Council as Asked, Extra};
use crate::cli::prd::Prd as Reviewed;
use crate::cli::prd_review;
use crate::council::pack::Piece;
use crate::error::{Error, Exit, Result};
use crate::github::client::Client;
use crate::github::event::Pull;
use crate::github::order::{Order, Word};
use crate::github::revise::{self, Revision};
use crate::github::talk::{CommandRunner, Done, Progress};
use crate::github::{clean, names};
use crate::prd::Document;

/// So many files of a pull request are looked at.
const FILES_MOST: usize = 300;
/// Of a file's diff so many characters go with a question at most; what fits into the models' windows is less.
const DIFF_MOST_CHARS: usize = 60_000;

/// Each file of a pull request as a piece of its own, and what is not read of it. `seen` makes text from outside harmless.
fn changed(files: &[serde_json::Value], seen: &dyn Fn(&str) -> String) -> Extra {
    let mut extra = Extra::default();
    for file in files {
        let name = seen(file["filename"].as_str().unwrap_or("a file without a name"));
        match file["patch"].as_str().map(seen) {
            None => extra.left.push(format!("{name}: GitHub shows no diff of it (binary, too large, or only renamed)")),
            Some(patch) if patch.chars().count() > DIFF_MOST_CHARS => {
                extra.left.push(format!("{name}: its diff is longer than {DIFF_MOST_CHARS} characters"));
            }
            Some(text) => extra.pieces.push(Piece { name: format!("the diff of {name}"), text }),
        }
    }
    if files.len() >= FILES_MOST {
        extra.left.push(format!("files after the first {FILES_MOST}"));
    }
    extra
}

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
        let mut extra = Extra::default();
        if let Some(pull) = pull {
            let client = &self.job.client;
            let files = client.list(&client.route(&format!("/pulls/{}/files", pull.number)), FILES_MOST).await?;
            extra = changed(&files, &|text| clean::seen(text, &self.job.mask));
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
        let (path, text, tree) = match &asked.file {
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
                (path, text.ok_or_else(none)?, Some(at))
            }
            None => {
                let issue = client.read(&client.route(&format!("/issues/{number}"))).await?.body;
                let text = issue.get("body").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
                (PathBuf::from(format!("issue-{number}.md")), text, None)
            }
        };
        let text = clean::seen(&text, &self.job.mask);
        let missing = match &tree {
            Some(at) => Some(missing(client, &path, &text, at).await),
            None => None,
        };
        let in_pull = asked.file.is_some();
        let args = Reviewed { file: Some(path.clone()), markdown: true, quiet: true, ..asked };
        let (context, repository) = (self.context.clone(), self.context.repository()?);
        let loaded = policy::read(self.text, &args.overrides())?;
        let (rules, config) = (policy::rules(&loaded), loaded.config);
        let at = self.context.dir.join(&path);
        let reviewed = text.clone();
        let (comment, revised, exit) =
            apart(move || prd_review::answer(&context, &repository, &config, &args, (&at, &text), missing.as_ref()))
                .await?;
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

/// Relative addresses in the document `text` at `path` that lead nowhere in the tree `at`: what is checked out is another one.
/// What can't be asked for, or is not answered, is taken to be there.
async fn missing(client: &Client, path: &Path, text: &str, at: &str) -> BTreeSet<String> {
    /// Each is a request.
    const ASKED_MOST: usize = 60;
    let links = Document::new(text).links;
    let targets: BTreeSet<String> =
        links.iter().filter_map(|link| link.to.split(['#', '?']).next()).map(str::to_owned).collect();
    let mut missing = BTreeSet::new();
    let places = targets.into_iter().filter_map(|to| Some((place(path, &to)?, to)));
    for (place, to) in places.take(ASKED_MOST) {
        if matches!(client.file_at(&place, at).await, Ok(None)) {
            missing.insert(to);
        }
    }
    missing
}

/// Where the relative address `to` in the document at `path` leads, from the top of the repository; none where it leads out of
/// it, or to what has no name that is safe in an address.
fn place(path: &Path, to: &str) -> Option<String> {
    if to.is_empty() || to.contains(':') || to.starts_with('/') {
        return None;
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_string_lossy().replace('\\', "/");
    let to = to.replace("%20", " ");
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(to.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    names::path(&parts.join("/")).ok()
}

/// A path inside of the repository that is safe in an address: looked at again where it is used.
fn inside(path: &Path) -> Result<PathBuf> {
    let path = names::path(&path.to_string_lossy()).map_err(|bad| Error::usage(bad.to_string()).hint("docs/prd.md"))?;
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_are_looked_for_from_the_document_on_and_nowhere_else() {
        for (to, wanted) in [
            ("notes.md", Some("docs/notes.md")),
            ("./img/a.png", Some("docs/img/a.png")),
            ("../README.md", Some("README.md")),
            ("img/", Some("docs/img")),
            ("..", None),
            ("../../x.md", None),
            ("my%20notes.md", None),
            ("/x.md", None),
            ("https://a.example/x", None),
            ("../.git/config", None),
            ("", None),
        ] {
            assert_eq!(place(Path::new("docs/prd.md"), to).as_deref(), wanted, "{to}");
        }
        assert_eq!(place(Path::new("prd.md"), "notes.md").as_deref(), Some("notes.md"));
    }

    #[test]
    fn each_file_is_a_piece_of_its_own_and_what_has_no_diff_is_said() {
        let long = "x".repeat(DIFF_MOST_CHARS + 1);
        let files = [
            json!({"filename": "a.rs", "patch": "+a"}),
            json!({"filename": "logo.png"}),
            json!({"filename": "big.json", "patch": long}),
            json!({"filename": "b.rs", "patch": "+b"}),
        ];
        let extra = changed(&files, &|text| text.to_owned());
        let names: Vec<&str> = extra.pieces.iter().map(|piece| piece.name.as_str()).collect();
        assert_eq!(names, ["the diff of a.rs", "the diff of b.rs"]);
        assert!(
            extra.left.len() == 2 && extra.left[0].starts_with("logo.png: ") && extra.left[1].starts_with("big.json: ")
        );
    }
}
