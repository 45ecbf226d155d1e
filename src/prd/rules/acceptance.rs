//! Acceptance criteria: every requirement says, or is named where it is said, how one sees that it holds.

use std::collections::BTreeSet;

use super::{Found, words};
use crate::prd::document::{Block, Cell, Document, Kind};
use crate::prd::identifiers;
use crate::prd::parts::Part;
use crate::prd::sentences;

const INSTEAD: &str =
    "`Given <state>, when <event>, then <what is seen>` below it, or below *Acceptance criteria* with its id";

/// Ids that a criterion or a table of criteria names.
fn named(document: &Document<'_>) -> BTreeSet<String> {
    let blocks = document.blocks.iter().filter(|block| {
        document.is_in(block.section, Part::Acceptance)
            || sentences::is_criterion(document.at(&block.range))
            || block.id.as_deref().is_some_and(|id| Part::of_prefix(id) == Part::Acceptance)
    });
    let cells = document.cells.iter().filter(|cell| document.is_in(cell.section, Part::Acceptance));
    blocks
        .map(|block| document.at(&block.range))
        .chain(cells.map(|cell| document.source(&cell.range)))
        .flat_map(|text| identifiers::ids(text).map(|(_, id)| id.to_owned()).chain(identifiers::ranges(text)))
        .collect()
}

/// Does a criterion follow `block` before the next requirement?
fn follows(document: &Document<'_>, at: usize, block: &Block) -> bool {
    document.blocks[at + 1..]
        .iter()
        .take_while(|next| !next.requirement || next.continues)
        .take_while(|next| {
            next.kind != Kind::Heading || document.sections[next.section].inside.contains(&block.section)
        })
        .any(|next| sentences::is_criterion(document.at(&next.range)) || document.is_in(next.section, Part::Acceptance))
}

/// `… Verified by test_otp.` in the requirement itself.
fn says_so(document: &Document<'_>, block: &Block) -> bool {
    block.sentences.iter().any(|sentence| sentences::is_criterion(document.at(sentence)))
}

/// Requirements that nothing says how to check.
pub fn missing(document: &Document<'_>, found: &mut Found<'_>) {
    let named = named(document);
    let has_section = document.sections.iter().any(|section| section.part == Part::Acceptance);
    // criteria that name no requirement may be meant for any
    if has_section && named.is_empty() {
        return;
    }
    let is_named = |block: &Block| match &block.id {
        Some(id) => named.contains(id),
        // without an id it can't be named: a section of criteria is all that one can ask for
        None => has_section,
    };
    let states = |block: &Block| block.requirement && !block.continues;
    let is_checked =
        |block: &Block| is_named(block) || words::is_measured(document.at(&block.range)) || says_so(document, block);
    for (at, block) in document.blocks.iter().enumerate().filter(|(_, block)| states(block)) {
        let in_a_named_section =
            || heading_id(document, block).is_some_and(|id| named.contains(id.as_str()) || block.id.is_none());
        if !is_checked(block) && !in_a_named_section() && !follows(document, at, block) {
            found.add(&block.range, "nothing says how one sees that this holds", INSTEAD);
        }
    }
    for block in document.entries.iter().filter(|block| states(block)) {
        let says = |cell: &Cell| {
            let text = document.source(&cell.range);
            sentences::is_criterion(text) || (document.is_check(cell) && text.chars().any(char::is_alphanumeric))
        };
        if !is_checked(block) && !document.row(block).any(says) {
            found.add(&block.range, "nothing says how one sees that this holds", INSTEAD);
        }
    }
}

/// The id in the heading that the block is below.
fn heading_id(document: &Document<'_>, block: &Block) -> Option<String> {
    let heading = document.blocks.iter().find(|b| b.kind == Kind::Heading && b.section == block.section)?;
    heading.id.clone()
}

/// Criteria that name no requirement although requirements have ids.
pub fn untraced(document: &Document<'_>, found: &mut Found<'_>) {
    let has_ids = document.requirements().any(|block| block.id.is_some());
    if !has_ids || !named(document).is_empty() {
        return;
    }
    for block in document.blocks.iter().filter(|b| b.kind == Kind::Heading) {
        if document.sections[block.section].part == Part::Acceptance {
            found.add(
                &block.range,
                "no criterion names the requirement that it is for",
                "the id in front of each criterion",
            );
        }
    }
}
