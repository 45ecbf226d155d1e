//! Git: the user's repository (read only), snapshots of it, workspaces, revert and bisect.

pub mod bisect;
pub mod carry;
mod checkout;
mod compare;
mod disk;
pub mod git;
pub mod index;
mod inside;
pub mod logins;
pub mod minimise;
mod relocate;
pub mod revert;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod workspace;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::system::{self, OsStringExt as _};

pub use crate::words::{Commit, Sha};
pub use git::Git;
pub use snapshot::Snapshot;
pub use store::Store;
pub use workspace::Workspace;

/// The user's repository, which we only ever read (but for our own folder `kaizen/` in its common git directory).
#[derive(Debug, Clone)]
pub struct Repository {
    /// Top of the working tree.
    pub root: PathBuf,
    /// Its git directory (of the linked worktree, when it is one).
    pub git_dir: PathBuf,
    /// The git directory that all worktrees share.
    pub common_dir: PathBuf,
    /// The commit that HEAD points to; none in a repository without commits.
    pub head: Option<Sha>,
    /// The branch that HEAD is on; none when detached.
    pub branch: Option<String>,
    /// History was cut off (`git clone --depth`).
    pub shallow: bool,
}

/// What separates the fields of a commit in our log format; no name or subject has it.
const FIELD: u8 = 0x1f;
const COMMIT_FORMAT: &str = "--format=%H%x1f%P%x1f%an <%ae>%x1f%aI%x1f%s";

impl Repository {
    /// Finds the repository that `path` is in.
    ///
    /// # Errors
    /// When `path` is in no git working tree, or git can't read it.
    pub fn discover(path: &Path) -> Result<Self> {
        git::version()?;
        let args = ["rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--is-shallow-repository"];
        let (code, out, err) = Git::in_dir(path).args(args).arg("--show-object-format").try_run(None)?;
        if code != 0 {
            return Err(not_found(path, code, &err));
        }
        let text = String::from_utf8_lossy(&out);
        let mut words = text.lines();
        let mut yes = || words.next() == Some("true");
        let (bare, inside, shallow) = (yes(), yes(), yes());
        if bare || !inside {
            let what = if bare { "is a bare repository" } else { "is inside a .git folder" };
            return Err(Error::repository(format!("{} {what}", path.display()))
                .why("kaizen-ci heals a working tree: files that a test command can run on")
                .hint("cd into a clone, or: git worktree add ../tree"));
        }
        if text.lines().nth(3) == Some("sha256") {
            return Err(Error::repository("this repository names its objects with SHA-256")
                .why("kaizen-ci reads repositories with SHA-1 names only"));
        }
        let ask = |what: &str| -> Result<PathBuf> {
            let mut out = Git::in_dir(path).args(["rev-parse", "--path-format=absolute", what]).bytes()?;
            out.pop_if(|b| *b == b'\n');
            Ok(system::native(PathBuf::from(OsString::from_vec(out))))
        };
        let root = ask("--show-toplevel")?;
        let (git_dir, common_dir) = (ask("--git-dir")?, ask("--git-common-dir")?);
        let (on_branch, branch, _) =
            Git::in_dir(&root).args(["symbolic-ref", "-q", "--short", "HEAD"]).try_run(None)?;
        let (has_head, head, _) =
            Git::in_dir(&root).args(["rev-parse", "-q", "--verify", "HEAD^{commit}"]).try_run(None)?;
        let word = |out: &[u8]| String::from_utf8_lossy(out).trim_end().to_owned();
        Ok(Self {
            root,
            git_dir,
            common_dir,
            head: (has_head == 0).then(|| Sha(word(&head))),
            branch: (on_branch == 0).then(|| word(&branch)),
            shallow,
        })
    }

    /// Our own folder: runs, memory of failures. Made when missing.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn state_dir(&self) -> Result<PathBuf> {
        let dir = self.common_dir.join("kaizen");
        std::fs::create_dir_all(&dir).context(|| format!("can't make {}", dir.display()))?;
        Ok(dir)
    }

    /// A git command in this repository's working tree.
    pub fn git(&self) -> Git {
        Git::in_dir(&self.root)
    }

    /// The commit that `name` (a branch, a tag, a sha, `HEAD~3`) stands for; `None` when there is none.
    ///
    /// # Errors
    /// When git can't be started.
    pub fn resolve(&self, name: &str) -> Result<Option<Sha>> {
        if name.starts_with('-') {
            return Ok(None);
        }
        let rev = format!("{name}^{{commit}}");
        let (code, out, _) =
            self.git().args(["rev-parse", "-q", "--verify", "--end-of-options", &rev]).try_run(None)?;
        Ok((code == 0).then(|| Sha(String::from_utf8_lossy(&out).trim_end().to_owned())))
    }

    /// The base branch: `configured`, else the remote's HEAD, else `main` or `master` (remote-tracking before local).
    /// `None` when there is none.
    ///
    /// # Errors
    /// When `configured` is given and does not exist.
    pub fn base_branch(&self, configured: Option<&str>) -> Result<Option<(String, Sha)>> {
        if let Some(name) = configured {
            return self.configured_base(name).map(Some);
        }
        let (code, out, _) =
            self.git().args(["symbolic-ref", "-q", "--short", "refs/remotes/origin/HEAD"]).try_run(None)?;
        let remote_head = (code == 0).then(|| String::from_utf8_lossy(&out).trim_end().to_owned());
        let usual = ["origin/main", "origin/master", "main", "master"].map(str::to_owned);
        for name in remote_head.into_iter().chain(usual) {
            let full = if name.contains('/') { format!("refs/remotes/{name}") } else { format!("refs/heads/{name}") };
            if let Some(sha) = self.resolve(&full)? {
                return Ok(Some((name, sha)));
            }
        }
        Ok(None)
    }

    fn configured_base(&self, name: &str) -> Result<(String, Sha)> {
        for candidate in [format!("refs/remotes/origin/{name}"), format!("refs/heads/{name}"), name.to_owned()] {
            if let Some(sha) = self.resolve(&candidate)? {
                return Ok((name.to_owned(), sha));
            }
        }
        if self.shallow {
            return Err(self.cut_off(name));
        }
        Err(Error::repository(format!("there is no branch or commit `{name}` in this clone"))
            .why("it is configured as the base branch")
            .hint(format!("git fetch origin {name}, or name another base with --base")))
    }

    /// The error for when the commits between HEAD and the base branch `base` are not in this clone.
    pub fn cut_off(&self, base: &str) -> Error {
        let depth = self.depth().map_or_else(|| "shallow".to_owned(), |depth| format!("depth {depth}"));
        let error = if self.shallow {
            Error::repository(format!("the base branch `{base}` is not in this clone ({depth})"))
        } else {
            Error::repository(format!("HEAD and the base branch `{base}` have no common history"))
        };
        let error = error.why("bisect and undo need the commits between your change and its base");
        if self.shallow {
            error.hint("git fetch --unshallow origin    (in Actions: `fetch-depth: 0` in actions/checkout)")
        } else {
            error.hint("name the right base with --base")
        }
    }

    /// How many commits of HEAD's first-parent history this clone has.
    fn depth(&self) -> Option<usize> {
        let out = self.git().args(["rev-list", "--count", "--first-parent", "HEAD"]).text().ok()?;
        out.parse().ok()
    }

    /// The merge base of HEAD and `other`; `None` when there is none in this clone.
    ///
    /// # Errors
    /// When git fails.
    pub fn merge_base(&self, other: &Sha) -> Result<Option<Sha>> {
        let Some(head) = &self.head else { return Ok(None) };
        let (code, out, err) = self.git().args(["merge-base", &head.0, &other.0]).try_run(None)?;
        match code {
            0 => Ok(Some(Sha(String::from_utf8_lossy(&out).lines().next().unwrap_or_default().to_owned()))),
            1 => Ok(None),
            _ => Err(git::failed("merge-base", code, &err)),
        }
    }

    /// First-parent history from `from` back, newest first, at most `most` commits, `from` included.
    ///
    /// # Errors
    /// When git fails.
    pub fn first_parents(&self, from: &Sha, most: usize) -> Result<Vec<Commit>> {
        let most = format!("--max-count={most}");
        log(self.git(), ["--first-parent", &most, &from.0, "--"])
    }

    /// What the merge `merge` brought in, for [`bisect::Hunt::next`]: the first-parent line of its second parent,
    /// newest first, down to the first commit that its first parent has too.
    ///
    /// # Errors
    /// When git fails.
    pub fn side(&self, merge: &Commit) -> Result<Vec<Commit>> {
        let [first, second, ..] = merge.parents.as_slice() else { return Ok(Vec::new()) };
        let mut line = log(self.git(), ["--first-parent", &second.0, &format!("^{first}"), "--"])?;
        let before = line.last().map_or(Some(second), |oldest| oldest.parents.first()).cloned();
        if let Some(before) = before {
            line.extend(self.first_parents(&before, 1)?);
        }
        Ok(line)
    }

    /// The commits that are in `to` and not in `from`, newest first, all branches of merges included.
    ///
    /// # Errors
    /// When git fails.
    pub fn between(&self, from: &Sha, to: &Sha) -> Result<Vec<Commit>> {
        log(self.git(), ["--topo-order", &to.0, &format!("^{from}"), "--"])
    }

    /// One commit.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn commit(&self, sha: &Sha) -> Result<Commit> {
        let found = self.first_parents(sha, 1)?;
        found.into_iter().next().ok_or_else(|| Error::repository(format!("there is no commit {sha}")))
    }
}

fn not_found(path: &Path, code: i32, stderr: &[u8]) -> Error {
    if String::from_utf8_lossy(stderr).contains("not a git repository") {
        return Error::repository(format!("{} is not in a git repository", path.display()))
            .why("kaizen-ci freezes your tree as a git commit, so that it never has to touch your files")
            .hint("cd into a repository, or make one: git init");
    }
    git::failed("rev-parse", code, stderr)
}

/// `git log` of what `limits` (options, revisions, paths) say.
fn log<S: AsRef<std::ffi::OsStr>>(git: Git, limits: impl IntoIterator<Item = S>) -> Result<Vec<Commit>> {
    parse_log(&git.args(["log", "-z", "--encoding=UTF-8", COMMIT_FORMAT]).args(limits).bytes()?)
}

fn parse_log(out: &[u8]) -> Result<Vec<Commit>> {
    let records = out.split(|b| *b == 0).filter(|r| !r.is_empty());
    records
        .map(|record| {
            let mut fields = record.splitn(5, |b| *b == FIELD).map(|f| String::from_utf8_lossy(f).into_owned());
            let mut next = || fields.next().ok_or_else(|| Error::internal("git log answered in an unknown form"));
            Ok(Commit {
                sha: Sha(next()?),
                parents: next()?.split_whitespace().map(|p| Sha(p.to_owned())).collect(),
                author: next()?,
                date: next()?,
                subject: next()?,
            })
        })
        .collect()
}
