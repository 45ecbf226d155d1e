//! What the runner says about the job that we are in: the event, the repository, the token, the workflow.

use sha2::{Digest as _, Sha256};

use crate::cli::action::output;
use crate::cli::context::Context;
use crate::error::{Context as _, Error, Result};
use crate::github::body::Ci;
use crate::github::client::{self, Client, Token};
use crate::github::names::Slug;
use crate::github::pace::Pace;
use crate::github::places::Place;
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
    /// Tells the jobs of a matrix apart.
    matrix: Vec<String>,
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
        let place = client::Place { api: or("GITHUB_API_URL", "https://api.github.com"), server: server.clone() };
        let token =
            variable("GITHUB_TOKEN").map_err(|e| e.hint("pass `github-token: ${{ github.token }}` to the Action"))?;
        let run_url = variable("GITHUB_RUN_ID").ok().filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
        let run_url = run_url.map(|id| format!("{server}/{slug}/actions/runs/{id}"));
        let ci = ci(&token, std::env::var("INPUT_OWN_TOKEN").ok().as_deref());
        let mask = Mask::new(environment::secrets(std::env::vars_os()).into_iter().chain([token.clone()]));
        let client = Client::new(place, slug, Token::new(token), Pace::default())?;
        let (workflow, job) = (or("GITHUB_WORKFLOW", ""), or("GITHUB_JOB", ""));
        let system = [or("RUNNER_OS", ""), or("RUNNER_ARCH", "")];
        let matrix = matrix(&or("INPUT_MATRIX", ""), &system);
        Ok(Self { event, payload, client, run_url, ci, mask, workflow, job, matrix })
    }

    /// The place that something is red at: this branch, and the tests that this job runs (or that the workflow
    /// `elsewhere` runs).
    pub fn place(&self, branch: &str, elsewhere: Option<&str>, suite: &str) -> Place {
        let Some(workflow) = elsewhere else {
            let matrix = self.matrix.join("\0");
            let id = place(&[branch, &self.workflow, &self.job, &matrix, suite]);
            let values = self.matrix.iter().filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
            let words: Vec<&str> = std::iter::once(self.job.as_str()).chain(values).collect();
            return Place::new(&id, &words.join(" "));
        };
        Place::new(&place(&[branch, workflow]), workflow)
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

/// What tells the jobs of a matrix apart, as `name=value` in order: the values that the Action was given as JSON, else the
/// system that the runner is on.
fn matrix(given: &str, system: &[String]) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(given).unwrap_or_default();
    let mut pairs: Vec<String> = match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => map
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}={text}"),
                None => format!("{name}={value}"),
            })
            .collect(),
        None => system.iter().filter(|name| !name.is_empty()).map(|name| format!("={name}")).collect(),
    };
    pairs.sort();
    pairs
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
    fn jobs_of_a_matrix_are_told_apart_by_its_values_and_without_one_by_the_system() {
        let system = ["Linux".to_owned(), "X64".to_owned()];
        let of = |given: &str| matrix(given, &system);
        assert_eq!(of(r#"{"python": "3.12", "os": "ubuntu-24.04"}"#), ["os=ubuntu-24.04", "python=3.12"]);
        assert_eq!(
            of(r#"{"os": "ubuntu-24.04", "python": "3.12"}"#),
            of(r#"{"python": "3.12", "os": "ubuntu-24.04"}"#)
        );
        assert_ne!(of(r#"{"python": "3.13"}"#), of(r#"{"python": "3.12"}"#));
        assert_eq!(of(r#"{"n": 3, "deep": {"a": [1]}}"#), [r#"deep={"a":[1]}"#, "n=3"]);
        for none in ["null", "", "{}", "[1]", "no json"] {
            assert_eq!(of(none), ["=Linux", "=X64"], "{none}");
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
