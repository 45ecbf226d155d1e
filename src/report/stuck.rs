//! What the supervisor said of a run's stalls: from events into the document, and in words for people.

use super::document::{Document, StallInfo};
use super::escape::one_line;
use crate::trajectory::LoopEvent;

/// Longer trajectories are not ours: a loop makes a handful of changes.
const MOST: usize = 50;

/// Takes an event of the supervisor in.
pub(super) fn take(stalls: &mut Vec<StallInfo>, event: &LoopEvent) {
    let mut last = |fingerprint: &str, tier: &str, then: fn(&mut StallInfo)| {
        let of = |stall: &&mut StallInfo| stall.fingerprint == fingerprint && stall.tier == tier;
        if let Some(stall) = stalls.iter_mut().rev().find(of) {
            then(stall);
        }
    };
    match event {
        LoopEvent::Tried { fingerprint, tier, applied: true, .. } => last(fingerprint, tier, |s| s.applied = true),
        LoopEvent::Resolved { fingerprint, tier, .. } => last(fingerprint, tier, |s| s.resolved = true),
        LoopEvent::Diagnosed { fingerprint, tier, cause, change, evidence, confidence, .. } if stalls.len() < MOST => {
            stalls.push(StallInfo {
                fingerprint: fingerprint.clone(),
                tier: tier.clone(),
                cause: cause.clone(),
                change: change.clone(),
                evidence: evidence.clone(),
                // JSON has no infinity and no NaN
                confidence: if confidence.is_finite() { *confidence } else { 0.0 },
                applied: false,
                resolved: false,
            });
        }
        _ => {}
    }
}

/// One line for each stall: what is stuck, who says so, what was suggested, and what came of it.
pub fn lines(document: &Document) -> Vec<String> {
    let words = |name: &str| one_line(&name.replace('_', " "), 60);
    let line = |stall: &StallInfo| {
        let came = match (stall.applied, stall.resolved) {
            (_, true) => "done, and then it healed",
            (true, false) => "done, and it did not help",
            (false, false) => "not done",
        };
        let who = match stall.tier.as_str() {
            "rules" => "rules".to_owned(),
            tier => format!("a {} model", one_line(tier, 20)),
        };
        format!("{} ({who}, {:.2}): {}: {came}", words(&stall.cause), stall.confidence, words(&stall.change))
    };
    document.stalls.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trajectory::Loop;

    fn diagnosed(tier: &str, change: &str) -> LoopEvent {
        LoopEvent::Diagnosed {
            of: Loop::Heal,
            fingerprint: "f".into(),
            tier: tier.into(),
            cause: "ambiguous_prompt".into(),
            change: change.into(),
            evidence: vec!["7".into()],
            confidence: 0.5,
        }
    }

    #[test]
    fn each_stall_is_told_with_what_came_of_the_change() {
        let tried = |tier: &str, applied| LoopEvent::Tried {
            fingerprint: "f".into(),
            tier: tier.into(),
            change: String::new(),
            applied,
        };
        let resolved = LoopEvent::Resolved { fingerprint: "f".into(), tier: "free".into(), cause: String::new() };
        let mut document = Document::of(&[]);
        for event in [
            diagnosed("rules", "drop_objection"),
            tried("rules", false),
            diagnosed("free", "switch_model"),
            tried("free", true),
            resolved,
            diagnosed("paid", "raise_temperature"),
            tried("paid", true),
        ] {
            take(&mut document.stalls, &event);
        }
        assert_eq!(
            lines(&document),
            [
                "ambiguous prompt (rules, 0.50): drop objection: not done",
                "ambiguous prompt (a free model, 0.50): switch model: done, and then it healed",
                "ambiguous prompt (a paid model, 0.50): raise temperature: done, and it did not help",
            ]
        );
    }
}
