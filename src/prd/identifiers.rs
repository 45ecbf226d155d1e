//! Ids of requirements and the like: `REQ-12`, `FR-SEC-3`, `FR-1.2`, `REQ_001a`, `US7`: where they are defined and where they are used.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::prd::document::{Document, Kind};
use crate::prd::parts::Part;
use crate::prd::sentences::pattern;

/// A place where an id gets its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The id.
    pub id: String,
    /// Its place.
    pub range: Range<usize>,
    /// The block that it begins.
    pub block: Option<usize>,
    /// The table in whose first column it stands.
    pub table: Option<usize>,
    /// Names what is defined elsewhere, as entries and rows below *Acceptance criteria* do; defines it only when no id with
    /// these letters is defined anywhere else.
    pub weak: bool,
}

static ID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b[A-Z][A-Z0-9]{0,9}(?:[-_][A-Z][A-Z0-9]{0,9})*[-_]\d{1,5}(?:\.\d{1,3}){0,3}[a-z]?\b|\b(?:REQ|FR|NFR|US|UC|AC|R)\d{1,4}(?:\.\d{1,3}){0,3}[a-z]?\b",
    )
});
/// What follows an id that is defined here: a delimiter, or the beginning of a sentence; ids or a name in brackets may stand
/// between them, and the end of the code that the id is written as.
static FOLLOWS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^`*(?:\s*\([^()\n]{1,80}\))?(?:\s*(?:[:)\]—–|-]|\.(?:[^.]|$))|\s*$|\s+(?:[A-Z_]|the\b|an?\b|given\b|when\b|while\b|where\b|if\b|users?\b))",
    )
});
/// What follows the id of a criterion that says what it is for: `AC-3 verifies REQ-1`.
static CRITERION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^`*(?:\s*\([^()\n]{1,80}\))?\s+(?:verifies|checks|shows|proves|tests|covers|ensures|confirms|demonstrates|validates)\b",
    )
});
/// From one id to another: `REQ-3..REQ-13`, `REQ-3 to REQ-13`, `REQ-3–13`, `FR-1.1 to FR-1.4`.
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?P<letters>[A-Z][A-Z0-9]{0,9}(?:[-_][A-Z][A-Z0-9]{0,9})*[-_](?:\d{1,5}\.){0,3})(?P<from>\d{1,5})(?:(?:\.{2,3}|…|–)(?P<to>\d{1,5})|\s*(?:\.{2,3}|…|–|—|-|to|through)\s*(?P<again>[A-Z][A-Z0-9]{0,9}(?:[-_][A-Z][A-Z0-9]{0,9})*[-_](?:\d{1,5}\.){0,3})(?P<last>\d{1,5}))\b",
    )
});

/// Names of standards that look like ids.
const STANDARDS: &[&str] = &[
    "UTF", "SHA", "ISO", "RFC", "AES", "IEEE", "CVE", "CWE", "GPT", "WCAG", "TLS", "SSL", "EC", "HTTP", "UTC", "GMT",
    "ES", "IPV", "MP", "COVID", "RSA", "MD", "BCP", "NIST", "FIPS", "PCI", "EN", "DIN", "PEP", "OAUTH", "X", "USB",
    "PKCS", "ECMA", "HMAC-SHA", "ISO-IEC", "SOC", "Q", "H", "ANSI", "IEC", "BASE", "CRC", "HL", "P",
];

/// Ids of requirements by custom: used without a definition they dangle, whatever else the document defines.
const CUSTOMARY: &[&str] = &["REQ", "FR", "NFR", "US", "UC", "AC", "BR", "SR"];

/// The letters of an id: `FR-SEC` of `FR-SEC-3`, `REQ` of `REQ_001a` and of `REQ-1.2`.
pub fn prefix(id: &str) -> &str {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    id.trim_end_matches(|c: char| c.is_ascii_lowercase()).trim_end_matches(number).trim_end_matches(['-', '_'])
}

/// Is `text` an id and nothing else?
pub fn is_id(text: &str) -> bool {
    ids(text).any(|(range, _)| range == (0..text.len()))
}

/// The ids in `text`, with their places in it; names of standards are none.
pub fn ids(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    ID.find_iter(text).filter(|m| !STANDARDS.contains(&prefix(m.as_str()))).map(|m| (m.range(), m.as_str()))
}

/// All ids of ranges in `text`, their ends included.
pub fn ranges(text: &str) -> Vec<String> {
    /// A wider one is no range of requirements.
    const WIDEST: u32 = 500;
    let all = RANGE.captures_iter(text).filter_map(|hit| {
        let letters = hit.name("letters")?.as_str();
        let same = hit.name("again").is_none_or(|again| again.as_str() == letters);
        let number = |name: &str| hit.name(name).and_then(|digits| digits.as_str().parse::<u32>().ok());
        let (from, to) = (number("from")?, number("to").or_else(|| number("last"))?);
        let width = hit.name("from")?.as_str().len();
        let fits = same && from < to && to - from <= WIDEST && !STANDARDS.contains(&prefix(letters));
        fits.then(|| (from..=to).map(move |n| format!("{letters}{n:0width$}")))
    });
    all.flatten().collect()
}

/// Below these headings ids are used, not defined; ids of criteria are.
fn repeats(document: &Document<'_>, section: usize, id: &str) -> bool {
    Part::of_prefix(id) != Part::Acceptance
        && [Part::Acceptance, Part::References, Part::Open].iter().any(|part| document.is_in(section, *part))
}

/// Everything that the document defines.
pub fn definitions(document: &Document<'_>) -> Vec<Definition> {
    let mut found: Vec<Definition> = Vec::new();
    for (at, block) in document.blocks.iter().enumerate() {
        let text = document.at(&block.range);
        let Some((range, id)) = ids(text).next() else { continue };
        let is_first = text[..range.start].chars().all(|c| !c.is_alphanumeric());
        let begins_range = RANGE.find(&text[range.start..]).is_some_and(|hit| hit.start() == 0);
        let is_criterion = Part::of_prefix(id) == Part::Acceptance && document.is_in(block.section, Part::Acceptance);
        let after = &text[range.end..];
        let follows = FOLLOWS.is_match(after) || (is_criterion && CRITERION.is_match(after));
        let defines = block.kind == Kind::Heading || (follows && !begins_range);
        if is_first && defines {
            let range = block.range.start + range.start..block.range.start + range.end;
            let weak = repeats(document, block.section, id);
            found.push(Definition { id: id.to_owned(), range, block: Some(at), table: None, weak });
        }
    }
    for cell in document.cells.iter().filter(|cell| cell.column == 0 && !cell.head) {
        let text = document.source(&cell.range);
        if let Some((range, id)) = ids(text).next()
            && text[..range.start].chars().all(|c| !c.is_alphanumeric())
        {
            let range = cell.range.start + range.start..cell.range.start + range.end;
            let weak = repeats(document, cell.section, id);
            found.push(Definition { id: id.to_owned(), range, block: None, table: Some(cell.table), weak });
        }
    }
    found.sort_by_key(|definition| definition.range.start);
    found
}

/// The places where ids are used that ought to be defined in this document.
pub fn uses<'d>(document: &'d Document<'_>) -> Vec<(Range<usize>, &'d str)> {
    let families: BTreeSet<&str> =
        document.definitions.iter().map(|definition| prefix(&definition.id)).chain(CUSTOMARY.iter().copied()).collect();
    let blocks = document.blocks.iter().map(|block| (block.range.clone(), document.at(&block.range)));
    let cells = document.cells.iter().map(|cell| (cell.range.clone(), document.source(&cell.range)));
    let mut found: Vec<(Range<usize>, &str)> = blocks
        .chain(cells)
        .flat_map(|(place, text)| {
            ids(text).map(move |(range, id)| (place.start + range.start..place.start + range.end, id))
        })
        .filter(|(_, id)| families.contains(prefix(id)))
        .collect();
    found.sort_by_key(|(range, _)| range.start);
    found
}
