//! The fingerprint: the same bug on another machine, in another folder, at another time has the same one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest as _, Sha256};

use crate::failure::text::{clip_anywhere, pattern, plain};
use crate::suite::{Runner, TestId};

/// What changes from run to run, and what stands in its place. Order matters: the special before the general.
static VOLATILE: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules: &[(&str, &str)] = &[
        (r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z| ?[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
        (r"\b0[xX][0-9a-fA-F]{6,}\b", "<address>"),
        // an address and its port before paths, which would eat the slashes
        (r"(?i)\b(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):\d{2,5}\b", "$1:<port>"),
        (r"(?i)\bport[ =:]+\d{2,5}\b", "port <port>"),
        (r"(?i)\b(pid|process|thread)([ =:#]+)\d+\b", "$1$2<pid>"),
        (r"(thread '[^']*') \(\d+\)", "$1"),
        // paths: only the last part stays, whatever machine or temporary folder it was in
        (r#"(?:file://)?(?:\b[A-Za-z]:)?(?:[\w.+@~-]*[\\/])+([\w.+@~-]+)"#, "$1"),
        (r"\bpytest-(?:of-\w+|\d+)\b", "<temp>"),
        (r"(?:\.?\btmp[-_.]?[A-Za-z0-9_]{6,}\b|\btemp-\w{4,}\b)", "<temp>"),
        // line and column, in all spellings
        (r"(\.\w{1,5})(?::\d+(?:[:,]\d+)?|\(\d+(?:[:,]\d+)?\))", "$1"),
        (r"(?i)\b(lines?|columns?|col|ln|char|offset|position)(\s+)\d+(?:\s*-\s*\d+)?\b", "$1$2<n>"),
        (r"(?i)\((?:line|ln) \d+(?:, col(?:umn)? \d+)?\)", "(<place>)"),
        (r"\((\d+):(\d+)\)", "(<place>)"),
        (r"\b\d+(?:\.\d+)? ?(?:ns|µs|us|ms|s|secs?|seconds?|mins?|minutes?)\b", "<duration>"),
        (r"\b\d+(?:\.\d+)? ?(?:[KMGT]i?B|bytes)\b", "<size>"),
        (r"\b[0-9a-f]{32,64}\b", "<hash>"),
        (r"[ \t]+", " "),
    ];
    rules.iter().map(|(from, to)| (pattern(from), *to)).collect()
});

/// `message` without what changes from run to run and machine to machine: colours, folders, lines, addresses, times,
/// ports, process ids, sizes. What a test expected and got stays.
pub fn normalise(message: &str) -> String {
    let mut text = plain(message).into_owned();
    for (from, to) in VOLATILE.iter() {
        if let std::borrow::Cow::Owned(changed) = from.replace_all(&text, *to) {
            text = changed;
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// The lines of a message that say what went wrong: stack frames, source context and progress are left out.
pub fn stable_part(message: &str) -> String {
    /// Enough for any assertion; a dump of a large value after it is not needed to tell failures apart.
    const MOST_LINES: usize = 12;
    const MOST_BYTES: usize = 1200;
    let text = plain(message);
    let pytest: Vec<&str> = text.lines().filter_map(pytest_error).collect();
    let compiler: Vec<&str> = text.lines().filter(|line| COMPILER.is_match(line)).collect();
    let lines = if !compiler.is_empty() {
        compiler
    } else if !pytest.is_empty() {
        pytest
    } else {
        text.lines().filter(|line| !NOISE.is_match(line)).collect()
    };
    let kept: Vec<String> =
        lines.iter().take(200).map(|line| normalise(line)).filter(|line| !line.is_empty()).collect();
    let kept = kept.into_iter().take(MOST_LINES).collect::<Vec<_>>().join("\n");
    // fingerprints are kept: what is cut here stays as it was, and nobody sees it
    clip_anywhere(&kept, MOST_BYTES).to_owned()
}

fn pytest_error(line: &str) -> Option<&str> {
    line.strip_prefix("E ").filter(|rest| rest.starts_with("  ") && !rest.trim_start().starts_with("File \""))
}

static COMPILER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:error(?:\[E\d+\])?: |\S+\(\d+,\d+\): error |\S+:\d+:\d+ - error |\S+\.java:.*error: |\S+\.go:\d+:\d+: )",
    )
});

static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"^\s*(?:File "|at |from |❯ |# \./|\d+: |--> |\.\.\. \d+ |= note: |-{3,}|={3,}|_{3,}|>? *\d+ \||\||\^)"#,
        r"|^\s*$",
        r"|^Traceback \(most recent call last\)",
        r"|^note: (?:run with|Some details)",
        r"|^stack backtrace:",
        r"|^\s*\S+\.py:\d+: (?:in \S+)?",
        r"|^\s*(?:goroutine \d+|created by |exit status|FAIL\b|---? FAIL|=== RUN|ok\s)",
        r"|^\tat |^\t/",
    ))
});

/// 16 hexadecimal digits over the runner, the red tests, what each says, and the innermost function of the project on
/// each one's stack.
pub fn fingerprint(
    runner: Runner,
    messages: &BTreeMap<TestId, String>,
    functions: &BTreeMap<TestId, String>,
) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    add(&format!("{runner:?}"));
    for (id, message) in messages {
        add(&id.0);
        add(&stable_part(message));
        add(functions.get(id).map_or("", String::as_str));
    }
    hex::encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print(message: &str) -> String {
        let id = TestId("t".into());
        fingerprint(Runner::Pytest, &BTreeMap::from([(id, message.to_owned())]), &BTreeMap::new())
    }

    #[test]
    fn what_changes_from_run_to_run_is_replaced() {
        let table = [
            ("<Cart object at 0x7f3a2c1b9d10>", "<Cart object at <address>>"),
            ("id 123e4567-e89b-12d3-a456-426614174000 gone", "id <uuid> gone"),
            ("at 2026-11-22T10:46:01.123Z it broke", "at <time> it broke"),
            ("10:46:01 it broke", "<time> it broke"),
            ("/home/a/proj/src/cart.py:14: broke", "cart.py: broke"),
            ("C:\\a\\b\\cart.py:14:3", "cart.py"),
            ("src/cart.ts(3,5): error", "cart.ts: error"),
            ("at x (/a/b/cart.test.js:3:5)", "at x (cart.test.js)"),
            ("at Test.run (node:internal/test_runner/test:796:25)", "at Test.run (node:test:796:25)"),
            ("took 0.03s", "took <duration>"),
            ("after 1500 ms", "after <duration>"),
            ("connect 127.0.0.1:43127", "connect 127.0.0.1:<port>"),
            ("listening on port 8081", "listening on port <port>"),
            ("pid 4711 died", "pid <pid> died"),
            ("no /tmp/.tmpAb12Cd/x.json", "no x.json"),
            ("dir .tmpAb12Cd gone", "dir <temp> gone"),
            ("used 12.5 MiB", "used <size>"),
            ("on line 12, column 4", "on line <n>, column <n>"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("thread 'main' (8231) panicked at src/a.rs:1:2:", "thread 'main' panicked at a.rs:"),
        ];
        for (from, to) in table {
            assert_eq!(normalise(from), to, "{from}");
        }
    }

    #[test]
    fn what_a_test_expected_and_got_stays() {
        for text in ["assert 3 == 4", "expected 0x1F, got 0x20", "left: 10.02", "'a' != 'b'", "KeyError: 'price'"] {
            assert_eq!(normalise(text), text);
        }
        assert_ne!(print("assert 3 == 4"), print("assert 3 == 5"));
        assert_ne!(print("KeyError: 'price'"), print("KeyError: 'tax'"));
        assert_ne!(print("KeyError: 'price'"), print("IndexError: 'price'"));
    }

    #[test]
    fn the_same_failure_elsewhere_has_the_same_fingerprint() {
        let here = "src/cart.py:14: in total\n    return a / b\nE   ZeroDivisionError: division by zero\n\nsrc/cart.py:14: ZeroDivisionError";
        let there = "\x1b[1m/ci/build 7/src/cart.py\x1b[0m:19: in total\n    return a / b\n\x1b[31mE   ZeroDivisionError: division by zero\x1b[0m\n\n/ci/build 7/src/cart.py:19: ZeroDivisionError";
        assert_eq!(print(here), print(there));
        let rust = "thread 'a' panicked at src/lib.rs:10:5:\nassertion `left == right` failed\n  left: 3\n right: 4\nnote: run with `RUST_BACKTRACE=1`";
        let moved = "thread 'a' (99) panicked at /x/src/lib.rs:17:9:\nassertion `left == right` failed\n  left: 3\n right: 4\nstack backtrace:\n   0: std::panicking\n             at /rustc/abc/library/std/src/panicking.rs:5:1";
        assert_eq!(print(rust), print(moved));
        let build = "error[E0425]: cannot find value `x` in this scope\n --> src/lib.rs:2:5\n  |\n2 |     x\n  |     ^";
        assert_eq!(print(build), print(&build.replace(":2:5", ":9:5").replace("2 |", "9 |")));
    }

    #[test]
    fn another_test_runner_or_function_is_another_fingerprint() {
        let messages = BTreeMap::from([(TestId("a".into()), "boom".to_owned())]);
        let other = BTreeMap::from([(TestId("b".into()), "boom".to_owned())]);
        let functions = BTreeMap::from([(TestId("a".into()), "total".to_owned())]);
        let one = fingerprint(Runner::Pytest, &messages, &BTreeMap::new());
        assert_eq!(one.len(), 16);
        assert_ne!(one, fingerprint(Runner::Pytest, &other, &BTreeMap::new()));
        assert_ne!(one, fingerprint(Runner::Jest, &messages, &BTreeMap::new()));
        assert_ne!(one, fingerprint(Runner::Pytest, &messages, &functions));
    }

    proptest! {
        #[test]
        fn lines_colours_and_folders_do_not_change_it(
            shift in 1usize..5000, folder in "/[a-z]{1,8}(/[a-z0-9]{1,8}){0,4}", colour in 30u8..38, message in "[a-z]{1,12} [a-z]{1,12}"
        ) {
            let make = |folder: &str, line: usize, on: &str, off: &str| format!(
                "Traceback (most recent call last):\n  File \"{folder}/src/a.py\", line {line}, in f\n    g()\n{on}ValueError: {message}{off} in {folder}/src/a.py:{line}\n"
            );
            let here = make("/w", 3, "", "");
            let there = make(&folder, 3 + shift, &format!("\x1b[{colour}m"), "\x1b[0m");
            prop_assert_eq!(print(&here), print(&there));
        }

        #[test]
        fn normalising_twice_changes_nothing_more(text in "[a-zA-Z0-9/:. <>()_-]{0,80}") {
            let once = normalise(&text);
            let twice = normalise(&once);
            prop_assert_eq!(normalise(&twice), twice);
        }

        #[test]
        fn different_words_make_different_fingerprints(a in "[a-z]{3,20}", b in "[a-z]{3,20}") {
            prop_assume!(a != b);
            prop_assert_ne!(print(&format!("ValueError: {a}")), print(&format!("ValueError: {b}")));
        }
    }
}
