//! Whose rules hold: `.kaizen.yml` of the branch that a change is for, never of the change itself.

use crate::cli::context::Context;
use crate::config::{self, FILE, Loaded, Override};
use crate::error::{Error, Result};
use crate::github::allow::{Policy, Role};
use crate::github::client::Client;
use crate::github::order::Word;
use crate::github::pristine::Rules;

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
            Error::usage(format!("`github.roles` in {FILE} has `{row}`: {why}")).hint(
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
            assert!(of(&format!("github:\n  roles: ['{wrong}']\n")).is_err(), "{wrong}");
        }
    }
}
