//! A patch as suggestions under the lines of a pull request: only where every line that it changes is shown in the diff.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::api::is_by_us;
use super::body;
use super::clean;
use super::client::{Client, Trouble};

/// One suggestion: these lines, replaced by that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The file.
    pub path: String,
    /// First line that is replaced, from 1.
    pub start: usize,
    /// Last line that is replaced.
    pub end: usize,
    /// What stands there then; without a last line end.
    pub text: String,
}

/// Why a patch can't be suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotHere {
    /// Files are made, removed or renamed.
    #[error("it makes, removes or renames files")]
    WholeFiles,
    /// A line is not part of the pull request's diff.
    #[error("it changes lines that this pull request does not show")]
    OtherLines,
    /// The text has characters that nobody sees, or is no text.
    #[error("it has characters that can't be suggested")]
    Unseen,
    /// Too many.
    #[error("it has too many parts")]
    TooMany,
}

/// More suggestions nobody clicks one by one.
const MOST: usize = 15;

/// The lines of the new side that a diff of one file shows (its `patch` in GitHub's list of files).
pub fn shown_lines(patch: &str) -> BTreeSet<usize> {
    let (mut shown, mut now) = (BTreeSet::new(), 0);
    for line in patch.lines() {
        if let Some((_, new)) = hunk(line) {
            now = new.0;
            continue;
        }
        match line.as_bytes().first() {
            Some(b'+' | b' ') | None => {
                shown.insert(now);
                now += 1;
            }
            _ => {}
        }
    }
    shown
}

/// Start and length of both sides, of `@@ -1,2 +3,4 @@`.
fn hunk(line: &str) -> Option<((usize, usize), (usize, usize))> {
    let rest = line.strip_prefix("@@ -")?;
    let (ranges, _) = rest.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| {
        let (start, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, length.parse().ok()?))
    };
    Some((range(old)?, range(new)?))
}

/// The verified `patch` (a unified diff as our own patches are written) as suggestions, where `shown` has the lines that
/// the pull request shows of each file.
///
/// # Errors
/// When one part of it can't be suggested: half a heal is none.
pub fn suggestions(patch: &str, shown: &BTreeMap<String, BTreeSet<usize>>) -> Result<Vec<Suggestion>, NotHere> {
    let (mut all, mut path, mut part) = (Vec::new(), String::new(), Part::default());
    let whole = ["new file mode", "deleted file mode", "rename ", "copy ", "old mode", "Binary files", "GIT binary"];
    for line in patch.lines() {
        if part.is_open() {
            all.extend(part.take(line, &path)?);
        } else if let Some(((start, old), (_, new))) = hunk(line) {
            part = Part { now: start, old_left: old, new_left: new, ..Part::default() };
        } else if whole.iter().any(|start| line.starts_with(start)) || line.contains(" /dev/null") {
            return Err(NotHere::WholeFiles);
        } else if let Some(name) = line.strip_prefix("+++ ") {
            path = name.strip_prefix("b/").unwrap_or(name).to_owned();
        }
    }
    if all.len() > MOST {
        return Err(NotHere::TooMany);
    }
    for one in &all {
        let lines = shown.get(&one.path).ok_or(NotHere::OtherLines)?;
        if !(one.start..=one.end).all(|line| lines.contains(&line)) {
            return Err(NotHere::OtherLines);
        }
        if one.text.chars().any(clean::is_hidden) || one.path.contains('"') {
            return Err(NotHere::Unseen);
        }
    }
    match all.is_empty() {
        true => Err(NotHere::WholeFiles),
        false => Ok(all),
    }
}

/// One hunk being read: runs of changed lines, each of which becomes a suggestion.
#[derive(Default)]
struct Part {
    /// The next line of the old side.
    now: usize,
    /// Lines of each side that are still to come: inside of a hunk nothing is a header.
    old_left: usize,
    new_left: usize,
    /// The line before the run, which an insertion is hung on.
    before: Option<String>,
    removed: Vec<String>,
    added: Vec<String>,
}

impl Part {
    fn is_open(&self) -> bool {
        self.old_left > 0 || self.new_left > 0
    }

    fn take(&mut self, line: &str, path: &str) -> Result<Option<Suggestion>, NotHere> {
        let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        let mut done = None;
        match sign {
            "-" => {
                self.removed.push(text.to_owned());
                self.now += 1;
                self.old_left = self.old_left.saturating_sub(1);
            }
            "+" => {
                self.added.push(text.to_owned());
                self.new_left = self.new_left.saturating_sub(1);
            }
            "\\" => {}
            _ => {
                done = self.flush(path, Some(text))?;
                self.before = Some(text.to_owned());
                self.now += 1;
                self.old_left = self.old_left.saturating_sub(1);
                self.new_left = self.new_left.saturating_sub(1);
            }
        }
        match self.is_open() {
            true => Ok(done),
            // at most one run ends with the last line: a context line has flushed the one before it
            false => Ok(done.or(self.flush(path, None)?)),
        }
    }

    /// The run that is over, `after` is the line behind it.
    fn flush(&mut self, path: &str, after: Option<&str>) -> Result<Option<Suggestion>, NotHere> {
        let (removed, added) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.added));
        if removed.is_empty() && added.is_empty() {
            return Ok(None);
        }
        let path = path.to_owned();
        if !removed.is_empty() {
            let (start, end) = (self.now - removed.len(), self.now - 1);
            return Ok(Some(Suggestion { path, start, end, text: added.join("\n") }));
        }
        // an insertion: hung on the line before it, else on the one behind
        match (self.before.take(), after) {
            (Some(before), _) => {
                let at = self.now - 1;
                self.before = Some(before.clone());
                Ok(Some(Suggestion { path, start: at, end: at, text: format!("{before}\n{}", added.join("\n")) }))
            }
            (None, Some(after)) => {
                let text = format!("{}\n{after}", added.join("\n"));
                Ok(Some(Suggestion { path, start: self.now, end: self.now, text }))
            }
            (None, None) => Err(NotHere::WholeFiles),
        }
    }
}

/// The body of a suggestion's comment: a fence that its text can't end.
pub fn comment(suggestion: &Suggestion) -> String {
    let longest = suggestion.text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}suggestion\n{}\n{fence}\n", suggestion.text)
}

impl Client {
    /// Suggests `patch` under the lines of the pull request, as one review; once, however often it is asked. The inner
    /// error says why it can't be.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn suggest(
        &self,
        pull: u64,
        head: &str,
        patch: &[u8],
        fingerprint: &str,
        text: &str,
    ) -> Result<Result<usize, NotHere>, Trouble> {
        let files = self.list(&self.route(&format!("/pulls/{pull}/files")), 3000).await?;
        let lines = |file: &Value| Some((file["filename"].as_str()?.to_owned(), shown_lines(file["patch"].as_str()?)));
        let shown: BTreeMap<_, _> = files.iter().filter_map(lines).collect();
        let Ok(patch) = std::str::from_utf8(patch) else { return Ok(Err(NotHere::Unseen)) };
        let all = match suggestions(patch, &shown) {
            Ok(all) => all,
            Err(why) => return Ok(Err(why)),
        };
        if self.find_review(pull, fingerprint).await?.is_some() {
            return Ok(Ok(all.len()));
        }
        let one = |suggestion: &Suggestion| {
            let mut value = json!({
                "path": suggestion.path, "line": suggestion.end, "side": "RIGHT", "body": comment(suggestion),
            });
            if suggestion.start < suggestion.end {
                value["start_line"] = suggestion.start.into();
                value["start_side"] = "RIGHT".into();
            }
            value
        };
        let comments: Vec<Value> = all.iter().map(one).collect();
        let text = body::fit(text, body::BODY_MOST_CHARS);
        let new = json!({ "commit_id": head, "event": "COMMENT", "body": text, "comments": comments });
        let route = self.route(&format!("/pulls/{pull}/reviews"));
        let look = || async { Ok(self.find_review(pull, fingerprint).await?.map(|id| json!({ "id": id }))) };
        self.write("POST", &route, &new, look).await?;
        Ok(Ok(all.len()))
    }

    async fn find_review(&self, pull: u64, fingerprint: &str) -> Result<Option<u64>, Trouble> {
        let all = self.list(&self.route(&format!("/pulls/{pull}/reviews")), 1000).await?;
        let me = self.own_login().await;
        let ours = |review: &&Value| {
            let text = review["body"].as_str().unwrap_or_default();
            is_by_us(review, me) && body::is_marked(text, "fingerprint", fingerprint)
        };
        Ok(all.iter().find(ours).and_then(|review| review["id"].as_u64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "diff --git a/cart.py b/cart.py\n--- a/cart.py\n+++ b/cart.py\n@@ -1,5 +1,4 @@\n a\n-b\n-c\n+B\n d\n e\n\
        @@ -10,2 +9,3 @@\n j\n+new\n k\n";

    fn shown(lines: &[usize]) -> BTreeMap<String, BTreeSet<usize>> {
        BTreeMap::from([("cart.py".to_owned(), lines.iter().copied().collect())])
    }

    fn one(start: usize, end: usize, text: &str) -> Suggestion {
        Suggestion { path: "cart.py".into(), start, end, text: text.into() }
    }

    #[test]
    fn changed_lines_become_suggestions_and_insertions_hang_on_the_line_before() {
        let all = suggestions(PATCH, &shown(&[1, 2, 3, 4, 5, 10, 11])).unwrap();
        assert_eq!(all, [one(2, 3, "B"), one(10, 10, "j\nnew")]);
    }

    #[test]
    fn half_a_heal_is_not_suggested() {
        for (patch, lines, why) in [
            (PATCH, &[1, 2, 4, 5, 10, 11][..], NotHere::OtherLines),
            (PATCH, &[1, 2, 3][..], NotHere::OtherLines),
            ("--- /dev/null\n+++ b/x.py\n@@ -0,0 +1 @@\n+x\n", &[1][..], NotHere::WholeFiles),
            ("diff --git a/x b/y\nrename from x\nrename to y\n", &[1][..], NotHere::WholeFiles),
            ("--- a/cart.py\n+++ b/cart.py\n@@ -1 +1 @@\n-a\n+a\u{202e}b\n", &[1][..], NotHere::Unseen),
            ("", &[][..], NotHere::WholeFiles),
        ] {
            assert_eq!(suggestions(patch, &shown(lines)), Err(why), "{patch}");
        }
    }

    #[test]
    fn lines_that_look_like_headers_are_lines() {
        let patch = "--- a/cart.py\n+++ b/cart.py\n@@ -1,2 +1,2 @@\n--- old\n+++ new\n x\n";
        assert_eq!(suggestions(patch, &shown(&[1, 2])).unwrap(), [one(1, 1, "++ new")]);
    }

    #[test]
    fn shown_lines_are_those_of_the_new_side() {
        let patch = "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n@@ -10 +20,2 @@\n x\n+y";
        assert_eq!(shown_lines(patch).into_iter().collect::<Vec<_>>(), [1, 2, 3, 20, 21]);
    }

    #[test]
    fn a_suggestion_cant_end_its_own_fence() {
        let text = comment(&one(1, 1, "x = '''\n```\nhi @octocat"));
        assert!(text.starts_with("````suggestion\n") && text.ends_with("\n````\n"), "{text}");
    }
}
