//! Finer units: the segments and lines of a hunk, and the words of a line.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::change::{Piece, diff, lines};

/// Lines that share less than this of their text have nothing to do with each other.
const ALIKE: f32 = 0.45;
/// Larger hunks are not aligned line by line: the table would be too large for what it brings.
const MOST_CELLS: usize = 40_000;

/// A hunk as segments: lines that were changed in place each on its own, runs of added or removed lines as one.
pub fn segments(old: &[u8], new: &[u8]) -> Vec<Piece> {
    let (a, b) = (lines(old), lines(new));
    if a.is_empty() || b.is_empty() || a.len() * b.len() > MOST_CELLS {
        return vec![changed(old, new)];
    }
    let mut pieces = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (x, y) in align(&a, &b) {
        if x > i || y > j {
            pieces.push(changed(&a[i..x].concat(), &b[j..y].concat()));
        }
        pieces.push(if a[x] == b[y] { Piece::Same(b[y].to_vec()) } else { changed(a[x], b[y]) });
        (i, j) = (x + 1, y + 1);
    }
    if i < a.len() || j < b.len() {
        pieces.push(changed(&a[i..].concat(), &b[j..].concat()));
    }
    pieces
}

/// A hunk line by line: as [`segments`], and every added or removed line on its own.
pub fn by_line(old: &[u8], new: &[u8]) -> Vec<Piece> {
    let split = |piece: Piece| match piece {
        Piece::Changed { old, new } if old.is_empty() => lines(&new).into_iter().map(|l| changed(b"", l)).collect(),
        Piece::Changed { old, new } if new.is_empty() => lines(&old).into_iter().map(|l| changed(l, b"")).collect(),
        other => vec![other],
    };
    segments(old, new).into_iter().flat_map(split).collect()
}

/// Changed text word by word; added or removed text stays one.
pub fn by_word(old: &[u8], new: &[u8]) -> Vec<Piece> {
    if old.is_empty() || new.is_empty() {
        return vec![changed(old, new)];
    }
    // changes with nothing but blanks between them are one: `a + b` → `c - d` is three words, not five
    let pieces = diff(&words(old), &words(new));
    let mut merged: Vec<Piece> = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let blank = matches!(piece, Piece::Same(text) if text.iter().all(u8::is_ascii_whitespace));
        let between =
            matches!(pieces.get(n + 1), Some(Piece::Changed { old, new }) if old.is_empty() || new.is_empty());
        match (merged.last_mut(), piece) {
            // a blank beside a word that was only added or only removed belongs to it
            (Some(Piece::Changed { old, new }), Piece::Same(text)) if blank && between => {
                old.extend_from_slice(text);
                new.extend_from_slice(text);
            }
            (Some(Piece::Changed { old, new }), Piece::Changed { old: o, new: n }) => {
                old.extend_from_slice(o);
                new.extend_from_slice(n);
            }
            (_, piece) => merged.push(piece.clone()),
        }
    }
    merged
}

fn changed(old: &[u8], new: &[u8]) -> Piece {
    Piece::Changed { old: old.to_vec(), new: new.to_vec() }
}

/// Names, numbers, operators, blanks; everything else byte by byte (whole characters for UTF-8).
pub fn words(text: &[u8]) -> Vec<&[u8]> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        let source = concat!(
            r"(?-u:[A-Za-z_$][\w$]*|\d[\w]*(?:\.\d+)?|[ \t]+|\r?\n",
            r"|===|!==|\*\*=|//=|>>=|<<=|\.\.=|\.\.\.|&&|\|\||==|!=|<=|>=|->|=>|::|\*\*|//|\+\+|--|\+=|-=|\*=|/=|%=|:=|\.\.|<<|>>)",
            r"|(?s:.)|(?-u:(?s:.))"
        );
        #[expect(clippy::expect_used, reason = "a literal, and every test of this file builds it")]
        Regex::new(source).expect("a literal pattern")
    });
    WORD.find_iter(text).map(|m| m.as_bytes()).collect()
}

/// Pairs of lines (old, new) in rising order with the greatest likeness in sum.
fn align(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    let mut best = vec![0f32; (old.len() + 1) * width];
    let like: Vec<f32> = old.iter().flat_map(|a| new.iter().map(|b| likeness(a, b))).collect();
    let like = |i: usize, j: usize| like[i * new.len() + j];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let pair = if like(i, j) >= ALIKE { like(i, j) + best[(i + 1) * width + j + 1] } else { 0.0 };
            best[i * width + j] = pair.max(best[(i + 1) * width + j]).max(best[i * width + j + 1]);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        let here = best[i * width + j];
        if like(i, j) >= ALIKE && here == like(i, j) + best[(i + 1) * width + j + 1] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn likeness(a: &[u8], b: &[u8]) -> f32 {
    let blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    if blank(a) || blank(b) {
        return if blank(a) && blank(b) { 0.5 } else { 0.0 };
    }
    let (a, b) = (words(a.trim_ascii()), words(b.trim_ascii()));
    let weight = |words: &[&[u8]]| words.iter().filter(|w| !blank(w)).count().max(1);
    let ops = similar::capture_diff_slices(similar::Algorithm::Lcs, &a, &b);
    let equal: usize =
        ops.iter().filter(|op| op.tag() == similar::DiffTag::Equal).map(|op| weight(&a[op.old_range()])).sum();
    // blank-only equal runs count one too many at worst; the threshold is far from that
    (2 * equal) as f32 / (weight(&a) + weight(&b)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(pieces: &[Piece]) -> Vec<String> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        pieces
            .iter()
            .map(|p| match p {
                Piece::Same(t) => text(t),
                Piece::Changed { old, new } => format!("[{}|{}]", text(old), text(new)),
            })
            .collect()
    }

    #[test]
    fn lines_changed_in_place_are_paired_and_added_runs_stay_together() {
        let old = b"total = a + b\n";
        let new = b"total = a - b\n\ndef fresh():\n    return 1\n";
        assert_eq!(
            shown(&segments(old, new)),
            ["[total = a + b\n|total = a - b\n]", "[|\ndef fresh():\n    return 1\n]"]
        );
    }

    #[test]
    fn added_lines_can_be_taken_out_one_by_one() {
        assert_eq!(shown(&by_line(b"", b"a\nb\n")), ["[|a\n]", "[|b\n]"]);
        assert_eq!(shown(&by_line(b"a\nb\n", b"")), ["[a\n|]", "[b\n|]"]);
    }

    #[test]
    fn words_of_a_line_are_units() {
        let pieces = by_word(b"total = (p + tax) * (1 - d)\n", b"total = (price - tax) * (1 - d)\n");
        assert_eq!(shown(&pieces), ["total = (", "[p|price]", " ", "[+|-]", " tax) * (1 - d)\n"]);
    }

    #[test]
    fn an_operator_is_one_word() {
        assert_eq!(shown(&by_word(b"a <= b", b"a < b")), ["a ", "[<=|<]", " b"]);
        assert_eq!(shown(&by_word("x = 'é'".as_bytes(), "x = 'è'".as_bytes())), ["x = '", "[é|è]", "'"]);
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_old_and_new(old in "[ab+ ()\n]{0,40}", new in "[ab+ ()\n]{0,40}") {
            for split in [segments, by_line, by_word] {
                let pieces = split(old.as_bytes(), new.as_bytes());
                let side = |undone: bool| pieces.iter().flat_map(|p| match p {
                    Piece::Same(t) => t.clone(),
                    Piece::Changed { old, new } => if undone { old.clone() } else { new.clone() },
                }).collect::<Vec<u8>>();
                prop_assert_eq!(side(false), new.as_bytes());
                prop_assert_eq!(side(true), old.as_bytes());
            }
        }
    }
}
