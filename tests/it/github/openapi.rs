//! Every request of ours is checked against GitHub's own description of its interface.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../fixtures/github/openapi/github-rest-subset.json");
    let mut value: Value = serde_json::from_str(text).unwrap();
    convert(&mut value);
    value
});

/// OpenAPI 3.0 says `nullable: true`; JSON schema has a type `null`.
fn convert(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(convert),
        Value::Object(map) => {
            map.values_mut().for_each(convert);
            if map.remove("nullable") == Some(Value::Bool(true)) {
                let inner = Value::Object(std::mem::take(map));
                map.insert("anyOf".into(), json!([inner, {"type": "null"}]));
            }
        }
        _ => {}
    }
}

/// The path of the description that `path` is one of.
fn template(path: &str) -> Option<(&'static str, &'static Map<String, Value>)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.trim_start_matches('/').split('/').collect();
        // a file's path is one parameter, whatever slashes are in it
        let rest = wanted.last() == Some(&"{path}") && parts.len() > wanted.len();
        (wanted.len() == parts.len() || rest)
            && wanted.iter().zip(&parts).all(|(w, p)| w.starts_with('{') && !p.is_empty() || w == p)
    };
    let all = DESCRIPTION["paths"].as_object().unwrap().iter().filter(|(template, _)| fits(template));
    // The one with the fewest placeholders: `/issues/comments/{id}`, not `/issues/{number}/{…}`.
    let best = all.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((best.0, best.1.as_object().unwrap()))
}

fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(at) => DESCRIPTION.pointer(at.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// What is wrong with a request; nothing when it is as described.
pub fn wrong(method: &str, path: &str, query: &str, body: &Value) -> Option<String> {
    let Some((template, methods)) = template(path) else { return Some(format!("no such path: {path}")) };
    let Some(operation) = methods.get(&method.to_lowercase()) else {
        return Some(format!("{template} has no {method}"));
    };
    let both = [methods.get("parameters"), operation.get("parameters")];
    let parameters: Vec<&Value> =
        both.into_iter().flatten().flat_map(|v| v.as_array().unwrap()).map(resolved).collect();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(known) = parameters.iter().find(|p| p["in"] == "query" && p["name"] == name) else {
            return Some(format!("{template} has no parameter {name}"));
        };
        if let Some(allowed) = known["schema"]["enum"].as_array()
            && !allowed.iter().any(|a| a == text)
        {
            return Some(format!("{template}: {name} can't be {text}"));
        }
    }
    let schema = operation.pointer("/requestBody/content/application~1json/schema").map(resolved)?;
    let mut whole = schema.clone();
    // Copying all components takes long: only where something points to them.
    if schema.to_string().contains("\"$ref\"") {
        whole["components"] = DESCRIPTION["components"].clone();
    }
    if let (Some(known), Some(given)) = (schema["properties"].as_object(), body.as_object())
        && let Some(unknown) = given.keys().find(|name| !known.contains_key(*name))
    {
        return Some(format!("{method} {template} has no field {unknown}"));
    }
    let validator = jsonschema::validator_for(&whole).unwrap_or_else(|e| panic!("{template}: {e}"));
    validator.iter_errors(body).next().map(|e| format!("{method} {template}: {e} at {}", e.instance_path()))
}

#[test]
fn requests_that_github_would_refuse_are_told_from_good_ones() {
    let issue = json!({"title": "t", "body": "b", "labels": ["x"]});
    for (method, path, query, body, fine) in [
        ("POST", "/repos/o/r/issues", "", issue, true),
        ("POST", "/repos/o/r/issues", "", json!({"body": "no title"}), false),
        ("POST", "/repos/o/r/issues", "", json!({"title": "t", "titel": "t"}), false),
        ("POST", "/repos/o/r/pulls", "", json!({"title": "t", "head": "a", "base": "b", "draft": "yes"}), false),
        ("POST", "/repos/o/r/issues/comments/1/reactions", "", json!({"content": "eyes"}), true),
        ("POST", "/repos/o/r/issues/comments/1/reactions", "", json!({"content": "fish"}), false),
        ("POST", "/repos/o/r/issues/comments/1", "", json!({"body": "x"}), false),
        ("PATCH", "/repos/o/r/issues/comments/1", "", json!({"body": "x"}), true),
        ("GET", "/repos/o/r/issues", "state=all&labels=x&per_page=100&page=1", Value::Null, true),
        ("GET", "/repos/o/r/issues", "state=every", Value::Null, false),
        ("GET", "/repos/o/r/issues", "stat=all", Value::Null, false),
        ("GET", "/nowhere", "", Value::Null, false),
    ] {
        let found = wrong(method, path, query, &body);
        assert_eq!(found.is_none(), fine, "{method} {path}?{query} {body}: {found:?}");
    }
}
