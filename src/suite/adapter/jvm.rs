//! Maven and Gradle: the JUnit XML that both write into the tree; what an earlier run left there is removed first.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Draft, Evidence, unreadable};
use crate::suite::formats::{self, BUILD, Parsed, REPORT_CAP_BYTES, junit};
use crate::suite::{Runner, Scope, TestId};

/// Modules are looked for this deep.
const DEPTH: usize = 8;

pub(super) fn prepare(draft: &mut Draft<'_>) {
    for folder in report_folders(&draft.dir, draft.suite.runner) {
        // one that stays is read as this run's, and its times tell: nothing better can be done about it here
        let _ = std::fs::remove_dir_all(folder);
    }
    if draft.line.is_some() {
        return;
    }
    match draft.suite.runner {
        Runner::Maven => maven(draft),
        _ => gradle(draft),
    }
}

fn maven(draft: &mut Draft<'_>) {
    let own =
        ["-B", "-Dstyle.color=never", "-DtrimStackTrace=false", "--fail-at-end", "-Dsurefire.skipAfterFailureCount=0"];
    draft.argv.extend(own.map(str::to_owned));
    let Some(classes) = methods(draft) else { return };
    let tests: Vec<String> = classes
        .iter()
        .map(|(class, methods)| {
            let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
            format!("{class}#{}", methods.join("+"))
        })
        .collect();
    draft.argv.push(format!("-Dtest={}", tests.join(",")));
    draft.argv.extend(["-DfailIfNoTests=false", "-Dsurefire.failIfNoSpecifiedTests=false"].map(str::to_owned));
    draft.selected = true;
}

/// Gradle takes what it needs from an init script: tests run although nothing changed, and all modules take the filter.
fn gradle(draft: &mut Draft<'_>) {
    let mut filter = String::new();
    if let Some(classes) = methods(draft) {
        for (class, methods) in &classes {
            for method in methods {
                filter.push_str(&format!("      includeTestsMatching({})\n", groovy(&format!("{class}.{method}"))));
            }
        }
        draft.selected = true;
    }
    let script = format!(
        "allprojects {{\n  tasks.withType(Test).configureEach {{\n    outputs.upToDateWhen {{ false }}\n    failFast = false\n    \
         reports.junitXml.required = true\n    filter {{\n      failOnNoMatchingTests = false\n{filter}    }}\n  }}\n}}\n"
    );
    let script = draft.helper("kaizen.init.gradle", &script);
    let own = ["--continue", "--console=plain", "--no-build-cache", "--init-script"].map(str::to_owned);
    draft.argv.extend(own);
    draft.argv.push(script.to_string_lossy().into_owned());
}

/// A string of Groovy without interpolation.
fn groovy(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Classes and methods of the wanted tests: names without the arguments of parametrised ones.
fn methods(draft: &Draft<'_>) -> Option<BTreeMap<String, BTreeSet<String>>> {
    let mut classes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in draft.wanted? {
        let (class, name) = id.0.split_once(' ')?;
        let class = class.rsplit_once(':').map_or(class, |(_, c)| c);
        let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(name.len());
        if end == 0 {
            return None;
        }
        classes.entry(class.to_owned()).or_default().insert(name[..end].to_owned());
    }
    Some(classes)
}

/// The folders that hold reports, of every module.
fn report_folders(dir: &Path, runner: Runner) -> Vec<PathBuf> {
    let wanted: &[&str] = match runner {
        Runner::Maven => &["target/surefire-reports", "target/failsafe-reports"],
        _ => &["build/test-results"],
    };
    let walk = ignore::WalkBuilder::new(dir)
        .standard_filters(false)
        .follow_links(false)
        .max_depth(Some(DEPTH))
        .filter_entry(|e| {
            let name = e.file_name().to_string_lossy();
            let skip = matches!(&*name, "node_modules" | ".git" | "src" | "target" | "build" | ".gradle");
            e.file_type().is_some_and(|t| t.is_dir()) && (e.depth() == 0 || !skip)
        })
        .build();
    let modules = walk.flatten().map(|e| e.into_path());
    modules.flat_map(|m| wanted.iter().map(move |w| m.join(w)).collect::<Vec<_>>()).filter(|f| f.is_dir()).collect()
}

pub(super) fn collect(evidence: &Evidence<'_>) -> Parsed {
    let mut parsed = Parsed { complete: false, ..Parsed::default() };
    for folder in report_folders(&evidence.dir, evidence.suite.runner) {
        let module =
            folder.strip_prefix(&evidence.dir).ok().map(|f| f.to_string_lossy().into_owned()).unwrap_or_default();
        let module = module.split("/target/").next().unwrap_or_default().split("/build/").next().unwrap_or_default();
        let module = if module.starts_with("target") || module.starts_with("build") { "" } else { module };
        for file in xml_files(&folder) {
            parsed.complete = true;
            read(&mut parsed, &file, module);
        }
    }
    let text = formats::plain(&format!("{}\n{}", evidence.stdout(), evidence.stderr()));
    if let Some(message) = build_failure(&text).filter(|_| parsed.tests.is_empty()) {
        parsed.fail(Scope::Suite, BUILD, message);
    }
    parsed
}

fn read(parsed: &mut Parsed, file: &Path, module: &str) {
    let small = std::fs::symlink_metadata(file).is_ok_and(|m| m.is_file() && m.len() <= REPORT_CAP_BYTES);
    let Some(bytes) = small.then(|| std::fs::read(file).ok()).flatten() else { return unreadable(parsed, file) };
    let mut one = junit::report(&bytes);
    if !module.is_empty() {
        one.tests = one.tests.into_iter().map(|(id, r)| (TestId(format!("{module}:{id}")), r)).collect();
    }
    parsed.merge(one);
}

fn xml_files(folder: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).follow_links(false).max_depth(Some(3)).build();
    let mut files: Vec<PathBuf> = walk.flatten().map(|e| e.into_path()).collect();
    files.retain(|f| {
        f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("TEST-"))
            && f.extension().is_some_and(|e| e == "xml")
    });
    files.sort();
    files
}

/// The compiler's messages.
fn build_failure(text: &str) -> Option<String> {
    let said = [
        "COMPILATION ERROR",
        "Compilation failed",
        "Could not resolve dependencies",
        "Compilation failure",
        "Non-resolvable",
    ];
    if !said.iter().any(|s| text.contains(s)) {
        return None;
    }
    let wanted = |l: &&str| {
        l.starts_with("[ERROR]")
            || l.contains("error:")
            || l.starts_with("> ")
            || l.starts_with("  symbol")
            || l.starts_with("  location")
            || l.starts_with("e: ")
    };
    let lines: Vec<&str> = text.lines().filter(wanted).collect();
    Some(lines.join("\n"))
}
