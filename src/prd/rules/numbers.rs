//! Numbers: two values for the same thing, a lower limit above the upper one, a limit without a unit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::Document;
use crate::prd::identifiers;
use crate::prd::parts::Part;
use crate::prd::sentences::pattern;

static QUANTITY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?P<bound>\b(?:within|at most|no more than|not more than|under|below|less than|up to|at least|no less than|more than|over|above|exactly|maximum of|minimum of|for|after|every)\s+)?(?:(?P<sign>[$€£])\s?(?P<price>\d+(?:[.,]\d+)*)|(?P<number>\b\d+(?:[.,]\d+)*)\s*(?P<unit>%|€|£|percent\b|ms\b|milliseconds?\b|s\b|secs?\b|seconds?\b|mins?\b|minutes?\b|h\b|hours?\b|days?\b|weeks?\b|kb\b|mb\b|gb\b|kib\b|mib\b|gib\b|characters?\b|users?\b|requests?\b|items?\b|files?\b|attempts?\b|rows?\b|entries\b|times\b|months?\b|years?\b|pages?\b|retry\b|retries\b|-?digits?\b|sessions?\b|dollars?\b|usd\b|euros?\b|eur\b|pounds?\b|gbp\b|cents?\b))",
    )
});
static NO_UNIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:within|in under|in less than)\s+(\d+(?:\.\d+)?)\s*(?:[,;)]|\.(?:\s|$)|$)"));
/// Two limits of one thing with the unit, if any, behind the second.
static LIMITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:at least|no less than|a minimum of|between|from)\s+(\d[\d,]*(?:\.\d+)?)\s*%?\s+(?:and|to)\s+(?:at most|no more than|a maximum of|up to)?\s*(\d[\d,]*(?:\.\d+)?)\b",
    )
});
/// Numbers without a unit and single letters tell things apart: `level 1` and `level 2`, `plan A` and `plan B`.
static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{N}_/]+"));

/// Words that say nothing about what a sentence is about.
const FILLER: &[&str] = &[
    "a",
    "the",
    "an",
    "shall",
    "must",
    "will",
    "be",
    "is",
    "are",
    "of",
    "in",
    "to",
    "for",
    "and",
    "or",
    "with",
    "within",
    "at",
    "most",
    "least",
    "no",
    "more",
    "than",
    "less",
    "up",
    "under",
    "below",
    "over",
    "above",
    "every",
    "after",
    "exactly",
    "maximum",
    "minimum",
    "it",
    "its",
    "this",
    "that",
    "each",
    "all",
    "any",
    "by",
    "on",
    "from",
    "given",
    "when",
    "then",
    "system",
    "not",
    "does",
    "do",
    "has",
    "have",
    "only",
    "product",
    "acceptance",
    "criteria",
    "criterion",
    "verified",
    "test",
];

#[derive(Debug, Clone)]
struct Quantity {
    range: Range<usize>,
    /// In the family's base unit.
    value: f64,
    family: &'static str,
    /// Upper limit (1), lower limit (-1), neither.
    side: i8,
}

#[derive(Debug, Clone)]
struct Statement {
    words: BTreeSet<String>,
    quantities: Vec<Quantity>,
    ids: BTreeSet<String>,
}

fn unit(name: &str) -> (&'static str, f64) {
    let name = name.to_lowercase();
    match name.trim_end_matches('s') {
        "%" | "percent" => ("%", 1.0),
        "m" | "millisecond" => ("time", 0.001),
        "" | "sec" | "second" => ("time", 1.0),
        "min" | "minute" => ("time", 60.0),
        "h" | "hour" => ("time", 3600.0),
        "day" => ("time", 86_400.0),
        "week" => ("time", 604_800.0),
        "kb" => ("bytes", 1e3),
        "mb" => ("bytes", 1e6),
        "gb" => ("bytes", 1e9),
        "kib" => ("bytes", 1024.0),
        "mib" => ("bytes", 1_048_576.0),
        "gib" => ("bytes", 1_073_741_824.0),
        "character" => ("characters", 1.0),
        "user" => ("users", 1.0),
        "request" => ("requests", 1.0),
        "item" | "file" | "row" | "entrie" => ("items", 1.0),
        "attempt" | "time" => ("times", 1.0),
        // of days there are more and fewer in one
        "month" => ("months", 1.0),
        "year" => ("months", 12.0),
        "page" => ("pages", 1.0),
        // the first attempt is none
        "retry" | "retrie" => ("retries", 1.0),
        "digit" | "-digit" => ("digits", 1.0),
        "session" => ("sessions", 1.0),
        "$" | "dollar" | "usd" => ("dollars", 1.0),
        "€" | "euro" | "eur" => ("euros", 1.0),
        "£" | "pound" | "gbp" => ("pounds", 1.0),
        "cent" => ("cents", 1.0),
        _ => ("other", 1.0),
    }
}

fn side(bound: &str) -> i8 {
    match bound.trim().to_lowercase().as_str() {
        "within" | "at most" | "no more than" | "not more than" | "under" | "below" | "less than" | "up to"
        | "maximum of" => 1,
        "at least" | "no less than" | "more than" | "over" | "above" | "minimum of" => -1,
        _ => 0,
    }
}

fn quantities(text: &str, offset: usize) -> Vec<Quantity> {
    let read = |hit: regex::Captures<'_>| {
        let number = hit.name("number").or_else(|| hit.name("price"))?;
        let (all, name) = (hit.get(0)?, hit.name("unit").or_else(|| hit.name("sign"))?);
        let digits = number.as_str();
        // 1,000 is a thousand, 1,5 is one and a half
        let grouped = digits.split(',').skip(1).all(|part| part.len() >= 3);
        let digits = if grouped { digits.replace(',', "") } else { digits.replace(',', ".") };
        let (family, factor) = unit(name.as_str());
        let side = hit.name("bound").map_or(0, |bound| side(bound.as_str()));
        let value = digits.parse::<f64>().ok()? * factor;
        Some(Quantity { range: offset + all.start()..offset + all.end(), value, family, side })
    };
    QUANTITY.captures_iter(text).filter_map(read).collect()
}

/// `requests`, `requested` → `request`.
fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    for end in ["ing", "ed", "es", "s"] {
        if let Some(rest) = word.strip_suffix(end)
            && rest.len() >= 3
        {
            return rest.trim_end_matches('e').to_owned();
        }
    }
    word.trim_end_matches('e').to_owned()
}

fn words(text: &str) -> BTreeSet<String> {
    let blank = QUANTITY.replace_all(text, " ");
    let all = WORD.find_iter(&blank).map(|word| word.as_str().to_lowercase());
    all.filter(|word| !FILLER.contains(&word.as_str())).map(|word| stem(&word)).collect()
}

fn statements(document: &Document<'_>) -> Vec<Statement> {
    let mut found = Vec::new();
    for block in document.blocks.iter().chain(&document.entries) {
        let goal = document.is_in(block.section, Part::Goal);
        let criterion = document.is_in(block.section, Part::Acceptance);
        if !(block.requirement || goal || criterion) {
            continue;
        }
        let own = identifiers::ids(document.at(&block.range)).map(|(_, id)| id.to_owned());
        let of_row = block.id.clone().filter(|_| block.cell.is_some());
        let ids: BTreeSet<String> = own.chain(of_row).collect();
        for sentence in &block.sentences {
            let text = document.at(sentence);
            let quantities = quantities(text, sentence.start);
            if !quantities.is_empty() {
                // inline code tells things apart: `/a` and `/b` are not the same
                let plain =
                    ids.iter().fold(document.source(sentence).to_owned(), |text, id| text.replace(id.as_str(), " "));
                found.push(Statement { words: words(&plain), quantities, ids: ids.clone() });
            }
        }
    }
    found
}

/// Do two statements with one id, and the same, speak of the same thing? They share half of the words.
fn half_alike(a: &Statement, b: &Statement) -> bool {
    let common = a.words.intersection(&b.words).count();
    let smaller = a.words.len().min(b.words.len());
    common >= 2 && 2 * common >= smaller
}

fn differ(a: f64, b: f64) -> bool {
    (a - b).abs() > 1e-9 * a.abs().max(1.0)
}

impl Statement {
    /// Limits that are the only ones of their kind in it: which of two is meant elsewhere nobody knows.
    fn single(&self) -> impl Iterator<Item = &Quantity> {
        self.quantities.iter().filter(|q| {
            self.quantities.iter().filter(|other| (other.family, other.side) == (q.family, q.side)).count() == 1
        })
    }
}

/// The first two different values of one thing: whatever comes later contradicts one of them, or none.
type Values<'s> = BTreeMap<(&'s BTreeSet<String>, &'static str, i8), Vec<&'s Quantity>>;

/// Pairs of quantities that contradict each other, the earlier one last: for each quantity the first that does.
fn pairs(statements: &[Statement]) -> Vec<(&Quantity, &Quantity)> {
    /// Statements of one id that a new one is compared with.
    const COMPARED_MOST: usize = 50;
    let mut found = Vec::new();
    let mut values: Values<'_> = BTreeMap::new();
    let mut of_id: BTreeMap<&str, Vec<&Statement>> = BTreeMap::new();
    for later in statements {
        let only_id = later.ids.first().filter(|_| later.ids.len() == 1).map(String::as_str);
        let beside: Vec<&Statement> = only_id
            .and_then(|id| of_id.get(id))
            .map(|known| known.iter().copied().filter(|earlier| half_alike(earlier, later)).collect())
            .unwrap_or_default();
        for quantity in later.single() {
            let same_kind = |q: &&Quantity| (q.family, q.side) == (quantity.family, quantity.side);
            let alike = beside.iter().filter_map(|earlier| earlier.single().find(same_kind));
            // the same words say the same, when there are enough of them
            let key = (&later.words, quantity.family, quantity.side);
            let known = if later.words.len() < 2 { None } else { Some(values.entry(key).or_default()) };
            let said = known.iter().flat_map(|known| known.iter().copied()).chain(alike);
            let other = said.filter(|q| differ(q.value, quantity.value)).min_by_key(|q| q.range.start);
            found.extend(other.map(|other| (quantity, other)));
            if let Some(known) = known
                && known.len() < 2
                && known.iter().all(|q| differ(q.value, quantity.value))
            {
                known.push(quantity);
            }
        }
        if let Some(id) = only_id {
            let known = of_id.entry(id).or_default();
            if known.len() < COMPARED_MOST {
                known.push(later);
            }
        }
    }
    found
}

/// Different values for the same thing.
pub fn contradictory(document: &Document<'_>, found: &mut Found<'_>) {
    const INSTEAD: &str = "one number, in one place; elsewhere the id of the requirement that has it";
    crossed(document, found);
    let statements = statements(document);
    for (quantity, other) in pairs(&statements) {
        let (line, _) = document.position(other.range.start);
        let there = document.source(&other.range).trim().to_owned();
        found.add(&quantity.range, format!("line {line} says “{there}” of the same thing"), INSTEAD);
    }
}

/// `at least 10 and at most 5 items`.
fn crossed(document: &Document<'_>, found: &mut Found<'_>) {
    for sentence in document.requirements().flat_map(|block| &block.sentences) {
        for hit in LIMITS.captures_iter(document.at(sentence)) {
            let number = |n: usize| hit.get(n).and_then(|m| m.as_str().replace(',', "").parse::<f64>().ok());
            let (Some(all), Some(low), Some(high)) = (hit.get(0), number(1), number(2)) else { continue };
            if low > high {
                let place = sentence.start + all.start()..sentence.start + all.end();
                found.add(&place, "the lower limit is above the upper one", "limits that leave room for a value");
            }
        }
    }
}

/// `shall respond within 5.`
pub fn missing_unit(document: &Document<'_>, found: &mut Found<'_>) {
    for sentence in document.requirements().flat_map(|block| &block.sentences) {
        for hit in NO_UNIT.captures_iter(document.at(sentence)) {
            let Some(number) = hit.get(1) else { continue };
            let place = sentence.start + number.start()..sentence.start + number.end();
            found.add(&place, format!("{} of what?", number.as_str()), "the unit");
        }
    }
}
