//! jest, vitest and mocha: a small script that is loaded through NODE_OPTIONS adds the options for a report to the
//! runner's own process, so it works through npm, make and whatever else starts them.

use std::path::Path;

use super::{Draft, Evidence, node, read_capped, unreadable};
use crate::suite::Runner;
use crate::suite::detect::script_of;
use crate::suite::formats::{Parsed, jest, mocha};

const HOOK: &str = include_str!("../plugins/js_hook.cjs");
const MOCHA: &str = include_str!("../plugins/mocha_reporter.cjs");

pub(super) fn prepare(draft: &mut Draft<'_>) {
    let hook = draft.helper("js_hook.cjs", HOOK);
    draft.helper("mocha_reporter.cjs", MOCHA);
    let folder = draft.report_folder("js");
    let require = format!("--require {}", node::option(&hook));
    draft.append("NODE_OPTIONS", &require);
    own_options(draft);
    // a line that sets NODE_OPTIONS itself would hide the script
    if let Some(line) = &mut draft.line {
        let escaped: String = require.chars().flat_map(escape).collect();
        *line = line.replace("NODE_OPTIONS=", &format!("NODE_OPTIONS={escaped}\\ "));
    }
    draft.set("KAIZEN_JS_REPORTS", folder);
    select(draft);
}

/// A character as a part of an unquoted word of a shell.
fn escape(c: char) -> impl Iterator<Item = char> {
    let bare = c.is_alphanumeric() || "-_./=:@+,".contains(c);
    (!bare).then_some('\\').into_iter().chain([c])
}

/// A package.json script that sets NODE_OPTIONS (jest with ES modules wants that) is run as the line that it is, with the
/// programs of `node_modules/.bin` in reach as a package manager would put them.
fn own_options(draft: &mut Draft<'_>) {
    if draft.line.is_some() || draft.argv.len() != 2 || draft.argv[1] != "test" {
        return;
    }
    let Some(script) = script_of(&draft.cwd, "test").filter(|s| s.contains("NODE_OPTIONS=")) else { return };
    draft.reach_programs();
    draft.line = Some(script);
}

/// One pattern that the full names of the wanted tests match, and their files.
fn select(draft: &mut Draft<'_>) {
    let Some(wanted) = draft.wanted else { return };
    let mut patterns = std::collections::BTreeSet::new();
    let mut files = std::collections::BTreeSet::new();
    let mut paths = std::collections::BTreeSet::new();
    for id in wanted {
        let Some((file, names)) = id.0.split_once(" > ") else { return };
        let names = names.rsplit_once(" #").filter(|(_, n)| n.parse::<u32>().is_ok()).map_or(names, |(head, _)| head);
        // the runners join names with a blank; a ` > ` may be a part of a name
        let parts: Vec<String> = names.split(" > ").map(regex::escape).collect();
        patterns.insert(parts.join("(?: > | )"));
        let path = draft.dir.join(file).to_string_lossy().into_owned();
        files.insert(regex::escape(&path));
        paths.insert(path);
    }
    // JavaScript's expressions know no escapes such as `\#` or `\ ` in all modes, but take the bare character
    let pattern =
        patterns.into_iter().collect::<Vec<_>>().join("|").replace("\\#", "#").replace("\\&", "&").replace("\\~", "~");
    let only = serde_json::json!({ "pattern": format!("^(?:{pattern})$"), "files": files, "paths": paths });
    let file = draft.helper("only.json", &only.to_string());
    draft.set("KAIZEN_JS_ONLY", file);
    draft.selected = true;
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let tops = evidence.tops();
    let tops: Vec<&Path> = tops.iter().map(AsRef::as_ref).collect();
    let files = evidence.report_files(".json");
    let mut parsed = Parsed { complete: !files.is_empty(), ..Parsed::default() };
    for file in &files {
        let Some(text) = read_capped(file) else {
            unreadable(&mut parsed, file);
            continue;
        };
        parsed.merge(match evidence.suite.runner {
            Runner::Mocha => mocha::report(&text, &tops),
            _ => jest::report(&text, &tops),
        });
    }
    parsed
}
