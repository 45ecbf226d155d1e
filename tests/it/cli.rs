//! The program as people and scripts use it: help, bad usage, documents and their schemas, init, doctor, hook, heal.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kaizen_ci::config::reference;
use kaizen_ci::error::Exit;

const SUBCOMMANDS: [&str; 22] = [
    "heal",
    "judge",
    "demo",
    "init",
    "models",
    "doctor",
    "runs",
    "show",
    "replay",
    "council",
    "prd",
    "stats",
    "retro",
    "export",
    "diagnose",
    "clean",
    "cache",
    "hook",
    "action",
    "schema",
    "completions",
    "man",
];

/// A git repository with a small Python project, and a temporary folder of its own for workspaces.
struct Shop {
    dir: tempfile::TempDir,
}

const GOOD: &str = "def total(price, tax, discount):\n    return price * (1 - discount) + tax\n";
const BAD: &str = "def total(price, tax, discount):\n    return (price + tax) * (1 - discount)\n";
const TESTS: &str = "import unittest\n\nfrom cart import total\n\n\nclass T(unittest.TestCase):\n    \
    def test_plain(self):\n        self.assertEqual(total(100, 10, 0), 110)\n\n    \
    def test_discount(self):\n        self.assertEqual(total(100, 10, 0.5), 60)\n";

impl Shop {
    /// Green at its only commit.
    fn green() -> Self {
        let shop = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(shop.root()).unwrap();
        std::fs::create_dir_all(shop.dir.path().join("tmp")).unwrap();
        shop.git(&["init", "--quiet", "--initial-branch=main"]);
        shop.write("cart.py", GOOD);
        shop.write("test_cart.py", TESTS);
        shop.write(".gitignore", "__pycache__/\n");
        shop.write(".kaizen.yml", "cmd: python3 -m unittest\n");
        shop.commit("A cart");
        shop
    }
    /// Red since its second commit, on a branch.
    fn red() -> Self {
        let shop = Self::green();
        shop.git(&["checkout", "--quiet", "-b", "feature"]);
        shop.write("cart.py", &format!("{BAD}\n\ndef is_free():\n    return False\n"));
        shop.commit("Tidy up");
        shop
    }
    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("a shop")
    }
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root().join(name), text).unwrap();
    }
    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }
    fn git(&self, args: &[&str]) -> String {
        let mut command = self.clean("git");
        command.args(["-c", "user.name=T", "-c", "user.email=t@example.org"]).args(args).current_dir(self.root());
        let out = command.output().unwrap();
        assert!(out.status.success(), "git {args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    }
    /// A command with nothing of the tester's own configuration.
    fn clean(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if ["GIT_", "KAIZEN_", "NO_COLOR"].iter().any(|own| name.as_encoded_bytes().starts_with(own.as_bytes())) {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("KAIZEN_TMP", self.dir.path().join("tmp"))
            .stdin(Stdio::null());
        command
    }
    fn run(&self, args: &[&str]) -> Output {
        self.clean(env!("CARGO_BIN_EXE_kaizen-ci")).args(args).current_dir(self.root()).output().unwrap()
    }
    /// Nothing of the user's is changed and nothing is left in the folder for workspaces.
    fn assert_untouched(&self) {
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        assert_eq!(std::fs::read_dir(self.dir.path().join("tmp")).unwrap().count(), 0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(out: &Output) -> serde_json::Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", text(&out.stdout), text(&out.stderr)))
}

fn schema(of: &str) -> jsonschema::Validator {
    let out = plain(&["schema", of]);
    jsonschema::validator_for(&json(&out)).unwrap()
}

/// The program without a repository.
fn plain(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kaizen-ci")).args(args).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn every_subcommand_teaches_by_its_help() {
    for name in SUBCOMMANDS {
        let out = plain(&[name, "--help"]);
        let help = text(&out.stdout);
        assert!(out.status.success() && out.stderr.is_empty(), "{name}");
        assert!(help.contains("Examples:") && help.contains(&format!("kaizen-ci {name}")), "{name}\n{help}");
    }
    let help = text(&plain(&["--help"]).stdout);
    assert!(SUBCOMMANDS.iter().all(|name| help.contains(&format!("  {name} "))), "{help}");
}

#[test]
fn every_option_is_read_by_the_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let code: String = crate::project::files_below(&folder).into_iter().map(|(_, text)| text).collect();
    fn check(command: &clap::Command, code: &str) {
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            // What is left of the line that declares it does not count; the hook's arguments are taken apart by name.
            let read = [
                format!("args.{id}"),
                format!("self.{id}"),
                format!("global.{id}"),
                format!("suites.{id}"),
                format!("healing.{id}"),
                format!("delivery.{id}"),
                format!("Run {{ {id}"),
            ];
            let all = ["help", "version", "no_color", "url"].contains(&id)
                || read.iter().any(|words| code.contains(words.as_str()));
            assert!(all, "nobody reads `{id}` of {}", command.get_name());
        }
        command.get_subcommands().for_each(|sub| check(sub, code));
    }
    let mut command = kaizen_ci::cli::command();
    command.build();
    check(&command, &code);
}

#[test]
fn bad_usage_exits_64_with_what_to_do() {
    for (args, words) in [
        (&["heal", "--no-such-option"][..], "unexpected argument '--no-such-option'"),
        (&["heal", "-C", "/nonexistent/folder"], "/nonexistent/folder is not a folder"),
        (&["heal", "-C", "/"], "error:"),
        (&["heal", "--time-limit", "10"], "--time-limit must be a duration"),
        (&["heal", "--max-tier", "7"], "--max-tier must be a whole number from 1 to 3"),
        (&["heal", "--fixers", "magic"], "no fixer `magic`"),
        (&["heal", "--suite", "web"], "no suite `web`"),
        (&["heal", "--base", "nowhere"], "nowhere"),
        (&["judge", "/nonexistent.patch"], "can't read the patch"),
        (&["show", "no-such-run"], "no-such-run"),
        (&["prd", "cart.py"], "--lint-only"),
        (&["prd", "nowhere.md", "--lint-only"], "can't read the document"),
        (&["prd", "cart.py", "--lint-only", "--threshold", "7"], "from 0 to 1"),
        (&["diagnose", "nowhere.jsonl"], "there is no file"),
        (&["diagnose", "cart.py"], "holds no event"),
    ] {
        let shop = Shop::green();
        let out = shop.run(args);
        let err = text(&out.stderr);
        assert_eq!(out.status.code(), Some(64), "{args:?}\n{err}");
        assert!(err.contains("error: ") && err.contains(words) && err.contains("\n  exit   64"), "{args:?}\n{err}");
        assert!(out.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_and_the_manual_page_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&plain(&["completions", shell]).stdout);
        assert!(SUBCOMMANDS.iter().all(|name| script.contains(name)), "{shell}");
    }
    let page = text(&plain(&["man"]).stdout);
    assert!(page.starts_with(".ie") || page.contains(".TH kaizen"), "{page}");
    for exit in Exit::ALL {
        assert!(page.contains(&format!("{} ({})", exit.code(), exit.name().replace('-', "\\-"))), "{}", exit.name());
    }
}

#[test]
fn the_readme_holds_the_exit_codes_and_the_configuration_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    for (name, generated) in [("exit-codes", Exit::markdown()), ("configuration", reference::markdown())] {
        let (from, to) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let start = readme.find(&from).unwrap_or_else(|| panic!("no {from}")) + from.len();
        let end = readme.find(&to).unwrap_or_else(|| panic!("no {to}"));
        assert_eq!(readme[start..end].trim(), generated.trim(), "the README's part {name} is not what the code says");
    }
}

#[test]
fn a_red_branch_heals_and_every_document_of_it_is_valid() {
    let shop = Shop::red();
    let out = shop.run(&["heal", "--json", "--dry-run", "--fixers", "undo"]);
    let document = json(&out);
    assert_eq!(out.status.code(), Some(10), "{document:#}\n{}", text(&out.stderr));
    assert!(schema("heal").is_valid(&document));
    assert_eq!(document["outcome"], "healed_not_applied");
    assert_eq!(document["heal"]["fixer"], "undo");
    shop.assert_untouched();

    // The run can be listed, shown in every form, and its patch applies and heals.
    let runs = json(&shop.run(&["runs", "--json"]));
    assert_eq!(runs["runs"][0]["outcome"], "healed_not_applied");
    assert!(text(&shop.run(&["runs"]).stdout).contains("healed by undo"));
    assert_eq!(json(&shop.run(&["show", "--json"]))["heal"]["patch"], document["heal"]["patch"]);
    assert!(text(&shop.run(&["show", "--markdown"]).stdout).contains("# Healed by undo"));
    let screen = text(&shop.run(&["show"]).stdout);
    assert!(screen.contains("git apply '") && !screen.contains('\x1b'), "{screen}");
    let events = schema("events");
    for line in text(&shop.run(&["show", "--events"]).stdout).lines() {
        assert!(events.is_valid(&serde_json::from_str(line).unwrap()), "{line}");
    }
    let folder = Path::new(runs["runs"][0]["folder"].as_str().unwrap()).to_path_buf();
    for name in ["report.md", "report.json", "report.html", "heal.patch", "events.jsonl"] {
        assert!(folder.join(name).is_file(), "{name}");
    }

    // The judge alone says the same of the same patch, and refuses one that heals nothing.
    let patch = document["heal"]["patch"].as_str().unwrap();
    let judged = shop.run(&["judge", patch, "--json"]);
    assert_eq!(judged.status.code(), Some(0), "{}", text(&judged.stdout));
    assert!(schema("judge").is_valid(&json(&judged)));
    shop.write("useless.diff", "--- a/cart.py\n+++ b/cart.py\n@@ -1,2 +1,3 @@\n def total(price, tax, discount):\n+    price = price\n     return (price + tax) * (1 - discount)\n");
    let judged = shop.run(&["judge", "useless.diff"]);
    assert_eq!(judged.status.code(), Some(40), "{}{}", text(&judged.stdout), text(&judged.stderr));
    assert_eq!(shop.run(&["judge", "cart.py"]).status.code(), Some(44));
    std::fs::remove_file(shop.root().join("useless.diff")).unwrap();
    shop.assert_untouched();

    // The receipt holds under replay, and one that was tampered with does not.
    let receipt = Path::new(document["heal"]["receipt"].as_str().unwrap());
    let written = std::fs::read_to_string(receipt).unwrap();
    assert!(schema("receipt").is_valid(&serde_json::from_str(&written).unwrap()), "{written}");
    let replayed = shop.run(&["replay", receipt.to_str().unwrap()]);
    assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stdout));
    std::fs::write(receipt, written.replace("\"verdict\": \"healed\"", "\"verdict\": \"still_red\"")).unwrap();
    assert_eq!(shop.run(&["replay", receipt.to_str().unwrap()]).status.code(), Some(50));
    shop.assert_untouched();

    // Applied by heal itself, the tests are green.
    let out = shop.run(&["heal", "--apply", "--quiet"]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout).lines().count(), 2, "{}", text(&out.stdout));
    assert!(std::fs::read_to_string(shop.root().join("cart.py")).unwrap().contains("is_free"));
    let out = shop.run(&["heal", "--json"]);
    assert_eq!((out.status.code(), json(&out)["outcome"].as_str()), (Some(0), Some("already_green")));
    assert_eq!(shop.run(&["judge", patch]).status.code(), Some(44), "the patch is in already");

    assert!(text(&shop.run(&["clean", "--older", "0s"]).stdout).contains("removed run "));
    assert_eq!(json(&shop.run(&["runs", "--json"]))["runs"], serde_json::json!([]));
}

#[test]
fn init_writes_a_file_that_works_and_does_not_write_over_one() {
    let shop = Shop::green();
    let out = shop.run(&["init"]);
    assert_eq!(out.status.code(), Some(64));
    assert!(text(&out.stderr).contains("kaizen-ci init --force"), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_to_string(shop.root().join(".kaizen.yml")).unwrap(), "cmd: python3 -m unittest\n");
    std::fs::remove_file(shop.root().join(".kaizen.yml")).unwrap();
    let out = shop.run(&["init"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let written = std::fs::read_to_string(shop.root().join(".kaizen.yml")).unwrap();
    assert!(written.contains("# time_limit: 10m\n"), "{written}");
    assert_eq!(text(&shop.run(&["init", "--print"]).stdout), written);
    assert!(shop.run(&["init", "--force"]).status.success());
    assert!(shop.run(&["doctor"]).status.success());
}

#[test]
fn doctor_says_what_it_found_and_what_to_do() {
    let shop = Shop::red();
    shop.write(".env", "SECRET=1\n");
    shop.write(".gitignore", "__pycache__/\n.env\n");
    let out = shop.run(&["doctor"]);
    let said = text(&out.stdout);
    assert!(out.status.success() && !said.contains('\x1b'), "{said}");
    for words in
        ["✓ git", "feature@", "main, left at", "python3 -m unittest", "Python (2 files)", ".env", "✓ processes"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    shop.write(".kaizen.yml", "cmd: no-such-program-here --all\n");
    let out = shop.run(&["doctor", "--json"]);
    let document = json(&out);
    assert_eq!((out.status.code(), document["exit"].as_u64()), (Some(22), Some(22)));
    let bad: Vec<_> = document["checks"].as_array().unwrap().iter().filter(|check| check["level"] == "bad").collect();
    assert!(bad.len() == 1 && bad[0]["do"].as_str().unwrap().contains("no-such-program-here"), "{bad:?}");
    let setting = document["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == "cmd").unwrap();
    assert_eq!(setting["origin"], serde_json::json!({"from": "file", "line": 1}));
}

#[test]
fn a_mistake_in_the_configuration_names_its_line() {
    let shop = Shop::green();
    shop.write(".kaizen.yml", "cmd: python3 -m unittest\ntime_limt: 10m\n");
    let out = shop.run(&["heal"]);
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(64));
    assert!(err.contains(".kaizen.yml, line 2: unknown key `time_limt`") && err.contains("`time_limit`?"), "{err}");
}

/// Writes an executable hook that notes its input and ends with `code`.
fn write_hook(path: &Path, code: i32) -> Vec<u8> {
    let script = format!(
        "#!/bin/sh\necho \"$1 $2\" > \"$(dirname \"$0\")/saw\"\ncat >> \"$(dirname \"$0\")/saw\"\nexit {code}\n"
    );
    std::fs::write(path, &script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750)).unwrap();
    script.into_bytes()
}

#[test]
fn a_hook_that_is_there_runs_first_and_comes_back_byte_for_byte() {
    let shop = Shop::green();
    let hooks = shop.root().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let theirs = write_hook(&hooks.join("pre-push"), 7);
    for _ in 0..2 {
        assert!(shop.run(&["hook", "install"]).status.success());
    }
    assert_ne!(std::fs::read(hooks.join("pre-push")).unwrap(), theirs);

    // Theirs sees the arguments and the input, and its failure stops the push before any test is run.
    let push = |input: &str| {
        let mut command = shop.clean(hooks.join("pre-push").to_str().unwrap());
        let mut child = command
            .args(["origin", "git@example.org:x"])
            .current_dir(shop.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(push("refs/heads/x 1 refs/heads/x 2\n").status.code(), Some(7));
    let saw = std::fs::read_to_string(hooks.join("saw")).unwrap();
    assert_eq!(saw, "origin git@example.org:x\nrefs/heads/x 1 refs/heads/x 2\n");

    assert!(shop.run(&["hook", "uninstall"]).status.success());
    assert_eq!(std::fs::read(hooks.join("pre-push")).unwrap(), theirs);
    assert_eq!(std::fs::metadata(hooks.join("pre-push")).unwrap().permissions().mode() & 0o777, 0o750);
    let names: Vec<_> = std::fs::read_dir(&hooks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("kaizen")), "{names:?}");
    assert_eq!(
        text(&shop.run(&["hook", "uninstall"]).stderr).lines().next().map(|l| l.ends_with("is not ours")),
        Some(true)
    );
}

#[test]
fn a_push_of_red_tests_is_stopped_and_a_green_one_goes_on() {
    let shop = Shop::red();
    let remote = shop.dir.path().join("remote.git");
    shop.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    shop.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    assert!(shop.run(&["hook", "install"]).status.success());
    let push = |args: &[&str], skip: bool| {
        let mut command = shop.clean("git");
        command.arg("push").args(args).current_dir(shop.root());
        if skip {
            command.env("KAIZEN_SKIP", "1");
        }
        command.output().unwrap()
    };
    let out = push(&["origin", "feature"], false);
    let err = text(&out.stderr);
    assert!(!out.status.success() && err.contains("1 test red") && err.contains("KAIZEN_SKIP=1"), "{err}");
    assert!(push(&["origin", "main"], false).status.success(), "main is green, whatever is checked out");
    assert!(push(&["origin", "feature"], true).status.success());
    assert!(push(&["origin", ":feature"], false).status.success(), "a deletion runs no test");
    shop.assert_untouched();
}

#[test]
fn hooks_that_another_tool_manages_are_left_alone() {
    let shop = Shop::green();
    shop.git(&["config", "core.hooksPath", ".husky"]);
    let out = shop.run(&["hook", "install"]);
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(64));
    assert!(err.contains(".husky") && err.contains("kaizen-ci hook run \"$@\""), "{err}");
    assert!(!shop.root().join(".husky").exists());
}

#[test]
fn the_demo_heals_and_leaves_nothing() {
    let shop = Shop::green();
    let out = shop.run(&["demo", "--language", "python"]);
    let said = text(&out.stdout);
    assert_eq!(out.status.code(), Some(0), "{said}\n{}", text(&out.stderr));
    assert!(said.contains("healed by ") && said.contains("the new function is still there"), "{said}");
    shop.assert_untouched();
}
