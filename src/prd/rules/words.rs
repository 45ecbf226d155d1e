//! Words that have no place in a requirement: vague ones, weak ones, adverbs that no test can check.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::prd::document::{Block, Document, Kind};
use crate::prd::parts::Part;
use crate::prd::sentences::{self, pattern};

/// Words and what to write instead.
struct Table {
    find: Regex,
    rows: Vec<(Regex, &'static str)>,
    #[cfg(test)]
    words: &'static [(&'static str, &'static str)],
}

impl Table {
    fn new(words: &'static [(&'static str, &'static str)]) -> Self {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Self {
            find: pattern(&format!(r"(?i)\b(?:{})\b", all.join("|"))),
            rows: words.iter().map(|(word, instead)| (pattern(&format!("(?i)^(?:{word})$")), *instead)).collect(),
            #[cfg(test)]
            words,
        }
    }
    /// What to write instead of `word`.
    fn instead(&self, word: &str) -> &'static str {
        self.rows.iter().find(|(row, _)| row.is_match(word)).map_or("", |(_, instead)| *instead)
    }
}

const SPEED: &str = "a time with a unit and a share of cases: `within 200 ms for 95 % of requests`";
const USE: &str = "what a named user gets done, in how many steps or how much time, with how many mistakes";
const AMOUNT: &str = "a number or a range";
const QUALITY: &str =
    "the property that can be measured: a failure that is survived, a limit, a standard and its level";

/// Vague adjectives and amounts.
static VAGUE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            "fast(?:er|est)?|quick(?:er)?|responsive|performant|snappy|low[- ]latency|timely|real[- ]time|near real[- ]time",
            SPEED,
        ),
        (
            "user[- ]friendly|intuitive|easy|easier|simple|simpler|straightforward|convenient|seamless|frictionless|ergonomic",
            USE,
        ),
        (
            "robust|reliable|resilient|stable|flexible|scalable|modular|maintainable|extensible|secure enough|highly available|future[- ]proof|state[- ]of[- ]the[- ]art|world[- ]class|best[- ]in[- ]class|modern|elegant|clean|powerful|optimal|optimi[sz]ed|efficient|effective|adequate|sufficient|reasonable|acceptable|appropriate|suitable|proper|good|nice|better|improved|normal|typical|minimal|significant|high[- ]quality|rich",
            QUALITY,
        ),
        (
            "many|several|some|few|a lot of|lots of|various|numerous|a number of|a variety of|large amounts? of|most",
            AMOUNT,
        ),
    ])
});

/// Modal verbs that are no `shall`, and ways out.
static WEAK: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            "should|ought to|might|could|would be nice|nice to have|ideally|preferably",
            "`shall` when it is required; else move it to *out of scope* or *later*",
        ),
        ("may not", "`shall not` when it is forbidden"),
        (
            "if possible|where possible|when possible|as possible|if needed|as needed|as necessary|if necessary|when necessary|where applicable|if applicable|as applicable|as appropriate|where appropriate|if appropriate|as required|if practical|to the extent (?:possible|practical)",
            "the condition itself: `When …`, `Where …`",
        ),
        ("etc|and so on|and so forth|and the like|including but not limited to|among others", "the whole list"),
        ("and/or", "`and` or `or`, or two requirements"),
        (
            "aims? to|tries to|try to|attempts? to|strives? to|endeavou?rs? to|supports? the ability to|be capable of|be able to",
            "what it does: `shall …`",
        ),
    ])
});

/// Adverbs of manner.
static ADVERBS: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            "quickly|rapidly|promptly|immediately|instantly|instantaneously|swiftly|as soon as possible|asap|in a timely manner|without (?:undue )?delay|frequently|regularly|periodically|occasionally",
            SPEED,
        ),
        ("easily|simply|intuitively|seamlessly|smoothly|conveniently|effortlessly|transparently|comfortably", USE),
        (
            "gracefully|properly|correctly|appropriately|adequately|sufficiently|reasonably|reliably|robustly|securely|safely|efficiently|effectively|optimally|sensibly|elegantly|flexibly|dynamically|intelligently|smartly|accordingly|significantly|substantially|as expected|user-friendly way",
            "what is seen when it works, and what when it does not",
        ),
    ])
});

/// A number with a unit: what makes a word of speed or amount exact.
static MEASURED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b\d[\d.,]*\s*(?:%|percent|ms|milliseconds?|s|sec|seconds?|min|minutes?|h|hours?|days?|[kmg]i?b|requests?|users?|steps?|clicks?|taps?|times|rps)(?:\b|\W|$)",
    )
});

/// Has the text a number with a unit?
pub fn is_measured(text: &str) -> bool {
    MEASURED.is_match(text)
}

/// The sentences that have to be exact: requirements, what continues them, and user stories.
fn exact<'d>(document: &'d Document<'_>) -> impl Iterator<Item = Range<usize>> + 'd {
    document.requirements().chain(document.stories()).flat_map(|block| block.sentences.iter().cloned())
}

/// The sentences that say how one sees that a requirement holds: who checks them has to see the same as everybody else.
fn criteria<'d>(document: &'d Document<'_>) -> impl Iterator<Item = Range<usize>> + 'd {
    let is_one = |block: &&Block| {
        document.is_in(block.section, Part::Acceptance)
            || sentences::is_criterion(document.at(&block.range))
            || block.id.as_deref().is_some_and(|id| Part::of_prefix(id) == Part::Acceptance)
    };
    let blocks = document.blocks.iter().chain(&document.entries).filter(|block| block.kind != Kind::Heading);
    // a requirement says its criterion itself: it is looked at already
    let own = blocks.filter(|block| !block.requirement && !block.story).filter(is_one);
    own.flat_map(|block| block.sentences.iter().cloned())
}

fn look(document: &Document<'_>, found: &mut Found<'_>, table: &Table, why: &str) {
    for sentence in exact(document).chain(criteria(document)) {
        let text = document.at(&sentence);
        for word in table.find.find_iter(text) {
            let instead = table.instead(word.as_str());
            let measured = (instead == SPEED || instead == USE || instead == AMOUNT) && is_measured(text);
            if measured || is_compared(&text[word.end()..], word.as_str()) {
                continue;
            }
            let place = sentence.start + word.start()..sentence.start + word.end();
            found.add(&place, format!("“{}” {why}", word.as_str()), instead);
        }
    }
}

/// `most recent`, `at most 5`, `better than 5 %`: the word is part of something exact.
fn is_compared(after: &str, word: &str) -> bool {
    let next = after.split_whitespace().next().unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "most" => {
            next.ends_with("recent")
                || next.starts_with(|c: char| c.is_ascii_digit())
                || ["one", "once", "two", "three"].contains(&next)
        }
        "better" | "faster" | "quicker" => next == "than",
        "few" => next == "as",
        "normal" => next.starts_with("distribut") || next.starts_with("form"),
        "rich" => next.starts_with("text"),
        "good" => after.starts_with("s "),
        _ => false,
    }
}

/// Vague words in requirements and criteria.
pub fn vague(document: &Document<'_>, found: &mut Found<'_>) {
    look(document, found, &VAGUE, "means something else to every reader");
}

/// Adverbs in requirements and criteria.
pub fn adverb(document: &Document<'_>, found: &mut Found<'_>) {
    look(document, found, &ADVERBS, "can't be checked by a test");
}

/// Weak verbs and ways out in requirements.
pub fn weak(document: &Document<'_>, found: &mut Found<'_>) {
    for sentence in exact(document) {
        let text = document.at(&sentence);
        for word in WEAK.find.find_iter(text) {
            let modal = ["should", "might", "could"].contains(&word.as_str().to_ascii_lowercase().as_str());
            // an if-clause may wonder: `if the file should be missing, the system shall …`
            if modal && sentences::has_shall(text) {
                continue;
            }
            // what somebody wants to be able to do is what a story is about
            if word.as_str().eq_ignore_ascii_case("be able to") && sentences::is_story(text) {
                continue;
            }
            let place = sentence.start + word.start()..sentence.start + word.end();
            found.add(&place, format!("“{}” lets everybody off", word.as_str()), WEAK.instead(word.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_tables_knows_what_to_write_instead() {
        for table in [&VAGUE, &WEAK, &ADVERBS] {
            for (words, instead) in table.words {
                for word in words.split('|').filter(|word| !word.contains(['(', '[', '?', ')'])) {
                    assert_eq!(table.instead(word), *instead, "{word}");
                    assert!(table.find.is_match(word), "{word}");
                }
            }
        }
    }

    #[test]
    fn a_number_with_a_unit_makes_a_word_of_speed_exact() {
        for (text, measured) in [
            ("within 200 ms", true),
            ("in 95 % of cases", true),
            ("in at most 3 clicks", true),
            ("version 3", false),
            ("quickly", false),
        ] {
            assert_eq!(is_measured(text), measured, "{text}");
        }
    }
}
