//! What an answer proposes: the new texts of files, in as many ways as it can be meant. Whatever form was asked for, every
//! form that is understood counts.

use super::edits::{self, Files};
use super::lines::{self, Spot};

/// At most this many readings of one answer are tried.
const MOST_READINGS: usize = 4;

/// The readings of `answer`; `spot` is the line that it was asked about.
///
/// # Errors
/// Why the answer can't be used, for the model.
pub fn readings(answer: &str, spot: Option<&Spot>, files: &Files) -> Result<Vec<Files>, String> {
    if edits::has_blocks(answer) {
        return edits::edited(answer, files).map(|new| vec![new]);
    }
    let pairs = lines::pairs(answer);
    if let [one] = &pairs[..] {
        let mut placed = lines::placed(one, files);
        placed.retain(|new| new != files);
        placed.truncate(MOST_READINGS);
        return match placed.is_empty() {
            true => Err("the WRONG line is not in the code, or RIGHT is the same".into()),
            false => Ok(only_changed(placed, files)),
        };
    }
    if !pairs.is_empty() {
        return several(&pairs, files);
    }
    if let Some(spot) = spot {
        let line = lines::line(answer, spot, files);
        // who was asked for a line and writes the whole function has answered, too
        return match line {
            Ok(new) => Ok(only_changed(vec![new], files)),
            Err(why) => edits::edited(answer, files).map(|new| vec![new]).map_err(|_| why),
        };
    }
    edits::edited(answer, files).map(|new| vec![new])
}

/// Several lines that are wrong together: each in the first place where it fits.
fn several(pairs: &[edits::Block], files: &Files) -> Result<Vec<Files>, String> {
    let mut now = files.clone();
    for pair in pairs {
        if let Some(next) = lines::placed(pair, &now).into_iter().next() {
            now = next;
        }
    }
    if now == *files { Err("the answer changes nothing".into()) } else { Ok(only_changed(vec![now], files)) }
}

fn only_changed(readings: Vec<Files>, files: &Files) -> Vec<Files> {
    let changed = |mut new: Files| {
        new.retain(|path, text| files.get(path) != Some(text));
        new
    };
    readings.into_iter().map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "def f(a):\n    b = a\n    return b\n";

    fn files() -> Files {
        Files::from([("f.py".to_owned(), CODE.to_owned()), ("g.py".to_owned(), "x = 1\n".to_owned())])
    }

    #[test]
    fn every_form_is_understood_whatever_was_asked_for() {
        let spot = Spot { path: "f.py".into(), line: 2, text: "    b = a".into() };
        let want = CODE.replace("b = a", "b = -a");
        for answer in [
            "WRONG: b = a\nRIGHT: b = -a",
            "b = -a",
            "FILE: f.py\n<<<<<<< SEARCH\n    b = a\n=======\n    b = -a\n>>>>>>> REPLACE",
            "```python\ndef f(a):\n    b = -a\n    return b\n```",
        ] {
            let found = readings(answer, Some(&spot), &files()).unwrap_or_else(|e| panic!("{answer}: {e}"));
            if !answer.starts_with("```") {
                assert_eq!(found, [Files::from([("f.py".to_owned(), want.clone())])], "{answer}");
            }
        }
        let whole = readings("```python\ndef f(a):\n    b = -a\n    return b\n```", None, &files()).unwrap();
        assert_eq!(whole[0]["f.py"], want);
    }

    #[test]
    fn two_wrong_lines_are_put_right_together() {
        let answer = "WRONG: b = a\nRIGHT: b = -a\n\nWRONG: return b\nRIGHT: return b + 1\n";
        let found = readings(answer, None, &files()).unwrap();
        assert_eq!(found[0]["f.py"], "def f(a):\n    b = -a\n    return b + 1\n");
    }

    #[test]
    fn what_is_no_edit_is_refused_with_a_reason() {
        assert!(readings("It looks fine.", None, &files()).unwrap_err().contains("no edit block"));
        assert!(readings("WRONG: c\nRIGHT: d", None, &files()).unwrap_err().contains("not in the code"));
        assert!(readings("WRONG: b = a\nRIGHT: b = a", None, &files()).is_err());
    }
}
