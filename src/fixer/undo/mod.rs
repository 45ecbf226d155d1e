//! undo: the smallest part of the change since the last green point whose undoing turns the red tests green while the
//! rest of the change stays. First hunks, then lines, then words.

pub mod change;
pub mod history;
pub mod pins;
pub mod refine;
pub mod search;
pub mod trial;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;

use crate::error::{Kind, Result};
use crate::failure::text::clip;
use crate::fixer::{Candidate, Case, Desk, Ended, Findings, Fixer, Label};
use crate::patch::{FileContent, MODE_EXECUTABLE, MODE_FILE};
use crate::repo::Sha;
use crate::repo::minimise::{Answer, Minimiser};
use crate::syntax::regions::inline_tests;
use change::{Change, Files, Set, Unit};
use search::{Known, Outcome, Step};
use trial::{Refused, Trial};

/// The fixer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Undo;

/// Runs of the red tests that may be spent on whole hunks, and then in all. 60 is the promise of the README.
const HUNK_RUNS: u64 = 40;
const LINE_RUNS: u64 = 50;
const ALL_RUNS: u64 = 60;
/// How far back the last green point is looked for, and with how many runs (not counted among the 60).
const MOST_HISTORY: usize = 512;
const HISTORY_RUNS: u64 = 24;
/// With more hunks than this between green and now, a nearer green point is looked for first.
const MANY_HUNKS: usize = 40;
/// Longer hunks are not taken apart word by word: that is rewriting, not undoing.
const MOST_WORD_LINES: usize = 8;

impl Fixer for Undo {
    fn name(&self) -> &'static str {
        "undo"
    }
    fn about(&self) -> &'static str {
        "puts back the smallest part of the change that made the tests red"
    }
    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            match search_all(case, desk).await {
                Ok(findings) => Ok(findings),
                Err(error) if error.kind() == Kind::Interrupted => Ok(Findings::ended(Ended::Cancelled)),
                Err(error) => Err(error),
            }
        })
    }
}

/// The two ends of the change, and what it looks like.
struct Span {
    /// Changed product files at the green end.
    old: Files,
    /// The same at the red end.
    new: Files,
    /// Names that changed tests gained.
    needed: BTreeSet<Vec<u8>>,
    /// Protected files that differ too.
    protected: Vec<String>,
}

async fn search_all(case: &Case, desk: &Desk) -> Result<Findings> {
    let mut trial = Trial::new(case, desk).await?;
    let mut notes = Vec::new();
    let Some((green, top)) = ends(case, &mut trial, &mut notes).await? else {
        let why = no_green_point(case.lab.store.repository.shallow);
        return Ok(findings(&trial, Ended::NothingToDo { why }, notes));
    };
    let spent_on_history = trial.runs;
    let span = span(case, &green, &top)?;
    let mut hunt = Hunt::new(case, desk, trial, span, spent_on_history, notes);
    let ended = hunt.go().await?;
    Ok(findings(&hunt.trial, ended, hunt.notes))
}

/// A shallow clone ends before the green point more often than not: that can be helped.
fn no_green_point(shallow: bool) -> String {
    let none = "no green point is known, and none was found in history";
    if shallow {
        format!("{none}, which ends early in this shallow clone (git fetch --unshallow)")
    } else {
        none.into()
    }
}

fn findings(trial: &Trial<'_>, ended: Ended, notes: Vec<String>) -> Findings {
    Findings { ended, tried: trial.runs, notes, closest: trial.closest.iter().cloned().collect() }
}

/// The trees between which the change is: green (or reverted) and red (or wanted).
async fn ends(case: &Case, trial: &mut Trial<'_>, notes: &mut Vec<String>) -> Result<Option<(Sha, Sha)>> {
    let top = case.snapshot.tree.clone();
    if let Some(wanted) = &case.wanted {
        notes.push("looks for the smallest part of the reverted change that must stay out".into());
        return Ok(Some((top, wanted.tree.clone())));
    }
    let known = match &case.green {
        Some(green) => Some(case.lab.store.snapshot_of(green)?.tree),
        None => None,
    };
    if let Some(tree) = &known {
        let span = span(case, tree, &top)?;
        if span.change().units().len() <= MANY_HUNKS {
            return Ok(Some((tree.clone(), top)));
        }
    }
    let nearer = nearest_green(case, trial, notes).await?;
    Ok(nearer.or(known).map(|green| (green, top)))
}

/// The newest commit whose product files, under the tests of the snapshot, are green.
async fn nearest_green(case: &Case, trial: &mut Trial<'_>, notes: &mut Vec<String>) -> Result<Option<Sha>> {
    let Some(parent) = &case.snapshot.parent else { return Ok(None) };
    let commits = case.lab.store.repository.first_parents(parent, MOST_HISTORY)?;
    // what is known to be green needs no further step back
    let end = commits.iter().position(|c| Some(&c.sha) == case.green.as_ref()).map_or(commits.len(), |n| n + 1);
    let (commits, mut known) = (&commits[..end], BTreeMap::new());
    loop {
        match history::next(commits.len(), &known) {
            history::Probe::None => {
                notes.push(format!("none of {} commits in history that were tried is green", known.len()));
                return Ok(None);
            }
            history::Probe::Found(n) => {
                notes.push(format!(
                    "green at {} \"{}\", {} steps",
                    commits[n].sha.short(),
                    commits[n].subject,
                    known.len()
                ));
                return Ok(Some(case.lab.store.snapshot_of(&commits[n].sha)?.tree));
            }
            history::Probe::Try(n) => {
                trial.progress(format!("looking for the last green commit · {} runs", trial.runs));
                let tree = case.lab.store.snapshot_of(&commits[n].sha)?.tree;
                let Some(green) = undone_is_green(case, trial, &tree).await? else { return Ok(None) };
                known.insert(n, green);
            }
        }
    }
}

/// Is everything green with the product files of `tree`? `None`: budget or time are spent.
async fn undone_is_green(case: &Case, trial: &mut Trial<'_>, tree: &Sha) -> Result<Option<bool>> {
    let span = span(case, tree, &case.snapshot.tree)?;
    let change = span.change();
    let units = change.units();
    let all: Set = (0..units.len()).collect();
    let pinned = pins::pinned(&units, &span.needed, &names_of(&span.old));
    for undone in [all.difference(&pinned).copied().collect::<Set>(), all] {
        match trial.outcome(&change.compose(&undone), HISTORY_RUNS).await? {
            Ok(Outcome::Green) => return Ok(Some(true)),
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(false))
}

fn names_of(files: &Files) -> BTreeSet<Vec<u8>> {
    files.values().flatten().flat_map(|content| pins::names(&content.bytes)).collect()
}

/// What differs between two trees: product files on both sides, and names that tests gained.
fn span(case: &Case, green: &Sha, top: &Sha) -> Result<Span> {
    let store = &case.lab.store;
    let list = |tree: &Sha| -> Result<BTreeMap<Vec<u8>, (u32, Sha)>> {
        Ok(store.files(tree)?.into_iter().map(|(path, mode, blob)| (path, (mode, blob))).collect())
    };
    let (before, after) = (list(green)?, list(top)?);
    let paths: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let mut span = Span { old: Files::new(), new: Files::new(), needed: BTreeSet::new(), protected: Vec::new() };
    let plain = |side: Option<&(u32, Sha)>| side.is_none_or(|(mode, _)| matches!(*mode, MODE_FILE | MODE_EXECUTABLE));
    for path in paths.into_iter().filter(|p| before.get(*p) != after.get(*p)) {
        if !plain(before.get(path)) || !plain(after.get(path)) || crate::patch::outside::forbidden(path).is_some() {
            continue;
        }
        let read = |tree: &Sha| -> Result<Option<FileContent>> {
            Ok(store.read(tree, path)?.map(|(mode, bytes)| FileContent { mode, bytes }))
        };
        let (old, new) = (read(green)?, read(top)?);
        if case.protected.why(path).is_some() {
            let had = old.as_ref().map(|c| pins::names(&c.bytes)).unwrap_or_default();
            let has = new.as_ref().map(|c| pins::names(&c.bytes)).unwrap_or_default();
            span.needed.extend(has.difference(&had).cloned());
            span.protected.push(String::from_utf8_lossy(path).into_owned());
        } else {
            let tests = |side: &Option<FileContent>| {
                let text = side.as_ref().map(|c| c.bytes.as_slice()).unwrap_or_default();
                inline_tests(path, text).into_iter().flat_map(|r| pins::names(&text[r])).collect::<BTreeSet<_>>()
            };
            span.needed.extend(tests(&new).difference(&tests(&old)).cloned());
            span.old.insert(path.clone(), old);
            span.new.insert(path.clone(), new);
        }
    }
    Ok(span)
}

impl Span {
    /// The change as units, inline tests left out: they are protected like test files.
    fn change(&self) -> Change {
        Change::between(&self.old, &self.new).without(inline_tests, refine::segments)
    }
}

/// The search over one change.
struct Hunt<'a> {
    case: &'a Case,
    desk: &'a Desk,
    trial: Trial<'a>,
    span: Span,
    /// Runs spent before the hunt; not counted among its own.
    before: u64,
    notes: Vec<String>,
    sent: usize,
    out_of_time: bool,
}

impl<'a> Hunt<'a> {
    fn new(case: &'a Case, desk: &'a Desk, trial: Trial<'a>, span: Span, before: u64, notes: Vec<String>) -> Self {
        Self { case, desk, trial, span, before, notes, sent: 0, out_of_time: false }
    }

    async fn go(&mut self) -> Result<Ended> {
        let mut change = self.span.change();
        let had = names_of(&self.span.old);
        let pinned = pins::pinned(&change.units(), &self.span.needed, &had);
        if change.units().is_empty() {
            return Ok(Ended::NothingToDo { why: self.only_protected() });
        }
        // a wanted function that touches a changed line is in one hunk with it: take them apart
        change = change.split(&pinned, refine::segments);
        let units = change.units();
        let pinned = pins::pinned(&units, &self.span.needed, &had);
        self.trial.allow_errors_of(&self.span.old);
        self.trial.allow_errors_of(&self.span.new);
        let order = pins::order(&units, &self.case.failure.suspects, |path| {
            self.span.new.get(path).and_then(|c| c.as_ref()).map(|c| c.bytes.clone())
        });
        let rescue = if self.span.protected.is_empty() { 6 } else { HUNK_RUNS as usize };
        let mut known = Known::new();
        let Some(start) = self.opening(&change, &order, &pinned, rescue, &mut known).await? else {
            let why = self.not_separable(&units, &known);
            return Ok(if self.out_of_time { Ended::OutOfTime } else { Ended::NothingToDo { why } });
        };
        let (found, minimal) = self.shrink(&change, &start, &order, HUNK_RUNS, "hunks").await?;
        if !minimal {
            self.notes.push(format!("{} runs were spent before every smaller part was tried", self.spent()));
        }
        self.settle(&change, &units, &found).await?;
        self.second_way(&change, &units, &order, &found).await?;
        Ok(Ended::Done)
    }

    /// From a found set of hunks to candidates: the finest first, then the whole hunks in case that was too fine.
    async fn settle(&mut self, change: &Change, units: &[Unit], found: &Set) -> Result<()> {
        let coarse = change.compose(found);
        let fine = self.finer(change, found).await?;
        let what = format!("{} of {} hunk{}: {}", found.len(), units.len(), plural(units.len()), places(units, found));
        let exact = fine == coarse;
        let part = if exact { "" } else { "part of " };
        self.send(&fine, format!("{} {part}{what}", self.verb())).await?;
        if !exact {
            self.send(&coarse, format!("{} {what}", self.verb())).await?;
        }
        self.notes.push(format!("undoing {what} turns the red tests green"));
        Ok(())
    }

    fn verb(&self) -> &'static str {
        if self.case.wanted.is_some() { "brings the change back without" } else { "puts back" }
    }

    /// Lines, then words of the found hunks.
    async fn finer(&mut self, change: &Change, found: &Set) -> Result<Files> {
        let (by_line, lines) = self.refined(change, found, LINE_RUNS, "lines", refine::by_line).await?;
        let short = |old: &[u8], new: &[u8]| change::lines(old).len().max(change::lines(new).len()) <= MOST_WORD_LINES;
        let by_word = |old: &[u8], new: &[u8]| {
            if short(old, new) {
                refine::by_word(old, new)
            } else {
                vec![change::Piece::Changed { old: old.into(), new: new.into() }]
            }
        };
        let (by_word, words) = self.refined(&by_line, &lines, ALL_RUNS, "words", by_word).await?;
        Ok(by_word.compose(&words))
    }

    async fn refined(
        &mut self,
        change: &Change,
        found: &Set,
        budget: u64,
        what: &str,
        split: impl Fn(&[u8], &[u8]) -> Vec<change::Piece>,
    ) -> Result<(Change, Set)> {
        let finer = change.refine(found, split);
        let all: Set = (0..finer.units().len()).collect();
        if all.len() <= found.len() {
            return Ok((finer, all));
        }
        let order: Vec<usize> = all.iter().copied().collect();
        let (set, _) = self.shrink(&finer, &all, &order, budget, what).await?;
        Ok((finer, set))
    }

    /// Asks until a green set to start from is known; `None`: there is none, or budget or time are spent.
    async fn opening(
        &mut self,
        change: &Change,
        order: &[usize],
        pinned: &Set,
        rescue: usize,
        known: &mut Known,
    ) -> Result<Option<Set>> {
        let total = change.units().len();
        loop {
            let set = match search::opening(order, pinned, rescue, known) {
                Step::Start(set) => return Ok(Some(set)),
                Step::Hopeless => return Ok(None),
                Step::Ask(set) => set,
            };
            self.trial.progress(format!("{} of {total} hunks undone · {} runs", set.len(), self.spent()));
            match self.trial.outcome(&change.compose(&set), self.before + HUNK_RUNS).await? {
                Ok(outcome) => {
                    known.insert(set, outcome);
                }
                Err(refused) => {
                    self.out_of_time |= refused == Refused::OutOfTime;
                    return Ok(search::best(known));
                }
            }
        }
    }

    /// Makes `start`, which is green, as small as `budget` runs allow, and says whether nothing more can be left out.
    async fn shrink(
        &mut self,
        change: &Change,
        start: &Set,
        order: &[usize],
        budget: u64,
        what: &str,
    ) -> Result<(Set, bool)> {
        let total = change.units().len();
        // the budget counts runs; questions that the parser or the memory answers are free
        let mut minimiser =
            Minimiser::in_order(order.iter().copied().filter(|u| start.contains(u)).collect(), usize::MAX);
        while let Some(subset) = minimiser.next_subset() {
            self.trial.progress(format!(
                "{} of {total} {what} left · {} runs",
                minimiser.smallest().len(),
                self.spent()
            ));
            let undone: Set = subset.into_iter().collect();
            match self.trial.outcome(&change.compose(&undone), self.before + budget).await? {
                Ok(Outcome::Green) => minimiser.answer(Answer::Yes),
                Ok(Outcome::Red) => minimiser.answer(Answer::No),
                Ok(Outcome::Unresolved) => minimiser.answer(Answer::Unresolved),
                Err(_) => break,
            }
        }
        Ok((minimiser.smallest().iter().copied().collect(), minimiser.is_minimal()))
    }

    /// Runs of this hunt.
    fn spent(&self) -> u64 {
        self.trial.runs - self.before
    }

    /// Another set of hunks that does it without the first: a choice for the judge, should the first break something.
    async fn second_way(&mut self, change: &Change, units: &[Unit], order: &[usize], found: &Set) -> Result<()> {
        let rest: Vec<usize> = order.iter().copied().filter(|u| !found.contains(u)).collect();
        if rest.is_empty() || self.spent() + 2 > HUNK_RUNS {
            return Ok(());
        }
        let all: Set = rest.iter().copied().collect();
        if self.trial.outcome(&change.compose(&all), self.before + HUNK_RUNS).await? != Ok(Outcome::Green) {
            return Ok(());
        }
        let (other, _) = self.shrink(change, &all, &rest, HUNK_RUNS, "hunks").await?;
        let what = format!("{} of {} hunks: {}", other.len(), units.len(), places(units, &other));
        self.send(&change.compose(&other), format!("{} {what}", self.verb())).await
    }

    async fn send(&mut self, files: &Files, idea: String) -> Result<()> {
        let patch = self.trial.patch(files)?;
        self.sent += 1;
        let candidate = Candidate {
            id: format!("undo#{}", self.sent),
            fixer: self.desk.fixer,
            patch,
            idea,
            labels: BTreeSet::from([Label::Undo]),
            disagreement: None,
        };
        self.desk.offer(candidate).await
    }

    fn only_protected(&self) -> String {
        match self.span.protected.as_slice() {
            [] => "nothing changed since the last green point".into(),
            some => format!("only tests and configuration changed since the last green point: {}", listed(some)),
        }
    }

    /// What was proven when nothing helped.
    fn not_separable(&mut self, units: &[Unit], known: &Known) -> String {
        let all: Set = (0..units.len()).collect();
        let red = &self.case.failure.red;
        let first = red.iter().next().map_or("the suite", |id| id.0.as_str());
        let more = if red.len() > 1 { format!(" and {} more", red.len() - 1) } else { String::new() };
        let n = units.len();
        let proof = match known.get(&all) {
            Some(Outcome::Red) => format!(
                "undoing all {n} hunk{} leaves {first}{more} red: not caused by the product code of this change",
                plural(n)
            ),
            Some(Outcome::Unresolved) => {
                format!("with all {n} hunk{} undone {first}{more} can't run: the tests need the new code", plural(n))
            }
            Some(Outcome::Green) | None => {
                format!("no part of {n} hunk{} was found to turn {first}{more} green", plural(n))
            }
        };
        if !self.span.protected.is_empty() {
            self.notes.push(format!("tests or configuration changed too: {}", listed(&self.span.protected)));
        }
        self.notes.push(format!("{} sets of hunks were tried", known.len()));
        proof
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn listed(names: &[String]) -> String {
    match names {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}, {b}, {c} and {} more", rest.len()),
        all => all.join(", "),
    }
}

fn places(units: &[Unit], chosen: &Set) -> String {
    let all: Vec<String> = chosen
        .iter()
        .filter_map(|n| units.get(*n))
        .map(|u| format!("{}:{}", clip(&String::from_utf8_lossy(&u.path), 200), u.line))
        .collect();
    listed(&all)
}
