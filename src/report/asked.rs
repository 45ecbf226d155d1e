//! What a run asked of models: from events into the document, and in words for people.

use super::document::{Document, ModelUse, Routing};
use super::escape::{code, markdown, one_line};
use super::numbers::{count, seconds};
use crate::trajectory::Event;

/// A run that asks more often says the same many times.
const MOST_ROUTINGS: usize = 1000;

/// Takes an event about a turn into the document.
pub(super) fn take(document: &mut Document, event: &Event) {
    match event {
        Event::ModelRouted { fixer, model, tier, prompt_tokens, line, .. } => {
            of(document, model).tier.clone_from(tier);
            if document.routing.len() < MOST_ROUTINGS {
                let (fixer, line) = (fixer.clone(), line.clone());
                document.routing.push(Routing { fixer, prompt_tokens: *prompt_tokens, line });
            }
        }
        Event::ModelAnswered {
            model,
            outcome,
            prompt_tokens,
            answer_tokens,
            nano_dollars,
            requests,
            ms,
            cached,
            ..
        } => {
            let used = of(document, model);
            used.turns += 1;
            used.cached += u64::from(cached.is_some());
            used.failed += u64::from(outcome != "answered");
            used.requests += u64::from(*requests);
            used.prompt_tokens += prompt_tokens;
            used.answer_tokens += answer_tokens;
            used.nano_dollars += nano_dollars;
            used.ms += ms;
        }
        _ => {}
    }
}

fn of<'a>(document: &'a mut Document, model: &str) -> &'a mut ModelUse {
    let at = document.models.iter().position(|m| m.model == model).unwrap_or_else(|| {
        document.models.push(ModelUse { model: model.to_owned(), ..ModelUse::default() });
        document.models.len() - 1
    });
    &mut document.models[at]
}

/// Billionths of a dollar, to the hundredth of a cent.
pub fn dollars(nanos: u64) -> String {
    let parts = nanos.div_ceil(100_000);
    format!("${}.{:04}", parts / 10_000, parts % 10_000)
}

/// All models together in one line; none when none was asked.
pub fn summary(document: &Document) -> Option<String> {
    let sum = |of: fn(&ModelUse) -> u64| document.models.iter().map(of).sum::<u64>();
    let turns = sum(|m| m.turns);
    if turns == 0 {
        return None;
    }
    let tokens = sum(|m| m.prompt_tokens) + sum(|m| m.answer_tokens);
    let cached = sum(|m| m.cached);
    let kept = if cached > 0 { format!(" ({cached} from the cache)") } else { String::new() };
    let names: Vec<String> = document.models.iter().take(4).map(|m| one_line(&m.model, 60)).collect();
    let turns = count(usize::try_from(turns).unwrap_or(usize::MAX), "turn");
    Some(format!("{turns}{kept}, {tokens} tokens, {}: {}", dollars(sum(|m| m.nano_dollars)), names.join(", ")))
}

/// The table of the report.
pub(super) fn table(document: &Document) -> String {
    let mut out = String::from(
        "| model | tier | turns | cached | failed | tokens in | tokens out | cost | time |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for m in &document.models {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            code(&m.model),
            markdown(&m.tier),
            m.turns,
            m.cached,
            m.failed,
            m.prompt_tokens,
            m.answer_tokens,
            dollars(m.nano_dollars),
            seconds(m.ms)
        ));
    }
    out
}

/// The routing decisions, equal ones in a row counted: for `--explain`.
pub fn explained(document: &Document) -> String {
    if document.routing.is_empty() {
        return "no model was asked\n".to_owned();
    }
    let mut out = String::new();
    let mut rows = document.routing.iter().peekable();
    while let Some(row) = rows.next() {
        let mut times = 1;
        while rows.next_if(|next| next.fixer == row.fixer && next.line == row.line).is_some() {
            times += 1;
        }
        let times = if times > 1 { format!(" ×{times}") } else { String::new() };
        out.push_str(&format!("{}{times}: {}\n", one_line(&row.fixer, 40), one_line(&row.line, 600)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_rounded_up_and_equal_decisions_counted() {
        assert_eq!(dollars(1), "$0.0001");
        assert_eq!(dollars(1_234_500_000), "$1.2345");
        let mut document = Document::of(&[]);
        assert_eq!(explained(&document), "no model was asked\n");
        for line in ["fix: a", "fix: a", "fix: b"] {
            let event = Event::ModelRouted {
                fixer: "minimal".into(),
                role: "fix".into(),
                model: "own/a".into(),
                tier: "local".into(),
                prompt_tokens: 7,
                evidence: None,
                line: line.into(),
            };
            take(&mut document, &event);
        }
        assert_eq!(explained(&document), "minimal ×2: fix: a\nminimal: fix: b\n");
        assert_eq!(document.models.len(), 1);
        assert_eq!(summary(&document), None, "routed is not asked");
    }
}
