//! Figures for people: as text, and as one page that needs nothing else. Those of others stand beside them, marked as such.

use super::escape::{html, one_line};
use super::numbers::seconds;
use crate::learn::stats::{Rounds, Share, Stats, THEIRS};
use crate::model::Money;

/// What is known beside trajectories.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Beside {
    /// Upper bound of the share of look-alikes that the cache serves wrongly: of the shipped calibration.
    pub wrong_serve_bound: f64,
}

/// Name, figure, and what the design's authors reported, where they did.
pub type Row = (String, String, Option<&'static str>);

/// A share of nothing is none: `0 %` would say that something was counted.
fn percent(share: Share, of: u64) -> String {
    if of == 0 { NONE.into() } else { format!("{:.0} % ({})", 100.0 * share.share, share.n) }
}

const NONE: &str = "none";

fn rounds(rounds: &Rounds, good: &str) -> String {
    if rounds.runs == 0 {
        return NONE.into();
    }
    format!("{:.1} in {} runs; {} {good}", rounds.rounds, rounds.runs, percent(rounds.good, rounds.runs))
}

fn counted(map: &std::collections::BTreeMap<String, u64>) -> String {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let parts: Vec<String> =
        all.into_iter().map(|(name, n)| format!("{} {n}", one_line(name, 60).replace('_', " "))).collect();
    if parts.is_empty() { NONE.into() } else { parts.join(", ") }
}

/// All rows, in order.
pub fn rows(stats: &Stats, beside: Beside) -> Vec<Row> {
    let theirs = |name: &str| THEIRS.iter().find(|(n, _)| *n == name).map(|(_, figure)| *figure);
    let (f, t) = (&stats.failures, &stats.turns);
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |name: &str, figure: String| rows.push((name.to_owned(), figure, theirs(name)));
    row(
        "runs",
        format!("{} since {}", stats.runs, stats.since.as_deref().map_or("ever", |s| s.get(..10).unwrap_or(s))),
    );
    row("failures", f.all.to_string());
    row("ended by tier 1", percent(f.tier_1, f.all));
    row("ended by tier 2", percent(f.tier_2, f.all));
    row("ended by tier 3", percent(f.tier_3, f.all));
    row("ended by triage", percent(f.triage, f.all));
    row("healed by", counted(&stats.by_fixer));
    row("with model", counted(&stats.by_model));
    let times = stats.time_to_green;
    let to_green = format!("{} (median), {} (9 of 10)", seconds(times.median_ms), seconds(times.p90_ms));
    row("time to green", if stats.by_fixer.is_empty() { NONE.into() } else { to_green });
    row("rounds of a PRD", rounds(&stats.prd, "passed"));
    row("rounds of a council", rounds(&stats.council, "agreed"));
    let cached = format!("{} of {} turns", percent(t.cached, t.answered), t.answered);
    row("served from the cache", if t.answered == 0 { NONE.into() } else { cached });
    row(
        "wrong, as calibrated",
        format!(
            "at most {:.1} % of look-alikes (95 % bound of the shipped pairs; not counted here)",
            100.0 * beside.wrong_serve_bound
        ),
    );
    row("turns that failed", counted(&t.failed));
    let stalls = &stats.stalls;
    let resolved = format!("{}; by {}", percent(stalls.resolved, stalls.all), counted(&stalls.resolved_by));
    row("stalls", format!("{}: {}", stalls.all, counted(&stalls.by_cause)));
    row("stalls resolved", if stalls.all == 0 { NONE.into() } else { resolved });
    row("tokens", t.tokens.to_string());
    row("money", Money(t.nano_dollars).to_string());
    let saved = t.saved_nano_dollars.saturating_add(t.cache_saved_nano_dollars);
    row("money saved", format!("{} (cache, and {} turns told again)", Money(saved), t.replayed));
    rows
}

const NOTE: &str = "reported by the authors of the design for their own system; not measured here";

/// As text.
pub fn text(stats: &Stats, beside: Beside) -> String {
    let mut out = String::new();
    for (name, figure, theirs) in rows(stats, beside) {
        let theirs = theirs.map(|t| format!("   [{t}]")).unwrap_or_default();
        out.push_str(&format!("{name:<22} {figure}{theirs}\n"));
    }
    out.push_str(&format!("\n[…] {NOTE}\n"));
    out
}

/// As one page.
pub fn page(stats: &Stats, beside: Beside) -> String {
    let mut body = String::new();
    for (name, figure, theirs) in rows(stats, beside) {
        body.push_str(&format!(
            "<tr><th>{}</th><td>{}</td><td>{}</td></tr>\n",
            html(&name),
            html(&figure),
            html(theirs.unwrap_or_default())
        ));
    }
    let f = &stats.failures;
    let mut bars = String::new();
    for (name, share) in [("tier 1", f.tier_1), ("tier 2", f.tier_2), ("tier 3", f.tier_3), ("triage", f.triage)] {
        let width = (share.share * 100.0).round();
        bars.push_str(&format!("<div class=\"bar\"><span style=\"width:{width}%\"></span>{name} {width} %</div>\n"));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>kaizen-ci: figures</title>\n<style>:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui,sans-serif;\
         max-width:860px;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse}}td,th{{border:1px solid #8884;\
         padding:.2rem .6rem;text-align:left;vertical-align:top}}.bar{{position:relative;padding:.1rem .5rem;margin:.2rem 0}}\
         .bar span{{position:absolute;inset:0 auto 0 0;background:#1a7f3744;border-radius:4px}}</style></head>\n<body>\n\
         <h1>What kaizen-ci did here</h1>\n{bars}<table>\n<tr><th></th><th>here</th><th>theirs</th></tr>\n{body}</table>\n\
         <p>Theirs: {NOTE}.</p>\n</body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_was_counted_no_share_of_it_is_named() {
        let said = text(&Stats::default(), Beside { wrong_serve_bound: 0.019 });
        assert!(!said.contains("0 % (0)") && !said.contains("0.0 "), "{said}");
        assert!(
            said.contains("time to green          none\n") && said.contains("stalls resolved        none   [97 %]\n")
        );
        let mut one = Stats::default();
        (one.failures.all, one.prd.runs, one.turns.answered, one.stalls.all) = (1, 1, 1, 1);
        let said = text(&one, Beside { wrong_serve_bound: 0.019 });
        for part in ["tier 3        0 % (0)", "0.0 in 1 runs; 0 % (0) passed", "0 % (0) of 1 turns", "0 % (0); by none"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn figures_of_others_stand_beside_ours_and_are_marked_as_theirs() {
        let by_fixer = [("<b>x".to_owned(), 2), ("undo".to_owned(), 5)].into();
        let mut stats = Stats { runs: 3, by_fixer, ..Stats::default() };
        stats.turns.cache_saved_nano_dollars = 2_000_000_000;
        let said = text(&stats, Beside { wrong_serve_bound: 0.019 });
        for part in ["[78 %]", "[2.3]", "[97 %]", NOTE, "undo 5, <b>x 2", "at most 1.9 %", "not counted here", "$2.00"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        let page = page(&stats, Beside::default());
        assert!(page.contains("&lt;b&gt;x") && !page.contains("<b>x") && page.contains("<td>78 %</td>"));
    }
}
