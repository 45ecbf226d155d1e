//! What `doctor --github` looks at: the token, the repository's settings, and the workflows that use kaizen-ci.

use std::path::Path;

use serde_yaml::Value as Yaml;

use super::{Check, Level};
use crate::cli::context::Context;
use crate::cli::init::github::FOLDER;
use crate::error::Result;
use crate::github::client::{Client, Place, Token, Trouble};
use crate::github::names::Slug;
use crate::github::pace::Pace;
use crate::repo::Repository;

/// All of them.
///
/// # Errors
/// When our own side fails; what GitHub says is a check.
pub fn all(context: &Context) -> Result<Vec<Check>> {
    let repository = context.repository()?;
    let mut checks = vec![depth(&repository)];
    checks.extend(workflows(&repository.root.join(FOLDER)));
    let Some((place, slug)) = place(&repository) else {
        let todo = "set GITHUB_REPOSITORY=owner/name, or a remote `origin` on GitHub";
        checks.push(Check::new(Level::Bad, "github", "which repository on GitHub this is can't be told").todo(todo));
        return Ok(checks);
    };
    let Some(token) =
        ["GITHUB_TOKEN", "GH_TOKEN"].iter().find_map(|name| std::env::var(name).ok().filter(|t| !t.is_empty()))
    else {
        let todo = "GITHUB_TOKEN=$(gh auth token) kaizen-ci doctor --github";
        checks.push(Check::new(Level::Bad, "token", format!("there is none to ask {slug} with")).todo(todo));
        return Ok(checks);
    };
    let client = Client::new(place, slug, Token::new(token), Pace { attempts: 2, ..Pace::default() })?;
    let client = &client;
    checks.extend(context.wait(|_| async move {
        let seen = client.read(&client.route("")).await.map(|answer| answer.body);
        let settings = client.read(&client.route("/actions/permissions/workflow")).await.map(|answer| answer.body);
        Ok(vec![reach(&client.slug, &seen), settings_of(&settings)])
    })?);
    Ok(checks)
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

fn reach(slug: &Slug, seen: &std::result::Result<serde_json::Value, Trouble>) -> Check {
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

/// "Allow GitHub Actions to create and approve pull requests".
fn settings_of(answer: &std::result::Result<serde_json::Value, Trouble>) -> Check {
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
        None => Check::new(
            Level::Mind,
            "pull requests",
            "only an administrator's token may ask whether Actions may create them",
        )
        .todo(format!("look yourself: {WHERE}")),
    }
}

/// Every workflow that uses kaizen-ci.
fn workflows(folder: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    for path in files {
        let yaml = path.extension().is_some_and(|ext| ext == "yml" || ext == "yaml");
        let text = if yaml { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        if !text.contains("kaizen-ci") {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match serde_yaml::from_str::<Yaml>(&text) {
            Ok(value) => checks.extend(workflow(&name, &value)),
            Err(error) => {
                checks.push(Check::new(Level::Bad, "workflow", format!("{name} is no YAML: {error}")).todo("mend it"));
            }
        }
    }
    if checks.is_empty() {
        let found = "no workflow uses kaizen-ci";
        return vec![Check::new(Level::Mind, "workflow", found).todo("kaizen-ci init --github")];
    }
    checks
}

/// What the step of kaizen-ci needs, by its command.
fn needs(command: &str, hands_over: bool) -> &'static [(&'static str, &'static str)] {
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
    // YAML 1.1 reads the key `on` as true
    let on = value.get("on").or_else(|| value.get(Yaml::Bool(true)));
    let triggers = |word: &str| match on {
        Some(Yaml::String(text)) => text == word,
        Some(Yaml::Sequence(items)) => items.iter().any(|item| item.as_str() == Some(word)),
        Some(Yaml::Mapping(map)) => map.contains_key(word),
        _ => false,
    };
    if triggers("pull_request_target") {
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
        for (scope, least) in needs(&command, hands_over) {
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
            let text = text.replace("{{setup}}\n", "").replace("{{quoted}}", "x").replace("{{workflow}}", "ci");
            let said = said(&text);
            assert!(said.starts_with("Good") && said.lines().count() == 1, "{said}\n{text}");
        }
    }

    #[test]
    fn rights_that_are_missing_or_too_many_are_told() {
        let step = include_str!("../init/workflows/step.yml").replace("{{setup}}\n", "");
        for (from, to, expected) in [
            ("pull-requests: write", "pull-requests: read", "no `pull-requests: write`"),
            ("persist-credentials: false", "persist-credentials: true", "leaves the token"),
            ("fetch-depth: 0", "fetch-depth: 1", "no history"),
            ("  push:", "  pull_request_target:", "code of forks"),
        ] {
            let said = said(&step.replace(from, to));
            assert!(said.contains(expected), "{from} → {to}: {said}");
        }
        let two = include_str!("../init/workflows/two-jobs.yml").replace("{{setup}}\n", "");
        let said = said(&two.replace("contents: read #", "contents: write #"));
        assert!(said.contains("runs the tests with a token that writes"), "{said}");
        let comments =
            include_str!("../init/workflows/comments.yml").replace("{{setup}}\n", "").replace("{{quoted}}", "x");
        let wrong = comments.replace("contents: read # the code, and", "contents: write # the code, and");
        let said = self::said(&wrong);
        assert!(said.contains("`heal` runs the tests with a token that writes"), "{said}");
    }

    #[test]
    fn settings_are_good_bad_or_not_to_be_told() {
        let refused = Trouble::Refused { method: "GET".into(), route: "x".into(), status: 403, message: "no".into() };
        for (answer, level) in [
            (Ok(json!({"can_approve_pull_request_reviews": true})), Level::Good),
            (Ok(json!({"can_approve_pull_request_reviews": false})), Level::Mind),
            (Err(refused), Level::Mind),
        ] {
            assert_eq!(settings_of(&answer).level, level);
        }
    }
}
