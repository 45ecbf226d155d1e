//! From a run's document to what people see on GitHub: a pull request, a commit on theirs, suggestions, or an issue.

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};

use super::api::{Found, Pulled};
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
    /// Who asked for it gets an answer: the red pull request is not told once more that there is a heal.
    pub answered: bool,
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
    /// It was red elsewhere and is green here: that mends nothing, so nothing of ours is closed.
    NotReproduced {
        /// What was run here.
        command: String,
        /// It had no network.
        offline: bool,
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
            Delivered::NotReproduced { command, offline } => {
                let ran = if command.is_empty() { String::new() } else { format!("; ran {}", code(command)) };
                let how = if *offline { ", without a network" } else { "" };
                format!("Red there, green here: flaky, another suite or another environment{ran}{how}.")
            }
            Delivered::Nothing => String::new(),
        }
    }

    /// Where it is to be seen, as GitHub links it; none when nothing with a number or a name was made.
    pub fn at(&self) -> Option<String> {
        match self {
            Delivered::Pull(found) | Delivered::Issue(found) | Delivered::Branch { issue: found, .. } => {
                Some(format!("#{}", found.number))
            }
            Delivered::Commit(sha) => Some(sha.clone()),
            Delivered::Suggested { pull, .. } | Delivered::Comment { pull } => Some(format!("#{pull}")),
            Delivered::NotReproduced { .. } | Delivered::Nothing => None,
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

    async fn pull(&self, patch: &[u8], not_pushed: &str) -> Result<Delivered> {
        let (pristine, commit, title) = self.commit(patch)?;
        let base = match self.scene.branch.is_empty() {
            true => self.client.default_branch().await?,
            false => self.scene.branch.clone(),
        };
        let (branch, open, is_ours) = match self.before(&base).await? {
            Before::Closed(found) => return self.report(&closed(&found, not_pushed)).await,
            Before::Open(pull) => (pull.branch, Some(pull.found), true),
            Before::None { branch, merged } => (branch, None, merged),
        };
        let here = pristine.tip(&base)?;
        // of an earlier commit than the tip: what waits may be one of a later, and keeps what that has
        let may_join = is_ours && here.as_deref() == Some(self.scene.head.as_str());
        let placed = match (self.place(&pristine, &commit, &branch, may_join, &title)?, open) {
            (Placed::On(placed), _) => placed,
            (Placed::Taken(why), Some(open)) => return self.beside(&open, why).await,
            (Placed::Taken(_), None) => self.place_beside(&pristine, &commit)?,
        };
        let note = self.notes(here.as_deref(), &placed, not_pushed);
        let text = with_note(&body::pull(self.parcel.document, &self.parcel.around, self.mask), &note);
        let branch = &placed.branch;
        let delivered = match self.client.put_pull(branch, &base, &title, &text, self.parcel.draft).await {
            Ok(found) => Delivered::Pull(found),
            Err(trouble) if may_not_make_pulls(&trouble) => self.branch_and_issue(branch, &base, &title, &text).await?,
            Err(trouble) => return Err(trouble.into()),
        };
        self.tell_red_pull(&delivered).await;
        Ok(delivered)
    }

    fn plain_branch(&self) -> String {
        format!("kaizen/heal-{}", self.parcel.around.fingerprint)
    }

    /// The same for another branch that the same failure is on: a heal of one must not bring its commits to the other.
    fn branch_for(&self, base: &str) -> String {
        format!("{}-{}", self.plain_branch(), hex::encode(&Sha256::digest(base)[..4]))
    }

    async fn before(&self, base: &str) -> Result<Before> {
        let (plain, other) = (self.plain_branch(), self.branch_for(base));
        let mut pulls = self.client.pulls_from(&plain).await?;
        pulls.extend(self.client.pulls_from(&other).await?);
        Ok(before(&pulls, base, &plain, &other))
    }

    /// Puts the commit on our branch: a new one, or on top of the heal of an earlier commit that waits there, without force.
    /// One that is there with the same tree is as good; what a person put there is left alone.
    fn place(&self, pristine: &Pristine, commit: &str, branch: &str, may_join: bool, title: &str) -> Result<Placed> {
        for _ in 0..MOST_MOVES {
            let Some(tip) = pristine.tip(branch)? else {
                match pristine.push(commit, branch, None)? {
                    Pushed::Done => return Ok(Placed::on(branch, false)),
                    Pushed::Moved => continue,
                }
            };
            pristine.fetch(&tip)?;
            let parents = pristine.parents(&tip)?;
            if pristine.tree(&tip)? == pristine.tree(commit)? {
                return Ok(Placed::on(branch, parents.len() > 1));
            }
            if !pristine.is_our_commit(&tip)? {
                return Ok(Placed::Taken("somebody else's commits are on its branch, which is left as it is"));
            }
            if parents.contains(&self.scene.head) {
                return Ok(Placed::Taken("another job was quicker with this one"));
            }
            if !may_join {
                return Ok(Placed::Taken("there are later commits than that, and its branch may have them"));
            }
            let joined = pristine.join(commit, &[&tip, &self.scene.head], &self.message(title))?;
            if pristine.push(&joined, branch, Some(&tip))? == Pushed::Done {
                return Ok(Placed::on(branch, true));
            }
        }
        Err(Error::repository(format!("`{branch}` moved again and again")).hint("start the job again"))
    }

    /// A branch of this commit alone, where ours is taken.
    fn place_beside(&self, pristine: &Pristine, commit: &str) -> Result<Spot> {
        let branch = format!("{}-{}", self.plain_branch(), self.scene.head.chars().take(7).collect::<String>());
        let spot = Spot { branch, is_joined: false };
        if let Some(tip) = pristine.tip(&spot.branch)? {
            pristine.fetch(&tip)?;
            if pristine.tree(&tip)? == pristine.tree(commit)? {
                return Ok(spot);
            }
        } else if pristine.push(commit, &spot.branch, None)? == Pushed::Done {
            return Ok(spot);
        }
        Err(Error::repository(format!("`{}` is taken by another commit; nothing was pushed over it", spot.branch))
            .hint("delete the branch on GitHub, or merge it"))
    }

    /// What stands above the report: what it is for, why it was not pushed, that the branch is at `here` meanwhile.
    fn notes(&self, here: Option<&str>, spot: &Spot, not_pushed: &str) -> String {
        let (Scene { head, branch, pull, .. }, mut notes) = (self.scene, Vec::new());
        notes.extend(pull.map(|number| format!("For #{number}.")));
        if !not_pushed.is_empty() {
            notes.push(left_behind(not_pushed, spot));
        } else if let Some(tip) = here.filter(|tip| tip != head) {
            let branch = code(branch);
            notes.push(format!("> Mind: {branch} has moved on to {tip}; the heal was verified at {head}."));
        }
        notes.join("\n\n")
    }

    /// Says under the red pull request that there is a heal. The heal is there whether this is said or not.
    async fn tell_red_pull(&self, delivered: &Delivered) {
        let Some(pull) = self.scene.pull.filter(|_| !self.parcel.answered) else { return };
        let fingerprint = &self.parcel.around.fingerprint;
        let text = format!("{}\n**There is a heal.** {}\n", body::marker("heal", fingerprint), delivered.words());
        if let Err(trouble) = self.client.put_comment(pull, "heal", fingerprint, &text).await {
            tracing::warn!(%trouble, "the pull request is not told of its heal");
        }
    }

    /// Our heal as a comment under the pull request that is open: two of them would be one too many.
    async fn beside(&self, other: &Found, why: &str) -> Result<Delivered> {
        let around = &self.parcel.around;
        let note = format!(
            "**Another heal of the same failure**, found in {}, of {}. It is not on the branch of this pull request: {why}.",
            places::names(std::slice::from_ref(&around.place)),
            self.scene.head,
        );
        let text = body::issue(self.parcel.document, around, self.mask);
        let rest: String = text.split_inclusive('\n').skip_while(|line| line.starts_with("<!-- kaizen-ci:")).collect();
        let text = format!("{}\n{note}\n\n{rest}", body::marker("other", &around.place.id));
        self.client.put_comment(other.number, "other", &around.place.id, &text).await?;
        Ok(Delivered::Comment { pull: other.number })
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
        let (mut pristine, commit, title) = self.commit(patch)?;
        let branch = names::branch(&self.scene.branch).map_err(|e| Error::usage(e.to_string()))?;
        for _ in 0..MOST_MOVES {
            let Some(tip) = pristine.tip(branch)? else { break };
            let ready = match tip == self.scene.head {
                true => commit.clone(),
                false => match self.merged(&pristine, patch, &commit, &tip, &title).await? {
                    Ok((fresh, merged)) => {
                        pristine = fresh;
                        merged
                    }
                    Err(why) => return self.pull(patch, why).await,
                },
            };
            if pristine.push(&ready, branch, Some(&tip))? == Pushed::Done {
                return Ok(Delivered::Commit(ready));
            }
        }
        self.pull(patch, "the branch moved again and again, or is gone").await
    }

    /// The heal on top of `tip`, verified there, in a git directory that was made after the tests had run; or why not.
    async fn merged(
        &self,
        pristine: &Pristine,
        patch: &[u8],
        commit: &str,
        tip: &str,
        title: &str,
    ) -> Result<std::result::Result<(Pristine, String), &'static str>> {
        let Some(judge) = self.judge else {
            return Ok(Err("the branch moved, and this job may not run tests to judge the heal again"));
        };
        let Some(merged) = self.carried(pristine, commit, tip, title)? else {
            return Ok(Err("the branch moved, and the heal conflicts with what is new there"));
        };
        let tree = pristine.tree(&merged)?;
        if !judge.verify(pristine, tip, &merged).await? {
            return Ok(Err("the branch moved, and the heal is none for what is there now"));
        }
        // the tests that just ran may have written into that directory: no token goes through it any more
        let (fresh, commit, title) = self.commit(patch)?;
        let again = self.carried(&fresh, &commit, tip, &title)?;
        match again {
            Some(again) if fresh.tree(&again)? == tree => Ok(Ok((fresh, again))),
            Some(_) | None => Err(Error::repository("the heal came out differently when it was made once more")
                .why(format!("on {tip}, after it had been judged there as the tree {tree}"))
                .hint("start the job again")),
        }
    }

    fn carried(&self, pristine: &Pristine, commit: &str, tip: &str, title: &str) -> Result<Option<String>> {
        pristine.fetch(tip)?;
        pristine.carry(&self.scene.head, commit, tip, &self.message(title), &self.parcel.rules)
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

/// What there is already of our pull requests for a failure on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    /// One that waits.
    Open(Pulled),
    /// A person closed it and did not merge it: that is an answer.
    Closed(Found),
    /// None, or all are merged: this branch is for the next one.
    None {
        /// The branch.
        branch: String,
        /// One from it was merged: what it has is in the base.
        merged: bool,
    },
}

/// Pure: what of `pulls`, those from the branches `plain` and `other`, is about `base`.
fn before(pulls: &[Pulled], base: &str, plain: &str, other: &str) -> Before {
    let newest = |only_open: bool| {
        let here = pulls.iter().filter(|pull| pull.base == base && (pull.found.open || !only_open));
        here.max_by_key(|pull| pull.found.number)
    };
    match newest(true).or_else(|| newest(false)) {
        Some(pull) if pull.found.open => Before::Open(pull.clone()),
        Some(pull) if !pull.merged => Before::Closed(pull.found.clone()),
        Some(_) | None => {
            let taken = pulls.iter().any(|pull| pull.branch == plain && pull.base != base);
            let branch = if taken { other } else { plain };
            let merged = pulls.iter().any(|pull| pull.branch == branch && pull.base == base && pull.merged);
            Before::None { branch: branch.to_owned(), merged }
        }
    }
}

/// A branch with our heal.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    branch: String,
    /// Its tip is one with an older heal: it has two parents.
    is_joined: bool,
}

/// How putting a heal on a branch ended.
#[derive(Debug, PartialEq, Eq)]
enum Placed {
    /// It is there.
    On(Spot),
    /// Something else is, and why it stays.
    Taken(&'static str),
}

impl Placed {
    fn on(branch: &str, is_joined: bool) -> Self {
        Placed::On(Spot { branch: branch.to_owned(), is_joined })
    }
}

fn closed(found: &Found, not_pushed: &str) -> String {
    let why = if not_pushed.is_empty() { String::new() } else { format!("**Not pushed: {not_pushed}.** ") };
    let number = found.number;
    format!(
        "{why}**No pull request: #{number} was closed** without being merged, so none is opened again. The heal is below."
    )
}

/// What is said when a heal could not be pushed, with the one command that applies it.
fn left_behind(why: &str, spot: &Spot) -> String {
    // of a commit with two parents: what it is beyond the second, which is the commit that was red
    let parent = if spot.is_joined { "-m 2 " } else { "" };
    format!(
        "**Not pushed: {why}.** The heal is on a branch of its own; to take it over by hand:\n\n```sh\ngit fetch origin {} && \
         git cherry-pick {parent}FETCH_HEAD\n```",
        spot.branch
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(number: u64, branch: &str, base: &str, state: &str) -> Pulled {
        let found = Found { number, open: state == "open", ..Found::default() };
        Pulled { found, branch: branch.into(), base: base.into(), merged: state == "merged" }
    }

    #[test]
    fn a_heal_that_waits_is_gone_on_with_and_one_that_a_person_closed_is_not_made_again() {
        let none = |branch: &str| Before::None { branch: branch.into(), merged: false };
        let open = |number, branch| Before::Open(pulled(number, branch, "main", "open"));
        let again = Before::None { branch: "plain".into(), merged: true };
        for (pulls, expected) in [
            (vec![], none("plain")),
            (vec![pulled(3, "plain", "main", "open")], open(3, "plain")),
            (vec![pulled(3, "plain", "main", "closed"), pulled(5, "other", "main", "open")], open(5, "other")),
            (vec![pulled(3, "plain", "main", "closed")], Before::Closed(pulled(3, "plain", "main", "closed").found)),
            // what was merged and is red again is mended again
            (vec![pulled(3, "plain", "main", "merged")], again.clone()),
            (vec![pulled(3, "plain", "main", "closed"), pulled(4, "plain", "main", "merged")], again),
            // the same failure on another branch
            (vec![pulled(3, "plain", "feature", "open")], none("other")),
            (vec![pulled(3, "plain", "feature", "closed")], none("other")),
        ] {
            assert_eq!(before(&pulls, "main", "plain", "other"), expected, "{pulls:?}");
        }
    }

    #[test]
    fn the_command_that_applies_what_was_left_behind_fits_the_commit() {
        let spot = |is_joined| Spot { branch: "kaizen/heal-1".into(), is_joined };
        assert!(left_behind("x", &spot(false)).contains("kaizen/heal-1 && git cherry-pick FETCH_HEAD"));
        assert!(left_behind("x", &spot(true)).contains("git cherry-pick -m 2 FETCH_HEAD"));
    }
}
