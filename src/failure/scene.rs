//! The scene of a failure: the files of the tree, how to read them, and how a path in a log becomes one of them.

use crate::failure::ChangedLines;
use crate::suite::Suite;
use crate::suite::protected::{Protected, Protection};

/// What the detective work may look at.
pub struct Scene<'a> {
    /// The suite that is red.
    pub suite: &'a Suite,
    /// Every file of the tree, `/`-separated, relative to the top.
    pub paths: &'a [String],
    /// The content of a file of the tree.
    pub read: &'a (dyn Fn(&str) -> Option<Vec<u8>> + Sync),
    /// What changed since the last green point; empty when there is none.
    pub changed: &'a ChangedLines,
    /// Which files are tests.
    pub protected: &'a Protected,
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("suite", &self.suite.name).field("paths", &self.paths.len()).finish()
    }
}

/// Parts of a path that say: this file is somebody else's.
const FOREIGN: [&str; 14] = [
    "/site-packages/",
    "/dist-packages/",
    "/node_modules/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/rustc/",
    "/rustlib/",
    "/go/pkg/mod/",
    "/usr/lib/",
    "/usr/local/lib/",
    "/usr/local/go/",
    "/.rbenv/",
    "/gems/",
    "/.venv/",
];

impl Scene<'_> {
    /// The file is a test, an expectation or a hook of the runner.
    pub fn is_test(&self, path: &str) -> bool {
        matches!(
            self.protected.why(path.as_bytes()),
            Some(Protection::Test | Protection::Expectation | Protection::RunnerHook)
        )
    }

    /// No patch may change it.
    pub fn is_protected(&self, path: &str) -> bool {
        self.protected.why(path.as_bytes()).is_some()
    }

    /// The text of a file, when it is text of sane size.
    pub fn text(&self, path: &str) -> Option<String> {
        const LARGEST_BYTES: usize = 1024 * 1024;
        let bytes = (self.read)(path)?;
        if bytes.len() > LARGEST_BYTES { None } else { String::from_utf8(bytes).ok() }
    }

    /// The file of the tree that `raw`, a path in some log, means: the same path, the same below the suite's folder,
    /// or the only file whose path ends in it (relative) or in which it ends (absolute: a workspace's prefix is cut).
    pub fn resolve(&self, raw: &str) -> Option<&str> {
        let raw = raw.strip_prefix("file://").unwrap_or(raw).replace('\\', "/");
        let raw = raw.trim_start_matches("./");
        let padded = format!("/{raw}");
        if raw.is_empty() || raw.starts_with("node:") || FOREIGN.iter().any(|part| padded.contains(part)) {
            return None;
        }
        let absolute = raw.starts_with('/') || raw.as_bytes().get(1) == Some(&b':');
        if absolute { self.below_some_prefix(&padded) } else { self.relative(raw) }
    }

    fn relative(&self, raw: &str) -> Option<&str> {
        let raw = raw.trim_start_matches("../");
        let dir = self.suite.dir.to_string_lossy();
        let below = if dir.is_empty() { raw.to_owned() } else { format!("{}/{raw}", dir.trim_end_matches('/')) };
        let exact = |wanted: &str| self.paths.iter().find(|p| *p == wanted).map(String::as_str);
        if let Some(found) = exact(&below).or_else(|| exact(raw)) {
            return Some(found);
        }
        let tail = format!("/{raw}");
        let mut ending = self.paths.iter().filter(|p| p.ends_with(&tail));
        match (ending.next(), ending.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn below_some_prefix(&self, raw: &str) -> Option<&str> {
        // the longest match is the right one: `/w/src/a.py` is `src/a.py`, not `a.py`
        let ends =
            |p: &&String| raw.len() > p.len() && raw.ends_with(p.as_str()) && raw[..raw.len() - p.len()].ends_with('/');
        self.paths.iter().filter(ends).max_by_key(|p| p.len()).map(String::as_str)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::suite::{CommandLine, Runner};

    /// A suite at the top of the tree.
    pub(crate) fn suite(runner: Runner) -> Suite {
        Suite {
            name: "top".into(),
            dir: "".into(),
            command: CommandLine::Argv(vec!["test".into()]),
            runner,
            found_by: "test".into(),
        }
    }

    #[test]
    fn paths_of_logs_become_files_of_the_tree_or_nothing() {
        let paths: Vec<String> =
            ["cart.py", "src/cart.py", "web/src/a.ts", "lib/src/b.ts", "tests/test_cart.py", "json/decoder.py"]
                .map(String::from)
                .to_vec();
        let mut suite = suite(Runner::Pytest);
        suite.dir = "web".into();
        let scene = Scene {
            suite: &suite,
            paths: &paths,
            read: &|_| None,
            changed: &ChangedLines::default(),
            protected: &Protected::default(),
        };
        let table = [
            ("src/cart.py", Some("src/cart.py")),
            ("./cart.py", Some("cart.py")),
            ("/tmp/kz-1/ws-3/src/cart.py", Some("src/cart.py")),
            ("file:///tmp/x/web/src/a.ts", Some("web/src/a.ts")),
            ("src/a.ts", Some("web/src/a.ts")),
            ("src/b.ts", Some("lib/src/b.ts")),
            ("C:\\work\\src\\cart.py", Some("src/cart.py")),
            ("/usr/lib/python3.11/json/decoder.py", None),
            ("/x/.venv/lib/python3/site-packages/json/decoder.py", None),
            ("node:internal/modules/cjs/loader", None),
            ("xcart.py", None),
            ("../web/src/a.ts", Some("web/src/a.ts")),
            ("", None),
        ];
        for (raw, wanted) in table {
            assert_eq!(scene.resolve(raw), wanted, "{raw}");
        }
    }
}
