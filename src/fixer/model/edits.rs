//! Edits out of a model's answer: search/replace blocks or whole functions; strictly, then tolerant of white space and
//! indentation, then refused with a reason that the model can do something with. Pure text in, pure text out.

use std::collections::BTreeMap;
use std::path::Path;

use crate::syntax::functions::{Function, functions};
use crate::syntax::language::Language;

/// Texts of files by path.
pub type Files = BTreeMap<String, String>;

/// One search/replace block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file that it names.
    pub path: Option<String>,
    /// Lines to find.
    pub search: Vec<String>,
    /// Lines that take their place.
    pub replace: Vec<String>,
}

/// Are there search/replace blocks in the answer?
pub fn has_blocks(answer: &str) -> bool {
    answer.lines().any(|l| is_marker(l, '<'))
}

/// The new texts of the files that `answer` changes, out of `files`, the only ones that may be.
///
/// # Errors
/// Why the answer can't be used, for the model.
pub fn edited(answer: &str, files: &Files) -> Result<Files, String> {
    let blocks = blocks(answer)?;
    let mut now = files.clone();
    if blocks.is_empty() {
        let code = fences(answer);
        if code.is_empty() {
            return Err("there is no edit block in the answer".into());
        }
        put_functions(&code, &mut now)?;
    }
    for block in &blocks {
        let path = target(block, &now)?;
        let text = now.get(&path).cloned().unwrap_or_default();
        let new = replaced(&text, block).map_err(|why| format!("{path}: {why}"))?;
        now.insert(path, new);
    }
    now.retain(|path, text| files.get(path) != Some(text));
    if now.is_empty() { Err("the answer changes nothing".into()) } else { Ok(now) }
}

/// The search/replace blocks of an answer.
///
/// # Errors
/// When one begins and does not end.
pub fn blocks(answer: &str) -> Result<Vec<Block>, String> {
    let lines: Vec<&str> = answer.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !is_marker(lines[at], '<') {
            at += 1;
            continue;
        }
        let path = path_above(&lines[..at]);
        let divider = (at + 1..lines.len()).find(|i| is_marker(lines[*i], '='));
        let end = divider.and_then(|d| (d + 1..lines.len()).find(|i| is_marker(lines[*i], '>')));
        let (Some(divider), Some(end)) = (divider, end) else {
            return Err("an edit block is not complete: SEARCH, =======, >>>>>>> REPLACE".into());
        };
        let part = |from: usize, to: usize| bare(&lines[from..to]);
        found.push(Block { path, search: part(at + 1, divider), replace: part(divider + 1, end) });
        at = end + 1;
    }
    Ok(found)
}

/// Lines without blank ones and fences at both ends.
fn bare(lines: &[&str]) -> Vec<String> {
    let is_edge = |l: &&str| l.trim().is_empty() || l.trim_start().starts_with("```");
    let start = lines.iter().position(|l| !is_edge(l)).unwrap_or(lines.len());
    let end = lines.iter().rposition(|l| !is_edge(l)).map_or(start, |i| i + 1);
    lines[start..end.max(start)].iter().map(|l| l.trim_end().to_owned()).collect()
}

/// `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`, give or take a character.
fn is_marker(line: &str, mark: char) -> bool {
    let line = line.trim();
    let marks = line.chars().take_while(|c| *c == mark).count();
    let rest = line[marks..].trim();
    marks >= 5 && (rest.is_empty() || mark != '=' && rest.chars().all(|c| c.is_ascii_alphabetic() || c == ' '))
}

/// The path in the lines above a block: the nearest that looks like one, within three lines.
fn path_above(lines: &[&str]) -> Option<String> {
    // what stands before another block's end is its text
    let near = lines.iter().rev().take_while(|l| !is_marker(l, '>')).filter(|l| !l.trim().is_empty()).take(3);
    let mut cleaned = near.map(|line| {
        let line = line.trim().trim_start_matches(['#', '*', '`', '>', '-', ' ']);
        let named = ["FILE:", "File:", "file:", "FILE ", "File "].iter().find_map(|word| line.strip_prefix(word));
        let line = named.unwrap_or(line);
        line.trim_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '`' | '*' | '"' | '\'')).to_owned()
    });
    cleaned.find(|l| !l.contains(' ') && l.contains('.') && l.len() < 300 && !l.ends_with('.'))
}

/// Which file a block is for: the one that it names; without a name the only one that has the text.
fn target(block: &Block, files: &Files) -> Result<String, String> {
    if let Some(named) = &block.path {
        let named = named.trim_start_matches("./").trim_start_matches("a/");
        if files.contains_key(named) {
            return Ok(named.to_owned());
        }
        let ends: Vec<&String> =
            files.keys().filter(|k| k.ends_with(&format!("/{named}")) || named.ends_with(&format!("/{k}"))).collect();
        if let [one] = ends[..] {
            return Ok(one.clone());
        }
        let shown: Vec<&str> = files.keys().map(String::as_str).collect();
        return Err(format!("{named} may not be edited; these may: {}", shown.join(", ")));
    }
    let holds: Vec<&String> = files.iter().filter(|(_, text)| replaced(text, block).is_ok()).map(|(p, _)| p).collect();
    match (&holds[..], files.len()) {
        ([one], _) => Ok((*one).clone()),
        ([], 1) => files.keys().next().cloned().ok_or_else(|| "there is no file".into()),
        _ => Err("a block does not say which FILE it is for".into()),
    }
}

/// `text` with the block's search lines replaced.
pub(super) fn replaced(text: &str, block: &Block) -> Result<String, String> {
    if block.search.is_empty() {
        return Err("SEARCH is empty".into());
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let windows = |same: &dyn Fn(&str, &str) -> bool| -> Vec<usize> {
        let n = block.search.len();
        let fits = |at: &usize| lines[*at..*at + n].iter().zip(&block.search).all(|(a, b)| same(a, b));
        if lines.len() < n { Vec::new() } else { (0..=lines.len() - n).filter(fits).collect() }
    };
    let strict = windows(&|a, b| a.trim_end() == b.trim_end());
    let places = if strict.is_empty() { windows(&|a, b| squeezed(a) == squeezed(b)) } else { strict };
    let at = match places[..] {
        [at] => at,
        [] => return Err(not_found(&lines, block)),
        _ => return Err(format!("SEARCH fits {} places; add lines around it", places.len())),
    };
    let n = block.search.len();
    let (there, said) =
        (first_indent(lines[at..at + n].iter().copied()), first_indent(block.search.iter().map(String::as_str)));
    let end = if lines[at..at + n].iter().any(|l| l.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let mut out: String = lines[..at].concat();
    for line in &block.replace {
        let line = if there == said { line.clone() } else { reindented(line, &said, &there) };
        out.push_str(&line);
        out.push_str(end);
    }
    let last = at + n == lines.len() && !text.ends_with('\n');
    out.push_str(&lines[at + n..].concat());
    if last {
        out.truncate(out.trim_end_matches(['\n', '\r']).len());
    }
    Ok(out)
}

/// White space does not count.
pub(super) fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn first_indent<'a>(mut lines: impl Iterator<Item = &'a str>) -> String {
    lines.find(|l| !l.trim().is_empty()).map(indent_of).unwrap_or_default().to_owned()
}

/// A line that was indented relative to `said`, relative to `there`.
pub(super) fn reindented(line: &str, said: &str, there: &str) -> String {
    match line.strip_prefix(said) {
        _ if line.trim().is_empty() => String::new(),
        Some(rest) => format!("{there}{rest}"),
        None => format!("{there}{}", line.trim_start()),
    }
}

/// What the model should have written: the place with most of the lines.
fn not_found(lines: &[&str], block: &Block) -> String {
    let n = block.search.len().min(lines.len());
    let score = |at: usize| {
        lines[at..at + n].iter().zip(&block.search).map(|(a, b)| strsim::jaro_winkler(a.trim(), b.trim())).sum::<f64>()
    };
    let best = (0..=lines.len().saturating_sub(n)).max_by(|a, b| score(*a).total_cmp(&score(*b)));
    let near = best.map(|at| lines[at..at + n].concat()).unwrap_or_default();
    format!("SEARCH is not in the file; the nearest lines are\n{}", near.trim_end())
}

/// The contents of fenced code blocks.
fn fences(answer: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in answer.lines() {
        if line.trim_start().starts_with("```") {
            match open.take() {
                Some(code) => found.push(code.join("\n") + "\n"),
                None => open = Some(Vec::new()),
            }
        } else if let Some(code) = &mut open {
            code.push(line);
        }
    }
    found
}

/// Puts whole functions in the place of those with the same name.
fn put_functions(code: &[String], files: &mut Files) -> Result<(), String> {
    let mut put = 0;
    for code in code {
        let paths: Vec<String> = files.keys().cloned().collect();
        let language = paths.iter().find_map(|p| Language::of(Path::new(p)));
        let Some(language) = language else { return Err("write edit blocks for this kind of file".into()) };
        for new in outermost(language, code) {
            let homes: Vec<(String, Function)> = paths
                .iter()
                .filter_map(|path| {
                    let text = files.get(path)?;
                    let of = Language::of(Path::new(path))?;
                    let mut same = all(of, text).into_iter().filter(|f| is_same_name(&f.name, &new.name));
                    let one = same.next()?;
                    same.next().is_none().then(|| (path.clone(), one))
                })
                .collect();
            let [(path, old)] = &homes[..] else { continue };
            let text = files.get(path).cloned().unwrap_or_default();
            files.insert(path.clone(), with_function(&text, old, code, &new));
            put += 1;
        }
    }
    if put == 0 { Err("no function in the answer has the name of one in the files shown".into()) } else { Ok(()) }
}

fn all(language: Language, text: &str) -> Vec<Function> {
    language.parse(text.as_bytes()).map(|tree| functions(&tree, text.as_bytes())).unwrap_or_default()
}

fn outermost(language: Language, text: &str) -> Vec<Function> {
    let mut out: Vec<Function> = Vec::new();
    for function in all(language, text) {
        if out.last().is_none_or(|l| function.range.start >= l.range.end) {
            out.push(function);
        }
    }
    out
}

/// `total` stands for `Cart.total`.
fn is_same_name(there: &str, said: &str) -> bool {
    there == said || there.rsplit('.').next() == Some(said)
}

fn column_indent(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    indent_of(&text[start..]).to_owned()
}

fn with_function(text: &str, old: &Function, code: &str, new: &Function) -> String {
    let (there, said) = (column_indent(text, old.range.start), column_indent(code, new.range.start));
    let body = &code[new.range.clone()];
    let mut lines = body.lines();
    let mut function = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        function.push('\n');
        function.push_str(&if there == said { line.to_owned() } else { reindented(line, &said, &there) });
    }
    format!("{}{function}{}", &text[..old.range.start], &text[old.range.end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CART: &str = "class Cart:\n    def total(self):\n        return sum(self.items)\n\n    def count(self):\n        return len(self.items) + 1\n";

    fn files() -> Files {
        Files::from([("shop/cart.py".to_owned(), CART.to_owned())])
    }

    fn block(path: &str, search: &str, replace: &str) -> String {
        format!("{path}\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n")
    }

    #[test]
    fn blocks_are_found_however_their_file_is_named() {
        for path in
            ["FILE: shop/cart.py", "shop/cart.py", "### `shop/cart.py`", "**cart.py**", "```python\nshop/cart.py", ""]
        {
            let answer = format!(
                "The count is off by one.\n\n{}",
                block(path, "        return len(self.items) + 1", "        return len(self.items)")
            );
            let new = edited(&answer, &files()).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert!(new["shop/cart.py"].ends_with("return len(self.items)\n"), "{path}");
            assert!(new["shop/cart.py"].starts_with("class Cart:\n    def total(self):\n        return sum"));
        }
    }

    #[test]
    fn indentation_and_blanks_that_were_lost_are_put_back() {
        let answer = block(
            "cart.py",
            "def count(self):\n    return len( self.items )  + 1",
            "def count(self):\n    n = len(self.items)\n    return n",
        );
        let answer = answer.replace("len( self.items )  + 1", "len(self.items)  +  1");
        let new = edited(&answer, &files()).unwrap();
        assert!(
            new["shop/cart.py"].ends_with("    def count(self):\n        n = len(self.items)\n        return n\n"),
            "{new:?}"
        );
    }

    #[test]
    fn what_can_not_be_applied_is_refused_with_a_reason() {
        let why = |answer: &str| edited(answer, &files()).unwrap_err();
        assert!(why("I think it is fine.").contains("no edit block"));
        assert!(why("<<<<<<< SEARCH\nx\n=======\ny\n").contains("not complete"));
        assert!(why(&block("tests/test_cart.py", "a", "b")).contains("may not be edited"));
        assert!(why(&block("../../etc/passwd.d", "a", "b")).contains("may not be edited"));
        let near = why(&block("cart.py", "        return len(self.item) + 2", "x"));
        assert!(near.contains("nearest lines are\n        return len(self.items) + 1"), "{near}");
        assert!(
            why(&block("cart.py", "        return sum(self.items)", "        return sum(self.items)"))
                .contains("changes nothing")
        );
        let twice = Files::from([("a.py".to_owned(), "x = 1\nx = 1\n".to_owned())]);
        assert!(edited(&block("a.py", "x = 1", "x = 2"), &twice).unwrap_err().contains("fits 2 places"));
    }

    #[test]
    fn a_whole_function_takes_the_place_of_the_one_with_its_name() {
        let answer = "Here:\n```python\ndef count(self):\n    if not self.items:\n        return 0\n    return len(self.items)\n```\n";
        let new = edited(answer, &files()).unwrap();
        assert_eq!(
            new["shop/cart.py"],
            CART.replace(
                "        return len(self.items) + 1\n",
                "        if not self.items:\n            return 0\n        return len(self.items)\n"
            )
        );
        assert!(edited("```python\ndef other():\n    pass\n```", &files()).unwrap_err().contains("no function"));
    }

    #[test]
    fn line_ends_and_a_missing_last_one_stay() {
        let crlf = Files::from([("a.js".to_owned(), "let a = 1;\r\nlet b = 2;".to_owned())]);
        let new = edited(&block("a.js", "let a = 1;", "let a = 3;"), &crlf).unwrap();
        assert_eq!(new["a.js"], "let a = 3;\r\nlet b = 2;");
        let new = edited(&block("a.js", "let b = 2;", "let b = 3;"), &crlf).unwrap();
        assert_eq!(new["a.js"], "let a = 1;\r\nlet b = 3;");
    }

    proptest! {
        #[test]
        fn any_answer_is_an_edit_of_the_shown_files_or_a_reason(answer in "(<{5,8} SEARCH\n|={5,8}\n|>{5,8} REPLACE\n|```\n|[a-z./ ]{0,12}\n|    def count\\(self\\):\n){0,14}") {
            if let Ok(new) = edited(&answer, &files()) {
                prop_assert!(new.keys().all(|k| files().contains_key(k)));
            }
        }
    }
}
