//! Whose rules hold: `.kaizen.yml` of the branch that a change is for, never of the change itself.

use crate::cli::context::Context;
use crate::config::{self, FILE, Loaded, Origin, Override};
use crate::error::{Error, Result};
use crate::github::allow::{Policy, Role};
use crate::github::client::Client;
use crate::github::order::Word;
use crate::github::pristine::Rules;
use crate::process::sandbox::Can;

/// The configuration for a change that is to be merged into `base` (a branch); with no base, that of the commit which is
/// checked out: whoever pushed it may push here, and wrote the workflow that we run in.
///
/// # Errors
/// When GitHub does not answer, or something in it is wrong.
pub fn load(
    context: &Context,
    client: &Client,
    base: Option<&str>,
    root: &std::path::Path,
    options: &[Override],
) -> Result<Loaded> {
    let Some(base) = base else { return context.config_at(root, options) };
    let text = context.wait(|_| async move { Ok(client.file_at(FILE, base).await?) })?;
    read(text.as_deref(), options)
}

/// From the text of the file.
///
/// # Errors
/// When something in it is wrong.
pub fn read(text: Option<&str>, options: &[Override]) -> Result<Loaded> {
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    config::layered(text, &env, options)
}

/// What no patch may change.
pub fn rules(loaded: &Loaded) -> Rules {
    Rules { tests_may_change: loaded.config.allow_test_changes, protected: loaded.config.protected.clone() }
}

/// Who may order what.
///
/// # Errors
/// When `github.roles` names a command or a role that there is none of.
pub fn orders(loaded: &Loaded) -> Result<Policy> {
    let mut policy = Policy { bots: loaded.config.github_bots.clone(), ..Policy::default() };
    for row in &loaded.config.github_roles {
        let wrong = |why: &str| {
            Error::usage(format!("{}: `github.roles` has `{row}`: {why}", place(loaded, "github.roles"))).hint(
                "`command: role` as one text, such as `heal=maintain`; roles: read, triage, write, maintain, admin",
            )
        };
        let (word, role) = row.split_once('=').ok_or_else(|| wrong("there is no `=` in it"))?;
        let (word, role) = (word.trim(), Role::named(role.trim()).ok_or_else(|| wrong("there is no such role"))?);
        if !Word::ALL.iter().any(|known| known.name() == word) {
            return Err(wrong("there is no such command"));
        }
        policy.least.retain(|(known, _)| known != word);
        policy.least.push((word.to_owned(), role));
    }
    Ok(policy)
}

/// Where a value was written, for a message.
fn place(loaded: &Loaded, key: &str) -> String {
    match loaded.settings.iter().find(|setting| setting.key == key).map(|setting| &setting.origin) {
        Some(Origin::File { line }) => format!("{FILE}, line {line}"),
        Some(Origin::Environment { variable }) => variable.clone(),
        Some(Origin::CommandLine { option }) => option.clone(),
        Some(Origin::Default) | None => FILE.to_owned(),
    }
}

/// What code of a fork is run with, whatever the rules say: nothing but its own files, and no network. Somebody has read the
/// commit; that they saw everything in it is not what secrets of a runner should hang on.
///
/// # Errors
/// When this machine can't: without the fence it is not run.
pub fn fence_for_forks(can: Can) -> Result<[Override; 3]> {
    let lacks = |what: &str, hint: &str| {
        Err(Error::environment(format!("code of a fork is run only behind a fence, and this machine has no {what}"))
            .hint(hint))
    };
    if can.landlock.is_none() {
        return lacks("Landlock", "a runner with Linux 5.13 or later that has it switched on: kaizen-ci doctor");
    }
    if !can.offline {
        return lacks(
            "namespaces to switch the network off with",
            "a step before this one: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 24.04 and later)",
        );
    }
    let set = |key, text: &str| Override { key, text: text.to_owned() };
    // an agent has a network and a key, and does what files in its folder say
    Ok([set("sandbox", "true"), set("network", "false"), set("agents", "[]")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Policy> {
        orders(&config::layered(Some(text), &[], &[]).unwrap())
    }

    #[test]
    fn roles_are_read_by_command_and_typos_are_told() {
        let policy = of("github:\n  roles: [heal=maintain, 'status = admin']\n  bots: ['helper[bot]']\n").unwrap();
        for row in [("heal".to_owned(), Role::Maintain), ("status".to_owned(), Role::Admin)] {
            assert!(policy.least.contains(&row), "{policy:?}");
        }
        assert_eq!(policy.least.iter().filter(|(word, _)| word == "status").count(), 1);
        assert_eq!(policy.bots, ["helper[bot]"]);
        assert_eq!(of("").unwrap(), Policy::default());
        for wrong in ["heal", "hael=write", "heal=owner"] {
            let error = of(&format!("github:\n  roles: ['{wrong}']\n")).unwrap_err();
            assert!(error.to_string().starts_with(".kaizen.yml, line 2: "), "{wrong}: {error}");
        }
    }

    #[test]
    fn code_of_a_fork_is_run_behind_a_whole_fence_or_not_at_all() {
        for (landlock, offline, missing) in [
            (Some(4), true, None),
            (None, true, Some("no Landlock")),
            (Some(4), false, Some("no namespaces")),
            (None, false, Some("no Landlock")),
        ] {
            let found = fence_for_forks(Can { landlock, offline });
            assert_eq!(found.is_ok(), missing.is_none(), "{landlock:?} {offline}");
            match (found, missing) {
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
                (Ok(options), _) => {
                    // over what the file and the workflow say
                    let env = [("KAIZEN_NETWORK".to_owned(), "true".to_owned())];
                    let rules = "sandbox: false\nnetwork: true\nagents: [{name: claude}]\n";
                    let loaded = config::layered(Some(rules), &env, &options).unwrap();
                    assert_eq!((loaded.config.sandbox, loaded.config.network), (Some(true), Some(false)));
                    assert_eq!(loaded.config.agents, []);
                }
                (Err(error), None) => panic!("{error}"),
            }
        }
    }
}
