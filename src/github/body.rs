//! Titles and bodies of pull requests, issues and comments, made from the run's document; with markers, below the limits.

use super::places::Place;
use crate::mask::Mask;
use crate::model::money::Money;
use crate::report::escape::{code, one_line};
use crate::report::{Document, markdown};

/// GitHub refuses bodies with more characters than this.
pub const BODY_MOST_CHARS: usize = 65_536;

/// What we fill of it: markers and a last line have to fit too.
const ROOM_CHARS: usize = 62_000;

/// Longer titles are cut off in lists.
const TITLE_MOST_CHARS: usize = 120;

/// A hidden line by which we find again what we wrote.
pub fn marker(what: &str, value: &str) -> String {
    let plain: String = value.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    format!("<!-- kaizen-ci:{what}={plain} -->")
}

/// Does `body` carry this marker, where we write it: in its first line? Quoted ones don't count.
pub fn is_marked(body: &str, what: &str, value: &str) -> bool {
    body.lines().next().is_some_and(|line| line.trim() == marker(what, value))
}

/// The value of a marker among the first lines, which are all markers where we wrote them.
pub fn marked_value(body: &str, what: &str) -> Option<String> {
    marked_values(body, what).into_iter().next()
}

/// The same, where there may be several.
pub fn marked_values(body: &str, what: &str) -> Vec<String> {
    let (start, end) = (format!("<!-- kaizen-ci:{what}="), " -->");
    let ours = body.lines().take_while(|line| line.starts_with("<!-- kaizen-ci:"));
    ours.filter_map(|line| line.trim().strip_prefix(&start)?.strip_suffix(end)).map(str::to_owned).collect()
}

/// Does `body` begin with a marker of ours?
pub fn is_ours(body: &str) -> bool {
    body.trim_start().starts_with("<!-- kaizen-ci:")
}

/// What models cost in a run.
pub fn money(document: &Document) -> Money {
    document.models.iter().fold(Money::ZERO, |sum, model| sum.plus(Money(model.nano_dollars)))
}

/// Whether CI will run on a pull request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ci {
    /// Somebody with write access has to approve it: that is so for what was made with `GITHUB_TOKEN`.
    #[default]
    NeedsApproval,
    /// It runs as for any other: the token belongs to an app or a person.
    Runs,
}

/// What is known besides the document.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The fingerprint, as it stands in names.
    pub fingerprint: String,
    /// The fingerprint in full, for the memory of the next run.
    pub print: String,
    /// Where it was red: a branch and the tests that are run on it by one job. Everything of a place turns green together.
    pub place: Place,
    /// The run of the workflow, for a link.
    pub run_url: Option<String>,
    /// The receipt, as JSON.
    pub receipt: Option<String>,
    /// Whether CI will run on the pull request.
    pub ci: Ci,
    /// What was verified is the commit and files that the job had made beside it.
    pub dirty: bool,
}

/// The title of a heal's pull request. A revert speaks git's own words.
pub fn title(document: &Document) -> String {
    let Some(heal) = &document.heal else { return issue_title(document) };
    let text = match (heal.tier, &document.culprit) {
        (2, Some(culprit)) => format!("Revert \"{}\"", culprit.subject),
        _ => format!("Heal {}: {}", red_words(document), heal.idea),
    };
    plain_title(&text)
}

/// The title of an issue for what did not heal.
pub fn issue_title(document: &Document) -> String {
    plain_title(&format!("Tests are red: {}", red_words(document)))
}

fn red_words(document: &Document) -> String {
    let red = document.failure.as_ref().map(|failure| failure.red.as_slice()).unwrap_or_default();
    let name = |id: &str| id.rsplit(['/', '>']).next().unwrap_or(id).trim().to_owned();
    match red {
        [] => "the test suite".into(),
        [one] => name(one),
        [one, rest @ ..] => format!("{} and {} more", name(one), rest.len()),
    }
}

/// Titles are shown as text, but names and numbers in them notify people.
fn plain_title(text: &str) -> String {
    let text = one_line(&super::clean::without_hidden(text), TITLE_MOST_CHARS);
    let mut text = text.replace('@', "@\u{200b}").replace('#', "#\u{200b}");
    // the other way to write the number of an issue
    for word in ["GH-", "gh-", "Gh-", "gH-"] {
        text = text.replace(word, &word.replace('-', "\u{200b}-"));
    }
    text
}

/// The document without secrets. Before anything is written of it: a secret that was escaped for Markdown is none that is
/// recognised. (Documents of our own runs have none; one that was handed over may have anything.)
pub(super) fn covered(document: &Document, mask: &Mask) -> Document {
    fn cover(value: &mut serde_json::Value, mask: &Mask) {
        match value {
            serde_json::Value::String(text) => *text = mask.cover(text).into_owned(),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| cover(item, mask)),
            serde_json::Value::Object(map) => {
                let all = std::mem::take(map).into_iter();
                map.extend(all.map(|(name, mut value)| {
                    cover(&mut value, mask);
                    (mask.cover(&name).into_owned(), value)
                }));
            }
            _ => {}
        }
    }
    let made = serde_json::to_value(document).ok().and_then(|mut value| {
        cover(&mut value, mask);
        serde_json::from_value(value).ok()
    });
    made.unwrap_or_else(|| document.clone())
}

/// The headline without what is said of a working tree: that of the job is nobody's.
pub fn headline(document: &Document) -> &str {
    let text = document.headline.as_str();
    let local = ["; not applied", " Nothing in your tree was changed.", " Nothing was changed."];
    local.iter().find_map(|local| text.strip_suffix(local)).unwrap_or(text)
}

/// The document as people read it on GitHub: without secrets, and without what only means something on the machine of the job
/// (paths of files there, whether its working tree was changed).
pub(super) fn shown(document: &Document, mask: &Mask) -> Document {
    let mut document = covered(document, mask);
    document.headline = headline(&document).to_owned();
    document.reproduce.retain(|line| !line.starts_with("cd "));
    if let Some(heal) = &mut document.heal {
        heal.patch.clear();
        heal.receipt.clear();
        // guesses at what is wrong, where the patch says it
        document.diagnosis.clear();
    }
    document
}

/// The body of a heal's pull request.
pub fn pull(document: &Document, around: &Around, mask: &Mask) -> String {
    let document = &shown(document, mask);
    let mut out = String::new();
    if let (Some(heal), Some(culprit)) = (&document.heal, &document.culprit)
        && heal.tier == 2
    {
        let author = crate::report::escape::markdown(&culprit.author);
        out.push_str(&format!("This reverts commit {}, written by {author}.\n\n", code(&culprit.commit)));
    }
    // the headline first: it is what lists and mails show
    let report = markdown::render(document);
    let is_headline = |line: &&str| line.starts_with("# ");
    let before: usize = report.split_inclusive('\n').take_while(|line| !is_headline(line)).map(str::len).sum();
    let end = before + report[before..].find('\n').map_or(0, |line| line + 1);
    out.push_str(&format!("{}\n", &report[..end]));
    out.push_str(match around.ci {
        Ci::NeedsApproval => {
            "CI on this branch waits for somebody with write access: it was pushed with `GITHUB_TOKEN`, so choose *Approve \
             and run* below.\n"
        }
        Ci::Runs => "CI runs on this branch as on any other.\n",
    });
    if around.dirty {
        out.push_str(
            "\n> Mind: the job had files beside the commit (built or written by the tests), and the heal was verified with them \
             there.\n",
        );
    }
    out.push_str(&report[end..]);
    let mut tail = format!("\nCost: {}.\n", cost(document));
    if let Some(receipt) = &around.receipt {
        tail.push_str(&folded(
            "Receipt (`kaizen-ci replay` checks it)",
            &crate::report::escape::fence("json", receipt),
        ));
    }
    finish(&out, &tail, &unprinted(document, around), mask)
}

/// What it cost: money and turns where models were asked, runs of the tests and time in any case.
fn cost(document: &Document) -> String {
    let runs: u64 = document.runs.values().sum();
    let turns: u64 = document.models.iter().map(|model| model.turns).sum();
    let models = match turns {
        0 => "no model asked".to_owned(),
        turns => crate::report::numbers::count(usize::try_from(turns).unwrap_or(usize::MAX), "turn") + " with models",
    };
    let time = crate::report::numbers::seconds(document.duration_ms);
    let runs = format!("{runs} {} of tests", if runs == 1 { "run" } else { "runs" });
    format!("{}, {models}, {runs}, {time}", money(document))
}

/// The body of an issue, or of a comment under a pull request, for what did not heal.
pub fn issue(document: &Document, around: &Around, mask: &Mask) -> String {
    let document = &shown(document, mask);
    let tail = format!("\nCost: {}.\n", cost(document));
    finish(&markdown::render(document), &tail, &unprinted(document, around), mask)
}

/// A failure that healed is not one to be left alone by the next run: then the fingerprint in full is left out.
fn unprinted(document: &Document, around: &Around) -> Around {
    match document.heal {
        Some(_) => Around { print: String::new(), ..around.clone() },
        None => around.clone(),
    }
}

/// A folded part.
pub fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{}\n\n</details>\n", body.trim_end())
}

fn finish(text: &str, tail: &str, around: &Around, mask: &Mask) -> String {
    let mut out = format!("{}\n", marker("fingerprint", &around.fingerprint));
    for (what, value) in [("place", around.place.value()), ("print", around.print.clone())] {
        if !value.is_empty() {
            out.push_str(&format!("{}\n", marker(what, &value)));
        }
    }
    let room = ROOM_CHARS.saturating_sub(tail.chars().count().min(ROOM_CHARS / 2));
    out.push_str(&fit(&mask.cover(text), room));
    if tail.chars().count() <= ROOM_CHARS / 2 {
        out.push_str(&mask.cover(tail));
    } else {
        out.push_str("\nThe receipt is too long for this place: it is in the run's artifact.\n");
    }
    if let Some(url) = around.run_url.as_deref().filter(|url| url.starts_with("https://") || url.starts_with("http://"))
    {
        out.push_str(&format!("\n[The run]({})\n", url.replace(['(', ')', ' ', '<', '>', '\n'], "")));
    }
    out
}

/// At most `most` characters: the first of [`split`], with a line that says that more is in the artifact.
pub fn fit(text: &str, most: usize) -> String {
    const MORE: &str = "\n\n… the rest is in the report of the run (its artifact, or the step summary).\n";
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut parts = split(text, most.saturating_sub(MORE.chars().count()));
    format!("{}{MORE}", parts.swap_remove(0))
}

/// `text` in parts of at most `most` characters, cut between lines; code blocks and folds that a cut goes through are
/// closed before it and opened again behind it.
pub fn split(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut now = Part::default();
    let room = most.max(200);
    for line in text.lines() {
        for piece in pieces(line, room / 2) {
            if now.length() + piece.chars().count() + 1 > room {
                parts.push(now.closed());
                now = now.opened_again();
            }
            now.add(&piece);
        }
    }
    if !now.text.is_empty() {
        parts.push(now.closed());
    }
    parts
}

/// One line in pieces, when it is longer than a whole part.
fn pieces(line: &str, most: usize) -> Vec<String> {
    if line.chars().count() <= most {
        return vec![line.to_owned()];
    }
    let chars: Vec<char> = line.chars().collect();
    chars.chunks(most).map(|chunk| chunk.iter().collect()).collect()
}

#[derive(Default)]
struct Part {
    text: String,
    chars: usize,
    /// The fence that is open, as it was written.
    fence: Option<String>,
    /// The folds that are open, by their titles.
    folds: Vec<String>,
}

impl Part {
    fn length(&self) -> usize {
        let fence = self.fence.as_ref().map_or(0, |fence| fence.len() + 2);
        self.chars + fence + self.folds.len() * "\n</details>\n".len()
    }
    fn add(&mut self, line: &str) {
        let trimmed = line.trim_start();
        let ticks: String = trimmed.chars().take_while(|c| *c == '`').collect();
        match &self.fence {
            Some(open) if trimmed.trim_end() == open.trim_start().trim_end_matches(|c| c != '`') => self.fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => self.fence = Some(line.to_owned()),
            None if trimmed.starts_with("<details>") => self.folds.push(trimmed.chars().take(300).collect()),
            None if trimmed.starts_with("</details>") => drop(self.folds.pop()),
            None => {}
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.chars += line.chars().count() + 1;
    }
    fn closed(&self) -> String {
        let mut out = self.text.clone();
        if let Some(fence) = &self.fence {
            out.push_str(&fence.trim_start().chars().take_while(|c| *c == '`').collect::<String>());
            out.push('\n');
        }
        for _ in &self.folds {
            out.push_str("\n</details>\n");
        }
        out
    }
    fn opened_again(&self) -> Self {
        let mut next = Part::default();
        for fold in &self.folds {
            next.add(fold);
            next.add("");
        }
        if let Some(fence) = &self.fence {
            next.add(fence);
        }
        next
    }
}

/// The step summary: report and timeline, in at most one mebibyte.
pub fn summary(document: &Document, mask: &Mask) -> String {
    let document = &shown(document, mask);
    const MOST_BYTES: usize = 1024 * 1024 - 4096;
    let text = mask.cover(&markdown::render(document)).into_owned();
    // Four bytes are the most that one character takes.
    if text.len() <= MOST_BYTES { text } else { fit(&text, MOST_BYTES / 4) }
}

/// Workflow commands that put annotations on the suspect lines; at most ten a step are shown.
pub fn annotations(document: &Document) -> Vec<String> {
    const MOST: usize = 10;
    let Some(failure) = &document.failure else { return Vec::new() };
    let line = |suspect: &crate::report::document::SuspectInfo| {
        let title = format!("suspect of {}", red_words(document));
        format!(
            "::warning file={},line={},endLine={},title={}::{}",
            property(&suspect.file),
            suspect.line,
            suspect.end_line.max(suspect.line),
            property(&title),
            data(&suspect.reason)
        )
    };
    failure.suspects.iter().take(MOST).map(line).collect()
}

/// The text of a workflow command.
pub fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
pub fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markers_are_found_in_the_first_line_only() {
        let body = format!("{}\ntext", marker("comment", "12"));
        assert!(is_marked(&body, "comment", "12") && is_ours(&body));
        assert!(!is_marked(&format!("> {body}"), "comment", "12"));
        assert!(!is_marked(&format!("x\n{body}"), "comment", "12"));
        assert!(!is_marked(&body, "comment", "1"));
        assert_eq!(marker("x", "--> <b>"), "<!-- kaizen-ci:x=--b -->");
        let two = format!("{}\n{}\ntext\n{}", marker("comment", "12"), marker("place", "ab"), marker("print", "x"));
        assert_eq!(marked_value(&two, "place").as_deref(), Some("ab"));
        assert_eq!(marked_value(&two, "print"), None, "a marker in the text is somebody's");
    }

    #[test]
    fn a_cut_through_a_code_block_in_a_fold_closes_and_opens_both() {
        let block = "line of the log\n".repeat(100);
        let text = format!("# T\n<details><summary>log</summary>\n\n````text\n{block}````\n\n</details>\nend\n");
        let parts = split(&text, 600);
        assert!(parts.len() > 2);
        for part in &parts {
            assert!(part.chars().count() <= 600, "{}", part.len());
            assert_eq!(part.matches("<details>").count(), part.matches("</details>").count(), "{part}");
            assert_eq!(part.matches("````").count() % 2, 0, "{part}");
        }
        let lines = |text: &str| text.matches("line of the log").count();
        assert_eq!(parts.iter().map(|part| lines(part)).sum::<usize>(), 100);
    }

    #[test]
    fn properties_of_workflow_commands_cant_end_early() {
        assert_eq!(property("a,b:c\n::x%"), "a%2Cb%3Ac%0A%3A%3Ax%25");
        assert_eq!(data("a::b\r\n"), "a::b%0D%0A");
    }

    proptest! {
        #[test]
        fn no_text_is_lost_or_too_long_when_it_is_split(lines in prop::collection::vec("[a-z`<> ]{0,40}", 0..60)) {
            let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
            let parts = split(&text, 400);
            for part in &parts { prop_assert!(part.chars().count() <= 520); }
            let words = |t: &str| t.chars().filter(char::is_ascii_lowercase).count();
            prop_assert!(parts.iter().map(|p| words(p)).sum::<usize>() >= words(&text));
        }
        #[test]
        fn what_fits_is_not_touched_and_what_does_not_is_cut(n in 0usize..3000) {
            let text = "word and word\n".repeat(n / 10);
            let out = fit(&text, 2000);
            prop_assert!(out.chars().count() <= 2000);
            if text.chars().count() <= 2000 { prop_assert_eq!(out, text); }
        }
    }
}
