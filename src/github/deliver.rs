//! From a run's document to what people see on GitHub: a pull request, a commit on theirs, suggestions, or an issue.

use futures::future::BoxFuture;

use super::api::Found;
use super::body::{self, Around};
use super::client::{Client, Trouble};
use super::names;
use super::places;
use super::pristine::{Pristine, Pushed, Rules};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::report::Document;
use crate::report::escape::code;
use crate::report::numbers::count;

/// How a heal is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deliver {
    /// A branch of ours and a draft pull request.
    Pr,
    /// A commit on the branch that was red.
    Push,
    /// Suggestions under the lines of the pull request, where all of the heal is on lines that it shows.
    Suggest,
    /// Only the report: an issue, or a comment under the pull request.
    Report,
}

/// What was red, and where. Made from the event by whoever delivers; nothing in it comes from code under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The commit that was red.
    pub head: String,
    /// The branch it was the tip of.
    pub branch: String,
    /// The pull request of that branch, where there is one.
    pub pull: Option<u64>,
    /// From another repository: nothing is pushed there.
    pub fork: bool,
}

/// What is handed over.
#[derive(Debug, Clone)]
pub struct Parcel<'a> {
    /// The run's document.
    pub document: &'a Document,
    /// The verified patch, as a unified diff.
    pub patch: Option<&'a [u8]>,
    /// The rest.
    pub around: Around,
    /// Whether the pull request is a draft.
    pub draft: bool,
    /// What no patch may change, by the configuration of the base branch.
    pub rules: Rules,
}

/// Judges a heal again when its branch has moved. Where code may not be run (the job that publishes) there is none.
pub trait Verify: Sync {
    /// Is `merged` (the heal carried over onto `tip`, both in `pristine`) a heal of `tip`?
    ///
    /// # Errors
    /// When our own side fails.
    fn verify<'a>(&'a self, pristine: &'a Pristine, tip: &'a str, merged: &'a str) -> BoxFuture<'a, Result<bool>>;
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// A pull request was made or updated.
    Pull(Found),
    /// A commit is on the red branch.
    Commit(String),
    /// Suggestions are under the pull request.
    Suggested {
        /// The pull request.
        pull: u64,
        /// How many.
        count: usize,
    },
    /// An issue was made, updated or opened again.
    Issue(Found),
    /// A comment under the pull request.
    Comment {
        /// The pull request.
        pull: u64,
    },
    /// The branch is there, and Actions may not make pull requests: an issue has the link.
    Branch {
        /// Our branch.
        branch: String,
        /// The issue.
        issue: Found,
    },
    /// There was nothing to say.
    Nothing,
}

impl Delivered {
    /// What people are told of it, in Markdown; empty when nothing was delivered.
    pub fn words(&self) -> String {
        let link = |what: &str, found: &Found| format!("{what}: [#{}]({}).", found.number, found.url);
        match self {
            Delivered::Pull(found) => link("Pull request", found),
            Delivered::Commit(sha) => format!("Pushed as {sha}."),
            Delivered::Suggested { count: n, .. } => format!("{} under the lines.", count(*n, "suggestion")),
            Delivered::Issue(found) => link("Report", found),
            Delivered::Comment { pull } => format!("The report is a comment of its own under #{pull}."),
            Delivered::Branch { branch, issue } => link(&format!("On the branch {}, see", code(branch)), issue),
            Delivered::Nothing => String::new(),
        }
    }
}

/// Hands over what a run found.
///
/// # Errors
/// When GitHub or git refuse; the message says what is missing.
pub async fn deliver(
    client: &Client,
    how: Deliver,
    scene: &Scene,
    parcel: &Parcel<'_>,
    mask: &Mask,
    judge: Option<&dyn Verify>,
) -> Result<Delivered> {
    let document = parcel.document;
    if document.failure.is_none() {
        return Ok(Delivered::Nothing);
    }
    let healed = document.heal.as_ref().filter(|heal| heal.disagreement.is_none());
    let work = Work { client, scene, parcel, mask, judge };
    match (healed, parcel.patch) {
        (Some(_), Some(patch)) => match how {
            Deliver::Suggest => work.suggest(patch).await,
            Deliver::Push if !scene.fork => work.push(patch).await,
            Deliver::Pr if !scene.fork => work.pull(patch, "").await,
            Deliver::Push | Deliver::Pr | Deliver::Report => work.report("").await,
        },
        _ => work.report("").await,
    }
}

/// So often a branch may move while we work; then the heal becomes a pull request.
const MOST_MOVES: usize = 3;

struct Work<'a> {
    client: &'a Client,
    scene: &'a Scene,
    parcel: &'a Parcel<'a>,
    mask: &'a Mask,
    judge: Option<&'a dyn Verify>,
}

impl Work<'_> {
    /// The report: under the pull request as a comment, else as the issue of its fingerprint.
    async fn report(&self, note: &str) -> Result<Delivered> {
        let fingerprint = &self.parcel.around.fingerprint;
        let text = with_note(&body::issue(self.parcel.document, &self.parcel.around, self.mask), note);
        if let Some(pull) = self.scene.pull {
            self.client.put_report(pull, fingerprint, &text).await?;
            return Ok(Delivered::Comment { pull });
        }
        let title = self.mask.cover(&body::issue_title(self.parcel.document)).into_owned();
        Ok(Delivered::Issue(self.client.put_issue(fingerprint, &title, &text).await?))
    }

    fn message(&self, title: &str) -> String {
        let heal = self.parcel.document.heal.as_ref();
        let culprit = self.parcel.document.culprit.as_ref().filter(|_| heal.is_some_and(|heal| heal.tier == 2));
        let reverts = culprit.map(|c| format!("\nThis reverts commit {}.\n", c.commit)).unwrap_or_default();
        let fixer = heal.map(|heal| heal.fixer.as_str()).unwrap_or_default();
        let text = format!("{}\n{reverts}\nVerified by kaizen-ci, found by {fixer}.\n", title.replace('\u{200b}', ""));
        super::clean::without_hidden(&self.mask.cover(&text))
    }

    fn commit(&self, patch: &[u8]) -> Result<(Pristine, String, String)> {
        let title = self.mask.cover(&body::title(self.parcel.document)).into_owned();
        let pristine = Pristine::create(self.client)?;
        pristine.fetch(&self.scene.head)?;
        let commit = pristine.commit(&self.scene.head, patch, &self.message(&title), &self.parcel.rules)?;
        Ok((pristine, commit, title))
    }

    async fn pull(&self, patch: &[u8], note: &str) -> Result<Delivered> {
        let (pristine, commit, title) = self.commit(patch)?;
        let plain = self.plain_branch();
        if let Some(other) = self.other_heal(&pristine, &commit, &plain).await? {
            return self.beside(&other).await;
        }
        let branch = self.place_branch(&pristine, &commit, &plain)?;
        let base = match self.scene.branch.is_empty() {
            true => self.client.default_branch().await?,
            false => self.scene.branch.clone(),
        };
        let text = with_note(&body::pull(self.parcel.document, &self.parcel.around, self.mask), note);
        match self.client.put_pull(&branch, &base, &title, &text, self.parcel.draft).await {
            Ok(found) => Ok(Delivered::Pull(found)),
            Err(trouble) if may_not_make_pulls(&trouble) => self.branch_and_issue(&branch, &base, &title, &text).await,
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn plain_branch(&self) -> String {
        format!("kaizen/heal-{}", self.parcel.around.fingerprint)
    }

    /// The open pull request of another heal for the same failure of the same commit: another job was quicker.
    async fn other_heal(&self, pristine: &Pristine, commit: &str, branch: &str) -> Result<Option<Found>> {
        let Some(tip) = pristine.tip(branch)? else { return Ok(None) };
        pristine.fetch(&tip)?;
        let same_head = pristine.parent(&tip)?.as_deref() == Some(self.scene.head.as_str());
        match same_head && pristine.tree(&tip)? != pristine.tree(commit)? {
            true => Ok(self.client.find_pull(branch).await?),
            false => Ok(None),
        }
    }

    /// Our heal as a comment under that of another job: two pull requests would be one too many.
    async fn beside(&self, other: &Found) -> Result<Delivered> {
        let around = &self.parcel.around;
        let note = format!(
            "**Another heal of the same failure**, found in {}.",
            places::names(std::slice::from_ref(&around.place))
        );
        let text = body::issue(self.parcel.document, around, self.mask);
        let rest: String = text.split_inclusive('\n').skip_while(|line| line.starts_with("<!-- kaizen-ci:")).collect();
        let text = format!("{}\n{note}\n\n{rest}", body::marker("other", &around.place.id));
        self.client.put_comment(other.number, "other", &around.place.id, &text).await?;
        Ok(Delivered::Comment { pull: other.number })
    }

    /// Puts the commit on a branch of ours. One that is there with the same tree is as good; any other is left alone, and
    /// the commit gets a branch beside it.
    fn place_branch(&self, pristine: &Pristine, commit: &str, plain: &str) -> Result<String> {
        let beside = format!("{plain}-{}", self.scene.head.chars().take(7).collect::<String>());
        for branch in [plain, beside.as_str()] {
            if let Some(tip) = pristine.tip(branch)? {
                pristine.fetch(&tip)?;
                if pristine.tree(&tip)? == pristine.tree(commit)? {
                    return Ok(branch.to_owned());
                }
                continue;
            }
            if pristine.push(commit, branch, None)? == Pushed::Done {
                return Ok(branch.to_owned());
            }
        }
        Err(Error::repository(format!("`{beside}` is taken by another commit; nothing was pushed over it"))
            .hint("delete the branch on GitHub, or merge it"))
    }

    /// Actions may not make pull requests here: the branch is there, an issue has the link that makes one.
    async fn branch_and_issue(&self, branch: &str, base: &str, title: &str, text: &str) -> Result<Delivered> {
        let link = format!("{}/{}/compare/{base}...{branch}?expand=1", self.client.place.server, self.client.slug);
        let note = format!(
            "**The heal is on the branch `{branch}`: [open a pull request]({link}).** kaizen-ci may not do it itself: allow it \
             in Settings → Actions → General → *Allow GitHub Actions to create and approve pull requests*."
        );
        let issue = self.client.put_issue(&self.parcel.around.fingerprint, title, &with_note(text, &note)).await?;
        Ok(Delivered::Branch { branch: branch.to_owned(), issue })
    }

    /// A commit on the red branch itself. When that has moved, the heal is merged with it and judged again; when it does
    /// not merge, is no heal there, or nobody here may run code, it becomes a pull request: nothing is lost, and nobody's
    /// commit is pushed over.
    async fn push(&self, patch: &[u8]) -> Result<Delivered> {
        let (pristine, commit, title) = self.commit(patch)?;
        let branch = names::branch(&self.scene.branch).map_err(|e| Error::usage(e.to_string()))?;
        for _ in 0..MOST_MOVES {
            let Some(tip) = pristine.tip(branch)? else { break };
            let ready = match tip == self.scene.head {
                true => commit.clone(),
                false => match self.merged(&pristine, &commit, &tip, &title).await? {
                    Ok(merged) => merged,
                    Err(why) => return self.pull(patch, &self.left_behind(why)).await,
                },
            };
            if pristine.push(&ready, branch, Some(&tip))? == Pushed::Done {
                return Ok(Delivered::Commit(ready));
            }
        }
        self.pull(patch, &self.left_behind("the branch moved again and again, or is gone")).await
    }

    /// The heal on top of `tip`, verified there; or why not.
    async fn merged(
        &self,
        pristine: &Pristine,
        commit: &str,
        tip: &str,
        title: &str,
    ) -> Result<std::result::Result<String, &'static str>> {
        let Some(judge) = self.judge else {
            return Ok(Err("the branch moved, and this job may not run tests to judge the heal again"));
        };
        pristine.fetch(tip)?;
        let Some(merged) = pristine.carry(&self.scene.head, commit, tip, &self.message(title), &self.parcel.rules)?
        else {
            return Ok(Err("the branch moved, and the heal conflicts with what is new there"));
        };
        Ok(match judge.verify(pristine, tip, &merged).await? {
            true => Ok(merged),
            false => Err("the branch moved, and the heal is none for what is there now"),
        })
    }

    /// What is said when a heal could not be pushed, with the one command that applies it.
    fn left_behind(&self, why: &str) -> String {
        let branch = self.plain_branch();
        format!(
            "**Not pushed: {why}.** The heal is on a branch of its own; to take it over by hand:\n\n```sh\ngit fetch origin \
             {branch} && git cherry-pick FETCH_HEAD\n```"
        )
    }

    /// Suggestions under the lines; where they don't allow it, the report with the patch, and why.
    async fn suggest(&self, patch: &[u8]) -> Result<Delivered> {
        let Some(pull) = self.scene.pull else {
            return self.report("**Not suggested:** there is no pull request to suggest it in.").await;
        };
        let fingerprint = &self.parcel.around.fingerprint;
        let text = body::issue(self.parcel.document, &self.parcel.around, self.mask);
        match self.client.suggest(pull, &self.scene.head, patch, fingerprint, &text).await? {
            Ok(count) => Ok(Delivered::Suggested { pull, count }),
            Err(why) => self.report(&format!("**Not suggested:** {why}. The patch is below.")).await,
        }
    }
}

/// `text` with a note behind its markers.
fn with_note(text: &str, note: &str) -> String {
    if note.is_empty() {
        return text.to_owned();
    }
    let end: usize =
        text.split_inclusive('\n').take_while(|line| line.starts_with("<!-- kaizen-ci:")).map(str::len).sum();
    body::fit(&format!("{}{note}\n\n{}", &text[..end], &text[end..]), body::BODY_MOST_CHARS)
}

fn may_not_make_pulls(trouble: &Trouble) -> bool {
    let Trouble::Refused { status, message, .. } = trouble else { return false };
    *status == 403 || (*status == 422 && message.contains("not permitted"))
}
