//! Line coverage of JavaScript without a tool: what node writes into the folder that a variable names when it ends. Pure:
//! texts in, lines out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::failure::symbols::symbols;

/// The variable that names the folder.
pub const VARIABLE: &str = "NODE_V8_COVERAGE";

/// Fewer of a script's functions than this part stand where it says: it was made of the file, and is not the file.
const IN_PLACE: f64 = 0.8;
/// A function's name stands within so many bytes of its begin, or a little before it (`const name = () => …`).
const NEAR_BYTES: usize = 80;

/// Functions of a file with their ranges: start, end, how often.
pub type Functions = Vec<Vec<(usize, usize, u64)>>;

#[derive(Debug, Deserialize)]
struct Report {
    result: Vec<Script>,
}

/// A script as it ran.
#[derive(Debug, Clone, Deserialize)]
pub struct Script {
    url: String,
    functions: Vec<Function>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Function {
    function_name: String,
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    start_offset: usize,
    end_offset: usize,
    count: u64,
}

/// Lines of a file, from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// In functions.
    pub inside: BTreeSet<usize>,
    /// Those of them that were reached.
    pub executed: BTreeSet<usize>,
}

/// The scripts of a report that are files below one of `tops` and no packages, with their path from there.
pub fn scripts(report: &str, tops: &[String]) -> Vec<(String, Script)> {
    let Ok(report) = serde_json::from_str::<Report>(report) else { return Vec::new() };
    let own = |script: Script| {
        let path = path_of(&script.url)?;
        let below = tops.iter().find_map(|top| path.strip_prefix(top.as_str())?.strip_prefix('/'))?.to_owned();
        (!format!("/{below}").contains("/node_modules/")).then_some((below, script))
    };
    report.result.into_iter().filter_map(own).collect()
}

/// The lines of the file `path` with this `text`, from all processes that loaded it.
pub fn lines_of(path: &str, text: &str, scripts: &[Script]) -> Lines {
    let mut all = Lines::default();
    for script in scripts {
        let lines = if script.is_in_place(text) { script.by_place(text) } else { script.by_name(path, text) };
        all.inside.extend(lines.inside);
        all.executed.extend(lines.executed);
    }
    all
}

impl Script {
    /// Functions stand in the file where the script says: nothing was compiled or put in front.
    fn is_in_place(&self, text: &str) -> bool {
        let units: Vec<u16> = text.encode_utf16().collect();
        let named: Vec<&Function> = self.functions.iter().filter(|f| !f.function_name.is_empty()).collect();
        let stands = |f: &&&Function| {
            let Some(range) = f.ranges.first().filter(|r| r.end_offset <= units.len()) else { return false };
            let (from, to) = (range.start_offset.saturating_sub(NEAR_BYTES), range.start_offset + NEAR_BYTES);
            let near = String::from_utf16_lossy(&units[from..to.min(units.len())]);
            near.contains(f.function_name.rsplit([' ', '.']).next().unwrap_or_default())
        };
        named.iter().filter(stands).count() as f64 >= named.len() as f64 * IN_PLACE
    }

    fn by_place(&self, text: &str) -> Lines {
        let ranges =
            |f: &Function| f.ranges.iter().map(|r| (r.start_offset, r.end_offset, r.count)).collect::<Vec<_>>();
        // the script itself is its first function
        let inner = self
            .functions
            .iter()
            .filter(|f| !f.function_name.is_empty() || f.ranges.first().is_some_and(|r| r.start_offset > 0));
        let functions: Functions = inner.map(ranges).collect();
        let (inside, executed) = lines(text, &functions);
        Lines { inside, executed }
    }

    fn by_name(&self, path: &str, text: &str) -> Lines {
        let reached = |f: &&Function| f.ranges.first().is_some_and(|r| r.count > 0);
        let names: BTreeSet<&str> = self.functions.iter().filter(reached).map(|f| f.function_name.as_str()).collect();
        let mut all = Lines::default();
        for symbol in symbols(path, text.as_bytes()).into_iter().filter(|s| s.callable) {
            let lines = symbol.line..=symbol.end_line;
            all.inside.extend(lines.clone());
            if names.contains(symbol.name.as_str()) {
                all.executed.extend(lines);
            }
        }
        all
    }
}

/// Lines (from 1) inside functions, and those of them that were executed, from a function's ranges in the order that V8
/// gives them: outer ones first, inner ones overrule them. Offsets count UTF-16 units.
pub fn lines(text: &str, functions: &[Vec<(usize, usize, u64)>]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split('\n') {
        let blank = line.chars().take_while(|c| c.is_whitespace()).map(char::len_utf16).sum::<usize>();
        let length = line.encode_utf16().count();
        starts.push((blank < length).then_some(at + blank));
        at += length + 1;
    }
    let (mut inside, mut executed) = (BTreeSet::new(), BTreeSet::new());
    for (n, start) in starts.iter().enumerate() {
        let Some(start) = start else { continue };
        let covering = |f: &&Vec<(usize, usize, u64)>| f.first().is_some_and(|r| (r.0..r.1).contains(start));
        // the innermost function decides
        let inner = functions.iter().filter(covering).min_by_key(|f| f[0].1 - f[0].0);
        let Some(ranges) = inner else { continue };
        inside.insert(n + 1);
        if ranges.iter().rfind(|r| (r.0..r.1).contains(start)).is_some_and(|r| r.2 > 0) {
            executed.insert(n + 1);
        }
    }
    (inside, executed)
}

/// The texts of the reports in a folder, large ones and those after many left out.
pub fn reports(folder: &std::path::Path) -> Vec<String> {
    const MOST: usize = 24;
    const LARGEST_BYTES: u64 = 64 * 1024 * 1024;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|e| e.path()).collect();
    files.sort();
    let small =
        |f: &std::path::PathBuf| std::fs::symlink_metadata(f).is_ok_and(|m| m.is_file() && m.len() < LARGEST_BYTES);
    files.into_iter().filter(small).take(MOST).filter_map(|f| std::fs::read_to_string(f).ok()).collect()
}

/// Scripts by file, of all reports.
pub fn by_file(reports: &[String], tops: &[String]) -> BTreeMap<String, Vec<Script>> {
    let mut out: BTreeMap<String, Vec<Script>> = BTreeMap::new();
    for (file, script) in reports.iter().flat_map(|report| scripts(report, tops)) {
        out.entry(file).or_default().push(script);
    }
    out
}

/// The path of a script that is a file.
fn path_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| url.scheme() == "file")?;
    Some(url.to_file_path().ok()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "function one(a) {\n  if (a) {\n    return 1;\n  }\n  return 2;\n}\nfunction two() {\n  return 3;\n}\n";

    /// A function's name and its ranges.
    type Named<'a> = (&'a str, &'a [(usize, usize, u64)]);

    fn report(url: &str, functions: &[Named<'_>]) -> String {
        let functions: Vec<_> = functions
            .iter()
            .map(|(name, ranges)| {
                let ranges: Vec<_> = ranges.iter().map(|(start, end, count)| {
                serde_json::json!({"startOffset": start, "endOffset": end, "count": count})
            }).collect();
                serde_json::json!({"functionName": name, "ranges": ranges, "isBlockCoverage": true})
            })
            .collect();
        serde_json::json!({"result": [{"scriptId": "1", "url": url, "functions": functions}]}).to_string()
    }

    fn set(lines: &[usize]) -> BTreeSet<usize> {
        lines.iter().copied().collect()
    }

    #[test]
    fn a_file_that_runs_as_it_is_tells_of_each_line() {
        let two = TEXT.find("function two").unwrap();
        let block = TEXT.find("{\n    return").unwrap();
        let all: &[Named<'_>] = &[
            ("", &[(0, TEXT.len(), 1)]),
            ("one", &[(0, two - 1, 4), (block, TEXT.find("  return 2").unwrap() - 1, 0)]),
            ("two", &[(two, TEXT.len() - 1, 0)]),
        ];
        let report = report("file:///w/a%20b/lib/x.js", all);
        let found = by_file(&[report], &["/w/a b".to_owned()]);
        let lines = lines_of("lib/x.js", TEXT, &found["lib/x.js"]);
        assert_eq!(lines.executed, set(&[1, 2, 5, 6]));
        assert!(lines.inside.is_superset(&set(&[1, 2, 3, 5, 7, 8])), "{lines:?}");
    }

    #[test]
    fn of_a_file_that_was_compiled_only_the_names_of_functions_are_believed() {
        let all: &[Named<'_>] = &[("", &[(0, 900, 1)]), ("one", &[(500, 600, 2)]), ("two", &[(700, 800, 0)])];
        let report = report("file:///w/src/x.ts", all);
        let found = by_file(&[report], &["/w".to_owned()]);
        let lines = lines_of("src/x.ts", TEXT, &found["src/x.ts"]);
        assert_eq!((lines.executed, lines.inside.len()), (set(&[1, 2, 3, 4, 5, 6]), 9));
    }

    #[test]
    fn packages_and_what_is_elsewhere_are_left_out() {
        for url in ["node:fs", "file:///w/node_modules/a/x.js", "file:///other/x.js", "evalmachine.<anonymous>"] {
            assert!(by_file(&[report(url, &[])], &["/w".to_owned()]).is_empty(), "{url}");
        }
        assert!(by_file(&["no report".to_owned()], &["/w".to_owned()]).is_empty());
    }
}
