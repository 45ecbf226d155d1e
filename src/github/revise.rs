//! A document of a pull request that was revised as somebody asked in a comment: a commit on the pull request's branch, or
//! suggestions under its lines, or neither, and why.

use sha2::{Digest as _, Sha256};

use super::body;
use super::clean;
use super::client::Client;
use super::deliver::Deliver;
use super::event::Pull;
use super::names;
use super::pristine::{Pristine, Pushed, Rules};
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::patch::Patch;

/// So often the branch may move while we work.
const MOST_MOVES: usize = 3;

/// What was revised.
pub struct Revision<'a> {
    /// The pull request that the document is a part of.
    pub pull: &'a Pull,
    /// Its path.
    pub path: &'a str,
    /// As it was reviewed: what people see of it, without secrets.
    pub reviewed: &'a str,
    /// As it was rewritten.
    pub revised: &'a str,
    /// What no commit of ours may change.
    pub rules: Rules,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revised {
    /// A commit is on the pull request's branch.
    Commit(String),
    /// Suggestions are under its lines; why it is no commit, where one was wanted.
    Suggested(usize, Option<String>),
    /// Neither, and why; nothing where nothing else than the answer was wanted.
    Left(Option<String>),
}

/// A way to hand it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Commit,
    Suggest,
}

/// Which ways there are, the best first. A pull request for a document in a pull request would be one click more than a
/// suggestion, and nothing more.
fn ways(how: Deliver, fork: bool) -> &'static [Way] {
    match (how, fork) {
        (Deliver::Push, false) => &[Way::Commit, Way::Suggest],
        (Deliver::Push, true) | (Deliver::Pr | Deliver::Suggest, _) => &[Way::Suggest],
        (Deliver::Report, _) => &[],
    }
}

impl Revised {
    /// What the answer says of it, in Markdown.
    pub fn words(&self) -> String {
        let why = |why: &str| crate::report::escape::markdown(&crate::report::escape::one_line(why, 400));
        match self {
            Revised::Commit(sha) => format!("Committed to this branch as {sha}."),
            Revised::Suggested(count, not) => {
                let count = crate::report::numbers::count(*count, "suggestion");
                let not = not.as_ref().map(|not| format!(" Not committed: {}.", why(not))).unwrap_or_default();
                format!("{count} under the lines of this pull request.{not}")
            }
            Revised::Left(Some(not)) => format!("**Not handed over:** {}. The diff is below.", why(not)),
            Revised::Left(None) => String::new(),
        }
    }
}

/// Hands it over as `how` and the pull request allow. Whatever is in the way is said, not an error: the review was paid for.
pub async fn hand_over(client: &Client, how: Deliver, revision: &Revision<'_>, mask: &Mask) -> Revised {
    let ways = ways(how, revision.pull.fork);
    if ways.is_empty() {
        return Revised::Left(None);
    }
    let (pristine, commit) = match revision.commit(client, mask) {
        Ok(made) => made,
        Err(error) => return Revised::Left(Some(error.to_string())),
    };
    let mut why: Option<String> = None;
    for way in ways {
        let not = match way {
            Way::Commit => match revision.push(client, &pristine, &commit).await {
                Ok(Ok(sha)) => return Revised::Commit(sha),
                Ok(Err(not)) => not.to_owned(),
                Err(error) => error.to_string(),
            },
            Way::Suggest => match revision.suggest(client, &pristine, &commit).await {
                Ok(Ok(count)) => return Revised::Suggested(count, why),
                Ok(Err(not)) => not,
                Err(error) => error.to_string(),
            },
        };
        why = Some(why.map_or(not.clone(), |before| format!("{before}; {not}")));
    }
    Revised::Left(why)
}

impl Revision<'_> {
    fn message(&self) -> String {
        let (path, number) = (self.path, self.pull.number);
        clean::without_hidden(&format!("Revise {path}\n\nReviewed and revised by kaizen-ci, as asked in #{number}.\n"))
    }

    /// The commit on the tip that was reviewed, nowhere but here yet. What nobody sees of the document stays as it is; where
    /// the revision would have to touch that, there is no commit.
    fn commit(&self, client: &Client, mask: &Mask) -> Result<(Pristine, String)> {
        let pristine = Pristine::create(client)?;
        pristine.fetch(&self.pull.head)?;
        let patch = Patch::of_text(self.path.as_bytes(), self.reviewed.as_bytes(), self.revised.as_bytes());
        let hidden = || {
            Error::usage("the revision touches what people do not see of the document, or a secret in it")
                .hint("a person has to take it over")
        };
        let commit = match pristine.commit(&self.pull.head, &patch.unified(), &self.message(), &self.rules) {
            Err(_) if self.differs(&pristine, &self.pull.head, self.reviewed, mask, true)? => return Err(hidden()),
            made => made?,
        };
        // what was reviewed and rewritten is what people see of the commit, to the last letter
        match self.differs(&pristine, &commit, self.revised, mask, false)? {
            true => Err(hidden()),
            false => Ok((pristine, commit)),
        }
    }

    /// Is the document of `commit` another one than `wanted`: as it is (`exactly`), or as people see it?
    fn differs(&self, pristine: &Pristine, commit: &str, wanted: &str, mask: &Mask, exactly: bool) -> Result<bool> {
        let text = String::from_utf8_lossy(&pristine.file(commit, self.path)?).into_owned();
        Ok(if exactly { text != wanted } else { clean::seen(&text, mask) != wanted })
    }

    /// Pushes it; where the branch has moved, on top of that, as long as the document is still the one that was reviewed.
    async fn push(
        &self,
        client: &Client,
        pristine: &Pristine,
        commit: &str,
    ) -> Result<std::result::Result<String, &'static str>> {
        let branch = names::branch(&self.pull.branch).map_err(|e| Error::usage(e.to_string()))?;
        for _ in 0..MOST_MOVES {
            let Some(tip) = pristine.tip(branch)? else { return Ok(Err("the branch is gone")) };
            let ready = match tip == self.pull.head {
                true => commit.to_owned(),
                false => {
                    let (then, now) =
                        (client.file_at(self.path, &self.pull.head).await?, client.file_at(self.path, &tip).await?);
                    if then != now {
                        return Ok(Err("the document was changed on the branch while it was being reviewed"));
                    }
                    pristine.fetch(&tip)?;
                    let carried = pristine.carry(&self.pull.head, commit, &tip, &self.message(), &self.rules)?;
                    let Some(carried) = carried else { return Ok(Err("the branch moved, and the revision conflicts")) };
                    carried
                }
            };
            if pristine.push(&ready, branch, Some(&tip))? == Pushed::Done {
                return Ok(Ok(ready));
            }
        }
        Ok(Err("the branch moved again and again"))
    }

    /// Suggests it, once for this text of this document.
    async fn suggest(
        &self,
        client: &Client,
        pristine: &Pristine,
        commit: &str,
    ) -> Result<std::result::Result<usize, String>> {
        let patch = pristine.diff(&self.pull.head, commit)?;
        let mut hash = Sha256::new();
        for part in ["prd", self.path, &self.pull.head, self.revised] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let mark = hex::encode(&hash.finalize()[..6]);
        let code = crate::report::escape::code(self.path);
        let text = format!(
            "{}\n**{code}, revised.** Scores and questions are in the answer.\n",
            body::marker("fingerprint", &mark)
        );
        let done = client.suggest(self.pull.number, &self.pull.head, &patch, &mark, &text).await?;
        Ok(done.map_err(|why| why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_only_where_pushing_is_allowed_and_never_to_a_fork() {
        for (how, fork, wanted) in [
            (Deliver::Push, false, &[Way::Commit, Way::Suggest][..]),
            (Deliver::Push, true, &[Way::Suggest]),
            (Deliver::Pr, false, &[Way::Suggest]),
            (Deliver::Suggest, true, &[Way::Suggest]),
            (Deliver::Report, false, &[]),
        ] {
            assert_eq!(ways(how, fork), wanted, "{how:?} {fork}");
        }
    }

    #[test]
    fn what_became_of_it_is_said_and_what_was_in_the_way_stays_in_its_place() {
        let left = Revised::Left(Some("it is <b>\n@octocat".into())).words();
        assert!(
            left.starts_with("**Not handed over:** it is") && !left.contains("<b>") && !left.contains('\n'),
            "{left}"
        );
        assert_eq!(Revised::Left(None).words(), "");
        let suggested = Revised::Suggested(1, Some("the branch is gone".into())).words();
        assert_eq!(suggested, "1 suggestion under the lines of this pull request. Not committed: the branch is gone.");
    }
}
