//! `go test`: its own JSON events on standard output, asked for with GOFLAGS or an argument.

use std::collections::BTreeSet;

use super::{Draft, Evidence};
use crate::process::End;
use crate::suite::Scope;
use crate::suite::formats::{BUILD, Parsed, go};

pub(super) fn prepare(draft: &mut Draft<'_>) {
    // go builds in a folder of its own below the temporary one, which stays there when it is killed
    let builds = draft.reports_dir.join("go-builds");
    if draft.get("GOTMPDIR").is_none() && std::fs::create_dir_all(&builds).is_ok() {
        draft.set("GOTMPDIR", builds);
    }
    let at = draft.argv.iter().position(|a| a == "test").filter(|_| draft.line.is_none());
    match at {
        Some(at) => {
            // results from go's cache would make a flaky test look stable
            draft.argv.splice(at + 1..at + 1, ["-json".to_owned(), "-count=1".to_owned()]);
            select(draft, at);
            draft.redirect("go");
        }
        None => draft.append("GOFLAGS", "-json -count=1"),
    }
}

/// `-run` with the names on the top level, in the packages that they are in.
fn select(draft: &mut Draft<'_>, at: usize) {
    let Some(wanted) = draft.wanted else { return };
    if draft.argv[at..].iter().any(|a| a.starts_with("-run") || a == "--" || a == "-args") {
        return;
    }
    let mut names = BTreeSet::new();
    let mut packages = BTreeSet::new();
    for id in wanted {
        let Some((package, name)) = id.0.split_once(' ') else { return };
        packages.insert(package.to_owned());
        names.insert(regex::escape(name.split('/').next().unwrap_or(name)));
    }
    draft.argv.retain(|a| !(a.starts_with("./") || a == "." || a.ends_with("...")));
    let names = names.into_iter().collect::<Vec<_>>().join("|");
    draft.argv.insert(at + 1, format!("-run=^({names})$"));
    // what `go vet` says of a package is for whole runs: it costs as much as a small package's tests
    if !draft.argv[at..].iter().any(|a| a.starts_with("-vet")) {
        draft.argv.insert(at + 1, "-vet=off".to_owned());
    }
    draft.argv.extend(packages);
    draft.selected = true;
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let stdout = evidence.redirected();
    let stderr = evidence.stderr();
    let mut parsed = go::report(&stdout, &stderr);
    let failed = matches!(evidence.finished.end, End::Exited(code) if code != 0);
    let build =
        || stderr.lines().any(|l| l.starts_with("go: ") || l.starts_with("# ") || l.contains("no required module"));
    if failed && parsed.tests.is_empty() && build() {
        parsed.fail(Scope::Suite, BUILD, stderr.trim());
    }
    for_people(evidence, &stdout);
    parsed
}

/// Writes what the events carry as text to the log, which has nothing when the events went to a file.
fn for_people(evidence: &Evidence<'_>, events: &str) {
    let empty = std::fs::metadata(&evidence.log.stdout).is_ok_and(|m| m.len() == 0);
    if empty {
        let text: String = events
            .lines()
            .filter_map(|l| {
                serde_json::from_str::<serde_json::Value>(l).ok()?.get("Output")?.as_str().map(str::to_owned)
            })
            .collect();
        // a log that can't be written is a log less to read, no wrong result
        let _ = std::fs::write(&evidence.log.stdout, text);
    }
}
