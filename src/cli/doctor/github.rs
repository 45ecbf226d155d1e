//! What `doctor --github` looks at: the token, the repository's settings, and the workflows that use kaizen-ci.

use std::path::Path;

use serde_yaml::Value as Yaml;

use super::{Check, Level};
use crate::cli::context::Context;
use crate::cli::init::github::FOLDER;
use crate::error::Result;
use crate::github::client::{Client, Place, Token, Trouble};
use crate::github::names::{self, Slug};
use crate::github::pace::Pace;
use crate::repo::Repository;

/// All of them.
///
/// # Errors
/// When our own side fails; what GitHub says is a check.
pub fn all(context: &Context) -> Result<Vec<Check>> {
    let repository = context.repository()?;
    let folder = repository.root.join(FOLDER);
    let mut checks = vec![depth(&repository)];
    checks.extend(workflows(&folder));
    let Some((place, slug)) = place(&repository) else {
        let todo = "set GITHUB_REPOSITORY=owner/name, or a remote `origin` on GitHub";
        checks.push(Check::new(Level::Bad, "github", "which repository on GitHub this is can't be told").todo(todo));
        return Ok(checks);
    };
    let Some(token) =
        ["GITHUB_TOKEN", "GH_TOKEN"].iter().find_map(|name| std::env::var(name).ok().filter(|t| !t.is_empty()))
    else {
        // healing needs none, and jobs have their own
        let todo = "GITHUB_TOKEN=$(gh auth token) kaizen-ci doctor --github";
        let found = format!("there is none to ask {slug} with: how it is set up there is not known");
        checks.push(Check::new(Level::Mind, "token", found).todo(todo));
        return Ok(checks);
    };
    let client = Client::new(place, slug, Token::new(token), Pace { attempts: 2, ..Pace::default() })?;
    checks.extend(asked(context, &client, &folder)?);
    Ok(checks)
}

/// What GitHub says. When it does not answer at all that is said once.
fn asked(context: &Context, client: &Client, folder: &Path) -> Result<Vec<Check>> {
    let from_default = from_default_branch(folder);
    context.wait(|_| async move {
        let read = |rest: &'static str| async move { client.read(&client.route(rest)).await.map(|answer| answer.body) };
        let seen = read("").await;
        let mut checks = vec![reach(&client.slug, &seen)];
        let Ok(seen) = seen else { return Ok(checks) };
        checks.push(settings_of(&read("/actions/permissions/workflow").await));
        checks.push(match seen["private"].as_bool() {
            Some(true) => private_forks(&read("/actions/permissions/fork-pr-workflows-private-repos").await),
            _ => forks(&read("/actions/permissions/fork-pr-contributor-approval").await),
        });
        let default = seen["default_branch"].as_str().and_then(|name| names::branch(name).ok()).unwrap_or("main");
        for name in from_default {
            match client.file_at(&format!("{FOLDER}/{name}"), default).await {
                Ok(None) => checks.push(
                    Check::new(
                        Level::Mind,
                        "workflow",
                        format!("{name} is not on `{default}`: GitHub starts it from there only"),
                    )
                    .todo(format!("merge it into `{default}`")),
                ),
                Ok(Some(_)) => {}
                Err(trouble) => checks.push(Check::new(Level::Mind, "workflow", format!("{name}: {trouble}"))),
            }
        }
        Ok(checks)
    })
}

fn depth(repository: &Repository) -> Check {
    match repository.shallow {
        false => Check::new(Level::Good, "history", "all of it is here"),
        true => Check::new(Level::Mind, "history", "cut off: reverting and bisecting need it")
            .todo("`fetch-depth: 0` in actions/checkout; here: git fetch --unshallow origin"),
    }
}

/// Which repository of which GitHub: from the job, else from the remote `origin`.
fn place(repository: &Repository) -> Option<(Place, Slug)> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (host, path) = match var("GITHUB_REPOSITORY") {
        Some(slug) => (None, slug),
        None => {
            let url = repository.git().args(["config", "--get", "remote.origin.url"]).text().ok()?;
            let (host, path) = remote(&url)?;
            (Some(host), path)
        }
    };
    let server = match (var("GITHUB_SERVER_URL"), host) {
        (Some(server), _) => server,
        (None, Some(host)) => format!("https://{host}"),
        (None, None) => "https://github.com".into(),
    };
    let api = var("GITHUB_API_URL").unwrap_or_else(|| match server.as_str() {
        "https://github.com" => "https://api.github.com".into(),
        other => format!("{other}/api/v3"),
    });
    Some((Place { api, server }, Slug::parse(&path).ok()?))
}

/// Host and `owner/name` of a remote's address.
fn remote(url: &str) -> Option<(String, String)> {
    let (host, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or(host);
    let path = path.trim_matches('/').trim_end_matches(".git");
    (host.contains('.') && path.matches('/').count() == 1).then(|| (host.to_owned(), path.to_owned()))
}

fn reach(slug: &Slug, seen: &Answer) -> Check {
    match seen {
        Ok(body) if body.pointer("/permissions/push").and_then(serde_json::Value::as_bool) == Some(false) => {
            Check::new(Level::Mind, "token", format!("it sees {slug} and may not push there"))
                .todo("in a job: `contents: write`; a personal token needs write access")
        }
        Ok(_) => Check::new(Level::Good, "token", format!("it sees {slug}")),
        Err(trouble) => match trouble.status() {
            Some(401) => Check::new(Level::Bad, "token", "it is wrong or has expired").todo("make a new one"),
            Some(404) => Check::new(Level::Bad, "token", format!("it does not see {slug}"))
                .todo("check the name; a fine-grained token has to name this repository"),
            Some(_) | None => Check::new(Level::Bad, "token", trouble.to_string())
                .todo("check the network, GITHUB_API_URL, and https://www.githubstatus.com"),
        },
    }
}

type Answer = std::result::Result<serde_json::Value, Trouble>;

/// A setting that was not told: whose token may ask, else why not.
fn not_told(name: &str, what: &str, trouble: Option<&Trouble>, at: &str) -> Check {
    let found = match trouble {
        Some(trouble) if !matches!(trouble.status(), Some(403 | 404)) => format!("{what} is not known: {trouble}"),
        _ => format!("only an administrator's token may ask {what}"),
    };
    Check::new(Level::Mind, name, found).todo(format!("look yourself: {at}"))
}

/// "Allow GitHub Actions to create and approve pull requests".
fn settings_of(answer: &Answer) -> Check {
    const WHERE: &str = "Settings → Actions → General → Workflow permissions → Allow GitHub Actions to create and approve pull requests";
    let may = answer.as_ref().ok().and_then(|body| body.get("can_approve_pull_request_reviews")?.as_bool());
    match may {
        Some(true) => Check::new(Level::Good, "pull requests", "Actions may create them"),
        Some(false) => Check::new(
            Level::Mind,
            "pull requests",
            "Actions may not create them: a heal becomes a branch, and an issue with a link",
        )
        .todo(WHERE),
        None => not_told("pull requests", "whether Actions may create them", answer.as_ref().err(), WHERE),
    }
}

/// Whose pull requests from forks start workflows without somebody's click, in a public repository. (Nothing of ours runs
/// their code with a token that writes; tests of theirs run on the machine all the same.)
fn forks(answer: &Answer) -> Check {
    const WHERE: &str =
        "Settings → Actions → General → Approval for running fork pull request workflows from contributors";
    let policy = answer.as_ref().ok().and_then(|body| body.get("approval_policy")?.as_str());
    let good = |found: &str| Check::new(Level::Good, "forks", found);
    match policy {
        Some("all_external_contributors") => good("each of their pull requests waits for an approval"),
        Some("first_time_contributors") => good("the first pull request of everybody waits for an approval"),
        Some("first_time_contributors_new_to_github") => {
            let found = "only accounts that are new on GitHub wait for an approval before their code is run";
            Check::new(Level::Mind, "forks", found).todo(WHERE)
        }
        _ => not_told("forks", "whose pull requests wait for an approval", answer.as_ref().err(), WHERE),
    }
}

/// What workflows of forks get, in a private repository.
fn private_forks(answer: &Answer) -> Check {
    const WHERE: &str = "Settings → Actions → General → Fork pull request workflows";
    let Ok(body) = answer else {
        return not_told("forks", "what workflows of forks get", answer.as_ref().err(), WHERE);
    };
    let is = |name: &str| body.get(name).and_then(serde_json::Value::as_bool) == Some(true);
    if !is("run_workflows_from_fork_pull_requests") {
        return Check::new(Level::Good, "forks", "their pull requests start no workflow");
    }
    let given: Vec<&str> =
        [("send_write_tokens_to_workflows", "tokens that write"), ("send_secrets_and_variables", "secrets")]
            .into_iter()
            .filter_map(|(name, word)| is(name).then_some(word))
            .collect();
    match given.as_slice() {
        [] => Check::new(Level::Good, "forks", "their workflows get a token that reads, and no secrets"),
        given => Check::new(Level::Mind, "forks", format!("their workflows get {}", given.join(" and "))).todo(WHERE),
    }
}

/// The workflows of ours that GitHub starts from the default branch only.
fn from_default_branch(folder: &Path) -> Vec<String> {
    let is_one = |value: &Yaml| ["workflow_run", "issue_comment", "schedule"].iter().any(|word| triggers(value, word));
    let ours = read(folder).into_iter().filter(|file| file.text.contains("kaizen-ci"));
    let is_name = |name: &str| names::path(name).is_ok();
    ours.filter(|file| is_one(&file.value()) && is_name(&file.name)).map(|file| file.name).collect()
}

/// Does a workflow start with this event?
fn triggers(value: &Yaml, word: &str) -> bool {
    match on(value) {
        Some(Yaml::String(text)) => text == word,
        Some(Yaml::Sequence(items)) => items.iter().any(|item| item.as_str() == Some(word)),
        Some(Yaml::Mapping(map)) => map.contains_key(word),
        _ => false,
    }
}

/// YAML 1.1 reads the key `on` as true.
fn on(value: &Yaml) -> Option<&Yaml> {
    value.get("on").or_else(|| value.get(Yaml::Bool(true)))
}

/// A file of the folder with workflows.
struct File {
    name: String,
    text: String,
}

impl File {
    fn value(&self) -> Yaml {
        serde_yaml::from_str(&self.text).unwrap_or(Yaml::Null)
    }
    /// As GitHub calls it.
    fn called(&self) -> String {
        let name = self.value().get("name").and_then(Yaml::as_str).map(str::to_owned);
        name.unwrap_or_else(|| format!("{FOLDER}/{}", self.name))
    }
}

fn read(folder: &Path) -> Vec<File> {
    let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let is_yaml = |path: &Path| path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml");
    let one = |path: &std::path::PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(File { name, text: std::fs::read_to_string(path).unwrap_or_default() })
    };
    files.iter().filter(|path| is_yaml(path)).filter_map(one).collect()
}

/// Every workflow that uses kaizen-ci.
fn workflows(folder: &Path) -> Vec<Check> {
    let (mut checks, files) = (Vec::new(), read(folder));
    let called: Vec<String> = files.iter().map(File::called).collect();
    for file in files.iter().filter(|file| file.text.contains("kaizen-ci")) {
        match serde_yaml::from_str::<Yaml>(&file.text) {
            Ok(value) => {
                checks.extend(workflow(&file.name, &value));
                checks.extend(behind_nothing(&file.name, &value, &called));
            }
            Err(error) => {
                let found = format!("{} is no YAML: {error}", file.name);
                checks.push(Check::new(Level::Bad, "workflow", found).todo("mend it"));
            }
        }
    }
    if checks.is_empty() {
        let found = "no workflow uses kaizen-ci";
        return vec![Check::new(Level::Mind, "workflow", found).todo("kaizen-ci init --github")];
    }
    checks
}

/// Pure: it waits for workflows that are not there.
fn behind_nothing(name: &str, value: &Yaml, called: &[String]) -> Option<Check> {
    let waits = on(value)?.get("workflow_run")?.get("workflows")?.as_sequence()?;
    let missing = |wanted: &&str| !called.iter().any(|known| known == wanted);
    let missing: Vec<&str> = waits.iter().filter_map(Yaml::as_str).filter(missing).collect();
    let first = missing.first()?;
    let found =
        format!("{name} waits for the workflow `{first}`, and none here is called that: it never starts because of it");
    let known = called.iter().filter(|known| *known != first).map(|known| format!("`{known}`")).collect::<Vec<_>>();
    Some(Check::new(Level::Mind, "workflow", found).todo(format!("name one that is there: {}", known.join(", "))))
}

/// What the step of kaizen-ci needs, by its command.
fn needs(command: &str, hands_over: bool, after_another: bool) -> Vec<(&'static str, &'static str)> {
    let mut all = needs_always(command, hands_over).to_vec();
    // what failed in the other workflow is in its logs
    if command == "run" && after_another {
        all.push(("actions", "read"));
    }
    all
}

fn needs_always(command: &str, hands_over: bool) -> &'static [(&'static str, &'static str)] {
    match (command, hands_over) {
        ("run", true) => &[("contents", "read")],
        ("listen", _) => &[("contents", "read"), ("pull-requests", "write"), ("issues", "write"), ("actions", "read")],
        ("comment", _) => {
            &[("contents", "write"), ("pull-requests", "write"), ("issues", "write"), ("actions", "read")]
        }
        _ => &[("contents", "write"), ("pull-requests", "write"), ("issues", "write")],
    }
}

/// Pure: what is wrong with one workflow.
fn workflow(name: &str, value: &Yaml) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut say = |level, found: String, todo: String| {
        checks.push(Check::new(level, "workflow", format!("{name}: {found}")).todo(todo));
    };
    if triggers(value, "pull_request_target") {
        let todo = "use `pull_request`; forks are diagnosed from their logs by a `workflow_run` workflow";
        say(Level::Bad, "pull_request_target gives code of forks a token that writes".into(), todo.into());
    }
    let jobs = value.get("jobs").and_then(Yaml::as_mapping);
    let mut used = false;
    for (job, body) in jobs.into_iter().flatten() {
        let job = job.as_str().unwrap_or_default();
        let steps = body.get("steps").and_then(Yaml::as_sequence).map(Vec::as_slice).unwrap_or_default();
        let uses = |step: &Yaml| step.get("uses").and_then(Yaml::as_str).unwrap_or_default().to_owned();
        let with = |step: &Yaml, key: &str| step.get("with").and_then(|with| with.get(key)).cloned();
        let Some(ours) =
            steps.iter().find(|step| uses(step).split('@').next().is_some_and(|u| u.ends_with("/kaizen-ci")))
        else {
            continue;
        };
        used = true;
        let command = with(ours, "command").and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_else(|| "run".into());
        let hands_over = command == "run" && with(ours, "handover").is_some();
        let permissions = body.get("permissions").or_else(|| value.get("permissions"));
        for (scope, least) in needs(&command, hands_over, triggers(value, "workflow_run")) {
            if !allows(permissions, scope, least) {
                say(
                    Level::Bad,
                    format!("the job `{job}` has no `{scope}: {least}`"),
                    "add it to the job's `permissions`".into(),
                );
            }
        }
        if hands_over && ["contents", "pull-requests", "issues"].iter().any(|scope| allows(permissions, scope, "write"))
        {
            let todo = "let it read only: the job that publishes has the rights to write";
            say(Level::Bad, format!("the job `{job}` runs the tests with a token that writes"), todo.into());
        }
        for step in steps.iter().filter(|step| uses(step).starts_with("actions/checkout@")) {
            if with(step, "persist-credentials") != Some(Yaml::Bool(false)) {
                let found = format!("the checkout of `{job}` leaves the token where tests can read it");
                say(Level::Bad, found, "`persist-credentials: false` in actions/checkout".into());
            }
            let whole = with(step, "fetch-depth").and_then(|v| v.as_u64()) == Some(0);
            // what a comment asks for is fetched into a folder of its own
            if command == "run" && with(ours, "order").is_none() && !whole {
                let found = format!("the checkout of `{job}` has no history; it is fetched again when it is needed");
                say(Level::Mind, found, "`fetch-depth: 0` in actions/checkout".into());
            }
        }
    }
    if used && checks.is_empty() {
        checks.push(Check::new(
            Level::Good,
            "workflow",
            format!("{name}: permissions and checkout are as they should be"),
        ));
    }
    checks
}

fn allows(permissions: Option<&Yaml>, scope: &str, least: &str) -> bool {
    let enough = |given: &str| given == "write" || (least == "read" && given == "read");
    match permissions {
        Some(Yaml::String(all)) => all == "write-all" || (least == "read" && all == "read-all"),
        Some(Yaml::Mapping(map)) => map.get(scope).and_then(Yaml::as_str).is_some_and(enough),
        // the repository's default, which may be either
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> String {
        let all = workflow("w.yml", &serde_yaml::from_str(text).unwrap());
        all.iter().map(|check| format!("{:?} {}\n", check.level, check.found)).collect()
    }

    fn filled(text: &str) -> String {
        let text = text.replace("{{setup}}\n", "");
        ["quoted", "workflow", "branch", "version"]
            .iter()
            .fold(text, |text, word| text.replace(&format!("{{{{{word}}}}}"), "x"))
    }

    #[test]
    fn addresses_of_remotes_are_read_in_every_spelling() {
        for (url, expected) in [
            ("https://github.com/octo/shop.git", Some(("github.com", "octo/shop"))),
            ("https://token@ghe.example.com:8443/octo/shop", Some(("ghe.example.com", "octo/shop"))),
            ("git@github.com:octo/shop.git", Some(("github.com", "octo/shop"))),
            ("ssh://git@github.com:22/octo/shop", Some(("github.com", "octo/shop"))),
            ("/srv/git/shop", None),
            ("https://gitlab.com/a/b/c", None),
        ] {
            let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
            assert_eq!(remote(url), expected, "{url}");
        }
    }

    #[test]
    fn what_init_writes_is_found_to_be_right() {
        for text in [
            include_str!("../init/workflows/two-jobs.yml"),
            include_str!("../init/workflows/comments.yml"),
            include_str!("../init/workflows/step.yml"),
            include_str!("../init/workflows/after-ci.yml"),
        ] {
            let text = filled(text);
            let said = said(&text);
            assert!(said.starts_with("Good") && said.lines().count() == 1, "{said}\n{text}");
        }
    }

    #[test]
    fn rights_that_are_missing_or_too_many_are_told() {
        let step = filled(include_str!("../init/workflows/step.yml"));
        for (from, to, expected) in [
            ("pull-requests: write", "pull-requests: read", "no `pull-requests: write`"),
            ("persist-credentials: false", "persist-credentials: true", "leaves the token"),
            ("fetch-depth: 0", "fetch-depth: 1", "no history"),
            ("  push:", "  pull_request_target:", "code of forks"),
        ] {
            let said = said(&step.replace(from, to));
            assert!(said.contains(expected), "{from} → {to}: {said}");
        }
        let after = filled(include_str!("../init/workflows/after-ci.yml"));
        assert!(said(&after.replace("actions: read", "actions: none")).contains("no `actions: read`"), "{after}");
        assert!(!said(&step).contains("actions"), "a step in the same job reads no logs");
        let two = filled(include_str!("../init/workflows/two-jobs.yml"));
        let said = said(&two.replace("contents: read #", "contents: write #"));
        assert!(said.contains("runs the tests with a token that writes"), "{said}");
        let comments = filled(include_str!("../init/workflows/comments.yml"));
        let wrong = comments.replace("contents: read # the code, and", "contents: write # the code, and");
        let said = self::said(&wrong);
        assert!(said.contains("`heal` runs the tests with a token that writes"), "{said}");
    }

    fn refused(status: u16) -> Trouble {
        Trouble::Refused { method: "GET".into(), route: "x".into(), status, message: "no".into() }
    }

    #[test]
    fn settings_are_good_bad_or_not_to_be_told_and_then_why() {
        let broken = Trouble::NoAnswer { method: "GET".into(), route: "x".into(), why: "in five attempts".into() };
        let forked = |write, secrets| {
            Ok(json!({"run_workflows_from_fork_pull_requests": true, "send_write_tokens_to_workflows": write,
                "send_secrets_and_variables": secrets, "require_approval_for_fork_pr_workflows": true}))
        };
        for (check, level, part) in [
            (settings_of(&Ok(json!({"can_approve_pull_request_reviews": true}))), Level::Good, "may create"),
            (settings_of(&Ok(json!({"can_approve_pull_request_reviews": false}))), Level::Mind, "may not create"),
            (settings_of(&Err(refused(403))), Level::Mind, "only an administrator"),
            (settings_of(&Err(refused(500))), Level::Mind, "answered 500"),
            (settings_of(&Err(broken.clone())), Level::Mind, "no answer in five attempts"),
            (forks(&Ok(json!({"approval_policy": "all_external_contributors"}))), Level::Good, "each of their"),
            (forks(&Ok(json!({"approval_policy": "first_time_contributors"}))), Level::Good, "the first"),
            (
                forks(&Ok(json!({"approval_policy": "first_time_contributors_new_to_github"}))),
                Level::Mind,
                "only accounts",
            ),
            (forks(&Err(refused(404))), Level::Mind, "only an administrator"),
            (private_forks(&forked(false, false)), Level::Good, "a token that reads"),
            (private_forks(&forked(true, true)), Level::Mind, "tokens that write and secrets"),
            (private_forks(&Ok(json!({"run_workflows_from_fork_pull_requests": false}))), Level::Good, "no workflow"),
            (private_forks(&Err(broken)), Level::Mind, "no answer"),
        ] {
            assert!(check.level == level && check.found.contains(part), "{part}: {check:?}");
            assert_eq!(check.todo.is_some(), level != Level::Good, "{check:?}");
        }
    }

    #[test]
    fn a_workflow_that_waits_for_one_that_is_not_there_is_told() {
        let called = ["CI".to_owned(), "heal".to_owned()];
        let waits = |names: &str| {
            let text = format!("name: heal\non:\n  workflow_run:\n    workflows: [{names}]\n    types: [completed]\n");
            behind_nothing("w.yml", &serde_yaml::from_str(&text).unwrap(), &called)
        };
        assert_eq!(waits("CI"), None);
        let check = waits("CI, tests").unwrap();
        assert!(check.found.contains("`tests`") && check.todo.unwrap().contains("`CI`"), "{}", check.found);
        assert_eq!(behind_nothing("w.yml", &serde_yaml::from_str("on: push").unwrap(), &called), None);
    }
}
