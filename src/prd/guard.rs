//! The writer may not invent: structure, ids, links, tables and code stay; what was not in the source is marked as an
//! assumption; nothing grows beyond its measure. A pure function of before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::mask::COVER;
use crate::prd::claims::{self, numbers};
use crate::prd::document::{self, BARE_URL, Document, Kind};
use crate::prd::sentences::pattern;
use crate::turns::text::words;

/// A section, and the document, may grow to this share of what they were.
pub const GROWTH: f64 = 1.3;
/// A short section may grow by so many characters whatever its share is: a missing acceptance criterion is a sentence.
const GROWTH_FREE_CHARS: usize = 160;

/// What stands behind something that was not in the source.
pub const MARK: &str = "*(assumption)*";

/// Of a sentence's words, so many have to be in the source for it to be the source's.
const FROM_SOURCE: f64 = 0.5;

static MARKED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bassum(?:ption|ed)\b|\bopen question\b"));
static HTML: LazyLock<Regex> = LazyLock::new(|| pattern(r"<[a-zA-Z/!][^>\n]*>?"));
static FOOTNOTE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\[\^[^\]\s]{1,80}\]"));

/// Why a revision is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Nothing changed.
    #[error("nothing is changed")]
    Unchanged,
    /// Headings differ.
    #[error("headings were changed: {what}")]
    Headings {
        /// Which.
        what: String,
    },
    /// An id is gone.
    #[error("ids are missing: {0}", ids.join(", "))]
    IdsLost {
        /// Which.
        ids: Vec<String>,
    },
    /// An id was made up.
    #[error("ids were made up: {0}", ids.join(", "))]
    IdsInvented {
        /// Which.
        ids: Vec<String>,
    },
    /// A link is gone or new.
    #[error("links were changed: {what}")]
    Links {
        /// Which.
        what: String,
    },
    /// A table is not as it was.
    #[error("a table was changed: {what}")]
    Tables {
        /// How.
        what: String,
    },
    /// A code block is not as it was.
    #[error("a code block was changed")]
    Code,
    /// A quote, a footnote, front matter or a block of HTML is not as it was: nobody revises those.
    #[error("{what} was changed")]
    Quiet {
        /// What.
        what: &'static str,
    },
    /// HTML was added.
    #[error("HTML was added: {what}")]
    Html {
        /// What.
        what: String,
    },
    /// It is too long.
    #[error("it grew from {from} to {to} characters, and {most} are allowed")]
    Grown {
        /// Before.
        from: usize,
        /// After.
        to: usize,
        /// At most.
        most: usize,
    },
}

/// A revision that may be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The text, with what was not in the source marked.
    pub text: String,
    /// What was marked: questions for a person.
    pub assumptions: Vec<String>,
}

/// May `new` take the place of the section `old`? `source` is the document as it was found: what stands anywhere in it is no
/// invention. What an earlier revision added is one, with or without its mark.
///
/// # Errors
/// Why not.
pub fn check(old: &str, new: &str, source: &str) -> Result<Checked, Refused> {
    if !has_windows_ends(old) {
        return checked(old, new, source);
    }
    // models write lines as Unix does: compared like that, and put back as the document has them
    let back = |text: String| text.replace('\n', "\r\n");
    let done = checked(&old.replace("\r\n", "\n"), new, &source.replace("\r\n", "\n"))?;
    Ok(Checked { text: back(done.text), assumptions: done.assumptions.into_iter().map(back).collect() })
}

/// Do most lines end as on Windows?
fn has_windows_ends(text: &str) -> bool {
    2 * text.matches("\r\n").count() > text.matches('\n').count()
}

fn checked(old: &str, new: &str, source: &str) -> Result<Checked, Refused> {
    let new = shaped(old, new);
    if new.trim().is_empty() {
        return Err(Refused::Empty);
    }
    if new == old {
        return Err(Refused::Unchanged);
    }
    let (before, after) = (Document::new(old), Document::new(&new));
    headings(&before, &after)?;
    ids(&before, &after, source)?;
    links(old, &new, source)?;
    tables(&before, &after)?;
    if code(old) != code(&new) {
        return Err(Refused::Code);
    }
    html(old, &new)?;
    quiet(old, &new)?;
    // what stands under a cover has to find its place again
    if old.matches(COVER).count() != new.matches(COVER).count() {
        return Err(Refused::Quiet { what: "a covered secret (***)" });
    }
    let (text, assumptions) = marked(&before, &after, source);
    grown(old, &text)?;
    Ok(Checked { text, assumptions })
}

/// With the blank lines around it that the section had.
fn shaped(old: &str, new: &str) -> String {
    let tail: &str = &old[old.trim_end().len()..];
    let head: &str = &old[..old.len() - old.trim_start().len()];
    format!("{head}{}{tail}", new.replace("\r\n", "\n").trim())
}

fn headings(before: &Document<'_>, after: &Document<'_>) -> Result<(), Refused> {
    let of = |d: &Document<'_>| d.sections.iter().map(|s| (s.level, s.title.clone())).collect::<Vec<_>>();
    let (old, new) = (of(before), of(after));
    if old == new {
        return Ok(());
    }
    let title = |all: &[(u8, String)], other: &[(u8, String)]| {
        all.iter().find(|h| !other.contains(h)).map(|(_, title)| title.clone())
    };
    let what = title(&old, &new)
        .map(|t| format!("{t} is missing"))
        .or_else(|| title(&new, &old).map(|t| format!("{t} is new")));
    Err(Refused::Headings { what: what.unwrap_or_else(|| "their order".into()) })
}

fn ids(before: &Document<'_>, after: &Document<'_>, source: &str) -> Result<(), Refused> {
    let all =
        |text: &str| -> BTreeSet<String> { crate::prd::identifiers::ids(text).map(|(_, id)| id.to_owned()).collect() };
    let (old, new, known) = (all(before.text), all(after.text), all(source));
    let lost: Vec<String> = old.difference(&new).cloned().collect();
    // an id that is only mentioned may go; one that is defined here may not
    let defined: BTreeSet<&str> = before.defined();
    let lost_here: Vec<String> = lost.into_iter().filter(|id| defined.contains(id.as_str())).collect();
    let still: BTreeSet<&str> = after.defined();
    let undefined = defined.iter().filter(|id| !still.contains(*id)).map(|id| (*id).to_owned());
    let lost: BTreeSet<String> = lost_here.into_iter().chain(undefined).collect();
    if !lost.is_empty() {
        return Err(Refused::IdsLost { ids: lost.into_iter().collect() });
    }
    let invented: Vec<String> = new.difference(&known).filter(|id| !old.contains(*id)).cloned().collect();
    if invented.is_empty() { Ok(()) } else { Err(Refused::IdsInvented { ids: invented }) }
}

/// Where labels lead: `[label]: address`.
fn labels(text: &str) -> BTreeMap<String, String> {
    let parser = pulldown_cmark::Parser::new_ext(text, document::options());
    let all = parser.reference_definitions().iter();
    all.map(|(label, to)| (words_of(label).to_lowercase(), to.dest.to_string())).collect()
}

fn words_of(label: &str) -> String {
    label.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How often each address is linked, shown or written in `section`, where `labels` stand elsewhere in the document.
fn addresses(section: &str, labels: &str) -> BTreeMap<String, usize> {
    let bare = BARE_URL.find_iter(section).map(|m| m.as_str().trim_end_matches(['.', ',']).to_owned());
    let whole = format!("{section}\n\n{labels}");
    let mut found = BTreeMap::new();
    let links = Document::new(&whole).links.into_iter().map(|link| link.to);
    links.chain(bare).for_each(|to| *found.entry(to).or_insert(0) += 1);
    found
}

/// The definitions of labels in `text`, as they stand there.
fn definitions(text: &str) -> String {
    let parser = pulldown_cmark::Parser::new_ext(text, document::options());
    let places = parser.reference_definitions().iter().map(|(_, to)| to.span.clone());
    places.filter_map(|place| text.get(place)).map(|one| format!("{}\n", one.trim())).collect()
}

fn links(old: &str, new: &str, source: &str) -> Result<(), Refused> {
    let refused = |what: String| Err(Refused::Links { what });
    let (before, after) = (labels(old), labels(new));
    if let Some((label, to)) = before.iter().find(|(label, to)| after.get(*label) != Some(to)) {
        return refused(format!("[{label}]: {to} is missing"));
    }
    if let Some((label, to)) = after.iter().find(|(label, _)| !before.contains_key(*label)) {
        return refused(format!("[{label}]: {to} is new"));
    }
    // a section alone does not know where the labels of the document lead
    let labels = definitions(source);
    let (old, new) = (addresses(old, &labels), addresses(new, &labels));
    let count = |all: &BTreeMap<String, usize>, to: &String| all.get(to).copied().unwrap_or(0);
    if let Some(gone) = old.keys().find(|to| count(&new, to) < count(&old, to)) {
        return refused(format!("{gone} is missing"));
    }
    // what is linked already may be linked once more
    match new.keys().find(|to| !old.contains_key(*to)) {
        Some(made_up) => refused(format!("{made_up} is new")),
        None => Ok(()),
    }
}

/// Tables as rows of cells.
fn rows(d: &Document<'_>) -> BTreeMap<usize, Vec<Vec<String>>> {
    let mut tables: BTreeMap<usize, Vec<Vec<String>>> = BTreeMap::new();
    for cell in &d.cells {
        let rows = tables.entry(cell.table).or_default();
        if cell.column == 0 {
            rows.push(Vec::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push(d.source(&cell.range).trim().trim_matches('|').trim().to_owned());
        }
    }
    tables
}

/// Tables keep their columns, their first column and their rows' order; other cells may be reworded without new numbers.
fn tables(before: &Document<'_>, after: &Document<'_>) -> Result<(), Refused> {
    let (old, new) = (rows(before), rows(after));
    let refused = |what: &str| Err(Refused::Tables { what: what.into() });
    if old.len() != new.len() {
        return refused("one is missing or new");
    }
    for (a, b) in old.values().zip(new.values()) {
        if a.len() != b.len() {
            return refused("a row is missing or new");
        }
        for (n, (row, other)) in a.iter().zip(b).enumerate() {
            if row.len() != other.len() || row.first() != other.first() || (n == 0 && row != other) {
                return refused("columns, head or first column differ");
            }
            if row.iter().zip(other).any(|(x, y)| numbers(y).difference(&numbers(x)).next().is_some()) {
                return refused("a cell has a new number");
            }
            if row.iter().zip(other).any(|(x, y)| y.is_empty() && !x.is_empty()) {
                return refused("a cell is empty now");
            }
        }
    }
    Ok(())
}

/// Code blocks with their fences, in order.
fn code(text: &str) -> Vec<String> {
    use pulldown_cmark::{Event, Parser, Tag};
    let mut blocks = Vec::new();
    for (event, range) in Parser::new(text).into_offset_iter() {
        if matches!(event, Event::Start(Tag::CodeBlock(_))) {
            blocks.push(text[range].trim_end().to_owned());
        }
    }
    blocks
}

/// What nobody revises, in order: what kind, and the text.
fn kept(text: &str) -> Vec<(&'static str, String)> {
    use pulldown_cmark::{Event, Parser, Tag};
    let (mut found, mut end) = (Vec::new(), 0);
    for (event, range) in Parser::new_ext(text, document::options()).into_offset_iter() {
        let what = match event {
            Event::Start(Tag::BlockQuote(_)) => "a quote",
            Event::Start(Tag::FootnoteDefinition(_)) => "a footnote",
            Event::Start(Tag::HtmlBlock) => "a block of HTML",
            Event::Start(Tag::MetadataBlock(_)) => "the front matter",
            _ => continue,
        };
        // what is inside of another one is compared with it
        if range.start >= end {
            end = range.end;
            found.push((what, text[range].trim_end().to_owned()));
        }
    }
    // in a section of its own a mark may have no note
    let marks = FOOTNOTE.find_iter(text).map(|mark| ("a footnote", mark.as_str().to_owned()));
    found.extend(marks);
    found
}

fn quiet(old: &str, new: &str) -> Result<(), Refused> {
    let mut after = kept(new);
    for one in kept(old) {
        match after.iter().position(|other| *other == one) {
            Some(at) => drop(after.remove(at)),
            None => return Err(Refused::Quiet { what: one.0 }),
        }
    }
    // what is left was not there before
    after.first().map_or(Ok(()), |(what, _)| Err(Refused::Quiet { what }))
}

fn html(old: &str, new: &str) -> Result<(), Refused> {
    let tags = |text: &str| HTML.find_iter(text).map(|m| m.as_str().to_owned()).collect::<BTreeSet<_>>();
    match tags(new).difference(&tags(old)).next() {
        Some(added) => Err(Refused::Html { what: added.chars().take(60).collect() }),
        None => Ok(()),
    }
}

fn grown(old: &str, new: &str) -> Result<(), Refused> {
    let (from, to) = (old.chars().count(), new.chars().count());
    let most = most_chars(from);
    if to > most { Err(Refused::Grown { from, to, most }) } else { Ok(()) }
}

/// What a section of `from` characters may have.
fn most_chars(from: usize) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a document has fewer than 2^52 characters"
    )]
    let share = (from as f64 * GROWTH) as usize;
    share.max(from + GROWTH_FREE_CHARS)
}

/// Is the whole document within its measure?
pub fn fits(source: &str, now: &str) -> bool {
    let (from, to) = (source.chars().count(), now.chars().count());
    10 * to <= 13 * from
}

/// Sentences of a document, headings left out: where each begins, its text, what kind of block it is in.
fn sentences<'d>(document: &Document<'d>) -> Vec<(usize, &'d str, Kind)> {
    let blocks = document.blocks.iter().chain(&document.entries).filter(|block| block.kind != Kind::Heading);
    let of = |block: &document::Block| {
        let kind = block.kind;
        block.sentences.iter().map(|range| (range.start, document.source(range), kind)).collect::<Vec<_>>()
    };
    blocks.flat_map(of).collect()
}

/// The text with every sentence marked that says what the source does not: a number that stands nowhere in it, words that are
/// mostly not there, or a `not` that the sentence in its place did not have. A sentence that is kept as it was before, with its
/// mark where it has one, stays as it is.
fn marked(before: &Document<'_>, after: &Document<'_>, source: &str) -> (String, Vec<String>) {
    let (known_numbers, known_words) = (numbers(source), words(source));
    let (old, new) = (sentences(before), sentences(after));
    let texts =
        |all: &[(usize, &str, Kind)]| all.iter().map(|(_, text, _)| (*text).to_owned()).collect::<BTreeSet<_>>();
    let (kept, still) = (texts(&old), texts(&new));
    let changed: Vec<_> = new.iter().filter(|(_, text, _)| !kept.contains(*text)).collect();
    let gone: Vec<&str> = old.iter().map(|(_, text, _)| *text).filter(|text| !still.contains(*text)).collect();
    let turned = claims::turned(&gone, &changed.iter().map(|(_, text, _)| *text).collect::<Vec<_>>());
    let mut marks: Vec<(usize, String)> = Vec::new();
    for (at, (start, text, kind)) in changed.into_iter().enumerate() {
        if MARKED.is_match(text) {
            marks.push((usize::MAX, (*text).to_owned()));
            continue;
        }
        // a cell is no sentence, and says something in fewer words
        let enough = if *kind == Kind::Cell { 2 } else { 4 };
        let invents = numbers(text).difference(&known_numbers).next().is_some();
        let said = words(text);
        let from_source = said.intersection(&known_words).count();
        #[allow(clippy::cast_precision_loss, reason = "a sentence has few words")]
        let foreign = said.len() >= enough && (from_source as f64) < FROM_SOURCE * said.len() as f64;
        if invents || foreign || turned.contains(&at) {
            // before the full stop, so that it stays in its sentence
            let end = start + text.trim_end_matches(['.', '!', ';', ' ']).len();
            marks.push((end, (*text).to_owned()));
        }
    }
    let mut out = after.text.to_owned();
    let mut places: Vec<usize> = marks.iter().map(|(at, _)| *at).filter(|at| *at != usize::MAX).collect();
    places.sort_unstable();
    for at in places.into_iter().rev() {
        out.insert_str(at, &format!(" {MARK}"));
    }
    (out, marks.into_iter().map(|(_, text)| text).collect())
}

/// Of all `assumptions` that were made, those that still stand in `text`, each once, whether the writer marked it or the guard
/// did: questions for a person.
pub fn questions(assumptions: &[String], text: &str) -> Vec<String> {
    let bare = |text: &str| text.replace(&format!(" {MARK}"), "");
    let (text, mut found) = (bare(text), Vec::new());
    for one in assumptions.iter().map(|one| bare(one)) {
        if text.contains(one.trim_end_matches(['.', '!', ';', ' '])) && !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &str = "## Search\n\n- REQ-1: The search shall be fast, see [limits](#limits).\n- REQ-2: The shop shall list what the search found.\n\n| id | who |\n|---|---|\n| REQ-3 | the shop |\n\n```\ncurl /search\n```\n\n";

    fn checked(new: &str) -> Result<Checked, Refused> {
        check(OLD, new, &format!("# Shop\n\nAt most 500 items. See REQ-9.\n\n{OLD}"))
    }

    #[test]
    fn what_was_not_in_the_source_is_marked_and_what_was_is_not() {
        let new = OLD.replace("shall be fast", "shall answer within 200 ms");
        let done = checked(&new).unwrap();
        assert!(done.text.contains("within 200 ms, see [limits](#limits) *(assumption)*."), "{}", done.text);
        assert_eq!(done.assumptions.len(), 1);
        // 500 stands elsewhere in the document
        let done = checked(&OLD.replace("what the search found", "at most 500 items that the search found")).unwrap();
        assert_eq!((done.assumptions.len(), done.text.contains("assumption")), (0, false), "{done:?}");
        // marked by the writer: not twice
        let own = OLD.replace("shall be fast", "shall answer within 200 ms *(assumption)*");
        assert_eq!(checked(&own).unwrap().text.matches("assumption").count(), 1);
        let secret = format!("{OLD}Call it with ***.\n");
        let lost = check(&secret, &secret.replace("with ***", "with it"), &secret).unwrap_err().to_string();
        assert_eq!(lost, "a covered secret (***) was changed");
        let foreign = OLD.replace("- REQ-2:", "- Premium customers receive loyalty vouchers quarterly.\n- REQ-2:");
        assert!(checked(&foreign).unwrap().text.contains("quarterly *(assumption)*."));
    }

    #[test]
    fn whatever_may_not_change_is_refused_by_name() {
        for (new, wanted) in [
            (String::new(), "it is empty"),
            (OLD.to_owned(), "nothing is changed"),
            (OLD.replace("## Search", "## Find"), "headings were changed: Search is missing"),
            (format!("{OLD}\n### More\n\nText.\n"), "headings were changed: More is new"),
            (OLD.replace("- REQ-2:", "-"), "ids are missing: REQ-2"),
            (OLD.replace("REQ-2: The", "REQ-2: As REQ-77 says, the"), "ids were made up: REQ-77"),
            (OLD.replace("[limits](#limits)", "limits"), "links were changed: #limits is missing"),
            (OLD.replace("fast", "fast (https://evil.example/x)"), "links were changed: https://evil.example/x is new"),
            (OLD.replace("| REQ-3 | the shop |\n", ""), "ids are missing: REQ-3"),
            (OLD.replace("| the shop |", "| 99 shops |"), "a table was changed: a cell has a new number"),
            (OLD.replace("curl /search", "curl /find"), "a code block was changed"),
            (OLD.replace("fast", "fast <img src=x>"), "HTML was added: <img src=x>"),
            (OLD.replace("| the shop |", "| |"), "a table was changed: a cell is empty now"),
            (OLD.replace("fast", &"fast and the search shall be fast ".repeat(20)), "it grew"),
        ] {
            let why = checked(&new).unwrap_err().to_string();
            assert!(why.starts_with(wanted), "{why} / {wanted}");
        }
        assert!(checked(&OLD.replace("be fast", "be fast, see REQ-9")).is_ok(), "REQ-9 is defined elsewhere");
        assert!(fits(&"x".repeat(100), &"x".repeat(130)) && !fits(&"x".repeat(100), &"x".repeat(131)));
    }

    /// A section with everything that nobody revises.
    const QUIET: &str = "## Search\n\nREQ-1: The search shall be fast[^1], see [a](#a) and [a](#a).\n\n![how](how.png)\n\n> \"At most 5 of us search.\"\n\n<details>\nold\n</details>\n\n[^1]: As Ada asked.\n";

    #[test]
    fn what_nobody_revises_is_neither_lost_nor_reworded() {
        let fast = |text: &str| text.replace("be fast", "answer");
        assert!(check(QUIET, &fast(QUIET), QUIET).is_ok(), "{:?}", check(QUIET, &fast(QUIET), QUIET));
        for (from, to, wanted) in [
            ("\"At most 5 of us search.\"", "\"All of us search.\"", "a quote was changed"),
            ("> \"At most 5 of us search.\"\n", "> \"At most 5 of us search.\"\n>\n> Really.\n", "a quote was changed"),
            ("> \"At most 5 of us search.\"\n\n", "", "a quote was changed"),
            ("As Ada asked.", "As Ada never asked.", "a footnote was changed"),
            ("fast[^1]", "fast", "a footnote was changed"),
            ("\nold\n", "\nnew\n", "a block of HTML was changed"),
            ("![how](how.png)\n\n", "", "links were changed: how.png is missing"),
            (" and [a](#a)", "", "links were changed: #a is missing"),
        ] {
            let why = check(QUIET, &fast(&QUIET.replacen(from, to, 1)), QUIET).unwrap_err().to_string();
            assert_eq!(why, wanted, "{from}");
        }
    }

    #[test]
    fn a_number_in_words_and_a_not_are_marked_like_any_other_invention() {
        let with = |from: &str, to: &str| checked(&OLD.replace(from, to)).unwrap();
        for (from, to) in [
            ("shall be fast", "shall answer within two seconds"),
            ("shall list what", "shall not list what"),
            ("shall list what the search found", "shall list what the search never found"),
        ] {
            let done = with(from, to);
            assert_eq!((done.assumptions.len(), done.text.matches(MARK).count()), (1, 1), "{to}: {}", done.text);
        }
        let done = with("shall list what the search found", "shall list each one that the search found");
        assert!(done.assumptions.is_empty(), "{done:?}");
    }

    #[test]
    fn links_by_a_label_are_guarded_wherever_the_label_is_defined() {
        let old =
            "## Search\n\nREQ-1: The search shall be fast, see [the limits][limits] and [limits].\n\n[own]: own.md\n";
        let source = format!("# Shop\n\n{old}\n[limits]: https://shop.example/limits\n[evil]: https://evil.example/\n");
        let check = |from: &str, to: &str| {
            check(old, &old.replace(from, to).replace("be fast", "answer"), &source).map_err(|why| why.to_string())
        };
        assert!(check("", "").is_ok(), "{:?}", check("", ""));
        let missing = |what: &str| format!("links were changed: {what} is missing");
        for (from, to, wanted) in [
            ("[the limits][limits]", "the limits", missing("https://shop.example/limits")),
            (" and [limits]", "", missing("https://shop.example/limits")),
            ("[own]: own.md\n", "", missing("[own]: own.md")),
            ("own.md", "https://evil.example/x", missing("[own]: own.md")),
            ("fast, see", "fast, see [this][evil],", "links were changed: https://evil.example/ is new".into()),
            (
                "[own]:",
                "[limits]: https://evil.example/y\n[own]:",
                "links were changed: [limits]: https://evil.example/y is new".into(),
            ),
        ] {
            assert_eq!(check(from, to).unwrap_err(), wanted, "{from} → {to}");
        }
    }

    #[test]
    fn an_id_below_another_one_is_not_lost_unseen() {
        let old = "## Export\n\n- FR-1.1: The shop shall list orders.\n- FR-1.2: The shop shall export orders.\n- `REQ_3`: The shop shall print orders.\n";
        for (from, to, lost) in [("- FR-1.2:", "-", "FR-1.2"), ("- `REQ_3`:", "-", "REQ_3")] {
            let why = check(old, &old.replace(from, to), old).unwrap_err().to_string();
            assert_eq!(why, format!("ids are missing: {lost}"));
        }
        assert!(check(old, &old.replace("shall export", "shall write"), old).is_ok());
    }

    #[test]
    fn a_cell_in_words_of_its_own_is_marked() {
        let done = checked(&OLD.replace("| the shop |", "| loyal premium customers |")).unwrap();
        assert!(done.text.contains("| loyal premium customers *(assumption)* |"), "{}", done.text);
        let done = checked(&OLD.replace("| the shop |", "| the shop that the search found |")).unwrap();
        assert!(!done.text.contains("assumption"), "{}", done.text);
    }

    #[test]
    fn lines_that_end_as_on_windows_still_do_and_nothing_else_is_said_to_differ() {
        let old = OLD.replace('\n', "\r\n");
        let new = OLD.replace("shall be fast", "shall answer within 200 ms");
        for reply in [new.clone(), new.replace('\n', "\r\n")] {
            let done = check(&old, &reply, &old).unwrap();
            let plain = checked(&new).unwrap();
            assert_eq!(done.text, plain.text.replace('\n', "\r\n"));
        }
        assert_eq!(check(&old, OLD, &old), Err(Refused::Unchanged));
    }

    #[test]
    fn blank_lines_around_a_section_stay_as_they_are() {
        let new = OLD.trim().replace("be fast", "answer at once");
        let done = checked(&format!("\n\n{new}")).unwrap();
        assert!(done.text.starts_with("## Search") && done.text.ends_with("```\n\n"), "{:?}", done.text);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_keeps_ids_headings_links_and_code(
            cuts in prop::collection::vec((0..300_usize, 0..20_usize), 0..4), add in "[a-zA-Z0-9 .<>|`#\\[\\]()\n-]{0,40}", at in 0..300_usize,
        ) {
            let mut chars: Vec<char> = OLD.chars().collect();
            for (from, n) in cuts {
                let from = from.min(chars.len());
                let to = (from + n).min(chars.len());
                chars.drain(from..to);
            }
            let mut new: String = chars.into_iter().collect();
            let at = at.min(new.len());
            new.insert_str(at, &add);
            if let Ok(done) = checked(&new) {
                for kept in ["REQ-1", "REQ-2", "REQ-3", "## Search", "(#limits)", "curl /search"] {
                    prop_assert!(done.text.contains(kept), "{} in {}", kept, done.text);
                }
                prop_assert!(done.text.chars().count() <= most_chars(OLD.chars().count()));
            }
        }
    }
}
