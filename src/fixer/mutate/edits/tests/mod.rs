//! Broken and fixed programs: is the fix among the edits, and how far down?

mod properties;

use super::{Project, apply, check, compile_edits, edits};

/// One broken program and its fix.
struct Case {
    name: String,
    broken: String,
    fixed: String,
    compiles: bool,
}

/// `### name`, then lines with a mark in front: `- ` only in the broken one, `+ ` only in the fixed one, two spaces: both.
/// A name that starts with `compile:` is a compile error, asked for at the changed lines.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            cases.push(Case {
                name: name.to_owned(),
                broken: String::new(),
                fixed: String::new(),
                compiles: name.starts_with("compile:"),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        let (mark, rest) = line.split_at(line.len().min(2));
        if mark.trim() != "+" {
            case.broken.push_str(rest);
            case.broken.push('\n');
        }
        if mark.trim() != "-" {
            case.fixed.push_str(rest);
            case.fixed.push('\n');
        }
    }
    cases
}

const FILES: &[(&str, &str)] = &[
    ("program.py", include_str!("pairs/python.txt")),
    ("program.js", include_str!("pairs/javascript.txt")),
    ("program.ts", include_str!("pairs/typescript.txt")),
    ("program.rs", include_str!("pairs/rust.txt")),
    ("program.go", include_str!("pairs/go.txt")),
    ("Program.java", include_str!("pairs/java.txt")),
];

/// Where the fix stands among the edits of the whole file, and how many there are.
fn rank(file: &str, case: &Case) -> (Option<usize>, usize, f64) {
    let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
    let source = &project.sources()[0];
    let Some(wanted) = check(source, &case.fixed) else { panic!("{}: the fixed text is no other program", case.name) };
    let lines = changed_lines(case);
    let found = if case.compiles {
        compile_edits(&project, file.as_bytes(), Some(&lines))
    } else {
        edits(&project, file.as_bytes(), None)
    };
    let at = found.iter().position(|edit| check(source, &apply(&source.text, edit)) == Some(wanted));
    (at, found.len(), at.map_or(0.0, |at| found[at].weight))
}

fn changed_lines(case: &Case) -> std::collections::BTreeSet<usize> {
    let (old, new): (Vec<&str>, Vec<&str>) = (case.broken.lines().collect(), case.fixed.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(old.len().min(new.len()) - start)
        .take_while(|(a, b)| a == b)
        .count();
    // what is missing is missing between two lines; what an import serves stands elsewhere
    let first = if case.name.contains("import") { 1 } else { start.max(1) };
    let last = if case.name.contains("import") { old.len() } else { (old.len() - end).max(start + 1) };
    (first..=last).collect()
}

/// The fix is looked for at the changed lines alone, as the search does it.
fn missing(which: usize) -> Vec<String> {
    let (file, text) = FILES[which];
    let is_missing = |case: &Case| {
        let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
        let source = &project.sources()[0];
        let wanted = check(source, &case.fixed);
        assert!(wanted.is_some(), "{}: the fixed text does not parse or is no other program", case.name);
        let lines = changed_lines(case);
        let found = if case.compiles {
            compile_edits(&project, file.as_bytes(), Some(&lines))
        } else {
            edits(&project, file.as_bytes(), Some(&lines))
        };
        !found.iter().any(|edit| check(source, &apply(&source.text, edit)) == wanted)
    };
    cases(text).into_iter().filter(is_missing).map(|case| format!("{file}: {}", case.name)).collect()
}

#[test]
fn each_fix_of_a_python_program_is_among_its_edits() {
    assert_eq!(missing(0), Vec::<String>::new());
}

#[test]
fn each_fix_of_a_javascript_program_is_among_its_edits() {
    assert_eq!(missing(1), Vec::<String>::new());
}

#[test]
fn each_fix_of_a_typescript_program_is_among_its_edits() {
    assert_eq!(missing(2), Vec::<String>::new());
}

#[test]
fn each_fix_of_a_rust_program_is_among_its_edits() {
    assert_eq!(missing(3), Vec::<String>::new());
}

#[test]
fn each_fix_of_a_go_program_is_among_its_edits() {
    assert_eq!(missing(4), Vec::<String>::new());
}

#[test]
fn each_fix_of_a_java_program_is_among_its_edits() {
    assert_eq!(missing(5), Vec::<String>::new());
}

/// `cargo nextest run --run-ignored all ranks --no-capture`
#[test]
#[ignore = "prints where the fixes stand, for tuning"]
#[allow(clippy::print_stdout)]
fn ranks() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut all = Vec::new();
    for (file, text) in FILES {
        let mut ranks = Vec::new();
        for case in cases(text).into_iter().filter(|case| case.name.contains(&only)) {
            let (at, total, weight) = rank(file, &case);
            println!(
                "{:>6} of {total:<6} {weight:>8.4}  {file} {}",
                at.map_or("-".to_owned(), |at| at.to_string()),
                case.name
            );
            if !only.is_empty() {
                show(file, &case);
            }
            ranks.push(at.unwrap_or(usize::MAX));
        }
        all.extend(ranks.clone());
        summary(file, ranks);
    }
    summary("all", all);
}

#[allow(clippy::print_stdout)]
fn summary(name: &str, mut ranks: Vec<usize>) {
    ranks.sort_unstable();
    if let (Some(median), Some(high)) = (ranks.get(ranks.len() / 2), ranks.get(ranks.len() * 9 / 10)) {
        println!(
            "== {name}: {} cases, {} missing, median {median}, 90th percentile {high}",
            ranks.len(),
            ranks.iter().filter(|rank| **rank == usize::MAX).count()
        );
    }
}

#[allow(clippy::print_stdout)]
fn show(file: &str, case: &Case) {
    let project = Project::load(vec![(file.into(), case.broken.clone().into_bytes())], |_| true);
    let lines = changed_lines(case);
    let found = if case.compiles {
        compile_edits(&project, file.as_bytes(), Some(&lines))
    } else {
        edits(&project, file.as_bytes(), None)
    };
    for edit in found.iter().take(std::env::var("TOP").ok().and_then(|top| top.parse().ok()).unwrap_or(60)) {
        println!("  {:>8.4} {:>3} {:?} {}", edit.weight, edit.line, edit.kind, edit.what);
    }
}

#[test]
fn a_jump_is_never_put_in_front_of_another_statement_of_its_block() {
    let program = "def first(units, least):\n    for unit in units:\n        if unit == least:\n            continue\n        units.append(unit)\n    return units\n";
    let project = Project::load(vec![(b"program.py".to_vec(), program.into())], |_| true);
    let found = edits(&project, b"program.py", None);
    let all: Vec<(String, &str)> = found.iter().map(|e| (apply(program, e), e.what.as_str())).collect();
    assert!(all.iter().any(|(text, _)| *text == program.replace("continue", "break")));
    let in_front = [
        "break\n            continue",
        "\n            return units\n            continue",
        "\n        break\n        units.append",
    ];
    for dead in in_front {
        let found = all.iter().find(|(text, _)| text.contains(dead));
        assert!(found.is_none(), "{found:?}");
    }
}

#[test]
fn the_answer_of_a_question_is_negated() {
    for (file, broken, fixed) in [
        ("program.py", "def differs(a, b):\n    return a.__eq__(b)\n", "    return not a.__eq__(b)\n"),
        ("program.js", "function open(door) {\n  return door.isClosed();\n}\n", "  return !door.isClosed();\n"),
        ("program.rs", "fn open(door: &Door) -> bool {\n    door.is_closed()\n}\n", "    !door.is_closed()\n"),
    ] {
        let project = Project::load(vec![(file.into(), broken.into())], |_| true);
        let found = edits(&project, file.as_bytes(), None);
        let at = found.iter().position(|edit| apply(broken, edit).contains(fixed));
        assert!(at.is_some_and(|at| at < 8), "{file}: {at:?} of {}", found.len());
    }
}

#[test]
fn what_is_sorted_goes_by_a_field_that_only_the_tests_have() {
    let program = "export const menu = (entries) => entries.sort().map((entry) => entry.title);\n";
    let test = "import { menu } from \"./menu.js\";\nmenu([{ title: \"B\", place: 2 }, { title: \"A\", place: 1 }]);\n";
    let files = vec![(b"menu.js".to_vec(), program.into()), (b"menu.test.js".to_vec(), test.into())];
    let project = Project::load(files, |path| path == b"menu.js");
    let found = edits(&project, b"menu.js", None);
    let place = |new: &str| found.iter().position(|edit| apply(program, edit).contains(new)).unwrap_or(usize::MAX);
    assert!(place("sort((a, b) => a.place - b.place)") < place("sort((a, b) => a.title - b.title)"));
    assert_ne!(place("sort((a, b) => a.place - b.place)"), usize::MAX);
}

#[test]
fn a_condition_asks_for_what_the_tests_set_and_no_code_reads() {
    let program = "export function mayEnter(guest, party) {\n  if (party.full || guest.age < party.least) {\n    \
                   return false;\n  }\n  return guest.friends > 0;\n}\n";
    let test = "import { mayEnter } from \"./party.js\";\n\
                mayEnter({ age: 20, friends: 0, invited: true }, { full: false, least: 18 });\n";
    let files = vec![(b"party.js".to_vec(), program.into()), (b"party.test.js".to_vec(), test.into())];
    let project = Project::load(files, |path| path == b"party.js");
    let found = edits(&project, b"party.js", None);
    let has = |new: &str| found.iter().any(|edit| apply(program, edit).contains(new));
    assert!(has("guest.invited || guest.friends > 0") || has("guest.friends > 0 || guest.invited"));
    assert!(!has("party.invited"), "what shares no field with a party has nothing to do with it");
}

#[test]
fn a_field_that_only_the_tests_give_was_meant_where_another_one_is_read() {
    let program = "def card(person):\n    lines = [person[\"name\"]]\n    phone = person.get(\"mobile\") or \
                   person.get(\"telephone\")\n    lines.append(phone)\n    return lines\n";
    let test = "from card import card\n\n\ndef test_card():\n    \
                assert card({\"name\": \"A\", \"mobile\": \"1\", \"phone\": \"2\"}) == [\"A\", \"1\"]\n";
    let files = vec![(b"card.py".to_vec(), program.into()), (b"test_card.py".to_vec(), test.into())];
    let project = Project::load(files, |path| path == b"card.py");
    let found = edits(&project, b"card.py", None);
    let has = |new: &str| found.iter().any(|edit| apply(program, edit).contains(new));
    assert!(has("or person.get(\"phone\")\n"));
    assert!(!has("person.get(\"phone\") or"), "a test gives `mobile`");
    let program = "export function trail(pages) {\n  const names = [];\n  for (const page of pages) if (!page.hidden) \
                   names.push(page);\n  return names;\n}\n";
    let test = "import { trail } from \"./trail.js\";\ntrail([{ title: \"A\", hidden: false }]);\n";
    let files = vec![(b"trail.js".to_vec(), program.into()), (b"trail.test.js".to_vec(), test.into())];
    let project = Project::load(files, |path| path == b"trail.js");
    let found = edits(&project, b"trail.js", None);
    assert!(found.iter().any(|edit| apply(program, edit).contains("names.push(page.title)")));
}

#[test]
fn nobody_counts_from_a_key_to_the_next_one_or_multiplies_by_one() {
    let program = "class A {\n  constructor() {\n    this.known = {};\n  }\n\n  set(event, value) {\n    \
                   this.known[event] = value * 60;\n    this.tell(event, value);\n  }\n}\n";
    let project = Project::load(vec![(b"a.js".to_vec(), program.into())], |_| true);
    let found = edits(&project, b"a.js", None);
    let weight = |new: &str| found.iter().find(|edit| apply(program, edit).contains(new)).map_or(0.0, |e| e.weight);
    assert!(weight("tell(event + 1, value)") < weight("tell(event, value + 1)") / 5.0);
    assert!(weight("value * 1;") < weight("value * 61;") / 5.0);
}

#[test]
fn edits_come_only_where_their_shape_fits() {
    for (file, program, never) in [
        // nothing without a name behind something with one
        ("program.py", "def f(text, size):\n    return cut(text, fill=1)\n", "fill=1, size)"),
        ("program.js", "function f(node) {\n  walk(node.left);\n}\n", "yield"),
        ("program.py", "def f(node):\n    walk(node.left)\n", "yield"),
        ("program.rs", "fn f(a: &str) -> String {\n    \"x\".to_owned() + a\n}\n", "wrapping_add"),
        ("program.rs", "fn f(a: u32) -> u32 {\n    10 - a\n}\n", "10.saturating_sub"),
        ("program.js", "function f(person) {\n  person.home.city = 1;\n}\n", "?."),
        ("program.js", "function f(list) {\n  return Math.max(list);\n}\n", "Math?."),
        ("program.js", "function f(n) {\n  return n & 0xff;\n}\n", "1xff"),
        // what an outer function has and the inner one was told of
        (
            "program.py",
            "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g\n",
            "nonlocal n\n        nonlocal",
        ),
        (
            "program.rs",
            "fn f(mut n: u32) -> u32 {\n    if n > 3 {\n        let n = 3;\n        return n;\n    }\n    n\n}\n",
            "        n = 3;",
        ),
        // the last case of a switch may run on
        (
            "program.js",
            "function f(k) {\n  let s = 0;\n  switch (k) {\n    case 1:\n      s = 2;\n  }\n  return s;\n}\n",
            "break",
        ),
        (
            "program.py",
            "def f(head):\n    node = head\n    while node:\n        node = node.next\n    return node\n",
            "node = node.next\n        node = node.next",
        ),
    ] {
        let project = Project::load(vec![(file.into(), program.into())], |_| true);
        let found = edits(&project, file.as_bytes(), None);
        let wrong = found.iter().find(|edit| apply(program, edit).contains(never));
        assert!(wrong.is_none(), "{file}: {wrong:?}");
    }
}
