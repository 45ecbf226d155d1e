//! Tests of the configuration: every error message, the layers, and what is generated from the table.

use std::path::Path;

use super::*;

fn file(text: &str) -> Result<Loaded> {
    layered(Some(text), &[], &[])
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn every_default_in_the_table_is_a_valid_value_of_its_key() {
    for key in KEYS {
        if let Some(default) = key.default.filter(|_| key.name != "version") {
            assert!(value::from_text(key, default).is_ok(), "{}", key.name);
        }
    }
    let config = Config::default();
    assert_eq!(config.time_limit, Duration::from_secs(600));
    assert_eq!(config.pause, Duration::from_secs(6 * 60 * 60));
    assert_eq!((config.repeat, config.reruns, config.max_tier), (2, 2, 3));
    assert_eq!(config.log_cap_bytes, crate::process::LOG_CAP_BYTES);
    assert!(config.parallel >= 1 && !config.allow_test_changes);
}

#[test]
fn a_full_file_is_read() {
    let text = "version: 1\nsuites:\n  - name: api\n    dir: ./services/api/\n    cmd: pytest -q\n    runner: pytest\n  \
                - {name: web, cmd: npm test}\nbase: develop\nfixers: [undo]\nmax_tier: 2\ntime_limit: 1h30m\n\
                run_time_limit: 90s\nrepeat: 3\nreruns: 4\nprotected: ['a/**']\nallow_test_changes: true\n\
                carry:\n  add: [x]\n  skip: [y]\nenv:\n  allow: [Z_KEY]\npause: 0s\nparallel: 2\nlog_cap: 1 MiB\n";
    let config = file(text).unwrap().config;
    assert_eq!(config.suites.len(), 2);
    assert_eq!(config.suites[0].dir, "services/api");
    assert_eq!(config.suites[0].runner.as_deref(), Some("pytest"));
    assert_eq!(config.base.as_deref(), Some("develop"));
    assert_eq!(config.time_limit, Duration::from_secs(5400));
    assert_eq!(config.run_time_limit, Some(Duration::from_secs(90)));
    assert_eq!((config.carry_add.len(), config.carry_skip.len(), config.env_allow.len()), (1, 1, 1));
    assert_eq!((config.pause, config.parallel, config.log_cap_bytes), (Duration::ZERO, 2, 1 << 20));
    assert!(config.allow_test_changes);
}

#[test]
fn every_mistake_in_the_file_is_told_with_its_line_and_what_to_write() {
    let table: &[(&str, &str, &str)] = &[
        ("\ntime_limt: 10m\n", ".kaizen.yml, line 2: unknown key `time_limt`", "did you mean `time_limit`?"),
        ("colour: red\n", ".kaizen.yml, line 1: unknown key `colour`", "known: version, cmd, suites"),
        (
            "carry.add: [a]\n",
            "line 1: unknown key `carry.add`",
            "write `carry:` and below it, indented, `add: [third_party/cache]`",
        ),
        (
            "repeat: two\n",
            "`repeat` must be a whole number from 1 to 100, not the text `two`",
            "`repeat: 2`, the default",
        ),
        ("repeat: 0\n", "`repeat` must be a whole number from 1 to 100, not the number 0", "`repeat: 2`"),
        ("cmd: true\n", "`cmd` must be text, not `true`", "put it in quotes"),
        ("cmd: ''\n", "`cmd` is empty", "take the line out"),
        ("cmd: [pytest]\n", "`cmd` must be text, not a list", "for example `cmd: pytest -q`"),
        ("# c\n\ntime_limit: 10\n", "line 3: `time_limit` must be a duration", "`10s` for seconds, `10m` for minutes"),
        ("time_limit: soon\n", "`soon` is not a duration", "`time_limit: 10m`"),
        ("time_limit: 30d\n", "`time_limit` must be from 1s to 7d, not `30d`", "10m"),
        ("time_limit: 0s\n", "`time_limit` must be from 1s", "10m"),
        ("log_cap: 16 MB\n", "`log_cap` must be a size", "`log_cap: 16 MiB`"),
        ("log_cap: -1\n", "`log_cap` must be a size such as", "16 MiB"),
        ("fixers: undo\n", "`fixers` must be a list of texts, not the text `undo`", "write `[undo]`"),
        ("protected:\n  - a\n  - 7\n", "line 3: `protected` must hold texts, not the number 7", "for example"),
        ("allow_test_changes: 1\n", "`allow_test_changes` must be `true` or `false`, not the number 1", "false"),
        ("version: 2\n", "`version` is 2, which is newer than this kaizen-ci", "update kaizen-ci"),
        ("version: one\n", "`version` must be the number 1, not the text `one`", "version: 1"),
        (
            "carry: all\n",
            "line 1: `carry` must be a group of names, not the text `all`",
            "below it, indented: add, skip",
        ),
        ("carry:\n  ad: [x]\n", "line 2: unknown key `carry.ad`", "did you mean `add`?"),
        ("env:\n  allow: X\n", "line 2: `env.allow` must be a list of texts", "write `[X]`"),
        ("suites: []\n", "`suites` is an empty list", "found by themselves|find the suites by themselves"),
        ("suites:\n  - name: a\n", "line 2: `suites` has a suite without `cmd`", "for example"),
        ("suites:\n  - cmd: a\n", "line 2: `suites` has a suite without `name`", "for example"),
        (
            "suites:\n  - name: a\n    comand: b\n",
            "line 3: `suites` has no `comand`",
            "did you mean `cmd`?|known: name",
        ),
        (
            "suites:\n  - name: a\n    cmd: b\n    dir: ../x\n",
            "line 4: `suites` `dir` must be a folder inside",
            "example",
        ),
        ("suites:\n  - name: a\n    cmd: 7\n", "line 3: `suites` `cmd` must be text, not the number 7", "example"),
        ("suites:\n  - {name: a, cmd: b, runner: pytset}\n", "line 2: `suites` knows no runner `pytset`", "`pytest`?"),
        (
            "suites:\n  - {name: a, cmd: b}\n  - {name: a, cmd: c}\n",
            "line 3: `suites` has two suites named `a`",
            "example",
        ),
        ("suites:\n  - pytest\n", "line 2: `suites` must be a list of suites", "example"),
        ("cmd: a\nsuites:\n  - {name: a, cmd: b}\n", "line 2: `cmd` and `suites` exclude each other", "keep one"),
        ("- a\n", ".kaizen.yml must hold `key: value` lines, not a list", "kaizen-ci init --force"),
        ("a: b: c\n", ".kaizen.yml, line 1: mapping values are not allowed", "indentation"),
        ("cmd: 'x\n", "line", "quotes"),
        ("cmd: a\ncmd: b\n", "duplicate", "check"),
        ("1: a\n", "unknown key `the number 1`", "known"),
    ];
    for (text, what, hint) in table {
        let error = file(text).map(|_| ()).expect_err(text);
        assert_eq!(error.exit(), crate::error::Exit::Usage);
        assert!(error.what().contains(what), "{text:?}\n  got  {}\n  want {what}", error.what());
        let got = error.hint_text().unwrap_or_default();
        assert!(hint.split('|').any(|hint| got.contains(hint)), "{text:?}\n  got  {got}\n  want {hint}");
    }
}

#[test]
fn an_error_shows_the_line_itself() {
    let error = file("cmd: pytest\nrepeats: 3   # twice is not enough\n").unwrap_err();
    assert!(error.render().contains("why    2 | repeats: 3   # twice is not enough"), "{}", error.render());
    assert!(error.render().contains("do     did you mean `repeat`?"), "{}", error.render());
}

#[test]
fn an_empty_file_and_empty_values_mean_the_defaults() {
    for text in ["", "# nothing\n", "---\n", "cmd:\ntime_limit:\n", "carry: {}\n"] {
        assert_eq!(file(text).unwrap().config, Config::default(), "{text:?}");
    }
}

#[test]
fn a_layer_above_wins_and_the_origin_is_told() {
    let options = [Override { key: "time_limit", text: "3m".into() }];
    let variables = env(&[("KAIZEN_TIME_LIMIT", "2m"), ("KAIZEN_REPEAT", "5"), ("KAIZEN_ENV_ALLOW", "A_KEY, B_*")]);
    let loaded = layered(Some("time_limit: 1m\nreruns: 7\nrepeat: 6\n"), &variables, &options).unwrap();
    assert_eq!(loaded.config.time_limit, Duration::from_secs(180));
    assert_eq!((loaded.config.repeat, loaded.config.reruns), (5, 7));
    assert_eq!(loaded.config.env_allow, ["A_KEY", "B_*"]);
    let origin = |key: &str| loaded.settings.iter().find(|s| s.key == key).unwrap().origin.to_string();
    assert_eq!(origin("time_limit"), "--time-limit");
    assert_eq!(origin("repeat"), "KAIZEN_REPEAT");
    assert_eq!(origin("reruns"), ".kaizen.yml:2");
    assert_eq!(origin("pause"), "default");
}

#[test]
fn a_command_given_above_replaces_the_suites_of_the_file() {
    let text = "suites:\n  - {name: a, cmd: b}\n";
    let loaded = layered(Some(text), &[], &[Override { key: "cmd", text: "pytest".into() }]).unwrap();
    assert_eq!((loaded.config.cmd.as_deref(), loaded.config.suites.len()), (Some("pytest"), 0));
}

#[test]
fn mistakes_in_variables_and_options_name_them() {
    let table = [
        ("KAIZEN_TIME_LIMIT", "10", "KAIZEN_TIME_LIMIT must be a duration"),
        ("KAIZEN_REPEAT", "x", "KAIZEN_REPEAT must be a whole number from 1 to 100, not `x`"),
        ("KAIZEN_ALLOW_TEST_CHANGES", "maybe", "must be `true` or `false`, not `maybe`"),
        ("KAIZEN_LOG_CAP", "much", "KAIZEN_LOG_CAP must be a size"),
    ];
    for (name, text, words) in table {
        let error = layered(None, &env(&[(name, text)]), &[]).unwrap_err();
        assert!(error.what().contains(words), "{}", error.what());
    }
    let error = layered(None, &[], &[Override { key: "max_tier", text: "4".into() }]).unwrap_err();
    assert_eq!(error.what(), "--max-tier must be a whole number from 1 to 3, not `4`");
}

#[test]
fn a_variable_that_is_not_read_is_remarked_on() {
    let loaded = layered(None, &env(&[("KAIZEN_TIMELIMIT", "5m"), ("KAIZEN_TMP", "/x"), ("HOME", "/h")]), &[]).unwrap();
    assert_eq!(loaded.notes, ["the variable KAIZEN_TIMELIMIT is not read: did you mean `KAIZEN_TIME_LIMIT`?"]);
}

#[test]
fn the_limit_of_a_run_follows_the_red_run_within_bounds() {
    let mut config = Config::default();
    let seconds = Duration::from_secs;
    for (red, limit) in [(1, 60), (10, 100), (3600, 600)] {
        assert_eq!(config.limit_of_run(seconds(red)), seconds(limit), "{red}");
    }
    config.run_time_limit = Some(seconds(5));
    assert_eq!(config.limit_of_run(seconds(100)), seconds(5));
}

#[test]
fn the_commented_file_is_valid_as_it_is_and_with_every_comment_taken_off() {
    let found = |n: usize| -> Vec<reference::FoundSuite> {
        let suite = |i: usize| reference::FoundSuite {
            name: format!("s{i}"),
            dir: if n == 1 { String::new() } else { format!("dir {i}") },
            cmd: "pytest -q: \"x\" # y".into(),
        };
        (0..n).map(suite).collect()
    };
    for n in 0..3 {
        let text = reference::commented(&found(n));
        let config = file(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}")).config;
        assert_eq!(config.cmd.is_some(), n == 1);
        assert_eq!(config.suites.len(), if n == 2 { 2 } else { 0 });
    }
    let text = reference::commented(&[]);
    for key in KEYS {
        let last = key.name.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{last}:")), "{} is missing", key.name);
    }
    // Taking the `# ` off the lines that hold keys must give a file that is valid too.
    let is_key = |line: &str| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let name = bare.trim_start_matches([' ', '-', '#']).split(':').next().unwrap_or_default();
        bare.contains(':')
            && (KEYS.iter().any(|k| k.name.split('.').any(|part| part == name))
                || ["name", "dir", "cmd"].contains(&name))
    };
    let plain: Vec<String> = text
        .lines()
        .filter(|line| is_key(line) && !line.starts_with("#   #"))
        .map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line).to_owned())
        .filter(|line| !line.starts_with("cmd:"))
        .collect();
    let config = file(&plain.join("\n")).unwrap_or_else(|e| panic!("{e:?}\n{}", plain.join("\n"))).config;
    assert_eq!(config.suites[0].dir, "services/api");
    assert_eq!(config.carry_skip, ["target"]);
}

#[test]
fn the_schema_takes_what_we_take_and_refuses_what_we_refuse() {
    let schema = jsonschema::validator_for(&reference::schema()).unwrap();
    let valid = |text: &str| schema.is_valid(&serde_yaml::from_str::<serde_json::Value>(text).unwrap());
    for text in [
        "version: 1\ncmd: pytest\ntime_limit: 1h30m\nlog_cap: 16 MiB\ncarry: {add: [a]}\n",
        "suites: [{name: a, cmd: b, runner: node-test}]\npause: 0s\n",
    ] {
        assert!(valid(text) && file(text).is_ok(), "{text}");
    }
    for text in ["tim: 1", "repeat: two", "cmd: a\nsuites: [{name: a, cmd: b}]", "carry: {ad: [x]}", "time_limit: 10"] {
        assert!(!valid(text) && file(text).is_err(), "{text}");
    }
}

#[test]
fn the_reference_names_every_key_with_its_variable_and_option() {
    let text = reference::markdown();
    for key in KEYS {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", key.name))).unwrap();
        assert!(key.variable().is_none_or(|variable| row.contains(&variable)) && row.contains(key.about));
    }
}

#[test]
fn a_folder_without_a_file_has_the_defaults() {
    let loaded = load(Path::new("/nonexistent"), &[], &[]).unwrap();
    assert!(!loaded.has_file && loaded.settings.iter().all(|s| s.origin == Origin::Default));
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in "[a-z_:\\[\\]{}\\-'\"# \n\t0-9&*!|>.]{0,200}") {
        let _ = file(&text);
    }
    #[test]
    fn no_value_of_a_key_makes_the_reader_panic(index in 0..KEYS.len(), text in "\\PC{0,40}") {
        let _ = file(&format!("{}: {text}", KEYS[index].name));
    }
}
