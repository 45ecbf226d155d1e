//! Places named in test output: stack frames of every runtime we know, and what compilers point at. Pure text in.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::failure::text::pattern;

/// What kind of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A frame of a stack trace.
    Frame,
    /// A compiler, type checker or parser points here.
    Diagnostic,
    /// A test says that it failed here.
    Assertion,
}

/// A place in some file, as the log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path as printed.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, where printed.
    pub column: Option<usize>,
    /// The function, where printed.
    pub function: Option<String>,
    /// What said so.
    pub kind: Kind,
    /// The diagnostic's words, for [`Kind::Diagnostic`].
    pub words: String,
}

/// No log needs more places than this to be understood; keeps endless recursion short.
const MOST_PLACES: usize = 400;

struct Rule {
    pattern: Regex,
    kind: Kind,
    /// The runtime prints the innermost frame last.
    deepest_last: bool,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    use Kind::{Assertion, Diagnostic, Frame};
    let rule = |kind, deepest_last, source: &str| Rule { pattern: pattern(source), kind, deepest_last };
    vec![
        // Python's traceback; without `in` it is a SyntaxError
        rule(Frame, true, r#"^\s*File "(?<file>[^"]+)", line (?<line>\d+), in (?<function>\S+)"#),
        rule(Diagnostic, true, r#"^(?:E\s+)?\s*File "(?<file>[^"]+)", line (?<line>\d+)$"#),
        // mypy, pyright-like: before pytest's own, which looks the same but has no word after the line
        rule(Diagnostic, false, r"^(?<file>[^\s:]+\.pyi?):(?<line>\d+):(?:(?<column>\d+):)? error: (?<words>.*)$"),
        // pytest's own: `src/cart.py:14: in total`, `src/cart.py:14: TypeError`
        rule(Frame, true, r"^(?<file>[^\s:]+\.pyw?):(?<line>\d+): (?:in (?<function>\S+)|\S*)\s*$"),
        // V8: node, jest, mocha
        rule(
            Frame,
            false,
            r"^\s*at (?:async )?(?:new )?(?:(?<function>[^()]+?) (?:\[as [^\]]+\] )?\()?(?<file>(?:file://|[A-Za-z]:[\\/])?[^():\s]+):(?<line>\d+):(?<column>\d+)\)?\s*$",
        ),
        // node's head of an uncaught error and of a SyntaxError
        rule(Diagnostic, false, r"^(?<file>(?:file://)?(?:/|[A-Za-z]:\\)[^:\s]+\.[cm]?[jt]sx?):(?<line>\d+)$"),
        // vitest
        rule(
            Frame,
            false,
            r"^\s*❯ (?:(?<function>\S+) )?(?<file>[^\s:]+\.[cm]?[jt]sx?):(?<line>\d+):(?<column>\d+)\s*$",
        ),
        // Rust: panic, backtrace
        rule(Frame, false, r"panicked at (?:'.*', )?(?<file>[^\s:']+\.rs):(?<line>\d+):(?<column>\d+)"),
        rule(Frame, false, r"^\s+at (?<file>[^\s:]+\.rs):(?<line>\d+)(?::(?<column>\d+))?\s*$"),
        rule(Diagnostic, false, r"^\s*--> (?<file>[^\s:]+):(?<line>\d+):(?<column>\d+)$"),
        // Java
        rule(Frame, false, r"^\s*at (?<function>(?:[\w.$]*/)*[\w$.<>]+)\((?<file>\w+\.(?:java|kt)):(?<line>\d+)\)"),
        rule(
            Diagnostic,
            false,
            r"^(?:\[ERROR\] )?(?<file>[^\s:]+\.(?:java|kt)):\[(?<line>\d+),(?<column>\d+)\] (?<words>.*)$",
        ),
        rule(Diagnostic, false, r"^(?<file>[^\s:]+\.java):(?<line>\d+): error: (?<words>.*)$"),
        // TypeScript, both layouts
        rule(
            Diagnostic,
            false,
            r"^(?<file>[^\s:(]+\.[cm]?tsx?)\((?<line>\d+),(?<column>\d+)\): (?<words>error TS\d+: .*)$",
        ),
        rule(
            Diagnostic,
            false,
            r"^(?<file>[^\s:(]+\.[cm]?tsx?):(?<line>\d+):(?<column>\d+) - (?<words>error TS\d+: .*)$",
        ),
        // Go: goroutine traces, compiler and vet, t.Errorf
        rule(Frame, false, r"^\t(?<file>[^\s:]+\.go):(?<line>\d+)(?: \+0x[0-9a-f]+)?$"),
        rule(Diagnostic, false, r"^(?:vet: )?(?<file>[^\s:]+\.go):(?<line>\d+):(?<column>\d+): (?<words>.*)$"),
        rule(Assertion, false, r"^\s+(?<file>\w+_test\.go):(?<line>\d+): "),
        // Ruby
        rule(Frame, false, r"^\s*(?:from |# )?(?<file>[^\s:]+\.rb):(?<line>\d+):in [`'](?<function>[^']+)'"),
        rule(Frame, false, r"^\s*# (?<file>[^\s:]+\.rb):(?<line>\d+)"),
        // everything that follows the GNU convention
        rule(
            Diagnostic,
            false,
            r"^(?<file>[^\s:]+\.\w{1,5}):(?<line>\d+):(?:(?<column>\d+):)? (?:fatal )?error:? (?<words>.*)$",
        ),
        // GitHub's workflow commands are data like everything else
        rule(Diagnostic, false, r"^::error file=(?<file>[^,:]+),(?:[^:]*,)?line=(?<line>\d+)[^:]*::(?<words>.*)$"),
    ]
});

/// The places named in `text` (plain, without escape sequences), the innermost frame of each stack trace first.
pub fn places(text: &str) -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    // Python's frames are collected and turned round when their trace ends
    let mut outward: Vec<Place> = Vec::new();
    let (mut before, mut words) = ("", String::new());
    for line in text.lines() {
        if found.len() + outward.len() >= MOST_PLACES {
            break;
        }
        if line.starts_with("Traceback (most recent call last)") || line.starts_with("____") {
            found.extend(outward.drain(..).rev());
        }
        if let Some(message) = diagnostic_words(line) {
            words = message.to_owned();
        }
        found.extend(rustc_json(line));
        if let Some((rule, captures)) = RULES.iter().find_map(|r| r.pattern.captures(line).map(|c| (r, c))) {
            let place = place(rule.kind, &captures, before, &words);
            if rule.deepest_last { outward.push(place) } else { found.push(place) }
        }
        before = line;
    }
    found.extend(outward.into_iter().rev());
    found
}

fn place(kind: Kind, captures: &Captures<'_>, before: &str, words: &str) -> Place {
    let text = |name: &str| captures.name(name).map(|m| m.as_str().to_owned());
    let number = |name: &str| captures.name(name).and_then(|m| m.as_str().parse().ok());
    let mut file = text("file").unwrap_or_default();
    let mut function = text("function");
    if file.ends_with(".java") || file.ends_with(".kt") {
        if let Some(name) = &function {
            file = java_path(name, &file);
        }
    } else if file.ends_with(".rs") || file.ends_with(".go") {
        function = function.or_else(|| function_above(before));
    }
    let function = function.map(|name| last_part(&name).to_owned()).filter(|name| !name.is_empty());
    let words =
        if kind == Kind::Diagnostic { text("words").unwrap_or_else(|| words.to_owned()) } else { String::new() };
    Place { file, line: number("line").unwrap_or(1), column: number("column"), function, kind, words }
}

/// `com.shop.Cart.total` in `Cart.java` is `com/shop/Cart.java`.
fn java_path(function: &str, file: &str) -> String {
    let function = function.rsplit('/').next().unwrap_or(function);
    let mut parts: Vec<&str> = function.split('.').collect();
    parts.truncate(parts.len().saturating_sub(2));
    parts.push(file);
    parts.join("/")
}

/// Rust and Go print the function on the line above the file: `  12: shop::cart::total`, `main.total(0x1)`.
fn function_above(line: &str) -> Option<String> {
    static ABOVE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"^(?:\s*\d+: (?<rust>[\w:<>{} ]+)|(?<go>[\w./*()]+)\(.*\))$"));
    let found = ABOVE.captures(line)?;
    let name = found.name("rust").or_else(|| found.name("go"))?.as_str();
    Some(name.split("::{{closure}}").next().unwrap_or(name).to_owned())
}

/// `Object.total` and `shop::cart::total` are `total`.
fn last_part(name: &str) -> &str {
    let name = name.trim().trim_end_matches("()").trim_end_matches(')');
    let name = name.rsplit("::").next().unwrap_or(name);
    let name = name.rsplit(['.', ' ', '/']).next().unwrap_or(name);
    name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
}

/// The line that says what a diagnostic is about, for compilers that print the place on another line.
fn diagnostic_words(line: &str) -> Option<&str> {
    static HEAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:error(?:\[E\d+\])?|warning(?:\[\w+\])?): .+$"));
    HEAD.is_match(line).then_some(line)
}

/// `cargo --message-format=json`: the primary spans of errors.
fn rustc_json(line: &str) -> Vec<Place> {
    if !line.starts_with('{') || !line.contains("\"spans\"") {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return Vec::new() };
    let message = value.get("message").filter(|m| m.is_object()).unwrap_or(&value);
    if message.get("level").and_then(|l| l.as_str()) != Some("error") {
        return Vec::new();
    }
    let words = message.get("message").and_then(|m| m.as_str()).unwrap_or("error");
    let spans = message.get("spans").and_then(|s| s.as_array()).map(Vec::as_slice).unwrap_or_default();
    let primary = spans.iter().filter(|s| s.get("is_primary").and_then(serde_json::Value::as_bool) == Some(true));
    let number =
        |s: &serde_json::Value, name: &str| s.get(name).and_then(serde_json::Value::as_u64).map(|n| n as usize);
    primary
        .filter_map(|span| {
            Some(Place {
                file: span.get("file_name")?.as_str()?.to_owned(),
                line: number(span, "line_start")?,
                column: number(span, "column_start"),
                function: None,
                kind: Kind::Diagnostic,
                words: format!("error: {words}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(text: &str) -> (String, usize, Option<String>, Kind) {
        let place = places(text).into_iter().next().unwrap_or_else(|| panic!("nothing found in {text:?}"));
        (place.file, place.line, place.function, place.kind)
    }

    #[test]
    fn every_runtime_and_compiler_names_a_place() {
        let s = |name: &str| Some(name.to_string());
        let table: &[(&str, &str, usize, Option<String>, Kind)] = &[
            (
                "  File \"/w/src/cart.py\", line 14, in total\n    return a",
                "/w/src/cart.py",
                14,
                s("total"),
                Kind::Frame,
            ),
            (
                "E     File \"/w/a.py\", line 3\nE       x = = 1\nE   SyntaxError: invalid syntax",
                "/w/a.py",
                3,
                None,
                Kind::Diagnostic,
            ),
            ("src/cart.py:14: in total", "src/cart.py", 14, s("total"), Kind::Frame),
            ("src/cart.py:14: TypeError", "src/cart.py", 14, None, Kind::Frame),
            ("src/cart.py:14: error: Incompatible return value type", "src/cart.py", 14, None, Kind::Diagnostic),
            ("    at total (/w/src/cart.js:3:10)", "/w/src/cart.js", 3, s("total"), Kind::Frame),
            ("    at Cart.total (file:///w/src/cart.mjs:3:10)", "file:///w/src/cart.mjs", 3, s("total"), Kind::Frame),
            ("    at async Object.<anonymous> (src/a.test.js:5:3)", "src/a.test.js", 5, s("anonymous"), Kind::Frame),
            ("    at /w/src/cart.js:3:10", "/w/src/cart.js", 3, None, Kind::Frame),
            (
                "/w/src/cart.js:7\n  return (\n         ^\nSyntaxError: Unexpected token",
                "/w/src/cart.js",
                7,
                None,
                Kind::Diagnostic,
            ),
            (" ❯ total src/cart.ts:3:10", "src/cart.ts", 3, s("total"), Kind::Frame),
            (" ❯ src/cart.ts:3:10", "src/cart.ts", 3, None, Kind::Frame),
            ("thread 'tests::a' panicked at src/lib.rs:10:5:\nboom", "src/lib.rs", 10, None, Kind::Frame),
            ("thread 'a' (123) panicked at 'boom', src/lib.rs:10:5", "src/lib.rs", 10, None, Kind::Frame),
            ("   3: shop::cart::total\n             at ./src/cart.rs:4:9", "./src/cart.rs", 4, s("total"), Kind::Frame),
            ("error[E0308]: mismatched types\n --> src/lib.rs:2:5", "src/lib.rs", 2, None, Kind::Diagnostic),
            ("\tat com.shop.Cart.total(Cart.java:14)", "com/shop/Cart.java", 14, s("total"), Kind::Frame),
            ("\tat app//com.shop.Cart.<init>(Cart.java:14)", "com/shop/Cart.java", 14, s("init"), Kind::Frame),
            (
                "[ERROR] /w/src/main/java/A.java:[3,5] cannot find symbol",
                "/w/src/main/java/A.java",
                3,
                None,
                Kind::Diagnostic,
            ),
            ("A.java:3: error: cannot find symbol", "A.java", 3, None, Kind::Diagnostic),
            ("src/a.ts(3,5): error TS2304: Cannot find name 'x'.", "src/a.ts", 3, None, Kind::Diagnostic),
            ("src/a.ts:3:5 - error TS2304: Cannot find name 'x'.", "src/a.ts", 3, None, Kind::Diagnostic),
            ("shop.Total(0x1)\n\t/w/cart.go:12 +0x1d", "/w/cart.go", 12, s("Total"), Kind::Frame),
            ("./cart.go:3:7: undefined: x", "./cart.go", 3, None, Kind::Diagnostic),
            ("    cart_test.go:12: got 3, want 4", "cart_test.go", 12, None, Kind::Assertion),
            ("./lib/cart.rb:4:in `total'", "./lib/cart.rb", 4, s("total"), Kind::Frame),
            ("     # ./spec/cart_spec.rb:4:in 'block'", "./spec/cart_spec.rb", 4, s("block"), Kind::Frame),
            ("main.c:3:5: error: expected ';'", "main.c", 3, None, Kind::Diagnostic),
            ("::error file=src/a.js,line=3,col=1::Unexpected token", "src/a.js", 3, None, Kind::Diagnostic),
        ];
        for (text, file, line, function, kind) in table {
            assert_eq!(first(text), (file.to_string(), *line, function.clone(), *kind), "{text}");
        }
    }

    #[test]
    fn the_innermost_frame_of_a_python_trace_comes_first() {
        let text = "Traceback (most recent call last):\n  File \"t.py\", line 1, in test\n  File \"a.py\", line 2, in f\nKeyError: 'x'\n";
        let files: Vec<String> = places(text).into_iter().map(|p| p.file).collect();
        assert_eq!(files, ["a.py", "t.py"]);
    }

    #[test]
    fn diagnostics_carry_their_words() {
        let text = "error[E0425]: cannot find value `x` in this scope\n --> src/lib.rs:2:5\n  |\n";
        assert_eq!(places(text)[0].words, "error[E0425]: cannot find value `x` in this scope");
    }

    #[test]
    fn cargo_json_errors_are_read_and_warnings_are_not() {
        let line = r#"{"reason":"compiler-message","message":{"level":"error","message":"no such field","spans":[{"file_name":"src/a.rs","line_start":3,"column_start":4,"is_primary":true}]}}"#;
        assert_eq!(places(line)[0].file, "src/a.rs");
        assert!(places(&line.replace("\"error\"", "\"warning\"")).is_empty());
    }

    #[test]
    fn ordinary_lines_name_no_place() {
        for line in ["at last: done", "ratio 3:4", "12:30:01 started", "expected a.b:3 to be", "at (nowhere)", ""] {
            assert!(places(line).is_empty(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_within_bounds(text in "(?s).{0,400}") {
            prop_assert!(places(&text).len() <= MOST_PLACES + 50);
        }
    }
}
