//! unittest: a stand-in for `python -m unittest` that writes a report.

use super::{Draft, Evidence, plain, pytest, read_capped, unreadable};
use crate::suite::formats::{Parsed, unittest};

const STAND_IN: &str = include_str!("../plugins/kaizen_unittest.py");

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let module = draft.helper("kaizen_unittest.py", STAND_IN);
    let folder = draft.report_folder("unittest");
    pytest::reach_helpers(draft, &module);
    if let Some(line) = &mut draft.line {
        *line = line.replace("-m unittest", "-m kaizen_unittest");
    }
    if let Some(at) = draft.argv.windows(2).position(|w| w[0] == "-m" && w[1] == "unittest") {
        draft.argv[at + 1] = "kaizen_unittest".into();
    }
    draft.set("KAIZEN_REPORT_DIR", folder);
    pytest::python_defaults(draft);
    if let Some(wanted) = draft.wanted {
        let ids: Vec<&str> = wanted.iter().map(|id| id.0.as_str()).collect();
        let only = draft.helper("only", &ids.join("\0"));
        draft.set("KAIZEN_ONLY", only);
        draft.selected = true;
    }
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let files = evidence.report_files(".jsonl");
    if files.is_empty() {
        // started in a way that our stand-in can't be put into: only the exit code is known
        return plain::collect(evidence);
    }
    let mut parsed = Parsed { complete: true, ..Parsed::default() };
    for file in &files {
        match read_capped(file) {
            Some(text) => parsed.merge(unittest::report(&text)),
            None => unreadable(&mut parsed, file),
        }
    }
    parsed
}
