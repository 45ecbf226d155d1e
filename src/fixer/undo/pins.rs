//! Which units to try first, and which to leave alone: pure rankings over units.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::change::{Set, Unit};
use super::refine::words;
use crate::failure::symbols::{Symbol, symbols};
use crate::words::Suspect;

/// Names in a text.
pub fn names(text: &[u8]) -> BTreeSet<Vec<u8>> {
    let name = |w: &&&[u8]| w.len() > 2 && (w[0].is_ascii_alphabetic() || w[0] == b'_');
    words(text).iter().filter(name).map(|w| w.to_vec()).collect()
}

/// Names that a text defines: functions, classes, types, constants at any level.
fn defined(text: &[u8]) -> BTreeSet<Vec<u8>> {
    static DEFINES: LazyLock<Regex> = LazyLock::new(|| {
        let source = concat!(
            r"(?m)(?:^|\s)(?:def|class|function\*?|fn|struct|enum|trait|mod|type|interface|func(?:\s*\([^)]*\))?|const|let|var|static|record)\s+([A-Za-z_$][\w$]*)",
            r"|^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=[^=]",
            r"|^\s*(?:public|protected|private|static|final|abstract|\s)+[\w<>\[\], ]+\s+(\w+)\s*\(",
            r"|^\s{2,}(?:async\s+|static\s+|get\s+|set\s+)*(\w+)\s*\([^)]*\)\s*\{",
        );
        #[expect(clippy::expect_used, reason = "a literal, and the tests of this file build it")]
        Regex::new(source).expect("a literal pattern")
    });
    DEFINES
        .captures_iter(text)
        .filter_map(|c| c.iter().skip(1).flatten().next())
        .map(|m| m.as_bytes().to_vec())
        .collect()
}

/// Units that define, for the first time, names which the tests of this change use: undoing them takes away what is
/// wanted. `needed` are the names that tests gained; `before` the names that the product had.
pub fn pinned(units: &[Unit], needed: &BTreeSet<Vec<u8>>, before: &BTreeSet<Vec<u8>>) -> Set {
    let is_wanted = |unit: &Unit| {
        let stem = unit.whole.then(|| stem(&unit.path)).flatten();
        let of_file = stem.is_some_and(|s| needed.contains(&s)) && unit.old.is_empty();
        of_file || defined(&unit.new).iter().any(|name| needed.contains(name) && !before.contains(name))
    };
    units.iter().enumerate().filter(|(_, unit)| is_wanted(unit)).map(|(n, _)| n).collect()
}

/// `cart` of `src/cart.py`: a test that says this name needs the file.
fn stem(path: &[u8]) -> Option<Vec<u8>> {
    let base = path.rsplit(|b| *b == b'/').next()?;
    Some(base.split(|b| *b == b'.').next()?.to_vec())
}

/// Units in the order of suspicion. `text` gives the new side of a file.
pub fn order(units: &[Unit], suspects: &[Suspect], text: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<usize> {
    let mut known: BTreeMap<&[u8], Vec<Symbol>> = BTreeMap::new();
    for unit in units {
        known.entry(&unit.path).or_insert_with(|| {
            let path = String::from_utf8_lossy(&unit.path);
            text(&unit.path).map(|source| symbols(&path, &source)).unwrap_or_default()
        });
    }
    let score = |unit: &Unit| -> f64 {
        let path = String::from_utf8_lossy(&unit.path);
        let symbols = known.get(unit.path.as_slice()).map(Vec::as_slice).unwrap_or_default();
        let of = |suspect: &Suspect| {
            if suspect.file != path {
                return 0.0;
            }
            let overlaps = |first: usize, last: usize| first <= unit.end_line && unit.line <= last;
            let in_symbol = |s: &Symbol| Some(&s.name) == suspect.symbol.as_ref() && overlaps(s.line, s.end_line);
            // a whole-file suspicion touches no line in particular
            let exact = suspect.symbol.is_some() || suspect.line > 1;
            if exact && overlaps(suspect.line, suspect.end_line) {
                suspect.score
            } else if symbols.iter().any(in_symbol) {
                0.9 * suspect.score
            } else {
                0.2 * suspect.score
            }
        };
        let best = suspects.iter().map(of).fold(0.0, f64::max);
        if is_code(&path) { best } else { best - 0.5 }
    };
    let scores: Vec<f64> = units.iter().map(score).collect();
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    order
}

fn is_code(path: &str) -> bool {
    !matches!(path.rsplit('.').next(), Some("md" | "txt" | "rst" | "adoc" | "png" | "svg" | "jpg" | "lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(path: &str, line: usize, old: &str, new: &str) -> Unit {
        let (old, new) = (old.as_bytes().to_vec(), new.as_bytes().to_vec());
        Unit { path: path.into(), line, end_line: line, old, new, whole: false }
    }

    #[test]
    fn definitions_of_every_language_are_seen() {
        let table = [
            ("def total(a):\n", "total"),
            ("    async def total(a):\n", "total"),
            ("export function total(a) {\n", "total"),
            ("const total = () => 1\n", "total"),
            ("pub fn total() {}\n", "total"),
            ("func (c *Cart) Total() int {\n", "Total"),
            ("    public static int total(int a) {\n", "total"),
            ("RATE = 3\n", "RATE"),
            ("  total(a, b) {\n", "total"),
        ];
        for (text, name) in table {
            assert!(defined(text.as_bytes()).contains(name.as_bytes()), "{text}");
        }
        assert!(defined(b"return total(a) == 3\n").is_empty());
    }

    #[test]
    fn only_new_names_that_tests_need_are_pinned() {
        let units = [
            unit("a.py", 1, "", "def fresh():\n    return 1\n"),
            unit("a.py", 9, "x = 1\n", "x = 2\n"),
            unit("a.py", 20, "", "def known():\n    return 1\n"),
            unit("a.py", 30, "", "def unused():\n    return 1\n"),
        ];
        let needed = names(b"from a import fresh, known\n");
        assert_eq!(pinned(&units, &needed, &names(b"def known(): pass")), Set::from([0]));
    }

    #[test]
    fn a_new_file_that_tests_import_is_pinned() {
        let mut file = unit("src/rates.py", 1, "", "A = 1\n");
        file.whole = true;
        assert_eq!(pinned(&[file], &names(b"import rates"), &BTreeSet::new()), Set::from([0]));
    }

    #[test]
    fn suspicious_lines_come_before_their_function_before_their_file_before_prose() {
        let source = "def a():\n    x = 1\n    y = 2\n\n\ndef b():\n    z = 3\n";
        let units = [
            unit("README.md", 1, "", "x"),
            unit("m.py", 7, "", "z"),
            unit("m.py", 3, "", "y"),
            unit("m.py", 2, "", "x"),
        ];
        let suspect = Suspect {
            file: "m.py".into(),
            line: 2,
            end_line: 2,
            symbol: Some("a".into()),
            score: 1.0,
            reason: String::new(),
        };
        assert_eq!(order(&units, &[suspect], |_| Some(source.into())), [3, 2, 1, 0]);
    }
}
