//! What was said of a document last time: given, or the newest result of the same document among the runs here. Unchanged text
//! keeps its scores.

use std::path::Path;

use crate::cli::context::Context;
use crate::cli::prd::{Document, SCHEMA};
use crate::error::{Error, Result};
use crate::prd::gate::Passed;
use crate::prd::improve::{Known, hash};
use crate::prd::review::Reviewed;
use crate::state;
use crate::system;

/// The result of a run with models, in its folder.
pub(super) const RESULT: &str = "prd.json";

/// The path of `path` as the repository names it, `/`-separated; none outside of one.
pub(super) fn repository_path(context: &Context, path: &Path) -> Option<String> {
    let root = system::canonical(&context.repository().ok()?.root).ok()?;
    let inside = system::canonical(path).ok()?;
    let parts: Vec<_> =
        inside.strip_prefix(&root).ok()?.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

/// What reviewers said of the sections, by the hash of their text. A section that fewer read than the others is reviewed
/// anew: that reviewers failed once, or the tokens were over, is not kept for ever.
pub(super) fn known(before: &Document) -> Known {
    let Some(review) = &before.review else { return Known::new() };
    let now = review.sections.iter().filter_map(|section| section.reviewed.as_ref());
    let all: Vec<&Reviewed> = review.found.iter().chain(now).filter(|reviewed| reviewed.counts()).collect();
    let most = all.iter().map(|reviewed| reviewed.reviews).max().unwrap_or(0);
    all.into_iter().filter(|r| r.reviews == most).map(|r| (r.hash.clone(), r.clone())).collect()
}

/// What passed last time: of the document as it was found, when it still is so, else of the revised one.
pub(super) fn passed(before: &Document, text: &str) -> Passed {
    let found = before.review.as_ref().filter(|review| review.source == hash(text));
    found.and_then(|review| review.history.first()).map_or(before.passed, |row| row.passed)
}

/// The document at `baseline`, which has to be about the one at `path`.
///
/// # Errors
/// When it can't be read, or is of another document.
pub(super) fn given(context: &Context, baseline: &Path, path: &Path) -> Result<Document> {
    let cannot = |why: String| {
        Error::usage(format!("can't use {} as the baseline", baseline.display()))
            .why(why)
            .hint("give what `kaizen-ci prd FILE --json` printed for the same document")
    };
    let text = std::fs::read_to_string(baseline).map_err(|error| cannot(error.to_string()))?;
    let document: Document = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
    if document.schema != SCHEMA {
        return Err(cannot(format!("its schema is not {SCHEMA}")));
    }
    let own = repository_path(context, path).unwrap_or_default();
    if is_of(&document, &own, path) { Ok(document) } else { Err(cannot(format!("it is of {}", document.file))) }
}

/// Is `document` about the one at `path`, which the repository calls `own`? Outside of one, names have to do.
fn is_of(document: &Document, own: &str, path: &Path) -> bool {
    if !document.path.is_empty() && !own.is_empty() {
        return document.path == own;
    }
    Path::new(&document.file).file_name() == path.file_name()
}

/// The newest result of a run with models of the document at `path`.
pub(super) fn newest(context: &Context, path: &Path) -> Option<Document> {
    /// Older ones are not looked for.
    const RUNS_MOST: usize = 200;
    let own = repository_path(context, path)?;
    let runs = state::list(&context.repository().ok()?.state_dir().ok()?).ok()?;
    let read = |run: &state::RunInfo| -> Option<Document> {
        let text = std::fs::read_to_string(run.path.join(RESULT)).ok()?;
        serde_json::from_str(&text).ok()
    };
    let is_ours = |document: &Document| document.schema == SCHEMA && document.path == own;
    runs.iter().take(RUNS_MOST).filter_map(read).find(is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prd::outcome::{End, SectionInfo};
    use crate::prd::review::Three;
    use crate::report::prd::Review;

    /// What was printed of a document whose sections so many reviewers read.
    fn printed(reviews: &[usize]) -> Document {
        let of = |reviews: usize| Reviewed { hash: format!("h{reviews}"), reviews, ..Reviewed::default() };
        let section = |reviews: &usize| SectionInfo {
            title: String::new(),
            scores: Three::default(),
            reviewed: Some(of(*reviews)),
            revisions: 0,
            left_because: None,
        };
        let sections = reviews.iter().map(section).collect();
        let review = Review { sections, found: vec![of(0)], ..Review::empty(End::Passed) };
        let passed = Passed { clarity: true, completeness: true, testability: true, no_errors: true };
        let lint = crate::prd::lint("", &|_| true);
        let (schema, file, path) = (SCHEMA.to_owned(), String::new(), String::new());
        Document { schema, file, path, exit: 0, threshold: 0.8, passed, lint, review: Some(review) }
    }

    #[test]
    fn only_what_was_read_by_as_many_as_the_rest_is_known_the_next_time() {
        for (reviews, kept) in [(vec![0, 1, 2, 3], vec!["h3"]), (vec![0, 1, 2], vec!["h2"]), (vec![0, 1], vec![])] {
            let known = known(&printed(&reviews));
            assert_eq!(known.keys().collect::<Vec<_>>(), kept, "{reviews:?}");
        }
    }
}
