//! A run as OpenTelemetry spans, in OTLP's JSON: the run, its fixers, judges and loops, and a GenAI span for every turn.
//!
//! Names follow the semantic conventions for GenAI (status: development): `gen_ai.operation.name`, `gen_ai.provider.name`,
//! `gen_ai.request.model`, `gen_ai.response.model`, `gen_ai.usage.*`. What models said is not in it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::timeline;
use crate::trajectory::{Entry, Event, LoopEvent};

/// An id of so many bytes that is the same for the same words: exported twice, a run is one trace.
fn id(bytes: usize, of: &str) -> String {
    hex::encode(&Sha256::digest(of.as_bytes())[..bytes])
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    // OTLP writes 64-bit numbers as text
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Nanoseconds since the epoch, as OTLP writes them; `ms` before `time`.
fn nanos(time: jiff::Timestamp, ms_before: u64) -> String {
    let before = i128::from(ms_before) * 1_000_000;
    (time.as_nanosecond() - before).max(0).to_string()
}

struct Trace {
    id: String,
    root: String,
    spans: Vec<Value>,
}

impl Trace {
    #[allow(clippy::too_many_arguments, reason = "the parts of a span")]
    fn span(&mut self, name: &str, kind: u8, from: String, to: String, good: Option<bool>, attributes: Vec<Value>) {
        let n = self.spans.len();
        let status = match good {
            Some(true) => json!({"code": 1}),
            Some(false) => json!({"code": 2}),
            None => json!({}),
        };
        self.spans.push(json!({
            "traceId": self.id, "spanId": id(8, &format!("{}/{n}", self.id)), "parentSpanId": self.root,
            "name": name, "kind": kind, "startTimeUnixNano": from, "endTimeUnixNano": to,
            "attributes": attributes, "status": status,
        }));
    }
}

const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;

/// The document for `/v1/traces`, and for an OTLP file.
pub fn render(entries: &[Entry]) -> Value {
    let run = entries.first().map(|e| e.run.clone()).unwrap_or_default();
    let mut trace = Trace { id: id(16, &run), root: id(8, &format!("{run}/root")), spans: Vec::new() };
    let mut command = String::from("run");
    let mut version = String::new();
    let mut good = None;
    for entry in entries {
        match &entry.event {
            Event::RunStarted { command: said, version: of, .. } => {
                command.clone_from(said);
                version.clone_from(of);
            }
            // green, or healed
            Event::RunEnded { exit, .. } => good = Some(matches!(exit, 0 | 10)),
            Event::ModelAnswered { .. } => turn(&mut trace, entry),
            Event::Loop(event) => in_loop(&mut trace, entry, event),
            _ => {}
        }
    }
    // what the timeline draws: suites, tiers, fixers, judges
    let start = entries.first().map(|e| e.time);
    for span in timeline::of(entries) {
        let Some(start) = start else { continue };
        let at = |ms: u64| (start.as_nanosecond() + i128::from(ms) * 1_000_000).to_string();
        let good = match span.state.as_str() {
            "good" => Some(true),
            "bad" => Some(false),
            _ => None,
        };
        let attributes = vec![text("kaizen_ci.lane", &span.lane)];
        trace.span(&timeline::title(&span), INTERNAL, at(span.start_ms), at(span.end_ms), good, attributes);
    }
    let ends = |entry: Option<&Entry>| entry.map(|e| nanos(e.time, 0)).unwrap_or_else(|| "0".into());
    let root = json!({
        "traceId": trace.id, "spanId": trace.root, "name": format!("kaizen-ci {command}"), "kind": INTERNAL,
        "startTimeUnixNano": ends(entries.first()), "endTimeUnixNano": ends(entries.last()),
        "attributes": [text("kaizen_ci.run", &run)],
        "status": match good { Some(true) => json!({"code": 1}), Some(false) => json!({"code": 2}), None => json!({}) },
    });
    let spans: Vec<Value> = std::iter::once(root).chain(trace.spans).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "kaizen-ci"), text("service.version", &version)]},
        "scopeSpans": [{"scope": {"name": "kaizen-ci", "version": version}, "spans": spans}],
    }]})
}

/// One turn with a model, as the conventions want it.
fn turn(trace: &mut Trace, entry: &Entry) {
    let Event::ModelAnswered {
        fixer, model, answered_by, outcome, prompt_tokens, answer_tokens, nano_dollars, ms, ..
    } = &entry.event
    else {
        return;
    };
    let (provider, id) = model.split_once('/').unwrap_or(("", model));
    let good = outcome == "answered";
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", provider),
        text("gen_ai.request.model", id),
        number("gen_ai.usage.input_tokens", *prompt_tokens),
        number("gen_ai.usage.output_tokens", *answer_tokens),
        text("gen_ai.agent.name", fixer),
        number("kaizen_ci.cost.nano_dollars", *nano_dollars),
    ];
    attributes.extend(answered_by.as_ref().map(|by| text("gen_ai.response.model", by)));
    if !good {
        attributes.push(text("error.type", outcome));
    }
    trace.span(&format!("chat {id}"), CLIENT, nanos(entry.time, *ms), nanos(entry.time, 0), Some(good), attributes);
}

fn in_loop(trace: &mut Trace, entry: &Entry, event: &LoopEvent) {
    if let LoopEvent::RoundEnded { of, round, better, ms, .. } = event {
        let attributes = vec![
            text("gen_ai.operation.name", "invoke_agent"),
            text("gen_ai.agent.name", of.name()),
            number("kaizen_ci.round", u64::from(*round)),
            text("kaizen_ci.better", if *better { "true" } else { "false" }),
        ];
        let (from, to) = (nanos(entry.time, *ms), nanos(entry.time, 0));
        trace.span(&format!("{} round {round}", of.name()), INTERNAL, from, to, None, attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{all_recorded, recorded};
    use crate::trajectory::SCHEMA_VERSION;

    #[test]
    fn every_recorded_run_is_one_trace_whose_spans_have_one_parent_and_end_after_they_begin() {
        for name in all_recorded() {
            let document = render(&recorded(&name));
            let spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
            let ids: std::collections::BTreeSet<_> = spans.iter().map(|s| s["spanId"].as_str().unwrap()).collect();
            assert_eq!(ids.len(), spans.len(), "{name}");
            for span in &spans {
                assert_eq!(span["traceId"].as_str().unwrap().len(), 32);
                let nanos = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
                assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"), "{name}: {span}");
                assert!(span["parentSpanId"].is_null() || span["parentSpanId"] == spans[0]["spanId"]);
            }
            assert_eq!(render(&recorded(&name)), document, "the same run is the same trace");
        }
    }

    #[test]
    fn a_run_that_healed_is_as_good_as_one_that_was_green() {
        for (exit, code) in [(0, 1), (10, 1), (30, 2), (60, 2)] {
            let event = serde_json::json!({"event": "run_ended", "outcome": "so", "exit": exit, "ms": 1, "runs": {}});
            let time = "2026-11-22T11:00:01Z".parse().unwrap();
            let event = serde_json::from_value(event).unwrap();
            let entry = Entry { v: SCHEMA_VERSION, run: "r".into(), step: 1, time, event };
            let root = render(&[entry])["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone();
            assert_eq!(root["status"]["code"], code, "{exit}");
        }
    }

    #[test]
    fn a_turn_is_a_span_of_the_conventions_without_what_was_said() {
        let event = serde_json::json!({
            "event": "model_answered", "fixer": "council:seat 1", "model": "groq/llama", "answered_by": "llama-3", "outcome": "answered",
            "prompt_tokens": 12, "answer_tokens": 5, "nano_dollars": 7, "requests": 1, "ms": 900, "cached": null, "answer_hash": "aa",
        });
        let entry = Entry {
            v: SCHEMA_VERSION,
            run: "r".into(),
            step: 1,
            time: "2026-11-22T11:00:01Z".parse().unwrap(),
            event: serde_json::from_value(event).unwrap(),
        };
        let document = render(&[entry]);
        let span = &document["resourceSpans"][0]["scopeSpans"][0]["spans"][1];
        assert_eq!((span["name"].as_str(), span["kind"].as_u64()), (Some("chat llama"), Some(3)));
        let of = |key: &str| {
            span["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key).unwrap()["value"].clone()
        };
        assert_eq!(of("gen_ai.provider.name"), json!({"stringValue": "groq"}));
        assert_eq!(of("gen_ai.response.model"), json!({"stringValue": "llama-3"}));
        assert_eq!(of("gen_ai.usage.input_tokens"), json!({"intValue": "12"}));
    }
}
