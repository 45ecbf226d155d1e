//! A patch from outside (a diff file) becomes a [`super::Patch`] against a snapshot, strictly, by git's own `apply`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::parse::{Reading, Section, sections};
use super::{FileChange, FileContent, MODE_EXECUTABLE, MODE_FILE, Patch};
use crate::error::{Context as _, Error, Result};
use crate::repo::Store;
use crate::repo::git::Git;
use crate::system;
use crate::words::{Reason, Sha, Verdict};

/// The largest diff that is read: a bigger one is no fix of a failing test.
pub const MOST_BYTES: usize = 10 * 1024 * 1024;

/// Deepest `-p` that is tried.
const DEEPEST_STRIP: usize = 6;

/// Why a diff was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// There is no diff in the text.
    NoDiff,
    /// It is larger than [`MOST_BYTES`].
    TooLarge(usize),
    /// It changes nothing.
    Empty,
    /// It names a path that no patch may write, and why not.
    Path(String, &'static str),
    /// It makes or changes something that is not a plain file.
    Mode(String, u32),
    /// git does not apply it; in git's words.
    DoesNotApply(String),
    /// Our own side failed.
    Ours(Error),
}

impl Refusal {
    /// The judge's verdict on such a diff; the error when it was our own side.
    ///
    /// # Errors
    /// When our own side failed.
    pub fn verdict(self) -> Result<(Verdict, Reason)> {
        let reason = |rule: &str, what: String| Reason { rule: rule.to_owned(), what };
        Ok(match self {
            Self::NoDiff => {
                (Verdict::DoesNotApply, reason("patch.no-diff", "there is no unified diff in the text".to_owned()))
            }
            Self::TooLarge(bytes) => (
                Verdict::DoesNotApply,
                reason("patch.too-large", format!("{bytes} bytes; the most that is read is {MOST_BYTES}")),
            ),
            Self::Empty => (Verdict::DoesNotApply, reason("patch.empty", "the patch changes nothing".to_owned())),
            Self::Path(path, why) => (Verdict::Tampered, reason("patch.path", format!("{path}: {why}"))),
            Self::Mode(path, mode) => {
                let kind = if mode == super::MODE_LINK { "a symbolic link" } else { "not a plain file" };
                (Verdict::Tampered, reason("patch.mode", format!("{path}: {kind} (mode {mode:o})")))
            }
            Self::DoesNotApply(words) => (Verdict::DoesNotApply, reason("patch.does-not-apply", words)),
            Self::Ours(error) => return Err(error),
        })
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// Why no patch may write `path`; `None` when it may.
pub fn forbidden(path: &[u8]) -> Option<&'static str> {
    if path.starts_with(b"/") {
        return Some("an absolute path");
    }
    if path.is_empty() || path.contains(&0) {
        return Some("not a file name");
    }
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" => return Some("an empty part in the path"),
            b"." | b".." => return Some("leads out of the tree"),
            _ if is_dot_git(part) => return Some("git's own folder"),
            _ => {}
        }
    }
    (!system::can_name(path)).then_some("no file can be named so here")
}

/// `.git` in every spelling that some file system takes for it: case, trailing dots and blanks, the short name, and
/// characters that HFS+ ignores.
fn is_dot_git(part: &[u8]) -> bool {
    let text: String = String::from_utf8_lossy(part)
        .chars()
        .filter(
            |c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'),
        )
        .collect();
    let text = text.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    let stem = text.split(':').next().unwrap_or("");
    stem == ".git" || stem == "git~1"
}

/// Reads the diff in `text` as a patch against `tree`: git format or plain, with prose around it, strictly; a second
/// try counts hunks anew and gives them the file's line ends, a third ignores white space in the context.
///
/// # Errors
/// A [`Refusal`] with the reason.
pub fn parse(store: &Store, tree: &Sha, text: &[u8]) -> Result<Patch, Refusal> {
    if text.len() > MOST_BYTES {
        return Err(Refusal::TooLarge(text.len()));
    }
    let sections = sections(text);
    if sections.is_empty() {
        return Err(Refusal::NoDiff);
    }
    let index = Index::of(store, tree)?;
    let strip = strip_of(store, tree, &sections)?;
    check_names(&sections, strip)?;
    let old = old_contents(store, tree, &sections, strip)?;
    let mut first_words = None;
    for (reading, flags) in attempts(&sections) {
        let mut diff = Vec::new();
        for (section, old) in sections.iter().zip(&old) {
            section.write(&mut diff, reading, old.as_deref());
        }
        match index.apply(&diff, strip, flags)? {
            None => return between(store, tree, &index.tree()?),
            Some(words) => first_words = first_words.or(Some(words)),
        }
    }
    Err(Refusal::DoesNotApply(first_words.unwrap_or_default()))
}

/// The tree that `diff`, as git itself wrote it (links and submodules included), makes of `tree`. `None` when it does
/// not apply. For trees of our own making, not for patches from outside.
///
/// # Errors
/// When git fails.
pub fn rebuild(store: &Store, tree: &Sha, diff: &[u8]) -> Result<Option<Sha>> {
    let index = Index::of(store, tree)?;
    if !diff.is_empty() && index.apply(diff, 1, &["--binary"])?.is_some() {
        return Ok(None);
    }
    index.tree().map(Some)
}

/// Ways to read the diff, strictest first.
fn attempts(sections: &[Section]) -> Vec<(Reading, &'static [&'static str])> {
    let miscounted = sections.iter().any(Section::miscounted);
    let mut ways = Vec::new();
    for flags in [&[][..], &["--ignore-whitespace"][..]] {
        for match_line_ends in [false, true] {
            for recount in [false, true] {
                if !recount || miscounted {
                    ways.push((Reading { recount, match_line_ends }, flags));
                }
            }
        }
    }
    ways
}

/// `name` without its first `strip` folders, as `git apply -p` does.
fn stripped(name: &[u8], strip: usize) -> Option<&[u8]> {
    let mut rest = name;
    for _ in 0..strip {
        let slash = rest.iter().position(|&b| b == b'/')?;
        rest = &rest[slash + 1..];
    }
    Some(rest)
}

/// How many folders to strip from names: the fewest with which every file that should exist does.
fn strip_of(store: &Store, tree: &Sha, sections: &[Section]) -> Result<usize> {
    let headed = |s: &Section| s.others.first().is_some_and(|n| n.starts_with(b"a/"));
    let usual = usize::from(sections.iter().any(|s| {
        headed(s) || s.old.iter().any(|n| n.starts_with(b"a/")) || s.new.iter().any(|n| n.starts_with(b"b/"))
    }));
    let with_old: Vec<&Section> = sections.iter().filter(|s| s.old.is_some()).collect();
    if with_old.is_empty() {
        return Ok(usual);
    }
    let order = std::iter::once(usual).chain((0..=DEEPEST_STRIP).filter(|n| *n != usual));
    for strip in order {
        let mut all = true;
        for section in &with_old {
            let mut exists = false;
            for name in section.old.iter().chain(&section.new) {
                let path = stripped(name, strip).filter(|p| forbidden(p).is_none());
                exists |= match path {
                    Some(path) => store.read(tree, path)?.is_some(),
                    None => false,
                };
            }
            all &= exists;
        }
        if all {
            return Ok(strip);
        }
    }
    Ok(usual)
}

fn check_names(sections: &[Section], strip: usize) -> Result<(), Refusal> {
    for name in sections.iter().flat_map(Section::names) {
        let refuse = |why| Err(Refusal::Path(String::from_utf8_lossy(name).into_owned(), why));
        if name.starts_with(b"/") && name != b"/dev/null" {
            return refuse("an absolute path");
        }
        if let Some(why) = forbidden(name).filter(|_| name != b"/dev/null") {
            return refuse(why);
        }
        if let Some(why) = stripped(name, strip).and_then(forbidden).filter(|_| name != b"/dev/null") {
            return refuse(why);
        }
    }
    Ok(())
}

fn old_contents(store: &Store, tree: &Sha, sections: &[Section], strip: usize) -> Result<Vec<Option<Vec<u8>>>> {
    let content = |section: &Section| -> Result<Option<Vec<u8>>> {
        for name in section.old.iter().chain(&section.new) {
            if let Some(path) = stripped(name, strip)
                && let Some((_, bytes)) = store.read(tree, path)?
            {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    };
    sections.iter().map(content).collect()
}

/// A temporary index in the store; gone when dropped.
struct Index<'a> {
    store: &'a Store,
    file: std::path::PathBuf,
}

impl<'a> Index<'a> {
    fn of(store: &'a Store, tree: &Sha) -> Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = format!("index-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let index = Self { store, file: store.temp.join(name) };
        index.git().args(["read-tree", &tree.0]).text()?;
        Ok(index)
    }
    fn git(&self) -> Git {
        Git::in_dir(&self.store.git_dir).env("GIT_DIR", &self.store.git_dir).env("GIT_INDEX_FILE", &self.file)
    }
    /// Applies `diff`; `Some` with git's words when it does not apply (the index is then as before).
    fn apply(&self, diff: &[u8], strip: usize, flags: &[&str]) -> Result<Option<String>> {
        let strip = format!("-p{strip}");
        let git = self.git().args(["apply", "--cached", "--whitespace=nowarn", &strip]).args(flags).arg("-");
        let (code, _, words) = git.try_run(Some(diff))?;
        Ok((code != 0).then(|| String::from_utf8_lossy(&words).trim().to_owned()))
    }
    fn tree(&self) -> Result<Sha> {
        self.git().arg("write-tree").text().map(|text| Sha(text.trim().to_owned()))
    }
}

impl Drop for Index<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_file(self.file.with_extension("lock"));
    }
}

/// The files of `old` that are not the same in `new` (changed or gone; new ones do not count), for people.
///
/// # Errors
/// When git fails.
pub fn rewritten(store: &Store, old: &Sha, new: &Sha) -> Result<Vec<String>> {
    let what = || format!("can't compare {old} with {new}");
    let repository = git2::Repository::open_bare(&store.git_dir).context(what)?;
    let find = |sha: &Sha| git2::Oid::from_str(&sha.0).and_then(|oid| repository.find_tree(oid));
    let (old, new) = (find(old).context(what)?, find(new).context(what)?);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), None).context(what)?;
    let gone = diff.deltas().filter(|d| d.status() != git2::Delta::Added);
    Ok(gone.filter_map(|d| d.old_file().path_bytes().map(|p| String::from_utf8_lossy(p).into_owned())).collect())
}

/// The patch from one tree to another; refuses links, submodules and forbidden paths.
///
/// # Errors
/// A [`Refusal`] with the reason.
pub fn between(store: &Store, old: &Sha, new: &Sha) -> Result<Patch, Refusal> {
    let what = || format!("can't compare {old} with {new}");
    let repository = git2::Repository::open_bare(&store.git_dir).context(what)?;
    let find = |sha: &Sha| git2::Oid::from_str(&sha.0).and_then(|oid| repository.find_tree(oid));
    let (old, new) = (find(old).context(what)?, find(new).context(what)?);
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), None).context(what)?;
    let mut files = BTreeMap::new();
    for delta in diff.deltas() {
        let side = |file: git2::DiffFile<'_>| -> Result<Option<FileContent>, Refusal> {
            if file.id().is_zero() || !file.exists() {
                return Ok(None);
            }
            let path = file.path_bytes().unwrap_or_default();
            let mode = u32::from(file.mode());
            let shown = || String::from_utf8_lossy(path).into_owned();
            if mode != MODE_FILE && mode != MODE_EXECUTABLE {
                return Err(Refusal::Mode(shown(), mode));
            }
            if let Some(why) = forbidden(path) {
                return Err(Refusal::Path(shown(), why));
            }
            let blob = repository.find_blob(file.id()).context(what)?;
            Ok(Some(FileContent { mode, bytes: blob.content().to_vec() }))
        };
        let path = delta.new_file().path_bytes().or(delta.old_file().path_bytes()).unwrap_or_default().to_vec();
        let change = FileChange { old: side(delta.old_file())?, new: side(delta.new_file())? };
        if change.old != change.new {
            files.insert(path, change);
        }
    }
    if files.is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(Patch { files })
}

#[cfg(test)]
#[path = "tests/outside.rs"]
mod tests;
