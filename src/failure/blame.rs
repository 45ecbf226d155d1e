//! Blame as a pure decision: from the red run, its reruns and the run on the base, why it is red.

use std::collections::BTreeSet;

use crate::failure::environment::{self, Lack};
use crate::failure::project::Project;
use crate::failure::standing::{Standing, standing};
use crate::failure::text;
use crate::suite::{Run, Scope, Suite, TestId};
use crate::words::{Blame, End};

/// What the decision is made from.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The first red run.
    pub first: &'a Run,
    /// Runs of the same tree again (of the red tests, or of everything).
    pub reruns: &'a [Run],
    /// The run on the merge base, and its name for people (`main@4f2c1d9`).
    pub base: Option<(&'a Run, &'a str)>,
    /// The part of the first run's log that matters.
    pub excerpt: &'a str,
    /// The tree's files.
    pub project: Project<'a>,
    /// The tests were given no network.
    pub offline: bool,
}

/// Who is to blame, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Blame.
    pub blame: Blame,
    /// In words: `red again 2/2 · green on main@4f2c1d9`.
    pub evidence: String,
    /// Red tests that were green in a rerun: not to be healed, whoever is to blame for the others.
    pub flaky: BTreeSet<TestId>,
    /// Red tests that want a network where they have none: not to be healed either.
    pub out_of_reach: BTreeSet<TestId>,
    /// Red tests that stayed red: what there is to heal.
    pub red: BTreeSet<TestId>,
}

/// Decides. The order: flaky (green in any rerun), then the base (a base that is green in this same environment clears
/// the environment), then the environment, and only when every red result looks like it.
pub fn decide(evidence: &Evidence<'_>) -> Decision {
    let all = evidence.first.red();
    let flaky: BTreeSet<TestId> = all
        .iter()
        .filter(|id| evidence.reruns.iter().any(|run| standing(run, evidence.first, id) == Standing::Green))
        .cloned()
        .collect();
    let red: BTreeSet<TestId> = all.difference(&flaky).cloned().collect();
    let flaky = without_the_cut(flaky, &red, evidence.first);
    let (out_of_reach, red) = apart(red, evidence);
    let mut words = Vec::new();
    if !evidence.reruns.is_empty() {
        let again = evidence.reruns.iter().filter(|run| is_red_again(run, evidence.first, &red)).count();
        words.push(format!("red again {again}/{}", evidence.reruns.len()));
    }
    if !flaky.is_empty() && !red.is_empty() {
        words.push(format!("{} of {} red tests flaky", flaky.len(), red.len() + flaky.len()));
    }
    if !out_of_reach.is_empty() {
        words.push(format!("{} red for want of a network, left out", out_of_reach.len()));
    }
    let blame = if red.is_empty() && !flaky.is_empty() {
        words.push("green when run again".into());
        Blame::Flaky { tests: flaky.iter().cloned().collect() }
    } else {
        by_base_or_environment(evidence, &red, &mut words)
    };
    Decision { blame, evidence: words.join(" · "), flaky, out_of_reach, red }
}

/// Those red tests that want a network which they were not given, and the others. They are told apart only where others
/// are left: what there is to heal must not wait for what can't be green here.
fn apart(red: BTreeSet<TestId>, evidence: &Evidence<'_>) -> (BTreeSet<TestId>, BTreeSet<TestId>) {
    if !evidence.offline {
        return (BTreeSet::new(), red);
    }
    let wants = |id: &&TestId| {
        let result = evidence.first.tests.get(*id).filter(|result| result.scope == Scope::Test);
        result.and_then(|result| result.message.as_deref()).is_some_and(environment::wants_a_network)
    };
    let far: BTreeSet<TestId> = red.iter().filter(wants).cloned().collect();
    if far.len() == red.len() {
        return (BTreeSet::new(), red);
    }
    let near = red.difference(&far).cloned().collect();
    (far, near)
}

/// A suite that was cut once and not again is no flaky test where tests in it are red every time: they hang, and how many
/// of them fit into the time differs.
fn without_the_cut(mut flaky: BTreeSet<TestId>, red: &BTreeSet<TestId>, first: &Run) -> BTreeSet<TestId> {
    let scope = |id: &TestId| first.tests.get(id).map(|result| result.scope);
    if red.iter().any(|id| scope(id) == Some(Scope::Test)) {
        flaky.retain(|id| scope(id) != Some(Scope::Suite));
    }
    flaky
}

fn by_base_or_environment(evidence: &Evidence<'_>, red: &BTreeSet<TestId>, words: &mut Vec<String>) -> Blame {
    let base_blame = evidence.base.map(|(run, name)| by_base(run, name, evidence.first, red, words));
    if base_blame == Some(Blame::ThisChange) {
        return Blame::ThisChange;
    }
    if let Some(lack) = lack(evidence, red) {
        let lack = if evidence.offline { lack.offline() } else { lack };
        words.push(format!("missing here: {}", lack.what));
        return Blame::Environment { what: lack.what, hint: lack.hint };
    }
    base_blame.unwrap_or_else(|| {
        words.push("no base to compare with".into());
        Blame::Unknown
    })
}

fn by_base(base: &Run, name: &str, first: &Run, red: &BTreeSet<TestId>, words: &mut Vec<String>) -> Blame {
    if base.is_green() {
        words.push(format!("green on {name}"));
        return Blame::ThisChange;
    }
    if matches!(base.end, End::Cancelled | End::NotFound | End::NotStarted) || !base.contradictions.is_empty() {
        words.push(format!("{name} could not be run"));
        return Blame::Unknown;
    }
    if base.end == End::TimedOut {
        words.push(format!("timed out on {name}"));
        return if first.end == End::TimedOut { Blame::BrokenOnBase } else { Blame::Unknown };
    }
    let states: Vec<Standing> = red.iter().map(|id| standing(base, first, id)).collect();
    let count = |state: Standing| states.iter().filter(|s| **s == state).count();
    let (was_red, green, absent, hidden) =
        (count(Standing::Red), count(Standing::Green), count(Standing::Absent), count(Standing::Hidden));
    if states.is_empty() {
        // red without a red test: only the exit code says so
        words.push(format!("red on {name} too"));
        Blame::BrokenOnBase
    } else if was_red == states.len() {
        words.push(format!("red on {name} too"));
        Blame::BrokenOnBase
    } else if green + absent > 0 {
        let of = states.len();
        words.push(match (was_red + hidden, absent) {
            (0, 0) => format!("green on {name}"),
            (0, _) => format!("{green} of {of} green on {name}, {absent} not there yet"),
            (before, _) => format!("{before} of {of} red on {name} too"),
        });
        Blame::ThisChange
    } else {
        words.push(format!("can't be told on {name}: it does not build there"));
        Blame::Unknown
    }
}

fn is_red_again(run: &Run, first: &Run, red: &BTreeSet<TestId>) -> bool {
    if red.is_empty() { !run.is_green() } else { red.iter().all(|id| standing(run, first, id) != Standing::Green) }
}

/// What the machine lacks: only when every red result says so.
fn lack(evidence: &Evidence<'_>, red: &BTreeSet<TestId>) -> Option<Lack> {
    if let Some(lack) = environment::lack_by_end(evidence.first.end, evidence.suite) {
        // results that came before the end are real: a test that failed by itself is not the machine's fault
        let ordinary = red.iter().filter_map(|id| evidence.first.tests.get(id)).any(|r| r.scope == Scope::Test);
        return (!ordinary).then_some(lack);
    }
    let mut found: Option<Lack> = None;
    for id in red {
        let result = evidence.first.tests.get(id)?;
        let own = result.message.as_deref().unwrap_or("").trim();
        let words = match result.scope {
            Scope::Suite => format!("{own}\n{}", evidence.excerpt),
            Scope::File | Scope::Test if own.is_empty() => return None,
            Scope::File | Scope::Test => own.to_owned(),
        };
        let lack = environment::lack(&text::plain(&words), evidence.suite, &evidence.project)?;
        found.get_or_insert(lack);
    }
    match found {
        None if red.is_empty() => environment::lack(evidence.excerpt, evidence.suite, &evidence.project),
        found => found,
    }
}

#[cfg(test)]
#[path = "tests/blame.rs"]
mod tests;
