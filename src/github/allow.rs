//! Who may order what: decided from the role that the API names, and refused whenever that is not certain.

use serde_json::Value;

use super::order::{Order, Word};

/// What somebody may do in a repository, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Sort issues.
    Triage,
    /// Push.
    Write,
    /// Manage.
    Maintain,
    /// Everything.
    Admin,
}

impl Role {
    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Role::None,
            "read" => Role::Read,
            "triage" => Role::Triage,
            "write" => Role::Write,
            "maintain" => Role::Maintain,
            "admin" => Role::Admin,
            _ => return None,
        })
    }

    /// The role in an answer of `GET …/collaborators/{user}/permission`. `role_name` counts: `permission` shows maintain
    /// as write and triage as read. Roles that an organisation made itself have foreign names there; then `permission` is
    /// what they are built on.
    pub fn of_answer(answer: &Value) -> Option<Self> {
        let name = |field: &str| answer.get(field).and_then(Value::as_str).and_then(Role::named);
        name("role_name").or_else(|| name("permission"))
    }
}

/// Who may, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The least role for each command by name; commands that are not named need [`Role::Write`].
    pub least: Vec<(String, Role)>,
    /// Bots that may order something, by login.
    pub bots: Vec<String>,
    /// Who may not is not even told so: the rules could not be read, so that nobody knows what they are.
    pub is_silent: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            least: vec![("help".into(), Role::Read), ("status".into(), Role::Read)],
            bots: Vec::new(),
            is_silent: false,
        }
    }
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A bot that is not listed.
    #[error("bots are not obeyed here unless `github.bots` in `.kaizen.yml` lists them")]
    Bot,
    /// Not enough.
    #[error("this needs the role {needs} here, and you have {has}")]
    Role {
        /// What it needs.
        needs: &'static str,
        /// What they have.
        has: &'static str,
    },
    /// The API did not say.
    #[error("GitHub did not say what you may do here, so nothing was done")]
    Unknown,
    /// Code from another repository is not run by a bare order.
    #[error(
        "this pull request comes from a fork: name the commit that you have read, `/kaizen heal <sha>`, all forty digits"
    )]
    ForkNeedsSha,
    /// The commit named is not the one that is there.
    #[error("the branch has moved since: the commit that you named is not its tip")]
    OtherSha,
}

fn word(role: Role) -> &'static str {
    match role {
        Role::None => "none",
        Role::Read => "read",
        Role::Triage => "triage",
        Role::Write => "write",
        Role::Maintain => "maintain",
        Role::Admin => "admin",
    }
}

/// What `login` may do here. GitHub knows no role of an app (404, or `none`): what says that one may push is the list, which
/// nobody writes who may not push themselves.
fn standing(policy: &Policy, login: &str, bot: bool, role: Option<Role>) -> Result<Role, Denied> {
    match bot {
        true if policy.bots.iter().any(|listed| listed == login) => Ok(role.unwrap_or(Role::None).max(Role::Write)),
        true => Err(Denied::Bot),
        false => role.ok_or(Denied::Unknown),
    }
}

fn at_least(least: Role, role: Role) -> Result<(), Denied> {
    match role >= least {
        true => Ok(()),
        false => Err(Denied::Role { needs: word(least), has: word(role) }),
    }
}

/// Is `login` a bot that nobody listed? Nothing of it is read, and nothing answered: two bots that answer each other never end.
pub fn is_strange_bot(policy: &Policy, login: &str, bot: bool) -> bool {
    standing(policy, login, bot, Some(Role::Admin)) == Err(Denied::Bot)
}

/// May `author` order this? What they may do here, for [`may_run`]. `role` is none when the API failed or answered with
/// something strange.
///
/// # Errors
/// Says why not.
pub fn may(policy: &Policy, order: &Order, author: &str, bot: bool, role: Option<Role>) -> Result<Role, Denied> {
    let least =
        policy.least.iter().find(|(name, _)| name == order.word.name()).map_or(Role::Write, |(_, least)| *least);
    let role = standing(policy, author, bot, role)?;
    at_least(least, role).map(|()| role)
}

/// May what `actor` started elsewhere be healed here? Its code is run for that: who may not push may not have it run.
///
/// # Errors
/// Says why not.
pub fn may_start(policy: &Policy, actor: &str, bot: bool, role: Option<Role>) -> Result<(), Denied> {
    at_least(Role::Write, standing(policy, actor, bot, role)?)
}

/// May code of the pull request be run for this order? Only of our own repository, or of a fork at exactly the commit
/// that somebody with write access named and that is still its tip: `github.roles` lets others heal what is pushed here, and
/// makes nobody one who vouches for what strangers wrote.
///
/// # Errors
/// Says why not.
pub fn may_run(order: &Order, fork: bool, head: &str, role: Role) -> Result<(), Denied> {
    if order.word != Word::Heal {
        return Ok(());
    }
    if fork {
        at_least(Role::Write, role)?;
    }
    match order.sha.as_deref() {
        Some(sha) if sha != head => Err(Denied::OtherSha),
        None if fork => Err(Denied::ForkNeedsSha),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heal(sha: Option<&str>) -> Order {
        Order { sha: sha.map(str::to_owned), ..Order::bare(Word::Heal) }
    }

    #[test]
    fn only_roles_that_can_push_start_a_heal_and_doubt_refuses() {
        let policy = Policy::default();
        for (role, bot, fine) in [
            (Some(Role::Admin), false, true),
            (Some(Role::Maintain), false, true),
            (Some(Role::Write), false, true),
            (Some(Role::Triage), false, false),
            (Some(Role::Read), false, false),
            (Some(Role::None), false, false),
            (None, false, false),
            (Some(Role::Admin), true, false),
        ] {
            assert_eq!(may(&policy, &heal(None), "mona", bot, role).is_ok(), fine, "{role:?} {bot}");
        }
        let listed = Policy { bots: vec!["helper[bot]".into()], ..Policy::default() };
        // of an app GitHub says no role, or `none`
        for role in [None, Some(Role::None), Some(Role::Write)] {
            assert_eq!(may(&listed, &heal(None), "helper[bot]", true, role), Ok(Role::Write), "{role:?}");
            assert_eq!(may_start(&listed, "helper[bot]", true, role), Ok(()), "{role:?}");
            assert_eq!(may(&listed, &heal(None), "evil[bot]", true, role), Err(Denied::Bot), "{role:?}");
            assert_eq!(may_start(&listed, "evil[bot]", true, role), Err(Denied::Bot), "{role:?}");
        }
        // the list makes nobody more than one who may push, and nobody else than a bot
        let guarded = Policy { least: vec![("heal".into(), Role::Maintain)], ..listed.clone() };
        assert!(may(&guarded, &heal(None), "helper[bot]", true, None).is_err());
        assert_eq!(may(&listed, &heal(None), "helper[bot]", false, None), Err(Denied::Unknown));
        for (role, fine) in [(None, false), (Some(Role::Triage), false), (Some(Role::Write), true)] {
            assert_eq!(may_start(&policy, "mona", false, role).is_ok(), fine, "{role:?}");
        }
        assert!(may(&policy, &Order::bare(Word::Help), "mona", false, Some(Role::Read)).is_ok());
        let strict = Policy { least: vec![("status".into(), Role::Admin)], ..Policy::default() };
        assert!(may(&strict, &Order::bare(Word::Status), "mona", false, Some(Role::Maintain)).is_err());
    }

    #[test]
    fn the_role_is_read_where_triage_and_maintain_are_told_apart() {
        for (answer, role) in [
            (serde_json::json!({"permission": "read", "role_name": "triage"}), Some(Role::Triage)),
            (serde_json::json!({"permission": "write", "role_name": "maintain"}), Some(Role::Maintain)),
            (serde_json::json!({"permission": "write", "role_name": "Release team"}), Some(Role::Write)),
            (serde_json::json!({"permission": "odd"}), None),
            (serde_json::json!({"author_association": "OWNER"}), None),
            (serde_json::json!([]), None),
        ] {
            assert_eq!(Role::of_answer(&answer), role, "{answer}");
        }
    }

    #[test]
    fn code_of_a_fork_runs_only_at_the_commit_that_was_named_and_is_still_there() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let may_run = |order: &Order, fork, head: &str| super::may_run(order, fork, head, Role::Write);
        assert_eq!(may_run(&heal(None), false, &one), Ok(()));
        assert_eq!(may_run(&heal(None), true, &one), Err(Denied::ForkNeedsSha));
        assert_eq!(may_run(&heal(Some(&one)), true, &one), Ok(()));
        assert_eq!(may_run(&heal(Some(&one)), true, &two), Err(Denied::OtherSha));
        assert_eq!(may_run(&heal(Some(&one)), false, &two), Err(Denied::OtherSha));
    }

    #[test]
    fn code_of_a_fork_runs_for_nobody_who_may_not_push_whatever_the_rules_say() {
        let head = "1".repeat(40);
        let open = Policy { least: vec![("heal".into(), Role::Read)], ..Policy::default() };
        let order = heal(Some(&head));
        for (role, ours, forks) in [
            (Role::None, false, false),
            (Role::Read, true, false),
            (Role::Triage, true, false),
            (Role::Write, true, true),
            (Role::Admin, true, true),
        ] {
            let ordered = |fork| {
                may(&open, &order, "mona", false, Some(role)).and_then(|role| may_run(&order, fork, &head, role))
            };
            assert_eq!((ordered(false).is_ok(), ordered(true).is_ok()), (ours, forks), "{role:?}");
        }
        let diagnose = Order::bare(Word::Diagnose);
        assert_eq!(may_run(&diagnose, true, &head, Role::Read), Ok(()), "logs are read, nothing is run");
    }
}
