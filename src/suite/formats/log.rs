//! What failed, recognised in the plain log of a command of which only the exit code counts: names for people and for
//! the search of suspects, never results.

use std::sync::LazyLock;

use regex::Regex;

/// So many names are enough.
const MOST: usize = 50;

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // pytest's short summary
        r"^(?:FAILED|ERROR|SUBFAILED\S*) (\S+\.py(?:::.+?)?)(?: - .*)?$",
        // go test
        r"^\s*--- FAIL: (\S+) \(\d",
        // libtest
        r"^test (\S.*?) \.\.\. FAILED",
        // nextest
        r"^\s+(?:FAIL|SIGABRT|SIGSEGV|TIMEOUT) \[[^\]]*\] (?:\([^)]*\) )?(\S+ \S+)$",
        // jest: a failure's headline
        r"^  ● (.+ › .+)$",
        // vitest
        r"^ ?(?: FAIL |❯|×) +(\S+ > .+)$",
        // node --test and others with check marks
        r"^\s*(?:✖|✗|✕) (.+?) \(\d[\d.]* ?ms\)",
        // unittest
        r"^(?:FAIL|ERROR): (\S+ \(\S+\).*)$",
        // RSpec
        r"^(rspec \S+ # .+)$",
        // TAP
        r"^\s*not ok \d+ - ([^#]+(?: #[^T].*)?)$",
        // surefire
        r"^\[ERROR\]   (\w+\.\w+:\d+) ",
    ]
    .iter()
    // only literals: can't fail
    .map(|p| Regex::new(p).unwrap())
    .collect()
});

/// The names of what failed, in the order of the log, each once.
pub fn failed(log: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in log.lines().map(super::plain) {
        let found = PATTERNS.iter().find_map(|p| p.captures(&line)).map(|c| c[1].trim().to_owned());
        if let Some(name) = found.filter(|n| !names.contains(n) && n.len() < 1_000) {
            names.push(name);
        }
        if names.len() >= MOST {
            break;
        }
    }
    names
}
