//! What a test command may see of our environment: secrets and runner control variables are taken out.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::{mask, system};

/// Why a variable is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its name or its value says that it is a secret.
    Secret,
    /// It belongs to the machine around us: the CI runner, a cloud, git, an agent.
    Control,
    /// It was set by a build tool or a test runner for the one process that we are, and would mislead another one.
    Surroundings,
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
/// own variables; names in `allow` (exact, or ending in `*`) stay. Upper and lower case are the same.
pub fn clean(from: impl IntoIterator<Item = (OsString, OsString)>, allow: &[String]) -> BTreeMap<OsString, OsString> {
    from.into_iter()
        .filter(|(name, value)| is_allowed(name, allow) || removed(name, value).is_none())
        .map(|(name, value)| (system::variable(name), value))
        .collect()
}

/// The secrets in `from`, to be covered in everything that is written down. What `allow` names may be seen by code under
/// test and is a secret all the same.
pub fn secrets(from: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<String> {
    from.into_iter()
        .filter(|(name, value)| removed(name, value) == Some(Removed::Secret))
        .map(|(_, value)| value.to_string_lossy().into_owned())
        .collect()
}

/// The names of the variables in `from` that [`clean`] takes out although somebody set them on purpose, in order: when
/// a suite can't run without them, people must be able to find out.
pub fn withheld(from: impl IntoIterator<Item = (OsString, OsString)>, allow: &[String]) -> Vec<String> {
    let mut names: Vec<String> = from
        .into_iter()
        .filter(|(name, _)| !is_allowed(name, allow))
        .filter(|(name, value)| !matches!(removed(name, value), None | Some(Removed::Surroundings)))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
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
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((login, host)) = authority.rsplit_once('@') else { return false };
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_near = !host.contains('.') || host.starts_with("127.") || host.ends_with(".localhost");
    login.split_once(':').is_some_and(|(_, password)| !password.is_empty()) && !is_near && !name.ends_with("_PROXY")
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
        assert_eq!(withheld(vars(), &[]), ["API_KEY", "GITHUB_WORKSPACE"]);
        assert_eq!(withheld(vars(), &["API_*".to_owned()]), ["GITHUB_WORKSPACE"]);
    }
}
