//! A document in which every text is hostile, as a job that ran foreign code may hand it over: what is written on GitHub of it
//! links to nothing, notifies nobody, hides nothing and leaves its place nowhere.

use std::collections::BTreeSet;

use kaizen_ci::github::body::{self, Around};
use kaizen_ci::github::places::Place;
use kaizen_ci::github::{checks, clean};
use kaizen_ci::mask::Mask;
use kaizen_ci::report::Document;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;
use serde_json::{Value, json};

/// Texts that try to become something else: mentions, issues, links, images, HTML, tables, headings, ends of fences and folds,
/// markers of ours, commands of the runner, secrets, text that nobody sees.
const HOSTILE: &[&str] = &[
    "@octocat closes #1, GH-7 https://evil.example www.evil.example [x](http://evil) ![x](http://evil/i.png) <http://evil>",
    "</code></pre></summary></details><img src=x onerror=y><script>alert(1)</script> <!-- kaizen-ci:place=0 --> <!-- unclosed",
    "```\n````\n`````\n~~~\n@octocat\n# heading\n> quote\n- item\n| a | b |\n|---|---|\n</details>\n<b>x</b>\n",
    "` `` ``` @octocat ` [a]: http://evil \"t\"\n\n[a]\n\n[^1]: @octocat\n",
    "a\\`@octocat \\[x](http://evil) $x$ \\\\<img src=x> \u{202e}txet\u{200b} \u{e0041}\u{2060}| 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",
    "a\u{61c}b\u{ad}c\u{3164}d\u{206a}e\u{fe01}f\u{2066}g\u{180e}h",
    "\n::set-env name=PATH::evil\n##[add-path]evil\r::stop-commands::x\n&lt;img&gt; &#64;octocat &#x3c;b&#x3e;",
];

/// Every field that a document has, with `text` for every text.
fn document(text: &str, outcome: &str) -> Document {
    let x = text;
    let heal = json!({
        "candidate": x, "fixer": x, "idea": x, "tier": 2, "labels": [x, "undo"], "receipt": x, "patch": x, "diff": x,
        "files": [{"path": x, "added": 1, "removed": 1}],
        "tests": {"red_before": 1, "passed_before": 1, "passed_after": 2, "red_after": 0, "collected_before": 2,
            "collected_after": 2, "runs": 2},
        "guards_passed": [x], "set_aside": [x], "tests_changed": [x],
        "disagreement": {"what": x, "rivals": [x, x]}, "applied": [x], "after_ms": 1,
    });
    let attempt = json!({
        "candidate": x, "fixer": x, "tier": 1, "idea": x, "labels": [x], "diff": x, "hash": x, "verdict": x,
        "reasons": [{"rule": x, "what": x}], "output": x, "set_aside": [x], "judge_ms": 1,
    });
    let failure = json!({
        "red": [x, format!("{x}2")], "fingerprint": x, "excerpt": x, "messages": {x: x},
        "suspects": [{"file": x, "line": 3, "end_line": 4, "symbol": x, "score": 1.0, "reason": x}],
    });
    let rest = json!({
        "diagnosis": [x], "next": [x], "reproduce": [x], "notes": [x], "report": x,
        "suite_runs": [{"purpose": x, "subject": x, "passed": 1, "failed": 1, "skipped": 0, "end": x, "ms": 1}],
        "runs": {x: 1},
        "timeline": [{"lane": x, "label": x, "start_ms": 0, "end_ms": 1, "state": x}],
        "models": [{"model": x, "tier": x, "turns": 1, "cached": 0, "failed": 0, "requests": 1, "prompt_tokens": 1,
            "answer_tokens": 1, "nano_dollars": 1, "ms": 1}],
        "routing": [{"fixer": x, "prompt_tokens": 1, "line": x}],
    });
    let mut value = json!({
        "schema": "kaizen-ci/heal/v1", "run": x, "version": x, "command": x, "repository": x, "seed": 1, "started": x,
        "duration_ms": 1, "outcome": outcome, "exit": 10, "headline": x,
        "suite": {"name": x, "command": x, "runner": x, "found_by": x, "others": [x]},
        "snapshot": {"commit": x, "tree": x, "parent": x, "carried": [x]},
        "blame": {"kind": x, "evidence": x, "tests": [x], "what": x, "hint": x},
        "heal": if outcome == "escalated" { Value::Null } else { heal },
        "attempts": [attempt],
        "failure": failure,
        "fixers": [{"fixer": x, "tier": 1, "ended": x, "why": x, "tried": 1, "notes": [x], "ms": 1,
            "closest": [{"diff": x, "still_red": [x]}]}],
        "tiers": [{"tier": 1, "why": x, "ms": 1}],
        "culprit": {"commit": x, "subject": x, "author": x, "date": x, "how": x},
        "no_culprit": x,
        "reverts": [{"commit": x, "revert": null, "conflicts": [x]}, {"commit": x, "revert": x, "conflicts": []}],
    });
    value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn around() -> Around {
    Around {
        fingerprint: "00aabbccddee".into(),
        print: "v1:00aabbccddeeff".into(),
        place: Place::new("0123456789ab", "test (linux)"),
        run_url: Some("https://github.example/octo/shop/actions/runs/77".into()),
        receipt: Some("{\"x\": \"```\\n@octocat\"}".into()),
        ..Around::default()
    }
}

/// What of a text that GitHub shows is more than text: mentions, issues, addresses, by the rules of what stands outside of code.
fn loud(shown: &str) -> Vec<String> {
    let signs = Regex::new(r"(?i)@[a-z0-9]|#\d|\bgh-\d|https?://|www\.").unwrap();
    signs.find_iter(shown).map(|found| found.as_str().to_owned()).collect()
}

/// What in this Markdown of ours is not ours.
fn foreign(markdown: &str, run: &str) -> Vec<String> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES | Options::ENABLE_GFM;
    let (mut wrong, mut code, mut folds, mut text) = (Vec::new(), 0, 0_i32, String::new());
    let tags = Regex::new(r"<details>|</details>|<summary>|</summary>").unwrap();
    let mut is_first = true;
    for event in Parser::new_ext(markdown, options) {
        // what is escaped comes in pieces, and is seen as one
        if !matches!(event, Event::Text(_)) {
            wrong.extend(loud(&std::mem::take(&mut text)));
        }
        match event {
            Event::Start(Tag::CodeBlock(_)) => code += 1,
            Event::End(TagEnd::CodeBlock) => code -= 1,
            Event::Start(Tag::Link { dest_url, .. }) if &*dest_url != run => wrong.push(format!("link {dest_url}")),
            Event::Start(Tag::Image { dest_url, .. }) => wrong.push(format!("image {dest_url}")),
            Event::Start(Tag::FootnoteDefinition(_)) | Event::FootnoteReference(_) => wrong.push("footnote".into()),
            Event::Text(more) if code == 0 => {
                is_first = false;
                text.push_str(&more);
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                if html.trim().starts_with("<!-- kaizen-ci:") && html.trim().ends_with("-->") && is_first {
                    continue;
                }
                folds += i32::try_from(html.matches("<details>").count()).unwrap();
                folds -= i32::try_from(html.matches("</details>").count()).unwrap();
                if folds < 0 {
                    wrong.push("a fold ends that never began".into());
                }
                let rest = tags.replace_all(&html, "");
                wrong.extend(loud(&rest));
                wrong.extend(rest.contains('<').then(|| format!("html {html}")));
            }
            _ => {}
        }
    }
    wrong.extend((folds != 0).then(|| "a fold is open at the end".into()));
    wrong.extend(markdown.contains("ghp_xz7").then(|| "a token".into()));
    // our own breaks in mentions and addresses are all that is hidden
    let unseen = markdown.chars().find(|c| clean::is_hidden(*c) && *c != '\u{200b}');
    wrong.extend(unseen.map(|c| format!("text that nobody sees: {c:?}")));
    wrong
}

/// Headings that the report itself has: others came with a text.
const HEADINGS: &[&str] = &["Likely", "What to try next", "How to reproduce", "Flaky tests", "What is red", "Remarks"];

fn headings(markdown: &str) -> BTreeSet<String> {
    let (mut inside, mut all, mut now) = (false, BTreeSet::new(), String::new());
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level: pulldown_cmark::HeadingLevel::H2, .. }) => inside = true,
            Event::End(TagEnd::Heading(_)) if inside => {
                inside = false;
                all.insert(std::mem::take(&mut now));
            }
            Event::Text(text) if inside => now.push_str(&text),
            _ => {}
        }
    }
    all
}

#[test]
fn hostile_text_in_every_field_of_a_document_stays_text_in_all_that_is_written_on_github() {
    let (mask, around) = (Mask::new(["hunter2-hunter2"]), around());
    let run = around.run_url.clone().unwrap();
    for text in HOSTILE {
        for outcome in ["healed_not_applied", "escalated"] {
            let document = document(text, outcome);
            let bodies = [
                ("pull request", body::pull(&document, &around, &mask)),
                ("issue", body::issue(&document, &around, &mask)),
                ("summary", body::summary(&document, &mask)),
            ];
            for (what, markdown) in bodies {
                assert_eq!(foreign(&markdown, &run), Vec::<String>::new(), "{what} of {text:?}\n{markdown}");
                let more: Vec<_> = headings(&markdown)
                    .into_iter()
                    .filter(|h| !HEADINGS.contains(&h.as_str()) && !h.starts_with("What ") && h != "Timeline")
                    .collect();
                assert!(more.is_empty(), "{what} of {text:?}: {more:?}\n{markdown}");
            }
            for title in [body::title(&document), body::issue_title(&document)] {
                assert!(loud(&title).iter().all(|sign| sign.contains("://") || sign.contains("www")), "{title}");
                assert!(!title.contains('\n') && title.chars().count() <= 256, "{title}");
                // our own breaks in mentions are all that is hidden in it
                let unseen = title.chars().find(|c| clean::is_hidden(*c) && *c != '\u{200b}');
                assert!(unseen.is_none() && !title.contains("t\u{200b}"), "{unseen:?} in {title}");
            }
        }
    }
}

#[test]
fn annotations_of_hostile_suspects_are_one_command_each_and_lead_out_of_no_tree() {
    let mask = Mask::new(Vec::<String>::new());
    for text in HOSTILE.iter().copied().chain(["../../etc/passwd", "/etc/passwd"]) {
        let document = document(text, "escalated");
        for line in body::annotations(&document) {
            assert!(!line.contains('\n') && !line.contains('\r'), "{line:?}");
            // its properties end where ours end
            let (properties, _) = line.strip_prefix("::warning ").unwrap().split_once("::").unwrap();
            assert_eq!(properties.split(',').count(), 4, "{line}");
        }
        for annotation in checks::annotations(&document, &mask) {
            let path = annotation["path"].as_str().unwrap();
            assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
            assert!(!annotation["message"].as_str().unwrap().contains(['\n', '\u{202e}']), "{annotation}");
        }
    }
}

#[test]
fn the_check_that_finds_what_is_foreign_finds_it() {
    for (markdown, part) in [
        ("hello @octocat", "@o"),
        ("closes #1", "#1"),
        ("[x](http://evil)", "link http://evil"),
        ("<b>x</b>", "html <b>"),
        ("```\nx\n```\n@octocat", "@o"),
        ("<details><summary>x</summary>\n\nno end", "open at the end"),
        ("text\n\n<!-- kaizen-ci:place=0 -->\n", "html <!-- kaizen"),
        ("![x](http://evil)", "image"),
    ] {
        assert!(foreign(markdown, "").iter().any(|wrong| wrong.contains(part)), "{markdown}");
    }
    assert_eq!(foreign("`@octocat #1`\n\n```\n[x](http://evil)\n```\n", ""), Vec::<String>::new());
}
