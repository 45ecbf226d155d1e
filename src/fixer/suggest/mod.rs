//! suggest: what tools already know. Suggestions of compilers, names that are nearly right, imports that are missing, the
//! one character that a parser asks for, and what healed the same failure before. No search, no test runs.

pub mod imports;
pub mod library;
pub mod names;
pub mod proposal;
pub mod resolve;
pub mod rustc;
pub mod syntax;

use std::collections::BTreeSet;

use futures::future::BoxFuture;

use crate::error::{Kind, Result};
use crate::failure::text::plain;
use crate::failure::{ChangedLines, Scene, frames};
use crate::fixer::undo::trial::syntax_errors;
use crate::fixer::{Candidate, Case, Desk, Ended, Findings, Fixer, Label};
use crate::patch::{FileChange, FileContent, Patch};
use crate::suite::{Runner, Status};
use proposal::Proposal;

/// More candidates than this only keep the judge busy.
const MOST_CANDIDATES: usize = 8;
/// Red tests beyond these say the same again.
const MOST_MESSAGES: usize = 12;

/// The fixer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Suggest;

impl Fixer for Suggest {
    fn name(&self) -> &'static str {
        "suggest"
    }
    fn about(&self) -> &'static str {
        "does what compilers and messages already ask for: near names, missing imports, a forgotten character"
    }
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            match search(case, desk).await {
                Ok(findings) => Ok(findings),
                Err(error) if error.kind() == Kind::Interrupted => Ok(Findings::ended(Ended::Cancelled)),
                Err(error) => Err(error),
            }
        })
    }
}

/// Candidates sent so far.
struct Outbox<'a> {
    case: &'a Case,
    desk: &'a Desk,
    sent: BTreeSet<String>,
    notes: Vec<String>,
}

async fn search(case: &Case, desk: &Desk) -> Result<Findings> {
    let mut outbox = Outbox { case, desk, sent: BTreeSet::new(), notes: Vec::new() };
    for patch in &case.remembered {
        outbox.send(patch.clone(), "what healed this failure before".into(), Some(Label::Remembered)).await?;
    }
    let store = &case.lab.store;
    let paths: Vec<String> =
        store.files(&case.snapshot.tree)?.into_iter().filter_map(|(p, _, _)| String::from_utf8(p).ok()).collect();
    let read = |path: &str| store.read(&case.snapshot.tree, path.as_bytes()).ok().flatten().map(|(_, bytes)| bytes);
    let changed = ChangedLines::default();
    let scene = Scene { suite: &case.suite, paths: &paths, read: &read, changed: &changed, protected: &case.protected };
    for proposal in from_messages(case, &scene) {
        outbox.propose(proposal).await?;
    }
    if let Some(clippy) = asks_compiler(case, &scene) {
        for proposal in rustc::propose(case, desk, &scene, clippy).await? {
            outbox.propose(proposal).await?;
        }
    }
    let tried = outbox.sent.len() as u64;
    let why = "no message names an unknown name, a missing import or a syntax error".to_owned();
    let ended = if tried == 0 { Ended::NothingToDo { why } } else { Ended::Done };
    Ok(Findings { ended, tried, notes: outbox.notes, closest: Vec::new() })
}

/// Proposals from the words of the red tests, best first, each once.
fn from_messages(case: &Case, scene: &Scene<'_>) -> Vec<Proposal> {
    let red = case.red.tests.values().filter(|r| r.status == Status::Failed);
    let mut texts: Vec<String> =
        red.filter_map(|r| r.message.as_deref()).take(MOST_MESSAGES).map(|m| plain(m).into_owned()).collect();
    // a message without a place has it in the log
    if texts.iter().all(|t| frames::places(t).is_empty()) {
        texts.push(case.failure.excerpt.clone());
    }
    let mut product = None;
    let mut found: Vec<Proposal> = Vec::new();
    let mut firsts: Vec<Proposal> = Vec::new();
    for text in &texts {
        let sites = proposal::sites(text, scene);
        let mut new = syntax::propose(text, &sites, scene);
        for unknown in names::unknown(text).iter().take(4) {
            let product = product.get_or_insert_with(|| resolve::Product::read(scene));
            new.extend(resolve::propose(unknown, &sites, scene, product));
        }
        new.retain(|p| parses_as_well(p, scene));
        let best = new.iter().max_by(|a, b| a.rank.total_cmp(&b.rank)).cloned();
        firsts.extend(best.filter(|b| !firsts.contains(b)));
        for proposal in new {
            match found.iter_mut().find(|p| p.files == proposal.files) {
                // several tests that ask for the same are no accident
                Some(known) => known.rank = (known.rank + 0.01).max(proposal.rank),
                None => found.push(proposal),
            }
        }
    }
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank));
    // messages that ask for different things are different mistakes: only mended together they turn green
    if firsts.len() > 1
        && let Some(all) = all_at_once(&firsts, scene)
    {
        found.insert(0, all);
    }
    found
}

/// The best proposal of every message in one, as far as they go together.
fn all_at_once(firsts: &[Proposal], scene: &Scene<'_>) -> Option<Proposal> {
    let (first, rest) = firsts.split_first()?;
    let merge = |all: Proposal, next: &Proposal| proposal::merge(&all, next, |path| scene.text(path)).unwrap_or(all);
    let all = rest.iter().fold(first.clone(), merge);
    (all != *first).then_some(all)
}

/// No file gets more syntax errors than it had.
fn parses_as_well(proposal: &Proposal, scene: &Scene<'_>) -> bool {
    proposal.files.iter().all(|(path, text)| {
        let before = scene.text(path).map_or(0, |t| syntax_errors(path.as_bytes(), t.as_bytes()));
        syntax_errors(path.as_bytes(), text.as_bytes()) <= before
    })
}

/// Should cargo be asked, and with clippy's rules? Only when the code does not build, or the suite is a linter.
fn asks_compiler(case: &Case, scene: &Scene<'_>) -> Option<bool> {
    let command = case.suite.command.display();
    if command.contains("clippy") {
        return Some(true);
    }
    let cargo = matches!(case.suite.runner, Runner::CargoTest | Runner::Nextest) || command.contains("cargo ");
    let rust = scene.paths.iter().any(|p| p.ends_with("Cargo.toml"));
    let is_error = |text: &str| text.lines().any(|l| l.starts_with("error[E") || l.starts_with("error: "));
    let red = case.red.tests.values().filter(|r| r.status == Status::Failed);
    let broken = is_error(&case.failure.excerpt) || red.filter_map(|r| r.message.as_deref()).any(is_error);
    (cargo && rust && broken).then_some(false)
}

impl Outbox<'_> {
    async fn propose(&mut self, proposal: Proposal) -> Result<()> {
        let store = &self.case.lab.store;
        let mut patch = Patch::default();
        for (path, text) in proposal.files {
            let old = store.read(&self.case.snapshot.tree, path.as_bytes())?;
            let old = old.map(|(mode, bytes)| FileContent { mode, bytes });
            let Some(mode) = old.as_ref().map(|o| o.mode) else { continue };
            let new = Some(FileContent { mode, bytes: text.into_bytes() });
            if old != new {
                patch.files.insert(path.into_bytes(), FileChange { old, new });
            }
        }
        self.send(patch, proposal.idea, None).await
    }

    async fn send(&mut self, patch: Patch, idea: String, label: Option<Label>) -> Result<()> {
        let forbidden = |path: &Vec<u8>| self.case.protected.why(path).is_some();
        if patch.is_empty() || self.sent.len() >= MOST_CANDIDATES || patch.files.keys().any(forbidden) {
            return Ok(());
        }
        if !self.sent.insert(patch.hash()) {
            return Ok(());
        }
        self.notes.push(idea.clone());
        let candidate = Candidate {
            id: format!("{}#{}", self.desk.fixer, self.sent.len()),
            fixer: self.desk.fixer,
            patch,
            idea,
            labels: label.into_iter().collect(),
            disagreement: None,
        };
        self.desk.offer(candidate).await
    }
}
