//! From a run's document to what people see on GitHub: a pull request, a commit on theirs, or an issue.

use super::api::Found;
use super::body::{self, Around};
use super::client::{Client, Trouble};
use super::names;
use super::pristine::{Pristine, Pushed};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::report::Document;

/// How a heal is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deliver {
    /// A branch of ours and a draft pull request.
    Pr,
    /// A commit on the branch that was red.
    Push,
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
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// A pull request was made or updated.
    Pull(Found),
    /// A commit is on the red branch.
    Commit(String),
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
) -> Result<Delivered> {
    let document = parcel.document;
    if document.failure.is_none() {
        return Ok(Delivered::Nothing);
    }
    let healed = document.heal.as_ref().filter(|heal| heal.disagreement.is_none());
    match (healed, parcel.patch) {
        (Some(_), Some(patch)) if how != Deliver::Report && !scene.fork => {
            let work = Work { client, scene, parcel, mask };
            match how {
                Deliver::Push => work.push(patch).await,
                Deliver::Pr | Deliver::Report => work.pull(patch).await,
            }
        }
        _ => report(client, scene, parcel, mask).await,
    }
}

/// The report: under the pull request as a comment, else as the issue of its fingerprint.
async fn report(client: &Client, scene: &Scene, parcel: &Parcel<'_>, mask: &Mask) -> Result<Delivered> {
    let fingerprint = &parcel.around.fingerprint;
    let text = body::issue(parcel.document, &parcel.around, mask);
    if let Some(pull) = scene.pull {
        client.put_comment(pull, "fingerprint", fingerprint, &text).await?;
        return Ok(Delivered::Comment { pull });
    }
    let title = mask.cover(&body::issue_title(parcel.document)).into_owned();
    Ok(Delivered::Issue(client.put_issue(fingerprint, &title, &text).await?))
}

struct Work<'a> {
    client: &'a Client,
    scene: &'a Scene,
    parcel: &'a Parcel<'a>,
    mask: &'a Mask,
}

impl Work<'_> {
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
        let commit = pristine.commit(&self.scene.head, patch, &self.message(&title))?;
        Ok((pristine, commit, title))
    }

    async fn pull(&self, patch: &[u8]) -> Result<Delivered> {
        let (pristine, commit, title) = self.commit(patch)?;
        let branch = self.place_branch(&pristine, &commit)?;
        let base = match self.scene.pull {
            Some(_) => self.scene.branch.clone(),
            None if self.scene.branch.is_empty() => self.client.default_branch().await?,
            None => self.scene.branch.clone(),
        };
        let text = body::pull(self.parcel.document, &self.parcel.around, self.mask);
        match self.client.put_pull(&branch, &base, &title, &text, self.parcel.draft).await {
            Ok(found) => Ok(Delivered::Pull(found)),
            Err(trouble) if may_not_make_pulls(&trouble) => self.branch_and_issue(&branch, &base, &title, &text).await,
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Puts the commit on a branch of ours. One that is there with the same tree is as good; any other is left alone, and
    /// the commit gets a branch beside it.
    fn place_branch(&self, pristine: &Pristine, commit: &str) -> Result<String> {
        let plain = format!("kaizen/heal-{}", self.parcel.around.fingerprint);
        let beside = format!("{plain}-{}", self.scene.head.chars().take(7).collect::<String>());
        for branch in [&plain, &beside] {
            if let Some(tip) = pristine.tip(branch)? {
                pristine.fetch(&tip)?;
                if pristine.tree(&tip)? == pristine.tree(commit)? {
                    return Ok(branch.clone());
                }
                continue;
            }
            if pristine.push(commit, branch, None)? == Pushed::Done {
                return Ok(branch.clone());
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
             in Settings → Actions → General → *Allow GitHub Actions to create and approve pull requests*.\n\n"
        );
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let text = body::fit(&format!("{first}\n{note}{rest}"), body::BODY_MOST_CHARS);
        let issue = self.client.put_issue(&self.parcel.around.fingerprint, title, &text).await?;
        Ok(Delivered::Branch { branch: branch.to_owned(), issue })
    }

    /// A commit on the red branch itself, if it has not moved since. If it has, what was verified is not what would be
    /// there: the heal becomes a pull request, which loses nothing and overwrites nobody.
    async fn push(&self, patch: &[u8]) -> Result<Delivered> {
        let (pristine, commit, _) = self.commit(patch)?;
        let branch = names::branch(&self.scene.branch).map_err(|e| Error::usage(e.to_string()))?;
        if pristine.tip(branch)?.as_deref() == Some(self.scene.head.as_str())
            && pristine.push(&commit, branch, Some(&self.scene.head))? == Pushed::Done
        {
            return Ok(Delivered::Commit(commit));
        }
        self.pull(patch).await
    }
}

fn may_not_make_pulls(trouble: &Trouble) -> bool {
    let Trouble::Refused { status, message, .. } = trouble else { return false };
    *status == 403 || (*status == 422 && message.contains("not permitted"))
}
