//! Names that come from outside and go into addresses and commands: branches, repositories, users, shas, fingerprints.

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {shown:?} is refused: {why}")]
pub struct BadName {
    /// What it should have been.
    pub what: &'static str,
    /// The name, cut short.
    pub shown: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What of a refused name is shown.
const SHOWN_CHARS: usize = 60;

/// Longer names exist in no file system that git's references live in.
const BRANCH_MOST_BYTES: usize = 240;

fn bad(what: &'static str, name: &str, why: &'static str) -> BadName {
    BadName { what, shown: name.chars().take(SHOWN_CHARS).collect(), why }
}

/// A branch name that is safe as an argument of git, in a reference, an address and a line of Markdown. Stricter than
/// git, which takes `$(whoami)`.
///
/// # Errors
/// Says what is wrong with it.
pub fn branch(name: &str) -> Result<&str, BadName> {
    let no = |why| Err(bad("branch", name, why));
    let allowed = |c: char| c.is_alphanumeric() || "._/#+,@-".contains(c);
    if name.is_empty() {
        return no("it is empty");
    }
    if name.len() > BRANCH_MOST_BYTES {
        return no("it is too long");
    }
    if !name.chars().all(allowed) {
        return no("it has characters that shells, git or Markdown read as something else");
    }
    if name.starts_with(['-', '/', '.']) || name.ends_with(['/', '.']) || name == "@" {
        return no("it begins or ends with a character that git does not allow there");
    }
    if name.contains("..") || name.contains("@{") || name.contains("//") || name.contains("/.") {
        return no("it has a sequence that git reads as something else");
    }
    if name.split('/').any(|part| part.ends_with(".lock")) {
        return no("git keeps `.lock` for itself");
    }
    Ok(name)
}

/// A commit, in full.
///
/// # Errors
/// When it is not forty hexadecimal digits (or 64, for SHA-256 repositories).
pub fn sha(text: &str) -> Result<&str, BadName> {
    let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match hex && (text.len() == 40 || text.len() == 64) {
        true => Ok(text),
        false => Err(bad("commit", text, "it is not a full commit name")),
    }
}

/// A path of a file, from the top of a repository: plain in an address and on a disk, and nothing that git or this program
/// keeps for itself.
///
/// # Errors
/// Says what is wrong with it.
pub fn path(text: &str) -> Result<String, BadName> {
    let no = |why| Err(bad("path", text, why));
    let bare = text.strip_prefix("./").unwrap_or(text);
    if bare.is_empty() || bare.len() > BRANCH_MOST_BYTES {
        return no("it is empty, or too long");
    }
    if bare.starts_with('/') {
        return no("paths begin at the top of the repository, without `/`");
    }
    if !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b)) {
        return no("it has other characters than letters, digits, `.`, `_`, `-` and `/`");
    }
    for part in bare.split('/') {
        if matches!(part, "" | "." | "..") {
            return no("it leads somewhere else than it says");
        }
        if part.eq_ignore_ascii_case(".git") || part.starts_with('-') {
            return no("it is none of a file that people write");
        }
    }
    Ok(bare.to_owned())
}

/// A fingerprint as `failure::fingerprint` makes them, cut to what fits into names.
///
/// # Errors
/// When it is not hexadecimal.
pub fn fingerprint(text: &str) -> Result<String, BadName> {
    let bare = text.split_once(':').map_or(text, |(_, rest)| rest);
    if bare.len() < 8 || !bare.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("fingerprint", text, "it is not a hexadecimal number"));
    }
    Ok(bare.chars().take(12).collect::<String>().to_ascii_lowercase())
}

/// The login of a user or an app (`octocat`, `dependabot[bot]`).
///
/// # Errors
/// When it has other characters than logins have.
pub fn login(text: &str) -> Result<&str, BadName> {
    let bare = text.strip_suffix("[bot]").unwrap_or(text);
    let fine = !bare.is_empty()
        && bare.len() <= 100
        && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fine { Ok(text) } else { Err(bad("login", text, "it has characters that no login has")) }
}

/// A repository: owner and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slug {
    /// Owner.
    pub owner: String,
    /// Name.
    pub name: String,
}

impl Slug {
    /// Reads `owner/name`.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let no = || bad("repository", text, "it is not `owner/name`");
        let (owner, name) = text.split_once('/').ok_or_else(no)?;
        let plain = |part: &str| {
            let chars = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            !part.is_empty() && part.len() <= 100 && chars && !matches!(part, "." | "..") && !part.starts_with('-')
        };
        if !plain(owner) || !plain(name) {
            return Err(no());
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_recorded_branch_name_is_taken_or_refused_as_recorded() {
        let text = include_str!("../../fixtures/github/vectors/claude-code-action-branch-names.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 87);
        for vector in &vectors {
            let (name, valid) = (vector["branch"].as_str().unwrap(), vector["valid"].as_bool().unwrap());
            assert_eq!(branch(name).is_ok(), valid, "{vector}");
        }
    }

    #[test]
    fn names_that_steer_an_address_or_a_command_are_refused() {
        for name in ["a/../b", "octo/cat/dog", "/x", "x/", "o/..", "-o/x", "o w/x", "o/x?y", "o/x#y", "o/x%2e"] {
            assert!(Slug::parse(name).is_err(), "{name}");
        }
        assert_eq!(Slug::parse("octo-org/my.repo_1").unwrap().to_string(), "octo-org/my.repo_1");
        for text in ["", "abc", "HEAD", "--upload-pack=x", "0123456789ABCDEF0123456789ABCDEF01234567"] {
            assert!(sha(text).is_err(), "{text}");
        }
        assert!(login("octocat").is_ok() && login("dependabot[bot]").is_ok());
        assert!(login("../admin").is_err() && login("a/b").is_err() && login("[bot]").is_err());
        assert_eq!(fingerprint("v1:00AAbbccddeeff0011").unwrap(), "00aabbccddee");
        assert!(fingerprint("../../x").is_err());
    }

    #[test]
    fn a_path_stays_in_the_repository_and_in_its_place_of_an_address() {
        for (text, expected) in [
            ("docs/prd.md", Some("docs/prd.md")),
            ("./docs/prd.md", Some("docs/prd.md")),
            (".github/prd.md", Some(".github/prd.md")),
            ("../x.md", None),
            ("a/../x.md", None),
            ("/etc/passwd", None),
            (".git/config", None),
            ("a/.GIT/config", None),
            ("a//b", None),
            ("a/", None),
            ("-x", None),
            ("a?ref=main", None),
            ("a#b", None),
            ("a%2e%2e/b", None),
            ("a\\b", None),
            ("a b", None),
            ("$(x)", None),
            ("a\u{202e}b", None),
            ("", None),
        ] {
            assert_eq!(path(text).ok().as_deref(), expected, "{text}");
        }
        // an empty part refuses it, too; what is said is what its writer has to change
        assert!(path("/etc/passwd").unwrap_err().why.contains("without `/`"));
    }

    proptest! {
        #[test]
        fn what_git_refuses_as_a_branch_is_refused_here_too(name in "[a-z./@{}~^:?*\\[\\\\ -]{0,12}") {
            if branch(&name).is_ok() {
                prop_assert!(git2::Reference::is_valid_name(&format!("refs/heads/{name}")), "{name}");
            }
        }
    }
}
