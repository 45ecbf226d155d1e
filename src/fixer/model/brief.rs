//! Failing tests in a few words: what was called, what came, what had to come.

use std::sync::LazyLock;

use regex::Regex;

use crate::failure::text::{clip, plain};

/// A value that is longer says no more to a small model.
const VALUE_BYTES: usize = 120;
const LINE_BYTES: usize = 180;
/// Lines of a message that are kept when it is of no known kind.
const PLAIN_LINES: usize = 5;

fn compiled(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// `file.py:12: IndexError`, the place where pytest saw the exception.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"^[^\s:]+:\d+: \w"));
/// `a = [1], b = [2]`, the arguments of a parametrised test.
static ARGUMENTS: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"^\w+ = \S"));

fn fits(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern.as_ref().is_some_and(|p| p.is_match(line))
}

/// `message` in short: a sentence where it is an assertion of pytest, else its telling lines.
pub fn brief(message: &str) -> String {
    let message = plain(message);
    let lines: Vec<&str> = message.lines().map(str::trim_end).filter(|l| !l.trim().is_empty()).collect();
    let marked: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix("E  ")).map(str::trim).collect();
    if marked.is_empty()
        && let Some(difference) = difference(&lines)
    {
        return difference;
    }
    if marked.is_empty() {
        let kept: Vec<&str> = lines.iter().take(PLAIN_LINES).map(|l| clip(l.trim(), LINE_BYTES)).collect();
        return kept.join("\n");
    }
    let arguments = lines.first().filter(|l| fits(&ARGUMENTS, l)).map(|l| format!("with {}\n", clip(l, LINE_BYTES)));
    let asserted = lines.iter().find_map(|l| l.strip_prefix('>')).map(str::trim);
    if let Some(sentence) = asserted.and_then(|line| sentence(line, &marked)) {
        return format!("{}{sentence}", arguments.unwrap_or_default());
    }
    let mut out = arguments.unwrap_or_default();
    for line in asserted.iter().chain(marked.iter().take(3)) {
        out.push_str(clip(line, LINE_BYTES));
        out.push('\n');
    }
    // the innermost place comes last
    if let Some(place) = lines.iter().rev().find(|l| fits(&PLACE, l)) {
        out.push_str(clip(place, LINE_BYTES));
    }
    out.trim_end().to_owned()
}

/// The difference that node prints, `+` for what came and `-` for what had to come, in one line.
fn difference(lines: &[&str]) -> Option<String> {
    let at = lines.iter().position(|l| l.contains("+ actual - expected"))?;
    let side = |mark: char| {
        let of = lines[at + 1..].iter().filter_map(|l| l.trim_start().strip_prefix(mark)).map(str::trim);
        let all: Vec<&str> = of.collect();
        clip(&all.join(" "), VALUE_BYTES).to_owned()
    };
    let (came, wanted) = (side('+'), side('-'));
    match (came.is_empty(), wanted.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("the result has {came} too much")),
        (true, false) => Some(format!("the result lacks {wanted}")),
        (false, false) => Some(format!("the result has {came} where {wanted} has to be")),
    }
}

/// `assert f(x) == y` and what came of it, as a sentence.
fn sentence(asserted: &str, seen: &[&str]) -> Option<String> {
    let (called, wanted) = equality(asserted)?;
    let (got, want) = equality(seen[0])?;
    // `where -1 = find([4], 4)`: the call with its values says more than the one with names
    let made = format!("where {got} = ");
    let made = seen.iter().find_map(|l| l.trim_start_matches(['+', ' ']).strip_prefix(made.as_str()));
    let called = made.unwrap_or(called);
    let value = |text: &str| clip(text, VALUE_BYTES).to_owned();
    let want = if want.contains("...") { value(wanted) } else { value(want) };
    (called != got).then(|| format!("`{}` gives {}, but has to give {want}", value(called), value(got)))
}

/// The two sides of `assert a == b`, when there is one `==`.
fn equality(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.trim().strip_prefix("assert ")?.split_once(" == ")?;
    (!right.contains(" == ") && !left.contains(" and ") && !left.contains(" or "))
        .then_some((left.trim(), right.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_becomes_a_sentence() {
        let message = "a = [1], b = [2]\n\n    @pytest.mark.parametrize('a,b',[([1],[2])])\n    def test_m(a,b):\n>       assert merge(a) == b\nE       assert [1] == [2]\nE         \nE         At index 0 diff: 1 != 2\n\ntest_prog.py:5: AssertionError";
        assert_eq!(brief(message), "with a = [1], b = [2]\n`merge(a)` gives [1], but has to give [2]");
    }

    #[test]
    fn the_call_is_shown_with_its_values_where_pytest_says_them() {
        let message = "values = [4], wanted = 4, index = 0\n\n    def test_find(values, wanted, index):\n>       assert find(values, wanted) == index\nE       assert -1 == 0\nE        +  where -1 = find([4], 4)\n";
        assert!(brief(message).ends_with("`find([4], 4)` gives -1, but has to give 0"), "{}", brief(message));
    }

    #[test]
    fn nodes_difference_is_said_in_one_line() {
        let message = "AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:\n+ actual - expected\n\n  [\n    1,\n+   []\n-   [\n-     3\n-   ]\n  ]\n";
        assert_eq!(brief(message), "the result has [] where [ 3 ] has to be");
    }

    #[test]
    fn an_exception_says_what_and_where() {
        let message = "def test_n():\n>       assert f([]) == 0\n\ntest_p.py:4:\n_ _ _ _\nv = []\n\n    def f(v):\n>       return v[0]\nE       IndexError: list index out of range\n\nprog.py:2: IndexError";
        let said = brief(message);
        assert!(said.contains("IndexError: list index out of range") && said.contains("prog.py:2"), "{said}");
        assert!(said.contains("assert f([]) == 0"), "{said}");
    }

    #[test]
    fn other_runners_are_cut_to_their_first_lines() {
        let message =
            format!("Expected values to be strictly equal:\n\n3 !== 4\n\n{}", "    at Object.<anonymous>\n".repeat(30));
        let said = brief(&message);
        assert!(
            said.starts_with("Expected values to be strictly equal:\n3 !== 4") && said.lines().count() == PLAIN_LINES
        );
        assert_eq!(brief(""), "");
    }
}
