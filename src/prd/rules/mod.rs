//! The registry of rules. A new rule is one entry in [`RULES`] and one function, with a document that it finds fault with
//! and one that it leaves alone under `fixtures/prd/`.

mod acceptance;
mod form;
mod numbers;
mod open;
mod parts;
mod references;
mod terms;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::prd::document::Document;
use crate::prd::finding::{Dimension, Finding, Severity};
use crate::prd::sentences::pattern;

/// A rule.
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    /// How bad its findings are when it does not say otherwise.
    pub severity: Severity,
    /// What they make worse.
    pub dimension: Dimension,
    /// What it looks for, in one line.
    pub about: &'static str,
    check: fn(&Document<'_>, &mut Found<'_>),
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

const fn rule(
    id: &'static str,
    severity: Severity,
    dimension: Dimension,
    about: &'static str,
    check: fn(&Document<'_>, &mut Found<'_>),
) -> Rule {
    Rule { id, severity, dimension, about, check }
}

use Dimension::{Clarity, Completeness, Testability};
use Severity::{Error, Note, Warning};

/// Every rule.
pub const RULES: &[Rule] = &[
    rule("ears-form", Warning, Testability, "A requirement that is in none of the forms of EARS.", form::ears),
    rule("compound-requirement", Warning, Testability, "More than one requirement under one id.", form::compound),
    rule("passive-without-actor", Warning, Clarity, "`shall be done`, and nobody does it.", form::passive),
    rule("unclear-pronoun", Warning, Clarity, "A requirement whose subject is `it` or `this`.", form::pronoun),
    rule("missing-id", Warning, Completeness, "A requirement without an id where others have one.", form::missing_id),
    rule("vague-word", Warning, Clarity, "A word that every reader measures differently.", words::vague),
    rule("weak-word", Warning, Clarity, "A word that makes a requirement a wish, or leaves a way out.", words::weak),
    rule("untestable-adverb", Warning, Testability, "An adverb that no test can check.", words::adverb),
    rule(
        "missing-acceptance",
        Warning,
        Testability,
        "A requirement that nothing says how to check.",
        acceptance::missing,
    ),
    rule(
        "untraced-acceptance",
        Note,
        Testability,
        "Acceptance criteria that name no requirement.",
        acceptance::untraced,
    ),
    rule("undefined-term", Warning, Clarity, "An acronym that is explained nowhere.", terms::undefined),
    rule(
        "unlisted-term",
        Note,
        Clarity,
        "A term that is used like a name and is not in the glossary.",
        terms::unlisted,
    ),
    rule("dangling-reference", Error, Completeness, "An id, section or link that leads nowhere.", references::dangling),
    rule("duplicate-id", Error, Clarity, "An id that is defined twice.", references::duplicate),
    rule("open-marker", Error, Completeness, "Something that is still to be decided.", open::markers),
    rule("contradictory-numbers", Error, Clarity, "Two numbers for the same thing.", numbers::contradictory),
    rule("missing-unit", Warning, Testability, "A limit without a unit.", numbers::missing_unit),
    rule("missing-section", Warning, Completeness, "A part that every PRD needs.", parts::missing),
    rule("empty-section", Warning, Completeness, "A heading with nothing below it.", parts::empty),
];

/// Where rules put their findings.
pub struct Found<'a> {
    document: &'a Document<'a>,
    exists: &'a dyn Fn(&str) -> bool,
    rule: &'static Rule,
    findings: Vec<(usize, Finding)>,
}

impl Found<'_> {
    /// A finding at `range` with the rule's own severity.
    fn add(&mut self, range: &Range<usize>, message: impl Into<String>, suggestion: impl Into<String>) {
        self.add_as(self.rule.severity, range, message, suggestion);
    }

    fn add_as(
        &mut self,
        severity: Severity,
        range: &Range<usize>,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        /// Evidence is read by people.
        const QUOTE_MOST_CHARS: usize = 120;
        let document = self.document;
        let (line, column) = document.position(range.start);
        let (end_line, end_column) = document.position(range.end);
        let section = document.section_at(range.start);
        let quote = document.source(range).split_whitespace().collect::<Vec<_>>().join(" ");
        let finding = Finding {
            rule: self.rule.id.to_owned(),
            severity,
            dimension: self.rule.dimension,
            line,
            column,
            end_line,
            end_column,
            section: document.sections[section].title.clone(),
            section_index: section,
            quote: quote.chars().take(QUOTE_MOST_CHARS).collect(),
            message: message.into(),
            suggestion: suggestion.into(),
        };
        self.findings.push((range.start, finding));
    }
}

static SWITCH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"<!--\s*kaizen-ci\s+(?P<to>off|on):?\s+(?P<rules>[a-z, -]+?)\s*-->"));

/// What comments in the document switch off and on again: from where on, which rule, whether it is on.
fn switches<'d>(document: &'d Document<'_>) -> Vec<(usize, &'d str, bool)> {
    let of = |range: &Range<usize>| {
        let start = range.start;
        let hits = SWITCH.captures_iter(document.source(range)).filter_map(move |hit| {
            let (whole, to, rules) = (hit.get(0)?, hit.name("to")?.as_str(), hit.name("rules")?.as_str());
            Some((start + whole.start(), to == "on", rules))
        });
        hits.collect::<Vec<_>>()
    };
    let all = document.comments.iter().flat_map(of);
    all.flat_map(|(at, on, rules)| {
        let names = rules.split([',', ' ']).filter(|name| !name.is_empty());
        names.map(move |name| (at, name, on)).collect::<Vec<_>>()
    })
    .collect()
}

/// At most so many findings of one rule are told; how many more there are says one more.
pub const TOLD_MOST: usize = 1000;

/// The first [`TOLD_MOST`] findings of each rule, and one that says how many more there are.
pub fn told(findings: Vec<Finding>) -> Vec<Finding> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Finding> = Vec::new();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        let n = count.entry(finding.rule.clone()).or_default();
        *n += 1;
        if *n == TOLD_MOST + 1 {
            last.insert(finding.rule.clone(), kept.len());
        }
        if *n <= TOLD_MOST + 1 {
            kept.push(finding);
        }
    }
    for (rule, at) in last {
        let more = count[&rule] - TOLD_MOST;
        kept[at].message = format!("{more} more of this rule, from here on: {}", kept[at].message);
    }
    kept
}

/// All findings in the order of the text, each once.
pub fn check(document: &Document<'_>, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut all = Vec::new();
    for rule in RULES {
        let mut found = Found { document, exists, rule, findings: Vec::new() };
        (rule.check)(document, &mut found);
        all.append(&mut found.findings);
    }
    all.sort_by(|(a, x), (b, y)| (a, &x.rule, x.end_line, x.end_column).cmp(&(b, &y.rule, y.end_line, y.end_column)));
    all.dedup_by(|(_, a), (_, b)| a == b);
    let switches = switches(document);
    all.retain(|(at, finding)| {
        let last = switches.iter().rfind(|(from, rule, _)| from <= at && *rule == finding.rule);
        last.is_none_or(|(_, _, on)| *on)
    });
    all.into_iter().map(|(_, finding)| finding).collect()
}
