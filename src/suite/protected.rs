//! Protected files: tests, their configuration and everything that decides how tests run. No patch may change them.
//!
//! The rules look at a path alone and follow the conventions of each language. They err on both sides on purpose where
//! a name is a convention only in one place: `spec/` at the top of a package is tests, `src/spec/` is a module called
//! spec.

mod names;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Which paths are protected.
#[derive(Debug, Clone, Default)]
pub struct Protected {
    /// Further globs from the configuration.
    extra: Vec<String>,
    globs: GlobSet,
}

/// Why a path is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// A test file.
    Test,
    /// A recorded expectation: snapshot, golden file, cassette.
    Expectation,
    /// Hooks into the test runner: conftest.py, setup files, plug-ins, sitecustomize, .pth; installed runners.
    RunnerHook,
    /// Configuration of a runner, linter, build or CI.
    Configuration,
    /// A lock file.
    Lock,
    /// Code that runs at build time: build.rs, setup.py.
    BuildScript,
    /// git's own files: .git, .gitmodules, .gitattributes. Also a path that leads out of the tree.
    Git,
    /// Named in `.kaizen.yml`.
    Configured,
}

impl Protected {
    /// The built-in rules and `extra` globs. A glob protects what it matches and everything below; one that is not
    /// valid protects the path that it spells.
    pub fn new(extra: &[String]) -> Self {
        let mut set = GlobSetBuilder::new();
        for glob in extra {
            let base = glob.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
            for pattern in [base.to_owned(), format!("{base}/**")] {
                if let Ok(glob) = GlobBuilder::new(&pattern).case_insensitive(true).literal_separator(true).build() {
                    set.add(glob);
                }
            }
        }
        Self { extra: extra.to_vec(), globs: set.build().unwrap_or_default() }
    }

    /// The further globs, as they were given.
    pub fn extra(&self) -> &[String] {
        &self.extra
    }

    /// Why `path` (`/`-separated, relative to the top) may not be changed; `None`: it may.
    pub fn why(&self, path: &[u8]) -> Option<Protection> {
        let text = String::from_utf8_lossy(path);
        let Some(parts) = normal(&text) else { return Some(Protection::Git) };
        let lower: Vec<String> = parts.iter().map(|p| fold(p)).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        names::why(&parts, &lower).or_else(|| self.configured(&parts))
    }

    fn configured(&self, parts: &[&str]) -> Option<Protection> {
        let path = parts.join("/");
        let spelled = self.extra.iter().any(|e| {
            let e = e.trim_start_matches("./").trim_matches('/');
            !e.is_empty() && (path == e || path.strip_prefix(e).is_some_and(|rest| rest.starts_with('/')))
        });
        (spelled || self.globs.is_match(&path)).then_some(Protection::Configured)
    }
}

/// The parts of a path with `.` and `..` resolved; `None` when it is absolute, empty or leads out of the tree.
fn normal(path: &str) -> Option<Vec<String>> {
    let mut parts: Vec<String> = Vec::new();
    if path.starts_with(['/', '\\']) {
        return None;
    }
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part.to_owned()),
        }
    }
    (!parts.is_empty()).then_some(parts)
}

/// A name as file systems that fold names see it: lower case, without what NTFS and HFS+ drop (trailing dots and blanks,
/// stream names, invisible characters).
fn fold(name: &str) -> String {
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let visible: String = name.chars().filter(|c| !invisible(*c)).flat_map(char::to_lowercase).collect();
    let stem = visible.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    match stem {
        "git~1" => ".git".to_owned(),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
