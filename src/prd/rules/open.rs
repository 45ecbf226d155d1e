//! What is still to be decided.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::Document;
use crate::prd::finding::Severity;
use crate::prd::parts::Part;
use crate::prd::sentences::pattern;

// written with groups, so that no search for such marks finds this line
static MARK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i:\btb[dca]\b)|\bTO(?:DO)\b|(?i:\bto(?:do):)|\bFIX(?:ME)\b|\bXXX+\b|\?\?\?+|(?i:\bto be (?:determined|defined|decided|confirmed|specified|discussed|announced|agreed|clarified)\b)|(?i:\blorem ipsum\b)|(?i:\bplaceholder text\b)|(?i:\[(?:insert|fill in|your|tbd|add)\b[^\]]*\])|<(?i:insert|fill|your|tbd)\b[^>]*>",
    )
});

/// Marks in prose and in tables. An error where something is required, a warning elsewhere; an open question is open by
/// right.
pub fn markers(document: &Document<'_>, found: &mut Found<'_>) {
    let blocks = document
        .blocks
        .iter()
        .map(|block| (block.range.clone(), document.at(&block.range), block.section, block.requirement));
    let cells =
        document.cells.iter().map(|cell| (cell.range.clone(), document.source(&cell.range), cell.section, true));
    for (range, text, section, binding) in blocks.chain(cells) {
        if document.is_in(section, Part::Open) || document.is_in(section, Part::Glossary) {
            continue;
        }
        for mark in MARK.find_iter(text) {
            let binding =
                binding || document.is_in(section, Part::Requirements) || document.is_in(section, Part::Acceptance);
            let severity = if binding { Severity::Error } else { Severity::Warning };
            let place = range.start + mark.start()..range.start + mark.end();
            let message = format!("“{}”: not decided yet", mark.as_str());
            found.add_as(
                severity,
                &place,
                message,
                "the decision, or an entry below *Open questions* with who decides and until when",
            );
        }
    }
}
