//! Keys whose value is a list or a map of small records: their shapes, how they are read, their JSON schema.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use serde_yaml::Value as Yaml;

use super::units;
use super::value::{Below, Refused, named};

/// The shape of the records of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `Some`: a map, and what its names are; `None`: a list.
    pub by_name: Option<&'static str>,
    /// What a record may have.
    pub fields: &'static [FieldShape],
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldShape {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: FieldKind,
    /// Every record has it.
    pub required: bool,
}

/// What a field's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A whole number, ends included.
    Count(u64, u64),
    /// A number of thousandths from 0 to this: `0.7` is 700.
    Thousandths(u64),
    /// Dollars such as `0.15`, kept as written: money is never a floating-point number.
    Dollars,
    /// A list of texts.
    List,
    /// A duration such as `5m`.
    Duration,
    /// `true` or `false`.
    YesNo,
}

impl FieldKind {
    fn expected(self) -> String {
        match self {
            FieldKind::Text => "text".into(),
            FieldKind::Count(low, high) => format!("a whole number from {low} to {high}"),
            FieldKind::Thousandths(most) => format!("a number from 0 to {}", most / 1000),
            FieldKind::Dollars => "dollars such as `0.15`".into(),
            FieldKind::List => "a list of texts".into(),
            FieldKind::Duration => "a duration such as `90s` or `5m`".into(),
            FieldKind::YesNo => "`true` or `false`".into(),
        }
    }

    fn schema(self) -> Json {
        match self {
            FieldKind::Text => json!({"type": "string", "minLength": 1}),
            FieldKind::Count(low, high) => json!({"type": "integer", "minimum": low, "maximum": high}),
            FieldKind::Thousandths(most) => json!({"type": "number", "minimum": 0, "maximum": most / 1000}),
            FieldKind::Dollars => json!({"anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^\$?\d+(\.\d{1,9})?$"},
            ]}),
            FieldKind::List => json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
            FieldKind::Duration => json!({"type": "string", "minLength": 2}),
            FieldKind::YesNo => json!({"type": "boolean"}),
        }
    }

    fn read(self, yaml: &Yaml) -> Option<Field> {
        match (self, yaml) {
            (FieldKind::Text, Yaml::String(text)) if !text.trim().is_empty() => Some(Field::Text(text.clone())),
            (FieldKind::Count(low, high), Yaml::Number(n)) => {
                n.as_u64().filter(|n| (low..=high).contains(n)).map(Field::Number)
            }
            (FieldKind::Thousandths(most), Yaml::Number(n)) => {
                let n = thousandths(&n.to_string())?;
                (n <= most).then_some(Field::Number(n))
            }
            (FieldKind::Dollars, Yaml::Number(n)) => dollars(&n.to_string()),
            (FieldKind::Dollars, Yaml::String(text)) => dollars(text.trim().trim_start_matches('$')),
            (FieldKind::List, Yaml::Sequence(items)) => {
                let text = |y: &Yaml| y.as_str().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
                items.iter().map(text).collect::<Option<_>>().map(Field::List)
            }
            (FieldKind::Duration, Yaml::String(text)) => {
                let ms = units::parse_duration(text).ok()?.as_millis();
                u64::try_from(ms).ok().filter(|ms| *ms >= 1000).map(Field::Number)
            }
            (FieldKind::YesNo, Yaml::Bool(yes)) => Some(Field::YesNo(*yes)),
            _ => None,
        }
    }
}

/// `0.25` as 250; nothing finer is meant by anybody.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().take(3).collect();
    let part: u64 = format!("{part:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part)
}

fn dollars(text: &str) -> Option<Field> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str, most: usize| !t.is_empty() && t.len() <= most && t.bytes().all(|b| b.is_ascii_digit());
    // a price of nothing would be a way around every budget
    let something = text.bytes().any(|b| matches!(b, b'1'..=b'9'));
    (something && digits(whole, 9) && digits(part, 9)).then(|| Field::Text(text.to_owned()))
}

/// A checked field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Text, and dollars as written.
    Text(String),
    /// A count, thousandths, milliseconds.
    Number(u64),
    /// Texts.
    List(Vec<String>),
    /// `true` or `false`.
    YesNo(bool),
}

/// A checked record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Its name, in maps.
    pub name: String,
    fields: BTreeMap<&'static str, Field>,
}

impl Record {
    /// The text of a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.fields.get(name)? {
            Field::Text(text) => Some(text),
            Field::Number(_) | Field::List(_) | Field::YesNo(_) => None,
        }
    }
    /// The number of a field: a count, thousandths, milliseconds.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.fields.get(name)? {
            Field::Number(n) => Some(*n),
            Field::Text(_) | Field::List(_) | Field::YesNo(_) => None,
        }
    }
    /// The list of a field; empty when it is not there.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.fields.get(name) {
            Some(Field::List(items)) => items.clone(),
            Some(Field::Text(_) | Field::Number(_) | Field::YesNo(_)) | None => Vec::new(),
        }
    }
    /// What a field says that is `true` or `false`.
    pub fn yes(&self, name: &str) -> Option<bool> {
        match self.fields.get(name)? {
            Field::YesNo(yes) => Some(*yes),
            Field::Text(_) | Field::Number(_) | Field::List(_) => None,
        }
    }
    /// As one would write it, in short.
    pub fn show(&self) -> String {
        let field = |(name, field): (&&str, &Field)| match field {
            Field::Text(text) => format!("{name}: {text}"),
            Field::Number(n) => format!("{name}: {n}"),
            Field::List(items) => format!("{name}: [{}]", items.join(", ")),
            Field::YesNo(yes) => format!("{name}: {yes}"),
        };
        let fields: Vec<String> = self.fields.iter().map(field).collect();
        let fields = format!("{{{}}}", fields.join(", "));
        if self.name.is_empty() { fields } else { format!("{}: {fields}", self.name) }
    }
}

/// Reads the records of a key.
///
/// # Errors
/// The first thing that is wrong, with where it stands.
pub fn read(shape: &Shape, yaml: &Yaml) -> Result<Vec<Record>, Refused> {
    match (shape.by_name, yaml) {
        (None, Yaml::Sequence(items)) => {
            let one = |(i, item): (usize, &Yaml)| record(shape, String::new(), item).map_err(|r| r.at(Below::Item(i)));
            items.iter().enumerate().map(one).collect()
        }
        (Some(_), Yaml::Mapping(map)) => {
            let one = |(name, item): (&Yaml, &Yaml)| {
                let Some(name) = name.as_str().filter(|n| !n.trim().is_empty()) else {
                    return Err(Refused::new(format!("must have names that are text, not {}", named(name))));
                };
                record(shape, name.to_owned(), item).map_err(|r| r.at(Below::Name(name.to_owned())))
            };
            map.iter().map(one).collect()
        }
        _ => Err(Refused::new(format!("must be {}, not {}", expected(shape), named(yaml)))),
    }
}

fn record(shape: &Shape, name: String, item: &Yaml) -> Result<Record, Refused> {
    let Yaml::Mapping(map) = item else {
        let fields: Vec<&str> = shape.fields.iter().map(|f| f.name).collect();
        return Err(Refused::new(format!("must hold {}, not {}", fields.join(", "), named(item))));
    };
    let mut fields = BTreeMap::new();
    for (field, value) in map {
        let said = field.as_str().map_or_else(|| named(field), str::to_owned);
        let Some(known) = shape.fields.iter().find(|f| f.name == said) else {
            let refused = Refused::new(format!("has no `{said}`")).at(Below::NameItself(said.clone()));
            return Err(refused.hint(super::suggest(&said, shape.fields.iter().map(|f| f.name))));
        };
        let Some(read) = known.kind.read(value) else {
            let why = format!("`{said}` must be {}, not {}", known.kind.expected(), named(value));
            return Err(Refused::new(why).at(Below::Name(said)));
        };
        fields.insert(known.name, read);
    }
    if let Some(missing) = shape.fields.iter().find(|f| f.required && !fields.contains_key(f.name)) {
        return Err(Refused::new(format!("has a record without `{}`", missing.name)));
    }
    Ok(Record { name, fields })
}

/// What to write, for errors.
pub fn expected(shape: &Shape) -> String {
    let field = |f: &FieldShape| if f.required { format!("`{}`", f.name) } else { format!("`{}` if wanted", f.name) };
    let fields: Vec<String> = shape.fields.iter().map(field).collect();
    match shape.by_name {
        Some(names) => format!("a group with names of {names}, each with {}", fields.join(", ")),
        None => format!("a list of groups, each with {}", fields.join(", ")),
    }
}

/// The JSON schema of the records.
pub fn schema(shape: &Shape) -> Json {
    let properties: serde_json::Map<String, Json> =
        shape.fields.iter().map(|f| (f.name.to_owned(), f.kind.schema())).collect();
    let required: Vec<&str> = shape.fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let record = json!({
        "type": "object", "additionalProperties": false, "required": required, "properties": properties,
    });
    match shape.by_name {
        Some(_) => json!({"type": "object", "additionalProperties": record}),
        None => json!({"type": "array", "items": record}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        by_name: None,
        fields: &[
            FieldShape { name: "id", kind: FieldKind::Text, required: true },
            FieldShape { name: "price", kind: FieldKind::Dollars, required: false },
            FieldShape { name: "heat", kind: FieldKind::Thousandths(2000), required: false },
            FieldShape { name: "limit", kind: FieldKind::Duration, required: false },
        ],
    };

    fn of(text: &str) -> Result<Vec<Record>, Refused> {
        read(&SHAPE, &serde_yaml::from_str(text).unwrap())
    }

    #[test]
    fn records_are_read_exactly() {
        let found = of("[{id: x, price: 0.15, heat: 0.25, limit: 2m}, {id: y, price: '$3', heat: 1}]").unwrap();
        assert_eq!((found[0].text("price"), found[0].number("heat")), (Some("0.15"), Some(250)));
        assert_eq!((found[1].text("price"), found[1].number("heat")), (Some("3"), Some(1000)));
        assert_eq!(found[0].number("limit"), Some(120_000));
    }

    #[test]
    fn what_is_wrong_with_a_record_is_said_in_words() {
        for (text, words) in [
            ("{id: x}", "must be a list"),
            ("[x]", "must hold id, price, heat, limit"),
            ("[{}]", "without `id`"),
            ("[{id: x, prize: 1}]", "has no `prize`"),
            ("[{id: x, price: -1}]", "`price` must be dollars"),
            ("[{id: x, price: 0.0}]", "`price` must be dollars"),
            ("[{id: x, heat: 2.5}]", "`heat` must be a number from 0 to 2"),
            ("[{id: x, limit: 5}]", "`limit` must be a duration"),
            ("[{id: 7}]", "`id` must be text, not the number 7"),
        ] {
            let refused = of(text).unwrap_err();
            assert!(refused.why.contains(words), "{text}: {}", refused.why);
        }
    }
}
