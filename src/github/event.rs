//! What happened on GitHub: a webhook payload becomes a [`Trigger`] that we act on, or is refused by name.

use serde_json::Value;

use super::names;

/// Branches of ours begin with this; nothing that happens on them starts us again.
pub const OWN_BRANCHES: &str = "kaizen/";

/// Something that we act on. Names in it were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Commits were pushed to a branch.
    Push {
        /// The branch.
        branch: String,
        /// Its new tip.
        head: String,
        /// Whether it is the default branch.
        default: bool,
    },
    /// A pull request was opened or changed.
    PullRequest(Pull),
    /// A workflow elsewhere failed.
    WorkflowRun {
        /// Its id, for its logs.
        run: u64,
        /// What it ran on.
        head: String,
        /// The branch of that.
        branch: String,
        /// Whether that comes from another repository: then its code is never run here.
        fork: bool,
        /// The pull requests that GitHub names (none for forks).
        pulls: Vec<u64>,
        /// Who started it: checked as the author of a comment is.
        actor: String,
        /// Whether that is an app or a bot.
        bot: bool,
        /// The name of that workflow: what it reports is kept under it.
        workflow: String,
    },
    /// A workflow elsewhere ended well: what it had found red is over.
    TurnedGreen {
        /// What it ran on.
        head: String,
        /// The branch of that.
        branch: String,
        /// The name of that workflow.
        workflow: String,
    },
    /// Somebody pressed the button, or called `workflow_dispatch`.
    Dispatch {
        /// The branch to work on.
        branch: String,
    },
    /// The clock.
    Schedule,
    /// Somebody wrote a comment.
    Comment(Comment),
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// The tip of its branch.
    pub head: String,
    /// The branch.
    pub branch: String,
    /// Where it is to be merged to.
    pub base: String,
    /// The tip of that.
    pub base_head: String,
    /// Whether it comes from another repository: then its code is never run with a token around.
    pub fork: bool,
}

/// Where a comment stands: reactions have other addresses for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the conversation of an issue or pull request.
    Conversation,
    /// On lines of a diff.
    Review,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// The issue or pull request that it stands under.
    pub number: u64,
    /// Whether that is a pull request.
    pub on_pull: bool,
    /// Where.
    pub place: Place,
    /// Who wrote it.
    pub author: String,
    /// Whether that is an app or a bot.
    pub bot: bool,
    /// Its text, as the event has it; to be fetched again before anything is done.
    pub body: String,
    /// When it was written: no answer is older. None where the event does not say.
    pub created: Option<jiff::Timestamp>,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An event that we have nothing to do with.
    #[error("the event `{0}` is none that kaizen-ci works on")]
    Event(String),
    /// An action of an event that changes nothing for us.
    #[error("the action `{action}` of `{event}` is none that kaizen-ci works on")]
    Action {
        /// The event.
        event: String,
        /// The action.
        action: String,
    },
    /// A tag.
    #[error("a tag was pushed, no branch")]
    Tag,
    /// A branch was deleted.
    #[error("the branch was deleted")]
    Deleted,
    /// A workflow that did not fail.
    #[error("the workflow ended with `{0}`: there is nothing to heal")]
    NotFailed(String),
    /// One of our own branches.
    #[error("`{0}` is a branch of kaizen-ci's own")]
    OwnBranch(String),
    /// A name that is not safe to use.
    #[error("{0}")]
    BadName(#[from] names::BadName),
    /// Something that should be there is not.
    #[error("the payload of `{event}` has no usable `{field}`")]
    Malformed {
        /// The event.
        event: String,
        /// What is missing.
        field: String,
    },
}

struct Payload<'a> {
    event: &'a str,
    value: &'a Value,
}

impl Payload<'_> {
    fn missing(&self, field: &str) -> Refused {
        Refused::Malformed { event: self.event.into(), field: field.into() }
    }
    fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self.value, |value, part| value.get(part)).filter(|value| !value.is_null())
    }
    fn text(&self, path: &str) -> Result<&str, Refused> {
        self.get(path).and_then(Value::as_str).ok_or_else(|| self.missing(path))
    }
    fn number(&self, path: &str) -> Result<u64, Refused> {
        self.get(path).and_then(Value::as_u64).ok_or_else(|| self.missing(path))
    }
    fn flag(&self, path: &str) -> bool {
        self.get(path).and_then(Value::as_bool).unwrap_or(false)
    }
    fn branch(&self, path: &str) -> Result<String, Refused> {
        let name = names::branch(self.text(path)?)?;
        match name.starts_with(OWN_BRANCHES) {
            true => Err(Refused::OwnBranch(name.into())),
            false => Ok(name.into()),
        }
    }
    fn sha(&self, path: &str) -> Result<String, Refused> {
        Ok(names::sha(self.text(path)?)?.to_owned())
    }
    fn only(&self, wanted: &[&str]) -> Result<(), Refused> {
        let action = self.text("action")?;
        match wanted.contains(&action) {
            true => Ok(()),
            false => Err(Refused::Action { event: self.event.into(), action: action.chars().take(60).collect() }),
        }
    }
    /// The login of somebody, and whether that is an app or a bot: everybody is one of whom it is not said that it is none.
    fn who(&self, user: &Value) -> Result<(String, bool), Refused> {
        let login = user.get("login").and_then(Value::as_str).ok_or_else(|| self.missing("login"))?;
        let login = names::login(login)?.to_owned();
        let bot = user.get("type").and_then(Value::as_str) != Some("User") || login.ends_with("[bot]");
        Ok((login, bot))
    }
    /// Whether the head's repository is another one than the base's. A deleted fork counts as one.
    fn fork(&self, head: &str) -> bool {
        let ours = self.get("repository.full_name").and_then(Value::as_str);
        let theirs = self.get(&format!("{head}.full_name")).and_then(Value::as_str);
        ours.is_none() || theirs != ours
    }
}

/// Understands the payload `value` of `event`.
///
/// # Errors
/// Names why nothing is to be done.
pub fn understand(event: &str, value: &Value) -> Result<Trigger, Refused> {
    let payload = Payload { event, value };
    match event {
        "push" => push(&payload),
        "pull_request" => {
            payload.only(&["opened", "synchronize", "reopened", "ready_for_review"])?;
            Ok(Trigger::PullRequest(pull(&payload)?))
        }
        "workflow_run" => workflow_run(&payload),
        "workflow_dispatch" | "repository_dispatch" => dispatch(&payload),
        "schedule" => Ok(Trigger::Schedule),
        "issue_comment" => {
            payload.only(&["created"])?;
            let on_pull = payload.get("issue.pull_request").is_some();
            Ok(Trigger::Comment(comment(&payload, payload.number("issue.number")?, on_pull, Place::Conversation)?))
        }
        "pull_request_review_comment" => {
            payload.only(&["created"])?;
            Ok(Trigger::Comment(comment(&payload, payload.number("pull_request.number")?, true, Place::Review)?))
        }
        other => Err(Refused::Event(other.chars().take(60).collect())),
    }
}

fn push(payload: &Payload<'_>) -> Result<Trigger, Refused> {
    let reference = payload.text("ref")?;
    if reference.starts_with("refs/tags/") {
        return Err(Refused::Tag);
    }
    if payload.flag("deleted") {
        return Err(Refused::Deleted);
    }
    let name = names::branch(reference.strip_prefix("refs/heads/").ok_or_else(|| payload.missing("ref"))?)?;
    if name.starts_with(OWN_BRANCHES) {
        return Err(Refused::OwnBranch(name.into()));
    }
    let default = payload.get("repository.default_branch").and_then(Value::as_str) == Some(name);
    Ok(Trigger::Push { branch: name.into(), head: payload.sha("after")?, default })
}

fn pull(payload: &Payload<'_>) -> Result<Pull, Refused> {
    Ok(Pull {
        number: payload.number("pull_request.number")?,
        head: payload.sha("pull_request.head.sha")?,
        branch: payload.branch("pull_request.head.ref")?,
        base: names::branch(payload.text("pull_request.base.ref")?)?.to_owned(),
        base_head: payload.sha("pull_request.base.sha")?,
        fork: payload.fork("pull_request.head.repo"),
    })
}

fn workflow_run(payload: &Payload<'_>) -> Result<Trigger, Refused> {
    payload.only(&["completed"])?;
    let conclusion = payload.get("workflow_run.conclusion").and_then(Value::as_str).unwrap_or("no conclusion");
    let named = ["workflow_run.name", "workflow.name", "workflow_run.path"];
    let name = named.into_iter().find_map(|path| payload.get(path)?.as_str().filter(|name| !name.is_empty()));
    let workflow: String = name.unwrap_or_default().chars().take(200).collect();
    let fork = payload.fork("workflow_run.head_repository");
    // what a fork's code says of itself closes nothing
    if conclusion == "success" && !fork {
        let branch = payload.branch("workflow_run.head_branch")?;
        return Ok(Trigger::TurnedGreen { head: payload.sha("workflow_run.head_sha")?, branch, workflow });
    }
    if !matches!(conclusion, "failure" | "timed_out") {
        return Err(Refused::NotFailed(conclusion.chars().take(60).collect()));
    }
    let pulls = payload.get("workflow_run.pull_requests").and_then(Value::as_array);
    let pulls = pulls.into_iter().flatten().filter_map(|pull| pull.get("number")?.as_u64()).collect();
    let actor = ["workflow_run.triggering_actor", "workflow_run.actor", "sender"].into_iter();
    let actor = actor.filter_map(|path| payload.get(path)).find(|who| who["login"].is_string());
    let (actor, bot) = payload.who(actor.ok_or_else(|| payload.missing("workflow_run.actor.login"))?)?;
    Ok(Trigger::WorkflowRun {
        run: payload.number("workflow_run.id")?,
        head: payload.sha("workflow_run.head_sha")?,
        branch: payload.branch("workflow_run.head_branch")?,
        fork,
        pulls,
        actor,
        bot,
        workflow,
    })
}

fn dispatch(payload: &Payload<'_>) -> Result<Trigger, Refused> {
    let name = payload.text("ref").or_else(|_| payload.text("branch"))?;
    let name = names::branch(name.strip_prefix("refs/heads/").unwrap_or(name))?;
    match name.starts_with(OWN_BRANCHES) {
        true => Err(Refused::OwnBranch(name.into())),
        false => Ok(Trigger::Dispatch { branch: name.into() }),
    }
}

fn comment(payload: &Payload<'_>, number: u64, on_pull: bool, place: Place) -> Result<Comment, Refused> {
    let (author, bot) = payload.who(payload.get("comment.user").ok_or_else(|| payload.missing("comment.user"))?)?;
    let body = payload.text("comment.body").unwrap_or_default().to_owned();
    let created = payload.text("comment.created_at").ok().and_then(|time| time.parse().ok());
    Ok(Comment { id: payload.number("comment.id")?, number, on_pull, place, author, bot, body, created })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Value {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/github/payloads").join(file);
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The event's name is the beginning of the file's.
    fn event_of(file: &str) -> String {
        let name = file.rsplit('/').next().unwrap().replace("_webhook_event", "");
        let all =
            ["issue_comment", "issues", "pull_request_review_comment", "pull_request_review", "pull_request", "push"];
        let more = [
            "workflow_run",
            "workflow_job",
            "workflow_dispatch",
            "repository_dispatch",
            "check_run",
            "check_suite",
            "ping",
        ];
        all.into_iter().chain(more).find(|event| name.starts_with(event)).unwrap().to_owned()
    }

    #[test]
    fn every_recorded_payload_is_understood_or_refused_by_name() {
        let rows = [
            ("check_run.completed.failure.json", "Event"),
            ("check_run.completed.success.json", "Event"),
            ("check_suite.completed.success.json", "Event"),
            ("check_suite.requested.json", "Event"),
            ("issue_comment.created.issue.installation.json", "Comment"),
            ("issue_comment.created.issue.json", "Comment"),
            ("issue_comment.created.pr.COMPOSED.json", "Comment"),
            ("issue_comment.deleted.issue.json", "Action"),
            ("issue_comment.edited.issue.json", "Action"),
            ("issues.milestoned.on-pr.json", "Event"),
            ("issues.opened.json", "Event"),
            ("ping.json", "Event"),
            ("pull_request.opened.json", "PullRequest"),
            ("pull_request.synchronize.json", "PullRequest"),
            ("pull_request_review.submitted.json", "Event"),
            ("pull_request_review_comment.created.json", "Comment"),
            ("push.0.json", "Tag"),
            ("push.1.json", "Tag"),
            ("push.2.json", "Tag"),
            ("push.3.json", "Tag"),
            ("push.4.json", "Push"),
            ("push.5.json", "Push"),
            ("push.6.json", "Tag"),
            ("repository_dispatch.json", "Dispatch"),
            ("workflow_dispatch.json", "Dispatch"),
            ("workflow_job.completed.failure.json", "Event"),
            ("workflow_job.completed.success.json", "Event"),
            ("workflow_run.completed.failure.COMPOSED.json", "WorkflowRun"),
            ("workflow_run.completed.null-conclusion.json", "NotFailed"),
            ("workflow_run.completed.success.json", "TurnedGreen"),
            ("workflow_run.completed.success.with-pr.json", "TurnedGreen"),
            ("workflow_run.requested.action_required.json", "Action"),
            ("octocrab/issue_comment_created_webhook_event.json", "Comment"),
            ("octocrab/issues_opened_webhook_event.json", "Event"),
            ("octocrab/pull_request_opened_webhook_event.json", "PullRequest"),
            ("octocrab/pull_request_synchronize_webhook_event.json", "PullRequest"),
            ("octocrab/push_webhook_event.json", "Tag"),
        ];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/github/payloads");
        let count = |at: &std::path::Path| {
            let names = std::fs::read_dir(at).unwrap().map(|e| e.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|e| e == "json")).count()
        };
        assert_eq!(rows.len(), count(&folder) + count(&folder.join("octocrab")), "a payload is missing in the table");
        for (file, expected) in rows {
            let name = match understand(&event_of(file), &read(file)) {
                Ok(trigger) => format!("{trigger:?}"),
                Err(refused) => format!("{refused:?}"),
            };
            assert!(name.starts_with(expected), "{file}: {name}");
        }
    }

    #[test]
    fn comments_say_where_they_stand_and_who_wrote_them() {
        let Ok(Trigger::Comment(on_issue)) = understand("issue_comment", &read("issue_comment.created.issue.json"))
        else {
            panic!()
        };
        let Ok(Trigger::Comment(on_pull)) =
            understand("issue_comment", &read("issue_comment.created.pr.COMPOSED.json"))
        else {
            panic!()
        };
        assert!(!on_issue.on_pull && on_pull.on_pull);
        let mut bot = read("issue_comment.created.issue.json");
        bot["comment"]["user"]["login"] = "helper[bot]".into();
        let Ok(Trigger::Comment(bot)) = understand("issue_comment", &bot) else { panic!() };
        assert!(bot.bot && !on_issue.bot);
    }

    #[test]
    fn heads_of_other_repositories_are_forks_also_when_the_fork_is_gone() {
        let fork = |change: &dyn Fn(&mut Value)| {
            let mut payload = read("pull_request.opened.json");
            change(&mut payload);
            let Ok(Trigger::PullRequest(pull)) = understand("pull_request", &payload) else { panic!() };
            pull.fork
        };
        assert!(!fork(&|_| {}));
        assert!(fork(&|payload| payload["pull_request"]["head"]["repo"]["full_name"] = "mallory/hello".into()));
        assert!(fork(&|payload| payload["pull_request"]["head"]["repo"] = Value::Null));
        let mut run = read("workflow_run.completed.failure.COMPOSED.json");
        run["workflow_run"]["head_repository"]["full_name"] = "mallory/hello".into();
        assert!(matches!(understand("workflow_run", &run), Ok(Trigger::WorkflowRun { fork: true, .. })));
    }

    #[test]
    fn hostile_branch_names_and_our_own_branches_end_before_anything_is_done() {
        for (name, expected) in [
            ("$(whoami)", "BadName"),
            ("--upload-pack=x", "BadName"),
            ("a\u{202e}b", "BadName"),
            ("kaizen/heal-1", "OwnBranch"),
        ] {
            let refused = |event: &str, file: &str, place: &str, name: &str| {
                let mut payload = read(file);
                *payload.pointer_mut(place).unwrap() = name.into();
                let refused = understand(event, &payload).unwrap_err();
                assert!(format!("{refused:?}").starts_with(expected), "{event}, {name}: {refused:?}");
            };
            let full = format!("refs/heads/{name}");
            refused("pull_request", "pull_request.opened.json", "/pull_request/head/ref", name);
            refused("push", "push.4.json", "/ref", &full);
            let failed = "workflow_run.completed.failure.COMPOSED.json";
            refused("workflow_run", failed, "/workflow_run/head_branch", name);
            refused("workflow_run", "workflow_run.completed.success.json", "/workflow_run/head_branch", name);
            refused("workflow_dispatch", "workflow_dispatch.json", "/ref", name);
            refused("workflow_dispatch", "workflow_dispatch.json", "/ref", &full);
            refused("repository_dispatch", "repository_dispatch.json", "/branch", name);
        }
    }
}
