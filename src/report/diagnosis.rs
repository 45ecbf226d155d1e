//! The likely diagnosis in plain words, what to try next and how to reproduce: rules over what the tests said.

use std::sync::LazyLock;

use regex::Regex;

use super::document::{DisagreementInfo, Document, FailureInfo, Miss, Outcome};
use super::escape::{one_line, shell};
use super::numbers::{count, seconds};

/// What the rules found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Likely reasons, the most telling first.
    pub likely: Vec<String>,
    /// What to try next.
    pub next: Vec<String>,
    /// Commands that reproduce the failure.
    pub reproduce: Vec<String>,
}

/// Remarks are short: the rest is in the excerpt.
const MOST_LIKELY: usize = 5;

/// The diagnosis of a run.
pub fn of(document: &Document) -> Diagnosis {
    let mut out = Diagnosis::default();
    if let Some(blame) = document.blame.as_ref().filter(|blame| blame.kind == "environment") {
        out.likely.extend(blame.what.clone());
        out.next.extend(blame.hint.clone());
    }
    if let Some(failure) = &document.failure {
        for (test, said) in said(failure) {
            for (likely, next) in rules(&said) {
                let likely = if test.is_empty() { likely } else { format!("{}: {likely}", one_line(&test, 80)) };
                push_new(&mut out.likely, likely);
                push_new(&mut out.next, next);
            }
            if out.likely.len() >= MOST_LIKELY {
                break;
            }
        }
    }
    out.likely.truncate(MOST_LIKELY);
    next_steps(document, &mut out.next);
    out.reproduce = reproduce(document);
    out
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !item.is_empty() && !list.contains(&item) {
        list.push(item);
    }
}

/// What each red test said; the excerpt when no test said anything.
fn said(failure: &FailureInfo) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        failure.messages.iter().map(|(test, message)| (test.clone(), super::escape::harmless(message))).collect();
    if all.iter().all(|(_, message)| rules(message).is_empty()) {
        all.push((String::new(), super::escape::harmless(&failure.excerpt)));
    }
    all
}

/// A rule: what to look for, and what to make of the groups found. `$1`, `$2` stand for groups.
struct Rule {
    find: Regex,
    likely: &'static str,
    next: &'static str,
}

/// Patterns are tried in order; the first that fits a message of each kind is told.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let table: &[(&str, &str, &str)] = &[
        (
            r"No module named '?([\w.]+)'?",
            "the module `$1` can't be imported",
            "install `$1`, or correct the import if the module was renamed or moved",
        ),
        (
            r"Cannot find module '([^'\n]+)'",
            "the module `$1` can't be found",
            "install it, or correct the path in `require`/`import`",
        ),
        (
            r"cannot import name '(\w+)' from '?([\w.]+)'?",
            "`$2` has no `$1` (any more)",
            "look for where `$1` went: renamed, moved or deleted",
        ),
        (
            r"error\[(E\d{4})\]: ([^\n]+)",
            "it does not compile: $2 ($1)",
            "`rustc --explain $1` explains the error; the first one often causes the rest",
        ),
        (r"error (TS\d+): ([^\n]+)", "it does not compile: $2 ($1)", "correct the types that this error names first"),
        (
            r"(?:SyntaxError|IndentationError): ([^\n]+)",
            "the source does not parse: $1",
            "open the place that the message names; an unfinished merge or edit is the usual reason",
        ),
        (
            r"NameError: name '(\w+)' is not defined",
            "the name `$1` is not defined",
            "look for a typing error or a missing import of `$1`",
        ),
        (
            r"ReferenceError: (\S+) is not defined",
            "the name `$1` is not defined",
            "look for a typing error or a missing import of `$1`",
        ),
        (
            r"AttributeError: (?:module )?'([\w.]+)'(?: object)? has no attribute '(\w+)'",
            "`$1` has no attribute `$2`",
            "look for a renamed attribute, or for a value of another type than expected",
        ),
        (
            r"Cannot read propert(?:y|ies) of (undefined|null) \(reading '([^'\n]+)'\)",
            "something is $1 where `.$2` is read",
            "follow the value back to where it becomes $1",
        ),
        (r"KeyError: ([^\n]+)", "the key $1 is missing", "look for a renamed key, or a place that no longer fills it"),
        (
            r"(?:IndexError|index out of (?:bounds|range))[: ]*([^\n]*)",
            "an index is out of range $1",
            "look for an off-by-one in the suspects",
        ),
        (
            r"ZeroDivisionError|divide by zero|division by zero",
            "something is divided by zero",
            "look for an empty list or a zero that used to be excluded",
        ),
        (
            r"RecursionError|Maximum call stack|stack overflow",
            "a recursion does not end",
            "look at the base case of the recursion among the suspects",
        ),
        (
            r"NullPointerException[: ]*([^\n]*)",
            "something is null $1",
            "follow the value back to where it becomes null",
        ),
        (
            r"(TypeError): ([^\n]+)",
            "a value of the wrong type or a wrong call: $2",
            "compare the call with the function's parameters",
        ),
        (
            r"(?i)\b(timed? ?out|timeout)\b",
            "something took too long or never ends",
            "look for an endless loop or a wait that nobody ends; `run_time_limit` raises the limit",
        ),
        (
            r"(?i)connection refused|ECONNREFUSED|Name or service not known|ENOTFOUND",
            "the test needs a service or network that is not there",
            "start the service, or keep the network out of the test",
        ),
    ];
    // A pattern of this table that does not compile would fail `every_rule_has_an_example`.
    let rule = |(find, likely, next): &(&str, &'static str, &'static str)| {
        Regex::new(find).ok().map(|find| Rule { find, likely, next })
    };
    table.iter().filter_map(rule).collect()
});

/// Expected and actual, as the test libraries print them.
static COMPARISONS: LazyLock<Vec<(Regex, bool)>> = LazyLock::new(|| {
    // `true`: the first group is what was expected.
    let table = [
        (r"(?m)^E\s+assert (.{1,120}?) == (.{1,120})$", false),
        (r"AssertionError: (.{1,120}?) != (.{1,120})", false),
        (r"(?s)Expected:? ([^\n]{1,120})\n\s*Received:? ([^\n]{1,120})", true),
        (r"expected:? <([^>\n]{0,120})> but was:? <([^>\n]{0,120})>", true),
        (r"(?s)left: ([^\n]{1,120})\n\s*right: ([^\n]{1,120})", false),
        (r"(?i)got:? ([^\n,;]{1,80})[,;] ?(?:want|expected):? ([^\n,;]{1,80})", false),
        (r"(?i)(?:want|expected):? ([^\n,;]{1,80})[,;] ?(?:got|actual):? ([^\n,;]{1,80})", true),
        (r"(?s)expected: ([^\n]{1,120})\n\s*got: ([^\n]{1,120})", true),
        (r"expected (\S{1,80}) to (?:equal|be|deeply equal) (\S{1,80})", false),
        (r"(?m)^\s*(\S{1,80}) !== (\S{1,80})$", false),
    ];
    table.iter().filter_map(|(find, first)| Regex::new(find).ok().map(|find| (find, *first))).collect()
});

/// What is likely by what a test said, and what to try next; the most telling first.
pub fn rules(said: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (find, expected_first) in COMPARISONS.iter() {
        let Some(found) = find.captures(said) else { continue };
        let (Some(a), Some(b)) = (found.get(1), found.get(2)) else { continue };
        let (a, b) = (one_line(a.as_str(), 80), one_line(b.as_str(), 80));
        let (expected, actual) = if *expected_first { (a, b) } else { (b, a) };
        out.push((format!("expected {expected}, got {actual}{}", difference(&expected, &actual)), String::new()));
        break;
    }
    for rule in RULES.iter() {
        if let Some(found) = rule.find.captures(said) {
            let fill = |words: &str| {
                let text = found.iter().enumerate().skip(1).fold(words.to_owned(), |text, (i, group)| {
                    text.replace(&format!("${i}"), &one_line(group.map_or("", |g| g.as_str()), 120))
                });
                text.trim_end().to_owned()
            };
            out.push((fill(rule.likely), fill(rule.next)));
            break;
        }
    }
    out
}

/// What is telling about two numbers or two texts.
fn difference(expected: &str, actual: &str) -> String {
    if let (Ok(a), Ok(b)) = (expected.parse::<f64>(), actual.parse::<f64>()) {
        let apart = (a - b).abs();
        return match () {
            () if apart == 1.0 => " (one apart: an off-by-one?)".into(),
            () if a == -b && a != 0.0 => " (the sign is turned round)".into(),
            () if apart > 0.0 && apart < 0.011 * a.abs().max(1.0) => " (nearly equal: rounding, or its order?)".into(),
            () => String::new(),
        };
    }
    let bare = |text: &str| text.trim_matches(['\'', '"']).to_lowercase();
    match (bare(expected), bare(actual)) {
        (a, b) if a == b => " (only upper and lower case or quotes differ)".into(),
        (a, b) if a.split_whitespace().eq(b.split_whitespace()) => " (only white space differs)".into(),
        (a, b) if [&a[..], &b].iter().all(|t| ["true", "false"].contains(t)) => {
            " (a condition is turned round?)".into()
        }
        (_, b) if ["none", "null", "undefined"].contains(&b.as_str()) => " (a `return` is missing?)".into(),
        _ => String::new(),
    }
}

fn next_steps(document: &Document, next: &mut Vec<String>) {
    if matches!(document.outcome, Outcome::Healed | Outcome::AlreadyGreen | Outcome::HealedNotApplied) {
        next.clear();
    }
    match document.outcome {
        Outcome::Flaky => {
            push_new(next, "make the test independent of time, order, randomness and other tests".into());
            push_new(next, "`kaizen-ci heal --force` treats it as a failure all the same".into());
        }
        Outcome::Escalated | Outcome::BrokenOnBase => {
            if let Some((fixer, miss)) = closest(document) {
                let red = miss.still_red.len();
                push_new(next, format!("start from {fixer}'s closest miss: it leaves {} red", count(red, "test")));
            }
            if let Some(culprit) = &document.culprit {
                push_new(next, format!("read the culprit: git show {}", shell(&culprit.commit)));
            }
            for revert in document.reverts.iter().filter(|revert| revert.revert.is_none()) {
                let commit: String = revert.commit.chars().take(7).collect();
                push_new(next, format!("revert {commit} by hand; in conflict: {}", revert.conflicts.join(", ")));
            }
            if let Some(suspect) = document.failure.as_ref().and_then(|failure| failure.suspects.first()) {
                push_new(next, format!("look at {}:{} first ({})", suspect.file, suspect.line, suspect.reason));
            }
        }
        Outcome::LeftAlone => push_new(next, "`kaizen-ci heal --force` tries again now".into()),
        Outcome::Unfinished => push_new(next, "`kaizen-ci heal` starts again; what was left behind is removed".into()),
        Outcome::Ambiguous if is_doubtful(document) => {
            push_new(next, "read the patch and the tests that it is for: one of them may be wrong".into());
        }
        Outcome::Ambiguous => push_new(next, "choose one of the patches, or write a test that tells them apart".into()),
        Outcome::AlreadyGreen
        | Outcome::Healed
        | Outcome::HealedNotApplied
        | Outcome::Environment
        | Outcome::Interrupted
        | Outcome::Error => {}
    }
}

/// The closest miss of all fixers: fewest tests red, then the smallest diff.
pub fn closest(document: &Document) -> Option<(&str, &Miss)> {
    let all = document.fixers.iter().flat_map(|fixer| fixer.closest.iter().map(|miss| (fixer.fixer.as_str(), miss)));
    all.min_by_key(|(_, miss)| (miss.still_red.len(), miss.diff.len()))
}

fn reproduce(document: &Document) -> Vec<String> {
    let (Some(suite), true) = (&document.suite, document.failure.is_some()) else { return Vec::new() };
    let mut out = vec![format!("cd {}", shell(&document.repository)), suite.command.clone()];
    let name = shell(&suite.name);
    out.push(format!("kaizen-ci heal --suite {name} --seed {} --force --dry-run", document.seed));
    out
}

/// The answer, in one sentence.
pub fn headline(document: &Document) -> String {
    let time = seconds(document.duration_ms);
    let red = document.failure.as_ref().map_or(0, |failure| failure.red.len());
    match document.outcome {
        Outcome::AlreadyGreen => match document.suite_runs.first() {
            Some(run) if run.passed > 0 => format!("green already: {} passed in {time}", count(run.passed, "test")),
            _ => format!("green already, in {time}"),
        },
        Outcome::Healed | Outcome::HealedNotApplied | Outcome::Ambiguous => healed(document),
        // verified, while nobody has said yet whether to apply it
        Outcome::Unfinished if document.heal.is_some() => healed(document),
        Outcome::Flaky => {
            let flaky = document.blame.as_ref().map_or(0, |blame| blame.tests.len());
            format!("flaky: {} passed when run again. Nothing was changed.", count(flaky, "red test"))
        }
        Outcome::BrokenOnBase => {
            format!(
                "not healed, and red on the base branch too: {} red. Nothing in your tree was changed.",
                count(red, "test")
            )
        }
        Outcome::Environment => {
            let what = document.blame.as_ref().and_then(|blame| blame.what.clone());
            format!(
                "the suite can't run here: {}",
                one_line(&what.unwrap_or_else(|| "something is missing".into()), 200)
            )
        }
        Outcome::Escalated => {
            let attempts = count(document.attempts.len(), "attempt");
            let tiers = count(document.tiers.iter().filter(|tier| tier.tier < 3).count(), "tier");
            format!("not healed: {attempts}, {tiers}, {time}. Nothing in your tree was changed.")
        }
        Outcome::LeftAlone => "left alone: this failure did not heal a short time ago. Nothing was changed.".into(),
        Outcome::Interrupted => format!("interrupted after {time}; cleaned up, nothing in your tree was changed."),
        Outcome::Error => "ended by an error; nothing in your tree was changed.".into(),
        Outcome::Unfinished => format!("no end was recorded: still going on, or killed after {time}."),
    }
}

/// The patch is doubtful without rivals.
fn is_doubtful(document: &Document) -> bool {
    let disagreement = document.heal.as_ref().and_then(|heal| heal.disagreement.as_ref());
    disagreement.is_some_and(DisagreementInfo::is_doubt)
}

fn healed(document: &Document) -> String {
    let Some(heal) = &document.heal else { return "healed".into() };
    let time = seconds(heal.after_ms);
    let by = format!("healed by {}, tier {}, in {time}", one_line(&heal.fixer, 40), heal.tier);
    match document.outcome {
        Outcome::Ambiguous if is_doubtful(document) => format!("{by}, but doubtfully: a person has to look"),
        Outcome::Ambiguous => format!("{by}, but green rivals behave differently: a person has to choose"),
        Outcome::HealedNotApplied => format!("{by}; not applied"),
        _ => by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_an_example_that_it_recognises() {
        let table = [
            ("ModuleNotFoundError: No module named 'requests'", "the module `requests` can't be imported"),
            ("Error: Cannot find module './cart'", "the module `./cart` can't be found"),
            ("ImportError: cannot import name 'total' from 'shop.cart'", "`shop.cart` has no `total` (any more)"),
            ("error[E0308]: mismatched types", "it does not compile: mismatched types (E0308)"),
            ("src/a.ts(3,4): error TS2339: Property 'x' does not exist", "Property 'x' does not exist (TS2339)"),
            ("SyntaxError: invalid syntax", "does not parse: invalid syntax"),
            ("NameError: name 'totl' is not defined", "the name `totl` is not defined"),
            ("ReferenceError: totl is not defined", "the name `totl` is not defined"),
            ("AttributeError: 'Cart' object has no attribute 'totl'", "`Cart` has no attribute `totl`"),
            (
                "TypeError: Cannot read properties of undefined (reading 'id')",
                "something is undefined where `.id` is read",
            ),
            ("KeyError: 'price'", "the key 'price' is missing"),
            ("IndexError: list index out of range", "an index is out of range list index out of range"),
            ("ZeroDivisionError: division by zero", "divided by zero"),
            ("RecursionError: maximum recursion depth exceeded", "a recursion does not end"),
            ("java.lang.NullPointerException: x", "something is null x"),
            ("TypeError: total() takes 1 positional argument but 2 were given", "a wrong call: total() takes 1"),
            ("Test timed out after 5 s", "never ends"),
            ("connect ECONNREFUSED 127.0.0.1:5432", "a service or network"),
        ];
        assert_eq!(table.len(), RULES.len(), "one example per rule, and every pattern compiles");
        for (said, words) in table {
            let found = rules(said);
            assert!(found.iter().any(|(likely, _)| likely.contains(words)), "{said}\n{found:?}");
        }
    }

    #[test]
    fn expected_and_actual_are_read_from_every_test_library() {
        let table = [
            ("E       assert 10.03 == 10.02", "expected 10.02, got 10.03 (nearly equal: rounding, or its order?)"),
            ("AssertionError: 5 != 6", "expected 6, got 5 (one apart: an off-by-one?)"),
            ("    Expected: 3\n    Received: -3", "expected 3, got -3 (the sign is turned round)"),
            ("expected: <true> but was: <false>", "expected true, got false (a condition is turned round?)"),
            (
                "  left: \"Ab\"\n right: \"ab\"",
                "expected \"ab\", got \"Ab\" (only upper and lower case or quotes differ)",
            ),
            ("got 7, want 9", "expected 9, got 7"),
            ("expected 7, got 9", "expected 7, got 9"),
            ("expected: 4\n     got: nil", "expected 4, got nil"),
            ("AssertionError: expected 5 to equal 7", "expected 7, got 5"),
            (
                "Expected values to be strictly equal:\n\nundefined !== 7\n",
                "expected 7, got undefined (a `return` is missing?)",
            ),
        ];
        assert_eq!(table.len(), COMPARISONS.len());
        for (said, words) in table {
            assert_eq!(rules(said).first().map(|(likely, _)| likely.as_str()), Some(words), "{said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_message_makes_the_rules_panic(said in "\\PC{0,200}") {
            let _ = rules(&said);
        }
    }
}
