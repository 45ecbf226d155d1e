//! RSpec: its JSON report, asked for with SPEC_OPTS.

use super::{Draft, Evidence, read_capped, shell, unreadable};
use crate::suite::formats::{Parsed, rspec};

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let file = draft.report_folder("rspec").join("rspec.json");
    let out = shell::quote(&file.to_string_lossy());
    draft.append(
        "SPEC_OPTS",
        &format!("--no-color --no-fail-fast --order defined --format progress --format json --out {out}"),
    );
    select(draft);
}

/// RSpec's own ids, which are files with positions in them.
fn select(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted.filter(|_| draft.line.is_none()) else { return };
    let Some(at) = draft.argv.iter().position(|a| a == "rspec" || a.ends_with("/rspec")) else { return };
    if draft.argv[at + 1..].iter().any(|a| !a.starts_with('-')) {
        return;
    }
    let ids: Vec<String> =
        wanted.iter().filter_map(|id| id.0.split_once("] ").map(|(i, _)| format!("./{i}]"))).collect();
    if ids.len() == wanted.len() {
        draft.argv.extend(ids);
        draft.selected = true;
    }
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for file in evidence.report_files(".json") {
        match read_capped(&file) {
            Some(text) => parsed = rspec::report(&text),
            None => unreadable(&mut parsed, &file),
        }
    }
    parsed
}
