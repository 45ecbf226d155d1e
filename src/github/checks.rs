//! The check run on the commit that was red: headline, report, and annotations on the suspect lines, where the token may.

use serde_json::{Value, json};

use super::api::strange;
use super::body;
use super::client::{Client, Trouble};
use crate::mask::Mask;
use crate::report::escape::{one_line, summary as plain};
use crate::report::{Document, Outcome, markdown};

/// Its name.
pub const NAME: &str = "kaizen-ci";

/// GitHub refuses longer texts of a check run.
const OUTPUT_MOST_CHARS: usize = 65_000;

/// GitHub takes so many annotations in one request; more suspects help nobody.
const MOST_ANNOTATIONS: usize = 20;

/// How it shows: a heal or a report does not make the commit green, and is no second failure either.
pub fn conclusion(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::AlreadyGreen | Outcome::Healed => "success",
        Outcome::HealedNotApplied | Outcome::Ambiguous | Outcome::Flaky | Outcome::BrokenOnBase => "neutral",
        Outcome::Environment | Outcome::Escalated | Outcome::LeftAlone => "neutral",
        Outcome::Interrupted | Outcome::Error | Outcome::Unfinished => "cancelled",
    }
}

/// The annotations of a check run. Paths come from the tests' output: what leads out of the tree is left out.
pub fn annotations(document: &Document, mask: &Mask) -> Vec<Value> {
    let Some(failure) = &document.failure else { return Vec::new() };
    let inside = |path: &str| {
        let parts = std::path::Path::new(path).components();
        !path.is_empty() && parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    let one = |suspect: &crate::report::document::SuspectInfo| {
        json!({
            "path": suspect.file,
            "start_line": suspect.line.max(1),
            "end_line": suspect.end_line.max(suspect.line).max(1),
            "annotation_level": "warning",
            "message": mask.cover(&one_line(&suspect.reason, 1000)),
            "title": "kaizen-ci: suspect",
        })
    };
    failure.suspects.iter().filter(|suspect| inside(&suspect.file)).take(MOST_ANNOTATIONS).map(one).collect()
}

impl Client {
    /// Puts our check run onto `head`: a new one, or over ours that is there.
    ///
    /// # Errors
    /// When GitHub refuses: a personal token may not (403).
    pub async fn put_check(&self, head: &str, document: &Document, mask: &Mask) -> Result<u64, Trouble> {
        let document = &body::shown(document, mask);
        let text = body::fit(&mask.cover(&markdown::render(document)), OUTPUT_MOST_CHARS);
        let title = plain(&mask.cover(&one_line(&document.headline, 200)));
        let output = json!({ "title": title, "summary": text, "annotations": annotations(document, mask) });
        let state = json!({ "status": "completed", "conclusion": conclusion(document.outcome), "output": output });
        if let Some(id) = self.find_check(head).await? {
            let route = self.route(&format!("/check-runs/{id}"));
            self.write("PATCH", &route, &state, || async { Ok(None) }).await?;
            return Ok(id);
        }
        let mut new = state;
        new["name"] = NAME.into();
        new["head_sha"] = head.into();
        let route = self.route("/check-runs");
        let look = || async { Ok(self.find_check(head).await?.map(|id| json!({ "id": id }))) };
        let answer = self.write("POST", &route, &new, look).await?;
        answer.body.get("id").and_then(Value::as_u64).ok_or_else(|| strange("POST", &route))
    }

    async fn find_check(&self, head: &str) -> Result<Option<u64>, Trouble> {
        let route = self.route(&format!("/commits/{head}/check-runs?check_name={NAME}&filter=latest"));
        let answer = self.read(&route).await?.body;
        let runs = answer.get("check_runs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(runs.iter().find(|run| run["name"] == NAME).and_then(|run| run["id"].as_u64()))
    }
}
