//! What is generated from the table of keys: the Markdown reference, the JSON schema, the commented `.kaizen.yml`.

use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, Kind, OTHER_VARIABLES, RUNNERS};
use super::records;

/// The configuration reference, as it stands in the README.
pub fn markdown() -> String {
    let mut out = String::from("| key | default | variable, option | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = match key.default {
            Some(text) => format!("`{text}`"),
            None => key.default_words.to_owned(),
        };
        let ways = [key.variable(), key.option.map(str::to_owned)];
        let ways: Vec<_> = ways.into_iter().flatten().map(|way| format!("`{way}`")).collect();
        out.push_str(&format!("| `{}` | {default} | {} | {} |\n", key.name, ways.join(", "), key.about));
    }
    out.push_str("\nOther variables: ");
    let others: Vec<_> = OTHER_VARIABLES.iter().map(|(name, about)| format!("`{name}` ({about})")).collect();
    out.push_str(&format!("{}.\n", others.join("; ")));
    out
}

/// The JSON schema of `.kaizen.yml`, for editors.
pub fn schema() -> Json {
    let mut properties = Map::new();
    for key in KEYS {
        let mut schema = of_kind(key.kind);
        schema["description"] = json!(key.about);
        match key.name.split_once('.') {
            None => {
                properties.insert(key.name.into(), schema);
            }
            Some((group, name)) => {
                let group = properties
                    .entry(group)
                    .or_insert_with(|| json!({"type": "object", "additionalProperties": false, "properties": {}}));
                group["properties"][name] = schema;
            }
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kaizen-ci configuration (.kaizen.yml)",
        "type": "object",
        "additionalProperties": false,
        "not": {"required": ["cmd", "suites"]},
        "properties": properties,
    })
}

fn of_kind(kind: Kind) -> Json {
    match kind {
        Kind::Version => json!({"const": 1}),
        Kind::Text => json!({"type": "string", "minLength": 1}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
        Kind::Duration(..) => {
            json!({"type": "string", "pattern": r"^(\d+d)? ?(\d+h)? ?(\d+m)? ?(\d+s)? ?(\d+ms)?$", "minLength": 2})
        }
        Kind::Size => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\d+ ?([KkMmGg]i)?[Bb]?$"},
        ]}),
        Kind::List => json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        Kind::Records(shape) => records::schema(shape),
        Kind::Suites => json!({
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "cmd"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "dir": {"type": "string", "minLength": 1},
                    "cmd": {"type": "string", "minLength": 1},
                    "runner": {"enum": RUNNERS},
                },
            },
        }),
    }
}

/// A suite that `init` found and fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSuite {
    /// Its name.
    pub name: String,
    /// Its folder; empty for the top.
    pub dir: String,
    /// Its command.
    pub cmd: String,
}

/// A commented `.kaizen.yml` with the suites that were found filled in.
pub fn commented(found: &[FoundSuite]) -> String {
    let mut out = String::from(
        "# How kaizen-ci heals this repository. Every line may go: what is not said has the default shown.\n\
         # `kaizen-ci doctor` shows each value and where it came from; `kaizen-ci schema config` is for editors.\n",
    );
    for key in KEYS.iter().filter(|key| !key.name.contains('.')) {
        paragraph(&mut out, key, found);
    }
    for group in ["carry", "env", "roles", "budget", "github"] {
        out.push_str(&format!("\n# {group}:\n"));
        for key in KEYS {
            if let Some(name) = key.name.strip_prefix(group).and_then(|rest| rest.strip_prefix('.')) {
                comment(&mut out, "#   # ", key.about);
                out.push_str(&format!("#   {name}: {}\n", key.example));
            }
        }
    }
    out
}

fn paragraph(out: &mut String, key: &Key, found: &[FoundSuite]) {
    out.push('\n');
    comment(out, "# ", key.about);
    if key.default.is_none() {
        comment(out, "# ", &format!("Default: {}.", key.default_words));
    }
    let single = found.len() == 1 && found[0].dir.is_empty();
    match (key.name, found) {
        ("version", _) => out.push_str("version: 1\n"),
        ("cmd", [one]) if single => out.push_str(&format!("cmd: {}\n", quoted(&one.cmd))),
        ("suites", found) if !found.is_empty() && !single => {
            out.push_str("suites:\n");
            for suite in found {
                out.push_str(&format!("  - name: {}\n", quoted(&suite.name)));
                if !suite.dir.is_empty() {
                    out.push_str(&format!("    dir: {}\n", quoted(&suite.dir)));
                }
                out.push_str(&format!("    cmd: {}\n", quoted(&suite.cmd)));
            }
        }
        _ => {
            let example = key.example.trim_end().replace('\n', "\n# ");
            let space = if example.starts_with('\n') { "" } else { " " };
            out.push_str(&format!("# {}:{space}{example}\n", key.name));
        }
    }
}

/// Wraps `text` at about 100 columns, each line behind `lead`.
fn comment(out: &mut String, lead: &str, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > 96 {
            out.push_str(&format!("{lead}{}\n", line.trim_end()));
            line.clear();
        }
        line.push_str(word);
        line.push(' ');
    }
    out.push_str(&format!("{lead}{}\n", line.trim_end()));
}

/// Text as a YAML scalar: bare where that is safe, else in double quotes (JSON strings are YAML).
fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || " ./_-=".contains(c);
    let bare = text.chars().all(safe) && text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(' ');
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if bare && !word { text.to_owned() } else { json!(text).to_string() }
}
