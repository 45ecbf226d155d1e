//! What seats and the critic say, read from whatever a model makes of the format: fenced, after thoughts, in prose. What
//! can't be read is refused by name.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::anonymise::Letters;
use super::ledger::{Raw, Response, Says};
use crate::model::{Trouble, repair};
use crate::turns::text::{clipped, cut, plain, short};

/// What a seat is told: the last line is the form of its answer.
const SEAT: &str = include_str!("prompts/seat.md");
/// An answer is an argument, not a book.
const ANSWER_CHARS: usize = 6000;
/// Entries of one list.
const LIST_MOST: usize = 6;

/// A seat's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// The decision, in one line.
    pub position: String,
    /// The answer with its reasons.
    pub answer: String,
    /// What the decision hangs on.
    pub drivers: Vec<String>,
    /// For it.
    pub pros: Vec<String>,
    /// Against it.
    pub cons: Vec<String>,
    /// What follows.
    pub consequences: Vec<String>,
    /// When to decide again.
    pub reconsider: Vec<String>,
}

/// A list of texts, however it is written: a list, one text, a list of objects with a text in each, nothing.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    fn of(value: &Value) -> Vec<String> {
        match value {
            Value::String(text) => vec![short(text, 400)],
            Value::Array(items) => items.iter().flat_map(of).collect(),
            Value::Object(map) => map.values().filter_map(Value::as_str).take(1).map(|t| short(t, 400)).collect(),
            Value::Number(n) => vec![n.to_string()],
            Value::Null | Value::Bool(_) => Vec::new(),
        }
    }
    let mut all = of(&Value::deserialize(from)?);
    all.retain(|text| !text.is_empty());
    all.truncate(LIST_MOST);
    Ok(all)
}

/// A text, a number, or nothing.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        Value::Null | Value::Object(_) => String::new(),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Seat {
    #[serde(deserialize_with = "text", alias = "decision")]
    position: String,
    #[serde(deserialize_with = "text", alias = "content", alias = "text")]
    answer: String,
    #[serde(deserialize_with = "texts")]
    drivers: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pros: Vec<String>,
    #[serde(deserialize_with = "texts")]
    cons: Vec<String>,
    #[serde(deserialize_with = "texts")]
    consequences: Vec<String>,
    #[serde(deserialize_with = "texts")]
    reconsider: Vec<String>,
    responses: Value,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OneResponse {
    #[serde(deserialize_with = "text", alias = "objection")]
    id: String,
    #[serde(deserialize_with = "text", alias = "status", alias = "response")]
    verdict: String,
    #[serde(deserialize_with = "text", alias = "why")]
    reason: String,
}

/// Reads a seat's reply. Prose is an answer without responses.
///
/// # Errors
/// When there is nothing in it, or it is cut off.
pub fn seat(reply: &str) -> Result<(Said, Vec<Response>), Trouble> {
    match repair::json(reply) {
        Ok(value @ Value::Object(_)) => {
            let seat: Seat =
                serde_json::from_value(value).map_err(|e| Trouble::WrongSchema { what: short(&e.to_string(), 200) })?;
            of_seat(seat)
        }
        Ok(_) | Err(Trouble::Malformed { .. }) => prose(reply),
        Err(trouble) => Err(trouble),
    }
}

/// The texts that the form in the prompt shows; small models send them back.
static FORM: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let shown = SEAT.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let texts = |value: &Value| match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
        other => other.as_str().map(|text| vec![text.to_lowercase()]).unwrap_or_default(),
    };
    shown.and_then(|form| Some(form.as_object()?.values().flat_map(texts).collect())).unwrap_or_default()
});

/// Is this text an answer, and not what the form shows in its place?
fn is_own(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric) && !FORM.contains(&text.trim().to_lowercase())
}

fn of_seat(seat: Seat) -> Result<(Said, Vec<Response>), Trouble> {
    let own = |text: String| if is_own(&text) { text } else { String::new() };
    let all_own = |texts: Vec<String>| texts.into_iter().filter(|text| is_own(text)).collect();
    let is_form = seat.answer.chars().chain(seat.position.chars()).any(char::is_alphanumeric);
    let mut said = Said {
        position: short(&own(seat.position), 300),
        answer: clipped(&own(seat.answer), ANSWER_CHARS),
        drivers: all_own(seat.drivers),
        pros: all_own(seat.pros),
        cons: all_own(seat.cons),
        consequences: all_own(seat.consequences),
        reconsider: all_own(seat.reconsider),
    };
    if said.answer.is_empty() {
        said.answer.clone_from(&said.position);
    }
    if said.answer.is_empty() {
        let what = if is_form { "it sends the form back" } else { "neither `answer` nor `position` says anything" };
        return Err(Trouble::WrongSchema { what: what.into() });
    }
    if said.position.is_empty() {
        said.position = first_sentence(&said.answer);
    }
    let responses = seat.responses.as_array().map(|all| all.iter().filter_map(response).collect());
    Ok((said, responses.unwrap_or_default()))
}

fn prose(reply: &str) -> Result<(Said, Vec<Response>), Trouble> {
    let text = repair::without_thoughts(reply)?;
    // half a JSON object is no prose
    let begins = text.trim_start().trim_start_matches("```json").trim_start_matches("```").trim_start();
    if begins.starts_with(['{', '[']) {
        return Err(Trouble::Malformed { what: "neither JSON nor prose".into() });
    }
    let answer = clipped(text, ANSWER_CHARS);
    if !answer.chars().any(char::is_alphanumeric) {
        return Err(Trouble::Empty);
    }
    Ok((Said { position: first_sentence(&answer), answer, ..Said::default() }, Vec::new()))
}

/// The first line's first sentence, without markup.
fn first_sentence(text: &str) -> String {
    let line = text.lines().map(|l| l.trim_matches(|c: char| "#*->_` ".contains(c))).find(|l| !l.is_empty());
    let line = line.unwrap_or_default();
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    short(&line[..end], 300)
}

fn response(value: &Value) -> Option<Response> {
    let one: OneResponse = serde_json::from_value(value.clone()).ok()?;
    let verdict = one.verdict.trim().to_ascii_lowercase();
    let says = match verdict.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default() {
        "accepted" | "accept" | "agree" | "agreed" | "yes" => Says::Accepted,
        "partly" | "partially" | "partial" => Says::Partly,
        "rebutted" | "rebut" | "rejected" | "reject" | "disagree" | "no" => Says::Rebutted,
        _ => return None,
    };
    let id = one.id.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_uppercase();
    Some(Response { id, says, reason: short(&one.reason, 600) })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OneObjection {
    #[serde(deserialize_with = "text", alias = "seat")]
    answer: String,
    #[serde(deserialize_with = "text")]
    severity: String,
    #[serde(deserialize_with = "text", alias = "category")]
    criterion: String,
    #[serde(deserialize_with = "text", alias = "words")]
    quote: String,
    #[serde(deserialize_with = "text", alias = "reason")]
    why: String,
    #[serde(deserialize_with = "text")]
    evidence: String,
}

/// The beginning of a longer quote finds its place as well.
const QUOTE_CHARS: usize = 400;

/// What the critic's prompt has in place of a quote.
const PLACEHOLDER: &str = "the exact words of the answer";

/// Reads the critic's reply.
///
/// # Errors
/// When it is no list of objections, nor a plain word that there is none, or only gives the prompt's example back.
pub fn critic(reply: &str, letters: &Letters) -> Result<Vec<Raw>, Trouble> {
    let raised = objections(reply, letters)?;
    let is_example = |raw: &Raw| plain(&raw.quote).trim_matches('.') == PLACEHOLDER;
    if !raised.is_empty() && raised.iter().all(is_example) {
        return Err(Trouble::WrongSchema { what: "it quotes the example of the prompt, and no answer".into() });
    }
    Ok(raised)
}

fn objections(reply: &str, letters: &Letters) -> Result<Vec<Raw>, Trouble> {
    let value = match repair::json(reply) {
        Ok(value) => value,
        Err(Trouble::Malformed { .. }) if says_none(reply) => return Ok(Vec::new()),
        Err(trouble) => return Err(trouble),
    };
    let list = match &value {
        Value::Array(items) => items,
        Value::Object(map) => match map.get("objections") {
            Some(Value::Array(items)) => items,
            Some(Value::Null) => return Ok(Vec::new()),
            // one objection, not in a list
            None if map.contains_key("quote") => return Ok(vec![raw(&value, letters)]),
            _ => return Err(Trouble::WrongSchema { what: "no list `objections`".into() }),
        },
        _ => return Err(Trouble::WrongSchema { what: "no list `objections`".into() }),
    };
    if !list.is_empty() && !list.iter().any(Value::is_object) {
        // whoever objects in words alone objects all the same
        return Err(Trouble::WrongSchema { what: "`objections` holds no object".into() });
    }
    const LIST_OF_ANYBODY: usize = 50;
    Ok(list.iter().filter(|item| item.is_object()).take(LIST_OF_ANYBODY).map(|item| raw(item, letters)).collect())
}

fn raw(value: &Value, letters: &Letters) -> Raw {
    let one: OneObjection = serde_json::from_value(value.clone()).unwrap_or_default();
    Raw {
        seat: letters.seat(&one.answer),
        severity: one.severity,
        criterion: one.criterion,
        quote: cut(&one.quote, QUOTE_CHARS).to_owned(),
        why: short(&one.why, 1000),
        evidence: short(&one.evidence, 600),
    }
}

/// `No objections.` in prose, and not a word more: `None of the answers mentions backups` is an objection.
fn says_none(reply: &str) -> bool {
    let Ok(text) = repair::without_thoughts(reply) else { return false };
    let text = text.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    const BEFORE: &[&str] = &["i have ", "there are ", "there is ", "i see "];
    const NONE: &[&str] = &["none", "no objection", "no objections", "no further objection", "no further objections"];
    let said = BEFORE.iter().find_map(|before| text.strip_prefix(before)).unwrap_or(&text);
    NONE.contains(&said)
}

/// Reads a ballot: the chosen seat and why.
///
/// # Errors
/// When no letter that is there is chosen.
pub fn ballot(reply: &str, letters: &Letters) -> Result<(usize, String), Trouble> {
    let wrong = || Trouble::WrongSchema { what: "no answer that is there is chosen".into() };
    let value = match repair::json(reply) {
        Ok(value) => value,
        Err(Trouble::Malformed { .. }) => json!({"choice": repair::without_thoughts(reply)?}),
        Err(trouble) => return Err(trouble),
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let seat = letters.seat(text("choice")).ok_or_else(wrong)?;
    Ok((seat, short(text("reason"), 400)))
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}, "maxItems": LIST_MOST})
}

/// The schema of a seat's answer.
pub fn seat_schema() -> Value {
    let text = json!({"type": "string"});
    let verdicts = json!(["accepted", "rebutted", "partly"]);
    let response = json!({
        "type": "object",
        "properties": {"id": text, "verdict": {"type": "string", "enum": verdicts}, "reason": text},
        "required": ["id", "verdict", "reason"],
        "additionalProperties": false,
    });
    let all = json!({
        "position": text, "answer": text, "drivers": strings(), "pros": strings(), "cons": strings(),
        "consequences": strings(), "reconsider": strings(), "responses": {"type": "array", "items": response},
    });
    let names: Vec<&String> = all.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    json!({"type": "object", "properties": all, "required": names, "additionalProperties": false})
}

/// The schema of the critic's objections.
pub fn critic_schema() -> Value {
    let text = json!({"type": "string"});
    let objection = json!({
        "type": "object",
        "properties": {
            "answer": text, "severity": {"type": "string", "enum": ["blocker", "major", "minor"]},
            "criterion": {"type": "string", "enum": super::ledger::RUBRIC}, "quote": text, "why": text, "evidence": text,
        },
        "required": ["answer", "severity", "criterion", "quote", "why", "evidence"],
        "additionalProperties": false,
    });
    let list = json!({"type": "array", "items": objection, "maxItems": super::ledger::RAISED_MOST});
    json!({"type": "object", "properties": {"objections": list}, "required": ["objections"], "additionalProperties": false})
}

/// The schema of a ballot.
pub fn ballot_schema() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {"choice": text, "reason": text}, "required": ["choice", "reason"], "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters() -> Letters {
        Letters::shuffled(&[0, 1, 2], 1, 1)
    }

    #[test]
    fn what_seats_make_of_the_format_is_read_or_refused_by_name() {
        let json = r#"{"position": "SQLite", "answer": "Use SQLite.", "pros": "simple", "responses": [{"id": "o1", "verdict": "Rebutted", "reason": "no"}]}"#;
        for reply in
            [json.to_owned(), format!("```json\n{json}\n```"), format!("<think>hm {{}}</think>Here it is: {json}")]
        {
            let (said, responses) = seat(&reply).unwrap();
            assert_eq!(
                (said.position.as_str(), said.answer.as_str(), said.pros),
                ("SQLite", "Use SQLite.", vec!["simple".to_owned()])
            );
            assert_eq!(responses, [Response { id: "O1".into(), says: Says::Rebutted, reason: "no".into() }]);
        }
        let (said, _) = seat("**Use SQLite.** It needs no server.\n\nMore.").unwrap();
        assert!(said.position.starts_with("Use SQLite.") && said.answer.contains("More."), "{said:?}");
        assert_eq!(seat("{\"answer\": 42}").unwrap().0.position, "42");
        for (reply, name) in [
            ("", "empty"),
            ("<think>and so", "truncated"),
            ("{\"answer\": \"Use SQ", "truncated"),
            ("{\"answer\": \"\"}", "wrong-schema"),
            ("{answer: x}", "malformed"),
            ("...", "empty"),
        ] {
            assert_eq!(seat(reply).unwrap_err().name(), name, "{reply}");
        }
    }

    #[test]
    fn a_form_that_is_sent_back_is_no_answer_and_what_is_left_of_it_in_an_answer_is_left_out() {
        let form = SEAT.lines().last().unwrap();
        let refused = seat(form).unwrap_err().to_string();
        assert!(refused.contains("sends the form back"), "{refused}");
        let filled = form
            .replace("your decision in one short line", "SQLite")
            .replace("\"pros\": [\"…\"]", "\"pros\": [\"one file\", \"…\"]");
        let (said, _) = seat(&filled).unwrap();
        assert_eq!((said.position.as_str(), said.answer.as_str()), ("SQLite", "SQLite"));
        assert_eq!((said.pros, said.cons, said.drivers), (vec!["one file".to_owned()], vec![], vec![]));
    }

    #[test]
    fn what_the_critic_makes_of_the_format_is_read_or_refused_by_name() {
        let letter = letters().letter(1).unwrap();
        let one = format!(
            r#"{{"answer": "{letter}", "severity": "major", "criterion": "risk", "quote": "no server", "why": "because"}}"#
        );
        for reply in [
            one.clone(),
            format!("[{one}]"),
            format!("{{\"objections\": [{one}]}}"),
            format!("```\n{{\"objections\": [{one},]}}\n```"),
        ] {
            let raised = critic(&reply, &letters()).unwrap();
            assert_eq!((raised.len(), raised[0].seat, raised[0].quote.as_str()), (1, Some(1), "no server"), "{reply}");
        }
        for none in [
            "{\"objections\": []}",
            "[]",
            "No objections.",
            "**None**",
            "I have no objection.",
            "<think>x</think>No further objections!",
        ] {
            assert_eq!(critic(none, &letters()), Ok(vec![]), "{none}");
        }
        for (reply, name) in [
            ("I think all is well in general.", "malformed"),
            ("None of the answers mentions backups.", "malformed"),
            ("No objection to A, but B is wrong about locks.", "malformed"),
            ("No objections. B is wrong about locks, though.", "malformed"),
            ("{\"objections\": \"many\"}", "wrong-schema"),
            ("{\"objections\": [\"B is wrong about locks\"]}", "wrong-schema"),
            ("[\"B is wrong about locks\"]", "wrong-schema"),
            ("{\"points\": 3}", "wrong-schema"),
            ("{\"objections\": [{\"answer\": \"A\"", "truncated"),
            ("", "empty"),
            ("[{\"answer\": \"A\", \"quote\": \"the exact words of the answer\", \"why\": \"x\"}]", "wrong-schema"),
        ] {
            assert_eq!(critic(reply, &letters()).unwrap_err().name(), name, "{reply}");
        }
        let prompt = include_str!("prompts/critic.md");
        assert!(prompt.contains(&format!("\"quote\": \"{PLACEHOLDER}\"")), "the example of the prompt is another one");
    }

    #[test]
    fn a_long_quote_is_cut_so_that_what_is_left_still_stands_where_it_stood() {
        use crate::council::ledger::{Ledger, Outcome};
        let answer = "The store keeps every order on two disks, for one of them fails once in three years. ".repeat(9);
        let (letter, words) = (letters().letter(1).unwrap(), answer.split(' ').collect::<Vec<_>>());
        for n in [60, 75, 76, 77, 78, 79, 120] {
            let quote = words[1..n].join(" ");
            let reply =
                serde_json::json!([{"answer": letter.to_string(), "quote": quote, "why": "nobody measured it"}]);
            let raised = critic(&reply.to_string(), &letters()).unwrap();
            let kept = raised[0].quote.chars().count();
            assert!(
                kept <= QUOTE_CHARS && kept + 12 > quote.chars().count().min(QUOTE_CHARS),
                "{n}: {}",
                raised[0].quote
            );
            // as the ledger looks for it, now and later, when it asks whether the words are gone
            let (mut ledger, texts) = (Ledger::default(), [String::new(), answer.clone()]);
            assert!(matches!(ledger.raise(1, &raised, &texts)[0].outcome, Outcome::Stands { .. }), "{n}");
            assert_eq!(ledger.settle_gone(&texts), [], "{n}");
        }
    }

    #[test]
    fn a_ballot_names_a_letter_that_is_there() {
        let letter = letters().letter(2).unwrap();
        assert_eq!(
            ballot(&format!("{{\"choice\": \"{letter}\", \"reason\": \"it is right\"}}"), &letters()),
            Ok((2, "it is right".into()))
        );
        assert_eq!(ballot(&letter.to_string(), &letters()).unwrap().0, 2);
        assert!(ballot("{\"choice\": \"Z\"}", &letters()).is_err() && ballot("all of them", &letters()).is_err());
    }

    proptest! {
        #[test]
        fn any_reply_ends_in_a_value_or_a_name(reply in "\\PC{0,120}|[\\[\\]{}\",:a-z <>/]{0,80}") {
            let _ = (seat(&reply), critic(&reply, &letters()), ballot(&reply, &letters()));
        }
    }
}
