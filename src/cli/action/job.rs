//! What the runner says about the job that we are in: the event, the repository, the token, the workflow.

use sha2::{Digest as _, Sha256};

use crate::cli::action::output;
use crate::cli::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::github::body::Ci;
use crate::github::client::{Client, Place, Token};
use crate::github::names::Slug;
use crate::github::pace::Pace;
use crate::mask::Mask;
use crate::process::environment;

/// The job.
pub struct Job {
    /// The event's name.
    pub event: String,
    /// The event.
    pub payload: serde_json::Value,
    /// GitHub.
    pub client: Client,
    /// The page of this run.
    pub run_url: Option<String>,
    /// Whether CI runs on pull requests that this token makes.
    pub ci: Ci,
    /// Covers the secrets of this job.
    pub mask: Mask,
    workflow: String,
    job: String,
}

/// A variable that has to be there.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::usage(format!("{name} is not set"))
            .hint("`kaizen-ci action` is for jobs of GitHub Actions; here: kaizen-ci heal")
    })
}

impl Job {
    /// Reads it from the environment.
    ///
    /// # Errors
    /// When this is no job of GitHub Actions.
    pub fn here() -> Result<Self> {
        let event = variable("GITHUB_EVENT_NAME")?;
        let path = variable("GITHUB_EVENT_PATH")?;
        let text = std::fs::read_to_string(&path).context(|| format!("can't read the event at {path}"))?;
        let payload = serde_json::from_str(&text).context(|| format!("the event at {path} is not JSON"))?;
        let slug = Slug::parse(&variable("GITHUB_REPOSITORY")?).map_err(|e| Error::usage(e.to_string()))?;
        let or = |name: &str, default: &str| variable(name).unwrap_or_else(|_| default.to_owned());
        let server = or("GITHUB_SERVER_URL", "https://github.com");
        let place = Place { api: or("GITHUB_API_URL", "https://api.github.com"), server: server.clone() };
        let token =
            variable("GITHUB_TOKEN").map_err(|e| e.hint("pass `github-token: ${{ github.token }}` to the Action"))?;
        let run_url = variable("GITHUB_RUN_ID").ok().filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
        let run_url = run_url.map(|id| format!("{server}/{slug}/actions/runs/{id}"));
        let ci = ci(&token, std::env::var("INPUT_OWN_TOKEN").ok().as_deref());
        let mask = Mask::new(environment::secrets(std::env::vars_os()).into_iter().chain([token.clone()]));
        let client = Client::new(place, slug, Token::new(token), Pace::default())?;
        let (workflow, job) = (or("GITHUB_WORKFLOW", ""), or("GITHUB_JOB", ""));
        Ok(Self { event, payload, client, run_url, ci, mask, workflow, job })
    }

    /// The place that something is red at: this branch, and the tests that this job runs (or that the workflow
    /// `elsewhere` runs).
    pub fn place(&self, branch: &str, elsewhere: Option<&str>, suite: &str) -> String {
        match elsewhere {
            Some(workflow) => place(&[branch, workflow]),
            None => place(&[branch, &self.workflow, &self.job, suite]),
        }
    }

    /// There is nothing for us to do, which is said and is no failure.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn nothing(&self, context: &Context, why: &str) -> Result<()> {
        context.terminal.out(&format!("nothing to do: {}\n", crate::github::clean::log_line(why)));
        output::set("outcome", "nothing_to_do")
    }
}

/// One number for several names.
fn place(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..6])
}

/// Pull requests that were made with the workflow's own token wait for an approval; those of an app's or a person's token
/// don't. `own` is what the Action compared; without it, a token of a person is told by its beginning, and one of an app
/// is taken for the workflow's own: a click too many that is announced is better than one that is not.
fn ci(token: &str, own: Option<&str>) -> Ci {
    match own {
        Some("true") => Ci::NeedsApproval,
        Some("false") => Ci::Runs,
        _ if token.starts_with("ghs_") => Ci::NeedsApproval,
        _ => Ci::Runs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_announced_only_where_one_is_needed() {
        for (token, own, expected) in [
            ("ghs_x", Some("true"), Ci::NeedsApproval),
            ("ghs_x", Some("false"), Ci::Runs),
            ("ghs_x", None, Ci::NeedsApproval),
            ("ghs_x", Some(""), Ci::NeedsApproval),
            ("github_pat_x", None, Ci::Runs),
        ] {
            assert_eq!(ci(token, own), expected, "{token} {own:?}");
        }
    }

    #[test]
    fn places_differ_where_their_names_do() {
        assert_eq!(place(&["main", "ci"]), place(&["main", "ci"]));
        for other in [&["main", "c"][..], &["mainc", "i"], &["main", "ci", ""], &[]] {
            assert_ne!(place(&["main", "ci"]), place(other));
        }
    }
}
