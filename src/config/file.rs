//! Reading `.kaizen.yml`: every error names the line, shows it, and says what to write instead.

use std::collections::BTreeMap;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value as Yaml;

use super::keys::{self, KEYS, Key};
use super::value::{self, Below, Refused, Value};
use crate::error::{Error, Result};

/// A file that is larger is not a configuration; it keeps a hostile one from using up memory.
const LARGEST_BYTES: usize = 1024 * 1024;

/// The file's values by key, each with its line (from 1).
pub type Values = BTreeMap<&'static str, (Value, usize)>;

/// Reads the text of the file `name`.
///
/// # Errors
/// The first thing that is wrong with it, with its line.
pub fn read(name: &str, text: &str) -> Result<Values> {
    let source = Source { name, text };
    if text.len() > LARGEST_BYTES {
        return Err(Error::usage(format!("{name} has {} bytes; 1 MiB is the most", text.len())));
    }
    let document: Yaml = match serde_yaml::from_str(text) {
        Ok(document) => document,
        Err(error) => return Err(source.syntax(&error)),
    };
    let mut values = Values::new();
    match document {
        Yaml::Null => {}
        Yaml::Mapping(map) => source.group(&map, "", &mut values)?,
        other => {
            let what = format!("{name} must hold `key: value` lines, not {}", value::named(&other));
            return Err(Error::usage(what).hint("kaizen-ci init --force    (writes a commented one)"));
        }
    }
    if let (true, Some((_, line))) = (values.contains_key("cmd"), values.get("suites")) {
        return Err(source.error(*line, "`cmd` and `suites` exclude each other", "keep one of them"));
    }
    Ok(values)
}

struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn group(&self, map: &serde_yaml::Mapping, prefix: &str, values: &mut Values) -> Result<()> {
        for (name, yaml) in map {
            let short = name.as_str().map_or_else(|| value::named(name), str::to_owned);
            let full = format!("{prefix}{short}");
            let line = self.line(&full, &[], true);
            let nested = format!("{full}.");
            if prefix.is_empty() && KEYS.iter().any(|key| key.name.starts_with(&nested)) {
                match yaml {
                    Yaml::Mapping(map) => self.group(map, &nested, values)?,
                    other => {
                        let what = format!("`{full}` must be a group of names, not {}", value::named(other));
                        return Err(self.error(line, &what, &group_hint(&nested)));
                    }
                }
                continue;
            }
            let Some(key) = keys::find(&full).filter(|_| !short.contains('.')) else {
                return Err(self.unknown(&full, prefix, line));
            };
            // A key without a value means "the default", as an empty line in a form does.
            if *yaml == Yaml::Null {
                continue;
            }
            let value = value::from_yaml(key, yaml).map_err(|refused| self.refused(key, refused))?;
            values.insert(key.name, (value, line));
        }
        Ok(())
    }

    fn unknown(&self, full: &str, prefix: &str, line: usize) -> Error {
        let known = KEYS.iter().filter_map(|key| match prefix {
            "" => key.name.split('.').next(),
            prefix => key.name.strip_prefix(prefix),
        });
        let short = full.strip_prefix(prefix).unwrap_or(full);
        if let (Some(key), Some((group, name))) = (keys::find(full), full.split_once('.')) {
            let hint = format!("write `{group}:` and below it, indented, `{name}: {}`", key.example);
            return self.error(line, &format!("unknown key `{full}`"), &hint);
        }
        self.error(line, &format!("unknown key `{full}`"), &super::suggest(short, known))
    }

    fn refused(&self, key: &Key, refused: Refused) -> Error {
        let line = self.line(key.name, &refused.below, false);
        let hint = refused.hint.unwrap_or_else(|| match key.default {
            Some(default) => format!("for example `{}: {default}`, the default", last_part(key.name)),
            None => format!("for example `{}: {}`", last_part(key.name), key.example.trim_start()),
        });
        self.error(line, &format!("`{}` {}", key.name, refused.why), &hint)
    }

    fn error(&self, line: usize, what: &str, hint: &str) -> Error {
        let error = Error::usage(format!("{}, line {line}: {what}", self.name)).hint(hint);
        match self.text.lines().nth(line.saturating_sub(1)) {
            Some(shown) => error.why(format!("{line} | {}", shown.trim_end())),
            None => error,
        }
    }

    fn syntax(&self, error: &serde_yaml::Error) -> Error {
        let line = error.location().map_or(1, |place| place.line());
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        self.error(line, words, "check the indentation and the quotes around this line")
    }

    /// The line of a key's name or value. The parser tells places only in its errors: so it is sent to the place with
    /// the order to fail there.
    fn line(&self, key: &str, below: &[Below], name_itself: bool) -> usize {
        let mut path: Vec<Below> = key.split('.').map(|part| Below::Name(part.to_owned())).collect();
        if name_itself && let Some(Below::Name(name)) = path.pop() {
            path.push(Below::NameItself(name));
        }
        path.extend_from_slice(below);
        match Seek(&path).deserialize(serde_yaml::Deserializer::from_str(self.text)) {
            Err(error) => error.location().map_or(1, |place| place.line()),
            Ok(()) => 1,
        }
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn group_hint(nested: &str) -> String {
    let names: Vec<_> = KEYS.iter().filter_map(|key| key.name.strip_prefix(nested)).collect();
    format!("below it, indented: {}", names.join(", "))
}

struct Seek<'a>(&'a [Below]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0.first() {
            None => deserializer.deserialize_any(Nothing),
            Some(Below::Item(_)) => deserializer.deserialize_seq(self),
            Some(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the place looked for")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(NameSeek(self.0.first()))? {
            match self.0.first() {
                Some(Below::Name(wanted)) if *wanted == name => map.next_value_seed(Seek(&self.0[1..]))?,
                _ => map.next_value::<de::IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(Below::Item(wanted)) = self.0.first() else { return Ok(()) };
        for _ in 0..*wanted {
            if seq.next_element::<de::IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        seq.next_element_seed(Seek(&self.0[1..])).map(|_| ())
    }
}

/// Reads a name, or fails at it when it is the one looked for (a visitor that takes nothing fails at anything).
struct NameSeek<'a>(Option<&'a Below>);

impl<'de> DeserializeSeed<'de> for NameSeek<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NameSeek<'_> {
    type Value = String;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        match self.0 {
            Some(Below::NameItself(wanted)) if wanted == text => Err(E::custom("here")),
            _ => Ok(text.to_owned()),
        }
    }
}

struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing")
    }
}
