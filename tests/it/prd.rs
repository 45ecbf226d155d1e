//! `kaizen-ci prd --lint-only` as people and scripts use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prd").join(name)
}

fn prd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kaizen-ci")).arg("prd").args(args).output().unwrap()
}

fn json(out: &Output) -> serde_json::Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

#[test]
fn a_good_document_ends_with_0_and_a_bad_one_with_60_and_lines_rules_and_words_to_write() {
    let out = prd(&[fixture("good/export.md").to_str().unwrap(), "--lint-only"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(said.starts_with("passes "), "{said}");
    let out = prd(&[fixture("bad/wishes.md").to_str().unwrap(), "--lint-only"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(60), "{said}");
    let vague = said.lines().position(|line| line.contains("9:29") && line.contains("vague-word")).expect("its line");
    assert!(said.lines().nth(vague + 1).unwrap().contains("within 200 ms"), "{said}");
}

#[test]
fn the_json_document_is_valid_and_sarif_names_the_same_lines() {
    let path = fixture("bad/gaps.md");
    let path = path.to_str().unwrap();
    let document = json(&prd(&[path, "--lint-only", "--json"]));
    let schema = Command::new(env!("CARGO_BIN_EXE_kaizen-ci")).args(["schema", "prd"]).output().unwrap();
    assert!(jsonschema::validator_for(&json(&schema)).unwrap().is_valid(&document), "{document:#}");
    assert_eq!(document["exit"], 60);
    let sarif = json(&prd(&[path, "--lint-only", "--sarif"]));
    assert_eq!(sarif["version"], "2.1.0");
    let of = |value: &serde_json::Value, line: fn(&serde_json::Value) -> &serde_json::Value| {
        value.as_array().unwrap().iter().map(|one| line(one).as_u64().unwrap()).collect::<Vec<_>>()
    };
    let lines = of(&document["findings"], |finding| &finding["line"]);
    assert!(lines.len() > 5);
    assert_eq!(
        of(&sarif["runs"][0]["results"], |r| &r["locations"][0]["physicalLocation"]["region"]["startLine"]),
        lines
    );
}

#[test]
fn with_a_baseline_what_passed_does_not_flip_at_the_threshold() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prd.md");
    let head = "# Goal\n\nSave time.\n\n# Requirements\n\n";
    let rows: String =
        (1..=30).map(|n| format!("- REQ-{n}: The shop shall sell book {n}. Acceptance: book {n} is sold.\n")).collect();
    let tail = "\n# Out of scope\n\nMaps.\n";
    let good = format!("{head}{rows}{tail}");
    std::fs::write(&path, &good).unwrap();
    let (path, last) = (path.to_str().unwrap(), dir.path().join("last.json"));
    let out = prd(&[path, "--lint-only", "--threshold", "1", "--json"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
    std::fs::write(&last, &out.stdout).unwrap();
    // one vague word more is below the threshold, but not clearly
    std::fs::write(path, good.replace("book 7. ", "fast book 7. ")).unwrap();
    assert_eq!(prd(&[path, "--lint-only", "--threshold", "1"]).status.code(), Some(60));
    let with = ["--lint-only", "--threshold", "1", "--baseline", last.to_str().unwrap()];
    assert_eq!(prd(&[&[path], &with[..]].concat()).status.code(), Some(0));
    std::fs::write(path, good.replace("sell book", "quickly sell many book")).unwrap();
    assert_eq!(prd(&[&[path], &with[..]].concat()).status.code(), Some(60));
}

#[test]
fn sarif_names_a_document_as_the_repository_does_from_wherever_it_is_asked() {
    let project = crate::project::Project::empty();
    project.write("docs/my prd.md", "# Requirements\n\n- REQ-1: The shop shall be fast.\n");
    project.commit("Document");
    let absolute = project.root().join("docs/my prd.md");
    for (dir, path) in [("", "docs/my prd.md"), ("docs", "my prd.md"), ("docs", absolute.to_str().unwrap())] {
        let mut command = project.command(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.current_dir(project.root().join(dir)).args(["prd", path, "--lint-only", "--sarif"]);
        let sarif = json(&command.output().unwrap());
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, "docs/my%20prd.md", "{dir} {path}");
    }
}

#[test]
fn several_documents_a_folder_and_standard_input_are_linted() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    for (name, from) in [("a.md", "good/plain.md"), ("sub/b.md", "bad/wishes.md"), (".hidden/c.md", "bad/gaps.md")] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixture(from), path).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "TBD").unwrap();
    let in_dir = |args: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kaizen-ci"));
        command.arg("prd").args(args).current_dir(dir.path());
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let out = in_dir(&[".", "--lint-only", "--json"], "");
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<&str> = lines.iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!((files, out.status.code()), (vec!["./a.md", "./sub/b.md"], Some(60)));
    assert_eq!(in_dir(&["a.md", "a.md", "--lint-only"], "").status.code(), Some(0));
    let sarif = json(&in_dir(&["a.md", "sub", "--lint-only", "--sarif"], ""));
    assert!(sarif["runs"][0]["results"].as_array().unwrap().len() > 5);
    let good = std::fs::read_to_string(fixture("good/plain.md")).unwrap();
    let out = in_dir(&["-", "--lint-only", "--json"], &good);
    assert_eq!((out.status.code(), json(&out)["file"].as_str()), (Some(0), Some("-")));
    assert_eq!(in_dir(&["-", "--lint-only"], "# Nothing\n").status.code(), Some(60));
    for wrong in [&["a.md", "sub/b.md"] as &[&str], &["sub"], &[".hidden/none", "--lint-only"]] {
        assert_eq!(in_dir(wrong, "").status.code(), Some(64), "{wrong:?}");
    }
    let rules = String::from_utf8(in_dir(&["--rules"], "").stdout).unwrap();
    assert!(rules.contains("vague-word") && rules.contains("<!-- kaizen-ci off: vague-word"), "{rules}");
}
