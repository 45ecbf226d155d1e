//! Rules of the house, as tests: the floor map, first lines, what the README promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. An import may only point down, or stay inside its own room; on one floor only where a
/// pair is listed in [`NEIGHBOURS`].
const FLOORS: &[&[&str]] = &[
    &["chance", "error", "likeness", "mask", "system", "words"],
    &["process", "config", "trajectory"],
    &["repo", "suite", "patch", "syntax", "state", "model", "cache"],
    &["lab", "failure"],
    &["fixer", "judge", "supervise", "turns"],
    &["heal", "council", "prd", "learn"],
    &["report", "console"],
    &["github"],
    &["cli"],
];

/// Imports inside one floor, each with its reason.
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("error", "words", "an exit code is named after a verdict"),
    ("trajectory", "process", "secret values of the environment are redacted before an entry is written"),
    ("repo", "patch", "a workspace writes patches, a store diffs trees into them"),
    ("repo", "state", "named kill points for the tests of law 5"),
    ("model", "cache", "every turn goes through the cache"),
    ("patch", "repo", "a diff from outside becomes a patch against a snapshot in the store"),
    ("patch", "syntax", "a patch that does not parse in its language is refused before any test runs"),
    ("console", "report", "the end screen shows what the report says"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    files.sort();
    files
}

fn room_of(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// A file or folder of unit tests: tests may look wherever they like.
fn is_test(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "tests") || path.file_name().is_some_and(|n| n == "tests.rs")
}

/// Everything before the unit tests: tests may look wherever they like.
fn product_part(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |at| &text[..at])
}

#[test]
fn imports_point_down_the_floors() {
    let floor: BTreeMap<&str, usize> =
        FLOORS.iter().enumerate().flat_map(|(n, rooms)| rooms.iter().map(move |r| (*r, n))).collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let room = room_of(&file);
        if matches!(room.as_str(), "lib" | "main") || is_test(&file) {
            continue;
        }
        let from =
            *floor.get(room.as_str()).unwrap_or_else(|| panic!("room `{room}` is on no floor: add it to FLOORS"));
        let text = fs::read_to_string(&file).unwrap();
        for (n, line) in product_part(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for at in code.match_indices("crate::").map(|(at, m)| at + m.len()) {
                let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(to) = floor.get(name.as_str()) else { continue };
                let neighbour = NEIGHBOURS.iter().any(|(a, b, _)| *a == room && *b == name);
                if name != room && *to >= from && !neighbour {
                    wrong.push(format!("{}:{}: {room} (floor {from}) uses {name} (floor {to})", file.display(), n + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_in_its_first_line_what_it_is_for() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|f| {
            let text = fs::read_to_string(f).unwrap();
            let first = text.lines().next().unwrap_or_default();
            !first.starts_with("//! ") || first.len() < 20
        })
        .collect();
    assert!(silent.is_empty(), "no `//!` line that says what the file is for: {silent:#?}");
}

#[test]
fn main_is_at_most_forty_lines() {
    let lines = fs::read_to_string(root().join("src/main.rs")).unwrap().lines().count();
    assert!(lines <= 40, "main.rs has {lines} lines: move what is new into the library");
}

#[test]
fn only_the_console_prints() {
    let printing: Vec<_> = sources()
        .into_iter()
        .filter(|f| !matches!(room_of(f).as_str(), "console"))
        .filter(|f| !is_test(f))
        .filter(|f| {
            let text = fs::read_to_string(f).unwrap();
            product_part(&text).lines().any(|l| {
                let code = l.split("//").next().unwrap_or_default();
                ["println!(", "eprintln!(", "print!(", "eprint!("].iter().any(|m| {
                    code.match_indices(m).any(|(at, _)| {
                        at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"')
                    })
                })
            })
        })
        .collect();
    assert!(printing.is_empty(), "printing outside the console: {printing:#?}");
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks = ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("TO", "DO:")];
    let left: Vec<_> = sources()
        .into_iter()
        .flat_map(|f| {
            let text = fs::read_to_string(&f).unwrap();
            let found: Vec<_> = product_part(&text)
                .lines()
                .enumerate()
                .filter(|(_, l)| marks.iter().any(|m| l.contains(m)))
                .map(|(n, l)| format!("{}:{}: {}", f.display(), n + 1, l.trim()))
                .collect();
            found
        })
        .collect();
    assert!(left.is_empty(), "left for later:\n{}", left.join("\n"));
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn ci_runs_the_readmes_test_command() {
    let readme = readme();
    let after = readme.split("<!-- test-command -->").nth(1).expect("README marks its test command");
    let command = after.split("```").nth(1).unwrap().lines().nth(1).unwrap().trim().to_owned();
    assert!(!command.is_empty());
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|l| l.trim().ends_with(&command)), ".ci/run does not call `{command}`");
}

#[test]
fn the_readme_lists_exactly_the_exit_codes_that_exist() {
    let readme = readme();
    let table = readme.split("<!-- exit-codes -->").nth(1).expect("README marks its exit codes");
    let promised: Vec<u8> = table
        .lines()
        .take_while(|l| !l.starts_with('#'))
        .filter_map(|l| l.strip_prefix("| ")?.split('|').next()?.trim().trim_matches('`').parse().ok())
        .collect();
    let real: Vec<u8> = kaizen_ci::error::Exit::ALL.iter().map(|e| e.code()).collect();
    assert_eq!(promised, real);
}

#[test]
fn workflows_pin_their_actions_and_ask_for_no_permission_at_the_top() {
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\npermissions: {}\n"), "{}: top-level `permissions: {{}}`", path.display());
        for line in text.lines().filter(|l| l.trim_start().trim_start_matches("- ").starts_with("uses:")) {
            let pinned = line.split('@').nth(1).and_then(|v| v.split_whitespace().next()).unwrap_or_default();
            assert!(
                pinned.len() == 40 && pinned.chars().all(|c| c.is_ascii_hexdigit()),
                "{}: not pinned to a commit: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn every_fixture_project_tells_its_story() {
    let projects = root().join("fixtures/projects");
    let mut seen = 0;
    for entry in fs::read_dir(&projects).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen += 1;
            let story = fs::read_to_string(path.join("STORY")).unwrap_or_default();
            assert!(story.trim().lines().count() == 1, "{}: STORY must be one line", path.display());
        }
    }
    assert!(seen >= 6, "only {seen} fixture projects");
}

#[test]
fn the_readme_lists_exactly_the_inputs_of_the_action() {
    let action: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    let mut expected = String::from("\n| input | default | meaning |\n|---|---|---|\n");
    for (name, input) in action["inputs"].as_mapping().unwrap() {
        let text = |field: &str| input[field].as_str().unwrap_or_default();
        let default = if text("default").is_empty() { String::new() } else { format!("`{}`", text("default")) };
        expected.push_str(&format!("| `{}` | {default} | {} |\n", name.as_str().unwrap(), text("description")));
    }
    let readme = readme();
    let table = readme.split("<!-- action-inputs -->").nth(1).expect("README marks the inputs of the Action");
    assert_eq!(table.split("<!-- /action-inputs -->").next().unwrap(), expected);
}

#[test]
fn inputs_of_the_action_reach_its_scripts_through_the_environment_only() {
    let action: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    for step in action["runs"]["steps"].as_sequence().unwrap() {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(!script.contains("${{"), "an expression inside a script:\n{script}");
    }
}

#[test]
fn the_readme_lists_exactly_the_outputs_of_the_action_and_the_commands_of_comments() {
    let action: serde_yaml::Value =
        serde_yaml::from_str(&fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    let mut expected = String::from("\n| output | meaning |\n|---|---|\n");
    for (name, output) in action["outputs"].as_mapping().unwrap() {
        let about = output["description"].as_str().unwrap_or_default();
        expected.push_str(&format!("| `{}` | {about} |\n", name.as_str().unwrap()));
    }
    let readme = readme();
    let between = |mark: &str| {
        let after = readme.split(&format!("<!-- {mark} -->")).nth(1).unwrap_or_else(|| panic!("README marks {mark}"));
        after.split(&format!("<!-- /{mark} -->")).next().unwrap().to_owned()
    };
    assert_eq!(between("action-outputs"), expected);
    assert_eq!(between("orders").trim_start(), kaizen_ci::cli::action::asked::table());
}

#[test]
fn messages_that_the_readme_explains_are_said_somewhere() {
    let readme = readme();
    let table = readme.split("### When it says …").nth(1).expect("README explains messages");
    let mut said = String::new();
    for file in sources() {
        // a text that is broken over lines is one text
        let text = fs::read_to_string(&file).unwrap();
        said.extend(text.split_whitespace().filter(|word| *word != "\\").map(|word| format!("{word} ")));
    }
    said.push_str(&fs::read_to_string(root().join("scripts/action-program.sh")).unwrap());
    let rows =
        table.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let mut seen = 0;
    for row in rows {
        let message = row.split('`').nth(1).unwrap();
        for part in message.split('…').map(str::trim).filter(|part| part.len() > 3) {
            assert!(said.contains(part) || part == "Permission denied", "nothing says {part:?} of {message:?}");
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} messages");
}

/// The last part of a name in the table of attacks, up to where it is cut.
fn beginning(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or_default().trim_end_matches('…')
}

#[test]
fn every_test_that_the_table_of_attacks_names_is_there() {
    let table = fs::read_to_string(root().join("tests/it/github/attacks.rs")).unwrap();
    let mut all = String::new();
    let mut files = sources();
    rust_files(&root().join("tests"), &mut files);
    for file in files {
        all.push_str(&fs::read_to_string(file).unwrap());
    }
    let mut seen = 0;
    let rows = table.lines().take_while(|line| line.starts_with("//!")).filter_map(|line| line.strip_prefix("//! |"));
    // behind the heading and the line below it
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').collect();
        let tests = cells.last().unwrap().split('`').skip(1).step_by(2);
        assert!(cells.len() == 3 && tests.clone().count() > 0, "no test is named: {row}");
        for name in tests {
            let start = beginning(name);
            // a room alone would always be found
            assert!(start.len() > 4 && start != "tests", "no test is named: {name:?}");
            assert!(all.contains(&format!("fn {start}")), "there is no test {name:?}");
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} tests");
}
