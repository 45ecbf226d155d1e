//! Getting commits: history that a shallow clone lacks, and the tree of a pull request in a folder of its own.
//!
//! Both go through a pristine repository: git with a token never runs where code of others could have left configuration.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::cli::choice;
use crate::config::Config;
use crate::error::{Context as _, Error, Result};
use crate::github::client::Client;
use crate::github::pristine::Pristine;
use crate::repo::{Git, Repository};
use crate::system;

/// The repository with the history of `shas`, fetched where it is missing. Nothing but objects is added to it: no branch
/// moves, no file changes.
///
/// # Errors
/// When GitHub does not have them, or git fails.
pub fn complete(client: &Client, repository: Repository, shas: &[&str]) -> Result<Repository> {
    let mut missing = repository.shallow;
    for sha in shas {
        missing |= repository.resolve(sha)?.is_none();
    }
    if !missing {
        return Ok(repository);
    }
    let pristine = Pristine::create(client)?;
    pristine.fetch_history(shas)?;
    fetch(&pristine, &repository.root, repository.shallow, shas)?;
    Repository::discover(&repository.root)
}

fn fetch(pristine: &Pristine, into: &Path, unshallow: bool, shas: &[&str]) -> Result<()> {
    let names = shas.iter().map(|sha| pristine.offer(sha)).collect::<Result<Vec<_>>>()?;
    let mut git = Git::in_dir(into).args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"]);
    if unshallow {
        git = git.arg("--unshallow");
    }
    git.arg(pristine.git_dir()).args(names).text().map(drop)
}

/// A commit in a folder of its own, which goes away with it.
pub struct Tree {
    /// Where it is.
    pub repository: Repository,
    _folder: tempfile::TempDir,
}

impl Tree {
    /// Checks out `sha`, with its history and that of `also`.
    ///
    /// # Errors
    /// When GitHub does not have it, or git fails.
    pub fn checkout(client: &Client, sha: &str, also: Option<&str>) -> Result<Self> {
        let mut shas = vec![sha];
        shas.extend(also.filter(|also| *also != sha));
        let pristine = Pristine::create(client)?;
        pristine.fetch_history(&shas)?;
        let folder = tempfile::Builder::new()
            .prefix("kaizen-tree-")
            .tempdir_in(choice::temp_dir())
            .context(|| "can't make a temporary folder".into())?;
        let root = folder.path().join("tree");
        std::fs::create_dir(&root).context(|| format!("can't make {}", root.display()))?;
        Git::in_dir(&root).args(["init", "--quiet", "--template=", "-b", "kaizen-unborn"]).text()?;
        fetch(&pristine, &root, false, &shas)?;
        Git::in_dir(&root).args(["checkout", "--quiet", "--detach", sha]).text()?;
        Ok(Self { repository: Repository::discover(&root)?, _folder: folder })
    }

    /// Copies the ignored build folders of `from` (`node_modules`, `.venv`) that are not here: what the job installed.
    ///
    /// # Errors
    /// When they can't be copied.
    pub fn furnish(&self, from: &Repository, config: &Config) -> Result<()> {
        for carried in choice::carried(from, config)?.carry.folders {
            let (source, target) = (from.root.join(&carried.path), self.repository.root.join(&carried.path));
            if carried.without_secrets || target.symlink_metadata().is_ok() {
                continue;
            }
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).context(|| format!("can't make {}", parent.display()))?;
            }
            let path = std::env::var_os("PATH");
            let copy = system::program(OsStr::new("cp"), path.as_deref());
            let copied = Command::new(copy).arg("-Rp").arg("--").arg(&source).arg(&target).output();
            let copied = copied.context(|| "can't start cp".into())?;
            if !copied.status.success() {
                return Err(Error::environment(format!("can't copy {}", source.display()))
                    .why(String::from_utf8_lossy(&copied.stderr).into_owned()));
            }
        }
        Ok(())
    }
}
