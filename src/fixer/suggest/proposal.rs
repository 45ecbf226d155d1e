//! Proposals: new texts of files with a reason and a rank; and small edits of text that all rules share.

use std::collections::BTreeMap;

use regex::Regex;

use crate::failure::Scene;
use crate::failure::frames::{Place, places};

/// A change that some tool or rule suggests.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// New texts by path.
    pub files: BTreeMap<String, String>,
    /// What it does, for people.
    pub idea: String,
    /// How likely it is right, 0 to 1.
    pub rank: f64,
}

impl Proposal {
    /// A new text of one file.
    pub fn one(path: &str, text: String, idea: impl Into<String>, rank: f64) -> Self {
        Self { files: BTreeMap::from([(path.to_owned(), text)]), idea: idea.into(), rank }
    }
}

/// Both proposals at once, when they do not change the same lines. `base` gives the texts before.
pub fn merge(a: &Proposal, b: &Proposal, base: impl Fn(&str) -> Option<String>) -> Option<Proposal> {
    let mut files = a.files.clone();
    for (path, theirs) in &b.files {
        let merged = match files.get(path) {
            Some(ours) => merge_text(&base(path)?, ours, theirs)?,
            None => theirs.clone(),
        };
        files.insert(path.clone(), merged);
    }
    Some(Proposal { files, idea: format!("{}; and {}", a.idea, b.idea), rank: a.rank.min(b.rank) })
}

fn merge_text(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let old: Vec<&str> = base.split_inclusive('\n').collect();
    let edits = |new: &str| -> Vec<(std::ops::Range<usize>, String)> {
        let new: Vec<&str> = new.split_inclusive('\n').collect();
        let ops = similar::capture_diff_slices(similar::Algorithm::Patience, &old, &new);
        let changed = ops.iter().filter(|op| op.tag() != similar::DiffTag::Equal);
        changed.map(|op| (op.old_range(), new[op.new_range()].concat())).collect()
    };
    let mut all = edits(ours);
    for edit in edits(theirs) {
        if !all.contains(&edit) {
            all.push(edit);
        }
    }
    all.sort_by_key(|(range, _)| (range.start, range.end));
    // lines that touch belong together: which text comes first would be a guess
    if all.windows(2).any(|w| w[1].0.start < w[0].0.end || w[1].0.start == w[0].0.start) {
        return None;
    }
    let mut out = old.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
    for (range, new) in all.into_iter().rev() {
        out.splice(range, [new]);
    }
    Some(out.concat())
}

/// A place of the message that is a file of the tree.
#[derive(Debug, Clone)]
pub struct Site {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, where known.
    pub column: Option<usize>,
    /// No patch may change this file.
    pub protected: bool,
}

/// The places of a message in the tree, innermost first.
pub fn sites(text: &str, scene: &Scene<'_>) -> Vec<Site> {
    let found = |place: Place| {
        let file = scene.resolve(&place.file)?.to_owned();
        let protected = scene.is_protected(&file);
        Some(Site { file, line: place.line, column: place.column, protected })
    };
    places(text).into_iter().filter_map(found).collect()
}

/// `name` as a whole word. Names come from outside, so everything special is escaped.
pub fn word(name: &str) -> Option<Regex> {
    let plain = !name.is_empty() && name.len() < 200 && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then(|| Regex::new(&format!(r"\b{name}\b")).ok()).flatten()
}

/// `text` with `old` replaced by `new` as whole words: on one line, or everywhere.
pub fn rename(text: &str, old: &str, new: &str, line: Option<usize>) -> Option<String> {
    let word = word(old)?;
    let changed = match line {
        None => word.replace_all(text, regex::NoExpand(new)).into_owned(),
        Some(wanted) => {
            let change = |(n, l): (usize, &str)| {
                if n + 1 == wanted { word.replace_all(l, regex::NoExpand(new)).into_owned() } else { l.to_owned() }
            };
            text.split_inclusive('\n').enumerate().map(change).collect()
        }
    };
    (changed != text).then_some(changed)
}

/// One line of a text, without its end.
pub fn line(text: &str, number: usize) -> Option<&str> {
    text.lines().nth(number.checked_sub(1)?)
}

/// `text` with one line replaced (its end stays).
pub fn with_line(text: &str, number: usize, new: &str) -> String {
    let change = |(n, l): (usize, &str)| {
        if n + 1 != number {
            return l.to_owned();
        }
        let end = &l[l.trim_end_matches(['\n', '\r']).len()..];
        format!("{new}{end}")
    };
    text.split_inclusive('\n').enumerate().map(change).collect()
}

/// `text` with a new line before line `number`.
pub fn insert_line(text: &str, number: usize, new: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = number.saturating_sub(1).min(lines.len());
    let mut out: String = lines[..at].concat();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(new);
    out.push('\n');
    out.push_str(&lines[at..].concat());
    out
}

/// How far apart two names are when they are near enough to be taken for one another; `None` when they are not.
pub fn near(a: &str, b: &str) -> Option<usize> {
    if a == b || a.len().min(b.len()) < 2 {
        return None;
    }
    if a.eq_ignore_ascii_case(b) || a.replace('_', "").eq_ignore_ascii_case(&b.replace('_', "")) {
        return Some(1);
    }
    let most = (a.chars().count().max(b.chars().count()) / 3).clamp(1, 3);
    let distance = strsim::damerau_levenshtein(a, b);
    // one letter of a very short name is most of it
    (distance <= most && (a.len() > 3 || distance == 1)).then_some(distance)
}

/// The names nearest to `wanted`, nearest first, at most `most`.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> =
        names.into_iter().filter_map(|name| near(wanted, name).map(|d| (d, name.to_owned()))).collect();
    found.sort();
    found.dedup();
    found.truncate(most);
    found
}

/// The names in a text: identifiers that are longer than one letter.
pub fn identifiers(text: &str) -> std::collections::BTreeSet<&str> {
    let split = |c: char| !(c.is_alphanumeric() || c == '_');
    let name = |w: &&str| w.len() > 1 && !w.starts_with(|c: char| c.is_ascii_digit());
    text.split(split).filter(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_touches_whole_words_only() {
        assert_eq!(rename("a ab a\na\n", "a", "x", Some(1)).unwrap(), "x ab x\na\n");
        assert_eq!(rename("a ab a\na\n", "a", "$1", None).unwrap(), "$1 ab $1\n$1\n");
        assert_eq!(rename("b\n", "a", "x", None), None);
        assert_eq!(rename("b\n", "b|c", "x", None), None);
    }

    #[test]
    fn lines_are_replaced_and_inserted_with_their_ends() {
        assert_eq!(with_line("a\r\nb\n", 1, "x"), "x\r\nb\n");
        assert_eq!(insert_line("a\nb", 3, "c"), "a\nb\nc\n");
        assert_eq!(insert_line("a\nb\n", 1, "c"), "c\na\nb\n");
    }

    #[test]
    fn proposals_for_different_lines_become_one_and_others_do_not() {
        let base = |_: &str| Some("a\nb\nc\n".to_owned());
        let of = |text: &str| Proposal::one("f", text.into(), "x", 0.5);
        let both = merge(&of("x\na\nb\nc\n"), &of("a\nb\nC\n"), base).unwrap();
        assert_eq!(both.files["f"], "x\na\nb\nC\n");
        assert_eq!(merge(&of("a\nB\nc\n"), &of("a\nbb\nc\n"), base), None);
    }

    #[test]
    fn near_names_are_near_and_others_are_not() {
        assert_eq!(near("total", "totl"), Some(1));
        assert_eq!(near("totla", "total"), Some(1));
        assert_eq!(near("getName", "get_name"), Some(1));
        assert_eq!(near("total", "label"), None);
        assert_eq!(near("ab", "cd"), None);
        assert_eq!(near("total", "total"), None);
    }
}
