//! Anything that prints TAP. `prove` keeps the TAP of each file apart when a variable asks for it.

use std::path::{Path, PathBuf};

use super::{Draft, Evidence, plain, read_capped, unreadable};
use crate::suite::formats::{Parsed, tap};

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let folder = draft.report_folder("tap");
    draft.set("PERL_TEST_HARNESS_DUMP_TAP", folder);
    draft.set("HARNESS_COLOR", "0");
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let Some(folder) = evidence.prepared.reports.first() else { return plain::collect(evidence) };
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    let files = files(folder);
    for file in &files {
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
        match read_capped(file) {
            Some(text) => parsed.merge(tap::report(&text, &name)),
            None => unreadable(&mut parsed, file),
        }
    }
    if files.is_empty() {
        parsed = tap::report(&evidence.stdout(), "");
        if !parsed.complete && parsed.tests.is_empty() {
            return plain::collect(evidence);
        }
    }
    parsed
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).follow_links(false).build();
    let mut files: Vec<PathBuf> =
        walk.flatten().filter(|e| e.file_type().is_some_and(|t| t.is_file())).map(|e| e.into_path()).collect();
    files.retain(|f| f.extension().is_none_or(|e| e != "yml"));
    files.sort();
    files
}
