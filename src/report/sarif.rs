//! SARIF 2.1.0 of the lint's findings, for code scanning and editors.

use serde_json::{Value, json};

use crate::prd::Lint;
use crate::prd::finding::Severity;
use crate::prd::rules::RULES;

/// The log. Each document comes with its path as the repository names it, `/`-separated.
pub fn render(documents: &[(String, &Lint)]) -> Value {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": {"text": rule.about},
                "defaultConfiguration": {"level": rule.severity.name()},
                "properties": {"dimension": rule.dimension.name()},
            })
        })
        .collect();
    let of = |(uri, lint): &(String, &Lint)| lint.findings.iter().map(|f| result(f, uri)).collect::<Vec<_>>();
    let results: Vec<Value> = documents.iter().flat_map(of).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kaizen-ci prd",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &crate::prd::Finding, uri: &str) -> Value {
    let level = match finding.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    json!({
        "ruleId": finding.rule,
        "ruleIndex": RULES.iter().position(|rule| rule.id == finding.rule),
        "level": level,
        "message": {"text": format!("{}. Write instead: {}", finding.message, finding.suggestion)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": encoded(uri)},
            "region": {
                "startLine": finding.line,
                "startColumn": finding.column,
                "endLine": finding.end_line,
                "endColumn": finding.end_column,
                "snippet": {"text": finding.quote},
            },
        }}],
    })
}

/// A path as a URI reference: everything but letters, digits and `/-._~` in per cent.
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    path.bytes().map(|byte| if keep(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_a_result_with_its_rule_and_place() {
        let lint = crate::prd::lint("# Requirements\n\n- REQ-1: The shop shall be fast.\n", &|_| true);
        let log = render(&[("docs/my prd.md".into(), &lint)]);
        let run = &log["runs"][0];
        assert_eq!(
            (log["version"].as_str(), run["results"].as_array().map(Vec::len)),
            (Some("2.1.0"), Some(lint.findings.len()))
        );
        for (finding, result) in lint.findings.iter().zip(run["results"].as_array().unwrap()) {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], finding.rule.as_str());
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "docs/my%20prd.md");
            assert_eq!(place["region"]["startLine"], finding.line);
        }
    }
}
