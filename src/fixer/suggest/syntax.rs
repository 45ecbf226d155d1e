//! Syntax errors: the one missing or surplus character at the reported place, checked by parsing.

use std::sync::LazyLock;

use regex::Regex;

use super::proposal::{Proposal, Site, line, near, with_line};
use crate::failure::Scene;
use crate::failure::text::pattern;
use crate::fixer::undo::trial::syntax_errors;

/// The words that say: this file could not be parsed.
static SYNTAX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(SyntaxError|IndentationError|TabError|error TS1\d{3}|Parse error|syntax error|expected '.'|[';)}\]]' expected|unexpected token|Unexpected token)",
    )
});

const KEYWORDS: &str = "and as async await break case catch class const continue def default del elif else except export extends false finally for from func function if import in is lambda let new not null or pass raise return static switch this throw true try type typeof var while with yield None True False interface package public private";

/// What a rule does to a line.
struct Fix {
    text: String,
    idea: String,
    rank: f64,
}

/// Proposals for a file that does not parse; only such that parse better than before.
pub fn propose(message: &str, sites: &[Site], scene: &Scene<'_>) -> Vec<Proposal> {
    if !SYNTAX.is_match(message) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for site in sites.iter().filter(|s| !s.protected).take(2) {
        let Some(text) = scene.text(&site.file) else { continue };
        let before = syntax_errors(site.file.as_bytes(), text.as_bytes());
        let mut fixes = hinted(message, &text, site);
        fixes.extend(characters(&text, site));
        for fix in fixes {
            let after = syntax_errors(site.file.as_bytes(), fix.text.as_bytes());
            // indentation is not seen by the tree in every case: such rules are trusted when they follow the message
            if fix.text != text && (after < before || after == 0 && fix.rank >= 0.9) {
                let rank = if after == 0 { fix.rank } else { fix.rank / 2.0 };
                let idea = format!("{}: {}:{}", fix.idea, site.file, site.line);
                found.push(Proposal::one(&site.file, fix.text, idea, rank));
            }
        }
    }
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank));
    found.truncate(6);
    found
}

fn fix(text: String, idea: impl Into<String>, rank: f64) -> Fix {
    Fix { text, idea: idea.into(), rank }
}

/// What the message itself asks for.
fn hinted(message: &str, text: &str, site: &Site) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let Some(code) = line(text, site.line) else { return fixes };
    let on_line = |new: String, idea: &str, rank| fix(with_line(text, site.line, &new), idea, rank);
    if message.contains("expected ':'") {
        fixes.push(on_line(before_comment(code, ":"), "adds the missing colon", 0.98));
    }
    if message.contains("instead of '='") || message.contains("Maybe you meant '=='") {
        static ASSIGN: LazyLock<Regex> = LazyLock::new(|| pattern(r"([^=!<>:+*/%-])=([^=])"));
        fixes.push(on_line(ASSIGN.replace(code, "${1}==${2}").into_owned(), "compares instead of assigning", 0.97));
    }
    if message.contains("Missing parentheses in call to 'print'") {
        static PRINT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bprint\s+(.+?)\s*$"));
        fixes.push(on_line(PRINT.replace(code, "print(${1})").into_owned(), "calls print", 0.95));
    }
    if message.contains("expected an indented block") {
        fixes.push(on_line(format!("{}{code}", step(text)), "indents the block", 0.95));
    }
    if message.contains("unexpected indent") || message.contains("unindent does not match") {
        fixes.extend(levels(text, site.line).into_iter().map(|(indent, rank)| {
            on_line(format!("{indent}{}", code.trim_start()), "puts the line on a level that there is", rank)
        }));
    }
    if message.contains("TabError") || message.contains("inconsistent use of tabs") {
        // Python itself reads a tab as eight columns; many an editor shows four
        fixes.push(fix(tabs_to_blanks(text, 8), "indents with blanks only", 0.95));
        fixes.push(fix(tabs_to_blanks(text, 4), "indents with blanks only", 0.9));
    }
    fixes.extend(keywords(text, site.line, code));
    fixes
}

/// The file's step of indentation.
fn step(text: &str) -> &str {
    let indent = |l: &'_ str| l.len() - l.trim_start().len();
    text.lines()
        .filter(|l| indent(l) > 0 && !l.trim().is_empty())
        .map(|l| &l[..indent(l)])
        .min_by_key(|i| i.len())
        .unwrap_or("    ")
}

/// Levels of indentation of the lines above, the nearest first.
fn levels(text: &str, number: usize) -> Vec<(String, f64)> {
    let above: Vec<&str> = text.lines().take(number.saturating_sub(1)).collect();
    let mut found: Vec<(String, f64)> = Vec::new();
    for l in above.iter().rev().filter(|l| !l.trim().is_empty()).take(30) {
        let indent = &l[..l.len() - l.trim_start().len()];
        if !found.iter().any(|(known, _)| known == indent) {
            found.push((indent.to_owned(), 0.94 - 0.02 * found.len() as f64));
        }
    }
    found.truncate(3);
    found
}

fn tabs_to_blanks(text: &str, width: usize) -> String {
    let change = |l: &str| {
        let body = l.trim_start_matches(['\t', ' ']);
        let head = &l[..l.len() - body.len()];
        let columns = head.chars().fold(0, |at, c| if c == '\t' { (at / width + 1) * width } else { at + 1 });
        format!("{}{body}", " ".repeat(columns))
    };
    text.split_inclusive('\n').map(change).collect()
}

/// `retrun x` and the like.
fn keywords(text: &str, number: usize, code: &str) -> Vec<Fix> {
    let mut fixes = Vec::new();
    for name in super::proposal::identifiers(code) {
        for keyword in KEYWORDS.split(' ').filter(|k| near(k, name).is_some() && k.len() > 2) {
            if let Some(new) = super::proposal::rename(text, name, keyword, Some(number)) {
                fixes.push(fix(new, format!("spells {keyword} right"), 0.85));
            }
        }
    }
    fixes
}

/// Code with `what` put before its trailing comment.
fn before_comment(code: &str, what: &str) -> String {
    let body = code.split(" #").next().unwrap_or(code).trim_end();
    format!("{body}{what}{}", &code[body.len()..])
}

/// One character more or less, around the reported place.
fn characters(text: &str, site: &Site) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let total = text.lines().count();
    for number in [site.line, site.line.saturating_sub(1), site.line.saturating_sub(2)] {
        let Some(code) = line(text, number).filter(|c| !c.trim().is_empty()) else { continue };
        let far = 0.1 * (site.line - number) as f64;
        for what in [":", ")", "]", "}", ",", ";", "'", "\"", "))", "`", "):", " {"] {
            let idea = format!("adds the missing {what}");
            fixes.push(fix(with_line(text, number, &before_comment(code, what)), idea.clone(), 0.8 - far));
            // `if f(x:` and `g(a, f(x)` want it before the last mark
            if let Some(last) = code.trim_end().chars().last().filter(|c| ":,;){".contains(*c)) {
                let body = code.trim_end();
                let body = &body[..body.len() - last.len_utf8()];
                let closed = format!("{}{what}{}{last}", body.trim_end(), &body[body.trim_end().len()..]);
                fixes.push(fix(with_line(text, number, &closed), idea, 0.78 - far));
            }
        }
        for (at, c) in code.char_indices().filter(|(_, c)| "()[]{},;:'\"=.".contains(*c)).take(60) {
            let near_column = site.column.is_some_and(|col| number == site.line && at + 1 == col);
            let shorter = format!("{}{}", &code[..at], &code[at + c.len_utf8()..]);
            let rank = if near_column { 0.75 } else { 0.6 };
            fixes.push(fix(with_line(text, number, &shorter), format!("takes out the surplus {c}"), rank - far));
        }
        for (at, _) in code.match_indices(' ').filter(|(at, _)| *at > code.len() - code.trim_start().len()).take(40) {
            let comma = format!("{},{}", &code[..at], &code[at..]);
            fixes.push(fix(with_line(text, number, &comma), "adds the missing comma", 0.65 - far));
        }
    }
    for what in ["}", ")", "]", "})", "});"] {
        let all = format!("{}\n{what}\n", text.trim_end());
        // a brace stands on a line of its own at the end, everything else closes where it was opened
        let rank = if site.line >= total && what.starts_with('}') { 0.85 } else { 0.5 };
        fixes.push(fix(all, format!("closes the file with {what}"), rank));
    }
    fixes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::ChangedLines;
    use crate::failure::scene::tests::suite;
    use crate::suite::Runner;
    use crate::suite::protected::Protected;

    fn best(path: &str, source: &str, number: usize, message: &str) -> String {
        let (suite, paths, protected) = (suite(Runner::Pytest), [path.to_owned()], Protected::new(&[]));
        let scene = Scene {
            suite: &suite,
            paths: &paths,
            read: &|_| Some(source.as_bytes().to_vec()),
            changed: &ChangedLines::default(),
            protected: &protected,
        };
        let site = Site { file: path.into(), line: number, column: None, protected: false };
        let found = propose(message, &[site], &scene);
        let first = found.first().unwrap_or_else(|| panic!("nothing for {message}: {source}"));
        first.files[path].clone()
    }

    #[test]
    fn the_missing_character_is_added() {
        let table = [
            ("a.py", "def f(x)\n    return x\n", 1, "SyntaxError: expected ':'", "def f(x):\n    return x\n"),
            (
                "a.py",
                "if x = 1:\n    y = 2\n",
                1,
                "SyntaxError: invalid syntax. Maybe you meant '==' or ':=' instead of '='?",
                "if x == 1:\n    y = 2\n",
            ),
            ("a.py", "x = f(1, (2)\ny = 3\n", 1, "SyntaxError: '(' was never closed", "x = f(1, (2))\ny = 3\n"),
            (
                "a.py",
                "def f(x):\nreturn x\n",
                2,
                "IndentationError: expected an indented block after function definition on line 1",
                "def f(x):\n    return x\n",
            ),
            (
                "a.py",
                "def f(x):\n    y = x\n      return y\n",
                3,
                "IndentationError: unexpected indent",
                "def f(x):\n    y = x\n    return y\n",
            ),
            ("a.py", "def f(x):\n    retrun x\n", 2, "SyntaxError: invalid syntax", "def f(x):\n    return x\n"),
            ("a.py", "x = (1))\n", 1, "SyntaxError: unmatched ')'", "x = (1)\n"),
            (
                "a.py",
                "def f(x):\n    if x:\n\treturn 1\n",
                3,
                "TabError: inconsistent use of tabs and spaces in indentation",
                "def f(x):\n    if x:\n        return 1\n",
            ),
            (
                "a.js",
                "function f(x) {\n  return g(x;\n}\n",
                2,
                "SyntaxError: missing ) after argument list",
                "function f(x) {\n  return g(x);\n}\n",
            ),
            (
                "a.js",
                "function f(x) {\n  return x\n",
                2,
                "SyntaxError: Unexpected end of input",
                "function f(x) {\n  return x\n}\n",
            ),
        ];
        for (path, source, number, message, wanted) in table {
            assert_eq!(best(path, source, number, message), wanted, "{message}");
        }
    }
}
