//! The form of a requirement: one of EARS's patterns, one actor who acts, one thing per id.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::{Block, Document, Kind};
use crate::prd::identifiers;
use crate::prd::sentences::{self, pattern};

/// The forms: ubiquitous; event (`When …,`); state (`While …,`); feature (`Where …,`); unwanted (`If …, then`).
const FORMS: &str = "`The <system> shall <do>`, `When <event>, the <system> shall <do>`, `While <state>, …`, `Where <feature>, …`, or `If <trouble>, then the <system> shall <do>`";

static CONDITION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:when|while|where|if|whenever|once|after|before|during|upon)\b"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[^.!?]{0,60}?(?:[:—–]|\s-\s)\s*"));
static PRONOUN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:it|this|that|they|these|those)\s+(?:shall|must)\b"));
static PASSIVE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:shall|must)\s+(?:not\s+|only\s+|never\s+|always\s+)?be\s+(?:\w+ly\s+)?(\w+ed|sent|shown|stored|kept|made|written|read|done|built|held|given|taken|set|chosen|hidden|found|met|put|run|sold|paid|drawn|caught|told|begun|rebuilt|overwritten|reset)\b",
    )
});
/// A cell with fewer words is a name, and no sentence.
const STATEMENT_WORDS: usize = 4;
/// Participles that are adjectives: nobody has to do them.
const ADJECTIVES: &[&str] = &[
    "based",
    "limited",
    "red",
    "related",
    "located",
    "allowed",
    "permitted",
    "required",
    "interested",
    "need",
    "enabled",
    "disabled",
    "supported",
    "expected",
    "signed-in",
];
/// `by e-mail` is nobody.
static ACTOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i:\bby\s+(?:(?:the|an?|each|every|its|their)\b|users?\b|customers?\b|admin\w*|clients?\b|operators?\b|staff\b|some\w+\b))|\b[Bb]y\s+[A-Z_]",
    )
});
static SECOND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:,\s*|\s)(?:and|and then|and also|then|as well as|or)\s+(send|notify|create|delete|validate|generate|reject|redirect|encrypt|remove|publish|calculate|save|allow|provide|support|prevent|ensure|display|store)s?\s+(?:the|an?|all|any|each|every|its|their|it|them|users?|that)\b",
    )
});

/// Behind the id and what stands between it and the sentence.
fn statement<'d>(document: &'d Document<'_>, block: &Block) -> (usize, &'d str) {
    let text = document.at(&block.range);
    let mut at = 0;
    if let (Some(id), Some((range, first))) = (&block.id, identifiers::ids(text).next())
        && first == id
    {
        at = range.end;
    }
    at += text[at..].len() - text[at..].trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_').len();
    (block.range.start + at, &text[at..])
}

/// Without a label in front: `Export: the system shall …`.
fn without_label(text: &str) -> &str {
    match LABEL.find(text) {
        Some(label) if !sentences::has_shall(label.as_str()) && sentences::has_shall(&text[label.end()..]) => {
            &text[label.end()..]
        }
        Some(_) | None => text,
    }
}

/// A requirement that is in no form of EARS.
pub fn ears(document: &Document<'_>, found: &mut Found<'_>) {
    for block in document.requirements().filter(|block| !block.continues) {
        let (start, text) = statement(document, block);
        if text.trim().is_empty() {
            continue;
        }
        let place = start..block.range.end;
        if !sentences::has_shall(text) {
            // a bare title whose requirement stands below it
            let names = match block.kind {
                // a name in a table
                Kind::Cell => text.split_whitespace().count() < STATEMENT_WORDS,
                Kind::Heading | Kind::Paragraph | Kind::Item => introduces(document, block),
            };
            if !names {
                found.add(&place, "no `shall`: what the system has to do is not said", FORMS);
            }
            continue;
        }
        let Some(sentence) = block.sentences.iter().find(|s| sentences::has_shall(document.at(s))) else { continue };
        let from = sentence.start.max(start);
        let text = without_label(document.at(&(from..sentence.end)).trim_start());
        let before = text.to_lowercase().find("shall").or_else(|| text.to_lowercase().find("must"));
        let subject = before.map_or("", |at| text.get(..at).unwrap_or_default());
        if subject.trim().is_empty() {
            found.add(&place, "nobody is named who shall do it", FORMS);
        } else if CONDITION.is_match(text) && !subject.contains(',') {
            found.add(&place, "the condition and the system are not told apart by a comma", FORMS);
        }
    }
}

/// Does what follows in the same section say what the title in `block` only names?
fn introduces(document: &Document<'_>, block: &Block) -> bool {
    let text = document.at(&block.range).trim_end();
    let next = document.blocks.iter().find(|other| other.range.start > block.range.start);
    let follows = next.is_some_and(|next| {
        next.section == block.section
            && (next.continues || next.kind == Kind::Paragraph || next.depth > block.depth)
            && (sentences::has_shall(document.at(&next.range)) || sentences::is_story(document.at(&next.range)))
    });
    follows || (text.ends_with(':') && sentences::has_shall(text))
}

/// `shall be stored`: by whom?
pub fn passive(document: &Document<'_>, found: &mut Found<'_>) {
    for block in document.requirements() {
        for sentence in &block.sentences {
            let text = document.at(sentence);
            for hit in PASSIVE.captures_iter(text) {
                let (Some(all), Some(verb)) = (hit.get(0), hit.get(1)) else { continue };
                if ADJECTIVES.contains(&verb.as_str().to_lowercase().as_str()) || ACTOR.is_match(&text[all.end()..]) {
                    continue;
                }
                let place = sentence.start + all.start()..sentence.start + all.end();
                let message = format!("“{}”, and nobody does it", all.as_str());
                found.add(&place, message, "the actor as the subject: `The <system> shall …`");
            }
        }
    }
}

/// `It shall …`: what?
pub fn pronoun(document: &Document<'_>, found: &mut Found<'_>) {
    for block in document.requirements() {
        let (start, _) = statement(document, block);
        for sentence in &block.sentences {
            let from = sentence.start.max(start).min(sentence.end);
            let text = document.at(&(from..sentence.end));
            if let Some(hit) = PRONOUN.find(text.trim_start()) {
                let start = from + text.len() - text.trim_start().len();
                let message = format!("“{}”: what?", hit.as_str());
                found.add(&(start..start + hit.end()), message, "the name of the system or part that acts");
            }
        }
    }
}

/// More than one requirement at once.
pub fn compound(document: &Document<'_>, found: &mut Found<'_>) {
    const INSTEAD: &str = "one requirement each, with an id of its own";
    for block in document.requirements() {
        let text = document.at(&block.range);
        let joined = block.sentences.iter().find(|s| {
            let text = document.at(s);
            sentences::shalls(text) > 1 || (sentences::shalls(text) == 1 && second(text).is_some())
        });
        if let Some(sentence) = joined {
            found.add(sentence, "two requirements in one sentence", INSTEAD);
        } else if block.id.is_some()
            && block.sentences.iter().filter(|s| sentences::has_shall(document.at(s))).count() > 2
        {
            let message = format!("{} requirements under one id", sentences::shalls(text));
            found.add(&block.range, message, INSTEAD);
        }
    }
}

/// A second verb behind the `shall`: `shall store the order and notify the clerk`.
fn second(text: &str) -> Option<usize> {
    let lower = text.to_lowercase();
    let shall = lower.find("shall").or_else(|| lower.find("must"))?;
    // a condition may stand behind the requirement: its verbs are not the system's
    let end = [" when ", " if ", " while ", " that ", " who ", " which ", " so that ", " to "]
        .iter()
        .filter_map(|w| lower[shall..].find(w))
        .min();
    let tail = text.get(shall..end.map_or(text.len(), |end| shall + end))?;
    let hit = SECOND.find(tail)?;
    Some(shall + hit.start())
}

/// A requirement without an id in a document whose others have one.
pub fn missing_id(document: &Document<'_>, found: &mut Found<'_>) {
    let (with, without): (Vec<_>, Vec<_>) =
        document.requirements().filter(|block| !block.continues).partition(|block| block.id.is_some());
    if with.len() < 2 {
        return;
    }
    for block in without {
        // more about the requirement whose id is above it: in its heading, or in the item that it is in
        let above = document
            .blocks
            .iter()
            .rev()
            .find(|b| b.range.end <= block.range.start && (b.id.is_some() || b.kind == Kind::Heading));
        let belongs = above.is_some_and(|above| {
            above.section == block.section
                && above.id.is_some()
                && (above.kind == Kind::Heading || block.kind == Kind::Paragraph)
        });
        if !belongs && sentences::has_shall(document.at(&block.range)) {
            let id = with.last().and_then(|b| b.id.clone()).unwrap_or_default();
            let message = "a requirement without an id: nothing can refer to it";
            found.add(&block.range, message, format!("an id of its own, such as those like `{id}`"));
        }
    }
}
