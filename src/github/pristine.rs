//! Commits and pushes from a git directory that no code under test could write: made anew, blind to all configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::base64;
use super::client::Client;
use super::names;
use crate::error::{Context as _, Error, Result};
use crate::repo::Git;
use crate::suite::protected::{Protected, Protection};

/// A fresh bare repository in a temporary folder, with nothing in it but what was fetched by name.
#[derive(Debug)]
pub struct Pristine {
    dir: tempfile::TempDir,
    url: String,
    header: String,
}

/// Who makes our commits.
const NAME: &str = "kaizen-ci";
/// Nobody's address.
const MAIL: &str = "kaizen-ci@users.noreply.github.com";

/// Folders and files that no patch of ours may change, wherever it comes from: what steers git, CI and this program.
const PROTECTED: &[&str] = &[".github/", ".git/", ".gitmodules", ".gitattributes", ".kaizen.yml", ".cargo/"];

/// Which further files a patch may not change: the judge's own list, looked at again here, where what it decided may have
/// been handed over by a job that ran foreign code.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Tests may be changed: the configuration of the base branch says so.
    pub tests_may_change: bool,
    /// Globs that it protects beyond the built-in ones.
    pub protected: Vec<String>,
}

/// How long is waited before git asks again.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Is a failure of git's one that passes? In the words of git and curl for a server that is not there or breaks off.
fn passes(said: &str) -> bool {
    const WORDS: [&str; 9] = [
        "returned error: 5",
        "HTTP 5",
        "Connection reset",
        "Connection refused",
        "Could not resolve host",
        "timed out",
        "early EOF",
        "unexpected disconnect",
        "Empty reply from server",
    ];
    WORDS.iter().any(|words| said.contains(words))
}

impl Pristine {
    /// Makes one for the client's repository.
    ///
    /// # Errors
    /// When no folder can be made, or git fails.
    pub fn create(client: &Client) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("kaizen-pristine-")
            .tempdir()
            .context(|| "can't make a temporary folder".into())?;
        let url = format!("{}/{}.git", client.place.server, client.slug);
        let login = base64::encode(format!("x-access-token:{}", client.token.text()).as_bytes());
        let pristine = Self { dir, url, header: format!("Authorization: Basic {login}") };
        Git::in_dir(pristine.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["init", "--quiet", "--bare", "--template=", "repo.git"])
            .text()?;
        Ok(pristine)
    }

    /// Its git directory.
    pub fn git_dir(&self) -> PathBuf {
        self.dir.path().join("repo.git")
    }

    fn git(&self) -> Git {
        Git::isolated(&self.git_dir(), self.dir.path()).env("GIT_INDEX_FILE", self.dir.path().join("index"))
    }

    /// Git that may speak to GitHub: the token is in its environment, not in its arguments and in no file.
    fn online(&self) -> Git {
        let proxy = proxy(&self.url, |name| std::env::var(name).ok());
        pins(&self.url, proxy.as_deref())
            .iter()
            .fold(self.git(), Git::config)
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("http.{}.extraheader", self.url))
            .env("GIT_CONFIG_VALUE_0", &self.header)
    }

    /// Fetches one commit by its name, without history.
    ///
    /// # Errors
    /// When it is not there, or the token may not read it.
    pub fn fetch(&self, sha: &str) -> Result<()> {
        let sha = names::sha(sha).map_err(|e| Error::usage(e.to_string()))?;
        self.asked(&["fetch", "--quiet", "--no-tags", "--depth=1", self.url.as_str(), sha]).map(drop)
    }

    /// Fetches commits with all their history.
    ///
    /// # Errors
    /// As [`Pristine::fetch`].
    pub fn fetch_history(&self, shas: &[&str]) -> Result<()> {
        for sha in shas {
            names::sha(sha).map_err(|e| Error::usage(e.to_string()))?;
        }
        self.asked(&[&["fetch", "--quiet", "--no-tags", self.url.as_str()], shas].concat()).map(drop)
    }

    /// What git prints when it only asks GitHub: again where nobody was there for a moment.
    fn asked(&self, args: &[&str]) -> Result<String> {
        let (code, out, err) = self.steadily(args, &|| Ok(false))?;
        match code {
            0 => Ok(String::from_utf8_lossy(&out).into_owned()),
            _ => Err(crate::repo::git::failed(args.first().copied().unwrap_or_default(), code, &err)),
        }
    }

    /// How git ended that speaks to GitHub, once more after a failure that passes. As if it had ended well where what was
    /// wanted `happened` in spite of one.
    fn steadily(&self, args: &[&str], happened: &dyn Fn() -> Result<bool>) -> Result<(i32, Vec<u8>, Vec<u8>)> {
        let mut waits = WAITS.iter();
        loop {
            let ended = self.online().args(args).try_run(None)?;
            match waits.next().filter(|_| ended.0 != 0 && passes(&String::from_utf8_lossy(&ended.2))) {
                Some(wait) => std::thread::sleep(*wait),
                None => return Ok(ended),
            }
            if happened()? {
                return Ok((0, Vec::new(), Vec::new()));
            }
        }
    }

    /// Gives a commit a name, so that it can be fetched from here by path; the name.
    ///
    /// # Errors
    /// When it is not here.
    pub fn offer(&self, commit: &str) -> Result<String> {
        let commit = names::sha(commit).map_err(|e| Error::usage(e.to_string()))?;
        let name = format!("refs/heads/offer-{commit}");
        self.git().args(["update-ref", name.as_str(), commit]).text()?;
        Ok(name)
    }

    /// The difference between two commits that are here, as git writes it.
    ///
    /// # Errors
    /// When one is not here.
    pub fn diff(&self, from: &str, to: &str) -> Result<Vec<u8>> {
        let args = ["diff-tree", "-p", "-r", "--binary", "--full-index", "--no-renames", "--no-textconv"];
        self.git().args(args).args(["--no-ext-diff", from, to]).bytes()
    }

    /// A file of a commit that is here.
    ///
    /// # Errors
    /// When it is not there.
    pub fn file(&self, commit: &str, path: &str) -> Result<Vec<u8>> {
        let commit = names::sha(commit).map_err(|e| Error::usage(e.to_string()))?;
        self.git().args(["cat-file".to_owned(), "blob".to_owned(), format!("{commit}:{path}")]).bytes()
    }

    /// The tip of a branch there; none when there is no such branch.
    ///
    /// # Errors
    /// When GitHub can't be reached.
    pub fn tip(&self, branch: &str) -> Result<Option<String>> {
        let branch = names::branch(branch).map_err(|e| Error::usage(e.to_string()))?;
        let full = format!("refs/heads/{branch}");
        let text = self.asked(&["ls-remote", self.url.as_str(), full.as_str()])?;
        let row = text.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == full));
        Ok(row.map(|(sha, _)| sha.to_owned()))
    }

    /// The commit that `patch` makes on top of `parent`. Only plain files, and none that steers git or CI.
    ///
    /// # Errors
    /// When the patch does not apply, or touches what it may not.
    pub fn commit(&self, parent: &str, patch: &[u8], message: &str, rules: &Rules) -> Result<String> {
        self.git().args(["read-tree", parent]).text()?;
        self.git().args(["apply", "--cached", "--whitespace=nowarn", "-"]).feed(Some(patch))?;
        let tree = self.git().arg("write-tree").text()?;
        self.check(parent, &tree, rules)?;
        self.commit_tree(&tree, &[parent], message)
    }

    /// A commit with the tree of `commit` on top of all of `parents`: nothing of any of them is pushed over.
    ///
    /// # Errors
    /// When one is not here.
    pub fn join(&self, commit: &str, parents: &[&str], message: &str) -> Result<String> {
        self.commit_tree(&self.tree(commit)?, parents, message)
    }

    fn commit_tree(&self, tree: &str, parents: &[&str], message: &str) -> Result<String> {
        let mut git = self.git();
        for (name, value) in [("AUTHOR", NAME), ("COMMITTER", NAME)] {
            git = git.env(&format!("GIT_{name}_NAME"), value).env(&format!("GIT_{name}_EMAIL"), MAIL);
        }
        let parents = parents.iter().flat_map(|parent| ["-p", parent]);
        let out = git.args(["commit-tree", tree]).args(parents).args(["-F", "-"]).feed(Some(message.as_bytes()))?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    }

    /// Refuses links, submodules and protected paths.
    fn check(&self, parent: &str, tree: &str, rules: &Rules) -> Result<()> {
        let raw = self.git().args(["diff-tree", "-r", "-z", "--no-renames", "--raw", parent, tree]).bytes()?;
        let fields: Vec<String> =
            raw.split(|b| *b == 0).map(|field| String::from_utf8_lossy(field).into_owned()).collect();
        if fields.len() < 2 {
            return Err(Error::usage("the patch changes nothing"));
        }
        let protected = Protected::new(&rules.protected);
        for pair in fields.chunks(2) {
            let [modes, path] = pair else { continue };
            let refused = |why: &str| {
                Err(Error::usage(format!("the patch is not delivered: `{}` {why}", super::clean::log_line(path)))
                    .hint("a person has to make this change"))
            };
            let mut words = modes.trim_start_matches(':').split(' ');
            let plain = |mode: Option<&str>| matches!(mode, Some("000000" | "100644" | "100755"));
            if !plain(words.next()) || !plain(words.next()) {
                return refused("is a link or a submodule");
            }
            let lower = path.to_lowercase();
            if PROTECTED.iter().any(|p| lower == p.trim_end_matches('/') || lower.starts_with(p)) {
                return refused("steers git, CI or kaizen-ci");
            }
            match protected.why(path.as_bytes()) {
                None => {}
                Some(Protection::Test | Protection::Expectation) if rules.tests_may_change => {}
                Some(Protection::Test | Protection::Expectation) => return refused("is a test"),
                Some(_) => return refused("decides how the tests run, or is protected by .kaizen.yml"),
            }
            if path.chars().any(super::clean::is_hidden) || path.chars().any(char::is_control) {
                return refused("has hidden characters in its name");
            }
        }
        Ok(())
    }

    /// Pushes `commit` to a branch: a new one, or one whose tip is `expected`. Never over somebody's work.
    ///
    /// # Errors
    /// When it moved meanwhile ([`Moved`](Pushed::Moved) is told apart), or the token may not.
    pub fn push(&self, commit: &str, branch: &str, expected: Option<&str>) -> Result<Pushed> {
        let branch = names::branch(branch).map_err(|e| Error::usage(e.to_string()))?;
        // Not a force: with a lease on the tip that we know, and the commit lies on top of it or makes a new branch.
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", expected.unwrap_or_default());
        let refspec = format!("{commit}:refs/heads/{branch}");
        let args =
            ["push", "--quiet", "--porcelain", "--no-verify", lease.as_str(), self.url.as_str(), refspec.as_str()];
        // it may have arrived, and only the answer not
        let arrived = || Ok(self.tip(branch)?.as_deref() == Some(commit));
        let (code, out, err) = self.steadily(&args, &arrived)?;
        if code == 0 {
            return Ok(Pushed::Done);
        }
        let said = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        if ["stale info", "fetch first", "non-fast-forward", "failed to update ref", "cannot lock ref"]
            .iter()
            .any(|words| said.contains(words))
        {
            return Ok(Pushed::Moved);
        }
        Err(crate::repo::git::failed("push", code, said.as_bytes())
            .hint("the job needs `contents: write`, and nobody may push workflow files with GITHUB_TOKEN"))
    }

    /// The tree of `ours` (a commit on `base`) carried over to `theirs`; none when they conflict.
    ///
    /// # Errors
    /// When git fails.
    pub fn carry(&self, base: &str, ours: &str, theirs: &str, message: &str, rules: &Rules) -> Result<Option<String>> {
        let merge_base = format!("--merge-base={base}");
        let args = ["merge-tree", "--write-tree", merge_base.as_str(), theirs, ours];
        let (code, out, err) = self.git().args(args).try_run(None)?;
        match code {
            0 => {
                let tree = String::from_utf8_lossy(&out).lines().next().unwrap_or_default().to_owned();
                self.check(theirs, &tree, rules)?;
                self.commit_tree(&tree, &[theirs], message).map(Some)
            }
            1 => Ok(None),
            _ => Err(crate::repo::git::failed("merge-tree", code, &err)),
        }
    }

    /// The tree of a commit that was fetched or made here.
    ///
    /// # Errors
    /// When it is not here.
    pub fn tree(&self, commit: &str) -> Result<String> {
        self.git().args(["rev-parse".to_owned(), format!("{commit}^{{tree}}")]).text()
    }

    /// The parents of a commit that is here, also where history was cut off.
    ///
    /// # Errors
    /// When it is not here.
    pub fn parents(&self, commit: &str) -> Result<Vec<String>> {
        Ok(self.heads(commit)?.iter().filter_map(|line| line.strip_prefix("parent ")).map(str::to_owned).collect())
    }

    /// Was a commit that is here made by us? Anybody can say so of theirs, which then gets a heal on top of it, without loss.
    ///
    /// # Errors
    /// When it is not here.
    pub fn is_our_commit(&self, commit: &str) -> Result<bool> {
        let author = format!("author {NAME} <{MAIL}> ");
        Ok(self.heads(commit)?.iter().any(|line| line.starts_with(&author)))
    }

    /// What stands above the message of a commit.
    fn heads(&self, commit: &str) -> Result<Vec<String>> {
        let commit = names::sha(commit).map_err(|e| Error::usage(e.to_string()))?;
        let text = self.git().args(["cat-file", "commit", commit]).text()?;
        Ok(text.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Where it is, for tests.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// What a configuration that somebody wrote into the git directory could turn the token away with, pinned. Each for this very
/// address: of two values git takes the one whose address fits more closely, and of equals the one of the command line.
fn pins(url: &str, proxy: Option<&str>) -> Vec<String> {
    vec![
        // an empty one would switch off also that of the environment
        format!("http.{url}.proxy={}", proxy.unwrap_or_default()),
        format!("http.{url}.sslVerify=true"),
        format!("http.{url}.followRedirects=initial"),
        format!("credential.{url}.helper="),
        "credential.helper=".into(),
        "core.askPass=".into(),
        "core.gitProxy=".into(),
        "core.sshCommand=false".into(),
    ]
}

/// Pure: the proxy that the environment wants for this address, as curl reads it.
fn proxy(url: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names: &[&str] = match url.starts_with("https:") {
        true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        // `HTTP_PROXY` may be a header of a request that a web server hands on: curl reads only the other spelling
        false => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    names.iter().find_map(|name| value(name).filter(|text| !text.is_empty()))
}

/// How a push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is there.
    Done,
    /// The branch is not where we thought.
    Moved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_of_the_environment_is_kept_and_that_of_a_file_is_not() {
        let url = "https://github.com/octo/shop.git";
        for (url, vars, expected) in [
            (url, vec![("HTTPS_PROXY", "http://p:1")], Some("http://p:1")),
            (url, vec![("https_proxy", "http://q:1"), ("HTTPS_PROXY", "http://p:1")], Some("http://q:1")),
            (url, vec![("HTTPS_PROXY", ""), ("ALL_PROXY", "http://a:1")], Some("http://a:1")),
            (url, vec![("http_proxy", "http://p:1")], None),
            ("http://ghe/x.git", vec![("http_proxy", "http://p:1")], Some("http://p:1")),
            ("http://ghe/x.git", vec![("HTTP_PROXY", "http://p:1")], None),
        ] {
            let value = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(proxy(url, value).as_deref(), expected, "{vars:?}");
        }
        assert!(pins(url, None).contains(&format!("http.{url}.proxy=")));
        assert!(pins(url, Some("http://p:1")).contains(&format!("http.{url}.proxy=http://p:1")));
    }

    #[test]
    fn configuration_that_somebody_wrote_into_the_git_directory_turns_no_token_away() {
        let dir = tempfile::tempdir().unwrap();
        let url = "http://127.0.0.1:9/octo/shop.git";
        let pristine = Pristine { dir, url: url.into(), header: "Authorization: Basic x".into() };
        let bare = ["init", "--quiet", "--bare", "--template=", "repo.git"];
        Git::in_dir(pristine.dir.path()).args(bare).text().unwrap();
        let planted = format!(
            "[http \"{url}\"]\n\tproxy = http://evil:1\n\tsslVerify = false\n\tfollowRedirects = true\n[http]\n\tproxy = \
             http://evil:1\n\tsslVerify = false\n"
        );
        std::fs::write(pristine.git_dir().join("config"), planted).unwrap();
        let value = |name: &str| pristine.online().args(["config", "--get-urlmatch", name, url]).text().unwrap();
        assert_eq!(value("http.proxy"), "");
        assert_eq!(value("http.sslVerify"), "true");
        assert_eq!(value("http.followRedirects"), "initial");
    }
}
