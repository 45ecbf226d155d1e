//! pytest: our report plug-in is loaded through the environment, so it works through make, tox-less scripts and npm too.

use std::ffi::OsString;
use std::path::Path;

use super::{Draft, Evidence, read_capped, unreadable};
use crate::process::End;
use crate::suite::formats::{self, Parsed, SUITE, pytest};
use crate::suite::{Scope, shell};

const PLUGIN: &str = include_str!("../plugins/kaizen_report.py");

/// pytest's exit status for "no tests were collected".
const NO_TESTS: i32 = 5;

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let plugin = draft.helper("kaizen_report.py", PLUGIN);
    let folder = draft.report_folder("pytest");
    reach_helpers(draft, &plugin);
    let cache = shell::quote(&format!("cache_dir={}", draft.reports_dir.join("cache").display()));
    draft.append("PYTEST_ADDOPTS", &format!("-p kaizen_report -o {cache}"));
    draft.set("KAIZEN_REPORT_DIR", folder);
    draft.set("KAIZEN_SUITE_DIR", crate::system::canonical(&draft.dir).unwrap_or_else(|_| draft.dir.clone()));
    python_defaults(draft);
    select(draft);
}

/// Puts the folder of `helper` first on Python's path.
pub(super) fn reach_helpers(draft: &mut Draft<'_>, helper: &Path) {
    let helpers = helper.parent().unwrap_or(helper);
    let mut path = OsString::from(helpers);
    if let Some(old) = draft.get("PYTHONPATH").filter(|p| !p.is_empty()) {
        path.push(":");
        path.push(old);
    }
    draft.set("PYTHONPATH", path);
    // a line that sets PYTHONPATH itself would hide the helper
    if let Some(line) = &mut draft.line {
        let helpers = shell::quote(&helpers.to_string_lossy());
        *line = line.replace("PYTHONPATH=", &format!("PYTHONPATH={helpers}:"));
    }
}

/// The same hashes every time; no byte code in the tree, because a stale one hides a change within the same second.
pub(super) fn python_defaults(draft: &mut Draft<'_>) {
    draft.set("PYTHONDONTWRITEBYTECODE", "1");
    draft.set_default("PYTHONHASHSEED", "0");
    draft.set("PY_COLORS", "0");
}

/// The plug-in deselects whatever was not asked for; where it is safe, only the files asked for are loaded.
fn select(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted else { return };
    let ids: Vec<&str> = wanted.iter().map(|id| id.0.as_str()).collect();
    let list = draft.helper("only", &ids.join("\0"));
    draft.set("KAIZEN_ONLY", list);
    draft.selected = true;
    let plain_arguments = draft.line.is_none() && draft.cwd == draft.dir && {
        let at = draft.argv.iter().position(|a| a == "pytest" || a.ends_with("/pytest"));
        at.is_some_and(|at| {
            draft.argv[at + 1..].iter().all(|a| matches!(a.as_str(), "-q" | "-v" | "-x" | "-s" | "-vv" | "-ra"))
        })
    };
    if plain_arguments {
        let mut files: Vec<String> = ids.iter().map(|id| id.split("::").next().unwrap_or(id).to_owned()).collect();
        files.dedup();
        if files.iter().all(|f| !f.starts_with('-') && draft.dir.join(f).is_file()) {
            draft.argv.extend(files);
        }
    }
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let files = evidence.report_files(".jsonl");
    let mut parsed = Parsed { complete: !files.is_empty(), ..Parsed::default() };
    let mut sessions = Vec::new();
    for file in &files {
        let Some(text) = read_capped(file) else {
            unreadable(&mut parsed, file);
            continue;
        };
        let mut session = pytest::report(&text);
        parsed.merge(std::mem::take(&mut session.parsed));
        sessions.push(session);
    }
    if let [only] = sessions.as_slice() {
        compare(&mut parsed, only, evidence);
    }
    if sessions.is_empty() {
        not_started(&mut parsed, evidence);
    }
    parsed
}

/// One pytest process: its exit status and its last line must say what the report says.
fn compare(parsed: &mut Parsed, session: &pytest::Session, evidence: &Evidence<'_>) {
    if session.exit == Some(NO_TESTS) && parsed.tests.is_empty() {
        parsed.fail(Scope::Suite, SUITE, "pytest collected no tests");
    }
    if let (Some(status), End::Exited(code)) = (session.exit, evidence.finished.end)
        && (status == 1)
        && code == 0
    {
        parsed.contradictions.push("pytest ended with failures but the command exited with 0".into());
    }
    if let Some(printed) = pytest::summary(&evidence.stdout()).filter(|p| !session.agrees(*p)) {
        let what = format!("pytest printed {printed:?} and reported {:?}", session.counts);
        parsed.contradictions.push(what);
    }
}

/// No report at all: pytest is missing, or stopped before plug-ins were set up (usage, conftest import).
fn not_started(parsed: &mut Parsed, evidence: &Evidence<'_>) {
    if matches!(evidence.finished.end, End::Exited(code) if code != 0) {
        let text = formats::plain(&format!("{}\n{}", evidence.stderr(), evidence.stdout()));
        if let Some(line) = text.lines().find(|l| l.contains("No module named pytest")) {
            parsed.fail(Scope::Suite, SUITE, line);
        }
    }
}
