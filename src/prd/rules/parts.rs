//! Parts that a PRD needs, and headings with nothing below them.

use super::Found;
use crate::prd::document::{Block, Document, Kind};
use crate::prd::finding::Severity;
use crate::prd::parts::Part;
use crate::prd::sentences;

/// Parts that are missing. Text of a few lines is a note and no PRD: only requirements are asked of it.
pub fn missing(document: &Document<'_>, found: &mut Found<'_>) {
    let has = |part: Part| document.sections.iter().any(|section| section.part == part);
    let start = document.blocks.first().map_or(0..0, |block| block.range.clone());
    if document.requirements().next().is_none()
        && document.cells.iter().all(|cell| !sentences::has_shall(document.source(&cell.range)))
    {
        found.add_as(
            Severity::Error,
            &start,
            "no requirement: nothing says what the product shall do",
            "a section *Requirements* with sentences such as `REQ-1: The <system> shall <do>`",
        );
    }
    if !has(Part::Goal) && document.sections[0].range.len() < 80 {
        found.add(
            &start,
            "no goal: nothing says what this is for",
            "a section *Goals* with the problem, for whom it is solved, and the number that shows it",
        );
    }
    if !has(Part::OutOfScope) {
        found.add(&start, "no limits: nothing says what is left out", "a section *Out of scope*");
    }
    let says = |block: &Block| block.sentences.iter().any(|sentence| sentences::is_criterion(document.at(sentence)));
    let criteria = has(Part::Acceptance) || document.blocks.iter().any(says);
    if !criteria {
        found.add_as(
            Severity::Error,
            &start,
            "no acceptance criteria anywhere",
            "a section *Acceptance criteria*, or `Given …, when …, then …` below each requirement",
        );
    }
}

/// Headings with nothing below them, not even a subheading.
pub fn empty(document: &Document<'_>, found: &mut Found<'_>) {
    for (at, section) in document.sections.iter().enumerate().skip(1) {
        let Some(heading) = document.blocks.iter().find(|b| b.kind == Kind::Heading && b.section == at) else {
            continue;
        };
        let body = document.text.get(heading.range.end..section.range.end).unwrap_or_default();
        let is_empty = body.lines().all(|line| line.trim().trim_matches(['#', '=', '-', '*']).trim().is_empty());
        let has_sub = document.sections.get(at + 1).is_some_and(|next| next.inside.contains(&at));
        if is_empty && !has_sub {
            found.add(&heading.range, "nothing below this heading", "its content, or no heading");
        }
    }
}
