//! Short answers: the wrong line with the right one, or one line written anew. Pure text in, new texts of files out.

use super::edits::{Block, Files, indent_of, reindented, replaced, squeezed};

/// A line that a model was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Its file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// Its text, without the end of line.
    pub text: String,
}

/// An answer for one line is at most this long: a line may become a few.
const MOST_LINES: usize = 5;

/// The blocks that `WRONG: … RIGHT: …` stand for.
pub fn pairs(answer: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let (mut search, mut replace): (Option<Vec<String>>, Option<Vec<String>>) = (None, None);
    let mut done = |search: &mut Option<Vec<String>>, replace: &mut Option<Vec<String>>| {
        if let (Some(search), Some(replace)) = (search.take(), replace.take())
            && search.iter().any(|l| !l.trim().is_empty())
        {
            found.push(Block { path: None, search, replace });
        }
    };
    for line in answer.lines() {
        if let Some(rest) = marked(line, "WRONG") {
            done(&mut search, &mut replace);
            search = Some(code(rest));
            replace = None;
        } else if let Some(rest) = marked(line, "RIGHT").filter(|_| search.is_some() && replace.is_none()) {
            replace = Some(code(rest));
        } else {
            let ends = line.trim().is_empty() || line.trim_start().starts_with("```");
            let answered = replace.as_ref().is_some_and(|r| r.iter().any(|l| !l.trim().is_empty()));
            match replace.as_mut().or(search.as_mut()) {
                Some(into) if !ends => into.push(line.trim_end().to_owned()),
                Some(_) if answered => done(&mut search, &mut replace),
                Some(_) | None => {}
            }
        }
    }
    done(&mut search, &mut replace);
    found
}

/// `WRONG: x`, `**WRONG:** x`, `- wrong: x`.
fn marked<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let bare = line.trim_start_matches([' ', '*', '-', '#', '>']);
    let (head, rest) = (bare.get(..mark.len())?, bare.get(mark.len()..)?);
    if !head.eq_ignore_ascii_case(mark) {
        return None;
    }
    let rest = rest.trim_start_matches('*').strip_prefix(':')?;
    Some(rest.trim_start_matches('*'))
}

/// What stands behind a mark: without one blank, and without back-ticks around all of it.
fn code(rest: &str) -> Vec<String> {
    let rest = rest.strip_prefix(' ').unwrap_or(rest).trim_end();
    let bare = rest.trim();
    let quoted = bare.len() > 2 && bare.starts_with('`') && bare.ends_with('`') && !bare.starts_with("```");
    let text = if quoted { bare.trim_matches('`') } else { rest };
    if text.trim().is_empty() || text.trim_start().starts_with("```") { Vec::new() } else { vec![text.to_owned()] }
}

/// Every way in which `block` can be put into `files`: a line may stand in several places, and which is meant is found out
/// by trying.
pub fn placed(block: &Block, files: &Files) -> Vec<Files> {
    let mut out = Vec::new();
    for (path, text) in files {
        let lines: Vec<&str> = text.lines().collect();
        let wanted: Vec<String> = block.search.iter().map(|l| squeezed(l)).collect();
        let n = wanted.len();
        let fits = |at: usize| lines[at..at + n].iter().zip(&wanted).all(|(a, b)| squeezed(a) == *b);
        let places = (0..(lines.len() + 1).saturating_sub(n)).filter(|at| fits(*at));
        for at in places {
            let spot = Spot { path: path.clone(), line: at + 1, text: lines[at].to_owned() };
            out.extend(put(&spot, n, &block.replace, &block.search, files));
        }
        if out.is_empty()
            && let Ok(new) = replaced(text, block)
        {
            out.push(changed(files, path, new));
        }
    }
    out
}

fn changed(files: &Files, path: &str, text: String) -> Files {
    let mut files = files.clone();
    files.insert(path.to_owned(), text);
    files
}

/// `n` lines from `spot` on replaced by `new`, indented as the lines there are: what `said` says of the indentation that the
/// model had before its eyes. Nothing when it changes nothing.
fn put(spot: &Spot, n: usize, new: &[String], said: &[String], files: &Files) -> Option<Files> {
    let text = files.get(&spot.path)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let there = indent_of(&spot.text);
    let said = said.iter().find(|l| !l.trim().is_empty()).map_or("", |l| indent_of(l));
    let end = if lines.get(spot.line - 1)?.ends_with("\r\n") { "\r\n" } else { "\n" };
    let write = |indented: &dyn Fn(&String) -> String| -> String {
        let mut out: String = lines[..spot.line - 1].concat();
        for line in new {
            out.push_str(&indented(line));
            out.push_str(end);
        }
        out.push_str(&lines[spot.line - 1 + n..].concat());
        if !text.ends_with('\n') && spot.line - 1 + n == lines.len() {
            out.truncate(out.trim_end_matches(['\n', '\r']).len());
        }
        out
    };
    let adapted = write(&|line| if said == there { line.clone() } else { reindented(line, said, there) });
    (adapted != *text).then(|| changed(files, &spot.path, adapted))
}

/// The new texts with the line of `spot` as `answer` writes it.
///
/// # Errors
/// Why the answer is no line, for the model.
pub fn line(answer: &str, spot: &Spot, files: &Files) -> Result<Files, String> {
    let mut lines: Vec<String> = Vec::new();
    for line in answer.lines() {
        let bare = line.trim();
        if bare.starts_with("```") {
            if lines.is_empty() { continue } else { break }
        }
        if bare.is_empty() {
            if lines.is_empty() { continue } else { break }
        }
        let line = marked(line, "RIGHT").map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        let quoted = bare.len() > 2 && bare.starts_with('`') && bare.ends_with('`');
        lines.push(if quoted { bare.trim_matches('`').to_owned() } else { line.trim_end().to_owned() });
    }
    if lines.is_empty() || lines.len() > MOST_LINES {
        return Err("the answer is not one line of code".into());
    }
    if has_lost_its_indentation(&lines, indent_of(&spot.text)) {
        lines[0] = format!("{}{}", indent_of(&spot.text), lines[0]);
    }
    // the first line stands where the old one stood; when nothing but its indentation differs, that is what is meant
    let moves = lines[0].trim() == spot.text.trim() && !indent_of(&lines[0]).is_empty();
    let said = vec![if moves { spot.text.clone() } else { lines[0].clone() }];
    put(spot, 1, &lines, &said, files).ok_or_else(|| "the answer changes nothing".into())
}

/// Only the first line came without its indentation: the others have that of the code around, and it opens no block.
fn has_lost_its_indentation(lines: &[String], there: &str) -> bool {
    let first = lines[0].trim_end();
    let deep = |l: &String| indent_of(l).len() >= there.len();
    let opens = first.ends_with([':', '{', '(', '[', ',']);
    lines.len() > 1 && !there.is_empty() && indent_of(first).is_empty() && !opens && lines[1..].iter().all(deep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODE: &str = "def f(a):\n    for x in a:\n        if x > 1:\n            return x\n    return x\n";

    fn files() -> Files {
        Files::from([("f.py".to_owned(), CODE.to_owned())])
    }

    fn spot(line: usize) -> Spot {
        Spot { path: "f.py".into(), line, text: CODE.lines().nth(line - 1).unwrap().into() }
    }

    #[test]
    fn the_wrong_and_the_right_line_are_found_however_they_are_marked() {
        for answer in [
            "WRONG: if x > 1:\nRIGHT: if x >= 1:\n",
            "WRONG:         if x > 1:\nRIGHT:         if x >= 1:\n\nThat is because …",
            "The line is wrong.\n\n**WRONG:** `if x > 1:`\n**RIGHT:** `if x >= 1:`",
            "```\nWRONG: if x > 1:\nRIGHT: if x >= 1:\n```",
            "WRONG:\n        if x > 1:\nRIGHT:\n        if x >= 1:\n",
        ] {
            let blocks = pairs(answer);
            assert_eq!(blocks.len(), 1, "{answer}");
            let placed = placed(&blocks[0], &files());
            assert_eq!(placed.len(), 1, "{answer}");
            assert_eq!(placed[0]["f.py"], CODE.replace("x > 1", "x >= 1"), "{answer}");
        }
        assert!(pairs("RIGHT: x\nWRONG:").is_empty() && pairs("no").is_empty());
    }

    #[test]
    fn a_line_that_stands_twice_is_tried_in_both_places() {
        let placed = placed(&pairs("WRONG: return x\nRIGHT: return a")[0], &files());
        let first = CODE.replacen("return x", "return a", 1);
        assert_eq!(placed.len(), 2);
        assert!(placed.iter().any(|p| p["f.py"] == first) && placed.iter().all(|p| p["f.py"].contains("return a")));
    }

    #[test]
    fn one_line_takes_the_place_of_the_one_asked_about_with_its_indentation() {
        for answer in [
            "if x >= 1:",
            "        if x >= 1:\n",
            "```python\n    if x >= 1:\n```\nBecause …",
            "`if x >= 1:`",
            "RIGHT: if x >= 1:",
        ] {
            assert_eq!(line(answer, &spot(3), &files()).unwrap()["f.py"], CODE.replace("x > 1", "x >= 1"), "{answer}");
        }
        let two = line("if x is None:\n    continue\nif x > 1:", &spot(3), &files()).unwrap();
        assert!(two["f.py"].contains("        if x is None:\n            continue\n        if x > 1:\n"), "{two:?}");
    }

    #[test]
    fn a_missing_line_comes_with_the_one_beside_it_whether_or_not_the_first_kept_its_indentation() {
        for answer in ["            return x\n            y()", "return x\n            y()", "return x\ny()"] {
            let new = line(answer, &spot(4), &files()).unwrap();
            assert!(new["f.py"].contains("            return x\n            y()\n    return x\n"), "{answer}: {new:?}");
        }
    }

    #[test]
    fn a_line_that_only_moves_is_moved() {
        let moved = line("        return x", &spot(5), &files()).unwrap();
        assert!(moved["f.py"].ends_with("        return x\n"));
        assert_eq!(line("    return x", &spot(5), &files()).unwrap_err(), "the answer changes nothing");
        assert!(line("\n", &spot(5), &files()).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_leaves_every_other_line_as_it_is(answer in "(WRONG: |RIGHT: |`|    |return x|if x > 1:|x|\n|```){0,10}", at in 1usize..=5) {
            if let Ok(new) = line(&answer, &spot(at), &files()) {
                let (old, new): (Vec<&str>, Vec<&str>) = (CODE.lines().collect(), new["f.py"].lines().collect());
                prop_assert_eq!(&old[..at - 1], &new[..at - 1]);
                prop_assert!(new.ends_with(&old[at..]));
            }
            for block in pairs(&answer) {
                let _ = placed(&block, &files());
            }
        }
    }
}
