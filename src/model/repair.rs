//! Structured answers: JSON out of what models really send (fences, thoughts, prose around it, smart quotes), or a refusal
//! by name. Nothing is ever half used: what is cut off is refused, not completed.

use serde_json::Value;

use super::trouble::Trouble;

/// The text without a model's thoughts: `<think>…</think>` at its beginning (or a lost beginning of it).
pub fn without_thoughts(text: &str) -> Result<&str, Trouble> {
    let trimmed = text.trim_start();
    for (open, close) in [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>")] {
        if let Some(inside) = trimmed.strip_prefix(open) {
            // thoughts that never end have no answer behind them
            return inside.split_once(close).map(|(_, rest)| bare(rest)).ok_or(Trouble::Truncated);
        }
        if let Some((before, rest)) = trimmed.split_once(close)
            && !before.contains(open)
        {
            return Ok(bare(rest));
        }
    }
    Ok(bare(text))
}

/// Without blank lines before and blanks behind; the first line keeps its indentation, which is a part of code.
fn bare(text: &str) -> &str {
    let text = text.trim_end();
    let first = text.find(|c: char| !c.is_whitespace()).unwrap_or(text.len());
    let line = text[..first].rfind('\n').map_or(0, |n| n + 1);
    &text[line..]
}

/// The one JSON object or array in `text`.
///
/// # Errors
/// [`Trouble::Empty`], [`Trouble::Truncated`] (it begins and does not end) or [`Trouble::Malformed`].
pub fn json(text: &str) -> Result<Value, Trouble> {
    let text = without_thoughts(text)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Trouble::Empty);
    }
    match whole(text) {
        Err(Trouble::Malformed { what }) if text.contains(['“', '”', '„', '‘', '’']) => {
            let plain = text.replace(['“', '”', '„'], "\"").replace(['‘', '’'], "'");
            whole(&plain).map_err(|_| Trouble::Malformed { what })
        }
        other => other,
    }
}

fn whole(text: &str) -> Result<Value, Trouble> {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
        return Ok(value);
    }
    let mut cut = false;
    let mut why = String::from("no JSON in it");
    let mut at = 0;
    while let Some(start) = text[at..].find(['{', '[']).map(|i| at + i) {
        let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match stream.next() {
            // `[1]` as a footnote and `{x}` in prose are no answer: an empty or scalar list in the prose is passed over
            Some(Ok(value)) if is_answer(&value) => {
                let rest = &text[start + stream.byte_offset()..];
                return match second(rest) {
                    true => Err(Trouble::Malformed { what: "more than one JSON value".into() }),
                    false => Ok(value),
                };
            }
            Some(Ok(_)) => at = start + stream.byte_offset().max(1),
            Some(Err(error)) => {
                // trailing commas are the one mistake that has one reading only
                if let Some(value) = without_trailing_commas(&text[start..]) {
                    return Ok(value);
                }
                if error.is_eof() {
                    cut = true;
                    break;
                }
                why = error.to_string();
                // never inside of it: a sound part of a broken answer is not the answer
                let Some(end) = closed(&text[start..]) else { break };
                at = start + end;
            }
            None => break,
        }
    }
    Err(if cut { Trouble::Truncated } else { Trouble::Malformed { what: why } })
}

/// Behind the bracket that closes the one at the beginning of `text`; none when nothing closes it. Brackets in strings are
/// text.
fn closed(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (i, c) in text.char_indices() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => quoted = true,
            '{' | '[' => depth += 1,
            '}' | ']' if depth <= 1 => return Some(i + 1),
            '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_answer(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(|i| i.is_object() || i.is_string()),
        _ => false,
    }
}

/// Is there another whole answer after the first one? Which of them is meant would be a guess.
fn second(rest: &str) -> bool {
    rest.find(['{', '[']).is_some_and(|start| {
        let mut stream = serde_json::Deserializer::from_str(&rest[start..]).into_iter::<Value>();
        matches!(stream.next(), Some(Ok(value)) if is_answer(&value))
    })
}

/// The value with commas before `}` and `]` taken out (outside of strings), when that makes it whole.
fn without_trailing_commas(text: &str) -> Option<Value> {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for (i, c) in text.char_indices() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            quoted = true;
        } else if c == ',' && text[i + 1..].trim_start().starts_with(['}', ']']) {
            continue;
        }
        out.push(c);
    }
    if out.len() == text.len() {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(&out).into_iter::<Value>();
    stream.next()?.ok().filter(is_answer)
}

/// The answer as `T`.
///
/// # Errors
/// Those of [`json`], and [`Trouble::WrongSchema`].
pub fn typed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    serde_json::from_value(json(text)?).map_err(|e| Trouble::WrongSchema { what: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json as j;

    #[test]
    fn what_models_wrap_around_an_answer_is_taken_off() {
        let want = j!({"a": [1, "x{"], "b": null});
        let plain = r#"{"a": [1, "x{"], "b": null}"#;
        for text in [
            plain.to_owned(),
            format!("```json\n{plain}\n```"),
            format!("<think>\nmaybe {{\"a\": 2}}?\n</think>\n{plain}"),
            format!("so I think {{}} is wrong</think>{plain}"),
            format!("Here you are:\n\n{plain}\n\nI hope that helps [1]!"),
            format!("\u{feff}  {plain}  "),
            r#"{"a": [1, "x{",], "b": null,}"#.to_owned(),
            "{“a”: [1, “x{”], “b”: null}".to_owned(),
        ] {
            assert_eq!(json(&text), Ok(want.clone()), "{text}");
        }
    }

    #[test]
    fn the_first_line_of_code_keeps_its_indentation() {
        assert_eq!(without_thoughts("\n  \n    x = 1\n    y\n\n"), Ok("    x = 1\n    y"));
        assert_eq!(without_thoughts("<think>a</think>\n\n  x"), Ok("  x"));
        assert_eq!(without_thoughts(" \n "), Ok(""));
    }

    #[test]
    fn brackets_of_the_prose_before_an_answer_are_passed_over() {
        for text in ["{x} in prose {\"a\":1}", "[see below] {\"a\":1}", "f(x[0]) {y: [1]} {\"a\": 1}\n"] {
            assert_eq!(json(text), Ok(j!({"a": 1})), "{text}");
        }
    }

    #[test]
    fn smart_quotes_inside_of_sound_json_stay() {
        assert_eq!(json("{\"a\": \"„so“\"}"), Ok(j!({"a": "„so“"})));
    }

    #[test]
    fn what_can_not_be_repaired_is_refused_by_name() {
        for (text, name) in [
            ("", "empty"),
            (" \n\t", "empty"),
            ("<think>done</think>  ", "empty"),
            ("<think>and so on", "truncated"),
            ("{\"a\": [1, 2", "truncated"),
            ("```json\n{\"a\": \"b", "truncated"),
            ("I can't do that.", "malformed"),
            ("{a: 1}", "malformed"),
            ("{\"a\": 1} or {\"a\": 2}", "malformed"),
            ("42", "malformed"),
            // what is sound inside of what is not
            ("{\"verdict\": no, \"reason\": {\"text\": \"fine\"}}", "malformed"),
            ("{\"points\": 3 {\"a\": 1}}", "malformed"),
            ("[x, {\"a\": 1}]", "malformed"),
            ("{never closed {\"a\": 1}", "malformed"),
            ("{\"a\": bad \"}\", \"b\": {\"c\": 1}}", "malformed"),
        ] {
            assert_eq!(json(text).unwrap_err().name(), name, "{text}");
        }
        #[derive(Debug, serde::Deserialize)]
        struct Points {
            #[serde(rename = "points")]
            _points: u8,
        }
        assert_eq!(typed::<Points>("{\"points\": \"many\"}").unwrap_err().name(), "wrong-schema");
        assert!(typed::<Points>("{\"points\": 3}").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_value_or_a_name(text in "[\\[\\]{}\",:a-z0-9 <>/“”\\\\\n]{0,80}") {
            let _ = json(&text);
        }

        #[test]
        fn a_cut_object_is_never_used(key in "[a-z]{1,8}", value in "[a-z ]{1,20}", cut in 1usize..30) {
            let whole = serde_json::to_string(&j!({ key: value, "n": 12 })).unwrap();
            let cut = cut.min(whole.len() - 1);
            prop_assert!(json(&whole[..whole.len() - cut]).is_err());
        }
    }
}
