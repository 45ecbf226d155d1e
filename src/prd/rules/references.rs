//! References: ids, links and sections that lead somewhere; ids that are defined once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::{Document, Kind};
use crate::prd::identifiers;
use crate::prd::sentences::pattern;

static SECTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:section|chapter|§)\s*(\d+(?:\.\d+)*)\b"));
static UNRESOLVED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[[^\[\]\n]{1,80}\]\[[^\[\]\n]{0,60}\]"));
static FOREIGN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*(?:,\s*)?(?:of|in) (?:RFC|ISO|the (?:GDPR|RFC|standard|specification|contract|law)|[A-Z]{2,})")
});
/// The document that a section is of, named in front of it: `RFC 7231 section 5.1`.
static FOREIGN_BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:RFC|ISO|IEC|IEEE|W3C|ECMA|WCAG|PCI|GDPR|NIST|BCP|DIN|EN|OWASP|[Ss]tandard|[Ss]pecification)\b[^.;!?\n]{0,30}$",
    )
});

/// References that lead nowhere.
pub fn dangling(document: &Document<'_>, found: &mut Found<'_>) {
    dangling_ids(document, found);
    dangling_links(document, found);
    dangling_sections(document, found);
}

fn dangling_ids(document: &Document<'_>, found: &mut Found<'_>) {
    let defined = document.defined();
    for (range, id) in identifiers::uses(document) {
        if !defined.contains(id) {
            let near = identifiers::prefix(id);
            let known: Vec<&str> = defined.iter().copied().filter(|d| identifiers::prefix(d) == near).collect();
            let list = if known.is_empty() {
                "none".to_owned()
            } else {
                known.iter().take(8).copied().collect::<Vec<_>>().join(", ")
            };
            found.add(
                &range,
                format!("`{id}` is defined nowhere"),
                format!("an id that exists (with these letters: {list}), or the definition of `{id}`"),
            );
        }
    }
}

/// The anchor that GitHub makes of a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(document: &Document<'_>) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for block in document.blocks.iter().filter(|block| block.kind == Kind::Heading) {
        let source = document.source(&block.range).replace(['`', '*'], "");
        let anchor = anchor(source.trim());
        let count = seen.entry(anchor.clone()).and_modify(|n| *n += 1).or_insert(0);
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
    }
    let named = document.text.split(['<']).filter_map(|tag| {
        let at = tag.find("id=\"").map(|at| at + 4).or_else(|| tag.find("name=\"").map(|at| at + 6))?;
        tag[at..].split('"').next().map(str::to_lowercase)
    });
    all.extend(named);
    all
}

fn dangling_links(document: &Document<'_>, found: &mut Found<'_>) {
    let anchors = anchors(document);
    for link in &document.links {
        let message = if let Some(to) = link.to.strip_prefix('#') {
            if to.is_empty() || anchors.contains(&to.to_lowercase()) {
                continue;
            }
            format!("no heading has the anchor `#{to}`")
        } else if link.to.trim().is_empty() {
            "a link without an address".to_owned()
        } else if link.to.contains(':') || link.to.starts_with("//") {
            continue;
        } else {
            let path = link.to.split(['#', '?']).next().unwrap_or_default();
            if path.is_empty() || (found.exists)(path) {
                continue;
            }
            format!("there is no file `{path}`")
        };
        found.add(&link.range, message, "the heading or file that is meant");
    }
    for block in &document.blocks {
        for hit in UNRESOLVED.find_iter(document.at(&block.range)) {
            let place = block.range.start + hit.start()..block.range.start + hit.end();
            found.add(&place, "a link whose address is given nowhere", "`[name]: address` at the end of the document");
        }
    }
}

/// `see section 4.2`, where headings are numbered and none has that number.
fn dangling_sections(document: &Document<'_>, found: &mut Found<'_>) {
    let number = |title: &str| {
        let first = title.split_whitespace().next().unwrap_or_default().trim_end_matches(['.', ')']);
        (!first.is_empty() && first.chars().all(|c| c.is_ascii_digit() || c == '.')).then(|| first.to_owned())
    };
    let numbers: BTreeSet<String> = document.sections.iter().filter_map(|section| number(&section.title)).collect();
    for block in &document.blocks {
        let text = document.at(&block.range);
        for hit in SECTION.captures_iter(text) {
            let (Some(all), Some(wanted)) = (hit.get(0), hit.get(1)) else { continue };
            let foreign = FOREIGN.is_match(&text[all.end()..]) || FOREIGN_BEFORE.is_match(&text[..all.start()]);
            if numbers.contains(wanted.as_str()) || foreign {
                continue;
            }
            let place = block.range.start + all.start()..block.range.start + all.end();
            let why = if numbers.is_empty() { "headings have no numbers here" } else { "no heading has this number" };
            found.add(&place, format!("“{}”: {why}", all.as_str()), "a link to the heading: `[name](#anchor)`");
        }
    }
}

/// Ids that are defined more than once.
pub fn duplicate(document: &Document<'_>, found: &mut Found<'_>) {
    let mut first: BTreeMap<(&str, Option<usize>), usize> = BTreeMap::new();
    for definition in &document.definitions {
        if definition.weak {
            continue;
        }
        let key = (definition.id.as_str(), definition.table);
        match first.get(&key) {
            None => {
                first.insert(key, definition.range.start);
            }
            Some(at) => {
                let (line, _) = document.position(*at);
                found.add(
                    &definition.range,
                    format!("`{}` is defined in line {line} already", definition.id),
                    "another number for one of the two",
                );
            }
        }
    }
}
