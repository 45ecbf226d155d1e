//! Tools for models that can call them: read a file, search, list symbols, try an edit. Each is bounded, reads the snapshot and
//! nothing else, and writes nothing but workspaces.

use std::path::Path;

use serde_json::{Value, json};

use super::engine::Engine;
use super::pack::outline;
use super::trial::Tried;
use crate::error::Result;
use crate::failure::text::clip;
use crate::fixer::Case;
use crate::model::{Call, Tool, Turn, tokens};
use crate::syntax::language::Language;

/// What one call may say.
const RESULT_BYTES: usize = 6000;
const MOST_LINES: usize = 200;
const MOST_HITS: usize = 30;
/// Of a large repository this many files are searched.
const MOST_FILES: usize = 2000;
const LARGEST_FILE_BYTES: usize = 256 * 1024;

/// Calls in one attempt; then the model has to answer.
const MOST_CALLS: usize = 8;
/// What a call says that is not carried out any more.
pub const NO_MORE: &str = "No more calls: answer now.";
/// Tokens that a result may have: letters and numbers of code, at about three bytes each.
const RESULT_TOKENS: u64 = RESULT_BYTES as u64 / 3;

/// May another tool be called after so many `calls`, with prompt and answer of `turn` within `room` tokens?
pub fn may_call(calls: usize, turn: &Turn, room: u64) -> bool {
    calls < MOST_CALLS && tokens::of_turn(turn) + u64::from(turn.answer_tokens) + RESULT_TOKENS <= room
}

/// What came of a call.
pub enum Said {
    /// Text for the model.
    Text(String),
    /// The edit that it wanted to try turns everything green: it is the answer.
    Green {
        /// The edit, as it was written.
        edit: String,
    },
}

/// The tools.
pub fn list() -> Vec<Tool> {
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let text = json!({"type": "string"});
    let line = json!({"type": "integer", "minimum": 1});
    vec![
        Tool {
            name: "read_file",
            about: "Lines of a file of the repository.",
            parameters: object(json!({"path": text, "from": line, "to": line}), &["path"]),
        },
        Tool {
            name: "search",
            about: "Lines of the repository's files that contain a text, exactly as written.",
            parameters: object(json!({"text": text}), &["text"]),
        },
        Tool {
            name: "list_symbols",
            about: "The functions of a file, with their lines.",
            parameters: object(json!({"path": text}), &["path"]),
        },
        Tool {
            name: "run_red_tests",
            about: "Tries an edit (edit blocks, as in an answer) and says what the failing tests do with it.",
            parameters: object(json!({"edit": text}), &["edit"]),
        },
    ]
}

/// Carries out a call. Whatever the model wrote is data: an argument that is no good is answered, not obeyed.
///
/// # Errors
/// When cancelled, or when our own side fails.
pub async fn carry_out(engine: &Engine<'_>, case: &Case, call: &Call) -> Result<Said> {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    let said = match call.name.as_str() {
        "read_file" => {
            let number = |name: &str| arguments[name].as_u64().and_then(|n| usize::try_from(n).ok());
            read_file(case, text("path"), number("from").unwrap_or(1), number("to"))
        }
        "search" => search(case, text("text"))?,
        "list_symbols" => symbols(case, text("path")),
        "run_red_tests" => return run(engine, text("edit")).await,
        other => format!("there is no tool `{}`", clip(other, 60)),
    };
    Ok(Said::Text(clip(&said, RESULT_BYTES).to_owned()))
}

/// The text of a file of the snapshot.
fn read(case: &Case, path: &str) -> Option<String> {
    let (_, bytes) = case.lab.store.read(&case.snapshot.tree, path.trim_start_matches("./").as_bytes()).ok()??;
    (bytes.len() <= LARGEST_FILE_BYTES).then(|| String::from_utf8(bytes).ok()).flatten()
}

fn read_file(case: &Case, path: &str, from: usize, to: Option<usize>) -> String {
    let Some(source) = read(case, path) else {
        return format!("{} is no text file of the repository", clip(path, 200));
    };
    let from = from.max(1);
    let to = to.unwrap_or(usize::MAX).min(from.saturating_add(MOST_LINES - 1));
    let lines = source.lines().enumerate().filter(|(n, _)| (from..=to).contains(&(n + 1)));
    lines.map(|(n, line)| format!("{}: {line}\n", n + 1)).collect()
}

fn search(case: &Case, wanted: &str) -> Result<String> {
    if wanted.trim().is_empty() {
        return Ok("there is nothing to search for".into());
    }
    let mut out = String::new();
    let mut hits = 0;
    for (path, _, _) in case.lab.store.files(&case.snapshot.tree)?.into_iter().take(MOST_FILES) {
        let Ok(path) = String::from_utf8(path) else { continue };
        let Some(source) = read(case, &path) else { continue };
        for (n, line) in source.lines().enumerate().filter(|(_, l)| l.contains(wanted)) {
            out.push_str(&format!("{path}:{}: {}\n", n + 1, clip(line.trim(), 160)));
            hits += 1;
            if hits == MOST_HITS {
                return Ok(out + "…\n");
            }
        }
    }
    Ok(if out.is_empty() { "no line contains it".into() } else { out })
}

fn symbols(case: &Case, path: &str) -> String {
    match (Language::of(Path::new(path)), read(case, path)) {
        (Some(_), Some(source)) => outline(path, &source),
        _ => format!("{} is no file of a language that is known here", clip(path, 200)),
    }
}

async fn run(engine: &Engine<'_>, edit: &str) -> Result<Said> {
    let text = match engine.tried_by_hand(edit).await? {
        Err(why) => format!("refused: {why}"),
        Ok(Tried::Green) => return Ok(Said::Green { edit: edit.to_owned() }),
        Ok(Tried::Red { red, output }) => {
            let names: Vec<&str> = red.iter().take(5).map(|id| id.0.as_str()).collect();
            format!("still red: {}\n{}", names.join(", "), clip(&output, 2000))
        }
    };
    Ok(Said::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Message, Role};

    #[test]
    fn tools_may_be_called_so_often_and_while_there_is_room_for_what_they_say() {
        let turn = Turn::new(Role::Fix, vec![Message::user("word ".repeat(1000))]);
        let needed = tokens::of_turn(&turn) + 900 + RESULT_TOKENS;
        for (calls, room, may) in [(0, needed, true), (7, needed, true), (8, needed * 9, false), (0, needed - 1, false)]
        {
            assert_eq!(may_call(calls, &turn, room), may, "{calls} {room}");
        }
    }
}
