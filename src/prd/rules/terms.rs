//! Terms: acronyms that are explained nowhere, and names that the glossary does not list.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::{Document, Kind};
use crate::prd::identifiers;
use crate::prd::parts::Part;
use crate::prd::sentences::pattern;

static ACRONYM: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Z][A-Z0-9]*[A-Z][A-Z0-9]*s?\b"));
static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,}){1,3}\b"));

/// Known to every reader of a PRD, and words that are written large.
const KNOWN: &[&str] = &[
    "API", "APIS", "UI", "UX", "URL", "URI", "HTTP", "HTTPS", "HTML", "CSS", "JSON", "XML", "YAML", "CSV", "PDF",
    "SQL", "PNG", "JPEG", "JPG", "SVG", "GIF", "UTF", "ASCII", "CPU", "GPU", "RAM", "SSD", "USB", "IP", "TCP", "UDP",
    "DNS", "TLS", "SSL", "SSH", "VPN", "SMS", "PIN", "QR", "ID", "IDS", "OS", "IOS", "PC", "TV", "USA", "US", "UK",
    "EU", "UTC", "GMT", "AM", "PM", "FAQ", "CEO", "CTO", "PRD", "MVP", "KPI", "OK", "VS", "AND", "OR", "NOT", "IF",
    "THEN", "SHALL", "MUST", "SHOULD", "MAY", "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "REST", "ISO", "RFC",
    "IEEE", "W3C", "UUID", "SHA", "MD5", "AES", "RSA", "GB", "MB", "KB", "TB", "GIB", "MIB", "KIB", "USD", "EUR",
    "GBP", "CI", "CD", "CLI", "GUI", "SDK", "IDE", "TBD", "TBC", "TBA", "TODO", "NASA", "GDPR", "EARS", "WHEN",
    "WHILE", "WHERE", "NO", "YES", "NULL", "TRUE", "FALSE", "A", "I", "AC", "REQ", "FR", "NFR", "UC", "GIVEN",
    "README", "XXX", "ALL", "ANY", "ONLY", "NEVER", "OTP", "RGB", "ZIP", "LAN", "WIFI", "NFC", "GPS", "ETA",
];

/// Acronyms with the place where each is used first; inline code and ids are none.
fn acronyms<'d>(document: &'d Document<'_>) -> BTreeMap<&'d str, Range<usize>> {
    let mut found = BTreeMap::new();
    let stated = document.entries.iter().filter(|entry| entry.requirement);
    for block in document.blocks.iter().chain(stated) {
        let text = document.at(&block.range);
        let shouting = text.chars().filter(|c| c.is_alphabetic()).all(char::is_uppercase);
        if shouting || document.is_in(block.section, Part::References) {
            continue;
        }
        let ids: Vec<Range<usize>> = identifiers::ids(text).map(|(range, _)| range).collect();
        for hit in ACRONYM.find_iter(text) {
            let word = hit.as_str().trim_end_matches('s');
            let part_of_more = text[hit.end()..].starts_with(['-', '_', '/'])
                && text[hit.end() + 1..].starts_with(|c: char| c.is_ascii_digit());
            let in_id = ids.iter().any(|id| id.contains(&hit.start()));
            let is_prefix =
                document.definitions.iter().any(|d| identifiers::prefix(&d.id).split('-').any(|p| p == word));
            if word.len() < 2 || part_of_more || in_id || is_prefix || KNOWN.contains(&word) {
                continue;
            }
            found.entry(word).or_insert(block.range.start + hit.start()..block.range.start + hit.start() + word.len());
        }
    }
    found
}

/// `Single Sign-On (SSO)`, `SSO (single sign-on)`, `SSO: …`, `SSO means …`, or a row or entry of the glossary.
fn is_explained(document: &Document<'_>, word: &str) -> bool {
    let escaped = regex::escape(word);
    let Ok(explained) = Regex::new(&format!(
        r"(?i:[a-z][\w’'-]+)[\s)*_]+\(\W{{0,3}}{escaped}s?\W{{0,3}}[),;]|\b{escaped}\b\W{{0,3}}\s*\((?:[^()]*[a-z]){{3}}[^()]*\)|\b{escaped}\b\W{{0,4}}\s(?:means|is short for|stands for|refers to)\b"
    )) else {
        return true;
    };
    if explained.is_match(document.text) {
        return true;
    }
    let begins = |text: &str| text.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with(word);
    let listed = document.blocks.iter().any(|block| {
        block.kind != Kind::Heading
            && document.is_in(block.section, Part::Glossary)
            && begins(document.at(&block.range))
    });
    let row = document.cells.iter().any(|cell| {
        cell.column == 0 && document.is_in(cell.section, Part::Glossary) && document.source(&cell.range).contains(word)
    });
    let entry = document.blocks.iter().any(|block| {
        let text = document.at(&block.range).trim_start();
        block.kind == Kind::Item
            && text.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with([':', '—', '–', '-', '=']))
    });
    listed || row || entry
}

/// Acronyms without an explanation.
pub fn undefined(document: &Document<'_>, found: &mut Found<'_>) {
    for (word, place) in acronyms(document) {
        if !is_explained(document, word) {
            let suggestion =
                format!("what it is short for, where it is used first: `… ({word})`, or an entry in a glossary");
            found.add(&place, format!("“{word}” is explained nowhere"), suggestion);
        }
    }
}

/// Names of two or more large words that requirements use twice or more and the glossary does not have.
pub fn unlisted(document: &Document<'_>, found: &mut Found<'_>) {
    let glossary: String = document
        .blocks
        .iter()
        .filter(|block| document.is_in(block.section, Part::Glossary))
        .map(|block| document.at(&block.range))
        .chain(
            document
                .cells
                .iter()
                .filter(|cell| document.is_in(cell.section, Part::Glossary))
                .map(|cell| document.source(&cell.range)),
        )
        .flat_map(|text| [text, "\n"])
        .collect::<String>()
        .to_lowercase();
    if glossary.trim().is_empty() {
        return;
    }
    let mut used: BTreeMap<&str, Vec<Range<usize>>> = BTreeMap::new();
    for sentence in document.requirements().flat_map(|block| &block.sentences) {
        let text = document.at(sentence);
        for hit in NAME.find_iter(text).filter(|hit| hit.start() > 0) {
            used.entry(hit.as_str()).or_default().push(sentence.start + hit.start()..sentence.start + hit.end());
        }
    }
    let product: BTreeSet<String> = document.sections.iter().map(|section| section.title.to_lowercase()).collect();
    for (name, places) in used {
        let lower = name.to_lowercase();
        if places.len() > 1 && !glossary.contains(&lower) && !product.iter().any(|title| title.contains(&lower)) {
            found.add(
                &places[0],
                format!("“{name}” is used like a name and is not in the glossary"),
                "an entry in the glossary, or small letters",
            );
        }
    }
}
