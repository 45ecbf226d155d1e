//! One heal inside of the Action: run it, and gather everything that a delivery needs.

use std::path::Path;

use crate::cli::action::options::Healing;
use crate::cli::action::tree::Tree;
use crate::cli::action::{asked, policy};
use crate::cli::context::Context;
use crate::cli::heal::{self, Heal};
use crate::config::Loaded;
use crate::error::{Context as _, Exit, Result};
use crate::github::client::Client;
use crate::github::handover::{self, HandOver};
use crate::github::order::Word;
use crate::github::{body, names};
use crate::judge::receipt::Receipt;
use crate::repo::Repository;
use crate::report::Document;
use crate::state::Memory;

/// What one heal left.
pub struct Found {
    /// How it ended.
    pub exit: Exit,
    /// Its document.
    pub document: Document,
    /// The verified patch.
    pub patch: Option<Vec<u8>>,
    /// The receipt's text.
    pub receipt: Option<String>,
    /// What was verified is the commit and files that lay beside it.
    pub dirty: bool,
}

impl Found {
    /// Writes it to `folder` for another job that publishes: what was found of the commit `head`.
    ///
    /// # Errors
    /// When files can't be written.
    pub fn hand_over(&self, context: &Context, head: &str, folder: &Path) -> Result<()> {
        let given = HandOver {
            head: head.to_owned(),
            document: self.document.clone(),
            patch: self.patch.clone(),
            receipt: self.receipt.clone(),
            dirty: self.dirty,
        };
        handover::write(&context.dir.join(folder), &given)?;
        context.terminal.out("handed over; `kaizen-ci action publish` delivers it\n");
        Ok(())
    }
}

/// What another job found and handed over, as if it had been found here.
impl From<HandOver> for Found {
    fn from(given: HandOver) -> Self {
        let HandOver { document, patch, receipt, dirty, head: _ } = given;
        Self { exit: Exit::Ok, document, patch, receipt, dirty }
    }
}

/// The options of a heal in a job: those that were asked for, by the command line's own parser; nothing is asked, nothing
/// is applied.
///
/// # Errors
/// When `rest` was not read before.
pub fn asked(healing: &Healing, rest: &[String]) -> Result<Heal> {
    let heal: Heal = asked::options(Word::Heal, rest)?;
    let (suites, time_limit) = (healing.suites.clone(), healing.time_limit.clone());
    Ok(Heal { suites, time_limit, dry_run: true, quiet: true, ..heal })
}

/// Heals.
///
/// # Errors
/// When our own side fails; everything about the tests is in the document.
pub fn heal(context: &Context, repository: &Repository, loaded: &Loaded, asked: &Heal) -> Result<Found> {
    let (exit, document) = heal::document_in(context, repository, loaded, asked, heal::IN_ACTIONS)?;
    let read = |path: &str| std::fs::read(repository.root.join(path)).context(|| format!("can't read {path}"));
    let patch = document.heal.as_ref().map(|heal| read(&heal.patch)).transpose()?;
    let receipt = match &document.heal {
        Some(heal) => Some(Receipt::read(&repository.root.join(&heal.receipt))?),
        None => None,
    };
    let dirty = receipt.as_ref().is_some_and(|receipt| receipt.snapshot.patch_sha256.is_some());
    Ok(Found { exit, document, patch, receipt: receipt.map(|receipt| receipt.text()), dirty })
}

/// Heals a commit in a folder of its own, with the build folders of the clone that this job has.
///
/// # Errors
/// As [`heal`], or when GitHub does not have the commit.
pub fn in_tree(context: &Context, client: &Client, head: &str, loaded: &Loaded, asked: &Heal) -> Result<(Tree, Found)> {
    let tree = Tree::checkout(client, head, asked.base.as_deref())?;
    if let Ok(here) = context.repository() {
        tree.furnish(&here, &loaded.config)?;
    }
    if let Err(trouble) = remember(context, client, &tree.repository) {
        tracing::warn!(%trouble, "what issues say of earlier attempts is not known");
    }
    let found = heal(context, &tree.repository, loaded, asked)?;
    Ok((tree, found))
}

/// What is around a document when it is delivered; none when it has no failure to speak of.
///
/// # Errors
/// When the fingerprint is none.
pub fn fingerprint(document: &Document) -> Result<Option<String>> {
    let Some(failure) = &document.failure else { return Ok(None) };
    let print = names::fingerprint(&failure.fingerprint);
    print.map(Some).map_err(|e| crate::error::Error::internal(e.to_string()))
}

/// A runner's disk forgets; our issues don't. What is written in them about failures that did not heal is put into the
/// memory of this clone, so that the same failure is not searched for hours again before its pause is over.
///
/// # Errors
/// When GitHub does not answer, or the memory can't be written.
pub fn remember(context: &Context, client: &Client, repository: &Repository) -> Result<()> {
    let issues = context.wait(|_| async move { Ok(client.our_issues("open").await?) })?;
    let memory = Memory::open(&repository.state_dir()?);
    for issue in issues {
        let known = body::marked_value(&issue.body, "print").filter(|print| names::fingerprint(print).is_ok());
        let (Some(print), Some(time)) = (known, issue.updated) else { continue };
        memory.remember_failure(&print, &format!("issue #{}", issue.number), "escalated", Some(&issue.url), time)?;
    }
    Ok(())
}

/// The configuration of a heal, with the options that were given.
///
/// # Errors
/// As [`policy::load`].
pub fn configuration(
    context: &Context,
    client: &Client,
    base: Option<&str>,
    repository: &Repository,
    asked: &Heal,
) -> Result<Loaded> {
    policy::load(context, client, base, &repository.root, &asked.overrides())
}
