//! What a test command may see of our environment: secrets and runner control variables are taken out; in GitHub Actions, where
//! secrets have any name that a workflow gives them, everything is that no test needs.

mod harmless;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::{mask, system};
use harmless::HARMLESS;

/// Why a variable is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its name or its value says that it is a secret.
    Secret,
    /// It belongs to the machine around us: the CI runner, a cloud, git, an agent.
    Control,
    /// It was set by a build tool or a test runner for the one process that we are, and would mislead another one.
    Surroundings,
    /// Nobody knows what it is: taken out in GitHub Actions.
    Unknown,
}

/// Words of a name (between `_`) that say that the value is a secret.
const SECRET_WORDS: &[&str] = &[
    "TOKEN",
    "TOKENS",
    "KEY",
    "KEYS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWORDS",
    "PASSPHRASE",
    "PASSCODE",
    "JWT",
    "COOKIE",
    "WEBHOOK",
];

/// Parts of a name that say so, wherever they stand.
const SECRET_PARTS: &[&str] = &["PASSWD", "PASSWORD", "CREDENTIAL", "APIKEY", "AUTHTOKEN", "ACCESSTOKEN", "SECRET"];

/// Ends of a name that say so.
const SECRET_ENDS: &[&str] = &["_PAT", "_PASS", "_PWD", "TOKEN", "_DSN", "_AUTH"];

/// Exact names, or beginnings when they end in `*`.
const CONTROL: &[&str] = &[
    // the CI runner: where it reads commands and state
    "GITHUB_*",
    "ACTIONS_*",
    "RUNNER_*",
    "INPUT_*",
    "STATE_*",
    "GH_*",
    "GITLAB_*",
    "BUILDKITE_*",
    // clouds and deployment
    "AWS_*",
    "AZURE_*",
    "ARM_*",
    "GOOGLE_*",
    "GCP_*",
    "GCLOUD_*",
    "CLOUDSDK_*",
    "ALICLOUD_*",
    "OCI_CLI_*",
    "DIGITALOCEAN_*",
    "CLOUDFLARE_*",
    "HEROKU_*",
    "VERCEL_*",
    "NETLIFY_*",
    "VAULT_*",
    "TF_VAR_*",
    "TF_TOKEN_*",
    "PULUMI_*",
    "KUBECONFIG",
    "DOCKER_AUTH*",
    "DOCKER_CONFIG",
    "NPM_CONFIG__AUTH*",
    "NPM_CONFIG_//*",
    "NETRC",
    "PGPASSFILE",
    // agents that sign and log in for whoever asks
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "GPG_AGENT_INFO",
    "GNOME_KEYRING_*",
    "KRB5CCNAME",
    // ours, and git's: a test that runs git must find its own repository
    "KAIZEN_*",
    "GIT_*",
];

/// The same for what build tools and test runners set.
const SURROUNDINGS: &[&str] = &[
    // would make all workspaces share one build folder
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    // set by cargo and nextest for one test process
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_*",
    "CARGO_BIN_EXE_*",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "CARGO_MAKEFLAGS",
    "OUT_DIR",
    "NEXTEST*",
    "__NEXTEST*",
    // set by other runners
    "PYTEST_CURRENT_TEST",
    "PYTEST_ADDOPTS",
    "PYTEST_VERSION",
    "PYTEST_XDIST_*",
    "NODE_TEST_CONTEXT",
    "NODE_CHANNEL_FD",
    "NODE_UNIQUE_ID",
    "JEST_WORKER_ID",
    "VITEST",
    "VITEST_*",
    "NPM_LIFECYCLE_*",
    "NPM_PACKAGE_*",
    "NPM_COMMAND",
    "INIT_CWD",
    "MAKELEVEL",
    // the folder that we are in, not the one that the command will be in
    "PWD",
    "OLDPWD",
    "_",
];

/// Variables that point to a job server of make or cargo, which does not exist for our children.
const JOB_SERVER: &[&str] = &["MAKEFLAGS", "MFLAGS"];

/// Without these nothing runs: a value that looks strange does not remove them.
const NEVER_BY_VALUE: &[&str] = &["PATH", "HOME"];

/// The environment for code under test: `from` without secrets, cloud credentials, runner control variables and git's
/// own variables, and in GitHub Actions without what is not known to be harmless; names in `allow` (exact, or ending in `*`)
/// stay. Upper and lower case are the same.
pub fn clean(from: impl IntoIterator<Item = (OsString, OsString)>, allow: &[String]) -> BTreeMap<OsString, OsString> {
    let all: Vec<_> = from.into_iter().collect();
    let in_actions = is_in_actions(&all);
    all.into_iter()
        .filter(|(name, value)| is_allowed(name, allow) || why(name, value, in_actions).is_none())
        .map(|(name, value)| (system::variable(name), value))
        .collect()
}

/// The secrets in `from`, to be covered in everything that is written down. What `allow` names may be seen by code under
/// test and is a secret all the same. In GitHub Actions also what may be one, as far as it looks like one.
pub fn secrets(from: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<String> {
    let all: Vec<_> = from.into_iter().collect();
    let in_actions = is_in_actions(&all);
    let (mut secrets, mut unknown, mut public) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in &all {
        let text = value.to_string_lossy().into_owned();
        match why(name, value, in_actions) {
            Some(Removed::Secret) => secrets.push(text),
            Some(Removed::Unknown) => unknown.push(text),
            Some(Removed::Control | Removed::Surroundings) | None => public.push(text),
        }
    }
    let is_public = |text: &str| public.iter().any(|value| value.contains(text));
    secrets.extend(unknown.into_iter().filter(|text| may_be_a_secret(text) && !is_public(text)));
    secrets
}

/// Is this worth covering where the name says nothing? No path, number, version or date, and nothing that may be a word: covering
/// those would damage logs and hide nothing.
fn may_be_a_secret(value: &str) -> bool {
    const LEAST: usize = 8;
    const LONGEST_WORDS: usize = 24;
    let is_path = value.starts_with(['/', '~', '.']) || value.get(1..3) == Some(":\\");
    let is_number = value.chars().all(|c| c.is_ascii_digit() || ".-:+, vxTZ".contains(c));
    let is_words = value.len() <= LONGEST_WORDS
        && (value.chars().all(char::is_alphabetic) || value.chars().all(|c| c.is_lowercase() || "-_. ".contains(c)));
    value.len() >= LEAST && !is_path && !is_number && !is_words
}

/// The names of the variables in `from` that [`clean`] takes out although somebody set them on purpose, in order: when
/// a suite can't run without them, people must be able to find out. What the machine around us sets for itself is none.
pub fn withheld(from: impl IntoIterator<Item = (OsString, OsString)>, allow: &[String]) -> Vec<String> {
    let all: Vec<_> = from.into_iter().collect();
    let in_actions = is_in_actions(&all);
    let is_control = |name: &OsStr| matches_any(&name.to_string_lossy().to_uppercase(), CONTROL);
    let mut names: Vec<String> = all
        .iter()
        .filter(|(name, _)| !is_allowed(name, allow) && !is_control(name))
        .filter(|(name, value)| matches!(why(name, value, in_actions), Some(Removed::Secret | Removed::Unknown)))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Is this the environment of a job of GitHub Actions?
pub fn is_in_actions(all: &[(OsString, OsString)]) -> bool {
    all.iter().any(|(name, value)| name == "GITHUB_ACTIONS" && value == "true")
}

/// As [`removed`], and in GitHub Actions whatever is not known to be harmless.
fn why(name: &OsStr, value: &OsStr, in_actions: bool) -> Option<Removed> {
    let known = removed(name, value);
    if known.is_some() || !in_actions {
        return known;
    }
    let (name, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy());
    // an index of packages, a proxy: the address is harmless, the login in it is not
    if login(&value).is_some_and(|(_, is_near)| !is_near) && !NEVER_BY_VALUE.contains(&name.as_str()) {
        return Some(Removed::Secret);
    }
    (!matches_any(&name, HARMLESS)).then_some(Removed::Unknown)
}

/// Why the variable `name` is taken out; `None` when it stays.
pub fn removed(name: &OsStr, value: &OsStr) -> Option<Removed> {
    let (name, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy());
    if names_a_secret(&name) {
        return Some(Removed::Secret);
    }
    if matches_any(&name, SURROUNDINGS) || JOB_SERVER.contains(&name.as_str()) && value.contains("--jobserver") {
        return Some(Removed::Surroundings);
    }
    if !NEVER_BY_VALUE.contains(&name.as_str()) && (mask::holds_token(&value) || is_remote_login(&name, &value)) {
        return Some(Removed::Secret);
    }
    matches_any(&name, CONTROL).then_some(Removed::Control)
}

fn names_a_secret(name: &str) -> bool {
    name.split(['_', '-', '.', ':']).any(|word| SECRET_WORDS.contains(&word))
        || SECRET_PARTS.iter().any(|part| name.contains(part))
        || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

/// An address with a password in it, of a machine that is not this one: a database of somebody, a private registry.
/// Test databases on this machine or in a service container (a host without a dot) are no secrets, and needed.
fn is_remote_login(name: &str, value: &str) -> bool {
    let Some((login, is_near)) = login(value) else { return false };
    login.split_once(':').is_some_and(|(_, password)| !password.is_empty()) && !is_near && !name.ends_with("_PROXY")
}

/// The login in an address, and whether that is one of this machine.
fn login(value: &str) -> Option<(&str, bool)> {
    let (_, rest) = value.split_once("://")?;
    let (login, host) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    Some((login, !host.contains('.') || host.starts_with("127.") || host.ends_with(".localhost")))
}

fn is_allowed(name: &OsStr, allow: &[String]) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    allow.iter().any(|pattern| matches(&name, &pattern.to_uppercase()))
}

fn matches_any(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| matches(name, pattern))
}

/// `pattern` is a name, or the beginning of one when it ends in `*`.
fn matches(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(vars: &[(&str, &str)], allow: &[&str]) -> Vec<String> {
        let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        clean(vars, &allow).into_keys().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn secrets_and_control_variables_are_taken_out_by_name() {
        for name in "MY_TOKEN my_token NPM_TOKEN TOKEN API_KEY OPENAI_API_KEY KEY CLIENT_SECRET SECRET SECRET_THING \
            DB_PASSWORD PGPASSWORD MYSQL_PWD X_PASSWD_FILE CREDENTIALS_DIRECTORY GITHUB_TOKEN GITHUB_ENV GITHUB_SHA \
            ACTIONS_RUNTIME_URL RUNNER_TEMP INPUT_NAME GH_HOST AWS_PROFILE AZURE_CLIENT_ID ARM_TENANT_ID \
            GOOGLE_APPLICATION GCP_X GCLOUD_PROJECT CLOUDSDK_CONFIG DOCKER_AUTH_CONFIG NPM_CONFIG__AUTH \
            npm_config__authToken CARGO_REGISTRY_TOKEN CARGO_REGISTRIES_MINE_TOKEN SSH_AUTH_SOCK KAIZEN_TMP GIT_DIR \
            GIT_CONFIG_COUNT SYSTEM_ACCESSTOKEN GH_PAT SENTRY_DSN TWINE_PASSWORD CI_JOB_JWT"
            .split_whitespace()
        {
            assert_eq!(cleaned(&[(name, "some value")], &[]), Vec::<String>::new(), "{name} stayed");
        }
    }

    #[test]
    fn what_tests_need_stays() {
        for name in "PATH HOME LANG LC_ALL TZ USER SHELL TERM TMPDIR CI CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTFLAGS \
            CARGO_INCREMENTAL CARGO_NET_OFFLINE RUST_TEST_THREADS RUST_BACKTRACE VIRTUAL_ENV PYENV_ROOT PYTHONPATH NVM_DIR \
            NODE_PATH NODE_OPTIONS npm_config_registry JAVA_HOME GOPATH GOFLAGS DATABASE_HOST DISPLAY MONKEY_MODE \
            TOKENIZERS_PARALLELISM KEYBOARD HTTP_PROXY NODE_ENV COMPASS XDG_RUNTIME_DIR MAKEFLAGS"
            .split_whitespace()
        {
            assert_eq!(cleaned(&[(name, "some value")], &[]), [name], "{name} was taken out");
        }
    }

    #[test]
    fn what_build_tools_set_for_us_is_taken_out_but_is_no_secret() {
        for name in "CARGO_TARGET_DIR CARGO_MANIFEST_DIR CARGO_PKG_NAME CARGO_PKG_VERSION_MAJOR NEXTEST NEXTEST_RUN_ID \
            CARGO_BIN_EXE_kaizen-ci PYTEST_CURRENT_TEST PYTEST_ADDOPTS NODE_TEST_CONTEXT JEST_WORKER_ID PWD OLDPWD \
            npm_lifecycle_event MAKELEVEL"
            .split_whitespace()
        {
            assert_eq!(removed(name.as_ref(), "1".as_ref()), Some(Removed::Surroundings), "{name}");
        }
        assert_eq!(cleaned(&[("MAKEFLAGS", "-j --jobserver-auth=3,4")], &[]), Vec::<String>::new());
        assert_eq!(cleaned(&[("MAKEFLAGS", "-k")], &[]), ["MAKEFLAGS"]);
    }

    #[test]
    fn values_that_give_a_secret_away_are_taken_out_whatever_their_name() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        let rows = [
            ("HARMLESS", token.as_str(), false),
            ("CLONE_URL", &format!("https://x:{token}@github.com/a/b"), false),
            ("PATH", &format!("/bin:{token}"), true),
            ("DATABASE_URL", "postgres://app:hunter2@db.example.com:5432/live", false),
            ("DATABASE_URL", "postgres://postgres:postgres@localhost:5432/test", true),
            ("DATABASE_URL", "postgres://postgres:postgres@127.0.0.1/test", true),
            ("DATABASE_URL", "postgres://postgres:postgres@postgres:5432/test", true),
            ("DATABASE_URL", "postgres://db.example.com/test", true),
            ("HTTPS_PROXY", "http://me:pw@proxy.example.com:3128", true),
        ];
        for (name, value, stays) in rows {
            assert_eq!(cleaned(&[(name, value)], &[]).len(), usize::from(stays), "{name}={value}");
        }
    }

    #[test]
    fn the_allow_list_wins_by_exact_name_or_by_beginning() {
        let vars = [("AWS_REGION", "x"), ("AWS_KEY", "x"), ("DJANGO_SECRET_KEY", "x"), ("OTHER_KEY", "x")];
        assert_eq!(cleaned(&vars, &["DJANGO_SECRET_KEY"]), ["DJANGO_SECRET_KEY"]);
        assert_eq!(cleaned(&vars, &["aws_*"]), ["AWS_KEY", "AWS_REGION"]);
        assert_eq!(cleaned(&vars, &["AWS"]), Vec::<String>::new(), "a beginning needs its star");
    }

    #[test]
    fn only_secrets_are_covered_in_logs_and_all_that_was_withheld_can_be_named() {
        let vars = || {
            [("GITHUB_WORKSPACE", "/home/runner"), ("API_KEY", "k-123456"), ("NEXTEST", "1"), ("HOME", "/root")]
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        };
        assert_eq!(secrets(vars()), ["k-123456"]);
        assert_eq!(withheld(vars(), &[]), ["API_KEY"], "the runner's own are nobody's wish");
        assert_eq!(withheld(vars(), &["API_*".to_owned()]), Vec::<String>::new());
    }

    fn in_actions(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        let all = vars.iter().chain(&[("GITHUB_ACTIONS", "true"), ("GITHUB_REF_NAME", "release-2024")]);
        all.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }

    #[test]
    fn in_actions_tests_see_what_is_known_to_be_harmless_and_what_the_rules_name() {
        for name in "STRIPE DEPLOY SIGNING_CERT HONEYBADGER LICENSE SLACK_URL GOOD_NEWS MY_APP".split_whitespace() {
            assert!(clean(in_actions(&[(name, "value-123")]), &[]).is_empty(), "{name} stayed");
            let allowed = clean(in_actions(&[(name, "value-123")]), &[name.to_owned()]);
            assert_eq!(allowed.len(), 1, "{name} is named by the rules");
            assert_eq!(cleaned(&[(name, "value-123")], &[]), [name], "elsewhere it stays");
        }
        for name in "PATH HOME USER SHELL LANG LC_ALL TZ TERM TMPDIR CI RUSTFLAGS RUSTUP_TOOLCHAIN CARGO_HOME CARGO_INCREMENTAL \
            GOPATH GOFLAGS GOROOT_1_22_X64 JAVA_HOME JAVA_HOME_17_X64 MAVEN_OPTS GRADLE_USER_HOME NODE_OPTIONS NODE_ENV \
            npm_config_registry PYTHONPATH pythonLocation VIRTUAL_ENV PIP_INDEX_URL UV_CACHE_DIR POETRY_HOME PKG_CONFIG_PATH \
            LD_LIBRARY_PATH CC CXX CFLAGS HTTPS_PROXY NO_PROXY DJANGO_SETTINGS_MODULE LLVM_PROFILE_FILE ImageOS"
            .split_whitespace()
        {
            assert_eq!(clean(in_actions(&[(name, "some value")]), &[]).len(), 1, "{name} was taken out");
        }
        for name in "CARGO_REGISTRY_TOKEN npm_config__auth MAVEN_GPG_PASSPHRASE GRADLE_PUBLISH_KEY GITHUB_ENV"
            .split_whitespace()
        {
            assert!(clean(in_actions(&[(name, "some value")]), &[]).is_empty(), "{name} is harmless and secret");
        }
        for (name, value, stays) in [
            ("PIP_INDEX_URL", "https://pypi.example.com/simple", true),
            ("PIP_INDEX_URL", "https://token123@pypi.example.com/simple", false),
            ("HTTPS_PROXY", "http://proxy.example.com:3128", true),
            ("HTTPS_PROXY", "http://me:pw@proxy.example.com:3128", false),
            ("DATABASE_URL", "postgres://postgres:postgres@localhost:5432/test", true),
        ] {
            assert_eq!(clean(in_actions(&[(name, value)]), &[]).len(), usize::from(stays), "{name}={value}");
        }
    }

    #[test]
    fn in_actions_values_that_nobody_knows_are_covered_unless_they_are_words_paths_numbers_or_public() {
        for (value, covered) in [
            ("https://hooks.slack.com/services/T0/B0/x1", true),
            ("ABCD-EFGH-IJKL-MNOP", true),
            ("q8Zr2Lw0", true),
            ("short1", false),
            ("production", false),
            ("Production", false),
            ("my-little-service", false),
            ("/usr/local/lib/android", false),
            ("C:\\hostedtoolcache", false),
            ("20250101.1.0", false),
            ("release-2024", false),
        ] {
            assert_eq!(secrets(in_actions(&[("MY_APP", value)])).len(), usize::from(covered), "{value}");
            assert_eq!(secrets([("MY_APP".into(), value.into())]), Vec::<String>::new(), "elsewhere");
        }
        let vars = in_actions(&[("STRIPE", "x"), ("LANG", "C"), ("API_KEY", "x"), ("GITHUB_TOKEN", "x")]);
        assert_eq!(withheld(vars, &[]), ["API_KEY", "STRIPE"]);
    }
}
