//! The mutate fixer: small edits of the syntax tree, tried in the order of how likely they are.

pub mod edits;
mod go_imports;
mod history;
pub mod localise;
mod messages;
pub mod probe;
pub mod queue;
pub mod rivals;
pub mod search;
mod waiting;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::fixer::{Candidate, Case, Close, Desk, Ended, Findings, Fixer};
use crate::patch::{FileChange, FileContent, MODE_FILE, Patch};
use crate::suite::formats::{BUILD, SUITE};
use crate::suite::{Runner, Scope, TestId};
use crate::syntax::language::Language;
use crate::words::{Disagreement, End};

use edits::Project;
use history::History;
use localise::{Clues, Place, places};
use messages::Wishes;
use probe::cold::ColdProbe;
use probe::node::NodeProbe;
use probe::python::PythonProbe;
use probe::{Answer, Change, Probe};
use queue::Queue;
use rivals::{Rival, choose};
use search::{Found, Green, Miss, Search, Stop};

/// Searches for a small edit that turns the tests green.
#[derive(Debug, Default)]
pub struct Mutate;

/// No more files than this are read and parsed; those that suspects name and tests load come first.
const MOST_FILES: usize = 400;

/// After it was cancelled, the search has this long to say what it found.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// The judge runs the suite about so many times before it lets a patch pass.
const JUDGE_RUNS: u32 = 4;

/// The search never gives away more than this part of its time.
const RESERVE_PART: f64 = 0.3;

/// How much of `left` is kept for choosing and judging, so that what the search found last still counts.
fn reserve(left: Duration, choosing: Duration, red_run: Duration) -> Duration {
    (choosing + red_run * JUDGE_RUNS).min(left.mul_f64(RESERVE_PART))
}

/// Comparing green candidates never takes longer than this.
const MOST_COMPARING: Duration = Duration::from_secs(40);
/// Nor than this part of the time that is left, when the judge would need all of it.
const COMPARING_PART: f64 = 0.3;
/// The green candidates that are compared before the tree that was green; the others come after it.
const HEAVIEST: usize = 12;

/// How much of `left` may go into comparing green candidates, so that the judge can still run what is chosen.
fn for_comparing(left: Duration, red_run: Duration) -> Duration {
    left.saturating_sub(red_run * JUDGE_RUNS).max(left.mul_f64(COMPARING_PART)).min(MOST_COMPARING)
}

impl Fixer for Mutate {
    fn name(&self) -> &'static str {
        "mutate"
    }

    fn about(&self) -> &'static str {
        "tries small edits of the code under suspicion, the most common kinds of fixes first"
    }

    fn propose<'a>(&'a self, case: &'a Case, desk: &'a Desk) -> BoxFuture<'a, Result<Findings>> {
        Box::pin(async move {
            let given_up = async {
                desk.cancel.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                findings = propose(case, desk) => findings,
                () = given_up => Ok(Findings::ended(Ended::Cancelled)),
            }
        })
    }
}

async fn propose(case: &Case, desk: &Desk) -> Result<Findings> {
    let began = Instant::now();
    if languages(case)?.is_empty() {
        let why = "no file in a language that mutate knows".to_owned();
        return Ok(Findings::ended(Ended::NothingToDo { why }));
    }
    let mut notes = Vec::new();
    let probe = match start(case, &desk.cancel, &mut notes).await {
        Ok(probe) => probe,
        Err(error) => return Ok(Findings::ended(Ended::NothingToDo { why: error.to_string() })),
    };
    notes.push(format!("candidates are tried by: {}", probe.about()));
    let coverage = probe.coverage().await;
    let loaded = coverage.iter().flat_map(|c| c.traceable.keys().cloned()).collect();
    let project = load(case, &loaded)?;
    let history = History::of(case, &project)?;
    let found_places = localise(case, &project, coverage.as_ref(), &history, probe.roster().red.as_slice());
    notes.extend(looked_at(&found_places, coverage.is_some()));
    let kept = reserve(case.time_left, probe.choosing(), case.red.duration);
    let limit = case.time_left.saturating_sub(kept + began.elapsed());
    let messages = case.failure.red.iter().filter_map(|id| case.red.tests.get(id)?.message.as_deref());
    // a compiler says what it wants beside the place
    let is_build = is_build(case);
    let messages = messages.chain(is_build.then_some(case.failure.excerpt.as_str()));
    let suspicion = found_places.iter().map(|place| place.score).fold(f64::MIN_POSITIVE, f64::max);
    let queue = Queue::new(found_places).of_a_build(is_build).with(Wishes::of(messages));
    let names = probe.roster().names.clone();
    let near = |misses: &[Miss]| desk.hints.leave(misses.iter().map(|m| close(case, &project, &names, m)).collect());
    let search = Search::new(desk, &project, probe.as_ref(), queue, limit, &near);
    let found = search.run().await;
    let left = case.time_left.saturating_sub(began.elapsed());
    let until = Instant::now() + for_comparing(left, case.red.duration);
    let scene = Scene { case, project: &project, probe: probe.as_ref(), history: &history, suspicion, until };
    let findings = finish(&scene, desk, found, notes).await;
    probe.stop().await;
    findings
}

/// The fastest way to try candidates that sees what the red run saw.
///
/// # Errors
/// When none can be started.
pub async fn start(case: &Case, cancel: &CancellationToken, notes: &mut Vec<String>) -> Result<Box<dyn Probe>> {
    if matches!(case.suite.runner, Runner::Pytest | Runner::Unittest) {
        match PythonProbe::start(case).await {
            Ok(probe) => return Ok(Box::new(probe)),
            Err(error) => notes.push(format!("no warm runner: {error}")),
        }
    }
    if case.suite.runner == Runner::NodeTest {
        match NodeProbe::start(case, cancel).await {
            Ok(probe) => return Ok(Box::new(probe)),
            Err(error) => notes.push(format!("no warm runner: {error}")),
        }
    }
    Ok(Box::new(ColdProbe::start(case, cancel).await?))
}

/// What is red is a build, the loading of a file, or what comes before the tests; not a test, and no run that broke off.
fn is_build(case: &Case) -> bool {
    let results = || case.failure.red.iter().filter_map(|id| case.red.tests.get(id).map(|result| (id, result.scope)));
    let ended = matches!(case.red.end, End::Exited(_));
    let stops = |id: &TestId, scope| match scope {
        Scope::Test => false,
        Scope::File => true,
        Scope::Suite => id.0 == BUILD || id.0 == SUITE && ended,
    };
    case.suite.runner != Runner::Command
        && results().all(|(_, scope)| scope != Scope::Test)
        && results().any(|(id, scope)| stops(id, scope))
}

/// Languages of the editable files.
fn languages(case: &Case) -> Result<BTreeSet<Language>> {
    let files = case.lab.store.files(&case.snapshot.tree)?;
    Ok(files
        .iter()
        .filter(|(path, _, _)| case.protected.why(path).is_none())
        .filter_map(|(path, _, _)| Language::of(Path::new(std::str::from_utf8(path).ok()?)))
        .collect())
}

/// Reads the files that edits are made in and of: named by suspects first, then loaded by tests, then the rest.
fn load(case: &Case, loaded: &BTreeSet<String>) -> Result<Project> {
    let store = &case.lab.store;
    let suspected: BTreeSet<&str> = case.failure.suspects.iter().map(|s| s.file.as_str()).collect();
    let mut wanted: Vec<(u8, Vec<u8>)> = Vec::new();
    for (path, mode, _) in store.files(&case.snapshot.tree)? {
        let Some(name) = std::str::from_utf8(&path).ok().filter(|n| Language::of(Path::new(n)).is_some()) else {
            continue;
        };
        if mode != MODE_FILE && mode != crate::patch::MODE_EXECUTABLE {
            continue;
        }
        let rank = if suspected.contains(name) { 0 } else { u8::from(!loaded.contains(name)) + 1 };
        wanted.push((rank, path));
    }
    wanted.sort();
    wanted.truncate(MOST_FILES);
    let mut files = Vec::with_capacity(wanted.len());
    for (_, path) in wanted {
        if let Some((_, bytes)) = store.read(&case.snapshot.tree, &path)? {
            files.push((path, bytes));
        }
    }
    Ok(Project::load(files, |path| case.protected.why(path).is_none()))
}

fn localise(
    case: &Case,
    project: &Project,
    coverage: Option<&probe::Coverage>,
    history: &History,
    red: &[usize],
) -> Vec<Place> {
    let files: Vec<(String, usize)> = project
        .sources()
        .iter()
        .map(|s| (String::from_utf8_lossy(&s.path).into_owned(), s.text.lines().count()))
        .collect();
    let clues = Clues {
        files: files.iter().map(|(path, lines)| (path.as_str(), *lines)).collect(),
        suspects: &case.failure.suspects,
        coverage,
        red,
        changed: history.changed.clone(),
    };
    places(&clues)
}

fn looked_at(places: &[Place], covered: bool) -> Vec<String> {
    let top: Vec<String> = places.iter().take(5).map(|p| format!("{}:{}", p.path, p.line)).collect();
    if top.is_empty() {
        return vec!["there is no file that may be edited".to_owned()];
    }
    let why = if covered { "coverage of red and green tests, stack traces" } else { "stack traces and names" };
    vec![format!("looked first at {} ({why})", top.join(", "))]
}

/// What a search works on.
struct Scene<'a> {
    case: &'a Case,
    project: &'a Project,
    probe: &'a dyn Probe,
    history: &'a History,
    /// Of the most suspicious place: where little is known of places, that says nothing against a candidate.
    suspicion: f64,
    /// When green candidates have to be compared.
    until: Instant,
}

/// Chooses among the green candidates, proposes, and sums up.
async fn finish(scene: &Scene<'_>, desk: &Desk, found: Found, mut notes: Vec<String>) -> Result<Findings> {
    let Scene { case, project, probe, .. } = *scene;
    let seconds = found.took.as_secs_f64();
    let rate = found.tried as f64 / seconds.max(0.01);
    notes.push(format!("{} candidates in {seconds:.1} s, {rate:.0} a second", found.tried));
    let names = &probe.roster().names;
    let mut closest = Vec::new();
    for miss in &found.closest {
        let close = close(case, project, names, miss);
        notes.push(format!(
            "came close: {}: {} of {} red tests left{}",
            miss.what.idea(),
            close.still_red.len(),
            probe.roster().red.len(),
            if miss.broke > 0 { format!(", {} broken", miss.broke) } else { String::new() }
        ));
        closest.push(close);
    }
    let ended = match found.stop {
        Stop::Enough => Ended::Done,
        Stop::Exhausted => Ended::Exhausted,
        Stop::OutOfTime => Ended::OutOfTime,
        Stop::Cancelled => Ended::Cancelled,
        Stop::Broken => Ended::Failed { why: "the test runner does not answer any more".into() },
    };
    if !found.greens.is_empty() && found.stop != Stop::Cancelled {
        notes.extend(offer(scene, desk, &found.greens).await);
    }
    Ok(Findings { ended, tried: found.tried, notes, closest })
}

/// A miss as others are told of it.
fn close(case: &Case, project: &Project, names: &[String], miss: &Miss) -> Close {
    let patch = patch_of(case, project, &miss.what.changes(project));
    let name = |n: &usize| names.get(*n).map(|n| TestId(n.clone()));
    Close {
        diff: String::from_utf8_lossy(&patch.unified()).into_owned(),
        still_red: miss.still_red.iter().filter_map(name).collect(),
    }
}

/// Proposes the best of the green candidates; what is worth noting about the choice.
async fn offer(scene: &Scene<'_>, desk: &Desk, greens: &[Green]) -> Vec<String> {
    let Scene { case, project, .. } = *scene;
    let mut notes = vec![format!("{} green candidates", greens.len())];
    let known = tokio::select! {
        known = behaviours(scene, greens) => Some(known),
        () = tokio::time::sleep_until((scene.until + OVERTIME).into()) => None,
        () = desk.cancel.cancelled() => None,
    };
    // without a comparison what speaks for each candidate decides: better than to lose them all
    let (rivals, asked) = known.unwrap_or_else(|| unknown(scene, greens));
    let choice = choose(&rivals.list, rivals.own, rivals.before.as_deref());
    if asked.len() > rivals.own {
        let further = asked.len() - rivals.own;
        let before = if rivals.before.is_some() { ", and with the answers of the last green commit" } else { "" };
        notes.push(format!("compared on {further} further inputs{before}: {} behaviours", choice.groups.len()));
    }
    let green = &greens[choice.winner];
    let disagreement = choice.disagrees.map(|(other, input)| {
        let Some(input) = input else { return unknown_rival(&greens[other]) };
        let answer = |at: usize| rivals.list[at].answers[input].as_ref().map_or("?", |a| a.text.as_str()).to_owned();
        let what =
            format!("{} gives {} with this patch, {} with a rival", asked[input], answer(choice.winner), answer(other));
        let rival = patch_of(case, project, &greens[other].changes);
        Disagreement { what, rivals: vec![String::from_utf8_lossy(&rival.unified()).into_owned()] }
    });
    notes.push(format!("what speaks for the choice: {:.2}", choice.mass));
    let disagreement = disagreement.or_else(|| choice.is_far_fetched.then(far_fetched));
    for (at, share) in choice.groups.iter().take(6) {
        notes.push(format!("behaviour of weight {share:.2}: {}", greens[*at].what.idea()));
    }
    let candidate = Candidate {
        id: format!("{}#1", desk.fixer),
        fixer: desk.fixer,
        patch: patch_of(case, project, &green.changes),
        idea: green.what.idea(),
        labels: green.what.label().into_iter().collect(),
        disagreement,
    };
    let _ = desk.candidates.send(candidate).await;
    notes
}

/// Why a patch is left to a person that is compared with nothing, beside another one that is nearly as likely.
fn unknown_rival(other: &Green) -> Disagreement {
    let what = format!("{} is nearly as likely, and what both do could not be compared", other.what.idea());
    Disagreement { what, rivals: Vec::new() }
}

/// Why what hardly anything but the tests speaks for is left to a person.
fn far_fetched() -> Disagreement {
    let what = "it turns the tests green, but slips are hardly ever mended like this: the tests may be wrong, or the \
                right change larger"
        .to_owned();
    Disagreement { what, rivals: Vec::new() }
}

struct Rivals {
    list: Vec<Rival>,
    own: usize,
    /// What the last green commit answers.
    before: Option<Vec<Option<Answer>>>,
}

/// A comparison that should be over has this long to say what it found.
const OVERTIME: Duration = Duration::from_secs(2);

fn rival(scene: &Scene<'_>, green: &Green, answers: Vec<Option<Answer>>) -> Rival {
    Rival {
        weight: green.what.natural / scene.suspicion,
        labelled: green.what.label().is_some(),
        size: green.what.size(scene.project),
        converts: green.what.converts(scene.project),
        answers,
    }
}

/// The green candidates when nothing is known of what they answer.
fn unknown(scene: &Scene<'_>, greens: &[Green]) -> (Rivals, Vec<String>) {
    let list = greens.iter().map(|green| rival(scene, green, Vec::new())).collect();
    (Rivals { list, own: 0, before: None }, Vec::new())
}

/// The places of green candidates, heaviest first: those have to be compared when time is short.
fn heaviest_first(weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    order
}

/// What the green candidates answer to further inputs, and how each input reads.
async fn behaviours(scene: &Scene<'_>, greens: &[Green]) -> (Rivals, Vec<String>) {
    let Scene { case, project, probe, history, until, .. } = *scene;
    if greens.len() < 2 {
        return unknown(scene, greens);
    }
    let order = heaviest_first(&greens.iter().map(|green| green.what.natural).collect::<Vec<_>>());
    let mut asked: Vec<Vec<Change>> = order.iter().map(|at| greens[*at].changes.clone()).collect();
    let has_before = !history.before.is_empty();
    let before_at = HEAVIEST.min(asked.len());
    if has_before {
        asked.insert(before_at, history.before.clone());
    }
    let mut compared = probe.compare(project, &asked, case.seed, until).await;
    let all_known = !compared.asked.is_empty();
    compared.answers.resize(asked.len(), Vec::new());
    let before = has_before.then(|| compared.answers.remove(before_at)).filter(|known| all_known && !known.is_empty());
    let mut answers: Vec<Vec<Option<Answer>>> = vec![Vec::new(); greens.len()];
    for (at, known) in order.into_iter().zip(compared.answers) {
        answers[at] = known;
    }
    let list = greens.iter().zip(answers).map(|(green, answers)| rival(scene, green, answers)).collect();
    (Rivals { list, own: compared.own, before }, compared.asked)
}

fn patch_of(case: &Case, project: &Project, changes: &[Change]) -> Patch {
    let files = changes
        .iter()
        .filter_map(|change| {
            let source = project.source(&change.path)?;
            let (mode, _) = case.lab.store.read(&case.snapshot.tree, &change.path).ok()??;
            let content = |text: &str| Some(FileContent { mode, bytes: text.as_bytes().to_vec() });
            Some((change.path.clone(), FileChange { old: content(&source.text), new: content(&change.text) }))
        })
        .collect();
    Patch { files }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_for_the_judge_is_kept_but_never_more_than_a_part() {
        let s = Duration::from_secs;
        assert_eq!(reserve(s(60), s(3), s(1)), s(7));
        assert_eq!(reserve(s(60), s(3), s(30)), s(18));
        assert_eq!(reserve(s(0), s(3), s(30)), s(0));
    }

    #[test]
    fn comparing_leaves_time_for_the_judge_and_the_heaviest_are_compared_first() {
        let s = Duration::from_secs;
        assert_eq!(for_comparing(s(7), s(1)), s(3));
        assert_eq!(for_comparing(s(20), s(30)), s(6));
        assert_eq!(for_comparing(s(600), s(1)), MOST_COMPARING);
        assert_eq!(heaviest_first(&[0.1, 0.4, 0.2, 0.4]), [1, 3, 2, 0]);
    }
}
